/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What glock.c (holders, table) and glock_work.c (requests, demotion) share.
 */

#ifndef GFS_GLOCK_WORK_H
#define GFS_GLOCK_WORK_H

#include "fs.h"

#define GLOCK_HOLD_US	50000	/* inodes: least time a grant is kept */
#define GLOCK_RETRY_US	20000	/* a request that was not to be had */
#define GLOCK_WORKERS	16	/* fibers that demote at the same time */
#define GLOCK_CACHED	100000	/* glocks kept; unused ones go beyond it */

struct glockd {
	TAILQ_HEAD(, glock)	 work;		/* demoting, no fiber yet */
	TAILQ_HEAD(glock_timers, glock) timers;	/* by hold_until */
	struct waitq		 wq;		/* the timer fiber */
	struct waitq		 idle;		/* glock_drop_all, glock_exit */
	unsigned		 fibers;	/* workers and the timer */
	unsigned		 workers;
	unsigned		 nbusy;		/* glocks busy or demoting */
	/* log_settle.c */
	uint64_t		 burst_began;	/* us */
	unsigned		 burst;		/* locks cleaned since */
	bool			 settling;
	struct waitq		 settled;
	bool			 paused;	/* demotions wait */
	bool			 inline_work;	/* the timer fiber demotes */
	bool			 stop;
};

RB_PROTOTYPE(glock_tree, glock, node, glock_cmp)
int	 glock_cmp(const struct glock *, const struct glock *);

/* Does whatever can be done now; the glock may be gone afterwards. */
void	 glock_run(struct glock *);
void	 glock_free(struct glock *);
/* Unused glocks beyond GLOCK_CACHED are asked to go. */
void	 glock_trim(struct gfs *);
/* log_clean_glock(), and of the whole log when many locks are wanted. */
int	 log_clean_lock(struct glock *, uint32_t lhflags);
/* A waiter leaves the queue with this result and is woken. */
void	 glock_fail(struct glock *, struct gholder *, int error);

#endif /* GFS_GLOCK_WORK_H */
