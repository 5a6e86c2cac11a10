/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   K1  the keys of a beat process are given to one process only, which is never
 *       started anew: its counters are in its memory (B1 of core/beat.c);
 *   K2  a process that was told the end of its engine is on its way out; it
 *       is waited for, but nothing waits for it.
 */

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <unistd.h>

#include "beat_child.h"
#include "core/seal.h"
#include "log.h"
#include "proto.h"

#define LEAVING_MAX 8 /* told to end, and not reaped yet */

struct beat_child {
	struct loop *loop;
	const struct proc_opts *opts;
	pid_t pid; /* 0: none */
	uint64_t incarnation;
	struct ipc *ipc;
	pid_t leaving[LEAVING_MAX];
	unsigned nleaving;
};

struct beat_child *
beat_child_new(struct loop *loop, const struct proc_opts *opts)
{
	struct beat_child *b = calloc(1, sizeof(*b));

	if (b == NULL)
		fatal("beat");
	b->loop = loop;
	b->opts = opts;
	return b;
}

void
beat_child_reap(struct beat_child *b)
{
	unsigned i = 0;
	int status;

	while (i < b->nleaving) {
		if (waitpid(b->leaving[i], &status, WNOHANG) == 0)
			i++;
		else
			b->leaving[i] = b->leaving[--b->nleaving];
	}
	if (b->pid == 0 || waitpid(b->pid, &status, WNOHANG) != b->pid)
		return;
	log_warnx("beat: the process is gone: until the engine starts anew, "
		  "the others can tell its end by its silence only");
	ipc_free(b->ipc);
	b->ipc = NULL;
	b->pid = 0;
}

/* From now on only its end is waited for (K2). */
static void
let_go(struct beat_child *b)
{
	if (b->pid == 0)
		return;
	if (b->nleaving == LEAVING_MAX) {
		kill(b->leaving[0], SIGKILL);
		(void)waitpid(b->leaving[0], NULL, 0);
		b->leaving[0] = b->leaving[--b->nleaving];
	}
	b->leaving[b->nleaving++] = b->pid;
	ipc_free(b->ipc);
	b->ipc = NULL;
	b->pid = 0;
}

void
beat_child_free(struct beat_child *b)
{
	unsigned i;

	if (b == NULL)
		return;
	let_go(b);
	for (i = 0; i < b->nleaving; i++)
		kill(b->leaving[i], SIGKILL);
	for (i = 0; i < b->nleaving; i++)
		(void)waitpid(b->leaving[i], NULL, 0);
	free(b);
}

static void
message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	log_warnx("beat: unexpected message %u", m->type);
}

/* Its end shows in beat_child_reap(). */
static void
lost(void *arg, int error)
{
	struct beat_child *b = arg;

	if (error != 0 && b->pid != 0)
		kill(b->pid, SIGKILL);
}

static const struct ipc_ops ops = { .message = message, .lost = lost };

static int
tell(struct beat_child *b, uint32_t type, const void *data, size_t len, int fd)
{
	if (b->ipc == NULL) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	return ipc_send(b->ipc, type, 0, data, len, fd);
}

static int
tell_start(struct beat_child *b, const struct parent_setup *set)
{
	struct wbuf w;
	int rc;

	wbuf_init(&w, 64);
	wbuf_u16(&w, set->self);
	wbuf_u64(&w, b->incarnation);
	rc = tell(b, M_BEAT_START, w.data, w.len, -1);
	wbuf_free(&w);
	return rc;
}

/* Without it the end of the parent looks like silence. */
static void
tell_engine(struct beat_child *b, pid_t engine)
{
	int fd = (int)syscall(SYS_pidfd_open, engine, 0);

	if (fd == -1 || tell(b, M_ENGINE_FD, NULL, 0, fd) == -1)
		log_warn("beat: the process cannot watch the engine");
}

static int
tell_keys(struct beat_child *b, const struct parent_setup *set)
{
	const struct keyring *ring = &set->keys;
	struct seal_key key;
	struct wbuf w;
	unsigned i;
	int rc;

	wbuf_init(&w, KEYRING_ENCODED);
	wbuf_u8(&w, (uint8_t)ring->n);
	for (i = 0; i < ring->n; i++) {
		seal_derive(&key, ring->k[i].key, SEAL_BEAT, set->self,
		    b->incarnation);
		wbuf_u8(&w, ring->k[i].gen);
		wbuf_bytes(&w, key.key, sizeof(key.key));
	}
	rc = tell(b, M_BEAT_KEYS, w.data, w.len, -1);
	sodium_memzero(w.data, w.len);
	wbuf_free(&w);
	seal_forget(&key);
	return rc;
}

void
beat_child_keys(struct beat_child *b, const struct parent_setup *set)
{
	if (b->ipc != NULL && tell_keys(b, set) == -1)
		log_warn("beat: the process cannot be told the keys");
}

/* Two descriptors of one page of shared memory. */
static int
make_page(int fds[2])
{
	fds[0] = memfd_create("beat", MFD_CLOEXEC);
	if (fds[0] == -1)
		return -1;
	fds[1] = -1;
	if (ftruncate(fds[0], sizeof(struct beat_page)) == 0)
		fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	if (fds[1] != -1)
		return 0;
	close(fds[0]);
	return -1;
}

int
beat_child_start(struct beat_child *b, const struct parent_setup *set,
    uint64_t incarnation, pid_t engine)
{
	int page[2], fd;

	let_go(b);
	b->incarnation = incarnation;
	if (make_page(page) == -1) {
		log_warn("beat: no shared memory");
		return -1;
	}
	b->pid = proc_spawn(ROLE_BEAT, b->opts, &fd);
	if (b->pid == -1) {
		log_warn("beat: cannot be started");
		b->pid = 0;
		close(page[0]);
		close(page[1]);
		return -1;
	}
	b->ipc = ipc_new(b->loop, fd, PARENT_QUEUE, &ops, b);
	if (conf_deliver(b->ipc, set->conf, false) == -1 ||
	    tell(b, M_PAGE_FD, NULL, 0, page[0]) == -1 ||
	    tell_start(b, set) == -1 || tell_keys(b, set) == -1)
		log_warn("beat: the process cannot be told what to do");
	tell_engine(b, engine);
	return page[1];
}

void
beat_child_link(struct beat_child *b, unsigned link, int fd)
{
	uint8_t number = (uint8_t)link;
	int copy;

	if (b->ipc == NULL)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy == -1 || tell(b, M_LINK_FD, &number, 1, copy) == -1)
		log_warn("beat: link %u", link);
}

void
beat_child_ended(struct beat_child *b, enum wire_end how, uint32_t number)
{
	struct wbuf w;

	if (b->ipc == NULL)
		return;
	wbuf_init(&w, 16);
	wbuf_u8(&w, (uint8_t)how);
	wbuf_u32(&w, number);
	(void)tell(b, M_ENGINE_ENDED, w.data, w.len, -1);
	wbuf_free(&w);
	ipc_drain(b->ipc, 100);
	let_go(b);
}
