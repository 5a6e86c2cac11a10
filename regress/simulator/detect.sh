#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# detect.sh SIM [SEEDS [LIMIT]]: how soon the last survivor has a view without
# a node whose power went, or that was cut off, in virtual time with detection
# "normal".  Fails when a run does, or one takes more than LIMIT milliseconds.
# NODES: the sizes.
set -u

sim=$1
seeds=${2:-20}
limit=${3:-800}
status=0

# measure WHAT NODES RUNS: one line of the table
measure() {
	out=$("$sim" -m "$1" -n "$2" -s 1 -c "$3" -k) || {
		echo "$out"
		echo "detect: $1 of one of $2 nodes: a run failed" >&2
		return 1
	}
	echo "$out" | sed -n 's/^seed .*: \([0-9.]*\) ms$/\1/p' | sort -n |
	    awk -v what="$1" -v n="$2" -v runs="$3" -v limit="$limit" '
		{ v[NR] = $1 }
		END {
			if (NR != runs || v[1] + 0 <= 0) {
				print "detect: not every run was measured"
				exit 1
			}
			late = v[NR] + 0 > limit + 0
			printf("%-6s %5d %5d %9.1f %9.1f %9.1f%s\n", what, n,
			    NR, v[1], v[int((NR + 1) / 2)], v[NR],
			    late ? "  more than " limit " ms" : "")
			exit late
		}'
}

printf '%-6s %5s %5s %9s %9s %9s\n' what nodes runs 'min ms' median max
for what in kill cut; do
	for n in ${NODES:-2 3 8 16 32 64}; do
		runs=$seeds
		[ $n -lt 32 ] || runs=$(((seeds + 3) / 4))
		measure $what $n $runs || status=1
	done
done
exit $status
