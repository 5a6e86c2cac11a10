/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The connection: greeting, sending, and the dispatch of what arrives.  The
 * descriptor that callers poll is an epoll instance over the socket and an
 * event counter, so that it becomes readable also when queued output can go
 * out or when a synchronous call put messages aside.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cl.h"

#define CL_QUEUE_MAX (4u << 20) /* bytes of requests not yet sent */
#define CL_HELLO_MS  5000
#define CL_TURN_MAX  256 /* messages of one dispatch */

int64_t
cl_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint32_t
cl_new_id(struct cl *cl)
{
	if (++cl->next_id == 0)
		++cl->next_id;
	return cl->next_id;
}

static void
update_poll(struct cl *cl)
{
	struct epoll_event ev = { .events = EPOLLIN };
	bool want = msg_pending(&cl->chan);

	if (want == cl->wants_write || cl->dead)
		return;
	if (want)
		ev.events |= EPOLLOUT;
	if (epoll_ctl(cl->epoll, EPOLL_CTL_MOD, cl->chan.fd, &ev) == 0)
		cl->wants_write = want;
}

static void
lost(struct cl *cl, const char *why)
{
	if (cl->dead)
		return;
	cl->dead = true;
	strlcpy(cl->why, why, sizeof(cl->why));
}

/* Only cl_dispatch() tells, and after all that was said before. */
static void
tell_lost(struct cl *cl)
{
	if (!cl->dead || cl->told)
		return;
	cl->told = true;
	if (cl->lost != NULL)
		cl->lost(cl->lost_arg, cl->why);
}

int
cl_send(struct cl *cl, uint32_t type, uint32_t id, struct wbuf *w)
{
	int error = 0;

	if (cl->dead)
		error = ENOTCONN;
	else if (w->err)
		error = EMSGSIZE;
	else if (msg_send(&cl->chan, type, id, w->data, w->len, -1) == -1)
		error = errno == EOVERFLOW ? EAGAIN :
		    errno == EMSGSIZE	   ? EMSGSIZE :
					     ENOTCONN;
	wbuf_free(w);
	update_poll(cl);
	return error;
}

static int
connect_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int
greet(struct cl *cl)
{
	struct wbuf w;
	struct rbuf r;
	struct msg m;
	uint32_t id = cl_new_id(cl);
	int error;

	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "libclusterd");
	wbuf_u32(&w, (uint32_t)getpid());
	error = cl_send(cl, M_HELLO, id, &w);
	if (error == 0)
		error = cl_await(cl, id, cl_now_ms() + CL_HELLO_MS, &m);
	if (error != 0)
		return error;
	if (m.type == M_RESULT) {
		error = cl_result(&m, NULL, 0);
		return error != 0 ? error : EPROTO;
	}
	if (m.type != M_WELCOME)
		return EPROTO;
	rbuf_init(&r, m.data, m.len);
	if (rbuf_u32(&r) != PROTO_VERSION)
		return EPROTONOSUPPORT;
	cl->node = rbuf_u16(&r);
	rbuf_str(&r, cl->cluster, sizeof(cl->cluster));
	(void)rbuf_u8(&r);
	cl->client = rbuf_u64(&r);
	return rbuf_done(&r) ? 0 : EPROTO;
}

int
cl_open(const char *path, struct cl **out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct cl *cl;
	int fd, error;

	*out = NULL;
	fd = connect_socket(path == NULL ? CL_SOCKET : path);
	if (fd == -1)
		return errno;
	cl = calloc(1, sizeof(*cl));
	if (cl == NULL) {
		close(fd);
		return ENOMEM;
	}
	msgchan_init(&cl->chan, fd, CL_QUEUE_MAX);
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
	if (cl->epoll == -1 || cl->wake == -1 ||
	    epoll_ctl(cl->epoll, EPOLL_CTL_ADD, fd, &ev) == -1 ||
	    epoll_ctl(cl->epoll, EPOLL_CTL_ADD, cl->wake, &ev) == -1)
		error = errno;
	else
		error = greet(cl);
	if (error != 0) {
		cl_close(cl);
		return error;
	}
	*out = cl;
	return 0;
}

void
cl_close(struct cl *cl)
{
	struct cl_deferred *d;

	if (cl == NULL)
		return;
	cl_group_free_all(cl);
	cl_lock_free_all(cl);
	cl_event_free_all(cl);
	cl_dgram_free_all(cl);
	cl_kv_free_all(cl);
	cl_level_free_all(cl);
	cl_ask_free_all(cl);
	free(cl->change);
	while ((d = STAILQ_FIRST(&cl->deferred)) != NULL) {
		STAILQ_REMOVE_HEAD(&cl->deferred, entry);
		free(d);
	}
	msgchan_close(&cl->chan);
	if (cl->epoll != -1)
		close(cl->epoll);
	if (cl->wake != -1)
		close(cl->wake);
	free(cl);
}

int
cl_fd(const struct cl *cl)
{
	return cl->epoll;
}

uint32_t
cl_node(const struct cl *cl)
{
	return cl->node;
}

uint64_t
cl_client(const struct cl *cl)
{
	return cl->client;
}

const char *
cl_cluster(const struct cl *cl)
{
	return cl->cluster;
}

void
cl_on_lost(struct cl *cl, void (*fn)(void *, const char *), void *arg)
{
	cl->lost = fn;
	cl->lost_arg = arg;
}

static void
handle(struct cl *cl, const struct msg *m)
{
	/* An unknown type comes from a newer daemon and is not for us. */
	(void)(cl_lock_message(cl, m) || cl_group_message(cl, m) ||
	    cl_event_message(cl, m) || cl_level_message(cl, m) ||
	    cl_kv_message(cl, m) || cl_dgram_message(cl, m) ||
	    cl_ask_message(cl, m) || cl_member_message(cl, m));
}

static void
handle_deferred(struct cl *cl)
{
	struct cl_deferred *d;
	struct msg m = { .fd = -1 };
	uint64_t count;

	if (!cl->woken)
		return;
	cl->woken = false;
	if (read(cl->wake, &count, sizeof(count)) == -1 && errno != EAGAIN)
		lost(cl, "the event counter failed");
	/* A callback may make a synchronous call, which puts more aside. */
	while ((d = STAILQ_FIRST(&cl->deferred)) != NULL) {
		STAILQ_REMOVE_HEAD(&cl->deferred, entry);
		m.type = d->type;
		m.id = d->id;
		m.data = d->data;
		m.len = d->len;
		handle(cl, &m);
		free(d);
	}
}

/* 1: *m is a message; 0: nothing now; -1: the daemon has gone. */
static int
receive(struct cl *cl, struct msg *m)
{
	int n;

	if (cl->dead)
		return -1;
	n = msg_recv(&cl->chan, m);
	/* It died with requests unread: what it said before still counts. */
	if (n == -1 && errno == ECONNRESET)
		n = msg_recv(&cl->chan, m);
	if (n == 1) {
		if (m->fd != -1)
			close(m->fd);
		return 1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	lost(cl, n == 0 ? "clusterd closed the connection" : strerror(errno));
	return -1;
}

int
cl_dispatch(struct cl *cl)
{
	struct msg m;
	int n, turn;

	if (cl->told)
		return ENOTCONN;
	/* An error here is seen below, after the daemon's last words. */
	(void)msg_flush(&cl->chan);
	cl_group_go_on(cl);
	cl_level_go_on(cl);
	/* Bounded, so that a caller's other descriptors get their turn. */
	for (turn = 0; turn < CL_TURN_MAX; turn++) {
		/* What a callback's synchronous call put aside is older. */
		handle_deferred(cl);
		n = receive(cl, &m);
		if (n != 1)
			break;
		handle(cl, &m);
	}
	update_poll(cl);
	tell_lost(cl);
	return cl->dead ? ENOTCONN : 0;
}

static int
defer(struct cl *cl, const struct msg *m)
{
	struct cl_deferred *d = malloc(sizeof(*d) + m->len);
	uint64_t one = 1;

	if (d == NULL)
		return ENOMEM;
	d->type = m->type;
	d->id = m->id;
	d->len = m->len;
	memcpy(d->data, m->data, m->len);
	STAILQ_INSERT_TAIL(&cl->deferred, d, entry);
	cl->woken = true;
	if (write(cl->wake, &one, sizeof(one)) == -1 && errno != EAGAIN)
		return errno;
	return 0;
}

int
cl_await(struct cl *cl, uint32_t id, int64_t deadline_ms, struct msg *m)
{
	struct pollfd pfd = { .fd = cl->chan.fd };
	int64_t left;
	int n, error;

	for (;;) {
		(void)msg_flush(&cl->chan);
		n = receive(cl, m);
		if (n == -1)
			return ENOTCONN;
		if (n == 1 && m->id == id)
			return 0;
		if (n == 1 && (error = defer(cl, m)) != 0)
			return error;
		left = deadline_ms - cl_now_ms();
		if (left <= 0)
			return ETIMEDOUT;
		if (n == 1)
			continue;
		pfd.events = POLLIN;
		if (msg_pending(&cl->chan))
			pfd.events |= POLLOUT;
		if (poll(&pfd, 1, (int)MIN(left, (int64_t)INT32_MAX)) == -1 &&
		    errno != EINTR)
			return errno;
	}
}
