/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Groups of local clients.  Joins, leaves and messages go through the total
 * order; the table of members is changed only by what comes back from it,
 * and by a primary view that has lost nodes, so it is the same on all nodes
 * at the same point.
 *
 * Invariants:
 *   G1  every member's node is in the primary view, in that incarnation;
 *   G2  a local client is told of a group only between its own join and its
 *       own leave, both in the order;
 *   G3  no group is empty; at most GROUPS_MAX groups of GROUP_MEMBERS_MAX;
 *   G4  what a client has under way is bounded;
 *   G5  if anybody in a group takes part in its state, somebody has it, and
 *       who wants it has a giver in the group that has it (group_state.c).
 *
 *   client's entry: JOINING -own join ordered-> IN -asked-> LEAVING
 *   -own leave ordered-> gone
 *
 * clusterd-protocol(7), section 8.4.
 */

#include "group_internal.h"

static int
group_cmp(const struct group *a, const struct group *b)
{
	return strcmp(a->name, b->name);
}

static int
local_cmp(const struct local *a, const struct local *b)
{
	if (a->client != b->client)
		return a->client < b->client ? -1 : 1;
	return a->gid < b->gid ? -1 : a->gid > b->gid;
}

RB_GENERATE_INTERNAL(group_tree, group, entry, group_cmp, UNUSED static)
RB_GENERATE_INTERNAL(local_tree, local, entry, local_cmp, UNUSED static)

struct group_layer *
group_new(uint16_t self, uint64_t inc)
{
	struct group_layer *gl = calloc(1, sizeof(*gl));

	if (gl == NULL)
		return NULL;
	gl->self = self;
	gl->inc = inc;
	RB_INIT(&gl->groups);
	RB_INIT(&gl->locals);
	return gl;
}

static void
free_group(struct group_layer *gl, struct group *g)
{
	RB_REMOVE(group_tree, &gl->groups, g);
	gl->ngroups--;
	free(g);
}

void
local_free(struct group_layer *gl, struct local *l)
{
	RB_REMOVE(local_tree, &gl->locals, l);
	free(l);
}

void
group_free(struct group_layer *gl)
{
	struct group *g;
	struct local *l;

	if (gl == NULL)
		return;
	while ((g = RB_ROOT(&gl->groups)) != NULL)
		free_group(gl, g);
	while ((l = RB_ROOT(&gl->locals)) != NULL)
		local_free(gl, l);
	free(gl);
}

static struct group *
find_group(struct group_layer *gl, const char *name)
{
	struct group key;

	strlcpy(key.name, name, sizeof(key.name));
	return RB_FIND(group_tree, &gl->groups, &key);
}

struct local *
local_find(struct group_layer *gl, uint64_t client, uint32_t gid)
{
	struct local key = { .client = client, .gid = gid };

	return RB_FIND(local_tree, &gl->locals, &key);
}

/* The first local entry of a client; its others follow. */
struct local *
local_first(struct group_layer *gl, uint64_t client)
{
	struct local key = { .client = client };
	struct local *l = RB_NFIND(local_tree, &gl->locals, &key);

	return l != NULL && l->client == client ? l : NULL;
}

struct local *
local_next(struct group_layer *gl, struct local *l)
{
	struct local *next = RB_NEXT(local_tree, &gl->locals, l);

	return next != NULL && next->client == l->client ? next : NULL;
}

void
local_insert(struct group_layer *gl, struct local *l)
{
	RB_INSERT(local_tree, &gl->locals, l);
}

struct local *
local_by_name(struct group_layer *gl, uint64_t client, const char *name)
{
	struct local *l;

	for (l = local_first(gl, client); l != NULL; l = local_next(gl, l)) {
		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

struct local *
local_of(struct group_layer *gl, const struct gmember *m, const char *name)
{
	if (m->node != gl->self || m->inc != gl->inc)
		return NULL;
	return local_by_name(gl, m->client, name);
}

int
member_index(const struct group *g, uint16_t node, uint64_t inc,
    uint64_t client)
{
	unsigned i;

	for (i = 0; i < g->n; i++) {
		if (g->m[i].node == node && g->m[i].inc == inc &&
		    g->m[i].client == client)
			return (int)i;
	}
	return -1;
}

static void
remove_member(struct group *g, unsigned i)
{
	memmove(&g->m[i], &g->m[i + 1], (g->n - i - 1) * sizeof(g->m[0]));
	g->n--;
}

void
local_say_left(const struct local *l, struct bus *bus)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, l->gid);
	bus_client_send(bus, l->client, M_GROUP_LEFT, 0, &w);
	wbuf_free(&w);
}

/* Adds the member, or says why not: the same answer everywhere. */
static int
add_member(struct group_layer *gl, const char *name, const struct gmember *m)
{
	struct group *g = find_group(gl, name);

	if (g == NULL) {
		if (gl->ngroups == GROUPS_MAX)
			return ERR_NOSPC;
		g = calloc(1, sizeof(*g));
		ASSERT(g != NULL);
		strlcpy(g->name, name, sizeof(g->name));
		RB_INSERT(group_tree, &gl->groups, g);
		gl->ngroups++;
	}
	if (member_index(g, m->node, m->inc, m->client) >= 0)
		return ERR_EXIST;
	if (g->n == GROUP_MEMBERS_MAX)
		return ERR_NOSPC;
	g->m[g->n++] = *m;
	return 0;
}

static void
ordered_join(struct group_layer *gl, const char *name, const struct gmember *m,
    struct bus *bus)
{
	int error = add_member(gl, name, m);
	struct local *l = local_of(gl, m, name);
	struct gchange ch = { .nleft = 0 };

	if (error == 0) {
		if (l != NULL && l->state == LOCAL_JOINING)
			l->state = LOCAL_IN;
		ch.joined = m;
		group_changed(gl, find_group(gl, name), &ch, bus);
		return;
	}
	if (l == NULL)
		return;
	bus_client_result(bus, l->client, l->gid, error,
	    "group %s: no room for another %s", name,
	    find_group(gl, name) == NULL ? "group" : "member");
	local_say_left(l, bus);
	local_free(gl, l);
}

static void
ordered_leave(struct group_layer *gl, const char *name, const struct gmember *m,
    struct bus *bus)
{
	struct group *g = find_group(gl, name);
	struct local *l = local_of(gl, m, name);
	struct gchange ch = { .why = GROUP_LEAVES };
	int i;

	if (g == NULL)
		return;
	i = member_index(g, m->node, m->inc, m->client);
	if (i < 0)
		return;
	if (l != NULL) {
		local_say_left(l, bus);
		local_free(gl, l);
	}
	ch.left[ch.nleft++] = g->m[i];
	remove_member(g, (unsigned)i);
	if (g->n == 0)
		free_group(gl, g);
	else
		group_changed(gl, g, &ch, bus);
}

static void
ordered_gone(struct group_layer *gl, const struct gmember *m, struct bus *bus)
{
	struct gchange ch = { .why = GROUP_CLIENT_DIED };
	struct group *g, *next;
	int i;

	RB_FOREACH_SAFE(g, group_tree, &gl->groups, next) {
		i = member_index(g, m->node, m->inc, m->client);
		if (i < 0)
			continue;
		ch.nleft = 1;
		ch.left[0] = g->m[i];
		remove_member(g, (unsigned)i);
		if (g->n == 0)
			free_group(gl, g);
		else
			group_changed(gl, g, &ch, bus);
	}
}

static void
ordered_send(struct group_layer *gl, const char *name, const struct gmember *m,
    const uint8_t *data, size_t len, struct bus *bus)
{
	struct group *g = find_group(gl, name);
	struct local *l = local_of(gl, m, name);
	struct wbuf w;
	unsigned i;

	if (l != NULL)
		l->inflight -= MIN(l->inflight, len + 1);
	if (g == NULL || member_index(g, m->node, m->inc, m->client) < 0)
		return;
	g->messages++;
	for (i = 0; i < g->n; i++) {
		l = local_of(gl, &g->m[i], name);
		if (l == NULL)
			continue;
		wbuf_init(&w, GROUP_MSG_MAX + 64);
		wbuf_u32(&w, l->gid);
		wbuf_u16(&w, m->node);
#if MUTANT == 869
		wbuf_u64(&w, m->node == gl->self ? l->client : m->client);
#else
		wbuf_u64(&w, m->client);
#endif
		wbuf_blob(&w, data, len);
		bus_client_send(bus, l->client, M_GROUP_MSG, 0, &w);
		wbuf_free(&w);
	}
}

/* The giver is told even if nobody wants the piece any more. */
static void
ordered_give(struct group_layer *gl, const char *name, struct group *g,
    const struct gmember *m, struct rbuf *r, struct bus *bus)
{
	struct local *l = local_of(gl, m, name);
	size_t len = rbuf_left(r);
	struct wbuf w;

	if (l != NULL) {
		len -= MIN(len, (size_t)GROUP_GIVE_HEAD);
		l->inflight -= MIN(l->inflight, len + 1);
		wbuf_init(&w, 16);
		wbuf_u32(&w, l->gid);
		wbuf_u32(&w, (uint32_t)len);
		bus_client_send(bus, l->client, M_GROUP_TAKEN, 0, &w);
		wbuf_free(&w);
	}
	if (g != NULL && member_index(g, m->node, m->inc, m->client) >= 0)
		group_given(gl, g, m, r, bus);
}

static void
ordered(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	char name[GROUP_NAME_MAX + 1];
	struct gmember m = { .node = note->node, .inc = note->inc };
	const uint8_t *data;
	struct group *g;
	struct rbuf r;
	unsigned type;
	size_t len;

	if (!gl->has_state)
		return;
	rbuf_init(&r, note->data, note->len);
	type = rbuf_u8(&r);
	m.client = rbuf_u64(&r);
	if (type == GM_GONE) {
		if (rbuf_done(&r))
			ordered_gone(gl, &m, bus);
		return;
	}
	rbuf_str(&r, name, sizeof(name));
	if (type == GM_GIVE) {
		g = find_group(gl, name);
		if (!r.err)
			ordered_give(gl, name, g, &m, &r, bus);
		return;
	}
	/* A node that knows nothing of states says no more than the name. */
	if (type == GM_JOIN && rbuf_left(&r) > 0)
		m.state = (rbuf_u8(&r) & GROUP_STATE) != 0 ? GS_WANTS : GS_NONE;
	if (type == GM_SEND) {
		data = rbuf_blob(&r, &len, GROUP_MSG_MAX);
		if (rbuf_done(&r))
			ordered_send(gl, name, &m, data, len, bus);
		return;
	}
	if (!rbuf_done(&r))
		return;
	if (type == GM_JOIN)
		ordered_join(gl, name, &m, bus);
	else if (type == GM_LEAVE)
		ordered_leave(gl, name, &m, bus);
}

/* Members of lost nodes go, on all nodes at this same point (G1). */
static void
new_view(struct group_layer *gl, const struct view *v, struct bus *bus)
{
	struct gchange ch = { .why = GROUP_NODE_LOST };
	struct group *g, *next;
	unsigned i;

	if (!v->primary)
		return;
	gl->view = *v;
	gl->has_state = !view_find(v, gl->self)->fresh;
	if (!gl->has_state)
		return;
	RB_FOREACH_SAFE(g, group_tree, &gl->groups, next) {
		ch.nleft = 0;
		for (i = 0; i < g->n;) {
#if MUTANT == 501
			if (true) {
#else
			if (view_has(v, g->m[i].node, g->m[i].inc)) {
#endif
				i++;
				continue;
			}
			ch.left[ch.nleft++] = g->m[i];
			remove_member(g, i);
		}
		if (g->n == 0)
			free_group(gl, g);
		else if (ch.nleft > 0)
			group_changed(gl, g, &ch, bus);
	}
}

static void
give_snapshot(struct group_layer *gl, struct bus *bus)
{
	struct group *g;
	struct note *n;
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 8 * 1024 * 1024);
	wbuf_u32(&w, gl->ngroups);
	RB_FOREACH(g, group_tree, &gl->groups) {
		wbuf_str(&w, g->name);
		wbuf_u32(&w, g->n);
		for (i = 0; i < g->n; i++) {
			wbuf_u16(&w, g->m[i].node);
			wbuf_u64(&w, g->m[i].inc);
			wbuf_u64(&w, g->m[i].client);
		}
	}
	RB_FOREACH(g, group_tree, &gl->groups)
		group_state_put(g, &w);
	ASSERT(!w.err);
	n = bus_note(bus, NOTE_SNAP, w.data, w.len);
	n->service = SVC_GROUP;
	wbuf_free(&w);
}

static void
load_snapshot(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	static const char why[] = "the groups sent to it are torn";
	char name[GROUP_NAME_MAX + 1];
	struct gmember m = { .state = GS_NONE };
	struct group *g;
	struct rbuf r;
	unsigned i, k, n, members;

	while (!RB_EMPTY(&gl->groups))
		free_group(gl, RB_ROOT(&gl->groups));
	rbuf_init(&r, note->data, note->len);
	n = rbuf_count(&r, GROUPS_MAX);
	for (i = 0; i < n && !r.err; i++) {
		rbuf_str(&r, name, sizeof(name));
		members = rbuf_count(&r, GROUP_MEMBERS_MAX);
		for (k = 0; k < members; k++) {
			m.node = rbuf_u16(&r);
			m.inc = rbuf_u64(&r);
			m.client = rbuf_u64(&r);
			r.err |= !view_has(&gl->view, m.node, m.inc); /* G1 */
			if (!r.err && add_member(gl, name, &m) != 0)
				r.err = true;
		}
	}
	/* A leader that knows nothing of states ends here. */
	RB_FOREACH(g, group_tree, &gl->groups) {
		if (!r.err && rbuf_left(&r) > 0)
			group_state_get(g, &r);
	}
	if (!rbuf_done(&r))
		bus_note(bus, NOTE_DIE, why, sizeof(why));
	gl->has_state = true;
}

void
group_note(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(gl, note->ref, bus);
		break;
	case NOTE_ORDERED:
		ordered(gl, note, bus);
		break;
	case NOTE_SNAP_WANT:
		give_snapshot(gl, bus);
		break;
	case NOTE_SNAP_LOAD:
		load_snapshot(gl, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		group_client_gone(gl, note->client, bus);
		break;
	case NOTE_REQUEST:
		group_request(gl, note, bus);
		break;
	default:
		break;
	}
}

void
group_check(const struct group_layer *gl)
{
	struct group_layer *w = (struct group_layer *)(uintptr_t)gl;
	struct group *g;
	struct local *l;
	unsigned n = 0, i;

	RB_FOREACH(g, group_tree, &w->groups) {
		ASSERT(g->n > 0 && g->n <= GROUP_MEMBERS_MAX); /* G3 */
		for (i = 0; gl->has_state && i < g->n; i++)
			ASSERT(view_has(&gl->view, g->m[i].node,
			    g->m[i].inc)); /* G1 */
		group_state_check(g);
		n++;
	}
	ASSERT(n == gl->ngroups && n <= GROUPS_MAX); /* G3 */
	RB_FOREACH(l, local_tree, &w->locals)
		ASSERT(l->inflight <= GROUP_CLIENT_BYTES); /* G4 */
}

bool
group_info(const struct group_layer *gl, unsigned i, struct group_info *gi)
{
	struct group_layer *w = (struct group_layer *)(uintptr_t)gl;
	struct group *g;
	unsigned k;

	RB_FOREACH(g, group_tree, &w->groups) {
		if (i-- > 0)
			continue;
		memset(gi, 0, sizeof(*gi));
		strlcpy(gi->name, g->name, sizeof(gi->name));
		gi->nmembers = g->n;
		gi->messages = g->messages;
		for (k = 0; k < g->n; k++) {
			gi->nlocal +=
			    g->m[k].node == gl->self && g->m[k].inc == gl->inc;
			gi->nstate += g->m[k].state == GS_HAS;
			gi->nwaiting += g->m[k].state == GS_WANTS;
		}
		return true;
	}
	return false;
}
