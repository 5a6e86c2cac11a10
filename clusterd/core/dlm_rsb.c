/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Containers of the lock manager: resources and directory entries by (hash,
 * name), locks by (node, id) and by the client's number.  Trees rather than
 * hash tables: their order is the same on every run, they never stop to
 * resize, and no choice of names makes them slow.
 */

#include "dlm_int.h"

/* Any total order that is the same everywhere will do. */
static int
name_cmp(uint64_t ha, const uint8_t *a, size_t alen, uint64_t hb,
    const uint8_t *b, size_t blen)
{
	if (ha != hb)
		return ha < hb ? -1 : 1;
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

static int
rsb_cmp(const struct rsb *a, const struct rsb *b)
{
	return name_cmp(a->hash, a->name, a->namelen, b->hash, b->name,
	    b->namelen);
}

static int
dir_cmp(const struct dir *a, const struct dir *b)
{
	return name_cmp(a->hash, a->name, a->namelen, b->hash, b->name,
	    b->namelen);
}

static int
lock_id_cmp(const struct lock *a, const struct lock *b)
{
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

static int
lock_lkid_cmp(const struct lock *a, const struct lock *b)
{
	if (a->lkid != b->lkid)
		return a->lkid < b->lkid ? -1 : 1;
	return 0;
}

static int
user_cmp(const struct user *a, const struct user *b)
{
	if (a->client != b->client)
		return a->client < b->client ? -1 : 1;
	if (a->lsid != b->lsid)
		return a->lsid < b->lsid ? -1 : 1;
	return 0;
}

RB_GENERATE(lock_ids, lock, byid, lock_id_cmp)
RB_GENERATE(lock_lkids, lock, bylkid, lock_lkid_cmp)
RB_GENERATE(user_tree, user, entry, user_cmp)
RB_GENERATE(rsb_tree, rsb, entry, rsb_cmp)
RB_GENERATE(dir_tree, dir, entry, dir_cmp)

/* Running out of memory would leave an operation half-done: a safe stop. */
static void *
get_zeroed(size_t size)
{
	void *p = calloc(1, size);

	ASSERT(p != NULL);
	return p;
}

/* Every bit of the result depends on every bit given. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 29;
	x *= UINT64_C(0xa0761d6478bd642f);
	x ^= x >> 32;
	return x;
}

/*
 * Every node must compute the same value for a name, so the seed is the
 * lockspace's number and nothing local.
 */
uint64_t
dlm_hash(uint32_t lsid, const uint8_t *name, size_t len)
{
	uint64_t h = mix(lsid * UINT64_C(0x9e3779b97f4a7c15) + len);
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ name[i]) * UINT64_C(0x100000001b3);
	return mix(h);
}

/*
 * The member with the greatest weight for this name.  When a member comes or
 * goes, only the names that it wins or had won change their directory node.
 */
uint16_t
dlm_dirnode(const struct dlm_ls *ls, uint64_t hash)
{
	uint64_t best = 0, w;
	uint16_t node = 0;
	unsigned i;

	for (i = 0; i < ls->nmembers; i++) {
		w = mix(hash ^
		    mix(ls->members[i].node * UINT64_C(0x9e3779b97f4a7c15)));
		if (node == 0 || w > best) {
			best = w;
			node = ls->members[i].node;
		}
	}
	return node;
}

/* RB_FIND wants a tree it could change; a copy of the root will do. */
struct rsb *
rsb_find(const struct dlm_ls *ls, const uint8_t *name, size_t len)
{
	struct rsb_tree tree = ls->rsbs;
	struct rsb key;

	key.hash = dlm_hash(ls->lsid, name, len);
	key.name = name;
	key.namelen = (uint8_t)len;
	return RB_FIND(rsb_tree, &tree, &key);
}

struct rsb *
rsb_get(struct dlm_ls *ls, const uint8_t *name, size_t len)
{
	struct rsb *r = rsb_find(ls, name, len);
	unsigned i;

	if (r != NULL)
		return r;
	r = get_zeroed(sizeof(*r) + len);
	for (i = 0; i < AT_MAX; i++)
		TAILQ_INIT(&r->q[i]);
	memcpy(r + 1, name, len);
	r->name = (const uint8_t *)(r + 1);
	r->namelen = (uint8_t)len;
	r->hash = dlm_hash(ls->lsid, name, len);
	RB_INSERT(rsb_tree, &ls->rsbs, r);
	ls->nrsbs++;
	return r;
}

/*
 * The resource after the last one handled, which may be gone by now, and
 * moves the cursor there.
 */
struct rsb *
rsb_after(struct dlm_ls *ls)
{
	struct rsb key, *r;

	if (!ls->begun) {
		r = RB_MIN(rsb_tree, &ls->rsbs);
	} else {
		key.hash = ls->cursor_hash;
		key.name = ls->cursor_name;
		key.namelen = ls->cursor_len;
		r = RB_NFIND(rsb_tree, &ls->rsbs, &key);
		if (r != NULL && rsb_cmp(r, &key) == 0)
			r = RB_NEXT(rsb_tree, &ls->rsbs, r);
	}
	if (r != NULL) {
		ls->begun = true;
		ls->cursor_hash = r->hash;
		ls->cursor_len = r->namelen;
		memcpy(ls->cursor_name, r->name, r->namelen);
	}
	return r;
}

bool
rsb_empty(const struct rsb *r)
{
	unsigned i;

	for (i = 0; i < AT_MAX; i++)
		if (!TAILQ_EMPTY(&r->q[i]))
			return false;
	return true;
}

void
rsb_free(struct dlm_ls *ls, struct rsb *r)
{
	ASSERT(rsb_empty(r));
	RB_REMOVE(rsb_tree, &ls->rsbs, r);
	ls->nrsbs--;
	free(r->lvb);
	free(r);
}

uint8_t *
rsb_lvb(const struct dlm_ls *ls, struct rsb *r)
{
	if (r->lvb == NULL)
		r->lvb = get_zeroed(DLM_LVB_MAX);
	return r->lvb;
}

struct dir *
dir_find(const struct dlm_ls *ls, const uint8_t *name, size_t len)
{
	struct dir_tree tree = ls->dirs;
	struct dir key;

	key.hash = dlm_hash(ls->lsid, name, len);
	key.name = name;
	key.namelen = (uint8_t)len;
	return RB_FIND(dir_tree, &tree, &key);
}

void
dir_set(struct dlm_ls *ls, const uint8_t *name, size_t len, uint16_t master)
{
	struct dir *d = dir_find(ls, name, len);

	if (d == NULL) {
		d = get_zeroed(sizeof(*d) + len);
		memcpy(d + 1, name, len);
		d->name = (const uint8_t *)(d + 1);
		d->namelen = (uint8_t)len;
		d->hash = dlm_hash(ls->lsid, name, len);
		RB_INSERT(dir_tree, &ls->dirs, d);
	}
	d->master = master;
}

void
dir_free(struct dlm_ls *ls, struct dir *d)
{
	RB_REMOVE(dir_tree, &ls->dirs, d);
	free(d);
}

struct lock *
lock_find(const struct dlm_ls *ls, uint16_t node, uint64_t id)
{
	struct lock_ids tree = ls->locks;
	struct lock key;

	key.node = node;
	key.id = id;
	return RB_FIND(lock_ids, &tree, &key);
}

/* A new lock waits among its resource's copies until it is placed. */
struct lock *
lock_new(struct dlm_ls *ls, struct rsb *r, uint16_t node, uint64_t id)
{
	struct lock *lk = get_zeroed(sizeof(*lk));

	lk->node = node;
	lk->id = id;
	lk->rsb = r;
	lk->gr = lk->rq = DLM_IV;
	lk->at = AT_COPY;
	TAILQ_INSERT_TAIL(&r->q[AT_COPY], lk, queue);
	ASSERT(RB_INSERT(lock_ids, &ls->locks, lk) == NULL);
	if (node == ls->dlm->self)
		ls->nlocks++;
	else
		ls->nremote++;
	return lk;
}

/* Leaves nothing behind that points to it, also not a walk in progress. */
void
lock_free(struct dlm_ls *ls, struct lock *lk)
{
	struct rsb *r = lk->rsb;

	if (lk->op != OP_NONE) {
		if (ls->nextop == lk)
			ls->nextop = TAILQ_NEXT(lk, inflight);
		TAILQ_REMOVE(&ls->ops, lk, inflight);
		lk->user->nops--;
	}
	if (lk->user != NULL) {
		RB_REMOVE(lock_lkids, &lk->user->locks, lk);
		lk->user->nlocks--;
	}
	if (r->lookup == lk)
		r->lookup = NULL;
	TAILQ_REMOVE(&r->q[lk->at], lk, queue);
	RB_REMOVE(lock_ids, &ls->locks, lk);
	if (lk->node == ls->dlm->self)
		ls->nlocks--;
	else
		ls->nremote--;
	free(lk->lvb);
	free(lk);
}

void
lock_move(struct lock *lk, enum lock_at at, bool head)
{
	struct rsb *r = lk->rsb;

	TAILQ_REMOVE(&r->q[lk->at], lk, queue);
	lk->at = at;
	if (head)
		TAILQ_INSERT_HEAD(&r->q[at], lk, queue);
	else
		TAILQ_INSERT_TAIL(&r->q[at], lk, queue);
}

uint8_t *
lock_lvb(struct lock *lk)
{
	if (lk->lvb == NULL)
		lk->lvb = get_zeroed(DLM_LVB_MAX);
	return lk->lvb;
}

struct lock *
user_lock(struct user *u, uint32_t lkid)
{
	struct lock key;

	key.lkid = lkid;
	return RB_FIND(lock_lkids, &u->locks, &key);
}

struct user *
user_find(struct dlm *d, uint64_t client, uint32_t lsid)
{
	struct user key;

	key.client = client;
	key.lsid = lsid;
	return RB_FIND(user_tree, &d->users, &key);
}

/* The first of a client from lsid on. */
struct user *
user_next(struct dlm *d, uint64_t client, uint32_t lsid)
{
	struct user key, *u;

	key.client = client;
	key.lsid = lsid;
	u = RB_NFIND(user_tree, &d->users, &key);
	return u != NULL && u->client == client ? u : NULL;
}

/* Made at a client's first lock in a lockspace. */
struct user *
user_get(struct dlm *d, struct dlm_ls *ls, uint64_t client, uint32_t lsid)
{
	struct user *u = user_find(d, client, lsid);

	if (u != NULL)
		return u;
	u = get_zeroed(sizeof(*u));
	u->client = client;
	u->lsid = lsid;
	u->ls = ls;
	RB_INIT(&u->locks);
	RB_INSERT(user_tree, &d->users, u);
	return u;
}

void
user_add(struct user *u, struct lock *lk)
{
	lk->user = u;
	ASSERT(RB_INSERT(lock_lkids, &u->locks, lk) == NULL);
	u->nlocks++;
}

void
user_free(struct dlm *d, struct user *u)
{
	ASSERT(u->nlocks == 0);
	if (u->gone && !u->scanned)
		d->ngone--;
	RB_REMOVE(user_tree, &d->users, u);
	free(u);
}
