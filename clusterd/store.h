/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The durable state of this node: its incarnation and a blob that only the
 * core understands.  One file with two slots that are written in turn; each
 * slot carries a sequence number and a checksum, so a write torn at any byte
 * leaves the older slot readable.  The file has its full length from the
 * beginning: a disk that is full later does not matter.
 */

#ifndef STORE_H
#define STORE_H

#include "compat.h"

#define STORE_BLOB_MAX	61440	/* bytes; fits one local message */
#define STORE_SLOT_LEN	65536
#define STORE_LIFE_MAX	(UINT64_C(1) << 62)

struct store {
	int		 fd;
	char		 path[512];	/* for people */
	uint64_t	 seq;		/* of the newest slot; 0: none */
	uint64_t	 incarnation;
	bool		 damaged;	/* the file has bytes, but no valid slot */
	size_t		 len;
	uint8_t		 blob[STORE_BLOB_MAX];
};

/*
 * Opens or creates DIR/state (0600) and reads the newest valid slot.
 * Returns 0, or -1 with errno, ENOSPC if there is no room for the file; then
 * nothing is open.
 */
int	 store_open(struct store *, const char *dir);
void	 store_close(struct store *);
/*
 * Replaces incarnation and blob and returns when they are on the disk: 0, or
 * -1 with errno (EMSGSIZE: blob too long), with the old state still there.
 */
int	 store_write(struct store *, uint64_t incarnation, const void *blob,
	    size_t len);
/* Others have met this incarnation of the node: the next one is above it.
   What is beyond STORE_LIFE_MAX is not believed. */
void	 store_outlived(struct store *, uint64_t incarnation);
/*
 * The incarnation of the next life: above the stored one, and above what any
 * life before wall_ms (ms since 1970) had, should the file have been lost.
 */
uint64_t store_next(const struct store *, uint64_t wall_ms, uint16_t random);

#endif /* STORE_H */
