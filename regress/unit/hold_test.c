/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves, in stories with whole nodes: who is lost again and again waits
 * longer and longer, a goodbye or a calm minute ends that, and nobody is held
 * back who is needed.
 */

#include <atf-c.h>

#include "fixture.h"

#define ALL (BIT(1) | BIT(2) | BIT(3))

/* Node 3 dies and is back at once; how long until it is in, us. */
static uint64_t
lose(struct fix *fx)
{
	uint64_t since;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	since = fixture_now(fx);
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	return fixture_now(fx) - since;
}

static uint64_t
held_until(struct fix *fx, uint16_t by)
{
	return member_held_until(fixture_node(fx, by)->node->member, 3);
}

ATF_TC_WITHOUT_HEAD(longer_each_time);
ATF_TC_BODY(longer_each_time, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t timeout = fixture_conf(fx)->failure_timeout_us;
	uint64_t free_ride, hold = timeout;
	unsigned i;

	free_ride = lose(fx);
	ATF_CHECK(lose(fx) < free_ride + timeout / 2);
	for (i = 0; i < 7; i++) {
		fixture_crash(fx, 3);
		fixture_settle(fx, BIT(1) | BIT(2));
		fixture_start(fx, 3);
		fixture_run(fx, hold - 100 * MS);
		ATF_CHECK(held_until(fx, 1) != 0 && held_until(fx, 2) != 0);
		ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2)));
		fixture_settle(fx, ALL);
		ATF_CHECK(held_until(fx, 1) == 0);
		hold = MIN(2 * hold, 16 * timeout);
	}
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(forgotten);
ATF_TC_BODY(forgotten, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t timeout = fixture_conf(fx)->failure_timeout_us;
	uint64_t free_ride = lose(fx);

	lose(fx);
	lose(fx);
	fixture_run(fx, 65 * timeout);
	ATF_CHECK(lose(fx) < free_ride + timeout / 2);
	lose(fx);
	/* The next would cost; but this time it leaves as it should. */
	fixture_stop(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	ATF_CHECK(lose(fx) < free_ride + timeout / 2);
	fixture_free(fx);
}

/* H1: without node 2 the view of node 1 cannot go on: node 3 is let in. */
ATF_TC_WITHOUT_HEAD(not_when_needed);
ATF_TC_BODY(not_when_needed, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t since;
	unsigned i;

	for (i = 0; i < 7; i++)
		lose(fx);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_start(fx, 3);
	fixture_run(fx, SECOND);
	ATF_REQUIRE(held_until(fx, 1) > fixture_now(fx) + 5 * SECOND);
	since = held_until(fx, 1);
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(3));
	ATF_CHECK(fixture_now(fx) + 2 * SECOND < since);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, longer_each_time);
	ATF_TP_ADD_TC(tp, forgotten);
	ATF_TP_ADD_TC(tp, not_when_needed);
	return atf_no_error();
}
