#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that libcore.a is a pure function of its inputs: it needs only an
# allow-list of outside symbols and holds no writable static data.  The same
# check is run on an impure object, to prove that it bites.

SRC=@SRC@
O=@O@

allowed='^(mem(cpy|cmp|set|move|chr|mem)|str(len|nlen|cmp|ncmp|chr|rchr|lcpy|lcat|str|spn|cspn)|bcmp'
allowed="$allowed|calloc|malloc|realloc|reallocarray|recallocarray|free|freezero|explicit_bzero|abort|assert_failed"
allowed="$allowed|v?snprintf|__(v?snprintf|memcpy|memset|memmove|strlcpy|strlcat|explicit_bzero)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
allowed="$allowed|qsort|bsearch|crypto_[a-z0-9_]+|sodium_(memcmp|memzero|is_zero|increment)|inet_(pton|ntop)"
allowed="$allowed|__ubsan_[a-z_0-9]+|__asan_[a-z_0-9]+|__gcov[a-z_0-9]*|__sanitizer_[a-z_]+|__tls_get_addr)\$"

# impurities ARCHIVE...: prints what an archive must not have.
impurities() {
	nm -A "$@" 2>/dev/null | awk 'NF > 1 && $(NF-1) == "U" { print $NF }' | sort -u >undefined
	nm "$@" 2>/dev/null | awk 'NF > 1 && $(NF-1) ~ /^[TDRBVWi]$/ { print $NF }' | sort -u >defined
	comm -23 undefined defined | grep -vE "$allowed" | sed 's/^/needs /'
	# With PIE, tables of constant pointers live in .data.rel.ro: harmless.
	objdump -t "$@" 2>/dev/null |
	    awk '/ O / && ($4 == ".data" || $4 == ".bss" || $4 == "*COM*" || $3 == ".data" || $3 == ".bss") { print "holds " $NF }'
}

atf_test_case core_is_pure
core_is_pure_body() {
	case $O in *-san*|*-cov*) atf_skip "instrumented objects hold counters of their own" ;; esac
	impurities $O/clusterd/libcore.a >out
	[ -s defined ] || atf_fail "no symbols were read"
	atf_check -s exit:0 -o empty cat out
}

atf_test_case check_bites
check_bites_body() {
	cat >impure.c <<'C'
#include <stdio.h>
#include <time.h>
int counter;
static int hidden = 3;
int tick(void);
int tick(void) { hidden++; counter++; printf("x"); return hidden + (int)time(NULL); }
C
	atf_check gcc -fPIC -c impure.c
	atf_check ar rcs impure.a impure.o
	impurities impure.a >out
	atf_check -o match:'needs time' -o match:'needs (printf|putchar)' \
	    -o match:'holds counter' -o match:'holds hidden' cat out
}

atf_init_test_cases() {
	atf_add_test_case core_is_pure
	atf_add_test_case check_bites
}
