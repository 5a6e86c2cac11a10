#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves what the processes of the daemon promise: what each may do, that a
# node whose engine ends is out of service and comes back as a new
# incarnation after its mounts are gone, that settings are checked with clear
# words, and that nothing is left after a stop.

SRC=@SRC@
O=@O@
PORT=5790
. $SRC/regress/net/daemons.sh

atf_test_case confined cleanup
confined_head() { head; }
confined_body() {
	setup 1
	e=$(engine 1)
	atf_check_equal 2 $(status_of $e Seccomp)
	atf_check_equal 1 $(status_of $e NoNewPrivs)
	atf_check_equal "$(id -u _clusterd)" $(status_of $e Uid)
	atf_check_equal "$(id -g _clusterd)" $(status_of $e Gid)
	atf_check_equal 0000000000000000 $(status_of $e CapEff)
	atf_check_equal 0000000000000000 $(status_of $e CapPrm)
	atf_check -o empty ls -A /proc/$e/root/
	# Nothing but sockets, its loop, and where its log goes.
	atf_check -s exit:1 -o empty sh -c "ls -l /proc/$e/fd | grep -v ' [012] -> ' |
	    grep -- '->' | grep -vE 'socket:|anon_inode:|pipe:'"
	b=$(beat 1)
	atf_check_equal 2 $(status_of $b Seccomp)
	atf_check_equal 1 $(status_of $b NoNewPrivs)
	atf_check_equal "$(id -u _clusterd)" $(status_of $b Uid)
	atf_check_equal 0000000000000000 $(status_of $b CapEff)
	f=$(fence 1)
	atf_check_equal 1 $(status_of $f NoNewPrivs)
	# The fence process holds no socket of the network or of clients.
	atf_check -s exit:1 -o empty sh -c "ss -Hnlp 2>/dev/null | grep 'pid=$f,'"
	# ss does see listening sockets of ours here.
	atf_check -o match:control.sock sh -c "ss -Hnlp 2>/dev/null | grep 'pid=$e,'"
}
confined_cleanup() { stop_all; }

atf_test_case engine_killed cleanup
engine_killed_head() { head; }
engine_killed_body() {
	setup 3
	old=$(engine 2)
	before=$(incarnation 1)
	lines=$(wc -l <log2)
	kill -9 $old
	seen 2 "engine: out of service: it was ended by signal 9" $lines
	seen 2 "engine: in service" $lines
	new=$(engine 2)
	[ "$new" != "$old" ] || atf_fail "the same process"
	# The others take it in as a new incarnation, above the old one.
	eventually 30 sh -c "grep -q 'n2.*came after it' log1" ||
	    atf_fail "node 1 saw no new incarnation"
	members 1 3
	members 2 3
	now=$(incarnation 1)
	expr "$before" \< "$now" >/dev/null ||
	    atf_fail "incarnation $now is not above $before"
}
engine_killed_cleanup() { stop_all; }

atf_test_case early_clients cleanup
early_clients_head() {
	atf_set require.user root
	atf_set require.progs "pgrep unshare ip ss jq socat"
	atf_set timeout 120
	atf_set descr "who knocks while a node starts waits, and harms nothing"
}
early_clients_body() {
	conf 1 >c.yaml
	(umask 077; command head -c 32 /dev/urandom >key)
	mkdir -p r1
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rm -f log1
		# As early as there is something to connect to.
		for k in 1 2; do
			socat -u UNIX-CONNECT:r1/control.sock,type=5,retry=1000000,interval=0.0001 \
			    /dev/null 2>/dev/null &
			echo $! >pidk$k
		done
		start 1
		p=$(cat pid1)
		kill -TERM $p
		gone $p
		rm pid1
	done
	wait
}
early_clients_cleanup() { stop_all; }

atf_test_case mount_ends_first cleanup
mount_ends_first_head() {
	head
	atf_set descr "a mount is gone before a new engine starts"
}
mount_ends_first_body() {
	setup 3
	cp $O/regress/net/as_mount mount.gfs
	./mount.gfs r2/control.sock /srv/test ignore >mounted 2>&1 &
	echo $! >mnt
	eventually 20 grep -q registered mounted || atf_fail "$(cat mounted)"
	# Held still, it can neither see what happens nor end by itself.
	kill -STOP $(cat mnt)
	lines=$(wc -l <log2)
	kill -9 $(engine 2)
	seen 2 "engine: in service" $lines
	gone $(cat mnt)
	tail -n +$lines log2 | grep -nE "process $(cat mnt) of the mount|engine: in service" >order
	atf_check -o match:"process $(cat mnt) of the mount /srv/test has ended" sed -n 1p order
	atf_check -o match:"engine: in service" sed -n 2p order
}
mount_ends_first_cleanup() { stop_all; }

atf_test_case mount_refused cleanup
mount_refused_head() {
	head
	atf_set descr "what cannot be stopped may not be a mount"
}
mount_refused_body() {
	setup 1
	$O/regress/net/as_mount r1/control.sock /srv/test >mounted 2>&1 &
	echo $! >mnt
	seen 1 "process $(cat mnt) cannot be kept"
	seen 1 "pid $(cat mnt).*closed: this process is not a mount.gfs"
	# It is not harmed, only told by the end of its connection.
	kill -0 $(cat mnt)
	kill -9 $(engine 1)
	seen 1 "ended by signal 9"
	kill -0 $(cat mnt) || atf_fail "a stranger was killed"
	kill $(cat mnt)
}
mount_refused_cleanup() { stop_all; }

atf_test_case evicted cleanup
evicted_head() {
	head
	atf_set descr "an engine that stood still too long is replaced"
}
evicted_body() {
	setup 3
	e=$(engine 3)
	kill -STOP $e
	members 1 2
	members 2 2
	lines=$(wc -l <log3)
	kill -CONT $e
	gone $e
	seen 3 "engine: in service" $lines
	members 3 3
	members 1 3
	# It was told why, and not by a crash.
	atf_check -o match:"engine: out of service" grep "out of service" log3
	atf_check -s exit:1 grep -E "ended by signal|exited with" log3
}
evicted_cleanup() { stop_all; }

atf_test_case fence_killed cleanup
fence_killed_head() { head; }
fence_killed_body() {
	setup 1
	e=$(engine 1)
	f=$(fence 1)
	kill -9 $f
	gone $f
	eventually 20 pgrep -P $(cat pid1) -f '^clusterd: fence' ||
	    atf_fail "no new fence process"
	[ "$(fence 1)" != "$f" ] || atf_fail "the same process"
	atf_check_equal "$e" "$(engine 1)"
}
fence_killed_cleanup() { stop_all; }

atf_test_case parent_killed cleanup
parent_killed_head() {
	head
	atf_set descr "children end with the parent"
}
parent_killed_body() {
	setup 1
	e=$(engine 1) f=$(fence 1)
	kill -9 $(cat pid1)
	gone $e
	gone $f
	# What it left behind is no obstacle.
	start 1
	members 1 1
}
parent_killed_cleanup() { stop_all; }

atf_test_case stop cleanup
stop_head() { head; }
stop_body() {
	setup 3
	kill -HUP $(cat pid3)
	seen 3 "reload is not available yet"
	e=$(engine 3) f=$(fence 3) p=$(cat pid3)
	cp $O/regress/net/as_mount mount.gfs
	./mount.gfs r3/control.sock /srv/test >mounted 2>&1 &
	echo $! >mnt
	eventually 20 grep -q registered mounted || atf_fail "$(cat mounted)"
	kill -TERM $p
	wait $p
	atf_check_equal 0 $?
	gone $(cat mnt)
	atf_check -s exit:1 -e ignore kill -0 $e
	atf_check -s exit:1 -e ignore kill -0 $f
	[ ! -e r3/clusterd.pid ] || atf_fail "the pid file is left"
	seen 3 "left the cluster"
	# The others know that it left, and did not have to find out.
	members 1 2
	atf_check -o ignore grep "n3.*said goodbye" log1
	atf_check -s exit:1 grep "n3.*silent" log1
}
stop_cleanup() { stop_all; }

atf_test_case background cleanup
background_head() { head; }
background_body() {
	conf 1 >c.yaml
	(umask 077; command head -c 32 /dev/urandom >key)
	mkdir s1 r1
	# In service when the command returns, with every path relative.
	atf_check -e ignore $C -f c.yaml -k key -N 1 -S s1 -R r1
	cp r1/clusterd.pid pid1
	[ -S r1/control.sock ] || atf_fail "no socket"
	kill -0 $(cat pid1) || atf_fail "no process"
	atf_check -s exit:75 -e match:"already running .pid $(cat pid1)" \
	    $C -d -f c.yaml -k key -N n1 -S s1 -R r1
	atf_check_equal 660 $(stat -c %a r1/control.sock | sed s/600/660/)
	atf_check_equal 666 $(stat -c %a r1/observe.sock)
	kill -TERM $(cat pid1)
	gone $(cat pid1)
}
background_cleanup() { stop_all; }

atf_test_case settings
settings_head() { head; }
settings_body() {
	conf 2 >c.yaml
	echo "nonsense: 1" | cat c.yaml - >bad.yaml
	(umask 077; command head -c 32 /dev/urandom >key)
	mkdir s r
	A="-d -k key -S s -R r"
	atf_check -s exit:64 -e match:"usage: clusterd" $C -x
	atf_check -s exit:64 -e match:"usage: clusterd" $C extra
	atf_check -e ignore $C -n -f c.yaml
	atf_check -s exit:65 -e match:"bad.yaml:.*error E004" $C -n -f bad.yaml
	atf_check -s exit:65 -e match:"bad.yaml:.*error E004" $C $A -f bad.yaml
	atf_check -s exit:66 -e match:"none.yaml" $C $A -f none.yaml
	atf_check -s exit:78 -e match:"there is no such node" $C $A -f c.yaml -N n3
	# Every address of the loopback net is ours: it cannot guess.
	atf_check -s exit:78 -e match:"say which one it is with -N" $C $A -f c.yaml
	# A new network namespace has no such address.
	sed 's/127.77/10.77/g' c.yaml >far.yaml
	atf_check -s exit:78 -e match:"no link address of any node" \
	    unshare -n sh -c "ip link set lo up; exec $C $A -f far.yaml"
	atf_check -s exit:67 -e match:"useradd --system nobodyhere" $C $A -f c.yaml -N n1 -u nobodyhere
	atf_check -s exit:67 -e match:"must not be" $C $A -f c.yaml -N n1 -u root
	N="-f c.yaml -N n1 -d -S s -R r"
	atf_check -s exit:66 -e match:"there is no cluster key" $C $N -k nokey
	command head -c 31 key >short
	chmod 600 short
	atf_check -s exit:65 -e match:"exactly 32 bytes" $C $N -k short
	cat key key >long
	chmod 600 long
	atf_check -s exit:65 -e match:"exactly 32 bytes" $C $N -k long
	cp key open
	chmod 640 open
	atf_check -s exit:77 -e match:"others can read" $C $N -k open
	echo "control: {admin_group: nogrouphere}" | cat c.yaml - >group.yaml
	$C -n -f group.yaml 2>/dev/null &&
	    atf_check -s exit:78 -e match:"groupadd" $C $A -f group.yaml -N n1
	# Roles are not for the command line.
	atf_check -s exit:1 -e match:"started by hand" $C -F -d -C r </dev/null
	atf_check -s exit:1 -e match:"started by hand" $C -E -d -C r </dev/null
	atf_check -s exit:1 -e match:"started by hand" $C -B -d -C r </dev/null
	[ ! -e r/clusterd.pid ] || atf_fail "a pid file was made for nothing"
}

atf_test_case late_address cleanup
late_address_head() {
	head
	atf_set descr "a link whose address comes later is opened then"
}
late_address_body() {
	ip netns add dm-daemontest
	ip -n dm-daemontest link set lo up
	conf 1 | sed 's/127.77.1.1/10.77.1.1/' >c.yaml
	(umask 077; command head -c 32 /dev/urandom >key)
	mkdir s1 r1
	ip netns exec dm-daemontest $C -d -f c.yaml -k key -S s1 -R r1 >log1 2>&1 &
	echo $! >pid1
	seen 1 "link 1: 10.77.1.1 port $PORT: Cannot assign"
	members 1 1
	atf_check -o not-match:10.77.1.1 ip netns exec dm-daemontest ss -Hnlu
	ip -n dm-daemontest addr add 10.77.1.1/32 dev lo
	eventually 30 sh -c "ip netns exec dm-daemontest ss -Hnlu | grep -q 10.77.1.1:$PORT" ||
	    atf_fail "the link was not opened"
}
late_address_cleanup() {
	stop_all
	ip netns del dm-daemontest 2>/dev/null
	sane log*
}

atf_test_case incarnation cleanup
incarnation_head() {
	head
	atf_set descr "each life has a higher incarnation, also with a lost state file"
}
incarnation_body() {
	setup 2
	incarnation 2 >incs
	for how in keep lose damage; do
		kill -TERM $(cat pid2)
		wait $(cat pid2)
		case $how in
		lose) rm s2/state ;;
		damage) echo garbage >s2/state ;;
		esac
		rm log2
		start 2
		members 2 2
		incarnation 2 >>incs
	done
	atf_check -o match:"no valid state in it" grep "s2/state" log2
	[ $(sort -u incs | wc -l) -ge 4 ] || atf_fail "too few: $(cat incs)"
	# Hexadecimal numbers of one length: text order is their order.
	atf_check env LC_ALL=C sort -c incs
}
incarnation_cleanup() { stop_all; }

atf_test_case full_disk cleanup
full_disk_head() {
	head
	atf_set descr "a state directory that is full, cannot be written, or is read-only"
}
full_disk_body() {
	mkdir s2 ro
	mount -t tmpfs -o size=256k none s2 || atf_fail "no tmpfs"
	# A signal that is ignored stays so: the limit below is an error then.
	trap '' XFSZ
	setup 3
	command head -c 1M /dev/zero >s2/fill 2>/dev/null
	atf_check_equal 0 $(df --output=avail s2 | tail -n 1)
	before=$(incarnation 2)
	lines=$(wc -l <log2)
	kill -9 $(engine 2)
	seen 2 "engine: in service" $lines
	members 2 3
	now=$(incarnation 2)
	expr "$before" \< "$now" >/dev/null ||
	    atf_fail "incarnation $now is not above $before"
	# One slot cannot be written: it is said once, and the node waits.
	lines=$(wc -l <log2)
	prlimit --fsize=65536: --pid $(cat pid2)
	kill -9 $(engine 2)
	seen 2 "s2/state: cannot be written, and it is tried again" $lines
	members 1 2
	prlimit --fsize=unlimited: --pid $(cat pid2)
	members 1 3
	members 2 3
	seen 2 "s2/state: written again\\|engine: in service" $lines
	atf_check_equal 1 $(tail -n +$lines log2 | grep -c "cannot be written")
	# At the start it is an error, with the place.
	mount -t tmpfs -o ro none ro
	atf_check -s exit:73 -o ignore -e match:"ro/state: it must be writable, with room: Read-only file system" \
	    $C -d -f c.yaml -k key -N n2 -S ro -R r4
	mount -o remount,rw,size=64k ro
	atf_check -s exit:73 -o ignore -e match:"ro/state: it must be writable, with room: No space left on device" \
	    $C -d -f c.yaml -k key -N n2 -S ro -R r4
}
full_disk_cleanup() {
	stop_all
	umount s2 ro
	sane log*
}

atf_test_case outlived cleanup
outlived_head() {
	head
	atf_set descr "a node that has lost its state, and its clock, is told how late it is"
}
outlived_body() {
	setup 3
	for how in ahead lost; do
		kill -TERM $(cat pid2)
		wait $(cat pid2)
		members 1 2
		case $how in
		ahead) atf_check $O/regress/net/setlife s2 0x2000000000000000 ;;
		lost) rm s2/state ;;
		esac
		lines=$(wc -l <log2)
		start 2
		members 2 3
	done
	atf_check -o match:"out of service: node [13] has met a later incarnation" \
	    grep "engine: out of service" log2
	seen 2 "engine: in service" $lines
	# It is above what the others knew, for good.
	incarnation 2 >inc
	atf_check -o match:"2000000000000" cat inc
}
outlived_cleanup() { stop_all; }

atf_init_test_cases() {
	atf_add_test_case confined
	atf_add_test_case early_clients
	atf_add_test_case engine_killed
	atf_add_test_case mount_ends_first
	atf_add_test_case mount_refused
	atf_add_test_case evicted
	atf_add_test_case fence_killed
	atf_add_test_case parent_killed
	atf_add_test_case stop
	atf_add_test_case background
	atf_add_test_case settings
	atf_add_test_case late_address
	atf_add_test_case incarnation
	atf_add_test_case full_disk
	atf_add_test_case outlived
}
