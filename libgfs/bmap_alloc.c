/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Growing the tree of pointers: new data blocks, new indirect blocks, more
 * height, and the step from a stuffed file to one with blocks.  Everything
 * here runs inside a transaction whose rgrp is held in ip->res.
 */

#include <errno.h>

#include "ops.h"

/* One indirect block, empty. */
static int
new_indirect(struct ginode *ip, struct bh **out)
{
	uint64_t blkno;
	unsigned n = 1;
	int error;

	error = rgrp_alloc_blocks(ip->res, ip, ip->goal, &n, &blkno);
	if (error == 0)
		error = meta_new(ip, blkno, GFS2_METATYPE_IN, out);
	return error;
}

static bool
all_zero(const uint8_t *p, size_t len)
{
	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	return len == 0;
}

/*
 * One more level: a new block takes the dinode's pointers over.  A tree
 * without any pointer only changes its height.
 */
static int
grow_height(struct ginode *ip, struct bh *dibh)
{
	struct gfs *fs = ip->fs;
	uint8_t *ptrs = dibh->data + OD_DINODE_SIZE;
	size_t len = (size_t)fs->diptrs * 8;
	struct bh *bh;
	int error;

	if (ip->height >= fs->max_height)
		return EFBIG;
	if (!all_zero(ptrs, len)) {
		error = new_indirect(ip, &bh);
		if (error != 0)
			return error;
		memcpy(bh->data + OD_META_SIZE, ptrs, len);
		memset(ptrs, 0, len);
		od_put64(ptrs, bh->blkno);
		cache_put(bh);
	}
	ip->height++;
	return 0;
}

/* Data for the empty pointers from idx on; as many as one run gives. */
static int
alloc_data(struct ginode *ip, struct bh *bh, unsigned level, unsigned idx,
    uint64_t maxlen, struct extent *ext)
{
	unsigned end = bmap_nptrs(ip->fs, level), n = 1, i;
	uint64_t blkno;
	int error;

	while (n < maxlen && idx + n < end &&
	    od_get64(bh->data + bmap_ptr_off(level, idx + n)) == 0)
		n++;
	error = rgrp_alloc_blocks(ip->res, ip, ip->goal, &n, &blkno);
	if (error != 0)
		return error;
	for (i = 0; i < n; i++)
		od_put64(bh->data + bmap_ptr_off(level, idx + i), blkno + i);
	ext->blkno = blkno;
	ext->len = n;
	ext->new = true;
	return 0;
}

/*
 * Maps lblk to a new block, with whatever indirect blocks are missing on the
 * way.  The inode's height, blocks and goal change in core; the caller writes
 * them with inode_update() before it ends the transaction.
 */
int
bmap_alloc(struct ginode *ip, uint64_t lblk, uint64_t maxlen,
    struct extent *ext)
{
	struct gfs *fs = ip->fs;
	struct metapath mp;
	struct bh *bh, *next;
	uint64_t ptr;
	unsigned level, off;
	int error;

	ASSERT(trans_active(fs) && ip->res != NULL);
	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	trans_add_meta(bh);
	while (error == 0 && lblk >= bmap_capacity(fs, ip->height))
		error = grow_height(ip, bh);
	if (error == 0 && !bmap_path(fs, lblk, ip->height, &mp))
		error = EFBIG;
	for (level = 0; error == 0 && level < mp.height - 1; level++) {
		off = bmap_ptr_off(level, mp.idx[level]);
		ptr = od_get64(bh->data + off);
		if (ptr != 0) {
			error = bmap_check_ptr(ip, bh->blkno, ptr);
			if (error == 0)
				error = meta_change(ip, ptr, GFS2_METATYPE_IN,
				    &next);
		} else {
			error = new_indirect(ip, &next);
			if (error == 0)
				od_put64(bh->data + off, next->blkno);
		}
		if (error != 0)
			break;
		cache_put(bh);
		bh = next;
	}
	if (error == 0)
		error = alloc_data(ip, bh, level, mp.idx[level], maxlen, ext);
	cache_put(bh);
	return error;
}

/* The payload of a stuffed file becomes its first block. */
static int
unstuff_payload(struct ginode *ip, struct bh *dibh, uint64_t *blkno)
{
	struct gfs *fs = ip->fs;
	unsigned n = 1, flags = BH_DATA;
	struct bh *bh;
	int error;

	error = rgrp_alloc_blocks(ip->res, ip, ip->goal, &n, blkno);
	if (error != 0)
		return error;
	/* Logged data is a log item like metadata, with its old revokes. */
	if (inode_jdata(ip)) {
		flags = BH_JDATA;
		trans_unrevoke(fs, *blkno);
	}
	error = cache_new(ip->gl, *blkno, flags, &bh);
	if (error != 0)
		return error;
	if (inode_jdata(ip))
		trans_add_jdata(bh);
	memcpy(bh->data, dibh->data + OD_DINODE_SIZE,
	    MIN(ip->size, (uint64_t)stuffed_max(fs)));
	if (!inode_jdata(ip))
		cache_dirty_data(bh);
	cache_put(bh);
	return 0;
}

int
bmap_unstuff(struct ginode *ip)
{
	struct bh *dibh;
	uint64_t blkno = 0;
	int error;

	ASSERT(ip->height == 0 && !inode_is(ip, S_IFDIR));
	error = inode_bh(ip, &dibh);
	if (error != 0)
		return error;
	trans_add_meta(dibh);
	if (ip->size > 0)
		error = unstuff_payload(ip, dibh, &blkno);
	if (error == 0) {
		memset(dibh->data + OD_DINODE_SIZE, 0, stuffed_max(ip->fs));
		od_put64(dibh->data + OD_DINODE_SIZE, blkno);
		ip->height = 1;
		error = inode_update(ip);
	}
	cache_put(dibh);
	return error;
}
