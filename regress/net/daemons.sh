# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# For tests that run daemons on the loopback device, without namespaces: set
# SRC and O, the source tree and the build folder, and PORT, then read this.
# Node N is n1, n2, ...; its log is logN, its parent's process pidN, its run
# directory rN.

. $SRC/regress/net/common.sh

C=$O/sbin/clusterd

head() {
	atf_set require.user root
	atf_set require.progs "pgrep unshare ip ss jq prlimit"
	atf_set timeout 120
}

# conf NODES: writes c.yaml for nodes n1.. on the loopback device.
conf() {
	echo "cluster: daemontest"
	echo "transport: {port: $PORT}"
	[ -z "${MEMBERSHIP:-}" ] || echo "membership: {$MEMBERSHIP}"
	echo "fencing: manual"
	echo "nodes:"
	for i in $(seq "$1"); do
		echo "  n$i: {id: $i, links: [127.77.0.$i, 127.77.1.$i]}"
	done
}

setup() {
	conf "$1" >c.yaml
	(umask 077; command head -c 32 /dev/urandom >key)
	for i in $(seq "$1"); do
		start $i
	done
	for i in $(seq "$1"); do
		members $i "$1"
	done
}

start() {
	mkdir -p s$1 r$1
	$C -d -f c.yaml -k key -N n$1 -S s$1 -R r$1 >>log$1 2>&1 &
	echo $! >pid$1
	seen $1 "engine: in service"
}

# seen NODE TEXT [LINE]: the log has it, after line LINE.
seen() {
	eventually 30 sh -c "tail -n +${3:-1} log$1 | grep -q -- '$2'" || {
		cat log* >&2
		atf_fail "node $1 never said '$2'"
	}
}

# ask NODE COMMAND FILTER: what the node's own engine says.
ask() {
	$O/bin/clustershell -s r$1/observe.sock --json -c "$2" | jq -r "$3"
}

has_members() {
	[ "$(ask $1 status '.data[0] | select(.quorate) | .nodes_up')" = $2 ]
}

# members NODE N: its view has N members and is quorate.
members() {
	eventually 30 has_members $1 $2 || {
		cat log* >&2
		atf_fail "node $1 has no view of $2 nodes with quorum"
	}
}

# The incarnation of node 2 as the node sees it.
incarnation() {
	ask $1 nodes '.data[] | select(.node == "n2") | .incarnation'
}

engine() {
	pgrep -P $(cat pid$1) -f '^clusterd: engine'
}

fence() {
	pgrep -P $(cat pid$1) -f '^clusterd: fence'
}

beat() {
	pgrep -P $(cat pid$1) -f '^clusterd: beat'
}

gone() {
	eventually 30 sh -c "! kill -0 $1" || atf_fail "process $1 does not end"
}

stop_all() {
	for f in pid*; do
		[ -e $f ] || continue
		p=$(cat $f)
		kill -CONT $p $(pgrep -P $p) 2>/dev/null
		kill -TERM $p 2>/dev/null
	done
	for f in pid* mnt*; do
		[ -e $f ] || continue
		eventually 20 sh -c "! kill -0 $(cat $f)" || kill -9 $(cat $f)
	done
	sane log*
}
