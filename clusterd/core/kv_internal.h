/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of kv.h: for kv*.c only. */

#ifndef CORE_KV_INTERNAL_H
#define CORE_KV_INTERNAL_H

#include "../proto.h"
#include "kv.h"

/* Ordered messages of SVC_KV, after their head. */
enum kv_msg {
	KM_PUT = 1,	/* u8 flags (KV_*); u64 expected; str key; blob */
	KM_DELETE,	/* u8 flags; u64 expected; str key */
	KM_GET,		/* str key: what is there at this position */
	KM_GONE		/* - : the client has gone */
};

struct kv_entry {
	RB_ENTRY(kv_entry)	 entry;
	char			 key[KV_KEY_MAX + 1];
	uint64_t		 version;	/* position of its last change */
	struct svc_client	 owner;		/* node 0: nobody */
	size_t			 len;
	uint8_t			*data;		/* owned; NULL when empty */
};

RB_HEAD(kv_tree, kv_entry);

struct kv_watch {
	TAILQ_ENTRY(kv_watch)	 entry;
	uint64_t		 client;
	uint32_t		 wid;	/* the client's number of it */
	bool			 once;	/* ends when it is ready */
	bool			 ready;	/* has been told what there was */
	char			 prefix[KV_KEY_MAX + 1];
};

TAILQ_HEAD(kv_watch_list, kv_watch);

struct kv {
	struct svc		 svc;
	struct kv_tree		 entries;
	unsigned		 n;
	size_t			 bytes;
	uint64_t		 last;	/* the newest version of any entry, ever */
	struct view		 view;	/* the last primary one */
	struct kv_watch_list	 watches;
};

int	 kv_cmp(const struct kv_entry *, const struct kv_entry *);
RB_PROTOTYPE(kv_tree, kv_entry, entry, kv_cmp)

/* kv.c */
struct kv_entry *kv_find(struct kv *, const char *key);

/* kv_client.c */
void	 kv_request(struct kv *, const struct note *, struct bus *);
void	 kv_client_gone(struct kv *, uint64_t client);
/* M_KV_DONE; e: what is there, or NULL. */
void	 kv_answer(const struct svc_from *, struct bus *, int error,
	    const struct kv_entry *e, const char *text);
/* To the watchers of ours whom it concerns. */
void	 kv_tell(struct kv *, const struct kv_entry *, enum kv_what,
	    struct bus *);
/* The state is here: who watched before is told what there is. */
void	 kv_catch_up(struct kv *, struct bus *);

#endif /* CORE_KV_INTERNAL_H */
