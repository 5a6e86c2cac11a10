#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that the programs in the manuals of libclusterd are what they seem:
# each compiles without a warning against the public header alone, links with
# the shared library, and without a daemon says so and exits 1.

SRC=@SRC@
O=@O@

atf_test_case compile
compile_head() { atf_set require.progs cc; }
compile_body() {
	case $O in *-san*|*-cov*) atf_skip "a sanitizer's library needs a program built alike" ;; esac
	mkdir include
	cp $SRC/clusterd/libclusterd/clusterd*.h include
	ln -s $O/lib/libclusterd.so.0 libclusterd.so
	n=0
	for m in $SRC/man/cl_*.3; do
		name=$(basename $m .3)
		sh $SRC/regress/lint/example.sh $m >$name.c
		grep -q '^main(' $name.c || atf_fail "$name(3) has no program"
		atf_check cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		    -Wno-unused-parameter -Iinclude -o $name $name.c \
		    -L. -lclusterd
		n=$((n + 1))
	done
	[ $n -ge 5 ] || atf_fail "only $n manuals"
}

# In a mount namespace of its own nothing listens in /run.
atf_test_case no_daemon
no_daemon_head() {
	atf_set require.progs "cc unshare"
	atf_set require.user root
}
no_daemon_body() {
	compile_body
	for p in cl_*.c; do
		atf_check -s exit:1 -o empty -e match:'No such file' \
		    unshare -m sh -c "mount -t tmpfs none /run &&
		    LD_LIBRARY_PATH=$O/lib exec ./${p%.c}"
	done
}

atf_init_test_cases() {
	atf_add_test_case compile
	atf_add_test_case no_daemon
}
