/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A small set of keys with values, the same on all nodes, for the state of
 * programs: changed through the total order, conditionally if wanted,
 * watched by prefix, and bound to the life of a program if wanted.
 */

#ifndef CORE_KV_H
#define CORE_KV_H

#include "svc.h"

#define KV_ENTRIES_MAX	4096
#define KV_BYTES_MAX	(512 * 1024)	/* with KV_OVERHEAD for each entry */
#define KV_OVERHEAD	64
#define KV_KEY_MAX	128
#define KV_VALUE_MAX	8192
#define KV_WATCHES_MAX	64	/* of one client */

struct kv;

/* NULL when memory is out. */
struct kv *kv_new(uint16_t self, uint64_t inc);
void	 kv_free(struct kv *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_WANT, NOTE_SNAP_LOAD, NOTE_REQUEST
   (M_KV_*), NOTE_CLIENT_GONE. */
void	 kv_note(struct kv *, const struct note *, struct bus *);
void	 kv_check(const struct kv *);

/* For SHOW rows: the first entry whose key is above this one, or false. */
struct kv_info {
	char		 key[KV_KEY_MAX + 1];
	size_t		 bytes;		/* of its value */
	uint64_t	 version;
	struct svc_client owner;	/* node 0: nobody */
};
bool	 kv_info_after(const struct kv *, const char *key, struct kv_info *);

#endif /* CORE_KV_H */
