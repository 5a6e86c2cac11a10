/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The table of inodes in core, and their locks.
 *
 * I1  the table holds at most one inode per block; one that is gone (freed,
 *     here or by a peer) has left the table and answers ESTALE;
 * I2  valid implies that the inode's lock has been held since the dinode was
 *     read;
 * I3  while the iopen lock is held nobody frees the inode.  Without it, and
 *     unless valid, the block may be anything by now: it is not read before
 *     iopen is held again and the bitmap calls the block a dinode;
 * I4  what is open holds iopen.
 */

#include <errno.h>

#include "ops.h"

static int
inode_cmp(const struct ginode *a, const struct ginode *b)
{
	if (a->addr == b->addr)
		return 0;
	return a->addr < b->addr ? -1 : 1;
}

RB_PROTOTYPE(inode_tree, ginode, node, inode_cmp)
RB_GENERATE(inode_tree, ginode, node, inode_cmp)

struct ginode *
inode_find(struct gfs *fs, uint64_t addr)
{
	struct ginode key;

	key.addr = addr;
	return RB_FIND(inode_tree, &fs->inodes, &key);
}

/* The last reference is gone; the locks stay cached without an object. */
static void
inode_free(struct ginode *ip)
{
	inode_forget(ip);
	glock_release(&ip->iopen_gh);
	if (ip->iopen != NULL)
		glock_put(ip->iopen);
	if (ip->gl != NULL)
		glock_put(ip->gl);
	free(ip);
}

int
inode_alloc(struct gfs *fs, uint64_t addr, struct ginode **out)
{
	struct ginode *ip;
	int error;

	ip = calloc(1, sizeof(*ip));
	if (ip == NULL)
		return ENOMEM;
	ip->fs = fs;
	ip->addr = addr;
	ip->refs = 1;
	ip->gone = true; /* not in the table yet */
	waitq_init(&ip->iopen_wq);
	gholder_init(&ip->iopen_gh);
	error = glock_get(fs, GL_INODE, addr, &ip->gl);
	if (error == 0)
		error = glock_get(fs, GL_IOPEN, addr, &ip->iopen);
	if (error != 0) {
		inode_free(ip);
		return error;
	}
	*out = ip;
	return 0;
}

/* I1 */
static void
inode_insert(struct ginode *ip)
{
	ip->gone = false;
	RB_INSERT(inode_tree, &ip->fs->inodes, ip);
	ip->gl->object = ip;
	ip->gl->instantiated = false;
	ip->iopen->object = ip;
}

void
inode_forget(struct ginode *ip)
{
	if (ip->gone)
		return;
	ip->gone = true;
	ip->valid = false;
	RB_REMOVE(inode_tree, &ip->fs->inodes, ip);
	/* A successor at the same block may own the locks already. */
	if (ip->gl->object == ip) {
		ip->gl->object = NULL;
		ip->gl->instantiated = false;
	}
	if (ip->iopen->object == ip)
		ip->iopen->object = NULL;
}

/*
 * Taking iopen may wait, and another fiber may bring the same inode in
 * meanwhile: what was made then is thrown away and the table decides.
 */
int
inode_get(struct gfs *fs, uint64_t addr, uint64_t formal, struct ginode **out)
{
	struct ginode *ip, *made = NULL;
	int error;

	for (;;) {
		ip = inode_find(fs, addr);
		if (ip != NULL && formal != 0 && ip->formal != 0 &&
		    ip->formal != formal) {
			/* A peer freed it and the block has a new owner. */
			inode_forget(ip);
			ip = NULL;
		}
		if (ip != NULL || made != NULL)
			break;
		error = inode_alloc(fs, addr, &made);
		if (error != 0)
			return error;
		error = glock_acquire(made->iopen, GLS_SH, GLF_NOEXP,
		    &made->iopen_gh);
		if (error != 0) {
			inode_free(made);
			return error;
		}
	}
	if (ip == NULL) {
		ip = made;
		ip->formal = formal;
		inode_insert(ip);
	} else {
		if (made != NULL)
			inode_free(made);
		if (ip->deleting)
			return ESTALE;
		ip->refs++;
	}
	*out = ip;
	return 0;
}

int
inode_new(struct gfs *fs, uint64_t addr, struct gholder *gh,
    struct ginode **out)
{
	struct ginode *ip;
	int error;

	/* The block is free: whatever we know of it is out of date. */
	ip = inode_find(fs, addr);
	if (ip != NULL)
		inode_forget(ip);
	error = inode_alloc(fs, addr, &ip);
	if (error != 0)
		return error;
	gholder_init(gh);
	error = glock_acquire(ip->gl, GLS_EX, GLF_TRY_1CB | GLF_SKIP, gh);
	if (error == 0)
		error = glock_acquire(ip->iopen, GLS_SH, GLF_TRY_1CB,
		    &ip->iopen_gh);
	if (error == 0 && inode_find(fs, addr) != NULL)
		error = EAGAIN;
	if (error != 0) {
		glock_release(gh);
		inode_free(ip);
		return error;
	}
	inode_insert(ip);
	*out = ip;
	return 0;
}

void
inode_hold(struct ginode *ip)
{
	ASSERT(ip->refs > 0);
	ip->refs++;
}

/* Worth a try: unlinked_delete() looks closely, under the locks. */
static bool
may_delete(const struct ginode *ip)
{
	return !ip->gone && !ip->deleting && ip->opens == 0 &&
	    ((ip->known && ip->nlink == 0) || ip->wanted) &&
	    fs_writable(ip->fs) == 0;
}

void
inode_put(struct ginode *ip)
{
	ASSERT(ip->refs > 0);
	if (ip->refs == 1 && may_delete(ip))
		unlinked_delete(ip);
	if (--ip->refs == 0)
		inode_free(ip);
}

int
gfs_opened(struct ginode *ip)
{
	int error;

	error = inode_hold_iopen(ip);
	if (error == 0)
		ip->opens++;
	return error;
}

void
gfs_closed(struct ginode *ip)
{
	ASSERT(ip->opens > 0);
	if (--ip->opens > 0 || !may_delete(ip))
		return;
	inode_hold(ip);
	unlinked_delete(ip);
	inode_put(ip);
}

/* I3: is the block still a dinode? */
static int
check_state(struct ginode *ip)
{
	unsigned state;
	int error;

	/* Before the rgrps are known only system files are looked at. */
	if (ip->fs->rgrps == NULL)
		return 0;
	error = rgrp_read_state(ip->fs, ip->addr, &state);
	if (error == 0 && state != GFS2_BLKST_DINODE &&
	    state != GFS2_BLKST_UNLINKED)
		error = ESTALE;
	return error;
}

int
inode_hold_iopen(struct ginode *ip)
{
	int error;

	/* One fiber at a time: the holder is part of the inode. */
	while (ip->iopen_busy)
		env_wait(ip->fs->env, &ip->iopen_wq, UINT64_MAX);
	if (ip->gone || ip->deleting)
		return ESTALE;
	if (ip->iopen_gh.gl != NULL)
		return 0;
	ip->iopen_busy = true;
	error = glock_acquire(ip->iopen, GLS_SH, 0, &ip->iopen_gh);
	if (error == 0) {
		error = check_state(ip);
		if (error != 0)
			glock_release(&ip->iopen_gh);
	}
	ip->iopen_busy = false;
	env_wake_all(ip->fs->env, &ip->iopen_wq);
	if (error == ESTALE)
		inode_forget(ip);
	return error;
}

void
inode_iopen_callback(struct glock *gl, enum lm_mode wanted)
{
	struct ginode *ip = gl->object;

	if (ip == NULL || wanted != LM_EX || ip->iopen_gh.gl == NULL ||
	    ip->iopen_busy)
		return;
	if (ip->opens > 0 || ip->deleting) {
		/* I4: our last close will free it; tell them so. */
		ip->wanted = true;
		unlinked_queue(ip->fs, ip->addr, 0);
		return;
	}
	glock_release(&ip->iopen_gh);
	/* And look later whether they did it. */
	ip->wanted = true;
	unlinked_queue(ip->fs, ip->addr, 5000000);
}

int
inode_locked(struct ginode *ip, enum glock_state state)
{
	int error;

	if (ip->gone || (!ip->valid && ip->iopen_gh.gl == NULL))
		return ESTALE;
	error = ip->valid ? 0 : inode_refresh(ip);
	/* T1 of bmap_trunc.c */
	if (error == 0 && state == GLS_EX &&
	    (ip->diskflags & GFS2_DIF_TRUNC_IN_PROG) != 0 &&
	    fs_writable(ip->fs) == 0 && ip->fs->log != NULL)
		error = bmap_resume_truncate(ip);
	return error;
}

int
inode_lock(struct ginode *ip, enum glock_state state, unsigned flags,
    struct gholder *gh)
{
	int error;

	gholder_init(gh);
	for (;;) {
		if (ip->gone)
			return ESTALE;
		if (ip->iopen_gh.gl == NULL && !ip->valid) {
			error = inode_hold_iopen(ip);
			if (error != 0)
				return error;
		}
		error = glock_acquire(ip->gl, state, flags, gh);
		if (error != 0)
			return error;
		if (ip->gone) {
			glock_release(gh);
			return ESTALE;
		}
		if (ip->valid || ip->iopen_gh.gl != NULL)
			break;
		/* iopen went while we waited. */
		glock_release(gh);
	}
	error = inode_locked(ip, state);
	if (error != 0)
		glock_release(gh);
	return error;
}

int
inode_instantiate(struct glock *gl)
{
	struct ginode *ip = gl->object;

	/* I3; inode_lock() reads it when the time has come. */
	if (ip == NULL || ip->gone || ip->valid || ip->iopen_gh.gl == NULL)
		return 0;
	return inode_refresh(ip);
}

void
inode_inval(struct glock *gl)
{
	struct ginode *ip = gl->object;

	if (ip != NULL)
		ip->valid = false;
}

int
inode_bh(struct ginode *ip, struct bh **out)
{
	return cache_read_meta(ip->gl, ip->addr, GFS2_METATYPE_DI, out);
}

/* The two goals of the format are one here, as in the kernel. */
static void
from_disk(struct ginode *ip, const struct dinode *di)
{
	ip->formal = di->num.formal;
	ip->mode = di->mode;
	ip->uid = di->uid;
	ip->gid = di->gid;
	ip->nlink = di->nlink;
	ip->size = di->size;
	ip->blocks = di->blocks;
	ip->atime.tv_sec = (time_t)di->atime;
	ip->atime.tv_nsec = di->atime_nsec;
	ip->mtime.tv_sec = (time_t)di->mtime;
	ip->mtime.tv_nsec = di->mtime_nsec;
	ip->ctime.tv_sec = (time_t)di->ctime;
	ip->ctime.tv_nsec = di->ctime_nsec;
	ip->major = di->major;
	ip->minor = di->minor;
	ip->goal = di->goal_data;
	ip->generation = di->generation;
	ip->diskflags = di->flags;
	ip->payload_format = di->payload_format;
	ip->height = di->height;
	ip->depth = di->depth;
	ip->entries = di->entries;
	ip->eattr = di->eattr;
}

static void
to_disk(const struct ginode *ip, struct dinode *di)
{
	memset(di, 0, sizeof(*di));
	di->num.formal = ip->formal;
	di->num.addr = ip->addr;
	di->mode = ip->mode;
	di->uid = ip->uid;
	di->gid = ip->gid;
	di->nlink = ip->nlink;
	di->size = ip->size;
	di->blocks = ip->blocks;
	di->atime = ip->atime.tv_sec;
	di->atime_nsec = (uint32_t)ip->atime.tv_nsec;
	di->mtime = ip->mtime.tv_sec;
	di->mtime_nsec = (uint32_t)ip->mtime.tv_nsec;
	di->ctime = ip->ctime.tv_sec;
	di->ctime_nsec = (uint32_t)ip->ctime.tv_nsec;
	di->major = ip->major;
	di->minor = ip->minor;
	di->goal_meta = ip->goal;
	di->goal_data = ip->goal;
	di->generation = ip->generation;
	di->flags = ip->diskflags;
	di->payload_format = ip->payload_format;
	di->height = ip->height;
	di->depth = ip->depth;
	di->entries = ip->entries;
	di->eattr = ip->eattr;
}

int
inode_refresh(struct ginode *ip)
{
	struct gfs *fs = ip->fs;
	struct dinode di;
	struct bh *bh;
	enum od_error od;
	int error;

	/* A peer that freed it has said so; the block may be another's. */
	if (inode_check_lvb(ip) != 0) {
		inode_forget(ip);
		return ESTALE;
	}
	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	od = dinode_decode(&di, bh->data, fs->bsize, ip->addr, fs->max_height);
	cache_put(bh);
	if (od != OD_OK)
		return fs_corrupt(fs, ip->addr, "dinode: %s", od_strerror(od));
	/* The same block, but a later inode. */
	if (ip->formal != 0 && di.num.formal != ip->formal) {
		inode_forget(ip);
		return ESTALE;
	}
	from_disk(ip, &di);
	ip->known = true;
	ip->valid = true;
	return 0;
}

int
inode_update(struct ginode *ip)
{
	struct dinode di;
	struct bh *bh;
	int error;

	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	trans_add_meta(bh);
	to_disk(ip, &di);
	dinode_encode(&di, bh->data);
	cache_put(bh);
	return 0;
}

void
inode_touch(struct ginode *ip, bool mtime)
{
	ip->ctime = inode_now(ip->fs);
	if (mtime)
		ip->mtime = ip->ctime;
}

/* The value block: magic, pad, the last formal number freed here. */
int
inode_check_lvb(const struct ginode *ip)
{
	const struct lm_lock *lm = &ip->gl->lm;

	/* A value block that lost its last write says nothing. */
	if (lm->sbflags & LM_VALNOTVALID || od_get32(lm->lvb) != GFS2_MAGIC)
		return 0;
	if (ip->formal != 0 && od_get64(lm->lvb + 8) >= ip->formal)
		return ESTALE;
	return 0;
}

void
inode_set_lvb(struct ginode *ip)
{
	uint8_t *lvb = ip->gl->lm.lvb;

	od_put32(lvb, GFS2_MAGIC);
	od_put32(lvb + 4, 0);
	od_put64(lvb + 8, ip->formal);
}
