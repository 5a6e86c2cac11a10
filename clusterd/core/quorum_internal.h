/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of quorum.h: for quorum*.c only. */

#ifndef CORE_QUORUM_INTERNAL_H
#define CORE_QUORUM_INTERNAL_H

#include "quorum.h"

#define QUORUM_WAITERS	16	/* commands that await the next view */

/* Ordered messages of SVC_QUORUM: u8 type, then: */
enum quorum_msg {
	QM_EXPECTED = 1,	/* u32 votes */
	QM_VOTES,		/* u16 node; u32 votes */
	QM_RESET,		/* - */
	QM_OPTION		/* options, of which one is given */
};

struct quorum_order {
	enum quorum_msg	 type;
	uint16_t	 node;
	uint32_t	 votes;
	enum vote_option option;
	struct vote_options opt;
};

/* A client that waits for the view in which its order is in force. */
struct quorum_waiter {
	uint64_t	 client;
	uint32_t	 msgid;
	uint64_t	 serial;	/* 0: its order is still under way */
	struct quorum_order order;
};

struct quorum {
	const struct conf	*conf;
	uint16_t		 self;
	struct quorum_info	 info;
	struct vote_nodes	 here;		/* members of the view */
	uint64_t		 features;	/* of the view */
	uint64_t		 answered;	/* epoch of the last NOTE_QUORUM */
	bool			 synced;
	struct vote_wish	 wish;		/* serial 0: none under way */
	unsigned		 nwaiters;
	struct quorum_waiter	 waiters[QUORUM_WAITERS];
};

/* quorum_cmd.c */
void	 quorum_request(struct quorum *, const struct note *, struct bus *);
void	 quorum_ordered(struct quorum *, const struct note *, struct bus *);
/* A new view: answers those whose order it carries, or has lost. */
void	 quorum_settle(struct quorum *, bool primary, struct bus *);
void	 quorum_client_gone(struct quorum *, uint64_t client);

#endif /* CORE_QUORUM_INTERNAL_H */
