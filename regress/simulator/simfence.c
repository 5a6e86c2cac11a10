/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Fence devices: some are slow, some fail.  None lies: what a device reports
 * as off is off before the report leaves it.
 */

#include "sim.h"

static void
ev_done(struct sim *sim, unsigned by, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[by];
	struct event ev = { .type = EV_FENCE_DONE };
	static const char ok[] = "off", failed[] = "no answer";

	(void)data, (void)len;
	if (sn->node == NULL || sn->life != life)
		return;
	if (sn->paused_until != 0) {
		sim_at(sim, sn->paused_until - sim->now + 2, ev_done, by, life,
		    arg, NULL, 0);
		return;
	}
	ev.req = (uint32_t)(arg >> 1);
	ev.ok = ev.verified = (arg & 1) != 0;
	ev.data = (const uint8_t *)(ev.ok ? ok : failed);
	ev.len = ev.ok ? sizeof(ok) : sizeof(failed);
	simnode_step(sim, by, &ev);
}

static void
ev_act(struct sim *sim, unsigned by, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	unsigned victim = (unsigned)(arg & 0xffff) - 1;
	uint64_t req = arg >> 16;
	bool ok = !sim_chance(sim, sim->f.fence_fail_pm);

	(void)data, (void)len;
	/* The device works on also when the one who asked is gone. */
	if (ok) {
		sim->nfences++;
		if (sim->nodes[victim].node != NULL) {
			simnode_crash(sim, victim, "fenced");
			simnode_restart_later(sim, victim,
			    sim_rand(sim, 3 * SECOND));
		}
	}
	sim_at(sim, sim_rand(sim, 50 * MS), ev_done, by, life,
	    req << 1 | (ok ? 1 : 0), NULL, 0);
}

void
simfence_start(struct sim *sim, unsigned by, uint32_t req, uint16_t victim)
{
	sim_trace(sim, "node %u: fences node %u", by + 1, victim);
	ASSERT(victim >= 1 && victim <= sim->p.nodes);
	sim_at(sim, MS + sim_rand(sim, sim->f.fence_max), ev_act, by,
	    sim->nodes[by].life, (uint64_t)req << 16 | victim, NULL, 0);
}
