/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a glock does next.  Pure: every decision is read off the struct and
 * the time, so that a test can walk all interleavings.
 *
 * Invariants:
 *  S1  One request to the lock manager at a time (busy), and no request
 *      while the cached objects are written back or dropped (demoting).
 *  S2  Holders in EX are alone, unless all of them asked for NODE_SCOPE;
 *      SH goes with SH, DF with DF.
 *  S3  Waiters are served first come first served; only recovery (NOEXP)
 *      overtakes, and only while it runs.
 *  S4  A due demand is honoured as soon as no holder is left, before any
 *      further waiter; but a fresh grant serves its first waiters first, or
 *      two nodes could pass a lock back and forth without using it.
 *  S5  What a glock holds is never stronger than the lock manager granted.
 *  S6  A lock that was granted while a dead node's journals await replay
 *      (parked) serves recovery alone until the end of it; it is given up
 *      when another node asks, and not asked for again before the end.
 *
 * Transitions of state: UN -> SH, DF, EX by GLA_REQUEST; EX -> SH, DF, UN
 * and SH, DF -> UN by GLA_DEMOTE; SH -> EX by GLA_REQUEST, or by way of UN
 * (GLA_UNWIND) when two nodes convert against each other.
 */

#include "fs.h"

static const char *const state_names[] = { "UN", "SH", "DF", "EX" };

const char *
glock_state_name(enum glock_state st)
{
	return (unsigned)st < NITEMS(state_names) ? state_names[st] : "?";
}

enum lm_mode
glock_mode(enum glock_state st)
{
	switch (st) {
	case GLS_SH:
		return LM_PR;
	case GLS_DF:
		return LM_CW;
	case GLS_EX:
		return LM_EX;
	case GLS_UN:
		break;
	}
	return LM_NL;
}

enum glock_state
glock_state_of(enum lm_mode mode)
{
	switch (mode) {
	case LM_PR:
		return GLS_SH;
	case LM_CW:
		return GLS_DF;
	case LM_EX:
		return GLS_EX;
	default:
		return GLS_UN;
	}
}

/* What to fall back to when somebody wants this mode. */
enum glock_state
glock_bast_state(enum lm_mode wanted)
{
	switch (wanted) {
	case LM_CW:
		return GLS_DF;
	case LM_PR:
		return GLS_SH;
	default:
		return GLS_UN;
	}
}

bool
glock_demand_met(const struct glock *gl)
{
	return gl->state == GLS_UN || gl->state == gl->demote;
}

void
glock_demand(struct glock *gl, enum glock_state st)
{
	/* SH and DF exclude each other; passing by UN is always right. */
	if ((gl->state == GLS_SH && st == GLS_DF) ||
	    (gl->state == GLS_DF && st == GLS_SH))
		st = GLS_UN;
	if (gl->demand && gl->demote != st)
		st = GLS_UN;
	gl->demand = true;
	gl->demote = st;
}

/* S2: next to those who hold it already. */
static bool
fits_holders(const struct glock *gl, const struct gholder *gh)
{
	const struct gholder *first = TAILQ_FIRST(&gl->holders);

	if (first == NULL)
		return true;
	if (first->state == GLS_EX || gh->state == GLS_EX)
		return first->state == gh->state &&
		    (first->flags & GLF_NODE_SCOPE) != 0 &&
		    (gh->flags & GLF_NODE_SCOPE) != 0;
	return first->state == gh->state;
}

bool
glock_may_grant(const struct glock *gl, const struct gholder *gh)
{
	if (gl->busy || gl->demoting || gl->unwind)
		return false;
	if (gl->parked && (gh->flags & GLF_NOEXP) == 0)
		return false; /* S6 */
	if (gl->state == GLS_UN || !fits_holders(gl, gh))
		return false;
	if (gl->state == gh->state)
		return true;
	if (gh->flags & GLF_EXACT)
		return false;
	if (gl->state == GLS_EX)
		return true;
	return (gh->flags & GLF_ANY) != 0 && gh->state != GLS_EX;
}

enum glock_action
glock_next(const struct glock *gl, uint64_t now)
{
	const struct gholder *gh;

	if (gl->busy || gl->demoting)
		return GLA_NONE;
	if (gl->unwind)
		return GLA_UNWIND;
	if (gl->demand && !glock_demand_met(gl) &&
	    (!gl->delayed || now >= gl->hold_until))
		return TAILQ_EMPTY(&gl->holders) ? GLA_DEMOTE : GLA_NONE;
	gh = TAILQ_FIRST(&gl->waiters);
	if (gh != NULL) {
		if (glock_may_grant(gl, gh))
			return GLA_GRANT;
		if (!TAILQ_EMPTY(&gl->holders) || gl->retry)
			return GLA_NONE;
		if (gl->parked && (gh->flags & GLF_NOEXP) == 0)
			return GLA_NONE;
		return GLA_REQUEST;
	}
	if (gl->refs == 0 && gl->state == GLS_UN)
		return GLA_DISPOSE;
	return GLA_NONE;
}
