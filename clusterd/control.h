/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Local clients at the engine's two sockets.  A client's rights come from the
 * socket it came through and from who the kernel says it is, never from what
 * it says.  What it does is given on as the core's events; what it can make
 * us hold is bounded.
 */

#ifndef CONTROL_H
#define CONTROL_H

#include "core/event.h"
#include "loop.h"

#define CONTROL_CLIENTS_MAX	512
#define CONTROL_ROOT_KEPT	64	/* of them, for root alone */
#define CONTROL_PER_USER_MAX	64	/* root has no such limit */
#define CONTROL_QUEUE_MAX	(2 * 1024 * 1024) /* bytes not read by a client */
#define CONTROL_QUEUE_HIGH	(256 * 1024)	/* above: it is not read either */
/*
 * Above the first mark a client is slow, until it comes under the second.
 * While one is, the node holds its part in the order back; it is closed when
 * it has not caught up in time.  Only who may use services counts, and only
 * when it is told something that was not asked for: rows are an answer.
 */
#define CONTROL_SLOW_HIGH	(512 * 1024)
#define CONTROL_SLOW_LOW	(64 * 1024)
#define CONTROL_SLOW_US		UINT64_C(500000)

struct control;

struct control_stats {
	unsigned clients;
	uint64_t accepted, refused;	/* refused: over a limit */
	uint64_t malformed, overflow;
};

/*
 * input receives EV_CLIENT_OPEN, EV_CLIENT_DATA, EV_CLIENT_CLOSE with
 * time fields zero, never while control_send() or control_close() runs.
 */
struct control *control_new(struct loop *, void (*input)(void *arg,
	    struct event *), void *arg);
void	 control_free(struct control *);
/* Owns the listening socket fd. observe: its clients may only look. */
void	 control_listen(struct control *, int fd, bool observe);
/* Members of this group administer; ~0: only root does. */
void	 control_admin(struct control *, uint32_t gid);
/* Unknown numbers are ignored: the client may just have gone. */
void	 control_send(struct control *, uint64_t client, uint32_t type,
	    uint32_t id, const void *data, size_t len);
/* The core closed it: no EV_CLIENT_CLOSE follows. */
void	 control_close(struct control *, uint64_t client, const char *why);
/* We close it: EV_CLIENT_CLOSE follows at control_reap(). */
void	 control_drop(struct control *, uint64_t client, const char *why);
/*
 * Reports clients that were lost while we sent to them.  To be called when
 * the core is not busy.
 */
void	 control_reap(struct control *);
/* From now on no client is read, or all are again. */
void	 control_hold(struct control *, bool);
/* Is some client slow?  As of now: to be asked again after each turn. */
bool	 control_slow(struct control *);
const struct control_stats *control_stats(const struct control *);

#endif /* CONTROL_H */
