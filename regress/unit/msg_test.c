/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that local messages keep their boundaries, order and descriptors,
 * that a full socket queues and a full queue refuses, and that malformed
 * packets are named as such and leak no descriptor.
 */

#include <sys/socket.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "msg.h"

struct pair {
	struct msgchan a, b;
};

/* Channels are large; a test has at most one pair. */
static struct pair p;

static void
open_pair(size_t queue_max)
{
	int fds[2];

	ATF_REQUIRE_EQ(0,
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	msgchan_init(&p.a, fds[0], queue_max);
	msgchan_init(&p.b, fds[1], queue_max);
}

static void
close_pair(void)
{
	msgchan_close(&p.a);
	msgchan_close(&p.b);
}

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	static uint8_t big[MSG_MAX];
	struct msg m;

	open_pair(1 << 20);
	ATF_REQUIRE_EQ(0, msg_send(&p.a, 7, 99, "hello", 5, -1));
	ATF_REQUIRE_EQ(0, msg_send(&p.a, 8, 100, NULL, 0, -1));
	memset(big, 0x5a, sizeof(big));
	ATF_REQUIRE_EQ(0,
	    msg_send(&p.a, 9, 101, big, MSG_MAX - MSG_HDR_LEN, -1));

	ATF_REQUIRE_EQ(1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(7, m.type);
	ATF_CHECK_EQ(99, m.id);
	ATF_CHECK_EQ(5, m.len);
	ATF_CHECK_EQ(0, memcmp(m.data, "hello", 5));
	ATF_CHECK_EQ(-1, m.fd);
	ATF_REQUIRE_EQ(1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(8, m.type);
	ATF_CHECK_EQ(0, m.len);
	ATF_REQUIRE_EQ(1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(MSG_MAX - MSG_HDR_LEN, m.len);
	ATF_CHECK_EQ(0, memcmp(m.data, big, m.len));

	ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(EAGAIN, errno);
	msgchan_close(&p.a);
	ATF_CHECK_EQ(0, msg_recv(&p.b, &m));
	close_pair();
}

ATF_TC_WITHOUT_HEAD(too_large);
ATF_TC_BODY(too_large, tc)
{
	static uint8_t big[MSG_MAX];

	open_pair(1 << 20);
	ATF_CHECK_EQ(-1,
	    msg_send(&p.a, 1, 0, big, MSG_MAX - MSG_HDR_LEN + 1, -1));
	ATF_CHECK_EQ(EMSGSIZE, errno);
	ATF_CHECK(!msg_pending(&p.a));
	close_pair();
}

ATF_TC_WITHOUT_HEAD(descriptor);
ATF_TC_BODY(descriptor, tc)
{
	struct msg m;
	int fds[2];
	char c;

	open_pair(1 << 20);
	ATF_REQUIRE_EQ(0, pipe(fds));
	ATF_REQUIRE_EQ(0, msg_send(&p.a, 1, 0, "x", 1, fds[1]));
	/* Sending consumes the descriptor. */
	ATF_CHECK_EQ(-1, fcntl(fds[1], F_GETFD));
	ATF_REQUIRE_EQ(1, msg_recv(&p.b, &m));
	ATF_REQUIRE(m.fd != -1);
	ATF_CHECK((fcntl(m.fd, F_GETFD) & FD_CLOEXEC) != 0);
	ATF_REQUIRE_EQ(1, write(m.fd, "y", 1));
	ATF_REQUIRE_EQ(1, read(fds[0], &c, 1));
	ATF_CHECK_EQ('y', c);
	close(m.fd);
	close(fds[0]);
	close_pair();
}

/* Fills the socket; returns how many messages of len bytes were taken. */
static unsigned
fill(size_t len)
{
	static uint8_t bytes[MSG_MAX];
	unsigned n = 0;

	while (msg_send(&p.a, n, n, bytes, len, -1) == 0)
		n++;
	return n;
}

ATF_TC_WITHOUT_HEAD(queue_is_bounded_and_ordered);
ATF_TC_BODY(queue_is_bounded_and_ordered, tc)
{
	struct msg m;
	unsigned sent, got = 0;
	int fds[2];

	open_pair(100000);
	sent = fill(4000);
	ATF_CHECK_EQ(EOVERFLOW, errno);
	ATF_CHECK(msg_pending(&p.a));
	ATF_CHECK(p.a.queued <= 100000);
	ATF_CHECK(p.a.queued > 100000 - 4016);

	/* A descriptor is consumed by a refused message, too. */
	ATF_REQUIRE_EQ(0, pipe(fds));
	ATF_CHECK_EQ(-1, msg_send(&p.a, 1, 0, fds, 4000, fds[0]));
	ATF_CHECK_EQ(-1, fcntl(fds[0], F_GETFD));
	close(fds[1]);

	while (got < sent) {
		if (msg_recv(&p.b, &m) == 1) {
			ATF_REQUIRE_EQ(got, m.type);
			ATF_REQUIRE_EQ(4000, m.len);
			got++;
		} else {
			ATF_REQUIRE_EQ(EAGAIN, errno);
			ATF_REQUIRE(msg_pending(&p.a));
			ATF_REQUIRE_EQ(0, msg_flush(&p.a));
		}
	}
	ATF_CHECK(!msg_pending(&p.a));
	ATF_CHECK_EQ(0, p.a.queued);
	ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
	close_pair();
}

ATF_TC_WITHOUT_HEAD(queued_descriptor_survives);
ATF_TC_BODY(queued_descriptor_survives, tc)
{
	struct msg m;
	int fds[2], rc;
	char c;

	open_pair(1 << 20);
	while (!msg_pending(&p.a))
		ATF_REQUIRE_EQ(0, msg_send(&p.a, 1, 0, &p, 4000, -1));
	ATF_REQUIRE_EQ(0, pipe(fds));
	ATF_REQUIRE_EQ(0, msg_send(&p.a, 2, 0, NULL, 0, fds[1]));
	for (;;) {
		rc = msg_recv(&p.b, &m);
		if (rc == 1 && m.type == 2)
			break;
		if (rc == -1)
			ATF_REQUIRE_EQ(0, msg_flush(&p.a));
	}
	ATF_REQUIRE(m.fd != -1);
	ATF_REQUIRE_EQ(1, write(m.fd, "z", 1));
	ATF_REQUIRE_EQ(1, read(fds[0], &c, 1));
	close(m.fd);
	close(fds[0]);
	close_pair();
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	static char big[MSG_MAX + 1];
	struct msg m;

	open_pair(1 << 20);
	ATF_REQUIRE_EQ(3, send(p.a.fd, "abc", 3, 0));
	ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(EBADMSG, errno);
	ATF_REQUIRE_EQ(MSG_HDR_LEN - 1, send(p.a.fd, big, MSG_HDR_LEN - 1, 0));
	ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(EBADMSG, errno);
	ATF_REQUIRE_EQ(sizeof(big), send(p.a.fd, big, sizeof(big), 0));
	ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
	ATF_CHECK_EQ(EBADMSG, errno);
	close_pair();
}

static unsigned
open_descriptors(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* Sends one packet with n copies of a descriptor. */
static void
send_fds(int sock, unsigned n)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} ctl;
	char bytes[MSG_HDR_LEN] = { 0 };
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	unsigned i;
	int fd = 0;

	memset(&ctl, 0, sizeof(ctl));
	mh.msg_control = &ctl;
	mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
	cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (i = 0; i < n; i++)
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &fd, sizeof(fd));
	ATF_REQUIRE_EQ(sizeof(bytes), sendmsg(sock, &mh, 0));
}

ATF_TC_WITHOUT_HEAD(several_descriptors);
ATF_TC_BODY(several_descriptors, tc)
{
	static const unsigned counts[] = { 2, 4, 5, 16 };
	struct msg m;
	unsigned before;
	size_t i;

	open_pair(1 << 20);
	before = open_descriptors();
	for (i = 0; i < NITEMS(counts); i++) {
		send_fds(p.a.fd, counts[i]);
		ATF_CHECK_EQ(-1, msg_recv(&p.b, &m));
		ATF_CHECK_EQ(EBADMSG, errno);
		ATF_CHECK_EQ(-1, m.fd);
		ATF_CHECK_EQ(before, open_descriptors());
	}
	close_pair();
}

ATF_TC_WITHOUT_HEAD(peer_gone);
ATF_TC_BODY(peer_gone, tc)
{
	open_pair(1 << 20);
	msgchan_close(&p.b);
	ATF_CHECK_EQ(-1, msg_send(&p.a, 1, 0, "x", 1, -1));
	ATF_CHECK_EQ(EPIPE, errno);
	close_pair();
	ATF_CHECK_EQ(-1, msg_send(&p.a, 1, 0, "x", 1, -1));
	ATF_CHECK_EQ(EPIPE, errno);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, too_large);
	ATF_TP_ADD_TC(tp, descriptor);
	ATF_TP_ADD_TC(tp, queue_is_bounded_and_ordered);
	ATF_TP_ADD_TC(tp, queued_descriptor_survives);
	ATF_TP_ADD_TC(tp, malformed);
	ATF_TP_ADD_TC(tp, several_descriptors);
	ATF_TP_ADD_TC(tp, peer_gone);
	return atf_no_error();
}
