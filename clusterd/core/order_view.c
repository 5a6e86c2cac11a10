/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The total order across a change of views.
 *
 *   wedge  nothing is taken or sequenced any more; what we hold is told.
 *   trim   the coordinator has chosen the cut: the last position that any
 *          member of the old primary view holds.  First everybody takes what
 *          it misses up to there; only when all have it, it is delivered, so
 *          all enter the new view with the same past (O4), and if only some
 *          come to enter it, the others still hold what those delivered.  A
 *          joiner jumps to the cut.
 *   view   positions go on from the cut; ours without one are submitted
 *          again to the new leader.
 *
 * A view that is not primary leaves the log as it is: it stays wedged until
 * some primary view chooses a cut for it.
 *
 * clusterd-protocol(7), section 7.6.
 */

#include "order_internal.h"

void
order_wedge(struct order *o, struct bus *bus)
{
	struct note *n;
	struct wbuf w;

	o->open = false;
	o->installing = false;
	wbuf_init(&w, ORDER_WINDOW * 3);
	wbuf_u64(&w, o->held);
	wbuf_u8(&w, o->sync_pos != 0);
	order_log_put(o, &w);
	ASSERT(!w.err);
	n = bus_note(bus, NOTE_FLUSHED, w.data, w.len);
	n->seq = o->held;
	wbuf_free(&w);
}

/* Leader's queue and joiner's pieces belong to one view. */
static void
drop_leader_state(struct order *o)
{
	unsigned i;

	omsg_clear(&o->front);
	omsg_clear(&o->queue);
	o->snap_wait = 0;
	for (i = 0; i < SVC_MAX; i++)
		wbuf_free(&o->snap[i]);
	wbuf_free(&o->batch);
}

/* Takes what we miss from the coordinator's choice. */
static bool
take_log(struct order *o, const struct note *note)
{
	struct rbuf r;
	size_t left;

	rbuf_init(&r, note->data, note->len);
	(void)rbuf_u64(&r);
	(void)rbuf_u8(&r);
	left = rbuf_left(&r);
	return order_log_get(o, rbuf_take(&r, left), left, note->seq);
}

static void
trimmed(const struct note *note, struct bus *bus)
{
	struct note *n = bus_note(bus, NOTE_TRIMMED, NULL, 0);

	n->seq = note->seq;
	n->code = note->code;
}

void
order_trim(struct order *o, const struct note *note, struct bus *bus)
{
	static const char why[] = "messages of the last view are missing here";

	o->open = false;
	if (note->ok && !take_log(o, note)) {
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	if (note->code == TRIM_HOLD) {
		trimmed(note, bus);
		return;
	}
	if (!note->ok) {
		order_forget_log(o, note->seq);
	} else {
#if MUTANT == 201
		/* Forgets to deliver what was held and not yet stable. */
		order_forget_log(o, note->seq);
#endif
#if MUTANT != 863
		order_stable(o, note->seq, bus);
#endif
	}
	drop_leader_state(o);
	trimmed(note, bus);
}

void
order_view(struct order *o, const struct view *v)
{
	unsigned i;

	o->epoch = v->epoch;
	o->primary = v->primary;
	o->open = false;
	o->installing = v->primary && !v->passing;
	o->passing = v->passing;
	if (!v->primary)
		return;
	o->leader = v->leader;
	o->features = v->features;
	o->n = v->n;
	o->joiners = false;
	o->synced = false;
	for (i = 0; i < v->n; i++) {
		o->members[i].node = v->members[i].node;
		o->members[i].inc = v->members[i].inc;
		o->members[i].acked = o->held;
		o->members[i].sseq = 0;
		o->members[i].queued = 0;
		o->members[i].yours = false;
		if (v->members[i].node == o->self)
			o->fresh = v->members[i].fresh;
		if (v->members[i].fresh)
			o->joiners = true;
	}
	o->told_stable = o->told_held = o->held;
	o->unacked = 0;
	o->tell_at = UINT64_MAX;
	o->inflight = 0;
#if MUTANT != 202
	o->unsent = STAILQ_FIRST(&o->mine);
#endif
}
