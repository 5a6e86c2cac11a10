/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves, in stories with whole nodes: the votes of the last primary view
 * decide where that is asked for, also when a node dies at any message of a
 * view change; a majority that was left out waits; who leaves cleanly does
 * not count; an operator can change votes and options and go on without the
 * others, and is refused where that would be wrong.
 */

#include <stdio.h>

#include <atf-c.h>

#include "fixture.h"

#define EVERYBODY5 (BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5))

enum {
	ERR_AGAIN = 11,
	ERR_BUSY = 16,
	ERR_INVAL = 22
};

static bool
primary(struct fix *fx, uint16_t id)
{
	struct node_view nv;

	if (fixture_node(fx, id)->node == NULL)
		return false;
	node_get_view(fixture_node(fx, id)->node, &nv);
	return nv.primary;
}

/* Votes that count, as node id has it. */
static unsigned
expected(struct fix *fx, uint16_t id)
{
	struct quorum_info qi;

	quorum_get(fixture_node(fx, id)->node->quorum, &qi);
	return qi.expected;
}

static struct fix *
dynamic(unsigned n, enum conf_tie tie)
{
	struct fix *fx = fixture_new(n);

	fixture_conf(fx)->last_man_standing = true;
	fixture_conf(fx)->tie = tie;
	fixture_begin(fx);
	fixture_run(fx, SECOND);
	ATF_CHECK(fixture_settled(fx, (1u << (n + 1)) - 2));
	ATF_CHECK_EQ(n, expected(fx, 1));
	return fx;
}

/* Five die down to one, and come back one by one. */
ATF_TC_WITHOUT_HEAD(down_to_one_and_back);
ATF_TC_BODY(down_to_one_and_back, tc)
{
	struct fix *fx = dynamic(5, TIE_LOWEST);
	uint16_t i;

	for (i = 5; i > 1; i--) {
		fixture_crash(fx, i);
		fixture_settle(fx, (1u << i) - 2);
		fixture_run(fx, SECOND);
		ATF_CHECK_EQ(i - 1u, expected(fx, 1));
	}
	for (i = 2; i <= 5; i++) {
		fixture_start(fx, i);
		fixture_settle(fx, (1u << (i + 1)) - 2);
		fixture_run(fx, SECOND);
		ATF_CHECK_EQ(i, expected(fx, 1));
		ATF_CHECK_EQ(i, expected(fx, i));
	}
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->deaths);
	fixture_free(fx);
}

/* Without a tie breaker two is the end; the wrong one of two waits. */
ATF_TC_WITHOUT_HEAD(the_last_of_two);
ATF_TC_BODY(the_last_of_two, tc)
{
	struct fix *fx = dynamic(3, TIE_NONE);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_crash(fx, 2);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	fixture_free(fx);
	fx = dynamic(3, TIE_HIGHEST);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_crash(fx, 2);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	/* Three of three with an old view are no majority of the last one. */
	fixture_start(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1) && !primary(fx, 3));
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

/* Three of five were left out one after another: they must not go on. */
ATF_TC_WITHOUT_HEAD(a_majority_left_out_waits);
ATF_TC_BODY(a_majority_left_out_waits, tc)
{
	struct fix *fx = dynamic(5, TIE_LOWEST);

	fixture_split(fx, BIT(4) | BIT(5));
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_run(fx, SECOND);
	fixture_cut(fx, 1, 3);
	fixture_cut(fx, 2, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, SECOND);
	fixture_heal(fx, 3, 4);
	fixture_heal(fx, 3, 5);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(primary(fx, 1) && primary(fx, 2));
	ATF_CHECK(!primary(fx, 3) && !primary(fx, 4) && !primary(fx, 5));
	/* Not even when they have all been restarted, and the others are off. */
	fixture_crash(fx, 1);
	fixture_crash(fx, 2);
	fixture_crash(fx, 4);
	fixture_start(fx, 4);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 3) && !primary(fx, 4) && !primary(fx, 5));
	fixture_heal_all(fx);
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(3) | BIT(4) | BIT(5));
	fixture_start(fx, 2);
	fixture_settle(fx, EVERYBODY5);
	fixture_free(fx);
}

/* The last man alone starts the cluster again, and nobody else does. */
ATF_TC_WITHOUT_HEAD(cold_start);
ATF_TC_BODY(cold_start, tc)
{
	struct fix *fx = dynamic(3, TIE_LOWEST);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, SECOND);
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1));
	fixture_crash(fx, 1);
	fixture_start(fx, 2);
	fixture_start(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 2) && !primary(fx, 3));
	fixture_crash(fx, 2);
	fixture_crash(fx, 3);
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1));
	fixture_start(fx, 2);
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

/* A node whose disk is new has no vote: it may have known of a later view. */
ATF_TC_WITHOUT_HEAD(a_new_disk_has_no_vote);
ATF_TC_BODY(a_new_disk_has_no_vote, tc)
{
	struct fix *fx = dynamic(3, TIE_NONE);
	struct fix_node *fn = fixture_node(fx, 3);

	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_run(fx, SECOND);
	fixture_crash(fx, 2);
	fixture_crash(fx, 3);
	free(fn->stored);
	fn->stored = NULL;
	fn->storedlen = 0;
	fixture_start(fx, 1);
	fixture_start(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1) && !primary(fx, 3));
	/* Node 2 is one of the last two: it alone is not enough either. */
	fixture_crash(fx, 1);
	fixture_start(fx, 2);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 2) && !primary(fx, 3));
	/* When all are there nobody else can go on, and all go on (E7). */
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

/* Nodes die and are cut at each message of the changes after a death. */
ATF_TC_WITHOUT_HEAD(dies_at_any_message);
ATF_TC_BODY(dies_at_any_message, tc)
{
	struct fix *fx;
	uint64_t base, until;
	unsigned k;

	for (k = 0; k < 120; k++) {
		fx = dynamic(5, TIE_LOWEST);
		fixture_crash(fx, 5);
		fixture_run(fx, 690 * MS);
		base = fixture_messages(fx) + k;
		until = fixture_now(fx) + SECOND;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_crash(fx, 1);
		fixture_cut(fx, 2, 3);
		fixture_cut(fx, 2, 4);
		fixture_start(fx, 5);
		fixture_run(fx, 3 * SECOND);
		/* Whatever was decided, one side at most goes on. */
		ATF_CHECK_MSG(!primary(fx, 2) || !primary(fx, 3),
		    "step %u: two primary views", k);
		fixture_crash(fx, 3);
		fixture_start(fx, 3);
		fixture_run(fx, 3 * SECOND);
		ATF_CHECK_MSG(!primary(fx, 2) || !primary(fx, 4),
		    "step %u: two primary views", k);
		fixture_heal_all(fx);
		fixture_start(fx, 1);
		fixture_settle(fx, EVERYBODY5);
		fixture_free(fx);
	}
}

ATF_TC_WITHOUT_HEAD(downscale);
ATF_TC_BODY(downscale, tc)
{
	struct fix *fx = fixture_new(5);

	fixture_conf(fx)->downscale = true;
	fixture_begin(fx);
	fixture_stop(fx, 5);
	fixture_settle(fx, EVERYBODY5 & ~BIT(5));
	ATF_CHECK_EQ(4, expected(fx, 1));
	fixture_stop(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_CHECK_EQ(3, expected(fx, 1));
	/* Two of five, but of the three that count; a death scales nothing. */
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK_EQ(3, expected(fx, 1));
	fixture_crash(fx, 2);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	/* Who left counts for nothing until it is back in. */
	fixture_node(fx, 4)->stopped = fixture_node(fx, 5)->stopped = false;
	fixture_start(fx, 4);
	fixture_start(fx, 5);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1) && !primary(fx, 4));
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(4) | BIT(5));
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(5, expected(fx, 1));
	fixture_free(fx);
}

/* One after the other down to none; the last one alone is the cluster. */
ATF_TC_WITHOUT_HEAD(all_leave);
ATF_TC_BODY(all_leave, tc)
{
	struct fix *fx = fixture_new(3);

	fixture_conf(fx)->downscale = true;
	fixture_begin(fx);
	fixture_stop(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_stop(fx, 2);
	fixture_settle(fx, BIT(1));
	ATF_CHECK_EQ(1, expected(fx, 1));
	fixture_stop(fx, 1);
	fixture_run(fx, SECOND);
	fixture_node(fx, 2)->stopped = fixture_node(fx, 3)->stopped = false;
	fixture_start(fx, 2);
	fixture_start(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 2) && !primary(fx, 3));
	fixture_node(fx, 1)->stopped = false;
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

static void
order(struct fix *fx, uint16_t id, const char *cmd, const char *arg, int want,
    const char *says)
{
	struct fix_node *fn = fixture_node(fx, id);
	unsigned before = fn->results;

	fixture_command(fx, id, cmd, arg);
	fixture_run(fx, 2 * SECOND);
	ATF_CHECK_EQ_MSG(before + 1, fn->results, "%s %s: %u answers", cmd, arg,
	    fn->results - before);
	ATF_CHECK_EQ_MSG((uint32_t)want, fn->result, "%s %s: %s", cmd, arg,
	    fn->text);
	ATF_CHECK_MSG(strstr(fn->text, says) != NULL, "%s %s: %s", cmd, arg,
	    fn->text);
}

ATF_TC_WITHOUT_HEAD(orders);
ATF_TC_BODY(orders, tc)
{
	struct fix *fx = fixture_up(5);

	order(fx, 2, "quorum-expected", "many", ERR_INVAL, "number");
	order(fx, 2, "quorum-votes", "node3", ERR_INVAL, "0 to 255");
	order(fx, 2, "quorum-votes", "node9 1", ERR_INVAL, "no such node");
	order(fx, 2, "quorum-frobnicate", "", ERR_INVAL, "unknown command");
	order(fx, 2, "quorum-expected", "4", ERR_BUSY, "no fewer");
	order(fx, 2, "quorum-expected", "10", ERR_BUSY, "not be enough");
	ATF_CHECK_EQ(5, expected(fx, 4));
	order(fx, 2, "quorum-expected", "8", 0, "8 votes are expected");
	ATF_CHECK_EQ(8, expected(fx, 4));
	order(fx, 3, "quorum-reset", "", 0, "5 votes are expected");
	ATF_CHECK_EQ(5, expected(fx, 4));
	order(fx, 3, "quorum-votes", "node4 3", 0, "7 votes are expected");
	ATF_CHECK_EQ(7, expected(fx, 1));
	/* It stays so when all were down, and one comes back later. */
	fixture_crash(fx, 5);
	fixture_settle(fx, EVERYBODY5 & ~BIT(5));
	fixture_crash(fx, 1);
	fixture_crash(fx, 2);
	fixture_crash(fx, 3);
	fixture_crash(fx, 4);
	fixture_start(fx, 3);
	fixture_start(fx, 4);
	fixture_settle(fx, BIT(3) | BIT(4));
	ATF_CHECK_EQ(7, expected(fx, 4));
	order(fx, 3, "quorum-votes", "node4 0", ERR_BUSY, "not be enough");
	/* Fewer than there are: who is absent does not count until it is back. */
	order(fx, 3, "quorum-expected", "4", 0, "4 votes are expected");
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_start(fx, 5);
	fixture_settle(fx, EVERYBODY5);
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(7, expected(fx, 5));
	order(fx, 3, "quorum-reset", "", 0, "5 votes are expected");
	fixture_free(fx);
}

static unsigned
given(struct fix *fx, uint16_t id)
{
	struct quorum_info qi;

	quorum_get(fixture_node(fx, id)->node->quorum, &qi);
	return qi.elect.opt.given;
}

static void
crash_all(struct fix *fx, uint16_t n)
{
	for (; n > 0; n--)
		fixture_crash(fx, n);
}

/* An option that is set decides, lives through restarts, and is taken back. */
ATF_TC_WITHOUT_HEAD(options);
ATF_TC_BODY(options, tc)
{
	struct fix *fx = fixture_up(5);
	uint16_t i;

	order(fx, 2, "quorum-set", "", ERR_INVAL, "no option");
	order(fx, 2, "quorum-set", "magic true", ERR_INVAL, "no option");
	order(fx, 2, "quorum-set", "downscale", ERR_INVAL, "needs a value");
	order(fx, 2, "quorum-set", "downscale yes", ERR_INVAL, "true or false");
	order(fx, 2, "quorum-set", "tie_breaker node9", ERR_INVAL, "node9");
	order(fx, 2, "quorum-set", "tie_breaker node2 node2", ERR_INVAL,
	    "twice");
	order(fx, 2, "quorum-set", "device_votes 1", ERR_INVAL,
	    "no quorum device");
	order(fx, 2, "quorum-set", "two_node true", ERR_BUSY, "two_node");
	ATF_CHECK_EQ(0, given(fx, 4));
	order(fx, 2, "quorum-set", "last_man_standing true", 0,
	    "last_man_standing is true now");
	order(fx, 3, "quorum-set", "tie_breaker lowest", 0,
	    "tie_breaker is lowest now");
	ATF_CHECK_EQ(1u << OPT_LAST_MAN | 1u << OPT_TIE, given(fx, 4));
	for (i = 5; i > 1; i--) {
		fixture_crash(fx, i);
		fixture_settle(fx, (1u << i) - 2);
		fixture_run(fx, SECOND);
		ATF_CHECK_EQ(i - 1u, expected(fx, 1));
	}
	/* Then one of five must not be outvoted by the file. */
	order(fx, 1, "quorum-set", "last_man_standing false", ERR_BUSY,
	    "would not be enough");
	fixture_crash(fx, 1);
	for (i = 2; i <= 5; i++)
		fixture_start(fx, i);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 2) && !primary(fx, 5));
	fixture_start(fx, 1);
	fixture_settle(fx, EVERYBODY5);
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(1u << OPT_LAST_MAN | 1u << OPT_TIE, given(fx, 5));
	crash_all(fx, 5);
	fixture_begin(fx);
	ATF_CHECK_EQ(1u << OPT_LAST_MAN | 1u << OPT_TIE, given(fx, 5));
	order(fx, 4, "quorum-reset", "", 0, "5 votes are expected");
	ATF_CHECK_EQ(0, given(fx, 5));
	fixture_crash(fx, 5);
	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	ATF_CHECK_EQ(5, expected(fx, 1));
	fixture_crash(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	order(fx, 1, "quorum-set", "downscale true", ERR_AGAIN,
	    "not in a quorate view");
	fixture_free(fx);
}

/* With last_man_standing over, all nodes of the file count again at once. */
ATF_TC_WITHOUT_HEAD(no_last_man_any_more);
ATF_TC_BODY(no_last_man_any_more, tc)
{
	struct fix *fx = dynamic(5, TIE_LOWEST);

	fixture_crash(fx, 5);
	fixture_crash(fx, 4);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(3, expected(fx, 1));
	order(fx, 1, "quorum-set", "last_man_standing false", 0,
	    "5 votes are expected");
	fixture_crash(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1) && !primary(fx, 2));
	fixture_free(fx);
}

/* What matters at a start is what was in force at the end, not the file. */
ATF_TC_WITHOUT_HEAD(wait_for_all_is_kept);
ATF_TC_BODY(wait_for_all_is_kept, tc)
{
	struct fix *fx;
	unsigned file;

	for (file = 0; file < 2; file++) {
		fx = fixture_new(3);
		fixture_conf(fx)->wait_for_all = file != 0;
		fixture_begin(fx);
		order(fx, 3, "quorum-set",
		    file != 0 ? "wait_for_all false" : "wait_for_all true", 0,
		    "wait_for_all is");
		crash_all(fx, 3);
		fixture_start(fx, 1);
		fixture_start(fx, 2);
		fixture_run(fx, 5 * SECOND);
		ATF_CHECK_EQ(file != 0, primary(fx, 1));
		fixture_start(fx, 3);
		fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
		fixture_free(fx);
	}
}

ATF_TC_WITHOUT_HEAD(two_node_is_set);
ATF_TC_BODY(two_node_is_set, tc)
{
	struct fix *fx = fixture_up(2);
	unsigned i;

	for (i = 0; i < 2; i++)
		fixture_conf(fx)->nodes[i].nlevels = 0;
	order(fx, 1, "quorum-set", "two_node true", ERR_BUSY,
	    "needs fencing devices");
	for (i = 0; i < 2; i++)
		fixture_conf(fx)->nodes[i].nlevels = 1;
	order(fx, 1, "quorum-set", "two_node true", 0, "1 are needed");
	order(fx, 1, "quorum-set", "downscale true", ERR_BUSY,
	    "cannot work with two_node");
	order(fx, 1, "quorum-votes", "node2 0", ERR_BUSY, "exactly two");
	for (i = 0; i < 2; i++)
		fixture_conf(fx)->nodes[i].nlevels = 0;
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1));
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 2, "quorum-reset", "", 0, "2 are needed");
	fixture_free(fx);
}

/* Where a member does not know the order it is refused, and the file holds. */
ATF_TC_WITHOUT_HEAD(a_member_knows_no_options);
ATF_TC_BODY(a_member_knows_no_options, tc)
{
	struct fix *fx = fixture_up(3);
	struct quorum_info qi;

	order(fx, 3, "quorum-set", "last_man_standing true", 0, "true now");
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(3));
	ATF_CHECK_EQ(2, expected(fx, 1));
	fixture_node(fx, 2)->lacks = true;
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_run(fx, SECOND);
	quorum_get(fixture_node(fx, 1)->node->quorum, &qi);
	ATF_CHECK(!qi.elect.opt.known && !qi.elect.dynamic);
	ATF_CHECK_EQ(3, qi.expected);
	order(fx, 3, "quorum-set", "last_man_standing true", ERR_AGAIN,
	    "does not know this order");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(override);
ATF_TC_BODY(override, tc)
{
	struct fix *fx = fixture_new(5);
	struct fencing_info fi;
	uint16_t i;

	fixture_conf(fx)->fence_manual = true;
	for (i = 1; i <= 5; i++)
		fixture_node(fx, i)->used = i != 3;
	fixture_begin(fx);
	order(fx, 1, "quorum-override", "", ERR_BUSY, "is quorate");
	fixture_crash(fx, 4);
	fixture_crash(fx, 5);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_crash(fx, 3);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	order(fx, 1, "quorum-expected", "2", ERR_AGAIN,
	    "not in a quorate view");
	order(fx, 2, "quorum-override", "", ERR_BUSY, "node1 leads");
	order(fx, 1, "quorum-unblock", "", ERR_BUSY, "does not wait");
	order(fx, 1, "quorum-override", "", 0, "on your word");
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK_EQ(2, expected(fx, 2));
	/*
	 * What they held stays theirs until it is known that they are off; and
	 * who held nothing may be about to take it.
	 */
	ATF_REQUIRE(fencing_info(fixture_node(fx, 1)->node->fencing, 2, &fi));
	ATF_CHECK_EQ(3, fi.node);
	ATF_CHECK_EQ(FS_MANUAL, fi.state);
	/* The others have an old view: alone they must not go on. */
	fixture_crash(fx, 1);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK(!primary(fx, 2));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2));
	for (i = 3; i <= 5; i++)
		fixture_start(fx, i);
	fixture_settle(fx, EVERYBODY5);
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(5, expected(fx, 2));
	fixture_free(fx);
}

/* Cut off is not off: what is heard is asked to join instead. */
ATF_TC_WITHOUT_HEAD(override_is_refused_while_heard);
ATF_TC_BODY(override_is_refused_while_heard, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_node(fx, 1)->norestart = true;
	fixture_cut(fx, 1, 2);
	fixture_run(fx, 5 * SECOND);
	/* One of 1 and 2 was left out, though 3 hears both. */
	ATF_CHECK(primary(fx, 3));
	ATF_CHECK(!primary(fx, 1) || !primary(fx, 2));
	if (fixture_node(fx, 2)->node != NULL && !primary(fx, 2))
		order(fx, 2, "quorum-override", "", ERR_BUSY, "");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(unblock);
ATF_TC_BODY(unblock, tc)
{
	struct fix *fx = fixture_new(3);

	fixture_conf(fx)->wait_for_all = true;
	fixture_start(fx, 1);
	fixture_run(fx, 3 * SECOND);
	order(fx, 1, "quorum-unblock", "", ERR_BUSY, "votes are missing");
	fixture_start(fx, 2);
	fixture_run(fx, 3 * SECOND);
	ATF_CHECK(!primary(fx, 1));
	order(fx, 1, "quorum-unblock", "", 0, "on your word");
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_CHECK_EQ(3, expected(fx, 2));
	fixture_start(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_free(fx);
}

/* Everything at once, and one view of all when it is calm. */
ATF_TC_WITHOUT_HEAD(chaos);
ATF_TC_BODY(chaos, tc)
{
	struct fix *fx;
	struct rng rng;
	unsigned long s;

	for (s = 1; s <= 60; s++) {
		uint64_t seed[4] = { s, 5, 6, 7 };

		rng_seed(&rng, seed);
		fprintf(stderr, "seed %lu\n", s);
		fx = fixture_new(3 + (unsigned)(s % 4));
		fixture_conf(fx)->last_man_standing = s % 2 == 0;
		fixture_conf(fx)->downscale = s % 3 == 0;
		fixture_conf(fx)->tie = (enum conf_tie)(s % 5 % 3);
		fixture_start_all(fx);
		fixture_chaos(fx, &rng, 120);
		fixture_calm(fx);
		fixture_free(fx);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, down_to_one_and_back);
	ATF_TP_ADD_TC(tp, the_last_of_two);
	ATF_TP_ADD_TC(tp, a_majority_left_out_waits);
	ATF_TP_ADD_TC(tp, cold_start);
	ATF_TP_ADD_TC(tp, a_new_disk_has_no_vote);
	ATF_TP_ADD_TC(tp, dies_at_any_message);
	ATF_TP_ADD_TC(tp, downscale);
	ATF_TP_ADD_TC(tp, all_leave);
	ATF_TP_ADD_TC(tp, orders);
	ATF_TP_ADD_TC(tp, options);
	ATF_TP_ADD_TC(tp, no_last_man_any_more);
	ATF_TP_ADD_TC(tp, wait_for_all_is_kept);
	ATF_TP_ADD_TC(tp, two_node_is_set);
	ATF_TP_ADD_TC(tp, a_member_knows_no_options);
	ATF_TP_ADD_TC(tp, override);
	ATF_TP_ADD_TC(tp, override_is_refused_while_heard);
	ATF_TP_ADD_TC(tp, unblock);
	ATF_TP_ADD_TC(tp, chaos);
	return atf_no_error();
}
