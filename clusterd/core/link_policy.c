/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Which links data goes over, by transport.mode.  Beats go over all of them
 * in any case.
 *
 *	passive		the best link that is up
 *	duplicate-on-loss	the same; a second one for a while, when something
 *			was lost and the best one may be the reason
 *	active		every link that is up
 *
 * The best link is that of the highest priority, then the first in the order
 * of the configuration.  Copies are harmless: each is sealed with a counter of
 * its own, and a segment that is there already is acknowledged and dropped.
 *
 * clusterd-protocol(7), section 4.5.
 */

#include "link_int.h"

void
policy_init(struct link_layer *l)
{
	const struct conf *c = l->conf;
	unsigned i, k;
	uint8_t link;

	/* Sorted by insertion, which keeps the order of equals. */
	for (i = 0; i < c->nlinks; i++) {
		link = (uint8_t)i;
		for (k = i; k > 0 &&
		     c->links[l->order[k - 1]].priority <
			 c->links[link].priority;
		     k--)
			l->order[k] = l->order[k - 1];
		l->order[k] = link;
	}
}

unsigned
policy_links(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	unsigned i, mask = 1U << path_best(l, p);
	int second;

	switch (l->conf->mode) {
	case MODE_PASSIVE:
		break;
	case MODE_ACTIVE:
		for (i = 0; i < l->conf->nlinks; i++)
			if (p->paths[i].up)
				mask |= 1U << i;
		break;
	default:
		second = now < p->double_until ? path_second(l, p) : -1;
		if (second >= 0)
			mask |= 1U << second;
		break;
	}
	return mask;
}

size_t
policy_limit(const struct link_layer *l, const struct peer *p, uint64_t now)
{
	unsigned i, mask = policy_links(l, p, now);
	size_t max = WIRE_DATAGRAM_MAX;

	if ((mask >> LINK_RELAY & 1) != 0)
#if MUTANT == 110
		max = WIRE_DATAGRAM_SAFE;
#else
		max = WIRE_RELAY_MAX;
#endif
	for (i = 0; i < l->conf->nlinks; i++)
		if ((mask >> i & 1) != 0)
			max = MIN(max, mtu_limit(p, i));
	return max;
}

void
policy_send(struct link_layer *l, struct peer *p, struct bus *bus)
{
	unsigned i, mask = policy_links(l, p, bus->now);

	for (i = 0; i <= LINK_RELAY; i++)
		if ((mask >> i & 1) != 0)
			link_send(l, p, i, bus);
}

void
policy_lost(struct link_layer *l, struct peer *p, struct bus *bus)
{
	unsigned i, mask = policy_links(l, p, bus->now);

	for (i = 0; i < l->conf->nlinks; i++)
		if ((mask >> i & 1) != 0)
			mtu_doubt(l, p, i, bus);
}
