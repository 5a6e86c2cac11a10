#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that the lab makes the machines it promises, that its faults do what
# they say, and that nothing of it is left afterwards, also after a crash.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 120 mkfs.gfs2 nft socat; }
nothing_left() {
	atf_check -s exit:1 -o empty sh -c "ip netns list | grep cl-$LAB-"
	[ ! -e $D ] || atf_fail "the folder is left"
	atf_check -s exit:1 -o empty sh -c "losetup -a | grep clusterd-lab/$LAB/"
	atf_check -s exit:1 -o empty sh -c "pgrep -f 'clusterd-lab/$LAB(/| |\$)' | grep -vx $$"
}

# heard FROM TO LINK: does one datagram get through?
heard() {
	i=$(grep -nx $2 $D/nodes | cut -d: -f1)
	lab sh $2 -- timeout 2 sh -c \
	    "socat -u UDP4-RECV:4999,bind=10.99.$3.$i - | head -c 1" >got 2>/dev/null &
	sleep 0.3
	for k in 1 2 3; do
		lab sh $1 -- sh -c "printf x | socat - UDP4-SENDTO:10.99.$3.$i:4999" 2>/dev/null
		sleep 0.1
	done
	wait
	[ -s got ]
}

atf_test_case comes_and_goes cleanup
comes_and_goes_head() { head; }
comes_and_goes_body() {
	named t-come
	atf_check $L up -n 3 --no-start
	atf_check -o inline:'alpha\nbeta\ngamma\n' $L nodes
	# A node is a machine of its own: processes, /run and network.
	atf_check -o match:'^ *1 ' $L sh alpha -- ps ax
	[ "$(lab sh alpha -- ps ax | wc -l)" -lt 8 ] || atf_fail "alpha sees foreign processes"
	lab sh alpha -- touch /run/only-alpha
	atf_check -s exit:1 $L sh beta -- test -e /run/only-alpha
	atf_check -o match:10.99.1.2 $L sh beta -- ip addr
	# Twice the same name is refused, and harms nothing.
	atf_check -s exit:1 -e match:'already up' $L up -n 2
	atf_check $L sh gamma -- true
	lab down
	nothing_left
	lab down || atf_fail "down is not repeatable"
}
comes_and_goes_cleanup() { cleanup; }

atf_test_case sixteen cleanup
sixteen_head() { head; }
sixteen_body() {
	named t-sixteen
	atf_check $L up -n 16 --no-start --no-fs
	[ "$(lab nodes | wc -l)" -eq 16 ] || atf_fail "not sixteen nodes"
	atf_check -o match:10.99.0.16 $L sh pi -- ip addr
	lab down
	nothing_left
	atf_check -s exit:1 -e match:'2 to 16' $L up -n 17
	nothing_left
}
sixteen_cleanup() { cleanup; }

atf_test_case power cleanup
power_head() { head; }
power_body() {
	named t-power
	atf_check $L up -n 2 --no-start --no-fs
	lab sh beta -- sh -c 'setsid sleep 1000 & setsid sleep 1000 &' &
	wait
	lab kill beta
	atf_check -s exit:1 -e match:'beta is off' $L sh beta -- true
	[ "$(cat $D/power/beta)" = off ] || atf_fail "the switch does not know"
	# The fence agent inside a node switches another one off.
	lab sh alpha -- sh -c "printf 'action=status\nplug=alpha\nlabdir=$D\n' | $D/fence_lab" ||
	    atf_fail "alpha is not on"
	atf_check -s exit:2 sh -c "printf 'action=status\nplug=beta\nlabdir=$D\n' | $D/fence_lab"
	p=$(cat $D/alpha/pid)
	atf_check sh -c "printf 'action=off\nplug=alpha\nlabdir=$D\n' | $D/fence_lab"
	atf_check -s not-exit:0 -e ignore kill -0 $p
	atf_check -s exit:2 sh -c "printf 'action=status\nplug=alpha\nlabdir=$D\n' | $D/fence_lab"
}
power_cleanup() { cleanup; }

atf_test_case stop_and_cont cleanup
stop_and_cont_head() { head; }
stop_and_cont_body() {
	named t-stop
	atf_check $L up -n 2 --no-start --no-fs
	lab stop beta
	for q in $(pgrep -f "clusterd-lab/$LAB/beta"); do
		grep -q '^State:.*[TZ]' /proc/$q/status && stopped=yes
	done
	[ "${stopped:-}" = yes ] || atf_fail "beta runs on"
	lab cont beta
	atf_check $L sh beta -- true
}
stop_and_cont_cleanup() { cleanup; }

atf_test_case links cleanup
links_head() { head; }
links_body() {
	named t-links
	atf_check $L up -n 2 --no-start --no-fs
	heard alpha beta 0 || atf_fail "link 0 does not carry"
	lab cut beta 0
	heard alpha beta 0 && atf_fail "a cut link carries"
	heard alpha beta 1 || atf_fail "the other link was cut too"
	lab heal beta 0
	heard alpha beta 0 || atf_fail "a healed link does not carry"
	lab loss beta 100
	heard alpha beta 0 && atf_fail "100 % loss lets through"
	lab loss beta 0
	heard alpha beta 0 || atf_fail "no loss, and nothing comes"
}
links_cleanup() { cleanup; }

atf_test_case crash cleanup
crash_head() { head; }
crash_body() {
	named t-crash
	atf_check $L up -n 3 --no-start
	# What a crash of the lab itself leaves: dead nodes, files in place.
	for n in alpha beta gamma; do kill -9 $(cat $D/$n/pid); done
	kill -9 $(cat $D/power.pid)
	atf_check $L down
	nothing_left
}
crash_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case comes_and_goes
	atf_add_test_case sixteen
	atf_add_test_case power
	atf_add_test_case stop_and_cont
	atf_add_test_case links
	atf_add_test_case crash
}
