#!/bin/bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# bench-cluster.sh BUILD: this daemon and Debian's corosync, one after the other,
# phase by phase, on the same machine in the same run, because absolute figures
# mean little on a machine that does other things as well.  A table goes to the
# standard output and to BUILD/bench/cluster.txt, the same as JSON beside it.
#
# Both run in namespaces of one host, one link per corosync node and two of
# ours, default timers, encrypted.  Clients are as privileged on both sides.
#
#   NODES    sizes of the cluster ("3")
#   REPS     how often each instant is measured (3)
#   PHASES   of "start fail speed loss pause"
#   LOCK     a file to lock during each phase, so that other work can wait
#   PEERS    where corosync_bench.sh and cpgbench.c are
#
# Without these, or without corosync and no way to install it, its column says
# "skipped", and what is judged by a ratio is not judged.

set -u

O=$(cd "$1" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
NODES=${NODES:-3}
REPS=${REPS:-3}
PHASES=${PHASES:-start fail speed loss pause}
PEERS=${PEERS:-$top/../shared/peers}
export O LAB=${LAB:-bench$$}
lab=$top/regress/lab/lab
dir=${LABROOT:-/tmp/clusterd-lab}/$LAB
cb=$O/bin/clusterbench
out=$O/bench
SOCK=/run/clusterd/control.sock

declare -A ours theirs		# "N key" -> values
declare -A holder watcher	# node -> pid
loaders=()

[ "$(id -u)" -eq 0 ] || { echo "bench-cluster: needs root (namespaces)" >&2; exit 1; }
mkdir -p "$out"
W=$(mktemp -d "$out/run.XXXX") || exit 1

now() {
	echo "${EPOCHREALTIME/./}"
}

say() {
	printf '%(%T)T  %s\n' -1 "$*" >&2
}

end_loaders() {
	local p

	for p in "${loaders[@]:-}"; do
		[ -n "$p" ] && kill "$p" 2>/dev/null
	done
	loaders=()
}

cleanup() {
	trap - EXIT INT TERM
	end_loaders
	down
	rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

add() {		# add ours|theirs KEY VALUE...
	local -n table=$1
	local key="$N $2"

	shift 2
	table[$key]="${table[$key]:-} $*"
}

# --- our cluster ----------------------------------------------------------------

nodes() {
	cat "$dir/nodes"
}

up() {
	local n

	"$lab" up -n "$N" --no-fs --fencing manual --no-start || exit 1
	for n in $(nodes); do
		holder[$n]=$(cat "$dir/$n/pid")
	done
	first=alpha
	last=$(nodes | tail -n 1)
}

down() {
	local n

	for n in "${!watcher[@]}"; do
		unwatch "$n"
	done
	[ -e "$dir" ] && "$lab" down
}

# Into the node's network and files; the process stays one of ours to end.
enter() {
	local n=$1

	shift
	exec nsenter -t "${holder[$n]}" -n -m -- "$@"
}

watch() {
	: >"$W/w.$1"
	(enter "$1" "$cb" -s $SOCK -g watch watch) >"$W/w.$1" 2>/dev/null &
	watcher[$1]=$!
}

unwatch() {
	[ -n "${watcher[$1]:-}" ] || return 0
	kill "${watcher[$1]}" 2>/dev/null
	wait "${watcher[$1]}" 2>/dev/null
	unset "watcher[$1]"
}

# The first line of a node's watcher since T0 that says KIND with COUNT members
# (quorate: also that; *: any number), as an instant.
await() {	# await NODE T0 KIND COUNT
	local end=$(($(now) + 30000000)) t

	while [ "$(now)" -lt $end ]; do
		t=$(awk -v t0="$2" -v k="$3" -v n="n=$4" '
			$1 < t0 { next }
			n == "n=*" { any = 1 }
			k == "group" && $2 == k && $3 == n { print $1; exit }
			k == "group" || $2 != "view" || (!any && $5 != n) { next }
			k == "view" || $3 == "q=1" { print $1; exit }' "$W/w.$1")
		[ -n "$t" ] && { echo "$t"; return 0; }
		sleep 0.01
	done
	say "$1: no $3 of $4 within 30 s"
	return 1
}

# The last of these nodes to say so, in ms after T0.
await_all() {	# await_all T0 KIND COUNT NODE...
	local t0=$1 kind=$2 count=$3 max=0 n t

	shift 3
	for n; do
		t=$(await "$n" "$t0" "$kind" "$count") || return 1
		[ "$t" -gt $max ] && max=$t
	done
	awk -v a="$t0" -v b=$max 'BEGIN { printf "%.1f\n", (b - a) / 1000 }'
}

engine() {
	pgrep --ns "${holder[$1]}" --nslist pid -f 'engine: node' | head -n 1
}

others() {
	nodes | grep -vx "$1"
}

settled() {	# settled T0: all of them, with their groups
	local n

	for n in $(nodes); do
		await "$n" "$1" quorate "$N" >/dev/null || return 1
		await "$n" "$1" group "$N" >/dev/null || return 1
	done
}

boot_all() {
	local n t0

	t0=$(now)
	for n in $(nodes); do
		watch "$n"
		"$lab" boot "$n"
	done
	settled "$t0" || exit 1
}

sizes() {	# sizes KEY
	local n

	for n in $(nodes); do
		n=$(engine "$n")
		add ours "$1" "$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$n/status")"
		add ours threads "$(awk '/^Threads/ { print $2 }' "/proc/$n/status")"
	done
}

phase_start() {
	local r n t0 t

	for ((r = 0; r < REPS; r++)); do
		up
		for n in $(nodes); do
			watch "$n"
		done
		sleep 0.3
		t0=$(now)
		for n in $(nodes); do
			"$lab" boot "$n"
		done
		t=$(await_all "$t0" quorate "$N" $(nodes)) && add ours start "$t"
		sizes rss
		down
	done
}

# Kills something on the last node, waits for the others' view, and for all.
fail_once() {	# fail_once KEY COUNT COMMAND...
	local key=$1 count=$2 t0 t

	shift 2
	sleep "1.$((RANDOM % 10))"
	t0=$(now)
	"$@"
	t=$(await_all "$t0" view "$count" $(others "$last")) && add ours "$key" "$t"
	settled_after=$t0
}

phase_fail() {
	local r t0 t

	up
	boot_all
	for ((r = 0; r < REPS; r++)); do
		# A new one may be there before the view without the old one is.
		fail_once kill_engine '*' kill -9 "$(engine "$last")"
		settled "$settled_after" || break
		fail_once kill_daemon $((N - 1)) kill -9 "$(pgrep --ns "${holder[$last]}" --nslist pid -o -f sbin/clusterd)"
		t0=$(now)
		"$lab" boot "$last"
		settled "$t0" || break
		# A node that was lost more than twice in a row is held back.
		down
		up
		boot_all
		fail_once cut $((N - 1)) "$lab" cut "$last"
		sleep 1
		t0=$(now)
		"$lab" heal "$last"
		t=$(await_all "$t0" quorate "$N" $(nodes)) && add ours heal "$t"
		# Of two, neither had quorum meanwhile, so no group has changed.
		[ "$N" -eq 2 ] || { t=$(await_all "$t0" group "$N" $(nodes)) &&
		    add ours synced "$t"; }
		fail_once power $((N - 1)) "$lab" kill "$last"
		unwatch "$last"
		t0=$(now)
		"$lab" start "$last"
		holder[$last]=$(cat "$dir/$last/pid")
		watch "$last"
		settled "$t0" || break
	done
	down
}

# One sender or all, the slowest receiver counts: "msgs/s MB/s order views".
flood() {	# flood SIZE SENDER|all SECONDS LEAD_US
	local size=$1 sender=$2 secs=$3 n x t0 pids=()

	t0=$(($(now) + $4))
	for n in $(nodes); do
		x=
		[ "$sender" = all ] || [ "$sender" = "$n" ] && x=-x
		(enter "$n" nice -n -20 timeout 90 "$cb" -j -s $SOCK -l "$size" \
		    -t "$t0" -d "$secs" -m "$N" $x flood) >"$W/f.$n" 2>>"$W/err" &
		pids+=($!)
	done
	wait "${pids[@]}"
	cat "$W"/f.* | jq -rs --argjson n "$N" 'if length < $n then "0 0 same 0" else
		"\(map(.msgs_s) | min) \(map(.mb_s) | min) \(if (map(.hash) | unique | length) == 1
		then "same" else "DIFFERS" end) \(map(.views) | max)" end'
	rm -f "$W"/f.*
}

latency() {	# latency KEY NODE OPTION...
	local key=$1 n=$2

	shift 2
	(enter "$n" nice -n -20 timeout 120 "$cb" -j -s $SOCK "$@" latency) >"$W/lat" 2>>"$W/err"
	add ours "$key" "$(jq -r .p50_us "$W/lat")"
	add ours "${key}_p99" "$(jq -r .p99_us "$W/lat")"
}

phase_speed() {
	local r size who f

	up
	boot_all
	sleep 1
	for ((r = 0; r < REPS; r++)); do
		latency lat64 "$first" -l 64 -n 2000
		latency lat64_other "$last" -l 64 -n 2000
		latency safe64 "$first" -S -l 64 -n 2000
		latency lat16384 "$first" -l 16384 -n 1000
		latency paced64 "$first" -l 64 -n 300 -i 5000
		for size in 64 1024 16384; do
			for who in one other all; do
				f=$who
				[ $who = one ] && f=$first
				[ $who = other ] && f=$last
				read -ra f <<<"$(flood $size "$f" 3 1500000)"
				add ours "msgs$size.$who" "${f[0]}"
				add ours "mb$size.$who" "${f[1]}"
				[ "${f[2]}" = same ] || say "N=$N: the order DIFFERS ($size bytes, $who)"
			done
		done
	done
	sizes rss_after
	down
}

phase_loss() {
	local r p n size f t0

	up
	boot_all
	sleep 1
	for p in 0 1 5 20; do
		t0=$(now)
		for n in $(nodes); do
			"$lab" loss "$n" $p
		done
		for ((r = 0; r < REPS; r++)); do
			for size in 1024 16384; do
				read -ra f <<<"$(flood $size "$first" 3 3000000)"
				add ours "loss$p.$size" "${f[0]}"
				[ "${f[2]}" = same ] || say "N=$N: the order DIFFERS under $p % loss"
			done
		done
		add ours "loss$p.views" "$(views_since "$t0")"
	done
	down
}

# New views seen by any node since T0, the most that one of them saw.
views_since() {
	local n

	for n in $(nodes); do
		awk -v t0="$1" '$1 >= t0 && ($2 == "view" || $2 == "disconnected") { c++ } END { print c + 0 }' "$W/w.$n"
	done | sort -n | tail -n 1
}

phase_pause() {
	local i t0 a b max=0 pids

	up
	boot_all
	sleep 1
	for ((i = 0; i < $(nproc); i++)); do
		timeout 120 sh -c 'while :; do :; done' &
		loaders+=($!)
	done
	t0=$(now)
	pids=$(pgrep --ns "${holder[$last]}" --nslist pid)
	for ((i = 0; i < 20; i++)); do
		a=$(now)
		# shellcheck disable=SC2086
		kill -STOP $pids
		sleep 0.3
		kill -CONT $pids
		b=$(now)
		[ $((b - a)) -gt $max ] && max=$((b - a))
		sleep 0.4
	done
	end_loaders
	sleep 1
	add ours pause "$(views_since "$t0")"
	say "N=$N: the longest of the 20 pauses took $((max / 1000)) ms"
	down
}

# --- corosync ------------------------------------------------------------------

peers_ready() {
	[ -e "$PEERS/corosync_bench.sh" ] || { say "no recipes in $PEERS"; return 1; }
	if ! command -v corosync >/dev/null || [ ! -e /usr/include/corosync/cpg.h ] ||
	    [ ! -e /usr/include/corosync/quorum.h ]; then
		say "installing corosync, libcpg-dev, libquorum-dev, iptables"
		export DEBIAN_FRONTEND=noninteractive
		apt-get install -y -q --no-install-recommends corosync libcpg-dev \
		    libquorum-dev iptables >/dev/null 2>&1 || return 1
		# Only our own instances are wanted.
		[ ! -d /run/systemd/system ] || systemctl disable --now corosync >/dev/null 2>&1
	fi
	mkdir -p "$out/peers"
	cp "$PEERS/corosync_bench.sh" "$PEERS/cpgbench.c" "$out/peers/"
}

corosync() {	# corosync PHASES OPTION...
	local phases=$1

	shift
	say "N=$N: corosync: $phases"
	LOCK=$W/peerlock timeout 1500 bash "$out/peers/corosync_bench.sh" "$N" -c aes256 -r "$REPS" \
	    -t "$REPS" -p "$phases" "$@" 2>&1 | tee -a "$out/corosync.log" >"$W/cs"
}

# "min=a med=b max=c" of the row that begins with TEXT, after WORD if given.
three() {	# three TEXT [WORD]
	awk -v t="$1" -v w="${2:-}" 'index($0, t) == 1 {
		if (w != "") $0 = substr($0, index($0, w));
		match($0, /min=[0-9.]+ med=[0-9.]+ max=[0-9.]+/);
		s = substr($0, RSTART, RLENGTH); gsub(/[a-z=]/, "", s); print s; exit }' "$W/cs"
}

peer_start() {
	corosync start,idle
	add theirs start "$(three 'start: all nodes quorate')"
	add theirs rss "$(three 'idle: RSS')"
	add theirs threads "$(sed -n 's/.*Threads:\([0-9]*\).*/\1/p' "$W/cs")"
}

peer_fail() {
	corosync fail
	add theirs kill_daemon "$(three "fail kill -9: last survivor's quorum")"
	add theirs kill_engine "$(three "fail kill -9: last survivor's quorum")"
	add theirs cut "$(three "fail cut link")"
	add theirs power "$(three "fail cut link")"
	add theirs heal "$(three "heal link")"
	add theirs synced "$(three "heal link")"
}

peer_speed() {
	local s w k

	corosync rtt,tput -s "64 1024 16384"
	for s in 64 16384; do
		k=$(sed -n "s/^rtt back-to-back:.* p50=\([0-9.]*\).* p99=\([0-9.]*\).* size=$s .*/\1 \2/p" "$W/cs")
		add theirs lat$s "${k% *}"
		add theirs lat${s}_p99 "${k#* }"
	done
	add theirs lat64_other "${theirs[$N lat64]:-}"
	add theirs lat64_other_p99 "${theirs[$N lat64_p99]:-}"
	k=$(sed -n 's/^rtt idle.* p50=\([0-9.]*\).* p99=\([0-9.]*\).* size=64 .*/\1 \2/p' "$W/cs")
	add theirs paced64 "${k% *}"
	add theirs paced64_p99 "${k#* }"
	for s in 64 1024 16384; do
		for w in 1 all; do
			k=one
			[ $w = all ] && k=all
			add theirs msgs$s.$k "$(three "tput size=$s senders=$w:" msgs/s)"
			add theirs mb$s.$k "$(three "tput size=$s senders=$w:" MB/s)"
		done
		add theirs msgs$s.other "${theirs[$N msgs$s.one]:-}"
		add theirs mb$s.other "${theirs[$N mb$s.one]:-}"
	done
}

peer_loss() {
	local p s

	corosync loss -L 3
	for p in 0 1 5 20; do
		for s in 1024 16384; do
			add theirs loss$p.$s "$(sed -n "s/^loss=$p% size=$s senders=1: msgs.s=\([0-9]*\).*/\1/p" "$W/cs")"
		done
		add theirs loss$p.views "$(sed -n "s/^loss=$p%.*ring changes per node: //p" "$W/cs" |
		    tr ' ' '\n' | sort -n | tail -n 1)"
	done
}

peer_pause() {
	:
}

# --- the table -------------------------------------------------------------------

# key | what | unit | how it is judged | target | at which sizes ("" = never)
# le: ours <= target; times_le, times_ge: against theirs; own_ge KEY: our own.
rows='start|start -> all quorate|ms|le 1000|3
rss|resident memory of the engine|MiB|le 16|3
rss_after|the same, after the throughput rows|MiB|le 16|3
threads|threads of the engine||le 1|3
kill_engine|engine killed -> last view of the others|ms|le 50|3
kill_daemon|daemon killed -> last view of the others|ms|le 50|3
power|power lost -> last view of the others|ms|le 800|2 3 5 8
cut|all links cut -> last view of the others|ms|le 800|2 3 5 8
heal|healed -> one quorate view everywhere|ms|le 600|3
synced|healed -> every group complete everywhere|ms|le 600|3
lat64|own delivery, 64 B, back to back, leader, p50|us|times_le 0.333|3
lat64_p99|the same, p99|us||
lat64_other|own delivery, 64 B, another node, p50|us|times_le 0.333|3
lat64_other_p99|the same, p99|us||
safe64|own delivery, 64 B, back to back, safe, leader, p50|us||
paced64|own delivery, 64 B, every 5 ms, leader, p50|us||
paced64_p99|the same, p99|us||
lat16384|own delivery, 16 KiB, back to back, leader, p50|us||
msgs64.one|64 B, one sender (leader)|msgs/s|times_ge 1.5|3
msgs64.other|64 B, one sender (another node)|msgs/s|times_ge 1.5|3
msgs64.all|64 B, all send|msgs/s|times_ge 1.5|3
msgs1024.one|1 KiB, one sender (leader)|msgs/s||
msgs1024.other|1 KiB, one sender (another node)|msgs/s||
msgs1024.all|1 KiB, all send|msgs/s||
mb16384.one|16 KiB, one sender (leader)|MB/s|times_ge 2|3
mb16384.other|16 KiB, one sender (another node)|MB/s|times_ge 2|3
mb16384.all|16 KiB, all send|MB/s|times_ge 2|3
loss0.views|views changed without loss||le 0|3
loss0.1024|no loss, 1 KiB|msgs/s||
loss1.1024|1 % loss, 1 KiB|msgs/s||
loss5.1024|5 % loss, 1 KiB|msgs/s||
loss20.1024|20 % loss, 1 KiB|msgs/s||
loss0.16384|no loss, 16 KiB|msgs/s||
loss1.16384|1 % loss, 16 KiB|msgs/s|own_ge 0.5 loss0.16384|3
loss5.16384|5 % loss, 16 KiB|msgs/s|own_ge 0.25 loss0.16384|3
loss20.16384|20 % loss, 16 KiB|msgs/s|own_ge 0.05 loss0.16384|3
loss1.views|views changed under 1 % loss||le 0|3
loss5.views|views changed under 5 % loss||le 0|3
loss20.views|views changed under 20 % loss||le 0|3
pause|views changed by 20 stops of 300 ms, CPUs busy||le 0|3'

# Values to "median min max".
stat() {
	tr ' ' '\n' <<<"$*" | grep -E '^[0-9.]+$' | sort -n | awk '{ v[NR] = $1 } END {
		if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR] }'
}

report() {
	local key what unit judge at o c base m

	while IFS='|' read -r key what unit judge at; do
		o=$(stat "${ours[$N $key]:-}")
		[ -n "$o" ] || continue
		c=$(stat "${theirs[$N $key]:-}")
		[[ " $at " == *" $N "* ]] || judge=
		base=
		if [ "${judge%% *}" = own_ge ]; then
			base=${judge##* }
			base=$(stat "${ours[$N $base]:-}")
			base=${base%% *}
		fi
		jq -cn --argjson nodes "$N" --arg key "$key" --arg what "$what" --arg unit "$unit" \
		    --arg judge "$judge" --arg o "$o" --arg c "$c" --arg base "$base" '
		def three: split(" ") | map(tonumber) | if length == 3
			then {median: .[0], min: .[1], max: .[2]} else null end;
		($o | three) as $us | ($c | three) as $them | ($judge | split(" ")) as $j |
		(if $j[0] == "times_le" or $j[0] == "times_ge" then $them.median
		 elif $j[0] == "own_ge" then ($base | tonumber? // null) else 1 end) as $per |
		{nodes: $nodes, key: $key, what: $what, unit: $unit, ours: $us, corosync: $them,
		 ratio: (if $them != null and $them.median > 0 then $us.median / $them.median else null end),
		 target: (if $judge == "" then null
			elif $j[0] == "le" then "<= \($j[1])"
			elif $j[0] == "times_le" then "<= \($j[1]) x corosync"
			elif $j[0] == "times_ge" then ">= \($j[1]) x corosync"
			else ">= \($j[1]) x own without loss" end),
		 verdict: (if $judge == "" then null elif $per == null then "not judged"
			elif ($j[0] | endswith("le")) then (if $us.median <= ($j[1] | tonumber) * $per then "MET" else "missed" end)
			else (if $us.median >= ($j[1] | tonumber) * $per then "MET" else "missed" end) end)}'
	done <<<"$rows" >>"$out/cluster.json"
}

table() {
	echo "clusterd beside corosync ($cs_version), median (least-most) of $REPS,"
	echo "$(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg) at the end, $(date -u +%FT%TZ)"
	jq -rs --arg skipped "$skipped" '
	def f: if . == null then "" elif . >= 100 then round | tostring
		else (. * 10 | round) / 10 | tostring end;
	def span: if . == null then $skipped elif .min == .max then "\(.median | f)"
		else "\(.median | f) (\(.min | f)-\(.max | f))" end;
	.[] | [.nodes, .what, .unit, (.ours | span), (.corosync | span),
		(if .ratio == null then "-" else (.ratio * 100 | round) / 100 end),
		.target // "-", .verdict // "-"] | map(tostring) | join("|")' "$out/cluster.json" |
	awk -F'|' 'BEGIN { fmt = "%-2s %-49s %-6s %-22s %-22s %7s  %-25s %s\n";
		printf fmt, "n", "what", "unit", "ours", "corosync", "ratio", "target", "verdict" }
		{ if (p != "" && p != $1) print ""; p = $1;
		printf fmt, $1, $2, $3, $4, $5, $6, $7, $8 }'
}

# --- all of it -------------------------------------------------------------------

skipped=skipped
cs_version=skipped
rm -f "$out/cluster.json" "$out/corosync.log"
: >"$out/cluster.json"
if peers_ready; then
	cs_version=$(command corosync -v | sed -n "s/.*version '\(.*\)'.*/\1/p")
	skipped=-
fi
exec 9>"${LOCK:-$W/lock}"
for N in $NODES; do
	for p in $PHASES; do
		say "N=$N: ours: $p"
		flock 9
		"phase_$p"
		[ $skipped = skipped ] || "peer_$p"
		flock -u 9
		# Who waits for the lock has a chance to get it.
		sleep 0.5
	done
	report
done
table | tee "$out/cluster.txt"
[ ! -s "$W/err" ] || { echo "the clients said:"; sort "$W/err" | uniq -c | head -n 20; } >&2
