/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the sources of libgfs share: the mount and the in-core inode.  Every
 * struct has one owner, named here; others go through its functions.
 */

#ifndef GFS_FS_H
#define GFS_FS_H

#include <sys/stat.h>
#include <time.h>

#include "cache.h"
#include "dev.h"
#include "gfs.h"
#include "glock.h"
#include "log.h"
#include "ondisk.h"

struct rgrps;	/* rgrp.c */
struct journal;	/* jindex.c: one per journal file, with its extent map */
struct logstate;	/* log.c */
struct cache;	/* cache.c */
struct recover;	/* recover_ctl.c: the control-lock protocol */
struct unlinked;	/* unlinked.c */
struct statfs_fiber;	/* statfs.c */
struct rgrp_hold;
struct glockd;	/* glock_work.c: demotion and hold timers */

/*
 * The in-core inode.  Fields from the dinode are valid while the inode glock
 * is held in SH or better; refreshed by the glock's instantiate.
 */
struct ginode {
	RB_ENTRY(ginode)	 node;		/* in gfs.inodes by addr */
	struct gfs		*fs;
	uint64_t		 addr;		/* block of the dinode = st_ino */
	uint64_t		 formal;	/* formal number = generation */
	struct glock		*gl;		/* GL_INODE */
	struct glock		*iopen;		/* GL_IOPEN */
	struct gholder		 iopen_gh;	/* SH while in core */
	unsigned		 refs;		/* in-core references */
	unsigned		 opens;		/* open files of users */
	uint64_t		 nlookup;	/* held by FUSE */
	bool			 valid;		/* the fields below are current */
	bool			 deleting;	/* being freed by this node */
	bool			 gone;		/* freed: ESTALE, not in the table */
	bool			 wanted;	/* a peer waits to delete it */
	bool			 known;		/* the fields were read at least once */
	bool			 iopen_busy;	/* iopen is being taken again */
	struct waitq		 iopen_wq;
	struct rgrp_hold	*res;		/* bmap_map() allocates from here */
	uint64_t		 ra_next;	/* where a sequential reader goes on */
	uint64_t		 ra_done;	/* read ahead up to here, bytes */

	uint32_t		 mode, uid, gid, nlink;
	uint32_t		 major, minor;
	uint64_t		 size, blocks;
	struct timespec		 atime, mtime, ctime;
	uint64_t		 goal;
	uint64_t		 generation;
	uint32_t		 diskflags;
	uint32_t		 payload_format;
	uint16_t		 height, depth;
	uint32_t		 entries;
	uint64_t		 eattr;
};

struct gfs {
	struct env		*env;
	struct dev		*dev;
	struct sb		 sb;		/* ondisk.h, decoded */
	char			 table[64];	/* cluster:name in use */
	bool			 readonly;
	bool			 withdrawn;
	char			 withdraw_why[256];
	bool			 noatime;

	/* derived from the block size (gfs2.md 1.1) */
	uint32_t		 bsize;
	unsigned		 bshift;
	uint32_t		 diptrs, inptrs, ldptrs, databufs, jbsize, hash_ptrs;
	unsigned		 max_height;
	uint64_t		 heightsize[12];

	RB_HEAD(glock_tree, glock)	 glocks;
	TAILQ_HEAD(, glock)	 glock_lru;
	unsigned		 nglocks;
	struct glockd		*glockd;
	RB_HEAD(inode_tree, ginode)	 inodes;
	const struct lm_ops	*lmops;
	struct lm		*lm;
	bool			 recovering;	/* ordinary grants held back */
	unsigned		 slot;		/* ours, from 1 */
	unsigned		 jid;		/* ours, slot - 1 */
	uint32_t		 generation;	/* of the lockspace */

	struct cache		*cache;
	struct logstate		*log;
	struct rgrps		*rgrps;
	struct unlinked		*unlinked;
	struct statfs_fiber	*statfs_fiber;
	struct journal		**journals;	/* jindex.c */
	unsigned		 njournals;
	struct recover		*recover;
	void			(*logfn)(void *, const char *);	/* or NULL */
	void			*logarg;
	uint64_t		 commit_us;	/* period of the log flush */

	struct ginode		*master, *root, *jindex, *rindex, *per_node;
	struct ginode		*statfs_master, *statfs_local;
	struct ginode		*quota_change;
	int64_t			 statfs_delta[3];  /* total, free, dinodes */
	int64_t			 statfs_total[3];  /* master file, last read */

	/* held for the whole mount */
	struct gholder		 gh_mount, gh_live, gh_sb, gh_journal, gh_jinode,
				 gh_statfs, gh_quota, gh_freeze;
};

/* withdraw.c: this mount stops itself: no more writes; says why, once. */
void	 gfs_withdraw(struct gfs *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* One line for the operator, through gfs_mount.log. */
void	 gfs_log(struct gfs *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * inode.c: the in-core inode table.  An inode needs not hold its iopen lock
 * unless it is open; gfs_opened() takes it again.
 */
int	 inode_get(struct gfs *, uint64_t addr, uint64_t formal,
	    struct ginode **);		/* formal 0: any */
void	 inode_hold(struct ginode *);
void	 inode_put(struct ginode *);	/* may evict, may block */
/* Reads the dinode under the held inode glock into the fields above. */
int	 inode_refresh(struct ginode *);
/* Writes the fields into the dinode block inside a transaction. */
int	 inode_update(struct ginode *);
/* The dinode's buffer, checked; a reference. */
int	 inode_bh(struct ginode *, struct bh **);

/*
 * glock_acquire() of the inode's lock; the fields are valid and a truncation
 * that a crash cut short is finished (EX) when it returns 0.  ESTALE: freed.
 */
int	 inode_lock(struct ginode *, enum glock_state, unsigned flags,
	    struct gholder *);
/* What glops.c calls; gl->object is the inode, or NULL. */
int	 inode_instantiate(struct glock *);
void	 inode_inval(struct glock *);		/* the fields are stale */
/* A peer wants iopen in EX: let go unless open here. Any context. */
void	 inode_iopen_callback(struct glock *, enum lm_mode wanted);

/* unlinked.c: the fiber that frees inodes whose last user has died. */
int	 unlinked_start(struct gfs *);	/* after log_start() and rgrp_init() */
void	 unlinked_stop(struct gfs *);	/* before log_stop(); waits */
/*
 * After a journal was replayed: looks through all rgrps, in the background,
 * for inodes whose last user died with its node.  Any context.
 */
void	 unlinked_scan(struct gfs *);

/* bmap.c: where the file's block lblk is. new: it was allocated just now. */
struct extent { uint64_t blkno; uint64_t len; bool new; };
/* create needs a transaction with enough blocks, see bmap_write_blocks(). */
int	 bmap_map(struct ginode *, uint64_t lblk, uint64_t maxlen, bool create,
	    struct extent *);		/* hole: blkno 0 */
unsigned bmap_write_blocks(const struct ginode *, uint64_t nblocks);
int	 bmap_unstuff(struct ginode *);		/* in a transaction */
int	 bmap_truncate(struct ginode *, uint64_t size);	/* own transactions */
int	 bmap_resume_truncate(struct ginode *);

/* rgrp.c: allocation.  A reservation holds the rgrp's glock in EX. */
struct rgrp_hold {
	struct gholder	 gh;
	struct rgrp	*rg;
};
int	 rgrp_init(struct gfs *);		/* reads rindex */
/* What glops.c calls; gl->object is the rgrp, or NULL. */
int	 rgrp_instantiate(struct glock *);
void	 rgrp_inval(struct glock *);	/* before cache_inval(): lets go of it */
void	 rgrp_destroy(struct gfs *);
/* An rgrp with at least n free blocks, near goal; outside a transaction. */
int	 rgrp_reserve(struct gfs *, struct ginode *near, unsigned n,
	    struct rgrp_hold *);
void	 rgrp_release(struct rgrp_hold *);
/* Blocks of log space that allocating from this hold may need. */
unsigned rgrp_log_blocks(const struct rgrp_hold *, unsigned nblocks);
/* Inside a transaction. *n in: wanted, out: got, consecutive. */
int	 rgrp_alloc_blocks(struct rgrp_hold *, struct ginode *, uint64_t goal,
	    unsigned *n, uint64_t *blkno);
int	 rgrp_alloc_dinode(struct rgrp_hold *, struct ginode *dir,
	    uint64_t *blkno, uint64_t *generation);
/* The rgrp of a block, locked EX; for freeing, outside a transaction. */
int	 rgrp_hold_block(struct gfs *, uint64_t blkno, struct rgrp_hold *);
bool	 rgrp_contains(const struct rgrp_hold *, uint64_t blkno);
void	 rgrp_free_blocks(struct rgrp_hold *, struct ginode *, uint64_t blkno,
	    unsigned n, bool meta);
void	 rgrp_unlink_dinode(struct rgrp_hold *, uint64_t blkno); /* 3 -> 2 */
void	 rgrp_free_dinode(struct rgrp_hold *, struct ginode *);	/* 2 -> 0 */
/* State of one block: 0 free 1 used 2 unlinked 3 dinode; -1 outside. */
int	 rgrp_block_state(struct rgrp_hold *, uint64_t blkno);

/*
 * statfs.c.  Start: statfs_master and statfs_local are set and gh_statfs
 * holds the local one in EX; reads both, starts the fiber that adds the
 * local change to the master every 30 s.  Stop: adds it a last time.
 */
int	 statfs_start(struct gfs *);
void	 statfs_stop(struct gfs *);		/* before log_stop() */
int	 statfs_sync(struct gfs *);
/* Inside a transaction with a block for it; every change of free space or dinodes. */
void	 statfs_change(struct gfs *, int64_t total, int64_t free,
	    int64_t dinodes);

/*
 * sb.c, jindex.c.  sb_read() reads through dev.c alone, since it runs before
 * there is a cache or a lock, fills in sb and every size derived from it.
 */
int	 sb_read(struct gfs *, char *why, size_t whylen);
int	 jindex_load(struct gfs *, char *why, size_t whylen);
/* Where block n of the journal is on the device. */
uint64_t jindex_map(const struct journal *, uint32_t n);
uint32_t jindex_blocks(const struct journal *);
uint64_t jindex_inode(const struct journal *);	/* address of its dinode */
void	 jindex_free(struct gfs *);	/* also after a failed load */

/*
 * recover_ctl.c: who replays whose journal, by the kernel's control and
 * mounted locks.
 */
int	 recover_init(struct gfs *);
void	 recover_exit(struct gfs *);	/* after the backend is gone */
/*
 * Waits until the backend told our slot, then for our turn to mount.
 * *first: nobody else has the volume mounted, we replay every journal.
 */
int	 recover_enter(struct gfs *, bool *first, char *why, size_t whylen);
/* The first mounter has replayed everything: others may come. */
int	 recover_first_done(struct gfs *);
/* From here on we replay the journals of those who die. */
int	 recover_start(struct gfs *);
void	 recover_stop(struct gfs *);
void	 recover_wake(struct gfs *);	/* fs->withdrawn changed */
/*
 * Replays one journal under its locks. EAGAIN: another node is at it.
 * EROFS: it is dirty, and we may not write.
 */
int	 recover_journal(struct gfs *, unsigned jid, bool *replayed);

extern const struct glock_ops glops_inode, glops_rgrp, glops_other,
	    glops_iopen, glops_meta;

#endif /* GFS_FS_H */
