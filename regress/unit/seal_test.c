/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a box opens only with its own key, receiver, counter and
 * header, that a change of any byte is found, in either cipher, and that the
 * replay window accepts each counter once, whatever the order.
 */

#include <atf-c.h>
#include <sodium.h>

#include "core/rng.h"
#include "core/seal.h"

#define LEN 40

static enum seal_use cipher; /* that is being tested */

struct box {
	struct seal_key key;
	uint8_t head[20];
	uint8_t plain[LEN];
	uint8_t sealed[LEN + SEAL_TAG_LEN];
};

static void
make_box(struct box *b)
{
	static const uint8_t cluster_key[32] = { 1, 2, 3 };
	unsigned i;

	seal_derive(&b->key, cluster_key, cipher, 3, 1000);
	for (i = 0; i < sizeof(b->head); i++)
		b->head[i] = (uint8_t)i;
	for (i = 0; i < LEN; i++)
		b->plain[i] = (uint8_t)(100 + i);
	seal_box(&b->key, 5, 77, b->head, sizeof(b->head), b->plain, LEN,
	    b->sealed);
}

static bool
opens(const struct box *b, const struct seal_key *key, uint16_t to,
    uint64_t counter)
{
	uint8_t out[LEN];

	return seal_open(key, to, counter, b->head, sizeof(b->head), b->sealed,
		   sizeof(b->sealed), out) &&
	    memcmp(out, b->plain, LEN) == 0;
}

static void
in_each_cipher(void (*check)(void))
{
	ATF_REQUIRE(sodium_init() != -1);
	cipher = SEAL_ENGINE;
	check();
	cipher = SEAL_ENGINE_AES;
	if (seal_aes_works())
		check();
}

static void
opens_as_sealed_once(void)
{
	struct box b;

	make_box(&b);
	ATF_CHECK(opens(&b, &b.key, 5, 77));
	ATF_CHECK(!opens(&b, &b.key, 6, 77));
	ATF_CHECK(!opens(&b, &b.key, 5, 78));
	ATF_CHECK(memmem(b.sealed, sizeof(b.sealed), b.plain, 8) == NULL);
}

ATF_TC_WITHOUT_HEAD(opens_as_sealed);
ATF_TC_BODY(opens_as_sealed, tc)
{
	in_each_cipher(opens_as_sealed_once);
}

static void
every_byte_counts_once(void)
{
	struct box b;
	unsigned i, bit;

	make_box(&b);
	for (i = 0; i < sizeof(b.sealed); i++)
		for (bit = 0; bit < 8; bit++) {
			b.sealed[i] ^= (uint8_t)(1U << bit);
			ATF_CHECK(!opens(&b, &b.key, 5, 77));
			b.sealed[i] ^= (uint8_t)(1U << bit);
		}
	for (i = 0; i < sizeof(b.head); i++) {
		b.head[i] ^= 0x40;
		ATF_CHECK(!opens(&b, &b.key, 5, 77));
		b.head[i] ^= 0x40;
	}
	ATF_CHECK(opens(&b, &b.key, 5, 77));
}

ATF_TC_WITHOUT_HEAD(every_byte_counts);
ATF_TC_BODY(every_byte_counts, tc)
{
	in_each_cipher(every_byte_counts_once);
}

static void
truncated_once(void)
{
	struct box b;
	uint8_t out[LEN];
	size_t len;

	make_box(&b);
	for (len = 0; len < sizeof(b.sealed); len++)
		ATF_CHECK(!seal_open(&b.key, 5, 77, b.head, sizeof(b.head),
		    b.sealed, len, out));
}

ATF_TC_WITHOUT_HEAD(truncated);
ATF_TC_BODY(truncated, tc)
{
	in_each_cipher(truncated_once);
}

/* A key belongs to one use, of one incarnation of one node of one cluster. */
static void
keys_differ_once(void)
{
	static const uint8_t mine[32] = { 1, 2, 3 }, other[32] = { 1, 2, 4 };
	struct seal_key k;
	struct box b;

	make_box(&b);
	seal_derive(&k, mine, cipher, 3, 1000);
	ATF_CHECK(opens(&b, &k, 5, 77));
	seal_derive(&k, other, cipher, 3, 1000);
	ATF_CHECK(!opens(&b, &k, 5, 77));
	seal_derive(&k, mine, cipher, 4, 1000);
	ATF_CHECK(!opens(&b, &k, 5, 77));
	seal_derive(&k, mine, cipher, 3, 1001);
	ATF_CHECK(!opens(&b, &k, 5, 77));
	seal_derive(&k, mine, SEAL_BEAT, 3, 1000);
	ATF_CHECK(!opens(&b, &k, 5, 77));
	seal_forget(&k);
	ATF_CHECK(sodium_is_zero((uint8_t *)&k, sizeof(k)));
}

ATF_TC_WITHOUT_HEAD(keys_differ);
ATF_TC_BODY(keys_differ, tc)
{
	in_each_cipher(keys_differ_once);
}

ATF_TC_WITHOUT_HEAD(window_edges);
ATF_TC_BODY(window_edges, tc)
{
	struct seal_window w = { 0 };
	uint64_t c;

	ATF_CHECK(!seal_fresh(&w, 0));
	ATF_CHECK(seal_fresh(&w, 1));
	seal_accept(&w, 1);
	ATF_CHECK(!seal_fresh(&w, 1));
	seal_accept(&w, 10000);
	ATF_CHECK(!seal_fresh(&w, 10000));
	ATF_CHECK(!seal_fresh(&w, 10000 - SEAL_WINDOW));
	for (c = 10000 - SEAL_WINDOW + 1; c < 10000; c++) {
		ATF_CHECK(seal_fresh(&w, c));
		seal_accept(&w, c);
		ATF_CHECK(!seal_fresh(&w, c));
	}
	seal_accept(&w, UINT64_MAX);
	ATF_CHECK(!seal_fresh(&w, UINT64_MAX));
	ATF_CHECK(seal_fresh(&w, UINT64_MAX - 1));
	ATF_CHECK(!seal_fresh(&w, 10001));
}

/* Against the simplest model there is: a list of what was accepted. */
ATF_TC_WITHOUT_HEAD(window_against_model);
ATF_TC_BODY(window_against_model, tc)
{
	enum {
		N = 20000
	};
	static bool seen[N + 1];
	uint64_t seed[4] = { 5, 6, 7, 8 }, base = 1, top = 0, c;
	struct seal_window w = { 0 };
	struct rng rng;
	unsigned n, fresh = 0;
	bool expect;

	rng_seed(&rng, seed);
	for (n = 0; n < 60000; n++) {
		base += rng_below(&rng, 3) == 0;
		if (rng_below(&rng, 500) == 0)
			base += rng_below(&rng, 300);
		c = base + rng_below(&rng, 80);
		if (rng_below(&rng, 4) == 0)
			c = base > 2500 ? base - rng_below(&rng, 2500) : 1;
		if (c == 0 || c > N)
			continue;
		expect = !seen[c] && (c > top || top - c < SEAL_WINDOW);
		ATF_REQUIRE_EQ_MSG(expect, seal_fresh(&w, c),
		    "counter %ju, newest %ju", (uintmax_t)c, (uintmax_t)top);
		if (!expect)
			continue;
		fresh++;
		seal_accept(&w, c);
		seen[c] = true;
		top = MAX(top, c);
	}
	ATF_CHECK(fresh > 1000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, opens_as_sealed);
	ATF_TP_ADD_TC(tp, every_byte_counts);
	ATF_TP_ADD_TC(tp, truncated);
	ATF_TP_ADD_TC(tp, keys_differ);
	ATF_TP_ADD_TC(tp, window_edges);
	ATF_TP_ADD_TC(tp, window_against_model);
	return atf_no_error();
}
