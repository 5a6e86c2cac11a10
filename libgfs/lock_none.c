/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock backend of a volume that one node uses alone: every request is
 * granted.  Answers come from a fiber of their own, because upcalls may not
 * come from inside a downcall.
 */

#include <errno.h>
#include <stdio.h>

#include "env.h"
#include "lockops.h"

enum answer {
	ANSWER_NONE = 0,
	ANSWER_GRANT,
	ANSWER_UNLOCK
};

struct entry {
	LIST_ENTRY(entry) all;
	TAILQ_ENTRY(entry) queue;
	struct lm_lock *lock;
	enum answer answer;
};

struct lm {
	struct env *env;
	const struct lm_up *up;
	void *arg;
	LIST_HEAD(, entry) entries;
	TAILQ_HEAD(, entry) queue;
	struct waitq wq;
	bool stop, running;
};

static void
answer(struct lm *lm, struct entry *e)
{
	struct lm_lock *l = e->lock;
	enum answer what = e->answer;

	TAILQ_REMOVE(&lm->queue, e, queue);
	e->answer = ANSWER_NONE;
	if (what == ANSWER_GRANT) {
		lm->up->ast(lm->arg, l, 0);
		return;
	}
	l->backend = NULL;
	LIST_REMOVE(e, all);
	free(e);
	lm->up->unlocked(lm->arg, l);
}

static void
pump(void *arg)
{
	struct lm *lm = arg;
	struct entry *e;

	lm->up->recover_done(lm->arg, 1, 1);
	while (!lm->stop) {
		while ((e = TAILQ_FIRST(&lm->queue)) != NULL)
			answer(lm, e);
		env_wait(lm->env, &lm->wq, UINT64_MAX);
	}
	lm->running = false;
	env_wake_all(lm->env, &lm->wq);
}

static int
none_mount(struct lm **out, const char *table, const struct lm_up *up,
    void *arg, void *opts, char *why, size_t whylen)
{
	struct lm *lm;

	lm = calloc(1, sizeof(*lm));
	if (lm == NULL)
		goto nomem;
	lm->env = env_self();
	lm->up = up;
	lm->arg = arg;
	LIST_INIT(&lm->entries);
	TAILQ_INIT(&lm->queue);
	waitq_init(&lm->wq);
	if (env_spawn(lm->env, pump, lm, "lock_none") == NULL)
		goto nomem;
	lm->running = true;
	*out = lm;
	return 0;
nomem:
	free(lm);
	snprintf(why, whylen, "out of memory");
	return ENOMEM;
}

static void
none_unmount(struct lm *lm)
{
	struct entry *e;

	lm->stop = true;
	env_wake_all(lm->env, &lm->wq);
	while (lm->running)
		env_wait(lm->env, &lm->wq, UINT64_MAX);
	while ((e = LIST_FIRST(&lm->entries)) != NULL) {
		LIST_REMOVE(e, all);
		free(e);
	}
	free(lm);
}

static void
enqueue(struct lm *lm, struct entry *e, enum answer what)
{
	ASSERT(e->answer == ANSWER_NONE);
	e->answer = what;
	TAILQ_INSERT_TAIL(&lm->queue, e, queue);
	env_wake_all(lm->env, &lm->wq);
}

static int
none_lock(struct lm *lm, struct lm_lock *l, enum lm_mode mode, unsigned flags)
{
	struct entry *e = l->backend;

	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		if (e == NULL)
			return ENOMEM;
		e->lock = l;
		l->backend = e;
		l->exists = true;
		LIST_INSERT_HEAD(&lm->entries, e, all);
	}
	l->mode = mode;
	l->sbflags = 0;
	enqueue(lm, e, ANSWER_GRANT);
	return 0;
}

static int
none_unlock(struct lm *lm, struct lm_lock *l, unsigned flags)
{
	struct entry *e = l->backend;

	if (e == NULL)
		return ENOENT;
	enqueue(lm, e, ANSWER_UNLOCK);
	return 0;
}

static int
none_cancel(struct lm *lm, struct lm_lock *l)
{
	return ENOENT; /* nothing ever waits */
}

static bool
none_clustered(struct lm *lm)
{
	return false;
}

const struct lm_ops lm_none = {
	.name = "lock_nolock",
	.mount = none_mount,
	.unmount = none_unmount,
	.lock = none_lock,
	.unlock = none_unlock,
	.cancel = none_cancel,
	.clustered = none_clustered,
};
