/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that every view has one answer, and that its reasons are told.  The
 * arithmetic has vote_test.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/quorum.h"

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
		electorate_conf(conf, &v.elect);
		v.tally.votes = v.n;
		v.tally.expected = 3;
		v.tally.needed = 2;
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

/* With more nodes missing than a line has room for nobody is misnamed. */
ATF_TC_WITHOUT_HEAD(many_missing);
ATF_TC_BODY(many_missing, tc)
{
	struct quorum_info q = { .epoch = 7, .votes = 8, .expected = 64 };
	char text[1024];
	uint16_t i;

	q.needed = 33;
	q.device = QUORUM_DEVICE_AWAY;
	for (i = 200; i < 256; i++)
		vote_add(&q.missing, i);
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("only 8 of 64 votes are here, 33 are needed, missing: "
			"node 200, node 201, node 202, node 203, node 204, "
			"node 205, node 206, node 207, node 208, node 209, "
			"node 210, node 211, node 212, node 213 and 42 more, "
			"without the quorum device, which is not reached or is "
			"bound to others",
	    text);
	quorum_restore(&q, text, sizeof(text));
	ATF_CHECK_STREQ("25 more votes, of node 200, node 201, node 202, "
			"node 203, node 204, node 205, node 206, node 207, "
			"node 208, node 209, node 210, node 211, node 212, "
			"node 213 and 42 more; or, if they are off for sure: "
			"quorum override",
	    text);
}

/* What people are told names the rule, the votes and who is missing. */
ATF_TC_WITHOUT_HEAD(reasons);
ATF_TC_BODY(reasons, tc)
{
	struct quorum_info q;
	char text[256];

	memset(&q, 0, sizeof(q));
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("this node is in no view yet", text);
	q.epoch = 7;
	q.votes = 2;
	q.expected = 4;
	q.needed = 3;
	vote_add(&q.missing, 3);
	vote_add(&q.missing, 4);
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("only 2 of 4 votes are here, 3 are needed, missing: "
			"node 3, node 4",
	    text);
	q.tie = 3;
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("only 2 of 4 votes are here, which is enough only with "
			"the tie breaker node 3, missing: node 3, node 4",
	    text);
	q.contested = true;
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK(strstr(text, "others may have gone on") != NULL);
	q.waits_for_all = true;
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK(strstr(text, "wait_for_all") != NULL);
	quorum_restore(&q, text, sizeof(text));
	ATF_CHECK_STREQ("start node 3, node 4; or, if they are off for sure: "
			"quorum unblock",
	    text);
	q.waits_for_all = false;
	q.votes = 4;
	q.missing.n = 0;
	vote_add(&q.blank, 1);
	vote_add(&q.blank, 2);
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("4 of 4 votes are here, but others may have gone on "
			"without them, with a disk too new to know: node 1, "
			"node 2",
	    text);
	quorum_restore(&q, text, sizeof(text));
	ATF_CHECK(strstr(text, "start every node") != NULL &&
	    strstr(text, "quorum override") != NULL);
	q.votes = 2;
	q.blank.n = 0;
	vote_add(&q.missing, 3);
	vote_add(&q.missing, 4);
	q.contested = false;
	quorum_restore(&q, text, sizeof(text));
	ATF_CHECK_STREQ("1 more votes, of node 3, node 4; or, if they are off "
			"for sure: quorum override",
	    text);
	q.quorate = true;
	quorum_restore(&q, text, sizeof(text));
	ATF_CHECK_STREQ("", text);
	q.rule = VOTE_TIE;
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("2 of 4 votes are here, 3 are needed, decided by tie "
			"breaker",
	    text);
	q.rule = VOTE_MAJORITY;
	q.votes = 1;
	q.whole = true;
	quorum_why(&q, text, sizeof(text));
	ATF_CHECK_STREQ("1 of 4 votes are here, and every node is, so that "
			"nobody else can have the others",
	    text);
}

/* What is in force, next to what the file says. */
ATF_TC_WITHOUT_HEAD(values);
ATF_TC_BODY(values, tc)
{
	struct conf *conf = conf_new();
	struct quorum_value qv;
	struct quorum *q;
	struct note *note;
	struct view v = { .epoch = 1, .leader = 1, .n = 2, .primary = true };
	char text[256];
	struct bus bus;
	unsigned i;

	conf->nnodes = 2;
	for (i = 0; i < 2; i++) {
		conf->nodes[i].id = v.members[i].node = (uint16_t)(i + 1);
		conf->nodes[i].votes = 1;
		snprintf(conf->nodes[i].name, sizeof(conf->nodes[i].name),
		    "n%u", i + 1);
	}
	q = quorum_new(conf, 1);
	note = calloc(1, sizeof(*note));
	ATF_REQUIRE(q != NULL && note != NULL);
	bus_init(&bus);
	electorate_conf(conf, &v.elect);
	note->type = NOTE_VIEW;
	note->ref = &v;
	quorum_note(q, note, &bus);
	quorum_differs(q, text, sizeof(text));
	ATF_CHECK_STREQ("", text);
	quorum_options(q, text, sizeof(text));
	ATF_CHECK_STREQ("wait_for_all: true, two_node: false, "
			"last_man_standing: false, downscale: false, "
			"tie_breaker: none",
	    text);
	v.epoch = 2;
	v.elect.set = true;
	v.elect.v[1].votes = 3;
	v.elect.expected = 4;
	v.elect.opt.tie = TIE_LIST;
	v.elect.opt.ntie = 1;
	v.elect.opt.tie_nodes[0] = v.elect.tie = 2;
	v.elect.opt.given = 1 << OPT_TIE;
	quorum_note(q, note, &bus);
	quorum_check(q);
	quorum_differs(q, text, sizeof(text));
	ATF_CHECK_STREQ("by order, back with quorum reset: tie_breaker: n2, in "
			"the file none; votes of n2: 3, in the file 1",
	    text);
	ATF_REQUIRE(quorum_value(q, OPT_TIE, &qv));
	ATF_CHECK(qv.given && qv.differs && strcmp(qv.text, "n2") == 0);
	ATF_REQUIRE(quorum_value(q, OPT_DEVICE + 1, &qv));
	ATF_CHECK(qv.given && strcmp(qv.name, "votes of n2") == 0);
	ATF_CHECK(!quorum_value(q, OPT_DEVICE + 2, &qv));
	/* Nobody's word, but the file is another one than then. */
	v.epoch = 3;
	electorate_conf(conf, &v.elect);
	conf->downscale = true;
	quorum_note(q, note, &bus);
	quorum_differs(q, text, sizeof(text));
	ATF_CHECK_STREQ("the file has changed: downscale: false, in the file "
			"true",
	    text);
	bus_clear(&bus);
	free(note);
	quorum_free(q);
	conf_free(conf);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, one_answer_per_view);
	ATF_TP_ADD_TC(tp, reasons);
	ATF_TP_ADD_TC(tp, many_missing);
	ATF_TP_ADD_TC(tp, values);
	return atf_no_error();
}
