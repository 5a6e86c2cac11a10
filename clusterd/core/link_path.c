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

/* Silence that makes a path count as down: never later than the peer. */
static uint64_t
patience(const struct link_layer *l)
{
	uint64_t t = LINK_MISSED_BEATS * l->conf->heartbeat_us +
	    l->conf->heartbeat_us / 10;

	return MIN(t, l->conf->failure_timeout_us);
}

void
path_heard(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path *path = &p->paths[link];

	path->last_heard = MAX(path->last_heard, l->at);
	path->down_at = MAX(path->down_at, link_counts(l, l->at) + patience(l));
	if (path->up)
		return;
	path->up = true;
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

	for (i = 0; i < l->conf->nlinks; i++) {
		path = &p->paths[i];
		if (!path->up || path->down_at > bus->now)
			continue;
		path->up = false;
		path->heard_there = false;
		path->lost_since = MAX(bus->now, UINT64_C(1));
		path->flaps++;
		path->rtt = 0;
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

void
path_beat(struct link_layer *l, struct peer *p, unsigned link,
    const struct wire_beat *b)
{
	struct path *path = &p->paths[link];
	uint64_t away, i;

	for (i = 0; i < l->conf->nlinks; i++)
		p->paths[i].heard_there = b->heard >> i & 1;
	count_loss(path, b->seq);
	path->echo = b->sent;
	path->echo_came = l->at;
	/* An echo from the future or of another life is no measurement. */
	if (b->echo == 0 || b->echo > l->at)
		return;
	away = l->at - b->echo;
	if (away < b->echo_age || away > 60 * UINT64_C(1000000))
		return;
	away -= b->echo_age;
	path->rtt = path->rtt == 0 ? away : (7 * path->rtt + away) / 8;
}

void
path_put_beat(struct link_layer *l, struct peer *p, unsigned link, uint64_t now)
{
	struct path *path = &p->paths[link];
	struct wire_beat b = { .seq = ++path->sent_seq,
		.sent = now,
		.life = p->cur.inc };
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[i].up)
			b.heard |= (uint8_t)(1U << i);
	/* An echo that is older than a minute says nothing any more. */
	if (path->echo != 0 && now - path->echo_came < 60000000) {
		b.echo = path->echo;
		b.echo_age = (uint32_t)(now - path->echo_came);
	}
	wire_put_beat(&l->plain, &b);
}

unsigned
path_best(const struct link_layer *l, const struct peer *p)
{
	unsigned i;

	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[i].up && p->paths[i].heard_there)
			return i;
	/* No path works both ways: the one we hear is the better guess. */
	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[i].up)
			return i;
	return 0;
}

bool
path_doubtful(const struct link_layer *l, const struct peer *p, uint64_t now,
    uint64_t silence)
{
	const struct path *path = &p->paths[path_best(l, p)];

	/* Silence as down_at counts it: without that of our own making. */
	return path->loss > LINK_LOSSY ||
	    now + patience(l) > path->down_at + silence;
}

int
path_second(const struct link_layer *l, const struct peer *p)
{
	unsigned i, best = path_best(l, p);

	for (i = 0; i < l->conf->nlinks; i++)
		if (i != best && p->paths[i].up)
			return (int)i;
	return -1;
}
