/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a damaged volume is refused and never believed: bytes of
 * metadata blocks are changed at random, and whatever the mount, a walk over
 * everything, changes and the removal of the tree then do, they end, with an
 * error or without.  Known damages give the withdrawal that names the block.
 * Under the sanitizers a read outside a buffer would show.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "libgfs/fs.h"
#include "volume.h"

#define BASE "base.img"
#define IMG  "vol.img"

static struct {
	unsigned bsize;
	unsigned withdrawn, refused, unharmed;
	uint64_t dir, file, leaf, indirect, rgrp; /* blocks of interest */
	char why[256];
} ctx;

static const struct gfs_cred cred = { 0, 0 };

static struct ginode *
make(struct ginode *dir, const char *name, uint32_t mode)
{
	struct ginode *ip;

	ATF_REQUIRE_EQ(0,
	    gfs_create(dir, name, mode | 0700, 0, 0,
		S_ISLNK(mode) ? "somewhere/else" : NULL, &cred, true, &ip));
	return ip;
}

static void
populate(void *arg)
{
	struct gfs *fs = vol_mount(BASE);
	struct ginode *root = gfs_root(fs), *dir, *ip;
	static uint8_t buf[300000];
	struct extent ext;
	char name[64];
	unsigned i;
	size_t n;

	memset(buf, 'c', sizeof(buf));
	dir = make(root, "hashed", S_IFDIR);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "a name of some length %u", i);
		gfs_iput(make(dir, name, S_IFREG));
	}
	ctx.dir = dir->addr;
	gfs_iput(dir);
	ip = make(root, "file", S_IFREG);
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, false, &n));
	ATF_REQUIRE_EQ(0,
	    gfs_write(ip, buf, 5000, (uint64_t)1 << 40, false, &n));
	ctx.file = ip->addr;
	ATF_REQUIRE_EQ(0, bmap_map(ip, 0, 1, false, &ext));
	ctx.rgrp = ext.blkno;
	gfs_iput(ip);
	gfs_iput(make(root, "link", S_IFLNK));
	dir = make(root, "linear", S_IFDIR);
	gfs_iput(make(dir, "one", S_IFREG));
	gfs_iput(make(dir, "two", S_IFDIR));
	gfs_iput(dir);
	gfs_iput(root);
	vol_unmount(fs);
}

struct list {
	char v[256][256];
	unsigned n;
};

static bool
collect(void *arg, const struct gfs_dirent *de)
{
	struct list *l = arg;

	if (l->n < NITEMS(l->v) && strcmp(de->name, ".") != 0 &&
	    strcmp(de->name, "..") != 0)
		strlcpy(l->v[l->n++], de->name, 256);
	return true;
}

/* Looks at everything, changes a little, removes all; any result will do. */
static void
use(struct ginode *dir, unsigned depth)
{
	struct list *l = calloc(1, sizeof(*l));
	struct ginode *ip;
	struct stat st;
	char buf[2000];
	unsigned i;
	size_t n;

	(void)gfs_readdir(dir, 0, collect, l);
	if (gfs_create(dir, "new", S_IFREG | 0600, 0, 0, NULL, &cred, true,
		&ip) == 0)
		gfs_iput(ip);
	for (i = 0; i < l->n; i++) {
		if (gfs_lookup(dir, l->v[i], &ip) != 0)
			continue;
		if (gfs_getattr(ip, &st) == 0) {
			(void)gfs_readlink(ip, buf, sizeof(buf));
			(void)gfs_read(ip, buf, sizeof(buf), 1000, &n);
			(void)gfs_write(ip, buf, 100, 2500, false, &n);
			st.st_size = 5000;
			(void)gfs_setattr(ip, &st, GFS_SET_SIZE);
			if (S_ISDIR(st.st_mode) && depth < 5)
				use(ip, depth + 1);
		}
		gfs_iput(ip);
		(void)gfs_rename(dir, l->v[i], dir, "moved", 0);
		if (gfs_unlink(dir, "moved") != 0)
			(void)gfs_rmdir(dir, "moved");
	}
	(void)gfs_unlink(dir, "new");
	free(l);
}

static void
use_volume(void *arg)
{
	struct ginode *root;
	struct gfs *fs;
	const char *why;

	ctx.why[0] = '\0';
	if (vol_try_mount(IMG, &fs, ctx.why, sizeof(ctx.why)) != 0) {
		ATF_REQUIRE(ctx.why[0] != '\0');
		ctx.refused++;
		return;
	}
	root = gfs_root(fs);
	use(root, 0);
	gfs_iput(root);
	if (gfs_withdrawn(fs, &why)) {
		strlcpy(ctx.why, why, sizeof(ctx.why));
		ctx.withdrawn++;
	} else {
		ctx.unharmed++;
	}
	(void)gfs_unmount(fs);
}

static void
prepare(unsigned bsize)
{
	memset(&ctx, 0, sizeof(ctx));
	ctx.bsize = bsize;
	vol_make(BASE, 24, bsize, 1);
	vol_run(populate, NULL);
	vol_fsck(BASE);
	vol_copy(BASE, IMG);
}

/* Metadata blocks of one kind. */
struct kind {
	uint64_t v[500];
	unsigned n;
};

static void
find_metadata(int fd, struct kind *kinds, unsigned nkinds)
{
	uint8_t b[4096];
	uint64_t blk, end = (24u << 20) / ctx.bsize;
	struct kind *k;
	uint32_t type;

	for (blk = 65536 / ctx.bsize + 1; blk < end; blk++) {
		ATF_REQUIRE(pread(fd, b, ctx.bsize, (off_t)(blk * ctx.bsize)) ==
		    (ssize_t)ctx.bsize);
		type = od_get32(b + 4);
		if (type >= nkinds || type == GFS2_METATYPE_LH ||
		    type == GFS2_METATYPE_LD || type == GFS2_METATYPE_LB ||
		    meta_check(b, type) != OD_OK)
			continue;
		k = &kinds[type];
		if (k->n < NITEMS(k->v))
			k->v[k->n++] = blk;
	}
}

static void
damage(int fd, struct rnd *r, const struct kind *kinds, unsigned nkinds)
{
	unsigned hits = 1 + rnd_below(r, 3), at;
	const struct kind *k;
	uint8_t byte;

	while (hits > 0) {
		k = &kinds[rnd_below(r, nkinds)];
		if (k->n == 0)
			continue;
		hits--;
		/* Mostly among the headers' fields. */
		at = rnd_below(r, 3) != 0 ? 24 + rnd_below(r, 200) :
					    rnd_below(r, ctx.bsize);
		byte = (uint8_t)(rnd_below(r, 2) ? rnd_u32(r) :
						   1u << rnd_below(r, 8));
		ATF_REQUIRE(pwrite(fd, &byte, 1,
				(off_t)(k->v[rnd_below(r, k->n)] * ctx.bsize +
				    at)) == 1);
	}
}

static void
random_damage(unsigned bsize, uint64_t seed, unsigned rounds)
{
	enum {
		KINDS = 16
	};
	struct rnd r = { vol_seed(seed) };
	struct kind *kinds = calloc(KINDS, sizeof(*kinds));
	unsigned i;
	int base, fd;

	prepare(bsize);
	base = open(BASE, O_RDONLY);
	find_metadata(base, kinds, KINDS);
	ATF_REQUIRE(kinds[GFS2_METATYPE_LF].n > 1);
	rounds = vol_rounds(rounds);
	for (i = 0; i < rounds; i++) {
		vol_copy(BASE, IMG);
		fd = open(IMG, O_RDWR);
		damage(fd, &r, kinds, KINDS);
		close(fd);
		vol_run(use_volume, NULL);
	}
	close(base);
	free(kinds);
	fprintf(stderr, "%u refused, %u withdrawn, %u unharmed\n", ctx.refused,
	    ctx.withdrawn, ctx.unharmed);
	ATF_REQUIRE(ctx.withdrawn > rounds / 8);
}

ATF_TC_WITHOUT_HEAD(random_damage_512);
ATF_TC_BODY(random_damage_512, tc)
{
	random_damage(512, 1, 100);
}

ATF_TC_WITHOUT_HEAD(random_damage_1024);
ATF_TC_BODY(random_damage_1024, tc)
{
	random_damage(1024, 2, 100);
}

ATF_TC_WITHOUT_HEAD(random_damage_4096);
ATF_TC_BODY(random_damage_4096, tc)
{
	random_damage(4096, 3, 100);
}

static void
poke(uint64_t blk, unsigned off, const void *data, size_t len)
{
	int fd = open(IMG, O_RDWR);

	ATF_REQUIRE(pwrite(fd, data, len, (off_t)(blk * ctx.bsize + off)) ==
	    (ssize_t)len);
	close(fd);
}

static void
expect_withdrawal(const char *word)
{
	vol_run(use_volume, NULL);
	ATF_REQUIRE_EQ(1u, ctx.withdrawn);
	ATF_REQUIRE_MSG(strstr(ctx.why, word) != NULL, "\"%s\" lacks \"%s\"",
	    ctx.why, word);
}

ATF_TC_WITHOUT_HEAD(pointer_outside);
ATF_TC_BODY(pointer_outside, tc)
{
	uint8_t ptr[8];

	/* Into the superblock's neighbourhood, and beyond the end. */
	prepare(4096);
	od_put64(ptr, 17);
	poke(ctx.file, OD_DINODE_SIZE, ptr, 8);
	expect_withdrawal("pointer to block 17");
	prepare(4096);
	od_put64(ptr, UINT64_MAX - 5);
	poke(ctx.file, OD_DINODE_SIZE, ptr, 8);
	expect_withdrawal("pointer to block");
}

ATF_TC_WITHOUT_HEAD(dinode_elsewhere);
ATF_TC_BODY(dinode_elsewhere, tc)
{
	uint8_t addr[8];

	prepare(4096);
	od_put64(addr, ctx.file + 1);
	poke(ctx.file, offsetof(struct gfs2_dinode, di_num.no_addr), addr, 8);
	expect_withdrawal("dinode");
}

ATF_TC_WITHOUT_HEAD(height_too_great);
ATF_TC_BODY(height_too_great, tc)
{
	uint8_t h[2];

	prepare(4096);
	od_put16(h, 200);
	poke(ctx.file, offsetof(struct gfs2_dinode, di_height), h, 2);
	expect_withdrawal("dinode");
}

ATF_TC_WITHOUT_HEAD(directory_table);
ATF_TC_BODY(directory_table, tc)
{
	uint8_t v[8];

	/* A leaf pointer to a data block, and a depth that does not fit. */
	prepare(4096);
	od_put64(v, ctx.rgrp);
	poke(ctx.dir, OD_DINODE_SIZE, v, 8);
	expect_withdrawal("");
	prepare(4096);
	od_put16(v, 12);
	poke(ctx.dir, offsetof(struct gfs2_dinode, di_depth), v, 2);
	expect_withdrawal("");
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, random_damage_512);
	ATF_TP_ADD_TC(tp, random_damage_1024);
	ATF_TP_ADD_TC(tp, random_damage_4096);
	ATF_TP_ADD_TC(tp, pointer_outside);
	ATF_TP_ADD_TC(tp, dinode_elsewhere);
	ATF_TP_ADD_TC(tp, height_too_great);
	ATF_TP_ADD_TC(tp, directory_table);
	return atf_no_error();
}
