/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lock backends of libgfs ("lock modules"): lock_none.c (single node),
 * lock_cluster.c (the lock manager of clusterd through libclusterd), and the
 * tests' in-process cluster.  glock.c is the only caller.  Names, modes,
 * flags and value blocks are those of the kernel's gfs2 and dlm.
 */

#ifndef GFS_LOCKOPS_H
#define GFS_LOCKOPS_H

#include "compat.h"

#define LM_LVB_LEN	32
#define LM_NAME_LEN	24	/* "%8x%16x" of type and number, no NUL */
#define LM_SLOTS_MAX	64	/* journal ids 0..63 */

enum lm_mode { LM_NL = 0, LM_CR, LM_CW, LM_PR, LM_PW, LM_EX };

#define LM_NOQUEUE	0x0001	/* fail with EAGAIN instead of waiting */
#define LM_NOQUEUEBAST	0x0002	/* ... but tell the holders */
#define LM_VALBLK	0x0004	/* the value block takes part */
#define LM_QUECVT	0x0008
#define LM_ALTCW	0x0010	/* CW will do when PR is not to be had */
#define LM_ALTPR	0x0020
#define LM_NOEXP	0x0040	/* granted also while recovery holds others back */

/* Results in struct lm_lock.status flags. */
#define LM_ALTMODE	0x0001	/* the alternate mode was granted */
#define LM_VALNOTVALID	0x0002	/* the value block lost its last write */

struct lm;

/* One lock as the backend sees it; embedded in struct glock. */
struct lm_lock {
	char		 name[LM_NAME_LEN];
	enum lm_mode	 mode;		/* granted (LM_NL also: none yet) */
	bool		 exists;	/* a lock exists in the lock manager */
	uint8_t		 lvb[LM_LVB_LEN];
	unsigned	 sbflags;	/* LM_ALTMODE, LM_VALNOTVALID */
	void		*backend;	/* the backend's own */
};

/*
 * Upcalls, from the loop's thread and never from inside a downcall.
 */
struct lm_up {
	/*
	 * A request ended: error 0 (mode granted), EAGAIN, EDEADLK, ECANCELED,
	 * or another errno; mode and lvb in the lock are up to date.
	 */
	void	(*ast)(void *arg, struct lm_lock *, int error);
	/* Somebody waits for us: the mode they want. */
	void	(*bast)(void *arg, struct lm_lock *, enum lm_mode wanted);
	/* Unlocked for good. */
	void	(*unlocked)(void *arg, struct lm_lock *);
	/* Recovery begins: no ordinary grant may be used until done. */
	void	(*recover_prep)(void *arg);
	/* The node in this slot failed and is fenced: its journal is dirty. */
	void	(*recover_slot)(void *arg, unsigned slot);
	/*
	 * The lock manager is rebuilt.  slot (from 1) is ours; generation grows
	 * with every recovery.
	 */
	void	(*recover_done)(void *arg, unsigned slot, uint32_t generation);
	/* The cluster is gone for this node: stop all I/O at once. */
	void	(*lost)(void *arg, const char *why);
};

struct lm_ops {
	const char *name;
	/*
	 * Joins the lockspace (fiber context).  Upcalls may start before this
	 * returns.  Returns 0 or an errno; why then holds a sentence.
	 */
	int	(*mount)(struct lm **, const char *table, const struct lm_up *,
		    void *arg, void *opts, char *why, size_t whylen);
	/* Leaves it; every lock is gone afterwards (fiber context). */
	void	(*unmount)(struct lm *);
	/*
	 * A new lock or a conversion to mode; the end is ast().  Returns 0 if
	 * the request was sent, or an errno and no ast() follows.
	 */
	int	(*lock)(struct lm *, struct lm_lock *, enum lm_mode,
		    unsigned flags);
	/* Drops the lock altogether; writes the value block from EX/PW. */
	int	(*unlock)(struct lm *, struct lm_lock *, unsigned flags);
	int	(*cancel)(struct lm *, struct lm_lock *);
	/* Our slot (from 1) and whether the backend shares with other nodes. */
	bool	(*clustered)(struct lm *);
	/* A line for the operators of the cluster; NULL: nobody to tell. */
	void	(*say)(struct lm *, const char *line);
};

extern const struct lm_ops lm_none, lm_cluster;

#endif /* GFS_LOCKOPS_H */
