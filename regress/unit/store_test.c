/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the durable state survives: what was written is read back, a
 * write torn at any byte leaves the state before or after it and never a
 * mixture, and incarnations only grow.
 */

#include <sys/stat.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "store.h"

static struct store s;

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	struct stat st;
	unsigned i;
	char text[32];

	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK_EQ(0, s.seq);
	ATF_CHECK_EQ(0, s.incarnation);
	ATF_CHECK(!s.damaged);
	ATF_REQUIRE_EQ(0, stat("state", &st));
	ATF_CHECK_EQ(0600, st.st_mode & 07777);
	for (i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "state number %u", i);
		ATF_REQUIRE_EQ(0, store_write(&s, 100 + i, text, strlen(text)));
		store_close(&s);
		ATF_REQUIRE_EQ(0, store_open(&s, "."));
		ATF_CHECK_EQ(i, s.seq);
		ATF_CHECK_EQ(100 + i, s.incarnation);
		ATF_REQUIRE_EQ(strlen(text), s.len);
		ATF_CHECK_EQ(0, memcmp(s.blob, text, s.len));
	}
	store_close(&s);
}

ATF_TC_WITHOUT_HEAD(sizes);
ATF_TC_BODY(sizes, tc)
{
	static uint8_t big[STORE_BLOB_MAX + 1];

	memset(big, 0xa5, sizeof(big));
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_REQUIRE_EQ(0, store_write(&s, 1, big, STORE_BLOB_MAX));
	ATF_CHECK_EQ(-1, store_write(&s, 2, big, STORE_BLOB_MAX + 1));
	ATF_CHECK_EQ(EMSGSIZE, errno);
	store_close(&s);
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK_EQ(1, s.incarnation);
	ATF_CHECK_EQ(STORE_BLOB_MAX, s.len);
	ATF_CHECK_EQ(0, memcmp(s.blob, big, s.len));
	/* The blob of the next write may be our own copy. */
	ATF_REQUIRE_EQ(0, store_write(&s, 3, s.blob, s.len));
	store_close(&s);
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK_EQ(3, s.incarnation);
	ATF_CHECK_EQ(STORE_BLOB_MAX, s.len);
	store_close(&s);
}

static size_t
slurp(uint8_t *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open("state", O_RDONLY);
	ATF_REQUIRE(fd != -1);
	memset(buf, 0, size);
	n = read(fd, buf, size);
	ATF_REQUIRE(n > 0);
	close(fd);
	return (size_t)n;
}

static void
spew(const uint8_t *buf, size_t len)
{
	int fd;

	fd = open("state", O_WRONLY | O_TRUNC);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ((ssize_t)len, write(fd, buf, len));
	close(fd);
}

/*
 * Lets a write take effect only up to each byte in turn, front to back and
 * back to front: the old slot's remains may follow or precede.
 */
static void
tear(bool from_end)
{
	static uint8_t before[2 * STORE_SLOT_LEN], after[2 * STORE_SLOT_LEN],
	    torn[2 * STORE_SLOT_LEN];
	size_t nbefore, nafter, base, cut, end, i;
	unsigned old = 0, new = 0;

	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	for (i = 1; i <= 4; i++)
		ATF_REQUIRE_EQ(0, store_write(&s, i, "the same length", 15));
	nbefore = slurp(before, sizeof(before));
	ATF_REQUIRE_EQ(0, store_write(&s, 5, "quite different", 15));
	nafter = slurp(after, sizeof(after));
	store_close(&s);
	ATF_REQUIRE_EQ(nbefore, nafter);

	for (base = 0; before[base] == after[base]; base++)
		continue;
	for (end = nafter; before[end - 1] == after[end - 1]; end--)
		continue;
	ATF_REQUIRE(end > base);
	for (cut = base; cut <= end; cut++) {
		memcpy(torn, from_end ? after : before, nafter);
		memcpy(torn + base, (from_end ? before : after) + base,
		    cut - base);
		spew(torn, nafter);
		ATF_REQUIRE_EQ(0, store_open(&s, "."));
		ATF_REQUIRE(!s.damaged);
		ATF_REQUIRE_EQ(15, s.len);
		if (s.incarnation == 4) {
			ATF_REQUIRE_EQ(0,
			    memcmp(s.blob, "the same length", 15));
			old++;
		} else {
			ATF_REQUIRE_EQ(5, s.incarnation);
			ATF_REQUIRE_EQ(0,
			    memcmp(s.blob, "quite different", 15));
			new ++;
		}
		store_close(&s);
	}
	/* Both outcomes were seen: the cuts did tear something. */
	ATF_CHECK(old > 1);
	ATF_CHECK_EQ(1, new);
}

ATF_TC_WITHOUT_HEAD(torn_front);
ATF_TC_BODY(torn_front, tc)
{
	tear(false);
}

ATF_TC_WITHOUT_HEAD(torn_back);
ATF_TC_BODY(torn_back, tc)
{
	tear(true);
}

ATF_TC_WITHOUT_HEAD(truncated);
ATF_TC_BODY(truncated, tc)
{
	static uint8_t all[2 * STORE_SLOT_LEN];
	size_t len;

	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	/* Slot 1, then slot 0, then slot 1. */
	ATF_REQUIRE_EQ(0, store_write(&s, 1, "a", 1));
	ATF_REQUIRE_EQ(0, store_write(&s, 2, "b", 1));
	ATF_REQUIRE_EQ(0, store_write(&s, 3, "c", 1));
	store_close(&s);
	/* The file ends in what slot 1 has, and has its length again after. */
	ATF_REQUIRE_EQ(sizeof(all), slurp(all, sizeof(all)));
	for (len = sizeof(all); all[len - 1] == 0; len--)
		continue;
	ATF_REQUIRE(len > STORE_SLOT_LEN + 1);
	spew(all, len - 1);
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK_EQ(2, s.incarnation);
	store_close(&s);
	ATF_CHECK_EQ(sizeof(all), slurp(all, sizeof(all)));
}

/* Room for all of it is there from the beginning, and counts as nothing. */
ATF_TC_WITHOUT_HEAD(reserved);
ATF_TC_BODY(reserved, tc)
{
	struct stat st;

	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_REQUIRE_EQ(0, fstat(s.fd, &st));
	ATF_CHECK_EQ(2 * STORE_SLOT_LEN, st.st_size);
	ATF_CHECK(st.st_blocks * 512 >= 2 * STORE_SLOT_LEN);
	store_close(&s);
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK(!s.damaged);
	ATF_CHECK_EQ(0, s.seq);
	store_close(&s);
}

/* What others have met counts like what the file says, within reason. */
ATF_TC_WITHOUT_HEAD(outlived);
ATF_TC_BODY(outlived, tc)
{
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_REQUIRE_EQ(0, store_write(&s, 70, "", 0));
	store_outlived(&s, 60);
	ATF_CHECK_EQ(71, store_next(&s, 0, 0));
	store_outlived(&s, 90);
	ATF_CHECK_EQ(91, store_next(&s, 0, 0));
	store_outlived(&s, STORE_LIFE_MAX + 1);
	store_outlived(&s, UINT64_MAX);
	ATF_CHECK_EQ(91, store_next(&s, 0, 0));
	store_close(&s);
}

ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	static uint8_t noise[2 * STORE_SLOT_LEN];

	randombytes_buf(noise, sizeof(noise));
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	store_close(&s);
	spew(noise, sizeof(noise));
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK(s.damaged);
	ATF_CHECK_EQ(0, s.seq);
	ATF_CHECK_EQ(0, s.len);
	/* It can be used again. */
	ATF_REQUIRE_EQ(0, store_write(&s, 9, "new", 3));
	store_close(&s);
	ATF_REQUIRE_EQ(0, store_open(&s, "."));
	ATF_CHECK(!s.damaged);
	ATF_CHECK_EQ(9, s.incarnation);
	store_close(&s);
}

ATF_TC_WITHOUT_HEAD(no_folder);
ATF_TC_BODY(no_folder, tc)
{
	ATF_CHECK_EQ(-1, store_open(&s, "does/not/exist"));
	ATF_CHECK_EQ(ENOENT, errno);
	ATF_CHECK_EQ(-1, s.fd);
	ATF_REQUIRE_EQ(0, symlink("/etc/passwd", "state"));
	ATF_CHECK_EQ(-1, store_open(&s, "."));
	ATF_CHECK_EQ(ELOOP, errno);
}

ATF_TC_WITHOUT_HEAD(incarnations_grow);
ATF_TC_BODY(incarnations_grow, tc)
{
	uint64_t inc;

	memset(&s, 0, sizeof(s));
	inc = store_next(&s, 1000, 5);
	ATF_CHECK_EQ(1000u << 16 | 5, inc);
	s.incarnation = inc;
	/* The same millisecond, a smaller number, a clock set back. */
	ATF_CHECK_EQ(inc + 1, store_next(&s, 1000, 5));
	ATF_CHECK_EQ(inc + 1, store_next(&s, 1000, 0));
	ATF_CHECK_EQ(inc + 1, store_next(&s, 3, 0xffff));
	ATF_CHECK(store_next(&s, 1001, 0) > inc);
}

ATF_TP_ADD_TCS(tp)
{
	if (sodium_init() == -1)
		abort();
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, sizes);
	ATF_TP_ADD_TC(tp, torn_front);
	ATF_TP_ADD_TC(tp, torn_back);
	ATF_TP_ADD_TC(tp, truncated);
	ATF_TP_ADD_TC(tp, reserved);
	ATF_TP_ADD_TC(tp, outlived);
	ATF_TP_ADD_TC(tp, garbage);
	ATF_TP_ADD_TC(tp, no_folder);
	ATF_TP_ADD_TC(tp, incarnations_grow);
	return atf_no_error();
}
