#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves on a running cluster that the programs in the manuals of libclusterd
# do what those say: views as nodes come and go, one sequence of messages in a
# group, locks of several nodes, the state of nodes, and the end of a daemon.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 180 cc; }

# three LAB: nodes without a volume, and the programs.
three() {
	case $O in *-san*|*-cov*) atf_skip "a sanitizer's library needs a program built alike" ;; esac
	mkdir include
	cp $SRC/clusterd/libclusterd/clusterd*.h include
	ln -s $O/lib/libclusterd.so.0 libclusterd.so
	for m in $SRC/man/cl_*.3; do
		name=$(basename $m .3)
		sh $SRC/regress/lint/example.sh $m >$name.c
		atf_check cc -D_GNU_SOURCE -Iinclude -o $name $name.c -L. \
		    -lclusterd
	done
	up $1 -n 3 --no-fs
	quorate
}

# run NODE PROGRAM [ARGUMENT...]
run() {
	n=$1 p=$PWD/$2
	shift 2
	$L sh $n -- env LD_LIBRARY_PATH=$O/lib stdbuf -oL "$p" "$@"
}

# soon COMMAND...: polls until it succeeds, 30 seconds at most.
soon() {
	eventually 30 "$@" || {
		tail -n 20 *.out
		atf_fail "not within 30 s: $*"
	}
}

# After the line that matches, what the group said.
said() {
	sed -n "/$2/,\$p" $1 | grep '^node'
}

same() {
	[ "$(said alpha.out "$1" | wc -l)" -ge $2 ] &&
	    [ "$(said alpha.out "$1")" = "$(said beta.out "$1")" ]
}

atf_test_case views cleanup
views_head() { head; }
# shows PATTERN: the one line that it prints; without one nothing.
shows() {
	run alpha cl_show >show.out || atf_fail "cl_show failed"
	[ -n "$1" ] || { [ ! -s show.out ]; return; }
	grep -qE "$1" show.out
}

views_body() {
	three x-views
	# It names who is not up: nobody, unless one is just busy and stalls.
	soon shows '' || atf_fail "cl_show: $(cat show.out)"
	run alpha cl_member >views.out 2>&1 &
	soon grep -qE '^view [0-9]+, quorate: alpha beta gamma$' views.out
	$L kill gamma
	soon grep -qE '^view [0-9]+, quorate: alpha beta$' views.out
	soon shows '^gamma is (lost|fenced|absent)$' ||
	    atf_fail "cl_show: $(cat show.out)"
	$L start gamma
	soon sh -c "grep ^view views.out | tail -n 1 |
	    grep -qE '^view [0-9]+, quorate: alpha beta gamma$'"
	# Who came and went is said, with the reason.
	atf_check -o match:'^  gamma left: .*(silent|incarnation|ended|not everybody hears)' cat views.out
	soon grep -q '^  gamma joined$' views.out
	# Numbers of views only grow.
	atf_check -o empty awk '/^view/ { if ($2 + 0 < last) print; last = $2 + 0 }' \
	    views.out
}
views_cleanup() { cleanup; }

atf_test_case groups cleanup
groups_head() { head; }
groups_body() {
	three x-groups
	run alpha cl_group one >alpha.out 2>&1 &
	run beta cl_group two >beta.out 2>&1 &
	soon grep -q '^2 here: ' alpha.out
	soon grep -q '^2 here: ' beta.out
	for i in 1 2 3; do
		run gamma cl_group "from gamma $i" >gamma.$i.out 2>&1 &
	done
	soon grep -q '^5 here: ' alpha.out
	soon grep -q '^5 here: ' beta.out
	# From the second member's coming on, both have seen all there is.
	for i in 1 2 3; do
		soon grep -q "^node 3: from gamma $i$" alpha.out
		soon grep -q "^node 3: from gamma $i$" beta.out
	done
	soon same '^2 here' 3
	# All members of a lost node go in one view.
	$L kill gamma
	soon sh -c "tail -n 1 alpha.out | grep -q '^2 here: '"
	sed -n '/^5 here/,$p' alpha.out >after
	atf_check -s exit:1 grep -E '^[34] here' after
}
groups_cleanup() { cleanup; }

# The last number that this one counted up to.
counted() {
	[ "$(sed -n 's/^message //p' $1.out | tail -n 1)" = $2 ]
}

atf_test_case state cleanup
state_head() { head; }
state_body() {
	three x-state
	run alpha cl_group_state >alpha.out 2>&1 &
	soon counted alpha 1
	run beta cl_group_state >beta.out 2>&1 &
	soon counted beta 2
	atf_check -o inline:'begin with 0\n' head -n 1 alpha.out
	atf_check -o inline:'go on with 1\n' head -n 1 beta.out
	# The one that had it first goes away; the other one gives it on.
	atf_check -o ignore $L kill alpha
	run gamma cl_group_state >gamma.out 2>&1 &
	soon counted gamma 3
	soon counted beta 3
	atf_check -o inline:'go on with 2\n' head -n 1 gamma.out
	atf_check -o match:'"with_state": *2' $L sh beta -- $CS --json -c groups
}
state_cleanup() { cleanup; }

atf_test_case events cleanup
events_head() { head; }
events_body() {
	three x-events
	run alpha cl_event >alpha.out 2>&1 &
	soon grep -q '^new node 1 load.1: ' alpha.out
	run beta cl_event >beta.out 2>&1 &
	soon grep -q '^new node 2 load.2: ' alpha.out
	# Who comes later is told first what there was.
	soon grep -q '^new node 2 load.2: ' beta.out
	atf_check -o match:'^old node 1 load.1: ' head -n 1 beta.out
	atf_check -o inline:'ready\n' sed -n 2p beta.out
	# Also on a node that was not there, and of one that is not any more.
	$L kill gamma
	$L start gamma
	atf_check -o ignore $L sh gamma -- $CS -c "wait quorum 30"
	$L kill alpha
	run gamma cl_event >gamma.out 2>&1 &
	soon grep -q '^new node 3 load.3: ' beta.out
	soon grep -q '^new node 3 load.3: ' gamma.out
	atf_check -o match:'^old node 1 load.1: ' \
	    -o match:'^old node 2 load.2: ' grep ^old gamma.out
	atf_check -o match:'monitor +3 ' $L sh gamma -- $CS -c channels
}
events_cleanup() { cleanup; }

# Steps of the last round of these files, the oldest first: NODE STEP.
steps() {
	cat alpha.out beta.out | awk -v r=$1 '$2 == r { print $1 }' | sort | uniq -c |
	    awk '{ print $2 $1 }' | tr '\n' ' '
}

atf_test_case levels cleanup
levels_head() { head; }
levels_body() {
	three x-levels
	run alpha cl_level 1 >alpha.out 2>&1 &
	run beta cl_level 2 >beta.out 2>&1 &
	soon grep -q finish alpha.out
	soon grep -q finish beta.out
	$L kill gamma
	soon grep -q stop alpha.out
	# All are through the round of the view without gamma, in their order.
	r=$(sed -n '/^stop/{s/^stop //p;q}' alpha.out)
	soon grep -qx "finish $r" alpha.out
	soon grep -qx "finish $r" beta.out
	[ "$(steps $r)" = "finish2 start2 stop2 " ] || atf_fail "$(steps $r)"
	atf_check -o match:'2 +example +beta +[0-9]+ +running' \
	    $L sh alpha -- $CS -c levels
	# And two wait for a third one, which comes on the third node.
	run alpha cl_barrier 3 >first.out 2>&1 &
	run beta cl_barrier 3 >second.out 2>&1 &
	soon sh -c "$L sh beta -- $CS -c barriers | grep -qE 'example +3 +2 +1'"
	$L start gamma
	atf_check -o ignore $L sh gamma -- $CS -c "wait quorum 30"
	atf_check -o match:'example +3 +2 +0' $L sh gamma -- $CS -c barriers
	atf_check -o inline:'all are here\n' -x "$(cat <<-END
		$L sh gamma -- env LD_LIBRARY_PATH=$O/lib $PWD/cl_barrier 3
	END
	)"
	soon grep -qx 'all are here' first.out
	soon grep -qx 'all are here' second.out
}
levels_cleanup() { cleanup; }

atf_test_case kv cleanup
kv_head() { head; }
kv_body() {
	three x-kv
	run alpha cl_kv master >alpha.out 2>&1 &
	soon grep -qx 'node 1 is it' alpha.out
	run beta cl_kv master >beta.out 2>&1 &
	soon grep -qx 'node 1 is it' beta.out
	atf_check -o match:'master +6 +[0-9]+ +alpha' $L sh gamma -- $CS -c kv
	atf_check -o match:'master' $L sh gamma -- $CS -c "kv mas"
	atf_check -s not-exit:0 -e ignore -o ignore $L sh gamma -- $CS -c "kv no"
	# With its node goes what it owns, and the other one takes its place.
	$L kill alpha
	soon grep -qx 'node 2 is it' beta.out
	atf_check -o match:'master +6 +[0-9]+ +beta' $L sh gamma -- $CS -c kv
}
kv_cleanup() { cleanup; }

atf_test_case dgrams cleanup
dgrams_head() { head; }
dgrams_body() {
	three x-dgrams
	run alpha cl_dgram >alpha.out 2>&1 &
	soon grep -qx 'send: ok' alpha.out
	run beta cl_dgram >beta.out 2>&1 &
	soon grep -qx 'node 2: hello' alpha.out
	soon grep -qx 'node 2: hello' beta.out
	soon grep -qx 'open: ok' beta.out
	atf_check -o match:'^ *7 +[0-9]+ +2' $L sh alpha -- $CS -c ports
	# A second one of the same node does not get the port, and is heard.
	run beta cl_dgram >second.out 2>&1 &
	soon grep -q '^open: the port is open' second.out
	soon grep -qx 'send: ok' second.out
}
dgrams_cleanup() { cleanup; }

atf_test_case locks cleanup
locks_head() { head; }
locks_body() {
	three x-locks
	for n in alpha beta gamma; do
		run $n cl_lock >$n.out 2>&1 &
		eval $n=$!
	done
	for n in alpha beta gamma; do
		eval wait \$$n || atf_fail "$n: $(cat $n.out)"
		atf_check -o match:'^run [123], in mode 5$' cat $n.out
	done
}
locks_cleanup() { cleanup; }

atf_test_case loss cleanup
loss_head() { head; }
loss_body() {
	three x-loss
	run beta cl_connect >beta.out 2>&1 &
	pid=$!
	soon grep -q '^node 2 of cluster demo$' beta.out
	atf_check -o ignore $L sh beta -- $CS --yes -c "node beta leave"
	wait $pid || atf_fail "$(cat beta.out)"
	atf_check -o match:'^lost the cluster: ' cat beta.out
}
loss_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case views
	atf_add_test_case groups
	atf_add_test_case state
	atf_add_test_case events
	atf_add_test_case levels
	atf_add_test_case kv
	atf_add_test_case dgrams
	atf_add_test_case locks
	atf_add_test_case loss
}
