/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that what the codec of datagrams writes it reads back, that a body
 * cut at any byte is refused, that unknown frames are stepped over, and that
 * random bytes never make it read outside.
 */

#include <atf-c.h>

#include "core/rng.h"
#include "core/wire.h"

ATF_TC_WITHOUT_HEAD(header_round_trip);
ATF_TC_BODY(header_round_trip, tc)
{
	struct wire_header in = { 1, 2, 3, WV_BEAT, 0x1122334455667788, 7,
		65535, 0xfedcba9876543210, 42 };
	struct wire_header out;
	struct wbuf w;
	struct rbuf r;
	size_t len;

	wbuf_init(&w, 256);
	wire_put_header(&w, &in);
	ATF_REQUIRE_EQ(WIRE_HEADER_LEN, w.len);
	for (len = 0; len < w.len; len++) {
		rbuf_init(&r, w.data, len);
		ATF_CHECK(!wire_get_header(&r, &out));
	}
	rbuf_init(&r, w.data, w.len);
	ATF_REQUIRE(wire_get_header(&r, &out));
	ATF_CHECK_EQ(in.version, out.version);
	ATF_CHECK_EQ(in.keyid, out.keyid);
	ATF_CHECK_EQ(in.link, out.link);
	ATF_CHECK_EQ(in.cluster, out.cluster);
	ATF_CHECK_EQ(in.from, out.from);
	ATF_CHECK_EQ(in.to, out.to);
	ATF_CHECK_EQ(in.incarnation, out.incarnation);
	ATF_CHECK_EQ(in.counter, out.counter);
	w.data[0] ^= 1;
	rbuf_init(&r, w.data, w.len);
	ATF_CHECK(!wire_get_header(&r, &out));
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(cluster_tags_differ);
ATF_TC_BODY(cluster_tags_differ, tc)
{
	ATF_CHECK_EQ(wire_cluster("alpha"), wire_cluster("alpha"));
	ATF_CHECK(wire_cluster("alpha") != wire_cluster("beta"));
	ATF_CHECK(wire_cluster("alpha") != wire_cluster(""));
}

/* Writes one frame of each type, an unknown one among them. */
static void
write_all(struct wbuf *w)
{
	struct wire_hello h = { 1, 3, 0x8000000000000001, { 9, 8, 7 } };
	struct wire_beat b = { 77, 0x81, 123456789, 987654321, 55, 42, 66, 1 };
	struct wire_data d = { 12, (const uint8_t *)"segment", 7 };
	struct wire_ack a = { 34, 2, (const uint8_t *)"\x05\x80" };
	struct wire_probed p = { 98, 8952 };

	wire_put_hello(w, &h);
	wire_put_beat(w, &b);
	wbuf_u8(w, 200);
	wbuf_u16(w, 4);
	wbuf_bytes(w, "what", 4);
	wire_put_data(w, &d);
	wire_put_ack(w, &a);
	wire_put_probe(w, 99, w->len + 50);
	wire_put_probed(w, &p);
	wire_put_bye(w);
}

/* Reads frames until one is malformed; returns how many were sound. */
static unsigned
read_all(const uint8_t *data, size_t len)
{
	struct wire_hello h;
	struct wire_beat b;
	struct wire_data d;
	struct wire_ack a;
	struct wire_probed p;
	struct rbuf r, body;
	unsigned n = 0;
	uint32_t probe;
	uint8_t type;
	bool ok = true;

	rbuf_init(&r, data, len);
	while (wire_next(&r, &type, &body)) {
		if (type == WF_HELLO)
			ok = wire_get_hello(&body, &h);
		else if (type == WF_BEAT)
			ok = wire_get_beat(&body, &b);
		else if (type == WF_DATA)
			ok = wire_get_data(&body, &d) && d.data >= data &&
			    d.data + d.len <= data + len;
		else if (type == WF_ACK)
			ok = wire_get_ack(&body, &a) &&
			    a.sack + a.nsack <= data + len;
		else if (type == WF_PROBE)
			ok = wire_get_probe(&body, &probe);
		else if (type == WF_PROBED)
			ok = wire_get_probed(&body, &p);
		if (!ok)
			break;
		n++;
	}
	return r.err ? 0 : n;
}

ATF_TC_WITHOUT_HEAD(frames_round_trip);
ATF_TC_BODY(frames_round_trip, tc)
{
	struct wire_hello h;
	struct wire_beat b;
	struct wire_data d;
	struct wire_ack a;
	struct wire_probed p;
	struct wbuf w;
	struct rbuf r, body;
	uint32_t probe;
	uint8_t type;

	wbuf_init(&w, 1024);
	write_all(&w);
	ATF_REQUIRE(!w.err);
	rbuf_init(&r, w.data, w.len);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_HELLO);
	ATF_REQUIRE(wire_get_hello(&body, &h));
	ATF_CHECK_EQ(1, h.vmin);
	ATF_CHECK_EQ(3, h.vmax);
	ATF_CHECK_EQ(0x8000000000000001, h.features);
	ATF_CHECK_EQ(8, h.conf[1]);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_BEAT);
	ATF_REQUIRE(wire_get_beat(&body, &b));
	ATF_CHECK_EQ(77, b.seq);
	ATF_CHECK_EQ(0x81, b.heard);
	ATF_CHECK_EQ(123456789, b.sent);
	ATF_CHECK_EQ(987654321, b.echo);
	ATF_CHECK_EQ(55, b.echo_age);
	ATF_CHECK_EQ(42, b.life);
	ATF_CHECK_EQ(66, b.vouch);
	ATF_CHECK_EQ(1, b.flags);
	ATF_REQUIRE(wire_next(&r, &type, &body));
	ATF_CHECK_EQ(200, type);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_DATA);
	ATF_REQUIRE(wire_get_data(&body, &d));
	ATF_CHECK_EQ(12, d.segment);
	ATF_CHECK_EQ(7, d.len);
	ATF_CHECK_EQ(0, memcmp(d.data, "segment", 7));
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_ACK);
	ATF_REQUIRE(wire_get_ack(&body, &a));
	ATF_CHECK_EQ(34, a.next);
	ATF_CHECK_EQ(2, a.nsack);
	ATF_CHECK_EQ(0x80, a.sack[1]);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_PROBE);
	ATF_CHECK_EQ(50 - WIRE_FRAME_LEN, rbuf_left(&body));
	ATF_REQUIRE(wire_get_probe(&body, &probe));
	ATF_CHECK_EQ(99, probe);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_PROBED);
	ATF_REQUIRE(wire_get_probed(&body, &p));
	ATF_CHECK_EQ(98, p.probe);
	ATF_CHECK_EQ(8952, p.came);
	ATF_REQUIRE(wire_next(&r, &type, &body) && type == WF_BYE);
	ATF_CHECK(!wire_next(&r, &type, &body));
	ATF_CHECK(!r.err);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(truncated_frames);
ATF_TC_BODY(truncated_frames, tc)
{
	struct wbuf w;
	unsigned whole;
	size_t len;

	wbuf_init(&w, 1024);
	write_all(&w);
	whole = read_all(w.data, w.len);
	ATF_REQUIRE_EQ(8, whole);
	for (len = 0; len < w.len; len++)
		ATF_CHECK(read_all(w.data, len) < whole);
	wbuf_free(&w);
}

/* A body that is shorter than its type needs, with a length that fits it. */
ATF_TC_WITHOUT_HEAD(short_bodies);
ATF_TC_BODY(short_bodies, tc)
{
	static const struct {
		uint8_t type;
		unsigned need;
	} t[] = { { WF_HELLO, 42 }, { WF_BEAT, 25 }, { WF_DATA, 9 },
		{ WF_ACK, 9 }, { WF_PROBE, 4 }, { WF_PROBED, 6 } };
	uint8_t data[64];
	unsigned i, len;

	for (i = 0; i < NITEMS(t); i++)
		for (len = 0; len < t[i].need; len++) {
			memset(data, 0, sizeof(data));
			data[0] = t[i].type;
			data[2] = (uint8_t)len;
			/* Segment 0 would be refused for itself. */
			data[10] = 1;
			ATF_CHECK_EQ_MSG(0, read_all(data, 3 + len),
			    "type %u with %u bytes", t[i].type, len);
		}
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	uint8_t data[WIRE_SEGMENT_MAX + 64] = { 0 };
	struct wire_data d;
	struct wire_ack a;
	struct rbuf r;

	data[7] = 1;
	rbuf_init(&r, data, 8 + WIRE_SEGMENT_MAX);
	ATF_CHECK(wire_get_data(&r, &d));
	rbuf_init(&r, data, 8 + WIRE_SEGMENT_MAX + 1);
	ATF_CHECK(!wire_get_data(&r, &d));
	data[7] = 0;
	rbuf_init(&r, data, 20);
	ATF_CHECK(!wire_get_data(&r, &d));
	data[7] = 1;
	data[8] = WIRE_SACK_MAX;
	rbuf_init(&r, data, 9 + WIRE_SACK_MAX);
	ATF_CHECK(wire_get_ack(&r, &a));
	data[8] = WIRE_SACK_MAX + 1;
	rbuf_init(&r, data, 200);
	ATF_CHECK(!wire_get_ack(&r, &a));
}

ATF_TC_WITHOUT_HEAD(random_bytes);
ATF_TC_BODY(random_bytes, tc)
{
	uint64_t seed[4] = { 1, 2, 3, 4 };
	uint8_t *data;
	struct rng rng;
	size_t len, i;
	unsigned n, sound = 0;

	rng_seed(&rng, seed);
	for (n = 0; n < 20000; n++) {
		len = rng_below(&rng, 200);
		/* Exactly as long as said, so that a tool sees an overrun. */
		data = malloc(MAX(len, (size_t)1));
		ATF_REQUIRE(data != NULL);
		for (i = 0; i < len; i++)
			data[i] = (uint8_t)rng_below(&rng,
			    rng_below(&rng, 4) == 0 ? 256 : 8);
		sound += read_all(data, len);
		free(data);
	}
	ATF_CHECK(sound > 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, header_round_trip);
	ATF_TP_ADD_TC(tp, cluster_tags_differ);
	ATF_TP_ADD_TC(tp, frames_round_trip);
	ATF_TP_ADD_TC(tp, truncated_frames);
	ATF_TP_ADD_TC(tp, short_bodies);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, random_bytes);
	return atf_no_error();
}
