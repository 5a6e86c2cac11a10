/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the log's promises one by one: who may begin a transaction, that
 * fibers share a flush, that a log under pressure makes progress, when commit
 * callbacks run, what giving a lock away costs and guarantees, how revokes
 * and reuse inside one compound combine, and that a failing disk at any
 * request stops the mount without hanging anybody or losing what was
 * acknowledged.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../../libgfs/log_int.h"
#include "disk_stub.h"

enum {
	NLOCKS = 8
};

struct fix {
	struct world w;
	struct glock *gl[NLOCKS];
	unsigned alive;
	unsigned acked;	  /* fibers whose flush succeeded */
	uint64_t safe[3]; /* the round that each fiber's flush acknowledged */
	int fail_at;	  /* request number that fails, and all after; -1 */
	int request;
};

static void
fix_open(struct fix *f, unsigned bsize)
{
	int i;

	memset(f, 0, sizeof(*f));
	f->fail_at = -1;
	volume_make("volume", bsize, 32, 1);
	world_open(&f->w, "volume");
	for (i = 0; i < NLOCKS; i++)
		f->gl[i] = world_glock(&f->w, (uint64_t)i + 1);
}

/* A log that was not stopped has left marks on the locks. */
static void
fix_close(struct fix *f)
{
	int i;

	for (i = 0; i < NLOCKS; i++) {
		while (!LIST_EMPTY(&f->gl[i]->bufs))
			cache_detach(LIST_FIRST(&f->gl[i]->bufs));
		world_glock_free(f->gl[i]);
	}
	world_close(&f->w);
}

static void
run(unsigned bsize, void (*fn)(void *))
{
	struct fix f;

	fix_open(&f, bsize);
	world_run(&f.w, fn, &f);
	fix_close(&f);
}

/* Block n gets a value, in a transaction that is open. */
static void
put(struct fix *f, unsigned n, uint64_t value, bool fresh)
{
	struct glock *gl = f->gl[n % NLOCKS];
	uint64_t blkno = world_free_block(&f->w, n);
	struct bh *bh;

	if (fresh)
		ATF_REQUIRE_EQ(0, cache_new(gl, blkno, 0, &bh));
	else
		ATF_REQUIRE_EQ(0, cache_read(gl, blkno, 0, &bh));
	trans_add_meta(bh);
	meta_encode(bh->data, GFS2_METATYPE_IN, 0);
	od_put64(bh->data + 64, value);
	cache_put(bh);
}

static void
put_one(struct fix *f, unsigned n, uint64_t value)
{
	ATF_REQUIRE_EQ(0, trans_begin(&f->w.fs, 1, 0));
	put(f, n, value, true);
	trans_end(&f->w.fs);
}

static uint64_t
on_disk(struct fix *f, unsigned n)
{
	struct gfs *fs = &f->w.fs;
	uint8_t *p = dev_alloc(fs->bsize);
	uint64_t value;

	ATF_REQUIRE_EQ(0,
	    dev_read(fs->dev, world_free_block(&f->w, n) << fs->bshift, p,
		fs->bsize));
	value = od_get64(p + 64);
	dev_free(p);
	return value;
}

static int
run_recovery(struct fix *f)
{
	bool replayed;

	return recovery_replay(&f->w.fs, 0, &replayed);
}

/* The power goes: nothing more is written; then somebody recovers. */
static void
power_cut(struct fix *f)
{
	struct gfs *fs = &f->w.fs;

	gfs_withdraw(fs, "power cut");
	ATF_CHECK_EQ(EIO, log_stop(fs));
	fs->withdrawn = false;
	dev_permit(fs->dev, true);
	ATF_REQUIRE_EQ_MSG(0, run_recovery(f), "%s", f->w.log);
}

static void
refusals_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;

	ATF_CHECK_EQ(EROFS, trans_begin(fs, 1, 0)); /* no log */
	ATF_REQUIRE_EQ(0, log_start(fs));
	ATF_CHECK_EQ(ENOSPC, trans_begin(fs, 1u << 20, 0));
	ATF_CHECK_EQ(ENOSPC, trans_begin(fs, UINT32_MAX, 0));
	ATF_CHECK(!trans_active(fs));
	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 0));
	ATF_CHECK(trans_active(fs));
	trans_end(fs);
	fs->readonly = true;
	ATF_CHECK_EQ(EROFS, trans_begin(fs, 1, 0));
	fs->readonly = false;
	ATF_CHECK_EQ(0, log_stop(fs));
	ATF_REQUIRE_EQ(0, log_start(fs));
	gfs_withdraw(fs, "enough");
	ATF_CHECK_EQ(EIO, trans_begin(fs, 1, 0));
	ATF_CHECK_EQ(EIO, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(EIO, log_stop(fs));
}

ATF_TC_WITHOUT_HEAD(refusals);
ATF_TC_BODY(refusals, tc)
{
	run(4096, refusals_main);
}

static void
clean_end_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct log_header a, b;
	uint64_t seq;

	ATF_REQUIRE_EQ(0, recovery_head(fs, fs->journals[0], &a));
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 11);
	put_one(f, 1, 12);
	ATF_CHECK_EQ(0, on_disk(f, 0));
	ATF_REQUIRE_EQ(0, log_stop(fs));
	ATF_CHECK_EQ(11, on_disk(f, 0));
	ATF_CHECK_EQ(12, on_disk(f, 1));
	ATF_REQUIRE_EQ(0, recovery_head(fs, fs->journals[0], &b));
	ATF_CHECK(b.flags & GFS2_LOG_HEAD_UNMOUNT);
	ATF_CHECK_EQ(b.blkno, b.tail);
	ATF_CHECK(b.seq > a.seq + 1);
	ATF_CHECK_EQ(b.addr, jindex_map(fs->journals[0], b.blkno));
	ATF_CHECK_EQ(b.jinode, jindex_inode(fs->journals[0]));
	/* The next life goes on behind it. */
	seq = b.seq;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 2, 13);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_REQUIRE_EQ(0, recovery_head(fs, fs->journals[0], &b));
	ATF_CHECK_EQ(seq + 1, b.seq);
	ATF_CHECK(!(b.flags & GFS2_LOG_HEAD_UNMOUNT));
	/* A dirty journal is not written to. */
	gfs_withdraw(fs, "power cut");
	ATF_CHECK_EQ(EIO, log_stop(fs));
	fs->withdrawn = false;
	dev_permit(fs->dev, true);
	ATF_CHECK_EQ(EUCLEAN, log_start(fs));
	ATF_REQUIRE_EQ(0, run_recovery(f));
	ATF_CHECK_EQ(13, on_disk(f, 2));
	ATF_REQUIRE_EQ(0, log_start(fs));
	ATF_REQUIRE_EQ(0, log_stop(fs));
}

ATF_TC_WITHOUT_HEAD(clean_end);
ATF_TC_BODY(clean_end, tc)
{
	run(4096, clean_end_main);
}

static void
sync_fiber(void *arg)
{
	struct fix *f = arg;
	unsigned me = f->alive++;

	put_one(f, me, me + 100);
	ATF_CHECK_EQ(0, log_flush(&f->w.fs, LHF_SYNC));
	f->acked++;
}

static void
group_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct log_stats st;
	int i;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	env_sim_latency(fs->env, 200, 9);
	for (i = 0; i < 40; i++)
		ATF_REQUIRE(env_spawn(fs->env, sync_fiber, f, "s") != NULL);
	while (f->acked < 40)
		env_sleep(fs->env, 50);
	log_stats(fs, &st);
	ATF_CHECK_MSG(st.flushes <= 3, "%llu flushes for 40 fibers",
	    (unsigned long long)st.flushes);
	env_sim_latency(fs->env, 0, 0);
	power_cut(f);
	for (i = 0; i < 40; i++)
		ATF_CHECK_EQ((uint64_t)i + 100, on_disk(f, (unsigned)i));
}

ATF_TC_WITHOUT_HEAD(group_commit);
ATF_TC_BODY(group_commit, tc)
{
	run(4096, group_main);
}

static void
timer_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct log_stats st;

	fs->commit_us = 1000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 5);
	log_stats(fs, &st);
	ATF_CHECK_EQ(0, st.flushes);
	env_sleep(fs->env, 3000);
	log_stats(fs, &st);
	ATF_CHECK_EQ(1, st.flushes);
	/* Nothing to say: no header. */
	env_sleep(fs->env, 10000);
	log_stats(fs, &st);
	ATF_CHECK_EQ(1, st.headers);
	ATF_CHECK_EQ(0, log_flush(fs, LHF_SYNC));
	log_stats(fs, &st);
	ATF_CHECK_EQ(1, st.headers);
	power_cut(f);
	ATF_CHECK_EQ(5, on_disk(f, 0));
}

ATF_TC_WITHOUT_HEAD(timer);
ATF_TC_BODY(timer, tc)
{
	run(4096, timer_main);
}

/* Transactions as large as the log allows, many times its size in all. */
static void
greedy(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	unsigned base = f->alive++ * 64, i, round;

	for (round = 1; round <= 40; round++) {
		ATF_REQUIRE_EQ(0, trans_begin(fs, 700, 50));
		for (i = 0; i < 60; i++)
			put(f, base + i, round, round == 1);
		env_sleep(fs->env, round % 7 * 30);
		ATF_REQUIRE(log_used(fs->log) < fs->log->nblocks);
		trans_end(fs);
	}
	f->acked++;
}

static void
pressure_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct log_stats st;
	unsigned i, k;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	env_sim_latency(fs->env, 100, 4);
	for (i = 0; i < 6; i++)
		ATF_REQUIRE(env_spawn(fs->env, greedy, f, "greedy") != NULL);
	while (f->acked < 6)
		env_sleep(fs->env, 1000);
	log_stats(fs, &st);
	ATF_CHECK(st.blocks > fs->log->nblocks);
	env_sim_latency(fs->env, 0, 0);
	/* What is not home yet is still in the log, however often it wrapped. */
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	power_cut(f);
	for (i = 0; i < 6; i++)
		for (k = 0; k < 60; k++)
			ATF_CHECK_EQ(40, on_disk(f, i * 64 + k));
}

ATF_TC_WITHOUT_HEAD(pressure);
ATF_TC_BODY(pressure, tc)
{
	run(4096, pressure_main);
}

/* One block that is never changed again holds the tail until it is home. */
static void
wrap_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	unsigned i, round;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 500, 7);
	for (round = 1; round <= 100; round++) {
		ATF_REQUIRE_EQ(0, trans_begin(fs, 60, 0));
		for (i = 0; i < 60; i++)
			put(f, i, round, round == 1);
		trans_end(fs);
		ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	}
	power_cut(f);
	ATF_CHECK_EQ(7, on_disk(f, 500));
	ATF_CHECK_EQ(100, on_disk(f, 59));
}

ATF_TC_WITHOUT_HEAD(wrap);
ATF_TC_BODY(wrap, tc)
{
	run(4096, wrap_main);
}

/* Commit callbacks; test programs may have globals. */
static unsigned calls, image_calls;
static uint64_t seen, image_seen;

static void
on_commit(struct bh *bh)
{
	calls++;
	seen = od_get64(bh->data + 64);
}

static void
on_commit_image(struct bh *bh, const uint8_t *image)
{
	image_calls++;
	image_seen = od_get64(image + 64);
}

static void
change(struct fix *f, uint64_t value, bool hook)
{
	struct gfs *fs = &f->w.fs;
	struct bh *bh;

	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 0));
	put(f, 0, value, false);
	bh = cache_find(fs->cache, world_free_block(&f->w, 0));
	if (hook) {
		log_on_commit(bh, on_commit);
		log_on_commit_image(bh, on_commit_image);
	}
	trans_end(fs);
}

static void
flusher(void *arg)
{
	struct fix *f = arg;

	ATF_CHECK_EQ(0, log_flush(&f->w.fs, LHF_SYNC));
	f->acked++;
}

static void
callback_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 1);
	change(f, 2, true);
	ATF_CHECK_EQ(0, calls);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(1, calls);
	ATF_CHECK_EQ(2, seen);
	ATF_CHECK_EQ(1, image_calls);
	/* Asked for once, called once. */
	change(f, 3, false);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(1, calls);
	/* Changed again while the flush is on its way. */
	env_sim_latency(fs->env, 100, 1);
	change(f, 4, true);
	ATF_REQUIRE(env_spawn(fs->env, flusher, f, "flush") != NULL);
	env_yield(fs->env);
	change(f, 5, false);
	while (f->acked == 0)
		env_sleep(fs->env, 10);
	ATF_CHECK_EQ(2, image_calls);
	ATF_CHECK_EQ(4, image_seen);
	ATF_CHECK_EQ(1, calls);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(2, calls);
	ATF_CHECK_EQ(5, seen);
	env_sim_latency(fs->env, 0, 0);
	ATF_REQUIRE_EQ(0, log_stop(fs));
}

ATF_TC_WITHOUT_HEAD(callbacks);
ATF_TC_BODY(callbacks, tc)
{
	run(4096, callback_main);
}

static void
clean_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct glock *gl = f->gl[0];
	struct log_stats a, b;
	uint8_t *p = dev_alloc(fs->bsize);

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 1);
	put_one(f, 1, 1); /* another lock's */
	ATF_CHECK_EQ(1, gl->nlog);
	log_stats(fs, &a);
	ATF_REQUIRE_EQ(0, log_clean_glock(gl, LHF_INODE_DEMOTE));
	log_stats(fs, &b);
	/* One flush for the images, one for the revokes. */
	ATF_CHECK_EQ(a.headers + 2, b.headers);
	ATF_CHECK_EQ(0, gl->nlog + gl->nail + gl->nrevokes);
	ATF_CHECK_EQ(1, on_disk(f, 0));
	ATF_CHECK_EQ(0, on_disk(f, 1));
	/* Nothing to do is nothing done. */
	ATF_REQUIRE_EQ(0, log_clean_glock(gl, LHF_INODE_DEMOTE));
	log_stats(fs, &a);
	ATF_CHECK_EQ(a.headers, b.headers);
	cache_inval(gl, false);
	/* Another node has the lock now. */
	od_put64(p + 64, 77);
	ATF_REQUIRE_EQ(0,
	    dev_write(fs->dev, world_free_block(&f->w, 0) << fs->bshift, p,
		fs->bsize));
	power_cut(f);
	ATF_CHECK_EQ(77, on_disk(f, 0));
	ATF_CHECK_EQ(1, on_disk(f, 1));
	dev_free(p);
}

ATF_TC_WITHOUT_HEAD(clean_glock);
ATF_TC_BODY(clean_glock, tc)
{
	run(4096, clean_main);
}

/* Committed, not home yet, and changed again: it must wait (L5). */
static void
pinned_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 1);
	put_one(f, 1, 1);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	put_one(f, 0, 2);
	ATF_REQUIRE_EQ(0, ail_write(fs->log, SIZE_MAX));
	ATF_CHECK_EQ(0, on_disk(f, 0));
	ATF_CHECK_EQ(1, on_disk(f, 1));
	power_cut(f);
	ATF_CHECK_EQ(1, on_disk(f, 0));
}

ATF_TC_WITHOUT_HEAD(pinned_stays);
ATF_TC_BODY(pinned_stays, tc)
{
	run(4096, pinned_main);
}

/*
 * A user's file that contains a log header, younger than any and in its very
 * place: recovery must not take it for one.
 */
static void
forged_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct log_header h = { .seq = 1ull << 40,
		.flags = GFS2_LOG_HEAD_UNMOUNT };
	uint8_t *want = dev_alloc(fs->bsize), *got = dev_alloc(fs->bsize);
	uint64_t blkno = world_free_block(&f->w, 1);
	struct bh *bh;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	/* Behind the descriptor. */
	h.blkno = (fs->log->head + 1) % fs->log->nblocks;
	lh_encode(&h, want, fs->bsize, 0);
	ATF_REQUIRE_EQ(0, trans_begin(fs, 2, 0));
	ATF_REQUIRE_EQ(0, cache_new(f->gl[1], blkno, BH_JDATA, &bh));
	trans_add_jdata(bh);
	memcpy(bh->data, want, fs->bsize);
	cache_put(bh);
	put(f, 0, 5, true);
	trans_end(fs);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	power_cut(f);
	ATF_CHECK_EQ(5, on_disk(f, 0));
	ATF_REQUIRE_EQ(0,
	    dev_read(fs->dev, blkno << fs->bshift, got, fs->bsize));
	ATF_CHECK(memcmp(want, got, fs->bsize) == 0);
	dev_free(want);
	dev_free(got);
}

ATF_TC_WITHOUT_HEAD(forged_header);
ATF_TC_BODY(forged_header, tc)
{
	run(4096, forged_main);
}

/* Freed and used again inside one compound: the last word counts (L6). */
static void
reuse_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	uint64_t blkno = world_free_block(&f->w, 0);

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 1);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 1));
	trans_add_revoke(f->gl[0], blkno);
	put(f, 0, 2, true);
	trans_end(fs);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	power_cut(f);
	ATF_CHECK_EQ(2, on_disk(f, 0));
}

ATF_TC_WITHOUT_HEAD(reuse_in_compound);
ATF_TC_BODY(reuse_in_compound, tc)
{
	run(4096, reuse_main);
}

/* And freed once more: images of before must stay dead (L7). */
static void
free_again_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	uint64_t blkno = world_free_block(&f->w, 0);
	struct bh *bh;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	put_one(f, 0, 1);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 2));
	trans_add_revoke(f->gl[0], blkno);
	put(f, 0, 2, true);
	trans_add_revoke(f->gl[0], blkno);
	trans_end(fs);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	/* Now it is file data, which no log knows. */
	ATF_REQUIRE_EQ(0, cache_new(f->gl[0], blkno, BH_DATA, &bh));
	od_put64(bh->data + 64, 99);
	cache_dirty_data(bh);
	cache_put(bh);
	ATF_REQUIRE_EQ(0, cache_write_data(f->gl[0]));
	power_cut(f);
	ATF_CHECK_EQ(99, on_disk(f, 0));
}

ATF_TC_WITHOUT_HEAD(free_again);
ATF_TC_BODY(free_again, tc)
{
	run(4096, free_again_main);
}

/*
 * A block is allocated and filled in one compound and freed in the next: a
 * flush of the first alone must have brought the data home.
 */
static void
owed_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	uint64_t blkno = world_free_block(&f->w, 8);
	struct bh *bh;

	fs->commit_us = 1000000000;
	ATF_REQUIRE_EQ(0, log_start(fs));
	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 0));
	put(f, 0, 1, true);
	ATF_REQUIRE_EQ(0, cache_new(f->gl[0], blkno, BH_DATA, &bh));
	od_put64(bh->data + 64, 55);
	cache_dirty_data(bh);
	cache_put(bh);
	trans_end(fs);
	env_sim_latency(fs->env, 100, 2);
	ATF_REQUIRE(env_spawn(fs->env, flusher, f, "flush") != NULL);
	env_yield(fs->env);
	ATF_REQUIRE(fs->log->sealed != NULL);
	ATF_REQUIRE_EQ(0, trans_begin(fs, 1, 1));
	cache_forget(fs, blkno);
	trans_end(fs);
	while (f->acked == 0)
		env_sleep(fs->env, 10);
	env_sim_latency(fs->env, 0, 0);
	power_cut(f);
	ATF_CHECK_EQ(55, on_disk(f, 8));
}

ATF_TC_WITHOUT_HEAD(freed_while_owed);
ATF_TC_BODY(freed_while_owed, tc)
{
	run(4096, owed_main);
}

/* Data written in place is durable after a flush that has nothing to log. */
static unsigned flushes;

static int
flush_hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	if (op == IO_FLUSH)
		flushes++;
	return 0;
}

static void
data_sync_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct bh *bh;

	ATF_REQUIRE_EQ(0, log_start(fs));
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	dev_set_hook(fs->dev, flush_hook, NULL);
	flushes = 0;
	ATF_REQUIRE_EQ(0,
	    cache_new(f->gl[0], world_free_block(&f->w, 0), BH_DATA, &bh));
	cache_dirty_data(bh);
	cache_put(bh);
	ATF_REQUIRE_EQ(0, cache_write_data(f->gl[0]));
	ATF_CHECK_EQ(0, flushes);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(1, flushes);
	ATF_REQUIRE_EQ(0, log_flush(fs, LHF_SYNC));
	ATF_CHECK_EQ(1, flushes);
	dev_set_hook(fs->dev, NULL, NULL);
	ATF_REQUIRE_EQ(0, log_stop(fs));
}

ATF_TC_WITHOUT_HEAD(data_sync);
ATF_TC_BODY(data_sync, tc)
{
	run(4096, data_sync_main);
}

static int
fail_hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	struct fix *f = arg;

	if (op == IO_READ)
		return 0;
	f->request++;
	return f->fail_at >= 0 && f->request > f->fail_at ? EIO : 0;
}

static void
failing_fiber(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	unsigned me = f->alive++, round;

	for (round = 1; round <= 6; round++) {
		if (trans_begin(fs, 3, 0) != 0)
			break;
		put(f, me * 3, round, round == 1);
		env_sleep(fs->env, me * 20);
		/* Reading may fail from now on. */
		if (fs->withdrawn) {
			trans_end(fs);
			break;
		}
		put(f, me * 3 + 1, round, round == 1);
		trans_end(fs);
		if (round % 3 == 0 &&
		    log_clean_glock(f->gl[me * 3 % NLOCKS], 0) != 0)
			break;
		if (round % 2 == 0 && log_flush(fs, LHF_SYNC) == 0)
			f->safe[me] = round;
	}
	f->alive += 100;
}

static void
failing_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	int i;

	fs->commit_us = 700;
	ATF_REQUIRE_EQ(0, log_start(fs));
	env_sim_latency(fs->env, 100, (uint64_t)f->fail_at + 1);
	dev_set_hook(fs->dev, fail_hook, f);
	for (i = 0; i < 3; i++)
		ATF_REQUIRE(env_spawn(fs->env, failing_fiber, f, "f") != NULL);
	while (f->alive < 303)
		env_sleep(fs->env, 100);
	i = log_stop(fs);
	ATF_CHECK_EQ(fs->withdrawn ? EIO : 0, i);
	if (fs->withdrawn)
		ATF_CHECK(fs->withdraw_why[0] != '\0');
	env_sim_latency(fs->env, 0, 0);
	dev_set_hook(fs->dev, NULL, NULL);
	fs->withdrawn = false;
	dev_permit(fs->dev, true);
	ATF_REQUIRE_EQ_MSG(0, run_recovery(f), "%s", f->w.log);
	/* Both blocks of a transaction, or neither; nothing acknowledged lost. */
	for (i = 0; i < 3; i++) {
		uint64_t a = on_disk(f, (unsigned)i * 3);

		ATF_CHECK_EQ(a, on_disk(f, (unsigned)i * 3 + 1));
		ATF_CHECK(a <= 6 && a >= f->safe[i]);
	}
}

/* The disk fails at the n-th request, for every n. */
ATF_TC_WITHOUT_HEAD(failing_disk);
ATF_TC_BODY(failing_disk, tc)
{
	int at = -1, total = 1;
	struct fix f;

	for (; at < total; at++) {
		fix_open(&f, 4096);
		f.fail_at = at;
		world_run(&f.w, failing_main, &f);
		if (at == -1) {
			ATF_CHECK_EQ(6, f.safe[0]);
			ATF_CHECK_EQ(6, f.safe[2]);
			total = f.request;
		}
		fix_close(&f);
	}
	ATF_CHECK(total > 20);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, refusals);
	ATF_TP_ADD_TC(tp, clean_end);
	ATF_TP_ADD_TC(tp, group_commit);
	ATF_TP_ADD_TC(tp, timer);
	ATF_TP_ADD_TC(tp, pressure);
	ATF_TP_ADD_TC(tp, wrap);
	ATF_TP_ADD_TC(tp, callbacks);
	ATF_TP_ADD_TC(tp, clean_glock);
	ATF_TP_ADD_TC(tp, pinned_stays);
	ATF_TP_ADD_TC(tp, forged_header);
	ATF_TP_ADD_TC(tp, reuse_in_compound);
	ATF_TP_ADD_TC(tp, free_again);
	ATF_TP_ADD_TC(tp, freed_while_owed);
	ATF_TP_ADD_TC(tp, data_sync);
	ATF_TP_ADD_TC(tp, failing_disk);
	return atf_no_error();
}
