/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a program is told by its daemon: any message, while locks, groups,
 * views and all the other services are in use.
 *
 * Input: records as in rig.h.  op & 7, and what the bytes become:
 *
 *	0-4	a message of type M_WELCOME + (arg & 15) + 16 * (op >> 3 & 3),
 *		answering request (arg >> 4) + 16 * (op >> 5); it waits until
 *		the next dispatch
 *	5	the program handles what has come
 *	6	the program uses what arg >> 4 says (enum use), as arg & 15 says
 *	7	the end: a synchronous call reads what is left
 *
 * A request whose end is told, is told it once; what was ended or refused is
 * never spoken of again.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <unistd.h>

#include "fuzz.h"
#include "libclusterd/cl.h"
#include "rig.h"

#define LOCKS 4
#define KEEP  4 /* objects of each kind */

enum use {
	USE_LOCKS,
	USE_EVENTS,
	USE_LEVELS,
	USE_BARRIERS,
	USE_KV,
	USE_WATCHES,
	USE_PORTS,
	USE_STATE
};

struct program;

/* What is given to callbacks of one object: which one it is. */
struct object {
	struct program *p;
	unsigned i;
	bool there;
	bool once;
	uint64_t round;
};

struct program {
	struct cl *cl;
	struct cl_lockspace *ls;
	struct cl_group *group;
	struct cl_lock *locks[LOCKS];
	unsigned asts, lost;
	/* Requests that were taken and whose end was not told. */
	unsigned pending;
	struct cl_group *stateful;
	struct cl_subscription *subs[KEEP];
	struct cl_level *levels[KEEP];
	struct cl_watch *watches[KEEP];
	struct object sub[KEEP], level[KEEP], watch[KEEP], port[KEEP];
};

struct slot {
	struct program *p;
	unsigned i;
};

static struct slot slots[LOCKS];

static void
ast(void *arg, const struct cl_ast *a)
{
	struct slot *s = arg;

	ASSERT(a->mode <= CL_EX);
	s->p->asts++;
	if (a->unlocked)
		s->p->locks[s->i] = NULL;
}

static void
bast(void *arg, enum cl_mode mode)
{
	ASSERT(mode <= CL_EX);
}

static void
ls_done(void *arg, uint32_t slot, uint32_t generation, const struct cl_slot *s,
    unsigned n)
{
	ASSERT(n <= CL_NODES_MAX);
}

static void
ls_left(void *arg)
{
	struct program *p = arg;

	p->ls = NULL;
	memset(p->locks, 0, sizeof(p->locks));
}

static void
g_view(void *arg, const struct cl_group_member *m, unsigned n)
{
	struct program *p = arg;

	(void)cl_group_send(p->group, "hello", 5);
}

static void
g_message(void *arg, const struct cl_group_member *from, const void *data,
    size_t len)
{
	ASSERT(len <= CL_MSG_MAX);
}

static void
g_left(void *arg)
{
	((struct program *)arg)->group = NULL;
}

static void
view(void *arg, const struct cl_view *v)
{
	ASSERT(v->nmembers <= CL_NODES_MAX);
}

static void
gone(void *arg, const char *why)
{
	((struct program *)arg)->lost++;
}

static bool
row(void *arg, const struct cl_field *f, unsigned n)
{
	ASSERT(n <= CL_FIELDS_MAX);
	return true;
}

/* --- the other services ---------------------------------------------------- */

static void
done(void *arg, int error, const char *why)
{
	struct program *p = arg;

	ASSERT(p->pending > 0 && why != NULL);
	p->pending--;
}

static void
kv_entry(const struct cl_kv_entry *e)
{
	ASSERT(strlen(e->key) <= CL_KEY_MAX && e->len <= CL_VALUE_MAX);
}

static void
kv_done(void *arg, int error, const char *why, const struct cl_kv_entry *e)
{
	if (e != NULL)
		kv_entry(e);
	done(arg, error, why);
}

static void
event(void *arg, const struct cl_event *e)
{
	const struct object *o = arg;

	ASSERT(o->there && strlen(e->topic) <= CL_TOPIC_MAX);
	ASSERT(e->len <= CL_EVENT_MAX);
}

static void
ready(void *arg)
{
	ASSERT(((struct object *)arg)->there);
}

static void
sub_failed(void *arg, int error, const char *why)
{
	struct object *o = arg;

	ASSERT(o->there && error != 0);
	o->there = false;
	o->p->subs[o->i] = NULL;
}

/* Odd ones say at once that they are done. */
static void
level_step(void *arg, uint64_t round)
{
	struct object *o = arg;

	ASSERT(o->there);
	o->round = round;
	if ((o->i & 1) != 0)
		(void)cl_level_done(o->p->levels[o->i], round);
}

static void
level_failed(void *arg, int error, const char *why)
{
	struct object *o = arg;

	ASSERT(o->there && error != 0);
	o->there = false;
	o->p->levels[o->i] = NULL;
}

static void
watched(void *arg, const struct cl_kv_entry *e)
{
	ASSERT(((struct object *)arg)->there);
	kv_entry(e);
}

/* One that is to end then has ended. */
static void
watch_ready(void *arg)
{
	struct object *o = arg;

	ASSERT(o->there);
	if (!o->once)
		return;
	o->there = false;
	o->p->watches[o->i] = NULL;
}

static void
watch_failed(void *arg, int error, const char *why)
{
	struct object *o = arg;

	ASSERT(o->there && error != 0);
	o->there = false;
	o->p->watches[o->i] = NULL;
}

static void
datagram(void *arg, uint32_t node, uint64_t client, const void *data,
    size_t len)
{
	ASSERT(((struct object *)arg)->there && len <= CL_DGRAM_MAX);
}

static void
port_done(void *arg, int error, const char *why)
{
	struct object *o = arg;

	if (error != 0)
		o->there = false;
	done(o->p, error, why);
}

static void
s_wanted(void *arg, const struct cl_group_request *to)
{
	static const uint8_t state[3 * CL_MSG_MAX / 2];
	struct program *p = arg;

	(void)cl_group_give(p->stateful, to, state,
	    to->round & 1 ? sizeof(state) : to->round & 0xff);
}

static void
s_state(void *arg, const void *data, size_t len)
{
	ASSERT(data != NULL || len == 0);
}

static void
s_synced(void *arg, const struct cl_group_member *m)
{
	ASSERT(m != NULL);
}

static void
s_change(void *arg, const struct cl_group_change *ch)
{
	unsigned i;

	for (i = 0; i < ch->nleft; i++)
		ASSERT(ch->left[i].why != 0);
}

static void
s_view(void *arg, const struct cl_group_member *m, unsigned n)
{
	struct program *p = arg;

	(void)cl_group_send_safe(p->stateful, "hello", 5);
}

static void
s_left(void *arg)
{
	((struct program *)arg)->stateful = NULL;
}

static void
s_failed(void *arg, int error, const char *why)
{
	ASSERT(error != 0);
}

/* --- what the program does --------------------------------------------------- */

static void
use_events(struct program *p, unsigned arg)
{
	static const struct cl_event_ops ops = { event, ready, sub_failed };
	unsigned i = arg % KEEP;

	if ((arg & 8) != 0) {
		p->pending += cl_event_publish(p->cl, "ch", "t", arg & 1, "ev",
				  2, done, p) == 0;
		return;
	}
	if (p->subs[i] == NULL) {
		p->sub[i] = (struct object){ .p = p, .i = i, .there = true };
		(void)cl_event_subscribe(p->cl, "ch", "t", 0, &ops, &p->sub[i],
		    &p->subs[i]);
	} else if ((arg & 4) != 0) {
		(void)cl_event_unsubscribe(p->subs[i]);
		p->subs[i] = NULL;
		p->sub[i].there = false;
	}
}

static void
use_levels(struct program *p, unsigned arg)
{
	static const struct cl_level_ops ops = { level_step, level_step,
		level_step, level_failed };
	unsigned i = arg % KEEP;

	if (p->levels[i] == NULL) {
		p->level[i] = (struct object){ .p = p, .i = i, .there = true };
		(void)cl_level_register(p->cl, i, "lv", &ops, &p->level[i],
		    &p->levels[i]);
	} else if ((arg & 8) != 0) {
		(void)cl_level_done(p->levels[i], p->level[i].round);
	} else if ((arg & 4) != 0) {
		(void)cl_level_unregister(p->levels[i]);
		p->levels[i] = NULL;
		p->level[i].there = false;
	}
}

static void
use_kv(struct program *p, unsigned arg)
{
	int error;

	if ((arg & 3) == 0)
		error = cl_kv_put(p->cl, "k", "v", 1, 0, 0, kv_done, p);
	else if ((arg & 3) == 1)
		error = cl_kv_delete(p->cl, "k", CL_KV_IF, 1, kv_done, p);
	else
		error = cl_kv_get(p->cl, "k", arg & 1, kv_done, p);
	p->pending += error == 0;
}

static void
use_watches(struct program *p, unsigned arg)
{
	static const struct cl_kv_ops ops = { watched, watched, watch_ready,
		watch_failed };
	unsigned i = arg % KEEP;

	if (p->watches[i] == NULL) {
		p->watch[i] = (struct object){ .p = p,
			.i = i,
			.there = true,
			.once = (arg & 8) != 0 };
		(void)cl_kv_watch(p->cl, "k", (arg & 8) != 0 ? CL_KV_ONCE : 0,
		    &ops, &p->watch[i], &p->watches[i]);
	} else if ((arg & 4) != 0) {
		(void)cl_kv_unwatch(p->watches[i]);
		p->watches[i] = NULL;
		p->watch[i].there = false;
	}
}

static void
use_ports(struct program *p, unsigned arg)
{
	struct object *o = &p->port[arg % KEEP];

	if ((arg & 8) != 0) {
		p->pending += cl_dgram_send(p->cl, arg & 1, arg % KEEP, "hi", 2,
				  done, p) == 0;
	} else if ((arg & 4) != 0) {
		if (cl_dgram_close(p->cl, arg % KEEP) == 0)
			o->there = false;
	} else {
		o->p = p;
		/* Only if it is not open, or about to be closed. */
		if (cl_dgram_open(p->cl, arg % KEEP, datagram, port_done, o) ==
		    0) {
			o->there = true;
			p->pending++;
		}
	}
}

static void
use_state(struct program *p, unsigned arg)
{
	static const struct cl_group_ops ops = { .view = s_view,
		.message = g_message,
		.left = s_left,
		.failed = s_failed,
		.change = s_change,
		.wanted = s_wanted,
		.state = s_state,
		.synced = s_synced };

	if (p->stateful == NULL)
		(void)cl_group_join_state(p->cl, "s", &ops, p, &p->stateful);
	else if ((arg & 1) != 0)
		(void)cl_group_leave(p->stateful);
	else
		(void)cl_group_send(p->stateful, "hi", 2);
}

static void
use_barriers(struct program *p, unsigned arg)
{
	if ((arg & 1) != 0)
		(void)cl_barrier_leave(p->cl, "b");
	else
		p->pending += cl_barrier_enter(p->cl, "b", 2, done, p) == 0;
}

/* As cl_open() does, but for the greeting. */
static struct cl *
connection(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct cl *cl = calloc(1, sizeof(*cl));

	ASSERT(cl != NULL);
	msgchan_init(&cl->chan, fd, 4 << 20);
	STAILQ_INIT(&cl->deferred);
	LIST_INIT(&cl->lockspaces);
	LIST_INIT(&cl->groups);
	LIST_INIT(&cl->subscriptions);
	LIST_INIT(&cl->levels);
	LIST_INIT(&cl->watches);
	LIST_INIT(&cl->ports);
	LIST_INIT(&cl->asks);
	cl->epoll = epoll_create1(EPOLL_CLOEXEC);
	cl->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT(cl->epoll != -1 && cl->wake != -1);
	ASSERT(epoll_ctl(cl->epoll, EPOLL_CTL_ADD, fd, &ev) == 0);
	return cl;
}

static void
begin(struct program *p, int fd)
{
	static const struct cl_lockspace_ops lops = { .done = ls_done,
		.left = ls_left };
	static const struct cl_group_ops gops = { .view = g_view,
		.message = g_message,
		.left = g_left };
	unsigned i;

	memset(p, 0, sizeof(*p));
	p->cl = connection(fd);
	cl_on_lost(p->cl, gone, p);
	ASSERT(cl_lockspace_join(p->cl, "ls", 32, &lops, p, &p->ls) == 0);
	ASSERT(cl_group_join(p->cl, "g", &gops, p, &p->group) == 0);
	ASSERT(cl_watch_views(p->cl, view, p) == 0);
	for (i = 0; i < LOCKS; i++)
		slots[i] = (struct slot){ p, i };
}

static void
use_locks(struct program *p, unsigned arg)
{
	unsigned i = arg % LOCKS;

	if (p->ls == NULL)
		return;
	if (p->locks[i] == NULL)
		(void)cl_lock(p->ls, "name", 4, CL_PR, 0, ast, bast, &slots[i],
		    &p->locks[i]);
	else if ((arg & 8) != 0)
		(void)cl_unlock(p->locks[i], 0, NULL);
	else
		(void)cl_convert(p->locks[i], CL_EX, 0, NULL);
}

static void
use(struct program *p, unsigned arg)
{
	static void (*const fns[])(struct program *, unsigned) = {
		[USE_LOCKS] = use_locks,
		[USE_EVENTS] = use_events,
		[USE_LEVELS] = use_levels,
		[USE_BARRIERS] = use_barriers,
		[USE_KV] = use_kv,
		[USE_WATCHES] = use_watches,
		[USE_PORTS] = use_ports,
		[USE_STATE] = use_state,
	};

	if (arg >> 4 < NITEMS(fns))
		fns[arg >> 4](p, arg & 15);
}

static void
say(int fd, const struct rig_op *op)
{
	uint8_t buf[MSG_MAX];
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, M_WELCOME + (op->arg & 15) + 16 * (op->op >> 3 & 3u));
	wbuf_u32(&w, (op->arg >> 4) + 16 * (op->op >> 5u));
	wbuf_u64(&w, 0);
	wbuf_bytes(&w, op->data, MIN(op->len, MSG_MAX - MSG_HDR_LEN));
	ASSERT(!w.err);
	/* What the program has asked is not read, and must not pile up. */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	(void)send(fd, w.data, w.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	wbuf_free(&w);
}

static void
end(struct program *p, int fd, unsigned arg)
{
	char text[64];

	shutdown(fd, SHUT_WR);
	if ((arg & 1) != 0)
		(void)cl_show(p->cl, "nodes", "", row, p);
	else
		(void)cl_command(p->cl, "fence", "x", text, sizeof(text), 100);
	/* It is closed, so every later word is about that. */
	while (cl_dispatch(p->cl) == 0)
		;
	ASSERT(p->lost == 1);
}

/* Those of the library that have not ended, and nothing else. */
static void
check(const struct program *p)
{
	const struct cl_ask *a;
	unsigned n = 0;

	LIST_FOREACH(a, &p->cl->asks, entry)
		n++;
	ASSERT(n == p->pending);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct program p;
	struct rig_op op = { .op = 0 };
	struct rbuf in;
	int sv[2];

	ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	begin(&p, sv[0]);
	rbuf_init(&in, data, len);
	while (rig_next(&in, &op) && (op.op & 7) != 7) {
		if ((op.op & 7) < 5)
			say(sv[1], &op);
		else if ((op.op & 7) == 5)
			(void)cl_dispatch(p.cl);
		else
			use(&p, op.arg);
	}
	end(&p, sv[1], op.arg);
	check(&p);
	cl_close(p.cl);
	close(sv[1]);
	return 0;
}
