/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Modules speak of "node 3"; people of gamma.  Every line for people passes
 * here once, on its way out.
 */

#include "names.h"

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
names_put(const struct conf *conf, const char *text, char *out, size_t size)
{
	const struct conf_node *cn;
	const char *p = text;
	size_t at = 0, len = 0;
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
		out[at] = '\0';
		at = strlcat(out, cn->name, size);
		at = MIN(at, size - 1);
		p += len;
	}
	out[at] = '\0';
}
