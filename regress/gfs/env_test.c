/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that fibers wait, wake and time out as env.h says, on both hosts;
 * that the device refuses what it must refuse, and reports errors of the
 * disk; that the simulated host orders ends of requests by its seed alone.
 */

#include <sys/eventfd.h>

#include <atf-c.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "disk_stub.h"

/* What a group of fibers leaves behind: letters in the order of events. */
struct script {
	struct env *env;
	struct waitq wq;
	char trace[256];
	unsigned alive;
	bool done;
	int error;
	uint64_t woke_at;
	struct dev *dev;
};

static void
mark(struct script *s, char c)
{
	size_t n = strlen(s->trace);

	ATF_REQUIRE(n + 1 < sizeof(s->trace));
	s->trace[n] = c;
	s->trace[n + 1] = '\0';
}

static void
script_init(struct script *s, struct env *env)
{
	memset(s, 0, sizeof(*s));
	s->env = env;
	waitq_init(&s->wq);
}

static void
waiter(void *arg)
{
	struct script *s = arg;

	mark(s, 'w');
	s->error = env_wait(s->env, &s->wq, UINT64_MAX);
	mark(s, 'W');
}

static void
waker(void *arg)
{
	struct script *s = arg;

	mark(s, '1');
	env_wake_one(s->env, &s->wq);
	mark(s, '2');
	env_yield(s->env);
	mark(s, 'a');
	env_wake_all(s->env, &s->wq);
}

ATF_TC_WITHOUT_HEAD(wait_and_wake);
ATF_TC_BODY(wait_and_wake, tc)
{
	struct env *env = env_sim_new();
	struct script s;
	int i;

	script_init(&s, env);
	for (i = 0; i < 3; i++)
		ATF_REQUIRE(env_spawn(env, waiter, &s, "waiter") != NULL);
	ATF_REQUIRE(env_spawn(env, waker, &s, "waker") != NULL);
	ATF_CHECK_EQ(4, env_fibers(env));
	env_sim_run(env, NULL);
	ATF_CHECK_STREQ("www12WaWW", s.trace);
	ATF_CHECK_EQ(0, s.error);
	ATF_CHECK_EQ(0, env_fibers(env));
	/* Waking nobody is fine. */
	env_wake_all(env, &s.wq);
	env_free(env);
}

static void
late_waiter(void *arg)
{
	struct script *s = arg;

	s->error = env_wait(s->env, &s->wq, env_now(s->env) + 5000);
	s->woke_at = env_now(s->env);
	mark(s, 't');
	/* A deadline in the past does not wait at all. */
	if (env_wait(s->env, &s->wq, 1) == ETIMEDOUT)
		mark(s, 'p');
}

static void
sleeper(void *arg)
{
	struct script *s = arg;

	env_sleep(s->env, 3000);
	mark(s, 's');
	env_sleep(s->env, 3000);
	mark(s, 'S');
}

ATF_TC_WITHOUT_HEAD(deadlines);
ATF_TC_BODY(deadlines, tc)
{
	struct env *env = env_sim_new();
	struct script s;
	uint64_t start = env_now(env);

	script_init(&s, env);
	ATF_REQUIRE(env_spawn(env, late_waiter, &s, "late") != NULL);
	ATF_REQUIRE(env_spawn(env, sleeper, &s, "sleeper") != NULL);
	env_run(env);
	ATF_CHECK_EQ(start + 3000, env_deadline(env));
	env_sim_run(env, NULL);
	ATF_CHECK_EQ(ETIMEDOUT, s.error);
	ATF_CHECK_EQ(start + 5000, s.woke_at);
	ATF_CHECK_STREQ("stpS", s.trace);
	ATF_CHECK_EQ(UINT64_MAX, env_deadline(env));
	env_free(env);
}

static void
timed_waker(void *arg)
{
	struct script *s = arg;

	env_sleep(s->env, 100);
	env_wake_all(s->env, &s->wq);
}

/* A fiber that was woken leaves the deadline tree with it (E2). */
ATF_TC_WITHOUT_HEAD(wake_before_deadline);
ATF_TC_BODY(wake_before_deadline, tc)
{
	struct env *env = env_sim_new();
	struct script s;

	script_init(&s, env);
	ATF_REQUIRE(env_spawn(env, late_waiter, &s, "late") != NULL);
	ATF_REQUIRE(env_spawn(env, timed_waker, &s, "waker") != NULL);
	env_sim_run(env, NULL);
	ATF_CHECK_EQ(0, s.error);
	ATF_CHECK_EQ(UINT64_MAX, env_deadline(env));
	env_free(env);
}

static void
deep(void *arg)
{
	struct script *s = arg;
	volatile char big[64 * 1024];

	/* Half of a stack is ours to use, across a switch, too. */
	memset((void *)(uintptr_t)big, 0x5a, sizeof(big));
	env_yield(s->env);
	ATF_CHECK_EQ(0x5a, big[0]);
	ATF_CHECK_EQ(0x5a, big[sizeof(big) - 1]);
	s->alive++;
}

static void
local_fiber(void *arg)
{
	struct script *s = arg;

	ATF_CHECK(env_local() == NULL);
	env_set_local(s);
	env_yield(s->env);
	ATF_CHECK(env_local() == s);
	s->alive++;
}

/* More fibers than the pool keeps, twice over, with a clean local each. */
ATF_TC_WITHOUT_HEAD(many_fibers);
ATF_TC_BODY(many_fibers, tc)
{
	struct env *env = env_sim_new();
	struct script s;
	int i, round;

	script_init(&s, env);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 150; i++) {
			ATF_REQUIRE(env_spawn(env, deep, &s, "deep") != NULL);
			ATF_REQUIRE(
			    env_spawn(env, local_fiber, &s, "local") != NULL);
		}
		env_sim_run(env, NULL);
	}
	ATF_CHECK_EQ(600, s.alive);
	env_free(env);
}

static int
fail_hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	unsigned *left = arg;

	return (*left)-- == 0 ? ENXIO : 0;
}

static void
dev_main(void *arg)
{
	struct script *s = arg;
	uint8_t *a = dev_alloc(8192), *b = dev_alloc(8192);
	unsigned left;

	memset(a, 0xab, 8192);
	ATF_CHECK_EQ(0, dev_write(s->dev, 4096, a, 8192));
	ATF_CHECK_EQ(0, dev_flush(s->dev));
	ATF_CHECK_EQ(0, dev_read(s->dev, 4096, b, 8192));
	ATF_CHECK(memcmp(a, b, 8192) == 0);
	ATF_CHECK_EQ(0, dev_write_fua(s->dev, 0, a, 512));
	/* D2 */
	ATF_CHECK_EQ(EINVAL, dev_write(s->dev, 100, a, 512));
	ATF_CHECK_EQ(EINVAL, dev_read(s->dev, 512, b, 100));
	ATF_CHECK_EQ(EIO, dev_read(s->dev, 1 << 20, b, 512));
	ATF_CHECK_EQ(EIO, dev_read(s->dev, UINT64_MAX & ~511ull, b, 512));
	/* D1: reads go on without the permit. */
	dev_permit(s->dev, false);
	ATF_CHECK_EQ(EIO, dev_write(s->dev, 0, a, 512));
	ATF_CHECK_EQ(EIO, dev_flush(s->dev));
	ATF_CHECK_EQ(0, dev_read(s->dev, 0, b, 512));
	dev_permit(s->dev, true);
	ATF_CHECK_EQ(0, dev_write(s->dev, 0, a, 512));
	left = 1;
	dev_set_hook(s->dev, fail_hook, &left);
	ATF_CHECK_EQ(0, dev_write(s->dev, 0, a, 512));
	ATF_CHECK_EQ(ENXIO, dev_write(s->dev, 0, a, 512));
	ATF_CHECK_EQ(0, dev_write(s->dev, 0, a, 512));
	dev_free(a);
	dev_free(b);
	s->done = true;
}

/* All of a batch is waited for, and its first error is the result. */
static void
batch_main(void *arg)
{
	struct script *s = arg;
	struct iobatch batch;
	uint8_t *p[16];
	unsigned left = 7;
	int i;

	dev_set_hook(s->dev, fail_hook, &left);
	iobatch_init(&batch);
	for (i = 0; i < 16; i++) {
		p[i] = dev_alloc(4096);
		memset(p[i], i, 4096);
		dev_submit(s->dev, IO_WRITE, (uint64_t)i * 4096, p[i], 4096,
		    &batch);
	}
	ATF_CHECK_EQ(ENXIO, env_io_wait(s->env, &batch));
	dev_set_hook(s->dev, NULL, NULL);
	for (i = 0; i < 16; i++) {
		ATF_CHECK_EQ(0,
		    dev_read(s->dev, (uint64_t)i * 4096, p[i], 4096));
		ATF_CHECK_EQ(i == 7 ? 0 : i, p[i][4095]);
		dev_free(p[i]);
	}
	s->done = true;
}

static void
make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, ftruncate(fd, 1 << 20));
	close(fd);
}

ATF_TC_WITHOUT_HEAD(device_sim);
ATF_TC_BODY(device_sim, tc)
{
	struct env *env = env_sim_new();
	struct script s;

	make_file("disk");
	script_init(&s, env);
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, false, &s.dev));
	ATF_CHECK_EQ(1 << 20, dev_size(s.dev));
	ATF_REQUIRE(env_spawn(env, dev_main, &s, "dev") != NULL);
	env_sim_run(env, &s.done);
	ATF_CHECK(s.done);
	dev_close(s.dev);
	make_file("disk");
	script_init(&s, env);
	env_sim_latency(env, 1000, 42);
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, false, &s.dev));
	ATF_REQUIRE(env_spawn(env, batch_main, &s, "batch") != NULL);
	env_sim_run(env, &s.done);
	ATF_CHECK(s.done);
	dev_close(s.dev);
	env_free(env);
}

ATF_TC_WITHOUT_HEAD(device_readonly);
ATF_TC_BODY(device_readonly, tc)
{
	struct env *env = env_sim_new();
	struct script s;

	make_file("disk");
	script_init(&s, env);
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, true, &s.dev));
	ATF_CHECK(dev_readonly(s.dev));
	dev_permit(s.dev, true);
	ATF_CHECK(!dev_permitted(s.dev));
	dev_close(s.dev);
	ATF_CHECK_EQ(ENOENT, dev_open(env, "nothing", -1, true, &s.dev));
	ATF_CHECK_EQ(ENOTBLK, dev_open(env, "/dev/null", -1, true, &s.dev));
	env_free(env);
}

/* Runs the loop until the fiber is done, or ten seconds have passed. */
static void
host_run(struct event_base *base, const bool *done)
{
	struct timeval tv = { .tv_usec = 10000 };
	int i;

	for (i = 0; i < 1000 && !*done; i++) {
		event_base_loopexit(base, &tv);
		event_base_dispatch(base);
	}
	ATF_REQUIRE(*done);
}

static void
host_timer_main(void *arg)
{
	struct script *s = arg;
	uint64_t before = env_now(s->env);

	env_sleep(s->env, 2000);
	ATF_CHECK(env_now(s->env) >= before + 2000);
	ATF_CHECK_EQ(ETIMEDOUT,
	    env_wait(s->env, &s->wq, env_now(s->env) + 1000));
	/* Fibers that only yield must not shut out the timers. */
	while (s->woke_at == 0)
		env_yield(s->env);
	s->done = true;
}

static void
host_other_main(void *arg)
{
	struct script *s = arg;

	env_sleep(s->env, 10000);
	s->woke_at = 1;
}

ATF_TC_WITHOUT_HEAD(host);
ATF_TC_BODY(host, tc)
{
	struct event_base *base = event_base_new();
	struct env *env = env_host_new(base, 3);
	struct script s;

	ATF_REQUIRE(env != NULL);
	make_file("disk");
	script_init(&s, env);
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, false, &s.dev));
	ATF_REQUIRE(env_spawn(env, dev_main, &s, "dev") != NULL);
	host_run(base, &s.done);
	dev_set_hook(s.dev, NULL, NULL);
	s.done = false;
	ATF_REQUIRE(env_spawn(env, host_timer_main, &s, "timer") != NULL);
	ATF_REQUIRE(env_spawn(env, host_other_main, &s, "other") != NULL);
	host_run(base, &s.done);
	dev_close(s.dev);
	make_file("disk");
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, false, &s.dev));
	s.done = false;
	ATF_REQUIRE(env_spawn(env, batch_main, &s, "batch") != NULL);
	host_run(base, &s.done);
	dev_close(s.dev);
	env_free(env);
	event_base_free(base);
}

/* The order in which sixteen simultaneous requests end, as a string. */
static void
order_trace(void *arg, uint64_t id, bool ended, enum io_op op, uint64_t off,
    const void *data, size_t len)
{
	if (ended)
		mark(arg, (char)('a' + id));
}

static void
order_main(void *arg)
{
	struct script *s = arg;
	struct iobatch batch;
	uint8_t *p = dev_alloc(512);
	int i;

	iobatch_init(&batch);
	for (i = 0; i < 16; i++)
		dev_submit(s->dev, IO_READ, (uint64_t)i * 512, p, 512, &batch);
	ATF_CHECK_EQ(0, env_io_wait(s->env, &batch));
	dev_free(p);
}

static void
order_of(uint64_t seed, char *out, size_t size)
{
	struct env *env = env_sim_new();
	struct script s;

	script_init(&s, env);
	ATF_REQUIRE_EQ(0, dev_open(env, "disk", -1, false, &s.dev));
	env_sim_latency(env, 1000, seed);
	env_sim_trace(env, order_trace, &s);
	ATF_REQUIRE(env_spawn(env, order_main, &s, "order") != NULL);
	env_sim_run(env, NULL);
	strlcpy(out, s.trace, size);
	dev_close(s.dev);
	env_free(env);
}

/*
 * The host's clock is coarse.  When something else wakes the loop just before
 * a deadline, its timer goes off too early; that once left a fiber asleep for
 * good.  Here something else always wakes it.
 */
struct sleeper {
	struct env *env;
	struct event_base *base;
	unsigned left;
};

static void
sleep_often(void *arg)
{
	struct sleeper *s = arg;

	for (; s->left > 0; s->left--)
		env_sleep(s->env, 1000 + s->left * 37 % 2000);
	event_base_loopbreak(s->base);
}

static void
ready_again(evutil_socket_t fd, short what, void *arg)
{
}

ATF_TC_WITHOUT_HEAD(host_early_timers);
ATF_TC_BODY(host_early_timers, tc)
{
	struct timeval limit = { .tv_sec = 60 };
	struct sleeper s = { .left = 400 };
	int fd = eventfd(1, EFD_CLOEXEC);
	struct event *busy;

	s.base = event_base_new();
	ATF_REQUIRE(s.base != NULL);
	s.env = env_host_new(s.base, 1);
	ATF_REQUIRE(s.env != NULL);
	ATF_REQUIRE(env_spawn(s.env, sleep_often, &s, "sleeper") != NULL);
	busy = event_new(s.base, fd, EV_READ | EV_PERSIST, ready_again, NULL);
	ATF_REQUIRE(busy != NULL && event_add(busy, NULL) == 0);
	event_base_loopexit(s.base, &limit);
	event_base_dispatch(s.base);
	event_free(busy);
	close(fd);
	ATF_REQUIRE_EQ_MSG(0, s.left, "%u sleeps never ended", s.left);
	env_free(s.env);
	event_base_free(s.base);
}

ATF_TC_WITHOUT_HEAD(seeded_order);
ATF_TC_BODY(seeded_order, tc)
{
	char a[64], b[64], c[64];

	make_file("disk");
	order_of(1, a, sizeof(a));
	order_of(1, b, sizeof(b));
	order_of(2, c, sizeof(c));
	ATF_CHECK_EQ(16, strlen(a));
	ATF_CHECK_STREQ(a, b);
	ATF_CHECK(strcmp(a, c) != 0);
	ATF_CHECK(strcmp(a, "abcdefghijklmnop") != 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, wait_and_wake);
	ATF_TP_ADD_TC(tp, deadlines);
	ATF_TP_ADD_TC(tp, wake_before_deadline);
	ATF_TP_ADD_TC(tp, many_fibers);
	ATF_TP_ADD_TC(tp, device_sim);
	ATF_TP_ADD_TC(tp, device_readonly);
	ATF_TP_ADD_TC(tp, host);
	ATF_TP_ADD_TC(tp, host_early_timers);
	ATF_TP_ADD_TC(tp, seeded_order);
	return atf_no_error();
}
