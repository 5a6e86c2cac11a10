/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The engine: the process that faces the network and the clients.  It turns
 * what its descriptors say into events for the core and does what the core
 * answers, in order.  It knows nothing about clusters itself.
 *
 * Datagrams are read before a due timer is told to the core, and in between
 * when clients keep us busy: our own lateness must not look like a peer's
 * silence.
 *
 * E1	EV_TIMER is told only when every datagram has been told that had come
 *	before the reading began, however many waited: without that a peer
 *	could be silent whose word lies in our socket.  Each is told with the
 *	moment at which it came, where the kernel knows it.
 *
 * A turn of the loop handles everything that is ready.  What the core has to
 * say to other nodes is put off to the end of the turn, so that the messages
 * of many clients, and the answers to many datagrams, share datagrams.
 */

#include <sys/mman.h>
#include <sys/random.h>

#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd.h"
#include "control.h"
#include "core/member.h"
#include "core/node.h"
#include "ipc.h"
#include "log.h"
#include "net.h"
#include "proto.h"
#include "qdevice_link.h"
#include "store.h"
#include "words.h"

/* A burst's memory is kept for the next one: giving it back costs more. */
#define SPARE_BYTES (2 * 1024 * 1024)
#define BREATH_US   5000 /* datagrams wait no longer than this for clients */

enum {
	DRAIN_BATCHES = 8, /* of one link, before we answer */
	/* More than fit into the buffer of a link's socket (sockets.c). */
	UNDATED_BATCHES = 1024,
	FENCE_JOBS_MAX = 256,
	OWED_HIGH = 20000, /* actions that wait: no client adds to them */
	OWED_MAX = 400000,
	FLUSH_MS = 1000
};

struct job {
	uint32_t req;
	const char *failed; /* why it cannot run: EV_FENCE_DONE is owed */
};

static struct engine {
	struct loop *loop;
	struct ipc *parent;
	struct ipc *fence; /* NULL while that process is away */
	struct qdevice_link *qdevice;
	struct net *net;
	struct loop_io *links[CONF_LINKS_MAX];
	struct loop_timer *timer;
	uint64_t armed; /* when it goes off; UINT64_MAX: not set */
	struct control *control;
	struct node *node; /* NULL until M_START */

	struct wbuf conf_bytes;
	struct conf *conf;
	struct keyring keys;
	bool have_key;
	struct beat_page *page; /* NULL: nobody looks */

	struct actions out;
	bool storing;	 /* actions wait for M_STORED */
	uint64_t asked;	 /* us; since then */
	uint64_t behind; /* us; since then something waits; 0: nothing does */
	bool busy;	 /* inside a step */
	bool settling;	 /* telling the core what its actions led to */
	bool draining;
	bool put_off; /* EV_FLUSH is owed */
	bool slow;    /* as the core was told with the last one */
	uint64_t now, drained;
	uint64_t came[CONF_LINKS_MAX]; /* the last datagram told; us */

	struct job jobs[FENCE_JOBS_MAX];
	unsigned njobs;
} engine;

static void input(struct event *);

static void NORETURN
leave(int status)
{
	ipc_drain(engine.parent, FLUSH_MS);
	_exit(status);
}

static void
to_parent(uint32_t type, const void *data, size_t len)
{
	if (ipc_send(engine.parent, type, 0, data, len, -1) == -1)
		fatal("parent");
}

/* A message with one string, as M_LEAVE and M_STOPPED have. */
static void
to_parent_text(uint32_t type, const char *text, size_t len)
{
	char copy[1024];
	struct wbuf w;

	snprintf(copy, sizeof(copy), "%.*s", (int)MIN(len, sizeof(copy)), text);
	wbuf_init(&w, 2048);
	wbuf_str(&w, copy);
	to_parent(type, w.data, w.len);
	wbuf_free(&w);
}

static void
dying(const struct action *act)
{
	char why[1024];
	struct wbuf w;

	snprintf(why, sizeof(why), "%.*s", (int)MIN(act->len, sizeof(why)),
	    (const char *)act->data);
	wbuf_init(&w, 2048);
	wbuf_str(&w, why);
	wbuf_u64(&w, act->life);
	to_parent(M_DYING, w.data, w.len);
	wbuf_free(&w);
}

/* --- fencing ------------------------------------------------------------- */

static struct job *
job_find(uint32_t req)
{
	unsigned i;

	for (i = 0; i < engine.njobs; i++)
		if (engine.jobs[i].req == req)
			return &engine.jobs[i];
	return NULL;
}

static void
job_drop(struct job *j)
{
	*j = engine.jobs[--engine.njobs];
}

/* What is done now may have been decided long ago, before a slow store. */
static bool
is_late(void)
{
	return engine.behind != 0 &&
	    clock_boot_us() - engine.behind >
	    engine.conf->failure_timeout_us / 2;
}

static void
fence_start(const struct action *act)
{
	struct wbuf w;
	struct job *j;

	/* The core has at most a few per node; this table is larger. */
	ASSERT(engine.njobs < FENCE_JOBS_MAX);
	j = &engine.jobs[engine.njobs++];
	j->req = act->req;
	j->failed = "the fence process is not running";
	if (engine.fence == NULL)
		return;
	/* Others have given us up meanwhile, and have done it (F2). */
	if (is_late()) {
		j->failed = "the disk with the state was slow: who does it is "
			    "to be decided anew";
		return;
	}
	wbuf_init(&w, 64);
	wbuf_u32(&w, act->req);
	wbuf_u16(&w, act->node);
	wbuf_u16(&w, act->device);
	wbuf_u8(&w, FENCE_OFF);
	wbuf_u64(&w, act->timeout_us);
	if (ipc_send(engine.fence, M_FENCE_START, 0, w.data, w.len, -1) == 0)
		j->failed = NULL;
	wbuf_free(&w);
}

static void
fence_cancel(uint32_t req)
{
	struct job *j = job_find(req);
	struct wbuf w;

	if (j == NULL)
		return;
	job_drop(j);
	if (engine.fence == NULL)
		return;
	wbuf_init(&w, 16);
	wbuf_u32(&w, req);
	(void)ipc_send(engine.fence, M_FENCE_CANCEL, 0, w.data, w.len, -1);
	wbuf_free(&w);
}

static void
fence_done(const struct msg *m)
{
	struct event ev = { .type = EV_FENCE_DONE };
	struct word_fenced w;
	struct job *j;

	if (!words_fenced(m, &w))
		fatalx("fence: malformed M_FENCE_DONE");
	j = job_find(w.req);
	if (j == NULL)
		return;
	job_drop(j);
	ev.req = w.req;
	ev.ok = w.ok;
	ev.verified = w.verified;
	ev.data = (const uint8_t *)w.text;
	ev.len = strlen(w.text);
	input(&ev);
}

/* Requests that nobody works on are failures, not silence. */
static bool
fence_fail_one(void)
{
	struct event ev = { .type = EV_FENCE_DONE };
	const char *why;
	unsigned i;

	for (i = 0; i < engine.njobs; i++) {
		why = engine.jobs[i].failed;
		if (why == NULL)
			continue;
		ev.req = engine.jobs[i].req;
		ev.data = (const uint8_t *)why;
		ev.len = strlen(why);
		job_drop(&engine.jobs[i]);
		input(&ev);
		return true;
	}
	return false;
}

static void
fence_message(void *arg, const struct msg *m)
{
	if (m->fd != -1)
		close(m->fd);
	if (m->type != M_FENCE_DONE)
		fatalx("fence: unexpected message %u", m->type);
	fence_done(m);
}

static void
fence_lost(void *arg, int error)
{
	unsigned i;

	log_warnx("fence: the process is gone; its requests failed");
	ipc_free(engine.fence);
	engine.fence = NULL;
	for (i = 0; i < engine.njobs; i++)
		engine.jobs[i].failed = "the fence process is gone";
	while (engine.node != NULL && fence_fail_one())
		;
}

static const struct ipc_ops fence_ops = { .message = fence_message,
	.lost = fence_lost };

/* --- actions --------------------------------------------------------------- */

static void
log_event(const struct action *act)
{
	int len = (int)strnlen((const char *)act->data, act->len);

	switch (act->code) {
	case EVL_WARN:
		log_warnx("%.*s", len, (const char *)act->data);
		break;
	case EVL_INFO:
		log_info("%.*s", len, (const char *)act->data);
		break;
	default:
		log_debug("%.*s", len, (const char *)act->data);
		break;
	}
}

static void
store(const struct action *act)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_blob(&w, act->data, act->len);
	ASSERT(!w.err && act->len <= STORE_BLOB_MAX);
	to_parent(M_STORE, w.data, w.len);
	wbuf_free(&w);
	engine.storing = true;
	engine.asked = clock_boot_us();
	if (engine.behind == 0)
		engine.behind = engine.asked;
}

/* The next NUL-terminated string inside data; "" when there is none. */
static const char *
next_text(const struct action *act, size_t *off)
{
	const char *s = (const char *)act->data + *off;
	size_t left = act->len - *off, len = strnlen(s, left);

	if (len == left)
		return "";
	*off += len + 1;
	return s;
}

static void
mount_pid(const struct action *act)
{
	struct wbuf w;
	size_t off = 0;

	wbuf_init(&w, 4096);
	wbuf_u32(&w, act->pid);
	wbuf_u64(&w, act->client);
	wbuf_str(&w, next_text(act, &off));
	wbuf_str(&w, next_text(act, &off));
	to_parent(M_MOUNT_PID, w.data, w.len);
	wbuf_free(&w);
}

static void
text_of(const struct action *act, char *dst, size_t size)
{
	snprintf(dst, size, "%.*s", (int)MIN(act->len, size),
	    (const char *)act->data);
}

static void
act_on(struct action *act)
{
	char why[512];

	switch (act->type) {
	case ACT_CLIENT_SEND:
		control_send(engine.control, act->client, act->msgtype,
		    act->msgid, act->data, act->len);
		break;
	case ACT_CLIENT_CLOSE:
		text_of(act, why, sizeof(why));
		control_close(engine.control, act->client, why);
		break;
	case ACT_STORE:
		store(act);
		break;
	case ACT_KEYS:
		to_parent(M_KEYS, act->data, act->len);
		explicit_bzero(act->data, act->len);
		break;
	case ACT_FENCE_START:
		fence_start(act);
		break;
	case ACT_FENCE_CANCEL:
		fence_cancel(act->req);
		break;
	case ACT_EVENT:
		log_event(act);
		break;
	case ACT_DEVICE:
		qdevice_link_request(engine.qdevice, act);
		break;
	case ACT_MOUNT_PID:
		mount_pid(act);
		break;
	case ACT_STOPPED:
		net_flush(engine.net);
		to_parent_text(M_STOPPED, "left the cluster", 16);
		leave(0);
	case ACT_LEAVE:
		to_parent_text(M_LEAVE, (const char *)act->data, act->len);
		break;
	case ACT_DIE:
		net_flush(engine.net);
		dying(act);
		leave(EXIT_EVICTED);
	case ACT_SEND:
		break;
	}
}

/* Does what is owed, up to a store that is not durable yet. */
static void
run_actions(void)
{
	struct action *act;

	while (!engine.storing && (act = actions_take(&engine.out)) != NULL) {
		if (act->type == ACT_SEND) {
			net_send(engine.net, act);
			continue;
		}
		act_on(act);
		free(act);
	}
	if (!engine.storing)
		engine.behind = 0;
	control_hold(engine.control,
	    engine.storing && engine.out.n > OWED_HIGH);
	/* The parent's disk hangs, and what we owe piles up: a safe stop. */
	if (engine.out.n > OWED_MAX)
		fatalx("the state is not stored, and %u actions wait for it",
		    engine.out.n);
}

/* A timer that goes off too early costs less than setting it anew each time. */
static void
arm_timer(void)
{
	uint64_t deadline = node_deadline(engine.node);

	if (deadline >= engine.armed)
		return;
	engine.armed = deadline;
	loop_timer_set(engine.timer,
	    deadline > engine.now ? deadline - engine.now : 0);
}

static void drain(void);

/* One event through the core.  Fills in the time. */
static void
input(struct event *ev)
{
	ASSERT(!engine.busy && engine.node != NULL);
	engine.now = MAX(engine.now, clock_boot_us());
	ev->now = engine.now;
	ev->wall = clock_wall_us();
	engine.busy = true;
	node_step(engine.node, ev, &engine.out);
	engine.put_off = ev->more;
	run_actions();
	engine.busy = false;
	/* What the actions led to: lost clients, fences that cannot run. */
	if (!engine.settling) {
		engine.settling = true;
		control_reap(engine.control);
		while (fence_fail_one())
			control_reap(engine.control);
		engine.settling = false;
	}
	if (!engine.draining && engine.now - engine.drained > BREATH_US)
		drain();
}

/* Says what was put off, if anything was. */
static void
flush(void)
{
	bool slow = control_slow(engine.control);
	struct event ev = { .type = EV_FLUSH, .slow = slow };

	if (engine.put_off || slow != engine.slow) {
		engine.slow = slow;
		input(&ev);
	}
	net_flush(engine.net);
}

/* The end of a turn of the loop. */
static void
turn_ends(void *arg)
{
	if (engine.node == NULL)
		return;
	flush();
	arm_timer();
}

/* --- datagrams and time ---------------------------------------------------- */

static void
packet(void *arg, unsigned link, uint64_t at, const uint8_t *data, size_t len)
{
	struct event ev = { .type = EV_PACKET,
		.more = true,
		.link = link,
		.at = at,
		.data = data,
		.len = len };

	engine.came[link] = at != 0 ? at : UINT64_MAX;
	input(&ev);
}

/* E1.  Of those whose moment nobody knows, as many as can have waited. */
static bool
goes_on(unsigned link, unsigned round, uint64_t began)
{
	if (engine.came[link] == UINT64_MAX)
		return round < UNDATED_BATCHES;
	return round < DRAIN_BATCHES || engine.came[link] < began;
}

/*
 * Reads from each link in turn, as long as one has more; after some rounds
 * only as long as what it has came before `began`, or it might never end.
 */
static void
read_links(uint64_t began)
{
	bool full[CONF_LINKS_MAX], any = true;
	unsigned link, round;

	memset(full, true, sizeof(full));
	for (round = 1; any; round++) {
		any = false;
		for (link = 0; link < engine.conf->nlinks; link++) {
			if (!full[link])
				continue;
			full[link] = net_receive(engine.net, link, packet,
					 NULL) == NET_BATCH &&
			    goes_on(link, round, began);
			any |= full[link];
		}
		if (round % DRAIN_BATCHES == 0)
			flush();
	}
}

/*
 * Reads what waits on every link, then tells the core when its time has come
 * (E1).
 */
static void
drain(void)
{
	struct event ev = { .type = EV_TIMER };

	engine.draining = true;
	/* With its mouth shut it is as good as stopped: the others are told. */
	if (engine.page != NULL && !engine.storing)
		engine.page->rounds++;
	read_links(clock_boot_us());
	flush();
	engine.now = MAX(engine.now, clock_boot_us());
	engine.drained = engine.now;
	if (node_deadline(engine.node) <= engine.now)
		input(&ev);
	engine.draining = false;
	net_flush(engine.net);
}

static void
link_ready(void *arg, unsigned what)
{
	drain();
}

static void
timer_due(void *arg)
{
	engine.armed = UINT64_MAX;
	drain();
}

static void
client_input(void *arg, struct event *ev)
{
	ev->more = true;
	input(ev);
}

/* --- the parent ------------------------------------------------------------ */

static void
trace_line(void *arg, const char *line)
{
	log_debug("%s", line);
}

static void
link_socket(struct rbuf *r, int fd)
{
	unsigned link = rbuf_u8(r);

	if (fd == -1 || engine.conf == NULL || !rbuf_done(r) ||
	    !net_socket(engine.net, link, fd))
		fatalx("parent: malformed M_LINK_FD");
	/* The number of the descriptor may be that of the one before. */
	loop_io_free(engine.links[link]);
	engine.links[link] = NULL;
	if (engine.node != NULL)
		engine.links[link] =
		    loop_io_new(engine.loop, fd, LOOP_READ, link_ready, NULL);
}

static void
start(struct rbuf *r)
{
	struct node_config nc = { .conf = engine.conf,
		.trace = log_getverbose() ? trace_line : NULL };
	struct event ev = { .type = EV_START };
	const char *name;
	unsigned link;

	nc.self = rbuf_u16(r);
	nc.incarnation = rbuf_u64(r);
	nc.stored = rbuf_blob(r, &nc.storedlen, STORE_BLOB_MAX);
	if (!rbuf_done(r) || engine.conf == NULL || !engine.have_key ||
	    conf_node(engine.conf, nc.self) == NULL || engine.node != NULL)
		fatalx("parent: malformed M_START");
	name = conf_node(engine.conf, nc.self)->name;
	nc.keys = engine.keys;
	randombytes_buf(nc.secret, sizeof(nc.secret));
	if (getrandom(nc.seed, sizeof(nc.seed), 0) != sizeof(nc.seed))
		fatal("getrandom");
	engine.node = node_new(&nc);
	if (engine.node == NULL)
		fatalx("no memory for the node");
	explicit_bzero(&nc, sizeof(nc));
	keyring_forget(&engine.keys);
	setproctitle("engine: node %s of %s", name, engine.conf->cluster);
	for (link = 0; link < engine.conf->nlinks; link++)
		if (net_fd(engine.net, link) != -1)
			engine.links[link] =
			    loop_io_new(engine.loop, net_fd(engine.net, link),
				LOOP_READ, link_ready, NULL);
	engine.now = engine.drained = clock_boot_us();
	input(&ev);
	to_parent(M_READY, NULL, 0);
}

static void
take_key(struct rbuf *r)
{
	if (!keyring_get(r, &engine.keys) || !rbuf_done(r))
		fatalx("parent: malformed M_KEY");
	engine.have_key = true;
}

/* A slow disk is somebody's to mend, before the others lose patience. */
static void
say_slow_disk(void)
{
	uint64_t took = clock_boot_us() - engine.asked;

	if (took > engine.conf->failure_timeout_us / 2)
		log_warnx("the state took %llu ms to be on the disk, and this "
			  "node says nothing meanwhile: after %llu ms others "
			  "go on without it",
		    (unsigned long long)took / 1000,
		    (unsigned long long)member_step_limit(engine.conf) / 1000);
}

static void
take_stored(void)
{
	struct event ev = { .type = EV_STORED };

	if (!engine.storing)
		fatalx("parent: M_STORED, but nothing was to be stored");
	engine.storing = false;
	say_slow_disk();
	input(&ev);
}

static void
take_keys_stored(struct rbuf *r)
{
	struct event ev = { .type = EV_KEYS_STORED };
	char why[256];

	ev.ok = rbuf_u8(r) != 0;
	rbuf_str(r, why, sizeof(why));
	if (!rbuf_done(r) || engine.node == NULL)
		fatalx("parent: malformed M_KEYS_STORED");
	ev.data = (const uint8_t *)why;
	ev.len = strlen(why);
	input(&ev);
}

/*
 * A mount that nobody could stop must not go on: without its connection it
 * stops by itself.
 */
static void
mount_refused(struct rbuf *r)
{
	uint64_t client = rbuf_u64(r);
	char why[256];

	rbuf_str(r, why, sizeof(why));
	if (!rbuf_done(r) || engine.node == NULL)
		fatalx("parent: malformed M_MOUNT_REFUSED");
	control_drop(engine.control, client, why);
	control_reap(engine.control);
}

static void
take_stop(void)
{
	struct event ev = { .type = EV_STOP };

	if (engine.node == NULL)
		_exit(0);
	input(&ev);
}

static void
take_peer(int fd)
{
	if (fd == -1)
		fatalx("parent: M_PEER_FD without a descriptor");
	if (engine.fence != NULL)
		fence_lost(NULL, 0);
	engine.fence = ipc_new(engine.loop, fd, ENGINE_QUEUE, &fence_ops, NULL);
}

static void
take_page(int fd)
{
	void *p = mmap(NULL, sizeof(*engine.page), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);

	close(fd);
	if (p == MAP_FAILED || engine.page != NULL)
		fatalx("parent: the shared page cannot be used");
	engine.page = p;
}

static void
parent_message(void *arg, const struct msg *m)
{
	struct rbuf r;
	bool takes_fd = m->type == M_LINK_FD || m->type == M_CONTROL_FD ||
	    m->type == M_OBSERVE_FD || m->type == M_PEER_FD ||
	    m->type == M_PAGE_FD || m->type == M_QDEVICE_FD;

	if ((m->fd != -1) != takes_fd)
		fatalx("parent: message %u: descriptor %d", m->type, m->fd);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_CONF:
		child_conf(&engine.conf_bytes, m, &engine.conf, &engine.net);
		break;
	case M_KEY:
		take_key(&r);
		break;
	case M_LINK_FD:
		link_socket(&r, m->fd);
		break;
	case M_CONTROL_FD:
	case M_OBSERVE_FD:
		control_listen(engine.control, m->fd, m->type == M_OBSERVE_FD);
		break;
	case M_GROUP_IDS:
		control_admin(engine.control, rbuf_u32(&r));
		break;
	case M_PEER_FD:
		take_peer(m->fd);
		break;
	case M_PAGE_FD:
		take_page(m->fd);
		break;
	case M_QDEVICE_FD:
		qdevice_link_peer(engine.qdevice, m->fd);
		break;
	case M_START:
		start(&r);
		break;
	case M_STORED:
		take_stored();
		break;
	case M_KEYS_STORED:
		take_keys_stored(&r);
		break;
	case M_MOUNT_REFUSED:
		mount_refused(&r);
		break;
	case M_STOP:
		take_stop();
		break;
	case M_VERBOSE:
		log_setverbose(rbuf_u8(&r) != 0);
		break;
	default:
		fatalx("parent: unexpected message %u", m->type);
	}
}

static void
parent_lost(void *arg, int error)
{
	/* Nobody is left to stop the mounts or to start us anew. */
	log_warnx("the parent is gone: leaving");
	_exit(1);
}

static const struct ipc_ops parent_ops = { .message = parent_message,
	.lost = parent_lost };

void
engine_main(const struct proc_opts *o)
{
	mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
	mallopt(M_MMAP_THRESHOLD, SPARE_BYTES);
	engine.loop = child_begin(ROLE_ENGINE, o);
	proc_prompt();
	child_confine(ROLE_ENGINE, o);
	actions_init(&engine.out);
	wbuf_init(&engine.conf_bytes, CONF_BYTES_MAX);
	engine.timer = loop_timer_new(engine.loop, timer_due, NULL);
	engine.qdevice = qdevice_link_new(engine.loop, input);
	engine.control = control_new(engine.loop, client_input, NULL);
	if (engine.control == NULL)
		fatal("control");
	engine.parent =
	    ipc_new(engine.loop, PROC_FD, ENGINE_QUEUE, &parent_ops, NULL);
	engine.armed = UINT64_MAX;
	loop_run(engine.loop, turn_ends, NULL);
	fatalx("the loop ended");
}
