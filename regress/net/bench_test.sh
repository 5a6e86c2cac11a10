#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that clusterbench measures a running cluster: it counts what was
# delivered and not what was sent, two nodes see the same messages in the same
# order, its JSON is complete, and it ends when it cannot go on.  Nothing is
# said about how fast anything is.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

bench() {
	n=$1
	shift
	lab sh $n -- timeout 60 $O/bin/clusterbench "$@"
}

# is JSON EXPRESSION: true for the object in the file?
is() {
	atf_check -o inline:'true\n' jq "$2" $1
}

atf_test_case measures cleanup
measures_head() {
	needs 180
}
measures_body() {
	named t-bench
	lab up -n 2 --no-fs --fencing manual || atf_fail "no lab"
	lab wait quorate 20 || atf_fail "not quorate"
	lab sh beta -- timeout 120 $O/bin/clusterbench -d 100 -g seen watch >watch &

	bench alpha -j -n 50 -l 64 latency >latency || atf_fail "no latency"
	is latency '.what == "latency" and .node == 1 and .size == 64 and .n == 50'
	is latency '0 < .min_us and .min_us <= .p50_us and .p50_us <= .p99_us and .p99_us <= .max_us'
	is latency '.views == 0'
	# The largest message, from the other node.
	bench beta -j -n 5 -l 49152 latency >largest || atf_fail "no large messages"
	is largest '.node == 2 and .size == 49152 and .n == 5'

	# A receiver that is not scheduled for a moment is waited for.
	at=$((($(date +%s) + 3) * 1000000))
	bench beta -j -l 1024 -m 2 -d 1 -t $at flood >receiver &
	bench alpha -j -l 1024 -m 2 -d 1 -t $at -x flood >sender || atf_fail "no flood"
	wait $! || atf_fail "no receiver"
	is sender '.sent > 0 and .own == .sent and .all == .sent and .members == 2'
	is sender '.delivered <= .all and .latency.n > 0 and .delivered == .msgs_s'
	is receiver '.sent == 0 and .own == 0 and .latency.n == 0'
	atf_check_equal "$(jq .all sender)" "$(jq .all receiver)"
	atf_check_equal "$(jq .hash sender)" "$(jq .hash receiver)"

	# Text says the same, and instants grow.
	bench alpha -n 3 latency >text || atf_fail "no text"
	atf_check -o match:'^latency node=1 size=64 gap_us=0 views=0 n=3 min=.* max=[0-9.]* us$' cat text
	atf_check -o match:'^[0-9]* view q=1 epoch=[0-9]* n=2 m=1,2$' \
	    -o match:'^[0-9]* group n=1 m=2$' cat watch
	atf_check sort -n -c watch

	# Without its daemon it says so, soon.
	lab sh alpha -- timeout 60 $O/bin/clusterbench -j -n 1000000 latency >lost 2>&1 &
	sleep 1
	lab sh alpha -- sh -c 'kill -9 $(cat /run/clusterd/clusterd.pid)'
	wait $!
	atf_check_equal 2 $?
	atf_check -o match:'gone|is not back' cat lost
	atf_check -s exit:64 -e match:usage $O/bin/clusterbench
	atf_check -s exit:64 -e match:'not a number' $O/bin/clusterbench -l 50000 latency
}
measures_cleanup() {
	cleanup
}

atf_init_test_cases() {
	atf_add_test_case measures
}
