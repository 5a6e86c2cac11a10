#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves how the end of a node is told from its silence: a daemon or an engine
# that ends is known to have ended, without waiting for any timeout; an engine
# that hangs while its machine lives, or waits for its disk, is given the stall
# timeout; and without
# the beat process silence decides, as ever.

SRC=@SRC@
O=@O@
PORT=5792
# Nobody can mistake one timeout for another, or for a quick end.
MEMBERSHIP="heartbeat: 100ms, failure_timeout: 20s, stall_timeout: 40s"
. $SRC/regress/net/daemons.sh

epoch() {
	ask $1 status '.data[0].epoch'
}

atf_test_case engine_ends cleanup
engine_ends_head() { head; }
engine_ends_body() {
	setup 3
	kill -9 $(engine 2)
	seen 1 "n2: not in view .* any more"
	seen 1 "because n2 was lost (its engine has ended (signal 9))"
	atf_check -s exit:1 grep "n2.*silent" log1
	# Its beat process ends with its engine, and a new pair takes over.
	members 1 3
	atf_check_equal 1 $(beat 2 | wc -l)
}
engine_ends_cleanup() { stop_all; }

atf_test_case daemon_ends cleanup
daemon_ends_head() { head; }
daemon_ends_body() {
	setup 3
	p=$(cat pid2) b=$(beat 2)
	kill -9 $p
	seen 1 "because n2 was lost (its daemon has ended)"
	seen 3 "n2: not in view .* any more"
	atf_check -s exit:1 grep "n2.*silent" log1
	gone $b
}
daemon_ends_cleanup() { stop_all; }

# An engine that does not even notice is killed first: it might believe in its
# quorum for a while yet, and nobody would wait for that.
atf_test_case daemon_ends_before_engine cleanup
daemon_ends_before_engine_head() { head; }
daemon_ends_before_engine_body() {
	setup 3
	e=$(engine 2)
	kill -STOP $e
	kill -9 $(cat pid2)
	seen 1 "because n2 was lost (its daemon has ended)"
	# Not "soon": by the time that the others say so.
	atf_check -s not-exit:0 grep -s '^State:.*[RSDTt] (' /proc/$e/status
	atf_check -s exit:1 grep "n2.*silent" log1
}
daemon_ends_before_engine_cleanup() { stop_all; }

# The disk that holds the state takes longer than the failure timeout, in the
# middle of a change of views: the node cannot speak, and is not dead.
atf_test_case slow_disk cleanup
slow_disk_head() { head; }
slow_disk_body() {
	MEMBERSHIP="failure_timeout: 5s, stall_timeout: 60s"
	setup 3
	life=$(incarnation 1)
	kill -STOP $(cat pid2)
	kill -9 $(engine 3)
	seen 1 "n2: its engine has not run for"
	# More than the failure timeout, less than what a proposal is given.
	sleep 6
	kill -CONT $(cat pid2)
	seen 1 "n2: its engine runs again"
	seen 2 "state.*took .* ms to be on the disk"
	for i in 1 2 3; do
		members $i 3
	done
	atf_check_equal "$life" "$(incarnation 1)"
	atf_check -s exit:1 grep "n2 was lost" log1
}
slow_disk_cleanup() { stop_all; }

atf_test_case engine_hangs cleanup
engine_hangs_head() { head; }
engine_hangs_body() {
	MEMBERSHIP="failure_timeout: 500ms, stall_timeout: 60s"
	setup 3
	epoch=$(epoch 1) life=$(incarnation 1)
	kill -STOP $(engine 2)
	seen 1 "n2: its engine has not run for"
	# Several times the failure timeout.
	sleep 2
	atf_check_equal "$epoch" "$(epoch 1)"
	kill -CONT $(engine 2)
	seen 1 "n2: its engine runs again"
	# It had its view renewed before it believed it, and nobody was lost.
	members 2 3
	atf_check_equal "$life" "$(incarnation 1)"
	atf_check -s exit:1 grep "n2 was lost" log1
	# A stopped machine, which its beat process belongs to, is another matter.
	kill -STOP $(beat 2) $(engine 2)
	seen 1 "because n2 was lost (silent on 2 links"
	kill -CONT $(beat 2) $(engine 2)
	members 1 3
}
engine_hangs_cleanup() { stop_all; }

atf_test_case beat_ends cleanup
beat_ends_head() { head; }
beat_ends_body() {
	MEMBERSHIP="failure_timeout: 500ms, stall_timeout: 60s"
	setup 3
	e=$(engine 2)
	kill -9 $(beat 2)
	seen 2 "beat: the process is gone"
	# The node goes on as it was.
	atf_check_equal "$e" "$(engine 2)"
	kill -STOP $e
	seen 1 "because n2 was lost (silent on 2 links"
	kill -CONT $e
	members 1 3
	atf_check_equal 1 $(beat 2 | wc -l)
}
beat_ends_cleanup() { stop_all; }

atf_init_test_cases() {
	atf_add_test_case engine_ends
	atf_add_test_case daemon_ends
	atf_add_test_case daemon_ends_before_engine
	atf_add_test_case slow_disk
	atf_add_test_case engine_hangs
	atf_add_test_case beat_ends
}
