#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# demo.sh BUILD: three nodes share a GFS2 volume, lose one, and go on.  Every
# step says what it does and what came of it; a step that fails ends the demo
# with exit 1.  KEEP=1 leaves the lab up at the end.

set -u

O=$(cd "$1" && pwd) || exit 1
export O
here=$(cd "$(dirname "$0")" && pwd)
LAB=${LAB:-demo}
export LAB
lab=$here/lab
dir=${LABROOT:-/tmp/clusterd-lab}/$LAB
began=$(date +%s%N)

now_ms() {
	echo $((($(date +%s%N) - began) / 1000000))
}

say() {
	t=$(now_ms)
	printf '%4d.%03d  %s\n' $((t / 1000)) $((t % 1000)) "$*"
}

finish() {
	rc=$?
	trap - EXIT INT TERM
	if [ "$rc" -ne 0 ]; then
		for n in alpha beta gamma; do
			[ -s "$dir/$n/log" ] || continue
			echo "--- the last lines of $n"
			tail -n 15 "$dir/$n/log"
		done
	fi
	if [ "${KEEP:-}" = 1 ]; then
		echo "The lab is left up.  Enter a node:  LAB=$LAB O=$O $lab sh alpha -- sh"
		echo "Take it down:                      LAB=$LAB $lab down"
	else
		"$lab" down
		[ -e "$dir" ] && { echo "the lab left something behind: $dir"; rc=1; }
	fi
	exit "$rc"
}

fail() {
	say "FAILED: $*"
	exit 1
}

on() {
	n=$1
	shift
	"$lab" sh "$n" -- "$@"
}

cs() {
	on "$1" "$O/bin/clustershell" -c "$2"
}

[ "$(id -u)" -eq 0 ] || { echo "the demo needs root: namespaces, a loop device, FUSE" >&2; exit 1; }
trap finish EXIT
trap 'exit 130' INT TERM

say "three machines on one: namespaces, two links each, one shared disk"
"$lab" up -n 3 || fail "the lab did not come up"
say "mkfs.gfs2 -p lock_dlm -t demo:data -j 3 made the volume"
for n in alpha beta gamma; do
	on $n "$O/bin/clustershell" -c "wait quorum 20" || fail "$n is not quorate"
	say "$n is quorate"
done
for n in alpha beta gamma; do
	"$lab" mount $n || fail "$n cannot mount the volume"
	say "$n mounted the volume on /srv/data"
done

# ----------------------------------------------------------------------------
say "alpha writes, beta and gamma read"
on alpha sh -c 'echo hello from alpha >/srv/data/hello && mkdir /srv/data/dir' ||
    fail "alpha cannot write"
for n in beta gamma; do
	text=$(on $n cat /srv/data/hello) || fail "$n cannot read"
	[ "$text" = "hello from alpha" ] || fail "$n read \"$text\""
	say "$n reads: $text"
done
on gamma sh -c 'echo more from gamma >>/srv/data/hello' || fail "gamma cannot append"
[ "$(on alpha tail -n 1 /srv/data/hello)" = "more from gamma" ] ||
    fail "alpha does not see what gamma appended"
say "gamma appended a line, alpha sees it at once"

# Files that gamma has fsynced; they must survive its death.
on gamma sh -c 'for i in 1 2 3 4 5 6 7 8; do
	head -c 20000 /dev/urandom >/srv/data/dir/gamma.$i
	sync /srv/data/dir/gamma.$i || exit 1
done' || fail "gamma cannot write"
before=$(on gamma sh -c 'cd /srv/data/dir && sha256sum gamma.*')
say "gamma wrote and fsynced 8 files"

echo
cs alpha "status; nodes; links" || fail "no status"
echo

# ----------------------------------------------------------------------------
# A survivor writes without pause; the longest gap is what users would feel.
cat >"$dir/writer.sh" <<'EOF'
i=0
while :; do
	i=$((i + 1))
	echo $i >/srv/data/dir/beat && sync /srv/data/dir/beat && date +%s%N >>$1
	sleep 0.02
done
EOF
on alpha sh "$dir/writer.sh" "$dir/beats" 2>/dev/null &
writer=$!
sleep 0.5
# Gamma has the exclusive lock of a file when it dies: beta will want it.
on gamma sh -c 'echo last words >/srv/data/held; sync /srv/data/held'
killed=$(date +%s%N)
"$lab" kill gamma
say "gamma lost its power"
on beta sh -c "echo mine now >>/srv/data/held && sync /srv/data/held && date +%s%N >$dir/again" &

# Milliseconds after the kill of the first event on a survivor that matches.
event() {
	for n in alpha beta; do
		on $n "$O/bin/clustershell" --json -c events
	done | jq -rs --arg k "$1" --arg t "$2" --argjson t0 $((killed / 1000000)) '
		def ms: (.time[0:19] + "Z" | fromdate) * 1000 + (.time[20:23] | tonumber);
		[.[] | .node as $n | .data[] | select(.kind == $k and (.text | test($t)))
		 | {ms: (ms - $t0), text, $n} | select(.ms >= 0)]
		| sort_by(.ms) | first // empty | "\(.ms) \(.n): \(.text)"'
}

await() {
	i=0
	while [ $i -lt 400 ]; do
		found=$(event "$1" "$2")
		[ -z "$found" ] || return 0
		sleep 0.05
		i=$((i + 1))
	done
	return 1
}

step() {
	await "$2" "$3" || fail "not seen within 20 s: $1"
	ms=${found%% *}
	printf '   +%4d ms  %-16s  %s\n' "$ms" "$1" "${found#* }"
}

step "detected" node 'gamma: lost'
detected=$ms
step "new view" view 'view'
step "fenced" fence 'gamma is done'
step "locks rebuilt" lockspace 'data: runs'
step "journal replayed" fs 'replayed in'
step "locks granted" fs 'locks go on'

# The lock is given only when gamma is fenced and its journal replayed.
i=0
until [ -s "$dir/again" ]; do
	i=$((i + 1))
	[ $i -lt 400 ] || fail "beta does not get the lock that gamma held"
	sleep 0.05
done
again=$((($(cat "$dir/again") - killed) / 1000000))
printf '   +%4d ms  %-16s  beta: appended to the file that gamma had locked, and fsynced\n' \
    "$again" "writing again"
[ "$(on alpha cat /srv/data/held)" = "$(printf 'last words\nmine now')" ] ||
    fail "the file that gamma had locked lost something"
sleep 0.2
# The longest time between two fsynced writes of alpha after the kill.
gap=$(awk -v k="$killed" '{ if (p && $1 > k && $1 - p > g) g = $1 - p; p = $1 }
	END { printf "%d", g / 1000000 }' "$dir/beats")
printf '             %-16s  alpha, writing its own file all the time, stood still for %d ms at most\n' "" "$gap"
on alpha pkill -f writer.sh
wait $writer 2>/dev/null
writer=
[ "$detected" -le 1000 ] || fail "detection took $detected ms, more than 1 s"
[ "$again" -le 3000 ] || fail "writing again took $again ms, more than 3 s"

# ----------------------------------------------------------------------------
for n in alpha beta; do
	after=$(on $n sh -c 'cd /srv/data/dir && sha256sum gamma.*')
	[ "$before" = "$after" ] || fail "$n does not see what gamma had fsynced"
	[ "$(on $n tail -n 1 /srv/data/hello)" = "more from gamma" ] ||
	    fail "$n lost what gamma had appended"
done
say "alpha and beta have all that gamma had fsynced"
on beta sh -c 'echo still here >/srv/data/after && sync /srv/data/after' ||
    fail "beta cannot write"
[ "$(on alpha cat /srv/data/after)" = "still here" ] || fail "alpha cannot read"
say "beta writes, alpha reads"

echo
cs alpha "status; fence" || fail "no status"
echo

say "gamma comes back and mounts"
"$lab" start gamma || fail "gamma does not start"
on gamma "$O/bin/clustershell" -c "wait quorum 20" || fail "gamma is not quorate"
"$lab" mount gamma || fail "gamma cannot mount"
after=$(on gamma sh -c 'cd /srv/data/dir && sha256sum gamma.*')
[ "$before" = "$after" ] || fail "gamma does not see its own files"
say "gamma sees its files again"

if [ "${KEEP:-}" = 1 ]; then
	say "all is well"
	exit 0
fi
for n in alpha beta gamma; do
	"$lab" umount $n || fail "$n cannot unmount"
done
say "unmounted everywhere"
fsck.gfs2 -n "$(cat "$dir/loop")" >"$dir/fsck.log" 2>&1 ||
    { cat "$dir/fsck.log"; fail "fsck.gfs2 found something"; }
say "fsck.gfs2 -n: clean"
say "all is well"
