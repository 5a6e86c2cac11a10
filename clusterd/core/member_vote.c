/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Votes in a view change: what the coordinator counts, what a participant
 * writes down before it says READY, and what a leaver gives up.  The rules E1
 * to E8 and why they suffice are in vote.c.
 *
 * clusterd-protocol(7), sections 6.7 and 6.8.
 */

#include <stdio.h>

#include "member_internal.h"

enum {
	ERR_BUSY = 16 /* Linux's own */
};

/* The newest primary view that any of them was ever in; epoch 0: none. */
static struct prim_id
newest_base(const struct round *rd)
{
	struct prim_id best = rd->flush[0].base;
	unsigned i;

	for (i = 1; i < rd->members.n; i++) {
		if (prim_cmp(&rd->flush[i].base, &best) > 0)
			best = rd->flush[i].base;
	}
	if (rd->told && prim_cmp(&rd->memory.base, &best) > 0)
		best = rd->memory.base;
#if MUTANT == 312
	best = rd->flush[0].base;
#endif
	return best;
}

/*
 * Who speaks for a node, or a disk, that does not know options has the same
 * electorate without them; others may tell them still.
 */
static bool
better(const struct electorate *e, const struct electorate *than)
{
	return e->n > 0 && (than->n == 0 || (e->opt.known && !than->opt.known));
}

static void
base_electorate(const struct member *m, const struct round *rd,
    const struct prim_id *base, struct electorate *e)
{
	unsigned i;

	e->n = 0;
	for (i = 0; i < rd->members.n; i++) {
		if (prim_eq(&rd->flush[i].base, base) &&
		    better(&rd->flush[i].elect, e))
			*e = rd->flush[i].elect;
	}
	if (rd->told && prim_eq(&rd->memory.base, base) &&
	    better(&rd->memory.elect, e))
		*e = rd->memory.elect;
	if (e->n == 0)
		electorate_conf(m->conf, e);
}

/* Its disk is the one that it had when that view was formed (E5). */
static bool
remembers(const struct flush *f, const struct prim_id *id)
{
#if MUTANT == 314
	return true;
#endif
#if MUTANT == 315
	return f->base.epoch != 0 || f->attempts.n > 0;
#endif
	return vote_remembers(&f->since, id);
}

bool
vote_remembers(const struct prim_id *since, const struct prim_id *id)
{
	return since->epoch != 0 && prim_cmp(since, id) <= 0;
}

static void
who_remembers(const struct round *rd, const struct prim_id *id,
    struct vote_nodes *able, struct vote_nodes *blank)
{
	unsigned i;

	able->n = 0;
	for (i = 0; i < rd->members.n; i++)
		vote_add(remembers(&rd->flush[i], id) ? able : blank,
		    rd->members.v[i].node);
	if (device_able(rd, id))
		vote_add(able, VOTER_DEVICE);
}

/* Who has left from this very base, as far as anybody knows. */
static void
gather_left(const struct round *rd, const struct prim_id *base,
    struct vote_nodes *left)
{
	const struct node_set *s;
	unsigned i, k;

	left->n = 0;
	for (i = 0; i < rd->members.n; i++) {
		s = &rd->flush[i].basemembers;
		for (k = 0; k < s->n; k++) {
			if (s->v[k].left && prim_eq(&rd->flush[i].base, base))
				vote_add(left, s->v[k].node);
		}
	}
}

/* E7: each node of the file is here, and who else counts in the electorate. */
static bool
all_here(const struct member *m, const struct ballot *b,
    const struct electorate *e)
{
	struct vote_nodes here = b->members, missing;

	/* Whoever is not here could do nothing with it. */
	vote_add(&here, VOTER_DEVICE);
	electorate_missing(e, &here, &missing);
#if MUTANT == 316
	return missing.n == 0;
#endif
	return b->members.n == m->conf->nnodes && missing.n == 0;
}

/* E3: may somebody go on from it? */
static void
look_at_attempt(const struct member *m, const struct round *rd,
    const struct attempt *a, struct ballot *b)
{
	struct vote_nodes able, blank = { .n = 0 };

	if (prim_cmp(&a->id, &b->base) <= 0)
		return;
	b->disputed = true;
	if (all_here(m, b, &a->elect))
		return;
	who_remembers(rd, &a->id, &able, &blank);
	if (electorate_blocks(&a->elect, &able))
		return;
	b->contested = true;
	b->blank = blank;
}

/* What one of them was ready for; and the device, where it has a vote here. */
static void
look_at_attempts(const struct member *m, const struct round *rd,
    struct ballot *b)
{
	const struct attempt_list *l;
	unsigned i, k;

	for (i = 0; i < rd->members.n; i++) {
		l = &rd->flush[i].attempts;
		for (k = 0; k < l->n; k++)
			look_at_attempt(m, rd, &l->v[k], b);
	}
#if MUTANT == 336
	return;
#endif
	l = &rd->memory.attempts;
	for (k = 0; rd->told && k < l->n; k++) {
		if (device_able(rd, &l->v[k].id))
			look_at_attempt(m, rd, &l->v[k], b);
	}
}

/*
 * The operator vouches that the others are off.  With an override those who
 * are here are all that counts, and that is on disk before it is so.
 */
static void
forced(const struct member *m, struct ballot *b)
{
	unsigned i;

	if (m->force == FORCE_UNBLOCK && b->tally.rule != VOTE_NONE &&
	    !b->contested) {
		b->waits = false;
		b->primary = true;
	}
	if (m->force != FORCE_OVERRIDE)
		return;
	for (i = 0; i < b->elect.n; i++)
		b->elect.v[i].counts = b->elect.v[i].votes > 0 &&
		    vote_has(&b->members, b->elect.v[i].node);
	b->elect.expected = electorate_votes(&b->elect);
	b->elect.tie = 0;
	b->left.n = 0;
	b->tally.rule = VOTE_OVERRIDE;
	b->waits = b->contested = false;
	b->disputed = true;
	b->primary = b->elect.expected > 0;
}

#if MUTANT == 331
/* What is wished for the view decides on the view. */
static void
with_wish(const struct member *m, const struct round *rd, struct electorate *e)
{
	struct vote_nodes none = { .n = 0 }, all = { .n = 0 };
	struct electorate base = *e;
	unsigned i;

	for (i = 0; i < rd->members.n; i++)
		vote_add(&all, rd->members.v[i].node);
	electorate_next(m->conf, &base, &m->wish, &none, &all, &all, e);
}
#endif

void
vote_count(const struct member *m, const struct round *rd, bool ever,
    struct ballot *b)
{
	struct prim_id base = newest_base(rd);
	struct vote_nodes here, missing;
	struct vote_options opt;
	bool all, whole;
	unsigned i;

	memset(b, 0, sizeof(*b));
	b->base = base;
	b->device = rd->told;
	base_electorate(m, rd, &base, &b->elect);
#if MUTANT == 331
	if (m->wish.opt.given != 0 && base.epoch != 0)
		with_wish(m, rd, &b->elect);
#endif
	for (i = 0; i < rd->members.n; i++)
		vote_add(&b->members, rd->members.v[i].node);
	whole = all_here(m, b, &b->elect); /* E7 */
#if MUTANT == 335
	whole |= electorate_static(&b->elect);
#endif
	if (b->elect.downscale && !whole)
		gather_left(rd, &base, &b->left);
	if (base.epoch == 0 || whole) {
		here = b->members; /* E5 */
		/* Of all who could use its votes nobody is missing. */
		if (b->device || whole)
			vote_add(&here, VOTER_DEVICE);
	} else
		who_remembers(rd, &base, &here, &b->blank);
	b->counted = b->device && vote_has(&here, VOTER_DEVICE);
	b->primary =
	    electorate_wins(&b->elect, &here, &b->left, &b->tally); /* E2 */
	/* Those of the base rule the step from it, these two like all others. */
	options_over(m->conf, &b->elect.opt, &opt);
	all = (opt.wait_for_all || b->elect.two_node) && !ever;
#if MUTANT == 302
	all = false;
#endif
	if (base.epoch == 0 && !electorate_static(&b->elect))
		all = true; /* E5 */
	electorate_missing(&b->elect, &b->members, &missing);
	look_at_attempts(m, rd, b);
	for (i = 0; all && i < missing.n; i++)
		b->waits |= missing.v[i] != VOTER_DEVICE &&
		    !vote_has(&b->left, missing.v[i]);
	b->primary &= !b->contested && !b->waits;
	if (!b->primary)
		forced(m, b);
}

/* In a view that does not know options they are those of the file. */
static void
next_electorate(const struct member *m, uint64_t features,
    const struct electorate *base, const struct vote_nodes *left,
    const struct vote_nodes *members, const struct vote_nodes *able,
    struct electorate *next)
{
	struct vote_wish wish = m->wish;
	struct electorate from = *base;
	bool options = (features & FEATURE_OPTIONS) != 0;

	if (!options)
		from.opt.given = wish.opt.given = 0;
	electorate_next(m->conf, &from, &wish, left, members, able, next);
	if (!options)
		memset(&next->opt, 0, sizeof(next->opt));
}

void
vote_fill(const struct member *m, const struct ballot *b, struct view *v)
{
	struct vote_nodes able = { .n = 0 }, voters = b->members;
	unsigned i;

	v->tally = b->tally;
	v->waits = b->waits;
	v->contested = b->contested;
	v->elect = b->elect;
	for (i = 0; i < v->n; i++)
		v->members[i].blank =
		    !v->primary && vote_has(&b->blank, v->members[i].node);
	v->device = b->counted;
	if (!v->primary)
		return;
	for (i = 0; i < v->n; i++) {
		if (!v->members[i].fresh)
			vote_add(&able, v->members[i].node);
	}
	v->device = b->device;
	if (v->device) {
		vote_add(&voters, VOTER_DEVICE);
		vote_add(&able, VOTER_DEVICE);
	}
	next_electorate(m, v->features, &b->elect, &b->left, &voters, &able,
	    &v->elect);
	/*
	 * With downscale one electorate is two: with a leaver and without.
	 * And a device is bound by what nodes remember (E8).
	 */
	v->recorded = b->disputed || b->elect.downscale ||
	    !electorate_same(&v->elect, &b->elect) ||
	    electorate_voter(&v->elect, VOTER_DEVICE) != NULL;
}

bool
vote_outdated(const struct member *m)
{
	static const struct vote_nodes none;
	struct vote_nodes all;
	struct electorate next;

	if (!m->view.primary || m->sync_epoch != m->view.epoch)
		return false;
	view_voters(&m->view, &all);
	next_electorate(m, m->view.features, &m->view.elect, &none, &all, &all,
	    &next);
	return !electorate_eq(&next, &m->view.elect);
}

static void
drop_attempt(struct attempt_list *l, unsigned i)
{
	l->n--;
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(l->v[0]));
}

/* When the list is full, two become one that is harder to block. */
void
vote_add_attempt(struct attempt_list *l, const struct view *v)
{
	struct attempt *a;
	unsigned i;

	for (i = 0; i < l->n; i++) {
		if (electorate_same(&l->v[i].elect, &v->elect)) {
			drop_attempt(l, i);
			break;
		}
	}
	if (l->n == ATTEMPTS_MAX) {
		electorate_merge(&l->v[1].elect, &l->v[0].elect);
		drop_attempt(l, 0);
	}
	a = &l->v[l->n++];
	a->id.epoch = v->epoch;
	a->id.leader = v->leader;
	a->elect = v->elect;
	memset(&a->elect.opt, 0, sizeof(a->elect.opt));
}

/* A disk that is new remembers from this view on (E5). */
static bool
begin_memory(struct member *m, const struct view *v)
{
	if (m->stored.since.epoch != 0)
		return false;
	m->stored.since.epoch = v->epoch;
	m->stored.since.leader = v->leader;
	return true;
}

/* E1. */
void
vote_attempt(struct member *m, const struct view *v, struct bus *bus)
{
	bool first;

#if MUTANT == 310
	return;
#endif
	if (!v->primary)
		return;
	first = begin_memory(m, v);
	if (v->recorded)
		vote_add_attempt(&m->stored.attempts, v);
	if (first || v->recorded)
		bus_note(bus, NOTE_STORE, NULL, 0);
}

void
vote_enter(struct member *m, const struct view *v)
{
	m->stored.prim_epoch = v->epoch;
	m->stored.prim_leader = v->leader;
	m->stored.elect = v->elect;
	m->stored.attempts.n = 0;
	(void)begin_memory(m, v);
}

/* A member leaves, and has written down that it gives its vote up. */
void
vote_status(struct member *m, uint16_t node, uint64_t inc,
    const struct status *st)
{
	struct prim_id base = { m->stored.prim_epoch, m->stored.prim_leader };
	unsigned i;

#if MUTANT == 313
	base = st->base;
#endif
	if (!st->left || !prim_eq(&st->base, &base))
		return;
	for (i = 0; i < m->stored.n; i++) {
		if (m->stored.members[i].node == node &&
		    m->stored.members[i].inc == inc)
			m->stored.members[i].left = true;
	}
}

/* A sentence why not, or NULL. */
static const char *
refuse(const struct member *m, enum vote_force force, char *why, size_t size)
{
	unsigned i;

	if (m->phase != PH_STEADY)
		return "a view is being formed: try again";
	if (m->view.primary)
		return "this node is quorate: there is nothing to force";
	for (i = 0; i < m->npeers; i++) {
		if (!m->peers[i].up ||
		    view_find(&m->view, m->peers[i].node) != NULL)
			continue;
		snprintf(why, size,
		    "node %s is heard: it is not off, and can join",
		    conf_node(m->conf, m->peers[i].node)->name);
		return why;
	}
	if (m->want_coord != m->self) {
		snprintf(why, size,
		    "node %s leads this view: give the order there",
		    conf_node(m->conf, m->want_coord)->name);
		return why;
	}
	if (force == FORCE_UNBLOCK && !m->view.waits)
		return "this view does not wait for all nodes; see: quorum";
	if (force == FORCE_UNBLOCK &&
	    (m->view.tally.rule == VOTE_NONE || m->view.contested))
		return "votes are missing, too; see: quorum";
	return NULL;
}

void
vote_command(struct member *m, const struct note *note, struct bus *bus)
{
	enum vote_force force;
	const char *no;
	char cmd[32], arg[64], why[128];
	struct rbuf r;

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, cmd, sizeof(cmd));
	rbuf_str(&r, arg, sizeof(arg));
	force = strcmp(cmd, "quorum-override") == 0 ? FORCE_OVERRIDE :
						      FORCE_UNBLOCK;
	no = rbuf_done(&r) ? refuse(m, force, why, sizeof(why)) :
			     "malformed command";
	if (no != NULL) {
		bus_client_result(bus, note->client, note->msgid, ERR_BUSY,
		    "%s", no);
		return;
	}
	m->force = force;
	m->cause[0] = '\0';
	member_set_cause(m,
	    "the operator on node %u says that the others are "
	    "off",
	    m->self);
	bus_event(bus, EVK_QUORUM, EVL_WARN,
	    "quorum: %s, because the operator on node %u says that all nodes "
	    "that are not heard are off",
	    force == FORCE_OVERRIDE ? "overridden without a majority" :
				      "no longer waits for all nodes",
	    m->self);
	bus_client_result(bus, note->client, note->msgid, 0,
	    "a view is formed on your word; what the others held is recovered "
	    "when they are fenced or confirmed; see: quorum, fence");
}
