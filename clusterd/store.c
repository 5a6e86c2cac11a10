/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A slot: magic (8 bytes), version u32, seq u64, incarnation u64, blob (u32
 * length and bytes), and a BLAKE2b-256 over all of that.  Slot seq % 2 is
 * written, so the slot of seq - 1 is never touched by the write of seq.
 *
 * clusterd-protocol(7), section 6.9.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "store.h"

enum {
	STORE_VERSION = 1,
	STORE_SUM_LEN = 32
};

static const uint8_t magic[8] = { 'c', 'l', 's', 't', 'a', 't', 'e', '\n' };

static void
checksum(uint8_t sum[STORE_SUM_LEN], const void *p, size_t len)
{
	crypto_generichash(sum, STORE_SUM_LEN, p, len, NULL, 0);
}

/* Takes the slot into s when it is valid and newer than what s has. */
static void
slot_read(struct store *s, const uint8_t *slot, size_t slotlen)
{
	uint8_t sum[STORE_SUM_LEN], want[STORE_SUM_LEN], m[sizeof(magic)];
	uint64_t seq, incarnation;
	const uint8_t *blob;
	struct rbuf r;
	size_t len;

	rbuf_init(&r, slot, slotlen);
	rbuf_bytes(&r, m, sizeof(m));
	if (memcmp(m, magic, sizeof(magic)) != 0 ||
	    rbuf_u32(&r) != STORE_VERSION)
		return;
	seq = rbuf_u64(&r);
	incarnation = rbuf_u64(&r);
	blob = rbuf_blob(&r, &len, STORE_BLOB_MAX);
	if (r.err)
		return;
	checksum(sum, slot, r.off);
	rbuf_bytes(&r, want, sizeof(want));
	if (r.err || memcmp(sum, want, sizeof(sum)) != 0 || seq <= s->seq)
		return;
	s->seq = seq;
	s->incarnation = incarnation;
	s->len = len;
	memcpy(s->blob, blob, len);
}

/* Room that was never written to. */
static bool
blank(const uint8_t *slot, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (slot[i] != 0)
			return false;
	return true;
}

static int
load(struct store *s)
{
	uint8_t *slot;
	ssize_t n;
	int i;

	slot = malloc(STORE_SLOT_LEN);
	if (slot == NULL)
		return -1;
	for (i = 0; i < 2; i++) {
		n = pread(s->fd, slot, STORE_SLOT_LEN,
		    (off_t)i * STORE_SLOT_LEN);
		if (n == -1) {
			free(slot);
			return -1;
		}
		s->damaged |= !blank(slot, (size_t)n);
		slot_read(s, slot, (size_t)n);
	}
	free(slot);
	if (s->seq > 0)
		s->damaged = false;
	return 0;
}

/* Has all blocks of the file at hand. */
static int
reserve(struct store *s)
{
	int error;

	do
		error = posix_fallocate(s->fd, 0, 2 * STORE_SLOT_LEN);
	while (error == EINTR);
	errno = error;
	return error == 0 ? 0 : -1;
}

int
store_open(struct store *s, const char *dir)
{
	int n, saved;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	n = snprintf(s->path, sizeof(s->path), "%s/state", dir);
	if (n < 0 || (size_t)n >= sizeof(s->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd == -1)
		return -1;
	if (load(s) == 0 && reserve(s) == 0 && file_sync_entry(s->path) == 0)
		return 0;
	saved = errno;
	store_close(s);
	errno = saved;
	return -1;
}

void
store_close(struct store *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

int
store_write(struct store *s, uint64_t incarnation, const void *blob, size_t len)
{
	uint8_t sum[STORE_SUM_LEN];
	struct wbuf w;
	uint64_t seq = s->seq + 1;
	int rc;

	if (len > STORE_BLOB_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	wbuf_init(&w, STORE_SLOT_LEN);
	wbuf_bytes(&w, magic, sizeof(magic));
	wbuf_u32(&w, STORE_VERSION);
	wbuf_u64(&w, seq);
	wbuf_u64(&w, incarnation);
	wbuf_blob(&w, blob, len);
	if (!w.err) {
		checksum(sum, w.data, w.len);
		wbuf_bytes(&w, sum, sizeof(sum));
	}
	if (w.err) {
		wbuf_free(&w);
		errno = ENOMEM;
		return -1;
	}
	rc = file_write_all(s->fd, w.data, w.len,
	    (off_t)(seq % 2) * STORE_SLOT_LEN);
	if (rc == 0)
		rc = fdatasync(s->fd);
	wbuf_free(&w);
	if (rc == -1)
		return -1;
	s->seq = seq;
	s->incarnation = incarnation;
	s->len = len;
	if (len > 0)
		memmove(s->blob, blob, len);
	return 0;
}

void
store_outlived(struct store *s, uint64_t incarnation)
{
	if (incarnation <= STORE_LIFE_MAX)
		s->incarnation = MAX(s->incarnation, incarnation);
}

uint64_t
store_next(const struct store *s, uint64_t wall_ms, uint16_t random)
{
	return MAX(s->incarnation + 1, wall_ms << 16 | random);
}
