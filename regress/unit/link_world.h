/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Two link layers over a network of the test's own, with two links that lose,
 * double, delay and cut as they are told; what each node was told is counted.
 */

#ifndef LINK_WORLD_H
#define LINK_WORLD_H

#include <atf-c.h>

#include "core/link.h"
#include "core/rng.h"
#include "core/wire.h"

#define LATENCY UINT64_C(300)
#define KEPT	4000

struct datagram {
	STAILQ_ENTRY(datagram) entry;
	uint64_t at;
	unsigned to, link;
	size_t len;
	uint8_t data[WIRE_DATAGRAM_MAX];
};

/* What a node was told. */
struct told {
	unsigned up, down, gone, messages;
	int gone_code;
	uint64_t inc;		 /* of the last UP, DOWN or GONE */
	char why[256];		 /* of the last DOWN or GONE */
	char event[512];	 /* last of EVK_REJECT */
	char node[512];		 /* last of EVK_NODE, if a warning */
	char link[256];		 /* last of EVK_LINK about sizes, not debug */
	uint64_t outlived;	 /* by this incarnation, which ends it */
	uint32_t next[CHAN_MAX]; /* number of the next message expected */
};

struct world {
	struct conf *conf[2];
	struct link_layer *l[2];
	uint64_t inc[2];
	struct bus bus[2];
	struct actions acts[2];
	struct rng rng[2], net;
	struct told told[2];
	STAILQ_HEAD(, datagram) path;
	uint64_t now;
	bool cut[2][2]; /* sender, link */
	bool asleep[2];
	unsigned fast[2]; /* its clock, by so many in a thousand */
	bool nostamps; /* nobody knows when datagrams came */
	unsigned loss, dup;
	size_t mtu;		    /* larger ones are lost; 0: no limit */
	size_t mtu_of[2];	    /* ... of this link */
	struct datagram kept[KEPT]; /* everything sent, for replays */
	unsigned nkept;
};

extern const uint8_t world_key[32];

struct world *world_new(void);
void	 world_free(struct world *);
/* Node i begins a life with this incarnation and cluster key. */
void	 world_start(struct world *, unsigned i, uint64_t inc,
	    const uint8_t key[32]);
/* Both nodes started, and their session up. */
struct world *world_connected(void);
struct conf *world_conf(const char *cluster);
/* Lets time pass: datagrams arrive, timers are served. */
void	 world_run(struct world *, uint64_t us);
/* A datagram of node `from` goes to the network. */
void	 world_sent(struct world *, unsigned from, const struct action *);
/* A datagram arrives now. */
void	 world_packet(struct world *, unsigned to, unsigned link,
	    const uint8_t *, size_t len);
/* A datagram is read now that came at `at`. */
void	 world_stamped(struct world *, unsigned to, unsigned link, uint64_t at,
	    const uint8_t *, size_t len);
/* On its way to node `to`, as if that one's peer had sent it. */
void	 world_post(struct world *, unsigned to, unsigned link,
	    const uint8_t *, size_t len);
/* The end of a step of node i, as node.c ends it. */
void	 world_settle(struct world *, unsigned i);
/* A message with this number, which the receiver checks. */
void	 world_message(struct world *, unsigned from, enum chan,
	    uint32_t number, size_t len);

#endif /* LINK_WORLD_H */
