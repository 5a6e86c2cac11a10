/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The inside of lspace.h, for lspace*.c only.
 *
 *	lspace.c	the replicated machine: members and stages
 *	lspace_view.c	what views and fences do to it
 *	lspace_client.c	what this node's clients ask and are told
 *	lspace_snap.c	ordered messages and snapshots as bytes
 */

#ifndef CORE_LSPACE_INT_H
#define CORE_LSPACE_INT_H

#include "lspace.h"
#include "member.h"

#define LS_LVB_MAX	32
#define LS_ATTACH_MAX	4096	/* clients' joins on one node */
#define LS_CLIENT_MAX	64	/* of one client */
/* Members and losses of one lockspace together; joins stop there. */
#define LS_PEOPLE_MAX	(2 * LS_MEMBERS_MAX)

struct part {
	struct ls_member who;
	uint32_t	 refs;	/* joins of its clients */
	bool		 done;	/* has done the present stage */
};

struct loss {
	struct ls_member who;
	bool		 fenced;
};

/* One lockspace; everything but since is the same on every node. */
struct space {
	TAILQ_ENTRY(space) entry;
	uint32_t	 lsid;
	char		 name[LS_NAME_MAX + 1];
	uint8_t		 lvblen;
	uint64_t	 epoch;
	uint32_t	 generation;
	enum ls_stage	 stage;
	unsigned	 nparts;
	struct part	 parts[LS_MEMBERS_MAX];	/* ascending by node */
	unsigned	 nlost;		/* since it last ran */
	struct loss	 lost[LS_PEOPLE_MAX];
	uint64_t	 since;		/* stage entered, us */
	uint64_t	 began;		/* recovery, us */
};

TAILQ_HEAD(space_list, space);

/* An incarnation; one lost before anybody knew what it used is a suspect,
   and every lockspace waits for it. */
struct suspect {
	uint16_t	 node;
	uint64_t	 inc;
};

enum attach_state { AS_JOINING = 1, AS_IN, AS_LEAVING };

/* A join of a client of this node. */
struct attach {
	TAILQ_ENTRY(attach) entry;
	uint64_t	 client;
	uint32_t	 client_lsid;
	uint32_t	 msgid;		/* of its last request */
	enum attach_state state;
	bool		 gone;		/* the client; leave once joined */
	uint32_t	 lsid;		/* 0 while joining */
};

TAILQ_HEAD(attach_list, attach);

struct lspace {
	const struct conf *conf;
	uint16_t	 self;
	uint64_t	 inc;
	bool		 quorate;	/* our view is primary, and */
	bool		 leased;	/* may be acted in; unless both: */
	bool		 frozen;
	/* Replicated. */
	uint32_t	 last_lsid;
	uint64_t	 last_epoch;
	unsigned	 nspaces;
	struct space_list spaces;
	/* The newest incarnation of a node known to be fenced; an operator
	   may have one fenced before a view loses it. */
	unsigned	 nfenced;
	struct suspect	 fenced[CONF_NODES_MAX];
	unsigned	 nsuspects;
	struct suspect	 suspects[CONF_NODES_MAX];
	/* Ours. */
	unsigned	 nattached;
	struct attach_list attached;
};

enum ls_op { LO_JOIN = 1, LO_LEAVE, LO_STAGE };

/* An ordered message. */
struct ls_order {
	enum ls_op	 op;
	char		 name[LS_NAME_MAX + 1];
	uint8_t		 lvblen;
	uint64_t	 client;	/* JOIN, LEAVE */
	uint32_t	 client_lsid;
	uint32_t	 lsid;		/* LEAVE, STAGE */
	uint64_t	 epoch;		/* STAGE */
	uint8_t		 stage;
};

/* lspace.c */
struct space *space_find(const struct lspace *, uint32_t lsid);
struct part *space_part(struct space *, uint16_t node, uint64_t inc);
/* This node is in it. */
struct part *space_self(const struct lspace *, struct space *);
void	 space_drop(struct lspace *, struct space *);
void	 space_remove(struct space *, struct part *);
/* Something lost may still do harm to it. */
bool	 space_unfenced(const struct lspace *, const struct space *);
/* Begins a recovery under a higher epoch; then goes on as far as it may. */
void	 space_recover(struct lspace *, struct space *, bool lost,
	    const char *cause, struct bus *);
void	 space_advance(struct lspace *, struct space *, struct bus *);
/* Tells dlm. */
void	 space_emit(struct lspace *, struct space *, enum ls_event_type,
	    const struct attach *, struct bus *);

/* lspace_view.c */
void	 lspace_view(struct lspace *, const struct view *, struct bus *);
void	 lspace_freeze(struct lspace *, bool frozen, struct bus *);
void	 lspace_fenced(struct lspace *, uint16_t node, uint64_t inc,
	    struct bus *);

/* lspace_client.c */
void	 lspace_client_request(struct lspace *, const struct note *,
	    struct bus *);
void	 lspace_client_gone(struct lspace *, uint64_t client, struct bus *);
/* Our own join came back from the order: the lockspace, or why not. */
void	 lspace_client_joined(struct lspace *, const struct ls_order *,
	    struct space *, int error, const char *why, struct bus *);
void	 lspace_client_left(struct lspace *, const struct ls_order *,
	    struct bus *);
/* To every client of a lockspace here. */
void	 lspace_clients_prep(struct lspace *, struct space *, struct bus *);
void	 lspace_clients_slots(struct lspace *, struct space *, struct bus *);
void	 lspace_clients_done(struct lspace *, struct space *, struct bus *);

/* lspace_snap.c */
void	 lspace_order_send(struct bus *, const struct ls_order *);
bool	 lspace_order_parse(const void *, size_t, struct ls_order *);
void	 lspace_snap_give(const struct lspace *, struct bus *);
bool	 lspace_snap_load(struct lspace *, const void *, size_t);

#endif /* CORE_LSPACE_INT_H */
