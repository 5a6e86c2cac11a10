/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * mount.gfs: one mounted volume.  Three processes: the command, which waits
 * until the mount is live and reports; the keeper, which stays root, does
 * nothing but wait, and unmounts when it is told to; and the worker, which
 * mounts, drops root and serves.
 *
 * When the worker dies unexpectedly the dead mount point stays: programs get
 * an error instead of writing into the empty directory below.  The next
 * mount.gfs on that directory removes it.
 */

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <blkid/blkid.h>
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd/log.h"
#include "dev.h"
#include "fuse_host.h"
#include "lock_cluster.h"
#include "mount_opts.h"
#include "ondisk.h"

/* Exit codes of mount(8). */
enum {
	EX_USAGE_MOUNT = 1,
	EX_SYSTEM_MOUNT = 2,
	EX_FAIL = 32
};
enum {
	IO_THREADS = 4
};

struct worker {
	const struct mount_opts *o;
	const struct gfs_mount *gm;
	struct event_base *base;
	struct env *env;
	struct gfs *fs;
	struct fuse_host host;
	int status; /* pipe to the command, -1: told already */
	int exitcode;
	bool clustered;
	bool withdrawn; /* said in the log */
};

/* The worker's report: exit code and a sentence ("": the mount is live). */
static void
report(struct worker *w, int code, const char *text)
{
	char msg[512];
	int n;

	if (w->status == -1)
		return;
	n = snprintf(msg, sizeof(msg), "%c%s", (char)code, text);
	if (write(w->status, msg, (size_t)MIN(n, (int)sizeof(msg) - 1)) == -1)
		log_warn("report");
	close(w->status);
	w->status = -1;
}

static void
gfs_line(void *arg, const char *line)
{
	struct worker *w = arg;

	log_info("%s: %s", w->o->dir, line);
	if (w->fs == NULL || w->withdrawn || !gfs_withdrawn(w->fs, NULL))
		return;
	w->withdrawn = true;
	/*
	 * Others wait for our locks and can replay our journal only when we
	 * are gone.  Alone on the volume the mount stays and refuses.
	 */
	if (w->clustered) {
		w->exitcode = EX_FAIL;
		event_base_loopbreak(w->base);
	}
}

/* What is on the device, if not GFS2; false and a sentence. */
static bool
probe(const char *device, char *why, size_t len)
{
	blkid_probe pr;
	const char *type = NULL;
	bool ok = true;
	int fd;

	/* libblkid reads as it pleases, which O_DIRECT forbids. */
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return true;
	pr = blkid_new_probe();
	if (pr == NULL) {
		close(fd);
		return true;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_enable_partitions(pr, 1);
	if (blkid_probe_set_device(pr, fd, 0, 0) == 0 &&
	    blkid_do_safeprobe(pr) == 0) {
		if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0 &&
		    strcmp(type, "gfs2") != 0) {
			snprintf(why, len, "%s holds %s, not GFS2", device,
			    type);
			ok = false;
		} else if (type == NULL &&
		    blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL) == 0) {
			snprintf(why, len,
			    "%s holds a partition table (%s): "
			    "name the partition",
			    device, type);
			ok = false;
		}
	}
	blkid_free_probe(pr);
	close(fd);
	return ok;
}

static int
open_device(const struct mount_opts *o, char *why, size_t len)
{
	int flags = (o->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;
	int fd;

	fd = open(o->device, flags | O_DIRECT);
	/* A plain file on a file system that has no O_DIRECT. */
	if (fd == -1 && errno == EINVAL && stat(o->device, &st) == 0 &&
	    S_ISREG(st.st_mode))
		fd = open(o->device, flags);
	if (fd == -1) {
		snprintf(why, len, "%s: %s%s", o->device, strerror(errno),
		    errno == EROFS || errno == EACCES ?
			" (to look only, mount it with -o ro)" :
			"");
		return -1;
	}
	if (probe(o->device, why, len))
		return fd;
	close(fd);
	return -1;
}

/* The lock protocol in the superblock; its other errors are sb.c's. */
static bool
volume_proto(int fd, char *proto, size_t protolen, char *why, size_t whylen)
{
	struct sb sb;
	uint8_t *buf;
	ssize_t n;
	bool ok = true;

	buf = dev_alloc(DEV_ALIGN);
	if (buf == NULL) {
		snprintf(why, whylen, "out of memory");
		return false;
	}
	n = pread(fd, buf, DEV_ALIGN, OD_SB_OFFSET);
	proto[0] = '\0';
	if (n > 0 && sb_decode(&sb, buf, (size_t)n) == OD_OK)
		strlcpy(proto, sb.lockproto, protolen);
	dev_free(buf);
	if (strncmp(proto, "fsck_", 5) == 0) {
		snprintf(why, whylen,
		    "fsck.gfs2 is at work on the volume, or "
		    "was interrupted: let it finish");
		ok = false;
	}
	return ok;
}

/* The option goes before the superblock; a contradiction is refused. */
static bool
choose_proto(const struct mount_opts *o, char *proto, size_t len)
{
	if (o->lockproto[0] != '\0') {
		strlcpy(proto, o->lockproto, len);
		return true;
	}
	if (o->socket[0] == '\0' || strcmp(proto, "lock_nolock") != 0)
		return true;
	warnx("%s is made for one node alone (lock_nolock): mount it without "
	      "socket=, or, while it is mounted nowhere, share it: tunegfs2 "
	      "-o lockproto=lock_dlm -o locktable=CLUSTER:NAME %s",
	    o->device, o->device);
	return false;
}

/* No way back: the worker keeps its descriptors and nothing else. */
static bool
drop_root(const struct worker *w)
{
	const struct passwd *pw;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return false;
	if (geteuid() != 0)
		return true;
	pw = getpwnam(w->o->user);
	if (pw == NULL) {
		log_warnx("user %s does not exist: the mount of %s stays root",
		    w->o->user, w->o->dir);
		return true;
	}
	if (setgroups(1, &pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1) {
		log_warn("dropping root");
		return false;
	}
	return true;
}

static int
serve(struct worker *w)
{
	char options[1024];
	char why[512];
	int error;

	if (w->fs == NULL)
		return EX_FAIL;
	snprintf(options, sizeof(options),
	    "%s,max_read=1048576,fsname=%s,subtype=gfs%s", w->o->fuse,
	    w->o->device, w->o->readonly ? ",ro" : "");
	error = fuse_host_start(&w->host, w->env, w->base, w->fs, w->o->dir,
	    options, w->clustered);
	if (error != 0) {
		snprintf(why, sizeof(why), "mounting it here: %s",
		    strerror(error));
		report(w, EX_FAIL, why);
		return EX_FAIL;
	}
	while (!w->host.live && !w->host.ended)
		env_wait(w->env, &w->host.wq, UINT64_MAX);
	if (!drop_root(w))
		fuse_host_end(&w->host);
	else
		report(w, 0, "");
	while (!w->host.ended)
		env_wait(w->env, &w->host.wq, UINT64_MAX);
	return 0;
}

static void
main_fiber(void *arg)
{
	struct worker *w = arg;
	char why[512];
	int error;

	error = gfs_mount(w->env, w->gm, &w->fs, why, sizeof(why));
	if (error != 0)
		report(w, EX_FAIL, why);
	w->exitcode = serve(w);
	if (w->fs != NULL && w->host.env != NULL && !fuse_host_stop(&w->host))
		_exit(EX_FAIL);
	if (w->fs != NULL && gfs_unmount(w->fs) != 0) {
		log_warnx("%s: not unmounted cleanly; its journal is replayed "
			  "by the next mount",
		    w->o->dir);
		w->exitcode = EX_FAIL;
	} else if (w->exitcode == 0)
		log_info("%s: unmounted", w->o->dir);
	w->fs = NULL;
	event_base_loopbreak(w->base);
}

static void
terminate(evutil_socket_t sig, short what, void *arg)
{
	struct worker *w = arg;

	if (w->host.se == NULL)
		_exit(EX_FAIL); /* not live yet: nothing to keep */
	fuse_host_end(&w->host);
}

static int
run_worker(const struct mount_opts *o, int fd, const char *proto, int status)
{
	struct worker w = { .o = o, .status = status };
	struct lm_cluster_opts lmo = { NULL,
		o->socket[0] != '\0' ? o->socket : NULL, o->dir };
	struct gfs_mount gm = { .device = o->device,
		.fd = fd,
		.readonly = o->readonly,
		.noatime = o->noatime,
		.table = o->locktable,
		.commit_us = o->commit_us,
		.log = gfs_line,
		.log_arg = &w };
	struct event *term, *intr;

	log_init("mount.gfs", o->foreground, o->verbose);
	w.base = event_base_new();
	if (w.base != NULL)
		w.env = env_host_new(w.base, IO_THREADS);
	if (w.env == NULL) {
		report(&w, EX_SYSTEM_MOUNT, "out of memory");
		return EX_SYSTEM_MOUNT;
	}
	w.clustered = strcmp(proto, "lock_nolock") != 0;
	gm.lm = w.clustered ? &lm_cluster : &lm_none;
	lmo.event_base = w.base;
	gm.lm_opts = &lmo;
	w.gm = &gm;
	signal(SIGPIPE, SIG_IGN);
	term = evsignal_new(w.base, SIGTERM, terminate, &w);
	intr = evsignal_new(w.base, SIGINT, terminate, &w);
	if (term == NULL || intr == NULL || event_add(term, NULL) == -1 ||
	    event_add(intr, NULL) == -1 ||
	    env_spawn(w.env, main_fiber, &w, "main") == NULL) {
		report(&w, EX_SYSTEM_MOUNT, "out of memory");
		return EX_SYSTEM_MOUNT;
	}
	event_base_dispatch(w.base);
	report(&w, EX_FAIL, "ended before the mount was live");
	return w.exitcode;
}

/* A mount whose process died answers ENOTCONN: it is of no use to anybody. */
static void
remove_dead_mount(const char *dir)
{
	struct stat st;

	while (stat(dir, &st) == -1 && errno == ENOTCONN)
		if (umount2(dir, MNT_DETACH) == -1)
			return;
}

static volatile sig_atomic_t stop_asked;

static void
on_stop(int sig)
{
	stop_asked = 1;
}

/* Waits for the worker; unmounts when told to stop. */
static int
keep(const struct mount_opts *o, pid_t worker)
{
	struct sigaction sa;
	int status;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_stop; /* without SA_RESTART: wakes waitpid() */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	while (waitpid(worker, &status, 0) == -1) {
		if (errno != EINTR)
			return EX_SYSTEM_MOUNT;
		if (!stop_asked)
			continue;
		stop_asked = 0;
		/* In use: cut it off, and have the worker leave cleanly. */
		if (umount2(o->dir, 0) == -1) {
			umount2(o->dir, MNT_DETACH);
			kill(worker, SIGTERM);
		}
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		/* Ended by a signal of its own: nobody serves the directory. */
		remove_dead_mount(o->dir);
		return 0;
	}
	return EX_FAIL;
}

static bool
check_dir(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		warn("%s", dir);
	else if (!S_ISDIR(st.st_mode))
		warnx("%s: not a directory", dir);
	else
		return true;
	return false;
}

/* What the worker says; the exit code of the command. */
static int
await_report(int fd)
{
	char msg[512];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(msg) - 1) {
		n = read(fd, msg + len, sizeof(msg) - 1 - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	msg[len] = '\0';
	if (len == 0) {
		warnx("the mount process died");
		return EX_FAIL;
	}
	if (msg[0] != 0)
		warnx("%s", msg + 1);
	return msg[0];
}

static void
detach(void)
{
	int fd;

	setsid();
	if (chdir("/") == -1)
		warn("/");
	fd = open("/dev/null", O_RDWR);
	if (fd == -1)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* In the keeper: starts the worker. */
static int
keeper(const struct mount_opts *o, int fd, const char *proto, int status)
{
	pid_t pid;

	pid = fork();
	if (pid == -1)
		return EX_SYSTEM_MOUNT;
	if (pid == 0)
		_exit(run_worker(o, fd, proto, status));
	close(status);
	close(fd);
	return keep(o, pid);
}

int
main(int argc, char **argv)
{
	struct mount_opts o;
	char why[512], proto[64];
	int fd, pipefd[2], code;
	pid_t pid;

	if (!mount_opts_parse(&o, argc, argv))
		return EX_USAGE_MOUNT;
	remove_dead_mount(o.dir);
	if (!check_dir(o.dir))
		return EX_FAIL;
	fd = open_device(&o, why, sizeof(why));
	if (fd == -1 ||
	    !volume_proto(fd, proto, sizeof(proto), why, sizeof(why))) {
		warnx("%s", why);
		return EX_FAIL;
	}
	if (!choose_proto(&o, proto, sizeof(proto)))
		return EX_FAIL;
	if (o.fake)
		return 0;
	if (pipe2(pipefd, O_CLOEXEC) == -1)
		err(EX_SYSTEM_MOUNT, "pipe");
	pid = fork();
	if (pid == -1)
		err(EX_SYSTEM_MOUNT, "fork");
	if (pid == 0) {
		close(pipefd[0]);
		if (!o.foreground)
			detach();
		_exit(keeper(&o, fd, proto, pipefd[1]));
	}
	close(pipefd[1]);
	close(fd);
	code = await_report(pipefd[0]);
	if (!o.foreground || code != 0)
		return code;
	return keep(&o, pid);
}
