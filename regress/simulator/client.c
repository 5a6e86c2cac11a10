/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Programs that use the cluster: each joins a lockspace and a group, locks
 * resources in random modes, keeps values in them, and sends messages.  What
 * a client may rely on at any instant (its belief) is what the oracles
 * compare: a lock counts as weaker from the moment its holder asks to weaken
 * it, and as stronger from the moment the answer arrives.
 */

#include <errno.h>

#include "proto.h"
#include "sim.h"
#include "client.h"

#define LSID 1
#define GID  1

void
client_wake(struct sim *s, unsigned node, unsigned i, uint64_t in)
{
	struct sim_client *c = &s->nodes[node].clients[i];
	struct sim_event *e;

	/* Whichever is first acts; a later one finds nothing to hurry for. */
	if (c->next_at > s->now && c->next_at <= s->now + in)
		return;
	c->next_at = s->now + in;
	e = heap_add(&s->heap, c->next_at, SE_CLIENT);
	e->node = node;
	e->life = s->nodes[node].life;
	e->what = (int)i;
}

static uint64_t
draw(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->crng, hi - lo + 1);
}

static bool
chance(struct sim *s, unsigned percent)
{
	return rng_below(&s->crng, 100) < percent;
}

void
client_tell(struct sim *s, unsigned node, struct sim_client *c, uint32_t type,
    uint32_t msgid, struct wbuf *w)
{
	struct event ev = { .type = EV_CLIENT_DATA,
		.client = c->id,
		.msgtype = type,
		.msgid = msgid,
		.data = w->data,
		.len = w->len };

	ASSERT(!w->err);
	node_input(s, node, &ev);
	wbuf_free(w);
}

/* ---- life --------------------------------------------------------------- */

/* The program is no more: it relies on nothing. */
static void
forget(struct sim *s, struct sim_client *c)
{
	locks_forget(s, c);
	chk_group_forget(c);
	service_forget(c);
	memset(c, 0, sizeof(*c));
}

void
clients_boot(struct sim *s, unsigned node)
{
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++)
		client_wake(s, node, i, draw(s, 1, 200 * MS));
}

void
clients_dead(struct sim *s, unsigned node)
{
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++)
		forget(s, &s->nodes[node].clients[i]);
}

void
client_kill(struct sim *s, unsigned node, unsigned i)
{
	struct sim_client *c = &s->nodes[node].clients[i];
	struct event ev = { .type = EV_CLIENT_CLOSE, .client = c->id };

	if (!c->open || c->closed)
		return;
	sim_trace(s, "n%u client %llu dies", s->nodes[node].id,
	    (unsigned long long)c->id);
	forget(s, c);
	node_input(s, node, &ev);
	if (node_on(s, node))
		client_wake(s, node, i, draw(s, 5 * MS, 500 * MS));
}

void
client_closed(struct sim *s, unsigned node, uint64_t id)
{
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++) {
		if (s->nodes[node].clients[i].id != id)
			continue;
		sim_trace(s, "n%u client %llu is closed", s->nodes[node].id,
		    (unsigned long long)id);
		/* A program goes on with its work until it looks. */
		s->nodes[node].clients[i].closed = true;
		s->nodes[node].clients[i].next_at = 0;
		client_wake(s, node, i, draw(s, 0, 100 * MS));
	}
}

static void
start(struct sim *s, unsigned node, struct sim_client *c)
{
	struct event ev = { .type = EV_CLIENT_OPEN,
		.rights = RIGHT_OBSERVE | RIGHT_USE,
		.pid = 1 };
	struct wbuf w;

	c->open = true;
	STAILQ_INIT(&c->told);
	c->id = ev.client = ++s->next_client;
	chk_life_born(s, c->id, node);
	node_input(s, node, &ev);
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "sim");
	wbuf_u32(&w, 1);
	client_tell(s, node, c, M_HELLO, 0, &w);
	service_open(s, node, c);
}

static void
join(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	if (!c->ls_asked) {
		c->ls_asked = true;
		wbuf_u32(&w, LSID);
		wbuf_u8(&w, 32);
		wbuf_str(&w, "vol");
		client_tell(s, node, c, M_LS_JOIN, 0, &w);
		return;
	}
	c->group_asked = true;
	wbuf_u32(&w, GID);
	wbuf_str(&w, "talk");
	wbuf_u8(&w, GROUP_STATE);
	client_tell(s, node, c, M_GROUP_JOIN, 0, &w);
}

static void
leave(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	sim_trace(s, "n%u client %llu leaves the lockspace", s->nodes[node].id,
	    (unsigned long long)c->id);
	locks_forget(s, c);
	c->joined = false;
	c->slot = c->generation = 0;
	c->leaving = true;
	wbuf_init(&w, 16);
	wbuf_u32(&w, LSID);
	client_tell(s, node, c, M_LS_LEAVE, 0, &w);
}

static void
talk(struct sim *s, unsigned node, struct sim_client *c)
{
	uint8_t text[13 + 300];
	bool safe = chance(s, 30);
	struct wbuf w, m;
	size_t i, len;

	/* A few under way, or the daemon would rightly push back. */
	if (!c->group_in || c->sent - c->delivered >= 8)
		return;
	wbuf_init(&m, sizeof(text));
	wbuf_u64(&m, c->id);
	wbuf_u32(&m, ++c->sent);
	wbuf_u8(&m, safe);
	if (c->sent - c->delivered == 1)
		c->sent_at = s->now;
	memcpy(text, m.data, m.len);
	/* No two are alike behind their heads either. */
	for (i = m.len; i < sizeof(text); i++)
		text[i] = (uint8_t)(c->id * 7 + c->sent * 31 + i * 13);
	wbuf_free(&m);
	len = 13 + draw(s, 0, 300);
	chk_group_sent(s, c, c->sent, text, len);
	wbuf_init(&w, 1024);
	wbuf_u32(&w, GID);
	wbuf_blob(&w, text, len);
	wbuf_u8(&w, safe ? GROUP_SAFE : 0);
	client_tell(s, node, c, M_GROUP_SEND, c->sent, &w);
}

static void
act(struct sim *s, unsigned node, struct sim_client *c)
{
	bool drain = s->phase == PH_DRAIN;

	if (c->closed) {
		forget(s, c);
		return;
	}
	if (!c->open) {
		start(s, node, c);
		return;
	}
	if (service_hurry(c)) {
		service_act(s, node, c);
		return;
	}
	if (drain && chance(s, 10)) {
		service_drain(s, node, c);
		return;
	}
	if (!c->ls_asked || (!c->group_asked && !s->race)) {
		/* Who is idle when links break has nothing to be fenced for. */
		if (!drain && (!s->idle || chance(s, 5)))
			join(s, node, c);
		return;
	}
	if (!drain && chance(s, 10))
		service_act(s, node, c);
	else if (c->joined && (drain || chance(s, 80)))
		locks_act(s, node, c);
	else if (!drain && chance(s, 70))
		talk(s, node, c);
	else if (!drain && c->joined && chance(s, s->idle ? 10 : 1))
		leave(s, node, c);
}

void
client_act(struct sim *s, unsigned node, unsigned i)
{
	struct sim_client *c = &s->nodes[node].clients[i];
	uint64_t life = s->nodes[node].life, most = 2 * s->profile.op_every;

	if (s->now < c->next_at)
		return;
	act(s, node, c);
	/*
	 * As many acts as sixteen nodes have: each is a message to all.  What is
	 * left to do while draining concerns single nodes, and all of them wait
	 * for each other.
	 */
	if (s->n > 16 && s->phase == PH_DRAIN)
		most /= 8;
	else if (s->n > 16)
		most = most * s->n * s->n / (16 * 16);
	if (node_on(s, node) && s->nodes[node].life == life)
		client_wake(s, node, i, draw(s, 100, most));
}

/* ---- what the daemon says ------------------------------------------------ */

static void
result(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	char text[512];
	uint32_t error = rbuf_u32(r);

	rbuf_str(r, text, sizeof(text));
	if (error == 0)
		return;
	/* A leave or a failure may overtake requests of the lockspace. */
	if (error == ENOENT && !c->joined)
		return;
	sim_fail(s, INV_LOCK_ANSWER, "n%u client %llu: refused with %u: %s",
	    s->nodes[node].id, (unsigned long long)c->id, error, text);
}

static void
lockspace(struct sim *s, unsigned node, struct sim_client *c, uint32_t type,
    struct rbuf *r)
{
	char why[256];
	uint32_t error;

	(void)rbuf_u32(r);
	switch (type) {
	case M_LS_PREP:
		c->prep_at = s->now;
		break;
	case M_LS_SLOT:
		chk_fence_slot(s, node, c, rbuf_u16(r));
		break;
	case M_LS_DONE:
		chk_slots(s, node, c, r);
		if (!c->joined && !c->leaving) {
			c->joined = true;
			c->ls_joined_at = s->now;
		}
		break;
	case M_LS_FAILED:
		error = rbuf_u32(r);
		rbuf_str(r, why, sizeof(why));
		sim_trace(s, "n%u client %llu: lockspace failed with %u: %s",
		    s->nodes[node].id, (unsigned long long)c->id, error, why);
		locks_forget(s, c);
		c->joined = c->ls_asked = c->leaving = false;
		c->slot = c->generation = 0;
		break;
	case M_LS_LEFT:
		c->ls_asked = c->leaving = false;
		break;
	default:
		break;
	}
}

static void
group(struct sim *s, unsigned node, struct sim_client *c, uint32_t type,
    struct rbuf *r)
{
	uint16_t sender;
	uint64_t from;

	(void)rbuf_u32(r);
	switch (type) {
	case M_GROUP_VIEW:
		chk_life_view(s, node, c, r);
		chk_group_told(s, node, c, true, 0, r);
		break;
	case M_GROUP_MSG:
		sender = rbuf_u16(r);
		from = rbuf_u64(r);
		chk_life_message(s, node, c, sender, from);
		if (from == c->id) {
			c->delivered++;
			c->sent_at = s->now;
		}
		s->messages++;
		chk_group_told(s, node, c, false, from, r);
		break;
	default:
		sim_trace(s, "n%u client %llu: out of the group",
		    s->nodes[node].id, (unsigned long long)c->id);
		c->group_in = c->group_asked = false;
		chk_group_left(c);
		break;
	}
}

void
client_message(struct sim *s, unsigned node, const struct action *a)
{
	struct sim_client *c = NULL;
	struct rbuf r;
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++)
		if (s->nodes[node].clients[i].id == a->client)
			c = &s->nodes[node].clients[i];
	if (c == NULL || !c->open || c->closed) {
		service_unread(s, a);
		return;
	}
	rbuf_init(&r, a->data, a->len);
	switch (a->msgtype) {
	case M_RESULT:
		if (a->msgid >= SERVICE_IDS)
			service_message(s, node, c, a);
		else
			result(s, node, c, &r);
		break;
	case M_LS_PREP:
	case M_LS_SLOT:
	case M_LS_DONE:
	case M_LS_FAILED:
	case M_LS_LEFT:
		lockspace(s, node, c, a->msgtype, &r);
		break;
	case M_GROUP_VIEW:
	case M_GROUP_MSG:
	case M_GROUP_LEFT:
		group(s, node, c, a->msgtype, &r);
		service_message(s, node, c, a);
		break;
	case M_AST:
		locks_answer(s, node, c, &r);
		break;
	case M_BAST:
		locks_blocking(s, node, c, &r);
		break;
	default:
		service_message(s, node, c, a);
		break;
	}
	if (r.err)
		sim_fail(s, INV_LOCK_ANSWER, "message %u is malformed",
		    a->msgtype);
}
