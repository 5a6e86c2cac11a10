/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a node and the witness understand each other if they share a key
 * of the cluster, and else neither gets anything out of the other: whatever is
 * altered, kept for later, cut off, or of another cluster, key or version.
 */

#include <atf-c.h>
#include <sodium.h>
#include <stdio.h>

#include "core/device.h"
#include "witness_wire.h"

_Static_assert(WITNESS_BLOCKS == DEVICE_BLOCKS, "blocks");
_Static_assert(WITNESS_UUID == DEVICE_UUID, "uuid");
_Static_assert(WITNESS_BLOCK_MAX == DEVICE_BODY_MAX, "block");

static struct conf *conf;
static struct keyring ours, theirs;
static struct witness_end node, witness;
static struct wbuf hello, welcome, frame, plain;

/* A key that is all of one byte. */
static void
add_key(struct keyring *r, uint8_t gen, uint8_t byte)
{
	r->k[r->n].gen = gen;
	memset(r->k[r->n].key, byte, KEYRING_KEY_LEN);
	r->n++;
	r->use = r->last = gen;
}

static void
setup(void)
{
	unsigned i;

	ATF_REQUIRE(sodium_init() != -1);
	conf = conf_new();
	ATF_REQUIRE(conf != NULL);
	strlcpy(conf->cluster, "demo", sizeof(conf->cluster));
	conf->nnodes = 2;
	for (i = 0; i < 2; i++) {
		conf->nodes[i].id = (uint16_t)(i + 1);
		snprintf(conf->nodes[i].name, sizeof(conf->nodes[i].name),
		    "n%u", i + 1);
	}
	memset(&ours, 0, sizeof(ours));
	memset(&theirs, 0, sizeof(theirs));
	wbuf_init(&hello, 4096);
	wbuf_init(&welcome, 4096);
	wbuf_init(&frame, 2 * WITNESS_ANSWER_MAX);
	wbuf_init(&plain, WITNESS_ANSWER_MAX);
}

static const uint8_t *
body(const struct wbuf *w, size_t *len)
{
	struct rbuf r;

	rbuf_init(&r, w->data, w->len);
	*len = rbuf_u32(&r);
	ATF_REQUIRE(!r.err);
	ATF_REQUIRE_EQ(*len, rbuf_left(&r));
	return r.data + r.off;
}

static void
say_hello(uint16_t id, const char *cluster, uint8_t nonce)
{
	uint8_t n[WITNESS_NONCE];

	memset(n, nonce, sizeof(n));
	wbuf_reset(&hello);
	witness_hello(&node, cluster, &ours, id, n, &hello);
	ATF_REQUIRE(!hello.err);
}

static enum witness_bad
greet(uint8_t nonce)
{
	uint8_t n[WITNESS_NONCE];
	const uint8_t *p;
	size_t len;

	memset(n, nonce, sizeof(n));
	wbuf_reset(&welcome);
	p = body(&hello, &len);
	ATF_REQUIRE(len <= WITNESS_HELLO_MAX);
	return witness_greet(&witness, conf, &theirs, n, p, len, &welcome);
}

static enum witness_bad
greeted(struct witness_refusal *r)
{
	const uint8_t *p;
	size_t len;

	p = body(&welcome, &len);
	ATF_REQUIRE(len <= WITNESS_GREET_MAX);
	return witness_greeted(&node, "demo", &ours, p, len, r);
}

static void
handshake(uint8_t a, uint8_t b)
{
	struct witness_refusal r;

	say_hello(1, "demo", a);
	ATF_REQUIRE_EQ(WB_OK, greet(b));
	ATF_REQUIRE_EQ(WB_OK, greeted(&r));
}

static bool
ask(uint32_t req, const void *data, size_t len, struct witness_ask *got)
{
	struct witness_ask a = { .req = req, .data = data, .len = len };
	const uint8_t *p;
	size_t n;

	wbuf_reset(&frame);
	witness_put_ask(&node, &a, &frame);
	ATF_REQUIRE(!frame.err);
	p = body(&frame, &n);
	ATF_REQUIRE(n <= WITNESS_ASK_MAX);
	return witness_get_ask(&witness, p, n, &plain, got);
}

static bool
answer(uint32_t req, bool ok, const void *data, size_t len,
    struct witness_answer *got)
{
	struct witness_answer a = { .req = req,
		.ok = ok,
		.data = data,
		.len = len };
	const uint8_t *p;
	size_t n;

	wbuf_reset(&frame);
	witness_put_answer(&witness, &a, &frame);
	ATF_REQUIRE(!frame.err);
	p = body(&frame, &n);
	ATF_REQUIRE(n <= WITNESS_ANSWER_MAX);
	return witness_get_answer(&node, p, n, &plain, got);
}

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	static uint8_t large[WITNESS_LOOK_MAX];
	struct witness_answer b;
	struct witness_ask a;
	unsigned i;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	handshake(1, 2);
	ATF_CHECK_EQ(1, witness.node);
	ATF_CHECK_EQ(0, node.gen);
	randombytes_buf(large, sizeof(large));
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE(ask(7 + i, large, WITNESS_DATA_MAX, &a));
		ATF_CHECK_EQ(7 + i, a.req);
		ATF_CHECK_EQ(WITNESS_DATA_MAX, a.len);
		ATF_CHECK(memcmp(large, a.data, a.len) == 0);
		ATF_REQUIRE(answer(7 + i, true, large, sizeof(large), &b));
		ATF_CHECK_EQ(7 + i, b.req);
		ATF_CHECK(b.ok);
		ATF_CHECK_EQ(sizeof(large), b.len);
		ATF_CHECK(memcmp(large, b.data, b.len) == 0);
	}
	ATF_REQUIRE(ask(1, NULL, 0, &a));
	ATF_CHECK_EQ(0, a.len);
	ATF_REQUIRE(answer(1, false, "no", 2, &b));
	ATF_CHECK(!b.ok && b.len == 2);
}

/* Nothing of what is said can be read by who looks on. */
ATF_TC_WITHOUT_HEAD(secret);
ATF_TC_BODY(secret, tc)
{
	static const char text[] = "sixteen bytes...and a block";
	struct witness_ask a;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	handshake(1, 2);
	ATF_REQUIRE(ask(1, text, sizeof(text), &a));
	ATF_CHECK(memmem(frame.data, frame.len, text, 8) == NULL);
	ATF_CHECK(memcmp(a.data, text, sizeof(text)) == 0);
}

/* While the key is changed: the first of ours that they have. */
ATF_TC_WITHOUT_HEAD(generations);
ATF_TC_BODY(generations, tc)
{
	struct witness_refusal r;

	setup();
	add_key(&ours, 3, 0x33);
	add_key(&ours, 4, 0x44);
	add_key(&theirs, 3, 0x33);
	handshake(1, 2);
	ATF_CHECK_EQ(3, node.gen);
	add_key(&theirs, 4, 0x44);
	handshake(1, 2);
	ATF_CHECK_EQ(4, node.gen);
	/* The old one is over on one side, and then on the other. */
	keyring_drop(&ours, 3);
	handshake(1, 2);
	keyring_drop(&theirs, 4);
	say_hello(1, "demo", 1);
	ATF_CHECK_EQ(WB_NO_KEY, greet(2));
	ATF_CHECK_EQ(WB_NO_KEY, greeted(&r));
	ATF_CHECK_EQ(1, r.n);
	ATF_CHECK_EQ(3, r.gen[0]);
}

static void
refused(uint16_t id, const char *cluster, enum witness_bad want)
{
	struct witness_refusal r;

	say_hello(id, cluster, 1);
	ATF_CHECK_EQ_MSG(want, greet(2), "%s", witness_bad_name(want));
	ATF_CHECK_EQ_MSG(want, greeted(&r), "%s", witness_bad_name(want));
	ATF_CHECK_EQ(want, r.why);
}

ATF_TC_WITHOUT_HEAD(refusals);
ATF_TC_BODY(refusals, tc)
{
	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	refused(1, "other", WB_CLUSTER);
	refused(3, "demo", WB_NODE);
	conf->nodes[1].id = 300; /* there is no block for it */
	refused(300, "demo", WB_NODE);
	theirs.k[0].key[31] ^= 1;
	refused(1, "demo", WB_OTHER_KEY);
	theirs.k[0].gen = 1;
	refused(1, "demo", WB_NO_KEY);
}

/* Each byte of the handshake counts, in both directions. */
ATF_TC_WITHOUT_HEAD(altered);
ATF_TC_BODY(altered, tc)
{
	struct witness_refusal r;
	struct witness_end end;
	const uint8_t *p;
	size_t i, len;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	say_hello(1, "demo", 1);
	for (i = WITNESS_HEAD; i < hello.len; i++) {
		hello.data[i] ^= 1;
		ATF_CHECK_MSG(greet(2) != WB_OK, "byte %zu", i);
		hello.data[i] ^= 1;
	}
	ATF_REQUIRE_EQ(WB_OK, greet(2));
	end = node;
	for (i = WITNESS_HEAD; i < welcome.len; i++) {
		welcome.data[i] ^= 1;
		node = end;
		ATF_CHECK_MSG(greeted(&r) != WB_OK, "byte %zu", i);
		welcome.data[i] ^= 1;
	}
	p = body(&welcome, &len);
	for (i = 0; i < len; i++)
		ATF_CHECK(
		    witness_greeted(&node, "demo", &ours, p, i, &r) != WB_OK);
	p = body(&hello, &len);
	for (i = 0; i < len; i++)
		ATF_CHECK(witness_greet(&witness, conf, &theirs, hello.data, p,
			      i, &frame) != WB_OK);
}

ATF_TC_WITHOUT_HEAD(version);
ATF_TC_BODY(version, tc)
{
	struct witness_refusal r;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	say_hello(1, "demo", 1);
	hello.data[WITNESS_HEAD + 4] = 2;
	ATF_CHECK_EQ(WB_VERSION, greet(2));
	ATF_CHECK_EQ(WB_VERSION, greeted(&r));
	welcome.data[WITNESS_HEAD + 4] = 9;
	ATF_CHECK_EQ(WB_VERSION, greeted(&r));
	ATF_CHECK_EQ(9, r.version);
}

/* What was recorded of one connection is of no use on another one. */
ATF_TC_WITHOUT_HEAD(replayed);
ATF_TC_BODY(replayed, tc)
{
	struct witness_refusal r;
	struct wbuf old, asked;
	struct witness_ask a;
	const uint8_t *p;
	size_t len;

	setup();
	wbuf_init(&old, 4096);
	wbuf_init(&asked, 8192);
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	handshake(1, 2);
	wbuf_bytes(&old, welcome.data, welcome.len);
	ATF_REQUIRE(ask(1, NULL, 0, &a));
	wbuf_bytes(&asked, frame.data, frame.len);
	/* The record again, on this connection. */
	p = body(&asked, &len);
	ATF_CHECK(!witness_get_ask(&witness, p, len, &plain, &a));
	/* HELLO and record again: the witness has another nonce. */
	ATF_REQUIRE_EQ(WB_OK, greet(3));
	ATF_CHECK(!witness_get_ask(&witness, p, len, &plain, &a));
	/* WELCOME again: the node has another nonce. */
	say_hello(1, "demo", 4);
	wbuf_reset(&welcome);
	wbuf_bytes(&welcome, old.data, old.len);
	ATF_CHECK_EQ(WB_OTHER_KEY, greeted(&r));
	/* What the one said cannot come from the other. */
	handshake(5, 6);
	wbuf_reset(&frame);
	witness_put_ask(&node, &a, &frame);
	p = body(&frame, &len);
	node.opened = 0;
	ATF_CHECK(!witness_get_ask(&node, p, len, &plain, &a));
	ATF_CHECK(witness_get_ask(&witness, p, len, &plain, &a));
	wbuf_free(&old);
	wbuf_free(&asked);
}

ATF_TC_WITHOUT_HEAD(records);
ATF_TC_BODY(records, tc)
{
	struct witness_ask in = { .req = 1 }, a;
	uint8_t copy[256];
	const uint8_t *p;
	size_t len, i;
	struct wbuf two;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	handshake(1, 2);
	witness_put_ask(&node, &in, &frame);
	p = body(&frame, &len);
	ATF_REQUIRE(len <= sizeof(copy));
	for (i = 0; i < len; i++) {
		ATF_CHECK(!witness_get_ask(&witness, p, i, &plain, &a));
		memcpy(copy, p, len);
		copy[i] ^= 0x80;
		ATF_CHECK(!witness_get_ask(&witness, copy, len, &plain, &a));
		ATF_CHECK_EQ(0, plain.len);
	}
	/* The second before the first. */
	wbuf_init(&two, 4096);
	witness_put_ask(&node, &in, &two);
	ATF_CHECK(!witness_get_ask(&witness, two.data + WITNESS_HEAD,
	    two.len - WITNESS_HEAD, &plain, &a));
	ATF_CHECK(witness_get_ask(&witness, p, len, &plain, &a));
	ATF_CHECK(witness_get_ask(&witness, two.data + WITNESS_HEAD,
	    two.len - WITNESS_HEAD, &plain, &a));
	/* A uuid, and no block. */
	ATF_CHECK(!ask(2, copy, WITNESS_UUID, &a));
	wbuf_free(&two);
}

/* A length that no body can have costs nothing. */
ATF_TC_WITHOUT_HEAD(huge);
ATF_TC_BODY(huge, tc)
{
	static uint8_t much[WITNESS_ANSWER_MAX + 1];
	struct witness_answer b;
	struct witness_ask a;

	setup();
	add_key(&ours, 0, 0x11);
	add_key(&theirs, 0, 0x11);
	handshake(1, 2);
	ATF_CHECK(
	    !witness_get_ask(&witness, much, WITNESS_ASK_MAX + 1, &plain, &a));
	ATF_CHECK(!witness_get_answer(&node, much, sizeof(much), &plain, &b));
	ATF_CHECK_EQ(0, plain.cap);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, secret);
	ATF_TP_ADD_TC(tp, generations);
	ATF_TP_ADD_TC(tp, refusals);
	ATF_TP_ADD_TC(tp, altered);
	ATF_TP_ADD_TC(tp, version);
	ATF_TP_ADD_TC(tp, replayed);
	ATF_TP_ADD_TC(tp, records);
	ATF_TP_ADD_TC(tp, huge);
	return atf_no_error();
}
