/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Finding one's way in the tree: values by key, nodes by path and paths by
 * node, and the nearest word to one that nobody knows.
 */

#include <stdio.h>

#include "conf_yaml.h"

/* Of duplicate keys the first is found; the second has its error already. */
struct ynode *
ynode_get(const struct ynode *map, const char *key)
{
	struct ynode *y;

	if (map->kind != Y_MAP)
		return NULL;
	STAILQ_FOREACH(y, &map->items, entry) {
		if (strcmp(y->key->text, key) == 0)
			return y;
	}
	return NULL;
}

/* A list entry by its number. */
static struct ynode *
item(const struct ynode *seq, unsigned index)
{
	struct ynode *y;

	if (seq->kind != Y_SEQ)
		return NULL;
	STAILQ_FOREACH(y, &seq->items, entry) {
		if (y->index == index)
			return y;
	}
	return NULL;
}

/*
 * A path may name a default that is not in the file; then its section, or
 * whatever exists of it, is the best place there is.
 */
struct ynode *
ynode_find(struct ynode *root, const char *path, bool *exact)
{
	struct ynode *y = root, *next;
	char word[64];
	size_t n;

	*exact = false;
	while (*path != '\0') {
		if (*path == '[') {
			next = item(y, (unsigned)strtoul(path + 1, NULL, 10));
			path += strcspn(path, "]");
			path += *path == ']';
		} else {
			path += *path == '.';
			n = strcspn(path, ".[");
			if (n >= sizeof(word))
				return y;
			memcpy(word, path, n);
			word[n] = '\0';
			next = ynode_get(y, word);
			path += n;
		}
		if (next == NULL)
			return y;
		y = next;
	}
	*exact = true;
	return y;
}

/* Keys are clipped: they are text from the file, of any length. */
const char *
ynode_path(const struct ynode *y, char *buf, size_t size)
{
	const struct ynode *up[CONF_DEPTH_MAX + 1];
	size_t off = 0, n = 0;
	int len;

	for (; y->parent != NULL && n < NITEMS(up); y = y->parent)
		up[n++] = y;
	if (n == 0)
		strlcpy(buf, "the file", size);
	while (n-- > 0 && off < size) {
		if (up[n]->key != NULL)
			len = snprintf(buf + off, size - off, "%s%.40s",
			    off == 0 ? "" : ".", up[n]->key->text);
		else
			len = snprintf(buf + off, size - off, "[%u]",
			    up[n]->index);
		if (len < 0)
			break;
		off += (size_t)len;
	}
	return buf;
}

/* A map or list is best shown by its key; an empty value has no text. */
struct yplace
ynode_place(const struct ynode *y)
{
	if (y->key != NULL && (y->kind != Y_SCALAR || y->text[0] == '\0'))
		return y->key->at;
	return y->at;
}

/* About a third of the letters may differ. */
unsigned
conf_near_limit(const char *name)
{
	size_t len = strlen(name);

	return len < 3 ? 2 : (unsigned)MIN(len, 24) / 3 + 1;
}

/*
 * Edits (insert, drop, change, swap of neighbours) that turn a into b, row by
 * row; the last three rows suffice.
 */
static unsigned
distance(const char *a, const char *b)
{
	unsigned rows[3][CONF_NAME_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2], *t;
	size_t i, j, n = strlen(a), m = strlen(b);

	if (n > CONF_NAME_MAX || m > CONF_NAME_MAX)
		return CONF_NAME_MAX;
	memset(rows, 0, sizeof(rows));
	for (j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		t = before;
		before = last;
		last = row;
		row = t;
		row[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			unsigned d = last[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, MIN(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d = MIN(d, before[j - 2] + 1);
			row[j] = d;
		}
	}
	return row[m];
}

/* The first of several equally near words wins, in the order of the table. */
bool
conf_nearer(const char *name, const char *word, unsigned *best)
{
	unsigned d = distance(name, word);

	if (d >= *best)
		return false;
	*best = d;
	return true;
}
