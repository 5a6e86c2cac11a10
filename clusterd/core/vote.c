/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Electorates: whose votes decide on the next primary view, and who wins.
 *
 * Each primary view X has an electorate E(X), agreed with the view, and with it
 * the options that made it (vote_options.c).  Without options it is all nodes of
 * the file, always.  last_man_standing makes it the members of X that have the
 * state, downscale takes out who left cleanly, and an operator may change votes
 * and options.  A tie breaker is one node in it.  E(X) decides on the successor
 * of X, and what that is to have takes no part in whether it may be.  That
 * two primary views never stand side by side, although E changes, rests on
 * rules of which member_round.c and member_part.c keep all but E6:
 *
 *   E1  A node says READY for a primary view P only after P and E(P) are on
 *       its disk (an attempt), unless E(P) is that of P's base, without
 *       downscale, and no member of P knows of an attempt newer than that
 *       base: where votes do not change nothing is written.  It forgets an
 *       attempt when it enters P or a later view.
 *   E2  A view S may be primary only if its members win E(B), where B is the
 *       newest primary view that a member of S was in (its base).
 *   E3  ... and if, for each attempt P of a member that is newer than B, no
 *       set without a member of S can win E(P): S blocks P.
 *   E4  The members of S win E(S), too, or S has all nodes of the file.
 *   E5  A node whose memory begins later than a view has no vote on what
 *       comes after that view: its disk may be new.  An operator may have
 *       changed votes since, whatever the file says, and who missed that needs
 *       others who know.  Memory begins with the first view that the disk had
 *       a part in, READY for it or in it.  While nobody remembers a primary
 *       view all voters must be there, unless by the file electorates never
 *       change (electorate_static).
 *   E6  Two sets that both win E share a node, and so do one that wins and
 *       one that blocks.
 *   E7  Where all nodes of the file are in S, and all that count in E(B) and
 *       E(P), nobody else can go on: E3 and E5 ask nothing more, and who has
 *       left counts again.  Else a first view that not all wrote down would
 *       stand in the way for ever.
 *
 *   E8  A quorum device has votes like a node, promises epochs like one, and
 *       remembers what it was READY for (E3) and the newest base it was told;
 *       it keeps E1 always, as electorates with a device are never taken for
 *       fixed, not even where it has 0 votes now.  But it is a member of no view, and cannot leave one.  So it
 *       is counted in S only if a node of S was named in the last view R that
 *       it was READY for, and remembers R (E5).  Where all nodes are in S
 *       (E7) its votes are there, for nobody else can have them.
 *
 * If X was entered by anybody and S is a later attempt (by its epoch, and a
 * node promises epochs in ascending order), then S blocks X or the base of S
 * is X or later.  For let B be the base of S, older than X, and A that of X.
 * If A is B, both win E(B) and share a node (E6); it was READY for X before S
 * and has been in nothing newer than B, so it still has the attempt X and S
 * blocks X (E3).  If A is older than B, X blocks B by induction and shares a
 * node with S, which wins E(B): the same follows.  If A is newer than B, S
 * blocks A by induction and X wins it: the same again.  Where X was not
 * written, E(X) is E(A), and S wins or blocks that in the first and the last
 * case; in the second X would have had to know of an attempt, be it B or the
 * view that B has its electorate from.
 *
 * A view takes effect when all its members have entered it (order.c).  If F
 * took effect and S is later, S cannot have an older base: it would block F,
 * which F wins (E4), so they share a node; and that has entered F.  So all
 * later views descend from F, and two never go on side by side.  (If F has all
 * nodes of the file they share one whatever F wins: S has a node.)
 *
 * With a device the node they share may be the device, and that enters nothing.
 * Then F counted it, so it was READY for F before F was entered, and S comes
 * later: the last view R that it was READY for is F or later.  If R is F, a node
 * of F is in S; it has entered F, or S comes first for it and F never takes
 * effect.  If R is later, its base is F or later, be R one that counted the
 * device (by induction) or not (then F and R share a node); and the device
 * learned R and its base in one.  So the base of S is F or later again.  And F
 * is over by then: either a node of F is in S, or the device was told of F as a
 * base by a view in which, by the same argument, one was.  A device that is made
 * anew is a node with an empty disk: E5.
 *
 * Who leaves cleanly from X has entered X, was READY for nothing later, and
 * has put on disk that it will not vote for X's successor.  Whoever knows
 * that (from the leaver, about this very X) may count as if it had not been
 * in E(X): it is in no set that wins or blocks any more, and both sides of E6
 * only grow stricter for those who do not know.  If all have left, none has
 * gone on, and all count again.
 *
 * With E7 the line from a view that took effect can end, if all who entered it
 * have lost their disks since.  None of them goes on, for they are all here,
 * restarted; what they did is lost with their disks.
 *
 * It ends, too, where nobody there remembers anything, and E5 lets them begin:
 * so many disks must have been lost at once that their votes are the majority in
 * the file, which does not say to wait for all.  What an operator had set is
 * forgotten then.
 *
 * With two_node E2 does not keep two apart; fencing does.  An operator's
 * override replaces E2 and E3: that the others are off is his word.
 *
 * clusterd-protocol(7), sections 6.1 and 6.7.
 */

#include <stdlib.h>

#include "vote.h"

const char *
vote_rule_name(enum vote_rule rule)
{
	static const char *const names[] = { "none", "majority",
		"last man standing", "tie breaker", "two_node", "override" };

	return (unsigned)rule < NITEMS(names) ? names[rule] : names[0];
}

bool
vote_has(const struct vote_nodes *s, uint16_t node)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->v[i] == node)
			return true;
	}
	return false;
}

void
vote_add(struct vote_nodes *s, uint16_t node)
{
	if (s->n < VOTERS_MAX && !vote_has(s, node))
		s->v[s->n++] = node;
}

const struct voter *
electorate_voter(const struct electorate *e, uint16_t node)
{
	unsigned i;

	for (i = 0; i < e->n; i++) {
		if (e->v[i].node == node)
			return &e->v[i];
	}
	return NULL;
}

unsigned
electorate_votes(const struct electorate *e)
{
	unsigned i, votes = 0;

	for (i = 0; i < e->n; i++)
		votes += e->v[i].counts ? e->v[i].votes : 0u;
	return votes;
}

void
electorate_missing(const struct electorate *e, const struct vote_nodes *present,
    struct vote_nodes *missing)
{
	unsigned i;

	missing->n = 0;
	for (i = 0; i < e->n; i++) {
		if (e->v[i].counts && !vote_has(present, e->v[i].node))
			vote_add(missing, e->v[i].node);
	}
}

bool
electorate_same(const struct electorate *a, const struct electorate *b)
{
	unsigned i;

	if (a->two_node != b->two_node || a->dynamic != b->dynamic ||
	    a->downscale != b->downscale || a->set != b->set ||
	    a->every != b->every || a->tie != b->tie ||
	    a->expected != b->expected || a->serial != b->serial ||
	    a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (a->v[i].node != b->v[i].node ||
		    a->v[i].votes != b->v[i].votes ||
		    a->v[i].counts != b->v[i].counts)
			return false;
	}
	return true;
}

bool
electorate_eq(const struct electorate *a, const struct electorate *b)
{
	return electorate_same(a, b) && options_eq(&a->opt, &b->opt);
}

/* What the options come to with these votes. */
static void
set_rules(struct electorate *e)
{
	unsigned i, voters = 0;
	bool device = false;

	for (i = 0; i < e->n; i++) {
		if (e->v[i].votes == 0)
			continue;
		if (e->v[i].node == VOTER_DEVICE)
			device = true;
		else
			voters++;
	}
	e->two_node = e->opt.two_node && voters == 2 && !device;
	e->dynamic = e->opt.last_man;
	e->downscale = e->opt.downscale || e->opt.last_man;
}

bool
electorate_whole(const struct electorate *e, const struct vote_nodes *present)
{
	unsigned i;

	for (i = 0; i < e->n; i++) {
		if (e->v[i].node != VOTER_DEVICE &&
		    !vote_has(present, e->v[i].node))
			return false;
	}
	return true;
}

/*
 * The one node that decides a tie: of those that go on from here the lowest,
 * the highest, or the first in the list.  It is part of the electorate, so
 * that both halves of a broken view agree on it.
 */
static uint16_t
tie_node(const struct electorate *e, const struct vote_nodes *able)
{
	const struct vote_options *o = &e->opt;
	const struct voter *v;
	uint16_t tie = 0;
	unsigned i;

	for (i = 0; o->tie == TIE_LIST && i < o->ntie; i++) {
		v = electorate_voter(e, o->tie_nodes[i]);
		if (v != NULL && v->counts && vote_has(able, v->node))
			return v->node;
	}
	if (o->tie != TIE_LOWEST && o->tie != TIE_HIGHEST)
		return 0;
	for (i = 0; i < e->n; i++) {
		if (!e->v[i].counts || !vote_has(able, e->v[i].node))
			continue;
		if (tie == 0 || o->tie == TIE_HIGHEST)
			tie = e->v[i].node;
	}
	return tie;
}

/* The voters of the file, all of whom count, under these options. */
static void
all_voters(const struct conf *conf, const struct vote_options *opt,
    struct electorate *e)
{
	unsigned i;

	memset(e, 0, sizeof(*e));
	e->opt = *opt;
	if (conf->qdevice.votes > 0) {
		e->v[0].node = VOTER_DEVICE;
		e->v[0].votes = opt->device;
		e->v[e->n++].counts = opt->device > 0;
	}
	for (i = 0; i < conf->nnodes; i++, e->n++) {
		e->v[e->n].node = conf->nodes[i].id;
		e->v[e->n].votes = conf->nodes[i].votes;
		e->v[e->n].counts = conf->nodes[i].votes > 0;
	}
	set_rules(e);
}

void
electorate_conf(const struct conf *conf, struct electorate *e)
{
	struct vote_nodes all = { .n = 0 };
	struct vote_options opt;
	unsigned i;

	options_conf(conf, &opt);
	all_voters(conf, &opt, e);
	for (i = 0; i < conf->nnodes; i++)
		vote_add(&all, conf->nodes[i].id);
	e->expected = electorate_votes(e);
	e->tie = tie_node(e, &all);
}

bool
electorate_static(const struct electorate *e)
{
	return !e->dynamic && !e->downscale && e->tie == 0 && !e->set &&
	    electorate_voter(e, VOTER_DEVICE) == NULL;
}

static unsigned
votes_in(const struct electorate *e, const struct vote_nodes *s)
{
	unsigned i, votes = 0;

	for (i = 0; i < e->n; i++) {
		if (e->v[i].counts && vote_has(s, e->v[i].node))
			votes += e->v[i].votes;
	}
	return votes;
}

/* All nodes that count: what a device has alone, nobody has. */
static unsigned
node_votes(const struct electorate *e)
{
	const struct voter *d = electorate_voter(e, VOTER_DEVICE);

	return electorate_votes(e) - (d != NULL && d->counts ? d->votes : 0u);
}

bool
electorate_wins(const struct electorate *e, const struct vote_nodes *present,
    const struct vote_nodes *left, struct tally *t)
{
	struct vote_nodes gone = *left, here = { .n = 0 };
	unsigned i;

	if (votes_in(e, &gone) == node_votes(e))
		gone.n = 0;
	for (i = 0; i < present->n; i++) {
		if (!vote_has(&gone, present->v[i]))
			vote_add(&here, present->v[i]);
	}
	memset(t, 0, sizeof(*t));
	t->votes = votes_in(e, &here);
	t->expected = e->expected - votes_in(e, &gone);
	t->needed = t->expected / 2 + 1;
	if (e->two_node)
		t->needed = 1;
	else if (e->every)
		t->needed = t->expected;
#if MUTANT == 301
	t->needed = (t->expected + 1) / 2;
#endif
	if (t->expected == 0)
		return false;
	if (t->votes >= t->needed)
		t->rule = e->two_node ? VOTE_TWO_NODE :
		    e->dynamic	      ? VOTE_DYNAMIC :
					VOTE_MAJORITY;
#if MUTANT == 311
	else if (t->votes * 2 == t->expected && e->tie != 0 && !e->every)
		t->rule = VOTE_TIE;
#endif
	else if (t->votes * 2 == t->expected && e->tie != 0 && !e->every &&
	    vote_has(&here, e->tie))
		t->rule = VOTE_TIE;
	return t->rule != VOTE_NONE;
}

bool
electorate_blocks(const struct electorate *e, const struct vote_nodes *present)
{
	struct vote_nodes others, none = { .n = 0 };
	struct tally t;

	electorate_missing(e, present, &others);
	/* A device forms no view. */
	if (e->every)
		return others.n == 0 ||
		    (others.n == 1 && others.v[0] == VOTER_DEVICE);
	return !electorate_wins(e, &others, &none, &t);
}

/* One voter of the next electorate: how many votes, and do they count? */
static void
next_voter(const struct electorate *base, const struct vote_wish *wish,
    const struct vote_nodes *left, const struct vote_nodes *able,
    const struct electorate *e, bool lowered, struct voter *v)
{
	const struct voter *old = electorate_voter(base, v->node);
	/* Absent ones were left out by a rule, or order, that is no more. */
	bool ends =
	    (base->dynamic || base->downscale || (base->set && !e->set)) &&
	    !e->dynamic && !e->downscale;
	unsigned i;

	/* Those of the device are an option. */
	if (v->node != VOTER_DEVICE && wish != NULL) {
		for (i = 0; wish->set && i < wish->n; i++) {
			if (wish->v[i].node == v->node)
				v->votes = wish->v[i].votes;
		}
	} else if (v->node != VOTER_DEVICE && base->set && old != NULL)
		v->votes = old->votes;
	if (vote_has(able, v->node))
		v->counts = true;
	else if (e->dynamic || lowered)
		v->counts = false;
	else
		/*
		 * Where absent nodes do not matter any more all count again.
		 * Who had no votes counted for that alone, and may get some.
		 */
		v->counts = ends || old == NULL ||
		    ((old->counts || old->votes == 0) &&
			!(base->downscale && vote_has(left, v->node)));
	if (v->votes == 0)
		v->counts = false;
}

/* As it was, but without those who have left. */
static void
without(const struct electorate *base, const struct vote_nodes *left,
    struct electorate *e)
{
	struct vote_nodes gone = *left;
	unsigned i;

	*e = *base;
	if (!base->downscale || votes_in(base, left) == node_votes(base))
		gone.n = 0;
	e->expected -= votes_in(base, &gone);
	for (i = 0; i < e->n; i++) {
		if (vote_has(&gone, e->v[i].node))
			e->v[i].counts = false;
	}
	if (vote_has(&gone, e->tie))
		e->tie = 0;
}

static void
make_next(const struct conf *conf, const struct electorate *base,
    const struct vote_wish *wish, const struct vote_nodes *left,
    const struct vote_nodes *able, bool lowered, struct electorate *e)
{
	uint32_t floor = wish != NULL ? wish->expected : base->expected;
	bool set = wish != NULL ? wish->set : base->set;
	struct vote_options opt;
	unsigned i;

	options_over(conf, wish != NULL ? &wish->opt : &base->opt, &opt);
	all_voters(conf, &opt, e);
	e->set = set;
	for (i = 0; i < e->n; i++)
		next_voter(base, wish, left, able, e, lowered, &e->v[i]);
	set_rules(e);
	e->serial = wish != NULL ? wish->serial : base->serial;
	e->expected = electorate_votes(e);
	if (set)
		e->expected = MAX(e->expected, floor);
	e->tie = tie_node(e, able);
}

void
electorate_next(const struct conf *conf, const struct electorate *base,
    const struct vote_wish *wish, const struct vote_nodes *left,
    const struct vote_nodes *members, const struct vote_nodes *able,
    struct electorate *next)
{
	static const struct vote_nodes none;
	struct tally t;

	if (wish != NULL && wish->serial <= base->serial)
		wish = NULL;
	make_next(conf, base, wish, left, able, false, next);
	/* Fewer votes than there are: the absent ones are those to go. */
	if (wish != NULL && wish->set && wish->expected != 0 &&
	    next->expected > wish->expected)
		make_next(conf, base, wish, left, able, true, next);
	if (electorate_wins(next, members, &none, &t))
		return;
	if (wish != NULL) {
		make_next(conf, base, NULL, left, able, false, next);
		next->serial = wish->serial;
		if (electorate_wins(next, members, &none, &t))
			return;
	}
	without(base, left, next); /* E4 */
}

bool
wish_granted(const struct vote_wish *w, const struct electorate *e)
{
	const struct voter *v;
	unsigned i;

	if (e->serial < w->serial || e->set != w->set ||
	    e->opt.given != w->opt.given)
		return false;
	for (i = 0; i < OPT_MAX; i++) {
		if ((w->opt.given >> i & 1) != 0 &&
		    !option_same(&w->opt, &e->opt, (enum vote_option)i))
			return false;
	}
	for (i = 0; w->set && i < w->n; i++) {
		v = electorate_voter(e, w->v[i].node);
		if (v != NULL && v->node != VOTER_DEVICE &&
		    v->votes != w->v[i].votes)
			return false;
	}
	return !w->set || e->expected >= w->expected;
}

void
electorate_merge(struct electorate *e, const struct electorate *other)
{
	struct electorate sum;
	const struct voter *a, *b;
	unsigned i = 0, k = 0;

	memset(&sum, 0, sizeof(sum));
	sum.every = true;
	while ((i < e->n || k < other->n) && sum.n < VOTERS_MAX) {
		a = i < e->n ? &e->v[i] : NULL;
		b = k < other->n ? &other->v[k] : NULL;
		if (b == NULL || (a != NULL && a->node <= b->node)) {
			sum.v[sum.n] = *a;
			if (b != NULL && a->node == b->node) {
				sum.v[sum.n].counts |= b->counts;
				sum.v[sum.n].votes = MAX(a->votes, b->votes);
				k++;
			}
			i++;
		} else {
			sum.v[sum.n] = *b;
			k++;
		}
		sum.n++;
	}
	sum.expected = electorate_votes(&sum);
	*e = sum;
}

void
electorate_put(struct wbuf *w, const struct electorate *e)
{
	unsigned i;

	wbuf_u8(w,
	    (uint8_t)(e->two_node | e->dynamic << 1 | e->downscale << 2 |
		e->set << 3 | e->every << 4));
	wbuf_u16(w, e->tie);
	wbuf_u32(w, e->expected);
	wbuf_u64(w, e->serial);
	wbuf_u32(w, e->n);
	for (i = 0; i < e->n; i++) {
		wbuf_u16(w, e->v[i].node);
		wbuf_u8(w, e->v[i].votes);
		wbuf_u8(w, e->v[i].counts);
	}
}

static unsigned
get_voters(struct rbuf *r, struct voter *v)
{
	unsigned i, n = rbuf_count(r, VOTERS_MAX);

	for (i = 0; i < n; i++) {
		v[i].node = rbuf_u16(r);
		v[i].votes = rbuf_u8(r);
		v[i].counts = rbuf_u8(r) != 0;
		if (i > 0 && v[i].node <= v[i - 1].node)
			r->err = true;
	}
	return r->err ? 0 : n;
}

void
electorate_get(struct rbuf *r, struct electorate *e)
{
	unsigned flags;

	memset(e, 0, sizeof(*e));
	flags = rbuf_u8(r);
	e->two_node = (flags & 1) != 0;
	e->dynamic = (flags & 2) != 0;
	e->downscale = (flags & 4) != 0;
	e->set = (flags & 8) != 0;
	e->every = (flags & 16) != 0;
	e->tie = rbuf_u16(r);
	e->expected = rbuf_u32(r);
	e->serial = rbuf_u64(r);
	e->n = get_voters(r, e->v);
	if (e->expected > EXPECTED_MAX || e->expected < electorate_votes(e))
		r->err = true;
	if (r->err)
		memset(e, 0, sizeof(*e));
}
