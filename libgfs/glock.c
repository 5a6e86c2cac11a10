/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Glocks as operations see them: the table, holders, waiting.
 *
 * Invariants, beyond those of glock_state.c and glock_work.c:
 *  G1  A glock is in the table from its first reference until it is disposed
 *      of; it is disposed of only without references, in UN, idle.
 *  G2  A glock without references that still holds its lock is on the LRU.
 *  G3  A holder is on exactly one of gl->holders (granted), gl->waiters
 *      (queued), or none; while on one it owns a reference.
 */

#include <errno.h>

#include "glock_work.h"

int
glock_cmp(const struct glock *a, const struct glock *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return 0;
}

RB_GENERATE(glock_tree, glock, node, glock_cmp)

static const struct glock_ops *
ops_of(enum glock_type type)
{
	switch (type) {
	case GL_INODE:
		return &glops_inode;
	case GL_RGRP:
		return &glops_rgrp;
	case GL_IOPEN:
		return &glops_iopen;
	case GL_META:
		return &glops_meta;
	case GL_NONDISK:
	case GL_FLOCK:
	case GL_PLOCK:
	case GL_QUOTA:
	case GL_JOURNAL:
		break;
	}
	return &glops_other;
}

/* The lock's name is the kernel's: type and number, blank-padded hex. */
void
glock_name(char *dst, enum glock_type type, uint64_t number)
{
	char tmp[LM_NAME_LEN + 1];

	snprintf(tmp, sizeof(tmp), "%8x%16llx", (unsigned)type,
	    (unsigned long long)number);
	memcpy(dst, tmp, LM_NAME_LEN);
}

static struct glock *
lookup(struct gfs *fs, enum glock_type type, uint64_t number)
{
	struct glock key;

	key.type = type;
	key.number = number;
	return RB_FIND(glock_tree, &fs->glocks, &key);
}

int
glock_get(struct gfs *fs, enum glock_type type, uint64_t number,
    struct glock **out)
{
	struct glock *gl;

	gl = lookup(fs, type, number);
	if (gl != NULL) {
		glock_hold(gl);
		*out = gl;
		return 0;
	}
	gl = calloc(1, sizeof(*gl));
	if (gl == NULL)
		return ENOMEM;
	gl->fs = fs;
	gl->type = type;
	gl->number = number;
	gl->ops = ops_of(type);
	gl->refs = 1;
	glock_name(gl->lm.name, type, number);
	TAILQ_INIT(&gl->holders);
	TAILQ_INIT(&gl->waiters);
	waitq_init(&gl->wq);
	LIST_INIT(&gl->bufs);
	RB_INSERT(glock_tree, &fs->glocks, gl);
	fs->nglocks++;
	glock_trim(fs);
	*out = gl;
	return 0;
}

void
glock_hold(struct glock *gl)
{
	if (gl->on_lru) {
		TAILQ_REMOVE(&gl->fs->glock_lru, gl, lru);
		gl->on_lru = false;
	}
	gl->refs++;
}

void
glock_put(struct glock *gl)
{
	if (gl == NULL)
		return;
	ASSERT(gl->refs > 0);
	if (--gl->refs == 0) {
		ASSERT(TAILQ_EMPTY(&gl->holders) && TAILQ_EMPTY(&gl->waiters));
		TAILQ_INSERT_TAIL(&gl->fs->glock_lru, gl, lru);
		gl->on_lru = true;
		glock_run(gl);
	}
}

/* G1 */
void
glock_free(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	struct glockd *gd = fs->glockd;

	if (gl->on_lru)
		TAILQ_REMOVE(&fs->glock_lru, gl, lru);
	if (gl->on_work)
		TAILQ_REMOVE(&gd->work, gl, work);
	if (gl->on_timer)
		TAILQ_REMOVE(&gd->timers, gl, timer);
	RB_REMOVE(glock_tree, &fs->glocks, gl);
	fs->nglocks--;
	free(gl);
}

void
glock_trim(struct gfs *fs)
{
	struct glock *gl;

	if (fs->nglocks <= GLOCK_CACHED)
		return;
	gl = TAILQ_FIRST(&fs->glock_lru);
	if (gl == NULL)
		return;
	/* To the far end: it goes as soon as its lock is given back. */
	TAILQ_REMOVE(&fs->glock_lru, gl, lru);
	TAILQ_INSERT_TAIL(&fs->glock_lru, gl, lru);
	gl->delayed = false;
	glock_demand(gl, GLS_UN);
	glock_run(gl);
}

void
gholder_init(struct gholder *gh)
{
	memset(gh, 0, sizeof(*gh));
	waitq_init(&gh->wq);
}

/* A try must not wait for anybody on this node either. */
static bool
try_is_futile(const struct glock *gl, const struct gholder *gh)
{
	if (!TAILQ_EMPTY(&gl->waiters) || gl->busy || gl->demoting)
		return true;
	if (gl->parked && (gh->flags & GLF_NOEXP) == 0)
		return true;
	if (gl->demand || gl->unwind || gl->retry)
		return true;
	return !TAILQ_EMPTY(&gl->holders) && !glock_may_grant(gl, gh);
}

/* Becomes a waiter, and perhaps a holder at once. */
static int
enqueue(struct glock *gl, enum glock_state state, unsigned flags,
    struct gholder *gh)
{
	ASSERT(gh->gl == NULL);
	ASSERT(state != GLS_UN);
	gholder_init(gh);
	gh->state = state;
	gh->flags = flags;
	if (gl->fs->withdrawn)
		return EIO;
	if ((flags & (GLF_TRY | GLF_TRY_1CB)) && try_is_futile(gl, gh))
		return EAGAIN;
	gh->gl = gl;
	glock_hold(gl);
	gh->queued = true;
	/* S3: what waits for the end of recovery is not in its way. */
	if (gl->fs->recovering && (flags & GLF_NOEXP))
		TAILQ_INSERT_HEAD(&gl->waiters, gh, entry);
	else
		TAILQ_INSERT_TAIL(&gl->waiters, gh, entry);
	glock_run(gl);
	return 0;
}

/* Leaves the queues; the reference goes with it. */
static void
dequeue(struct gholder *gh)
{
	struct glock *gl = gh->gl;

	if (gh->granted)
		TAILQ_REMOVE(&gl->holders, gh, entry);
	else if (gh->queued)
		TAILQ_REMOVE(&gl->waiters, gh, entry);
	gh->granted = false;
	gh->queued = false;
	gh->gl = NULL;
	if ((gh->flags & GLF_NOCACHE) && TAILQ_EMPTY(&gl->holders) &&
	    gl->state != GLS_UN) {
		gl->delayed = false;
		glock_demand(gl, GLS_UN);
	}
	/* glock_put() may free the lock, so let the others run before. */
	if (gl->refs > 1)
		glock_run(gl);
	glock_put(gl);
}

/* The first holder after a grant reads what the lock protects. */
static int
instantiate(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	int error;

	while (!gl->instantiated) {
		if (fs->withdrawn)
			return EIO;
		if (gl->instantiating) {
			env_wait(fs->env, &gl->wq, UINT64_MAX);
			continue;
		}
		gl->instantiating = true;
		error = gl->ops->instantiate(gl);
		gl->instantiating = false;
		env_wake_all(fs->env, &gl->wq);
		if (error != 0)
			return error;
		gl->instantiated = true;
	}
	return 0;
}

int
glock_acquire_until(struct glock *gl, enum glock_state state, unsigned flags,
    uint64_t deadline, struct gholder *gh)
{
	int error;

	error = enqueue(gl, state, flags, gh);
	if (error != 0)
		return error;
	while (gh->queued)
		if (env_wait(gl->fs->env, &gh->wq, deadline) == ETIMEDOUT &&
		    gh->queued) {
			dequeue(gh);
			return ETIMEDOUT;
		}
	error = gh->error;
	if (error == 0 && gl->ops->instantiate != NULL &&
	    (flags & GLF_SKIP) == 0 && !gl->instantiated)
		error = instantiate(gl);
	if (error != 0)
		dequeue(gh);
	return error;
}

int
glock_acquire(struct glock *gl, enum glock_state state, unsigned flags,
    struct gholder *gh)
{
	return glock_acquire_until(gl, state, flags, UINT64_MAX, gh);
}

void
glock_release(struct gholder *gh)
{
	if (gh->gl != NULL)
		dequeue(gh);
}

bool
glock_held(const struct glock *gl, enum glock_state state)
{
	const struct gholder *gh;

	TAILQ_FOREACH(gh, &gl->holders, entry)
		if (gh->state == state || gl->state == GLS_EX)
			return true;
	return false;
}

int
glock_lock(struct gfs *fs, enum glock_type type, uint64_t number,
    enum glock_state state, unsigned flags, struct gholder *gh)
{
	struct glock *gl;
	int error;

	error = glock_get(fs, type, number, &gl);
	if (error != 0)
		return error;
	error = glock_acquire(gl, state, flags, gh);
	glock_put(gl);
	return error;
}

/* Order of the array by lock; NULL entries and repetitions are left out. */
static unsigned
sort_holders(struct gholder *gh, struct glock **gls, unsigned *order,
    unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct glock *gl = gls[i];
		unsigned at = count;

		if (gl == NULL)
			continue;
		while (at > 0 && glock_cmp(gls[order[at - 1]], gl) > 0)
			at--;
		if (at > 0 && gls[order[at - 1]] == gl) {
			gls[i] = NULL;
			glock_put(gl);
			continue;
		}
		memmove(order + at + 1, order + at,
		    (count - at) * sizeof(*order));
		order[at] = i;
		count++;
	}
	return count;
}

#define ALL_MAX	     8
#define ALL_WAIT_US  (4 * GLOCK_HOLD_US)
#define ALL_PAUSE_US 3000

/*
 * Ascending order keeps two renames apart; against operations that go from
 * parent to child it may still block, so every round has an end, and nodes
 * pause for different times.
 */
int
glock_acquire_all(struct gfs *fs, struct gholder *gh, unsigned n)
{
	struct glock *gls[ALL_MAX];
	unsigned order[ALL_MAX + 1], count, got;
	uint64_t deadline;
	int error;

	ASSERT(n <= ALL_MAX);
	for (unsigned i = 0; i < n; i++) {
		gls[i] = gh[i].gl;
		gh[i].gl = NULL;
	}
	count = sort_holders(gh, gls, order, n);
	for (unsigned round = 1;; round++) {
		deadline = env_now(fs->env) + ALL_WAIT_US;
		error = 0;
		for (got = 0; got < count && error == 0; got++)
			error = glock_acquire_until(gls[order[got]], GLS_EX, 0,
			    deadline, &gh[order[got]]);
		if (error != ETIMEDOUT)
			break;
		for (unsigned i = 0; i < n; i++)
			glock_release(&gh[i]);
		env_sleep(fs->env, ALL_PAUSE_US * (1 + (fs->jid + round) % 7));
	}
	for (unsigned i = 0; i < n; i++) {
		if (error != 0)
			glock_release(&gh[i]);
		glock_put(gls[i]);
	}
	return error;
}

void
glock_fail_all(struct gfs *fs)
{
	struct glock *gl;
	struct gholder *gh;

	if (fs->glockd == NULL)
		return;
	RB_FOREACH(gl, glock_tree, &fs->glocks) {
		while ((gh = TAILQ_FIRST(&gl->waiters)) != NULL)
			glock_fail(gl, gh, EIO);
		env_wake_all(fs->env, &gl->wq);
	}
	env_wake_all(fs->env, &fs->glockd->idle);
	env_wake_all(fs->env, &fs->glockd->settled);
}

/*
 * Locks in EX have value blocks to leave behind, and perhaps something to
 * write; the others go with the lock space.  False: there are none left.
 */
static bool
drop_round(struct gfs *fs)
{
	struct glock *gl, *next;
	bool found = false;

	RB_FOREACH_SAFE(gl, glock_tree, &fs->glocks, next) {
		if (gl->busy || gl->demoting || gl->state != GLS_EX ||
		    !TAILQ_EMPTY(&gl->holders))
			continue;
		found = true;
		gl->delayed = false;
		glock_demand(gl, GLS_UN);
		glock_run(gl);
	}
	return found;
}

void
glock_drop_all(struct gfs *fs)
{
	do {
		while (!fs->withdrawn && fs->glockd->nbusy > 0)
			env_wait(fs->env, &fs->glockd->idle, UINT64_MAX);
	} while (!fs->withdrawn && drop_round(fs));
}

void
glock_exit(struct gfs *fs)
{
	struct glockd *gd = fs->glockd;
	struct glock *gl, *next;

	if (gd == NULL)
		return;
	gd->stop = true;
	env_wake_all(fs->env, &gd->wq);
	while (gd->fibers > 0)
		env_wait(fs->env, &gd->idle, UINT64_MAX);
	RB_FOREACH_SAFE(gl, glock_tree, &fs->glocks, next)
		glock_free(gl);
	fs->glockd = NULL;
	free(gd);
}
