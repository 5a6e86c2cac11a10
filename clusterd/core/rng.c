/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* xoshiro256** by Blackman and Vigna (2018). */

#include "rng.h"

void
rng_seed(struct rng *r, const uint64_t seed[4])
{
	memcpy(r->s, seed, sizeof(r->s));
	/* The all-zero state is the one the generator never leaves. */
	if ((r->s[0] | r->s[1] | r->s[2] | r->s[3]) == 0)
		r->s[0] = 0x9e3779b97f4a7c15ULL;
}

static uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t result = rotl(r->s[1] * 5, 7) * 9;
	uint64_t t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotl(r->s[3], 45);
	return result;
}

uint64_t
rng_below(struct rng *r, uint64_t bound)
{
	uint64_t limit, v;

	ASSERT(bound > 0);
	/* Values above the last whole multiple would favour small results. */
	limit = UINT64_MAX - UINT64_MAX % bound;
	do
		v = rng_u64(r);
	while (v >= limit);
	return v % bound;
}
