/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What local clients ask of event channels, and what they are told.  A
 * publication goes into the order; a subscription stays here.
 */

#include "evchan_internal.h"

static void
say_ready(struct subscription *s, struct bus *bus)
{
	struct wbuf w;

	s->ready = true;
	wbuf_init(&w, 16);
	wbuf_u32(&w, s->sid);
	bus_client_send(bus, s->client, M_EVENT_READY, 0, &w);
	wbuf_free(&w);
}

static bool
wants(const struct subscription *s, const char *topic)
{
	if (s->exact)
		return strcmp(s->prefix, topic) == 0;
	return strncmp(s->prefix, topic, strlen(s->prefix)) == 0;
}

static void
say(const struct subscription *s, const struct retained *ev, bool old,
    struct bus *bus)
{
	struct wbuf w;

	if (!wants(s, ev->topic))
		return;
	wbuf_init(&w, EV_DATA_MAX + 512);
	wbuf_u32(&w, s->sid);
	wbuf_u64(&w, ev->seq);
	wbuf_u16(&w, ev->node);
	wbuf_u64(&w, ev->client);
	wbuf_u8(&w, old ? EVENT_RETAIN : 0);
	wbuf_str(&w, ev->topic);
	wbuf_blob(&w, ev->data, ev->len);
	bus_client_send(bus, s->client, M_EVENT, 0, &w);
	wbuf_free(&w);
}

void
evchan_tell(struct channel *c, const struct retained *ev, struct bus *bus)
{
	const struct subscription *s;

	TAILQ_FOREACH(s, &c->subs, entry) {
		if (s->ready)
			say(s, ev, false, bus);
	}
}

/* What is retained, as of now; each later event comes as it happens (E2). */
static void
give_retained(struct channel *c, struct subscription *s, struct bus *bus)
{
	struct retained *rt;

#if MUTANT != 902
	if (!s->news) {
		RB_FOREACH(rt, evtopic_tree, &c->topics)
			say(s, rt, true, bus);
	}
#else
	(void)rt;
#endif
	say_ready(s, bus);
}

void
evchan_catch_up(struct evchan *ec, struct bus *bus)
{
	struct subscription *s;
	struct channel *c;

	RB_FOREACH(c, evchan_tree, &ec->channels) {
		TAILQ_FOREACH(s, &c->subs, entry) {
			if (!s->ready)
				give_retained(c, s, bus);
		}
	}
}

/* The subscription of this number, and how many the client has. */
static struct subscription *
find(struct evchan *ec, uint64_t client, uint32_t sid, struct channel **in,
    unsigned *count)
{
	struct subscription *s, *found = NULL;
	struct channel *c;

	*count = 0;
	RB_FOREACH(c, evchan_tree, &ec->channels) {
		TAILQ_FOREACH(s, &c->subs, entry) {
			if (s->client != client)
				continue;
			++*count;
			if (s->sid == sid) {
				found = s;
				*in = c;
			}
		}
	}
	return found;
}

static void
unsubscribe(struct evchan *ec, struct channel *c, struct subscription *s)
{
	TAILQ_REMOVE(&c->subs, s, entry);
	c->nsubs--;
	free(s);
	evchan_release(ec, c);
}

static void
request_subscribe(struct evchan *ec, const struct note *note, struct bus *bus)
{
	char name[EV_NAME_MAX + 1], prefix[EV_TOPIC_MAX + 1];
	struct subscription *s;
	struct channel *c;
	unsigned flags, n;
	struct rbuf r;
	uint32_t sid;

	rbuf_init(&r, note->data, note->len);
	sid = rbuf_u32(&r);
	flags = rbuf_u8(&r);
	rbuf_str(&r, name, sizeof(name));
	rbuf_str(&r, prefix, sizeof(prefix));
	if (!rbuf_done(&r) || name[0] == '\0') {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	if (find(ec, note->client, sid, &c, &n) != NULL) {
		svc_refuse(note, bus, SVC_EXIST,
		    "this number is a subscription already");
		return;
	}
	if (n >= EV_SUBS_MAX || (s = calloc(1, sizeof(*s))) == NULL) {
		svc_refuse(note, bus, SVC_NOSPC,
		    "too many subscriptions of one client");
		return;
	}
	s->client = note->client;
	s->sid = sid;
	s->exact = (flags & SUB_EXACT) != 0;
	s->news = (flags & SUB_NEWS) != 0;
	strlcpy(s->prefix, prefix, sizeof(s->prefix));
	c = evchan_channel(ec, name, true);
	TAILQ_INSERT_TAIL(&c->subs, s, entry);
	c->nsubs++;
	if (ec->svc.has_state)
		give_retained(c, s, bus);
}

static void
request_unsubscribe(struct evchan *ec, const struct note *note, struct bus *bus)
{
	struct subscription *s;
	struct channel *c = NULL;
	struct rbuf r;
	uint32_t sid;
	unsigned n;

	rbuf_init(&r, note->data, note->len);
	sid = rbuf_u32(&r);
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	s = find(ec, note->client, sid, &c, &n);
	if (s == NULL)
		svc_refuse(note, bus, SVC_NOENT, "no such subscription");
	else
		unsubscribe(ec, c, s);
}

static void
request_publish(struct evchan *ec, const struct note *note, struct bus *bus)
{
	char name[EV_NAME_MAX + 1], topic[EV_TOPIC_MAX + 1];
	const uint8_t *data;
	unsigned flags;
	struct rbuf r;
	struct wbuf w;
	size_t len;

	rbuf_init(&r, note->data, note->len);
	flags = rbuf_u8(&r);
	rbuf_str(&r, name, sizeof(name));
	rbuf_str(&r, topic, sizeof(topic));
	data = rbuf_blob(&r, &len, EV_DATA_MAX);
	if (!rbuf_done(&r) || name[0] == '\0' || (flags & ~EVENT_RETAIN) != 0) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	svc_put(&w, EM_PUBLISH, note->client, note->msgid);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, name);
	wbuf_str(&w, topic);
	wbuf_blob(&w, data, len);
	(void)svc_order(&ec->svc, note, &w, bus);
}

void
evchan_request(struct evchan *ec, const struct note *note, struct bus *bus)
{
	if (note->msgtype == M_EVENT_SUBSCRIBE)
		request_subscribe(ec, note, bus);
	else if (note->msgtype == M_EVENT_UNSUBSCRIBE)
		request_unsubscribe(ec, note, bus);
	else if (note->msgtype == M_EVENT_PUBLISH)
		request_publish(ec, note, bus);
}

void
evchan_client_gone(struct evchan *ec, uint64_t client)
{
	struct subscription *s, *nexts;
	struct channel *c, *next;

	RB_FOREACH_SAFE(c, evchan_tree, &ec->channels, next) {
		TAILQ_FOREACH_SAFE(s, &c->subs, entry, nexts) {
			/* The last one may take the channel with it. */
			if (s->client == client)
				unsubscribe(ec, c, s);
		}
	}
}
