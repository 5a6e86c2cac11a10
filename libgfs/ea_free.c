/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Freeing the extended attributes of an inode that goes away.
 *
 * The dinode leads to one attribute block, or to an indirect block of them.
 * A record in an attribute block may lead to value blocks.  Each block goes
 * in a transaction that also clears the pointer to it, so a crash at any
 * point leaves something that the next deleter understands.
 */

#include <errno.h>

#include "ops.h"

enum {
	EA_HEADER = 16,
	EA_ALIGN = 8
};

/* A pointer in a block, to be cleared. */
struct ea_ptr {
	struct bh *bh;
	unsigned off;
};

static int
clear_ptr(struct ginode *ip, void *arg)
{
	struct ea_ptr *p = arg;

	trans_add_meta(p->bh);
	od_put64(p->bh->data + p->off, 0);
	return 0;
}

static int
clear_eattr(struct ginode *ip, void *arg)
{
	ip->eattr = 0;
	ip->diskflags &= ~(uint32_t)GFS2_DIF_EA_INDIRECT;
	return 0;
}

static int
ea_corrupt(struct ginode *ip, const struct bh *bh, const char *what)
{
	return fs_corrupt(ip->fs, bh->blkno,
	    "extended attributes of inode %llu: %s",
	    (unsigned long long)ip->addr, what);
}

/* The value blocks of one record. */
static int
free_values(struct ginode *ip, struct bh *bh, unsigned off, unsigned name_len,
    unsigned num_ptrs)
{
	struct ea_ptr p = { .bh = bh };
	unsigned i;
	uint64_t ptr;
	int error;

	off += EA_HEADER + ((name_len + EA_ALIGN - 1) & ~(EA_ALIGN - 1u));
	for (i = num_ptrs; i-- > 0;) {
		p.off = off + i * 8;
		ptr = od_get64(bh->data + p.off);
		if (ptr == 0)
			continue;
		error = bmap_check_ptr(ip, bh->blkno, ptr);
		if (error == 0)
			error = bmap_free_one(ip, ptr, 1, clear_ptr, &p);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Walks the records of one attribute block, which tile it. */
static int
free_records(struct ginode *ip, struct bh *bh)
{
	unsigned off = OD_META_SIZE, left, rec_len, name_len, num_ptrs, type;
	const uint8_t *p;
	int error;

	while (off < ip->fs->bsize) {
		left = ip->fs->bsize - off;
		p = bh->data + off;
		if (left < EA_HEADER)
			return ea_corrupt(ip, bh, "record is cut short");
		/* Every length is checked against what is left of the block. */
		rec_len = od_get32(p);
		name_len = p[8];
		type = p[9];
		num_ptrs = p[11];
		if (rec_len < EA_HEADER || rec_len > left)
			return ea_corrupt(ip, bh, "length of a record");
		if (type != GFS2_EATYPE_UNUSED && num_ptrs != 0) {
			if (EA_HEADER + name_len + EA_ALIGN + num_ptrs * 8 >
			    rec_len + EA_ALIGN)
				return ea_corrupt(ip, bh,
				    "pointers of a record");
			error = free_values(ip, bh, off, name_len, num_ptrs);
			if (error != 0)
				return error;
		}
		if (p[10] & GFS2_EAFLAG_LAST)
			break;
		off += rec_len;
	}
	return 0;
}

static int
free_block(struct ginode *ip, uint64_t blkno)
{
	struct bh *bh;
	int error;

	error = bmap_check_ptr(ip, ip->addr, blkno);
	if (error == 0)
		error = cache_read_meta(ip->gl, blkno, GFS2_METATYPE_EA, &bh);
	if (error != 0)
		return error;
	error = free_records(ip, bh);
	cache_put(bh);
	return error;
}

static int
free_indirect(struct ginode *ip)
{
	struct ea_ptr p;
	unsigned i;
	uint64_t ptr;
	int error;

	error = bmap_check_ptr(ip, ip->addr, ip->eattr);
	if (error == 0)
		error =
		    cache_read_meta(ip->gl, ip->eattr, GFS2_METATYPE_IN, &p.bh);
	if (error != 0)
		return error;
	for (i = ip->fs->inptrs; i-- > 0 && error == 0;) {
		p.off = bmap_ptr_off(1, i);
		ptr = od_get64(p.bh->data + p.off);
		if (ptr == 0)
			continue;
		error = free_block(ip, ptr);
		if (error == 0)
			error = bmap_free_one(ip, ptr, 1, clear_ptr, &p);
	}
	cache_put(p.bh);
	return error;
}

int
ea_free(struct ginode *ip)
{
	int error;

	if (ip->eattr == 0)
		return 0;
	if (ip->diskflags & GFS2_DIF_EA_INDIRECT)
		error = free_indirect(ip);
	else
		error = free_block(ip, ip->eattr);
	if (error == 0)
		error = bmap_free_one(ip, ip->eattr, 0, clear_eattr, NULL);
	return error;
}
