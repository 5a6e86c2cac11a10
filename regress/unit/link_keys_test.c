/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves which key of the cluster datagrams are sealed with while it is changed:
 * what each side accepts, how a side that was away is spoken to, that no counter
 * is used twice, that nothing of a dropped key is believed, and the words of a
 * refusal.  The beat process is believed with either key.
 */

#include <sodium.h>

#include "core/beat.h"
#include "core/keys.h"
#include "core/link_int.h"
#include "link_world.h"

#define KEYID	5 /* places in the clear header */
#define VOICE	7
#define COUNTER 28

static const uint8_t newer[KEYRING_KEY_LEN] = { 5, 6, 7 };

/* Generation 0 is world_key, and 1 is newer. */
static struct keyring
ring(bool old, bool new, uint8_t use)
{
	struct keyring r;

	memset(&r, 0, sizeof(r));
	if (old)
		memcpy(r.k[r.n++].key, world_key, KEYRING_KEY_LEN);
	if (new) {
		r.k[r.n].gen = 1;
		memcpy(r.k[r.n++].key, newer, KEYRING_KEY_LEN);
	}
	r.use = use;
	r.last = 1;
	return r;
}

/* Node i is told its keys; the other one is known to hold both, or not. */
static void
tell(struct world *w, unsigned i, struct keyring r, bool holds)
{
	struct keys_word word = { .ring = r, .n = holds };
	struct note *n;

	word.holders[0].node = (uint16_t)(2 - i);
	word.holders[0].inc = w->inc[1 - i];
	w->bus[i].now = w->now;
	n = bus_note(&w->bus[i], NOTE_KEYS, NULL, 0);
	n->ref = &word;
	n = bus_take(&w->bus[i]);
	link_note(w->l[i], n, &w->bus[i]);
	free(n);
	world_settle(w, i);
}

static uint64_t
counter(const struct datagram *d)
{
	struct rbuf r;

	rbuf_init(&r, d->data + COUNTER, 8);
	return rbuf_u64(&r);
}

/* Datagrams to node `to` since `from` of this generation. */
static unsigned
sent(const struct world *w, unsigned to, unsigned from, uint8_t gen)
{
	unsigned i, n = 0;

	ATF_REQUIRE(w->nkept < KEPT);
	for (i = from; i < w->nkept; i++)
		n += w->kept[i].to == to && w->kept[i].data[KEYID] == gen;
	return n;
}

static void
nothing_refused(struct world *w)
{
	ATF_CHECK_EQ(0, link_rejects(w->l[0], 0, LR_KEY));
	ATF_CHECK_EQ(0, link_rejects(w->l[1], 0, LR_KEY));
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
}

ATF_TC_WITHOUT_HEAD(whole_change);
ATF_TC_BODY(whole_change, tc)
{
	struct world *w = world_connected();
	uint64_t last[2] = { 0, 0 };
	unsigned i, from;

	/* One accepts it earlier than the other: all use the old one still. */
	tell(w, 0, ring(true, true, 0), false);
	world_run(w, 300000);
	tell(w, 1, ring(true, true, 0), true);
	tell(w, 0, ring(true, true, 0), true);
	world_run(w, 300000);
	ATF_CHECK_EQ(0, sent(w, 0, 0, 1) + sent(w, 1, 0, 1));
	/* One uses it, and then the other. */
	tell(w, 0, ring(true, true, 1), true);
	from = w->nkept;
	world_run(w, 300000);
	ATF_CHECK_EQ(0, sent(w, 1, from, 0));
	ATF_CHECK(sent(w, 1, from, 1) > 0);
	ATF_CHECK(link_old_heard(w->l[0]) > 0);
	tell(w, 1, ring(true, true, 1), true);
	from = w->nkept;
	world_run(w, 300000);
	ATF_CHECK_EQ(0, sent(w, 0, from, 0) + sent(w, 1, from, 0));
	ATF_CHECK_EQ(0, link_old_heard(w->l[1]));
	/* One drops the old one, and then the other. */
	tell(w, 0, ring(false, true, 1), false);
	world_run(w, 300000);
	tell(w, 1, ring(false, true, 1), false);
	world_message(w, 0, CHAN_ORDER, 0, 2000);
	world_run(w, 300000);
	ATF_CHECK_EQ(1, w->told[1].messages);
	nothing_refused(w);
	/* S1: counters go on through all of it. */
	for (i = 0; i < w->nkept; i++) {
		ATF_CHECK(counter(&w->kept[i]) > last[w->kept[i].to]);
		last[w->kept[i].to] = counter(&w->kept[i]);
	}
	world_free(w);
}

/* It comes back with the old key while the others use the new one. */
ATF_TC_WITHOUT_HEAD(was_away);
ATF_TC_BODY(was_away, tc)
{
	struct world *w = world_connected();
	unsigned from;

	tell(w, 0, ring(true, true, 0), true);
	tell(w, 1, ring(true, true, 0), true);
	tell(w, 0, ring(true, true, 1), true);
	world_run(w, 100000);
	world_start(w, 1, 201, world_key);
	world_settle(w, 1);
	from = w->nkept;
	world_run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	ATF_CHECK(sent(w, 1, from, 0) > 0);
	/* It is given the new one, and confirms. */
	tell(w, 1, ring(true, true, 1), true);
	tell(w, 0, ring(true, true, 1), true);
	from = w->nkept;
	world_run(w, 500000);
	ATF_CHECK_EQ(0, sent(w, 0, from, 0) + sent(w, 1, from, 0));
	ATF_CHECK_EQ(0, w->told[1].down);
	world_free(w);
}

/* The others used the new key, then dropped the old one, and it was not told. */
ATF_TC_WITHOUT_HEAD(missed_the_change);
ATF_TC_BODY(missed_the_change, tc)
{
	struct world *w = world_connected();
	unsigned from;

	tell(w, 0, ring(true, true, 0), true);
	tell(w, 1, ring(true, true, 0), true);
	world_run(w, 100000);
	tell(w, 0, ring(false, true, 1), false);
	world_run(w, 100000);
	from = w->nkept;
	world_run(w, 1000000);
	ATF_CHECK_EQ(0, sent(w, 0, from, 0));
	ATF_CHECK(sent(w, 0, from, 1) > 0);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/* One has the new key only, by a copy of the file; the other both. */
ATF_TC_WITHOUT_HEAD(new_key_only);
ATF_TC_BODY(new_key_only, tc)
{
	struct world *w = world_new();

	world_start(w, 0, 100, world_key);
	tell(w, 0, ring(true, true, 0), false);
	world_start(w, 1, 200, world_key);
	tell(w, 1, ring(false, true, 1), false);
	world_run(w, 1000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[1].up);
	world_free(w);
}

/* It has this in its file, and was told nothing yet. */
static void
start_with(struct world *w, unsigned i, uint64_t inc, struct keyring r)
{
	struct datagram *d;

	world_start(w, i, inc, world_key);
	tell(w, i, r, false);
	w->l[i]->told = false;
	while ((d = STAILQ_FIRST(&w->path)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->path, entry);
		free(d);
	}
}

/* Each went on alone with a key of its own; the old one is what both have. */
ATF_TC_WITHOUT_HEAD(two_histories);
ATF_TC_BODY(two_histories, tc)
{
	static const uint8_t other[KEYRING_KEY_LEN] = { 9 };
	struct keyring r = ring(true, true, 1);
	uint8_t gen;

	memcpy(r.k[1].key, other, sizeof(other));
	for (gen = 1; gen <= 2; gen++) {
		struct world *w = world_new();

		r.k[1].gen = r.use = r.last = gen;
		start_with(w, 0, 100, ring(true, true, 1));
		start_with(w, 1, 200, r);
		world_run(w, 3000000);
		ATF_CHECK_EQ(1, w->told[0].up);
		ATF_CHECK_EQ(1, w->told[1].up);
		ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
		world_free(w);
	}
}

/* They met by the new key, and are in a view in which the old one is used. */
ATF_TC_WITHOUT_HEAD(met_by_the_new);
ATF_TC_BODY(met_by_the_new, tc)
{
	struct world *w = world_new();
	unsigned from;

	start_with(w, 0, 100, ring(true, true, 1));
	start_with(w, 1, 200, ring(true, true, 1));
	world_run(w, 300000);
	ATF_CHECK_EQ(1, w->told[0].up);
	tell(w, 0, ring(true, true, 0), true);
	tell(w, 1, ring(true, true, 0), true);
	link_vouch(w->l[0], 5, false, w->now);
	link_vouch(w->l[1], 5, false, w->now);
	from = w->nkept;
	world_run(w, 300000);
	ATF_CHECK_EQ(0, sent(w, 0, from, 1) + sent(w, 1, from, 1));
	ATF_CHECK(sent(w, 0, from, 0) > 0);
	/* One sees a later view, in which the new one is used. */
	link_vouch(w->l[1], 6, false, w->now);
	tell(w, 1, ring(true, true, 1), true);
	world_run(w, 300000);
	from = w->nkept;
	world_run(w, 300000);
	ATF_CHECK_EQ(0, sent(w, 1, from, 0));
	ATF_CHECK(sent(w, 1, from, 1) > 0);
	nothing_refused(w);
	world_free(w);
}

/* A generation gets another key: what was heard with the old one is over. */
ATF_TC_WITHOUT_HEAD(other_key);
ATF_TC_BODY(other_key, tc)
{
	static const uint8_t other[KEYRING_KEY_LEN] = { 9 };
	struct world *w = world_connected();
	struct keyring r = ring(true, true, 0);
	unsigned from;

	tell(w, 0, ring(true, true, 1), true);
	tell(w, 1, ring(true, true, 1), true);
	world_run(w, 300000);
	memcpy(r.k[1].key, other, sizeof(other));
	w->asleep[1] = true;
	tell(w, 0, r, false);
	from = w->nkept;
	world_run(w, 100000);
	ATF_CHECK_EQ(0, sent(w, 1, from, 1));
	ATF_CHECK(sent(w, 1, from, 0) > 0);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(no_key_in_common);
ATF_TC_BODY(no_key_in_common, tc)
{
	struct world *w = world_new();

	world_start(w, 0, 100, world_key);
	world_start(w, 1, 200, world_key);
	tell(w, 1, ring(false, true, 1), false);
	world_run(w, 1000000);
	ATF_CHECK_EQ(0, w->told[0].up + w->told[1].up);
	ATF_CHECK(link_rejects(w->l[0], 2, LR_KEY) > 0);
	ATF_CHECK(link_rejects(w->l[1], 1, LR_KEY) > 0);
	ATF_CHECK_STREQ("node 2: datagrams in its name refused, because they "
			"are of generation 1 of the cluster key, and here is "
			"only 0: copy the key file of node 2 to this node, and "
			"start clusterd here anew",
	    w->told[0].event);
	ATF_CHECK_STREQ("node 1: datagrams in its name refused, because they "
			"are of generation 0 of the cluster key, and 1 is in "
			"use: copy the key file of this node to it, and start "
			"clusterd there anew",
	    w->told[1].event);
	world_free(w);
}

/* What was recorded under the old key opens nothing any more. */
ATF_TC_WITHOUT_HEAD(dropped_is_dropped);
ATF_TC_BODY(dropped_is_dropped, tc)
{
	static const uint8_t other[KEYRING_KEY_LEN] = { 9 };
	struct world *w = world_connected();
	struct keyring r = ring(false, true, 1);
	uint64_t before;
	unsigned i, n;

	tell(w, 0, ring(true, true, 1), true);
	tell(w, 1, ring(true, true, 1), true);
	world_run(w, 100000);
	tell(w, 0, r, false);
	tell(w, 1, r, false);
	n = w->nkept;
	w->asleep[1] = true;
	/* A counter that was never used, so that it is not refused for it. */
	before = link_rejects(w->l[0], 2, LR_KEY);
	for (i = 0; i < n; i++) {
		if (w->kept[i].to != 0 || w->kept[i].data[KEYID] != 0)
			continue;
		w->kept[i].data[COUNTER + 4]++;
		world_packet(w, 0, w->kept[i].link, w->kept[i].data,
		    w->kept[i].len);
		before++;
	}
	ATF_CHECK_EQ(before, link_rejects(w->l[0], 2, LR_KEY));
	/* Another key of a generation that is held does not count as it. */
	memcpy(r.k[0].key, other, sizeof(other));
	tell(w, 0, r, false);
	w->asleep[1] = false;
	world_run(w, 200000);
	ATF_CHECK(link_rejects(w->l[0], 2, LR_KEY) > before);
	world_free(w);
}

/* A beat process says all with both keys, since it hears nobody. */
ATF_TC_WITHOUT_HEAD(beats_of_both);
ATF_TC_BODY(beats_of_both, tc)
{
	static const bool has[3][2] = { { true, false }, { false, true },
		{ true, true } };
	struct seal_gen keys[KEYRING_MAX];
	struct actions out;
	struct action *act;
	struct world *w;
	struct beat *b;
	unsigned i, n;

	memset(keys, 0, sizeof(keys));
	keys[0].set = keys[1].set = true;
	keys[1].gen = 1;
	seal_derive(&keys[0].key, world_key, SEAL_BEAT, 2, 200);
	seal_derive(&keys[1].key, newer, SEAL_BEAT, 2, 200);
	for (i = 0; i < NITEMS(has); i++) {
		w = world_connected();
		tell(w, 0, ring(true, true, 0), true);
		tell(w, 1, ring(true, true, 0), true);
		tell(w, 0, ring(has[i][0], has[i][1], !has[i][0]), true);
		b = beat_new(w->conf[1], 2, 200);
		ATF_REQUIRE(b != NULL);
		actions_init(&out);
		beat_ended(b, WE_SIGNAL, 9, &out);
		ATF_CHECK_EQ(0, out.n); /* it has no key yet */
		beat_free(b);
		b = beat_new(w->conf[1], 2, 200);
		beat_keys(b, keys);
		beat_ended(b, WE_SIGNAL, 9, &out);
		for (n = 0; (act = actions_take(&out)) != NULL; n++) {
			world_sent(w, 1, act);
			free(act);
		}
		ATF_CHECK_EQ(2 * 2 * BEAT_REPEAT, n);
		w->asleep[1] = true;
		world_run(w, 50000);
		ATF_CHECK_EQ_MSG(1, w->told[0].down, "case %u", i);
		ATF_CHECK_STREQ("its engine has ended (signal 9)",
		    w->told[0].why);
		beat_free(b);
		world_free(w);
	}
}

/* Once a session stands, what both machines are fast at; a hello before. */
ATF_TC_WITHOUT_HEAD(ciphers);
ATF_TC_BODY(ciphers, tc)
{
	struct world *w;
	unsigned i, n = 0;

	if (!seal_aes_works())
		atf_tc_skip("this machine has no instructions for AES-GCM");
	w = world_connected();
	ATF_CHECK_EQ(WV_ENGINE, w->kept[0].data[VOICE]);
	i = w->nkept;
	world_run(w, 300000);
	ATF_REQUIRE(w->nkept < KEPT);
	for (; i < w->nkept; i++, n++)
		ATF_CHECK_EQ(WV_ENGINE_AES, w->kept[i].data[VOICE]);
	ATF_CHECK(n > 0);
	/* A new life is not met with what only the old one was known to open. */
	world_start(w, 1, 201, world_key);
	world_settle(w, 1);
	world_run(w, 1000000);
	ATF_CHECK_EQ(201, w->told[0].inc);
	ATF_CHECK_EQ(0, link_rejects(w->l[1], 1, LR_VERSION));
	ATF_CHECK_EQ(0, link_rejects(w->l[1], 1, LR_KEY));
	ATF_CHECK_EQ(0, link_rejects(w->l[0], 2, LR_KEY));
	world_free(w);
}

ATF_TP_ADD_TCS(tp)
{
	/* Else nobody has AES. */
	if (sodium_init() == -1)
		return atf_no_memory_error();
	ATF_TP_ADD_TC(tp, ciphers);
	ATF_TP_ADD_TC(tp, whole_change);
	ATF_TP_ADD_TC(tp, was_away);
	ATF_TP_ADD_TC(tp, missed_the_change);
	ATF_TP_ADD_TC(tp, new_key_only);
	ATF_TP_ADD_TC(tp, two_histories);
	ATF_TP_ADD_TC(tp, met_by_the_new);
	ATF_TP_ADD_TC(tp, other_key);
	ATF_TP_ADD_TC(tp, no_key_in_common);
	ATF_TP_ADD_TC(tp, dropped_is_dropped);
	ATF_TP_ADD_TC(tp, beats_of_both);
	return atf_no_error();
}
