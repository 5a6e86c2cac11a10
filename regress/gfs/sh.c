/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sh.h"

extern char **environ;

/* Starts it with both outputs in fd. */
static pid_t
start(char *line, int fd)
{
	char name[] = "sh", c[] = "-c";
	char *argv[] = { name, c, line, NULL };
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int error;

	ATF_REQUIRE_EQ(0, posix_spawn_file_actions_init(&fa));
	ATF_REQUIRE_EQ(0, posix_spawn_file_actions_adddup2(&fa, fd, 1));
	ATF_REQUIRE_EQ(0, posix_spawn_file_actions_adddup2(&fa, fd, 2));
	error = posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ);
	if (error != 0)
		atf_tc_fail("/bin/sh is not started: %s", strerror(error));
	posix_spawn_file_actions_destroy(&fa);
	return pid;
}

static int
run(char *line, char *out, size_t size)
{
	char buf[4096];
	size_t used = 0, n;
	int fd[2], status;
	pid_t pid;
	ssize_t got;

	ATF_REQUIRE_EQ(0, pipe2(fd, O_CLOEXEC));
	pid = start(line, fd[1]);
	close(fd[1]);
	while ((got = read(fd[0], buf, sizeof(buf))) > 0 ||
	    (got == -1 && errno == EINTR)) {
		if (got == -1 || out == NULL)
			continue;
		n = MIN((size_t)got, size - 1 - used);
		memcpy(out + used, buf, n);
		used += n;
	}
	ATF_REQUIRE_EQ(0, got);
	close(fd[0]);
	if (out != NULL)
		out[used] = '\0';
	while (waitpid(pid, &status, 0) == -1)
		ATF_REQUIRE_EQ(EINTR, errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *PRINTF_LIKE(1, 0) make_line(const char *fmt, va_list ap)
{
	char *line;

	ATF_REQUIRE(vasprintf(&line, fmt, ap) != -1);
	return line;
}

int
sh_status(char *out, size_t size, const char *fmt, ...)
{
	char *line;
	va_list ap;
	int status;

	va_start(ap, fmt);
	line = make_line(fmt, ap);
	va_end(ap);
	status = run(line, out, size);
	free(line);
	return status;
}

void
sh(const char *fmt, ...)
{
	static char out[1 << 20];
	char *line;
	va_list ap;
	int status;

	va_start(ap, fmt);
	line = make_line(fmt, ap);
	va_end(ap);
	status = run(line, out, sizeof(out));
	if (status == 0) {
		free(line);
		return;
	}
	fprintf(stderr, "%s\n", out);
	if (status > 128)
		atf_tc_fail("killed by signal %d: %s", status - 128, line);
	atf_tc_fail("exit status %d: %s", status, line);
}

void
need_program(const char *name)
{
	if (sh_status(NULL, 0, "command -v %s", name) != 0)
		atf_tc_skip("%s is not installed", name);
}

void
sh_kernel(const char *srcdir, const char *image, const char *env,
    const char *line, char *out, size_t size)
{
	FILE *f;
	int status;

	/* It may have quotes of every kind. */
	f = fopen("kernel.cmd", "w");
	ATF_REQUIRE(f != NULL);
	fprintf(f, "%s\n", line);
	ATF_REQUIRE_EQ(0, fclose(f));
	status = sh_status(out, size,
	    "%s sh %s/../interop/kernel-gfs2 %s \"$(cat kernel.cmd)\" "
	    "2>kernel.err",
	    env, srcdir, image);
	if (status == 77)
		atf_tc_skip("user-mode Linux is not installed");
	if (status == 125 &&
	    sh_status(NULL, 0, "grep -qi gfs2 kernel.err") != 0)
		atf_tc_skip("user-mode Linux does not run here");
	if (status == 0)
		return;
	fprintf(stderr, "%s\n", out);
	sh_status(out, size, "cat kernel.err");
	fprintf(stderr, "%s\n", out);
	atf_tc_fail("exit status %d: %s", status, line);
}
