/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Attributes of inodes, and symbolic links' targets.  A size change comes
 * first and may take several transactions; the other attributes follow in one
 * of their own, so a crash between the two leaves a smaller file with its old
 * owner, never a half-set owner.
 */

#include <sys/sysmacros.h>

#include <errno.h>

#include "ops.h"

static void
fill_stat(const struct ginode *ip, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ip->addr;
	st->st_mode = ip->mode;
	st->st_nlink = ip->nlink;
	st->st_uid = ip->uid;
	st->st_gid = ip->gid;
	if (inode_is(ip, S_IFCHR) || inode_is(ip, S_IFBLK))
		st->st_rdev = makedev(ip->major, ip->minor);
	st->st_size = (off_t)ip->size;
	st->st_blksize = (blksize_t)ip->fs->bsize;
	st->st_blocks = (blkcnt_t)(ip->blocks << (ip->fs->bshift - 9));
	st->st_atim = ip->atime;
	st->st_mtim = ip->mtime;
	st->st_ctim = ip->ctime;
}

int
gfs_getattr(struct ginode *ip, struct stat *st)
{
	struct gholder gh;
	int error;

	/* DF will do: attributes are as current under it as under SH. */
	error = inode_lock(ip, GLS_SH, GLF_ANY, &gh);
	if (error != 0)
		return error;
	fill_stat(ip, st);
	glock_release(&gh);
	return 0;
}

static int
set_size(struct ginode *ip, off_t size)
{
	if (inode_is(ip, S_IFDIR))
		return EISDIR;
	/* Neither devices nor links have a size to set. */
	if (!inode_is(ip, S_IFREG) || size < 0)
		return EINVAL;
	if (ip->diskflags & GFS2_DIF_APPENDONLY)
		return EPERM;
	return bmap_truncate(ip, (uint64_t)size);
}

static void
set_fields(struct ginode *ip, const struct stat *st, unsigned mask)
{
	struct timespec now = inode_now(ip->fs);

	if (mask & GFS_SET_MODE)
		ip->mode = (ip->mode & S_IFMT) | (st->st_mode & 07777);
	if (mask & GFS_SET_UID)
		ip->uid = st->st_uid;
	if (mask & GFS_SET_GID)
		ip->gid = st->st_gid;
	if (mask & GFS_SET_ATIME)
		ip->atime = st->st_atim;
	if (mask & GFS_SET_MTIME)
		ip->mtime = st->st_mtim;
	if (mask & GFS_SET_ATIME_NOW)
		ip->atime = now;
	if (mask & GFS_SET_MTIME_NOW)
		ip->mtime = now;
	/* Whatever was changed, the change itself happened now. */
	ip->ctime = now;
}

static int
set_others(struct ginode *ip, const struct stat *st, unsigned mask)
{
	int error;

	error = trans_begin(ip->fs, TR_DINODE, 0);
	if (error != 0)
		return error;
	set_fields(ip, st, mask);
	error = inode_update(ip);
	trans_end(ip->fs);
	return error;
}

int
gfs_setattr(struct ginode *ip, const struct stat *st, unsigned mask)
{
	struct gholder gh;
	int error;

	error = fs_writable(ip->fs);
	if (error == 0)
		error = inode_lock(ip, GLS_EX, 0, &gh);
	if (error != 0)
		return error;
	if (ip->diskflags & GFS2_DIF_IMMUTABLE)
		error = EPERM;
	if (error == 0 && (mask & GFS_SET_SIZE) != 0)
		error = set_size(ip, st->st_size);
	if (error == 0 && (mask & ~(unsigned)GFS_SET_SIZE) != 0)
		error = set_others(ip, st, mask);
	glock_release(&gh);
	return error;
}

int
gfs_readlink(struct ginode *ip, char *buf, size_t bufsize)
{
	struct gholder gh;
	size_t got;
	int error;

	error = inode_lock(ip, GLS_SH, GLF_ANY, &gh);
	if (error != 0)
		return error;
	if (!inode_is(ip, S_IFLNK))
		error = EINVAL;
	else if (ip->size == 0 || ip->size > stuffed_max(ip->fs))
		error =
		    fs_corrupt(ip->fs, ip->addr, "symbolic link of %llu bytes",
			(unsigned long long)ip->size);
	else if (ip->size >= bufsize)
		error = ERANGE;
	else
		error = file_read(ip, buf, bufsize - 1, 0, &got);
	if (error == 0)
		buf[got] = '\0';
	glock_release(&gh);
	return error;
}

uint64_t
gfs_ino(const struct ginode *ip)
{
	return ip->addr;
}

uint64_t
gfs_gen(const struct ginode *ip)
{
	return ip->formal;
}
