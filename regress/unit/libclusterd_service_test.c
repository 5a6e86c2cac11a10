/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what libclusterd makes of the daemon's other services: each request
 * is sent as it is asked for, each whole message is one callback with the
 * values that were sent, one that is cut calls nobody, and what is under way
 * is bounded before the daemon would refuse it.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "clusterd/libclusterd/clusterd.h"
#include "fake_daemon.h"

static struct msgchan chan;
static struct cl *cl;
static char heard[1024];

static void PRINTF_LIKE(1, 2) word(const char *fmt, ...)
{
	size_t len = strlen(heard);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(heard + len, sizeof(heard) - len, fmt, ap);
	va_end(ap);
}

static void
expect(const char *words)
{
	ATF_CHECK_STREQ(words, heard);
	heard[0] = '\0';
}

static void
setup(void)
{
	cl = fake_connect(&chan);
	heard[0] = '\0';
}

static void
teardown(void)
{
	fake_close(cl, &chan);
}

/* Says it whole; before that, cut at every length, which must do nothing. */
static void
say(uint32_t type, uint32_t id, struct wbuf *w)
{
	size_t before = strlen(heard);

	fake_torn(&chan, cl, type, w);
	ATF_CHECK_EQ(before, strlen(heard));
	ATF_REQUIRE_EQ(0, msg_send(&chan, type, id, w->data, w->len, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(cl));
	wbuf_free(w);
}

static void
say_result(uint32_t id, int error, const char *text)
{
	fake_result(&chan, id, error, text);
	ATF_REQUIRE_EQ(0, cl_dispatch(cl));
}

/* What the program asked next; its number. */
static uint32_t
asked(uint32_t type, struct rbuf *r)
{
	static struct msg m;

	fake_expect(&chan, type, &m);
	rbuf_init(r, m.data, m.len);
	return m.id;
}

static void
on_done(void *arg, int error, const char *why)
{
	word("done%d(%s) ", error, why);
}

/* --- event channels ---------------------------------------------------------- */

static void
on_event(void *arg, const struct cl_event *ev)
{
	word("%u.%u.%u:%s=%.*s%s ", (unsigned)ev->position, ev->node,
	    (unsigned)ev->client, ev->topic, (int)ev->len,
	    (const char *)ev->data, ev->retained ? "(old)" : "");
}

static void
on_ready(void *arg)
{
	word("ready ");
}

static void
on_failed(void *arg, int error, const char *why)
{
	word("failed%d ", error);
}

static const struct cl_event_ops event_ops = { .event = on_event,
	.ready = on_ready,
	.failed = on_failed };

static void
say_event(uint32_t sid, unsigned flags)
{
	struct wbuf w;

	wbuf_init(&w, 1024);
	wbuf_u32(&w, sid);
	wbuf_u64(&w, 77);
	wbuf_u16(&w, 3);
	wbuf_u64(&w, 12);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, "disk.full");
	wbuf_blob(&w, "yes", 3);
	say(M_EVENT, 0, &w);
}

ATF_TC_WITHOUT_HEAD(events);
ATF_TC_BODY(events, tc)
{
	struct cl_subscription *s;
	char text[64];
	struct rbuf r;
	struct wbuf w;
	uint32_t sid;

	setup();
	ATF_CHECK_EQ(EINVAL,
	    cl_event_subscribe(cl, "", "", 0, &event_ops, NULL, &s));
	ATF_CHECK_EQ(EINVAL,
	    cl_event_subscribe(cl, "c", "", 4, &event_ops, NULL, &s));
	ATF_REQUIRE_EQ(0,
	    cl_event_subscribe(cl, "news", "disk", CL_EVENT_NEWS, &event_ops,
		NULL, &s));
	(void)asked(M_EVENT_SUBSCRIBE, &r);
	sid = rbuf_u32(&r);
	ATF_CHECK_EQ(SUB_NEWS, rbuf_u8(&r));
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("news", text);
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("disk", text);
	ATF_CHECK(rbuf_done(&r));
	say_event(sid, EVENT_RETAIN);
	wbuf_init(&w, 16);
	wbuf_u32(&w, sid);
	say(M_EVENT_READY, 0, &w);
	say_event(sid, 0);
	say_event(sid + 1, 0);
	expect("77.3.12:disk.full=yes(old) ready 77.3.12:disk.full=yes ");
	ATF_CHECK_EQ(0, cl_event_unsubscribe(s));
	ATF_CHECK(asked(M_EVENT_UNSUBSCRIBE, &r) != sid);
	ATF_CHECK_EQ(sid, rbuf_u32(&r));
	say_event(sid, 0);
	expect("");
	/* One that is refused is gone. */
	ATF_REQUIRE_EQ(0,
	    cl_event_subscribe(cl, "news", "", 0, &event_ops, NULL, &s));
	sid = asked(M_EVENT_SUBSCRIBE, &r);
	say_result(sid, ENOSPC, "too many");
	say_event(sid, 0);
	expect("failed28 ");
	teardown();
}

ATF_TC_WITHOUT_HEAD(publish);
ATF_TC_BODY(publish, tc)
{
	static uint8_t big[CL_EVENT_MAX + 1];
	uint32_t id[8];
	struct rbuf r;
	char text[64];
	unsigned i;
	size_t len;

	setup();
	ATF_CHECK_EQ(EMSGSIZE,
	    cl_event_publish(cl, "c", "t", 0, big, sizeof(big), NULL, NULL));
	ATF_CHECK_EQ(EINVAL,
	    cl_event_publish(cl, "c", "t", 2, big, 1, NULL, NULL));
	ATF_REQUIRE_EQ(0,
	    cl_event_publish(cl, "c", "t", CL_EVENT_RETAIN, "abc", 3, on_done,
		NULL));
	id[0] = asked(M_EVENT_PUBLISH, &r);
	ATF_CHECK_EQ(EVENT_RETAIN, rbuf_u8(&r));
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("c", text);
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("t", text);
	ATF_CHECK_EQ(0, memcmp("abc", rbuf_blob(&r, &len, 3), 3));
	ATF_CHECK(rbuf_done(&r));
	say_result(id[0], 28, "full");
	expect("done28(full) ");
	/* Seven of the largest are under way; an answer makes room. */
	for (i = 0; i < 7; i++) {
		ATF_REQUIRE_EQ(0,
		    cl_event_publish(cl, "c", "t", 0, big, CL_EVENT_MAX,
			on_done, NULL));
		id[i] = asked(M_EVENT_PUBLISH, &r);
	}
	ATF_CHECK_EQ(EAGAIN,
	    cl_event_publish(cl, "c", "t", 0, big, CL_EVENT_MAX, on_done,
		NULL));
	say_result(id[3], 0, "");
	say_result(id[3], 0, "");
	expect("done0() ");
	ATF_CHECK_EQ(0,
	    cl_event_publish(cl, "c", "t", 0, big, CL_EVENT_MAX, NULL, NULL));
	teardown();
}

/* --- levels and barriers ------------------------------------------------------ */

static void
on_stop(void *arg, uint64_t round)
{
	word("stop%u ", (unsigned)round);
}

static void
on_start(void *arg, uint64_t round)
{
	word("start%u ", (unsigned)round);
}

static void
on_finish(void *arg, uint64_t round)
{
	word("finish%u ", (unsigned)round);
}

static void
say_level(uint32_t lid, enum level_step step, uint64_t round)
{
	struct wbuf w;

	wbuf_init(&w, 32);
	wbuf_u32(&w, lid);
	wbuf_u8(&w, (uint8_t)step);
	wbuf_u64(&w, round);
	say(M_LEVEL, 0, &w);
}

static void
expect_done(uint32_t lid, enum level_step step, uint64_t round)
{
	struct rbuf r;

	(void)asked(M_LEVEL_DONE, &r);
	ATF_CHECK_EQ(lid, rbuf_u32(&r));
	ATF_CHECK_EQ(round, rbuf_u64(&r));
	ATF_CHECK_EQ((unsigned)step, rbuf_u8(&r));
	ATF_CHECK(rbuf_done(&r));
}

ATF_TC_WITHOUT_HEAD(levels);
ATF_TC_BODY(levels, tc)
{
	static const struct cl_level_ops ops = { .stop = on_stop,
		.start = on_start,
		.finish = on_finish,
		.failed = on_failed };
	static const struct cl_level_ops none = { .stop = NULL };
	struct cl_level *l, *other;
	struct rbuf r;
	uint32_t lid;

	setup();
	ATF_CHECK_EQ(EINVAL,
	    cl_level_register(cl, CL_LEVEL_MAX + 1, "x", &ops, NULL, &l));
	ATF_REQUIRE_EQ(0, cl_level_register(cl, 3, "x", &ops, NULL, &l));
	lid = asked(M_LEVEL_REGISTER, &r);
	ATF_CHECK_EQ(lid, rbuf_u32(&r));
	ATF_CHECK_EQ(3, rbuf_u8(&r));
	say_result(lid, 0, "");
	say_level(lid, LEVEL_STOP, 5);
	ATF_CHECK_EQ(ESTALE, cl_level_done(l, 4));
	/* A newer round overtakes: what was done of the old one is late. */
	say_level(lid, LEVEL_STOP, 6);
	ATF_CHECK_EQ(ESTALE, cl_level_done(l, 5));
	ATF_CHECK_EQ(0, cl_level_done(l, 6));
	ATF_CHECK_EQ(EINVAL, cl_level_done(l, 6));
	expect_done(lid, LEVEL_STOP, 6);
	say_level(lid, LEVEL_START, 6);
	ATF_CHECK_EQ(0, cl_level_done(l, 6));
	expect_done(lid, LEVEL_START, 6);
	say_level(lid, LEVEL_FINISH, 6);
	ATF_CHECK_EQ(EINVAL, cl_level_done(l, 6));
	say_level(lid, (enum level_step)4, 6);
	expect("stop5 stop6 start6 finish6 ");
	ATF_CHECK_EQ(0, cl_level_unregister(l));
	(void)asked(M_LEVEL_UNREGISTER, &r);
	ATF_CHECK_EQ(lid, rbuf_u32(&r));
	say_level(lid, LEVEL_STOP, 7);
	expect("");
	/* Without a function there is nothing to do, and it is done. */
	ATF_REQUIRE_EQ(0, cl_level_register(cl, 0, "y", &none, NULL, &l));
	lid = asked(M_LEVEL_REGISTER, &r);
	say_level(lid, LEVEL_STOP, 8);
	expect_done(lid, LEVEL_STOP, 8);
	ATF_REQUIRE_EQ(0, cl_level_register(cl, 0, "z", &ops, NULL, &other));
	say_result(asked(M_LEVEL_REGISTER, &r), ENOSPC, "full");
	expect("failed28 ");
	teardown();
}

ATF_TC_WITHOUT_HEAD(barriers);
ATF_TC_BODY(barriers, tc)
{
	struct rbuf r;
	char text[64];
	uint32_t id;

	setup();
	ATF_CHECK_EQ(EINVAL, cl_barrier_enter(cl, "b", 0, on_done, NULL));
	ATF_CHECK_EQ(EINVAL, cl_barrier_enter(cl, "", 2, on_done, NULL));
	ATF_CHECK_EQ(0, cl_barrier_enter(cl, "b", 2, on_done, NULL));
	id = asked(M_BARRIER_ENTER, &r);
	ATF_CHECK_EQ(2, rbuf_u16(&r));
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("b", text);
	ATF_CHECK(rbuf_done(&r));
	ATF_CHECK_EQ(0, cl_barrier_leave(cl, "b"));
	(void)asked(M_BARRIER_LEAVE, &r);
	expect("");
	say_result(id, ECANCELED, "left");
	expect("done125(left) ");
	teardown();
}

/* --- the key-value set ---------------------------------------------------------- */

static void
put_entry(struct wbuf *w)
{
	wbuf_u64(w, 42);
	wbuf_u16(w, 3);
	wbuf_u64(w, 12);
	wbuf_str(w, "key");
	wbuf_blob(w, "value", 5);
}

static void
show_entry(const struct cl_kv_entry *e)
{
	word("%s=%.*s@%u.%u:%u ", e->key, (int)e->len, (const char *)e->data,
	    e->node, (unsigned)e->client, (unsigned)e->version);
}

static void
on_kv(void *arg, int error, const char *why, const struct cl_kv_entry *e)
{
	word("kv%d(%s) ", error, why);
	if (e != NULL)
		show_entry(e);
}

static void
on_is(void *arg, const struct cl_kv_entry *e)
{
	word("is ");
	show_entry(e);
}

static void
on_was(void *arg, const struct cl_kv_entry *e)
{
	word("was ");
	show_entry(e);
}

static void
say_kv_done(uint32_t id, int error, bool some)
{
	struct wbuf w;

	wbuf_init(&w, 1024);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_str(&w, "why");
	wbuf_u8(&w, some);
	if (some)
		put_entry(&w);
	say(M_KV_DONE, id, &w);
}

ATF_TC_WITHOUT_HEAD(kv_requests);
ATF_TC_BODY(kv_requests, tc)
{
	static char big[CL_VALUE_MAX + 1];
	struct rbuf r;
	char text[64];
	size_t len;
	uint32_t id;

	setup();
	ATF_CHECK_EQ(EMSGSIZE,
	    cl_kv_put(cl, "k", big, sizeof(big), 0, 0, on_kv, NULL));
	ATF_CHECK_EQ(EINVAL, cl_kv_put(cl, "", "", 0, 0, 0, on_kv, NULL));
	ATF_CHECK_EQ(EINVAL, cl_kv_put(cl, "k", "", 0, 4, 0, on_kv, NULL));
	ATF_CHECK_EQ(EINVAL,
	    cl_kv_delete(cl, "k", CL_KV_EPHEMERAL, 0, on_kv, NULL));
	ATF_REQUIRE_EQ(0,
	    cl_kv_put(cl, "key", "value", 5, CL_KV_IF | CL_KV_EPHEMERAL, 41,
		on_kv, NULL));
	id = asked(M_KV_PUT, &r);
	ATF_CHECK_EQ(KV_IF | KV_EPHEMERAL, rbuf_u8(&r));
	ATF_CHECK_EQ(41, rbuf_u64(&r));
	rbuf_str(&r, text, sizeof(text));
	ATF_CHECK_STREQ("key", text);
	ATF_CHECK_EQ(0, memcmp("value", rbuf_blob(&r, &len, 5), 5));
	ATF_CHECK(rbuf_done(&r));
	say_kv_done(id, 0, true);
	expect("kv0(why) key=value@3.12:42 ");
	ATF_REQUIRE_EQ(0, cl_kv_delete(cl, "key", 0, 0, on_kv, NULL));
	id = asked(M_KV_DELETE, &r);
	say_kv_done(id, ENOENT, false);
	say_kv_done(id, ENOENT, false);
	expect("kv2(why) ");
	ATF_REQUIRE_EQ(0, cl_kv_get(cl, "key", CL_KV_LOCAL, on_kv, NULL));
	say_result(asked(M_KV_GET, &r), ENOTCONN, "no state");
	expect("kv107(no state) ");
	/* An answer that is torn is an answer all the same. */
	ATF_REQUIRE_EQ(0, cl_kv_get(cl, "key", 0, on_kv, NULL));
	id = asked(M_KV_GET, &r);
	ATF_REQUIRE_EQ(0, msg_send(&chan, M_KV_DONE, id, "abc", 3, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(cl));
	expect("kv71() ");
	teardown();
}

static void
say_kv_entry(uint32_t wid, enum kv_what what)
{
	struct wbuf w;

	wbuf_init(&w, 1024);
	wbuf_u32(&w, wid);
	wbuf_u8(&w, (uint8_t)what);
	put_entry(&w);
	say(M_KV_ENTRY, 0, &w);
}

static void
say_kv_ready(uint32_t wid)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, wid);
	say(M_KV_READY, 0, &w);
}

ATF_TC_WITHOUT_HEAD(kv_watches);
ATF_TC_BODY(kv_watches, tc)
{
	static const struct cl_kv_ops ops = { .is = on_is,
		.was = on_was,
		.ready = on_ready,
		.failed = on_failed };
	struct cl_watch *wt;
	struct rbuf r;
	uint32_t wid;

	setup();
	ATF_REQUIRE_EQ(0, cl_kv_watch(cl, "k", 0, &ops, NULL, &wt));
	wid = asked(M_KV_WATCH, &r);
	ATF_CHECK_EQ(wid, rbuf_u32(&r));
	say_kv_entry(wid, KV_IS);
	say_kv_ready(wid);
	say_kv_entry(wid, KV_WAS);
	expect("is key=value@3.12:42 ready was key=value@3.12:42 ");
	ATF_CHECK_EQ(0, cl_kv_unwatch(wt));
	(void)asked(M_KV_UNWATCH, &r);
	say_kv_entry(wid, KV_IS);
	expect("");
	/* One that is only a look ends by itself. */
	ATF_REQUIRE_EQ(0, cl_kv_watch(cl, "", CL_KV_ONCE, &ops, NULL, &wt));
	wid = asked(M_KV_WATCH, &r);
	say_kv_ready(wid);
	say_kv_entry(wid, KV_IS);
	expect("ready ");
	ATF_REQUIRE_EQ(0, cl_kv_watch(cl, "", 0, &ops, NULL, &wt));
	say_result(asked(M_KV_WATCH, &r), ENOSPC, "full");
	expect("failed28 ");
	teardown();
}

/* --- datagrams -------------------------------------------------------------------- */

static void
on_dgram(void *arg, uint32_t node, uint64_t client, const void *data,
    size_t len)
{
	word("%u.%u=%.*s ", node, (unsigned)client, (int)len,
	    (const char *)data);
}

static void
say_dgram(unsigned port)
{
	struct wbuf w;

	wbuf_init(&w, 64);
	wbuf_u8(&w, (uint8_t)port);
	wbuf_u16(&w, 3);
	wbuf_u64(&w, 12);
	wbuf_blob(&w, "hello", 5);
	say(M_DGRAM, 0, &w);
}

ATF_TC_WITHOUT_HEAD(dgrams);
ATF_TC_BODY(dgrams, tc)
{
	static char big[CL_DGRAM_MAX + 1];
	struct rbuf r;
	uint32_t id;
	size_t len;

	setup();
	ATF_CHECK_EQ(EINVAL, cl_dgram_open(cl, 256, on_dgram, on_done, NULL));
	ATF_CHECK_EQ(0, cl_dgram_open(cl, 5, on_dgram, on_done, NULL));
	ATF_CHECK_EQ(EBUSY, cl_dgram_open(cl, 5, on_dgram, on_done, NULL));
	id = asked(M_DGRAM_OPEN, &r);
	ATF_CHECK_EQ(5, rbuf_u8(&r));
	say_result(id, 0, "");
	say_dgram(5);
	say_dgram(6);
	expect("done0() 3.12=hello ");
	ATF_CHECK_EQ(0, cl_dgram_close(cl, 5));
	ATF_CHECK_EQ(ENOENT, cl_dgram_close(cl, 5));
	(void)asked(M_DGRAM_CLOSE, &r);
	say_dgram(5);
	expect("");
	/* Closed before it was open, and refused: in both cases it is gone. */
	ATF_CHECK_EQ(0, cl_dgram_open(cl, 5, on_dgram, on_done, NULL));
	id = asked(M_DGRAM_OPEN, &r);
	ATF_CHECK_EQ(0, cl_dgram_close(cl, 5));
	say_result(id, 0, "");
	ATF_CHECK_EQ(0, cl_dgram_open(cl, 5, on_dgram, on_done, NULL));
	(void)asked(M_DGRAM_CLOSE, &r);
	say_result(asked(M_DGRAM_OPEN, &r), EBUSY, "taken");
	say_dgram(5);
	ATF_CHECK_EQ(ENOENT, cl_dgram_close(cl, 5));
	expect("done0() done16(taken) ");

	ATF_CHECK_EQ(EMSGSIZE,
	    cl_dgram_send(cl, 1, 5, big, sizeof(big), on_done, NULL));
	ATF_CHECK_EQ(EINVAL, cl_dgram_send(cl, 70000, 5, "", 0, NULL, NULL));
	ATF_CHECK_EQ(0, cl_dgram_send(cl, 3, 5, "abc", 3, on_done, NULL));
	id = asked(M_DGRAM_SEND, &r);
	ATF_CHECK_EQ(3, rbuf_u16(&r));
	ATF_CHECK_EQ(5, rbuf_u8(&r));
	ATF_CHECK_EQ(0, memcmp("abc", rbuf_blob(&r, &len, 3), 3));
	ATF_CHECK(rbuf_done(&r));
	say_result(id, ECONNREFUSED, "nobody");
	expect("done111(nobody) ");
	teardown();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, dgrams);
	ATF_TP_ADD_TC(tp, kv_requests);
	ATF_TP_ADD_TC(tp, kv_watches);
	ATF_TP_ADD_TC(tp, levels);
	ATF_TP_ADD_TC(tp, barriers);
	ATF_TP_ADD_TC(tp, events);
	ATF_TP_ADD_TC(tp, publish);
	return atf_no_error();
}
