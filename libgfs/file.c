/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * File data: reading, writing, making it durable.
 *
 * F1  bytes of the last block behind the end of the file are zero, on disk
 *     and in the cache, so that growing a file shows zeroes;
 * F2  a new block is in the cache and on the list of ordered data before the
 *     transaction that allocated it ends: no commit can lead to a block with
 *     old contents;
 * F3  a write is split into transactions, each of which leaves a file that
 *     is whole up to its size.
 */

#include <errno.h>

#include "ops.h"

enum {
	WRITE_BLOCKS = 256, /* at most, per transaction */
	WRITE_JDATA = 32,   /* the same, when the data goes to the log */
	READ_AHEAD = 64,    /* blocks, within one read */
	WINDOW = 1 << 20    /* bytes ahead of a sequential reader */
};

static unsigned
data_flags(const struct ginode *ip)
{
	return inode_jdata(ip) ? BH_JDATA : BH_DATA;
}

static void
data_changed(struct ginode *ip, struct bh *bh)
{
	if (!inode_jdata(ip))
		cache_dirty_data(bh);
}

/* A run of blocks that are there, into the caller's memory. */
static int
read_run(struct ginode *ip, const struct extent *ext, uint8_t *p, size_t len,
    unsigned skip)
{
	struct gfs *fs = ip->fs;
	struct bh *bh;
	uint64_t i = 0;
	size_t n;
	int error;

	if (ext->len > 1)
		cache_readahead(ip->gl, ext->blkno,
		    (unsigned)MIN(ext->len, READ_AHEAD), data_flags(ip));
	for (; len > 0; i++, skip = 0) {
		n = MIN(len, (size_t)fs->bsize - skip);
		error = cache_read(ip->gl, ext->blkno + i, data_flags(ip), &bh);
		if (error != 0)
			return error;
		memcpy(p, bh->data + skip, n);
		cache_put(bh);
		p += n;
		len -= n;
	}
	return 0;
}

static int
read_stuffed(struct ginode *ip, void *buf, size_t len, uint64_t off)
{
	struct bh *bh;
	int error;

	if (off + len > stuffed_max(ip->fs))
		return fs_corrupt(ip->fs, ip->addr,
		    "stuffed file of %llu bytes", (unsigned long long)ip->size);
	error = inode_bh(ip, &bh);
	if (error != 0)
		return error;
	memcpy(buf, bh->data + OD_DINODE_SIZE + off, len);
	cache_put(bh);
	return 0;
}

int
file_read(struct ginode *ip, void *buf, size_t len, uint64_t off, size_t *got)
{
	struct gfs *fs = ip->fs;
	uint8_t *p = buf;
	struct extent ext;
	unsigned skip;
	uint64_t n;
	int error;

	*got = 0;
	if (off >= ip->size)
		return 0;
	len = (size_t)MIN((uint64_t)len, ip->size - off);
	if (ip->height == 0) {
		error = read_stuffed(ip, buf, len, off);
		*got = error == 0 ? len : 0;
		return error;
	}
	while (len > 0) {
		skip = (unsigned)(off & (fs->bsize - 1));
		n = MIN((skip + len + fs->bsize - 1) >> fs->bshift, READ_AHEAD);
		error = bmap_map(ip, off >> fs->bshift, n, false, &ext);
		if (error != 0)
			return error;
		n = MIN((ext.len << fs->bshift) - skip, (uint64_t)len);
		if (ext.blkno == 0)
			memset(p, 0, (size_t)n);
		else
			error = read_run(ip, &ext, p, (size_t)n, skip);
		if (error != 0)
			return error;
		p += n;
		off += n;
		len -= (size_t)n;
		*got += (size_t)n;
	}
	return 0;
}

/*
 * Starts reading what a sequential reader will ask for next, half a window
 * before it gets there.
 */
static void
read_ahead(struct ginode *ip, uint64_t off, size_t got)
{
	struct gfs *fs = ip->fs;
	uint64_t pos, end;
	struct extent ext;

	if (off != ip->ra_next || ip->height == 0)
		ip->ra_done = 0;
	ip->ra_next = off + got;
	if (off == 0 || ip->height == 0 || got == 0 ||
	    ip->ra_done > ip->ra_next + WINDOW / 2)
		return;
	pos = MAX(ip->ra_next, ip->ra_done) >> fs->bshift;
	end = MIN(ip->ra_next + WINDOW, ip->size);
	end = (end + fs->bsize - 1) >> fs->bshift;
	while (pos < end) {
		if (bmap_map(ip, pos, end - pos, false, &ext) != 0)
			return;
		if (ext.blkno != 0)
			cache_readahead(ip->gl, ext.blkno, (unsigned)ext.len,
			    data_flags(ip));
		pos += ext.len;
	}
	ip->ra_done = end << fs->bshift;
}

/*
 * The time of access, as relatime wants it, but only while the inode's lock
 * is here in EX anyway: a read must not take a file away from another node.
 */
static void
touch_atime(struct ginode *ip)
{
	struct gfs *fs = ip->fs;
	struct timespec now = inode_now(fs);
	struct gholder gh;

	if (fs->noatime || fs_writable(fs) != 0 || ip->gl->state != GLS_EX ||
	    (ip->diskflags & GFS2_DIF_NOATIME) != 0)
		return;
	if (ip->atime.tv_sec > ip->mtime.tv_sec &&
	    ip->atime.tv_sec > ip->ctime.tv_sec &&
	    now.tv_sec - ip->atime.tv_sec < 24 * 60 * 60)
		return;
	if (inode_lock(ip, GLS_EX, GLF_TRY, &gh) != 0)
		return;
	if (now.tv_sec != ip->atime.tv_sec &&
	    trans_begin(fs, TR_DINODE, 0) == 0) {
		ip->atime = now;
		(void)inode_update(ip);
		trans_end(fs);
	}
	glock_release(&gh);
}

int
gfs_read(struct ginode *ip, void *buf, size_t len, uint64_t off, size_t *got)
{
	struct gholder gh;
	int error;

	*got = 0;
	error = inode_lock(ip, GLS_SH, 0, &gh);
	if (error != 0)
		return error;
	if (inode_is(ip, S_IFREG)) {
		error = file_read(ip, buf, len, off, got);
		if (error == 0)
			read_ahead(ip, off, *got);
	} else {
		error = inode_is(ip, S_IFDIR) ? EISDIR : EINVAL;
	}
	glock_release(&gh);
	if (error == 0 && *got > 0)
		touch_atime(ip);
	return error;
}

int
file_zero_tail(struct ginode *ip, uint64_t off)
{
	struct gfs *fs = ip->fs;
	unsigned skip = (unsigned)(off & (fs->bsize - 1));
	struct extent ext;
	struct bh *bh;
	int error;

	if (ip->height == 0) {
		error = inode_bh(ip, &bh);
		if (error != 0)
			return error;
		trans_add_meta(bh);
		if (off < stuffed_max(fs))
			memset(bh->data + OD_DINODE_SIZE + off, 0,
			    stuffed_max(fs) - (size_t)off);
		cache_put(bh);
		return 0;
	}
	if (skip == 0)
		return 0;
	error = bmap_map(ip, off >> fs->bshift, 1, false, &ext);
	if (error != 0 || ext.blkno == 0)
		return error;
	error = cache_read(ip->gl, ext.blkno, data_flags(ip), &bh);
	if (error != 0)
		return error;
	if (inode_jdata(ip))
		trans_add_jdata(bh);
	memset(bh->data + skip, 0, fs->bsize - skip);
	data_changed(ip, bh);
	cache_put(bh);
	return 0;
}

/* After the bytes up to end were written, in the same transaction. */
static int
written(struct ginode *ip, uint64_t end)
{
	if (end > ip->size)
		ip->size = end;
	inode_touch(ip, true);
	return inode_update(ip);
}

static int
write_stuffed(struct ginode *ip, const uint8_t *p, size_t len, uint64_t off)
{
	struct bh *bh;
	int error;

	error = trans_begin(ip->fs, TR_DINODE, 0);
	if (error != 0)
		return error;
	error = inode_bh(ip, &bh);
	if (error == 0) {
		trans_add_meta(bh);
		if (off > ip->size)
			memset(bh->data + OD_DINODE_SIZE + ip->size, 0,
			    (size_t)(off - ip->size));
		memcpy(bh->data + OD_DINODE_SIZE + off, p, len);
		cache_put(bh);
		error = written(ip, off + len);
	}
	trans_end(ip->fs);
	return error;
}

/* In a transaction of its own: the file is whole before and after. */
static int
unstuff(struct ginode *ip)
{
	struct gfs *fs = ip->fs;
	struct rgrp_hold h;
	unsigned blocks = TR_DINODE;
	int error;

	memset(&h, 0, sizeof(h));
	if (ip->size > 0) {
		error = rgrp_reserve(fs, ip, 1, &h);
		if (error != 0)
			return error;
		blocks += rgrp_log_blocks(&h, 1) + 1;
	}
	error = trans_begin(fs, blocks, 0);
	if (error == 0) {
		ip->res = &h;
		error = bmap_unstuff(ip);
		ip->res = NULL;
		trans_end(fs);
	}
	rgrp_release(&h);
	return error;
}

/* Copies into a run of blocks, in a transaction. */
static int
fill_run(struct ginode *ip, const struct extent *ext, const uint8_t *p,
    size_t len, unsigned skip)
{
	struct gfs *fs = ip->fs;
	unsigned flags = data_flags(ip);
	struct bh *bh;
	uint64_t i = 0;
	size_t n;
	int error;

	for (; len > 0; i++, skip = 0) {
		n = MIN(len, (size_t)fs->bsize - skip);
		if (ext->new &&inode_jdata(ip))
			trans_unrevoke(fs, ext->blkno + i);
		/* What is overwritten whole need not be read. */
		if (ext->new || n == fs->bsize)
			error = cache_new(ip->gl, ext->blkno + i, flags, &bh);
		else
			error = cache_read(ip->gl, ext->blkno + i, flags, &bh);
		if (error != 0)
			return error;
		if (inode_jdata(ip))
			trans_add_jdata(bh);
		memcpy(bh->data + skip, p, n);
		data_changed(ip, bh);
		cache_put(bh);
		p += n;
		len -= n;
	}
	return 0;
}

/* One piece of a write: where it goes and what it needs. */
struct piece {
	const uint8_t *p;
	size_t len;
	uint64_t off;
	uint64_t lblk;
	unsigned skip; /* into the first block */
};

/* Cuts the piece to what the extent holds. */
static void
piece_cut(const struct ginode *ip, struct piece *pc, uint64_t nblocks)
{
	uint64_t room = (nblocks << ip->fs->bshift) - pc->skip;

	pc->len = (size_t)MIN((uint64_t)pc->len, room);
}

static int
piece_fill(struct ginode *ip, struct piece *pc, const struct extent *ext)
{
	int error = 0;

	/* F1 */
	if (pc->off > ip->size)
		error = file_zero_tail(ip, ip->size);
	if (error == 0)
		error = fill_run(ip, ext, pc->p, pc->len, pc->skip);
	if (error == 0)
		error = written(ip, pc->off + pc->len);
	return error;
}

/* Blocks that the data of a piece takes in the log. */
static unsigned
log_blocks(const struct ginode *ip, uint64_t nblocks)
{
	return inode_jdata(ip) ? (unsigned)nblocks + 1 : 0;
}

/* Blocks that are there: only times, and perhaps the size, are logged. */
static int
write_over(struct ginode *ip, struct piece *pc, const struct extent *ext)
{
	int error;

	piece_cut(ip, pc, ext->len);
	error = trans_begin(ip->fs, TR_DINODE + log_blocks(ip, ext->len), 0);
	if (error != 0)
		return error;
	error = piece_fill(ip, pc, ext);
	trans_end(ip->fs);
	return error;
}

/* Into a hole: one rgrp gives all blocks of the piece. */
static int
write_new(struct ginode *ip, struct piece *pc, uint64_t nblocks)
{
	struct gfs *fs = ip->fs;
	struct rgrp_hold h;
	struct extent ext;
	unsigned need;
	int error;

	/* What one rgrp cannot give, a smaller piece may get. */
	for (;; nblocks /= 2) {
		need = bmap_need(ip, pc->lblk, nblocks);
		error = rgrp_reserve(fs, ip, need, &h);
		if (error != ENOSPC || nblocks == 1)
			break;
	}
	if (error != 0)
		return error;
	error = trans_begin(fs,
	    rgrp_log_blocks(&h, need) + (need - (unsigned)nblocks) + 1 +
		TR_DINODE + log_blocks(ip, nblocks),
	    0);
	if (error == 0) {
		ip->res = &h;
		error = bmap_map(ip, pc->lblk, nblocks, true, &ext);
		if (error == 0) {
			piece_cut(ip, pc, MIN(ext.len, nblocks));
			error = piece_fill(ip, pc, &ext);
		}
		ip->res = NULL;
		trans_end(fs);
	}
	rgrp_release(&h);
	return error;
}

/* Writes the beginning of the piece; its length says how much. */
static int
write_piece(struct ginode *ip, struct piece *pc)
{
	struct gfs *fs = ip->fs;
	unsigned limit = inode_jdata(ip) ? WRITE_JDATA : WRITE_BLOCKS;
	struct extent ext;
	uint64_t n;
	int error;

	if (ip->height == 0) {
		if (pc->off + pc->len <= stuffed_max(fs))
			return write_stuffed(ip, pc->p, pc->len, pc->off);
		error = unstuff(ip);
		if (error != 0)
			return error;
	}
	pc->lblk = pc->off >> fs->bshift;
	pc->skip = (unsigned)(pc->off & (fs->bsize - 1));
	n = MIN((pc->skip + pc->len + fs->bsize - 1) >> fs->bshift, limit);
	error = bmap_map(ip, pc->lblk, n, false, &ext);
	if (error != 0)
		return error;
	ext.len = MIN(ext.len, n);
	if (ext.blkno != 0)
		return write_over(ip, pc, &ext);
	return write_new(ip, pc, ext.len);
}

static int
write_all(struct ginode *ip, const uint8_t *buf, size_t len, uint64_t off,
    size_t *put)
{
	struct gfs *fs = ip->fs;
	struct piece pc;
	int error;

	if (len == 0)
		return 0;
	if (off > INT64_MAX - len ||
	    (off + len - 1) >> fs->bshift >= bmap_capacity(fs, fs->max_height))
		return EFBIG;
	while (*put < len) {
		pc.p = buf + *put;
		pc.len = len - *put;
		pc.off = off + *put;
		error = write_piece(ip, &pc);
		if (error != 0)
			/* A short write, as write(2) knows it. */
			return *put > 0 && error == ENOSPC ? 0 : error;
		*put += pc.len;
	}
	return 0;
}

int
gfs_write(struct ginode *ip, const void *buf, size_t len, uint64_t off,
    bool append, size_t *put)
{
	struct gholder gh;
	int error;

	*put = 0;
	error = fs_writable(ip->fs);
	if (error == 0)
		error = inode_lock(ip, GLS_EX, 0, &gh);
	if (error != 0)
		return error;
	if (!inode_is(ip, S_IFREG))
		error = inode_is(ip, S_IFDIR) ? EISDIR : EINVAL;
	else if (ip->diskflags & GFS2_DIF_IMMUTABLE)
		error = EPERM;
	else
		error = write_all(ip, buf, len, append ? ip->size : off, put);
	glock_release(&gh);
	return error;
}

/* A flush of the log, or at least of the device. */
static int
make_durable(struct gfs *fs)
{
	struct log_stats before, after;
	int error;

	if (fs_writable(fs) == EROFS)
		return 0;
	log_stats(fs, &before);
	error = log_flush(fs, LHF_NORMAL);
	log_stats(fs, &after);
	/* Without anything to log nobody has flushed the device. */
	if (error == 0 && after.flushes == before.flushes)
		error = dev_flush(fs->dev);
	return error;
}

int
gfs_fsync(struct ginode *ip, bool datasync)
{
	struct gholder gh;
	int error;

	/* SH is enough: writing home changes nothing that the lock protects. */
	error = inode_lock(ip, GLS_SH, 0, &gh);
	if (error == 0) {
		error = cache_write_data(ip->gl);
		glock_release(&gh);
	}
	if (error == 0)
		error = make_durable(ip->fs);
	return error;
}

int
gfs_sync(struct gfs *fs)
{
	return make_durable(fs);
}
