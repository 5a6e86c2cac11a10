/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Authenticated encryption of datagrams, one key per sender incarnation and
 * use, and the window that refuses replays.  The cipher is ChaCha20-Poly1305
 * (RFC 8439); AES-256-GCM (NIST SP 800-38D) where both machines have
 * instructions for it, which takes two thirds of the time.
 */

#ifndef CORE_SEAL_H
#define CORE_SEAL_H

#include "../compat.h"

#define SEAL_KEY_LEN	32
#define SEAL_TAG_LEN	16
#define SEAL_WINDOW	2048	/* counters remembered below the newest */
#define SEAL_ROUNDS_LEN	512

struct seal_key {
	uint8_t	 key[SEAL_KEY_LEN];
	bool	 aes;
	_Alignas(16) uint8_t rounds[SEAL_ROUNDS_LEN];	/* of it, for AES */
};

/* One for each generation of the cluster key that is held. */
struct seal_gen {
	bool		 set;
	uint8_t		 gen;
	struct seal_key	 key;
};

/* What a key of an incarnation is for; see enum wire_voice. */
enum seal_use { SEAL_ENGINE = 0, SEAL_BEAT, SEAL_ENGINE_AES };

/* Can this machine do AES-256-GCM?  Else no SEAL_ENGINE_AES may be derived. */
bool	 seal_aes_works(void);
/* The key that this incarnation of a node seals with, for every receiver. */
void	 seal_derive(struct seal_key *, const uint8_t cluster_key[32],
	    enum seal_use, uint16_t node, uint64_t incarnation);
void	 seal_forget(struct seal_key *);	/* overwrites it */

/*
 * Seals plain into out, which has len + SEAL_TAG_LEN bytes.  (to, counter)
 * must never be used twice with one key.
 */
void	 seal_box(const struct seal_key *, uint16_t to, uint64_t counter,
	    const uint8_t *head, size_t headlen, const uint8_t *plain,
	    size_t len, uint8_t *out);
/*
 * Opens len sealed bytes into out, which has len - SEAL_TAG_LEN bytes.
 * False: not sealed with this key, or altered; out is then unspecified.
 */
bool	 seal_open(const struct seal_key *, uint16_t to, uint64_t counter,
	    const uint8_t *head, size_t headlen, const uint8_t *sealed,
	    size_t len, uint8_t *out);

/*
 * Counters of one sender that have been accepted.  All zero: none yet.
 * Counter 0 is never accepted.
 */
struct seal_window {
	uint64_t	 top;		/* the newest accepted */
	uint64_t	 bits[SEAL_WINDOW / 64 + 1]; /* both ends are partial */
};

/* Would this counter be new?  Ask before opening, which costs more. */
bool	 seal_fresh(const struct seal_window *, uint64_t counter);
/* Records it; only after the datagram proved authentic. */
void	 seal_accept(struct seal_window *, uint64_t counter);

#endif /* CORE_SEAL_H */
