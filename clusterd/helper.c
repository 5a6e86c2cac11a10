/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include "helper.h"
#include "log.h"
#include "proc.h"

struct task {
	const char *title;
	void (*run)(struct loop *, int, const void *);
	const void *arg;
};

static void
helper(const void *arg, int fd)
{
	const struct task *t = arg;
	struct loop *loop;

	if (fd != PROC_FD && dup3(fd, PROC_FD, O_CLOEXEC) == -1)
		fatal("%s", t->title);
	/* What syslog(3) has open is closed by the next line, too. */
	closelog();
	closefrom(PROC_FD + 1);
	setproctitle("%s", t->title);
	proc_prompt();
	loop = loop_new();
	if (loop == NULL)
		fatal("loop");
	t->run(loop, PROC_FD, t->arg);
}

int
helper_start(const char *title, void (*run)(struct loop *, int, const void *),
    const void *arg)
{
	struct task t = { title, run, arg };
	int fd;

	return proc_fork(&fd, helper, &t) == -1 ? -1 : fd;
}
