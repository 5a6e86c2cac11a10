/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Which views a member takes from a coordinator, and which it refuses (E4). */

#include <atf-c.h>

#include "core/member_internal.h"

/* Nodes 1 and 2 have a vote each, and the device three of them. */
static void
make_view(struct install *in, unsigned members)
{
	struct view *v = &in->view;
	struct electorate *e = &v->elect;
	unsigned i;

	memset(in, 0, sizeof(*in));
	v->epoch = 7;
	v->leader = 1;
	v->primary = v->scratch = true;
	v->n = members;
	for (i = 0; i < members; i++) {
		v->members[i].node = (uint16_t)(1 + i);
		v->members[i].inc = 100 + i;
		v->members[i].joined = 7;
	}
	e->n = 3;
	for (i = 0; i < e->n; i++) {
		e->v[i].node = (uint16_t)i;
		e->v[i].votes = i == VOTER_DEVICE ? 3 : 1;
		e->v[i].counts = true;
	}
	e->expected = 5;
	v->tally.rule = VOTE_MAJORITY;
}

/* Does a member take it? */
static bool
taken(const struct install *in)
{
	struct install *got;
	struct wbuf w;
	struct rbuf r;

	wbuf_init(&w, MEMBER_MSG_MAX);
	put_install(&w, in);
	ATF_REQUIRE(!w.err);
	rbuf_init(&r, w.data, w.len);
	got = get_install(&r, WIRE_FEATURES);
	if (got != NULL)
		ATF_CHECK_EQ(in->view.n, got->view.n);
	wbuf_free(&w);
	install_free(got);
	return got != NULL;
}

/* Seed 2643 of pairs: both were there, the device was not, and one was fenced. */
ATF_TC_WITHOUT_HEAD(all_nodes_are_enough);
ATF_TC_BODY(all_nodes_are_enough, tc)
{
	struct install in;

	make_view(&in, 2);
	ATF_CHECK_MSG(taken(&in), "without the votes of the device");
	in.view.device = true;
	ATF_CHECK_MSG(taken(&in), "with them");
}

ATF_TC_WITHOUT_HEAD(others_must_win);
ATF_TC_BODY(others_must_win, tc)
{
	struct install in;

	make_view(&in, 1);
	ATF_CHECK_MSG(!taken(&in), "1 of 5 votes");
	in.view.device = true;
	ATF_CHECK_MSG(taken(&in), "4 of 5 votes");
	make_view(&in, 1);
	in.view.primary = false;
	ATF_CHECK_MSG(taken(&in), "without quorum");
}

ATF_TC_WITHOUT_HEAD(the_leader_is_a_member);
ATF_TC_BODY(the_leader_is_a_member, tc)
{
	struct install in;

	make_view(&in, 2);
	in.view.leader = 3;
	ATF_CHECK(!taken(&in));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, all_nodes_are_enough);
	ATF_TP_ADD_TC(tp, others_must_win);
	ATF_TP_ADD_TC(tp, the_leader_is_a_member);
	return atf_no_error();
}
