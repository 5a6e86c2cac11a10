/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lines of shell that tests run, as printf(3) makes them, in the folder of the
 * test.  What they print, on either output, is in out, which may be NULL, cut
 * where that is full.
 */

#ifndef REGRESS_SH_H
#define REGRESS_SH_H

#include <stddef.h>

#include "clusterd/compat.h"

/* Its exit status, as a shell counts: 128 and the signal that killed it. */
int	 sh_status(char *out, size_t size, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* Fails the test, and says why, unless it exits with 0. */
void	 sh(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Skips the test when there is no such program. */
void	 need_program(const char *name);

/*
 * What a line prints that the kernel's gfs2 runs, where the volume is mounted
 * at $MNT; env is "" or what kernel-gfs2 is to find in its environment.  The
 * test is skipped where there is no such kernel, and fails when the line does.
 * srcdir is the folder of the test program.
 */
void	 sh_kernel(const char *srcdir, const char *image, const char *env,
	    const char *line, char *out, size_t size);

#endif /* REGRESS_SH_H */
