/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of fencing.h: for fencing*.c only. */

#ifndef CORE_FENCING_INTERNAL_H
#define CORE_FENCING_INTERNAL_H

#include "fencing.h"

#define FENCING_TEXT	128
#define FENCING_NAG_US	UINT64_C(60000000) /* between two reminders */
#define FENCING_WAITERS	64	/* commands that await their end */

/* Ordered messages of SVC_FENCE: u8 type, u16 node, u64 inc, then: */
enum fence_msg {
	FM_RESULT = 1,	/* u32 attempt; u8 ok; u8 verified; str text */
	FM_REQUEST,	/* the operator wants this node fenced */
	FM_CONFIRM,	/* the operator says it is off */
	FM_LEAVE,	/* the operator wants it to leave */
	FM_CLAIM	/* u32 attempt: its executor is about to start it */
};

/* One round at the devices of a level; the executor's own. */
struct fence_run {
	bool		 on;
	unsigned	 n;
	uint32_t	 req[CONF_LEVEL_DEVS_MAX];	/* 0: answered */
	uint16_t	 device[CONF_LEVEL_DEVS_MAX];
	bool		 verified;	/* by every one that answered */
	char		 text[FENCING_TEXT];
};

struct victim {
	/* Replicated. */
	uint16_t	 node;
	uint64_t	 inc;		/* 0: whichever it had */
	enum fencing_state state;
	enum evidence	 evidence;
	bool		 requested;	/* by the operator: no rejoin averts it */
	bool		 startup;	/* dirty when everything was down */
	bool		 told;		/* NOTE_FENCED was said */
	unsigned	 attempt;
	uint16_t	 executor;	/* 0: none */
	uint64_t	 exec_inc;
	char		 text[FENCING_TEXT];
	/* This node's own. */
	uint64_t	 since, done;
	uint64_t	 start_at;	/* if we are the executor */
	uint64_t	 nag_at;	/* remind the operator */
	struct fence_run run;
};

/* A client that waits for the end of its command. */
struct fence_waiter {
	uint64_t	 client;
	uint32_t	 msgid;
	enum fence_msg	 cmd;
	uint16_t	 node;
};

struct fencing {
	const struct conf	*conf;
	uint16_t		 self;
	uint64_t		 inc;
	bool			(*used)(const void *, uint16_t, uint64_t);
	const void		*used_arg;

	bool			 has_state;
	bool			 primary;
	bool			 wedged;	/* the view is ending */
	bool			 synced;
	bool			 leased;	/* the view may be acted in */
	struct view		 view;
	uint64_t		 session[CONF_NODES_MAX]; /* by conf index */

	unsigned		 n;
	struct victim		 v[FENCING_VICTIMS_MAX];	/* oldest first */
	uint32_t		 req;
	unsigned		 nwaiters;
	struct fence_waiter	 waiters[FENCING_WAITERS];
};

#define FENCING_NAME	(CONF_NAME_MAX + 1)

/* fencing.c */
/* In buf; of a node that is not in the file any more, its number. */
const char *fencing_name(const struct fencing *, uint16_t node,
	    char buf[FENCING_NAME]);
struct victim *fencing_find(struct fencing *, uint16_t node, uint64_t inc);
void	 fencing_finish(struct fencing *, struct victim *, enum evidence,
	    const char *text, struct bus *);
void	 fencing_order(struct bus *, const struct wbuf *);
void	 fencing_assign(struct fencing *, struct victim *, struct bus *);
void	 fencing_outlived(const struct fencing *, const struct victim *,
	    struct bus *);
struct victim *fencing_add(struct fencing *, uint16_t node, uint64_t inc,
	    struct bus *);

/* fencing_table.c */
void	 fencing_give_snapshot(const struct fencing *, struct bus *);
void	 fencing_load_snapshot(struct fencing *, const struct note *,
	    struct bus *);

/* fencing_run.c: the executor */
void	 run_claimed(struct fencing *, struct victim *, unsigned attempt,
	    struct bus *);
void	 run_start_due(struct fencing *, struct bus *);
void	 run_cancel(struct fencing *, struct victim *, struct bus *);
unsigned fencing_rounds(const struct fencing *, const struct victim *);
uint64_t fencing_backoff(const struct fencing *, const struct victim *);
const struct conf_node *fencing_conf(const struct fencing *,
	    const struct victim *);

/* fencing_cmd.c: the operator */
void	 cmd_request(struct fencing *, const struct note *, struct bus *);
void	 cmd_client_gone(struct fencing *, uint64_t client);
void	 cmd_answer(struct fencing *, uint16_t node, enum fence_msg, int error,
	    const char *text, struct bus *);

#endif /* CORE_FENCING_INTERNAL_H */
