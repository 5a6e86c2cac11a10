/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Reading directories in an order that survives changes, and taking a dead
 * one apart.
 *
 * A cookie is (hash of the name << 31 | a second hash of it), so an entry
 * keeps its place however its directory is split or compacted, and names
 * whose first hashes collide are still told apart.  Leaves are visited in
 * the order of the table, which is the order of the hash; within a chain the
 * records are sorted.
 */

#include <errno.h>

#include "ops.h"

#define COOKIE_LOW   31
#define ITEMS_MAX    (1u << 20)
#define ITEMS_GROWTH 64u

struct item {
	uint64_t key;
	struct inum num;
	unsigned type;
	char name[GFS2_FNAMESIZE + 1];
};

struct items {
	struct item *v;
	unsigned n, cap;
};

/* FNV-1a: anything that is independent of crc32 does. */
static uint32_t
second_hash(const char *s, unsigned len)
{
	uint32_t h = 2166136261u;
	unsigned i;

	for (i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * 16777619u;
	return h >> 1;
}

static int
item_cmp(const void *va, const void *vb)
{
	const struct item *a = va, *b = vb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int
items_add(struct items *its, const struct dent *d)
{
	struct item *it;

	if (its->n == its->cap) {
		if (its->cap >= ITEMS_MAX)
			return EFBIG;
		it = reallocarray(its->v, its->cap + ITEMS_GROWTH, sizeof(*it));
		if (it == NULL)
			return ENOMEM;
		its->v = it;
		its->cap += ITEMS_GROWTH;
	}
	it = &its->v[its->n++];
	it->key = (uint64_t)d->h.hash << COOKIE_LOW |
	    second_hash(d->name, d->h.name_len);
	it->num = d->h.num;
	it->type = d->h.type;
	memcpy(it->name, d->name, d->h.name_len);
	it->name[d->h.name_len] = '\0';
	return 0;
}

/* All records of one block. */
static int
items_load(struct ginode *dip, const struct bh *bh, unsigned start,
    struct items *its)
{
	struct dirent_it it;
	struct dent d;
	int error;

	dirent_it_init(&it, bh->data, start, dip->fs->bsize);
	while (dirent_it_next(&it, &d)) {
		if (d.h.num.addr == 0)
			continue;
		error = items_add(its, &d);
		if (error != 0)
			return error;
	}
	if (it.err != OD_OK)
		return fs_corrupt(dip->fs, bh->blkno,
		    "directory %llu: record: %s", (unsigned long long)dip->addr,
		    od_strerror(it.err));
	return 0;
}

/* Hands the items out from the cookie on; *more: not refused. */
static void
items_emit(struct items *its, uint64_t cookie,
    bool (*fn)(void *, const struct gfs_dirent *), void *arg, bool *more)
{
	struct gfs_dirent de;
	unsigned i;

	if (its->n > 0)
		qsort(its->v, its->n, sizeof(*its->v), item_cmp);
	for (i = 0; i < its->n && *more; i++) {
		if (its->v[i].key < cookie)
			continue;
		de.name = its->v[i].name;
		de.ino = its->v[i].num.addr;
		de.gen = its->v[i].num.formal;
		de.type = its->v[i].type;
		de.next = its->v[i].key;
		/* Twins in both hashes stay together. */
		if (i + 1 == its->n || its->v[i + 1].key != its->v[i].key)
			de.next++;
		*more = fn(arg, &de);
	}
	its->n = 0;
}

/* The chain of leaves for a slot; *len: how many slots it serves. */
static int
load_chain(struct ginode *dip, uint32_t slot, struct items *its, uint32_t *len)
{
	uint64_t leaf, limit = dip->blocks;
	struct leaf_hdr lf;
	struct bh *bh;
	int error;

	*len = 0;
	error = dir_table_get(dip, slot, &leaf);
	for (; error == 0 && (leaf != 0 || *len == 0); leaf = lf.next) {
		error = dir_leaf(dip, leaf, &bh, &lf);
		if (error != 0)
			return error;
		if (*len == 0)
			*len = 1u << (dip->depth - lf.depth);
		error = items_load(dip, bh, OD_LEAF_SIZE, its);
		cache_put(bh);
		if (error == 0 && limit-- == 0)
			error = fs_corrupt(dip->fs, leaf,
			    "directory %llu: chain of leaves is a loop",
			    (unsigned long long)dip->addr);
	}
	return error;
}

/* From the slot of the cookie on; earlier ones cannot hold its hash. */
static int
read_hashed(struct ginode *dip, uint64_t cookie,
    bool (*fn)(void *, const struct gfs_dirent *), void *arg, struct items *its)
{
	uint32_t slots, len, slot;
	bool more = true;
	int error = 0;

	if (dip->depth == 0 || dip->depth > GFS2_DIR_MAX_DEPTH)
		return fs_corrupt(dip->fs, dip->addr, "directory: depth %u",
		    dip->depth);
	slots = 1u << dip->depth;
	slot = (uint32_t)(cookie >> COOKIE_LOW) >> (32 - dip->depth);
	while (slot < slots && more && error == 0) {
		error = load_chain(dip, slot, its, &len);
		if (error == 0) {
			items_emit(its, cookie, fn, arg, &more);
			slot = (slot & ~(len - 1)) + len;
		}
	}
	return error;
}

int
gfs_readdir(struct ginode *dip, uint64_t cookie,
    bool (*fn)(void *arg, const struct gfs_dirent *), void *arg)
{
	struct items its = { NULL, 0, 0 };
	struct gholder gh;
	struct bh *bh;
	bool more = true;
	int error;

	/* One past the last possible entry: the end was reached. */
	if (cookie >> (32 + COOKIE_LOW) != 0)
		return 0;
	error = inode_lock(dip, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	if (!inode_is(dip, S_IFDIR)) {
		error = ENOTDIR;
	} else if (dip->diskflags & GFS2_DIF_EXHASH) {
		error = read_hashed(dip, cookie, fn, arg, &its);
	} else {
		error = inode_bh(dip, &bh);
		if (error == 0) {
			error = items_load(dip, bh, OD_DINODE_SIZE, &its);
			cache_put(bh);
		}
		if (error == 0)
			items_emit(&its, cookie, fn, arg, &more);
	}
	glock_release(&gh);
	free(its.v);
	return error;
}

/* What to clear when a leaf is freed. */
struct dead_leaf {
	uint64_t leaf;
	uint64_t next;
	uint32_t slot, len;
	bool last;
};

/* The second leaf of a chain goes: the first leads past it. */
static int
clear_next(struct ginode *dip, void *arg)
{
	struct dead_leaf *dl = arg;
	struct leaf_hdr lf;
	struct bh *bh;
	int error;

	error = dir_leaf(dip, dl->leaf, &bh, &lf);
	if (error != 0)
		return error;
	trans_add_meta(bh);
	lf.next = dl->next;
	leaf_encode(&lf, bh->data);
	cache_put(bh);
	return 0;
}

/*
 * The first leaf of a chain goes, with its slots.  With the last one the
 * directory becomes a file, or a crash from here on would make somebody look
 * for leaves again.
 */
static int
clear_slots(struct ginode *dip, void *arg)
{
	struct dead_leaf *dl = arg;
	int error;

	error = dir_table_set(dip, dl->slot, dl->len, 0);
	if (error == 0 && dl->last)
		dip->mode = S_IFREG | (dip->mode & 07777);
	return error;
}

/* From the second leaf on, so that the slots always lead to a whole chain. */
static int
free_chain(struct ginode *dip, struct dead_leaf *dl)
{
	struct leaf_hdr lf, second;
	struct bh *bh;
	int error;

	for (;;) {
		error = dir_leaf(dip, dl->leaf, &bh, &lf);
		if (error != 0)
			return error;
		cache_put(bh);
		if (lf.next == 0)
			break;
		error = dir_leaf(dip, lf.next, &bh, &second);
		if (error != 0)
			return error;
		cache_put(bh);
		dl->next = second.next;
		error = bmap_free_one(dip, lf.next, 1, clear_next, dl);
		if (error != 0)
			return error;
	}
	dl->len = 1u << (dip->depth - lf.depth);
	if (dl->slot % dl->len != 0)
		return fs_corrupt(dip->fs, dl->leaf,
		    "directory %llu: leaf begins at slot %u",
		    (unsigned long long)dip->addr, dl->slot);
	dl->last = dl->slot + dl->len == 1u << dip->depth;
	return bmap_free_one(dip, dl->leaf, dir_table_blocks(dip, dl->len),
	    clear_slots, dl);
}

int
dir_dealloc(struct ginode *dip)
{
	struct dead_leaf dl = { .slot = 0 };
	int error;

	if ((dip->diskflags & GFS2_DIF_EXHASH) == 0)
		return 0;
	if (dip->depth > GFS2_DIR_MAX_DEPTH)
		return fs_corrupt(dip->fs, dip->addr, "directory: depth %u",
		    dip->depth);
	while (dl.slot < 1u << dip->depth) {
		error = dir_table_get(dip, dl.slot, &dl.leaf);
		if (error != 0)
			return error;
		dl.len = 1;
		if (dl.leaf != 0) {
			error = free_chain(dip, &dl);
			if (error != 0)
				return error;
		}
		dl.slot += dl.len;
	}
	if (!inode_is(dip, S_IFDIR))
		return 0;
	/* Its last slots were empty: a crash came between. */
	error = trans_begin(dip->fs, TR_DINODE, 0);
	if (error == 0) {
		dip->mode = S_IFREG | (dip->mode & 07777);
		error = inode_update(dip);
		trans_end(dip->fs);
	}
	return error;
}
