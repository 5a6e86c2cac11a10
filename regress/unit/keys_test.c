/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the steps of a change of the key: what each does to all members, when
 * it is refused and with which words, and what becomes of nodes that were away,
 * that crash, or that cannot write their key file.
 */

#include <atf-c.h>

#include "core/keys_internal.h"
#include "fixture.h"

#define ALL (BIT(1) | BIT(2) | BIT(3))

/* The answer comes within the time that a message takes. */
static void
order_soon(struct fix *fx, uint16_t id, const char *cmd, const char *arg,
    int want, const char *says)
{
	struct fix_node *fn = fixture_node(fx, id);
	unsigned before = fn->results;

	fixture_command(fx, id, cmd, arg);
	fixture_run(fx, 100 * MS);
	ATF_CHECK_EQ_MSG(before + 1, fn->results, "%s %s: %u answers", cmd, arg,
	    fn->results - before);
	ATF_CHECK_EQ_MSG((uint32_t)want, fn->result, "%s %s: %u %s", cmd, arg,
	    fn->result, fn->text);
	ATF_CHECK_MSG(strstr(fn->text, says) != NULL, "%s %s: %s", cmd, arg,
	    fn->text);
}

static void
order(struct fix *fx, uint16_t id, const char *cmd, const char *arg, int want,
    const char *says)
{
	order_soon(fx, id, cmd, arg, want, says);
	fixture_run(fx, 2 * SECOND);
}

/* What a node has in its file and in force: n keys, from first on, and use. */
static void
holds(struct fix *fx, uint16_t id, unsigned n, unsigned first, unsigned use)
{
	const struct fix_node *fn = fixture_node(fx, id);
	const struct keyring *ring = node_ring(fn->node);

	ATF_CHECK_EQ_MSG(n, ring->n, "node %u: %u keys", id, ring->n);
	ATF_CHECK_EQ_MSG(first, ring->k[0].gen, "node %u: first %u", id,
	    ring->k[0].gen);
	ATF_CHECK_EQ_MSG(use, ring->use, "node %u uses %u", id, ring->use);
	ATF_CHECK_MSG(keyring_same(ring, &fn->file),
	    "node %u has other keys in its file", id);
	ATF_CHECK(keyring_same(ring, node_agreed(fn->node)));
}

static void
all_hold(struct fix *fx, unsigned n, unsigned first, unsigned use)
{
	uint16_t id;

	for (id = 1; id <= 3; id++) {
		holds(fx, id, n, first, use);
		ATF_CHECK(keyring_same(&fixture_node(fx, id)->file,
		    &fixture_node(fx, 1)->file));
	}
}

ATF_TC_WITHOUT_HEAD(three_steps);
ATF_TC_BODY(three_steps, tc)
{
	static const uint8_t zero[KEYRING_KEY_LEN];
	struct fix *fx = fixture_up(3);
	struct keyring first;

	all_hold(fx, 1, 0, 0);
	order(fx, 2, "key-add", "", 0, "generation 1 is added; next: key use");
	all_hold(fx, 2, 0, 0);
	first = fixture_node(fx, 3)->file;
	ATF_CHECK(memcmp(first.k[1].key, zero, sizeof(zero)) != 0);
	order(fx, 3, "key-use", "", 0, "generation 1 is used; next: key drop");
	all_hold(fx, 2, 0, 1);
	order(fx, 1, "key-drop", "", 0, "generation 1 is the only key");
	all_hold(fx, 1, 1, 1);
	ATF_CHECK(keyring_has(&fixture_node(fx, 1)->file, &first.k[1]));
	/* Another round: another key, made by the same node. */
	order(fx, 2, "key-add", "", 0, "generation 2 is added");
	ATF_CHECK(memcmp(fixture_node(fx, 1)->file.k[1].key, first.k[1].key,
		      KEYRING_KEY_LEN) != 0);
	order(fx, 2, "key-use", "", 0, "");
	order(fx, 2, "key-drop", "", 0, "");
	all_hold(fx, 1, 2, 2);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(wrong_steps);
ATF_TC_BODY(wrong_steps, tc)
{
	struct fix *fx = fixture_up(3);

	order(fx, 1, "key-use", "", SVC_BUSY, "key add comes first");
	order(fx, 1, "key-drop", "", SVC_BUSY, "nothing to drop");
	order(fx, 1, "key-abort", "", SVC_BUSY, "there is no new key");
	order(fx, 1, "key-frob", "", SVC_INVAL, "add, use, drop and abort");
	order(fx, 1, "key-add", "absent", SVC_INVAL, "");
	order(fx, 1, "key-drop", "n2", SVC_INVAL, "");
	all_hold(fx, 1, 0, 0);
	order(fx, 1, "key-add", "", 0, "");
	order(fx, 1, "key-add", "", SVC_BUSY, "go on with key use");
	order(fx, 1, "key-drop", "", SVC_BUSY, "key use comes first");
	all_hold(fx, 2, 0, 0);
	order_soon(fx, 1, "key-use", "", 0, "");
	/* Nobody can be done with the old key yet. */
	order_soon(fx, 1, "key-drop", "", SVC_AGAIN, "was needed there");
	fixture_run(fx, 2 * SECOND);
	order(fx, 1, "key-use", "", SVC_BUSY, "go on with key drop");
	order(fx, 1, "key-add", "", SVC_BUSY, "key drop comes first");
	order(fx, 1, "key-abort", "", SVC_BUSY, "go on with key drop");
	all_hold(fx, 2, 0, 1);
	fixture_free(fx);
}

/* Its generation is not given out again. */
ATF_TC_WITHOUT_HEAD(abort);
ATF_TC_BODY(abort, tc)
{
	struct fix *fx = fixture_up(3);

	order(fx, 1, "key-add", "", 0, "");
	order(fx, 3, "key-abort", "", 0, "generation 0 is the only key");
	all_hold(fx, 1, 0, 0);
	order(fx, 3, "key-add", "", 0, "generation 2 is added");
	all_hold(fx, 2, 0, 0);
	fixture_free(fx);
}

/*
 * Whoever is away, or has not confirmed, may have nothing but the new key: the
 * others went on without us, and we were started without them.
 */
ATF_TC_WITHOUT_HEAD(abort_with_all);
ATF_TC_BODY(abort_with_all, tc)
{
	struct fix *fx = fixture_up(3);

	order(fx, 1, "key-add", "", 0, "");
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-abort", "", SVC_BUSY,
	    "node3: away, and maybe with generation 1 alone: start it first");
	keyring_drop(&fixture_node(fx, 3)->file, 0);
	fixture_node(fx, 3)->file.use = 1;
	fixture_node(fx, 3)->full = true;
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_run(fx, 2 * SECOND);
	order(fx, 1, "key-abort", "", SVC_AGAIN,
	    "node3: not confirmed yet that both keys are in the key file");
	fixture_node(fx, 3)->full = false;
	fixture_run(fx, 6 * SECOND);
	all_hold(fx, 2, 0, 0);
	order(fx, 1, "key-abort", "", 0, "generation 0 is the only key");
	all_hold(fx, 1, 0, 0);
	fixture_free(fx);
}

/*
 * A node went on alone, with a new key of its own; so did the others, and gave
 * theirs the same generation.  It takes theirs, and its own lets nobody in.
 */
ATF_TC_WITHOUT_HEAD(two_histories);
ATF_TC_BODY(two_histories, tc)
{
	struct fix *fx = fixture_up(3);
	struct keyring *file = &fixture_node(fx, 3)->file;
	const struct keyring *ring;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-add", "", 0, "generation 1 is added");
	order(fx, 1, "key-use", "", 0, "");
	file->k[1].gen = file->use = file->last = 1;
	file->k[1].key[0] = 1;
	file->n = 2;
	fixture_node(fx, 3)->full = true;
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_run(fx, SECOND);
	ring = node_ring(fixture_node(fx, 3)->node);
	ATF_CHECK_EQ(1, ring->n);
	ATF_CHECK_EQ(0, ring->k[0].gen);
	ATF_CHECK_EQ(0, ring->use);
	fixture_node(fx, 3)->full = false;
	fixture_run(fx, 6 * SECOND);
	all_hold(fx, 2, 0, 1);
	order(fx, 1, "key-drop", "", 0, "generation 1 is the only key");
	all_hold(fx, 1, 1, 1);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(without_quorum);
ATF_TC_BODY(without_quorum, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_split(fx, BIT(1));
	fixture_settle(fx, BIT(2) | BIT(3));
	order(fx, 1, "key-add", "", SVC_AGAIN, "not in a quorate view");
	holds(fx, 1, 1, 0, 0);
	order(fx, 2, "key-add", "", 0, "away: node1");
	fixture_heal_all(fx);
	fixture_settle(fx, ALL);
	fixture_run(fx, SECOND);
	all_hold(fx, 2, 0, 0);
	fixture_free(fx);
}

/* Nobody uses what one member cannot keep; it goes on trying. */
ATF_TC_WITHOUT_HEAD(full_disk);
ATF_TC_BODY(full_disk, tc)
{
	struct fix *fx = fixture_up(3);
	struct keys_info info;

	fixture_node(fx, 3)->full = true;
	order(fx, 1, "key-add", "", 0, "");
	holds(fx, 1, 2, 0, 0);
	ATF_CHECK_EQ(1, node_ring(fixture_node(fx, 3)->node)->n);
	order(fx, 1, "key-use", "", SVC_AGAIN,
	    "node3: not confirmed yet that generation 1 is in the key file");
	keys_get(fixture_node(fx, 3)->node->keys, 3, &info);
	ATF_CHECK_STREQ("disk full", info.failed);
	ATF_CHECK(info.member && !info.holds);
	fixture_node(fx, 3)->full = false;
	fixture_run(fx, 6 * SECOND);
	all_hold(fx, 2, 0, 0);
	keys_get(fixture_node(fx, 3)->node->keys, 3, &info);
	ATF_CHECK_STREQ("", info.failed);
	order(fx, 1, "key-use", "", 0, "");
	/* The mark must be on the disk before the old key may go. */
	fixture_node(fx, 2)->full = true;
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(3));
	fixture_start(fx, 2);
	fixture_settle(fx, ALL);
	fixture_run(fx, 2 * SECOND);
	order(fx, 1, "key-drop", "", 0, "");
	holds(fx, 3, 1, 1, 1);
	ATF_CHECK_EQ(2, fixture_node(fx, 2)->file.n);
	fixture_node(fx, 2)->full = false;
	fixture_run(fx, 6 * SECOND);
	all_hold(fx, 1, 1, 1);
	fixture_free(fx);
}

/* Who was away is given the new key as long as the old one counts. */
ATF_TC_WITHOUT_HEAD(away);
ATF_TC_BODY(away, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-add", "", 0, "away: node3");
	order(fx, 1, "key-use", "", 0, "away without it: node3");
	order(fx, 1, "key-drop", "", SVC_BUSY,
	    "node3: away, and without the new key");
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_run(fx, 2 * SECOND);
	all_hold(fx, 2, 0, 1);
	order(fx, 1, "key-drop", "", 0, "");
	all_hold(fx, 1, 1, 1);
	/* One that has confirmed and crashed is no reason to wait. */
	order(fx, 1, "key-add", "", 0, "");
	order(fx, 1, "key-use", "", 0, "");
	fixture_crash(fx, 2);
	fixture_settle(fx, BIT(1) | BIT(3));
	order(fx, 1, "key-drop", "", 0, "generation 2 is the only key");
	fixture_start(fx, 2);
	fixture_settle(fx, ALL);
	fixture_run(fx, SECOND);
	all_hold(fx, 1, 2, 2);
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(drop_absent);
ATF_TC_BODY(drop_absent, tc)
{
	struct fix *fx = fixture_up(3);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-add", "", 0, "");
	order(fx, 1, "key-use", "", 0, "");
	order(fx, 1, "key-drop", "absent", 0, "generation 1 is the only key");
	holds(fx, 1, 1, 1, 1);
	holds(fx, 2, 1, 1, 1);
	ATF_CHECK_EQ(0, fixture_node(fx, 3)->file.k[0].gen);
	fixture_free(fx);
}

/* All were off: what the files have goes on, the newest key with it. */
ATF_TC_WITHOUT_HEAD(all_restart);
ATF_TC_BODY(all_restart, tc)
{
	struct fix *fx = fixture_up(3);
	uint16_t id;

	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	order(fx, 2, "key-add", "", 0, "");
	ATF_CHECK_EQ(1, fixture_node(fx, 1)->file.n);
	fixture_crash(fx, 2);
	fixture_crash(fx, 3);
	for (id = 1; id <= 3; id++)
		fixture_start(fx, id);
	fixture_settle(fx, ALL);
	fixture_run(fx, 2 * SECOND);
	all_hold(fx, 2, 0, 0);
	order(fx, 1, "key-use", "", 0, "");
	for (id = 1; id <= 3; id++)
		fixture_crash(fx, id);
	for (id = 1; id <= 3; id++)
		fixture_start(fx, id);
	fixture_settle(fx, ALL);
	fixture_run(fx, 2 * SECOND);
	all_hold(fx, 2, 0, 1);
	order(fx, 1, "key-drop", "", 0, "");
	all_hold(fx, 1, 1, 1);
	fixture_free(fx);
}

/* A leader that dies in the middle of each step. */
ATF_TC_WITHOUT_HEAD(leader_dies);
ATF_TC_BODY(leader_dies, tc)
{
	static const char *const steps[] = { "key-add", "key-use", "key-drop" };
	struct fix *fx = fixture_up(3);
	unsigned i, round;
	uint16_t id;

	for (round = 0; round < 12; round++) {
		for (i = 0; i < NITEMS(steps); i++) {
			id = (uint16_t)(1 + (round + i) % 3);
			fixture_command(fx, (uint16_t)(1 + id % 3), steps[i],
			    "");
			fixture_run(fx, round * 700);
			fixture_crash(fx, id);
			fixture_settle(fx, ALL & ~BIT(id));
			fixture_start(fx, id);
			fixture_settle(fx, ALL);
			fixture_run(fx, 2 * SECOND);
			/* The order was lost with its node, or obeyed by all. */
			ATF_CHECK(keyring_same(&fixture_node(fx, 1)->file,
			    &fixture_node(fx, 2)->file));
			ATF_CHECK(keyring_same(&fixture_node(fx, 1)->file,
			    &fixture_node(fx, 3)->file));
		}
	}
	ATF_CHECK(fixture_node(fx, 1)->file.use > 3);
	fixture_free(fx);
}

/*
 * Node 4 is of the build before, for which the new key may be given up.  That
 * order is still on its way when there is no quorum for a while: where it comes
 * late, the others know what more those can do who were left, and yet all must
 * judge it alike.
 */
ATF_TC_WITHOUT_HEAD(order_of_a_former_view);
ATF_TC_BODY(order_of_a_former_view, tc)
{
	struct fix *fx = fixture_new(4);
	uint16_t id;

	fixture_node(fx, 4)->lacks = true;
	fixture_begin(fx);
	fixture_node(fx, 2)->full = true;
	order(fx, 1, "key-add", "", 0, "");
	fixture_pause(fx, 4, 4 * SECOND);
	fixture_command(fx, 1, "key-abort", "");
	fixture_run(fx, 100 * MS);
	fixture_split(fx, BIT(1) | BIT(2));
	fixture_run(fx, 3 * SECOND);
	ATF_CHECK(!member_view(fixture_node(fx, 1)->node->member)->primary);
	fixture_heal_all(fx);
	fixture_settle(fx, ALL | BIT(4));
	for (id = 1; id <= 4; id++)
		ATF_CHECK_EQ(1, node_agreed(fixture_node(fx, id)->node)->n);
	fixture_free(fx);
}

/*
 * Who lacks a key of the others must not take their word for what to speak: it
 * would seal with what its file has in use, which they may have forgotten.
 */
ATF_TC_WITHOUT_HEAD(lacks_one);
ATF_TC_BODY(lacks_one, tc)
{
	struct fix *fx = fixture_up(3);
	const struct keys *k;

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-add", "", 0, "");
	fixture_node(fx, 3)->full = true;
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_run(fx, SECOND);
	k = fixture_node(fx, 3)->node->keys;
	ATF_CHECK_EQ(2, k->now.n);
	ATF_CHECK_EQ(2, k->nholders);
	ATF_CHECK_EQ(1, k->word.ring.n);
	ATF_CHECK_EQ(0, k->word.n);
	fixture_node(fx, 3)->full = false;
	fixture_run(fx, 6 * SECOND);
	ATF_CHECK_EQ(2, k->word.ring.n);
	ATF_CHECK_EQ(3, k->word.n);
	fixture_free(fx);
}

/*
 * What the others have dropped lets nobody in, also where the file has it still
 * and cannot take the keys that there are now.
 */
ATF_TC_WITHOUT_HEAD(dropped_in_the_file);
ATF_TC_BODY(dropped_in_the_file, tc)
{
	struct fix *fx = fixture_up(3);
	const struct keyring *file = &fixture_node(fx, 3)->file;
	const struct keys *k;

	order(fx, 1, "key-add", "", 0, "");
	order(fx, 1, "key-use", "", 0, "");
	fixture_node(fx, 3)->full = true;
	order(fx, 1, "key-drop", "", 0, "generation 1 is the only key");
	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	order(fx, 1, "key-add", "", 0, "");
	fixture_start(fx, 3);
	fixture_settle(fx, ALL);
	fixture_run(fx, SECOND);
	ATF_CHECK_EQ(2, file->n);
	ATF_CHECK_EQ(0, file->k[0].gen);
	k = fixture_node(fx, 3)->node->keys;
	ATF_CHECK_EQ(2, k->now.n);
	ATF_CHECK_EQ(2, k->now.k[1].gen);
	ATF_CHECK_EQ(1, k->word.ring.n);
	ATF_CHECK_EQ(1, k->word.ring.k[0].gen);
	ATF_CHECK_EQ(1, k->word.ring.use);
	ATF_CHECK(keyring_find(&k->word.ring, 0) == NULL);
	/* With room again it catches up. */
	fixture_node(fx, 3)->full = false;
	fixture_run(fx, 6 * SECOND);
	all_hold(fx, 2, 1, 1);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, dropped_in_the_file);
	ATF_TP_ADD_TC(tp, order_of_a_former_view);
	ATF_TP_ADD_TC(tp, lacks_one);
	ATF_TP_ADD_TC(tp, three_steps);
	ATF_TP_ADD_TC(tp, wrong_steps);
	ATF_TP_ADD_TC(tp, abort);
	ATF_TP_ADD_TC(tp, abort_with_all);
	ATF_TP_ADD_TC(tp, two_histories);
	ATF_TP_ADD_TC(tp, without_quorum);
	ATF_TP_ADD_TC(tp, full_disk);
	ATF_TP_ADD_TC(tp, away);
	ATF_TP_ADD_TC(tp, drop_absent);
	ATF_TP_ADD_TC(tp, all_restart);
	ATF_TP_ADD_TC(tp, leader_dies);
	return atf_no_error();
}
