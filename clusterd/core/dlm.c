/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock manager of one node: lockspaces, the locks of its clients, and
 * the resources it masters for all nodes.
 *
 * Invariants, tested by dlm_check():
 *	D1	Granted modes of one resource are pairwise compatible, also
 *		with those of locks that convert.
 *	D2	In a lockspace that runs, no lock stands in a queue that could
 *		be granted: no wake-up is lost.
 *	D3	A lock is on exactly the list of its resource that its place
 *		names; a resource's queues are used by its master only.
 *	D4	A lock with an operation under way is on its lockspace's list
 *		of them, once; others are not; counters agree.
 *	D5	While it runs, a directory node knows every name that it
 *		masters itself and whose directory it is.
 *	D6	Each lock of a client is found by the client's number.
 *	D7	A lock with no operation under way is granted.
 *
 * Life of a lock at its holder:	REQUEST -> granted <-> CONVERT
 *	any -> UNLOCK -> gone;		REQUEST -> gone (refused, cancelled)
 * at its master:			WAIT -> GRANTED <-> CONVERT; any -> gone
 *
 * Of the transport it expects: messages of one session arrive once and in
 * order, and when a session between two members ends, lspace begins a
 * recovery with a higher epoch before any message of the next session.
 *
 * clusterd-protocol(7), section 9.
 */

#include <errno.h>

#include "../proto.h"
#include "dlm_int.h"

struct dlm *
dlm_new(uint16_t self, uint64_t inc)
{
	struct dlm *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->self = self;
	d->inc = inc;
	TAILQ_INIT(&d->spaces);
	TAILQ_INIT(&d->dying);
	RB_INIT(&d->users);
	wbuf_init(&d->w, DLM_WIRE_MAX);
	return d;
}

void
dlm_free(struct dlm *d)
{
	struct dlm_ls *ls;
	struct user *u;

	if (d == NULL)
		return;
	while ((ls = TAILQ_FIRST(&d->spaces)) != NULL) {
		TAILQ_REMOVE(&d->spaces, ls, entry);
		TAILQ_INSERT_TAIL(&d->dying, ls, entry);
	}
	while ((ls = TAILQ_FIRST(&d->dying)) != NULL)
		while (!space_free_step(ls))
			continue;
	while ((u = RB_MIN(user_tree, &d->users)) != NULL)
		user_free(d, u);
	wbuf_free(&d->w);
	free(d);
}

struct dlm_ls *
ls_find(const struct dlm *d, uint32_t lsid)
{
	struct dlm_ls *ls;

	TAILQ_FOREACH(ls, &d->spaces, entry)
		if (ls->lsid == lsid)
			return ls;
	return NULL;
}

bool
ls_open(const struct dlm_ls *ls)
{
	return ls->stage == LSS_RUN && !ls->frozen && !ls->dead &&
	    (ls->work == LW_IDLE || ls->work == LW_PARKED);
}

bool
ls_member(const struct dlm_ls *ls, uint16_t node)
{
	unsigned i;

	for (i = 0; i < ls->nmembers; i++)
		if (ls->members[i].node == node)
			return true;
	return false;
}

bool
ls_gone(const struct dlm_ls *ls, uint16_t node)
{
	return (ls->gone[node / 64] >> node % 64 & 1) != 0;
}

/* Stamps the message with where we stand; its receiver drops it otherwise. */
void
ls_send(struct dlm_ls *ls, uint16_t node, struct dlm_msg *m)
{
	struct dlm *d = ls->dlm;
	struct note *n;

	m->lsid = ls->lsid;
	m->epoch = ls->epoch;
	wbuf_reset(&d->w);
	dlm_wire_put(&d->w, m);
	ASSERT(!d->w.err);
	n = bus_note(d->b, NOTE_SEND, d->w.data, d->w.len);
	n->node = node;
	n->chan = CHAN_DLM;
}

/* ---- messages ------------------------------------------------------- */

/* The message is from a member, of this epoch, and its time has come. */
void
ls_dispatch(struct dlm_ls *ls, uint16_t node, const uint8_t *data, size_t len)
{
	struct dlm_msg m;
	struct rbuf r;

	rbuf_init(&r, data, len);
	if (!dlm_wire_get(&r, &m)) {
		ls->dlm->nrejects++;
		return;
	}
	switch (m.type) {
	case DM_REQUEST:
	case DM_CONVERT:
	case DM_UNLOCK:
	case DM_CANCEL:
		master_message(ls, node, &m);
		break;
	case DM_LOOKUP:
	case DM_FORWARD:
	case DM_BOUNCE:
	case DM_MASTER:
	case DM_REMOVE:
		dir_message(ls, node, &m);
		break;
	case DM_REPLY:
	case DM_BAST:
		proc_message(ls, node, &m);
		break;
	case DM_NAMES:
	case DM_LOCKS:
	case DM_END:
		recover_message(ls, node, &m, &r);
		break;
	case DM_MAX:
		break;
	}
}

/*
 * A member's number is not enough: its incarnation has to be the one that
 * joined.
 */
static bool
from_member(const struct dlm_ls *ls, const struct note *n)
{
	unsigned i;

	for (i = 0; i < ls->nmembers; i++)
		if (ls->members[i].node == n->node)
			return ls->members[i].inc == n->inc;
	return false;
}

/* Handled now, kept until we have come as far as its sender, or dropped. */
static void
on_message(struct dlm *d, const struct note *n)
{
	struct dlm_ls *ls;
	uint64_t epoch;
	uint32_t lsid;
	uint8_t type;
	struct rbuf r;

	rbuf_init(&r, n->data, n->len);
	type = rbuf_u8(&r);
	lsid = rbuf_u32(&r);
	epoch = rbuf_u64(&r);
	if (r.err) {
		d->nrejects++;
		return;
	}
	ls = ls_find(d, lsid);
	if (ls == NULL || n->node == d->self)
		return;
#if MUTANT != 605
	if (epoch < ls->epoch)
		return;
#endif
	if (epoch > ls->epoch) {
		space_park(ls, n->node, epoch, n->data, n->len);
		return;
	}
	if (!from_member(ls, n)) {
		d->nrejects++;
		return;
	}
	if (type >= DM_NAMES || (ls_open(ls) && ls->work == LW_IDLE))
		ls_dispatch(ls, n->node, n->data, n->len);
	else
		space_park(ls, n->node, epoch, n->data, n->len);
}

/* The locks go in steps, since there may be very many. */
static void
on_client_gone(struct dlm *d, uint64_t client)
{
	struct user *u;

	while ((u = user_next(d, client, 0)) != NULL)
		proc_user_gone(d, u);
}

/* ---- entry points --------------------------------------------------- */

/* One bounded step of everything that has more to do. */
static void
work(struct dlm *d)
{
	struct dlm_ls *ls, *next;

	TAILQ_FOREACH_SAFE(ls, &d->dying, entry, next)
		space_free_step(ls);
	TAILQ_FOREACH(ls, &d->spaces, entry)
		recover_step(ls);
	if (d->ngone > 0)
		proc_purge(d);
}

/* Is there anything that goes on without a message? */
static bool
busy(const struct dlm *d)
{
	const struct dlm_ls *ls;

	if (!TAILQ_EMPTY(&d->dying) || d->ngone > 0)
		return true;
	TAILQ_FOREACH(ls, &d->spaces, entry) {
		if (ls->work == LW_IDLE || ls->work == LW_WAIT)
			continue;
		if (ls->stage != LSS_RUN || !ls->frozen)
			return true;
	}
	return false;
}

void
dlm_note(struct dlm *d, const struct note *n, struct bus *b)
{
	d->b = b;
	d->now = b->now;
	switch (n->type) {
	case NOTE_MESSAGE:
		if (n->chan == CHAN_DLM)
			on_message(d, n);
		break;
	case NOTE_LS:
		space_event(d, n->ref);
		break;
	case NOTE_CLIENT_GONE:
		on_client_gone(d, n->client);
		break;
	default:
		break;
	}
	d->b = NULL;
}

void
dlm_request(struct dlm *d, uint32_t lsid, const struct note *n, struct bus *b)
{
	struct dlm_ls *ls = ls_find(d, lsid);

	d->b = b;
	d->now = b->now;
	if (ls == NULL)
		bus_client_result(b, n->client, n->msgid, ENOENT,
		    "lock request: no such lockspace here");
	else
		proc_request(d, ls, n);
	d->b = NULL;
}

void
dlm_timer(struct dlm *d, struct bus *b)
{
	d->b = b;
	d->now = b->now;
	work(d);
	d->b = NULL;
}

uint64_t
dlm_deadline(const struct dlm *d)
{
	return busy(d) ? d->now : UINT64_MAX;
}

/* ---- what is shown -------------------------------------------------- */

void
dlm_each_lock(const struct dlm *d,
    bool (*fn)(void *arg, const struct dlm_lock_info *), void *arg)
{
	struct dlm_lock_info info;
	struct lock_ids tree;
	struct dlm_ls *ls;
	struct lock *lk;

	TAILQ_FOREACH(ls, &d->spaces, entry) {
		tree = ls->locks;
		RB_FOREACH(lk, lock_ids, &tree) {
			if (lk->user == NULL)
				continue;
			info.lsid = ls->lsid;
			info.name = lk->rsb->name;
			info.namelen = lk->rsb->namelen;
			info.master = lk->rsb->master;
			info.client = lk->user->gone ? 0 : lk->user->client;
			info.lkid = lk->lkid;
			info.granted = lk->gr;
			info.requested =
			    lk->op == OP_REQUEST || lk->op == OP_CONVERT ?
			    lk->rq :
			    DLM_IV;
			info.since = lk->since;
			if (!fn(arg, &info))
				return;
		}
	}
}

/*
 * Counts what is not counted anyway: for a person who asks, not for a path
 * that is hot.
 */
void
dlm_get_stats(const struct dlm *d, uint32_t lsid, struct dlm_stats *st)
{
	const struct dlm_ls *ls = ls_find(d, lsid);
	const struct lock *lk;
	struct rsb_tree tree;
	struct rsb *r;

	memset(st, 0, sizeof(*st));
	if (ls == NULL)
		return;
	st->locks = ls->nlocks;
	st->resources = ls->nrsbs;
	TAILQ_FOREACH(lk, &ls->ops, inflight)
		st->waiting++;
	tree = ls->rsbs;
	RB_FOREACH(r, rsb_tree, &tree)
		if (r->master == d->self)
			st->mastered++;
}

/* ---- invariants ----------------------------------------------------- */

static void
check_granted(const struct rsb *r, const struct lock *lk)
{
	const struct lock *other;

	TAILQ_FOREACH(other, &r->q[AT_GRANTED], queue)
		ASSERT(other == lk || dlm_compat(other->gr, lk->gr)); /* D1 */
	TAILQ_FOREACH(other, &r->q[AT_CONVERT], queue)
		ASSERT(other == lk || dlm_compat(other->gr, lk->gr)); /* D1 */
}

/*
 * A copy of a lock elsewhere is not held against anything: its master's is.
 */
static void
check_rsb(const struct dlm_ls *ls, const struct rsb *r, uint64_t *nlocks)
{
	struct lock *lk;
	unsigned i;

	for (i = 0; i < AT_MAX; i++) {
		TAILQ_FOREACH(lk, &r->q[i], queue) {
			(*nlocks)++;
			ASSERT(lk->rsb == r && lk->at == i); /* D3 */
			if (i == AT_GRANTED || i == AT_CONVERT)
				check_granted(r, lk);
			if (i != AT_COPY)
				ASSERT(r->master == ls->dlm->self ||
				    r->rebuilt); /* D3 */
			if (lk->user != NULL && lk->op == OP_NONE)
				ASSERT(lk->gr != DLM_IV); /* D7 */
			if ((i == AT_CONVERT || i == AT_WAIT) && ls_open(ls)) {
				ASSERT(!grant_order(r, lk, false)); /* D2 */
			}
		}
	}
}

static void
check_ls(const struct dlm_ls *ls)
{
	struct rsb_tree rsbs = ls->rsbs;
	const struct lock *lk;
	const struct dir *dr;
	uint64_t nlocks = 0, nrsbs = 0;
	struct rsb *r;

	RB_FOREACH(r, rsb_tree, &rsbs) {
		check_rsb(ls, r, &nlocks);
		nrsbs++;
		if (!ls_open(ls) || r->master != ls->dlm->self ||
		    dlm_dirnode(ls, r->hash) != ls->dlm->self)
			continue;
		dr = dir_find(ls, r->name, r->namelen);
		ASSERT(dr != NULL && dr->master == ls->dlm->self); /* D5 */
	}
	ASSERT(nrsbs == ls->nrsbs);
	ASSERT(nlocks == ls->nlocks + ls->nremote); /* D4 */
	TAILQ_FOREACH(lk, &ls->ops, inflight)
		ASSERT(lk->op != OP_NONE && lk->user != NULL); /* D4 */
}

void
dlm_check(const struct dlm *d)
{
	struct user_tree users = d->users;
	struct lock_lkids lkids;
	struct dlm_ls *ls;
	struct lock *lk;
	struct user *u;
	uint32_t n, nops;

	TAILQ_FOREACH(ls, &d->spaces, entry)
		check_ls(ls);
	RB_FOREACH(u, user_tree, &users) {
		n = nops = 0;
		lkids = u->locks;
		RB_FOREACH(lk, lock_lkids, &lkids) {
			ASSERT(lk->user == u); /* D6 */
			n++;
			if (lk->op != OP_NONE)
				nops++;
		}
		ASSERT(n == u->nlocks && nops == u->nops); /* D4 */
	}
}
