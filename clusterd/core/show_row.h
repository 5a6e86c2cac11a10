/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One answer to M_SHOW: rows of named, typed fields.  Each row is begun, given
 * its fields in order, at most ROW_FIELDS_MAX, and ended, which sends it.
 */

#ifndef CORE_SHOW_ROW_H
#define CORE_SHOW_ROW_H

#include "bus.h"

#define SHOW_ROWS_MAX 2000	/* of one answer */

struct node;

/* One answer under way. */
struct show {
	const struct node *nd;
	const struct note *ask;		/* NOTE_REQUEST that it answers */
	struct bus	*bus;
	char		 arg[128];
	struct wbuf	 row;
	unsigned	 nfields;
	unsigned	 nrows;
};

void	 row_begin(struct show *);
/* Of a longer one the beginning, which ends in " ...". */
void	 row_str(struct show *, const char *name, const char *value);
void	 row_u64(struct show *, const char *name, uint64_t);
void	 row_bool(struct show *, const char *name, bool);
void	 row_id(struct show *, const char *name, uint64_t);
void	 row_null(struct show *, const char *name);
/* Microseconds since then; null when it never was. */
void	 row_ago(struct show *, const char *name, uint64_t then);
/* False: the answer has as many rows as it may, and this one is left out. */
bool	 row_end(struct show *);

/* show_timers.c */
void	 show_timers(struct show *);

#endif /* CORE_SHOW_ROW_H */
