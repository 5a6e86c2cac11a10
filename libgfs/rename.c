/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Renaming.
 *
 * Up to four inodes are locked at once, in no order that other operations
 * know, so glock_acquire_all() takes them with a time-out.  The names are
 * looked up before, under shared locks, and again when all locks are held;
 * if somebody has changed them in between it starts over.
 *
 * N1  while the rename lock is held no directory moves to another parent in
 *     the whole cluster, so the way up from a directory stays as it is and a
 *     directory cannot be moved below itself.
 */

#include <dirent.h>
#include <errno.h>

#include "ops.h"

enum {
	RENAME_TRIES = 200,
	WALK_MAX = 1 << 16
};

struct rename {
	struct gfs *fs;
	struct ginode *odir, *ndir;
	struct dname oname, nname;
	struct ginode *ip;     /* that moves */
	struct ginode *target; /* that is in its way, or NULL */
	bool noreplace, exchange;
};

static int
look(struct ginode *dir, const struct dname *name, struct ginode **ip,
    unsigned *type)
{
	struct gholder gh;
	int error;

	error = inode_lock(dir, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	error = namei_find(dir, name, ip, type);
	glock_release(&gh);
	return error;
}

/* EINVAL if dir is ip or lies below it.  N1 */
static int
not_below(struct ginode *ip, struct ginode *dir)
{
	struct ginode *up;
	struct dname dotdot;
	unsigned steps, type;
	int error;

	error = dname_init(&dotdot, "..");
	inode_hold(dir);
	for (steps = 0; error == 0 && steps < WALK_MAX; steps++) {
		if (dir->addr == ip->addr)
			error = EINVAL;
		else if (dir->addr == ip->fs->sb.root.addr)
			break;
		else
			error = look(dir, &dotdot, &up, &type);
		if (error != 0)
			break;
		inode_put(dir);
		dir = up;
	}
	inode_put(dir);
	return error;
}

/* Finds both ends; nothing stays locked. */
static int
find(struct rename *r)
{
	unsigned otype = 0, ntype = 0;
	int error;

	error = look(r->odir, &r->oname, &r->ip, &otype);
	if (error != 0)
		return error;
	error = look(r->ndir, &r->nname, &r->target, &ntype);
	if (error == ENOENT)
		error = r->exchange ? ENOENT : 0;
	else if (error == 0 && r->noreplace)
		error = EEXIST;
	if (error != 0 || r->odir == r->ndir)
		return error;
	if (otype == DT_DIR)
		error = not_below(r->ip, r->ndir);
	if (error == 0 && r->exchange && ntype == DT_DIR)
		error = not_below(r->target, r->odir);
	return error;
}

/* Does the name still lead where it did? */
static int
same(struct ginode *dir, const struct dname *name, const struct ginode *ip)
{
	struct dir_entry de;
	int error;

	error = dir_search(dir, name, &de);
	if (error == ENOENT)
		return ip == NULL ? 0 : EAGAIN;
	if (error != 0)
		return error;
	return ip != NULL && de.num.addr == ip->addr ? 0 : EAGAIN;
}

static int
check(struct rename *r)
{
	struct ginode *t = r->target;
	bool dir = inode_is(r->ip, S_IFDIR);
	int error;

	error = namei_may_change(r->odir);
	if (error == 0)
		error = namei_may_change(r->ndir);
	if (error == 0)
		error = same(r->odir, &r->oname, r->ip);
	if (error == 0)
		error = same(r->ndir, &r->nname, t);
	if (error != 0)
		return error;
	if ((r->ip->diskflags & (GFS2_DIF_IMMUTABLE | GFS2_DIF_APPENDONLY)) ||
	    (r->odir->diskflags & GFS2_DIF_APPENDONLY))
		return EPERM;
	if (t == NULL || r->exchange)
		return 0;
	if (t->diskflags & (GFS2_DIF_IMMUTABLE | GFS2_DIF_APPENDONLY))
		return EPERM;
	if (dir && !inode_is(t, S_IFDIR))
		return ENOTDIR;
	if (!dir && inode_is(t, S_IFDIR))
		return EISDIR;
	if (dir && t->entries > 2)
		return ENOTEMPTY;
	if (t->nlink == 0)
		return fs_corrupt(r->fs, t->addr, "dinode has no links left");
	return 0;
}

/* A directory's parent changed. */
static int
reparent(struct ginode *ip, struct ginode *from, struct ginode *to)
{
	struct inum num = { .formal = to->formal, .addr = to->addr };
	struct dname dotdot;
	int error;

	if (!inode_is(ip, S_IFDIR) || from == to)
		return 0;
	/* Its ".." is a link to the parent. */
	from->nlink--;
	to->nlink++;
	error = dname_init(&dotdot, "..");
	return error != 0 ? error : dir_retarget(ip, &dotdot, &num, S_IFDIR);
}

/* The inode in the way loses its name; in a transaction. */
static int
drop_target(struct rename *r, struct rgrp_hold *h)
{
	struct ginode *t = r->target;
	int error;

	if (inode_is(t, S_IFDIR)) {
		t->nlink = 0;
		if (r->ndir->nlink > 2)
			r->ndir->nlink--;
	} else {
		t->nlink--;
	}
	inode_touch(t, false);
	error = inode_update(t);
	if (error == 0 && t->nlink == 0)
		rgrp_unlink_dinode(h, t->addr);
	return error;
}

static int
move(struct rename *r, struct rgrp_hold *h)
{
	struct inum num = { .formal = r->ip->formal, .addr = r->ip->addr };
	int error;

	if (r->target != NULL) {
		error = drop_target(r, h);
		if (error == 0)
			error =
			    dir_retarget(r->ndir, &r->nname, &num, r->ip->mode);
	} else {
		error = dir_add(r->ndir, &r->nname, &num, r->ip->mode);
	}
	if (error == 0)
		error = reparent(r->ip, r->odir, r->ndir);
	if (error == 0)
		error = dir_remove(r->odir, &r->oname);
	return error;
}

static int
exchange(struct rename *r)
{
	struct inum a = { .formal = r->ip->formal, .addr = r->ip->addr };
	struct inum b = { .formal = r->target->formal,
		.addr = r->target->addr };
	int error;

	error = dir_retarget(r->odir, &r->oname, &b, r->target->mode);
	if (error == 0)
		error = dir_retarget(r->ndir, &r->nname, &a, r->ip->mode);
	if (error == 0)
		error = reparent(r->ip, r->odir, r->ndir);
	if (error == 0)
		error = reparent(r->target, r->ndir, r->odir);
	if (error == 0) {
		inode_touch(r->target, false);
		error = inode_update(r->target);
	}
	return error;
}

/* What the steps above changed in the inodes and did not write. */
static int
finish(struct rename *r)
{
	int error;

	inode_touch(r->ip, false);
	error = inode_update(r->ip);
	if (error == 0)
		error = inode_update(r->odir);
	if (error == 0)
		error = inode_update(r->ndir);
	return error;
}

static int
change(struct rename *r)
{
	struct rgrp_hold h;
	struct ginode *t = r->target;
	unsigned blocks = 4 * (TR_DINODE + TR_LEAF);
	int error = 0;

	memset(&h, 0, sizeof(h));
	/* A name in the way is pointed elsewhere and needs no room. */
	if (t == NULL)
		error = dir_make_room(r->ndir, &r->nname);
	else if (!r->exchange && (t->nlink == 1 || inode_is(t, S_IFDIR)))
		error = rgrp_hold_block(r->fs, t->addr, &h);
	if (error != 0)
		return error;
	if (h.rg != NULL)
		blocks += rgrp_log_blocks(&h, 1);
	error = trans_begin(r->fs, blocks, 0);
	if (error == 0) {
		error = r->exchange ? exchange(r) : move(r, &h);
		if (error == 0)
			error = finish(r);
		trans_end(r->fs);
	}
	rgrp_release(&h);
	return error;
}

/* Locks all, checks all, does it. */
static int
lock_and_change(struct rename *r)
{
	struct ginode *ips[4] = { r->odir, r->ndir, r->ip, r->target };
	struct gholder gh[4];
	unsigned i;
	int error = 0;

	for (i = 0; i < NITEMS(ips); i++) {
		gholder_init(&gh[i]);
		if (ips[i] != NULL && error == 0)
			error = inode_hold_iopen(ips[i]);
	}
	if (error != 0)
		return error;
	for (i = 0; i < NITEMS(ips); i++) {
		if (ips[i] == NULL)
			continue;
		glock_hold(ips[i]->gl);
		gh[i].gl = ips[i]->gl;
	}
	/* From here on the array's locks are ours to release. */
	error = glock_acquire_all(r->fs, gh, NITEMS(gh));
	if (error != 0)
		return error;
	for (i = 0; i < NITEMS(ips) && error == 0; i++)
		if (ips[i] != NULL)
			error = inode_locked(ips[i], GLS_EX);
	if (error == 0)
		error = check(r);
	if (error == 0)
		error = change(r);
	for (i = 0; i < NITEMS(gh); i++)
		glock_release(&gh[i]);
	return error;
}

static int
rename_once(struct rename *r)
{
	int error;

	r->ip = NULL;
	r->target = NULL;
	error = find(r);
	/* Two names of one inode: nothing is done, by the standard. */
	if (error == 0 && r->ip != r->target)
		error = lock_and_change(r);
	/* An end of it was freed meanwhile: find() says what holds now. */
	if (error == ESTALE && r->ip != NULL)
		error = EAGAIN;
	if (r->target != NULL)
		inode_put(r->target);
	if (r->ip != NULL)
		inode_put(r->ip);
	return error;
}

int
gfs_rename(struct ginode *odir, const char *oname, struct ginode *ndir,
    const char *nname, unsigned flags)
{
	struct rename r = { .fs = odir->fs, .odir = odir, .ndir = ndir };
	struct gholder gh;
	unsigned tries;
	int error;

	r.noreplace = (flags & GFS_RENAME_NOREPLACE) != 0;
	r.exchange = (flags & GFS_RENAME_EXCHANGE) != 0;
	if (flags & ~(unsigned)(GFS_RENAME_NOREPLACE | GFS_RENAME_EXCHANGE) ||
	    (r.noreplace && r.exchange))
		return EINVAL;
	error = fs_writable(r.fs);
	if (error == 0)
		error = dname_init(&r.oname, oname);
	if (error == 0)
		error = dname_init(&r.nname, nname);
	if (error == 0 && (dname_is_dot(&r.oname) || dname_is_dot(&r.nname)))
		error = EBUSY;
	if (error != 0)
		return error;
	gholder_init(&gh);
	if (odir != ndir)
		error =
		    glock_lock(r.fs, GL_NONDISK, GLN_RENAME, GLS_EX, 0, &gh);
	for (tries = 0; error == 0 && tries < RENAME_TRIES; tries++) {
		error = rename_once(&r);
		if (error != EAGAIN)
			break;
		error = 0;
		env_yield(r.fs->env);
	}
	glock_release(&gh);
	return tries == RENAME_TRIES ? EAGAIN : error;
}
