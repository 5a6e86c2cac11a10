/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Several lock managers connected directly: a queue per ordered pair of
 * nodes, one lockspace whose recoveries the fixture orders itself, and
 * clients whose view of every lock is recorded.  What is delivered next is
 * first come first served, or drawn from a seed.
 */

#ifndef DLM_FIXTURE_H
#define DLM_FIXTURE_H

#include "core/dlm_int.h"
#include "core/rng.h"

#define FX_NODES	5	/* ids 1..FX_NODES */
#define FX_LOCKS	256
#define FX_LSID		7	/* the clients' number of the lockspace */

/* A lock as its client sees it. */
struct fx_lock {
	bool		 used;
	unsigned	 node;
	uint64_t	 client;
	uint32_t	 lkid;
	unsigned	 res;
	int		 held;		/* what the client may rely on */
	int		 before;	/* ... had the operation not begun */
	int		 asked;		/* mode of the operation under way, or IV */
	bool		 pending;	/* an operation is under way */
	bool		 unlocking;
	uint32_t	 flags;		/* of the last operation */
	/* The last completion. */
	unsigned	 asts;
	int		 status;
	int		 mode;
	unsigned	 sbflags;
	bool		 unlocked;
	bool		 haslvb;
	uint8_t		 lvb[DLM_LVB_MAX];
	/* Blocking callbacks since it was granted. */
	unsigned	 basts;
	int		 bast;
	int		 told;		/* highest of them since the last grant */
	/* Of the value block's oracle. */
	uint64_t	 wrote;		/* value being written, 0: none */
	uint64_t	 floor;		/* at the time it was asked for */
	bool		 marked;	/* ... it had to be marked invalid */
};

struct fx_msg {
	STAILQ_ENTRY(fx_msg) entry;
	uint64_t	 inc;
	size_t		 len;
	uint8_t		 data[];
};

STAILQ_HEAD(fx_queue, fx_msg);

struct fx_event {
	STAILQ_ENTRY(fx_event) entry;
	struct ls_event	 ev;
	struct ls_member members[FX_NODES];
};

STAILQ_HEAD(fx_events, fx_event);

struct fx_node {
	struct dlm	*d;
	uint64_t	 inc;
	bool		 up;
	bool		 member;
	bool		 frozen;
	struct bus	 bus;
	struct actions	 out;
	struct fx_events events;	/* ordered, not delivered yet */
	enum ls_stage	 voted;
	uint64_t	 voted_epoch;
	unsigned	 results;	/* M_RESULT had */
	int		 result;
};

struct fx {
	struct fx_node	 node[FX_NODES + 1];
	struct fx_queue	 net[FX_NODES + 1][FX_NODES + 1];
	struct fx_lock	 locks[FX_LOCKS];
	uint64_t	 epoch;
	enum ls_stage	 stage;
	bool		 fenced;	/* of the lost: recovery may go on */
	bool		 random;
	bool		 trace;		/* say what clients do and see */
	struct rng	 rng;
	uint64_t	 now;
	uint64_t	 lastinc;
	uint64_t	 messages;
	size_t		 longest;	/* message, bytes */
	size_t		 most;		/* bytes said in one call */
	bool		 bulk;		/* completions are only counted */
	uint64_t	 bulk_asts;
	uint32_t	 nextlkid;
	uint64_t	 floor;		/* of the next new lock */
	bool		 marked;
	/* Called after each completion and before each step, if set. */
	void		(*on_ast)(struct fx *, struct fx_lock *);
};

void	 fx_init(struct fx *, unsigned nodes);
void	 fx_seed(struct fx *, uint64_t seed);	/* random delivery from now on */
void	 fx_free(struct fx *);
/* A node comes, goes cleanly, or dies; begins a recovery. */
void	 fx_up(struct fx *, unsigned node);
void	 fx_leave(struct fx *, unsigned node);
void	 fx_join(struct fx *, unsigned node);	/* after fx_leave() */
void	 fx_kill(struct fx *, unsigned node);
void	 fx_fence(struct fx *);		/* the dead can do no more harm */
void	 fx_recover(struct fx *);	/* one more recovery, members unchanged */
/* It has no lease for a while: everything waits, and nothing is lost. */
void	 fx_freeze(struct fx *, unsigned node, bool frozen);
void	 fx_thaw(struct fx *);		/* all of them */
bool	 fx_step(struct fx *);		/* false: nothing is left to do */
/* What a step may be: for one node, the next from that node, or one of these. */
#define FX_EVENT	0		/* what was ordered for it */
#define FX_TIMER	(FX_NODES + 1)	/* more of what it has to do */
void	 fx_give(struct fx *, unsigned node, unsigned from);
void	 fx_drain(struct fx *);
void	 fx_check(const struct fx *);

/* Operations; each returns the lock. */
struct fx_lock *fx_lock(struct fx *, unsigned node, uint64_t client,
	    unsigned res, int mode, uint32_t flags);
struct fx_lock *fx_lock_name(struct fx *, unsigned node, uint64_t client,
	    const void *name, size_t namelen, int mode, uint32_t flags);
/* Requests count locks on as many resources, each in mode. */
void	 fx_bulk(struct fx *, unsigned node, uint64_t client, unsigned count,
	    int mode);
void	 fx_convert(struct fx *, struct fx_lock *, int mode, uint32_t flags,
	    const uint8_t *lvb);
void	 fx_unlock(struct fx *, struct fx_lock *, uint32_t flags,
	    const uint8_t *lvb);
void	 fx_cancel(struct fx *, struct fx_lock *);
void	 fx_client_gone(struct fx *, unsigned node, uint64_t client);
void	 fx_name(unsigned res, char name[16]);
/* Everything of every node is gone: locks, resources, directory, users. */
void	 fx_require_empty(const struct fx *);

#endif /* DLM_FIXTURE_H */
