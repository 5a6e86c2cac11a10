/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Names of nodes in lines for people. */

#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "../conf.h"

/* Copies text with every "node ID" of a configured node as its name. */
void	 names_put(const struct conf *, const char *text, char *out,
	    size_t size);

#endif /* CORE_NAMES_H */
