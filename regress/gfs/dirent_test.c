/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the pure parts of directories and allocation: records in a block
 * stay a tiling under any sequence of changes, damaged records are refused
 * and never walked out of the block, a split moves exactly the lower half,
 * and bitmap searches agree with a plain array.
 */

#include <atf-c.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "libgfs/bitmap.h"
#include "libgfs/dirent.h"

#define START 104
#define END   1024

static uint64_t seed = 1;

static unsigned
rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 33) % n);
}

static bool
add(uint8_t *blk, const char *s, uint64_t addr)
{
	struct inum num = { .formal = 1, .addr = addr };
	struct dname n;
	struct dent d;
	bool found;

	ATF_REQUIRE_EQ(0, dname_init(&n, s));
	ATF_REQUIRE_EQ(OD_OK,
	    dirent_room(blk, START, END, dirent_need(n.len), &d, &found));
	if (found)
		dirent_put(blk, &d, &n, &num, 8);
	return found;
}

static bool
has(const uint8_t *blk, const char *s, struct dent *d)
{
	struct dname n;
	bool found;

	ATF_REQUIRE_EQ(0, dname_init(&n, s));
	ATF_REQUIRE_EQ(OD_OK, dirent_find(blk, START, END, &n, d, &found));
	return found;
}

ATF_TC_WITHOUT_HEAD(tiling);
ATF_TC_BODY(tiling, tc)
{
	uint8_t blk[END];
	bool there[40] = { false };
	struct dent d;
	unsigned i, k, count, want, added = 0, full = 0;
	char name[64];

	dirent_clear(blk, START, END);
	for (i = 0; i < 20000; i++) {
		k = rnd(NITEMS(there));
		snprintf(name, sizeof(name), "%.*s%u", (int)(k % 23),
		    "abcdefghijklmnopqrstuvw", k);
		ATF_REQUIRE_EQ(there[k], has(blk, name, &d));
		if (there[k]) {
			ATF_REQUIRE_EQ(1000u + k, d.h.num.addr);
			dirent_del(blk, &d);
			there[k] = false;
		} else if (add(blk, name, 1000 + k)) {
			there[k] = true;
			added++;
		} else {
			full++;
		}
		for (want = 0, k = 0; k < NITEMS(there); k++)
			want += there[k];
		ATF_REQUIRE_EQ(OD_OK, dirent_check(blk, START, END, &count));
		ATF_REQUIRE_EQ(want, count);
	}
	/* Both ways out were taken. */
	ATF_REQUIRE(added > 1000 && full > 100);
}

ATF_TC_WITHOUT_HEAD(damage);
ATF_TC_BODY(damage, tc)
{
	uint8_t good[END], blk[END];
	struct dname n;
	struct dent d;
	unsigned i, k, count, bad = 0;
	bool found;
	char name[16];

	dirent_clear(good, START, END);
	for (i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		ATF_REQUIRE(add(good, name, 5000 + i));
	}
	ATF_REQUIRE_EQ(0, dname_init(&n, "file14"));
	for (i = 0; i < 50000; i++) {
		memcpy(blk, good, sizeof(blk));
		for (k = 0; k < 3; k++)
			blk[START + rnd(END - START)] = (uint8_t)rnd(256);
		if (dirent_check(blk, START, END, &count) != OD_OK)
			bad++;
		/* Under the sanitizers this would find a walk outside. */
		(void)dirent_find(blk, START, END, &n, &d, &found);
		(void)dirent_room(blk, START, END, 300, &d, &found);
	}
	ATF_REQUIRE(bad > 1000);
	/* A sentinel that is not the first record. */
	memcpy(blk, good, sizeof(blk));
	ATF_REQUIRE(has(blk, "file3", &d));
	memset(blk + d.off, 0, 16);
	ATF_REQUIRE_EQ(OD_ADDR, dirent_check(blk, START, END, &count));
	/* A record of length 0 must not be walked for ever. */
	memcpy(blk, good, sizeof(blk));
	od_put16(blk + d.off + 20, 0);
	ATF_REQUIRE_EQ(OD_RECLEN, dirent_check(blk, START, END, &count));
}

ATF_TC_WITHOUT_HEAD(split);
ATF_TC_BODY(split, tc)
{
	uint8_t from[END], to[END];
	struct dirent_it it;
	struct dent d;
	unsigned round, i, moved, before, left, right;
	uint32_t divider;
	char name[16];

	for (round = 0; round < 500; round++) {
		dirent_clear(from, START, END);
		dirent_clear(to, START, END);
		for (i = 0; i < 19; i++) {
			snprintf(name, sizeof(name), "%u.%u", round, i);
			ATF_REQUIRE(add(from, name, 100 + i));
		}
		divider = (uint32_t)rnd(16) << 28;
		ATF_REQUIRE_EQ(OD_OK, dirent_check(from, START, END, &before));
		ATF_REQUIRE_EQ(OD_OK,
		    dirent_split(from, to, START, END, divider, &moved));
		ATF_REQUIRE_EQ(OD_OK, dirent_check(from, START, END, &left));
		ATF_REQUIRE_EQ(OD_OK, dirent_check(to, START, END, &right));
		ATF_REQUIRE_EQ(moved, right);
		ATF_REQUIRE_EQ(before, left + right);
		dirent_it_init(&it, from, START, END);
		while (dirent_it_next(&it, &d))
			ATF_REQUIRE(d.h.num.addr == 0 || d.h.hash >= divider);
		dirent_it_init(&it, to, START, END);
		while (dirent_it_next(&it, &d))
			ATF_REQUIRE(d.h.num.addr == 0 || d.h.hash < divider);
	}
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	char longest[GFS2_FNAMESIZE + 2];
	struct dname n;

	memset(longest, 'x', sizeof(longest));
	longest[GFS2_FNAMESIZE] = '\0';
	ATF_REQUIRE_EQ(0, dname_init(&n, longest));
	ATF_REQUIRE_EQ((unsigned)GFS2_FNAMESIZE, n.len);
	longest[GFS2_FNAMESIZE] = 'x';
	longest[GFS2_FNAMESIZE + 1] = '\0';
	ATF_REQUIRE_EQ(ENAMETOOLONG, dname_init(&n, longest));
	ATF_REQUIRE_EQ(EINVAL, dname_init(&n, ""));
	ATF_REQUIRE_EQ(EINVAL, dname_init(&n, "a/b"));
	ATF_REQUIRE_EQ(48u, dirent_need(1));
	ATF_REQUIRE_EQ(48u, dirent_need(8));
	ATF_REQUIRE_EQ(56u, dirent_need(9));
	ATF_REQUIRE_EQ(296u, dirent_need(255));
}

ATF_TC_WITHOUT_HEAD(bitmap);
ATF_TC_BODY(bitmap, tc)
{
	enum {
		N = 517
	};
	uint8_t bits[(N + 3) / 4] = { 0 };
	unsigned plain[N] = { 0 }, i, k, st, from, to, want;
	uint32_t count[4], sum[4];

	for (i = 0; i < 20000; i++) {
		k = rnd(N);
		plain[k] = rnd(4);
		/* Long runs of one state, as in reality. */
		for (st = 0; st < 12 && k + st < N; st++) {
			plain[k + st] = plain[k];
			bm_set(bits, k + st, plain[k]);
		}
		st = rnd(4);
		from = rnd(N);
		to = from + rnd(N - from + 1);
		for (want = from; want < to && plain[want] != st; want++)
			;
		ATF_REQUIRE_EQ(want == to ? BM_NONE : want,
		    bm_find(bits, from, to, st));
		if (want < to) {
			for (k = want; k < to && plain[k] == st; k++)
				;
			ATF_REQUIRE_EQ(k - want,
			    bm_run(bits, want, to - want, st));
		}
	}
	memset(count, 0, sizeof(count));
	memset(sum, 0, sizeof(sum));
	bm_count(bits, N, count);
	for (i = 0; i < N; i++) {
		sum[plain[i]]++;
		ATF_REQUIRE_EQ(plain[i], bm_get(bits, i));
	}
	ATF_REQUIRE(memcmp(sum, count, sizeof(sum)) == 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, tiling);
	ATF_TP_ADD_TC(tp, damage);
	ATF_TP_ADD_TC(tp, split);
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, bitmap);
	return atf_no_error();
}
