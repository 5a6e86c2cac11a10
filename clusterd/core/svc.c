/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Requests that go through the total order.
 *
 * Invariants:
 *   Q1  what a client has under way in one service is at most
 *       SVC_CLIENT_BYTES, each request counting at least its head.
 *
 * clusterd-protocol(7), section 8.1.
 */

#include <stdarg.h>
#include <stdio.h>

#include "../proto.h"
#include "svc.h"

struct quota {
	RB_ENTRY(quota) entry;
	uint64_t client;
	size_t bytes; /* ordered, not yet back */
};

static int
quota_cmp(const struct quota *a, const struct quota *b)
{
	return a->client < b->client ? -1 : a->client > b->client;
}

RB_GENERATE_INTERNAL(quota_tree, quota, entry, quota_cmp, UNUSED static)

void
svc_init(struct svc *s, enum service id, uint16_t self, uint64_t inc)
{
	s->id = id;
	s->self = self;
	s->inc = inc;
	s->has_state = false;
	RB_INIT(&s->quotas);
}

void
svc_free(struct svc *s)
{
	struct quota *q;

	while ((q = RB_ROOT(&s->quotas)) != NULL) {
		RB_REMOVE(quota_tree, &s->quotas, q);
		free(q);
	}
}

static struct quota *
find(struct svc *s, uint64_t client)
{
	struct quota key = { .client = client };

	return RB_FIND(quota_tree, &s->quotas, &key);
}

void
svc_put(struct wbuf *w, unsigned type, uint64_t client, uint32_t msgid)
{
	wbuf_init(w, SVC_MSG_MAX + 1024);
	wbuf_u8(w, (uint8_t)type);
	wbuf_u64(w, client);
	wbuf_u32(w, msgid);
}

void
svc_say(struct svc *s, struct wbuf *w, struct bus *bus)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_ORDER, w->data, w->len);
	n->service = s->id;
	wbuf_free(w);
}

bool
svc_order(struct svc *s, const struct note *request, struct wbuf *w,
    struct bus *bus)
{
	struct quota *q = find(s, request->client);

	if (q == NULL) {
		q = calloc(1, sizeof(*q));
		ASSERT(q != NULL);
		q->client = request->client;
		RB_INSERT(quota_tree, &s->quotas, q);
	}
	if (q->bytes + w->len > SVC_CLIENT_BYTES) { /* Q1 */
		svc_refuse(request, bus, SVC_AGAIN,
		    "too much is under way: wait for answers");
		wbuf_free(w);
		return false;
	}
	q->bytes += w->len;
	svc_say(s, w, bus);
	return true;
}

bool
svc_take(struct svc *s, const struct note *note, struct rbuf *r,
    struct svc_from *from)
{
	struct quota *q;

	rbuf_init(r, note->data, note->len);
	from->type = rbuf_u8(r);
	from->who.node = note->node;
	from->who.inc = note->inc;
	from->who.client = rbuf_u64(r);
	from->msgid = rbuf_u32(r);
	from->seq = note->seq;
	from->here = note->node == s->self && note->inc == s->inc;
	q = from->here ? find(s, from->who.client) : NULL;
	if (q != NULL)
		q->bytes -= MIN(q->bytes, note->len);
	return s->has_state && !r->err;
}

void
svc_answer(const struct svc_from *from, struct bus *bus, int error,
    const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (!from->here)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bus_client_result(bus, from->who.client, from->msgid, error, "%s",
	    text);
}

void
svc_refuse(const struct note *request, struct bus *bus, int error,
    const char *text)
{
	bus_client_result(bus, request->client, request->msgid, error, "%s",
	    text);
}

bool
svc_gone(struct svc *s, uint64_t client)
{
	struct quota *q = find(s, client);

	if (q == NULL)
		return false;
	RB_REMOVE(quota_tree, &s->quotas, q);
	free(q);
	return true;
}

bool
svc_view(struct svc *s, const struct view *v)
{
	bool had = s->has_state;

	if (v->primary)
		s->has_state = !view_find(v, s->self)->fresh;
	return s->has_state && !had;
}

void
svc_snapshot(const struct svc *s, struct wbuf *w, struct bus *bus)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_SNAP, w->data, w->len);
	n->service = s->id;
	wbuf_free(w);
}

bool
svc_same(const struct svc_client *a, const struct svc_client *b)
{
	return a->node == b->node && a->inc == b->inc && a->client == b->client;
}

void
svc_put_client(struct wbuf *w, const struct svc_client *c)
{
	wbuf_u16(w, c->node);
	wbuf_u64(w, c->inc);
	wbuf_u64(w, c->client);
}

void
svc_get_client(struct rbuf *r, struct svc_client *c)
{
	c->node = rbuf_u16(r);
	c->inc = rbuf_u64(r);
	c->client = rbuf_u64(r);
}

void
svc_check(const struct svc *s)
{
	struct quota_tree *tree = (struct quota_tree *)(uintptr_t)&s->quotas;
	struct quota *q;

	RB_FOREACH(q, quota_tree, tree)
		ASSERT(q->bytes <= SVC_CLIENT_BYTES); /* Q1 */
}
