#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves what the documents for newcomers and contributors say about the tree:
# links and paths lead somewhere, make knows the targets, the configuration in
# the README is one, and the files for systemd are accepted by it.

SRC=@SRC@
O=@O@

documents="README.md CONTRIBUTING.md CHANGES.md SECURITY.md"

# Names in the documents that are not there.
missing_paths() {
	for f in $documents; do
		grep -oE '\]\([^)]*\)' $f | sed 's/^](//; s/)$//' |
		while read l; do
			case $l in
			http://*|https://*|'#'*) ;;
			*) [ -e "$l" ] || echo "$f: $l" ;;
			esac
		done
		# Paths in code quotes, from the folders of the tree.
		grep -oE '`(clusterd|libgfs|fence|shell|conf|man|regress)/[A-Za-z0-9_./-]*`' $f |
		tr -d '`' | grep -v NAME |
		while read p; do
			[ -e "$p" ] || echo "$f: $p"
		done
	done
}

missing_targets() {
	{
		sed -n 's/\\$//; /^\.PHONY:/,/[^\\]$/p' GNUmakefile regress/*/*.mk
		sed -n 's/^\([a-z0-9-]*\):.*/\1/p' GNUmakefile regress/*/*.mk
	} | tr ' \t' '\n\n' | sort -u >"$1/known"
	grep -ohE '(^|`)make [a-z][a-z0-9-]*' $documents | awk '{ print $2 }' |
	    sort -u | comm -23 - "$1/known"
}

atf_test_case links
links_body() {
	(cd $SRC && missing_paths) >bad
	atf_check -o empty cat bad
}

atf_test_case targets
targets_body() {
	here=$PWD
	(cd $SRC && missing_targets $here) >bad
	grep -qx check known || atf_fail "no targets were found"
	atf_check -o empty cat bad
}

atf_test_case configuration
configuration_body() {
	sed -n '/^```yaml/,/^```/p' $SRC/README.md | grep -v '^```' >cluster.yaml
	[ -s cluster.yaml ] || atf_fail "the README has no configuration"
	for f in cluster.yaml $SRC/conf/*.yaml $SRC/conf/*.yaml.example; do
		atf_check -e not-match:error $O/sbin/clusterd -n -f $f
	done
	# The check bites.
	echo "unknown: 1" >>cluster.yaml
	atf_check -s exit:65 -e match:E004 $O/sbin/clusterd -n -f cluster.yaml
}

atf_test_case systemd
systemd_head() { atf_set require.progs systemd-analyze; }
systemd_body() {
	for f in clusterd.service clusterd-witness.service; do
		sed -e 's|/usr/sbin/clusterd|/bin/true|' -e '/^Documentation/d' \
		    $SRC/conf/$f >$f
		atf_check -o empty -e empty systemd-analyze verify ./$f
	done
	sed 's/^Type=notify/Typo=notify/' clusterd.service >clusterd-wrong.service
	atf_check -s ignore -e match:Typo systemd-analyze verify \
	    ./clusterd-wrong.service
}

atf_init_test_cases() {
	atf_add_test_case links
	atf_add_test_case targets
	atf_add_test_case configuration
	atf_add_test_case systemd
}
