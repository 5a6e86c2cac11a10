/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "sockets.h"

enum {
	RECEIVE_BYTES = 4 * 1024 * 1024, /* seconds of traffic while we wait */
	SEND_BYTES = 1024 * 1024,
	BACKLOG = 64
};

/* As large as asked for, or as the system's limit allows. */
static void
buffers(int fd)
{
	int in = RECEIVE_BYTES, out = SEND_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof(in)) == -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out)) == -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
}

/*
 * Never in fragments, and whatever the network says about sizes: the core
 * finds out by itself what passes.
 */
static void
whole(int fd, int family)
{
	int v4 = IP_PMTUDISC_PROBE, v6 = IPV6_PMTUDISC_PROBE;

	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6,
		    sizeof(v6));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4,
		    sizeof(v4));
}

/* The two bits below are for ECN, which is not ours. */
static bool
mark(int fd, int family, uint8_t dscp)
{
	int tos = dscp << 2;

	if (dscp == 0)
		return true;
	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos,
			   sizeof(tos)) == 0;
	return setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) == 0;
}

int
sock_link(const char *addr, uint16_t port, uint8_t dscp)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1, saved;

	if (!net_address(addr, port, &ss, &len)) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	buffers(fd);
	whole(fd, ss.ss_family);
	if (!mark(fd, ss.ss_family, dscp))
		log_warn("%s: packets leave without DSCP %u", addr, dscp);
	/* Datagrams that come together may come in one piece; see net.c. */
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	/* ... and say when they came, which may be long before we read them. */
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	if (bind(fd, (const struct sockaddr *)&ss, len) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

bool
sock_is_local(const char *addr)
{
	int fd;

	/* Port 0 is any free one: only the address decides. */
	fd = sock_link(addr, 0, 0);
	if (fd == -1)
		return false;
	close(fd);
	return true;
}

int
sock_serve(const char *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	int fd, on = 1, saved;
	socklen_t len;

	if (!net_address(addr, port, &ss, &len)) {
		errno = EINVAL;
		return -1;
	}
	fd =
	    socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on,
		    sizeof(on));
	} else
		(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&ss, len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
sock_listen(const char *path, mode_t mode, gid_t gid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, rc, saved;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (unlink(path) == -1 && errno != ENOENT)
		goto fail;
	/* Nobody may connect before owner and mode are right. */
	mask = umask(0777);
	rc = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (rc == -1 || chown(path, (uid_t)-1, gid) == -1 ||
	    chmod(path, mode) == -1 || listen(fd, BACKLOG) == -1)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
