/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams: batches in and out of the link sockets.  Nothing here is ever
 * fatal: a datagram that cannot be sent is a lost datagram, and the core
 * knows how to live with that.
 */

#ifndef NET_H
#define NET_H

#include <sys/socket.h>

#include "conf.h"
#include "core/event.h"

#define NET_BATCH	16	/* buffers per system call in; each may have
				   many datagrams in it */

struct net;

struct net_stats {
	uint64_t received, truncated, stranger;	/* stranger: from no link address */
	uint64_t sent, unsendable;
	uint64_t runs;		/* of equal datagrams, sent as one */
};

/* conf outlives it. NULL: no memory, or an address cannot be read. */
struct net *net_new(const struct conf *);
void	 net_free(struct net *);
/* Owns fd; replaces the link's socket. False: no such link. */
bool	 net_socket(struct net *, unsigned link, int fd);
int	 net_fd(const struct net *, unsigned link);	/* or -1 */
/*
 * Hands what waits in up to NET_BATCH buffers of a link to fn, datagram by
 * datagram; returns how many buffers (fewer than NET_BATCH: nothing more
 * waits).  at: us of the boot clock, when the kernel had it; 0: unknown.
 */
unsigned net_receive(struct net *, unsigned link,
	    void (*fn)(void *arg, unsigned link, uint64_t at, const uint8_t *,
	    size_t), void *arg);
/*
 * A moment of the wall clock as one of the boot clock, by what both show now
 * (all us).  The wall clock may have been set meanwhile: 0, if the moment
 * would be after now, or too long ago; and never before `since`.
 */
uint64_t net_moment(uint64_t stamp, uint64_t wall, uint64_t boot,
	    uint64_t since);
/*
 * Takes over an ACT_SEND; it leaves at the next net_flush() or before, after
 * those that were given earlier for the same link.
 */
void	 net_send(struct net *, struct action *);
void	 net_flush(struct net *);
const struct net_stats *net_stats(const struct net *);

/* A numeric address; false when it is none. */
bool	 net_address(const char *, uint16_t port, struct sockaddr_storage *,
	    socklen_t *);

#endif /* NET_H */
