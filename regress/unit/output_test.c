/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what the shell prints: durations and times, tables that line up,
 * JSON that parses whatever a peer has sent, and that no control character
 * from elsewhere reaches a terminal.
 */

#include <atf-c.h>
#include <stdio.h>

#include "regress/gfs/sh.h"
#include "shell/shell.h"

/* out_json.c asks for the cluster of the connection. */
const char *
cl_cluster(const struct cl *cl)
{
	return "demo";
}

static struct cl_field
str_field(const char *name, const char *value)
{
	struct cl_field f = { .type = CL_F_STR };

	strlcpy(f.name, name, sizeof(f.name));
	strlcpy(f.str, value, sizeof(f.str));
	return f;
}

static struct cl_field
num_field(const char *name, enum cl_field_type type, uint64_t num)
{
	struct cl_field f = { .type = type, .num = num };

	strlcpy(f.name, name, sizeof(f.name));
	return f;
}

/* What fn writes, to be freed. */
static char *
written(void (*fn)(FILE *, const void *), const void *arg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ATF_REQUIRE(f != NULL);
	fn(f, arg);
	ATF_REQUIRE_EQ(0, fclose(f));
	ATF_REQUIRE_EQ(len, strlen(text));
	return text;
}

static void
write_table(FILE *out, const void *arg)
{
	text_table(out, arg);
}

static void
write_json(FILE *out, const void *arg)
{
	struct shell sh = { .epoch = 9, .out = out };

	strlcpy(sh.node, "alpha", sizeof(sh.node));
	json_table(out, &sh, "nodes", arg);
}

static void
write_string(FILE *out, const void *arg)
{
	json_string(out, arg);
}

ATF_TC_WITHOUT_HEAD(durations);
ATF_TC_BODY(durations, tc)
{
	static const struct {
		uint64_t us;
		const char *text;
	} table[] = {
		{ 0, "0.00 ms" },
		{ 210, "0.21 ms" },
		{ 9000, "9.00 ms" },
		{ 10000, "10 ms" },
		{ 999999, "999 ms" },
		{ 1000000, "1.0 s" },
		{ 12400000, "12.4 s" },
		{ UINT64_C(100000000), "1m40s" },
		{ UINT64_C(3599000000), "59m59s" },
		{ UINT64_C(3600000000), "1h00m" },
		{ UINT64_C(86399000000), "23h59m" },
		{ UINT64_C(86400000000), "1d00h" },
		{ UINT64_C(90000000000), "1d01h" },
	};
	char text[16];
	unsigned i;

	for (i = 0; i < NITEMS(table); i++) {
		text_duration(text, sizeof(text), table[i].us);
		ATF_CHECK_STREQ(table[i].text, text);
	}
	/* The longest there is fits the size that shell.h names. */
	text_duration(text, sizeof(text), UINT64_MAX);
	ATF_CHECK_EQ('h', text[strlen(text) - 1]);
}

ATF_TC_WITHOUT_HEAD(times);
ATF_TC_BODY(times, tc)
{
	char text[64];

	text_time(text, sizeof(text), 0);
	ATF_CHECK_STREQ("1970-01-01T00:00:00.000Z", text);
	text_time(text, sizeof(text), UINT64_C(1790899200123456));
	ATF_CHECK_STREQ("2026-10-02T00:00:00.123Z", text);
	text_time(text, sizeof(text), UINT64_MAX);
	ATF_CHECK(strlen(text) < sizeof(text));
}

ATF_TC_WITHOUT_HEAD(runes);
ATF_TC_BODY(runes, tc)
{
	static const struct {
		const char *s;
		unsigned len;
	} table[] = {
		{ "a", 1 },
		{ " ", 1 },
		{ "~", 1 },
		{ "\xc3\xa4", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "", 0 },
		{ "\x01", 0 },
		{ "\x1b[31m", 0 },
		{ "\n", 0 },
		{ "\x7f", 0 },
		{ "\x80", 0 },
		{ "\x9b"
		  "31m",
		    0 }, /* CSI in one byte */
		{ "\xc2\x9b"
		  "31m",
		    0 }, /* CSI as UTF-8 */
		{ "\xc2\x80", 0 },
		{ "\xc0\xaf", 0 }, /* overlong */
		{ "\xe0\x80\xaf", 0 },
		{ "\xf0\x80\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 },	   /* surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* above the last */
		{ "\xff", 0 },
		{ "\xc3", 0 }, /* cut */
		{ "\xe2\x82", 0 },
		{ "\xf0\x9f\x98", 0 },
	};
	unsigned i;

	for (i = 0; i < NITEMS(table); i++)
		ATF_CHECK_EQ_MSG(table[i].len, text_rune(table[i].s), "row %u",
		    i);
}

ATF_TC_WITHOUT_HEAD(clean);
ATF_TC_BODY(clean, tc)
{
	char text[64], tiny[5];

	text_clean(text, sizeof(text), "plain");
	ATF_CHECK_STREQ("plain", text);
	text_clean(text, sizeof(text), "a\x1b]0;title\x07z");
	ATF_CHECK_STREQ("a?]0;title?z", text);
	text_clean(text, sizeof(text), "gr\xc3\xbc\xc3\x9f \xe2\x82");
	ATF_CHECK_STREQ("gr\xc3\xbc\xc3\x9f ??", text);
	/* A character is copied whole or not at all. */
	text_clean(tiny, sizeof(tiny), "abc\xc3\xbc");
	ATF_CHECK_STREQ("abc", tiny);
	text_clean(tiny, sizeof(tiny), "ab\xc3\xbcz");
	ATF_CHECK_STREQ("ab\xc3\xbc", tiny);
	text_clean(tiny, 1, "abc");
	ATF_CHECK_STREQ("", tiny);
}

static void
write_line(FILE *out, const void *arg)
{
	text_line(out, "%s: %s", "fence", (const char *)arg);
}

ATF_TC_WITHOUT_HEAD(lines);
ATF_TC_BODY(lines, tc)
{
	char *text = written(write_line, "off\r\n\x1b[2Jforged: line");

	/* One line stays one line. */
	ATF_CHECK_STREQ("fence: off???[2Jforged: line\n", text);
	free(text);
}

ATF_TC_WITHOUT_HEAD(table);
ATF_TC_BODY(table, tc)
{
	struct cl_field rows[2][6] = {
		{ str_field("node", "alpha"), num_field("up", CL_F_BOOL, 1),
		    num_field("rtt_us", CL_F_U64, 210),
		    num_field("loss_permille", CL_F_U64, 7),
		    num_field("inc", CL_F_ID, 0xabc), str_field("text", "x") },
		{ str_field("node", "\xc3\xbc\x1b[m"),
		    num_field("up", CL_F_BOOL, 0),
		    num_field("rtt_us", CL_F_NULL, 0),
		    num_field("loss_permille", CL_F_U64, 1000),
		    num_field("inc", CL_F_ID, 1), str_field("text", "") },
	};
	struct table *t = table_new();
	char *text;

	ATF_REQUIRE(t != NULL);
	text = written(write_table, t);
	ATF_CHECK_STREQ("  none\n", text);
	free(text);
	ATF_REQUIRE(table_row(t, rows[0], 6));
	ATF_REQUIRE(table_row(t, rows[1], 6));
	ATF_CHECK_EQ(2, table_rows(t));
	text = written(write_table, t);
	ATF_CHECK_STREQ("  NODE   UP   RTT      LOSS PERMILLE  INC  TEXT\n"
			"  alpha  yes  0.21 ms  7              abc  x\n"
			"  \xc3\xbc?[m   no   -        1000           1    -\n",
	    text);
	free(text);
	table_free(t);
	table_free(NULL);
}

/* Rows of one answer may differ in length; the first one has the columns. */
ATF_TC_WITHOUT_HEAD(ragged);
ATF_TC_BODY(ragged, tc)
{
	struct cl_field rows[2][2] = {
		{ str_field("a", "1"), str_field("b", "2") },
		{ str_field("a", "3"), str_field("b", "4") },
	};
	struct table *t = table_new();
	char *text;

	ATF_REQUIRE(table_row(t, rows[0], 1));
	ATF_REQUIRE(table_row(t, rows[1], 2));
	text = written(write_table, t);
	ATF_CHECK_STREQ("  A\n  1\n  3\n", text);
	free(text);
	table_free(t);
	t = table_new();
	ATF_REQUIRE(table_row(t, rows[0], 2));
	ATF_REQUIRE(table_row(t, rows[1], 1));
	text = written(write_table, t);
	ATF_CHECK_STREQ("  A  B\n  1  2\n  3\n", text);
	free(text);
	table_free(t);
}

ATF_TC_WITHOUT_HEAD(fields);
ATF_TC_BODY(fields, tc)
{
	struct cl_field f[2] = { str_field("a", "text"),
		num_field("b", CL_F_U64, 5) };

	ATF_CHECK(field(f, 2, "a") == &f[0]);
	ATF_CHECK(field(f, 2, "c") == NULL);
	ATF_CHECK_EQ(5, field_num(f, 2, "b"));
	ATF_CHECK_EQ(0, field_num(f, 2, "c"));
	ATF_CHECK_STREQ("text", field_str(f, 2, "a"));
	ATF_CHECK_STREQ("", field_str(f, 2, "b"));
	ATF_CHECK_STREQ("", field_str(f, 2, "c"));
}

ATF_TC_WITHOUT_HEAD(json_strings);
ATF_TC_BODY(json_strings, tc)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\n\t\x1b\x7f", "\"\\u000a\\u0009\\u001b\\u007f\"" },
		{ "\xc3\xbc", "\"\xc3\xbc\"" },
		{ "\xc2\x9b", "\"\\u009b\"" },
		{ "\x9b\xff", "\"\\ufffd\\ufffd\"" },
		{ "x\xe2\x82", "\"x\\ufffd\\ufffd\"" },
		{ "\xc2", "\"\\ufffd\"" },
	};
	unsigned i;
	char *text;

	for (i = 0; i < NITEMS(table); i++) {
		text = written(write_string, table[i].in);
		ATF_CHECK_STREQ(table[i].out, text);
		free(text);
	}
}

/* Does this jq program say true of every JSON value in the file? */
static bool
jq_says(const char *program, const char *file)
{
	char out[1024];

	if (sh_status(out, sizeof(out), "jq -e -s '%s' <%s", program, file) ==
	    0)
		return true;
	fprintf(stderr, "%s: %s\n", program, out);
	return false;
}

/* Every two-byte string: one line of printable UTF-8 that parses. */
ATF_TC(json_any_bytes);
ATF_TC_HEAD(json_any_bytes, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "jq");
}
ATF_TC_BODY(json_any_bytes, tc)
{
	char in[4] = { 0 }, *text, *p;
	FILE *out = fopen("any.json", "w");
	unsigned a, b;

	ATF_REQUIRE(out != NULL);
	for (a = 1; a < 256; a++) {
		for (b = 1; b < 256; b++) {
			in[0] = (char)a;
			in[1] = (char)b;
			text = written(write_string, in);
			for (p = text; *p != '\0'; p += text_rune(p))
				ATF_REQUIRE(text_rune(p) != 0);
			fprintf(out, "%s\n", text);
			free(text);
		}
	}
	ATF_REQUIRE_EQ(0, fclose(out));
	ATF_CHECK(
	    jq_says("length == 255 * 255 and all(length >= 1)", "any.json"));
}

ATF_TC(json_tables);
ATF_TC_HEAD(json_tables, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "jq");
}
ATF_TC_BODY(json_tables, tc)
{
	struct cl_field row[6] = { str_field("node", "al\"pha\x1b"),
		num_field("up", CL_F_BOOL, 1),
		num_field("rtt_us", CL_F_NULL, 0),
		num_field("loss", CL_F_U64, 12),
		num_field("incarnation", CL_F_ID, UINT64_MAX),
		num_field("time_us", CL_F_U64, 0) };
	struct table *t = table_new();
	FILE *out = fopen("table.json", "w");
	char *text;

	ATF_REQUIRE(out != NULL);
	ATF_REQUIRE(table_row(t, row, 6));
	ATF_REQUIRE(table_row(t, row, 6));
	text = written(write_json, t);
	/* One line, so that a stream of answers can be cut at newlines. */
	ATF_CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	fputs(text, out);
	ATF_REQUIRE_EQ(0, fclose(out));
	ATF_CHECK(jq_says(".[0] | .api == 1 and .cluster == \"demo\" and "
			  ".node == \"alpha\" and .command == \"nodes\" and "
			  ".epoch == 9 and (.time | type) == \"string\" and "
			  "(.data | length) == 2",
	    "table.json"));
	ATF_CHECK(jq_says(".[0].data[1] == {"
			  "\"node\": \"al\\\"pha\\u001b\", \"up\": true, "
			  "\"rtt_us\": null, \"loss\": 12, "
			  "\"incarnation\": \"ffffffffffffffff\", "
			  "\"time\": \"1970-01-01T00:00:00.000Z\"}",
	    "table.json"));
	/* The question bites. */
	ATF_CHECK(!jq_says(".[0].epoch == 8", "table.json"));
	free(text);
	table_free(t);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, durations);
	ATF_TP_ADD_TC(tp, times);
	ATF_TP_ADD_TC(tp, runes);
	ATF_TP_ADD_TC(tp, clean);
	ATF_TP_ADD_TC(tp, lines);
	ATF_TP_ADD_TC(tp, table);
	ATF_TP_ADD_TC(tp, ragged);
	ATF_TP_ADD_TC(tp, fields);
	ATF_TP_ADD_TC(tp, json_strings);
	ATF_TP_ADD_TC(tp, json_any_bytes);
	ATF_TP_ADD_TC(tp, json_tables);
	return atf_no_error();
}
