/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * link_relay.c: a pair without a link of its own keeps its session over a
 * third node, and what is passed on is passed on once and never believed
 * unread.
 */

#include <stdio.h>

#include "core/link_int.h"
#include "link_world.h"

#define N 3

/* Three nodes, numbered from 1, and the last datagram from each to each. */
struct three {
	struct conf *conf[N];
	struct link_layer *l[N];
	struct bus bus[N];
	struct actions acts[N];
	struct rng rng[N];
	unsigned up[N], down[N], messages[N];
	STAILQ_HEAD(, datagram) path;
	uint64_t now;
	bool cut[N][N];
	unsigned loss; /* of a thousand, between nodes 1 and 3 */
	size_t mtu;    /* there; 0: no limit */
	struct rng net;
	unsigned sent[N][N];
	struct datagram last[N][N];
	bool keep; /* what is cut off */
	STAILQ_HEAD(, datagram) kept;
	uint64_t crafted;
};

static const uint64_t inc[N] = { 100, 200, 300 };

static void
transmit(struct three *t, unsigned from, const struct action *act)
{
	unsigned to = act->node - 1U;
	struct datagram *d;

	ATF_REQUIRE_EQ(ACT_SEND, act->type);
	t->sent[from][to]++;
	d = &t->last[from][to];
	d->link = act->link;
	d->len = act->len;
	memcpy(d->data, act->data, act->len);
	if (t->cut[from][to] && !t->keep)
		return;
	if (from != 1 && to != 1 && rng_below(&t->net, 1000) < t->loss)
		return;
	if (from != 1 && to != 1 && t->mtu != 0 && act->len > t->mtu)
		return;
	d = calloc(1, sizeof(*d));
	ATF_REQUIRE(d != NULL);
	*d = t->last[from][to];
	d->to = to;
	d->at = t->now + LATENCY;
	if (t->cut[from][to])
		STAILQ_INSERT_TAIL(&t->kept, d, entry);
	else
		STAILQ_INSERT_TAIL(&t->path, d, entry);
}

static void
settle(struct three *t, unsigned i)
{
	struct action *act;
	struct note *n;

	link_flush(t->l[i], &t->bus[i]);
	link_check(t->l[i]);
	while ((n = bus_take(&t->bus[i])) != NULL) {
		t->up[i] += n->type == NOTE_PEER_UP;
		t->down[i] += n->type == NOTE_PEER_DOWN;
		t->messages[i] += n->type == NOTE_MESSAGE;
		free(n);
	}
	while ((act = actions_take(&t->acts[i])) != NULL) {
		transmit(t, i, act);
		free(act);
	}
}

static void
arrive(struct three *t, unsigned i, unsigned link, const uint8_t *data,
    size_t len)
{
	t->bus[i].now = t->now;
	link_packet(t->l[i], link, t->now, data, len, &t->bus[i]);
	settle(t, i);
}

static void
run(struct three *t, uint64_t us)
{
	uint64_t until = t->now + us, at;
	struct datagram *d;
	unsigned i;

	for (;;) {
		d = STAILQ_FIRST(&t->path);
		at = d != NULL ? d->at : UINT64_MAX;
		for (i = 0; i < N; i++)
			at = MIN(at, link_deadline(t->l[i]));
		if (at > until)
			break;
		t->now = MAX(t->now, at);
		if (d != NULL && d->at <= t->now) {
			STAILQ_REMOVE_HEAD(&t->path, entry);
			arrive(t, d->to, d->link, d->data, d->len);
			free(d);
			continue;
		}
		for (i = 0; i < N; i++) {
			if (link_deadline(t->l[i]) > t->now)
				continue;
			t->bus[i].now = t->now;
			link_timer(t->l[i], &t->bus[i]);
			settle(t, i);
		}
	}
	t->now = until;
}

static struct conf *
three_conf(void)
{
	struct conf *c = world_conf("test");

	c->nnodes = N;
	c->nodes[2].id = 3;
	c->nodes[2].nlinks = c->nlinks;
	c->nodes[2].votes = 1;
	strlcpy(c->nodes[2].name, "n3", sizeof(c->nodes[2].name));
	c->mtu = CONF_MTU_MIN;
	conf_hash(c);
	return c;
}

static struct three *
three_new(void)
{
	struct three *t = calloc(1, sizeof(*t));
	struct keyring ring;
	unsigned i;

	ATF_REQUIRE(t != NULL);
	STAILQ_INIT(&t->path);
	STAILQ_INIT(&t->kept);
	t->now = 1000000;
	keyring_plain(&ring, world_key);
	for (i = 0; i < N; i++) {
		uint64_t seed[4] = { i + 1, 2, 3, 4 };

		t->conf[i] = three_conf();
		t->l[i] =
		    link_new(t->conf[i], (uint16_t)(i + 1), inc[i], &ring);
		ATF_REQUIRE(t->l[i] != NULL);
		rng_seed(&t->rng[i], seed);
		rng_seed(&t->net, seed);
		bus_init(&t->bus[i]);
		actions_init(&t->acts[i]);
		t->bus[i].rng = &t->rng[i];
		t->bus[i].out = &t->acts[i];
		t->bus[i].now = t->now;
		link_timer(t->l[i], &t->bus[i]);
		settle(t, i);
	}
	run(t, 2000000);
	for (i = 0; i < N; i++)
		ATF_REQUIRE_EQ(2, t->up[i]);
	return t;
}

static void
three_free(struct three *t)
{
	struct datagram *d;
	unsigned i;

	STAILQ_CONCAT(&t->path, &t->kept);
	while ((d = STAILQ_FIRST(&t->path)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->path, entry);
		free(d);
	}
	for (i = 0; i < N; i++) {
		bus_clear(&t->bus[i]);
		actions_clear(&t->acts[i]);
		link_free(t->l[i]);
		conf_free(t->conf[i]);
	}
	free(t);
}

static void
message(struct three *t, unsigned from, unsigned to, size_t len)
{
	uint8_t data[3000] = { 0 };
	struct note *n;

	t->bus[from].now = t->now;
	n = bus_note(&t->bus[from], NOTE_SEND, data, len);
	n->node = (uint16_t)(to + 1);
	n->chan = CHAN_DLM;
	n = bus_take(&t->bus[from]);
	link_note(t->l[from], n, &t->bus[from]);
	free(n);
	settle(t, from);
}

/* Nodes 1 and 3 do not hear each other any more; or one not the other. */
static void
survives(bool back)
{
	struct three *t = three_new();
	unsigned i;

	t->cut[0][2] = true;
	t->cut[2][0] = back;
	run(t, 20000000);
	ATF_CHECK_EQ(2, link_relay(t->l[0], 3));
	ATF_CHECK_EQ(2, link_relay(t->l[2], 1));
	ATF_CHECK_EQ(0, link_relay(t->l[0], 2));
	for (i = 0; i < 50; i++) {
		message(t, 0, 2, 3000);
		message(t, 2, 0, 10 * i + 1);
	}
	run(t, 2000000);
	ATF_CHECK_EQ(50, t->messages[0]);
	ATF_CHECK_EQ(50, t->messages[2]);
	memset(t->cut, 0, sizeof(t->cut));
	run(t, 2000000);
	ATF_CHECK_EQ(0, link_relay(t->l[0], 3));
	ATF_CHECK_EQ(0, link_relay(t->l[2], 1));
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	three_free(t);
}

ATF_TC_WITHOUT_HEAD(delivered);
ATF_TC_BODY(delivered, tc)
{
	survives(true);
	survives(false);
}

/* Heartbeats pass between nodes 1 and 3, and nothing longer does. */
ATF_TC_WITHOUT_HEAD(around_the_narrow);
ATF_TC_BODY(around_the_narrow, tc)
{
	struct three *t = three_new();
	unsigned i;

	t->mtu = 700;
	for (i = 0; i < 10; i++)
		message(t, 0, 2, 3000);
	run(t, 2500000);
	ATF_CHECK_EQ(10, t->messages[2]);
	ATF_CHECK_EQ(2, link_relay(t->l[0], 3));
	/* It stays that way as long as the link is like that. */
	run(t, 20000000);
	ATF_CHECK_EQ(2, link_relay(t->l[0], 3));
	for (i = 0; i < 10; i++)
		message(t, 2, 0, 3000);
	run(t, 500000);
	ATF_CHECK_EQ(10, t->messages[0]);
	t->mtu = 0;
	run(t, 3000000);
	ATF_CHECK_EQ(0, link_relay(t->l[0], 3));
	ATF_CHECK_EQ(0, link_relay(t->l[2], 1));
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	three_free(t);
}

/*
 * L10.  Somebody keeps what node 1 says to node 3, and gives it to node 3 when
 * node 1 is dead: it has come to nobody before, and proves nothing.
 */
ATF_TC_WITHOUT_HEAD(held_back);
ATF_TC_BODY(held_back, tc)
{
	struct three *t = three_new();
	uint64_t end;
	struct datagram *d;
	unsigned n = 0;

	t->keep = t->cut[0][2] = true;
	run(t, 10000000);
	ATF_REQUIRE_EQ(2, link_relay(t->l[2], 1));
	t->keep = false;
	t->cut[0][1] = true;
	end = t->now + 2 * t->conf[2]->failure_timeout_us;
	while (t->now < end) {
		run(t, t->conf[2]->heartbeat_us / 2);
		d = STAILQ_FIRST(&t->kept);
		ATF_REQUIRE(d != NULL);
		STAILQ_REMOVE_HEAD(&t->kept, entry);
		arrive(t, 2, d->link, d->data, d->len);
		free(d);
		n++;
	}
	ATF_CHECK(n > 10);
	ATF_CHECK_EQ(1, t->down[2]);
	ATF_CHECK_EQ(0, link_rejects(t->l[2], 1, LR_REPLAY));
	three_free(t);
}

/*
 * Somebody keeps what node 1 says to node 3, and gives it to node 3 most of a
 * timeout later: it is heard, but the link is none to rely on.
 */
ATF_TC_WITHOUT_HEAD(long_under_way);
ATF_TC_BODY(long_under_way, tc)
{
	struct three *t = three_new();
	uint64_t age = t->conf[2]->failure_timeout_us * 3 / 4;
	struct datagram *d;
	unsigned i, relayed = 0;

	t->keep = t->cut[0][2] = true;
	for (i = 0; i < 1200; i++) {
		run(t, 10000);
		while ((d = STAILQ_FIRST(&t->kept)) != NULL &&
		    d->at + age <= t->now) {
			STAILQ_REMOVE_HEAD(&t->kept, entry);
			arrive(t, 2, d->link, d->data, d->len);
			free(d);
		}
		relayed += i >= 200 && link_relay(t->l[0], 3) == 2 &&
		    link_relay(t->l[2], 1) == 2;
	}
	ATF_CHECK_EQ_MSG(1000, relayed, "%u of 1000", relayed);
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	three_free(t);
}

/*
 * Node 3 is away for so long that its links and the relay are given up, comes
 * back, and is heard by all with the first of its beats.
 */
ATF_TC_WITHOUT_HEAD(found_at_once);
ATF_TC_BODY(found_at_once, tc)
{
	struct three *t = three_new();
	uint64_t hb = t->conf[0]->heartbeat_us, back;
	const struct path *path = &link_peer(t->l[0], 3)->paths[LINK_RELAY];
	unsigned i;

	t->cut[0][2] = t->cut[2][0] = true;
	run(t, 2000000);
	for (i = 0; i < 20; i++) {
		ATF_REQUIRE_EQ(2, link_relay(t->l[0], 3));
		t->cut[1][2] = t->cut[2][1] = true;
		run(t, 5 * hb);
		t->cut[1][2] = t->cut[2][1] = false;
		back = t->now;
		run(t, hb + hb / 10 + 10 * LATENCY);
		ATF_CHECK_MSG(path->last_heard > back, "in round %u", i);
		run(t, 10 * hb + i * 7000);
	}
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	three_free(t);
}

/* By the key in the configuration: then the pair falls apart. */
ATF_TC_WITHOUT_HEAD(switched_off);
ATF_TC_BODY(switched_off, tc)
{
	struct three *t = three_new();
	unsigned i;

	for (i = 0; i < N; i++)
		t->conf[i]->relay = false;
	t->cut[0][2] = t->cut[2][0] = true;
	run(t, 20000000);
	ATF_CHECK_EQ(1, t->down[0]);
	ATF_CHECK_EQ(0, t->down[1]);
	ATF_CHECK_EQ(1, t->down[2]);
	three_free(t);
}

/* For how many of these beats was the pair of nodes 1 and 3 relayed? */
static unsigned
relayed_for(struct three *t, unsigned beats)
{
	unsigned n = 0, i;

	for (i = 0; i < beats; i++) {
		run(t, t->conf[0]->heartbeat_us);
		n += link_relay(t->l[0], 3) != 0 && link_relay(t->l[2], 1) != 0;
	}
	return n;
}

static void
cut(struct three *t, bool on)
{
	t->cut[0][2] = t->cut[2][0] = on;
}

/* ... and for how many did node 1 send its beats to node 3 that way, too? */
static unsigned
wanted_for(struct three *t, unsigned beats)
{
	unsigned n = 0, i;

	for (i = 0; i < beats; i++) {
		run(t, t->conf[0]->heartbeat_us);
		n += relay_wanted(t->l[0], link_peer(t->l[0], 3), t->now);
	}
	return n;
}

/*
 * The relay is kept until a link has worked both ways for eight beats: the two
 * of them count after which it is known that it does not.  It takes four more
 * until each has heard so from the other.
 */
ATF_TC_WITHOUT_HEAD(comes_back_late);
ATF_TC_BODY(comes_back_late, tc)
{
	struct three *t = three_new();
	unsigned i, n;

	cut(t, true);
	(void)wanted_for(t, 200);
	for (i = 0; i < 10; i++) {
		cut(t, false);
		n = wanted_for(t, 5);
		ATF_CHECK_EQ_MSG(5, n, "round %u: for %u beats of 5", i, n);
		cut(t, true);
		n = wanted_for(t, 5);
		ATF_CHECK_EQ_MSG(5, n, "round %u: for %u of 5 cut", i, n);
	}
	cut(t, false);
	n = wanted_for(t, 100);
	ATF_CHECK_MSG(n >= 12 && n < 20, "for %u beats more", n);
	ATF_CHECK_EQ(0, wanted_for(t, 50));
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	three_free(t);
}

/* Whether a link that loses some of it is one: more than half is too much. */
ATF_TC_WITHOUT_HEAD(lossy);
ATF_TC_BODY(lossy, tc)
{
	struct three *t = three_new();
	unsigned i, n;

	t->loss = 250;
	n = relayed_for(t, 400);
	ATF_CHECK_MSG(n < 100, "a quarter is lost: relayed for %u beats", n);
	t->loss = 650;
	(void)relayed_for(t, 100);
	n = relayed_for(t, 400);
	ATF_CHECK_MSG(n > 360, "two thirds are lost: relayed for %u beats", n);
	for (i = 0; i < N; i++)
		ATF_CHECK_EQ(0, t->down[i]);
	t->loss = 0;
	(void)relayed_for(t, 100);
	ATF_CHECK_EQ(0, relayed_for(t, 100));
	three_free(t);
}

/* A good datagram of the session that stands, with these frames. */
static size_t
craft(struct three *t, unsigned from, unsigned to, unsigned link,
    const struct wbuf *frames, uint8_t *out)
{
	const struct datagram *d = &t->last[from][to];
	uint8_t plain[WIRE_PLAIN_MAX];
	struct wire_preamble pre;
	struct wire_header h;
	struct seal_key key;
	struct wbuf w, p;
	struct rbuf r;
	size_t len;

	seal_derive(&key, world_key, SEAL_ENGINE, (uint16_t)(from + 1),
	    inc[from]);
	rbuf_init(&r, d->data, d->len);
	ATF_REQUIRE(wire_get_header(&r, &h));
	ATF_REQUIRE(seal_open(&key, h.to, h.counter, d->data, WIRE_HEADER_LEN,
	    d->data + WIRE_HEADER_LEN, d->len - WIRE_HEADER_LEN, plain));
	rbuf_init(&r, plain, d->len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	wire_get_preamble(&r, &pre);
	h.counter += ++t->crafted;
	h.link = (uint8_t)link;
	wbuf_init(&w, WIRE_DATAGRAM_MAX);
	wbuf_init(&p, WIRE_PLAIN_MAX);
	wire_put_header(&w, &h);
	wire_put_preamble(&p, &pre);
	wbuf_bytes(&p, frames->data, frames->len);
	ATF_REQUIRE(!w.err && !p.err);
	memcpy(out, w.data, WIRE_HEADER_LEN);
	seal_box(&key, h.to, h.counter, out, WIRE_HEADER_LEN, p.data, p.len,
	    out + WIRE_HEADER_LEN);
	len = WIRE_HEADER_LEN + p.len + WIRE_TAG_LEN;
	wbuf_free(&w);
	wbuf_free(&p);
	return len;
}

/* Node `from` tells node `to` this frame, of either type. */
static void
tell(struct three *t, unsigned from, unsigned to, enum wire_frame type,
    uint16_t node, const uint8_t *data, size_t len)
{
	uint8_t out[WIRE_DATAGRAM_MAX];
	struct wbuf w;
	size_t n;

	wbuf_init(&w, WIRE_PLAIN_MAX);
	wbuf_u8(&w, (uint8_t)type);
	wbuf_u16(&w, (uint16_t)(2 + len));
	wbuf_u16(&w, node);
	wbuf_bytes(&w, data, len);
	n = craft(t, from, to, t->last[from][to].link, &w, out);
	arrive(t, to, t->last[from][to].link, out, n);
	wbuf_free(&w);
}

/* What node 1 would have node 2 pass on to node 3, with this frame in it. */
static size_t
inner(struct three *t, unsigned link, enum wire_frame type, uint16_t node,
    uint8_t *out)
{
	uint8_t junk[100] = { 0 };
	struct wbuf w;
	size_t len;

	wbuf_init(&w, WIRE_PLAIN_MAX);
	wbuf_u8(&w, (uint8_t)type);
	wbuf_u16(&w, 2 + sizeof(junk));
	wbuf_u16(&w, node);
	wbuf_bytes(&w, junk, sizeof(junk));
	len = craft(t, 0, 2, link, &w, out);
	wbuf_free(&w);
	return len;
}

static uint64_t
rejects(const struct three *t, uint16_t node, enum link_reject why)
{
	return link_rejects(t->l[2], node, why);
}

ATF_TC_WITHOUT_HEAD(one_hop);
ATF_TC_BODY(one_hop, tc)
{
	struct three *t = three_new();
	uint8_t in[WIRE_DATAGRAM_MAX];
	unsigned before;
	size_t len;

	/* Node 3 is asked by node 1, over node 2, to pass something on. */
	len = inner(t, WIRE_LINK_RELAY, WF_RELAY, 2, in);
	before = t->sent[2][1];
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(1, rejects(t, 1, LR_RELAY));
	ATF_CHECK_EQ(before, t->sent[2][1]);
	len = inner(t, WIRE_LINK_RELAY, WF_RELAYED, 2, in);
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(2, rejects(t, 1, LR_RELAY));
	ATF_CHECK_EQ(before, t->sent[2][1]);
	/* Of the directly connected node it does the same. */
	tell(t, 0, 2, WF_RELAY, 2, in, len);
	ATF_CHECK_EQ(2, rejects(t, 1, LR_RELAY));
	ATF_CHECK_EQ(before + 1, t->sent[2][1]);
	three_free(t);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	struct three *t = three_new();
	uint8_t in[WIRE_DATAGRAM_MAX] = { 0 };
	size_t len;

	/* Unknown, the sender itself, and we: none of them is another node. */
	tell(t, 1, 2, WF_RELAY, 9, in, 100);
	tell(t, 1, 2, WF_RELAY, 2, in, 100);
	tell(t, 1, 2, WF_RELAY, 3, in, 100);
	tell(t, 1, 2, WF_RELAYED, 9, in, 100);
	tell(t, 1, 2, WF_RELAYED, 2, in, 100);
	tell(t, 1, 2, WF_RELAYED, 3, in, 100);
	ATF_CHECK_EQ(6, rejects(t, 2, LR_RELAY));
	/* Its length. */
	ATF_CHECK_EQ(0, rejects(t, 2, LR_MALFORMED));
	tell(t, 1, 2, WF_RELAY, 1, in, WIRE_RELAY_MAX + 1);
	tell(t, 1, 2, WF_RELAY, 1, in, WIRE_HEADER_LEN + WIRE_TAG_LEN - 1);
	ATF_CHECK_EQ(2, rejects(t, 2, LR_MALFORMED));
	/* Not meant to be relayed; not of the node that is named. */
	len = inner(t, 0, WF_RELAY, 2, in);
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(1, rejects(t, 1, LR_RELAY));
	memcpy(in, t->last[1][2].data, t->last[1][2].len);
	tell(t, 1, 2, WF_RELAYED, 1, in, t->last[1][2].len);
	ATF_CHECK_EQ(7, rejects(t, 2, LR_RELAY));
	/* Forged, and said again. */
	len = inner(t, WIRE_LINK_RELAY, WF_RELAY, 2, in);
	in[len - 1] ^= 1;
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(1, rejects(t, 1, LR_KEY));
	in[len - 1] ^= 1;
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(2, rejects(t, 1, LR_RELAY));
	tell(t, 1, 2, WF_RELAYED, 1, in, len);
	ATF_CHECK_EQ(1, rejects(t, 1, LR_REPLAY));
	/* Switched off. */
	t->conf[2]->relay = false;
	tell(t, 1, 2, WF_RELAY, 1, in, 100);
	ATF_CHECK_EQ(8, rejects(t, 2, LR_RELAY));
	three_free(t);
}

ATF_TC_WITHOUT_HEAD(rate);
ATF_TC_BODY(rate, tc)
{
	struct three *t = three_new();
	uint8_t in[100] = { 0 };
	unsigned i, before = t->sent[2][0];

	for (i = 0; i < 2010; i++)
		tell(t, 1, 2, WF_RELAY, 1, in, sizeof(in));
	ATF_CHECK_EQ(before + 2000, t->sent[2][0]);
	ATF_CHECK_EQ(10, rejects(t, 2, LR_RELAY));
	t->now += 100000;
	tell(t, 1, 2, WF_RELAY, 1, in, sizeof(in));
	ATF_CHECK_EQ(10, rejects(t, 2, LR_RELAY));
	three_free(t);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, delivered);
	ATF_TP_ADD_TC(tp, around_the_narrow);
	ATF_TP_ADD_TC(tp, held_back);
	ATF_TP_ADD_TC(tp, long_under_way);
	ATF_TP_ADD_TC(tp, found_at_once);
	ATF_TP_ADD_TC(tp, switched_off);
	ATF_TP_ADD_TC(tp, comes_back_late);
	ATF_TP_ADD_TC(tp, lossy);
	ATF_TP_ADD_TC(tp, one_hop);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, rate);
	return atf_no_error();
}
