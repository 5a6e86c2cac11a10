/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One link to one peer: when it was heard, how far away it is, how much gets
 * lost, and whether data should go that way.
 *
 *	down -> up	an authentic datagram came over it
 *	up -> down	four beats were missed
 *
 * clusterd-protocol(7), sections 4.2 and 4.5.
 */

#include "link_int.h"

/* Of what somebody keeps some may come early. */
#define LATE_BEATS 8

uint64_t
path_patience(const struct link_layer *l)
{
	uint64_t t = LINK_MISSED_BEATS * l->conf->heartbeat_us +
	    l->conf->heartbeat_us / 10;

	return MIN(t, l->conf->failure_timeout_us);
}

void
path_heard(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path *path = &p->paths[link];

	if (link == LINK_RELAY)
		relay_heard(l, p, bus);
	path->last_heard = MAX(path->last_heard, l->at);
	path->down_at =
	    MAX(path->down_at, link_counts(l, l->at) + path_patience(l));
	if (path->up)
		return;
	path->up = true;
	if (link == LINK_RELAY)
		return; /* relay_watch tells */
	/* It learns from our beat that the link works that way. */
	p->beat_at = MIN(p->beat_at, l->last_step);
	if (path->lost_since != 0)
		bus_event(bus, EVK_LINK, EVL_INFO,
		    "node %u: link %u up again, because it is heard after "
		    "%llu ms",
		    p->id, link,
		    (unsigned long long)(bus->now - path->lost_since) / 1000);
	else
		bus_event(bus, EVK_LINK, EVL_INFO,
		    "node %u: link %u up, because it is heard", p->id, link);
	path->lost_since = 0;
}

void
path_expire(struct link_layer *l, struct peer *p, struct bus *bus)
{
	struct path *path;
	unsigned i;

	path = &p->paths[LINK_RELAY];
	if (path->up && path->down_at <= bus->now) {
		path->up = false;
		path->rtt = 0;
	}
	for (i = 0; i < l->conf->nlinks; i++) {
		path = &p->paths[i];
		if (!path->up || path->down_at > bus->now)
			continue;
		path->up = false;
		path->heard_there = false;
		path->lost_since = MAX(bus->now, UINT64_C(1));
		path->flaps++;
		path->rtt = 0;
		mtu_forget(p, i);
		bus_event(bus, EVK_LINK, EVL_WARN,
		    "node %u: link %u down, because nothing came over it for "
		    "%llu ms",
		    p->id, i,
		    (unsigned long long)(bus->now - path->last_heard) / 1000);
	}
}

/* Gaps in the numbers of the peer's beats are beats that were lost. */
static void
count_loss(struct path *path, uint32_t seq)
{
	uint32_t gap, i;

	if (path->seen_seq == 0 || seq <= path->seen_seq) {
		if (path->seen_seq == 0)
			path->seen_seq = seq;
		return;
	}
	gap = MIN(seq - path->seen_seq, UINT32_C(64));
	for (i = 1; i < gap; i++)
		path->loss += (65536 - path->loss) / 32;
	path->loss -= path->loss / 32;
	path->seen_seq = seq;
}

/*
 * What the beat says for our lease.  What counts is when our beat was sent,
 * not when the answer came: that may have waited for us.
 */
static void
vouched(struct link_layer *l, struct peer *p, const struct wire_beat *b)
{
	uint64_t since = b->echo;

	if ((b->flags & WIRE_BEAT_ASK) != 0 && p->answer_at <= l->last_step) {
		p->answer_at = l->last_step + l->conf->heartbeat_us / 4;
		p->beat_at = MIN(p->beat_at, l->last_step);
	}
#if MUTANT == 823
	since = l->last_step;
#endif
	if (b->vouch == 0 || b->vouch < p->vouch || b->life != l->inc ||
	    since > l->last_step)
		return;
	if (b->vouch > p->vouch)
		p->vouched = 0;
	p->vouch = b->vouch;
	p->vouched = MAX(p->vouched, since);
}

/* How long the way there and back is, and whether that is too long. */
static void
measure(const struct link_layer *l, struct path *path,
    const struct wire_beat *b)
{
	uint64_t away = l->at - b->echo;
	bool known = b->echo != 0 && b->echo <= l->at && b->life == l->inc &&
	    away <= 60 * UINT64_C(1000000);

#if MUTANT == 133
	known = known && away >= b->echo_age;
#endif
	/* An echo from the future or of another life is no measurement. */
	if (!known) {
		path->beat_at = MAX(path->beat_at, l->at);
		return;
	}
	/* By a clock faster than ours it was there longer than it was away. */
	away -= MIN((uint64_t)b->echo_age, away - (away > 0));
	if (away > l->conf->failure_timeout_us / 2) {
		path->late = LATE_BEATS;
	} else {
		path->late -= path->late > 0;
		path->beat_at = MAX(path->beat_at, l->at);
	}
	path->rtt = path->rtt == 0 ? away : (7 * path->rtt + away) / 8;
}

void
path_beat(struct link_layer *l, struct peer *p, unsigned link,
    const struct wire_beat *b)
{
	struct path *path = &p->paths[link];
	bool before = relay_passes_on(l, p, l->last_step);
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++)
		p->paths[i].heard_there = b->heard >> i & 1;
	count_loss(path, b->seq);
	path->echo = b->sent;
	path->echo_came = l->at;
	path->echo_read = l->last_step;
	vouched(l, p, b);
	measure(l, path, b);
	if (!before && relay_passes_on(l, p, l->last_step))
		relay_found(l, p);
}

void
path_put_beat(struct link_layer *l, struct peer *p, unsigned link, uint64_t now)
{
	struct path *path = &p->paths[link];
	struct wire_beat b = { .seq = ++path->sent_seq,
		.sent = now,
		.life = p->cur.inc };
	bool doubt = relay_wanted(l, p, now);
	unsigned i;

	/* Who may need a relay tells early what it misses. */
	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[i].up && (!doubt || relay_recent(l, p, i, now)))
			b.heard |= (uint8_t)(1U << i);
	/* An echo that is older than a minute says nothing any more. */
	if (path->echo != 0 && now - path->echo_came < 60000000) {
		b.echo = path->echo;
		b.echo_age = (uint32_t)(now - path->echo_came);
		/* Nothing is promised to who has ended. */
		b.vouch = p->gone < p->cur.inc ? l->vouch : 0;
	}
	if (l->ask)
		b.flags |= WIRE_BEAT_ASK;
	/* When it came is others' word; when we read it, our own. */
	if (b.vouch != 0)
		p->promised = MAX(p->promised, path->echo_read);
	wire_put_beat(&l->plain, &b);
}

/* The best link that works both ways, narrow or not; -1: none. */
static int
best_of(const struct link_layer *l, const struct peer *p, bool narrow)
{
	const struct path *path;
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++) {
		path = &p->paths[l->order[i]];
#if MUTANT == 124
		if (i == 0)
			return l->order[i];
#endif
#if MUTANT == 131
		if (path->up && path->heard_there)
			return l->order[i];
#endif
		if (path->up && path->heard_there && path->mtu.narrow == narrow)
			return l->order[i];
	}
	return -1;
}

unsigned
path_best(const struct link_layer *l, const struct peer *p)
{
	int link = best_of(l, p, false);
	unsigned i;

	if (link >= 0)
		return (unsigned)link;
	if (p->paths[LINK_RELAY].up && p->relay != 0)
		return LINK_RELAY;
	link = best_of(l, p, true);
	if (link >= 0)
		return (unsigned)link;
	/* No path works both ways: the one we hear is the better guess. */
	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[l->order[i]].up)
			return l->order[i];
	return l->order[0];
}

bool
path_doubtful(const struct link_layer *l, const struct peer *p, uint64_t now,
    uint64_t silence)
{
	const struct path *path = &p->paths[path_best(l, p)];

	/* Silence as down_at counts it: without that of our own making. */
	return path->loss > LINK_LOSSY ||
	    now + path_patience(l) > path->down_at + silence;
}

int
path_second(const struct link_layer *l, const struct peer *p)
{
	unsigned i, best = path_best(l, p);

	for (i = 0; i < l->conf->nlinks; i++)
		if (l->order[i] != best && p->paths[l->order[i]].up)
			return l->order[i];
	return -1;
}
