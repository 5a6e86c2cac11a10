/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lockspaces and locks.  The daemon owns every lock; what is kept here is
 * where to deliver its completions.
 */

#include <errno.h>

#include "cl.h"

static int
lock_cmp(const struct cl_lock *a, const struct cl_lock *b)
{
	return a->lkid < b->lkid ? -1 : a->lkid > b->lkid;
}

RB_GENERATE_INTERNAL(cl_lock_tree, cl_lock, node, lock_cmp, UNUSED static)

static struct cl_lockspace *
ls_find(struct cl *cl, uint32_t lsid)
{
	struct cl_lockspace *ls;

	LIST_FOREACH(ls, &cl->lockspaces, entry) {
		if (ls->lsid == lsid)
			return ls;
	}
	return NULL;
}

static void
lock_free(struct cl_lock *l)
{
	RB_REMOVE(cl_lock_tree, &l->ls->locks, l);
	free(l);
}

static void
ls_free(struct cl_lockspace *ls)
{
	struct cl_lock *l;

	while ((l = RB_ROOT(&ls->locks)) != NULL)
		lock_free(l);
	LIST_REMOVE(ls, entry);
	free(ls);
}

void
cl_lock_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->lockspaces))
		ls_free(LIST_FIRST(&cl->lockspaces));
}

int
cl_lockspace_join(struct cl *cl, const char *name, unsigned lvblen,
    const struct cl_lockspace_ops *ops, void *arg, struct cl_lockspace **out)
{
	struct cl_lockspace *ls;
	struct wbuf w;
	int error;

	*out = NULL;
	if (name[0] == '\0' || strlen(name) > CL_NAME_MAX ||
	    lvblen > CL_LVB_LEN)
		return EINVAL;
	ls = calloc(1, sizeof(*ls));
	if (ls == NULL)
		return ENOMEM;
	ls->cl = cl;
	ls->lsid = cl_new_id(cl);
	ls->lvblen = lvblen;
	ls->ops = *ops;
	ls->arg = arg;
	RB_INIT(&ls->locks);
	LIST_INSERT_HEAD(&cl->lockspaces, ls, entry);
	wbuf_init(&w, 256);
	wbuf_u32(&w, ls->lsid);
	wbuf_u8(&w, (uint8_t)lvblen);
	wbuf_str(&w, name);
	error = cl_send(cl, M_LS_JOIN, ls->lsid, &w);
	if (error != 0) {
		ls_free(ls);
		return error;
	}
	*out = ls;
	return 0;
}

int
cl_lockspace_leave(struct cl_lockspace *ls)
{
	struct wbuf w;
	int error;

	wbuf_init(&w, 16);
	wbuf_u32(&w, ls->lsid);
	error = cl_send(ls->cl, M_LS_LEAVE, ls->lsid, &w);
	if (error == 0)
		ls->ending = true;
	return error;
}

int
cl_lock(struct cl_lockspace *ls, const void *name, size_t namelen,
    enum cl_mode mode, unsigned flags,
    void (*ast)(void *, const struct cl_ast *),
    void (*bast)(void *, enum cl_mode), void *arg, struct cl_lock **out)
{
	struct cl_lock *l;
	struct wbuf w;
	int error;

	*out = NULL;
	if (namelen == 0 || namelen > CL_NAME_MAX || mode > CL_EX ||
	    ast == NULL)
		return EINVAL;
	if ((flags & CL_LKF_PERSISTENT) != 0)
		return EOPNOTSUPP;
	/* The daemon would refuse it without a completion. */
	if (!ls->cl->dead && (ls->ending || !ls->joined))
		return ls->ending ? ENOENT : EAGAIN;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ENOMEM;
	l->ls = ls;
	l->ast = ast;
	l->bast = bast;
	l->arg = arg;
	l->busy = true;
	/* The numbers wrap after 2^32 locks; one may still be in use. */
	do
		l->lkid = ++ls->next_lkid;
	while (l->lkid == 0 || RB_INSERT(cl_lock_tree, &ls->locks, l) != NULL);
	wbuf_init(&w, 256);
	wbuf_u32(&w, ls->lsid);
	wbuf_u32(&w, l->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags);
	wbuf_blob(&w, name, namelen);
	error = cl_send(ls->cl, M_LOCK, 0, &w);
	if (error != 0) {
		lock_free(l);
		return error;
	}
	*out = l;
	return 0;
}

static void
put_lvb(struct wbuf *w, const uint8_t *lvb)
{
	wbuf_u8(w, lvb != NULL);
	if (lvb != NULL)
		wbuf_bytes(w, lvb, CL_LVB_LEN);
}

int
cl_convert(struct cl_lock *l, enum cl_mode mode, unsigned flags,
    const uint8_t *lvb)
{
	struct wbuf w;
	int error;

	if (mode > CL_EX)
		return EINVAL;
	if (l->busy)
		return EBUSY;
	wbuf_init(&w, 256);
	wbuf_u32(&w, l->ls->lsid);
	wbuf_u32(&w, l->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags | CL_LKF_CONVERT);
	put_lvb(&w, lvb);
	error = cl_send(l->ls->cl, M_CONVERT, 0, &w);
	if (error == 0)
		l->busy = true;
	return error;
}

int
cl_unlock(struct cl_lock *l, unsigned flags, const uint8_t *lvb)
{
	struct wbuf w;
	int error;

	if (l->busy && (flags & CL_LKF_FORCEUNLOCK) == 0)
		return EBUSY;
	wbuf_init(&w, 256);
	wbuf_u32(&w, l->ls->lsid);
	wbuf_u32(&w, l->lkid);
	wbuf_u32(&w, flags);
	put_lvb(&w, lvb);
	error = cl_send(l->ls->cl, M_UNLOCK, 0, &w);
	if (error == 0)
		l->busy = true;
	return error;
}

int
cl_cancel(struct cl_lock *l)
{
	struct wbuf w;

	wbuf_init(&w, 32);
	wbuf_u32(&w, l->ls->lsid);
	wbuf_u32(&w, l->lkid);
	return cl_send(l->ls->cl, M_CANCEL, 0, &w);
}

static struct cl_lock *
lock_find(struct cl_lockspace *ls, uint32_t lkid)
{
	struct cl_lock key = { .lkid = lkid };

	return RB_FIND(cl_lock_tree, &ls->locks, &key);
}

static void
got_ast(struct cl_lockspace *ls, struct rbuf *r)
{
	struct cl_lock *l = lock_find(ls, rbuf_u32(r));
	struct cl_ast ast;

	memset(&ast, 0, sizeof(ast));
	ast.status = (int)rbuf_u32(r);
	ast.mode = rbuf_u8(r);
	ast.sbflags = rbuf_u8(r);
	ast.unlocked = rbuf_u8(r) != 0;
	if (rbuf_u8(r) != 0)
		rbuf_bytes(r, ast.lvb, sizeof(ast.lvb));
	if (!rbuf_done(r) || l == NULL || ast.mode > CL_EX)
		return;
	l->busy = false;
	if (ast.unlocked) {
		/* The callback may make a new lock, not use this one. */
		void (*fn)(void *, const struct cl_ast *) = l->ast;
		void *arg = l->arg;

		lock_free(l);
		fn(arg, &ast);
		return;
	}
	l->ast(l->arg, &ast);
}

static void
got_bast(struct cl_lockspace *ls, struct rbuf *r)
{
	struct cl_lock *l = lock_find(ls, rbuf_u32(r));
	enum cl_mode mode = rbuf_u8(r);

	if (rbuf_done(r) && l != NULL && l->bast != NULL && mode <= CL_EX)
		l->bast(l->arg, mode);
}

static void
got_done(struct cl_lockspace *ls, struct rbuf *r)
{
	struct cl_slot slots[CL_NODES_MAX];
	uint32_t slot = rbuf_u32(r);
	uint32_t generation = rbuf_u32(r);
	unsigned i, n = rbuf_u16(r);

	if (n > CL_NODES_MAX)
		return;
	for (i = 0; i < n; i++) {
		slots[i].node = rbuf_u16(r);
		slots[i].slot = rbuf_u32(r);
	}
	if (!rbuf_done(r))
		return;
	ls->joined = true;
	if (ls->ops.done != NULL)
		ls->ops.done(ls->arg, slot, generation, slots, n);
}

static void
got_failed(struct cl_lockspace *ls, struct rbuf *r)
{
	int error = (int)rbuf_u32(r);
	char why[512];

	rbuf_str(r, why, sizeof(why));
	if (!rbuf_done(r))
		return;
	ls->ending = true;
	if (ls->ops.failed != NULL)
		ls->ops.failed(ls->arg, error, why);
}

static void
got_slot(struct cl_lockspace *ls, struct rbuf *r)
{
	uint32_t node = rbuf_u16(r);
	uint32_t slot = rbuf_u32(r);

	if (rbuf_done(r) && ls->ops.slot != NULL)
		ls->ops.slot(ls->arg, node, slot);
}

static void
got_left(struct cl_lockspace *ls, struct rbuf *r)
{
	void (*left)(void *) = ls->ops.left;
	void *arg = ls->arg;

	if (!rbuf_done(r))
		return;
	ls_free(ls);
	if (left != NULL)
		left(arg);
}

bool
cl_lock_message(struct cl *cl, const struct msg *m)
{
	struct cl_lockspace *ls;
	struct rbuf r;

	if (m->type < M_LS_PREP || m->type > M_BAST)
		return false;
	rbuf_init(&r, m->data, m->len);
	ls = ls_find(cl, rbuf_u32(&r));
	if (r.err || ls == NULL)
		return true;
	switch (m->type) {
	case M_LS_PREP:
		if (rbuf_done(&r) && ls->ops.prep != NULL)
			ls->ops.prep(ls->arg);
		break;
	case M_LS_SLOT:
		got_slot(ls, &r);
		break;
	case M_LS_DONE:
		got_done(ls, &r);
		break;
	case M_LS_FAILED:
		got_failed(ls, &r);
		break;
	case M_LS_LEFT:
		got_left(ls, &r);
		break;
	case M_AST:
		got_ast(ls, &r);
		break;
	case M_BAST:
		got_bast(ls, &r);
		break;
	default:
		break;
	}
	return true;
}
