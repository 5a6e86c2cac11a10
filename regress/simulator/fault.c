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
	{ "split",
	    { [F_PARTITION] = 2,
		[F_ISOLATE] = 2,
		[F_ONE_WAY] = 2,
		[F_PAIR] = 2 } },
	{ "disk", { [F_DISK] = 3, [F_UNLUCKY] = 2, [F_CRASH] = 1 } },
	{ "hostile", { [F_GARBAGE] = 4, [F_CRASH] = 1, [F_PARTITION] = 1 } },
	{ "links",
	    { [F_LINK] = 3,
		[F_LOSS] = 2,
		[F_ONE_WAY] = 1,
		[F_SLOW] = 2,
		[F_MTU] = 2 } },
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

/*
 * In some worlds two nodes never reach each other again, or one of them not
 * the other: what is promised of calm times holds over a third node as well.
 */
void
fault_apart(struct sim *s)
{
	unsigned a, b;

	if (s->n < 3 || s->seed % 3 != 0 || s->off[ST_PAIR])
		return;
	a = (unsigned)(s->seed / 12 % s->n);
	b = (a + 1 + (unsigned)(s->seed / 24 % (s->n - 1))) % s->n;
	s->net.apart[a][b] = true;
	s->net.apart[b][a] = s->seed % 2 == 0;
	sim_trace(s, "n%u does not reach n%u, for ever%s", s->nodes[a].id,
	    s->nodes[b].id, s->net.apart[b][a] ? ", nor back" : "");
}

bool
fault_keeps(const struct sim *s, unsigned i)
{
	unsigned a, b;

	for (a = 0; a < s->n; a++)
		for (b = 0; b < s->n; b++)
			if (s->net.apart[a][b] && a != i && b != i)
				return true;
	return false;
}

/* -x: conditions that hold for the whole run and are left out of it. */
static void
leave_out(struct sim *s)
{
	struct profile *p = &s->profile;
	struct net *net = &s->net;

	net->loss = s->off[ST_LOSS] ? 0 : net->loss;
	net->dup = s->off[ST_DUP] ? 0 : net->dup;
	net->flip = s->off[ST_FLIP] ? 0 : net->flip;
	net->spike = s->off[ST_SPIKE] ? 0 : net->spike;
	net->replay &= !s->off[ST_REPLAY];
	p->fence_fail = s->off[ST_FENCE] ? 0 : p->fence_fail;
	p->commands = s->off[ST_COMMANDS] ? 0 : p->commands;
	p->ppm = s->off[ST_DRIFT] ? 0 : p->ppm;
	p->stranger &= !s->off[ST_STRANGER];
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
	for (i = 0; i < F_PAIR; i++)
		p->weight[i] =
		    sim_chance(s, 500) ? (unsigned)sim_between(s, 1, 5) : 0;
	p->ppm = sim_chance(s, 300) ? 10000 : 200;
	p->stranger = sim_chance(s, 200);
	p->weight[F_PAIR] = s->seed % 4 == 1 ? 3 : 0;
	/* Drawn without a number of the run's: other seeds stay as they were. */
	p->weight[F_DEVICE] = s->conf->qdevice.votes > 0 ? 3 : 0;
	net_draw_lengths(s);
	leave_out(s);
	for (k = 0; k < NITEMS(named); k++)
		if (s->want_profile != NULL &&
		    strcmp(s->want_profile, named[k].name) == 0)
			memcpy(p->weight, named[k].weight, sizeof(p->weight));
}

static uint64_t
draw(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->frng, hi - lo + 1);
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
split(struct sim *s, uint64_t mask, bool on)
{
	unsigned a, b, l;

	for (a = 0; a < s->n; a++)
		for (b = 0; b < s->n; b++)
			for (l = 0; l < s->conf->nlinks; l++)
				if ((mask >> a & 1) != (mask >> b & 1))
					cut(s, a, b, l, on);
}

void
fault_isolate(struct sim *s, unsigned a)
{
	split(s, UINT64_C(1) << a, true);
}

static void
node_faults(struct sim *s, enum fault what, unsigned a)
{
	bool all;

	switch (what) {
	case F_CRASH:
		if (voice_crash(s))
			node_kill(s, a);
		else
			node_crash(s, a, "it crashes");
		break;
	case F_PAUSE:
		node_pause(s, a, draw(s, 300 * MS, 4 * SEC));
		break;
	case F_SHORT_PAUSE:
		node_pause(s, a, draw(s, 1 * MS, 300 * MS));
		break;
	case F_STOP:
		node_stop(s, a);
		break;
	case F_UNLUCKY:
		s->nodes[a].unlucky = (enum unlucky)draw(s, 1, UN_VIEW);
		s->nodes[a].unlucky_len = draw(s, 1 * MS, 3 * SEC);
		break;
	case F_DISK:
		/*
		 * Whoever forgets must not be the only one who knows: no
		 * protocol survives that.  So all others know what it knew, and
		 * without them it has no quorum.  A quorum device does not: it
		 * may have a vote with a node that was set back, while who lost
		 * all has none.
		 */
		all = draw(s, 0, 1) == 0;
		if (!chk_view_settled(s) || chk_quorum_alone(s, a) ||
		    (!all && s->conf->qdevice.votes > 0))
			break;
		node_crash(s, a,
		    all ? "its disk is lost" : "its disk is set back");
		node_lose_disk(s, a, all);
		break;
	default:
		client_kill(s, a, (unsigned)draw(s, 0, SIM_CLIENTS - 1));
		break;
	}
}

/* Datagrams of nobody: noise, and real ones that were tampered with. */
static void
garbage(struct sim *s, unsigned a)
{
	struct net *net = &s->net;
	unsigned i, n = (unsigned)draw(s, 1, 30);
	uint8_t data[sizeof(net->sample)];
	size_t k, len;

	sim_trace(s, "garbage for n%u", s->nodes[a].id);
	for (i = 0; i < n; i++) {
		len = draw(s, 0, 1500);
		for (k = 0; k < len; k++)
			data[k] = (uint8_t)rng_u64(&s->frng);
		if (net->samplelen > 0 && draw(s, 0, 2) > 0) {
			/* Cut, with a tail of noise, or changed inside. */
			memcpy(data, net->sample, net->samplelen);
			if (len >= net->samplelen)
				len = net->samplelen;
			else if (draw(s, 0, 1) == 0)
				len = net->samplelen;
			if (len > 0)
				data[draw(s, 0, len - 1)] ^=
				    (uint8_t)(1U << draw(s, 0, 7));
		}
		net_forge(s, a, (unsigned)draw(s, 0, s->conf->nlinks - 1), data,
		    len);
	}
}

/* It is not reached, by some or by all; or made anew, when all is well. */
static void
device_faults(struct sim *s, unsigned a)
{
	uint64_t len = draw(s, 50 * MS, 4 * SEC);
	uint64_t kind = draw(s, 0, 9);
	unsigned i;

	if (kind == 0) {
		if (chk_view_settled(s))
			disk_make(s);
		return;
	}
	for (i = 0; i < s->n; i++)
		if (kind < 4 || (kind < 7 && draw(s, 0, 1) == 0) || i == a)
			disk_away(s, i, len);
}

static void
network_faults(struct sim *s, enum fault what, unsigned a, unsigned b)
{
	uint64_t len = draw(s, 50 * MS, 4 * SEC);
	uint64_t mask;
	unsigned l;

	switch (what) {
	case F_PARTITION:
	case F_ISOLATE:
		mask = what == F_ISOLATE ? UINT64_C(1) << a :
					   rng_u64(&s->frng) >> (64 - s->n);
		sim_trace(s, "partition %llx for %llu ms",
		    (unsigned long long)mask, (unsigned long long)(len / MS));
		split(s, mask, true);
		until(s, F_PARTITION, 0, 0, 0, len)->gen = mask;
		break;
	case F_ONE_WAY:
		sim_trace(s, "n%u no longer reaches n%u", s->nodes[a].id,
		    s->nodes[b].id);
		for (l = 0; l < s->conf->nlinks; l++) {
			cut(s, a, b, l, true);
			until(s, F_ONE_WAY, a, b, l, len);
		}
		break;
	case F_PAIR:
		sim_trace(s, "n%u and n%u no longer reach each other",
		    s->nodes[a].id, s->nodes[b].id);
		for (l = 0; l < s->conf->nlinks; l++) {
			cut(s, a, b, l, true);
			cut(s, b, a, l, true);
			until(s, F_ONE_WAY, a, b, l, len);
			until(s, F_ONE_WAY, b, a, l, len);
		}
		break;
	case F_LINK:
		l = (unsigned)draw(s, 0, s->conf->nlinks - 1);
		sim_trace(s, "link %u between n%u and n%u is cut", l,
		    s->nodes[a].id, s->nodes[b].id);
		cut(s, a, b, l, true);
		cut(s, b, a, l, true);
		until(s, F_ONE_WAY, a, b, l, len);
		until(s, F_ONE_WAY, b, a, l, len);
		break;
	case F_SLOW:
		l = (unsigned)draw(s, 0, s->conf->nlinks - 1);
		s->net.dir[a][b][l].slow = draw(s, 5 * MS, 250 * MS);
		sim_trace(s, "link %u from n%u to n%u is slow", l,
		    s->nodes[a].id, s->nodes[b].id);
		until(s, F_SLOW, a, b, l, len);
		break;
	case F_MTU:
		l = (unsigned)draw(s, 0, s->conf->nlinks - 1);
		s->net.dir[a][b][l].mtu = s->net.dir[b][a][l].mtu =
		    (unsigned)(draw(s, 0, 1) == 0 ? draw(s, 100, 1150) :
						    draw(s, 1200, 9000));
		sim_trace(s, "link %u between n%u and n%u takes %u bytes", l,
		    s->nodes[a].id, s->nodes[b].id, s->net.dir[a][b][l].mtu);
		until(s, F_MTU, a, b, l, len);
		break;
	default:
		l = (unsigned)draw(s, 0, s->conf->nlinks - 1);
		sim_trace(s, "link %u from n%u to n%u loses much", l,
		    s->nodes[a].id, s->nodes[b].id);
		s->net.dir[a][b][l].loss = (unsigned)draw(s, 50, 700);
		until(s, F_LOSS, a, b, l, len);
		break;
	}
}

void
fault_end(struct sim *s, const struct sim_event *e)
{
	switch (e->what) {
	case F_PARTITION:
		sim_trace(s, "partition %llx ends", (unsigned long long)e->gen);
		split(s, e->gen, false);
		break;
	case F_ONE_WAY:
		cut(s, e->node, e->other, e->link, false);
		break;
	case F_SLOW:
		s->net.dir[e->node][e->other][e->link].slow = 0;
		break;
	case F_MTU:
		s->net.dir[e->node][e->other][e->link].mtu = 0;
		s->net.dir[e->other][e->node][e->link].mtu = 0;
		break;
	default:
		s->net.dir[e->node][e->other][e->link].loss = 0;
		break;
	}
}

/* Everything about a fault follows from the seed and its number. */
static void
own_generator(struct sim *s)
{
	uint64_t seed[4] = { s->seed, s->nfaults, 5, 8 };
	unsigned i;

	rng_seed(&s->frng, seed);
	for (i = 0; i < 16; i++)
		rng_u64(&s->frng);
}

void
fault_next(struct sim *s)
{
	uint64_t gap;

	own_generator(s);
	gap = draw(s, s->profile.every / 4, 2 * s->profile.every);
	heap_add(&s->heap, s->now + gap, SE_FAULT);
}

void
fault_happen(struct sim *s)
{
	unsigned total = 0, what, a, b, number = FAULT_FIRST + s->nfaults++;
	uint64_t pick;

	fault_next(s);
	for (what = 0; what < F_MAX; what++)
		total += s->profile.weight[what];
	if (total == 0 || (number < FAULT_MAX && s->off[number]))
		return;
	pick = rng_below(&s->frng, total);
	for (what = 0; pick >= s->profile.weight[what]; what++)
		pick -= s->profile.weight[what];
	a = (unsigned)draw(s, 0, s->n - 1);
	b = (a + (unsigned)draw(s, 1, s->n - 1)) % s->n;
	sim_trace(s, "fault %u", number);
	switch (what) {
	case F_CRASH:
	case F_PAUSE:
	case F_SHORT_PAUSE:
	case F_STOP:
	case F_CLIENT:
	case F_UNLUCKY:
	case F_DISK:
		node_faults(s, (enum fault)what, a);
		break;
	case F_GARBAGE:
		garbage(s, a);
		break;
	case F_DEVICE:
		device_faults(s, a);
		break;
	default:
		network_faults(s, (enum fault)what, a, b);
		break;
	}
}
