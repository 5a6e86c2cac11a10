/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Helpers of the qdevice process: what takes rights that it gives up itself.
 * They are forked before it has read anything from outside, know what they are
 * for from then on, and end with it.
 */

#ifndef HELPER_H
#define HELPER_H

#include "loop.h"

/*
 * Forks a helper that stays what the caller is: it has a loop of its own, and
 * of all descriptors only fd, its end of a channel.  Returns the other end, or
 * -1 with errno.
 */
int	 helper_start(const char *title, void (*run)(struct loop *, int fd,
	    const void *arg), const void *arg);

#endif /* HELPER_H */
