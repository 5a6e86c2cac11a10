/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The parent's side of the beat process (core/beat.h): one for each engine.
 * Without it a node still works; an engine that ends or hangs then looks like
 * a machine that died.
 */

#ifndef BEAT_CHILD_H
#define BEAT_CHILD_H

#include "core/wire.h"
#include "loop.h"
#include "parent.h"

struct beat_child;

struct beat_child *beat_child_new(struct loop *, const struct proc_opts *);
/* Ends the process, if there is one. */
void	 beat_child_free(struct beat_child *);
/*
 * Starts the process for an incarnation of the engine, which has this process
 * id.  Returns a descriptor of struct beat_page for that engine, the caller's,
 * or -1 when there will be no beat process, which is logged.
 */
int	 beat_child_start(struct beat_child *, const struct parent_setup *,
	    uint64_t incarnation, pid_t engine);
/* The keys that the set holds now, derived for the present process. */
void	 beat_child_keys(struct beat_child *, const struct parent_setup *);
/* A link of the engine is open: fd is copied. */
void	 beat_child_link(struct beat_child *, unsigned link, int fd);
/* The engine has ended: the process says so to the others and exits. */
void	 beat_child_ended(struct beat_child *, enum wire_end, uint32_t number);
/* After SIGCHLD. */
void	 beat_child_reap(struct beat_child *);

#endif /* BEAT_CHILD_H */
