/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Nodes that come and go.  Each loss costs the others a view, a fence and a
 * recovery, so one that is lost again and again is held back, each time for
 * twice as long: we do not say that we hear it, and so it fits in no set with
 * us (member_graph.c), for us and for all others alike.
 *
 * Invariant:
 *   H1  nobody is held back who could be needed: only by members of a primary
 *       view, and only who is not in it.  When that view has lost its quorum
 *       nobody is held any more.
 *
 * clusterd-protocol(7), section 6.3.
 */

#include "member_internal.h"

#define FREE_LOSSES  3 /* that cost nothing */
#define DOUBLED_MOST 4 /* the longest hold is 16 failure timeouts, */
#define HOLD_MAX     UINT64_C(20000000) /* but no more than this, us */
#define FORGET	     64 /* failure timeouts without a loss: all is forgotten */

void
hold_lost(const struct member *m, struct peer *p, bool clean)
{
	bool again = p->lost_inc == p->inc &&
	    !(m->have_view && view_has(&m->view, p->node, p->inc));

	if (clean || m->now - p->up_at > FORGET * m->conf->failure_timeout_us)
		p->losses = 0;
	/* Who was lost, and ends when it hears so, costs nobody anything more. */
	if (!clean && !again)
		p->losses++;
	p->lost_inc = p->inc;
}

void
hold_heard(struct member *m, struct peer *p, struct bus *bus)
{
	uint64_t hold = m->conf->failure_timeout_us;

	p->up_at = m->now;
	p->held_until = 0;
	if (p->losses < FREE_LOSSES)
		return;
	hold <<= MIN(p->losses - FREE_LOSSES, DOUBLED_MOST);
	hold = MIN(hold, HOLD_MAX);
	p->held_until = m->now + hold;
	if (member_held(m, p, m->now))
		bus_event(bus, EVK_NODE, EVL_WARN,
		    "node %u: held back for %llu ms, because it was lost %u "
		    "times in a row, and this view can do without it",
		    p->node, (unsigned long long)(hold / 1000), p->losses);
}

bool
member_held(const struct member *m, const struct peer *p, uint64_t now)
{
#if MUTANT == 804
	return p->up && now < p->held_until;
#endif
	return p->up && now < p->held_until && m->have_view &&
	    m->view.primary && view_find(&m->view, p->node) == NULL; /* H1 */
}

unsigned
hold_count(const struct member *m)
{
	unsigned i, n = 0;

	for (i = 0; i < m->npeers; i++) {
		if (member_held(m, &m->peers[i], m->now))
			n++;
	}
	return n;
}

unsigned
member_nheld(const struct member *m)
{
	return m->nheld;
}

uint64_t
member_held_until(const struct member *m, uint16_t node)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].node == node &&
		    member_held(m, &m->peers[i], m->now))
			return m->peers[i].held_until;
	}
	return 0;
}
