/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Whom this node would like to form a view with, and which of them should
 * coordinate.  Every node says in its status whom it hears; two nodes fit
 * together when each hears the other.  Wanted is the heaviest set (by votes)
 * around ourselves in which everybody fits with everybody, so that an
 * asymmetric cut costs one node and not the cluster.  The search is greedy
 * from several starts, in a fixed order of rank: nodes that see the same
 * statuses find the same set.
 *
 * clusterd-protocol(7), sections 6.2 and 6.3.
 */

#include "member_internal.h"

_Static_assert(CONF_NODES_MAX <= 64, "a set of nodes is a word");

/* A node as the search sees it. */
struct candidate {
	uint16_t node;
	uint64_t inc;
	unsigned votes;
	unsigned at;		 /* index of the peer */
	const struct status *st; /* NULL: ourselves */
	struct prim_id prim;
	bool synced;
	uint64_t joined;
};

struct clique {
	unsigned n;
	unsigned v[CONF_NODES_MAX]; /* indices of candidates */
	unsigned votes;
};

/* The older in state and membership ranks first. */
static bool
better(const struct candidate *a, const struct candidate *b)
{
	int c = prim_cmp(&a->prim, &b->prim);

	if (c != 0)
		return c > 0;
	if (a->synced != b->synced)
		return a->synced;
	if (a->joined != b->joined)
		return a->joined < b->joined;
	return a->node < b->node;
}

/* Could the peer be in a view with us at all? */
static bool
eligible(const struct member *m, const struct peer *p, uint64_t now)
{
	return p->up && p->known && !p->st.leaving && now >= p->avoid_until &&
	    now >= p->refused_until && !member_held(m, p, now) && p->hears_us;
}

static uint64_t
all_eligible(const struct member *m, uint64_t now)
{
	uint64_t fit = 0;
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (eligible(m, &m->peers[i], now))
			fit |= UINT64_C(1) << i;
	}
	return fit;
}

/* Both lived through different primary views: one of them must go. */
static bool
stale(const struct candidate *c, const struct prim_id *newest)
{
	if (c->prim.epoch == 0 || prim_eq(&c->prim, newest))
		return false;
	return c->st == NULL || !prims_have(&c->st->pends, newest);
}

static unsigned
gather(const struct member *m, uint64_t fit, struct candidate *c)
{
	struct prim_id newest = m->prim;
	const struct peer *p;
	struct candidate x;
	unsigned i, j, n = 0;

	c[n++] = (struct candidate){ .node = m->self,
		.inc = m->inc,
		.votes = m->votes,
		.prim = m->prim,
		.synced = m->synced,
		.joined = m->joined };
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if ((fit >> i & 1) != 0 && prim_cmp(&p->st.prim, &newest) > 0)
			newest = p->st.prim;
	}
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if ((fit >> i & 1) == 0)
			continue;
		x = (struct candidate){ .node = p->node,
			.inc = p->inc,
			.votes = p->votes,
			.at = i,
			.st = &p->st,
			.prim = p->st.prim,
			.synced = p->st.synced,
			.joined = p->st.joined };
		if (stale(&x, &newest))
			continue;
		/* Ourselves stay first; the others by rank. */
		for (j = n; j > 1 && better(&x, &c[j - 1]); j--)
			c[j] = c[j - 1];
		c[j] = x;
		n++;
	}
	return n;
}

/*
 * Bit k: the peer says that it hears peer k, as we know that one.  Peers and
 * what it says are both in the order of nodes.
 */
static uint64_t
hearing(const struct member *m, const struct peer *p)
{
	const struct node_set *s = &p->st.hears;
	const struct peer *o;
	uint64_t row = 0;
	unsigned i, k = 0;

	for (i = 0; i < m->npeers; i++) {
		o = &m->peers[i];
		while (k < s->n && s->v[k].node < o->node)
			k++;
		if (k < s->n && s->v[k].node == o->node &&
		    s->v[k].inc == o->inc && !s->v[k].victim)
			row |= UINT64_C(1) << i;
	}
	return row;
}

void
member_heard(struct member *m)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++)
		m->hears[i] = hearing(m, &m->peers[i]);
	m->seen.valid = false;
}

void
graph_check(const struct member *m)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++)
		ASSERT(m->hears[i] == hearing(m, &m->peers[i]));
}

/*
 * Bit k of adj[i]: candidates i and k fit; each fits itself.  Towards
 * ourselves eligible() has looked already.
 */
static void
connect(const struct member *m, const struct candidate *c, unsigned n,
    uint64_t *adj)
{
	uint64_t both;
	unsigned i, k;

	for (i = 0; i < n; i++)
		adj[i] = UINT64_C(1) << i | 1;
	adj[0] = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
	for (i = 1; i < n; i++) {
		for (k = 1; k < i; k++) {
			both = m->hears[c[i].at] >> c[k].at &
			    m->hears[c[k].at] >> c[i].at & 1;
			adj[i] |= both << k;
			adj[k] |= both << i;
		}
	}
}

/* Grows {ourselves, start} by rank. */
static void
grow(const struct candidate *c, unsigned n, const uint64_t *adj, unsigned start,
    struct clique *q)
{
	uint64_t open = adj[0] & adj[start];
	unsigned i;

	q->n = q->votes = 0;
	for (i = 0; i < n; i++) {
		if ((open >> i & 1) == 0)
			continue;
		open &= adj[i];
		q->votes += c[i].votes;
		q->v[q->n++] = i;
	}
}

static void
search(const struct member *m, const struct candidate *c, unsigned n,
    struct clique *best)
{
	uint64_t adj[CONF_NODES_MAX];
	struct clique q;
	unsigned start;

	connect(m, c, n, adj);
	grow(c, n, adj, 0, best);
	for (start = 1; start < n && best->n < n; start++) {
		grow(c, n, adj, start, &q);
		if (q.votes > best->votes ||
		    (q.votes == best->votes && q.n > best->n))
			*best = q;
	}
}

/* Would the search see the same in both? */
static bool
same_seen(const struct status *a, const struct status *b)
{
	unsigned i;

	if (!prim_eq(&a->prim, &b->prim) || a->synced != b->synced ||
	    a->joined != b->joined || a->pends.n != b->pends.n ||
	    !set_eq(&a->hears, &b->hears))
		return false;
	for (i = 0; i < a->pends.n; i++) {
		if (!prim_eq(&a->pends.v[i], &b->pends.v[i]))
			return false;
	}
	for (i = 0; i < a->hears.n; i++) {
		if (a->hears.v[i].victim != b->hears.v[i].victim)
			return false;
	}
	return true;
}

void
member_learn(struct member *m, struct peer *p, const struct status *st)
{
	if (!p->known || !same_seen(&p->st, st))
		m->seen.valid = false;
	p->st = *st;
	p->known = true;
	p->hears_us = set_has(&p->st.hears, m->self, m->inc);
	m->hears[p - m->peers] = hearing(m, p);
}

/*
 * Is what the search looks at as it was?  Most steps change nothing of it.
 * Statuses, and with them incarnations, are member_learn()'s to watch.
 */
static bool
nothing_new(struct member *m, uint64_t fit)
{
	struct survey *seen = &m->seen;
	bool same = seen->valid && seen->fit == fit &&
	    prim_eq(&seen->prim, &m->prim) && seen->synced == m->synced &&
	    seen->joined == m->joined;

	seen->valid = true;
	seen->fit = fit;
	seen->prim = m->prim;
	seen->synced = m->synced;
	seen->joined = m->joined;
	return same;
}

void
member_survey(struct member *m, uint64_t now)
{
	struct candidate c[CONF_NODES_MAX];
	struct clique q;
	uint64_t fit = all_eligible(m, now);
	unsigned i, n, top = 0;

	if (nothing_new(m, fit))
		return;
	n = gather(m, fit, c);
	search(m, c, n, &q);
	memset(&m->want, 0, sizeof(m->want));
	for (i = 0; i < q.n; i++) {
		set_add(&m->want, c[q.v[i]].node, c[q.v[i]].inc);
		if (q.v[i] != top && better(&c[q.v[i]], &c[top]))
			top = q.v[i];
	}
	m->want_coord = c[top].node;
	m->want_votes = q.votes;
}

/* Does a member we want to be with need another view than ours? */
static bool
peer_needs(const struct member *m, const struct peer *p, uint64_t now)
{
	if (!set_has(&m->want, p->node, p->inc))
		return false;
	if (p->st.promised > m->promised)
		return true;
	if (p->st.epoch == m->view.epoch && p->st.leader == m->view.leader)
		return p->st.need && p->st.promised >= m->promised;
	return now >= m->settled_at;
}

bool
member_torn(const struct member *m)
{
	unsigned i;

	if (m->phase != PH_STEADY || !m->view.primary)
		return false;
	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].torn &&
		    view_has(&m->view, m->peers[i].node, m->peers[i].inc))
			return true;
	}
	return false;
}

bool
member_unsettled(const struct member *m)
{
	return m->phase != PH_STEADY || member_torn(m);
}

/* Is the view we are in not the one we should be in? */
bool
member_needs(const struct member *m, uint64_t now)
{
	struct node_set have;
	unsigned i;

	if (member_unsettled(m))
		return true;
	if ((m->reelect || m->force != FORCE_NONE) && m->want_coord == m->self)
		return true;
	memset(&have, 0, sizeof(have));
	for (i = 0; i < m->view.n; i++)
		set_add(&have, m->view.members[i].node, m->view.members[i].inc);
	if (!set_eq(&have, &m->want))
		return true;
	for (i = 0; i < m->npeers; i++) {
		if (peer_needs(m, &m->peers[i], now))
			return true;
	}
	return false;
}
