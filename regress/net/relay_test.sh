#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that two nodes which cannot reach each other stay in one view over a
# third one, and go back to their own links when those work again, without a
# change of the view either time.

SRC=@SRC@
O=@O@
PORT=5796
MEMBERSHIP="heartbeat: 100ms, failure_timeout: 2s"
. $SRC/regress/net/daemons.sh
TABLE=relaytest$PORT

# Node 1 and node 3 no longer reach each other on either link.
cut_pair() {
	nft -f - <<-END
	table ip $TABLE {
		chain out {
			type filter hook output priority 0;
			ip saddr { 127.77.0.1, 127.77.1.1 } ip daddr { 127.77.0.3, 127.77.1.3 } udp dport $PORT drop
			ip saddr { 127.77.0.3, 127.77.1.3 } ip daddr { 127.77.0.1, 127.77.1.1 } udp dport $PORT drop
		}
	}
	END
}

heal_pair() {
	nft delete table ip $TABLE
}

epochs() {
	for i in 1 2 3; do
		ask $i status '.data[0].epoch'
	done
}

same_views() {
	epochs >now
	atf_check cmp before now
}

relay_of() {
	ask $1 links ".data[] | select(.peer == \"n$2\" and .link == null) | .address"
}

# Neither goes over a third one, and each hears the other.
on_their_own() {
	[ -z "$(relay_of 1 3)$(relay_of 3 1)" ] &&
	    [ "$(ask 1 links '[.data[] | select(.peer == "n3" and .state == "up")] | length')" = 2 ]
}

atf_test_case one_pair cleanup
one_pair_head() {
	atf_set require.user root
	atf_set require.progs "pgrep unshare ip ss jq nft"
	atf_set timeout 120
}
one_pair_body() {
	setup 3
	epochs >before
	cut_pair || atf_skip "no packet filter here"
	seen 1 "n3: no direct path, relayed by n2"
	seen 3 "n1: no direct path, relayed by n2"
	seen 1 "n3: link 1 down"
	atf_check_equal "relay via n2" "$(relay_of 1 3)"
	# Longer than the failure timeout: only what is relayed can count.
	sleep 5
	members 1 3
	members 3 3
	same_views
	heal_pair
	# On a busy machine a beat over n2 may be late, and that is the cause.
	seen 1 "n3: no longer relayed by n2, because"
	seen 3 "n1: no longer relayed by n2, because"
	eventually 20 on_their_own || atf_fail "still relayed: $(relay_of 1 3)"
	same_views
	atf_check -s exit:1 grep "was lost" log1 log2 log3

	# Without the relay node the pair falls apart: no word comes through.
	cut_pair
	seen 1 "n3: no direct path, relayed by n2" $(($(wc -l <log1) + 1))
	kill -STOP $(beat 2) $(engine 2)
	seen 1 "because n3 was lost\|n3: not in view\|n3: lost"
	kill -CONT $(beat 2) $(engine 2)
	members 1 3
	members 3 3
}
one_pair_cleanup() {
	nft delete table ip $TABLE 2>/dev/null
	stop_all
}

atf_init_test_cases() {
	atf_add_test_case one_pair
}
