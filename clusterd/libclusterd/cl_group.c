/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Groups: membership and totally ordered messages. */

#include <errno.h>

#include "cl.h"

#define GROUP_MEMBERS_MAX 1024
#define GROUP_CHANGE_MAX  256 /* who joined or left at once */

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
	cl_state_free(g);
	wbuf_free(&g->change);
	free(g);
}

void
cl_group_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->groups))
		group_free(LIST_FIRST(&cl->groups));
}

static int
join(struct cl *cl, const char *name, unsigned flags,
    const struct cl_group_ops *ops, void *arg, struct cl_group **out)
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
	wbuf_init(&g->change, MSG_MAX);
	wbuf_init(&g->state, CL_STATE_MAX);
	STAILQ_INIT(&g->held);
	STAILQ_INIT(&g->giving);
	LIST_INSERT_HEAD(&cl->groups, g, entry);
	wbuf_init(&w, 256);
	wbuf_u32(&w, g->gid);
	wbuf_str(&w, name);
	if (flags != 0)
		wbuf_u8(&w, (uint8_t)flags);
	error = cl_send(cl, M_GROUP_JOIN, g->gid, &w);
	if (error != 0) {
		group_free(g);
		return error;
	}
	*out = g;
	return 0;
}

int
cl_group_join(struct cl *cl, const char *name, const struct cl_group_ops *ops,
    void *arg, struct cl_group **out)
{
	return join(cl, name, 0, ops, arg, out);
}

int
cl_group_join_state(struct cl *cl, const char *name,
    const struct cl_group_ops *ops, void *arg, struct cl_group **out)
{
	return join(cl, name, GROUP_STATE, ops, arg, out);
}

/* Counting as the daemon does makes its refusal a plain EAGAIN. */
static int
send_flags(struct cl_group *g, const void *data, size_t len, unsigned flags)
{
	struct wbuf w;
	int error;

	if (len > CL_MSG_MAX)
		return EMSGSIZE;
	if (!g->cl->dead && g->inflight + len + 1 > CL_GROUP_INFLIGHT_MAX)
		return EAGAIN;
	wbuf_init(&w, CL_MSG_MAX + 16);
	wbuf_u32(&w, g->gid);
	wbuf_blob(&w, data, len);
	/* A daemon that knows no flags delivers everything safe. */
	if (flags != 0)
		wbuf_u8(&w, (uint8_t)flags);
	error = cl_send(g->cl, M_GROUP_SEND, g->gid, &w);
	if (error == 0)
		g->inflight += len + 1;
	return error;
}

int
cl_group_send(struct cl_group *g, const void *data, size_t len)
{
	return send_flags(g, data, len, 0);
}

int
cl_group_send_safe(struct cl_group *g, const void *data, size_t len)
{
	return send_flags(g, data, len, GROUP_SAFE);
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
get_member(struct rbuf *r, struct cl_group_member *m)
{
	m->node = rbuf_u16(r);
	m->client = rbuf_u64(r);
}

/* What was said just before a view. */
static void
group_change(struct cl_group *g)
{
	struct cl_group_member joined[GROUP_CHANGE_MAX];
	struct cl_group_left left[GROUP_CHANGE_MAX];
	struct cl_group_change ch = { .joined = joined, .left = left };
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, g->change.data, g->change.len);
	ch.njoined = rbuf_u16(&r);
	for (i = 0; i < ch.njoined && ch.njoined <= GROUP_CHANGE_MAX; i++)
		get_member(&r, &joined[i]);
	ch.nleft = rbuf_u16(&r);
	for (i = 0; i < ch.nleft && ch.nleft <= GROUP_CHANGE_MAX; i++) {
		get_member(&r, &left[i].member);
		left[i].why = rbuf_u8(&r);
	}
	wbuf_reset(&g->change);
	if (rbuf_done(&r) && g->ops.change != NULL)
		g->ops.change(g->arg, &ch);
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
	for (i = 0; i < n; i++)
		get_member(r, &list[i]);
	if (rbuf_done(r)) {
		if (g->change.len > 0)
			group_change(g);
		if (g->ops.view != NULL)
			g->ops.view(g->arg, list, n);
	}
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

/* A message of our own is back: it makes room, also if it is held then. */
static void
make_room(struct cl_group *g, struct rbuf r)
{
	unsigned node = rbuf_u16(&r);
	uint64_t client = rbuf_u64(&r);
	size_t len;

	(void)rbuf_blob(&r, &len, CL_MSG_MAX);
	if (rbuf_done(&r) && node == g->cl->node && client == g->cl->client)
		g->inflight -= MIN(g->inflight, len + 1);
}

void
cl_group_handle(struct cl_group *g, uint32_t type, struct rbuf *r)
{
	struct cl_group_member m;

	switch (type) {
	case M_GROUP_VIEW:
		group_view(g, r);
		break;
	case M_GROUP_MSG:
		group_deliver(g, r);
		break;
	case M_GROUP_CHANGE:
		wbuf_reset(&g->change);
		wbuf_bytes(&g->change, r->data + r->off, rbuf_left(r));
		break;
	case M_GROUP_SYNCED:
		get_member(r, &m);
		if (rbuf_done(r) && g->ops.synced != NULL)
			g->ops.synced(g->arg, &m);
		break;
	case M_GROUP_LEFT:
		group_left(g, r);
		break;
	default:
		break;
	}
}

bool
cl_group_message(struct cl *cl, const struct msg *m)
{
	struct cl_group *g;
	struct rbuf r;

	if (m->type == M_RESULT)
		return group_result(cl, m);
	if ((m->type < M_GROUP_VIEW || m->type > M_GROUP_LEFT) &&
	    (m->type < M_GROUP_CHANGE || m->type > M_GROUP_SYNCED))
		return false;
	rbuf_init(&r, m->data, m->len);
	g = group_find(cl, rbuf_u32(&r));
	if (r.err || g == NULL)
		return true;
	if (m->type == M_GROUP_MSG)
		make_room(g, r);
	if (!cl_state_message(g, m, &r))
		cl_group_handle(g, m->type, &r);
	return true;
}
