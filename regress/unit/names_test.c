/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that lines for people have names in them, and that what is left out
 * of one that is too long is never taken for the whole, nor a part of a word
 * for another word.
 */

#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "core/show_row.h"
#include "proto.h"

/* Nodes 1 to n; the names are as long as they may be when long is set. */
static struct conf *
nodes(unsigned n, bool lengthy)
{
	struct conf *c = conf_new();
	unsigned i;

	ATF_REQUIRE(c != NULL);
	c->nnodes = n;
	for (i = 0; i < n; i++) {
		c->nodes[i].id = (uint16_t)(i + 1);
		snprintf(c->nodes[i].name, sizeof(c->nodes[i].name),
		    lengthy ? "node-with-a-name-of-32-bytes.%03u" : "n%u",
		    i + 1);
	}
	return c;
}

static void
expect_named(const struct conf *c, const char *text, size_t size,
    const char *want)
{
	char *out = malloc(size); /* no byte behind it */

	ATF_REQUIRE(out != NULL);
	names_put(c, text, out, size);
	ATF_CHECK_STREQ(want, out);
	free(out);
}

ATF_TC_WITHOUT_HEAD(named);
ATF_TC_BODY(named, tc)
{
	struct conf *c = nodes(12, false);

	expect_named(c, "", 8, "");
	expect_named(c, "node 1", 8, "n1");
	expect_named(c, "node 1: left (node 12), node 3x", 80,
	    "n1: left (n12), node 3x");
	/* Not ours, and not the beginning of a word. */
	expect_named(c, "node 13, inode 1", 80, "node 13, inode 1");
	/* All of it, to the last byte; and then not. */
	expect_named(c, "see node 12", 8, "see n12");
	expect_named(c, "see node 12", 7, "se ...");
	conf_free(c);
	c = nodes(3, true);
	expect_named(c, "ask node 1 and node 2", 64,
	    "ask node-with-a-name-of-32-bytes.001 and ...");
	conf_free(c);
}

static void
expect_fit(const char *text, size_t size, const char *want)
{
	char *out = malloc(size);

	ATF_REQUIRE(out != NULL);
	names_fit(text, out, size);
	ATF_CHECK_STREQ(want, out);
	free(out);
}

ATF_TC_WITHOUT_HEAD(fit);
ATF_TC_BODY(fit, tc)
{
	char word[200], want[100];

	expect_fit("alpha beta", 11, "alpha beta");
	expect_fit("alpha beta gamma", 14, "alpha ...");
	expect_fit("alpha beta gamma", 15, "alpha beta ...");
	expect_fit("alpha, beta, gamma", 17, "alpha, beta, ...");
	/* Not a part of a character. */
	expect_fit("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 10,
	    "\xc3\xa9\xc3\xa9 ...");
	/* A word without an end. */
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	memset(want, 'x', 95);
	strlcpy(want + 95, " ...", 5);
	expect_fit(word, sizeof(want), want);
}

ATF_TC_WITHOUT_HEAD(lists);
ATF_TC_BODY(lists, tc)
{
	uint16_t ids[64];
	char text[512];
	unsigned i;

	for (i = 0; i < 64; i++)
		ids[i] = (uint16_t)(i + 1);
	names_list(ids, 0, ", ", text, sizeof(text));
	ATF_CHECK_STREQ("", text);
	names_list(ids, 2, ", ", text, sizeof(text));
	ATF_CHECK_STREQ("node 1, node 2", text);
	names_list(ids, 16, " ", text, sizeof(text));
	ATF_CHECK_STREQ("node 1 node 2 node 3 node 4 node 5 node 6 node 7 "
			"node 8 node 9 node 10 node 11 node 12 node 13 "
			"node 14 node 15 node 16",
	    text);
	names_list(ids, 64, " ", text, sizeof(text));
	ATF_CHECK_STREQ("node 1 node 2 node 3 node 4 node 5 node 6 node 7 "
			"node 8 node 9 node 10 node 11 node 12 node 13 "
			"node 14 node 15 node 16 and 48 more",
	    text);
	/* By room: whole words, and never too many. */
	names_list(ids, 64, ", ", text, 40);
	ATF_CHECK_STREQ("node 1, node 2, node 3 and 61 more", text);
	names_list(ids + 9, 3, ", ", text, 25);
	ATF_CHECK_STREQ("node 10 and 2 more", text);
	names_list(ids, 3, ", ", text, 16);
	ATF_CHECK_STREQ("3 more", text);
}

/* The only field of a row, as it is sent. */
static void
field(const char *value, char *text, size_t size)
{
	struct show s = { .nfields = 0 };
	char name[32];
	struct rbuf r;

	wbuf_init(&s.row, 16384);
	row_begin(&s);
	row_str(&s, "members", value);
	rbuf_init(&r, s.row.data, s.row.len);
	rbuf_u8(&r);
	rbuf_str(&r, name, sizeof(name));
	ATF_CHECK_STREQ("members", name);
	ATF_CHECK_EQ(FIELD_STR, rbuf_u8(&r));
	rbuf_str(&r, text, size);
	ATF_CHECK(rbuf_done(&r));
	wbuf_free(&s.row);
}

ATF_TC_WITHOUT_HEAD(rows);
ATF_TC_BODY(rows, tc)
{
	char value[64 * 12 + 1] = "", text[ROW_TEXT_MAX + 1];
	unsigned i;

	memset(value, 'x', ROW_TEXT_MAX);
	field(value, text, sizeof(text));
	ATF_CHECK_STREQ(value, text);
	/* One of 64 nodes is a list of 64 names. */
	for (i = 0; i < 64; i++)
		snprintf(value + i * 10, sizeof(value) - i * 10, "member-%02u ",
		    i);
	field(value, text, sizeof(text));
	ATF_CHECK_EQ(strlen("member-00 ") * 25 + strlen("..."), strlen(text));
	ATF_CHECK_STREQ("member-24 ...", strstr(text, "member-24"));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, named);
	ATF_TP_ADD_TC(tp, fit);
	ATF_TP_ADD_TC(tp, lists);
	ATF_TP_ADD_TC(tp, rows);
	return atf_no_error();
}
