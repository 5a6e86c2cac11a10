/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "proc.h"

#define BACKOFF_FIRST_US UINT64_C(1000000)
#define BACKOFF_LAST_US	 UINT64_C(30000000)

enum {
	PRIORITY = -15, /* as nice(1) counts, where RR is refused */
	RR_PRIORITY = 2 /* low: other real-time tasks know why they are */
};

const char *
proc_role_name(enum proc_role role)
{
	switch (role) {
	case ROLE_PARENT:
		return "clusterd";
	case ROLE_ENGINE:
		return "engine";
	case ROLE_FENCE:
		return "fence";
	case ROLE_BEAT:
		return "beat";
	case ROLE_QDEVICE:
		return "qdevice";
	case ROLE_WITNESS:
		return "witness";
	}
	return "unknown";
}

static const char *
proc_role_flag(enum proc_role role)
{
	static const char *const flags[] = { [ROLE_ENGINE] = "-E",
		[ROLE_FENCE] = "-F",
		[ROLE_BEAT] = "-B",
		[ROLE_QDEVICE] = "-Q",
		[ROLE_WITNESS] = "-W" };

	return flags[role];
}

int
proc_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

struct program {
	enum proc_role role;
	const struct proc_opts *opts;
};

/* Between fork and exec: only calls that are safe there. */
static void
child_exec(const void *arg, int fd)
{
	const struct program *p = arg;
	const struct proc_opts *o = p->opts;
	const char *argv[12], *envp[4];
	char *journal;
	size_t n = 0, e = 0;
	sigset_t none;
	char var[128];

	argv[n++] = "clusterd";
	argv[n++] = proc_role_flag(p->role);
	if (o->foreground)
		argv[n++] = "-d";
	if (o->verbose)
		argv[n++] = "-v";
	argv[n++] = "-u";
	argv[n++] = o->user;
	argv[n++] = "-C";
	argv[n++] = o->empty;
	argv[n] = NULL;

	envp[e++] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	journal = getenv("JOURNAL_STREAM");
	if (journal != NULL) {
		snprintf(var, sizeof(var), "JOURNAL_STREAM=%s", journal);
		envp[e++] = var;
	}
	envp[e] = NULL;

	/* dup2 onto itself would keep close-on-exec. */
	if (fd == PROC_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, PROC_FD) == -1)
		_exit(127);
	closefrom(PROC_FD + 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", (char *const *)(uintptr_t)argv,
	    (char *const *)(uintptr_t)envp);
	_exit(127);
}

pid_t
proc_fork(int *fd, void (*child)(const void *, int), const void *arg)
{
	int pair[2], saved;
	pid_t pid;

	if (proc_pair(pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		child(arg, pair[1]);
		_exit(1);
	}
	saved = errno;
	close(pair[1]);
	if (pid == -1) {
		close(pair[0]);
		errno = saved;
		return -1;
	}
	*fd = pair[0];
	return pid;
}

pid_t
proc_spawn(enum proc_role role, const struct proc_opts *o, int *fd)
{
	struct program p = { role, o };

	return proc_fork(fd, child_exec, &p);
}

void
proc_child_init(enum proc_role role, const struct proc_opts *o)
{
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), "clusterd: %s", proc_role_name(role));
	log_init(name, o->foreground, o->verbose);
	if (fstat(PROC_FD, &st) == -1 || !S_ISSOCK(st.st_mode))
		fatalx("%s: started by hand: this role is for the daemon's own "
		       "use",
		    name);
	(void)fcntl(PROC_FD, F_SETFD, FD_CLOEXEC);
	/*
	 * A terminal sends SIGINT to all of us; the parent alone decides, and
	 * its end shows as the end of the channel.
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setproctitle("%s", proc_role_name(role));
	/* The time zone is read now, while files can still be opened. */
	tzset();
}

void
proc_ended(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(text, size,
		    "it made a system call it has no business with");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "it was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "it exited with status %d",
		    WEXITSTATUS(status));
}

/*
 * None after the first crash: of an engine the mounts are gone, and a new
 * incarnation tells the others so before they lose patience and switch the
 * machine off.
 */
uint64_t
proc_backoff(uint64_t crashes)
{
	uint64_t wait = BACKOFF_FIRST_US;

	if (crashes <= 1)
		return 0;
	while (crashes-- > 2 && wait < BACKOFF_LAST_US)
		wait *= 2;
	return MIN(wait, BACKOFF_LAST_US);
}

void
proc_drop(const char *user, const char *dir)
{
	uid_t uid;
	gid_t gid;

	if (proc_user(user, &uid, &gid) == -1)
		fatalx("user %s does not exist: useradd --system %s", user,
		    user);
	if (chroot(dir) == -1 || chdir("/") == -1)
		fatal("chroot %s", dir);
	if (setgroups(1, &gid) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		fatal("cannot become user %s", user);
	/* A user id that still can go back to root has dropped nothing. */
	if (uid != 0 && setuid(0) != -1)
		fatalx("user %s can become root again", user);
	proc_no_new_privs();
}

void
proc_prompt(void)
{
	struct rlimit rl = { .rlim_cur = RLIM_INFINITY,
		.rlim_max = RLIM_INFINITY };
	struct sched_param sp = { .sched_priority = RR_PRIORITY };

	/*
	 * The limit is that of the user we are about to become.  Memory is
	 * locked only without one: under a limit a later allocation fails,
	 * and a client could bring that about.
	 */
	if (setrlimit(RLIMIT_MEMLOCK, &rl) == -1)
		log_debug("memory is not locked: no right to lift its limit");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1)
		log_debug("mlockall: %s", strerror(errno));
	/* The kernel leaves the others a share, whatever we do. */
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &sp) == 0)
		return;
	log_debug("round-robin scheduling: %s", strerror(errno));
	if (setpriority(PRIO_PROCESS, 0, PRIORITY) == -1)
		log_debug("setpriority: %s", strerror(errno));
}

void
proc_no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("prctl(PR_SET_NO_NEW_PRIVS)");
}

void
proc_die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		fatal("prctl(PR_SET_PDEATHSIG)");
}

int
proc_user(const char *user, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw;

	pw = getpwnam(user);
	if (pw == NULL)
		return -1;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

bool
proc_under_journal(void)
{
	const char *var = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat st;

	if (var == NULL || fstat(STDERR_FILENO, &st) == -1)
		return false;
	snprintf(mine, sizeof(mine), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return strcmp(var, mine) == 0;
}

void
proc_notify(const char *state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		(const struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) ==
	    -1)
		log_warn("service manager: %s", path);
	close(fd);
}
