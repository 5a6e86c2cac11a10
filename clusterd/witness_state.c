/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The state file: magic (8 bytes), version u32, cluster str, uuid (16 bytes),
 * u32 count, of each block that was written u16 node and blob; and a
 * BLAKE2b-256 over all of that.
 *
 * Requests are done one after the other, in the order in which they came: the
 * block is brought to the disk, then all are read.  Invariants (Q1 to Q4 of
 * qdevice.h follow):
 *   T1  what is told is on the disk.  When that is not sure, after a start or a
 *	 store that failed, all is stored before anything is told;
 *   T2  a node is heard on its latest connection only, as they were welcomed;
 *   T3  what was asked on an earlier connection of a node is done before what is
 *	 asked on a later one, or not at all;
 *   T4  each connection has at most one request waiting.
 *
 * Why T2 goes by the welcome: a node that gives up a connection may have sent
 * something on it that is still under way.  It had been welcomed there, so the
 * connection that it opened since was welcomed later.
 *
 * clusterd-protocol(7), section 6.12.
 */

#include <sodium.h>
#include <stdio.h>

#include "witness_state.h"

enum {
	FILE_VERSION = 1,
	SUM_LEN = 32
};

static const uint8_t magic[8] = { 'c', 'l', 'w', 'i', 't', 'n', 's', '\n' };

struct request {
	uint64_t conn; /* 0: none */
	uint32_t req;
	size_t len;
	uint8_t data[WITNESS_DATA_MAX];
};

struct witness_desk {
	struct witness_blocks *blocks;
	const struct witness_desk_ops *ops;
	void *arg;
	uint64_t welcomed;
	uint64_t latest[WITNESS_BLOCKS + 1]; /* that has asked, of each node */
	struct request waits[WITNESS_BLOCKS + 1];
	/* Whose turn it is, in order; each node at most once. */
	uint16_t queue[WITNESS_BLOCKS];
	unsigned queued;
	/* What is being stored. */
	bool busy;
	uint16_t node;
	struct request now;
	bool writes; /* its block is among it */
	bool unsure; /* what is on the disk (T1) */
};

/* --- blocks -------------------------------------------------------------------- */

bool
witness_blocks_set(struct witness_blocks *b, uint16_t node, const void *data,
    size_t len)
{
	if (node == 0 || node > WITNESS_BLOCKS || len == 0 ||
	    len > WITNESS_BLOCK_MAX)
		return false;
	b->len[node] = (uint16_t)len;
	memcpy(b->block[node], data, len);
	return true;
}

static unsigned
count(const struct witness_blocks *b)
{
	unsigned node, n = 0;

	for (node = 1; node <= WITNESS_BLOCKS; node++)
		if (b->len[node] > 0)
			n++;
	return n;
}

void
witness_blocks_look(const struct witness_blocks *b, struct wbuf *w)
{
	unsigned node;

	wbuf_bytes(w, b->uuid, sizeof(b->uuid));
	wbuf_u32(w, count(b));
	for (node = 1; node <= WITNESS_BLOCKS; node++) {
		if (b->len[node] == 0)
			continue;
		wbuf_u16(w, (uint16_t)node);
		wbuf_u8(w, 0); /* the file is damaged as a whole, or not */
		wbuf_blob(w, b->block[node], b->len[node]);
	}
}

void
witness_blocks_encode(const struct witness_blocks *b, const char *cluster,
    struct wbuf *w)
{
	uint8_t sum[SUM_LEN];
	unsigned node;

	wbuf_bytes(w, magic, sizeof(magic));
	wbuf_u32(w, FILE_VERSION);
	wbuf_str(w, cluster);
	wbuf_bytes(w, b->uuid, sizeof(b->uuid));
	wbuf_u32(w, count(b));
	for (node = 1; node <= WITNESS_BLOCKS; node++) {
		if (b->len[node] == 0)
			continue;
		wbuf_u16(w, (uint16_t)node);
		wbuf_blob(w, b->block[node], b->len[node]);
	}
	if (w->err)
		return;
	crypto_generichash(sum, sizeof(sum), w->data, w->len, NULL, 0);
	wbuf_bytes(w, sum, sizeof(sum));
}

static bool
decode(struct witness_blocks *b, char cluster[CONF_NAME_MAX + 1],
    struct rbuf *r)
{
	uint8_t m[sizeof(magic)];
	unsigned i, n, node, last = 0;
	const uint8_t *p;
	size_t len;

	rbuf_bytes(r, m, sizeof(m));
	if (memcmp(m, magic, sizeof(magic)) != 0 || rbuf_u32(r) != FILE_VERSION)
		return false;
	rbuf_str(r, cluster, CONF_NAME_MAX + 1);
	rbuf_bytes(r, b->uuid, sizeof(b->uuid));
	n = rbuf_count(r, WITNESS_BLOCKS);
	for (i = 0; i < n; i++) {
		node = rbuf_u16(r);
		p = rbuf_blob(r, &len, WITNESS_BLOCK_MAX);
		if (r->err || node <= last ||
		    !witness_blocks_set(b, (uint16_t)node, p, len))
			return false;
		last = node;
	}
	return !r->err;
}

bool
witness_blocks_decode(struct witness_blocks *b, char cluster[CONF_NAME_MAX + 1],
    const void *data, size_t len)
{
	uint8_t sum[SUM_LEN], want[SUM_LEN];
	struct rbuf r;

	memset(b, 0, sizeof(*b));
	rbuf_init(&r, data, len);
	if (decode(b, cluster, &r)) {
		crypto_generichash(sum, sizeof(sum), data, r.off, NULL, 0);
		rbuf_bytes(&r, want, sizeof(want));
		if (rbuf_done(&r) && memcmp(sum, want, sizeof(sum)) == 0)
			return true;
	}
	memset(b, 0, sizeof(*b));
	cluster[0] = '\0';
	return false;
}

/* --- the desk --------------------------------------------------------------------- */

struct witness_desk *
witness_desk_new(struct witness_blocks *b, const struct witness_desk_ops *ops,
    void *arg)
{
	struct witness_desk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->blocks = b;
	d->ops = ops;
	d->arg = arg;
	d->unsure = true;
	return d;
}

void
witness_desk_free(struct witness_desk *d)
{
	free(d);
}

uint64_t
witness_desk_welcome(struct witness_desk *d)
{
	return ++d->welcomed;
}

static void
answer_look(struct witness_desk *d, const struct request *q)
{
	struct witness_answer a = { .req = q->req, .ok = true };
	struct wbuf w;

	wbuf_init(&w, WITNESS_LOOK_MAX);
	witness_blocks_look(d->blocks, &w);
	if (w.err) {
		static const char why[] = "the witness is out of memory";

		a.ok = false;
		a.data = (const uint8_t *)why;
		a.len = strlen(why);
	} else {
		a.data = w.data;
		a.len = w.len;
	}
	d->ops->answer(d->arg, q->conn, &a);
	wbuf_free(&w);
}

static void
answer_why(struct witness_desk *d, const struct request *q, const char *why)
{
	struct witness_answer a = { .req = q->req };
	char text[128];

	snprintf(text, sizeof(text), "the witness cannot write its state: %s",
	    why);
	a.data = (const uint8_t *)text;
	a.len = strlen(text);
	d->ops->answer(d->arg, q->conn, &a);
}

/* Is a block to be written, and to this very device (Q1)? */
static bool
writes(const struct witness_desk *d, const struct request *q)
{
	return q->len > 0 &&
	    memcmp(q->data, d->blocks->uuid, WITNESS_UUID) == 0;
}

static uint16_t
take(struct witness_desk *d)
{
	uint16_t node = d->queue[0];

	ASSERT(d->queued > 0);
	memmove(d->queue, d->queue + 1, --d->queued * sizeof(d->queue[0]));
	return node;
}

/* Whoever is next, until something has to be stored. */
static void
proceed(struct witness_desk *d)
{
	struct request q;
	uint16_t node;

	while (!d->busy && d->queued > 0) {
		node = take(d);
		q = d->waits[node];
		d->waits[node].conn = 0;
		d->writes = writes(d, &q);
		if (!d->writes && !d->unsure) {
			answer_look(d, &q);
			continue;
		}
		d->busy = true;
		d->node = node;
		d->now = q;
		if (d->writes)
			d->ops->store(d->arg, node, d->now.data + WITNESS_UUID,
			    d->now.len - WITNESS_UUID);
		else
			d->ops->store(d->arg, 0, NULL, 0);
	}
}

enum witness_bad
witness_desk_ask(struct witness_desk *d, uint16_t node, uint64_t conn,
    const struct witness_ask *a)
{
	struct request *q;

	ASSERT(node > 0 && node <= WITNESS_BLOCKS && conn > 0 &&
	    conn <= d->welcomed);
	q = &d->waits[node];
	if (conn < d->latest[node]) /* T2 */
		return WB_SUPERSEDED;
	if (q->conn == conn || (d->busy && d->now.conn == conn)) /* T4 */
		return WB_MALFORMED;
	if (q->conn != 0)
		witness_desk_gone(d, node, q->conn); /* T3 */
	d->latest[node] = conn;
	q->conn = conn;
	q->req = a->req;
	q->len = a->len;
	ASSERT(a->len <= sizeof(q->data));
	if (a->len > 0)
		memcpy(q->data, a->data, a->len);
	ASSERT(d->queued < NITEMS(d->queue));
	d->queue[d->queued++] = node;
	proceed(d);
	return WB_OK;
}

void
witness_desk_gone(struct witness_desk *d, uint16_t node, uint64_t conn)
{
	unsigned i;

	if (d->busy && d->now.conn == conn)
		d->now.conn = 0; /* it is done, and nobody is told */
	if (d->waits[node].conn != conn)
		return;
	d->waits[node].conn = 0;
	for (i = 0; d->queue[i] != node; i++)
		ASSERT(i + 1 < d->queued);
	memmove(d->queue + i, d->queue + i + 1,
	    (--d->queued - i) * sizeof(d->queue[0]));
}

void
witness_desk_stored(struct witness_desk *d, bool ok, const char *why)
{
	ASSERT(d->busy);
	d->busy = false;
	d->unsure = !ok;
	if (ok && d->writes)
		ASSERT(witness_blocks_set(d->blocks, d->node,
		    d->now.data + WITNESS_UUID, d->now.len - WITNESS_UUID));
	if (d->now.conn != 0 && ok)
		answer_look(d, &d->now);
	else if (d->now.conn != 0)
		answer_why(d, &d->now, why);
	proceed(d);
}
