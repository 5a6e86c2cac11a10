/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Two versions of cluster.yaml, in an eighth of the generated runs: they differ
 * in the timers of membership.  A node reads one or the other as it starts; or
 * all of them have one at first, and the other one later; until the operator
 * puts all of them right when all is to be well.
 *
 * INV_CONFIG  all members of a view have read the same one (I17).
 */

#include "sim.h"

void
edit_draw(struct sim *s)
{
	if (!s->generated || s->seed % 8 != 5 || s->off[ST_EDIT])
		return;
	sim_generator(s, 1, 7, 17, &s->erng);
	s->edited = malloc(sizeof(*s->edited));
	ASSERT(s->edited != NULL);
	*s->edited = *s->conf; /* what it points to is shared */
	conf_profile(s->edited,
	    (enum conf_detect)((s->conf->detect + 1 + rng_below(&s->erng, 2)) %
		(DETECT_WAN + 1)));
	conf_hash(s->edited);
	if (rng_below(&s->erng, 2) == 0)
		s->edit_at = rng_below(&s->erng, s->until) + 1;
	s->edit_back = rng_below(&s->erng, 2) == 0;
	s->slowest_us = MAX(s->slowest_us, s->edited->failure_timeout_us);
}

void
edit_free(struct sim *s)
{
	free(s->edited);
}

const struct conf *
edit_boot(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];

	if (s->edited == NULL)
		return s->conf;
	if (s->edit_at != 0)
		n->edited = s->edit_back == (s->now < s->edit_at);
	else if (rng_below(&s->erng, 3) == 0)
		n->edited = !n->edited;
	n->edited &= !s->calm;
	if (n->edited)
		sim_trace(s, "the file of n%u has detection %u", n->id,
		    (unsigned)s->edited->detect);
	return n->edited ? s->edited : s->conf;
}

void
edit_calm(struct sim *s)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].edited)
			node_crash(s, i, "its file is put right");
}

void
chk_edit(struct sim *s, unsigned i, const struct node_view *v)
{
	const struct sim_node *n = &s->nodes[i], *o;
	unsigned k;

	for (k = 0; k < v->n; k++) {
		o = &s->nodes[node_index(s, v->members[k])];
		/* Of a life that is over, the others have been asked. */
		if (o->inc == v->incs[k] && o->edited != n->edited)
			sim_fail(s, INV_CONFIG,
			    "n%u and n%u are in view %llu, with two versions "
			    "of the configuration",
			    n->id, o->id, (unsigned long long)v->epoch);
	}
}
