/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Clients of this node in lockspaces.  A join or a leave goes through the
 * order and takes effect where it comes back; in between, the client's entry
 * remembers what was asked.
 *
 *	JOINING -own join ordered-> IN -asked, or client gone-> LEAVING
 *	-own leave ordered-> gone.  A join that is refused ends at once.
 */

#include <errno.h>

#include "../proto.h"
#include "lspace_int.h"

static struct attach *
attach_find(const struct lspace *l, uint64_t client, uint32_t client_lsid)
{
	struct attach *a;

	TAILQ_FOREACH(a, &l->attached, entry)
		if (a->client == client && a->client_lsid == client_lsid)
			return a;
	return NULL;
}

static void
attach_free(struct lspace *l, struct attach *a)
{
	TAILQ_REMOVE(&l->attached, a, entry);
	l->nattached--;
	free(a);
}

/* Clients know a lockspace by their own number only. */
static void
send_lsid(struct bus *b, const struct attach *a, uint32_t type, uint32_t msgid)
{
	struct wbuf w;

	if (a->gone)
		return;
	wbuf_init(&w, 16);
	wbuf_u32(&w, a->client_lsid);
	bus_client_send(b, a->client, type, msgid, &w);
	wbuf_free(&w);
}

static void
send_failed(struct bus *b, uint64_t client, uint32_t client_lsid,
    uint32_t msgid, int error, const char *why)
{
	struct wbuf w;

	wbuf_init(&w, 1024);
	wbuf_u32(&w, client_lsid);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_str(&w, why);
	bus_client_send(b, client, M_LS_FAILED, msgid, &w);
	wbuf_free(&w);
}

/* Who is in which slot: the file system's journals hang on it. */
static void
send_done(struct lspace *l, struct space *sp, const struct attach *a,
    struct bus *b)
{
	struct part *self = space_self(l, sp);
	struct wbuf w;
	unsigned i;

	ASSERT(self != NULL);
	wbuf_init(&w, 1024);
	wbuf_u32(&w, a->client_lsid);
	wbuf_u32(&w, self->who.slot);
	wbuf_u32(&w, sp->generation);
	wbuf_u16(&w, (uint16_t)sp->nparts);
	for (i = 0; i < sp->nparts; i++) {
		wbuf_u16(&w, sp->parts[i].who.node);
		wbuf_u32(&w, sp->parts[i].who.slot);
	}
	bus_client_send(b, a->client, M_LS_DONE, 0, &w);
	wbuf_free(&w);
}

/* ---- requests ------------------------------------------------------- */

static unsigned
attach_count(const struct lspace *l, uint64_t client)
{
	const struct attach *a;
	unsigned n = 0;

	TAILQ_FOREACH(a, &l->attached, entry)
		n += a->client == client;
	return n;
}

/*
 * No more locks from here on; what it holds is given back while the leave is
 * in the order.
 */
static void
leave(struct attach *a, struct lspace *l, struct bus *b)
{
	struct ls_order o = {
		.op = LO_LEAVE,
		.lsid = a->lsid,
		.client = a->client,
		.client_lsid = a->client_lsid,
	};
	struct space *sp = space_find(l, a->lsid);

	a->state = AS_LEAVING;
	if (sp != NULL)
		space_emit(l, sp, LSE_DROP, a, b);
	lspace_order_send(b, &o);
}

/* Nothing changes before the order has it. */
static void
req_join(struct lspace *l, const struct note *n, struct bus *b)
{
	struct ls_order o = { .op = LO_JOIN, .client = n->client };
	struct attach *a;
	struct rbuf r;

	rbuf_init(&r, n->data, n->len);
	o.client_lsid = rbuf_u32(&r);
	o.lvblen = rbuf_u8(&r);
	rbuf_str(&r, o.name, sizeof(o.name));
	if (!rbuf_done(&r) || o.name[0] == '\0' || o.lvblen > LS_LVB_MAX) {
		bus_client_result(b, n->client, n->msgid, EINVAL,
		    "lockspace: malformed join");
		return;
	}
	if (attach_find(l, n->client, o.client_lsid) != NULL) {
		bus_client_result(b, n->client, n->msgid, EEXIST,
		    "lockspace %u: this number is in use", o.client_lsid);
		return;
	}
	if (l->nattached >= LS_ATTACH_MAX ||
	    attach_count(l, n->client) >= LS_CLIENT_MAX) {
		send_failed(b, n->client, o.client_lsid, n->msgid, ENOSPC,
		    "too many lockspaces are joined here");
		return;
	}
	a = calloc(1, sizeof(*a));
	ASSERT(a != NULL);
	a->client = n->client;
	a->client_lsid = o.client_lsid;
	a->msgid = n->msgid;
	a->state = AS_JOINING;
	TAILQ_INSERT_TAIL(&l->attached, a, entry);
	l->nattached++;
	lspace_order_send(b, &o);
}

/* A join still in the order is let through first. */
static void
req_leave(struct lspace *l, const struct note *n, struct bus *b)
{
	struct attach none = { .client = n->client };
	struct attach *a;
	struct rbuf r;

	rbuf_init(&r, n->data, n->len);
	none.client_lsid = rbuf_u32(&r);
	if (!rbuf_done(&r)) {
		bus_client_result(b, n->client, n->msgid, EINVAL,
		    "lockspace: malformed leave");
		return;
	}
	a = attach_find(l, n->client, none.client_lsid);
	if (a == NULL) {
		/* Its join failed, or it was never there: it is left. */
		send_lsid(b, &none, M_LS_LEFT, n->msgid);
		return;
	}
	a->msgid = n->msgid;
	if (a->state == AS_IN)
		leave(a, l, b);
	else
		a->state = AS_LEAVING;
}

void
lspace_client_request(struct lspace *l, const struct note *n, struct bus *b)
{
	if (n->msgtype == M_LS_JOIN)
		req_join(l, n, b);
	else if (n->msgtype == M_LS_LEAVE)
		req_leave(l, n, b);
}

/* As if it had left everything. */
void
lspace_client_gone(struct lspace *l, uint64_t client, struct bus *b)
{
	struct attach *a;

	TAILQ_FOREACH(a, &l->attached, entry) {
		if (a->client != client)
			continue;
		a->gone = true;
		if (a->state == AS_IN)
			leave(a, l, b);
		else
			a->state = AS_LEAVING;
	}
}

/* ---- what came back from the order ---------------------------------- */

void
lspace_client_joined(struct lspace *l, const struct ls_order *o,
    struct space *sp, int error, const char *why, struct bus *b)
{
	struct attach *a = attach_find(l, o->client, o->client_lsid);

	/* Nobody else can have removed it. */
	ASSERT(a != NULL && a->lsid == 0);
	if (error != 0) {
		if (!a->gone && a->state == AS_LEAVING)
			send_lsid(b, a, M_LS_LEFT, a->msgid);
		else if (!a->gone)
			send_failed(b, a->client, a->client_lsid, a->msgid,
			    error, why);
		attach_free(l, a);
		return;
	}
	a->lsid = sp->lsid;
	if (a->state == AS_LEAVING) {
		leave(a, l, b);
		return;
	}
	a->state = AS_IN;
	if (sp->stage == LSS_RUN)
		send_done(l, sp, a, b);
}

void
lspace_client_left(struct lspace *l, const struct ls_order *o, struct bus *b)
{
	struct attach *a = attach_find(l, o->client, o->client_lsid);

	ASSERT(a != NULL && a->state == AS_LEAVING);
	send_lsid(b, a, M_LS_LEFT, a->msgid);
	attach_free(l, a);
}

void
lspace_clients_prep(struct lspace *l, struct space *sp, struct bus *b)
{
	const struct attach *a;

	TAILQ_FOREACH(a, &l->attached, entry)
		if (a->lsid == sp->lsid && a->state == AS_IN)
			send_lsid(b, a, M_LS_PREP, 0);
}

/* The lost are fenced: their journals may be replayed. */
void
lspace_clients_slots(struct lspace *l, struct space *sp, struct bus *b)
{
	const struct attach *a;
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 16);
	TAILQ_FOREACH(a, &l->attached, entry) {
		if (a->lsid != sp->lsid || a->state != AS_IN)
			continue;
		for (i = 0; i < sp->nlost; i++) {
			wbuf_reset(&w);
			wbuf_u32(&w, a->client_lsid);
			wbuf_u16(&w, sp->lost[i].who.node);
			wbuf_u32(&w, sp->lost[i].who.slot);
			bus_client_send(b, a->client, M_LS_SLOT, 0, &w);
		}
	}
	wbuf_free(&w);
}

void
lspace_clients_done(struct lspace *l, struct space *sp, struct bus *b)
{
	const struct attach *a;

	TAILQ_FOREACH(a, &l->attached, entry)
		if (a->lsid == sp->lsid && a->state == AS_IN)
			send_done(l, sp, a, b);
}
