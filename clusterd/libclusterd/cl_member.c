/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Views and quorum. */

#include <errno.h>

#include "cl.h"

int
cl_watch_views(struct cl *cl, void (*fn)(void *, const struct cl_view *),
    void *arg)
{
	struct wbuf w;

	cl->views = fn;
	cl->views_arg = arg;
	wbuf_init(&w, 16);
	return cl_send(cl, M_WATCH_VIEWS, cl_new_id(cl), &w);
}

static void
get_member(struct rbuf *r, struct cl_member *m)
{
	m->node = rbuf_u16(r);
	m->incarnation = rbuf_u64(r);
	rbuf_str(r, m->name, sizeof(m->name));
}

/* What the next view changes is kept until that view comes. */
static void
take_change(struct cl *cl, const struct msg *m)
{
	struct cl_view *v = calloc(1, sizeof(*v));
	struct rbuf r;
	unsigned i, n;

	free(cl->change);
	cl->change = NULL;
	if (v == NULL)
		return;
	rbuf_init(&r, m->data, m->len);
	v->epoch = rbuf_u64(&r);
	v->njoined = n = rbuf_u16(&r);
	for (i = 0; i < n && n <= CL_NODES_MAX; i++)
		get_member(&r, &v->joined[i]);
	v->nleft = rbuf_u16(&r);
	for (i = 0; i < v->nleft && MAX(n, v->nleft) <= CL_NODES_MAX; i++) {
		get_member(&r, &v->left[i].member);
		v->left[i].why = rbuf_u8(&r);
		rbuf_str(&r, v->left[i].cause, sizeof(v->left[i].cause));
	}
	if (MAX(n, v->nleft) > CL_NODES_MAX || !rbuf_done(&r))
		free(v);
	else
		cl->change = v;
}

static void
take_view(struct cl *cl, const struct msg *m)
{
	struct cl_view *v = calloc(1, sizeof(*v)), *ch = cl->change;
	struct rbuf r;
	unsigned i, n;

	if (v == NULL)
		return;
	rbuf_init(&r, m->data, m->len);
	v->epoch = rbuf_u64(&r);
	v->leader = rbuf_u16(&r);
	v->quorate = rbuf_u8(&r) != 0;
	v->nmembers = n = rbuf_u16(&r);
	for (i = 0; i < n && n <= CL_NODES_MAX; i++)
		get_member(&r, &v->members[i]);
	if (n <= CL_NODES_MAX && rbuf_done(&r)) {
		if (ch != NULL && ch->epoch == v->epoch) {
			v->njoined = ch->njoined;
			v->nleft = ch->nleft;
			memcpy(v->joined, ch->joined, sizeof(v->joined));
			memcpy(v->left, ch->left, sizeof(v->left));
		}
		free(ch);
		cl->change = NULL;
		if (cl->views != NULL)
			cl->views(cl->views_arg, v);
	}
	free(v);
}

bool
cl_member_message(struct cl *cl, const struct msg *m)
{
	if (m->type == M_VIEW_CHANGE)
		take_change(cl, m);
	else if (m->type == M_VIEW)
		take_view(cl, m);
	else
		return false;
	return true;
}
