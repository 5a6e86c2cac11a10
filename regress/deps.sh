#!/bin/sh
# Installs the Debian packages that building and testing need, and makes the
# system user of the engine.  Does nothing, quietly, when all is there.
set -eu

packages="build-essential pkg-config clang clang-format libclang-rt-14-dev
libyaml-dev libreadline-dev libblkid-dev libfuse3-dev fuse3 libevent-dev
libsodium-dev libseccomp-dev libbsd-dev zlib1g-dev kyua libatf-dev atf-sh
gfs2-utils user-mode-linux nftables mandoc iproute2 kmod util-linux procps jq socat
spin"

if [ "$(id -u)" -ne 0 ]; then
	echo "deps: not root: nothing is installed, assuming all is there" >&2
	exit 0
fi

missing=
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
	    grep -q '^install ok installed$' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	echo "deps: installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	# A stale package list is refreshed once, then the install is tried again.
	# shellcheck disable=SC2086
	apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
		apt-get update -q >/dev/null
		apt-get install -y -q --no-install-recommends $missing >/dev/null
	}
fi

getent passwd _clusterd >/dev/null ||
	useradd --system --user-group --no-create-home \
	    --home-dir /nonexistent --shell /usr/sbin/nologin _clusterd
