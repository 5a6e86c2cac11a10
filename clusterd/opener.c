/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The process that opens the quorum disk: as root, when the qdevice process
 * asks for it.  It knows the path since before that process has read anything
 * from outside, and opens no other.  A disk that hangs while it is opened hangs
 * this process and nothing else.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "helper.h"
#include "ipc.h"
#include "log.h"
#include "proto.h"
#include "qdisk.h"

#define OPENER_QUEUE 65536

static struct {
	struct ipc *asker;
	char path[CONF_PATH_LEN];
} self;

static void
answer(uint32_t id, int fd, bool cached, const char *why)
{
	struct wbuf w;

	wbuf_init(&w, 1024);
	wbuf_u8(&w, cached);
	wbuf_str(&w, why);
	if (ipc_send(self.asker, M_QDISK_FD, id, w.data, w.len, fd) == -1)
		fatal("qdevice");
	wbuf_free(&w);
}

/* Without a wait for whatever it may be that has this name. */
static int
open_path(bool write, int more)
{
	return open(self.path,
	    (write ? O_RDWR : O_RDONLY) | O_DSYNC | O_CLOEXEC | O_NOCTTY |
		O_NONBLOCK | more);
}

static bool
suits(int fd, bool *regular, char *why, size_t size)
{
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		snprintf(why, size, "%s: %s", self.path, strerror(errno));
	else if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		snprintf(why, size, "%s is neither a disk nor a file",
		    self.path);
	else {
		*regular = S_ISREG(st.st_mode);
		return true;
	}
	return false;
}

/* Some file systems have no way around their cache; disks always have. */
static void
open_disk(uint32_t id, bool write)
{
	bool regular = false, cached = false;
	char why[CONF_PATH_LEN + 128];
	int fd;

	fd = open_path(write, O_DIRECT);
	if (fd == -1 && errno == EINVAL) {
		fd = open_path(write, 0);
		cached = true;
	}
	if (!suits(fd, &regular, why, sizeof(why))) {
		if (fd != -1)
			close(fd);
		answer(id, -1, false, why);
		return;
	}
	if (cached && !regular) {
		snprintf(why, sizeof(why),
		    "%s cannot be read without a cache (O_DIRECT)", self.path);
		close(fd);
		answer(id, -1, false, why);
		return;
	}
	answer(id, fd, cached, "");
}

static void
message(void *arg, const struct msg *m)
{
	struct rbuf r;
	bool write;

	if (m->fd != -1)
		fatalx("qdevice: message %u with a descriptor", m->type);
	rbuf_init(&r, m->data, m->len);
	write = rbuf_u8(&r) != 0;
	if (m->type != M_QDISK_OPEN || !rbuf_done(&r))
		fatalx("qdevice: unexpected message %u", m->type);
	open_disk(m->id, write);
}

static void
lost(void *arg, int error)
{
	_exit(0);
}

static const struct ipc_ops ops = { .message = message, .lost = lost };

static void NORETURN
opener_main(struct loop *loop, int fd, const void *arg)
{
	const struct conf *conf = arg;

	strlcpy(self.path, conf->qdevice.path, sizeof(self.path));
	self.asker = ipc_new(loop, fd, OPENER_QUEUE, &ops, NULL);
	loop_run(loop, NULL, NULL);
	fatalx("the loop ended");
}

int
opener_start(const struct conf *conf)
{
	return helper_start("qdevice: opener", opener_main, conf);
}
