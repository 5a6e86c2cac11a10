/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The node's side of the local protocol (proto.h): who is connected, what
 * each may ask, the mounts they registered, and the ring of recent events.
 * Requests that belong to a module are passed on as NOTE_REQUEST.
 */

#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "member.h"

#define CLIENTS_MAX	1024
#define EVENTS_KEPT	1024
#define MOUNTS_MAX	64

struct client_layer;

struct client_layer *client_new(const struct conf *, uint16_t self);
void	 client_free(struct client_layer *);
/* EV_CLIENT_OPEN, EV_CLIENT_DATA, EV_CLIENT_CLOSE. */
void	 client_event(struct client_layer *, const struct event *,
	    struct bus *);
/* NOTE_VIEW, NOTE_QUORUM, NOTE_LEASE (told to watchers), NOTE_EVENT (kept),
   NOTE_PEER_* (the reasons of later views), and NOTE_REQUEST for
   M_WATCH_VIEWS, M_MOUNT and M_MOUNT_SAYS. */
void	 client_note(struct client_layer *, const struct note *, struct bus *);
/* The node leaves: every client is closed and gone. */
void	 client_close_all(struct client_layer *, const char *why, struct bus *);
void	 client_check(const struct client_layer *);

/* For SHOW rows. */
struct client_mount {
	uint64_t client;
	uint32_t pid;
	char	 fs[64];
	char	 dir[256];
	uint64_t since;		/* us */
};
unsigned client_mounts(const struct client_layer *,
	    const struct client_mount **);

struct client_event {
	uint64_t	 seq;	/* from 1 */
	uint64_t	 epoch;	/* of the view it happened in */
	uint64_t	 wall;	/* us since 1970 */
	enum ev_kind	 kind;
	enum ev_level	 level;
	char		 text[240];
};
/* The i-th oldest that is kept, or NULL. */
const struct client_event *client_event_at(const struct client_layer *,
	    unsigned i);
unsigned client_count(const struct client_layer *);
const char *ev_kind_name(enum ev_kind);

#endif /* CORE_CLIENT_H */
