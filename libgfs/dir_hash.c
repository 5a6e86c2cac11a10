/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Hashed directories: the table of leaves, and the ways to grow it.
 *
 * The table has 2^depth slots; a name belongs to the slot that the top bits
 * of its hash select.  A leaf of depth d serves the 2^(depth - d) slots that
 * share its first d bits, in a row.
 *
 * H1  every slot names a leaf whose depth is at most the directory's;
 * H2  size is 8 << depth; the table lies behind the dinode while it fits
 *     there, and else in blocks with a header each, part of the metadata.
 *
 * Each step to make room (hash a linear directory, split a leaf, double the
 * table, chain a leaf) is a transaction of its own after which the directory
 * is whole.  So adding a name never needs more than one leaf, and a crash
 * leaves at worst some room that nobody has used yet.
 */

#include <errno.h>

#include "ops.h"

static bool
table_stuffed(const struct ginode *dip)
{
	return dip->height == 0;
}

static int
table_corrupt(struct ginode *dip, const char *what)
{
	return fs_corrupt(dip->fs, dip->addr, "directory: %s", what);
}

/* The block of the table with this slot, and the slot's place in it. */
static int
table_block(struct ginode *dip, uint32_t slot, struct bh **out, unsigned *off,
    unsigned *left)
{
	struct gfs *fs = dip->fs;
	uint64_t byte = (uint64_t)slot * 8;
	struct extent ext;
	int error;

	if (dip->depth > GFS2_DIR_MAX_DEPTH || slot >> dip->depth != 0 ||
	    dip->size != 8ull << dip->depth)
		return table_corrupt(dip, "size of the hash table");
	if (table_stuffed(dip)) {
		if (dip->size > stuffed_max(fs))
			return table_corrupt(dip, "hash table is cut short");
		*off = OD_DINODE_SIZE + (unsigned)byte;
		*left = (1u << dip->depth) - slot;
		return inode_bh(dip, out);
	}
	error = bmap_map(dip, byte / fs->jbsize, 1, false, &ext);
	if (error != 0)
		return error;
	if (ext.blkno == 0)
		return table_corrupt(dip, "hole in the hash table");
	*off = OD_META_SIZE + (unsigned)(byte % fs->jbsize);
	*left = (fs->bsize - *off) / 8;
	return cache_read_meta(dip->gl, ext.blkno, GFS2_METATYPE_JD, out);
}

int
dir_table_get(struct ginode *dip, uint32_t slot, uint64_t *leaf)
{
	struct bh *bh;
	unsigned off, left;
	int error;

	error = table_block(dip, slot, &bh, &off, &left);
	if (error != 0)
		return error;
	*leaf = od_get64(bh->data + off);
	cache_put(bh);
	return 0;
}

int
dir_table_set(struct ginode *dip, uint32_t slot, uint32_t n, uint64_t leaf)
{
	struct bh *bh;
	unsigned off, left;
	int error;

	while (n > 0) {
		error = table_block(dip, slot, &bh, &off, &left);
		if (error != 0)
			return error;
		trans_add_meta(bh);
		for (; left > 0 && n > 0; left--, n--, slot++, off += 8)
			od_put64(bh->data + off, leaf);
		cache_put(bh);
	}
	return 0;
}

unsigned
dir_table_blocks(const struct ginode *dip, uint32_t n)
{
	return n * 8 / dip->fs->jbsize + 2;
}

int
dir_leaf(struct ginode *dip, uint64_t blkno, struct bh **out,
    struct leaf_hdr *lf)
{
	enum od_error od;
	int error;

	if (!rgrp_block_ok(dip->fs, blkno))
		return fs_corrupt(dip->fs, dip->addr,
		    "directory: pointer to leaf %llu, which holds no file",
		    (unsigned long long)blkno);
	error = cache_read_meta(dip->gl, blkno, GFS2_METATYPE_LF, out);
	if (error != 0)
		return error;
	od = leaf_decode(lf, (*out)->data, dip->fs->bsize);
	if (od != OD_OK || lf->depth > dip->depth ||
	    (lf->inode != 0 && lf->inode != dip->addr)) {
		cache_put(*out);
		return fs_corrupt(dip->fs, blkno, "leaf of directory %llu: %s",
		    (unsigned long long)dip->addr,
		    od != OD_OK ?
			od_strerror(od) :
			"its depth or its owner is not the directory's");
	}
	return 0;
}

static uint32_t
slot_of(const struct ginode *dip, uint32_t hash)
{
	return dip->depth == 0 ? 0 : hash >> (32 - dip->depth);
}

int
dir_leaf_of(struct ginode *dip, uint32_t hash, uint64_t *leaf)
{
	return dir_table_get(dip, slot_of(dip, hash), leaf);
}

static int
leaf_new(struct ginode *dip, struct leaf_hdr *lf, struct bh **out)
{
	struct timespec now = inode_now(dip->fs);
	uint64_t blkno;
	unsigned n = 1;
	int error;

	error = rgrp_alloc_blocks(dip->res, dip, dip->goal, &n, &blkno);
	if (error == 0)
		error = meta_new(dip, blkno, GFS2_METATYPE_LF, out);
	if (error != 0)
		return error;
	/* Depth and count are for the caller to set. */
	memset(lf, 0, sizeof(*lf));
	lf->dirent_format = GFS2_FORMAT_DE;
	lf->inode = dip->addr;
	lf->dist = 1;
	lf->sec = (uint64_t)now.tv_sec;
	lf->nsec = (uint32_t)now.tv_nsec;
	leaf_encode(lf, (*out)->data);
	dirent_clear((*out)->data, OD_LEAF_SIZE, dip->fs->bsize);
	return 0;
}

/* A linear directory becomes a hashed one with a single leaf. */
static int
convert(struct ginode *dip, uint32_t hash)
{
	struct gfs *fs = dip->fs;
	struct leaf_hdr lf;
	struct bh *dibh, *bh;
	unsigned depth = 0, i;
	enum od_error od;
	int error;

	error = inode_bh(dip, &dibh);
	if (error != 0)
		return error;
	error = leaf_new(dip, &lf, &bh);
	if (error != 0) {
		cache_put(dibh);
		return error;
	}
	trans_add_meta(dibh);
	memcpy(bh->data + OD_LEAF_SIZE, dibh->data + OD_DINODE_SIZE,
	    stuffed_max(fs));
	/* The leaf has more room than the dinode had. */
	od = dirent_stretch(bh->data, OD_LEAF_SIZE,
	    OD_LEAF_SIZE + stuffed_max(fs), OD_DINODE_SIZE - OD_LEAF_SIZE);
	lf.entries = (uint16_t)dip->entries;
	leaf_encode(&lf, bh->data);
	memset(dibh->data + OD_DINODE_SIZE, 0, stuffed_max(fs));
	for (i = 0; i < fs->hash_ptrs; i++)
		od_put64(dibh->data + OD_DINODE_SIZE + i * 8, bh->blkno);
	while (1u << depth < fs->hash_ptrs)
		depth++;
	dip->size = (uint64_t)fs->hash_ptrs * 8;
	dip->depth = (uint16_t)depth;
	dip->diskflags |= GFS2_DIF_EXHASH;
	dip->payload_format = 0;
	cache_put(bh);
	cache_put(dibh);
	if (od != OD_OK)
		return fs_corrupt(fs, dip->addr, "directory: %s",
		    od_strerror(od));
	return inode_update(dip);
}

/*
 * Half of the slots that a leaf serves go to a new one, with the names that
 * belong there.  The new leaf is the lower half.
 */
static int
split(struct ginode *dip, uint32_t hash)
{
	struct gfs *fs = dip->fs;
	struct leaf_hdr olf, nlf;
	struct bh *obh, *nbh = NULL;
	uint64_t leaf;
	uint32_t len, start, divider;
	unsigned moved;
	enum od_error od;
	int error;

	error = dir_leaf_of(dip, hash, &leaf);
	if (error == 0)
		error = dir_leaf(dip, leaf, &obh, &olf);
	if (error != 0)
		return error;
	len = 1u << (dip->depth - olf.depth);
	start = slot_of(dip, hash) & ~(len - 1);
	divider = (start + len / 2) << (32 - dip->depth);
	error = leaf_new(dip, &nlf, &nbh);
	if (error == 0) {
		trans_add_meta(obh);
		/* All may go one way; then the next round splits again. */
		od = dirent_split(obh->data, nbh->data, OD_LEAF_SIZE, fs->bsize,
		    divider, &moved);
		if (od != OD_OK || moved > olf.entries)
			error = fs_corrupt(fs, leaf, "leaf: %s",
			    od_strerror(od != OD_OK ? od : OD_COUNT));
	}
	if (error == 0) {
		olf.depth++;
		nlf.depth = olf.depth;
		nlf.entries = (uint16_t)moved;
		olf.entries = (uint16_t)(olf.entries - moved);
		leaf_encode(&nlf, nbh->data);
		leaf_encode(&olf, obh->data);
		error = dir_table_set(dip, start, len / 2, nbh->blkno);
	}
	if (error == 0)
		error = inode_update(dip);
	cache_put(nbh);
	cache_put(obh);
	return error;
}

/* The whole table, in memory; twice as long, each slot doubled. */
static int
table_read_doubled(struct ginode *dip, uint64_t **out)
{
	uint32_t n = 1u << dip->depth, slot = 0;
	uint64_t *table;
	struct bh *bh;
	unsigned off, left;
	int error;

	table = reallocarray(NULL, n, 2 * sizeof(*table));
	if (table == NULL)
		return ENOMEM;
	while (slot < n) {
		error = table_block(dip, slot, &bh, &off, &left);
		if (error != 0) {
			free(table);
			return error;
		}
		for (; left > 0 && slot < n; left--, slot++, off += 8) {
			table[2 * slot] = od_get64(bh->data + off);
			table[2 * slot + 1] = table[2 * slot];
		}
		cache_put(bh);
	}
	*out = table;
	return 0;
}

/* One block of the table, new or not, from the slots that it holds. */
static int
table_write_block(struct ginode *dip, uint64_t lblk, const uint64_t *slots,
    unsigned n)
{
	struct extent ext;
	struct bh *bh;
	unsigned i;
	int error;

	error = bmap_map(dip, lblk, 1, true, &ext);
	if (error == 0 && ext.new)
		error = meta_new(dip, ext.blkno, GFS2_METATYPE_JD, &bh);
	else if (error == 0)
		error = meta_change(dip, ext.blkno, GFS2_METATYPE_JD, &bh);
	if (error != 0)
		return error;
	for (i = 0; i < n; i++)
		od_put64(bh->data + OD_META_SIZE + i * 8, slots[i]);
	cache_put(bh);
	return 0;
}

static int
table_write(struct ginode *dip, const uint64_t *table, uint32_t n)
{
	struct gfs *fs = dip->fs;
	unsigned each = fs->jbsize / 8;
	struct bh *dibh;
	uint32_t i;
	int error;

	if (table_stuffed(dip)) {
		error = inode_bh(dip, &dibh);
		if (error != 0)
			return error;
		trans_add_meta(dibh);
		memset(dibh->data + OD_DINODE_SIZE, 0, stuffed_max(fs));
		/* From here on the space behind the dinode holds pointers. */
		if ((uint64_t)n * 8 > stuffed_max(fs)) {
			dip->height = 1;
		} else {
			for (i = 0; i < n; i++)
				od_put64(dibh->data + OD_DINODE_SIZE + i * 8,
				    table[i]);
		}
		cache_put(dibh);
		if (table_stuffed(dip))
			return 0;
	}
	for (i = 0; i < n; i += each) {
		error = table_write_block(dip, i / each, table + i,
		    MIN(each, n - i));
		if (error != 0)
			return error;
	}
	return 0;
}

static int
double_table(struct ginode *dip, uint32_t hash)
{
	uint64_t *table;
	int error;

	/* In memory, at most 1 MiB: in place it would overtake itself. */
	error = table_read_doubled(dip, &table);
	if (error != 0)
		return error;
	error = table_write(dip, table, 2u << dip->depth);
	free(table);
	if (error != 0)
		return error;
	dip->depth++;
	dip->size = 8ull << dip->depth;
	return inode_update(dip);
}

/* One more leaf at the end of the chain of this hash. */
static int
chain(struct ginode *dip, uint32_t hash)
{
	struct leaf_hdr lf, nlf;
	struct bh *bh, *nbh;
	uint64_t leaf, limit = dip->blocks;
	int error;

	error = dir_leaf_of(dip, hash, &leaf);
	for (; error == 0; leaf = lf.next) {
		error = dir_leaf(dip, leaf, &bh, &lf);
		if (error != 0)
			return error;
		if (lf.next == 0)
			break;
		cache_put(bh);
		if (limit-- == 0)
			return table_corrupt(dip, "chain of leaves is a loop");
	}
	if (error != 0)
		return error;
	error = leaf_new(dip, &nlf, &nbh);
	if (error == 0) {
		nlf.depth = lf.depth;
		nlf.dist = lf.dist + 1;
		leaf_encode(&nlf, nbh->data);
		trans_add_meta(bh);
		lf.next = nbh->blkno;
		leaf_encode(&lf, bh->data);
		cache_put(nbh);
		error = inode_update(dip);
	}
	cache_put(bh);
	return error;
}

/* Runs one step in a transaction: new blocks, and others that change. */
static int
step(struct ginode *dip, uint32_t hash, unsigned nnew, unsigned nold,
    int (*fn)(struct ginode *, uint32_t))
{
	struct gfs *fs = dip->fs;
	struct rgrp_hold h;
	int error;

	error = rgrp_reserve(fs, dip, nnew, &h);
	if (error != 0)
		return error;
	error = trans_begin(fs,
	    rgrp_log_blocks(&h, nnew) + nnew + nold + TR_DINODE, 0);
	if (error == 0) {
		dip->res = &h;
		error = fn(dip, hash);
		dip->res = NULL;
		trans_end(fs);
	}
	rgrp_release(&h);
	return error;
}

int
dir_grow(struct ginode *dip, uint32_t hash)
{
	struct leaf_hdr lf;
	struct bh *bh;
	uint64_t leaf, have, want;
	int error;

	if ((dip->diskflags & GFS2_DIF_EXHASH) == 0)
		return step(dip, hash, 1, 0, convert);
	error = dir_leaf_of(dip, hash, &leaf);
	if (error == 0)
		error = dir_leaf(dip, leaf, &bh, &lf);
	if (error != 0)
		return error;
	cache_put(bh);
	/* A chain is never split: its names would not be looked for. */
	if (lf.next != 0)
		return step(dip, hash, 1, 1, chain);
	if (lf.depth < dip->depth)
		return step(dip, hash, 1,
		    1 + dir_table_blocks(dip, 1u << (dip->depth - lf.depth)),
		    split);
	if (dip->depth >= GFS2_DIR_MAX_DEPTH)
		return step(dip, hash, 1, 1, chain);
	want = (16ull << dip->depth) / dip->fs->jbsize + 1;
	have = table_stuffed(dip) ?
	    0 :
	    (dip->size + dip->fs->jbsize - 1) / dip->fs->jbsize;
	return step(dip, hash, bmap_need(dip, have, want - have),
	    (unsigned)have + dip->height, double_table);
}
