/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Barriers: programs on any nodes wait under a name until as many as they
 * agreed on have come.
 */

#ifndef CORE_BARRIER_H
#define CORE_BARRIER_H

#include "svc.h"

#define BARRIERS_MAX		256	/* with anybody waiting */
#define BARRIER_PARTIES_MAX	128
#define BARRIER_NAME_MAX	64
#define BARRIER_CLIENT_MAX	16	/* that one client waits at */

struct barriers;

/* NULL when memory is out. */
struct barriers *barriers_new(uint16_t self, uint64_t inc);
void	 barriers_free(struct barriers *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_WANT, NOTE_SNAP_LOAD, NOTE_REQUEST
   (M_BARRIER_*), NOTE_CLIENT_GONE. */
void	 barriers_note(struct barriers *, const struct note *, struct bus *);
void	 barriers_check(const struct barriers *);

/* For SHOW rows: the i-th barrier, by name, or false. */
struct barrier_info {
	char		 name[BARRIER_NAME_MAX + 1];
	unsigned	 parties;	/* that it waits for */
	unsigned	 waiting;
	unsigned	 local;		/* of those, on this node */
};
bool	 barrier_info(const struct barriers *, unsigned i,
	    struct barrier_info *);

#endif /* CORE_BARRIER_H */
