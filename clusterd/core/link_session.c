/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Sessions.  Each side has a nonce for the other, and tells it in front of
 * every datagram together with the other's nonce as it knows it.
 *
 *	down		every beat carries HELLO: versions and configuration
 *	down -> up	a datagram echoes our nonce, and its own nonce came in
 *			a HELLO that we could accept
 *	up -> down	silence; the peer shows a newer session (its seq is
 *			higher); it broke the rules; it is too slow; reset
 *
 * A newer incarnation of the peer takes the place of the one we know when it
 * echoes our nonce and the older one is over: it said so, or its beat process
 * did, or it has been silent for the failure timeout.  While that one is heard
 * another machine runs as the same node, and the newer one is not believed.
 *
 * Leaving a session makes a new nonce and counts seq up, by which the other
 * side notices even when it heard nothing of the reason.  Late datagrams of a
 * former session show a lower seq and are passed over.
 *
 * clusterd-protocol(7), section 3.
 */

#include <stdio.h>

#include "link_int.h"

static void
new_nonce(struct peer *p, struct bus *bus)
{
	do
		p->nonce = rng_u64(bus->rng);
	while (p->nonce == 0);
	p->seq++;
}

static void
note_gone(struct peer *p, int code, const char *why, struct bus *bus)
{
	struct note *n;

	n = bus_note(bus, NOTE_PEER_GONE, why, strlen(why) + 1);
	n->node = p->id;
	n->inc = p->cur.inc;
	n->code = code;
}

void
session_drop(struct link_layer *l, struct peer *p, const char *why,
    struct bus *bus)
{
	struct note *n;

	if (p->up) {
		bus_event(bus, EVK_LINK, EVL_DEBUG,
		    "node %u: session ends, because %s", p->id, why);
		n = bus_note(bus, NOTE_PEER_DOWN, why, strlen(why) + 1);
		n->node = p->id;
		n->inc = p->cur.inc;
	}
	p->up = false;
	p->cur.nonce = 0;
	new_nonce(p, bus);
	stream_reset(p->stream);
	/* The peer learns from our next datagram, so it goes now. */
	p->beat_at = bus->now;
}

/* A session may have these. */
static uint64_t
own_features(const struct link_layer *l)
{
#if MUTANT == 126
	return l->features | FEATURE_AES;
#endif
	return l->features | (seal_aes_works() ? FEATURE_AES : 0);
}

static void
put_hello(struct link_layer *l)
{
	struct wire_hello h = { .vmin = WIRE_VERSION_MIN,
		.vmax = WIRE_VERSION,
		.features = own_features(l) };

	memcpy(h.conf, l->conf->hash, sizeof(h.conf));
	wire_put_hello(&l->plain, &h);
}

/* It is heard, and has not ended: whoever is newer is another machine. */
static bool
older_lives(const struct link_layer *l, const struct peer *p, uint64_t now)
{
#if MUTANT == 136
	return false;
#endif
	return p->cur.inc != 0 && !p->cur.bye &&
	    (p->up ||
		link_counts(l, p->last_heard) + l->conf->failure_timeout_us >
		    now);
}

static void
send_hello(struct link_layer *l, struct peer *p, const struct life *life,
    unsigned link, struct bus *bus)
{
	bool waits = life == &p->cand && older_lives(l, p, bus->now);

	p->greets = life == &p->cand;
	/* Without an echo there is no session for it, either. */
	link_begin(l, p, waits ? 0 : life->nonce);
	put_hello(l);
	path_put_beat(l, p, link, bus->now);
	link_send(l, p, link, bus);
	p->greets = false;
}

/* WIRE_NEXT: what a session of version 2 has more. */
static void
put_pad(struct link_layer *l, const struct peer *p)
{
#ifdef WIRE_NEXT
#if MUTANT != 971
	if (p->cur.version < 2)
		return;
#endif
	wbuf_u8(&l->plain, WF_PAD);
	wbuf_u16(&l->plain, 0);
#endif
}

void
session_beat_link(struct link_layer *l, struct peer *p, unsigned link,
    struct bus *bus)
{
	/* While it proves itself, the newer life is spoken to as well. */
	if (p->up && bus->now > p->cand.heard_at + l->conf->failure_timeout_us)
		p->cand.nonce = 0;
	if (p->cand.nonce != 0)
		send_hello(l, p, &p->cand, link, bus);
	if (p->up) {
		link_begin(l, p, p->cur.nonce);
		path_put_beat(l, p, link, bus->now);
		put_pad(l, p);
		link_send(l, p, link, bus);
		if (link != LINK_RELAY)
			mtu_beat(l, p, link, bus);
	} else if (p->cand.nonce == 0)
		send_hello(l, p, &p->cur, link, bus);
}

void
session_beat(struct link_layer *l, struct peer *p, struct bus *bus)
{
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++)
		session_beat_link(l, p, i, bus);
	relay_beat(l, p, bus);
}

static void
session_up(struct link_layer *l, struct peer *p, struct bus *bus)
{
	struct note *n;
	unsigned i;

	p->up = p->was_up = true;
	p->stalled = false;
	p->double_until = 0;
	for (i = 0; i < l->conf->nlinks; i++)
		mtu_forget(p, i);
	/* What it is owed begins with the session, not with the datagram. */
	p->fail_at = bus->now + l->conf->failure_timeout_us;
	stream_reset(p->stream);
	n = bus_note(bus, NOTE_PEER_UP, NULL, 0);
	n->node = p->id;
	n->inc = p->cur.inc;
	n->seq = p->cur.features;
	bus_event(bus, EVK_NODE, EVL_INFO,
	    "node %u: reached, because incarnation %llu answered our nonce",
	    p->id, (unsigned long long)p->cur.inc);
}

/* The older life is heard although the newer one came a while ago. */
static void
tell_twins(const struct link_layer *l, struct peer *p, struct bus *bus)
{
	if (p->cand.waits_since == 0 || p->cand.told_twin ||
	    bus->now < p->cand.waits_since + 2 * l->conf->heartbeat_us)
		return;
	p->cand.told_twin = true;
	bus_event(bus, EVK_NODE, EVL_WARN,
	    "node %u: incarnation %llu is not believed, because %llu, which is "
	    "older, is heard as well: two machines run as this node; stop one "
	    "of them",
	    p->id, (unsigned long long)p->cand.inc,
	    (unsigned long long)p->cur.inc);
}

/* The newer life proved itself: there is no older one any more. */
static void
promote(struct peer *p, struct bus *bus)
{
	unsigned i;

	if (p->cur.inc != 0) {
		bus_event(bus, EVK_NODE, EVL_WARN,
		    "node %u: incarnation %llu is gone, because %llu came "
		    "after it",
		    p->id, (unsigned long long)p->cur.inc,
		    (unsigned long long)p->cand.inc);
		note_gone(p, 0, "a newer incarnation of it came back", bus);
	}
	p->up = false;
	stream_reset(p->stream);
	ring_forget(&p->cur);
	p->cur = p->cand;
	explicit_bzero(&p->cand, sizeof(p->cand));
	p->vouch = p->vouched = p->promised = 0;
	for (i = 0; i <= LINK_RELAY; i++) {
		p->paths[i].seen_seq = 0;
		p->paths[i].echo = 0;
	}
}

/*
 * A HELLO that we can accept makes its nonce known.  False: refused; the
 * rest of the datagram is not looked at.
 */
static bool
hello(struct link_layer *l, struct peer *p, struct life *life,
    const struct wire_preamble *pre, struct rbuf *body, struct bus *bus)
{
	struct wire_hello h;

	if (!wire_get_hello(body, &h) || pre->nonce == 0) {
		link_refuse(l, p, LR_MALFORMED, bus, NULL);
		return false;
	}
	if (life->bye) {
		link_refuse(l, p, LR_OLD_INCARNATION, bus, NULL);
		return false;
	}
	if (h.vmin > WIRE_VERSION || h.vmax < WIRE_VERSION_MIN) {
		link_refuse(l, p, LR_VERSION, bus,
		    "node %u: refused, because it speaks protocol versions %u "
		    "to %u and we %u to %u",
		    p->id, h.vmin, h.vmax, WIRE_VERSION_MIN, WIRE_VERSION);
		return false;
	}
#if MUTANT != 134
	if (memcmp(h.conf, l->conf->hash, sizeof(h.conf)) != 0) {
		link_refuse(l, p, LR_CONF, bus,
		    "node %u: refused, because its cluster.yaml differs from "
		    "ours (%02x%02x%02x%02x there, %02x%02x%02x%02x here)",
		    p->id, h.conf[0], h.conf[1], h.conf[2], h.conf[3],
		    l->conf->hash[0], l->conf->hash[1], l->conf->hash[2],
		    l->conf->hash[3]);
		return false;
	}
#endif
	/* A new nonce without a new seq is no session of a sound peer. */
	if (life == &p->cur && p->up && pre->nonce != life->nonce) {
		link_refuse(l, p, LR_MALFORMED, bus, NULL);
		return false;
	}
	life->seq = pre->seq;
	life->nonce = pre->nonce;
	life->version = MIN(h.vmax, WIRE_VERSION);
	life->features = h.features & own_features(l);
	return true;
}

/*
 * It does not know our nonce yet: tell it at once rather than at the next
 * beat, but not for every datagram of a burst.
 */
static void
answer(struct link_layer *l, struct peer *p, const struct life *life,
    unsigned link, struct bus *bus)
{
	if (bus->now < p->reply_at)
		return;
	p->reply_at = bus->now + l->conf->heartbeat_us / 4;
	send_hello(l, p, life, link, bus);
}

static void
deliver(struct link_layer *l, struct peer *p, struct bus *bus)
{
	const uint8_t *data;
	struct note *n;
	uint8_t chan;
	size_t len;

	while (stream_next(p->stream, &chan, &data, &len)) {
		if (chan == 0 || chan >= CHAN_MAX) {
			link_refuse(l, p, LR_MALFORMED, bus, NULL);
			continue;
		}
		n = bus_note(bus, NOTE_MESSAGE, data, len);
		n->node = p->id;
		n->inc = p->cur.inc;
		n->chan = (enum chan)chan;
	}
	if (stream_broken(p->stream))
		session_drop(l, p, "it sent a message over the limit", bus);
}

/* A frame of the standing session.  False: malformed, or the session ended. */
static bool
session_frame(struct link_layer *l, struct peer *p, unsigned link, uint8_t type,
    struct rbuf *body, struct bus *bus)
{
	struct wire_data d;
	struct wire_ack a;

	switch (type) {
	case WF_DATA:
		if (!wire_get_data(body, &d))
			return false;
		if (!stream_data(p->stream, &d, bus->now)) {
			session_drop(l, p, "its stream broke the rules", bus);
			return false;
		}
		deliver(l, p, bus);
		return p->up;
	case WF_ACK:
		return wire_get_ack(body, &a) &&
		    stream_ack(p->stream, &a, bus->now);
	case WF_BYE:
		bus_event(bus, EVK_NODE, EVL_INFO,
		    "node %u: left, because it said goodbye", p->id);
		note_gone(p, 1, "it said goodbye", bus);
		/* Not a loss: the note above tells all there is to tell. */
		p->up = false;
		p->promised = 0;
		p->gone = p->cur.inc;
		p->cur.bye = true;
		session_drop(l, p, "", bus);
		return false;
	case WF_RELAY:
	case WF_RELAYED:
		return relay_take(l, p, link, type, body, bus);
	case WF_PROBE:
	case WF_PROBED:
		return mtu_frame(l, p, link, type, body, bus);
#ifdef WIRE_NEXT
	case WF_PAD:
		return p->cur.version >= 2;
#endif
	default:
		l->skipped++;
		return true; /* a later version's; skipped by rule */
	}
}

/*
 * Somebody has proven to it to be this node, in a later life than ours: another
 * machine runs with our number, or ours has forgotten its past while the clock
 * was behind.  That stays true however old the datagram is.
 */
static void
outlived(struct link_layer *l, const struct peer *p, uint64_t life,
    struct bus *bus)
{
	char why[200];
	struct note *n;

	if (life <= l->inc || life > WIRE_LIFE_MAX)
		return;
#if MUTANT == 106
	return;
#endif
	snprintf(why, sizeof(why),
	    "node %u has met a later incarnation of it, %llu: another machine "
	    "runs as this node, or its state was lost while the clock was "
	    "behind",
	    p->id, (unsigned long long)life);
	n = bus_note(bus, NOTE_DIE, why, strlen(why) + 1);
	n->inc = life;
}

/*
 * The peer believes in an older life of ours: that one has just ended, or runs
 * on another machine.
 */
static void
shadowed(const struct link_layer *l, struct peer *p, uint64_t life,
    struct bus *bus)
{
	if (p->up || life == 0 || life >= l->inc) {
		p->shadowed_since = 0;
		return;
	}
	if (p->shadowed_since == 0)
		p->shadowed_since = bus->now;
	if (p->told_shadow ||
	    bus->now < p->shadowed_since + 2 * l->conf->failure_timeout_us)
		return;
	p->told_shadow = true;
	bus_event(bus, EVK_NODE, EVL_WARN,
	    "node %u: does not hear us, because it hears incarnation %llu of "
	    "this node, which is older: another machine runs as this node; "
	    "stop one of them",
	    p->id, (unsigned long long)life);
}

/* Frames behind the HELLO. */
static void
frames(struct link_layer *l, struct peer *p, struct life *life, bool proven,
    unsigned link, struct rbuf *r, struct bus *bus)
{
	/* What is relayed in it has an age of its own. */
	const bool old = l->old;
	struct wire_beat b;
	struct rbuf body;
	bool ok = true;
	uint8_t type;

	while (ok && wire_next(r, &type, &body)) {
		if (type == WF_BEAT) {
			ok = wire_get_beat(&body, &b);
			if (ok && life == &p->cur && !old)
				path_beat(l, p, link, &b);
			if (ok) {
				outlived(l, p, b.life, bus);
				shadowed(l, p, b.life, bus);
			}
		} else if (proven) {
			/* It avoids our best link, so that one may be dead;
			   a copy of what came over that one says nothing. */
			if (type == WF_DATA && !old &&
			    link != path_best(l, p) &&
			    path_doubtful(l, p, bus->now, LINK_QUIET_US))
				p->double_until =
				    bus->now + 2 * l->conf->heartbeat_us;
			ok = session_frame(l, p, link, type, &body, bus);
			if (!p->up)
				return;
		}
	}
	if (!ok || r->err)
		link_refuse(l, p, LR_MALFORMED, bus, NULL);
}

/* Does this datagram speak for the pair of nonces we have? */
static bool
is_proven(const struct peer *p, const struct life *life,
    const struct wire_preamble *pre)
{
#if MUTANT == 104
	return life->nonce != 0 && pre->nonce == life->nonce;
#endif
	return life->nonce != 0 && !life->bye && pre->seq == life->seq &&
	    pre->nonce == life->nonce && pre->echo == p->nonce;
}

void
session_datagram(struct link_layer *l, struct peer *p, struct life *life,
    unsigned link, struct rbuf *r, struct bus *bus)
{
	struct wire_preamble pre;
	struct rbuf rest, body;
	bool greeted = false, proven;
	uint8_t type;

	wire_get_preamble(r, &pre);
	if (r->err || pre.seq == 0) {
		link_refuse(l, p, LR_MALFORMED, bus, NULL);
		return;
	}
	life->heard_at = bus->now;
	/* Only a proven life can be alive: old records must not count. */
	if (life == &p->cur && !l->old) {
		link_heard(l, p, link, bus);
		tell_twins(l, p, bus);
	}
	if (pre.seq < life->seq)
		return;
	if (life == &p->cur && p->up && pre.seq > life->seq)
		session_drop(l, p, "it ended the session on its side", bus);

	rest = *r;
	if (wire_next(&rest, &type, &body) && type == WF_HELLO) {
		if (!hello(l, p, life, &pre, &body, bus))
			return;
		greeted = true;
		*r = rest;
	}
	proven = is_proven(p, life, &pre);
	if (proven && life == &p->cand && older_lives(l, p, bus->now)) {
		if (life->waits_since == 0)
			life->waits_since = bus->now;
		proven = false;
	} else if (proven && life == &p->cand) {
		promote(p, bus);
		life = &p->cur;
		link_heard(l, p, link, bus);
	}
	if (proven && !p->up)
		session_up(l, p, bus);
	/* It is not up yet: this tells it our nonce, or that we know its. */
	if (greeted)
		answer(l, p, life, link, bus);
	frames(l, p, life, proven, link, r, bus);
}

#define SAFE_PLAIN (WIRE_DATAGRAM_SAFE - WIRE_HEADER_LEN - WIRE_TAG_LEN)

/* ---- out --------------------------------------------------------------- */

static void
put_ack(struct link_layer *l, struct peer *p)
{
	uint8_t sack[WIRE_SACK_MAX];
	struct wire_ack a;

	stream_fill_ack(p->stream, &a, sack);
	wire_put_ack(&l->plain, &a);
}

static bool
room_for(const struct link_layer *l, size_t body, size_t max)
{
	return l->plain.len + WIRE_FRAME_LEN + body <= max;
}

/* Makes room for a frame with this body; a new datagram where need be. */
static void
make_room(struct link_layer *l, struct peer *p, bool *open, size_t body,
    size_t max, struct bus *bus)
{
	if (*open && !room_for(l, body, max)) {
		policy_send(l, p, bus);
		*open = false;
	}
	if (!*open)
		link_begin(l, p, p->cur.nonce);
	*open = true;
}

void
session_flush(struct link_layer *l, struct peer *p, struct bus *bus)
{
	size_t max =
	    policy_limit(l, p, bus->now) - WIRE_HEADER_LEN - WIRE_TAG_LEN;
	bool open = false, again = false;
	struct wire_data d;

	while (stream_pick(p->stream, bus->now, &d)) {
		/* What is sent again may have been too long before (L8). */
		if (stream_again(p->stream)) {
#if MUTANT != 123
			max = MIN(max, (size_t)SAFE_PLAIN);
#endif
			again = true;
		}
		make_room(l, p, &open, 8 + d.len, max, bus);
		wire_put_data(&l->plain, &d);
		/* An acknowledgement that is owed rides along. */
		if (stream_ack_at(p->stream) != UINT64_MAX &&
		    room_for(l, 9 + WIRE_SACK_MAX, max))
			put_ack(l, p);
	}
	if (stream_ack_at(p->stream) <= bus->now) {
		make_room(l, p, &open, 9 + WIRE_SACK_MAX, max, bus);
		put_ack(l, p);
	}
	if (open)
		policy_send(l, p, bus);
	if (again)
		policy_lost(l, p, bus);
}

void
session_bye(struct link_layer *l, struct peer *p, struct bus *bus)
{
	unsigned i, again;

	/* Nobody will repeat it: twice on every link is all we can do. */
	session_flush(l, p, bus);
	for (again = 0; again < 2; again++)
		for (i = 0; i < l->conf->nlinks; i++) {
			link_begin(l, p, p->cur.nonce);
			wire_put_bye(&l->plain);
			link_send(l, p, i, bus);
			if (i == 0 && path_best(l, p) == LINK_RELAY)
				relay_send(l, p, bus);
		}
}
