/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves recovery levels over whole nodes: the order of stop and start over
 * all nodes, who comes and goes meanwhile, views in the middle of a round,
 * words that come too late, nodes that join a round, and limits.
 */

#include <atf-c.h>

#include "core/levels.h"
#include "story.h"

static uint64_t round_at[FIX_NODES + 1]; /* told last, to the node */

static void
tell(uint16_t id, uint64_t client, uint32_t type, struct rbuf *r)
{
	static const char *const steps[] = { "?", "stop", "start", "finish" };
	uint32_t lid = rbuf_u32(r);
	unsigned step = rbuf_u8(r);

	if (type != M_LEVEL)
		return;
	round_at[id] = rbuf_u64(r);
	ATF_REQUIRE(rbuf_done(r) && step < NITEMS(steps));
	story_word(id, client, "%s%u ", steps[step], lid);
}

static void
enter(struct fix *fx, uint16_t id, uint64_t client, uint32_t lid,
    unsigned level)
{
	struct wbuf w;

	story_ask(fx, id, client, M_LEVEL_REGISTER, lid,
	    story_put(&w, "wbs", lid, level, "test"));
}

static void
done_in(struct fix *fx, uint16_t id, uint32_t lid, uint64_t round,
    enum level_step step)
{
	struct wbuf w;

	story_ask(fx, id, PROGRAM, M_LEVEL_DONE, 9,
	    story_put(&w, "wqb", lid, round, (unsigned)step));
}

static void
done(struct fix *fx, uint16_t id, uint32_t lid, enum level_step step)
{
	done_in(fx, id, lid, round_at[id], step);
}

/* Levels 1, 2 and 2 on nodes 1, 2 and 3. */
static struct fix *
started(unsigned n)
{
	struct fix *fx = story_start(n, tell);

	enter(fx, 1, PROGRAM, 1, 1);
	enter(fx, 2, PROGRAM, 2, 2);
	enter(fx, 3, PROGRAM, 2, 2);
	story_expect(1, PROGRAM, "ok(1) start1 finish1 ");
	story_expect(2, PROGRAM, "ok(2) start2 finish2 ");
	story_expect(3, PROGRAM, "ok(2) start2 finish2 ");
	return fx;
}

static void
silent(unsigned n)
{
	uint16_t i;

	for (i = 1; i <= n; i++)
		story_expect(i, PROGRAM, "");
}

ATF_TC_WITHOUT_HEAD(one_round);
ATF_TC_BODY(one_round, tc)
{
	struct fix *fx = started(4);

	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	story_expect(2, PROGRAM, "stop2 ");
	story_expect(3, PROGRAM, "stop2 ");
	story_expect(1, PROGRAM, "");
	done(fx, 2, 2, LEVEL_STOP);
	silent(3);
	/* Of another step, of another round, by another one, twice: nothing. */
	done(fx, 3, 2, LEVEL_START);
	done_in(fx, 3, 2, round_at[3] - 1, LEVEL_STOP);
	done_in(fx, 1, 1, round_at[3], LEVEL_STOP);
	done(fx, 2, 2, LEVEL_STOP);
	silent(3);
	done(fx, 3, 2, LEVEL_STOP);
	story_expect(1, PROGRAM, "stop1 ");
	silent(3);
	done(fx, 1, 1, LEVEL_STOP);
	story_expect(1, PROGRAM, "start1 ");
	silent(3);
	done(fx, 1, 1, LEVEL_START);
	story_expect(2, PROGRAM, "start2 ");
	story_expect(3, PROGRAM, "start2 ");
	done(fx, 2, 2, LEVEL_START);
	done(fx, 3, 2, LEVEL_START);
	story_expect(1, PROGRAM, "finish1 ");
	story_expect(2, PROGRAM, "finish2 ");
	story_expect(3, PROGRAM, "finish2 ");
	fixture_free(fx);
}

/* Whoever dies or ends its registration is not waited for. */
ATF_TC_WITHOUT_HEAD(goes_meanwhile);
ATF_TC_BODY(goes_meanwhile, tc)
{
	struct fix *fx = started(4);
	struct wbuf w;

	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	done(fx, 2, 2, LEVEL_STOP);
	story_forget();
	fixture_close(fx, 3, PROGRAM);
	fixture_run(fx, 100 * MS);
	story_expect(1, PROGRAM, "stop1 ");
	story_ask(fx, 1, PROGRAM, M_LEVEL_UNREGISTER, 5, story_put(&w, "w", 1));
	story_expect(1, PROGRAM, "");
	story_expect(2, PROGRAM, "start2 ");
	done(fx, 2, 2, LEVEL_START);
	story_expect(2, PROGRAM, "finish2 ");
	fixture_free(fx);
}

/* A view in the middle begins a new round; words of the old one are late. */
ATF_TC_WITHOUT_HEAD(new_round);
ATF_TC_BODY(new_round, tc)
{
	struct fix *fx = started(5);
	uint64_t old;

	fixture_crash(fx, 5);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	done(fx, 2, 2, LEVEL_STOP);
	done(fx, 3, 2, LEVEL_STOP);
	story_expect(1, PROGRAM, "stop1 ");
	old = round_at[1];
	story_forget();
	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	story_expect(1, PROGRAM, "");
	story_expect(2, PROGRAM, "stop2 ");
	story_expect(3, PROGRAM, "stop2 ");
	done_in(fx, 1, 1, old, LEVEL_STOP);
	done_in(fx, 2, 2, old, LEVEL_STOP);
	done_in(fx, 3, 2, old, LEVEL_STOP);
	silent(3);
	done(fx, 2, 2, LEVEL_STOP);
	done(fx, 3, 2, LEVEL_STOP);
	story_expect(1, PROGRAM, "stop1 ");
	fixture_free(fx);
}

/* In the middle of a round: by the level's place in it. */
ATF_TC_WITHOUT_HEAD(comes_meanwhile);
ATF_TC_BODY(comes_meanwhile, tc)
{
	struct fix *fx = started(4);

	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	story_forget();
	enter(fx, 1, PROGRAM, 13, 3); /* above: counts as stopped */
	enter(fx, 1, PROGRAM, 12, 2); /* beside: is stopped, too */
	enter(fx, 1, PROGRAM, 10, 0); /* below: in its turn */
	story_expect(1, PROGRAM, "ok(13) ok(12) stop12 ok(10) ");
	done(fx, 2, 2, LEVEL_STOP);
	done(fx, 3, 2, LEVEL_STOP);
	story_expect(1, PROGRAM, "");
	done(fx, 1, 12, LEVEL_STOP);
	done(fx, 1, 1, LEVEL_STOP);
	done(fx, 1, 10, LEVEL_STOP);
	story_expect(1, PROGRAM, "stop1 stop10 start10 ");
	done(fx, 1, 10, LEVEL_START);
	story_expect(1, PROGRAM, "start1 ");
	/* On the way up: at once below, and nobody waits for it. */
	enter(fx, 2, PROGRAM, 20, 0);
	enter(fx, 2, PROGRAM, 25, 5);
	story_expect(2, PROGRAM, "ok(20) start20 ok(25) ");
	done(fx, 1, 1, LEVEL_START);
	done(fx, 1, 12, LEVEL_START);
	done(fx, 2, 2, LEVEL_START);
	done(fx, 3, 2, LEVEL_START);
	done(fx, 1, 13, LEVEL_START);
	story_expect(2, PROGRAM, "start2 start25 ");
	done(fx, 2, 25, LEVEL_START);
	story_expect(1, PROGRAM,
	    "start12 start13 finish10 finish1 finish12 finish13 ");
	fixture_free(fx);
}

/* A node that joins in the middle knows whom the round waits for. */
ATF_TC_WITHOUT_HEAD(survives_snapshot);
ATF_TC_BODY(survives_snapshot, tc)
{
	struct fix *fx = started(4);
	struct levels_info info;

	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_start(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	done(fx, 2, 2, LEVEL_STOP);
	ATF_REQUIRE(levels_info(fixture_node(fx, 4)->node->levels, 0, &info));
	ATF_CHECK_EQ(1, info.level);
	ATF_CHECK_STREQ("test", info.name);
	ATF_CHECK_STREQ("running", info.state);
	ATF_REQUIRE(levels_info(fixture_node(fx, 4)->node->levels, 1, &info));
	ATF_CHECK_EQ(2, info.who.node);
	ATF_CHECK_STREQ("stopped", info.state);
	ATF_REQUIRE(levels_info(fixture_node(fx, 4)->node->levels, 2, &info));
	ATF_CHECK_EQ(3, info.who.node);
	ATF_CHECK_STREQ("stopping", info.state);
	done(fx, 3, 2, LEVEL_STOP);
	done(fx, 1, 1, LEVEL_STOP);
	done(fx, 1, 1, LEVEL_START);
	done(fx, 2, 2, LEVEL_START);
	done(fx, 3, 2, LEVEL_START);
	ATF_REQUIRE(levels_info(fixture_node(fx, 4)->node->levels, 2, &info));
	ATF_CHECK_STREQ("running", info.state);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(limits_and_mistakes);
ATF_TC_BODY(limits_and_mistakes, tc)
{
	struct fix *fx = story_start(1, tell);
	struct wbuf w;
	uint32_t i;

	for (i = 0; i < LEVEL_CLIENT_MAX; i++)
		enter(fx, 1, PROGRAM, i, i);
	story_forget();
	enter(fx, 1, PROGRAM, 99, 0);
	enter(fx, 1, PROGRAM, 3, 0);
	enter(fx, 1, PROGRAM, 98, LEVEL_MAX + 1);
	story_expect(1, PROGRAM, "error(99 28) error(3 17) error(98 22) ");
	story_malformed(fx, 1, PROGRAM, M_LEVEL_REGISTER,
	    story_put(&w, "wbs", 1, 1, "x"));
	story_malformed(fx, 1, PROGRAM, M_LEVEL_UNREGISTER,
	    story_put(&w, "w", 1));
	story_malformed(fx, 1, PROGRAM, M_LEVEL_DONE,
	    story_put(&w, "wqb", 1, UINT64_C(1), 1));
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, one_round);
	ATF_TP_ADD_TC(tp, goes_meanwhile);
	ATF_TP_ADD_TC(tp, new_round);
	ATF_TP_ADD_TC(tp, comes_meanwhile);
	ATF_TP_ADD_TC(tp, survives_snapshot);
	ATF_TP_ADD_TC(tp, limits_and_mistakes);
	return atf_no_error();
}
