/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The directory: for each name one member knows who masters it.  The first
 * node that asks becomes the master.
 *
 * A lookup carries the whole request, so that a known master can answer the
 * holder directly.  A master that drops a resource tells the directory, and
 * may get a lookup that was forwarded before; it sends it back.  On the way
 * back it comes after its own DM_REMOVE, so the second try finds the truth.
 *
 * clusterd-protocol(7), section 9.2.
 */

#include "dlm_int.h"

static void
send_name(struct dlm_ls *ls, uint16_t node, enum dlm_msg_type type,
    const uint8_t *name, uint8_t len)
{
	struct dlm_msg m = { .type = type, .name = name, .namelen = len };

	ls_send(ls, node, &m);
}

/*
 * We have dropped a resource that we mastered: the next to ask becomes
 * master.
 */
void
dir_forget(struct dlm_ls *ls, const struct rsb *r)
{
	uint16_t node = dlm_dirnode(ls, r->hash);
	struct dir *d;

	if (node != ls->dlm->self) {
		send_name(ls, node, DM_REMOVE, r->name, r->namelen);
		return;
	}
	d = dir_find(ls, r->name, r->namelen);
	if (d != NULL && d->master == ls->dlm->self)
		dir_free(ls, d);
}

/* Asks the directory on behalf of lk, whose operation is unsent. */
static void
send_lookup(struct dlm_ls *ls, struct rsb *r, struct lock *lk, uint16_t node)
{
	struct dlm_msg m = {
		.type = DM_LOOKUP,
		.id = lk->id,
		.seq = lk->seq,
		.mode = lk->rq,
		.flags = lk->flags,
		.name = r->name,
		.namelen = r->namelen,
	};

	if (lk->op == OP_UNLOCK) {
		/*
		 * Some master may have been given the request that this
		 * unlock ends.  Repeating it under its own number finds that
		 * master; a new lock made by it excludes nobody.
		 */
		m.seq = lk->seq - 1;
		m.mode = DLM_NL;
		m.flags = DLM_F_EXPEDITE;
	} else {
		lk->sent = true;
	}
	lk->exposed = true;
	lk->epoch = ls->epoch;
	r->lookup = lk;
	ls_send(ls, node, &m);
}

/* On the directory node itself no message is needed. */
bool
dir_resolve(struct dlm_ls *ls, struct rsb *r, struct lock *lk)
{
	uint16_t node = dlm_dirnode(ls, r->hash);
	struct dir *d;

	if (node != ls->dlm->self) {
		if (r->lookup == NULL)
			send_lookup(ls, r, lk, node);
		return false;
	}
	d = dir_find(ls, r->name, r->namelen);
	if (d == NULL) {
		dir_set(ls, r->name, r->namelen, ls->dlm->self);
		r->master = ls->dlm->self;
	} else {
		r->master = d->master;
	}
	return true;
}

/* A lookup for a lock of node: forward it, answer it, or name a master. */
static void
lookup(struct dlm_ls *ls, uint16_t node, struct dlm_msg *m)
{
	struct dir *d = dir_find(ls, m->name, m->namelen);
	struct rsb *r;

	if (d != NULL && d->master == ls->dlm->self && node != d->master) {
		r = rsb_find(ls, m->name, m->namelen);
		if (r != NULL && r->master == ls->dlm->self) {
			master_new(ls, r, node, m);
			return;
		}
		d = NULL;
	}
	if (d != NULL && d->master != node) {
		m->type = DM_FORWARD;
		m->node = node;
		ls_send(ls, d->master, m);
		return;
	}
	dir_set(ls, m->name, m->namelen, node);
	send_name(ls, node, DM_MASTER, m->name, m->namelen);
}

/* A lookup that the directory sends on to us, its master as it believes. */
static void
on_forward(struct dlm_ls *ls, uint16_t from, struct dlm_msg *m)
{
	struct rsb *r = rsb_find(ls, m->name, m->namelen);

	if (!ls_member(ls, m->node) || m->node == ls->dlm->self) {
		ls->dlm->nrejects++;
		return;
	}
	if (r != NULL && r->master == ls->dlm->self) {
		master_new(ls, r, m->node, m);
		return;
	}
	m->type = DM_BOUNCE;
	ls_send(ls, from, m);
}

/*
 * Our lookup found nobody: we are the master now, and everything that waited
 * for an answer is done here.
 */
static void
on_master(struct dlm_ls *ls, uint16_t from, const struct dlm_msg *m)
{
	struct rsb *r = rsb_find(ls, m->name, m->namelen);

	if (r == NULL || r->lookup == NULL || r->master != 0) {
		if (r == NULL || r->master != ls->dlm->self)
			send_name(ls, from, DM_REMOVE, m->name, m->namelen);
		return;
	}
	r->lookup = NULL;
	r->master = ls->dlm->self;
	proc_push_all(ls, r);
	master_reap(ls, r);
}

/*
 * Only the directory node of a name may be told of it; anything else is a
 * node that counts other members than we do.
 */
void
dir_message(struct dlm_ls *ls, uint16_t node, const struct dlm_msg *in)
{
	struct dlm_msg m = *in;
	struct dir *d;

	if (m.type != DM_MASTER && m.type != DM_FORWARD &&
	    dlm_dirnode(ls, dlm_hash(ls->lsid, m.name, m.namelen)) !=
		ls->dlm->self) {
		ls->dlm->nrejects++;
		return;
	}
	switch (m.type) {
	case DM_LOOKUP:
		lookup(ls, node, &m);
		break;
	case DM_BOUNCE:
		if (ls_member(ls, m.node) && m.node != ls->dlm->self)
			lookup(ls, m.node, &m);
		else
			ls->dlm->nrejects++;
		break;
	case DM_FORWARD:
		on_forward(ls, node, &m);
		break;
	case DM_MASTER:
		on_master(ls, node, &m);
		break;
	case DM_REMOVE:
		d = dir_find(ls, m.name, m.namelen);
		if (d != NULL && d->master == node)
			dir_free(ls, d);
		break;
	default:
		break;
	}
}
