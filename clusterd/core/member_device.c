/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum device in a view change.  It is a voter that the coordinator asks
 * while it waits for the answers of the members: its promise and its memory
 * are a FLUSH without state, its record of the view is a READY.  So it is
 * counted like a member (vote.c E2 to E5), with one more rule, E8: on its own it
 * belongs to nobody.
 *
 * Where votes are missing without it, it is waited for as long as the
 * configuration says; where the view is formed for its sake, as long as for a
 * member, or as it has been seen to take; else for a heartbeat, so that it is
 * told what happens.
 * It is asked before it is known whether it is needed: nothing stalls for it,
 * and a device that is wanted one day has been written to since long.
 *
 * clusterd-protocol(7), sections 6.7 and 6.11.
 */

#include "member_internal.h"

/* Between two views that are formed for the device's sake alone. */
#define PAUSE_MIN_US UINT64_C(500000)
#define PAUSE_MAX_US UINT64_C(8000000)

/* E8: somebody is here who remembers the last view that it was told. */
static bool
bound(const struct round *rd)
{
	const struct attempt_list *l = &rd->memory.attempts;
	unsigned i;

#if MUTANT == 324
	return true;
#endif
	for (i = 0; i < rd->members.n; i++) {
		if (vote_has(&rd->memory.named, rd->members.v[i].node) &&
		    vote_remembers(&rd->flush[i].since, &l->v[l->n - 1].id))
			return true;
	}
	return false;
}

bool
device_able(const struct round *rd, const struct prim_id *id)
{
	return rd->told && vote_remembers(&rd->memory.since, id) && bound(rd);
}

/* With a view that has its votes without the device everybody waits. */
static uint64_t
patience(const struct member *m)
{
#if MUTANT != 338
	/* A request writes and reads; what it took last was a read, or both. */
	if (m->device_due)
		return MAX(member_step_limit(m->conf), 4 * m->device.took);
#endif
	return m->conf->heartbeat_us;
}

bool
device_awaited(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	struct ballot b;

	if (rd->state != ROUND_FLUSH || !device_pending(&m->device, rd->epoch))
		return false;
	if (rd->device_until != UINT64_MAX)
		return true;
	rd->told = false;
	/* A first view waits for all nodes anyway. */
	vote_count(m, rd, true, &b);
	rd->device_until = m->device.deadline;
	if (b.primary)
		rd->device_until =
		    MIN(rd->device_until, bus->now + patience(m));
	rd->deadline = MAX(rd->deadline, m->device.deadline + 1);
	return true;
}

void
device_told(struct member *m)
{
	struct round *rd = &m->round;
	const struct device *d = &m->device;
	struct rbuf r;

	rd->device_until = UINT64_MAX;
	rd->told = device_exists(d) && d->epoch == rd->epoch &&
	    d->state == DEVICE_PROMISED;
	memset(&rd->memory, 0, sizeof(rd->memory));
	if (!rd->told || d->memory.accepted == 0)
		return;
	rbuf_init(&r, d->memory.memory, d->memory.len);
	if (!get_memory(&r, &rd->memory)) {
		rd->told = false;
		return;
	}
	/* What came before is not sure to be known (E5). */
	if (rd->memory.since.epoch <= d->lost)
		memset(&rd->memory.since, 0, sizeof(rd->memory.since));
}

/* Who was in the base, as whoever tells of it knows. */
static void
base_members(const struct round *rd, const struct prim_id *base,
    struct device_memory *dm)
{
	unsigned i;

	if (prim_eq(&rd->memory.base, base)) {
		dm->basemembers = rd->memory.basemembers;
		dm->elect = rd->memory.elect;
	}
	for (i = 0; i < rd->members.n; i++) {
		if (!prim_eq(&rd->flush[i].base, base))
			continue;
		dm->basemembers = rd->flush[i].basemembers;
		dm->elect = rd->flush[i].elect;
		if (rd->flush[i].whole)
			return;
	}
}

void
device_memorize(const struct round *rd, const struct ballot *b,
    const struct view *v, struct device_memory *dm)
{
	const struct attempt_list *old = &rd->memory.attempts;
	unsigned i;

	memset(dm, 0, sizeof(*dm));
	dm->base = b->base;
	if (dm->base.epoch != 0)
		base_members(rd, &b->base, dm);
	for (i = 0; i < old->n; i++) {
		if (prim_cmp(&old->v[i].id, &b->base) > 0)
			dm->attempts.v[dm->attempts.n++] = old->v[i];
	}
	vote_add_attempt(&dm->attempts, v);
	for (i = 0; i < v->n; i++)
		vote_add(&dm->named, v->members[i].node);
	dm->since = rd->memory.since;
	if (dm->since.epoch == 0)
		dm->since = dm->attempts.v[dm->attempts.n - 1].id;
}

void
device_view(struct member *m, const struct ballot *b, const struct view *v,
    struct bus *bus)
{
	struct round *rd = &m->round;
	struct device_memory dm;
	struct wbuf w;

	if (rd->told)
		m->device_epoch = v->epoch;
	if (!v->primary || !v->device)
		return;
	rd->records = true;
	device_memorize(rd, b, v, &dm);
	wbuf_init(&w, DEVICE_MEMORY_MAX);
	put_memory(&w, &dm);
	ASSERT(!w.err);
	device_record(&m->device, w.data, w.len, bus);
	wbuf_free(&w);
}

void
device_entered(struct member *m)
{
	const struct view *v = &m->view;

	m->device_due = false;
	if (!v->primary || !v->device)
		return;
	/* It answers: whatever made this node wait is over. */
	m->device_pause = PAUSE_MIN_US;
	/* It is on the disk with the view (enter_primary()). */
	m->stored.told = v->epoch;
	/* Who has recorded it knows all that was forgotten, if it is. */
	if (m->device_epoch != v->epoch)
		device_expect(&m->device, v->epoch, 0);
}

void
device_ready(struct member *m, const struct view *v)
{
	if (!v->primary || !v->device || m->coord == m->self)
		return;
#if MUTANT == 327
	return;
#endif
	/* It is on the disk with the attempt. */
	m->stored.asked = v->epoch;
	device_expect(&m->device, 0, v->epoch);
}

/* It was asked for this view, and has not been made anew since. */
static bool
knows_view(const struct member *m)
{
	return m->device_epoch == m->view.epoch &&
	    (!m->view.primary || !m->device.blank);
}

/*
 * The device was made anew, and has no vote before it has been told of a view
 * that has quorum without it.  A view that needs its vote has the one of the
 * old device, and would be given up for nothing.
 */
static bool
would_lose(const struct member *m)
{
	static const struct vote_nodes none;
	struct vote_nodes here = { .n = 0 };
	struct tally t;
	unsigned i;

	if (!m->view.primary || !m->device.blank)
		return false;
	for (i = 0; i < m->view.n; i++)
		vote_add(&here, m->view.members[i].node);
	return !electorate_wins(&m->view.elect, &here, &none, &t) &&
	    !electorate_whole(&m->view.elect, &here);
}

/*
 * The view was formed before the device had answered.  Without it votes may be
 * missing; and a device that is never told what happens has no vote (E5).  Each
 * view that comes out of this without it makes the next attempt rarer.
 */
void
device_missed(struct member *m, struct bus *bus)
{
	if (!device_exists(&m->device) || m->phase != PH_STEADY ||
	    m->want_coord != m->self || m->round.state != ROUND_NONE)
		return;
	if (knows_view(m)) {
		m->device_pause = PAUSE_MIN_US;
		return;
	}
	if (m->device_view != m->view.epoch) {
		m->device_view = m->view.epoch;
		m->device_since = bus->now;
		m->device_pause = MAX(m->device_pause, PAUSE_MIN_US);
		m->device_at = bus->now + m->device_pause;
		m->device_pause = MIN(2 * m->device_pause, PAUSE_MAX_US);
		device_poll(&m->device, m->device_at);
	}
	if (bus->now < m->device_at || !m->device.works || would_lose(m))
		return;
	/* It worked before, and may hang by now: everybody would wait for it. */
	if (m->device.answered_at < m->device_since)
		return;
	m->reelect = m->device_due = true;
	member_set_cause(m, "the quorum device can be asked");
}

void
member_device(const struct member *m, struct device_info *info)
{
	const struct device *d = &m->device;

	info->answered = d->answered;
	info->works = d->works;
	info->blank = d->blank;
	info->answered_at = d->answered_at;
	strlcpy(info->why, d->why, sizeof(info->why));
}

void
round_device(struct member *m, struct bus *bus)
{
	struct device *d = &m->device;
	struct round *rd = &m->round;

	if (rd->state == ROUND_NONE || d->epoch != rd->epoch)
		return;
	if (d->state == DEVICE_REFUSED &&
	    (rd->state == ROUND_FLUSH || rd->records)) {
		m->stored_floor = MAX(m->stored_floor, d->floor);
		round_abort(m, m->conf->heartbeat_us / 2, bus);
	} else if (rd->state == ROUND_FLUSH && round_all_answered(rd) &&
	    !device_awaited(m, bus))
		round_flushed(m, bus);
	else if (rd->state == ROUND_READY && rd->records &&
	    d->state == DEVICE_FAILED)
		round_abort(m, 0, bus);
	else if (rd->state == ROUND_READY && d->state == DEVICE_RECORDED)
		round_commit(m, bus);
}
