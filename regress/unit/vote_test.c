/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the arithmetic of votes: tables of every rule, the formulas of
 * votequorum next to ours, that of two disjoint sets at most one wins, what
 * the next electorate is, with options that are set too, and that it survives
 * the way through bytes.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/vote.h"

static const struct vote_nodes none;

/* votes of nodes 1, 2, ...: one digit each */
static struct conf *
make_conf(const char *votes)
{
	struct conf *c = conf_new();
	unsigned i;

	ATF_REQUIRE(c != NULL);
	c->nnodes = (unsigned)strlen(votes);
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].id = (uint16_t)(i + 1);
		c->nodes[i].votes = (uint8_t)(votes[i] - '0');
	}
	return c;
}

static struct vote_nodes
set_of(const char *digits)
{
	struct vote_nodes s = { .n = 0 };

	for (; *digits != '\0'; digits++)
		vote_add(&s, (uint16_t)(*digits - '0'));
	return s;
}

static struct vote_nodes
set_of_mask(unsigned mask)
{
	struct vote_nodes s = { .n = 0 };
	unsigned i;

	for (i = 0; i < 16; i++) {
		if ((mask >> i & 1) != 0)
			vote_add(&s, (uint16_t)(i + 1));
	}
	return s;
}

struct row {
	const char *votes, *present, *left;
	bool two, lms;
	enum conf_tie tie;
	enum vote_rule rule;
	unsigned expected, needed;
};

static const struct row rows[] = {
	{ "1", "1", "", 0, 0, TIE_NONE, VOTE_MAJORITY, 1, 1 },
	{ "111", "12", "", 0, 0, TIE_NONE, VOTE_MAJORITY, 3, 2 },
	{ "111", "3", "", 0, 0, TIE_NONE, VOTE_NONE, 3, 2 },
	/* Half is not more than half, unless the tie is broken for it. */
	{ "1111", "12", "", 0, 0, TIE_NONE, VOTE_NONE, 4, 3 },
	{ "1111", "12", "", 0, 0, TIE_LOWEST, VOTE_TIE, 4, 3 },
	{ "1111", "34", "", 0, 0, TIE_LOWEST, VOTE_NONE, 4, 3 },
	{ "1111", "34", "", 0, 0, TIE_HIGHEST, VOTE_TIE, 4, 3 },
	{ "1111", "1", "", 0, 0, TIE_LOWEST, VOTE_NONE, 4, 3 },
	{ "1111", "123", "", 0, 0, TIE_LOWEST, VOTE_MAJORITY, 4, 3 },
	{ "11", "1", "", 0, 0, TIE_LOWEST, VOTE_TIE, 2, 2 },
	{ "11", "2", "", 0, 0, TIE_LOWEST, VOTE_NONE, 2, 2 },
	{ "11111", "12", "", 0, 0, TIE_NONE, VOTE_NONE, 5, 3 },
	{ "11111", "345", "", 0, 0, TIE_NONE, VOTE_MAJORITY, 5, 3 },
	/* Weights. */
	{ "311", "1", "", 0, 0, TIE_NONE, VOTE_MAJORITY, 5, 3 },
	{ "311", "23", "", 0, 0, TIE_NONE, VOTE_NONE, 5, 3 },
	{ "211", "23", "", 0, 0, TIE_NONE, VOTE_NONE, 4, 3 },
	{ "211", "23", "", 0, 0, TIE_HIGHEST, VOTE_TIE, 4, 3 },
	/* A node without votes counts for nothing, and breaks no tie. */
	{ "110", "13", "", 0, 0, TIE_NONE, VOTE_NONE, 2, 2 },
	{ "110", "13", "", 0, 0, TIE_HIGHEST, VOTE_NONE, 2, 2 },
	{ "110", "12", "", 0, 0, TIE_NONE, VOTE_MAJORITY, 2, 2 },
	{ "000", "123", "", 0, 0, TIE_NONE, VOTE_NONE, 0, 1 },
	/* Two nodes: one is enough.  It means two voters, not more. */
	{ "11", "1", "", 1, 0, TIE_NONE, VOTE_TWO_NODE, 2, 1 },
	{ "110", "1", "", 1, 0, TIE_NONE, VOTE_TWO_NODE, 2, 1 },
	{ "110", "3", "", 1, 0, TIE_NONE, VOTE_NONE, 2, 1 },
	{ "111", "1", "", 1, 0, TIE_NONE, VOTE_NONE, 3, 2 },
	{ "111", "23", "", 0, 1, TIE_NONE, VOTE_DYNAMIC, 3, 2 },
	/* Who left does not count, neither way. */
	{ "111", "1", "3", 0, 0, TIE_NONE, VOTE_NONE, 2, 2 },
	{ "111", "12", "3", 0, 0, TIE_NONE, VOTE_MAJORITY, 2, 2 },
	{ "111", "1", "23", 0, 0, TIE_NONE, VOTE_MAJORITY, 1, 1 },
	{ "111", "23", "23", 0, 0, TIE_NONE, VOTE_NONE, 1, 1 },
	{ "11111", "123", "45", 0, 0, TIE_NONE, VOTE_MAJORITY, 3, 2 },
	{ "1111", "23", "1", 0, 0, TIE_LOWEST, VOTE_MAJORITY, 3, 2 },
	{ "11111", "23", "1", 0, 0, TIE_LOWEST, VOTE_NONE, 4, 3 },
	/* Once all have left, all count again. */
	{ "111", "12", "123", 0, 0, TIE_NONE, VOTE_MAJORITY, 3, 2 },
	{ "111", "1", "123", 0, 0, TIE_NONE, VOTE_NONE, 3, 2 },
};

ATF_TC_WITHOUT_HEAD(table);
ATF_TC_BODY(table, tc)
{
	struct vote_nodes here, left;
	struct electorate e;
	const struct row *r;
	struct conf *c;
	struct tally t;
	unsigned i;

	for (i = 0; i < NITEMS(rows); i++) {
		r = &rows[i];
		c = make_conf(r->votes);
		c->two_node = r->two;
		c->last_man_standing = r->lms;
		c->tie = r->tie;
		here = set_of(r->present);
		left = set_of(r->left);
		electorate_conf(c, &e);
		ATF_CHECK_EQ_MSG(r->rule != VOTE_NONE,
		    electorate_wins(&e, &here, &left, &t), "row %u", i);
		ATF_CHECK_EQ_MSG(r->rule, t.rule, "row %u", i);
		ATF_CHECK_EQ_MSG(r->expected, t.expected, "row %u", i);
		ATF_CHECK_EQ_MSG(r->needed, t.needed, "row %u", i);
		conf_free(c);
	}
}

/* As exec/votequorum.c of corosync 3 has it, without devices. */
static bool
votequorum(unsigned highest_expected, unsigned total, bool two_node, bool atb,
    bool has_atb_node)
{
	unsigned q1 = (highest_expected + 2) / 2, q2 = (total + 2) / 2;
	unsigned quorum = MAX(q1, q2);

	if (two_node)
		quorum = 1;
	if (atb && total * 2 == highest_expected)
		return has_atb_node;
	return total >= quorum;
}

/* Every set of every small cluster, against votequorum's word. */
ATF_TC_WITHOUT_HEAD(like_votequorum);
ATF_TC_BODY(like_votequorum, tc)
{
	static const char *const clusters[] = { "1", "11", "111", "1111",
		"11111", "111111", "1111111", "211", "311", "2211", "1123",
		"1010", "4111" };
	struct electorate e;
	struct vote_nodes here;
	struct conf *c;
	struct tally t;
	unsigned i, mask, tie;
	bool want;

	for (i = 0; i < NITEMS(clusters); i++) {
		for (tie = TIE_NONE; tie <= TIE_HIGHEST; tie++) {
			c = make_conf(clusters[i]);
			c->tie = (enum conf_tie)tie;
			electorate_conf(c, &e);
			for (mask = 0; mask < 1u << c->nnodes; mask++) {
				here = set_of_mask(mask);
				electorate_wins(&e, &here, &none, &t);
				want = votequorum(e.expected, t.votes, false,
				    tie != TIE_NONE, vote_has(&here, e.tie));
				ATF_CHECK_EQ_MSG(want, t.rule != VOTE_NONE,
				    "%s, %x, tie %u", clusters[i], mask, tie);
			}
			conf_free(c);
		}
	}
}

/*
 * last_man_standing: nodes die one by one, from the top.  votequorum lowers
 * expected votes to what is left each time, as long as there is quorum, and
 * needs auto_tie_breaker from two to one.  The same nodes stay quorate here.
 */
ATF_TC_WITHOUT_HEAD(last_man_standing);
ATF_TC_BODY(last_man_standing, tc)
{
	struct electorate e, next;
	struct vote_nodes here;
	struct conf *c;
	struct tally t;
	unsigned n, left, expected;
	bool tie, want;

	for (n = 2; n <= 9; n++) {
		for (tie = false;; tie = true) {
			c = make_conf("111111111");
			c->nnodes = n;
			c->last_man_standing = true;
			c->tie = tie ? TIE_LOWEST : TIE_NONE;
			electorate_conf(c, &e);
			expected = n;
			for (left = n - 1; left >= 1; left--) {
				here = set_of_mask((1u << left) - 1);
				want = votequorum(expected, left, false, tie,
				    true);
				ATF_CHECK_EQ(want,
				    electorate_wins(&e, &here, &none, &t));
				if (!want)
					break;
				electorate_next(c, &e, NULL, &none, &here,
				    &here, &next);
				expected = left;
				ATF_CHECK_EQ(expected, next.expected);
				e = next;
			}
			ATF_CHECK_EQ(tie ? 0u : 1u, left);
			conf_free(c);
			if (tie)
				break;
		}
	}
}

/*
 * E6: whatever two disjoint sets know of who has left, at most one wins; and
 * who wins shares a node with who blocks.
 */
ATF_TC_WITHOUT_HEAD(disjoint_sets);
ATF_TC_BODY(disjoint_sets, tc)
{
	static const char *const clusters[] = { "1", "11", "111", "1111",
		"11111", "211", "2211", "21111", "3111", "1010" };
	struct vote_nodes a, b, la, lb;
	struct electorate e;
	struct conf *c;
	struct tally t;
	unsigned i, tie, ma, mb, gone, ka, kb, all;

	for (i = 0; i < NITEMS(clusters); i++) {
		for (tie = TIE_NONE; tie <= TIE_HIGHEST; tie++) {
			c = make_conf(clusters[i]);
			c->tie = (enum conf_tie)tie;
			electorate_conf(c, &e);
			all = 1u << c->nnodes;
			for (gone = 0; gone < all; gone++) {
				for (ma = 0; ma < all; ma++) {
					mb = (all - 1) & ~ma;
					/* Each knows of its own, at least. */
					ka = gone & (ma | (ma * 7 + gone));
					kb = gone & (mb | (mb * 5));
					a = set_of_mask(ma);
					b = set_of_mask(mb);
					la = set_of_mask(ka);
					lb = set_of_mask(kb);
					ATF_REQUIRE(
					    !electorate_wins(&e, &a, &la, &t) ||
					    !electorate_wins(&e, &b, &lb, &t));
					if (electorate_wins(&e, &a, &none, &t))
						ATF_REQUIRE(
						    !electorate_blocks(&e, &b));
				}
			}
			conf_free(c);
		}
	}
}

static bool
counts(const struct electorate *e, const char *digits)
{
	struct vote_nodes want = set_of(digits);
	unsigned i;

	for (i = 0; i < e->n; i++) {
		if (e->v[i].counts != vote_has(&want, e->v[i].node))
			return false;
	}
	return true;
}

ATF_TC_WITHOUT_HEAD(next_electorate);
ATF_TC_BODY(next_electorate, tc)
{
	struct conf *c = make_conf("11111");
	struct vote_nodes all = set_of("12345"), abc = set_of("123"),
			  ab = set_of("12"), e45 = set_of("45");
	struct electorate file, e, next;

	/* Nothing ever changes without an option. */
	electorate_conf(c, &file);
	ATF_CHECK(electorate_static(&file));
	electorate_next(c, &file, NULL, &e45, &abc, &abc, &next);
	ATF_CHECK(electorate_eq(&file, &next));
	/* Who left is taken out, and is back with the state. */
	c->downscale = true;
	electorate_conf(c, &file);
	ATF_CHECK(!electorate_static(&file));
	electorate_next(c, &file, NULL, &e45, &abc, &abc, &e);
	ATF_CHECK(counts(&e, "123") && e.expected == 3);
	electorate_next(c, &e, NULL, &none, &all, &abc, &next);
	ATF_CHECK(counts(&next, "123") && next.expected == 3);
	electorate_next(c, &next, NULL, &none, &all, &all, &e);
	ATF_CHECK(counts(&e, "12345") && e.expected == 5);
	/* Who was lost counts still. */
	electorate_next(c, &file, NULL, &none, &abc, &abc, &e);
	ATF_CHECK(counts(&e, "12345"));
	/* Dynamic voting: members with the state. */
	c->downscale = false;
	c->last_man_standing = true;
	c->tie = TIE_HIGHEST;
	electorate_conf(c, &file);
	ATF_CHECK_EQ(5, file.tie);
	electorate_next(c, &file, NULL, &none, &abc, &ab, &e);
	ATF_CHECK(counts(&e, "12") && e.expected == 2);
	ATF_CHECK_EQ(2, e.tie);
	/* Members without a vote leave those in charge who were. */
	c->nodes[0].votes = c->nodes[1].votes = 0;
	electorate_conf(c, &file);
	electorate_next(c, &file, NULL, &none, &all, &ab, &e);
	ATF_CHECK(electorate_eq(&file, &e));
	conf_free(c);
}

/* The first of the list that is there; nobody else. */
ATF_TC_WITHOUT_HEAD(tie_list);
ATF_TC_BODY(tie_list, tc)
{
	struct conf *c = make_conf("1111");
	struct vote_nodes all = set_of("1234"), s;
	struct electorate file, e;

	c->tie = TIE_LIST;
	c->ntie = 2;
	c->tie_nodes[0] = 3;
	c->tie_nodes[1] = 2;
	electorate_conf(c, &file);
	ATF_CHECK_EQ(3, file.tie);
	s = set_of("124");
	electorate_next(c, &file, NULL, &none, &s, &s, &e);
	ATF_CHECK_EQ(2, e.tie);
	s = set_of("134");
	electorate_next(c, &e, NULL, &none, &s, &s, &e);
	ATF_CHECK_EQ(3, e.tie);
	c->tie_nodes[0] = c->tie_nodes[1];
	c->ntie = 1;
	electorate_next(c, &file, NULL, &none, &s, &s, &e);
	ATF_CHECK_EQ(0, e.tie);
	electorate_next(c, &file, NULL, &none, &all, &all, &e);
	ATF_CHECK_EQ(2, e.tie);
	conf_free(c);
}

/* The operator's word: more, fewer, other votes, and back to the file. */
ATF_TC_WITHOUT_HEAD(wishes);
ATF_TC_BODY(wishes, tc)
{
	struct conf *c = make_conf("11111");
	struct vote_nodes all = set_of("12345"), abc = set_of("123");
	struct vote_wish w = { .serial = 1, .set = true, .expected = 3 };
	struct electorate file, e, next;

	electorate_conf(c, &file);
	electorate_next(c, &file, &w, &none, &abc, &abc, &e);
	ATF_CHECK(counts(&e, "123") && e.expected == 3 && e.set);
	ATF_CHECK_EQ(1, e.serial);
	ATF_CHECK(!electorate_static(&e));
	/* Done once; who comes back raises it again. */
	electorate_next(c, &e, &w, &none, &all, &all, &next);
	ATF_CHECK(counts(&next, "12345") && next.expected == 5);
	/* More than there are. */
	w.serial = 2;
	w.expected = 7;
	electorate_next(c, &next, &w, &none, &all, &all, &e);
	ATF_CHECK(counts(&e, "12345") && e.expected == 7);
	/* More than the members can win is not done. */
	w.serial = 3;
	w.expected = 8;
	electorate_next(c, &file, &w, &none, &abc, &abc, &next);
	ATF_CHECK(next.expected == 5 && next.serial == 3 && !next.set);
	/* Votes of one node. */
	w.serial = 4;
	w.expected = 0;
	w.n = 1;
	w.v[0].node = 2;
	w.v[0].votes = 4;
	electorate_next(c, &file, &w, &none, &abc, &abc, &e);
	ATF_CHECK_EQ(8, e.expected);
	ATF_CHECK_EQ(4, electorate_voter(&e, 2)->votes);
	electorate_next(c, &e, NULL, &none, &all, &all, &next);
	ATF_CHECK(electorate_eq(&e, &next));
	/* None for who is away, and some again. */
	w.serial = 5;
	w.v[0].node = 5;
	w.v[0].votes = 0;
	electorate_next(c, &file, &w, &none, &all, &all, &e);
	ATF_CHECK(counts(&e, "1234") && e.expected == 4);
	memset(&w, 0, sizeof(w));
	w.serial = 6;
	electorate_next(c, &e, &w, &none, &abc, &abc, &next);
	ATF_CHECK(counts(&next, "12345") && next.expected == 5);
	/* Fewer are expected than there are: until that is taken back. */
	w.serial = 7;
	w.set = true;
	w.expected = 4;
	electorate_next(c, &file, &w, &none, &abc, &abc, &e);
	ATF_CHECK(counts(&e, "123") && e.expected == 4);
	memset(&w, 0, sizeof(w));
	w.serial = 8;
	electorate_next(c, &e, &w, &none, &abc, &abc, &next);
	ATF_CHECK(counts(&next, "12345") && next.expected == 5);
	/* Back. */
	w.serial = 9;
	electorate_next(c, &e, &w, &none, &all, &all, &next);
	ATF_CHECK(electorate_static(&next));
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(merge);
ATF_TC_BODY(merge, tc)
{
	struct conf *c = make_conf("11111");
	struct vote_nodes abc = set_of("123"), ab = set_of("12"),
			  all = set_of("12345"), four = set_of("1245");
	struct electorate a, b;

	c->last_man_standing = true;
	electorate_conf(c, &a);
	electorate_next(c, &a, NULL, &none, &abc, &abc, &b);
	a = b;
	electorate_next(c, &a, NULL, &none, &ab, &ab, &b);
	electorate_merge(&a, &b);
	ATF_CHECK(a.every && counts(&a, "123"));
	ATF_CHECK(electorate_blocks(&a, &abc) && electorate_blocks(&a, &all));
	ATF_CHECK(!electorate_blocks(&a, &four));
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(bytes);
ATF_TC_BODY(bytes, tc)
{
	struct conf *c = make_conf("12345");
	struct electorate a, b;
	struct rbuf r;
	struct wbuf w;
	size_t len;

	c->last_man_standing = true;
	c->tie = TIE_HIGHEST;
	electorate_conf(c, &a);
	a.set = true;
	a.serial = 9;
	wbuf_init(&w, 4096);
	electorate_put(&w, &a);
	rbuf_init(&r, w.data, w.len);
	electorate_get(&r, &b);
	ATF_CHECK(rbuf_done(&r) && electorate_same(&a, &b));
	for (len = 0; len < w.len; len++) {
		rbuf_init(&r, w.data, len);
		electorate_get(&r, &b);
		ATF_CHECK(r.err && b.n == 0);
	}
	wbuf_free(&w);
	/* Fewer than those that count cannot be expected. */
	a.expected--;
	wbuf_init(&w, 4096);
	electorate_put(&w, &a);
	rbuf_init(&r, w.data, w.len);
	electorate_get(&r, &b);
	ATF_CHECK(r.err);
	wbuf_free(&w);
	conf_free(c);
}

/* One option by its text, as an order has it. */
static struct vote_options
option(const struct conf *c, const char *text)
{
	struct vote_options o;
	enum vote_option which;
	char why[256];

	ATF_REQUIRE_MSG(option_parse(c, text, &o, &which, why, sizeof(why)),
	    "%s: %s", text, why);
	ATF_CHECK_EQ(1u << which, o.given);
	return o;
}

/* Each option is given alone, decides from then on, and goes back alone. */
ATF_TC_WITHOUT_HEAD(options);
ATF_TC_BODY(options, tc)
{
	struct conf *c = make_conf("11111");
	struct vote_nodes all = set_of("12345"), abc = set_of("123"),
			  ab = set_of("12");
	struct vote_wish w = { .serial = 1 };
	struct electorate file, e, next;

	electorate_conf(c, &file);
	ATF_CHECK(file.opt.known && file.opt.given == 0);
	w.opt = option(c, "last_man_standing true");
	ATF_CHECK(!wish_granted(&w, &file));
	electorate_next(c, &file, &w, &none, &abc, &abc, &e);
	ATF_CHECK(wish_granted(&w, &e) && options_rule(&e));
	ATF_CHECK(counts(&e, "123") && e.dynamic && e.downscale && e.tie == 0);
	ATF_CHECK(!electorate_eq(&file, &e) && !electorate_static(&e));
	/* It goes on without an order, and whatever the file says of others. */
	c->tie = TIE_HIGHEST;
	electorate_next(c, &e, NULL, &none, &ab, &ab, &next);
	ATF_CHECK(counts(&next, "12") && next.tie == 2 && next.dynamic);
	ATF_CHECK_EQ(w.opt.given, next.opt.given);
	/* Another one beside it. */
	w.serial = 2;
	w.opt = next.opt;
	e = next;
	options_give(&w.opt, &(struct vote_options){ .tie = TIE_LOWEST },
	    OPT_TIE);
	electorate_next(c, &e, &w, &none, &ab, &ab, &next);
	ATF_CHECK(wish_granted(&w, &next) && next.tie == 1 && next.dynamic);
	/* Back to the file would lose quorum: not done, all stays as it was. */
	e = next;
	memset(&w, 0, sizeof(w));
	w.serial = 3;
	electorate_next(c, &e, &w, &none, &ab, &ab, &next);
	ATF_CHECK(!wish_granted(&w, &next) && next.dynamic && next.tie == 1);
	ATF_CHECK(counts(&next, "12") && next.serial == 3);
	/* With more of them it is, and all of the file count again. */
	electorate_next(c, &e, &w, &none, &abc, &abc, &next);
	ATF_CHECK(wish_granted(&w, &next) && counts(&next, "12345"));
	ATF_CHECK(next.opt.given == 0 && !next.dynamic && next.tie == 3);
	electorate_next(c, &next, NULL, &none, &all, &all, &e);
	ATF_CHECK(counts(&e, "12345"));
	conf_free(c);
}

/* The votes of the device are an option: 0 takes it out of the count. */
ATF_TC_WITHOUT_HEAD(option_device);
ATF_TC_BODY(option_device, tc)
{
	struct conf *c = make_conf("111");
	struct vote_nodes all = set_of("1230"), nodes = set_of("123");
	struct vote_wish w = { .serial = 1, .set = true, .n = 2 };
	struct electorate file, e, next;

	c->qdevice.votes = 2;
	electorate_conf(c, &file);
	ATF_CHECK_EQ(5, file.expected);
	w.opt = option(c, "device_votes 0");
	/* What was written of its votes beside those of nodes is no matter. */
	w.v[0].node = VOTER_DEVICE;
	w.v[0].votes = 2;
	w.v[1].node = 1;
	w.v[1].votes = 3;
	electorate_next(c, &file, &w, &none, &all, &all, &e);
	ATF_CHECK(wish_granted(&w, &e) && e.expected == 5);
	ATF_CHECK(!electorate_voter(&e, VOTER_DEVICE)->counts);
	/* It is there still, and told, and so no electorate is fixed. */
	ATF_CHECK(!electorate_static(&e));
	w.serial = 2;
	w.opt = option(c, "device_votes 4");
	electorate_next(c, &e, &w, &none, &nodes, &nodes, &next);
	/* It counts where it is absent, as it would by the file. */
	ATF_CHECK(next.expected == 9 &&
	    electorate_voter(&next, VOTER_DEVICE)->counts);
	electorate_next(c, &next, NULL, &none, &all, &all, &e);
	ATF_CHECK_EQ(9, e.expected);
	/* A file without a device ends it. */
	c->qdevice.votes = 0;
	electorate_next(c, &e, NULL, &none, &all, &nodes, &next);
	ATF_CHECK(electorate_voter(&next, VOTER_DEVICE) == NULL);
	ATF_CHECK_EQ(0, next.opt.given);
	conf_free(c);
}

/* two_node is what two votes of nodes make of it, whatever the file had. */
ATF_TC_WITHOUT_HEAD(option_two_node);
ATF_TC_BODY(option_two_node, tc)
{
	struct conf *c = make_conf("110");
	struct vote_nodes ab = set_of("12"), all = set_of("123");
	struct vote_wish w = { .serial = 1 };
	struct electorate file, e;
	char why[256];

	c->nodes[0].nlevels = c->nodes[1].nlevels = c->nodes[2].nlevels = 1;
	electorate_conf(c, &file);
	w.opt = option(c, "two_node true");
	electorate_next(c, &file, &w, &none, &ab, &ab, &e);
	ATF_CHECK(e.two_node && options_fit(c, &e.opt, &e, why, sizeof(why)));
	w.serial = 2;
	w.set = true;
	w.n = 1;
	w.v[0].node = 3;
	w.v[0].votes = 1;
	electorate_next(c, &file, &w, &none, &all, &all, &e);
	ATF_CHECK(!e.two_node && e.opt.two_node && options_rule(&e));
	ATF_CHECK(!options_fit(c, &e.opt, &e, why, sizeof(why)));
	ATF_CHECK_STREQ(
	    "two_node is for exactly two nodes with votes, here are 3", why);
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(option_texts);
ATF_TC_BODY(option_texts, tc)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "no option \"\"" },
		{ "last_man_standin true", "no option" },
		{ "last_man_standing", "needs a value" },
		{ "last_man_standing  ", "needs a value" },
		{ "last_man_standing 1", "true or false" },
		{ "last_man_standing true false", "true or false" },
		{ "tie_breaker highest lowest", "\"highest\" is neither" },
		{ "tie_breaker 1 9", "\"9\" is neither" },
		{ "tie_breaker 1 2 1", "listed twice" },
		{ "tie_breaker 111111111111111111111111111111111111111",
		    "neither" },
		{ "device_votes -1", "0 to 255" },
		{ "device_votes 256", "0 to 255" },
		{ "device_votes x", "0 to 255" },
	};
	struct conf *c = make_conf("111");
	struct vote_options o;
	enum vote_option which;
	char why[256], text[64];
	unsigned i;

	c->qdevice.votes = 1;
	for (i = 0; i < NITEMS(bad); i++) {
		ATF_CHECK_MSG(!option_parse(c, bad[i].text, &o, &which, why,
				  sizeof(why)),
		    "%s", bad[i].text);
		ATF_CHECK_MSG(strstr(why, bad[i].why) != NULL, "%s: %s",
		    bad[i].text, why);
	}
	o = option(c, "tie_breaker 3  1 ");
	option_text(&o, OPT_TIE, text, sizeof(text));
	ATF_CHECK_STREQ("node 3 node 1", text);
	o = option(c, "tie_breaker lowest");
	option_text(&o, OPT_TIE, text, sizeof(text));
	ATF_CHECK_STREQ("lowest", text);
	o = option(c, "device_votes 255");
	option_text(&o, OPT_DEVICE, text, sizeof(text));
	ATF_CHECK_STREQ("255", text);
	o = option(c, "wait_for_all false");
	option_text(&o, OPT_WAIT_FOR_ALL, text, sizeof(text));
	ATF_CHECK_STREQ("false", text);
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(option_bytes);
ATF_TC_BODY(option_bytes, tc)
{
	struct vote_options a, b;
	struct rbuf r;
	struct wbuf w;
	size_t len;

	memset(&a, 0, sizeof(a));
	a.known = a.downscale = a.last_man = true;
	a.given = 1 << OPT_TIE | 1 << OPT_DOWNSCALE;
	a.tie = TIE_LIST;
	a.ntie = 2;
	a.tie_nodes[0] = 7;
	a.tie_nodes[1] = 3;
	a.device = 9;
	wbuf_init(&w, 256);
	options_put(&w, &a);
	rbuf_init(&r, w.data, w.len);
	options_get(&r, &b);
	ATF_CHECK(rbuf_done(&r) && options_eq(&a, &b));
	for (len = 0; len < w.len; len++) {
		rbuf_init(&r, w.data, len);
		options_get(&r, &b);
		ATF_CHECK(r.err && !b.known);
	}
	/* A list that is empty, of node 0, or of another kind; no such kind. */
	w.data[w.len - 1] = 0;
	rbuf_init(&r, w.data, w.len);
	options_get(&r, &b);
	ATF_CHECK(r.err);
	w.data[w.len - 1] = 3;
	w.data[2] = TIE_LOWEST;
	rbuf_init(&r, w.data, w.len);
	options_get(&r, &b);
	ATF_CHECK(r.err);
	w.data[2] = TIE_LIST + 1;
	rbuf_init(&r, w.data, w.len);
	options_get(&r, &b);
	ATF_CHECK(r.err);
	wbuf_free(&w);
}

static bool
wins(const struct electorate *e, const char *present, const char *left)
{
	struct vote_nodes p = set_of(present), l = set_of(left);
	struct tally t;

	return electorate_wins(e, &p, &l, &t);
}

/* "0" is the device, which counts like a node and is none. */
ATF_TC_WITHOUT_HEAD(device_is_a_voter);
ATF_TC_BODY(device_is_a_voter, tc)
{
	struct conf *c = make_conf("11");
	struct vote_nodes s = set_of("1"), with = set_of("10");
	struct electorate e, again;
	struct wbuf w;
	struct rbuf r;

	c->qdevice.votes = 1;
	c->tie = TIE_HIGHEST;
	electorate_conf(c, &e);
	ATF_CHECK_EQ(3, e.n);
	ATF_CHECK_EQ(3, e.expected);
	ATF_CHECK_EQ(2, e.tie);
	c->tie = TIE_NONE;
	electorate_conf(c, &e);
	ATF_CHECK(!electorate_static(&e));
	ATF_CHECK(wins(&e, "12", "") && wins(&e, "10", ""));
	ATF_CHECK(!wins(&e, "1", "") && !wins(&e, "0", ""));
	/* It leaves never: when all nodes have, all count again. */
	ATF_CHECK(wins(&e, "10", "2") && !wins(&e, "1", "12"));
	ATF_CHECK(electorate_blocks(&e, &with) && !electorate_blocks(&e, &s));
	/* Won by all votes alone, it is blocked by all nodes alone. */
	e.every = true;
	s = set_of("12");
	ATF_CHECK(electorate_blocks(&e, &s) && !wins(&e, "12", ""));
	e.every = false;
	/* Who does not count with last_man_standing is who is not able to. */
	c->last_man_standing = true;
	electorate_next(c, &e, NULL, &none, &s, &s, &again);
	ATF_CHECK(!electorate_voter(&again, VOTER_DEVICE)->counts);
	ATF_CHECK_EQ(2, again.expected);
	electorate_next(c, &e, NULL, &none, &with, &with, &again);
	ATF_CHECK(electorate_voter(&again, VOTER_DEVICE)->counts);
	wbuf_init(&w, 4096);
	electorate_put(&w, &again);
	rbuf_init(&r, w.data, w.len);
	electorate_get(&r, &e);
	ATF_CHECK(rbuf_done(&r) && electorate_same(&e, &again));
	wbuf_free(&w);
	conf_free(c);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, table);
	ATF_TP_ADD_TC(tp, like_votequorum);
	ATF_TP_ADD_TC(tp, last_man_standing);
	ATF_TP_ADD_TC(tp, disjoint_sets);
	ATF_TP_ADD_TC(tp, next_electorate);
	ATF_TP_ADD_TC(tp, tie_list);
	ATF_TP_ADD_TC(tp, wishes);
	ATF_TP_ADD_TC(tp, merge);
	ATF_TP_ADD_TC(tp, bytes);
	ATF_TP_ADD_TC(tp, device_is_a_voter);
	ATF_TP_ADD_TC(tp, options);
	ATF_TP_ADD_TC(tp, option_device);
	ATF_TP_ADD_TC(tp, option_two_node);
	ATF_TP_ADD_TC(tp, option_texts);
	ATF_TP_ADD_TC(tp, option_bytes);
	return atf_no_error();
}
