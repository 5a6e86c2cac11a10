/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/pidfd.h>
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "mounts.h"

struct mount {
	LIST_ENTRY(mount) entry;
	struct mounts *mounts;
	struct loop_io *io;
	int pidfd;
	pid_t pid;
	char fs[64];
	char dir[PATH_MAX];
};

struct mounts {
	struct loop *loop;
	LIST_HEAD(, mount) list;
	unsigned n;
	void (*gone)(void *);
	void *arg;
};

struct mounts *
mounts_new(struct loop *loop, void (*gone)(void *), void *arg)
{
	struct mounts *ms = calloc(1, sizeof(*ms));

	if (ms == NULL)
		fatal("mounts");
	ms->loop = loop;
	ms->gone = gone;
	ms->arg = arg;
	LIST_INIT(&ms->list);
	return ms;
}

static void
drop(struct mount *m)
{
	LIST_REMOVE(m, entry);
	m->mounts->n--;
	loop_io_free(m->io);
	close(m->pidfd);
	free(m);
}

void
mounts_free(struct mounts *ms)
{
	struct mount *m;

	while ((m = LIST_FIRST(&ms->list)) != NULL)
		drop(m);
	free(ms);
}

static void
ended(void *arg, unsigned what)
{
	struct mount *m = arg;
	struct mounts *ms = m->mounts;

	log_info("fs %s: process %d of the mount %s has ended", m->fs,
	    (int)m->pid, m->dir);
	drop(m);
	if (ms->n == 0)
		ms->gone(ms->arg);
}

/* 0, or -1: not the program we stop. */
static int
check_program(pid_t pid)
{
	static const char deleted[] = " (deleted)";
	char link[64], path[PATH_MAX], *base;
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n == -1)
		return -1;
	path[n] = '\0';
	/* A package was upgraded under a running mount. */
	if ((size_t)n >= sizeof(deleted) &&
	    strcmp(path + n - (sizeof(deleted) - 1), deleted) == 0)
		path[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	base = strrchr(path, '/');
	if (base == NULL || stat(link, &st) == -1)
		return -1;
	if (strcmp(base + 1, MOUNTS_PROGRAM) != 0 || st.st_uid != 0 ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static bool
has_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

int
mounts_add(struct mounts *ms, pid_t pid, const char *fs, const char *dir)
{
	struct mount *m;
	int fd, saved;

	if (ms->n >= MOUNTS_KEPT) {
		errno = ENOSPC;
		return -1;
	}
	fd = pidfd_open(pid, 0);
	if (fd == -1)
		return -1;
	if (check_program(pid) == -1)
		goto fail;
	/* Checked after: the number may have changed hands in between. */
	if (has_ended(fd)) {
		errno = ESRCH;
		goto fail;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		goto fail;
	m->mounts = ms;
	m->pid = pid;
	m->pidfd = fd;
	(void)strlcpy(m->fs, fs, sizeof(m->fs));
	(void)strlcpy(m->dir, dir, sizeof(m->dir));
	m->io = loop_io_new(ms->loop, fd, LOOP_READ, ended, m);
	LIST_INSERT_HEAD(&ms->list, m, entry);
	ms->n++;
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

unsigned
mounts_count(const struct mounts *ms)
{
	return ms->n;
}

void
mounts_signal(struct mounts *ms, int signo, const char *why)
{
	struct mount *m;

	LIST_FOREACH(m, &ms->list, entry) {
		log_warnx("fs %s: stopping the mount %s (process %d): %s",
		    m->fs, m->dir, (int)m->pid, why);
		if (pidfd_send_signal(m->pidfd, signo, NULL, 0) == -1 &&
		    errno != ESRCH)
			log_warn("fs %s: process %d", m->fs, (int)m->pid);
	}
}
