/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Fencing: the replicated table of lost incarnations.
 *
 * A primary view that loses an incarnation without a goodbye puts it into the
 * table.  If it held nothing shared, and can take nothing now (view_forks()),
 * or a newer incarnation of its node is there already (which only starts once
 * the old one's mounts are gone), it is done at once.  Else an executor, a
 * function of the view and the number of the attempt, runs the devices
 * (fencing_run.c) and orders the result; what follows from a result is decided
 * by every member alike.
 *
 *   lost, unclean -> PENDING, or MANUAL if it has no device, or DONE
 *   PENDING -FM_RESULT ok->    DONE(POWER, AGENT)
 *   PENDING -FM_RESULT failed-> PENDING, next attempt: each level `tries`
 *                              times, then the next level, then a pause
 *   PENDING, MANUAL -FM_CONFIRM-> DONE(MANUAL)
 *   PENDING, MANUAL -newer incarnation in a view-> DONE(REJOIN)
 *
 * Invariants:
 *   F1  the table is the same on all members with state, but for times;
 *   F2  a device is started only by the executor of the attempt, in a synced
 *       primary view that the victim's incarnation is not in, and right after
 *       every member of that view has acknowledged the claim to start it;
 *   F3  at most one entry of an incarnation; a done one never changes, but an
 *	 operator's order to fence makes a new one in its place;
 *   F4  NOTE_FENCED is said once per entry, at the same point of the order;
 *   F5  an agent that runs for a settled entry is cancelled.
 *
 * clusterd-protocol(7), section 8.2.
 */

#include <stdio.h>

#include "fencing_internal.h"
#include "version.h"

struct fencing *
fencing_new(const struct conf *conf, uint16_t self, uint64_t inc,
    bool (*used)(const void *, uint16_t, uint64_t), const void *arg)
{
	struct fencing *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->conf = conf;
	f->self = self;
	f->inc = inc;
	f->used = used;
	f->used_arg = arg;
	return f;
}

void
fencing_free(struct fencing *f)
{
	free(f);
}

const char *
fencing_name(const struct fencing *f, uint16_t node, char buf[FENCING_NAME])
{
	const struct conf_node *cn = conf_node(f->conf, node);

	if (cn != NULL)
		strlcpy(buf, cn->name, FENCING_NAME);
	else
		snprintf(buf, FENCING_NAME, "%u", node);
	return buf;
}

struct victim *
fencing_find(struct fencing *f, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (f->v[i].node == node && f->v[i].inc == inc)
			return &f->v[i];
	}
	return NULL;
}

void
fencing_order(struct bus *bus, const struct wbuf *w)
{
	struct note *n;

	ASSERT(!w->err);
	n = bus_note(bus, NOTE_ORDER, w->data, w->len);
	n->service = SVC_FENCE;
}

static void
forget(struct fencing *f, const struct victim *v)
{
	size_t i = (size_t)(v - f->v);

	ASSERT(v->state == FS_DONE);
	memmove(&f->v[i], &f->v[i + 1], (f->n - i - 1) * sizeof(f->v[0]));
	f->n--;
}

/* Forgets the oldest done entries; all members do so alike. */
static void
make_room(struct fencing *f)
{
	unsigned i, done = 0, oldest = FENCING_VICTIMS_MAX;

	for (i = 0; i < f->n; i++) {
		if (f->v[i].state != FS_DONE)
			continue;
		if (oldest == FENCING_VICTIMS_MAX)
			oldest = i;
		done++;
	}
	if (done < FENCING_HISTORY && f->n < FENCING_VICTIMS_MAX)
		return;
	/* At most one entry per node is not done, so there is one. */
	ASSERT(oldest < f->n);
	forget(f, &f->v[oldest]);
}

/*
 * A later life of ours waits for its fence: then we have forgotten it, and with
 * it what it held.  Only one that comes after it proves that it is over.
 */
void
fencing_outlived(const struct fencing *f, const struct victim *v,
    struct bus *bus)
{
	char why[160];
	struct note *n;

	if (v->node != f->self || v->inc <= f->inc || v->state == FS_DONE)
		return;
	snprintf(why, sizeof(why),
	    "a later incarnation of it, %llu, waits for its fence: its state "
	    "was lost while the clock was behind",
	    (unsigned long long)v->inc);
	n = bus_note(bus, NOTE_DIE, why, strlen(why) + 1);
	n->inc = v->inc;
}

struct victim *
fencing_add(struct fencing *f, uint16_t node, uint64_t inc, struct bus *bus)
{
	struct victim *v;

	make_room(f);
	v = &f->v[f->n++];
	memset(v, 0, sizeof(*v));
	v->node = node;
	v->inc = inc;
	v->state = FS_PENDING;
	v->since = v->start_at = bus->now;
	bus_note(bus, NOTE_STORE, NULL, 0);
	fencing_outlived(f, v, bus);
	return v;
}

static void
tell_fenced(struct victim *v, enum evidence e, struct bus *bus)
{
	struct note *n;

	if (v->told) /* F4 */
		return;
	v->told = true;
	n = bus_note(bus, NOTE_FENCED, NULL, 0);
	n->node = v->node;
	n->inc = v->inc;
	n->code = e;
}

void
fencing_finish(struct fencing *f, struct victim *v, enum evidence e,
    const char *text, struct bus *bus)
{
	char said[256], name[FENCING_NAME];

	ASSERT(v->state != FS_DONE); /* F3 */
	run_cancel(f, v, bus);	     /* F5 */
	v->state = FS_DONE;
	v->evidence = e;
	v->done = bus->now;
	strlcpy(v->text, text, sizeof(v->text));
	bus_note(bus, NOTE_STORE, NULL, 0);
	tell_fenced(v, e, bus);
	if (e == EVID_HARMLESS) {
		bus_event(bus, EVK_FENCE, EVL_INFO,
		    "fence: node %u needs none, because it held nothing "
		    "shared",
		    v->node);
		return;
	}
	bus_event(bus, EVK_FENCE, EVL_INFO,
	    "fence: node %u is done after %llu ms (%s), because %s", v->node,
	    (unsigned long long)((v->done - v->since) / 1000), evidence_name(e),
	    text);
	snprintf(said, sizeof(said), "node %s is fenced (%s): %s",
	    fencing_name(f, v->node, name), evidence_name(e), text);
	cmd_answer(f, v->node, FM_REQUEST, 0, said, bus);
	cmd_answer(f, v->node, FM_CONFIRM, 0, said, bus);
}

/*
 * Who runs the devices for this attempt: the members but the victim's node,
 * in turn.
 */
void
fencing_assign(struct fencing *f, struct victim *v, struct bus *bus)
{
	const struct view_member *c[CONF_NODES_MAX];
	unsigned i, n = 0;

	for (i = 0; i < f->view.n; i++) {
		if (f->view.members[i].node != v->node)
			c[n++] = &f->view.members[i];
	}
	v->executor = 0;
	v->exec_inc = 0;
	if (n == 0 || v->state != FS_PENDING)
		return;
	v->executor = c[v->attempt % n]->node;
	v->exec_inc = c[v->attempt % n]->inc;
	v->start_at = bus->now + fencing_backoff(f, v);
	if (v->startup && v->attempt == 0)
		v->start_at = bus->now + f->conf->fence_on_join_delay_us;
}

static bool
newer_in_view(const struct view *view, uint16_t node, uint64_t inc)
{
	const struct view_member *vm = view_find(view, node);

	return vm != NULL && vm->inc > inc;
}

/*
 * A new entry: settle it now if it can be, else find who fences.  why is NULL
 * if nothing but an operator's wish asks for a fence.
 */
static void
open_entry(struct fencing *f, struct victim *v, const char *why,
    struct bus *bus)
{
	if (!v->requested && newer_in_view(&f->view, v->node, v->inc)) {
		fencing_finish(f, v, EVID_REJOIN, "a newer incarnation is back",
		    bus);
		return;
	}
	if (!v->requested && why == NULL) {
		fencing_finish(f, v, EVID_HARMLESS, "it held nothing shared",
		    bus);
		return;
	}
	if (f->conf->fence_manual || fencing_rounds(f, v) == 0) {
		v->state = FS_MANUAL;
		v->nag_at = bus->now;
		return;
	}
	bus_event(bus, EVK_FENCE, EVL_WARN,
	    "fence: node %u must be fenced, because %s", v->node,
	    v->requested ? "the operator wants it" : why);
	fencing_assign(f, v, bus);
}

/* Asked before lspace forgets; after a start nobody knows.  NULL: no reason. */
static const char *
must_be_fenced(const struct fencing *f, const struct view *view, uint16_t node,
    uint64_t inc)
{
	if (view->scratch)
		return "it was in the last view before everything stopped, and "
		       "has not come back";
#if MUTANT == 401
	return NULL;
#endif
	if (f->used(f->used_arg, node, inc))
		return "it was lost while it used a lockspace";
	if (view_forks(view))
		return "it was lost, and if it lives it goes on alone";
	return NULL;
}

static void
view_lost(struct fencing *f, const struct view *view, struct bus *bus)
{
	struct victim *v;
	unsigned i;

	for (i = 0; i < view->nlost; i++) {
		if (view->lost[i].clean)
			continue;
		v = fencing_find(f, view->lost[i].node, view->lost[i].inc);
		if (v != NULL)
			continue;
		v = fencing_add(f, view->lost[i].node, view->lost[i].inc, bus);
		v->startup = view->scratch;
		open_entry(f, v, must_be_fenced(f, view, v->node, v->inc), bus);
	}
}

/* Entries from before: who came back, and whose executor has gone. */
static void
review(struct fencing *f, struct bus *bus)
{
	struct victim *v;
	unsigned i;

	for (i = 0; i < f->n; i++) {
		v = &f->v[i];
		if (v->state == FS_DONE)
			continue;
		if (newer_in_view(&f->view, v->node, v->inc)) {
			if (!v->requested)
				fencing_finish(f, v, EVID_REJOIN,
				    "a newer incarnation is back", bus);
			else
				tell_fenced(v, EVID_REJOIN, bus);
		} else if (v->state == FS_PENDING &&
		    !view_has(&f->view, v->executor, v->exec_inc)) {
			run_cancel(f, v, bus);
			fencing_assign(f, v, bus);
		}
	}
}

static void
new_view(struct fencing *f, const struct view *view, struct bus *bus)
{
	const struct view_member *me = view_find(view, f->self);
	unsigned i;

	f->synced = f->wedged = false;
	f->primary = view->primary;
	if (!view->primary) {
		for (i = 0; i < f->n; i++) {
			/* Begun again, if the next primary view says so. */
			if (f->v[i].run.on)
				f->v[i].start_at = bus->now;
			run_cancel(f, &f->v[i], bus);
		}
		return;
	}
	f->view = *view;
	if (me->fresh) {
		f->has_state = false;
		return;
	}
	f->has_state = true;
	review(f, bus);
	view_lost(f, view, bus);
}

static void
got_result(struct fencing *f, struct victim *v, struct rbuf *r, struct bus *bus)
{
	unsigned attempt = rbuf_u32(r);
	bool ok = rbuf_u8(r) != 0;
	bool verified = rbuf_u8(r) != 0;
	char text[FENCING_TEXT];
	unsigned rounds;

	rbuf_str(r, text, sizeof(text));
	if (!rbuf_done(r) || v == NULL || v->state != FS_PENDING ||
	    attempt != v->attempt)
		return;
#if MUTANT == 402
	ok = true;
#endif
	v->run.on = false;
	if (ok) {
		fencing_finish(f, v, verified ? EVID_POWER : EVID_AGENT, text,
		    bus);
		return;
	}
	strlcpy(v->text, text, sizeof(v->text));
	rounds = fencing_rounds(f, v);
	v->attempt++;
	bus_event(bus, EVK_FENCE, EVL_WARN,
	    "fence: node %u: attempt %u failed, because %s", v->node,
	    v->attempt, text);
	if (rounds == 0) {
		v->state = FS_MANUAL;
		v->nag_at = bus->now;
	} else if (v->attempt % rounds == 0) {
		v->nag_at = bus->now;
		cmd_answer(f, v->node, FM_REQUEST, 5, text, bus);
	}
	fencing_assign(f, v, bus);
}

static void
is_fenced_already(struct fencing *f, const struct victim *v, struct bus *bus)
{
	char text[256], name[FENCING_NAME];

	snprintf(text, sizeof(text), "node %s is fenced already (%s): %s",
	    fencing_name(f, v->node, name), evidence_name(v->evidence),
	    v->text);
	cmd_answer(f, v->node, FM_REQUEST, 0, text, bus);
}

/*
 * An entry that is done is of the life that we knew last.  There may have been
 * another one since, which left or was never in a view: nobody knows that the
 * machine is off.
 */
static void
got_request(struct fencing *f, uint16_t node, struct bus *bus)
{
	const struct view_member *vm = view_find(&f->view, node);
	static const char why[] = "the operator wants this node fenced";
	struct victim *v = NULL;
	uint64_t inc = vm == NULL ? 0 : vm->inc;
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (f->v[i].node == node && f->v[i].state != FS_DONE)
			v = &f->v[i];
		else if (f->v[i].node == node && vm == NULL)
			inc = MAX(inc, f->v[i].inc);
	}
	if (v != NULL) {
		v->requested = true;
		/* What runs, or waits for its result, is not started twice. */
		if (v->state == FS_PENDING && v->start_at != UINT64_MAX)
			v->start_at = bus->now;
	} else {
		v = fencing_find(f, node, inc);
		if (v != NULL && (f->view.features & FEATURE_AGAIN) == 0) {
			is_fenced_already(f, v, bus);
			return;
		}
		if (v != NULL)
			forget(f, v);
		v = fencing_add(f, node, inc, bus);
		v->requested = true;
		open_entry(f, v, NULL, bus);
	}
	/* A live victim ends itself first, so that its loss is agreed. */
	if (node == f->self && vm != NULL && vm->inc == f->inc)
		bus_note(bus, NOTE_DIE, why, sizeof(why));
}

static void
ordered(struct fencing *f, const struct note *note, struct bus *bus)
{
	static const char leave[] = "the operator wants this node to leave";
	struct victim *v;
	struct rbuf r;
	unsigned type, attempt;
	uint16_t node;
	uint64_t inc;

	rbuf_init(&r, note->data, note->len);
	type = rbuf_u8(&r);
	node = rbuf_u16(&r);
	inc = rbuf_u64(&r);
	if (r.err || !f->has_state)
		return;
	v = fencing_find(f, node, inc);
	switch (type) {
	case FM_RESULT:
		got_result(f, v, &r, bus);
		break;
	case FM_REQUEST:
		if (rbuf_done(&r) && conf_node(f->conf, node) != NULL)
			got_request(f, node, bus);
		break;
	case FM_CONFIRM:
		if (rbuf_done(&r) && v != NULL && v->state != FS_DONE)
			fencing_finish(f, v, EVID_MANUAL,
			    "the operator confirmed that it is off", bus);
		break;
	case FM_CLAIM:
		attempt = rbuf_u32(&r);
		if (rbuf_done(&r) && v != NULL && note->node == f->self &&
		    note->inc == f->inc)
			run_claimed(f, v, attempt, bus);
		break;
	case FM_LEAVE:
		if (!rbuf_done(&r))
			break;
		cmd_answer(f, node, FM_LEAVE, 0, "the node was asked to leave",
		    bus);
		if (node == f->self && inc == f->inc)
			bus_note(bus, NOTE_LEAVE, leave, sizeof(leave));
		break;
	default:
		break;
	}
}

static void
session(struct fencing *f, const struct note *note)
{
	int i = conf_node_index(f->conf, note->node);

	if (i < 0)
		return;
	if (note->type == NOTE_PEER_UP)
		f->session[i] = note->inc;
	else if (f->session[i] == note->inc)
		f->session[i] = 0;
}

void
fencing_note(struct fencing *f, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(f, note->ref, bus);
		break;
	case NOTE_WEDGE:
		f->wedged = true;
		f->synced = false;
		break;
	case NOTE_LEASE:
		f->leased = note->ok;
		break;
	case NOTE_SYNCED:
		/* One that is delivered as its view ends is too late. */
		f->synced =
		    f->primary && !f->wedged && note->seq == f->view.epoch;
		break;
	case NOTE_ORDERED:
		ordered(f, note, bus);
		break;
	case NOTE_SNAP_WANT:
		fencing_give_snapshot(f, bus);
		break;
	case NOTE_SNAP_LOAD:
		fencing_load_snapshot(f, note, bus);
		break;
	case NOTE_PEER_UP:
	case NOTE_PEER_DOWN:
	case NOTE_PEER_GONE:
		session(f, note);
		break;
	case NOTE_REQUEST:
		cmd_request(f, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		cmd_client_gone(f, note->client);
		break;
	default:
		break;
	}
	run_start_due(f, bus);
}

bool
fencing_pending(const struct fencing *f, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (f->v[i].node == node && f->v[i].inc == inc)
			return f->v[i].state != FS_DONE;
	}
	return false;
}

void
fencing_check(const struct fencing *f)
{
	const struct victim *v;
	unsigned i, j;

	ASSERT(f->n <= FENCING_VICTIMS_MAX);
	for (i = 0; i < f->n; i++) {
		v = &f->v[i];
		for (j = 0; j < i; j++) /* F3 */
			ASSERT(
			    f->v[j].node != v->node || f->v[j].inc != v->inc);
		if (v->state == FS_DONE)
			ASSERT(v->told && !v->run.on); /* F4, F5 */
		if (v->run.on)			       /* F2 */
			ASSERT(f->primary && v->executor == f->self &&
			    v->exec_inc == f->inc &&
			    !view_has(&f->view, v->node, v->inc));
	}
}
