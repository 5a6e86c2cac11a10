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
#define ASKED_OVERHEAD 64

int
cl_ask(struct cl *cl, uint32_t type, struct wbuf *w, cl_done_fn done, void *arg)
{
	size_t bytes = w->len + ASKED_OVERHEAD;
	struct cl_ask *a = NULL;
	int error = 0;

	if (cl->dead)
		error = ENOTCONN;
	else if (cl->asked + bytes > ASKED_MAX)
		error = EAGAIN;
	else if ((a = calloc(1, sizeof(*a))) == NULL)
		error = ENOMEM;
	if (error != 0) {
		wbuf_free(w);
		return error;
	}
	a->id = cl_new_id(cl);
	a->bytes = bytes;
	a->done = done;
	a->arg = arg;
	error = cl_send(cl, type, a->id, w);
	if (error != 0) {
		free(a);
		return error;
	}
	cl->asked += bytes;
	LIST_INSERT_HEAD(&cl->asks, a, entry);
	return 0;
}

bool
cl_ask_message(struct cl *cl, const struct msg *m)
{
	struct cl_ask *a;
	char why[512];
	int error;

	if (m->type != M_RESULT)
		return false;
	LIST_FOREACH(a, &cl->asks, entry) {
		if (a->id == m->id)
			break;
	}
	if (a == NULL)
		return false;
	error = cl_result(m, why, sizeof(why));
	LIST_REMOVE(a, entry);
	cl->asked -= a->bytes;
	if (a->done != NULL)
		a->done(a->arg, error, why);
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
