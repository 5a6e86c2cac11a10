#!/bin/sh
# run.sh BUILD SECONDS TARGET ...: each target under libFuzzer for so long,
# from its kept corpus.  What it learns stays in BUILD/corpus; with MERGE=1
# the smallest set of it that covers more goes into the kept corpus, too, of
# inputs up to MERGE_LEN bytes.  A finding is kept in BUILD/found, and the names
# of the targets that have some are on the last line.
set -u

build=$1
seconds=$2
shift 2
here=$(dirname "$0")
bad=

for t in "$@"; do
	kept=$here/corpus/$t
	learned=$build/corpus/$t
	mkdir -p "$kept" "$learned" "$build/found"
	more=
	[ "$t" = conf ] && more="$here/../conf $here/../../conf"
	echo "== $t"
	# shellcheck disable=SC2086
	"$build/${t}_fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
	    -rss_limit_mb=1024 -malloc_limit_mb=300 -print_final_stats=1 \
	    -artifact_prefix="$build/found/$t-" \
	    "$learned" "$kept" $more >"$build/$t.log" 2>&1 ||
		bad="$bad $t"
	grep -E 'ERROR|SUMMARY|assertion|Test unit written' "$build/$t.log"
	grep -E 'cov: ' "$build/$t.log" | tail -n 1
	grep -E 'number_of_executed|average_exec|peak_rss' "$build/$t.log"
	if [ -n "${MERGE:-}" ]; then
		"$build/${t}_fuzz" -set_cover_merge=1 -max_len="${MERGE_LEN:-1024}" \
		    "$kept" "$learned" >"$build/$t.merge" 2>&1 ||
			bad="$bad $t(merge)"
		echo "$(find "$kept" -type f | wc -l) inputs are kept now"
	fi
done
[ -z "$bad" ] || { echo "fuzz: found something:$bad"; exit 1; }
echo "fuzz: nothing found"
