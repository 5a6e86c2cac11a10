/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What local clients ask of the key-value set, and what they are told.
 * Changes and certain reads go into the order; watches stay here.
 */

#include "kv_internal.h"

static void
put_entry(struct wbuf *w, const struct kv_entry *e)
{
	wbuf_u64(w, e->version);
	wbuf_u16(w, e->owner.node);
	wbuf_u64(w, e->owner.client);
	wbuf_str(w, e->key);
	wbuf_blob(w, e->data, e->len);
}

void
kv_answer(const struct svc_from *from, struct bus *bus, int error,
    const struct kv_entry *e, const char *text)
{
	struct wbuf w;

	if (!from->here)
		return;
	wbuf_init(&w, KV_VALUE_MAX + 1024);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_str(&w, text);
	wbuf_u8(&w, e != NULL);
	if (e != NULL)
		put_entry(&w, e);
	bus_client_send(bus, from->who.client, M_KV_DONE, from->msgid, &w);
	wbuf_free(&w);
}

static void
say(const struct kv_watch *wt, const struct kv_entry *e, enum kv_what what,
    struct bus *bus)
{
	struct wbuf w;

	if (strncmp(wt->prefix, e->key, strlen(wt->prefix)) != 0)
		return;
	wbuf_init(&w, KV_VALUE_MAX + 1024);
	wbuf_u32(&w, wt->wid);
	wbuf_u8(&w, (uint8_t)what);
	put_entry(&w, e);
	bus_client_send(bus, wt->client, M_KV_ENTRY, 0, &w);
	wbuf_free(&w);
}

void
kv_tell(struct kv *kv, const struct kv_entry *e, enum kv_what what,
    struct bus *bus)
{
	const struct kv_watch *wt;

	TAILQ_FOREACH(wt, &kv->watches, entry) {
		if (wt->ready)
			say(wt, e, what, bus);
	}
}

static void
unwatch(struct kv *kv, struct kv_watch *wt)
{
	TAILQ_REMOVE(&kv->watches, wt, entry);
	free(wt);
}

/* All there is, as of now; each later change comes as it happens. */
static void
tell_all(struct kv *kv, struct kv_watch *wt, struct bus *bus)
{
	struct kv_entry *e;
	struct wbuf w;

	RB_FOREACH(e, kv_tree, &kv->entries)
		say(wt, e, KV_IS, bus);
	wt->ready = true;
	wbuf_init(&w, 16);
	wbuf_u32(&w, wt->wid);
	bus_client_send(bus, wt->client, M_KV_READY, 0, &w);
	wbuf_free(&w);
	if (wt->once)
		unwatch(kv, wt);
}

void
kv_catch_up(struct kv *kv, struct bus *bus)
{
	struct kv_watch *wt, *next;

	TAILQ_FOREACH_SAFE(wt, &kv->watches, entry, next) {
		if (!wt->ready)
			tell_all(kv, wt, bus);
	}
}

static struct kv_watch *
find(struct kv *kv, uint64_t client, uint32_t wid, unsigned *count)
{
	struct kv_watch *wt, *found = NULL;

	*count = 0;
	TAILQ_FOREACH(wt, &kv->watches, entry) {
		if (wt->client != client)
			continue;
		++*count;
		if (wt->wid == wid)
			found = wt;
	}
	return found;
}

static void
request_watch(struct kv *kv, const struct note *note, struct bus *bus)
{
	char prefix[KV_KEY_MAX + 1];
	struct kv_watch *wt;
	struct rbuf r;
	uint32_t wid;
	unsigned flags, n;

	rbuf_init(&r, note->data, note->len);
	wid = rbuf_u32(&r);
	flags = rbuf_u8(&r);
	rbuf_str(&r, prefix, sizeof(prefix));
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	if (find(kv, note->client, wid, &n) != NULL) {
		svc_refuse(note, bus, SVC_EXIST,
		    "this number is a watch already");
		return;
	}
	if (n >= KV_WATCHES_MAX || (wt = calloc(1, sizeof(*wt))) == NULL) {
		svc_refuse(note, bus, SVC_NOSPC,
		    "too many watches of one client");
		return;
	}
	wt->client = note->client;
	wt->wid = wid;
	wt->once = (flags & KV_ONCE) != 0;
	strlcpy(wt->prefix, prefix, sizeof(wt->prefix));
	TAILQ_INSERT_TAIL(&kv->watches, wt, entry);
	if (kv->svc.has_state)
		tell_all(kv, wt, bus);
}

static void
request_unwatch(struct kv *kv, const struct note *note, struct bus *bus)
{
	struct kv_watch *wt;
	struct rbuf r;
	uint32_t wid;
	unsigned n;

	rbuf_init(&r, note->data, note->len);
	wid = rbuf_u32(&r);
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	wt = find(kv, note->client, wid, &n);
	if (wt == NULL)
		svc_refuse(note, bus, SVC_NOENT, "no such watch");
	else
		unwatch(kv, wt);
}

static void
request_change(struct kv *kv, const struct note *note, struct bus *bus)
{
	bool puts = note->msgtype == M_KV_PUT;
	const uint8_t *data = NULL;
	char key[KV_KEY_MAX + 1];
	uint64_t expected;
	unsigned flags;
	struct rbuf r;
	struct wbuf w;
	size_t len = 0;

	rbuf_init(&r, note->data, note->len);
	flags = rbuf_u8(&r);
	expected = rbuf_u64(&r);
	rbuf_str(&r, key, sizeof(key));
	if (puts)
		data = rbuf_blob(&r, &len, KV_VALUE_MAX);
	if (!rbuf_done(&r) || key[0] == '\0' ||
	    (flags & ~(KV_IF | (puts ? KV_EPHEMERAL : 0))) != 0) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	svc_put(&w, puts ? KM_PUT : KM_DELETE, note->client, note->msgid);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_u64(&w, expected);
	wbuf_str(&w, key);
	if (puts)
		wbuf_blob(&w, data, len);
	(void)svc_order(&kv->svc, note, &w, bus);
}

/* From the order, or, if that is wanted, from what this node knows. */
static void
request_get(struct kv *kv, const struct note *note, struct bus *bus)
{
	struct svc_from from = { .who.client = note->client,
		.msgid = note->msgid,
		.here = true };
	char key[KV_KEY_MAX + 1];
	struct kv_entry *e;
	struct rbuf r;
	struct wbuf w;
	bool local;

	rbuf_init(&r, note->data, note->len);
	local = (rbuf_u8(&r) & KV_LOCAL) != 0;
	rbuf_str(&r, key, sizeof(key));
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	if (!local) {
		svc_put(&w, KM_GET, note->client, note->msgid);
		wbuf_str(&w, key);
		(void)svc_order(&kv->svc, note, &w, bus);
		return;
	}
	if (!kv->svc.has_state) {
		svc_refuse(note, bus, SVC_NOTCONN,
		    "this node has not been given the state yet");
		return;
	}
	e = kv_find(kv, key);
	kv_answer(&from, bus, e == NULL ? SVC_NOENT : 0, e,
	    e == NULL ? "no such key" : "");
}

void
kv_request(struct kv *kv, const struct note *note, struct bus *bus)
{
	switch (note->msgtype) {
	case M_KV_PUT:
	case M_KV_DELETE:
		request_change(kv, note, bus);
		break;
	case M_KV_GET:
		request_get(kv, note, bus);
		break;
	case M_KV_WATCH:
		request_watch(kv, note, bus);
		break;
	case M_KV_UNWATCH:
		request_unwatch(kv, note, bus);
		break;
	default:
		break;
	}
}

void
kv_client_gone(struct kv *kv, uint64_t client)
{
	struct kv_watch *wt, *next;

	TAILQ_FOREACH_SAFE(wt, &kv->watches, entry, next) {
		if (wt->client == client)
			unwatch(kv, wt);
	}
}
