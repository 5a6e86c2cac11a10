/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Which key of the cluster a datagram is sealed with, and in which cipher.
 * What comes in may be of any generation that we hold.  What goes out is of the
 * generation in use if the peer is known to hold all that we hold (keys.c), and
 * else of the one that it was heard with, or the old one: it may have been away
 * while the key was changed.  Or we were: what it says with a later key than
 * the one that we use tells that the others went on, and maybe dropped that one.
 *
 * Invariants:
 *   K1  ours are derived from the ring, place by place;
 *   K2  no key is kept that is derived from one that is forgotten.
 *
 * clusterd-protocol(7), section 2.3.
 */

#include "link_int.h"

#define GUESS_TURN 32 /* datagrams with one key; then the other one */

static void
forget(struct seal_gen *g)
{
	explicit_bzero(g, sizeof(*g));
}

void
ring_forget(struct life *life)
{
	unsigned i;

	for (i = 0; i < KEYRING_MAX; i++) {
		forget(&life->keys[i]);
		forget(&life->aes_keys[i]);
		forget(&life->beat_keys[i]);
	}
}

const struct seal_key *
ring_key(const struct link_layer *l, struct seal_gen *keys, enum seal_use use,
    uint16_t node, uint64_t inc, uint8_t gen)
{
	const uint8_t *key;
	unsigned i;

	for (i = 0; i < KEYRING_MAX; i++)
		if (keys[i].set && keys[i].gen == gen)
			return &keys[i].key;
	key = keyring_find(&l->ring, gen);
	if (key == NULL)
		return NULL;
	/* All that are set are of the ring, so there is a place for this one. */
	for (i = 0; keys[i].set; i++)
		ASSERT(i + 1 < KEYRING_MAX);
	keys[i].set = true;
	keys[i].gen = gen;
	seal_derive(&keys[i].key, key, use, node, inc);
	return &keys[i].key;
}

/* Ours of this generation, for a peer in its session. */
static const struct seal_gen *
own(const struct link_layer *l, const struct peer *p, uint8_t gen)
{
	unsigned i;

	for (i = 0; i + 1 < l->ring.n && l->own[i].gen != gen; i++)
		;
	/* A newer life may be of another version. */
	if (p->up && p->cand.nonce == 0 && (p->cur.features & FEATURE_AES) != 0)
		return &l->own_aes[i];
	return &l->own[i];
}

/*
 * It uses a later key than we do, and we hold it.  But as long as it is in no
 * later view than we are, it knows of no step that we do not: two that have
 * met by that key would hold each other to it for ever.
 */
static bool
went_on(const struct link_layer *l, const struct peer *p,
    const struct life *life)
{
	if (life == &p->cur && l->vouch != 0 && p->vouch <= l->vouch)
		return false;
	return keyring_later(life->heard_gen, l->ring.use) &&
	    keyring_find(&l->ring, life->heard_gen) != NULL;
}

/*
 * What to try with a life that was not heard yet: what it most likely has, and
 * then by turns the other one.  Its file may be of another history of the keys
 * than ours, and have in common with it only the one that is not in use in
 * either: then one of us has to speak that.
 */
static uint8_t
guess(const struct link_layer *l, const struct peer *p)
{
	/* We may be who was away: what our file says others had as well.
	   Else it was, and has the old one; had it both, it could open it. */
	uint8_t likely = l->told ? l->ring.k[0].gen : l->ring.use;
	uint8_t other = l->ring.k[likely == l->ring.k[0].gen].gen;

#if MUTANT == 118
	return likely;
#endif
	return (p->counter / GUESS_TURN) % 2 == 0 ? likely : other;
}

const struct seal_gen *
ring_towards(const struct link_layer *l, const struct peer *p)
{
	const struct life *life = p->greets ? &p->cand : &p->cur;

#if MUTANT == 111
	return own(l, p, l->ring.use);
#endif
	if (l->ring.n == 1)
		return own(l, p, l->ring.use);
	if (life->window.top != 0 && went_on(l, p, life))
		return own(l, p, life->heard_gen);
	if (life->inc != 0 && p->holds_all == life->inc)
		return own(l, p, l->ring.use);
	if (life->window.top != 0 &&
	    keyring_find(&l->ring, life->heard_gen) != NULL)
		return own(l, p, life->heard_gen);
	return own(l, p, guess(l, p));
}

void
ring_heard(struct link_layer *l, const struct peer *p, struct life *life,
    const struct wire_header *h, uint64_t now)
{
	if (h->counter == life->window.top)
		life->heard_gen = h->keyid;
	if (h->keyid != l->ring.use && p->holds_all == life->inc)
		l->old_heard = now;
}

void
ring_refuse(struct link_layer *l, struct peer *p, uint8_t gen, struct bus *bus)
{
	const struct keyring_key *newest = &l->ring.k[l->ring.n - 1];

	if (keyring_find(&l->ring, gen) != NULL)
		link_refuse(l, p, LR_KEY, bus,
		    "node %u: datagrams in its name refused, because they are "
		    "not sealed with our cluster key",
		    p->id);
	else if (keyring_later(gen, newest->gen))
		link_refuse(l, p, LR_KEY, bus,
		    "node %u: datagrams in its name refused, because they are "
		    "of generation %u of the cluster key, and here is only %u: "
		    "copy the key file of node %u to this node, and start "
		    "clusterd here anew",
		    p->id, gen, newest->gen, p->id);
	else
		link_refuse(l, p, LR_KEY, bus,
		    "node %u: datagrams in its name refused, because they are "
		    "of generation %u of the cluster key, and %u is in use: "
		    "copy the key file of this node to it, and start clusterd "
		    "there anew",
		    p->id, gen, l->ring.use);
}

/*
 * A life that was heard with a key that goes has at least the older one of
 * those that there are now.  Its generation says nothing any more: it may be
 * that of another key from now on.
 */
static void
reheard(struct life *life, const struct keyring *was,
    const struct keyring *ring)
{
	unsigned i;

	for (i = 0; i < was->n; i++)
		if (was->k[i].gen == life->heard_gen &&
		    !keyring_has(ring, &was->k[i])) {
			life->heard_gen = ring->k[0].gen;
			return;
		}
}

void
ring_set(struct link_layer *l, const struct keyring *ring)
{
	unsigned i;

	if (keyring_same(&l->ring, ring))
		return;
	if (l->ring.use != ring->use)
		l->old_heard = 0;
	for (i = 0; i < l->npeers; i++) {
		reheard(&l->peers[i].cur, &l->ring, ring);
		reheard(&l->peers[i].cand, &l->ring, ring);
	}
	l->ring = *ring;
	for (i = 0; i < KEYRING_MAX; i++) {
		forget(&l->own[i]);
		forget(&l->own_aes[i]);
	}
	for (i = 0; i < ring->n; i++) { /* K1 */
		l->own[i].set = true;
		l->own[i].gen = ring->k[i].gen;
		seal_derive(&l->own[i].key, ring->k[i].key, SEAL_ENGINE,
		    l->self, l->inc);
		if (!seal_aes_works())
			continue;
		l->own_aes[i] = l->own[i];
		seal_derive(&l->own_aes[i].key, ring->k[i].key, SEAL_ENGINE_AES,
		    l->self, l->inc);
	}
	for (i = 0; i < l->npeers; i++) { /* K2 */
#if MUTANT == 115
		l->peers[i].counter = 0;
#endif
		ring_forget(&l->peers[i].cur);
		ring_forget(&l->peers[i].cand);
	}
}

void
ring_word(struct link_layer *l, const struct keys_word *word)
{
	struct peer *p;
	unsigned i;

	l->told = true;
	ring_set(l, &word->ring);
	for (i = 0; i < l->npeers; i++)
		l->peers[i].holds_all = 0;
	for (i = 0; i < word->n; i++) {
		p = link_peer(l, word->holders[i].node);
		if (p != NULL)
			p->holds_all = word->holders[i].inc;
	}
}

uint64_t
link_old_heard(const struct link_layer *l)
{
	return l->old_heard;
}
