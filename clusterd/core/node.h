/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One node of a cluster as a pure state machine: owns one of each module and
 * routes what they say to each other.  N of them fit into one process.
 */

#ifndef CORE_NODE_H
#define CORE_NODE_H

#include "../conf.h"
#include "../keyring.h"
#include "event.h"
#include "vote.h"

struct node;

struct node_config {
	const struct conf *conf;	/* outlives the node */
	uint16_t	 self;		/* our node id */
	uint64_t	 incarnation;	/* larger than any earlier one of ours */
	struct keyring	 keys;		/* of the cluster, as in the key file */
	uint8_t		 secret[32];	/* random; new keys are made from it */
	uint64_t	 seed[4];	/* for the node's generator; secret */
	const uint8_t	*stored;	/* durable state of the last life, or NULL */
	size_t		 storedlen;
	uint64_t	 lacks;		/* features it does not use, for tests */
	/* Debug lines; NULL: none. */
	void		(*trace)(void *arg, const char *line);
	void		*trace_arg;
};

/* NULL when memory is out; malformed stored state counts as none. */
struct node *node_new(const struct node_config *);
void	 node_free(struct node *);

/*
 * Handles one event and appends what is to be done.  Time never goes back.
 * Datagrams that are waiting must be given before a due EV_TIMER: our own
 * lateness must not look like a peer's silence.
 */
void	 node_step(struct node *, const struct event *, struct actions *);
/*
 * When EV_TIMER is wanted next, us; UINT64_MAX: never.  At once after an event
 * that more were to follow: EV_FLUSH serves as well.
 */
uint64_t node_deadline(const struct node *);
/* Asserts every module's numbered invariants; cheap enough for each step of
   the simulator. */
void	 node_check(const struct node *);

/*
 * What oracles look at, without reaching into modules.
 */
struct node_view {
	uint64_t	 epoch;		/* 0: none yet */
	uint16_t	 leader;
	uint64_t	 features;	/* of the view */
	bool		 primary;	/* quorate in this view */
	bool		 synced;
	uint64_t	 lease;		/* it may be acted in until then, by the
					   node's own clock; 0: it may not */
	unsigned	 n;
	uint16_t	 members[CONF_NODES_MAX];
	uint64_t	 incs[CONF_NODES_MAX];
	struct electorate elect;	/* of a primary view */
	bool		 device;	/* it has the votes of the quorum device */
	unsigned	 held;		/* nodes that are held back now */
	bool		 unsettled;	/* there will be another view */
	uint64_t	 left;		/* it has stopped, and gave its vote up
					   in the view of this epoch; 0: no */
};
void	 node_get_view(const struct node *, struct node_view *);
/* Only its lease, which changes more often than the rest; local time, us. */
uint64_t node_lease(const struct node *);
/* Would it fill in the same, but for that?  Cheap: a view is known by its epoch and leader. */
bool	 node_view_is(const struct node *, const struct node_view *);
/* The same, also of one that is over: the last view it was in. */
void	 node_get_last_view(const struct node *, struct node_view *);
uint64_t node_incarnation(const struct node *);
/* It is evicted or has left: every event is ignored. */
bool	 node_over(const struct node *);
/* What must stay bounded, whatever others do; bytes. */
struct node_load {
	size_t		 order_log;	/* sequenced, and not held by all yet */
	size_t		 order_own;	/* of our services, not delivered yet */
	size_t		 stream;	/* the longest queue towards a peer */
};
void	 node_get_load(const struct node *, struct node_load *);
/* Datagrams refused since the start, for whatever reason; for their key. */
uint64_t node_refused(const struct node *);
uint64_t node_refused_key(const struct node *, uint16_t from);
/* The keys in force here, and those that all have agreed on. */
const struct keyring *node_ring(const struct node *);
const struct keyring *node_agreed(const struct node *);
/* Frames of versions that it does not speak, passed over since the start. */
uint64_t node_skipped(const struct node *);

#endif /* CORE_NODE_H */
