# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# For tests whose nodes are machines of a lab (regress/lab/lab): set SRC and O,
# the source tree and the build folder, then read this.  D is the lab's folder.

. $SRC/regress/net/common.sh

L="env O=$O $SRC/regress/lab/lab"
CS=$O/bin/clustershell

lab() {
	$L "$@"
}

# needs SECONDS PROGRAM...: what all have in common need not be named.
needs() {
	atf_set require.user root
	atf_set timeout $1
	shift
	atf_set require.progs "ip nsenter unshare jq $*"
}

# named LAB: the lab of this test.
named() {
	LAB=$1
	export LAB
	echo $LAB >lab
	D=${LABROOT:-/tmp/clusterd-lab}/$LAB
}

# What cleans up knows it from the file.
[ ! -f lab ] || named $(cat lab)

# up LAB [OPTION...]
up() {
	named $1
	shift
	atf_check -o ignore -e ignore $L up "$@"
}

# quorate [NODE...]: they are, or all of them, soon.
quorate() {
	for n in ${*:-$(lab nodes)}; do
		atf_check -o ignore $L sh $n -- $CS -c "wait quorum 30"
	done
}

# A cleanup that fails makes the test fail, also where a process that a
# sanitizer ended was just started again.
cleanup() {
	[ -f lab ] || return 0
	sane $D/*/log
	found=$?
	$L down
	return $found
}

# cs NODE COMMANDS [OPTION...]
cs() {
	n=$1 c=$2
	shift 2
	lab sh $n -- $CS "$@" -c "$c"
}

# all_links_up NODE
all_links_up() {
	cs $1 links --json | jq -e 'all(.data[]; .state == "up")'
}

# demo NODES OPTIONS: cluster.yaml of the first nodes, with these of quorum.
demo() {
	i=0
	{
		echo "cluster: demo"
		echo "nodes:"
		for n in alpha beta gamma; do
			i=$((i + 1))
			[ $i -gt $1 ] ||
			    echo "  $n: {id: $i, links: [10.99.0.$i, 10.99.1.$i]}"
		done
		echo "membership: {detect: fast}"
		echo "quorum: {$2}"
		echo "fencing: manual"
	} >cluster.yaml
}

# row NODE: of quorum there.
row() {
	$L sh $1 -- $CS --json -c quorum 2>/dev/null
}

# is NODE FILTER: true of the row of quorum there, soon.
is() {
	end=$(($(date +%s) + 30))
	until row $1 >row && jq -e ".data[0] | $2" row >/dev/null; do
		if [ $(date +%s) -gt $end ]; then
			cat row
			tail -n 30 $D/*/log
			atf_fail "not on $1: $2"
		fi
		sleep 0.05
	done
}

# lines NODE: how many its log has.
lines() {
	wc -l <$D/$1/log
}

# says NODE TEXT [LINES]: it is in its log, behind so many lines, soon.
says() {
	end=$(($(date +%s) + 30))
	until tail -n +$((${3:-0} + 1)) $D/$1/log | grep -qE -- "$2"; do
		if [ $(date +%s) -gt $end ]; then
			tail -n 30 $D/$1/log
			atf_fail "$1 does not say: $2"
		fi
		sleep 0.05
	done
}

# one_side: of alpha and beta exactly one is quorate, without the other, and
# stays it; sets winner, loser.
one_side() {
	end=$(($(date +%s) + 30))
	same=0
	winner=
	while [ $same -lt 20 ]; do
		[ $(date +%s) -le $end ] || atf_fail "not one side: $a / $b"
		a=$(row alpha | jq -r '.data[0] | "\(.quorate) \(.missing)"')
		b=$(row beta | jq -r '.data[0] | "\(.quorate) \(.missing)"')
		case "$a/$b" in
		"true beta/false alpha") now=alpha loser=beta ;;
		"false beta/true alpha") now=beta loser=alpha ;;
		*) now= loser= ;;
		esac
		if [ -n "$now" ] && [ "$now" = "$winner" ]; then
			same=$((same + 1))
		else
			same=0
			winner=$now
		fi
	done
}
