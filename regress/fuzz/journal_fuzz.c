/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a journal says (libgfs/replay.c), on a small volume in memory.
 *
 * Input: u8 tail, u8 length of the active log, then records as in rig.h.
 * arg is the block; op & 3, and what the bytes become:
 *
 *	0	a block of the journal as it is
 *	1	the same as a log header whose checksums are right
 *	2	a block of the volume; its number is 129 + arg
 *	3	the fields of the head that say how free space changed
 *
 * A log that is accepted names blocks of the volume only and images inside the
 * log, and of each block no image counts but the last.
 */

#include <stdio.h>

#include "fuzz.h"
#include "libgfs/recovery_int.h"
#include "rig.h"

#define BSIZE	   512
#define BLOCKS	   32 /* of the journal */
#define VOLUME	   256
#define FIRST	   (OD_SB_OFFSET / BSIZE + 1)
#define MAX_HEIGHT 10
#define LH_HASH_AT 44
#define LH_HASHED  48
#define LH_CRC_AT  48

static uint8_t (*journal)[BSIZE]; /* each input has its own */
static uint8_t (*volume)[BSIZE];

/* The rest of libgfs, as far as it is asked for. */

int
replay_block(struct replay *r, uint32_t pos, const uint8_t **out)
{
	*out = journal[(r->tail + pos) % BLOCKS];
	return 0;
}

uint32_t
jindex_blocks(const struct journal *j)
{
	return BLOCKS;
}

uint64_t
dev_size(const struct dev *d)
{
	return (uint64_t)VOLUME * BSIZE;
}

int
dev_read(struct dev *d, uint64_t off, void *buf, size_t len)
{
	ASSERT(len == BSIZE && off % BSIZE == 0 && off / BSIZE < VOLUME);
	memcpy(buf, volume[off / BSIZE], len);
	return 0;
}

int
dev_write(struct dev *d, uint64_t off, const void *buf, size_t len)
{
	ASSERT(len == BSIZE && off % BSIZE == 0 && off / BSIZE < VOLUME);
	memcpy(volume[off / BSIZE], buf, len);
	return 0;
}

int
dev_flush(struct dev *d)
{
	return 0;
}

void *
dev_alloc(size_t len)
{
	return calloc(1, len);
}

void
dev_free(void *p)
{
	free(p);
}

void
gfs_log(struct gfs *fs, const char *fmt, ...)
{
}

void
gholder_init(struct gholder *gh)
{
	memset(gh, 0, sizeof(*gh));
}

int
glock_lock(struct gfs *fs, enum glock_type type, uint64_t number,
    enum glock_state state, unsigned flags, struct gholder *gh)
{
	return 0;
}

void
glock_release(struct gholder *gh)
{
}

int
log_clean_glock(struct glock *gl, uint32_t flags)
{
	return 0;
}

void
cache_inval(struct glock *gl, bool data)
{
}

void
cache_patch(struct gfs *fs, uint64_t blkno, const uint8_t *data)
{
	ASSERT(blkno < VOLUME);
}

static void
header(uint8_t *p, unsigned at)
{
	meta_encode(p, GFS2_METATYPE_LH, 0);
	od_put32(p + 40, at);
	od_put32(p + LH_HASH_AT, 0);
	od_put32(p + LH_HASH_AT, od_crc32(p, LH_HASHED));
	od_put32(p + LH_CRC_AT, 0);
}

static void
take(const struct rig_op *op, struct log_header *head)
{
	size_t len = MIN(op->len, (size_t)BSIZE);
	unsigned at = op->arg % BLOCKS;
	struct rbuf r;

	switch (op->op & 3) {
	case 0:
	case 1:
		memcpy(journal[at], op->data, len);
		if ((op->op & 3) == 1)
			header(journal[at], at);
		break;
	case 2:
		at = FIRST + op->arg % (VOLUME - FIRST);
		memcpy(volume[at], op->data, len);
		break;
	default:
		rbuf_init(&r, op->data, op->len);
		head->statfs_addr = rbuf_u64(&r);
		head->local.total = (int64_t)rbuf_u64(&r);
		head->local.free = (int64_t)rbuf_u64(&r);
		head->local.dinodes = (int64_t)rbuf_u64(&r);
		break;
	}
}

/* Every block that an accepted log changes is changed by its last image. */
static void
judge(const struct replay *r)
{
	const struct item *it;
	uint32_t i, k;

	for (i = 0; i < r->nitems; i++) {
		it = &r->items[i];
		ASSERT(it->pos < r->len);
		ASSERT(it->blkno >= FIRST && it->blkno < VOLUME);
		ASSERT(i == 0 || it->pos > r->items[i - 1].pos);
		for (k = i + 1; k < r->nitems && !it->skip; k++)
			ASSERT(r->items[k].blkno != it->blkno);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ginode master = { .addr = FIRST };
	struct log_header head = { .seq = 1 };
	struct gfs *fs = calloc(1, sizeof(*fs));
	struct replay r = { .fs = fs };
	struct rig_op op;
	struct rbuf in;

	journal = calloc(BLOCKS, BSIZE);
	volume = calloc(VOLUME, BSIZE);
	ASSERT(fs != NULL && journal != NULL && volume != NULL);
	fs->bsize = BSIZE;
	fs->bshift = 9;
	fs->max_height = MAX_HEIGHT;
	fs->statfs_master = &master;
	RB_INIT(&r.blocks);
	rbuf_init(&in, data, len);
	r.tail = rbuf_u8(&in) % BLOCKS;
	r.len = rbuf_u8(&in) % BLOCKS;
	while (rig_next(&in, &op))
		take(&op, &head);
	if (replay_scan(&r) == 0) {
		replay_resolve(&r);
		judge(&r);
	}
	(void)replay_statfs(fs, &head);
	replay_free(&r);
	free(journal);
	free(volume);
	free(fs);
	return 0;
}
