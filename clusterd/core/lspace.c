/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lockspaces: a state machine that every node with state applies alike, from
 * primary views, NOTE_FENCED and ordered messages.
 *
 * Whenever the members of a lockspace change, and with every new primary view
 * (sessions between nodes may have broken with the old one), it recovers
 * under a new epoch:
 *
 *	STOP -all done, nobody unfenced-> DIR -all done-> LOCKS -all done-> RUN
 *	STOP -all done, else-> FENCE -last one fenced-> DIR
 *	any -members or view change-> STOP, with a higher epoch
 *
 * "All done" means that every member has ordered LO_STAGE for this stage and
 * epoch.  What is lost stays on record until the lockspace runs again, also
 * while it has no members at all: who joins later waits for the fence.
 *
 * Invariants, tested by lspace_check():
 *	L1	Epochs never fall, and no lockspace has one above last_epoch.
 *	L2	A lockspace past FENCE has no unfenced loss and no suspect.
 *	L3	Slots of members differ, and none is that of an unfenced loss.
 *	L4	A lockspace without members has an unfenced loss or suspect to
 *		wait for; else it is gone.
 *	L5	A client is in a lockspace here only if this node is a member.
 *	L6	A running lockspace has no loss on record.
 *
 * clusterd-protocol(7), section 8.3.
 */

#include <errno.h>
#include <stdio.h>

#include "../proto.h"
#include "lspace_int.h"

struct lspace *
lspace_new(const struct conf *conf, uint16_t self, uint64_t inc)
{
	struct lspace *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->conf = conf;
	l->self = self;
	l->inc = inc;
	TAILQ_INIT(&l->spaces);
	TAILQ_INIT(&l->attached);
	return l;
}

void
space_drop(struct lspace *l, struct space *sp)
{
	TAILQ_REMOVE(&l->spaces, sp, entry);
	l->nspaces--;
	free(sp);
}

void
lspace_free(struct lspace *l)
{
	struct space *sp;
	struct attach *a;

	if (l == NULL)
		return;
	while ((sp = TAILQ_FIRST(&l->spaces)) != NULL)
		space_drop(l, sp);
	while ((a = TAILQ_FIRST(&l->attached)) != NULL) {
		TAILQ_REMOVE(&l->attached, a, entry);
		free(a);
	}
	free(l);
}

struct space *
space_find(const struct lspace *l, uint32_t lsid)
{
	struct space *sp;

	TAILQ_FOREACH(sp, &l->spaces, entry)
		if (sp->lsid == lsid)
			return sp;
	return NULL;
}

static struct space *
space_named(const struct lspace *l, const char *name)
{
	struct space *sp;

	TAILQ_FOREACH(sp, &l->spaces, entry)
		if (strcmp(sp->name, name) == 0)
			return sp;
	return NULL;
}

struct part *
space_part(struct space *sp, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < sp->nparts; i++)
		if (sp->parts[i].who.node == node)
			return sp->parts[i].who.inc == inc ? &sp->parts[i] :
							     NULL;
	return NULL;
}

struct part *
space_self(const struct lspace *l, struct space *sp)
{
	return space_part(sp, l->self, l->inc);
}

/* Also while nobody can say what a suspect had used. */
bool
space_unfenced(const struct lspace *l, const struct space *sp)
{
	unsigned i;

	for (i = 0; i < sp->nlost; i++)
		if (!sp->lost[i].fenced)
			return true;
	return l->nsuspects > 0;
}

/* The node that keeps it waiting in FENCE, or 0. */
static uint16_t
space_waits_for(const struct lspace *l, const struct space *sp)
{
	unsigned i;

	if (sp->stage != LSS_FENCE)
		return 0;
	for (i = 0; i < sp->nlost; i++)
		if (!sp->lost[i].fenced)
			return sp->lost[i].who.node;
	return l->nsuspects > 0 ? l->suspects[0].node : 0;
}

/*
 * The event and all it points to live in the note, so that they are what they
 * were when it is routed.
 */
struct emitted {
	struct ls_event ev;
	char name[LS_NAME_MAX + 1];
	struct ls_member members[LS_MEMBERS_MAX];
	struct ls_member lost[LS_PEOPLE_MAX];
};

void
space_emit(struct lspace *l, struct space *sp, enum ls_event_type type,
    const struct attach *a, struct bus *b)
{
	static const struct emitted zero;
	struct emitted *e;
	struct note *n;
	unsigned i;

	n = bus_note(b, NOTE_LS, &zero, sizeof(zero));
	e = (struct emitted *)(void *)n->data;
	n->ref = e;
	n->lsid = sp->lsid;
	strlcpy(e->name, sp->name, sizeof(e->name));
	for (i = 0; i < sp->nparts; i++)
		e->members[i] = sp->parts[i].who;
	for (i = 0; i < sp->nlost; i++)
		e->lost[i] = sp->lost[i].who;
	e->ev.type = type;
	e->ev.lsid = sp->lsid;
	e->ev.name = e->name;
	e->ev.lvblen = sp->lvblen;
	e->ev.epoch = sp->epoch;
	e->ev.generation = sp->generation;
	e->ev.stage = sp->stage;
	e->ev.nmembers = sp->nparts;
	e->ev.members = e->members;
	e->ev.nlost = sp->nlost;
	e->ev.lost = e->lost;
	if (a != NULL) {
		e->ev.client = a->client;
		e->ev.client_lsid = a->client_lsid;
	}
}

/* ---- stages --------------------------------------------------------- */

/* A new stage starts with nobody done. */
static void
enter(struct space *sp, enum ls_stage stage, struct bus *b)
{
	unsigned i;

	sp->stage = stage;
	sp->since = b->now;
	for (i = 0; i < sp->nparts; i++)
		sp->parts[i].done = false;
}

static bool
all_done(const struct space *sp)
{
	unsigned i;

	for (i = 0; i < sp->nparts; i++)
		if (!sp->parts[i].done)
			return false;
	return true;
}

/* What was lost is fenced and rebuilt: the record is closed. */
static void
run(struct lspace *l, struct space *sp, struct bus *b)
{
	bool lost = sp->nlost > 0;

	enter(sp, LSS_RUN, b);
	sp->nlost = 0;
	if (space_self(l, sp) == NULL)
		return;
	space_emit(l, sp, LSE_RUN, NULL, b);
	lspace_clients_done(l, sp, b);
	bus_event(b, EVK_LOCKSPACE, EVL_INFO,
	    "lockspace %s: runs with %u member%s after %llu ms, because %s",
	    sp->name, sp->nparts, sp->nparts == 1 ? "" : "s",
	    (unsigned long long)((b->now - sp->began) / 1000),
	    lost ? "the lost are fenced and their locks recovered" :
		   "every member has its part");
}

/* Goes on as far as it may. */
void
space_advance(struct lspace *l, struct space *sp, struct bus *b)
{
	bool self = space_self(l, sp) != NULL;

	if (sp->nparts == 0) {
		/* Nobody to rebuild anything; the record is all it is. */
		if (!space_unfenced(l, sp))
			space_drop(l, sp);
		return;
	}
	if (sp->stage == LSS_STOP && all_done(sp)) {
		enter(sp, LSS_FENCE, b);
		if (self && space_unfenced(l, sp))
			bus_event(b, EVK_LOCKSPACE, EVL_WARN,
			    "lockspace %s: waits, because node %u is lost and "
			    "not fenced",
			    sp->name, space_waits_for(l, sp));
	}
#if MUTANT == 701
	if (sp->stage == LSS_FENCE) {
#else
	if (sp->stage == LSS_FENCE && !space_unfenced(l, sp)) {
#endif
		enter(sp, LSS_DIR, b);
		if (self) {
			lspace_clients_slots(l, sp, b);
			space_emit(l, sp, LSE_STAGE, NULL, b);
		}
	}
	if (sp->stage == LSS_DIR && all_done(sp)) {
		enter(sp, LSS_LOCKS, b);
		if (self)
			space_emit(l, sp, LSE_STAGE, NULL, b);
	}
	if (sp->stage == LSS_LOCKS && all_done(sp))
		run(l, sp, b);
}

/* Members or sessions changed: all over, under a higher epoch. */
void
space_recover(struct lspace *l, struct space *sp, bool lost, const char *cause,
    struct bus *b)
{
	bool ran = sp->stage == LSS_RUN || sp->generation == 0;

	sp->epoch = ++l->last_epoch;
	sp->generation++;
	if (ran)
		sp->began = b->now;
	enter(sp, sp->nparts == 0 ? LSS_FENCE : LSS_STOP, b);
	if (space_self(l, sp) == NULL)
		return;
	bus_event(b, EVK_LOCKSPACE, lost ? EVL_WARN : EVL_DEBUG,
	    "lockspace %s: stops granting (epoch %llu), because %s", sp->name,
	    (unsigned long long)sp->epoch, cause);
	if (lost)
		lspace_clients_prep(l, sp, b);
	space_emit(l, sp, LSE_STOP, NULL, b);
}

/* ---- joins and leaves ----------------------------------------------- */

/*
 * Slots become journals: that of an unfenced loss may still be written by its
 * owner, that of a fenced one is replayed by whoever gets it.
 */
static uint32_t
free_slot(const struct space *sp)
{
	uint32_t slot;
	unsigned i;

	for (slot = 1;; slot++) {
		for (i = 0; i < sp->nparts; i++)
			if (sp->parts[i].who.slot == slot)
				break;
		if (i < sp->nparts)
			continue;
		for (i = 0; i < sp->nlost; i++)
			if (sp->lost[i].who.slot == slot && !sp->lost[i].fenced)
				break;
#if MUTANT == 702
		i = sp->nlost;
#endif
		if (i == sp->nlost)
			return slot;
	}
}

/* Kept in the order of nodes, which every walk relies on. */
static void
part_add(struct space *sp, uint16_t node, uint64_t inc)
{
	struct part p = { .who = { .node = node, .inc = inc }, .refs = 1 };
	unsigned i;

	p.who.slot = free_slot(sp);
	for (i = sp->nparts; i > 0 && sp->parts[i - 1].who.node > node; i--)
		sp->parts[i] = sp->parts[i - 1];
	sp->parts[i] = p;
	sp->nparts++;
}

void
space_remove(struct space *sp, struct part *p)
{
	unsigned i = (unsigned)(p - sp->parts);

	sp->nparts--;
	for (; i < sp->nparts; i++)
		sp->parts[i] = sp->parts[i + 1];
}

static struct space *
space_add(struct lspace *l, const struct ls_order *o)
{
	struct space *sp = calloc(1, sizeof(*sp));

	ASSERT(sp != NULL);
	sp->lsid = ++l->last_lsid;
	strlcpy(sp->name, o->name, sizeof(sp->name));
	sp->lvblen = o->lvblen;
	TAILQ_INSERT_TAIL(&l->spaces, sp, entry);
	l->nspaces++;
	return sp;
}

/* Why a join cannot be, decided alike everywhere; 0: it can. */
static int
join_refused(const struct lspace *l, struct space *sp, uint16_t node,
    const struct ls_order *o, char *why, size_t whylen)
{
	unsigned i;

	if (sp == NULL) {
		if (l->nspaces < LS_MAX)
			return 0;
		snprintf(why, whylen, "the cluster has %u lockspaces already",
		    LS_MAX);
		return ENOSPC;
	}
	if (sp->lvblen != o->lvblen) {
		snprintf(why, whylen,
		    "its members use value blocks of %u bytes, not %u",
		    sp->lvblen, o->lvblen);
		return EPROTO;
	}
	if (sp->nparts + sp->nlost >= LS_PEOPLE_MAX) {
		snprintf(why, whylen, "too many lost members are not fenced");
		return EAGAIN;
	}
	for (i = 0; i < sp->nparts; i++)
		if (sp->parts[i].who.node == node)
			return 0;
	if (sp->nparts == LS_MEMBERS_MAX) {
		snprintf(why, whylen, "it has %u members already",
		    LS_MEMBERS_MAX);
		return ENOSPC;
	}
	return 0;
}

/* A node's first client makes it a member; more are only counted. */
static void
on_join(struct lspace *l, const struct note *n, const struct ls_order *o,
    struct bus *b)
{
	struct space *sp = space_named(l, o->name);
	bool ours = n->node == l->self && n->inc == l->inc;
	char why[160];
	struct part *p;
	int error;

	error = join_refused(l, sp, n->node, o, why, sizeof(why));
	if (error != 0) {
		if (ours)
			lspace_client_joined(l, o, NULL, error, why, b);
		return;
	}
	if (sp == NULL)
		sp = space_add(l, o);
	p = space_part(sp, n->node, n->inc);
	if (p != NULL) {
		p->refs++;
	} else {
		part_add(sp, n->node, n->inc);
		snprintf(why, sizeof(why), "node %u joined", n->node);
		space_recover(l, sp, false, why, b);
	}
	if (ours)
		lspace_client_joined(l, o, sp, 0, NULL, b);
}

/* With its last client a node leaves, and the others rebuild. */
static void
on_leave(struct lspace *l, const struct note *n, const struct ls_order *o,
    struct bus *b)
{
	struct space *sp = space_find(l, o->lsid);
	bool ours = n->node == l->self && n->inc == l->inc;
	struct part *p = NULL;
	char why[64];

	if (sp != NULL)
		p = space_part(sp, n->node, n->inc);
	if (p == NULL)
		return;
	if (ours)
		lspace_client_left(l, o, b);
	if (--p->refs > 0)
		return;
	space_remove(sp, p);
	if (ours) {
		space_emit(l, sp, LSE_GONE, NULL, b);
		bus_event(b, EVK_LOCKSPACE, EVL_INFO,
		    "lockspace %s: left, because its last client here has",
		    sp->name);
	}
	snprintf(why, sizeof(why), "node %u left", n->node);
	space_recover(l, sp, false, why, b);
	space_advance(l, sp, b);
}

/* Of another epoch or stage: overtaken. */
static void
on_stage(struct lspace *l, const struct note *n, const struct ls_order *o,
    struct bus *b)
{
	struct space *sp = space_find(l, o->lsid);
	struct part *p;

	if (sp == NULL || sp->epoch != o->epoch ||
	    (uint8_t)sp->stage != o->stage)
		return;
	p = space_part(sp, n->node, n->inc);
	if (p == NULL)
		return;
	p->done = true;
	space_advance(l, sp, b);
}

static void
on_ordered(struct lspace *l, const struct note *n, struct bus *b)
{
	struct ls_order o;

	if (!lspace_order_parse(n->data, n->len, &o)) {
		bus_event(b, EVK_REJECT, EVL_WARN,
		    "node %u: its message about lockspaces is ignored, "
		    "because it is malformed",
		    n->node);
		return;
	}
	if (o.op == LO_JOIN)
		on_join(l, n, &o, b);
	else if (o.op == LO_LEAVE)
		on_leave(l, n, &o, b);
	else
		on_stage(l, n, &o, b);
}

/* ---- notes ---------------------------------------------------------- */

/*
 * Who is given a state cannot have one; being a member in it means that we
 * have forgotten something.
 */
static void
on_snap_load(struct lspace *l, const struct note *n, struct bus *b)
{
	static const char torn[] = "the lockspaces sent to it are torn";
	static const char unknown[] =
	    "the cluster knows its lockspaces in a state it has not";
	static const char joined[] =
	    "the state of the lockspaces was sent to it, which is in one";
	const struct attach *a;
	struct space *sp;

	if (!lspace_snap_load(l, n->data, n->len)) {
		while ((sp = TAILQ_FIRST(&l->spaces)) != NULL)
			space_drop(l, sp);
		bus_note(b, NOTE_DIE, torn, sizeof(torn));
		return;
	}
	TAILQ_FOREACH(sp, &l->spaces, entry) {
		sp->since = sp->began = b->now;
		if (space_self(l, sp) != NULL)
			bus_note(b, NOTE_DIE, unknown, sizeof(unknown));
	}
	/* Whoever is in a lockspace has the state already. */
	TAILQ_FOREACH(a, &l->attached, entry) {
		if (a->lsid == 0)
			continue;
		bus_note(b, NOTE_DIE, joined, sizeof(joined));
		break;
	}
}

/* From our own lock manager; it counts when it comes back. */
static void
on_stage_done(const struct note *n, struct bus *b)
{
	struct ls_order o = {
		.op = LO_STAGE,
		.lsid = n->lsid,
		.epoch = n->seq,
		.stage = (uint8_t)n->code,
	};

	lspace_order_send(b, &o);
}

void
lspace_note(struct lspace *l, const struct note *n, struct bus *b)
{
	switch (n->type) {
	case NOTE_VIEW:
		lspace_view(l, n->ref, b);
		break;
	case NOTE_QUORUM:
		l->quorate = n->ok;
		lspace_freeze(l, !l->quorate || !l->leased, b);
		break;
	case NOTE_LEASE:
		l->leased = n->ok;
#if MUTANT == 824
		l->leased = true;
#endif
		lspace_freeze(l, !l->quorate || !l->leased, b);
		break;
	case NOTE_ORDERED:
		if (n->service == SVC_LSPACE)
			on_ordered(l, n, b);
		break;
	case NOTE_SNAP_WANT:
		lspace_snap_give(l, b);
		break;
	case NOTE_SNAP_LOAD:
		if (n->service == SVC_LSPACE)
			on_snap_load(l, n, b);
		break;
	case NOTE_FENCED:
		lspace_fenced(l, n->node, n->inc, b);
		break;
	case NOTE_LS_STAGE:
		on_stage_done(n, b);
		break;
	case NOTE_REQUEST:
		lspace_client_request(l, n, b);
		break;
	case NOTE_CLIENT_GONE:
		lspace_client_gone(l, n->client, b);
		break;
	default:
		break;
	}
}

/* ---- questions ------------------------------------------------------ */

bool
lspace_used_by(const struct lspace *l, uint16_t node, uint64_t inc)
{
	struct space *sp;
	unsigned i;

	/* A join of ours may be in the order already. */
	if (node == l->self && inc == l->inc && l->nattached > 0)
		return true;
	for (i = 0; i < l->nsuspects; i++)
		if (l->suspects[i].node == node && l->suspects[i].inc == inc)
			return true;
	TAILQ_FOREACH(sp, &l->spaces, entry) {
		if (space_part(sp, node, inc) != NULL)
			return true;
		for (i = 0; i < sp->nlost; i++)
			if (sp->lost[i].who.node == node &&
			    sp->lost[i].who.inc == inc && !sp->lost[i].fenced)
				return true;
	}
	return false;
}

uint32_t
lspace_of_client(const struct lspace *l, uint64_t client, uint32_t lsid)
{
	const struct attach *a;

	TAILQ_FOREACH(a, &l->attached, entry)
		if (a->client == client && a->client_lsid == lsid &&
		    a->state == AS_IN && !a->gone)
			return a->lsid;
	return 0;
}

bool
lspace_info(const struct lspace *l, unsigned i, struct ls_info *info)
{
	struct space *sp;
	unsigned k;

	TAILQ_FOREACH(sp, &l->spaces, entry)
		if (i-- == 0)
			break;
	if (sp == NULL)
		return false;
	memset(info, 0, sizeof(*info));
	info->lsid = sp->lsid;
	strlcpy(info->name, sp->name, sizeof(info->name));
	info->stage = sp->stage;
	info->epoch = sp->epoch;
	info->generation = sp->generation;
	info->since = sp->since;
	info->joined = space_self(l, sp) != NULL;
	info->waits_for = space_waits_for(l, sp);
	info->nmembers = sp->nparts;
	for (k = 0; k < sp->nparts; k++)
		info->members[k] = sp->parts[k].who;
	return true;
}

/* L3, and what makes a member. */
static void
check_slots(const struct space *sp)
{
	unsigned i, j;

	for (i = 0; i < sp->nparts; i++) {
		ASSERT(sp->parts[i].refs > 0 && sp->parts[i].who.slot > 0);
		for (j = 0; j < i; j++) {
			ASSERT(sp->parts[j].who.node < sp->parts[i].who.node);
			ASSERT(sp->parts[j].who.slot !=
			    sp->parts[i].who.slot); /* L3 */
		}
		for (j = 0; j < sp->nlost; j++)
			ASSERT(sp->lost[j].fenced ||
			    sp->lost[j].who.slot !=
				sp->parts[i].who.slot); /* L3 */
	}
}

void
lspace_check(const struct lspace *l)
{
	const struct attach *a;
	struct space *sp;
	unsigned n = 0;

	TAILQ_FOREACH(sp, &l->spaces, entry) {
		n++;
		ASSERT(sp->epoch <= l->last_epoch); /* L1 */
		ASSERT(
		    sp->stage <= LSS_FENCE || !space_unfenced(l, sp)); /* L2 */
		check_slots(sp);
		ASSERT(sp->nparts > 0 || space_unfenced(l, sp)); /* L4 */
		ASSERT(sp->stage != LSS_RUN || sp->nlost == 0);	 /* L6 */
	}
	ASSERT(n == l->nspaces);
	n = 0;
	TAILQ_FOREACH(a, &l->attached, entry) {
		n++;
		sp = space_find(l, a->lsid);
		ASSERT(a->lsid == 0 ||
		    (sp != NULL && space_self(l, sp) != NULL)); /* L5 */
	}
	ASSERT(n == l->nattached);
}
