/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The superblock: what the volume is, and the numbers that follow from its
 * block size.  It is read once and never written.
 */

#include <errno.h>
#include <stdio.h>

#include "fs.h"

/* gfs2.md calls these diptrs, inptrs and so on; fs.h has the same names. */
static void
derive(struct gfs *fs)
{
	uint32_t b = fs->sb.bsize;
	unsigned h;

	fs->bsize = b;
	fs->bshift = fs->sb.bshift;
	fs->diptrs = (b - OD_DINODE_SIZE) / 8;
	fs->inptrs = (b - OD_META_SIZE) / 8;
	fs->ldptrs = (b - OD_LD_SIZE) / 8;
	fs->databufs = (b - OD_LD_SIZE) / 16;
	fs->jbsize = b - OD_META_SIZE;
	fs->hash_ptrs = b / 16;
	fs->heightsize[0] = b - OD_DINODE_SIZE;
	fs->heightsize[1] = (uint64_t)b * fs->diptrs;
	for (h = 2; h < NITEMS(fs->heightsize); h++) {
		if (fs->heightsize[h - 1] > UINT64_MAX / fs->inptrs)
			break;
		fs->heightsize[h] = fs->heightsize[h - 1] * fs->inptrs;
	}
	fs->max_height = MIN(h, (unsigned)GFS2_MAX_META_HEIGHT);
	for (; h < NITEMS(fs->heightsize); h++)
		fs->heightsize[h] = UINT64_MAX;
}

/* What the bytes are, when they are not a GFS2 superblock. */
static void
explain(enum od_error e, const struct sb *sb, char *why, size_t len)
{
	switch (e) {
	case OD_MAGIC:
	case OD_TYPE:
		snprintf(why, len,
		    "not a GFS2 volume: no superblock at byte "
		    "%u (%s)",
		    (unsigned)OD_SB_OFFSET, od_strerror(e));
		break;
	case OD_FORMAT:
		snprintf(why, len,
		    "file system format %u is not supported: "
		    "only 1801 and 1802 are",
		    sb->fs_format);
		break;
	case OD_MULTIHOST:
		snprintf(why, len,
		    "multihost format %u is not supported: "
		    "only %u is",
		    sb->multihost, (unsigned)GFS2_FORMAT_MULTI);
		break;
	case OD_BSIZE:
		snprintf(why, len,
		    "superblock: block size %u (shift %u) is "
		    "not a power of two from %u to %u",
		    sb->bsize, sb->bshift, (unsigned)OD_BSIZE_MIN,
		    (unsigned)OD_BSIZE_MAX);
		break;
	default:
		snprintf(why, len, "superblock: %s", od_strerror(e));
		break;
	}
}

/* Which of the two is used is for the mount to decide. */
static bool
known_proto(const char *proto)
{
	return strcmp(proto, "lock_dlm") == 0 ||
	    strcmp(proto, "lock_nolock") == 0;
}

/* What the bytes alone could not tell. */
static int
check(struct gfs *fs, char *why, size_t len)
{
	const struct sb *sb = &fs->sb;
	uint64_t blocks = dev_size(fs->dev) / sb->bsize;

	if (sb->bsize < dev_sector(fs->dev)) {
		snprintf(why, len,
		    "superblock: blocks of %u bytes on a device "
		    "with sectors of %u",
		    sb->bsize, dev_sector(fs->dev));
		return EINVAL;
	}
	if (!known_proto(sb->lockproto)) {
		snprintf(why, len,
		    "superblock: lock protocol \"%.32s\" is "
		    "neither lock_dlm nor lock_nolock",
		    sb->lockproto);
		return EINVAL;
	}
	if (sb->master.addr >= blocks || sb->root.addr >= blocks) {
		snprintf(why, len,
		    "superblock: the %s directory is at block "
		    "%llu, but the device ends at block %llu",
		    sb->master.addr >= blocks ? "master" : "root",
		    (unsigned long long)MAX(sb->master.addr, sb->root.addr),
		    (unsigned long long)blocks);
		return EINVAL;
	}
	return 0;
}

int
sb_read(struct gfs *fs, char *why, size_t whylen)
{
	enum od_error e;
	uint8_t *p;
	int error;

	if (dev_size(fs->dev) < OD_SB_OFFSET + OD_BSIZE_MAX) {
		snprintf(why, whylen, "not a GFS2 volume: only %llu bytes",
		    (unsigned long long)dev_size(fs->dev));
		return EINVAL;
	}
	p = dev_alloc(OD_BSIZE_MAX);
	if (p == NULL) {
		snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	error = dev_read(fs->dev, OD_SB_OFFSET, p, OD_BSIZE_MAX);
	if (error != 0) {
		snprintf(why, whylen, "cannot read the superblock: %s",
		    strerror(error));
		dev_free(p);
		return error;
	}
	memset(&fs->sb, 0, sizeof(fs->sb));
	e = sb_decode(&fs->sb, p, OD_BSIZE_MAX);
	dev_free(p);
	if (e != OD_OK) {
		explain(e, &fs->sb, why, whylen);
		return EINVAL;
	}
	error = check(fs, why, whylen);
	if (error == 0)
		derive(fs);
	return error;
}
