/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   B1  the counter towards a node grows with every datagram, so that no nonce
 *       is used twice with a key of this incarnation, of any generation;
 *   B2  a stall is said only if the engine has run and has not for
 *       BEAT_PATIENCE heartbeats; late ticks of our own do not count;
 *   B3  nothing is said after the last word.
 *
 * clusterd-protocol(7), section 4.3.
 */

#include "beat.h"

struct beat {
	const struct conf *conf;
	uint16_t self;
	uint64_t inc;
	struct seal_gen keys[KEYRING_MAX];
	uint64_t cluster;
	uint64_t counter[CONF_NODES_MAX]; /* by index of the node */
	uint64_t rounds, moved_at;
	unsigned still; /* ticks without a round */
	bool over;
};

struct beat *
beat_new(const struct conf *conf, uint16_t self, uint64_t inc)
{
	struct beat *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->conf = conf;
	b->self = self;
	b->inc = inc;
	b->cluster = wire_cluster(conf->cluster);
	return b;
}

void
beat_free(struct beat *b)
{
	if (b == NULL)
		return;
	explicit_bzero(b->keys, sizeof(b->keys));
	free(b);
}

void
beat_keys(struct beat *b, const struct seal_gen keys[KEYRING_MAX])
{
	memcpy(b->keys, keys, sizeof(b->keys));
}

/* One datagram with these frames to one node over one link. */
static void
say_to(struct beat *b, unsigned node, unsigned link, const struct seal_gen *g,
    const struct wbuf *frames, struct actions *out)
{
	struct wire_header h = { .version = WIRE_HEADER_VERSION,
		.keyid = g->gen,
		.voice = WV_BEAT,
		.link = (uint8_t)link,
		.cluster = b->cluster,
		.from = b->self,
		.to = b->conf->nodes[node].id,
		.incarnation = b->inc,
		.counter = ++b->counter[node] }; /* B1 */
	uint8_t sealed[WIRE_PLAIN_MAX + WIRE_TAG_LEN];
	struct action *act;
	struct wbuf w;

	wbuf_init(&w, WIRE_DATAGRAM_MAX);
	wire_put_header(&w, &h);
	seal_box(&g->key, h.to, h.counter, w.data, w.len, frames->data,
	    frames->len, sealed);
	wbuf_bytes(&w, sealed, frames->len + WIRE_TAG_LEN);
	ASSERT(!w.err);
	act = actions_add(out, ACT_SEND, w.data, w.len);
	act->node = h.to;
	act->link = link;
	wbuf_free(&w);
}

static void
say(struct beat *b, const struct wbuf *frames, struct actions *out)
{
	unsigned node, link, i;

	for (node = 0; node < b->conf->nnodes; node++) {
		if (b->conf->nodes[node].id == b->self)
			continue;
		for (link = 0; link < b->conf->nlinks; link++)
			for (i = 0; i < KEYRING_MAX; i++)
				if (b->keys[i].set)
					say_to(b, node, link, &b->keys[i],
					    frames, out);
	}
}

void
beat_tick(struct beat *b, uint64_t now, uint64_t rounds, struct actions *out)
{
	struct wire_stall s;
	struct wbuf w;

	if (b->over || rounds == 0) /* B3 */
		return;
	if (rounds != b->rounds) {
		b->rounds = rounds;
		b->moved_at = now;
		b->still = 0;
		return;
	}
	if (++b->still < BEAT_PATIENCE) /* B2 */
		return;
	s.age = now - b->moved_at;
	wbuf_init(&w, WIRE_PLAIN_MAX);
	wire_put_stall(&w, &s);
	say(b, &w, out);
	wbuf_free(&w);
}

void
beat_ended(struct beat *b, enum wire_end how, uint32_t number,
    struct actions *out)
{
	struct wire_dead d = { .how = (uint8_t)how, .number = number };
	struct wbuf w;
	unsigned i;

	if (b->over) /* B3 */
		return;
	b->over = true;
	wbuf_init(&w, WIRE_PLAIN_MAX);
	wire_put_dead(&w, &d);
	/* Nobody will repeat it. */
	for (i = 0; i < BEAT_REPEAT; i++)
		say(b, &w, out);
	wbuf_free(&w);
}
