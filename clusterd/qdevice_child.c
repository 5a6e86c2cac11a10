/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Life of the process:
 *   none -> runs         start(): forked, told
 *   runs -> none         reap(): it ended; start() follows, after a back-off
 *                        when it has crashed before
 *
 * A process that hangs in the kernel cannot be ended.  Nothing waits for it,
 * and none is started beside it.
 */

#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"
#include "proto.h"
#include "qdevice_child.h"

#define AGAIN_US UINT64_C(1000000)

struct qdevice_child {
	struct loop *loop;
	const struct parent_setup *set;
	void (*up)(void *);
	void *arg;
	struct loop_timer *again;
	pid_t pid; /* 0: none */
	struct ipc *ipc;
	uint64_t started, crashes;
};

static void start(void *);

struct qdevice_child *
qdevice_child_new(struct loop *loop, const struct parent_setup *set,
    void (*up)(void *), void *arg)
{
	struct qdevice_child *q = calloc(1, sizeof(*q));

	if (q == NULL)
		fatal("qdevice");
	q->loop = loop;
	q->set = set;
	q->up = up;
	q->arg = arg;
	q->again = loop_timer_new(loop, start, q);
	return q;
}

/* It is not waited for: a disk may hold it. */
void
qdevice_child_free(struct qdevice_child *q)
{
	if (q == NULL)
		return;
	if (q->pid != 0)
		kill(q->pid, SIGKILL);
	ipc_free(q->ipc);
	loop_timer_free(q->again);
	free(q);
}

static void
message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	log_warnx("qdevice: unexpected message %u", m->type);
}

/* Its end shows in qdevice_child_reap(). */
static void
lost(void *arg, int error)
{
	struct qdevice_child *q = arg;

	if (error != 0 && q->pid != 0)
		kill(q->pid, SIGKILL);
}

static const struct ipc_ops ops = { .message = message, .lost = lost };

static int
tell_keys(struct qdevice_child *q)
{
	struct wbuf w;
	int rc;

	wbuf_init(&w, KEYRING_ENCODED);
	keyring_put(&w, &q->set->keys);
	rc = ipc_send(q->ipc, M_KEY, 0, w.data, w.len, -1);
	explicit_bzero(w.data, w.len);
	wbuf_free(&w);
	return rc;
}

static bool
witness(const struct qdevice_child *q)
{
	return q->set->conf->qdevice.kind == QDEVICE_WITNESS;
}

void
qdevice_child_keys(struct qdevice_child *q)
{
	if (q->ipc != NULL && witness(q) && tell_keys(q) == -1)
		log_warn("qdevice: the process cannot be told the keys");
}

static int
tell_all(struct qdevice_child *q)
{
	struct wbuf w;
	int rc;

	if (conf_deliver(q->ipc, q->set->conf, false) == -1 ||
	    (witness(q) && tell_keys(q) == -1))
		return -1;
	wbuf_init(&w, 16);
	wbuf_u16(&w, q->set->self);
	rc = ipc_send(q->ipc, M_QDEVICE_START, 0, w.data, w.len, -1);
	wbuf_free(&w);
	return rc;
}

static void
start(void *arg)
{
	struct qdevice_child *q = arg;
	int fd;

	q->pid = proc_spawn(ROLE_QDEVICE, &q->set->opts, &fd);
	if (q->pid == -1) {
		log_warn("qdevice: cannot be started");
		q->pid = 0;
		loop_timer_set(q->again, AGAIN_US);
		return;
	}
	q->started = clock_boot_us();
	q->ipc = ipc_new(q->loop, fd, PARENT_QUEUE, &ops, q);
	if (tell_all(q) == -1)
		log_warn("qdevice: the process cannot be told what to do");
	q->up(q->arg);
}

void
qdevice_child_start(struct qdevice_child *q)
{
	if (q->set->conf->qdevice.kind != QDEVICE_NONE)
		start(q);
}

bool
qdevice_child_runs(const struct qdevice_child *q)
{
	return q->ipc != NULL;
}

void
qdevice_child_peer(struct qdevice_child *q, int fd)
{
	if (ipc_send(q->ipc, M_PEER_FD, 0, NULL, 0, fd) == -1)
		log_warn("qdevice: it cannot be told of the engine");
}

void
qdevice_child_reap(struct qdevice_child *q)
{
	char how[128];
	int status;

	if (q->pid == 0 || waitpid(q->pid, &status, WNOHANG) != q->pid)
		return;
	proc_ended(status, how, sizeof(how));
	log_warnx("qdevice: %s", how);
	ipc_free(q->ipc);
	q->ipc = NULL;
	q->pid = 0;
	if (clock_boot_us() - q->started > PROC_STEADY_US)
		q->crashes = 0;
	loop_timer_set(q->again, proc_backoff(++q->crashes));
}
