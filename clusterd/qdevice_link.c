/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariant:
 *   L1  what is asked is answered once: by the process, or by its end.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd.h"
#include "log.h"
#include "proto.h"
#include "qdevice_link.h"
#include "qdisk_format.h"

struct qdevice_link {
	struct loop *loop;
	void (*input)(struct event *);
	struct ipc *ipc; /* NULL while the process is away */
	struct loop_timer *failed;
	bool asked;
	uint32_t req;
	struct wbuf answer; /* so far */
};

static void
finish(struct qdevice_link *l, bool ok, const void *data, size_t len)
{
	struct event ev = { .type = EV_DEVICE,
		.req = l->req,
		.ok = ok,
		.data = data,
		.len = len };

	l->asked = false;
	l->input(&ev);
}

/* From the loop: a request is made in the middle of a step of the core. */
static void
fail(void *arg)
{
	static const char text[] = "the qdevice process is not running";

	finish(arg, false, text, sizeof(text) - 1);
}

static void
lost(void *arg, int error)
{
	struct qdevice_link *l = arg;

	ipc_free(l->ipc);
	l->ipc = NULL;
	wbuf_reset(&l->answer);
	if (l->asked)
		loop_timer_set(l->failed, 0);
}

/* That process reads what others wrote: what it says ends no engine. */
static void
broken(struct qdevice_link *l, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	log_warnx("qdevice: unexpected message %u: it is not listened to any "
		  "more",
	    m->type);
	lost(l, EBADMSG);
}

static void
take_piece(struct qdevice_link *l, const struct msg *m)
{
	struct rbuf r;
	uint32_t req;
	bool last, ok;
	size_t len;

	rbuf_init(&r, m->data, m->len);
	req = rbuf_u32(&r);
	last = rbuf_u8(&r) != 0;
	ok = rbuf_u8(&r) != 0;
	len = rbuf_left(&r);
	wbuf_bytes(&l->answer, rbuf_take(&r, len), len);
	if (!rbuf_done(&r) || !l->asked || req != l->req || l->answer.err) {
		broken(l, m);
		return;
	}
	if (!last)
		return;
	finish(l, ok, l->answer.data, l->answer.len);
	wbuf_reset(&l->answer);
}

static void
message(void *arg, const struct msg *m)
{
	struct qdevice_link *l = arg;

	if (m->type != M_QDEVICE_DONE || m->fd != -1)
		broken(l, m);
	else
		take_piece(l, m);
}

static const struct ipc_ops ops = { .message = message, .lost = lost };

struct qdevice_link *
qdevice_link_new(struct loop *loop, void (*input)(struct event *))
{
	struct qdevice_link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		fatal("qdevice");
	l->loop = loop;
	l->input = input;
	l->failed = loop_timer_new(loop, fail, l);
	wbuf_init(&l->answer, QDISK_ANSWER_MAX);
	return l;
}

/* What the old process was asked is over when this is called. */
void
qdevice_link_peer(struct qdevice_link *l, int fd)
{
	if (l->ipc != NULL)
		lost(l, 0);
	l->ipc = ipc_new(l->loop, fd, ENGINE_QUEUE, &ops, l);
}

void
qdevice_link_request(struct qdevice_link *l, const struct action *act)
{
	struct wbuf w;

	ASSERT(!l->asked);
	l->asked = true;
	l->req = act->req;
	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, act->req);
	wbuf_u64(&w, act->timeout_us);
	wbuf_blob(&w, act->data, act->len);
	ASSERT(!w.err);
	if (l->ipc == NULL)
		loop_timer_set(l->failed, 0);
	else if (ipc_send(l->ipc, M_QDEVICE_REQUEST, 0, w.data, w.len, -1) ==
	    -1)
		lost(l, errno);
	wbuf_free(&w);
}
