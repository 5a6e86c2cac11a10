/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the witness keeps what it says it keeps: a state file that is
 * damaged anywhere is none, requests are done in order and each on the latest
 * connection of its node only, and nothing is told that is not on the disk.
 */

#include <sys/stat.h>

#include <atf-c.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "witness_file.h"

/* What the desk has said, as text. */
static char said[1024];
static struct witness_blocks blocks, other;
static struct witness_desk *desk;

static void PRINTF_LIKE(1, 2) note(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
}

static void
store(void *arg, uint16_t node, const void *data, size_t len)
{
	note("store %u %.*s;", node, (int)len, (const char *)data);
}

/* The blocks in short: "1=text 2=text". */
static void
answer(void *arg, uint64_t conn, const struct witness_answer *a)
{
	const uint8_t *p;
	struct rbuf r;
	uint16_t node;
	unsigned n;
	size_t len;

	if (!a->ok) {
		note("fail %u to %u: %.*s;", a->req, (unsigned)conn,
		    (int)a->len, (const char *)a->data);
		return;
	}
	note("tell %u to %u:", a->req, (unsigned)conn);
	rbuf_init(&r, a->data, a->len);
	ATF_REQUIRE(memcmp(rbuf_take(&r, WITNESS_UUID), blocks.uuid,
			WITNESS_UUID) == 0);
	for (n = rbuf_count(&r, WITNESS_BLOCKS); n > 0; n--) {
		node = rbuf_u16(&r);
		ATF_CHECK_EQ(0, rbuf_u8(&r));
		p = rbuf_blob(&r, &len, WITNESS_BLOCK_MAX);
		ATF_REQUIRE(p != NULL);
		note(" %u=%.*s", node, (int)len, (const char *)p);
	}
	ATF_REQUIRE(rbuf_done(&r));
	note(";");
}

static const struct witness_desk_ops ops = { .store = store, .answer = answer };

static void
setup(void)
{
	ATF_REQUIRE(sodium_init() != -1);
	memset(&blocks, 0, sizeof(blocks));
	memset(blocks.uuid, 'u', sizeof(blocks.uuid));
	desk = witness_desk_new(&blocks, &ops, NULL);
	ATF_REQUIRE(desk != NULL);
	said[0] = '\0';
}

static enum witness_bad
ask(uint16_t node, uint64_t conn, uint32_t req, const char *block)
{
	uint8_t data[64];
	struct witness_ask a = { .req = req, .data = data };

	if (block != NULL) {
		memset(data, 'u', WITNESS_UUID);
		a.len = WITNESS_UUID + strlen(block);
		memcpy(data + WITNESS_UUID, block, strlen(block));
	}
	return witness_desk_ask(desk, node, conn, &a);
}

#define SAID(text)                                                             \
	do {                                                                   \
		ATF_CHECK_STREQ(text, said);                                   \
		said[0] = '\0';                                                \
	} while (0)

/* What is on the disk is made sure before anything is told. */
static void
settle(void)
{
	uint64_t c = witness_desk_welcome(desk);

	ATF_REQUIRE_EQ(WB_OK, ask(200, c, 0, NULL));
	witness_desk_stored(desk, true, "");
	witness_desk_gone(desk, 200, c);
	said[0] = '\0';
}

/* Connections, as the desk numbers them: settle() has had the first one. */
enum {
	A = 2,
	B,
	C,
	D
};

static void
begin(void)
{
	uint64_t conn;

	setup();
	settle();
	for (conn = A; conn <= D; conn++)
		ATF_REQUIRE_EQ(conn, witness_desk_welcome(desk));
}

ATF_TC_WITHOUT_HEAD(first);
ATF_TC_BODY(first, tc)
{
	uint64_t c;

	setup();
	c = witness_desk_welcome(desk);
	ATF_CHECK_EQ(WB_OK, ask(1, c, 5, NULL));
	SAID("store 0 ;");
	witness_desk_stored(desk, true, "");
	SAID("tell 5 to 1:;");
	ATF_CHECK_EQ(WB_OK, ask(1, c, 6, NULL));
	SAID("tell 6 to 1:;");
	witness_desk_free(desk);
}

ATF_TC_WITHOUT_HEAD(in_order);
ATF_TC_BODY(in_order, tc)
{
	begin();
	ATF_CHECK_EQ(WB_OK, ask(1, A, 1, "one"));
	ATF_CHECK_EQ(WB_OK, ask(2, B, 1, "two"));
	/* It has not waited for its answer, with the store or behind it. */
	ATF_CHECK_EQ(WB_MALFORMED, ask(1, A, 2, NULL));
	ATF_CHECK_EQ(WB_MALFORMED, ask(2, B, 2, NULL));
	SAID("store 1 one;");
	witness_desk_stored(desk, true, "");
	SAID("tell 1 to 2: 1=one;store 2 two;");
	witness_desk_stored(desk, true, "");
	SAID("tell 1 to 3: 1=one 2=two;");
	witness_desk_free(desk);
}

/* Another device's block is written nowhere, and who asks sees so. */
ATF_TC_WITHOUT_HEAD(other_uuid);
ATF_TC_BODY(other_uuid, tc)
{
	begin();
	ATF_CHECK_EQ(WB_OK, ask(1, A, 1, "one"));
	witness_desk_stored(desk, true, "");
	said[0] = '\0';
	blocks.uuid[0] = 'v';
	ATF_CHECK_EQ(WB_OK, ask(1, A, 2, "changed"));
	SAID("tell 2 to 2: 1=one;");
	witness_desk_free(desk);
}

/* The later connection of a node, and what was asked on the one before. */
ATF_TC_WITHOUT_HEAD(superseded);
ATF_TC_BODY(superseded, tc)
{
	begin();
	/* Not begun yet: it is not done. */
	ATF_CHECK_EQ(WB_OK, ask(9, D, 1, "nine"));
	ATF_CHECK_EQ(WB_OK, ask(1, A, 1, "late"));
	ATF_CHECK_EQ(WB_OK, ask(1, B, 2, NULL));
	witness_desk_gone(desk, 1, A);
	SAID("store 9 nine;");
	witness_desk_stored(desk, true, "");
	SAID("tell 1 to 5: 9=nine;tell 2 to 3: 9=nine;");
	/* What comes on the old one from now on is nothing to us. */
	ATF_CHECK_EQ(WB_SUPERSEDED, ask(1, A, 3, "later"));
	SAID("");
	/* Begun: it is done, and before what is asked next. */
	ATF_CHECK_EQ(WB_OK, ask(1, B, 3, "begun"));
	ATF_CHECK_EQ(WB_OK, ask(1, C, 4, NULL));
	witness_desk_gone(desk, 1, B);
	SAID("store 1 begun;");
	witness_desk_stored(desk, true, "");
	SAID("tell 4 to 4: 1=begun 9=nine;");
	witness_desk_free(desk);
}

/* Who is gone is not answered, and does not stop the others. */
ATF_TC_WITHOUT_HEAD(gone);
ATF_TC_BODY(gone, tc)
{
	begin();
	ATF_CHECK_EQ(WB_OK, ask(1, A, 1, "one"));
	ATF_CHECK_EQ(WB_OK, ask(2, B, 1, "two"));
	ATF_CHECK_EQ(WB_OK, ask(3, C, 1, "three"));
	witness_desk_gone(desk, 1, A);
	witness_desk_gone(desk, 2, B);
	witness_desk_gone(desk, 2, B);
	witness_desk_stored(desk, true, "");
	SAID("store 1 one;store 3 three;");
	witness_desk_stored(desk, true, "");
	SAID("tell 1 to 4: 1=one 3=three;");
	witness_desk_free(desk);
}

/* After a store that failed nobody knows what is there. */
ATF_TC_WITHOUT_HEAD(store_fails);
ATF_TC_BODY(store_fails, tc)
{
	begin();
	ATF_CHECK_EQ(WB_OK, ask(1, A, 1, "one"));
	witness_desk_stored(desk, false, "No space left on device");
	SAID("store 1 one;fail 1 to 2: the witness cannot write its state: No "
	     "space left on device;");
	ATF_CHECK_EQ(WB_OK, ask(1, A, 2, NULL));
	witness_desk_stored(desk, false, "still");
	SAID("store 0 ;fail 2 to 2: the witness cannot write its state: "
	     "still;");
	ATF_CHECK_EQ(WB_OK, ask(1, A, 3, NULL));
	witness_desk_stored(desk, true, "");
	ATF_CHECK_EQ(WB_OK, ask(1, A, 4, NULL));
	SAID("store 0 ;tell 3 to 2:;tell 4 to 2:;");
	witness_desk_free(desk);
}

static void
fill(struct witness_blocks *b)
{
	static uint8_t data[WITNESS_BLOCK_MAX];
	unsigned node;

	for (node = 1; node <= WITNESS_BLOCKS; node++) {
		memset(data, (int)node, sizeof(data));
		ATF_REQUIRE(
		    witness_blocks_set(b, (uint16_t)node, data, sizeof(data)));
	}
}

ATF_TC_WITHOUT_HEAD(blocks_bounds);
ATF_TC_BODY(blocks_bounds, tc)
{
	static uint8_t data[WITNESS_BLOCK_MAX + 1];
	struct wbuf w;

	setup();
	ATF_CHECK(!witness_blocks_set(&blocks, 0, data, 1));
	ATF_CHECK(!witness_blocks_set(&blocks, WITNESS_BLOCKS + 1, data, 1));
	ATF_CHECK(!witness_blocks_set(&blocks, 1, data, 0));
	ATF_CHECK(!witness_blocks_set(&blocks, 1, data, sizeof(data)));
	fill(&blocks);
	wbuf_init(&w, WITNESS_LOOK_MAX);
	witness_blocks_look(&blocks, &w);
	ATF_CHECK(!w.err);
	ATF_CHECK_EQ(WITNESS_LOOK_MAX, w.len);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(file_bytes);
ATF_TC_BODY(file_bytes, tc)
{
	char cluster[CONF_NAME_MAX + 1];
	struct wbuf w;
	size_t i;

	setup();
	ATF_REQUIRE(witness_blocks_set(&blocks, 1, "one", 3));
	ATF_REQUIRE(witness_blocks_set(&blocks, 255, "last", 4));
	wbuf_init(&w, WITNESS_FILE_MAX);
	witness_blocks_encode(&blocks, "demo", &w);
	ATF_REQUIRE(!w.err);
	ATF_REQUIRE(witness_blocks_decode(&other, cluster, w.data, w.len));
	ATF_CHECK_STREQ("demo", cluster);
	ATF_CHECK(memcmp(&blocks, &other, sizeof(blocks)) == 0);
	for (i = 0; i < w.len; i++) {
		ATF_CHECK(!witness_blocks_decode(&other, cluster, w.data, i));
		w.data[i] ^= 1;
		ATF_CHECK_MSG(!witness_blocks_decode(&other, cluster, w.data,
				  w.len),
		    "byte %zu", i);
		w.data[i] ^= 1;
	}
	wbuf_u8(&w, 0);
	ATF_CHECK(!witness_blocks_decode(&other, cluster, w.data, w.len));
	/* The largest one. */
	fill(&blocks);
	wbuf_reset(&w);
	witness_blocks_encode(&blocks, "a-name-of-a-cluster-of-32-bytes-", &w);
	ATF_REQUIRE(!w.err);
	ATF_CHECK(witness_blocks_decode(&other, cluster, w.data, w.len));
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(file);
ATF_TC_BODY(file, tc)
{
	struct stat st;
	int fd;

	setup();
	ATF_REQUIRE_EQ(WITNESS_NONE,
	    witness_file_load("state", &blocks, "demo"));
	ATF_REQUIRE_EQ(0, stat("state", &st));
	ATF_CHECK_EQ(0600, st.st_mode & 0777);
	ATF_REQUIRE(witness_blocks_set(&blocks, 3, "three", 5));
	ATF_REQUIRE_EQ(0, witness_file_write("state", &blocks, "demo"));
	ATF_CHECK_EQ(WITNESS_KEPT, witness_file_load("state", &other, "demo"));
	ATF_CHECK(memcmp(&blocks, &other, sizeof(blocks)) == 0);
	/* Another cluster's is left alone. */
	ATF_CHECK_EQ(WITNESS_FOREIGN,
	    witness_file_load("state", &other, "prod"));
	ATF_CHECK_EQ(WITNESS_KEPT, witness_file_load("state", &other, "demo"));
	/* Damaged: another uuid, nothing in it, and the old one is kept. */
	fd = open("state", O_RDWR);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(1, pwrite(fd, "X", 1, 60));
	close(fd);
	ATF_CHECK_EQ(WITNESS_DAMAGED,
	    witness_file_load("state", &other, "demo"));
	ATF_CHECK(memcmp(blocks.uuid, other.uuid, sizeof(other.uuid)) != 0);
	ATF_CHECK_EQ(0, other.len[3]);
	ATF_CHECK_EQ(0, stat("state.damaged", &st));
	ATF_CHECK_EQ(WITNESS_KEPT, witness_file_load("state", &blocks, "demo"));
	ATF_CHECK(memcmp(blocks.uuid, other.uuid, sizeof(other.uuid)) == 0);
	/* Where nothing can be written there is no witness. */
	ATF_CHECK_EQ(WITNESS_ERROR,
	    witness_file_load("no/such/folder", &other, "demo"));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, first);
	ATF_TP_ADD_TC(tp, in_order);
	ATF_TP_ADD_TC(tp, other_uuid);
	ATF_TP_ADD_TC(tp, superseded);
	ATF_TP_ADD_TC(tp, gone);
	ATF_TP_ADD_TC(tp, store_fails);
	ATF_TP_ADD_TC(tp, blocks_bounds);
	ATF_TP_ADD_TC(tp, file_bytes);
	ATF_TP_ADD_TC(tp, file);
	return atf_no_error();
}
