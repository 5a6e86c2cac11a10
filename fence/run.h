/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One run of a fence agent: a program with "key=value" lines on its standard
 * input, an exit status, and text for humans.  Nothing here waits: the end,
 * the output and the time limit come through the loop.
 */

#ifndef FENCE_RUN_H
#define FENCE_RUN_H

#include "loop.h"

#define RUN_TAIL	1024		/* bytes of output that are kept */
#define RUN_GRACE_US	1000000		/* between SIGTERM and SIGKILL */

struct run;

struct run_result {
	bool	 timeout;	/* stopped by us: never a success */
	bool	 signaled;
	int	 code;		/* exit status, or number of the signal */
	bool	 quiet;		/* it printed nothing */
	char	 last[256];	/* last line of output, cleaned; may be "" */
};

/*
 * Finds an agent: an absolute path, or a name in the folders of agents.  It
 * must be a regular executable file of root that nobody else can write.
 * Returns false, with the reason in why.
 */
bool	 run_find(const char *agent, char *path, size_t size, char *why,
	    size_t whysize);
/*
 * Starts argv[0], a path, with the arguments behind it and input (len bytes, copied and zeroed after use) on its
 * standard input.  done is called once, later, and may free the run.
 * NULL with errno when it cannot be started.
 */
struct run *run_new(struct loop *, const char *const *argv, const void *input,
	    size_t len, uint64_t timeout_us, void (*done)(void *arg,
	    const struct run_result *), void *arg);
/* Ends it at once when it still runs (done is not called). NULL is fine. */
void	 run_free(struct run *);

#endif /* FENCE_RUN_H */
