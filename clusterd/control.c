/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   K1  a client's number is never given to another client;
 *   K2  each client reported open is reported closed once, unless the core
 *       itself closed it;
 *   K3  a client that came through the observe socket has RIGHT_OBSERVE and
 *       nothing else, whoever it is;
 *   K4  a client can hold CONTROL_QUEUE_MAX bytes of ours, no more;
 *   K5  a client is slow for CONTROL_SLOW_US at a time, no longer.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "control.h"
#include "ipc.h"
#include "log.h"
#include "proto.h"

enum {
	GROUPS_MAX = 1024,
	ACCEPT_TURN = 16,
	LOGS_PER_SECOND = 5
};

#define ACCEPT_PAUSE_US 1000000 /* no descriptors left: try again after */

struct client {
	RB_ENTRY(client) node;
	TAILQ_ENTRY(client) dead_entry;
	TAILQ_ENTRY(client) slow_entry;
	struct control *control;
	struct ipc *ipc;
	uint64_t id;
	unsigned rights;
	uint32_t uid, pid;
	bool greeted;
	bool dead;
	bool slow;
	uint64_t slow_since;
	char program[33];
};

RB_HEAD(client_tree, client);
TAILQ_HEAD(client_list, client);

struct listener {
	struct control *control;
	struct loop_io *io;
	int fd;
	bool observe;
};

struct control {
	struct loop *loop;
	void (*input)(void *, struct event *);
	void *arg;
	struct client_tree clients;
	struct client_list dead; /* lost, and not yet reported */
	struct client_list slow; /* in the order in which they became so */
	struct loop_timer *patience;
	struct listener listeners[2];
	unsigned nlisteners;
	struct loop_timer *again; /* accepting goes on */
	bool held;		  /* nobody is read */
	uint64_t last_id;
	uint32_t admin;
	struct control_stats stats;
	uint64_t log_second;
	unsigned logged, unlogged;
};

static int
client_cmp(const struct client *a, const struct client *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(client_tree, client, node, client_cmp, UNUSED static)

/* A client that is opened in a loop must not fill the log. */
static bool
may_log(struct control *c)
{
	uint64_t second = clock_boot_us() / 1000000;

	if (second != c->log_second) {
		if (c->unlogged > 0)
			log_warnx("control: %u more lines about clients were "
				  "left out",
			    c->unlogged);
		c->log_second = second;
		c->logged = c->unlogged = 0;
	}
	if (c->logged < LOGS_PER_SECOND) {
		c->logged++;
		return true;
	}
	c->unlogged++;
	return false;
}

static struct client *
find(struct control *c, uint64_t id)
{
	struct client key = { .id = id };

	return RB_FIND(client_tree, &c->clients, &key);
}

static void
client_free(struct client *cl)
{
	struct control *c = cl->control;

	if (cl->dead)
		TAILQ_REMOVE(&c->dead, cl, dead_entry);
	if (cl->slow)
		TAILQ_REMOVE(&c->slow, cl, slow_entry);
	RB_REMOVE(client_tree, &c->clients, cl);
	c->stats.clients--;
	ipc_free(cl->ipc);
	free(cl);
}

/* Marks it for control_reap(); its descriptor stays until then. */
static void
client_lost(struct client *cl)
{
	if (cl->dead)
		return;
	cl->dead = true;
	ipc_pause(cl->ipc, true);
	TAILQ_INSERT_TAIL(&cl->control->dead, cl, dead_entry);
}

/* Those who did not catch up in time hold everybody up. */
static void
patience_ends(void *arg)
{
	struct control *c = arg;
	struct client *cl, *next;
	uint64_t now = clock_boot_us();

	if (!control_slow(c))
		return;
	TAILQ_FOREACH_SAFE(cl, &c->slow, slow_entry, next) {
		if (now - cl->slow_since < CONTROL_SLOW_US) {
			loop_timer_set(c->patience,
			    CONTROL_SLOW_US - (now - cl->slow_since));
			break;
		}
		c->stats.overflow++;
		if (may_log(c))
			log_warnx("client %llu (%s, pid %u, uid %u): closed: "
				  "it did not read what we sent for %llu ms",
			    (unsigned long long)cl->id, cl->program, cl->pid,
			    cl->uid,
			    (unsigned long long)CONTROL_SLOW_US / 1000);
		client_lost(cl);
	}
	control_reap(c);
}

static void
note_slow(struct client *cl, uint32_t type)
{
	struct control *c = cl->control;

	if (cl->slow || ipc_queued(cl->ipc) <= CONTROL_SLOW_HIGH ||
	    (cl->rights & RIGHT_USE) == 0 || type == M_ROW)
		return;
	if (TAILQ_EMPTY(&c->slow))
		loop_timer_set(c->patience, CONTROL_SLOW_US);
	cl->slow = true;
	cl->slow_since = clock_boot_us();
	TAILQ_INSERT_TAIL(&c->slow, cl, slow_entry);
}

void
control_hold(struct control *c, bool hold)
{
	struct client *cl;

	if (hold == c->held)
		return;
	c->held = hold;
	RB_FOREACH(cl, client_tree, &c->clients)
		if (!cl->dead)
			ipc_pause(cl->ipc, hold);
}

bool
control_slow(struct control *c)
{
	struct client *cl, *next;

	TAILQ_FOREACH_SAFE(cl, &c->slow, slow_entry, next) {
		if (!cl->dead && ipc_queued(cl->ipc) > CONTROL_SLOW_LOW)
			continue;
		cl->slow = false;
		TAILQ_REMOVE(&c->slow, cl, slow_entry);
	}
	return !TAILQ_EMPTY(&c->slow);
}

static void
malformed(struct client *cl, const char *what)
{
	struct control *c = cl->control;

	c->stats.malformed++;
	if (may_log(c))
		log_warnx("client %llu (%s, pid %u, uid %u): closed: %s",
		    (unsigned long long)cl->id, cl->greeted ? cl->program : "?",
		    cl->pid, cl->uid, what);
	client_lost(cl);
}

/* The first message; the core reads it again and answers it. */
static bool
greeting_ok(struct client *cl, const struct msg *m)
{
	struct rbuf r;
	size_t i;

	if (m->type != M_HELLO)
		return false;
	rbuf_init(&r, m->data, m->len);
	(void)rbuf_u32(&r);
	rbuf_str(&r, cl->program, sizeof(cl->program));
	(void)rbuf_u32(&r);
	if (r.err)
		return false;
	/* The name is for our log. */
	for (i = 0; cl->program[i] != '\0'; i++)
		if (cl->program[i] < ' ' || cl->program[i] > '~')
			cl->program[i] = '?';
	cl->greeted = true;
	return true;
}

static void
client_message(void *arg, const struct msg *m)
{
	struct client *cl = arg;
	struct control *c = cl->control;
	struct event ev = { .type = EV_CLIENT_DATA };

	if (m->fd != -1) {
		close(m->fd);
		malformed(cl, "it sent a descriptor");
	} else if (!cl->greeted && !greeting_ok(cl, m))
		malformed(cl, "its first message is no greeting");
	if (!cl->dead) {
		ev.client = cl->id;
		ev.msgtype = m->type;
		ev.msgid = m->id;
		ev.data = m->data;
		ev.len = m->len;
		c->input(c->arg, &ev);
	}
	control_reap(c);
}

static void
client_gone(void *arg, int error)
{
	struct client *cl = arg;
	struct control *c = cl->control;

	if (error == EBADMSG)
		malformed(cl, "malformed message");
	else
		client_lost(cl);
	control_reap(c);
}

static const struct ipc_ops client_ops = { .message = client_message,
	.lost = client_gone };

/* Does the peer have gid among its groups? */
static bool
in_group(int fd, const struct ucred *cred, uint32_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);
	size_t i;

	if (gid == UINT32_MAX)
		return false;
	if (cred->gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static unsigned
rights_of(const struct control *c, const struct listener *l, int fd,
    const struct ucred *cred)
{
	if (l->observe)
		return RIGHT_OBSERVE;
	if (cred->uid == 0)
		return RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN | RIGHT_ROOT;
	if (in_group(fd, cred, c->admin))
		return RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN;
	return RIGHT_OBSERVE | RIGHT_USE;
}

static bool
has_room(struct control *c, uint32_t uid)
{
	struct client *cl;
	unsigned mine = 0;

	if (uid == 0)
		return c->stats.clients < CONTROL_CLIENTS_MAX;
	if (c->stats.clients >= CONTROL_CLIENTS_MAX - CONTROL_ROOT_KEPT)
		return false;
	RB_FOREACH(cl, client_tree, &c->clients)
		if (cl->uid == uid)
			mine++;
	return mine < CONTROL_PER_USER_MAX;
}

static void
client_new(struct listener *l, int fd)
{
	struct control *c = l->control;
	struct event ev = { .type = EV_CLIENT_OPEN };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct client *cl;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1) {
		close(fd);
		return;
	}
	cl = has_room(c, cred.uid) ? calloc(1, sizeof(*cl)) : NULL;
	if (cl == NULL) {
		c->stats.refused++;
		if (may_log(c))
			log_warnx("control: uid %u: refused: too many clients",
			    cred.uid);
		close(fd);
		return;
	}
	cl->control = c;
	cl->id = ++c->last_id;
	cl->uid = cred.uid;
	cl->pid = (uint32_t)cred.pid;
	cl->rights = rights_of(c, l, fd, &cred);
	cl->ipc = ipc_new(c->loop, fd, CONTROL_QUEUE_MAX, &client_ops, cl);
	/* Who does not read answers is not asked for more questions. */
	ipc_throttle(cl->ipc, CONTROL_QUEUE_HIGH);
	ipc_pause(cl->ipc, c->held);
	RB_INSERT(client_tree, &c->clients, cl);
	c->stats.clients++;
	c->stats.accepted++;
	ev.client = cl->id;
	ev.rights = cl->rights;
	ev.uid = cl->uid;
	ev.pid = cl->pid;
	c->input(c->arg, &ev);
}

/*
 * Without a descriptor to spare a connection stays in the backlog, where it
 * would wake us again at once: stop listening for a while.
 */
static void
accept_pause(struct control *c)
{
	unsigned i;

	if (may_log(c))
		log_warn("control: accepting pauses");
	for (i = 0; i < c->nlisteners; i++)
		loop_io_want(c->listeners[i].io, 0);
	loop_timer_set(c->again, ACCEPT_PAUSE_US);
}

static void
accept_again(void *arg)
{
	struct control *c = arg;
	unsigned i;

	for (i = 0; i < c->nlisteners; i++)
		loop_io_want(c->listeners[i].io, LOOP_READ);
}

static void
accept_ready(void *arg, unsigned what)
{
	struct listener *l = arg;
	int fd, i;

	for (i = 0; i < ACCEPT_TURN; i++) {
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				accept_pause(l->control);
			return;
		}
		client_new(l, fd);
	}
}

struct control *
control_new(struct loop *loop, void (*input)(void *, struct event *), void *arg)
{
	struct control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->input = input;
	c->arg = arg;
	c->admin = UINT32_MAX;
	RB_INIT(&c->clients);
	TAILQ_INIT(&c->dead);
	TAILQ_INIT(&c->slow);
	c->patience = loop_timer_new(loop, patience_ends, c);
	c->again = loop_timer_new(loop, accept_again, c);
	return c;
}

void
control_free(struct control *c)
{
	struct client *cl;
	unsigned i;

	if (c == NULL)
		return;
	while ((cl = RB_ROOT(&c->clients)) != NULL)
		client_free(cl);
	for (i = 0; i < c->nlisteners; i++) {
		loop_io_free(c->listeners[i].io);
		close(c->listeners[i].fd);
	}
	loop_timer_free(c->again);
	loop_timer_free(c->patience);
	free(c);
}

void
control_listen(struct control *c, int fd, bool observe)
{
	struct listener *l;

	ASSERT(c->nlisteners < NITEMS(c->listeners));
	l = &c->listeners[c->nlisteners++];
	l->control = c;
	l->fd = fd;
	l->observe = observe;
	l->io = loop_io_new(c->loop, fd, LOOP_READ, accept_ready, l);
}

void
control_admin(struct control *c, uint32_t gid)
{
	c->admin = gid;
}

void
control_send(struct control *c, uint64_t client, uint32_t type, uint32_t id,
    const void *data, size_t len)
{
	struct client *cl = find(c, client);

	if (cl == NULL || cl->dead)
		return;
	if (ipc_send(cl->ipc, type, id, data, len, -1) == 0) {
		note_slow(cl, type);
		return;
	}
	if (errno == EOVERFLOW) {
		c->stats.overflow++;
		if (may_log(c))
			log_warnx("client %llu (%s, pid %u, uid %u): closed: "
				  "it does not read what we send",
			    (unsigned long long)cl->id, cl->program, cl->pid,
			    cl->uid);
	}
	client_lost(cl);
}

void
control_close(struct control *c, uint64_t client, const char *why)
{
	struct client *cl = find(c, client);

	if (cl == NULL)
		return;
	log_debug("client %llu (%s): closed: %s", (unsigned long long)cl->id,
	    cl->program, why);
	ipc_drain(cl->ipc, 0);
	client_free(cl);
}

void
control_drop(struct control *c, uint64_t client, const char *why)
{
	struct client *cl = find(c, client);

	if (cl == NULL)
		return;
	log_warnx("client %llu (%s, pid %u, uid %u): closed: %s",
	    (unsigned long long)cl->id, cl->program, cl->pid, cl->uid, why);
	client_lost(cl);
}

void
control_reap(struct control *c)
{
	struct event ev = { .type = EV_CLIENT_CLOSE };
	struct client *cl;

	while ((cl = TAILQ_FIRST(&c->dead)) != NULL) {
		ev.client = cl->id;
		client_free(cl);
		c->input(c->arg, &ev);
	}
}

const struct control_stats *
control_stats(const struct control *c)
{
	return &c->stats;
}
