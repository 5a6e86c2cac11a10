/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of order.h: for order*.c only. */

#ifndef CORE_ORDER_INTERNAL_H
#define CORE_ORDER_INTERNAL_H

#include "order.h"
#include "version.h"

/* Messages of CHAN_ORDER: u8 type, u64 epoch, then as said. */
enum order_msg {
	OM_SUBMIT = 1,	/* records without positions, to the leader */
	OM_SEQ,		/* u64 stable; records with positions, to all */
	OM_ACK		/* u64 held, to the leader */
};

enum omsg_kind {
	OK_MSG = 1,	/* of a service */
	OK_SNAP,	/* a piece of a service's snapshot, for joiners */
	OK_SNAP_END,	/* the last piece of that service */
	OK_SYNC,	/* every member has state from here on */
	OK_AGREED,	/* of a service that wants it soon rather than safe */
	OK_YOURS,	/* in SEQ: that one of the receiver; FEATURE_YOURS */
#ifdef WIRE_NEXT
	OK_PAD,		/* nothing; FEATURE_PAD */
#endif
	OK_MAX
};

/* What each costs in the window and in queues besides its data. */
#define OMSG_OVERHEAD	64
#define OMSG_PIECE	32768	/* bytes of one piece of a snapshot */
#define ORDER_SNAP_MAX	(16 * 1024 * 1024)
#define ORDER_PARK_MAX	(16 * 1024 * 1024)
#define ORDER_INFLIGHT	(256 * 1024)	/* submitted, not seen in the order */
/* Above these only a peer that breaks the rules can get. */
#define ORDER_QUEUE_MAX	(ORDER_INFLIGHT + 2 * (ORDER_MSG_MAX + OMSG_OVERHEAD))
#define ORDER_LOG_MAX	(ORDER_WINDOW + ORDER_MSG_MAX + OMSG_OVERHEAD)
/* What nobody waits for is acknowledged, and told stable, so late. */
#define ORDER_ACK_US	UINT64_C(10000)
#define ORDER_ACK_BYTES	(64 * 1024)
/* Bytes from which on a message is worth a record of its own kind. */
#define ORDER_YOURS_MIN	128

struct omsg {
	STAILQ_ENTRY(omsg)	 entry;
	uint64_t		 pos;	/* 0: none yet */
	uint16_t		 node;	/* sender */
	uint64_t		 inc;
	uint64_t		 sseq;	/* of the sender, from 1 */
	enum omsg_kind		 kind;
	enum service		 service;
	size_t			 len;
	uint8_t			 data[];
};

STAILQ_HEAD(omsg_list, omsg);

/* A message of a view that is not installed here yet. */
struct parked {
	STAILQ_ENTRY(parked)	 entry;
	uint64_t		 epoch;
	uint16_t		 node;
	uint64_t		 inc;
	size_t			 len;
	uint8_t			 data[];
};

STAILQ_HEAD(parked_list, parked);

struct omember {
	uint16_t		 node;
	uint64_t		 inc;
	uint64_t		 acked;	/* leader only: it holds up to here */
	uint64_t		 sseq;	/* leader only: last one sequenced */
	size_t			 queued; /* leader only: bytes in the queue */
	bool			 yours; /* leader only: large ones in the batch */
};

struct order {
	uint16_t		 self;
	uint64_t		 inc;

	/* The log of the last primary view we were in. */
	uint64_t		 held;		/* no gap up to here */
	uint64_t		 stable;	/* every member holds up to here */
	uint64_t		 delivered;
	struct omsg_list	 log;		/* (stable, held] */
	struct omsg		*next;		/* first not delivered, or NULL */
	size_t			 logbytes;
	uint64_t		 safe_pos;	/* newest that waits to be stable */
	uint64_t		 sync_pos;	/* OK_SYNC in the log; 0: none */

	/* The view. */
	uint64_t		 epoch;
	uint16_t		 leader;
	uint64_t		 features;
	bool			 primary;
	bool			 installing; /* its quorum is not known yet */
	bool			 passing; /* it ends at once: nothing is said in it */
	bool			 open;	/* it is primary, and not wedged */
	bool			 leased; /* the view may be acted in (lease.c) */
	bool			 hold;	/* a program here is slow */
	bool			 fresh;	/* we wait for snapshots */
	bool			 synced;
	bool			 joiners; /* some member is fresh */
	unsigned		 n;
	struct omember		 members[CONF_NODES_MAX];

	/* Ours, in order, until delivered. */
	struct omsg_list	 mine;
	struct omsg		*unsent; /* first not submitted in this view */
	struct omsg		*unplaced; /* a guess: the next to get a position */
	size_t			 minebytes;
	size_t			 inflight;
	uint64_t		 sseq;

	/* Leader: waiting for a position; snapshots and SYNC before all. */
	struct omsg_list	 front;
	struct omsg_list	 queue;
	unsigned		 snap_wait;	/* bit per service */

	/* Joiner: pieces so far. */
	struct wbuf		 snap[SVC_MAX];

	struct parked_list	 parked;
	size_t			 parkbytes;

	/* Said at the end of the step. */
	struct wbuf		 batch;		/* records */
	uint64_t		 told_stable;
	uint64_t		 told_held;
	size_t			 unacked;	/* bytes since told_held */
	uint64_t		 tell_at;	/* UINT64_MAX: nothing is owed */
};

/* order_wire.c */
struct omsg *omsg_new(enum omsg_kind, enum service, const void *, size_t);
void	 omsg_clear(struct omsg_list *);
void	 omsg_put(struct wbuf *, const struct omsg *);
/* The next record, or NULL (err is set in r when it is malformed). */
struct omsg *omsg_get(struct rbuf *r);
/* Records as the sender of some of them gets them: with OK_YOURS. */
void	 omsg_put_yours(struct wbuf *, const struct wbuf *records,
	    uint16_t node, uint64_t inc);
/* The log as bytes, for NOTE_FLUSHED; order_log_read() is its inverse. */
void	 order_log_put(const struct order *, struct wbuf *);
bool	 order_log_get(struct order *, const void *, size_t, uint64_t cut);

/* order.c */
void	 order_append(struct order *, struct omsg *);
/* Every member holds up to here: delivers, and forgets, up to there. */
void	 order_stable(struct order *, uint64_t upto, struct bus *);
void	 order_forget_log(struct order *, uint64_t pos);
void	 order_reset_peer(struct bus *, uint16_t node, const char *why);

/* order_view.c */
void	 order_wedge(struct order *, struct bus *);
void	 order_trim(struct order *, const struct note *, struct bus *);
void	 order_view(struct order *, const struct view *);

#endif /* CORE_ORDER_INTERNAL_H */
