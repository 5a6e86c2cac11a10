/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The working half of glocks: requests to the lock manager, their answers,
 * and demotion.  Upcalls arrive outside of any fiber and never block; what
 * blocks (writing back, dropping caches) is done by a few worker fibers, and
 * one timer fiber ends minimum hold times.
 *
 * Invariants, beyond those of glock_state.c:
 *  W1  A lock leaves EX only after ops->sync() returned 0.  When it fails
 *      the mount withdraws and the lock stays where it is.
 *  W2  A lock reaches UN (DF) only after ops->inval() dropped what it (its
 *      file data) covered.
 *  W3  While fs->recovering, a new grant serves requests flagged NOEXP only;
 *      the lock is parked until glock_thaw().  It can be given up, since
 *      the recovery of another node may need the very lock (statfs).
 *  W4  After a withdrawal nothing is asked for and nothing is given up.
 *  W5  UN is no lock at all, not NL: a lock manager serves conversions
 *      before new requests, so nodes that convert NL to EX in turn could
 *      keep a newcomer out for ever.
 */

#include <errno.h>

#include "glock_work.h"

static void start(struct glock *, enum glock_state, unsigned);
static bool request(struct glock *);
static void settle(struct glock *, int);

void
glock_fail(struct glock *gl, struct gholder *gh, int error)
{
	TAILQ_REMOVE(&gl->waiters, gh, entry);
	gh->queued = false;
	gh->error = error;
	env_wake_all(gl->fs->env, &gh->wq);
}

/* Whether something is under way, counted for glock_drop_all(). */
static void
set_state(struct glock *gl, bool busy, bool demoting)
{
	struct glockd *gd = gl->fs->glockd;

	gd->nbusy -= gl->busy || gl->demoting;
	gl->busy = busy;
	gl->demoting = demoting;
	gd->nbusy += busy || demoting;
	if (gd->nbusy == 0)
		env_wake_all(gl->fs->env, &gd->idle);
}

static void
grant(struct glock *gl, struct gholder *gh)
{
	TAILQ_REMOVE(&gl->waiters, gh, entry);
	TAILQ_INSERT_TAIL(&gl->holders, gh, entry);
	gh->queued = false;
	gh->granted = true;
	env_wake_all(gl->fs->env, &gh->wq);
}

/* Keeps the timer list sorted; new entries mostly belong at its end. */
static void
timer_arm(struct glock *gl)
{
	struct glockd *gd = gl->fs->glockd;
	struct glock *at;

	if (gl->on_timer)
		return;
	gl->on_timer = true;
	TAILQ_FOREACH_REVERSE(at, &gd->timers, glock_timers, timer)
		if (at->hold_until <= gl->hold_until)
			break;
	if (at == NULL)
		TAILQ_INSERT_HEAD(&gd->timers, gl, timer);
	else
		TAILQ_INSERT_AFTER(&gd->timers, at, gl, timer);
	env_wake_all(gl->fs->env, &gd->wq);
}

/* hold_until is the key of the list: it changes only off it. */
static void
hold_until(struct glock *gl, uint64_t us)
{
	struct gfs *fs = gl->fs;

	if (gl->on_timer)
		TAILQ_REMOVE(&fs->glockd->timers, gl, timer);
	gl->on_timer = false;
	gl->hold_until = env_now(fs->env) + us;
}

static void
dispose(struct glock *gl)
{
	struct gfs *fs = gl->fs;

	if (gl->lm.exists) {
		set_state(gl, true, false);
		gl->target = GLS_UN;
		if (fs->lmops->unlock(fs->lm, &gl->lm, 0) == 0)
			return;
		gl->lm.exists = false;
		set_state(gl, false, false);
	}
	glock_free(gl);
}

/*
 * Advances the lock as far as it goes without waiting.
 */
void
glock_run(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	struct gholder *gh;
	uint64_t now;

	while (!fs->withdrawn) {
		now = env_now(fs->env);
		if (now >= gl->hold_until)
			gl->retry = false;
		if (gl->demand && !gl->busy && !gl->demoting &&
		    glock_demand_met(gl)) {
			gl->demand = false;
			gl->delayed = false;
		}
		gh = TAILQ_FIRST(&gl->waiters);
		switch (glock_next(gl, now)) {
		case GLA_GRANT:
			grant(gl, gh);
			continue;
		case GLA_REQUEST:
			start(gl, gh->state, gh->flags);
			continue;
		case GLA_DEMOTE:
			start(gl, gl->demote, 0);
			continue;
		case GLA_UNWIND:
			gl->unwind = false;
			start(gl, GLS_UN, 0);
			continue;
		case GLA_DISPOSE:
			dispose(gl);
			return;
		case GLA_NONE:
			break;
		}
		if (now < gl->hold_until &&
		    (gl->retry || (gl->demand && gl->delayed)))
			timer_arm(gl);
		return;
	}
}

static void worker(void *);

/* Busy workers come back for more; the timer fiber is the last resort. */
static void
worker_start(struct gfs *fs)
{
	struct glockd *gd = fs->glockd;

	if (gd->workers < GLOCK_WORKERS &&
	    env_spawn(fs->env, worker, fs, "demote") != NULL) {
		gd->workers++;
		gd->fibers++;
	} else if (gd->workers == 0)
		env_wake_all(fs->env, &gd->wq);
}

/* Writing back and dropping takes time: a fiber does it. */
static void
work_queue(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	struct glockd *gd = fs->glockd;

	set_state(gl, false, true);
	gl->on_work = true;
	TAILQ_INSERT_TAIL(&gd->work, gl, work);
	if (!gd->paused)
		worker_start(fs);
}

static bool
needs_work(const struct glock *gl)
{
	if (gl->state == GLS_EX && gl->target != GLS_EX &&
	    gl->ops->sync != NULL)
		return true;
	return gl->state != GLS_UN && gl->ops->inval != NULL &&
	    (gl->target == GLS_UN || gl->target == GLS_DF);
}

static void
start(struct glock *gl, enum glock_state target, unsigned flags)
{
	gl->target = target;
	gl->req_flags = flags;
	if (needs_work(gl))
		work_queue(gl);
	else
		request(gl);
}

/* Asks the lock manager for gl->target. False: answered on the spot. */
static bool
request(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	unsigned flags = 0;
	int error;

	set_state(gl, true, false);
	if (gl->target == GLS_UN && !gl->lm.exists) {
		gl->lm.mode = LM_NL;
		settle(gl, 0);
		return false;
	}
	if (gl->ops->lvb)
		flags |= LM_VALBLK;
	if (gl->target == GLS_UN) {
		/* W5; on to glock_unlocked() */
		error = fs->lmops->unlock(fs->lm, &gl->lm, flags);
		if (error != 0)
			settle(gl, error);
		return error == 0;
	}
	if (gl->req_flags & (GLF_TRY | GLF_TRY_1CB))
		flags |= LM_NOQUEUE;
	if (gl->req_flags & GLF_TRY_1CB)
		flags |= LM_NOQUEUEBAST;
	if (gl->req_flags & GLF_NOEXP)
		flags |= LM_NOEXP;
	if (gl->req_flags & GLF_ANY)
		flags |= gl->target == GLS_SH ? LM_ALTCW : LM_ALTPR;
	error = fs->lmops->lock(fs->lm, &gl->lm, glock_mode(gl->target), flags);
	if (error != 0) {
		settle(gl, error);
		return false;
	}
	return true;
}

static void
granted(struct glock *gl)
{
	enum glock_state old;
	struct gholder *gh;

	if (gl->lm.sbflags & LM_VALNOTVALID)
		memset(gl->lm.lvb, 0, sizeof(gl->lm.lvb));
	old = gl->state;
	gl->state = glock_state_of(gl->lm.mode);
	if (gl->state == GLS_UN) {
		gl->instantiated = false;
		return;
	}
	gl->grant_gen++;
	/* W3; what it held before, it may go on using. */
	if (gl->fs->recovering && (old == GLS_UN || gl->state == GLS_EX)) {
		gl->parked = true;
		gl->delayed = false;
	}
	hold_until(gl, GLOCK_HOLD_US);
	/* S4: those for whom we asked, before any demand. */
	while (
	    (gh = TAILQ_FIRST(&gl->waiters)) != NULL && glock_may_grant(gl, gh))
		grant(gl, gh);
}

static void
retry_later(struct glock *gl)
{
	gl->retry = true;
	hold_until(gl, GLOCK_RETRY_US);
}

/*
 * The request in flight ended.
 */
static void
settle(struct glock *gl, int error)
{
	struct gholder *gh = TAILQ_FIRST(&gl->waiters);

	set_state(gl, false, false);
	switch (error) {
	case 0:
		granted(gl);
		break;
	case EAGAIN:
		if (gl->req_flags & (GLF_TRY | GLF_TRY_1CB)) {
			if (gh != NULL &&
			    (gh->flags & GLF_TRY || gh->flags & GLF_TRY_1CB))
				glock_fail(gl, gh, EAGAIN);
		} else
			retry_later(gl);
		break;
	case EDEADLK:
		if (gl->state != GLS_UN)
			gl->unwind = true;
		else
			retry_later(gl);
		break;
	case EBUSY:
	case ECANCELED:
		retry_later(gl);
		break;
	default:
		if (glock_mode(gl->target) < gl->lm.mode || gh == NULL)
			gfs_withdraw(gl->fs,
			    "lock %u/%llx: the lock manager "
			    "refused %s: %s",
			    (unsigned)gl->type, (unsigned long long)gl->number,
			    glock_state_name(gl->target), strerror(error));
		else
			glock_fail(gl, gh, EIO);
		break;
	}
}

/* W1, W2: in a worker fiber. */
static void
demote(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	int error = 0;

	if (gl->state == GLS_EX && gl->target != GLS_EX &&
	    gl->ops->sync != NULL)
		error = gl->ops->sync(gl);
	if (error != 0)
		gfs_withdraw(fs,
		    "lock %u/%llx: cannot write back before "
		    "giving it up: %s",
		    (unsigned)gl->type, (unsigned long long)gl->number,
		    strerror(error));
	if (fs->withdrawn)
		return;
	if (gl->ops->inval != NULL &&
	    (gl->target == GLS_UN || gl->target == GLS_DF))
		gl->ops->inval(gl, gl->target == GLS_DF);
	if (gl->target == GLS_UN)
		gl->instantiated = false;
	request(gl);
	glock_run(gl);
}

static void
work_drain(struct glockd *gd)
{
	struct glock *gl;

	while (!gd->paused && (gl = TAILQ_FIRST(&gd->work)) != NULL) {
		TAILQ_REMOVE(&gd->work, gl, work);
		gl->on_work = false;
		demote(gl);
	}
}

static void
worker(void *arg)
{
	struct gfs *fs = arg;
	struct glockd *gd = fs->glockd;

	work_drain(gd);
	gd->workers--;
	gd->fibers--;
	env_wake_all(fs->env, &gd->idle);
}

static void
timer_fiber(void *arg)
{
	struct gfs *fs = arg;
	struct glockd *gd = fs->glockd;
	struct glock *gl;
	uint64_t now;

	while (!gd->stop) {
		if (gd->workers == 0 && !TAILQ_EMPTY(&gd->work)) {
			gd->inline_work = true;
			work_drain(gd);
			gd->inline_work = false;
			env_wake_all(fs->env, &gd->idle);
		}
		now = env_now(fs->env);
		while ((gl = TAILQ_FIRST(&gd->timers)) != NULL &&
		    gl->hold_until <= now) {
			TAILQ_REMOVE(&gd->timers, gl, timer);
			gl->on_timer = false;
			glock_run(gl);
		}
		gl = TAILQ_FIRST(&gd->timers);
		env_wait(fs->env, &gd->wq,
		    gl == NULL ? UINT64_MAX : gl->hold_until);
	}
	gd->fibers--;
	env_wake_all(fs->env, &gd->idle);
}

void
glock_pause(struct gfs *fs)
{
	struct glockd *gd = fs->glockd;

	gd->paused = true;
	while (gd->workers > 0 || gd->inline_work)
		env_wait(fs->env, &gd->idle, UINT64_MAX);
}

void
glock_resume(struct gfs *fs)
{
	struct glockd *gd = fs->glockd;

	gd->paused = false;
	if (!TAILQ_EMPTY(&gd->work))
		worker_start(fs);
}

int
glock_init(struct gfs *fs)
{
	struct glockd *gd;

	gd = calloc(1, sizeof(*gd));
	if (gd == NULL)
		return ENOMEM;
	TAILQ_INIT(&gd->work);
	TAILQ_INIT(&gd->timers);
	waitq_init(&gd->wq);
	waitq_init(&gd->idle);
	waitq_init(&gd->settled);
	RB_INIT(&fs->glocks);
	TAILQ_INIT(&fs->glock_lru);
	fs->nglocks = 0;
	fs->glockd = gd;
	if (env_spawn(fs->env, timer_fiber, fs, "glock timer") == NULL) {
		free(gd);
		fs->glockd = NULL;
		return ENOMEM;
	}
	gd->fibers = 1;
	return 0;
}

/* The answer of the lock manager. */
void
glock_ast(void *arg, struct lm_lock *lml, int error)
{
	struct glock *gl;

	gl = (struct glock *)(void *)((char *)lml - offsetof(struct glock, lm));
	if (!gl->busy)
		return;
	settle(gl, error);
	glock_run(gl);
}

void
glock_bast(void *arg, struct lm_lock *lml, enum lm_mode wanted)
{
	struct gfs *fs = arg;
	struct glock *gl;

	gl = (struct glock *)(void *)((char *)lml - offsetof(struct glock, lm));
	if (fs->withdrawn || (gl->state == GLS_UN && !gl->busy))
		return;
	if (gl->ops->callback != NULL)
		gl->ops->callback(gl, wanted);
	if (!gl->demand)
		gl->delayed = gl->ops->hold_time && !gl->parked &&
		    (!TAILQ_EMPTY(&gl->holders) || !TAILQ_EMPTY(&gl->waiters));
	glock_demand(gl, glock_bast_state(wanted));
	env_wake_all(fs->env, &gl->wq);
	glock_run(gl);
}

void
glock_unlocked(void *arg, struct lm_lock *lml)
{
	struct glock *gl;

	gl = (struct glock *)(void *)((char *)lml - offsetof(struct glock, lm));
	if (!gl->busy)
		return;
	lml->exists = false;
	lml->mode = LM_NL;
	settle(gl, 0);
	glock_run(gl);
}

void
glock_thaw(struct gfs *fs)
{
	struct glock *gl, *next;

	RB_FOREACH_SAFE(gl, glock_tree, &fs->glocks, next) {
		if (!gl->parked)
			continue;
		gl->parked = false;
		glock_run(gl);
	}
}
