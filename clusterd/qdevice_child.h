/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The parent's side of the qdevice process: there is one where the
 * configuration has a quorum device, and it is started again when it ends.
 * Without it, or while it hangs, a node works without the device's vote.
 */

#ifndef QDEVICE_CHILD_H
#define QDEVICE_CHILD_H

#include "loop.h"
#include "parent.h"

struct qdevice_child;

/* started is called each time that there is a new process. */
struct qdevice_child *qdevice_child_new(struct loop *,
	    const struct parent_setup *, void (*started)(void *arg),
	    void *arg);
void	 qdevice_child_free(struct qdevice_child *);
void	 qdevice_child_start(struct qdevice_child *);
bool	 qdevice_child_runs(const struct qdevice_child *);
/* Its channel to the engine; fd is consumed. */
void	 qdevice_child_peer(struct qdevice_child *, int fd);
/* The keys that the set holds now, where a witness asks for them. */
void	 qdevice_child_keys(struct qdevice_child *);
/* After SIGCHLD. */
void	 qdevice_child_reap(struct qdevice_child *);

#endif /* QDEVICE_CHILD_H */
