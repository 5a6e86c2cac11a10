/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What cache.c, writeback.c and the log share and nobody else needs.
 */

#ifndef GFS_CACHE_INT_H
#define GFS_CACHE_INT_H

#include "fs.h"

RB_HEAD(bhtree, bh);
TAILQ_HEAD(bhq, bh);

/* A piece of memory that holds many blocks; never given back before the end. */
struct slab {
	SLIST_ENTRY(slab)	 entry;
	uint8_t			*mem;
};

/* A free block's own bytes link it. */
struct freeblk {
	struct freeblk		*next;
};

struct cache {
	struct gfs		*fs;
	struct bhtree		 tree;
	struct bhq		 lru;		/* oldest first */
	struct bhq		 ordered;	/* dirty file data, oldest first */
	size_t			 nbufs;
	size_t			 maxbufs;	/* a wish: busy buffers exceed it */
	size_t			 nordered;
	unsigned		 readers;	/* read-ahead fibers alive */
	struct waitq		 idle;		/* readers became 0 */
	SLIST_HEAD(, slab)	 slabs;
	struct freeblk		*free;
	/* Home writes that ended; the log flushes the device when it grew. */
	uint64_t		 written;
	uint64_t		 flushed;
};

/* The buffer, without a reference, or NULL. */
struct bh *cache_find(struct cache *, uint64_t blkno);
/* The block was written past the cache: a clean copy of it follows. */
void	 cache_patch(struct gfs *, uint64_t blkno, const uint8_t *);
/* Flags changed: counts, ordered list and LRU follow. */
void	 cache_settle(struct bh *);
/* Waits until no home write of the buffer is in flight. */
void	 cache_wait_write(struct bh *);
/* Takes the buffer out of the cache for good; it must be out of the log. */
void	 cache_detach(struct bh *);

/*
 * Writes home those of the n buffers that are dirty and not pinned when their
 * turn comes, in address order, and waits.  The caller holds a reference to
 * each; the array is sorted.  0 or EIO (the mount is then withdrawn).
 */
int	 cache_writeback(struct gfs *, struct bh **, size_t n);
/* Everything on the ordered list at this moment; the same result. */
int	 cache_write_ordered(struct gfs *);
/* The device's own cache, if anything was written home since the last call. */
int	 cache_flush_device(struct gfs *);

#endif /* GFS_CACHE_INT_H */
