/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what programs are told of a new view: who joined and who left since
 * the one before, and why, from the view's own word, from what this node saw
 * of a peer's end, or else from the cause of the view.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/changes.h"
#include "core/rng.h"

static struct conf *conf;
static struct changes *ch;
static char got[1024];

static void
setup(void)
{
	unsigned i;

	conf = conf_new();
	ATF_REQUIRE(conf != NULL);
	conf->nnodes = 4;
	for (i = 0; i < 4; i++) {
		conf->nodes[i].id = (uint16_t)(i + 1);
		snprintf(conf->nodes[i].name, sizeof(conf->nodes[i].name),
		    "n%u", i + 1);
	}
	ch = changes_new(conf);
	ATF_REQUIRE(ch != NULL);
}

static void
teardown(void)
{
	changes_check(ch);
	changes_free(ch);
	conf_free(conf);
}

/* A view of n nodes in their incarnations; 0: not in it. */
static struct view
view_of(uint64_t epoch, const uint64_t inc[4])
{
	struct view v = { .epoch = epoch, .leader = 1, .primary = true };
	unsigned i;

	for (i = 0; i < 4; i++) {
		if (inc[i] == 0)
			continue;
		v.members[v.n].node = (uint16_t)(i + 1);
		v.members[v.n++].inc = inc[i];
	}
	snprintf(v.cause, sizeof(v.cause), "node 2 said so");
	return v;
}

/* The change as text: +NAME.INC, -NAME.INC(WHY CAUSE); "" is none. */
static const char *
change(const struct view *v)
{
	char name[33], cause[200], one[300];
	unsigned i, n, why;
	struct wbuf w;
	struct rbuf r;
	uint64_t inc;
	bool any;

	got[0] = '\0';
	wbuf_init(&w, 32768);
	any = changes_view(ch, v, &w);
	ATF_REQUIRE(!w.err);
	rbuf_init(&r, w.data, w.len);
	ATF_CHECK_EQ(v->epoch, rbuf_u64(&r));
	n = rbuf_u16(&r);
	for (i = 0; i < n; i++) {
		(void)rbuf_u16(&r);
		inc = rbuf_u64(&r);
		rbuf_str(&r, name, sizeof(name));
		snprintf(one, sizeof(one), "+%s.%u", name, (unsigned)inc);
		strlcat(got, one, sizeof(got));
	}
	n = rbuf_u16(&r);
	for (i = 0; i < n; i++) {
		(void)rbuf_u16(&r);
		inc = rbuf_u64(&r);
		rbuf_str(&r, name, sizeof(name));
		why = rbuf_u8(&r);
		rbuf_str(&r, cause, sizeof(cause));
		snprintf(one, sizeof(one), "-%s.%u(%u %s)", name, (unsigned)inc,
		    why, cause);
		strlcat(got, one, sizeof(got));
	}
	ATF_REQUIRE(rbuf_done(&r));
	wbuf_free(&w);
	return any ? got : "first";
}

static void
peer(enum note_type type, uint16_t node, uint64_t inc, int code,
    const char *why)
{
	struct note *n = calloc(1, sizeof(*n) + strlen(why) + 1);

	ATF_REQUIRE(n != NULL);
	n->type = type;
	n->node = node;
	n->inc = inc;
	n->code = code;
	n->len = strlen(why) + 1;
	memcpy(n->data, why, n->len);
	changes_peer(ch, n);
	free(n);
}

static const uint64_t all[4] = { 11, 12, 13, 14 };

ATF_TC_WITHOUT_HEAD(first_and_joins);
ATF_TC_BODY(first_and_joins, tc)
{
	const uint64_t two[4] = { 11, 12, 0, 0 };
	struct view v;

	setup();
	v = view_of(1, two);
	ATF_CHECK_STREQ("first", change(&v));
	v = view_of(2, all);
	ATF_CHECK_STREQ("+n3.13+n4.14", change(&v));
	v.epoch = 3;
	ATF_CHECK_STREQ("", change(&v));
	teardown();
}

ATF_TC_WITHOUT_HEAD(reasons);
ATF_TC_BODY(reasons, tc)
{
	const uint64_t left[4] = { 11, 0, 0, 0 };
	struct view v;

	setup();
	v = view_of(1, all);
	(void)change(&v);
	v = view_of(2, left);
	v.nlost = 2;
	v.lost[0].node = 2;
	v.lost[0].inc = 12;
	v.lost[0].clean = true;
	v.lost[1].node = 3;
	v.lost[1].inc = 13;
	peer(NOTE_PEER_DOWN, 3, 13, 0, "silent, says node 1");
	ATF_CHECK_STREQ("-n2.12(1 it left with goodbye)"
			"-n3.13(2 silent, says n1)-n4.14(2 n2 said so)",
	    change(&v));
	teardown();
}

ATF_TC_WITHOUT_HEAD(replaced);
ATF_TC_BODY(replaced, tc)
{
	const uint64_t again[4] = { 11, 22, 13, 0 };
	struct view v;

	setup();
	v = view_of(1, all);
	(void)change(&v);
	/* One is in both lists; one is known to have come back, but is out. */
	peer(NOTE_PEER_GONE, 4, 14, 0, "seen as 24");
	v = view_of(2, again);
	ATF_CHECK_STREQ("+n2.22-n2.12(3 a newer incarnation came)"
			"-n4.14(3 a newer incarnation came)",
	    change(&v));
	teardown();
}

/* Without quorum no view says who left cleanly, but the goodbye was heard. */
ATF_TC_WITHOUT_HEAD(remembers);
ATF_TC_BODY(remembers, tc)
{
	const uint64_t three[4] = { 11, 12, 13, 0 };
	const uint64_t two[4] = { 11, 12, 0, 0 };
	struct view v;

	setup();
	v = view_of(1, all);
	(void)change(&v);
	peer(NOTE_PEER_GONE, 4, 14, 1, "goodbye");
	peer(NOTE_PEER_DOWN, 4, 14, 0, "silent");
	peer(NOTE_PEER_DOWN, 9, 1, 0, "nobody knows it");
	v = view_of(2, three);
	ATF_CHECK_STREQ("-n4.14(1 it left with goodbye)", change(&v));
	/* Its silence of then is not why it goes now. */
	peer(NOTE_PEER_DOWN, 3, 13, 0, "silent");
	peer(NOTE_PEER_UP, 3, 13, 0, "");
	v = view_of(3, two);
	ATF_CHECK_STREQ("-n3.13(2 n2 said so)", change(&v));
	teardown();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, first_and_joins);
	ATF_TP_ADD_TC(tp, reasons);
	ATF_TP_ADD_TC(tp, replaced);
	ATF_TP_ADD_TC(tp, remembers);
	return atf_no_error();
}
