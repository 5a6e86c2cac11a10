/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Names of nodes in lines for people, and what becomes of a line that is too
 * long: nothing is left out unsaid.
 */

#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "../conf.h"

enum { NAMES_SHOWN = 16 };	/* of one list */

/*
 * Copies text with every "node ID" of a configured node as its name, as far
 * as there is room (names_cut).
 */
void	 names_put(const struct conf *, const char *text, char *out,
	    size_t size);
/* "node 1, node 2 and 3 more", with as many as there is room for. */
void	 names_list(const uint16_t *ids, unsigned n, const char *between,
	    char *text, size_t size);
/* Copies text, as far as there is room. */
void	 names_fit(const char *text, char *out, size_t size);
/* text, which fills all of size, goes on: it gets " ..." behind a whole word. */
void	 names_cut(char *text, size_t size);

#endif /* CORE_NAMES_H */
