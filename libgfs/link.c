/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Adding a name to an inode, and taking names away.  Locks: the directory,
 * then the inode in it, then the inode's rgrp when its last name goes.
 *
 * L1  the record, the link count and, with the last name, the state of the
 *     dinode's block change in one transaction: a crash leaves a name with
 *     its inode, or an orphan that unlinked.c knows how to find;
 * L2  a directory's link count is 2 and its subdirectories; it goes to 0 at
 *     once, since nobody else can hold a link to it.
 */

#include <errno.h>

#include "ops.h"

static int
link_locked(struct ginode *ip, struct ginode *dir, const struct dname *name)
{
	struct inum num = { .formal = ip->formal, .addr = ip->addr };
	struct gfs *fs = ip->fs;
	int error;

	if (inode_is(ip, S_IFDIR) ||
	    (ip->diskflags & (GFS2_DIF_IMMUTABLE | GFS2_DIF_APPENDONLY)) != 0)
		return EPERM;
	if (ip->nlink == 0)
		return ENOENT;
	if (ip->nlink == UINT32_MAX)
		return EMLINK;
	/* Room first: it takes rgrps and transactions of its own. */
	error = dir_make_room(dir, name);
	if (error == 0)
		error = trans_begin(fs, DIR_ADD_BLOCKS + TR_DINODE, 0);
	if (error != 0)
		return error;
	error = dir_add(dir, name, &num, ip->mode);
	if (error == 0) {
		ip->nlink++;
		inode_touch(ip, false);
		error = inode_update(ip);
	}
	trans_end(fs);
	return error;
}

int
gfs_link(struct ginode *ip, struct ginode *dir, const char *name)
{
	struct gholder dgh, gh;
	struct dir_entry de;
	struct dname n;
	int error;

	error = fs_writable(ip->fs);
	if (error == 0)
		error = dname_init(&n, name);
	if (error == 0 && ip == dir)
		error = EPERM;
	if (error == 0)
		error = inode_lock(dir, GLS_EX, 0, &dgh);
	if (error != 0)
		return error;
	error = namei_may_change(dir);
	if (error == 0) {
		error = dir_search(dir, &n, &de);
		error = error == 0 ? EEXIST : error == ENOENT ? 0 : error;
	}
	if (error == 0)
		error = inode_lock(ip, GLS_EX, 0, &gh);
	if (error == 0) {
		error = link_locked(ip, dir, &n);
		glock_release(&gh);
	}
	glock_release(&dgh);
	return error;
}

/* May this inode lose this name? */
static int
may_remove(const struct ginode *dir, const struct ginode *ip, bool rmdir)
{
	if ((ip->diskflags & (GFS2_DIF_IMMUTABLE | GFS2_DIF_APPENDONLY)) != 0 ||
	    (dir->diskflags & GFS2_DIF_APPENDONLY) != 0)
		return EPERM;
	if (!rmdir)
		return inode_is(ip, S_IFDIR) ? EISDIR : 0;
	if (!inode_is(ip, S_IFDIR))
		return ENOTDIR;
	if (ip->entries < 2)
		return fs_corrupt(ip->fs, ip->addr,
		    "directory counts %u records", ip->entries);
	return ip->entries > 2 ? ENOTEMPTY : 0;
}

/* The change itself, in a transaction. */
static int
remove_name(struct ginode *dir, struct ginode *ip, const struct dname *name,
    struct rgrp_hold *h)
{
	int error;

	/* L2 */
	if (inode_is(ip, S_IFDIR)) {
		ip->nlink = 0;
		if (dir->nlink > 2)
			dir->nlink--;
	} else {
		ip->nlink--;
	}
	error = dir_remove(dir, name);
	if (error == 0) {
		inode_touch(ip, false);
		error = inode_update(ip);
	}
	/* L1 */
	if (error == 0 && ip->nlink == 0)
		rgrp_unlink_dinode(h, ip->addr);
	return error;
}

static int
remove_locked(struct ginode *dir, struct ginode *ip, const struct dname *name,
    bool rmdir)
{
	struct gfs *fs = dir->fs;
	struct rgrp_hold h;
	unsigned blocks = DIR_ADD_BLOCKS + TR_DINODE;
	int error;

	memset(&h, 0, sizeof(h));
	error = may_remove(dir, ip, rmdir);
	if (error == 0 && ip->nlink == 0)
		error = fs_corrupt(fs, ip->addr, "dinode has no links left");
	if (error == 0 && (rmdir || ip->nlink == 1)) {
		error = rgrp_hold_block(fs, ip->addr, &h);
		if (error == 0)
			blocks += rgrp_log_blocks(&h, 1);
	}
	if (error == 0)
		error = trans_begin(fs, blocks, 0);
	if (error == 0) {
		error = remove_name(dir, ip, name, &h);
		trans_end(fs);
	}
	rgrp_release(&h);
	return error;
}

static int
remove_entry(struct ginode *dir, const char *name, bool rmdir)
{
	struct gholder dgh, gh;
	struct ginode *ip = NULL;
	struct dname n;
	unsigned type;
	int error;

	error = fs_writable(dir->fs);
	if (error == 0)
		error = dname_init(&n, name);
	if (error == 0 && dname_is_dot(&n))
		error = !rmdir ? EISDIR : n.len == 1 ? EINVAL : ENOTEMPTY;
	if (error == 0)
		error = inode_lock(dir, GLS_EX, 0, &dgh);
	if (error != 0)
		return error;
	error = namei_may_change(dir);
	if (error == 0)
		error = namei_find(dir, &n, &ip, &type);
	if (error == 0)
		error = inode_lock(ip, GLS_EX, 0, &gh);
	if (error == 0) {
		error = remove_locked(dir, ip, &n, rmdir);
		glock_release(&gh);
	}
	glock_release(&dgh);
	/* Without locks: the put may free the inode, which takes them all. */
	if (ip != NULL)
		inode_put(ip);
	return error;
}

int
gfs_unlink(struct ginode *dir, const char *name)
{
	return remove_entry(dir, name, false);
}

int
gfs_rmdir(struct ginode *dir, const char *name)
{
	return remove_entry(dir, name, true);
}
