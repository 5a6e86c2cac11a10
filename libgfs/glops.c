/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What each type of glock does before it is given up and after it is
 * granted.  The order matters: file data and metadata are home, and the
 * revokes that keep an old image of them from being replayed are durable,
 * before the lock leaves this node (gl->state EX -> anything).
 */

#include "glock_work.h"

/*
 * File data goes first: the flush inside log_clean_glock() would write it
 * anyway (ordered data), and so it travels together.
 */
static int
inode_sync(struct glock *gl)
{
	int error;

	error = cache_write_data(gl);
	if (error != 0)
		return error;
	return log_clean_lock(gl, LHF_INODE_DEMOTE);
}

static void
inode_drop(struct glock *gl, bool data_only)
{
	if (!data_only)
		inode_inval(gl);
	cache_inval(gl, data_only);
}

const struct glock_ops glops_inode = {
	.sync = inode_sync,
	.inval = inode_drop,
	.instantiate = inode_instantiate,
	.lvb = true,
	.hold_time = true,
};

static int
rgrp_sync(struct glock *gl)
{
	return log_clean_lock(gl, LHF_RGRP_DEMOTE);
}

static void
rgrp_drop(struct glock *gl, bool data_only)
{
	rgrp_inval(gl);
	cache_inval(gl, false);
}

/*
 * The kernel gives up rgrps at once; a node that allocates keeps its rgrp for
 * the minimum time here, or two of them would write their logs for each block.
 */
const struct glock_ops glops_rgrp = {
	.sync = rgrp_sync,
	.inval = rgrp_drop,
	.instantiate = rgrp_instantiate,
	.lvb = true,
	.hold_time = true,
};

const struct glock_ops glops_iopen = {
	.callback = inode_iopen_callback,
};

static void
meta_drop(struct glock *gl, bool data_only)
{
	cache_inval(gl, false);
}

/* The superblock is never written here, so there is nothing to sync. */
const struct glock_ops glops_meta = {
	.inval = meta_drop,
};

const struct glock_ops glops_other = {
	.lvb = false,
};
