/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Another cluster with the same name and the same addresses, but another key:
 * a clone of a machine that was started in the wrong place.  One node of it
 * runs; it hears a part of what is sent to the node whose address it has, and
 * sends to all the others.  Nobody may believe a word.
 */

#include "sim.h"

struct stranger {
	struct node *core;
	unsigned node;
	uint64_t gen;
	uint64_t timer_at;
};

static void
look_again(struct sim *s)
{
	struct stranger *st = s->stranger;
	uint64_t at = MAX(node_deadline(st->core), s->now) + 1;
	struct sim_event *e;

	if (at >= st->timer_at)
		return;
	st->timer_at = at;
	e = heap_add(&s->heap, at, SE_STRANGER);
	e->gen = ++st->gen;
}

static void
step(struct sim *s, struct event *ev)
{
	struct stranger *st = s->stranger;
	struct actions acts;
	struct action *act;

	ev->now = s->now;
	ev->wall = 1700000000 * SEC + s->now;
	actions_init(&acts);
	node_step(st->core, ev, &acts);
	while ((act = actions_take(&acts)) != NULL) {
		if (act->type == ACT_SEND)
			net_forge(s, (unsigned)node_index(s, act->node),
			    act->link, act->data, act->len);
		free(act);
	}
	look_again(s);
}

void
stranger_start(struct sim *s)
{
	struct node_config nc = { .conf = s->conf,
		.incarnation = 1700000000 * SEC + 500 * SEC };
	struct event ev = { .type = EV_START };
	struct stranger *st = calloc(1, sizeof(*st));
	uint8_t key[KEYRING_KEY_LEN];
	unsigned k;

	ASSERT(st != NULL);
	s->stranger = st;
	st->node = (unsigned)sim_between(s, 0, s->n - 1);
	st->timer_at = UINT64_MAX;
	nc.self = s->nodes[st->node].id;
	for (k = 0; k < sizeof(key); k++)
		key[k] = (uint8_t)rng_u64(&s->rng);
	keyring_plain(&nc.keys, key);
	for (k = 0; k < 4; k++)
		nc.seed[k] = rng_u64(&s->rng);
	st->core = node_new(&nc);
	ASSERT(st->core != NULL);
	sim_trace(s, "a stranger uses the address of n%u", nc.self);
	step(s, &ev);
}

void
stranger_timer(struct sim *s, uint64_t gen)
{
	struct event ev = { .type = EV_TIMER };

	if (gen != s->stranger->gen)
		return;
	s->stranger->timer_at = UINT64_MAX;
	step(s, &ev);
}

void
stranger_hear(struct sim *s, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	struct event ev = { .type = EV_PACKET,
		.link = link,
		.data = data,
		.len = len };

	if (to == s->stranger->node && sim_chance(s, 200))
		step(s, &ev);
}

void
stranger_free(struct sim *s)
{
	if (s->stranger == NULL)
		return;
	node_free(s->stranger->core);
	free(s->stranger);
	s->stranger = NULL;
}
