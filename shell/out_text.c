/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Rows kept as a table, and the table as text.  Columns are as wide as their
 * widest cell; a name that ends in _us is shown as a duration.
 */

#include <ctype.h>
#include <stdarg.h>
#include <time.h>

#include "shell.h"

#define ROWS_MAX 200000

struct row {
	unsigned n;
	struct cl_field *fields;
};

struct table {
	unsigned n, cap;
	struct row *rows;
};

struct table *
table_new(void)
{
	return calloc(1, sizeof(struct table));
}

void
table_free(struct table *t)
{
	unsigned i;

	if (t == NULL)
		return;
	for (i = 0; i < t->n; i++)
		free(t->rows[i].fields);
	free(t->rows);
	free(t);
}

bool
table_row(void *arg, const struct cl_field *fields, unsigned n)
{
	struct table *t = arg;
	struct row *rows;
	struct cl_field *copy;

	if (t->n == ROWS_MAX)
		return false;
	if (t->n == t->cap) {
		rows = reallocarray(t->rows, t->cap * 2 + 16, sizeof(*rows));
		if (rows == NULL)
			return false;
		t->rows = rows;
		t->cap = t->cap * 2 + 16;
	}
	copy = calloc(n, sizeof(*copy));
	if (copy == NULL)
		return false;
	memcpy(copy, fields, n * sizeof(*copy));
	t->rows[t->n].n = n;
	t->rows[t->n].fields = copy;
	t->n++;
	return true;
}

unsigned
table_rows(const struct table *t)
{
	return t->n;
}

const struct cl_field *
table_get(const struct table *t, unsigned row, unsigned *n)
{
	*n = t->rows[row].n;
	return t->rows[row].fields;
}

const struct cl_field *
field(const struct cl_field *f, unsigned n, const char *name)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	}
	return NULL;
}

uint64_t
field_num(const struct cl_field *f, unsigned n, const char *name)
{
	const struct cl_field *x = field(f, n, name);

	return x == NULL ? 0 : x->num;
}

const char *
field_str(const struct cl_field *f, unsigned n, const char *name)
{
	const struct cl_field *x = field(f, n, name);

	return x == NULL || x->type != CL_F_STR ? "" : x->str;
}

void
text_duration(char *dst, size_t size, uint64_t us)
{
	uint64_t s = us / 1000000;

	if (us < 10000)
		snprintf(dst, size, "%.2f ms", (double)us / 1000);
	else if (us < 1000000)
		snprintf(dst, size, "%u ms", (unsigned)(us / 1000));
	else if (s < 100)
		snprintf(dst, size, "%.1f s", (double)us / 1000000);
	else if (s < 3600)
		snprintf(dst, size, "%um%02us", (unsigned)(s / 60),
		    (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(dst, size, "%uh%02um", (unsigned)(s / 3600),
		    (unsigned)(s / 60 % 60));
	else
		snprintf(dst, size, "%ud%02uh", (unsigned)(s / 86400),
		    (unsigned)(s / 3600 % 24));
}

void
text_time(char *dst, size_t size, uint64_t wall_us)
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;
	size_t len;

	gmtime_r(&t, &tm);
	len = strftime(dst, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(dst + len, size - len, ".%03uZ",
	    (unsigned)(wall_us / 1000 % 1000));
}

static bool
ends_in(const char *s, const char *tail)
{
	size_t a = strlen(s), b = strlen(tail);

	return a > b && strcmp(s + a - b, tail) == 0;
}

unsigned
text_rune(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	/* Of the second byte: no overlong forms, surrogates, or C1. */
	unsigned low = 0x80, high = 0xbf, len, i;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xc2 || s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

void
text_clean(char *dst, size_t size, const char *src)
{
	size_t off = 0;
	unsigned len;

	while (*src != '\0') {
		len = text_rune(src);
		if (off + MAX(len, 1u) >= size)
			break;
		if (len == 0)
			dst[off] = '?';
		else
			memcpy(dst + off, src, len);
		off += MAX(len, 1u);
		src += MAX(len, 1u);
	}
	dst[off] = '\0';
}

void
text_line(FILE *out, const char *fmt, ...)
{
	char raw[2048], clean[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	text_clean(clean, sizeof(clean), raw);
	fprintf(out, "%s\n", clean);
}

static void
cell(const struct cl_field *f, char *dst, size_t size)
{
	switch (f->type) {
	case CL_F_STR:
		text_clean(dst, size, f->str[0] == '\0' ? "-" : f->str);
		break;
	case CL_F_BOOL:
		strlcpy(dst, f->num != 0 ? "yes" : "no", size);
		break;
	case CL_F_U64:
		if (strcmp(f->name, "time_us") == 0)
			text_time(dst, size, f->num);
		else if (ends_in(f->name, "_us"))
			text_duration(dst, size, f->num);
		else
			snprintf(dst, size, "%llu", (unsigned long long)f->num);
		break;
	case CL_F_ID:
		snprintf(dst, size, "%llx", (unsigned long long)f->num);
		break;
	case CL_F_NULL:
		strlcpy(dst, "-", size);
		break;
	}
}

static void
heading(const struct cl_field *f, char *dst, size_t size)
{
	char *p;

	text_clean(dst, size, f->name);
	if (ends_in(dst, "_us"))
		dst[strlen(dst) - 3] = '\0';
	for (p = dst; *p != '\0'; p++)
		*p = *p == '_' ? ' ' : (char)toupper((unsigned char)*p);
}

/* Characters of clean text. */
static unsigned
width(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
widths(const struct table *t, unsigned n, unsigned *w)
{
	char text[300];
	unsigned i, j;

	for (j = 0; j < n; j++) {
		heading(&t->rows[0].fields[j], text, sizeof(text));
		w[j] = width(text);
		for (i = 0; i < t->n; i++) {
			if (j >= t->rows[i].n)
				continue;
			cell(&t->rows[i].fields[j], text, sizeof(text));
			w[j] = MAX(w[j], width(text));
		}
	}
}

static void
put_cell(FILE *out, const char *text, unsigned w, bool last)
{
	unsigned pad = last ? 0 : w - MIN(w, width(text));

	fprintf(out, "  %s%*s", text, (int)pad, "");
}

void
text_table(FILE *out, const struct table *t)
{
	unsigned w[CL_FIELDS_MAX], i, j, n;
	char text[300];

	if (t->n == 0) {
		fputs("  none\n", out);
		return;
	}
	n = t->rows[0].n;
	widths(t, n, w);
	for (j = 0; j < n; j++) {
		heading(&t->rows[0].fields[j], text, sizeof(text));
		put_cell(out, text, w[j], j == n - 1);
	}
	fputc('\n', out);
	for (i = 0; i < t->n; i++) {
		for (j = 0; j < n && j < t->rows[i].n; j++) {
			cell(&t->rows[i].fields[j], text, sizeof(text));
			put_cell(out, text, w[j], j == n - 1);
		}
		fputc('\n', out);
	}
}
