/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What lm_cluster needs to know: gfs_mount.lm_opts points to this.  Strings
 * must outlive the call of mount().
 */

#ifndef GFS_LOCK_CLUSTER_H
#define GFS_LOCK_CLUSTER_H

struct lm_cluster_opts {
	void		*event_base;	/* struct event_base * of the env */
	const char	*socket;	/* of clusterd; NULL: the usual one */
	const char	*dir;		/* mount point, told to clusterd */
};

#endif /* GFS_LOCK_CLUSTER_H */
