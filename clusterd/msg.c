/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "msg.h"

/* More than one descriptor is refused, but must be received to be closed. */
#define FDS_MAX 4

union control {
	struct cmsghdr hdr;
	char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

void
msgchan_init(struct msgchan *c, int fd, size_t queue_max)
{
	int flags;

	memset(c, 0, offsetof(struct msgchan, in));
	c->fd = fd;
	c->queue_max = queue_max;
	STAILQ_INIT(&c->queue);
	flags = fcntl(fd, F_GETFL);
	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* A queued message may hold the cluster key. */
static void
out_free(struct msg_out *m)
{
	if (m->fd != -1)
		close(m->fd);
	freezero(m, sizeof(*m) + m->len);
}

void
msgchan_close(struct msgchan *c)
{
	struct msg_out *m;

	while ((m = STAILQ_FIRST(&c->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->queue, entry);
		out_free(m);
	}
	c->queued = 0;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void
header(uint8_t *p, uint32_t type, uint32_t id)
{
	memset(p, 0, MSG_HDR_LEN);
	put_u32(p, type);
	put_u32(p + 4, id);
}

/* One packet from up to two pieces.  0, or -1 with errno. */
static int
packet_send(int sock, struct iovec *iov, size_t niov, int fd)
{
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = niov };
	struct cmsghdr *cm;
	union control ctl;
	ssize_t n;

	if (fd != -1) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = CMSG_SPACE(sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

/* Errors that mean "later", not "never". */
static bool
is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ETOOMANYREFS ||
	    error == ENOMEM;
}

static int
enqueue(struct msgchan *c, const uint8_t *hdr, const void *data, size_t len,
    int fd)
{
	struct msg_out *m;
	size_t total = MSG_HDR_LEN + len;

	if (total > c->queue_max || c->queued > c->queue_max - total) {
		errno = EOVERFLOW;
		return -1;
	}
	m = malloc(sizeof(*m) + total);
	if (m == NULL)
		return -1;
	m->len = total;
	m->fd = fd;
	memcpy(m->data, hdr, MSG_HDR_LEN);
	if (len > 0)
		memcpy(m->data + MSG_HDR_LEN, data, len);
	STAILQ_INSERT_TAIL(&c->queue, m, entry);
	c->queued += total;
	return 0;
}

int
msg_send(struct msgchan *c, uint32_t type, uint32_t id, const void *data,
    size_t len, int fd)
{
	uint8_t hdr[MSG_HDR_LEN];
	/* sendmsg() only reads, but its iovec has no const. */
	struct iovec iov[2] = { { hdr, sizeof(hdr) },
		{ (void *)(uintptr_t)data, len } };
	int saved;

	if (len > MSG_MAX - MSG_HDR_LEN) {
		errno = EMSGSIZE;
		goto fail;
	}
	if (c->fd == -1) {
		errno = EPIPE;
		goto fail;
	}
	header(hdr, type, id);
	/* Never overtake what is already waiting. */
	if (STAILQ_EMPTY(&c->queue)) {
		if (packet_send(c->fd, iov, len > 0 ? 2 : 1, fd) == 0) {
			if (fd != -1)
				close(fd);
			return 0;
		}
		if (!is_full(errno))
			goto fail;
	}
	if (enqueue(c, hdr, data, len, fd) == 0)
		return 0;
fail:
	saved = errno;
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

int
msg_flush(struct msgchan *c)
{
	struct msg_out *m;
	struct iovec iov;

	while ((m = STAILQ_FIRST(&c->queue)) != NULL) {
		iov.iov_base = m->data;
		iov.iov_len = m->len;
		if (packet_send(c->fd, &iov, 1, m->fd) == -1)
			return is_full(errno) ? 0 : -1;
		STAILQ_REMOVE_HEAD(&c->queue, entry);
		c->queued -= m->len;
		out_free(m);
	}
	return 0;
}

bool
msg_pending(const struct msgchan *c)
{
	return !STAILQ_EMPTY(&c->queue);
}

/*
 * Takes at most one descriptor out of the control data into *fd; false when
 * there were more, or anything else, with all of them closed.
 */
static bool
take_fd(struct msghdr *mh, int *fd)
{
	struct cmsghdr *cm;
	bool ok = (mh->msg_flags & MSG_CTRUNC) == 0;
	size_t i, n;
	int got;

	*fd = -1;
	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&got, CMSG_DATA(cm) + i * sizeof(int),
			    sizeof(got));
			if (*fd == -1)
				*fd = got;
			else {
				close(got);
				ok = false;
			}
		}
	}
	if (!ok && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
	return ok;
}

int
msg_recv(struct msgchan *c, struct msg *m)
{
	struct iovec iov = { c->in, sizeof(c->in) };
	union control ctl;
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl) };
	struct rbuf r;
	ssize_t n;
	bool ok;

	memset(m, 0, sizeof(*m));
	m->fd = -1;
	if (c->fd == -1)
		return 0;
	do {
		n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	ok = take_fd(&mh, &m->fd);
	if (n == 0 && m->fd == -1)
		return 0;
	if (!ok || (mh.msg_flags & MSG_TRUNC) != 0 || n < MSG_HDR_LEN) {
		if (m->fd != -1)
			close(m->fd);
		m->fd = -1;
		errno = EBADMSG;
		return -1;
	}
	rbuf_init(&r, c->in, (size_t)n);
	m->type = rbuf_u32(&r);
	m->id = rbuf_u32(&r);
	m->flags = rbuf_u32(&r);
	(void)rbuf_u32(&r);
	m->data = c->in + MSG_HDR_LEN;
	m->len = (size_t)n - MSG_HDR_LEN;
	return 1;
}
