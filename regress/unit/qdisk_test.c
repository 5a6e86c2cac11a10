/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that what is on a quorum disk is believed only when it is whole, in
 * its place, and of this cluster and device; and, with a file, the opener and a
 * loop, that the store keeps what qdevice.h demands of it.
 */

#include <atf-c.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "core/device.h"
#include "loop.h"
#include "qdisk.h"
#include "qdisk_format.h"

#define LIMIT_US UINT64_C(20000000)

static const struct qdisk_header demo = { .uuid = { 1, 2, 3, 4 },
	.cluster = "demo" };
static const uint8_t other[QDISK_UUID] = { 9 };

static void
fill(struct qdisk_block *b, uint16_t node, const char *body)
{
	memset(b, 0, sizeof(*b));
	b->node = node;
	b->seq = 7;
	b->len = strlen(body);
	memcpy(b->body, body, b->len);
}

ATF_TC_WITHOUT_HEAD(header);
ATF_TC_BODY(header, tc)
{
	static uint8_t block[QDISK_BLOCK];
	struct qdisk_header h;
	char why[512];
	size_t i;

	ATF_CHECK_EQ(QDISK_ZEROS, qdisk_get_header(&h, block));
	ATF_CHECK(!qdisk_ours(&h, block, "demo", "/d", why, sizeof(why)));
	ATF_CHECK_STREQ("/d is no quorum disk: make it one with clusterd -q "
			"init",
	    why);
	qdisk_put_header(&demo, block);
	ATF_CHECK_EQ(QDISK_OK, qdisk_get_header(&h, block));
	ATF_CHECK(memcmp(&demo, &h, sizeof(h)) == 0);
	ATF_CHECK(qdisk_ours(&h, block, "demo", "/d", why, sizeof(why)));
	ATF_CHECK(!qdisk_ours(&h, block, "prod", "/d", why, sizeof(why)));
	ATF_CHECK_STREQ("/d is the quorum disk of cluster demo, not of prod",
	    why);
	/* No byte of it is without meaning. */
	for (i = 0; i < sizeof(block); i++) {
		block[i] ^= 0x40;
		ATF_CHECK_MSG(qdisk_get_header(&h, block) ==
			(i < 8 ? QDISK_OTHER : QDISK_BROKEN),
		    "byte %zu", i);
		block[i] ^= 0x40;
	}
}

/* Sealed well, but not what this version writes. */
ATF_TC_WITHOUT_HEAD(header_of_others);
ATF_TC_BODY(header_of_others, tc)
{
	static const struct {
		size_t at; /* the last byte of a field */
		uint8_t value;
		enum qdisk_found found;
	} cases[] = {
		{ 11, 2, QDISK_LATER }, { 11, 0, QDISK_BROKEN },
		{ 31, 1, QDISK_BROKEN },   /* size of a block */
		{ 35, 1, QDISK_BROKEN },   /* number of blocks */
		{ 38, 'D', QDISK_BROKEN }, /* cluster */
		{ 37, 200, QDISK_BROKEN }, /* its length */
		{ 100, 1, QDISK_BROKEN },  /* the rest is zero */
	};
	uint8_t block[QDISK_BLOCK];
	struct qdisk_header h;
	char why[512];
	size_t i;

	for (i = 0; i < NITEMS(cases); i++) {
		qdisk_put_header(&demo, block);
		block[cases[i].at] = cases[i].value;
		crypto_generichash(block + QDISK_BLOCK - 32, 32, block,
		    QDISK_BLOCK - 32, NULL, 0);
		ATF_CHECK_EQ_MSG(cases[i].found, qdisk_get_header(&h, block),
		    "case %zu", i);
		ATF_CHECK(
		    !qdisk_ours(&h, block, "demo", "/d", why, sizeof(why)));
		ATF_CHECK(why[0] != '\0');
	}
}

ATF_TC_WITHOUT_HEAD(block);
ATF_TC_BODY(block, tc)
{
	static uint8_t bytes[QDISK_BLOCK];
	struct qdisk_block b, c;
	size_t i;

	ATF_CHECK_EQ(QDISK_NEVER, qdisk_get_block(&c, 3, demo.uuid, bytes));
	fill(&b, 3, "what node 3 remembers");
	qdisk_put_block(&b, demo.uuid, bytes);
	ATF_CHECK_EQ(QDISK_WRITTEN, qdisk_get_block(&c, 3, demo.uuid, bytes));
	ATF_CHECK(memcmp(&b, &c, sizeof(b)) == 0);
	/* Another place, another device. */
	ATF_CHECK_EQ(QDISK_DAMAGED, qdisk_get_block(&c, 4, demo.uuid, bytes));
	ATF_CHECK_EQ(QDISK_NEVER, qdisk_get_block(&c, 3, other, bytes));
	ATF_CHECK_EQ(0, c.len);
	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 1;
		ATF_CHECK_EQ_MSG(QDISK_DAMAGED,
		    qdisk_get_block(&c, 3, demo.uuid, bytes), "byte %zu", i);
		bytes[i] ^= 1;
	}
	b.len = QDISK_BODY_MAX;
	memset(b.body, 0xaa, sizeof(b.body));
	qdisk_put_block(&b, demo.uuid, bytes);
	ATF_CHECK_EQ(QDISK_WRITTEN, qdisk_get_block(&c, 3, demo.uuid, bytes));
	ATF_CHECK(memcmp(&b, &c, sizeof(b)) == 0);
}

/* A write that stopped in the middle, wherever that was. */
ATF_TC_WITHOUT_HEAD(torn);
ATF_TC_BODY(torn, tc)
{
	static uint8_t before[QDISK_BLOCK], after[QDISK_BLOCK],
	    torn[QDISK_BLOCK];
	struct qdisk_block b;
	unsigned damaged = 0;
	size_t cut;

	fill(&b, 3, "before");
	qdisk_put_block(&b, demo.uuid, before);
	fill(&b, 3, "after");
	b.seq++;
	qdisk_put_block(&b, demo.uuid, after);
	for (cut = 0; cut <= QDISK_BLOCK; cut += 16) {
		memcpy(torn, after, cut);
		memcpy(torn + cut, before + cut, QDISK_BLOCK - cut);
		if (memcmp(torn, before, sizeof(torn)) == 0 ||
		    memcmp(torn, after, sizeof(torn)) == 0)
			continue;
		damaged++;
		ATF_CHECK_EQ_MSG(QDISK_DAMAGED,
		    qdisk_get_block(&b, 3, demo.uuid, torn), "cut at %zu", cut);
	}
	ATF_CHECK(damaged > 200);
}

ATF_TC_WITHOUT_HEAD(answer);
ATF_TC_BODY(answer, tc)
{
	static uint8_t disk[QDISK_SIZE];
	uint8_t uuid[QDISK_UUID];
	const uint8_t *p;
	struct qdisk_block b;
	struct wbuf w;
	struct rbuf r;
	uint16_t i;
	size_t len;

	qdisk_put_header(&demo, disk);
	fill(&b, 1, "one");
	qdisk_put_block(&b, demo.uuid, disk + QDISK_BLOCK);
	fill(&b, 2, "of another device");
	qdisk_put_block(&b, other, disk + 2 * QDISK_BLOCK);
	disk[7 * QDISK_BLOCK + 99] = 1;
	wbuf_init(&w, QDISK_ANSWER_MAX);
	qdisk_answer(demo.uuid, disk, &w);
	ATF_REQUIRE(!w.err);
	rbuf_init(&r, w.data, w.len);
	rbuf_bytes(&r, uuid, sizeof(uuid));
	ATF_CHECK(memcmp(uuid, demo.uuid, sizeof(uuid)) == 0);
	ATF_CHECK_EQ(2, rbuf_u32(&r));
	ATF_CHECK_EQ(1, rbuf_u16(&r));
	ATF_CHECK_EQ(0, rbuf_u8(&r));
	p = rbuf_blob(&r, &len, QDISK_BODY_MAX);
	ATF_CHECK(len == 3 && memcmp(p, "one", 3) == 0);
	ATF_CHECK_EQ(7, rbuf_u16(&r));
	ATF_CHECK_EQ(1, rbuf_u8(&r));
	(void)rbuf_blob(&r, &len, QDISK_BODY_MAX);
	ATF_CHECK_EQ(0, len);
	ATF_CHECK(rbuf_done(&r));
	/* All of it at its largest still fits. */
	fill(&b, 1, "");
	b.len = QDISK_BODY_MAX;
	for (i = 1; i <= QDISK_BLOCKS; i++) {
		b.node = i;
		qdisk_put_block(&b, demo.uuid, disk + (size_t)i * QDISK_BLOCK);
	}
	wbuf_reset(&w);
	qdisk_answer(demo.uuid, disk, &w);
	ATF_CHECK(!w.err && w.len == QDISK_ANSWER_MAX);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(uuid_text);
ATF_TC_BODY(uuid_text, tc)
{
	char text[QDISK_UUID_TEXT];

	qdisk_uuid_text(demo.uuid, text, sizeof(text));
	ATF_CHECK_STREQ("01020304-0000-0000-0000-000000000000", text);
}

/* --- the store --------------------------------------------------------------- */

static struct {
	struct loop *loop;
	struct conf *conf;
	void *store;
	int opener;
	unsigned answers;
	uint32_t req;
	bool ok, late;
	char text[512];
	struct wbuf data;
} t;

static void
done(void *arg, uint32_t req, bool ok, const void *data, size_t len)
{
	t.answers++;
	t.req = req;
	t.ok = ok;
	wbuf_reset(&t.data);
	wbuf_bytes(&t.data, data, len);
	snprintf(t.text, sizeof(t.text), "%.*s", ok ? 0 : (int)len,
	    (const char *)data);
}

static void
on_limit(void *arg)
{
	t.late = true;
}

static void
ask(uint32_t req, const void *data, size_t len)
{
	unsigned before = t.answers;

	qdisk_ops.request(t.store, req, data, len, LIMIT_US);
	while (t.answers == before && !t.late)
		loop_once(t.loop);
	ATF_REQUIRE_MSG(!t.late, "request %u is not answered", req);
	ATF_REQUIRE_EQ(before + 1, t.answers);
	ATF_REQUIRE_EQ(req, t.req);
}

/* The block of the node that the store is of, with this body. */
static void
write_body(uint32_t req, const uint8_t *uuid, const char *body)
{
	uint8_t data[QDISK_UUID + 64];

	memcpy(data, uuid, QDISK_UUID);
	memcpy(data + QDISK_UUID, body, strlen(body));
	ask(req, data, QDISK_UUID + strlen(body));
}

static void
put_at(size_t off, const void *data, size_t len)
{
	int fd = open("disk", O_RDWR | O_CREAT, 0600);

	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ((ssize_t)len, pwrite(fd, data, len, (off_t)off));
	close(fd);
}

static void
get_at(size_t off, void *data, size_t len)
{
	int fd = open("disk", O_RDONLY);

	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ((ssize_t)len, pread(fd, data, len, (off_t)off));
	close(fd);
}

static void
make_disk(const struct qdisk_header *h)
{
	static uint8_t disk[QDISK_SIZE];

	memset(disk, 0, sizeof(disk));
	qdisk_put_header(h, disk);
	put_at(0, disk, sizeof(disk));
}

static void
up(void)
{
	char cwd[CONF_PATH_LEN - 8];
	struct loop_timer *limit;

	memset(&t, 0, sizeof(t));
	wbuf_init(&t.data, QDISK_ANSWER_MAX);
	t.conf = conf_new();
	ATF_REQUIRE(t.conf != NULL && getcwd(cwd, sizeof(cwd)) != NULL);
	strlcpy(t.conf->cluster, "demo", sizeof(t.conf->cluster));
	t.conf->qdevice.kind = QDEVICE_DISK;
	snprintf(t.conf->qdevice.path, CONF_PATH_LEN, "%s/disk", cwd);
	t.opener = opener_start(t.conf);
	ATF_REQUIRE(t.opener != -1);
	t.loop = loop_new();
	ATF_REQUIRE(t.loop != NULL);
	limit = loop_timer_new(t.loop, on_limit, NULL);
	loop_timer_set(limit, 3 * LIMIT_US);
	t.store = qdisk_open(t.loop, t.conf, 3, t.opener, done, NULL);
}

static bool
says(const char *words)
{
	if (!t.ok && strstr(t.text, words) != NULL)
		return true;
	printf("ok %d: %s\n", t.ok, t.text);
	return false;
}

ATF_TC_WITHOUT_HEAD(store);
ATF_TC_BODY(store, tc)
{
	uint8_t bytes[QDISK_BLOCK];
	struct qdisk_block b;

	up();
	ask(1, NULL, 0);
	ATF_CHECK(says("No such file"));
	put_at(0, "text", 4);
	ask(2, NULL, 0);
	ATF_CHECK(says("ends after 0 KiB"));
	make_disk(&demo);
	ask(3, NULL, 0);
	ATF_CHECK(t.ok && t.data.len == QDISK_UUID + 4);
	write_body(4, demo.uuid, "first");
	ATF_CHECK(t.ok && t.data.len == QDISK_UUID + 4 + 7 + 5);
	write_body(5, demo.uuid, "second");
	ATF_CHECK(t.ok);
	get_at(3 * QDISK_BLOCK, bytes, sizeof(bytes));
	ATF_REQUIRE_EQ(QDISK_WRITTEN, qdisk_get_block(&b, 3, demo.uuid, bytes));
	ATF_CHECK(b.seq == 2 && b.len == 6 && memcmp(b.body, "second", 6) == 0);
	/* A damaged block of ours is written over; of another one is told. */
	put_at(3 * QDISK_BLOCK + 50, "torn", 4);
	ask(6, NULL, 0);
	ATF_CHECK(t.ok && t.data.len == QDISK_UUID + 4 + 7);
	write_body(7, demo.uuid, "third");
	ATF_CHECK(t.ok && t.data.len == QDISK_UUID + 4 + 7 + 5);
	qdisk_ops.close(t.store);
}

/* Q1 */
ATF_TC_WITHOUT_HEAD(right_device_only);
ATF_TC_BODY(right_device_only, tc)
{
	static const struct qdisk_header prod = { .uuid = { 1, 2, 3, 4 },
		.cluster = "prod" };
	static const uint8_t zero[QDISK_BLOCK];
	uint8_t bytes[QDISK_BLOCK];

	up();
	make_disk(&demo);
	write_body(1, other, "not for this one");
	ATF_CHECK(says("was made anew"));
	make_disk(&prod);
	write_body(2, demo.uuid, "nor for this one");
	ATF_CHECK(says("of cluster prod, not of demo"));
	ask(3, NULL, 0);
	ATF_CHECK(says("of cluster prod, not of demo"));
	put_at(40, "x", 1);
	write_body(4, demo.uuid, "nor for that");
	ATF_CHECK(says("is damaged"));
	get_at(3 * QDISK_BLOCK, bytes, sizeof(bytes));
	ATF_CHECK(memcmp(bytes, zero, sizeof(bytes)) == 0);
	qdisk_ops.close(t.store);
}

/* Q4: as if a process that was killed still hung in its write. */
ATF_TC_WITHOUT_HEAD(earlier_write);
ATF_TC_BODY(earlier_write, tc)
{
	struct flock l = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = 3 * QDISK_BLOCK,
		.l_len = QDISK_BLOCK };
	uint8_t bytes[8], zero[8] = { 0 };
	int fd;

	up();
	make_disk(&demo);
	fd = open("disk", O_RDWR);
	ATF_REQUIRE(fd != -1 && fcntl(fd, F_OFD_SETLK, &l) == 0);
	write_body(1, demo.uuid, "too early");
	ATF_CHECK(says("an earlier write of this node is not over"));
	ask(2, NULL, 0);
	ATF_CHECK(t.ok);
	get_at(3 * QDISK_BLOCK, bytes, sizeof(bytes));
	ATF_CHECK(memcmp(bytes, zero, sizeof(bytes)) == 0);
	close(fd);
	write_body(3, demo.uuid, "now");
	ATF_CHECK(t.ok);
	qdisk_ops.close(t.store);
}

/* What is no disk is not waited for. */
ATF_TC_WITHOUT_HEAD(no_disk);
ATF_TC_BODY(no_disk, tc)
{
	up();
	ATF_REQUIRE_EQ(0, mkfifo("disk", 0600));
	ask(1, NULL, 0);
	ATF_CHECK(says("is neither a disk nor a file"));
	write_body(2, demo.uuid, "nothing");
	ATF_CHECK(says("is neither a disk nor a file"));
	ATF_REQUIRE(unlink("disk") == 0 && mkdir("disk", 0700) == 0);
	ask(3, NULL, 0);
	ATF_CHECK(!t.ok);
	qdisk_ops.close(t.store);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, header);
	ATF_TP_ADD_TC(tp, header_of_others);
	ATF_TP_ADD_TC(tp, block);
	ATF_TP_ADD_TC(tp, torn);
	ATF_TP_ADD_TC(tp, answer);
	ATF_TP_ADD_TC(tp, uuid_text);
	ATF_TP_ADD_TC(tp, store);
	ATF_TP_ADD_TC(tp, right_device_only);
	ATF_TP_ADD_TC(tp, earlier_write);
	ATF_TP_ADD_TC(tp, no_disk);
	return atf_no_error();
}
