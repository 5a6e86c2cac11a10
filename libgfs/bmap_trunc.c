/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Changing the size of a file, and giving its blocks back.
 *
 * Freeing takes many transactions, each within one rgrp.  What makes the
 * whole crash-safe:
 *
 * T1  the first transaction sets the new size and TRUNC_IN_PROG; whoever
 *     next takes the inode in EX and sees the flag goes on from the size;
 * T2  a transaction frees a block and clears its pointer together, bottom
 *     up and from right to left, so no pointer ever leads to a free block;
 * T3  the last transaction clears the flag and, at size 0, makes the file
 *     stuffed again.
 */

#include <errno.h>

#include "ops.h"

/* A walk over the tree; first is the path of the first block to go. */
struct strip {
	struct ginode *ip;
	struct metapath first;
};

/* At or below this level, is everything under the edge to be freed? */
static bool
edge_aligned(const struct strip *s, unsigned level)
{
	for (; level < s->first.height; level++)
		if (s->first.idx[level] != 0)
			return false;
	return true;
}

int
bmap_free_one(struct ginode *ip, uint64_t blkno, unsigned extra,
    int (*clear)(struct ginode *, void *), void *arg)
{
	struct gfs *fs = ip->fs;
	struct rgrp_hold h;
	int error;

	error = rgrp_hold_block(fs, blkno, &h);
	if (error != 0)
		return error;
	error = trans_begin(fs, rgrp_log_blocks(&h, 1) + TR_DINODE + extra, 1);
	if (error == 0) {
		error = clear(ip, arg);
		if (error == 0) {
			rgrp_free_blocks(&h, ip, blkno, 1, true);
			error = inode_update(ip);
		}
		trans_end(fs);
	}
	rgrp_release(&h);
	return error != 0 ? error : fs_writable(fs);
}

/* Clears and frees pointers of one rgrp, from idx down; sets where it ended. */
static int
free_run(struct strip *s, struct bh *bh, unsigned level, unsigned low,
    unsigned *idx, struct rgrp_hold *h)
{
	struct ginode *ip = s->ip;
	uint64_t ptr;
	unsigned off;

	trans_add_meta(bh);
	for (;; (*idx)--) {
		off = bmap_ptr_off(level, *idx);
		ptr = od_get64(bh->data + off);
		if (ptr != 0 && !rgrp_contains(h, ptr))
			break;
		if (ptr != 0) {
			od_put64(bh->data + off, 0);
			rgrp_free_blocks(h, ip, ptr, 1, inode_jdata(ip));
		}
		if (*idx == low)
			break;
	}
	return inode_update(ip);
}

/* The data pointers [low, n) of one block. */
static int
strip_data(struct strip *s, struct bh *bh, unsigned level, unsigned low)
{
	struct gfs *fs = s->ip->fs;
	struct rgrp_hold h;
	unsigned idx = bmap_nptrs(fs, level), count;
	uint64_t ptr;
	int error;

	while (idx > low) {
		ptr = od_get64(bh->data + bmap_ptr_off(level, idx - 1));
		if (ptr == 0) {
			idx--;
			continue;
		}
		error = bmap_check_ptr(s->ip, bh->blkno, ptr);
		if (error == 0)
			error = rgrp_hold_block(fs, ptr, &h);
		if (error != 0)
			return error;
		/* As many as may turn out to lie in this rgrp. */
		count = idx - low;
		idx--;
		error =
		    trans_begin(fs, rgrp_log_blocks(&h, count) + 1 + TR_DINODE,
			inode_jdata(s->ip) ? count : 0);
		if (error == 0) {
			error = free_run(s, bh, level, low, &idx, &h);
			trans_end(fs);
		}
		rgrp_release(&h);
		if (error == 0)
			error = fs_writable(fs);
		if (error != 0)
			return error;
		/* It ended on a pointer of another rgrp, or on the last. */
		if (od_get64(bh->data + bmap_ptr_off(level, idx)) != 0)
			idx++;
	}
	return 0;
}

struct clear_ptr {
	struct bh *bh;
	unsigned off;
};

static int
clear_ptr(struct ginode *ip, void *arg)
{
	struct clear_ptr *c = arg;

	trans_add_meta(c->bh);
	od_put64(c->bh->data + c->off, 0);
	return 0;
}

/*
 * Everything under the pointers of one block, from the edge on.  The depth
 * of the recursion is the height of the tree, which is checked.
 */
static int
strip_block(struct strip *s, struct bh *bh, unsigned level, bool edge)
{
	struct gfs *fs = s->ip->fs;
	unsigned low = edge ? s->first.idx[level] : 0, i;
	struct clear_ptr c = { .bh = bh };
	struct bh *child;
	uint64_t ptr;
	bool on_edge;
	int error;

	if (level == s->first.height - 1)
		return strip_data(s, bh, level, low);
	for (i = bmap_nptrs(fs, level); i-- > low;) {
		c.off = bmap_ptr_off(level, i);
		ptr = od_get64(bh->data + c.off);
		if (ptr == 0)
			continue;
		error = bmap_check_ptr(s->ip, bh->blkno, ptr);
		if (error == 0)
			error = cache_read_meta(s->ip->gl, ptr,
			    GFS2_METATYPE_IN, &child);
		if (error != 0)
			return error;
		on_edge = edge && i == low;
		error = strip_block(s, child, level + 1, on_edge);
		cache_put(child);
		if (error == 0 && (!on_edge || edge_aligned(s, level + 1)))
			error = bmap_free_one(s->ip, ptr, 1, clear_ptr, &c);
		if (error != 0)
			return error;
	}
	return 0;
}

int
bmap_free_from(struct ginode *ip, uint64_t lblk)
{
	struct strip s = { .ip = ip };
	struct bh *bh;
	int error;

	/* Beyond what the tree maps there is nothing to free. */
	if (!bmap_path(ip->fs, lblk, ip->height, &s.first))
		return 0;
	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	error = strip_block(&s, bh, 0, true);
	cache_put(bh);
	return error;
}

/* T3 */
static int
trunc_end(struct ginode *ip)
{
	struct bh *bh;
	int error;

	error = trans_begin(ip->fs, TR_DINODE, 0);
	if (error != 0)
		return error;
	if (ip->size == 0) {
		error = inode_bh(ip, &bh);
		if (error == 0) {
			trans_add_meta(bh);
			memset(bh->data + OD_DINODE_SIZE, 0,
			    stuffed_max(ip->fs));
			cache_put(bh);
			ip->height = 0;
		}
	}
	if (error == 0) {
		ip->diskflags &= ~(uint32_t)GFS2_DIF_TRUNC_IN_PROG;
		error = inode_update(ip);
	}
	trans_end(ip->fs);
	return error;
}

int
bmap_resume_truncate(struct ginode *ip)
{
	struct gfs *fs = ip->fs;
	int error;

	error = bmap_free_from(ip, (ip->size + fs->bsize - 1) >> fs->bshift);
	if (error == 0)
		error = trunc_end(ip);
	return error;
}

/* T1 */
static int
shrink(struct ginode *ip, uint64_t size)
{
	struct gfs *fs = ip->fs;
	int error;

	error = trans_begin(fs, TR_DINODE + 1, 0);
	if (error != 0)
		return error;
	error = file_zero_tail(ip, size);
	if (error == 0) {
		ip->size = size;
		inode_touch(ip, true);
		if (ip->height > 0)
			ip->diskflags |= GFS2_DIF_TRUNC_IN_PROG;
		error = inode_update(ip);
	}
	trans_end(fs);
	if (error == 0 && ip->height > 0)
		error = bmap_resume_truncate(ip);
	return error;
}

static int
grow(struct ginode *ip, uint64_t size)
{
	struct gfs *fs = ip->fs;
	bool unstuff = ip->height == 0 && size > stuffed_max(fs);
	struct rgrp_hold h;
	unsigned blocks = TR_DINODE + 1;
	int error = 0;

	memset(&h, 0, sizeof(h));
	if (unstuff && ip->size > 0) {
		error = rgrp_reserve(fs, ip, 1, &h);
		if (error != 0)
			return error;
		blocks += rgrp_log_blocks(&h, 1) + 1;
		ip->res = &h;
	}
	error = trans_begin(fs, blocks, 0);
	if (error == 0) {
		/* What lies behind the old end must read as zeroes. */
		error = file_zero_tail(ip, ip->size);
		if (error == 0 && unstuff)
			error = bmap_unstuff(ip);
		if (error == 0) {
			ip->size = size;
			inode_touch(ip, true);
			error = inode_update(ip);
		}
		trans_end(fs);
	}
	ip->res = NULL;
	rgrp_release(&h);
	return error;
}

/* In the inode's lock; takes as many transactions as it needs. */
int
bmap_truncate(struct ginode *ip, uint64_t size)
{
	struct gfs *fs = ip->fs;
	uint64_t blocks = bmap_capacity(fs, fs->max_height);

	if (size > INT64_MAX ||
	    (size > 0 && (size - 1) >> fs->bshift >= blocks))
		return EFBIG;
	return size > ip->size ? grow(ip, size) : shrink(ip, size);
}
