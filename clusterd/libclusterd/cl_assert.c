/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The shared library's own end of ASSERT; programs bring log.c's. */

#include <stdio.h>

#include "../compat.h"

void
assert_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "libclusterd: %s:%d: assertion failed: %s\n", file,
	    line, expr);
	abort();
}
