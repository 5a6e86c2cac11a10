/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Both kinds of block end with the BLAKE2b of all that is before it, so that a
 * write that was torn, or went elsewhere, is seen.  A block names its place and
 * the device that it was written for: after the device was made anew, one that
 * comes late from before counts as never written.
 *
 *  F1	a header or block is taken only if every byte of it is as it was written;
 *  F2	a block counts only in its own place, and for the uuid of its header.
 */

#include <sodium.h>
#include <stdio.h>

#include "core/device.h"
#include "qdisk_format.h"

#define FORMAT_VERSION 1
#define SUM	       32
#define SUMMED	       (QDISK_BLOCK - SUM)
#define ENVELOPE       42 /* of a block, before its body */

static const uint8_t header_magic[8] = "clqdisk\n";
static const uint8_t block_magic[8] = "clqnode\n";

_Static_assert(DEVICE_BODY_MAX == QDISK_BODY_MAX, "what the core writes");
_Static_assert(ENVELOPE + QDISK_BODY_MAX <= SUMMED, "and it fits");
_Static_assert(DEVICE_BLOCKS == QDISK_BLOCKS, "as many as the core has");
_Static_assert(CONF_QDEVICE_ID_MAX == QDISK_BLOCKS, "a block for every id");

static void
checksum(const uint8_t *block, uint8_t sum[SUM])
{
	crypto_generichash(sum, SUM, block, SUMMED, NULL, 0);
}

static bool
whole(const uint8_t *block)
{
	uint8_t sum[SUM];

	checksum(block, sum);
	return memcmp(sum, block + SUMMED, SUM) == 0;
}

static bool
zeros(const uint8_t *block, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (block[i] != 0)
			return false;
	}
	return true;
}

/* What w has, filled up with zeros and closed by its sum. */
static void
seal_block(struct wbuf *w, uint8_t *block)
{
	ASSERT(!w->err && w->len <= SUMMED);
	memset(block, 0, QDISK_BLOCK);
	memcpy(block, w->data, w->len);
	checksum(block, block + SUMMED);
	wbuf_free(w);
}

void
qdisk_put_header(const struct qdisk_header *h, uint8_t block[QDISK_BLOCK])
{
	struct wbuf w;

	wbuf_init(&w, SUMMED);
	wbuf_bytes(&w, header_magic, sizeof(header_magic));
	wbuf_u32(&w, FORMAT_VERSION);
	wbuf_bytes(&w, h->uuid, sizeof(h->uuid));
	wbuf_u32(&w, QDISK_BLOCK);
	wbuf_u32(&w, QDISK_BLOCKS);
	wbuf_str(&w, h->cluster);
	seal_block(&w, block);
}

enum qdisk_found
qdisk_get_header(struct qdisk_header *h, const uint8_t block[QDISK_BLOCK])
{
	uint8_t magic[sizeof(header_magic)];
	uint32_t version, size, n;
	struct rbuf r;
	bool fit;

	memset(h, 0, sizeof(*h));
	if (zeros(block, QDISK_BLOCK))
		return QDISK_ZEROS;
	rbuf_init(&r, block, SUMMED);
	rbuf_bytes(&r, magic, sizeof(magic));
	if (memcmp(magic, header_magic, sizeof(magic)) != 0)
		return QDISK_OTHER;
	if (!whole(block)) /* F1 */
		return QDISK_BROKEN;
	version = rbuf_u32(&r);
	rbuf_bytes(&r, h->uuid, sizeof(h->uuid));
	size = rbuf_u32(&r);
	n = rbuf_u32(&r);
	rbuf_str(&r, h->cluster, sizeof(h->cluster));
	fit = version == FORMAT_VERSION && !r.err && size == QDISK_BLOCK &&
	    n == QDISK_BLOCKS && conf_cluster_ok(h->cluster) &&
	    zeros(block + r.off, SUMMED - r.off);
	if (fit)
		return QDISK_OK;
	memset(h, 0, sizeof(*h));
	return version > FORMAT_VERSION ? QDISK_LATER : QDISK_BROKEN;
}

bool
qdisk_ours(struct qdisk_header *h, const uint8_t block[QDISK_BLOCK],
    const char *cluster, const char *path, char *why, size_t size)
{
	why[0] = '\0';
	switch (qdisk_get_header(h, block)) {
	case QDISK_OK:
		if (strcmp(h->cluster, cluster) == 0)
			return true;
		snprintf(why, size,
		    "%s is the quorum disk of cluster %s, not of %s", path,
		    h->cluster, cluster);
		break;
	case QDISK_ZEROS:
	case QDISK_OTHER:
		snprintf(why, size,
		    "%s is no quorum disk: make it one with clusterd -q init",
		    path);
		break;
	case QDISK_LATER:
		snprintf(why, size,
		    "%s is a quorum disk of a later version of clusterd", path);
		break;
	case QDISK_BROKEN:
		snprintf(why, size,
		    "the header of %s is damaged: make it anew with clusterd "
		    "-q replace",
		    path);
		break;
	}
	return false;
}

void
qdisk_put_block(const struct qdisk_block *b, const uint8_t uuid[QDISK_UUID],
    uint8_t block[QDISK_BLOCK])
{
	struct wbuf w;

	ASSERT(b->node >= 1 && b->node <= QDISK_BLOCKS);
	ASSERT(b->len <= QDISK_BODY_MAX);
	wbuf_init(&w, SUMMED);
	wbuf_bytes(&w, block_magic, sizeof(block_magic));
	wbuf_u32(&w, FORMAT_VERSION);
	wbuf_bytes(&w, uuid, QDISK_UUID);
	wbuf_u16(&w, b->node);
	wbuf_u64(&w, b->seq);
	ASSERT(w.len + 4 == ENVELOPE);
	wbuf_blob(&w, b->body, b->len);
	seal_block(&w, block);
}

enum qdisk_state
qdisk_get_block(struct qdisk_block *b, uint16_t node,
    const uint8_t uuid[QDISK_UUID], const uint8_t block[QDISK_BLOCK])
{
	uint8_t magic[sizeof(block_magic)], device[QDISK_UUID];
	const uint8_t *body;
	uint32_t version;
	struct rbuf r;

	memset(b, 0, sizeof(*b));
	if (zeros(block, QDISK_BLOCK))
		return QDISK_NEVER;
	if (!whole(block)) /* F1 */
		return QDISK_DAMAGED;
	rbuf_init(&r, block, SUMMED);
	rbuf_bytes(&r, magic, sizeof(magic));
	version = rbuf_u32(&r);
	rbuf_bytes(&r, device, sizeof(device));
	b->node = rbuf_u16(&r);
	b->seq = rbuf_u64(&r);
	body = rbuf_blob(&r, &b->len, QDISK_BODY_MAX);
	if (r.err || memcmp(magic, block_magic, sizeof(magic)) != 0 ||
	    version != FORMAT_VERSION || b->node != node ||
	    !zeros(block + r.off, SUMMED - r.off)) {
		memset(b, 0, sizeof(*b));
		return QDISK_DAMAGED;
	}
	if (memcmp(device, uuid, sizeof(device)) != 0) { /* F2 */
		memset(b, 0, sizeof(*b));
		return QDISK_NEVER;
	}
	memcpy(b->body, body, b->len);
	return QDISK_WRITTEN;
}

void
qdisk_answer(const uint8_t uuid[QDISK_UUID], const uint8_t disk[QDISK_SIZE],
    struct wbuf *w)
{
	struct qdisk_block b;
	enum qdisk_state state;
	uint32_t n = 0;
	size_t count;
	uint16_t i;

	wbuf_bytes(w, uuid, QDISK_UUID);
	count = w->len;
	wbuf_u32(w, 0);
	for (i = 1; i <= QDISK_BLOCKS; i++) {
		state = qdisk_get_block(&b, i, uuid,
		    disk + (size_t)i * QDISK_BLOCK);
		if (state == QDISK_NEVER)
			continue;
		wbuf_u16(w, i);
		wbuf_u8(w, state == QDISK_DAMAGED);
		wbuf_blob(w, b.body, b.len);
		n++;
	}
	if (!w->err)
		wbuf_set_u32(w, count, n);
}

void
qdisk_uuid_text(const uint8_t uuid[QDISK_UUID], char *text, size_t size)
{
	size_t i, off = 0;

	ASSERT(size >= QDISK_UUID_TEXT);
	for (i = 0; i < QDISK_UUID; i++)
		off += (size_t)snprintf(text + off, size - off, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}
