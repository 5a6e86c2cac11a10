/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Where the blocks of the quorum device are: on a disk that all nodes share
 * (qdisk.c), or in the memory of a witness in a third place (witness_client.c).
 * A process of its own (qdevice.c) asks either, so that storage that hangs, or
 * a witness that does not answer, never holds up the engine.
 *
 * What is asked for, and the answer, are ACT_DEVICE and EV_DEVICE of
 * core/event.h.  What must hold of every store (clusterd-protocol(7), 6.11):
 *
 *  Q1	a block is written only where the uuid is the one asked for;
 *  Q2	what is read after a write was on the store at some moment after that
 *	write was durable: no cache, no copy, no answer from before;
 *  Q3	a write is whole, or its block is told to be damaged;
 *  Q4	each request is answered once; after a failure, and after the store was
 *	opened anew, nothing of an older request is written any more.
 */

#ifndef QDEVICE_H
#define QDEVICE_H

#include "conf.h"
#include "loop.h"

/*
 * Once for every request, from inside of it or later from the loop.  ok: data
 * is that of EV_DEVICE, else a text for people that says why not.
 */
typedef void qdevice_done(void *arg, uint32_t req, bool ok, const void *data,
	    size_t len);

struct qdevice_ops {
	/*
	 * One at a time.  data: uuid and block of this node, or len is 0 and
	 * nothing is written.  Not answered within timeout_us is a failure.
	 */
	void	 (*request)(void *store, uint32_t req, const void *data,
		    size_t len, uint64_t timeout_us);
	void	 (*close)(void *store);
};

#endif /* QDEVICE_H */
