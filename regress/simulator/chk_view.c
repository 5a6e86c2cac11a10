/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Views, as each node shows them after each of its steps.
 *
 * INV_VIEW_AGREE  equal (epoch, leader): equal members, incarnations and
 *	primary, on whatever node and at whatever time.
 * INV_VIEW_ORDER  the epochs of one node grow, also over its lives as far as
 *	it could remember, and it is in its own views.
 * INV_PRIMARY_ONE  a primary view takes effect when it is synchronized: that
 *	message is delivered only when all members have it, and so nothing is
 *	done in a view that some of its members never installed.  That of a
 *	single member counts when all that it wrote is durable: if it dies
 *	before, nobody else has seen anything of the view.  Views take
 *	effect one after another: in the order in which that is first seen
 *	their epochs grow, and nobody who was in one and missed a later one is
 *	ever in one again.  Who is left out goes on believing in the old view
 *	until it notices, which must be soon; but never can two of them go on
 *	at one instant: when one takes effect, the one before has lost a member,
 *	or had the votes of a quorum device and nobody's lease.
 * INV_VIEW_ALONG  who is in two views that a program is told as quorate one
 *	after another, in the same life, has been in every view between them
 *	that took effect, and so has delivered the same.
 * INV_LEASE  at no instant of true time does one node hold the lease of one
 *	primary view and another that of another; a node that does not run
 *	holds it until its own clock says that it is over.  And without it no
 *	node grants a lock or begins to fence.
 */

#include "proto.h"
#include "sim.h"

struct seen {
	uint64_t epoch;
	uint16_t leader;
	bool effective;
	struct node_view v;
};

struct chk_view {
	struct seen *seen;
	size_t n, cap;
	size_t nprimary;       /* counted by first install */
	size_t newest_primary; /* index into seen */
	struct {
		uint64_t inc;	/* newest incarnation seen in one */
		size_t primary; /* number of the last primary view */
	} node[SIM_NODES_MAX];
};

void
chk_view_init(struct sim *s)
{
	s->chk_view = calloc(1, sizeof(*s->chk_view));
	ASSERT(s->chk_view != NULL);
}

void
chk_view_free(struct sim *s)
{
	free(s->chk_view->seen);
	free(s->chk_view);
}

static bool
has(const struct node_view *v, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < v->n; i++)
		if (v->members[i] == node && v->incs[i] == inc)
			return true;
	return false;
}

static bool
same(const struct node_view *a, const struct node_view *b)
{
	return a->n == b->n && a->primary == b->primary &&
	    a->features == b->features &&
	    memcmp(a->members, b->members, a->n * sizeof(a->members[0])) == 0 &&
	    memcmp(a->incs, b->incs, a->n * sizeof(a->incs[0])) == 0 &&
	    electorate_same(&a->elect, &b->elect);
}

static bool
believes(const struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->nodes[i];

	return n->core != NULL && n->view.primary &&
	    n->view.lease > node_local(s, i);
}

/*
 * Is everybody still in it?  Then it can go on.  But where a quorum device
 * votes, the next one need have no member of it: one of another view that was
 * recorded since is enough, and who was READY for that has no lease any more.
 */
static bool
complete(const struct sim *s, const struct seen *seen)
{
	const struct sim_node *n;
	bool held = !seen->v.device;
	unsigned i, at;

	for (i = 0; i < seen->v.n; i++) {
		at = (unsigned)node_index(s, seen->v.members[i]);
		n = &s->nodes[at];
		if (n->core == NULL || n->inc != seen->v.incs[i] ||
		    n->view.epoch != seen->epoch)
			return false;
		held |= believes(s, at);
	}
	return held;
}

/* A primary view takes effect. */
static void
new_primary(struct sim *s, size_t index)
{
	struct chk_view *cv = s->chk_view;
	const struct node_view *v = &cv->seen[index].v;
	unsigned i;
	int at;

	if (s->race)
		return;
	if (cv->nprimary > 0 && cv->seen[cv->newest_primary].epoch >= v->epoch)
		sim_fail(s, INV_PRIMARY_ONE,
		    "primary view %llu.%u comes after %llu.%u",
		    (unsigned long long)v->epoch, v->leader,
		    (unsigned long long)cv->seen[cv->newest_primary].epoch,
		    cv->seen[cv->newest_primary].leader);
	if (cv->nprimary > 0 && complete(s, &cv->seen[cv->newest_primary]))
		sim_fail(s, INV_PRIMARY_ONE,
		    "primary view %llu.%u takes effect while %llu.%u can go on",
		    (unsigned long long)v->epoch, v->leader,
		    (unsigned long long)cv->seen[cv->newest_primary].epoch,
		    cv->seen[cv->newest_primary].leader);
	chk_options_effect(s, v);
	cv->nprimary++;
	cv->newest_primary = index;
	for (i = 0; i < v->n; i++) {
		at = node_index(s, v->members[i]);
		ASSERT(at >= 0);
		if (cv->node[at].inc == v->incs[i] &&
		    cv->node[at].primary + 1 != cv->nprimary)
			sim_fail(s, INV_PRIMARY_ONE,
			    "n%u is in primary view %llu.%u after it missed "
			    "one",
			    v->members[i], (unsigned long long)v->epoch,
			    v->leader);
		cv->node[at].inc = v->incs[i];
		cv->node[at].primary = cv->nprimary;
	}
}

/* Views of one name, of two lives of a leader that lost its disk in between. */
static bool
forgetful(const struct sim *s, const struct node_view *a,
    const struct node_view *b)
{
	int at = node_index(s, a->leader);
	uint64_t lives[2] = { 0, 0 };
	unsigned i;

	for (i = 0; i < a->n; i++)
		if (a->members[i] == a->leader)
			lives[0] = a->incs[i];
	for (i = 0; i < b->n; i++)
		if (b->members[i] == b->leader)
			lives[1] = b->incs[i];
	return at >= 0 && s->nodes[at].forgot && lives[0] != lives[1];
}

static void
installed(struct sim *s, unsigned i, const struct node_view *v)
{
	struct chk_view *cv = s->chk_view;
	size_t k;

	sim_trace(s, "n%u view %llu.%u %s, %u members", s->nodes[i].id,
	    (unsigned long long)v->epoch, v->leader,
	    v->primary ? "primary" : "not primary", v->n);
	s->views++;
	if (!has(v, s->nodes[i].id, s->nodes[i].inc))
		sim_fail(s, INV_VIEW_ORDER, "n%u is not in its view",
		    s->nodes[i].id);
	for (k = cv->n; k-- > 0;) {
		if (cv->seen[k].epoch != v->epoch ||
		    cv->seen[k].leader != v->leader)
			continue;
		/* Who lost its disk does not know which epochs it used. */
		if (forgetful(s, &cv->seen[k].v, v))
			break;
		if (!same(&cv->seen[k].v, v))
			sim_fail(s, INV_VIEW_AGREE,
			    "view %llu.%u has other members on n%u",
			    (unsigned long long)v->epoch, v->leader,
			    s->nodes[i].id);
		chk_options_agree(s, &cv->seen[k].v, v, s->nodes[i].id);
		return;
	}
	if (cv->n == cv->cap) {
		cv->cap = MAX(2 * cv->cap, (size_t)64);
		cv->seen = reallocarray(cv->seen, cv->cap, sizeof(*cv->seen));
		ASSERT(cv->seen != NULL);
	}
	if (v->primary && !s->race) {
		chk_quorum_entered(s, v);
		chk_options_entered(s, v);
	}
	memset(&cv->seen[cv->n], 0, sizeof(cv->seen[cv->n]));
	cv->seen[cv->n].epoch = v->epoch;
	cv->seen[cv->n].leader = v->leader;
	cv->seen[cv->n++].v = *v;
}

static void
synced(struct sim *s, const struct node_view *v)
{
	struct chk_view *cv = s->chk_view;
	size_t k;

	for (k = cv->n; k-- > 0;)
		if (cv->seen[k].epoch == v->epoch &&
		    cv->seen[k].leader == v->leader)
			break;
	if (cv->seen[k].effective)
		return;
	cv->seen[k].effective = true;
	sim_trace(s, "view %llu.%u takes effect", (unsigned long long)v->epoch,
	    v->leader);
	new_primary(s, k);
}

const struct node_view *
chk_view_seen(const struct sim *s, unsigned i, uint64_t epoch, uint16_t leader)
{
	const struct chk_view *cv = s->chk_view;
	const struct sim_node *n = &s->nodes[i];
	size_t k;

	for (k = cv->n; k-- > 0;)
		if (cv->seen[k].epoch == epoch &&
		    cv->seen[k].leader == leader &&
		    has(&cv->seen[k].v, n->id, n->inc))
			return &cv->seen[k].v;
	return NULL;
}

void
chk_view_along(struct sim *s, unsigned i, const struct node_view *was,
    const struct node_view *now)
{
	const struct chk_view *cv = s->chk_view;
	const struct seen *seen;
	size_t k;
	unsigned m;

	for (k = cv->n; k-- > 0;) {
		seen = &cv->seen[k];
		if (!seen->effective || seen->epoch < was->epoch ||
		    seen->epoch >= now->epoch)
			continue;
		for (m = 0; m < now->n; m++)
			if (has(was, now->members[m], now->incs[m]) &&
			    !has(&seen->v, now->members[m], now->incs[m]))
				sim_fail(s, INV_VIEW_ALONG,
				    "n%u goes from view %llu.%u to %llu.%u "
				    "with n%u, which was not in %llu.%u",
				    s->nodes[i].id,
				    (unsigned long long)was->epoch, was->leader,
				    (unsigned long long)now->epoch, now->leader,
				    now->members[m],
				    (unsigned long long)seen->epoch,
				    seen->leader);
	}
}

/*
 * How long may it take to notice that the others went on?  Who needs the votes
 * of the quorum device waits for its answer; its lease is over meanwhile.
 */
static void
check_stale(struct sim *s, unsigned i)
{
	struct chk_view *cv = s->chk_view;
	struct sim_node *n = &s->nodes[i];
	const struct seen *newest;
	uint64_t limit = 3 * s->slowest_us + 2 * SEC;

	if (s->conf->qdevice.votes > 0)
		limit += s->conf->qdevice.timeout_us;
	if (!n->view.primary || cv->nprimary == 0 || s->race) {
		n->stale_since = 0;
		return;
	}
	newest = &cv->seen[cv->newest_primary];
	if (n->view.epoch >= newest->epoch || has(&newest->v, n->id, n->inc)) {
		n->stale_since = 0;
		return;
	}
	if (n->stale_since == 0 || n->stale_since < n->run_since)
		n->stale_since = s->now;
	else if (s->strict)
		limit = 0;
	if (believes(s, i))
		s->stale_max = MAX(s->stale_max, s->now - n->stale_since);
	if (s->now - n->stale_since > limit)
		sim_fail(s, INV_PRIMARY_ONE,
		    "n%u believes in primary view %llu for %llu ms after it "
		    "was left out of %llu",
		    n->id, (unsigned long long)n->view.epoch,
		    (unsigned long long)((s->now - n->stale_since) / MS),
		    (unsigned long long)newest->epoch);
}

static void
entered(struct sim *s, unsigned i, const struct node_view *v)
{
	struct sim_node *n = &s->nodes[i];

	if (v->epoch <= n->last_epoch)
		sim_fail(s, INV_VIEW_ORDER, "n%u goes from epoch %llu to %llu",
		    n->id, (unsigned long long)n->last_epoch,
		    (unsigned long long)v->epoch);
	n->last_epoch = v->epoch;
	/* The quorum device could not be asked before, and now it was. */
	if (s->conf->qdevice.votes > 0 && v->primary && same(&n->view, v))
		s->asked_views++;
	chk_edit(s, i, v);
	installed(s, i, v);
}

/*
 * It is over, and may have entered a view in the very step that ended it: its
 * disk knows, and others will go on from there.
 */
void
chk_view_over(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct node_view v;

	n->build->get_last_view(n->core, &v);
	if (v.epoch != 0 && v.epoch != n->last_epoch)
		entered(s, i, &v);
}

/* At this instant of true time, whatever the clocks of the nodes say. */
static void
check_lease(struct sim *s, unsigned i)
{
	const struct node_view *a = &s->nodes[i].view, *b;
	unsigned k;

	if (!believes(s, i) || s->race)
		return;
	for (k = 0; k < s->n; k++) {
		b = &s->nodes[k].view;
		if (!believes(s, k) ||
		    (a->epoch == b->epoch && a->leader == b->leader))
			continue;
		sim_fail(s, INV_LEASE,
		    "n%u believes in primary view %llu.%u while n%u still "
		    "believes in %llu.%u",
		    s->nodes[i].id, (unsigned long long)a->epoch, a->leader,
		    s->nodes[k].id, (unsigned long long)b->epoch, b->leader);
	}
}

/*
 * Is it an answer that gives the client more than it had?  What it gave up
 * itself may be confirmed at any time.
 */
static bool
is_grant(const struct sim *s, unsigned i, const struct action *act)
{
	const struct sim_client *c = s->nodes[i].clients;
	uint32_t lkid, status;
	struct rbuf r;
	unsigned k;
	int mode;

	if (act->type != ACT_CLIENT_SEND || act->msgtype != M_AST)
		return false;
	rbuf_init(&r, act->data, act->len);
	(void)rbuf_u32(&r);
	lkid = rbuf_u32(&r);
	status = rbuf_u32(&r);
	mode = rbuf_u8(&r);
	(void)rbuf_u8(&r);
	if (rbuf_u8(&r) != 0 || status != 0 || r.err)
		return false;
	while (c < s->nodes[i].clients + SIM_CLIENTS && c->id != act->client)
		c++;
	if (c == s->nodes[i].clients + SIM_CLIENTS)
		return false;
	for (k = 0; k < SIM_LOCKS; k++)
		if (c->locks[k].lkid == lkid)
			return mode > c->locks[k].belief;
	return false;
}

/* What counts towards others is done on the word of a lease only. */
void
chk_lease_act(struct sim *s, unsigned i, const struct action *act)
{
	bool grant = is_grant(s, i, act);
	struct node_view v;

	if (!grant && act->type != ACT_FENCE_START)
		return;
	/* It may stop in this very step. */
	s->nodes[i].build->get_last_view(s->nodes[i].core, &v);
	if (v.lease <= node_local(s, i) && !believes(s, i))
		sim_fail(s, INV_LEASE, "n%u %s without a lease", s->nodes[i].id,
		    grant ? "grants a lock" : "fences");
}

static void
look_at(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	bool same_name = n->build->view_is(n->core, &n->view);
	struct node_view v, was;

	n->build->get_view(n->core, &v);
	ASSERT(!same_name || same(&v, &n->view));
	if (v.epoch != 0 &&
	    (v.epoch != n->view.epoch || v.leader != n->view.leader))
		entered(s, i, &v);
	if (n->build->over(n->core))
		chk_view_over(s, i);
	was = n->view;
	n->view = v;
	chk_wire(s, i, &v);
	/* It has ended; the goodbye goes out before the daemon does. */
	if (was.epoch != 0 && v.epoch == 0)
		chk_quorum_left(s, i);
	if (!v.synced || !was.synced || was.epoch != v.epoch)
		n->uncounted = v.synced;
	n->remembers |= v.primary && v.synced;
	if (v.held > 0 && !v.primary) /* member_hold.c H1 */
		sim_fail(s, INV_LIVE_VIEW,
		    "n%u is not quorate and holds %u nodes back", n->id,
		    v.held);
}

/* Most steps change no view: then there is nothing to copy. */
void
chk_view_step(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];

	if (node_look(s) || !n->build->view_is(n->core, &n->view))
		look_at(s, i);
	if (n->uncounted && (n->view.n > 1 || STAILQ_EMPTY(&n->held))) {
		n->uncounted = false;
		synced(s, &n->view);
	}
	n->view.lease = n->build->lease(n->core);
	check_lease(s, i);
	if (n->view.primary && n->view.synced && !n->uncounted)
		chk_group_effective(s, i);
	check_stale(s, i);
	service_stepped(s, i);
}

bool
chk_view_without(const struct sim *s)
{
	const struct node_view *v;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		v = &s->nodes[i].view;
		if ((int)i != s->dead &&
		    (v->epoch == 0 ||
			has(v, s->nodes[s->dead].id, s->nodes[s->dead].inc)))
			return false;
	}
	return true;
}

bool
chk_view_settled(const struct sim *s)
{
	const struct node_view *first, *v;
	unsigned i, n = s->dead >= 0 ? s->n - 1 : s->n;

	first = &s->nodes[s->dead == 0 ? 1 : 0].view;
	for (i = 0; i < s->n; i++) {
		v = &s->nodes[i].view;
		if ((int)i == s->dead)
			continue;
		if (!node_on(s, i) || !v->primary || !v->synced || v->n != n ||
		    v->epoch != first->epoch || v->leader != first->leader ||
		    !has(v, s->nodes[i].id, s->nodes[i].inc))
			return false;
		/* It works, and so it must have been told. */
		if (s->calm && s->conf->qdevice.votes > 0 && !s->two_disks &&
		    (!v->device || !disk_told(s)))
			return false;
	}
	return true;
}
