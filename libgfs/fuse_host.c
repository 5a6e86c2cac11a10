/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The FUSE session.  A request is received in the loop's thread and handed,
 * bytes and all, to a fiber, which runs libfuse's dispatcher: so a handler is
 * plain sequential code that may block, and its arguments live as long as it
 * runs.
 *
 * Invariants:
 *  F1  At most INFLIGHT_MAX requests are being served; beyond that nothing is
 *      read, and the kernel's queue holds the callers.
 *  F2  A node exists exactly as long as the kernel has looked it up more
 *      often than forgotten, or has it open; the root's is never freed.
 *  F3  Node ids come from the kernel, which got them from us; they are
 *      addresses and are trusted like the kernel itself.
 */

#define FUSE_USE_VERSION 34

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>

#include "fuse_host.h"

enum {
	INFLIGHT_MAX = 128,
	BUFS_MAX = 16,	  /* large buffers kept for reuse */
	SMALL_MAX = 4096, /* requests up to here are copied */
	TURN_MAX = 32	  /* requests read in one turn of the loop */
};

#define WITHDRAWN_WAIT_US 5000000

/* A receive buffer; mem is malloc'd by libfuse in its own size. */
struct fbuf {
	SLIST_ENTRY(fbuf) entry;
	struct fuse_buf buf;
};

struct request {
	struct fuse_host *host;
	struct fbuf *large; /* returned to the pool, or NULL */
	struct fuse_buf buf;
	char small[];
};

static int
fnode_cmp(const struct fnode *a, const struct fnode *b)
{
	uintptr_t x = (uintptr_t)a->ip, y = (uintptr_t)b->ip;

	return x < y ? -1 : x > y;
}

RB_GENERATE_INTERNAL(fnode_tree, fnode, entry, fnode_cmp, UNUSED static)

struct fnode *
fnode_of(struct fuse_host *h, uint64_t nodeid)
{
	if (nodeid == FUSE_ROOT_ID)
		return &h->rootnode;
	return (struct fnode *)(uintptr_t)nodeid;
}

struct fnode *
fnode_get(struct fuse_host *h, struct ginode *ip)
{
	struct fnode key, *n;

	key.ip = ip;
	n = RB_FIND(fnode_tree, &h->nodes, &key);
	if (n != NULL) {
		gfs_iput(ip);
		n->nlookup++;
		return n;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL) {
		gfs_iput(ip);
		return NULL;
	}
	n->ip = ip;
	n->nlookup = 1;
	RB_INSERT(fnode_tree, &h->nodes, n);
	return n;
}

void
fnode_forget(struct fuse_host *h, struct fnode *n, uint64_t count)
{
	struct ginode *ip = n->ip;

	n->nlookup -= MIN(count, n->nlookup);
	if (n->nlookup > 0 || n->opens > 0 || n == &h->rootnode)
		return;
	RB_REMOVE(fnode_tree, &h->nodes, n);
	free(n);
	gfs_iput(ip);
}

static struct fbuf *
fbuf_get(struct fuse_host *h)
{
	struct fbuf *b = SLIST_FIRST(&h->bufs);

	if (b == NULL)
		return calloc(1, sizeof(*b));
	SLIST_REMOVE_HEAD(&h->bufs, entry);
	h->nbufs--;
	return b;
}

static void
fbuf_put(struct fuse_host *h, struct fbuf *b)
{
	if (h->nbufs < BUFS_MAX) {
		SLIST_INSERT_HEAD(&h->bufs, b, entry);
		h->nbufs++;
		return;
	}
	free(b->buf.mem);
	free(b);
}

static void
set_reading(struct fuse_host *h, bool on)
{
	if (h->reading == on)
		return;
	h->reading = on;
	if (on)
		event_add(h->ev, NULL);
	else
		event_del(h->ev);
}

void
fuse_host_end(struct fuse_host *h)
{
	if (h->ended)
		return;
	h->ended = true;
	if (h->ev != NULL)
		set_reading(h, false);
	env_wake_all(h->env, &h->wq);
}

static void
serve(void *arg)
{
	struct request *r = arg;
	struct fuse_host *h = r->host;

	fuse_session_process_buf(h->se, &r->buf);
	if (r->large != NULL)
		fbuf_put(h, r->large);
	free(r);
	h->inflight--;
	if (fuse_session_exited(h->se))
		fuse_host_end(h);
	if (!h->ended && h->inflight < INFLIGHT_MAX)
		set_reading(h, true);
	env_wake_all(h->env, &h->wq);
}

/* Starts a fiber for what is in b. False: no memory, b is still ours. */
static bool
dispatch(struct fuse_host *h, struct fbuf *b)
{
	struct request *r;
	bool small = b->buf.size <= SMALL_MAX;

	r = malloc(sizeof(*r) + (small ? b->buf.size : 0));
	if (r == NULL)
		return false;
	r->host = h;
	r->buf = b->buf;
	r->large = b;
	if (small) {
		memcpy(r->small, b->buf.mem, b->buf.size);
		r->buf.mem = r->small;
		r->large = NULL;
	}
	if (env_spawn(h->env, serve, r, "fuse") == NULL) {
		free(r);
		return false;
	}
	h->inflight++;
	if (small)
		fbuf_put(h, b);
	return true;
}

static void
readable(evutil_socket_t fd, short what, void *arg)
{
	struct fuse_host *h = arg;
	struct fbuf *b;
	int n;

	for (unsigned i = 0; i < TURN_MAX && !h->ended; i++) {
		if (h->inflight >= INFLIGHT_MAX) {
			set_reading(h, false); /* F1 */
			return;
		}
		b = fbuf_get(h);
		if (b == NULL)
			return;
		n = fuse_session_receive_buf(h->se, &b->buf);
		if (n > 0 && dispatch(h, b))
			continue;
		fbuf_put(h, b);
		if (n > 0) {
			/* The caller gets no answer, so the mount must go. */
			fuse_host_end(h);
		} else if (n == 0 || (n != -EAGAIN && n != -EINTR)) {
			fuse_host_end(h);
		}
		return;
	}
}

static int
open_session(struct fuse_host *h, const char *dir, const char *options)
{
	char prog[] = "mount.gfs", dash_o[] = "-o";
	char opts[1024];
	char *argv[] = { prog, dash_o, opts, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	const struct fuse_lowlevel_ops *ops;
	int fd, error;

	if (strlcpy(opts, options, sizeof(opts)) >= sizeof(opts))
		return ENAMETOOLONG;
	ops = h->locks ? &gfs_fuse_ops_locks : &gfs_fuse_ops;
	h->se = fuse_session_new(&args, ops, sizeof(*ops), h);
	fuse_opt_free_args(&args);
	if (h->se == NULL)
		return EINVAL;
	errno = 0;
	if (fuse_session_mount(h->se, dir) != 0) {
		error = errno != 0 ? errno : EINVAL;
		fuse_session_destroy(h->se);
		h->se = NULL;
		return error;
	}
	fd = fuse_session_fd(h->se);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
		return errno;
	return 0;
}

int
fuse_host_start(struct fuse_host *h, struct env *env, struct event_base *base,
    struct gfs *fs, const char *dir, const char *options, bool locks)
{
	int error;

	memset(h, 0, sizeof(*h));
	h->env = env;
	h->base = base;
	h->fs = fs;
	h->locks = locks;
	waitq_init(&h->wq);
	RB_INIT(&h->nodes);
	SLIST_INIT(&h->bufs);
	h->rootnode.ip = gfs_root(fs);
	h->rootnode.nlookup = 1;
	RB_INSERT(fnode_tree, &h->nodes, &h->rootnode);
	error = open_session(h, dir, options);
	if (error != 0)
		return error;
	h->ev = event_new(base, fuse_session_fd(h->se), EV_READ | EV_PERSIST,
	    readable, h);
	if (h->ev == NULL)
		return ENOMEM;
	set_reading(h, true);
	return 0;
}

bool
fuse_host_stop(struct fuse_host *h)
{
	struct fnode *n, *next;
	struct fbuf *b;
	uint64_t deadline = UINT64_MAX;

	while (h->inflight > 0) {
		/* Requests of a withdrawn volume should end soon, with EIO. */
		if (deadline == UINT64_MAX && gfs_withdrawn(h->fs, NULL))
			deadline = env_now(h->env) + WITHDRAWN_WAIT_US;
		if (env_wait(h->env, &h->wq, deadline) == ETIMEDOUT)
			return false;
	}
	RB_FOREACH_SAFE(n, fnode_tree, &h->nodes, next) {
		for (; n->opens > 0; n->opens--)
			gfs_closed(n->ip);
		RB_REMOVE(fnode_tree, &h->nodes, n);
		gfs_iput(n->ip);
		if (n != &h->rootnode)
			free(n);
	}
	while ((b = SLIST_FIRST(&h->bufs)) != NULL) {
		SLIST_REMOVE_HEAD(&h->bufs, entry);
		free(b->buf.mem);
		free(b);
	}
	if (h->ev != NULL)
		event_free(h->ev);
	h->ev = NULL;
	return true;
}
