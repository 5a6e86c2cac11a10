/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The world that fuzz targets of the core live in: two or three whole nodes
 * with their real links in virtual time, over a network that loses nothing.
 * A target brings it to some state, says what a node must never survive
 * badly, and looks at it afterwards.  Every node is checked after each step.
 * One input, one rig: nothing is left over for the next.
 */

#ifndef RIG_H
#define RIG_H

#include "core/node_internal.h"
#include "core/seal.h"
#include "proto.h"

#define RIG_NODES	3
#define RIG_MS		UINT64_C(1000)
/* No step of a node for one small input may answer with more bytes. */
#define RIG_OUT_MAX	(64u << 20)

/* The first byte of an input: what has happened before it. */
enum rig_scene {
	RIG_VICTIM_LEADS = 0x01, /* the victim is node 1, the leader */
	RIG_THIRD = 0x02,	/* node 3 runs, too */
	RIG_GROUPS = 0x04,	/* clients are in a group */
	RIG_LOCKS = 0x08,	/* clients are in a lockspace and hold locks */
	RIG_THIRD_LOST = 0x10,	/* node 3 loses power at the end */
	RIG_SERVICES = 0x20	/* clients use all the other services */
};

struct rig_packet {
	STAILQ_ENTRY(rig_packet) entry;
	uint64_t		 at;
	uint16_t		 from, to;
	unsigned		 link;
	size_t			 len;
	uint8_t			 data[];
};

struct rig {
	struct conf		*conf;
	uint64_t		 now;
	struct node		*node[RIG_NODES + 1];	/* NULL: down */
	bool			 deaf[RIG_NODES + 1];	/* not run any more */
	uint16_t		 victim;	/* who is fed */
	uint16_t		 friend;	/* in whose name */
	STAILQ_HEAD(, rig_packet) packets;
	bool			 writes[RIG_NODES + 1];	/* its key file */
	uint64_t		 fence_at;	/* 0: no request waits */
	uint32_t		 fence_req;
	uint16_t		 fence_by;
	/* What was asked of the shell, of all nodes. */
	unsigned		 fences, leaves, deaths, mounts;
	size_t			 told;		/* bytes in the last step */
	/* Sees every datagram as it is sent, if set. */
	void			(*sniff)(void *arg, const struct rig_packet *);
	void			*sniff_arg;
};

/* The cluster key of the world, for those who seal by themselves. */
extern const uint8_t rig_key[SEAL_KEY_LEN];

/* Brings a cluster into the state that scene names. */
struct rig *rig_new(unsigned scene);
/* The same with sniff set from the start. */
struct rig *rig_new_sniffed(unsigned scene, void (*sniff)(void *,
	    const struct rig_packet *), void *arg);
void	 rig_free(struct rig *);
/* Gives one event to a node that is up, and takes its actions. */
void	 rig_step(struct rig *, uint16_t id, struct event *);
/*
 * Queues a note as if a module of the node had said it, and returns it to be
 * filled in; rig_route() then has the node handle what is queued.
 */
struct note *rig_note(struct rig *, uint16_t id, enum note_type, const void *,
	    size_t);
void	 rig_route(struct rig *, uint16_t id);
/* Runs everything for so long. */
void	 rig_run(struct rig *, uint64_t us);
void	 rig_kill(struct rig *, uint16_t id);
uint64_t rig_inc(uint16_t id);	/* incarnation of a node */

void	 rig_client(struct rig *, uint16_t id, uint64_t client,
	    unsigned rights);
void	 rig_request(struct rig *, uint16_t id, uint64_t client, uint32_t type,
	    const void *, size_t);
/* What the node would give to one who joins, of one service. */
void	 rig_snapshot(struct rig *, uint16_t id, enum service, struct wbuf *);
/* If both are in one synced view, they hold the same replicated state. */
void	 rig_replicas(struct rig *, uint16_t, uint16_t);

/* Reads the next record of an input: u8 op, u8 arg, u16 length, bytes. */
struct rig_op {
	uint8_t		 op, arg;
	const uint8_t	*data;
	size_t		 len;
};
bool	 rig_next(struct rbuf *, struct rig_op *);
void	 rig_put(struct wbuf *, uint8_t op, uint8_t arg, const void *,
	    size_t);

#endif /* RIG_H */
