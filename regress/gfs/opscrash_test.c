/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what is left after a power cut at any write: the next mount replays
 * the journal to a tree that existed at some moment after the last sync, with
 * every operation either done or not done; what was synced is there, byte for
 * byte; no file shows what its blocks held before; and fsck.gfs2 finds
 * nothing.  Writes that the device had not been told to flush may be lost.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "libgfs/fs.h"
#include "volume.h"

#define BASE "base.img"
#define IMG  "vol.img"

/* A write that a power cut may still undo. */
struct pending {
	uint64_t id;
	uint64_t off;
	size_t len;
	uint8_t *old;
	bool ended;   /* the device has reported it done */
	bool covered; /* ... before the flush in flight began */
	bool kept;
};

struct plug {
	int fd;
	unsigned countdown; /* writes until the power goes */
	bool dead;
	struct pending *v;
	unsigned n;
};

/* Before a request starts: may it? */
static int
hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	struct plug *p = arg;

	if (op == IO_READ)
		return 0;
	if (!p->dead && op != IO_FLUSH && p->countdown-- == 0)
		p->dead = true;
	return p->dead ? EIO : 0;
}

static void
write_starts(struct plug *p, uint64_t id, uint64_t off, size_t len)
{
	struct pending *w;

	p->v = reallocarray(p->v, p->n + 1, sizeof(*p->v));
	ATF_REQUIRE(p->v != NULL);
	w = &p->v[p->n++];
	memset(w, 0, sizeof(*w));
	w->id = id;
	w->off = off;
	w->len = len;
	w->old = malloc(len);
	ATF_REQUIRE(pread(p->fd, w->old, len, (off_t)off) == (ssize_t)len);
}

/* A flush ended: what had ended before it began is there to stay. */
static void
flushed(struct plug *p)
{
	unsigned i, k = 0;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].covered)
			free(p->v[i].old);
		else
			p->v[k++] = p->v[i];
	}
	p->n = k;
}

static void
tracer(void *arg, uint64_t id, bool ended, enum io_op op, uint64_t off,
    const void *data, size_t len)
{
	struct plug *p = arg;
	unsigned i;

	if (op == IO_WRITE && !ended)
		write_starts(p, id, off, len);
	for (i = 0; i < p->n; i++) {
		if (op == IO_WRITE && ended && p->v[i].id == id)
			p->v[i].ended = true;
		if (op == IO_FLUSH && !ended && p->v[i].ended)
			p->v[i].covered = true;
	}
	if (op == IO_FLUSH && ended)
		flushed(p);
}

static bool
overwritten(const struct plug *p, unsigned i)
{
	unsigned k;

	for (k = i + 1; k < p->n; k++)
		if (p->v[k].kept && p->v[k].off < p->v[i].off + p->v[i].len &&
		    p->v[i].off < p->v[k].off + p->v[k].len)
			return true;
	return false;
}

/* A random part of what was not flushed never reached the disk. */
static void
lose_some(struct plug *p, struct rnd *r)
{
	unsigned i, odds = 1 + rnd_below(r, 4);

	for (i = p->n; i-- > 0;) {
		p->v[i].kept = rnd_below(r, 4) >= odds || overwritten(p, i);
		if (!p->v[i].kept)
			ATF_REQUIRE(
			    pwrite(p->fd, p->v[i].old, p->v[i].len,
				(off_t)p->v[i].off) == (ssize_t)p->v[i].len);
	}
	for (i = 0; i < p->n; i++)
		free(p->v[i].old);
	p->n = 0;
}

struct crash {
	struct model m;
	struct rnd r;
	struct plug plug;
	bool latency;
	uint64_t *digests; /* of every moment since the last sync */
	unsigned ndigests;
	unsigned compared;
	unsigned lost; /* moments that the crash undid */
};

static void
moment(struct crash *c)
{
	c->digests =
	    reallocarray(c->digests, c->ndigests + 1, sizeof(*c->digests));
	ATF_REQUIRE(c->digests != NULL);
	c->digests[c->ndigests++] = model_digest(&c->m);
}

/* Commits at any time, so that operations meet a flush in flight. */
struct syncer {
	struct gfs *fs;
	struct waitq wq;
	bool stop, ended;
};

static void
syncer_main(void *arg)
{
	struct syncer *s = arg;

	while (!s->stop && gfs_sync(s->fs) == 0)
		env_sleep(vol_env(), 500);
	s->ended = true;
	env_wake_all(vol_env(), &s->wq);
}

static void
syncer_start(struct syncer *s, struct gfs *fs)
{
	memset(s, 0, sizeof(*s));
	s->fs = fs;
	waitq_init(&s->wq);
	ATF_REQUIRE(env_spawn(vol_env(), syncer_main, s, "syncer") != NULL);
}

static void
syncer_stop(struct syncer *s)
{
	s->stop = true;
	while (!s->ended)
		env_wait(vol_env(), &s->wq, UINT64_MAX);
}

static void
until_power_cut(void *arg)
{
	struct crash *c = arg;
	struct gfs *fs = vol_mount(IMG);
	struct syncer syncer = { .ended = true };
	unsigned i;

	dev_set_hook(fs->dev, hook, &c->plug);
	env_sim_trace(vol_env(), tracer, &c->plug);
	if (c->latency) {
		env_sim_latency(vol_env(), 3000, c->r.s);
		syncer_start(&syncer, fs);
	}
	moment(c);
	for (i = 0; i < 3000 && !c->m.dead; i++) {
		if (rnd_below(&c->r, 40) == 0 && gfs_sync(fs) == 0) {
			c->ndigests = 0;
			model_safe(&c->m);
			moment(c);
		}
		if (rnd_below(&c->r, 30) == 0)
			env_sleep(vol_env(), rnd_below(&c->r, 2000000));
		if (c->plug.dead)
			break;
		model_step(&c->m, fs, &c->r);
		moment(c);
	}
	gfs_abort(fs, "power cut");
	c->plug.dead = true;
	syncer_stop(&syncer);
	(void)gfs_unmount(fs);
	env_sim_trace(vol_env(), NULL, NULL);
}

/*
 * Inodes that the cut caught between their last name and their freeing are
 * found by whoever looks for space next.
 */
static void
reap(struct gfs *fs)
{
	struct ginode *root = gfs_root(fs), *ip;
	int error;

	error =
	    gfs_create(root, "a probe", S_IFREG, 0, 0, NULL, NULL, true, &ip);
	ATF_REQUIRE_MSG(error == 0 || error == ENOSPC, "%s", strerror(error));
	if (error == 0) {
		gfs_iput(ip);
		ATF_REQUIRE_EQ(0, gfs_unlink(root, "a probe"));
	}
	gfs_iput(root);
}

static void
after_power_cut(void *arg)
{
	struct crash *c = arg;
	struct gfs *fs = vol_mount(IMG);
	uint64_t now = tree_digest(fs);
	unsigned i;

	for (i = c->ndigests; i-- > 0 && c->digests[i] != now;)
		c->lost++;
	ATF_REQUIRE_MSG(c->lost < c->ndigests,
	    "a tree that never existed (%u moments since the last sync)",
	    c->ndigests);
	c->compared = model_check_safe(&c->m, fs);
	reap(fs);
	vol_unmount(fs);
}

/* Leaves so little space that what is freed is soon used again. */
static void
fill(void *arg)
{
	static uint8_t buf[65536];
	struct gfs *fs = vol_mount(BASE);
	struct ginode *root = gfs_root(fs), *ip;
	struct statvfs st;
	size_t put;

	memset(buf, 'f', sizeof(buf));
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "filler", S_IFREG, 0, 0, NULL, NULL, true, &ip));
	for (;;) {
		ATF_REQUIRE_EQ(0, gfs_statfs(fs, &st));
		if (st.f_bfree * st.f_bsize < 1200000)
			break;
		ATF_REQUIRE_EQ(0,
		    gfs_write(ip, buf, sizeof(buf), 0, true, &put));
	}
	gfs_iput(ip);
	gfs_iput(root);
	vol_unmount(fs);
}

static void
crashes(unsigned bsize, uint64_t seed, unsigned rounds)
{
	unsigned i, compared = 0, lost = 0;
	struct crash c;

	seed = vol_seed(seed);
	rounds = vol_rounds(rounds);
	vol_make_filled(BASE, 20, bsize, MODEL_STALE);
	vol_run(fill, NULL);
	for (i = 0; i < rounds; i++) {
		vol_copy(BASE, IMG);
		memset(&c, 0, sizeof(c));
		c.r.s = seed + i * 1000003u;
		model_init(&c.m);
		model_adopt(&c.m, "filler");
		c.latency = i % 2 == 1;
		c.m.dying = true;
		c.m.enospc = true;
		c.plug.fd = open(IMG, O_RDWR);
		ATF_REQUIRE(c.plug.fd != -1);
		c.plug.countdown = rnd_below(&c.r, 1500);
		fprintf(stderr, "round %u: %u writes\n", i, c.plug.countdown);
		vol_run(until_power_cut, &c);
		lose_some(&c.plug, &c.r);
		close(c.plug.fd);
		vol_run(after_power_cut, &c);
		vol_fsck(IMG);
		compared += c.compared;
		lost += c.lost;
		model_free(&c.m);
		free(c.digests);
		free(c.plug.v);
	}
	/* The test looked at something. */
	ATF_REQUIRE(compared > rounds && lost > rounds);
}

/*
 * A great file is cut while the log is flushed all the time, and then the
 * power.  The next one to lock it finishes the work: no block stays behind.
 */
#define CUT_SIZE 2000000

struct cut {
	struct plug plug;
	fsblkcnt_t empty; /* free blocks without the file */
	uint64_t seed;
	unsigned resumed;
};

static void
cut_prepare(void *arg)
{
	static uint8_t buf[CUT_SIZE];
	struct cut *c = arg;
	struct gfs *fs = vol_mount(BASE);
	struct ginode *root = gfs_root(fs), *ip;
	size_t n;

	c->empty = vol_free(fs);
	memset(buf, 'c', sizeof(buf));
	ATF_REQUIRE_EQ(0,
	    gfs_create(root, "great", S_IFREG, 0, 0, NULL, NULL, true, &ip));
	ATF_REQUIRE_EQ(0, gfs_write(ip, buf, sizeof(buf), 0, false, &n));
	gfs_iput(ip);
	gfs_iput(root);
	vol_unmount(fs);
}

static void
cut_file(void *arg)
{
	struct cut *c = arg;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	struct stat st = { .st_size = 0 };
	struct syncer syncer;

	ATF_REQUIRE_EQ(0, gfs_lookup(root, "great", &ip));
	dev_set_hook(fs->dev, hook, &c->plug);
	env_sim_latency(vol_env(), 300, c->seed);
	syncer_start(&syncer, fs);
	(void)gfs_setattr(ip, &st, GFS_SET_SIZE);
	(void)gfs_sync(fs);
	gfs_abort(fs, "power cut");
	syncer_stop(&syncer);
	gfs_iput(ip);
	gfs_iput(root);
	(void)gfs_unmount(fs);
}

static void
cut_resume(void *arg)
{
	struct cut *c = arg;
	struct gfs *fs = vol_mount(IMG);
	struct ginode *root = gfs_root(fs), *ip;
	struct stat before, after;

	ATF_REQUIRE_EQ(0, gfs_lookup(root, "great", &ip));
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &before));
	ATF_REQUIRE(before.st_size == 0 || before.st_size == CUT_SIZE);
	/* Any change takes the lock in EX. */
	ATF_REQUIRE_EQ(0, gfs_setattr(ip, &before, GFS_SET_MTIME));
	ATF_REQUIRE_EQ(0, gfs_getattr(ip, &after));
	if (before.st_size == 0) {
		ATF_REQUIRE_EQ(before.st_blksize / 512, after.st_blocks);
		if (before.st_blocks > after.st_blocks)
			c->resumed++;
		ATF_REQUIRE_EQ(c->empty - 1, vol_free(fs));
	}
	gfs_iput(ip);
	ATF_REQUIRE_EQ(0, gfs_unlink(root, "great"));
	gfs_iput(root);
	ATF_REQUIRE_EQ(c->empty, vol_free(fs));
	vol_unmount(fs);
}

ATF_TC_WITHOUT_HEAD(cut_while_cutting);
ATF_TC_BODY(cut_while_cutting, tc)
{
	struct cut c;
	unsigned i;

	memset(&c, 0, sizeof(c));
	vol_make(BASE, 24, 512, 1);
	vol_run(cut_prepare, &c);
	for (i = 0; i < 40; i++) {
		vol_copy(BASE, IMG);
		c.plug.dead = false;
		c.plug.countdown = 5 * i;
		c.seed = i;
		vol_run(cut_file, &c);
		vol_run(cut_resume, &c);
		vol_fsck(IMG);
	}
	ATF_REQUIRE_MSG(c.resumed > 2, "only %u were left half done",
	    c.resumed);
}

ATF_TC_WITHOUT_HEAD(power_cut_512);
ATF_TC_BODY(power_cut_512, tc)
{
	crashes(512, 100, 25);
}

ATF_TC_WITHOUT_HEAD(power_cut_1024);
ATF_TC_BODY(power_cut_1024, tc)
{
	crashes(1024, 200, 25);
}

ATF_TC_WITHOUT_HEAD(power_cut_4096);
ATF_TC_BODY(power_cut_4096, tc)
{
	crashes(4096, 300, 25);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, cut_while_cutting);
	ATF_TP_ADD_TC(tp, power_cut_512);
	ATF_TP_ADD_TC(tp, power_cut_1024);
	ATF_TP_ADD_TC(tp, power_cut_4096);
	return atf_no_error();
}
