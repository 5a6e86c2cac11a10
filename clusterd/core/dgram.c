/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams between programs.  Each goes over the stream to its node, so
 * those of one sender to one port arrive in their order.  The node answers
 * whether the port was open; the sender's request ends when all nodes that
 * were asked have answered, or are not in the view or not heard any more.
 *
 * Invariants:
 *   P1  a port of a node belongs to at most one client;
 *   P2  a request waits for members of the view only, and ends once;
 *   P3  what one client has under way is at most SVC_CLIENT_BYTES, each
 *       datagram counting DGRAM_OVERHEAD more.
 *
 * clusterd-protocol(7), section 10.
 */

#include "../proto.h"
#include "dgram.h"

/* Messages of CHAN_CLIENT. */
enum dgram_msg {
	DM_DATA = 1, /* u64 number; u8 port; u64 client; blob */
	DM_ANSWER    /* u64 number; u8 1: it was taken */
};

/* A request that some nodes have not answered. */
struct sending {
	TAILQ_ENTRY(sending) entry;
	uint64_t number;
	uint64_t client;
	uint32_t msgid;
	unsigned port;
	size_t bytes; /* that it counts */
	bool all;
	unsigned taken;
	bool lost; /* a node went away without an answer */
	unsigned n;
	uint16_t waits[CONF_NODES_MAX];
};

TAILQ_HEAD(sending_list, sending);

struct dgrams {
	const struct conf *conf;
	uint16_t self;
	struct view view;
	/* No session stands, so nothing that is sent now would arrive. */
	bool down[CONF_NODES_MAX]; /* by place in the configuration */
	uint64_t numbers;
	struct sending_list sending;
	struct {
		uint64_t client; /* 0: not open */
		uint64_t taken;
	} ports[DGRAM_PORTS];
};

struct dgrams *
dgrams_new(const struct conf *conf, uint16_t self)
{
	struct dgrams *dg = calloc(1, sizeof(*dg));

	if (dg == NULL)
		return NULL;
	dg->conf = conf;
	dg->self = self;
	TAILQ_INIT(&dg->sending);
	return dg;
}

static void
drop(struct dgrams *dg, struct sending *sd)
{
	TAILQ_REMOVE(&dg->sending, sd, entry);
	free(sd);
}

void
dgrams_free(struct dgrams *dg)
{
	struct sending *sd;

	if (dg == NULL)
		return;
	while ((sd = TAILQ_FIRST(&dg->sending)) != NULL)
		drop(dg, sd);
	free(dg);
}

/* --- the sender's side --------------------------------------------------------- */

/* Nobody is waited for any more (P2). */
static void
end(struct dgrams *dg, struct sending *sd, struct bus *bus)
{
	if (sd->taken > 0)
		bus_client_result(bus, sd->client, sd->msgid, 0, "%u took it",
		    sd->taken);
	else if (sd->lost && !sd->all)
		bus_client_result(bus, sd->client, sd->msgid, SVC_NOTCONN,
		    "the node was lost before it answered");
	else
		bus_client_result(bus, sd->client, sd->msgid, SVC_REFUSED,
		    "nobody listens on port %u there", sd->port);
	drop(dg, sd);
}

/* The node has answered, or will not any more. */
static void
heard(struct dgrams *dg, struct sending *sd, uint16_t node, bool taken,
    bool lost, struct bus *bus)
{
	unsigned i;

	for (i = 0; i < sd->n && sd->waits[i] != node; i++)
		;
	if (i == sd->n)
		return;
	sd->waits[i] = sd->waits[--sd->n];
	sd->taken += taken;
	sd->lost |= lost;
	if (sd->n == 0)
		end(dg, sd, bus);
}

static void
node_lost(struct dgrams *dg, uint16_t node, struct bus *bus)
{
	struct sending *sd, *next;

	TAILQ_FOREACH_SAFE(sd, &dg->sending, entry, next)
		heard(dg, sd, node, false, true, bus);
}

static bool *
down(struct dgrams *dg, uint16_t node)
{
	unsigned i;

	for (i = 0; i < dg->conf->nnodes; i++) {
		if (dg->conf->nodes[i].id == node)
			return &dg->down[i];
	}
	return NULL;
}

/* Can the member of the view be asked, and will it answer or be lost? */
static bool
reachable(struct dgrams *dg, uint16_t node)
{
	const bool *d = down(dg, node);

	return view_find(&dg->view, node) != NULL && d != NULL && !*d;
}

static void
send_to(uint16_t node, const struct wbuf *w, struct bus *bus)
{
	struct note *n = bus_note(bus, NOTE_SEND, w->data, w->len);

	ASSERT(!w->err);
	n->node = node;
	n->chan = CHAN_CLIENT;
}

static size_t
under_way(struct dgrams *dg, uint64_t client)
{
	const struct sending *sd;
	size_t bytes = 0;

	TAILQ_FOREACH(sd, &dg->sending, entry) {
		if (sd->client == client)
			bytes += sd->bytes;
	}
	return bytes;
}

static void
request_send(struct dgrams *dg, const struct note *note, struct bus *bus)
{
	const uint8_t *data;
	struct sending *sd;
	struct rbuf r;
	struct wbuf w;
	unsigned i, node, port;
	size_t len;

	rbuf_init(&r, note->data, note->len);
	node = rbuf_u16(&r);
	port = rbuf_u8(&r);
	data = rbuf_blob(&r, &len, DGRAM_MAX);
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	if (node != 0 && !reachable(dg, (uint16_t)node)) {
		svc_refuse(note, bus, SVC_NOTCONN,
		    conf_node(dg->conf, (uint16_t)node) == NULL ?
			"there is no such node" :
			"the node is not in the view, or not heard");
		return;
	}
	if (dg->view.n == 0 ||
	    under_way(dg, note->client) + len + DGRAM_OVERHEAD >
		SVC_CLIENT_BYTES) { /* P3 */
		svc_refuse(note, bus, SVC_AGAIN,
		    "too much is under way, or there is no view yet");
		return;
	}
	sd = calloc(1, sizeof(*sd));
	ASSERT(sd != NULL);
	sd->number = ++dg->numbers;
	sd->client = note->client;
	sd->msgid = note->msgid;
	sd->port = port;
	sd->bytes = len + DGRAM_OVERHEAD;
	sd->all = node == 0;
	TAILQ_INSERT_TAIL(&dg->sending, sd, entry);
	wbuf_init(&w, DGRAM_MAX + 64);
	wbuf_u8(&w, DM_DATA);
	wbuf_u64(&w, sd->number);
	wbuf_u8(&w, (uint8_t)port);
	wbuf_u64(&w, note->client);
	wbuf_blob(&w, data, len);
	for (i = 0; i < dg->view.n; i++) {
		if ((node != 0 && dg->view.members[i].node != node) ||
		    !reachable(dg, dg->view.members[i].node))
			continue;
		sd->waits[sd->n++] = dg->view.members[i].node;
		send_to(dg->view.members[i].node, &w, bus);
	}
	wbuf_free(&w);
}

/* --- the receiver's side ---------------------------------------------------------- */

static bool
give(struct dgrams *dg, uint16_t from, uint64_t client, unsigned port,
    const uint8_t *data, size_t len, struct bus *bus)
{
	struct wbuf w;

	if (dg->ports[port].client == 0)
		return false;
	dg->ports[port].taken++;
	wbuf_init(&w, DGRAM_MAX + 64);
	wbuf_u8(&w, (uint8_t)port);
	wbuf_u16(&w, from);
	wbuf_u64(&w, client);
	wbuf_blob(&w, data, len);
	bus_client_send(bus, dg->ports[port].client, M_DGRAM, 0, &w);
	wbuf_free(&w);
	return true;
}

static void
message(struct dgrams *dg, const struct note *note, struct bus *bus)
{
	struct sending *sd, *next;
	const uint8_t *data;
	uint64_t number, client;
	unsigned type, port, taken;
	struct rbuf r;
	struct wbuf w;
	size_t len;

	rbuf_init(&r, note->data, note->len);
	type = rbuf_u8(&r);
	number = rbuf_u64(&r);
	if (type == DM_ANSWER) {
		taken = rbuf_u8(&r);
		if (!rbuf_done(&r))
			return;
		TAILQ_FOREACH_SAFE(sd, &dg->sending, entry, next) {
			if (sd->number == number)
				heard(dg, sd, note->node, taken != 0, false,
				    bus);
		}
		return;
	}
	port = rbuf_u8(&r);
	client = rbuf_u64(&r);
	data = rbuf_blob(&r, &len, DGRAM_MAX);
	if (!rbuf_done(&r) || type != DM_DATA)
		return;
	wbuf_init(&w, 16);
	wbuf_u8(&w, DM_ANSWER);
	wbuf_u64(&w, number);
#if MUTANT != 931
	wbuf_u8(&w, give(dg, note->node, client, port, data, len, bus));
#else
	(void)give(dg, note->node, client, port, data, len, bus);
	wbuf_u8(&w, 1);
#endif
	send_to(note->node, &w, bus);
	wbuf_free(&w);
}

static void
request_port(struct dgrams *dg, const struct note *note, struct bus *bus)
{
	bool opens = note->msgtype == M_DGRAM_OPEN;
	struct rbuf r;
	unsigned port;

	rbuf_init(&r, note->data, note->len);
	port = rbuf_u8(&r);
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
	} else if (opens && dg->ports[port].client != 0) { /* P1 */
		svc_refuse(note, bus, SVC_BUSY,
		    "the port is open on this node");
	} else if (!opens && dg->ports[port].client != note->client) {
		svc_refuse(note, bus, SVC_NOENT,
		    "the port is not this client's");
	} else {
		dg->ports[port].client = opens ? note->client : 0;
		dg->ports[port].taken = 0;
		bus_client_result(bus, note->client, note->msgid, 0, "%s", "");
	}
}

static void
client_gone(struct dgrams *dg, uint64_t client)
{
	struct sending *sd, *next;
	unsigned i;

	TAILQ_FOREACH_SAFE(sd, &dg->sending, entry, next) {
		if (sd->client == client)
			drop(dg, sd);
	}
	for (i = 0; i < DGRAM_PORTS; i++) {
		if (dg->ports[i].client == client)
			dg->ports[i].client = 0;
	}
}

/* Who is not in it, in that incarnation, does not answer any more. */
static void
new_view(struct dgrams *dg, const struct view *v, struct bus *bus)
{
	struct view old = dg->view;
	unsigned i;

	dg->view = *v;
	for (i = 0; i < old.n; i++) {
		if (!view_has(v, old.members[i].node, old.members[i].inc))
			node_lost(dg, old.members[i].node, bus);
	}
}

void
dgrams_note(struct dgrams *dg, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(dg, note->ref, bus);
		break;
	case NOTE_MESSAGE:
		message(dg, note, bus);
		break;
	case NOTE_PEER_UP:
		if (down(dg, note->node) != NULL)
			*down(dg, note->node) = false;
		break;
	case NOTE_PEER_DOWN:
	case NOTE_PEER_GONE:
		/* With the session goes what was on its way. */
		if (down(dg, note->node) != NULL)
			*down(dg, note->node) = true;
		node_lost(dg, note->node, bus);
		break;
	case NOTE_REQUEST:
		if (note->msgtype == M_DGRAM_SEND)
			request_send(dg, note, bus);
		else
			request_port(dg, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		client_gone(dg, note->client);
		break;
	default:
		break;
	}
}

void
dgrams_check(const struct dgrams *dg)
{
	const struct sending *sd;
	unsigned i;

	TAILQ_FOREACH(sd, &dg->sending, entry) {
		ASSERT(sd->n > 0 && sd->bytes <= SVC_CLIENT_BYTES); /* P3 */
		for (i = 0; i < sd->n; i++)
			ASSERT(view_find(&dg->view, sd->waits[i]) !=
			    NULL); /* P2 */
	}
}

bool
dgram_info_after(const struct dgrams *dg, int port, struct dgram_info *info)
{
	for (port++; port < DGRAM_PORTS; port++) {
		if (dg->ports[port].client == 0)
			continue;
		info->port = port;
		info->client = dg->ports[port].client;
		info->taken = dg->ports[port].taken;
		return true;
	}
	return false;
}
