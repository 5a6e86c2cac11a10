/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   P1  each engine starts with an incarnation above every earlier one, and
 *       that incarnation is on the disk before the engine is told of it;
 *   P2  between the end of one engine and the start of the next, every mount
 *       that was registered has ended;
 *   P3  there is at most one engine, one fence process and one qdevice process.
 *
 * Life of the engine:
 *   OFF -> STARTING      engine_start(): incarnation stored, forked, told
 *   STARTING -> UP       M_READY
 *   STARTING, UP -> DOWN engine_end(): reaped and its last words read;
 *                        mounts are killed
 *   DOWN -> OFF          mounts_ended(): none is left; engine_start() follows
 *                        at once, or after a back-off when it had crashed
 */

#include <sys/random.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "beat_child.h"
#include "keyfile.h"
#include "log.h"
#include "mounts.h"
#include "parent.h"
#include "proto.h"
#include "qdevice_child.h"
#include "sockets.h"
#include "words.h"

#define AGAIN_US       UINT64_C(1000000) /* what could not be started */
#define LINK_RETRY_US  UINT64_C(5000000)
#define STORE_RETRY_US UINT64_C(1000000)
#define STOP_MOUNTS_US UINT64_C(10000000)
#define STOP_ENGINE_US UINT64_C(5000000)
#define STOP_FENCE_US  UINT64_C(2000000)

enum child_state {
	CHILD_OFF = 0,
	CHILD_STARTING,
	CHILD_UP,
	CHILD_DOWN
};

/* What a stop is waiting for. */
enum stopping {
	STOP_NO = 0,
	STOP_MOUNTS,
	STOP_ENGINE,
	STOP_FENCE
};

struct child {
	enum child_state state;
	pid_t pid;
	struct ipc *ipc; /* NULL: closed by its end */
	bool reaped;
	int status; /* as of waitpid */
	uint64_t started, crashes;
};

static struct parent {
	struct parent_setup *set;
	struct loop *loop;
	struct mounts *mounts;
	struct child engine, fence;
	struct beat_child *beat;
	struct qdevice_child *qdevice;
	struct loop_timer *engine_again, *fence_again, *links_again;
	struct loop_timer *store_again, *stop_limit;
	uint64_t engine_wait; /* us before the next start */
	bool evicted, left;
	char why[512]; /* last words of the engine */
	bool was_ready;
	bool linked[CONF_LINKS_MAX];
	size_t blob_len;  /* of a store that failed */
	bool store_fails; /* said */
	uint8_t blob[STORE_BLOB_MAX];
	enum stopping stopping;
	int status;
} parent;

static void engine_start(void *);
static void fence_start(void *);
static void stop_next(void);
static void begin_stop(void);

/* A child that we cannot talk to is of no use. */
static void
tell(struct child *c, uint32_t type, const void *data, size_t len, int fd)
{
	if (c->ipc == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	if (ipc_send(c->ipc, type, 0, data, len, fd) == -1 && errno != EPIPE) {
		log_warn("process %d: message %u", (int)c->pid, type);
		kill(c->pid, SIGKILL);
	}
}

/* --- durable state --------------------------------------------------------- */

/* Once, and not with every try. */
static void
say_store(void)
{
	if (!parent.store_fails)
		log_warn("%s: cannot be written, and it is tried again; until "
			 "then this node promises nothing, and the others may "
			 "go on without it: have the file system writable, "
			 "with room",
		    parent.set->store->path);
	parent.store_fails = true;
}

static void
store_try(void *arg)
{
	struct store *s = parent.set->store;

	if (store_write(s, s->incarnation, parent.blob, parent.blob_len) ==
	    -1) {
		say_store();
		loop_timer_set(parent.store_again, STORE_RETRY_US);
		return;
	}
	if (parent.store_fails)
		log_info("%s: written again", s->path);
	parent.store_fails = false;
	tell(&parent.engine, M_STORED, NULL, 0, -1);
}

/* 0, or -1: the new incarnation is not on the disk. */
static int
next_incarnation(uint64_t *incarnation)
{
	struct store *s = parent.set->store;
	uint16_t low;

	if (getrandom(&low, sizeof(low), 0) != sizeof(low))
		return -1;
	*incarnation = store_next(s, clock_wall_us() / 1000, low);
	return store_write(s, *incarnation, s->blob, s->len);
}

/* --- links ------------------------------------------------------------------ */

/* Opens the links that are not open yet; returns how many are. */
static unsigned
links_open(void)
{
	const struct conf *conf = parent.set->conf;
	const struct conf_node *self = conf_node(conf, parent.set->self);
	unsigned link, open = 0;
	uint8_t number;
	int fd;

	for (link = 0; link < self->nlinks; link++) {
		if (!parent.linked[link]) {
			fd = sock_link(self->links[link], conf->port,
			    conf->dscp);
			if (fd == -1) {
				log_warn("link %u: %s port %u", link,
				    self->links[link], conf->port);
				continue;
			}
			number = (uint8_t)link;
			beat_child_link(parent.beat, link, fd);
			tell(&parent.engine, M_LINK_FD, &number, 1, fd);
			parent.linked[link] = true;
		}
		open++;
	}
	return open;
}

/* An address may come later than we do: a cable, a slow network manager. */
static void
links_retry(void *arg)
{
	if (parent.engine.state != CHILD_STARTING &&
	    parent.engine.state != CHILD_UP)
		return;
	if (links_open() <
	    conf_node(parent.set->conf, parent.set->self)->nlinks)
		loop_timer_set(parent.links_again, LINK_RETRY_US);
}

/* --- the pair between engine and fence -------------------------------------- */

static void
introduce(void)
{
	int pair[2];

	if (parent.engine.ipc == NULL || parent.fence.ipc == NULL)
		return;
	if (proc_pair(pair) == -1) {
		log_warn("socketpair");
		return;
	}
	tell(&parent.fence, M_PEER_FD, NULL, 0, pair[0]);
	tell(&parent.engine, M_PEER_FD, NULL, 0, pair[1]);
}

/* The engine or the qdevice process is new. */
static void
introduce_qdevice(void *arg)
{
	int pair[2];

	if (parent.engine.ipc == NULL || !qdevice_child_runs(parent.qdevice))
		return;
	if (proc_pair(pair) == -1) {
		log_warn("socketpair");
		return;
	}
	qdevice_child_peer(parent.qdevice, pair[0]);
	tell(&parent.engine, M_QDEVICE_FD, NULL, 0, pair[1]);
}

/* --- the engine -------------------------------------------------------------- */

static int
control_socket(const char *name, mode_t mode, gid_t gid, uint32_t type)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", parent.set->rundir, name);
	fd = sock_listen(path, mode, gid);
	if (fd == -1) {
		log_warn("%s", path);
		return -1;
	}
	tell(&parent.engine, type, NULL, 0, fd);
	return 0;
}

static void
control_sockets(void)
{
	const struct parent_setup *s = parent.set;
	gid_t none = (gid_t)-1;
	uint8_t gids[8];
	struct wbuf w;

	/* Before the sockets: the first client is judged by them. */
	wbuf_init(&w, sizeof(gids));
	wbuf_u32(&w, s->admin);
	wbuf_u32(&w, s->observer);
	tell(&parent.engine, M_GROUP_IDS, w.data, w.len, -1);
	wbuf_free(&w);
	(void)control_socket("control.sock", s->admin == none ? 0600 : 0660,
	    s->admin, M_CONTROL_FD);
	(void)control_socket("observe.sock", s->observer == none ? 0666 : 0660,
	    s->observer, M_OBSERVE_FD);
}

static void
engine_word(const struct msg *m)
{
	struct word_end w;

	if (!words_end(m, &w)) {
		log_warnx("engine: malformed last word");
		return;
	}
	strlcpy(parent.why, w.why, sizeof(parent.why));
	if (m->type == M_DYING) {
		parent.evicted = true;
		store_outlived(parent.set->store, w.incarnation);
	} else
		parent.left = true;
}

/* The operator wants the node to leave: mounts go first, then the engine. */
static void
engine_leave(const struct msg *m)
{
	struct word_end w;

	if (!words_end(m, &w)) {
		log_warnx("engine: malformed wish to leave");
		return;
	}
	if (parent.stopping != STOP_NO)
		return;
	log_info("stopping: %s", w.why);
	begin_stop();
}

static void
engine_mount(const struct msg *m)
{
	struct word_mount wm;
	struct wbuf w;

	if (!words_mount(m, &wm)) {
		log_warnx("engine: malformed mount");
		return;
	}
	if (mounts_add(parent.mounts, wm.pid, wm.fs, wm.dir) == 0) {
		log_debug("fs %s: keeping process %d", wm.fs, (int)wm.pid);
		return;
	}
	log_warn("fs %s: process %d cannot be kept as a mount", wm.fs,
	    (int)wm.pid);
	wbuf_init(&w, 256);
	wbuf_u64(&w, wm.client);
	wbuf_str(&w, "this process is not a mount.gfs that could be stopped");
	tell(&parent.engine, M_MOUNT_REFUSED, w.data, w.len, -1);
	wbuf_free(&w);
}

static void
engine_store(const struct msg *m)
{
	size_t len;
	const uint8_t *blob = words_store(m, &len, sizeof(parent.blob));

	if (blob == NULL) {
		log_warnx("engine: malformed state");
		return;
	}
	memcpy(parent.blob, blob, len);
	parent.blob_len = len;
	store_try(NULL);
}

static void
tell_keys(struct child *c)
{
	struct wbuf w;

	wbuf_init(&w, KEYRING_ENCODED);
	keyring_put(&w, &parent.set->keys);
	tell(c, M_KEY, w.data, w.len, -1);
	explicit_bzero(w.data, w.len);
	wbuf_free(&w);
}

/* Into the key file, if it can be what follows on what is there. */
static int
keep_keys(const struct keyring *ring, char *why, size_t size)
{
	struct parent_setup *s = parent.set;

	if (!keyring_follows(&s->keys, ring)) {
		snprintf(why, size,
		    "%s: the keys of the cluster do not go with it: copy the "
		    "file of another node here, and start clusterd anew",
		    s->keyfile);
		return -1;
	}
	if (keyfile_write(s->keyfile, ring, why, size) == -1)
		return -1;
	s->keys = *ring;
	beat_child_keys(parent.beat, s);
	qdevice_child_keys(parent.qdevice);
	return 0;
}

static void
engine_keys(const struct msg *m)
{
	struct keyring ring;
	char why[256] = "";
	struct wbuf w;
	int rc;

	if (!words_keys(m, &ring)) {
		log_warnx("engine: malformed keys");
		return;
	}
	rc = keep_keys(&ring, why, sizeof(why));
	keyring_forget(&ring);
	if (rc == -1)
		log_warnx("%s", why);
	wbuf_init(&w, 512);
	wbuf_u8(&w, rc == 0);
	wbuf_str(&w, why);
	tell(&parent.engine, M_KEYS_STORED, w.data, w.len, -1);
	wbuf_free(&w);
}

static void
engine_ready(void)
{
	parent.engine.state = CHILD_UP;
	log_info("engine: in service");
	if (parent.was_ready)
		return;
	parent.was_ready = true;
	proc_notify("READY=1");
	parent.set->ready();
}

static void
engine_message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	switch (m->type) {
	case M_READY:
		engine_ready();
		break;
	case M_STOPPED:
	case M_DYING:
		engine_word(m);
		break;
	case M_LEAVE:
		engine_leave(m);
		break;
	case M_MOUNT_PID:
		engine_mount(m);
		break;
	case M_STORE:
		engine_store(m);
		break;
	case M_KEYS:
		engine_keys(m);
		break;
	default:
		log_warnx("engine: unexpected message %u", m->type);
		break;
	}
}

/* After the engine's last words are read and it is reaped. */
static void
engine_end(void)
{
	struct child *e = &parent.engine;
	char how[128];

	e->state = CHILD_DOWN;
	/* First of all: the others need not wait for its silence. */
	if (WIFSIGNALED(e->status))
		beat_child_ended(parent.beat, WE_SIGNAL,
		    (uint32_t)WTERMSIG(e->status));
	else
		beat_child_ended(parent.beat, WE_EXIT,
		    (uint32_t)WEXITSTATUS(e->status));
	loop_timer_stop(parent.store_again);
	loop_timer_stop(parent.links_again);
	proc_ended(e->status, how, sizeof(how));
	parent.engine_wait = 0;
	if (parent.evicted)
		log_warnx("engine: out of service: %s", parent.why);
	else if (parent.left) {
		log_info("engine: ended: %s", parent.why);
		/* An operator asked the node to leave: it stays away. */
		if (parent.stopping == STOP_NO)
			parent.stopping = STOP_ENGINE;
	} else {
		log_warnx("engine: out of service: %s", how);
		if (clock_boot_us() - e->started > PROC_STEADY_US)
			e->crashes = 0;
		parent.engine_wait = proc_backoff(++e->crashes);
	}
	if (!parent.was_ready && !parent.evicted) {
		/* Whoever started us is still there to read why. */
		parent.status = 1;
		parent.stopping = STOP_ENGINE;
	}
	/* Nobody holds their locks now: they must not write any more. */
	if (mounts_count(parent.mounts) > 0)
		mounts_signal(parent.mounts, SIGKILL,
		    "the node is out of service");
	else
		stop_next();
}

static void
engine_maybe_ended(void)
{
	if (parent.engine.ipc == NULL && parent.engine.reaped &&
	    parent.engine.state != CHILD_DOWN &&
	    parent.engine.state != CHILD_OFF)
		engine_end();
}

static void
engine_lost(void *arg, int error)
{
	if (error != 0) {
		log_warnx("engine: its channel is broken");
		kill(parent.engine.pid, SIGKILL);
	}
	ipc_free(parent.engine.ipc);
	parent.engine.ipc = NULL;
	engine_maybe_ended();
}

static const struct ipc_ops engine_ops = { .message = engine_message,
	.lost = engine_lost };

static void
tell_start(uint64_t incarnation)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u16(&w, parent.set->self);
	wbuf_u64(&w, incarnation);
	wbuf_blob(&w, parent.set->store->blob, parent.set->store->len);
	tell(&parent.engine, M_START, w.data, w.len, -1);
	wbuf_free(&w);
}

static void
engine_later(void)
{
	if (!parent.was_ready) {
		parent.status = 1;
		loop_stop(parent.loop);
		return;
	}
	loop_timer_set(parent.engine_again, AGAIN_US);
}

static void
engine_start(void *arg)
{
	struct child *e = &parent.engine;
	uint64_t incarnation;
	uint8_t verbose = 1;
	int fd, page;

	if (next_incarnation(&incarnation) == -1) {
		say_store();
		engine_later();
		return;
	}
	parent.store_fails = false;
	e->pid = proc_spawn(ROLE_ENGINE, &parent.set->opts, &fd);
	if (e->pid == -1) {
		log_warn("engine: cannot be started");
		engine_later();
		return;
	}
	e->state = CHILD_STARTING;
	e->reaped = false;
	e->started = clock_boot_us();
	e->ipc = ipc_new(parent.loop, fd, PARENT_QUEUE, &engine_ops, NULL);
	parent.evicted = parent.left = false;
	parent.why[0] = '\0';
	memset(parent.linked, 0, sizeof(parent.linked));
	if (parent.set->opts.verbose)
		tell(e, M_VERBOSE, &verbose, 1, -1);
	if (conf_deliver(e->ipc, parent.set->conf, false) == -1)
		log_warn("engine: the configuration cannot be sent");
	tell_keys(e);
	page = beat_child_start(parent.beat, parent.set, incarnation, e->pid);
	if (page != -1)
		tell(e, M_PAGE_FD, NULL, 0, page);
	links_retry(NULL);
	introduce();
	introduce_qdevice(NULL);
	tell_start(incarnation);
	/* Last: a client may wait already, and there must be a node for it. */
	control_sockets();
}

/* --- the fence process -------------------------------------------------------- */

static void
fence_message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	log_warnx("fence: unexpected message %u", m->type);
}

static void
fence_maybe_ended(void)
{
	struct child *f = &parent.fence;
	char how[128];

	if (f->ipc != NULL || !f->reaped || f->state == CHILD_OFF)
		return;
	f->state = CHILD_OFF;
	if (parent.stopping == STOP_FENCE) {
		loop_stop(parent.loop);
		return;
	}
	proc_ended(f->status, how, sizeof(how));
	log_warnx("fence: %s", how);
	if (clock_boot_us() - f->started > PROC_STEADY_US)
		f->crashes = 0;
	loop_timer_set(parent.fence_again, proc_backoff(++f->crashes));
}

static void
fence_lost(void *arg, int error)
{
	if (error != 0)
		kill(parent.fence.pid, SIGKILL);
	ipc_free(parent.fence.ipc);
	parent.fence.ipc = NULL;
	fence_maybe_ended();
}

static const struct ipc_ops fence_ops = { .message = fence_message,
	.lost = fence_lost };

static void
fence_start(void *arg)
{
	struct child *f = &parent.fence;
	int fd;

	f->pid = proc_spawn(ROLE_FENCE, &parent.set->opts, &fd);
	if (f->pid == -1) {
		log_warn("fence: cannot be started");
		loop_timer_set(parent.fence_again, AGAIN_US);
		return;
	}
	f->state = CHILD_UP;
	f->reaped = false;
	f->started = clock_boot_us();
	f->ipc = ipc_new(parent.loop, fd, PARENT_QUEUE, &fence_ops, NULL);
	if (conf_deliver(f->ipc, parent.set->conf, true) == -1)
		log_warn("fence: the configuration cannot be sent");
	introduce();
}

/* --- ends ---------------------------------------------------------------------- */

/*
 * The next step of a stop, or of life when nobody asked for one.  Called when
 * what the last step waited for has come.
 */
static void
stop_next(void)
{
	loop_timer_stop(parent.stop_limit);
	switch (parent.stopping) {
	case STOP_NO:
		parent.engine.state = CHILD_OFF;
		loop_timer_set(parent.engine_again, parent.engine_wait);
		break;
	case STOP_MOUNTS:
		parent.stopping = STOP_ENGINE;
		if (parent.engine.state == CHILD_STARTING ||
		    parent.engine.state == CHILD_UP) {
			tell(&parent.engine, M_STOP, NULL, 0, -1);
			loop_timer_set(parent.stop_limit, STOP_ENGINE_US);
			break;
		}
		/* FALLTHROUGH */
	case STOP_ENGINE:
		parent.engine.state = CHILD_OFF;
		parent.stopping = STOP_FENCE;
		if (parent.fence.state == CHILD_OFF) {
			loop_stop(parent.loop);
			break;
		}
		tell(&parent.fence, M_STOP, NULL, 0, -1);
		loop_timer_set(parent.stop_limit, STOP_FENCE_US);
		break;
	case STOP_FENCE:
		break;
	}
}

static void
mounts_ended(void *arg)
{
	/* Those that just end by themselves are nobody's business. */
	if (parent.engine.state == CHILD_DOWN || parent.stopping == STOP_MOUNTS)
		stop_next();
}

static void
stop_late(void *arg)
{
	switch (parent.stopping) {
	case STOP_MOUNTS:
		mounts_signal(parent.mounts, SIGKILL, "it does not stop");
		break;
	case STOP_ENGINE:
		log_warnx("engine: does not stop: killed");
		kill(parent.engine.pid, SIGKILL);
		break;
	case STOP_FENCE:
		kill(parent.fence.pid, SIGKILL);
		break;
	case STOP_NO:
		break;
	}
}

static void
begin_stop(void)
{
	proc_notify("STOPPING=1");
	parent.stopping = STOP_MOUNTS;
	loop_timer_stop(parent.engine_again);
	loop_timer_stop(parent.fence_again);
	/* In the middle of a teardown its end leads on. */
	if (parent.engine.state == CHILD_DOWN)
		return;
	if (mounts_count(parent.mounts) > 0) {
		mounts_signal(parent.mounts, SIGTERM, "the daemon stops");
		loop_timer_set(parent.stop_limit, STOP_MOUNTS_US);
	} else
		stop_next();
}

static void
on_term(void *arg)
{
	if (parent.stopping != STOP_NO) {
		/* Asked twice: whoever asks has no time left. */
		stop_late(NULL);
		return;
	}
	log_info("stopping");
	begin_stop();
}

static void
on_hup(void *arg)
{
	log_warnx("reload is not available yet: restart the daemon");
}

static void
reap(struct child *c)
{
	if (c->state == CHILD_OFF || c->reaped)
		return;
	if (waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->reaped = true;
}

static void
on_child(void *arg)
{
	reap(&parent.engine);
	reap(&parent.fence);
	beat_child_reap(parent.beat);
	qdevice_child_reap(parent.qdevice);
	engine_maybe_ended();
	fence_maybe_ended();
}

static void
init(struct parent_setup *set)
{
	memset(&parent, 0, sizeof(parent));
	parent.set = set;
	parent.loop = loop_new();
	if (parent.loop == NULL)
		fatal("loop");
	parent.beat = beat_child_new(parent.loop, &set->opts);
	parent.qdevice =
	    qdevice_child_new(parent.loop, set, introduce_qdevice, NULL);
	parent.mounts = mounts_new(parent.loop, mounts_ended, NULL);
	parent.engine_again = loop_timer_new(parent.loop, engine_start, NULL);
	parent.fence_again = loop_timer_new(parent.loop, fence_start, NULL);
	parent.links_again = loop_timer_new(parent.loop, links_retry, NULL);
	parent.store_again = loop_timer_new(parent.loop, store_try, NULL);
	parent.stop_limit = loop_timer_new(parent.loop, stop_late, NULL);
	loop_signal_new(parent.loop, SIGCHLD, on_child, NULL);
	loop_signal_new(parent.loop, SIGTERM, on_term, NULL);
	loop_signal_new(parent.loop, SIGINT, on_term, NULL);
	loop_signal_new(parent.loop, SIGHUP, on_hup, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int
parent_run(struct parent_setup *set)
{
	init(set);
	fence_start(NULL);
	qdevice_child_start(parent.qdevice);
	engine_start(NULL);
	loop_run(parent.loop, NULL, NULL);
	/* Whoever did not end in time does now. */
	if (parent.engine.state != CHILD_OFF && !parent.engine.reaped)
		kill(parent.engine.pid, SIGKILL);
	if (parent.fence.state != CHILD_OFF && !parent.fence.reaped)
		kill(parent.fence.pid, SIGKILL);
	mounts_free(parent.mounts);
	beat_child_free(parent.beat);
	qdevice_child_free(parent.qdevice);
	return parent.status;
}
