/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The only randomness in core: xoshiro256**, seeded by the shell. */

#ifndef CORE_RNG_H
#define CORE_RNG_H

#include "../compat.h"

struct rng {
	uint64_t s[4];
};

void	 rng_seed(struct rng *, const uint64_t seed[4]);
uint64_t rng_u64(struct rng *);
uint64_t rng_below(struct rng *, uint64_t bound);	/* 0..bound-1, bound > 0 */

#endif /* CORE_RNG_H */
