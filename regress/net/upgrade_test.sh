#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that a cluster is upgraded node by node while it works: each of three
# nodes is stopped and comes back with the next version, two programs on the
# others go on sending, lose nothing, see one order, and have quorum always.
# What the next version has is used when the last node has it, and not before.

SRC=@SRC@
O=@O@
PORT=5741
. $SRC/regress/net/daemons.sh

# shows NODE FILTER VALUE: what its `nodes' say, before long.
shows() {
	eventually 30 sh -c "$O/bin/clustershell -s r$1/observe.sock --json \
	    -c nodes | jq -r '$2' | tr '\n' ' ' | grep -qx '$3 '" ||
		atf_fail "node $1 does not show $3: $(ask $1 nodes "$2" | tr '\n' ' ')"
}

# features NODE VALUE: those of the view.
features() {
	atf_check_equal $2 $(ask $1 status '.data[0].features')
}

# upgrade NODE OTHER OTHER: the others work meanwhile.
upgrade() {
	from=$(wc -l <log$1)
	bench="timeout 90 $O/bin/clusterbench -j -l 256 -m 2 -d 8 -x -g up$1"
	for i in $2 $3; do
		timeout 90 $O/bin/clusterbench -s r$i/control.sock -d 60 \
		    -g seen$1 watch >watch$1.$i 2>/dev/null &
		echo $! >w$i
	done
	$bench -s r$2/control.sock flood >send$1 &
	s=$!
	$bench -s r$3/control.sock flood >also$1 &
	a=$!
	eventually 20 grep -q " group n=" watch$1.$3 || atf_fail "no watch"
	kill -TERM $(cat pid$1)
	wait $(cat pid$1)
	C=$O/regress/next/sbin/clusterd
	$C -d -f c.yaml -k key -N n$1 -S s$1 -R r$1 >>log$1 2>&1 &
	echo $! >pid$1
	seen $1 "engine: in service" $((from + 1))
	for i in 1 2 3; do
		members $i 3
	done
	wait $s && wait $a || atf_fail "the load has failed"
	kill $(cat w$2) $(cat w$3)
	for i in $2 $3; do
		atf_check -o ignore grep 'view q=1' watch$1.$i
	done
	atf_check -s exit:1 grep 'view q=0' watch$1.$2 watch$1.$3
	# Nothing is lost, for either sender, and the order is one.
	for f in send$1 also$1; do
		atf_check -o inline:'true\n' jq '.sent > 0 and .own == .sent' $f
	done
	atf_check_equal "$(jq .all send$1)" "$(jq .all also$1)"
	atf_check_equal "$(jq .hash send$1)" "$(jq .hash also$1)"
}

atf_test_case rolling cleanup
rolling_head() {
	head
}
rolling_body() {
	setup 3
	shows 1 '.data[].protocol' '1 1 1'
	upgrade 3 1 2
	shows 1 '.data[].protocol' '1 1 1'
	shows 3 '.data[].protocol' '1 1 2'
	features 3 61
	upgrade 2 1 3
	shows 2 '.data[].protocol' '1 2 2'
	shows 2 '.data[].features' '61 63 63'
	features 2 61
	upgrade 1 2 3
	for i in 1 2 3; do
		shows $i '.data[].protocol' '2 2 2'
		features $i 63
	done
	atf_check -s exit:1 grep -E 'malformed|reset|refused' log1 log2 log3
}
rolling_cleanup() { stop_all; }

atf_init_test_cases() {
	atf_add_test_case rolling
}
