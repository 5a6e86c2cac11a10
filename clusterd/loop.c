/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/time.h>

#include <event2/event.h>
#include <time.h>

#include "log.h"
#include "loop.h"

struct loop {
	struct event_base *base;
	bool stop;
};

struct loop_io {
	struct loop *loop;
	struct event *ev;
	int fd;
	unsigned want;
	void (*fn)(void *, unsigned);
	void *arg;
};

struct loop_timer {
	struct event *ev;
	void (*fn)(void *);
	void *arg;
};

struct loop_signal {
	struct event *ev;
	void (*fn)(void *);
	void *arg;
};

struct loop *
loop_new(void)
{
	struct event_config *cfg;
	struct loop *l;

	l = calloc(1, sizeof(*l));
	cfg = event_config_new();
	if (l == NULL || cfg == NULL)
		goto fail;
	/*
	 * Timers in microseconds, by a timerfd that exists from the start:
	 * the engine cannot open anything later.
	 */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (l->base != NULL)
		return l;
	cfg = NULL;
fail:
	if (cfg != NULL)
		event_config_free(cfg);
	free(l);
	return NULL;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	event_base_free(l->base);
	free(l);
}

void
loop_run(struct loop *l, void (*after)(void *), void *arg)
{
	l->stop = false;
	while (!l->stop && event_base_loop(l->base, EVLOOP_ONCE) == 0) {
		if (after != NULL)
			after(arg);
	}
}

void
loop_once(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_ONCE);
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

static void
io_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	io->fn(io->arg,
	    ((what & EV_READ) != 0 ? LOOP_READ : 0) |
		((what & EV_WRITE) != 0 ? LOOP_WRITE : 0));
}

static void
io_arm(struct loop_io *io)
{
	short what = EV_PERSIST;

	if ((io->want & LOOP_READ) != 0)
		what |= EV_READ;
	if ((io->want & LOOP_WRITE) != 0)
		what |= EV_WRITE;
	if (io->want == 0)
		return;
	if (event_assign(io->ev, io->loop->base, io->fd, what, io_ready, io) ==
		-1 ||
	    event_add(io->ev, NULL) == -1)
		fatalx("loop: cannot wait for descriptor %d", io->fd);
}

struct loop_io *
loop_io_new(struct loop *l, int fd, unsigned want, void (*fn)(void *, unsigned),
    void *arg)
{
	struct loop_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		fatal("loop");
	io->loop = l;
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	io->ev = event_new(l->base, fd, EV_READ | EV_PERSIST, io_ready, io);
	if (io->ev == NULL)
		fatalx("loop: no memory for descriptor %d", fd);
	io->want = want;
	io_arm(io);
	return io;
}

void
loop_io_want(struct loop_io *io, unsigned want)
{
	if (io->want == want)
		return;
	event_del(io->ev);
	io->want = want;
	io_arm(io);
}

void
loop_io_free(struct loop_io *io)
{
	if (io == NULL)
		return;
	event_free(io->ev);
	free(io);
}

static void
timer_due(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	t->fn(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *), void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("loop");
	t->fn = fn;
	t->arg = arg;
	t->ev = event_new(l->base, -1, 0, timer_due, t);
	if (t->ev == NULL)
		fatalx("loop: no memory for a timer");
	return t;
}

void
loop_timer_set(struct loop_timer *t, uint64_t after_us)
{
	struct timeval tv;

	/* A week is for ever, and keeps the arithmetic of libevent safe. */
	after_us = MIN(after_us, UINT64_C(7) * 86400 * 1000000);
	tv.tv_sec = (time_t)(after_us / 1000000);
	tv.tv_usec = (suseconds_t)(after_us % 1000000);
	if (event_add(t->ev, &tv) == -1)
		fatalx("loop: cannot set a timer");
}

void
loop_timer_stop(struct loop_timer *t)
{
	event_del(t->ev);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_free(t->ev);
	free(t);
}

static void
signal_came(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	s->fn(s->arg);
}

struct loop_signal *
loop_signal_new(struct loop *l, int signo, void (*fn)(void *), void *arg)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("loop");
	s->fn = fn;
	s->arg = arg;
	s->ev = evsignal_new(l->base, signo, signal_came, s);
	if (s->ev == NULL || event_add(s->ev, NULL) == -1)
		fatalx("loop: cannot wait for signal %d", signo);
	return s;
}

void
loop_signal_free(struct loop_signal *s)
{
	if (s == NULL)
		return;
	event_free(s->ev);
	free(s);
}

static uint64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		fatal("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_boot_us(void)
{
	return clock_us(CLOCK_BOOTTIME);
}

uint64_t
clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}
