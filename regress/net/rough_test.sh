#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that a cluster of real daemons bears a rough network and a rough
# machine: lost datagrams lose and reorder no message and change no view; who
# hears nothing is left out although it is heard, and one deaf pair is helped by
# the third node; pauses under load are forgiven; two_node ends a broken link by
# fencing; and sixteen nodes are one cluster, also after a loss.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 240 nft; }

epoch() {
	cs alpha status --json | jq .data[0].epoch
}

# flood PERCENT: all three send for two seconds while so much is lost.
flood() {
	for n in $(lab nodes); do
		lab loss $n $1
	done
	at=$((($(date +%s) + 3) * 1000000))
	for n in $(lab nodes); do
		lab sh $n -- timeout 100 $O/bin/clusterbench -j -l 1024 -m 3 \
		    -d 2 -t $at -x flood >flood.$n &
	done
	wait
	for n in $(lab nodes); do
		lab loss $n 0
	done
	cat flood.* >floods
	atf_check -o inline:'true\n' jq -s "length == 3 and
	    (map(.hash) | unique | length) == 1 and
	    (map(.all) | unique | length) == 1 and
	    all(.[]; .sent > 0 and .own == .sent and .views == 0) and
	    (map(.sent) | add) == .[0].all" floods
}

atf_test_case loss cleanup
loss_head() { head; }
loss_body() {
	up r-loss -n 3 --no-fs --fencing manual
	quorate
	e=$(epoch)
	for percent in 1 5 20; do
		flood $percent
		atf_check_equal $e $(epoch)
	done
	# What was lost was lost: the counters of the links know.
	says alpha "view $e:"
	cs alpha links --json | jq -e 'any(.data[]; .loss_permille > 20)' ||
	    { cs alpha links; atf_fail "nobody noticed any loss"; }
}
loss_cleanup() { cleanup; }

# members NODE LIST: its view has these, soon.
members() {
	eventually 30 sh -c "$L sh $1 -- $CS --json -c nodes |
	    jq -e '[.data[] | select(.incarnation != null) | .node] == $2'" ||
	    { cs $1 nodes; atf_fail "the view of $1 is not $2"; }
}

atf_test_case deaf_node cleanup
deaf_node_head() { head; }
deaf_node_body() {
	up r-deaf -n 3 --no-fs --fencing manual
	quorate
	lab loss gamma 100
	members alpha '["alpha","beta"]'
	members beta '["alpha","beta"]'
	is alpha .quorate
	is gamma '.quorate | not'
	lab loss gamma 0
	for n in $(lab nodes); do
		members $n '["alpha","beta","gamma"]'
		is $n .quorate
	done
}
deaf_node_cleanup() { cleanup; }

atf_test_case deaf_pair cleanup
deaf_pair_head() { head; }
deaf_pair_body() {
	up r-deafpair -n 3 --no-fs --fencing manual
	quorate
	e=$(epoch)
	# gamma hears nothing of alpha, and alpha hears gamma.
	lab sh gamma -- nft -f - <<-EOF
	table inet deaf {
		chain in {
			type filter hook input priority 0;
			ip saddr { 10.99.0.1, 10.99.1.1 } drop
		}
	}
	EOF
	for n in alpha gamma; do
		eventually 30 sh -c "$L sh $n -- $CS --json -c links |
		    jq -e 'any(.data[]; .address == \"relay via beta\" and .carries)'" ||
		    { cs $n links; atf_fail "$n does not ask beta to help"; }
	done
	flood 0
	lab sh gamma -- nft delete table inet deaf
	for n in alpha gamma; do
		eventually 30 sh -c "$L sh $n -- $CS --json -c links |
		    jq -e 'all(.data[]; .state == \"up\" and .link != null)'" ||
		    { cs $n links; atf_fail "$n does not go back to its links"; }
	done
	atf_check_equal $e $(epoch)
}
deaf_pair_cleanup() { cleanup; }

atf_test_case pauses_under_load cleanup
pauses_under_load_head() { head; }
pauses_under_load_body() {
	named r-pauses
	$L up -n 3 --no-fs --fencing manual --no-start || atf_fail "no lab"
	# The load stretches the pauses, too.
	sed -i 's/detect: normal/detect: normal, failure_timeout: 1500ms/' $D/cluster.yaml
	for n in $(lab nodes); do
		lab boot $n
	done
	quorate
	e=$(epoch)
	for i in $(seq $(nproc)); do
		timeout 100 sh -c 'while :; do :; done' &
	done
	for i in $(seq 20); do
		lab stop gamma
		sleep 0.3
		lab cont gamma
		sleep 0.2
	done
	kill $(jobs -p)
	atf_check_equal $e $(epoch)
	is gamma .quorate
}
pauses_under_load_cleanup() { cleanup; }

atf_test_case two_node cleanup
two_node_head() { head; }
two_node_body() {
	named r-two
	$L up -n 2 --no-fs --no-start || atf_fail "no lab"
	echo "quorum: {two_node: true}" >>$D/cluster.yaml
	# As cluster.yaml(5) advises: the agent that switches one of them off waits.
	mv $D/fence_lab $D/fence_now
	cat >$D/fence_lab <<-EOF
	#!/bin/sh
	asked=\$(cat)
	case "\$asked" in *plug=alpha*) sleep 3 ;; esac
	echo "\$asked" | $D/fence_now
	EOF
	chmod 755 $D/fence_lab
	lab boot alpha
	lab boot beta
	quorate
	is alpha '.two_node and .votes == 2'
	lab cut beta
	is alpha '.quorate and .votes == 1'
	says alpha "fence: beta is done"
	atf_check_equal "on off" "$(cat $D/power/alpha) $(cat $D/power/beta)"
	lab heal beta
	lab start beta
	is alpha '.quorate and .votes == 2'
	quorate
}
two_node_cleanup() { cleanup; }

atf_test_case sixteen cleanup
sixteen_head() { head; }
sixteen_body() {
	up r-sixteen -n 16 --no-fs
	quorate
	for n in $(lab nodes); do
		is $n '.votes == 16'
	done
	lab kill pi
	for n in $(lab nodes); do
		[ $n = pi ] || is $n '.quorate and .votes == 15 and .missing == "pi"'
	done
	# One view, not several that look alike.
	for n in $(lab nodes); do
		[ $n = pi ] ||
		    cs $n status --json | jq -c '[.data[0].epoch, .data[0].leader]'
	done | sort -u >views
	atf_check_equal 1 $(wc -l <views)
	lab start pi
	for n in $(lab nodes); do
		is $n '.quorate and .votes == 16'
	done
}
sixteen_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case loss
	atf_add_test_case deaf_node
	atf_add_test_case deaf_pair
	atf_add_test_case pauses_under_load
	atf_add_test_case two_node
	atf_add_test_case sixteen
}
