/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Resource groups as rgrp.c (index, reading, locks) and rgrp_alloc.c
 * (allocating, freeing) share them.
 */

#ifndef GFS_RGRP_H
#define GFS_RGRP_H

#include "bitmap.h"
#include "ops.h"

/* One bitmap block of an rgrp. */
struct rgrp_bits {
	struct bh	*bh;		/* a reference while loaded */
	unsigned	 off;		/* of the bitmap in the block */
	uint32_t	 start;		/* its first block, counted from data0 */
	uint32_t	 nblocks;
	/*
	 * Where searches look; NULL: the bitmap itself.  Blocks freed but not
	 * yet committed are in use here.
	 */
	uint8_t		*clone;
	uint32_t	 pending;	/* blocks freed but not committed */
};

struct rgrp {
	RB_ENTRY(rgrp)	 node;		/* in rgrps.tree by ri.addr */
	struct gfs	*fs;
	struct glock	*gl;
	struct rindex	 ri;
	unsigned	 index;		/* position on the volume */
	bool		 loaded;	/* what follows is current */
	bool		 check;		/* look for unlinked dinodes once */
	struct rgrp_hdr	 hdr;
	uint32_t	 unlinked;	/* dinodes in that state */
	uint32_t	 pending;	/* sum over bits */
	unsigned	 nbits;
	struct rgrp_bits *bits;
};

struct rgrps {
	RB_HEAD(rgrp_tree, rgrp) tree;
	struct rgrp	**byindex;
	unsigned	 n;
	unsigned	 next;		/* where this node tries first */
	uint64_t	 grant_gen;	/* of the rindex lock when it was read */
};

int	 rgrp_cmp(const struct rgrp *, const struct rgrp *);
RB_PROTOTYPE(rgrp_tree, rgrp, node, rgrp_cmp)

/* The rgrp whose data area holds the block, or NULL. */
struct rgrp *rgrp_of(struct gfs *, uint64_t blkno);
/* Reads the rindex again if somebody may have grown the volume. */
int	 rgrp_fresh(struct gfs *);
/* The lock, with everything loaded. */
int	 rgrp_lock(struct rgrp *, enum glock_state, unsigned flags,
	    struct gholder *);
/* The bitmap block that describes block i of the data area. */
struct rgrp_bits *rgrp_bits_of(struct rgrp *, uint32_t i);

#endif /* GFS_RGRP_H */
