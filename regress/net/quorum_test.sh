#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves with real daemons: the last of three goes on where it is asked for,
# also after a restart; votes and options are changed while running, and last;
# an operator goes on without the others by his word, and what they held waits
# for their fence.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 180; }

# three LAB OPTIONS: nodes with these options of quorum.
three() {
	demo 3 "$2"
	up $1 -f cluster.yaml --no-fs
	quorate
}

atf_test_case last_man_standing cleanup
last_man_standing_head() { head; }
last_man_standing_body() {
	three q-last "last_man_standing: true, tie_breaker: lowest"
	is alpha '.quorate and .expected == 3 and .missing == ""'
	$L kill gamma
	is alpha '.quorate and .expected == 2 and .rule == "last man standing"'
	$L kill beta
	is alpha '.quorate and .expected == 1 and .rule == "tie breaker"'
	# It alone may begin again; the others wait for it.
	$L kill alpha
	$L start beta
	$L start gamma
	is beta '(.quorate | not) and .votes == 1 and (.restore | contains("override"))'
	$L start alpha
	for n in alpha beta gamma; do
		is $n '.quorate and .expected == 3'
	done
}
last_man_standing_cleanup() { cleanup; }

atf_test_case orders cleanup
orders_head() { head; }
orders_body() {
	three q-orders "wait_for_all: true"
	atf_check -o match:"5 votes are expected" \
	    $L sh beta -- $CS -c "quorum expected 5"
	is gamma '.quorate and .expected == 5 and .needed == 3 and .set_by_operator'
	atf_check -s not-exit:0 -e match:"would not be enough" \
	    $L sh beta -- $CS -c "quorum expected 6"
	atf_check -o match:"3 votes are expected" \
	    $L sh beta -- $CS -c "quorum reset"
	atf_check -o match:"5 votes are expected" \
	    $L sh beta -- $CS -c "quorum votes alpha 3"
	is gamma '.expected == 5'
	$L kill beta
	$L kill gamma
	is alpha '.quorate and .votes == 3 and .missing == "beta gamma"'
}
orders_cleanup() { cleanup; }

atf_test_case options cleanup
options_head() { head; }
options_body() {
	three q-options "wait_for_all: true"
	# The file lets nobody go on alone.
	atf_check -s not-exit:0 -e match:"no quorum device" \
	    $L sh alpha -- $CS -c "quorum set device_votes 1"
	atf_check -s not-exit:0 -e match:"two_node" \
	    $L sh alpha -- $CS -c "quorum set two_node true"
	atf_check -s exit:64 -o ignore -e match:"unknown word" \
	    $L sh alpha -- $CS -c "quorum set magic true"
	atf_check -o match:"last_man_standing is true now" \
	    $L sh beta -- $CS -c "quorum set last_man_standing true"
	atf_check -o match:'"result":"tie_breaker is gamma beta now' \
	    $L sh alpha -- $CS --json -c "quorum set tie_breaker gamma beta"
	for n in alpha beta gamma; do
		is $n '.set_by_operator and (.options | contains(
		    "last_man_standing: true") and contains("gamma beta"))'
		is $n '.differs | contains("quorum reset") and
		    contains("last_man_standing: true, in the file false")'
	done
	atf_check -o match:"last_man_standing +true +false +yes +quorum reset" \
	    -o match:"wait_for_all +true +true +no" \
	    $L sh gamma -- $CS -c "quorum options"
	$L kill alpha
	is gamma '.quorate and .expected == 2'
	# The tie is broken for the first of the list, not for the lowest.
	$L kill beta
	is gamma '.quorate and .expected == 1 and .rule == "tie breaker"'
	# It lasts: gamma alone may begin again, and the others wait for it.
	$L kill gamma
	$L start alpha
	$L start beta
	is beta '(.quorate | not) and .votes == 1'
	$L start gamma
	for n in alpha beta gamma; do
		is $n '.quorate and .expected == 3 and .set_by_operator and
		    (.options | contains("last_man_standing: true"))'
	done
	# As the file has it again: one of three is too few.
	atf_check -o match:"3 votes are expected" \
	    $L sh alpha -- $CS -c "quorum reset"
	for n in alpha beta gamma; do
		is $n '(.set_by_operator | not) and .differs == ""'
	done
	$L kill alpha
	is gamma '.quorate and .expected == 3 and .votes == 2'
	$L kill beta
	is gamma '(.quorate | not) and .expected == 3 and .votes == 1'
	atf_check -s exit:75 -e match:"not in a quorate view" \
	    $L sh gamma -- $CS -c "quorum set downscale true"
}
options_cleanup() { cleanup; }

atf_test_case override cleanup
override_head() { head; }
override_body() {
	three q-over "wait_for_all: true"
	$L kill beta
	$L kill gamma
	is alpha '(.quorate | not) and .votes == 1 and .missing == "beta gamma"'
	atf_check -s exit:107 -o ignore -e match:"--yes" \
	    $L sh alpha -- $CS -c "quorum override"
	atf_check -o match:"on your word" \
	    $L sh alpha -- $CS --yes -c "quorum override"
	is alpha '.quorate and .expected == 1 and .rule == "override"'
	atf_check -o match:"overridden without a majority, because the operator" \
	    $L sh alpha -- $CS -c log
	# Back, they count again.
	$L start beta
	$L start gamma
	for n in alpha beta gamma; do
		is $n '.quorate and .expected == 3'
	done
	# A cold start waits for all, unless an operator knows better.
	for n in alpha beta gamma; do
		$L kill $n
	done
	$L start alpha
	$L start beta
	is alpha '.waits_for_all and .votes == 2'
	atf_check -o match:"on your word" \
	    $L sh alpha -- $CS --yes -c "quorum unblock"
	is beta '.quorate and .votes == 2 and .expected == 3'
}
override_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case last_man_standing
	atf_add_test_case orders
	atf_add_test_case options
	atf_add_test_case override
}
