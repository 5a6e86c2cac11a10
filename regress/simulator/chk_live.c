/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What must happen once nothing goes wrong any more, and two checks that are
 * too small for a file of their own.
 *
 * INV_LIVE_VIEW  all nodes are in one primary view that is synchronized, at
 *	most four failure timeouts and some seconds after all run and hear
 *	each other (sim.c).
 * INV_LIVE_LOCKS  every client is in the lockspace and has its answers: no
 *	wake-up was lost anywhere on the way.
 * INV_LIVE_GROUPS  every client has seen the whole sequence, and nobody is in
 *	the group who does not run any more.
 * INV_FENCE_FIRST  a client is told that a lost node is fenced only when no
 *	program of that incarnation runs any more.
 * INV_FENCE_QUORUM  a device is started by a node in a primary view only, and
 *	never against a member of that view.
 * INV_NONCE	the counter of a sender towards a receiver only grows.
 */

#include "sim.h"

void
chk_live_view(struct sim *s)
{
	char text[400];
	size_t len = 0;
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < s->n && len < sizeof(text) - 60; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    " n%u%s %llu.%u%s%s/%u", s->nodes[i].id,
		    node_on(s, i) ? "" : "(off)",
		    (unsigned long long)s->nodes[i].view.epoch,
		    s->nodes[i].view.leader,
		    s->nodes[i].view.primary ? "P" : "",
		    s->nodes[i].view.synced ? "S" : "", s->nodes[i].view.n);
	sim_fail(s, INV_LIVE_VIEW, "no common view:%s", text);
}

static bool
locks_done(struct sim *s, unsigned i, const struct sim_client *c, bool over)
{
	const struct sim_lock *k;
	unsigned l;

	if (!c->open || !c->ls_asked)
		return true;
	if (!c->joined) {
		if (over)
			sim_fail(s, INV_LIVE_LOCKS,
			    "n%u client %llu: %s the lockspace is not done",
			    s->nodes[i].id, (unsigned long long)c->id,
			    c->leaving ? "leaving" : "joining");
		return false;
	}
	for (l = 0; l < SIM_LOCKS; l++) {
		k = &c->locks[l];
		if (k->state == LK_FREE)
			continue;
		if (over)
			sim_fail(s, INV_LIVE_LOCKS,
			    "n%u client %llu lock %u on resource %u: state %d "
			    "(mode %d, asked %d) for %llu ms",
			    s->nodes[i].id, (unsigned long long)c->id, k->lkid,
			    k->resource, (int)k->state, k->mode, k->asked,
			    (unsigned long long)((s->now - k->since) / MS));
		return false;
	}
	return true;
}

/* Nobody is in the group who does not run any more. */
static void
no_ghosts(struct sim *s, unsigned i, const struct sim_client *c)
{
	const struct sim_client *oc;
	unsigned k, n, j;
	bool found;

	for (k = 0; k < c->group_n && c->group_in; k++) {
		found = false;
		for (n = 0; n < s->n; n++)
			for (j = 0; j < SIM_CLIENTS; j++) {
				oc = &s->nodes[n].clients[j];
				found |= oc->open && oc->id == c->group_ids[k];
			}
		if (!found)
			sim_fail(s, INV_LIVE_GROUPS,
			    "n%u client %llu: client %llu is in the group and "
			    "long dead",
			    s->nodes[i].id, (unsigned long long)c->id,
			    (unsigned long long)c->group_ids[k]);
	}
}

/* Everybody who is in the group stands at the same place. */
static bool
group_done(struct sim *s, unsigned i, const struct sim_client *c,
    uint64_t *place, bool over)
{
	if (!c->open || !c->group_asked)
		return true;
	if (c->group_in && c->delivered == c->sent &&
	    (*place == 0 || c->group_told == 0 || c->group_told == *place)) {
		if (c->group_told != 0)
			*place = c->group_told;
		return true;
	}
	if (over)
		sim_fail(s, INV_LIVE_GROUPS,
		    "n%u client %llu: %s, %u of %u own messages came back",
		    s->nodes[i].id, (unsigned long long)c->id,
		    c->group_in ? "in the group" : "not in the group",
		    c->delivered, c->sent);
	return false;
}

bool
chk_live(struct sim *s, bool over)
{
	const struct sim_client *c;
	uint64_t place = 0;
	unsigned i, j;

	for (i = 0; i < s->n; i++) {
		for (j = 0; j < SIM_CLIENTS; j++) {
			c = &s->nodes[i].clients[j];
			if (!locks_done(s, i, c, over) ||
			    !group_done(s, i, c, &place, over) ||
			    !service_done(s, i, c, over))
				return false;
		}
	}
	/* Everybody has everything: from here on all of it counts. */
	chk_group_end(s);
	for (i = 0; i < s->n; i++)
		for (j = 0; j < SIM_CLIENTS; j++)
			no_ghosts(s, i, &s->nodes[i].clients[j]);
	return true;
}

/*
 * In the step that has just ended: in the view before it, in the one after it,
 * or between two primary views, when the last messages of the first one are
 * delivered.  Whoever is in the view after it must be left alone.
 */
void
chk_fence_start(struct sim *s, unsigned node, const struct action *act)
{
	const struct node_view *old = &s->nodes[node].view;
	int victim = node_index(s, act->node);
	struct node_view v;
	unsigned i;

	/* It may stop in this very step. */
	s->nodes[node].build->get_last_view(s->nodes[node].core, &v);
	/* Whom the operator wants off is switched off, even if it came back. */
	for (i = 0; i < v.n; i++)
		if (victim >= 0 && !s->op_fenced[victim] &&
		    v.members[i] == act->node && node_on(s, (unsigned)victim) &&
		    v.incs[i] == s->nodes[victim].inc)
			sim_fail(s, INV_FENCE_QUORUM,
			    "n%u fences n%u, which is in its view",
			    s->nodes[node].id, act->node);
	if ((old->primary && (old->synced || v.primary)) ||
	    (v.primary && v.synced))
		return;
	sim_fail(s, INV_FENCE_QUORUM,
	    "n%u fences n%u, but its view is not primary", s->nodes[node].id,
	    act->node);
}

void
chk_fence_slot(struct sim *s, unsigned node, const struct sim_client *c,
    uint16_t lost)
{
	const struct sim_client *lc;
	int i = node_index(s, lost);
	unsigned j;

	if (i < 0)
		sim_fail(s, INV_FENCE_FIRST, "node %u does not exist", lost);
	for (j = 0; j < SIM_CLIENTS; j++) {
		lc = &s->nodes[i].clients[j];
		/* Who joined before this recovery began belongs to the lost. */
		if (!lc->open || !lc->joined || lc->ls_joined_at >= c->prep_at)
			continue;
		sim_fail(s, INV_FENCE_FIRST,
		    "n%u client %llu is told that n%u is fenced, but its "
		    "client %llu runs",
		    s->nodes[node].id, (unsigned long long)c->id, lost,
		    (unsigned long long)lc->id);
	}
}

void
chk_nonce(struct sim *s, unsigned from, unsigned to, const uint8_t *data,
    size_t len)
{
	uint64_t counter;
	struct rbuf r;

	if (s->counter_life[from] != s->nodes[from].life) {
		s->counter_life[from] = s->nodes[from].life;
		memset(s->counters[from], 0, sizeof(s->counters[from]));
	}
	/* The clear header as core/wire.h draws it. */
	rbuf_init(&r, data, len);
	(void)rbuf_take(&r, 28);
	counter = rbuf_u64(&r);
	if (r.err || counter <= s->counters[from][to])
		sim_fail(s, INV_NONCE, "n%u uses nonce %llu towards n%u again",
		    s->nodes[from].id, (unsigned long long)counter,
		    s->nodes[to].id);
	s->counters[from][to] = counter;
}
