/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The host for tests and the simulator: disk requests are carried out on the
 * spot, time is a number that moves to the next deadline when every fiber
 * waits.  With a latency set, a request's end is reported later, so that
 * fibers interleave; the order follows from the seed alone.
 */

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "env.h"

/* A request carried out whose end is still to be reported. */
struct late {
	TAILQ_ENTRY(late) entry;
	struct iobatch *batch;
	uint64_t at;
	uint64_t id;
	enum io_op op;
	int error;
};

struct sim {
	uint64_t now;
	unsigned max_us;
	bool again; /* env_run() stopped early */
	uint64_t seed;
	uint64_t id;
	env_sim_tracer tracer;
	void *tracer_arg;
	TAILQ_HEAD(lateq, late) late; /* by time, equals by age */
};

static uint64_t
sim_now(struct env *env)
{
	struct sim *s = env_host(env);

	return s->now;
}

static uint64_t
sim_wall(struct env *env)
{
	struct sim *s = env_host(env);

	/* A fixed morning, so that images come out alike. */
	return 1700000000000000000u + s->now * 1000;
}

/* splitmix64 */
static uint64_t
sim_random(struct sim *s)
{
	uint64_t z = s->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int
sim_io(int fd, enum io_op op, uint64_t off, void *buf, size_t len)
{
	ssize_t n;

	if (op == IO_FLUSH)
		return 0;
	if (op == IO_READ)
		n = pread(fd, buf, len, (off_t)off);
	else
		n = pwrite(fd, buf, len, (off_t)off);
	if (n == -1)
		return errno;
	return (size_t)n == len ? 0 : EIO;
}

/* The tracer hears of it before the fibers do. */
static void
sim_ended(struct env *env, struct iobatch *b, uint64_t id, enum io_op op,
    int error)
{
	struct sim *s = env_host(env);

	if (s->tracer != NULL)
		s->tracer(s->tracer_arg, id, true, op, 0, NULL, 0);
	env_io_done(env, b, error);
}

static void
sim_submit(struct env *env, int fd, enum io_op op, uint64_t off, void *buf,
    size_t len, struct iobatch *b)
{
	struct sim *s = env_host(env);
	struct late *l, *o;
	uint64_t id = s->id++;
	int error;

	if (s->tracer != NULL)
		s->tracer(s->tracer_arg, id, false, op, off, buf, len);
	error = sim_io(fd, op, off, buf, len);
	if (s->max_us == 0) {
		sim_ended(env, b, id, op, error);
		return;
	}
	l = calloc(1, sizeof(*l));
	ASSERT(l != NULL);
	l->batch = b;
	l->error = error;
	l->id = id;
	l->op = op;
	l->at = s->now + 1 + sim_random(s) % s->max_us;
	TAILQ_FOREACH_REVERSE(o, &s->late, lateq, entry)
		if (o->at <= l->at)
			break;
	if (o == NULL)
		TAILQ_INSERT_HEAD(&s->late, l, entry);
	else
		TAILQ_INSERT_AFTER(&s->late, o, l, entry);
}

static void
sim_destroy(struct env *env)
{
	struct sim *s = env_host(env);

	ASSERT(TAILQ_EMPTY(&s->late));
	free(s);
}

/* env_run() stopped with work left, or something was woken outside it. */
static void
sim_kick(struct env *env)
{
	struct sim *s = env_host(env);

	s->again = true;
}

static const struct env_ops sim_ops = {
	.now = sim_now,
	.wall_ns = sim_wall,
	.submit = sim_submit,
	.kick = sim_kick,
	.destroy = sim_destroy,
};

struct env *
env_sim_new(void)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct env *env;

	if (s == NULL)
		return NULL;
	s->now = 1000000;
	TAILQ_INIT(&s->late);
	env = env_new(&sim_ops, s);
	if (env == NULL)
		free(s);
	return env;
}

void
env_sim_latency(struct env *env, unsigned max_us, uint64_t seed)
{
	struct sim *s = env_host(env);

	s->max_us = max_us;
	s->seed = seed;
}

void
env_sim_trace(struct env *env, env_sim_tracer tracer, void *arg)
{
	struct sim *s = env_host(env);

	s->tracer = tracer;
	s->tracer_arg = arg;
}

void
env_sim_run(struct env *env, const bool *done)
{
	struct sim *s = env_host(env);
	struct late *l;
	uint64_t next;

	for (;;) {
		s->again = false;
		env_run(env);
		if (s->again)
			continue;
		l = TAILQ_FIRST(&s->late);
		if (done != NULL && *done && l == NULL)
			return;
		next = env_deadline(env);
		if (l == NULL && next == UINT64_MAX)
			return;
		if (l != NULL && l->at <= next) {
			s->now = MAX(s->now, l->at);
			TAILQ_REMOVE(&s->late, l, entry);
			sim_ended(env, l->batch, l->id, l->op, l->error);
			free(l);
		} else
			s->now = MAX(s->now, next);
	}
}
