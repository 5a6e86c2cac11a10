#! /usr/bin/env atf-sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The clusterd authors
#
# Proves that every manual is clean for mandoc and refers only to manuals
# that exist here or in Debian, that the sections which sources cite exist, and
# that clustershell's manual has its commands, neither more nor less.

SRC=@SRC@
O=@O@

atf_test_case lint
lint_head() { atf_set require.progs mandoc; }
lint_body() {
	cd $SRC
	ls man/*.[3578] >/dev/null || atf_fail "no manual"
	atf_check -s exit:0 -o empty mandoc -Tlint -W warning man/*.[3578]
	# Which manuals exist is the next test's business, not of this machine; and
	# nobody reads how long the lines of a source are.
	mandoc -Tlint -W style man/*.[3578] 2>/dev/null |
	    grep -vE 'referenced manual not found|longer than 80 bytes' >$OLDPWD/said
	atf_check -o empty cat $OLDPWD/said
}

atf_test_case references
references_body() {
	cd $SRC
	foreign='mount\(8\)|fsck.gfs2\(8\)|mkfs.gfs2\(8\)|gfs2_jadd\(8\)|tunegfs2\(8\)|gfs2\(5\)|fstab\(5\)|syslog\(3\)|fusermount3\(1\)|fuse\(4\)|fuse\(8\)|readline\(3\)|jq\(1\)|ip-netns\(8\)|seccomp\(2\)|poll\(2\)|umount\(8\)|systemd.service\(5\)|kyua\(1\)|fence_ipmilan\(8\)|dlm_controld\(8\)|losetup\(8\)|signal\(7\)|unix\(7\)|open\(2\)|read\(2\)|write\(2\)|stat\(2\)|epoll\(7\)|errno\(3\)|fsync\(2\)|rename\(2\)|mmap\(2\)|flock\(2\)|fcntl\(2\)|statfs\(2\)|chroot\(2\)|less\(1\)|blkid\(8\)|useradd\(8\)|capabilities\(7\)|udp\(7\)|sd_notify\(3\)|yaml\(7\)|inet_pton\(3\)|chmod\(1\)|scp\(1\)|sysexits\(3\)|openssl\(1\)|dd\(1\)|poweroff\(8\)|fsck.gfs\(8\)'
	grep -hE '^\.Xr ' man/*.[3578] | awk '{ print $2 "(" $3 ")" }' | sort -u |
	while read x; do
		n=${x%%(*} s=${x##*(} s=${s%)}
		[ -f man/$n.$s ] || echo "$x" | grep -qxE "$foreign" || echo "$x"
	done >$OLDPWD/bad
	atf_check -s exit:0 -o empty cat $OLDPWD/bad
}

# "clusterd-protocol(7), sections 2.1 to 2.6." at the end of a head.
atf_test_case citations
citations_body() {
	cd $SRC
	page=man/clusterd-protocol.7
	grep -rhE '^ \* clusterd-protocol\(7\), section' clusterd libgfs shell |
	sed 's/.*, sections* //; s/\.$//' | tr ' ' '\n' |
	grep -E '^[0-9]' >$OLDPWD/cited
	[ $(wc -l <$OLDPWD/cited) -ge 40 ] || atf_fail "nobody cites the page"
	sort -u $OLDPWD/cited | while read n; do
		grep -qE "^\.S[hs] $n " $page || echo "$n"
	done >$OLDPWD/bad
	atf_check -s exit:0 -o empty cat $OLDPWD/bad
}

# The words that are typed as they are, without what stands for a value.
shell_commands() {
	$O/bin/clustershell -c help | awk '{ print $1 }' | while read c; do
		$O/bin/clustershell -c "help $c"
	done | awk -F '  +' '{
		gsub(/ [A-Z]+/, "", $2)
		print $2
	}'
}

atf_test_case commands
commands_body() {
	page=$SRC/man/clustershell.8
	awk '/^\.Sh/ { on = /COMMANDS/ } on' $page >section
	cat >compare.awk <<'EOA'
	# Of a manual item: "Ic key drop Op Ic absent" is "key drop absent", and
	# what is behind Ar is a value.
	FILENAME == "section" && $1 == ".It" {
		path = ""
		value = 0
		for (i = 2; i <= NF; i++) {
			if ($i == "Ar" || $i == "Ic" || $i == "Fl") {
				value = $i == "Ar"
				dash = $i == "Fl" ? "-" : ""
			} else if ($i != "Op" && $i != "Oo" && $i != "Oc" && !value)
				path = path (path == "" ? "" : " ") dash $i
		}
		item[path] = 1
		next
	}
	FILENAME == "section" {
		for (i = 2; i <= NF; i++)
			word[path, $i] = 1
		next
	}
	{
		n++
		said[$0] = 1
		# The longest item that begins it, or one that goes on from it.
		for (k = NF; k > 0; k--) {
			path = $1
			for (i = 2; i <= k; i++)
				path = path " " $i
			if (path in item)
				break
		}
		ok = k > 0
		for (i = k + 1; ok && i <= NF; i++)
			ok = (path, $i) in word
		for (p in item)
			ok = ok || index(p " ", $0 " ") == 1
		if (!ok)
			print "not in the manual: " $0
	}
	END {
		for (p in item)
			if (!(p in said))
				print "no such command: " p
		if (n < 50)
			print "help has " n " lines only"
	}
EOA
	shell_commands >help
	atf_check -o empty awk -f compare.awk section help
}

atf_init_test_cases() {
	atf_add_test_case lint
	atf_add_test_case references
	atf_add_test_case citations
	atf_add_test_case commands
}
