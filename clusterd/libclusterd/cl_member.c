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

bool
cl_member_message(struct cl *cl, const struct msg *m)
{
	struct cl_view v;
	struct rbuf r;
	unsigned i, n;

	if (m->type != M_VIEW)
		return false;
	memset(&v, 0, sizeof(v));
	rbuf_init(&r, m->data, m->len);
	v.epoch = rbuf_u64(&r);
	v.leader = rbuf_u16(&r);
	v.quorate = rbuf_u8(&r) != 0;
	n = rbuf_u16(&r);
	if (n > CL_NODES_MAX)
		return true;
	for (i = 0; i < n; i++) {
		v.members[i].node = rbuf_u16(&r);
		v.members[i].incarnation = rbuf_u64(&r);
		rbuf_str(&r, v.members[i].name, sizeof(v.members[i].name));
	}
	v.nmembers = n;
	if (rbuf_done(&r) && cl->views != NULL)
		cl->views(cl->views_arg, &v);
	return true;
}
