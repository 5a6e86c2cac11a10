/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Membership: who is in, agreed.  The view every other module lives by. */

#ifndef CORE_MEMBER_H
#define CORE_MEMBER_H

#include "../conf.h"
#include "bus.h"

struct view_member {
	uint16_t	 node;
	uint64_t	 inc;
	uint64_t	 joined;	/* epoch of its first view; seniority */
	bool		 fresh;		/* has no state yet: joined now, or merged
					   from a side that was not primary */
};

/*
 * A view: the same id is the same set of members everywhere.
 */
struct view {
	uint64_t	 epoch;		/* strictly grows at each node */
	uint16_t	 leader;	/* sequencer; the senior member with state */
	unsigned	 n;
	struct view_member members[CONF_NODES_MAX];	/* ascending by node */
	/* Against the view this node was in before (its state source). */
	unsigned	 nlost;
	struct {
		uint16_t node;
		uint64_t inc;
		bool	 clean;		/* it left with goodbye */
	}		 lost[CONF_NODES_MAX];
};

const struct view_member *view_find(const struct view *, uint16_t node);
bool	 view_has(const struct view *, uint16_t node, uint64_t inc);

struct member;

struct member *member_new(const struct conf *, uint16_t self, uint64_t inc,
	    uint64_t stored_epoch);
void	 member_free(struct member *);
void	 member_note(struct member *, const struct note *, struct bus *);
void	 member_start(struct member *, struct bus *);
void	 member_stop(struct member *, struct bus *);	/* leave cleanly */
void	 member_timer(struct member *, struct bus *);
uint64_t member_deadline(const struct member *);
const struct view *member_view(const struct member *);	/* NULL: none yet */
void	 member_check(const struct member *);

#endif /* CORE_MEMBER_H */
