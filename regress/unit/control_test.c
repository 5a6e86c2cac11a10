/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that clients get the rights of their socket and credentials, that
 * each is opened and closed once under a number of its own, and that one
 * that sends garbage, floods, or does not read harms nobody but itself.
 */

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "msg.h"
#include "proto.h"

#define SECOND UINT64_C(1000000)
#define SEEN   2048

struct seen {
	enum event_type type;
	uint64_t client;
	unsigned rights;
	uint32_t uid, pid, msgtype;
};

static struct loop *loop;
static struct control *control;
static struct seen seen[SEEN];
static unsigned nseen, ndata, nopen, nclose;
/* What the "core" does with a request. */
static void (*react)(const struct event *);

static void
input(void *arg, struct event *ev)
{
	if (nseen < SEEN) {
		seen[nseen].type = ev->type;
		seen[nseen].client = ev->client;
		seen[nseen].rights = ev->rights;
		seen[nseen].uid = ev->uid;
		seen[nseen].pid = ev->pid;
		seen[nseen].msgtype = ev->msgtype;
		nseen++;
	}
	nopen += ev->type == EV_CLIENT_OPEN;
	ndata += ev->type == EV_CLIENT_DATA;
	nclose += ev->type == EV_CLIENT_CLOSE;
	if (react != NULL)
		react(ev);
}

static int
listener(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	ATF_REQUIRE_EQ(0, chmod(path, 0666));
	ATF_REQUIRE_EQ(0, listen(fd, 128));
	return fd;
}

static void
setup(void)
{
	log_init("test", true, false);
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	ATF_REQUIRE(loop != NULL);
	control = control_new(loop, input, NULL);
	ATF_REQUIRE(control != NULL);
	control_listen(control, listener("control"), false);
	control_listen(control, listener("observe"), true);
}

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

static void
tick(void *arg)
{
}

/* Turns the loop until *n reaches want; fails after a long time. */
static void
until(const unsigned *n, unsigned want)
{
	uint64_t end = clock_boot_us() + 30 * SECOND;
	struct loop_timer *t = loop_timer_new(loop, tick, NULL);

	while (*n < want) {
		ATF_REQUIRE_MSG(clock_boot_us() < end, "%u of %u", *n, want);
		loop_timer_set(t, 10000);
		loop_once(loop);
	}
	loop_timer_free(t);
}

/* A few turns in which nothing is expected to happen. */
static void
turns(unsigned n)
{
	struct loop_timer *t = loop_timer_new(loop, tick, NULL);

	while (n-- > 0) {
		loop_timer_set(t, 1000);
		loop_once(loop);
	}
	loop_timer_free(t);
}

static void
packet(int fd, uint32_t type, const void *data, size_t len)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, type);
	wbuf_u32(&w, 1);
	wbuf_u64(&w, 0);
	wbuf_bytes(&w, data, len);
	ATF_REQUIRE_EQ((ssize_t)w.len, send(fd, w.data, w.len, MSG_NOSIGNAL));
	wbuf_free(&w);
}

static void
hello(int fd)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "test");
	wbuf_u32(&w, (uint32_t)getpid());
	packet(fd, M_HELLO, w.data, w.len);
	wbuf_free(&w);
}

static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

ATF_TC(rights_of_root);
ATF_TC_HEAD(rights_of_root, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(rights_of_root, tc)
{
	int a, b;

	setup();
	a = dial("control");
	until(&nopen, 1);
	b = dial("observe");
	until(&nopen, 2);
	ATF_CHECK_EQ(RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN | RIGHT_ROOT,
	    seen[0].rights);
	ATF_CHECK_EQ(getpid(), (pid_t)seen[0].pid);
	ATF_CHECK_EQ(0, seen[0].uid);
	/* Root, too, may only look through the observe socket. */
	ATF_CHECK_EQ(RIGHT_OBSERVE, seen[1].rights);
	ATF_CHECK(seen[0].client != seen[1].client);
	close(a);
	close(b);
	until(&nclose, 2);
	ATF_CHECK_EQ(0, control_stats(control)->clients);
}

/* Rights of a child with these ids that connects to path. */
static unsigned
rights_as(const char *path, uid_t uid, gid_t gid, gid_t extra)
{
	unsigned before = nopen, rights;
	int hold[2], status;
	pid_t pid;
	char c;

	ATF_REQUIRE_EQ(0, pipe(hold));
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		close(hold[1]);
		if (setgroups(extra != 0, &extra) == -1 ||
		    setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			_exit(1);
		dial(path);
		(void)!read(hold[0], &c, 1);
		_exit(0);
	}
	close(hold[0]);
	until(&nopen, before + 1);
	rights = seen[nseen - 1].rights;
	ATF_CHECK_EQ(uid, seen[nseen - 1].uid);
	ATF_CHECK_EQ(pid, (pid_t)seen[nseen - 1].pid);
	close(hold[1]);
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK_EQ(0, status);
	until(&nclose, before + 1);
	return rights;
}

ATF_TC(rights_of_groups);
ATF_TC_HEAD(rights_of_groups, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(rights_of_groups, tc)
{
	const unsigned use = RIGHT_OBSERVE | RIGHT_USE;

	ATF_REQUIRE_EQ(0, chmod(".", 0777));
	setup();
	/* No group administers until one is named. */
	ATF_CHECK_EQ(use, rights_as("control", 4242, 777, 0));
	control_admin(control, 777);
	ATF_CHECK_EQ(use | RIGHT_ADMIN, rights_as("control", 4242, 777, 0));
	ATF_CHECK_EQ(use | RIGHT_ADMIN, rights_as("control", 4242, 5, 777));
	ATF_CHECK_EQ(use, rights_as("control", 4242, 5, 778));
	ATF_CHECK_EQ(RIGHT_OBSERVE, rights_as("observe", 4242, 777, 0));
}

ATF_TC_WITHOUT_HEAD(numbers_are_not_reused);
ATF_TC_BODY(numbers_are_not_reused, tc)
{
	uint64_t last = 0;
	unsigned i;
	int fd;

	setup();
	for (i = 1; i <= 50; i++) {
		fd = dial("control");
		until(&nopen, i);
		close(fd);
		until(&nclose, i);
		ATF_REQUIRE_EQ(EV_CLIENT_OPEN, seen[nseen - 2].type);
		ATF_REQUIRE_EQ(EV_CLIENT_CLOSE, seen[nseen - 1].type);
		ATF_REQUIRE_EQ(seen[nseen - 2].client, seen[nseen - 1].client);
		ATF_REQUIRE(seen[nseen - 1].client > last);
		last = seen[nseen - 1].client;
	}
}

static void
garbage_short(int fd)
{
	ATF_REQUIRE_EQ(3, send(fd, "abc", 3, MSG_NOSIGNAL));
}

static void
garbage_no_hello(int fd)
{
	packet(fd, M_SHOW, "x", 1);
}

static void
garbage_bad_hello(int fd)
{
	packet(fd, M_HELLO, "\0\0\0\1\xff\xff", 6);
}

static void
garbage_large(int fd)
{
	static char big[MSG_MAX + 1];

	ATF_REQUIRE_EQ(sizeof(big), send(fd, big, sizeof(big), MSG_NOSIGNAL));
}

static void
garbage_late(int fd)
{
	hello(fd);
	ATF_REQUIRE_EQ(1, send(fd, "x", 1, MSG_NOSIGNAL));
}

static void
garbage_descriptor(int fd)
{
	struct msgchan c;

	hello(fd);
	msgchan_init(&c, dup(fd), 1000);
	ATF_REQUIRE_EQ(0, msg_send(&c, M_SHOW, 1, "", 0, dup(fd)));
	msgchan_close(&c);
}

ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	static void (*const kinds[])(int) = { garbage_short, garbage_no_hello,
		garbage_bad_hello, garbage_large, garbage_late,
		garbage_descriptor };
	unsigned i, data;
	int good, bad;

	setup();
	good = dial("control");
	hello(good);
	until(&ndata, 1);
	for (i = 0; i < NITEMS(kinds); i++) {
		data = ndata;
		bad = dial("control");
		kinds[i](bad);
		until(&nclose, i + 1);
		ATF_CHECK_MSG(is_closed(bad), "kind %u", i);
		ATF_CHECK_EQ(i + 1, control_stats(control)->malformed);
		/* At most its greeting was heard. */
		ATF_CHECK(ndata - data <= 1);
		close(bad);
		/* The others notice nothing. */
		data = ndata;
		packet(good, M_SHOW, "x", 1);
		until(&ndata, data + 1);
		ATF_CHECK_EQ(M_SHOW, seen[nseen - 1].msgtype);
	}
	ATF_CHECK(!is_closed(good));
	ATF_CHECK_EQ(1, control_stats(control)->clients);
}

static uint64_t flooder;

ATF_TC_WITHOUT_HEAD(flood_is_fair);
ATF_TC_BODY(flood_is_fair, tc)
{
	char bytes[100] = { 0 };
	unsigned i, quiet_seen = 0;
	int loud, quiet;

	setup();
	loud = dial("control");
	hello(loud);
	until(&ndata, 1);
	flooder = seen[nseen - 1].client;
	quiet = dial("control");
	hello(quiet);
	until(&ndata, 2);
	for (i = 0; i < 500; i++) {
		if (send(loud, bytes, sizeof(bytes),
			MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			break;
	}
	ATF_REQUIRE(i > 100);
	packet(quiet, M_SHOW, "x", 1);
	nseen = 0;
	until(&ndata, 2 + i + 1);
	for (i = 0; i < nseen; i++)
		if (seen[i].client != flooder)
			break;
	quiet_seen = i;
	/* The quiet one was served in the flooder's first pauses. */
	ATF_CHECK_MSG(quiet_seen <= 64, "after %u", quiet_seen);
	close(loud);
	close(quiet);
}

static void
answer_much(const struct event *ev)
{
	static uint8_t much[60000];

	if (ev->type == EV_CLIENT_DATA && ev->msgtype == M_SHOW)
		control_send(control, ev->client, M_ROW, ev->msgid, much,
		    sizeof(much));
}

/* Who asks and does not read is not asked on, and not closed for it. */
ATF_TC_WITHOUT_HEAD(not_reading_is_throttled);
ATF_TC_BODY(not_reading_is_throttled, tc)
{
	static char big[MSG_MAX];
	unsigned asked = 0, got = 0;
	ssize_t n;
	int fd;

	setup();
	react = answer_much;
	fd = dial("control");
	hello(fd);
	until(&ndata, 1);
	for (asked = 0; asked < 100; asked++)
		packet(fd, M_SHOW, "x", 1);
	turns(200);
	ATF_CHECK(ndata - 1 < asked);
	ATF_CHECK_EQ(0, nclose);
	ATF_CHECK_EQ(0, control_stats(control)->overflow);
	/* It reads at last, and gets every answer. */
	while (got < asked) {
		n = recv(fd, big, sizeof(big), MSG_DONTWAIT);
		if (n == -1) {
			ATF_REQUIRE_EQ(EAGAIN, errno);
			turns(1);
			continue;
		}
		ATF_REQUIRE_EQ(60000 + MSG_HDR_LEN, n);
		got++;
	}
	ATF_CHECK_EQ(asked, ndata - 1);
	close(fd);
	until(&nclose, 1);
}

ATF_TC_WITHOUT_HEAD(overflow_is_closed);
ATF_TC_BODY(overflow_is_closed, tc)
{
	static uint8_t much[60000];
	uint64_t id;
	unsigned i;
	int fd;

	setup();
	fd = dial("control");
	hello(fd);
	until(&ndata, 1);
	id = seen[nseen - 1].client;
	for (i = 0; i < 100; i++)
		control_send(control, id, M_VIEW, 0, much, sizeof(much));
	ATF_CHECK_EQ(1, control_stats(control)->overflow);
	ATF_CHECK_EQ(0, nclose);
	control_reap(control);
	ATF_CHECK_EQ(1, nclose);
	ATF_CHECK_EQ(id, seen[nseen - 1].client);
	ATF_CHECK_EQ(0, control_stats(control)->clients);
	/* Nothing is left of it. */
	control_send(control, id, M_VIEW, 0, much, 10);
	control_close(control, id, "again");
	control_reap(control);
	ATF_CHECK_EQ(1, nclose);
	close(fd);
}

/* A client with more waiting than it may have for long; its socket. */
static int
slow_client(void)
{
	static uint8_t much[60000];
	uint64_t id;
	unsigned i;
	int fd;

	fd = dial("control");
	hello(fd);
	until(&ndata, 1);
	id = seen[nseen - 1].client;
	ATF_CHECK(!control_slow(control));
	for (i = 0; i < 20; i++)
		control_send(control, id, M_VIEW, 0, much, sizeof(much));
	ATF_CHECK(control_slow(control));
	ATF_CHECK_EQ(0, control_stats(control)->overflow);
	return fd;
}

/* Who only looks, and what was asked for, holds nobody up. */
ATF_TC_WITHOUT_HEAD(answers_are_not_slow);
ATF_TC_BODY(answers_are_not_slow, tc)
{
	static const struct {
		const char *socket;
		uint32_t type;
	} t[] = { { "observe", M_VIEW }, { "observe", M_ROW },
		{ "control", M_ROW } };
	static uint8_t much[60000];
	int fd[NITEMS(t)];
	unsigned i, k;

	setup();
	for (i = 0; i < NITEMS(t); i++) {
		fd[i] = dial(t[i].socket);
		hello(fd[i]);
		until(&ndata, i + 1);
		for (k = 0; k < 20; k++)
			control_send(control, seen[nseen - 1].client, t[i].type,
			    0, much, sizeof(much));
		ATF_CHECK(!control_slow(control));
	}
	ATF_CHECK_EQ(0, nclose);
	for (i = 0; i < NITEMS(t); i++)
		close(fd[i]);
}

ATF_TC_WITHOUT_HEAD(slow_catches_up);
ATF_TC_BODY(slow_catches_up, tc)
{
	static char big[MSG_MAX];
	unsigned got = 0;
	int fd;

	setup();
	fd = slow_client();
	while (got < 20) {
		if (recv(fd, big, sizeof(big), MSG_DONTWAIT) > 0)
			got++;
		else
			turns(1);
	}
	ATF_CHECK(!control_slow(control));
	ATF_CHECK_EQ(0, nclose);
	close(fd);
	until(&nclose, 1);
}

ATF_TC_WITHOUT_HEAD(slow_is_closed);
ATF_TC_BODY(slow_is_closed, tc)
{
	int fd;

	setup();
	fd = slow_client();
	until(&nclose, 1);
	ATF_CHECK(!control_slow(control));
	ATF_CHECK_EQ(1, control_stats(control)->overflow);
	close(fd);
}

static void
close_asker(const struct event *ev)
{
	if (ev->type == EV_CLIENT_DATA) {
		control_send(control, ev->client, M_RESULT, 0, "bye", 3);
		control_close(control, ev->client, "as the core wants it");
	}
}

ATF_TC_WITHOUT_HEAD(closed_by_core);
ATF_TC_BODY(closed_by_core, tc)
{
	char in[64];
	int fd;

	setup();
	react = close_asker;
	fd = dial("control");
	hello(fd);
	until(&ndata, 1);
	turns(5);
	ATF_CHECK_EQ(0, nclose);
	ATF_CHECK_EQ(0, control_stats(control)->clients);
	/* The last answer still arrives. */
	ATF_CHECK_EQ(MSG_HDR_LEN + 3, recv(fd, in, sizeof(in), MSG_DONTWAIT));
	ATF_CHECK(is_closed(fd));
	close(fd);
}

ATF_TC(limits);
ATF_TC_HEAD(limits, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(limits, tc)
{
	unsigned i, want = CONTROL_PER_USER_MAX;
	int hold[2], status;
	pid_t pid;
	char c;

	ATF_REQUIRE_EQ(0, chmod(".", 0777));
	setup();
	ATF_REQUIRE_EQ(0, pipe(hold));
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		close(hold[1]);
		if (setresuid(4242, 4242, 4242) == -1)
			_exit(1);
		for (i = 0; i < want + 10; i++)
			dial("observe");
		(void)!read(hold[0], &c, 1);
		_exit(0);
	}
	until(&nopen, want);
	while (control_stats(control)->refused < 10)
		turns(1);
	ATF_CHECK_EQ(want, nopen);
	ATF_CHECK_EQ(want, control_stats(control)->clients);
	/* Others still come in. */
	dial("observe");
	until(&nopen, want + 1);
	ATF_CHECK_EQ(0, seen[nseen - 1].uid);
	close(hold[1]);
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK_EQ(0, status);
	until(&nclose, want);
	ATF_CHECK_EQ(1, control_stats(control)->clients);
}

ATF_TC_WITHOUT_HEAD(no_descriptors_left);
ATF_TC_BODY(no_descriptors_left, tc)
{
	struct rlimit rl = { .rlim_cur = 200, .rlim_max = 200 };
	int fds[1024], n = 0, client;

	ATF_REQUIRE_EQ(0, setrlimit(RLIMIT_NOFILE, &rl));
	setup();
	client = dial("control");
	while (n < 1024 && (fds[n] = dup(0)) != -1)
		n++;
	ATF_REQUIRE(n < 1024);
	/* Accepting pauses: the loop does not spin on the backlog. */
	turns(3);
	ATF_CHECK_EQ(0, nopen);
	while (n > 0)
		close(fds[--n]);
	until(&nopen, 1);
	close(client);
	until(&nclose, 1);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rights_of_root);
	ATF_TP_ADD_TC(tp, rights_of_groups);
	ATF_TP_ADD_TC(tp, numbers_are_not_reused);
	ATF_TP_ADD_TC(tp, garbage);
	ATF_TP_ADD_TC(tp, flood_is_fair);
	ATF_TP_ADD_TC(tp, not_reading_is_throttled);
	ATF_TP_ADD_TC(tp, overflow_is_closed);
	ATF_TP_ADD_TC(tp, answers_are_not_slow);
	ATF_TP_ADD_TC(tp, slow_catches_up);
	ATF_TP_ADD_TC(tp, slow_is_closed);
	ATF_TP_ADD_TC(tp, closed_by_core);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, no_descriptors_left);
	return atf_no_error();
}
