/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the decoders read what mkfs.gfs2 writes at every block size,
 * that encoding a decoded structure gives the same bytes (O3), and that each
 * damaged structure is refused for the reason it was damaged in.
 */

#include <atf-c.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

#include "disk_stub.h"

/* What each step of the walk needs. */
struct walk {
	struct world w;
	unsigned checked; /* structures looked at */
};

static void
read_block(struct gfs *fs, uint64_t blkno, uint8_t *p)
{
	ATF_REQUIRE_EQ(0, dev_read(fs->dev, blkno << fs->bshift, p, fs->bsize));
}

static void
check_dinode(struct walk *k, uint64_t addr, uint8_t *p, struct dinode *d)
{
	struct gfs *fs = &k->w.fs;
	uint8_t *q = dev_alloc(fs->bsize);

	read_block(fs, addr, p);
	ATF_REQUIRE_EQ(OD_OK,
	    dinode_decode(d, p, fs->bsize, addr, fs->max_height));
	memcpy(q, p, fs->bsize);
	dinode_encode(d, q);
	ATF_CHECK(memcmp(p, q, fs->bsize) == 0);
	dev_free(q);
	k->checked++;
}

/* Directory records up to the end of a block; counts them. */
static uint64_t
walk_records(struct walk *k, const uint8_t *p, size_t off, const char *want,
    unsigned *n)
{
	struct gfs *fs = &k->w.fs;
	uint8_t rec[OD_DIRENT_SIZE];
	struct dirent_hdr h;
	uint64_t found = 0;

	for (; off < fs->bsize; off += h.rec_len) {
		ATF_REQUIRE_EQ(OD_OK,
		    dirent_decode(&h, p + off, fs->bsize - off));
		if (h.num.addr == 0)
			continue;
		ATF_CHECK_EQ(h.hash,
		    od_crc32(p + off + OD_DIRENT_SIZE, h.name_len));
		dirent_encode(&h, rec);
		ATF_CHECK(memcmp(rec, p + off, 28) == 0);
		(*n)++;
		if (h.name_len == strlen(want) &&
		    memcmp(p + off + OD_DIRENT_SIZE, want, h.name_len) == 0)
			found = h.num.addr;
	}
	ATF_CHECK_EQ(off, fs->bsize);
	return found;
}

/* A hashed directory with its table in the dinode, as small ones have. */
static uint64_t
walk_leaves(struct walk *k, const uint8_t *p, const struct dinode *d,
    const char *want, unsigned *n)
{
	struct gfs *fs = &k->w.fs;
	uint8_t *q = dev_alloc(fs->bsize), *copy = dev_alloc(fs->bsize);
	uint64_t at, last = 0, found = 0, hit;
	struct leaf_hdr l;
	unsigned i;

	ATF_CHECK_EQ(d->size, 8u << d->depth);
	for (i = 0; i < 1u << d->depth; i++) {
		at = od_get64(p + OD_DINODE_SIZE + i * 8);
		if (at == last)
			continue;
		last = at;
		read_block(fs, at, q);
		ATF_REQUIRE_EQ(OD_OK, leaf_decode(&l, q, fs->bsize));
		memcpy(copy, q, fs->bsize);
		leaf_encode(&l, copy);
		ATF_CHECK(memcmp(copy, q, 64) == 0);
		hit = walk_records(k, q, OD_LEAF_SIZE, want, n);
		if (hit != 0)
			found = hit;
	}
	dev_free(q);
	dev_free(copy);
	return found;
}

/* Returns the address of one name. */
static uint64_t
walk_dir(struct walk *k, uint64_t addr, const char *want)
{
	struct gfs *fs = &k->w.fs;
	uint8_t *p = dev_alloc(fs->bsize);
	struct dinode d;
	uint64_t found;
	unsigned n = 0;

	check_dinode(k, addr, p, &d);
	ATF_CHECK_EQ(0, d.height);
	if (d.flags & GFS2_DIF_EXHASH)
		found = walk_leaves(k, p, &d, want, &n);
	else
		found = walk_records(k, p, OD_DINODE_SIZE, want, &n);
	ATF_CHECK_EQ(d.entries, n);
	dev_free(p);
	return found;
}

static void
walk_rgrps(struct walk *k, uint64_t rindex_addr)
{
	struct gfs *fs = &k->w.fs;
	uint8_t *p = dev_alloc(fs->bsize), *q = dev_alloc(fs->bsize);
	uint8_t entry[OD_RINDEX_SIZE];
	struct ginode ip = { .fs = fs, .addr = rindex_addr };
	struct rgrp_hdr rg;
	struct rindex ri;
	struct extent e;
	struct dinode d;
	uint64_t off, at;

	check_dinode(k, rindex_addr, p, &d);
	ATF_REQUIRE(d.size > 0 && d.size % OD_RINDEX_SIZE == 0);
	for (off = 0; off < d.size; off += OD_RINDEX_SIZE) {
		if (d.height == 0)
			memcpy(entry, p + OD_DINODE_SIZE + off, sizeof(entry));
		else
			for (at = 0; at < sizeof(entry); at += 32) {
				ATF_REQUIRE_EQ(0,
				    bmap_map(&ip, (off + at) >> fs->bshift, 1,
					false, &e));
				read_block(fs, e.blkno, q);
				memcpy(entry + at, q + (off + at) % fs->bsize,
				    32);
			}
		ATF_REQUIRE_EQ(OD_OK,
		    rindex_decode(&ri, entry, sizeof(entry), fs->bsize));
		rindex_encode(&ri, q);
		/* mkfs.gfs2 leaves what is reserved undefined. */
		ATF_CHECK(memcmp(q, entry, 12) == 0);
		ATF_CHECK(memcmp(q + 16, entry + 16, 16) == 0);
		read_block(fs, ri.addr, q);
		ATF_REQUIRE_EQ(OD_OK, rgrp_decode(&rg, q));
		ATF_CHECK(rg.crc != 0);
		ATF_CHECK_EQ(ri.data0, rg.data0);
		ATF_CHECK_EQ(ri.data, rg.data);
		memcpy(entry, q, sizeof(entry));
		rgrp_encode(&rg, q);
		ATF_CHECK(memcmp(entry, q, sizeof(entry)) == 0);
		ATF_CHECK_EQ(rg.crc, od_get32(q + 64));
		k->checked++;
	}
	dev_free(p);
	dev_free(q);
}

/* Every block of a fresh journal is a header, and encodes to itself. */
static void
walk_journal(struct walk *k)
{
	struct gfs *fs = &k->w.fs;
	const struct journal *j = fs->journals[0];
	uint8_t *p = dev_alloc(fs->bsize), *q = dev_alloc(fs->bsize);
	struct log_header h;
	uint32_t i;

	for (i = 0; i < jindex_blocks(j); i += 97) {
		read_block(fs, jindex_map(j, i), p);
		ATF_REQUIRE_EQ(OD_OK, lh_decode(&h, p, fs->bsize, i));
		ATF_CHECK(h.flags & GFS2_LOG_HEAD_UNMOUNT);
		ATF_CHECK_EQ(jindex_map(j, i), h.addr);
		lh_encode(&h, q, fs->bsize, od_get32(p + 20));
		ATF_CHECK(memcmp(p, q, fs->bsize) == 0);
		ATF_CHECK_EQ(OD_ADDR, lh_decode(&h, p, fs->bsize, i + 1));
		k->checked++;
	}
	dev_free(p);
	dev_free(q);
}

static void
walk_main(void *arg)
{
	struct walk *k = arg;
	struct gfs *fs = &k->w.fs;
	uint64_t rindex, per_node;

	rindex = walk_dir(k, fs->sb.master.addr, "rindex");
	ATF_REQUIRE(rindex != 0);
	per_node = walk_dir(k, fs->sb.master.addr, "per_node");
	ATF_REQUIRE(walk_dir(k, per_node, "statfs_change1") != 0);
	ATF_REQUIRE(walk_dir(k, fs->sb.root.addr, ".") == fs->sb.root.addr);
	walk_rgrps(k, rindex);
	walk_journal(k);
}

static void
walk_volume(unsigned bsize)
{
	struct walk k = { .checked = 0 };

	volume_make("volume", bsize, 64, 2);
	world_open(&k.w, "volume");
	ATF_CHECK_EQ(bsize, k.w.fs.bsize);
	ATF_CHECK_EQ(2, k.w.fs.njournals);
	ATF_CHECK_STREQ("lock_nolock", k.w.fs.sb.lockproto);
	world_run(&k.w, walk_main, &k);
	ATF_CHECK(k.checked > 20);
	world_close(&k.w);
}

ATF_TC_WITHOUT_HEAD(mkfs_512);
ATF_TC_BODY(mkfs_512, tc)
{
	walk_volume(512);
}

ATF_TC_WITHOUT_HEAD(mkfs_1024);
ATF_TC_BODY(mkfs_1024, tc)
{
	walk_volume(1024);
}

ATF_TC_WITHOUT_HEAD(mkfs_4096);
ATF_TC_BODY(mkfs_4096, tc)
{
	walk_volume(4096);
}

static void
derive_main(void *arg)
{
	struct world *w = arg;

	ATF_REQUIRE_EQ(0, sb_read(&w->fs, w->why, sizeof(w->why)));
}

/* The derived sizes are those of the format's own table. */
ATF_TC_WITHOUT_HEAD(derived);
ATF_TC_BODY(derived, tc)
{
	static const struct {
		unsigned b, di, in, ld, db, jb, hash, heights;
	} t[] = {
		{ 512, 35, 61, 55, 27, 488, 32, 10 },
		{ 1024, 99, 125, 119, 59, 1000, 64, 8 },
		{ 2048, 227, 253, 247, 123, 2024, 128, 7 },
		{ 4096, 483, 509, 503, 251, 4072, 256, 6 },
	};
	struct world w;
	size_t i;

	for (i = 0; i < NITEMS(t); i++) {
		volume_make("volume", t[i].b, 32, 1);
		world_open_bare(&w, "volume");
		world_run(&w, derive_main, &w);
		ATF_CHECK_EQ(t[i].di, w.fs.diptrs);
		ATF_CHECK_EQ(t[i].in, w.fs.inptrs);
		ATF_CHECK_EQ(t[i].ld, w.fs.ldptrs);
		ATF_CHECK_EQ(t[i].db, w.fs.databufs);
		ATF_CHECK_EQ(t[i].jb, w.fs.jbsize);
		ATF_CHECK_EQ(t[i].hash, w.fs.hash_ptrs);
		ATF_CHECK(w.fs.max_height >= t[i].heights - 1);
		ATF_CHECK_EQ(t[i].b - 232, w.fs.heightsize[0]);
		ATF_CHECK_EQ((uint64_t)t[i].b * t[i].di, w.fs.heightsize[1]);
		world_close(&w);
	}
}

/* One damaged byte range of the superblock and what must be said. */
struct damage {
	size_t off;
	uint32_t value;
	const char *words;
};

struct sbcase {
	struct world w;
	int error;
};

static void
sb_main(void *arg)
{
	struct sbcase *c = arg;

	c->error = sb_read(&c->w.fs, c->w.why, sizeof(c->w.why));
}

ATF_TC_WITHOUT_HEAD(bad_superblock);
ATF_TC_BODY(bad_superblock, tc)
{
	static const struct damage t[] = {
		{ 0, 0x12345678, "not a GFS2 volume" },
		{ 4, 4, "not a GFS2 volume" },
		{ 24, 1800, "format 1800 is not supported" },
		{ 24, 1803, "format 1803 is not supported" },
		{ 28, 1901, "multihost format 1901" },
		{ 36, 8192, "block size 8192" },
		{ 36, 0, "block size 0" },
		{ 40, 33, "shift 33" },
		{ 56, 0xffffffff, "master directory" },
		{ 96, 0x78787878, "lock protocol \"xxxx" },
	};
	struct sbcase c;
	uint8_t save[4], bad[4];
	size_t i;
	int fd;

	volume_make("volume", 4096, 32, 1);
	fd = open("volume", O_RDWR | O_CLOEXEC);
	ATF_REQUIRE(fd != -1);
	for (i = 0; i < NITEMS(t); i++) {
		off_t at = OD_SB_OFFSET + (off_t)t[i].off;

		ATF_REQUIRE_EQ(4, pread(fd, save, 4, at));
		od_put32(bad, t[i].value);
		ATF_REQUIRE_EQ(4, pwrite(fd, bad, 4, at));
		world_open_bare(&c.w, "volume");
		world_run(&c.w, sb_main, &c);
		ATF_CHECK(c.error != 0);
		ATF_CHECK_MSG(strstr(c.w.why, t[i].words) != NULL,
		    "\"%s\" does not say \"%s\"", c.w.why, t[i].words);
		world_close(&c.w);
		ATF_REQUIRE_EQ(4, pwrite(fd, save, 4, at));
	}
	close(fd);
}

ATF_TC_WITHOUT_HEAD(short_volume);
ATF_TC_BODY(short_volume, tc)
{
	struct sbcase c;
	int fd;

	fd = open("volume", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, ftruncate(fd, 4096));
	close(fd);
	world_open_bare(&c.w, "volume");
	world_run(&c.w, sb_main, &c);
	ATF_CHECK(c.error != 0);
	ATF_CHECK(strstr(c.w.why, "only 4096 bytes") != NULL);
	world_close(&c.w);
}

ATF_TC_WITHOUT_HEAD(bad_rindex);
ATF_TC_BODY(bad_rindex, tc)
{
	const struct rindex good = { .addr = 17,
		.length = 2,
		.data0 = 19,
		.data = 15880,
		.bitbytes = 3970 };
	uint8_t p[OD_RINDEX_SIZE];
	struct rindex r;

	rindex_encode(&good, p);
	ATF_CHECK_EQ(OD_OK, rindex_decode(&r, p, sizeof(p), 4096));
	ATF_CHECK_EQ(OD_SHORT, rindex_decode(&r, p, sizeof(p) - 1, 4096));
	/* The same bitmap does not fit two blocks of 1 KiB. */
	ATF_CHECK_EQ(OD_BITMAP, rindex_decode(&r, p, sizeof(p), 1024));
	od_put64(p, 0);
	ATF_CHECK_EQ(OD_ADDR, rindex_decode(&r, p, sizeof(p), 4096));
	rindex_encode(&good, p);
	od_put32(p + 8, 0);
	ATF_CHECK_EQ(OD_BITMAP, rindex_decode(&r, p, sizeof(p), 4096));
	rindex_encode(&good, p);
	od_put32(p + 24, 15881);
	ATF_CHECK_EQ(OD_BITMAP, rindex_decode(&r, p, sizeof(p), 4096));
	rindex_encode(&good, p);
	od_put64(p + 16, 18);
	ATF_CHECK_EQ(OD_BITMAP, rindex_decode(&r, p, sizeof(p), 4096));
}

ATF_TC_WITHOUT_HEAD(bad_log_blocks);
ATF_TC_BODY(bad_log_blocks, tc)
{
	const struct log_header good = { .seq = 7,
		.flags = 1,
		.tail = 3,
		.blkno = 5,
		.local = { -1, 2, -3 } };
	const struct log_desc ld = { GFS2_LOG_DESC_METADATA, 11, 10 };
	struct log_header h;
	struct log_desc d;
	uint8_t p[1024];

	lh_encode(&good, p, sizeof(p), 0);
	ATF_REQUIRE_EQ(OD_OK, lh_decode(&h, p, sizeof(p), 5));
	ATF_CHECK_EQ(-3, h.local.dinodes);
	p[1000] ^= 1; /* only the second checksum covers it */
	ATF_CHECK_EQ(OD_CRC, lh_decode(&h, p, sizeof(p), 5));
	lh_encode(&good, p, sizeof(p), 0);
	p[31] ^= 1;
	ATF_CHECK_EQ(OD_CRC, lh_decode(&h, p, sizeof(p), 5));

	ld_encode(&ld, p, sizeof(p), 0);
	ATF_CHECK_EQ(OD_OK, ld_decode(&d, p, sizeof(p)));
	od_put32(p + 28, 12);
	ATF_CHECK_EQ(OD_COUNT, ld_decode(&d, p, sizeof(p)));
	od_put32(p + 28, 0);
	ATF_CHECK_EQ(OD_COUNT, ld_decode(&d, p, sizeof(p)));
	od_put32(p + 28, 0x80000001);
	od_put32(p + 32, 0x80000000);
	ATF_CHECK_EQ(OD_COUNT, ld_decode(&d, p, sizeof(p)));
	od_put32(p + 24, GFS2_LOG_DESC_REVOKE);
	od_put32(p + 28, 1);
	od_put32(p + 32, 120); /* 119 fit in a block of 1 KiB */
	ATF_CHECK_EQ(OD_COUNT, ld_decode(&d, p, sizeof(p)));
	od_put32(p + 24, 303);
	ATF_CHECK_EQ(OD_FORMAT, ld_decode(&d, p, sizeof(p)));
}

ATF_TC_WITHOUT_HEAD(bad_dirent);
ATF_TC_BODY(bad_dirent, tc)
{
	struct dirent_hdr g = { .num = { 1, 2 }, .rec_len = 48, .name_len = 3 };
	struct dirent_hdr d;
	uint8_t p[64] = { 0 };

	dirent_encode(&g, p);
	ATF_CHECK_EQ(OD_OK, dirent_decode(&d, p, 64));
	ATF_CHECK_EQ(OD_SHORT, dirent_decode(&d, p, 40));
	g.rec_len = 72;
	dirent_encode(&g, p);
	ATF_CHECK_EQ(OD_RECLEN, dirent_decode(&d, p, 64));
	g.rec_len = 50;
	dirent_encode(&g, p);
	ATF_CHECK_EQ(OD_RECLEN, dirent_decode(&d, p, 64));
	g.rec_len = 48;
	g.name_len = 9;
	dirent_encode(&g, p);
	ATF_CHECK_EQ(OD_NAMELEN, dirent_decode(&d, p, 64));
	g.name_len = 0;
	dirent_encode(&g, p);
	ATF_CHECK_EQ(OD_NAMELEN, dirent_decode(&d, p, 64));
}

ATF_TC_WITHOUT_HEAD(bad_rgrp);
ATF_TC_BODY(bad_rgrp, tc)
{
	const struct rgrp_hdr good = { .free = 100,
		.dinodes = 3,
		.igeneration = 9,
		.data0 = 19,
		.data = 400,
		.bitbytes = 100 };
	struct rgrp_hdr r;
	uint8_t p[512] = { 0 };

	rgrp_encode(&good, p);
	ATF_REQUIRE_EQ(OD_OK, rgrp_decode(&r, p));
	ATF_CHECK_EQ(9, r.igeneration);
	od_put32(p + 28, 99);
	ATF_CHECK_EQ(OD_CRC, rgrp_decode(&r, p));
	od_put32(p + 64, 0); /* as from before there was a checksum */
	ATF_CHECK_EQ(OD_OK, rgrp_decode(&r, p));
	od_put32(p + 28, 401);
	ATF_CHECK_EQ(OD_COUNT, rgrp_decode(&r, p));
	od_put32(p + 4, GFS2_METATYPE_RB);
	ATF_CHECK_EQ(OD_TYPE, rgrp_decode(&r, p));
	od_put32(p, 0);
	ATF_CHECK_EQ(OD_MAGIC, rgrp_decode(&r, p));
}

/* A dinode with one field wrong. */
static enum od_error
decode_with(size_t off, uint32_t value, uint32_t mode)
{
	const struct dinode good = { .num = { 5, 77 },
		.mode = mode,
		.nlink = 1,
		.size = 100,
		.blocks = 1 };
	struct dinode d;
	uint8_t p[1024] = { 0 };

	dinode_encode(&good, p);
	ATF_REQUIRE_EQ(OD_OK, dinode_decode(&d, p, sizeof(p), 77, 8));
	ATF_CHECK_EQ(OD_ADDR, dinode_decode(&d, p, sizeof(p), 78, 8));
	od_put32(p + off, value);
	return dinode_decode(&d, p, sizeof(p), 77, 8);
}

ATF_TC_WITHOUT_HEAD(bad_dinode);
ATF_TC_BODY(bad_dinode, tc)
{
	ATF_CHECK_EQ(OD_MODE, decode_with(40, 0644, S_IFREG | 0644));
	ATF_CHECK_EQ(OD_HEIGHT, decode_with(136, 9, S_IFREG));
	ATF_CHECK_EQ(OD_DEPTH, decode_with(144, 18, S_IFDIR));
	ATF_CHECK_EQ(OD_DEPTH, decode_with(128, GFS2_DIF_EXHASH, S_IFDIR));
	/* 792 bytes fit behind the dinode in a block of 1 KiB. */
	ATF_CHECK_EQ(OD_OK, decode_with(60, 792, S_IFREG));
	ATF_CHECK_EQ(OD_SIZE, decode_with(60, 793, S_IFREG));
	ATF_CHECK_EQ(OD_SIZE, decode_with(56, 1, S_IFREG));
	ATF_CHECK_EQ(OD_SIZE, decode_with(60, 792, S_IFLNK));
	ATF_CHECK_EQ(OD_SIZE, decode_with(136, 1, S_IFLNK));
	ATF_CHECK_EQ(OD_ADDR, decode_with(36, 78, S_IFREG));
	ATF_CHECK_EQ(OD_TYPE, decode_with(4, 5, S_IFREG));
}

ATF_TC_WITHOUT_HEAD(bad_leaf);
ATF_TC_BODY(bad_leaf, tc)
{
	const struct leaf_hdr good = { .depth = 6,
		.entries = 19,
		.dirent_format = GFS2_FORMAT_DE,
		.inode = 5,
		.dist = 1 };
	struct leaf_hdr l;
	uint8_t p[1024] = { 0 };

	leaf_encode(&good, p);
	ATF_REQUIRE_EQ(OD_OK, leaf_decode(&l, p, sizeof(p)));
	ATF_CHECK_EQ(19, l.entries);
	od_put16(p + 26, 20); /* 19 fit */
	ATF_CHECK_EQ(OD_COUNT, leaf_decode(&l, p, sizeof(p)));
	leaf_encode(&good, p);
	od_put16(p + 24, 18);
	ATF_CHECK_EQ(OD_DEPTH, leaf_decode(&l, p, sizeof(p)));
	leaf_encode(&good, p);
	od_put32(p + 28, 1100);
	ATF_CHECK_EQ(OD_FORMAT, leaf_decode(&l, p, sizeof(p)));
}

ATF_TC_WITHOUT_HEAD(checksums);
ATF_TC_BODY(checksums, tc)
{
	/* The check values of the two polynomials. */
	ATF_CHECK_EQ(0xcbf43926u, od_crc32("123456789", 9));
	ATF_CHECK_EQ(0xe3069283u, ~od_crc32c("123456789", 9));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, mkfs_512);
	ATF_TP_ADD_TC(tp, mkfs_1024);
	ATF_TP_ADD_TC(tp, mkfs_4096);
	ATF_TP_ADD_TC(tp, derived);
	ATF_TP_ADD_TC(tp, bad_superblock);
	ATF_TP_ADD_TC(tp, short_volume);
	ATF_TP_ADD_TC(tp, bad_rindex);
	ATF_TP_ADD_TC(tp, bad_log_blocks);
	ATF_TP_ADD_TC(tp, bad_dirent);
	ATF_TP_ADD_TC(tp, bad_rgrp);
	ATF_TP_ADD_TC(tp, bad_dinode);
	ATF_TP_ADD_TC(tp, bad_leaf);
	ATF_TP_ADD_TC(tp, checksums);
	return atf_no_error();
}
