/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_GROUP_ORDER  there is one sequence of views and messages of the group,
 *	in the whole run; every client sees a part of it without gaps, from
 *	its own join on.  Since a message is delivered only when every member
 *	of a view has it, this holds for nodes that are cut off as well.
 * INV_GROUP_FIFO	in that sequence the messages of a sender have the numbers
 *	1, 2, 3 ...: none is lost, doubled or invented.
 */

#include "sim.h"

struct entry {
	bool view;
	size_t len;
	uint8_t *data;
};

struct chk_group {
	struct entry *log;
	size_t n, cap;
	uint32_t *last; /* number of the last message, by client id */
	size_t nlast;
};

void
chk_group_init(struct sim *s)
{
	s->chk_group = calloc(1, sizeof(*s->chk_group));
	ASSERT(s->chk_group != NULL);
}

void
chk_group_free(struct sim *s)
{
	size_t i;

	for (i = 0; i < s->chk_group->n; i++)
		free(s->chk_group->log[i].data);
	free(s->chk_group->log);
	free(s->chk_group->last);
	free(s->chk_group);
}

uint64_t
chk_group_end(const struct sim *s)
{
	return s->chk_group->n;
}

static void
append(struct sim *s, bool view, const uint8_t *data, size_t len)
{
	struct chk_group *g = s->chk_group;
	struct entry *e;

	if (g->n == g->cap) {
		g->cap = MAX(2 * g->cap, (size_t)256);
		g->log = reallocarray(g->log, g->cap, sizeof(*g->log));
		ASSERT(g->log != NULL);
	}
	e = &g->log[g->n++];
	e->view = view;
	e->len = len;
	e->data = malloc(MAX(len, (size_t)1));
	ASSERT(e->data != NULL);
	memcpy(e->data, data, len);
}

static bool
contains(const struct entry *e, uint64_t client)
{
	struct rbuf r;
	unsigned n;

	rbuf_init(&r, e->data, e->len);
	for (n = rbuf_u16(&r); n > 0; n--) {
		(void)rbuf_u16(&r);
		if (rbuf_u64(&r) == client)
			return true;
	}
	return false;
}

/* Where the client's own join stands: it is in this view, not in the last. */
static size_t
find_join(const struct chk_group *g, uint64_t client)
{
	size_t i, found = SIZE_MAX;

	for (i = g->n; i-- > 0;) {
		if (!g->log[i].view)
			continue;
		if (!contains(&g->log[i], client))
			break;
		found = i;
	}
	return found;
}

static void
deliver(struct sim *s, unsigned node, struct sim_client *c, bool view,
    const uint8_t *data, size_t len)
{
	struct chk_group *g = s->chk_group;
	const struct entry *e;
	uint64_t at = c->group_pos++;

	if (at == g->n) {
		append(s, view, data, len);
		return;
	}
	e = &g->log[at];
	if (e->view == view && e->len == len && memcmp(e->data, data, len) == 0)
		return;
	sim_fail(s, INV_GROUP_ORDER,
	    "n%u client %llu: place %llu of the sequence is a %s of %zu bytes, "
	    "others have a %s of %zu bytes there",
	    s->nodes[node].id, (unsigned long long)c->id,
	    (unsigned long long)at, view ? "view" : "message", len,
	    e->view ? "view" : "message", e->len);
}

void
chk_group_view(struct sim *s, unsigned node, struct sim_client *c,
    struct rbuf *r)
{
	const uint8_t *data;
	size_t len = rbuf_left(r), join;
	struct entry e;

	data = rbuf_take(r, len);
	if (data == NULL)
		return;
	if (!c->group_in) {
		e.data = (uint8_t *)(uintptr_t)data;
		e.len = len;
		if (!contains(&e, c->id))
			sim_fail(s, INV_GROUP_ORDER,
			    "n%u client %llu: the first view is without it",
			    s->nodes[node].id, (unsigned long long)c->id);
		join = find_join(s->chk_group, c->id);
		c->group_pos = join == SIZE_MAX ? s->chk_group->n : join;
		c->group_in = true;
	}
	deliver(s, node, c, true, data, len);
}

static void
check_number(struct sim *s, uint64_t from, uint32_t number)
{
	struct chk_group *g = s->chk_group;

	if (from >= g->nlast) {
		g->last = recallocarray(g->last, g->nlast, from + 64,
		    sizeof(*g->last));
		ASSERT(g->last != NULL);
		g->nlast = from + 64;
	}
	if (number != g->last[from] + 1)
		sim_fail(s, INV_GROUP_FIFO,
		    "client %llu: its message %u comes after its message %u",
		    (unsigned long long)from, number, g->last[from]);
	g->last[from] = number;
}

void
chk_group_message(struct sim *s, unsigned node, struct sim_client *c,
    uint64_t from, struct rbuf *r)
{
	const uint8_t *data;
	struct rbuf m;
	size_t len;
	uint64_t claimed;
	uint32_t number;

	data = rbuf_blob(r, &len, 65536);
	if (data == NULL)
		return;
	rbuf_init(&m, data, len);
	claimed = rbuf_u64(&m);
	number = rbuf_u32(&m);
	if (m.err || claimed != from || from > s->next_client)
		sim_fail(s, INV_GROUP_FIFO,
		    "a message of client %llu that nobody sent",
		    (unsigned long long)from);
	if (!c->group_in)
		sim_fail(s, INV_GROUP_ORDER,
		    "n%u client %llu: a message before the first view",
		    s->nodes[node].id, (unsigned long long)c->id);
	if (c->group_pos == s->chk_group->n)
		check_number(s, from, number);
	deliver(s, node, c, false, data, len);
}
