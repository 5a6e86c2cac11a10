/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock manager's messages between nodes as bytes.  Every message names
 * the lockspace and its epoch; a lock is named by the id its holder's node
 * gave it, and an operation on it by a sequence number of that lock.
 */

#ifndef CORE_DLM_WIRE_H
#define CORE_DLM_WIRE_H

#include "../buf.h"

#define DLM_NAME_MAX	64	/* bytes of a resource name */
#define DLM_LVB_MAX	32	/* bytes of a value block */
#define DLM_BATCH	(32 * 1024)	/* a recovery message is sent above it */
#define DLM_WIRE_MAX	(64 * 1024)	/* no message of ours is longer */

enum dlm_msg_type {
	DM_REQUEST = 1,	/* holder -> master: a new lock */
	DM_LOOKUP,	/* holder -> directory: the same, master not known */
	DM_FORWARD,	/* directory -> master: a lookup for node */
	DM_BOUNCE,	/* master -> directory: not mine (any more) */
	DM_CONVERT,	/* holder -> master */
	DM_UNLOCK,	/* holder -> master */
	DM_CANCEL,	/* holder -> master: stop operation seq */
	DM_REPLY,	/* master -> holder: what became of operation seq */
	DM_BAST,	/* master -> holder: mode is wanted by another */
	DM_MASTER,	/* directory -> holder: you are the master of name */
	DM_REMOVE,	/* master -> directory: name is no more */
	/* recovery */
	DM_NAMES,	/* master -> directory: batch of names */
	DM_LOCKS,	/* holder -> new master: batch of locks */
	DM_END,		/* to every member: stage mode is over here, after
			   seq batches to you */
	DM_MAX
};

/* What became of an operation. */
enum dlm_status {
	DST_GRANTED = 0,
	DST_QUEUED,		/* not the end: a second reply follows */
	DST_AGAIN,
	DST_DEADLOCK,
	DST_CANCELED,
	DST_UNLOCKED,
	DST_NOLOCK,		/* master knows no such lock */
	DST_RETRY,		/* not the master: look it up again */
	DST_MAX
};

struct dlm_msg {
	enum dlm_msg_type type;
	uint32_t	 lsid;
	uint64_t	 epoch;
	uint16_t	 node;		/* FORWARD, BOUNCE: the holder's */
	uint64_t	 id;
	uint32_t	 seq;
	uint8_t		 status;	/* REPLY */
	int8_t		 mode;
	uint8_t		 sbflags;	/* REPLY, DM_LOCKS */
	uint32_t	 flags;		/* enum dlm_flag */
	uint32_t	 lvbseq;
	bool		 haslvb;
	uint8_t		 lvb[DLM_LVB_MAX];
	const uint8_t	*name;		/* inside the message */
	uint8_t		 namelen;
};

/* Appends a whole message. */
void	 dlm_wire_put(struct wbuf *, const struct dlm_msg *);
/*
 * Reads one.  NAMES and LOCKS are read up to their records; these follow
 * with dlm_wire_name() and dlm_wire_lock() until rbuf_left() is 0.
 */
bool	 dlm_wire_get(struct rbuf *, struct dlm_msg *);
void	 dlm_wire_put_name(struct wbuf *, const uint8_t *name, size_t len);
bool	 dlm_wire_name(struct rbuf *, struct dlm_msg *);
void	 dlm_wire_put_lock(struct wbuf *, const struct dlm_msg *);
bool	 dlm_wire_lock(struct rbuf *, struct dlm_msg *);

#endif /* CORE_DLM_WIRE_H */
