/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Whether this node is fit to win the votes of the quorum device: programs of
 * the user say so, each with a score.
 */

#ifndef HEURISTICS_H
#define HEURISTICS_H

#include "conf.h"
#include "loop.h"

struct heuristics;

/*
 * Starts the process that runs the programs, which needs the rights of root to
 * become somebody else; called before anything is read from outside.  Returns
 * its channel, or -1 with errno.
 */
int	 heuristics_start(const struct conf *);
/*
 * The table of what they say; fd is the channel.  known is called once, when
 * each of them has ended for the first time.
 */
struct heuristics *heuristics_new(struct loop *, const struct conf *, int fd,
	    void (*known)(void *arg), void *arg);
/* Has each of them ended at least once? */
bool	 heuristics_known(const struct heuristics *);
/* Do the scores reach the minimum?  If not, why names what fails. */
bool	 heuristics_reach(const struct heuristics *, char *why, size_t size);

#endif /* HEURISTICS_H */
