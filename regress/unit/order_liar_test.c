/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what a member can not do to another one through the total order:
 * make it keep more than its bounds, or take for its own word what it never
 * said.  The order of one node alone is fed with what the others might send.
 */

#include <atf-c.h>

#include "core/order_internal.h"

#define EPOCH 7
#define INC   1000

struct world {
	struct order *o;
	struct bus bus;
	struct actions out;
	uint16_t self;
	bool reset, died; /* what it asked for */
	unsigned ordered; /* messages given to services */
};

static void
drain(struct world *w)
{
	struct note *n;

	order_flush(w->o, &w->bus);
	while ((n = bus_take(&w->bus)) != NULL) {
		w->reset |= n->type == NOTE_PEER_RESET;
		w->died |= n->type == NOTE_DIE;
		w->ordered += n->type == NOTE_ORDERED && !w->died;
		free(n);
	}
	order_check(w->o);
}

/* Nodes 1, the leader, and 2 are in a primary view; self is one of them. */
static void
begin(struct world *w, uint16_t self, bool fresh)
{
	struct note view = { .type = NOTE_VIEW };
	struct note quorum = { .type = NOTE_QUORUM, .ok = true, .seq = EPOCH };
	struct note lease = { .type = NOTE_LEASE, .ok = true, .seq = EPOCH };
	static struct view v;
	unsigned i;

	memset(w, 0, sizeof(*w));
	memset(&v, 0, sizeof(v));
	w->self = self;
	bus_init(&w->bus);
	actions_init(&w->out);
	w->bus.out = &w->out;
	w->o = order_new(self, INC + self);
	ATF_REQUIRE(w->o != NULL);
	v.epoch = EPOCH;
	v.leader = 1;
	v.primary = true;
	v.n = 2;
	for (i = 0; i < 2; i++) {
		v.members[i].node = (uint16_t)(i + 1);
		v.members[i].inc = INC + i + 1;
		v.members[i].fresh = fresh && i + 1 == self;
	}
	view.ref = &v;
	order_note(w->o, &view, &w->bus);
	order_note(w->o, &quorum, &w->bus);
	order_note(w->o, &lease, &w->bus);
	drain(w);
}

static void
end(struct world *w)
{
	/* What it holds fits into a flush. */
	order_wedge(w->o, &w->bus);
	bus_clear(&w->bus);
	order_free(w->o);
}

static void
give(struct world *w, uint16_t from, const struct wbuf *data)
{
	struct note *n = calloc(1, sizeof(*n) + data->len);

	ATF_REQUIRE(n != NULL && !data->err);
	n->type = NOTE_MESSAGE;
	n->node = from;
	n->inc = INC + from;
	n->chan = CHAN_ORDER;
	n->len = data->len;
	memcpy(n->data, data->data, data->len);
	order_note(w->o, n, &w->bus);
	free(n);
	drain(w);
}

/* One record in a message of its own. */
static void
record(struct world *w, uint16_t from, enum order_msg type, uint64_t stable,
    const struct omsg *m)
{
	struct wbuf b;

	wbuf_init(&b, 1 << 20);
	wbuf_u8(&b, (uint8_t)type);
	wbuf_u64(&b, EPOCH);
	if (type == OM_SEQ)
		wbuf_u64(&b, stable);
	omsg_put(&b, m);
	give(w, from, &b);
	wbuf_free(&b);
}

static struct omsg *
large(uint16_t from, enum omsg_kind kind)
{
	static uint8_t data[ORDER_MSG_MAX];
	struct omsg *m = omsg_new(kind, SVC_GROUP, data, sizeof(data));

	m->node = from;
	m->inc = INC + from;
	return m;
}

ATF_TC_WITHOUT_HEAD(leader_never_stable);
ATF_TC_BODY(leader_never_stable, tc)
{
	struct omsg *m = large(1, OK_MSG);
	struct world w;
	unsigned i;

	begin(&w, 2, false);
	for (i = 1; i < 1000 && !w.reset; i++) {
		m->pos = m->sseq = i;
		record(&w, 1, OM_SEQ, 0, m);
	}
	ATF_CHECK(w.reset);
	ATF_CHECK(w.o->logbytes <= ORDER_LOG_MAX);
	ATF_CHECK(w.o->logbytes >= ORDER_WINDOW);
	free(m);
	end(&w);
}

/* A sound leader fills the window again and again. */
ATF_TC_WITHOUT_HEAD(leader_that_goes_on);
ATF_TC_BODY(leader_that_goes_on, tc)
{
	struct omsg *m = large(1, OK_MSG);
	uint64_t window = ORDER_WINDOW / (ORDER_MSG_MAX + OMSG_OVERHEAD), i;
	struct world w;

	begin(&w, 2, false);
	for (i = 1; i < 100; i++) {
		m->pos = m->sseq = i;
		record(&w, 1, OM_SEQ, i > window ? i - window : 0, m);
	}
	ATF_CHECK(!w.reset && !w.died);
	ATF_CHECK_EQ(99 - window, w.ordered);
	free(m);
	end(&w);
}

ATF_TC_WITHOUT_HEAD(snapshot_without_end);
ATF_TC_BODY(snapshot_without_end, tc)
{
	struct omsg *m = large(1, OK_SNAP), *sync = large(1, OK_SYNC);
	struct world w;
	unsigned i;

	begin(&w, 2, true);
	for (i = 1; i < 2 * ORDER_SNAP_MAX / ORDER_MSG_MAX; i++) {
		m->pos = i;
		record(&w, 1, OM_SEQ, i, m);
	}
	ATF_CHECK(!w.died);
	sync->pos = i;
	record(&w, 1, OM_SEQ, i, sync);
	ATF_CHECK(w.died);
	free(m);
	free(sync);
	end(&w);
}

ATF_TC_WITHOUT_HEAD(submits_without_end);
ATF_TC_BODY(submits_without_end, tc)
{
	struct omsg *m = large(2, OK_MSG);
	struct world w;
	unsigned i;

	begin(&w, 1, false);
	for (i = 1; i < 1000 && !w.reset; i++) {
		m->sseq = i;
		record(&w, 2, OM_SUBMIT, 0, m);
	}
	ATF_CHECK(w.reset);
	ATF_CHECK(i < 30);
	free(m);
	end(&w);
}

/* What comes back in our name with a byte changed. */
static void
comes_back(unsigned change)
{
	struct omsg *m = omsg_new(OK_MSG, SVC_GROUP, "hello", 5);
	struct note *n = calloc(1, sizeof(*n) + 5);
	struct world w;

	ATF_REQUIRE(n != NULL);
	begin(&w, 2, false);
	n->type = NOTE_ORDER;
	n->service = SVC_GROUP;
	n->len = 5;
	memcpy(n->data, "hello", 5);
	order_note(w.o, n, &w.bus);
	drain(&w);
	m->pos = m->sseq = 1;
	m->node = 2;
	m->inc = INC + 2;
	m->data[4] ^= (uint8_t)change;
	record(&w, 1, OM_SEQ, 1, m);
	ATF_CHECK_EQ(change != 0, w.died);
	ATF_CHECK_EQ(change == 0, w.ordered);
	free(n);
	free(m);
	end(&w);
}

ATF_TC_WITHOUT_HEAD(our_word);
ATF_TC_BODY(our_word, tc)
{
	comes_back(0);
	comes_back(1);
}

/* A service of ours says something. */
static void
say(struct world *w, const char *text)
{
	struct note *n = calloc(1, sizeof(*n) + strlen(text));

	ATF_REQUIRE(n != NULL);
	n->type = NOTE_ORDER;
	n->service = SVC_GROUP;
	n->code = ORDER_AGREED;
	n->len = strlen(text);
	memcpy(n->data, text, n->len);
	order_note(w->o, n, &w->bus);
	order_flush(w->o, &w->bus);
	free(n);
	drain(w);
}

static struct omsg *
yours(uint16_t node, uint64_t inc, uint64_t sseq)
{
	struct omsg *m = omsg_new(OK_YOURS, (enum service)0, NULL, 0);

	m->pos = 1;
	m->node = node;
	m->inc = inc;
	m->sseq = sseq;
	return m;
}

/* The place of a message that is not ours, or that we never sent. */
ATF_TC_WITHOUT_HEAD(leader_names_no_message);
ATF_TC_BODY(leader_names_no_message, tc)
{
	static const struct {
		uint16_t node;
		uint64_t inc, sseq, features;
		bool refused;
	} v[] = {
		{ 2, INC + 2, 1, FEATURE_YOURS, false },
		{ 2, INC + 2, 2, FEATURE_YOURS, true },
		{ 2, INC + 1, 1, FEATURE_YOURS, true },
		{ 1, INC + 1, 1, FEATURE_YOURS, true },
		{ 2, INC + 2, 1, 0, true },
	};
	struct order_info info;
	struct omsg *m;
	struct world w;
	unsigned i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		begin(&w, 2, false);
		w.o->features = v[i].features;
		say(&w, "a message of mine");
		m = yours(v[i].node, v[i].inc, v[i].sseq);
		record(&w, 1, OM_SEQ, 0, m);
		ATF_CHECK_EQ_MSG(v[i].refused, w.reset, "row %u", i);
		order_get(w.o, &info);
		ATF_CHECK_EQ_MSG(!v[i].refused, info.delivered, "row %u", i);
		ATF_CHECK_EQ_MSG(!v[i].refused, w.ordered, "row %u", i);
		ATF_CHECK_MSG(!w.died, "row %u", i);
		free(m);
		end(&w);
	}
}

/* Where it has no meaning: submitted, and in the log of a view change. */
ATF_TC_WITHOUT_HEAD(no_message_elsewhere);
ATF_TC_BODY(no_message_elsewhere, tc)
{
	struct omsg *m = yours(2, INC + 2, 1);
	struct world w;
	struct wbuf b;

	begin(&w, 1, false);
	w.o->features = FEATURE_YOURS;
	record(&w, 2, OM_SUBMIT, 0, m);
	ATF_CHECK(w.reset && !w.died);
	end(&w);
	begin(&w, 2, false);
	w.o->features = FEATURE_YOURS;
	say(&w, "a message of mine");
	wbuf_init(&b, 1024);
	omsg_put(&b, m);
	ATF_CHECK(!order_log_get(w.o, b.data, b.len, 1));
	wbuf_free(&b);
	end(&w);
	free(m);
}

/* What a sender gets of a batch: its large ones without their data. */
ATF_TC_WITHOUT_HEAD(own_data_is_left_out);
ATF_TC_BODY(own_data_is_left_out, tc)
{
	static const struct {
		uint16_t node;
		uint64_t sseq;
		size_t len;
		bool out;
	} v[] = {
		{ 2, 1, ORDER_YOURS_MIN, true },
		{ 2, 2, ORDER_YOURS_MIN - 1, false },
		{ 3, 1, 1000, false },
		{ 2, 3, 5000, true },
		/* A snapshot is nobody's own. */
		{ 2, 0, 5000, false },
	};
	static uint8_t data[5000];
	struct wbuf all, less;
	struct omsg *m;
	struct rbuf r;
	unsigned i;

	wbuf_init(&all, 1 << 16);
	wbuf_init(&less, 1 << 16);
	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		m = omsg_new(OK_AGREED, SVC_GROUP, data, v[i].len);
		m->pos = i + 1;
		m->node = v[i].node;
		m->inc = INC + v[i].node;
		m->sseq = v[i].sseq;
		omsg_put(&all, m);
		free(m);
	}
	omsg_put_yours(&less, &all, 2, INC + 2);
	ATF_REQUIRE(!all.err && !less.err);
	rbuf_init(&r, less.data, less.len);
	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		m = omsg_get(&r);
		ATF_REQUIRE(m != NULL);
		ATF_CHECK(m->pos == i + 1 && m->node == v[i].node &&
		    m->inc == INC + 0ULL + v[i].node && m->sseq == v[i].sseq);
		ATF_CHECK_EQ(v[i].out, m->kind == OK_YOURS);
		ATF_CHECK_EQ(v[i].out ? 0 : v[i].len, m->len);
		free(m);
	}
	ATF_CHECK(rbuf_done(&r));
	/* Of another life of it nothing is left out. */
	wbuf_reset(&less);
	omsg_put_yours(&less, &all, 2, INC);
	ATF_CHECK(
	    less.len == all.len && memcmp(less.data, all.data, all.len) == 0);
	wbuf_free(&all);
	wbuf_free(&less);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, leader_never_stable);
	ATF_TP_ADD_TC(tp, leader_that_goes_on);
	ATF_TP_ADD_TC(tp, snapshot_without_end);
	ATF_TP_ADD_TC(tp, submits_without_end);
	ATF_TP_ADD_TC(tp, our_word);
	ATF_TP_ADD_TC(tp, leader_names_no_message);
	ATF_TP_ADD_TC(tp, no_message_elsewhere);
	ATF_TP_ADD_TC(tp, own_data_is_left_out);
	return atf_no_error();
}
