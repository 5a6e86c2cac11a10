/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The second voice of a node.  A tiny process beside the engine speaks when
 * the engine cannot: "it does not run, but the machine lives" and "it has
 * ended".  It seals with a key of its own, so that it cannot speak as the
 * engine, and the peers' link_beat.c believes it these two things only.
 *
 * beat.c of the parent folder runs it; this is what it says and when.
 */

#ifndef CORE_BEAT_H
#define CORE_BEAT_H

#include "../conf.h"
#include "../keyring.h"
#include "event.h"
#include "seal.h"
#include "wire.h"

#define BEAT_PATIENCE	2	/* heartbeats without a round: it stalls */
#define BEAT_REPEAT	3	/* copies of the last word, on every link */

struct beat;

/*
 * For one incarnation of node self; conf must stay.  It is silent until it has
 * a key.  NULL: no memory.
 */
struct beat *beat_new(const struct conf *, uint16_t self, uint64_t inc);
/*
 * The keys of seal_derive(SEAL_BEAT) of all generations that are held.  It says
 * everything with each of them: it cannot know which of them a peer holds.
 */
void	 beat_keys(struct beat *, const struct seal_gen[KEYRING_MAX]);
void	 beat_free(struct beat *);
/*
 * To be called every heartbeat: rounds is the engine's count of the rounds of
 * its loop, 0 before it has begun.  Says nothing while it grows.
 */
void	 beat_tick(struct beat *, uint64_t now, uint64_t rounds,
	    struct actions *);
/* The engine has ended: the last word.  Nothing is said after it. */
void	 beat_ended(struct beat *, enum wire_end how, uint32_t number,
	    struct actions *);

#endif /* CORE_BEAT_H */
