#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves the rules that the tree states about itself: where files are, how
# large files and functions may grow, who may include whom, and the format.

SRC=@SRC@

sources() {
	(cd $SRC && find clusterd libgfs fence shell regress -name '*.c')
}

atf_test_case top_level
top_level_head() { atf_set descr "only the agreed top-level names exist"; }
top_level_body() {
	ls $SRC | grep -vxE 'GNUmakefile|README.md|LICENSE|CHANGES.md|CONTRIBUTING.md|SECURITY.md|clusterd|libgfs|fence|shell|conf|man|regress|build.*' >extra
	atf_check -s exit:0 -o empty cat extra
}

atf_test_case file_sizes
file_sizes_head() { atf_set descr "sources stay under 1000 lines, headers under 400"; }
file_sizes_body() {
	cd $SRC
	for f in $(sources); do
		[ $(wc -l <$f) -le 1000 ] || echo "$f: $(wc -l <$f) lines"
	done >$OLDPWD/big
	for f in $(find clusterd libgfs fence shell -name '*.h'); do
		[ $(wc -l <$f) -le 400 ] || echo "$f: $(wc -l <$f) lines"
	done >>$OLDPWD/big
	atf_check -s exit:0 -o empty cat $OLDPWD/big
}

atf_test_case function_sizes
function_sizes_head() { atf_set descr "no function over 100 lines; 90 % under 50 outside tests"; }
function_sizes_body() {
	cd $SRC
	sources | xargs awk -f regress/lint/functions.awk >$OLDPWD/functions
	cd $OLDPWD
	[ $(wc -l <functions) -gt 100 ] || atf_fail "the script found hardly any function"
	atf_check -s exit:0 -o empty awk '$3 > 100' functions
	grep -v '^regress/' functions >product
	long=$(awk '$3 > 50' product | wc -l)
	all=$(wc -l <product)
	[ $((long * 10)) -le $all ] ||
	    atf_fail "$long of $all functions are over 50 lines"
}

atf_test_case includes
includes_head() { atf_set descr "who may include whom"; }
includes_body() {
	cd $SRC
	{
		# core sees nothing of its parent but the pure headers.
		grep -nE '#include "(\.\./)+' clusterd/core/*.[ch] |
		    grep -vE '"\.\./(buf|conf|keyring|proto|compat)\.h"'
		grep -nE '#include "(log|msg|engine|control|net|proc|store)\.h"' clusterd/core/*.[ch]
		# outside core, only the engine, its sockets and the simulator see it;
		# the beat process sees its own words alone, the quorum disk its blocks.
		grep -rnE '#include "(clusterd/)?core/' clusterd/*.[ch] libgfs fence shell |
		    grep -vE '^clusterd/(engine|control|net)[a-z_]*\.[ch]:' |
		    grep -vE '^clusterd/beat[a-z_]*\.[ch]:[0-9]*:.*core/(beat|seal|wire)\.h"' |
		    grep -vE '^clusterd/qd[a-z_]*\.[ch]:[0-9]*:.*core/(device|event)\.h"'
		# libgfs knows the cluster only through its lock backend.
		grep -nE 'libclusterd/clusterd.h|<clusterd.h>' libgfs/*.[ch] |
		    grep -vE '^libgfs/(lock_cluster[a-z_]*|mount_gfs)\.[ch]:'
		# FUSE stays in its own files, readline in the shell.
		grep -rlE '#include <fuse' libgfs clusterd fence shell | grep -vE '^libgfs/(fuse|mount_gfs)'
		grep -rlE '#include <readline' libgfs clusterd fence
		true
	} >$OLDPWD/bad
	atf_check -s exit:0 -o empty cat $OLDPWD/bad
}

atf_test_case heads
heads_head() { atf_set descr "every source names its licence and owner in two lines"; }
heads_body() {
	cd $SRC
	for f in $(sources) $(find clusterd libgfs fence shell -name '*.h'); do
		head -n 1 $f | grep -q 'SPDX-License-Identifier: ISC' || echo "$f"
		sed -n 2p $f | grep -q 'Copyright (c)' || echo "$f"
	done >$OLDPWD/bad
	atf_check -s exit:0 -o empty cat $OLDPWD/bad
}

atf_test_case format
format_head() {
	atf_set descr "clang-format has nothing to say"
	atf_set require.progs clang-format
}
format_body() {
	cd $SRC
	atf_check -s exit:0 -o ignore -e empty sh -c \
	    "find clusterd libgfs fence shell regress -name '*.c' | xargs clang-format --dry-run -Werror"
}

atf_test_case private_words
private_words_head() { atf_set descr "no path of a development machine is in the tree"; }
private_words_body() {
	cd $SRC
	grep -rnE '/wor[k]/|/tmp/promp[t]s' --include='*' clusterd libgfs fence shell conf man regress README.md CHANGES.md CONTRIBUTING.md GNUmakefile 2>/dev/null >$OLDPWD/bad
	atf_check -s exit:0 -o empty cat $OLDPWD/bad
}

atf_init_test_cases() {
	atf_add_test_case top_level
	atf_add_test_case file_sizes
	atf_add_test_case function_sizes
	atf_add_test_case includes
	atf_add_test_case heads
	atf_add_test_case format
	atf_add_test_case private_words
}
