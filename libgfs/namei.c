/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Names: looking them up, and making new inodes.
 *
 * A new dinode and its name appear in one transaction, so a crash leaves
 * both or neither.  For that the block is chosen before the transaction,
 * while its rgrp is held; the new inode's locks are only tried, because an
 * inode lock must not be waited for under an rgrp lock.  A block whose lock
 * somebody still has (a former inode there) is passed over.
 */

#include <dirent.h>
#include <errno.h>

#include "ops.h"

enum {
	PICKS = 4,
	CREATE_TRIES = 100
};

bool
dname_is_dot(const struct dname *n)
{
	return n->s[0] == '.' &&
	    (n->len == 1 || (n->len == 2 && n->s[1] == '.'));
}

int
namei_find(struct ginode *dir, const struct dname *name, struct ginode **out,
    unsigned *type)
{
	struct dir_entry de;
	int error;

	/* The lock on dir keeps the name, and so the inode, where it is. */
	error = dir_search(dir, name, &de);
	if (error != 0)
		return error;
	*type = de.type;
	return inode_get(dir->fs, de.num.addr, de.num.formal, out);
}

int
gfs_lookup(struct ginode *dir, const char *name, struct ginode **out)
{
	struct gholder gh;
	struct dname n;
	unsigned type;
	int error;

	error = dname_init(&n, name);
	if (error == 0)
		error = inode_lock(dir, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	error = namei_find(dir, &n, out, &type);
	glock_release(&gh);
	return error;
}

int
gfs_iget(struct gfs *fs, uint64_t ino, uint64_t gen, struct ginode **out)
{
	struct gholder gh;
	struct ginode *ip;
	unsigned state;
	int error;

	/* A handle is input: any number, for any block, from long ago. */
	if (!rgrp_block_ok(fs, ino))
		return ESTALE;
	error = rgrp_read_state(fs, ino, &state);
	if (error == 0 && state != GFS2_BLKST_DINODE &&
	    (state != GFS2_BLKST_UNLINKED || inode_find(fs, ino) == NULL))
		error = ESTALE;
	if (error == 0)
		error = inode_get(fs, ino, gen, &ip);
	if (error != 0)
		return error;
	error = inode_lock(ip, GLS_SH, 0, &gh);
	if (error == 0) {
		if (ip->nlink == 0 && ip->opens == 0)
			error = ESTALE;
		glock_release(&gh);
	}
	if (error != 0) {
		inode_put(ip);
		return error;
	}
	*out = ip;
	return 0;
}

void
gfs_iput(struct ginode *ip)
{
	inode_put(ip);
}

int
namei_may_change(const struct ginode *dir)
{
	if (!inode_is(dir, S_IFDIR))
		return ENOTDIR;
	if (dir->nlink == 0)
		return ENOENT;
	if (dir->diskflags & GFS2_DIF_IMMUTABLE)
		return EPERM;
	return 0;
}

/* Everything that a new inode begins with. */
struct newinode {
	const struct dname *name;
	uint32_t mode, major, minor;
	const char *target;
	size_t target_len;
	const struct gfs_cred *cred;
	bool excl;
};

static void
fill_inode(struct ginode *ip, const struct ginode *dir,
    const struct newinode *ni)
{
	bool isdir = S_ISDIR(ni->mode);

	ip->mode = ni->mode;
	ip->uid = ni->cred != NULL ? ni->cred->uid : 0;
	ip->gid = ni->cred != NULL ? ni->cred->gid : 0;
	/* The directory asks for its own group, for what is below as well. */
	if (dir->mode & S_ISGID) {
		ip->gid = dir->gid;
		if (isdir)
			ip->mode |= S_ISGID;
	}
	ip->nlink = isdir ? 2 : 1;
	ip->major = ni->major;
	ip->minor = ni->minor;
	ip->size = ni->target_len;
	ip->blocks = 1;
	ip->goal = ip->addr;
	ip->diskflags = dir->diskflags & GFS2_DIF_SYSTEM;
	if (dir->diskflags & GFS2_DIF_INHERIT_JDATA) {
		if (isdir)
			ip->diskflags |= GFS2_DIF_INHERIT_JDATA;
		else if (S_ISREG(ni->mode))
			ip->diskflags |= GFS2_DIF_JDATA;
	}
	inode_touch(ip, true);
	ip->atime = ip->mtime;
}

/* The dinode block; inside the transaction. */
static int
write_inode(struct ginode *ip, struct ginode *dir, const struct newinode *ni)
{
	struct inum parent = { .formal = dir->formal, .addr = dir->addr };
	struct bh *bh;
	int error;

	/* The block's former contents must not shine through: not read. */
	error = meta_new(ip, ip->addr, GFS2_METATYPE_DI, &bh);
	if (error != 0)
		return error;
	fill_inode(ip, dir, ni);
	if (S_ISDIR(ni->mode))
		dir_init(ip, bh, &parent);
	else if (ni->target_len > 0)
		memcpy(bh->data + OD_DINODE_SIZE, ni->target, ni->target_len);
	error = inode_update(ip);
	cache_put(bh);
	if (error == 0) {
		ip->known = true;
		ip->valid = true;
	}
	return error;
}

static int
make(struct ginode *ip, struct ginode *dir, const struct newinode *ni,
    struct rgrp_hold *h)
{
	struct gfs *fs = dir->fs;
	struct inum num = { .addr = ip->addr };
	int error;

	error = trans_begin(fs,
	    rgrp_log_blocks(h, 1) + TR_DINODE + DIR_ADD_BLOCKS, 0);
	if (error != 0)
		return error;
	error = rgrp_alloc_dinode(h, dir, &num.addr, &num.formal);
	if (error == 0) {
		ASSERT(num.addr == ip->addr);
		ip->formal = num.formal;
		ip->generation = num.formal;
		error = write_inode(ip, dir, ni);
	}
	if (error == 0) {
		/* The next one goes behind it. */
		dir->goal = ip->addr;
		if (S_ISDIR(ni->mode))
			dir->nlink++;
		error = dir_add(dir, ni->name, &num, ni->mode);
	}
	trans_end(fs);
	return error;
}

/* A block with its inode's locks, for which nobody has to be waited. */
static int
pick(struct ginode *dir, struct rgrp_hold *h, struct gholder *gh,
    struct ginode **out)
{
	uint64_t blkno = 0, goal = dir->goal;
	unsigned i;
	int error = EAGAIN;

	for (i = 0; i < PICKS && error == EAGAIN; i++) {
		error = rgrp_pick_dinode(h, goal, blkno, &blkno);
		if (error == 0)
			error = inode_new(dir->fs, blkno, gh, out);
		goal = blkno + 1;
	}
	/* Space there is, but all of it is still spoken for. */
	return error == ENOSPC && i > 1 ? EAGAIN : error;
}

static int
create_new(struct ginode *dir, const struct newinode *ni, struct ginode **out)
{
	struct gholder gh;
	struct rgrp_hold h;
	struct ginode *ip;
	int error;

	error = dir_make_room(dir, ni->name);
	if (error == 0)
		error = rgrp_reserve(dir->fs, dir, 1, &h);
	if (error != 0)
		return error;
	error = pick(dir, &h, &gh, &ip);
	if (error == 0) {
		error = make(ip, dir, ni, &h);
		glock_release(&gh);
		if (error != 0) {
			/* It never was: nobody may find it. */
			inode_forget(ip);
			inode_put(ip);
		}
	}
	rgrp_release(&h);
	if (error == 0)
		*out = ip;
	return error;
}

/* The name is there already: perhaps that is what was asked for. */
static int
create_found(struct ginode *dir, const struct newinode *ni,
    const struct dir_entry *de, struct ginode **out)
{
	if (ni->excl || !S_ISREG(ni->mode))
		return EEXIST;
	if (de->type == DT_DIR)
		return EISDIR;
	return inode_get(dir->fs, de->num.addr, de->num.formal, out);
}

static int
create_once(struct ginode *dir, const struct newinode *ni, struct ginode **out)
{
	struct gholder gh;
	struct dir_entry de;
	int error;

	error = inode_lock(dir, GLS_EX, 0, &gh);
	if (error != 0)
		return error;
	error = namei_may_change(dir);
	if (error == 0) {
		error = dir_search(dir, ni->name, &de);
		if (error == 0)
			error = create_found(dir, ni, &de, out);
		else if (error == ENOENT && S_ISDIR(ni->mode) &&
		    dir->nlink == UINT32_MAX)
			error = EMLINK;
		else if (error == ENOENT)
			error = create_new(dir, ni, out);
	}
	glock_release(&gh);
	return error;
}

static int
check_mode(const struct gfs *fs, const struct newinode *ni)
{
	switch (ni->mode & S_IFMT) {
	case S_IFLNK:
		if (ni->target_len == 0)
			return ENOENT;
		return ni->target_len < stuffed_max(fs) ? 0 : ENAMETOOLONG;
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return ni->target == NULL ? 0 : EINVAL;
	default:
		return EINVAL;
	}
}

int
gfs_create(struct ginode *dir, const char *name, uint32_t mode,
    uint32_t rdev_major, uint32_t rdev_minor, const char *target,
    const struct gfs_cred *cred, bool excl, struct ginode **out)
{
	struct gfs *fs = dir->fs;
	struct newinode ni;
	struct dname n;
	unsigned tries;
	int error;

	memset(&ni, 0, sizeof(ni));
	ni.name = &n;
	ni.mode = mode;
	if (S_ISCHR(mode) || S_ISBLK(mode)) {
		ni.major = rdev_major;
		ni.minor = rdev_minor;
	}
	ni.target = target;
	ni.target_len = target != NULL ? strlen(target) : 0;
	ni.cred = cred;
	ni.excl = excl;
	error = fs_writable(fs);
	if (error == 0)
		error = dname_init(&n, name);
	if (error == 0)
		error = check_mode(fs, &ni);
	if (error != 0)
		return error;
	for (tries = 0; tries < CREATE_TRIES; tries++) {
		error = create_once(dir, &ni, out);
		if (error != EAGAIN)
			break;
		/* Somebody gives a former inode's lock back meanwhile. */
		env_sleep(fs->env, 1000);
	}
	return error;
}
