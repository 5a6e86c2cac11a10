/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The block cache: one buffer per file-system block, of metadata and of file
 * data alike, each belonging to the glock that protects it.
 *
 * States: clean; dirty (file data: may be written home at any time; must be
 * before the transaction that allocated it is committed); pinned (in the
 * running transaction or in the log flush in flight: may not go home); on an
 * AIL (logged, to be written home).
 */

#ifndef GFS_CACHE_H
#define GFS_CACHE_H

#include "glock.h"

struct bd;	/* a buffer's membership in the log, log.c */

#define BH_UPTODATE	0x0001
#define BH_DIRTY	0x0002	/* differs from disk, may be written home */
#define BH_PINNED	0x0004	/* in the log's hands */
#define BH_DATA		0x0008	/* ordinary file data */
#define BH_JDATA	0x0010	/* journaled file data (system files) */
#define BH_READING	0x0020
#define BH_WRITING	0x0040	/* a home write is in flight */
/* cache.c only: */
#define BH_LRU		0x0080	/* on the list of clean, unreferenced ones */
#define BH_GONE		0x0100	/* forgotten; freed by the last cache_put() */
#define BH_ORDERED	0x0200	/* on the list of dirty file data */

struct bh {
	RB_ENTRY(bh)	 node;		/* in the cache, by blkno */
	LIST_ENTRY(bh)	 gl_entry;	/* in gl->bufs */
	TAILQ_ENTRY(bh)	 lru;		/* clean and unreferenced */
	TAILQ_ENTRY(bh)	 ordered;	/* dirty file data, log.c */
	struct gfs	*fs;
	struct glock	*gl;
	uint64_t	 blkno;		/* file-system block */
	uint8_t		*data;		/* one block, aligned to its size */
	unsigned	 flags;
	unsigned	 refs;
	struct bd	*bd;		/* NULL: not in the log */
	struct waitq	 wq;
};

int	 cache_init(struct gfs *, size_t max_bytes);
void	 cache_destroy(struct gfs *);

/* Reads the block unless cached. 0 or errno; *out carries a reference. */
int	 cache_read(struct glock *, uint64_t blkno, unsigned type_flags,
	    struct bh **out);
/* The same, and checks the metadata header: magic and type. EIO withdraws. */
int	 cache_read_meta(struct glock *, uint64_t blkno, uint32_t metatype,
	    struct bh **out);
/* A block that is about to be overwritten whole: zeroed, not read. */
int	 cache_new(struct glock *, uint64_t blkno, unsigned type_flags,
	    struct bh **out);
/* Starts reading n consecutive blocks, without waiting. */
void	 cache_readahead(struct glock *, uint64_t blkno, unsigned n,
	    unsigned type_flags);
void	 cache_hold(struct bh *);
void	 cache_put(struct bh *);	/* NULL is fine */
/*
 * File data was changed in place; joins the ordered list.  Blocks that were
 * just allocated: before the trans_end() of the transaction that did it.
 */
void	 cache_dirty_data(struct bh *);
/* Writes the dirty file data of this glock home, and waits. */
int	 cache_write_data(struct glock *);
/* Drops every clean buffer of the lock (data_only: file data only). */
void	 cache_inval(struct glock *, bool data_only);
/* The block was freed: forget its buffer, dirty or not (log.c unpins it). */
void	 cache_forget(struct gfs *, uint64_t blkno);

#endif /* GFS_CACHE_H */
