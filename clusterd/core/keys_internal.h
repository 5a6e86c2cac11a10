/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of keys.h: for keys*.c only. */

#ifndef CORE_KEYS_INTERNAL_H
#define CORE_KEYS_INTERNAL_H

#include "keys.h"

/* Ordered messages of SVC_KEYS, after their head (svc.h). */
enum keys_msg {
	KM_ADD = 1,	/* u8 generation; bytes(32) key */
	KM_USE,		/* u8 generation, from now on */
	KM_DROP,	/* u8 generation, the old one; u8 1: whoever is away */
	KM_ABORT,	/* u8 generation, the new one */
	KM_HAVE,	/* u8 generation: we hold it, and the older one */
	KM_QUIET	/* u8 generation; u32 round: we are done with the old */
};

struct keys {
	const struct conf *conf;
	struct svc	 svc;
	uint8_t		 secret[32];
	uint64_t	 (*old_heard)(const void *);
	const void	*arg;
	/* Here: what is in force, in the file, and on its way to the file. */
	struct keys_word word;
	struct keyring	 disk, sent;
	bool		 storing;
	uint64_t	 retry_at;
	char		 failed[160];	/* why it could not be stored; or "" */
	uint32_t	 had;		/* what we confirmed: round of the key */
	uint32_t	 said_quiet;	/* the last round that we said it for */
	uint32_t	 calm_round;	/* since calm_since nobody needs the old */
	uint64_t	 calm_since;
	bool		 offering;	/* ours is newer: told, not yet ordered */
	/* Replicated. */
	struct keyring	 now;
	uint32_t	 added;		/* round in which the new key came */
	uint32_t	 round;		/* counts changes of who holds what */
	unsigned	 nholders;
	struct keys_holder holders[CONF_NODES_MAX];
	/* Members of the last primary view. */
	unsigned	 n;
	struct keys_holder members[CONF_NODES_MAX];
	bool		 primary;	/* and we are in it */
	uint64_t	 features;	/* of the view */
};

enum keys_step keys_step(const struct keys *);
struct keys_holder *keys_holder(struct keys *, uint16_t node);
/* The member has confirmed. */
bool	 keys_holds(const struct keys *, const struct keys_holder *member);
bool	 keys_all_hold(const struct keys *);
/* A new key, from the node's secret, which changes with it. */
void	 keys_make(struct keys *, uint8_t key[KEYRING_KEY_LEN]);
/* keys_cmd.c */
void	 keys_request(struct keys *, const struct note *, struct bus *);
/* False, with a sentence: the step cannot be done now. */
bool	 keys_may(const struct keys *, enum keys_msg, uint8_t gen, bool absent,
	    int *error, char *why, size_t size);
void	 keys_done_text(const struct keys *, enum keys_msg, char *, size_t);

#endif /* CORE_KEYS_INTERNAL_H */
