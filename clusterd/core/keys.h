/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The change of the cluster key while the cluster runs, in three steps that an
 * operator orders: add a new key, use it, drop the old one.  Which keys there
 * are is replicated; each node has them in its key file before it confirms.
 */

#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include "../keyring.h"
#include "svc.h"

enum keys_step {
	KEYS_STEADY = 0,	/* one key */
	KEYS_ADDED,		/* a new one is being given to all */
	KEYS_USED		/* all send with the new one */
};

/* A life of a node that holds both keys, in memory and in its file. */
struct keys_holder {
	uint16_t	 node;
	uint64_t	 inc;
	uint32_t	 quiet;		/* round in which it was done with the old */
};

/* NOTE_KEYS: which keys are in force here, and who is known to have both. */
struct keys_word {
	struct keyring	 ring;
	unsigned	 n;
	struct keys_holder holders[CONF_NODES_MAX];
};

struct keys;

/*
 * NULL when memory is out.  The ring is that of the key file.  old_heard says
 * when an engine was heard with another generation than the one in use.
 */
struct keys *keys_new(const struct conf *, uint16_t self, uint64_t inc,
	    const struct keyring *, const uint8_t secret[32],
	    uint64_t (*old_heard)(const void *), const void *arg);
void	 keys_free(struct keys *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_*, NOTE_REQUEST (M_COMMAND key-*),
   NOTE_CLIENT_GONE. */
void	 keys_note(struct keys *, const struct note *, struct bus *);
/* EV_KEYS_STORED */
void	 keys_stored(struct keys *, bool ok, const char *why, struct bus *);
void	 keys_timer(struct keys *, struct bus *);
uint64_t keys_deadline(const struct keys *);
void	 keys_check(const struct keys *);

/* What is in force here, and what all have agreed on. */
const struct keyring *keys_ring(const struct keys *);
const struct keyring *keys_agreed(const struct keys *);

/* For SHOW rows. */
struct keys_info {
	enum keys_step	 step;
	uint8_t		 use;		/* generation that is in use */
	uint8_t		 other;		/* the other one, unless steady */
	bool		 known;		/* we know what the members know */
	bool		 member;
	bool		 holds;		/* it has confirmed that it has both */
	bool		 done;		/* ... and is done with the old one */
	const char	*failed;	/* us: why the file is not written; "" */
};
const char *keys_step_name(enum keys_step);
void	 keys_get(const struct keys *, uint16_t node, struct keys_info *);

#endif /* CORE_KEYS_H */
