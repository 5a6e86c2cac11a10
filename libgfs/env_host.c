/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The host of a real mount: a libevent base, and a few helper threads that
 * only move bytes to and from the disk.  The helpers never see a struct of
 * the file system: a request is (descriptor, offset, buffer, length), its
 * answer an errno.
 *
 * Invariants
 *	H1  requests wait in one queue, answers in another, both under one
 *	    mutex; only helpers take from the first, only the loop's thread
 *	    from the second;
 *	H2  the eventfd is written when the answers become non-empty, so no
 *	    answer waits for another event;
 *	H3  batches and fibers are touched by the loop's thread alone.
 */

#include <sys/eventfd.h>
#include <sys/uio.h>

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "env.h"

enum {
	HELPERS_MAX = 64,
	FREE_MAX = 256
};

struct req {
	STAILQ_ENTRY(req) entry;
	struct iobatch *batch;
	int fd;
	enum io_op op;
	uint64_t off;
	void *buf;
	size_t len;
	int error;
};

STAILQ_HEAD(reqq, req);

struct host {
	struct event_base *base;
	struct event *timer;
	struct event *completion;
	struct event *runner;
	int efd;
	pthread_t *threads;
	unsigned nthreads;

	pthread_mutex_t lock; /* guards the four below */
	pthread_cond_t cond;
	struct reqq todo;
	struct reqq done;
	bool stop;

	struct reqq spare; /* the loop's thread only */
	unsigned nspare;
};

/* Microseconds, the unit of every deadline. */
static uint64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t
host_now(struct env *env)
{
	return clock_us(CLOCK_MONOTONIC);
}

static uint64_t
host_wall(struct env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Moves all bytes of one request; a short write is continued. */
static int
transfer(const struct req *r)
{
	struct iovec iov;
	size_t put = 0;
	ssize_t n;

	if (r->op == IO_FLUSH)
		return fdatasync(r->fd) == -1 ? errno : 0;
	while (put < r->len) {
		iov.iov_base = (uint8_t *)r->buf + put;
		iov.iov_len = r->len - put;
		if (r->op == IO_READ)
			n = preadv(r->fd, &iov, 1, (off_t)(r->off + put));
		else
			n = pwritev2(r->fd, &iov, 1, (off_t)(r->off + put),
			    r->op == IO_WRITE_FUA ? RWF_DSYNC : 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno;
		/* Nothing more to be had: the device is too short. */
		if (n == 0)
			return EIO;
		put += (size_t)n;
	}
	return 0;
}

/* One helper thread: takes a request, moves its bytes, files the answer. */
static void *
helper(void *arg)
{
	struct host *h = arg;
	struct req *r;
	uint64_t one = 1;
	bool first;
	ssize_t n;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while ((r = STAILQ_FIRST(&h->todo)) == NULL && !h->stop)
			pthread_cond_wait(&h->cond, &h->lock);
		if (r == NULL)
			break;
		STAILQ_REMOVE_HEAD(&h->todo, entry);
		pthread_mutex_unlock(&h->lock);
		r->error = transfer(r);
		pthread_mutex_lock(&h->lock);
		first = STAILQ_EMPTY(&h->done);
		STAILQ_INSERT_TAIL(&h->done, r, entry);
		if (!first)
			continue;
		pthread_mutex_unlock(&h->lock);
		/* H2; a full counter would mean it is signalled anyway. */
		do
			n = write(h->efd, &one, sizeof(one));
		while (n == -1 && errno == EINTR);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void
host_submit(struct env *env, int fd, enum io_op op, uint64_t off, void *buf,
    size_t len, struct iobatch *b)
{
	struct host *h = env_host(env);
	struct req *r = STAILQ_FIRST(&h->spare);

	if (r != NULL) {
		STAILQ_REMOVE_HEAD(&h->spare, entry);
		h->nspare--;
	} else if ((r = calloc(1, sizeof(*r))) == NULL) {
		env_io_done(env, b, ENOMEM);
		return;
	}
	r->batch = b;
	r->fd = fd;
	r->op = op;
	r->off = off;
	r->buf = buf;
	r->len = len;
	pthread_mutex_lock(&h->lock);
	STAILQ_INSERT_TAIL(&h->todo, r, entry);
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
}

/* Reports every answer that is there. */
static void
reap(struct env *env)
{
	struct host *h = env_host(env);
	struct reqq done;
	struct req *r;

	STAILQ_INIT(&done);
	pthread_mutex_lock(&h->lock);
	STAILQ_CONCAT(&done, &h->done);
	pthread_mutex_unlock(&h->lock);
	while ((r = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, entry);
		env_io_done(env, r->batch, r->error);
		if (h->nspare < FREE_MAX) {
			STAILQ_INSERT_HEAD(&h->spare, r, entry);
			h->nspare++;
		} else
			free(r);
	}
}

static void
on_completion(evutil_socket_t fd, short what, void *arg)
{
	struct env *env = arg;
	uint64_t count;
	ssize_t n;

	/* Cleared before reaping, so that a later answer signals again. */
	n = read(fd, &count, sizeof(count));
	(void)n;
	reap(env);
	env_run(env);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	env_fired(arg);
	env_run(arg);
}

static void
host_arm(struct env *env, uint64_t deadline)
{
	struct host *h = env_host(env);
	struct timeval tv;
	uint64_t now, left;

	if (deadline == UINT64_MAX) {
		evtimer_del(h->timer);
		return;
	}
	now = host_now(env);
	left = deadline > now ? deadline - now : 0;
	tv.tv_sec = (time_t)(left / 1000000);
	tv.tv_usec = (suseconds_t)(left % 1000000);
	evtimer_add(h->timer, &tv);
}

/* The base runs the scheduler in its next round, never from in here. */
static void
host_kick(struct env *env)
{
	struct host *h = env_host(env);

	event_active(h->runner, EV_TIMEOUT, 0);
}

/* They finish what they hold; nothing is left in the queues. */
static void
stop_helpers(struct host *h)
{
	unsigned i;

	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_broadcast(&h->cond);
	pthread_mutex_unlock(&h->lock);
	for (i = 0; i < h->nthreads; i++)
		pthread_join(h->threads[i], NULL);
	h->nthreads = 0;
}

static void
host_free(struct host *h)
{
	struct req *r;

	stop_helpers(h);
	ASSERT(STAILQ_EMPTY(&h->todo) && STAILQ_EMPTY(&h->done));
	while ((r = STAILQ_FIRST(&h->spare)) != NULL) {
		STAILQ_REMOVE_HEAD(&h->spare, entry);
		free(r);
	}
	if (h->timer != NULL)
		event_free(h->timer);
	if (h->runner != NULL)
		event_free(h->runner);
	if (h->completion != NULL)
		event_free(h->completion);
	if (h->efd != -1)
		close(h->efd);
	pthread_cond_destroy(&h->cond);
	pthread_mutex_destroy(&h->lock);
	free(h->threads);
	free(h);
}

static void
host_destroy(struct env *env)
{
	host_free(env_host(env));
}

static const struct env_ops host_ops = {
	.now = host_now,
	.wall_ns = host_wall,
	.submit = host_submit,
	.arm = host_arm,
	.kick = host_kick,
	.destroy = host_destroy,
};

/* Helpers take no signals: those belong to the loop. */
static bool
start_helpers(struct host *h, unsigned n)
{
	sigset_t all, old;
	unsigned i;

	h->threads = calloc(n, sizeof(*h->threads));
	if (h->threads == NULL)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < n; i++) {
		if (pthread_create(&h->threads[i], NULL, helper, h) != 0)
			break;
		h->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return h->nthreads > 0;
}

struct env *
env_host_new(void *event_base, unsigned nthreads)
{
	struct host *h = calloc(1, sizeof(*h));
	struct env *env;

	if (h == NULL)
		return NULL;
	h->base = event_base;
	STAILQ_INIT(&h->todo);
	STAILQ_INIT(&h->done);
	STAILQ_INIT(&h->spare);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->cond, NULL);
	h->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	env = env_new(&host_ops, h);
	if (env == NULL || h->efd == -1)
		goto fail;
	h->timer = evtimer_new(h->base, on_timer, env);
	h->runner = evtimer_new(h->base, on_timer, env);
	h->completion = event_new(h->base, h->efd, EV_READ | EV_PERSIST,
	    on_completion, env);
	if (h->timer == NULL || h->runner == NULL || h->completion == NULL ||
	    event_add(h->completion, NULL) == -1)
		goto fail;
	nthreads = MIN(MAX(nthreads, 1u), (unsigned)HELPERS_MAX);
	if (!start_helpers(h, nthreads))
		goto fail;
	return env;
fail:
	if (env != NULL)
		env_free(env); /* frees the host too */
	else
		host_free(h);
	return NULL;
}
