/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Options of quorum that an operator sets while the cluster runs, and votes, in
 * half of the runs: which orders are given, and what may come of them.
 *
 * INV_OPTIONS  all members of a view have the same options; each is that of the
 *	file, or was ordered; the rules of an electorate are what its options
 *	say; and what was ordered holds in every later view until an order
 *	takes it back.
 *
 * A view with a member that does not know options has none.
 */

#include <stdio.h>

#include "sim.h"

#define ASKED_MAX 256

struct chk_options {
	struct rng rng; /* of its own: other runs stay as they were */
	unsigned often; /* permille of the operator's visits; 0: never */
	bool resets;
	bool reset; /* ordered, ever */
	unsigned n;
	struct vote_options asked[ASKED_MAX];
	bool broken;		  /* a view without options was entered */
	struct vote_options last; /* of the last view that took effect */
};

static unsigned
draw(struct chk_options *co, unsigned n)
{
	return (unsigned)rng_below(&co->rng, n);
}

void
chk_options_draw(struct sim *s)
{
	struct chk_options *co = calloc(1, sizeof(*co));

	ASSERT(co != NULL);
	s->chk_options = co;
	sim_generator(s, 3, 3, 1, &co->rng);
	if (draw(co, 2) == 0 || s->off[ST_OPTIONS])
		return;
	co->often = 200 + draw(co, 600);
	co->resets = draw(co, 2) == 0;
}

void
chk_options_free(struct sim *s)
{
	free(s->chk_options);
}

static void
draw_tie(struct sim *s, struct vote_options *o, char *value, size_t size)
{
	static const char *const ties[] = { "none", "lowest", "highest" };
	struct chk_options *co = s->chk_options;
	unsigned first = draw(co, s->n), i;
	const struct conf_node *cn;

	o->tie = (enum conf_tie)draw(co, 4);
	if (o->tie != TIE_LIST) {
		strlcpy(value, ties[o->tie], size);
		return;
	}
	value[0] = '\0';
	for (i = 0; i < 2; i++) {
		cn = &s->conf->nodes[(first + i) % s->n];
		o->tie_nodes[o->ntie++] = cn->id;
		strlcat(value, i > 0 ? " " : "", size);
		strlcat(value, cn->name, size);
	}
}

/* two_node allows two primary views for a while, so it is not asked for. */
static void
draw_option(struct sim *s, struct vote_options *o, char *value, size_t size)
{
	struct chk_options *co = s->chk_options;
	unsigned which = draw(co, s->conf->qdevice.votes > 0 ? 5 : 4), i;
	unsigned votes = 0;
	bool b = draw(co, 2) == 0;

	strlcpy(value, b ? "true" : "false", size);
	if (which == 0) {
		o->given = 1 << OPT_LAST_MAN;
		o->last_man = b;
	} else if (which == 1) {
		o->given = 1 << OPT_DOWNSCALE;
		o->downscale = b;
	} else if (which == 2) {
		o->given = 1 << OPT_WAIT_FOR_ALL;
		o->wait_for_all = b;
	} else if (which == 3) {
		o->given = 1 << OPT_TIE;
		draw_tie(s, o, value, size);
	} else {
		for (i = 0; i < s->n; i++)
			votes += s->conf->nodes[i].votes;
		o->given = 1 << OPT_DEVICE;
		o->device = (uint8_t)draw(co, MAX(votes, 1u));
		snprintf(value, size, "%u", o->device);
	}
}

/* Votes of a node, or of all together. */
static void
order_votes(struct sim *s, unsigned node)
{
	struct chk_options *co = s->chk_options;
	char arg[64];

	if (draw(co, 2) == 0) {
		snprintf(arg, sizeof(arg), "%u", 1 + draw(co, 2 * s->n));
		operator_orders(s, node, "quorum-expected", arg);
	} else {
		snprintf(arg, sizeof(arg), "%s %u",
		    s->conf->nodes[draw(co, s->n)].name, draw(co, 4));
		operator_orders(s, node, "quorum-votes", arg);
	}
}

bool
chk_options_order(struct sim *s, unsigned node)
{
	static const char *const names[] = { "wait_for_all", "two_node",
		"last_man_standing", "downscale", "tie_breaker",
		"device_votes" };
	struct chk_options *co = s->chk_options;
	struct vote_options o;
	char value[128], arg[160];
	unsigned i = 0;

	if (co->often == 0 || co->n == ASKED_MAX || draw(co, 1000) >= co->often)
		return false;
	if (co->resets && draw(co, 6) == 0) {
		co->reset = true;
		operator_orders(s, node, "quorum-reset", "");
		return true;
	}
	if (draw(co, 4) == 0) {
		order_votes(s, node);
		return true;
	}
	memset(&o, 0, sizeof(o));
	draw_option(s, &o, value, sizeof(value));
	co->asked[co->n++] = o;
	while (o.given != 1u << i)
		i++;
	snprintf(arg, sizeof(arg), "%s %s", names[i], value);
	operator_orders(s, node, "quorum-set", arg);
	return true;
}

static bool
same_value(const struct vote_options *a, const struct vote_options *b,
    unsigned i)
{
	unsigned k;

	if (i == OPT_TIE) {
		if (a->tie != b->tie || a->ntie != b->ntie)
			return false;
		for (k = 0; k < a->ntie; k++)
			if (a->tie_nodes[k] != b->tie_nodes[k])
				return false;
		return true;
	}
	return i == OPT_WAIT_FOR_ALL ? a->wait_for_all == b->wait_for_all :
	    i == OPT_TWO_NODE	     ? a->two_node == b->two_node :
	    i == OPT_LAST_MAN	     ? a->last_man == b->last_man :
	    i == OPT_DOWNSCALE	     ? a->downscale == b->downscale :
				       a->device == b->device;
}

static void
of_file(const struct conf *c, struct vote_options *o)
{
	unsigned i;

	memset(o, 0, sizeof(*o));
	o->wait_for_all = c->wait_for_all;
	o->two_node = c->two_node;
	o->last_man = c->last_man_standing;
	o->downscale = c->downscale;
	o->tie = c->tie;
	for (i = 0; c->tie == TIE_LIST && i < c->ntie; i++)
		o->tie_nodes[o->ntie++] = c->tie_nodes[i];
	o->device = c->qdevice.votes;
}

/* Was it ever asked for, or is it in the file? */
static bool
grounded(const struct sim *s, const struct vote_options *o, unsigned i)
{
	const struct chk_options *co = s->chk_options;
	struct vote_options file;
	unsigned k;

	if ((o->given >> i & 1) == 0) {
		of_file(s->conf, &file);
		if (same_value(o, &file, i) || s->edited == NULL)
			return same_value(o, &file, i);
		of_file(s->edited, &file);
		return same_value(o, &file, i);
	}
	for (k = 0; k < co->n; k++)
		if (co->asked[k].given == 1u << i &&
		    same_value(o, &co->asked[k], i))
			return true;
	return false;
}

void
chk_options_entered(struct sim *s, const struct node_view *v)
{
	const struct vote_options *o = &v->elect.opt;
	const struct electorate *e = &v->elect;
	unsigned i;

	s->chk_options->broken |= !o->known;
	if (!o->known) {
		if (o->given != 0)
			sim_fail(s, INV_OPTIONS,
			    "view %llu.%u has options that it does not know",
			    (unsigned long long)v->epoch, v->leader);
		return;
	}
	for (i = 0; i < OPT_MAX; i++)
		if (!grounded(s, o, i))
			sim_fail(s, INV_OPTIONS,
			    "view %llu.%u has an option (%u) that is not in "
			    "the file, and that nobody ordered",
			    (unsigned long long)v->epoch, v->leader, i);
	if (e->dynamic != o->last_man ||
	    e->downscale != (o->last_man || o->downscale) || e->two_node ||
	    (o->tie == TIE_NONE && e->tie != 0) ||
	    (e->n > 0 && e->v[0].node == VOTER_DEVICE &&
		e->v[0].votes != o->device))
		sim_fail(s, INV_OPTIONS,
		    "view %llu.%u decides by other rules than its options say",
		    (unsigned long long)v->epoch, v->leader);
}

/* It takes effect, so all later ones descend from it. */
void
chk_options_effect(struct sim *s, const struct node_view *v)
{
	struct chk_options *co = s->chk_options;
	unsigned i;

	for (i = 0; i < s->n; i++)
		co->broken |= s->nodes[i].forgot;
	if (!co->broken && !co->reset &&
	    (co->last.given & ~v->elect.opt.given) != 0)
		sim_fail(s, INV_OPTIONS,
		    "in view %llu.%u an option that was ordered is forgotten",
		    (unsigned long long)v->epoch, v->leader);
	co->last = v->elect.opt;
}

/* Two members of one view. */
void
chk_options_agree(struct sim *s, const struct node_view *a,
    const struct node_view *b, uint16_t node)
{
	unsigned i;
	bool same = a->elect.opt.known == b->elect.opt.known &&
	    a->elect.opt.given == b->elect.opt.given;

	for (i = 0; i < OPT_MAX; i++)
		same &= same_value(&a->elect.opt, &b->elect.opt, i);
	if (!same)
		sim_fail(s, INV_OPTIONS,
		    "view %llu.%u has other options on n%u",
		    (unsigned long long)b->epoch, b->leader, node);
}
