/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that every file of this folder gives exactly the messages (.err) and
 * the normal form (.ok) that lie beside it, that the normal form reads back
 * as the same configuration, that no message code is without an example, and
 * that the shipped examples are clean.
 */

#include <atf-c.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "conf.h"

#ifndef CONF_DIR
#error "CONF_DIR names the folder of the golden files"
#endif

/* The whole file as a string of len bytes; NULL if there is none. */
static char *
slurp(const char *path, size_t *len)
{
	char *buf;
	FILE *f;

	*len = 0;
	f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	buf = calloc(1, 2 * 1024 * 1024);
	ATF_REQUIRE(buf != NULL);
	*len = fread(buf, 1, 2 * 1024 * 1024 - 1, f);
	fclose(f);
	return buf;
}

static bool
has_tail(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Calls each with every name of the folder that ends in tail. */
static unsigned
for_each(const char *dir, const char *tail, void (*each)(const char *, void *),
    void *arg)
{
	struct dirent **list;
	unsigned found = 0;
	int i, n;

	ATF_REQUIRE_EQ(0, chdir(dir));
	n = scandir(".", &list, visible, alphasort);
	ATF_REQUIRE(n > 0);
	for (i = 0; i < n; i++) {
		if (has_tail(list[i]->d_name, tail)) {
			each(list[i]->d_name, arg);
			found++;
		}
		free(list[i]);
	}
	free(list);
	return found;
}

/* The golden file beside name with another ending; "" if there is none. */
static char *
beside(const char *name, const char *tail)
{
	char path[256], *text;
	size_t len;
	int stem = (int)(strlen(name) - strlen(".yaml"));

	(void)snprintf(path, sizeof(path), "%.*s%s", stem, name, tail);
	text = slurp(path, &len);
	if (text == NULL)
		text = calloc(1, 1);
	ATF_REQUIRE(text != NULL);
	return text;
}

static void
compare(const char *name, const char *what, const char *golden,
    struct wbuf *got)
{
	wbuf_u8(got, '\0');
	ATF_REQUIRE(!got->err);
	ATF_CHECK_MSG(strcmp(golden, (const char *)got->data) == 0,
	    "%s: %s differs\n--- wanted\n%s\n--- got\n%s", name, what, golden,
	    (const char *)got->data);
	wbuf_reset(got);
}

static void
check_golden(const char *name, void *arg)
{
	struct conf_errors errs;
	struct conf *c;
	struct wbuf w;
	char *text, *err, *ok;
	size_t len;

	c = conf_load(name, &errs, &text, &len);
	ATF_REQUIRE(text != NULL);
	err = beside(name, ".err");
	ok = beside(name, ".ok");
	wbuf_init(&w, 1 << 24);
	conf_errors_print(&errs, name, text, len, &w);
	compare(name, "the messages", err, &w);
	if (c != NULL)
		conf_print(c, &w);
	compare(name, "the normal form", ok, &w);
	ATF_CHECK_EQ_MSG(c == NULL, errs.nerrors > 0,
	    "%s: a result with errors", name);
	ATF_CHECK(errs.n <= CONF_ERRORS_MAX);
	wbuf_free(&w);
	free(err);
	free(ok);
	free(text);
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(golden);
ATF_TC_BODY(golden, tc)
{
	ATF_CHECK(for_each(CONF_DIR, ".yaml", check_golden, NULL) > 100);
}

static void
check_round_trip(const char *name, void *arg)
{
	struct conf_errors errs;
	struct conf *a, *b;
	struct wbuf wa, wb;
	char *text;
	size_t len;

	a = conf_load(name, &errs, &text, &len);
	free(text);
	if (a == NULL)
		return;
	(*(unsigned *)arg)++;
	wbuf_init(&wa, 1 << 24);
	wbuf_init(&wb, 1 << 24);
	conf_print(a, &wa);
	b = conf_parse((const char *)wa.data, wa.len, &errs);
	ATF_REQUIRE_MSG(b != NULL, "%s: the normal form is refused: %s", name,
	    errs.e[0].text);
	conf_print(b, &wb);
	ATF_CHECK_MSG(wa.len == wb.len && memcmp(wa.data, wb.data, wa.len) == 0,
	    "%s: the normal form changes when read back", name);
	ATF_CHECK_EQ_MSG(0, memcmp(a->hash, b->hash, sizeof(a->hash)),
	    "%s: the hash changes", name);

	/* Also as bytes, which leave nothing out but inline secrets. */
	wbuf_reset(&wa);
	wbuf_reset(&wb);
	conf_encode(a, false, &wa);
	conf_encode(b, false, &wb);
	ATF_CHECK(!wa.err && wa.len == wb.len);
	ATF_CHECK_EQ_MSG(0, memcmp(wa.data, wb.data, wa.len), "%s: not equal",
	    name);
	wbuf_free(&wa);
	wbuf_free(&wb);
	conf_free(a);
	conf_free(b);
}

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	unsigned n = 0;

	for_each(CONF_DIR, ".yaml", check_round_trip, &n);
	ATF_CHECK(n > 10);
}

/* Notes every Ennn and Wnnn that stands between two quotes, or anywhere. */
struct codes {
	bool seen[2][1000];
	bool quoted;
};

static void
note_codes(const char *name, void *arg)
{
	struct codes *k = arg;
	char *text, *p;
	size_t len;

	if (k->quoted && strncmp(name, "conf", 4) != 0)
		return;
	text = slurp(name, &len);
	ATF_REQUIRE(text != NULL);
	for (p = text; *p != '\0'; p++) {
		if ((*p != 'E' && *p != 'W') || !isdigit((uint8_t)p[1]) ||
		    !isdigit((uint8_t)p[2]) || !isdigit((uint8_t)p[3]))
			continue;
		if (k->quoted && (p == text || p[-1] != '"' || p[4] != '"'))
			continue;
		k->seen[*p == 'W'][strtoul(p + 1, NULL, 10) % 1000] = true;
	}
	free(text);
}

ATF_TC_WITHOUT_HEAD(every_code_has_an_example);
ATF_TC_BODY(every_code_has_an_example, tc)
{
	static struct codes sources = { .quoted = true }, examples;
	unsigned i, w, n = 0;

	for_each(CONF_DIR "/../../clusterd", ".c", note_codes, &sources);
	for_each(CONF_DIR, ".err", note_codes, &examples);
	for (w = 0; w < 2; w++) {
		for (i = 0; i < 1000; i++) {
			n += sources.seen[w][i];
			ATF_CHECK_MSG(!sources.seen[w][i] ||
				examples.seen[w][i],
			    "%c%03u has no golden file", w ? 'W' : 'E', i);
		}
	}
	ATF_CHECK_MSG(n > 30, "only %u codes found in the sources", n);
}

static void
need_yaml(const char *name, void *arg)
{
	const char *tail = arg;
	char path[256];
	int stem = (int)(strlen(name) - strlen(tail));

	/* The file that is missing on purpose. */
	if (strcmp(name, "e080-missing.err") == 0)
		return;
	(void)snprintf(path, sizeof(path), "%.*s.yaml", stem, name);
	ATF_CHECK_EQ_MSG(0, access(path, R_OK), "%s belongs to nothing", name);
}

ATF_TC_WITHOUT_HEAD(no_stray_golden_file);
ATF_TC_BODY(no_stray_golden_file, tc)
{
	char err[] = ".err", ok[] = ".ok";

	for_each(CONF_DIR, err, need_yaml, err);
	for_each(CONF_DIR, ok, need_yaml, ok);
}

static struct conf *
load(const char *path)
{
	struct conf_errors errs;
	struct conf *c;
	char *text;
	size_t len;

	c = conf_load(path, &errs, &text, &len);
	ATF_REQUIRE_MSG(c != NULL, "%s: %s", path, errs.e[0].text);
	free(text);
	return c;
}

ATF_TC_WITHOUT_HEAD(hash);
ATF_TC_BODY(hash, tc)
{
	struct conf *a, *b;

	ATF_REQUIRE_EQ(0, chdir(CONF_DIR));
	a = load("ok-complete.yaml");
	b = load("ok-order.yaml");
	ATF_CHECK_EQ(0, memcmp(a->hash, b->hash, sizeof(a->hash)));
	b->nodes[0].votes++;
	conf_hash(b);
	ATF_CHECK(memcmp(a->hash, b->hash, sizeof(a->hash)) != 0);
	conf_free(a);
	conf_free(b);

	/* A secret is in no hash. */
	a = load("w084-inline.yaml");
	b = load("w084-inline.yaml");
	ATF_REQUIRE_EQ(1, b->ndevices);
	ATF_REQUIRE_STREQ("community", b->devices[0].options[0].name);
	ATF_CHECK_STREQ("hush", b->devices[0].options[0].value);
	strlcpy(b->devices[0].options[0].value, "else",
	    sizeof(b->devices[0].options[0].value));
	conf_hash(b);
	ATF_CHECK_EQ(0, memcmp(a->hash, b->hash, sizeof(a->hash)));
	conf_free(a);
	conf_free(b);
}

static void
need_clean(const char *name, void *arg)
{
	struct conf_errors errs;
	struct conf *c;
	char *text;
	size_t len;

	c = conf_load(name, &errs, &text, &len);
	ATF_CHECK_MSG(c != NULL, "%s is refused", name);
	ATF_CHECK_EQ_MSG(0, errs.n, "%s: %s", name, errs.e[0].text);
	free(text);
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(examples);
ATF_TC_BODY(examples, tc)
{
	const char *dir = CONF_DIR "/../../conf";

	ATF_CHECK(for_each(dir, ".yaml", need_clean, NULL) >= 2);
	ATF_CHECK_EQ(1, for_each(dir, ".yaml.example", need_clean, NULL));
}

static void
need_error(const char *text, size_t len, const char *code, const char *words)
{
	struct conf_errors errs;

	ATF_CHECK(conf_parse(text, len, &errs) == NULL);
	ATF_REQUIRE(errs.n > 0);
	ATF_CHECK_STREQ(code, errs.e[0].code);
	ATF_CHECK_STREQ(words, errs.e[0].text);
}

/* Limits whose golden files would be too large. */
ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	const size_t mib = 1024 * 1024;
	struct conf_errors errs;
	struct conf *c;
	struct wbuf w;
	char *text;
	size_t i, len;

	text = malloc(mib + 1);
	ATF_REQUIRE(text != NULL);
	memset(text, '#', mib + 1);
	need_error(text, mib + 1, "E010", "the file is larger than 1 MiB");
	need_error(text, mib, "E009", "the file says nothing");
	free(text);

	wbuf_init(&w, mib);
	wbuf_bytes(&w, "x: [", 4);
	for (i = 0; i < 20000; i++)
		wbuf_bytes(&w, "a, ", 3);
	wbuf_u8(&w, ']');
	need_error((const char *)w.data, w.len, "E010",
	    "the file has more than 20000 keys and values");
	wbuf_free(&w);

	/* Deep nesting is refused long before it is read to its end. */
	text = malloc(mib);
	ATF_REQUIRE(text != NULL);
	memset(text, '[', mib);
	need_error(text, mib, "E010", "more than 16 levels deep");
	free(text);

	/* More errors than are shown are still counted. */
	ATF_REQUIRE_EQ(0, chdir(CONF_DIR));
	c = conf_load("many.yaml", &errs, &text, &len);
	ATF_CHECK(c == NULL);
	ATF_CHECK_EQ(CONF_ERRORS_MAX, errs.n);
	ATF_CHECK_EQ(30, errs.nerrors);
	ATF_CHECK_EQ(11, errs.dropped);
	free(text);
}

ATF_TC_WITHOUT_HEAD(missing_file);
ATF_TC_BODY(missing_file, tc)
{
	struct conf_errors errs;
	struct wbuf w;
	char *text, *golden;
	size_t len;

	ATF_REQUIRE_EQ(0, chdir(CONF_DIR));
	golden = slurp("e080-missing.err", &len);
	ATF_REQUIRE(golden != NULL);
	ATF_CHECK(conf_load("e080-missing.yaml", &errs, &text, &len) == NULL);
	ATF_CHECK(text == NULL);
	wbuf_init(&w, 4096);
	conf_errors_print(&errs, "e080-missing.yaml", NULL, 0, &w);
	compare("e080-missing.yaml", "the message", golden, &w);
	wbuf_free(&w);
	free(golden);
}

ATF_TC_WITHOUT_HEAD(exit_status);
ATF_TC_BODY(exit_status, tc)
{
	ATF_REQUIRE_EQ(0, chdir(CONF_DIR));
	ATF_CHECK_EQ(0, conf_check_main("ok-complete.yaml", true));
	ATF_CHECK_EQ(65, conf_check_main("e004-near.yaml", true));
	ATF_CHECK_EQ(66, conf_check_main("e080-missing.yaml", true));
	ATF_CHECK_EQ(66, conf_check_main(".", true));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, golden);
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, every_code_has_an_example);
	ATF_TP_ADD_TC(tp, no_stray_golden_file);
	ATF_TP_ADD_TC(tp, hash);
	ATF_TP_ADD_TC(tp, examples);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, missing_file);
	ATF_TP_ADD_TC(tp, exit_status);
	return atf_no_error();
}
