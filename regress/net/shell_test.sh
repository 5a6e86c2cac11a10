#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves on a running cluster that every command of clustershell answers as
# text and as JSON, that exit codes are those of the manual, that the observe
# socket only looks, and that operators' commands do what they say.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 180; }

atf_test_case answers cleanup
answers_head() { head; }
answers_body() {
	up s-answers -n 3 --no-fs
	quorate
	# One link is enough for quorum; the other may come up a moment later.
	eventually 10 all_links_up alpha || atf_fail "not all links are up"
	atf_check -o match:'nodes  *3/3 up' -o match:'quorum  *yes' \
	    -o match:'links  *4/4 up' $L sh alpha -- $CS -c status
	for what in status nodes links timers quorum lockspaces locks fence fs events groups channels levels barriers kv ports key; do
		atf_check -o not-empty $L sh alpha -- $CS -c $what
		cs alpha $what --json >out || atf_fail "$what fails"
		[ $(wc -l <out) -eq 1 ] || atf_fail "$what: more than one line of JSON"
		atf_check -o inline:'1 demo alpha true\n' \
		    jq -r '"\(.api) \(.cluster) \(.node) \(.data | type == "array")"' out
	done
	atf_check -o inline:'alpha up\nbeta up\ngamma up\n' sh -c \
	    "$L sh beta -- $CS --json -c nodes | jq -r '.data[] | \"\\(.node) \\(.state)\"'"
	atf_check -o match:'^ *beta ' $L sh alpha -- $CS -c 'node beta'
	atf_check -o not-empty $L sh alpha -- $CS -c 'log 5'
	# Several commands, several lines of JSON.
	cs alpha 'status; nodes' --json >out
	[ $(wc -l <out) -eq 2 ] || atf_fail "two commands, $(wc -l <out) lines"
}
answers_cleanup() { cleanup; }

atf_test_case exit_codes cleanup
exit_codes_head() { head; }
exit_codes_body() {
	atf_check -s exit:69 -e match:'is it running' $CS -s $PWD/none.sock -c status
	atf_check -s exit:69 -o match:'"E_NO_DAEMON"' $CS --json -s $PWD/none.sock -c status
	up s-exit -n 2 --no-fs
	quorate
	atf_check -s exit:64 -e match:'unknown word' $L sh alpha -- $CS -c 'dance'
	atf_check -s exit:64 -e match:'usage' $L sh alpha -- $CS --bogus
	atf_check -s exit:105 -e match:'no "omega"' $L sh alpha -- $CS -c 'node omega'
	atf_check -s exit:105 -e not-empty $L sh alpha -- $CS --yes -c 'fence omega'
	atf_check -s exit:107 -e match:'--yes' $L sh alpha -- $CS -c 'fence beta'
	# The run ends at the first failure, unless told otherwise.
	atf_check -s exit:64 -o empty -e ignore $L sh alpha -- $CS -c 'dance; nodes'
	atf_check -s exit:64 -o match:beta -e ignore $L sh alpha -- $CS --keep-going -c 'dance; nodes'
	# An observer looks and does not act, root or not.
	s=/run/clusterd/observe.sock
	atf_check -o match:alpha $L sh alpha -- $CS -s $s -c nodes
	atf_check -s exit:77 -e match:'not permitted' $L sh alpha -- $CS -s $s --yes -c 'fence beta'
	atf_check -s exit:77 -e match:'not permitted' $L sh alpha -- $CS -s $s --yes -c 'node beta leave'
	atf_check -o match:'beta.*up' $L sh alpha -- $CS -c nodes
	# Nobody may act, everybody may look.
	atf_check -s exit:77 -e ignore $L sh alpha -- setpriv --reuid 65534 --clear-groups \
	    $CS -c 'nodes' --yes -c 'fence beta'
	atf_check -o match:beta $L sh alpha -- setpriv --reuid 65534 --clear-groups $CS -c nodes
}
exit_codes_cleanup() { cleanup; }

atf_test_case leaves_cleanly cleanup
leaves_cleanly_head() { head; }
leaves_cleanly_body() {
	up s-leave -n 3 --no-fs
	quorate
	atf_check -o ignore $L sh alpha -- $CS --yes -c 'node gamma leave'
	eventually 10 sh -c "$L sh alpha -- $CS --json -c nodes |
	    jq -e '.data[] | select(.node == \"gamma\") | .state == \"absent\"'" ||
	    { cs alpha 'nodes; events'; atf_fail "gamma did not leave"; }
	atf_check -o match:'quorum  *yes' $L sh alpha -- $CS -c status
	# Who leaves cleanly is not fenced.
	sleep 1
	[ "$(cat $D/power/gamma)" = on ] || atf_fail "gamma was fenced"
}
leaves_cleanly_cleanup() { cleanup; }

atf_test_case fences cleanup
fences_head() { head; }
fences_body() {
	up s-fence -n 3 --no-fs
	quorate
	atf_check -o not-empty $L sh alpha -- $CS --yes -c 'fence gamma'
	[ "$(cat $D/power/gamma)" = off ] || atf_fail "gamma is on"
	atf_check -o match:'quorum  *yes' $L sh alpha -- $CS -c status
	atf_check -o match:gamma $L sh alpha -- $CS -c fence
	# It comes back as a new incarnation.
	lab start gamma
	atf_check -o ignore $L sh gamma -- $CS -c 'wait quorum 30'
	atf_check -o match:'nodes  *3/3' $L sh alpha -- $CS -c status
}
fences_cleanup() { cleanup; }

atf_test_case majority cleanup
majority_head() { head; }
majority_body() {
	up s-majority -n 3 --no-fs
	quorate
	lab cut gamma
	eventually 10 sh -c "$L sh gamma -- $CS --json -c quorum | jq -e '.data[0].quorate == false'" ||
	    atf_fail "a node alone is quorate"
	eventually 10 sh -c "$L sh alpha -- $CS --json -c status |
	    jq -e '.data[0] | .quorate and .nodes_up == 2'" || atf_fail "the majority is not"
	lab heal gamma
	eventually 20 sh -c "$L sh gamma -- $CS --json -c status |
	    jq -e '.data[0] | .quorate and .nodes_up == 3'" ||
	    { lab log gamma | tail -n 30; atf_fail "gamma does not come back"; }
}
majority_cleanup() { cleanup; }

atf_test_case one_link cleanup
one_link_head() { head; }
one_link_body() {
	up s-link -n 3 --no-fs
	quorate
	epoch=$(cs alpha status --json | jq .epoch)
	lab cut beta 0
	eventually 10 sh -c "$L sh alpha -- $CS --json -c links |
	    jq -e '.data[] | select(.peer == \"beta\" and .link == 0) | .state == \"down\"'" ||
	    atf_fail "a dead link is not noticed"
	sleep 2
	# The other link carries on: nobody was lost, no view was changed.
	[ "$(cs alpha status --json | jq .epoch)" = $epoch ] || atf_fail "the view has changed"
	lab heal beta 0
	eventually 10 all_links_up alpha || atf_fail "a healed link stays down"
}
one_link_cleanup() { cleanup; }

atf_test_case pauses cleanup
pauses_head() { head; }
pauses_body() {
	up s-pause -n 3 --no-fs
	quorate
	epoch=$(cs alpha status --json | jq .epoch)
	# Shorter than the failure timeout: nothing may come of it.
	for i in 1 2 3 4 5; do
		lab stop beta
		sleep 0.3
		lab cont beta
		sleep 0.3
	done
	[ "$(cs alpha status --json | jq .epoch)" = $epoch ] ||
	    { cs alpha events; atf_fail "a short pause changed the view"; }
}
pauses_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case answers
	atf_add_test_case exit_codes
	atf_add_test_case leaves_cleanly
	atf_add_test_case fences
	atf_add_test_case majority
	atf_add_test_case one_link
	atf_add_test_case pauses
}
