/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The builds of the core that a node may run: this one, the version after it
 * (core/version.h), whose names begin with next_ in this program, and one that
 * is told to lack what this one has, as the version before it did.
 *
 * INV_WIRE  a view has the features that the builds of all its members have,
 *	no more and no less; and nobody is sent a frame that it does not know.
 */

#include "core/version.h"
#include "sim.h"

struct node *next_node_new(const struct node_config *);
void next_node_free(struct node *);
void next_node_step(struct node *, const struct event *, struct actions *);
uint64_t next_node_deadline(const struct node *);
void next_node_check(const struct node *);
void next_node_get_view(const struct node *, struct node_view *);
bool next_node_over(const struct node *);
void next_node_get_load(const struct node *, struct node_load *);
uint64_t next_node_refused(const struct node *);
uint64_t next_node_skipped(const struct node *);
void next_node_get_last_view(const struct node *, struct node_view *);
bool next_node_view_is(const struct node *, const struct node_view *);
uint64_t next_node_lease(const struct node *);
uint64_t next_node_refused_key(const struct node *, uint16_t);
const struct keyring *next_node_ring(const struct node *);
const struct keyring *next_node_agreed(const struct node *);

const struct build build_this = { "this", WIRE_FEATURES, node_new, node_free,
	node_step, node_deadline, node_check, node_get_view, node_over,
	node_get_load, node_refused, node_skipped, node_get_last_view,
	node_view_is, node_lease, node_refused_key, node_ring, node_agreed };
const struct build build_before = { "former", 0, node_new, node_free, node_step,
	node_deadline, node_check, node_get_view, node_over, node_get_load,
	node_refused, node_skipped, node_get_last_view, node_view_is,
	node_lease, node_refused_key, node_ring, node_agreed };
const struct build build_next = { "next", WIRE_FEATURES | 2, next_node_new,
	next_node_free, next_node_step, next_node_deadline, next_node_check,
	next_node_get_view, next_node_over, next_node_get_load,
	next_node_refused, next_node_skipped, next_node_get_last_view,
	next_node_view_is, next_node_lease, next_node_refused_key,
	next_node_ring, next_node_agreed };

/* The build of a member, if it still is in the life that the view names. */
static const struct build *
build_of(const struct sim *s, const struct node_view *v, unsigned m)
{
	int i = node_index(s, v->members[m]);

	return s->nodes[i].inc == v->incs[m] ? s->nodes[i].build : NULL;
}

void
chk_wire(struct sim *s, unsigned node, const struct node_view *v)
{
	const struct sim_node *n = &s->nodes[node];
	uint64_t all = UINT64_MAX;
	bool known = true;
	unsigned i;

	if (n->build->skipped(n->core) != 0)
		sim_fail(s, INV_WIRE, "n%u was sent a frame it does not know",
		    n->id);
	for (i = 0; i < v->n; i++) {
		if (build_of(s, v, i) == NULL)
			known = false;
		else
			all &= build_of(s, v, i)->features;
	}
	s->upgraded += known && v->n > 1 && v->features == build_next.features;
	if (v->n == 0 || (known && v->features == all))
		return;
	/* Who is gone may have lacked some. */
	if (!known && (v->features & ~all) == 0)
		return;
	sim_fail(s, INV_WIRE,
	    "n%u has features %llx in view %llu, its members %llx", n->id,
	    (unsigned long long)v->features, (unsigned long long)v->epoch,
	    (unsigned long long)all);
}

/*
 * A node starts: with the build it had, or after an upgrade, or back.  Some
 * runs end with all upgraded, others stay mixed.
 */
void
build_pick(struct sim *s, unsigned node)
{
	static const unsigned upgraded[] = { 20, 50, 90, 100 };
	static const unsigned former[] = { 0, 0, 20, 60 };
	struct sim_node *n = &s->nodes[node];
	const struct build *was = n->build;

	n->build = &build_this;
	if (!s->mixed)
		return;
	if (rng_below(&s->grng, 100) < upgraded[s->seed % 4])
		n->build = &build_next;
	if (rng_below(&s->grng, 100) < former[s->seed / 4 % 4])
		n->build = &build_before;
	if (n->build != was)
		sim_trace(s, "n%u runs the %s build", n->id, n->build->name);
}
