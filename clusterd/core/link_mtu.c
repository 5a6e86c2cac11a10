/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * How long a datagram may be on a path.  The safe size passes everywhere and
 * is where each path begins.  From there sizes are tried upward: a datagram
 * that is filled to the size, and whose arrival the peer confirms.  Nothing
 * is believed that the network says: an answer is the only proof, and so
 * nobody can make a path worse than safe.
 *
 *	safe -answer->	larger	the next size is tried
 *	larger -loss->	doubt	only the safe size is used; is it still so?
 *	doubt -answer->	larger	no: something else was the reason
 *	doubt -silence-> safe	the path has shrunk; said
 *	safe -loss, silence-> narrow	beats pass, and data does not; said
 *	narrow -answer-> safe	the safe size passes again
 *
 * What the network lost is sent again in datagrams of the safe size (L8), so
 * a path that shrinks costs one retransmission, and never a session.  A narrow
 * path is used where there is no other (link_path.c), and asked every heartbeat
 * whether it still is one.
 *
 * clusterd-protocol(7), section 4.6.
 */

#include "link_int.h"

#define TRIES	   4		      /* beats without an answer */
#define TRIES_SAFE 8		      /* a wrong answer costs more */
#define WAIT_MIN   UINT64_C(10000000) /* us between two searches */
#define WAIT_MAX   UINT64_C(60000000)

#define HEADERS 48 /* of IPv6 and UDP */

/*
 * What common networks carry in a packet, less the headers: Ethernet,
 * InfiniBand, and two kinds of large frames.
 */
static const uint16_t sizes[] = { 1452, 4044, 8848, WIRE_DATAGRAM_MAX };

static size_t
proven(const struct path_mtu *m)
{
	return MAX(m->size, (size_t)WIRE_DATAGRAM_SAFE);
}

size_t
mtu_limit(const struct peer *p, unsigned link)
{
	const struct path_mtu *m = &p->paths[link].mtu;

	return m->doubt ? (size_t)WIRE_DATAGRAM_SAFE : proven(m);
}

/* The numbers go on, or a late answer would be taken for a new one. */
void
mtu_forget(struct peer *p, unsigned link)
{
	struct path_mtu *m = &p->paths[link].mtu;
	uint32_t number = m->number;
	bool told = m->told, narrow = m->narrow;

	memset(m, 0, sizeof(*m));
	m->number = number;
	m->told = told;
	m->narrow = narrow;
}

/* The next larger size that the configuration allows; 0: none. */
static size_t
larger(const struct link_layer *l, size_t size)
{
	size_t i, max = WIRE_DATAGRAM_MAX;

	if (l->conf->mtu != 0)
		max = MIN(max, (size_t)l->conf->mtu - HEADERS);
	for (i = 0; i < NITEMS(sizes); i++)
		if (sizes[i] > size)
			return MIN((size_t)sizes[i], max) > size ?
			    MIN((size_t)sizes[i], max) :
			    0;
	return 0;
}

static void
send_probe(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;

	m->tries++;
	link_begin(l, p, p->cur.nonce);
	wire_put_probe(&l->plain, m->number,
	    m->probe - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	link_send(l, p, link, bus);
}

/* 0: nothing to ask about. */
static void
ask(struct link_layer *l, struct peer *p, unsigned link, size_t size,
    struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;

	m->probe = size;
	m->tries = 0;
	if (size == 0)
		return;
	m->number++;
	send_probe(l, p, link, bus);
#if MUTANT == 121
	m->size = size;
#endif
}

/* The search is over: the longer nothing changes, the rarer the next. */
static void
rest(struct path_mtu *m, bool changed, struct bus *bus)
{
	m->probe = 0;
	m->wait =
	    changed || m->wait == 0 ? WAIT_MIN : MIN(2 * m->wait, WAIT_MAX);
	m->next_at = bus->now + m->wait;
}

static void
shrunk(struct peer *p, unsigned link, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;

	bus_event(bus, EVK_LINK, EVL_WARN,
	    "node %u: link %u passes datagrams of %d bytes only now (was %zu), "
	    "because %u longer ones in a row got no answer while short ones "
	    "pass",
	    p->id, link, WIRE_DATAGRAM_SAFE, m->size, m->tries);
	m->size = 0;
	m->doubt = false;
	m->told = true;
}

static void
narrowed(struct peer *p, unsigned link, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;

	m->narrow = true;
	bus_event(bus, EVK_LINK, EVL_WARN,
	    "node %u: link %u passes heartbeats, but no datagrams of %d bytes, "
	    "because %u in a row got no answer: it carries data only where no "
	    "other path does; look for a smaller MTU on the way",
	    p->id, link, WIRE_DATAGRAM_SAFE, m->tries);
}

/* No answer came to the last try of the probe. */
static void
silence(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;
	bool known = m->probe <= proven(m);

	if (m->probe == WIRE_DATAGRAM_SAFE)
		narrowed(p, link, bus);
	else if (known)
		shrunk(p, link, bus);
	rest(m, known, bus);
	/* Does the safe size still pass?  It is all that is left. */
	if (known && !m->narrow)
		ask(l, p, link, WIRE_DATAGRAM_SAFE, bus);
}

static unsigned
tries_of(size_t probe)
{
	return probe == WIRE_DATAGRAM_SAFE ? TRIES_SAFE : TRIES;
}

void
mtu_beat(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path *path = &p->paths[link];
	struct path_mtu *m = &path->mtu;

	/* Only where short ones pass does silence say something of length. */
	if (!path->up || (!path->heard_there && !m->narrow))
		return;
	if (m->narrow && m->probe != WIRE_DATAGRAM_SAFE)
		ask(l, p, link, WIRE_DATAGRAM_SAFE, bus);
	else if (m->narrow)
		send_probe(l, p, link, bus);
	else if (m->probe != 0 && m->tries >= tries_of(m->probe))
		silence(l, p, link, bus);
	else if (m->probe != 0)
		send_probe(l, p, link, bus);
	else if (m->next_at <= bus->now) {
		/* First whether what was proven still holds. */
		ask(l, p, link, m->size != 0 ? m->size : larger(l, proven(m)),
		    bus);
		if (m->probe == 0)
			rest(m, false, bus);
	}
}

void
mtu_doubt(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;

#if MUTANT == 122
	return;
#endif
	if (m->narrow || m->doubt)
		return;
	m->doubt = m->size != 0;
	/* At once: most often nothing has changed. */
	if (m->probe != proven(m))
		ask(l, p, link, proven(m), bus);
}

static void
answered(struct link_layer *l, struct peer *p, unsigned link,
    const struct wire_probed *a, struct bus *bus)
{
	struct path_mtu *m = &p->paths[link].mtu;
	bool search = m->next_at <= bus->now;

	if (m->probe == 0 || a->probe != m->number || a->came < m->probe)
		return;
	if (m->probe > proven(m)) {
		m->size = m->probe;
		bus_event(bus, EVK_LINK, m->told ? EVL_INFO : EVL_DEBUG,
		    "node %u: link %u passes datagrams of %zu bytes%s, because "
		    "one was answered",
		    p->id, link, m->size, m->told ? " again" : "");
	}
	if (m->narrow)
		bus_event(bus, EVK_LINK, EVL_INFO,
		    "node %u: link %u passes datagrams of %d bytes again, "
		    "because one was answered",
		    p->id, link, WIRE_DATAGRAM_SAFE);
	m->doubt = m->narrow = false;
	/* A search goes on until it fails or is at its end. */
	ask(l, p, link, search ? larger(l, m->size) : 0, bus);
	if (search && m->probe == 0)
		rest(m, false, bus);
}

bool
mtu_frame(struct link_layer *l, struct peer *p, unsigned link, uint8_t type,
    struct rbuf *body, struct bus *bus)
{
	struct wire_probed a = { .came = (uint16_t)l->len };

	if (type == WF_PROBED) {
		if (!wire_get_probed(body, &a))
			return false;
		answered(l, p, link, &a, bus);
		return true;
	}
	if (!wire_get_probe(body, &a.probe))
		return false;
	link_begin(l, p, p->cur.nonce);
	wire_put_probed(&l->plain, &a);
	link_send(l, p, link, bus);
	return true;
}
