/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * clusterd -w: the parent of the witness.  It has the files, and never reads
 * from the network; witness_server.c does.
 *
 * clusterd-protocol(7), section 6.12.
 */

#ifndef WITNESS_H
#define WITNESS_H

#include "clusterd.h"
#include "keyring.h"
#include "witness_file.h"

struct witness_setup {
	const struct conf *conf;
	struct keyring	 keys;		/* what the key file has */
	char		*keyfile;	/* absolute */
	char		*statefile;	/* absolute */
	struct proc_opts opts;
	int		 fd;		/* listens */
	struct witness_blocks blocks;
	/* Called once, when the first server is ready. */
	void		(*ready)(void);
};

/* Runs until it was asked to stop; returns the exit status. */
int	 witness_run(struct witness_setup *);

#endif /* WITNESS_H */
