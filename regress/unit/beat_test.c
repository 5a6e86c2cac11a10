/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what the beat process may say and what is believed of it (L7 of
 * link.c): a stall puts the end off, up to a limit; an end is known at once;
 * words of another life, with another key, or said before, change nothing.
 */

#include "core/beat.h"
#include "link_world.h"

/* That of node 2 in this incarnation; its key may be that of something else. */
static struct beat *
beat_of(struct world *w, uint64_t inc, enum seal_use use)
{
	struct seal_gen k[KEYRING_MAX] = { { .set = true } };
	struct beat *b;

	seal_derive(&k[0].key, world_key, use, 2, inc);
	b = beat_new(w->conf[1], 2, inc);
	ATF_REQUIRE(b != NULL);
	beat_keys(b, k);
	return b;
}

static unsigned
post_all(struct world *w, struct actions *out)
{
	struct action *act;
	unsigned n = 0;

	while ((act = actions_take(out)) != NULL) {
		ATF_CHECK_EQ(1, act->node);
		world_sent(w, 1, act);
		free(act);
		n++;
	}
	return n;
}

/* Lets time pass with a beat process that ticks. */
static void
run_with_beat(struct world *w, struct beat *b, uint64_t us, uint64_t rounds)
{
	uint64_t hb = w->conf[1]->heartbeat_us;
	struct actions out;

	actions_init(&out);
	for (; us >= hb; us -= hb) {
		world_run(w, hb);
		beat_tick(b, w->now, rounds, &out);
		(void)post_all(w, &out);
	}
}

ATF_TC_WITHOUT_HEAD(stall_is_not_death);
ATF_TC_BODY(stall_is_not_death, tc)
{
	struct world *w = world_connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);

	run_with_beat(w, b, 500000, 1);
	w->asleep[1] = true;
	run_with_beat(w, b, 2500000, 1);
	ATF_CHECK_EQ(0, w->told[0].down);
	/* It runs again, as if nothing had been. */
	w->asleep[1] = false;
	world_run(w, 1000000);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[1].down + w->told[1].gone);
	/* But not for ever. */
	w->asleep[1] = true;
	run_with_beat(w, b, 4000000, 1);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(strstr(w->told[0].why, "engine has not run") != NULL,
	    "%s", w->told[0].why);
	beat_free(b);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(beat_is_silent_while_engine_runs);
ATF_TC_BODY(beat_is_silent_while_engine_runs, tc)
{
	struct world *w = world_connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);
	struct actions out;
	uint64_t i;

	actions_init(&out);
	/* Not begun yet, then running. */
	for (i = 0; i < 10; i++)
		beat_tick(b, i * 100000, 0, &out);
	for (i = 0; i < 10; i++)
		beat_tick(b, i * 100000, 1 + i, &out);
	beat_tick(b, i * 100000, i, &out);
	ATF_CHECK_EQ(0, post_all(w, &out));
	beat_tick(b, (i + 1) * 100000, i, &out);
	ATF_CHECK_EQ(2, post_all(w, &out));
	beat_ended(b, WE_EXIT, 1, &out);
	ATF_CHECK_EQ(2 * BEAT_REPEAT, post_all(w, &out));
	beat_tick(b, (i + 2) * 100000, i, &out);
	beat_ended(b, WE_EXIT, 1, &out);
	ATF_CHECK_EQ(0, post_all(w, &out));
	beat_free(b);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(end_is_told_at_once);
ATF_TC_BODY(end_is_told_at_once, tc)
{
	struct world *w = world_connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);
	struct actions out;

	actions_init(&out);
	w->asleep[1] = true;
	beat_ended(b, WE_SIGNAL, 9, &out);
	(void)post_all(w, &out);
	world_run(w, 10000);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_EQ(0, w->told[0].gone);
	ATF_CHECK_EQ(200, w->told[0].inc);
	ATF_CHECK_MSG(strstr(w->told[0].why, "signal 9") != NULL, "%s",
	    w->told[0].why);
	beat_free(b);
	world_free(w);
}

/* The daemon ends, and its engine, which still runs, has not noticed yet. */
ATF_TC_WITHOUT_HEAD(ends_for_good);
ATF_TC_BODY(ends_for_good, tc)
{
	struct world *w = world_connected();
	struct beat *b = beat_of(w, 200, SEAL_BEAT);
	struct actions out;

	actions_init(&out);
	beat_ended(b, WE_PARENT, 0, &out);
	(void)post_all(w, &out);
	world_run(w, 2000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_STREQ("its daemon has ended", w->told[0].why);
	/* The next life is as welcome as ever. */
	world_start(w, 1, 201, world_key);
	world_settle(w, 1);
	world_run(w, 500000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	beat_free(b);
	world_free(w);
}

/* L7: it is not believed for another life, with another world_key, or twice. */
ATF_TC_WITHOUT_HEAD(beat_is_checked);
ATF_TC_BODY(beat_is_checked, tc)
{
	static const struct {
		uint64_t inc;
		enum seal_use use;
		enum link_reject why;
	} bad[] = {
		{ 199, SEAL_BEAT, LR_OLD_INCARNATION },
		{ 201, SEAL_BEAT, LR_OLD_INCARNATION },
		{ 200, SEAL_ENGINE, LR_KEY },
	};
	struct world *w = world_connected();
	uint64_t hb = w->conf[1]->heartbeat_us;
	struct actions out;
	struct beat *b;
	unsigned i, first;

	actions_init(&out);
	for (i = 0; i < NITEMS(bad); i++) {
		b = beat_of(w, bad[i].inc, bad[i].use);
		beat_ended(b, WE_SIGNAL, 9, &out);
		(void)post_all(w, &out);
		world_run(w, hb);
		ATF_CHECK_MSG(link_rejects(w->l[0], 2, bad[i].why) > 0,
		    "case %u", i);
		beat_free(b);
	}
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	/* Old words about a stall, played again, put nothing off. */
	b = beat_of(w, 200, SEAL_BEAT);
	first = w->nkept;
	run_with_beat(w, b, 5 * hb, 1);
	w->asleep[1] = true;
	ATF_REQUIRE(w->nkept < KEPT);
	while (w->told[0].down == 0 && hb < 3000000) {
		for (i = first; i < w->nkept; i++)
			if (w->kept[i].to == 0)
				world_packet(w, 0, w->kept[i].link,
				    w->kept[i].data, w->kept[i].len);
		world_run(w, 50000);
		hb += 50000;
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(hb < 1100000, "it took %llu us", (unsigned long long)hb);
	beat_free(b);
	world_free(w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, stall_is_not_death);
	ATF_TP_ADD_TC(tp, beat_is_silent_while_engine_runs);
	ATF_TP_ADD_TC(tp, end_is_told_at_once);
	ATF_TP_ADD_TC(tp, ends_for_good);
	ATF_TP_ADD_TC(tp, beat_is_checked);
	return atf_no_error();
}
