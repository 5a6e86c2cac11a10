/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum device that is a witness, as the qdevice process uses it: one TCP
 * connection, which is kept between requests, and opened anew by the next one
 * after a failure.
 *
 * clusterd-protocol(7), section 6.12.
 */

#ifndef WITNESS_CLIENT_H
#define WITNESS_CLIENT_H

#include "keyring.h"
#include "qdevice.h"

extern const struct qdevice_ops witness_client_ops;

/* The store for witness_client_ops; conf and loop outlive it.  Never NULL. */
void	*witness_client_open(struct loop *, const struct conf *,
	    const struct keyring *, uint16_t self, qdevice_done *, void *arg);
/* The keys that the node holds now. */
void	 witness_client_keys(void *store, const struct keyring *);

#endif /* WITNESS_CLIENT_H */
