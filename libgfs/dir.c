/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Directories: finding, adding and removing names.
 *
 * A linear directory has its records behind the dinode.  A hashed one has
 * them in leaves, and dir_hash.c says in which.  The caller holds the inode
 * lock, and for changes is inside a transaction.
 */

#include <dirent.h>
#include <errno.h>

#include "ops.h"

/* Where a record is: its block, and the record as found there. */
struct place {
	struct bh *bh;
	struct dent d;
	unsigned start; /* of the records in the block */
	bool leaf;
};

static int
bad_records(struct ginode *dip, const struct bh *bh, enum od_error od)
{
	return fs_corrupt(dip->fs, bh->blkno, "directory %llu: record: %s",
	    (unsigned long long)dip->addr, od_strerror(od));
}

/* What to look for in one block of records. */
typedef enum od_error (*look)(const uint8_t *, unsigned, unsigned,
    const struct dname *, struct dent *, bool *);

static enum od_error
look_room(const uint8_t *blk, unsigned start, unsigned end,
    const struct dname *name, struct dent *d, bool *found)
{
	return dirent_room(blk, start, end, dirent_need(name->len), d, found);
}

/* Through the chain of leaves for the name's hash.  ENOENT: nowhere. */
static int
look_leaves(struct ginode *dip, const struct dname *name, look fn,
    struct place *pl)
{
	uint64_t leaf, limit = dip->blocks;
	struct leaf_hdr lf;
	enum od_error od;
	bool found;
	int error;

	error = dir_leaf_of(dip, name->hash, &leaf);
	if (error != 0)
		return error;
	pl->start = OD_LEAF_SIZE;
	pl->leaf = true;
	for (; leaf != 0; leaf = lf.next) {
		error = dir_leaf(dip, leaf, &pl->bh, &lf);
		if (error != 0)
			return error;
		od = fn(pl->bh->data, pl->start, dip->fs->bsize, name, &pl->d,
		    &found);
		if (od == OD_OK && found)
			return 0;
		if (od != OD_OK)
			error = bad_records(dip, pl->bh, od);
		else if (limit-- == 0)
			error = fs_corrupt(dip->fs, leaf,
			    "directory %llu: chain of leaves is a loop",
			    (unsigned long long)dip->addr);
		cache_put(pl->bh);
		pl->bh = NULL;
		if (error != 0)
			return error;
	}
	return ENOENT;
}

static int
look_for(struct ginode *dip, const struct dname *name, look fn,
    struct place *pl)
{
	enum od_error od;
	bool found;
	int error;

	memset(pl, 0, sizeof(*pl));
	if (!inode_is(dip, S_IFDIR))
		return ENOTDIR;
	if (dip->diskflags & GFS2_DIF_EXHASH)
		return look_leaves(dip, name, fn, pl);
	if (dip->height != 0)
		return fs_corrupt(dip->fs, dip->addr,
		    "directory: linear, but of height %u", dip->height);
	error = inode_bh(dip, &pl->bh);
	if (error != 0)
		return error;
	pl->start = OD_DINODE_SIZE;
	od = fn(pl->bh->data, pl->start, dip->fs->bsize, name, &pl->d, &found);
	if (od == OD_OK && found)
		return 0;
	error = od == OD_OK ? ENOENT : bad_records(dip, pl->bh, od);
	cache_put(pl->bh);
	pl->bh = NULL;
	return error;
}

int
dir_search(struct ginode *dip, const struct dname *name, struct dir_entry *de)
{
	struct place pl;
	int error;

	error = look_for(dip, name, dirent_find, &pl);
	if (error != 0)
		return error;
	/* What it leads to is checked here, once for all who follow it. */
	de->num = pl.d.h.num;
	de->type = pl.d.h.type;
	if (!rgrp_block_ok(dip->fs, de->num.addr))
		error = fs_corrupt(dip->fs, pl.bh->blkno,
		    "directory %llu: record leads to block %llu",
		    (unsigned long long)dip->addr,
		    (unsigned long long)de->num.addr);
	cache_put(pl.bh);
	return error;
}

int
dir_make_room(struct ginode *dip, const struct dname *name)
{
	struct place pl;
	int error, steps;

	/*
	 * Hashing once, then every level of depth at most one doubling and
	 * one split, then a leaf in a chain.
	 */
	for (steps = 0; steps < 3 * GFS2_DIR_MAX_DEPTH; steps++) {
		error = look_for(dip, name, look_room, &pl);
		if (error == 0) {
			cache_put(pl.bh);
			return 0;
		}
		if (error == ENOENT)
			error = dir_grow(dip, name->hash);
		if (error != 0)
			return error;
	}
	return fs_corrupt(dip->fs, dip->addr,
	    "directory: does not grow by splitting its leaves");
}

/* The leaf's count of records and its time of change. */
static int
leaf_changed(struct ginode *dip, struct place *pl, int entries)
{
	struct timespec now = inode_now(dip->fs);
	struct leaf_hdr lf;
	enum od_error od;

	if (!pl->leaf)
		return 0;
	od = leaf_decode(&lf, pl->bh->data, dip->fs->bsize);
	if (od != OD_OK || (entries < 0 && lf.entries == 0))
		return bad_records(dip, pl->bh, od != OD_OK ? od : OD_COUNT);
	lf.entries = (uint16_t)(lf.entries + entries);
	lf.sec = (uint64_t)now.tv_sec;
	lf.nsec = (uint32_t)now.tv_nsec;
	leaf_encode(&lf, pl->bh->data);
	return 0;
}

/*
 * The room is looked for again: it is where dir_make_room() saw it, since the
 * lock was kept, but a position would not survive in a buffer let go.
 */
int
dir_add(struct ginode *dip, const struct dname *name, const struct inum *num,
    uint32_t mode)
{
	struct place pl;
	int error;

	error = look_for(dip, name, look_room, &pl);
	if (error != 0)
		return error;
	trans_add_meta(pl.bh);
	dirent_put(pl.bh->data, &pl.d, name, num, IFTODT(mode));
	error = leaf_changed(dip, &pl, 1);
	cache_put(pl.bh);
	if (error != 0)
		return error;
	dip->entries++;
	inode_touch(dip, true);
	return inode_update(dip);
}

int
dir_remove(struct ginode *dip, const struct dname *name)
{
	struct place pl;
	int error;

	error = look_for(dip, name, dirent_find, &pl);
	if (error != 0)
		return error;
	trans_add_meta(pl.bh);
	dirent_del(pl.bh->data, &pl.d);
	error = leaf_changed(dip, &pl, -1);
	cache_put(pl.bh);
	if (error == 0 && dip->entries == 0)
		error = fs_corrupt(dip->fs, dip->addr,
		    "directory: more records than it counts");
	if (error != 0)
		return error;
	dip->entries--;
	inode_touch(dip, true);
	return inode_update(dip);
}

/* In place: neither the record's size nor the count of names changes. */
int
dir_retarget(struct ginode *dip, const struct dname *name,
    const struct inum *num, uint32_t mode)
{
	struct place pl;
	int error;

	error = look_for(dip, name, dirent_find, &pl);
	if (error != 0)
		return error;
	trans_add_meta(pl.bh);
	dirent_retarget(pl.bh->data, &pl.d, num, IFTODT(mode));
	error = leaf_changed(dip, &pl, 0);
	cache_put(pl.bh);
	if (error != 0)
		return error;
	inode_touch(dip, true);
	return inode_update(dip);
}

void
dir_init(struct ginode *dip, struct bh *bh, const struct inum *parent)
{
	struct inum self = { .formal = dip->formal, .addr = dip->addr };
	struct dname dot, dotdot;
	struct dent room;
	bool found;

	if (dname_init(&dot, ".") != 0 || dname_init(&dotdot, "..") != 0)
		ASSERT(false);
	dirent_clear(bh->data, OD_DINODE_SIZE, dip->fs->bsize);
	dirent_room(bh->data, OD_DINODE_SIZE, dip->fs->bsize, 0, &room, &found);
	dirent_put(bh->data, &room, &dot, &self, DT_DIR);
	dirent_room(bh->data, OD_DINODE_SIZE, dip->fs->bsize,
	    dirent_need(dotdot.len), &room, &found);
	dirent_put(bh->data, &room, &dotdot, parent, DT_DIR);
	dip->entries = 2;
	dip->size = stuffed_max(dip->fs);
	dip->payload_format = GFS2_FORMAT_DE;
	dip->diskflags |= GFS2_DIF_JDATA;
}
