/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* What will happen, by time; what was planned first comes first. */

#include "sim.h"

static bool
before(const struct planned *a, const struct planned *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
swap(struct heap *h, unsigned i, unsigned j)
{
	struct planned p = h->v[i];

	h->v[i] = h->v[j];
	h->v[j] = p;
}

struct sim_event *
heap_add(struct heap *h, uint64_t at, enum sim_event_type type)
{
	struct sim_event *e = calloc(1, sizeof(*e));
	unsigned i;

	ASSERT(e != NULL);
	if (h->n == h->cap) {
		h->cap = MAX(h->cap * 2, 256U);
		h->v = reallocarray(h->v, h->cap, sizeof(*h->v));
		ASSERT(h->v != NULL);
	}
	e->at = at;
	e->order = h->order++;
	e->type = type;
	i = h->n++;
	h->v[i] = (struct planned){ at, e->order, e };
	while (i > 0 && before(&h->v[i], &h->v[(i - 1) / 2])) {
		swap(h, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	return e;
}

struct sim_event *
heap_take(struct heap *h)
{
	struct sim_event *e;
	unsigned i = 0, least, k;

	if (h->n == 0)
		return NULL;
	e = h->v[0].e;
	h->v[0] = h->v[--h->n];
	for (;;) {
		least = i;
		for (k = 2 * i + 1; k <= 2 * i + 2 && k < h->n; k++)
			if (before(&h->v[k], &h->v[least]))
				least = k;
		if (least == i)
			return e;
		swap(h, i, least);
		i = least;
	}
}

void
event_free(struct sim_event *e)
{
	free(e->data);
	free(e);
}

void
heap_clear(struct heap *h)
{
	unsigned i;

	for (i = 0; i < h->n; i++)
		event_free(h->v[i].e);
	free(h->v);
	memset(h, 0, sizeof(*h));
}
