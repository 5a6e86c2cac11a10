#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that the oracles of the simulator bite: each bug that is planted on
# purpose (regress/simulator/MUTANTS) is caught within its number of seeds.

SRC=@SRC@
O=@O@

atf_test_case every_planted_bug_is_caught
every_planted_bug_is_caught_body() {
	case $O in
	*-san*|*-cov*) atf_skip "planted bugs are built without instruments" ;;
	esac
	n=$(grep -c '^[0-9]' $SRC/regress/simulator/MUTANTS)
	[ "$n" -ge 8 ] || atf_fail "only $n bugs are planted"
	atf_check -o save:out make -C $SRC --no-print-directory O=$O mutants
	cat out
	[ "$(grep -c '^[0-9]' out)" -eq "$n" ] || atf_fail "not all were tried"
}

# Every bug that the sources know is listed, so that none is left out.
atf_test_case every_planted_bug_is_listed
every_planted_bug_is_listed_body() {
	cd $SRC
	grep -rhoE 'MUTANT [!=]= [0-9]+' clusterd/core | awk '{ print $3 }' |
	    sort -u >known
	grep -oE '^[0-9]+' regress/simulator/MUTANTS | sort -u >listed
	mv known listed "$OLDPWD" && cd "$OLDPWD"
	atf_check -o file:listed cat known
}

atf_init_test_cases() {
	atf_add_test_case every_planted_bug_is_caught
	atf_add_test_case every_planted_bug_is_listed
}
