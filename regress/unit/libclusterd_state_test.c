/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what libclusterd makes of changes of views and of a group's state:
 * lists that belong to the view they were said before; a state that comes
 * whole, once, and before everything since; a transfer that begins anew; and
 * a state that is given in pieces, as fast as the daemon takes them.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>

#include "clusterd/libclusterd/clusterd.h"
#include "fake_daemon.h"

static struct msgchan chan;
static struct cl *cl;
static struct cl_group *group;
static uint32_t gid;
static char heard[1024];
static struct cl_view seen;
static struct cl_group_request request;

static void
word(const char *text)
{
	ATF_REQUIRE(strlcat(heard, text, sizeof(heard)) < sizeof(heard));
}

static void
expect(const char *words)
{
	ATF_CHECK_STREQ(words, heard);
	heard[0] = '\0';
}

static void
on_view(void *arg, const struct cl_view *v)
{
	seen = *v;
	word("view ");
}

static void
on_gview(void *arg, const struct cl_group_member *m, unsigned n)
{
	char text[32];

	snprintf(text, sizeof(text), "gview%u ", n);
	word(text);
}

static void
on_message(void *arg, const struct cl_group_member *from, const void *data,
    size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "msg(%.*s) ", (int)len,
	    (const char *)data);
	word(text);
}

static void
on_left(void *arg)
{
	word("left ");
}

static void
on_failed(void *arg, int error, const char *why)
{
	char text[64];

	snprintf(text, sizeof(text), "failed%d ", error);
	word(text);
}

static void
on_change(void *arg, const struct cl_group_change *c)
{
	char text[64];
	unsigned i;

	for (i = 0; i < c->njoined; i++) {
		snprintf(text, sizeof(text), "+%u.%u ", c->joined[i].node,
		    (unsigned)c->joined[i].client);
		word(text);
	}
	for (i = 0; i < c->nleft; i++) {
		snprintf(text, sizeof(text), "-%u.%u:%d ",
		    c->left[i].member.node, (unsigned)c->left[i].member.client,
		    c->left[i].why);
		word(text);
	}
}

static void
on_wanted(void *arg, const struct cl_group_request *r)
{
	request = *r;
	word("wanted ");
}

static void
on_state(void *arg, const void *data, size_t len)
{
	char text[64];

	if (data == NULL)
		snprintf(text, sizeof(text), "nostate ");
	else if (len > 32)
		snprintf(text, sizeof(text), "state[%zu] ", len);
	else
		snprintf(text, sizeof(text), "state(%.*s) ", (int)len,
		    (const char *)data);
	word(text);
}

static void
on_synced(void *arg, const struct cl_group_member *m)
{
	char text[64];

	snprintf(text, sizeof(text), "synced%u ", m->node);
	word(text);
}

static const struct cl_group_ops ops = { .view = on_gview,
	.message = on_message,
	.left = on_left,
	.failed = on_failed,
	.change = on_change,
	.wanted = on_wanted,
	.state = on_state,
	.synced = on_synced };

static void
setup(void)
{
	struct rbuf r;
	struct msg m;

	cl = fake_connect(&chan);
	ATF_REQUIRE_EQ(0, cl_watch_views(cl, on_view, NULL));
	fake_expect(&chan, M_WATCH_VIEWS, &m);
	ATF_REQUIRE_EQ(0, cl_group_join_state(cl, "g", &ops, NULL, &group));
	fake_expect(&chan, M_GROUP_JOIN, &m);
	rbuf_init(&r, m.data, m.len);
	gid = rbuf_u32(&r);
	(void)rbuf_take(&r, 3);
	ATF_CHECK_EQ(GROUP_STATE, rbuf_u8(&r));
	ATF_CHECK(rbuf_done(&r));
	heard[0] = '\0';
}

static void
teardown(void)
{
	fake_close(cl, &chan);
}

/* Says it whole; before that, cut at every length, which must do nothing. */
static void
say(uint32_t type, struct wbuf *w)
{
	size_t heard_len = strlen(heard);

	if (w->len < 200)
		fake_torn(&chan, cl, type, w);
	ATF_CHECK_EQ(heard_len, strlen(heard));
	ATF_REQUIRE_EQ(0, msg_send(&chan, type, 0, w->data, w->len, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(cl));
	wbuf_free(w);
}

static void
head(struct wbuf *w)
{
	wbuf_init(w, MSG_MAX);
	wbuf_u32(w, gid);
}

static void
say_sync(uint32_t round)
{
	struct wbuf w;

	head(&w);
	wbuf_u32(&w, round);
	say(M_GROUP_SYNC, &w);
}

static void
say_piece(uint32_t round, bool last, const void *data, size_t len)
{
	struct wbuf w;

	head(&w);
	wbuf_u32(&w, round);
	wbuf_u8(&w, last);
	wbuf_blob(&w, data, len);
	say(M_GROUP_PIECE, &w);
}

static void
say_gview(void)
{
	struct wbuf w;

	head(&w);
	wbuf_u16(&w, 1);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	wbuf_u16(&w, 1);
	wbuf_u16(&w, 6);
	wbuf_u64(&w, 7);
	wbuf_u8(&w, GROUP_NODE_LOST);
	say(M_GROUP_CHANGE, &w);
	head(&w);
	wbuf_u16(&w, 1);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	say(M_GROUP_VIEW, &w);
}

static void
say_message(const char *text)
{
	struct wbuf w;

	head(&w);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	wbuf_blob(&w, text, strlen(text));
	say(M_GROUP_MSG, &w);
}

static void
put_node(struct wbuf *w, uint16_t node, const char *name)
{
	wbuf_u16(w, node);
	wbuf_u64(w, node + 100u);
	wbuf_str(w, name);
}

static void
say_view(uint64_t epoch, bool changed)
{
	struct wbuf w;

	if (changed) {
		wbuf_init(&w, 1024);
		wbuf_u64(&w, epoch);
		wbuf_u16(&w, 1);
		put_node(&w, 2, "beta");
		wbuf_u16(&w, 1);
		put_node(&w, 3, "gamma");
		wbuf_u8(&w, CL_WHY_LOST);
		wbuf_str(&w, "silent");
		say(M_VIEW_CHANGE, &w);
	}
	wbuf_init(&w, 1024);
	wbuf_u64(&w, epoch);
	wbuf_u16(&w, 2);
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 1);
	put_node(&w, 2, "beta");
	say(M_VIEW, &w);
	expect("view ");
}

ATF_TC_WITHOUT_HEAD(view_change);
ATF_TC_BODY(view_change, tc)
{
	setup();
	say_view(5, false);
	ATF_CHECK_EQ(0, seen.njoined + seen.nleft);
	say_view(6, true);
	ATF_REQUIRE_EQ(1, seen.njoined);
	ATF_CHECK_STREQ("beta", seen.joined[0].name);
	ATF_CHECK_EQ(102, seen.joined[0].incarnation);
	ATF_REQUIRE_EQ(1, seen.nleft);
	ATF_CHECK_EQ(3, seen.left[0].member.node);
	ATF_CHECK_EQ(CL_WHY_LOST, seen.left[0].why);
	ATF_CHECK_STREQ("silent", seen.left[0].cause);
	/* The same view again, with another quorum. */
	say_view(6, false);
	ATF_CHECK_EQ(0, seen.njoined + seen.nleft);
	teardown();
}

ATF_TC_WITHOUT_HEAD(founder);
ATF_TC_BODY(founder, tc)
{
	setup();
	say_piece(0, true, "", 0);
	say_gview();
	expect("nostate +4.5 -6.7:3 gview1 ");
	teardown();
}

ATF_TC_WITHOUT_HEAD(taken_whole);
ATF_TC_BODY(taken_whole, tc)
{
	struct wbuf w;

	setup();
	say_sync(1);
	say_gview();
	say_message("before");
	say_piece(1, false, "half", 4);
	expect("");
	/* The giver went away: what was before the next one is part of it. */
	say_sync(2);
	say_gview();
	say_message("after");
	say_piece(1, true, "late", 4);
	expect("");
	say_piece(2, false, "who", 3);
	head(&w);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	say(M_GROUP_SYNCED, &w);
	say_piece(2, true, "le", 2);
	expect("state(whole) +4.5 -6.7:3 gview1 msg(after) synced4 ");
	say_message("now");
	expect("msg(now) ");
	say_piece(2, true, "again", 5);
	expect("");
	teardown();
}

/* What waits is bounded: then the group is left. */
ATF_TC_WITHOUT_HEAD(held_is_bounded);
ATF_TC_BODY(held_is_bounded, tc)
{
	static char big[40001];
	struct msg m;
	unsigned i;

	setup();
	memset(big, 'x', sizeof(big) - 1);
	say_sync(1);
	for (i = 0; i < 300 && heard[0] == '\0'; i++)
		say_message(big);
	ATF_CHECK(i > 200 && i < 300);
	expect("failed105 ");
	fake_expect(&chan, M_GROUP_LEAVE, &m);
	/* What comes of the state now is a torn one. */
	say_piece(1, true, "torn", 4);
	expect("");
	teardown();
}

ATF_TC_WITHOUT_HEAD(given_in_pieces);
ATF_TC_BODY(given_in_pieces, tc)
{
	static uint8_t data[400000];
	struct wbuf w;
	struct rbuf r;
	struct msg m;
	size_t len, sum = 0;
	unsigned n = 0;
	bool last;

	setup();
	head(&w);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	wbuf_u32(&w, 9);
	say(M_GROUP_WANTED, &w);
	expect("wanted ");
	ATF_CHECK_EQ(EMSGSIZE,
	    cl_group_give(group, &request, data, CL_STATE_MAX + 1));
	ATF_REQUIRE_EQ(0, cl_group_give(group, &request, data, sizeof(data)));
	do {
		/* What the socket had no room for goes out here. */
		ATF_REQUIRE_EQ(0, cl_dispatch(cl));
		fake_expect(&chan, M_GROUP_GIVE, &m);
		rbuf_init(&r, m.data, m.len);
		ATF_CHECK_EQ(gid, rbuf_u32(&r));
		ATF_CHECK_EQ(4, rbuf_u16(&r));
		ATF_CHECK_EQ(5, rbuf_u64(&r));
		ATF_CHECK_EQ(9, rbuf_u32(&r));
		last = rbuf_u8(&r) != 0;
		(void)rbuf_blob(&r, &len, CL_MSG_MAX);
		ATF_REQUIRE(rbuf_done(&r));
		sum += len;
		/* Five fit at once; then each needs the place of one. */
		if (++n == 5)
			ATF_CHECK_EQ(EAGAIN,
			    cl_group_send(group, data, CL_MSG_MAX));
		if (n >= 5 && !last) {
			head(&w);
			wbuf_u32(&w, CL_MSG_MAX);
			say(M_GROUP_TAKEN, &w);
		}
	} while (!last);
	ATF_CHECK_EQ(sizeof(data), sum);
	ATF_CHECK_EQ((sizeof(data) + CL_MSG_MAX - 1) / CL_MSG_MAX, n);
	/* An empty state is one piece. */
	ATF_REQUIRE_EQ(0, cl_group_give(group, &request, NULL, 0));
	fake_expect(&chan, M_GROUP_GIVE, &m);
	ATF_CHECK_EQ(23, m.len);
	teardown();
}

/* A state that finds no room goes when there is some, without being asked. */
ATF_TC_WITHOUT_HEAD(given_when_there_is_room);
ATF_TC_BODY(given_when_there_is_room, tc)
{
	static uint8_t data[CL_MSG_MAX];
	static const struct cl_group_ops nothing;
	struct cl_group *others[64];
	char name[16];
	struct wbuf w;
	struct msg m;
	unsigned i;

	setup();
	for (i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		ATF_REQUIRE_EQ(0,
		    cl_group_join(cl, name, &nothing, NULL, &others[i]));
		fake_expect(&chan, M_GROUP_JOIN, &m);
	}
	head(&w);
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 5);
	wbuf_u32(&w, 9);
	say(M_GROUP_WANTED, &w);
	expect("wanted ");
	for (i = 0; cl_group_send(others[i % 64], data, 4096) == 0; i++)
		ATF_REQUIRE(i < 100000);
	ATF_REQUIRE_EQ(0, cl_group_give(group, &request, data, CL_MSG_MAX));
	do {
		while (msg_recv(&chan, &m) != 1)
			ATF_REQUIRE_EQ(0, cl_dispatch(cl));
		ATF_REQUIRE(i-- > 0 || m.type == M_GROUP_GIVE);
	} while (m.type != M_GROUP_GIVE);
	teardown();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, view_change);
	ATF_TP_ADD_TC(tp, founder);
	ATF_TP_ADD_TC(tp, taken_whole);
	ATF_TP_ADD_TC(tp, held_is_bounded);
	ATF_TP_ADD_TC(tp, given_in_pieces);
	ATF_TP_ADD_TC(tp, given_when_there_is_room);
	return atf_no_error();
}
