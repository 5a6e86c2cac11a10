/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The mounts of this node, as processes: when the node leaves the cluster,
 * every one of them must be gone before it may come back.  That is what a
 * newer incarnation proves to the others.
 */

#ifndef MOUNTS_H
#define MOUNTS_H

#include "loop.h"

#define MOUNTS_PROGRAM	"mount.gfs"
#define MOUNTS_KEPT	256

struct mounts;

/* gone is called whenever the last one has ended. Never NULL. */
struct mounts *mounts_new(struct loop *, void (*gone)(void *arg), void *arg);
void	 mounts_free(struct mounts *);
/*
 * Keeps a process.  It is refused (-1, errno) when it is no MOUNTS_PROGRAM
 * that belongs to root, so that a broken engine cannot have others killed;
 * ESRCH: it has ended already.
 */
int	 mounts_add(struct mounts *, pid_t, const char *fs, const char *dir);
unsigned mounts_count(const struct mounts *);
/*
 * Sends the signal to all; why is for the log.  The place of a killed mount is
 * left as it is: errors are better than writes to the folder underneath, and
 * the next mount.gfs clears it away.
 */
void	 mounts_signal(struct mounts *, int signo, const char *why);

#endif /* MOUNTS_H */
