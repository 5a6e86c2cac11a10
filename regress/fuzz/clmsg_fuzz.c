/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a program is told by its daemon: any message, while locks, groups and
 * views are in use.
 *
 * Input: records as in rig.h.  op & 7, and what the bytes become:
 *
 *	0-4	a message of type M_WELCOME + arg & 15, answering request
 *		arg >> 4; it waits until the next dispatch
 *	5	the program handles what has come
 *	6	the program takes a lock, and gives one back
 *	7	the end: a synchronous call reads what is left
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <unistd.h>

#include "fuzz.h"
#include "libclusterd/cl.h"
#include "rig.h"

#define LOCKS 4

struct program {
	struct cl *cl;
	struct cl_lockspace *ls;
	struct cl_group *group;
	struct cl_lock *locks[LOCKS];
	unsigned asts, lost;
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
say(int fd, const struct rig_op *op)
{
	uint8_t buf[MSG_MAX];
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, M_WELCOME + (op->arg & 15));
	wbuf_u32(&w, op->arg >> 4);
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
			use_locks(&p, op.arg);
	}
	end(&p, sv[1], op.arg);
	cl_close(p.cl);
	close(sv[1]);
	return 0;
}
