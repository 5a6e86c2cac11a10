#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves mount.gfs on this kernel's FUSE, one node: everyday programs work
# and what they leave is a clean GFS2 volume with the same contents after a
# remount, and to the kernel's own gfs2 (user-mode Linux); a mount that cannot
# be says why and exits as mount(8) expects; a killed mount loses nothing that
# was synced.

SRC=@SRC@
MOUNT=@O@/sbin/mount.gfs

case_head() {
	atf_set require.user root
	atf_set require.progs "mkfs.gfs2 fsck.gfs2 tar"
	atf_set timeout 120
}

need_fuse() {
	[ -c /dev/fuse ] || atf_skip "there is no /dev/fuse"
}

# Every test works in its own folder, with one image and one mount point.
make_volume() {
	need_fuse
	truncate -s "${2:-200M}" image
	atf_check -o ignore mkfs.gfs2 -O -q -b "$1" -p lock_nolock -j 1 -J 8 image
	mkdir -p mnt
	M=$PWD/mnt
}

do_mount() {
	atf_check "$MOUNT" image mnt "$@"
	atf_check -o match:"$M fuse.gfs" cat /proc/mounts
	atf_check -s exit:0 mountpoint -q mnt
}


# umount(2) returns before the journal is left; fsck must come after that.
do_umount() {
	atf_check umount mnt
	wait_unlocked
}

# The processes that have the image open.
holders() {
	find /proc/[0-9]*/fd -lname "$PWD/image" 2>/dev/null |
	    cut -d / -f 3 | sort -nu
}

wait_unlocked() {
	i=0
	while [ -n "$(holders)" ]; do
		i=$((i + 1))
		[ $i -lt 600 ] || atf_fail "mount.gfs does not end"
		sleep 0.05
	done
}

check_clean() {
	fsck.gfs2 -n image >fsck.out 2>&1 || {
		cat fsck.out
		atf_fail "fsck.gfs2 finds errors"
	}
}

leave() {
	umount -l "$1/mnt" 2>/dev/null
	:
}

everyday() {
	make_volume "$1"
	do_mount
	mkdir src
	for d in a b c/d; do
		mkdir -p "src/$d"
		for n in $(seq 1 40); do
			head -c $((n * 317)) /dev/urandom >"src/$d/file-$n"
		done
	done
	head -c 9000000 /dev/urandom >src/big
	: >src/empty
	truncate -s 3000000 src/sparse
	ln -s ../a/file-1 src/b/link
	ln src/a/file-2 src/a/hard
	mkfifo src/fifo
	chmod 751 src/c
	touch -d '2001-02-03 04:05:06.789' src/a/file-3
	atf_check -o ignore -e ignore sh -c "tar --format=posix -C src -cf - . | tar -C mnt -xpf -"
	atf_check diff -r --no-dereference -x fifo src mnt
	atf_check cp -a src mnt/copy
	atf_check diff -r --no-dereference -x fifo src mnt/copy
	atf_check sh -c "(cd src; find . | sort) >1; (cd mnt/copy; find . | sort) >2; cmp 1 2"
	# Names, links, times, modes.
	atf_check -o inline:'2\n' stat -c %h mnt/a/hard
	atf_check -o inline:'751\n' stat -c %a mnt/c
	atf_check -o match:'^2001-02-03 04:05:06.789' stat -c %y mnt/a/file-3
	atf_check -o inline:'fifo\n' stat -c %F mnt/fifo
	atf_check mv mnt/copy/a mnt/copy/moved
	atf_check mv mnt/copy/big mnt/big2
	atf_check cmp mnt/big2 src/big
	atf_check mv mnt/big2 mnt/empty
	atf_check cmp mnt/empty src/big
	atf_check -s not-exit:0 -e match:'not empty' rmdir mnt/copy
	atf_check -s not-exit:0 -e match:'File exists' mkdir mnt/copy
	# Holes, rewriting in the middle, shrinking and growing.
	atf_check dd if=src/a/file-40 of=mnt/big bs=1000 seek=4321 conv=notrunc status=none
	cp src/big big.model
	dd if=src/a/file-40 of=big.model bs=1000 seek=4321 conv=notrunc status=none
	atf_check cmp big.model mnt/big
	atf_check truncate -s 100001 mnt/big big.model
	atf_check truncate -s 200000 mnt/big big.model
	atf_check cmp big.model mnt/big
	atf_check sh -c "echo tail >>mnt/big; echo tail >>big.model; cmp mnt/big big.model"
	# Opening with O_TRUNC empties; set-id bits go with a foreign write.
	atf_check sh -c "echo a long line >mnt/trunc; echo short >mnt/trunc"
	atf_check -o inline:'short\n' cat mnt/trunc
	cp /bin/true mnt/suid
	chmod 6777 mnt/suid
	chmod 755 mnt .
	atf_check setpriv --reuid=65534 --regid=65534 --clear-groups dd if=/dev/null of="$M/suid" bs=1 count=1 conv=notrunc status=none
	atf_check setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "echo x >>'$M/suid'"
	atf_check -o inline:'777\n' stat -c %a mnt/suid
	chmod 4755 mnt/suid
	chown 1:1 mnt/suid
	atf_check -o inline:'755\n' stat -c %a mnt/suid
	# A program runs from the volume; an open file outlives its name.
	atf_check cp /bin/cat mnt/cat
	atf_check -o inline:'x\n' sh -c "echo x | mnt/cat"
	atf_check -o inline:'kept\n' sh -c "echo kept >mnt/gone; exec 3<mnt/gone; rm mnt/gone; cat <&3"
	atf_check -o match:image df mnt
	for n in $(seq 1 300); do
		echo "$n" >"mnt/b/many-with-a-rather-long-name-$n"
	done
	atf_check -o inline:'341\n' sh -c "ls mnt/b | wc -l"
	rm mnt/b/many-*1
	atf_check sync mnt/big
	(cd mnt && find . -type f | sort | xargs sha256sum) >sums
	find mnt | sort >names
	do_umount
	check_clean
	do_mount -o ro
	(cd mnt && sha256sum --quiet -c ../sums) || atf_fail "contents differ"
	find mnt | sort | cmp - names || atf_fail "names differ"
	atf_check -s not-exit:0 -e match:'Read-only' touch mnt/x
	do_umount
	do_mount
	atf_check rm -rf mnt/copy mnt/a mnt/b
	do_umount
	check_clean
}

atf_test_case everyday_4096 cleanup
everyday_4096_head() { case_head; }
everyday_4096_body() { everyday 4096; }
everyday_4096_cleanup() { leave "$PWD"; }

atf_test_case everyday_1024 cleanup
everyday_1024_head() { case_head; }
everyday_1024_body() { everyday 1024; }
everyday_1024_cleanup() { leave "$PWD"; }

atf_test_case kernel_reads cleanup
kernel_reads_head() { case_head; }
kernel_reads_body() {
	uml=$SRC/regress/interop/kernel-gfs2
	[ -x "$uml" ] || atf_skip "regress/interop/kernel-gfs2 is missing"
	command -v linux.uml >/dev/null || atf_skip "linux.uml is not installed"
	make_volume 4096
	do_mount
	mkdir mnt/d
	for n in $(seq 1 200); do
		echo "content $n" >"mnt/d/name-$n"
	done
	head -c 2000000 /dev/urandom >mnt/big
	ln -s d/name-1 mnt/link
	(cd mnt && find . -type f | sort | xargs sha256sum) >sums
	do_umount
	atf_check -o save:kernel -e ignore "$uml" image \
	    "cd \$MNT && find . -type f | sort | xargs sha256sum"
	grep -E '^[0-9a-f]{64} ' kernel | tr -d '\r' | cmp - sums ||
	    atf_fail "the kernel's gfs2 reads something else"
	check_clean
}
kernel_reads_cleanup() { leave "$PWD"; }

# The worker: neither the command nor the keeper keeps the volume open.
worker() {
	holders | tail -n 1
}

atf_test_case killed cleanup
killed_head() { case_head; }
killed_body() {
	make_volume 4096
	do_mount
	mkdir mnt/d
	for n in $(seq 1 50); do
		echo "synced $n" >mnt/d/$n
		sync mnt/d/$n
	done
	pid=$(worker)
	[ -n "$pid" ] || atf_fail "no process has the image open"
	kill -KILL "$pid"
	wait_unlocked
	# The dead mount refuses, so nothing is written to the folder below.
	atf_check -s not-exit:0 -e match:'not connected' ls mnt
	# The next mount clears it away and replays the journal.
	do_mount
	for n in $(seq 1 50); do
		atf_check -o inline:"synced $n\n" cat mnt/d/$n
	done
	do_umount
	check_clean
}
killed_cleanup() { leave "$PWD"; }

atf_test_case signals cleanup
signals_head() { case_head; }
signals_body() {
	make_volume 4096
	do_mount
	echo one >mnt/one
	kill -TERM "$(worker)"
	wait_unlocked
	i=0
	while grep -q "$M fuse" /proc/mounts; do
		i=$((i + 1))
		[ $i -lt 200 ] || atf_fail "the mount point stays"
		sleep 0.05
	done
	check_clean
	do_mount
	atf_check -o inline:'one\n' cat mnt/one
	# Not root, and no way back to it.
	atf_check -o match:'NoNewPrivs:.*1' cat "/proc/$(worker)/status"
	if getent passwd _clusterd >/dev/null; then
		atf_check -o not-match:'Uid:.0' grep Uid "/proc/$(worker)/status"
	fi
	do_umount
	# The keeper unmounts, also while a file is open.
	do_mount
	sleep 60 <mnt/one &
	pid=$!
	kill -TERM "$(ps -o ppid= "$(worker)")"
	wait_unlocked
	kill $pid
	grep -q "$M fuse" /proc/mounts && atf_fail "the mount point stays"
	check_clean
}
signals_cleanup() { leave "$PWD"; }

refused() {
	want=$1
	shift
	"$MOUNT" "$@" >out 2>&1
	rc=$?
	[ $rc -eq 32 ] || atf_fail "exit code $rc: $(cat out)"
	atf_check -o match:"$want" cat out
	grep -q "$M fuse" /proc/mounts && atf_fail "it is mounted all the same"
	:
}

atf_test_case refusals cleanup
refusals_head() { case_head; }
refusals_body() {
	make_volume 4096
	refused 'No such file' nowhere mnt
	refused 'No such file' image nowhere
	refused 'not a directory' image image
	truncate -s 20M zero
	refused 'GFS2' zero mnt
	if command -v mkfs.ext4 >/dev/null; then
		mkfs.ext4 -q zero
		refused 'holds ext4, not GFS2' zero mnt
	fi
	truncate -s 60K short
	refused 'GFS2' short mnt
	# A clustered volume without a cluster.
	truncate -s 64M shared
	mkfs.gfs2 -O -q -p lock_dlm -t one:fs -j 1 -J 8 shared >/dev/null
	refused 'cannot reach clusterd at' shared mnt -o "socket=$PWD/none"
	refused 'one node alone' image mnt -o "socket=$PWD/none"
	# ... which one node may use alone if its owner says so.
	atf_check "$MOUNT" shared mnt -o lockproto=lock_nolock
	atf_check umount mnt
	for o in nonsense lockproto=x commit=0 locktable=; do
		"$MOUNT" image mnt -o "$o" >out 2>&1
		rc=$?
		[ $rc -eq 1 ] || atf_fail "-o $o: exit code $rc"
		atf_check -o match:"${o%%=*}" cat out
	done
	# Options that mount(8) and fstab(5) pass.
	do_mount -o rw,noatime,_netdev,nofail,nosuid,nodev,x-systemd.automount
	atf_check -o match:'nosuid.*nodev' grep "$M fuse" /proc/mounts
	do_umount
	check_clean
}
refusals_cleanup() { leave "$PWD"; }

atf_test_case read_only_dirty cleanup
read_only_dirty_head() { case_head; }
read_only_dirty_body() {
	make_volume 4096
	do_mount
	echo x >mnt/x
	sync mnt/x
	kill -KILL "$(worker)"
	wait_unlocked
	umount -l mnt
	refused 'journal 0 is dirty and the mount is read-only' image mnt -o ro
	do_mount
	atf_check -o inline:'x\n' cat mnt/x
	do_umount
	check_clean
}
read_only_dirty_cleanup() { leave "$PWD"; }

atf_test_case unsupported cleanup
unsupported_head() { case_head; }
unsupported_body() {
	make_volume 4096
	do_mount
	echo x >mnt/x
	atf_check -s not-exit:0 -e match:'not supported' fallocate -l 100000 mnt/x
	if command -v setfattr >/dev/null; then
		atf_check -s not-exit:0 -e match:'not supported' setfattr -n user.a -v b mnt/x
	fi
	# One node alone: its own locks are the whole truth.
	atf_check -o inline:'locked\n' flock mnt/x echo locked
	do_umount
	check_clean
}
unsupported_cleanup() { leave "$PWD"; }

atf_test_case full cleanup
full_head() { case_head; }
full_body() {
	make_volume 4096 40M
	do_mount
	atf_check -s not-exit:0 -e match:'No space' dd if=/dev/zero of=mnt/fill bs=1M status=none
	atf_check -s not-exit:0 -e match:'No space' cp /bin/sh mnt/more
	atf_check rm -f mnt/fill mnt/more
	i=0
	# Freed blocks come back with the next log flush.
	until cp /bin/sh mnt/again 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 100 ] || atf_fail "the space does not come back"
		sleep 0.1
	done
	atf_check cmp /bin/sh mnt/again
	do_umount
	check_clean
}
full_cleanup() { leave "$PWD"; }

atf_test_case corrupt cleanup
corrupt_head() { case_head; }
corrupt_body() {
	make_volume 4096
	do_mount
	mkdir mnt/d
	echo x >mnt/d/x
	echo y >mnt/y
	# The number of a file is the block of its dinode.
	ino=$(stat -c %i mnt/d)
	do_umount
	cp image good
	dd if=/dev/urandom of=image bs=4096 seek="$ino" count=1 conv=notrunc status=none
	do_mount
	atf_check -s not-exit:0 -e match:'Input/output error' ls mnt/d
	# The mount stays, says so, and neither reads nor writes any more.
	atf_check -s not-exit:0 -e match:'Input/output error' touch mnt/z
	atf_check -o match:"$M fuse.gfs" cat /proc/mounts
	do_umount
	# Nothing but the damaged block is wrong.
	dd if=good of=image bs=4096 skip="$ino" seek="$ino" count=1 conv=notrunc status=none
	do_mount
	atf_check -o inline:'x\n' cat mnt/d/x
	atf_check -o inline:'y\n' cat mnt/y
	do_umount
	check_clean
}
corrupt_cleanup() { leave "$PWD"; }

# The same calls below a folder of this machine's own file system.
atf_test_case differ cleanup
differ_head() { case_head; }
differ_body() {
	mkdir ref
	for b in 4096 512; do
		make_volume $b
		do_mount
		rm -rf ref/*
		atf_check @O@/regress/gfs/differ ref mnt $b 12000
		do_umount
		check_clean
		rm image
	done
}
differ_cleanup() { leave "$PWD"; }

atf_init_test_cases() {
	atf_add_test_case everyday_4096
	atf_add_test_case everyday_1024
	atf_add_test_case kernel_reads
	atf_add_test_case killed
	atf_add_test_case signals
	atf_add_test_case refusals
	atf_add_test_case read_only_dirty
	atf_add_test_case unsupported
	atf_add_test_case full
	atf_add_test_case corrupt
	atf_add_test_case differ
}
