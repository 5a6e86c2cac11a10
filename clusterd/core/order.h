/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Total order: what services give with NOTE_ORDER is delivered to all
 * members of a primary view with NOTE_ORDERED, in one sequence.
 *
 *	safe	only once every member holds it, so that none can be delivered
 *		here and lost there.  What services do is of this kind.
 *	agreed	as soon as its place in the sequence is known here; NOTE_ORDER
 *		with code ORDER_AGREED.  Members that go on together have
 *		delivered the same; one that dies, or is cut off for good, may
 *		have been ahead of the others.
 */

#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include "member.h"

#define ORDER_MSG_MAX	57344		/* bytes of one ordered message */
/*
 * Bytes sequenced and not yet stable.  After a view change that was broken off
 * a member may hold twice as much, which must still fit into its flush.
 */
#define ORDER_WINDOW	(256 * 1024)

enum order_kind { ORDER_SAFE = 0, ORDER_AGREED };

struct order;

struct order *order_new(uint16_t self, uint64_t inc);
void	 order_free(struct order *);
/* NOTE_WEDGE, NOTE_TRIM, NOTE_VIEW, NOTE_QUORUM, NOTE_LEASE, NOTE_ORDER, NOTE_SNAP,
   NOTE_MESSAGE on CHAN_ORDER. */
void	 order_note(struct order *, const struct note *, struct bus *);
/* Says what this step gathered; node.c calls it when no note is left. */
void	 order_flush(struct order *, struct bus *);
/* When order_flush() has something to say that could wait; or UINT64_MAX. */
uint64_t order_deadline(const struct order *);
/*
 * A program here does not keep up with what it is given.  While that is so, a
 * member acknowledges nothing and the leader gives no positions to messages,
 * so the window fills and senders everywhere are told to wait.
 */
void	 order_hold(struct order *, bool, struct bus *);
void	 order_check(const struct order *);

struct order_info {
	uint64_t	 held;		/* position of the last message here */
	uint64_t	 stable;	/* every member holds up to here */
	uint64_t	 delivered;
	size_t		 log;		/* bytes that some member may lack */
	size_t		 waiting;	/* bytes of ours without a position */
	bool		 wedged;
	bool		 synced;
};
void	 order_get(const struct order *, struct order_info *);

#endif /* CORE_ORDER_H */
