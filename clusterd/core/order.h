/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Total order: what services give with NOTE_ORDER is delivered to all
 * members of a primary view with NOTE_ORDERED, in one sequence, and only
 * once every member holds it (so none can be delivered here and lost there).
 */

#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include "member.h"

#define ORDER_MSG_MAX	57344		/* bytes of one ordered message */
#define ORDER_WINDOW	(512 * 1024)	/* bytes sequenced and not yet stable */

struct order;

struct order *order_new(uint16_t self, uint64_t inc);
void	 order_free(struct order *);
/* NOTE_WEDGE, NOTE_TRIM, NOTE_VIEW, NOTE_QUORUM, NOTE_ORDER, NOTE_SNAP,
   NOTE_MESSAGE on CHAN_ORDER. */
void	 order_note(struct order *, const struct note *, struct bus *);
/* Says what this step gathered; node.c calls it when no note is left. */
void	 order_flush(struct order *, struct bus *);
void	 order_check(const struct order *);

struct order_info {
	uint64_t	 held;		/* position of the last message here */
	uint64_t	 stable;	/* delivered up to here */
	size_t		 waiting;	/* bytes of ours without a position */
	bool		 wedged;
	bool		 synced;
};
void	 order_get(const struct order *, struct order_info *);

#endif /* CORE_ORDER_H */
