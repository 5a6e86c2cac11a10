/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The journal of this mount.  Transactions join the open compound (trans.c).
 * A flush seals it, copies what it logs, and writes that while the next
 * compound fills (log_write.c); afterwards the buffers go home (ail.c).
 *
 * Invariants
 *	L1  one flush at a time; compounds are committed in the order of their
 *	    numbers;
 *	L2  a flush writes: file data that was dirty at the seal and the body,
 *	    in any order; a device flush; the header, forced to the disk;
 *	L3  a compound is sealed only while no transaction is inside;
 *	L4  what a flush writes was copied at the seal, at one moment;
 *	L5  a buffer goes home only when its latest content is committed;
 *	L6  a block with an image in a flush has no revoke in that flush;
 *	L7  a block whose image may be replayed is not used for anything that
 *	    is not logged, and no other node may change it, before a revoke
 *	    for it is committed;
 *	L8  the tail a header names was computed at its seal: every compound
 *	    before it was home by then, and the device flush of L2 came after;
 *	L9  free log space always covers the open compound, the reservations
 *	    of its transactions and LOG_KEEP blocks;
 *	L10 log space is used again only after the header that frees it is on
 *	    the disk.
 *
 * A buffer: clean -> open (pinned) -> sealed (pinned) -> AIL1 (dirty)
 *	-> AIL2 (clean) -> out of the log; from any AIL back to open.
 */

#include <errno.h>

#include "log_int.h"

enum {
	COMMIT_US = 1000000,
	AIL_BATCH = 4096
};

uint32_t
log_used(const struct logstate *ls)
{
	return (ls->head + ls->nblocks - ls->tail) % ls->nblocks;
}

uint32_t
log_free(const struct logstate *ls)
{
	/* One block stays free, so that full and empty differ. */
	return ls->nblocks - 1 - log_used(ls);
}

void
log_kick(struct logstate *ls)
{
	ls->kicked = true;
	env_wake_all(ls->fs->env, &ls->wq_logd);
}

struct compound *
compound_new(uint64_t number)
{
	struct compound *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->number = number;
	TAILQ_INIT(&c->open);
	TAILQ_INIT(&c->sealed);
	TAILQ_INIT(&c->ail1);
	TAILQ_INIT(&c->ail2);
	RB_INIT(&c->revokes);
	return c;
}

static bool
compound_empty(const struct compound *c)
{
	return c->nmeta == 0 && c->njdata == 0 && c->nrevokes == 0;
}

/* Waiters look at fs->withdrawn themselves. */
static void
wake_everybody(struct logstate *ls)
{
	struct env *env = ls->fs->env;

	env_wake_all(env, &ls->wq_gate);
	env_wake_all(env, &ls->wq_flush);
	env_wake_all(env, &ls->wq_space);
}

/* Runs one flush as the only one, L1. */
static int
flush_once(struct logstate *ls, uint32_t flags)
{
	int error;

	ASSERT(!ls->flushing);
	ls->flushing = true;
	error = log_write_flush(ls, flags);
	ls->flushing = false;
	wake_everybody(ls);
	return error;
}

/*
 * Group commit: whoever finds no flush running starts one with all that has
 * gathered; the others wait for the one that carries their part.
 */
int
log_flush(struct gfs *fs, uint32_t lhflags)
{
	struct logstate *ls = fs->log;
	uint64_t want;
	int error = 0;

	if (fs->withdrawn)
		return EIO;
	if (ls == NULL)
		return 0;
	ASSERT(!trans_active(fs));
	want = ls->open->number;
	if (compound_empty(ls->open))
		want--;
	ls->flush_flags |= lhflags;
	while (ls->done < want && error == 0) {
		if (fs->withdrawn)
			return EIO;
		if (ls->flushing)
			env_wait(fs->env, &ls->wq_flush, UINT64_MAX);
		else
			error = flush_once(ls, 0);
	}
	/* Data that was written in place, without a transaction. */
	if (error == 0)
		error = cache_flush_device(fs);
	return error;
}

/* A header alone, to make a tail that has moved known. */
static int
flush_header(struct logstate *ls, uint32_t flags)
{
	while (ls->flushing)
		env_wait(ls->fs->env, &ls->wq_flush, UINT64_MAX);
	if (ls->fs->withdrawn)
		return EIO;
	return flush_once(ls, flags);
}

/*
 * Frees log space: writes the oldest compounds home until a fifth of the log
 * is used at most, then says so in a header.  Buffers that are pinned again
 * move to a younger compound with the flush.
 */
static void
make_space(struct logstate *ls)
{
	struct gfs *fs = ls->fs;
	unsigned rounds;

	/*
	 * At least one flush: it waits for the transactions that are inside,
	 * so that those who wait for room never spin on what they reserved.
	 */
	for (rounds = 0; rounds < 64 && !fs->withdrawn; rounds++) {
		if (ail_write(ls, AIL_BATCH) != 0)
			return;
		if (flush_header(ls, LHF_NORMAL) != 0)
			return;
		if (log_used(ls) <= ls->nblocks / 5)
			return;
	}
}

static bool
ail_too_big(const struct logstate *ls)
{
	return ls->ail_total > ls->fs->cache->maxbufs / 2 &&
	    ls->ail_total > 256;
}

/* The log fiber: commits in time, keeps the log from filling up. */
static void
logd_main(void *arg)
{
	struct logstate *ls = arg;
	struct gfs *fs = ls->fs;
	uint64_t period = fs->commit_us != 0 ? fs->commit_us : COMMIT_US;
	uint64_t next = env_now(fs->env) + period;

	while (!ls->stopping && !fs->withdrawn) {
		if (!ls->kicked)
			env_wait(fs->env, &ls->wq_logd, next);
		if (ls->stopping || fs->withdrawn)
			break;
		ls->kicked = false;
		if (fs->cache->nordered > 0)
			cache_write_ordered(fs);
		log_flush(fs, LHF_NORMAL);
		if (ls->space_wanted || ail_too_big(ls) ||
		    log_used(ls) >= ls->nblocks / 5 * 4) {
			ls->space_wanted = false;
			make_space(ls);
		}
		env_wake_all(fs->env, &ls->wq_space);
		if (env_now(fs->env) >= next)
			next = env_now(fs->env) + period;
	}
	wake_everybody(ls);
	ls->logd_alive = false;
	env_wake_all(fs->env, &ls->wq_flush);
}

/*
 * Where the log goes on: behind its head, which must be clean.  The caller
 * has recovered the journal.
 */
int
log_start(struct gfs *fs)
{
	const struct journal *j = fs->journals[fs->jid];
	struct logstate *ls;
	struct log_header h;
	int error;

	error = recovery_head(fs, j, &h);
	if (error != 0)
		return error;
	if (!(h.flags & GFS2_LOG_HEAD_UNMOUNT)) {
		gfs_log(fs, "journal %u is not clean", fs->jid);
		return EUCLEAN;
	}
	ls = calloc(1, sizeof(*ls));
	if (ls == NULL)
		return ENOMEM;
	ls->fs = fs;
	ls->journal = j;
	ls->nblocks = jindex_blocks(j);
	ls->head = ls->tail = (h.blkno + 1) % ls->nblocks;
	ls->seq = h.seq + 1;
	TAILQ_INIT(&ls->committed);
	waitq_init(&ls->wq_gate);
	waitq_init(&ls->wq_idle);
	waitq_init(&ls->wq_flush);
	waitq_init(&ls->wq_space);
	waitq_init(&ls->wq_logd);
	ls->open = compound_new(1);
	if (ls->open == NULL) {
		free(ls);
		return ENOMEM;
	}
	fs->log = ls;
	ls->logd_alive = true;
	if (env_spawn(fs->env, logd_main, ls, "log") == NULL) {
		fs->log = NULL;
		free(ls->open);
		free(ls);
		return ENOMEM;
	}
	return 0;
}

/* Commits everything and writes it home. */
static int
drain(struct logstate *ls)
{
	int error;

	do {
		error = log_flush(ls->fs, LHF_SHUTDOWN);
		if (error == 0)
			error = ail_write(ls, SIZE_MAX);
	} while (
	    error == 0 && (ail_sort(ls) != NULL || !compound_empty(ls->open)));
	if (error == 0)
		error = cache_write_ordered(ls->fs);
	return error;
}

int
log_stop(struct gfs *fs)
{
	struct logstate *ls = fs->log;
	int error;

	if (ls == NULL)
		return 0;
	ASSERT(!trans_active(fs));
	error = fs->withdrawn ? EIO : drain(ls);
	ls->stopping = true;
	log_kick(ls);
	while (ls->logd_alive || ls->flushing)
		env_wait(fs->env, &ls->wq_flush, UINT64_MAX);
	/* The very last: nothing may follow the header that says clean. */
	if (error == 0)
		error = flush_header(ls, LHF_UNMOUNT | GFS2_LFC_SHUTDOWN);
	ail_drop_all(ls);
	fs->log = NULL;
	free(ls);
	return error;
}

void
log_stats(const struct gfs *fs, struct log_stats *st)
{
	if (fs->log == NULL)
		memset(st, 0, sizeof(*st));
	else
		*st = fs->log->stats;
}
