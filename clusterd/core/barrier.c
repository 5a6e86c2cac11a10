/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Barriers.  Entering goes through the order; with the last party the answer
 * to all of them is given, at one position on all nodes, and the barrier is
 * free to be used again.  A party that dies, alone or with its node, counts
 * no longer: the others wait for another one in its place.
 *
 * Invariants:
 *   B1  a barrier has at least one party and fewer than it waits for;
 *   B2  no party is at a barrier twice, and its node is in the view;
 *   B3  barriers, their parties, and those of one client are bounded.
 *
 * clusterd-protocol(7), section 8.7.
 */

#include "../proto.h"
#include "barrier.h"

/* Ordered messages of SVC_BARRIER, after their head. */
enum barrier_msg {
	BM_ENTER = 1, /* u16 parties; str name */
	BM_LEAVE,     /* str name */
	BM_GONE	      /* - */
};

struct party {
	struct svc_client who;
	uint32_t msgid; /* of its request, for the answer */
};

struct barrier {
	RB_ENTRY(barrier) entry;
	char name[BARRIER_NAME_MAX + 1];
	unsigned parties; /* that it waits for */
	unsigned n;
	struct party p[BARRIER_PARTIES_MAX];
};

RB_HEAD(barrier_tree, barrier);

struct barriers {
	struct svc svc;
	struct barrier_tree tree;
	unsigned n;
};

static int
barrier_cmp(const struct barrier *a, const struct barrier *b)
{
	return strcmp(a->name, b->name);
}

RB_GENERATE_INTERNAL(barrier_tree, barrier, entry, barrier_cmp, UNUSED static)

struct barriers *
barriers_new(uint16_t self, uint64_t inc)
{
	struct barriers *bs = calloc(1, sizeof(*bs));

	if (bs == NULL)
		return NULL;
	svc_init(&bs->svc, SVC_BARRIER, self, inc);
	RB_INIT(&bs->tree);
	return bs;
}

static void
drop(struct barriers *bs, struct barrier *b)
{
	RB_REMOVE(barrier_tree, &bs->tree, b);
	bs->n--;
	free(b);
}

void
barriers_free(struct barriers *bs)
{
	struct barrier *b;

	if (bs == NULL)
		return;
	while ((b = RB_ROOT(&bs->tree)) != NULL)
		drop(bs, b);
	svc_free(&bs->svc);
	free(bs);
}

static struct barrier *
find(struct barriers *bs, const char *name)
{
	struct barrier key;

	strlcpy(key.name, name, sizeof(key.name));
	return RB_FIND(barrier_tree, &bs->tree, &key);
}

static struct barrier *
make(struct barriers *bs, const char *name, unsigned parties)
{
	struct barrier *b = calloc(1, sizeof(*b));

	ASSERT(b != NULL);
	strlcpy(b->name, name, sizeof(b->name));
	b->parties = parties;
	RB_INSERT(barrier_tree, &bs->tree, b);
	bs->n++;
	return b;
}

static int
party_index(const struct barrier *b, const struct svc_client *who)
{
	unsigned i;

	for (i = 0; i < b->n; i++) {
		if (svc_same(&b->p[i].who, who))
			return (int)i;
	}
	return -1;
}

static void
answer(const struct barriers *bs, const struct party *p, struct bus *bus,
    int error, const char *text)
{
	struct svc_from from = { .who = p->who, .msgid = p->msgid };

	from.here = p->who.node == bs->svc.self && p->who.inc == bs->svc.inc;
	svc_answer(&from, bus, error, "%s", text);
}

/* The last party: all go on, and so does the name. */
static void
open_it(struct barriers *bs, struct barrier *b, struct bus *bus)
{
	unsigned i;

	for (i = 0; i < b->n; i++)
		answer(bs, &b->p[i], bus, 0, "");
	drop(bs, b);
}

/* The party goes, and an empty barrier with it. */
static void
remove_party(struct barriers *bs, struct barrier *b, unsigned i)
{
	memmove(&b->p[i], &b->p[i + 1], (b->n - i - 1) * sizeof(b->p[0]));
	if (--b->n == 0)
		drop(bs, b);
}

static int
may_enter(struct barriers *bs, const struct barrier *b,
    const struct svc_client *who, unsigned parties)
{
	struct barrier *o;
	unsigned n = 0;

	if (b != NULL && party_index(b, who) >= 0)
		return SVC_EXIST;
	if (b != NULL && b->parties != parties)
		return SVC_INVAL;
	if (b == NULL && bs->n == BARRIERS_MAX)
		return SVC_NOSPC;
	RB_FOREACH(o, barrier_tree, &bs->tree)
		n += party_index(o, who) >= 0;
	return n >= BARRIER_CLIENT_MAX ? SVC_NOSPC : 0;
}

static void
ordered_enter(struct barriers *bs, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	unsigned parties = rbuf_u16(r);
	char name[BARRIER_NAME_MAX + 1];
	struct barrier *b;
	int error;

	rbuf_str(r, name, sizeof(name));
	if (!rbuf_done(r) || parties == 0 || parties > BARRIER_PARTIES_MAX)
		return;
	b = find(bs, name);
	error = may_enter(bs, b, &from->who, parties);
	if (error != 0) {
		svc_answer(from, bus, error, "barrier %s: %s", name,
		    error == SVC_EXIST	   ? "this client waits at it" :
			error == SVC_INVAL ? "others wait for another number" :
					     "too many barriers");
		return;
	}
	if (b == NULL)
		b = make(bs, name, parties);
	b->p[b->n].who = from->who;
	b->p[b->n++].msgid = from->msgid;
#if MUTANT != 913
	if (b->n == b->parties)
#else
	if (b->n + 1 >= b->parties)
#endif
		open_it(bs, b, bus);
}

static void
ordered_leave(struct barriers *bs, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	char name[BARRIER_NAME_MAX + 1];
	struct barrier *b;
	int i = -1;

	rbuf_str(r, name, sizeof(name));
	if (!rbuf_done(r))
		return;
	b = find(bs, name);
	if (b != NULL)
		i = party_index(b, &from->who);
	if (i < 0)
		return;
	answer(bs, &b->p[i], bus, SVC_CANCELED, "the client waits no longer");
	remove_party(bs, b, (unsigned)i);
}

/* Those who are not there any more; a client, or all that are not in v. */
static void
forget(struct barriers *bs, const struct svc_client *who, const struct view *v)
{
	struct barrier *b, *next;
	unsigned i, n;
	bool gone;

	RB_FOREACH_SAFE(b, barrier_tree, &bs->tree, next) {
		for (i = 0, n = b->n; n > 0; n--) {
			gone = who != NULL ?
			    svc_same(&b->p[i].who, who) :
			    !view_has(v, b->p[i].who.node, b->p[i].who.inc);
			if (gone)
				remove_party(bs, b, i);
			else
				i++;
		}
	}
}

static void
ordered(struct barriers *bs, const struct note *note, struct bus *bus)
{
	struct svc_from from;
	struct rbuf r;

	if (!svc_take(&bs->svc, note, &r, &from))
		return;
	if (from.type == BM_ENTER)
		ordered_enter(bs, &from, &r, bus);
	else if (from.type == BM_LEAVE)
		ordered_leave(bs, &from, &r, bus);
	else if (from.type == BM_GONE)
		forget(bs, &from.who, NULL);
}

static void
new_view(struct barriers *bs, const struct view *v)
{
	(void)svc_view(&bs->svc, v);
	if (v->primary && bs->svc.has_state)
		forget(bs, NULL, v); /* B2 */
}

static void
request(struct barriers *bs, const struct note *note, struct bus *bus)
{
	bool enter = note->msgtype == M_BARRIER_ENTER;
	char name[BARRIER_NAME_MAX + 1];
	unsigned parties = 1;
	struct rbuf r;
	struct wbuf w;

	rbuf_init(&r, note->data, note->len);
	if (enter)
		parties = rbuf_u16(&r);
	rbuf_str(&r, name, sizeof(name));
	if (!rbuf_done(&r) || name[0] == '\0' || parties == 0 ||
	    parties > BARRIER_PARTIES_MAX) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	svc_put(&w, enter ? BM_ENTER : BM_LEAVE, note->client, note->msgid);
	if (enter)
		wbuf_u16(&w, (uint16_t)parties);
	wbuf_str(&w, name);
	(void)svc_order(&bs->svc, note, &w, bus);
}

static void
give_snapshot(struct barriers *bs, struct bus *bus)
{
	struct barrier *b;
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 2 * 1024 * 1024);
	wbuf_u32(&w, bs->n);
	RB_FOREACH(b, barrier_tree, &bs->tree) {
		wbuf_str(&w, b->name);
		wbuf_u16(&w, (uint16_t)b->parties);
		wbuf_u32(&w, b->n);
		for (i = 0; i < b->n; i++) {
			svc_put_client(&w, &b->p[i].who);
			wbuf_u32(&w, b->p[i].msgid);
		}
	}
	svc_snapshot(&bs->svc, &w, bus);
}

static bool
get_barrier(struct barriers *bs, struct rbuf *r)
{
	char name[BARRIER_NAME_MAX + 1];
	struct barrier *b;
	unsigned parties, n;
	struct party p;

	rbuf_str(r, name, sizeof(name));
	parties = rbuf_u16(r);
	n = rbuf_count(r, BARRIER_PARTIES_MAX);
	if (r->err || n == 0 || n >= parties || parties > BARRIER_PARTIES_MAX ||
	    find(bs, name) != NULL)
		return false;
	b = make(bs, name, parties);
	while (b->n < n) {
		svc_get_client(r, &p.who);
		p.msgid = rbuf_u32(r);
		if (r->err || party_index(b, &p.who) >= 0) /* B2 */
			return false;
		b->p[b->n++] = p;
	}
	return true;
}

static void
load_snapshot(struct barriers *bs, const struct note *note, struct bus *bus)
{
	static const char why[] = "the barriers sent to it are torn";
	struct barrier *b;
	struct rbuf r;
	unsigned i, n;

	while ((b = RB_ROOT(&bs->tree)) != NULL)
		drop(bs, b);
	bs->svc.has_state = true;
	/* A leader that knows no barriers sends nothing. */
	if (note->len == 0)
		return;
	rbuf_init(&r, note->data, note->len);
	n = rbuf_count(&r, BARRIERS_MAX);
	for (i = 0; i < n && !r.err; i++)
		r.err = !get_barrier(bs, &r);
	if (!rbuf_done(&r))
		bus_note(bus, NOTE_DIE, why, sizeof(why));
}

static void
client_gone(struct barriers *bs, uint64_t client, struct bus *bus)
{
	struct wbuf w;

	if (!svc_gone(&bs->svc, client))
		return;
	svc_put(&w, BM_GONE, client, 0);
	svc_say(&bs->svc, &w, bus);
}

void
barriers_note(struct barriers *bs, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(bs, note->ref);
		break;
	case NOTE_ORDERED:
		ordered(bs, note, bus);
		break;
	case NOTE_SNAP_WANT:
		give_snapshot(bs, bus);
		break;
	case NOTE_SNAP_LOAD:
		load_snapshot(bs, note, bus);
		break;
	case NOTE_REQUEST:
		request(bs, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		client_gone(bs, note->client, bus);
		break;
	default:
		break;
	}
}

void
barriers_check(const struct barriers *bs)
{
	struct barriers *w = (struct barriers *)(uintptr_t)bs;
	struct barrier *b;
	unsigned i, n = 0;

	svc_check(&bs->svc);
	RB_FOREACH(b, barrier_tree, &w->tree) {
		ASSERT(b->n > 0 && b->n < b->parties);	   /* B1 */
		ASSERT(b->parties <= BARRIER_PARTIES_MAX); /* B3 */
		for (i = 0; i < b->n; i++)
			ASSERT(party_index(b, &b->p[i].who) == (int)i); /* B2 */
		n++;
	}
	ASSERT(n == bs->n && n <= BARRIERS_MAX); /* B3 */
}

bool
barrier_info(const struct barriers *bs, unsigned i, struct barrier_info *info)
{
	struct barriers *w = (struct barriers *)(uintptr_t)bs;
	struct barrier *b;
	unsigned k;

	RB_FOREACH(b, barrier_tree, &w->tree) {
		if (i-- > 0)
			continue;
		memset(info, 0, sizeof(*info));
		strlcpy(info->name, b->name, sizeof(info->name));
		info->parties = b->parties;
		info->waiting = b->n;
		for (k = 0; k < b->n; k++)
			info->local += b->p[k].who.node == bs->svc.self &&
			    b->p[k].who.inc == bs->svc.inc;
		return true;
	}
	return false;
}
