/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Allocating and freeing blocks.
 *
 * A4  A block freed in a transaction is not used again before that
 *     transaction is on disk, or a crash could leave two owners: from its
 *     first free on, a bitmap block has a clone in which such blocks stay in
 *     use; searches look at the clone, and a commit refreshes it.
 * A5  States change 0 -> 1, 0 -> 3, 3 -> 2 and 1, 2 -> 0; anything else
 *     means that the volume is damaged.
 * A6  Header, bitmaps and value block change together, in one transaction,
 *     under the rgrp's lock in EX; the statfs change goes with them.
 */

#include <errno.h>

#include "rgrp.h"

#define UNLINKED_SCAN 64 /* dinodes queued from one rgrp at a time */

unsigned
rgrp_available(const struct rgrp_hold *h)
{
	return h->rg->hdr.free - h->rg->pending;
}

void
rgrp_release(struct rgrp_hold *h)
{
	if (h->rg == NULL)
		return;
	glock_release(&h->gh);
	h->rg = NULL;
}

bool
rgrp_contains(const struct rgrp_hold *h, uint64_t blkno)
{
	return blkno >= h->rg->ri.data0 &&
	    blkno - h->rg->ri.data0 < h->rg->ri.data;
}

unsigned
rgrp_log_blocks(const struct rgrp_hold *h, unsigned nblocks)
{
	/* The header is in the first bitmap block. */
	return MIN(h->rg->nbits, nblocks + 1) + TR_STATFS;
}

/* Dinodes whose last user has died are freed where space is looked for. */
static void
scan_unlinked(struct rgrp *rg)
{
	struct rgrp_bits *bi;
	unsigned b, found = 0;
	uint32_t i;
	uint64_t addr;

	rg->check = false;
	for (b = 0; b < rg->nbits; b++) {
		bi = &rg->bits[b];
		for (i = 0;; i++) {
			i = bm_find(bi->bh->data + bi->off, i, bi->nblocks,
			    GFS2_BLKST_UNLINKED);
			if (i == BM_NONE)
				break;
			addr = rg->ri.data0 + bi->start + i;
			/* One that is in use here goes with its last close. */
			if (inode_find(rg->fs, addr) != NULL)
				continue;
			unlinked_queue(rg->fs, addr, 0);
			if (++found == UNLINKED_SCAN) {
				/* The next one who comes by does the rest. */
				rg->check = true;
				return;
			}
		}
	}
}

int
rgrp_scan(struct gfs *fs, unsigned i)
{
	struct gholder gh;
	struct rgrp *rg;
	int error;

	error = rgrp_fresh(fs);
	if (error != 0)
		return error;
	if (i >= fs->rgrps->n)
		return ENOENT;
	rg = fs->rgrps->byindex[i];
	error = rgrp_lock(rg, GLS_SH, 0, &gh);
	if (error == 0) {
		if (rg->unlinked > 0)
			scan_unlinked(rg);
		glock_release(&gh);
	}
	return error;
}

/* ENOSPC: not n blocks here; EAGAIN: somebody else works here. */
static int
try_rgrp(struct rgrp *rg, unsigned n, unsigned flags, struct rgrp_hold *h)
{
	int error;

	/* What we know of an rgrp that is ours needs no lock to be told. */
	if (rg->loaded && rg->gl->state == GLS_EX &&
	    rg->hdr.free - rg->pending < n)
		return ENOSPC;
	error = rgrp_lock(rg, GLS_EX, flags, &h->gh);
	if (error != 0)
		return error;
	h->rg = rg;
	if (rg->check)
		scan_unlinked(rg);
	if ((rg->hdr.flags & GFS2_RGF_NOALLOC) == 0 && rgrp_available(h) >= n)
		return 0;
	rgrp_release(h);
	return ENOSPC;
}

/*
 * From cheap to dear: rgrps that are ours by preference, any that nobody
 * works in now, any at all, and any once more after a commit.
 */
enum pass {
	PASS_NEAR,
	PASS_TRY,
	PASS_WAIT,
	PASS_FLUSHED,
	PASS_END
};

static bool
eligible(const struct gfs *fs, const struct rgrp *rg, enum pass pass)
{
	if (pass != PASS_NEAR || fs->njournals < 2)
		return true;
	/* Where no other node comes first, or where we are anyway. */
	return rg->gl->state == GLS_EX || rg->index % fs->njournals == fs->jid;
}

static int
try_all(struct gfs *fs, unsigned start, unsigned n, enum pass pass,
    struct rgrp_hold *h)
{
	struct rgrps *rs = fs->rgrps;
	unsigned flags = pass <= PASS_TRY ? GLF_TRY : 0, i;
	struct rgrp *rg;
	int error;

	for (i = 0; i < rs->n; i++) {
		rg = rs->byindex[(start + i) % rs->n];
		if (!eligible(fs, rg, pass))
			continue;
		error = try_rgrp(rg, n, flags, h);
		if (error != ENOSPC && error != EAGAIN)
			return error;
	}
	return ENOSPC;
}

int
rgrp_reserve(struct gfs *fs, struct ginode *near, unsigned n,
    struct rgrp_hold *h)
{
	struct rgrp *rg;
	enum pass pass;
	unsigned start;
	int error;

	memset(h, 0, sizeof(*h));
	error = fs_writable(fs);
	if (error == 0)
		error = rgrp_fresh(fs);
	if (error != 0)
		return error;
	rg = near != NULL && near->goal != 0 ? rgrp_of(fs, near->goal) : NULL;
	start = rg != NULL ? rg->index : fs->rgrps->next;
	for (pass = PASS_NEAR; pass < PASS_END; pass++) {
		if (pass == PASS_FLUSHED) {
			/* What was freed lately becomes free by a commit. */
			unlinked_drain(fs);
			error = log_flush(fs, LHF_NORMAL);
			if (error != 0)
				return error;
		}
		error = try_all(fs, start, n, pass, h);
		if (error != ENOSPC)
			break;
	}
	if (error == 0)
		fs->rgrps->next = h->rg->index;
	return error;
}

int
rgrp_hold_block(struct gfs *fs, uint64_t blkno, struct rgrp_hold *h)
{
	struct rgrp *rg;
	int error;

	memset(h, 0, sizeof(*h));
	error = rgrp_fresh(fs);
	if (error != 0)
		return error;
	rg = rgrp_of(fs, blkno);
	if (rg == NULL)
		return fs_corrupt(fs, blkno, "block in no resource group");
	error = rgrp_lock(rg, GLS_EX, 0, &h->gh);
	if (error == 0)
		h->rg = rg;
	return error;
}

/* The header and the value block, from hdr. */
static void
write_header(struct rgrp *rg)
{
	uint8_t *lvb = rg->gl->lm.lvb;

	trans_add_meta(rg->bits[0].bh);
	rgrp_encode(&rg->hdr, rg->bits[0].bh->data);
	od_put32(lvb, GFS2_MAGIC);
	od_put32(lvb + 4, rg->hdr.flags);
	od_put32(lvb + 8, rg->hdr.free);
	od_put32(lvb + 12, rg->hdr.dinodes);
	od_put64(lvb + 16, rg->hdr.igeneration);
	od_put32(lvb + 24, rg->unlinked);
	od_put32(lvb + 28, 0);
}

static uint8_t *
real_bits(struct rgrp_bits *bi)
{
	return bi->bh->data + bi->off;
}

static const uint8_t *
search_bits(struct rgrp_bits *bi)
{
	return bi->clone != NULL ? bi->clone : real_bits(bi);
}

/*
 * Finds up to *n free blocks in a row, from the goal on and then around.
 * Sets *i, counted from data0.
 */
static struct rgrp_bits *
find_free(struct rgrp *rg, uint64_t goal, unsigned *n, uint32_t *i)
{
	struct rgrp_bits *bi;
	uint32_t from = 0, at;
	unsigned first, k;

	if (goal >= rg->ri.data0 && goal - rg->ri.data0 < rg->ri.data)
		from = (uint32_t)(goal - rg->ri.data0);
	bi = rgrp_bits_of(rg, from);
	first = (unsigned)(bi - rg->bits);
	from -= bi->start;
	/* The first block is searched twice: its end, and last its start. */
	for (k = 0; k <= rg->nbits; k++, from = 0) {
		bi = &rg->bits[(first + k) % rg->nbits];
		at = bm_find(search_bits(bi), from, bi->nblocks,
		    GFS2_BLKST_FREE);
		if (at == BM_NONE)
			continue;
		*n = bm_run(search_bits(bi), at, MIN(*n, bi->nblocks - at),
		    GFS2_BLKST_FREE);
		*i = bi->start + at;
		return bi;
	}
	return NULL;
}

/* To a state in use: the clone, where it exists, must know at once. */
static void
set_state(struct rgrp_bits *bi, uint32_t i, unsigned n, unsigned state)
{
	unsigned k;

	trans_add_meta(bi->bh);
	for (k = 0; k < n; k++) {
		bm_set(real_bits(bi), i - bi->start + k, state);
		if (bi->clone != NULL)
			bm_set(bi->clone, i - bi->start + k, state);
	}
}

int
rgrp_alloc_blocks(struct rgrp_hold *h, struct ginode *ip, uint64_t goal,
    unsigned *n, uint64_t *blkno)
{
	struct rgrp *rg = h->rg;
	struct rgrp_bits *bi;
	uint32_t i;

	ASSERT(trans_active(rg->fs));
	bi = find_free(rg, goal, n, &i);
	if (bi == NULL)
		return ENOSPC;
	set_state(bi, i, *n, GFS2_BLKST_USED);
	rg->hdr.free -= *n;
	write_header(rg);
	*blkno = rg->ri.data0 + i;
	if (ip != NULL) {
		ip->goal = *blkno + *n - 1;
		ip->blocks += *n;
	}
	statfs_change(rg->fs, 0, -(int64_t)*n, 0);
	return 0;
}

int
rgrp_pick_dinode(struct rgrp_hold *h, uint64_t goal, uint64_t avoid,
    uint64_t *blkno)
{
	unsigned tries, n;
	uint32_t i;

	for (tries = 0; tries < 2; tries++) {
		n = 1;
		if (find_free(h->rg, goal, &n, &i) == NULL)
			return ENOSPC;
		*blkno = h->rg->ri.data0 + i;
		if (*blkno != avoid)
			return 0;
		goal = *blkno + 1;
	}
	return ENOSPC;
}

int
rgrp_alloc_dinode(struct rgrp_hold *h, struct ginode *dir, uint64_t *blkno,
    uint64_t *generation)
{
	struct rgrp *rg = h->rg;
	struct rgrp_bits *bi;
	unsigned n = 1;
	uint32_t i;

	ASSERT(trans_active(rg->fs));
	/* From the block that was picked: it is free, so it is found. */
	bi = find_free(rg, *blkno, &n, &i);
	if (bi == NULL)
		return ENOSPC;
	*blkno = rg->ri.data0 + i;
	set_state(bi, i, 1, GFS2_BLKST_DINODE);
	rg->hdr.free--;
	rg->hdr.dinodes++;
	*generation = rg->hdr.igeneration++;
	if (*generation == 0)
		*generation = rg->hdr.igeneration++;
	write_header(rg);
	statfs_change(rg->fs, 0, -1, 1);
	return 0;
}

/* A4: free in the log as committed and free now, and nothing else. */
static void
committed(struct bh *bh, const uint8_t *image)
{
	struct rgrp *rg = bh->gl == NULL ? NULL : bh->gl->object;
	struct rgrp_bits *bi = NULL;
	uint32_t i;
	unsigned b;

	for (b = 0; rg != NULL && b < rg->nbits && bi == NULL; b++)
		if (rg->bits[b].bh == bh)
			bi = &rg->bits[b];
	if (bi == NULL || bi->clone == NULL)
		return;
	rg->pending -= bi->pending;
	bi->pending = 0;
	for (i = 0; i < bi->nblocks; i++) {
		unsigned now = bm_get(real_bits(bi), i);

		if (now == GFS2_BLKST_FREE &&
		    bm_get(image + bi->off, i) != GFS2_BLKST_FREE) {
			bi->pending++;
			now = GFS2_BLKST_USED;
		}
		bm_set(bi->clone, i, now);
	}
	rg->pending += bi->pending;
	if (bi->pending == 0) {
		free(bi->clone);
		bi->clone = NULL;
	}
}

static void
make_clone(struct rgrp_bits *bi)
{
	size_t len = (bi->nblocks + 3) / 4;

	if (bi->clone != NULL)
		return;
	bi->clone = malloc(len);
	/* Without a clone A4 cannot be kept. */
	ASSERT(bi->clone != NULL);
	memcpy(bi->clone, real_bits(bi), len);
}

/* One block goes to state free; from: what it may be now. */
static int
free_one(struct rgrp *rg, uint64_t blkno, unsigned from)
{
	uint32_t i = (uint32_t)(blkno - rg->ri.data0);
	struct rgrp_bits *bi = rgrp_bits_of(rg, i);
	unsigned state = bm_get(real_bits(bi), i - bi->start);

	if (state != from)
		return fs_corrupt(rg->fs, blkno,
		    "block to be freed is in state %u, not %u", state, from);
	trans_add_meta(bi->bh);
	make_clone(bi);
	bm_set(real_bits(bi), i - bi->start, GFS2_BLKST_FREE);
	bi->pending++;
	rg->pending++;
	rg->hdr.free++;
	log_on_commit_image(bi->bh, committed);
	return 0;
}

void
rgrp_free_blocks(struct rgrp_hold *h, struct ginode *ip, uint64_t blkno,
    unsigned n, bool meta)
{
	struct rgrp *rg = h->rg;
	unsigned k, freed = 0;

	ASSERT(trans_active(rg->fs));
	/* Each goes alone: its state is checked, its buffer forgotten. */
	for (k = 0; k < n; k++) {
		if (free_one(rg, blkno + k, GFS2_BLKST_USED) != 0)
			break;
		if (meta)
			trans_add_revoke(ip->gl, blkno + k);
		else
			cache_forget(rg->fs, blkno + k);
		freed++;
	}
	ip->blocks -= MIN(ip->blocks, freed);
	/* There is something to discard again. */
	rg->hdr.flags &= ~(uint32_t)GFS2_RGF_TRIMMED;
	write_header(rg);
	statfs_change(rg->fs, 0, freed, 0);
}

void
rgrp_unlink_dinode(struct rgrp_hold *h, uint64_t blkno)
{
	struct rgrp *rg = h->rg;
	uint32_t i = (uint32_t)(blkno - rg->ri.data0);
	struct rgrp_bits *bi = rgrp_bits_of(rg, i);

	ASSERT(trans_active(rg->fs));
	if (bm_get(real_bits(bi), i - bi->start) != GFS2_BLKST_DINODE) {
		fs_corrupt(rg->fs, blkno, "unlinked block is not a dinode");
		return;
	}
	set_state(bi, i, 1, GFS2_BLKST_UNLINKED);
	rg->unlinked++;
	write_header(rg);
}

void
rgrp_free_dinode(struct rgrp_hold *h, struct ginode *ip)
{
	struct rgrp *rg = h->rg;

	ASSERT(trans_active(rg->fs));
	if (free_one(rg, ip->addr, GFS2_BLKST_UNLINKED) != 0)
		return;
	rg->hdr.dinodes--;
	rg->unlinked--;
	rg->hdr.flags &= ~(uint32_t)GFS2_RGF_TRIMMED;
	write_header(rg);
	trans_add_revoke(ip->gl, ip->addr);
	statfs_change(rg->fs, 0, 1, -1);
}

int
rgrp_block_state(struct rgrp_hold *h, uint64_t blkno)
{
	struct rgrp_bits *bi;
	uint32_t i;

	if (!rgrp_contains(h, blkno))
		return -1;
	i = (uint32_t)(blkno - h->rg->ri.data0);
	bi = rgrp_bits_of(h->rg, i);
	return (int)bm_get(real_bits(bi), i - bi->start);
}
