/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the parent keeps only processes that are mounts, learns of
 * their end, stops them, and never touches anybody else.
 */

#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "mounts.h"

#define SECOND UINT64_C(1000000)

static struct loop *loop;
static struct mounts *mounts;
static unsigned gone;

static void
all_gone(void *arg)
{
	gone++;
}

static void
tick(void *arg)
{
}

static void
setup(void)
{
	log_init("test", true, false);
	loop = loop_new();
	ATF_REQUIRE(loop != NULL);
	mounts = mounts_new(loop, all_gone, NULL);
}

static void
until_gone(unsigned want)
{
	uint64_t end = clock_boot_us() + 30 * SECOND;
	struct loop_timer *t = loop_timer_new(loop, tick, NULL);

	while (gone < want) {
		ATF_REQUIRE(clock_boot_us() < end);
		loop_timer_set(t, 10000);
		loop_once(loop);
	}
	loop_timer_free(t);
}

/* A copy of sleep under another name and mode. */
static void
copy_sleep(const char *name, mode_t mode)
{
	char buf[65536];
	ssize_t n;
	int in, out;

	in = open("/bin/sleep", O_RDONLY);
	out = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ATF_REQUIRE(in != -1 && out != -1);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		ATF_REQUIRE_EQ(n, write(out, buf, (size_t)n));
	close(in);
	ATF_REQUIRE_EQ(0, fchmod(out, mode));
	close(out);
}

/* Runs a program; returns once it has replaced this one. */
static pid_t
start(const char *path)
{
	int sync[2];
	char c;
	pid_t pid;

	ATF_REQUIRE_EQ(0, pipe2(sync, O_CLOEXEC));
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		execl(path, path, "1000", (char *)NULL);
		_exit(1);
	}
	close(sync[1]);
	/* The pipe closes when the program is executed. */
	ATF_REQUIRE_EQ(0, read(sync[0], &c, 1));
	close(sync[0]);
	return pid;
}

ATF_TC(kept_and_killed);
ATF_TC_HEAD(kept_and_killed, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(kept_and_killed, tc)
{
	pid_t a, b;
	int status;

	setup();
	copy_sleep("mount.gfs", 0755);
	a = start("./mount.gfs");
	b = start("./mount.gfs");
	ATF_REQUIRE_EQ(0, mounts_add(mounts, a, "data", "/srv/data"));
	ATF_REQUIRE_EQ(0, mounts_add(mounts, b, "more", "/srv/more"));
	ATF_CHECK_EQ(2, mounts_count(mounts));
	mounts_signal(mounts, SIGTERM, "test");
	until_gone(1);
	ATF_CHECK_EQ(0, mounts_count(mounts));
	ATF_CHECK_EQ(1, gone);
	ATF_REQUIRE_EQ(a, waitpid(a, &status, 0));
	ATF_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	ATF_REQUIRE_EQ(b, waitpid(b, &status, 0));
	ATF_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	mounts_free(mounts);
}

ATF_TC(upgraded);
ATF_TC_HEAD(upgraded, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(upgraded, tc)
{
	pid_t a;

	setup();
	copy_sleep("mount.gfs", 0755);
	a = start("./mount.gfs");
	/* Its file is replaced while it runs. */
	ATF_REQUIRE_EQ(0, unlink("mount.gfs"));
	ATF_REQUIRE_EQ(0, mounts_add(mounts, a, "data", "/srv/data"));
	mounts_signal(mounts, SIGKILL, "test");
	until_gone(1);
	ATF_REQUIRE_EQ(a, waitpid(a, NULL, 0));
	mounts_free(mounts);
}

static void
refused(pid_t pid, int error)
{
	ATF_CHECK_EQ(-1, mounts_add(mounts, pid, "data", "/srv/data"));
	ATF_CHECK_EQ_MSG(error, errno, "%s", strerror(errno));
	ATF_CHECK_EQ(0, mounts_count(mounts));
}

ATF_TC(others_are_refused);
ATF_TC_HEAD(others_are_refused, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(others_are_refused, tc)
{
	pid_t pid;

	setup();
	refused(getpid(), EPERM);
	copy_sleep("other", 0755);
	pid = start("./other");
	refused(pid, EPERM);
	mounts_signal(mounts, SIGKILL, "test");
	ATF_CHECK_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	ATF_REQUIRE_EQ(pid, waitpid(pid, NULL, 0));
	refused(pid, ESRCH);

	/* The right name, but anybody could have written it. */
	copy_sleep("mount.gfs", 0777);
	pid = start("./mount.gfs");
	refused(pid, EPERM);
	kill(pid, SIGKILL);
	ATF_REQUIRE_EQ(pid, waitpid(pid, NULL, 0));
	ATF_CHECK_EQ(0, gone);
	mounts_free(mounts);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, kept_and_killed);
	ATF_TP_ADD_TC(tp, upgraded);
	ATF_TP_ADD_TC(tp, others_are_refused);
	return atf_no_error();
}
