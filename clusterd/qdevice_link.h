/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The engine's side of the qdevice process: a request goes there, and comes
 * back answered once, also when the process is not there or ends meanwhile.
 */

#ifndef QDEVICE_LINK_H
#define QDEVICE_LINK_H

#include "core/event.h"
#include "loop.h"

struct qdevice_link;

/* input is called with each EV_DEVICE, from the loop only. */
struct qdevice_link *qdevice_link_new(struct loop *,
	    void (*input)(struct event *));
/* The process is new; fd is consumed. */
void	 qdevice_link_peer(struct qdevice_link *, int fd);
/* ACT_DEVICE, one at a time. */
void	 qdevice_link_request(struct qdevice_link *, const struct action *);

#endif /* QDEVICE_LINK_H */
