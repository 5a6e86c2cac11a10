/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Groups: membership and totally ordered messages. */

#include <errno.h>

#include "cl.h"

#define GROUP_MEMBERS_MAX 1024
/*
 * Above this the daemon refuses a client's messages.  Counting here as it
 * does turns that into a plain EAGAIN before anything is lost.
 */
#define GROUP_INFLIGHT_MAX (256 * 1024)

static struct cl_group *
group_find(struct cl *cl, uint32_t gid)
{
	struct cl_group *g;

	LIST_FOREACH(g, &cl->groups, entry) {
		if (g->gid == gid)
			return g;
	}
	return NULL;
}

static void
group_free(struct cl_group *g)
{
	LIST_REMOVE(g, entry);
	free(g);
}

void
cl_group_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->groups))
		group_free(LIST_FIRST(&cl->groups));
}

int
cl_group_join(struct cl *cl, const char *name, const struct cl_group_ops *ops,
    void *arg, struct cl_group **out)
{
	struct cl_group *g;
	struct wbuf w;
	int error;

	*out = NULL;
	if (name[0] == '\0' || strlen(name) > CL_NAME_MAX)
		return EINVAL;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ENOMEM;
	g->cl = cl;
	g->gid = cl_new_id(cl);
	g->ops = *ops;
	g->arg = arg;
	LIST_INSERT_HEAD(&cl->groups, g, entry);
	wbuf_init(&w, 256);
	wbuf_u32(&w, g->gid);
	wbuf_str(&w, name);
	error = cl_send(cl, M_GROUP_JOIN, g->gid, &w);
	if (error != 0) {
		group_free(g);
		return error;
	}
	*out = g;
	return 0;
}

int
cl_group_send(struct cl_group *g, const void *data, size_t len)
{
	struct wbuf w;
	int error;

	if (len > CL_MSG_MAX)
		return EMSGSIZE;
	if (!g->cl->dead && g->inflight + len + 1 > GROUP_INFLIGHT_MAX)
		return EAGAIN;
	wbuf_init(&w, CL_MSG_MAX + 16);
	wbuf_u32(&w, g->gid);
	wbuf_blob(&w, data, len);
	error = cl_send(g->cl, M_GROUP_SEND, g->gid, &w);
	if (error == 0)
		g->inflight += len + 1;
	return error;
}

int
cl_group_leave(struct cl_group *g)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, g->gid);
	return cl_send(g->cl, M_GROUP_LEAVE, g->gid, &w);
}

static void
group_view(struct cl_group *g, struct rbuf *r)
{
	struct cl_group_member *list;
	unsigned i, n = rbuf_u16(r);

	if (n > GROUP_MEMBERS_MAX)
		return;
	list = calloc(n + 1, sizeof(*list));
	if (list == NULL)
		return;
	for (i = 0; i < n; i++) {
		list[i].node = rbuf_u16(r);
		list[i].client = rbuf_u64(r);
	}
	if (rbuf_done(r) && g->ops.view != NULL)
		g->ops.view(g->arg, list, n);
	free(list);
}

static void
group_deliver(struct cl_group *g, struct rbuf *r)
{
	struct cl_group_member from = { .node = rbuf_u16(r) };
	const uint8_t *data;
	size_t len;

	from.client = rbuf_u64(r);
	data = rbuf_blob(r, &len, CL_MSG_MAX);
	if (!rbuf_done(r))
		return;
	if (from.node == g->cl->node && from.client == g->cl->client)
		g->inflight -= MIN(g->inflight, len + 1);
	if (g->ops.message != NULL)
		g->ops.message(g->arg, &from, data, len);
}

static void
group_left(struct cl_group *g, struct rbuf *r)
{
	void (*left)(void *) = g->ops.left;
	void *arg = g->arg;

	if (!rbuf_done(r))
		return;
	group_free(g);
	if (left != NULL)
		left(arg);
}

/* The request that carried our own number as its id. */
static bool
group_result(struct cl *cl, const struct msg *m)
{
	struct cl_group *g = group_find(cl, m->id);
	char why[512];
	int error;

	if (g == NULL)
		return false;
	error = cl_result(m, why, sizeof(why));
	/* EPROTO is ours: the message was malformed. */
	if (error != 0 && error != EPROTO && g->ops.failed != NULL)
		g->ops.failed(g->arg, error, why);
	return true;
}

bool
cl_group_message(struct cl *cl, const struct msg *m)
{
	struct cl_group *g;
	struct rbuf r;

	if (m->type == M_RESULT)
		return group_result(cl, m);
	if (m->type != M_GROUP_VIEW && m->type != M_GROUP_MSG &&
	    m->type != M_GROUP_LEFT)
		return false;
	rbuf_init(&r, m->data, m->len);
	g = group_find(cl, rbuf_u32(&r));
	if (r.err || g == NULL)
		return true;
	if (m->type == M_GROUP_VIEW)
		group_view(g, &r);
	else if (m->type == M_GROUP_MSG)
		group_deliver(g, &r);
	else
		group_left(g, &r);
	return true;
}
