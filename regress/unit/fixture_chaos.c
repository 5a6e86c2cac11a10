/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Random stories, and what clients may read in any story. */

#include <stdio.h>

#include <atf-c.h>

#include "fixture_internal.h"

void
fixture_keep_life(struct fix *fx, const struct fix_log *log)
{
	if (log->n == 0)
		return;
	fx->lives = reallocarray(fx->lives, fx->nlives + 1, sizeof(*log));
	ATF_REQUIRE(fx->lives != NULL);
	fx->lives[fx->nlives++] = *log;
}

/*
 * Two lives that were members at the same time read the same: from the first
 * message of the one that came later, until one of them ends.
 */
static void
compare_lives(const struct fix_log *a, const struct fix_log *b)
{
	unsigned i, k, x;

	for (i = 0; i < a->n; i++) {
		for (k = 0; k < b->n && b->msg[k] != a->msg[i]; k++)
			;
		if (k < b->n)
			break;
	}
	if (i == a->n)
		return;
	ATF_REQUIRE_MSG(i == 0 || k == 0,
	    "message %u is after others that only one has read", a->msg[i]);
	for (x = 0; i + x < a->n && k + x < b->n; x++)
		ATF_REQUIRE_MSG(a->msg[i + x] == b->msg[k + x] &&
			a->from[i + x] == b->from[k + x],
		    "one reads %u where another reads %u", a->msg[i + x],
		    b->msg[k + x]);
}

void
fixture_compare(struct fix *fx)
{
	struct fix_log *l;
	unsigned i, k, x;

	for (i = 1; i <= fx->n; i++)
		if (fx->nodes[i].node != NULL || !fx->agreed)
			fixture_keep_life(fx, &fx->nodes[i].log);
	for (i = 0; i < fx->nlives; i++) {
		l = &fx->lives[i];
		for (k = 0; k < l->n; k++) {
			for (x = 0; x < k; x++)
				ATF_REQUIRE_MSG(l->msg[x] != l->msg[k],
				    "message %u is read twice", l->msg[k]);
		}
		for (k = 0; k < i; k++)
			compare_lives(l, &fx->lives[k]);
	}
}

static void
random_cut(struct fix *fx, struct rng *rng)
{
	uint16_t a = (uint16_t)(1 + rng_below(rng, fx->n));
	uint16_t b = (uint16_t)(1 + rng_below(rng, fx->n));

	if (a != b)
		fixture_cut(fx, a, b);
}

void
fixture_chaos(struct fix *fx, struct rng *rng, unsigned steps)
{
	uint16_t id;

	while (steps-- > 0) {
		id = (uint16_t)(1 + rng_below(rng, fx->n));
		switch (rng_below(rng, 12)) {
		case 0:
			fixture_crash(fx, id);
			break;
		case 1:
			random_cut(fx, rng);
			break;
		case 2:
			fixture_split(fx, (unsigned)rng_below(rng, 1024));
			break;
		case 3:
		case 4:
			fixture_heal_all(fx);
			break;
		case 5:
			if (fx->nodes[id].node != NULL &&
			    rng_below(rng, 4) == 0)
				fixture_stop(fx, id);
			break;
		case 6:
		case 7:
			if (fx->nodes[id].node == NULL &&
			    fx->nodes[id].restart_at == 0) {
				fixture_start(fx, id);
				fixture_join(fx, id);
			}
			break;
		default:
			fixture_send(fx, id, ++fx->msgs);
			break;
		}
		fixture_run(fx,
		    rng_below(rng, 4) == 0 ? rng_below(rng, 2 * SECOND) :
					     rng_below(rng, 20 * MS));
	}
}

/* A node that leaves, or a session that is about to break. */
static bool
unrest(const struct fix *fx)
{
	unsigned i, k;

	for (i = 1; i <= fx->n; i++) {
		if (fx->nodes[i].node == NULL ||
		    fx->nodes[i].node->state == NODE_LEAVING)
			return true;
		for (k = i + 1; k <= fx->n; k++) {
			if (fx->pairs[i][k].change_at != 0)
				return true;
		}
	}
	return false;
}

/* The end of chaos: everything heals, everybody comes back. */
void
fixture_calm(struct fix *fx)
{
	unsigned all = 0, rounds = 0;
	uint16_t i;

	fixture_heal_all(fx);
	fixture_device(fx, FIX_OFF);
	for (i = 1; i <= fx->n; i++) {
		all |= BIT(i);
		if (fx->nodes[i].node == NULL && fx->nodes[i].restart_at == 0)
			fixture_start(fx, i);
	}
	/* Who is fenced on the way is switched on again by the operator. */
	do {
		ATF_REQUIRE_MSG(++rounds < 10, "no calm");
		fixture_run(fx, 3 * SECOND);
		for (i = 1; i <= fx->n; i++) {
			if (fx->nodes[i].node == NULL &&
			    fx->nodes[i].restart_at == 0)
				fixture_start(fx, i);
		}
	} while (unrest(fx) || !fixture_settled(fx, all));
}
