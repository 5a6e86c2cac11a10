/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Where the blocks of a file are: the tree of pointers below a dinode.
 *
 * A file of height 0 is stuffed: its bytes follow the dinode.  At height h
 * the dinode holds pointers, and h - 1 levels of indirect blocks lie between
 * it and the data.  The way to a logical block is its number written in the
 * mixed base of the levels (struct metapath).
 *
 * B1  a file of height h maps bmap_capacity(h) blocks, and no pointer lies
 *     beyond the blocks that its bitmap state calls used;
 * B2  every pointer that comes from the disk is checked to lie in the data
 *     area of an rgrp before it is followed or handed out.
 */

#include <errno.h>

#include "ops.h"

unsigned
bmap_nptrs(const struct gfs *fs, unsigned level)
{
	return level == 0 ? fs->diptrs : fs->inptrs;
}

unsigned
bmap_ptr_off(unsigned level, unsigned idx)
{
	return (level == 0 ? OD_DINODE_SIZE : OD_META_SIZE) + idx * 8;
}

uint64_t
bmap_capacity(const struct gfs *fs, unsigned height)
{
	uint64_t n = fs->diptrs;

	if (height == 0)
		return 0;
	while (--height > 0) {
		if (n > UINT64_MAX / fs->inptrs)
			return UINT64_MAX;
		n *= fs->inptrs;
	}
	return n;
}

unsigned
bmap_height_for(const struct gfs *fs, uint64_t lblk)
{
	unsigned h = 1;

	while (h < NITEMS(((struct metapath *)0)->idx) &&
	    bmap_capacity(fs, h) <= lblk)
		h++;
	return h;
}

bool
bmap_path(const struct gfs *fs, uint64_t lblk, unsigned height,
    struct metapath *mp)
{
	unsigned level;

	if (height == 0 || height > NITEMS(mp->idx) ||
	    lblk >= bmap_capacity(fs, height))
		return false;
	mp->height = height;
	for (level = height - 1; level > 0; level--) {
		mp->idx[level] = (unsigned)(lblk % fs->inptrs);
		lblk /= fs->inptrs;
	}
	mp->idx[0] = (unsigned)lblk;
	return true;
}

int
bmap_check_ptr(struct ginode *ip, uint64_t in, uint64_t ptr)
{
	if (rgrp_block_ok(ip->fs, ptr))
		return 0;
	return fs_corrupt(ip->fs, in,
	    "inode %llu: pointer to block %llu, which holds no file",
	    (unsigned long long)ip->addr, (unsigned long long)ptr);
}

/* Blocks that one pointer of this level stands for. */
static uint64_t
span(const struct gfs *fs, unsigned height, unsigned level)
{
	uint64_t n = 1;

	while (++level < height)
		n *= fs->inptrs;
	return n;
}

/* The run of pointers from idx on that lead to consecutive blocks. */
static uint64_t
extent_len(const struct gfs *fs, const struct bh *bh, unsigned level,
    unsigned idx, uint64_t maxlen)
{
	uint64_t first = od_get64(bh->data + bmap_ptr_off(level, idx));
	unsigned end = bmap_nptrs(fs, level);
	uint64_t n = 1;

	while (n < maxlen && idx + n < end &&
	    od_get64(bh->data + bmap_ptr_off(level, idx + (unsigned)n)) ==
		first + n)
		n++;
	return n;
}

static int
map(struct ginode *ip, uint64_t lblk, uint64_t maxlen, struct extent *ext)
{
	struct gfs *fs = ip->fs;
	struct metapath mp;
	struct bh *bh = NULL, *next;
	uint64_t ptr, hole;
	unsigned level;
	int error;

	if (!bmap_path(fs, lblk, ip->height, &mp)) {
		/* Beyond what the tree can map: a hole. */
		ext->len = maxlen;
		return 0;
	}
	error = inode_bh(ip, &bh);
	for (level = 0; error == 0; level++) {
		ptr = od_get64(bh->data + bmap_ptr_off(level, mp.idx[level]));
		if (ptr == 0) {
			hole = span(fs, mp.height, level);
			ext->len = MIN(maxlen, hole - lblk % hole);
			break;
		}
		if (level == mp.height - 1) {
			ext->len =
			    extent_len(fs, bh, level, mp.idx[level], maxlen);
			ext->blkno = ptr;
			if (!rgrp_range_ok(fs, ptr, ext->len))
				ext->len = 1;
			error = bmap_check_ptr(ip, bh->blkno, ptr);
			break;
		}
		error = bmap_check_ptr(ip, bh->blkno, ptr);
		if (error != 0)
			break;
		error = cache_read_meta(ip->gl, ptr, GFS2_METATYPE_IN, &next);
		if (error != 0)
			break;
		cache_put(bh);
		bh = next;
	}
	cache_put(bh);
	return error;
}

int
bmap_map(struct ginode *ip, uint64_t lblk, uint64_t maxlen, bool create,
    struct extent *ext)
{
	int error;

	ASSERT(ip->height > 0 && maxlen > 0);
	memset(ext, 0, sizeof(*ext));
	error = map(ip, lblk, maxlen, ext);
	if (error != 0 || ext->blkno != 0 || !create)
		return error;
	return bmap_alloc(ip, lblk, ext->len, ext);
}

unsigned
bmap_need(const struct ginode *ip, uint64_t lblk, uint64_t n)
{
	const struct gfs *fs = ip->fs;
	unsigned height = bmap_height_for(fs, lblk + n - 1), level;
	uint64_t need = n, each = 1;

	height = MAX(height, ip->height);
	/* One block for every level the tree grows by. */
	need += height - MIN(MAX(ip->height, 1u), height);
	for (level = height - 1; level > 0; level--) {
		each *= fs->inptrs;
		need += (lblk + n - 1) / each - lblk / each + 1;
	}
	return (unsigned)MIN(need, (uint64_t)UINT32_MAX);
}

unsigned
bmap_write_blocks(const struct ginode *ip, uint64_t nblocks)
{
	/* Wherever they are: two partial indirect blocks on every level. */
	return (unsigned)(nblocks + nblocks / ip->fs->inptrs +
	    2 * ip->fs->max_height);
}
