/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a stream delivers each message once and in order over a path
 * that loses, doubles and reorders; that small messages share segments; that
 * queues are bounded; and that a peer that breaks the rules is found out.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/rng.h"
#include "core/stream.h"

#define ON_PATH 4096

/* A datagram on its way: one segment or one acknowledgement. */
struct flight {
	bool used, ack;
	uint64_t at;
	unsigned to;
	uint64_t no;
	size_t len;
	uint8_t data[WIRE_SEGMENT_MAX];
};

struct pair {
	struct stream *end[2];
	struct flight path[ON_PATH];
	struct rng rng;
	uint64_t now;
	unsigned loss, dup, jitter;
	uint64_t datagrams;
};

static void
launch(struct pair *p, unsigned to, bool ack, uint64_t no, const uint8_t *data,
    size_t len)
{
	unsigned copies = rng_below(&p->rng, 1000) < p->dup ? 2 : 1;
	unsigned i;

	p->datagrams++;
	if (rng_below(&p->rng, 1000) < p->loss)
		return;
	for (i = 0; i < ON_PATH && copies > 0; i++) {
		if (p->path[i].used)
			continue;
		p->path[i].used = true;
		p->path[i].ack = ack;
		p->path[i].at =
		    p->now + 200 + rng_below(&p->rng, p->jitter + 1);
		p->path[i].to = to;
		p->path[i].no = no;
		p->path[i].len = len;
		memcpy(p->path[i].data, data, len);
		copies--;
	}
	ATF_REQUIRE_EQ(0, copies);
}

static void
flush(struct pair *p, unsigned from)
{
	uint8_t sack[WIRE_SACK_MAX];
	struct wire_data d;
	struct wire_ack a;

	while (stream_pick(p->end[from], p->now, &d))
		launch(p, 1 - from, false, d.segment, d.data, d.len);
	if (stream_ack_at(p->end[from]) <= p->now) {
		stream_fill_ack(p->end[from], &a, sack);
		launch(p, 1 - from, true, a.next, a.sack, a.nsack);
	}
	stream_check(p->end[from]);
}

/* Goes on to the next thing that happens; false: nothing is to come. */
static bool
advance(struct pair *p)
{
	struct flight *f = NULL;
	struct wire_data d;
	struct wire_ack a;
	uint64_t t;
	unsigned i;

	t = MIN(stream_deadline(p->end[0]), stream_deadline(p->end[1]));
	for (i = 0; i < ON_PATH; i++)
		if (p->path[i].used && p->path[i].at <= t &&
		    (f == NULL || p->path[i].at < f->at))
			f = &p->path[i];
	if (f == NULL && t == UINT64_MAX)
		return false;
	p->now = MAX(p->now, f != NULL ? f->at : t);
	if (f != NULL) {
		f->used = false;
		if (f->ack) {
			a.next = f->no;
			a.sack = f->data;
			a.nsack = (uint8_t)f->len;
			ATF_REQUIRE(stream_ack(p->end[f->to], &a, p->now));
		} else {
			d.segment = f->no;
			d.data = f->data;
			d.len = f->len;
			ATF_REQUIRE(stream_data(p->end[f->to], &d, p->now));
		}
	}
	for (i = 0; i < 2; i++) {
		stream_timer(p->end[i], p->now);
		flush(p, i);
	}
	return true;
}

static void
pair_init(struct pair *p, uint64_t seed)
{
	uint64_t s[4] = { seed, 11, 12, 13 };

	memset(p, 0, sizeof(*p));
	rng_seed(&p->rng, s);
	p->now = 1000;
	p->end[0] = stream_new();
	p->end[1] = stream_new();
	ATF_REQUIRE(p->end[0] != NULL && p->end[1] != NULL);
}

static void
pair_free(struct pair *p)
{
	stream_free(p->end[0]);
	stream_free(p->end[1]);
	free(p);
}

/* The n-th message: its length and bytes follow from n. */
static size_t
message(unsigned n, uint8_t *out)
{
	size_t len = n % 7 == 0 ? 1500 + n % 3000 : n % 90, i;

	for (i = 0; i < len; i++)
		out[i] = (uint8_t)(n * 31 + i);
	return len;
}

static void
receive(struct pair *p, unsigned at, unsigned *got)
{
	static uint8_t expect[8192];
	const uint8_t *data;
	uint8_t chan;
	size_t len;

	while (stream_next(p->end[at], &chan, &data, &len)) {
		ATF_REQUIRE_EQ(1 + *got % 3, chan);
		ATF_REQUIRE_EQ(message(*got, expect), len);
		ATF_REQUIRE_EQ(0, memcmp(expect, data, len));
		(*got)++;
	}
}

static void
talk(uint64_t seed, unsigned loss, unsigned dup, unsigned jitter)
{
	enum {
		COUNT = 1500
	};
	static uint8_t bytes[8192];
	struct pair *p = malloc(sizeof(*p));
	unsigned sent[2] = { 0, 0 }, got[2] = { 0, 0 }, i, burst;

	ATF_REQUIRE(p != NULL);
	pair_init(p, seed);
	p->loss = loss;
	p->dup = dup;
	p->jitter = jitter;
	while (got[0] < COUNT || got[1] < COUNT) {
		for (i = 0; i < 2; i++) {
			burst = (unsigned)rng_below(&p->rng, 6);
			for (; burst > 0 && sent[i] < COUNT; burst--) {
				ATF_REQUIRE(stream_send(p->end[i], p->now,
				    (uint8_t)(1 + sent[i] % 3), bytes,
				    message(sent[i], bytes)));
				sent[i]++;
			}
			flush(p, i);
		}
		/* Nothing may be on its way as yet, or nothing more at all. */
		ATF_REQUIRE_MSG(advance(p) || sent[0] < COUNT ||
			sent[1] < COUNT,
		    "stuck at %u %u", got[0], got[1]);
		receive(p, 1, &got[0]);
		receive(p, 0, &got[1]);
		ATF_REQUIRE(p->now < UINT64_C(600000000));
	}
	/* And it comes to rest: nothing is repeated for ever. */
	while (advance(p))
		ATF_REQUIRE(p->now < UINT64_C(900000000));
	ATF_CHECK_EQ(0, stream_queued(p->end[0]));
	ATF_CHECK_EQ(0, stream_queued(p->end[1]));
	pair_free(p);
}

ATF_TC_WITHOUT_HEAD(clean_path);
ATF_TC_BODY(clean_path, tc)
{
	talk(1, 0, 0, 0);
}

ATF_TC_WITHOUT_HEAD(bad_paths);
ATF_TC_BODY(bad_paths, tc)
{
	uint64_t seed;

	for (seed = 1; seed <= 6; seed++) {
		talk(seed, 50, 50, 3000);
		talk(seed, 300, 100, 20000);
		talk(seed, 0, 500, 50000);
	}
}

/* Forty small messages of one step fit into two segments, not forty. */
ATF_TC_WITHOUT_HEAD(packing);
ATF_TC_BODY(packing, tc)
{
	uint8_t bytes[40] = { 0 };
	struct stream *s = stream_new();
	struct wire_data d;
	unsigned i, n = 0;

	ATF_REQUIRE(s != NULL);
	for (i = 0; i < 40; i++)
		ATF_REQUIRE(stream_send(s, 1, 1, bytes, sizeof(bytes)));
	while (stream_pick(s, 1, &d))
		n++;
	ATF_CHECK_EQ(2, n);
	ATF_CHECK_EQ(40U * 45, stream_queued(s));
	/* A segment that was sent does not change any more. */
	ATF_REQUIRE(stream_send(s, 1, 1, bytes, sizeof(bytes)));
	ATF_REQUIRE(stream_pick(s, 1, &d));
	ATF_CHECK_EQ(3, d.segment);
	ATF_CHECK_EQ(45, d.len);
	stream_free(s);
}

ATF_TC_WITHOUT_HEAD(queue_is_bounded);
ATF_TC_BODY(queue_is_bounded, tc)
{
	static uint8_t big[STREAM_MESSAGE_MAX];
	struct stream *s = stream_new();
	struct wire_data d;
	struct wire_ack a = { 3, 0, NULL };
	unsigned n = 0, flying = 0;

	ATF_REQUIRE(s != NULL);
	/* No bound while it is young ... */
	while (stream_queued(s) <= STREAM_QUEUE_MAX)
		ATF_REQUIRE(stream_send(s, 1, 1, big, sizeof(big)));
	ATF_CHECK(stream_send(s, STREAM_STALL_US, 1, big, 1000));
	/* ... but one once nothing moves, */
	ATF_CHECK(!stream_send(s, STREAM_STALL_US + 2, 1, big, 1000));
	while (stream_pick(s, STREAM_STALL_US + 2, &d))
		flying++;
	ATF_CHECK(flying > 0 && flying <= STREAM_WINDOW);
	/* until it moves again, */
	ATF_REQUIRE(stream_ack(s, &a, STREAM_STALL_US + 3));
	ATF_CHECK(stream_send(s, STREAM_STALL_US + 4, 1, big, 1000));
	/* and never more than so much. */
	while (stream_send(s, STREAM_STALL_US + 4, 1, big, sizeof(big)))
		ATF_REQUIRE(++n <= 300);
	ATF_CHECK(n > 200);
	stream_check(s);
	stream_reset(s);
	ATF_CHECK_EQ(0, stream_queued(s));
	ATF_CHECK(!stream_pick(s, 1, &d));
	stream_free(s);
}

ATF_TC_WITHOUT_HEAD(largest_message);
ATF_TC_BODY(largest_message, tc)
{
	static uint8_t big[STREAM_MESSAGE_MAX];
	struct pair *p = malloc(sizeof(*p));
	const uint8_t *data;
	uint8_t chan;
	size_t len, i;

	ATF_REQUIRE(p != NULL);
	pair_init(p, 9);
	p->loss = 20;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 1000);
	ATF_REQUIRE(stream_send(p->end[0], p->now, 2, big, sizeof(big)));
	flush(p, 0);
	while (!stream_next(p->end[1], &chan, &data, &len))
		ATF_REQUIRE(advance(p));
	ATF_REQUIRE_EQ(sizeof(big), len);
	ATF_CHECK_EQ(0, memcmp(big, data, len));
	pair_free(p);
}

ATF_TC_WITHOUT_HEAD(broken_rules);
ATF_TC_BODY(broken_rules, tc)
{
	uint8_t head[5] = { 1, 0xff, 0, 0, 0 };
	struct wire_data d = { 1, head, sizeof(head) };
	struct wire_ack a = { 2, 0, NULL };
	struct stream *s = stream_new();
	const uint8_t *data;
	uint8_t chan;
	size_t len;

	ATF_REQUIRE(s != NULL);
	/* Nothing was sent, so nothing can be acknowledged. */
	ATF_CHECK(!stream_ack(s, &a, 1));
	a.next = 1;
	ATF_CHECK(stream_ack(s, &a, 1));
	/* A segment from beyond the window. */
	d.segment = 1 + STREAM_WINDOW;
	ATF_CHECK(!stream_data(s, &d, 1));
	/* A length that no message has. */
	d.segment = 1;
	ATF_REQUIRE(stream_data(s, &d, 1));
	ATF_CHECK(!stream_next(s, &chan, &data, &len));
	ATF_CHECK(stream_broken(s));
	d.segment = 2;
	ATF_CHECK(!stream_data(s, &d, 1));
	stream_free(s);
}

ATF_TC_WITHOUT_HEAD(duplicates_are_dropped);
ATF_TC_BODY(duplicates_are_dropped, tc)
{
	uint8_t bytes[6] = { 1, 0, 0, 0, 1, 42 };
	struct wire_data d = { 1, bytes, sizeof(bytes) };
	struct stream *s = stream_new();
	const uint8_t *data;
	unsigned n = 0, i;
	uint8_t chan;
	size_t len;

	ATF_REQUIRE(s != NULL);
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE(stream_data(s, &d, 1));
		while (stream_next(s, &chan, &data, &len))
			n++;
	}
	d.segment = 3;
	ATF_REQUIRE(stream_data(s, &d, 1));
	ATF_REQUIRE(stream_data(s, &d, 1));
	d.segment = 2;
	ATF_REQUIRE(stream_data(s, &d, 1));
	while (stream_next(s, &chan, &data, &len))
		n++;
	ATF_CHECK_EQ(3, n);
	stream_free(s);
}

/* All that s may send goes out; the number of segments. */
static unsigned
pick_all(struct stream *s, uint64_t now, uint64_t *first)
{
	struct wire_data d;
	unsigned n = 0;

	while (stream_pick(s, now, &d)) {
		if (n++ == 0)
			*first = d.segment;
	}
	return n;
}

/* Silence is asked about soon, with little, and twice; then all is repeated. */
ATF_TC_WITHOUT_HEAD(probes);
ATF_TC_BODY(probes, tc)
{
	static uint8_t bytes[20 * WIRE_SEGMENT_MAX - 5];
	struct stream *s = stream_new();
	struct wire_ack a = { 2, 0, NULL };
	uint64_t no, t = 2000;

	ATF_REQUIRE(s != NULL);
	ATF_REQUIRE(stream_send(s, 1000, 1, bytes, 10));
	ATF_REQUIRE_EQ(1, pick_all(s, 1000, &no));
	ATF_REQUIRE(stream_ack(s, &a, 1200));
	ATF_CHECK_EQ(UINT64_MAX, stream_deadline(s));
	ATF_REQUIRE(stream_send(s, t, 1, bytes, sizeof(bytes)));
	ATF_REQUIRE_EQ(20, pick_all(s, t, &no));
	ATF_REQUIRE_EQ(t + 2000, stream_deadline(s));
	ATF_CHECK(!stream_timer(s, t + 1999));
	ATF_CHECK(stream_timer(s, t + 2000));
	ATF_CHECK_EQ(2, pick_all(s, t + 2000, &no));
	ATF_CHECK(no == 2 && stream_again(s));
	ATF_REQUIRE_EQ(t + 6000, stream_deadline(s));
	ATF_CHECK(stream_timer(s, t + 6000));
	ATF_CHECK_EQ(2, pick_all(s, t + 6000, &no));
	/* The oldest that is not asked about decides. */
	ATF_REQUIRE_EQ(t + 26000, stream_deadline(s));
	ATF_CHECK(stream_timer(s, t + 26000));
	ATF_CHECK(pick_all(s, t + 26000, &no) > 2);
	stream_check(s);
	/* An answer that the first ones got in vain measures nothing. */
	a.next = 22;
	ATF_REQUIRE(stream_ack(s, &a, t + 26200));
	ATF_REQUIRE(stream_send(s, t + 30000, 1, bytes, sizeof(bytes)));
	ATF_REQUIRE_EQ(20, pick_all(s, t + 30000, &no));
	ATF_CHECK_EQ(t + 32000, stream_deadline(s));
	stream_free(s);
}

/* Where fewer are on their way than are answered at once, a little later. */
ATF_TC_WITHOUT_HEAD(probes_wait);
ATF_TC_BODY(probes_wait, tc)
{
	uint8_t bytes[10] = { 0 };
	struct stream *s = stream_new();
	struct wire_ack a = { 2, 0, NULL };
	uint64_t no;

	ATF_REQUIRE(s != NULL);
	ATF_REQUIRE(stream_send(s, 1000, 1, bytes, sizeof(bytes)));
	ATF_REQUIRE_EQ(1, pick_all(s, 1000, &no));
	/* Nothing is measured so far. */
	ATF_CHECK_EQ(61000, stream_deadline(s));
	ATF_REQUIRE(stream_ack(s, &a, 2500));
	ATF_REQUIRE(stream_send(s, 3000, 1, bytes, sizeof(bytes)));
	ATF_REQUIRE_EQ(1, pick_all(s, 3000, &no));
	ATF_CHECK_EQ(3000 + 2 * 1500 + 5000, stream_deadline(s));
	stream_free(s);
}

/* What ends a gap is answered at once, so that the sender knows of the next. */
ATF_TC_WITHOUT_HEAD(end_of_gap);
ATF_TC_BODY(end_of_gap, tc)
{
	uint8_t bytes[6] = { 1, 0, 0, 0, 1, 42 }, sack[WIRE_SACK_MAX];
	struct wire_data d = { 2, bytes, sizeof(bytes) };
	struct stream *s = stream_new();
	struct wire_ack a;

	ATF_REQUIRE(s != NULL);
	ATF_REQUIRE(stream_data(s, &d, 1000));
	ATF_CHECK_EQ(1000, stream_ack_at(s));
	stream_fill_ack(s, &a, sack);
	d.segment = 1;
	ATF_REQUIRE(stream_data(s, &d, 2000));
	ATF_CHECK_EQ(2000, stream_ack_at(s));
	stream_fill_ack(s, &a, sack);
	ATF_CHECK_EQ(3, a.next);
	d.segment = 3;
	ATF_REQUIRE(stream_data(s, &d, 3000));
	ATF_CHECK_EQ(8000, stream_ack_at(s));
	stream_free(s);
}

/* A path that loses a fifth is slower, by what it loses and some waiting. */
static uint64_t
carry(unsigned loss)
{
	enum {
		COUNT = 500
	};
	static uint8_t bytes[16 * 1024];
	struct pair *p = malloc(sizeof(*p));
	unsigned sent = 0, got = 0;
	const uint8_t *data;
	uint8_t chan;
	uint64_t took;
	size_t len;

	ATF_REQUIRE(p != NULL);
	pair_init(p, 5);
	p->loss = loss;
	while (got < COUNT) {
		while (sent < COUNT && stream_queued(p->end[0]) < 1000000)
			if (stream_send(p->end[0], p->now, 1, bytes,
				sizeof(bytes)))
				sent++;
		flush(p, 0);
		ATF_REQUIRE(advance(p));
		while (stream_next(p->end[1], &chan, &data, &len))
			got++;
	}
	took = p->now;
	pair_free(p);
	return took;
}

ATF_TC_WITHOUT_HEAD(a_fifth_is_lost);
ATF_TC_BODY(a_fifth_is_lost, tc)
{
	uint64_t none = carry(0), fifth = carry(200);

	printf("%llu us without loss, %llu with\n", (unsigned long long)none,
	    (unsigned long long)fifth);
	ATF_CHECK(none < fifth && fifth < 4 * none);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, clean_path);
	ATF_TP_ADD_TC(tp, bad_paths);
	ATF_TP_ADD_TC(tp, packing);
	ATF_TP_ADD_TC(tp, queue_is_bounded);
	ATF_TP_ADD_TC(tp, largest_message);
	ATF_TP_ADD_TC(tp, broken_rules);
	ATF_TP_ADD_TC(tp, duplicates_are_dropped);
	ATF_TP_ADD_TC(tp, probes);
	ATF_TP_ADD_TC(tp, probes_wait);
	ATF_TP_ADD_TC(tp, end_of_gap);
	ATF_TP_ADD_TC(tp, a_fifth_is_lost);
	return atf_no_error();
}
