/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the cache reads each block once, forgets what failed, keeps to
 * its size while nothing is busy, writes file data home in few requests, and
 * never takes a block for what it is not.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../../libgfs/cache_int.h"
#include "disk_stub.h"

struct fix {
	struct world w;
	struct glock *gl;
	unsigned reads, writes; /* requests seen */
	unsigned ended;		/* writes */
	int fail_reads;		/* an errno for them, or 0 */
	unsigned alive;
	uint64_t blkno;
	int errors[4];
};

static int
count_hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	struct fix *f = arg;

	if (op == IO_READ) {
		f->reads++;
		return f->fail_reads;
	}
	if (op == IO_WRITE)
		f->writes++;
	return 0;
}

static void
run(struct fix *f, void (*fn)(void *))
{
	memset(f, 0, sizeof(*f));
	volume_make("volume", 4096, 32, 1);
	world_open(&f->w, "volume");
	f->gl = world_glock(&f->w, 1);
	f->blkno = world_free_block(&f->w, 600);
	dev_set_hook(f->w.fs.dev, count_hook, f);
	world_run(&f->w, fn, f);
	while (!LIST_EMPTY(&f->gl->bufs))
		cache_detach(LIST_FIRST(&f->gl->bufs));
	world_glock_free(f->gl);
	world_close(&f->w);
}

/* One of several fibers that want the same block. */
static void
same_block(void *arg)
{
	struct fix *f = arg;
	struct bh *bh;

	f->errors[f->alive] = cache_read(f->gl, f->blkno, 0, &bh);
	if (f->errors[f->alive] == 0)
		cache_put(bh);
	f->alive++;
}

static void
shared_main(void *arg)
{
	struct fix *f = arg;
	struct env *env = f->w.env;
	int i;

	env_sim_latency(env, 100, 1);
	for (i = 0; i < 4; i++)
		ATF_REQUIRE(env_spawn(env, same_block, f, "read") != NULL);
	while (f->alive < 4)
		env_sleep(env, 10);
	for (i = 0; i < 4; i++)
		ATF_CHECK_EQ(0, f->errors[i]);
	ATF_CHECK_EQ(1, f->reads);
	/* A failed read is an error for all who waited, and is not kept. */
	f->alive = 0;
	f->blkno++;
	f->fail_reads = EIO;
	for (i = 0; i < 4; i++)
		ATF_REQUIRE(env_spawn(env, same_block, f, "read") != NULL);
	while (f->alive < 4)
		env_sleep(env, 10);
	for (i = 0; i < 4; i++)
		ATF_CHECK_EQ(EIO, f->errors[i]);
	ATF_CHECK(cache_find(f->w.fs.cache, f->blkno) == NULL);
	f->fail_reads = 0;
	f->alive = 0;
	same_block(f);
	ATF_CHECK_EQ(0, f->errors[0]);
	ATF_CHECK(!f->w.fs.withdrawn);
	env_sim_latency(env, 0, 0);
}

ATF_TC_WITHOUT_HEAD(read_once);
ATF_TC_BODY(read_once, tc)
{
	struct fix f;

	run(&f, shared_main);
}

static void
size_main(void *arg)
{
	struct fix *f = arg;
	struct cache *c = f->w.fs.cache;
	struct bh *bh, *held;
	unsigned i;

	c->maxbufs = 64;
	ATF_REQUIRE_EQ(0, cache_read(f->gl, f->blkno, 0, &held));
	for (i = 1; i < 300; i++) {
		ATF_REQUIRE_EQ(0, cache_read(f->gl, f->blkno + i, 0, &bh));
		cache_put(bh);
		ATF_REQUIRE(c->nbufs <= 64);
	}
	/* What is referenced stays; the youngest others do. */
	ATF_CHECK(cache_find(c, f->blkno) == held);
	ATF_CHECK(cache_find(c, f->blkno + 1) == NULL);
	ATF_CHECK(cache_find(c, f->blkno + 299) != NULL);
	cache_put(held);
	cache_inval(f->gl, false);
	ATF_CHECK_EQ(0, c->nbufs);
}

ATF_TC_WITHOUT_HEAD(bounded);
ATF_TC_BODY(bounded, tc)
{
	struct fix f;

	run(&f, size_main);
}

static void
dirty_run(struct fix *f, uint64_t blkno, unsigned n, uint8_t byte)
{
	struct bh *bh;
	unsigned i;

	for (i = 0; i < n; i++) {
		ATF_REQUIRE_EQ(0, cache_new(f->gl, blkno + i, BH_DATA, &bh));
		memset(bh->data, byte, f->w.fs.bsize);
		cache_dirty_data(bh);
		cache_put(bh);
	}
}

static void
data_main(void *arg)
{
	struct fix *f = arg;
	struct cache *c = f->w.fs.cache;
	uint8_t *p = dev_alloc(4096);
	struct bh *bh;

	dirty_run(f, f->blkno, 100, 1);
	dirty_run(f, f->blkno + 200, 50, 2);
	ATF_CHECK_EQ(150, f->gl->ndirty);
	ATF_CHECK_EQ(150, c->nordered);
	ATF_CHECK_EQ(0, cache_write_data(f->gl));
	/* Neighbours go together. */
	ATF_CHECK_EQ(2, f->writes);
	ATF_CHECK_EQ(0, f->gl->ndirty);
	ATF_CHECK_EQ(0, c->nordered);
	ATF_REQUIRE_EQ(0,
	    dev_read(f->w.fs.dev, (f->blkno + 249) << 12, p, 4096));
	ATF_CHECK_EQ(2, p[4095]);
	/* Forgotten data is never written. */
	dirty_run(f, f->blkno, 10, 3);
	cache_forget(&f->w.fs, f->blkno + 5);
	ATF_CHECK_EQ(9, f->gl->ndirty);
	ATF_CHECK_EQ(0, cache_write_data(f->gl));
	ATF_REQUIRE_EQ(0, dev_read(f->w.fs.dev, (f->blkno + 5) << 12, p, 4096));
	ATF_CHECK_EQ(1, p[0]);
	/* Dirty data survives an invalidation of the rest. */
	dirty_run(f, f->blkno + 7, 1, 4);
	cache_inval(f->gl, true);
	ATF_CHECK_EQ(1, c->nbufs);
	ATF_REQUIRE_EQ(0, cache_read(f->gl, f->blkno + 7, BH_DATA, &bh));
	ATF_CHECK_EQ(4, bh->data[0]);
	cache_put(bh);
	ATF_CHECK_EQ(0, cache_write_data(f->gl));
	dev_free(p);
}

ATF_TC_WITHOUT_HEAD(data);
ATF_TC_BODY(data, tc)
{
	struct fix f;

	run(&f, data_main);
}

static void
in_turn(void *arg, uint64_t id, bool ended, enum io_op op, uint64_t off,
    const void *data, size_t len)
{
	struct fix *f = arg;

	if (op != IO_WRITE)
		return;
	/* W1 */
	if (!ended)
		ATF_CHECK_EQ(f->ended + 1, f->writes);
	else
		f->ended++;
}

static void
writer(void *arg)
{
	struct fix *f = arg;

	ATF_CHECK_EQ(0, cache_write_data(f->gl));
	f->alive++;
}

/* Data that changes while it is written is dirty again, and not lost. */
static void
overlap_main(void *arg)
{
	struct fix *f = arg;
	struct env *env = f->w.env;
	uint8_t *p = dev_alloc(4096);

	env_sim_latency(env, 100, 3);
	env_sim_trace(env, in_turn, f);
	dirty_run(f, f->blkno, 1, 1);
	ATF_REQUIRE(env_spawn(env, writer, f, "write") != NULL);
	env_yield(env);
	ATF_REQUIRE_EQ(1, f->writes);
	/* As the file layer does it: in place, without asking. */
	memset(cache_find(f->w.fs.cache, f->blkno)->data, 2, 4096);
	cache_hold(cache_find(f->w.fs.cache, f->blkno));
	cache_dirty_data(cache_find(f->w.fs.cache, f->blkno));
	cache_put(cache_find(f->w.fs.cache, f->blkno));
	ATF_CHECK_EQ(0, f->alive);
	ATF_CHECK_EQ(0, cache_write_data(f->gl));
	ATF_CHECK_EQ(1, f->alive);
	ATF_CHECK_EQ(2, f->writes);
	ATF_REQUIRE_EQ(0, dev_read(f->w.fs.dev, f->blkno << 12, p, 4096));
	ATF_CHECK_EQ(2, p[100]);
	/* A block is not forgotten while a write of it may still land (C6). */
	dirty_run(f, f->blkno, 1, 3);
	ATF_REQUIRE(env_spawn(env, writer, f, "write") != NULL);
	env_yield(env);
	ATF_REQUIRE_EQ(3, f->writes);
	ATF_CHECK_EQ(2, f->ended);
	cache_forget(&f->w.fs, f->blkno);
	ATF_CHECK_EQ(3, f->ended);
	while (f->alive < 2)
		env_sleep(env, 10);
	env_sim_latency(env, 0, 0);
	dev_free(p);
}

ATF_TC_WITHOUT_HEAD(changed_while_written);
ATF_TC_BODY(changed_while_written, tc)
{
	struct fix f;

	run(&f, overlap_main);
}

static void
ahead_main(void *arg)
{
	struct fix *f = arg;
	struct env *env = f->w.env;
	struct cache *c = f->w.fs.cache;
	struct bh *bh;
	unsigned i;

	env_sim_latency(env, 100, 5);
	cache_readahead(f->gl, f->blkno, 300, BH_DATA);
	ATF_CHECK_EQ(0, f->reads); /* it does not wait */
	for (i = 0; i < 300; i++) {
		ATF_REQUIRE_EQ(0,
		    cache_read(f->gl, f->blkno + i, BH_DATA, &bh));
		cache_put(bh);
	}
	ATF_CHECK_EQ(2, f->reads); /* 256 + 44 blocks */
	/* An invalidation waits for it; a failure leaves nothing behind. */
	f->fail_reads = EIO;
	cache_readahead(f->gl, f->blkno + 300, 20, BH_DATA);
	cache_inval(f->gl, false);
	ATF_CHECK_EQ(0, c->nbufs);
	ATF_CHECK_EQ(0, c->readers);
	f->fail_reads = 0;
	/* Beyond the end of the device there is nothing to fetch. */
	cache_readahead(f->gl, (dev_size(f->w.fs.dev) >> 12) - 2, 100, 0);
	cache_readahead(f->gl, UINT64_MAX - 5, 100, 0);
	while (c->readers > 0)
		env_sleep(env, 10);
	ATF_CHECK_EQ(2, c->nbufs);
	ATF_CHECK(!f->w.fs.withdrawn);
	env_sim_latency(env, 0, 0);
}

ATF_TC_WITHOUT_HEAD(readahead);
ATF_TC_BODY(readahead, tc)
{
	struct fix f;

	run(&f, ahead_main);
}

static void
wrong_type_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct bh *bh;

	ATF_REQUIRE_EQ(0,
	    cache_read_meta(f->gl, fs->sb.master.addr, GFS2_METATYPE_DI, &bh));
	cache_put(bh);
	ATF_CHECK_EQ(EIO,
	    cache_read_meta(f->gl, fs->sb.master.addr, GFS2_METATYPE_LF, &bh));
	ATF_CHECK(fs->withdrawn);
	ATF_CHECK_MSG(strstr(fs->withdraw_why,
			  "should be a directory leaf: "
			  "metadata of another type") != NULL,
	    "%s", fs->withdraw_why);
	ATF_CHECK_EQ(EIO, cache_read(f->gl, f->blkno, 0, &bh));
}

ATF_TC_WITHOUT_HEAD(wrong_type);
ATF_TC_BODY(wrong_type, tc)
{
	struct fix f;

	run(&f, wrong_type_main);
}

static void
beyond_main(void *arg)
{
	struct fix *f = arg;
	struct bh *bh;

	ATF_CHECK_EQ(EIO,
	    cache_read(f->gl, dev_size(f->w.fs.dev) >> 12, 0, &bh));
	ATF_CHECK(f->w.fs.withdrawn);
	ATF_CHECK(strstr(f->w.fs.withdraw_why, "beyond the end") != NULL);
}

ATF_TC_WITHOUT_HEAD(beyond_the_end);
ATF_TC_BODY(beyond_the_end, tc)
{
	struct fix f;

	run(&f, beyond_main);
}

static void
two_locks_main(void *arg)
{
	struct fix *f = arg;
	struct gfs *fs = &f->w.fs;
	struct glock *other = world_glock(&f->w, 2);
	struct bh *a, *b;

	/* A clean leftover of the former owner goes. */
	ATF_REQUIRE_EQ(0, cache_read(f->gl, f->blkno, 0, &a));
	cache_put(a);
	ATF_REQUIRE_EQ(0, cache_read(other, f->blkno, 0, &b));
	ATF_CHECK(b->gl == other);
	ATF_CHECK(LIST_EMPTY(&f->gl->bufs));
	/* One in use by another means that the volume is corrupt. */
	ATF_CHECK_EQ(EIO, cache_read(f->gl, f->blkno, 0, &a));
	ATF_CHECK(fs->withdrawn);
	ATF_CHECK(strstr(fs->withdraw_why, "claimed by lock 2") != NULL);
	cache_put(b);
	cache_inval(other, false);
	world_glock_free(other);
}

ATF_TC_WITHOUT_HEAD(two_locks);
ATF_TC_BODY(two_locks, tc)
{
	struct fix f;

	run(&f, two_locks_main);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, read_once);
	ATF_TP_ADD_TC(tp, bounded);
	ATF_TP_ADD_TC(tp, data);
	ATF_TP_ADD_TC(tp, changed_while_written);
	ATF_TP_ADD_TC(tp, readahead);
	ATF_TP_ADD_TC(tp, wrong_type);
	ATF_TP_ADD_TC(tp, beyond_the_end);
	ATF_TP_ADD_TC(tp, two_locks);
	return atf_no_error();
}
