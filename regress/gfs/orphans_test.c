/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves who frees a file without a name when several nodes know it: not as
 * long as any node has it open, by the last one that closes it, by the node
 * that unlinked it when the others only remember it, and after the death of
 * its last user by whoever looks for space.  Nobody takes a block's new inode
 * for the old one.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libgfs/ops.h"
#include "lock_sim.h"
#include "volume.h"

#define IMG "vol.img"

enum {
	NODES = 2,
	SIZE = 60000
};

static struct {
	struct simlm *lm;
	struct simlm_opts opts[NODES];
	struct gfs *fs[NODES];
} t;

static void
say(void *arg, const char *line)
{
	const struct simlm_opts *o = arg;

	fprintf(stderr, "node %u: %s\n", o->node, line);
}

static struct gfs *
mount_node(unsigned node)
{
	struct gfs_mount gm = { .device = IMG,
		.fd = -1,
		.lm = &lm_sim,
		.log = say };
	struct gfs *fs;
	char why[256];
	int error;

	t.opts[node].cluster = t.lm;
	t.opts[node].node = node + 1;
	gm.lm_opts = &t.opts[node];
	gm.log_arg = &t.opts[node];
	error = gfs_mount(vol_env(), &gm, &fs, why, sizeof(why));
	ATF_REQUIRE_MSG(error == 0, "mount: %s", why);
	return fs;
}

static struct ginode *
make_file(struct gfs *fs, const char *name)
{
	static uint8_t buf[SIZE];
	struct ginode *root = gfs_root(fs), *ip;
	size_t n;

	memset(buf, 'o', sizeof(buf));
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, name, S_IFREG | 0600, 0, 0, NULL, NULL, true,
		&ip));
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, false, &n));
	gfs_iput(root);
	return ip;
}

static struct ginode *
find_file(struct gfs *fs, const char *name)
{
	struct ginode *root = gfs_root(fs), *ip;

	ATF_REQUIRE_EQ(0, gfs_lookup(root, name, &ip));
	gfs_iput(root);
	return ip;
}

static void
unlink_file(struct gfs *fs, const char *name)
{
	struct ginode *root = gfs_root(fs);

	ATF_REQUIRE_EQ(0, gfs_unlink(root, name));
	gfs_iput(root);
}

static void
expect_data(struct ginode *ip)
{
	uint8_t buf[100];
	size_t n;

	ATF_REQUIRE_EQ(0, gfs_read(ip, buf, sizeof(buf), SIZE - 100, &n));
	ATF_REQUIRE(n == 100 && buf[0] == 'o' && buf[99] == 'o');
}

static void
up(void)
{
	memset(&t, 0, sizeof(t));
	t.lm = simlm_new(vol_env(), 1, 500);
	t.fs[0] = mount_node(0);
	t.fs[1] = mount_node(1);
}

static void
down(void)
{
	unsigned i;

	for (i = 0; i < NODES; i++)
		if (t.fs[i] != NULL)
			vol_unmount(t.fs[i]);
	simlm_free(t.lm);
}

/* Is the block of the inode free again, and its handle stale? */
static bool
is_gone(struct gfs *fs, uint64_t ino, uint64_t gen)
{
	struct ginode *ip;
	unsigned state;
	int error;

	error = gfs_iget(fs, ino, gen, &ip);
	if (error == 0)
		gfs_iput(ip);
	ATF_REQUIRE(error == 0 || error == ESTALE);
	ATF_REQUIRE_EQ(0, rgrp_read_state(fs, ino, &state));
	return error == ESTALE && state == GFS2_BLKST_FREE;
}

/* One has it open, the other unlinks it. */
static void
open_elsewhere(void *arg)
{
	struct ginode *a, *b;
	uint64_t ino, gen;
	struct stat st;

	up();
	a = make_file(t.fs[0], "f");
	ATF_REQUIRE_EQ(0, gfs_opened(a));
	ino = gfs_ino(a);
	gen = gfs_gen(a);
	b = find_file(t.fs[1], "f");
	expect_data(b);
	unlink_file(t.fs[1], "f");
	gfs_iput(b);
	/* The other tries for a while, in vain. */
	env_sleep(vol_env(), 3000000);
	expect_data(a);
	ATF_REQUIRE_EQ(0, gfs_getattr(a, &st));
	ATF_REQUIRE_EQ(0u, st.st_nlink);
	gfs_closed(a);
	env_sleep(vol_env(), 3000000);
	ATF_REQUIRE_EQ(ESTALE, gfs_getattr(a, &st));
	gfs_iput(a);
	ATF_REQUIRE(is_gone(t.fs[0], ino, gen));
	ATF_REQUIRE(is_gone(t.fs[1], ino, gen));
	down();
}

/* Both have it open; the last close frees it, on whichever node. */
static void
open_on_both(void *arg)
{
	struct ginode *a, *b;
	uint64_t ino, gen;

	up();
	a = make_file(t.fs[0], "f");
	b = find_file(t.fs[1], "f");
	ATF_REQUIRE_EQ(0, gfs_opened(a));
	ATF_REQUIRE_EQ(0, gfs_opened(b));
	ino = gfs_ino(a);
	gen = gfs_gen(a);
	unlink_file(t.fs[1], "f");
	gfs_closed(b);
	gfs_iput(b);
	env_sleep(vol_env(), 2000000);
	expect_data(a);
	gfs_closed(a);
	gfs_iput(a);
	env_sleep(vol_env(), 2000000);
	ATF_REQUIRE(is_gone(t.fs[0], ino, gen));
	ATF_REQUIRE(is_gone(t.fs[1], ino, gen));
	down();
}

/* The other node only has it in memory, as after a stat(2). */
static void
remembered_elsewhere(void *arg)
{
	struct ginode *a, *b, *c;
	uint64_t ino, gen, now;
	struct stat st;

	up();
	a = make_file(t.fs[0], "f");
	ino = gfs_ino(a);
	gen = gfs_gen(a);
	b = find_file(t.fs[1], "f");
	ATF_REQUIRE_EQ(0, gfs_getattr(b, &st));
	gfs_iput(a);
	now = env_now(vol_env());
	unlink_file(t.fs[0], "f");
	env_sleep(vol_env(), 1000000);
	ATF_REQUIRE(is_gone(t.fs[0], ino, gen));
	ATF_REQUIRE_EQ(ESTALE, gfs_getattr(b, &st));
	ATF_REQUIRE_EQ(ESTALE, gfs_opened(b));
	ATF_REQUIRE(env_now(vol_env()) - now < 4000000);
	/* Its block goes to others; the old handle stays stale. */
	ATF_REQUIRE_EQ(0, gfs_sync(t.fs[0]));
	c = make_file(t.fs[0], "g");
	ATF_REQUIRE_EQ(ESTALE, gfs_getattr(b, &st));
	gfs_iput(b);
	b = find_file(t.fs[1], "g");
	expect_data(b);
	gfs_iput(b);
	gfs_iput(c);
	down();
}

/* A directory that another node is in. */
static void
directory_elsewhere(void *arg)
{
	struct ginode *root, *a, *b, *ip;
	unsigned i;
	char name[32];

	up();
	root = gfs_root(t.fs[0]);
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "d", S_IFDIR | 0700, 0, 0, NULL, NULL, true, &a));
	b = find_file(t.fs[1], "d");
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "entry %u", i);
		ATF_REQUIRE_EQ(0,
		    gfs_create(i % 2 ? a : b, name, S_IFREG, 0, 0, NULL, NULL,
			true, &ip));
		gfs_iput(ip);
	}
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "entry %u", i);
		ATF_REQUIRE_EQ(0, gfs_unlink(i % 3 ? a : b, name));
	}
	ATF_REQUIRE_EQ(0, gfs_rmdir(root, "d"));
	ip = NULL;
	i = (unsigned)gfs_create(b, "x", S_IFREG, 0, 0, NULL, NULL, true, &ip);
	ATF_REQUIRE_MSG(i == ENOENT || i == ESTALE, "%s", strerror((int)i));
	gfs_iput(a);
	gfs_iput(b);
	gfs_iput(root);
	env_sleep(vol_env(), 6000000);
	down();
}

/* The only user dies. */
static void
user_dies(void *arg)
{
	struct ginode *a;
	uint64_t ino;
	unsigned i, state;

	up();
	a = make_file(t.fs[0], "f");
	ino = gfs_ino(a);
	ATF_REQUIRE_EQ(0, gfs_opened(a));
	unlink_file(t.fs[0], "f");
	ATF_REQUIRE_EQ(0, gfs_sync(t.fs[0]));
	simlm_kill(t.lm, 1);
	gfs_abort(t.fs[0], "killed by the test");
	gfs_closed(a);
	gfs_iput(a);
	(void)gfs_unmount(t.fs[0]);
	t.fs[0] = NULL;
	/* Its bitmap says so as long as nobody has cleaned up. */
	ATF_REQUIRE_EQ(0, rgrp_read_state(t.fs[1], ino, &state));
	ATF_REQUIRE_EQ((unsigned)GFS2_BLKST_UNLINKED, state);
	unlinked_scan(t.fs[1]);
	for (i = 0; i < 100 && state != GFS2_BLKST_FREE; i++) {
		env_sleep(vol_env(), 100000);
		ATF_REQUIRE_EQ(0, rgrp_read_state(t.fs[1], ino, &state));
	}
	ATF_REQUIRE_EQ((unsigned)GFS2_BLKST_FREE, state);
	down();
}

static void
two_nodes(void (*fn)(void *))
{
	vol_make(IMG, 64, 4096, 3);
	vol_run(fn, NULL);
	vol_fsck(IMG);
}

ATF_TC_WITHOUT_HEAD(unlinked_while_open_elsewhere);
ATF_TC_BODY(unlinked_while_open_elsewhere, tc)
{
	two_nodes(open_elsewhere);
}

ATF_TC_WITHOUT_HEAD(unlinked_while_open_on_both);
ATF_TC_BODY(unlinked_while_open_on_both, tc)
{
	two_nodes(open_on_both);
}

ATF_TC_WITHOUT_HEAD(unlinked_while_remembered);
ATF_TC_BODY(unlinked_while_remembered, tc)
{
	two_nodes(remembered_elsewhere);
}

ATF_TC_WITHOUT_HEAD(directory_removed_elsewhere);
ATF_TC_BODY(directory_removed_elsewhere, tc)
{
	two_nodes(directory_elsewhere);
}

ATF_TC_WITHOUT_HEAD(last_user_dies);
ATF_TC_BODY(last_user_dies, tc)
{
	two_nodes(user_dies);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, unlinked_while_open_elsewhere);
	ATF_TP_ADD_TC(tp, unlinked_while_open_on_both);
	ATF_TP_ADD_TC(tp, unlinked_while_remembered);
	ATF_TP_ADD_TC(tp, directory_removed_elsewhere);
	ATF_TP_ADD_TC(tp, last_user_dies);
	return atf_no_error();
}
