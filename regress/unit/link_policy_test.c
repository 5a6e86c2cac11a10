/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* link_policy.c: which links data goes over. */

#include "link_world.h"

static struct world *
world_of(enum conf_mode mode, uint8_t priority0, uint8_t priority1)
{
	struct world *w = world_new();
	unsigned i;

	for (i = 0; i < 2; i++) {
		w->conf[i]->mode = mode;
		w->conf[i]->nlinkinfo = 2;
		w->conf[i]->links[0].priority = priority0;
		w->conf[i]->links[1].priority = priority1;
		/* Only beats and data are counted here. */
		w->conf[i]->mtu = CONF_MTU_MIN;
		conf_hash(w->conf[i]);
		world_start(w, i, 100 * (i + 1), world_key);
	}
	world_run(w, 2000000);
	ATF_REQUIRE(w->told[0].up == 1 && w->told[1].up == 1);
	return w;
}

/* Data of node 0 since the given datagram; beats are shorter. */
static unsigned
data_on(const struct world *w, unsigned link, unsigned since)
{
	unsigned i, n = 0;

	for (i = since; i < w->nkept; i++)
		n += w->kept[i].to == 1 && w->kept[i].link == link &&
		    w->kept[i].len > 500;
	return n;
}

static bool
carries(const struct world *w, unsigned link)
{
	struct link_info li;

	link_get(w->l[0], 2, link, &li);
	return li.carries;
}

static void
messages(struct world *w, uint32_t *number, unsigned n)
{
	while (n-- > 0) {
		world_message(w, 0, CHAN_DLM, (*number)++, 600);
		world_run(w, 10000);
	}
}

ATF_TC_WITHOUT_HEAD(priority);
ATF_TC_BODY(priority, tc)
{
	static const struct {
		uint8_t first, second;
		unsigned best;
	} t[] = { { 0, 0, 0 }, { 5, 5, 0 }, { 1, 2, 1 }, { 255, 254, 0 } };
	struct world *w;
	uint32_t number;
	unsigned i, before;

	for (i = 0; i < NITEMS(t); i++) {
		w = world_of(MODE_PASSIVE, t[i].first, t[i].second);
		number = 0;
		before = w->nkept;
		messages(w, &number, 10);
		ATF_CHECK_EQ(10, data_on(w, t[i].best, before));
		ATF_CHECK_EQ(0, data_on(w, 1 - t[i].best, before));
		ATF_CHECK(carries(w, t[i].best) && !carries(w, 1 - t[i].best));
		world_free(w);
	}
}

/* The other link is used when this one is down, and not before. */
ATF_TC_WITHOUT_HEAD(passive);
ATF_TC_BODY(passive, tc)
{
	struct world *w = world_of(MODE_PASSIVE, 1, 2);
	uint32_t number = 0;
	unsigned before = w->nkept;

	w->cut[0][1] = w->cut[1][1] = true;
	messages(w, &number, 5);
	world_run(w, 200000);
	ATF_CHECK_EQ(0, w->told[1].messages);
	ATF_CHECK_EQ(0, data_on(w, 0, before));
	world_run(w, 800000);
	ATF_CHECK_EQ(5, w->told[1].messages);
	ATF_CHECK(carries(w, 0) && !carries(w, 1));
	w->cut[0][1] = w->cut[1][1] = false;
	world_run(w, 500000);
	ATF_CHECK(carries(w, 1) && !carries(w, 0));
	before = w->nkept;
	messages(w, &number, 5);
	ATF_CHECK_EQ(0, data_on(w, 0, before));
	ATF_CHECK_EQ(10, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/* A link that dies delays nothing. */
ATF_TC_WITHOUT_HEAD(active);
ATF_TC_BODY(active, tc)
{
	struct world *w = world_of(MODE_ACTIVE, 0, 0);
	uint32_t number = 0;
	unsigned before = w->nkept;

	messages(w, &number, 10);
	ATF_CHECK_EQ(10, data_on(w, 0, before));
	ATF_CHECK_EQ(10, data_on(w, 1, before));
	ATF_CHECK_EQ(10, w->told[1].messages);
	ATF_CHECK(carries(w, 0) && carries(w, 1));
	w->cut[0][0] = w->cut[1][0] = true;
	messages(w, &number, 1);
	ATF_CHECK_EQ(11, w->told[1].messages);
	world_run(w, 1000000);
	ATF_CHECK(!carries(w, 0) && carries(w, 1));
	before = w->nkept;
	messages(w, &number, 10);
	ATF_CHECK_EQ(0, data_on(w, 0, before));
	ATF_CHECK_EQ(21, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/* One link while all is well; two for a moment, when it is not. */
ATF_TC_WITHOUT_HEAD(duplicate_on_loss);
ATF_TC_BODY(duplicate_on_loss, tc)
{
	struct world *w = world_of(MODE_DUPLICATE, 0, 0);
	uint32_t number = 0;
	unsigned before = w->nkept;

	messages(w, &number, 10);
	ATF_CHECK_EQ(0, data_on(w, 1, before));
	w->cut[0][0] = w->cut[1][0] = true;
	messages(w, &number, 5);
	world_run(w, 100000);
	ATF_CHECK_EQ(15, w->told[1].messages);
	ATF_CHECK(data_on(w, 1, before) >= 5);
	world_free(w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, priority);
	ATF_TP_ADD_TC(tp, passive);
	ATF_TP_ADD_TC(tp, active);
	ATF_TP_ADD_TC(tp, duplicate_on_loss);
	return atf_no_error();
}
