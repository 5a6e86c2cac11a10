/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Who came with a view and who went, and why: for the programs that watch.
 * What this node saw itself of a peer's end explains more than the view does,
 * so it is kept until the view without that peer comes.
 */

#ifndef CORE_CHANGES_H
#define CORE_CHANGES_H

#include "member.h"

/* Why a node is not in a view any more; libclusterd has the same numbers. */
enum left_why {
	LEFT_CLEAN = 1,	/* it said goodbye */
	LEFT_LOST,	/* it was not heard any more; the cause says how */
	LEFT_REPLACED	/* a newer incarnation of it came */
};

struct changes;

/* NULL when memory is out.  The configuration stays the caller's. */
struct changes *changes_new(const struct conf *);
void	 changes_free(struct changes *);
/* NOTE_PEER_UP, NOTE_PEER_DOWN, NOTE_PEER_GONE. */
void	 changes_peer(struct changes *, const struct note *);
/*
 * The view is new.  Writes the payload of M_VIEW_CHANGE; false when there was
 * no view before it, so that nothing has changed.
 */
bool	 changes_view(struct changes *, const struct view *, struct wbuf *);
void	 changes_check(const struct changes *);

#endif /* CORE_CHANGES_H */
