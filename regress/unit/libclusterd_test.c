/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the connection of libclusterd: every way a greeting can end,
 * questions and their malformed answers, that a synchronous call neither
 * loses nor reorders other messages, and what a program sees when the daemon
 * dies or does not read.
 */

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd/libclusterd/clusterd.h"
#include "fake_daemon.h"

/* --- greetings ------------------------------------------------------------ */

struct answer {
	int listener;
	struct msgchan chan;
	uint32_t type;
	const void *data;
	size_t len;
	bool close;	  /* instead of an answer */
	bool runt;	  /* a packet too short for a header */
	struct msg hello; /* without data */
	uint32_t version, pid;
	char program[64];
};

static void
answer_greeting(struct msgchan *chan, void *arg)
{
	struct answer *a = arg;
	struct rbuf r;

	fake_accept(a->listener, chan);
	fake_expect(chan, M_HELLO, &a->hello);
	rbuf_init(&r, a->hello.data, a->hello.len);
	a->version = rbuf_u32(&r);
	rbuf_str(&r, a->program, sizeof(a->program));
	a->pid = rbuf_u32(&r);
	ATF_REQUIRE(rbuf_done(&r));
	if (a->close)
		msgchan_close(chan);
	else if (a->runt)
		ATF_REQUIRE_EQ(3, write(chan->fd, "abc", 3));
	else
		ATF_REQUIRE_EQ(0,
		    msg_send(chan, a->type, a->hello.id, a->data, a->len, -1));
}

static int
open_with(struct answer *a, struct cl **cl)
{
	struct fake_part *p;
	int error;

	a->listener = fake_listen();
	p = fake_run(&a->chan, answer_greeting, a);
	error = cl_open(FAKE_SOCKET, cl);
	fake_join(p);
	close(a->listener);
	msgchan_close(&a->chan);
	return error;
}

static void
welcome(struct wbuf *w, uint32_t version)
{
	wbuf_init(w, 256);
	wbuf_u32(w, version);
	wbuf_u16(w, 3);
	wbuf_str(w, "demo");
	wbuf_u8(w, RIGHT_OBSERVE);
	wbuf_u64(w, 21);
}

ATF_TC_WITHOUT_HEAD(greeting);
ATF_TC_BODY(greeting, tc)
{
	static struct answer a = { .type = M_WELCOME };
	struct wbuf w;
	struct cl *cl;

	welcome(&w, PROTO_VERSION);
	a.data = w.data;
	a.len = w.len;
	ATF_REQUIRE_EQ(0, open_with(&a, &cl));
	ATF_CHECK_EQ(PROTO_VERSION, a.version);
	ATF_CHECK_EQ((uint32_t)getpid(), a.pid);
	ATF_CHECK(a.program[0] != '\0');
	ATF_CHECK_EQ(3, cl_node(cl));
	ATF_CHECK_EQ(21, cl_client(cl));
	ATF_CHECK_STREQ("demo", cl_cluster(cl));
	ATF_CHECK(cl_fd(cl) >= 0);
	cl_close(cl);
	cl_close(NULL);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(greeting_truncated);
ATF_TC_BODY(greeting_truncated, tc)
{
	static struct answer a = { .type = M_WELCOME };
	struct wbuf w;
	struct cl *cl;
	size_t len;

	welcome(&w, PROTO_VERSION);
	a.data = w.data;
	for (a.len = 0; a.len < w.len; a.len++) {
		ATF_CHECK(open_with(&a, &cl) != 0);
		ATF_CHECK(cl == NULL);
	}
	len = w.len;
	wbuf_u8(&w, 0);
	a.data = w.data;
	a.len = len + 1;
	ATF_CHECK_EQ(EPROTO, open_with(&a, &cl));
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(greeting_refused);
ATF_TC_BODY(greeting_refused, tc)
{
	static struct answer a = { .type = M_RESULT };
	struct wbuf w;
	struct cl *cl;

	wbuf_init(&w, 256);
	wbuf_u32(&w, EPERM);
	wbuf_str(&w, "not for you");
	a.data = w.data;
	a.len = w.len;
	ATF_CHECK_EQ(EPERM, open_with(&a, &cl));
	ATF_CHECK(cl == NULL);
	a.len--;
	ATF_CHECK_EQ(EPROTO, open_with(&a, &cl));
	wbuf_free(&w);

	/* Success is not an answer to a greeting, nor is a row. */
	wbuf_init(&w, 256);
	wbuf_u32(&w, 0);
	wbuf_str(&w, "fine");
	a.data = w.data;
	a.len = w.len;
	ATF_CHECK_EQ(EPROTO, open_with(&a, &cl));
	a.type = M_ROW;
	ATF_CHECK_EQ(EPROTO, open_with(&a, &cl));
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(greeting_version);
ATF_TC_BODY(greeting_version, tc)
{
	static struct answer a = { .type = M_WELCOME };
	struct wbuf w;
	struct cl *cl;

	welcome(&w, PROTO_VERSION + 1);
	a.data = w.data;
	a.len = w.len;
	ATF_CHECK_EQ(EPROTONOSUPPORT, open_with(&a, &cl));
	ATF_CHECK(cl == NULL);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(greeting_none);
ATF_TC_BODY(greeting_none, tc)
{
	static struct answer closes = { .close = true };
	static struct answer runt = { .runt = true };
	char path[300];
	struct cl *cl;

	ATF_CHECK_EQ(ENOTCONN, open_with(&closes, &cl));
	ATF_CHECK_EQ(ENOTCONN, open_with(&runt, &cl));
	/* open_with() leaves a socket file that nobody listens on. */
	ATF_CHECK_EQ(ECONNREFUSED, cl_open(FAKE_SOCKET, &cl));
	ATF_CHECK_EQ(ENOENT, cl_open("missing.sock", &cl));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ATF_CHECK_EQ(ENAMETOOLONG, cl_open(path, &cl));
	ATF_CHECK(cl == NULL);
}

ATF_TC_WITHOUT_HEAD(greeting_silent);
ATF_TC_BODY(greeting_silent, tc)
{
	/* The backlog accepts for us; nobody ever answers. */
	int listener = fake_listen();
	struct cl *cl;

	ATF_CHECK_EQ(ETIMEDOUT, cl_open(FAKE_SOCKET, &cl));
	ATF_CHECK(cl == NULL);
	close(listener);
}

/* --- questions ------------------------------------------------------------ */

struct rows {
	unsigned n;
	unsigned stop; /* after this many */
	unsigned nfields;
	struct cl_field fields[CL_FIELDS_MAX];
};

static bool
got_row(void *arg, const struct cl_field *f, unsigned n)
{
	struct rows *rows = arg;

	ATF_REQUIRE(n >= 1 && n <= CL_FIELDS_MAX);
	memcpy(rows->fields, f, n * sizeof(*f));
	rows->nfields = n;
	return ++rows->n != rows->stop;
}

static void
full_row(struct wbuf *w, uint64_t num)
{
	wbuf_init(w, MSG_MAX);
	wbuf_u8(w, 5);
	wbuf_str(w, "name");
	wbuf_u8(w, CL_F_STR);
	wbuf_str(w, "alpha");
	wbuf_str(w, "count");
	wbuf_u8(w, CL_F_U64);
	wbuf_u64(w, num);
	wbuf_str(w, "up");
	wbuf_u8(w, CL_F_BOOL);
	wbuf_u64(w, 1);
	wbuf_str(w, "rtt");
	wbuf_u8(w, CL_F_NULL);
	wbuf_str(w, "incarnation");
	wbuf_u8(w, CL_F_ID);
	wbuf_u64(w, UINT64_C(0xfedcba9876543210));
}

static void
expect_show(struct msgchan *chan, const char *what, const char *arg,
    struct msg *m)
{
	char gotwhat[64], gotarg[64];
	struct rbuf r;

	fake_expect(chan, M_SHOW, m);
	rbuf_init(&r, m->data, m->len);
	rbuf_str(&r, gotwhat, sizeof(gotwhat));
	rbuf_str(&r, gotarg, sizeof(gotarg));
	ATF_CHECK(rbuf_done(&r));
	ATF_CHECK_STREQ(what, gotwhat);
	ATF_CHECK_STREQ(arg, gotarg);
}

static void
answer_three(struct msgchan *chan, void *arg)
{
	struct wbuf w;
	struct msg m;
	unsigned i;

	expect_show(chan, "nodes", "alpha", &m);
	for (i = 0; i < 3; i++) {
		full_row(&w, i);
		fake_send(chan, M_ROW, m.id, &w);
	}
	fake_result(chan, m.id, 0, "");
}

ATF_TC_WITHOUT_HEAD(show);
ATF_TC_BODY(show, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct rows rows = { .n = 0 };
	const struct cl_field *f = rows.fields;
	struct fake_part *p;

	p = fake_run(&chan, answer_three, NULL);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "alpha", got_row, &rows));
	fake_join(p);
	ATF_REQUIRE_EQ(3, rows.n);
	ATF_REQUIRE_EQ(5, rows.nfields);
	ATF_CHECK_STREQ("name", f[0].name);
	ATF_CHECK_EQ(CL_F_STR, f[0].type);
	ATF_CHECK_STREQ("alpha", f[0].str);
	ATF_CHECK_EQ(CL_F_U64, f[1].type);
	ATF_CHECK_EQ(2, f[1].num);
	ATF_CHECK_EQ(CL_F_BOOL, f[2].type);
	ATF_CHECK_EQ(1, f[2].num);
	ATF_CHECK_EQ(CL_F_NULL, f[3].type);
	ATF_CHECK_EQ(CL_F_ID, f[4].type);
	ATF_CHECK_EQ(UINT64_C(0xfedcba9876543210), f[4].num);

	/* Who has seen enough does not disturb the next answer. */
	rows = (struct rows){ .stop = 1 };
	p = fake_run(&chan, answer_three, NULL);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "alpha", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(1, rows.n);
	rows = (struct rows){ .n = 0 };
	p = fake_run(&chan, answer_three, NULL);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "alpha", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(3, rows.n);
	fake_close(cl, &chan);
}

static void
answer_error(struct msgchan *chan, void *arg)
{
	struct msg m;

	expect_show(chan, "nodes", "", &m);
	fake_result(chan, m.id, *(int *)arg, "because");
}

ATF_TC_WITHOUT_HEAD(show_errors);
ATF_TC_BODY(show_errors, tc)
{
	static const int errors[] = { ENOENT, EPERM, EAGAIN };
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct rows rows = { .n = 0 };
	struct fake_part *p;
	unsigned i;
	int error;

	for (i = 0; i < NITEMS(errors); i++) {
		error = errors[i];
		p = fake_run(&chan, answer_error, &error);
		ATF_CHECK_EQ(error, cl_show(cl, "nodes", "", got_row, &rows));
		fake_join(p);
	}
	ATF_CHECK_EQ(0, rows.n);
	fake_close(cl, &chan);
}

/* A row cut to *len bytes, then one that is whole. */
static void
answer_cut(struct msgchan *chan, void *arg)
{
	const size_t *len = arg;
	struct wbuf w;
	struct msg m;

	fake_expect(chan, M_SHOW, &m);
	full_row(&w, 1);
	if (*len > w.len)
		wbuf_u8(&w, 0);
	else
		w.len = *len;
	fake_send(chan, M_ROW, m.id, &w);
	full_row(&w, 2);
	fake_send(chan, M_ROW, m.id, &w);
	fake_result(chan, m.id, 0, "");
}

ATF_TC_WITHOUT_HEAD(show_malformed);
ATF_TC_BODY(show_malformed, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct fake_part *p;
	struct rows rows;
	struct wbuf w;
	size_t len, whole;

	full_row(&w, 1);
	whole = w.len;
	wbuf_free(&w);
	for (len = 0; len <= whole + 1; len++) {
		if (len == whole)
			continue;
		rows = (struct rows){ .n = 0 };
		p = fake_run(&chan, answer_cut, &len);
		ATF_CHECK_EQ(EPROTO, cl_show(cl, "links", "", got_row, &rows));
		fake_join(p);
		ATF_CHECK_EQ(0, rows.n);
	}
	/* What is left of those answers is no part of this one. */
	rows = (struct rows){ .n = 0 };
	p = fake_run(&chan, answer_three, NULL);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "alpha", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(3, rows.n);
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	ATF_CHECK(!fake_readable(cl_fd(cl)));
	fake_close(cl, &chan);
}

/* Rows that are well framed and wrong: 0 fields, too many, unknown type,
   text too long. */
static void
answer_odd(struct msgchan *chan, void *arg)
{
	char longtext[400];
	struct wbuf w;
	struct msg m;
	unsigned i;

	fake_expect(chan, M_SHOW, &m);
	wbuf_init(&w, MSG_MAX);
	switch (*(unsigned *)arg) {
	case 0:
		wbuf_u8(&w, 0);
		break;
	case 1:
		wbuf_u8(&w, CL_FIELDS_MAX + 1);
		for (i = 0; i <= CL_FIELDS_MAX; i++) {
			wbuf_str(&w, "x");
			wbuf_u8(&w, CL_F_NULL);
		}
		break;
	case 2:
		wbuf_u8(&w, 1);
		wbuf_str(&w, "x");
		wbuf_u8(&w, 99);
		break;
	default:
		memset(longtext, 'y', sizeof(longtext) - 1);
		longtext[sizeof(longtext) - 1] = '\0';
		wbuf_u8(&w, 1);
		wbuf_str(&w, "x");
		wbuf_u8(&w, CL_F_STR);
		wbuf_str(&w, longtext);
		break;
	}
	fake_send(chan, M_ROW, m.id, &w);
	fake_result(chan, m.id, 0, "");
}

ATF_TC_WITHOUT_HEAD(show_odd);
ATF_TC_BODY(show_odd, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct rows rows = { .n = 0 };
	struct fake_part *p;
	unsigned i;

	for (i = 0; i < 4; i++) {
		p = fake_run(&chan, answer_odd, &i);
		ATF_CHECK_EQ(EPROTO, cl_show(cl, "links", "", got_row, &rows));
		fake_join(p);
	}
	ATF_CHECK_EQ(0, rows.n);
	fake_close(cl, &chan);
}

static void
answer_command(struct msgchan *chan, void *arg)
{
	char cmd[64], node[64];
	struct rbuf r;
	struct msg m;

	fake_expect(chan, M_COMMAND, &m);
	rbuf_init(&r, m.data, m.len);
	rbuf_str(&r, cmd, sizeof(cmd));
	rbuf_str(&r, node, sizeof(node));
	ATF_CHECK(rbuf_done(&r));
	ATF_CHECK_STREQ("fence", cmd);
	ATF_CHECK_STREQ("beta", node);
	fake_result(chan, m.id, *(int *)arg, "a sentence");
}

ATF_TC_WITHOUT_HEAD(command);
ATF_TC_BODY(command, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct fake_part *p;
	char text[64], tiny[4];
	int error = 0;

	p = fake_run(&chan, answer_command, &error);
	ATF_CHECK_EQ(0,
	    cl_command(cl, "fence", "beta", text, sizeof(text), 20000));
	fake_join(p);
	ATF_CHECK_STREQ("a sentence", text);
	error = EPERM;
	p = fake_run(&chan, answer_command, &error);
	ATF_CHECK_EQ(EPERM,
	    cl_command(cl, "fence", "beta", tiny, sizeof(tiny), 20000));
	fake_join(p);
	ATF_CHECK_STREQ("a s", tiny);
	fake_close(cl, &chan);
}

static void
answer_mount(struct msgchan *chan, void *arg)
{
	char fs[64], dir[64];
	struct rbuf r;
	struct msg m;

	fake_expect(chan, M_MOUNT, &m);
	rbuf_init(&r, m.data, m.len);
	ATF_CHECK_EQ(4711, rbuf_u32(&r));
	rbuf_str(&r, fs, sizeof(fs));
	rbuf_str(&r, dir, sizeof(dir));
	ATF_CHECK(rbuf_done(&r));
	ATF_CHECK_STREQ("data", fs);
	ATF_CHECK_STREQ("/srv/data", dir);
	fake_result(chan, m.id, *(int *)arg, "");
}

ATF_TC_WITHOUT_HEAD(mounts);
ATF_TC_BODY(mounts, tc)
{
	static const int errors[] = { 0, EPERM, ENOSPC };
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	char longline[300], text[300];
	struct fake_part *p;
	struct rbuf r;
	struct msg m;
	unsigned i;
	int error;

	for (i = 0; i < NITEMS(errors); i++) {
		error = errors[i];
		p = fake_run(&chan, answer_mount, &error);
		ATF_CHECK_EQ(error,
		    cl_mount_register(cl, "data", 4711, "/srv/data"));
		fake_join(p);
	}
	memset(longline, 'z', sizeof(longline) - 1);
	longline[sizeof(longline) - 1] = '\0';
	ATF_CHECK_EQ(0, cl_mount_say(cl, longline));
	fake_expect(&chan, M_MOUNT_SAYS, &m);
	rbuf_init(&r, m.data, m.len);
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK(rbuf_done(&r));
	ATF_CHECK_EQ(199, strlen(text));
	fake_close(cl, &chan);
}

ATF_TC_WITHOUT_HEAD(late_answer);
ATF_TC_BODY(late_answer, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct rows rows = { .n = 0 };
	struct fake_part *p;
	struct msg m;
	char text[64];

	ATF_CHECK_EQ(ETIMEDOUT,
	    cl_command(cl, "fence", "beta", text, sizeof(text), 1));
	ATF_CHECK_STREQ("", text);
	fake_expect(&chan, M_COMMAND, &m);
	fake_result(&chan, m.id, EPERM, "late");
	p = fake_run(&chan, answer_three, NULL);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "alpha", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(3, rows.n);
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	ATF_CHECK(!fake_readable(cl_fd(cl)));
	fake_close(cl, &chan);
}

/* --- a synchronous call among other messages ------------------------------- */

static void
send_view(struct msgchan *chan, uint64_t epoch)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u64(&w, epoch);
	wbuf_u16(&w, 1);
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 0);
	fake_send(chan, M_VIEW, 0, &w);
}

struct seen {
	struct cl *cl;
	struct msgchan *chan;
	unsigned n;
	uint64_t epochs[16];
	uint64_t ask_at; /* the view in whose callback we ask */
	unsigned rows;
};

/* Views before, between and after the rows of an answer. */
static void
answer_among_views(struct msgchan *chan, void *arg)
{
	uint64_t epoch = *(uint64_t *)arg;
	struct wbuf w;
	struct msg m;

	fake_expect(chan, M_SHOW, &m);
	send_view(chan, epoch);
	full_row(&w, 1);
	fake_send(chan, M_ROW, m.id, &w);
	send_view(chan, epoch + 1);
	fake_result(chan, m.id, 0, "");
	send_view(chan, epoch + 2);
}

static void
got_view(void *arg, const struct cl_view *v)
{
	struct seen *s = arg;
	struct rows rows = { .n = 0 };
	uint64_t next = v->epoch + 2;
	struct fake_part *p;

	ATF_REQUIRE(s->n < NITEMS(s->epochs));
	s->epochs[s->n++] = v->epoch;
	if (v->epoch != s->ask_at)
		return;
	/* View ask_at + 1 is already on its way. */
	p = fake_run(s->chan, answer_among_views, &next);
	ATF_CHECK_EQ(0, cl_show(s->cl, "nodes", "", got_row, &rows));
	fake_join(p);
	s->rows += rows.n;
}

static void
in_order(const struct seen *s, unsigned n)
{
	unsigned i;

	ATF_REQUIRE_EQ(n, s->n);
	for (i = 0; i < n; i++)
		ATF_CHECK_EQ(i + 1, s->epochs[i]);
}

ATF_TC_WITHOUT_HEAD(deferred_order);
ATF_TC_BODY(deferred_order, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct seen seen = { .cl = cl, .chan = &chan };
	struct rows rows = { .n = 0 };
	uint64_t first = 1;
	struct fake_part *p;
	struct msg m;

	ATF_REQUIRE_EQ(0, cl_watch_views(cl, got_view, &seen));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	p = fake_run(&chan, answer_among_views, &first);
	ATF_CHECK_EQ(0, cl_show(cl, "nodes", "", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(1, rows.n);
	/* Nothing is called back in a synchronous call. */
	ATF_CHECK_EQ(0, seen.n);
	ATF_CHECK(fake_readable(cl_fd(cl)));
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	in_order(&seen, 3);
	ATF_CHECK(!fake_readable(cl_fd(cl)));
	fake_close(cl, &chan);
}

ATF_TC_WITHOUT_HEAD(deferred_only);
ATF_TC_BODY(deferred_only, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct seen seen = { .cl = cl, .chan = &chan };
	char text[8];
	struct msg m;

	/* The socket is empty; only what was put aside is left. */
	ATF_REQUIRE_EQ(0, cl_watch_views(cl, got_view, &seen));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	send_view(&chan, 1);
	ATF_CHECK_EQ(ETIMEDOUT,
	    cl_command(cl, "fence", "beta", text, sizeof(text), 50));
	ATF_CHECK_EQ(0, seen.n);
	ATF_CHECK(fake_readable(cl_fd(cl)));
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	in_order(&seen, 1);
	ATF_CHECK(!fake_readable(cl_fd(cl)));
	fake_close(cl, &chan);
}

ATF_TC_WITHOUT_HEAD(deferred_in_callback);
ATF_TC_BODY(deferred_in_callback, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct seen seen = { .cl = cl, .chan = &chan, .ask_at = 1 };
	struct msg m;

	ATF_REQUIRE_EQ(0, cl_watch_views(cl, got_view, &seen));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	send_view(&chan, 1);
	send_view(&chan, 2);
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	/* The first callback asked; 2 was waiting, 3 to 5 came meanwhile. */
	in_order(&seen, 5);
	ATF_CHECK_EQ(1, seen.rows);
	ATF_CHECK(!fake_readable(cl_fd(cl)));
	fake_close(cl, &chan);
}

/* --- the end of the daemon ------------------------------------------------- */

struct loss {
	unsigned n;
	char why[128];
};

static void
got_lost(void *arg, const char *why)
{
	struct loss *l = arg;

	l->n++;
	strlcpy(l->why, why, sizeof(l->why));
}

ATF_TC_WITHOUT_HEAD(daemon_dies);
ATF_TC_BODY(daemon_dies, tc)
{
	static const struct cl_group_ops nothing;
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct loss loss = { .n = 0 };
	struct rows rows = { .n = 0 };
	struct seen seen = { .cl = cl };
	struct cl_group *g;
	struct msg m;

	cl_on_lost(cl, got_lost, &loss);
	ATF_REQUIRE_EQ(0, cl_watch_views(cl, got_view, &seen));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	/* It said something, did not read our last request, and died. */
	send_view(&chan, 1);
	ATF_REQUIRE_EQ(0, cl_group_join(cl, "chat", &nothing, NULL, &g));
	msgchan_close(&chan);
	ATF_CHECK(fake_readable(cl_fd(cl)));
	ATF_CHECK_EQ(ENOTCONN, cl_dispatch(cl));
	in_order(&seen, 1);
	ATF_CHECK_EQ(1, loss.n);
	ATF_CHECK(loss.why[0] != '\0');

	ATF_CHECK_EQ(ENOTCONN, cl_dispatch(cl));
	ATF_CHECK_EQ(ENOTCONN, cl_group_send(g, "x", 1));
	ATF_CHECK_EQ(ENOTCONN, cl_group_leave(g));
	ATF_CHECK_EQ(ENOTCONN, cl_show(cl, "nodes", "", got_row, &rows));
	ATF_CHECK_EQ(ENOTCONN, cl_mount_register(cl, "data", 1, "/mnt"));
	ATF_CHECK_EQ(ENOTCONN, cl_group_join(cl, "c", &nothing, NULL, &g));
	ATF_CHECK_EQ(ENOTCONN, cl_watch_views(cl, got_view, &seen));
	ATF_CHECK_EQ(1, loss.n);
	cl_close(cl);
}

static void
die_in_answer(struct msgchan *chan, void *arg)
{
	struct wbuf w;
	struct msg m;

	fake_expect(chan, M_SHOW, &m);
	send_view(chan, 1);
	full_row(&w, 1);
	fake_send(chan, M_ROW, m.id, &w);
	msgchan_close(chan);
}

ATF_TC_WITHOUT_HEAD(daemon_dies_in_call);
ATF_TC_BODY(daemon_dies_in_call, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct loss loss = { .n = 0 };
	struct rows rows = { .n = 0 };
	struct seen seen = { .cl = cl };
	struct fake_part *p;
	struct msg m;

	cl_on_lost(cl, got_lost, &loss);
	ATF_REQUIRE_EQ(0, cl_watch_views(cl, got_view, &seen));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	p = fake_run(&chan, die_in_answer, NULL);
	ATF_CHECK_EQ(ENOTCONN, cl_show(cl, "nodes", "", got_row, &rows));
	fake_join(p);
	ATF_CHECK_EQ(1, rows.n);
	/* Nothing is told but by cl_dispatch(), and its end is the last. */
	ATF_CHECK_EQ(0, loss.n);
	in_order(&seen, 0);
	ATF_CHECK(fake_readable(cl_fd(cl)));
	ATF_CHECK_EQ(ENOTCONN, cl_dispatch(cl));
	in_order(&seen, 1);
	ATF_CHECK_EQ(1, loss.n);
	ATF_CHECK_EQ(ENOTCONN, cl_dispatch(cl));
	ATF_CHECK_EQ(1, loss.n);
	cl_close(cl);
}

ATF_TC_WITHOUT_HEAD(garbage_packet);
ATF_TC_BODY(garbage_packet, tc)
{
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct loss loss = { .n = 0 };

	cl_on_lost(cl, got_lost, &loss);
	ATF_REQUIRE_EQ(5, write(chan.fd, "short", 5));
	ATF_CHECK_EQ(ENOTCONN, cl_dispatch(cl));
	ATF_CHECK_EQ(1, loss.n);
	fake_close(cl, &chan);
}

/* --- a daemon that does not read ------------------------------------------- */

#define NGROUPS 64 /* one alone is held back before the queue is full */

static unsigned
send_until_full(struct cl_group **groups)
{
	uint8_t data[4096];
	unsigned n;
	int error;

	memset(data, 0, sizeof(data));
	for (n = 0; n < 100000; n++) {
		data[0] = (uint8_t)(n >> 24);
		data[1] = (uint8_t)(n >> 16);
		data[2] = (uint8_t)(n >> 8);
		data[3] = (uint8_t)n;
		error = cl_group_send(groups[n % NGROUPS], data, sizeof(data));
		if (error != 0) {
			ATF_CHECK_EQ(EAGAIN, error);
			return n;
		}
	}
	atf_tc_fail("100000 messages were queued for a daemon that is stuck");
}

ATF_TC_WITHOUT_HEAD(queue_full);
ATF_TC_BODY(queue_full, tc)
{
	static const struct cl_group_ops nothing;
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	struct cl_group *groups[NGROUPS];
	unsigned i, sent;
	char name[16];
	struct rbuf r;
	struct msg m;
	size_t len;

	for (i = 0; i < NGROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		ATF_REQUIRE_EQ(0,
		    cl_group_join(cl, name, &nothing, NULL, &groups[i]));
		fake_expect(&chan, M_GROUP_JOIN, &m);
	}
	sent = send_until_full(groups);
	ATF_REQUIRE(sent * 4096 > 256 * 1024);
	/* Every message that was accepted arrives, once and in order. */
	for (i = 0; i < sent; i++) {
		while (msg_recv(&chan, &m) != 1)
			ATF_REQUIRE_EQ(0, cl_dispatch(cl));
		ATF_REQUIRE_EQ(M_GROUP_SEND, m.type);
		rbuf_init(&r, m.data, m.len);
		(void)rbuf_u32(&r);
		rbuf_init(&r, rbuf_blob(&r, &len, CL_MSG_MAX), 4);
		ATF_REQUIRE_EQ(4096, len);
		ATF_REQUIRE_EQ(i, rbuf_u32(&r));
	}
	ATF_CHECK_EQ(-1, msg_recv(&chan, &m));
	ATF_CHECK_EQ(0, cl_group_send(groups[0], "x", 1));
	fake_expect(&chan, M_GROUP_SEND, &m);
	fake_close(cl, &chan);
}

static unsigned
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ATF_REQUIRE(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	unsigned before = count_fds();
	static struct msgchan chan;
	struct cl *cl = fake_connect(&chan);
	unsigned during = count_fds();

	/* A descriptor that nobody asked for is closed. */
	ATF_REQUIRE_EQ(0, msg_send(&chan, M_VIEW, 0, "x", 1, dup(0)));
	ATF_CHECK_EQ(0, cl_dispatch(cl));
	ATF_CHECK_EQ(during, count_fds());
	fake_close(cl, &chan);
	ATF_CHECK_EQ(before, count_fds());
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, greeting);
	ATF_TP_ADD_TC(tp, greeting_truncated);
	ATF_TP_ADD_TC(tp, greeting_refused);
	ATF_TP_ADD_TC(tp, greeting_version);
	ATF_TP_ADD_TC(tp, greeting_none);
	ATF_TP_ADD_TC(tp, greeting_silent);
	ATF_TP_ADD_TC(tp, show);
	ATF_TP_ADD_TC(tp, show_errors);
	ATF_TP_ADD_TC(tp, show_malformed);
	ATF_TP_ADD_TC(tp, show_odd);
	ATF_TP_ADD_TC(tp, command);
	ATF_TP_ADD_TC(tp, mounts);
	ATF_TP_ADD_TC(tp, late_answer);
	ATF_TP_ADD_TC(tp, deferred_order);
	ATF_TP_ADD_TC(tp, deferred_only);
	ATF_TP_ADD_TC(tp, deferred_in_callback);
	ATF_TP_ADD_TC(tp, daemon_dies);
	ATF_TP_ADD_TC(tp, daemon_dies_in_call);
	ATF_TP_ADD_TC(tp, garbage_packet);
	ATF_TP_ADD_TC(tp, queue_full);
	ATF_TP_ADD_TC(tp, descriptors);
	return atf_no_error();
}
