/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include "words.h"

#include "proto.h"

bool
words_end(const struct msg *m, struct word_end *w)
{
	struct rbuf r;

	w->incarnation = 0;
	rbuf_init(&r, m->data, m->len);
	rbuf_str(&r, w->why, sizeof(w->why));
	if (m->type == M_DYING)
		w->incarnation = rbuf_u64(&r);
	return rbuf_done(&r);
}

bool
words_mount(const struct msg *m, struct word_mount *w)
{
	struct rbuf r;
	uint32_t pid;

	rbuf_init(&r, m->data, m->len);
	pid = rbuf_u32(&r);
	w->client = rbuf_u64(&r);
	rbuf_str(&r, w->fs, sizeof(w->fs));
	rbuf_str(&r, w->dir, sizeof(w->dir));
	w->pid = (pid_t)pid;
	return rbuf_done(&r) && pid > 1 && pid <= INT32_MAX;
}

const uint8_t *
words_store(const struct msg *m, size_t *len, size_t max)
{
	const uint8_t *blob;
	struct rbuf r;

	rbuf_init(&r, m->data, m->len);
	blob = rbuf_blob(&r, len, max);
	return rbuf_done(&r) && *len > 0 ? blob : NULL;
}

bool
words_keys(const struct msg *m, struct keyring *ring)
{
	struct rbuf r;

	rbuf_init(&r, m->data, m->len);
	if (keyring_get(&r, ring) && rbuf_done(&r))
		return true;
	keyring_forget(ring);
	return false;
}

bool
words_fenced(const struct msg *m, struct word_fenced *w)
{
	struct rbuf r;

	rbuf_init(&r, m->data, m->len);
	w->req = rbuf_u32(&r);
	w->ok = rbuf_u8(&r) != 0;
	w->verified = rbuf_u8(&r) != 0;
	rbuf_str(&r, w->text, sizeof(w->text));
	return rbuf_done(&r);
}
