/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a process in the engine's sandbox can do the engine's work, is
 * killed when it tries anything else, and that dropping to a user cannot be
 * undone.
 */

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"
#include "proc.h"
#include "sandbox.h"

/* Runs fn in a sandboxed child; returns its wait status. */
static int
boxed(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		if (sandbox_engine() == -1)
			_exit(99);
		fn();
		_exit(0);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	return status;
}

static void UNUSED
try_open(void)
{
	(void)open("/etc/passwd", O_RDONLY);
}

static void
try_udp(void)
{
	(void)socket(AF_INET, SOCK_DGRAM, 0);
}

static void
try_unix(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
try_connect(void)
{
	(void)connect(0, NULL, 0);
}

static void
try_exec(void)
{
	char arg[] = "true";
	char *argv[] = { arg, NULL }, *envp[] = { NULL };

	(void)execve("/bin/true", argv, envp);
}

static void
try_fork(void)
{
	(void)fork();
}

static void
try_kill(void)
{
	(void)kill(getppid(), 0);
}

static void
try_exec_memory(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
try_unlink(void)
{
	(void)unlink("nothing");
}

static void
try_setuid(void)
{
	(void)!setuid(0);
}

static void
try_prctl(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void
try_ioctl_opt(void)
{
	int on = 1;

	(void)setsockopt(0, SOL_SOCKET, SO_MARK, &on, sizeof(on));
}

ATF_TC_WITHOUT_HEAD(forbidden);
ATF_TC_BODY(forbidden, tc)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tries[] = {
#ifndef SANITIZED /* refused only */
		{ "open", try_open },
#endif
		{ "udp", try_udp }, { "unix", try_unix },
		{ "connect", try_connect }, { "exec", try_exec },
		{ "fork", try_fork }, { "kill", try_kill },
		{ "exec memory", try_exec_memory }, { "unlink", try_unlink },
		{ "setuid", try_setuid }, { "prctl", try_prctl },
		{ "setsockopt", try_ioctl_opt }
	};
	size_t i;
	int status;

	for (i = 0; i < NITEMS(tries); i++) {
		status = boxed(tries[i].fn);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			atf_tc_fail_nonfatal("%s: status 0x%x, not SIGSYS",
			    tries[i].name, (unsigned)status);
	}
}

static void
do_the_work(void)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int pair[2] = { 10, 11 };
	char c = 'x';
	void *p;

	if (send(pair[0], &c, 1, MSG_NOSIGNAL) != 1 ||
	    recv(pair[1], &c, 1, 0) != 1)
		_exit(1);
	if (getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		_exit(2);
	/* Large and small memory, the clock, a log line in every way. */
	p = malloc(8 * 1024 * 1024);
	if (p == NULL)
		_exit(3);
	memset(p, 1, 8 * 1024 * 1024);
	free(p);
	log_warnx("a line");
	syslog(LOG_DEBUG, "clusterd sandbox test");
	/* The log daemon was restarted: a new connection is refused. */
	closelog();
	syslog(LOG_DEBUG, "clusterd sandbox test");
	close(pair[0]);
	_exit(42);
}

ATF_TC_WITHOUT_HEAD(allowed);
ATF_TC_BODY(allowed, tc)
{
	int pair[2], status;

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	ATF_REQUIRE_EQ(10, dup2(pair[0], 10));
	ATF_REQUIRE_EQ(11, dup2(pair[1], 11));
	log_init("test", true, true);
	/* As proc_child_init() does: read once, while files can be. */
	log_warnx("the first line reads the time zone");
	openlog("test", LOG_NDELAY, LOG_DAEMON);
	syslog(LOG_DEBUG, "clusterd sandbox test");
	status = boxed(do_the_work);
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 42,
	    "status 0x%x", (unsigned)status);
}

static void
do_abort(void)
{
	abort();
}

ATF_TC_WITHOUT_HEAD(abort_is_an_abort);
ATF_TC_BODY(abort_is_an_abort, tc)
{
	int status = boxed(do_abort);

	ATF_CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	    "status 0x%x", (unsigned)status);
}

#ifdef SANITIZED
static void
do_overflow(void)
{
	volatile char *p = malloc(8);
	volatile size_t behind = 8; /* which the compiler must not see */

	p[behind] = 1;
	free((char *)(uintptr_t)p);
}

ATF_TC_WITHOUT_HEAD(report);
ATF_TC_BODY(report, tc)
{
	char text[65536];
	int fd, old, status;
	ssize_t n;

	fd = open("report", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ATF_REQUIRE(fd != -1);
	old = dup(STDERR_FILENO);
	ATF_REQUIRE(old != -1 && dup2(fd, STDERR_FILENO) != -1);
	status = boxed(do_overflow);
	ATF_REQUIRE(dup2(old, STDERR_FILENO) != -1);
	ATF_CHECK_MSG(WIFEXITED(status), "status 0x%x", (unsigned)status);
	n = pread(fd, text, sizeof(text) - 1, 0);
	ATF_REQUIRE(n >= 0);
	text[n] = '\0';
	/* UBSan, which may know the size, or ASan; to the end of the report. */
	ATF_CHECK_MSG((strstr(text, "runtime error: ") != NULL &&
			  strstr(text, "note: pointer points here") != NULL) ||
		(strstr(text, "ERROR: AddressSanitizer") != NULL &&
		    strstr(text, "ABORTING") != NULL),
	    "%s", text);
}
#endif

/* The number behind "key:" in our own status. */
static long
own_status(const char *key)
{
	char line[256];
	long value = -1;
	FILE *f;

	f = fopen("/proc/self/status", "r");
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	fclose(f);
	return value;
}

ATF_TC(drop);
ATF_TC_HEAD(drop, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(drop, tc)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int status, proc;

	if (proc_user("nobody", &uid, &gid) == -1)
		atf_tc_skip("there is no user nobody");
	proc = open("/proc", O_RDONLY | O_DIRECTORY);
	ATF_REQUIRE(proc != -1);
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		proc_drop("nobody", ".");
		if (getuid() != uid || geteuid() != uid || getgid() != gid)
			_exit(1);
		if (setuid(0) != -1 || seteuid(0) != -1 || setgid(0) != -1)
			_exit(2);
		if (access("/etc", F_OK) == 0)
			_exit(3);
		/* Out of the chroot by a descriptor, to see our status. */
		if (fchdir(proc) == -1 || getgroups(0, NULL) != 1)
			_exit(4);
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 42 : 5);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 42,
	    "status 0x%x", (unsigned)status);
}

ATF_TC_WITHOUT_HEAD(status);
ATF_TC_BODY(status, tc)
{
	char c;
	int pair[2], up[2];
	char path[64];
	pid_t pid;
	FILE *f;
	char line[256];
	long seccomp = -1, nnp = -1;

	ATF_CHECK_EQ(0, own_status("Seccomp:"));
	ATF_REQUIRE_EQ(0, pipe(pair));
	ATF_REQUIRE_EQ(0, pipe(up));
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		close(pair[1]);
		if (sandbox_engine() == -1)
			_exit(99);
		(void)!write(up[1], "", 1);
		(void)!read(pair[0], &c, 1);
		_exit(0);
	}
	ATF_REQUIRE_EQ(1, read(up[0], &c, 1));
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	ATF_REQUIRE(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "Seccomp:", 8) == 0)
			seccomp = strtol(line + 8, NULL, 10);
		if (strncmp(line, "NoNewPrivs:", 11) == 0)
			nnp = strtol(line + 11, NULL, 10);
	}
	fclose(f);
	ATF_CHECK_EQ(2, seccomp);
	ATF_CHECK_EQ(1, nnp);
	close(pair[1]);
	ATF_REQUIRE_EQ(pid, waitpid(pid, NULL, 0));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, forbidden);
	ATF_TP_ADD_TC(tp, allowed);
	ATF_TP_ADD_TC(tp, abort_is_an_abort);
#ifdef SANITIZED
	ATF_TP_ADD_TC(tp, report);
#endif
	ATF_TP_ADD_TC(tp, drop);
	ATF_TP_ADD_TC(tp, status);
	return atf_no_error();
}
