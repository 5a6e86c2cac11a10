/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The router.  One step takes one event, gives it to the module it is for,
 * and then routes notes, first in first out, until none is left.  Every note
 * type has its receivers in one fixed order, below; that table and the order
 * in handle_view() are what "deterministic" rests on.
 *
 * Invariants:
 *   N1  a node that is dead or stopped does nothing any more;
 *   N2  time given to the modules never falls;
 *   N3  no note outlives its step;
 *   N4  what was put off, because more events were to follow, is due at once.
 *
 *   NEW -EV_START-> RUNNING -EV_STOP-> LEAVING -lockspaces left-> STOPPED
 *   RUNNING, LEAVING -NOTE_DIE-> DEAD
 */

#include <stdio.h>

#include "../proto.h"
#include "names.h"
#include "node_internal.h"

/* A clean leave that does not get its lockspaces left by then is unclean. */
#define LEAVE_LIMIT_US UINT64_C(3000000)

enum {
	ERR_NOENT = 2
};

static bool
used_by(const void *arg, uint16_t node, uint64_t inc)
{
	return lspace_used_by(((const struct node *)arg)->lspace, node, inc);
}

static uint64_t
old_heard(const void *arg)
{
	return link_old_heard(((const struct node *)arg)->link);
}

static bool
make_modules(struct node *n, const struct node_config *nc)
{
	struct member_stored stored;

	if (nc->stored == NULL ||
	    !member_stored_decode(&stored, nc->stored, nc->storedlen))
		memset(&stored, 0, sizeof(stored));
	n->link = link_new(n->conf, n->self, n->inc, &nc->keys);
	n->member = member_new(n->conf, n->self, n->inc, &stored);
	if (n->link != NULL && n->member != NULL) {
		link_lack(n->link, nc->lacks);
		member_lack(n->member, nc->lacks);
	}
	n->lease = lease_new(n->conf, n->self, n->inc, n->link);
	n->order = order_new(n->self, n->inc);
	n->quorum = quorum_new(n->conf, n->self);
	n->fencing = fencing_new(n->conf, n->self, n->inc, used_by, n);
	n->lspace = lspace_new(n->conf, n->self, n->inc);
	n->group = group_new(n->self, n->inc);
	n->evchan = evchan_new(n->self, n->inc);
	n->levels = levels_new(n->self, n->inc);
	n->barriers = barriers_new(n->self, n->inc);
	n->kv = kv_new(n->self, n->inc);
	n->keys = keys_new(n->conf, n->self, n->inc, &nc->keys, nc->secret,
	    old_heard, n);
	n->dgrams = dgrams_new(n->conf, n->self);
	n->dlm = dlm_new(n->self, n->inc);
	n->client = client_new(n->conf, n->self);
	return n->link != NULL && n->member != NULL && n->lease != NULL &&
	    n->order != NULL && n->quorum != NULL && n->fencing != NULL &&
	    n->lspace != NULL && n->group != NULL && n->evchan != NULL &&
	    n->levels != NULL && n->barriers != NULL && n->kv != NULL &&
	    n->keys != NULL && n->dgrams != NULL && n->dlm != NULL &&
	    n->client != NULL;
}

struct node *
node_new(const struct node_config *nc)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->conf = nc->conf;
	n->self = nc->self;
	n->inc = nc->incarnation;
	n->state = NODE_NEW;
	n->next = UINT64_MAX;
	n->trace = nc->trace;
	n->trace_arg = nc->trace_arg;
	rng_seed(&n->rng, nc->seed);
	bus_init(&n->bus);
	n->bus.rng = &n->rng;
	if (!make_modules(n, nc)) {
		node_free(n);
		return NULL;
	}
	return n;
}

void
node_free(struct node *n)
{
	if (n == NULL)
		return;
	client_free(n->client);
	dlm_free(n->dlm);
	dgrams_free(n->dgrams);
	keys_free(n->keys);
	kv_free(n->kv);
	barriers_free(n->barriers);
	levels_free(n->levels);
	evchan_free(n->evchan);
	group_free(n->group);
	lspace_free(n->lspace);
	fencing_free(n->fencing);
	quorum_free(n->quorum);
	order_free(n->order);
	lease_free(n->lease);
	member_free(n->member);
	link_free(n->link);
	bus_clear(&n->bus);
	free(n);
}

static void
trace(const struct node *n, const char *line)
{
	if (n->trace != NULL)
		n->trace(n->trace_arg, line);
}

/*
 * Durable are the membership's numbers and, with the last primary view, those
 * who still wait for their fence: should everything stop now, they are dirty
 * when it starts again.
 */
static void
store(struct node *n)
{
	struct member_stored s = *member_get_stored(n->member);
	struct fencing_info fi;
	struct wbuf w;
	unsigned i, k;

	for (i = 0; fencing_info(n->fencing, i, &fi); i++) {
		for (k = 0; k < s.n && s.members[k].node != fi.node; k++)
			;
		if (fi.state == FS_DONE || k < s.n || s.n == CONF_NODES_MAX)
			continue;
		s.members[k].node = fi.node;
		s.members[k].inc = fi.inc;
		s.members[k].clean = false;
		s.members[k].victim = true;
		s.members[k].left = false;
		s.n++;
	}
	s.words = lease_words(n->lease, n->bus.now);
	wbuf_init(&w, 8192);
	member_stored_encode(&s, &w);
	ASSERT(!w.err);
	actions_add(n->bus.out, ACT_STORE, w.data, w.len);
	wbuf_free(&w);
}

static void
handle_event_note(struct node *n, const struct note *note)
{
	struct note *named;
	struct action *act;
	char text[512];

	names_put(n->conf, (const char *)note->data, text, sizeof(text));
	named = calloc(1, sizeof(*named) + sizeof(text));
	ASSERT(named != NULL);
	*named = *note;
	named->len = strlen(text) + 1;
	memcpy(named->data, text, named->len);
	client_note(n->client, named, &n->bus);
	act = actions_add(n->bus.out, ACT_EVENT, named->data, named->len);
	act->code = note->code;
	trace(n, text);
	free(named);
}

/* What is told to the services that nobody else here depends on. */
static void
services_note(struct node *n, const struct note *note)
{
	evchan_note(n->evchan, note, &n->bus);
	levels_note(n->levels, note, &n->bus);
	barriers_note(n->barriers, note, &n->bus);
	kv_note(n->kv, note, &n->bus);
	keys_note(n->keys, note, &n->bus);
	dgrams_note(n->dgrams, note, &n->bus);
}

/*
 * A new view, or its quorum.  Fencing comes before lspace: it asks which of
 * the lost had used a lockspace, and lspace is about to forget them.
 */
static void
handle_view(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	lease_note(n->lease, note, b);
	order_note(n->order, note, b);
	quorum_note(n->quorum, note, b);
	fencing_note(n->fencing, note, b);
	lspace_note(n->lspace, note, b);
	group_note(n->group, note, b);
	services_note(n, note);
	dlm_note(n->dlm, note, b);
	client_note(n->client, note, b);
	member_note(n->member, note, b);
}

static void
handle_message(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	switch (note->chan) {
	case CHAN_MEMBER:
		member_note(n->member, note, b);
		break;
	case CHAN_ORDER:
		order_note(n->order, note, b);
		break;
	case CHAN_DLM:
		dlm_note(n->dlm, note, b);
		break;
	case CHAN_CLIENT:
		dgrams_note(n->dgrams, note, b);
		break;
	default:
		break;
	}
}

/* Bytes to ourselves never see a link. */
static void
handle_send(struct node *n, const struct note *note)
{
	struct note *copy;

	if (note->node != n->self) {
		/*
		 * Something before this was lost: better nothing after it.
		 * Datagrams have counted what was lost as such.
		 */
		if (note->chan == CHAN_MEMBER || note->chan == CHAN_CLIENT ||
		    member_whole(n->member, note->node))
			link_note(n->link, note, &n->bus);
		return;
	}
	copy = bus_note(&n->bus, NOTE_MESSAGE, note->data, note->len);
	copy->node = n->self;
	copy->inc = n->inc;
	copy->chan = note->chan;
}

static void
handle_service(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	switch (note->service) {
	case SVC_FENCE:
		fencing_note(n->fencing, note, b);
		break;
	case SVC_LSPACE:
		lspace_note(n->lspace, note, b);
		break;
	case SVC_GROUP:
		group_note(n->group, note, b);
		break;
	case SVC_EVENT:
		evchan_note(n->evchan, note, b);
		break;
	case SVC_LEVEL:
		levels_note(n->levels, note, b);
		break;
	case SVC_BARRIER:
		barriers_note(n->barriers, note, b);
		break;
	case SVC_KV:
		kv_note(n->kv, note, b);
		break;
	case SVC_QUORUM:
		quorum_note(n->quorum, note, b);
		break;
	case SVC_KEYS:
		keys_note(n->keys, note, b);
		break;
	default:
		break;
	}
}

static void
handle_lock_request(struct node *n, const struct note *note)
{
	struct rbuf r;
	uint32_t lsid;

	rbuf_init(&r, note->data, note->len);
	lsid = lspace_of_client(n->lspace, note->client, rbuf_u32(&r));
	if (r.err || lsid == 0) {
		bus_client_result(&n->bus, note->client, note->msgid, ERR_NOENT,
		    "no such lockspace of this client");
		return;
	}
	dlm_request(n->dlm, lsid, note, &n->bus);
}

/* Orders about keys and votes, and those that need no quorum to be given. */
static void
handle_command(struct node *n, const struct note *note)
{
	struct rbuf r;
	char cmd[32];

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, cmd, sizeof(cmd));
	if (!r.err && strncmp(cmd, "key-", 4) == 0)
		keys_note(n->keys, note, &n->bus);
	else if (r.err || strncmp(cmd, "quorum-", 7) != 0)
		fencing_note(n->fencing, note, &n->bus);
	else if (strcmp(cmd, "quorum-unblock") == 0 ||
	    strcmp(cmd, "quorum-override") == 0)
		member_note(n->member, note, &n->bus);
	else
		quorum_note(n->quorum, note, &n->bus);
}

static void
handle_request(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	if (backlog_refuses(n, note))
		return;
	switch (note->msgtype) {
	case M_SHOW:
		show_request(n, note, b);
		break;
	case M_COMMAND:
		handle_command(n, note);
		break;
	case M_GROUP_JOIN:
	case M_GROUP_SEND:
	case M_GROUP_LEAVE:
	case M_GROUP_GIVE:
		group_note(n->group, note, b);
		break;
	case M_EVENT_SUBSCRIBE:
	case M_EVENT_UNSUBSCRIBE:
	case M_EVENT_PUBLISH:
		evchan_note(n->evchan, note, b);
		break;
	case M_LEVEL_REGISTER:
	case M_LEVEL_UNREGISTER:
	case M_LEVEL_DONE:
		levels_note(n->levels, note, b);
		break;
	case M_BARRIER_ENTER:
	case M_BARRIER_LEAVE:
		barriers_note(n->barriers, note, b);
		break;
	case M_KV_PUT:
	case M_KV_DELETE:
	case M_KV_GET:
	case M_KV_WATCH:
	case M_KV_UNWATCH:
		kv_note(n->kv, note, b);
		break;
	case M_DGRAM_OPEN:
	case M_DGRAM_CLOSE:
	case M_DGRAM_SEND:
		dgrams_note(n->dgrams, note, b);
		break;
	case M_LS_JOIN:
	case M_LS_LEAVE:
		lspace_note(n->lspace, note, b);
		break;
	case M_LOCK:
	case M_CONVERT:
	case M_UNLOCK:
	case M_CANCEL:
		handle_lock_request(n, note);
		break;
	default:
		client_note(n->client, note, b);
		break;
	}
}

static void
die(struct node *n, const struct note *note)
{
	char text[512];
	struct action *act;

	snprintf(text, sizeof(text), "node %u: goes out of service, because %s",
	    n->self, note->len > 0 ? (const char *)note->data : "it must");
	trace(n, text);
	act = actions_add(n->bus.out, ACT_EVENT, text, strlen(text) + 1);
	act->code = EVL_WARN;
	act = actions_add(n->bus.out, ACT_DIE, note->data, note->len);
	act->life = note->inc;
	n->state = NODE_DEAD;
}

static void
begin_leave(struct node *n, const char *why)
{
	if (n->state != NODE_RUNNING)
		return;
	bus_event(&n->bus, EVK_NODE, EVL_INFO, "node %u: leaves, because %s",
	    n->self, why);
	n->state = NODE_LEAVING;
	n->leave_deadline = n->bus.now + LEAVE_LIMIT_US;
	client_close_all(n->client, "the node leaves", &n->bus);
}

static void
handle_peer(struct node *n, const struct note *note)
{
	lease_note(n->lease, note, &n->bus);
	member_note(n->member, note, &n->bus);
	fencing_note(n->fencing, note, &n->bus);
	client_note(n->client, note, &n->bus);
	dgrams_note(n->dgrams, note, &n->bus);
}

static void
device_request(struct node *n, const struct note *note)
{
	struct action *act;

	act = actions_add(n->bus.out, ACT_DEVICE, note->data, note->len);
	act->req = (uint32_t)note->seq;
	act->timeout_us = n->conf->qdevice.timeout_us;
}

static void
device_done(struct node *n, const struct event *ev)
{
	struct note *note;

	note = bus_note(&n->bus, NOTE_DEVICE_DONE, ev->data, ev->len);
	note->seq = ev->req;
	note->ok = ev->ok;
}

static void
handle_synced(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	quorum_note(n->quorum, note, b);
	fencing_note(n->fencing, note, b);
	lspace_note(n->lspace, note, b);
	group_note(n->group, note, b);
	services_note(n, note);
	member_note(n->member, note, b);
}

static void
handle_client_gone(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	dlm_note(n->dlm, note, b);
	lspace_note(n->lspace, note, b);
	group_note(n->group, note, b);
	services_note(n, note);
	fencing_note(n->fencing, note, b);
	quorum_note(n->quorum, note, b);
}

/* The table of who receives what. */
static void
route(struct node *n, const struct note *note)
{
	struct bus *b = &n->bus;

	switch (note->type) {
	case NOTE_PEER_UP:
	case NOTE_PEER_DOWN:
	case NOTE_PEER_GONE:
		handle_peer(n, note);
		break;
	case NOTE_MESSAGE:
		handle_message(n, note);
		break;
	case NOTE_SEND:
		handle_send(n, note);
		break;
	case NOTE_PEER_RESET:
	case NOTE_KEYS:
		link_note(n->link, note, b);
		break;
	case NOTE_WEDGE:
		lease_note(n->lease, note, b);
		quorum_note(n->quorum, note, b);
		fencing_note(n->fencing, note, b);
		order_note(n->order, note, b);
		break;
	case NOTE_TRIM:
	case NOTE_ORDER:
	case NOTE_SNAP:
		order_note(n->order, note, b);
		break;
	case NOTE_PEER_RUNS:
	case NOTE_FLUSHED:
	case NOTE_TRIMMED:
	case NOTE_CLEAR:
	case NOTE_DEVICE_DONE:
	case NOTE_VOTE_WISH:
		member_note(n->member, note, b);
		break;
	case NOTE_VOUCH:
		lease_note(n->lease, note, b);
		break;
	case NOTE_LEASE:
		order_note(n->order, note, b);
		fencing_note(n->fencing, note, b);
		lspace_note(n->lspace, note, b);
		client_note(n->client, note, b);
		break;
	case NOTE_VIEW:
	case NOTE_QUORUM:
		handle_view(n, note);
		break;
	case NOTE_ORDERED:
	case NOTE_SNAP_LOAD:
		handle_service(n, note);
		break;
	case NOTE_SNAP_WANT:
	case NOTE_SYNCED:
		handle_synced(n, note);
		break;
	case NOTE_FENCED:
		lspace_note(n->lspace, note, b);
		break;
	case NOTE_LS:
		dlm_note(n->dlm, note, b);
		break;
	case NOTE_LS_STAGE:
		lspace_note(n->lspace, note, b);
		break;
	case NOTE_REQUEST:
		handle_request(n, note);
		break;
	case NOTE_CLIENT_GONE:
		handle_client_gone(n, note);
		break;
	case NOTE_STORE:
		store(n);
		break;
	case NOTE_DEVICE:
		device_request(n, note);
		break;
	case NOTE_LEAVE:
		if (n->state == NODE_RUNNING)
			actions_add(b->out, ACT_LEAVE, note->data, note->len);
		break;
	case NOTE_DIE:
		die(n, note);
		break;
	case NOTE_EVENT:
		handle_event_note(n, note);
		break;
	}
}

static void
drain(struct node *n)
{
	struct note *note;

	while ((note = bus_take(&n->bus)) != NULL) {
		if (n->state != NODE_DEAD)
			route(n, note);
		free(note);
	}
}

/*
 * Is the view we are in still to be believed in?  Looked at before anything is
 * done on its word, and after whatever may have changed it.
 */
static void
renew(struct node *n)
{
	if (n->state == NODE_DEAD || n->state == NODE_STOPPED)
		return;
	lease_renew(n->lease, &n->bus);
	drain(n);
	link_vouch(n->link, lease_vouches(n->lease),
	    lease_asks(n->lease, n->bus.now), n->bus.now);
}

/* Routes until no module has anything to add. */
static void
settle(struct node *n)
{
	do {
		drain(n);
		renew(n);
		if (n->state == NODE_RUNNING || n->state == NODE_LEAVING)
			order_flush(n->order, &n->bus);
	} while (n->bus.n > 0);
}

/*
 * A goodbye is a promise that this incarnation touches nothing shared any
 * more, so it is said only once every lockspace is left.
 */
static void
try_leave(struct node *n)
{
	bool busy = lspace_used_by(n->lspace, n->self, n->inc);

	if (n->state != NODE_LEAVING)
		return;
	if (busy && n->bus.now < n->leave_deadline)
		return;
	if (!busy) {
		member_stop(n->member, &n->bus);
		drain(n);
		link_flush(n->link, &n->bus);
		link_goodbye(n->link, &n->bus);
	}
	bus_event(&n->bus, EVK_NODE, busy ? EVL_WARN : EVL_INFO, "node %u: %s",
	    n->self,
	    busy ? "stops without a goodbye, because its lockspaces could "
		   "not be left in time" :
		   "has left cleanly");
	store(n);
	actions_add(n->bus.out, ACT_STOPPED, NULL, 0);
	n->state = NODE_STOPPED;
}

static void
start(struct node *n)
{
	uint64_t from;

	if (n->state != NODE_NEW)
		return;
	n->state = NODE_RUNNING;
	n->started = n->bus.now;
	from = lease_start(n->lease, n->bus.now,
	    member_get_stored(n->member)->words);
	/* Both reserve what a later life must not use again. */
	member_start(n->member, from, &n->bus);
	link_timer(n->link, &n->bus);
}

static void
timer(struct node *n)
{
	link_timer(n->link, &n->bus);
	drain(n);
	if (n->state == NODE_DEAD)
		return;
	lease_timer(n->lease, &n->bus);
	member_timer(n->member, &n->bus);
	drain(n);
	if (n->state == NODE_DEAD)
		return;
	fencing_timer(n->fencing, &n->bus);
	dlm_timer(n->dlm, &n->bus);
	keys_timer(n->keys, &n->bus);
}

static void
told_text(const struct event *ev, char *text, size_t size)
{
	size_t len = MIN(ev->len, size - 1);

	if (len > 0)
		memcpy(text, ev->data, len);
	text[len] = '\0';
}

static void
fence_done(struct node *n, const struct event *ev)
{
	char text[256];

	told_text(ev, text, sizeof(text));
	fencing_done(n->fencing, ev->req, ev->ok, ev->verified, text, &n->bus);
}

static void
file_written(struct node *n, const struct event *ev)
{
	char text[160];

	told_text(ev, text, sizeof(text));
	keys_stored(n->keys, ev->ok, text, &n->bus);
}

/* Clients come and go; one that comes while we leave is sent away. */
static void
client_input(struct node *n, const struct event *ev)
{
	static const char why[] = "the node leaves";
	struct action *act;

	if (ev->type == EV_CLIENT_OPEN && n->state == NODE_LEAVING) {
		act =
		    actions_add(n->bus.out, ACT_CLIENT_CLOSE, why, sizeof(why));
		act->client = ev->client;
		return;
	}
	client_event(n->client, ev, &n->bus);
}

static void
dispatch(struct node *n, const struct event *ev)
{
	switch (ev->type) {
	case EV_START:
		start(n);
		break;
	case EV_TIMER:
		timer(n);
		break;
	case EV_PACKET:
		link_packet(n->link, ev->link, ev->at, ev->data, ev->len,
		    &n->bus);
		break;
	case EV_CLIENT_OPEN:
	case EV_CLIENT_DATA:
	case EV_CLIENT_CLOSE:
		client_input(n, ev);
		break;
	case EV_FENCE_DONE:
		fence_done(n, ev);
		break;
	case EV_STORED:
		break;
	case EV_KEYS_STORED:
		file_written(n, ev);
		break;
	case EV_DEVICE:
		device_done(n, ev);
		break;
	case EV_FLUSH:
		order_hold(n->order, ev->slow, &n->bus);
		break;
	case EV_STOP:
		begin_leave(n, "it was asked to stop");
		break;
	}
}

/*
 * We were not run for so long that others may have given us up.  That our view
 * may be over is the lease's affair; but nobody else is to blame for it.
 */
static void
overslept(struct node *n, uint64_t late)
{
	if (late + 2 * n->conf->heartbeat_us >= n->conf->failure_timeout_us)
		member_overslept(n->member, late);
}

/* Everything that follows from the step, up to the datagrams. */
static void
finish(struct node *n)
{
	settle(n);
	if (n->state == NODE_LEAVING) {
		try_leave(n);
		settle(n);
	}
	/* What was said before the end must still go out. */
	while (n->state != NODE_STOPPED) {
		link_flush(n->link, &n->bus);
		if (n->bus.n == 0)
			break;
		settle(n);
	}
	drain(n);
}

/* It asks every module about every peer: once in a step is enough. */
static uint64_t
next_deadline(const struct node *n)
{
	uint64_t d;

	if (n->state != NODE_RUNNING && n->state != NODE_LEAVING)
		return UINT64_MAX;
	if (n->put_off) /* N4 */
		return n->now;
	d = link_deadline(n->link);
	d = MIN(d, member_deadline(n->member));
	d = MIN(d, lease_deadline(n->lease));
	d = MIN(d, order_deadline(n->order));
	d = MIN(d, fencing_deadline(n->fencing));
	d = MIN(d, dlm_deadline(n->dlm));
	d = MIN(d, keys_deadline(n->keys));
	if (n->state == NODE_LEAVING)
		d = MIN(d, n->leave_deadline);
	return d;
}

void
node_step(struct node *n, const struct event *ev, struct actions *out)
{
	ASSERT(ev->now >= n->now);			       /* N2 */
	if (n->state == NODE_DEAD || n->state == NODE_STOPPED) /* N1 */
		return;
	if (n->state == NODE_NEW && ev->type != EV_START)
		return;
	n->now = ev->now;
	n->bus.now = ev->now;
	n->bus.wall = ev->wall;
	n->bus.out = out;
	if (n->state != NODE_NEW && ev->now > n->due)
		overslept(n, ev->now - n->due);
	renew(n);
	dispatch(n, ev);
	n->put_off = ev->more && n->state == NODE_RUNNING;
	if (n->put_off)
		drain(n);
	else
		finish(n);
	ASSERT(n->bus.n == 0); /* N3 */
	/* A deadline in the past means at once. */
	n->next = next_deadline(n);
	n->due = MAX(n->next, n->now);
	n->bus.out = NULL;
}

uint64_t
node_deadline(const struct node *n)
{
	return n->next;
}

void
node_check(const struct node *n)
{
	ASSERT(n->bus.n == 0); /* N3 */
	if (n->state == NODE_DEAD || n->state == NODE_STOPPED)
		return;
	link_check(n->link);
	member_check(n->member);
	lease_check(n->lease);
	order_check(n->order);
	quorum_check(n->quorum);
	fencing_check(n->fencing);
	lspace_check(n->lspace);
	group_check(n->group);
	evchan_check(n->evchan);
	levels_check(n->levels);
	barriers_check(n->barriers);
	kv_check(n->kv);
	keys_check(n->keys);
	dgrams_check(n->dgrams);
	dlm_check(n->dlm);
	client_check(n->client);
}

static void
fill_view(const struct node *n, const struct view *v, struct node_view *nv)
{
	unsigned i;

	nv->epoch = v->epoch;
	nv->leader = v->leader;
	nv->features = v->features;
	nv->primary = v->primary;
	nv->synced = v->primary && member_synced(n->member);
	nv->lease = lease_until(n->lease);
	nv->n = v->n;
	nv->elect = v->elect;
	nv->device = v->device;
	nv->held = member_nheld(n->member);
	nv->unsettled = member_unsettled(n->member);
	for (i = 0; i < v->n; i++) {
		nv->members[i] = v->members[i].node;
		nv->incs[i] = v->members[i].inc;
	}
}

void
node_get_view(const struct node *n, struct node_view *nv)
{
	const struct view *v = member_view(n->member);

	memset(nv, 0, sizeof(*nv));
	if (v != NULL && n->state == NODE_STOPPED)
		nv->left = member_left(n->member);
	if (v != NULL && n->state != NODE_DEAD && n->state != NODE_STOPPED)
		fill_view(n, v, nv);
}

uint64_t
node_lease(const struct node *n)
{
	return node_over(n) ? 0 : lease_until(n->lease);
}

bool
node_view_is(const struct node *n, const struct node_view *nv)
{
	const struct view *v = member_view(n->member);

	if (v == NULL || node_over(n))
		return nv->epoch == 0 && v == NULL;
	return nv->epoch == v->epoch && nv->leader == v->leader &&
	    nv->primary == v->primary &&
	    nv->synced == (v->primary && member_synced(n->member)) &&
	    nv->held == member_nheld(n->member) &&
	    nv->unsettled == member_unsettled(n->member);
}

void
node_get_last_view(const struct node *n, struct node_view *nv)
{
	const struct view *v = member_view(n->member);

	memset(nv, 0, sizeof(*nv));
	if (v != NULL)
		fill_view(n, v, nv);
}

void
node_get_load(const struct node *n, struct node_load *nl)
{
	struct order_info oi;

	order_get(n->order, &oi);
	nl->order_log = oi.log;
	nl->order_own = oi.waiting;
	nl->stream = link_queued(n->link);
}

uint64_t
node_refused(const struct node *n)
{
	uint64_t sum = 0;
	int why;

	for (why = 0; why < LR_MAX; why++)
		sum += link_rejects(n->link, 0, (enum link_reject)why);
	return sum;
}

uint64_t
node_refused_key(const struct node *n, uint16_t from)
{
	return link_rejects(n->link, from, LR_KEY);
}

const struct keyring *
node_ring(const struct node *n)
{
	return keys_ring(n->keys);
}

const struct keyring *
node_agreed(const struct node *n)
{
	return keys_agreed(n->keys);
}

bool
node_over(const struct node *n)
{
	return n->state == NODE_DEAD || n->state == NODE_STOPPED;
}

uint64_t
node_incarnation(const struct node *n)
{
	return n->inc;
}

uint64_t
node_skipped(const struct node *n)
{
	return link_skipped(n->link);
}
