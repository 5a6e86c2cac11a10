#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that a few hundred random runs of the simulator break no invariant,
# that runs which failed once do not fail again, that a seed replays bit for
# bit, and that the oracles can tell: a run under faults is not an empty one.

SRC=@SRC@
O=@O@
SIM=$O/regress/sim

# The seeds of this suite stay the same, so that it fails or passes for what
# was changed and not by chance; sim-soak looks further.
atf_test_case random_seeds
random_seeds_body() {
	atf_check -o save:out $SIM -s 1 -c 150 -j 2
	tail -n 1 out
	grep -q '^150 seeds passed, 0 failed' out || atf_fail "not all ran"
}

atf_test_case each_profile
each_profile_body() {
	for p in quiet crash pause split links disk hostile; do
		atf_check -o match:'8 seeds passed, 0 failed' \
		    $SIM -s 4000 -c 8 -j 2 -p $p
	done
}

# 2 to 16 nodes, configurations drawn from all there is, and two versions of the
# wire in one cluster.
atf_test_case any_configuration
any_configuration_body() {
	atf_check -o match:'40 seeds passed, 0 failed' $SIM -g -w -s 1 -c 40 -j 2
}

# Two nodes and a quorum disk, for longer: here a single vote, disk or lease that
# goes wrong decides, so this is where most of what is rare shows.
atf_test_case pairs
pairs_body() {
	for p in swarm disk pause; do
		atf_check -o match:'40 seeds passed, 0 failed' \
		    $SIM -n 2 -T 20 -p $p -s 3000 -c 40 -j 2
	done
}

# With two_node each side goes on, and only fences keep their locks apart.
atf_test_case race
race_body() {
	atf_check -o match:'80 seeds passed, 0 failed' \
	    $SIM -r -s 3000 -c 80 -j 2
}

# Nodes whose quorum disks are not one and the same.
atf_test_case two_disks
two_disks_body() {
	atf_check -o match:'60 seeds passed, 0 failed' \
	    $SIM -d -n 2 -s 1 -c 60 -j 2
	atf_check -o match:'20 seeds passed, 0 failed' $SIM -d -g -s 1 -c 20 -j 2
}

atf_test_case failed_once
failed_once_body() {
	while read -r seed nodes time profile options what; do
		case $seed in \#*|'') continue ;; esac
		set -- -s $seed -T $time
		[ $nodes = 0 ] || set -- "$@" -n $nodes
		[ $profile = - ] || set -- "$@" -p $profile
		[ $options = - ] || set -- "$@" $options
		atf_check -o match:': ok,' $SIM "$@"
	done <$SRC/regress/simulator/seeds.txt
}

atf_test_case replay
replay_body() {
	for seed in 11 12 13; do
		atf_check -o save:one $SIM -s $seed -v
		atf_check -o file:one $SIM -s $seed -v
		atf_check -o match:'hash [0-9a-f]{16}' tail -n 1 one
	done
	tail -n 1 one >hash13
	atf_check -o not-file:hash13 $SIM -s 14
}

# What is kept for speed matters where there are many; sim-soak-64 and
# sim-detect go up to 64 nodes.
atf_test_case large_clusters
large_clusters_body() {
	atf_check -o save:out $SIM -s 1 -n 32 -T 1 -v
	atf_check -o match:': ok,' tail -n 1 out
	# A view of many does not lose its cause for the names of all.
	atf_check -o ignore grep 'view [0-9]*: .* n16 and 16 more, leader n1, primary, because' out
	for what in kill cut; do
		atf_check -o match:'2 seeds passed, 0 failed' \
		    $SIM -m $what -s 1 -n 24 -c 2
		atf_check -o match:'2 seeds passed, 0 failed' \
		    $SIM -m $what -s 1 -n 2 -c 2
	done
}

# field NAME: the number in front of a word of the last line.
field() {
	sed -n "\$s/.* \([0-9][0-9]*\) $1.*/\1/p" out
}

atf_test_case runs_are_full
runs_are_full_body() {
	atf_check -o save:out $SIM -s 900 -c 20 -j 2
	for f in datagrams views grants values messages fences; do
		[ "$(field $f)" -gt 10 ] || atf_fail "hardly any $f"
	done
}

atf_init_test_cases() {
	atf_add_test_case random_seeds
	atf_add_test_case each_profile
	atf_add_test_case any_configuration
	atf_add_test_case pairs
	atf_add_test_case race
	atf_add_test_case two_disks
	atf_add_test_case failed_once
	atf_add_test_case replay
	atf_add_test_case large_clusters
	atf_add_test_case runs_are_full
}
