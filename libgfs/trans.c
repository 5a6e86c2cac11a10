/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Transactions: a reservation of log space, and the buffers and revokes that
 * join the open compound.  See log.c for the numbered invariants.
 */

#include <errno.h>

#include "log_int.h"

int
revoke_cmp(const struct revoke *a, const struct revoke *b)
{
	return (a->blkno > b->blkno) - (a->blkno < b->blkno);
}

RB_GENERATE(revokes, revoke, node, revoke_cmp)

static unsigned
divide_up(unsigned n, unsigned by)
{
	return (n + by - 1) / by;
}

/* A descriptor with its addresses, and continuation blocks. */
uint32_t
log_revoke_blocks(const struct gfs *fs, unsigned n)
{
	if (n == 0)
		return 0;
	if (n <= fs->ldptrs)
		return 1;
	return 1 + divide_up(n - fs->ldptrs, fs->inptrs);
}

uint32_t
compound_need(const struct gfs *fs, const struct compound *c)
{
	return c->nmeta + divide_up(c->nmeta, fs->ldptrs) + c->njdata +
	    divide_up(c->njdata, fs->databufs) +
	    log_revoke_blocks(fs, c->nrevokes) + 1;
}

/*
 * What a transaction can add to the need of any compound: its blocks, a
 * descriptor per started group of each kind, its revokes.
 */
static unsigned
trans_cost(const struct gfs *fs, unsigned blocks, unsigned revokes)
{
	unsigned cost = 1;

	if (blocks > 0)
		cost += blocks + divide_up(blocks, fs->databufs) + 1;
	if (revokes > 0)
		cost += log_revoke_blocks(fs, revokes);
	return cost;
}

/* The calling fiber's own transaction. */
static struct trans *
current(struct gfs *fs)
{
	struct trans *tr = env_local();

	ASSERT(tr != NULL && tr->fs == fs);
	return tr;
}

bool
trans_active(struct gfs *fs)
{
	struct trans *tr;

	if (env_self() == NULL)
		return false;
	tr = env_local();
	return tr != NULL && tr->fs == fs;
}

/* Too much file data is dirty: let the log fiber catch up first. */
static bool
too_dirty(const struct gfs *fs)
{
	return fs->cache->nordered > fs->cache->maxbufs / 2;
}

/*
 * L9.  Waiters are woken by every transaction that ends and by the log fiber,
 * and look again at everything, for the compound may be another by then.
 */
static int
wait_for_room(struct logstate *ls, unsigned cost)
{
	struct gfs *fs = ls->fs;
	struct compound *c;
	uint32_t need;

	for (;;) {
		if (fs->withdrawn)
			return EIO;
		if (ls->stopping)
			return EROFS;
		if (ls->sealing) {
			env_wait(fs->env, &ls->wq_gate, UINT64_MAX);
			continue;
		}
		c = ls->open;
		need = compound_need(fs, c) + c->reserved + cost + LOG_KEEP;
		if (need <= log_free(ls) && !too_dirty(fs))
			return 0;
		ls->space_wanted = true;
		log_kick(ls);
		env_wait(fs->env, &ls->wq_space, UINT64_MAX);
	}
}

int
trans_begin(struct gfs *fs, unsigned blocks, unsigned revokes)
{
	struct logstate *ls = fs->log;
	struct trans *tr;
	unsigned cost;
	int error;

	if (fs->withdrawn)
		return EIO;
	if (ls == NULL || fs->readonly)
		return EROFS;
	ASSERT(env_local() == NULL);
	cost = trans_cost(fs, blocks, revokes);
	/* More than half of the log would starve everybody else. */
	if (blocks > ls->nblocks / 2 || cost > ls->nblocks / 2)
		return ENOSPC;
	tr = calloc(1, sizeof(*tr));
	if (tr == NULL)
		return ENOMEM;
	error = wait_for_room(ls, cost);
	if (error != 0) {
		free(tr);
		return error;
	}
	tr->fs = fs;
	tr->blocks = blocks;
	tr->revokes = revokes;
	tr->cost = cost;
	ls->open->active++;
	ls->open->reserved += cost;
	env_set_local(tr);
	return 0;
}

void
trans_end(struct gfs *fs)
{
	struct logstate *ls = fs->log;
	struct trans *tr = current(fs);
	struct compound *c = ls->open;

	/* L3: the compound that was open at the beginning still is. */
	ASSERT(c->active > 0 && c->reserved >= tr->cost);
	ASSERT(tr->pinned <= tr->blocks && tr->revoked <= tr->revokes);
	c->active--;
	c->reserved -= tr->cost;
	env_set_local(NULL);
	free(tr);
	if (c->active == 0)
		env_wake_all(fs->env, &ls->wq_idle);
	if (ls->space_wanted)
		env_wake_all(fs->env, &ls->wq_space);
	if (compound_need(fs, c) >= ls->nblocks / 5 * 2)
		log_kick(ls);
}

/* The pending revoke of a block, cancelled or not. */
static struct revoke *
revoke_find(struct compound *c, uint64_t blkno)
{
	struct revoke key;

	key.blkno = blkno;
	return RB_FIND(revokes, &c->revokes, &key);
}

/*
 * The block's next image comes before the revokes of the same flush and must
 * survive them (L6).  The record stays: images in earlier flushes exist.
 */
static void
revoke_cancel(struct compound *c, uint64_t blkno)
{
	struct revoke *r = revoke_find(c, blkno);

	if (r == NULL || r->cancelled)
		return;
	r->cancelled = true;
	c->nrevokes--;
	r->gl->nrevokes--;
}

/* The lock is not free to go before this is committed, L7. */
static void
revoke_add(struct gfs *fs, struct glock *gl, uint64_t blkno)
{
	struct compound *c = fs->log->open;
	struct revoke *r = revoke_find(c, blkno);

	if (r != NULL && !r->cancelled)
		return;
	if (r == NULL) {
		r = calloc(1, sizeof(*r));
		if (r == NULL) {
			gfs_withdraw(fs, "out of memory");
			return;
		}
		r->blkno = blkno;
		RB_INSERT(revokes, &c->revokes, r);
	}
	r->gl = gl;
	r->cancelled = false;
	c->nrevokes++;
	gl->nrevokes++;
}

/* At the commit, or when the log is given up. */
void
revokes_free(struct compound *c, bool committed)
{
	struct revoke *r;

	while ((r = RB_ROOT(&c->revokes)) != NULL) {
		RB_REMOVE(revokes, &c->revokes, r);
		if (!r->cancelled && committed)
			r->gl->nrevokes--;
		free(r);
	}
}

void
trans_unrevoke(struct gfs *fs, uint64_t blkno)
{
	ASSERT(trans_active(fs));
	revoke_cancel(fs->log->open, blkno);
}

static void
count(struct compound *c, bool jdata, int by)
{
	if (jdata)
		c->njdata += (unsigned)by;
	else
		c->nmeta += (unsigned)by;
}

/*
 * Pins the buffer in the open compound.  It may be sealed or on an AIL at the
 * same time: those memberships are about older images and end on their own.
 */
static void
trans_add(struct bh *bh, bool jdata)
{
	struct gfs *fs = bh->fs;
	struct compound *c = fs->log->open;
	struct trans *tr = current(fs);
	struct bd *bd = bh->bd;

	ASSERT(bh->flags & BH_UPTODATE);
	ASSERT(!(bh->flags & (BH_GONE | BH_DATA)));
	if (bd == NULL) {
		bd = calloc(1, sizeof(*bd));
		if (bd == NULL) {
			gfs_withdraw(fs, "out of memory");
			return;
		}
		bd->bh = bh;
		bd->gl = bh->gl;
		bd->blkno = bh->blkno;
		bh->bd = bd;
	}
	revoke_cancel(c, bh->blkno);
	if (bd->open) {
		if (bd->jdata != jdata) {
			count(c, bd->jdata, -1);
			count(c, jdata, 1);
			bd->jdata = jdata;
		}
		return;
	}
	/* Counted once, however many compounds it is pinned in. */
	if (!bd->sealed)
		bd->gl->nlog++;
	bd->open = true;
	bd->jdata = jdata;
	TAILQ_INSERT_TAIL(&c->open, bd, open_entry);
	count(c, jdata, 1);
	tr->pinned++;
	bh->flags |= BH_PINNED;
	cache_settle(bh);
}

void
trans_add_meta(struct bh *bh)
{
	trans_add(bh, false);
}

void
trans_add_jdata(struct bh *bh)
{
	trans_add(bh, true);
}

/* Off whichever AIL it is on. */
void
bd_leave_ail(struct bd *bd)
{
	if (bd->ail == NULL)
		return;
	if (bd->home)
		TAILQ_REMOVE(&bd->ail->ail2, bd, ail_entry);
	else
		TAILQ_REMOVE(&bd->ail->ail1, bd, ail_entry);
	bd->ail = NULL;
	bd->gl->nail--;
	bd->gl->fs->log->ail_total--;
}

/*
 * Takes a buffer out of the log.  Returns whether an image of it may be
 * replayed, that is, whether it needs a revoke.
 */
static bool
bd_drop(struct bh *bh)
{
	struct compound *c = bh->fs->log->open;
	struct bd *bd = bh->bd;
	bool logged;

	logged =
	    bd->sealed || bd->ail != NULL || revoke_find(c, bh->blkno) != NULL;
	bd_leave_ail(bd);
	if (bd->open || bd->sealed)
		bd->gl->nlog--;
	if (bd->open) {
		TAILQ_REMOVE(&c->open, bd, open_entry);
		count(c, bd->jdata, -1);
		bd->open = false;
	}
	bh->bd = NULL;
	bh->flags &= ~(BH_PINNED | BH_DIRTY);
	bd->bh = NULL;
	/* The flush in flight still lists a sealed one, and frees it. */
	if (!bd->sealed)
		free(bd);
	return logged;
}

/* The buffer when no disk request on it is in flight, or NULL. */
static struct bh *
quiet_buffer(struct gfs *fs, uint64_t blkno)
{
	struct bh *bh;

	for (;;) {
		bh = cache_find(fs->cache, blkno);
		if (bh == NULL || !(bh->flags & (BH_READING | BH_WRITING)))
			return bh;
		env_wait(fs->env, &bh->wq, UINT64_MAX);
	}
}

void
trans_add_revoke(struct glock *gl, uint64_t blkno)
{
	struct gfs *fs = gl->fs;
	struct trans *tr = current(fs);
	struct bh *bh = quiet_buffer(fs, blkno);
	bool logged;

	tr->revoked++;
	/* C4: what is not cached has no image, but may have had a revoke. */
	if (bh != NULL && bh->bd != NULL)
		logged = bd_drop(bh);
	else
		logged = revoke_find(fs->log->open, blkno) != NULL;
	if (logged)
		revoke_add(fs, gl, blkno);
	if (bh != NULL)
		cache_detach(bh);
}

/*
 * File data that the flush in flight has to bring home before its header: the
 * block is free only when the next compound commits, and until then a crash
 * would show what it held before.
 */
static bool
owed(const struct gfs *fs, const struct bh *bh)
{
	return bh != NULL && (bh->flags & BH_DATA) && (bh->flags & BH_DIRTY) &&
	    fs->log != NULL && fs->log->sealed != NULL && !fs->withdrawn;
}

void
cache_forget(struct gfs *fs, uint64_t blkno)
{
	struct bh *bh = quiet_buffer(fs, blkno);

	while (owed(fs, bh)) {
		env_wait(fs->env, &fs->log->wq_flush, UINT64_MAX);
		bh = quiet_buffer(fs, blkno);
	}
	if (bh == NULL)
		return;
	if (bh->bd != NULL) {
		trans_add_revoke(bh->gl, blkno);
		return;
	}
	cache_detach(bh);
}

void
log_on_commit(struct bh *bh, void (*fn)(struct bh *))
{
	ASSERT(bh->bd != NULL && bh->bd->open);
	bh->bd->fn = fn;
}

void
log_on_commit_image(struct bh *bh, void (*fn)(struct bh *, const uint8_t *))
{
	ASSERT(bh->bd != NULL && bh->bd->open);
	bh->bd->fn_image = fn;
}

/*
 * The revokes that let a lock go: its images are home, and no replay may put
 * them over what another node writes next.
 */
static int
revoke_logged(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	struct bh *bh;
	unsigned left = MIN(gl->nail, fs->ldptrs * 4u);
	int error;

	error = trans_begin(fs, 0, left);
	if (error != 0)
		return error;
	LIST_FOREACH(bh, &gl->bufs, gl_entry) {
		struct bd *bd = bh->bd;

		if (left == 0)
			break;
		/* Pinned again, or not home yet: the next round takes it. */
		if (bd == NULL || bd->ail == NULL || bd->open || bd->sealed ||
		    (bh->flags & (BH_DIRTY | BH_WRITING)))
			continue;
		bd_drop(bh);
		revoke_add(fs, gl, bh->blkno);
		cache_settle(bh);
		left--;
	}
	trans_end(fs);
	return 0;
}

/* Writes home whatever of this lock the log has committed. */
static int
write_logged(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	struct bh **v, *bh;
	size_t n = 0, i, max = gl->nail;
	int error;

	v = calloc(MAX(max, (size_t)1), sizeof(struct bh *));
	if (v == NULL)
		return ENOMEM;
	LIST_FOREACH(bh, &gl->bufs, gl_entry) {
		if (n == max)
			break;
		if (bh->bd == NULL || bh->bd->ail == NULL ||
		    !(bh->flags & (BH_DIRTY | BH_WRITING)))
			continue;
		cache_hold(bh);
		v[n++] = bh;
	}
	error = cache_writeback(fs, v, n);
	for (i = 0; i < n; i++)
		cache_put(v[i]);
	free(v);
	return error;
}

int
log_clean_glock(struct glock *gl, uint32_t lhflags)
{
	struct gfs *fs = gl->fs;
	int error = 0;

	if (fs->withdrawn)
		return EIO;
	if (fs->log == NULL)
		return 0;
	ASSERT(!trans_active(fs));
	/*
	 * Usually two rounds: commit; then home, revoke, commit.  Each one
	 * looks anew, since flushes of others may have done part of it.
	 */
	while (
	    error == 0 && (gl->nlog > 0 || gl->nail > 0 || gl->nrevokes > 0)) {
		if (gl->nlog == 0 && gl->nail > 0) {
			error = write_logged(gl);
			if (error == 0)
				error = revoke_logged(gl);
		}
		if (error == 0)
			error = log_flush(fs, lhflags);
	}
	return error;
}
