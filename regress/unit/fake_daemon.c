/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/socket.h>
#include <sys/un.h>

#include <atf-c.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "fake_daemon.h"

#define QUEUE_MAX (16u << 20)
#define WAIT_MS	  20000

void
fake_close(struct cl *cl, struct msgchan *chan)
{
	cl_close(cl);
	msgchan_close(chan);
}

struct fake_part {
	pthread_t thread;
	struct msgchan *chan;
	void (*fn)(struct msgchan *, void *);
	void *arg;
};

int
fake_listen(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ATF_REQUIRE(fd != -1);
	(void)unlink(FAKE_SOCKET);
	strlcpy(sun.sun_path, FAKE_SOCKET, sizeof(sun.sun_path));
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	ATF_REQUIRE_EQ(0, listen(fd, 5));
	return fd;
}

void
fake_accept(int listener, struct msgchan *chan)
{
	int fd = accept(listener, NULL, NULL);

	ATF_REQUIRE(fd != -1);
	msgchan_init(chan, fd, QUEUE_MAX);
}

static void *
part_main(void *arg)
{
	struct fake_part *p = arg;

	p->fn(p->chan, p->arg);
	return NULL;
}

struct fake_part *
fake_run(struct msgchan *chan, void (*fn)(struct msgchan *, void *), void *arg)
{
	struct fake_part *p = calloc(1, sizeof(*p));

	ATF_REQUIRE(p != NULL);
	p->chan = chan;
	p->fn = fn;
	p->arg = arg;
	ATF_REQUIRE_EQ(0, pthread_create(&p->thread, NULL, part_main, p));
	return p;
}

void
fake_join(struct fake_part *p)
{
	ATF_REQUIRE_EQ(0, pthread_join(p->thread, NULL));
	free(p);
}

void
fake_recv(struct msgchan *chan, struct msg *m)
{
	struct pollfd pfd = { .fd = chan->fd, .events = POLLIN };
	int n;

	while ((n = msg_recv(chan, m)) == -1 && errno == EAGAIN)
		ATF_REQUIRE_EQ(1, poll(&pfd, 1, WAIT_MS));
	ATF_REQUIRE_EQ(1, n);
}

void
fake_expect(struct msgchan *chan, uint32_t type, struct msg *m)
{
	fake_recv(chan, m);
	ATF_REQUIRE_EQ_MSG(type, m->type, "got message %u, not %u", m->type,
	    type);
}

void
fake_send(struct msgchan *chan, uint32_t type, uint32_t id, struct wbuf *w)
{
	ATF_REQUIRE(!w->err);
	ATF_REQUIRE_EQ(0, msg_send(chan, type, id, w->data, w->len, -1));
	wbuf_free(w);
}

void
fake_torn(struct msgchan *chan, struct cl *cl, uint32_t type,
    const struct wbuf *w)
{
	size_t len;

	for (len = 0; len < w->len; len++) {
		ATF_REQUIRE_EQ(0, msg_send(chan, type, 0, w->data, len, -1));
		ATF_REQUIRE_EQ(0, cl_dispatch(cl));
	}
}

void
fake_result(struct msgchan *chan, uint32_t id, int error, const char *text)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_str(&w, text);
	fake_send(chan, M_RESULT, id, &w);
}

struct greeting {
	int listener;
	struct msgchan *chan;
};

static void
greet(struct msgchan *chan, void *arg)
{
	struct greeting *g = arg;
	struct wbuf w;
	struct msg m;

	fake_accept(g->listener, chan);
	fake_expect(chan, M_HELLO, &m);
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_u16(&w, FAKE_NODE);
	wbuf_str(&w, "demo");
	wbuf_u8(&w, RIGHT_OBSERVE | RIGHT_USE);
	wbuf_u64(&w, FAKE_CLIENT);
	fake_send(chan, M_WELCOME, m.id, &w);
}

struct cl *
fake_connect(struct msgchan *chan)
{
	struct greeting g = { .listener = fake_listen(), .chan = chan };
	struct fake_part *p = fake_run(chan, greet, &g);
	struct cl *cl;

	ATF_REQUIRE_EQ(0, cl_open(FAKE_SOCKET, &cl));
	fake_join(p);
	close(g.listener);
	return cl;
}

bool
fake_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN) != 0;
}
