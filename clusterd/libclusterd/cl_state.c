/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The state of a group: giving it to those who come later, and taking it.
 * The daemon says at one position of the sequence who gives to whom.  Until
 * the state is here, what the group delivers after that position is held, so
 * that the program sees the state first and then everything since.
 */

#include <errno.h>

#include "cl.h"

#define HELD_MAX (8u << 20) /* bytes that wait for a state */

static void
drop_held(struct cl_group *g)
{
	struct cl_deferred *d;

	while ((d = STAILQ_FIRST(&g->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->held, entry);
		free(d);
	}
	g->heldbytes = 0;
}

void
cl_state_free(struct cl_group *g)
{
	struct cl_giving *gv;

	drop_held(g);
	wbuf_free(&g->state);
	while ((gv = STAILQ_FIRST(&g->giving)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->giving, entry);
		free(gv);
	}
}

/* --- giving ----------------------------------------------------------------- */

static int
send_piece(struct cl_group *g, struct cl_giving *gv)
{
	size_t len = MIN(gv->len - gv->off, (size_t)CL_MSG_MAX);
	struct wbuf w;
	int error;

	if (g->inflight + len + 1 > CL_GROUP_INFLIGHT_MAX)
		return EAGAIN;
	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, g->gid);
	wbuf_u16(&w, (uint16_t)gv->to.to.node);
	wbuf_u64(&w, gv->to.to.client);
	wbuf_u32(&w, gv->to.round);
	wbuf_u8(&w, gv->off + len == gv->len);
	wbuf_blob(&w, gv->data + gv->off, len);
	error = cl_send(g->cl, M_GROUP_GIVE, g->gid, &w);
	if (error != 0)
		return error;
	gv->off += len;
	g->inflight += len + 1;
	return 0;
}

/* Sends what there is room for; the rest goes when room is made. */
static int
pump(struct cl_group *g)
{
	struct cl_giving *gv;
	int error;

	while ((gv = STAILQ_FIRST(&g->giving)) != NULL) {
		do {
			error = send_piece(g, gv);
			if (error != 0)
				return error == EAGAIN ? 0 : error;
		} while (gv->off < gv->len);
		STAILQ_REMOVE_HEAD(&g->giving, entry);
		free(gv);
	}
	return 0;
}

void
cl_group_go_on(struct cl *cl)
{
	struct cl_group *g;

	LIST_FOREACH(g, &cl->groups, entry)
		(void)pump(g);
}

int
cl_group_give(struct cl_group *g, const struct cl_group_request *to,
    const void *data, size_t len)
{
	struct cl_giving *gv;

	if (len > CL_STATE_MAX)
		return EMSGSIZE;
	if (g->cl->dead)
		return ENOTCONN;
	gv = malloc(sizeof(*gv) + len);
	if (gv == NULL)
		return ENOMEM;
	gv->to = *to;
	gv->len = len;
	gv->off = 0;
	if (len > 0)
		memcpy(gv->data, data, len);
	STAILQ_INSERT_TAIL(&g->giving, gv, entry);
	return pump(g);
}

static void
wanted(struct cl_group *g, struct rbuf *r)
{
	struct cl_group_request to = { .to.node = rbuf_u16(r) };

	to.to.client = rbuf_u64(r);
	to.round = rbuf_u32(r);
	if (rbuf_done(r) && g->ops.wanted != NULL)
		g->ops.wanted(g->arg, &to);
}

static void
taken(struct cl_group *g, struct rbuf *r)
{
	uint32_t len = rbuf_u32(r);

	if (rbuf_done(r))
		g->inflight -= MIN(g->inflight, (size_t)len + 1);
}

/* --- taking ----------------------------------------------------------------- */

/* A state will come as of here: what was before is part of it. */
static void
begin(struct cl_group *g, struct rbuf *r)
{
	uint32_t round = rbuf_u32(r);

	if (!rbuf_done(r))
		return;
	g->round = round;
	g->syncing = true;
	wbuf_reset(&g->state);
	wbuf_reset(&g->change);
	drop_held(g);
}

static void
give_up(struct cl_group *g, int error, const char *why)
{
	/* Whatever of this state still comes is of no use. */
	g->round = 0;
	drop_held(g);
	wbuf_free(&g->state);
	(void)cl_group_leave(g);
	if (g->ops.failed != NULL)
		g->ops.failed(g->arg, error, why);
}

/* The state is here: it, and then everything since. */
static void
complete(struct cl_group *g, bool none)
{
	static const uint8_t nothing[1];
	struct cl_deferred *d;
	struct rbuf r;

	g->syncing = false;
	if (g->ops.state != NULL)
		g->ops.state(g->arg,
		    none		  ? NULL :
			g->state.len == 0 ? nothing :
					    g->state.data,
		    g->state.len);
	wbuf_free(&g->state);
	while ((d = STAILQ_FIRST(&g->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->held, entry);
		g->heldbytes -= sizeof(*d) + d->len;
		rbuf_init(&r, d->data, d->len);
		cl_group_handle(g, d->type, &r);
		free(d);
	}
}

static void
piece(struct cl_group *g, struct rbuf *r)
{
	uint32_t round = rbuf_u32(r);
	bool last = rbuf_u8(r) != 0;
	const uint8_t *data;
	size_t len;

	data = rbuf_blob(r, &len, CL_MSG_MAX);
	if (!rbuf_done(r))
		return;
	if (round == 0) {
		wbuf_reset(&g->state);
		complete(g, true);
		return;
	}
	if (!g->syncing || round != g->round)
		return;
	wbuf_bytes(&g->state, data, len);
	if (g->state.err)
		give_up(g, EMSGSIZE, "the state is too large");
	else if (last)
		complete(g, false);
}

static void
hold(struct cl_group *g, uint32_t type, const struct rbuf *r)
{
	size_t len = rbuf_left(r);
	struct cl_deferred *d = NULL;

	if (g->heldbytes + sizeof(*d) + len <= HELD_MAX)
		d = malloc(sizeof(*d) + len);
	if (d == NULL) {
		give_up(g, ENOBUFS, "too much happened before the state came");
		return;
	}
	d->type = type;
	d->len = len;
	if (len > 0)
		memcpy(d->data, r->data + r->off, len);
	STAILQ_INSERT_TAIL(&g->held, d, entry);
	g->heldbytes += sizeof(*d) + len;
}

bool
cl_state_message(struct cl_group *g, const struct msg *m, struct rbuf *r)
{
	bool ours = true;

	switch (m->type) {
	case M_GROUP_WANTED:
		wanted(g, r);
		break;
	case M_GROUP_TAKEN:
		taken(g, r);
		break;
	case M_GROUP_SYNC:
		begin(g, r);
		break;
	case M_GROUP_PIECE:
		piece(g, r);
		break;
	case M_GROUP_VIEW:
	case M_GROUP_MSG:
	case M_GROUP_CHANGE:
	case M_GROUP_SYNCED:
		if (g->syncing)
			hold(g, m->type, r);
		else
			ours = false;
		break;
	default:
		return false;
	}
	(void)pump(g);
	return ours;
}
