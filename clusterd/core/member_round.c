/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The coordinator's side of a view change: one round.
 *
 *   NONE  -start->              FLUSH  PROPOSE to all we want
 *   FLUSH -FLUSH from all->     READY  decide, INSTALL to all
 *   READY -READY from all->     NONE   COMMIT to all
 *   FLUSH, READY -NACK, a member lost, time is up-> NONE, and a later try
 *
 * What is decided depends on the answers only:
 *   - the state comes from the newest primary view that an answer names; who
 *     has no part in it joins fresh;
 *   - the cut is the last position of that view's order that anybody holds,
 *     be it one who has no part in it;
 *   - the view is primary if the votes are there (member_vote.c), and
 *     wait_for_all is over once any member has been in a primary view.
 *
 * clusterd-protocol(7), sections 6.4 to 6.6.
 */

#include <stdio.h>

#include "member_internal.h"

/* Positions of a cluster that starts from nothing, by its first epoch. */
#define SCRATCH_SHIFT 32

#define REFUSALS 12 /* in a row, until we go on without that node */

uint64_t
member_step_limit(const struct conf *conf)
{
	return 2 * conf->failure_timeout_us;
}

static uint64_t
step_limit(const struct member *m)
{
	return member_step_limit(m->conf);
}

/*
 * Whose engine is stalled while its machine answers has as long in a view change
 * as outside of one; it would be fenced for a pause of a second.
 */
static void
step_begins(struct member *m, uint64_t now)
{
	m->round.deadline = now + step_limit(m);
	m->round.limit = now + MAX(step_limit(m), m->conf->stall_timeout_us);
}

static void
clear_round(struct round *rd)
{
	unsigned i;

	for (i = 0; i < CONF_NODES_MAX; i++) {
		free(rd->blobs[i]);
		rd->blobs[i] = NULL;
		rd->answered[i] = false;
	}
	rd->told = rd->records = false;
	rd->device_until = UINT64_MAX;
	rd->state = ROUND_NONE;
}

void
round_abort(struct member *m, uint64_t retry_after, struct bus *bus)
{
	if (m->round.state == ROUND_NONE)
		return;
	clear_round(&m->round);
	m->round.attempt++;
	m->retry_at = bus->now + retry_after;
	if (retry_after > 0)
		m->retry_at += rng_below(bus->rng, retry_after);
	m->act_at = UINT64_MAX;
}

static void
to_all(const struct round *rd, const struct wbuf *w, struct bus *bus)
{
	unsigned i;

	ASSERT(!w->err);
	for (i = 0; i < rd->members.n; i++)
		member_send(bus, rd->members.v[i].node, w);
}

/*
 * Another node may have noticed first: its status made us leave out a member
 * about whom we have seen nothing ourselves.
 */
static void
default_cause(const struct member *m, char *cause, size_t size)
{
	const struct view *v = &m->view;
	unsigned i;

	for (i = 0; m->have_view && i < v->n; i++) {
		if (set_has(&m->want, v->members[i].node, v->members[i].inc))
			continue;
		snprintf(cause, size, "not everybody hears node %u any more",
		    v->members[i].node);
		return;
	}
	strlcpy(cause, "nodes were heard", size);
}

void
round_start(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	uint64_t epoch = MAX(m->promised, m->view.epoch);
	struct wbuf w;
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].up && m->peers[i].known)
			epoch = MAX(epoch, m->peers[i].st.promised);
	}
	epoch = MAX(epoch, device_promised(&m->device));
	epoch = MAX(epoch, m->stored_floor) + 1;
	clear_round(rd);
	rd->state = ROUND_FLUSH;
	rd->epoch = epoch;
	rd->members = m->want;
	step_begins(m, bus->now);
	if (m->cause[0] != '\0')
		strlcpy(rd->cause, m->cause, sizeof(rd->cause));
	else
		default_cause(m, rd->cause, sizeof(rd->cause));
	m->act_at = UINT64_MAX;
	member_use_epoch(m, epoch, bus);
	wbuf_init(&w, 4096);
	wbuf_u8(&w, MM_PROPOSE);
	wbuf_u64(&w, epoch);
	put_set(&w, &rd->members);
	to_all(rd, &w, bus);
	wbuf_free(&w);
	if (device_exists(&m->device))
		device_ask(&m->device, epoch, bus);
}

/* The member's index in the running round, or -1. */
static int
round_index(const struct round *rd, const struct note *note, uint64_t epoch)
{
	unsigned i;

	if (rd->state == ROUND_NONE || epoch != rd->epoch)
		return -1;
	for (i = 0; i < rd->members.n; i++) {
		if (rd->members.v[i].node == note->node)
			return rd->members.v[i].inc == note->inc ? (int)i : -1;
	}
	return -1;
}

bool
round_all_answered(const struct round *rd)
{
	unsigned i;

	for (i = 0; i < rd->members.n; i++) {
		if (!rd->answered[i])
			return false;
	}
	return true;
}

/* The newest primary view anybody was in, this life; epoch 0: none was. */
static struct prim_id
newest_prim(const struct round *rd)
{
	struct prim_id best = rd->flush[0].prim;
	unsigned i;

	for (i = 1; i < rd->members.n; i++) {
		if (prim_cmp(&rd->flush[i].prim, &best) > 0)
			best = rd->flush[i].prim;
	}
	return best;
}

static bool
follows(const struct flush *f, const struct prim_id *prim)
{
	return prim_eq(&f->prim, prim) || prims_have(&f->pends, prim);
}

/* Who of the base view is missing now, and whether anybody saw it leave. */
static void
list_lost(const struct round *rd, const struct node_set *base, struct view *v)
{
	const struct node_set *s;
	unsigned i, j, k;

	for (i = 0; i < base->n; i++) {
		if (set_has(&rd->members, base->v[i].node, base->v[i].inc))
			continue;
		for (k = 0; k < v->nlost; k++) {
			if (v->lost[k].node == base->v[i].node)
				break;
		}
		if (k < v->nlost || k == CONF_NODES_MAX)
			continue;
		v->nlost++;
		v->lost[k].node = base->v[i].node;
		v->lost[k].inc = base->v[i].inc;
		v->lost[k].clean = false;
		for (j = 0; j < rd->members.n; j++) {
			s = &rd->flush[j].basemembers;
			for (unsigned x = 0; x < s->n; x++)
				v->lost[k].clean |= s->v[x].clean &&
				    s->v[x].node == base->v[i].node &&
				    s->v[x].inc == base->v[i].inc;
		}
	}
}

/* The newest base, and of equal ones that of who had its state. */
static unsigned
best_memory(const struct round *rd, bool whole)
{
	const struct flush *f, *b;
	unsigned i, best = CONF_NODES_MAX;
	int c;

	for (i = 0; i < rd->members.n; i++) {
		f = &rd->flush[i];
		if (whole && !f->whole)
			continue;
		b = best == CONF_NODES_MAX ? NULL : &rd->flush[best];
		c = b == NULL ? 1 : prim_cmp(&f->base, &b->base);
		if (c > 0 || (c == 0 && f->whole && !b->whole))
			best = i;
	}
	return best;
}

/*
 * Nobody has state: the last one to have been in a primary view leads.  If it
 * had not been told yet who waited for a fence, the last one who knew is asked,
 * too.
 */
static void
decide_scratch(const struct round *rd, struct install *in)
{
	struct view *v = &in->view;
	unsigned i, best = best_memory(rd, false), knew;

	v->scratch = true;
	v->leader = rd->members.v[best].node;
	for (i = 0; i < v->n; i++) {
		v->members[i].fresh = i != best;
		v->members[i].joined = v->epoch;
	}
	list_lost(rd, &rd->flush[best].basemembers, v);
	knew = best_memory(rd, true);
	if (!rd->flush[best].whole && knew < CONF_NODES_MAX)
		list_lost(rd, &rd->flush[knew].basemembers, v);
	in->cut = v->epoch << SCRATCH_SHIFT;
}

/* Who holds most of the order of prim; CONF_NODES_MAX: nobody. */
static unsigned
longest_log(const struct round *rd, const struct prim_id *prim)
{
	unsigned i, longest = CONF_NODES_MAX;

	for (i = 0; i < rd->members.n; i++) {
		if (prim_eq(&rd->flush[i].log, prim) &&
		    (longest == CONF_NODES_MAX ||
			rd->flush[i].held > rd->flush[longest].held))
			longest = i;
	}
	return longest;
}

/* Any of those who are in prim: they have the same base. */
static const struct flush *
one_of(const struct round *rd, const struct prim_id *prim)
{
	unsigned i = 0;

	while (!prim_eq(&rd->flush[i].prim, prim))
		i++;
	return &rd->flush[i];
}

/* The SYNC of its prim is in its own log. */
static bool
holds_sync(const struct flush *f)
{
	return f->has_sync && prim_eq(&f->log, &f->prim);
}

/*
 * State goes on from prim.  The longest log is everybody's: streams are in
 * order, so what one member holds is a prefix of what another does.
 */
static void
decide_state(const struct round *rd, const struct prim_id *prim,
    struct install *in)
{
	struct view *v = &in->view;
	const struct flush *f;
	unsigned i, longest = longest_log(rd, prim), leader = CONF_NODES_MAX;
	bool all_sync = rd->flush[longest].has_sync;

	in->prev = *prim;
	in->cut = rd->flush[longest].held;
	in->blob = rd->blobs[longest];
	in->bloblen = rd->flush[longest].bloblen;
	for (i = 0; i < v->n; i++) {
		f = &rd->flush[i];
		v->members[i].fresh = !follows(f, prim) ||
		    !(f->synced || holds_sync(f) || all_sync);
		v->members[i].joined =
		    prim_eq(&f->prim, prim) ? f->joined : v->epoch;
		if (!v->members[i].fresh &&
		    (leader == CONF_NODES_MAX ||
			v->members[i].joined < v->members[leader].joined))
			leader = i;
	}
	v->leader = v->members[leader].node;
	list_lost(rd, &one_of(rd, prim)->basemembers, v);
}

/* The device may know of a later view than any of them was in. */
static void
list_known(const struct round *rd, struct view *v)
{
	unsigned best = best_memory(rd, false);

	if (rd->told && v->primary &&
	    prim_cmp(&rd->memory.base, &rd->flush[best].base) > 0)
		list_lost(rd, &rd->memory.basemembers, v);
}

/*
 * Somebody who has the state of prim, or will by the longest log; or has that of
 * a view before it, and was READY for all since.
 */
static bool
has_state(const struct round *rd, const struct prim_id *prim)
{
	const struct flush *f;
	unsigned i;

	for (i = 0; i < rd->members.n; i++) {
		f = &rd->flush[i];
#if MUTANT == 813
		if (!prim_eq(&f->prim, prim))
			continue;
#endif
		if (follows(f, prim) && (f->synced || holds_sync(f)))
			return true;
	}
	i = longest_log(rd, prim);
	return i < rd->members.n && rd->flush[i].has_sync;
}

static void
decide(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	struct prim_id prim = newest_prim(rd);
	struct ballot ballot;
	struct install in;
	struct wbuf w;
	unsigned i;

	memset(&in, 0, sizeof(in));
	in.view.epoch = rd->epoch;
	in.view.n = rd->members.n;
	in.view.features = UINT64_MAX;
	for (i = 0; i < rd->members.n; i++) {
		in.view.features &= rd->flush[i].features; /* M8 */
		in.view.members[i].node = rd->members.v[i].node;
		in.view.members[i].inc = rd->members.v[i].inc;
	}
	vote_count(m, rd, prim.epoch != 0, &ballot);
	in.view.primary = ballot.primary;
	if (prim.epoch == 0 || !has_state(rd, &prim))
		decide_scratch(rd, &in);
	else
		decide_state(rd, &prim, &in);
	list_known(rd, &in.view);
	vote_fill(m, &ballot, &in.view);
	if (!in.view.primary) {
		/* The order and its past stay as they are. */
		in.view.scratch = false;
		in.view.nlost = 0;
		in.blob = NULL;
		in.bloblen = 0;
	}
	strlcpy(in.cause, rd->cause, sizeof(in.cause));
	rd->state = ROUND_READY;
	step_begins(m, bus->now);
	memset(rd->answered, 0, sizeof(rd->answered));
	wbuf_init(&w, MEMBER_MSG_MAX);
	wbuf_u8(&w, MM_INSTALL);
	put_install(&w, &in);
	to_all(rd, &w, bus);
	wbuf_free(&w);
	device_view(m, &ballot, &in.view, bus);
}

/* Does an answer know of a later primary view that left member i out? */
static bool
superseded(const struct round *rd, unsigned i)
{
	const struct flush *f = &rd->flush[i];
	unsigned j;

	for (j = 0; j < rd->members.n; j++) {
		if (prim_cmp(&rd->flush[j].base, &f->prim) > 0 &&
		    !set_has(&rd->flush[j].basemembers, rd->members.v[i].node,
			rd->members.v[i].inc))
			return true;
	}
	return rd->told && prim_cmp(&rd->memory.base, &f->prim) > 0 &&
	    !set_has(&rd->memory.basemembers, rd->members.v[i].node,
		rd->members.v[i].inc);
}

/*
 * A member with the state of an older primary view than the newest cannot
 * come along.  It will see that itself; until then it is left out.
 */
static bool
drop_stale(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	struct prim_id prim = newest_prim(rd);
	struct peer *p;
	bool found = false;
	unsigned i;

	for (i = 0; i < rd->members.n; i++) {
		if (rd->flush[i].prim.epoch == 0 ||
		    (follows(&rd->flush[i], &prim) && !superseded(rd, i)))
			continue;
		p = member_peer(m, rd->members.v[i].node);
		/* If it is us, the statuses of the others will tell us. */
		if (p != NULL)
			p->avoid_until = bus->now + step_limit(m);
		found = true;
	}
	return found;
}

void
round_flush(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	struct round *rd = &m->round;
	struct flush f;
	int i;

	i = round_index(rd, note, rbuf_u64(r));
	if (i < 0 || rd->state != ROUND_FLUSH || rd->answered[i] ||
	    !get_flush(r, &f, member_features(m, note->node)))
		return;
	rd->blobs[i] = malloc(f.bloblen + 1);
	ASSERT(rd->blobs[i] != NULL);
	memcpy(rd->blobs[i], f.blob, f.bloblen);
	f.blob = rd->blobs[i];
	rd->flush[i] = f;
	rd->answered[i] = true;
	if (round_all_answered(rd) && !device_awaited(m, bus))
		round_flushed(m, bus);
}

void
round_flushed(struct member *m, struct bus *bus)
{
	device_told(m);
	if (drop_stale(m, bus))
		round_abort(m, m->conf->heartbeat_us, bus);
	else
		decide(m, bus);
}

void
round_nack(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	uint64_t epoch = rbuf_u64(r);
	uint64_t promised = rbuf_u64(r);
	unsigned why = rbuf_u8(r);
	struct peer *p = member_peer(m, note->node);

	if (!rbuf_done(r) || promised > EPOCH_MAX ||
	    round_index(&m->round, note, epoch) < 0)
		return;
	m->stored_floor = MAX(m->stored_floor, promised);
	/*
	 * Who keeps refusing sees the world differently for longer than it
	 * takes statuses to travel: go on without it for a while.
	 */
	if (p != NULL && why != NACK_PROMISED && ++p->refusals >= REFUSALS) {
		p->refusals = 0;
		p->refused_until = bus->now + step_limit(m);
	}
	round_abort(m, m->conf->heartbeat_us / 2, bus);
}

void
round_ready(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	struct round *rd = &m->round;
	int i;

	i = round_index(rd, note, rbuf_u64(r));
	if (i < 0 || rd->state != ROUND_READY || !rbuf_done(r))
		return;
	rd->answered[i] = true;
	round_commit(m, bus);
}

void
round_commit(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	struct wbuf w;

#if MUTANT != 801
	if (!round_all_answered(rd))
		return;
#endif
	if (rd->records && m->device.state != DEVICE_RECORDED)
		return;
	wbuf_init(&w, 16);
	wbuf_u8(&w, MM_COMMIT);
	wbuf_u64(&w, rd->epoch);
	to_all(rd, &w, bus);
	wbuf_free(&w);
	clear_round(rd);
	rd->attempt = 0;
	/* Our own COMMIT is still on its way to us. */
	m->retry_at = bus->now + 1;
	m->act_at = UINT64_MAX;
}

void
round_peer_lost(struct member *m, uint16_t node, struct bus *bus)
{
	const struct round *rd = &m->round;
	unsigned i;

	if (rd->state == ROUND_NONE)
		return;
	for (i = 0; i < rd->members.n; i++) {
		if (rd->members.v[i].node == node) {
			round_abort(m, 0, bus);
			return;
		}
	}
}

/* All are READY; the device has as long as the configuration gives it. */
static bool
device_alone_is_late(const struct member *m)
{
	const struct round *rd = &m->round;

#if MUTANT == 342
	return false;
#endif
	return rd->state == ROUND_READY && rd->records &&
	    round_all_answered(rd) && device_pending(&m->device, rd->epoch);
}

/* It answers nothing, and there is a reason for it that may pass. */
static bool
stalls(const struct member *m, const struct peer *p, uint64_t now)
{
	uint64_t failure = m->conf->failure_timeout_us;

	return p != NULL && p->up && now < m->round.limit &&
	    (p->stalled || (p->runs_at != 0 && now < p->runs_at + failure));
}

static bool
any_stalls(struct member *m, uint64_t now)
{
	const struct round *rd = &m->round;
	unsigned i;

#if MUTANT == 816
	return false;
#endif
	for (i = 0; i < rd->members.n; i++) {
		if (!rd->answered[i] &&
		    stalls(m, member_peer(m, rd->members.v[i].node), now))
			return true;
	}
	return false;
}

/* Those who did not answer in time are left out of the next attempt. */
void
round_timer(struct member *m, struct bus *bus)
{
	struct round *rd = &m->round;
	struct peer *p;
	unsigned i;

	if (rd->state == ROUND_NONE)
		return;
	if (bus->now >= rd->device_until) {
		round_flushed(m, bus);
		return;
	}
	if (bus->now < rd->deadline)
		return;
	if (device_alone_is_late(m)) {
		rd->deadline = m->device.deadline + 1;
		return;
	}
	if (any_stalls(m, bus->now)) {
		rd->deadline = bus->now + m->conf->heartbeat_us;
		return;
	}
	for (i = 0; i < rd->members.n; i++) {
		if (rd->answered[i])
			continue;
		p = member_peer(m, rd->members.v[i].node);
		if (p == NULL)
			continue;
#if MUTANT != 814
		p->avoid_until = bus->now + 2 * step_limit(m);
#endif
		m->device_due = false;
		bus_event(bus, EVK_VIEW, EVL_WARN,
		    "node %u: left out of the next view, because it did not "
		    "answer the proposal of view %llu within %llu ms",
		    p->node, (unsigned long long)rd->epoch,
		    (unsigned long long)(step_limit(m) / 1000));
	}
	round_abort(m, 0, bus);
}
