/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A world for tests of the disk and the journal: a volume made by mkfs.gfs2,
 * a simulated host, and the little of the rest of libgfs that the log and
 * recovery call (disk_stub.c).  Everything fails the test on error.
 */

#ifndef DISK_STUB_H
#define DISK_STUB_H

#include "../../libgfs/fs.h"
#include "sh.h"

struct world {
	struct env	*env;
	struct gfs	 fs;
	int		 fd;
	char		 path[128];
	char		 log[4096];	/* what gfs_log() said */
	char		 why[256];
};

/* Makes a volume file in the current folder. mb of size, journals of 8 MiB. */
void	 volume_make(const char *path, unsigned bsize, unsigned mb,
	    unsigned journals);
/* fsck.gfs2 -n finds nothing to complain about. */
bool	 fsck_clean(const char *path);

/* Opens device and superblock; journals and cache too unless bare. */
void	 world_open(struct world *, const char *path);
void	 world_open_bare(struct world *, const char *path);
void	 world_close(struct world *);
/* Runs fn(arg) as a fiber until it and what it started have ended. */
void	 world_run(struct world *, void (*fn)(void *), void *arg);
struct glock *world_glock(struct world *, uint64_t number);
void	 world_glock_free(struct glock *);
/* The n-th block from the end of the volume: free on a fresh one. */
uint64_t world_free_block(const struct world *, unsigned n);

/* splitmix64 */
uint64_t rnd(uint64_t *seed);

#endif /* DISK_STUB_H */
