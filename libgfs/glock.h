/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Glocks: the cluster locks of the file system with what they protect.  A
 * glock held by this node in a mode caches data and metadata under it until
 * another node wants it.  Names, modes, order and demotion are those of the
 * kernel's gfs2 (gfs2-glocks), so that volumes stay exchangeable.
 *
 * Lock order: rename -> inodes (parent before child, equals by number) ->
 * rgrps (ascending) -> transaction.  Never wait for a glock inside a
 * transaction, never take an inode glock while holding an rgrp glock.
 */

#ifndef GFS_GLOCK_H
#define GFS_GLOCK_H

#include "env.h"
#include "lockops.h"

struct gfs;
struct bh;

enum glock_type {
	GL_NONDISK = 1, GL_INODE = 2, GL_RGRP = 3, GL_META = 4, GL_IOPEN = 5,
	GL_FLOCK = 6, GL_PLOCK = 7, GL_QUOTA = 8, GL_JOURNAL = 9
};

/* Numbers of the GL_NONDISK locks. */
enum { GLN_MOUNT = 0, GLN_LIVE, GLN_FREEZE, GLN_RENAME, GLN_CONTROL, GLN_MOUNTED };
/* control and mounted are no glocks: recover_ctl.c asks for them itself. */

enum glock_state { GLS_UN = 0, GLS_SH, GLS_DF, GLS_EX };

/* Flags of a request. */
#define GLF_TRY		0x0001	/* EAGAIN instead of waiting */
#define GLF_TRY_1CB	0x0002	/* ... after asking the holders once */
#define GLF_ANY		0x0004	/* SH or DF, whichever is cheaper */
#define GLF_EXACT	0x0008	/* EX held does not satisfy SH */
#define GLF_NOEXP	0x0010	/* works during recovery */
#define GLF_NOCACHE	0x0020	/* drop the lock when released */
#define GLF_SKIP	0x0040	/* do not instantiate (do not read the object) */
#define GLF_NODE_SCOPE	0x0080	/* several local holders may share EX */

struct glock;

/* One holder; lives on the caller's (fiber's) stack. */
struct gholder {
	TAILQ_ENTRY(gholder)	 entry;
	struct glock		*gl;	/* NULL: not held */
	enum glock_state	 state;
	unsigned		 flags;
	int			 error;
	bool			 granted;
	bool			 queued;
	struct waitq		 wq;
};

/* What each type of lock does; one table per type in glops.c. */
struct glock_ops {
	/* Before giving up EX: everything of this lock is on disk (3.3). */
	int	(*sync)(struct glock *);
	/* Before dropping to UN (data_only: DF): forget what was cached. */
	void	(*inval)(struct glock *, bool data_only);
	/* First holder after a grant: read the object. */
	int	(*instantiate)(struct glock *);
	/* A remote node asks for the lock (iopen, live). Must not block. */
	void	(*callback)(struct glock *, enum lm_mode wanted);
	bool	 lvb;		/* the type has a value block */
	bool	 hold_time;	/* minimum hold applies (inodes) */
};

struct glock {
	RB_ENTRY(glock)		 node;		/* in gfs.glocks by (type, number) */
	TAILQ_ENTRY(glock)	 lru;
	struct gfs		*fs;
	enum glock_type		 type;
	uint64_t		 number;
	const struct glock_ops	*ops;
	void			*object;	/* struct ginode, struct rgrp, ... */
	unsigned		 refs;

	struct lm_lock		 lm;
	enum glock_state	 state;		/* what this node holds */
	enum glock_state	 target;	/* of the request in flight */
	enum glock_state	 demote;	/* wanted by others */
	bool			 busy;		/* request in flight */
	bool			 demoting;	/* sync/inval running */
	bool			 demand;	/* demote is valid */
	bool			 instantiated;
	bool			 instantiating;	/* a holder runs instantiate */
	bool			 parked;	/* granted during recovery: NOEXP only */
	bool			 delayed;	/* demote only after hold_until */
	bool			 unwind;	/* convert deadlocked: go by UN */
	bool			 retry;		/* wait for hold_until, then ask again */
	bool			 on_lru, on_work, on_timer;
	unsigned		 req_flags;	/* GLF_* of the request in flight */
	TAILQ_ENTRY(glock)	 work;		/* to be demoted, glock_work.c */
	TAILQ_ENTRY(glock)	 timer;		/* waits for hold_until */
	uint64_t		 hold_until;	/* us; inodes only */
	uint64_t		 grant_gen;	/* grows with every grant */
	TAILQ_HEAD(, gholder)	 holders;	/* granted */
	TAILQ_HEAD(, gholder)	 waiters;	/* first come first served */
	struct waitq		 wq;

	/* Buffers under this lock (cache.c owns the lists). */
	LIST_HEAD(, bh)		 bufs;		/* every cached buffer */
	unsigned		 nlog;		/* buffers pinned in the log */
	unsigned		 nail;		/* buffers on an AIL list */
	unsigned		 nrevokes;	/* revokes queued for this lock */
	unsigned		 ndirty;	/* dirty file-data buffers */
};

/* Finds or makes the glock; the caller gets a reference. 0 or ENOMEM. */
int	 glock_get(struct gfs *, enum glock_type, uint64_t number,
	    struct glock **);
void	 glock_hold(struct glock *);
void	 glock_put(struct glock *);

void	 gholder_init(struct gholder *);
/*
 * Waits until held.  Returns 0, EAGAIN (try), EIO (withdrawn or the cluster
 * is gone), or the error of instantiate.  *gh holds a reference until
 * glock_release(), which is a no-op on one that is not held.
 */
int	 glock_acquire(struct glock *, enum glock_state, unsigned flags,
	    struct gholder *);
void	 glock_release(struct gholder *);
/* The same, but gives up with ETIMEDOUT at deadline_us. */
int	 glock_acquire_until(struct glock *, enum glock_state, unsigned flags,
	    uint64_t deadline_us, struct gholder *);
bool	 glock_held(const struct glock *, enum glock_state);
/* glock_get() and glock_acquire() in one; the holder keeps the reference. */
int	 glock_lock(struct gfs *, enum glock_type, uint64_t number,
	    enum glock_state, unsigned flags, struct gholder *);
/*
 * All of n holders' glocks in EX, in a safe order, with time-out and retry
 * (rename).  gh[i].gl is set by the caller, with a reference.
 */
int	 glock_acquire_all(struct gfs *, struct gholder *gh, unsigned n);

/* Unmount: gives back every lock held in EX, waits for all that is under way. */
void	 glock_drop_all(struct gfs *);

/* Before the first and after the last glock; the backend is up in between. */
int	 glock_init(struct gfs *);
void	 glock_exit(struct gfs *);
/*
 * No demotion runs from pause (which waits for those that do) to resume: while
 * the log stops, nothing may write to it.
 */
void	 glock_pause(struct gfs *);
void	 glock_resume(struct gfs *);
/* The mount is finished: nobody waits any more, everybody gets EIO. */
void	 glock_fail_all(struct gfs *);
/* Grants parked since fs->recovering was set are used from here on. */
void	 glock_thaw(struct gfs *);

/* Upcalls of the backend (never block). */
void	 glock_ast(void *fs, struct lm_lock *, int error);
void	 glock_bast(void *fs, struct lm_lock *, enum lm_mode wanted);
void	 glock_unlocked(void *fs, struct lm_lock *);
extern const struct lm_up glock_upcalls; /* recover_ctl.c; arg: struct gfs */

/*
 * glock_state.c: what a glock does next, decided from the struct alone.
 */
enum glock_action {
	GLA_NONE = 0,
	GLA_GRANT,	/* the first waiter becomes a holder */
	GLA_REQUEST,	/* ask the lock manager for what the first waiter wants */
	GLA_DEMOTE,	/* give way to gl->demote */
	GLA_UNWIND,	/* convert deadlock: to UN, then ask again */
	GLA_DISPOSE	/* nobody refers to it and it holds nothing */
};
enum glock_action glock_next(const struct glock *, uint64_t now_us);
bool	 glock_may_grant(const struct glock *, const struct gholder *);
bool	 glock_demand_met(const struct glock *);
/* A further demand: two different ones amount to UN. */
void	 glock_demand(struct glock *, enum glock_state);
enum lm_mode glock_mode(enum glock_state);
enum glock_state glock_state_of(enum lm_mode);
enum glock_state glock_bast_state(enum lm_mode wanted);
const char *glock_state_name(enum glock_state);
/* LM_NAME_LEN bytes, no NUL: the name in the lock manager. */
void	 glock_name(char *dst, enum glock_type, uint64_t number);

#endif /* GFS_GLOCK_H */
