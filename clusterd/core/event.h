/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The contract between the pure core and whatever runs it (engine.c, the
 * simulator): every input of a node is a struct event, every output a struct
 * action.  node_step() takes one and appends to the other; nothing else
 * happens.  Order of actions is meaningful; after ACT_STORE the shell holds
 * back all later actions until it has given EV_STORED.
 */

#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "../buf.h"

#define EVENT_WAIT_MAX UINT64_C(10000000)	/* us */

enum event_type {
	EV_START = 1,	/* once, first */
	EV_TIMER,	/* node_deadline() has come */
	EV_PACKET,	/* link, at, data: one datagram, as received */
	EV_CLIENT_OPEN,	/* client, rights, uid, pid */
	EV_CLIENT_DATA,	/* client, msgtype, msgid, data */
	EV_CLIENT_CLOSE, /* client */
	EV_FENCE_DONE,	/* req, ok, verified, data = text */
	EV_STORED,	/* the last ACT_STORE is durable */
	EV_STOP,	/* leave cleanly, then ACT_STOPPED */
	EV_KEYS_STORED,	/* ok, data = why not: about the last ACT_KEYS */
	EV_FLUSH,	/* nothing more follows: say what was put off */
	EV_DEVICE	/* req, ok, data: see ACT_DEVICE */
};

struct event {
	enum event_type	 type;
	/*
	 * Others follow at once, then EV_FLUSH: what goes to other nodes may
	 * be put off until then, so that it shares datagrams.
	 */
	bool		 more;
	bool		 slow;		/* EV_FLUSH: a client is behind with
					   reading: hold the order back */
	uint64_t	 now;		/* us, monotonic incl. suspend; never falls */
	uint64_t	 wall;		/* us since 1970, for display only */
	/*
	 * When the datagram came to this machine, by the clock of now and not
	 * after it; it may have waited for us since.  0: unknown.  One that
	 * is after now, or before it by more than EVENT_WAIT_MAX, is not
	 * believed; both count as now.
	 */
	uint64_t	 at;
	unsigned	 link;
	uint64_t	 client;	/* the shell's number, never reused */
	unsigned	 rights;	/* RIGHT_*, proto.h */
	uint32_t	 uid, pid;
	uint32_t	 msgtype, msgid;
	uint32_t	 req;
	bool		 ok, verified;
	const uint8_t	*data;		/* valid during the step */
	size_t		 len;
};

enum action_type {
	ACT_SEND = 1,	/* node, link, data: one datagram */
	ACT_CLIENT_SEND, /* client, msgtype, msgid, data */
	ACT_CLIENT_CLOSE, /* client, data = reason */
	ACT_STORE,	/* data: replace the durable state */
	ACT_KEYS,	/* data (keyring.h): replace the key file, and give
			   EV_KEYS_STORED; nothing is held back for it; one at
			   a time */
	ACT_FENCE_START, /* req, node, device, timeout_us */
	ACT_FENCE_CANCEL, /* req */
	ACT_EVENT,	/* data: a line for the log; code: enum ev_level */
	ACT_MOUNT_PID,	/* pid, data = fs NUL dir NUL */
	ACT_STOPPED,	/* left cleanly: the process may end */
	ACT_LEAVE,	/* data = why: stop the mounts, then give EV_STOP */
	ACT_DIE,	/* evicted or worse: data = why; start me anew, as an
			   incarnation later than life */
	/*
	 * req, timeout_us; data: u8[16] uuid and our block, to be written to
	 * the quorum device of that uuid, or nothing.  Then all its blocks
	 * are read and given as EV_DEVICE: u8[16] uuid; u32 count; of each
	 * block that was ever written: u16 node; u8 damaged; blob.  If not
	 * all of that could be done, ok is false and data a text.
	 */
	ACT_DEVICE
};

enum ev_level { EVL_DEBUG = 0, EVL_INFO, EVL_WARN };

struct action {
	STAILQ_ENTRY(action)	 entry;
	enum action_type	 type;
	uint16_t		 node;		/* node id */
	unsigned		 link;
	uint64_t		 client;
	uint32_t		 msgtype, msgid;
	uint32_t		 req;
	uint16_t		 device;
	uint32_t		 pid;
	int			 code;
	uint64_t		 timeout_us;
	uint64_t		 life;		/* 0: any */
	size_t			 len;
	uint8_t			 data[];
};

STAILQ_HEAD(action_list, action);

struct actions {
	struct action_list	 list;
	unsigned		 n;
};

void	 actions_init(struct actions *);
/* Appends a copy of data; aborts when memory is out (nothing is half-done). */
struct action *actions_add(struct actions *, enum action_type,
	    const void *data, size_t len);
struct action *actions_take(struct actions *);	/* first, or NULL; free() it */
void	 actions_clear(struct actions *);

#endif /* CORE_EVENT_H */
