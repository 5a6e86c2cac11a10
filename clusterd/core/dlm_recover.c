/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Recovery of a lockspace after its members changed, in the stages that
 * lspace orders; each ends when every member has done its part.
 *
 *	STOP	No operation is given to a master; messages of older epochs
 *		are dropped.  The directory and an unfinished rebuild are
 *		forgotten, and that somebody who waits was answered.
 *	DIR	Each master tells its names to their directory nodes.
 *	LOCKS	Masters drop the locks of members that went.  Holders whose
 *		master went send their locks to the name's directory node,
 *		which becomes the master.  Nothing is committed yet: another
 *		change of members starts all over, with the old masters.
 *	RUN	Commit: new masters are masters.  Value blocks are chosen, a
 *		grant pass is made, blocking callbacks are repeated, every
 *		operation under way is given to its master again, and then
 *		the messages of those who were faster are handled.
 *
 * What a holder says about a lock with an operation under way is the least it
 * may still rely on: the dead master may have granted the operation, and have
 * let others profit from what was given up.  So a conversion downwards or an
 * unlock counts as done, one between PR and CW leaves CR, one that may be
 * demoted leaves NL.
 *
 * clusterd-protocol(7), section 9.4.
 */

#include "dlm_int.h"

static void commit_end(struct dlm_ls *);

static struct wbuf *
batch(struct dlm_ls *ls, unsigned i)
{
	return &ls->out[i].w;
}

static unsigned
member_index(const struct dlm_ls *ls, uint16_t node)
{
	unsigned i;

	for (i = 0; i < ls->nmembers; i++)
		if (ls->members[i].node == node)
			break;
	return i;
}

/* Counted, so that its receiver knows when one is missing. */
static void
batch_send(struct dlm_ls *ls, unsigned i)
{
	struct wbuf *w = batch(ls, i);
	struct note *n;

	if (w->len == 0)
		return;
	ASSERT(!w->err);
	n = bus_note(ls->dlm->b, NOTE_SEND, w->data, w->len);
	n->node = ls->members[i].node;
	n->chan = CHAN_DLM;
	ls->out[i].sent++;
	wbuf_reset(w);
}

/* The batch for node, begun with its header if it is empty. */
static struct wbuf *
batch_for(struct dlm_ls *ls, uint16_t node, enum dlm_msg_type type)
{
	unsigned i = member_index(ls, node);
	struct wbuf *w = batch(ls, i);
	struct dlm_msg m = { .type = type };

	ASSERT(i < ls->nmembers);
	if (w->len >= DLM_BATCH)
		batch_send(ls, i);
	if (w->len == 0) {
		m.lsid = ls->lsid;
		m.epoch = ls->epoch;
		dlm_wire_put(w, &m);
	}
	return w;
}

void
recover_drop_batches(struct dlm_ls *ls)
{
	unsigned i;

	for (i = 0; i < LS_MEMBERS_MAX; i++) {
		wbuf_free(&ls->out[i].w);
		wbuf_init(&ls->out[i].w, DLM_WIRE_MAX);
		ls->out[i].sent = 0;
	}
}

/* Our part of the stage is done; lspace orders that. */
static void
vote(struct dlm_ls *ls)
{
	struct note *n;

	ls->work = LW_IDLE;
	n = bus_note(ls->dlm->b, NOTE_LS_STAGE, NULL, 0);
	n->lsid = ls->lsid;
	n->seq = ls->epoch;
	n->code = (int)ls->stage;
}

/*
 * Our part of a stage is done when every other member's words are here.  A
 * session that broke in the middle lost some: then we never say that it is,
 * and the view that follows begins another recovery.
 */
static void
check_ended(struct dlm_ls *ls)
{
	unsigned k = ls->stage == LSS_DIR ? 0 : 1, i;

	if (ls->work != LW_WAIT)
		return;
	for (i = 0; i < ls->nmembers; i++)
		if (ls->members[i].node != ls->dlm->self &&
		    ((ls->part[k].ended >> i & 1) == 0 ||
			ls->part[k].got[i] != ls->part[k].want[i]))
			return;
	vote(ls);
}

/* Everything of this stage is queued: flush, and say so. */
static void
end_stage(struct dlm_ls *ls)
{
	struct dlm_msg m = {
		.type = DM_END,
		.mode = ls->stage == LSS_DIR ? 0 : 1,
	};
	unsigned i;

	for (i = 0; i < ls->nmembers; i++) {
		if (ls->members[i].node == ls->dlm->self)
			continue;
		batch_send(ls, i);
		m.seq = ls->out[i].sent;
		ls_send(ls, ls->members[i].node, &m);
	}
	recover_drop_batches(ls);
	ls->work = LW_WAIT;
	check_ended(ls);
}

/* ---- stage STOP ----------------------------------------------------- */

/*
 * Who waits here may not know that it does, and then it looks its master up
 * again.  Were it granted while that is on its way through the directory, its
 * holder could unlock it, and then the lookup would make a lock that nobody
 * holds.  So it is answered only when it has been asked for again.
 */
static void
unhear(const struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk;

	if (r->master != ls->dlm->self)
		return;
	TAILQ_FOREACH(lk, &r->q[AT_WAIT], queue)
		lk->unheard = lk->user == NULL;
}

/* Forgets what an unfinished recovery built here. */
static void
revert(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;
	unsigned i;

	r->remaster = 0;
	if (!r->rebuilt)
		return;
	r->rebuilt = false;
	for (i = 0; i < AT_MAX; i++)
		TAILQ_FOREACH_SAFE(lk, &r->q[i], queue, next)
			if (lk->user == NULL)
				lock_free(ls, lk);
	if (rsb_empty(r))
		rsb_free(ls, r);
}

/* Messages of this epoch's recovery that were here before its stop. */
static void
unpark_recovery(struct dlm_ls *ls)
{
	struct parked *p, *next;

	STAILQ_FOREACH_SAFE(p, &ls->parked, entry, next) {
		if (p->epoch != ls->epoch || p->len == 0 ||
		    p->data[0] < DM_NAMES)
			continue;
		STAILQ_REMOVE(&ls->parked, p, parked, entry);
		ls->parkedlen -= p->len;
		ls_dispatch(ls, p->node, p->data, p->len);
		free(p);
	}
}

/* What a directory knew may be wrong now; masters say it again. */
static bool
step_clear(struct dlm_ls *ls, unsigned budget)
{
	struct rsb *r;
	struct dir *d;

	while (budget > 0 && (d = RB_MIN(dir_tree, &ls->dirs)) != NULL) {
		dir_free(ls, d);
		budget--;
	}
	while (budget > 0) {
		r = rsb_after(ls);
		if (r == NULL) {
			vote(ls);
			unpark_recovery(ls);
			return true;
		}
		unhear(ls, r);
		revert(ls, r);
		budget--;
	}
	return false;
}

/* ---- stage DIR ------------------------------------------------------ */

static void
step_names(struct dlm_ls *ls, unsigned budget)
{
	struct rsb *r;
	uint16_t node;

	for (; budget > 0; budget--) {
		r = rsb_after(ls);
		if (r == NULL) {
			end_stage(ls);
			return;
		}
		if (r->master != ls->dlm->self)
			continue;
		node = dlm_dirnode(ls, r->hash);
		if (node == ls->dlm->self)
			dir_set(ls, r->name, r->namelen, node);
		else
			dlm_wire_put_name(batch_for(ls, node, DM_NAMES),
			    r->name, r->namelen);
	}
}

/* One name has one master, so there is nothing to compare. */
static void
on_names(struct dlm_ls *ls, uint16_t from, struct rbuf *rb)
{
	struct dlm_msg m;

	while (rbuf_left(rb) > 0) {
		if (!dlm_wire_name(rb, &m) ||
		    dlm_dirnode(ls, dlm_hash(ls->lsid, m.name, m.namelen)) !=
			ls->dlm->self) {
			ls->dlm->nrejects++;
			return;
		}
		dir_set(ls, m.name, m.namelen, from);
	}
}

/* ---- stage LOCKS ---------------------------------------------------- */

/* What may still be relied on of a lock whose master went. */
static void
describe(const struct lock *lk, struct dlm_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->id = lk->id;
	m->seq = lk->seq;
	m->mode = lk->gr;
	m->name = lk->rsb->name;
	m->namelen = lk->rsb->namelen;
	m->lvbseq = lk->lvbseq;
	m->sbflags = lk->lvbbad ? DLM_SBF_VALNOTVALID : 0;
	if (lk->lvb != NULL) {
		m->haslvb = true;
		memcpy(m->lvb, lk->lvb, sizeof(m->lvb));
	}
	if (lk->lvbgood || lk->lvbdirty)
		m->flags = DLM_F_VALBLK;
	if (lk->lvbdirty) {
		m->lvbseq++;
		m->sbflags = 0;
	}
#if MUTANT == 604
	return;
#endif
	if (lk->op == OP_UNLOCK) {
		m->mode = DLM_IV;
	} else if (lk->op == OP_CONVERT && dlm_down(lk->gr, lk->rq)) {
		m->mode = lk->rq;
	} else if (lk->op == OP_CONVERT) {
		/* It will be sent again, so it must still look new. */
		m->seq--;
		/* A recovery before this one took its mode, and the master
		   of then told only us. */
		m->sbflags |= lk->sbflags & DLM_SBF_DEMOTED;
		if (lk->flags & DLM_F_CONVDEADLK) {
			m->mode = DLM_NL;
			m->sbflags |= DLM_SBF_DEMOTED;
		} else if (dlm_middle(lk->gr, lk->rq)) {
			m->mode = DLM_CR;
			m->sbflags |= DLM_SBF_DEMOTED;
		}
	}
}

/* Drops the locks of members that went; what a writer left is not valid. */
static void
purge(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;
	unsigned i;

	for (i = 0; i < AT_MAX; i++) {
		TAILQ_FOREACH_SAFE(lk, &r->q[i], queue, next) {
			if (lk->user != NULL || !ls_gone(ls, lk->node))
				continue;
#if MUTANT != 606
			if (lk->gr >= DLM_PW)
				r->notvalid = r->unknown = true;
#endif
			lock_free(ls, lk);
			ls->npurged++;
		}
	}
}

/*
 * The name has a living master, as its directory node knows, and that is us:
 * the one that went had given the resource up.  Of our locks it can have left
 * us only such as were being unlocked; the rest asks the living one.
 */
static void
remaster_living(struct rsb *r, uint16_t master)
{
	struct lock *lk;

	r->remaster = master;
	TAILQ_FOREACH(lk, &r->q[AT_COPY], queue)
		lk->dropped = lk->op == OP_UNLOCK;
}

/* The master went: our locks go to the name's directory node. */
static void
remaster(struct dlm_ls *ls, struct rsb *r)
{
	uint16_t node = dlm_dirnode(ls, r->hash);
	const struct dir *d;
	struct dlm_msg m;
	struct lock *lk;

	d = node == ls->dlm->self ? dir_find(ls, r->name, r->namelen) : NULL;
	if (d != NULL && d->master != ls->dlm->self) {
		remaster_living(r, d->master);
		return;
	}
	TAILQ_FOREACH(lk, &r->q[AT_COPY], queue) {
		/* Requests start from nothing once we run. */
		if (lk->user == NULL || lk->gr == DLM_IV)
			continue;
		r->remaster = node;
		if (node == ls->dlm->self)
			break;
		describe(lk, &m);
		/* An unlock that is asked for later has to be sent. */
		lk->dropped = m.mode == DLM_IV;
		dlm_wire_put_lock(batch_for(ls, node, DM_LOCKS), &m);
		ls->nrebuilt++;
	}
	if (r->remaster == ls->dlm->self) {
		r->rebuilt = true;
		dir_set(ls, r->name, r->namelen, node);
	}
}

static void
step_locks(struct dlm_ls *ls, unsigned budget)
{
	struct rsb *r;

	for (; budget > 0; budget--) {
		r = rsb_after(ls);
		if (r == NULL) {
			end_stage(ls);
			return;
		}
		if (r->master == ls->dlm->self)
			purge(ls, r);
		else if (r->master != 0 && ls_gone(ls, r->master))
			remaster(ls, r);
	}
}

/* A holder's description becomes the master's copy of the lock. */
static void
on_lock(struct dlm_ls *ls, uint16_t from, const struct dlm_msg *m)
{
	struct dir *d = dir_find(ls, m->name, m->namelen);
	struct lock *lk;
	struct rsb *r;

	if (d != NULL && d->master != ls->dlm->self) {
		/* The name has a living master; only a lock that was being
		   unlocked can still name the one before. */
		if (m->mode != DLM_IV)
			ls->dlm->nrejects++;
		return;
	}
	r = rsb_get(ls, m->name, m->namelen);
	if (r->master == ls->dlm->self || lock_find(ls, from, m->id) != NULL) {
		if (m->mode != DLM_IV)
			ls->dlm->nrejects++;
		return;
	}
	dir_set(ls, m->name, m->namelen, ls->dlm->self);
	r->rebuilt = true;
	r->remaster = ls->dlm->self;
	lk = lock_new(ls, r, from, m->id);
	lk->seq = m->seq;
	lk->gr = m->mode;
	lk->lvbgood = (m->flags & DLM_F_VALBLK) != 0;
	lk->lvbbad = (m->sbflags & DLM_SBF_VALNOTVALID) != 0;
	lk->demoted = (m->sbflags & DLM_SBF_DEMOTED) != 0;
	lk->lvbseq = m->lvbseq;
	lk->since = ls->dlm->b->now;
	if (m->haslvb)
		memcpy(lock_lvb(lk), m->lvb, DLM_LVB_MAX);
	if (lk->gr != DLM_IV)
		lock_move(lk, AT_GRANTED, false);
	ls->nrebuilt++;
}

static void
on_locks(struct dlm_ls *ls, uint16_t from, struct rbuf *rb)
{
	struct dlm_msg m;

	while (rbuf_left(rb) > 0) {
		memset(&m, 0, sizeof(m));
		if (!dlm_wire_lock(rb, &m) ||
		    dlm_dirnode(ls, dlm_hash(ls->lsid, m.name, m.namelen)) !=
			ls->dlm->self) {
			ls->dlm->nrejects++;
			return;
		}
		on_lock(ls, from, &m);
	}
}

/* Once we run, every member has ended its part: nothing may come any more. */
void
recover_message(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m,
    struct rbuf *rb)
{
	unsigned i = member_index(ls, node), k;

	if (ls->stage == LSS_RUN || i >= ls->nmembers) {
		ls->dlm->nrejects++;
		return;
	}
	switch (m->type) {
	case DM_NAMES:
		ls->part[0].got[i]++;
		on_names(ls, node, rb);
		break;
	case DM_LOCKS:
		ls->part[1].got[i]++;
		on_locks(ls, node, rb);
		break;
	case DM_END:
		k = m->mode == 0 ? 0 : 1;
		ls->part[k].ended |= UINT64_C(1) << i;
		ls->part[k].want[i] = m->seq;
		check_ended(ls);
		break;
	default:
		break;
	}
}

/* ---- stage RUN ------------------------------------------------------ */

/*
 * The value block of a resource whose master went.  A lock above CR kept
 * writers out and so knows the value; otherwise the newest known one is the
 * best guess, and marked as such.
 */
static void
choose_lvb(struct dlm_ls *ls, struct rsb *r)
{
	const struct lock *lk, *best = NULL, *sure = NULL;
	unsigned i;
	bool any = false;

	for (i = 0; i < AT_MAX; i++) {
		TAILQ_FOREACH(lk, &r->q[i], queue) {
			if (lk->lvb == NULL)
				continue;
			any = any || lk->gr != DLM_IV;
			if (lk->gr > DLM_CR && lk->lvbgood &&
			    (sure == NULL ||
				(int32_t)(lk->lvbseq - sure->lvbseq) > 0))
				sure = lk;
			if (best == NULL ||
			    (int32_t)(lk->lvbseq - best->lvbseq) > 0)
				best = lk;
		}
	}
	r->unknown = !any;
	if (!any)
		return;
	if (sure != NULL)
		best = sure;
	r->notvalid = sure == NULL || sure->lvbbad;
	memcpy(rsb_lvb(ls, r), best->lvb, DLM_LVB_MAX);
	r->lvbseq = best->lvbseq;
}

/* Our own locks on a resource that we have become the master of. */
static void
adopt(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;
	struct dlm_msg m;

	TAILQ_FOREACH_SAFE(lk, &r->q[AT_COPY], queue, next) {
		if (lk->user == NULL)
			continue;
		lk->exposed = lk->gr != DLM_IV;
		if (lk->gr == DLM_IV)
			continue;
		describe(lk, &m);
		lk->gr = m.mode;
		lk->lvbseq = m.lvbseq;
		lk->lvbgood = (m.flags & DLM_F_VALBLK) != 0;
		lk->lvbbad = (m.sbflags & DLM_SBF_VALNOTVALID) != 0;
		lk->demoted = (m.sbflags & DLM_SBF_DEMOTED) != 0;
		if (lk->gr != DLM_IV)
			lock_move(lk, AT_GRANTED, false);
	}
}

/* Ends what describe() counted as done. */
static void
adopt_done(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;
	unsigned i;

	for (i = 0; i < AT_MAX; i++) {
		TAILQ_FOREACH_SAFE(lk, &r->q[i], queue, next) {
			if (lk->user == NULL) {
				if (lk->gr == DLM_IV && lk->rq == DLM_IV)
					lock_free(ls, lk);
				continue;
			}
			lk->lvbread = false;
			if (lk->op == OP_UNLOCK) {
				proc_done(ls, lk, DST_UNLOCKED);
			} else if (lk->op == OP_CONVERT && lk->gr == lk->rq) {
				lk->rq = DLM_IV;
				proc_done(ls, lk, DST_GRANTED);
			}
		}
	}
}

/* The master of our locks went, and another node has them now, if any. */
static void
follow(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;

	r->master = r->remaster;
	TAILQ_FOREACH_SAFE(lk, &r->q[AT_COPY], queue, next) {
		if (lk->gr == DLM_IV)
			lk->exposed = false;
		if (lk->op == OP_UNLOCK && (lk->gr == DLM_IV || lk->dropped))
			proc_done(ls, lk, DST_UNLOCKED);
		else
			lk->dropped = false;
	}
}

/*
 * A walk after a pause without the lease finds what was sent in this very
 * epoch: it arrives, and is answered.  Sent once more, the second answer would
 * come when it may mean another lock.
 */
static bool
under_way(const struct dlm_ls *ls, const struct lock *lk)
{
#if MUTANT == 607
	return false;
#endif
	return lk->epoch == ls->epoch;
}

/* From here on there is no way back to the old masters. */
static void
commit(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk;

	if (r->lookup != NULL && !under_way(ls, r->lookup))
		r->lookup = NULL;
	if (r->rebuilt) {
		adopt(ls, r);
		r->master = ls->dlm->self;
		choose_lvb(ls, r);
		adopt_done(ls, r);
		r->rebuilt = false;
	} else if (r->master != 0 && r->master != ls->dlm->self &&
	    ls_gone(ls, r->master)) {
		follow(ls, r);
	}
	r->remaster = 0;
	if (r->master == ls->dlm->self) {
		/* Callbacks of the old epoch may have been dropped. */
		TAILQ_FOREACH(lk, &r->q[AT_GRANTED], queue)
			lk->highbast = DLM_NL;
		TAILQ_FOREACH(lk, &r->q[AT_CONVERT], queue)
			lk->highbast = DLM_NL;
	}
}

/* Ends a commit that the next recovery overtakes; nothing is granted. */
void
recover_commit(struct dlm_ls *ls)
{
	struct rsb *r;

	while ((r = rsb_after(ls)) != NULL)
		commit(ls, r);
	commit_end(ls);
}

/* All that went is accounted for. */
static void
commit_end(struct dlm_ls *ls)
{
	if (ls->npurged + ls->nrebuilt > 0)
		bus_event(ls->dlm->b, EVK_LOCKSPACE, EVL_INFO,
		    "lockspace %s: %llu locks dropped, %llu locks moved, "
		    "because members went",
		    ls->name, (unsigned long long)ls->npurged,
		    (unsigned long long)ls->nrebuilt);
	ls->npurged = ls->nrebuilt = 0;
	if (ls->anygone)
		memset(ls->gone, 0, DLM_NODE_IDS / 8);
	ls->anygone = false;
}

static void
step_commit(struct dlm_ls *ls, unsigned budget)
{
	struct rsb *r;

	for (; budget > 0; budget--) {
		r = rsb_after(ls);
		if (r == NULL) {
			commit_end(ls);
			ls->work = LW_OPS;
			ls->nextop = TAILQ_FIRST(&ls->ops);
			return;
		}
		commit(ls, r);
		if (r->master == ls->dlm->self) {
			r->regrant = true;
			grant_pending(ls, r);
			r->regrant = false;
		}
		master_reap(ls, r);
	}
}

/* In the order in which they were asked for. */
static void
step_ops(struct dlm_ls *ls, unsigned budget)
{
	struct lock *lk;
	struct rsb *r;

	for (; budget > 0; budget--) {
		lk = ls->nextop;
		if (lk == NULL) {
			ls->work = LW_PARKED;
			return;
		}
		ls->nextop = TAILQ_NEXT(lk, inflight);
		r = lk->rsb;
		/* In a queue of ours: it is where it should be. */
		if (lk->at != AT_CONVERT && lk->at != AT_WAIT &&
		    !under_way(ls, lk))
			lk->sent = lk->cancelled = false;
		proc_push(ls, lk);
		master_reap(ls, r);
	}
}

/* Those who were faster than we asked for these; order is kept. */
static void
step_parked(struct dlm_ls *ls, unsigned budget)
{
	struct parked *p, *next;

	STAILQ_FOREACH_SAFE(p, &ls->parked, entry, next) {
		if (p->epoch != ls->epoch)
			continue;
		if (budget-- == 0)
			return;
		STAILQ_REMOVE(&ls->parked, p, parked, entry);
		ls->parkedlen -= p->len;
		ls_dispatch(ls, p->node, p->data, p->len);
		free(p);
	}
	ls->work = LW_IDLE;
}

void
recover_step(struct dlm_ls *ls)
{
	if (ls->stage == LSS_RUN && ls->frozen)
		return;
	switch (ls->work) {
	case LW_CLEAR:
		step_clear(ls, DLM_STEP);
		break;
	case LW_NAMES:
		step_names(ls, DLM_STEP);
		break;
	case LW_LOCKS:
		step_locks(ls, DLM_STEP);
		break;
	case LW_COMMIT:
		step_commit(ls, DLM_STEP);
		break;
	case LW_OPS:
		step_ops(ls, DLM_STEP);
		break;
	case LW_PARKED:
		step_parked(ls, DLM_STEP);
		break;
	case LW_IDLE:
	case LW_WAIT:
		break;
	}
}
