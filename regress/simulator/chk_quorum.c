/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Quorum, counted anew.  A view says whose votes decide on its successor; it
 * is taken at that word, and everything else is worked out here from outside.
 *
 * INV_PRIMARY_QUORUM  each primary view that was entered anywhere follows an
 *	earlier one, or the file: its members hold the majority of what counted
 *	there (or half with the tie breaker), and of every view entered in
 *	between they hold so much that nobody could go on from it without one
 *	of them.  Without options the votes are those of the file, always; with
 *	last_man_standing only members' count.  The first primary view holds
 *	all voters where the configuration says so.
 *
 * The configuration is drawn here, too: some seeds have the options.
 */

#include "sim.h"

struct entered {
	struct node_view v;
	bool left[SIM_NODES_MAX]; /* by index: cleanly, since it is a member */
};

struct chk_quorum {
	struct entered *v; /* ascending by epoch, then descending by leader */
	size_t n, cap;
	bool options; /* electorates may change */
	struct {
		uint64_t inc, epoch;
	} left[SIM_NODES_MAX]; /* the last time that it did */
};

static const bool none_left[SIM_NODES_MAX];

static bool
before(const struct node_view *a, const struct node_view *b)
{
	return a->epoch != b->epoch ? a->epoch < b->epoch :
				      a->leader > b->leader;
}

void
chk_quorum_draw(struct sim *s, struct conf *c)
{
	unsigned i, total = 0, most = 0;
	struct rng rng;

	sim_generator(s, 9, 9, 9, &rng);
	s->chk_quorum = calloc(1, sizeof(*s->chk_quorum));
	ASSERT(s->chk_quorum != NULL);
	if (rng_below(&rng, 100) < 50)
		return;
	c->last_man_standing = rng_below(&rng, 100) < 50;
	c->downscale = rng_below(&rng, 100) < 40;
	c->tie = (enum conf_tie)rng_below(&rng, 4);
	for (i = 0; c->tie == TIE_LIST && i < 2; i++)
		c->tie_nodes[c->ntie++] = (uint16_t)(2 + i);
	s->chk_quorum->options =
	    c->last_man_standing || c->downscale || c->tie != TIE_NONE;
	if (rng_below(&rng, 100) < 70)
		return;
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].votes = (uint8_t)rng_below(&rng, 4);
		total += c->nodes[i].votes;
		most = MAX(most, (unsigned)c->nodes[i].votes);
	}
	/* The others must be able to go on when the last one dies. */
	for (i = 0; 2 * most >= total && i < c->nnodes; i++)
		c->nodes[i].votes = 1;
}

/* The file was drawn elsewhere. */
void
chk_quorum_generated(struct sim *s, const struct conf *c)
{
	s->chk_quorum->options =
	    c->last_man_standing || c->downscale || c->tie != TIE_NONE;
}

/* Can all but one go on, when it dies in this view? */
bool
chk_quorum_spares(const struct sim *s, unsigned node)
{
	const struct electorate *e = &s->nodes[node].view.elect;
	unsigned i, total = 0;

	if (e->two_node)
		return true;
	for (i = 0; i < e->n; i++)
		if (e->v[i].counts && e->v[i].node != s->nodes[node].id)
			total += e->v[i].votes;
	if (2 * total == e->expected)
		return !e->every && e->tie != 0 && e->tie != s->nodes[node].id;
	return !e->every && 2 * total > e->expected;
}

/* It begins with the votes of the file. */
static bool
begins_alone(const struct conf *c, unsigned node)
{
	unsigned i, all = c->qdevice.votes, own = c->nodes[node].votes;

	for (i = 0; i < c->nnodes; i++)
		all += c->nodes[i].votes;
	return 2 * own > all || (2 * own == all && c->tie != TIE_NONE);
}

/* Can it go on without any other? */
bool
chk_quorum_alone(const struct sim *s, unsigned node)
{
	const struct electorate *e = &s->nodes[node].view.elect;
	unsigned i, own = 0;

	for (i = 0; i < e->n; i++)
		if (e->v[i].counts && e->v[i].node == s->nodes[node].id)
			own = e->v[i].votes;
	if (2 * own > e->expected ||
	    (2 * own == e->expected && e->tie == s->nodes[node].id))
		return true;
	return begins_alone(s->conf, node) ||
	    (s->edited != NULL && begins_alone(s->edited, node));
}

void
chk_quorum_free(struct sim *s)
{
	free(s->chk_quorum->v);
	free(s->chk_quorum);
}

static bool
in_view(const struct node_view *v, uint16_t node)
{
	unsigned i;

	for (i = 0; i < v->n; i++)
		if (v->members[i] == node)
			return true;
	return false;
}

/*
 * A view may begin and end in one step, and be seen first when another node
 * enters it; so what a node said when it left is kept.
 */
static void
mark_left(const struct chk_quorum *cq, struct entered *x, unsigned node)
{
	unsigned i;

	for (i = 0; i < x->v.n; i++)
		if (x->v.members[i] == node + 1 &&
		    x->v.incs[i] == cq->left[node].inc &&
		    x->v.epoch == cq->left[node].epoch)
			x->left[node] = true;
}

void
chk_quorum_left(struct sim *s, unsigned node)
{
	struct chk_quorum *cq = s->chk_quorum;
	struct node_view v;
	size_t k;

	s->nodes[node].build->get_view(s->nodes[node].core, &v);
	if (v.left == 0)
		return;
	cq->left[node].inc = s->nodes[node].inc;
	cq->left[node].epoch = v.left;
	for (k = 0; k < cq->n; k++)
		mark_left(cq, &cq->v[k], node);
}

/* Without downscale a leaver keeps its vote; if all have left, all count. */
static const bool *
leavers(const struct sim *s, const struct electorate *e, const bool *left)
{
	unsigned i;

	if (!e->downscale)
		return none_left;
	for (i = 0; i < e->n; i++)
		if (e->v[i].counts && e->v[i].node != VOTER_DEVICE &&
		    !left[node_index(s, e->v[i].node)])
			return left;
	return none_left;
}

/*
 * Votes that count in the electorate: of all, and of the members of v (or of
 * everybody else).  Leavers are no part of either.
 */
static void
sum(const struct sim *s, const struct electorate *e, const bool *left,
    const struct node_view *v, bool others, unsigned *have, unsigned *all)
{
	/* Where all nodes are, the device can be with nobody else. */
	bool with = v->device || v->n == s->n;
	unsigned i;

	*have = 0;
	*all = e->expected;
	for (i = 0; i < e->n; i++) {
		if (!e->v[i].counts)
			continue;
		if (e->v[i].node == VOTER_DEVICE)
			*have += with != others ? e->v[i].votes : 0u;
		else if (left[node_index(s, e->v[i].node)])
			*all -= e->v[i].votes;
		else if (in_view(v, e->v[i].node) != others)
			*have += e->v[i].votes;
	}
}

static bool
wins(const struct sim *s, const struct electorate *e, const bool *left,
    const struct node_view *v, bool others)
{
	unsigned have, all;

	left = leavers(s, e, left);
	sum(s, e, left, v, others, &have, &all);
	if (2 * have != all)
		return 2 * have > all;
	return e->tie != 0 && have > 0 && in_view(v, e->tie) != others &&
	    !left[node_index(s, e->tie)];
}

/* As the file has it, and before anything else. */
static bool
follows_file(const struct sim *s, const struct node_view *v)
{
	struct electorate file;
	unsigned i, k;

	memset(&file, 0, sizeof(file));
	if (s->conf->qdevice.votes > 0) {
		file.v[0].votes = s->conf->qdevice.votes;
		file.v[file.n++].counts = true;
		file.expected += s->conf->qdevice.votes;
	}
	for (i = 0; i < s->n; i++) {
		k = file.n++;
		file.v[k].node = s->conf->nodes[i].id;
		file.v[k].votes = s->conf->nodes[i].votes;
		file.v[k].counts = true;
		file.expected += file.v[k].votes;
		if ((s->chk_quorum->options || s->conf->qdevice.votes > 0) &&
		    file.v[k].votes > 0 && !in_view(v, file.v[k].node))
			return false;
	}
	return wins(s, &file, none_left, v, false);
}

static bool
follows_some(const struct sim *s, size_t at)
{
	const struct chk_quorum *cq = s->chk_quorum;
	const struct node_view *v = &cq->v[at].v;
	size_t k;

	for (k = at; k-- > 0;) {
		if (wins(s, &cq->v[k].v.elect, cq->v[k].left, v, false))
			return true;
		if (wins(s, &cq->v[k].v.elect, cq->v[k].left, v, true))
			return false;
	}
	return follows_file(s, v);
}

/* The votes are those of this file; without, of that node they are not. */
static bool
of_file(const struct electorate *e, const struct conf *c, uint16_t *without)
{
	unsigned i, d = c->qdevice.votes > 0;

	for (i = d; !e->set && i < e->n; i++) {
		*without = e->v[i].node;
		if (e->v[i].votes != c->nodes[i - d].votes ||
		    (!e->v[i].counts && e->v[i].votes > 0 && !e->dynamic &&
			!e->downscale))
			return false;
	}
	return true;
}

/* Where members would not win by their file, all stays as it was before. */
static void
check_electorate(struct sim *s, const struct node_view *v)
{
	const struct electorate *e = &v->elect;
	unsigned i, votes = 0, d = s->conf->qdevice.votes > 0;
	uint16_t without;

	for (i = 0; i < e->n; i++)
		votes += e->v[i].counts ? e->v[i].votes : 0u;
	if (e->n != s->n + d || votes == 0 || e->expected < votes ||
	    (e->expected > votes && !e->set))
		sim_fail(s, INV_PRIMARY_QUORUM,
		    "view %llu.%u counts %u votes of %u nodes and expects %u",
		    (unsigned long long)v->epoch, v->leader, votes, e->n,
		    e->expected);
	if (!of_file(e, s->conf, &without) &&
	    (s->edited == NULL || !of_file(e, s->edited, &without)))
		sim_fail(s, INV_PRIMARY_QUORUM,
		    "view %llu.%u does not count n%u as the file has it",
		    (unsigned long long)v->epoch, v->leader, without);
}

static void
check_first(struct sim *s, const struct node_view *v)
{
	unsigned i;

	for (i = 0; s->conf->wait_for_all && i < s->n; i++)
		if (s->conf->nodes[i].votes > 0 &&
		    !in_view(v, s->conf->nodes[i].id))
			sim_fail(s, INV_PRIMARY_QUORUM,
			    "view %llu.%u is the first primary one, without "
			    "n%u, but all are to be waited for",
			    (unsigned long long)v->epoch, v->leader,
			    s->conf->nodes[i].id);
}

void
chk_quorum_entered(struct sim *s, const struct node_view *v)
{
	struct chk_quorum *cq = s->chk_quorum;
	size_t at, k;
	unsigned i;

	if (cq->n == 0)
		check_first(s, v);
	check_electorate(s, v);
	if (cq->n == cq->cap) {
		cq->cap = MAX(2 * cq->cap, (size_t)64);
		cq->v = reallocarray(cq->v, cq->cap, sizeof(*cq->v));
		ASSERT(cq->v != NULL);
	}
	for (at = cq->n; at > 0 && before(v, &cq->v[at - 1].v); at--)
		cq->v[at] = cq->v[at - 1];
	memset(&cq->v[at], 0, sizeof(cq->v[at]));
	cq->v[at].v = *v;
	for (i = 0; i < s->n; i++)
		mark_left(cq, &cq->v[at], i);
	cq->n++;
	/* Those that were entered before, and come after, are judged anew. */
	for (k = at; k < cq->n; k++)
		if (!follows_some(s, k))
			sim_fail(s, INV_PRIMARY_QUORUM,
			    "view %llu.%u is primary with %u members, but "
			    "others may go on from an earlier one",
			    (unsigned long long)cq->v[k].v.epoch,
			    cq->v[k].v.leader, cq->v[k].v.n);
}
