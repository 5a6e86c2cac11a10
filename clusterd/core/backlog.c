/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What all programs of this node together may have waiting: each has a quota of
 * its own, which ends with its connection, while what it said goes on waiting
 * for a quorum, or for a peer.
 *
 *   BL1	with BACKLOG_MAX bytes of ours without a position in the order no
 *	request adds to them, but those of groups that are joined, whose quota
 *	lasts;
 *   BL2	with BACKLOG_MAX bytes under way to a peer no datagram of a program
 *	is taken.
 *
 * clusterd-protocol(7), section 8.1.
 */

#include "../proto.h"
#include "node_internal.h"

#define BACKLOG_MAX   (8 * 1024 * 1024)
#define BACKLOG_AGAIN 11

static bool
is_ordered(uint32_t type)
{
	switch (type) {
	case M_GROUP_JOIN:
	case M_EVENT_PUBLISH:
	case M_LEVEL_REGISTER:
	case M_BARRIER_ENTER:
	case M_KV_PUT:
	case M_KV_DELETE:
	case M_LS_JOIN:
		return true;
	default:
		return false;
	}
}

bool
backlog_refuses(struct node *n, const struct note *note)
{
	struct order_info oi;
	size_t waits = 0;

	if (note->msgtype == M_DGRAM_SEND)
		waits = link_queued(n->link);
	else if (is_ordered(note->msgtype)) {
		order_get(n->order, &oi);
		waits = oi.waiting;
	}
	if (waits <= BACKLOG_MAX)
		return false;
	bus_client_result(&n->bus, note->client, note->msgid, BACKLOG_AGAIN,
	    "too much of what programs of this node have said waits: %zu bytes",
	    waits);
	return true;
}
