/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Fence devices: power switches that work, fail, are slow, or report failure
 * and cut the power afterwards.  None claims a success that is not true: no
 * protocol survives that.
 */

#include "sim.h"

static void
plan_kill(struct sim *s, unsigned victim, uint64_t at)
{
	struct sim_event *e = heap_add(&s->heap, at, SE_KILL);

	/* The switch knows no incarnations: it hits whoever runs by then. */
	e->node = victim;
}

void
fence_start(struct sim *s, unsigned node, const struct action *act)
{
	struct profile *p = &s->profile;
	int victim = node_index(s, act->node);
	uint64_t len = sim_between(s, p->fence_min, p->fence_max);
	struct sim_event *e;
	bool ok;

	ASSERT(victim >= 0 && act->device < s->conf->ndevices);
	ok = s->calm || !sim_chance(s, p->fence_fail);
	if (!ok && sim_chance(s, p->fence_late))
		plan_kill(s, (unsigned)victim,
		    s->now + len + sim_between(s, 0, 2 * SEC));
	if (len > act->timeout_us) {
		len = act->timeout_us;
		ok = false;
	}
	sim_trace(s, "n%u starts device %u against n%u: %s in %llu ms",
	    s->nodes[node].id, act->device, act->node, ok ? "works" : "fails",
	    (unsigned long long)(len / MS));
	e = heap_add(&s->heap, s->now + len, SE_FENCE);
	e->node = node;
	e->other = (unsigned)victim;
	e->life = s->nodes[node].life;
	e->req = act->req;
	e->ok = ok;
	s->fences++;
}

void
fence_finish(struct sim *s, const struct sim_event *e)
{
	const char *text = e->ok ? "off" : "the device did not answer";
	struct event ev = { .type = EV_FENCE_DONE,
		.req = e->req,
		.ok = e->ok,
		.verified = e->ok,
		.data = (const uint8_t *)text,
		.len = strlen(text) };

	s->fences--;
	/* The power goes even when the node that asked has died meanwhile. */
	if (e->ok) {
		s->kills++;
		node_crash(s, e->other, "its power was cut");
	}
	if (node_on(s, e->node) && s->nodes[e->node].life == e->life)
		node_input(s, e->node, &ev);
}
