/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The blocks of a quorum disk, which anything may have written.
 *
 * Input: u8 flags; the first bytes of a block, the rest of which is zero.  With
 * flags & 1 its checksum is made right.  With flags & 2 it is the header, else
 * the block of node 3.  What is taken gives the same bytes when it is written
 * again (F1 of qdisk_format.c).
 */

#include <sodium.h>

#include "core/device.h"
#include "fuzz.h"
#include "qdisk_format.h"

#define NODE 3
#define SUM  32

static const uint8_t uuid[QDISK_UUID] = "a quorum device";

static void
header(const uint8_t *block)
{
	struct qdisk_header h;
	uint8_t again[QDISK_BLOCK];
	char why[512];
	bool ours;

	ours = qdisk_ours(&h, block, "demo", "/dev/disk", why, sizeof(why));
	ASSERT(ours == (why[0] == '\0'));
	if (qdisk_get_header(&h, block) != QDISK_OK) {
		ASSERT(!ours);
		return;
	}
	qdisk_put_header(&h, again);
	ASSERT(memcmp(again, block, sizeof(again)) == 0);
}

static void
block_of_node(const uint8_t *block)
{
	struct device_block in;
	struct qdisk_block b;
	uint8_t again[QDISK_BLOCK];

	if (qdisk_get_block(&b, NODE, uuid, block) != QDISK_WRITTEN) {
		ASSERT(b.len == 0 && b.node == 0);
		return;
	}
	qdisk_put_block(&b, uuid, again);
	ASSERT(memcmp(again, block, sizeof(again)) == 0);
	(void)device_block_decode(&in, b.body, b.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t block[QDISK_BLOCK];

	if (size < 1)
		return 0;
	memset(block, 0, sizeof(block));
	memcpy(block, data + 1, MIN(size - 1, sizeof(block)));
	if ((data[0] & 1) != 0)
		crypto_generichash(block + QDISK_BLOCK - SUM, SUM, block,
		    QDISK_BLOCK - SUM, NULL, 0);
	if ((data[0] & 2) != 0)
		header(block);
	else
		block_of_node(block);
	return 0;
}
