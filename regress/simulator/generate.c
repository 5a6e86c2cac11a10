/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A configuration drawn from all that the core reads of one, for -g: 2 to 16
 * nodes, 1 to 8 links, every detection profile, votes, options of quorum,
 * levels of fence devices; and how much is done for how long.  Without -g a
 * seed keeps what it always had.  two_node has runs of its own (-r): it permits
 * two primary views until one node has fenced the other, which most oracles
 * forbid.
 */

#include <stdio.h>
#include <string.h>

#include "sim.h"

static unsigned
draw(struct sim *s, unsigned lo, unsigned hi)
{
	return lo + (unsigned)rng_below(&s->grng, hi - lo + 1);
}

static bool
chance(struct sim *s, unsigned percent)
{
	return draw(s, 1, 100) <= percent;
}

void
generate_start(struct sim *s)
{
	sim_generator(s, 4, 4, 4, &s->grng);
}

/* A run of sixteen costs what a hundred of three do. */
unsigned
generate_nodes(struct sim *s)
{
	unsigned percent = draw(s, 1, 100);

	if (percent <= 85)
		return draw(s, 2, 6);
	return percent <= 96 ? draw(s, 7, 10) : draw(s, 11, 16);
}

static void
fence_levels(struct sim *s, struct conf *c)
{
	struct conf_node *cn;
	struct conf_device *d;
	unsigned i, k, l;

	c->ndevices = 0;
	for (i = 0; i < c->nnodes; i++) {
		cn = &c->nodes[i];
		memset(cn->levels, 0, sizeof(cn->levels));
		/* Some depend on the operator. */
		cn->nlevels = chance(s, 10) ? 0 : draw(s, 1, 3);
		for (l = 0; l < cn->nlevels; l++) {
			cn->levels[l].ndevices = chance(s, 70) ? 1 : 2;
			for (k = 0; k < cn->levels[l].ndevices; k++) {
				ASSERT(c->ndevices < SIM_DEVICES_MAX);
				cn->levels[l].devices[k] =
				    (uint16_t)c->ndevices;
				d = &c->devices[c->ndevices++];
				memset(d, 0, sizeof(*d));
				snprintf(d->name, sizeof(d->name), "power%03u",
				    c->ndevices);
				strlcpy(d->agent, "fence_sim",
				    sizeof(d->agent));
				d->timeout_us = draw(s, 1, 3) * SEC;
				d->ntargets = 1;
				d->targets[0].node = cn->id;
			}
		}
	}
	c->fence_tries = draw(s, 1, 3);
}

static void
quorum(struct sim *s, struct conf *c)
{
	unsigned i, j, total = 0;
	bool listed = false;

	c->wait_for_all = chance(s, 20) && !s->off[ST_WAIT_FOR_ALL];
	c->last_man_standing = chance(s, 25);
	c->downscale = chance(s, 25);
	c->tie = (enum conf_tie)draw(s, TIE_NONE, TIE_LIST);
	c->ntie = 0;
	if (c->tie == TIE_LIST) {
		j = draw(s, 0, c->nnodes - 1);
		c->ntie = draw(s, 1, c->nnodes);
		for (i = 0; i < c->ntie; i++)
			c->tie_nodes[i] = c->nodes[(i + j) % c->nnodes].id;
	}
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].votes = 1;
		if (chance(s, 30))
			c->nodes[i].votes = (uint8_t)draw(s, 0, 3);
		total += c->nodes[i].votes;
	}
	if (total == 0)
		total = c->nodes[0].votes = 1;
	/* A list of nodes without a vote breaks no tie, and is no option. */
	for (i = 0; i < c->ntie; i++)
		listed |= conf_node(c, c->tie_nodes[i])->votes > 0;
	if (c->tie == TIE_LIST && !listed)
		c->tie = TIE_NONE;
	/* All nodes go on without the device, which may be made anew. */
	c->qdevice.votes = (uint8_t)MIN(c->qdevice.votes, total - 1);
}

static void
links(struct sim *s, struct conf *c)
{
	unsigned i, l;

	c->nlinks = chance(s, 95) ? draw(s, 1, 3) : draw(s, 4, CONF_LINKS_MAX);
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].nlinks = c->nlinks;
		for (l = 0; l < c->nlinks; l++)
			snprintf(c->nodes[i].links[l],
			    sizeof(c->nodes[i].links[l]), "10.0.%u.%u", l,
			    i + 1);
	}
}

/* Over what make_conf() has drawn; the caller hashes it. */
void
generate_conf(struct sim *s, struct conf *c)
{
	conf_profile(c,
	    chance(s, 10)     ? DETECT_WAN :
		chance(s, 50) ? DETECT_FAST :
				DETECT_NORMAL);
	c->fence_on_join_delay_us = draw(s, 0, 3000) * MS;
	links(s, c);
	fence_levels(s, c);
	quorum(s, c);
	sim_trace(s,
	    "generated: %u links, detection %u, wait %d, lms %d, down %d, "
	    "tie %u, %u devices",
	    c->nlinks, (unsigned)c->detect, c->wait_for_all,
	    c->last_man_standing, c->downscale, (unsigned)c->tie, c->ndevices);
}

/*
 * How busy clients are and how long things go wrong.  Many short runs see more
 * than few long ones: most of what is rare is so in the order of its first few
 * steps.  Half of the runs stay as busy and a quarter as long as without -g;
 * all nodes together do no more than six.
 */
void
generate_load(struct sim *s)
{
	static const uint64_t lengths[] = { 1, 2, 4 };
	unsigned busy = draw(s, 0, 3), len = draw(s, 0, 3);
	struct rng rng;

	sim_generator(s, 4, 0, 21, &rng);
	s->idle |= rng_below(&rng, 4) == 0;

	if (busy > 1)
		s->profile.op_every *= draw(s, 2, 8);
	if (s->n > 6)
		s->profile.op_every = s->profile.op_every * s->n / 6;
	if (len < NITEMS(lengths))
		s->until = MIN(s->until, lengths[len] * SEC);
}
