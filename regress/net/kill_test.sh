#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves, with real daemons, real mounts and a real GFS2 volume, that the
# loss of a node under load loses nothing that fsync(2) acknowledged: all
# three nodes create, append, rename and unlink; one of them is killed ten
# times in a row and comes back; then every node sees everything, fsck.gfs2
# finds nothing, and the kernel's own gfs2 lists the same tree.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh
KILLS=${KILLS:-10}
# worker NODE ROUND: starts a load there; each life has its own names.
worker() {
	lab sh $1 -- "$O/regress/net/fsload" run /srv/data "$1-$2" \
	    "$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')" "$PWD/diary.$1-$2" \
	    2>>worker.$1 &
}

# acknowledged NODE ROUND COUNT: waits until that many changes are durable.
acknowledged() {
	i=0
	until [ "$(cat diary.$1-$2 2>/dev/null | grep -c '^[CGL]')" -ge $3 ]; do
		i=$((i + 1))
		if [ $i -gt 1200 ]; then
			tail -n 30 $D/*/log
			cat worker.$1
			atf_fail "$1 made no $3 changes in its life $2 within 60 s"
		fi
		sleep 0.05
	done
}

atf_test_case ten_kills cleanup
ten_kills_head() {
	atf_set descr "nothing fsynced is lost when a node dies under load"
	needs 600 mkfs.gfs2 fsck.gfs2
}
ten_kills_body() {
	up kill10 -n 3
	lab wait quorate 30 || atf_fail "no quorum"
	for n in alpha beta gamma; do
		lab mount $n || atf_fail "$n cannot mount"
	done
	worker alpha 0
	worker beta 0
	round=0
	while [ $round -lt $KILLS ]; do
		worker gamma $round
		acknowledged gamma $round 15
		a=$(grep -c . diary.alpha-0)
		lab kill gamma
		# Both survivors go on, with gamma still down.
		acknowledged alpha 0 $((a / 2 + 10))
		b=$(grep -c '^[CGL]' diary.beta-0)
		acknowledged beta 0 $((b + 5))
		lab start gamma
		lab wait quorate 30 || atf_fail "gamma does not come back"
		lab mount gamma || atf_fail "gamma cannot mount again"
		round=$((round + 1))
	done
	for n in alpha beta; do
		lab sh $n -- pkill -KILL -x fsload
	done
	wait
	for n in alpha beta gamma; do
		atf_check -o match:' 0 wrong' $L sh $n -- \
		    "$O/regress/net/fsload" verify /srv/data $PWD/diary.*
		lab sh $n -- sh -c 'cd /srv/data && find . | LC_ALL=C sort' >tree.$n
	done
	atf_check cmp tree.alpha tree.beta
	atf_check cmp tree.alpha tree.gamma
	for n in alpha beta gamma; do
		lab umount $n || atf_fail "$n cannot unmount"
	done
	image=$D/volume.img
	atf_check -o ignore -e ignore fsck.gfs2 -n $image
	if [ -x "$SRC/regress/interop/kernel-gfs2" ] && command -v linux.uml >/dev/null; then
		cp --sparse=always $image copy.img
		"$SRC/regress/interop/kernel-gfs2" copy.img \
		    'cd $MNT && find . | LC_ALL=C sort' >kernel.out ||
		    atf_fail "the kernel's gfs2 does not mount the volume"
		grep . kernel.out >tree.kernel
		atf_check cmp tree.alpha tree.kernel
	else
		echo "user-mode-linux is absent: the kernel was not asked"
	fi
}
ten_kills_cleanup() {
	cleanup
}

atf_init_test_cases() {
	atf_add_test_case ten_kills
}
