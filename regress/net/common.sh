# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# What tests of daemons have in common, with a lab (labs.sh) or without
# (daemons.sh).

# eventually SECONDS COMMAND...: polls until it succeeds.
eventually() {
	end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $(date +%s) -le $end ] || return 1
		sleep 0.02
	done
}

# status_of PROCESS FIELD
status_of() {
	awk -v k="$2:" '$1 == k { print $2 }' /proc/$1/status
}

# sane LOG...: no sanitizer has found anything; what one found is shown.
sane() {
	! grep -shE -A 25 'ERROR: [A-Za-z]*Sanitizer|: runtime error: ' "$@" >&2
}
