/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a journal the kernel left dirty is replayed to a volume that
 * fsck.gfs2 and the kernel find sound; that the free-space counters of a dead
 * node are folded in; that revokes beyond one block work; and that a damaged
 * journal is refused with a sentence, before anything is written.
 */

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../libgfs/log_int.h"
#include "disk_stub.h"

struct replayed {
	struct world w;
	int error;
	bool replayed;
};

static void
replay_main(void *arg)
{
	struct replayed *r = arg;

	r->error = recovery_replay(&r->w.fs, 0, &r->replayed);
}

static void
replay(struct replayed *r, const char *path)
{
	world_open(&r->w, path);
	world_run(&r->w, replay_main, r);
	world_close(&r->w);
}

static void
kernel_left_dirty(const atf_tc_t *tc, unsigned bsize)
{
	static const char work[] =
	    "cd $MNT; mkdir d; for i in $(seq 200); do echo $i > d/f$i; done; "
	    "ln -s target d/link; yes | head -c 300000 > big; rm d/f1*; "
	    "sync -f .; for i in $(seq 50); do echo more $i > d/g$i; done; "
	    "rm d/f2*; mv d/g7 d/moved; chmod 600 big; truncate -s 7 d/f3; "
	    "sync d; sync -f .";
	struct replayed r;
	char out[4096];

	need_program("linux.uml");
	need_program("fsck.gfs2");
	volume_make("volume", bsize, 64, 2);
	sh_kernel(atf_tc_get_config_var(tc, "srcdir"), "volume", "KEEP_DIRTY=1",
	    work, out, sizeof(out));
	ATF_CHECK_MSG(!fsck_clean("volume"), "the journal is not dirty");
	replay(&r, "volume");
	ATF_REQUIRE_EQ_MSG(0, r.error, "%s", r.w.log);
	ATF_CHECK(r.replayed);
	ATF_CHECK(fsck_clean("volume"));
	/* Once is enough. */
	replay(&r, "volume");
	ATF_CHECK_EQ(0, r.error);
	ATF_CHECK(!r.replayed);
	sh_kernel(atf_tc_get_config_var(tc, "srcdir"), "volume", "",
	    "cd $MNT/d; ls | wc -l; stat -c %s f3; cat moved; "
	    "readlink link; stat -c %a-%s ../big",
	    out, sizeof(out));
	ATF_CHECK_MSG(strncmp(out, "128\n7\nmore 7\ntarget\n600-300000", 30) ==
		0,
	    "%s", out);
	ATF_CHECK(fsck_clean("volume"));
}

ATF_TC_WITHOUT_HEAD(kernel_4096);
ATF_TC_BODY(kernel_4096, tc)
{
	kernel_left_dirty(tc, 4096);
}

ATF_TC_WITHOUT_HEAD(kernel_1024);
ATF_TC_BODY(kernel_1024, tc)
{
	kernel_left_dirty(tc, 1024);
}

/* Writes transactions and dies before they are home. */
struct dying {
	struct world w;
	unsigned blocks; /* to write in one transaction */
	unsigned freed;	 /* of them, freed in the next */
	int64_t delta[3];
	uint32_t first; /* journal block of the first flush */
	bool dead;
};

static void
write_blocks(struct dying *d, struct glock *gl)
{
	struct gfs *fs = &d->w.fs;
	struct bh *bh;
	unsigned i;

	ATF_REQUIRE_EQ(0, trans_begin(fs, d->blocks, 0));
	for (i = 0; i < d->blocks; i++) {
		ATF_REQUIRE_EQ(0,
		    cache_new(gl, world_free_block(&d->w, i), 0, &bh));
		trans_add_meta(bh);
		meta_encode(bh->data, GFS2_METATYPE_IN, 0);
		od_put64(bh->data + 64, 0xfeed0000u + i);
		cache_put(bh);
	}
	trans_end(fs);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
}

static void
free_blocks(struct dying *d, struct glock *gl)
{
	struct gfs *fs = &d->w.fs;
	unsigned i;

	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, d->freed));
	for (i = 0; i < d->freed; i++)
		trans_add_revoke(gl, world_free_block(&d->w, i));
	trans_end(fs);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
}

static void
dying_main(void *arg)
{
	struct dying *d = arg;
	struct gfs *fs = &d->w.fs;
	struct glock *gl = world_glock(&d->w, 1);
	struct ginode *per_node;

	ATF_REQUIRE_EQ(0, gfs_lookup(fs->master, "per_node", &per_node));
	ATF_REQUIRE_EQ(0,
	    gfs_lookup(per_node, "statfs_change0", &fs->statfs_local));
	inode_put(per_node);
	ATF_REQUIRE_EQ(0, log_start(fs));
	d->first = fs->log->head;
	memcpy(fs->statfs_delta, d->delta, sizeof(d->delta));
	write_blocks(d, gl);
	if (d->freed > 0)
		free_blocks(d, gl);
	/* From here on nothing reaches the disk: this is the power cut. */
	gfs_withdraw(fs, "dead");
	ATF_CHECK_EQ(EIO, log_stop(fs));
	cache_inval(gl, false);
	gl->nail = gl->nlog = gl->nrevokes = 0;
	world_glock_free(gl);
	inode_put(fs->statfs_local);
}

static void
die(struct dying *d, unsigned bsize, unsigned blocks, unsigned freed)
{
	volume_make("volume", bsize, 24, 1);
	world_open(&d->w, "volume");
	d->blocks = blocks;
	d->freed = freed;
	world_run(&d->w, dying_main, d);
	world_close(&d->w);
}

/* How many of the n blocks have arrived at home. */
static unsigned
count_home(const struct dying *d, unsigned n)
{
	unsigned i, found = 0;
	uint8_t word[8];
	uint64_t size = 24u << 20;
	int fd;

	fd = open("volume", O_RDONLY | O_CLOEXEC);
	ATF_REQUIRE(fd != -1);
	for (i = 0; i < n; i++) {
		uint64_t blkno = size / d->w.fs.bsize - 64 - i;

		ATF_REQUIRE_EQ(8,
		    pread(fd, word, 8, (off_t)(blkno * d->w.fs.bsize + 64)));
		if (od_get64(word) == 0xfeed0000u + i)
			found++;
	}
	close(fd);
	return found;
}

ATF_TC_WITHOUT_HEAD(all_home);
ATF_TC_BODY(all_home, tc)
{
	struct dying d = { .blocks = 0 };
	struct replayed r;

	/* More images than one descriptor names, at either size. */
	die(&d, 512, 130, 0);
	ATF_CHECK_EQ(0, count_home(&d, 130));
	replay(&r, "volume");
	ATF_REQUIRE_EQ_MSG(0, r.error, "%s", r.w.log);
	ATF_CHECK(r.replayed);
	ATF_CHECK_EQ(130, count_home(&d, 130));
	ATF_CHECK(strstr(r.w.log, "replayed 130 of 130 blocks") != NULL);
}

ATF_TC_WITHOUT_HEAD(many_revokes);
ATF_TC_BODY(many_revokes, tc)
{
	struct dying d = { .blocks = 0 };
	struct replayed r;

	/* 55 + 61 + 61 fit in three blocks of 512 bytes. */
	die(&d, 512, 200, 190);
	replay(&r, "volume");
	ATF_REQUIRE_EQ_MSG(0, r.error, "%s", r.w.log);
	ATF_CHECK_EQ(10, count_home(&d, 200));
	ATF_CHECK(
	    strstr(r.w.log, "replayed 10 of 200 blocks, 190 revokes") != NULL);
}

struct counters {
	struct world w;
	struct statfs_change master, local;
};

static void
counters_main(void *arg)
{
	struct counters *c = arg;
	struct gfs *fs = &c->w.fs;
	struct ginode *per_node, *local;
	uint8_t *p = dev_alloc(fs->bsize);

	ATF_REQUIRE_EQ(0, gfs_lookup(fs->master, "per_node", &per_node));
	ATF_REQUIRE_EQ(0, gfs_lookup(per_node, "statfs_change0", &local));
	ATF_REQUIRE_EQ(0,
	    dev_read(fs->dev, fs->statfs_master->addr << fs->bshift, p,
		fs->bsize));
	statfs_decode(&c->master, p + OD_DINODE_SIZE);
	ATF_REQUIRE_EQ(0,
	    dev_read(fs->dev, local->addr << fs->bshift, p, fs->bsize));
	statfs_decode(&c->local, p + OD_DINODE_SIZE);
	inode_put(per_node);
	inode_put(local);
	dev_free(p);
}

static void
read_counters(struct counters *c)
{
	world_open(&c->w, "volume");
	world_run(&c->w, counters_main, c);
	world_close(&c->w);
}

ATF_TC_WITHOUT_HEAD(statfs_folded);
ATF_TC_BODY(statfs_folded, tc)
{
	struct dying d = { .delta = { 5, -10, 3 } };
	struct counters before, after;
	struct replayed r;

	die(&d, 4096, 3, 0);
	read_counters(&before);
	replay(&r, "volume");
	ATF_REQUIRE_EQ_MSG(0, r.error, "%s", r.w.log);
	read_counters(&after);
	ATF_CHECK_EQ(before.master.total + 5, after.master.total);
	ATF_CHECK_EQ(before.master.free - 10, after.master.free);
	ATF_CHECK_EQ(before.master.dinodes + 3, after.master.dinodes);
	ATF_CHECK_EQ(0, after.local.free);
}

/* A patch to a block of the journal, counted from the first flush. */
struct patch {
	uint32_t block;
	size_t off;
	uint32_t value;
	const char *words; /* what must be said; NULL: it is harmless */
};

static void
patch(const struct dying *d, const struct patch *p)
{
	struct world w;
	uint8_t word[4];
	uint64_t at;

	world_open(&w, "volume");
	at = jindex_map(w.fs.journals[0],
	    (d->first + p->block) % jindex_blocks(w.fs.journals[0]));
	od_put32(word, p->value);
	ATF_REQUIRE_EQ(4,
	    pwrite(w.fd, word, 4, (off_t)((at << w.fs.bshift) + p->off)));
	world_close(&w);
}

ATF_TC_WITHOUT_HEAD(damaged);
ATF_TC_BODY(damaged, tc)
{
	/* Block 0: descriptor of three; 1..3: images; 4: header. */
	static const struct patch t[] = {
		{ 0, 0, 0, "neither a log header nor a descriptor" },
		{ 0, 4, 5, "neither a log header nor a descriptor" },
		{ 0, 24, 999, "damaged log descriptor" },
		{ 0, 28, 9000, "damaged log descriptor" },
		{ 0, 32, 0xffffffff, "damaged log descriptor" },
		{ 0, 72, 1, "names a block outside the volume" },
		{ 0, 76, 3, "names a block outside the volume" },
		{ 2, 0, 0, "has no magic number" },
	};
	struct dying d = { .blocks = 0 };
	struct replayed r;
	char before[256], after[256];
	size_t i;

	for (i = 0; i < NITEMS(t); i++) {
		die(&d, 4096, 3, 0);
		patch(&d, &t[i]);
		sh_status(before, sizeof(before), "cksum volume");
		replay(&r, "volume");
		sh_status(after, sizeof(after), "cksum volume");
		ATF_CHECK_EQ_MSG(EUCLEAN, r.error, "case %zu", i);
		ATF_CHECK(!r.replayed);
		ATF_CHECK_MSG(strstr(r.w.log, t[i].words) != NULL,
		    "\"%s\" does not say \"%s\"", r.w.log, t[i].words);
		/* R1 */
		ATF_CHECK_STREQ(before, after);
	}
}

/* The flush whose header is damaged never happened. */
ATF_TC_WITHOUT_HEAD(torn_header);
ATF_TC_BODY(torn_header, tc)
{
	static const struct patch p = { 4, 1000, 0x12345678, NULL };
	struct dying d = { .blocks = 0 };
	struct replayed r;

	die(&d, 4096, 3, 0);
	patch(&d, &p);
	replay(&r, "volume");
	ATF_CHECK_EQ_MSG(0, r.error, "%s", r.w.log);
	ATF_CHECK(!r.replayed);
	ATF_CHECK_EQ(0, count_home(&d, 3));
}

static void
wipe(const struct world *w)
{
	const struct journal *j = w->fs.journals[0];
	uint8_t zero[OD_BSIZE_MAX] = { 0 };
	uint32_t i;

	for (i = 0; i < jindex_blocks(j); i++)
		ATF_REQUIRE_EQ((ssize_t)w->fs.bsize,
		    pwrite(w->fd, zero, w->fs.bsize,
			(off_t)(jindex_map(j, i) << w->fs.bshift)));
}

ATF_TC_WITHOUT_HEAD(no_header);
ATF_TC_BODY(no_header, tc)
{
	struct replayed r;

	volume_make("volume", 4096, 24, 1);
	world_open(&r.w, "volume");
	wipe(&r.w);
	world_run(&r.w, replay_main, &r);
	ATF_CHECK_EQ(EUCLEAN, r.error);
	ATF_CHECK(strstr(r.w.log, "holds no valid log header") != NULL);
	world_close(&r.w);
}

ATF_TC_WITHOUT_HEAD(readonly);
ATF_TC_BODY(readonly, tc)
{
	struct dying d = { .blocks = 0 };
	struct replayed r;

	die(&d, 4096, 3, 0);
	world_open(&r.w, "volume");
	r.w.fs.readonly = true;
	world_run(&r.w, replay_main, &r);
	ATF_CHECK_EQ(EROFS, r.error);
	world_close(&r.w);
	ATF_CHECK_EQ(0, count_home(&d, 3));
}

/* Whatever the bytes say, the answer is a result and never a crash. */
ATF_TC_WITHOUT_HEAD(random_damage);
ATF_TC_BODY(random_damage, tc)
{
	struct dying d = { .blocks = 0 };
	struct replayed r;
	uint8_t *save, *bad;
	uint64_t seed = 7, at;
	unsigned i, k, n, fine = 0;
	size_t len = 16 * 512;

	die(&d, 512, 60, 58);
	save = malloc(24u << 20);
	bad = malloc(len);
	ATF_REQUIRE(save != NULL && bad != NULL);
	world_open(&r.w, "volume");
	ATF_REQUIRE_EQ(24 << 20, pread(r.w.fd, save, 24u << 20, 0));
	for (i = 0; i < 150; i++) {
		/* Around the descriptors, where a byte means something. */
		at = jindex_map(r.w.fs.journals[0],
			 (d.first + (i % 5) * 16) %
			     (jindex_blocks(r.w.fs.journals[0]) - 16)) *
		    512;
		memcpy(bad, save + at, len);
		n = 1 + rnd(&seed) % 6;
		for (k = 0; k < n; k++)
			bad[rnd(&seed) % (i % 2 == 0 ? len : 96)] =
			    (uint8_t)rnd(&seed);
		ATF_REQUIRE_EQ((ssize_t)len,
		    pwrite(r.w.fd, bad, len, (off_t)at));
		r.w.log[0] = '\0';
		world_run(&r.w, replay_main, &r);
		if (r.error == 0)
			fine++;
		else
			ATF_CHECK_EQ(EUCLEAN, r.error);
		ATF_REQUIRE_EQ(24 << 20, pwrite(r.w.fd, save, 24u << 20, 0));
	}
	printf("%u of 150 damaged journals were replayed\n", fine);
	ATF_CHECK(fine > 10 && fine < 140);
	world_close(&r.w);
	free(save);
	free(bad);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, kernel_4096);
	ATF_TP_ADD_TC(tp, kernel_1024);
	ATF_TP_ADD_TC(tp, all_home);
	ATF_TP_ADD_TC(tp, many_revokes);
	ATF_TP_ADD_TC(tp, statfs_folded);
	ATF_TP_ADD_TC(tp, damaged);
	ATF_TP_ADD_TC(tp, torn_header);
	ATF_TP_ADD_TC(tp, no_header);
	ATF_TP_ADD_TC(tp, readonly);
	ATF_TP_ADD_TC(tp, random_damage);
	return atf_no_error();
}
