#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# model.sh FOLDER: searches the models of the protocol exhaustively, and then
# each of them with every bug that is planted in it, which must be found.
# Prints a table, and fails if something is not as it should be.
set -u

dir=$1
here=$(cd "$(dirname "$0")" && pwd)
failed=0

for p in spin ${CC:-cc}; do
	command -v "$p" >/dev/null && continue
	echo "model: $p is missing; install it with: make deps" >&2
	exit 1
done

# search NAME MODEL DEFINITION...: leaves FOLDER/NAME/log.
search() {
	name=$1 model=$2
	shift 2
	rm -rf "$dir/$name"
	mkdir -p "$dir/$name" && cd "$dir/$name" || exit 1
	spin -a "$@" "$here/$model.pml" >spin.log 2>&1 &&
	    ${CC:-cc} -O2 -w -DSAFETY -DNOREDUCE -DMEMLIM=1500 -o pan pan.c ||
	    { cat spin.log; exit 1; }
	./pan -m10000 -w22 >log 2>&1
}

# number PATTERN: the first number of the line.
number() {
	sed -n "s/$1/\\1/p" log | head -n 1
}

# report EXPECTED NAME WHAT
report() {
	errors=$(number '.*depth reached [0-9]*, errors: \([0-9]*\).*')
	depth=$(number '.*depth reached \([0-9]*\),.*')
	states=$(number ' *\([0-9]*\) states, stored.*')
	verdict=ok
	case $1 in
	none) [ "${errors:-1}" -eq 0 ] || verdict=BROKEN ;;
	some) [ "${errors:-0}" -gt 0 ] && grep -q 'assertion violated' log ||
	    verdict=MISSED ;;
	esac
	# A search that did not end proves nothing.
	[ "$1" = some ] || ! grep -qE 'Search not completed|too small|out of memory|memory limit' log ||
	    verdict=UNFINISHED
	[ $verdict = ok ] || failed=1
	# Searches take space, and only their logs are of interest.
	rm -f pan pan.? 
	printf '%-10s %-10s %9s %5s  %s\n' "$2" $verdict "${states:--}" \
	    "${depth:--}" "$3"
}

# good NAME MODEL WHAT DEFINITION...
good() {
	n=$1 m=$2 what=$3
	shift 3
	search "$n" "$m" "$@"
	report none "$n" "$what"
}

# bad NAME MODEL WHAT DEFINITION...
bad() {
	n=$1 m=$2 what=$3
	shift 3
	search "$n" "$m" "$@"
	report some "$n" "$what"
}

printf '%-10s %-10s %9s %5s  %s\n' model verdict states depth what
. "$here/runs"
exit $failed
