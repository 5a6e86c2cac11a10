/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves barriers over whole nodes: they open for all at the last party and
 * are free again, who died or left does not count, with or without its node,
 * nodes that join meanwhile, disagreement and limits.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/barrier.h"
#include "story.h"

static void
tell(uint16_t id, uint64_t client, uint32_t type, struct rbuf *r)
{
}

static void
enter(struct fix *fx, uint16_t id, uint64_t client, uint32_t msgid,
    unsigned parties)
{
	struct wbuf w;

	story_ask(fx, id, client, M_BARRIER_ENTER, msgid,
	    story_put(&w, "hs", parties, "b"));
}

static bool
info(struct fix *fx, uint16_t id, struct barrier_info *bi)
{
	return barrier_info(fixture_node(fx, id)->node->barriers, 0, bi);
}

ATF_TC_WITHOUT_HEAD(opens);
ATF_TC_BODY(opens, tc)
{
	struct fix *fx = story_start(3, tell);
	struct barrier_info bi;
	unsigned i;

	for (i = 0; i < 2; i++) {
		enter(fx, 1, PROGRAM, 11, 3);
		enter(fx, 2, PROGRAM, 12, 3);
		story_expect(1, PROGRAM, "");
		story_expect(2, PROGRAM, "");
		ATF_REQUIRE(info(fx, 3, &bi));
		ATF_CHECK_EQ(3, bi.parties);
		ATF_CHECK_EQ(2, bi.waiting);
		ATF_CHECK_EQ(0, bi.local);
		enter(fx, 3, PROGRAM, 13, 3);
		story_expect(1, PROGRAM, "ok(11) ");
		story_expect(2, PROGRAM, "ok(12) ");
		story_expect(3, PROGRAM, "ok(13) ");
		ATF_CHECK(!info(fx, 3, &bi));
	}
	/* One alone waits for nobody. */
	enter(fx, 1, PROGRAM, 14, 1);
	story_expect(1, PROGRAM, "ok(14) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(who_goes);
ATF_TC_BODY(who_goes, tc)
{
	struct fix *fx = story_start(4, tell);
	struct barrier_info bi;
	struct wbuf w;

	enter(fx, 1, PROGRAM, 1, 3);
	enter(fx, 2, PROGRAM, 2, 3);
	fixture_close(fx, 2, PROGRAM);
	fixture_run(fx, 100 * MS);
	enter(fx, 3, PROGRAM, 3, 3);
	story_expect(3, PROGRAM, "");
	/* With its node. */
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(4));
	ATF_REQUIRE(info(fx, 4, &bi));
	ATF_CHECK_EQ(1, bi.waiting);
	/* By its own wish: it hears that, and only then. */
	enter(fx, 4, PROGRAM, 4, 3);
	story_ask(fx, 4, PROGRAM, M_BARRIER_LEAVE, 5, story_put(&w, "s", "b"));
	story_ask(fx, 4, PROGRAM, M_BARRIER_LEAVE, 5, story_put(&w, "s", "b"));
	story_ask(fx, 4, PROGRAM, M_BARRIER_LEAVE, 5, story_put(&w, "s", "c"));
	story_expect(4, PROGRAM, "error(4 125) ");
	/* The last one takes the barrier with it. */
	fixture_close(fx, 1, PROGRAM);
	fixture_run(fx, 100 * MS);
	ATF_CHECK(!info(fx, 2, &bi));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(joining_node);
ATF_TC_BODY(joining_node, tc)
{
	struct fix *fx = story_start(3, tell);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	enter(fx, 1, PROGRAM, 1, 2);
	fixture_start(fx, 3);
	story_open(fx, 3, PROGRAM);
	enter(fx, 3, PROGRAM, 3, 2);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "ok(1) ");
	story_expect(3, PROGRAM, "ok(3) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(mistakes);
ATF_TC_BODY(mistakes, tc)
{
	struct fix *fx = story_start(2, tell);
	struct wbuf w;
	char name[16];
	uint32_t i;

	enter(fx, 1, PROGRAM, 1, 3);
	enter(fx, 1, PROGRAM, 2, 3);
	enter(fx, 2, PROGRAM, 3, 2);
	story_expect(1, PROGRAM, "error(2 17) ");
	story_expect(2, PROGRAM, "error(3 22) ");
	enter(fx, 2, PROGRAM, 4, 0);
	enter(fx, 2, PROGRAM, 5, BARRIER_PARTIES_MAX + 1);
	story_expect(2, PROGRAM, "error(4 22) error(5 22) ");
	for (i = 0; i < BARRIER_CLIENT_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		story_ask(fx, 2, PROGRAM, M_BARRIER_ENTER, i,
		    story_put(&w, "hs", 2, name));
		story_expect(2, PROGRAM, "");
	}
	enter(fx, 2, PROGRAM, 6, 3);
	story_expect(2, PROGRAM, "error(6 28) ");
	story_malformed(fx, 1, PROGRAM, M_BARRIER_ENTER,
	    story_put(&w, "hs", 2, "name"));
	story_malformed(fx, 1, PROGRAM, M_BARRIER_LEAVE,
	    story_put(&w, "s", "name"));
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, opens);
	ATF_TP_ADD_TC(tp, who_goes);
	ATF_TP_ADD_TC(tp, joining_node);
	ATF_TP_ADD_TC(tp, mistakes);
	return atf_no_error();
}
