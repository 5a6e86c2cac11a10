/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Quorum leases: when a node in a primary view may believe that this view is
 * still the only one, and when it may help to form one without others who
 * may believe so.  Never are two primary views believed in at one instant, as
 * long as clocks keep their rate within LEASE_DRIFT.
 */

#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "link.h"
#include "member.h"

/* A clock gains or loses at most one part in so many. */
#define LEASE_DRIFT 100

struct lease;

/* It asks the link layer, which must stay, who has said what.  NULL: no
   memory. */
struct lease *lease_new(const struct conf *, uint16_t self, uint64_t inc,
	    const struct link_layer *);
void	 lease_free(struct lease *);
/* NOTE_WEDGE, NOTE_VIEW, NOTE_PEER_GONE; NOTE_VOUCH, answered with
   NOTE_CLEAR, now or later. */
void	 lease_note(struct lease *, const struct note *, struct bus *);
/*
 * before: lease_words() of the life before, as it was stored; 0: there was none
 * on this disk.  Until the time that is returned this node must have no part in
 * a view: others would not wait as long as it has to.
 */
uint64_t lease_start(struct lease *, uint64_t now, uint64_t before);
/* What the next life must know of us: how long a word may be good that this one,
   or the one before it, has given, us. */
uint64_t lease_words(const struct lease *, uint64_t now);
void	 lease_timer(struct lease *, struct bus *);
uint64_t lease_deadline(const struct lease *);
/* How long an answer of a peer is good for, us. */
uint64_t lease_length(const struct conf *);

/*
 * Looks anew whether it is held, and says NOTE_LEASE when that has changed.
 * To be called before anything is done, and again after what was heard.
 */
void	 lease_renew(struct lease *, struct bus *);
bool	 lease_held(const struct lease *);
/* Until then by our clock; 0: not held; UINT64_MAX: it needs nobody. */
uint64_t lease_until(const struct lease *);
/* The view that our beats vouch for; 0: none. */
uint64_t lease_vouches(const struct lease *);
/* Is an answer from the others wanted at once? */
bool	 lease_asks(const struct lease *, uint64_t now);
void	 lease_check(const struct lease *);

#endif /* CORE_LEASE_H */
