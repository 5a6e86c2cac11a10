/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Block-state bitmaps.  Bytes are looked at four blocks at a time where that
 * skips work; the rest is plain, since a bitmap block is small.
 */

#include "bitmap.h"

unsigned
bm_get(const uint8_t *bits, uint32_t i)
{
	return bits[i / 4] >> (i % 4 * 2) & 3u;
}

void
bm_set(uint8_t *bits, uint32_t i, unsigned state)
{
	unsigned shift = i % 4 * 2;

	bits[i / 4] =
	    (uint8_t)((bits[i / 4] & ~(3u << shift)) | (state & 3u) << shift);
}

/* True when none of the byte's four blocks is in this state. */
static bool
byte_lacks(uint8_t byte, unsigned state)
{
	/* After this a pair of zero bits is a block in the state. */
	unsigned diff = byte ^ state * 0x55u;

	return ((diff | diff >> 1) & 0x55u) == 0x55u;
}

uint32_t
bm_find(const uint8_t *bits, uint32_t from, uint32_t to, unsigned state)
{
	uint32_t i = from;

	while (i < to) {
		if (i % 4 == 0 && byte_lacks(bits[i / 4], state)) {
			i += 4;
			continue;
		}
		if (bm_get(bits, i) == state)
			return i;
		i++;
	}
	return BM_NONE;
}

uint32_t
bm_run(const uint8_t *bits, uint32_t i, uint32_t max, unsigned state)
{
	uint32_t n = 0;

	while (n < max && bm_get(bits, i + n) == state)
		n++;
	return n;
}

void
bm_count(const uint8_t *bits, uint32_t nblocks, uint32_t count[4])
{
	uint32_t i;

	for (i = 0; i < nblocks; i++)
		count[bm_get(bits, i)]++;
}
