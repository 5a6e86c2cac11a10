/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Requests whose end is told to a function of the caller. */

#include <errno.h>

#include "cl.h"

/*
 * Above this the daemon may refuse what a client sends.  Counting more than
 * it does turns that into a plain EAGAIN before anything is sent.
 */
#define ASKED_MAX      (256 * 1024)
#define ASKED_OVERHEAD 256 /* as a datagram counts there */

static int
ask(struct cl *cl, uint32_t type, struct wbuf *w, const struct cl_ask *how)
{
	size_t bytes = w->len + ASKED_OVERHEAD;
	struct cl_ask *a = NULL;
	int error = 0;

	if (cl->dead)
		error = ENOTCONN;
	else if (cl->asked + bytes > ASKED_MAX)
		error = EAGAIN;
	else if ((a = malloc(sizeof(*a))) == NULL)
		error = ENOMEM;
	if (error != 0) {
		wbuf_free(w);
		return error;
	}
	*a = *how;
	a->id = cl_new_id(cl);
	a->bytes = bytes;
	error = cl_send(cl, type, a->id, w);
	if (error != 0) {
		free(a);
		return error;
	}
	cl->asked += bytes;
	LIST_INSERT_HEAD(&cl->asks, a, entry);
	return 0;
}

int
cl_ask(struct cl *cl, uint32_t type, struct wbuf *w, cl_done_fn done, void *arg)
{
	struct cl_ask how = { .done = done, .arg = arg };

	return ask(cl, type, w, &how);
}

int
cl_ask_kv(struct cl *cl, uint32_t type, struct wbuf *w, cl_kv_fn kv, void *arg)
{
	struct cl_ask how = { .kv = kv, .arg = arg };

	return ask(cl, type, w, &how);
}

/* A refusal comes as M_RESULT, whatever the request was. */
static void
answer(const struct cl_ask *a, const struct msg *m)
{
	char why[512], key[CL_KEY_MAX + 1];
	struct cl_kv_entry e;
	struct rbuf r;
	bool some;
	int error;

	if (m->type == M_RESULT) {
		error = cl_result(m, why, sizeof(why));
		if (a->done != NULL)
			a->done(a->arg, error, why);
		else if (a->kv != NULL)
			a->kv(a->arg, error, why, NULL);
		return;
	}
	rbuf_init(&r, m->data, m->len);
	error = (int)rbuf_u32(&r);
	rbuf_str(&r, why, sizeof(why));
	some = rbuf_u8(&r) != 0;
	if (some)
		cl_kv_get_entry(&r, &e, key);
	if (!rbuf_done(&r)) {
		error = EPROTO;
		some = false;
	}
	if (a->kv != NULL)
		a->kv(a->arg, error, why, some ? &e : NULL);
	else if (a->done != NULL)
		/* Not about the set: the answer to something else. */
		a->done(a->arg, EPROTO, "the answer is one of another kind");
}

bool
cl_ask_message(struct cl *cl, const struct msg *m)
{
	struct cl_ask *a;

	if (m->type != M_RESULT && m->type != M_KV_DONE)
		return false;
	LIST_FOREACH(a, &cl->asks, entry) {
		if (a->id == m->id)
			break;
	}
	if (a == NULL)
		return m->type == M_KV_DONE;
	LIST_REMOVE(a, entry);
	cl->asked -= a->bytes;
	answer(a, m);
	free(a);
	return true;
}

void
cl_ask_free_all(struct cl *cl)
{
	struct cl_ask *a;

	while ((a = LIST_FIRST(&cl->asks)) != NULL) {
		LIST_REMOVE(a, entry);
		free(a);
	}
	cl->asked = 0;
}
