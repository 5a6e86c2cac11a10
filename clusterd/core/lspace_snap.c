/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lockspaces as bytes: ordered messages, and the whole replicated state for
 * a node that joins the cluster.  Both come from members, yet are checked as
 * bytes from outside: a torn snapshot is refused whole.
 *
 * clusterd-protocol(7), section 8.3.
 */

#include "lspace_int.h"

void
lspace_order_send(struct bus *b, const struct ls_order *o)
{
	struct wbuf w;
	struct note *n;

	wbuf_init(&w, 512);
	wbuf_u8(&w, (uint8_t)o->op);
	if (o->op == LO_JOIN) {
		wbuf_str(&w, o->name);
		wbuf_u8(&w, o->lvblen);
	} else {
		wbuf_u32(&w, o->lsid);
	}
	if (o->op == LO_STAGE) {
		wbuf_u64(&w, o->epoch);
		wbuf_u8(&w, o->stage);
	} else {
		wbuf_u64(&w, o->client);
		wbuf_u32(&w, o->client_lsid);
	}
	ASSERT(!w.err);
	n = bus_note(b, NOTE_ORDER, w.data, w.len);
	n->service = SVC_LSPACE;
	wbuf_free(&w);
}

/* Checked like a packet: the sender may be of another version. */
bool
lspace_order_parse(const void *data, size_t len, struct ls_order *o)
{
	struct rbuf r;
	uint8_t op;

	memset(o, 0, sizeof(*o));
	rbuf_init(&r, data, len);
	op = rbuf_u8(&r);
	if (op < LO_JOIN || op > LO_STAGE)
		return false;
	o->op = (enum ls_op)op;
	if (o->op == LO_JOIN) {
		rbuf_str(&r, o->name, sizeof(o->name));
		o->lvblen = rbuf_u8(&r);
	} else {
		o->lsid = rbuf_u32(&r);
	}
	if (o->op == LO_STAGE) {
		o->epoch = rbuf_u64(&r);
		o->stage = rbuf_u8(&r);
	} else {
		o->client = rbuf_u64(&r);
		o->client_lsid = rbuf_u32(&r);
	}
	if (!rbuf_done(&r) || o->lvblen > LS_LVB_MAX)
		return false;
	return o->op != LO_JOIN || o->name[0] != '\0';
}

static void
put_incs(struct wbuf *w, const struct suspect *s, unsigned n)
{
	unsigned i;

	wbuf_u32(w, n);
	for (i = 0; i < n; i++) {
		wbuf_u16(w, s[i].node);
		wbuf_u64(w, s[i].inc);
	}
}

static unsigned
get_incs(struct rbuf *r, struct suspect s[CONF_NODES_MAX])
{
	unsigned i, n = rbuf_count(r, CONF_NODES_MAX);

	for (i = 0; i < n; i++) {
		s[i].node = rbuf_u16(r);
		s[i].inc = rbuf_u64(r);
	}
	return n;
}

static void
put_who(struct wbuf *w, const struct ls_member *m)
{
	wbuf_u16(w, m->node);
	wbuf_u64(w, m->inc);
	wbuf_u32(w, m->slot);
}

static void
get_who(struct rbuf *r, struct ls_member *m)
{
	m->node = rbuf_u16(r);
	m->inc = rbuf_u64(r);
	m->slot = rbuf_u32(r);
}

static void
put_space(struct wbuf *w, const struct space *sp)
{
	unsigned i;

	wbuf_u32(w, sp->lsid);
	wbuf_str(w, sp->name);
	wbuf_u8(w, sp->lvblen);
	wbuf_u64(w, sp->epoch);
	wbuf_u32(w, sp->generation);
	wbuf_u8(w, (uint8_t)sp->stage);
	wbuf_u32(w, sp->nparts);
	for (i = 0; i < sp->nparts; i++) {
		put_who(w, &sp->parts[i].who);
		wbuf_u32(w, sp->parts[i].refs);
		wbuf_u8(w, sp->parts[i].done);
	}
	wbuf_u32(w, sp->nlost);
	for (i = 0; i < sp->nlost; i++) {
		put_who(w, &sp->lost[i].who);
		wbuf_u8(w, sp->lost[i].fenced);
	}
}

/* Nothing is taken for granted that an array or an assertion relies on. */
static bool
get_space(struct rbuf *r, struct space *sp)
{
	uint8_t stage;
	unsigned i;

	sp->lsid = rbuf_u32(r);
	rbuf_str(r, sp->name, sizeof(sp->name));
	sp->lvblen = rbuf_u8(r);
	sp->epoch = rbuf_u64(r);
	sp->generation = rbuf_u32(r);
	stage = rbuf_u8(r);
	sp->nparts = rbuf_count(r, LS_MEMBERS_MAX);
	for (i = 0; i < sp->nparts; i++) {
		get_who(r, &sp->parts[i].who);
		sp->parts[i].refs = rbuf_u32(r);
		sp->parts[i].done = rbuf_u8(r) != 0;
		if (i > 0 && sp->parts[i].who.node <= sp->parts[i - 1].who.node)
			return false;
	}
	sp->nlost = rbuf_count(r, LS_PEOPLE_MAX - sp->nparts);
	for (i = 0; i < sp->nlost; i++) {
		get_who(r, &sp->lost[i].who);
		sp->lost[i].fenced = rbuf_u8(r) != 0;
	}
	if (r->err || stage > LSS_RUN || sp->lvblen > LS_LVB_MAX ||
	    sp->lsid == 0 || sp->name[0] == '\0')
		return false;
	sp->stage = (enum ls_stage)stage;
	return true;
}

/* Slots are given once, and every part is there for a client. */
static bool
parts_sound(const struct space *sp)
{
	unsigned i, j;

	for (i = 0; i < sp->nparts; i++) {
		if (sp->parts[i].refs == 0 || sp->parts[i].who.slot == 0)
			return false;
		for (j = 0; j < i; j++)
			if (sp->parts[j].who.slot == sp->parts[i].who.slot)
				return false;
		for (j = 0; j < sp->nlost; j++)
			if (!sp->lost[j].fenced &&
			    sp->lost[j].who.slot == sp->parts[i].who.slot)
				return false;
	}
	return true;
}

/* L1 to L6 hold of what was sent to us, or it is no state to go on with. */
static bool
snap_sound(const struct lspace *l)
{
	const struct space *sp, *other;
	bool unfenced;

	TAILQ_FOREACH(sp, &l->spaces, entry) {
		unfenced = space_unfenced(l, sp);
		if (sp->epoch > l->last_epoch || sp->lsid > l->last_lsid ||
		    (sp->stage > LSS_FENCE && unfenced) ||
		    (sp->stage == LSS_RUN && sp->nlost > 0) ||
		    (sp->nparts == 0 && !unfenced) || !parts_sound(sp))
			return false;
		TAILQ_FOREACH(other, &l->spaces, entry) {
			if (other == sp)
				break;
			if (other->lsid == sp->lsid ||
			    strcmp(other->name, sp->name) == 0)
				return false;
		}
	}
	return true;
}

/* All that decides what happens next, and nothing that is our own. */
void
lspace_snap_give(const struct lspace *l, struct bus *b)
{
	const struct space *sp;
	struct wbuf w;
	struct note *n;

	wbuf_init(&w, 1024 * 1024);
	wbuf_u32(&w, l->last_lsid);
	wbuf_u64(&w, l->last_epoch);
	put_incs(&w, l->suspects, l->nsuspects);
	put_incs(&w, l->fenced, l->nfenced);
	wbuf_u32(&w, l->nspaces);
	TAILQ_FOREACH(sp, &l->spaces, entry)
		put_space(&w, sp);
	ASSERT(!w.err);
	n = bus_note(b, NOTE_SNAP, w.data, w.len);
	n->service = SVC_LSPACE;
	wbuf_free(&w);
}

bool
lspace_snap_load(struct lspace *l, const void *data, size_t len)
{
	struct space *sp;
	struct rbuf r;
	unsigned i, n;

	rbuf_init(&r, data, len);
	while ((sp = TAILQ_FIRST(&l->spaces)) != NULL)
		space_drop(l, sp);
	l->last_lsid = rbuf_u32(&r);
	l->last_epoch = rbuf_u64(&r);
	l->nsuspects = get_incs(&r, l->suspects);
	l->nfenced = get_incs(&r, l->fenced);
	n = rbuf_count(&r, LS_MAX);
	for (i = 0; i < n; i++) {
		sp = calloc(1, sizeof(*sp));
		ASSERT(sp != NULL);
		TAILQ_INSERT_TAIL(&l->spaces, sp, entry);
		l->nspaces++;
		if (!get_space(&r, sp))
			return false;
	}
	return rbuf_done(&r) && snap_sound(l);
}
