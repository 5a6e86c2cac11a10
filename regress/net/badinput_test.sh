#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that bad datagrams, wrong keys, foreign clusters, other
# configurations and bad clients are refused, counted by reason and named,
# and that the cluster goes on as if they were not there.

SRC=@SRC@
O=@O@
. $SRC/regress/net/labs.sh
PORT=5600

head() { needs 180 socat; }

# The refused datagrams of a peer as alpha counts them: "reason n, ...".
rejected() {
	cs alpha links --json | jq -r --arg p "$1" \
	    '[.data[] | select(.peer == $p) | .rejected] | join(" ")'
}

incarnations() {
	cs alpha nodes --json | jq -c '[.data[].incarnation]'
}

atf_test_case datagrams cleanup
datagrams_head() { head; }
datagrams_body() {
	up b-datagrams -n 3 --no-fs
	quorate alpha beta gamma
	epoch=$(cs alpha status --json | jq .epoch)
	inc=$(incarnations)
	# Random bytes of every size, the empty one and the largest included.
	lab sh beta -- sh -c "
		for s in 0 1 7 20 39 40 41 64 100 500 1200 1400 1472 9000 60000; do
			for k in 1 2 3 4 5; do
				command head -c \$s /dev/urandom | socat -u -b 65000 - UDP4-SENDTO:10.99.0.1:$PORT
			done
		done" 2>/dev/null
	# True datagrams, replayed, cut and bent.
	lab sh alpha -- $O/regress/net/replay eth0 $PORT 500 10.99.0.1 20 >out ||
	    atf_fail "nothing was recorded"
	eventually 5 sh -c "$L sh alpha -- $CS --json -c links |
	    jq -e '[.data[].rejected] | any(test(\"replay\"))'" ||
	    { cs alpha links; atf_fail "no replay was counted"; }
	eventually 5 sh -c "$L sh alpha -- $CS --json -c links |
	    jq -e '[.data[].rejected] | any(test(\"key\"))'" ||
	    { cs alpha links; atf_fail "no forgery was counted"; }
	[ "$(cs alpha status --json | jq .epoch)" = $epoch ] || atf_fail "the view has changed"
	[ "$(incarnations)" = "$inc" ] || atf_fail "a node came back as another"
}
datagrams_cleanup() { cleanup; }

# only_two: all are started, and alpha and beta meet nobody else.
only_two() {
	for n in alpha beta gamma; do lab kill $n; lab start $n; done
	eventually 20 sh -c "$L sh alpha -- $CS --json -c status | jq -e '.data[0].nodes_up == 2'" ||
	    atf_fail "alpha and beta do not meet"
}

atf_test_case wrong_key cleanup
wrong_key_head() { head; }
wrong_key_body() {
	up b-key -n 3 --no-fs --no-start
	(umask 077; command head -c 32 /dev/urandom >$D/gamma/key)
	only_two
	eventually 10 sh -c "$L sh alpha -- $CS --json -c links |
	    jq -e 'any(.data[]; .peer == \"gamma\" and .link == 0 and (.rejected | test(\"key\")))'" ||
	    { cs alpha links; atf_fail "the wrong key is not counted"; }
	# Once, and as that of a node which is known.
	cs alpha links --json | jq -e 'all(.data[]; (.peer == "gamma" and .link == 0) or (.rejected | test("key") | not))' ||
	    { cs alpha links; atf_fail "the wrong key is counted more than once"; }
	atf_check -s exit:0 -o match:'gamma.*key' $L sh alpha -- $CS -c events
}
wrong_key_cleanup() { cleanup; }

atf_test_case foreign_cluster cleanup
foreign_cluster_head() { head; }
foreign_cluster_body() {
	up b-foreign -n 3 --no-fs --no-start
	sed 's/^cluster: demo/cluster: other/' $D/cluster.yaml >$D/gamma/cluster.yaml
	only_two
	eventually 10 sh -c "$L sh alpha -- $CS --json -c links |
	    jq -e 'any(.data[]; .peer == \"(unknown)\" and (.rejected | test(\"cluster\")))'" ||
	    { cs alpha links; atf_fail "the foreign cluster is not counted"; }
}
foreign_cluster_cleanup() { cleanup; }

atf_test_case other_configuration cleanup
other_configuration_head() { head; }
other_configuration_body() {
	up b-conf -n 3 --no-fs --no-start
	sed 's/detect: normal/detect: wan/' $D/cluster.yaml >$D/gamma/cluster.yaml
	only_two
	eventually 10 sh -c "$L sh alpha -- $CS -c events | grep 'gamma.*cluster.yaml differs'" ||
	    { cs alpha 'events; links'; atf_fail "nobody says that gamma's file differs"; }
	atf_check -o match:'gamma +3 +no +(absent|joining)' $L sh alpha -- $CS -c nodes
}
other_configuration_cleanup() { cleanup; }

atf_test_case clients cleanup
clients_head() { head; }
clients_body() {
	up b-clients -n 2 --no-fs
	quorate alpha beta
	epoch=$(cs alpha status --json | jq .epoch)
	pid=$(lab sh alpha -- pgrep -f 'clusterd: engine')
	s=/run/clusterd/control.sock
	# Garbage of every size, on both sockets.
	for s in control observe; do
		for size in 1 8 15 16 17 64 1000 60000; do
			lab sh alpha -- sh -c "command head -c $size /dev/urandom |
			    socat -u -b 65000 - UNIX-CONNECT:/run/clusterd/$s.sock,type=5" 2>/dev/null
		done
	done
	# Many who connect and say nothing.
	lab sh alpha -- sh -c 'for i in $(seq 100); do
		socat -u UNIX-CONNECT:/run/clusterd/observe.sock,type=5 /dev/null & done
		sleep 1; kill $(jobs -p)' 2>/dev/null
	# Others are served meanwhile, and nothing has changed.
	atf_check -o match:'2/2 up' $L sh alpha -- $CS -c status
	[ "$(cs alpha status --json | jq .epoch)" = $epoch ] ||
	    { cs alpha events; lab log alpha | tail -n 25; atf_fail "the view has changed"; }
	[ "$(lab sh alpha -- pgrep -f 'clusterd: engine')" = "$pid" ] || atf_fail "the engine died"
}
clients_cleanup() { cleanup; }

atf_init_test_cases() {
	atf_add_test_case datagrams
	atf_add_test_case wrong_key
	atf_add_test_case foreign_cluster
	atf_add_test_case other_configuration
	atf_add_test_case clients
}
