/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Keys, boxes and the replay window.
 *
 * S1	A (key, nonce) pair seals one datagram only: the key belongs to one
 *	incarnation, the nonce is receiver and counter, and the counter of a
 *	receiver only grows (link.c).
 * S2	A counter is accepted once.  Counters older than the window are
 *	refused without being remembered.
 * S3	Nothing is learnt from a datagram before it proved authentic.
 *
 * clusterd-protocol(7), sections 2.3 and 2.4.
 */

#include <sodium.h>

#include "../buf.h"
#include "seal.h"

#define NONCE_LEN crypto_aead_chacha20poly1305_IETF_NPUBBYTES

_Static_assert(SEAL_TAG_LEN == crypto_aead_chacha20poly1305_IETF_ABYTES,
    "the tag is Poly1305's");
_Static_assert(SEAL_KEY_LEN == crypto_aead_chacha20poly1305_IETF_KEYBYTES,
    "the key is ChaCha20's");
_Static_assert(SEAL_KEY_LEN == crypto_aead_aes256gcm_KEYBYTES &&
	SEAL_TAG_LEN == crypto_aead_aes256gcm_ABYTES &&
	NONCE_LEN == crypto_aead_aes256gcm_NPUBBYTES,
    "those of AES-256-GCM have the same lengths");
_Static_assert(sizeof(crypto_aead_aes256gcm_state) == SEAL_ROUNDS_LEN &&
	_Alignof(crypto_aead_aes256gcm_state) <= 16,
    "room for the round keys");

static void
put(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

bool
seal_aes_works(void)
{
#ifdef WIRE_NEXT
	/* So that a mixed cluster is one of both ciphers. */
	return false;
#endif
	return crypto_aead_aes256gcm_is_available() == 1;
}

static crypto_aead_aes256gcm_state *
rounds(const struct seal_key *k)
{
	return (crypto_aead_aes256gcm_state *)(uintptr_t)k->rounds;
}

void
seal_derive(struct seal_key *k, const uint8_t cluster_key[32],
    enum seal_use use, uint16_t node, uint64_t incarnation)
{
	uint8_t msg[16 + 2 + 8] = "clusterd sender";

#if MUTANT == 105
	static const uint8_t nothing[32];

	cluster_key = nothing;
#endif
	msg[15] = (uint8_t)use;
	put(msg + 16, node, 2);
	put(msg + 18, incarnation, 8);
	crypto_generichash(k->key, sizeof(k->key), msg, sizeof(msg),
	    cluster_key, 32);
	k->aes = use == SEAL_ENGINE_AES;
	if (k->aes)
		crypto_aead_aes256gcm_beforenm(rounds(k), k->key);
}

void
seal_forget(struct seal_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

static void
make_nonce(uint8_t nonce[NONCE_LEN], uint16_t to, uint64_t counter)
{
	memset(nonce, 0, NONCE_LEN);
	put(nonce + 2, to, 2);
	put(nonce + 4, counter, 8);
}

void
seal_box(const struct seal_key *k, uint16_t to, uint64_t counter,
    const uint8_t *head, size_t headlen, const uint8_t *plain, size_t len,
    uint8_t *out)
{
	uint8_t nonce[NONCE_LEN];

	make_nonce(nonce, to, counter);
	if (k->aes)
		crypto_aead_aes256gcm_encrypt_afternm(out, NULL, plain, len,
		    head, headlen, NULL, nonce, rounds(k));
	else
		crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len,
		    head, headlen, NULL, nonce, k->key);
}

bool
seal_open(const struct seal_key *k, uint16_t to, uint64_t counter,
    const uint8_t *head, size_t headlen, const uint8_t *sealed, size_t len,
    uint8_t *out)
{
	uint8_t nonce[NONCE_LEN];

	if (len < SEAL_TAG_LEN)
		return false;
	make_nonce(nonce, to, counter);
	if (k->aes)
		return crypto_aead_aes256gcm_decrypt_afternm(out, NULL, NULL,
			   sealed, len, head, headlen, nonce, rounds(k)) == 0;
	return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL,
		   sealed, len, head, headlen, nonce, k->key) == 0;
}

bool
seal_fresh(const struct seal_window *w, uint64_t counter)
{
#if MUTANT == 101
	return counter != 0;
#endif
	if (counter == 0)
		return false;
	if (counter > w->top)
		return true;
	if (w->top - counter >= SEAL_WINDOW)
		return false;
	return (w->bits[counter / 64 % NITEMS(w->bits)] >> counter % 64 & 1) ==
	    0;
}

void
seal_accept(struct seal_window *w, uint64_t counter)
{
	uint64_t word, top = w->top / 64, n = NITEMS(w->bits);

	if (counter > w->top) {
		/*
		 * Words are reused in a circle.  Those between the old and the
		 * new top hold counters that fall out of the window now.
		 */
		for (word = top + 1; word <= counter / 64 && word <= top + n;
		     word++)
			w->bits[word % n] = 0;
		w->top = counter;
	}
	w->bits[counter / 64 % n] |= UINT64_C(1) << counter % 64;
}
