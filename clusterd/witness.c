/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   N1  what the server is told to be stored is on the disk;
 *   N2  there is at most one server, and between two of them nothing is under
 *	 way: a store is done while the parent does nothing else.
 */

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "keyfile.h"
#include "log.h"
#include "proto.h"
#include "witness.h"

static struct {
	struct witness_setup *set;
	struct loop *loop;
	struct ipc *ipc; /* NULL: closed by its end */
	pid_t pid;	 /* 0: none */
	bool reaped;
	int ended; /* as of waitpid */
	uint64_t started, crashes;
	struct loop_timer *again;
	bool was_ready, stopping;
	bool cannot_write; /* and it was said */
	int status;
} self;

static void
tell(uint32_t type, const void *data, size_t len, int fd)
{
	if (self.ipc == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	if (ipc_send(self.ipc, type, 0, data, len, fd) == -1 &&
	    errno != EPIPE) {
		log_warn("server: message %u", type);
		kill(self.pid, SIGKILL);
	}
}

static void
tell_keys(void)
{
	struct wbuf w;

	wbuf_init(&w, KEYRING_ENCODED);
	keyring_put(&w, &self.set->keys);
	tell(M_KEY, w.data, w.len, -1);
	explicit_bzero(w.data, w.len);
	wbuf_free(&w);
}

static void
tell_blocks(void)
{
	const struct witness_blocks *b = &self.set->blocks;
	unsigned node;
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	for (node = 1; node <= WITNESS_BLOCKS; node++) {
		if (b->len[node] == 0)
			continue;
		wbuf_reset(&w);
		wbuf_u16(&w, (uint16_t)node);
		wbuf_blob(&w, b->block[node], b->len[node]);
		tell(M_WITNESS_BLOCK, w.data, w.len, -1);
	}
	tell(M_WITNESS_START, b->uuid, sizeof(b->uuid), -1);
	wbuf_free(&w);
}

/* --- the state ------------------------------------------------------------------- */

/* The blocks are changed if that is on the disk, and not else. */
static int
store(uint16_t node, const uint8_t *data, size_t len)
{
	struct witness_blocks *b = &self.set->blocks;
	uint8_t old[WITNESS_BLOCK_MAX];
	uint16_t old_len = b->len[node];
	int saved;

	memcpy(old, b->block[node], sizeof(old));
	if (node != 0)
		ASSERT(witness_blocks_set(b, node, data, len));
	if (witness_file_write(self.set->statefile, b,
		self.set->conf->cluster) == 0)
		return 0;
	saved = errno;
	b->len[node] = old_len;
	memcpy(b->block[node], old, sizeof(old));
	errno = saved;
	return -1;
}

static void
server_store(const struct msg *m)
{
	const uint8_t *data;
	const char *why = "";
	uint16_t node;
	struct rbuf r;
	struct wbuf w;
	size_t len;
	bool ok;

	rbuf_init(&r, m->data, m->len);
	node = rbuf_u16(&r);
	data = rbuf_blob(&r, &len, WITNESS_BLOCK_MAX);
	if (!rbuf_done(&r) || node > WITNESS_BLOCKS ||
	    (node == 0) != (len == 0)) {
		log_warnx("server: malformed block");
		kill(self.pid, SIGKILL);
		return;
	}
	ok = store(node, data, len) == 0;
	if (!ok) {
		why = strerror(errno);
		if (!self.cannot_write)
			log_warn("state file: %s: it cannot be written, and "
				 "nodes are told so",
			    self.set->statefile);
	} else if (self.cannot_write)
		log_info("state file: %s: it can be written again",
		    self.set->statefile);
	self.cannot_write = !ok;
	wbuf_init(&w, 256);
	wbuf_u8(&w, ok);
	wbuf_str(&w, why);
	tell(M_WITNESS_STORED, w.data, w.len, -1);
	wbuf_free(&w);
}

/* --- the server -------------------------------------------------------------------- */

static void
server_ready(void)
{
	const struct conf *conf = self.set->conf;

	log_info("witness: in service on %s port %u", conf->qdevice.address,
	    conf->qdevice.port);
	if (self.was_ready)
		return;
	self.was_ready = true;
	proc_notify("READY=1");
	self.set->ready();
}

static void
server_message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	if (m->type == M_READY)
		server_ready();
	else if (m->type == M_WITNESS_STORE)
		server_store(m);
	else
		log_warnx("server: unexpected message %u", m->type);
}

static void
server_maybe_ended(void)
{
	char how[128];

	if (self.pid == 0 || self.ipc != NULL || !self.reaped)
		return;
	self.pid = 0;
	if (self.stopping) {
		loop_stop(self.loop);
		return;
	}
	proc_ended(self.ended, how, sizeof(how));
	log_warnx("witness: out of service: %s", how);
	if (!self.was_ready) {
		/* Whoever started us is still there to read why. */
		self.status = 1;
		loop_stop(self.loop);
		return;
	}
	if (clock_boot_us() - self.started > PROC_STEADY_US)
		self.crashes = 0;
	loop_timer_set(self.again, proc_backoff(++self.crashes));
}

static void
server_lost(void *arg, int error)
{
	if (error != 0)
		kill(self.pid, SIGKILL);
	ipc_free(self.ipc);
	self.ipc = NULL;
	server_maybe_ended();
}

static const struct ipc_ops server_ops = { .message = server_message,
	.lost = server_lost };

static void
server_start(void *arg)
{
	int fd, copy;

	copy = fcntl(self.set->fd, F_DUPFD_CLOEXEC, 0);
	self.pid =
	    copy == -1 ? -1 : proc_spawn(ROLE_WITNESS, &self.set->opts, &fd);
	if (self.pid == -1) {
		log_warn("witness: the server cannot be started");
		if (copy != -1)
			close(copy);
		self.pid = 0;
		loop_timer_set(self.again, proc_backoff(2));
		return;
	}
	self.reaped = false;
	self.started = clock_boot_us();
	self.ipc = ipc_new(self.loop, fd, PARENT_QUEUE, &server_ops, NULL);
	if (conf_deliver(self.ipc, self.set->conf, false) == -1)
		log_warn("witness: the configuration cannot be sent");
	tell_keys();
	tell(M_WITNESS_FD, NULL, 0, copy);
	tell_blocks();
}

/* --- signals ------------------------------------------------------------------------ */

static void
on_child(void *arg)
{
	if (self.pid != 0 && !self.reaped &&
	    waitpid(self.pid, &self.ended, WNOHANG) == self.pid)
		self.reaped = true;
	server_maybe_ended();
}

static void
on_term(void *arg)
{
	if (self.stopping)
		return;
	self.stopping = true;
	log_info("stopping");
	proc_notify("STOPPING=1");
	loop_timer_stop(self.again);
	if (self.pid == 0)
		loop_stop(self.loop);
	else /* what it has to lose is with us */
		kill(self.pid, SIGKILL);
}

static void
on_hup(void *arg)
{
	struct keyring ring;
	char why[1024], gens[32];

	if (keyfile_read(self.set->keyfile, &ring, why, sizeof(why)) !=
	    KEYFILE_OK) {
		log_warnx("%s; the keys from before are used on", why);
		return;
	}
	self.set->keys = ring;
	keyring_forget(&ring);
	if (self.set->keys.n == 1)
		snprintf(gens, sizeof(gens), "%u", self.set->keys.k[0].gen);
	else
		snprintf(gens, sizeof(gens), "%u and %u",
		    self.set->keys.k[0].gen, self.set->keys.k[1].gen);
	log_info("key: read again: generation %s", gens);
	tell_keys();
}

int
witness_run(struct witness_setup *set)
{
	memset(&self, 0, sizeof(self));
	self.set = set;
	self.loop = loop_new();
	if (self.loop == NULL)
		fatal("loop");
	self.again = loop_timer_new(self.loop, server_start, NULL);
	loop_signal_new(self.loop, SIGCHLD, on_child, NULL);
	loop_signal_new(self.loop, SIGTERM, on_term, NULL);
	loop_signal_new(self.loop, SIGINT, on_term, NULL);
	loop_signal_new(self.loop, SIGHUP, on_hup, NULL);
	signal(SIGPIPE, SIG_IGN);
	server_start(NULL);
	loop_run(self.loop, NULL, NULL);
	return self.status;
}
