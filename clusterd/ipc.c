/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <poll.h>

#include "ipc.h"
#include "log.h"

struct ipc {
	struct msgchan chan;
	struct loop_io *io;
	const struct ipc_ops *ops;
	void *arg;
	size_t high; /* bytes waiting above which nothing is read */
	bool throttled;
	bool paused;
	bool lost;
	bool *freed; /* set while callbacks run: tells them we are gone */
};

static void
update(struct ipc *c)
{
	unsigned want = 0;

	/* Half-way down, so that it does not flap at the mark. */
	if (c->chan.queued > c->high)
		c->throttled = true;
	else if (c->chan.queued <= c->high / 2)
		c->throttled = false;
	if (!c->lost && !c->paused && !c->throttled)
		want |= LOOP_READ;
	if (!c->lost && msg_pending(&c->chan))
		want |= LOOP_WRITE;
	loop_io_want(c->io, want);
}

static void
lose(struct ipc *c, int error)
{
	c->lost = true;
	update(c);
	c->ops->lost(c->arg, error);
}

enum progress {
	RX_GONE,
	RX_MORE,
	RX_IDLE
};

/* Handles what has come.  RX_GONE: lost, or freed by a callback. */
static enum progress
receive(struct ipc *c)
{
	bool freed = false;
	struct msg m;
	int i, rc = 1;

	c->freed = &freed;
	for (i = 0; i < IPC_TURN && !c->paused && !c->throttled; i++) {
		rc = msg_recv(&c->chan, &m);
		if (rc != 1)
			break;
		c->ops->message(c->arg, &m);
		if (freed)
			return RX_GONE;
	}
	c->freed = NULL;
	if (rc == 0 || (rc == -1 && errno != EAGAIN)) {
		lose(c, rc == 0 ? 0 : errno);
		return RX_GONE;
	}
	return rc == 1 ? RX_MORE : RX_IDLE;
}

static void
ready(void *arg, unsigned what)
{
	struct ipc *c = arg;
	enum progress progress = RX_IDLE;
	int error = 0;

	if ((what & LOOP_WRITE) != 0 && msg_flush(&c->chan) == -1)
		error = errno;
	/* What the peer said before it went away is still to be read. */
	if (!c->paused && !c->throttled)
		progress = receive(c);
	if (progress == RX_IDLE && error != 0)
		lose(c, error);
	else if (progress != RX_GONE)
		update(c);
}

struct ipc *
ipc_new(struct loop *l, int fd, size_t queue_max, const struct ipc_ops *ops,
    void *arg)
{
	struct ipc *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("ipc");
	msgchan_init(&c->chan, fd, queue_max);
	c->high = SIZE_MAX;
	c->ops = ops;
	c->arg = arg;
	c->io = loop_io_new(l, fd, LOOP_READ, ready, c);
	return c;
}

void
ipc_free(struct ipc *c)
{
	if (c == NULL)
		return;
	if (c->freed != NULL)
		*c->freed = true;
	loop_io_free(c->io);
	msgchan_close(&c->chan);
	freezero(c, sizeof(*c));
}

int
ipc_send(struct ipc *c, uint32_t type, uint32_t id, const void *data,
    size_t len, int fd)
{
	int rc;

	rc = msg_send(&c->chan, type, id, data, len, fd);
	if (rc == 0 && msg_pending(&c->chan))
		update(c);
	return rc;
}

size_t
ipc_queued(const struct ipc *c)
{
	return c->chan.queued;
}

void
ipc_pause(struct ipc *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	update(c);
}

void
ipc_throttle(struct ipc *c, size_t high)
{
	c->high = high;
	update(c);
}

int
ipc_fd(const struct ipc *c)
{
	return c->chan.fd;
}

void
ipc_drain(struct ipc *c, int ms)
{
	uint64_t end = clock_boot_us() + (uint64_t)ms * 1000, now;
	struct pollfd pfd = { .fd = c->chan.fd, .events = POLLOUT };

	while (msg_flush(&c->chan) == 0 && msg_pending(&c->chan)) {
		now = clock_boot_us();
		if (now >= end)
			break;
		(void)poll(&pfd, 1, (int)((end - now) / 1000) + 1);
	}
}
