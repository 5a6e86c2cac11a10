/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The queues of a resource, at its master: who may be granted, who is told to
 * give way, and what happens to the value block.
 *
 * A resource has locks that are granted, that convert (they keep their old
 * mode meanwhile, and it still excludes others) and that wait.  Conversions
 * go before new locks; each queue is first come, first served, except where
 * a flag says otherwise.  The rules are those of the kernel's dlm, so that a
 * client sees the same answers from either.
 */

#include "dlm_int.h"

/* Compatible with everybody's granted mode but its own? */
static bool
conflict(const struct lock_list *q, const struct lock *lk)
{
	const struct lock *other;

	TAILQ_FOREACH(other, q, queue)
		if (other != lk && !dlm_compat(other->gr, lk->rq))
			return true;
	return false;
}

/*
 * Is the requested mode compatible, and is it this lock's turn?  now: it is
 * looked at for the first time; otherwise it already stands in a queue.
 */
bool
grant_order(const struct rsb *r, const struct lock *lk, bool now)
{
	const struct lock_list *convertq = &r->q[AT_CONVERT];
	const struct lock_list *waitq = &r->q[AT_WAIT];
	bool convert = lk->gr != DLM_IV;

	if (lk->flags & DLM_F_EXPEDITE)
		return true;
	if (conflict(&r->q[AT_GRANTED], lk))
		return false;
#if MUTANT != 601
	if (conflict(convertq, lk))
		return false;
#endif
	if (convert && r->regrant)
		return true;
	if (now && convert)
		return (lk->flags & DLM_F_QUECVT) == 0 || TAILQ_EMPTY(convertq);
	if (lk->flags & DLM_F_NOORDER)
		return true;
	if (convert)
		return TAILQ_FIRST(convertq) == lk;
	if (!TAILQ_EMPTY(convertq))
		return false;
	return now ? TAILQ_EMPTY(waitq) : TAILQ_FIRST(waitq) == lk;
}

/*
 * Two conversions that wait for each other: the earlier one asks for a mode
 * that our granted mode excludes.  For a lock that already stands in the
 * queue, those behind it count only if the wait is mutual.
 */
static bool
deadlocked(const struct rsb *r, const struct lock *lk)
{
	const struct lock *other;
	bool ahead = false;

	TAILQ_FOREACH(other, &r->q[AT_CONVERT], queue) {
		if (other == lk) {
			ahead = true;
			continue;
		}
		if (dlm_compat(lk->gr, other->rq))
			continue;
		if (!ahead || !dlm_compat(other->gr, lk->rq))
			return true;
	}
	return false;
}

/*
 * grant_order(), then the ways out: demotion in a deadlock of conversions,
 * and the alternate mode.  May change lk's modes.
 */
bool
grant_possible(const struct rsb *r, struct lock *lk, bool now, bool *deadlock)
{
	int8_t asked = lk->rq, alt = DLM_IV;

	*deadlock = false;
	if (grant_order(r, lk, now))
		return true;
	if (lk->gr != DLM_IV && (lk->flags & DLM_F_NOQUEUE) == 0 &&
	    deadlocked(r, lk)) {
		if (lk->flags & DLM_F_CONVDEADLK) {
			lk->gr = DLM_NL;
			lk->sbflags |= DLM_SBF_DEMOTED;
		} else {
			*deadlock = true;
		}
		return false;
	}
	if (asked != DLM_PR && (lk->flags & DLM_F_ALTPR))
		alt = DLM_PR;
	else if (asked != DLM_CW && (lk->flags & DLM_F_ALTCW))
		alt = DLM_CW;
	if (alt == DLM_IV)
		return false;
	lk->rq = alt;
	if (grant_order(r, lk, now)) {
		lk->sbflags |= DLM_SBF_ALTMODE;
		return true;
	}
	lk->rq = asked;
	return false;
}

/* The value block's part in a grant from lk->gr to lk->rq. */
static void
grant_lvb(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;
	enum dlm_lvb_act act = dlm_lvb_act(lk->gr, lk->rq);

	if (act == LVB_READ) {
		if ((lk->flags & DLM_F_VALBLK) == 0)
			return;
		/* A value block never written reads as zeros and is valid,
		   unless nobody can know that it was not. */
		lk->lvbread = true;
		if (r->lvb == NULL) {
			if (r->unknown)
				lk->sbflags |= DLM_SBF_VALNOTVALID;
			return;
		}
		lk->lvbseq = r->lvbseq;
	} else if (act == LVB_WRITE) {
		if (lk->flags & DLM_F_IVVALBLK) {
			r->notvalid = true;
			return;
		}
		if ((lk->flags & DLM_F_VALBLK) == 0 || lk->lvb == NULL)
			return;
		memcpy(rsb_lvb(ls, r), lk->lvb, ls->lvblen);
		lk->lvbseq = ++r->lvbseq;
		r->notvalid = false;
	}
	if (r->notvalid)
		lk->sbflags |= DLM_SBF_VALNOTVALID;
}

/* An unlock may write too; only a writer's word counts. */
void
grant_unlock_lvb(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	if (lk->gr < DLM_PW)
		return;
	if (lk->flags & DLM_F_IVVALBLK) {
		r->notvalid = true;
		/* It was about to be written, so zeros are not valid either. */
		r->unknown = r->unknown || lk->lvbdirty;
		return;
	}
	if ((lk->flags & DLM_F_VALBLK) == 0 || lk->lvb == NULL)
		return;
#if MUTANT != 602
	memcpy(rsb_lvb(ls, r), lk->lvb, ls->lvblen);
#endif
	r->lvbseq++;
	r->notvalid = false;
}

/* The holder may be told again of whoever comes next. */
void
grant_lock(struct dlm_ls *ls, struct lock *lk)
{
	grant_lvb(ls, lk);
	if (lk->at != AT_GRANTED)
		lock_move(lk, AT_GRANTED, false);
	lk->gr = lk->rq;
	lk->rq = DLM_IV;
	lk->highbast = DLM_NL;
	lk->since = ls->dlm->b->now;
}

/* What stands in the way of those that a pass could not grant. */
struct blocked {
	int high; /* the highest mode asked for */
	bool cw;  /* somebody asks for CW */
};

static void
blocked_note(struct blocked *bl, const struct lock *lk)
{
	if (lk->rq > bl->high)
		bl->high = lk->rq;
	if (lk->rq == DLM_CW)
		bl->cw = true;
}

/* One round over the conversions; true if anything changed. */
static bool
convert_round(struct dlm_ls *ls, struct rsb *r, struct blocked *bl)
{
	struct lock *lk, *next;
	bool again = false, demoted, deadlock;

	TAILQ_FOREACH_SAFE(lk, &r->q[AT_CONVERT], queue, next) {
		demoted = (lk->sbflags & DLM_SBF_DEMOTED) != 0;
		if (grant_possible(r, lk, false, &deadlock)) {
			grant_lock(ls, lk);
			master_finish(ls, lk, DST_GRANTED);
			again = true;
			continue;
		}
		if (!demoted && (lk->sbflags & DLM_SBF_DEMOTED)) {
			again = true;
			continue;
		}
		if (deadlock) {
			/* It must back off itself; it is told once. */
			if ((lk->flags & DLM_F_NODLCKWT) &&
			    lk->highbast < lk->rq) {
				lk->highbast = lk->rq;
				master_bast(ls, lk, lk->rq);
			}
		}
		/* Also in a deadlock: it still waits for plain holders. */
		blocked_note(bl, lk);
	}
	return again;
}

static void
convert_pass(struct dlm_ls *ls, struct rsb *r, struct blocked *bl)
{
	struct blocked round;

	/* Each grant may make an earlier one possible; each round that goes
	   on has granted or demoted one, so this ends. */
	do {
		round.high = DLM_IV;
		round.cw = false;
	} while (convert_round(ls, r, &round));
	*bl = round;
}

void
grant_convertq(struct dlm_ls *ls, struct rsb *r)
{
	struct blocked bl;

	convert_pass(ls, r, &bl);
}

/*
 * Must lk be told that high (or CW) is wanted?  PR and CW exclude each other
 * although neither is above the other, so a CW behind a PR counts on its own.
 */
static bool
wants_bast(const struct lock *lk, const struct blocked *bl)
{
	if (lk->gr == DLM_PR && bl->cw)
		return lk->highbast < DLM_EX;
	return lk->highbast < bl->high && !dlm_compat(lk->gr, bl->high);
}

/*
 * Something was given back: grants whatever is possible now, and tells those
 * who still stand in the way.
 */
void
grant_pending(struct dlm_ls *ls, struct rsb *r)
{
	struct blocked bl;
	struct lock *lk, *next;
	bool deadlock;
	int mode;

	convert_pass(ls, r, &bl);
	TAILQ_FOREACH_SAFE(lk, &r->q[AT_WAIT], queue, next) {
		if (grant_possible(r, lk, false, &deadlock)) {
			grant_lock(ls, lk);
			master_finish(ls, lk, DST_GRANTED);
		} else {
			blocked_note(&bl, lk);
		}
	}
	if (bl.high == DLM_IV)
		return;
	TAILQ_FOREACH(lk, &r->q[AT_GRANTED], queue) {
		if (!wants_bast(lk, &bl))
			continue;
		mode = bl.high;
		if (bl.cw && bl.high == DLM_PR && lk->gr == DLM_PR)
			mode = DLM_CW;
		lk->highbast = (int8_t)bl.high;
		master_bast(ls, lk, mode);
	}
}

/* Tells the holders whom a lock of this mode waits for, or failed on. */
void
grant_basts(struct dlm_ls *ls, struct rsb *r, const struct lock *skip, int mode,
    bool converting_too)
{
	static const enum lock_at where[] = { AT_GRANTED, AT_CONVERT };
	struct lock *lk;
	unsigned i;

	for (i = 0; i < (converting_too ? 2 : 1); i++) {
		TAILQ_FOREACH(lk, &r->q[where[i]], queue) {
			if (lk == skip || dlm_compat(lk->gr, mode))
				continue;
			if (dlm_middle(lk->gr, mode) ? lk->highbast == DLM_EX :
						       lk->highbast >= mode)
				continue;
			lk->highbast = (int8_t)mode;
			master_bast(ls, lk, mode);
		}
	}
}
