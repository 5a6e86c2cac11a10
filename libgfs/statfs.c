/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Free space and number of inodes, for statfs(2).
 *
 * Every transaction that changes them adds to this node's change file, in
 * the same transaction; from time to time the change is added to the master
 * file and set to zero, both in one transaction.  So the sum of the master
 * and of all change files is exact at every commit, and no two nodes write
 * the same file in the common case.
 */

#include <errno.h>

#include "ops.h"

#define SYNC_US 30000000

struct statfs_fiber {
	bool stop, running;
	struct waitq wq, idle;
};

static void
change_of(const struct gfs *fs, struct statfs_change *sc)
{
	sc->total = fs->statfs_delta[0];
	sc->free = fs->statfs_delta[1];
	sc->dinodes = fs->statfs_delta[2];
}

/* Reads the 24 bytes of a statfs file, which is stuffed. */
static int
read_file(struct ginode *ip, int64_t v[3])
{
	struct statfs_change sc;
	struct bh *bh;
	int error;

	if (ip->height != 0 || ip->size < OD_STATFS_SIZE)
		return fs_corrupt(ip->fs, ip->addr, "statfs file: size %llu",
		    (unsigned long long)ip->size);
	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	statfs_decode(&sc, bh->data + OD_DINODE_SIZE);
	cache_put(bh);
	v[0] = sc.total;
	v[1] = sc.free;
	v[2] = sc.dinodes;
	return 0;
}

/* In a transaction. */
static int
write_file(struct ginode *ip, const struct statfs_change *sc)
{
	struct bh *bh;
	int error;

	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	trans_add_meta(bh);
	statfs_encode(sc, bh->data + OD_DINODE_SIZE);
	cache_put(bh);
	return 0;
}

void
statfs_change(struct gfs *fs, int64_t total, int64_t nfree, int64_t dinodes)
{
	struct statfs_change sc;

	fs->statfs_delta[0] += total;
	fs->statfs_delta[1] += nfree;
	fs->statfs_delta[2] += dinodes;
	if (fs->statfs_local == NULL)
		return;
	change_of(fs, &sc);
	/* A failure has withdrawn the mount. */
	(void)write_file(fs->statfs_local, &sc);
}

static int
sync_locked(struct gfs *fs)
{
	struct statfs_change sc, zero = { 0, 0, 0 };
	int error;

	error = read_file(fs->statfs_master, fs->statfs_total);
	if (error == 0)
		error = trans_begin(fs, 2, 0);
	if (error != 0)
		return error;
	/* Both files in one transaction: the sum never changes. */
	sc.total = fs->statfs_total[0] += fs->statfs_delta[0];
	sc.free = fs->statfs_total[1] += fs->statfs_delta[1];
	sc.dinodes = fs->statfs_total[2] += fs->statfs_delta[2];
	error = write_file(fs->statfs_master, &sc);
	if (error == 0)
		error = write_file(fs->statfs_local, &zero);
	if (error == 0)
		memset(fs->statfs_delta, 0, sizeof(fs->statfs_delta));
	trans_end(fs);
	return error;
}

static int
sync_flags(struct gfs *fs, unsigned flags)
{
	struct gholder gh;
	int error;

	if (fs->statfs_delta[0] == 0 && fs->statfs_delta[1] == 0 &&
	    fs->statfs_delta[2] == 0)
		return 0;
	error = fs_writable(fs);
	if (error == 0)
		error = inode_lock(fs->statfs_master, GLS_EX, flags, &gh);
	if (error != 0)
		return error;
	error = sync_locked(fs);
	glock_release(&gh);
	return error;
}

int
statfs_sync(struct gfs *fs)
{
	/* The other nodes will want it soon. */
	return sync_flags(fs, GLF_NOCACHE);
}

static void
statfs_main(void *arg)
{
	struct gfs *fs = arg;
	struct statfs_fiber *sf = fs->statfs_fiber;
	uint64_t next = env_now(fs->env) + SYNC_US;

	while (!sf->stop) {
		if (env_wait(fs->env, &sf->wq, next) != ETIMEDOUT)
			continue;
		/* What fails now is still in the change file. */
		(void)statfs_sync(fs);
		next = env_now(fs->env) + SYNC_US;
	}
	sf->running = false;
	env_wake_all(fs->env, &sf->idle);
}

int
statfs_start(struct gfs *fs)
{
	struct statfs_fiber *sf;
	struct gholder gh;
	int error;

	error = inode_lock(fs->statfs_master, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	error = read_file(fs->statfs_master, fs->statfs_total);
	glock_release(&gh);
	if (error == 0 && !fs->statfs_local->valid)
		error = inode_refresh(fs->statfs_local);
	if (error == 0)
		error = read_file(fs->statfs_local, fs->statfs_delta);
	if (error != 0)
		return error;
	sf = calloc(1, sizeof(*sf));
	if (sf == NULL)
		return ENOMEM;
	waitq_init(&sf->wq);
	waitq_init(&sf->idle);
	sf->running = true;
	fs->statfs_fiber = sf;
	if (env_spawn(fs->env, statfs_main, fs, "statfs") == NULL) {
		fs->statfs_fiber = NULL;
		free(sf);
		return ENOMEM;
	}
	return 0;
}

void
statfs_stop(struct gfs *fs)
{
	struct statfs_fiber *sf = fs->statfs_fiber;

	if (sf == NULL)
		return;
	sf->stop = true;
	env_wake_all(fs->env, &sf->wq);
	while (sf->running)
		env_wait(fs->env, &sf->idle, UINT64_MAX);
	fs->statfs_fiber = NULL;
	free(sf);
	/* The lock goes with all others, once the log is at rest. */
	(void)sync_flags(fs, 0);
}

/* Two nodes' sums may cross for a moment. */
static uint64_t
not_negative(int64_t n)
{
	return n < 0 ? 0 : (uint64_t)n;
}

int
gfs_statfs(struct gfs *fs, struct statvfs *st)
{
	struct gholder gh;
	int64_t v[3];
	int error, i;

	/* Cached until a peer adds its change. */
	error = inode_lock(fs->statfs_master, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	error = read_file(fs->statfs_master, fs->statfs_total);
	glock_release(&gh);
	if (error != 0)
		return error;
	for (i = 0; i < 3; i++)
		v[i] = fs->statfs_total[i] + fs->statfs_delta[i];
	memset(st, 0, sizeof(*st));
	st->f_bsize = fs->bsize;
	st->f_frsize = fs->bsize;
	st->f_blocks = not_negative(v[0]);
	st->f_bfree = MIN(not_negative(v[1]), st->f_blocks);
	st->f_bavail = st->f_bfree;
	/* Every free block can become an inode. */
	st->f_files = not_negative(v[2]) + st->f_bfree;
	st->f_ffree = st->f_bfree;
	st->f_favail = st->f_bfree;
	st->f_namemax = GFS2_FNAMESIZE;
	return 0;
}
