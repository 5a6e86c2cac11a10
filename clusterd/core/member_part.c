/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The participant's side of a view change.
 *
 *   any    -PROPOSE, fit->  WEDGED  (order wedged, FLUSH answered)
 *   WEDGED -INSTALL->       READY   (kept, READY answered)
 *   READY  -COMMIT->        APPLY   (trim, then the view, then its quorum)
 *   APPLY  -last quorum->   STEADY
 *   WEDGED -INSTALL on a missed view-> APPLY -its quorum-> WEDGED -> READY
 *   WEDGED, READY -another PROPOSE-> WEDGED
 *
 * An install that was READY is not forgotten at another PROPOSE: if it turns
 * out that somebody has made it (the coordinator died between two COMMITs),
 * the next INSTALL builds on it, and it is applied first: before READY, so
 * that what was given a position in it is held like anything else.  If nobody
 * in the next view has, it never happened.
 *
 * clusterd-protocol(7), sections 6.4 to 6.6.
 */

#include <stdio.h>

#include "member_internal.h"
#include "names.h"
#include "order.h"

/* As much as order_wedge() may tell. */
_Static_assert(3 * ORDER_WINDOW <= MEMBER_BLOB_MAX,
    "a member's log fits into its answer to a proposal");

static void
nack(const struct member *m, uint16_t to, uint64_t epoch, enum nack_why why,
    struct bus *bus)
{
	struct wbuf w;

	wbuf_init(&w, 64);
	wbuf_u8(&w, MM_NACK);
	wbuf_u64(&w, epoch);
	wbuf_u64(&w, m->promised);
	wbuf_u8(&w, (uint8_t)why);
	member_send(bus, to, &w);
	wbuf_free(&w);
}

/* Everybody in the proposal must have a whole session with us. */
static bool
hears_all(const struct member *m, const struct node_set *s)
{
	const struct peer *p;
	unsigned i, found = 0;

	if (!set_has(s, m->self, m->inc))
		return false;
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if (p->up && set_has(s, p->node, p->inc))
			found++;
	}
	return found + 1 == s->n;
}

void
part_propose(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	uint64_t epoch = rbuf_u64(r);
	struct node_set s;

	get_set(r, &s);
	if (!rbuf_done(r) || epoch > EPOCH_MAX)
		return;
	if (epoch <= m->promised) {
		nack(m, note->node, epoch, NACK_PROMISED, bus);
		return;
	}
	if (m->phase == PH_APPLY || m->stopped) {
		nack(m, note->node, epoch, NACK_WAIT, bus);
		return;
	}
	if (!hears_all(m, &s)) {
		nack(m, note->node, epoch, NACK_HEARS, bus);
		return;
	}
	member_survey(m, bus->now);
	if (note->node != m->want_coord) {
		nack(m, note->node, epoch, NACK_WAIT, bus);
		return;
	}
	if (note->node != m->self)
		round_abort(m, 0, bus);
	member_use_epoch(m, epoch, bus);
	m->promised = epoch;
	m->coord = note->node;
	m->phase = PH_WEDGED;
	bus_note(bus, NOTE_WEDGE, NULL, 0);
}

void
part_pends(const struct member *m, struct prim_list *l)
{
	const struct install *in;

	l->n = 0;
	STAILQ_FOREACH(in, &m->chain, entry) {
		if (!in->view.primary)
			continue;
		l->v[l->n].epoch = in->view.epoch;
		l->v[l->n].leader = in->view.leader;
		l->n++;
	}
}

static void
fill_flush(const struct member *m, struct flush *f)
{
	memset(f, 0, sizeof(*f));
	f->prim = m->prim;
	part_pends(m, &f->pends);
	f->synced = m->synced;
	f->joined = m->joined;
	f->base.epoch = m->stored.prim_epoch;
	f->base.leader = m->stored.prim_leader;
	member_base(m, &f->basemembers);
	f->whole = m->stored.whole;
	f->elect = m->stored.elect;
	f->attempts = m->stored.attempts;
	f->since = m->stored.since;
	f->features = m->features;
}

/*
 * Who joins with a view needs nothing of the past.  But once it is READY, a
 * member of that view may have delivered up to the cut and die, and then it is
 * the only one to know so far: it keeps the log of the INSTALL for whoever had
 * a part in that past.
 */
static const struct install *
kept_log(const struct member *m)
{
	const struct install *in, *kept = NULL;

	if (m->prim.epoch != 0)
		return NULL;
#if MUTANT == 805
	return NULL;
#endif
	STAILQ_FOREACH(in, &m->chain, entry) {
		if (in->view.primary && in->prev.epoch != 0)
			kept = in;
	}
	return kept;
}

/* The order has stopped: tell the coordinator what we hold. */
void
part_flushed(struct member *m, const struct note *note, struct bus *bus)
{
	const struct install *kept = kept_log(m);
	struct flush f;
	struct rbuf r;
	struct wbuf w;

	/* Nobody asked when we wedged on our own account. */
	if (m->phase != PH_WEDGED || m->coord == 0)
		return;
	fill_flush(m, &f);
	f.log = kept != NULL ? kept->prev : m->prim;
	f.blob = kept != NULL ? kept->blob : note->data;
	f.bloblen = kept != NULL ? kept->bloblen : note->len;
	rbuf_init(&r, f.blob, f.bloblen);
	f.held = rbuf_u64(&r);
	f.has_sync = rbuf_u8(&r) != 0;
	ASSERT(!r.err);
	wbuf_init(&w, MEMBER_MSG_MAX);
	wbuf_u8(&w, MM_FLUSH);
	wbuf_u64(&w, m->promised);
	put_flush(&w, &f, member_features(m, m->coord));
	ASSERT(!w.err);
	member_send(bus, m->coord, &w);
	wbuf_free(&w);
}

/* Drops what can not be built on: all, or all that is not primary. */
static void
forget_chain(struct member *m, bool all)
{
	struct install *in, *next;

	STAILQ_FOREACH_SAFE(in, &m->chain, entry, next) {
		if (in->view.primary && !all)
			continue;
		STAILQ_REMOVE(&m->chain, in, install, entry);
		install_free(in);
		m->nchain--;
	}
}

/*
 * Everything that the view needs of us is here.  But those whom it leaves out
 * may still rely on us for a moment (lease.c).
 */
static void
ready(struct member *m, struct bus *bus)
{
	const struct install *in = STAILQ_LAST(&m->chain, install, entry);
	struct note *n;

	n = bus_note(bus, NOTE_VOUCH, &in->view, sizeof(in->view));
	n->ref = n->data;
	n->seq = in->view.epoch;
}

void
part_clear(struct member *m, const struct note *note, struct bus *bus)
{
	const struct install *in = STAILQ_LAST(&m->chain, install, entry);
	struct wbuf w;

	if (m->phase != PH_WEDGED || note->seq != m->promised || in == NULL ||
	    in->view.epoch != note->seq)
		return;
	m->phase = PH_READY;
	device_ready(m, &in->view);
	vote_attempt(m, &in->view, bus);
	wbuf_init(&w, 16);
	wbuf_u8(&w, MM_READY);
	wbuf_u64(&w, m->promised);
	member_send(bus, m->coord, &w);
	wbuf_free(&w);
}

static void
trim(const struct install *in, enum trim how, bool shares, struct bus *bus)
{
	struct note *n;

	n = bus_note(bus, NOTE_TRIM, shares ? in->blob : NULL,
	    shares ? in->bloblen : 0);
	n->ok = shares;
	n->seq = in->cut;
	n->code = how;
}

static void enter(struct member *, struct bus *);
static void apply_next(struct member *, struct bus *);

static struct install *
take_from_chain(struct member *m, const struct prim_id *id)
{
	struct install *in;

	STAILQ_FOREACH(in, &m->chain, entry) {
		if (in->view.primary && in->view.epoch == id->epoch &&
		    in->view.leader == id->leader) {
			STAILQ_REMOVE(&m->chain, in, install, entry);
			m->nchain--;
			return in;
		}
	}
	return NULL;
}

/*
 * Once it was READY for a later one, it must not enter that view but together
 * with one that is later still: others may have entered the one in between.
 */
static bool
was_ready_last(const struct member *m, const struct prim_id *id)
{
	struct prim_list l;

#if MUTANT == 806
	return false;
#endif
	part_pends(m, &l);
	return l.n > 0 && prim_eq(&l.v[l.n - 1], id);
}

/* This one, and before it those whose COMMIT we missed, back to where we are. */
static void
to_be_entered(struct member *m, struct install *in)
{
	bool primary = in->view.primary;
	struct prim_id prev;

	while (in != NULL) {
		STAILQ_INSERT_HEAD(&m->todo, in, entry);
		prev = in->prev;
		if (!in->view.primary || prev.epoch == 0 ||
		    prim_eq(&prev, &m->prim))
			break;
		in = take_from_chain(m, &prev);
	}
	forget_chain(m, primary);
}

/* We do what it asks for, and say READY. */
static void
prepare(struct member *m, struct install *in, struct bus *bus)
{
	forget_chain(m, false);
	/* To forget one is safe: at worst we turn out stale, and start anew. */
	if (m->nchain == CHAIN_MAX) {
		struct install *oldest = STAILQ_FIRST(&m->chain);

		STAILQ_REMOVE_HEAD(&m->chain, entry);
		install_free(oldest);
		m->nchain--;
	}
	STAILQ_INSERT_TAIL(&m->chain, in, entry);
	m->nchain++;
	if (in->view.primary && in->prev.epoch != 0 &&
	    prim_eq(&in->prev, &m->prim))
		trim(in, TRIM_HOLD, true, bus);
	else
		ready(m, bus);
}

void
part_install(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	struct install *in = get_install(r, m->features), *missed = NULL;

	if (in == NULL)
		return;
	if (in->view.epoch != m->promised || note->node != m->coord ||
	    m->phase != PH_WEDGED || !view_has(&in->view, m->self, m->inc)) {
		install_free(in);
		return;
	}
	if (in->view.primary && was_ready_last(m, &in->prev))
		missed = take_from_chain(m, &in->prev);
	if (missed == NULL) {
		prepare(m, in, bus);
		return;
	}
	m->next = in;
	to_be_entered(m, missed);
	apply_next(m, bus);
}

/* The order has answered: what we miss is held, or delivered. */
void
part_trimmed(struct member *m, const struct note *note, struct bus *bus)
{
	const struct install *in = STAILQ_LAST(&m->chain, install, entry);

	if (note->code == TRIM_DELIVER)
		enter(m, bus);
	else if (m->phase == PH_WEDGED && in != NULL &&
	    in->view.epoch == m->promised && in->cut == note->seq)
		ready(m, bus);
}

static void
apply_next(struct member *m, struct bus *bus)
{
	const struct install *in = STAILQ_FIRST(&m->todo);
	bool shares;

	m->phase = PH_APPLY;
	if (!in->view.primary) {
		enter(m, bus);
		return;
	}
	shares = in->prev.epoch != 0 && prim_eq(&m->prim, &in->prev);
	if ((!shares && !view_find(&in->view, m->self)->fresh &&
		!in->view.scratch) ||
	    (m->have_view && in->view.epoch <= m->view.epoch)) {
		static const char why[] = "its state is not that of the view";

		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	trim(in, TRIM_DELIVER, shares, bus);
}

void
part_commit(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	uint64_t epoch = rbuf_u64(r);
	struct install *in;

	if (!rbuf_done(r) || m->phase != PH_READY || epoch != m->promised ||
	    note->node != m->coord)
		return;
	in = STAILQ_LAST(&m->chain, install, entry);
	ASSERT(in != NULL && in->view.epoch == epoch);
	STAILQ_REMOVE(&m->chain, in, install, entry);
	m->nchain--;
	to_be_entered(m, in);
	apply_next(m, bus);
}

/* Which life is meant has to be said where a newer one can be taken for it. */
static void
say_lost(const struct member *m, unsigned i, struct bus *bus)
{
	const struct view *v = &m->view;
	uint16_t node = v->lost[i].node;
	const struct view_member *now = view_find(v, node);
	uint64_t inc = v->lost[i].inc;
	char life[100] = "";

	if (now != NULL && now->inc > inc)
		snprintf(life, sizeof(life),
		    "; that was incarnation %llu, and %llu is in it",
		    (unsigned long long)inc, (unsigned long long)now->inc);
	else if (member_session(m, node) > inc)
		snprintf(life, sizeof(life),
		    "; that was incarnation %llu, and %llu is heard",
		    (unsigned long long)inc,
		    (unsigned long long)member_session(m, node));
	bus_event(bus, EVK_NODE, EVL_INFO,
	    "node %u: not in view %llu any more, %s%s", node,
	    (unsigned long long)v->epoch,
	    v->lost[i].clean ? "it left with goodbye" :
			       "and nobody saw it leave",
	    life);
}

static void
say_view(const struct member *m, struct bus *bus)
{
	const struct view *v = &m->view;
	uint16_t ids[CONF_NODES_MAX];
	char list[256];
	unsigned i;

	for (i = 0; i < v->n; i++)
		ids[i] = v->members[i].node;
	/* The cause is at the end of the line, and must have room there. */
	names_list(ids, v->n, " ", list, sizeof(list));
	bus_event(bus, EVK_VIEW, EVL_INFO,
	    "view %llu: %s, leader node %u, %s, because %s",
	    (unsigned long long)v->epoch, list, v->leader,
	    v->primary ? "primary" : "not primary", v->cause);
	for (i = 0; i < v->nlost; i++)
		say_lost(m, i, bus);
}

/*
 * Until the fence table knows this view, whoever was with us before and did not
 * say goodbye may wait for its fence: should we stop now, it must not be
 * forgotten.  Who enters without the table keeps them until it is here.
 */
static void
store_members(struct member *m)
{
	struct member_stored old = m->stored, *s = &m->stored;
	const struct view *v = &m->view;
	unsigned i;

	s->whole = !view_find(v, m->self)->fresh;
	s->n = 0;
	memset(s->members, 0, sizeof(s->members));
	for (i = 0; i < v->n; i++) {
		s->members[s->n].node = v->members[i].node;
		s->members[s->n++].inc = v->members[i].inc;
	}
#if MUTANT == 870
	if (s->whole)
		old.n = 0;
#endif
	for (i = 0; i < old.n; i++) {
		if (old.members[i].clean || s->n == CONF_NODES_MAX ||
		    view_find(v, old.members[i].node) != NULL)
			continue;
		s->members[s->n].node = old.members[i].node;
		s->members[s->n].inc = old.members[i].inc;
		s->members[s->n++].victim = true;
	}
}

/* From here on this is the primary view that everything descends from. */
static void
enter_primary(struct member *m, struct bus *bus)
{
	const struct view *v = &m->view;
	const struct view_member *vm = view_find(v, m->self);
	unsigned i;

	m->prim.epoch = v->epoch;
	m->prim.leader = v->leader;
	m->synced = !vm->fresh;
	m->joined = vm->joined;
	for (i = 0; i < m->npeers; i++)
		m->peers[i].torn = false;
	store_members(m);
	vote_enter(m, v);
	memset(&m->wish, 0, sizeof(m->wish));
	bus_note(bus, NOTE_STORE, NULL, 0);
}

static bool
same_members(const struct view *a, const struct view *b)
{
	unsigned i;

	for (i = 0; i < a->n; i++) {
		if (!view_has(b, a->members[i].node, a->members[i].inc))
			return false;
	}
	return a->n == b->n;
}

/* The order has delivered everything of the old view: enter the new one. */
static void
enter(struct member *m, struct bus *bus)
{
	const struct install *in = STAILQ_FIRST(&m->todo);
	struct peer *p;
	struct note *n;
	bool same;

	if (m->phase != PH_APPLY)
		return;
	same = m->have_view && same_members(&m->view, &in->view);
	ASSERT(in->view.epoch > m->view.epoch || !m->have_view); /* M1 */
	m->view = in->view;
#if MUTANT == 866
	m->view.features = WIRE_FEATURES;
#endif
	strlcpy(m->view.cause, in->cause, sizeof(m->view.cause));
#if MUTANT == 332
	if (m->view.leader != m->self && m->view.elect.opt.known)
		m->view.elect.opt.wait_for_all = m->conf->wait_for_all;
#endif
	m->view.passing = STAILQ_NEXT(in, entry) != NULL || m->next != NULL;
	m->have_view = true;
	m->reelect = false;
	m->force = FORCE_NONE;
	/*
	 * Whatever we had against them is over, and who formed a view was not
	 * idle.  But the same members once more are no answer to somebody who
	 * waits at the door: then the coordinator's time goes on.
	 */
	if (!same)
		m->need_since = UINT64_MAX;
	for (p = m->peers; p < m->peers + m->npeers; p++) {
		if (!view_has(&m->view, p->node, p->inc))
			continue;
		p->avoid_until = p->refused_until = 0;
		p->refusals = 0;
	}
	m->settled_at = bus->now + m->conf->failure_timeout_us;
	if (m->view.primary)
		enter_primary(m, bus);
#if MUTANT == 807
	else
		memset(&m->prim, 0, sizeof(m->prim));
#endif
	device_entered(m);
	say_view(m, bus);
	n = bus_note(bus, NOTE_VIEW, &m->view, sizeof(m->view));
	/* A copy: the view may be another one before the note is routed. */
	n->ref = n->data;
	n->seq = m->view.epoch;
#if MUTANT == 861
	for (unsigned i = 0; i < m->view.n; i++)
		if (m->view.members[i].node == m->self)
			m->view.members[i].inc--;
#endif
}

void
part_table_says(struct member *m, struct bus *bus)
{
	struct member_stored *s = &m->stored;
	unsigned i, n = 0;

	for (i = 0; i < s->n; i++) {
		if (!s->members[i].victim)
			s->members[n++] = s->members[i];
	}
	if (s->whole && n == s->n)
		return;
	s->n = n;
	s->whole = true;
	bus_note(bus, NOTE_STORE, NULL, 0);
}

/* Every module has seen the view that we entered. */
void
part_quorum(struct member *m, const struct note *note, struct bus *bus)
{
	struct install *in = STAILQ_FIRST(&m->todo);

	if (m->phase != PH_APPLY || in == NULL || note->seq != in->view.epoch)
		return;
	if (in->view.primary && m->stored.whole)
		part_table_says(m, bus);
	STAILQ_REMOVE_HEAD(&m->todo, entry);
	install_free(in);
	if (!STAILQ_EMPTY(&m->todo)) {
		apply_next(m, bus);
		return;
	}
	in = m->next;
	m->next = NULL;
	if (in == NULL) {
		m->phase = PH_STEADY;
		m->cause[0] = '\0';
		return;
	}
	/* As if we had entered it in time, and been asked for the next since. */
	m->phase = PH_WEDGED;
	bus_note(bus, NOTE_WEDGE, NULL, 0);
	prepare(m, in, bus);
}
