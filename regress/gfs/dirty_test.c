/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the journal we leave behind when the power goes means the same
 * to everybody: the kernel's gfs2, fsck.gfs2 and we ourselves replay it to
 * the same tree, which is the one that was synced, byte for byte.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sh.h"
#include "volume.h"

#define IMG "volume"
#define LIST                                                                   \
	"(find . -mindepth 1 ! -type s -printf \"%y %p\\n\"; "                 \
	"find . -type l -printf \"%l %p\\n\"; "                                \
	"find . -type f -exec cksum {} +)"

struct dirty {
	struct model m;
	struct rnd r;
	unsigned steps;
};

/* Operations, a sync, and then nothing more: everything is in the log. */
static void
leave_dirty(void *arg)
{
	struct dirty *d = arg;
	struct gfs *fs = vol_mount(IMG);
	unsigned i;

	for (i = 0; i < d->steps; i++) {
		model_step(&d->m, fs, &d->r);
		if (i == d->steps / 2)
			ATF_REQUIRE_EQ(0, gfs_sync(fs));
	}
	ATF_REQUIRE_EQ(0, gfs_sync(fs));
	gfs_abort(fs, "power cut");
	(void)gfs_unmount(fs);
}

static void
replay_and_verify(void *arg)
{
	struct dirty *d = arg;
	struct gfs *fs = vol_mount(IMG);

	model_verify(&d->m, fs);
	vol_unmount(fs);
}

/* The model as files of the host, to be listed by the same commands. */
static void
dump(const struct mnode *dir, int dirfd)
{
	const struct mnode *n;
	const char *name;
	unsigned i;
	int fd;

	for (i = 0; i < dir->nents; i++) {
		n = dir->ents[i].node;
		name = dir->ents[i].name;
		switch (n->type) {
		case S_IFDIR:
			ATF_REQUIRE_EQ(0, mkdirat(dirfd, name, 0700));
			fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY);
			ATF_REQUIRE(fd != -1);
			dump(n, fd);
			break;
		case S_IFREG:
			fd = openat(dirfd, name, O_WRONLY | O_CREAT, 0600);
			ATF_REQUIRE(fd != -1);
			ATF_REQUIRE_EQ((ssize_t)n->size,
			    write(fd, n->data, n->size));
			break;
		case S_IFLNK:
			ATF_REQUIRE_EQ(0, symlinkat(n->target, dirfd, name));
			continue;
		default:
			ATF_REQUIRE_EQ(0,
			    mknodat(dirfd, name, n->type | 0600, 0));
			continue;
		}
		close(fd);
	}
}

static void
kernel_replays(const atf_tc_t *tc)
{
	static char got[1 << 20];
	FILE *f;

	sh_kernel(atf_tc_get_config_var(tc, "srcdir"), IMG, "",
	    "cd $MNT && " LIST, got, sizeof(got));
	f = fopen("got", "w");
	ATF_REQUIRE(f != NULL);
	ATF_REQUIRE(fputs(got, f) != EOF);
	ATF_REQUIRE_EQ(0, fclose(f));
	sh("sed -i '/^$/d' got; LC_ALL=C sort got >got.s; "
	   "LC_ALL=C sort want >want.s; diff -u want.s got.s");
}

static void
everybody_replays(const atf_tc_t *tc, unsigned bsize)
{
	struct dirty d = { .r = { vol_seed(bsize + 1) }, .steps = 1200 };
	int fd;

	vol_make(IMG, 64, bsize, 2);
	model_init(&d.m);
	vol_run(leave_dirty, &d);
	/* The journal is dirty. */
	sh("fsck.gfs2 -n " IMG " 2>&1 | grep 'is dirty'");
	ATF_REQUIRE_EQ(0, mkdir("tree", 0700));
	fd = open("tree", O_RDONLY | O_DIRECTORY);
	ATF_REQUIRE(fd != -1);
	dump(d.m.root, fd);
	close(fd);
	sh("cd tree && %s >../want", LIST);
	vol_copy(IMG, "dirty");
	/* We. */
	vol_run(replay_and_verify, &d);
	vol_fsck(IMG);
	/*
	 * fsck.gfs2 replays (1: it changed something), and we read.  It counts
	 * the free blocks anew and forgets to clear this node's own change, so
	 * that whoever mounts next, the kernel too, adds that once more: no
	 * check of the counters behind us here.
	 */
	vol_copy("dirty", IMG);
	sh("fsck.gfs2 -y " IMG " || [ $? -eq 1 ]");
	vol_fsck(IMG);
	vol_run(replay_and_verify, &d);
	/* The kernel. */
	vol_copy("dirty", IMG);
	kernel_replays(tc);
	vol_fsck(IMG);
	model_free(&d.m);
}

ATF_TC_WITHOUT_HEAD(replay_4096);
ATF_TC_BODY(replay_4096, tc)
{
	everybody_replays(tc, 4096);
}

ATF_TC_WITHOUT_HEAD(replay_1024);
ATF_TC_BODY(replay_1024, tc)
{
	everybody_replays(tc, 1024);
}

ATF_TC_WITHOUT_HEAD(replay_512);
ATF_TC_BODY(replay_512, tc)
{
	everybody_replays(tc, 512);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, replay_4096);
	ATF_TP_ADD_TC(tp, replay_1024);
	ATF_TP_ADD_TC(tp, replay_512);
	return atf_no_error();
}
