/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Membership.  Nodes that hear each other tell each other what they are
 * (status); from the statuses each finds the set it wants to form a view
 * with and that set's coordinator (member_graph.c); the coordinator runs a
 * round of three exchanges (member_round.c) to which all, itself included,
 * answer as participants (member_part.c).  A failure detector that errs
 * costs a view change, never agreement.
 *
 * A proposal is named by its epoch alone: a node promises an epoch at most
 * once, so two views with one epoch have no member in common, and (epoch,
 * leader) names a view.  A view is installed only after every member could
 * install it.
 *
 * Only primary views carry state.  Whoever was in one and finds a later one
 * without it must die and come back as a new incarnation, because its locks
 * and mounts are being given away.  Views that are not primary change no
 * state: when all who were cut off meet again before anybody went on, they go
 * on together as if nothing had happened.
 *
 * A session that breaks loses messages.  Between two members of a primary
 * view that calls for a new view, even of the same members: it starts every
 * exchange anew.  Until then neither says anything else to the other.
 *
 * Invariants:
 *   M1  the epochs of the views of a node strictly grow, also across lives;
 *   M2  a node is in each of its views, in its own incarnation;
 *   M3  equal (epoch, leader) means equal members and incarnations;
 *   M4  consecutive primary views share a member that had the state;
 *   M5  a node that was in a primary view is never in a later one after
 *       missing one in between;
 *   M6  no epoch is used that is not reserved on disk;
 *   M7  what is kept of the last look, its next moment, how many are held
 *	 back and who hears whom, is what looking again would find;
 *   M8  a view has exactly the features that all of its members have.
 *
 * clusterd-protocol(7), section 6.
 */

#include <stdarg.h>
#include <stdio.h>

#include "member_internal.h"

/* Joins are gathered for so long, losses for so long. */
#define JOIN_DELAY_US UINT64_C(200000)
#define LOSS_DELAY_US UINT64_C(20000)

const struct view_member *
view_find(const struct view *v, uint16_t node)
{
	unsigned i;

	for (i = 0; i < v->n; i++) {
		if (v->members[i].node == node)
			return &v->members[i];
	}
	return NULL;
}

void
view_voters(const struct view *v, struct vote_nodes *voters)
{
	unsigned i;

	voters->n = 0;
	for (i = 0; i < v->n; i++)
		vote_add(voters, v->members[i].node);
	if (v->device)
		vote_add(voters, VOTER_DEVICE);
}

bool
view_has(const struct view *v, uint16_t node, uint64_t inc)
{
	const struct view_member *vm = view_find(v, node);

	return vm != NULL && vm->inc == inc;
}

bool
view_forks(const struct view *v)
{
#if MUTANT == 404
	return false;
#endif
	/* With nobody else there is nobody who might judge otherwise. */
	return v->primary && (v->n == 1 || (v->features & FEATURE_FORK) != 0) &&
	    (v->tally.rule == VOTE_TWO_NODE || v->tally.rule == VOTE_OVERRIDE);
}

struct member *
member_new(const struct conf *conf, uint16_t self, uint64_t inc,
    const struct member_stored *stored)
{
	struct member *m = calloc(1, sizeof(*m));
	const struct conf_node *cn;
	unsigned i;

	if (m == NULL)
		return NULL;
	m->conf = conf;
	m->self = self;
	m->inc = inc;
	m->stored = *stored;
	/* Nothing of an earlier life is accepted again (M1). */
	m->promised = m->stored_floor = stored->epoch;
	m->need_since = m->act_at = m->look_at = UINT64_MAX;
	m->round.device_until = UINT64_MAX;
	m->features = WIRE_FEATURES;
	device_init(&m->device, conf, self);
	STAILQ_INIT(&m->chain);
	STAILQ_INIT(&m->todo);
	wbuf_init(&m->said, MEMBER_MSG_MAX);
	for (i = 0; i < conf->nnodes; i++) {
		cn = &conf->nodes[i];
		if (cn->id == self) {
			m->votes = cn->votes;
			continue;
		}
		m->peers[m->npeers].node = cn->id;
		m->peers[m->npeers].votes = cn->votes;
		m->npeers++;
	}
	return m;
}

void
member_lack(struct member *m, uint64_t features)
{
	m->features &= ~features;
}

static void
free_installs(struct install_list *list)
{
	struct install *in;

	while ((in = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		install_free(in);
	}
}

void
member_free(struct member *m)
{
	unsigned i;

	if (m == NULL)
		return;
	free_installs(&m->chain);
	free_installs(&m->todo);
	install_free(m->next);
	for (i = 0; i < CONF_NODES_MAX; i++)
		free(m->round.blobs[i]);
	wbuf_free(&m->said);
	free(m);
}

struct peer *
member_peer(struct member *m, uint16_t node)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].node == node)
			return &m->peers[i];
	}
	return NULL;
}

uint64_t
member_features(struct member *m, uint16_t node)
{
	const struct peer *p = member_peer(m, node);

	return m->features & (p == NULL ? m->features : p->features);
}

void
member_send(struct bus *bus, uint16_t node, const struct wbuf *w)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_SEND, w->data, w->len);
	n->node = node;
	n->chan = CHAN_MEMBER;
}

/* Reserves a block of epochs on disk before one of it is used (M6). */
void
member_use_epoch(struct member *m, uint64_t epoch, struct bus *bus)
{
	if (epoch <= m->stored.epoch)
		return;
#if MUTANT != 862
	m->stored.epoch = epoch + EPOCH_BLOCK;
#endif
	bus_note(bus, NOTE_STORE, NULL, 0);
}

void
member_set_cause(struct member *m, const char *fmt, ...)
{
	va_list ap;

	/* The first cause of a change is the one people ask for. */
	if (m->cause[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(m->cause, sizeof(m->cause), fmt, ap);
	va_end(ap);
}

void
member_base(const struct member *m, struct node_set *s)
{
	struct node_inc *ni;
	unsigned i;

	for (i = 0; i < m->stored.n; i++) {
		ni = set_add(s, m->stored.members[i].node,
		    m->stored.members[i].inc);
		ni->clean = m->stored.members[i].clean;
		ni->victim = m->stored.members[i].victim;
		ni->left = m->stored.members[i].left;
	}
}

uint64_t
member_left(const struct member *m)
{
	unsigned i;

	for (i = 0; m->stopped && i < m->stored.n; i++) {
		if (m->stored.members[i].node == m->self &&
		    m->stored.members[i].inc == m->inc &&
		    m->stored.members[i].left)
			return m->stored.prim_epoch;
	}
	return 0;
}

static void
fill_status(const struct member *m, struct status *st)
{
	const struct peer *p;
	unsigned i;

	memset(st, 0, sizeof(*st));
	st->epoch = m->view.epoch;
	st->leader = m->view.leader;
	st->primary = m->phase == PH_STEADY && m->view.primary;
	st->promised = m->promised;
	st->need = member_unsettled(m);
	st->leaving = m->stopped;
	st->left = member_left(m) != 0;
	st->synced = m->synced;
	st->joined = m->joined;
	st->prim = m->prim;
	part_pends(m, &st->pends);
	st->votes = m->want_votes;
	st->coord = m->want_coord;
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if (p->up && m->now >= m->quiet_until &&
		    !member_held(m, p, m->now))
			set_add(&st->hears, p->node, p->inc);
	}
	st->base.epoch = m->stored.prim_epoch;
	st->base.leader = m->stored.prim_leader;
	member_base(m, &st->members);
}

/* Tells everybody who does not know yet. */
static void
publish(struct member *m, struct bus *bus)
{
	struct status st;
	struct wbuf w;
	bool changed;
	unsigned i;

	/* Halfway into a view we are neither here nor there. */
	if (m->phase == PH_APPLY)
		return;
	fill_status(m, &st);
	wbuf_init(&w, MEMBER_MSG_MAX);
	put_status(&w, &st);
	ASSERT(!w.err);
	changed =
	    w.len != m->said.len || memcmp(w.data, m->said.data, w.len) != 0;
	for (i = 0; i < m->npeers; i++) {
		if (!m->peers[i].up || (m->peers[i].told && !changed))
			continue;
		m->peers[i].told = true;
		member_send(bus, m->peers[i].node, &w);
	}
	wbuf_free(&m->said);
	m->said = w;
}

/*
 * How long to gather before acting: losses hurt, joins can wait a little.  Who
 * is heard and not wanted is no loss: it may only not have heard a newcomer yet,
 * and be thrown out for a heavier one that it gets on well with in a moment.
 */
static uint64_t
gather_time(struct member *m)
{
	const struct view_member *vm;
	const struct peer *p;
	unsigned i;

	if (m->want.n == m->npeers + 1)
		return 0;
	if (m->phase == PH_WEDGED || m->phase == PH_READY)
		return LOSS_DELAY_US;
	for (i = 0; i < m->view.n; i++) {
		vm = &m->view.members[i];
		p = member_peer(m, vm->node);
#if MUTANT == 812
		if (!set_has(&m->want, vm->node, vm->inc))
			return LOSS_DELAY_US;
#endif
		if (p != NULL && (!p->up || p->inc != vm->inc))
			return LOSS_DELAY_US;
	}
#if MUTANT == 815
	return 0;
#endif
	return MAX(JOIN_DELAY_US, 2 * m->conf->heartbeat_us);
}

static bool
discovering(const struct member *m, uint64_t now)
{
	return !m->have_view && now < m->start_at && m->want.n < m->npeers + 1;
}

/* An engine that is stalled has its time in each step (member_round.c). */
static uint64_t
stall_limit(const struct member *m)
{
	const struct peer *p;
	unsigned i;

#if MUTANT == 817
	return 0;
#endif
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if (p->up && (p->stalled || p->runs_at > m->need_since))
			return 2 * m->conf->stall_timeout_us;
	}
	return 0;
}

/*
 * A coordinator may wait for the quorum device as long as that is given: once
 * for its memory, and once for its record.
 */
static uint64_t
coordinator_limit(const struct member *m)
{
	uint64_t t = 8 * m->conf->failure_timeout_us;

	t += stall_limit(m);
#if MUTANT == 340
	return t;
#endif
	return device_exists(&m->device) ? t + 2 * m->conf->qdevice.timeout_us :
					   t;
}

/*
 * A coordinator that is wanted and does nothing for long is passed over:
 * it lives, but something in it, or between it and others, does not work.
 */
static void
pass_over(struct member *m, struct bus *bus)
{
	struct peer *p = member_peer(m, m->want_coord);

	if (p == NULL || m->need_since == UINT64_MAX ||
	    bus->now < m->need_since + coordinator_limit(m))
		return;
	bus_event(bus, EVK_VIEW, EVL_WARN,
	    "node %u: passed over as coordinator, because it formed no view "
	    "for %llu ms",
	    p->node, (unsigned long long)((bus->now - m->need_since) / 1000));
	p->avoid_until = bus->now + 8 * m->conf->failure_timeout_us;
	m->need_since = bus->now;
	member_survey(m, bus->now);
}

/* Looks at everything anew; called after whatever may have changed it. */
static void
evaluate(struct member *m, struct bus *bus)
{
	uint64_t at;

	if (!m->started || m->stopped || m->phase == PH_APPLY)
		return;
	member_survey(m, bus->now);
	if (bus->now < m->quiet_until || discovering(m, bus->now))
		return;
	if (!member_needs(m, bus->now)) {
		m->act_at = m->need_since = UINT64_MAX;
		m->cause[0] = '\0';
		return;
	}
	if (m->need_since == UINT64_MAX)
		m->need_since = bus->now;
	pass_over(m, bus);
	if (m->want_coord != m->self) {
		m->act_at = UINT64_MAX;
		return;
	}
	if (m->round.state != ROUND_NONE)
		return;
	at = MAX(bus->now + gather_time(m), m->retry_at);
	m->act_at = MIN(m->act_at, at);
	if (m->act_at <= bus->now)
		round_start(m, bus);
}

static void
peer_up(struct member *m, struct peer *p, const struct note *note,
    struct bus *bus)
{
	p->stalled = false;
	if (p->inc != note->inc) {
		p->refusals = 0;
		p->avoid_until = p->refused_until = 0;
	}
	/* What the operator vouched for is not so. */
	m->force = FORCE_NONE;
	p->up = true;
	p->known = p->told = p->hears_us = false;
	p->inc = note->inc;
	p->features = note->seq;
	memset(&p->st, 0, sizeof(p->st));
#if MUTANT != 852
	member_heard(m);
#endif
	member_set_cause(m, "node %u was heard", p->node);
	bus_event(bus, EVK_NODE, EVL_INFO,
	    "node %u: heard, a session with incarnation %llu stands", p->node,
	    (unsigned long long)p->inc);
	hold_heard(m, p, bus);
}

/* Was it with us in the primary view that we still live by? */
static bool
shares_primary(const struct member *m, uint16_t node, uint64_t inc)
{
	unsigned i;

	if (m->prim.epoch == 0)
		return false;
	for (i = 0; i < m->stored.n; i++) {
		if (m->stored.members[i].node == node)
			return m->stored.members[i].inc == inc &&
			    !m->stored.members[i].victim;
	}
	return false;
}

static void
peer_down(struct member *m, struct peer *p, const struct note *note, bool clean,
    const char *why, struct bus *bus)
{
	if (!p->up || p->inc != note->inc)
		return;
	hold_lost(m, p, clean);
	p->up = p->known = false;
	p->torn = shares_primary(m, p->node, p->inc);
#if MUTANT == 802
	p->torn = false;
#endif
	m->cause[0] = '\0';
	m->device_due = false; /* what follows is urgent */
	member_set_cause(m, "node %u was lost (%s)", p->node, why);
	bus_event(bus, EVK_NODE, EVL_WARN, "node %u: lost, because %s", p->node,
	    why);
	round_peer_lost(m, p->node, bus);
}

static void
peer_gone(struct member *m, struct peer *p, const struct note *note,
    struct bus *bus)
{
	bool clean = note->code == 1;
	unsigned i;

	for (i = 0; clean && i < m->stored.n; i++) {
		if (m->stored.members[i].node == note->node &&
		    m->stored.members[i].inc == note->inc) {
			m->stored.members[i].clean = true;
			bus_note(bus, NOTE_STORE, NULL, 0);
		}
	}
	peer_down(m, p, note, clean,
	    clean ? "it said goodbye" : "a newer incarnation of it was heard",
	    bus);
}

/*
 * A later primary view without us exists, or existed before those who were
 * in it restarted: our state is worth nothing.  What we were READY for counts
 * like what we installed, since the others may have, and have lost us with
 * it.
 */
static void
see_exclusion(struct member *m, const struct peer *p, struct bus *bus)
{
	struct prim_list pends;
	struct prim_id ours = m->prim;
	char why[160];
	unsigned i;

	part_pends(m, &pends);
	for (i = 0; i < pends.n; i++) {
		if (prim_cmp(&pends.v[i], &ours) > 0)
			ours = pends.v[i];
	}
	if (ours.epoch == 0 || prim_cmp(&p->st.base, &ours) <= 0 ||
	    set_has(&p->st.members, m->self, m->inc))
		return;
	snprintf(why, sizeof(why),
	    "the others formed primary view %llu without this incarnation",
	    (unsigned long long)p->st.base.epoch);
#if MUTANT == 803
	return;
#endif
	bus_note(bus, NOTE_DIE, why, strlen(why) + 1);
}

/* A status may have come before the view that it shows to be over. */
static void
see_exclusions(struct member *m, struct bus *bus)
{
	const struct peer *p;

#if MUTANT == 808
	return;
#endif
	for (p = m->peers; p < m->peers + m->npeers; p++) {
		if (p->up && p->known)
			see_exclusion(m, p, bus);
	}
}

static void
got_status(struct member *m, const struct note *note, struct rbuf *r,
    struct bus *bus)
{
	struct peer *p = member_peer(m, note->node);
	struct status st;

	if (p == NULL || !p->up || p->inc != note->inc || !get_status(r, &st))
		return;
	/* It refused us for what it did not know: now it may know more. */
	if ((p->refusals > 0 || p->refused_until > bus->now) &&
	    !set_eq(&p->st.hears, &st.hears)) {
		p->refusals = 0;
#if MUTANT != 809
		p->refused_until = 0;
#endif
		m->retry_at = bus->now;
	}
	member_learn(m, p, &st);
	if (st.leaving) {
		member_set_cause(m, "node %u leaves", p->node);
		vote_status(m, p->node, p->inc, &st);
	}
	see_exclusion(m, p, bus);
}

static void
message(struct member *m, const struct note *note, struct bus *bus)
{
	struct rbuf r;

	rbuf_init(&r, note->data, note->len);
	switch (rbuf_u8(&r)) {
	case MM_STATUS:
		got_status(m, note, &r, bus);
		break;
	case MM_PROPOSE:
		part_propose(m, note, &r, bus);
		break;
	case MM_NACK:
		round_nack(m, note, &r, bus);
		break;
	case MM_FLUSH:
		round_flush(m, note, &r, bus);
		break;
	case MM_INSTALL:
		part_install(m, note, &r, bus);
		break;
	case MM_READY:
		round_ready(m, note, &r, bus);
		break;
	case MM_COMMIT:
		part_commit(m, note, &r, bus);
		break;
	default:
		/* A newer peer may say more; what we lack we do not need. */
		break;
	}
}

/* The next moment at which looking again could change something. */
static uint64_t
next_look(const struct member *m)
{
	const struct peer *p;
	uint64_t d = m->act_at;
	unsigned i;

	if (!m->started || m->stopped)
		return UINT64_MAX;
	if (m->quiet_until > m->now)
		d = MIN(d, m->quiet_until);
	if (m->start_at > m->now)
		d = MIN(d, m->start_at);
	if (m->round.state != ROUND_NONE)
		d = MIN(d, MIN(m->round.deadline, m->round.device_until));
	d = MIN(d, device_deadline(&m->device));
	if (m->device_at > m->now)
		d = MIN(d, m->device_at);
	if (m->need_since != UINT64_MAX && m->want_coord != m->self)
		d = MIN(d, m->need_since + coordinator_limit(m));
	if (m->settled_at > m->now)
		d = MIN(d, m->settled_at);
	for (i = 0; i < m->npeers; i++) {
		p = &m->peers[i];
		if (p->avoid_until > m->now)
			d = MIN(d, p->avoid_until);
		if (p->refused_until > m->now)
			d = MIN(d, p->refused_until);
		if (p->up && p->held_until > m->now)
			d = MIN(d, p->held_until);
	}
	return d;
}

/*
 * Ends every entry that may have changed something: what each step of the
 * node asks for is computed when it changes (M7).
 */
static void
done(struct member *m, bool looked)
{
	m->look_at = next_look(m);
	m->nheld = hold_count(m);
	m->looked = looked;
}

/* Looks at a note; false: it is not about us. */
static bool
take_note(struct member *m, const struct note *note, struct bus *bus)
{
	struct peer *p = member_peer(m, note->node);

	switch (note->type) {
	case NOTE_PEER_UP:
		if (p != NULL)
			peer_up(m, p, note, bus);
		break;
	case NOTE_PEER_DOWN:
		if (p != NULL)
			peer_down(m, p, note, false,
			    note->len > 0 ? (const char *)note->data :
					    "its session broke",
			    bus);
		break;
	case NOTE_PEER_GONE:
		if (p != NULL)
			peer_gone(m, p, note, bus);
		break;
	case NOTE_PEER_RUNS:
		if (p == NULL)
			return false;
		p->stalled = !note->ok;
		p->runs_at = bus->now;
		break;
	case NOTE_MESSAGE:
		message(m, note, bus);
		break;
	case NOTE_FLUSHED:
		part_flushed(m, note, bus);
		break;
	case NOTE_TRIMMED:
		part_trimmed(m, note, bus);
		break;
	case NOTE_CLEAR:
		part_clear(m, note, bus);
		break;
	case NOTE_QUORUM:
		part_quorum(m, note, bus);
		if (m->phase == PH_STEADY)
			see_exclusions(m, bus);
		break;
	case NOTE_SYNCED:
		m->synced = true;
		m->sync_epoch = note->seq;
		if (m->stored.prim_epoch == m->sync_epoch)
			part_table_says(m, bus);
		m->reelect = vote_outdated(m);
		break;
	case NOTE_VOTE_WISH:
		/* One that came as its view ended is over with it. */
		if (m->phase == PH_APPLY)
			return false;
		memcpy(&m->wish, note->ref, sizeof(m->wish));
		m->reelect = vote_outdated(m);
		member_set_cause(m, "the operator changes votes");
		break;
	case NOTE_REQUEST:
		vote_command(m, note, bus);
		break;
	case NOTE_DEVICE_DONE:
		device_note(&m->device, note, bus);
		round_device(m, bus);
		device_missed(m, bus);
		break;
	default:
		return false;
	}
	return true;
}

void
member_note(struct member *m, const struct note *note, struct bus *bus)
{
	bool ours;

	m->now = bus->now;
	ours = take_note(m, note, bus);
	if (ours)
		evaluate(m, bus);
	if (ours && m->started)
		publish(m, bus);
#if MUTANT == 851
	if (note->type == NOTE_PEER_DOWN)
		return;
#endif
	done(m, ours && m->started);
}

void
member_start(struct member *m, uint64_t from, struct bus *bus)
{
	m->started = true;
	m->now = bus->now;
	m->quiet_until = from;
	m->start_at = from + 3 * m->conf->heartbeat_us;
	if (from > bus->now)
		bus_event(bus, EVK_VIEW, EVL_WARN,
		    "this node is in no view for %llu ms yet, because "
		    "failure_timeout in cluster.yaml was longer when it ran "
		    "before, and others may rely on it for that long",
		    (unsigned long long)((from - bus->now) / 1000));
	member_set_cause(m, "this node started");
	member_use_epoch(m, m->stored.epoch + 1, bus);
#if MUTANT != 326
	device_expect(&m->device, m->stored.told, m->stored.asked);
#endif
	device_start(&m->device, m->stored.epoch, bus);
	evaluate(m, bus);
	done(m, false);
}

void
member_stop(struct member *m, struct bus *bus)
{
	/* Nothing else was agreed to: then the next view is not our affair. */
	bool left = m->phase == PH_STEADY && m->view.primary &&
	    m->nchain == 0 && m->stored.attempts.n == 0;
	unsigned i;

	m->stopped = true;
	for (i = 0; i < m->stored.n; i++) {
		if (m->stored.members[i].node != m->self ||
		    m->stored.members[i].inc != m->inc)
			continue;
		m->stored.members[i].clean = true;
		m->stored.members[i].left = left;
	}
	/* On disk before anybody hears of it. */
	bus_note(bus, NOTE_STORE, NULL, 0);
	publish(m, bus);
	done(m, false);
}

/* Goes on as if the time had not passed. */
void
member_overslept(struct member *m, uint64_t late)
{
	/* The others had no chance to answer us, or to form our view. */
	m->round.deadline += late;
	m->round.limit += late;
	if (m->need_since != UINT64_MAX)
		m->need_since += late;
	done(m, false);
}

/* The timer is that of the whole node: mostly there is nothing for us (M7). */
void
member_timer(struct member *m, struct bus *bus)
{
	if (!m->started || m->stopped)
		return;
	if (m->looked && bus->now < m->look_at)
		return;
	m->now = bus->now;
	device_timer(&m->device, bus);
	round_device(m, bus);
	round_timer(m, bus);
	device_missed(m, bus);
	evaluate(m, bus);
	publish(m, bus);
	done(m, true);
}

uint64_t
member_deadline(const struct member *m)
{
	return m->look_at;
}

const struct view *
member_view(const struct member *m)
{
	return m->have_view ? &m->view : NULL;
}

bool
member_synced(const struct member *m)
{
	return m->sync_epoch == m->view.epoch;
}

uint64_t
member_session(const struct member *m, uint16_t node)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].node == node)
			return m->peers[i].up ? m->peers[i].inc : 0;
	}
	return 0;
}

bool
member_whole(const struct member *m, uint16_t node)
{
	unsigned i;

	for (i = 0; i < m->npeers; i++) {
		if (m->peers[i].node == node)
			return !m->peers[i].torn;
	}
	return true;
}

const struct member_stored *
member_get_stored(const struct member *m)
{
	return &m->stored;
}

void
member_check(const struct member *m)
{
	ASSERT(m->look_at == next_look(m)); /* M7 */
	ASSERT(m->nheld == hold_count(m));  /* M7 */
	graph_check(m);			    /* M7 */
	if (!m->have_view)
		return;
#if MUTANT != 861
	ASSERT(view_has(&m->view, m->self, m->inc)); /* M2 */
#endif
	ASSERT(m->view.epoch <= m->promised); /* M1 */
#if MUTANT != 862
	ASSERT(m->promised <= m->stored.epoch); /* M6 */
#endif
	ASSERT(m->prim.epoch <= m->view.epoch);
	ASSERT(!m->view.primary || m->prim.epoch == m->view.epoch);
	ASSERT((m->view.features & ~m->features) == 0); /* M8 */
}
