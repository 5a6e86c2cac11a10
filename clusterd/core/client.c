/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Local clients.
 *
 * Invariants:
 *   C1  a request reaches a module only from a client that greeted and whose
 *       rights cover its type;
 *   C2  every malformed or forbidden request is answered or its sender is
 *       closed; none changes state;
 *   C3  a client's disappearance is told to the modules exactly once;
 *   C4  no table here grows with what a client sends.
 */

#include "../proto.h"
#include "changes.h"
#include "client.h"
#include "names.h"

struct client {
	RB_ENTRY(client) node;
	uint64_t id;
	unsigned rights;
	uint32_t uid, pid;
	bool greeted;
	bool watches;
};

RB_HEAD(client_tree, client);

struct client_layer {
	const struct conf *conf;
	uint16_t self;
	struct client_tree clients;
	unsigned nclients;
	struct view view;
	struct changes *changes;
	bool have_view;
	bool quorate; /* as watchers were told */
	bool untold;  /* they wait for the lease of this view */
	unsigned nmounts;
	struct client_mount mounts[MOUNTS_MAX];
	uint64_t nevents; /* ever */
	struct client_event events[EVENTS_KEPT];
};

static int
client_cmp(const struct client *a, const struct client *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(client_tree, client, node, client_cmp, UNUSED static)

/* What each request needs; a type that is not here is unknown. */
static const struct {
	uint32_t type;
	unsigned right;
} rights_table[] = {
	{ M_SHOW, RIGHT_OBSERVE },
	{ M_WATCH_VIEWS, RIGHT_OBSERVE },
	{ M_COMMAND, RIGHT_ADMIN },
	{ M_GROUP_JOIN, RIGHT_USE },
	{ M_GROUP_SEND, RIGHT_USE },
	{ M_GROUP_LEAVE, RIGHT_USE },
	{ M_GROUP_GIVE, RIGHT_USE },
	{ M_EVENT_SUBSCRIBE, RIGHT_USE },
	{ M_EVENT_UNSUBSCRIBE, RIGHT_USE },
	{ M_EVENT_PUBLISH, RIGHT_USE },
	{ M_LEVEL_REGISTER, RIGHT_USE },
	{ M_LEVEL_UNREGISTER, RIGHT_USE },
	{ M_LEVEL_DONE, RIGHT_USE },
	{ M_BARRIER_ENTER, RIGHT_USE },
	{ M_BARRIER_LEAVE, RIGHT_USE },
	{ M_KV_PUT, RIGHT_USE },
	{ M_KV_DELETE, RIGHT_USE },
	{ M_KV_GET, RIGHT_USE },
	{ M_KV_WATCH, RIGHT_USE },
	{ M_KV_UNWATCH, RIGHT_USE },
	{ M_DGRAM_OPEN, RIGHT_USE },
	{ M_DGRAM_CLOSE, RIGHT_USE },
	{ M_DGRAM_SEND, RIGHT_USE },
	{ M_LS_JOIN, RIGHT_USE },
	{ M_LS_LEAVE, RIGHT_USE },
	{ M_LOCK, RIGHT_USE },
	{ M_CONVERT, RIGHT_USE },
	{ M_UNLOCK, RIGHT_USE },
	{ M_CANCEL, RIGHT_USE },
	{ M_MOUNT, RIGHT_ROOT },
	{ M_MOUNT_SAYS, RIGHT_ROOT },
};

/* Error numbers of the local protocol; they are Linux's own. */
enum {
	ERR_PERM = 1,
	ERR_NOSPC = 28,
	ERR_INVAL = 22,
	ERR_NOTSUPP = 93
};

const char *
ev_kind_name(enum ev_kind kind)
{
	static const char *const names[] = { "?", "node", "link", "view",
		"quorum", "fence", "lockspace", "group", "fs", "client",
		"reject", "key" };

	return (unsigned)kind < NITEMS(names) ? names[kind] : names[0];
}

struct client_layer *
client_new(const struct conf *conf, uint16_t self)
{
	struct client_layer *cl = calloc(1, sizeof(*cl));

	if (cl == NULL)
		return NULL;
	cl->conf = conf;
	cl->self = self;
	RB_INIT(&cl->clients);
	cl->changes = changes_new(conf);
	if (cl->changes == NULL) {
		free(cl);
		return NULL;
	}
	return cl;
}

void
client_free(struct client_layer *cl)
{
	struct client *c;

	if (cl == NULL)
		return;
	while ((c = RB_ROOT(&cl->clients)) != NULL) {
		RB_REMOVE(client_tree, &cl->clients, c);
		free(c);
	}
	changes_free(cl->changes);
	free(cl);
}

static struct client *
find(struct client_layer *cl, uint64_t id)
{
	struct client key = { .id = id };

	return RB_FIND(client_tree, &cl->clients, &key);
}

static void
close_client(struct bus *bus, uint64_t id, const char *why)
{
	struct action *act;

	act = actions_add(bus->out, ACT_CLIENT_CLOSE, why, strlen(why) + 1);
	act->client = id;
}

static void
forget_mounts(struct client_layer *cl, uint64_t id, struct bus *bus)
{
	unsigned i = 0;

	while (i < cl->nmounts) {
		if (cl->mounts[i].client != id) {
			i++;
			continue;
		}
		bus_event(bus, EVK_FS, EVL_INFO,
		    "fs %s: unmounted from %s, because process %u has gone",
		    cl->mounts[i].fs, cl->mounts[i].dir, cl->mounts[i].pid);
		cl->mounts[i] = cl->mounts[--cl->nmounts];
	}
}

static void
drop(struct client_layer *cl, struct client *c, struct bus *bus)
{
	struct note *n;

	n = bus_note(bus, NOTE_CLIENT_GONE, NULL, 0);
	n->client = c->id;
	forget_mounts(cl, c->id, bus);
	RB_REMOVE(client_tree, &cl->clients, c);
	cl->nclients--;
	free(c);
}

static void
opened(struct client_layer *cl, const struct event *ev, struct bus *bus)
{
	struct client *c;

	if (cl->nclients >= CLIENTS_MAX || find(cl, ev->client) != NULL ||
	    (c = calloc(1, sizeof(*c))) == NULL) {
		close_client(bus, ev->client, "too many clients");
		return;
	}
	c->id = ev->client;
	c->rights = ev->rights;
	c->uid = ev->uid;
	c->pid = ev->pid;
	RB_INSERT(client_tree, &cl->clients, c);
	cl->nclients++;
}

static void
greet(struct client_layer *cl, struct client *c, const struct event *ev,
    struct bus *bus)
{
	uint32_t version;
	char program[128];
	struct wbuf w;
	struct rbuf r;

	rbuf_init(&r, ev->data, ev->len);
	version = rbuf_u32(&r);
	rbuf_str(&r, program, sizeof(program));
	(void)rbuf_u32(&r);
	/* A later version may say more after these fields. */
	if (r.err || c->greeted) {
		close_client(bus, c->id, "malformed greeting");
		drop(cl, c, bus);
		return;
	}
	if (version != PROTO_VERSION) {
		bus_client_result(bus, c->id, ev->msgid, ERR_NOTSUPP,
		    "this clusterd speaks version %d of the local protocol, "
		    "the program %u",
		    PROTO_VERSION, version);
		return;
	}
	c->greeted = true;
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_u16(&w, cl->self);
	wbuf_str(&w, cl->conf->cluster);
	wbuf_u8(&w, (uint8_t)c->rights);
	wbuf_u64(&w, c->id);
	bus_client_send(bus, c->id, M_WELCOME, ev->msgid, &w);
	wbuf_free(&w);
}

/* Passes the request on to the module that owns its type (C1). */
static void
request(struct client *c, const struct event *ev, struct bus *bus)
{
	struct note *n;
	unsigned i;

	for (i = 0; i < NITEMS(rights_table); i++) {
		if (rights_table[i].type == ev->msgtype)
			break;
	}
	if (i == NITEMS(rights_table)) {
		bus_client_result(bus, c->id, ev->msgid, ERR_NOTSUPP,
		    "unknown request %u: this clusterd is older than the "
		    "program",
		    ev->msgtype);
		return;
	}
	if ((c->rights & rights_table[i].right) == 0) {
		bus_client_result(bus, c->id, ev->msgid, ERR_PERM,
		    "not permitted on this socket for user %u", c->uid);
		return;
	}
	n = bus_note(bus, NOTE_REQUEST, ev->data, ev->len);
	n->client = c->id;
	n->msgtype = ev->msgtype;
	n->msgid = ev->msgid;
}

void
client_event(struct client_layer *cl, const struct event *ev, struct bus *bus)
{
	struct client *c = find(cl, ev->client);

	switch (ev->type) {
	case EV_CLIENT_OPEN:
		opened(cl, ev, bus);
		break;
	case EV_CLIENT_CLOSE:
		if (c != NULL)
			drop(cl, c, bus);
		break;
	case EV_CLIENT_DATA:
		if (c == NULL)
			break;
		if (ev->msgtype == M_HELLO)
			greet(cl, c, ev, bus);
		else if (!c->greeted) {
			close_client(bus, c->id, "no greeting");
			drop(cl, c, bus);
		} else
			request(c, ev, bus);
		break;
	default:
		break;
	}
}

void
client_close_all(struct client_layer *cl, const char *why, struct bus *bus)
{
	struct client *c;

	while ((c = RB_MIN(client_tree, &cl->clients)) != NULL) {
		close_client(bus, c->id, why);
		drop(cl, c, bus);
	}
}

static void
tell_view(struct client_layer *cl, uint64_t client, struct bus *bus)
{
	const struct conf_node *cn;
	const struct view_member *m;
	struct wbuf w;
	unsigned i;

	if (!cl->have_view)
		return;
	wbuf_init(&w, 8192);
	wbuf_u64(&w, cl->view.epoch);
	wbuf_u16(&w, cl->view.leader);
	wbuf_u8(&w, cl->quorate && !cl->untold);
	wbuf_u16(&w, (uint16_t)cl->view.n);
	for (i = 0; i < cl->view.n; i++) {
		m = &cl->view.members[i];
		cn = conf_node(cl->conf, m->node);
		wbuf_u16(&w, m->node);
		wbuf_u64(&w, m->inc);
		wbuf_str(&w, cn == NULL ? "?" : cn->name);
	}
	bus_client_send(bus, client, M_VIEW, 0, &w);
	wbuf_free(&w);
}

static void
tell_watchers(struct client_layer *cl, struct bus *bus)
{
	struct client *c;

	RB_FOREACH(c, client_tree, &cl->clients) {
		if (c->watches)
			tell_view(cl, c->id, bus);
	}
}

/* A new view; what changed is said just before the view itself. */
static void
new_view(struct client_layer *cl, const struct view *v, struct bus *bus)
{
	struct client *c;
	struct wbuf w;

	wbuf_init(&w, 32768);
	if (changes_view(cl->changes, v, &w)) {
		ASSERT(!w.err);
		RB_FOREACH(c, client_tree, &cl->clients) {
			if (c->watches)
				bus_client_send(bus, c->id, M_VIEW_CHANGE, 0,
				    &w);
		}
	}
	wbuf_free(&w);
	cl->view = *v;
	cl->have_view = true;
	/* A view that may be over already is no news for them. */
	cl->untold = v->primary;
	if (cl->untold)
		return;
#if MUTANT != 905
	/* That the one before was quorate says nothing about this one. */
	cl->quorate = false;
#endif
	tell_watchers(cl, bus);
}

/* The view came to nothing: they are told of it in its place. */
static void
view_ends(struct client_layer *cl, struct bus *bus)
{
	if (!cl->untold)
		return;
	cl->untold = cl->quorate = false;
	tell_watchers(cl, bus);
}

static void
quorum(struct client_layer *cl, bool quorate, struct bus *bus)
{
	bool told = !cl->untold && cl->quorate == quorate;

	cl->untold = false;
	cl->quorate = quorate;
	if (!told)
		tell_watchers(cl, bus);
}

static void
mounted(struct client_layer *cl, const struct note *note, struct bus *bus)
{
	struct client_mount *mt;
	struct action *act;
	struct rbuf r;
	struct wbuf w;

	if (cl->nmounts >= MOUNTS_MAX) {
		bus_client_result(bus, note->client, note->msgid, ERR_NOSPC,
		    "%d file systems are mounted, which is the limit",
		    MOUNTS_MAX);
		return;
	}
	mt = &cl->mounts[cl->nmounts];
	memset(mt, 0, sizeof(*mt));
	rbuf_init(&r, note->data, note->len);
	mt->pid = rbuf_u32(&r);
	rbuf_str(&r, mt->fs, sizeof(mt->fs));
	rbuf_str(&r, mt->dir, sizeof(mt->dir));
	if (!rbuf_done(&r) || mt->pid == 0) {
		bus_client_result(bus, note->client, note->msgid, ERR_INVAL,
		    "malformed request");
		return;
	}
	mt->client = note->client;
	mt->since = bus->now;
	cl->nmounts++;
	wbuf_init(&w, 512);
	wbuf_bytes(&w, mt->fs, strlen(mt->fs) + 1);
	wbuf_bytes(&w, mt->dir, strlen(mt->dir) + 1);
	act = actions_add(bus->out, ACT_MOUNT_PID, w.data, w.len);
	act->pid = mt->pid;
	act->client = note->client;
	wbuf_free(&w);
	bus_event(bus, EVK_FS, EVL_INFO, "fs %s: mounted on %s by process %u",
	    mt->fs, mt->dir, mt->pid);
	bus_client_result(bus, note->client, note->msgid, 0, "registered");
}

/* A mount's own word, for the events of this node. */
static void
mount_says(struct client_layer *cl, const struct note *note, struct bus *bus)
{
	char text[200];
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, text, sizeof(text));
	for (i = 0; i < cl->nmounts; i++) {
		if (cl->mounts[i].client == note->client)
			break;
	}
	if (!rbuf_done(&r) || i == cl->nmounts) {
		bus_client_result(bus, note->client, note->msgid, ERR_INVAL,
		    "malformed request, or no mount is registered");
		return;
	}
	bus_event(bus, EVK_FS, EVL_INFO, "fs %s: %s", cl->mounts[i].fs, text);
}

static void
keep_event(struct client_layer *cl, const struct note *note, struct bus *bus)
{
	struct client_event *e = &cl->events[cl->nevents % EVENTS_KEPT];

	memset(e, 0, sizeof(*e));
	e->seq = ++cl->nevents;
	e->epoch = cl->have_view ? cl->view.epoch : 0;
	e->wall = bus->wall;
	e->kind = (enum ev_kind)note->msgtype;
	e->level = (enum ev_level)note->code;
	names_fit((const char *)note->data, e->text, sizeof(e->text));
}

void
client_note(struct client_layer *cl, const struct note *note, struct bus *bus)
{
	struct client *c;

	switch (note->type) {
	case NOTE_VIEW:
		view_ends(cl, bus);
		new_view(cl, note->ref, bus);
		break;
	case NOTE_PEER_UP:
	case NOTE_PEER_DOWN:
	case NOTE_PEER_GONE:
		changes_peer(cl->changes, note);
		break;
	case NOTE_QUORUM:
		if (!note->ok)
			quorum(cl, false, bus);
		break;
	case NOTE_LEASE:
		/* Without it nothing changes for them, until a view says so. */
		if (note->ok)
			quorum(cl, true, bus);
		break;
	case NOTE_EVENT:
		/* Debug lines are for the log; the ring keeps what happened. */
		if (note->code != EVL_DEBUG)
			keep_event(cl, note, bus);
		break;
	case NOTE_REQUEST:
		c = find(cl, note->client);
		if (note->msgtype == M_MOUNT)
			mounted(cl, note, bus);
		else if (note->msgtype == M_MOUNT_SAYS)
			mount_says(cl, note, bus);
		else if (note->msgtype == M_WATCH_VIEWS && c != NULL) {
			c->watches = true;
			tell_view(cl, c->id, bus);
		}
		break;
	default:
		break;
	}
}

void
client_check(const struct client_layer *cl)
{
	changes_check(cl->changes);
	ASSERT(cl->nclients <= CLIENTS_MAX); /* C4 */
	ASSERT(cl->nmounts <= MOUNTS_MAX);   /* C4 */
}

unsigned
client_mounts(const struct client_layer *cl, const struct client_mount **out)
{
	*out = cl->mounts;
	return cl->nmounts;
}

const struct client_event *
client_event_at(const struct client_layer *cl, unsigned i)
{
	uint64_t first;

	first = cl->nevents > EVENTS_KEPT ? cl->nevents - EVENTS_KEPT : 0;
	if (i >= cl->nevents - first)
		return NULL;
	return &cl->events[(first + i) % EVENTS_KEPT];
}

unsigned
client_count(const struct client_layer *cl)
{
	return cl->nclients;
}
