/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* link_mtu.c: sizes are proven, and a path that shrinks costs no session. */

#include <stdio.h>

#include "link_world.h"

/* What node i sends at most over a link. */
static size_t
limit(const struct world *w, unsigned i, unsigned link)
{
	struct link_info li;

	link_get(w->l[i], (uint16_t)(2 - i), link, &li);
	return li.datagram;
}

/* The longest datagram of node `from` since the given one. */
static size_t
longest(const struct world *w, unsigned from, unsigned since)
{
	size_t max = 0;
	unsigned i;

	for (i = since; i < w->nkept; i++)
		if (w->kept[i].to == 1 - from)
			max = MAX(max, w->kept[i].len);
	return max;
}

/* How many of those of node `from` the path has dropped for their size. */
static unsigned
too_long(const struct world *w, unsigned from, unsigned since)
{
	unsigned i, n = 0;

	for (i = since; i < w->nkept; i++)
		n += w->kept[i].to == 1 - from && w->kept[i].len > w->mtu;
	return n;
}

static void
messages(struct world *w, uint32_t *number, unsigned n)
{
	while (n-- > 0)
		world_message(w, 0, CHAN_DLM, (*number)++, 5000);
}

static struct world *
world_of(size_t mtu, uint16_t max)
{
	struct world *w = world_new();
	unsigned i;

	w->mtu = mtu;
	for (i = 0; i < 2; i++) {
		w->conf[i]->mtu = max;
		conf_hash(w->conf[i]);
		world_start(w, i, 100 * (i + 1), world_key);
	}
	world_run(w, 3000000);
	ATF_REQUIRE(w->told[0].up == 1 && w->told[1].up == 1);
	return w;
}

ATF_TC_WITHOUT_HEAD(finds_what_passes);
ATF_TC_BODY(finds_what_passes, tc)
{
	static const struct {
		size_t mtu;
		uint16_t conf;
		size_t found;
	} t[] = { { 0, 0, WIRE_DATAGRAM_MAX }, { 1200, 0, 1200 },
		{ 1472, 0, 1452 }, { 1451, 0, 1200 }, { 8900, 0, 8848 },
		{ 0, 1500, 1452 }, { 0, 1400, 1352 }, { 0, 5000, 4952 },
		{ 0, CONF_MTU_MIN, CONF_MTU_MIN - 48 },
		{ 0, CONF_MTU_MAX, WIRE_DATAGRAM_MAX } };
	struct world *w;
	unsigned i, k;

	for (i = 0; i < NITEMS(t); i++) {
		w = world_of(t[i].mtu, t[i].conf);
		for (k = 0; k < 4; k++)
			ATF_CHECK_EQ_MSG(t[i].found, limit(w, k / 2, k % 2),
			    "case %u: %zu", i, limit(w, k / 2, k % 2));
		ATF_CHECK(longest(w, 0, 0) <=
		    (t[i].conf != 0 ? t[i].conf - 48U : WIRE_DATAGRAM_MAX));
		world_free(w);
	}
}

ATF_TC_WITHOUT_HEAD(data_uses_it);
ATF_TC_BODY(data_uses_it, tc)
{
	struct world *w = world_of(0, 0);
	unsigned before = w->nkept, data = 0, i;
	uint32_t number = 0;

	/* 16 messages of 5 kB are 80 segments; a datagram holds 8. */
	messages(w, &number, 1);
	ATF_CHECK(longest(w, 0, before) > 5000);
	messages(w, &number, 15);
	world_run(w, 50000);
	ATF_CHECK_EQ(16, w->told[1].messages);
	for (i = before; i < w->nkept; i++)
		data += w->kept[i].to == 1 && w->kept[i].len > 1200;
	ATF_CHECK_MSG(data <= 16, "%u datagrams", data);
	world_free(w);
}

/* Large ones vanish from one moment on, short ones pass. */
ATF_TC_WITHOUT_HEAD(shrinks);
ATF_TC_BODY(shrinks, tc)
{
	struct world *w = world_of(0, 0);
	uint32_t number = 0;
	unsigned before;

	w->mtu = 1300;
	before = w->nkept;
	messages(w, &number, 10);
	/* What was on its way is sent again in short ones, at once. */
	world_run(w, 150000);
	ATF_CHECK_EQ(10, w->told[1].messages);
	ATF_CHECK_EQ(WIRE_DATAGRAM_SAFE, limit(w, 0, 0));
	ATF_CHECK_STREQ("", w->told[0].link);
	world_run(w, 1000000);
	ATF_CHECK_MSG(strstr(w->told[0].link,
			  " passes datagrams of 1200 bytes only "
			  "now (was 8952), because") != NULL,
	    "%s", w->told[0].link);
	/* It is not tried for ever: probes, and what was on its way. */
	messages(w, &number, 100);
	world_run(w, 2000000);
	ATF_CHECK_EQ(110, w->told[1].messages);
	ATF_CHECK_MSG(too_long(w, 0, before) < 20, "%u",
	    too_long(w, 0, before));
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);

	/* The path is whole again: that is found, and said. */
	w->mtu = 0;
	world_run(w, 70000000);
	ATF_CHECK_EQ(WIRE_DATAGRAM_MAX, limit(w, 0, 0));
	ATF_CHECK_MSG(strstr(w->told[0].link,
			  "passes datagrams of 8952 bytes again") != NULL,
	    "%s", w->told[0].link);
	world_free(w);
}

/* What was lost is sent again so that it passes on any path (L8). */
ATF_TC_WITHOUT_HEAD(again_is_safe);
ATF_TC_BODY(again_is_safe, tc)
{
	struct world *w = world_of(0, 0);
	uint32_t number = 0;
	unsigned before;

	w->cut[0][0] = w->cut[0][1] = true;
	messages(w, &number, 4);
	before = w->nkept;
	world_run(w, 30000);
	w->cut[0][0] = w->cut[0][1] = false;
	w->mtu = 1200;
	world_run(w, 300000);
	ATF_CHECK_EQ(4, w->told[1].messages);
	/* Beats and probes aside, nothing long was tried. */
	ATF_CHECK_MSG(too_long(w, 0, before) <= 8, "%u",
	    too_long(w, 0, before));
	world_free(w);
}

/* Loss that has other reasons does not make a path short. */
ATF_TC_WITHOUT_HEAD(loss_is_no_shrinking);
ATF_TC_BODY(loss_is_no_shrinking, tc)
{
	struct world *w = world_of(0, 0);
	uint32_t number = 0;
	unsigned i;

	w->loss = 50;
	for (i = 0; i < 40; i++) {
		messages(w, &number, 3);
		world_run(w, 20000);
	}
	w->loss = 0;
	world_run(w, 500000);
	ATF_CHECK_EQ(120, w->told[1].messages);
	ATF_CHECK_EQ(WIRE_DATAGRAM_MAX, limit(w, 0, 0));
	ATF_CHECK_STREQ("", w->told[0].link);
	world_free(w);
}

/* A link that was down may be another one when it is back. */
ATF_TC_WITHOUT_HEAD(begins_anew);
ATF_TC_BODY(begins_anew, tc)
{
	struct world *w = world_of(0, 0);

	w->cut[1][0] = true;
	world_run(w, 1000000);
	ATF_CHECK_EQ(WIRE_DATAGRAM_SAFE, limit(w, 0, 0));
	ATF_CHECK_EQ(WIRE_DATAGRAM_MAX, limit(w, 0, 1));
	w->cut[1][0] = false;
	w->mtu = 1472;
	world_run(w, 2000000);
	ATF_CHECK_EQ(1452, limit(w, 0, 0));
	world_free(w);
}

static bool
carries(const struct world *w, unsigned link)
{
	struct link_info li;

	link_get(w->l[0], 2, link, &li);
	return li.carries;
}

/* Below the safe size: heartbeats pass, and data has to go another way. */
ATF_TC_WITHOUT_HEAD(narrow);
ATF_TC_BODY(narrow, tc)
{
	struct world *w = world_of(0, 0);
	struct link_info li;
	uint32_t number = 0;
	unsigned i;

	ATF_REQUIRE(carries(w, 0));
	w->mtu_of[0] = 700;
	messages(w, &number, 10);
	world_run(w, 2500000);
	ATF_CHECK_EQ(10, w->told[1].messages);
	ATF_CHECK_MSG(strstr(w->told[0].link,
			  "link 0 passes heartbeats, but no datagrams of 1200 "
			  "bytes, because 8 in a row") != NULL,
	    "%s", w->told[0].link);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.narrow && !li.carries);
	ATF_CHECK(carries(w, 1));
	/* From now on nothing waits. */
	for (i = 0; i < 20; i++) {
		messages(w, &number, 1);
		world_run(w, 5000);
		ATF_CHECK_EQ(11 + i, w->told[1].messages);
	}
	w->mtu_of[0] = 0;
	world_run(w, 500000);
	ATF_CHECK(carries(w, 0));
	ATF_CHECK_MSG(strstr(w->told[0].link,
			  "link 0 passes datagrams of 1200 bytes again, "
			  "because one was answered") != NULL,
	    "%s", w->told[0].link);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/* Loss of one in five does not make a path narrow. */
ATF_TC_WITHOUT_HEAD(loss_is_not_narrow);
ATF_TC_BODY(loss_is_not_narrow, tc)
{
	struct world *w = world_of(1200, 0);
	struct link_info li;
	uint32_t number = 0;
	unsigned i;

	w->loss = 200;
	for (i = 0; i < 300; i++) {
		messages(w, &number, 1);
		world_run(w, 20000);
		link_get(w->l[0], 2, 0, &li);
		ATF_CHECK(!li.narrow);
	}
	w->loss = 0;
	world_run(w, 1000000);
	ATF_CHECK_EQ(300, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, finds_what_passes);
	ATF_TP_ADD_TC(tp, data_uses_it);
	ATF_TP_ADD_TC(tp, shrinks);
	ATF_TP_ADD_TC(tp, again_is_safe);
	ATF_TP_ADD_TC(tp, loss_is_no_shrinking);
	ATF_TP_ADD_TC(tp, begins_anew);
	ATF_TP_ADD_TC(tp, narrow);
	ATF_TP_ADD_TC(tp, loss_is_not_narrow);
	return atf_no_error();
}
