/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves datagrams over whole nodes: to one, to all, in order, and the answer
 * that each gets: taken, nobody listens, no such node, lost; ports belong to
 * one client; what is under way is bounded.
 */

#include <atf-c.h>

#include "core/dgram.h"
#include "story.h"

static void
tell(uint16_t id, uint64_t client, uint32_t type, struct rbuf *r)
{
	unsigned port = rbuf_u8(r), node = rbuf_u16(r);
	const uint8_t *data;
	uint64_t from;
	size_t len;

	if (type != M_DGRAM)
		return;
	from = rbuf_u64(r);
	data = rbuf_blob(r, &len, DGRAM_MAX);
	ATF_REQUIRE(rbuf_done(r));
	story_word(id, client, "%u:%u.%u=%.*s ", port, node, (unsigned)from,
	    (int)len, (const char *)data);
}

static void
port(struct fix *fx, uint16_t id, uint32_t type, unsigned number)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, type, number, story_put(&w, "b", number));
}

static void
send(struct fix *fx, uint16_t id, uint32_t msgid, unsigned to, const char *text)
{
	struct wbuf w;

	fixture_ask(fx, id, PROGRAM, M_DGRAM_SEND, msgid,
	    story_put(&w, "hbd", to, 5, text));
}

ATF_TC_WITHOUT_HEAD(to_one);
ATF_TC_BODY(to_one, tc)
{
	struct fix *fx = story_start(3, tell);

	port(fx, 2, M_DGRAM_OPEN, 5);
	send(fx, 1, 1, 2, "a");
	send(fx, 1, 2, 2, "b");
	send(fx, 1, 3, 3, "c");
	send(fx, 1, 4, 1, "d");
	send(fx, 1, 5, 9, "e");
	fixture_run(fx, 100 * MS);
	story_expect(2, PROGRAM, "ok(5) 5:1.8=a 5:1.8=b ");
	story_expect(1, PROGRAM,
	    "error(4 111) error(5 107) ok(1) ok(2) error(3 111) ");
	/* To oneself, and after the port is closed. */
	port(fx, 1, M_DGRAM_OPEN, 5);
	send(fx, 1, 6, 1, "f");
	fixture_run(fx, 100 * MS);
	port(fx, 1, M_DGRAM_CLOSE, 5);
	send(fx, 1, 7, 1, "g");
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "ok(5) 5:1.8=f ok(6) ok(5) error(7 111) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(to_all);
ATF_TC_BODY(to_all, tc)
{
	struct fix *fx = story_start(3, tell);

	send(fx, 3, 1, 0, "nobody");
	fixture_run(fx, 100 * MS);
	story_expect(3, PROGRAM, "error(1 111) ");
	port(fx, 1, M_DGRAM_OPEN, 5);
	port(fx, 3, M_DGRAM_OPEN, 5);
	send(fx, 3, 2, 0, "all");
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "ok(5) 5:3.8=all ");
	story_expect(2, PROGRAM, "");
	story_expect(3, PROGRAM, "ok(5) 5:3.8=all ok(2) ");
	fixture_free(fx);
}

/* Whoever dies with it ends it: each has one answer, in time. */
ATF_TC_WITHOUT_HEAD(node_dies);
ATF_TC_BODY(node_dies, tc)
{
	struct fix *fx = story_start(3, tell);

	port(fx, 2, M_DGRAM_OPEN, 5);
	port(fx, 3, M_DGRAM_OPEN, 5);
	story_forget();
	fixture_crash(fx, 3);
	send(fx, 1, 1, 3, "late");
	send(fx, 1, 2, 0, "all");
	fixture_settle(fx, BIT(1) | BIT(2));
	story_expect(1, PROGRAM, "error(1 107) ok(2) ");
	story_expect(2, PROGRAM, "5:1.8=all ");
	/* A client that dies leaves its port, and its requests. */
	fixture_close(fx, 2, PROGRAM);
	send(fx, 1, 3, 2, "x");
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "error(3 111) ");
	send(fx, 1, 4, 2, "y");
	fixture_close(fx, 1, PROGRAM);
	fixture_run(fx, 100 * MS);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(ports);
ATF_TC_BODY(ports, tc)
{
	struct fix *fx = story_start(1, tell);
	struct dgram_info info;
	struct wbuf w;

	fixture_open(fx, 1, 9);
	port(fx, 1, M_DGRAM_OPEN, 7);
	story_ask(fx, 1, 9, M_DGRAM_OPEN, 7, story_put(&w, "b", 7));
	story_ask(fx, 1, 9, M_DGRAM_CLOSE, 7, story_put(&w, "b", 7));
	story_expect(1, 9, "error(7 16) error(7 2) ");
	ATF_REQUIRE(
	    dgram_info_after(fixture_node(fx, 1)->node->dgrams, -1, &info));
	ATF_CHECK_EQ(7, info.port);
	ATF_CHECK_EQ(PROGRAM, info.client);
	ATF_CHECK(
	    !dgram_info_after(fixture_node(fx, 1)->node->dgrams, 7, &info));
	fixture_close(fx, 1, PROGRAM);
	story_ask(fx, 1, 9, M_DGRAM_OPEN, 7, story_put(&w, "b", 7));
	story_expect(1, 9, "ok(7) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(bounded_and_malformed);
ATF_TC_BODY(bounded_and_malformed, tc)
{
	static char big[DGRAM_MAX + 1];
	struct fix *fx = story_start(2, tell);
	struct wbuf w;
	uint32_t i;

	memset(big, 'x', DGRAM_MAX);
	/* Nothing comes back within this time. */
	fixture_pause(fx, 2, 300 * MS);
	for (i = 0; i < 8; i++)
		send(fx, 1, i, 2, big);
	story_expect(1, PROGRAM, "error(7 11) ");
	fixture_run(fx, SECOND);
	story_forget();
	send(fx, 1, 9, 2, big);
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "error(9 111) ");
	story_malformed(fx, 1, PROGRAM, M_DGRAM_OPEN, story_put(&w, "b", 1));
	story_malformed(fx, 1, PROGRAM, M_DGRAM_CLOSE, story_put(&w, "b", 1));
	story_malformed(fx, 1, PROGRAM, M_DGRAM_SEND,
	    story_put(&w, "hbd", 1, 2, "x"));
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, to_one);
	ATF_TP_ADD_TC(tp, to_all);
	ATF_TP_ADD_TC(tp, node_dies);
	ATF_TP_ADD_TC(tp, ports);
	ATF_TP_ADD_TC(tp, bounded_and_malformed);
	return atf_no_error();
}
