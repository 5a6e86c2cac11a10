/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Transactions and the journal.  All transactions between two flushes are one
 * compound; a flush writes jdata, metadata, revokes and a header in the order
 * and with the barriers that crash safety needs.  See log.c for the numbered
 * invariants and reference "GFS2 journaling" in clusterd(7).
 */

#ifndef GFS_LOG_H
#define GFS_LOG_H

#include "cache.h"

/* Why a flush happened; stored in the header (informational). */
#define LHF_UNMOUNT	0x00000001u
#define LHF_NORMAL	0x00000002u
#define LHF_SYNC	0x00000004u
#define LHF_SHUTDOWN	0x00000008u
#define LHF_RECOVERY	0x00000020u
#define LHF_RGRP_DEMOTE	0x00002000u
#define LHF_INODE_DEMOTE 0x00004000u

/* The journal of this mount: finds the head (must be clean), starts logging. */
int	 log_start(struct gfs *);
/* Empties everything and writes the UNMOUNT header. */
int	 log_stop(struct gfs *);

/*
 * Reserves room for blocks metadata/jdata images and revokes.  May wait for a
 * flush.  Nested calls are not allowed.  0 or errno (EROFS, EIO).
 */
int	 trans_begin(struct gfs *, unsigned blocks, unsigned revokes);
/*
 * The buffer will be changed by this transaction: call before changing it
 * (the image that an earlier flush still writes is kept apart).
 */
void	 trans_add_meta(struct bh *);
void	 trans_add_jdata(struct bh *);
/* A metadata or jdata block was freed: revoke it, forget its buffer. */
void	 trans_add_revoke(struct glock *, uint64_t blkno);
/* The block is allocated again for metadata/jdata: an unwritten revoke goes. */
void	 trans_unrevoke(struct gfs *, uint64_t blkno);
void	 trans_end(struct gfs *);
bool	 trans_active(struct gfs *);	/* this fiber is inside one */

/* Everything that ended before is durable when this returns 0. */
int	 log_flush(struct gfs *, uint32_t lhflags);
/*
 * The part of demotion that concerns the log (gfs2.md 3.3 b-e): the lock's
 * metadata is logged, written home, revoked, and that revoke is durable.
 */
int	 log_clean_glock(struct glock *, uint32_t lhflags);
/*
 * After a flush that carried the buffer and while it holds nothing younger
 * than that flush: rgrp.c refreshes its clones here.  When the next compound
 * has changed the buffer already, the call moves to that one's commit.  fn
 * must not block.
 */
void	 log_on_commit(struct bh *, void (*fn)(struct bh *));
/*
 * The same without delay: called at the very commit, with the block as it is
 * in the log now; bh->data may hold younger changes (free in both = free).
 */
void	 log_on_commit_image(struct bh *, void (*fn)(struct bh *,
	    const uint8_t *image));

/* Statistics for status and tests. */
struct log_stats {
	uint64_t flushes, blocks, revokes, headers;
};
void	 log_stats(const struct gfs *, struct log_stats *);

/*
 * recovery.c.  Replays journal jid if it is dirty, folds its statfs delta
 * and writes a clean header.  The caller holds its JOURNAL lock in EX and its
 * inode lock.  0: clean now (*replayed says whether it was dirty).
 */
int	 recovery_replay(struct gfs *, unsigned jid, bool *replayed);
/*
 * The youngest valid header of a journal.  0, EIO, or EUCLEAN when it holds
 * none (a sentence goes to gfs_log()).
 */
struct journal;
struct log_header;
int	 recovery_head(struct gfs *, const struct journal *,
	    struct log_header *);

#endif /* GFS_LOG_H */
