/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Total order by a fixed sequencer, the leader of the primary view.  A sender
 * submits to the leader; the leader gives positions and tells all members;
 * they say up to where they hold; the leader says up to where everybody
 * holds: that is stable.  The streams between two nodes are reliable and in
 * order, so what a member holds never has a gap, and a broken stream means a
 * new view.
 *
 * A safe message is delivered when it is stable, because what a service does
 * on delivery (grant, fence, recover) must never be undone by a view that has
 * not heard of it: what one member delivered, every later primary view
 * delivers too.  An agreed one is delivered when it is here and everything
 * before it is delivered.  Then nobody waits for acknowledgements, which are
 * gathered.
 *
 * Invariants:
 *   O1  stable <= delivered <= held, and the log is exactly (stable, held];
 *   O2  positions are delivered without gap and never twice;
 *   O3  only members of the view, in their incarnation, are heard, and only
 *       in the view's own epoch;
 *   O4  members that go from one primary view to the next with state have
 *       delivered the same messages in the first;
 *   O5  a submitted message is delivered exactly once, in its sender's
 *       order, as long as its sender lives;
 *   O6  what others can make us keep is bounded: the window, what is parked,
 *       what is in flight; services bound what they give us;
 *   O7  a safe message that is delivered is stable.
 *
 *   closed -NOTE_QUORUM(primary)-> open -NOTE_WEDGE-> closed
 *   open, but the lease is out: nothing is sequenced, and nobody heard
 *   open, leader: snapshots wanted -all given-> SYNC sequenced -> submits
 *
 * clusterd-protocol(7), section 7.
 */

#include "order_internal.h"

struct order *
order_new(uint16_t self, uint64_t inc)
{
	struct order *o = calloc(1, sizeof(*o));
	unsigned i;

	if (o == NULL)
		return NULL;
	o->self = self;
	o->inc = inc;
	STAILQ_INIT(&o->log);
	STAILQ_INIT(&o->mine);
	STAILQ_INIT(&o->front);
	STAILQ_INIT(&o->queue);
	STAILQ_INIT(&o->parked);
	for (i = 0; i < SVC_MAX; i++)
		wbuf_init(&o->snap[i], ORDER_SNAP_MAX);
	wbuf_init(&o->batch, ORDER_WINDOW * 2);
	o->tell_at = UINT64_MAX;
	return o;
}

void
order_free(struct order *o)
{
	struct parked *p;
	unsigned i;

	if (o == NULL)
		return;
	omsg_clear(&o->log);
	omsg_clear(&o->mine);
	omsg_clear(&o->front);
	omsg_clear(&o->queue);
	while ((p = STAILQ_FIRST(&o->parked)) != NULL) {
		STAILQ_REMOVE_HEAD(&o->parked, entry);
		free(p);
	}
	for (i = 0; i < SVC_MAX; i++)
		wbuf_free(&o->snap[i]);
	wbuf_free(&o->batch);
	free(o);
}

void
order_reset_peer(struct bus *bus, uint16_t node, const char *why)
{
	struct note *n;

	bus_event(bus, EVK_REJECT, EVL_WARN,
	    "node %u: session reset, because %s", node, why);
	n = bus_note(bus, NOTE_PEER_RESET, why, strlen(why) + 1);
	n->node = node;
}

static struct omember *
find_member(struct order *o, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < o->n; i++) {
		if (o->members[i].node == node)
			return o->members[i].inc == inc ? &o->members[i] : NULL;
	}
	return NULL;
}

static bool
leading(const struct order *o)
{
	return o->open && o->leader == o->self;
}

/* Messages of our view wait here until it may be acted in. */
static bool
waits(const struct order *o)
{
	return o->installing || (o->open && !o->leased);
}

/* Adds a message that has the next position to the log. */
void
order_append(struct order *o, struct omsg *m)
{
	ASSERT(m->pos == o->held + 1); /* O2 */
	o->held++;
	o->logbytes += m->len + OMSG_OVERHEAD;
	o->unacked += m->len + OMSG_OVERHEAD;
	if (m->kind == OK_SYNC)
		o->sync_pos = m->pos;
	if (m->kind != OK_AGREED)
		o->safe_pos = m->pos;
	if (o->next == NULL)
		o->next = m;
	STAILQ_INSERT_TAIL(&o->log, m, entry);
}

/* We have no past that the others share: it begins at pos. */
void
order_forget_log(struct order *o, uint64_t pos)
{
	omsg_clear(&o->log);
	o->next = NULL;
	o->logbytes = 0;
	o->sync_pos = 0;
	o->held = o->delivered = o->stable = o->safe_pos = pos;
}

static bool
same(const struct omsg *a, const struct omsg *b)
{
	return a->sseq == b->sseq && a->kind == b->kind &&
	    a->service == b->service && a->len == b->len &&
	    memcmp(a->data, b->data, a->len) == 0;
}

/*
 * Ours has come back: it is done.  Services take what is in our name for
 * their own word, so it must be just that.
 */
static void
forget_mine(struct order *o, const struct omsg *back, struct bus *bus)
{
	static const char why[] =
	    "the order has lost or changed a message of ours";
	struct omsg *m = STAILQ_FIRST(&o->mine);

	/* Only a leader that errs can do that (O5); we cannot repair it. */
	if (m == NULL || !same(m, back)) {
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	o->minebytes -= m->len + OMSG_OVERHEAD;
	if (m == o->unsent) /* it was under way when the last view ended */
		o->unsent = STAILQ_NEXT(m, entry);
	else
		o->inflight -= MIN(o->inflight, m->len + OMSG_OVERHEAD);
	if (m == o->unplaced)
		o->unplaced = STAILQ_NEXT(m, entry);
	STAILQ_REMOVE_HEAD(&o->mine, entry);
	free(m);
}

static void
load_snapshots(struct order *o, struct bus *bus)
{
	static const char why[] = "the state sent to it is too large";
	struct note *n;
	unsigned s;

	for (s = SVC_FENCE; s < SVC_MAX; s++) {
		if (o->snap[s].err) /* O6 */
			bus_note(bus, NOTE_DIE, why, sizeof(why));
		n = bus_note(bus, NOTE_SNAP_LOAD, o->snap[s].data,
		    o->snap[s].len);
		n->service = (enum service)s;
		wbuf_free(&o->snap[s]);
	}
	o->fresh = false;
}

static void
deliver_one(struct order *o, struct omsg *m, struct bus *bus)
{
	struct note *n;

	switch (m->kind) {
	case OK_MSG:
	case OK_AGREED:
#if MUTANT == 868
		if (m->service == SVC_GROUP && m->len > 300 &&
		    m->node != o->self)
			m->data[m->len - 1] ^= 1;
#endif
		if (m->node == o->self && m->inc == o->inc)
			forget_mine(o, m, bus);
		if (o->fresh)
			break;
		n = bus_note(bus, NOTE_ORDERED, m->data, m->len);
		n->service = m->service;
		n->node = m->node;
		n->inc = m->inc;
		n->seq = m->pos;
		break;
	case OK_SNAP:
	case OK_SNAP_END:
		if (o->fresh)
			wbuf_bytes(&o->snap[m->service], m->data, m->len);
		break;
	case OK_SYNC:
		if (o->fresh)
			load_snapshots(o, bus);
		o->synced = true;
		o->sync_pos = 0;
		n = bus_note(bus, NOTE_SYNCED, NULL, 0);
		n->seq = o->epoch;
		break;
#ifdef WIRE_NEXT
	case OK_PAD:
#endif
	case OK_YOURS: /* order_append() never gets one */
	case OK_MAX:
		break;
	}
}

/* Whatever may be delivered now is. */
static void
advance(struct order *o, struct bus *bus)
{
	struct omsg *m;

	while ((m = o->next) != NULL) {
		ASSERT(m->pos == o->delivered + 1); /* O2 */
#if MUTANT != 203
		if (m->pos > o->stable && m->kind != OK_AGREED) /* O7 */
			break;
#endif
		o->next = STAILQ_NEXT(m, entry);
		o->delivered++;
		deliver_one(o, m, bus);
#if MUTANT == 864
		if (m->kind == OK_AGREED && m->pos % 8 == 0 &&
		    m->node != o->self)
			deliver_one(o, m, bus);
#endif
	}
	while ((m = STAILQ_FIRST(&o->log)) != NULL && m->pos <= o->stable) {
		STAILQ_REMOVE_HEAD(&o->log, entry);
#if MUTANT != 204
		o->logbytes -= m->len + OMSG_OVERHEAD;
#endif
		free(m);
	}
}

void
order_stable(struct order *o, uint64_t upto, struct bus *bus)
{
	ASSERT(upto <= o->held); /* O1 */
	o->stable = MAX(o->stable, upto);
	advance(o, bus);
}

/*
 * Leader.
 */

static void
advance_stable(struct order *o, struct bus *bus)
{
	uint64_t stable = o->held;
	unsigned i;

	for (i = 0; i < o->n; i++) {
		if (o->members[i].node != o->self)
			stable = MIN(stable, o->members[i].acked);
	}
	order_stable(o, stable, bus);
}

static struct omsg *
next_waiting(struct order *o)
{
	struct omsg *m;

	if (!leading(o) || !o->leased || o->snap_wait != 0)
		return NULL;
	m = STAILQ_FIRST(&o->front);
	if (m == NULL && !o->hold)
		m = STAILQ_FIRST(&o->queue);
#if MUTANT != 204
	if (m != NULL && o->logbytes > 0 && o->logbytes + m->len > ORDER_WINDOW)
		return NULL;
#endif
	return m;
}

static void flush_leader(struct order *, struct bus *);

/* Gives positions while the window allows. */
static void
pump(struct order *o, struct bus *bus)
{
	struct omember *om;
	struct omsg *m;

	while ((m = next_waiting(o)) != NULL) {
		if (m == STAILQ_FIRST(&o->front)) {
			STAILQ_REMOVE_HEAD(&o->front, entry);
		} else {
			STAILQ_REMOVE_HEAD(&o->queue, entry);
			om = find_member(o, m->node, m->inc);
			if (om != NULL) {
				om->queued -=
				    MIN(om->queued, m->len + OMSG_OVERHEAD);
				om->yours |= m->len >= ORDER_YOURS_MIN;
			}
		}
		m->pos = o->held + 1;
		omsg_put(&o->batch, m);
		ASSERT(!o->batch.err);
		order_append(o, m);
		advance_stable(o, bus);
		/* A long step must not gather more than a message may hold. */
		if (o->batch.len > ORDER_WINDOW)
			flush_leader(o, bus);
	}
}

static void
enqueue(struct order *o, struct omember *om, struct omsg *m)
{
#if MUTANT == 865
	if (m->kind == OK_AGREED)
		STAILQ_INSERT_HEAD(&o->queue, m, entry);
	else
#endif
		STAILQ_INSERT_TAIL(&o->queue, m, entry);
	om->queued += m->len + OMSG_OVERHEAD;
}

/* Snapshots and SYNC go before every submit of the view. */
static void
enqueue_front(struct order *o, enum omsg_kind kind, enum service service,
    const void *data, size_t len)
{
	struct omsg *m = omsg_new(kind, service, data, len);

	m->node = o->self;
	m->inc = o->inc;
	STAILQ_INSERT_TAIL(&o->front, m, entry);
}

/* WIRE_NEXT: a record more, where every member knows it. */
static void
pad(struct order *o)
{
#ifdef WIRE_NEXT
#if MUTANT != 972
	if ((o->features & FEATURE_PAD) == 0)
		return;
#endif
	if (o->snap_wait == 0 && STAILQ_EMPTY(&o->front))
		enqueue_front(o, OK_PAD, (enum service)0, NULL, 0);
#endif
}

static void
take_snapshot(struct order *o, const struct note *note, struct bus *bus)
{
	size_t off = 0, len;
	bool end;

	if ((o->snap_wait & 1u << note->service) == 0)
		return;
	ASSERT(note->len <= ORDER_SNAP_MAX);
	o->snap_wait &= ~(1u << note->service);
	do {
		len = MIN(note->len - off, (size_t)OMSG_PIECE);
		end = off + len == note->len;
		enqueue_front(o, end ? OK_SNAP_END : OK_SNAP, note->service,
		    note->data + off, len);
		off += len;
	} while (!end);
	if (o->snap_wait == 0)
		enqueue_front(o, OK_SYNC, (enum service)0, NULL, 0);
	pump(o, bus);
}

/*
 * Sender.
 */

/* The next of ours that may be submitted, which it counts as from now on. */
static struct omsg *
next_unsent(struct order *o)
{
	struct omsg *m = o->unsent;

	if (m == NULL ||
	    (o->inflight > 0 && o->inflight + m->len > ORDER_INFLIGHT))
		return NULL;
#if MUTANT == 867
	if (m->kind == OK_AGREED && STAILQ_NEXT(m, entry) == NULL)
		return NULL;
#endif
	o->unsent = STAILQ_NEXT(m, entry);
	o->inflight += m->len + OMSG_OVERHEAD;
	return m;
}

/* We are the leader: ours need no message to get there. */
static void
submit_here(struct order *o, struct bus *bus)
{
	struct omember *om = find_member(o, o->self, o->inc);
	struct omsg *m, *copy;

	while ((m = next_unsent(o)) != NULL) {
		copy = omsg_new(m->kind, m->service, m->data, m->len);
		copy->node = m->node;
		copy->inc = m->inc;
		copy->sseq = om->sseq = m->sseq;
		enqueue(o, om, copy);
	}
	pump(o, bus);
}

static void
submit(struct order *o, struct bus *bus)
{
	struct omsg *m;
	struct wbuf w;
	struct note *n;

	if (!o->open || !o->leased || o->unsent == NULL)
		return;
	if (leading(o)) {
		submit_here(o, bus);
		return;
	}
	wbuf_init(&w, ORDER_WINDOW * 2);
	wbuf_u8(&w, OM_SUBMIT);
	wbuf_u64(&w, o->epoch);
	while ((m = next_unsent(o)) != NULL)
		omsg_put(&w, m);
	if (w.len > 9) {
		ASSERT(!w.err);
		n = bus_note(bus, NOTE_SEND, w.data, w.len);
		n->node = o->leader;
		n->chan = CHAN_ORDER;
	}
	wbuf_free(&w);
}

static void
queue_mine(struct order *o, const struct note *note)
{
	struct omsg *m;

	ASSERT(note->len <= ORDER_MSG_MAX && note->service < SVC_MAX);
	m = omsg_new(note->code == ORDER_AGREED ? OK_AGREED : OK_MSG,
	    note->service, note->data, note->len);
	m->node = o->self;
	m->inc = o->inc;
	m->sseq = ++o->sseq;
	STAILQ_INSERT_TAIL(&o->mine, m, entry);
	if (o->unsent == NULL)
		o->unsent = m;
	o->minebytes += m->len + OMSG_OVERHEAD;
}

/*
 * Messages.
 */

static void
got_submit(struct order *o, struct omember *om, struct rbuf *r, struct bus *bus)
{
	struct omsg *m;

	while (rbuf_left(r) > 0) {
		m = omsg_get(r);
		if (m == NULL)
			break;
		/* Each sender numbers its own, without going back (O5). */
		if ((m->kind != OK_MSG && m->kind != OK_AGREED) ||
		    m->node != om->node || m->inc != om->inc ||
		    m->sseq <= om->sseq ||
		    om->queued + m->len + OMSG_OVERHEAD > ORDER_QUEUE_MAX) {
			r->err = true;
			free(m);
			break;
		}
		om->sseq = m->sseq;
		enqueue(o, om, m);
	}
	pad(o);
	pump(o, bus);
}

/* The message of ours that is meant by a record without it. */
static struct omsg *
find_mine(struct order *o, uint64_t sseq)
{
	struct omsg *m = o->unplaced;

#if MUTANT == 206
	m = STAILQ_FIRST(&o->mine);
#else
	if (m == NULL || m->sseq != sseq) {
		STAILQ_FOREACH(m, &o->mine, entry)
			if (m->sseq == sseq)
				break;
	}
#endif
	o->unplaced = m != NULL ? STAILQ_NEXT(m, entry) : NULL;
	return m;
}

/* A record of SEQ, with what it means if it is ours; NULL: malformed. */
static struct omsg *
placed(struct order *o, struct rbuf *r)
{
	struct omsg *m = omsg_get(r), *own = NULL, *copy;

	if (m == NULL || m->kind != OK_YOURS)
		return m;
	if ((o->features & FEATURE_YOURS) != 0 && m->node == o->self &&
	    m->inc == o->inc)
		own = find_mine(o, m->sseq);
	if (own == NULL) {
		free(m);
		r->err = true;
		return NULL;
	}
	copy = omsg_new(own->kind, own->service, own->data, own->len);
	copy->pos = m->pos;
	copy->node = m->node;
	copy->inc = m->inc;
	copy->sseq = m->sseq;
	free(m);
	return copy;
}

static void
got_seq(struct order *o, struct rbuf *r, struct bus *bus)
{
	uint64_t stable = rbuf_u64(r);
	struct omsg *m;

	/* First what may go: a sound leader keeps the rest in the window. */
	if (!r->err)
		order_stable(o, MIN(stable, o->held), bus);
	while (rbuf_left(r) > 0) {
		m = placed(o, r);
		if (m == NULL)
			break;
		if (m->pos != o->held + 1 ||
		    o->logbytes + m->len + OMSG_OVERHEAD > ORDER_LOG_MAX) {
			r->err = true;
			free(m);
			break;
		}
		order_append(o, m);
	}
	if (stable > o->held)
		r->err = true;
	if (!r->err)
		order_stable(o, stable, bus);
}

static void
got_ack(struct order *o, struct omember *om, struct rbuf *r, struct bus *bus)
{
	uint64_t held = rbuf_u64(r);

	if (held < om->acked || held > o->held)
		r->err = true;
	if (r->err)
		return;
	om->acked = held;
	advance_stable(o, bus);
	pump(o, bus);
}

static void
park(struct order *o, const struct note *note, uint64_t epoch, struct bus *bus)
{
	struct parked *p;

	if (o->parkbytes + note->len > ORDER_PARK_MAX) { /* O6 */
		order_reset_peer(bus, note->node, "it is too far ahead");
		return;
	}
	p = calloc(1, sizeof(*p) + note->len);
	ASSERT(p != NULL);
	p->epoch = epoch;
	p->node = note->node;
	p->inc = note->inc;
	p->len = note->len;
	memcpy(p->data, note->data, note->len);
	STAILQ_INSERT_TAIL(&o->parked, p, entry);
	o->parkbytes += p->len;
}

static void
handle(struct order *o, uint16_t node, uint64_t inc, const uint8_t *data,
    size_t len, struct bus *bus)
{
	struct omember *om;
	struct rbuf r;
	unsigned type;

	rbuf_init(&r, data, len);
	type = rbuf_u8(&r);
	(void)rbuf_u64(&r);
	om = find_member(o, node, inc);
	if (om == NULL) /* O3 */
		return;
	if (type == OM_SEQ && node == o->leader && node != o->self)
		got_seq(o, &r, bus);
	else if (type == OM_SUBMIT && leading(o))
		got_submit(o, om, &r, bus);
	else if (type == OM_ACK && leading(o))
		got_ack(o, om, &r, bus);
	else
		r.err = true;
	if (!rbuf_done(&r) && node != o->self)
		order_reset_peer(bus, node, "its ordered messages do not fit");
}

static void
message(struct order *o, const struct note *note, struct bus *bus)
{
	struct rbuf r;
	uint64_t epoch;

	rbuf_init(&r, note->data, note->len);
	(void)rbuf_u8(&r);
	epoch = rbuf_u64(&r);
	if (r.err)
		order_reset_peer(bus, note->node,
		    "an ordered message is short");
	else if (epoch > o->epoch || (epoch == o->epoch && waits(o)))
		park(o, note, epoch, bus);
	else if (epoch == o->epoch && o->open)
		handle(o, note->node, note->inc, note->data, note->len, bus);
}

/* Messages of this view that were faster than the view itself. */
static void
unpark(struct order *o, struct bus *bus)
{
	struct parked_list list;
	struct parked *p;

	STAILQ_INIT(&list);
	STAILQ_CONCAT(&list, &o->parked);
	while ((p = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, entry);
		if (p->epoch > o->epoch) {
			STAILQ_INSERT_TAIL(&o->parked, p, entry);
			continue;
		}
		if (p->epoch == o->epoch && o->open)
			handle(o, p->node, p->inc, p->data, p->len, bus);
		o->parkbytes -= p->len;
		free(p);
	}
}

static void
opened(struct order *o, struct bus *bus)
{
	o->open = true;
	if (leading(o)) {
		o->snap_wait = 0;
		if (o->joiners) {
			o->snap_wait = SVC_SNAPS;
			bus_note(bus, NOTE_SNAP_WANT, NULL, 0);
		} else {
			enqueue_front(o, OK_SYNC, (enum service)0, NULL, 0);
		}
		pump(o, bus);
	}
	if (o->leased)
		unpark(o, bus);
	submit(o, bus);
}

/* What had to wait is done when it may be. */
static void
lease(struct order *o, bool ok, struct bus *bus)
{
	o->leased = ok;
	if (!ok || !o->open)
		return;
	pump(o, bus);
	unpark(o, bus);
	submit(o, bus);
}

void
order_note(struct order *o, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_MESSAGE:
		message(o, note, bus);
		break;
	case NOTE_ORDER:
		queue_mine(o, note);
		break;
	case NOTE_SNAP:
		take_snapshot(o, note, bus);
		break;
	case NOTE_WEDGE:
		order_wedge(o, bus);
		break;
	case NOTE_TRIM:
		order_trim(o, note, bus);
		break;
	case NOTE_VIEW:
		order_view(o, note->ref);
		break;
	case NOTE_QUORUM:
		o->installing = false;
		if (note->ok && note->seq == o->epoch && !o->passing)
			opened(o, bus);
		break;
	case NOTE_LEASE:
		lease(o, note->ok, bus);
		break;
	default:
		break;
	}
}

static void
seq_begin(const struct order *o, struct wbuf *w)
{
	wbuf_init(w, ORDER_WINDOW * 3);
	wbuf_u8(w, OM_SEQ);
	wbuf_u64(w, o->epoch);
	wbuf_u64(w, o->stable);
}

static void
tell(const struct omember *om, struct wbuf *w, struct bus *bus)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_SEND, w->data, w->len);
	n->node = om->node;
	n->chan = CHAN_ORDER;
}

/* To every other member; to none what it has sent itself. */
static void
tell_all(struct order *o, struct bus *bus)
{
	struct omember *om;
	struct wbuf all, less;

	seq_begin(o, &all);
	wbuf_bytes(&all, o->batch.data, o->batch.len);
	for (om = o->members; om < o->members + o->n; om++) {
		if (om->node == o->self)
			continue;
		if (om->yours && (o->features & FEATURE_YOURS) != 0) {
			seq_begin(o, &less);
			omsg_put_yours(&less, &o->batch, om->node, om->inc);
			tell(om, &less, bus);
			wbuf_free(&less);
		} else
			tell(om, &all, bus);
		om->yours = false;
	}
	wbuf_free(&all);
}

/* Does anybody wait for what we have not said yet, or has it waited enough? */
static bool
owed(struct order *o, bool news, bool awaited, uint64_t now)
{
	if (!news) {
		o->tell_at = UINT64_MAX;
		return false;
	}
	if (awaited || o->unacked >= ORDER_ACK_BYTES || o->tell_at <= now) {
		o->tell_at = UINT64_MAX;
		return true;
	}
	if (o->tell_at == UINT64_MAX)
		o->tell_at = now + ORDER_ACK_US;
	return false;
}

static void
flush_leader(struct order *o, struct bus *bus)
{
	if (!owed(o, o->told_stable != o->stable, o->told_stable < o->safe_pos,
		bus->now) &&
	    o->batch.len == 0)
		return;
	tell_all(o, bus);
	wbuf_reset(&o->batch);
	o->told_stable = o->stable;
	o->unacked = 0;
}

static void
flush_member(struct order *o, struct bus *bus)
{
	struct note *n;
	struct wbuf w;

	if (o->hold) {
		o->tell_at = UINT64_MAX;
		return;
	}
	if (!owed(o, o->told_held != o->held, o->told_held < o->safe_pos,
		bus->now))
		return;
	wbuf_init(&w, 32);
	wbuf_u8(&w, OM_ACK);
	wbuf_u64(&w, o->epoch);
	wbuf_u64(&w, o->held);
	n = bus_note(bus, NOTE_SEND, w.data, w.len);
	n->node = o->leader;
	n->chan = CHAN_ORDER;
	wbuf_free(&w);
	o->told_held = o->held;
	o->unacked = 0;
}

void
order_flush(struct order *o, struct bus *bus)
{
	submit(o, bus);
	if (!o->open)
		return;
	if (leading(o))
		flush_leader(o, bus);
	else
		flush_member(o, bus);
}

void
order_hold(struct order *o, bool hold, struct bus *bus)
{
	if (o->hold == hold)
		return;
	o->hold = hold;
	if (!hold)
		pump(o, bus);
}

uint64_t
order_deadline(const struct order *o)
{
	return o->open ? o->tell_at : UINT64_MAX;
}

void
order_get(const struct order *o, struct order_info *oi)
{
	oi->held = o->held;
	oi->stable = o->stable;
	oi->delivered = o->delivered;
	oi->log = o->logbytes;
	oi->waiting = o->minebytes;
	oi->wedged = !o->open;
	oi->synced = o->synced && o->open;
}

void
order_check(const struct order *o)
{
	const struct omsg *m;
	uint64_t pos = o->stable;

	ASSERT(o->stable <= o->delivered); /* O1 */
	STAILQ_FOREACH(m, &o->log, entry) {
		ASSERT(m->pos == ++pos); /* O1 */
		ASSERT((m->pos > o->delivered) ==
		    (o->next != NULL && m->pos >= o->next->pos));
#if MUTANT != 203
		ASSERT(m->pos > o->delivered || m->kind == OK_AGREED); /* O7 */
#endif
	}
	ASSERT(pos == o->held); /* O1 */
	if (leading(o)) {
		for (unsigned i = 0; i < o->n; i++)
			ASSERT(o->members[i].acked <= o->held);
	}
	for (unsigned i = 0; i < o->n; i++)
		ASSERT(o->members[i].queued <= ORDER_QUEUE_MAX); /* O6 */
	ASSERT(o->parkbytes <= ORDER_PARK_MAX);			 /* O6 */
}
