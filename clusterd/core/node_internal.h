/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of a node: for node.c, and for show.c, which reads only. */

#ifndef CORE_NODE_INTERNAL_H
#define CORE_NODE_INTERNAL_H

#include "barrier.h"
#include "client.h"
#include "dgram.h"
#include "dlm.h"
#include "evchan.h"
#include "fencing.h"
#include "group.h"
#include "keys.h"
#include "kv.h"
#include "lease.h"
#include "levels.h"
#include "link.h"
#include "lspace.h"
#include "member.h"
#include "node.h"
#include "order.h"
#include "quorum.h"
#include "rng.h"

enum node_state {
	NODE_NEW = 1,	/* until EV_START */
	NODE_RUNNING,
	NODE_LEAVING,	/* lockspaces are being left, then goodbye */
	NODE_STOPPED,	/* said goodbye; every event is ignored */
	NODE_DEAD	/* evicted; every event is ignored */
};

struct node {
	const struct conf	*conf;
	uint16_t		 self;
	uint64_t		 inc;
	enum node_state		 state;
	uint64_t		 leave_deadline;
	uint64_t		 started;	/* us */
	uint64_t		 now;		/* of the last step */
	uint64_t		 next;		/* deadline, as node_deadline() tells */
	uint64_t		 due;		/* the same, but never before now */
	bool			 put_off;	/* something may wait for a flush */
	struct rng		 rng;
	struct bus		 bus;
	struct link_layer	*link;
	struct member		*member;
	struct lease		*lease;
	struct order		*order;
	struct quorum		*quorum;
	struct fencing		*fencing;
	struct lspace		*lspace;
	struct group_layer	*group;
	struct evchan		*evchan;
	struct levels		*levels;
	struct barriers		*barriers;
	struct kv		*kv;
	struct keys		*keys;
	struct dgrams		*dgrams;
	struct dlm		*dlm;
	struct client_layer	*client;
	void			(*trace)(void *arg, const char *line);
	void			*trace_arg;
};

/* backlog.c: too much waits; the client has been told so. */
bool	 backlog_refuses(struct node *, const struct note *);
/* show.c: answers M_SHOW with rows and a result. */
void	 show_request(const struct node *, const struct note *, struct bus *);

#endif /* CORE_NODE_INTERNAL_H */
