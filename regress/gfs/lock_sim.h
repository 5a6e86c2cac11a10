/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A cluster's lock manager inside one process, for tests: several mounts in
 * one simulated environment share one volume through it.  It has the modes,
 * queues, conversions, value blocks and recovery upcalls of the real one;
 * messages between a node and the (single) master take a time drawn from a
 * seed, or are delivered in an order the test chooses.
 */

#ifndef LOCK_SIM_H
#define LOCK_SIM_H

#include "libgfs/env.h"
#include "libgfs/lockops.h"

struct simlm;

/* gfs_mount.lm_opts; node is any number unique among the living. */
struct simlm_opts {
	struct simlm	*cluster;
	unsigned	 node;
};

extern const struct lm_ops lm_sim;

/* Messages take 1 to max_us of virtual time. */
struct simlm *simlm_new(struct env *, uint64_t seed, unsigned max_us);
/* Inside a fiber; every member has left or is dead. */
void	 simlm_free(struct simlm *);
/*
 * The node fails: from now on nothing it sent arrives and nothing reaches
 * it; its members are told, its locks released, as after a fence.
 */
void	 simlm_kill(struct simlm *, unsigned node);
/* The slot of a living node, 0: none. */
unsigned simlm_slot(const struct simlm *, unsigned node);
/* Recoveries that have not told everybody "done" yet. */
bool	 simlm_busy(const struct simlm *);
/* Which of n deliverable messages comes next: a model checker's choice. */
void	 simlm_set_chooser(struct simlm *, unsigned (*)(void *arg, unsigned n),
	    void *arg);
uint64_t simlm_messages(const struct simlm *);

#endif /* LOCK_SIM_H */
