/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the total order: every client reads one sequence (compared by the
 * fixture at the end of each story), a message is delivered exactly once whatever
 * happens to the leader, nothing safe is delivered that a later primary view
 * does not know, agreed messages wait for nobody, large bursts and bad input
 * are bounded.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/member_internal.h"
#include "core/order_internal.h"
#include "fixture.h"

static unsigned
count(struct fix *fx, uint16_t id, uint32_t msg)
{
	struct fix_log *l = &fixture_node(fx, id)->log;
	unsigned i, n = 0;

	for (i = 0; i < l->n; i++)
		n += l->msg[i] == msg;
	return n;
}

static struct fix *
joined(unsigned n)
{
	struct fix *fx = fixture_up(n);
	uint16_t i;

	for (i = 1; i <= n; i++)
		fixture_join(fx, i);
	fixture_run(fx, 100 * MS);
	for (i = 1; i <= n; i++)
		ATF_REQUIRE_EQ(n, fixture_node(fx, i)->gmembers);
	return fx;
}

ATF_TC_WITHOUT_HEAD(everybody_reads_the_same);
ATF_TC_BODY(everybody_reads_the_same, tc)
{
	struct fix *fx = joined(3);
	struct fix_log *a, *b;
	uint32_t i;

	for (i = 0; i < 300; i++) {
		fixture_send(fx, (uint16_t)(1 + i % 3), 1 + i);
		if (i % 7 == 0)
			fixture_run(fx, i * 10);
	}
	fixture_run(fx, SECOND);
	a = &fixture_node(fx, 1)->log;
	ATF_CHECK_EQ(300, a->n);
	for (i = 2; i <= 3; i++) {
		b = &fixture_node(fx, (uint16_t)i)->log;
		ATF_REQUIRE_EQ(a->n, b->n);
		ATF_CHECK(memcmp(a->msg, b->msg, sizeof(a->msg)) == 0);
		ATF_CHECK(memcmp(a->from, b->from, sizeof(a->from)) == 0);
	}
	fixture_free(fx);
}

/* Each sender's messages come in the order it sent them. */
ATF_TC_WITHOUT_HEAD(senders_keep_their_order);
ATF_TC_BODY(senders_keep_their_order, tc)
{
	struct fix *fx = joined(3);
	struct fix_log *l;
	uint32_t i, last[4] = { 0 };

	for (i = 1; i <= 600; i++)
		fixture_send(fx, (uint16_t)(1 + i % 3), i);
	fixture_run(fx, SECOND);
	l = &fixture_node(fx, 2)->log;
	ATF_REQUIRE_EQ(600, l->n);
	for (i = 0; i < l->n; i++) {
		ATF_REQUIRE(l->msg[i] > last[l->from[i]]);
		last[l->from[i]] = l->msg[i];
	}
	fixture_free(fx);
}

/*
 * The leader dies after each possible number of messages since the burst:
 * what the survivors sent arrives exactly once, what the leader sent arrives
 * everywhere or nowhere.
 */
static void
leader_crash(bool agreed)
{
	unsigned k, i;
	uint64_t base, until;
	struct fix *fx;

	for (k = 0; k < 40; k++) {
		fx = joined(3);
		if (agreed)
			fixture_agreed(fx);
		base = fixture_messages(fx) + k;
		for (i = 1; i <= 12; i++)
			fixture_send(fx, (uint16_t)(1 + i % 3), i);
		until = fixture_now(fx) + 50 * MS;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_crash(fx, 1);
		fixture_settle(fx, BIT(2) | BIT(3));
		fixture_send(fx, 2, 100);
		fixture_run(fx, SECOND);
		for (i = 1; i <= 12; i++) {
			ATF_CHECK_EQ(count(fx, 2, i), count(fx, 3, i));
			if (1 + i % 3 != 1)
				ATF_CHECK_EQ(1, count(fx, 2, i));
		}
		ATF_CHECK_EQ(1, count(fx, 3, 100));
		ATF_CHECK_EQ(2, fixture_node(fx, 3)->gmembers);
		fixture_free(fx);
	}
}

ATF_TC_WITHOUT_HEAD(once_across_a_leader_crash);
ATF_TC_BODY(once_across_a_leader_crash, tc)
{
	leader_crash(false);
	leader_crash(true);
}

/* The leader alone must not deliver what nobody else has. */
ATF_TC_WITHOUT_HEAD(isolated_leader_delivers_nothing);
ATF_TC_BODY(isolated_leader_delivers_nothing, tc)
{
	struct fix *fx = joined(3);

	fixture_split(fx, BIT(1));
	fixture_send(fx, 1, 1);
	fixture_send(fx, 2, 2);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK_EQ(0, count(fx, 1, 1));
	ATF_CHECK_EQ(0, count(fx, 1, 2));
	ATF_CHECK_EQ(1, count(fx, 2, 2));
	ATF_CHECK_EQ(1, count(fx, 3, 2));
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	/* The incarnation that sent it is gone, and so is the message. */
	ATF_CHECK_EQ(0, count(fx, 2, 1));
	fixture_free(fx);
}

/* Agreed messages do not wait for others, unless a safe one is before them. */
ATF_TC_WITHOUT_HEAD(agreed_waits_for_nobody);
ATF_TC_BODY(agreed_waits_for_nobody, tc)
{
	struct fix *fx = joined(3);

	fixture_agreed(fx);
	fixture_split(fx, BIT(1));
	fixture_send(fx, 1, 1);
	ATF_CHECK_EQ(1, count(fx, 1, 1));
	fixture_run(fx, 5 * SECOND);
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	/* Who was ahead of the others is not one of them any more. */
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->deaths);
	ATF_CHECK_EQ(0, count(fx, 2, 1));
	fixture_free(fx);

	fx = joined(3);
	fixture_split(fx, BIT(1));
	fixture_send(fx, 1, 1);
	fixture_agreed(fx);
	fixture_send(fx, 1, 2);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(0, count(fx, 1, 1));
	ATF_CHECK_EQ(0, count(fx, 1, 2));
	fixture_free(fx);
}

/*
 * A node whose programs are slow makes senders on all nodes wait, within the
 * bounds of the window, and nothing is lost by it.
 */
static void
held_back(uint16_t slow)
{
	struct fix *fx = joined(3);
	unsigned i, before, sent = 0;

	fixture_agreed(fx);
	fixture_hold(fx, slow, true);
	/* Small ones cost more than their bytes, so this is many windows. */
	for (i = 0; i < 38; i++) {
		while (sent < 100 * (i + 1))
			fixture_send(fx, 2, ++sent);
		fixture_run(fx, 1 * MS);
	}
	fixture_run(fx, 100 * MS);
	before = fixture_node(fx, 3)->log.n;
	ATF_CHECK_MSG(before < sent, "%u of %u came", before, sent);
	/* The window, and the message that fills it. */
	ATF_CHECK(before <= ORDER_WINDOW / OMSG_OVERHEAD + 1);
	fixture_hold(fx, slow, false);
	fixture_run(fx, SECOND);
	for (i = 1; i <= sent; i += 97)
		ATF_CHECK_EQ(1, count(fx, 3, i));
	ATF_CHECK_EQ(sent, fixture_node(fx, 3)->log.n);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(slow_programs_are_waited_for);
ATF_TC_BODY(slow_programs_are_waited_for, tc)
{
	held_back(1);
	held_back(3);
}

/* Messages between nodes for so many of a client's, a millisecond apart. */
static uint64_t
cost(bool agreed, unsigned n)
{
	struct fix *fx = joined(3);
	uint64_t before, cost;
	uint32_t i;

	if (agreed)
		fixture_agreed(fx);
	before = fixture_messages(fx);
	for (i = 1; i <= n; i++) {
		fixture_send(fx, 2, i);
		fixture_run(fx, 1 * MS);
	}
	fixture_run(fx, 100 * MS);
	for (i = 1; i <= n; i++)
		ATF_REQUIRE_EQ(1, count(fx, 3, i));
	/* In the end nothing is kept, also if nobody says anything more. */
	ATF_CHECK(STAILQ_EMPTY(&fixture_node(fx, 1)->node->order->log));
	ATF_CHECK(STAILQ_EMPTY(&fixture_node(fx, 3)->node->order->log));
	cost = fixture_messages(fx) - before;
	fixture_free(fx);
	return cost;
}

ATF_TC_WITHOUT_HEAD(acknowledgements_are_gathered);
ATF_TC_BODY(acknowledgements_are_gathered, tc)
{
	/* Submit and two copies; the rest now and then. */
	ATF_CHECK_MSG(cost(true, 100) < 3 * 100 + 100, "%llu",
	    (unsigned long long)cost(true, 100));
	ATF_CHECK(cost(false, 100) >= 6 * 100);
}

/* What waits in a side without quorum is sent when quorum returns. */
ATF_TC_WITHOUT_HEAD(waits_for_quorum);
ATF_TC_BODY(waits_for_quorum, tc)
{
	struct fix *fx = joined(3);

	fixture_crash(fx, 1);
	fixture_crash(fx, 2);
	fixture_run(fx, 2 * SECOND);
	fixture_send(fx, 3, 7);
	fixture_run(fx, 2 * SECOND);
	ATF_CHECK_EQ(0, count(fx, 3, 7));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(3));
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ(1, count(fx, 3, 7));
	fixture_free(fx);
}

/* A joiner that loads the state reads on from there. */
ATF_TC_WITHOUT_HEAD(joiner_reads_on);
ATF_TC_BODY(joiner_reads_on, tc)
{
	struct fix *fx = joined(3);
	uint32_t i;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	for (i = 1; i <= 20; i++)
		fixture_send(fx, 1, i);
	fixture_start(fx, 3);
	fixture_join(fx, 3);
	for (i = 21; i <= 40; i++) {
		fixture_send(fx, 2, i);
		fixture_run(fx, 20 * MS);
	}
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(3, fixture_node(fx, 3)->gmembers);
	ATF_CHECK_EQ(3, fixture_node(fx, 1)->gmembers);
	ATF_CHECK_EQ(0, count(fx, 3, 1));
	ATF_CHECK_EQ(1, count(fx, 3, 40));
	ATF_CHECK_EQ(1, count(fx, 1, 40));
	fixture_free(fx);
}

/* Both that remain hold the SYNC of a view whose leader dies in it. */
ATF_TC_WITHOUT_HEAD(leader_dies_while_joining);
ATF_TC_BODY(leader_dies_while_joining, tc)
{
	unsigned k;
	uint64_t base, until;
	struct fix *fx;

	for (k = 0; k < 60; k++) {
		fx = joined(3);
		fixture_send(fx, 2, 1);
		fixture_run(fx, 100 * MS);
		fixture_crash(fx, 3);
		fixture_settle(fx, BIT(1) | BIT(2));
		fixture_start(fx, 3);
		fixture_join(fx, 3);
		fixture_run(fx, 210 * MS);
		base = fixture_messages(fx) + k;
		until = fixture_now(fx) + 200 * MS;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_crash(fx, 1);
		fixture_settle(fx, BIT(2) | BIT(3));
		fixture_send(fx, 2, 2);
		fixture_run(fx, SECOND);
		ATF_CHECK_EQ(1, count(fx, 2, 2));
		ATF_CHECK_EQ(2, fixture_node(fx, 2)->gmembers);
		ATF_CHECK_EQ(2, fixture_node(fx, 3)->gmembers);
		ATF_CHECK_EQ(1, count(fx, 3, 2));
		ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
		fixture_free(fx);
	}
}

/* Until node 1 waits for all to be READY for the view that it coordinates. */
static void
until_ready(struct fix *fx)
{
	const struct round *rd = &fixture_node(fx, 1)->node->member->round;
	uint64_t until = fixture_now(fx) + 5 * SECOND;

	while (rd->state != ROUND_READY && fixture_step(fx, until))
		;
	ATF_REQUIRE(rd->state == ROUND_READY);
}

/*
 * Node 1 dies after so many messages more, and node 3, which was cut off,
 * meets node 2.  Did node 1 read message 1?  Then node 3 must, unless it has
 * to start anew, because node 2 had entered what node 1 has formed.
 */
static void
dies_after(struct fix *fx, unsigned k, unsigned *went_on, unsigned *delivered)
{
	uint64_t base = fixture_messages(fx) + k;
	uint64_t until = fixture_now(fx) + 5 * MS;
	unsigned read;

	while (fixture_messages(fx) < base && fixture_step(fx, until))
		;
	read = count(fx, 1, 1);
	*delivered += read;
	fixture_node(fx, 1)->norestart = true;
	fixture_crash(fx, 1);
	fixture_heal(fx, 2, 3);
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_send(fx, 2, 100);
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->deaths);
	if (fixture_node(fx, 3)->deaths > 0)
		return;
	*went_on += 1;
	ATF_CHECK_MSG(count(fx, 3, 1) >= read,
	    "read on node 1, lost on node 3, after %u messages", k);
}

/*
 * Node 1 alone holds a message when a view is formed of it and of node 2,
 * which has just been restarted.  Whatever it delivered on entering that view
 * node 2, which was ready for it, brings to node 3.
 */
ATF_TC_WITHOUT_HEAD(fresh_member_keeps_the_past);
ATF_TC_BODY(fresh_member_keeps_the_past, tc)
{
	unsigned k, went_on = 0, delivered = 0;
	struct fix *fx;

	for (k = 0; k < 20; k++) {
		fx = joined(3);
		fixture_split(fx, BIT(3));
		fixture_crash(fx, 2);
		fixture_send(fx, 1, 1);
		fixture_start(fx, 2);
		until_ready(fx);
		dies_after(fx, k, &went_on, &delivered);
		fixture_free(fx);
	}
	ATF_CHECK(delivered > 0 && delivered < k);
	ATF_CHECK(went_on > k - delivered && went_on < k);
}

/*
 * The same with a node 2 that was there all the time, but missed the COMMIT of
 * one view, in which the message was given its position, and then perhaps that
 * of the next.
 */
ATF_TC_WITHOUT_HEAD(missed_view_is_entered);
ATF_TC_BODY(missed_view_is_entered, tc)
{
	unsigned k, went_on = 0, delivered = 0;
	uint64_t until;
	struct fix *fx;

	for (k = 0; k < 20; k++) {
		fx = joined(3);
		fixture_split(fx, BIT(3));
		until_ready(fx);
		until = fixture_now(fx) + SECOND;
		while (member_view(fixture_node(fx, 1)->node->member)->n == 3 &&
		    fixture_step(fx, until))
			;
		fixture_cut(fx, 1, 2);
		fixture_send(fx, 1, 1);
		fixture_heal(fx, 1, 2);
		until_ready(fx);
		ATF_CHECK_EQ(0, count(fx, 1, 1));
		dies_after(fx, k, &went_on, &delivered);
		fixture_free(fx);
	}
	ATF_CHECK(delivered > 0 && delivered < k);
	printf("%u %u\n", went_on, delivered);
}

static void
stories(bool agreed)
{
	const char *env = getenv("FIXTURE_SEED");
	unsigned long first = env == NULL ? 1 : strtoul(env, NULL, 10), s;
	const char *seeds = getenv("FIXTURE_SEEDS");
	unsigned long n = seeds == NULL ? 400 : strtoul(seeds, NULL, 10);
	unsigned long last = first + n - 1;
	struct fix *fx;
	struct rng rng;
	uint32_t probe;
	uint16_t i;

	for (s = first; s <= last; s++) {
		uint64_t seed[4] = { s, 1, 2, 3 };

		rng_seed(&rng, seed);
		fprintf(stderr, "seed %lu\n", s);
		fx = fixture_new(2 + (unsigned)(s % 4) + (s % 4 == 0));
		fixture_conf(fx)->wait_for_all = s % 3 == 0;
		for (i = 1; i <= fixture_conf(fx)->nnodes; i++)
			fixture_node(fx, i)->used = s % 2 == 0;
		if (agreed)
			fixture_agreed(fx);
		fixture_start_all(fx);
		for (i = 1; i <= fixture_conf(fx)->nnodes; i++)
			fixture_join(fx, i);
		fixture_chaos(fx, &rng, 120);
		fixture_calm(fx);
		for (i = 1; i <= fixture_conf(fx)->nnodes; i++) {
			fixture_join(fx, i);
			fixture_run(fx, 50 * MS);
			probe = 1000000u + i;
			fixture_send(fx, i, probe);
			fixture_run(fx, SECOND);
			ATF_CHECK_EQ_MSG(1, count(fx, i, probe),
			    "seed %lu: node %u is not served", s, i);
		}
		fixture_free(fx);
	}
}

ATF_TC_WITHOUT_HEAD(chaos);
ATF_TC_BODY(chaos, tc)
{
	stories(false);
}

ATF_TC_WITHOUT_HEAD(chaos_agreed);
ATF_TC_BODY(chaos_agreed, tc)
{
	stories(true);
}

/* Peers may say anything; the order stays whole. */
ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	struct fix *fx = joined(3);
	uint64_t seed[4] = { 7, 0, 0, 0 };
	struct order *o = fixture_node(fx, 2)->node->order;
	struct note *note;
	struct actions out;
	struct wbuf w;
	struct bus bus;
	struct rng rng;
	unsigned i, k;

	rng_seed(&rng, seed);
	actions_init(&out);
	bus_init(&bus);
	bus.out = &out;
	bus.rng = &rng;
	for (i = 0; i < 20000; i++) {
		wbuf_init(&w, 4096);
		wbuf_u8(&w, (uint8_t)rng_below(&rng, 5));
		wbuf_u64(&w,
		    rng_below(&rng, 2) ? o->epoch : rng_below(&rng, 50));
		for (k = (unsigned)rng_below(&rng, 80); k > 0; k--)
			wbuf_u8(&w,
			    rng_below(&rng, 4) ? 0 : (uint8_t)rng_u64(&rng));
		note = calloc(1, sizeof(*note) + w.len);
		ATF_REQUIRE(note != NULL);
		note->type = NOTE_MESSAGE;
		note->chan = CHAN_ORDER;
		note->node = (uint16_t)(1 + rng_below(&rng, 3));
		note->inc = fixture_node(fx, note->node)->inc;
		note->len = w.len - rng_below(&rng, 3) * (w.len > 12);
		memcpy(note->data, w.data, note->len);
		order_note(o, note, &bus);
		order_check(o);
		free(note);
		wbuf_free(&w);
		bus_clear(&bus);
	}
	actions_clear(&out);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, everybody_reads_the_same);
	ATF_TP_ADD_TC(tp, senders_keep_their_order);
	ATF_TP_ADD_TC(tp, once_across_a_leader_crash);
	ATF_TP_ADD_TC(tp, isolated_leader_delivers_nothing);
	ATF_TP_ADD_TC(tp, waits_for_quorum);
	ATF_TP_ADD_TC(tp, joiner_reads_on);
	ATF_TP_ADD_TC(tp, leader_dies_while_joining);
	ATF_TP_ADD_TC(tp, fresh_member_keeps_the_past);
	ATF_TP_ADD_TC(tp, missed_view_is_entered);
	ATF_TP_ADD_TC(tp, chaos);
	ATF_TP_ADD_TC(tp, chaos_agreed);
	ATF_TP_ADD_TC(tp, agreed_waits_for_nobody);
	ATF_TP_ADD_TC(tp, acknowledgements_are_gathered);
	ATF_TP_ADD_TC(tp, slow_programs_are_waited_for);
	ATF_TP_ADD_TC(tp, garbage);
	return atf_no_error();
}
