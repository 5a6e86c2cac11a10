/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Membership: who is in, agreed.  The view every other module lives by. */

#ifndef CORE_MEMBER_H
#define CORE_MEMBER_H

#include "../conf.h"
#include "bus.h"
#include "vote.h"

struct view_member {
	uint16_t	 node;
	uint64_t	 inc;
	uint64_t	 joined;	/* epoch of its first primary view */
	bool		 fresh;		/* has no state yet: it is given a snapshot */
	bool		 blank;		/* its disk does not remember what decides
					   here (vote.c E5); not in primary views */
};

/*
 * A view: the same (epoch, leader) is the same set of members everywhere.
 *
 * Replicated state changes in primary views only: a view that is not primary
 * freezes it, and lists nobody as lost.  A primary view lists as lost the
 * members of the primary view before it (the one the state comes from) that
 * are not in it; every member with state is given the same list.
 */
struct view {
	uint64_t	 epoch;		/* strictly grows at each node */
	uint16_t	 leader;	/* sequencer; the senior member with state */
	bool		 primary;	/* quorate, by the coordinator's arithmetic */
	bool		 scratch;	/* nobody has state: it starts anew, and what
					   the lost ones used is unknown */
	unsigned	 n;
	struct view_member members[CONF_NODES_MAX];	/* ascending by node */
	unsigned	 nlost;
	struct {
		uint16_t node;
		uint64_t inc;
		bool	 clean;		/* it left with goodbye */
	}		 lost[CONF_NODES_MAX];
	uint64_t	 features;	/* that all members have; version.h */
	char		 cause[160];	/* why it was formed, for people */
	/*
	 * A primary view has its own electorate.  Another one shows that of
	 * the newest primary view known, and why it could not follow it.
	 */
	struct electorate elect;
	struct tally	 tally;		/* in the electorate of the view before */
	bool		 waits;		/* for every voter to be seen once */
	bool		 contested;	/* a later primary view may exist */
	bool		 recorded;	/* on disk before anybody is ready */
	bool		 device;	/* the quorum device votes for it, too */
	/* Here only: it is entered late, and the next one follows at once. */
	bool		 passing;
};

/* Its members, and the device if that votes for it. */
void	 view_voters(const struct view *, struct vote_nodes *);
const struct view_member *view_find(const struct view *, uint16_t node);
bool	 view_has(const struct view *, uint16_t node, uint64_t inc);
/*
 * Votes do not keep apart who is here and who was lost: each may go on, and take
 * what it had not used so far, until one is fenced.  All members say the same.
 */
bool	 view_forks(const struct view *);

/* Names a primary view. */
struct prim_id {
	uint64_t	 epoch;		/* 0: none */
	uint16_t	 leader;
};

#define ATTEMPTS_MAX 8

/* A primary view that we were ready for, and that others may be in. */
struct attempt {
	struct prim_id	 id;
	struct electorate elect;
};

struct attempt_list {
	unsigned	 n;
	struct attempt	 v[ATTEMPTS_MAX];	/* oldest first */
};

/*
 * What must survive the process, encoded by member_encode().  Malformed
 * bytes decode as none.
 */
struct member_stored {
	uint64_t	 epoch;		/* no view of ours had a higher one */
	uint64_t	 prim_epoch;	/* last primary view we were in; 0: none */
	uint16_t	 prim_leader;
	/* Its members, and those who still wait for their fence; each node
	   at most once. */
	unsigned	 n;
	struct {
		uint16_t node;
		uint64_t inc;
		bool	 clean;		/* it left with goodbye */
		bool	 victim;	/* not a member: its fence is due */
		bool	 left;		/* ... from this very view, for good:
					   it will not vote for the next */
	}		 members[CONF_NODES_MAX];
	/* We had its state.  Else the victims are what we knew before. */
	bool		 whole;
	struct electorate elect;	/* of that view; n 0: not recorded */
	struct attempt_list attempts;	/* later than that view */
	struct prim_id	 since;	/* first view this disk had a part in; 0: none */
	/* Epochs of views that the quorum device knows: the last one we were in
	   that is on record there, and the last one we were READY for that it
	   had promised another node.  0: none. */
	uint64_t	 told, asked;
	uint64_t	 words;	/* lease_words(); 0: not recorded */
};

void	 member_stored_encode(const struct member_stored *, struct wbuf *);
bool	 member_stored_decode(struct member_stored *, const void *, size_t);

struct member;

/* The quorum device as this node last saw it. */
struct device_info {
	bool		 answered;	/* ever */
	bool		 works;		/* as of its last answer */
	bool		 blank;		/* nothing is remembered on it for sure */
	uint64_t	 answered_at;	/* when it could be read; 0: never */
	char		 why[256];	/* it does not work */
};

/* NULL when memory is out. */
struct member *member_new(const struct conf *, uint16_t self, uint64_t inc,
	    const struct member_stored *);
void	 member_free(struct member *);
/* Features that it does not use, for tests. */
void	 member_lack(struct member *, uint64_t features);
/* When a node that comes and goes is let in again; 0: it is not held back. */
uint64_t member_held_until(const struct member *, uint16_t node);
unsigned member_nheld(const struct member *);
/* NOTE_PEER_*, NOTE_MESSAGE on CHAN_MEMBER, NOTE_FLUSHED, NOTE_TRIMMED,
   NOTE_CLEAR (which answers NOTE_VOUCH), NOTE_DEVICE_DONE,
   NOTE_QUORUM, NOTE_SYNCED, NOTE_VOTE_WISH, NOTE_REQUEST (M_COMMAND
   quorum-unblock, quorum-override). */
void	 member_note(struct member *, const struct note *, struct bus *);
/* It hears nobody, and forms no view, before from. */
void	 member_start(struct member *, uint64_t from, struct bus *);
/* Others are told that we leave; no view with us is formed any more. */
void	 member_stop(struct member *, struct bus *);
/* This node was late by so much: others had no chance to answer it. */
void	 member_overslept(struct member *, uint64_t late);
void	 member_timer(struct member *, struct bus *);
uint64_t member_deadline(const struct member *);
const struct view *member_view(const struct member *);	/* NULL: none yet */
bool	 member_synced(const struct member *);
/* A change is under way, or our primary view is torn and must be formed anew. */
bool	 member_unsettled(const struct member *);
/* The incarnation of a peer we have a session with; 0: none. */
uint64_t member_session(const struct member *, uint16_t node);
/*
 * False when the session with a member of our primary view has broken since:
 * services must not go on talking over the new one before the next view.
 */
bool	 member_whole(const struct member *, uint16_t node);
void	 member_device(const struct member *, struct device_info *);
/* How long the proposal of a view waits for an answer, us. */
uint64_t member_step_limit(const struct conf *);
/* The primary view whose successor it will not vote for; 0: it may. */
uint64_t member_left(const struct member *);
/* For NOTE_STORE: what must be made durable now. */
const struct member_stored *member_get_stored(const struct member *);
void	 member_check(const struct member *);

#endif /* CORE_MEMBER_H */
