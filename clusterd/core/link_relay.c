/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The path of last resort: a third node passes on what two nodes cannot tell
 * each other directly.  It passes on whole datagrams that it can neither read
 * nor forge, for they stay sealed from end to end.
 *
 *	direct -> searching	no link has worked both ways for two beats
 *	searching -> relayed	the peer is heard over a third node
 *	relayed -> direct	a link has worked both ways for eight beats
 *
 * Who searches sends its beats over several neighbours in turn; who passes
 * something back is kept until it does not for two beats, whatever others pass
 * on.  Of the two nodes the one with the lower number chooses and the other
 * follows, or each might leave what the other has just gone to.  To the
 * session this is one more path: silence on it counts as on any other.
 *
 * L9	One hop: what came relayed is never passed on, and a relay passes on
 *	only over a link of its own that works.
 *
 * clusterd-protocol(7), section 4.7.
 */

#include "link_int.h"

#define RELAY_TRIES	4 /* neighbours asked at each beat */
#define RELAY_WINDOW_US UINT64_C(100000)
#define RELAY_MOST	2000 /* datagrams of a sender in a window */

/* The second beat is late. */
static uint64_t
missed(const struct link_layer *l)
{
	return 2 * l->conf->heartbeat_us;
}

static bool
recent(const struct link_layer *l, const struct path *path, uint64_t now)
{
	return path->up && link_counts(l, path->last_heard) + missed(l) > now;
}

/*
 * A direct link that loses every other beat is no link, if there is a relay,
 * and none on which only what was long under way comes: of what is no beat
 * nobody knows how long it was.  Nor is one that is too narrow for data.
 */
static bool
carries(const struct link_layer *l, const struct path *path, uint64_t now)
{
	bool bad = path->loss > 65536 / 2 || path->late > 0 ||
	    path->mtu.narrow ||
	    link_counts(l, path->beat_at) + path_patience(l) <= now;

#if MUTANT == 128
	bad = path->loss > 65536 / 2;
#elif MUTANT == 132
	bad = bad && !path->mtu.narrow;
#endif
	return recent(l, path, now) &&
	    !(bad && l->conf->relay && l->npeers > 1);
}

bool
relay_recent(const struct link_layer *l, const struct peer *p, unsigned link,
    uint64_t now)
{
	return carries(l, &p->paths[link], now);
}

static bool
two_way(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++)
		if (carries(l, &p->paths[i], now) && p->paths[i].heard_there)
			return true;
	return false;
}

/* A link that is dead but for a datagram now and then is no way back. */
static bool
steady(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	return p->two_way_since != 0 &&
	    p->two_way_since + 8 * l->conf->heartbeat_us <= now;
}

bool
relay_wanted(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	const struct path *path = &p->paths[LINK_RELAY];

#if MUTANT == 109
	return false;
#endif
	/* No other node could help. */
	if (!l->conf->relay || l->npeers < 2)
		return false;
	if (two_way(l, p, now))
		return recent(l, path, now) && !steady(l, p, now);
	/* The peer asks for it, or we have missed it for long enough. */
	return recent(l, path, now) || p->two_way_at + missed(l) <= now;
}

bool
relay_passes_on(const struct link_layer *l, const struct peer *r, uint64_t now)
{
	return r->up && two_way(l, r, now);
}

/* The one that passes on for us does so still. */
static bool
works(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	const struct peer *r = link_peer(l, p->relay);

	return r != NULL && relay_passes_on(l, r, now) &&
	    link_counts(l, p->relay_at) + missed(l) > now;
}

void
relay_send(struct link_layer *l, struct peer *p, struct bus *bus)
{
	/* An answer goes back the way of what it answers. */
	struct peer *r = link_peer(l, l->via != 0 ? l->via : p->relay);
	uint8_t inner[WIRE_RELAY_MAX];
	size_t len;

	if (r == NULL || !r->up || l->plain.len > WIRE_RELAY_PLAIN_MAX)
		return;
	link_seal(l, p, WIRE_LINK_RELAY, &l->plain);
	len = l->out.len;
	memcpy(inner, l->out.data, len);
	relay_frame(l, r, WF_RELAY, p->id, inner, len, bus);
}

void
relay_frame(struct link_layer *l, struct peer *r, enum wire_frame type,
    uint16_t node, const uint8_t *data, size_t len, struct bus *bus)
{
	struct wire_preamble pre = { r->seq, r->nonce, r->cur.nonce };
	struct wire_relay f = { node, data, len };
	unsigned link = path_best(l, r);
	struct action *act;

	if (link == LINK_RELAY)
		return; /* L9 */
	wbuf_reset(&l->outer);
	wire_put_preamble(&l->outer, &pre);
	wire_put_relay(&l->outer, type, &f);
	link_seal(l, r, link, &l->outer);
	act = actions_add(bus->out, ACT_SEND, l->out.data, l->out.len);
	act->node = r->id;
	act->link = link;
}

/* One beat to p over each of the next neighbours. */
static void
search(struct link_layer *l, struct peer *p, struct bus *bus)
{
	unsigned i, n, tries = 0;
	uint16_t old = p->relay;
	struct peer *r;

	for (n = 0; n < l->npeers && tries < RELAY_TRIES; n++) {
		i = (p->relay_try + n) % l->npeers;
		r = &l->peers[i];
		if (r == p || !relay_passes_on(l, r, bus->now))
			continue;
		p->relay = r->id;
		session_beat_link(l, p, LINK_RELAY, bus);
		tries++;
	}
	p->relay_try = (p->relay_try + n) % l->npeers;
	p->relay = old;
}

void
relay_beat(struct link_layer *l, struct peer *p, struct bus *bus)
{
	if (!relay_wanted(l, p, bus->now))
		return;
	if (works(l, p, bus->now))
		session_beat_link(l, p, LINK_RELAY, bus);
	else
		search(l, p, bus);
}

void
relay_found(struct link_layer *l, const struct peer *r)
{
	struct peer *p;

#if MUTANT == 129
	return;
#endif
	for (p = l->peers; p < l->peers + l->npeers; p++) {
		if (p == r || !relay_wanted(l, p, l->last_step))
			continue;
		if (p->relay != r->id && works(l, p, l->last_step))
			continue;
		p->beat_at = MIN(p->beat_at, l->last_step);
		due_touch(l, p);
	}
}

void
relay_heard(struct link_layer *l, struct peer *p, struct bus *bus)
{
	const struct peer *r = link_peer(l, l->via);
	bool follow = p->id < l->self;

	if (l->via != p->relay && !works(l, p, bus->now))
		p->relay = l->via;
	else if (l->via != p->relay && follow &&
	    relay_passes_on(l, r, bus->now))
		p->relay = l->via;
	if (l->via == p->relay)
		p->relay_at = MAX(p->relay_at, l->at);
}

void
relay_watch(struct link_layer *l, struct peer *p, struct bus *bus)
{
	bool by;

	if (!two_way(l, p, bus->now))
		p->two_way_since = 0;
	else if (p->two_way_since == 0)
		p->two_way_since = bus->now;
	if (p->two_way_since != 0)
		p->two_way_at = MAX(p->two_way_at, bus->now);
	by = p->up && path_best(l, p) == LINK_RELAY;
	if (by && p->told_relay != p->relay)
		bus_event(bus, EVK_LINK, EVL_WARN,
		    "node %u: no direct path, relayed by node %u, because no "
		    "link works in both directions",
		    p->id, p->relay);
	else if (!by && p->told_relay != 0)
		bus_event(bus, EVK_LINK, EVL_INFO,
		    "node %u: no longer relayed by node %u, because %s", p->id,
		    p->told_relay,
		    p->up && two_way(l, p, bus->now) ?
			"a link works in both directions again" :
			"it is not heard that way any more");
	p->told_relay = by ? p->relay : 0;
}

/* A sender cannot make us send without bound. */
static bool
within_rate(struct peer *p, uint64_t now)
{
	if (now - p->relay_since >= RELAY_WINDOW_US) {
		p->relay_since = now;
		p->relay_count = 0;
	}
	return ++p->relay_count <= RELAY_MOST;
}

/* p asks us to pass something on. */
static void
pass_on(struct link_layer *l, struct peer *p, const struct wire_relay *f,
    struct bus *bus)
{
	struct peer *to = link_peer(l, f->node);

	if (to == NULL || to == p) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: not relayed, because node %u is not another "
		    "node here",
		    p->id, f->node);
		return;
	}
	if (!within_rate(p, bus->now)) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: not relayed, because it sends too much", p->id);
		return;
	}
	/* It could not know that we cannot help: it asks another one. */
	if (to->up && path_best(l, to) != LINK_RELAY)
		relay_frame(l, to, WF_RELAYED, p->id, f->data, f->len, bus);
}

bool
relay_take(struct link_layer *l, struct peer *p, unsigned link, uint8_t type,
    struct rbuf *body, struct bus *bus)
{
	struct wire_relay f;

	if (!wire_get_relay(body, &f))
		return false;
	if (!l->conf->relay) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: not relayed, because transport.relay is false",
		    p->id);
		return true;
	}
#if MUTANT != 125
	if (link == LINK_RELAY) { /* L9 */
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: not relayed, because it came relayed", p->id);
		return true;
	}
#endif
	if (type == WF_RELAY) {
		pass_on(l, p, &f, bus);
		return true;
	}
	if (f.node == p->id || link_peer(l, f.node) == NULL) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: what it relays refused, because node %u is not "
		    "another node here",
		    p->id, f.node);
		return true;
	}
	l->via = p->id;
	link_relayed(l, f.node, f.data, f.len, bus);
	l->via = 0;
	return true;
}

uint16_t
link_relay(const struct link_layer *l, uint16_t node)
{
	const struct peer *p = link_peer(l, node);

	return p != NULL && p->up && path_best(l, p) == LINK_RELAY ? p->relay :
								     0;
}
