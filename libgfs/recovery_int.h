/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What recovery.c (the order of things) and replay.c (what the log says)
 * share.
 */

#ifndef GFS_RECOVERY_INT_H
#define GFS_RECOVERY_INT_H

#include "cache_int.h"

/* One image in the active log. pos counts blocks from the tail. */
struct item {
	uint64_t		 blkno;
	uint32_t		 pos;
	bool			 jdata;
	bool			 escaped;
	bool			 skip;
};

/* What the log says last about one block. */
struct lastword {
	RB_ENTRY(lastword)	 node;
	uint64_t		 blkno;
	uint32_t		 revoked;	/* position + 1; 0: never */
	uint32_t		 image;		/* position + 1; 0: none */
};

RB_HEAD(words, lastword);

struct replay {
	struct gfs		*fs;
	const struct journal	*j;
	unsigned		 jid;
	uint32_t		 tail;		/* journal block of position 0 */
	uint32_t		 len;		/* the head's position */
	struct words		 blocks;
	struct item		*items;		/* in log order */
	uint32_t		 nitems, cap;
	uint32_t		 nrevokes;
	uint32_t		 written;
	uint8_t			*win;		/* journal blocks win_first.. */
	uint32_t		 win_first, win_len;
};

/* recovery.c: position pos of the log; valid until the next call. */
int	 replay_block(struct replay *, uint32_t pos, const uint8_t **);

/* replay.c */
int	 replay_scan(struct replay *);		/* fills items and blocks */
void	 replay_resolve(struct replay *);	/* sets skip, R2 */
void	 replay_free(struct replay *);
/* Adds the dead node's own statfs change to the master file and zeroes it. */
int	 replay_statfs(struct gfs *, const struct log_header *);

#endif /* GFS_RECOVERY_INT_H */
