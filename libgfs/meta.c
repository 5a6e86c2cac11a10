/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Small things that all of the file system's structures need: metadata
 * blocks inside transactions, and what to do when a block is damaged.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ops.h"

int
fs_corrupt(struct gfs *fs, uint64_t blkno, const char *fmt, ...)
{
	char what[192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	gfs_withdraw(fs, "block %llu is damaged: %s", (unsigned long long)blkno,
	    what);
	return EIO;
}

int
fs_writable(const struct gfs *fs)
{
	if (fs->withdrawn)
		return EIO;
	return fs->readonly ? EROFS : 0;
}

int
meta_new(struct ginode *ip, uint64_t blkno, uint32_t type, struct bh **out)
{
	int error;

	/* A revoke from its former life would hide the new contents. */
	trans_unrevoke(ip->fs, blkno);
	error = cache_new(ip->gl, blkno, 0, out);
	if (error != 0)
		return error;
	trans_add_meta(*out);
	meta_encode((*out)->data, type, ip->fs->jid);
	return 0;
}

int
meta_change(struct ginode *ip, uint64_t blkno, uint32_t type, struct bh **out)
{
	int error;

	error = cache_read_meta(ip->gl, blkno, type, out);
	if (error == 0)
		trans_add_meta(*out);
	return error;
}
