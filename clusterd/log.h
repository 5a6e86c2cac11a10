/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Logging of the programs (never of core/).  One event is one line that
 * starts with its subject ("node 3: ...").  In the foreground or under a
 * journal, lines go to standard error (with <N> priorities for the journal);
 * else to syslog.  errno is preserved by every function.
 */

#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

#include "compat.h"

/* name is the process's own word, as in "clusterd: engine". */
void	 log_init(const char *name, bool foreground, bool verbose);
void	 log_setverbose(bool);
bool	 log_getverbose(void);
void	 log_warn(const char *, ...) PRINTF_LIKE(1, 2);	/* appends strerror */
void	 log_warnx(const char *, ...) PRINTF_LIKE(1, 2);
void	 log_info(const char *, ...) PRINTF_LIKE(1, 2);
void	 log_debug(const char *, ...) PRINTF_LIKE(1, 2);	/* verbose only */
void	 fatal(const char *, ...) PRINTF_LIKE(1, 2) NORETURN; /* with strerror */
void	 fatalx(const char *, ...) PRINTF_LIKE(1, 2) NORETURN;

#endif /* LOG_H */
