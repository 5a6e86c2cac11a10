/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what links and sessions promise (L1 to L6 of link.c) with two nodes
 * over a network of the test's own: sessions begin, break and begin again on
 * both sides alike; messages arrive once and in order; whatever is altered,
 * truncated, random, replayed, of an old life, of another key, cluster or
 * configuration is counted and changes nothing.
 */

#include <atf-c.h>
#include <stdio.h>

#include "core/beat.h"
#include "core/link.h"
#include "core/rng.h"
#include "core/wire.h"

#define LATENCY UINT64_C(300)
#define KEPT	4000

struct datagram {
	STAILQ_ENTRY(datagram) entry;
	uint64_t at;
	unsigned to, link;
	size_t len;
	uint8_t data[WIRE_DATAGRAM_MAX];
};

/* What a node was told. */
struct told {
	unsigned up, down, gone, messages;
	int gone_code;
	uint64_t inc;		 /* of the last UP, DOWN or GONE */
	char why[256];		 /* of the last DOWN or GONE */
	char event[512];	 /* last of EVK_REJECT */
	uint32_t next[CHAN_MAX]; /* number of the next message expected */
};

struct world {
	struct conf *conf[2];
	struct link_layer *l[2];
	uint64_t inc[2];
	struct bus bus[2];
	struct actions acts[2];
	struct rng rng[2], net;
	struct told told[2];
	STAILQ_HEAD(, datagram) path;
	uint64_t now;
	bool cut[2][2]; /* sender, link */
	bool asleep[2];
	unsigned loss, dup;
	size_t mtu;		    /* larger ones are lost; 0: no limit */
	struct datagram kept[KEPT]; /* everything sent, for replays */
	unsigned nkept;
};

static const uint8_t key[32] = { 1, 2, 3, 4 };

static struct conf *
make_conf(const char *cluster)
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

static void
start(struct world *w, unsigned i, uint64_t inc, const uint8_t k[32])
{
	uint64_t seed[4] = { i + 1, inc, 3, 4 };

	link_free(w->l[i]);
	w->inc[i] = inc;
	w->l[i] = link_new(w->conf[i], (uint16_t)(i + 1), inc, k);
	ATF_REQUIRE(w->l[i] != NULL);
	rng_seed(&w->rng[i], seed);
	bus_init(&w->bus[i]);
	actions_init(&w->acts[i]);
	w->bus[i].rng = &w->rng[i];
	w->bus[i].out = &w->acts[i];
	w->bus[i].now = w->now;
	link_timer(w->l[i], &w->bus[i]);
	link_flush(w->l[i], &w->bus[i]);
}

static struct world *
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
		w->conf[i] = make_conf("test");
	return w;
}

static void
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
	case NOTE_EVENT:
		if (n->msgtype == EVK_REJECT)
			strlcpy(t->event, (const char *)n->data,
			    sizeof(t->event));
		break;
	default:
		break;
	}
}

static void
post(struct world *w, unsigned to, unsigned link, const uint8_t *data,
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

static void
sent(struct world *w, unsigned from, const struct action *act)
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
	if (w->cut[from][act->link] || rng_below(&w->net, 1000) < w->loss)
		return;
	copies = rng_below(&w->net, 1000) < w->dup ? 2 : 1;
	for (i = 0; i < copies; i++)
		post(w, 1 - from, act->link, act->data, act->len);
}

/* The end of a step of node i, as node.c ends it. */
static void
settle(struct world *w, unsigned i)
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
		sent(w, i, act);
		free(act);
	}
}

static void
packet(struct world *w, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	w->bus[to].now = w->now;
	link_packet(w->l[to], link, data, len, &w->bus[to]);
	settle(w, to);
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

static void
run(struct world *w, uint64_t us)
{
	uint64_t until = w->now + us, t;
	struct datagram *d;
	unsigned i;

	for (;;) {
		d = earliest(w);
		t = d != NULL ? d->at : UINT64_MAX;
		for (i = 0; i < 2; i++)
			if (w->l[i] != NULL && !w->asleep[i])
				t = MIN(t, MAX(w->now, link_deadline(w->l[i])));
		if (t > until)
			break;
		w->now = MAX(w->now, t);
		/* Waiting datagrams before timers, as the engine does. */
		if (d != NULL && d->at <= w->now) {
			STAILQ_REMOVE(&w->path, d, datagram, entry);
			packet(w, d->to, d->link, d->data, d->len);
			free(d);
			continue;
		}
		for (i = 0; i < 2; i++) {
			if (w->l[i] == NULL || w->asleep[i] ||
			    link_deadline(w->l[i]) > w->now)
				continue;
			w->bus[i].now = w->now;
			link_timer(w->l[i], &w->bus[i]);
			settle(w, i);
		}
	}
	w->now = until;
}

static void
send_message(struct world *w, unsigned from, enum chan chan, uint32_t number,
    size_t len)
{
	uint8_t data[5000] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number };
	struct note *n;

	w->bus[from].now = w->now;
	n = bus_note(&w->bus[from], NOTE_SEND, data, MAX(len, (size_t)4));
	n->node = (uint16_t)(2 - from);
	n->chan = chan;
	n = bus_take(&w->bus[from]);
	link_note(w->l[from], n, &w->bus[from]);
	free(n);
	settle(w, from);
}

static struct world *
connected(void)
{
	struct world *w = world_new();

	start(w, 0, 100, key);
	start(w, 1, 200, key);
	run(w, 300000);
	ATF_REQUIRE_EQ(1, w->told[0].up);
	ATF_REQUIRE_EQ(1, w->told[1].up);
	return w;
}

/* ---- sessions -------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(session_comes_up);
ATF_TC_BODY(session_comes_up, tc)
{
	struct world *w = connected();
	struct link_info li;
	uint64_t inc = 0;

	ATF_CHECK_EQ(200, w->told[0].inc);
	ATF_CHECK_EQ(100, w->told[1].inc);
	ATF_CHECK(link_session(w->l[0], 2, &inc));
	ATF_CHECK_EQ(200, inc);
	run(w, 2000000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.carries);
	ATF_CHECK(li.rtt_us >= 2 * LATENCY && li.rtt_us < 10 * LATENCY);
	ATF_CHECK_EQ(0, li.loss_permille);
	link_get(w->l[0], 2, 1, &li);
	ATF_CHECK(li.up && !li.carries);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(messages_in_order);
ATF_TC_BODY(messages_in_order, tc)
{
	uint32_t number[2][CHAN_MAX] = { { 0 } };
	struct world *w = connected();
	unsigned i, from;
	enum chan chan;

	w->loss = 100;
	w->dup = 100;
	for (i = 0; i < 2000; i++) {
		from = i % 2;
		chan = (enum chan)(1 + rng_below(&w->net, CHAN_MAX - 1));
		send_message(w, from, chan, number[from][chan]++,
		    i % 40 == 0 ? 4000 : 60);
		if (i % 5 == 0)
			run(w, 1000);
	}
	w->loss = 0;
	run(w, 3000000);
	ATF_CHECK_EQ(1000, w->told[0].messages);
	ATF_CHECK_EQ(1000, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(silence_is_loss);
ATF_TC_BODY(silence_is_loss, tc)
{
	struct world *w = connected();
	uint64_t before;

	w->cut[1][0] = w->cut[1][1] = true;
	before = w->now;
	while (w->told[0].down == 0 && w->now < before + 10000000)
		run(w, 10000);
	ATF_CHECK(w->now - before >=
	    w->conf[0]->failure_timeout_us - w->conf[0]->heartbeat_us * 2);
	ATF_CHECK(w->now - before <= w->conf[0]->failure_timeout_us + 20000);
	ATF_CHECK(strstr(w->told[0].why, "silent on 2 links for") != NULL);
	ATF_CHECK(strstr(w->told[0].why, "on time") != NULL);
	ATF_CHECK_EQ(200, w->told[0].inc);
	/* The other side hears us, and learns that its session is over. */
	run(w, 200000);
	ATF_CHECK_EQ(1, w->told[1].down);
	ATF_CHECK(!link_session(w->l[1], 1, NULL));
	w->cut[1][0] = w->cut[1][1] = false;
	run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(2, w->told[1].up);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* We sleep far longer than the timeout; whoever kept beating is not lost. */
ATF_TC_WITHOUT_HEAD(own_pause_suspects_nobody);
ATF_TC_BODY(own_pause_suspects_nobody, tc)
{
	struct world *w = connected();
	struct datagram *d;

	w->asleep[0] = true;
	run(w, w->conf[0]->failure_timeout_us / 2);
	/* Even with nothing in the sockets: they may have overflown. */
	while ((d = STAILQ_FIRST(&w->path)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->path, entry);
		free(d);
	}
	w->now += 3 * w->conf[0]->failure_timeout_us / 4;
	w->asleep[1] = true;
	w->asleep[0] = false;
	run(w, w->conf[0]->failure_timeout_us / 2);
	ATF_CHECK_EQ(0, w->told[0].down);
	w->asleep[1] = false;
	run(w, 100000);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(one_link_is_enough);
ATF_TC_BODY(one_link_is_enough, tc)
{
	struct world *w = connected();
	struct link_info li;
	unsigned i;

	w->cut[0][0] = w->cut[1][0] = true;
	/* Also at once, while nobody knows that the link is dead. */
	for (i = 0; i < 20; i++)
		send_message(w, 0, CHAN_DLM, i, 30);
	run(w, 150000);
	ATF_CHECK_EQ(20, w->told[1].messages);
	run(w, 2000000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(!li.up && li.flaps == 1);
	link_get(w->l[0], 2, 1, &li);
	ATF_CHECK(li.up && li.carries);
	send_message(w, 0, CHAN_DLM, 20, 30);
	run(w, 50000);
	ATF_CHECK_EQ(21, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	w->cut[0][0] = w->cut[1][0] = false;
	run(w, 500000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.carries);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(reset_breaks_both_sides);
ATF_TC_BODY(reset_breaks_both_sides, tc)
{
	struct world *w = connected();
	struct note n = { .type = NOTE_PEER_RESET, .node = 2 };

	send_message(w, 1, CHAN_DLM, 0, 30);
	link_note(w->l[0], &n, &w->bus[0]);
	settle(w, 0);
	run(w, 1000000);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_EQ(1, w->told[1].down);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(2, w->told[1].up);
	/* The new session is empty and counts from the start. */
	send_message(w, 1, CHAN_DLM, 0, 30);
	run(w, 100000);
	ATF_CHECK_EQ(1, w->told[0].next[CHAN_DLM]);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(new_incarnation_replaces_old);
ATF_TC_BODY(new_incarnation_replaces_old, tc)
{
	struct world *w = connected();
	unsigned old = w->nkept, i;
	uint64_t before;

	send_message(w, 1, CHAN_DLM, 0, 30);
	start(w, 1, 201, key);
	settle(w, 1);
	run(w, 500000);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[0].gone_code);
	ATF_CHECK_EQ(0, w->told[0].down);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	/* What the old life sent is refused from now on. */
	before = link_rejects(w->l[0], 2, LR_OLD_INCARNATION);
	for (i = 0; i < old; i++)
		if (w->kept[i].to == 0)
			packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	ATF_CHECK(link_rejects(w->l[0], 2, LR_OLD_INCARNATION) > before);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[0].gone);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(goodbye_is_final);
ATF_TC_BODY(goodbye_is_final, tc)
{
	struct world *w = connected();
	unsigned i, n;

	w->bus[1].now = w->now;
	link_goodbye(w->l[1], &w->bus[1]);
	settle(w, 1);
	ATF_CHECK_EQ(UINT64_MAX, link_deadline(w->l[1]));
	run(w, 100000);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(1, w->told[0].gone_code);
	ATF_CHECK_EQ(0, w->told[0].down);
	n = w->nkept;
	for (i = 0; i < n; i++)
		if (w->kept[i].to == 0)
			packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	run(w, 5000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(slow_peer_is_dropped);
ATF_TC_BODY(slow_peer_is_dropped, tc)
{
	struct world *w = connected();
	unsigned i;

	/* It goes on beating, but what is large does not arrive. */
	w->mtu = 300;
	for (i = 0; i < 4000 && w->told[0].down == 0; i++) {
		send_message(w, 0, CHAN_DLM, i, 5000);
		run(w, 2000);
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK(strstr(w->told[0].why, "too slow") != NULL);
	world_free(w);
}

/* ---- what is refused --------------------------------------------------------- */

/* Total of everything refused, by node i. */
static uint64_t
refused(const struct world *w, unsigned i)
{
	uint64_t n = 0;
	unsigned r;

	for (r = 0; r < LR_MAX; r++)
		n += link_rejects(w->l[i], 0, (enum link_reject)r);
	return n;
}

/* A datagram from node 2 that node 1 has not seen yet, with stream bytes. */
static struct datagram *
unseen(struct world *w)
{
	bool was[2] = { w->cut[1][0], w->cut[1][1] };
	unsigned n = w->nkept;

	w->cut[1][0] = w->cut[1][1] = true;
	send_message(w, 1, CHAN_DLM, w->told[0].next[CHAN_DLM], 100);
	w->cut[1][0] = was[0];
	w->cut[1][1] = was[1];
	ATF_REQUIRE(w->nkept > n);
	return &w->kept[n];
}

ATF_TC_WITHOUT_HEAD(altered_datagrams);
ATF_TC_BODY(altered_datagrams, tc)
{
	struct world *w = connected();
	struct datagram *d = unseen(w);
	struct told before;
	uint64_t n = refused(w, 0);
	unsigned i;

	before = w->told[0];
	for (i = 0; i < d->len; i++) {
		d->data[i] ^= 0x20;
		packet(w, 0, d->link, d->data, d->len);
		d->data[i] ^= 0x20;
	}
	ATF_CHECK_EQ(n + d->len, refused(w, 0));
	ATF_CHECK_EQ(before.messages, w->told[0].messages);
	ATF_CHECK_EQ(before.down + before.gone,
	    w->told[0].down + w->told[0].gone);
	/* None of them used its place up. */
	packet(w, 0, d->link, d->data, d->len);
	ATF_CHECK_EQ(before.messages + 1, w->told[0].messages);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(truncated_and_oversized);
ATF_TC_BODY(truncated_and_oversized, tc)
{
	struct world *w = connected();
	struct datagram *d = unseen(w);
	static uint8_t big[65536];
	uint64_t n = refused(w, 0);
	size_t len;

	for (len = 0; len < d->len; len++)
		packet(w, 0, d->link, d->data, len);
	ATF_CHECK_EQ(n + d->len, refused(w, 0));
	memcpy(big, d->data, d->len);
	packet(w, 0, d->link, big, sizeof(big));
	packet(w, 0, d->link, big, WIRE_DATAGRAM_MAX + 1);
	packet(w, 0, 7, d->data, d->len);
	ATF_CHECK_EQ(n + d->len + 3, refused(w, 0));
	ATF_CHECK_EQ(0, w->told[0].messages);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(random_datagrams);
ATF_TC_BODY(random_datagrams, tc)
{
	struct world *w = connected();
	struct datagram *d = unseen(w);
	uint8_t data[WIRE_DATAGRAM_MAX];
	uint64_t n = refused(w, 0);
	unsigned i, k;
	size_t len;

	for (i = 0; i < 5000; i++) {
		len = rng_below(&w->net, sizeof(data));
		for (k = 0; k < len; k++)
			data[k] = (uint8_t)rng_u64(&w->net);
		/* Half of them with a true header in front. */
		if (i % 2 == 0)
			memcpy(data, d->data,
			    MIN(len, (size_t)WIRE_HEADER_LEN));
		packet(w, 0, d->link, data, len);
	}
	ATF_CHECK_EQ(n + 5000, refused(w, 0));
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(replayed_datagrams);
ATF_TC_BODY(replayed_datagrams, tc)
{
	struct world *w = connected();
	unsigned i, k, n;
	uint64_t replays = 0;

	for (i = 0; i < 50; i++) {
		send_message(w, 1, CHAN_DLM, i, 100);
		run(w, 10000);
	}
	ATF_REQUIRE_EQ(50, w->told[0].messages);
	n = w->nkept;
	replays = link_rejects(w->l[0], 2, LR_REPLAY);
	for (k = 0, i = 0; i < n; i++)
		if (w->kept[i].to == 0) {
			packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
			k++;
		}
	ATF_CHECK_EQ(replays + k, link_rejects(w->l[0], 2, LR_REPLAY));
	ATF_CHECK_EQ(50, w->told[0].messages);
	world_free(w);
}

/* Records keep nobody alive: replays do not count as being heard. */
ATF_TC_WITHOUT_HEAD(replays_do_not_hide_a_death);
ATF_TC_BODY(replays_do_not_hide_a_death, tc)
{
	struct world *w = connected();
	unsigned i, n;

	run(w, 1000000);
	link_free(w->l[1]);
	w->l[1] = NULL;
	n = w->nkept;
	for (i = 0; i < 400 && w->told[0].down == 0; i++) {
		if (w->kept[i % n].to == 0)
			packet(w, 0, w->kept[i % n].link, w->kept[i % n].data,
			    w->kept[i % n].len);
		run(w, 10000);
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* A node that has just started believes no record of a former life. */
ATF_TC_WITHOUT_HEAD(records_start_no_session);
ATF_TC_BODY(records_start_no_session, tc)
{
	struct world *w = connected();
	unsigned i, n;

	run(w, 1000000);
	n = w->nkept;
	link_free(w->l[1]);
	w->l[1] = NULL;
	start(w, 0, 101, key);
	settle(w, 0);
	for (i = 0; i < n; i++)
		if (w->kept[i].to == 0)
			packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	run(w, 2000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK(!link_session(w->l[0], 2, NULL));
	/* The living node is believed all the same. */
	start(w, 1, 201, key);
	settle(w, 1);
	run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	world_free(w);
}

static void
never_meet(struct world *w, enum link_reject why, const char *event)
{
	run(w, 3000000);
	ATF_CHECK_EQ(0, w->told[0].up + w->told[1].up);
	ATF_CHECK(link_rejects(w->l[0], 0, why) > 0);
	ATF_CHECK(link_rejects(w->l[1], 0, why) > 0);
	ATF_CHECK_MSG(strstr(w->told[0].event, event) != NULL, "%s",
	    w->told[0].event);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(wrong_key);
ATF_TC_BODY(wrong_key, tc)
{
	static const uint8_t other[32] = { 9 };
	struct world *w = world_new();

	start(w, 0, 100, key);
	start(w, 1, 200, other);
	settle(w, 0);
	settle(w, 1);
	never_meet(w, LR_KEY, "node 2: ");
}

ATF_TC_WITHOUT_HEAD(foreign_cluster);
ATF_TC_BODY(foreign_cluster, tc)
{
	struct world *w = world_new();

	conf_free(w->conf[1]);
	w->conf[1] = make_conf("another");
	start(w, 0, 100, key);
	start(w, 1, 200, key);
	settle(w, 0);
	settle(w, 1);
	never_meet(w, LR_CLUSTER, "another cluster than test");
}

ATF_TC_WITHOUT_HEAD(different_configuration);
ATF_TC_BODY(different_configuration, tc)
{
	struct world *w = world_new();

	w->conf[1]->nodes[0].votes = 3;
	conf_hash(w->conf[1]);
	start(w, 0, 100, key);
	start(w, 1, 200, key);
	settle(w, 0);
	settle(w, 1);
	never_meet(w, LR_CONF, "its cluster.yaml differs from ours");
}

ATF_TC_WITHOUT_HEAD(names_of_reasons);
ATF_TC_BODY(names_of_reasons, tc)
{
	unsigned i, k;

	for (i = 0; i < LR_MAX; i++) {
		ATF_CHECK(strlen(link_reject_name((enum link_reject)i)) > 2);
		for (k = 0; k < i; k++)
			ATF_CHECK(
			    strcmp(link_reject_name((enum link_reject)i),
				link_reject_name((enum link_reject)k)) != 0);
	}
}

/* ---- the beat process ------------------------------------------------------ */

/* That of node 2 in this incarnation; its key may be that of something else. */
static struct beat *
beat_of(struct world *w, uint64_t inc, enum seal_use use)
{
	struct seal_key k;
	struct beat *b;

	seal_derive(&k, key, use, 2, inc);
	b = beat_new(w->conf[1], 2, inc, &k);
	ATF_REQUIRE(b != NULL);
	return b;
}

static unsigned
post_all(struct world *w, struct actions *out)
{
	struct action *act;
	unsigned n = 0;

	while ((act = actions_take(out)) != NULL) {
		ATF_CHECK_EQ(1, act->node);
		sent(w, 1, act);
		free(act);
		n++;
	}
	return n;
}

/* Lets time pass with a beat process that ticks. */
static void
run_with_beat(struct world *w, struct beat *b, uint64_t us, uint64_t rounds)
{
	uint64_t hb = w->conf[1]->heartbeat_us;
	struct actions out;

	actions_init(&out);
	for (; us >= hb; us -= hb) {
		run(w, hb);
		beat_tick(b, w->now, rounds, &out);
		(void)post_all(w, &out);
	}
}

ATF_TC_WITHOUT_HEAD(stall_is_not_death);
ATF_TC_BODY(stall_is_not_death, tc)
{
	struct world *w = connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);

	run_with_beat(w, b, 500000, 1);
	w->asleep[1] = true;
	run_with_beat(w, b, 2500000, 1);
	ATF_CHECK_EQ(0, w->told[0].down);
	/* It runs again, as if nothing had been. */
	w->asleep[1] = false;
	run(w, 1000000);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[1].down + w->told[1].gone);
	/* But not for ever. */
	w->asleep[1] = true;
	run_with_beat(w, b, 4000000, 1);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(strstr(w->told[0].why, "engine has not run") != NULL,
	    "%s", w->told[0].why);
	beat_free(b);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(beat_is_silent_while_engine_runs);
ATF_TC_BODY(beat_is_silent_while_engine_runs, tc)
{
	struct world *w = connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);
	struct actions out;
	uint64_t i;

	actions_init(&out);
	/* Not begun yet, then running. */
	for (i = 0; i < 10; i++)
		beat_tick(b, i * 100000, 0, &out);
	for (i = 0; i < 10; i++)
		beat_tick(b, i * 100000, 1 + i, &out);
	beat_tick(b, i * 100000, i, &out);
	ATF_CHECK_EQ(0, post_all(w, &out));
	beat_tick(b, (i + 1) * 100000, i, &out);
	ATF_CHECK_EQ(2, post_all(w, &out));
	beat_ended(b, WE_EXIT, 1, &out);
	ATF_CHECK_EQ(2 * BEAT_REPEAT, post_all(w, &out));
	beat_tick(b, (i + 2) * 100000, i, &out);
	beat_ended(b, WE_EXIT, 1, &out);
	ATF_CHECK_EQ(0, post_all(w, &out));
	beat_free(b);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(end_is_told_at_once);
ATF_TC_BODY(end_is_told_at_once, tc)
{
	struct world *w = connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);
	struct actions out;

	actions_init(&out);
	w->asleep[1] = true;
	beat_ended(b, WE_SIGNAL, 9, &out);
	(void)post_all(w, &out);
	run(w, 10000);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_EQ(0, w->told[0].gone);
	ATF_CHECK_EQ(200, w->told[0].inc);
	ATF_CHECK_MSG(strstr(w->told[0].why, "signal 9") != NULL, "%s",
	    w->told[0].why);
	beat_free(b);
	world_free(w);
}

/* L7: it is not believed for another life, with another key, or twice. */
ATF_TC_WITHOUT_HEAD(beat_is_checked);
ATF_TC_BODY(beat_is_checked, tc)
{
	static const struct {
		uint64_t inc;
		enum seal_use use;
		enum link_reject why;
	} bad[] = {
		{ 199, SEAL_BEAT, LR_OLD_INCARNATION },
		{ 201, SEAL_BEAT, LR_OLD_INCARNATION },
		{ 200, SEAL_ENGINE, LR_KEY },
	};
	struct world *w = connected();
	uint64_t hb = w->conf[1]->heartbeat_us;
	struct actions out;
	struct beat *b;
	unsigned i, first;

	actions_init(&out);
	for (i = 0; i < NITEMS(bad); i++) {
		b = beat_of(w, bad[i].inc, bad[i].use);
		beat_ended(b, WE_SIGNAL, 9, &out);
		(void)post_all(w, &out);
		run(w, hb);
		ATF_CHECK_MSG(link_rejects(w->l[0], 2, bad[i].why) > 0,
		    "case %u", i);
		beat_free(b);
	}
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	/* Old words about a stall, played again, put nothing off. */
	b = beat_of(w, 200, SEAL_BEAT);
	first = w->nkept;
	run_with_beat(w, b, 5 * hb, 1);
	w->asleep[1] = true;
	ATF_REQUIRE(w->nkept < KEPT);
	while (w->told[0].down == 0 && hb < 3000000) {
		for (i = first; i < w->nkept; i++)
			if (w->kept[i].to == 0)
				packet(w, 0, w->kept[i].link, w->kept[i].data,
				    w->kept[i].len);
		run(w, 50000);
		hb += 50000;
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(hb < 1100000, "it took %llu us", (unsigned long long)hb);
	beat_free(b);
	world_free(w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, session_comes_up);
	ATF_TP_ADD_TC(tp, messages_in_order);
	ATF_TP_ADD_TC(tp, silence_is_loss);
	ATF_TP_ADD_TC(tp, own_pause_suspects_nobody);
	ATF_TP_ADD_TC(tp, one_link_is_enough);
	ATF_TP_ADD_TC(tp, reset_breaks_both_sides);
	ATF_TP_ADD_TC(tp, new_incarnation_replaces_old);
	ATF_TP_ADD_TC(tp, goodbye_is_final);
	ATF_TP_ADD_TC(tp, slow_peer_is_dropped);
	ATF_TP_ADD_TC(tp, altered_datagrams);
	ATF_TP_ADD_TC(tp, truncated_and_oversized);
	ATF_TP_ADD_TC(tp, random_datagrams);
	ATF_TP_ADD_TC(tp, replayed_datagrams);
	ATF_TP_ADD_TC(tp, replays_do_not_hide_a_death);
	ATF_TP_ADD_TC(tp, records_start_no_session);
	ATF_TP_ADD_TC(tp, wrong_key);
	ATF_TP_ADD_TC(tp, foreign_cluster);
	ATF_TP_ADD_TC(tp, different_configuration);
	ATF_TP_ADD_TC(tp, names_of_reasons);
	ATF_TP_ADD_TC(tp, stall_is_not_death);
	ATF_TP_ADD_TC(tp, beat_is_silent_while_engine_runs);
	ATF_TP_ADD_TC(tp, end_is_told_at_once);
	ATF_TP_ADD_TC(tp, beat_is_checked);
	return atf_no_error();
}
