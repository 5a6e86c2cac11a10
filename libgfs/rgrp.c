/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Resource groups: the index of them, their locks, and reading them.
 *
 * The rindex file is read at mount and again whenever its lock had been
 * given up in between, since a volume grows while it is mounted.  Rgrps are
 * only ever added; one that is known stays until the end of the mount.
 *
 * R1  while loaded, hdr and the bitmaps agree: free counts the blocks in
 *     state free, dinodes those in states dinode and unlinked;
 * R2  pending <= hdr.free, and what may be allocated is their difference;
 * R3  loaded implies that the rgrp's lock is held in SH or better: it is
 *     cleared, with the clones and the buffers, when the lock goes.
 */

#include <errno.h>

#include "rgrp.h"

int
rgrp_cmp(const struct rgrp *a, const struct rgrp *b)
{
	if (a->ri.addr == b->ri.addr)
		return 0;
	return a->ri.addr < b->ri.addr ? -1 : 1;
}

RB_GENERATE(rgrp_tree, rgrp, node, rgrp_cmp)

/* The last rgrp that begins at or before the block. */
static struct rgrp *
rgrp_before(struct rgrps *rs, uint64_t blkno)
{
	unsigned lo = 0, hi = rs->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (rs->byindex[mid]->ri.addr <= blkno)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == 0 ? NULL : rs->byindex[lo - 1];
}

struct rgrp *
rgrp_of(struct gfs *fs, uint64_t blkno)
{
	struct rgrp *rg;

	if (fs->rgrps == NULL)
		return NULL;
	rg = rgrp_before(fs->rgrps, blkno);
	if (rg == NULL || blkno < rg->ri.data0 ||
	    blkno - rg->ri.data0 >= rg->ri.data)
		return NULL;
	return rg;
}

bool
rgrp_range_ok(struct gfs *fs, uint64_t blkno, uint64_t n)
{
	uint64_t sb = OD_SB_OFFSET >> fs->bshift;
	uint64_t end = dev_size(fs->dev) >> fs->bshift;
	struct rgrp *rg;

	if (blkno <= sb || blkno >= end || n > end - blkno)
		return false;
	/* Early in the mount only the size of the volume is known. */
	if (fs->rgrps == NULL || fs->rgrps->n == 0)
		return true;
	rg = rgrp_of(fs, blkno);
	if (rg == NULL && !trans_active(fs) && rgrp_fresh(fs) == 0)
		rg = rgrp_of(fs, blkno);
	return rg != NULL && n <= rg->ri.data - (blkno - rg->ri.data0);
}

bool
rgrp_block_ok(struct gfs *fs, uint64_t blkno)
{
	return rgrp_range_ok(fs, blkno, 1);
}

struct rgrp_bits *
rgrp_bits_of(struct rgrp *rg, uint32_t i)
{
	uint32_t first = rg->bits[0].nblocks, each;

	if (i < first)
		return &rg->bits[0];
	each = (rg->fs->bsize - OD_META_SIZE) * 4;
	return &rg->bits[1 + (i - first) / each];
}

/* Cuts the data area into what each bitmap block describes. */
static int
layout(struct rgrp *rg)
{
	uint32_t left = rg->ri.data, start = 0, fits;
	struct rgrp_bits *bi;
	unsigned i;

	rg->nbits = rg->ri.length;
	rg->bits = calloc(rg->nbits, sizeof(*rg->bits));
	if (rg->bits == NULL)
		return ENOMEM;
	for (i = 0; i < rg->nbits; i++) {
		bi = &rg->bits[i];
		bi->off = i == 0 ? OD_RGRP_SIZE : OD_META_SIZE;
		fits = (rg->fs->bsize - bi->off) * 4;
		bi->start = start;
		bi->nblocks = MIN(left, fits);
		start += bi->nblocks;
		left -= bi->nblocks;
	}
	if (left != 0)
		return fs_corrupt(rg->fs, rg->ri.addr,
		    "rindex: %u blocks of bitmap cannot describe %u blocks",
		    rg->nbits, rg->ri.data);
	return 0;
}

/* The lock may stay cached; it must not find its way back here. */
static void
rgrp_destroy_one(struct rgrp *rg)
{
	if (rg->gl != NULL) {
		rgrp_inval(rg->gl);
		rg->gl->object = NULL;
		rg->gl->instantiated = false;
		glock_put(rg->gl);
	}
	free(rg->bits);
	free(rg);
}

static int
rgrp_new(struct gfs *fs, const struct rindex *ri, struct rgrp **out)
{
	struct rgrp *rg;
	int error;

	rg = calloc(1, sizeof(*rg));
	if (rg == NULL)
		return ENOMEM;
	rg->fs = fs;
	rg->ri = *ri;
	error = layout(rg);
	if (error == 0)
		error = glock_get(fs, GL_RGRP, ri->addr, &rg->gl);
	if (error != 0) {
		rgrp_destroy_one(rg);
		return error;
	}
	rg->gl->object = rg;
	rg->gl->instantiated = false;
	*out = rg;
	return 0;
}

/*
 * Takes one entry of the rindex.  Known ones must not have changed: buffers,
 * clones and reservations refer to them.  Entries are in ascending order
 * and do not overlap, on which rgrp_before() relies.
 */
static int
rindex_entry(struct gfs *fs, unsigned i, const struct rindex *ri)
{
	struct rgrps *rs = fs->rgrps;
	uint64_t end = dev_size(fs->dev) >> fs->bshift;
	struct rgrp *rg, **grown;
	int error;

	if (i < rs->n) {
		rg = rs->byindex[i];
		if (rg->ri.addr != ri->addr || rg->ri.data0 != ri->data0 ||
		    rg->ri.data != ri->data)
			return fs_corrupt(fs, ri->addr,
			    "rindex: entry %u was moved", i);
		return 0;
	}
	if (ri->data0 >= end || ri->data > end - ri->data0)
		return fs_corrupt(fs, ri->addr,
		    "rindex: entry %u ends beyond the device", i);
	if (i > 0 &&
	    ri->addr <
		rs->byindex[i - 1]->ri.data0 + rs->byindex[i - 1]->ri.data)
		return fs_corrupt(fs, ri->addr,
		    "rindex: entry %u overlaps the one before", i);
	grown = reallocarray(rs->byindex, i + 1, sizeof(*grown));
	if (grown == NULL)
		return ENOMEM;
	rs->byindex = grown;
	error = rgrp_new(fs, ri, &rg);
	if (error != 0)
		return error;
	rg->index = i;
	rs->byindex[rs->n++] = rg;
	RB_INSERT(rgrp_tree, &rs->tree, rg);
	return 0;
}

/* A batch of entries at a time; the rindex lock is held. */
static int
rindex_read(struct gfs *fs)
{
	struct ginode *ip = fs->rindex;
	uint8_t buf[OD_RINDEX_SIZE * 32];
	struct rindex ri;
	enum od_error od;
	uint64_t off = 0;
	size_t got, at;
	unsigned i = 0;
	int error;

	if (ip->size % OD_RINDEX_SIZE != 0 || ip->size == 0)
		return fs_corrupt(fs, ip->addr,
		    "rindex: size %llu is not a multiple of %u",
		    (unsigned long long)ip->size, OD_RINDEX_SIZE);
	for (; off < ip->size; off += got) {
		error = file_read(ip, buf, sizeof(buf), off, &got);
		if (error != 0)
			return error;
		if (got == 0 || got % OD_RINDEX_SIZE != 0)
			return EIO;
		for (at = 0; at < got; at += OD_RINDEX_SIZE) {
			od = rindex_decode(&ri, buf + at, OD_RINDEX_SIZE,
			    fs->bsize);
			if (od != OD_OK)
				return fs_corrupt(fs, ip->addr,
				    "rindex: entry %u: %s", i, od_strerror(od));
			error = rindex_entry(fs, i++, &ri);
			if (error != 0)
				return error;
		}
	}
	return 0;
}

int
rgrp_fresh(struct gfs *fs)
{
	struct rgrps *rs = fs->rgrps;
	struct glock *gl = fs->rindex->gl;
	struct gholder gh;
	int error;

	/* While the lock is cached nobody can have grown the volume. */
	if (gl->state != GLS_UN && gl->grant_gen == rs->grant_gen)
		return 0;
	gholder_init(&gh);
	error = inode_lock(fs->rindex, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	if (gl->grant_gen != rs->grant_gen || rs->n == 0) {
		error = rindex_read(fs);
		if (error == 0)
			rs->grant_gen = gl->grant_gen;
	}
	glock_release(&gh);
	return error;
}

int
rgrp_init(struct gfs *fs)
{
	int error;

	fs->rgrps = calloc(1, sizeof(*fs->rgrps));
	if (fs->rgrps == NULL)
		return ENOMEM;
	RB_INIT(&fs->rgrps->tree);
	fs->rgrps->grant_gen = UINT64_MAX;
	error = rgrp_fresh(fs);
	if (error != 0) {
		rgrp_destroy(fs);
		return error;
	}
	/* Nodes start at different places, so that they rarely meet. */
	fs->rgrps->next = fs->jid % fs->rgrps->n;
	return 0;
}

void
rgrp_destroy(struct gfs *fs)
{
	struct rgrps *rs = fs->rgrps;
	unsigned i;

	if (rs == NULL)
		return;
	for (i = 0; i < rs->n; i++)
		rgrp_destroy_one(rs->byindex[i]);
	free(rs->byindex);
	free(rs);
	fs->rgrps = NULL;
}

static void
bits_drop(struct rgrp *rg)
{
	unsigned i;

	for (i = 0; i < rg->nbits; i++) {
		cache_put(rg->bits[i].bh);
		rg->bits[i].bh = NULL;
		free(rg->bits[i].clone);
		rg->bits[i].clone = NULL;
		rg->bits[i].pending = 0;
	}
	rg->pending = 0;
}

/* R3 */
void
rgrp_inval(struct glock *gl)
{
	struct rgrp *rg = gl->object;

	if (rg == NULL)
		return;
	bits_drop(rg);
	rg->loaded = false;
}

/* R1, on what the disk says. */
static int
verify(struct rgrp *rg)
{
	const struct rgrp_hdr *h = &rg->hdr;
	uint32_t count[4] = { 0, 0, 0, 0 };
	unsigned i;

	if ((h->data0 != 0 && h->data0 != rg->ri.data0) ||
	    (h->data != 0 && h->data != rg->ri.data))
		return fs_corrupt(rg->fs, rg->ri.addr,
		    "rgrp: %u data blocks at %llu, rindex says %u at %llu",
		    h->data, (unsigned long long)h->data0, rg->ri.data,
		    (unsigned long long)rg->ri.data0);
	for (i = 0; i < rg->nbits; i++)
		bm_count(rg->bits[i].bh->data + rg->bits[i].off,
		    rg->bits[i].nblocks, count);
	if (h->free != count[GFS2_BLKST_FREE] ||
	    h->dinodes != count[GFS2_BLKST_DINODE] + count[GFS2_BLKST_UNLINKED])
		return fs_corrupt(rg->fs, rg->ri.addr,
		    "rgrp: header counts %u free and %u dinodes, its "
		    "bitmaps %u and %u",
		    h->free, h->dinodes, count[GFS2_BLKST_FREE],
		    count[GFS2_BLKST_DINODE] + count[GFS2_BLKST_UNLINKED]);
	rg->unlinked = count[GFS2_BLKST_UNLINKED];
	return 0;
}

static int
load(struct rgrp *rg)
{
	struct gfs *fs = rg->fs;
	enum od_error od;
	unsigned i;
	int error = 0;

	/* All bitmap blocks lie together: one request for the disk. */
	bits_drop(rg);
	cache_readahead(rg->gl, rg->ri.addr, rg->nbits, 0);
	for (i = 0; i < rg->nbits && error == 0; i++)
		error = cache_read_meta(rg->gl, rg->ri.addr + i,
		    i == 0 ? GFS2_METATYPE_RG : GFS2_METATYPE_RB,
		    &rg->bits[i].bh);
	if (error == 0) {
		od = rgrp_decode(&rg->hdr, rg->bits[0].bh->data);
		if (od != OD_OK)
			error = fs_corrupt(fs, rg->ri.addr, "rgrp: %s",
			    od_strerror(od));
		else
			error = verify(rg);
	}
	if (error != 0) {
		bits_drop(rg);
		return error;
	}
	rg->check = rg->unlinked != 0;
	rg->loaded = true;
	return 0;
}

int
rgrp_instantiate(struct glock *gl)
{
	struct rgrp *rg = gl->object;

	return rg == NULL ? 0 : load(rg);
}

int
rgrp_lock(struct rgrp *rg, enum glock_state state, unsigned flags,
    struct gholder *gh)
{
	int error;

	gholder_init(gh);
	error = glock_acquire(rg->gl, state, flags, gh);
	if (error != 0)
		return error;
	if (!rg->loaded)
		error = load(rg);
	if (error != 0)
		glock_release(gh);
	return error;
}

/* For handles and orphans, which say nothing about their block today. */
int
rgrp_read_state(struct gfs *fs, uint64_t blkno, unsigned *state)
{
	struct rgrp *rg;
	struct rgrp_bits *bi;
	struct gholder gh;
	uint32_t i;
	int error;

	error = rgrp_fresh(fs);
	if (error != 0)
		return error;
	rg = rgrp_of(fs, blkno);
	if (rg == NULL)
		return ESTALE;
	error = rgrp_lock(rg, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	i = (uint32_t)(blkno - rg->ri.data0);
	bi = rgrp_bits_of(rg, i);
	*state = bm_get(bi->bh->data + bi->off, i - bi->start);
	glock_release(&gh);
	return 0;
}
