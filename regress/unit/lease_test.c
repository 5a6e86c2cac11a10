/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Proves what a lease rests on, with words of peers that are made up. */

#include <atf-c.h>

#include "core/lease.h"

#define MS	UINT64_C(1000)
#define NODES	3
#define EPOCH	7
#define INC(id) (UINT64_C(100) + (id))

/* What the peers have said, and we to them. */
struct link_layer {
	uint64_t vouched[NODES + 1], promised[NODES + 1];
	bool gone[NODES + 1];
};

uint64_t
link_vouched(const struct link_layer *l, uint16_t node, uint64_t inc,
    uint64_t epoch)
{
	return inc == INC(node) && epoch == EPOCH ? l->vouched[node] : 0;
}

uint64_t
link_promised(const struct link_layer *l, uint16_t node, uint64_t *inc)
{
	*inc = INC(node);
	return l->promised[node];
}

bool
link_gone(const struct link_layer *l, uint16_t node, uint64_t inc)
{
	return l->gone[node];
}

static struct world {
	struct conf *conf;
	struct link_layer link;
	struct lease *l;
	struct bus bus;
	struct view v;
	unsigned cleared; /* epoch */
} w;

static void
drain(void)
{
	struct note *n;

	while ((n = bus_take(&w.bus)) != NULL) {
		if (n->type == NOTE_CLEAR)
			w.cleared = (unsigned)n->seq;
		free(n);
	}
	lease_check(w.l);
}

static void
give(enum note_type type)
{
	struct note n = { .type = type, .ref = &w.v, .seq = w.v.epoch };

	lease_note(w.l, &n, &w.bus);
	lease_renew(w.l, &w.bus);
	drain();
}

/* Node 1 is in a primary view of three nodes. */
static void
begin(void)
{
	unsigned i;

	memset(&w, 0, sizeof(w));
	w.conf = conf_new();
	ATF_REQUIRE(w.conf != NULL);
	w.conf->nnodes = NODES;
	for (i = 0; i < NODES; i++) {
		w.conf->nodes[i].id = (uint16_t)(i + 1);
		w.conf->nodes[i].votes = 1;
		w.v.members[i].node = (uint16_t)(i + 1);
		w.v.members[i].inc = INC(i + 1);
	}
	w.v.n = NODES;
	w.v.epoch = EPOCH;
	w.v.primary = true;
	electorate_conf(w.conf, &w.v.elect);
	bus_init(&w.bus);
	w.l = lease_new(w.conf, 1, INC(1), &w.link);
	ATF_REQUIRE(w.l != NULL);
	lease_start(w.l, 1000 * MS, 0);
	w.bus.now = 100000 * MS;
	give(NOTE_VIEW);
}

static void
end(void)
{
	lease_free(w.l);
	conf_free(w.conf);
}

static bool
held_at(uint64_t now)
{
	w.bus.now = now;
	lease_renew(w.l, &w.bus);
	drain();
	return lease_held(w.l);
}

ATF_TC_WITHOUT_HEAD(a_majority_holds_it);
ATF_TC_BODY(a_majority_holds_it, tc)
{
	uint64_t at, len;

	begin();
	at = w.bus.now;
	len = lease_length(w.conf);
	ATF_CHECK(len < w.conf->failure_timeout_us);
	ATF_CHECK(!held_at(at));
	ATF_CHECK_EQ(EPOCH, lease_vouches(w.l));
	ATF_CHECK(lease_asks(w.l, at));
	/* The newest of two words is enough, to its end and not beyond. */
	w.link.vouched[2] = at;
	w.link.vouched[3] = at - 50 * MS;
	ATF_CHECK(held_at(at + 1));
	ATF_CHECK(!lease_asks(w.l, at + 1));
	ATF_CHECK_EQ(at + len, lease_until(w.l));
	ATF_CHECK(held_at(at + len - 1));
	ATF_CHECK(!held_at(at + len));
	ATF_CHECK_EQ(0, lease_until(w.l));
	/* Answers to what was sent since bring it back. */
	w.link.vouched[3] = at + len - 10;
	ATF_CHECK(held_at(at + len + 1));
	end();
}

ATF_TC_WITHOUT_HEAD(ready_ends_it);
ATF_TC_BODY(ready_ends_it, tc)
{
	begin();
	w.link.vouched[2] = w.bus.now;
	ATF_CHECK(held_at(w.bus.now + 1));
	give(NOTE_WEDGE);
	ATF_CHECK(lease_held(w.l));
	ATF_CHECK_EQ(0, lease_vouches(w.l));
	w.v.epoch = EPOCH + 1;
	give(NOTE_VOUCH);
	ATF_CHECK_EQ(EPOCH + 1, w.cleared);
	ATF_CHECK(!lease_held(w.l));
	/* Words for the old view say nothing in the new one. */
	give(NOTE_VIEW);
	ATF_CHECK(!held_at(w.bus.now + 1));
	end();
}

/* When a view without node 3 is clear, after the last word to it. */
static uint64_t
waits(void)
{
	uint64_t from = w.bus.now;

	w.cleared = 0;
	w.v.epoch++;
	w.v.n = 2;
	w.v.nlost = 1;
	w.v.lost[0].node = 3;
	w.v.lost[0].inc = INC(3);
	give(NOTE_WEDGE);
	give(NOTE_VOUCH);
	if (w.cleared != 0)
		return 0;
	w.bus.now = lease_deadline(w.l) - 1;
	lease_timer(w.l, &w.bus);
	drain();
	ATF_CHECK_EQ(0, w.cleared);
	w.bus.now++;
	lease_timer(w.l, &w.bus);
	drain();
	ATF_CHECK_EQ(w.v.epoch, w.cleared);
	return w.bus.now - from;
}

ATF_TC_WITHOUT_HEAD(who_is_left_out_is_waited_for);
ATF_TC_BODY(who_is_left_out_is_waited_for, tc)
{
	uint64_t len;

	begin();
	len = lease_length(w.conf);
	/* Longer than its lease by what two clocks may differ. */
	w.link.promised[3] = w.bus.now;
	ATF_CHECK(waits() > len * 101 / 99);
	/* Who stays in the view may rely on us as long as it likes. */
	w.link.promised[3] = 0;
	w.link.promised[2] = w.bus.now;
	ATF_CHECK_EQ(0, waits());
	/* Silence was longer than the word. */
	w.link.promised[3] = w.bus.now - w.conf->failure_timeout_us;
	ATF_CHECK_EQ(0, waits());
	end();
}

ATF_TC_WITHOUT_HEAD(what_an_earlier_life_said_counts);
ATF_TC_BODY(what_an_earlier_life_said_counts, tc)
{
	begin();
	lease_start(w.l, w.bus.now, 0);
	ATF_CHECK(waits() > lease_length(w.conf));
	lease_start(w.l, w.bus.now, 0);
	w.link.gone[3] = true;
	ATF_CHECK_EQ(0, waits());
	end();
}

/*
 * L4.  The file had a longer failure timeout when the life before gave its word;
 * the one after this one knows that too, until it is over.
 */
ATF_TC_WITHOUT_HEAD(an_earlier_file_counts);
ATF_TC_BODY(an_earlier_file_counts, tc)
{
	uint64_t len, old, start;

	begin();
	len = lease_length(w.conf);
	old = 5 * len;
	start = w.bus.now;
	lease_start(w.l, start, old);
	ATF_CHECK_EQ(old, lease_words(w.l, start + old));
	ATF_CHECK_EQ(len, lease_words(w.l, start + old * 103 / 100));
	ATF_CHECK(waits() > old * 101 / 99);
	/* A shorter one changes nothing. */
	lease_start(w.l, w.bus.now, len / 2);
	ATF_CHECK_EQ(len, lease_words(w.l, w.bus.now));
	ATF_CHECK(waits() <= len * 103 / 100);
	end();
}

/*
 * L5.  Who has ended may have given its word to the other one just before; it
 * is known, or taken for now, when that was.
 */
ATF_TC_WITHOUT_HEAD(what_the_dead_have_said_counts);
ATF_TC_BODY(what_the_dead_have_said_counts, tc)
{
	struct note n = { .type = NOTE_PEER_DOWN, .node = 2, .inc = INC(2) };
	uint64_t len;

	begin();
	len = lease_length(w.conf) * 101 / 99;
	w.v.members[0].node = 1;
	w.v.n = 1;
	w.v.epoch++;
	w.v.nlost = 2;
	w.v.lost[0].node = 2;
	w.v.lost[0].inc = INC(2);
	w.v.lost[1].node = 3;
	w.v.lost[1].inc = INC(3);
	w.link.gone[2] = true;
	give(NOTE_WEDGE);
	give(NOTE_VOUCH);
	ATF_CHECK_EQ(0, w.cleared);
	ATF_CHECK_EQ(w.bus.now + len + 1, lease_deadline(w.l));
	lease_note(w.l, &n, &w.bus);
	w.bus.now += 100 * MS;
	w.v.epoch++;
	give(NOTE_WEDGE);
	give(NOTE_VOUCH);
	ATF_CHECK_EQ(w.bus.now - 100 * MS + len + 1, lease_deadline(w.l));
	/* The end of an earlier life says nothing of this one. */
	w.v.lost[0].inc = INC(2) + 1;
	w.v.epoch++;
	give(NOTE_WEDGE);
	give(NOTE_VOUCH);
	ATF_CHECK_EQ(w.bus.now + len + 1, lease_deadline(w.l));
	/* Nobody is left whom that could help. */
	w.link.gone[3] = true;
	w.v.epoch++;
	give(NOTE_WEDGE);
	give(NOTE_VOUCH);
	ATF_CHECK_EQ(w.v.epoch, w.cleared);
	end();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, a_majority_holds_it);
	ATF_TP_ADD_TC(tp, ready_ends_it);
	ATF_TP_ADD_TC(tp, who_is_left_out_is_waited_for);
	ATF_TP_ADD_TC(tp, what_an_earlier_life_said_counts);
	ATF_TP_ADD_TC(tp, an_earlier_file_counts);
	ATF_TP_ADD_TC(tp, what_the_dead_have_said_counts);
	return atf_no_error();
}
