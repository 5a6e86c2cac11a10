/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The replicated part of the key-value set.
 *
 * Invariants:
 *   K1  entries change by ordered messages and by views alone, so they are
 *       the same on all nodes with state at the same position;
 *   K2  the version of an entry is the position of its last change; a
 *       conditional change happens only at the version that it names, so of
 *       several that name the same one at most one happens;
 *   K3  an entry that belongs to a client is there no longer than the client;
 *       its node is in the view;
 *   K4  entries and their bytes are bounded.
 *
 * clusterd-protocol(7), section 8.8.
 */

#include "kv_internal.h"

int
kv_cmp(const struct kv_entry *a, const struct kv_entry *b)
{
	return strcmp(a->key, b->key);
}

RB_GENERATE(kv_tree, kv_entry, entry, kv_cmp)

struct kv *
kv_new(uint16_t self, uint64_t inc)
{
	struct kv *kv = calloc(1, sizeof(*kv));

	if (kv == NULL)
		return NULL;
	svc_init(&kv->svc, SVC_KV, self, inc);
	RB_INIT(&kv->entries);
	TAILQ_INIT(&kv->watches);
	return kv;
}

static size_t
cost(const char *key, size_t len)
{
	return strlen(key) + len + KV_OVERHEAD;
}

static void
drop(struct kv *kv, struct kv_entry *e)
{
	RB_REMOVE(kv_tree, &kv->entries, e);
	kv->n--;
	kv->bytes -= cost(e->key, e->len);
	free(e->data);
	free(e);
}

void
kv_free(struct kv *kv)
{
	struct kv_entry *e;
	struct kv_watch *wt;

	if (kv == NULL)
		return;
	while ((e = RB_ROOT(&kv->entries)) != NULL)
		drop(kv, e);
	while ((wt = TAILQ_FIRST(&kv->watches)) != NULL) {
		TAILQ_REMOVE(&kv->watches, wt, entry);
		free(wt);
	}
	svc_free(&kv->svc);
	free(kv);
}

struct kv_entry *
kv_find(struct kv *kv, const char *key)
{
	struct kv_entry k;

	strlcpy(k.key, key, sizeof(k.key));
	return RB_FIND(kv_tree, &kv->entries, &k);
}

/* Is there room for a value in the place of old (or NULL)? */
static bool
fits(const struct kv *kv, const struct kv_entry *old, const char *key,
    size_t len)
{
	size_t freed = old == NULL ? 0 : cost(old->key, old->len);

	return (old != NULL || kv->n < KV_ENTRIES_MAX) &&
	    kv->bytes - freed + cost(key, len) <= KV_BYTES_MAX;
}

static struct kv_entry *
set(struct kv *kv, struct kv_entry *e, const char *key, const uint8_t *data,
    size_t len)
{
	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		ASSERT(e != NULL);
		strlcpy(e->key, key, sizeof(e->key));
		RB_INSERT(kv_tree, &kv->entries, e);
		kv->n++;
	} else {
		kv->bytes -= cost(e->key, e->len);
		free(e->data);
	}
	e->data = len > 0 ? malloc(len) : NULL;
	ASSERT(len == 0 || e->data != NULL);
	if (len > 0)
		memcpy(e->data, data, len);
	e->len = len;
	kv->bytes += cost(e->key, len);
	return e;
}

/* Is a conditional change met by what is there (K2)? */
static bool
met(const struct kv_entry *e, unsigned flags, uint64_t expected)
{
#if MUTANT == 921
	if (e != NULL && expected != 0)
		return true;
#endif
	return (flags & KV_IF) == 0 || expected == (e == NULL ? 0 : e->version);
}

static void
put(struct kv *kv, const struct svc_from *from, struct rbuf *r, struct bus *bus)
{
	unsigned flags = rbuf_u8(r);
	uint64_t expected = rbuf_u64(r);
	char key[KV_KEY_MAX + 1];
	const uint8_t *data;
	struct kv_entry *e;
	size_t len;

	rbuf_str(r, key, sizeof(key));
	data = rbuf_blob(r, &len, KV_VALUE_MAX);
	if (!rbuf_done(r))
		return;
	e = kv_find(kv, key);
	if (!met(e, flags, expected)) {
		kv_answer(from, bus, SVC_STALE, e, "it has another version");
		return;
	}
	if (!fits(kv, e, key, len)) { /* K4 */
		kv_answer(from, bus, SVC_NOSPC, e, "the set is full");
		return;
	}
	e = set(kv, e, key, data, len);
	e->version = from->seq;
	kv->last = MAX(kv->last, e->version);
	memset(&e->owner, 0, sizeof(e->owner));
	if ((flags & KV_EPHEMERAL) != 0)
		e->owner = from->who;
	kv_answer(from, bus, 0, e, "");
	kv_tell(kv, e, KV_IS, bus);
}

/* Tells that it is gone, too. */
static void delete (struct kv *kv, struct kv_entry *e, struct bus *bus)
{
	kv_tell(kv, e, KV_WAS, bus);
	drop(kv, e);
}

static void
ordered_delete(struct kv *kv, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	unsigned flags = rbuf_u8(r);
	uint64_t expected = rbuf_u64(r);
	char key[KV_KEY_MAX + 1];
	struct kv_entry *e;

	rbuf_str(r, key, sizeof(key));
	if (!rbuf_done(r))
		return;
	e = kv_find(kv, key);
	if (e == NULL || !met(e, flags, expected)) {
		kv_answer(from, bus, e == NULL ? SVC_NOENT : SVC_STALE, e,
		    e == NULL ? "no such key" : "it has another version");
		return;
	}
	kv_answer(from, bus, 0, e, "");
	delete (kv, e, bus);
}

static void
get(struct kv *kv, const struct svc_from *from, struct rbuf *r, struct bus *bus)
{
	char key[KV_KEY_MAX + 1];
	struct kv_entry *e;

	rbuf_str(r, key, sizeof(key));
	if (!rbuf_done(r))
		return;
	e = kv_find(kv, key);
	kv_answer(from, bus, e == NULL ? SVC_NOENT : 0, e,
	    e == NULL ? "no such key" : "");
}

static void
ordered(struct kv *kv, const struct note *note, struct bus *bus)
{
	struct kv_entry *e, *next;
	struct svc_from from;
	struct rbuf r;

	if (!svc_take(&kv->svc, note, &r, &from))
		return;
	switch (from.type) {
	case KM_PUT:
		put(kv, &from, &r, bus);
		break;
	case KM_DELETE:
		ordered_delete(kv, &from, &r, bus);
		break;
	case KM_GET:
		get(kv, &from, &r, bus);
		break;
	case KM_GONE:
		RB_FOREACH_SAFE(e, kv_tree, &kv->entries, next) {
			if (svc_same(&e->owner, &from.who))
				delete (kv, e, bus);
		}
		break;
	default:
		break;
	}
}

static void
new_view(struct kv *kv, const struct view *v, struct bus *bus)
{
	struct kv_entry *e, *next;

	if (v->primary)
		kv->view = *v;
	if (svc_view(&kv->svc, v))
		kv_catch_up(kv, bus);
	if (!v->primary || !kv->svc.has_state)
		return;
#if MUTANT != 922
	RB_FOREACH_SAFE(e, kv_tree, &kv->entries, next) {
		if (e->owner.node != 0 &&
		    !view_has(v, e->owner.node, e->owner.inc)) /* K3 */
			delete (kv, e, bus);
	}
#else
	(void)e, (void)next;
#endif
}

static void
give_snapshot(struct kv *kv, struct bus *bus)
{
	struct kv_entry *e;
	struct wbuf w;

	wbuf_init(&w, 4 * KV_BYTES_MAX);
	wbuf_u32(&w, kv->n);
	RB_FOREACH(e, kv_tree, &kv->entries) {
		wbuf_str(&w, e->key);
		wbuf_u64(&w, e->version);
		svc_put_client(&w, &e->owner);
		wbuf_blob(&w, e->data, e->len);
	}
	svc_snapshot(&kv->svc, &w, bus);
}

static bool
get_entry(struct kv *kv, struct rbuf *r)
{
	char key[KV_KEY_MAX + 1];
	struct svc_client owner;
	const uint8_t *data;
	struct kv_entry *e;
	uint64_t version;
	size_t len;

	rbuf_str(r, key, sizeof(key));
	version = rbuf_u64(r);
	svc_get_client(r, &owner);
	data = rbuf_blob(r, &len, KV_VALUE_MAX);
	if (r->err || kv_find(kv, key) != NULL || !fits(kv, NULL, key, len) ||
	    version == 0)
		return false;
	if (owner.node != 0 && !view_has(&kv->view, owner.node, owner.inc))
		return false; /* K3 */
	e = set(kv, NULL, key, data, len);
	e->version = version;
	kv->last = MAX(kv->last, version);
	e->owner = owner;
	return true;
}

static void
load_snapshot(struct kv *kv, const struct note *note, struct bus *bus)
{
	static const char why[] = "the key-value set sent to it is torn";
	struct kv_entry *e;
	struct rbuf r;
	unsigned i, n;

	while ((e = RB_ROOT(&kv->entries)) != NULL)
		drop(kv, e);
	rbuf_init(&r, note->data, note->len);
	/* A leader that has no such set sends nothing. */
	n = note->len == 0 ? 0 : rbuf_count(&r, KV_ENTRIES_MAX);
	for (i = 0; i < n && !r.err; i++)
		r.err = !get_entry(kv, &r);
	if (!rbuf_done(&r)) {
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	kv->svc.has_state = true;
	kv_catch_up(kv, bus);
}

static void
client_gone(struct kv *kv, uint64_t client, struct bus *bus)
{
	struct wbuf w;

	kv_client_gone(kv, client);
	if (!svc_gone(&kv->svc, client))
		return;
	svc_put(&w, KM_GONE, client, 0);
	svc_say(&kv->svc, &w, bus);
}

void
kv_note(struct kv *kv, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(kv, note->ref, bus);
		break;
	case NOTE_ORDERED:
		ordered(kv, note, bus);
		break;
	case NOTE_SNAP_WANT:
		give_snapshot(kv, bus);
		break;
	case NOTE_SNAP_LOAD:
		load_snapshot(kv, note, bus);
		break;
	case NOTE_REQUEST:
		kv_request(kv, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		client_gone(kv, note->client, bus);
		break;
	default:
		break;
	}
}

void
kv_check(const struct kv *kv)
{
	struct kv *w = (struct kv *)(uintptr_t)kv;
	struct kv_entry *e;
	size_t bytes = 0;
	unsigned n = 0;

	svc_check(&kv->svc);
	RB_FOREACH(e, kv_tree, &w->entries) {
		bytes += cost(e->key, e->len);
		n++;
		ASSERT(e->version > 0 && e->version <= kv->last); /* K2 */
		ASSERT(!kv->svc.has_state || e->owner.node == 0 ||
		    view_has(&kv->view, e->owner.node, e->owner.inc)); /* K3 */
	}
	ASSERT(n == kv->n && n <= KV_ENTRIES_MAX);	     /* K4 */
	ASSERT(bytes == kv->bytes && bytes <= KV_BYTES_MAX); /* K4 */
}

bool
kv_info_after(const struct kv *kv, const char *key, struct kv_info *info)
{
	struct kv *w = (struct kv *)(uintptr_t)kv;
	struct kv_entry k, *e;

	strlcpy(k.key, key, sizeof(k.key));
	e = RB_NFIND(kv_tree, &w->entries, &k);
	if (e != NULL && strcmp(e->key, key) == 0)
		e = RB_NEXT(kv_tree, &w->entries, e);
	if (e == NULL)
		return false;
	memset(info, 0, sizeof(*info));
	strlcpy(info->key, e->key, sizeof(info->key));
	info->bytes = e->len;
	info->version = e->version;
	info->owner = e->owner;
	return true;
}
