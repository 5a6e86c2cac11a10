/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the engine may ask of the kernel once it faces the network, and the
 * qdevice process once it reads a disk or hears a witness: a list of system
 * calls; any other ends the process at once, and the parent says so.
 */

#ifndef SANDBOX_H
#define SANDBOX_H

#include "compat.h"

/*
 * For the engine: descriptors it was given can be read, written, waited for
 * and passed; nothing can be opened, connected, executed or forked.
 * Returns 0, or -1 with errno; the caller must not go on then.
 */
int	 sandbox_engine(void);
/*
 * For the qdevice process: the same, and blocks of a file can be read, written
 * and locked; with a network, sockets of the Internet can be made, too.
 */
int	 sandbox_qdevice(bool network);

#endif /* SANDBOX_H */
