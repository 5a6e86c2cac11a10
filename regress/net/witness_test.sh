#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves with real daemons: two nodes and a witness in a third place go on when
# one of the three is lost, and of two nodes that only the witness sees, exactly
# one does.  The witness remembers over its own death; when it has lost its
# memory, it is another one, and says so.  A key that it does not have is
# counted, said on both sides with the way out, and changes nothing.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh
C=$O/sbin/clusterd

head() { needs 240 pgrep socat; }

# both LAB [no]: nodes on links 0 and 1, and the witness, or none, on link 2.
both() {
	demo 2 "wait_for_all: false, device: {witness: 10.99.2.254, timeout: 1s}"
	up $1 -n 2 --links 3 -f cluster.yaml --no-fs --no-start
	begin "${2:-}"
}

# begin [no]: both are started, with the witness or without.
begin() {
	[ "${1:-}" = no ] || $L witness start
	for n in alpha beta; do
		$L boot $n
	done
	for n in alpha beta; do
		is $n '.quorate and .missing == ""'
		[ "${1:-}" = no ] || is $n '.device_voting and .votes == 3'
	done
}

uuid() {
	od -An -tx1 -j18 -N16 $D/witness/state/witness
}

atf_test_case survivor cleanup
survivor_head() { head; }
survivor_body() {
	both w-surv
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting and .missing == "beta"'
	$L start beta
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting'
	done
	$L kill alpha
	is beta '.quorate and .votes == 2 and .device_voting'
}
survivor_cleanup() { cleanup; }

atf_test_case cut cleanup
cut_head() { head; }
cut_body() {
	both w-cut
	$L cut alpha 0
	$L cut alpha 1
	one_side
	says $loser "quorum: absent in view .*without the quorum device, which is not reached or is bound to others"
	# Both die.  The witness remembers with whom it went on: alone, only that
	# one may begin again.
	$L kill $winner
	$L kill $loser
	n=$(lines $loser)
	$L start $loser
	says $loser "view [0-9]*: $loser, leader $loser, not primary" $n
	is $loser '(.quorate | not) and .votes == 1 and (.device_why | contains("bound to others"))'
	$L kill $loser
	$L start $winner
	is $winner '.quorate and .votes == 2 and .device_voting'
	$L heal alpha 0
	$L heal alpha 1
	$L start $loser
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting'
	done
	# One that does not reach the witness does not go on against it.
	$L cut beta 2
	says beta "quorum device: without a vote, because the witness 10.99.2.254 port 5601"
	$L cut beta 0
	$L cut beta 1
	one_side
	atf_check_equal alpha $winner
}
cut_cleanup() { cleanup; }

atf_test_case killed cleanup
killed_head() { head; }
killed_body() {
	both w-kill
	before=$(uuid)
	$L witness kill
	says alpha "without a vote, because the witness 10.99.2.254 port 5601 refused the connection: is clusterd -w running"
	is alpha '.quorate and (.device_why | contains("refused"))'
	a=$(lines alpha)
	$L witness start
	says alpha "quorum device: can be read, because it answers again" $a
	atf_check_equal "$before" "$(uuid)"
	# Only what it had remembered makes this possible.
	is alpha '.device_voting and .votes == 3'
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
	# Its server alone: its parent starts another, and no node hears of it.
	a=$(lines alpha)
	w=$(lines witness)
	kill -9 $(pgrep -P $(cat $D/witness/run/witness.pid))
	says witness "witness: out of service: it was ended by signal 9" $w
	says witness "node alpha: asks from" $w
	$L start beta
	is alpha '.quorate and .votes == 3 and .device_voting'
	tail -n +$((a + 1)) $D/alpha/log | grep "quorum device: without" &&
	    atf_fail "alpha has missed the witness"
	true
}
killed_cleanup() { cleanup; }

atf_test_case forgotten cleanup
forgotten_head() { head; }
forgotten_body() {
	both w-forgot
	before=$(uuid)
	$L witness kill
	says alpha "quorum device: without a vote"
	printf X | dd of=$D/witness/state/witness bs=1 seek=40 conv=notrunc 2>/dev/null
	a=$(lines alpha)
	w=$(lines witness)
	$L witness start
	says witness "state file: .*/witness: it was damaged, and is .*/witness.damaged now: this is a new witness, which remembers nothing" $w
	[ -s $D/witness/state/witness.damaged ] || atf_fail "it is not kept"
	[ "$before" != "$(uuid)" ] || atf_fail "it is the same device"
	# Both nodes are there, and make it a voter again.
	says alpha "view [0-9]*: alpha beta, leader alpha, primary, because the quorum device can be asked" $a
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting and .device_why == ""'
	done
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
}
forgotten_cleanup() { cleanup; }

# The same where there is IPv6 only.
atf_test_case ipv6 cleanup
ipv6_head() { head; }
ipv6_body() {
	demo 2 'wait_for_all: false, device: {witness: "fd00:99:0::fe", timeout: 1s}'
	up w-six -n 2 --links 3 -f cluster.yaml --no-fs --no-start
	ip -n cl-$LAB-switch addr add fd00:99::fe/64 dev br2 nodad
	i=0
	for n in alpha beta; do
		i=$((i + 1))
		$L sh $n -- ip -4 addr flush dev eth2
		$L sh $n -- ip addr add fd00:99::$i/64 dev eth2 nodad
	done
	begin
	says witness "in service on fd00:99::fe port 5601"
	says witness "node alpha: asks from fd00:99::1, with the key of generation 0"
	is alpha '.device == "witness fd00:99::fe port 5601"'
	$L witness kill
	says alpha "without a vote, because the witness fd00:99::fe port 5601 refused the connection"
	$L witness start
	is alpha '.quorate and .device_voting and .device_why == ""'
	printf '\377\377\377\377' | $L sh beta -- socat -t 5 - "TCP6:[fd00:99::fe]:5601" >/dev/null
	says witness "fd00:99::2: refused, because what it said is not of this protocol"
	$L cut alpha 0
	$L cut alpha 1
	one_side
	is $winner '.votes == 2 and .device_voting'
	$L kill $winner
	is $loser '(.quorate | not) and .votes == 1 and (.device_why | contains("bound to others"))'
}
ipv6_cleanup() { cleanup; }

# An older state file: a node that was told of more does not ask it any more.
atf_test_case restored cleanup
restored_head() { head; }
restored_body() {
	both w-restore
	cp -p $D/witness/state/witness older
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
	$L start beta
	is beta '.quorate and .votes == 3 and .device_voting'
	$L witness kill
	cp -p older $D/witness/state/witness
	$L witness start
	says beta "quorum device: without a vote, because view [0-9]* is not recorded on it"
	$L cut beta 0
	$L cut beta 1
	one_side
	atf_check_equal alpha $winner
	is beta '.votes == 1 and (.device_voting | not)'
	# Once the others have told it, it is the device that it was.
	$L heal beta 0
	$L heal beta 1
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting and .device_why == ""'
	done
}
restored_cleanup() { cleanup; }

atf_test_case wrong_key cleanup
wrong_key_head() { head; }
wrong_key_body() {
	both w-key no
	says alpha "quorum device: without a vote, because the witness 10.99.2.254 port 5601"
	mkdir -p $D/witness
	(umask 077; command head -c 32 /dev/urandom >$D/witness/key)
	$L witness start
	says witness "10.99.2.1: refused, because its key is not ours, though its generation is: .* SIGHUP \(another key: [0-9]* so far\)"
	is alpha '.quorate and .votes == 2 and (.device_voting | not)'
	is alpha '.device_why | contains("has another key (generation 0): copy the key file there")'
	cp -p $D/key $D/witness/key
	$L witness hup
	says witness "key: read again: generation 0"
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting'
	done
	# A file that is none is said, and the keys from before are used on.
	w=$(lines witness)
	echo short >$D/witness/key
	$L witness hup
	says witness "a cluster key is exactly 32 bytes.*the keys from before are used on" $w
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
}
wrong_key_cleanup() { cleanup; }

# A witness that cannot write keeps its word: it gives none.
atf_test_case full cleanup
full_head() { head; }
full_body() {
	both w-full no
	mkdir -p $D/witness/state
	mount -t tmpfs -o size=8k room $D/witness/state
	$L witness start
	for n in alpha beta; do
		is $n '.device_voting and .votes == 3'
	done
	cat /dev/zero >$D/witness/state/filler 2>/dev/null
	$L kill beta
	is alpha '(.quorate | not) and .votes == 1'
	says alpha "quorum device: without a vote, because the witness cannot write its state: No space left on device"
	says witness "state file: .*/witness: it cannot be written, and nodes are told so: No space left on device"
	rm $D/witness/state/filler
	is alpha '.quorate and .votes == 2 and .device_voting'
	atf_check_equal 1 "$(grep -c 'it cannot be written' $D/witness/log)"
	says witness "state file: .*/witness: it can be written again"
}
full_cleanup() {
	$L witness kill
	umount $D/witness/state
	cleanup
}

# insist NODE COMMAND: as long as the answer is "try again".
insist() {
	end=$(($(date +%s) + 30))
	until $L sh $1 -- $CS -c "$2" >order 2>&1; do
		ex=$?
		[ $ex -eq 75 ] && [ $(date +%s) -le $end ] ||
		    atf_fail "$2: status $ex: $(cat order)"
		sleep 0.05
	done
}

atf_test_case new_key cleanup
new_key_head() { head; }
new_key_body() {
	both w-new
	cp -p $D/key $D/witness/key
	$L witness kill
	$L witness start
	insist alpha "key add"
	insist alpha "key use"
	for n in alpha beta; do
		says $n "the witness 10.99.2.254 port 5601 has only the older key \(generation 0, and 1 is in use\): copy the key file there and send it SIGHUP, before key drop"
		is $n '.quorate and .votes == 3 and .device_voting'
	done
	a=$(lines alpha)
	insist alpha "key drop"
	says alpha "quorum device: without a vote, because the witness 10.99.2.254 port 5601 lacks our key \(generation 1\): copy the key file there, send it SIGHUP" $a
	says witness "refused, because no key that it has is here: .*\(no such key: [0-9]* so far\)"
	cp -p $D/alpha/key $D/witness/key
	$L witness hup
	says witness "key: read again: generation 1"
	says witness "node alpha: asks from 10.99.2.1, with the key of generation 1"
	for n in alpha beta; do
		is $n '.quorate and .votes == 3 and .device_voting'
	done
}
new_key_cleanup() { cleanup; }

# What comes from strangers: it is counted, and changes nothing.
atf_test_case strangers cleanup
strangers_head() { head; }
strangers_body() {
	both w-strange
	p=$(cat $D/witness/run/witness.pid)
	s=$(pgrep -P $p)
	atf_check_equal 2 $(status_of $s Seccomp)
	atf_check_equal 1 $(status_of $s NoNewPrivs)
	atf_check_equal "$(id -u _clusterd)" $(status_of $s Uid)
	atf_check_equal 0000000000000000 $(status_of $s CapEff)
	atf_check -o empty ls -A /proc/$s/root/
	q=$($L sh alpha -- pgrep -f '^clusterd: qdevice: witness')
	[ -n "$q" ] || atf_fail "alpha has no process that asks the witness"
	atf_check -o match:'Seccomp:.2' $L sh alpha -- grep Seccomp: /proc/$q/status
	cmp_state=$(cksum <$D/witness/state/witness)
	to="TCP:10.99.2.254:5601"
	printf '\0\0\0\012not of it.' | $L sh beta -- socat -t 5 - $to >/dev/null
	says witness "10.99.2.2: refused, because what it said is not of this protocol \(malformed: 1 so far\)"
	printf '\377\377\377\377' | $L sh beta -- socat -t 5 - $to >/dev/null
	printf '\0\0\0\006clwt\011\001' | $L sh beta -- socat -t 5 - $to >/dev/null
	says witness "10.99.2.2: refused, because it speaks another version of the protocol than 1"
	# More than it has room for, and none of them says a word.
	i=0
	while [ $i -lt 70 ]; do
		$L sh beta -- sleep 60 | $L sh beta -- socat -u - $to 2>/dev/null &
		i=$((i + 1))
	done
	says witness "10.99.2.2: refused, because others came after it"
	says witness "10.99.2.2: refused, because it has not shown who it is in time"
	is alpha '.device_voting and .device_why == ""'
	atf_check_equal "$s" "$(pgrep -P $p)"
	atf_check_equal "$cmp_state" "$(cksum <$D/witness/state/witness)"
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
}
strangers_cleanup() { cleanup; }

# A node, and who has recorded it, on several connections at once: only what is
# asked on the latest one is done.
atf_test_case connections cleanup
connections_head() { head; }
connections_body() {
	both w-conn no
	$L kill alpha
	$L kill beta
	$L witness start
	says witness "in service on 10.99.2.254 port 5601"
	atf_check ip netns exec cl-$LAB-beta $O/regress/net/witness_peer \
	    10.99.2.254 5601 demo $D/key
	says witness "refused, because a record was altered, or kept from another connection \(not authentic: [0-9]* so far\)"
	says witness "node beta: asks from 10.99.2.2, with the key of generation 0, and on a new connection"
}
connections_cleanup() { cleanup; }

# What is said at the start, on the terminal.
atf_test_case settings cleanup
settings_head() { head; }
settings_body() {
	printf 'cluster: demo\nfencing: manual\nnodes:\n  a: {id: 1, links: [10.99.0.1]}\n  b: {id: 2, links: [10.99.0.2]}\n' >none.yaml
	atf_check -s exit:78 -e match:"there is no witness in it: add" $C -n -w -f none.yaml
	sed 's/^nodes/quorum: {device: {witness: 127.0.0.1, port: 5699}}\n&/' none.yaml >c.yaml
	atf_check -e ignore $C -n -w -f c.yaml
	atf_check -s exit:64 -e match:usage $C -w -N a -f c.yaml
	w="$C -w -d -f c.yaml -k key -S s -R r"
	atf_check -s exit:66 -e match:"there is no cluster key" $w
	(umask 077; command head -c 32 /dev/urandom >key)
	$C -w -f c.yaml -k key -S s -R r 2>/dev/null || atf_fail "it does not start"
	[ -S r/control.sock ] && atf_fail "a witness has no clients"
	atf_check -s exit:75 -e match:"already running" $w
	atf_check -s exit:69 -e match:"127.0.0.1 port 5699: Address already in use" \
	    $C -w -d -f c.yaml -k key -S s2 -R r2
	p=$(cat r/witness.pid)
	kill -TERM $p
	end=$(($(date +%s) + 20))
	while kill -0 $p 2>/dev/null; do
		[ $(date +%s) -le $end ] || atf_fail "it does not end"
		sleep 0.05
	done
	[ ! -e r/witness.pid ] || atf_fail "the pid file is left"
	sed -i 's/^cluster: demo/cluster: prod/' c.yaml
	atf_check -s exit:78 -e match:"memory of the witness of another cluster than prod" $w
}
settings_cleanup() {
	[ ! -e r/witness.pid ] || kill -9 $(cat r/witness.pid)
	true
}

atf_init_test_cases() {
	atf_add_test_case survivor
	atf_add_test_case cut
	atf_add_test_case killed
	atf_add_test_case forgotten
	atf_add_test_case ipv6
	atf_add_test_case restored
	atf_add_test_case wrong_key
	atf_add_test_case full
	atf_add_test_case new_key
	atf_add_test_case strangers
	atf_add_test_case connections
	atf_add_test_case settings
}
