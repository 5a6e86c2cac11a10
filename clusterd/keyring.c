/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   R1  a keyring has one or two keys, of different generations, the older
 *       one first;
 *   R2  the generation in use is one of them;
 *   R3  none is later than the last one that was given out.
 *
 * clusterd-protocol(7), section 2.3.
 */

#include "keyring.h"

bool
keyring_later(uint8_t a, uint8_t b)
{
	uint8_t ahead = (uint8_t)(a - b);

	return ahead != 0 && ahead < 128;
}

void
keyring_plain(struct keyring *r, const uint8_t key[KEYRING_KEY_LEN])
{
	memset(r, 0, sizeof(*r));
	r->n = 1;
	memcpy(r->k[0].key, key, KEYRING_KEY_LEN);
}

const uint8_t *
keyring_find(const struct keyring *r, uint8_t gen)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->k[i].gen == gen)
			return r->k[i].key;
	return NULL;
}

bool
keyring_has(const struct keyring *r, const struct keyring_key *k)
{
	const uint8_t *key = keyring_find(r, k->gen);

	return key != NULL && memcmp(key, k->key, KEYRING_KEY_LEN) == 0;
}

bool
keyring_covers(const struct keyring *r, const struct keyring *other)
{
	unsigned i;

	for (i = 0; i < other->n; i++)
		if (!keyring_has(r, &other->k[i]))
			return false;
	return true;
}

bool
keyring_same(const struct keyring *a, const struct keyring *b)
{
	return a->n == b->n && a->use == b->use && a->last == b->last &&
	    keyring_covers(a, b);
}

bool
keyring_follows(const struct keyring *from, const struct keyring *to)
{
	unsigned i;

	for (i = 0; i < to->n; i++)
		if (keyring_has(from, &to->k[i]))
			return true;
	return false;
}

void
keyring_drop(struct keyring *r, uint8_t gen)
{
	unsigned i;

	for (i = 0; i < r->n && r->k[i].gen != gen; i++)
		;
	if (i == r->n)
		return;
	if (i == 0)
		r->k[0] = r->k[1];
	r->n--;
	explicit_bzero(&r->k[r->n], sizeof(r->k[r->n]));
}

void
keyring_forget(struct keyring *r)
{
	explicit_bzero(r, sizeof(*r));
}

void
keyring_put(struct wbuf *w, const struct keyring *r)
{
	unsigned i;

	wbuf_u8(w, (uint8_t)r->n);
	wbuf_u8(w, r->use);
	wbuf_u8(w, r->last);
	for (i = 0; i < r->n; i++) {
		wbuf_u8(w, r->k[i].gen);
		wbuf_bytes(w, r->k[i].key, sizeof(r->k[i].key));
	}
}

static bool
sound(const struct keyring *r)
{
	unsigned i;

	if (r->n == 0 || keyring_find(r, r->use) == NULL) /* R1, R2 */
		return false;
	for (i = 0; i < r->n; i++)
		if (keyring_later(r->k[i].gen, r->last)) /* R3 */
			return false;
	return r->n == 1 || keyring_later(r->k[1].gen, r->k[0].gen); /* R1 */
}

bool
keyring_get(struct rbuf *in, struct keyring *r)
{
	unsigned i;

	memset(r, 0, sizeof(*r));
	r->n = rbuf_u8(in);
	r->use = rbuf_u8(in);
	r->last = rbuf_u8(in);
	if (r->n > KEYRING_MAX)
		in->err = true;
	for (i = 0; i < r->n && !in->err; i++) {
		r->k[i].gen = rbuf_u8(in);
		rbuf_bytes(in, r->k[i].key, sizeof(r->k[i].key));
	}
	if (!in->err && sound(r))
		return true;
	in->err = true;
	keyring_forget(r);
	return false;
}
