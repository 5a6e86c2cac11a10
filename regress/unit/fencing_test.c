/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves fencing in stories with whole nodes: who is fenced and who need not
 * be, never without quorum, never a node that is back, retries and the next
 * executor, the operator's commands, and a table that is the same everywhere.
 */

#include <stdio.h>

#include <atf-c.h>

#include "fixture.h"

#define ALL (BIT(1) | BIT(2) | BIT(3))

enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_BUSY = 16,
	ERR_INVAL = 22
};

static struct fix *
started(unsigned n, bool used)
{
	struct fix *fx = fixture_new(n);
	uint16_t i;

	for (i = 1; i <= n; i++)
		fixture_node(fx, i)->used = used;
	fixture_begin(fx);
	return fx;
}

/* The last entry about a node in the table of another. */
static bool
entry(struct fix *fx, uint16_t at, uint16_t victim, struct fencing_info *out)
{
	struct fencing_info fi;
	bool found = false;
	unsigned i;

	for (i = 0; fencing_info(fixture_node(fx, at)->node->fencing, i, &fi);
	     i++) {
		if (fi.node == victim) {
			*out = fi;
			found = true;
		}
	}
	return found;
}

static void
same_tables(struct fix *fx, uint16_t a, uint16_t b)
{
	struct fencing_info x, y;
	unsigned i;

	for (i = 0; fencing_info(fixture_node(fx, a)->node->fencing, i, &x);
	     i++) {
		ATF_REQUIRE(
		    fencing_info(fixture_node(fx, b)->node->fencing, i, &y));
		ATF_CHECK_EQ(x.node, y.node);
		ATF_CHECK_EQ(x.inc, y.inc);
		ATF_CHECK_EQ(x.state, y.state);
		ATF_CHECK_EQ(x.evidence, y.evidence);
		ATF_CHECK_EQ(x.attempt, y.attempt);
		ATF_CHECK_EQ(x.executor, y.executor);
	}
	ATF_CHECK(!fencing_info(fixture_node(fx, b)->node->fencing, i, &y));
}

ATF_TC_WITHOUT_HEAD(crash_is_fenced_once);
ATF_TC_BODY(crash_is_fenced_once, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;

	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	ATF_REQUIRE(entry(fx, 2, 1, &fi));
	ATF_CHECK_EQ(FS_PENDING, fi.state);
	ATF_CHECK_EQ(2, fi.executor);
	fixture_run(fx, SECOND);
	ATF_REQUIRE(entry(fx, 3, 1, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(EVID_POWER, fi.evidence);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->fenced);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->fenced);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	same_tables(fx, 2, 3);
	/* A joiner knows it too. */
	fixture_start(fx, 1);
	fixture_settle(fx, ALL);
	same_tables(fx, 2, 1);
	fixture_run(fx, 20 * SECOND);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->fenced);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(harmless_is_not_fenced);
ATF_TC_BODY(harmless_is_not_fenced, tc)
{
	struct fix *fx = started(3, false);
	struct fencing_info fi;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 5 * SECOND);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK(fi.harmless);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(no_fence_without_quorum);
ATF_TC_BODY(no_fence_without_quorum, tc)
{
	struct fix *fx = started(4, true);
	uint16_t i;

	fixture_split(fx, BIT(1) | BIT(2));
	fixture_run(fx, 20 * SECOND);
	for (i = 1; i <= 4; i++)
		ATF_CHECK_EQ(0, fixture_node(fx, i)->fenced);
	fixture_free(fx);
}

/* Only the majority fences, and the minority is what it fences. */
ATF_TC_WITHOUT_HEAD(majority_fences_minority);
ATF_TC_BODY(majority_fences_minority, tc)
{
	struct fix *fx = started(3, true);

	fixture_node(fx, 1)->norestart = true;
	fixture_split(fx, BIT(1));
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->fenced);
	ATF_CHECK(fixture_node(fx, 1)->node == NULL);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->fenced);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(executor_dies);
ATF_TC_BODY(executor_dies, tc)
{
	struct fix *fx = started(5, true);
	struct fencing_info fi;

	fixture_device(fx, FIX_HANG);
	fixture_crash(fx, 5);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3) | BIT(4));
	fixture_run(fx, 100 * MS);
	ATF_REQUIRE(entry(fx, 2, 5, &fi));
	ATF_CHECK_EQ(1, fi.executor);
	ATF_CHECK_EQ(1, fixture_node(fx, 5)->fenced);
	fixture_device(fx, FIX_OFF);
	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3) | BIT(4));
	fixture_run(fx, 2 * SECOND);
	ATF_REQUIRE(entry(fx, 2, 5, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(2, fixture_node(fx, 5)->fenced);
	ATF_REQUIRE(entry(fx, 2, 1, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	same_tables(fx, 2, 3);
	same_tables(fx, 2, 4);
	fixture_free(fx);
}

/* Two tries, then pauses that grow; executors take turns; it never ends. */
ATF_TC_WITHOUT_HEAD(device_fails_then_works);
ATF_TC_BODY(device_fails_then_works, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;
	unsigned before;

	fixture_conf(fx)->fence_tries = 2;
	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 900 * MS);
	/* Both tries, and no third before the pause of one second. */
	ATF_CHECK_EQ(2, fixture_node(fx, 3)->fenced);
	fixture_run(fx, 10 * SECOND);
	ATF_REQUIRE(entry(fx, 2, 3, &fi));
	ATF_CHECK_EQ(FS_PENDING, fi.state);
	before = fixture_node(fx, 3)->fenced;
	ATF_CHECK(before >= 4 && before <= 10);
	ATF_CHECK(strstr(fi.text, "switch") != NULL);
	same_tables(fx, 1, 2);
	fixture_device(fx, FIX_OFF);
	fixture_run(fx, 40 * SECOND);
	ATF_REQUIRE(entry(fx, 2, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(before + 1, fixture_node(fx, 3)->fenced);
	fixture_free(fx);
}

/* Back as a newer incarnation before any device said a word. */
ATF_TC_WITHOUT_HEAD(rejoin_averts);
ATF_TC_BODY(rejoin_averts, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;
	unsigned fenced;

	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 2 * SECOND);
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(EVID_REJOIN, fi.evidence);
	fenced = fixture_node(fx, 3)->fenced;
	fixture_run(fx, 60 * SECOND);
	ATF_CHECK_EQ(fenced, fixture_node(fx, 3)->fenced);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->deaths);
	same_tables(fx, 1, 3);
	fixture_free(fx);
}

/*
 * Back as an older incarnation, because it has forgotten the one that waits for
 * its fence: it is no proof of anything, and not to be fenced for it either.
 */
ATF_TC_WITHOUT_HEAD(older_life_starts_anew);
ATF_TC_BODY(older_life_starts_anew, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;
	unsigned fenced;

	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 2 * SECOND);
	fenced = fixture_node(fx, 3)->fenced;
	fixture_start_behind(fx, 3);
	fixture_settle(fx, ALL);
	ATF_CHECK_EQ(1, fixture_node(fx, 3)->deaths);
	ATF_CHECK_MATCH("waits for its fence", fixture_node(fx, 3)->why);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(EVID_REJOIN, fi.evidence);
	ATF_CHECK(fixture_node(fx, 3)->inc > fi.inc);
	ATF_CHECK_EQ(fenced, fixture_node(fx, 3)->fenced);
	same_tables(fx, 1, 3);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(manual_waits_for_the_operator);
ATF_TC_BODY(manual_waits_for_the_operator, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;

	fixture_conf(fx)->fence_manual = true;
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 30 * SECOND);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_MANUAL, fi.state);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	/* About the wrong node, an unknown one, or nonsense: refused. */
	fixture_command(fx, 1, "fence-confirm", "node2");
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 1)->result);
	fixture_command(fx, 1, "fence-confirm", "nobody");
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 1)->result);
	fixture_command(fx, 1, "fence-confrim", "node3");
	ATF_CHECK_EQ(ERR_INVAL, fixture_node(fx, 1)->result);
	fixture_command(fx, 2, "fence-confirm", "node3");
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(1, fixture_node(fx, 2)->results);
	ATF_CHECK_EQ(0, fixture_node(fx, 2)->result);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(EVID_MANUAL, fi.evidence);
	same_tables(fx, 1, 2);
	fixture_free(fx);
}

/* A node that is heard is not off, whatever the operator says. */
ATF_TC_WITHOUT_HEAD(confirm_is_refused_while_heard);
ATF_TC_BODY(confirm_is_refused_while_heard, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;

	fixture_conf(fx)->fence_manual = true;
	/* Node 1 hears it; it is the session with 2 that breaks. */
	fixture_cut(fx, 2, 3);
	fixture_node(fx, 3)->norestart = true;
	while (!entry(fx, 1, 3, &fi))
		ATF_REQUIRE(fixture_step(fx, 60 * SECOND));
	ATF_CHECK_EQ(FS_MANUAL, fi.state);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_command(fx, 1, "fence-confirm", "3");
	ATF_CHECK_EQ(ERR_BUSY, fixture_node(fx, 1)->result);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_MANUAL, fi.state);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(operator_fences_a_live_node);
ATF_TC_BODY(operator_fences_a_live_node, tc)
{
	struct fix *fx = started(3, false);
	struct fencing_info fi;

	fixture_node(fx, 3)->norestart = true;
	fixture_command(fx, 1, "fence", "node3");
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK_EQ(1, fixture_node(fx, 3)->deaths);
	ATF_CHECK(strstr(fixture_node(fx, 3)->why, "operator") != NULL);
	ATF_CHECK_EQ(1, fixture_node(fx, 3)->fenced);
	ATF_REQUIRE(entry(fx, 2, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(EVID_POWER, fi.evidence);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->results);
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->result);
	same_tables(fx, 1, 2);
	fixture_free(fx);
}

/*
 * Whatever is known of a node that is in no view, it may run: an order to fence
 * it reaches a device, each time.
 */
ATF_TC_WITHOUT_HEAD(operator_fences_who_is_not_there);
ATF_TC_BODY(operator_fences_who_is_not_there, tc)
{
	struct fix *fx = started(3, false);
	struct fencing_info fi;
	unsigned i;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, SECOND);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK(fi.state == FS_DONE && fi.harmless);
	for (i = 1; i < 4; i++) {
		fixture_command(fx, 1, "fence", "node3");
		fixture_run(fx, 5 * SECOND);
		ATF_CHECK_EQ(i, fixture_node(fx, 3)->fenced);
		ATF_CHECK_EQ(i, fixture_node(fx, 1)->results);
		ATF_CHECK_EQ(0, fixture_node(fx, 1)->result);
		ATF_REQUIRE(entry(fx, 2, 3, &fi));
		ATF_CHECK(fi.state == FS_DONE && !fi.harmless);
		ATF_CHECK_EQ(EVID_POWER, fi.evidence);
		same_tables(fx, 1, 2);
	}
	/* One that was never seen. */
	fixture_command(fx, 2, "fence", "nobody");
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 2)->result);
	fixture_free(fx);
}

/* It waits for its fence, and is taken out of the file meanwhile. */
ATF_TC_WITHOUT_HEAD(who_left_the_file_is_confirmed);
ATF_TC_BODY(who_left_the_file_is_confirmed, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;

	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_crash(fx, 1);
	fixture_crash(fx, 2);
	fixture_conf(fx)->nnodes = 2;
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_MANUAL, fi.state);
	fixture_command(fx, 2, "fence", "3");
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 2)->result);
	fixture_command(fx, 1, "fence-confirm", "3");
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->result);
	ATF_CHECK_STREQ("node 3 is fenced (manual): the operator confirmed "
			"that it is off",
	    fixture_node(fx, 1)->text);
	ATF_REQUIRE(entry(fx, 2, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	fixture_command(fx, 1, "fence-confirm", "3");
	ATF_CHECK_EQ(ERR_NOENT, fixture_node(fx, 1)->result);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(operator_without_quorum);
ATF_TC_BODY(operator_without_quorum, tc)
{
	struct fix *fx = started(3, true);

	fixture_split(fx, BIT(1));
	fixture_device(fx, FIX_HANG);
	fixture_run(fx, 5 * SECOND);
	fixture_command(fx, 1, "fence", "node3");
	ATF_CHECK_EQ(ERR_AGAIN, fixture_node(fx, 1)->result);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(operator_asks_a_node_to_leave);
ATF_TC_BODY(operator_asks_a_node_to_leave, tc)
{
	struct fix *fx = started(3, false);
	struct fencing_info fi;

	fixture_command(fx, 1, "node-leave", "node2");
	fixture_run(fx, SECOND);
	ATF_CHECK(fixture_node(fx, 2)->stopped);
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->result);
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->results);
	ATF_CHECK(fixture_settled(fx, BIT(1) | BIT(3)));
	ATF_CHECK(!entry(fx, 1, 2, &fi));
	fixture_free(fx);
}

/*
 * Everything stops at once; of three, two come back.  The third was in the
 * last view and may still hold its mounts: it is fenced, after the delay.
 */
ATF_TC_WITHOUT_HEAD(startup_fences_who_was_dirty);
ATF_TC_BODY(startup_fences_who_was_dirty, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;
	uint16_t i;

	fixture_conf(fx)->fence_on_join_delay_us = 5 * SECOND;
	for (i = 1; i <= 3; i++)
		fixture_crash(fx, i);
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 3 * SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	fixture_run(fx, 5 * SECOND);
	ATF_CHECK_EQ(1, fixture_node(fx, 3)->fenced);
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	fixture_free(fx);
}

/* A node that was never seen is left alone, and so is one that left. */
ATF_TC_WITHOUT_HEAD(startup_spares_the_others);
ATF_TC_BODY(startup_spares_the_others, tc)
{
	struct fix *fx = fixture_new(4);
	uint16_t i;

	fixture_conf(fx)->nodes[0].votes = 3;
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_stop(fx, 3);
	fixture_run(fx, SECOND);
	for (i = 1; i <= 2; i++)
		fixture_crash(fx, i);
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 20 * SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->fenced);
	ATF_CHECK_EQ(0, fixture_node(fx, 4)->fenced);
	fixture_free(fx);
}

/* A fence that was due when everything stopped is still due. */
ATF_TC_WITHOUT_HEAD(pending_survives_a_full_stop);
ATF_TC_BODY(pending_survives_a_full_stop, tc)
{
	struct fix *fx = started(3, true);
	struct fencing_info fi;

	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	fixture_run(fx, 3 * SECOND);
	fixture_crash(fx, 1);
	fixture_crash(fx, 2);
	fixture_start(fx, 1);
	fixture_start(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(2));
	ATF_REQUIRE(entry(fx, 1, 3, &fi));
	ATF_CHECK_EQ(FS_PENDING, fi.state);
	fixture_device(fx, FIX_OFF);
	fixture_run(fx, 10 * SECOND);
	ATF_REQUIRE(entry(fx, 2, 3, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(two_nodes_fence_each_other_once);
ATF_TC_BODY(two_nodes_fence_each_other_once, tc)
{
	struct fix *fx = fixture_new(2);
	struct fencing_info fi;

	fixture_conf(fx)->two_node = true;
	fixture_node(fx, 1)->used = fixture_node(fx, 2)->used = true;
	fixture_begin(fx);
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1));
	fixture_run(fx, 2 * SECOND);
	ATF_REQUIRE(entry(fx, 1, 2, &fi));
	ATF_CHECK_EQ(FS_DONE, fi.state);
	ATF_CHECK_EQ(1, fixture_node(fx, 2)->fenced);
	/* Alone after a start it may not fence, whatever it remembers. */
	fixture_crash(fx, 1);
	fixture_start(fx, 2);
	fixture_run(fx, 60 * SECOND);
	ATF_CHECK_EQ(0, fixture_node(fx, 1)->fenced);
	fixture_free(fx);
}

/* Each goes on alone, and could take what the other one has not seen it take. */
ATF_TC_WITHOUT_HEAD(two_idle_nodes_fence_each_other);
ATF_TC_BODY(two_idle_nodes_fence_each_other, tc)
{
	struct fix *fx = fixture_new(2);
	struct fencing_info fi;
	uint16_t i;

	fixture_conf(fx)->two_node = true;
	fixture_begin(fx);
	fixture_device(fx, FIX_FAIL);
	fixture_split(fx, BIT(1));
	fixture_run(fx, 3 * SECOND);
	for (i = 1; i <= 2; i++) {
		ATF_REQUIRE(entry(fx, i, 3 - i, &fi));
		ATF_CHECK_EQ(FS_PENDING, fi.state);
	}
	fixture_device(fx, FIX_OFF);
	fixture_run(fx, 60 * SECOND);
	ATF_CHECK(
	    fixture_node(fx, 1)->fenced + fixture_node(fx, 2)->fenced > 0);
	fixture_free(fx);
}

/*
 * The executor falls asleep at each possible moment around the start of the
 * fence; meanwhile the victim comes back to the others.  The sleeper wakes up
 * with what it believed, and with packets of that time waiting for it.
 */
/* ... also when who remembers the last view had not been told of it yet. */
ATF_TC_WITHOUT_HEAD(pending_survives_with_a_joiner);
ATF_TC_BODY(pending_survives_with_a_joiner, tc)
{
	struct fix *fx = fixture_new(4);
	struct fencing_info fi;
	struct node_view nv;
	uint16_t i;

	for (i = 1; i <= 4; i++)
		fixture_node(fx, i)->used = true;
	fixture_begin(fx);
	fixture_device(fx, FIX_FAIL);
	fixture_crash(fx, 4);
	fixture_settle(fx, ALL);
	fixture_crash(fx, 1);
	fixture_run(fx, 100 * MS);
	fixture_start(fx, 1);
	do {
		ATF_REQUIRE(fixture_step(fx, 60 * SECOND));
		node_get_view(fixture_node(fx, 1)->node, &nv);
	} while (!nv.primary);
	ATF_REQUIRE(!nv.synced);
	for (i = 1; i <= 3; i++)
		fixture_crash(fx, i);
	for (i = 1; i <= 3; i++)
		fixture_start(fx, i);
	fixture_settle(fx, ALL);
	ATF_REQUIRE(entry(fx, 1, 4, &fi));
	ATF_CHECK_EQ(FS_PENDING, fi.state);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(sleeper_fences_nobody_who_is_back);
ATF_TC_BODY(sleeper_fences_nobody_who_is_back, tc)
{
	unsigned k;
	uint64_t base, until, inc;
	struct fix *fx;

	for (k = 0; k < 60; k++) {
		fx = started(4, true);
		fixture_crash(fx, 4);
		fixture_run(fx, 690 * MS);
		base = fixture_messages(fx) + k;
		until = fixture_now(fx) + 200 * MS;
		while (fixture_messages(fx) < base && fixture_step(fx, until))
			;
		fixture_pause(fx, 1, 4 * SECOND);
		/* The others try to fence the sleeper, in vain. */
		fixture_device(fx, FIX_HANG);
		fixture_run(fx, 10 * MS);
		fixture_split(fx, BIT(1));
		fixture_run(fx, SECOND);
		if (fixture_node(fx, 4)->node == NULL)
			fixture_start(fx, 4);
		fixture_run(fx, 2 * SECOND);
		inc = fixture_node(fx, 4)->inc;
		ATF_REQUIRE(fixture_settled(fx, BIT(2) | BIT(3) | BIT(4)));
		fixture_device(fx, FIX_OFF);
		fixture_heal_all(fx);
		fixture_run(fx, 3 * SECOND);
		ATF_CHECK_EQ_MSG(inc, fixture_node(fx, 4)->inc,
		    "asleep after %u messages", k);
		ATF_CHECK(fixture_node(fx, 4)->node != NULL);
		fixture_free(fx);
	}
}

static bool
always_used(const void *arg, uint16_t node, uint64_t inc)
{
	return true;
}

static void
primary_view(struct view *v, uint64_t epoch, unsigned n)
{
	unsigned i;

	memset(v, 0, sizeof(*v));
	v->epoch = epoch;
	v->leader = 1;
	v->primary = true;
	v->n = n;
	for (i = 0; i < n; i++) {
		v->members[i].node = (uint16_t)(i + 1);
		v->members[i].inc = 10 + i;
	}
}

/*
 * Devices started by the module alone, of node 1, when node 3 is lost and the
 * end of the sync is delivered before or after the new view is ending, too.
 */
static unsigned
started_devices(const struct conf *conf, enum note_type before)
{
	struct fencing *f = fencing_new(conf, 1, 10, always_used, NULL);
	struct note n = { .type = NOTE_VIEW };
	struct actions out;
	struct action *act;
	struct note *sent;
	struct view v;
	struct bus bus;
	unsigned k = 0;

	ATF_REQUIRE(f != NULL);
	actions_init(&out);
	bus_init(&bus);
	bus.out = &out;
	bus.now = SECOND;
	n.ref = &v;
	primary_view(&v, 1, 3);
	fencing_note(f, &n, &bus);
	primary_view(&v, 2, 2);
	v.nlost = 1;
	v.lost[0].node = 3;
	v.lost[0].inc = 12;
	fencing_note(f, &n, &bus);
	n = (struct note){ .type = NOTE_LEASE, .ok = true };
	fencing_note(f, &n, &bus);
	/* The view ends, the lease runs out, or nothing happens. */
	n = (struct note){ .type = before };
	fencing_note(f, &n, &bus);
	n = (struct note){ .type = NOTE_SYNCED, .seq = 2 };
	fencing_note(f, &n, &bus);
	/* What it puts into the order is delivered at once. */
	while ((sent = bus_take(&bus)) != NULL) {
		if (sent->type == NOTE_ORDER) {
			sent->type = NOTE_ORDERED;
			sent->node = 1;
			sent->inc = 10;
			fencing_note(f, sent, &bus);
		}
		free(sent);
	}
	while ((act = actions_take(&out)) != NULL) {
		k += act->type == ACT_FENCE_START;
		free(act);
	}
	fencing_free(f);
	return k;
}

/*
 * The last message of a view's sync may be delivered as the view ends, and the
 * lease may run out at any time.
 */
ATF_TC_WITHOUT_HEAD(synced_too_late);
ATF_TC_BODY(synced_too_late, tc)
{
	struct fix *fx = fixture_new(3);

	ATF_CHECK_EQ(1, started_devices(fixture_conf(fx), NOTE_EVENT));
	ATF_CHECK_EQ(0, started_devices(fixture_conf(fx), NOTE_WEDGE));
	ATF_CHECK_EQ(0, started_devices(fixture_conf(fx), NOTE_LEASE));
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, crash_is_fenced_once);
	ATF_TP_ADD_TC(tp, harmless_is_not_fenced);
	ATF_TP_ADD_TC(tp, no_fence_without_quorum);
	ATF_TP_ADD_TC(tp, majority_fences_minority);
	ATF_TP_ADD_TC(tp, executor_dies);
	ATF_TP_ADD_TC(tp, device_fails_then_works);
	ATF_TP_ADD_TC(tp, rejoin_averts);
	ATF_TP_ADD_TC(tp, older_life_starts_anew);
	ATF_TP_ADD_TC(tp, manual_waits_for_the_operator);
	ATF_TP_ADD_TC(tp, confirm_is_refused_while_heard);
	ATF_TP_ADD_TC(tp, operator_fences_a_live_node);
	ATF_TP_ADD_TC(tp, operator_fences_who_is_not_there);
	ATF_TP_ADD_TC(tp, who_left_the_file_is_confirmed);
	ATF_TP_ADD_TC(tp, operator_without_quorum);
	ATF_TP_ADD_TC(tp, operator_asks_a_node_to_leave);
	ATF_TP_ADD_TC(tp, startup_fences_who_was_dirty);
	ATF_TP_ADD_TC(tp, startup_spares_the_others);
	ATF_TP_ADD_TC(tp, pending_survives_a_full_stop);
	ATF_TP_ADD_TC(tp, pending_survives_with_a_joiner);
	ATF_TP_ADD_TC(tp, sleeper_fences_nobody_who_is_back);
	ATF_TP_ADD_TC(tp, synced_too_late);
	ATF_TP_ADD_TC(tp, two_nodes_fence_each_other_once);
	ATF_TP_ADD_TC(tp, two_idle_nodes_fence_each_other);
	return atf_no_error();
}
