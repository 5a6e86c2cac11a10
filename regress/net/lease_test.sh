#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that a node which was not run, whatever waits for it when it wakes
# up, says nothing on the word of a view that may be over: it is silent until
# its view is confirmed, and then nothing has happened; or it never says again
# that it is quorate there.

SRC=@SRC@
O=@O@
PORT=5794
. $SRC/regress/net/daemons.sh

epoch() {
	ask $1 status '.data[0].epoch'
}

# questions NODE: a program that is connected before the node falls asleep,
# and whose questions wait in the socket as it wakes up.
questions() {
	mkfifo fifo
	$O/bin/clustershell -s r$1/observe.sock --json <fifo >answers 2>/dev/null &
	shell=$!
	exec 9>fifo
	echo quorum >&9
	eventually 10 grep -q '"quorate"' answers || atf_fail "no answer at all"
}

# answered N: so many answers came.
answered() {
	[ "$(jq -s 'map(select(.data)) | length' answers)" -ge $1 ]
}

# A network of its own, in which one can be cut off.
network() {
	echo lease$$ >netns
	ip netns add $(cat netns)
	ip -n $(cat netns) link set lo up
	C="ip netns exec $(cat netns) $C"
}

# cut add|del NODE: nothing reaches it.
cut() {
	for link in 0 1; do
		ip -n $(cat netns) route $1 blackhole 127.77.$link.$2 table local
	done
}

atf_test_case wakes_up_outside cleanup
wakes_up_outside_head() { head; }
wakes_up_outside_body() {
	MEMBERSHIP="heartbeat: 100ms, failure_timeout: 700ms, stall_timeout: 700ms"
	network
	setup 3
	epoch=$(epoch 2) life=$(incarnation 1)
	atf_check_equal held "$(ask 2 quorum '.data[0].lease')"
	atf_check_equal true "$(ask 2 quorum '.data[0].lease_left_us > 0')"
	questions 2
	# What was sent to it meanwhile would tell it more than enough.
	kill -STOP $(engine 2) $(beat 2)
	cut add 2
	seen 1 "n2: not in view .* any more"
	members 1 2
	# This is all that it reads.
	echo quorum >&9
	sleep 0.2
	kill -CONT $(engine 2) $(beat 2)
	eventually 20 answered 2 || atf_fail "no answer"
	exec 9>&-
	cat answers
	atf_check -o inline:"false out $epoch\n" jq -rs 'map(select(.data))[1].data[0] |
	    "\(.quorate) \(.lease) \(.epoch)"' answers
	# It comes back as another incarnation, in a later view.
	cut del 2
	members 1 3
	atf_check test "$life" != "$(incarnation 1)"
}
wakes_up_outside_cleanup() {
	stop_all
	ip netns del $(cat netns)
	sane log*
}

atf_test_case wakes_up_inside cleanup
wakes_up_inside_head() { head; }
wakes_up_inside_body() {
	MEMBERSHIP="heartbeat: 100ms, failure_timeout: 700ms, stall_timeout: 60s"
	setup 3
	epoch=$(epoch 1) life=$(incarnation 1)
	questions 2
	kill -STOP $(engine 2)
	seen 1 "n2: its engine has not run for"
	# Several times as long as its lease.
	sleep 2
	echo quorum >&9
	sleep 0.2
	kill -CONT $(engine 2)
	eventually 20 answered 2 || atf_fail "no answer"
	exec 9>&-
	cat answers
	# Its lease was out, and comes back in a round trip; and that is all.
	members 2 3
	atf_check_equal held "$(ask 2 quorum '.data[0].lease')"
	atf_check_equal "$epoch" "$(epoch 2)"
	atf_check_equal "$life" "$(incarnation 1)"
	atf_check -s exit:1 grep "quorum: absent" log1 log2 log3
}
wakes_up_inside_cleanup() { stop_all; }

atf_init_test_cases() {
	atf_add_test_case wakes_up_outside
	atf_add_test_case wakes_up_inside
}
