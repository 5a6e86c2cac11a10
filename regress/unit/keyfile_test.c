/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what a key file may be, byte by byte, that a damaged one is refused
 * with a sentence, and that a new one takes the place of the old one whole.
 */

#include <sys/stat.h>

#include <atf-c.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "keyfile.h"

static struct keyring
two_keys(void)
{
	struct keyring r = { .n = 2, .use = 7, .last = 9 };
	unsigned i;

	r.k[0].gen = 7;
	r.k[1].gen = 8;
	for (i = 0; i < KEYRING_KEY_LEN; i++) {
		r.k[0].key[i] = (uint8_t)i;
		r.k[1].key[i] = (uint8_t)(0x80 + i);
	}
	return r;
}

static void
put(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ((ssize_t)len, write(fd, data, len));
	ATF_REQUIRE_EQ(0, fchmod(fd, mode));
	close(fd);
}

static size_t
get(const char *path, uint8_t data[KEYFILE_MAX])
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	ATF_REQUIRE(fd != -1);
	n = read(fd, data, KEYFILE_MAX);
	ATF_REQUIRE(n > 0);
	close(fd);
	return (size_t)n;
}

/* A file that was made by hand, as before any change. */
ATF_TC_WITHOUT_HEAD(plain);
ATF_TC_BODY(plain, tc)
{
	uint8_t key[KEYRING_KEY_LEN] = "thirty-two bytes, as always.....";
	struct keyring r;
	char why[256];

	put("key", key, sizeof(key), 0600);
	ATF_CHECK_EQ(KEYFILE_OK, keyfile_read("key", &r, why, sizeof(why)));
	ATF_CHECK_EQ(1, r.n);
	ATF_CHECK_EQ(0, r.use);
	ATF_CHECK_EQ(0, r.last);
	ATF_CHECK_EQ(0, r.k[0].gen);
	ATF_CHECK(memcmp(key, r.k[0].key, sizeof(key)) == 0);
}

/* The bytes that the protocol's page promises. */
ATF_TC_WITHOUT_HEAD(golden);
ATF_TC_BODY(golden, tc)
{
	static const uint8_t head[] = { 'c', 'l', 's', 'k', 'e', 'y', 's', '\n',
		0, 0, 0, 1, 2, 7, 9, 7, 0, 1, 2, 3 };
	struct keyring r = two_keys();
	uint8_t sum[32];
	struct wbuf w;
	char hex[65];

	wbuf_init(&w, KEYFILE_MAX);
	keyfile_encode(&w, &r);
	ATF_REQUIRE(!w.err);
	ATF_REQUIRE_EQ(8 + 4 + 3 + 33 + 33 + 32, w.len);
	ATF_CHECK(memcmp(head, w.data, sizeof(head)) == 0);
	ATF_CHECK_EQ(8, w.data[15 + 33]);
	ATF_CHECK_EQ(0x80, w.data[15 + 34]);
	crypto_generichash(sum, sizeof(sum), w.data, w.len - 32, NULL, 0);
	ATF_CHECK(memcmp(sum, w.data + w.len - 32, 32) == 0);
	sodium_bin2hex(hex, sizeof(hex), w.data + w.len - 32, 32);
	ATF_CHECK_STREQ(
	    "6c91bdcca099cdd8b87686178f7c38f1837e4d8c70c64e273a89587dbb9630ae",
	    hex);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(written_and_read);
ATF_TC_BODY(written_and_read, tc)
{
	struct keyring r = two_keys(), back;
	uint8_t key[KEYRING_KEY_LEN] = { 1 };
	char why[256];
	struct stat st;

	put("key", key, sizeof(key), 0600);
	/* One that was left behind by a crash is in nobody's way. */
	put("key.new", "torn", 4, 0644);
	ATF_CHECK_EQ(0, keyfile_write("key", &r, why, sizeof(why)));
	ATF_REQUIRE_EQ(0, stat("key", &st));
	ATF_CHECK_EQ(0600, st.st_mode & 07777);
	ATF_CHECK_EQ(-1, access("key.new", F_OK));
	ATF_CHECK_EQ(KEYFILE_OK, keyfile_read("key", &back, why, sizeof(why)));
	ATF_CHECK(keyring_same(&r, &back));
	keyring_drop(&r, 7);
	r.use = 8;
	ATF_CHECK_EQ(0, keyfile_write("key", &r, why, sizeof(why)));
	ATF_CHECK_EQ(KEYFILE_OK, keyfile_read("key", &back, why, sizeof(why)));
	ATF_CHECK_EQ(1, back.n);
	ATF_CHECK(keyring_same(&r, &back));
}

ATF_TC_WITHOUT_HEAD(not_written);
ATF_TC_BODY(not_written, tc)
{
	struct keyring r = two_keys();
	char why[256] = "";

	ATF_CHECK_EQ(-1, keyfile_write("nowhere/key", &r, why, sizeof(why)));
	ATF_CHECK_STREQ("nowhere/key: No such file or directory", why);
}

/* Any byte that is altered, cut or added. */
ATF_TC_WITHOUT_HEAD(damaged);
ATF_TC_BODY(damaged, tc)
{
	struct keyring r = two_keys(), out;
	uint8_t data[KEYFILE_MAX];
	char why[512] = "";
	size_t len, i;

	put("key", "x", 1, 0600);
	ATF_REQUIRE_EQ(0, keyfile_write("key", &r, why, sizeof(why)));
	len = get("key", data);
	for (i = 0; i < len; i++) {
		data[i] ^= 1;
		ATF_CHECK_MSG(!keyfile_decode(data, len, &out), "byte %zu", i);
		data[i] ^= 1;
		if (i != KEYRING_KEY_LEN)
			ATF_CHECK(!keyfile_decode(data, i, &out));
	}
	ATF_CHECK(!keyfile_decode(data, len + 1, &out));
	put("key", data, len - 1, 0600);
	ATF_CHECK_EQ(KEYFILE_BAD, keyfile_read("key", &out, why, sizeof(why)));
	ATF_CHECK_MATCH(
	    "^key: a cluster key is exactly 32 bytes, or .*has 112,", why);
	ATF_CHECK_MATCH("copy it from a node that is in the cluster", why);
	ATF_CHECK_EQ(0, out.n);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	uint8_t key[KEYRING_KEY_LEN] = { 1 };
	struct keyring out;
	char why[512];

	ATF_CHECK_EQ(KEYFILE_MISSING,
	    keyfile_read("key", &out, why, sizeof(why)));
	ATF_CHECK_MATCH("^key: there is no cluster key: make it on one", why);
	put("key", key, sizeof(key), 0640);
	ATF_CHECK_EQ(KEYFILE_OPEN_TO_OTHERS,
	    keyfile_read("key", &out, why, sizeof(why)));
	ATF_CHECK_MATCH("mode 0640.: chmod 600 key", why);
	ATF_CHECK_EQ(KEYFILE_OPEN_TO_OTHERS,
	    keyfile_read(".", &out, why, sizeof(why)));
	ATF_CHECK_EQ(0, out.n);
}

/* What a compromised engine cannot make its parent do. */
ATF_TC_WITHOUT_HEAD(follows);
ATF_TC_BODY(follows, tc)
{
	struct keyring r = two_keys(), next = r;

	ATF_CHECK(keyring_follows(&r, &next));
	keyring_drop(&next, 7);
	ATF_CHECK(keyring_follows(&r, &next));
	ATF_CHECK(keyring_follows(&next, &r));
	next.k[0].key[0] ^= 1; /* the same generation, another key */
	ATF_CHECK(!keyring_follows(&r, &next));
	next.k[0].gen = 9; /* no key stays */
	ATF_CHECK(!keyring_follows(&r, &next));
	/* The others gave the generation to another key, and one stays. */
	next = r;
	next.k[1].key[0] ^= 1;
	ATF_CHECK(keyring_follows(&r, &next));
}

ATF_TC_WITHOUT_HEAD(malformed_rings);
ATF_TC_BODY(malformed_rings, tc)
{
	static const struct {
		uint8_t n, use, last, one, two;
		bool ok;
	} cases[] = {
		{ 2, 7, 9, 7, 8, true },
		{ 2, 8, 8, 7, 8, true },
		{ 1, 7, 7, 7, 0, true },
		{ 2, 255, 0, 255, 0, true }, /* they come round */
		{ 0, 7, 9, 7, 8, false },
		{ 3, 7, 9, 7, 8, false },
		{ 2, 6, 9, 7, 8, false },
		{ 1, 8, 9, 7, 8, false },
		{ 2, 7, 7, 7, 8, false },
		{ 2, 7, 9, 8, 7, false },
		{ 2, 7, 9, 7, 7, false },
	};
	struct keyring r;
	struct wbuf w;
	struct rbuf in;
	unsigned i;

	for (i = 0; i < NITEMS(cases); i++) {
		r = two_keys();
		wbuf_init(&w, KEYFILE_MAX);
		wbuf_u8(&w, cases[i].n);
		wbuf_u8(&w, cases[i].use);
		wbuf_u8(&w, cases[i].last);
		wbuf_u8(&w, cases[i].one);
		wbuf_bytes(&w, r.k[0].key, KEYRING_KEY_LEN);
		wbuf_u8(&w, cases[i].two);
		wbuf_bytes(&w, r.k[1].key, KEYRING_KEY_LEN);
		rbuf_init(&in, w.data, w.len);
		ATF_CHECK_EQ_MSG(cases[i].ok, keyring_get(&in, &r), "case %u",
		    i);
		wbuf_free(&w);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, plain);
	ATF_TP_ADD_TC(tp, golden);
	ATF_TP_ADD_TC(tp, written_and_read);
	ATF_TP_ADD_TC(tp, not_written);
	ATF_TP_ADD_TC(tp, damaged);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, follows);
	ATF_TP_ADD_TC(tp, malformed_rings);
	return atf_no_error();
}
