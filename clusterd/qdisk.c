/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The blocks of the quorum device on a disk (qdisk_format.c).  A request opens
 * the disk, writes our block if there is one to write, and reads all of the
 * disk.  What must hold is in qdevice.h:
 *
 *  Q1	the header is read before each write; and each block names the device
 *	that it is for, so a write that loses a race with `clusterd -q replace`
 *	is none (F2 of qdisk_format.c);
 *  Q2	O_DIRECT and O_DSYNC: no write is reported before the disk has it, and
 *	no read is answered by this machine's memory;
 *  Q3	each block has a checksum;
 *  Q4	a write is over, or was never begun, when its request is answered.  One
 *	that hangs in the kernel holds the lock on its block, also after the
 *	process was killed, so the process that follows writes nothing before it.
 *
 * A read and a write of one block on two machines may meet: then half of it is
 * new.  So a damaged block is read again, some times, before it is believed.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "ipc.h"
#include "log.h"
#include "proto.h"
#include "qdisk.h"
#include "qdisk_format.h"

#define QUEUE 65536

enum {
	REREADS = 4,
	REREAD_MS = 5
};

struct qdisk {
	struct ipc *opener;
	struct loop_timer *timer;
	const char *path, *cluster;
	uint16_t self;
	qdevice_done *done;
	void *arg;
	bool opening; /* the opener has not answered yet */
	bool cached;  /* as was said */
	/* The request that is under way. */
	bool busy;
	uint32_t req;
	uint64_t began, timeout_us;
	size_t len; /* 0: nothing is written */
	uint8_t data[QDISK_UUID + QDISK_BODY_MAX];
	char why[CONF_PATH_LEN + 192];
	uint8_t *disk; /* QDISK_SIZE bytes, as they were read */
};

static bool no(struct qdisk *, const char *, ...) PRINTF_LIKE(2, 3);

/* Keeps the reason; false, for the caller to return. */
static bool
no(struct qdisk *q, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
	return false;
}

static void
finish(struct qdisk *q, bool ok, const void *data, size_t len)
{
	q->busy = false;
	loop_timer_stop(q->timer);
	q->done(q->arg, q->req, ok, data, len);
}

static void
fail(struct qdisk *q)
{
	finish(q, false, q->why, strlen(q->why));
}

static uint8_t *
block_at(struct qdisk *q, uint16_t node)
{
	return q->disk + (size_t)node * QDISK_BLOCK;
}

/* From that block on, into its place. */
static bool
read_blocks(struct qdisk *q, int fd, uint16_t first, size_t n)
{
	size_t off = (size_t)first * QDISK_BLOCK, end = off + n * QDISK_BLOCK;
	ssize_t got;

	while (off < end) {
		got = pread(fd, q->disk + off, end - off, (off_t)off);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return no(q, "%s: read: %s", q->path, strerror(errno));
		if (got == 0)
			return no(q, "%s ends after %zu KiB, of %d", q->path,
			    off / 1024, QDISK_SIZE / 1024);
		off += (size_t)got;
	}
	return true;
}

/* Q4.  The lock goes with the descriptor, and with the write that it waits for. */
static bool
lock_own(struct qdisk *q, int fd)
{
	struct flock l = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)q->self * QDISK_BLOCK,
		.l_len = QDISK_BLOCK };

	if (fcntl(fd, F_OFD_SETLK, &l) == 0)
		return true;
	if (errno == EAGAIN || errno == EACCES)
		return no(q, "%s: an earlier write of this node is not over",
		    q->path);
	return no(q, "%s: lock: %s", q->path, strerror(errno));
}

/* Q1 */
static bool
right_device(struct qdisk *q, int fd)
{
	char is[QDISK_UUID_TEXT], was[QDISK_UUID_TEXT];
	struct qdisk_header h;

	if (!read_blocks(q, fd, 0, 1) ||
	    !qdisk_ours(&h, q->disk, q->cluster, q->path, q->why,
		sizeof(q->why)))
		return false;
	if (memcmp(h.uuid, q->data, sizeof(h.uuid)) == 0)
		return true;
	qdisk_uuid_text(h.uuid, is, sizeof(is));
	qdisk_uuid_text(q->data, was, sizeof(was));
	return no(q, "%s was made anew: it is %s, no longer %s", q->path, is,
	    was);
}

static bool
write_own(struct qdisk *q, int fd)
{
	uint8_t *block = block_at(q, q->self);
	struct qdisk_block b;
	uint64_t seq;
	ssize_t n;

	if (!lock_own(q, fd) || !right_device(q, fd) ||
	    !read_blocks(q, fd, q->self, 1))
		return false;
	/* Of a block that is damaged nobody knows; it starts again. */
	(void)qdisk_get_block(&b, q->self, q->data, block);
	seq = b.seq + 1;
	memset(&b, 0, sizeof(b));
	b.node = q->self;
	b.seq = seq;
	b.len = q->len - QDISK_UUID;
	memcpy(b.body, q->data + QDISK_UUID, b.len);
	qdisk_put_block(&b, q->data, block);
	do
		n = pwrite(fd, block, QDISK_BLOCK,
		    (off_t)q->self * QDISK_BLOCK);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return no(q, "%s: write: %s", q->path, strerror(errno));
	if (n != QDISK_BLOCK)
		return no(q, "%s: only %zd bytes of a block were written",
		    q->path, n);
	return true;
}

/* Blocks that were written while they were read are whole a moment later. */
static bool
read_again(struct qdisk *q, int fd, const uint8_t *uuid)
{
	struct qdisk_block b;
	unsigned tries;
	uint16_t i;

	for (i = 1; i <= QDISK_BLOCKS; i++) {
		for (tries = 0; tries < REREADS; tries++) {
			if (qdisk_get_block(&b, i, uuid, block_at(q, i)) !=
			    QDISK_DAMAGED)
				break;
			(void)poll(NULL, 0, REREAD_MS);
			if (!read_blocks(q, fd, i, 1))
				return false;
		}
	}
	return true;
}

static bool
in_time(struct qdisk *q)
{
	uint64_t took = clock_boot_us() - q->began;

	if (took <= q->timeout_us)
		return true;
	return no(q, "%s took %llu ms, over %llu ms", q->path,
	    (unsigned long long)(took / 1000),
	    (unsigned long long)(q->timeout_us / 1000));
}

static void
work(struct qdisk *q, int fd)
{
	struct qdisk_header h;
	struct wbuf w;
	bool ok;

	ok = (q->len == 0 || write_own(q, fd)) &&
	    read_blocks(q, fd, 0, QDISK_BLOCKS + 1) &&
	    qdisk_ours(&h, q->disk, q->cluster, q->path, q->why,
		sizeof(q->why)) &&
	    read_again(q, fd, h.uuid) && in_time(q);
	close(fd);
	if (!ok) {
		fail(q);
		return;
	}
	wbuf_init(&w, QDISK_ANSWER_MAX);
	qdisk_answer(h.uuid, q->disk, &w);
	if (w.err) {
		(void)no(q, "no memory for the blocks of %s", q->path);
		fail(q);
	} else
		finish(q, true, w.data, w.len);
	wbuf_free(&w);
}

static void
opened(struct qdisk *q, const struct msg *m)
{
	struct rbuf r;
	bool cached;

	rbuf_init(&r, m->data, m->len);
	cached = rbuf_u8(&r) != 0;
	if (!q->busy || m->id != q->req) {
		if (m->fd != -1)
			close(m->fd);
		return;
	}
	rbuf_str(&r, q->why, sizeof(q->why));
	if (!rbuf_done(&r))
		fatalx("opener: malformed M_QDISK_FD");
	if (cached && !q->cached) {
		q->cached = true;
		log_warnx("quorum device: %s is read through a cache, for its "
			  "file system has no O_DIRECT: other machines may see "
			  "something else",
		    q->path);
	}
	if (m->fd == -1)
		fail(q);
	else
		work(q, m->fd);
}

static void
message(void *arg, const struct msg *m)
{
	struct qdisk *q = arg;

	if (m->type != M_QDISK_FD || !q->opening)
		fatalx("opener: unexpected message %u", m->type);
	q->opening = false;
	opened(q, m);
}

static void
lost(void *arg, int error)
{
	fatalx("the opener is gone: so is this process");
}

static const struct ipc_ops opener_ops = { .message = message, .lost = lost };

static void
too_late(void *arg)
{
	struct qdisk *q = arg;

	(void)no(q, "%s was not opened within %llu ms", q->path,
	    (unsigned long long)(q->timeout_us / 1000));
	fail(q);
}

static void
request(void *store, uint32_t req, const void *data, size_t len,
    uint64_t timeout_us)
{
	struct qdisk *q = store;
	uint8_t write = len > 0;

	ASSERT(!q->busy && len <= sizeof(q->data) &&
	    (len == 0 || len > QDISK_UUID));
	q->busy = true;
	q->req = req;
	q->began = clock_boot_us();
	q->timeout_us = timeout_us;
	q->len = len;
	if (len > 0)
		memcpy(q->data, data, len);
	if (q->opening) {
		(void)no(q, "%s is still being opened", q->path);
		fail(q);
		return;
	}
	if (ipc_send(q->opener, M_QDISK_OPEN, req, &write, 1, -1) == -1)
		fatal("opener");
	q->opening = true;
	loop_timer_set(q->timer, timeout_us);
}

static void
close_store(void *store)
{
	struct qdisk *q = store;

	ipc_free(q->opener);
	loop_timer_free(q->timer);
	free(q->disk);
	free(q);
}

void *
qdisk_open(struct loop *loop, const struct conf *conf, uint16_t self,
    int opener, qdevice_done *done, void *arg)
{
	struct qdisk *q = calloc(1, sizeof(*q));

	ASSERT(self >= 1 && self <= QDISK_BLOCKS);
	if (q == NULL)
		fatal("qdisk");
	q->path = conf->qdevice.path;
	q->cluster = conf->cluster;
	q->self = self;
	q->done = done;
	q->arg = arg;
	q->timer = loop_timer_new(loop, too_late, q);
	q->opener = ipc_new(loop, opener, QUEUE, &opener_ops, q);
	q->disk = aligned_alloc(QDISK_BLOCK, QDISK_SIZE);
	if (q->disk == NULL)
		fatal("qdisk");
	return q;
}

const struct qdevice_ops qdisk_ops = { .request = request,
	.close = close_store };
