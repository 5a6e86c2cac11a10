#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Links under a running cluster: networks that carry shorter packets from one
# moment to the next, of both families, one of which dies, addresses that
# vanish, interfaces that go down.  Nobody may be lost over it, and somebody must say it.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 300 $*; }

# three LAB: nodes, on two links that are up.
three() {
	up $1 -n 3 --no-fs
	quorate
	eventually 20 all_links_up alpha || atf_fail "not all links are up"
}

# links NODE FILTER: is the filter true for the rows?
links() {
	cs $1 links --json | jq -e ".data | $2"
}

# said NODE PATTERN: an event has this text.
said() {
	cs $1 events | grep -q -- "$2"
}

epoch() {
	cs alpha status --json | jq .epoch
}

# same_view EPOCH: nobody was lost.
same_view() {
	[ "$(epoch)" = $1 ] || { cs alpha events; atf_fail "the view has changed"; }
}

# traffic SECONDS: large messages from alpha to all.
traffic() {
	atf_check -o ignore $L sh alpha -- $O/bin/clusterbench \
	    -s /run/clusterd/control.sock -l 16384 -d $1 -m 1 -x flood
}

atf_test_case shrinks cleanup
shrinks_head() { head; }
shrinks_body() {
	three l-shrinks
	for n in alpha beta gamma; do
		eventually 20 links $n 'all(.[]; .datagram_max == 1452)' ||
		    { cs $n links; atf_fail "$n does not find what passes"; }
	done
	epoch=$(epoch)
	# What is longer does not leave beta, and vanishes on its way to it.
	lab sh beta -- ip link set eth0 mtu 1300
	traffic 2
	same_view $epoch
	eventually 90 said alpha "beta: link 0 passes datagrams of 1200 bytes only now (was 1452), because" ||
	    { cs alpha events; atf_fail "nobody says that it shrank"; }
	links alpha 'all(.[]; .datagram_max == (if .peer == "beta" and .link == 0 then 1200 else 1452 end))' >/dev/null ||
	    { cs alpha links; atf_fail "sizes are mixed up"; }
	traffic 1
	lab sh beta -- ip link set eth0 mtu 1500
	eventually 90 said alpha "beta: link 0 passes datagrams of 1452 bytes again" ||
	    { cs alpha events; atf_fail "nobody finds that it has grown"; }
	same_view $epoch
}
shrinks_cleanup() { cleanup; }

# Below what any network must pass: heartbeats still do.
atf_test_case narrow cleanup
narrow_head() { head; }
narrow_body() {
	three l-narrow
	epoch=$(epoch)
	lab sh beta -- ip link set eth0 mtu 700
	traffic 2
	for n in alpha beta; do
		eventually 30 links $n 'any(.[]; .state == "narrow" and .link == 0 and (.carries | not))' ||
		    { cs $n links; atf_fail "$n does not find that link 0 is narrow"; }
	done
	said alpha "beta: link 0 passes heartbeats, but no datagrams of 1200 bytes, because" ||
	    { cs alpha events; atf_fail "nobody says that it is narrow"; }
	traffic 1
	lab sh beta -- ip link set eth0 mtu 1500
	for n in alpha beta; do
		eventually 30 links $n 'all(.[]; .state == "up")' ||
		    { cs $n links; atf_fail "$n does not find that it is wide again"; }
	done
	same_view $epoch
}
narrow_cleanup() { cleanup; }

# counted NODE COUNTER: how many packets it has counted.
counted() {
	lab sh $1 -- nft -j list counters | jq --arg n $2 \
	    '[.nftables[] | select(.counter.name == $n) | .counter.packets] | add'
}

# some NODE COUNTER: any?
some() {
	[ "$(counted $1 $2)" -gt 0 ]
}

# Link 0 is IPv4 and link 1 IPv6; both are up, marked, and enough alone.
atf_test_case families cleanup
families_head() {
	head nft
}
families_body() {
	cat >c.yaml <<-EOF
	cluster: demo
	nodes:
	  alpha: {id: 1, links: [10.99.0.1, "fd00:99::1"]}
	  beta: {id: 2, links: [10.99.0.2, "fd00:99::2"]}
	  gamma: {id: 3, links: [10.99.0.3, "fd00:99::3"]}
	transport:
	  dscp: af41
	  links: [{name: four}, {name: six, priority: 1}]
	fencing: manual
	EOF
	up l-families -n 3 --no-fs --no-start -f c.yaml
	i=0
	for n in alpha beta gamma; do
		i=$((i + 1))
		lab sh $n -- ip addr add fd00:99::$i/64 dev eth1 nodad
		lab sh $n -- nft -f - <<-EOF
		table inet t {
			counter four { }
			counter six { }
			counter other { }
			chain in {
				type filter hook input priority 0;
				udp dport 5600 ip dscp af41 counter name four accept
				udp dport 5600 ip6 dscp af41 counter name six accept
				udp dport 5600 counter name other
			}
		}
		EOF
	done
	for n in alpha beta gamma; do
		atf_check -o ignore -e ignore $L boot $n
	done
	for n in alpha beta gamma; do
		atf_check -o ignore $L sh $n -- $CS -c "wait quorum 30"
		eventually 20 all_links_up $n || { cs $n links; atf_fail "not all links are up"; }
	done
	eventually 20 links alpha 'all(.[]; .datagram_max == 1452)' ||
	    { cs alpha links; atf_fail "alpha does not find what passes"; }
	links alpha 'all(.[]; .carries == (.name == "six"))' >/dev/null ||
	    { cs alpha links; atf_fail "the link of the higher priority does not carry"; }
	traffic 1
	for n in alpha beta gamma; do
		some $n four && some $n six || atf_fail "$n: nothing is marked"
		[ "$(counted $n other)" = 0 ] || atf_fail "$n: not all is marked"
	done
	epoch=$(epoch)
	for l in 0 1; do
		lab cut beta $l
		eventually 10 links alpha "any(.[]; .peer == \"beta\" and .link == $l and .state == \"down\")" ||
		    atf_fail "a dead link is not noticed"
		traffic 1
		lab heal beta $l
		eventually 20 all_links_up alpha || atf_fail "a healed link stays down"
	done
	same_view $epoch
}
families_cleanup() { cleanup; }

# logged NODE N PATTERN: the node's log has that many such lines.
logged() {
	[ $(lab log $1 | grep -c -- "$3") -eq $2 ]
}

# link_is NODE PEER LINK STATE
link_is() {
	links $1 "any(.[]; .peer == \"$2\" and .link == $3 and .state == \"$4\")"
}

# outage LINK PATTERN BREAK MEND: both commands are run in beta.
outage() {
	lab sh beta -- $3
	eventually 10 logged beta 1 "link $1: cannot send to node [13]: $2" ||
	    { lab log beta | tail; atf_fail "beta does not say why link $1 is down"; }
	eventually 10 link_is beta alpha $1 down || atf_fail "beta sees link $1 up"
	eventually 10 link_is alpha beta $1 down || atf_fail "alpha sees link $1 up"
	traffic 1
	# Some hundred datagrams later it is still said once.
	logged beta 1 "link $1: cannot send" || atf_fail "it is said again and again"
	lab sh beta -- $4
	eventually 20 link_is beta alpha $1 up || { lab log beta | tail; atf_fail "link $1 stays down"; }
	eventually 20 link_is alpha beta $1 up || atf_fail "link $1 stays down"
	logged beta 1 "link $1: can send again, after [1-9][0-9]* datagrams were lost" ||
	    { lab log beta | tail; atf_fail "beta does not say that all is well"; }
}

atf_test_case vanishes cleanup
vanishes_head() { head; }
vanishes_body() {
	three l-vanishes
	epoch=$(epoch)
	outage 0 "Network is unreachable; are our address" \
	    "ip addr del 10.99.0.2/24 dev eth0" "ip addr add 10.99.0.2/24 dev eth0"
	outage 1 "Network is unreachable; are our address" \
	    "ip link set eth1 down" "ip link set eth1 up"
	same_view $epoch
}
vanishes_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case vanishes
	atf_add_test_case families
	atf_add_test_case shrinks
	atf_add_test_case narrow
}
