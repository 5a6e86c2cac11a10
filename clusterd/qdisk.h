/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A quorum device that is a disk (qdevice.h), and what opens it.
 *
 * Each request opens the disk anew: what is asked is always what the path leads
 * to now, and a disk that is away is held by nobody.  Opening may hang as
 * reading may, and it takes rights that a process that reads a shared disk
 * should not have.  So a second process does nothing else.
 */

#ifndef QDISK_H
#define QDISK_H

#include "qdevice.h"

/*
 * Starts the opener, which keeps the rights of the caller; called before
 * anything is read from outside.  Returns its channel, or -1 with errno.
 */
int	 opener_start(const struct conf *);

/* opener is its channel, which is the store's from now on. */
void	*qdisk_open(struct loop *, const struct conf *, uint16_t self,
	    int opener, qdevice_done *, void *arg);
extern const struct qdevice_ops qdisk_ops;

/* What `clusterd -q init|replace|show` does; returns the exit status. */
int	 qdisk_command(const char *what, const struct conf *);

#endif /* QDISK_H */
