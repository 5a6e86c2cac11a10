/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the sources of the log share: log.c (life, waiting, the log fiber),
 * trans.c (transactions), log_write.c (one flush), ail.c (going home).
 */

#ifndef GFS_LOG_INT_H
#define GFS_LOG_INT_H

#include "cache_int.h"

struct compound;

/* A buffer in the log; bh->bd points here while bh is not NULL. */
struct bd {
	struct bh		*bh;	/* NULL: freed while sealed */
	struct glock		*gl;
	bool			 open;	/* in the open compound */
	bool			 sealed; /* in the one being flushed */
	bool			 jdata;
	bool			 sealed_jdata;
	struct compound		*ail;	/* its AIL, or NULL */
	bool			 home;	/* on ail2, else on ail1 */
	TAILQ_ENTRY(bd)		 open_entry;
	TAILQ_ENTRY(bd)		 sealed_entry;
	TAILQ_ENTRY(bd)		 ail_entry;
	uint64_t		 blkno;
	const uint8_t		*image;	/* sealed: in the flush's body */
	void			(*fn)(struct bh *);
	void			(*fn_image)(struct bh *, const uint8_t *);
	void			(*sealed_fn)(struct bh *);
	void			(*sealed_fn_image)(struct bh *, const uint8_t *);
};

TAILQ_HEAD(bdq, bd);

/* A block whose images before this point must not be replayed. */
struct revoke {
	RB_ENTRY(revoke)	 node;
	uint64_t		 blkno;
	struct glock		*gl;
	bool			 cancelled; /* used again: not written */
};

RB_HEAD(revokes, revoke);

/* All transactions between two seals; one flush. */
struct compound {
	TAILQ_ENTRY(compound)	 entry;
	uint64_t		 number;
	/* open */
	struct bdq		 open;
	struct revokes		 revokes;
	unsigned		 nmeta, njdata, nrevokes;
	unsigned		 active;	/* transactions inside */
	unsigned		 reserved;	/* blocks they may still need */
	/* sealed */
	struct bdq		 sealed;
	uint8_t			*body;		/* nblocks images in log order */
	uint32_t		 nblocks;
	uint32_t		 first;		/* journal block of body[0] */
	uint32_t		 tail;		/* for the header */
	uint64_t		 keep;		/* compounds below are released */
	uint32_t		 flags;		/* of the header */
	struct statfs_change	 local;
	/* committed */
	struct bdq		 ail1;		/* to be written home */
	struct bdq		 ail2;		/* home, but replay would know them */
};

TAILQ_HEAD(compoundq, compound);

struct logstate {
	struct gfs		*fs;
	const struct journal	*journal;
	uint32_t		 nblocks;
	uint32_t		 head;		/* next block to write */
	uint32_t		 tail;		/* what recovery would start at */
	uint64_t		 seq;		/* of the next header */

	struct compound		*open;
	struct compound		*sealed;	/* in flight, or NULL */
	struct compoundq	 committed;	/* oldest first */
	uint64_t		 done;		/* number of the last committed */

	bool			 sealing;	/* no new transactions */
	bool			 flushing;
	bool			 space_wanted;
	bool			 kicked;
	bool			 stopping;
	bool			 logd_alive;
	uint32_t		 flush_flags;	/* asked for by waiters */
	uint64_t		 ail_total;	/* buffers on any AIL */

	struct waitq		 wq_gate;	/* sealing ended */
	struct waitq		 wq_idle;	/* open->active fell to 0 */
	struct waitq		 wq_flush;	/* a flush ended */
	struct waitq		 wq_space;	/* log space was freed */
	struct waitq		 wq_logd;

	struct log_stats	 stats;
};

/* One fiber's open transaction. */
struct trans {
	struct gfs		*fs;
	unsigned		 blocks, revokes;	/* allowed */
	unsigned		 cost;		/* log blocks reserved */
	unsigned		 pinned, revoked; /* used */
};

/* Room always kept for a header and a revoke flush. */
enum { LOG_KEEP = 6 };

int	 revoke_cmp(const struct revoke *, const struct revoke *);
RB_PROTOTYPE(revokes, revoke, node, revoke_cmp)

/* trans.c */
uint32_t log_revoke_blocks(const struct gfs *, unsigned nrevokes);
/* Log blocks of the open compound if it were flushed now, header included. */
uint32_t compound_need(const struct gfs *, const struct compound *);
void	 bd_leave_ail(struct bd *);
void	 revokes_free(struct compound *, bool committed);

/* log.c */
uint32_t log_used(const struct logstate *);
uint32_t log_free(const struct logstate *);
void	 log_kick(struct logstate *);
struct compound *compound_new(uint64_t number);

/* log_write.c: one flush; only log.c calls it, with ls->flushing set. */
int	 log_write_flush(struct logstate *, uint32_t flags);

/* ail.c */
/* Moves what is home to ail2; returns the oldest compound not home, or NULL. */
struct compound *ail_sort(struct logstate *);
/* Writes home up to max buffers of the oldest compounds, and waits. */
int	 ail_write(struct logstate *, size_t max);
/* The durable tail passed every compound below number. */
void	 ail_release(struct logstate *, uint64_t number);
/* Everything is given up: the mount ends without a clean journal. */
void	 ail_drop_all(struct logstate *);

#endif /* GFS_LOG_INT_H */
