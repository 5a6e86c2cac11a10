/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The file of the durable state, and the blob in it, and the key file: torn,
 * foreign, or right.
 *
 * Input: u8 flags, then records (rig.h).  A record is written to slot op & 1;
 * with op & 2 its checksum is made right.  With flags & 1, the first record is
 * a blob alone and goes to member_stored_decode() as it is; with flags & 2, it
 * is a key file, which is given the right checksum with op & 2.
 *
 * What is read can be written and read again, and a write that fails in the
 * middle leaves what was there.
 */

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "core/member.h"
#include "fuzz.h"
#include "keyfile.h"
#include "rig.h"
#include "store.h"

#define SUM_LEN 32

static const char *
folder(void)
{
	static char dir[] = "/tmp/fuzz-store.XXXXXX";
	static bool made;

	if (!made)
		ASSERT(mkdtemp(dir) != NULL);
	made = true;
	return dir;
}

static void
forget(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/state", folder());
	unlink(path);
	rmdir(folder());
}

/* What is decoded encodes to bytes that decode to the same. */
static void
blob(const void *data, size_t len)
{
	struct member_stored s, again;
	struct wbuf w;

	if (!member_stored_decode(&s, data, len)) {
		ASSERT(s.n == 0 && s.epoch == 0);
		return;
	}
	wbuf_init(&w, STORE_BLOB_MAX);
	member_stored_encode(&s, &w);
	ASSERT(!w.err);
	ASSERT(member_stored_decode(&again, w.data, w.len));
	ASSERT(again.n == s.n && again.epoch == s.epoch &&
	    memcmp(again.members, s.members, sizeof(s.members)) == 0);
	wbuf_free(&w);
}

/* The same of the key file; and it is sound. */
static void
keys(const struct rig_op *op)
{
	struct keyring ring, again;
	uint8_t sum[SUM_LEN];
	struct wbuf w;

	wbuf_init(&w, 1 << 20);
	wbuf_bytes(&w, op->data, op->len);
	crypto_generichash(sum, sizeof(sum), op->data, op->len, NULL, 0);
	if ((op->op & 2) != 0)
		wbuf_bytes(&w, sum, sizeof(sum));
	if (w.len > 0 && keyfile_decode(w.data, w.len, &ring)) {
		ASSERT(ring.n >= 1 && ring.n <= KEYRING_MAX);
		ASSERT(keyring_find(&ring, ring.use) != NULL);
		wbuf_reset(&w);
		keyfile_encode(&w, &ring);
		ASSERT(!w.err && w.len <= KEYFILE_MAX);
		ASSERT(keyfile_decode(w.data, w.len, &again));
		ASSERT(keyring_same(&ring, &again));
	}
	wbuf_free(&w);
}

static void
put_slot(int fd, const struct rig_op *op)
{
	uint8_t sum[SUM_LEN];
	off_t at = (off_t)(op->op & 1) * STORE_SLOT_LEN;

	ASSERT(pwrite(fd, op->data, op->len, at) == (ssize_t)op->len);
	crypto_generichash(sum, sizeof(sum), op->data, op->len, NULL, 0);
	if ((op->op & 2) != 0)
		ASSERT(pwrite(fd, sum, sizeof(sum), at + (off_t)op->len) ==
		    sizeof(sum));
}

static void
file(struct rbuf *in)
{
	static struct store s, again;
	struct rig_op op;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/state", folder());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ASSERT(fd != -1);
	while (rig_next(in, &op))
		put_slot(fd, &op);
	close(fd);
	ASSERT(store_open(&s, folder()) == 0);
	ASSERT(s.len <= STORE_BLOB_MAX && (!s.damaged || s.seq == 0));
	ASSERT(store_next(&s, 0, 0) > s.incarnation ||
	    s.incarnation == UINT64_MAX);
	blob(s.blob, s.len);
	if (s.seq < UINT64_MAX) {
		ASSERT(store_write(&s, 77, "new", 3) == 0);
		ASSERT(store_open(&again, folder()) == 0);
		ASSERT(again.incarnation == 77 && again.len == 3 &&
		    again.seq == s.seq && memcmp(again.blob, "new", 3) == 0);
		store_close(&again);
	}
	store_close(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool first = true;
	struct rig_op op = { 0 };
	struct rbuf in;
	uint8_t flags;

	if (first)
		atexit(forget);
	first = false;
	rbuf_init(&in, data, len);
	flags = rbuf_u8(&in);
	if ((flags & 3) == 0)
		file(&in);
	else if (rig_next(&in, &op) && (flags & 1) != 0)
		blob(op.data, op.len);
	else if ((flags & 1) == 0 && !in.err)
		keys(&op);
	return 0;
}
