/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The command line of mount.gfs, as mount(8) calls it.
 */

#ifndef GFS_MOUNT_OPTS_H
#define GFS_MOUNT_OPTS_H

#include "compat.h"

struct mount_opts {
	const char	*device;
	char		 dir[4096];	/* absolute */
	bool		 foreground;	/* -d */
	bool		 fake;		/* -f: check, mount nothing */
	bool		 verbose;
	bool		 readonly;
	bool		 noatime;
	char		 lockproto[64];	/* "": from the superblock */
	char		 locktable[64];
	char		 socket[108];
	char		 user[33];
	uint64_t	 commit_us;	/* 0: default */
	char		 fuse[512];	/* options handed to the kernel */
};

/* Fills in o. On failure prints a sentence and returns false. */
bool	 mount_opts_parse(struct mount_opts *o, int argc, char **argv);

#endif /* GFS_MOUNT_OPTS_H */
