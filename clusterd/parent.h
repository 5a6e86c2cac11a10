/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The parent: starts the engine and the fence process, gives them what they
 * need, and takes the node out of service when the engine ends: its mounts
 * are gone before a new engine may speak for this node.
 */

#ifndef PARENT_H
#define PARENT_H

#include "clusterd.h"
#include "keyring.h"
#include "store.h"

struct parent_setup {
	const struct conf *conf;
	uint16_t	 self;
	struct keyring	 keys;		/* what the key file has */
	char		*keyfile;	/* absolute */
	struct proc_opts opts;
	char		*rundir;	/* absolute */
	gid_t		 admin, observer;	/* (gid_t)-1: none */
	struct store	*store;
	/* Called once, when the first engine is ready. */
	void		(*ready)(void);
};

/* Runs until the daemon was asked to stop; returns the exit status. */
int	 parent_run(struct parent_setup *);

#endif /* PARENT_H */
