/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the arithmetic of quorum: majority of all votes, weights, nodes
 * without a vote, wait_for_all, two_node.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/quorum.h"

struct row {
	const char *votes;   /* of nodes 1, 2, ... one digit each */
	const char *present; /* which of them */
	bool ever, wait, two;
	bool quorate, waits;
	unsigned needed;
};

static const struct row rows[] = {
	{ "1", "1", false, false, false, true, false, 1 },
	{ "111", "12", false, false, false, true, false, 2 },
	{ "111", "3", true, true, false, false, false, 2 },
	{ "111", "13", false, true, false, false, true, 2 },
	{ "111", "123", false, true, false, true, false, 2 },
	{ "111", "13", true, true, false, true, false, 2 },
	/* Half is not more than half. */
	{ "1111", "12", true, false, false, false, false, 3 },
	{ "1111", "123", true, false, false, true, false, 3 },
	{ "11111", "12", true, false, false, false, false, 3 },
	{ "11111", "345", true, false, false, true, false, 3 },
	/* Weights. */
	{ "311", "1", true, false, false, true, false, 3 },
	{ "311", "23", true, false, false, false, false, 3 },
	{ "211", "23", true, false, false, false, false, 3 },
	/* A node without votes counts for nothing, and is not waited for. */
	{ "110", "13", true, false, false, false, false, 2 },
	{ "110", "12", false, true, false, true, false, 2 },
	/* Two nodes: one is enough, once both were seen. */
	{ "11", "1", true, true, true, true, false, 1 },
	{ "11", "1", false, true, true, false, true, 1 },
	{ "11", "1", false, false, true, false, true, 1 },
	{ "11", "12", false, true, true, true, false, 1 },
	{ "11", "1", true, false, false, false, false, 2 },
	/* It means two voters, not more. */
	{ "111", "1", true, false, true, false, false, 2 },
	{ "110", "1", true, false, true, true, false, 1 },
};

ATF_TC_WITHOUT_HEAD(table);
ATF_TC_BODY(table, tc)
{
	struct conf *conf = conf_new();
	struct quorum_info qi;
	const struct row *r;
	uint16_t nodes[9];
	unsigned i, k, n;
	bool ok;

	for (i = 0; i < NITEMS(rows); i++) {
		r = &rows[i];
		conf->wait_for_all = r->wait;
		conf->two_node = r->two;
		conf->nnodes = (unsigned)strlen(r->votes);
		for (k = 0; k < conf->nnodes; k++) {
			conf->nodes[k].id = (uint16_t)(k + 1);
			conf->nodes[k].votes = (uint8_t)(r->votes[k] - '0');
		}
		n = (unsigned)strlen(r->present);
		for (k = 0; k < n; k++)
			nodes[k] = (uint16_t)(r->present[k] - '0');
		ok = quorum_count(conf, nodes, n, r->ever, &qi);
		ATF_CHECK_EQ_MSG(r->quorate, ok, "row %u", i);
		ATF_CHECK_EQ_MSG(r->quorate, qi.quorate, "row %u", i);
		ATF_CHECK_EQ_MSG(r->waits, qi.waits_for_all, "row %u", i);
		ATF_CHECK_EQ_MSG(r->needed, qi.needed, "row %u", i);
	}
	conf_free(conf);
}

/* No two disjoint sets of nodes are ever quorate together. */
ATF_TC_WITHOUT_HEAD(one_majority);
ATF_TC_BODY(one_majority, tc)
{
	struct conf *conf = conf_new();
	struct quorum_info qi;
	uint16_t in[9], out[9];
	unsigned n, weights, mask, i, nin, nout;

	for (n = 1; n <= 6; n++) {
		for (weights = 0; weights < 1u << n; weights++) {
			conf->nnodes = n;
			for (i = 0; i < n; i++) {
				conf->nodes[i].id = (uint16_t)(i + 1);
				conf->nodes[i].votes = 1 + (weights >> i & 1);
			}
			for (mask = 0; mask < 1u << n; mask++) {
				for (i = nin = nout = 0; i < n; i++) {
					if ((mask >> i & 1) != 0)
						in[nin++] = (uint16_t)(i + 1);
					else
						out[nout++] = (uint16_t)(i + 1);
				}
				ATF_REQUIRE(
				    !quorum_count(conf, in, nin, true, &qi) ||
				    !quorum_count(conf, out, nout, true, &qi));
			}
		}
	}
	conf_free(conf);
}

/* Every view is answered by exactly one word, of its epoch. */
ATF_TC_WITHOUT_HEAD(one_answer_per_view);
ATF_TC_BODY(one_answer_per_view, tc)
{
	struct conf *conf = conf_new();
	struct quorum_info qi;
	struct quorum *q;
	struct view v;
	struct note *view, *note;
	struct bus bus;
	unsigned i, answers;

	conf->nnodes = 3;
	for (i = 0; i < 3; i++) {
		conf->nodes[i].id = (uint16_t)(i + 1);
		conf->nodes[i].votes = 1;
	}
	q = quorum_new(conf, 1);
	view = calloc(1, sizeof(*view));
	ATF_REQUIRE(q != NULL && view != NULL);
	bus_init(&bus);
	memset(&v, 0, sizeof(v));
	for (i = 1; i <= 6; i++) {
		v.epoch = i;
		v.leader = 1;
		v.n = 1 + i % 3;
		v.primary = v.n > 1;
		for (unsigned k = 0; k < v.n; k++)
			v.members[k].node = (uint16_t)(k + 1);
		view->type = NOTE_VIEW;
		view->ref = &v;
		quorum_note(q, view, &bus);
		quorum_check(q);
		answers = 0;
		while ((note = bus_take(&bus)) != NULL) {
			if (note->type == NOTE_QUORUM) {
				answers++;
				ATF_CHECK_EQ(i, note->seq);
				ATF_CHECK_EQ(v.primary, note->ok);
			}
			free(note);
		}
		ATF_CHECK_EQ(1, answers);
		quorum_get(q, &qi);
		ATF_CHECK_EQ(v.n, qi.votes);
		ATF_CHECK_EQ(i, qi.epoch);
	}
	free(view);
	quorum_free(q);
	conf_free(conf);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, table);
	ATF_TP_ADD_TC(tp, one_majority);
	ATF_TP_ADD_TC(tp, one_answer_per_view);
	return atf_no_error();
}
