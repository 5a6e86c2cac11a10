/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lockspaces: who has joined which, in the total order, and the ordered
 * barriers of recovery.  dlm.c is told by struct ls_event.
 */

#ifndef CORE_LSPACE_H
#define CORE_LSPACE_H

#include "../conf.h"
#include "bus.h"

#define LS_NAME_MAX	64
#define LS_MAX		64	/* lockspaces of one cluster */
#define LS_MEMBERS_MAX	CONF_NODES_MAX

enum ls_stage {
	LSS_STOP = 0,	/* members changed: grants stop, messages of the old
			   epoch are dropped */
	LSS_FENCE,	/* waiting until every lost member is fenced */
	LSS_DIR,	/* directory: names of mastered resources are told */
	LSS_LOCKS,	/* locks whose master went are rebuilt */
	LSS_RUN		/* granting */
};

struct ls_member {
	uint16_t	 node;
	uint64_t	 inc;
	uint32_t	 slot;		/* from 1; lowest free at join; kept */
};

/* What lspace tells dlm (and the node's clients of that lockspace). */
enum ls_event_type {
	LSE_STOP = 1,	/* stop granting: recovery to epoch has begun */
	LSE_STAGE,	/* do the work of stage; say NOTE_LS_STAGE when done */
	LSE_RUN,	/* every member finished: grant again */
	LSE_GONE,	/* this node has left it: drop everything */
	LSE_FREEZE,	/* the view is not primary: grant nothing */
	LSE_THAW,	/* ... primary again */
	LSE_DROP	/* client has left it: unlock what it holds */
};

struct ls_event {
	enum ls_event_type type;
	uint32_t	 lsid;		/* the cluster's number of the lockspace */
	const char	*name;
	unsigned	 lvblen;
	uint64_t	 epoch;		/* of this recovery; in every dlm message */
	uint32_t	 generation;	/* counts recoveries, for clients */
	enum ls_stage	 stage;
	unsigned	 nmembers;
	const struct ls_member *members;	/* ascending by node */
	unsigned	 nlost;		/* fenced by LSS_DIR */
	const struct ls_member *lost;
	uint64_t	 client;	/* LSE_DROP: who, */
	uint32_t	 client_lsid;	/* and its number of the lockspace */
};

struct lspace;

struct lspace *lspace_new(const struct conf *, uint16_t self, uint64_t inc);
void	 lspace_free(struct lspace *);
/* NOTE_VIEW, NOTE_QUORUM, NOTE_LEASE, NOTE_ORDERED, NOTE_SNAP_*, NOTE_FENCED,
   NOTE_LS_STAGE, NOTE_REQUEST (M_LS_JOIN, M_LS_LEAVE), NOTE_CLIENT_GONE. */
void	 lspace_note(struct lspace *, const struct note *, struct bus *);
/* Does this incarnation have, or may it have had, a lockspace? (fencing) */
bool	 lspace_used_by(const struct lspace *, uint16_t node, uint64_t inc);
/* The client's lsid -> the cluster's, joined and owned by client; or 0. */
uint32_t lspace_of_client(const struct lspace *, uint64_t client,
	    uint32_t lsid);
void	 lspace_check(const struct lspace *);

/* For SHOW rows: the i-th lockspace, or false. */
struct ls_info {
	uint32_t	 lsid;
	char		 name[LS_NAME_MAX + 1];
	enum ls_stage	 stage;
	uint64_t	 epoch;
	uint32_t	 generation;
	uint64_t	 since;		/* us: stage entered */
	bool		 joined;	/* here */
	uint16_t	 waits_for;	/* node being fenced, or 0 */
	unsigned	 nmembers;
	struct ls_member members[LS_MEMBERS_MAX];
};
bool	 lspace_info(const struct lspace *, unsigned i, struct ls_info *);

#endif /* CORE_LSPACE_H */
