/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Packets of a local socket (clusterd/msg.c): any bytes, with any number of
 * descriptors.  Input: records as in rig.h; op & 3 descriptors go with the
 * bytes.  No descriptor may be left open, whatever was said.
 */

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "msg.h"
#include "rig.h"

#define FDS_MAX 3

static void
say(int fd, const void *data, size_t len, unsigned nfds)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FDS_MAX] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	struct cmsghdr *c;

	if (nfds > 0) {
		memset(&ctl, 0, sizeof(ctl));
		m.msg_control = ctl.space;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	/* One that is full has to be read first; the input loses a packet. */
	(void)sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int
lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	ASSERT(fd != -1);
	close(fd);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct msgchan chan;
	int sv[2], n, before = lowest_free();
	struct rig_op op;
	struct rbuf in;
	struct msg m;

#ifdef PLANTED
	/* For the test that the suite sees a target fail. */
	ASSERT(len < 4 || memcmp(data, "BITE", 4) != 0);
#endif
	ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	msgchan_init(&chan, sv[0], 1 << 20);
	rbuf_init(&in, data, len);
	while (rig_next(&in, &op)) {
		say(sv[1], op.data, op.len, op.op & 3);
		while ((n = msg_recv(&chan, &m)) == 1) {
			ASSERT(m.len == op.len - MSG_HDR_LEN);
			ASSERT(
			    memcmp(m.data, op.data + MSG_HDR_LEN, m.len) == 0);
			ASSERT(m.fd == -1 || (op.op & 3) == 1);
			if (m.fd != -1)
				close(m.fd);
		}
		ASSERT(n == 0 || errno == EAGAIN || errno == EBADMSG);
	}
	msgchan_close(&chan);
	close(sv[1]);
	ASSERT(lowest_free() == before);
	return 0;
}
