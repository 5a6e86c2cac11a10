/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The network: delay, loss, duplication, reordering, bent bits; cuts between
 * sides, in one direction, or of one link.
 */

#include "sim.h"

#define INBOX_MAX 256 /* datagrams that wait at a machine that stands still */

static void
ev_deliver(struct sim *sim, unsigned i, unsigned life, uint64_t link,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[i];
	struct event ev = { .type = EV_PACKET,
		.link = (unsigned)link,
		.data = data,
		.len = len };

	(void)life;
	if (sn->node == NULL)
		return;
	if (sn->paused_until != 0) {
		/* Delivered right when it runs again, before its timers; a
		   full socket buffer loses some. */
		if (sim_chance(sim, 900))
			sim_at(sim, sn->paused_until - sim->now, ev_deliver, i,
			    0, link, data, len);
		return;
	}
	simnode_step(sim, i, &ev);
}

static void
send_one(struct sim *sim, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	uint64_t delay = sim->f.delay_min +
	    sim_rand(sim, sim->f.delay_max - sim->f.delay_min + 1);
	uint8_t copy[2048];

	if (sim_chance(sim, sim->f.reorder_pm))
		delay += sim_rand(sim, 10 * MS);
	if (len > 0 && len <= sizeof(copy) && sim_chance(sim, sim->f.flip_pm)) {
		memcpy(copy, data, len);
		copy[sim_rand(sim, len)] ^= (uint8_t)(1 << sim_rand(sim, 8));
		data = copy;
	}
	sim_at(sim, delay, ev_deliver, to, 0, link, data, len);
}

void
simnet_send(struct sim *sim, unsigned from, uint16_t to, unsigned link,
    const uint8_t *data, size_t len)
{
	unsigned t = to - 1u;

	ASSERT(to >= 1 && to <= sim->p.nodes && link < sim->conf->nlinks);
	sim->npackets++;
	if (sim->cut[from][t][link] || sim_chance(sim, sim->f.loss_pm))
		return;
	send_one(sim, t, link, data, len);
	if (sim_chance(sim, sim->f.dup_pm))
		send_one(sim, t, link, data, len);
}

void
simnet_heal(struct sim *sim)
{
	memset(sim->cut, 0, sizeof(sim->cut));
}

static void
cut_pair(struct sim *sim, unsigned a, unsigned b)
{
	unsigned l;

	for (l = 0; l < sim->conf->nlinks; l++)
		sim->cut[a][b][l] = true;
}

void
simnet_cut(struct sim *sim, unsigned kind)
{
	unsigned a, b, n = sim->p.nodes, l;
	uint64_t sides = sim_rand(sim, UINT64_C(1) << n);

	if (kind == 0) {
		sim_trace(sim, "network cut into %llx and the rest",
		    (unsigned long long)sides);
		for (a = 0; a < n; a++) {
			for (b = 0; b < n; b++) {
				if ((sides >> a & 1) != (sides >> b & 1))
					cut_pair(sim, a, b);
			}
		}
		return;
	}
	a = (unsigned)sim_rand(sim, n);
	b = (a + 1 + (unsigned)sim_rand(sim, n - 1)) % n;
	if (kind == 1) {
		sim_trace(sim, "nothing goes from node %u to node %u", a + 1,
		    b + 1);
		cut_pair(sim, a, b);
		return;
	}
	l = (unsigned)sim_rand(sim, sim->conf->nlinks);
	sim_trace(sim, "link %u of node %u is dead", l, a + 1);
	for (b = 0; b < n; b++)
		sim->cut[a][b][l] = sim->cut[b][a][l] = true;
}
