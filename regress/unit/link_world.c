/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* See link_world.h. */

#include <stdio.h>

#include "link_world.h"

const uint8_t world_key[32] = { 1, 2, 3, 4 };

struct conf *
world_conf(const char *cluster)
{
	struct conf *c = conf_new();
	unsigned i;

	ATF_REQUIRE(c != NULL);
	strlcpy(c->cluster, cluster, sizeof(c->cluster));
	c->nnodes = 2;
	c->nlinks = 2;
	conf_profile(c, DETECT_NORMAL);
	for (i = 0; i < 2; i++) {
		c->nodes[i].id = (uint16_t)(i + 1);
		c->nodes[i].nlinks = 2;
		c->nodes[i].votes = 1;
		snprintf(c->nodes[i].name, sizeof(c->nodes[i].name), "n%u",
		    i + 1);
	}
	conf_hash(c);
	return c;
}

static uint64_t
local(const struct world *w, unsigned i, uint64_t t)
{
	return t > EVENT_WAIT_MAX * 1000 ? t : t + t * w->fast[i] / 1000;
}

/* When the time comes that the node waits for. */
static uint64_t
due(const struct world *w, unsigned i)
{
	uint64_t t = link_deadline(w->l[i]);

	if (w->fast[i] == 0 || t > EVENT_WAIT_MAX * 1000)
		return t;
	return t * 1000 / (1000 + w->fast[i]) + 1;
}

void
world_start(struct world *w, unsigned i, uint64_t inc, const uint8_t k[32])
{
	uint64_t seed[4] = { i + 1, inc, 3, 4 };
	struct keyring ring;

	keyring_plain(&ring, k);
	link_free(w->l[i]);
	w->inc[i] = inc;
	w->l[i] = link_new(w->conf[i], (uint16_t)(i + 1), inc, &ring);
	ATF_REQUIRE(w->l[i] != NULL);
	rng_seed(&w->rng[i], seed);
	bus_init(&w->bus[i]);
	actions_init(&w->acts[i]);
	w->bus[i].rng = &w->rng[i];
	w->bus[i].out = &w->acts[i];
	w->bus[i].now = local(w, i, w->now);
	link_timer(w->l[i], &w->bus[i]);
	link_flush(w->l[i], &w->bus[i]);
}

struct world *
world_new(void)
{
	uint64_t seed[4] = { 99, 98, 97, 96 };
	struct world *w = calloc(1, sizeof(*w));
	unsigned i;

	ATF_REQUIRE(w != NULL);
	STAILQ_INIT(&w->path);
	rng_seed(&w->net, seed);
	w->now = 1000000;
	for (i = 0; i < 2; i++)
		w->conf[i] = world_conf("test");
	return w;
}

void
world_free(struct world *w)
{
	struct datagram *d;
	unsigned i;

	while ((d = STAILQ_FIRST(&w->path)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->path, entry);
		free(d);
	}
	for (i = 0; i < 2; i++) {
		bus_clear(&w->bus[i]);
		actions_clear(&w->acts[i]);
		link_free(w->l[i]);
		conf_free(w->conf[i]);
	}
	free(w);
}

static void
take_note(struct told *t, const struct note *n)
{
	struct rbuf r;

	switch (n->type) {
	case NOTE_PEER_UP:
		t->up++;
		t->inc = n->inc;
		memset(t->next, 0, sizeof(t->next));
		break;
	case NOTE_PEER_DOWN:
	case NOTE_PEER_GONE:
		if (n->type == NOTE_PEER_DOWN)
			t->down++;
		else {
			t->gone++;
			t->gone_code = n->code;
		}
		t->inc = n->inc;
		strlcpy(t->why, (const char *)n->data, sizeof(t->why));
		break;
	case NOTE_MESSAGE:
		rbuf_init(&r, n->data, n->len);
		ATF_REQUIRE_EQ_MSG(t->next[n->chan], rbuf_u32(&r), "channel %d",
		    (int)n->chan);
		t->next[n->chan]++;
		t->messages++;
		break;
	case NOTE_DIE:
		t->outlived = n->inc;
		break;
	case NOTE_EVENT:
		if (n->msgtype == EVK_REJECT)
			strlcpy(t->event, (const char *)n->data,
			    sizeof(t->event));
		if (n->msgtype == EVK_NODE && n->code == EVL_WARN)
			strlcpy(t->node, (const char *)n->data,
			    sizeof(t->node));
		if (n->msgtype == EVK_LINK && n->code != EVL_DEBUG &&
		    strstr((const char *)n->data, "datagrams") != NULL)
			strlcpy(t->link, (const char *)n->data,
			    sizeof(t->link));
		break;
	default:
		break;
	}
}

void
world_post(struct world *w, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	struct datagram *d = calloc(1, sizeof(*d));

	ATF_REQUIRE(d != NULL && len <= sizeof(d->data));
	/* Links differ in speed, so that datagrams overtake each other. */
	d->at = w->now + LATENCY + rng_below(&w->net, 2000 * link + 100);
	d->to = to;
	d->link = link;
	d->len = len;
	memcpy(d->data, data, len);
	STAILQ_INSERT_TAIL(&w->path, d, entry);
}

void
world_sent(struct world *w, unsigned from, const struct action *act)
{
	unsigned i, copies;

	ATF_REQUIRE_EQ(ACT_SEND, act->type);
	ATF_REQUIRE(act->len <= WIRE_DATAGRAM_MAX);
	if (w->nkept < KEPT) {
		w->kept[w->nkept].to = 1 - from;
		w->kept[w->nkept].link = act->link;
		w->kept[w->nkept].len = act->len;
		memcpy(w->kept[w->nkept++].data, act->data, act->len);
	}
	if (w->mtu != 0 && act->len > w->mtu)
		return;
	if (w->mtu_of[act->link] != 0 && act->len > w->mtu_of[act->link])
		return;
	if (w->cut[from][act->link] || rng_below(&w->net, 1000) < w->loss)
		return;
	copies = rng_below(&w->net, 1000) < w->dup ? 2 : 1;
	for (i = 0; i < copies; i++)
		world_post(w, 1 - from, act->link, act->data, act->len);
}

/* The end of a step of node i, as node.c ends it. */
void
world_settle(struct world *w, unsigned i)
{
	struct action *act;
	struct note *n;

	link_flush(w->l[i], &w->bus[i]);
	link_check(w->l[i]);
	while ((n = bus_take(&w->bus[i])) != NULL) {
		take_note(&w->told[i], n);
		free(n);
	}
	while ((act = actions_take(&w->acts[i])) != NULL) {
		world_sent(w, i, act);
		free(act);
	}
}

void
world_stamped(struct world *w, unsigned to, unsigned link, uint64_t at,
    const uint8_t *data, size_t len)
{
	w->bus[to].now = local(w, to, w->now);
	link_packet(w->l[to], link, local(w, to, at), data, len, &w->bus[to]);
	world_settle(w, to);
}

void
world_packet(struct world *w, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	world_stamped(w, to, link, w->now, data, len);
}

/* The earliest datagram that somebody who is awake could take. */
static struct datagram *
earliest(struct world *w)
{
	struct datagram *d, *best = NULL;

	STAILQ_FOREACH(d, &w->path, entry)
		if (w->l[d->to] != NULL && !w->asleep[d->to] &&
		    (best == NULL || d->at < best->at))
			best = d;
	return best;
}

void
world_run(struct world *w, uint64_t us)
{
	uint64_t until = w->now + us, t;
	struct datagram *d;
	unsigned i;

	for (;;) {
		d = earliest(w);
		t = d != NULL ? d->at : UINT64_MAX;
		for (i = 0; i < 2; i++)
			if (w->l[i] != NULL && !w->asleep[i])
				t = MIN(t, MAX(w->now, due(w, i)));
		if (t > until)
			break;
		w->now = MAX(w->now, t);
		/* Waiting datagrams before timers, as the engine does. */
		if (d != NULL && d->at <= w->now) {
			STAILQ_REMOVE(&w->path, d, datagram, entry);
			world_stamped(w, d->to, d->link,
			    w->nostamps ? 0 : d->at, d->data, d->len);
			free(d);
			continue;
		}
		for (i = 0; i < 2; i++) {
			if (w->l[i] == NULL || w->asleep[i] ||
			    due(w, i) > w->now)
				continue;
			w->bus[i].now = local(w, i, w->now);
			link_timer(w->l[i], &w->bus[i]);
			world_settle(w, i);
		}
	}
	w->now = until;
}

void
world_message(struct world *w, unsigned from, enum chan chan, uint32_t number,
    size_t len)
{
	uint8_t data[5000] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number };
	struct note *n;

	w->bus[from].now = local(w, from, w->now);
	n = bus_note(&w->bus[from], NOTE_SEND, data, MAX(len, (size_t)4));
	n->node = (uint16_t)(2 - from);
	n->chan = chan;
	n = bus_take(&w->bus[from]);
	link_note(w->l[from], n, &w->bus[from]);
	free(n);
	world_settle(w, from);
}

struct world *
world_connected(void)
{
	struct world *w = world_new();

	world_start(w, 0, 100, world_key);
	world_start(w, 1, 200, world_key);
	world_run(w, 300000);
	ATF_REQUIRE_EQ(1, w->told[0].up);
	ATF_REQUIRE_EQ(1, w->told[1].up);
	return w;
}
