/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the sources of structures and operations (rgrp, bmap, dir, inode,
 * namei, file) share among themselves, beyond fs.h.
 */

#ifndef GFS_OPS_H
#define GFS_OPS_H

#include "dirent.h"
#include "fs.h"

/* Log blocks of a change, besides what the allocator needs. */
enum {
	TR_DINODE = 1, TR_LEAF = 1, TR_EATTR = 1, TR_STATFS = 1
};

/* Withdraws: block blkno is not what it must be.  Returns EIO. */
int	 fs_corrupt(struct gfs *, uint64_t blkno, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* EROFS or EIO when nothing may be written, else 0. */
int	 fs_writable(const struct gfs *);

/*
 * A new metadata block of this inode, already in the transaction, with its
 * header written and the rest zero.
 */
int	 meta_new(struct ginode *, uint64_t blkno, uint32_t type, struct bh **);
/* A metadata block that is there already, added to the transaction. */
int	 meta_change(struct ginode *, uint64_t blkno, uint32_t type,
	    struct bh **);

static inline bool
inode_is(const struct ginode *ip, uint32_t type)
{
	return (ip->mode & S_IFMT) == type;
}

static inline bool
inode_jdata(const struct ginode *ip)
{
	return (ip->diskflags & GFS2_DIF_JDATA) != 0;
}

/* Bytes that fit behind the dinode. */
static inline uint32_t
stuffed_max(const struct gfs *fs)
{
	return fs->bsize - OD_DINODE_SIZE;
}

static inline struct timespec
inode_now(struct gfs *fs)
{
	uint64_t ns = env_wall_ns(fs->env);
	struct timespec ts;

	ts.tv_sec = (time_t)(ns / 1000000000u);
	ts.tv_nsec = (long)(ns % 1000000000u);
	return ts;
}

/* inode.c */
int	 inode_alloc(struct gfs *, uint64_t addr, struct ginode **);
/*
 * The rest of inode_lock() for a lock that was taken otherwise: iopen was
 * held before.  On error the caller releases the lock.
 */
int	 inode_locked(struct ginode *, enum glock_state);
/* In the table: no reference is taken; else NULL. */
struct ginode *inode_find(struct gfs *, uint64_t addr);
/* Freed: out of the table, of no more use to anybody. */
void	 inode_forget(struct ginode *);
/* The iopen lock in SH, unless held; ESTALE: the inode was freed. */
int	 inode_hold_iopen(struct ginode *);
/* A new inode: both locks at once or EAGAIN, without waiting. */
int	 inode_new(struct gfs *, uint64_t addr, struct gholder *,
	    struct ginode **);
/* ESTALE when peers have noted that this very inode was freed. */
int	 inode_check_lvb(const struct ginode *);
void	 inode_set_lvb(struct ginode *);
/* nlink and the times, for the operations; then inode_update(). */
void	 inode_touch(struct ginode *, bool mtime);

/* namei.c */
int	 namei_find(struct ginode *dir, const struct dname *, struct ginode **,
	    unsigned *type);
/* The directory is locked: may names be added or removed? */
int	 namei_may_change(const struct ginode *dir);
bool	 dname_is_dot(const struct dname *);	/* "." or ".." */

/* rgrp.c, rgrp_alloc.c */
/* The block lies in the data area of some rgrp; may read the rindex anew. */
bool	 rgrp_block_ok(struct gfs *, uint64_t blkno);
/* The same range, in one rgrp? */
bool	 rgrp_range_ok(struct gfs *, uint64_t blkno, uint64_t n);
/* The state of a block under a shared lock. */
int	 rgrp_read_state(struct gfs *, uint64_t blkno, unsigned *state);
/* A free block for a dinode, not in the transaction yet; avoid: not this. */
int	 rgrp_pick_dinode(struct rgrp_hold *, uint64_t goal, uint64_t avoid,
	    uint64_t *blkno);
/* Blocks that may be allocated from this hold now. */
unsigned rgrp_available(const struct rgrp_hold *);

/* bmap.c, bmap_alloc.c, bmap_trunc.c */
struct metapath {
	unsigned	 height;
	unsigned	 idx[12];	/* [0]: in the dinode */
};
/* Blocks that a tree of this height can map; saturates. */
uint64_t bmap_capacity(const struct gfs *, unsigned height);
bool	 bmap_path(const struct gfs *, uint64_t lblk, unsigned height,
	    struct metapath *);
unsigned bmap_height_for(const struct gfs *, uint64_t lblk);
/* Pointers in the block at this level: 0 is the dinode. */
unsigned bmap_nptrs(const struct gfs *, unsigned level);
unsigned bmap_ptr_off(unsigned level, unsigned idx);
/* Most new blocks, indirect ones included, to map n blocks from lblk. */
unsigned bmap_need(const struct ginode *, uint64_t lblk, uint64_t n);
/* A pointer read from disk: 0 or EIO (withdrawn). */
int	 bmap_check_ptr(struct ginode *, uint64_t in, uint64_t ptr);
int	 bmap_alloc(struct ginode *, uint64_t lblk, uint64_t maxlen,
	    struct extent *);
/* Frees every block that maps lblk or what follows; own transactions. */
int	 bmap_free_from(struct ginode *, uint64_t lblk);
/*
 * Frees single blocks that hang on the inode otherwise (leaves, attributes):
 * one transaction that also logs the dinode, and in which clear() removes
 * the reference, with room for extra more log blocks.
 */
int	 bmap_free_one(struct ginode *, uint64_t blkno, unsigned extra,
	    int (*clear)(struct ginode *, void *), void *);

/* dir.c, dir_hash.c, dir_read.c: the caller holds the directory's lock. */
struct dir_entry {
	struct inum	 num;
	unsigned	 type;
};
int	 dir_search(struct ginode *, const struct dname *, struct dir_entry *);
/* Grows the directory until the name fits; own transactions. */
int	 dir_make_room(struct ginode *, const struct dname *);
#define DIR_ADD_BLOCKS	(TR_LEAF + TR_DINODE)
/* In a transaction, after dir_make_room(). */
int	 dir_add(struct ginode *, const struct dname *, const struct inum *,
	    uint32_t mode);
int	 dir_remove(struct ginode *, const struct dname *);
int	 dir_retarget(struct ginode *, const struct dname *,
	    const struct inum *, uint32_t mode);
/* The records "." and ".." of a new directory, in its dinode's buffer. */
void	 dir_init(struct ginode *, struct bh *, const struct inum *parent);
/* Frees leaves and hash table of a directory nobody can reach any more. */
int	 dir_dealloc(struct ginode *);

/* dir_hash.c */
int	 dir_leaf_of(struct ginode *, uint32_t hash, uint64_t *leaf);
int	 dir_table_get(struct ginode *, uint32_t slot, uint64_t *leaf);
int	 dir_table_set(struct ginode *, uint32_t slot, uint32_t n,
	    uint64_t leaf);
unsigned dir_table_blocks(const struct ginode *, uint32_t n);
int	 dir_grow(struct ginode *, uint32_t hash);
int	 dir_leaf(struct ginode *, uint64_t blkno, struct bh **,
	    struct leaf_hdr *);

/* file.c: the caller holds the inode's lock. */
int	 file_read(struct ginode *, void *, size_t len, uint64_t off,
	    size_t *got);
/* Zeroes from off to the end of its block, if that block exists. */
int	 file_zero_tail(struct ginode *, uint64_t off);

/* unlinked.c */
/* Frees the inode if nobody in the cluster uses it any more. */
int	 unlinked_delete(struct ginode *);
/* Try later, up to a few seconds; and why we know of it. */
void	 unlinked_queue(struct gfs *, uint64_t addr, uint64_t delay_us);
/* Waits until what is queued has been tried once. */
void	 unlinked_drain(struct gfs *);
bool	 unlinked_full(const struct gfs *);
/* Queues what is unlinked in rgrp number i; ENOENT: there is none. */
int	 rgrp_scan(struct gfs *, unsigned i);

/* ea_free.c */
int	 ea_free(struct ginode *);

#endif /* GFS_OPS_H */
