/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Recovery levels: programs register at a level, and after each new primary
 * view all of them are stopped, the highest level first, and started again,
 * the lowest one first; each level waits until all of the one before it have
 * said that they are done, on all nodes.
 */

#ifndef CORE_LEVELS_H
#define CORE_LEVELS_H

#include "svc.h"

#define LEVEL_MAX		15	/* the highest one */
#define LEVEL_NAME_MAX		32
#define LEVEL_REGS_MAX		1024	/* in the cluster */
#define LEVEL_CLIENT_MAX	16	/* of one client */

struct levels;

/* NULL when memory is out. */
struct levels *levels_new(uint16_t self, uint64_t inc);
void	 levels_free(struct levels *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_WANT, NOTE_SNAP_LOAD, NOTE_REQUEST
   (M_LEVEL_*), NOTE_CLIENT_GONE. */
void	 levels_note(struct levels *, const struct note *, struct bus *);
void	 levels_check(const struct levels *);

/* For SHOW rows: the i-th registration, by level, or false. */
struct levels_info {
	unsigned	 level;
	char		 name[LEVEL_NAME_MAX + 1];
	struct svc_client who;
	const char	*state;
	uint64_t	 round;		/* epoch of the view it is about */
};
bool	 levels_info(const struct levels *, unsigned i, struct levels_info *);

#endif /* CORE_LEVELS_H */
