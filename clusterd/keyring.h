/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The keys of a cluster that a node holds: one, or two while the key is being
 * changed.  Each has a generation, which its datagrams name; generations are
 * counted up and come round after 255.  Pure: what is in the core may use it.
 *
 * clusterd-protocol(7), section 2.3.
 */

#ifndef KEYRING_H
#define KEYRING_H

#include "buf.h"

#define KEYRING_KEY_LEN	32
#define KEYRING_MAX	2
#define KEYRING_ENCODED	(3 + KEYRING_MAX * (1 + KEYRING_KEY_LEN))

struct keyring_key {
	uint8_t		 gen;
	uint8_t		 key[KEYRING_KEY_LEN];
};

struct keyring {
	unsigned	 n;		/* 1 or 2; the older one is first */
	uint8_t		 use;		/* generation to seal with */
	uint8_t		 last;		/* the newest that was ever given out */
	struct keyring_key k[KEYRING_MAX];
};

/* Is generation a later than b?  They are near each other. */
bool	 keyring_later(uint8_t a, uint8_t b);
/* A key that was never changed: generation 0. */
void	 keyring_plain(struct keyring *, const uint8_t key[KEYRING_KEY_LEN]);
/* NULL: there is none of this generation. */
const uint8_t *keyring_find(const struct keyring *, uint8_t gen);
/* Has it this very key, with this generation? */
bool	 keyring_has(const struct keyring *, const struct keyring_key *);
/* Has it every key of the other one? */
bool	 keyring_covers(const struct keyring *, const struct keyring *other);
bool	 keyring_same(const struct keyring *, const struct keyring *);
/*
 * May a node that holds `from` come to hold `to`?  Some key stays, so that it
 * can go on talking to whom it talked to.  The other one may be new under a
 * generation that is not: see keys.h of the core.
 */
bool	 keyring_follows(const struct keyring *from, const struct keyring *to);
/* Takes the key of this generation out, and overwrites it. */
void	 keyring_drop(struct keyring *, uint8_t gen);
void	 keyring_forget(struct keyring *);	/* overwrites all */
void	 keyring_put(struct wbuf *, const struct keyring *);
/* False: malformed; then it holds nothing. */
bool	 keyring_get(struct rbuf *, struct keyring *);

#endif /* KEYRING_H */
