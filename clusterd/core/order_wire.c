/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Records of the total order as bytes, on the wire and in the flush of a
 * view change.  One record: u64 pos, u16 node, u64 inc, u64 sseq, u8 kind,
 * u8 service, blob.
 *
 * clusterd-protocol(7), section 7.2.
 */

#include "order_internal.h"

struct omsg *
omsg_new(enum omsg_kind kind, enum service service, const void *data,
    size_t len)
{
	struct omsg *m = malloc(sizeof(*m) + len);

	ASSERT(m != NULL);
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->service = service;
	m->len = len;
	if (len > 0)
		memcpy(m->data, data, len);
	return m;
}

void
omsg_clear(struct omsg_list *list)
{
	struct omsg *m;

	while ((m = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		free(m);
	}
}

void
omsg_put(struct wbuf *w, const struct omsg *m)
{
	wbuf_u64(w, m->pos);
	wbuf_u16(w, m->node);
	wbuf_u64(w, m->inc);
	wbuf_u64(w, m->sseq);
	wbuf_u8(w, (uint8_t)m->kind);
	wbuf_u8(w, (uint8_t)m->service);
	wbuf_blob(w, m->data, m->len);
}

struct omsg *
omsg_get(struct rbuf *r)
{
	uint64_t pos = rbuf_u64(r);
	uint16_t node = rbuf_u16(r);
	uint64_t inc = rbuf_u64(r);
	uint64_t sseq = rbuf_u64(r);
	unsigned kind = rbuf_u8(r);
	unsigned service = rbuf_u8(r);
	const uint8_t *data;
	struct omsg *m;
	size_t len;

	data = rbuf_blob(r, &len, ORDER_MSG_MAX);
	if (kind < OK_MSG || kind >= OK_MAX || service >= SVC_MAX)
		r->err = true;
	if (r->err)
		return NULL;
	m = omsg_new((enum omsg_kind)kind, (enum service)service, data, len);
	m->pos = pos;
	m->node = node;
	m->inc = inc;
	m->sseq = sseq;
	return m;
}

void
omsg_put_yours(struct wbuf *w, const struct wbuf *records, uint16_t node,
    uint64_t inc)
{
	struct rbuf r, rest;
	struct omsg head;
	size_t len;

	rbuf_init(&r, records->data, records->len);
	while (rbuf_left(&r) > 0) {
		rest = r;
		memset(&head, 0, sizeof(head));
		head.pos = rbuf_u64(&r);
		head.node = rbuf_u16(&r);
		head.inc = rbuf_u64(&r);
		head.sseq = rbuf_u64(&r);
		head.kind = OK_YOURS;
		(void)rbuf_u16(&r);
		(void)rbuf_blob(&r, &len, ORDER_MSG_MAX);
		ASSERT(!r.err);
#if MUTANT == 207
		if (head.node != node && head.inc != 0 && head.sseq != 0 &&
#else
		if (head.node == node && head.inc == inc && head.sseq != 0 &&
#endif
		    len >= ORDER_YOURS_MIN) {
			omsg_put(w, &head);
			continue;
		}
		len = rbuf_left(&rest) - rbuf_left(&r);
		wbuf_bytes(w, rbuf_take(&rest, len), len);
	}
}

void
order_log_put(const struct order *o, struct wbuf *w)
{
	const struct omsg *m;

	STAILQ_FOREACH(m, &o->log, entry)
		omsg_put(w, m);
}

/*
 * Takes from another member's log what we miss, up to cut.  False when we
 * still miss something then: the coordinator has erred, or lied.
 */
bool
order_log_get(struct order *o, const void *data, size_t len, uint64_t cut)
{
	struct rbuf r;
	struct omsg *m;

	rbuf_init(&r, data, len);
	while (rbuf_left(&r) > 0) {
		m = omsg_get(&r);
		if (m == NULL)
			break;
		if (m->kind == OK_YOURS) {
			free(m);
			return false;
		}
		if (m->pos != o->held + 1 || m->pos > cut) {
			free(m);
			continue;
		}
		/* What we hold must fit into a flush again (O6). */
		if (o->logbytes + m->len + OMSG_OVERHEAD > 3 * ORDER_WINDOW) {
			free(m);
			return false;
		}
		order_append(o, m);
	}
	return !r.err && o->held == cut;
}
