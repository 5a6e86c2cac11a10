/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves groups as a client sees them: views at joins, leaves, deaths of
 * clients and of nodes; who is not in hears nothing and is not heard; limits
 * and malformed requests are answered.
 */

#include <stdio.h>

#include <atf-c.h>

#include "fixture.h"

enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_EXIST = 17,
	ERR_INVAL = 22
};

static struct fix *
started(unsigned n, unsigned joined)
{
	struct fix *fx = fixture_up(n);
	uint16_t i;

	for (i = 1; i <= joined; i++)
		fixture_join(fx, i);
	fixture_run(fx, 100 * MS);
	return fx;
}

ATF_TC_WITHOUT_HEAD(join_and_leave);
ATF_TC_BODY(join_and_leave, tc)
{
	struct fix *fx = started(3, 2);
	struct group_info gi;

	ATF_CHECK_EQ(2, fixture_node(fx, 1)->gmembers);
	ATF_CHECK_EQ(2, fixture_node(fx, 2)->gmembers);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->views);
	ATF_REQUIRE(group_info(fixture_node(fx, 3)->node->group, 0, &gi));
	ATF_CHECK_STREQ("g", gi.name);
	ATF_CHECK_EQ(2, gi.nmembers);
	ATF_CHECK_EQ(0, gi.nlocal);
	fixture_leave(fx, 1);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(1, fixture_node(fx, 2)->gmembers);
	/* Out of it, it neither hears nor is heard. */
	fixture_send(fx, 1, 1);
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 1)->result);
	fixture_send(fx, 2, 2);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->log.n);
	ATF_CHECK_EQ(1, fixture_node(fx, 2)->log.n);
	fixture_leave(fx, 2);
	fixture_run(fx, 100 * MS);
	ATF_CHECK(!group_info(fixture_node(fx, 3)->node->group, 0, &gi));
	/* And in again. */
	fixture_join(fx, 1);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->gmembers);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(client_dies);
ATF_TC_BODY(client_dies, tc)
{
	struct fix *fx = started(3, 3);

	fixture_client_dies(fx, 2);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(2, fixture_node(fx, 1)->gmembers);
	ATF_CHECK_EQ(2, fixture_node(fx, 3)->gmembers);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(node_dies);
ATF_TC_BODY(node_dies, tc)
{
	struct fix *fx = started(3, 3);
	struct group_info gi;

	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	ATF_CHECK_EQ(2, fixture_node(fx, 2)->gmembers);
	ATF_CHECK_EQ(2, fixture_node(fx, 3)->gmembers);
	/* Its next incarnation is not the member that the first one was. */
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_REQUIRE(group_info(fixture_node(fx, 1)->node->group, 0, &gi));
	ATF_CHECK_EQ(2, gi.nmembers);
	ATF_CHECK_EQ(0, gi.nlocal);
	fixture_free(fx);
}

static void
request(struct fix *fx, uint32_t type, const struct wbuf *w)
{
	struct fix_node *fn = fixture_node(fx, 1);
	struct actions out;
	struct action *a;
	struct rbuf r;
	struct event ev = { .type = EV_CLIENT_DATA,
		.client = 7,
		.now = fixture_now(fx),
		.msgtype = type,
		.msgid = 9,
		.data = w->data,
		.len = w->len };

	fn->result = 0;
	actions_init(&out);
	node_step(fn->node, &ev, &out);
	node_check(fn->node);
	while ((a = actions_take(&out)) != NULL) {
		if (a->type == ACT_CLIENT_SEND && a->msgtype == M_RESULT) {
			rbuf_init(&r, a->data, a->len);
			fn->result = rbuf_u32(&r);
		}
		free(a);
	}
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	static const uint32_t types[] = { M_GROUP_JOIN, M_GROUP_SEND,
		M_GROUP_LEAVE };
	struct fix *fx = started(1, 1);
	char longname[80];
	struct wbuf w;
	unsigned i;
	size_t len;

	/* Cut short at every length. */
	for (i = 0; i < NITEMS(types); i++) {
		wbuf_init(&w, 256);
		wbuf_u32(&w, 77);
		if (types[i] == M_GROUP_JOIN)
			wbuf_str(&w, "name");
		else if (types[i] == M_GROUP_SEND)
			wbuf_blob(&w, "data", 4);
		for (len = w.len; len-- > 0;) {
			w.len = len;
			request(fx, types[i], &w);
			ATF_CHECK_EQ(ERR_INVAL, fixture_node(fx, 1)->result);
		}
		wbuf_free(&w);
	}
	wbuf_init(&w, 256);
	wbuf_u32(&w, 78);
	memset(longname, 'x', sizeof(longname));
	longname[sizeof(longname) - 1] = '\0';
	wbuf_str(&w, longname);
	request(fx, M_GROUP_JOIN, &w);
	ATF_CHECK_EQ(ERR_INVAL, fixture_node(fx, 1)->result);
	wbuf_reset(&w);
	wbuf_u32(&w, 79);
	wbuf_str(&w, "");
	request(fx, M_GROUP_JOIN, &w);
	ATF_CHECK_EQ(ERR_INVAL, fixture_node(fx, 1)->result);
	/* The same group under another number. */
	wbuf_reset(&w);
	wbuf_u32(&w, 80);
	wbuf_str(&w, "g");
	request(fx, M_GROUP_JOIN, &w);
	ATF_CHECK_EQ(ERR_EXIST, fixture_node(fx, 1)->result);
	wbuf_free(&w);
	fixture_free(fx);
}

/* A client that floods while nothing can be ordered is held back. */
ATF_TC_WITHOUT_HEAD(flood_is_bounded);
ATF_TC_BODY(flood_is_bounded, tc)
{
	static uint8_t big[GROUP_MSG_MAX];
	struct fix *fx = started(3, 3);
	struct order_info oi;
	struct wbuf w;
	unsigned i, refused = 0;

	fixture_split(fx, BIT(1));
	fixture_run(fx, 2 * SECOND);
	for (i = 0; i < 100; i++) {
		wbuf_init(&w, 2 * GROUP_MSG_MAX);
		wbuf_u32(&w, 1);
		wbuf_blob(&w, big, sizeof(big));
		request(fx, M_GROUP_SEND, &w);
		refused += fixture_node(fx, 1)->result == ERR_AGAIN;
		wbuf_free(&w);
	}
	ATF_CHECK_EQ(100 - GROUP_CLIENT_BYTES / (GROUP_MSG_MAX + 1), refused);
	order_get(fixture_node(fx, 1)->node->order, &oi);
	ATF_CHECK(oi.waiting < 2 * GROUP_CLIENT_BYTES);
	fixture_free(fx);
}

/* The largest messages, many at once, go through the window. */
ATF_TC_WITHOUT_HEAD(large_messages);
ATF_TC_BODY(large_messages, tc)
{
	static uint8_t big[GROUP_MSG_MAX];
	struct fix *fx = started(3, 3);
	struct wbuf w;
	uint32_t i, k;

	for (i = 0; i < 20; i++) {
		for (k = 0; k < 4; k++) {
			wbuf_init(&w, 2 * GROUP_MSG_MAX);
			wbuf_u32(&w, 1);
			big[3] = (uint8_t)(i * 4 + k + 1);
			wbuf_blob(&w, big, sizeof(big));
			fixture_request(fx, 1, M_GROUP_SEND, &w);
			wbuf_free(&w);
		}
		fixture_run(fx, 100 * MS);
	}
	ATF_CHECK_EQ(80, fixture_node(fx, 1)->log.n);
	ATF_CHECK_EQ(80, fixture_node(fx, 2)->log.n);
	ATF_CHECK_EQ(80, fixture_node(fx, 3)->log.n);
	ATF_CHECK_EQ(80, fixture_node(fx, 3)->log.msg[79]);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, join_and_leave);
	ATF_TP_ADD_TC(tp, client_dies);
	ATF_TP_ADD_TC(tp, node_dies);
	ATF_TP_ADD_TC(tp, malformed);
	ATF_TP_ADD_TC(tp, flood_is_bounded);
	ATF_TP_ADD_TC(tp, large_messages);
	return atf_no_error();
}
