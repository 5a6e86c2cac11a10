/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The sockets that the parent opens, as root, for its children. */

#ifndef SOCKETS_H
#define SOCKETS_H

#include "compat.h"

/* A UDP socket bound to the address, its packets marked; -1 with errno. */
int	 sock_link(const char *addr, uint16_t port, uint8_t dscp);
/* Does this machine have the address now? */
bool	 sock_is_local(const char *addr);
/*
 * A listening TCP socket at the address, which this machine may come to have
 * later; -1 with errno.
 */
int	 sock_serve(const char *addr, uint16_t port);
/*
 * A listening SOCK_SEQPACKET socket at path, which is replaced when it is
 * there (the caller holds the pid file: nobody else listens), with this mode
 * and group (-1: leave it).  -1 with errno.
 */
int	 sock_listen(const char *path, mode_t mode, gid_t gid);

#endif /* SOCKETS_H */
