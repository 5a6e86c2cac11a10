/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Event channels: every client subscribes to one, and publishes under a few
 * topics, retained or not.  At the end all must agree on what is retained,
 * whenever they came (INV_LIVE_SERVICES).
 */

#include "service.h"

#define SID 5

void
event_subscribe(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, SID);
	wbuf_u8(&w, 0);
	wbuf_str(&w, "sim");
	wbuf_str(&w, "topic");
	client_tell(s, node, c, M_EVENT_SUBSCRIBE, service_id(c->svc), &w);
}

void
event_publish(struct sim *s, unsigned node, struct sim_client *c)
{
	char topic[16];
	uint8_t data[20];
	bool retain = rng_below(&s->crng, 2) == 0;
	bool clear = retain && rng_below(&s->crng, 4) == 0;
	struct wbuf w, d;

	snprintf(topic, sizeof(topic), "topic%u",
	    (unsigned)rng_below(&s->crng, EVENT_TOPICS));
	wbuf_init(&d, sizeof(data));
	wbuf_u8(&d, retain);
	wbuf_u64(&d, c->id);
	wbuf_u32(&d, c->svc->next_id);
	wbuf_init(&w, 256);
	wbuf_u8(&w, retain ? EVENT_RETAIN : 0);
	wbuf_str(&w, "sim");
	wbuf_str(&w, topic);
	wbuf_blob(&w, d.data, clear ? 0 : d.len);
	wbuf_free(&d);
	client_tell(s, node, c, M_EVENT_PUBLISH, service_ask(c->svc), &w);
}

static void
take(struct sim *s, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	uint64_t seq = rbuf_u64(r), hash;
	char topic[64];
	const uint8_t *data;
	unsigned i;
	bool old;
	size_t len;

	(void)rbuf_u16(r);
	(void)rbuf_u64(r);
	old = rbuf_u8(r) != 0;
	rbuf_str(r, topic, sizeof(topic));
	data = rbuf_blob(r, &len, 64);
	i = (unsigned)topic[5] - '0';
	if (!rbuf_done(r) || i >= EVENT_TOPICS || old == v->ev_ready)
		sim_fail(s, INV_SERVICE_ORDER, "client %llu: a strange event",
		    (unsigned long long)c->id);
	if (len == 0 || data[0] != 0)
		v->ev_kept[i] = len == 0 ? 0 : seq;
	if (old)
		return;
	hash = chk_hash(chk_hash(i + 1, data, len), topic, 6);
	service_claim(v, CLAIM_EVENT, seq, hash);
}

void
event_message(struct sim *s, struct sim_client *c, const struct action *a)
{
	struct rbuf r;

	rbuf_init(&r, a->data, a->len);
	(void)rbuf_u32(&r);
	if (a->msgtype == M_EVENT)
		take(s, c, &r);
	else
		c->svc->ev_ready = true;
}

bool
event_done(struct sim *s, const struct sim_client *c,
    const struct sim_client *o, bool over)
{
	const struct sim_service *v = c->svc, *ov = o->svc;
	unsigned i;

	for (i = 0; i < EVENT_TOPICS && v->ev_ready && ov->ev_ready; i++) {
		if (v->ev_kept[i] != ov->ev_kept[i])
			break;
	}
	if (i == EVENT_TOPICS)
		return true;
	if (over)
		sim_fail(s, INV_LIVE_SERVICES,
		    "client %llu is not at one with client %llu on what is "
		    "retained (topic %u)",
		    (unsigned long long)c->id, (unsigned long long)o->id, i);
	return false;
}
