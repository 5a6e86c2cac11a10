/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Fencing: which lost incarnations must be made harmless, who does it, and
 * when it is done.  Replicated through the total order, so every member says
 * NOTE_FENCED at the same point of the sequence.
 */

#ifndef CORE_FENCING_H
#define CORE_FENCING_H

#include "member.h"

#define FENCING_VICTIMS_MAX	128	/* entries of the table */
#define FENCING_HISTORY		64	/* of them, done ones that are kept */

enum fencing_state {
	FS_PENDING = 1,	/* must be fenced; somebody is at it */
	FS_MANUAL,	/* no device can: the operator must confirm */
	FS_DONE		/* harmless, with evidence */
};

struct fencing;

/* used(arg, node, inc): may this incarnation hold anything shared? */
struct fencing *fencing_new(const struct conf *, uint16_t self, uint64_t inc,
	    bool (*used)(const void *, uint16_t, uint64_t), const void *arg);
void	 fencing_free(struct fencing *);
/* NOTE_VIEW, NOTE_WEDGE, NOTE_LEASE, NOTE_SYNCED, NOTE_ORDERED, NOTE_SNAP_WANT,
   NOTE_SNAP_LOAD, NOTE_PEER_*, NOTE_REQUEST (M_COMMAND), NOTE_CLIENT_GONE. */
void	 fencing_note(struct fencing *, const struct note *, struct bus *);
/* EV_FENCE_DONE */
void	 fencing_done(struct fencing *, uint32_t req, bool ok, bool verified,
	    const char *text, struct bus *);
void	 fencing_timer(struct fencing *, struct bus *);
uint64_t fencing_deadline(const struct fencing *);
/* Is this incarnation still waiting for its fence? */
bool	 fencing_pending(const struct fencing *, uint16_t node, uint64_t inc);
void	 fencing_check(const struct fencing *);

/* For SHOW rows: the i-th entry, oldest first, or false. */
struct fencing_info {
	uint16_t	 node;
	uint64_t	 inc;
	enum fencing_state state;
	enum evidence	 evidence;	/* when done */
	bool		 harmless;	/* done at once: it used nothing shared */
	unsigned	 attempt;	/* from 0, over levels and rounds */
	unsigned	 level;		/* from 1; 0: it has none */
	uint16_t	 executor;	/* node id, 0: none yet */
	uint64_t	 since;		/* us: here, lost */
	uint64_t	 done;		/* us: here, when done */
	char		 text[128];	/* last word of a device, or why */
};
bool	 fencing_info(const struct fencing *, unsigned i,
	    struct fencing_info *);
const char *fencing_state_name(enum fencing_state);
const char *evidence_name(enum evidence);

#endif /* CORE_FENCING_H */
