/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the cursor reads back what it wrote, that an under-run is
 * sticky and yields zeros, and that every limit is refused.
 */

#include <atf-c.h>

#include "buf.h"

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	struct wbuf w;
	struct rbuf r;
	char s[8];
	size_t len;
	const uint8_t *p;

	wbuf_init(&w, 1024);
	wbuf_u8(&w, 0xab);
	wbuf_u16(&w, 0x1234);
	wbuf_u32(&w, 0xdeadbeef);
	wbuf_u64(&w, 0x0123456789abcdefULL);
	wbuf_str(&w, "alpha");
	wbuf_blob(&w, "xyz", 3);
	wbuf_set_u32(&w, 3, 0xcafef00d);
	ATF_REQUIRE(!w.err);

	rbuf_init(&r, w.data, w.len);
	ATF_CHECK_EQ(0xab, rbuf_u8(&r));
	ATF_CHECK_EQ(0x1234, rbuf_u16(&r));
	ATF_CHECK_EQ(0xcafef00d, rbuf_u32(&r));
	ATF_CHECK_EQ(0x0123456789abcdefULL, rbuf_u64(&r));
	rbuf_str(&r, s, sizeof(s));
	ATF_CHECK_STREQ("alpha", s);
	p = rbuf_blob(&r, &len, 3);
	ATF_REQUIRE_EQ(3, len);
	ATF_CHECK_EQ(0, memcmp(p, "xyz", 3));
	ATF_CHECK(rbuf_done(&r));
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(underrun_is_sticky);
ATF_TC_BODY(underrun_is_sticky, tc)
{
	uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 };
	struct rbuf r;

	rbuf_init(&r, bytes, sizeof(bytes));
	ATF_CHECK_EQ(0x01020304, rbuf_u32(&r));
	ATF_CHECK_EQ(0, rbuf_u32(&r));
	ATF_CHECK(r.err);
	/* Two bytes are left, but nothing is believed after an error. */
	ATF_CHECK_EQ(0, rbuf_u8(&r));
	ATF_CHECK_EQ(0, rbuf_left(&r));
	ATF_CHECK(!rbuf_done(&r));
}

ATF_TC_WITHOUT_HEAD(leftovers_are_not_done);
ATF_TC_BODY(leftovers_are_not_done, tc)
{
	struct rbuf r;

	rbuf_init(&r, "ab", 2);
	(void)rbuf_u8(&r);
	ATF_CHECK(!r.err);
	ATF_CHECK(!rbuf_done(&r));
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	struct wbuf w;
	struct rbuf r;
	char small[4];
	size_t len;

	wbuf_init(&w, 8);
	wbuf_str(&w, "long");
	ATF_CHECK(!w.err);
	rbuf_init(&r, w.data, w.len);
	rbuf_str(&r, small, sizeof(small));
	ATF_CHECK_MSG(r.err, "a string that does not fit is an error");
	wbuf_u32(&w, 1);
	ATF_CHECK_MSG(w.err, "the ninth byte must not fit");
	ATF_CHECK_EQ(6, w.len);
	wbuf_free(&w);

	wbuf_init(&w, 64);
	wbuf_u32(&w, 0xffffffff);
	rbuf_init(&r, w.data, w.len);
	ATF_CHECK(rbuf_blob(&r, &len, 1000) == NULL);
	ATF_CHECK(r.err);
	rbuf_init(&r, w.data, w.len);
	ATF_CHECK_EQ(0, rbuf_count(&r, 1000));
	ATF_CHECK(r.err);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(embedded_nul);
ATF_TC_BODY(embedded_nul, tc)
{
	uint8_t bytes[] = { 0, 3, 'a', 0, 'b' };
	struct rbuf r;
	char s[16];

	rbuf_init(&r, bytes, sizeof(bytes));
	rbuf_str(&r, s, sizeof(s));
	ATF_CHECK(r.err);
	ATF_CHECK_STREQ("", s);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, underrun_is_sticky);
	ATF_TP_ADD_TC(tp, leftovers_are_not_done);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, embedded_nul);
	return atf_no_error();
}
