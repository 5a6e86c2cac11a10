/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include "helper.h"
#include "log.h"
#include "proc.h"

static void NORETURN
helper(const char *title, void (*run)(struct loop *, int, const void *),
    const void *arg, int fd)
{
	struct loop *loop;

	if (fd != PROC_FD && dup3(fd, PROC_FD, O_CLOEXEC) == -1)
		fatal("%s", title);
	/* What syslog(3) has open is closed by the next line, too. */
	closelog();
	closefrom(PROC_FD + 1);
	setproctitle("%s", title);
	proc_prompt();
	loop = loop_new();
	if (loop == NULL)
		fatal("loop");
	run(loop, PROC_FD, arg);
	_exit(1);
}

int
helper_start(const char *title, void (*run)(struct loop *, int, const void *),
    const void *arg)
{
	int pair[2], saved;
	pid_t pid;

	if (proc_pair(pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		helper(title, run, arg, pair[1]);
	saved = errno;
	close(pair[1]);
	if (pid != -1)
		return pair[0];
	close(pair[0]);
	errno = saved;
	return -1;
}
