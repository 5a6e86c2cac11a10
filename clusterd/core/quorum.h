/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Quorum: arithmetic over the votes of a view, and nothing else. */

#ifndef CORE_QUORUM_H
#define CORE_QUORUM_H

#include "member.h"

struct quorum_info {
	unsigned	 votes;		/* present in the view */
	unsigned	 expected;	/* of all configured nodes */
	unsigned	 needed;	/* to be quorate */
	bool		 quorate;
	bool		 two_node;
	bool		 waits_for_all;	/* some voter was never seen yet */
	uint64_t	 epoch;		/* of the view this is about; 0: none */
};

/*
 * Would these nodes be quorate together?  ever: one of them has been in a
 * primary view since it started, so that wait_for_all is over.  Fills in
 * everything but the epoch.
 */
bool	 quorum_count(const struct conf *, const uint16_t *nodes, unsigned n,
	    bool ever, struct quorum_info *);

struct quorum;

struct quorum *quorum_new(const struct conf *, uint16_t self);
void	 quorum_free(struct quorum *);
/* NOTE_VIEW; answers each with NOTE_QUORUM. */
void	 quorum_note(struct quorum *, const struct note *, struct bus *);
void	 quorum_get(const struct quorum *, struct quorum_info *);
void	 quorum_check(const struct quorum *);

#endif /* CORE_QUORUM_H */
