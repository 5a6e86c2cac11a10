#!/bin/sh
# check.sh BUILD [fast]: runs the suite with kyua, tells why tests failed or
# were skipped, and ends with the one line "N passed, N failed, N skipped".
set -u

build=$(cd "$1" && pwd) || exit 1
lane=${2:-all}
here=$(dirname "$0")
results=$build/kyua.db
log=$build/kyua.log
rm -f "$results"

# libatf-c leaks one allocation of its own at exit.
LSAN_OPTIONS="suppressions=$(cd "$here" && pwd)/lsan.supp:print_suppressions=0"
export LSAN_OPTIONS

if [ "$lane" = fast ]; then
	set -- unit conf simulator
else
	set --
fi

kyua -v parallelism=2 test -k "$here/Kyuafile" \
    --build-root="$build/regress" -r "$results" "$@" | tee "$log"

count() {
	grep -c -- "->  $1" "$log"
}
passed=$(($(count passed) + $(count expected_failure)))
failed=$(($(count failed) + $(count broken)))
skipped=$(count skipped)

if [ "$skipped" -gt 0 ]; then
	echo "skipped:"
	grep -- '->  skipped' "$log" | sed 's/^/  /'
fi
if [ "$failed" -gt 0 ]; then
	kyua report --verbose --results-filter=failed,broken -r "$results"
fi
if [ $((passed + failed)) -eq 0 ]; then
	echo "check: no test ran" >&2
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
