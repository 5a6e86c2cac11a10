/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Links and sessions: several UDP paths per peer, heartbeats, sealed
 * datagrams, and over them one session per pair of incarnations that carries
 * ordered reliable messages (stream.h).  The only module that sees datagrams.
 */

#ifndef CORE_LINK_H
#define CORE_LINK_H

#include "../conf.h"
#include "../keyring.h"
#include "bus.h"

struct link_layer;

struct link_layer *link_new(const struct conf *, uint16_t self, uint64_t inc,
	    const struct keyring *);
void	 link_free(struct link_layer *);
/* EV_PACKET; at as there. */
void	 link_packet(struct link_layer *, unsigned link, uint64_t at,
	    const uint8_t *, size_t len, struct bus *);
/* NOTE_SEND, NOTE_PEER_RESET, NOTE_KEYS */
void	 link_note(struct link_layer *, const struct note *, struct bus *);
void	 link_timer(struct link_layer *, struct bus *);
uint64_t link_deadline(const struct link_layer *);
/* Says goodbye to every peer: a clean leave is complete. */
void	 link_goodbye(struct link_layer *, struct bus *);
/* Writes out what is queued; node.c calls it at the end of each step. */
void	 link_flush(struct link_layer *, struct bus *);
void	 link_check(const struct link_layer *);

/*
 * For leases (lease.c).  From now on our beats vouch for that view (0: for
 * none), and ask for an answer at once; one goes out when there is news.
 */
void	 link_vouch(struct link_layer *, uint64_t epoch, bool ask, uint64_t now);
/*
 * When we sent the newest beat that the incarnation had when it vouched for
 * that view; 0: it has not.
 */
uint64_t link_vouched(const struct link_layer *, uint16_t node, uint64_t inc,
	    uint64_t epoch);
/* It said goodbye, its beat process said that it ended, or a later life came. */
bool	 link_gone(const struct link_layer *, uint16_t node, uint64_t inc);
/* When we read the newest beat of the node, in that incarnation, to which we
   vouched for a view; 0: never, or it is known to be gone. */
uint64_t link_promised(const struct link_layer *, uint16_t node, uint64_t *inc);

/* For SHOW rows: the path to a peer over a link. */
struct link_info {
	bool		 up;
	bool		 narrow;	/* heartbeats pass, data does not */
	uint64_t	 rtt_us;	/* smoothed; 0: unknown */
	unsigned	 loss_permille;	/* of heartbeats, recent */
	uint64_t	 last_heard;	/* us; 0: never */
	uint64_t	 flaps;
	bool		 carries;	/* data goes this way */
	size_t		 datagram;	/* longest that is sent, bytes */
};
void	 link_get(const struct link_layer *, uint16_t node, unsigned link,
	    struct link_info *);
bool	 link_session(const struct link_layer *, uint16_t node, uint64_t *inc);
/* The node that relays for us and this one; 0: a link of our own carries. */
uint16_t link_relay(const struct link_layer *, uint16_t node);
/* Features that it does not say it has, for tests. */
void	 link_lack(struct link_layer *, uint64_t features);
/* What both ends speak in that session; false: there is none. */
bool	 link_speaks(const struct link_layer *, uint16_t node,
	    unsigned *version, uint64_t *features);
/* Frames that were passed over because a later version has sent them. */
uint64_t link_skipped(const struct link_layer *);
/* Its engine does not run, says its beat process. */
bool	 link_stalled(const struct link_layer *, uint16_t node);
/* Silence after which a link counts as down, us. */
uint64_t link_patience(const struct link_layer *);
/* The longest queue towards a peer, bytes. */
size_t	 link_queued(const struct link_layer *);
/* When an engine that holds all our keys was heard last with another one than
   is in use, us; 0: never since that changed. */
uint64_t link_old_heard(const struct link_layer *);
/* Datagrams refused, by reason; names by link_reject_name(). */
enum link_reject {
	LR_SHORT = 0, LR_VERSION, LR_CLUSTER, LR_UNKNOWN_NODE, LR_SELF,
	LR_KEY, LR_REPLAY, LR_OLD_INCARNATION, LR_MALFORMED, LR_CONF,
	LR_RELAY, LR_MAX
};
const char *link_reject_name(enum link_reject);
/* 0: of all, known or not. */
uint64_t link_rejects(const struct link_layer *, uint16_t node_or_0,
	    enum link_reject);

#endif /* CORE_LINK_H */
