#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# mutants.sh BUILD [NUMBER...]: builds the simulator, or a model, with each
# planted bug and runs it until it is caught.  Fails if one is not.
# Also shrinks the first failing run of the first of them.
# Run it by `make mutants`, which has built BUILD and set CC_CORE, the command
# that compiles a source of the core, LD_SIM, the one that links, what is
# linked: SIM_OBJS, and MODEL_OBJS for each model; and JOBS, how many bugs are
# tried at a time.
#
# mutants.sh -1 BUILD LINE: one line of MUTANTS.
set -u

here=$(dirname "$0")

# simulate ARGUMENT...: prints "invariant seed" if a run fails.
simulate() {
	"$dir/sim-$number" $options "$@" >"$dir/$number.log" 2>&1
	sed -n 's/^seed \([0-9]*\) nodes.*invariant [0-9]* (\([a-z-]*\)) broken.*/\2 \1/p' \
	    "$dir/$number.log" | grep "^$oracle " | head -n 1
}

# by_simulator SEEDS[@FIRST][=ORACLE]: the same.  When it is not the oracle
# that is asked for, others may have come first: then all seeds are run.
by_simulator() {
	count=${1%%[@=]*} first=1 oracle='.*'
	case $1 in *=*) oracle=${1#*=} ;; esac
	case $1 in *@*) first=${1#*@} first=${first%=*} ;; esac
	$LD_SIM -Wl,-s -o "$dir/sim-$number" $objects $SIM_OBJS || exit 1
	by=$(simulate -s "$first" -c 1)
	[ -n "$by" ] || by=$(simulate -s 1 -c "$count")
	[ -n "$by" ] || [ "$oracle" = '.*' ] || by=$(simulate -k -s 1 -c "$count")
	echo "$by"
}

# by_model NAME: the same; a crash of the model is no catch.
by_model() {
	eval "objs=\$${1}_OBJS"
	$LD_SIM -Wl,-s -o "$dir/$1-$number" $objects $objs || exit 1
	for tc in $("$dir/$1-$number" -l | sed -n 's/^ident: //p'); do
		"$dir/$1-$number" -r "$dir/$number.result" "$tc" \
		    >"$dir/$number.log" 2>&1
		grep -q '^failed: ' "$dir/$number.result" &&
		    echo "model $1" && break
	done
	rm -f "$dir/$1-$number" "$dir/$number.result"
}

# One object replaces its namesake in libcore.a.
compile() {
	objects=
	for s in $(echo "${source#*/}" | tr , ' '); do
		src=clusterd/core/$s.c
		if ! grep -q "MUTANT [!=]= $number\$" "$src"; then
			echo "$number: $src does not know it" >&2
			exit 1
		fi
		o=$dir/$number-$s.o
		$CC_CORE -O1 -g0 ${mixed:+-DWIRE_NEXT} -DMUTANT="$number" -c \
		    -o "$o" "$src" || exit 1
		[ -z "$mixed" ] || objcopy \
		    --redefine-syms="$build/regress/next/names" "$o" || exit 1
		objects="$objects $o"
	done
}

# The shrinker proves itself on one that was caught, and so does the status of
# many runs of which some fail.
shrink() {
	"$dir/sim-$number" $options -s "$1" -S >"$dir/shrunk" || exit 1
	sed 's/^/	/' "$dir/shrunk"
	small=$(sed -n 's/^sim //p' "$dir/shrunk")
	if "$dir/sim-$number" $small >/dev/null 2>&1; then
		echo "sim $small: does not fail" >&2
		exit 1
	fi
	for keep in '' -k; do
		"$dir/sim-$number" $options -s "$1" -c 2 -j 2 $keep >/dev/null 2>&1 || continue
		echo "sim -c 2 $keep: seed $1 fails, its status does not tell" >&2
		exit 1
	done
}

one() {
	# A bug of the version after this one shows in mixed clusters.
	mixed= options=
	case $source in
	next/*)		mixed=1 options=-w ;;
	disks/*)	options='-d -n 2 -T 20 -p disk' ;;
	pair/*)		options='-n 2 -T 20' ;;
	race/*)		options='-r -T 20' ;;
	any/*)		options=-gw ;;
	esac
	compile
	case $seeds in
	[0-9]*) caught=$(by_simulator "$seeds") || exit 1 ;;
	*)	caught=$(by_model "$seeds") || exit 1 ;;
	esac
	printf '%-6s %-19s %-20s %s\n' "$number" "$source" \
	    "${caught:-NOT-CAUGHT}" "$what"
	[ -z "$caught" ] || [ "$number" != "${SHRINK:-}" ] ||
	    shrink "${caught#* }"
	rm -f $objects "$dir/sim-$number"
	[ -n "$caught" ]
}

if [ "$1" = -1 ]; then
	build=$2
	dir=$build/regress/mutants
	read -r number source seeds what <<-END
	$3
	END
	one
	exit
fi

build=$1
shift
mkdir -p "$build/regress/mutants" || exit 1
list=$build/regress/mutants/list
grep '^[0-9]' "$here/MUTANTS" | while read -r number rest; do
	case " $* " in '  ' | *" $number "*) echo "$number $rest" ;; esac
done >"$list"
SHRINK=$(awk '$3 ~ /^[0-9]/ { print $1; exit }' "$list")
export SHRINK
printf '%-6s %-19s %s\n' number source 'caught by, and seed'
xargs -d '\n' -P "${JOBS:-2}" -I '{}' sh "$0" -1 "$build" '{}' <"$list" ||
    { echo "some planted bugs were not caught" >&2; exit 1; }
