/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A message channel (msg.h) attached to the loop: receives as long as there
 * is something, up to a fixed number of messages per turn so that nobody
 * takes all the time, and sends what is queued when the socket has room.
 */

#ifndef IPC_H
#define IPC_H

#include "loop.h"
#include "msg.h"

#define IPC_TURN	16	/* messages handled before others have a turn */

struct ipc;

struct ipc_ops {
	/* m.fd, if any, is the receiver's.  May free the channel. */
	void	(*message)(void *arg, const struct msg *m);
	/*
	 * The other end is gone (error 0), sent a malformed packet (EBADMSG),
	 * or the socket failed.  Called at most once; the channel is not
	 * read any more and waits for ipc_free().
	 */
	void	(*lost)(void *arg, int error);
};

/* Owns fd from now on; never NULL. */
struct ipc *ipc_new(struct loop *, int fd, size_t queue_max,
	    const struct ipc_ops *, void *arg);
void	 ipc_free(struct ipc *);	/* NULL is fine */
/* As msg_send(). */
int	 ipc_send(struct ipc *, uint32_t type, uint32_t id, const void *data,
	    size_t len, int fd);
size_t	 ipc_queued(const struct ipc *);	/* bytes waiting */
/* A paused channel is not read: its sender has to wait. */
void	 ipc_pause(struct ipc *, bool);
/* Not read while more than high bytes wait to be sent to it. */
void	 ipc_throttle(struct ipc *, size_t high);
int	 ipc_fd(const struct ipc *);
/* Waits until everything queued is sent, at most ms milliseconds. */
void	 ipc_drain(struct ipc *, int ms);

#endif /* IPC_H */
