/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What every source of the project may rely on: fixed-width integers, the
 * BSD interfaces of libbsd (sys/queue.h with its _SAFE loops, sys/tree.h,
 * strlcpy, strtonum, freezero), attributes, ASSERT, and a list of functions
 * that must not be used at all.
 */

#ifndef COMPAT_H
#define COMPAT_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PRINTF_LIKE(f, a) __attribute__((__format__(__printf__, f, a)))
#define NORETURN	  __attribute__((__noreturn__))
#define UNUSED		  __attribute__((__unused__))

/* A deliberate bug to build in (regress/simulator/MUTANTS); 0: none. */
#ifndef MUTANT
#define MUTANT 0
#endif

#define NITEMS(a) (sizeof(a) / sizeof((a)[0]))
/* Built with AddressSanitizer, by gcc or clang. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/*
 * ASSERT names an impossible state of our own, never bad input.  It is
 * always compiled in.  assert_failed() is provided by log.c in programs
 * and by regress/sim in the simulator (which names the seed).
 */
void	 assert_failed(const char *expr, const char *file, int line) NORETURN;

#define ASSERT(e) \
	((e) ? (void)0 : assert_failed(#e, __FILE__, __LINE__))

/* Some C libraries make these macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf atoi atol strncpy strncat

#endif /* COMPAT_H */
