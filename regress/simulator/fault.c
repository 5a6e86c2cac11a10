/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What goes wrong, and how often.  Each run draws its own mixture: a swarm of
 * different worlds finds more than one world in which everything happens.
 */

#include "sim.h"

struct named {
	const char *name;
	unsigned weight[F_MAX];
};

/* For -p; "swarm" is drawn. */
static const struct named named[] = {
	{ "quiet", { [F_CLIENT] = 1 } },
	{ "crash", { [F_CRASH] = 3, [F_CLIENT] = 1 } },
	{ "pause", { [F_PAUSE] = 2, [F_SHORT_PAUSE] = 3 } },
	{ "split", { [F_PARTITION] = 2, [F_ISOLATE] = 2, [F_ONE_WAY] = 2 } },
	{ "links", { [F_LINK] = 3, [F_LOSS] = 2, [F_ONE_WAY] = 1 } },
};

static void
draw_network(struct sim *s)
{
	struct net *net = &s->net;

	net->lat_min = sim_between(s, 20, 300);
	net->lat_max = net->lat_min + sim_between(s, 10, 3000);
	net->loss = sim_chance(s, 500) ? (unsigned)sim_between(s, 1, 80) : 0;
	net->dup = sim_chance(s, 400) ? (unsigned)sim_between(s, 1, 50) : 0;
	net->flip = sim_chance(s, 250) ? (unsigned)sim_between(s, 1, 20) : 0;
	net->spike = sim_chance(s, 300) ? (unsigned)sim_between(s, 1, 20) : 0;
	net->replay = sim_chance(s, 300);
}

void
profile_draw(struct sim *s)
{
	struct profile *p = &s->profile;
	unsigned i, k;

	draw_network(s);
	p->every = sim_between(s, 200 * MS, 2500 * MS);
	p->fence_fail =
	    sim_chance(s, 400) ? (unsigned)sim_between(s, 50, 700) : 0;
	p->fence_late = (unsigned)sim_between(s, 0, 500);
	p->fence_min = sim_between(s, 5 * MS, 200 * MS);
	p->fence_max = p->fence_min + sim_between(s, 1, 2 * SEC);
	p->op_every = sim_between(s, 2 * MS, 60 * MS);
	p->commands =
	    sim_chance(s, 300) ? (unsigned)sim_between(s, 10, 200) : 0;
	for (i = 0; i < F_MAX; i++)
		p->weight[i] =
		    sim_chance(s, 500) ? (unsigned)sim_between(s, 1, 5) : 0;
	for (k = 0; k < NITEMS(named); k++)
		if (s->want_profile != NULL &&
		    strcmp(s->want_profile, named[k].name) == 0)
			memcpy(p->weight, named[k].weight, sizeof(p->weight));
}

static struct sim_event *
until(struct sim *s, enum fault what, unsigned a, unsigned b, unsigned link,
    uint64_t len)
{
	struct sim_event *e = heap_add(&s->heap, s->now + len, SE_UNFAULT);

	e->what = (int)what;
	e->node = a;
	e->other = b;
	e->link = link;
	return e;
}

static void
cut(struct sim *s, unsigned a, unsigned b, unsigned link, bool on)
{
	s->net.dir[a][b][link].cut = on;
}

/* Cuts, or heals, every link between the nodes in mask and the others. */
static void
split(struct sim *s, unsigned mask, bool on)
{
	unsigned a, b, l;

	for (a = 0; a < s->n; a++)
		for (b = 0; b < s->n; b++)
			for (l = 0; l < SIM_LINKS; l++)
				if ((mask >> a & 1) != (mask >> b & 1))
					cut(s, a, b, l, on);
}

static void
node_faults(struct sim *s, enum fault what, unsigned a)
{
	switch (what) {
	case F_CRASH:
		node_crash(s, a, "it crashes");
		break;
	case F_PAUSE:
		node_pause(s, a, sim_between(s, 300 * MS, 4 * SEC));
		break;
	case F_SHORT_PAUSE:
		node_pause(s, a, sim_between(s, 1 * MS, 300 * MS));
		break;
	case F_STOP:
		node_stop(s, a);
		break;
	default:
		client_kill(s, a, (unsigned)sim_between(s, 0, SIM_CLIENTS - 1));
		break;
	}
}

static void
network_faults(struct sim *s, enum fault what, unsigned a, unsigned b)
{
	uint64_t len = sim_between(s, 50 * MS, 4 * SEC);
	unsigned mask, l;

	switch (what) {
	case F_PARTITION:
	case F_ISOLATE:
		mask = what == F_ISOLATE ?
		    1U << a :
		    (unsigned)rng_below(&s->rng, 1U << s->n);
		sim_trace(s, "partition %x for %llu ms", mask,
		    (unsigned long long)(len / MS));
		split(s, mask, true);
		until(s, F_PARTITION, 0, 0, 0, len)->gen = mask;
		break;
	case F_ONE_WAY:
		sim_trace(s, "n%u no longer reaches n%u", s->nodes[a].id,
		    s->nodes[b].id);
		for (l = 0; l < SIM_LINKS; l++) {
			cut(s, a, b, l, true);
			until(s, F_ONE_WAY, a, b, l, len);
		}
		break;
	case F_LINK:
		l = (unsigned)sim_between(s, 0, SIM_LINKS - 1);
		sim_trace(s, "link %u between n%u and n%u is cut", l,
		    s->nodes[a].id, s->nodes[b].id);
		cut(s, a, b, l, true);
		cut(s, b, a, l, true);
		until(s, F_ONE_WAY, a, b, l, len);
		until(s, F_ONE_WAY, b, a, l, len);
		break;
	default:
		l = (unsigned)sim_between(s, 0, SIM_LINKS - 1);
		sim_trace(s, "link %u from n%u to n%u loses much", l,
		    s->nodes[a].id, s->nodes[b].id);
		s->net.dir[a][b][l].loss = (unsigned)sim_between(s, 50, 700);
		until(s, F_LOSS, a, b, l, len);
		break;
	}
}

void
fault_end(struct sim *s, const struct sim_event *e)
{
	switch (e->what) {
	case F_PARTITION:
		sim_trace(s, "partition %x ends", (unsigned)e->gen);
		split(s, (unsigned)e->gen, false);
		break;
	case F_ONE_WAY:
		cut(s, e->node, e->other, e->link, false);
		break;
	default:
		s->net.dir[e->node][e->other][e->link].loss = 0;
		break;
	}
}

void
fault_next(struct sim *s)
{
	uint64_t gap =
	    sim_between(s, s->profile.every / 4, 2 * s->profile.every);

	heap_add(&s->heap, s->now + gap, SE_FAULT);
}

void
fault_happen(struct sim *s)
{
	unsigned total = 0, what, a, b;
	uint64_t pick;

	fault_next(s);
	for (what = 0; what < F_MAX; what++)
		total += s->profile.weight[what];
	if (total == 0)
		return;
	pick = rng_below(&s->rng, total);
	for (what = 0; pick >= s->profile.weight[what]; what++)
		pick -= s->profile.weight[what];
	a = (unsigned)sim_between(s, 0, s->n - 1);
	b = (a + (unsigned)sim_between(s, 1, s->n - 1)) % s->n;
	if (what == F_CRASH || what == F_PAUSE || what == F_SHORT_PAUSE ||
	    what == F_STOP || what == F_CLIENT)
		node_faults(s, (enum fault)what, a);
	else
		network_faults(s, (enum fault)what, a, b);
}
