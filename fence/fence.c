/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The fence process: the only one that knows the passwords of devices, and
 * the only one that runs agents.  The engine can ask it to switch off a
 * configured node with a configured device, by number, and nothing else.
 *
 * A job is one request.  It runs the agent with "off"; when that succeeded
 * it runs "status" and believes what the device then says:
 *   off failed, or timed out           -> failed
 *   off succeeded, status says on (0)  -> failed: the device does not do
 *                                         what it says
 *   off succeeded, status says off (2) -> done, verified
 *   off succeeded, status cannot tell  -> done, unverified
 */

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd.h"
#include "device.h"
#include "log.h"
#include "proto.h"
#include "run.h"

#define STATUS_LEAST_US UINT64_C(2000000)
#define STATUS_MOST_US	UINT64_C(10000000)

enum {
	JOBS_MAX = 64,
	QUEUE = 1024 * 1024
};

enum phase {
	PHASE_OFF = 1,
	PHASE_STATUS
};

struct job {
	LIST_ENTRY(job) entry;
	uint32_t req;
	const struct conf_node *victim;
	const struct conf_device *device;
	enum phase phase;
	uint64_t deadline; /* us */
	char path[CONF_PATH_LEN];
	struct device_secrets secrets;
	struct run *run;
	struct loop_timer *soon; /* an answer that needs no run */
	char text[512];		 /* of that answer; of the off run, later */
};

static struct fence {
	struct loop *loop;
	struct ipc *parent, *engine;
	struct wbuf conf_bytes;
	struct conf *conf;
	LIST_HEAD(, job) jobs;
	unsigned njobs;
} fence;

/* --- what left its agent's session ----------------------------------------- */

/*
 * Orphans of agents become our children.  While an agent runs they may be
 * its helpers; when none does, they have no business.
 */
static void
kill_strays(void)
{
	char line[4096], *p, *next;
	ssize_t n;
	long pid;
	int fd;

	if (fence.njobs > 0)
		return;
	fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return;
	line[n] = '\0';
	for (p = line; (pid = strtol(p, &next, 10)) > 0; p = next) {
		log_warnx("process %ld was left behind by an agent: killed",
		    pid);
		kill((pid_t)pid, SIGKILL);
	}
}

/* Agents themselves are reaped by run.c, through their descriptors. */
static void
on_child(void *arg)
{
	siginfo_t si;
	struct job *j;

	if (fence.njobs > 0) {
		LIST_FOREACH(j, &fence.jobs, entry)
			if (j->run != NULL)
				return;
	}
	for (;;) {
		memset(&si, 0, sizeof(si));
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == -1 ||
		    si.si_pid == 0)
			return;
	}
}

/* --- jobs -------------------------------------------------------------------- */

static void
job_free(struct job *j)
{
	LIST_REMOVE(j, entry);
	fence.njobs--;
	run_free(j->run);
	loop_timer_free(j->soon);
	freezero(j, sizeof(*j));
	kill_strays();
	on_child(NULL);
}

/* Answers and forgets. */
static void
job_done(struct job *j, bool ok, bool verified, const char *text)
{
	char clean[512];
	struct wbuf w;

	(void)strlcpy(clean, text, sizeof(clean));
	device_redact(&j->secrets, clean);
	log_info("node %s: device %s: %s%s%s", j->victim->name, j->device->name,
	    !ok		 ? "failed" :
		verified ? "off, verified" :
			   "off, not verified",
	    clean[0] != '\0' ? ": " : "", clean);
	wbuf_init(&w, 1024);
	wbuf_u32(&w, j->req);
	wbuf_u8(&w, ok);
	wbuf_u8(&w, verified);
	wbuf_str(&w, clean);
	if (fence.engine != NULL &&
	    ipc_send(fence.engine, M_FENCE_DONE, 0, w.data, w.len, -1) == -1)
		log_warn("engine");
	wbuf_free(&w);
	job_free(j);
}

static void
fail_soon(void *arg)
{
	struct job *j = arg;

	job_done(j, false, false, j->text);
}

/* The answer comes from the loop, never from inside the request. */
static void
fail(struct job *j)
{
	j->soon = loop_timer_new(fence.loop, fail_soon, j);
	loop_timer_set(j->soon, 0);
}

static void
describe(const struct run_result *r, char *text, size_t size)
{
	if (r->timeout)
		snprintf(text, size, "no answer in time%s%s",
		    r->quiet ? "" : "; it said: ", r->last);
	else if (r->signaled)
		snprintf(text, size, "the agent died of signal %d%s%s", r->code,
		    r->quiet ? "" : "; it said: ", r->last);
	else if (r->code == 127 && r->quiet)
		snprintf(text, size, "the agent could not be executed");
	else
		snprintf(text, size, "%s",
		    r->quiet ? "the agent says nothing" : r->last);
}

static void run_done(void *, const struct run_result *);

/* Runs the agent for the job's phase; false: text says why not. */
static bool
job_run(struct job *j)
{
	const char *argv[] = { j->path, NULL };
	uint64_t now = clock_boot_us(), left;
	struct wbuf w;
	bool ok;

	left = j->deadline > now ? j->deadline - now : 0;
	if (j->phase == PHASE_STATUS)
		left = MIN(MAX(left, STATUS_LEAST_US), STATUS_MOST_US);
	wbuf_init(&w, DEVICE_INPUT_MAX);
	ok = device_input(j->device, j->victim,
	    j->phase == PHASE_OFF ? "off" : "status", &w, &j->secrets, j->text,
	    sizeof(j->text));
	if (ok) {
		run_free(j->run);
		j->run =
		    run_new(fence.loop, argv, w.data, w.len, left, run_done, j);
		if (j->run == NULL) {
			snprintf(j->text, sizeof(j->text), "%s: %s", j->path,
			    strerror(errno));
			ok = false;
		}
	}
	if (w.data != NULL)
		explicit_bzero(w.data, w.cap);
	wbuf_free(&w);
	return ok;
}

static void
off_done(struct job *j, const struct run_result *r)
{
	describe(r, j->text, sizeof(j->text));
	if (r->timeout || r->signaled || r->code != 0) {
		job_done(j, false, false, j->text);
		return;
	}
	j->phase = PHASE_STATUS;
	if (!job_run(j))
		job_done(j, true, false, j->text);
}

static void
status_done(struct job *j, const struct run_result *r)
{
	char text[512];

	if (r->timeout || r->signaled) {
		describe(r, text, sizeof(text));
		job_done(j, true, false, text);
	} else if (r->code == 0)
		job_done(j, false, false,
		    "the agent said off, but the device says it is on");
	else
		job_done(j, true, r->code == 2, r->quiet ? "" : r->last);
}

static void
run_done(void *arg, const struct run_result *r)
{
	struct job *j = arg;
	/* The run is freed with the job, or before its next run. */
	struct run_result res = *r;

	if (j->phase == PHASE_OFF)
		off_done(j, &res);
	else
		status_done(j, &res);
}

/* --- messages ------------------------------------------------------------------ */

static void
job_new(uint32_t req, const struct conf_node *victim,
    const struct conf_device *device, uint64_t timeout_us)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		fatal("job");
	if (timeout_us == 0)
		timeout_us = device->timeout_us;
	timeout_us = MIN(MAX(timeout_us, UINT64_C(100000)), CONF_FENCE_MAX);
	j->req = req;
	j->victim = victim;
	j->device = device;
	j->phase = PHASE_OFF;
	j->deadline = clock_boot_us() + timeout_us;
	LIST_INSERT_HEAD(&fence.jobs, j, entry);
	fence.njobs++;
	log_info("node %s: switching off with device %s", victim->name,
	    device->name);
	if (fence.njobs > JOBS_MAX) {
		snprintf(j->text, sizeof(j->text), "too many at once");
		fail(j);
	} else if (!run_find(device->agent, j->path, sizeof(j->path), j->text,
		       sizeof(j->text)) ||
	    !job_run(j))
		fail(j);
}

static void
fence_request(struct rbuf *r)
{
	const struct conf_node *victim;
	uint32_t req = rbuf_u32(r);
	uint16_t node = rbuf_u16(r), device = rbuf_u16(r);
	uint8_t action = rbuf_u8(r);
	uint64_t timeout_us = rbuf_u64(r);

	if (!rbuf_done(r) || action != FENCE_OFF || fence.conf == NULL)
		fatalx("engine: malformed M_FENCE_START");
	victim = conf_node(fence.conf, node);
	if (victim == NULL || device >= fence.conf->ndevices)
		fatalx("engine: node %u, device %u are not configured", node,
		    device);
	job_new(req, victim, &fence.conf->devices[device], timeout_us);
}

static void
fence_cancel(struct rbuf *r)
{
	uint32_t req = rbuf_u32(r);
	struct job *j;

	LIST_FOREACH(j, &fence.jobs, entry) {
		if (j->req != req)
			continue;
		log_info("node %s: device %s: given up", j->victim->name,
		    j->device->name);
		job_free(j);
		return;
	}
}

static void
drop_jobs(void)
{
	struct job *j;

	while ((j = LIST_FIRST(&fence.jobs)) != NULL)
		job_free(j);
}

static void
engine_message(void *arg, const struct msg *m)
{
	struct rbuf r;

	if (m->fd != -1)
		close(m->fd);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_FENCE_START:
		fence_request(&r);
		break;
	case M_FENCE_CANCEL:
		fence_cancel(&r);
		break;
	default:
		fatalx("engine: unexpected message %u", m->type);
	}
}

/* A new engine asks anew: two runs at one device would disturb each other. */
static void
engine_lost(void *arg, int error)
{
	ipc_free(fence.engine);
	fence.engine = NULL;
	drop_jobs();
}

static const struct ipc_ops engine_ops = { .message = engine_message,
	.lost = engine_lost };

static void
take_peer(int fd)
{
	if (fd == -1)
		fatalx("parent: M_PEER_FD without a descriptor");
	engine_lost(NULL, 0);
	fence.engine = ipc_new(fence.loop, fd, QUEUE, &engine_ops, NULL);
}

static void
parent_message(void *arg, const struct msg *m)
{
	struct rbuf r;

	if (m->fd != -1 && m->type != M_PEER_FD)
		fatalx("parent: message %u with a descriptor", m->type);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_CONF:
		conf_take(&fence.conf_bytes, m, &fence.conf);
		break;
	case M_PEER_FD:
		take_peer(m->fd);
		break;
	case M_VERBOSE:
		log_setverbose(rbuf_u8(&r) != 0);
		break;
	case M_STOP:
		drop_jobs();
		_exit(0);
	default:
		fatalx("parent: unexpected message %u", m->type);
	}
}

static void
parent_lost(void *arg, int error)
{
	drop_jobs();
	_exit(1);
}

static const struct ipc_ops parent_ops = { .message = parent_message,
	.lost = parent_lost };

void
fence_main(const struct proc_opts *o)
{
	proc_child_init(ROLE_FENCE, o);
	proc_no_new_privs();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		log_warn("prctl(PR_SET_CHILD_SUBREAPER)");
	fence.loop = loop_new();
	if (fence.loop == NULL)
		fatal("loop");
	LIST_INIT(&fence.jobs);
	wbuf_init(&fence.conf_bytes, CONF_BYTES_MAX);
	loop_signal_new(fence.loop, SIGCHLD, on_child, NULL);
	fence.parent = ipc_new(fence.loop, PROC_FD, QUEUE, &parent_ops, NULL);
	loop_run(fence.loop, NULL, NULL);
	fatalx("the loop ended");
}
