#!/bin/sh
# detect.sh SIM [SEEDS]: how soon the last survivor has a view without a node
# whose power went, or that was cut off; in virtual time, profile normal.
set -u

sim=$1
seeds=${2:-20}
printf '%-6s %5s %5s %9s %9s %9s\n' what nodes runs 'min ms' median max
for what in kill cut; do
	for n in 2 3 8 16 32 64; do
		runs=$seeds
		[ "$n" -lt 32 ] || runs=$(((seeds + 3) / 4))
		"$sim" -m $what -n $n -s 1 -c $runs -k |
		    sed -n 's/^seed .*: \([0-9.]*\) ms$/\1/p' | sort -n |
		    awk -v what=$what -v n=$n '
			{ v[NR] = $1 }
			END { if (NR > 0) printf "%-6s %5d %5d %9s %9s %9s\n",
			    what, n, NR, v[1], v[int((NR + 1) / 2)], v[NR] }'
	done
done
