#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that the mounts of several nodes are one file system: what a call
# returned on one node, every other sees at once; that a volume which is not
# ours is refused in words; and that a node which loses its engine, its
# network or its power loses its mount before others go on.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh

head() { needs 300 mkfs.gfs2 fsck.gfs2; }

mounted() {
	for n in "$@"; do
		lab mount $n || atf_fail "$n cannot mount"
	done
}

clean() {
	for n in "$@"; do
		lab umount $n || atf_fail "$n cannot unmount"
	done
	atf_check -o ignore -e ignore fsck.gfs2 -n $D/volume.img
}

# sees NODE COMMAND EXPECTED: at once, without another try.
sees() {
	got=$(lab sh $1 -- sh -c "cd /srv/data && $2" 2>&1)
	[ "$got" = "$3" ] || atf_fail "$1 sees \"$got\", not \"$3\", by: $2"
}

at() {
	n=$1
	shift
	lab sh $n -- sh -c "cd /srv/data && $*" || atf_fail "$n cannot: $*"
}

atf_test_case coherent cleanup
coherent_head() { head; }
coherent_body() {
	up m-coherent -n 3
	quorate
	mounted alpha beta gamma
	for k in 1 2 3; do
		for pair in alpha:beta beta:gamma gamma:alpha; do
			a=${pair%:*} b=${pair#*:}
			at $a "echo $k $a >f"
			sees $b 'cat f' "$k $a"
			at $b "echo more >>f"
			sees $a 'tail -n 1 f' more
			sees $a 'stat -c %s f' $((${#k} + ${#a} + 7))
			at $a 'truncate -s 3 f'
			sees $b 'stat -c %s f' 3
			at $b 'chmod 640 f; touch -d @1000000000 f'
			sees $a 'stat -c "%a %Y" f' '640 1000000000'
			at $a 'mkdir d; mv f d/g'
			sees $b 'ls; ls d' "$(printf 'd\ng')"
			sees $b 'cat f 2>&1 | sed "s/.*: //"' 'No such file or directory'
			at $b 'ln d/g d/h; ln -s d/g s'
			sees $a 'stat -c %h d/g; readlink s' "$(printf '2\nd/g')"
			at $a 'rm d/g s; mv d/h d/i'
			sees $b 'ls d; stat -c %h d/i' "$(printf 'i\n1')"
			at $b 'rm d/i; rmdir d'
			sees $a 'ls' ''
		done
	done
	# A larger file, rewritten in the middle by another node.
	at alpha 'head -c 3000000 /dev/urandom >big'
	at beta 'head -c 70000 /dev/zero | dd of=big bs=10000 seek=100 conv=notrunc status=none'
	sum=$(lab sh alpha -- sha256sum /srv/data/big)
	sees gamma 'sha256sum /srv/data/big' "$sum"
	sees beta 'sha256sum /srv/data/big' "$sum"
	# Appends of three nodes to one file: none is lost or torn.
	for n in alpha beta gamma; do
		lab sh $n -- sh -c "for i in \$(seq 100); do echo $n-line-\$i >>/srv/data/log; done" &
	done
	wait
	sees alpha 'wc -l <log; sort -u log | wc -l; grep -cv "^[a-z]*-line-[0-9]*$" log' "$(printf '300\n300\n0')"
	clean alpha beta gamma
}
coherent_cleanup() { cleanup; }

# refused PATTERN...: mount.gfs on alpha says this and exits 32.
refused() {
	lab sh alpha -- $O/sbin/mount.gfs $(cat $D/loop) /srv/data \
	    -o socket=/run/clusterd/control.sock >out 2>&1
	rc=$?
	[ $rc -eq 32 ] || atf_fail "mount.gfs exits with $rc: $(cat out)"
	for p in "$@"; do
		atf_check -o match:"$p" cat out
	done
	atf_check -s exit:1 $L sh alpha -- grep -q /srv/data.fuse /proc/mounts
	atf_check -o ignore $L sh alpha -- $CS -c status
}

atf_test_case foreign_volumes cleanup
foreign_volumes_head() { head; }
foreign_volumes_body() {
	up m-foreign -n 1
	quorate
	v=$D/volume.img
	cp --sparse=always $v good.img
	mkfs.gfs2 -O -q -p lock_dlm -t other:data -j 1 -J 8 $v >/dev/null
	refused 'other' 'demo'
	mkfs.gfs2 -O -q -p lock_nolock -j 1 -J 8 $v >/dev/null
	refused 'lock_nolock'
	dd if=/dev/zero of=$v bs=4096 seek=16 count=1 conv=notrunc status=none
	refused 'GFS2'
	for at in 65560 65576 65592 65628 65700; do
		cp --sparse=always good.img $v
		printf '\377\377\377\377\377\377\377\377' | dd of=$v bs=1 seek=$at conv=notrunc status=none
		lab sh alpha -- timeout 20 $O/sbin/mount.gfs $(cat $D/loop) /srv/data \
		    -o socket=/run/clusterd/control.sock >out 2>&1
		rc=$?
		[ $rc -eq 0 ] || [ $rc -eq 32 ] || atf_fail "byte $at: exit $rc: $(cat out)"
		[ $rc -eq 32 ] || lab umount alpha
		[ $rc -eq 0 ] || atf_check -o not-empty cat out
	done
	cp --sparse=always good.img $v
	mounted alpha
	clean alpha
}
foreign_volumes_cleanup() { cleanup; }

atf_test_case too_few_journals cleanup
too_few_journals_head() { head; }
too_few_journals_body() {
	up m-journals -n 3
	quorate
	mkfs.gfs2 -O -q -p lock_dlm -t demo:data -j 2 -J 8 $D/volume.img >/dev/null
	mounted beta gamma
	refused 'journal'
	at beta 'echo x >f'
	sees gamma 'cat f' x
	clean beta gamma
}
too_few_journals_cleanup() { cleanup; }

# holds NODE: it has EX on the root directory and a dirty journal.
holds() {
	at $1 'for i in 1 2 3 4 5; do echo $i >by-'$1'.$i; done; sync by-'$1'.5'
}

# waits NODE FILE SECONDS: a reader there gets no answer for so long.  It
# cannot be killed meanwhile: it waits in the kernel for the file system.
waits() {
	lab sh $1 -- cat /srv/data/$2 >read 2>&1 &
	sleep $3
	[ ! -s read ] || atf_fail "$1 read $2 under the lock of a node that may live: $(cat read)"
}

atf_test_case power_loss cleanup
power_loss_head() { head; }
power_loss_body() {
	up m-power -n 3
	quorate
	mounted alpha beta gamma
	holds gamma
	lab kill gamma
	# Without a word from anybody the others get the lock and the files.
	sees alpha 'cat by-gamma.5' 5
	at beta 'echo y >after'
	atf_check -o match:'gamma.*(power|verified|agent)' $L sh alpha -- $CS -c fence
	clean alpha beta
}
power_loss_cleanup() { cleanup; }

atf_test_case manual_fencing cleanup
manual_fencing_head() { head; }
manual_fencing_body() {
	up m-manual -n 3 --fencing manual
	quorate
	mounted alpha beta gamma
	holds gamma
	lab kill gamma
	eventually 10 sh -c "$L sh alpha -- $CS -c status | grep 'fence confirm gamma'" ||
	    { cs alpha status; atf_fail "nobody tells the operator what to do"; }
	# The volume waits: nothing that gamma's lock covers is given away.
	waits alpha by-gamma.5 2
	atf_check -o not-empty $L sh alpha -- $CS --yes -c 'fence confirm gamma'
	eventually 20 sh -c "$L sh alpha -- cat /srv/data/by-gamma.5" ||
	    { cs alpha 'status; events'; atf_fail "the volume stands still"; }
	clean alpha beta
}
manual_fencing_cleanup() { cleanup; }

atf_test_case confirm_needs_silence cleanup
confirm_needs_silence_head() { head; }
confirm_needs_silence_body() {
	up m-silence -n 3 --fencing manual --no-fs
	quorate
	# A node that is heard is alive, whatever the operator says.
	atf_check -s not-exit:0 -e not-empty $L sh alpha -- $CS --yes -c 'fence confirm beta'
	atf_check -o match:'3/3 up' $L sh alpha -- $CS -c status
}
confirm_needs_silence_cleanup() { cleanup; }

atf_test_case engine_dies cleanup
engine_dies_head() { head; }
engine_dies_body() {
	up m-engine -n 3
	quorate
	mounted alpha beta gamma
	holds gamma
	lab sh gamma -- pkill -KILL -f 'clusterd: engine'
	# The parent stops the mount before a new engine starts.
	eventually 20 sh -c "$L sh gamma -- sh -c '! pgrep -x mount.gfs'" ||
	    atf_fail "the mount runs on without a cluster"
	eventually 20 sh -c "$L sh alpha -- cat /srv/data/by-gamma.5" ||
	    { cs alpha 'status; events'; atf_fail "the volume stands still"; }
	eventually 20 $L sh gamma -- $CS -c 'wait quorum 1' || atf_fail "gamma does not come back"
	lab sh gamma -- umount -l /srv/data 2>/dev/null
	mounted gamma
	sees gamma 'cat by-gamma.5' 5
	clean alpha beta gamma
}
engine_dies_cleanup() { cleanup; }

atf_test_case network_dies cleanup
network_dies_head() { head; }
network_dies_body() {
	up m-network -n 3
	quorate
	mounted alpha beta gamma
	holds gamma
	lab cut gamma
	# Gamma lives, alone; the others fence it before they go on.
	eventually 20 sh -c "$L sh alpha -- cat /srv/data/by-gamma.5" ||
	    { cs alpha 'status; events'; atf_fail "the volume stands still"; }
	[ "$(cat $D/power/gamma)" = off ] || atf_fail "gamma was believed dead and is not off"
	lab heal gamma
	lab start gamma
	atf_check -o ignore $L sh gamma -- $CS -c 'wait quorum 30'
	mounted gamma
	sees gamma 'cat by-gamma.5' 5
	clean alpha beta gamma
}
network_dies_cleanup() { cleanup; }

atf_test_case broken_switch cleanup
broken_switch_head() { head; }
broken_switch_body() {
	up m-broken -n 3
	quorate
	mounted alpha beta gamma
	holds gamma
	touch $D/power.broken
	lab cut gamma
	# The device does not answer and gamma may live: nobody goes on.
	eventually 10 sh -c "$L sh alpha -- $CS --json -c status | jq -e '.data[0].fence_pending == 1'" ||
	    atf_fail "no fence is pending"
	waits alpha by-gamma.5 3
	# Gamma, without quorum, gives nothing new away either.
	rm $D/power.broken
	eventually 60 sh -c "$L sh alpha -- cat /srv/data/by-gamma.5" ||
	    { cs alpha 'status; events'; atf_fail "the volume stands still"; }
	clean alpha beta
}
broken_switch_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case coherent
	atf_add_test_case foreign_volumes
	atf_add_test_case too_few_journals
	atf_add_test_case power_loss
	atf_add_test_case manual_fencing
	atf_add_test_case confirm_needs_silence
	atf_add_test_case engine_dies
	atf_add_test_case network_dies
	atf_add_test_case broken_switch
}
