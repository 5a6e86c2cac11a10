#!/bin/sh
# update.sh CONFCHECK: writes the golden files anew.  Read the difference
# before you commit it: it is what users will see.
set -eu
confcheck=$(realpath "$1")
cd "$(dirname "$0")"
for f in *.yaml; do
	b=${f%.yaml}
	rm -f "$b.ok" "$b.err"
	"$confcheck" -v "$f" >"$b.ok" 2>"$b.err" || rm -f "$b.ok"
	[ -s "$b.err" ] || rm -f "$b.err"
done
