#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that every fuzz target takes every input that is kept for it, among
# them each one that once ended it; and that a target which is ended says so.

SRC=@SRC@
O=@O@

# replays TARGET [FOLDER ...]: its corpus must be there, and all of it taken.
replays() {
	t=$1
	shift
	n=$(find $SRC/regress/fuzz/corpus/$t "$@" -maxdepth 1 -type f | wc -l)
	[ "$n" -ge 3 ] || atf_fail "hardly any input is kept for $t"
	atf_check -s exit:0 -o inline:"$n inputs\n" -e ignore \
	    timeout 60 $O/regress/fuzz/${t}_replay $SRC/regress/fuzz/corpus/$t "$@"
}

atf_test_case corpus
corpus_head() { atf_set descr "every kept input is taken by its target"; }
corpus_body() {
	for t in $(cd $SRC/regress/fuzz && ls *_fuzz.c); do
		t=${t%_fuzz.c}
		case $t in
		conf)	replays conf $SRC/regress/conf ;;
		*)	replays $t ;;
		esac
	done
}

atf_test_case bites
bites_head() { atf_set descr "a planted crash is seen, and its input named"; }
bites_body() {
	mkdir inputs
	printf 'harmless' >inputs/a
	printf 'BITE' >inputs/b
	atf_check -s exit:0 -o inline:"2 inputs\n" \
	    $O/regress/fuzz/msg_replay inputs
	atf_check -s signal:6 -o empty -e match:"inputs/b ended the target" \
	    $O/regress/fuzz/planted_replay inputs
}

atf_test_case size
size_head() { atf_set descr "the corpora stay small"; }
size_body() {
	cd $SRC/regress/fuzz/corpus
	total=$(find . -type f -exec cat {} + | wc -c)
	[ "$total" -le 409600 ] || atf_fail "the corpora have $total bytes"
	find . -type f -size +4096c >$OLDPWD/large
	atf_check -o empty cat $OLDPWD/large
}

atf_init_test_cases() {
	atf_add_test_case corpus
	atf_add_test_case bites
	atf_add_test_case size
}
