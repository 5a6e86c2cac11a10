/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * How the modules of one node talk.  Modules never call each other: each is
 * given notes and appends notes to the node's bus; node.c pops them one by
 * one, in order, and hands each to its receivers in one fixed order, until
 * none is left.  That router is the page to read first.
 *
 * clusterd-protocol(7), sections 5.1 and 8.1.
 */

#ifndef CORE_BUS_H
#define CORE_BUS_H

#include "../buf.h"
#include "event.h"

/* Channels of the reliable streams between two nodes. */
enum chan { CHAN_MEMBER = 1, CHAN_ORDER, CHAN_DLM, CHAN_CLIENT, CHAN_MAX };

/* Users of the total order; the first byte of each ordered message. */
enum service {
	SVC_FENCE = 1, SVC_LSPACE, SVC_GROUP, SVC_EVENT, SVC_LEVEL,
	SVC_BARRIER, SVC_KV, SVC_QUORUM, SVC_KEYS, SVC_MAX
};
/* A bit for each that has a snapshot for joiners. */
#define SVC_SNAPS (((1u << SVC_MAX) - 2) & ~(1u << SVC_QUORUM))

enum note_type {
	/* link/stream -> member: node, inc; data = reason for DOWN, GONE */
	NOTE_PEER_UP = 1,	/* a session with this incarnation stands; seq =
				   features that both ends have */
	NOTE_PEER_DOWN,		/* silent on every link, or its session broke */
	NOTE_PEER_GONE,		/* proof: it said goodbye (code 1), or a newer
				   incarnation of it was seen (code 0) */
	/* link -> member: node; ok: its engine runs again, or else it does not
	   any more, although its machine answers */
	NOTE_PEER_RUNS,
	/* stream -> owner of chan: node, inc, chan, data */
	NOTE_MESSAGE,
	/* any -> stream: node, chan, data; dropped when there is no session */
	NOTE_SEND,
	/* any -> link: node, data = why (text): drop the session, start a new
	   one; it ends with that reason on our side */
	NOTE_PEER_RESET,

	/* member -> group, fencing: the old view ends, sends in it stop */
	NOTE_WEDGE,
	/* group -> member: reply to NOTE_WEDGE, data = the flush state */
	NOTE_FLUSHED,
	/* member -> group: the old view ends at seq (ragged trim); data =
	   messages fetched for us; code: enum trim; ok: we share its past */
	NOTE_TRIM,
	/* group -> member: reply to NOTE_TRIM, code as there; with TRIM_DELIVER
	   every delivery has been said */
	NOTE_TRIMMED,
	/* member -> lease: ref = const struct view; seq: its epoch: we are about
	   to be READY for it */
	NOTE_VOUCH,
	/* lease -> member: seq as there: whoever it leaves out can rely on us
	   no more */
	NOTE_CLEAR,
	/* member -> all, in the order of node.c: ref = const struct view */
	NOTE_VIEW,
	/* quorum -> all: ok; seq = view epoch: this view is (not) primary */
	NOTE_QUORUM,
	/* lease -> all: ok; seq = view epoch: from now on our primary view may
	   (not) be believed to be the only one; not so at each NOTE_VIEW */
	NOTE_LEASE,

	/* service -> group: service, data: put this into the total order */
	NOTE_ORDER,
	/* group -> service: service, node, inc, seq, data: the same sequence
	   on every member of a primary view */
	NOTE_ORDERED,
	/* group -> services of the leader: give your state for joiners */
	NOTE_SNAP_WANT,
	/* service -> group: service, data */
	NOTE_SNAP,
	/* group -> service of a joiner: service, data: replace your state */
	NOTE_SNAP_LOAD,
	/* group -> all: every member of this view has the same state now */
	NOTE_SYNCED,

	/* fencing -> lspace: node, inc is fenced (or proved harmless), in the
	   total order; code: enum evidence */
	NOTE_FENCED,
	/* lspace -> fencing, via the order: node, inc uses shared storage */
	/* lspace -> dlm: ref = const struct ls_event */
	NOTE_LS,
	/* dlm -> lspace: lsid, epoch(seq), code = stage done here */
	NOTE_LS_STAGE,

	/* client.c -> module: client, msgtype, msgid, data (rights checked) */
	NOTE_REQUEST,
	/* client.c -> all: client has gone */
	NOTE_CLIENT_GONE,
	/* member -> node: what must be durable has changed */
	NOTE_STORE,
	/* member -> node: seq = number, data = uuid and our block to be written
	   to the quorum device, or none: then read all blocks */
	NOTE_DEVICE,
	/* node -> member: seq as there; ok: data = all blocks, else why not */
	NOTE_DEVICE_DONE,
	/* fencing -> node: the order asks this node to leave; data = why.
	   The shell stops the mounts first: whoever uses a lock has to be
	   gone before the lock is given up. */
	NOTE_LEAVE,
	/* any -> node: we cannot go on as this incarnation; data = why; inc:
	   the next one must be later than this */
	NOTE_DIE,
	/* quorum -> member: ref = const struct vote_wish, in the total order */
	NOTE_VOTE_WISH,
	/* keys -> link: ref = const struct keys_word */
	NOTE_KEYS,
	/* any -> event ring and log: code = enum ev_level, data = text;
	   kind in msgtype (enum ev_kind) */
	NOTE_EVENT
};

enum ev_kind {
	EVK_NODE = 1, EVK_LINK, EVK_VIEW, EVK_QUORUM, EVK_FENCE,
	EVK_LOCKSPACE, EVK_GROUP, EVK_FS, EVK_CLIENT, EVK_REJECT, EVK_KEY
};

/* Why a lost incarnation can do no more harm, best first. */
enum evidence {
	EVID_POWER = 1,		/* a device switched it off and verified */
	EVID_AGENT,		/* a device said so, unverified */
	EVID_REJOIN,		/* a newer incarnation came back clean */
	EVID_MANUAL,		/* the operator confirmed */
	EVID_HARMLESS		/* it never held anything shared */
};

enum trim {
	TRIM_HOLD = 1,	/* take what we miss, so that it cannot be lost */
	TRIM_DELIVER	/* ... and deliver it: the view is agreed */
};

struct note {
	STAILQ_ENTRY(note)	 entry;
	enum note_type		 type;
	uint16_t		 node;
	uint64_t		 inc;
	enum chan		 chan;
	enum service		 service;
	int			 code;
	bool			 ok;
	uint64_t		 seq;
	uint32_t		 lsid;
	uint64_t		 client;
	uint32_t		 msgtype, msgid;
	const void		*ref;	/* owned by the sender, valid while routed */
	size_t			 len;
	uint8_t			 data[];
};

STAILQ_HEAD(note_list, note);

struct rng;

/* Given to every module function: where notes and actions go, and the time. */
struct bus {
	struct note_list	 notes;
	unsigned		 n;
	struct actions		*out;	/* actions of the running step */
	uint64_t		 now;	/* of the running step, us */
	uint64_t		 wall;
	struct rng		*rng;	/* the node's only randomness */
};

void	 bus_init(struct bus *);
void	 bus_clear(struct bus *);
/* Appends a note with a copy of data; the caller fills in other fields. */
struct note *bus_note(struct bus *, enum note_type, const void *data,
	    size_t len);
struct note *bus_take(struct bus *);	/* first, or NULL; free() it */
/* A NOTE_EVENT with formatted text: "subject: what happened, because ...". */
void	 bus_event(struct bus *, enum ev_kind, enum ev_level, const char *fmt,
	    ...) PRINTF_LIKE(4, 5);
/* An ACT_CLIENT_SEND. */
void	 bus_client_send(struct bus *, uint64_t client, uint32_t msgtype,
	    uint32_t msgid, const struct wbuf *);
/* M_RESULT to a client: error 0 or errno, and a sentence. */
void	 bus_client_result(struct bus *, uint64_t client, uint32_t msgid,
	    int error, const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif /* CORE_BUS_H */
