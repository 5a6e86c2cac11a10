/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams: each client has a port on its node, and sends to a port of
 * another node, or of all.
 *
 * INV_DGRAM	those of one sender come in their order, none twice; what was
 *	answered as taken was given to a program, be it one that died before it
 *	read it.
 * INV_LIVE_SERVICES  each is answered (service.c).
 */

#include <errno.h>

#include "service.h"

void
dgram_open(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u8(&w, (uint8_t)(c - s->nodes[node].clients));
	client_tell(s, node, c, M_DGRAM_OPEN, service_ask(c->svc), &w);
}

void
dgram_send(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	struct wbuf w, d;

	v->dg_id = service_ask(v);
	v->dg_sent++;
	wbuf_init(&d, 32);
	wbuf_u64(&d, c->id);
	wbuf_u32(&d, v->dg_sent);
	wbuf_init(&w, 64);
	wbuf_u16(&w, (uint16_t)rng_below(&s->crng, s->n + 1));
	wbuf_u8(&w, (uint8_t)rng_below(&s->crng, SIM_CLIENTS + 1));
	wbuf_blob(&w, d.data, d.len);
	wbuf_free(&d);
	client_tell(s, node, c, M_DGRAM_SEND, v->dg_id, &w);
}

void
dgram_answer(struct sim *s, struct sim_client *c, uint32_t error)
{
	struct sim_service *v = c->svc;
	uint64_t id = c->id << 32 | v->dg_sent;

	v->dg_id = 0;
	if (error == ECONNREFUSED || error == ENOTCONN || error == EAGAIN)
		return;
	if (error != 0 || chk_log_at(&s->chk_service->dgrams, id)->hash == 0)
		sim_fail(s, INV_DGRAM,
		    "client %llu: datagram %u ends with %u, and nobody has it",
		    (unsigned long long)c->id, v->dg_sent, error);
}

void
dgram_unread(struct sim *s, const struct action *a)
{
	const uint8_t *data;
	struct rbuf r, d;
	uint64_t from;
	size_t len;

	rbuf_init(&r, a->data, a->len);
	(void)rbuf_u8(&r);
	(void)rbuf_u16(&r);
	from = rbuf_u64(&r);
	data = rbuf_blob(&r, &len, 64);
	rbuf_init(&d, data, data == NULL ? 0 : len);
	(void)rbuf_u64(&d);
	chk_log_at(&s->chk_service->dgrams, from << 32 | rbuf_u32(&d))->hash =
	    1;
}

void
dgram_message(struct sim *s, struct sim_client *c, const struct action *a)
{
	struct known *k;
	const uint8_t *data;
	uint64_t from, claimed;
	uint32_t number;
	struct rbuf r, d;
	size_t len;

	rbuf_init(&r, a->data, a->len);
	(void)rbuf_u8(&r);
	(void)rbuf_u16(&r);
	from = rbuf_u64(&r);
	data = rbuf_blob(&r, &len, 64);
	rbuf_init(&d, data, data == NULL ? 0 : len);
	claimed = rbuf_u64(&d);
	number = rbuf_u32(&d);
	if (!rbuf_done(&r) || !rbuf_done(&d) || claimed != from)
		sim_fail(s, INV_DGRAM, "a strange datagram");
	chk_log_at(&s->chk_service->dgrams, from << 32 | number)->hash = 1;
	/* The last number of this sender that this client was given. */
	k = chk_log_at(&s->chk_service->pairs, from << 32 | c->id);
	if (number <= k->hash)
		sim_fail(s, INV_DGRAM,
		    "client %llu: datagram %u of client %llu comes after %llu",
		    (unsigned long long)c->id, number, (unsigned long long)from,
		    (unsigned long long)k->hash);
	k->hash = number;
}
