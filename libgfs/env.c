/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Fibers and their scheduler.  A fiber is a stack and a saved context; the
 * scheduler runs the first runnable one until it waits.  The signal mask is
 * saved and restored at each switch, which costs two cheap system calls and
 * keeps this file free of assembler.
 *
 * Invariants
 *	E1  a fiber is in exactly one place: running, on the run queue, on one
 *	    wait queue and/or in the deadline tree, or in the pool;
 *	E2  a wake-up moves a fiber to the run queue once; it leaves its wait
 *	    queue and the deadline tree at that moment;
 *	E3  the deadline tree is ordered by (time, age), so equal deadlines
 *	    fire in the order they were set;
 *	E4  the host is told the first deadline whenever it changes outside
 *	    env_run(), and at the end of env_run().
 *
 * Transitions: spawn -> runnable -> running -> (yield) runnable
 *	| (wait, sleep) waiting -> (wake, deadline) runnable | done -> pool
 */

#include <sys/mman.h>

#include <errno.h>
#include <ucontext.h>
#include <unistd.h>

#include "env.h"

#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

enum {
#ifdef SANITIZED
	STACK_SIZE =
	    512 * 1024, /* red zones make frames several times larger */
#else
	STACK_SIZE = 128 * 1024,
#endif
	POOL_MAX = 64,
	SLICE = 1024 /* switches until the host gets its turn */
};

struct fiber {
	TAILQ_ENTRY(fiber) entry; /* run queue, wait queue or pool */
	RB_ENTRY(fiber) node;	  /* deadline tree */
	TAILQ_ENTRY(fiber) all;
	struct env *env;
	struct waitq *wq; /* waiting on, or NULL */
	uint64_t deadline;
	uint64_t age;
	bool timed; /* in the deadline tree */
	bool timedout;
	bool done;
	void (*fn)(void *);
	void *arg;
	void *local;
	const char *name;
	ucontext_t ctx;
	uint8_t *map; /* guard page, then the stack */
	size_t maplen;
#ifdef SANITIZED
	void *fake;
#endif
};

TAILQ_HEAD(fiberq, fiber);
RB_HEAD(timers, fiber);

struct env {
	const struct env_ops *ops;
	void *host;
	struct fiberq run;
	struct fiberq pool;
	struct fiberq all;
	struct timers timers;
	struct fiber *current;
	ucontext_t loop; /* where a fiber switches back to */
	uint64_t age;
	uint64_t armed;
	unsigned alive;
	unsigned pooled;
	bool running; /* inside env_run() */
#ifdef SANITIZED
	void *loop_fake;
	const void *loop_bottom;
	size_t loop_size;
#endif
};

/* The env whose env_run() is on this thread's stack. */
static _Thread_local struct env *self;

static int
fiber_cmp(const struct fiber *a, const struct fiber *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline ? -1 : 1;
	return (a->age > b->age) - (a->age < b->age);
}

RB_GENERATE_INTERNAL(timers, fiber, node, fiber_cmp, UNUSED static)

struct env *
env_new(const struct env_ops *ops, void *host)
{
	struct env *env = calloc(1, sizeof(*env));

	if (env == NULL)
		return NULL;
	env->ops = ops;
	env->host = host;
	env->armed = UINT64_MAX;
	TAILQ_INIT(&env->run);
	TAILQ_INIT(&env->pool);
	TAILQ_INIT(&env->all);
	RB_INIT(&env->timers);
	return env;
}

/* The host keeps its own state behind this pointer. */
void *
env_host(struct env *env)
{
	return env->host;
}

/* The stack and its guard page go with it. */
static void
fiber_free(struct fiber *f)
{
	munmap(f->map, f->maplen);
	free(f);
}

void
env_free(struct env *env)
{
	struct fiber *f;

	if (env == NULL)
		return;
	ASSERT(env->alive == 0);
	while ((f = TAILQ_FIRST(&env->pool)) != NULL) {
		TAILQ_REMOVE(&env->pool, f, entry);
		fiber_free(f);
	}
	if (env->ops->destroy != NULL)
		env->ops->destroy(env);
	free(env);
}

uint64_t
env_deadline(const struct env *env)
{
	struct timers *t = (struct timers *)(uintptr_t)&env->timers;
	struct fiber *f = RB_MIN(timers, t);

	return f == NULL ? UINT64_MAX : f->deadline;
}

unsigned
env_fibers(const struct env *env)
{
	return env->alive;
}

/* E4 */
static void
rearm(struct env *env)
{
	uint64_t first = env_deadline(env);

	if (env->running || first == env->armed)
		return;
	env->armed = first;
	if (env->ops->arm != NULL)
		env->ops->arm(env, first);
}

void
env_fired(struct env *env)
{
	/*
	 * A timer may go off a little early by our clock.  Without this the
	 * deadline would look armed already, and nobody would ever come.
	 */
	env->armed = UINT64_MAX;
}

/* E2 */
static void
make_runnable(struct env *env, struct fiber *f)
{
	if (f->wq != NULL) {
		TAILQ_REMOVE(&f->wq->fibers, f, entry);
		f->wq = NULL;
	}
	if (f->timed) {
		RB_REMOVE(timers, &env->timers, f);
		f->timed = false;
	}
	TAILQ_INSERT_TAIL(&env->run, f, entry);
	if (!env->running) {
		rearm(env);
		if (env->ops->kick != NULL)
			env->ops->kick(env);
	}
}

/* Gives the thread to a fiber until it waits or ends. */
static void
switch_in(struct env *env, struct fiber *f)
{
	env->current = f;
#ifdef SANITIZED
	__sanitizer_start_switch_fiber(&env->loop_fake,
	    f->map + (f->maplen - STACK_SIZE), STACK_SIZE);
#endif
	ASSERT(swapcontext(&env->loop, &f->ctx) == 0);
#ifdef SANITIZED
	__sanitizer_finish_switch_fiber(env->loop_fake, NULL, NULL);
#endif
	env->current = NULL;
}

/* Gives the thread back to the scheduler. */
static void
switch_out(struct env *env, struct fiber *f)
{
#ifdef SANITIZED
	/* A fiber that is done leaves its fake stack for good. */
	__sanitizer_start_switch_fiber(f->done ? NULL : &f->fake,
	    env->loop_bottom, env->loop_size);
#endif
	ASSERT(swapcontext(&f->ctx, &env->loop) == 0);
#ifdef SANITIZED
	__sanitizer_finish_switch_fiber(f->fake, &env->loop_bottom,
	    &env->loop_size);
#endif
}

/*
 * Where every fiber begins.  makecontext() passes only ints, so the fiber
 * finds itself through the thread's own env.
 */
static void
fiber_main(void)
{
	struct env *env = self;
	struct fiber *f = env->current;

#ifdef SANITIZED
	__sanitizer_finish_switch_fiber(NULL, &env->loop_bottom,
	    &env->loop_size);
#endif
	f->fn(f->arg);
	f->done = true;
	switch_out(env, f);
	ASSERT(!"a finished fiber ran again");
}

/* A fiber without a job: its stack is the expensive part, hence the pool. */
static struct fiber *
fiber_new(void)
{
	struct fiber *f;
	long page = sysconf(_SC_PAGESIZE);

	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->maplen = STACK_SIZE + (size_t)page;
	f->map = mmap(NULL, f->maplen, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (f->map == MAP_FAILED) {
		free(f);
		return NULL;
	}
	/* Stacks grow down: an overflow meets the guard, not a neighbour. */
	if (mprotect(f->map, (size_t)page, PROT_NONE) == -1) {
		fiber_free(f);
		return NULL;
	}
	return f;
}

/* Apart from its caller, because getcontext() returns twice on paper. */
static bool
fiber_context(struct fiber *f)
{
	if (getcontext(&f->ctx) == -1)
		return false;
	f->ctx.uc_stack.ss_sp = f->map + (f->maplen - STACK_SIZE);
	f->ctx.uc_stack.ss_size = STACK_SIZE;
	f->ctx.uc_link = NULL;
	makecontext(&f->ctx, fiber_main, 0);
	return true;
}

struct fiber *
env_spawn(struct env *env, void (*fn)(void *), void *arg, const char *name)
{
	struct fiber *f = TAILQ_FIRST(&env->pool);

	if (f != NULL) {
		TAILQ_REMOVE(&env->pool, f, entry);
		env->pooled--;
	} else if ((f = fiber_new()) == NULL)
		return NULL;
	if (!fiber_context(f)) {
		fiber_free(f);
		return NULL;
	}
	f->env = env;
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->local = NULL;
	f->wq = NULL;
	f->timed = f->timedout = f->done = false;
	TAILQ_INSERT_TAIL(&env->all, f, all);
	env->alive++;
	make_runnable(env, f);
	return f;
}

/* Its stack waits for the next fiber, unless many wait already. */
static void
fiber_finish(struct env *env, struct fiber *f)
{
	TAILQ_REMOVE(&env->all, f, all);
	env->alive--;
	if (env->pooled >= POOL_MAX) {
		fiber_free(f);
		return;
	}
	TAILQ_INSERT_HEAD(&env->pool, f, entry);
	env->pooled++;
}

/* Wakes whose deadline has come, in the order of E3. */
static void
expire(struct env *env)
{
	uint64_t now = env_now(env);
	struct fiber *f;

	while (
	    (f = RB_MIN(timers, &env->timers)) != NULL && f->deadline <= now) {
		f->timedout = true;
		make_runnable(env, f);
	}
}

void
env_run(struct env *env)
{
	struct env *outer = self;
	struct fiber *f;
	unsigned left = SLICE;

	ASSERT(!env->running);
	env->running = true;
	self = env;
	expire(env);
	while (left-- > 0 && (f = TAILQ_FIRST(&env->run)) != NULL) {
		TAILQ_REMOVE(&env->run, f, entry);
		switch_in(env, f);
		if (f->done)
			fiber_finish(env, f);
		/* Fibers that keep yielding must not starve the deadlines. */
		if (TAILQ_EMPTY(&env->run) || !RB_EMPTY(&env->timers))
			expire(env);
	}
	self = outer;
	env->running = false;
	rearm(env);
	/* Fibers that wake each other must not shut out the disk. */
	if (!TAILQ_EMPTY(&env->run) && env->ops->kick != NULL)
		env->ops->kick(env);
}

struct env *
env_self(void)
{
	return self;
}

void *
env_local(void)
{
	ASSERT(self != NULL && self->current != NULL);
	return self->current->local;
}

void
env_set_local(void *p)
{
	ASSERT(self != NULL && self->current != NULL);
	self->current->local = p;
}

uint64_t
env_now(struct env *env)
{
	return env->ops->now(env);
}

uint64_t
env_wall_ns(struct env *env)
{
	return env->ops->wall_ns(env);
}

void
env_yield(struct env *env)
{
	struct fiber *f = env->current;

	ASSERT(f != NULL);
	TAILQ_INSERT_TAIL(&env->run, f, entry);
	switch_out(env, f);
}

void
waitq_init(struct waitq *wq)
{
	TAILQ_INIT(&wq->fibers);
}

int
env_wait(struct env *env, struct waitq *wq, uint64_t deadline_us)
{
	struct fiber *f = env->current;

	ASSERT(f != NULL);
	/* Too late already: the caller looks at its condition once more. */
	if (deadline_us != UINT64_MAX && env_now(env) >= deadline_us)
		return ETIMEDOUT;
	f->timedout = false;
	if (wq != NULL) {
		f->wq = wq;
		TAILQ_INSERT_TAIL(&wq->fibers, f, entry);
	}
	if (deadline_us != UINT64_MAX) {
		f->deadline = deadline_us;
		f->age = env->age++;
		f->timed = true;
		RB_INSERT(timers, &env->timers, f);
	}
	switch_out(env, f);
	return f->timedout ? ETIMEDOUT : 0;
}

void
env_sleep(struct env *env, uint64_t us)
{
	if (us == 0)
		env_yield(env);
	else
		env_wait(env, NULL, env_now(env) + us);
}

void
env_wake_one(struct env *env, struct waitq *wq)
{
	struct fiber *f = TAILQ_FIRST(&wq->fibers);

	if (f != NULL)
		make_runnable(env, f);
}

void
env_wake_all(struct env *env, struct waitq *wq)
{
	struct fiber *f;

	while ((f = TAILQ_FIRST(&wq->fibers)) != NULL)
		make_runnable(env, f);
}

void
iobatch_init(struct iobatch *b)
{
	b->pending = 0;
	b->error = 0;
	waitq_init(&b->done);
}

void
env_submit(struct env *env, int fd, enum io_op op, uint64_t off, void *buf,
    size_t len, struct iobatch *b)
{
	b->pending++;
	env->ops->submit(env, fd, op, off, buf, len, b);
}

void
env_io_done(struct env *env, struct iobatch *b, int error)
{
	/* The first error is the one that explains the others. */
	ASSERT(b->pending > 0);
	if (error != 0 && b->error == 0)
		b->error = error;
	if (--b->pending == 0)
		env_wake_all(env, &b->done);
}

int
env_io_wait(struct env *env, struct iobatch *b)
{
	while (b->pending > 0)
		env_wait(env, &b->done, UINT64_MAX);
	return b->error;
}
