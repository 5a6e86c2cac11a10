/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Modules speak of "node 3"; people of gamma.  Every line for people passes
 * here once, on its way out.
 */

#include <stdio.h>

#include "names.h"

/* A word that is longer than this is cut, too. */
#define WORD_LONG 64

/* The id after "node ", if the text here is that; 0: it is not. */
static unsigned
node_at(const char *p, size_t *len)
{
	unsigned id = 0;
	size_t i = 5;

	if (strncmp(p, "node ", 5) != 0)
		return 0;
	while (p[i] >= '0' && p[i] <= '9' && i < 10)
		id = id * 10 + (unsigned)(p[i++] - '0');
	/* "node 3x" is something else. */
	if ((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z'))
		return 0;
	*len = i;
	return id <= UINT16_MAX ? id : 0;
}

void
names_cut(char *text, size_t size)
{
	static const char more[] = " ...";
	size_t at = size - sizeof(more), low, i;

	ASSERT(size > sizeof(more));
	low = at > WORD_LONG ? at - WORD_LONG : 0;
	for (i = at; i > low && text[i] != ' '; i--)
		;
	if (i > low)
		at = i;
	/* Not inside of a character of several bytes. */
	while (at > 0 && ((uint8_t)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, more, sizeof(more));
}

void
names_fit(const char *text, char *out, size_t size)
{
	if (strlcpy(out, text, size) >= size)
		names_cut(out, size);
}

void
names_list(const uint16_t *ids, unsigned n, const char *between, char *text,
    size_t size)
{
	size_t len = 0, one;
	char word[32];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < n && i < NAMES_SHOWN; i++) {
		one = (size_t)snprintf(word, sizeof(word), "%snode %u",
		    i > 0 ? between : "", ids[i]);
		if (len + one + sizeof(" and 65535 more") > size)
			break;
		memcpy(text + len, word, one + 1);
		len += one;
	}
	if (i < n)
		snprintf(text + len, size - len, "%s%u more",
		    i > 0 ? " and " : "", n - i);
}

void
names_put(const struct conf *conf, const char *text, char *out, size_t size)
{
	const struct conf_node *cn;
	const char *p = text;
	size_t at = 0, len = 0, name;
	unsigned id;

	while (*p != '\0' && at + 1 < size) {
		/* Only at the beginning of a word. */
		id = p == text || p[-1] == ' ' || p[-1] == '(' ?
		    node_at(p, &len) :
		    0;
		cn = id == 0 ? NULL : conf_node(conf, (uint16_t)id);
		if (cn == NULL) {
			out[at++] = *p++;
			continue;
		}
		name = strlcpy(out + at, cn->name, size - at);
		if (name >= size - at) {
			at = size - 1;
			break;
		}
		at += name;
		p += len;
	}
	out[at] = '\0';
	if (*p != '\0')
		names_cut(out, size);
}
