/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Decoding and encoding of the on-disk structures, see ondisk.h.
 *
 * Invariants
 *	O1  a decoder reads only bytes it was given (the cursor enforces it);
 *	O2  a decoder that returns OD_OK leaves counts and lengths that fit the
 *	    block size, so that loops over them need no further bounds;
 *	O3  encoding what was decoded changes no meaningful byte.
 */

#include <sys/stat.h>

#include "buf.h"
#include "ondisk.h"

#define AT(type, member, off)                                                  \
	_Static_assert(offsetof(struct type, member) == (off), #member)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

SIZE(gfs2_meta_header, OD_META_SIZE);
AT(gfs2_meta_header, mh_format, 16);
AT(gfs2_meta_header, mh_jid, 20);
SIZE(gfs2_sb, OD_SB_SIZE);
AT(gfs2_sb, sb_fs_format, 24);
AT(gfs2_sb, sb_bsize, 36);
AT(gfs2_sb, sb_master_dir, 48);
AT(gfs2_sb, sb_root_dir, 80);
AT(gfs2_sb, sb_lockproto, 96);
AT(gfs2_sb, sb_locktable, 160);
AT(gfs2_sb, sb_uuid, 256);
SIZE(gfs2_rindex, OD_RINDEX_SIZE);
AT(gfs2_rindex, ri_data0, 16);
AT(gfs2_rindex, ri_bitbytes, 28);
SIZE(gfs2_rgrp, OD_RGRP_SIZE);
AT(gfs2_rgrp, rg_flags, 24);
AT(gfs2_rgrp, rg_igeneration, 40);
AT(gfs2_rgrp, rg_data0, 48);
AT(gfs2_rgrp, rg_crc, 64);
SIZE(gfs2_dinode, OD_DINODE_SIZE);
AT(gfs2_dinode, di_mode, 40);
AT(gfs2_dinode, di_size, 56);
AT(gfs2_dinode, di_atime, 72);
AT(gfs2_dinode, di_major, 96);
AT(gfs2_dinode, di_goal_meta, 104);
AT(gfs2_dinode, di_flags, 128);
AT(gfs2_dinode, di_height, 138);
AT(gfs2_dinode, di_depth, 146);
AT(gfs2_dinode, di_entries, 148);
AT(gfs2_dinode, di_eattr, 168);
AT(gfs2_dinode, di_atime_nsec, 176);
SIZE(gfs2_dirent, OD_DIRENT_SIZE);
AT(gfs2_dirent, de_hash, 16);
AT(gfs2_dirent, de_type, 24);
SIZE(gfs2_leaf, OD_LEAF_SIZE);
AT(gfs2_leaf, lf_next, 32);
AT(gfs2_leaf, lf_inode, 40);
AT(gfs2_leaf, lf_sec, 56);
SIZE(gfs2_log_header, OD_LH_SIZE);
AT(gfs2_log_header, lh_sequence, 24);
AT(gfs2_log_header, lh_hash, 44);
AT(gfs2_log_header, lh_crc, 48);
AT(gfs2_log_header, lh_nsec, 52);
AT(gfs2_log_header, lh_addr, 64);
AT(gfs2_log_header, lh_local_total, 96);
SIZE(gfs2_log_descriptor, OD_LD_SIZE);
AT(gfs2_log_descriptor, ld_type, 24);
AT(gfs2_log_descriptor, ld_data1, 32);
SIZE(gfs2_statfs_change, OD_STATFS_SIZE);

enum {
	LH_HASHED = 48, /* bytes under lh_hash */
	LH_HASH_AT = 44,
	LH_CRC_AT = 48,
	LH_CRC_FROM = 52,
	RG_CRC_AT = 64,
	DIRENT_MIN = 48
};

static const struct {
	uint32_t type, format;
	const char *name;
} metas[] = {
	{ GFS2_METATYPE_SB, GFS2_FORMAT_SB, "superblock" },
	{ GFS2_METATYPE_RG, GFS2_FORMAT_RG, "resource group header" },
	{ GFS2_METATYPE_RB, GFS2_FORMAT_RB, "resource group bitmap" },
	{ GFS2_METATYPE_DI, GFS2_FORMAT_DI, "dinode" },
	{ GFS2_METATYPE_IN, GFS2_FORMAT_IN, "indirect block" },
	{ GFS2_METATYPE_LF, GFS2_FORMAT_LF, "directory leaf" },
	{ GFS2_METATYPE_JD, GFS2_FORMAT_JD, "journaled data block" },
	{ GFS2_METATYPE_LH, GFS2_FORMAT_LH, "log header" },
	{ GFS2_METATYPE_LD, GFS2_FORMAT_LD, "log descriptor" },
	{ GFS2_METATYPE_LB, GFS2_FORMAT_LB, "log revoke block" },
	{ GFS2_METATYPE_EA, GFS2_FORMAT_EA, "attribute block" },
	{ GFS2_METATYPE_ED, GFS2_FORMAT_ED, "attribute data block" },
	{ GFS2_METATYPE_QC, GFS2_FORMAT_QC, "quota change block" },
};

const char *
od_strerror(enum od_error e)
{
	static const char *const text[] = {
		[OD_OK] = "no error",
		[OD_SHORT] = "truncated",
		[OD_MAGIC] = "wrong magic number",
		[OD_TYPE] = "metadata of another type",
		[OD_CRC] = "checksum does not match",
		[OD_FORMAT] = "unsupported format number",
		[OD_MULTIHOST] = "unsupported multihost format number",
		[OD_BSIZE] = "impossible block size",
		[OD_PROTO] = "lock protocol or table is not a string",
		[OD_ADDR] = "does not carry its own address",
		[OD_HEIGHT] = "impossible metadata height",
		[OD_DEPTH] = "impossible directory depth",
		[OD_SIZE] = "size does not fit the layout",
		[OD_RECLEN] = "impossible directory record length",
		[OD_NAMELEN] = "impossible name length",
		[OD_COUNT] = "count above what the block can hold",
		[OD_BITMAP] = "resource group geometry contradicts itself",
		[OD_MODE] = "not a known kind of file",
	};

	if ((size_t)e >= NITEMS(text))
		return "unknown error";
	return text[e];
}

const char *
meta_type_name(uint32_t type)
{
	size_t i;

	for (i = 0; i < NITEMS(metas); i++)
		if (metas[i].type == type)
			return metas[i].name;
	return "block of unknown type";
}

void
meta_decode(struct meta *m, const uint8_t *block)
{
	m->magic = od_get32(block);
	m->type = od_get32(block + 4);
	m->format = od_get32(block + 16);
	m->jid = od_get32(block + 20);
}

void
meta_encode(uint8_t *block, uint32_t type, uint32_t jid)
{
	uint32_t format = GFS2_FORMAT_NONE;
	size_t i;

	for (i = 0; i < NITEMS(metas); i++)
		if (metas[i].type == type)
			format = metas[i].format;
	ASSERT(format != GFS2_FORMAT_NONE);
	od_put32(block, GFS2_MAGIC);
	od_put32(block + 4, type);
	od_put64(block + 8, 0);
	od_put32(block + 16, format);
	od_put32(block + 20, jid);
}

enum od_error
meta_check(const uint8_t *block, uint32_t type)
{
	struct meta m;

	meta_decode(&m, block);
	if (m.magic != GFS2_MAGIC)
		return OD_MAGIC;
	if (m.type != type)
		return OD_TYPE;
	return OD_OK;
}

/* A field of fixed width that must hold a string. */
static bool
is_string(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

/* (formal, addr), in this order everywhere. */
static void
get_inum(struct rbuf *b, struct inum *n)
{
	n->formal = rbuf_u64(b);
	n->addr = rbuf_u64(b);
}

enum od_error
sb_decode(struct sb *sb, const uint8_t *data, size_t len)
{
	struct rbuf b;
	enum od_error e;

	if (len < OD_SB_SIZE)
		return OD_SHORT;
	e = meta_check(data, GFS2_METATYPE_SB);
	if (e != OD_OK)
		return e;
	rbuf_init(&b, data, OD_SB_SIZE);
	rbuf_take(&b, OD_META_SIZE);
	sb->fs_format = rbuf_u32(&b);
	sb->multihost = rbuf_u32(&b);
	rbuf_u32(&b);
	sb->bsize = rbuf_u32(&b);
	sb->bshift = rbuf_u32(&b);
	rbuf_u32(&b);
	get_inum(&b, &sb->master);
	rbuf_take(&b, 16);
	get_inum(&b, &sb->root);
	rbuf_bytes(&b, sb->lockproto, sizeof(sb->lockproto));
	rbuf_bytes(&b, sb->locktable, sizeof(sb->locktable));
	rbuf_take(&b, 32);
	rbuf_bytes(&b, sb->uuid, sizeof(sb->uuid));
	if (!rbuf_done(&b))
		return OD_SHORT;
	if (sb->fs_format < 1801 || sb->fs_format > 1802)
		return OD_FORMAT;
	if (sb->multihost != GFS2_FORMAT_MULTI)
		return OD_MULTIHOST;
	if (sb->bsize < OD_BSIZE_MIN || sb->bsize > OD_BSIZE_MAX ||
	    (sb->bsize & (sb->bsize - 1)) != 0 || sb->bshift > 12 ||
	    sb->bsize != 1u << sb->bshift)
		return OD_BSIZE;
	if (!is_string(sb->lockproto, sizeof(sb->lockproto)) ||
	    !is_string(sb->locktable, sizeof(sb->locktable)))
		return OD_PROTO;
	if (sb->master.addr == 0 || sb->root.addr == 0)
		return OD_ADDR;
	return OD_OK;
}

enum od_error
rindex_decode(struct rindex *r, const uint8_t *data, size_t len, uint32_t bsize)
{
	struct rbuf b;
	uint64_t room;

	if (len < OD_RINDEX_SIZE)
		return OD_SHORT;
	rbuf_init(&b, data, OD_RINDEX_SIZE);
	r->addr = rbuf_u64(&b);
	r->length = rbuf_u32(&b);
	rbuf_u32(&b);
	r->data0 = rbuf_u64(&b);
	r->data = rbuf_u32(&b);
	r->bitbytes = rbuf_u32(&b);
	if (r->addr == 0 || r->addr > UINT64_MAX / OD_BSIZE_MAX)
		return OD_ADDR;
	/*
	 * The bitmap must fit its blocks and cover the data exactly, and the
	 * data must follow the bitmap.
	 */
	if (r->length == 0 || r->data == 0 || r->data % GFS2_NBBY != 0 ||
	    r->bitbytes != r->data / GFS2_NBBY ||
	    r->data0 < r->addr + r->length || r->data0 - r->addr > UINT32_MAX)
		return OD_BITMAP;
	room = bsize - OD_RGRP_SIZE +
	    (uint64_t)(r->length - 1) * (bsize - OD_META_SIZE);
	if (r->bitbytes > room)
		return OD_BITMAP;
	return OD_OK;
}

void
rindex_encode(const struct rindex *r, uint8_t *p)
{
	memset(p, 0, OD_RINDEX_SIZE);
	od_put64(p, r->addr);
	od_put32(p + 8, r->length);
	od_put64(p + 16, r->data0);
	od_put32(p + 24, r->data);
	od_put32(p + 28, r->bitbytes);
}

/* The checksum of an rgrp header, with its own field taken as zero. */
static uint32_t
rgrp_crc(const uint8_t *block)
{
	uint8_t copy[OD_RGRP_SIZE];

	memcpy(copy, block, sizeof(copy));
	od_put32(copy + RG_CRC_AT, 0);
	return od_crc32(copy, sizeof(copy));
}

enum od_error
rgrp_decode(struct rgrp_hdr *r, const uint8_t *block)
{
	struct rbuf b;
	enum od_error e;

	e = meta_check(block, GFS2_METATYPE_RG);
	if (e != OD_OK)
		return e;
	rbuf_init(&b, block, OD_RGRP_SIZE);
	rbuf_take(&b, OD_META_SIZE);
	r->flags = rbuf_u32(&b);
	r->free = rbuf_u32(&b);
	r->dinodes = rbuf_u32(&b);
	r->skip = rbuf_u32(&b);
	r->igeneration = rbuf_u64(&b);
	r->data0 = rbuf_u64(&b);
	r->data = rbuf_u32(&b);
	r->bitbytes = rbuf_u32(&b);
	r->crc = rbuf_u32(&b);
	/* Volumes from before the checksum existed carry zero. */
	if (r->crc != 0 && r->crc != rgrp_crc(block))
		return OD_CRC;
	if (r->data != 0 && r->free > r->data)
		return OD_COUNT;
	return OD_OK;
}

/* The reserved bytes are under the checksum and are kept zero. */
void
rgrp_encode(const struct rgrp_hdr *r, uint8_t *p)
{
	meta_encode(p, GFS2_METATYPE_RG, od_get32(p + 20));
	od_put32(p + 24, r->flags);
	od_put32(p + 28, r->free);
	od_put32(p + 32, r->dinodes);
	od_put32(p + 36, r->skip);
	od_put64(p + 40, r->igeneration);
	od_put64(p + 48, r->data0);
	od_put32(p + 56, r->data);
	od_put32(p + 60, r->bitbytes);
	memset(p + RG_CRC_AT, 0, OD_RGRP_SIZE - RG_CRC_AT);
	od_put32(p + RG_CRC_AT, rgrp_crc(p));
}

/* What the fields say about each other; O2. */
static enum od_error
dinode_check(const struct dinode *d, uint32_t bsize, unsigned max_height)
{
	unsigned hash_shift = 0;

	switch (d->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return OD_MODE;
	}
	if (d->height > max_height)
		return OD_HEIGHT;
	if (d->depth > GFS2_DIR_MAX_DEPTH)
		return OD_DEPTH;
	if (d->flags & GFS2_DIF_EXHASH) {
		/* The smallest table fills half a block: bsize / 16 slots. */
		while (1u << hash_shift < bsize / 16)
			hash_shift++;
		if ((d->mode & S_IFMT) != S_IFREG && d->depth < hash_shift)
			return OD_DEPTH;
	}
	if (d->height == 0 && d->size > bsize - OD_DINODE_SIZE)
		return OD_SIZE;
	if (S_ISLNK(d->mode) &&
	    (d->height != 0 || d->size >= bsize - OD_DINODE_SIZE))
		return OD_SIZE;
	return OD_OK;
}

enum od_error
dinode_decode(struct dinode *d, const uint8_t *block, uint32_t bsize,
    uint64_t addr, unsigned max_height)
{
	struct rbuf b;
	enum od_error e;

	e = meta_check(block, GFS2_METATYPE_DI);
	if (e != OD_OK)
		return e;
	rbuf_init(&b, block, OD_DINODE_SIZE);
	rbuf_take(&b, OD_META_SIZE);
	get_inum(&b, &d->num);
	d->mode = rbuf_u32(&b);
	d->uid = rbuf_u32(&b);
	d->gid = rbuf_u32(&b);
	d->nlink = rbuf_u32(&b);
	d->size = rbuf_u64(&b);
	d->blocks = rbuf_u64(&b);
	d->atime = (int64_t)rbuf_u64(&b);
	d->mtime = (int64_t)rbuf_u64(&b);
	d->ctime = (int64_t)rbuf_u64(&b);
	d->major = rbuf_u32(&b);
	d->minor = rbuf_u32(&b);
	d->goal_meta = rbuf_u64(&b);
	d->goal_data = rbuf_u64(&b);
	d->generation = rbuf_u64(&b);
	d->flags = rbuf_u32(&b);
	d->payload_format = rbuf_u32(&b);
	rbuf_u16(&b);
	d->height = rbuf_u16(&b);
	rbuf_u32(&b);
	rbuf_u16(&b);
	d->depth = rbuf_u16(&b);
	d->entries = rbuf_u32(&b);
	rbuf_take(&b, 16);
	d->eattr = rbuf_u64(&b);
	d->atime_nsec = rbuf_u32(&b);
	d->mtime_nsec = rbuf_u32(&b);
	d->ctime_nsec = rbuf_u32(&b);
	if (d->num.addr != addr)
		return OD_ADDR;
	return dinode_check(d, bsize, max_height);
}

/* Only the jid of the header survives from what was there. */
void
dinode_encode(const struct dinode *d, uint8_t *p)
{
	meta_encode(p, GFS2_METATYPE_DI, od_get32(p + 20));
	od_put64(p + 24, d->num.formal);
	od_put64(p + 32, d->num.addr);
	od_put32(p + 40, d->mode);
	od_put32(p + 44, d->uid);
	od_put32(p + 48, d->gid);
	od_put32(p + 52, d->nlink);
	od_put64(p + 56, d->size);
	od_put64(p + 64, d->blocks);
	od_put64(p + 72, (uint64_t)d->atime);
	od_put64(p + 80, (uint64_t)d->mtime);
	od_put64(p + 88, (uint64_t)d->ctime);
	od_put32(p + 96, d->major);
	od_put32(p + 100, d->minor);
	od_put64(p + 104, d->goal_meta);
	od_put64(p + 112, d->goal_data);
	od_put64(p + 120, d->generation);
	od_put32(p + 128, d->flags);
	od_put32(p + 132, d->payload_format);
	od_put16(p + 136, 0);
	od_put16(p + 138, d->height);
	od_put32(p + 140, 0);
	od_put16(p + 144, 0);
	od_put16(p + 146, d->depth);
	od_put32(p + 148, d->entries);
	memset(p + 152, 0, 16);
	od_put64(p + 168, d->eattr);
	od_put32(p + 176, d->atime_nsec);
	od_put32(p + 180, d->mtime_nsec);
	od_put32(p + 184, d->ctime_nsec);
	memset(p + 188, 0, OD_DINODE_SIZE - 188);
}

enum od_error
dirent_decode(struct dirent_hdr *d, const uint8_t *p, size_t left)
{
	struct rbuf b;

	if (left < DIRENT_MIN)
		return OD_SHORT;
	rbuf_init(&b, p, OD_DIRENT_SIZE);
	get_inum(&b, &d->num);
	d->hash = rbuf_u32(&b);
	d->rec_len = rbuf_u16(&b);
	d->name_len = rbuf_u16(&b);
	d->type = rbuf_u16(&b);
	d->rahead = rbuf_u16(&b);
	if (d->rec_len < DIRENT_MIN || d->rec_len % 8 != 0 || d->rec_len > left)
		return OD_RECLEN;
	/* The sentinel has no name; everything else has one that fits. */
	if (d->num.addr != 0 &&
	    (d->name_len == 0 || d->name_len > GFS2_FNAMESIZE ||
		OD_DIRENT_SIZE + d->name_len > d->rec_len))
		return OD_NAMELEN;
	return OD_OK;
}

void
dirent_encode(const struct dirent_hdr *d, uint8_t *p)
{
	od_put64(p, d->num.formal);
	od_put64(p + 8, d->num.addr);
	od_put32(p + 16, d->hash);
	od_put16(p + 20, d->rec_len);
	od_put16(p + 22, d->name_len);
	od_put16(p + 24, d->type);
	od_put16(p + 26, d->rahead);
	memset(p + 28, 0, 12);
}

enum od_error
leaf_decode(struct leaf_hdr *l, const uint8_t *block, uint32_t bsize)
{
	struct rbuf b;
	enum od_error e;

	e = meta_check(block, GFS2_METATYPE_LF);
	if (e != OD_OK)
		return e;
	rbuf_init(&b, block, OD_LEAF_SIZE);
	rbuf_take(&b, OD_META_SIZE);
	l->depth = rbuf_u16(&b);
	l->entries = rbuf_u16(&b);
	l->dirent_format = rbuf_u32(&b);
	l->next = rbuf_u64(&b);
	l->inode = rbuf_u64(&b);
	l->dist = rbuf_u32(&b);
	l->nsec = rbuf_u32(&b);
	l->sec = rbuf_u64(&b);
	if (l->depth > GFS2_DIR_MAX_DEPTH)
		return OD_DEPTH;
	if (l->entries > (bsize - OD_LEAF_SIZE) / DIRENT_MIN)
		return OD_COUNT;
	if (l->dirent_format != GFS2_FORMAT_DE)
		return OD_FORMAT;
	return OD_OK;
}

void
leaf_encode(const struct leaf_hdr *l, uint8_t *p)
{
	meta_encode(p, GFS2_METATYPE_LF, od_get32(p + 20));
	od_put16(p + 24, l->depth);
	od_put16(p + 26, l->entries);
	od_put32(p + 28, l->dirent_format);
	od_put64(p + 32, l->next);
	od_put64(p + 40, l->inode);
	od_put32(p + 48, l->dist);
	od_put32(p + 52, l->nsec);
	od_put64(p + 56, l->sec);
	memset(p + 64, 0, OD_LEAF_SIZE - 64);
}

void
statfs_decode(struct statfs_change *s, const uint8_t *p)
{
	s->total = (int64_t)od_get64(p);
	s->free = (int64_t)od_get64(p + 8);
	s->dinodes = (int64_t)od_get64(p + 16);
}

void
statfs_encode(const struct statfs_change *s, uint8_t *p)
{
	od_put64(p, (uint64_t)s->total);
	od_put64(p + 8, (uint64_t)s->free);
	od_put64(p + 16, (uint64_t)s->dinodes);
}

enum od_error
lh_peek(struct log_header *h, const uint8_t *block, uint32_t blkno)
{
	uint8_t head[LH_HASHED];
	struct rbuf b;
	uint32_t hash;
	enum od_error e;

	e = meta_check(block, GFS2_METATYPE_LH);
	if (e != OD_OK)
		return e;
	rbuf_init(&b, block, OD_LH_SIZE);
	rbuf_take(&b, OD_META_SIZE);
	h->seq = rbuf_u64(&b);
	h->flags = rbuf_u32(&b);
	h->tail = rbuf_u32(&b);
	h->blkno = rbuf_u32(&b);
	hash = rbuf_u32(&b);
	rbuf_u32(&b);
	h->nsec = rbuf_u32(&b);
	h->sec = rbuf_u64(&b);
	h->addr = rbuf_u64(&b);
	h->jinode = rbuf_u64(&b);
	h->statfs_addr = rbuf_u64(&b);
	h->quota_addr = rbuf_u64(&b);
	statfs_decode(&h->local, block + 96);
	memcpy(head, block, sizeof(head));
	od_put32(head + LH_HASH_AT, 0);
	if (hash != od_crc32(head, sizeof(head)))
		return OD_CRC;
	if (h->blkno != blkno)
		return OD_ADDR;
	return OD_OK;
}

enum od_error
lh_decode(struct log_header *h, const uint8_t *block, uint32_t bsize,
    uint32_t blkno)
{
	enum od_error e;
	uint32_t crc;

	e = lh_peek(h, block, blkno);
	if (e != OD_OK)
		return e;
	/* Zero stands for the older header without this checksum. */
	crc = od_get32(block + LH_CRC_AT);
	if (crc != 0 &&
	    crc != od_crc32c(block + LH_CRC_FROM, bsize - LH_CRC_FROM))
		return OD_CRC;
	return OD_OK;
}

/* The short checksum first: it does not cover the long one. */
void
lh_encode(const struct log_header *h, uint8_t *p, uint32_t bsize, uint32_t jid)
{
	memset(p, 0, bsize);
	meta_encode(p, GFS2_METATYPE_LH, jid);
	od_put64(p + 24, h->seq);
	od_put32(p + 32, h->flags);
	od_put32(p + 36, h->tail);
	od_put32(p + 40, h->blkno);
	od_put32(p + 52, h->nsec);
	od_put64(p + 56, h->sec);
	od_put64(p + 64, h->addr);
	od_put64(p + 72, h->jinode);
	od_put64(p + 80, h->statfs_addr);
	od_put64(p + 88, h->quota_addr);
	statfs_encode(&h->local, p + 96);
	od_put32(p + LH_HASH_AT, od_crc32(p, LH_HASHED));
	od_put32(p + LH_CRC_AT,
	    od_crc32c(p + LH_CRC_FROM, bsize - LH_CRC_FROM));
}

enum od_error
ld_decode(struct log_desc *d, const uint8_t *block, uint32_t bsize)
{
	uint32_t more, per = (bsize - OD_LD_SIZE) / 8;
	enum od_error e;

	e = meta_check(block, GFS2_METATYPE_LD);
	if (e != OD_OK)
		return e;
	d->type = od_get32(block + 24);
	d->length = od_get32(block + 28);
	d->items = od_get32(block + 32);
	if (d->length == 0)
		return OD_COUNT;
	switch (d->type) {
	case GFS2_LOG_DESC_METADATA:
	case GFS2_LOG_DESC_JDATA:
		if (d->type == GFS2_LOG_DESC_JDATA)
			per = (bsize - OD_LD_SIZE) / 16;
		if (d->items > per || d->length != d->items + 1)
			return OD_COUNT;
		return OD_OK;
	case GFS2_LOG_DESC_REVOKE:
		more = (bsize - OD_META_SIZE) / 8;
		if (d->items > per + (uint64_t)(d->length - 1) * more)
			return OD_COUNT;
		return OD_OK;
	default:
		return OD_FORMAT;
	}
}

void
ld_encode(const struct log_desc *d, uint8_t *p, uint32_t bsize, uint32_t jid)
{
	memset(p, 0, bsize);
	meta_encode(p, GFS2_METATYPE_LD, jid);
	od_put32(p + 24, d->type);
	od_put32(p + 28, d->length);
	od_put32(p + 32, d->items);
}
