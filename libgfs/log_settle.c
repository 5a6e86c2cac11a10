/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Giving many locks away.  Each lock alone costs two writes of the log: one
 * that commits its blocks, one that revokes them (gfs2's well-known price).
 * When another node walks through a tree that this one has just written, all
 * of the log is brought home at once instead: the tail moves past everything,
 * and the locks that follow cost nothing.
 */

#include "glock_work.h"
#include "log_int.h"

enum {
	BURST = 6,	   /* locks cleaned one by one ... */
	BURST_US = 100000, /* ... within this time */
	WORTH_IT = 32	   /* fewer blocks are not worth a settlement */
};

/* The last of these locks to come in a burst. */
static bool
is_burst(struct glockd *gd, uint64_t now)
{
	if (now - gd->burst_began > BURST_US) {
		gd->burst_began = now;
		gd->burst = 0;
	}
	return ++gd->burst > BURST;
}

/*
 * Everything committed goes home, then the log fiber writes a header with the
 * new tail.  What is modified meanwhile stays in the log, as always.
 */
static int
settle(struct gfs *fs)
{
	struct logstate *ls = fs->log;
	int error;

	error = log_flush(fs, LHF_NORMAL);
	if (error == 0)
		error = ail_write(ls, SIZE_MAX);
	if (error != 0 || ls->stopping || fs->withdrawn)
		return error;
	ls->space_wanted = true;
	log_kick(ls);
	env_wait(fs->env, &ls->wq_space, UINT64_MAX);
	return 0;
}

int
log_clean_lock(struct glock *gl, uint32_t lhflags)
{
	struct gfs *fs = gl->fs;
	struct glockd *gd = fs->glockd;
	int error = 0;

	if (fs->log == NULL ||
	    (gl->nlog == 0 && gl->nail == 0 && gl->nrevokes == 0))
		return log_clean_glock(gl, lhflags);
	if (is_burst(gd, env_now(fs->env)) && !gd->settling &&
	    !fs->log->stopping && fs->log->ail_total >= WORTH_IT) {
		gd->settling = true;
		error = settle(fs);
		gd->settling = false;
		gd->burst = 0;
		env_wake_all(fs->env, &gd->settled);
	} else {
		/* What is just going home need not be revoked. */
		while (gd->settling && !fs->withdrawn)
			env_wait(fs->env, &gd->settled, UINT64_MAX);
	}
	return error != 0 ? error : log_clean_glock(gl, lhflags);
}
