/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves, in stories with whole nodes and made-up sessions: views form, lose
 * and regain members; one side of a partition goes on and the other starts
 * anew; a coordinator that dies at any message of a view change does no harm;
 * epochs grow across lives.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/member_internal.h"

#include "fixture.h"

static uint64_t
epoch_of(struct fix *fx, uint16_t id)
{
	struct node_view nv;

	node_get_view(fixture_node(fx, id)->node, &nv);
	return nv.epoch;
}

static bool
primary(struct fix *fx, uint16_t id)
{
	struct node_view nv;

	if (fixture_node(fx, id)->node == NULL)
		return false;
	node_get_view(fixture_node(fx, id)->node, &nv);
	return nv.primary;
}

ATF_TC_WITHOUT_HEAD(one_node);
ATF_TC_BODY(one_node, tc)
{
	struct fix *fx = fixture_new(1);

	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(three_nodes);
ATF_TC_BODY(three_nodes, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t epoch;

	epoch = epoch_of(fx, 1);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)));
	/* Nothing happened, so no view may have followed the first. */
	ATF_CHECK_EQ(epoch, epoch_of(fx, 1));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(late_join);
ATF_TC_BODY(late_join, tc)
{
	struct fix *fx = fixture_new(3);

	fixture_start(fx, 2);
	fixture_run(fx, 2 * SECOND);
	ATF_CHECK(!primary(fx, 2));
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->deaths);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(leader_crashes);
ATF_TC_BODY(leader_crashes, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->deaths);
	fixture_free(fx);
}

/* Has the node said so?  Its last word of that kind. */
static const char *
said(struct fix *fx, uint16_t id, const char *what)
{
	const struct client_layer *cl = fixture_node(fx, id)->node->client;
	const struct client_event *e;
	const char *last = "";
	unsigned i;

	for (i = 0; (e = client_event_at(cl, i)) != NULL; i++)
		if (strstr(e->text, what) != NULL)
			last = e->text;
	return last;
}

/* Where a newer life of a node is there, it is said which one was lost. */
ATF_TC_WITHOUT_HEAD(lost_life_is_named);
ATF_TC_BODY(lost_life_is_named, tc)
{
	struct fix *fx = fixture_new(3);
	unsigned long long was, now;
	char text[160];

	fixture_start_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	was = fixture_node(fx, 3)->inc;
	fixture_crash(fx, 3);
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	now = fixture_node(fx, 3)->inc;
	ATF_REQUIRE(now > was);
	snprintf(text, sizeof(text),
	    "nobody saw it leave; that was incarnation %llu, and %llu is ", was,
	    now);
	ATF_CHECK(strstr(said(fx, 1, "not in view"), text) != NULL);
	/* With nobody to be taken for it, it needs no number. */
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK(strstr(said(fx, 1, "not in view"), "incarnation") == NULL);
	ATF_CHECK(strstr(said(fx, 1, "not in view"), "nobody saw") != NULL);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(partition_minority_starts_anew);
ATF_TC_BODY(partition_minority_starts_anew, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_split(fx, BIT(1));
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_run(fx, 2 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->deaths);
	ATF_CHECK(strstr(fixture_node(fx, 1)->why, "without") != NULL);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->deaths);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(even_split_has_no_primary);
ATF_TC_BODY(even_split_has_no_primary, tc)
{
	struct fix *fx = fixture_up(4);
	unsigned all = BIT(1) | BIT(2) | BIT(3) | BIT(4);
	unsigned i;

	fixture_split(fx, BIT(1) | BIT(2));
	fixture_run(fx, 5 * SECOND);
	for (i = 1; i <= 4; i++) {
		ATF_CHECK(!primary(fx, (uint16_t)i));
		ATF_CHECK_EQ(0, fixture_node(fx, (uint16_t)i)->deaths);
	}
	fixture_heal_all(fx);
	fixture_settle(fx, all);
	/* Nobody went on, so nobody has to start anew. */
	for (i = 1; i <= 4; i++)
		ATF_CHECK_EQ(0, fixture_node(fx, (uint16_t)i)->deaths);
	fixture_free(fx);
}

/* The switch restarts: all are alone, none is primary, all come back. */
ATF_TC_WITHOUT_HEAD(all_alone_and_back);
ATF_TC_BODY(all_alone_and_back, tc)
{
	struct fix *fx = fixture_up(3);
	uint16_t i;

	fixture_split(fx, BIT(1));
	fixture_split(fx, BIT(2));
	fixture_run(fx, 5 * SECOND);
	for (i = 1; i <= 3; i++)
		ATF_CHECK(!primary(fx, i));
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	for (i = 1; i <= 3; i++)
		ATF_CHECK_EQ(0, fixture_node(fx, i)->deaths);
	fixture_free(fx);
}

/* A session breaks and is back at once: a new view starts them anew. */
ATF_TC_WITHOUT_HEAD(torn_session_needs_a_view);
ATF_TC_BODY(torn_session_needs_a_view, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t epoch;
	uint16_t i;

	epoch = epoch_of(fx, 1);
	fixture_cut(fx, 2, 3);
	fixture_heal(fx, 2, 3);
	fixture_run(fx, SECOND);
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)));
	ATF_CHECK(epoch_of(fx, 1) > epoch);
	for (i = 1; i <= 3; i++)
		ATF_CHECK_EQ(0, fixture_node(fx, i)->deaths);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(asymmetric_cut_costs_one_node);
ATF_TC_BODY(asymmetric_cut_costs_one_node, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_cut(fx, 2, 3);
	fixture_run(fx, 10 * SECOND);
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2)));
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	ATF_CHECK(fixture_node(fx, 3)->deaths >= 1);
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

/* Node 1 reaches 2 only; 2, 3, 4 and 5 reach each other: they go on. */
ATF_TC_WITHOUT_HEAD(heavier_side_wins);
ATF_TC_BODY(heavier_side_wins, tc)
{
	struct fix *fx = fixture_up(5);
	uint16_t i;

	for (i = 3; i <= 5; i++)
		fixture_cut(fx, 1, i);
	fixture_run(fx, 10 * SECOND);
	ATF_CHECK(fixture_settled(fx, BIT(2) | BIT(3) | BIT(4) | BIT(5)));
	ATF_CHECK(fixture_node(fx, 1)->deaths >= 1);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5));
	fixture_free(fx);
}

/*
 * A newcomer that weighs more than a member is not heard by that member at once:
 * that is no reason to go on without it.
 */
ATF_TC_WITHOUT_HEAD(newcomer_throws_nobody_out);
ATF_TC_BODY(newcomer_throws_nobody_out, tc)
{
	struct fix *fx = fixture_new(3);
	unsigned i;

	fixture_conf(fx)->nodes[0].votes = 2;
	fixture_conf(fx)->nodes[2].votes = 2;
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	for (i = 0; i < 10; i++) {
		fixture_cut(fx, 2, 3);
		fixture_start(fx, 3);
		fixture_run(fx, 60 * MS);
		fixture_heal(fx, 2, 3);
		fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
		ATF_REQUIRE_EQ(0, fixture_node(fx, 2)->deaths);
		fixture_crash(fx, 3);
		fixture_settle(fx, BIT(1) | BIT(2));
	}
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(clean_leave_is_quick);
ATF_TC_BODY(clean_leave_is_quick, tc)
{
	struct fix *fx = fixture_up(3);
	struct fencing_info fi;

	fixture_stop(fx, 1);
	ATF_REQUIRE(fixture_node(fx, 1)->stopped);
	/* Nobody waits for silence: far less than the time to detect it. */
	fixture_run(fx, 100 * MS);
	ATF_CHECK(fixture_settled(fx, BIT(2) | BIT(3)));
	ATF_CHECK(!fencing_info(fixture_node(fx, 2)->node->fencing, 0, &fi));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(wait_for_all);
ATF_TC_BODY(wait_for_all, tc)
{
	struct fix *fx = fixture_new(3);

	fixture_conf(fx)->wait_for_all = true;
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_run(fx, 10 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	ATF_CHECK(!primary(fx, 2));
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	/* Seen once, it may go. */
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(two_nodes_one_dies);
ATF_TC_BODY(two_nodes_one_dies, tc)
{
	struct fix *fx = fixture_new(2);

	fixture_conf(fx)->two_node = true;
	fixture_start(fx, 1);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(epochs_grow_across_lives);
ATF_TC_BODY(epochs_grow_across_lives, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t before;
	uint16_t i;

	before = epoch_of(fx, 1);
	for (i = 1; i <= 3; i++)
		fixture_crash(fx, i);
	fixture_begin(fx);
	ATF_CHECK(epoch_of(fx, 1) > before);
	fixture_free(fx);
}

/*
 * The view change after the crash of node 4 is interrupted by the crash of
 * its coordinator (node 1), after every possible number of messages.
 */
ATF_TC_WITHOUT_HEAD(coordinator_dies_at_each_step);
ATF_TC_BODY(coordinator_dies_at_each_step, tc)
{
	unsigned k, all = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5);
	uint64_t base, until;
	struct fix *fx;
	uint16_t i;

	for (k = 0; k < 40; k++) {
		fx = fixture_up(5);
		fixture_crash(fx, 4);
		fixture_run(fx, 690 * MS);
		base = fixture_messages(fx) + k;
		until = fixture_now(fx) + SECOND;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_crash(fx, 1);
		fixture_settle(fx, BIT(2) | BIT(3) | BIT(5));
		for (i = 2; i <= 5; i++)
			ATF_CHECK_EQ_MSG(0, fixture_node(fx, i)->deaths,
			    "node %u died at step %u: %s", i, k,
			    fixture_node(fx, i)->why);
		fixture_start(fx, 1);
		fixture_start(fx, 4);
		fixture_settle(fx, all);
		fixture_free(fx);
	}
}

/*
 * The coordinator dies at each step of a join, so that at some the newcomer alone
 * was told that the view stands: who was in the view before has its state all
 * the same, and goes on with it.
 */
ATF_TC_WITHOUT_HEAD(newcomer_alone_is_told);
ATF_TC_BODY(newcomer_alone_is_told, tc)
{
	const struct view *v;
	uint64_t base, until;
	struct fix *fx;
	unsigned k;

	for (k = 0; k < 60; k++) {
		fx = fixture_up(3);
		fixture_crash(fx, 2);
		fixture_settle(fx, BIT(1) | BIT(3));
		fixture_start(fx, 2);
		base = fixture_messages(fx) + k;
		until = fixture_now(fx) + SECOND;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_crash(fx, 1);
		fixture_settle(fx, BIT(2) | BIT(3));
		v = member_view(fixture_node(fx, 3)->node->member);
		ATF_CHECK_MSG(!v->scratch, "from scratch at step %u", k);
		ATF_CHECK_EQ(0, fixture_node(fx, 3)->deaths);
		fixture_free(fx);
	}
}

/* A node starts while the view change for another is at each step. */
ATF_TC_WITHOUT_HEAD(join_during_view_change);
ATF_TC_BODY(join_during_view_change, tc)
{
	unsigned k;
	struct fix *fx;

	for (k = 0; k < 60; k++) {
		fx = fixture_new(4);
		/* Who was never in a view has no vote yet (vote.c E5). */
		fixture_begin(fx);
		fixture_crash(fx, 4);
		fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
		fixture_crash(fx, 3);
		fixture_run(fx, 660 * MS + k * MS);
		fixture_start(fx, 4);
		fixture_settle(fx, BIT(1) | BIT(2) | BIT(4));
		ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
		ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
		ATF_CHECK_EQ(0, fixture_node(fx, 4)->deaths);
		fixture_free(fx);
	}
}

/* Node 4 is heard and does not answer: the others do without it. */
ATF_TC_WITHOUT_HEAD(silent_in_a_view_change);
ATF_TC_BODY(silent_in_a_view_change, tc)
{
	struct fix *fx = fixture_up(5);
	uint64_t until;

	fixture_pause(fx, 4, 20 * SECOND);
	fixture_crash(fx, 5);
	until = fixture_now(fx) + 5 * SECOND;
	while (!fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)) &&
	    fixture_step(fx, until))
		;
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)));
	fixture_free(fx);
}

/*
 * One engine and then another stalls for less than the stall timeout, each in a
 * step of the view change: both stay, and so does who waits for them.
 */
ATF_TC_WITHOUT_HEAD(stalled_in_a_view_change);
ATF_TC_BODY(stalled_in_a_view_change, tc)
{
	struct fix *fx = fixture_up(5);
	const uint64_t nap = fixture_conf(fx)->stall_timeout_us - 100 * MS;
	uint16_t id;

	fixture_crash(fx, 5);
	fixture_run(fx, 690 * MS);
	for (id = 4; id >= 3; id--) {
		fixture_pause(fx, id, nap);
		fixture_runs(fx, id, false);
		fixture_run(fx, nap);
		fixture_runs(fx, id, true);
	}
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	for (id = 1; id <= 4; id++)
		ATF_CHECK_EQ(0, fixture_node(fx, id)->deaths);
	fixture_free(fx);
}

/* Two nodes come within a heartbeat: one view takes both in. */
ATF_TC_WITHOUT_HEAD(joins_are_gathered);
ATF_TC_BODY(joins_are_gathered, tc)
{
	const unsigned all = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5);
	struct fix *fx = fixture_up(5);
	uint64_t epoch, until;
	unsigned views = 0;

	fixture_crash(fx, 4);
	fixture_crash(fx, 5);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	epoch = epoch_of(fx, 1);
	fixture_start(fx, 4);
	fixture_run(fx, 30 * MS);
	fixture_start(fx, 5);
	until = fixture_now(fx) + 5 * SECOND;
	while (!fixture_settled(fx, all) && fixture_step(fx, until)) {
		views += epoch_of(fx, 1) != epoch;
		epoch = epoch_of(fx, 1);
	}
	ATF_CHECK(fixture_settled(fx, all));
	ATF_CHECK_EQ(1, views);
	fixture_free(fx);
}

/* The first record of a view of nodes 1 and 2 alone. */
static struct member_stored first_record;

static void
keep_first_record(struct fix_node *fn)
{
	struct member_stored s;
	unsigned i, members = 0;

	ATF_REQUIRE(member_stored_decode(&s, fn->stored, fn->storedlen));
	for (i = 0; i < s.n; i++)
		members += !s.members[i].victim;
	if (first_record.n == 0 && members == 2)
		first_record = s;
}

/*
 * A node may die between any two records.  The first one of a view without node
 * 3 says already that its fence may be due.
 */
ATF_TC_WITHOUT_HEAD(lost_is_stored_with_the_view);
ATF_TC_BODY(lost_is_stored_with_the_view, tc)
{
	struct fix *fx = fixture_up(3);
	const struct member_stored *s = &first_record;
	uint64_t inc = fixture_node(fx, 3)->inc;

	fixture_node(fx, 2)->on_store = keep_first_record;
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK_EQ(epoch_of(fx, 2), s->prim_epoch);
	ATF_REQUIRE_EQ(3, s->n);
	ATF_CHECK_EQ(3, s->members[2].node);
	ATF_CHECK_EQ(inc, s->members[2].inc);
	ATF_CHECK(s->members[2].victim);
	fixture_free(fx);
}

/*
 * Node 4 enters its first view while the others are in a later one already, and
 * node 2 has said so before: it starts anew.
 */
ATF_TC_WITHOUT_HEAD(first_view_is_over);
ATF_TC_BODY(first_view_is_over, tc)
{
	struct fix *fx = fixture_new(4);
	struct fix_node *fn = fixture_node(fx, 4);
	uint64_t until;
	struct peer *p;
	uint16_t id;

	fixture_begin(fx);
	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_start(fx, 4);
	until = fixture_now(fx) + 5 * SECOND;
	while (fn->node != NULL && !fn->node->member->have_view) {
		if (!fixture_step(fx, until) || fn->node == NULL)
			break;
		p = member_peer(fn->node->member, 2);
		if (!p->up || !p->known)
			continue;
		p->st.base.epoch = epoch_of(fx, 2) + 1000;
		p->st.base.leader = 2;
		p->st.members.n = 0;
		for (id = 1; id <= 3; id++)
			set_add(&p->st.members, id, fixture_node(fx, id)->inc);
	}
	ATF_CHECK_EQ(1, fn->deaths);
	ATF_CHECK_MATCH("the others formed primary view", fn->why);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	fixture_free(fx);
}

/*
 * Node 1 goes on without node 3, which refused its views for not hearing node 2;
 * as soon as node 3 hears more, it is asked again.
 */
ATF_TC_WITHOUT_HEAD(refusal_ends_with_its_reason);
ATF_TC_BODY(refusal_ends_with_its_reason, tc)
{
	struct fix *fx = fixture_up(3);
	uint64_t until;
	struct peer *p;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_cut(fx, 2, 3);
	fixture_start(fx, 3);
	p = member_peer(fixture_node(fx, 1)->node->member, 3);
	until = fixture_now(fx) + 5 * SECOND;
	while (!(p->up && p->known) && fixture_step(fx, until))
		;
	ATF_REQUIRE(p->up && p->known);
	p->refused_until = fixture_now(fx) + 20 * SECOND;
	fixture_heal(fx, 2, 3);
	until = fixture_now(fx) + 5 * SECOND;
	while (!fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)) &&
	    fixture_step(fx, until))
		;
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(2) | BIT(3)));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(garbage_from_a_peer);
ATF_TC_BODY(garbage_from_a_peer, tc)
{
	struct fix *fx = fixture_new(3);
	uint64_t seed[4] = { 42, 0, 0, 0 };
	struct member *m;
	struct note *note;
	struct actions out;
	struct bus bus;
	struct rng rng;
	unsigned i, k, len;

	fixture_begin(fx);
	m = fixture_node(fx, 1)->node->member;
	rng_seed(&rng, seed);
	actions_init(&out);
	bus_init(&bus);
	bus.out = &out;
	bus.rng = &rng;
	bus.now = fixture_now(fx);
	for (i = 0; i < 20000; i++) {
		len = (unsigned)rng_below(&rng, 120);
		note = calloc(1, sizeof(*note) + len + 1);
		ATF_REQUIRE(note != NULL);
		note->type = NOTE_MESSAGE;
		note->chan = CHAN_MEMBER;
		note->node = 2;
		note->inc = fixture_node(fx, 2)->inc;
		note->len = len;
		for (k = 0; k < len; k++)
			note->data[k] = rng_below(&rng, 3) == 0 ?
			    (uint8_t)rng_u64(&rng) :
			    0;
		if (len > 0)
			note->data[0] = (uint8_t)rng_below(&rng, 10);
		member_note(m, note, &bus);
		member_check(m);
		free(note);
		while ((note = bus_take(&bus)) != NULL) {
			ATF_CHECK(note->type != NOTE_DIE);
			free(note);
		}
	}
	actions_clear(&out);
	ATF_CHECK(member_view(m) != NULL);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(stored_state_is_checked);
ATF_TC_BODY(stored_state_is_checked, tc)
{
	struct member_stored a, b;
	struct wbuf w;
	size_t len;

	memset(&a, 0, sizeof(a));
	a.epoch = 1234;
	a.prim_epoch = 77;
	a.prim_leader = 3;
	a.n = 2;
	a.members[0].node = 1;
	a.members[0].inc = 5;
	a.members[1].node = 3;
	a.members[1].inc = 6;
	a.members[1].clean = true;
	a.since.epoch = 70;
	a.since.leader = 2;
	a.words = 700 * MS;
	wbuf_init(&w, 4096);
	member_stored_encode(&a, &w);
	ATF_REQUIRE(member_stored_decode(&b, w.data, w.len));
	ATF_CHECK_EQ(a.epoch, b.epoch);
	ATF_CHECK_EQ(a.prim_epoch, b.prim_epoch);
	ATF_CHECK_EQ(a.n, b.n);
	ATF_CHECK_EQ(6, b.members[1].inc);
	ATF_CHECK(b.members[1].clean);
	ATF_CHECK(b.since.epoch == 70 && b.since.leader == 2);
	ATF_CHECK_EQ(a.words, b.words);
	for (len = 0; len < w.len; len++) {
		ATF_CHECK(!member_stored_decode(&b, w.data, len));
		ATF_CHECK_EQ(0, b.epoch);
	}
	ATF_CHECK(w.data[0] == 0 && w.data[1] == 6 && !b.elect.opt.known);
	wbuf_reset(&w);
	a.elect.opt.known = a.elect.opt.last_man = true;
	a.elect.opt.given = 1 << OPT_LAST_MAN;
	member_stored_encode(&a, &w);
	ATF_REQUIRE(member_stored_decode(&b, w.data, w.len));
	ATF_CHECK(options_eq(&a.elect.opt, &b.elect.opt));
	for (len = 0; len < w.len; len++)
		ATF_CHECK(!member_stored_decode(&b, w.data, len));
	/* What a quorum device knows, with these options and without. */
	a.told = 71;
	a.asked = 72;
	wbuf_reset(&w);
	member_stored_encode(&a, &w);
	ATF_REQUIRE(member_stored_decode(&b, w.data, w.len));
	ATF_CHECK(b.told == 71 && b.asked == 72);
	ATF_CHECK(options_eq(&a.elect.opt, &b.elect.opt));
	for (len = 0; len < w.len; len++)
		ATF_CHECK(!member_stored_decode(&b, w.data, len));
	a.told = a.elect.opt.given = 0;
	wbuf_reset(&w);
	member_stored_encode(&a, &w);
	ATF_REQUIRE(member_stored_decode(&b, w.data, w.len));
	ATF_CHECK(b.told == 0 && b.asked == 72 && !b.elect.opt.known);
	w.data[1]++;
	ATF_CHECK(!member_stored_decode(&b, w.data, w.len));
	/* Nobody would wait that long. */
	a.words = UINT64_MAX;
	wbuf_reset(&w);
	member_stored_encode(&a, &w);
	ATF_CHECK(!member_stored_decode(&b, w.data, w.len));
	wbuf_free(&w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, one_node);
	ATF_TP_ADD_TC(tp, three_nodes);
	ATF_TP_ADD_TC(tp, late_join);
	ATF_TP_ADD_TC(tp, leader_crashes);
	ATF_TP_ADD_TC(tp, lost_life_is_named);
	ATF_TP_ADD_TC(tp, partition_minority_starts_anew);
	ATF_TP_ADD_TC(tp, even_split_has_no_primary);
	ATF_TP_ADD_TC(tp, all_alone_and_back);
	ATF_TP_ADD_TC(tp, torn_session_needs_a_view);
	ATF_TP_ADD_TC(tp, asymmetric_cut_costs_one_node);
	ATF_TP_ADD_TC(tp, heavier_side_wins);
	ATF_TP_ADD_TC(tp, newcomer_throws_nobody_out);
	ATF_TP_ADD_TC(tp, clean_leave_is_quick);
	ATF_TP_ADD_TC(tp, wait_for_all);
	ATF_TP_ADD_TC(tp, two_nodes_one_dies);
	ATF_TP_ADD_TC(tp, epochs_grow_across_lives);
	ATF_TP_ADD_TC(tp, coordinator_dies_at_each_step);
	ATF_TP_ADD_TC(tp, newcomer_alone_is_told);
	ATF_TP_ADD_TC(tp, join_during_view_change);
	ATF_TP_ADD_TC(tp, silent_in_a_view_change);
	ATF_TP_ADD_TC(tp, stalled_in_a_view_change);
	ATF_TP_ADD_TC(tp, joins_are_gathered);
	ATF_TP_ADD_TC(tp, lost_is_stored_with_the_view);
	ATF_TP_ADD_TC(tp, first_view_is_over);
	ATF_TP_ADD_TC(tp, refusal_ends_with_its_reason);
	ATF_TP_ADD_TC(tp, garbage_from_a_peer);
	ATF_TP_ADD_TC(tp, stored_state_is_checked);
	return atf_no_error();
}
