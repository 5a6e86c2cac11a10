/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Any bytes as what a process with fewer rights says to one with more (words.h).
 * Input: u8 which message, then its payload.  What is taken is bounded, ends
 * where it should, and says the same when it is written anew.
 */

#include <string.h>

#include "fuzz.h"
#include "proto.h"
#include "words.h"

#define STORE_MAX 8192

static struct wbuf again;

/* Nothing is lost between the bytes and what was understood. */
static void
same(const struct msg *m)
{
	ASSERT(!again.err && again.len == m->len &&
	    memcmp(again.data, m->data, m->len) == 0);
}

static void
end(const struct msg *m)
{
	struct word_end w;

	if (!words_end(m, &w))
		return;
	ASSERT(memchr(w.why, '\0', sizeof(w.why)) != NULL);
	ASSERT(m->type == M_DYING || w.incarnation == 0);
	wbuf_str(&again, w.why);
	if (m->type == M_DYING)
		wbuf_u64(&again, w.incarnation);
	same(m);
}

static void
mount(const struct msg *m)
{
	struct word_mount w;

	if (!words_mount(m, &w))
		return;
	ASSERT(w.pid > 1);
	wbuf_u32(&again, (uint32_t)w.pid);
	wbuf_u64(&again, w.client);
	wbuf_str(&again, w.fs);
	wbuf_str(&again, w.dir);
	same(m);
}

static void
state(const struct msg *m)
{
	size_t len;
	const uint8_t *blob = words_store(m, &len, STORE_MAX);

	if (blob == NULL)
		return;
	ASSERT(len > 0 && len <= STORE_MAX && blob >= m->data &&
	    blob + len == m->data + m->len);
	wbuf_blob(&again, blob, len);
	same(m);
}

static void
keys(const struct msg *m)
{
	struct keyring ring;

	if (!words_keys(m, &ring))
		return;
	ASSERT(ring.n >= 1 && ring.n <= KEYRING_MAX);
	ASSERT(keyring_find(&ring, ring.use) != NULL);
	keyring_put(&again, &ring);
	same(m);
}

static void
fenced(const struct msg *m)
{
	struct word_fenced w;

	if (!words_fenced(m, &w))
		return;
	ASSERT(memchr(w.text, '\0', sizeof(w.text)) != NULL);
	wbuf_u32(&again, w.req);
	ASSERT(memcmp(again.data, m->data, again.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct msg m = { .fd = -1 };

	if (len == 0)
		return 0;
	m.data = data + 1;
	m.len = len - 1;
	wbuf_init(&again, 1 << 16);
	switch (data[0] % 6) {
	case 0:
		m.type = M_STOPPED;
		end(&m);
		break;
	case 1:
		m.type = M_DYING;
		end(&m);
		break;
	case 2:
		m.type = M_MOUNT_PID;
		mount(&m);
		break;
	case 3:
		m.type = M_STORE;
		state(&m);
		break;
	case 4:
		m.type = M_KEYS;
		keys(&m);
		break;
	default:
		m.type = M_FENCE_DONE;
		fenced(&m);
		break;
	}
	wbuf_free(&again);
	return 0;
}
