#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves with real daemons: of two nodes and a quorum disk the one that is left
# goes on, and of two that do not see each other exactly one.  A disk that is
# away, hangs, is made anew or belongs to others is told, has no vote, and holds
# nobody up; nor does a process that is killed.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh
Q="$O/sbin/clusterd -q"

head() { needs 240 losetup pgrep; }

# conf PATH [OPTIONS]
conf() {
	demo 2 "device: {path: $1, timeout: 1s${2:+, $2}}"
}

# The file or loop device is what both nodes see.
disk() {
	truncate -s 1M disk.img
	disk=$PWD/disk.img
	if [ "${1:-}" = loop ]; then
		shift
		disk=$(losetup --find --show disk.img) || atf_skip "no loop device"
		echo $disk >loop
	fi
	conf $disk "${1:-}"
	atf_check -e ignore -o match:"is the quorum disk .* of cluster demo" \
	    $Q init -f cluster.yaml
}

# both LAB
both() {
	up $1 -n 2 -f cluster.yaml --no-fs
	quorate
}

clean() {
	cleanup
	found=$?
	[ ! -e loop ] || losetup -d $(cat loop)
	return $found
}

# The process that asks the disk, as the node itself numbers it.
qdevice() {
	$L sh $1 -- pgrep -f '^clusterd: qdevice: disk'
}

all='.quorate and .votes == 3 and .expected == 3 and .device_voting and .device_why == ""'

atf_test_case survivor cleanup
survivor_head() { head; }
survivor_body() {
	disk loop
	both qd-one
	for n in alpha beta; do
		is $n "$all and .device == \"$disk\" and .device_votes == 1"
	done
	$L kill beta
	is alpha '.quorate and .votes == 2 and .missing == "beta" and .device_voting'
	atf_check -o match:"1 +alpha +[0-9]+ +[1-9]" -e ignore \
	    $Q show -f cluster.yaml
	$L start beta
	for n in alpha beta; do
		is $n "$all"
	done
	# The one that was started last may be the one that stays.
	$L kill alpha
	is beta '.quorate and .votes == 2 and .missing == "alpha" and .device_voting'
	atf_check -o match:"2 +beta +[0-9]+ +[1-9]" -e ignore \
	    $Q show -f cluster.yaml
	# The disk knows of a view that the other was not in.
	$L kill beta
	$L start alpha
	is alpha '(.quorate | not) and .votes == 1 and (.device_why | contains("bound to others"))'
	# The last one could go on, and waits for a node, not for the disk.
	$L kill alpha
	$L start beta
	is beta '(.quorate | not) and .votes == 2 and .waits_for_all'
	$L start alpha
	for n in alpha beta; do
		is $n "$all"
	done
}
survivor_cleanup() { clean; }

atf_test_case split cleanup
split_head() { head; }
split_body() {
	disk
	both qd-split
	for n in alpha beta; do
		is $n "$all"
	done
	for round in 1 2 3; do
		$L cut alpha
		one_side
		is $winner '.votes == 2 and .device_voting'
		is $loser '.votes == 1 and (.device_voting | not) and (.device_why | contains("bound to others"))'
		$L heal alpha
		for n in alpha beta; do
			is $n "$all"
		done
	done
}
split_cleanup() { clean; }

atf_test_case away cleanup
away_head() { head; }
away_body() {
	disk
	both qd-away
	engine=$($L sh alpha -- pgrep -f '^clusterd: engine')
	mv disk.img elsewhere
	is alpha '.quorate and (.device_why | contains("No such file"))'
	$L kill beta
	is alpha '(.quorate | not) and .votes == 1 and (.device_voting | not)'
	says alpha "without a vote, because $disk: No such file"
	# What is there is no disk; then one that ends too early.
	mkdir disk.img
	is alpha '.device_why | contains("Is a directory") or contains("neither a disk")'
	rmdir disk.img
	: >disk.img
	is alpha '.device_why | contains("ends after 0 KiB")'
	# The very same disk is back.
	mv elsewhere disk.img
	is alpha '.quorate and .votes == 2 and .device_voting and .device_why == ""'
	atf_check_equal "$engine" "$($L sh alpha -- pgrep -f '^clusterd: engine')"
	$L start beta
	for n in alpha beta; do
		is $n "$all"
	done
}
away_cleanup() { clean; }

atf_test_case hangs cleanup
hangs_head() { head; }
hangs_body() {
	disk
	both qd-hangs
	is alpha "$all"
	# As a disk that does not answer looks from outside.
	p=$(qdevice alpha)
	atf_check $L sh alpha -- kill -STOP $p
	$L kill beta
	is alpha '(.quorate | not) and (.device_why | contains("did not answer within 1000 ms"))'
	atf_check $L sh alpha -- kill -CONT $p
	is alpha '.quorate and .votes == 2 and .device_voting and .device_why == ""'
	# It hangs while it is opened.
	$L start beta
	is alpha "$all"
	o=$($L sh alpha -- pgrep -f '^clusterd: qdevice: opener')
	atf_check $L sh alpha -- kill -STOP $o
	is alpha '.quorate and (.device_why | contains("was not opened within 1000 ms"))'
	$L kill beta
	is alpha '(.quorate | not) and (.device_why | contains("is still being opened"))'
	atf_check $L sh alpha -- kill -CONT $o
	is alpha '.quorate and .votes == 2 and .device_voting and .device_why == ""'
	# What was under way has failed when the process is killed in it.
	$L start beta
	is alpha "$all"
	atf_check $L sh alpha -- kill -STOP $p
	is alpha '.device_answered_us > 6000000'
	$L kill beta
	is alpha '.quorate | not'
	atf_check $L sh alpha -- kill -9 $p
	# Only the log keeps it: another one is started at once.
	says alpha "without a vote, because the qdevice process is not running"
	is alpha '.quorate and .votes == 2 and .device_voting and .device_why == ""'
	p=$(qdevice alpha)
	# The daemon ends although the process does not.
	atf_check $L sh alpha -- kill -STOP $p
	atf_check $L sh alpha -- sh -c 'kill $(cat /run/clusterd/clusterd.pid)'
	says alpha "stopped"
}
hangs_cleanup() { clean; }

atf_test_case killed cleanup
killed_head() { head; }
killed_body() {
	disk
	both qd-killed
	is alpha "$all"
	for child in opener disk; do
		p=$(qdevice alpha)
		atf_check $L sh alpha -- kill -9 $($L sh alpha -- pgrep -f "^clusterd: qdevice: $child")
		says alpha "qdevice: it"
		end=$(($(date +%s) + 30))
		until q=$(qdevice alpha) && [ "$q" != "$p" ]; do
			[ $(date +%s) -le $end ] || atf_fail "no new process"
			sleep 0.05
		done
	done
	is alpha "$all and .device_answered_us < 4000000"
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
	# An engine that ends is followed by one that has the same process.
	$L start beta
	is alpha "$all"
	p=$(qdevice alpha)
	atf_check $L sh alpha -- kill -9 $($L sh alpha -- pgrep -f '^clusterd: engine')
	is beta "$all"
	is alpha "$all"
	atf_check_equal "$p" "$(qdevice alpha)"
}
killed_cleanup() { clean; }

atf_test_case anew cleanup
anew_head() { head; }
anew_body() {
	disk
	both qd-anew
	is alpha "$all"
	atf_check -e ignore -o match:"held the quorum disk" \
	    -o match:"is the quorum disk" $Q replace -f cluster.yaml
	# Nodes are told to it while they have quorum without it; then it votes.
	end=$(($(date +%s) + 30))
	until $Q show -f cluster.yaml 2>/dev/null |
	    grep -Eq '[12] +(alpha|beta) +[0-9]+ +[0-9]+ +[1-9]'; do
		[ $(date +%s) -le $end ] || atf_fail "nothing is recorded on it"
		sleep 0.05
	done
	is alpha "$all"
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
}
anew_cleanup() { clean; }

atf_test_case anew_alone cleanup
anew_alone_head() { head; }
anew_alone_body() {
	disk
	both qd-alone
	is alpha "$all"
	$L kill beta
	is alpha '.quorate and .votes == 2 and .device_voting'
	epoch=$(row alpha | jq '.data[0].epoch')
	atf_check -e ignore -o ignore $Q replace -f cluster.yaml
	# The vote of the old one is not given up for one that has none yet.
	is alpha '.device_why | contains("without it: it was made anew")'
	is alpha ".quorate and .device_voting and .epoch == $epoch"
	$L start beta
	for n in alpha beta; do
		is $n "$all"
	done
	$L kill alpha
	is beta '.quorate and .votes == 2 and .device_voting and .device_why == ""'
}
anew_alone_cleanup() { clean; }

# Two disks that are called alike, which no node can see by looking at its own.
atf_test_case two_disks cleanup
two_disks_head() { head; }
two_disks_body() {
	disk
	both qd-two
	for n in alpha beta; do
		is $n "$all"
	done
	# It remembers the first view, and is not told of the next one.
	cp disk.img other.img
	$L kill beta
	is alpha '.quorate and .votes == 2'
	$L start beta
	is beta "$all"
	atf_check $L sh beta -- mount --bind $PWD/other.img $PWD/disk.img
	is beta '.quorate and (.device_why | contains("is not recorded on it"))'
	says beta "without a vote, because view [0-9]* is not recorded on it"
	$L cut alpha
	one_side
	atf_check_equal alpha $winner
	is beta '.votes == 1 and (.device_voting | not)'
	# Its next life knows that, too.
	$L kill beta
	$L start beta
	atf_check $L sh beta -- mount --bind $PWD/other.img $PWD/disk.img
	is beta '.votes == 1 and (.device_why | contains("is not recorded on it"))'
	$L heal alpha
	atf_check $L sh beta -- umount $PWD/disk.img
	for n in alpha beta; do
		is $n "$all"
	done
	$L kill alpha
	is beta '.quorate and .votes == 2'
}
two_disks_cleanup() { clean; }

atf_test_case heuristics cleanup
heuristics_head() { head; }
heuristics_body() {
	disk "heuristics: [{run: [/usr/bin/test, -e, /run/clusterd/fit], interval: 500ms, score: 2}, {run: [/bin/true]}], minimum: 2"
	both qd-fit
	is alpha '.quorate and (.device_voting | not) and (.device_why | contains("score 1 of 2: heuristic /usr/bin/test -e /run/clusterd/fit: it ended with status 1"))'
	for n in alpha beta; do
		atf_check $L sh $n -- touch /run/clusterd/fit
		says $n "heuristic /usr/bin/test -e /run/clusterd/fit: it succeeds"
	done
	for n in alpha beta; do
		is $n "$all"
	done
	# The one that is not fit does not win.
	for n in alpha beta; do
		other=beta
		[ $n = alpha ] || other=alpha
		atf_check $L sh $n -- rm /run/clusterd/fit
		is $n '.device_why | contains("score 1 of 2")'
		$L cut $n
		one_side
		atf_check_equal $other $winner
		$L heal $n
		atf_check $L sh $n -- touch /run/clusterd/fit
		for m in alpha beta; do
			is $m "$all"
		done
	done
	# Nobody is root among them.
	atf_check -o match:"^nobody" $L sh alpha -- ps -o user= -p \
	    $($L sh alpha -- pgrep -f '^clusterd: qdevice: heuristics')
	atf_check $L sh alpha -- kill -9 $($L sh alpha -- pgrep -f '^clusterd: qdevice: heuristics')
	says alpha "the process of the heuristics is gone: so is this one"
	says alpha "qdevice: it "
	is alpha "$all and .device_answered_us < 4000000"
}
heuristics_cleanup() { clean; }

atf_test_case foreign cleanup
foreign_head() { head; }
foreign_body() {
	disk
	sed 's/cluster: demo/cluster: prod/' cluster.yaml >prod.yaml
	atf_check -s exit:65 -e match:"of cluster demo, not of prod" \
	    -o empty $Q show -f prod.yaml
	cp disk.img before
	atf_check -s exit:73 -o empty \
	    -e match:"holds the quorum disk .* of cluster demo: nothing was written" \
	    $Q init -f prod.yaml
	atf_check cmp disk.img before
	atf_check -o match:"held the quorum disk .* of cluster demo" -e ignore \
	    $Q replace -f prod.yaml
	cp disk.img before
	both qd-foreign
	is alpha '.quorate and .votes == 2 and (.device_voting | not) and (.device_why | contains("of cluster prod, not of demo"))'
	$L kill beta
	is alpha '.quorate | not'
	atf_check cmp disk.img before
}
foreign_cleanup() { clean; }

atf_test_case init
init_head() {
	atf_set require.progs "mkswap"
}
init_body() {
	truncate -s 8M disk.img
	conf $PWD/disk.img
	atf_check -o ignore -e ignore mkswap disk.img
	atf_check -s exit:73 -o empty -e match:"holds swap: nothing was written" \
	    $Q init -f cluster.yaml
	atf_check -o match:"held swap" -e ignore $Q replace -f cluster.yaml
	atf_check -o match:"cluster +demo" -o match:"alpha +never written" \
	    -e ignore $Q show -f cluster.yaml
	truncate -s 1000K disk.img
	atf_check -s exit:65 -e match:"has 1000 KiB: a quorum disk needs 1024" \
	    $Q init -f cluster.yaml
	rm disk.img
	atf_check -s exit:66 -e match:"disk.img: No such file" \
	    $Q init -f cluster.yaml
	conf /dev/null
	atf_check -s exit:78 -e match:"/dev/null is neither a disk nor a file" \
	    $Q init -f cluster.yaml
	sed -i '/^quorum/d' cluster.yaml
	atf_check -s exit:78 -e match:"no quorum.device.path" \
	    $Q init -f cluster.yaml
	atf_check -s exit:64 -e match:"usage" $Q
}

atf_init_test_cases() {
	atf_add_test_case survivor
	atf_add_test_case split
	atf_add_test_case away
	atf_add_test_case hangs
	atf_add_test_case killed
	atf_add_test_case anew
	atf_add_test_case anew_alone
	atf_add_test_case two_disks
	atf_add_test_case heuristics
	atf_add_test_case foreign
	atf_add_test_case init
}
