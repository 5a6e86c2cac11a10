#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves with real daemons, each with a key file of its own, that the key of a
# running cluster can be changed under load: no message is lost, doubled or out
# of order, and no view changes; and that a node with a key that is over, or
# with a damaged file, is told so and can be put right.

SRC=@SRC@
O=@O@
PORT=5797
. $SRC/regress/net/daemons.sh

# start NODE: as in daemons.sh, but each has a folder with its key.
start() {
	mkdir -p s$1 r$1 k$1
	[ -f k$1/key ] || cp -p key k$1/key
	$C -d -f c.yaml -k k$1/key -N n$1 -S s$1 -R r$1 >>log$1 2>&1 &
	echo $! >pid$1
	seen $1 "engine: in service"
}

# stop NODE
stop() {
	kill -TERM $(cat pid$1)
	gone $(cat pid$1)
	rm pid$1
}

# order NODE COMMAND [OPTION]: on the control socket.
order() {
	n=$1 c=$2
	shift 2
	$O/bin/clustershell -s r$n/control.sock "$@" -c "$c"
}

# insist NODE COMMAND [STATUS]: as long as the answer is "try again".
insist() {
	end=$(($(date +%s) + 30))
	while :; do
		order $1 "$2" >order 2>&1
		ex=$?
		[ $ex -ne ${3:-0} ] || return 0
		[ $ex -eq 75 ] && [ $(date +%s) -le $end ] || {
			cat log* >&2
			atf_fail "$2: status $ex: $(cat order)"
		}
		sleep 0.05
	done
}

# What the shell of NODE shows of all nodes: "step generation" of each, once.
step() {
	[ "$(ask $1 key '.data[] | "\(.step) \(.generation)"' | sort -u)" = "$2" ]
}

# The same file, as soon as all have written it.
same_files() {
	cmp -s k1/key k2/key && cmp -s k1/key k3/key
}

atf_test_case under_load cleanup
under_load_head() { head; }
under_load_body() {
	setup 3
	epoch=$(ask 1 status '.data[0].epoch')
	[ $(stat -c %s k1/key) -eq 32 ] || atf_fail "no plain key at the start"
	cp k1/key old
	at=$((($(date +%s) + 2) * 1000000))
	for i in 1 2 3; do
		timeout 90 $O/bin/clusterbench -j -s r$i/control.sock -m 3 -l 200 \
		    -d 12 -t $at -x flood >load$i 2>err$i &
		echo $! >bench$i
	done
	eventually 20 sh -c "[ \$(date +%s%6N) -gt $at ]"
	for round in 1 2; do
		insist 1 "key add"
		insist 2 "key use"
		insist 3 "key drop"
		for i in 1 2 3; do
			eventually 10 step $i "steady $round" ||
			    atf_fail "node $i: $(order $i key)"
		done
	done
	[ $(date +%s%6N) -lt $((at + 12000000)) ] ||
	    echo "the load ended before the keys were changed" >&2
	for i in 1 2 3; do
		wait $(cat bench$i) || atf_fail "load $i: $(cat err$i)"
		atf_check -o inline:'true\n' jq \
		    '.sent > 0 and .own == .sent and .members == 3 and .views == 0' load$i
	done
	sent=$(cat load1 load2 load3 | jq -s 'map(.sent) | add')
	for i in 1 2 3; do
		atf_check_equal "$sent" "$(jq .all load$i)"
		atf_check_equal "$(jq .hash load1)" "$(jq .hash load$i)"
	done
	atf_check_equal "$epoch" "$(ask 1 status '.data[0].epoch')"
	# Nothing was refused, on any link.
	for i in 1 2 3; do
		atf_check -o inline:'' sh -c "$O/bin/clustershell -s r$i/observe.sock \
		    --json -c links | jq -r '.data[].rejected' | grep key; true"
		atf_check_equal 1 "$(grep -c 'key: generation 1 is added to 0, because the operator on n1' log$i)"
		atf_check_equal 1 "$(grep -c 'key: generation 1 is used from now on, because the operator on n2' log$i)"
		atf_check_equal 1 "$(grep -c 'key: generation 0 is dropped and 1 is the only one, because the operator on n3' log$i)"
	done
	eventually 10 same_files || atf_fail "the key files differ"
	atf_check -o inline:'600\n' stat -c %a k1/key
	cmp -s old k1/key && atf_fail "the key file was not changed"
	# They come back with what is in the files, each, and all at once.
	stop 2
	start 2
	members 1 3
	stop_all
	for i in 1 2 3; do
		start $i
	done
	for i in 1 2 3; do
		members $i 3
	done
}
under_load_cleanup() { stop_all; }

atf_test_case left_behind cleanup
left_behind_head() { head; }
left_behind_body() {
	setup 3
	stop 3
	members 1 2
	cp -p k3/key old
	insist 1 "key add"
	insist 1 "key use"
	insist 1 "key drop" 1
	atf_check -o match:'n3: away, and without the new key: start it first' cat order
	# It can still come, and has the new key then.
	start 3
	members 1 3
	eventually 10 same_files || atf_fail "node 3 was not given the new key"
	insist 1 "key drop"
	eventually 10 same_files || atf_fail "the key files differ"
	# With the old file it is too late.
	stop 3
	cp -p old k3/key
	start 3
	seen 1 "n3: datagrams in its name refused, because they are of generation 0 of the cluster key, and 1 is in use: copy the key file of this node to it"
	seen 3 "n1: datagrams in its name refused, because they are of generation 1 of the cluster key, and here is only 0: copy the key file of n1 to this node"
	eventually 10 sh -c "$O/bin/clustershell -s r1/observe.sock --json -c links |
	    jq -e 'any(.data[]; .peer == \"n3\" and (.rejected | test(\"key [1-9]\")))'" ||
	    atf_fail "links does not count what is refused"
	members 1 2
	# What the log says is what helps.
	stop 3
	cp -p k1/key k3/key
	start 3
	members 1 3
	# A damaged one is refused at the start, on the terminal.
	stop 3
	command head -c 50 k1/key >k3/key
	atf_check -s exit:65 -e match:'key: a cluster key is exactly 32 bytes, or a file that clusterd wrote; this one has 50' \
	    $C -d -f c.yaml -k k3/key -N n3 -S s3 -R r3
}
left_behind_cleanup() { stop_all; }

atf_test_case refusals cleanup
refusals_head() { head; }
refusals_body() {
	setup 2
	sh=$O/bin/clustershell
	atf_check -s exit:1 -e match:'there is no new key: key add comes first' \
	    $sh -s r1/control.sock -c "key use"
	atf_check -s exit:1 -e match:'nothing to drop' $sh -s r1/control.sock -c "key drop"
	atf_check -s exit:107 -e match:'add --yes' $sh -s r1/control.sock -c "key drop absent"
	atf_check -s exit:77 -e ignore $sh -s r1/observe.sock -c "key add"
	# A node that cannot write its file confirms nothing, and says why.
	if chattr +i k2/key 2>/dev/null; then
		atf_check -o match:'generation 1 is added' $sh -s r1/control.sock -c "key add"
		seen 2 "key: this node does not confirm the keys, because its key file cannot be written: .*k2/key: Operation not permitted"
		atf_check -s exit:75 -e match:'n2: not confirmed yet' \
		    $sh -s r1/control.sock -c "key use"
		atf_check -o match:'k2/key: Operation not permitted' $sh -s r2/observe.sock -c key
		chattr -i k2/key
	else
		atf_check -o match:'generation 1 is added' $sh -s r1/control.sock -c "key add"
	fi
	insist 1 "key use"
	atf_check -s exit:1 -e match:'the new key is used already: go on with key drop' \
	    $sh -s r2/control.sock -c "key abort"
	atf_check -s exit:0 -o match:'"step":"used","generation":1,"other":0' \
	    $sh -s r1/observe.sock --json -c key
	# A beat process has the keys, too: its last word is believed.
	insist 1 "key drop"
	kill -9 $(engine 2)
	seen 1 "its engine has ended (signal 9)"
	members 1 2
}
refusals_cleanup() {
	chattr -i k2/key 2>/dev/null
	stop_all
}

atf_init_test_cases() {
	atf_add_test_case under_load
	atf_add_test_case left_behind
	atf_add_test_case refusals
}
