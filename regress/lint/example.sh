#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# example.sh MANUAL: the program in a manual's EXAMPLES, as a reader types it.
awk '/^\.Sh / { on = $2 == "EXAMPLES" }
    on && /^\.Ed/ { exit }
    text { print }
    on && /^\.Bd -literal/ { text = 1 }' "$1" |
    sed -e 's/\\&//g' -e 's/\\e/\\/g'
