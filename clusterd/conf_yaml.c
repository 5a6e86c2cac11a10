/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The text as a tree that knows its positions.  libyaml's events are taken
 * one by one, so that depth, size, and what we do not take from YAML are
 * refused while they appear and never pile up in memory.
 *
 * Y1.  No recursion: a node knows its parent, the tree knows all nodes.
 * Y2.  At most CONF_YNODES_MAX nodes, CONF_DEPTH_MAX deep, one document.
 * Y3.  No anchors, aliases, tags; no scalar holds a NUL.
 */

#include <stdio.h>
#include <yaml.h>

#include "conf_yaml.h"

struct load {
	struct ytree *t;
	struct report *r;
	struct ynode *top; /* the open map or list; NULL: at the root */
	struct ynode *key; /* the key whose value comes next */
	unsigned depth;
	unsigned documents;
	bool stop;
};

/* libyaml's words about a broken text, and ours. */
static const struct {
	const char *theirs;
	const char *ours;
	const char *fix;
	bool at_context; /* point to where it began, not where it showed */
} problems[] = {
	{ "found character that cannot start any token",
	    "a value cannot start with this character",
	    "put the text in double quotes", false },
	{ "mapping values are not allowed in this context",
	    "no \": \" may follow here: a line is indented too far, or a text "
	    "needs quotes",
	    "give all keys of a map the same indentation", false },
	{ "could not find expected ':'", "a key without \": \" behind it",
	    "write KEY: VALUE, with a space behind the colon", true },
	{ "did not find expected key",
	    "this line does not fit the lines above it",
	    "give all keys of a map the same indentation", false },
	{ "did not find expected '-' indicator",
	    "this line is no entry of the list above it",
	    "start every entry of a list with \"- \", in one column", false },
	{ "did not find expected ',' or ']'", "the list is not closed",
	    "close it with ]", true },
	{ "did not find expected ',' or '}'", "the map is not closed",
	    "close it with }", true },
	{ "found unexpected end of stream", "the text is not closed",
	    "close it with the quote it started with", true },
	{ "block sequence entries are not allowed in this context",
	    "no list may start here",
	    "start the list on the next line, or write [a, b]", false },
	{ "did not find expected <document start>",
	    "the file goes on after its end",
	    "put everything into one map of KEY: VALUE", false },
	{ "found unknown escape character", "an unknown \\ escape",
	    "write \\\\ for a backslash, or use single quotes", false },
	{ "did not find expected node content",
	    "a value is missing, or needs quotes",
	    "write \"\" for an empty text, and [\"::1\"] for an address that "
	    "starts with a colon",
	    false },
	{ "found unexpected ':'", "this \":\" needs quotes around its text",
	    "put the text in double quotes, as in [\"fd00::\"]", false },
	{ "mapping keys are not allowed in this context",
	    "no \"? \" may stand here", "put the text in double quotes",
	    false },
	{ "found unexpected document indicator",
	    "a line starts with --- or ... inside a text",
	    "close the text with the quote it started with", true },
	{ "control characters are not allowed", "a control character",
	    "remove it", false },
};

/*
 * libyaml counts lines and columns from 0, in characters.  A node that ends
 * on another line is marked by its first character.
 */
static struct yplace
place(const yaml_mark_t *from, const yaml_mark_t *to)
{
	struct yplace at;

	at.line = (unsigned)from->line + 1;
	at.col = (unsigned)from->column + 1;
	at.endcol = at.col + 1;
	if (to != NULL && to->line == from->line && to->column > from->column)
		at.endcol = (unsigned)to->column + 1;
	return at;
}

/* The place of a byte, which is all that libyaml's reader tells. */
static struct yplace
place_of(const char *text, size_t len, size_t off)
{
	struct yplace at = { 1, 1, 2 };
	size_t i;

	for (i = 0; i < off && i < len; i++) {
		if (text[i] == '\n') {
			at.line++;
			at.col = 1;
		} else if (((uint8_t)text[i] & 0xc0) != 0x80) {
			at.col++;
		}
	}
	at.endcol = at.col + 1;
	return at;
}

/*
 * Says in our words what libyaml found.  Some errors show far behind their
 * cause; then the place where the open quote or bracket began is told.
 */
static void
broken(struct load *l, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *theirs = p->problem == NULL ? "" : p->problem;
	struct conf_error *e;
	struct yplace at;
	size_t i;

	if (p->error == YAML_MEMORY_ERROR) {
		at = place_of(text, len, 0);
		report_add(l->r, "E010", at, "out of memory");
		return;
	}
	if (p->error == YAML_READER_ERROR)
		at = place_of(text, len, p->problem_offset);
	else
		at = place(&p->problem_mark, NULL);
	for (i = 0; i < NITEMS(problems); i++) {
		if (strcmp(theirs, problems[i].theirs) != 0)
			continue;
		if (problems[i].at_context && p->context != NULL)
			at = place(&p->context_mark, NULL);
		e = report_add(l->r, "E001", at, "not YAML: %s",
		    problems[i].ours);
		report_fix(e, "%s", problems[i].fix);
		return;
	}
	if (strcmp(theirs, "found undefined tag handle") == 0) {
		report_add(l->r, "E003", at, "tags are not allowed");
		return;
	}
	if (p->error == YAML_READER_ERROR) {
		e = report_add(l->r, "E001", at, "not YAML: this is not UTF-8");
		report_fix(e, "save the file as UTF-8");
		return;
	}
	report_add(l->r, "E001", at, "not YAML: %s", theirs);
}

/* Tabs look like indentation and are none; libyaml's words hide that. */
static bool
scan_tabs(const char *text, size_t len, struct report *r)
{
	struct yplace at = { 1, 1, 2 };
	struct conf_error *e;
	size_t i;
	bool indent = true;

	for (i = 0; i < len; i++) {
		if (text[i] == '\n') {
			at.line++;
			at.col = 1;
			indent = true;
			continue;
		}
		if (indent && text[i] == '\t') {
			at.endcol = at.col + 1;
			e = report_add(r, "E001", at,
			    "not YAML: a tab in the indentation");
			report_fix(e, "indent with spaces");
			return false;
		}
		indent = indent && text[i] == ' ';
		at.col++;
	}
	return true;
}

/* Y2, size: counts keys, too, since they cost as much as values. */
static struct ynode *
add_node(struct load *l, enum ykind kind, struct yplace at)
{
	struct ynode *y;

	if (l->t->nnodes == CONF_YNODES_MAX) {
		report_add(l->r, "E010", at,
		    "the file has more than %d keys and values",
		    CONF_YNODES_MAX);
		l->stop = true;
		return NULL;
	}
	y = calloc(1, sizeof(*y));
	if (y == NULL) {
		report_add(l->r, "E010", at, "out of memory");
		l->stop = true;
		return NULL;
	}
	y->kind = kind;
	y->at = at;
	STAILQ_INIT(&y->items);
	STAILQ_INSERT_TAIL(&l->t->all, y, all);
	l->t->nnodes++;
	return y;
}

/* Hangs a node where the events have brought us: root, key, value, entry. */
static void
attach(struct load *l, struct ynode *y)
{
	struct ynode *top = l->top;

	y->parent = top;
	if (top == NULL) {
		l->t->root = y;
		return;
	}
	if (top->kind == Y_MAP && l->key == NULL) {
		l->key = y;
		return;
	}
	y->key = l->key;
	l->key = NULL;
	y->index = top->nitems++;
	STAILQ_INSERT_TAIL(&top->items, y, entry);
}

/* Y2, depth.  A map or list as a key is legal YAML, but no key of ours. */
static void
open_node(struct load *l, enum ykind kind, struct yplace at)
{
	struct ynode *y;

	if (l->top != NULL && l->top->kind == Y_MAP && l->key == NULL) {
		report_add(l->r, "E005", at, "a key must be a word, not a %s",
		    kind == Y_MAP ? "map" : "list");
		l->stop = true;
		return;
	}
	if (l->depth == CONF_DEPTH_MAX) {
		report_add(l->r, "E010", at, "more than %d levels deep",
		    CONF_DEPTH_MAX);
		l->stop = true;
		return;
	}
	y = add_node(l, kind, at);
	if (y == NULL)
		return;
	attach(l, y);
	l->top = y;
	l->depth++;
}

/* The events are balanced: libyaml closes nothing that it did not open. */
static void
close_node(struct load *l)
{
	l->top = l->top->parent;
	l->depth--;
}

/* Whether a text is plain matters: "5600" in quotes is no number. */
static void
add_scalar(struct load *l, const yaml_event_t *ev, struct yplace at)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct ynode *y;

	if (memchr(text, '\0', len) != NULL) {
		report_add(l->r, "E001", at, "a text holds a NUL character");
		l->stop = true;
		return;
	}
	y = add_node(l, Y_SCALAR, at);
	if (y == NULL)
		return;
	y->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	y->text = calloc(1, len + 1);
	if (y->text == NULL) {
		report_add(l->r, "E010", at, "out of memory");
		l->stop = true;
		return;
	}
	memcpy(y->text, text, len);
	attach(l, y);
}

/* What YAML has and this file must not. */
static void
refuse(struct load *l, const yaml_event_t *ev, struct yplace at)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	struct conf_error *e;
	const char *what = NULL;

	if (ev->type == YAML_SCALAR_EVENT) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (ev->type == YAML_ALIAS_EVENT)
		what = "aliases (*name) are";
	else if (anchor != NULL)
		what = "anchors (&name) are";
	else if (tag != NULL)
		what = "tags (!name) are";
	if (what == NULL)
		return;
	e = report_add(l->r, "E003", at, "%s not allowed", what);
	report_fix(e,
	    "write the value out; templates belong to the tool that "
	    "makes the file");
}

/* A leading --- is harmless; only a second document is refused. */
static void
start_document(struct load *l, const yaml_event_t *ev, struct yplace at)
{
	struct conf_error *e;

	if (ev->data.document_start.tag_directives.start !=
	    ev->data.document_start.tag_directives.end)
		report_add(l->r, "E003", at, "tags are not allowed");
	if (l->documents++ == 0)
		return;
	e = report_add(l->r, "E012", at, "a second document");
	report_fix(e, "keep everything in one document, without ---");
	l->stop = true;
}

/*
 * One event.  What is refused is still added to the tree, so that one run
 * finds more than the first anchor.
 */
static void
take(struct load *l, const yaml_event_t *ev)
{
	struct yplace at = place(&ev->start_mark, &ev->end_mark);

	refuse(l, ev, at);
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		start_document(l, ev, at);
		break;
	case YAML_MAPPING_START_EVENT:
		open_node(l, Y_MAP, at);
		break;
	case YAML_SEQUENCE_START_EVENT:
		open_node(l, Y_SEQ, at);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		close_node(l);
		break;
	case YAML_SCALAR_EVENT:
		add_scalar(l, ev, at);
		break;
	case YAML_ALIAS_EVENT:
		/* Without its target nothing behind it makes sense. */
		l->stop = true;
		break;
	default:
		break;
	}
}

/* Two equal keys in one map: YAML readers differ in which one wins. */
static void
check_duplicates(struct ytree *t, struct report *r)
{
	struct ynode *map, *a, *b;
	char path[YPATH_LEN];

	STAILQ_FOREACH(map, &t->all, all) {
		if (map->kind != Y_MAP)
			continue;
		STAILQ_FOREACH(a, &map->items, entry) {
			STAILQ_FOREACH(b, &map->items, entry) {
				if (b == a ||
				    strcmp(a->key->text, b->key->text) == 0)
					break;
			}
			if (b == NULL || b == a)
				continue;
			report_fix(report_add(r, "E002", a->key->at,
				       "\"%s\" is given twice, first on line "
				       "%u, column %u",
				       ynode_path(a, path, sizeof(path)),
				       b->key->at.line, b->key->at.col),
			    "keep one of them");
		}
	}
}

/*
 * Even a tree that is incomplete is checked for duplicate keys: they are
 * often what broke the rest.
 */
bool
ytree_load(struct ytree *t, const char *text, size_t len, struct report *r)
{
	struct load l;
	yaml_parser_t p;
	yaml_event_t ev;
	bool end = false;

	memset(t, 0, sizeof(*t));
	STAILQ_INIT(&t->all);
	memset(&l, 0, sizeof(l));
	l.t = t;
	l.r = r;
	if (len > CONF_BYTES_MAX) {
		report_add(r, "E010", place_of(text, len, 0),
		    "the file is larger than 1 MiB");
		return false;
	}
	if (!scan_tabs(text, len, r))
		return false;
	if (!yaml_parser_initialize(&p)) {
		report_add(r, "E010", place_of(text, len, 0), "out of memory");
		return false;
	}
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	while (!end && !l.stop) {
		if (!yaml_parser_parse(&p, &ev)) {
			broken(&l, &p, text, len);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		take(&l, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	check_duplicates(t, r);
	return end && !l.stop;
}

/* Scalars may be passwords. */
void
ytree_free(struct ytree *t)
{
	struct ynode *y, *next;

	STAILQ_FOREACH_SAFE(y, &t->all, all, next) {
		if (y->text != NULL)
			freezero(y->text, strlen(y->text));
		free(y);
	}
	memset(t, 0, sizeof(*t));
	STAILQ_INIT(&t->all);
}
