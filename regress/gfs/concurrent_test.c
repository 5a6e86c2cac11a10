/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that operations which run at the same time do not disturb each
 * other: several fibers with a model each share one volume, its log and its
 * free space; others fight for the same few names in the same directories.
 * Every disk request takes a random time, so the seed decides the order.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "volume.h"

#define IMG "vol.img"

enum {
	WORKERS = 4,
	FIGHTERS = 6,
	NAMES = 8
};

struct all {
	struct gfs *fs;
	unsigned running;
	unsigned steps;
	unsigned done[8]; /* successes by kind */
	struct waitq wq;
	struct rnd r;
};

struct worker {
	struct all *all;
	struct model m;
	struct rnd r;
	char base[16];
};

static void
leave(struct all *all)
{
	all->running--;
	env_wake_all(vol_env(), &all->wq);
}

static void
worker_main(void *arg)
{
	struct worker *w = arg;
	unsigned i;

	for (i = 0; i < w->all->steps; i++) {
		model_step(&w->m, w->all->fs, &w->r);
		if (rnd_below(&w->r, 20) == 0)
			env_sleep(vol_env(), rnd_below(&w->r, 20000));
	}
	model_verify(&w->m, w->all->fs);
	leave(w->all);
}

static int
fight_once(struct all *all, struct ginode *a, struct ginode *b, unsigned kind)
{
	struct rnd *r = &all->r;
	struct ginode *ip;
	char n1[8], n2[8];
	uint8_t buf[600] = { 1 };
	size_t n;
	int error;

	snprintf(n1, sizeof(n1), "n%u", rnd_below(r, NAMES));
	snprintf(n2, sizeof(n2), "n%u", rnd_below(r, NAMES));
	switch (kind) {
	case 0:
	case 1:
		error =
		    gfs_create(a, n1, (kind == 0 ? S_IFREG : S_IFDIR) | 0700, 0,
			0, NULL, NULL, true, &ip);
		break;
	case 2:
		return gfs_unlink(a, n1);
	case 3:
		return gfs_rmdir(a, n1);
	case 4:
		return gfs_rename(a, n1, b, n2, 0);
	case 5:
		return gfs_rename(a, n1, b, n2, GFS_RENAME_EXCHANGE);
	case 6:
		error = gfs_lookup(a, n1, &ip);
		if (error == 0) {
			error = gfs_link(ip, b, n2);
			gfs_iput(ip);
		}
		return error;
	default:
		error = gfs_lookup(a, n1, &ip);
		if (error != 0)
			return error;
		error = gfs_opened(ip);
		if (error == 0) {
			error = gfs_write(ip, buf, sizeof(buf),
			    rnd_below(r, 5000), false, &n);
			gfs_closed(ip);
		}
		gfs_iput(ip);
		return error;
	}
	if (error == 0)
		gfs_iput(ip);
	return error;
}

/* In or below the two directories, wherever a name leads. */
static struct ginode *
arena(struct all *all)
{
	struct ginode *root = gfs_root(all->fs), *ip, *sub;
	char name[8];

	ATF_REQUIRE_EQ(0,
	    gfs_lookup(root, rnd_below(&all->r, 2) ? "left" : "right", &ip));
	gfs_iput(root);
	snprintf(name, sizeof(name), "n%u", rnd_below(&all->r, NAMES));
	if (rnd_below(&all->r, 2) == 0 && gfs_lookup(ip, name, &sub) == 0) {
		gfs_iput(ip);
		ip = sub;
	}
	return ip;
}

static void
fighter_main(void *arg)
{
	struct all *all = arg;
	struct ginode *a, *b;
	unsigned i, kind;
	int error;

	for (i = 0; i < all->steps; i++) {
		a = arena(all);
		b = arena(all);
		kind = rnd_below(&all->r, NITEMS(all->done));
		error = fight_once(all, a, b, kind);
		gfs_iput(a);
		gfs_iput(b);
		switch (error) {
		case 0:
			all->done[kind]++;
			break;
		case ENOENT:
		case EEXIST:
		case ENOTDIR:
		case EISDIR:
		case ENOTEMPTY:
		case EINVAL:
		case EPERM:
		case ESTALE:
			break;
		default:
			atf_tc_fail("operation %u: %s", kind, strerror(error));
		}
	}
	leave(all);
}

static void
make_dir(struct gfs *fs, const char *name)
{
	struct ginode *root = gfs_root(fs), *ip;

	ATF_REQUIRE_EQ(0,
	    gfs_create(root, name, S_IFDIR | 0700, 0, 0, NULL, NULL, true,
		&ip));
	gfs_iput(ip);
	gfs_iput(root);
}

static void
all_at_once(void *arg)
{
	struct all *all = arg;
	struct worker w[WORKERS];
	unsigned i;

	all->fs = vol_mount(IMG);
	waitq_init(&all->wq);
	env_sim_latency(vol_env(), 2000, all->r.s);
	make_dir(all->fs, "left");
	make_dir(all->fs, "right");
	for (i = 0; i < WORKERS; i++) {
		snprintf(w[i].base, sizeof(w[i].base), "worker%u", i);
		make_dir(all->fs, w[i].base);
		w[i].all = all;
		w[i].r.s = all->r.s + i;
		model_init(&w[i].m);
		w[i].m.base = w[i].base;
		ATF_REQUIRE(env_spawn(vol_env(), worker_main, &w[i], "worker"));
	}
	for (i = 0; i < FIGHTERS; i++)
		ATF_REQUIRE(env_spawn(vol_env(), fighter_main, all, "fighter"));
	all->running = WORKERS + FIGHTERS;
	while (all->running > 0)
		ATF_REQUIRE_MSG(env_wait(vol_env(), &all->wq,
				    env_now(vol_env()) + 600000000) == 0,
		    "%u of them hang", all->running);
	for (i = 0; i < WORKERS; i++) {
		model_verify(&w[i].m, all->fs);
		model_free(&w[i].m);
	}
	vol_unmount(all->fs);
}

static void
concurrent(unsigned bsize, uint64_t seed, unsigned rounds)
{
	struct all all;
	unsigned i, k;

	seed = vol_seed(seed);
	rounds = vol_rounds(rounds);
	for (i = 0; i < rounds; i++) {
		vol_make(IMG, 40, bsize, 1);
		memset(&all, 0, sizeof(all));
		all.steps = 400;
		all.r.s = seed + i * 7919;
		vol_run(all_at_once, &all);
		vol_fsck(IMG);
		for (k = 0; k < NITEMS(all.done); k++)
			ATF_REQUIRE_MSG(all.done[k] > 0, "%u never worked", k);
	}
}

ATF_TC_WITHOUT_HEAD(concurrent_512);
ATF_TC_BODY(concurrent_512, tc)
{
	concurrent(512, 1, 4);
}

ATF_TC_WITHOUT_HEAD(concurrent_4096);
ATF_TC_BODY(concurrent_4096, tc)
{
	concurrent(4096, 2, 4);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, concurrent_512);
	ATF_TP_ADD_TC(tp, concurrent_4096);
	return atf_no_error();
}
