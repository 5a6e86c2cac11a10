/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The GFS2 on-disk format as plain structs of host integers, with functions
 * that decode and encode them.  Constants (GFS2_*) come from the kernel's own
 * interface header; every layout used here is checked against it at compile
 * time (ondisk.c).  Decoding validates what can be validated from the bytes
 * alone, and never trusts a count or a length.  Pure: no I/O, no globals.
 */

#ifndef GFS_ONDISK_H
#define GFS_ONDISK_H

#include <linux/gfs2_ondisk.h>

#include "compat.h"

/* Sizes of the encoded structures, bytes. */
enum {
	OD_META_SIZE = 24,	/* the header of every metadata block */
	OD_SB_SIZE = 272,
	OD_RINDEX_SIZE = 96,
	OD_RGRP_SIZE = 128,
	OD_DINODE_SIZE = 232,
	OD_DIRENT_SIZE = 40,	/* without the name */
	OD_LEAF_SIZE = 104,
	OD_LH_SIZE = 120,
	OD_LD_SIZE = 72,
	OD_STATFS_SIZE = 24,
	OD_SB_OFFSET = 65536	/* of the superblock on the device */
};

#define OD_BSIZE_MIN	512
#define OD_BSIZE_MAX	4096

/* What is wrong with a structure; od_strerror() says it as a phrase. */
enum od_error {
	OD_OK = 0,
	OD_SHORT,		/* fewer bytes than the structure has */
	OD_MAGIC,
	OD_TYPE,		/* metadata of another type */
	OD_CRC,
	OD_FORMAT,		/* format number out of the supported range */
	OD_MULTIHOST,
	OD_BSIZE,
	OD_PROTO,		/* lock protocol or table is not a string */
	OD_ADDR,		/* does not carry its own address */
	OD_HEIGHT,
	OD_DEPTH,
	OD_SIZE,		/* size does not fit the layout */
	OD_RECLEN,		/* directory record length */
	OD_NAMELEN,
	OD_COUNT,		/* a count above what the block can hold */
	OD_BITMAP,		/* rgrp geometry contradicts itself */
	OD_MODE			/* not a known kind of file */
};

const char *od_strerror(enum od_error);

/* zlib's crc32, as in names, rgrp headers and log headers. */
uint32_t od_crc32(const void *, size_t);
/* crc32c with seed ~0 and no final inversion, as in log headers. */
uint32_t od_crc32c(const void *, size_t);

/*
 * Plain big-endian access, for offsets the caller has checked against the
 * block size (pointer arrays, bitmaps).
 */
static inline uint16_t
od_get16(const void *v)
{
	const uint8_t *p = v;

	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
od_get32(const void *v)
{
	const uint8_t *p = v;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline uint64_t
od_get64(const void *v)
{
	const uint8_t *p = v;

	return (uint64_t)od_get32(p) << 32 | od_get32(p + 4);
}

static inline void
od_put16(void *v, uint16_t n)
{
	uint8_t *p = v;

	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline void
od_put32(void *v, uint32_t n)
{
	uint8_t *p = v;

	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
}

static inline void
od_put64(void *v, uint64_t n)
{
	uint8_t *p = v;

	od_put32(p, (uint32_t)(n >> 32));
	od_put32(p + 4, (uint32_t)n);
}

/* (formal, addr) names an inode for ever. */
struct inum {
	uint64_t	 formal;
	uint64_t	 addr;
};

/* The header of every metadata block. */
struct meta {
	uint32_t	 magic;
	uint32_t	 type;		/* GFS2_METATYPE_* */
	uint32_t	 format;
	uint32_t	 jid;		/* that logged it last; informational */
};

void	 meta_decode(struct meta *, const uint8_t *block);
/* Writes the 24 bytes; the format follows from the type. */
void	 meta_encode(uint8_t *block, uint32_t type, uint32_t jid);
/* Magic and type are right? */
enum od_error meta_check(const uint8_t *block, uint32_t type);
const char *meta_type_name(uint32_t type);

struct sb {
	uint32_t	 fs_format;	/* 1801 or 1802 */
	uint32_t	 multihost;
	uint32_t	 bsize;
	uint32_t	 bshift;
	struct inum	 master;
	struct inum	 root;
	char		 lockproto[GFS2_LOCKNAME_LEN];
	char		 locktable[GFS2_LOCKNAME_LEN];
	uint8_t		 uuid[16];
};

enum od_error sb_decode(struct sb *, const uint8_t *, size_t len);

/* One entry of the rindex file. */
struct rindex {
	uint64_t	 addr;
	uint32_t	 length;	/* blocks: header and bitmaps */
	uint64_t	 data0;
	uint32_t	 data;		/* blocks */
	uint32_t	 bitbytes;
};

/* Checks the geometry against the block size too. */
enum od_error rindex_decode(struct rindex *, const uint8_t *, size_t len,
	    uint32_t bsize);
void	 rindex_encode(const struct rindex *, uint8_t *);

struct rgrp_hdr {
	uint32_t	 flags;		/* GFS2_RGF_* */
	uint32_t	 free;
	uint32_t	 dinodes;
	uint32_t	 skip;
	uint64_t	 igeneration;
	uint64_t	 data0;
	uint32_t	 data;
	uint32_t	 bitbytes;
	uint32_t	 crc;		/* as read; written anew by encode */
};

/* Header type and, where one is present, the checksum. */
enum od_error rgrp_decode(struct rgrp_hdr *, const uint8_t *block);
/* Updates the header in place (type, format, fields, checksum). */
void	 rgrp_encode(const struct rgrp_hdr *, uint8_t *block);

struct dinode {
	struct inum	 num;
	uint32_t	 mode, uid, gid, nlink;
	uint64_t	 size, blocks;
	int64_t		 atime, mtime, ctime;
	uint32_t	 atime_nsec, mtime_nsec, ctime_nsec;
	uint32_t	 major, minor;
	uint64_t	 goal_meta, goal_data;
	uint64_t	 generation;
	uint32_t	 flags;		/* GFS2_DIF_* */
	uint32_t	 payload_format;
	uint16_t	 height, depth;
	uint32_t	 entries;
	uint64_t	 eattr;
};

/* addr: the block it was read from. max_height: as derived in struct gfs. */
enum od_error dinode_decode(struct dinode *, const uint8_t *block,
	    uint32_t bsize, uint64_t addr, unsigned max_height);
/* Writes header and fields; what follows the dinode is left alone. */
void	 dinode_encode(const struct dinode *, uint8_t *block);

/* A directory record without its name, which follows it. */
struct dirent_hdr {
	struct inum	 num;		/* addr 0: the sentinel */
	uint32_t	 hash;
	uint16_t	 rec_len, name_len;
	uint16_t	 type;		/* DT_* */
	uint16_t	 rahead;
};

/* left: bytes from the record to the end of the block. */
enum od_error dirent_decode(struct dirent_hdr *, const uint8_t *, size_t left);
void	 dirent_encode(const struct dirent_hdr *, uint8_t *);

struct leaf_hdr {
	uint16_t	 depth, entries;
	uint32_t	 dirent_format;
	uint64_t	 next;
	uint64_t	 inode;
	uint32_t	 dist;
	uint32_t	 nsec;
	uint64_t	 sec;
};

enum od_error leaf_decode(struct leaf_hdr *, const uint8_t *block,
	    uint32_t bsize);
/* Header type and fields; the records are left alone. */
void	 leaf_encode(const struct leaf_hdr *, uint8_t *block);

struct statfs_change {
	int64_t		 total, free, dinodes;
};

void	 statfs_decode(struct statfs_change *, const uint8_t *);
void	 statfs_encode(const struct statfs_change *, uint8_t *);

struct log_header {
	uint64_t	 seq;
	uint32_t	 flags;		/* GFS2_LOG_HEAD_*, GFS2_LFC_* */
	uint32_t	 tail, blkno;	/* block numbers inside the journal */
	uint32_t	 nsec;
	uint64_t	 sec;
	uint64_t	 addr;		/* own block on the device */
	uint64_t	 jinode, statfs_addr, quota_addr;
	struct statfs_change local;
};

/* Both checksums; blkno must be the position it was read from. */
enum od_error lh_decode(struct log_header *, const uint8_t *block,
	    uint32_t bsize, uint32_t blkno);
/* The same without the second checksum: quick, and blind to a torn block. */
enum od_error lh_peek(struct log_header *, const uint8_t *block,
	    uint32_t blkno);
/* Fills the whole block. */
void	 lh_encode(const struct log_header *, uint8_t *block, uint32_t bsize,
	    uint32_t jid);

struct log_desc {
	uint32_t	 type;		/* GFS2_LOG_DESC_* */
	uint32_t	 length;	/* blocks, this one included */
	uint32_t	 items;
};

/* items and length agree with the type and the block size. */
enum od_error ld_decode(struct log_desc *, const uint8_t *block,
	    uint32_t bsize);
/* Zeroes the block, then writes the 72 bytes. */
void	 ld_encode(const struct log_desc *, uint8_t *block, uint32_t bsize,
	    uint32_t jid);

#endif /* GFS_ONDISK_H */
