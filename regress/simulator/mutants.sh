#!/bin/sh
# mutants.sh BUILD [NUMBER...]: builds the simulator, or a model, with each
# planted bug and runs it until it is caught.  Fails if one is not.
# Also shrinks the first failing run that it finds.
# Run it by `make mutants`, which has built BUILD and set CC_CORE, the command
# that compiles a source of the core, LD_SIM, the one that links, and what is
# linked: SIM_OBJS, and MODEL_OBJS for each model.
set -u

build=$1
shift
here=$(dirname "$0")
dir=$build/regress/mutants
mkdir -p "$dir" || exit 1
missed=0
shrunk=no

# by_simulator SEEDS: prints "invariant seed" if a run fails.
by_simulator() {
	$LD_SIM -o "$dir/sim-$number" "$dir/$number.o" $SIM_OBJS || exit 1
	"$dir/sim-$number" $mixed -s 1 -c "$1" -j 2 >"$dir/$number.log" 2>&1
	sed -n 's/^seed \([0-9]*\) nodes.*invariant [0-9]* (\([a-z-]*\)) broken.*/\2 \1/p' \
	    "$dir/$number.log" | head -n 1
}

# by_model NAME: the same; a crash of the model is no catch.
by_model() {
	eval "objs=\$${1}_OBJS"
	$LD_SIM -o "$dir/$1-$number" "$dir/$number.o" $objs || exit 1
	for tc in $("$dir/$1-$number" -l | sed -n 's/^ident: //p'); do
		"$dir/$1-$number" -r "$dir/result" "$tc" >"$dir/$number.log" 2>&1
		grep -q '^failed: ' "$dir/result" && echo "model $1" && break
	done
	rm -f "$dir/$1-$number"
}

printf '%-6s %-13s %-26s %s\n' number source 'caught by' seed
while read -r number source seeds what; do
	case $number in \#*|'') continue ;; esac
	if [ $# -gt 0 ]; then
		case " $* " in *" $number "*) ;; *) continue ;; esac
	fi
	# A bug of the version after this one shows in mixed clusters.
	mixed=
	case $source in next/*) mixed=-w ;; esac
	src=clusterd/core/${source#next/}.c
	if ! grep -q "MUTANT [!=]= $number\$" "$src"; then
		echo "$number: $src does not know it" >&2
		missed=$((missed + 1))
		continue
	fi
	# One object replaces its namesake in libcore.a.
	$CC_CORE ${mixed:+-DWIRE_NEXT} -DMUTANT="$number" -c \
	    -o "$dir/$number.o" "$src" || exit 1
	[ -z "$mixed" ] || objcopy --redefine-syms="$build/regress/next/names" \
	    "$dir/$number.o" || exit 1
	case $seeds in
	[0-9]*) caught=$(by_simulator "$seeds") || exit 1 ;;
	*)	caught=$(by_model "$seeds") || exit 1 ;;
	esac
	if [ -z "$caught" ]; then
		caught='NOT-CAUGHT -'
		missed=$((missed + 1))
	fi
	printf '%-6s %-13s %-26s %s  (%s)\n' "$number" "$source" \
	    "${caught% *}" "${caught#* }" "$what"
	# The shrinker proves itself on the first one that was caught.
	if [ "$shrunk" = no ] && [ "${seeds#[0-9]}" != "$seeds" ] &&
	    [ "${caught#* }" != - ]; then
		shrunk=yes
		"$dir/sim-$number" $mixed -s "${caught#* }" -S >"$dir/shrunk" || exit 1
		sed 's/^/	/' "$dir/shrunk"
		small=$(sed -n 's/^sim //p' "$dir/shrunk")
		if "$dir/sim-$number" $small >/dev/null 2>&1; then
			echo "sim $small: does not fail" >&2
			exit 1
		fi
	fi
	rm -f "$dir/$number.o" "$dir/sim-$number"
done <"$here/MUTANTS"
[ "$missed" -eq 0 ] || echo "$missed planted bugs were not caught" >&2
[ "$missed" -eq 0 ]
