/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Blocks of a volume: every decoder of libgfs/ondisk.c, and the directory
 * records of dirent.c.
 *
 * Input: u8 which, u8 arg, and the bytes of a block; the rest of the block is
 * zero.  which names the decoder, see one(); arg & 3 the block size; arg & 4
 * says that checksums are made right before they are looked at, which no
 * fuzzer would do by itself.
 *
 * What is accepted encodes to a block that decodes to the same.  A directory
 * block that is accepted stays one after an insertion and a removal.
 */

#include <stdio.h>

#include "fuzz.h"
#include "libgfs/dirent.h"
#include "buf.h"

/* Where the checksums are. */
#define LH_HASH	   44
#define LH_CRC	   48
#define MAX_HEIGHT 10
#define OWN_ADDR   77
#define OWN_BLKNO  5
#define SAME(a, b) ASSERT(memcmp(&(a), &(b), sizeof(a)) == 0)
#define CLEARED(x) memset(&(x), 0, sizeof(x))

struct block {
	uint32_t size;
	uint8_t b[OD_BSIZE_MAX], copy[OD_BSIZE_MAX];
};

static void
rindex_entry(struct block *k)
{
	struct rindex r, again;

	CLEARED(r);
	CLEARED(again);
	if (rindex_decode(&r, k->b, k->size, k->size) != OD_OK)
		return;
	rindex_encode(&r, k->copy);
	ASSERT(rindex_decode(&again, k->copy, k->size, k->size) == OD_OK);
	SAME(r, again);
}

static void
rgrp(struct block *k)
{
	struct rgrp_hdr r, again;

	CLEARED(r);
	CLEARED(again);
	if (rgrp_decode(&r, k->b) != OD_OK)
		return;
	rgrp_encode(&r, k->copy);
	ASSERT(rgrp_decode(&again, k->copy) == OD_OK);
	r.crc = again.crc;
	SAME(r, again);
}

static void
dinode(struct block *k)
{
	struct dinode d, again;

	CLEARED(d);
	CLEARED(again);
	if (dinode_decode(&d, k->b, k->size, OWN_ADDR, MAX_HEIGHT) != OD_OK)
		return;
	ASSERT(d.height <= MAX_HEIGHT && d.num.addr == OWN_ADDR);
	dinode_encode(&d, k->copy);
	ASSERT(dinode_decode(&again, k->copy, k->size, OWN_ADDR, MAX_HEIGHT) ==
	    OD_OK);
	SAME(d, again);
}

static void
leaf(struct block *k)
{
	struct leaf_hdr l, again;

	CLEARED(l);
	CLEARED(again);
	if (leaf_decode(&l, k->b, k->size) != OD_OK)
		return;
	leaf_encode(&l, k->copy);
	ASSERT(leaf_decode(&again, k->copy, k->size) == OD_OK);
	SAME(l, again);
}

static void
dirent(struct block *k)
{
	struct dirent_hdr d, again;

	CLEARED(d);
	CLEARED(again);
	if (dirent_decode(&d, k->b, k->size) != OD_OK)
		return;
	ASSERT(d.rec_len <= k->size);
	dirent_encode(&d, k->copy);
	ASSERT(dirent_decode(&again, k->copy, k->size) == OD_OK);
	SAME(d, again);
}

static void
log_header(struct block *k, bool fix)
{
	struct log_header h, again;

	CLEARED(h);
	CLEARED(again);
	if (fix) {
		od_put32(k->b + LH_HASH, 0);
		od_put32(k->b + LH_HASH, od_crc32(k->b, 48));
		od_put32(k->b + LH_CRC, 0);
	}
	if (lh_decode(&h, k->b, k->size, OWN_BLKNO) != OD_OK)
		return;
	lh_encode(&h, k->copy, k->size, 0);
	ASSERT(lh_decode(&again, k->copy, k->size, OWN_BLKNO) == OD_OK);
	SAME(h, again);
	/* One changed bit anywhere is seen. */
	k->copy[k->size - 1] ^= 1;
	ASSERT(lh_decode(&again, k->copy, k->size, OWN_BLKNO) == OD_CRC);
}

static void
log_desc(struct block *k)
{
	struct log_desc d, again;

	CLEARED(d);
	CLEARED(again);
	if (ld_decode(&d, k->b, k->size) != OD_OK)
		return;
	ASSERT(d.length > 0);
	ld_encode(&d, k->copy, k->size, 0);
	ASSERT(ld_decode(&again, k->copy, k->size) == OD_OK);
	SAME(d, again);
}

static void
superblock(struct block *k)
{
	struct sb sb;

	if (sb_decode(&sb, k->b, k->size) != OD_OK)
		return;
	ASSERT(sb.bsize >= OD_BSIZE_MIN && sb.bsize <= OD_BSIZE_MAX &&
	    sb.bsize == 1u << sb.bshift);
	ASSERT(memchr(sb.lockproto, '\0', sizeof(sb.lockproto)) != NULL);
	ASSERT(memchr(sb.locktable, '\0', sizeof(sb.locktable)) != NULL);
}

static unsigned
records(const struct block *k, unsigned start)
{
	unsigned count = 0;

	ASSERT(dirent_check(k->b, start, k->size, &count) == OD_OK);
	return count;
}

/* A whole directory block: puts a name in, finds it, takes it out. */
static void
directory(struct block *k, unsigned start)
{
	const struct inum num = { 3, 4 };
	unsigned before, moved;
	struct dname name;
	struct dent d;
	bool found;

	if (dirent_check(k->b, start, k->size, &before) != OD_OK)
		return;
	ASSERT(dname_init(&name, "a name") == 0);
	ASSERT(dirent_find(k->b, start, k->size, &name, &d, &found) == OD_OK);
	if (found)
		return;
	ASSERT(dirent_room(k->b, start, k->size, dirent_need(name.len), &d,
		   &found) == OD_OK);
	if (found) {
		dirent_put(k->b, &d, &name, &num, 8);
		ASSERT(records(k, start) == before + 1);
		ASSERT(dirent_find(k->b, start, k->size, &name, &d, &found) ==
		    OD_OK);
		ASSERT(found && d.h.num.addr == num.addr);
		dirent_del(k->b, &d);
		ASSERT(records(k, start) == before);
	}
	memset(k->copy, 0, sizeof(k->copy));
	dirent_clear(k->copy, start, k->size);
	ASSERT(dirent_split(k->b, k->copy, start, k->size, 0x80000000u,
		   &moved) == OD_OK);
	ASSERT(records(k, start) + moved == before);
}

static void
one(struct block *k, unsigned which, bool fix)
{
	switch (which % 10) {
	case 0:
		superblock(k);
		break;
	case 1:
		rindex_entry(k);
		break;
	case 2:
		rgrp(k);
		break;
	case 3:
		dinode(k);
		break;
	case 4:
		leaf(k);
		break;
	case 5:
		dirent(k);
		break;
	case 6:
		log_header(k, fix);
		break;
	case 7:
		log_desc(k);
		break;
	case 8:
		directory(k, OD_LEAF_SIZE);
		break;
	default:
		directory(k, OD_DINODE_SIZE);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned which, arg;
	struct block *k;

	if (len < 2)
		return 0;
	which = data[0];
	arg = data[1];
	/* On the heap, so that a read behind the block is seen. */
	k = calloc(1, sizeof(*k));
	ASSERT(k != NULL);
	k->size = (uint32_t)OD_BSIZE_MIN << (arg & 3);
	len = MIN(len - 2, (size_t)k->size);
	memcpy(k->b, data + 2, len);
	one(k, which, (arg & 4) != 0);
	free(k);
	return 0;
}
