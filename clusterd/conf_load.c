/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * From a file to a configuration: read, tree, walk, checks.  Every step adds
 * to one report; a configuration comes out only if no error is in it.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf_yaml.h"

/* A finding of conf_check() knows a path; here it gets a place. */
static void
place_finding(void *arg, const struct conf_finding *f)
{
	struct walk *w = arg;
	struct ynode *y, *other = NULL;
	struct conf_error *e;
	bool exact, other_exact = false;

	y = ynode_find(w->root, f->path, &exact);
	if (f->other[0] != '\0')
		other = ynode_find(w->root, f->other, &other_exact);
	if (!exact && other_exact) {
		/* A default clashes with what is written. */
		y = other;
		other_exact = false;
	}
	if (other_exact)
		e = report_add(w->r, f->code, ynode_place(y), "%s (line %u)",
		    f->text, ynode_place(other).line);
	else
		e = report_add(w->r, f->code, ynode_place(y), "%s", f->text);
	e->secret = strcmp(f->code, "W084") == 0;
	if (f->fix[0] != '\0')
		report_fix(e, "%s", f->fix);
}

/*
 * With errors so far, conf_check() still compares what is there, but leaves
 * out what needs the whole.
 */
static void
walk_tree(struct ytree *t, struct conf *c, struct report *r)
{
	static const struct yplace top = { 1, 1, 2 };
	struct walk w = { c, r, t->root };
	struct conf_error *e;

	if (t->root == NULL) {
		e = report_add(r, "E009", top, "the file says nothing");
		report_fix(e,
		    "cluster, nodes and fencing are required; see "
		    "cluster.yaml(5)");
		return;
	}
	schema_walk(&w);
	/* The checks below would only repeat this one in other words. */
	if (t->root->kind != Y_MAP)
		return;
	addr_check(&w);
	conf_check(c, r->nerrors > 0, place_finding, &w);
}

/* The report is large and lives on the heap for this call only. */
struct conf *
conf_parse(const char *text, size_t len, struct conf_errors *errs)
{
	struct report *r;
	struct ytree t;
	struct conf *c;
	bool bad;

	memset(errs, 0, sizeof(*errs));
	r = calloc(1, sizeof(*r));
	c = conf_new();
	if (r == NULL || c == NULL) {
		free(r);
		conf_free(c);
		errs->n = errs->nerrors = 1;
		strlcpy(errs->e[0].code, "E010", sizeof(errs->e[0].code));
		strlcpy(errs->e[0].text, "out of memory",
		    sizeof(errs->e[0].text));
		return NULL;
	}
	if (ytree_load(&t, text, len, r))
		walk_tree(&t, c, r);
	ytree_free(&t);
	bad = r->nerrors > 0;
	report_finish(r, errs);
	free(r);
	if (bad) {
		conf_free(c);
		return NULL;
	}
	/* What the decoder refuses must never come from a file. */
	ASSERT(conf_valid(c));
	conf_hash(c);
	return c;
}

/* The whole file, or one byte more than the limit; NULL with errno. */
static char *
read_file(const char *path, size_t *len)
{
	char *buf;
	ssize_t n = 1;
	size_t size = CONF_BYTES_MAX + 1;
	int fd, saved;

	*len = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return NULL;
	buf = malloc(size);
	while (buf != NULL && *len < size && n != 0) {
		n = read(fd, buf + *len, size - *len);
		if (n > 0) {
			*len += (size_t)n;
		} else if (n == -1 && errno != EINTR) {
			saved = errno;
			free(buf);
			buf = NULL;
			errno = saved;
		}
	}
	saved = errno;
	close(fd);
	errno = saved;
	return buf;
}

/* The text stays with the caller, for conf_errors_print(). */
struct conf *
conf_load(const char *path, struct conf_errors *errs, char **text, size_t *len)
{
	struct conf_error *e;

	*text = read_file(path, len);
	if (*text != NULL)
		return conf_parse(*text, *len, errs);
	memset(errs, 0, sizeof(*errs));
	errs->n = errs->nerrors = 1;
	e = &errs->e[0];
	strlcpy(e->code, "E080", sizeof(e->code));
	(void)snprintf(e->text, sizeof(e->text), "cannot read the file: %s",
	    strerror(errno));
	*len = 0;
	return NULL;
}

/* Standard error may be closed or full; there is nobody left to tell. */
static void
flush(int fd, struct wbuf *w)
{
	size_t off = 0;
	ssize_t n;

	while (off < w->len) {
		n = write(fd, w->data + off, w->len - off);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0)
			off += (size_t)n;
	}
	wbuf_reset(w);
}

/* Messages first, also when the normal form follows: they are short. */
int
conf_check_main(const char *path, bool print)
{
	struct conf_errors *errs;
	struct conf *c;
	struct wbuf w;
	char *text = NULL;
	size_t len = 0;
	int status = EX_OK;

	errs = calloc(1, sizeof(*errs));
	if (errs == NULL)
		return EX_OSERR;
	wbuf_init(&w, 16 * CONF_BYTES_MAX);
	c = conf_load(path, errs, &text, &len);
	conf_errors_print(errs, path, text, len, &w);
	flush(STDERR_FILENO, &w);
	if (text == NULL)
		status = EX_NOINPUT;
	else if (c == NULL)
		status = EX_DATAERR;
	if (c != NULL && print) {
		conf_print(c, &w);
		flush(STDOUT_FILENO, &w);
	}
	if (text != NULL)
		freezero(text, len);
	conf_free(c);
	wbuf_free(&w);
	free(errs);
	return status;
}
