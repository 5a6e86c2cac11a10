/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams as bytes.  What is written here is read here, by the bounded
 * cursor alone; a body may be longer than we know (a later version added
 * fields), never shorter.
 *
 * clusterd-protocol(7), sections 2.1 to 2.6.
 */

#include <sodium.h>

#include "wire.h"

uint64_t
wire_cluster(const char *name)
{
	/* Hashed with a key of its own: other hashes of the name differ. */
	static const uint8_t purpose[] = "clusterd cluster";
	uint8_t h[16];
	struct rbuf r;

	crypto_generichash(h, sizeof(h), (const uint8_t *)name, strlen(name),
	    purpose, sizeof(purpose) - 1);
	rbuf_init(&r, h, sizeof(h));
	return rbuf_u64(&r);
}

void
wire_put_header(struct wbuf *w, const struct wire_header *h)
{
	wbuf_u32(w, WIRE_MAGIC);
	wbuf_u8(w, h->version);
	wbuf_u8(w, h->keyid);
	wbuf_u8(w, h->link);
	wbuf_u8(w, h->voice);
	wbuf_u64(w, h->cluster);
	wbuf_u16(w, h->from);
	wbuf_u16(w, h->to);
	wbuf_u64(w, h->incarnation);
	wbuf_u64(w, h->counter);
}

bool
wire_get_header(struct rbuf *r, struct wire_header *h)
{
	uint32_t magic = rbuf_u32(r);

	h->version = rbuf_u8(r);
	h->keyid = rbuf_u8(r);
	h->link = rbuf_u8(r);
	h->voice = rbuf_u8(r);
	h->cluster = rbuf_u64(r);
	h->from = rbuf_u16(r);
	h->to = rbuf_u16(r);
	h->incarnation = rbuf_u64(r);
	h->counter = rbuf_u64(r);
	return !r->err && magic == WIRE_MAGIC;
}

void
wire_put_preamble(struct wbuf *w, const struct wire_preamble *p)
{
	wbuf_u32(w, p->seq);
	wbuf_u64(w, p->nonce);
	wbuf_u64(w, p->echo);
}

void
wire_get_preamble(struct rbuf *r, struct wire_preamble *p)
{
	p->seq = rbuf_u32(r);
	p->nonce = rbuf_u64(r);
	p->echo = rbuf_u64(r);
}

/* The length lets an older version step over what it does not know. */
static void
put_frame(struct wbuf *w, enum wire_frame type, size_t len)
{
	wbuf_u8(w, (uint8_t)type);
	wbuf_u16(w, (uint16_t)len);
}

void
wire_put_hello(struct wbuf *w, const struct wire_hello *h)
{
	put_frame(w, WF_HELLO, 2 + 8 + sizeof(h->conf));
	wbuf_u8(w, h->vmin);
	wbuf_u8(w, h->vmax);
	wbuf_u64(w, h->features);
	wbuf_bytes(w, h->conf, sizeof(h->conf));
}

void
wire_put_beat(struct wbuf *w, const struct wire_beat *b)
{
	put_frame(w, WF_BEAT, 4 + 1 + 8 + 8 + 4 + 8 + 8 + 1);
	wbuf_u32(w, b->seq);
	wbuf_u8(w, b->heard);
	wbuf_u64(w, b->sent);
	wbuf_u64(w, b->echo);
	wbuf_u32(w, b->echo_age);
	wbuf_u64(w, b->life);
	wbuf_u64(w, b->vouch);
	wbuf_u8(w, b->flags);
}

void
wire_put_data(struct wbuf *w, const struct wire_data *d)
{
	ASSERT(d->len <= WIRE_SEGMENT_MAX);
	put_frame(w, WF_DATA, 8 + d->len);
	wbuf_u64(w, d->segment);
	wbuf_bytes(w, d->data, d->len);
}

void
wire_put_ack(struct wbuf *w, const struct wire_ack *a)
{
	ASSERT(a->nsack <= WIRE_SACK_MAX);
	put_frame(w, WF_ACK, 8 + 1 + (size_t)a->nsack);
	wbuf_u64(w, a->next);
	wbuf_u8(w, a->nsack);
	wbuf_bytes(w, a->sack, a->nsack);
}

void
wire_put_bye(struct wbuf *w)
{
	put_frame(w, WF_BYE, 0);
}

void
wire_put_probe(struct wbuf *w, uint32_t probe, size_t fill)
{
	static const uint8_t zeros[WIRE_PLAIN_MAX];
	size_t head = w->len + WIRE_FRAME_LEN + 4;

	ASSERT(fill >= head && fill <= sizeof(zeros));
	put_frame(w, WF_PROBE, 4 + fill - head);
	wbuf_u32(w, probe);
	wbuf_bytes(w, zeros, fill - head);
}

void
wire_put_probed(struct wbuf *w, const struct wire_probed *p)
{
	put_frame(w, WF_PROBED, 4 + 2);
	wbuf_u32(w, p->probe);
	wbuf_u16(w, p->came);
}

void
wire_put_stall(struct wbuf *w, const struct wire_stall *s)
{
	put_frame(w, WF_STALL, 8);
	wbuf_u64(w, s->age);
}

void
wire_put_dead(struct wbuf *w, const struct wire_dead *d)
{
	put_frame(w, WF_DEAD, 1 + 4);
	wbuf_u8(w, d->how);
	wbuf_u32(w, d->number);
}

void
wire_put_relay(struct wbuf *w, enum wire_frame type, const struct wire_relay *f)
{
	ASSERT(f->len <= WIRE_RELAY_MAX);
	put_frame(w, type, 2 + f->len);
	wbuf_u16(w, f->node);
	wbuf_bytes(w, f->data, f->len);
}

bool
wire_next(struct rbuf *r, uint8_t *type, struct rbuf *body)
{
	const uint8_t *p;
	size_t len;

	if (rbuf_left(r) == 0)
		return false;
	*type = rbuf_u8(r);
	len = rbuf_u16(r);
	/* The body gets a reader of its own, so that it cannot leave it. */
	p = rbuf_take(r, len);
	if (p == NULL)
		return false;
	rbuf_init(body, p, len);
	return true;
}

bool
wire_get_hello(struct rbuf *r, struct wire_hello *h)
{
	h->vmin = rbuf_u8(r);
	h->vmax = rbuf_u8(r);
	h->features = rbuf_u64(r);
	rbuf_bytes(r, h->conf, sizeof(h->conf));
	return !r->err;
}

bool
wire_get_beat(struct rbuf *r, struct wire_beat *b)
{
	b->seq = rbuf_u32(r);
	b->heard = rbuf_u8(r);
	b->sent = rbuf_u64(r);
	b->echo = rbuf_u64(r);
	b->echo_age = rbuf_u32(r);
	b->life = rbuf_u64(r);
	b->vouch = rbuf_u64(r);
	b->flags = rbuf_u8(r);
	return !r->err;
}

bool
wire_get_data(struct rbuf *r, struct wire_data *d)
{
	/* The rest of the frame is data; an empty one would never end. */
	d->segment = rbuf_u64(r);
	d->len = rbuf_left(r);
	d->data = rbuf_take(r, d->len);
	return !r->err && d->segment != 0 && d->len > 0 &&
	    d->len <= WIRE_SEGMENT_MAX;
}

bool
wire_get_ack(struct rbuf *r, struct wire_ack *a)
{
	a->next = rbuf_u64(r);
	a->nsack = rbuf_u8(r);
	a->sack = rbuf_take(r, a->nsack);
	return !r->err && a->next != 0 && a->nsack <= WIRE_SACK_MAX;
}

bool
wire_get_probe(struct rbuf *r, uint32_t *probe)
{
	*probe = rbuf_u32(r);
	return !r->err;
}

bool
wire_get_probed(struct rbuf *r, struct wire_probed *p)
{
	p->probe = rbuf_u32(r);
	p->came = rbuf_u16(r);
	return !r->err;
}

bool
wire_get_stall(struct rbuf *r, struct wire_stall *s)
{
	s->age = rbuf_u64(r);
	return !r->err;
}

bool
wire_get_dead(struct rbuf *r, struct wire_dead *d)
{
	d->how = rbuf_u8(r);
	d->number = rbuf_u32(r);
	return !r->err;
}

bool
wire_get_relay(struct rbuf *r, struct wire_relay *f)
{
	f->node = rbuf_u16(r);
	f->len = rbuf_left(r);
	f->data = rbuf_take(r, f->len);
	return !r->err && f->len >= WIRE_HEADER_LEN + WIRE_TAG_LEN &&
	    f->len <= WIRE_RELAY_MAX;
}
