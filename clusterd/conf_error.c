/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Errors of a configuration file: collected in the order in which they are
 * found, sorted by position, printed with the source line, a marker and a way
 * out.  Whatever the file holds, no control character of it is printed.
 */

#include <stdarg.h>
#include <stdio.h>

#include "conf_yaml.h"

/* Columns of a long source line that are shown. */
enum {
	SHOWN = 120,
	SHOWN_BEFORE = 60
};

#define FORMAT(dst, fmt)                                                       \
	do {                                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, fmt);                                             \
		(void)vsnprintf(dst, sizeof(dst), fmt, ap);                    \
		va_end(ap);                                                    \
		clean(dst);                                                    \
	} while (0)

/* Bytes of the character at p; broken UTF-8 counts byte by byte. */
static size_t
char_len(const char *p, size_t left)
{
	size_t n;

	for (n = 1; n < left && ((uint8_t)p[n] & 0xc0) == 0x80; n++)
		;
	return n;
}

/* One character as a text of its own; what must not be printed becomes ?. */
static void
one_char(const char *p, size_t n, char ch[5])
{
	memset(ch, 0, 5);
	if (n <= 4)
		memcpy(ch, p, n);
	if (ch[0] == '\0' || !conf_text_ok(ch))
		strlcpy(ch, "?", 5);
}

/* Control characters would be obeyed by the terminal. */
static void
clean(char *s)
{
	size_t len = strlen(s), off, n, out = 0;
	char ch[5];

	for (off = 0; off < len; off += n) {
		n = char_len(s + off, len - off);
		one_char(s + off, n, ch);
		memcpy(s + out, ch, strlen(ch));
		out += strlen(ch);
	}
	s[out] = '\0';
}

/*
 * Beyond CONF_FOUND_MAX errors are only counted; the caller still gets an
 * entry to write its fix to.
 */
struct conf_error *
report_add(struct report *r, const char *code, struct yplace at,
    const char *fmt, ...)
{
	struct conf_error *e = &r->spare;

	if (r->n < CONF_FOUND_MAX)
		e = &r->e[r->n++];
	if (code[0] == 'W')
		r->nwarnings++;
	else
		r->nerrors++;
	memset(e, 0, sizeof(*e));
	strlcpy(e->code, code, sizeof(e->code));
	e->line = at.line;
	e->col = at.col;
	e->endcol = at.endcol;
	FORMAT(e->text, fmt);
	return e;
}

void
report_fix(struct conf_error *e, const char *fmt, ...)
{
	FORMAT(e->fix, fmt);
}

void
report_hint(struct conf_error *e, const char *fmt, ...)
{
	FORMAT(e->fix, fmt);
	e->hint = true;
}

/*
 * Code and text decide between errors at one place: the order is the same on
 * every run.
 */
static int
by_place(const void *pa, const void *pb)
{
	const struct conf_error *a = pa, *b = pb;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->col != b->col)
		return a->col < b->col ? -1 : 1;
	if (strcmp(a->code, b->code) != 0)
		return strcmp(a->code, b->code);
	return strcmp(a->text, b->text);
}

void
report_finish(struct report *r, struct conf_errors *errs)
{
	unsigned i, spare;

	memset(errs, 0, sizeof(*errs));
	errs->nerrors = r->nerrors;
	qsort(r->e, r->n, sizeof(r->e[0]), by_place);

	/* Warnings may only have the room that errors leave. */
	spare = CONF_ERRORS_MAX - MIN(r->nerrors, CONF_ERRORS_MAX);
	for (i = 0; i < r->n && errs->n < CONF_ERRORS_MAX; i++) {
		if (r->e[i].code[0] == 'W' && spare == 0)
			continue;
		if (r->e[i].code[0] == 'W')
			spare--;
		errs->e[errs->n++] = r->e[i];
	}
	errs->dropped = r->nerrors + r->nwarnings - errs->n;
}

static void put(struct wbuf *, const char *, ...) PRINTF_LIKE(2, 3);

static void
put(struct wbuf *w, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		wbuf_bytes(w, line, MIN((size_t)n, sizeof(line) - 1));
}

/* Start and length of line number want, without its end; len 0 if none. */
static const char *
find_line(const char *text, size_t len, unsigned want, size_t *linelen)
{
	const char *p = text, *nl, *end = text + len;
	unsigned line;

	*linelen = 0;
	if (text == NULL || want == 0)
		return NULL;
	for (line = 1; line < want; line++) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			return NULL;
		p = nl + 1;
	}
	nl = memchr(p, '\n', (size_t)(end - p));
	*linelen = (size_t)((nl == NULL ? end : nl) - p);
	if (*linelen > 0 && p[*linelen - 1] == '\r')
		(*linelen)--;
	return p;
}

static void
put_char(struct wbuf *w, const char *p, size_t n)
{
	char ch[5] = "\t";

	if (*p != '\t')
		one_char(p, n, ch);
	wbuf_bytes(w, ch, strlen(ch));
}

/*
 * The source line and the marker below it.  The marker line repeats the tabs
 * of the source line, so that both stay aligned.
 */
static void
put_source(struct wbuf *w, const struct conf_error *e, const char *line,
    size_t len)
{
	size_t off, n;
	unsigned col, from, end;
	struct wbuf mark;

	from = e->col > SHOWN ? e->col - SHOWN_BEFORE : 1;
	end = MAX(e->endcol, e->col + 1);
	wbuf_init(&mark, 4096);
	put(w, "%5u | %s", e->line, from > 1 ? "..." : "");
	put(&mark, "      | %s", from > 1 ? "   " : "");
	for (off = 0, col = 1; off < len && col < from + SHOWN; off += n) {
		n = char_len(line + off, len - off);
		if (col >= from)
			put_char(w, line + off, n);
		if (col >= from && col < e->col)
			wbuf_u8(&mark, line[off] == '\t' ? '\t' : ' ');
		else if (col >= e->col && col < end)
			wbuf_u8(&mark, '^');
		col++;
	}
	if (off < len)
		put(w, "...");
	if (col <= e->col)
		wbuf_u8(&mark, '^');
	put(w, "\n");
	wbuf_bytes(w, mark.data, mark.len);
	if (e->hint && e->fix[0] != '\0')
		put(w, "   %s", e->fix);
	put(w, "\n");
	wbuf_free(&mark);
}

/* A hint needs the marker line; without a source line it becomes a fix. */
static void
print_one(const struct conf_error *e, const char *path, const char *text,
    size_t len, struct wbuf *w)
{
	const char *line;
	size_t linelen;

	put(w, "%s:", path);
	if (e->line != 0)
		put(w, "%u:%u:", e->line, e->col);
	put(w, " %s %s: %s\n", e->code[0] == 'W' ? "warning" : "error", e->code,
	    e->text);
	line = find_line(text, len, e->line, &linelen);
	if (e->secret)
		line = NULL;
	if (line != NULL)
		put_source(w, e, line, linelen);
	if (e->fix[0] != '\0' && (!e->hint || line == NULL))
		put(w, "   fix: %s\n", e->fix);
}

/* The last line counts what was found, not what was shown. */
void
conf_errors_print(const struct conf_errors *errs, const char *path,
    const char *text, size_t len, struct wbuf *w)
{
	unsigned i, warnings = 0;
	const char *comma = "";

	for (i = 0; i < errs->n; i++) {
		print_one(&errs->e[i], path, text, len, w);
		warnings += errs->e[i].code[0] == 'W';
	}
	if (errs->n == 0)
		return;
	if (errs->nerrors > 0) {
		put(w, "%u error%s", errs->nerrors,
		    errs->nerrors == 1 ? "" : "s");
		comma = ", ";
	}
	if (warnings > 0)
		put(w, "%s%u warning%s", comma, warnings,
		    warnings == 1 ? "" : "s");
	if (errs->dropped > 0)
		put(w, " (%u not shown)", errs->dropped);
	put(w, "\n");
}
