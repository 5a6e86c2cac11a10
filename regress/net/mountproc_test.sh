#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves what becomes of a shared volume when the processes of a mount, not
# the node, come and go: one that is killed on a healthy node has its journal
# replayed by the others at once and can be mounted again; mounts and
# unmounts of all nodes at the same moment do not get in each other's way.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 180 mkfs.gfs2 fsck.gfs2; }

clean() {
	fsck.gfs2 -n $D/volume.img >fsck.out 2>&1 || {
		cat fsck.out
		atf_fail "fsck.gfs2 finds errors"
	}
}

atf_test_case killed cleanup
killed_head() { head; }
killed_body() {
	up mp-killed -n 3
	quorate
	for n in alpha beta gamma; do
		lab mount $n || atf_fail "$n cannot mount"
	done
	for round in 1 2 3; do
		# Gamma holds the directory, with synced and unsynced files.
		lab sh gamma -- sh -c "cd /srv/data && mkdir d$round &&
		    for i in 1 2 3 4 5; do echo \$i >d$round/s\$i; sync d$round/s\$i; done;
		    for i in 1 2 3 4 5; do echo \$i >d$round/u\$i; done;
		    pkill -KILL -x mount.gfs" || atf_fail "gamma cannot write"
		for i in 1 2 3 4 5; do
			atf_check -o inline:"$i\n" $L sh alpha -- timeout 20 cat /srv/data/d$round/s$i
		done
		atf_check $L sh beta -- timeout 20 touch /srv/data/d$round/beta
		# The node was never in doubt.
		atf_check -o match:'3/3 up' $L sh alpha -- $CS -c status
		atf_check -s not-exit:0 -e match:'not connected' $L sh gamma -- ls /srv/data
		lab mount gamma || atf_fail "gamma cannot mount again"
		atf_check -o match:beta $L sh gamma -- ls /srv/data/d$round
	done
	for n in alpha beta gamma; do
		lab umount $n || atf_fail "$n cannot unmount"
	done
	clean
}
killed_cleanup() { cleanup; }

atf_test_case together cleanup
together_head() { head; }
together_body() {
	up mp-together -n 3
	quorate
	for round in 1 2 3 4; do
		for n in alpha beta gamma; do
			lab mount $n >mount.$n 2>&1 &
		done
		wait
		for n in alpha beta gamma; do
			lab sh $n -- grep -q ' /srv/data fuse.gfs' /proc/mounts || {
				cat mount.$n
				atf_fail "$n has not mounted in round $round"
			}
			lab sh $n -- sh -c "echo $n >/srv/data/$n.$round" &
		done
		wait
		for n in alpha beta gamma; do
			atf_check -o inline:"alpha\nbeta\ngamma\n" $L sh $n -- sh -c \
			    "cd /srv/data && cat alpha.$round beta.$round gamma.$round"
		done
		for n in alpha beta gamma; do
			lab umount $n >umount.$n 2>&1 &
		done
		wait
		for n in alpha beta gamma; do
			atf_check -s exit:1 $L sh $n -- pgrep -x mount.gfs
		done
		clean
	done
}
together_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case killed
	atf_add_test_case together
}
