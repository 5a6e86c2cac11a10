/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The state of a group: programs that keep the same state by doing what the
 * group delivers can hand it to one that comes later.  Each member that
 * joined for that either has the state, or waits for it from a giver, the
 * eldest member that has it.  Both are told at the same position of the
 * order: the giver what state is wanted, the other one from where it will
 * be.  The pieces come through the order, too; with the last one the member
 * has the state, on all nodes at the same point.  When a giver goes away the
 * next one starts anew, from the position at which it went.
 *
 *   member: WANTS -last piece of its round-> HAS
 *   WANTS -giver gone-> WANTS, next round;  -nobody has it-> HAS, empty
 *
 * clusterd-protocol(7), section 8.4.
 */

#include "group_internal.h"

/* The eldest member that has the state, or NULL. */
static struct gmember *
eldest(struct group *g, enum gstate state)
{
	unsigned i;

	for (i = 0; i < g->n; i++) {
		if (g->m[i].state == state)
			return &g->m[i];
	}
	return NULL;
}

static struct gmember *
giver_of(struct group *g, const struct gmember *m)
{
	int i = member_index(g, m->gnode, m->ginc, m->gclient);

	return i >= 0 && g->m[i].state == GS_HAS ? &g->m[i] : NULL;
}

/* Gives everybody who wants the state somebody to get it from (G5). */
static void
settle(struct group *g)
{
	struct gmember *giver = eldest(g, GS_HAS), *m;
	unsigned i;

	if (giver == NULL) {
		giver = eldest(g, GS_WANTS);
		if (giver == NULL)
			return;
		/* The first of all, or the last state has gone with its giver. */
		giver->state = GS_HAS;
		giver->started = true;
	}
	for (i = 0; i < g->n; i++) {
		m = &g->m[i];
#if MUTANT != 502
		if (m->state != GS_WANTS || giver_of(g, m) != NULL)
			continue;
#else
		if (m->state != GS_WANTS || m->round != 0)
			continue;
#endif
		m->gnode = giver->node;
		m->ginc = giver->inc;
		m->gclient = giver->client;
		m->round = ++g->rounds;
		m->started = true;
	}
}

/* Before the view: from where on the member's state will be. */
static void
say_sync(const struct local *l, const struct gmember *m, struct bus *bus)
{
	struct wbuf w;

	wbuf_init(&w, 32);
	wbuf_u32(&w, l->gid);
	if (m->state == GS_WANTS) {
		wbuf_u32(&w, m->round);
		bus_client_send(bus, l->client, M_GROUP_SYNC, 0, &w);
	} else {
		wbuf_u32(&w, 0);
		wbuf_u8(&w, 1);
		wbuf_blob(&w, NULL, 0);
		bus_client_send(bus, l->client, M_GROUP_PIECE, 0, &w);
	}
	wbuf_free(&w);
}

static void
put_member(struct wbuf *w, const struct gmember *m)
{
	wbuf_u16(w, m->node);
	wbuf_u64(w, m->client);
}

static void
say_view(const struct local *l, const struct group *g, const struct gchange *ch,
    struct bus *bus)
{
	struct wbuf w;
	unsigned k;

	wbuf_init(&w, 8192);
	wbuf_u32(&w, l->gid);
	wbuf_u16(&w, ch->joined != NULL);
	if (ch->joined != NULL)
		put_member(&w, ch->joined);
	wbuf_u16(&w, (uint16_t)ch->nleft);
	for (k = 0; k < ch->nleft; k++) {
		put_member(&w, &ch->left[k]);
		wbuf_u8(&w, (uint8_t)ch->why);
	}
	bus_client_send(bus, l->client, M_GROUP_CHANGE, 0, &w);
	wbuf_reset(&w);
	wbuf_u32(&w, l->gid);
	wbuf_u16(&w, (uint16_t)g->n);
	for (k = 0; k < g->n; k++)
		put_member(&w, &g->m[k]);
	bus_client_send(bus, l->client, M_GROUP_VIEW, 0, &w);
	wbuf_free(&w);
}

static void
say_wanted(struct group_layer *gl, struct group *g, const struct gmember *m,
    struct bus *bus)
{
	struct gmember *giver = giver_of(g, m);
	struct local *l;
	struct wbuf w;

	ASSERT(giver != NULL); /* G5 */
	l = local_of(gl, giver, g->name);
	if (l == NULL)
		return;
	wbuf_init(&w, 32);
	wbuf_u32(&w, l->gid);
	put_member(&w, m);
	wbuf_u32(&w, m->round);
	bus_client_send(bus, l->client, M_GROUP_WANTED, 0, &w);
	wbuf_free(&w);
}

/* To everybody: this member has the state from here on. */
static void
say_synced(struct group_layer *gl, const struct group *g,
    const struct gmember *m, struct bus *bus)
{
	const struct local *l;
	struct wbuf w;
	unsigned i;

	for (i = 0; i < g->n; i++) {
		l = local_of(gl, &g->m[i], g->name);
		if (l == NULL)
			continue;
		wbuf_init(&w, 32);
		wbuf_u32(&w, l->gid);
		put_member(&w, m);
		bus_client_send(bus, l->client, M_GROUP_SYNCED, 0, &w);
		wbuf_free(&w);
	}
}

void
group_changed(struct group_layer *gl, struct group *g, const struct gchange *ch,
    struct bus *bus)
{
	const struct local *l;
	struct gmember *m;
	unsigned i;

	settle(g);
	for (i = 0; i < g->n; i++) {
		l = local_of(gl, &g->m[i], g->name);
		if (l != NULL && g->m[i].started)
			say_sync(l, &g->m[i], bus);
	}
	for (i = 0; i < g->n; i++) {
		l = local_of(gl, &g->m[i], g->name);
		if (l != NULL)
			say_view(l, g, ch, bus);
	}
	for (i = 0; i < g->n; i++) {
		m = &g->m[i];
		if (!m->started)
			continue;
		m->started = false;
		if (m->state == GS_WANTS)
			say_wanted(gl, g, m, bus);
		else
			say_synced(gl, g, m, bus);
	}
}

void
group_given(struct group_layer *gl, struct group *g, const struct gmember *from,
    struct rbuf *r, struct bus *bus)
{
	uint16_t node = rbuf_u16(r);
	uint64_t client = rbuf_u64(r);
	uint32_t round = rbuf_u32(r);
	bool last = rbuf_u8(r) != 0;
	const struct gmember *giver;
	const struct local *l;
	const uint8_t *data;
	struct gmember *m = NULL;
	struct wbuf w;
	unsigned i;
	size_t len;

	data = rbuf_blob(r, &len, GROUP_MSG_MAX);
	for (i = 0; i < g->n; i++) {
		if (g->m[i].node == node && g->m[i].client == client)
			m = &g->m[i];
	}
	/* Of an earlier round: the next giver has been told already. */
	if (!rbuf_done(r) || m == NULL || m->state != GS_WANTS ||
	    m->round != round)
		return;
	giver = giver_of(g, m);
	if (giver == NULL || giver->node != from->node ||
	    giver->inc != from->inc || giver->client != from->client)
		return;
	l = local_of(gl, m, g->name);
	if (l != NULL) {
		wbuf_init(&w, GROUP_MSG_MAX + 64);
		wbuf_u32(&w, l->gid);
		wbuf_u32(&w, round);
		wbuf_u8(&w, last);
		wbuf_blob(&w, data, len);
		bus_client_send(bus, l->client, M_GROUP_PIECE, 0, &w);
		wbuf_free(&w);
	}
	if (!last)
		return;
	m->state = GS_HAS;
	m->round = 0;
	say_synced(gl, g, m, bus);
}

void
group_state_put(const struct group *g, struct wbuf *w)
{
	unsigned i;

	wbuf_u32(w, g->rounds);
	for (i = 0; i < g->n; i++) {
		wbuf_u8(w, (uint8_t)g->m[i].state);
		if (g->m[i].state != GS_WANTS)
			continue;
		wbuf_u32(w, g->m[i].round);
		wbuf_u16(w, g->m[i].gnode);
		wbuf_u64(w, g->m[i].ginc);
		wbuf_u64(w, g->m[i].gclient);
	}
}

void
group_state_get(struct group *g, struct rbuf *r)
{
	unsigned i, state;

	g->rounds = rbuf_u32(r);
	for (i = 0; i < g->n; i++) {
		state = rbuf_u8(r);
		if (state > GS_HAS)
			r->err = true;
		g->m[i].state = r->err ? GS_NONE : (enum gstate)state;
		if (g->m[i].state != GS_WANTS)
			continue;
		g->m[i].round = rbuf_u32(r);
		g->m[i].gnode = rbuf_u16(r);
		g->m[i].ginc = rbuf_u64(r);
		g->m[i].gclient = rbuf_u64(r);
	}
	for (i = 0; i < g->n; i++) {
		if (g->m[i].state == GS_WANTS && giver_of(g, &g->m[i]) == NULL)
			r->err = true;
	}
}

void
group_state_check(const struct group *g)
{
	struct group *w = (struct group *)(uintptr_t)g;
	unsigned i;

	for (i = 0; i < g->n; i++) {
		ASSERT(!g->m[i].started);
#if MUTANT != 502
		ASSERT(g->m[i].state != GS_WANTS ||
		    giver_of(w, &g->m[i]) != NULL); /* G5 */
#else
		(void)w;
#endif
	}
}
