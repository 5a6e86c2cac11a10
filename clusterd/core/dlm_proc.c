/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The holder's side: what clients ask for, and how it ends.
 *
 * A lock has at most one operation.  It is given to the master at once, or,
 * while the lockspace recovers, when it runs again.  An unlock replaces the
 * operation under way (its number grows, so the old one's answer counts for
 * nothing); a cancel only asks for an early end.  Each M_LOCK, M_CONVERT and
 * M_UNLOCK has exactly one M_AST, except that the M_AST of an unlock also
 * ends the operation that it replaced.
 */

#include <errno.h>

#include "../proto.h"
#include "dlm_int.h"

/* The one completion of an operation. */
static void
client_ast(struct dlm *d, const struct user *u, uint32_t lkid, int error,
    const struct lock *lk, bool over, const uint8_t *lvb)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u32(&w, u->lsid);
	wbuf_u32(&w, lkid);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_u8(&w, lk == NULL || lk->gr < 0 ? 0 : (uint8_t)lk->gr);
	wbuf_u8(&w, lk == NULL ? 0 : lk->sbflags);
	wbuf_u8(&w, over);
	wbuf_u8(&w, lvb != NULL);
	if (lvb != NULL)
		wbuf_bytes(&w, lvb, DLM_LVB_MAX);
	bus_client_send(d->b, u->client, M_AST, 0, &w);
	wbuf_free(&w);
}

/* Callbacks cross with what the holder does meanwhile. */
void
proc_bast(struct dlm_ls *ls, struct lock *lk, int mode)
{
	struct wbuf w;

	/* Told before it gave way: no longer true. */
	if (lk->user->gone || dlm_compat(lk->gr, mode))
		return;
	wbuf_init(&w, 64);
	wbuf_u32(&w, lk->user->lsid);
	wbuf_u32(&w, lk->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	bus_client_send(ls->dlm->b, lk->user->client, M_BAST, 0, &w);
	wbuf_free(&w);
}

static void
op_end(struct dlm_ls *ls, struct lock *lk)
{
	if (lk->op == OP_NONE)
		return;
	if (ls->nextop == lk)
		ls->nextop = TAILQ_NEXT(lk, inflight);
	TAILQ_REMOVE(&ls->ops, lk, inflight);
	lk->user->nops--;
	lk->op = OP_NONE;
	lk->sent = lk->cancel = lk->cancelled = false;
}

/* Begins an operation, or replaces the one under way. */
static void
op_begin(struct dlm_ls *ls, struct lock *lk, enum lock_op op)
{
	op_end(ls, lk);
	lk->op = (uint8_t)op;
	lk->seq++;
	lk->since = ls->dlm->b->now;
	lk->user->nops++;
	TAILQ_INSERT_TAIL(&ls->ops, lk, inflight);
	/* The walk that sends everything again may be at its end already. */
	if (ls->work == LW_OPS && ls->nextop == NULL)
		ls->nextop = lk;
}

static int
status_errno(enum dlm_status status)
{
	switch (status) {
	case DST_AGAIN:
		return EAGAIN;
	case DST_DEADLOCK:
		return EDEADLK;
	case DST_CANCELED:
		return ECANCELED;
	case DST_NOLOCK:
		return ENOENT;
	default:
		return 0;
	}
}

/* Is lk's value block known to be the resource's from now on? */
static void
note_lvb(struct lock *lk, int oldgr)
{
	if (lk->lvbread || lk->lvbdirty)
		lk->lvbgood = true;
	else if (oldgr <= DLM_CR || lk->gr <= DLM_CR)
		lk->lvbgood = false;
	if (lk->lvbread || lk->lvbdirty)
		lk->lvbbad = false;
	if ((lk->sbflags & DLM_SBF_VALNOTVALID) != 0 ||
	    (oldgr >= DLM_PW && (lk->flags & DLM_F_IVVALBLK) != 0))
		lk->lvbbad = true;
	lk->lvbdirty = false;
}

void
proc_done(struct dlm_ls *ls, struct lock *lk, enum dlm_status status)
{
	static const uint8_t zeros[DLM_LVB_MAX];
	struct user *u = lk->user;
	const uint8_t *lvb = NULL;
	bool over =
	    status == DST_UNLOCKED || status == DST_NOLOCK || lk->gr == DLM_IV;

	if (status == DST_GRANTED && lk->lvbread) {
		/* As the master, the resource's own; else it came with the
		   answer. */
		if (lk->at == AT_GRANTED && lk->rsb->lvb != NULL)
			memcpy(lock_lvb(lk), lk->rsb->lvb, DLM_LVB_MAX);
		else if (lk->at == AT_GRANTED)
			memcpy(lock_lvb(lk), zeros, DLM_LVB_MAX);
		lvb = lk->lvb;
	}
	op_end(ls, lk);
	lk->lvbdirty = false;
	if (!u->gone && ls->dlm->b != NULL)
		client_ast(ls->dlm, u, lk->lkid, status_errno(status), lk, over,
		    lvb);
	if (!over)
		return;
	lock_free(ls, lk);
	if (u->gone && u->nlocks == 0)
		user_free(ls->dlm, u);
}

/* ---- giving operations to masters ----------------------------------- */

/* A write of the value block goes with the operation that makes it. */
static void
send_op(struct dlm_ls *ls, struct lock *lk)
{
	struct dlm_msg m = {
		.id = lk->id,
		.seq = lk->seq,
		.mode = lk->rq,
		.flags = lk->flags,
		.name = lk->rsb->name,
		.namelen = lk->rsb->namelen,
	};

	m.type = lk->op == OP_REQUEST ? DM_REQUEST :
	    lk->op == OP_CONVERT      ? DM_CONVERT :
					DM_UNLOCK;
	if (lk->lvbdirty) {
		m.haslvb = true;
		memcpy(m.lvb, lk->lvb, sizeof(m.lvb));
	}
	lk->sent = lk->exposed = true;
	lk->epoch = ls->epoch;
	ls_send(ls, lk->rsb->master, &m);
}

/* No answer of its own: the operation ends, one way or the other. */
static void
send_cancel(struct dlm_ls *ls, struct lock *lk)
{
	struct dlm_msg m = {
		.type = DM_CANCEL,
		.id = lk->id,
		.seq = lk->seq,
	};

	lk->cancelled = true;
	ls_send(ls, lk->rsb->master, &m);
}

/* We are the master. */
static void
submit(struct dlm_ls *ls, struct lock *lk)
{
	if (lk->sent) {
		if (lk->cancel && !lk->cancelled) {
			lk->cancelled = true;
			master_cancel(ls, lk);
		}
		return;
	}
	if (lk->cancel) {
		lk->rq = DLM_IV;
		/* Its old mode may have gone in the rebuild before this. */
		lk->sbflags = lk->demoted ? DLM_SBF_DEMOTED : 0;
		lk->demoted = false;
		proc_done(ls, lk, DST_CANCELED);
		return;
	}
	lk->sent = lk->exposed = true;
	switch (lk->op) {
	case OP_REQUEST:
		master_request(ls, lk);
		break;
	case OP_CONVERT:
		master_convert(ls, lk);
		break;
	case OP_UNLOCK:
		master_unlock(ls, lk);
		break;
	default:
		break;
	}
}

/*
 * Where the operation goes depends on what we know of the master; the answer
 * to a lookup brings it back here.
 */
void
proc_push(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	if (lk->op == OP_NONE)
		return;
	if (r->master == 0) {
		if (lk->sent || r->lookup != NULL)
			return;
		if (lk->op == OP_UNLOCK && !lk->exposed) {
			proc_done(ls, lk, DST_UNLOCKED);
			return;
		}
		/* Granted locks never outlive what we know of their master. */
		ASSERT(lk->gr == DLM_IV);
		if (!dir_resolve(ls, r, lk))
			return;
	}
	if (r->master == ls->dlm->self) {
		submit(ls, lk);
		return;
	}
	if (!lk->sent)
		send_op(ls, lk);
	if (lk->cancel && !lk->cancelled)
		send_cancel(ls, lk);
}

void
proc_push_all(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;
	bool ours = r->master == ls->dlm->self;

	TAILQ_FOREACH_SAFE(lk, &r->q[AT_COPY], queue, next) {
		/* A lookup that made us the master has to be done here. */
		if (ours)
			lk->sent = lk->cancelled = false;
		proc_push(ls, lk);
	}
}

/* Pushes if we may, and drops the resource if nothing is left on it. */
static void
push(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	if (ls_open(ls))
		proc_push(ls, lk);
	master_reap(ls, r);
}

/* ---- requests of clients -------------------------------------------- */

struct args {
	uint32_t lsid;
	uint32_t lkid;
	int mode;
	uint32_t flags;
	bool haslvb;
	uint8_t lvb[DLM_LVB_MAX];
	const uint8_t *name;
	size_t namelen;
};

static bool
parse(const struct note *n, struct args *a)
{
	struct rbuf r;

	memset(a, 0, sizeof(*a));
	rbuf_init(&r, n->data, n->len);
	a->lsid = rbuf_u32(&r);
	a->lkid = rbuf_u32(&r);
	if (n->msgtype == M_LOCK || n->msgtype == M_CONVERT)
		a->mode = rbuf_u8(&r);
	if (n->msgtype != M_CANCEL)
		a->flags = rbuf_u32(&r);
	if (n->msgtype == M_LOCK)
		a->name = rbuf_blob(&r, &a->namelen, 4096);
	if (n->msgtype == M_CONVERT || n->msgtype == M_UNLOCK) {
		a->haslvb = rbuf_u8(&r) != 0;
		if (a->haslvb)
			rbuf_bytes(&r, a->lvb, sizeof(a->lvb));
	}
	return rbuf_done(&r);
}

static void
req_lock(struct dlm_ls *ls, struct user *u, const struct args *a)
{
	struct dlm *d = ls->dlm;
	struct lock *lk;
	struct rsb *r;
	int error;

	error = dlm_check_lock(a->mode, a->flags);
	if (error == 0 &&
	    (a->namelen > DLM_NAME_MAX ||
		((a->flags & DLM_F_VALBLK) && ls->lvblen == 0)))
		error = EINVAL;
	if (error == 0 &&
	    (u->nlocks >= DLM_USER_LOCKS || u->nops >= DLM_USER_OPS))
		error = EAGAIN;
	if (error != 0) {
		client_ast(d, u, a->lkid, error, NULL, true, NULL);
		return;
	}
	r = rsb_get(ls, a->name, a->namelen);
	lk = lock_new(ls, r, d->self, ++d->nextid);
	lk->lkid = a->lkid;
	user_add(u, lk);
	lk->flags = a->flags;
	lk->rq = (int8_t)a->mode;
	op_begin(ls, lk, OP_REQUEST);
	push(ls, lk);
}

/* The value block comes with the operation only if it will be written. */
static void
take_lvb(struct lock *lk, const struct args *a, bool writes)
{
	if ((a->flags & DLM_F_VALBLK) == 0 || !writes)
		return;
	memcpy(lock_lvb(lk), a->lvb, DLM_LVB_MAX);
	lk->lvbdirty = true;
}

/* Refused ones change nothing, and say so at once. */
static void
req_convert(struct dlm_ls *ls, struct lock *lk, const struct args *a)
{
	int error = dlm_check_convert(lk->gr, a->mode, a->flags);

	if (error == 0 && (a->flags & DLM_F_VALBLK) &&
	    (!a->haslvb || ls->lvblen == 0))
		error = EINVAL;
	if (error == 0 && lk->user->nops >= DLM_USER_OPS)
		error = EAGAIN;
	if (error != 0) {
		client_ast(ls->dlm, lk->user, a->lkid, error, lk, false, NULL);
		return;
	}
	lk->flags = a->flags;
	lk->rq = (int8_t)a->mode;
	lk->sbflags = 0;
	take_lvb(lk, a, dlm_lvb_act(lk->gr, a->mode) == LVB_WRITE);
	op_begin(ls, lk, OP_CONVERT);
	push(ls, lk);
}

static void
unlock(struct dlm_ls *ls, struct lock *lk, uint32_t flags)
{
	struct rsb *r = lk->rsb;

	/* A write that the replaced conversion may not have brought home. */
	if (lk->op == OP_CONVERT && lk->lvbdirty &&
	    (flags & DLM_F_IVVALBLK) == 0)
		flags |= DLM_F_VALBLK;
	lk->flags = flags;
	if (lk->op == OP_REQUEST && !lk->exposed) {
		/* No master has heard of it. */
		proc_done(ls, lk, DST_UNLOCKED);
		master_reap(ls, r);
		return;
	}
	op_begin(ls, lk, OP_UNLOCK);
	push(ls, lk);
}

/* What is granted or gone meanwhile has nothing to cancel. */
static void
req_cancel(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	if (lk->op != OP_REQUEST && lk->op != OP_CONVERT)
		return;
	lk->cancel = true;
	if (lk->op == OP_REQUEST && !lk->exposed) {
		proc_done(ls, lk, DST_CANCELED);
		master_reap(ls, r);
		return;
	}
	push(ls, lk);
}

/* Also while another operation is under way, which it replaces. */
static void
req_unlock(struct dlm_ls *ls, struct lock *lk, const struct note *n,
    const struct args *a)
{
	int error = dlm_check_unlock(a->flags);

	if (lk->op == OP_UNLOCK)
		error = EBUSY;
	else if (error == 0 && (a->flags & DLM_F_VALBLK) &&
	    (!a->haslvb || ls->lvblen == 0))
		error = EINVAL;
	if (error != 0) {
		/* The completion of another operation must not be mistaken
		   for the answer to this one. */
		if (lk->op != OP_NONE)
			bus_client_result(ls->dlm->b, n->client, n->msgid,
			    error, "lock %u: unlock refused", a->lkid);
		else
			client_ast(ls->dlm, lk->user, a->lkid, error, lk, false,
			    NULL);
		return;
	}
	if (a->flags & DLM_F_CANCEL) {
		req_cancel(ls, lk);
		return;
	}
	take_lvb(lk, a, lk->gr >= DLM_PW);
	unlock(ls, lk, a->flags);
}

/* A lock that is not there, or already is. */
static void
req_none(struct dlm *d, const struct user *u, const struct note *n,
    const struct args *a)
{
	if (n->msgtype == M_CANCEL || (a->flags & DLM_F_CANCEL) != 0)
		return; /* it has ended meanwhile, and its M_AST is under way */
	client_ast(d, u, a->lkid, ENOENT, NULL, true, NULL);
}

void
proc_request(struct dlm *d, struct dlm_ls *ls, const struct note *n)
{
	struct user *u;
	struct lock *lk;
	struct args a;

	if (!parse(n, &a)) {
		bus_client_result(d->b, n->client, n->msgid, EINVAL,
		    "lock request: malformed");
		return;
	}
	u = user_get(d, ls, n->client, a.lsid);
	if (u->ls != ls) {
		bus_client_result(d->b, n->client, n->msgid, EINVAL,
		    "lockspace %u: another one uses this number", a.lsid);
		return;
	}
	lk = user_lock(u, a.lkid);
	if (n->msgtype == M_LOCK && lk == NULL)
		req_lock(ls, u, &a);
	else if (n->msgtype == M_LOCK)
		bus_client_result(d->b, n->client, n->msgid, EEXIST,
		    "lock %u: exists", a.lkid);
	else if (lk == NULL)
		req_none(d, u, n, &a);
	else if (n->msgtype == M_CANCEL)
		req_cancel(ls, lk);
	else if (n->msgtype == M_UNLOCK)
		req_unlock(ls, lk, n, &a);
	else if (lk->op != OP_NONE)
		bus_client_result(d->b, n->client, n->msgid, EBUSY,
		    "lock %u: an operation is under way", a.lkid);
	else
		req_convert(ls, lk, &a);
}

/* ---- answers of masters --------------------------------------------- */

/*
 * Node says that it is not the master.  It has nothing of ours then; unlocks
 * that were given to it again after a recovery had been done by it before.
 * False: a lock that it granted is still in use, which makes no sense.
 */
static bool
forget_master(struct dlm_ls *ls, struct rsb *r)
{
	struct lock *lk, *next;

	TAILQ_FOREACH(lk, &r->q[AT_COPY], queue)
		if (lk->gr != DLM_IV && lk->op != OP_UNLOCK)
			return false;
	r->master = 0;
	TAILQ_FOREACH_SAFE(lk, &r->q[AT_COPY], queue, next)
		if (lk->gr != DLM_IV)
			proc_done(ls, lk, DST_UNLOCKED);
	return true;
}

/* What an answer tells about the master; false: it makes no sense. */
static bool
learn_master(struct dlm_ls *ls, struct lock *lk, uint16_t node,
    enum dlm_status status)
{
	struct rsb *r = lk->rsb;

	/* One of ours that stands in a queue of ours was never sent. */
	if (lk->at != AT_COPY)
		return false;
	/* Whoever has no such lock says so, master or not, and no more. */
	if (status == DST_UNLOCKED || status == DST_NOLOCK)
		return true;
	if (r->lookup == lk)
		r->lookup = NULL;
	if (status != DST_RETRY) {
		if (r->master == ls->dlm->self)
			return false;
		if (r->master == 0)
			r->master = node;
		return r->master == node;
	}
	return r->master != node || forget_master(ls, r);
}

/* The master's word on the operation that is under way. */
static void
answer(struct dlm_ls *ls, struct lock *lk, const struct dlm_msg *m)
{
	int8_t oldgr = lk->gr;

	lk->gr = m->mode;
	lk->sbflags = m->sbflags;
	lk->lvbread = m->haslvb;
	if (m->status == DST_QUEUED)
		return;
	lk->rq = DLM_IV;
	if (m->haslvb)
		memcpy(lock_lvb(lk), m->lvb, DLM_LVB_MAX);
	lk->lvbseq = m->lvbseq;
	if (m->status == DST_GRANTED) {
		note_lvb(lk, oldgr);
		lk->since = ls->dlm->b->now;
	}
	proc_done(ls, lk, (enum dlm_status)m->status);
}

/*
 * A lookup that was sent again may reach the master when the operation has
 * ended, and makes a lock there that is nobody's.  Numbers are never used
 * again, so it is that one which the master means.
 */
static void
give_back(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *in)
{
	struct dlm_msg m = {
		.type = DM_UNLOCK,
		.id = in->id,
		.seq = in->seq + 1,
		.mode = DLM_NL,
		.name = (const uint8_t *)"",
	};

	if (in->status == DST_GRANTED || in->status == DST_QUEUED)
		ls_send(ls, node, &m);
}

/* An answer may also tell who the master is. */
static void
on_reply(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct lock *lk = lock_find(ls, ls->dlm->self, m->id);
	struct rsb *r;
	bool resolved;

	if (lk == NULL) {
		give_back(ls, node, m);
		return;
	}
	r = lk->rsb;
	resolved = r->lookup == lk || m->status == DST_RETRY;
	if (!learn_master(ls, lk, node, (enum dlm_status)m->status)) {
		ls->dlm->nrejects++;
		return;
	}
	if (m->status == DST_RETRY)
		lk->sent = lk->cancelled = lk->exposed = false;
	else if (lk->op != OP_NONE && lk->seq == m->seq)
		answer(ls, lk, m);
	if (resolved) {
		/* Those that waited for the master to be known. */
		proc_push_all(ls, r);
	} else {
		lk = lock_find(ls, ls->dlm->self, m->id);
		if (lk != NULL)
			proc_push(ls, lk);
	}
	master_reap(ls, r);
}

void
proc_message(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *m)
{
	struct lock *lk;

	if (m->type == DM_REPLY) {
		on_reply(ls, node, m);
		return;
	}
	lk = lock_find(ls, ls->dlm->self, m->id);
	if (lk != NULL && m->mode != DLM_IV)
		proc_bast(ls, lk, m->mode);
}

/* ---- clients that have gone ----------------------------------------- */

/*
 * The user is found under another key from now on, so that its number may be
 * used again while its locks are still being given back.
 */
void
proc_user_gone(struct dlm *d, struct user *u)
{
	if (u->gone)
		return;
	RB_REMOVE(user_tree, &d->users, u);
	u->client = UINT64_MAX;
	u->lsid = d->nextgone++;
	RB_INSERT(user_tree, &d->users, u);
	u->gone = true;
	d->ngone++;
	if (u->nlocks == 0)
		user_free(d, u);
}

/*
 * Like an unlock with FORCEUNLOCK and IVVALBLK: what a writer had in mind
 * for the value block, nobody knows.
 */
void
proc_purge(struct dlm *d)
{
	unsigned budget = DLM_STEP;
	struct user *u, *next;
	struct lock key, *lk;

	for (u = user_next(d, UINT64_MAX, 0); u != NULL; u = next) {
		next = RB_NEXT(user_tree, &d->users, u);
		/* The whole lockspace is being freed. */
		if (u->ls->dead && !u->scanned) {
			u->scanned = true;
			d->ngone--;
		}
		while (!u->scanned && budget > 0) {
			key.lkid = (uint32_t)u->scan;
			lk = u->scan > UINT32_MAX ?
			    NULL :
			    RB_NFIND(lock_lkids, &u->locks, &key);
			if (lk == NULL) {
				u->scanned = true;
				d->ngone--;
				break;
			}
			u->scan = (uint64_t)lk->lkid + 1;
			budget--;
			if (lk->op == OP_UNLOCK)
				continue;
			/* The last one frees the user. */
			if (u->nlocks == 1) {
				unlock(u->ls, lk,
				    DLM_F_FORCEUNLOCK | DLM_F_IVVALBLK);
				break;
			}
			unlock(u->ls, lk, DLM_F_FORCEUNLOCK | DLM_F_IVVALBLK);
		}
	}
}
