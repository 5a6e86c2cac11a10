/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The networks: datagrams are lost, doubled, delayed differently (and so
 * reordered), altered in a bit, cut off in one direction or both, dropped
 * when they are too long for a link, held up on a slow one, and recorded by
 * an attacker who sends them again later.
 */

#include "sim.h"

static struct sim_event *
arrive(struct sim *s, unsigned to, unsigned link, uint64_t more,
    const uint8_t *data, size_t len)
{
	struct net *net = &s->net;
	struct sim_event *e;
	uint64_t delay = more + sim_between(s, net->lat_min, net->lat_max);

	if (sim_chance(s, net->spike))
		delay += sim_between(s, 0, 50 * MS);
	e = heap_add(&s->heap, s->now + delay, SE_PACKET);
	e->node = to;
	e->link = link;
	e->len = len;
	e->data = malloc(MAX(len, (size_t)1));
	ASSERT(e->data != NULL);
	memcpy(e->data, data, len);
	if (len > 0 && sim_chance(s, net->flip)) {
		e->bad = true;
		e->data[rng_below(&s->rng, len)] ^=
		    (uint8_t)(1U << rng_below(&s->rng, 8));
	}
	return e;
}

void
net_forge(struct sim *s, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	arrive(s, to, link, 0, data, len)->bad = true;
}

static void
record(struct sim *s, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	struct net *net = &s->net;
	uint64_t i;

	/* A sample of the whole run: old ones stay with falling chance. */
	i = net->nrecord < NITEMS(net->record) ?
	    net->nrecord++ :
	    rng_below(&s->rng, 8 * NITEMS(net->record));
	if (i >= NITEMS(net->record))
		return;
	free(net->record[i].data);
	net->record[i].data = malloc(len);
	ASSERT(net->record[i].data != NULL);
	memcpy(net->record[i].data, data, len);
	net->record[i].len = len;
	net->record[i].to = to;
	net->record[i].link = link;
	net->record[i].serial = s->packets;
	net->record[i].seen = 0;
}

/*
 * What each network carries, before and after the faults end: a path that has
 * shrunk in the middle of a run stays so.  It has a generator of its own.
 */
void
net_draw_lengths(struct sim *s)
{
	static const uint16_t common[] = { 0, 0, 1200, 1472, 4000, 8972 };
	struct rng rng;
	unsigned i, k, l;

	sim_generator(s, 6, 1, 3, &rng);
	/* More than the usual links last: other seeds stay as they were. */
	for (k = 0; k < 2 * CONF_LINKS_MAX; k++) {
		i = k < 2 * SIM_LINKS ? k / SIM_LINKS : k % 2;
		l = k < 2 * SIM_LINKS ? k % SIM_LINKS : k / 2;
		s->net.carries[i][l] = s->off[ST_LENGTH] ?
		    0 :
		    common[rng_below(&rng, NITEMS(common))];
	}
}

static bool
too_long(const struct sim *s, unsigned from, unsigned to, unsigned link,
    size_t len)
{
	const struct net *net = &s->net;
	unsigned mtu = net->dir[from][to][link].mtu;
	unsigned carries = net->carries[s->calm][link];

	if (carries == 0 || (mtu != 0 && mtu < carries))
		carries = mtu;
	return carries != 0 && len > carries;
}

void
net_send(struct sim *s, unsigned from, unsigned to, unsigned link,
    const uint8_t *data, size_t len)
{
	struct net *net = &s->net;
	uint64_t slow = net->dir[from][to][link].slow;

	if (s->packets++ % 16 == 0) {
		memcpy(net->sample, data, len);
		net->samplelen = len;
	}
	if (net->replay)
		record(s, to, link, data, len);
	if (net->dir[from][to][link].cut || net->apart[from][to])
		return;
	if (too_long(s, from, to, link, len))
		return;
	if (s->stranger != NULL)
		stranger_hear(s, to, link, data, len);
	if (sim_chance(s, net->loss) ||
	    sim_chance(s, net->dir[from][to][link].loss))
		return;
	slow = slow == 0 ? 0 : sim_between(s, slow / 2, slow);
	chk_keys_sent(s, from, arrive(s, to, link, slow, data, len));
	if (sim_chance(s, net->dup))
		arrive(s, to, link, slow, data, len);
}

void
net_replay(struct sim *s)
{
	struct net *net = &s->net;
	struct sim_event *e;
	uint64_t i;

	if (!net->replay)
		return;
	i = net->nrecord > 0 ? rng_below(&s->rng, net->nrecord) : 0;
	/*
	 * But one that had been lost, and says that a dead node lives, makes
	 * its receiver differ from the others for a failure timeout.
	 */
	if (net->nrecord > 0 &&
	    (s->phase != PH_DEATH || net->record[i].seen != 0)) {
		e = arrive(s, net->record[i].to, net->record[i].link, 0,
		    net->record[i].data, net->record[i].len);
		e->record = (unsigned)i + 1;
		e->serial = net->record[i].serial;
	}
	/* It goes on in calm times: an attacker does not rest. */
	heap_add(&s->heap, s->now + sim_between(s, 500, 20 * MS), SE_REPLAY);
}

void
net_heal(struct sim *s)
{
	struct net *net = &s->net;

	memset(net->dir, 0, sizeof(net->dir));
	net->loss = net->dup = net->flip = net->spike = 0;
	net->lat_max = net->lat_min + 500;
}

void
net_clear(struct sim *s)
{
	unsigned i;

	for (i = 0; i < s->net.nrecord; i++)
		free(s->net.record[i].data);
}
