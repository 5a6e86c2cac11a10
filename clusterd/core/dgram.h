/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams from a program on one node to the program that has opened a port
 * on another one, or on all of them.  They are not replicated and not in the
 * total order; each is answered by whether somebody took it.
 */

#ifndef CORE_DGRAM_H
#define CORE_DGRAM_H

#include "svc.h"

#define DGRAM_PORTS	256
#define DGRAM_MAX	32768		/* bytes of one */
#define DGRAM_OVERHEAD	256		/* counted for each under way */

struct dgrams;

/* NULL when memory is out.  The configuration stays the caller's. */
struct dgrams *dgrams_new(const struct conf *, uint16_t self);
void	 dgrams_free(struct dgrams *);
/* NOTE_VIEW, NOTE_MESSAGE on CHAN_CLIENT, NOTE_PEER_*, NOTE_REQUEST
   (M_DGRAM_*), NOTE_CLIENT_GONE. */
void	 dgrams_note(struct dgrams *, const struct note *, struct bus *);
void	 dgrams_check(const struct dgrams *);

/* For SHOW rows: the first port above this one that is open; or false. */
struct dgram_info {
	int		 port;
	uint64_t	 client;
	uint64_t	 taken;		/* datagrams it was given */
};
bool	 dgram_info_after(const struct dgrams *, int port,
	    struct dgram_info *);

#endif /* CORE_DGRAM_H */
