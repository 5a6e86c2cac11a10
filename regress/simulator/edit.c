/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Two versions of cluster.yaml, in an eighth of the generated runs: they differ
 * in the timers of membership, and in half of these runs in votes and options.
 * A node reads one or the other as it starts; or all of them have one at first,
 * and the other one later; until the operator puts all of them right when all is
 * to be well.
 *
 * Other votes may come only when there has been a primary view: before that the
 * file is all that there is, and two files are two clusters.
 *
 * INV_CONFIG  all members of a view have read the same one (I17).
 */

#include "sim.h"

static unsigned
draw(struct sim *s, unsigned n)
{
	return (unsigned)rng_below(&s->erng, n);
}

/* One who wins alone would begin anew when it has lost its disk. */
static void
edit_votes(struct sim *s, struct conf *c)
{
	unsigned i, total = c->qdevice.votes, most = 0;

	s->edit_votes = true;
	c->last_man_standing = draw(s, 2) == 0;
	c->downscale = draw(s, 2) == 0;
	c->tie = (enum conf_tie)draw(s, TIE_LIST);
	c->ntie = 0;
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].votes = (uint8_t)draw(s, 4);
		total += c->nodes[i].votes;
		most = MAX(most, (unsigned)c->nodes[i].votes);
	}
	for (i = 0; 2 * most >= total && i < c->nnodes; i++)
		c->nodes[i].votes = 1;
}

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
	    (enum conf_detect)(
		(s->conf->detect + 1 + draw(s, 2)) % (DETECT_WAN + 1)));
	if (draw(s, 2) == 0 && !s->off[ST_EDIT_VOTES])
		edit_votes(s, s->edited);
	conf_hash(s->edited);
	if (draw(s, 2) == 0)
		s->edit_at = rng_below(&s->erng, s->until) + 1;
	s->edit_back = draw(s, 2) == 0;
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
	else if (draw(s, 3) == 0)
		n->edited = !n->edited;
	n->edited &= !s->calm && (!s->edit_votes || n->remembers);
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
