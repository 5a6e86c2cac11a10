/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Block-state bitmaps: two bits a block, lowest bits first.  Indices count
 * blocks from the first one that the bytes describe.  Pure.
 */

#ifndef GFS_BITMAP_H
#define GFS_BITMAP_H

#include "compat.h"

#define BM_NONE	UINT32_MAX

unsigned bm_get(const uint8_t *, uint32_t i);
void	 bm_set(uint8_t *, uint32_t i, unsigned state);
/* The first block in [from, to) that is in this state, or BM_NONE. */
uint32_t bm_find(const uint8_t *, uint32_t from, uint32_t to, unsigned state);
/* How many blocks from i on, up to max, are in this state. */
uint32_t bm_run(const uint8_t *, uint32_t i, uint32_t max, unsigned state);
/* Adds the number of blocks in each of the four states to count. */
void	 bm_count(const uint8_t *, uint32_t nblocks, uint32_t count[4]);

#endif /* GFS_BITMAP_H */
