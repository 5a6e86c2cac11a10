/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The master's side: operations on resources that this node masters, whether
 * they come from our own clients or from another node.
 *
 * Each operation of a lock has a sequence number.  A holder sends the last
 * one again after a recovery, since messages of the old epoch were dropped;
 * the master recognizes it by its number and repeats the answer.
 */

#include "dlm_int.h"

/* An answer to the holder of a lock that lives elsewhere. */
static void
reply(struct dlm_ls *ls, const struct lock *lk, enum dlm_status status)
{
	struct dlm_msg m = {
		.type = DM_REPLY,
		.id = lk->id,
		.seq = lk->seq,
		.status = (uint8_t)status,
		.mode = lk->gr,
		.sbflags = lk->sbflags,
		.lvbseq = lk->lvbseq,
	};

	if (status == DST_GRANTED && lk->lvbread) {
		m.haslvb = true;
		if (lk->rsb->lvb != NULL)
			memcpy(m.lvb, lk->rsb->lvb, sizeof(m.lvb));
	}
	ls_send(ls, lk->node, &m);
}

/* An answer about a lock that is not here. */
static void
reply_none(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *about,
    enum dlm_status status)
{
	struct dlm_msg m = {
		.type = DM_REPLY,
		.id = about->id,
		.seq = about->seq,
		.status = (uint8_t)status,
		.mode = DLM_IV,
	};

	ls_send(ls, node, &m);
}

/*
 * The state has changed already; what follows from it for others comes after
 * this answer.
 */
void
master_finish(struct dlm_ls *ls, struct lock *lk, enum dlm_status status)
{
	lk->status = (uint8_t)status;
	if (lk->user != NULL) {
		/* An unlock that waits for the end of a recovery has taken
		   the place of what is answered here. */
		if (lk->op == OP_UNLOCK && status != DST_UNLOCKED)
			return;
		if (status != DST_QUEUED)
			proc_done(ls, lk, status);
		return;
	}
	/* Its holder asks again, and is answered then. */
	if (lk->unheard && status == DST_GRANTED)
		return;
	reply(ls, lk, status);
	if (status == DST_UNLOCKED ||
	    (status != DST_QUEUED && lk->gr == DLM_IV))
		lock_free(ls, lk);
}

/* Who is in the way, and of what. */
void
master_bast(struct dlm_ls *ls, struct lock *lk, int mode)
{
	struct dlm_msg m = {
		.type = DM_BAST,
		.id = lk->id,
		.seq = lk->seq,
		.mode = (int8_t)mode,
	};

	if (lk->user != NULL)
		proc_bast(ls, lk, mode);
	else
		ls_send(ls, lk->node, &m);
}

void
master_reap(struct dlm_ls *ls, struct rsb *r)
{
	/* Before that the directory is not complete; the walk that ends a
	   recovery reaps what became empty meanwhile. */
	if (!rsb_empty(r) || ls->stage != LSS_RUN || ls->frozen)
		return;
	if (r->master == ls->dlm->self)
		dir_forget(ls, r);
	rsb_free(ls, r);
}

/* Nothing of the last operation's outcome belongs to this one. */
static void
op_begin(struct lock *lk)
{
	/* A recovery took its old mode: its holder learns with the end. */
	lk->sbflags = lk->demoted ? DLM_SBF_DEMOTED : 0;
	lk->demoted = false;
	lk->lvbread = false;
}

/*
 * lk stands in a queue now.  At the head of it, it may be granted although
 * others wait, and what it gave up may be what others wait for.
 */
static void
queued(struct dlm_ls *ls, struct rsb *r, struct lock *lk, int mode)
{
	bool again = (lk->flags & DLM_F_HEADQUE) != 0 ||
	    (lk->sbflags & DLM_SBF_DEMOTED) != 0;

	master_finish(ls, lk, DST_QUEUED);
	grant_basts(ls, r, lk, mode, false);
	if (again)
		grant_pending(ls, r);
}

/* A new lock, seen for the first time. */
void
master_request(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;
	int mode = lk->rq;
	bool deadlock, head = (lk->flags & DLM_F_HEADQUE) != 0;

	op_begin(lk);
	if (grant_possible(r, lk, true, &deadlock)) {
		grant_lock(ls, lk);
		master_finish(ls, lk, DST_GRANTED);
		/* Nothing was given back, but who overtook a waiting lock
		   must be told that it is in the way. */
		if (!TAILQ_EMPTY(&r->q[AT_CONVERT]) ||
		    !TAILQ_EMPTY(&r->q[AT_WAIT]))
			grant_pending(ls, r);
		return;
	}
	if ((lk->flags & DLM_F_NOQUEUE) == 0) {
		lock_move(lk, AT_WAIT, head);
		queued(ls, r, lk, mode);
		return;
	}
	if (lk->flags & DLM_F_NOQUEUEBAST)
		grant_basts(ls, r, lk, mode, true);
	master_finish(ls, lk, DST_AGAIN);
}

/*
 * It keeps its granted mode until the new one is granted, unless it asked to
 * be demoted rather than to deadlock.
 */
void
master_convert(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;
	bool deadlock, head = (lk->flags & DLM_F_HEADQUE) != 0;

	op_begin(lk);
	if (grant_possible(r, lk, true, &deadlock)) {
		grant_lock(ls, lk);
		master_finish(ls, lk, DST_GRANTED);
#if MUTANT != 603
		grant_pending(ls, r);
#endif
		return;
	}
	if (deadlock && (lk->flags & DLM_F_NODLCKWT) == 0) {
		lk->rq = DLM_IV;
		master_finish(ls, lk, DST_DEADLOCK);
		return;
	}
	if (lk->sbflags & DLM_SBF_DEMOTED) {
		/* Giving up our mode may let those ahead of us pass, and
		   then perhaps ourselves. */
		grant_convertq(ls, r);
		if (grant_order(r, lk, true)) {
			grant_lock(ls, lk);
			master_finish(ls, lk, DST_GRANTED);
			grant_pending(ls, r);
			return;
		}
	}
	if (lk->flags & DLM_F_NOQUEUE) {
		if (lk->flags & DLM_F_NOQUEUEBAST)
			grant_basts(ls, r, lk, lk->rq, true);
		lk->rq = DLM_IV;
		master_finish(ls, lk, DST_AGAIN);
		return;
	}
	lock_move(lk, AT_CONVERT, head);
	queued(ls, r, lk, lk->rq);
}

/* Never refused: whatever was under way with this lock is over. */
void
master_unlock(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	grant_unlock_lvb(ls, lk);
	lk->gr = lk->rq = DLM_IV;
	/* Out of the queues before others are looked at. */
	lock_move(lk, AT_COPY, false);
	master_finish(ls, lk, DST_UNLOCKED);
	grant_pending(ls, r);
}

void
master_cancel(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	/* Too late, or nothing asked: the operation ends by itself. */
	if (lk->at != AT_CONVERT && lk->at != AT_WAIT)
		return;
	lk->rq = DLM_IV;
	if (lk->at == AT_CONVERT)
		lock_move(lk, AT_GRANTED, false);
	else
		lock_move(lk, AT_COPY, false);
	master_finish(ls, lk, DST_CANCELED);
	grant_pending(ls, r);
}

/*
 * An operation that was sent again: the same answer.  Callbacks that came
 * before it meant nothing to the holder, so they are repeated after it.
 */
static void
repeat(struct dlm_ls *ls, struct lock *lk)
{
	lk->unheard = false;
	reply(ls, lk, (enum dlm_status)lk->status);
	if (lk->status != DST_GRANTED)
		return;
	lk->highbast = DLM_NL;
	grant_pending(ls, lk->rsb);
}

void
master_new(struct dlm_ls *ls, struct rsb *r, uint16_t node,
    const struct dlm_msg *m)
{
	struct lock *lk = lock_find(ls, node, m->id);

	if (lk != NULL) {
		if (lk->seq == m->seq && lk->rsb == r)
			repeat(ls, lk);
		else
			ls->dlm->nrejects++;
		return;
	}
	if (dlm_check_lock(m->mode, m->flags) != 0) {
		/* Its node has checked that; never queue what cannot be. */
		ls->dlm->nrejects++;
		master_reap(ls, r);
		return;
	}
	if (ls->nremote >= DLM_REMOTE_LOCKS) {
		reply_none(ls, node, m, DST_AGAIN);
		master_reap(ls, r);
		return;
	}
	lk = lock_new(ls, r, node, m->id);
	lk->seq = m->seq;
	lk->rq = m->mode;
	lk->flags = m->flags;
	lk->since = ls->dlm->b->now;
	master_request(ls, lk);
	master_reap(ls, r);
}

static void
take_lvb(struct lock *lk, const struct dlm_msg *m)
{
	if (m->haslvb)
		memcpy(lock_lvb(lk), m->lvb, DLM_LVB_MAX);
}

/*
 * From another node; a number that we have seen is the same operation again.
 */
static void
on_convert(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct lock *lk = lock_find(ls, node, m->id);

	if (lk == NULL) {
		ls->dlm->nrejects++;
		reply_none(ls, node, m, DST_NOLOCK);
		return;
	}
	if (lk->seq == m->seq) {
		repeat(ls, lk);
		return;
	}
	/* A correct holder waits for the end of one before the next. */
	if (lk->at != AT_GRANTED ||
	    dlm_check_convert(lk->gr, m->mode,
		m->flags & ~(uint32_t)DLM_F_QUECVT) != 0) {
		ls->dlm->nrejects++;
		return;
	}
	lk->seq = m->seq;
	lk->flags = m->flags;
	lk->rq = m->mode;
	take_lvb(lk, m);
	master_convert(ls, lk);
}

/* A lock that is not here was unlocked before: the answer got lost. */
static void
on_unlock(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct lock *lk = lock_find(ls, node, m->id);
	struct rsb *r;

	if (lk == NULL) {
		reply_none(ls, node, m, DST_UNLOCKED);
		return;
	}
	r = lk->rsb;
	lk->seq = m->seq;
	lk->flags = m->flags;
	lk->lvbdirty = m->haslvb;
	take_lvb(lk, m);
	master_unlock(ls, lk);
	master_reap(ls, r);
}

/* Names the operation, so that one that is late hits nothing else. */
static void
on_cancel(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct lock *lk = lock_find(ls, node, m->id);
	struct rsb *r;

	if (lk == NULL || lk->seq != m->seq)
		return;
	r = lk->rsb;
	master_cancel(ls, lk);
	master_reap(ls, r);
}

void
master_message(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct rsb *r;

	switch (m->type) {
	case DM_REQUEST:
		r = rsb_find(ls, m->name, m->namelen);
		if (r == NULL || r->master != ls->dlm->self)
			reply_none(ls, node, m, DST_RETRY);
		else
			master_new(ls, r, node, m);
		break;
	case DM_CONVERT:
		on_convert(ls, node, m);
		break;
	case DM_UNLOCK:
		on_unlock(ls, node, m);
		break;
	case DM_CANCEL:
		on_cancel(ls, node, m);
		break;
	default:
		break;
	}
}
