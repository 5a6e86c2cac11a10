/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * An agent, and a heuristic, is somebody else's program: it may hang, flood, ignore signals,
 * and leave children behind.  It runs as the leader of a session of its own;
 * when it has ended, or its time is over, the whole group is killed.  The
 * group's number stays ours until the leader is reaped, so the kill comes
 * first.  What left the group is found by fence.c, which inherits it.
 */

#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "run.h"

enum {
	READ_TURN = 65536 /* bytes read before others have a turn */
};

struct run {
	struct loop *loop;
	pid_t pid;
	int pidfd, in, out;
	struct loop_io *end_io, *in_io, *out_io;
	struct loop_timer *limit;
	bool timeout, ended;
	uint8_t *input; /* what the agent has not read yet */
	size_t len, off;
	/* The last bytes of output. */
	char tail[RUN_TAIL];
	size_t ntail;
	void (*done)(void *, const struct run_result *);
	void *arg;
};

static const char *const folders[] = { "/usr/sbin", "/usr/local/sbin",
	"/usr/libexec/clusterd" };

static bool
usable(const char *path, char *why, size_t whysize)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, whysize, "%s: not a regular file", path);
		return false;
	}
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		snprintf(why, whysize,
		    "%s: must belong to root and be writable by nobody else",
		    path);
		return false;
	}
	if ((st.st_mode & S_IXUSR) == 0) {
		snprintf(why, whysize, "%s: not executable", path);
		return false;
	}
	return true;
}

bool
run_find(const char *agent, char *path, size_t size, char *why, size_t whysize)
{
	size_t i;

	if (agent[0] == '/') {
		if (strlcpy(path, agent, size) < size)
			return usable(path, why, whysize);
		snprintf(why, whysize, "the agent's path is too long");
		return false;
	}
	if (strchr(agent, '/') != NULL) {
		snprintf(why, whysize,
		    "%s: neither a name nor an absolute "
		    "path",
		    agent);
		return false;
	}
	for (i = 0; i < NITEMS(folders); i++) {
		snprintf(path, size, "%s/%s", folders[i], agent);
		if (access(path, F_OK) == 0)
			return usable(path, why, whysize);
	}
	snprintf(why, whysize, "%s: there is no such agent in %s", agent,
	    folders[0]);
	return false;
}

/* Between fork and exec. */
static void NORETURN
child(const char *const *argv, int in, int out)
{
	static const struct {
		int what;
		rlim_t max;
	} limits[] = { { RLIMIT_CORE, 0 }, { RLIMIT_NOFILE, 256 },
		{ RLIMIT_FSIZE, 16 * 1024 * 1024 } };
	char lang[] = "LC_ALL=C";
	char search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { lang, search, NULL };
	struct rlimit rl;
	sigset_t none;
	size_t i;
	int sig;

	setsid();
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(out, STDERR_FILENO) == -1)
		_exit(127);
	closefrom(STDERR_FILENO + 1);
	for (i = 0; i < NITEMS(limits); i++) {
		rl.rlim_cur = rl.rlim_max = limits[i].max;
		(void)setrlimit(limits[i].what, &rl);
	}
	umask(077);
	if (chdir("/") == -1)
		_exit(127);
	execve(argv[0], (char *const *)(uintptr_t)argv, env);
	_exit(127);
}

static void
input_close(struct run *r)
{
	loop_io_free(r->in_io);
	r->in_io = NULL;
	if (r->in != -1)
		close(r->in);
	r->in = -1;
	/* Passwords were among these lines. */
	freezero(r->input, r->len);
	r->input = NULL;
}

static void
input_ready(void *arg, unsigned what)
{
	struct run *r = arg;
	ssize_t n;

	n = write(r->in, r->input + r->off, r->len - r->off);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->off += (size_t)n;
	/* An agent that does not read its input is free not to. */
	if (n == -1 || r->off == r->len)
		input_close(r);
}

static void
keep(struct run *r, const char *data, size_t len)
{
	size_t drop;

	if (len >= sizeof(r->tail)) {
		memcpy(r->tail, data + len - sizeof(r->tail), sizeof(r->tail));
		r->ntail = sizeof(r->tail);
		return;
	}
	if (r->ntail + len > sizeof(r->tail)) {
		drop = r->ntail + len - sizeof(r->tail);
		memmove(r->tail, r->tail + drop, r->ntail - drop);
		r->ntail -= drop;
	}
	memcpy(r->tail + r->ntail, data, len);
	r->ntail += len;
}

static void
output_close(struct run *r)
{
	loop_io_free(r->out_io);
	r->out_io = NULL;
	if (r->out != -1)
		close(r->out);
	r->out = -1;
}

/* Reads a bounded amount; a flood must not hold up the time limit. */
static void
output_ready(void *arg, unsigned what)
{
	struct run *r = arg;
	char chunk[4096];
	size_t total = 0;
	ssize_t n;

	while (total < READ_TURN) {
		n = read(r->out, chunk, sizeof(chunk));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			output_close(r);
			return;
		}
		keep(r, chunk, (size_t)n);
		total += (size_t)n;
	}
}

/* The last line with something in it; only printable ASCII survives. */
static void
last_line(const struct run *r, char *dst, size_t size)
{
	size_t end = r->ntail, begin, i, n = 0;

	while (end > 0 && (unsigned char)r->tail[end - 1] <= ' ')
		end--;
	begin = end;
	while (begin > 0 && r->tail[begin - 1] != '\n' &&
	    r->tail[begin - 1] != '\r')
		begin--;
	for (i = begin; i < end && n < size - 1; i++)
		dst[n++] =
		    r->tail[i] >= ' ' && r->tail[i] <= '~' ? r->tail[i] : '?';
	dst[n] = '\0';
}

static void
finish(struct run *r)
{
	struct run_result res = { .timeout = r->timeout };
	siginfo_t si;

	/* While the leader is unreaped its number names this group only. */
	kill(-r->pid, SIGKILL);
	memset(&si, 0, sizeof(si));
	while (waitid(P_PIDFD, (id_t)r->pidfd, &si, WEXITED) == -1)
		if (errno != EINTR)
			break;
	r->ended = true;
	res.signaled = si.si_code != CLD_EXITED;
	res.code = si.si_status;
	/* What is in the pipe by now; a child may hold it open for ever. */
	if (r->out != -1)
		output_ready(r, LOOP_READ);
	output_close(r);
	input_close(r);
	loop_io_free(r->end_io);
	r->end_io = NULL;
	loop_timer_stop(r->limit);
	res.quiet = r->ntail == 0;
	last_line(r, res.last, sizeof(res.last));
	r->done(r->arg, &res);
}

static void
agent_ended(void *arg, unsigned what)
{
	finish(arg);
}

static void
limit_reached(void *arg)
{
	struct run *r = arg;

	if (!r->timeout) {
		r->timeout = true;
		kill(-r->pid, SIGTERM);
		loop_timer_set(r->limit, RUN_GRACE_US);
	} else
		kill(-r->pid, SIGKILL);
}

static int
pipe_new(int fds[2], int ours)
{
	int flags;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	flags = fcntl(fds[ours], F_GETFL);
	if (flags != -1 && fcntl(fds[ours], F_SETFL, flags | O_NONBLOCK) != -1)
		return 0;
	close(fds[0]);
	close(fds[1]);
	return -1;
}

/* 0, or -1 with errno: nothing is left running. */
static int
launch(struct run *r, const char *const *argv)
{
	int in[2], out[2], saved;

	if (pipe_new(in, 1) == -1)
		return -1;
	if (pipe_new(out, 0) == -1) {
		saved = errno;
		close(in[0]);
		close(in[1]);
		errno = saved;
		return -1;
	}
	r->pid = fork();
	if (r->pid == 0)
		child(argv, in[0], out[1]);
	saved = errno;
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	if (r->pid == -1) {
		errno = saved;
		return -1;
	}
	r->pidfd = pidfd_open(r->pid, 0);
	if (r->pidfd == -1) {
		saved = errno;
		kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, NULL, 0);
		r->pid = -1;
		errno = saved;
		return -1;
	}
	return 0;
}

struct run *
run_new(struct loop *loop, const char *const *argv, const void *input,
    size_t len, uint64_t timeout_us,
    void (*done)(void *, const struct run_result *), void *arg)
{
	struct run *r = calloc(1, sizeof(*r));
	int saved;

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->pid = -1;
	r->pidfd = r->in = r->out = -1;
	r->done = done;
	r->arg = arg;
	r->limit = loop_timer_new(loop, limit_reached, r);
	r->input = calloc(1, len + 1);
	if (r->input == NULL)
		goto fail;
	memcpy(r->input, input, len);
	r->len = len;
	if (launch(r, argv) == -1)
		goto fail;
	r->end_io = loop_io_new(loop, r->pidfd, LOOP_READ, agent_ended, r);
	r->in_io = loop_io_new(loop, r->in, LOOP_WRITE, input_ready, r);
	r->out_io = loop_io_new(loop, r->out, LOOP_READ, output_ready, r);
	loop_timer_set(r->limit, timeout_us);
	return r;
fail:
	saved = errno;
	run_free(r);
	errno = saved;
	return NULL;
}

void
run_free(struct run *r)
{
	if (r == NULL)
		return;
	if (r->pid != -1 && !r->ended) {
		kill(-r->pid, SIGKILL);
		/* It may not have made its session yet. */
		kill(r->pid, SIGKILL);
		while (waitpid(r->pid, NULL, 0) == -1 && errno == EINTR)
			;
	}
	loop_io_free(r->end_io);
	input_close(r);
	output_close(r);
	if (r->pidfd != -1)
		close(r->pidfd);
	loop_timer_free(r->limit);
	free(r);
}
