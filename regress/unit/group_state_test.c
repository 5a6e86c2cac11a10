/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the transfer of a group's state over whole nodes: who gives it to
 * whom and from which message on, what happens when the giver dies, leaves,
 * or is the last that had it, that pieces of an earlier round count for
 * nothing, and why members went away.
 */

#include <stdio.h>

#include <atf-c.h>

#include "fixture.h"

#define GID	3
#define PROGRAM 8

/* What the client of each node was told, as words in their order. */
static char heard[FIX_NODES + 1][512];
static uint32_t round_of[FIX_NODES + 1]; /* last one wanted from this node */
static uint16_t wanted_by[FIX_NODES + 1];
static uint64_t wanted_client[FIX_NODES + 1];

static void
word(uint16_t id, const char *text)
{
	ATF_REQUIRE(
	    strlcat(heard[id], text, sizeof(heard[id])) < sizeof(heard[id]));
}

static void
hear_change(uint16_t id, struct rbuf *r, char *text, size_t size)
{
	unsigned i, n = rbuf_u16(r);
	uint16_t node;

	text[0] = '\0';
	for (i = 0; i < n; i++) {
		node = rbuf_u16(r);
		(void)rbuf_u64(r);
		snprintf(text, size, "+%u", node);
		word(id, text);
	}
	n = rbuf_u16(r);
	for (i = 0; i < n; i++) {
		node = rbuf_u16(r);
		(void)rbuf_u64(r);
		snprintf(text, size, "-%u.%u", node, rbuf_u8(r));
		word(id, text);
	}
	snprintf(text, size, " ");
}

static void
hear(void *arg, uint16_t id, const struct action *act)
{
	const uint8_t *data;
	char text[64];
	uint32_t error;
	struct rbuf r;
	size_t len;

	rbuf_init(&r, act->data, act->len);
	error = rbuf_u32(&r);
	switch (act->msgtype) {
	case M_RESULT:
		snprintf(text, sizeof(text), "error(%u) ", error);
		break;
	case M_GROUP_VIEW:
		snprintf(text, sizeof(text), "view%u ", rbuf_u16(&r));
		break;
	case M_GROUP_CHANGE:
		hear_change(id, &r, text, sizeof(text));
		break;
	case M_GROUP_MSG:
		(void)rbuf_u16(&r);
		(void)rbuf_u64(&r);
		data = rbuf_blob(&r, &len, 64);
		snprintf(text, sizeof(text), "msg(%.*s) ", (int)len, data);
		break;
	case M_GROUP_WANTED:
		wanted_by[id] = rbuf_u16(&r);
		wanted_client[id] = rbuf_u64(&r);
		round_of[id] = rbuf_u32(&r);
		snprintf(text, sizeof(text), "wanted(%u) ", wanted_by[id]);
		break;
	case M_GROUP_SYNC:
		snprintf(text, sizeof(text), "sync(%u) ", rbuf_u32(&r));
		break;
	case M_GROUP_PIECE:
		(void)rbuf_u32(&r);
		snprintf(text, sizeof(text), "piece%u", rbuf_u8(&r));
		word(id, text);
		data = rbuf_blob(&r, &len, 64);
		snprintf(text, sizeof(text), "(%.*s) ", (int)len, data);
		break;
	case M_GROUP_SYNCED:
		snprintf(text, sizeof(text), "synced(%u) ", rbuf_u16(&r));
		break;
	case M_GROUP_LEFT:
		snprintf(text, sizeof(text), "left ");
		break;
	default:
		return;
	}
	word(id, text);
}

static void
join(struct fix *fx, uint16_t id, unsigned flags)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_str(&w, "g");
	wbuf_u8(&w, (uint8_t)flags);
	fixture_ask(fx, id, PROGRAM, M_GROUP_JOIN, GID, &w);
	fixture_run(fx, 100 * MS);
}

static void
leave(struct fix *fx, uint16_t id)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	fixture_ask(fx, id, PROGRAM, M_GROUP_LEAVE, GID, &w);
	fixture_run(fx, 100 * MS);
}

static void
say(struct fix *fx, uint16_t id, const char *text)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_blob(&w, text, strlen(text));
	fixture_ask(fx, id, PROGRAM, M_GROUP_SEND, GID, &w);
	fixture_run(fx, 100 * MS);
}

/* The node gives what was wanted from it last. */
static void
give(struct fix *fx, uint16_t id, const char *text, bool last)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_u16(&w, wanted_by[id]);
	wbuf_u64(&w, wanted_client[id]);
	wbuf_u32(&w, round_of[id]);
	wbuf_u8(&w, last);
	wbuf_blob(&w, text, strlen(text));
	fixture_ask(fx, id, PROGRAM, M_GROUP_GIVE, GID, &w);
	fixture_run(fx, 100 * MS);
}

static struct fix *
started(unsigned n)
{
	struct fix *fx = fixture_up(n);
	uint16_t i;

	memset(heard, 0, sizeof(heard));
	fixture_hear(fx, hear, NULL);
	for (i = 1; i <= n; i++)
		fixture_open(fx, i, PROGRAM);
	return fx;
}

static void
expect(uint16_t id, const char *words)
{
	ATF_CHECK_STREQ(words, heard[id]);
	heard[id][0] = '\0';
}

ATF_TC_WITHOUT_HEAD(given);
ATF_TC_BODY(given, tc)
{
	struct fix *fx = started(3);

	join(fx, 1, GROUP_STATE);
	expect(1, "piece1() +1 view1 synced(1) ");
	say(fx, 1, "a");
	join(fx, 2, GROUP_STATE);
	expect(1, "msg(a) +2 view2 wanted(2) ");
	expect(2, "sync(1) +2 view2 ");
	say(fx, 1, "b");
	give(fx, 1, "one", false);
	say(fx, 1, "c");
	give(fx, 1, "two", true);
	expect(2, "msg(b) piece0(one) msg(c) piece1(two) synced(2) ");
	expect(1, "msg(b) msg(c) synced(2) ");
	/* A piece too many is for nobody. */
	give(fx, 1, "three", true);
	expect(1, "");
	expect(2, "");
	fixture_free(fx);
}

/* Who does not take part neither gets it nor is asked for it. */
ATF_TC_WITHOUT_HEAD(without);
ATF_TC_BODY(without, tc)
{
	struct fix *fx = started(3);

	join(fx, 1, 0);
	join(fx, 2, GROUP_STATE);
	expect(1, "+1 view1 +2 view2 synced(2) ");
	expect(2, "piece1() +2 view2 synced(2) ");
	join(fx, 3, GROUP_STATE);
	expect(1, "+3 view3 ");
	expect(2, "+3 view3 wanted(3) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(giver_dies);
ATF_TC_BODY(giver_dies, tc)
{
	struct fix *fx = started(5);

	join(fx, 1, GROUP_STATE);
	join(fx, 2, GROUP_STATE);
	give(fx, 1, "x", true);
	join(fx, 3, GROUP_STATE);
	give(fx, 1, "old", false);
	memset(heard, 0, sizeof(heard));
	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3) | BIT(4) | BIT(5));
	/* It begins anew, with the next eldest, at the same place for both. */
	expect(3, "sync(3) -1.3 view2 ");
	expect(2, "-1.3 view2 wanted(3) ");
	give(fx, 2, "new", true);
	expect(3, "piece1(new) synced(3) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(giver_leaves);
ATF_TC_BODY(giver_leaves, tc)
{
	struct fix *fx = started(3);
	uint32_t old;

	join(fx, 1, GROUP_STATE);
	join(fx, 2, GROUP_STATE);
	join(fx, 3, GROUP_STATE);
	old = round_of[1];
	give(fx, 1, "for three", false);
	memset(heard, 0, sizeof(heard));
	leave(fx, 1);
	/* Nobody else has it: the eldest begins with none, and gives that. */
	expect(1, "left ");
	expect(2, "piece1() -1.1 view2 synced(2) wanted(3) ");
	expect(3, "sync(3) -1.1 view2 synced(2) ");
	/* A piece of the earlier round is not mixed into this one. */
	ATF_REQUIRE(old != round_of[2]);
	round_of[2] = old;
	give(fx, 2, "stale", true);
	expect(3, "");
	round_of[2] = 3;
	give(fx, 2, "", true);
	expect(3, "piece1() synced(3) ");
	/* And its client dies, which is said, too. */
	fixture_close(fx, 2, PROGRAM);
	fixture_run(fx, 100 * MS);
	expect(3, "-2.2 view1 ");
	fixture_free(fx);
}

/* A node that comes meanwhile knows who waits for whom. */
ATF_TC_WITHOUT_HEAD(survives_snapshot);
ATF_TC_BODY(survives_snapshot, tc)
{
	struct fix *fx = started(3);

	join(fx, 1, GROUP_STATE);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	join(fx, 2, GROUP_STATE);
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_open(fx, 3, PROGRAM);
	memset(heard, 0, sizeof(heard));
	join(fx, 3, GROUP_STATE);
	expect(3, "sync(2) +3 view3 ");
	expect(1, "+3 view3 wanted(3) ");
	leave(fx, 1);
	expect(2, "+3 view3 piece1() -1.1 view2 synced(2) wanted(3) ");
	expect(3, "sync(3) -1.1 view2 synced(2) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	struct fix *fx = started(1);
	struct wbuf w, cut;
	size_t len;

	join(fx, 1, GROUP_STATE);
	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_u16(&w, 1);
	wbuf_u64(&w, PROGRAM);
	wbuf_u32(&w, 1);
	wbuf_u8(&w, 1);
	wbuf_blob(&w, "data", 4);
	for (len = 0; len < w.len; len++) {
		wbuf_init(&cut, 128);
		wbuf_bytes(&cut, w.data, len);
		heard[1][0] = '\0';
		fixture_ask(fx, 1, PROGRAM, M_GROUP_GIVE, GID, &cut);
		expect(1, "error(22) ");
	}
	wbuf_free(&w);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, given);
	ATF_TP_ADD_TC(tp, without);
	ATF_TP_ADD_TC(tp, giver_dies);
	ATF_TP_ADD_TC(tp, giver_leaves);
	ATF_TP_ADD_TC(tp, survives_snapshot);
	ATF_TP_ADD_TC(tp, malformed);
	return atf_no_error();
}
