/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What local clients ask of groups: join, send, leave, and their death.  A
 * request that is in order becomes an ordered message; its effect is told
 * when that comes back (group.c).
 */

#include "group_internal.h"

static void
put_head(struct wbuf *w, enum group_msg type, uint64_t client, const char *name)
{
	wbuf_init(w, GROUP_MSG_MAX + 256);
	wbuf_u8(w, (uint8_t)type);
	wbuf_u64(w, client);
	if (name != NULL)
		wbuf_str(w, name);
}

static void
give_order(struct bus *bus, struct wbuf *w, enum order_kind kind)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_ORDER, w->data, w->len);
	n->service = SVC_GROUP;
	n->code = kind;
	wbuf_free(w);
}

static void
refuse(const struct note *note, int error, const char *text, struct bus *bus)
{
	bus_client_result(bus, note->client, note->msgid, error, "%s", text);
}

/* A join that fails also ends the client's object. */
static void
refuse_join(const struct note *note, uint32_t gid, int error, const char *text,
    struct bus *bus)
{
	struct local l = { .client = note->client, .gid = gid };

	refuse(note, error, text, bus);
	local_say_left(&l, bus);
}

static void
request_join(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	char name[GROUP_NAME_MAX + 1];
	struct local *l;
	struct rbuf r;
	struct wbuf w;
	uint32_t gid;
	unsigned n = 0, flags = 0;

	rbuf_init(&r, note->data, note->len);
	gid = rbuf_u32(&r);
	rbuf_str(&r, name, sizeof(name));
	/* A program that knows nothing of states says no more. */
	if (rbuf_left(&r) > 0)
		flags = rbuf_u8(&r);
	if (!rbuf_done(&r) || name[0] == '\0') {
		refuse(note, ERR_INVAL, "malformed request", bus);
		return;
	}
	if (local_find(gl, note->client, gid) != NULL) {
		refuse(note, ERR_EXIST, "this number is a group already", bus);
		return;
	}
	if (local_by_name(gl, note->client, name) != NULL) {
		refuse_join(note, gid, ERR_EXIST,
		    "this client is in the group already", bus);
		return;
	}
	for (l = local_first(gl, note->client); l != NULL;
	     l = local_next(gl, l))
		n++;
	if (n >= LOCAL_MAX || (l = calloc(1, sizeof(*l))) == NULL) {
		refuse_join(note, gid, ERR_NOSPC,
		    "too many groups of one client", bus);
		return;
	}
	l->client = note->client;
	l->gid = gid;
	l->state = LOCAL_JOINING;
	strlcpy(l->name, name, sizeof(l->name));
	local_insert(gl, l);
	put_head(&w, GM_JOIN, note->client, name);
	if (flags != 0)
		wbuf_u8(&w, (uint8_t)flags);
	give_order(bus, &w, ORDER_SAFE);
}

/* Charges what is under way to the client, or refuses it (G4). */
static bool
charge(struct local *l, const struct note *note, size_t len, struct bus *bus)
{
	if (l == NULL || l->state == LOCAL_LEAVING) {
		refuse(note, ERR_NOENT, "not in this group", bus);
		return false;
	}
	/* Each message costs at least one, or empty ones would be free. */
	if (l->inflight + len + 1 > GROUP_CLIENT_BYTES) { /* G4 */
		refuse(note, ERR_AGAIN,
		    "too much is under way: wait for own messages", bus);
		return false;
	}
	l->inflight += len + 1;
	return true;
}

static void
request_give(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	const uint8_t *data;
	struct local *l;
	struct rbuf r;
	struct wbuf w;
	uint64_t client;
	uint32_t round;
	uint16_t node;
	unsigned last;
	size_t len;

	rbuf_init(&r, note->data, note->len);
	l = local_find(gl, note->client, rbuf_u32(&r));
	node = rbuf_u16(&r);
	client = rbuf_u64(&r);
	round = rbuf_u32(&r);
	last = rbuf_u8(&r);
	data = rbuf_blob(&r, &len, GROUP_MSG_MAX);
	if (!rbuf_done(&r)) {
		refuse(note, ERR_INVAL, "malformed request", bus);
		return;
	}
	if (!charge(l, note, len, bus))
		return;
	put_head(&w, GM_GIVE, note->client, l->name);
	wbuf_u16(&w, node);
	wbuf_u64(&w, client);
	wbuf_u32(&w, round);
	wbuf_u8(&w, last != 0);
	wbuf_blob(&w, data, len);
	give_order(bus, &w, ORDER_SAFE);
}

static void
request_send(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	const uint8_t *data;
	struct local *l;
	struct rbuf r;
	struct wbuf w;
	unsigned flags = 0;
	size_t len;

	rbuf_init(&r, note->data, note->len);
	l = local_find(gl, note->client, rbuf_u32(&r));
	data = rbuf_blob(&r, &len, GROUP_MSG_MAX);
	if (rbuf_left(&r) > 0)
		flags = rbuf_u8(&r);
	if (!rbuf_done(&r)) {
		refuse(note, ERR_INVAL, "malformed request", bus);
		return;
	}
	if (!charge(l, note, len, bus))
		return;
	put_head(&w, GM_SEND, note->client, l->name);
	wbuf_blob(&w, data, len);
	give_order(bus, &w,
	    (flags & GROUP_SAFE) != 0 ? ORDER_SAFE : ORDER_AGREED);
}

static void
request_leave(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	struct local *l;
	struct rbuf r;
	struct wbuf w;

	rbuf_init(&r, note->data, note->len);
	l = local_find(gl, note->client, rbuf_u32(&r));
	if (!rbuf_done(&r)) {
		refuse(note, ERR_INVAL, "malformed request", bus);
		return;
	}
	if (l == NULL || l->state == LOCAL_LEAVING) {
		refuse(note, ERR_NOENT, "not in this group", bus);
		return;
	}
	l->state = LOCAL_LEAVING;
	put_head(&w, GM_LEAVE, note->client, l->name);
	give_order(bus, &w, ORDER_SAFE);
}

void
group_client_gone(struct group_layer *gl, uint64_t client, struct bus *bus)
{
	struct local *l;
	struct wbuf w;
	bool any = false;

	while ((l = local_first(gl, client)) != NULL) {
		local_free(gl, l);
		any = true;
	}
	if (!any)
		return;
	put_head(&w, GM_GONE, client, NULL);
	give_order(bus, &w, ORDER_SAFE);
}

void
group_request(struct group_layer *gl, const struct note *note, struct bus *bus)
{
	if (note->msgtype == M_GROUP_JOIN)
		request_join(gl, note, bus);
	else if (note->msgtype == M_GROUP_SEND)
		request_send(gl, note, bus);
	else if (note->msgtype == M_GROUP_GIVE)
		request_give(gl, note, bus);
	else if (note->msgtype == M_GROUP_LEAVE)
		request_leave(gl, note, bus);
}
