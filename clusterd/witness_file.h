/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The state file of the witness; its layout is in witness_state.c. */

#ifndef WITNESS_FILE_H
#define WITNESS_FILE_H

#include "witness_state.h"

enum witness_found {
	WITNESS_ERROR = -1,	/* errno: it can be neither read nor written */
	WITNESS_KEPT = 0,
	WITNESS_NONE,		/* there was no file: this is a new device */
	WITNESS_DAMAGED,	/* it was, and is moved aside: a new device */
	WITNESS_FOREIGN		/* of another cluster: nothing was done */
};

/* Reads the file, or makes it, with a uuid that no other device has. */
enum witness_found witness_file_load(const char *path,
	    struct witness_blocks *, const char *cluster);
/* 0: on the disk; -1 with errno: what is there is what was, or this. */
int	 witness_file_write(const char *path, const struct witness_blocks *,
	    const char *cluster);

#endif /* WITNESS_FILE_H */
