/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Messages of membership and its durable state, as bytes and back.
 *
 * clusterd-protocol(7), section 6.
 */

#include "member_internal.h"

/*
 * Version 1 has no electorate and no attempts, 2 no since, 3 no options; 5 says
 * whether it has them, and what a quorum device knows; 6 how long words are good.
 * To a build that does not know the version the disk is an empty one, which
 * has no vote until it has joined: that is safe, and one node after another can
 * go back.
 */
#define STORED_WORDS   6
#define STORED_DEVICE  5
#define STORED_OPTIONS 4

/* A later epoch wins; of two with one epoch (two_node), the lower leader. */
int
prim_cmp(const struct prim_id *a, const struct prim_id *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return a->leader == b->leader ? 0 : a->leader > b->leader ? -1 : 1;
}

bool
prim_eq(const struct prim_id *a, const struct prim_id *b)
{
	return prim_cmp(a, b) == 0;
}

/* As a member, that is. */
bool
set_has(const struct node_set *s, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->v[i].node == node)
			return s->v[i].inc == inc && !s->v[i].victim;
	}
	return false;
}

/* Keeps the order; the caller adds no node twice and at most NODES_MAX. */
struct node_inc *
set_add(struct node_set *s, uint16_t node, uint64_t inc)
{
	unsigned i;

	ASSERT(s->n < CONF_NODES_MAX);
	for (i = s->n; i > 0 && s->v[i - 1].node > node; i--)
		s->v[i] = s->v[i - 1];
	s->v[i].node = node;
	s->v[i].inc = inc;
	s->v[i].clean = s->v[i].victim = s->v[i].left = false;
	s->n++;
	return &s->v[i];
}

bool
set_eq(const struct node_set *a, const struct node_set *b)
{
	unsigned i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (a->v[i].node != b->v[i].node || a->v[i].inc != b->v[i].inc)
			return false;
	}
	return true;
}

void
put_set(struct wbuf *w, const struct node_set *s)
{
	unsigned i;

	wbuf_u32(w, s->n);
	for (i = 0; i < s->n; i++) {
		wbuf_u16(w, s->v[i].node);
		wbuf_u64(w, s->v[i].inc);
		wbuf_u8(w,
		    (uint8_t)(s->v[i].clean | s->v[i].victim << 1 |
			s->v[i].left << 2));
	}
}

/* Ascending and without duplicates, or the reader has an error. */
void
get_set(struct rbuf *r, struct node_set *s)
{
	unsigned i, flags, n = rbuf_count(r, CONF_NODES_MAX);

	memset(s, 0, sizeof(*s));
	for (i = 0; i < n; i++) {
		s->v[i].node = rbuf_u16(r);
		s->v[i].inc = rbuf_u64(r);
		flags = rbuf_u8(r);
		s->v[i].clean = (flags & 1) != 0;
		s->v[i].victim = (flags & 2) != 0;
		s->v[i].left = (flags & 4) != 0;
		if (s->v[i].node == 0 ||
		    (i > 0 && s->v[i].node <= s->v[i - 1].node))
			r->err = true;
	}
	if (!r->err)
		s->n = n;
}

static void
put_prim(struct wbuf *w, const struct prim_id *p)
{
	wbuf_u64(w, p->epoch);
	wbuf_u16(w, p->leader);
}

static uint64_t
get_epoch(struct rbuf *r)
{
	uint64_t e = rbuf_u64(r);

	/* A peer must not be able to use up the numbers. */
	if (e > EPOCH_MAX)
		r->err = true;
	return r->err ? 0 : e;
}

static void
get_prim(struct rbuf *r, struct prim_id *p)
{
	p->epoch = get_epoch(r);
	p->leader = rbuf_u16(r);
}

bool
prims_have(const struct prim_list *l, const struct prim_id *p)
{
	unsigned i;

	for (i = 0; i < l->n; i++) {
		if (prim_eq(&l->v[i], p))
			return true;
	}
	return false;
}

static void
put_prims(struct wbuf *w, const struct prim_list *l)
{
	unsigned i;

	wbuf_u32(w, l->n);
	for (i = 0; i < l->n; i++)
		put_prim(w, &l->v[i]);
}

static void
get_prims(struct rbuf *r, struct prim_list *l)
{
	unsigned i;

	l->n = rbuf_count(r, CHAIN_MAX);
	for (i = 0; i < l->n; i++)
		get_prim(r, &l->v[i]);
}

static void
put_attempts(struct wbuf *w, const struct attempt_list *l)
{
	unsigned i;

	wbuf_u32(w, l->n);
	for (i = 0; i < l->n; i++) {
		put_prim(w, &l->v[i].id);
		electorate_put(w, &l->v[i].elect);
	}
}

static void
get_attempts(struct rbuf *r, struct attempt_list *l)
{
	unsigned i;

	l->n = rbuf_count(r, ATTEMPTS_MAX);
	for (i = 0; i < l->n; i++) {
		get_prim(r, &l->v[i].id);
		electorate_get(r, &l->v[i].elect);
	}
}

void
put_status(struct wbuf *w, const struct status *st)
{
	wbuf_u8(w, MM_STATUS);
	wbuf_u64(w, st->epoch);
	wbuf_u16(w, st->leader);
	wbuf_u64(w, st->promised);
	wbuf_u8(w,
	    (uint8_t)(st->primary | st->need << 1 | st->leaving << 2 |
		st->synced << 3 | st->left << 4));
	wbuf_u64(w, st->joined);
	put_prim(w, &st->prim);
	put_prims(w, &st->pends);
	wbuf_u32(w, st->votes);
	wbuf_u16(w, st->coord);
	put_set(w, &st->hears);
	put_prim(w, &st->base);
	put_set(w, &st->members);
}

bool
get_status(struct rbuf *r, struct status *st)
{
	unsigned flags;

	memset(st, 0, sizeof(*st));
	st->epoch = get_epoch(r);
	st->leader = rbuf_u16(r);
	st->promised = get_epoch(r);
	flags = rbuf_u8(r);
	st->primary = (flags & 1) != 0;
	st->need = (flags & 2) != 0;
	st->leaving = (flags & 4) != 0;
	st->synced = (flags & 8) != 0;
	st->left = (flags & 16) != 0;
	st->joined = get_epoch(r);
	get_prim(r, &st->prim);
	get_prims(r, &st->pends);
	st->votes = rbuf_u32(r);
	st->coord = rbuf_u16(r);
	get_set(r, &st->hears);
	get_prim(r, &st->base);
	get_set(r, &st->members);
	return rbuf_done(r);
}

/* The form without them says that they are those of the file. */
static void
put_options(struct wbuf *w, const struct vote_options *o)
{
	wbuf_u8(w, o->known);
	if (o->known)
		options_put(w, o);
}

static void
get_options(struct rbuf *r, struct vote_options *o)
{
	if (rbuf_u8(r) != 0)
		options_get(r, o);
}

void
put_flush(struct wbuf *w, const struct flush *f, uint64_t features)
{
	put_prim(w, &f->prim);
	put_prims(w, &f->pends);
	wbuf_u8(w, (uint8_t)(f->synced | f->has_sync << 1 | f->whole << 2));
	wbuf_u64(w, f->joined);
	wbuf_u64(w, f->held);
	put_prim(w, &f->base);
	put_set(w, &f->basemembers);
	electorate_put(w, &f->elect);
	put_attempts(w, &f->attempts);
	put_prim(w, &f->since);
	wbuf_u64(w, f->features);
	if ((features & FEATURE_OPTIONS) != 0)
		put_options(w, &f->elect.opt);
	put_prim(w, &f->log);
	wbuf_blob(w, f->blob, f->bloblen);
}

/* A log says itself how far it goes, and whether it holds the SYNC. */
static bool
log_ends(const void *log, size_t len, uint64_t held)
{
	struct rbuf r;
	bool ends;

	rbuf_init(&r, log, len);
	ends = rbuf_u64(&r) == held;
	(void)rbuf_u8(&r);
	return !r.err && ends;
}

bool
get_flush(struct rbuf *r, struct flush *f, uint64_t features)
{
	unsigned flags;

	memset(f, 0, sizeof(*f));
	get_prim(r, &f->prim);
	get_prims(r, &f->pends);
	flags = rbuf_u8(r);
	f->synced = (flags & 1) != 0;
	f->has_sync = (flags & 2) != 0;
	f->whole = (flags & 4) != 0;
	f->joined = get_epoch(r);
	f->held = rbuf_u64(r);
	get_prim(r, &f->base);
	get_set(r, &f->basemembers);
	electorate_get(r, &f->elect);
	get_attempts(r, &f->attempts);
	get_prim(r, &f->since);
	f->features = rbuf_u64(r);
	if ((features & FEATURE_OPTIONS) != 0)
		get_options(r, &f->elect.opt);
	get_prim(r, &f->log);
	f->blob = rbuf_blob(r, &f->bloblen, MEMBER_BLOB_MAX);
	/* Who has a past brings the log of that, and of no other. */
	if (f->prim.epoch != 0 && !prim_eq(&f->log, &f->prim))
		r->err = true;
	return rbuf_done(r) && log_ends(f->blob, f->bloblen, f->held);
}

void
put_memory(struct wbuf *w, const struct device_memory *dm)
{
	unsigned i;

	put_prim(w, &dm->base);
	put_set(w, &dm->basemembers);
	electorate_put(w, &dm->elect);
	put_attempts(w, &dm->attempts);
	wbuf_u32(w, dm->named.n);
	for (i = 0; i < dm->named.n; i++)
		wbuf_u16(w, dm->named.v[i]);
	put_prim(w, &dm->since);
	/* Nodes that do not know them have given none. */
	if (dm->elect.opt.given != 0)
		options_put(w, &dm->elect.opt);
}

bool
get_memory(struct rbuf *r, struct device_memory *dm)
{
	unsigned i, n;

	memset(dm, 0, sizeof(*dm));
	get_prim(r, &dm->base);
	get_set(r, &dm->basemembers);
	electorate_get(r, &dm->elect);
	get_attempts(r, &dm->attempts);
	n = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < n; i++)
		vote_add(&dm->named, rbuf_u16(r));
	get_prim(r, &dm->since);
	if (!r->err && rbuf_left(r) > 0)
		options_get(r, &dm->elect.opt);
	return rbuf_done(r) && dm->attempts.n > 0;
}

static void
put_verdict(struct wbuf *w, const struct view *v)
{
	electorate_put(w, &v->elect);
	wbuf_u32(w, v->tally.votes);
	wbuf_u32(w, v->tally.expected);
	wbuf_u32(w, v->tally.needed);
	wbuf_u8(w, (uint8_t)v->tally.rule);
	wbuf_u8(w,
	    (uint8_t)(v->waits | v->contested << 1 | v->recorded << 2 |
		v->device << 3));
}

/* E4: a primary view's members win its votes, or are all nodes there are. */
static bool
may_stand(const struct view *v)
{
	static const struct vote_nodes none;
	struct vote_nodes here;
	struct tally t;

	view_voters(v, &here);
	if (electorate_wins(&v->elect, &here, &none, &t))
		return true;
#if MUTANT == 337
	return false;
#endif
	return electorate_whole(&v->elect, &here);
}

static void
get_verdict(struct rbuf *r, struct view *v)
{
	unsigned flags;

	electorate_get(r, &v->elect);
	v->tally.votes = rbuf_u32(r);
	v->tally.expected = rbuf_u32(r);
	v->tally.needed = rbuf_u32(r);
	v->tally.rule = (enum vote_rule)rbuf_u8(r);
	flags = rbuf_u8(r);
	v->waits = (flags & 1) != 0;
	v->contested = (flags & 2) != 0;
	v->recorded = (flags & 4) != 0;
	v->device = (flags & 8) != 0;
	if (v->primary && !may_stand(v))
		r->err = true;
}

/* In views whose members all know them. */
static bool
has_options(const struct view *v)
{
#if MUTANT == 334
	return true;
#endif
	return (v->features & FEATURE_OPTIONS) != 0;
}

void
put_install(struct wbuf *w, const struct install *in)
{
	const struct view *v = &in->view;
	unsigned i;

	wbuf_u64(w, v->epoch);
	wbuf_u16(w, v->leader);
	wbuf_u8(w, (uint8_t)(v->primary | v->scratch << 1));
	wbuf_u32(w, v->n);
	for (i = 0; i < v->n; i++) {
		wbuf_u16(w, v->members[i].node);
		wbuf_u64(w, v->members[i].inc);
		wbuf_u64(w, v->members[i].joined);
		wbuf_u8(w,
		    (uint8_t)(v->members[i].fresh | v->members[i].blank << 1));
	}
	wbuf_u32(w, v->nlost);
	for (i = 0; i < v->nlost; i++) {
		wbuf_u16(w, v->lost[i].node);
		wbuf_u64(w, v->lost[i].inc);
		wbuf_u8(w, v->lost[i].clean);
	}
	wbuf_u64(w, v->features);
	put_verdict(w, v);
	if (has_options(v))
		put_options(w, &v->elect.opt);
	put_prim(w, &in->prev);
	wbuf_u64(w, in->cut);
	wbuf_str(w, in->cause);
	wbuf_blob(w, in->blob, in->bloblen);
}

static void
get_view(struct rbuf *r, struct view *v, uint64_t features)
{
	unsigned flags, bits, i;

	v->epoch = get_epoch(r);
	v->leader = rbuf_u16(r);
	flags = rbuf_u8(r);
	v->primary = (flags & 1) != 0;
	v->scratch = (flags & 2) != 0;
	v->n = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < v->n; i++) {
		v->members[i].node = rbuf_u16(r);
		v->members[i].inc = rbuf_u64(r);
		v->members[i].joined = get_epoch(r);
		bits = rbuf_u8(r);
		v->members[i].fresh = (bits & 1) != 0;
		v->members[i].blank = (bits & 2) != 0;
		if (i > 0 && v->members[i].node <= v->members[i - 1].node)
			r->err = true;
	}
	v->nlost = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < v->nlost; i++) {
		v->lost[i].node = rbuf_u16(r);
		v->lost[i].inc = rbuf_u64(r);
		v->lost[i].clean = rbuf_u8(r) != 0;
	}
	v->features = rbuf_u64(r);
	/* M7: a coordinator that errs must not switch on what we lack. */
	if (view_find(v, v->leader) == NULL || (v->features & ~features) != 0)
		r->err = true;
	get_verdict(r, v);
	if (has_options(v))
		get_options(r, &v->elect.opt);
	/* A primary view decides by the rules that its options make. */
	if (v->primary && v->elect.opt.known && !options_rule(&v->elect))
		r->err = true;
}

struct install *
get_install(struct rbuf *r, uint64_t features)
{
	struct install *in = calloc(1, sizeof(*in));
	const uint8_t *p;

	ASSERT(in != NULL);
	get_view(r, &in->view, features);
	get_prim(r, &in->prev);
	in->cut = rbuf_u64(r);
	rbuf_str(r, in->cause, sizeof(in->cause));
	p = rbuf_blob(r, &in->bloblen, MEMBER_BLOB_MAX);
	if (!rbuf_done(r) ||
	    (in->view.primary && in->prev.epoch != 0 &&
		!log_ends(p, in->bloblen, in->cut))) {
		free(in);
		return NULL;
	}
	if (in->bloblen > 0) {
		in->blob = malloc(in->bloblen);
		ASSERT(in->blob != NULL);
		memcpy(in->blob, p, in->bloblen);
	}
	return in;
}

void
install_free(struct install *in)
{
	if (in == NULL)
		return;
	free(in->blob);
	free(in);
}

void
member_stored_encode(const struct member_stored *s, struct wbuf *w)
{
	bool options = s->elect.opt.given != 0;
	unsigned i;

#if MUTANT == 333
	options = false;
#endif
	wbuf_u16(w, STORED_WORDS);
	wbuf_u64(w, s->epoch);
	wbuf_u64(w, s->prim_epoch);
	wbuf_u16(w, s->prim_leader);
	wbuf_u32(w, s->n);
	for (i = 0; i < s->n; i++) {
		wbuf_u16(w, s->members[i].node);
		wbuf_u64(w, s->members[i].inc);
		wbuf_u8(w,
		    (uint8_t)(s->members[i].clean | s->members[i].victim << 1 |
			s->members[i].left << 2));
	}
	wbuf_u8(w, s->whole);
	electorate_put(w, &s->elect);
	put_attempts(w, &s->attempts);
	put_prim(w, &s->since);
	wbuf_u64(w, s->told);
	wbuf_u64(w, s->asked);
	wbuf_u8(w, options);
	if (options)
		options_put(w, &s->elect.opt);
	wbuf_u64(w, s->words);
}

bool
member_stored_decode(struct member_stored *s, const void *data, size_t len)
{
	struct rbuf r;
	unsigned i, flags, version;
	bool options;

	memset(s, 0, sizeof(*s));
	rbuf_init(&r, data, len);
	version = rbuf_u16(&r);
	if (version == 0 || version > STORED_WORDS)
		return false;
	s->epoch = get_epoch(&r);
	s->prim_epoch = get_epoch(&r);
	s->prim_leader = rbuf_u16(&r);
	s->n = rbuf_count(&r, CONF_NODES_MAX);
	for (i = 0; i < s->n; i++) {
		s->members[i].node = rbuf_u16(&r);
		s->members[i].inc = rbuf_u64(&r);
		flags = rbuf_u8(&r);
		s->members[i].clean = (flags & 1) != 0;
		s->members[i].victim = (flags & 2) != 0;
		s->members[i].left = (flags & 4) != 0;
		/* Each node once, and ascending sets are built from this. */
		for (unsigned k = 0; k < i; k++)
			r.err |= s->members[k].node == s->members[i].node;
	}
	s->whole = true;
	if (version > 1) {
		s->whole = rbuf_u8(&r) != 0;
		electorate_get(&r, &s->elect);
		get_attempts(&r, &s->attempts);
	}
	s->since.epoch = s->prim_epoch;
	s->since.leader = s->prim_leader;
	if (version > 2)
		get_prim(&r, &s->since);
	options = version == STORED_OPTIONS;
	if (version >= STORED_DEVICE) {
		s->told = get_epoch(&r);
		s->asked = get_epoch(&r);
		options = rbuf_u8(&r) != 0;
	}
	if (options)
		options_get(&r, &s->elect.opt);
	if (version >= STORED_WORDS)
		s->words = rbuf_u64(&r);
	r.err |= s->words > CONF_FAILURE_MAX;
	if (!rbuf_done(&r)) {
		memset(s, 0, sizeof(*s));
		return false;
	}
	return true;
}
