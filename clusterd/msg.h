/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Local messages: between our processes and between the engine and its
 * clients.  Every channel is a SOCK_SEQPACKET Unix socket, so one packet is
 * one message: a 16-byte header (type, id, flags, reserved; each u32) and the
 * payload, with at most one descriptor attached.  Sending queues when the
 * socket is full; the queue is bounded.
 *
 * clusterd-protocol(7), section 11.
 */

#ifndef MSG_H
#define MSG_H

#include "buf.h"

#define MSG_HDR_LEN	16
#define MSG_MAX		65536	/* header and payload */

struct msg {
	uint32_t	 type;
	uint32_t	 id;	/* the asker's number, echoed in the answer */
	uint32_t	 flags;
	const uint8_t	*data;	/* inside the channel's buffer until the next recv */
	size_t		 len;
	int		 fd;	/* -1, or a descriptor the receiver now owns */
};

struct msg_out {
	STAILQ_ENTRY(msg_out)	 entry;
	size_t			 len;
	int			 fd;
	uint8_t			 data[];
};

struct msgchan {
	int			 fd;
	STAILQ_HEAD(, msg_out)	 queue;
	size_t			 queued;	/* bytes waiting */
	size_t			 queue_max;	/* bytes; above: EOVERFLOW */
	uint8_t			 in[MSG_MAX];
};

/* The channel owns fd from now on and makes it non-blocking. */
void	 msgchan_init(struct msgchan *, int fd, size_t queue_max);
void	 msgchan_close(struct msgchan *);

/*
 * Sends or queues one message.  fd (or -1) is consumed, also on failure.
 * Returns 0, or -1 with errno: EOVERFLOW (queue full: nothing was queued),
 * EMSGSIZE, EPIPE/ECONNRESET.
 */
int	 msg_send(struct msgchan *, uint32_t type, uint32_t id,
	    const void *data, size_t len, int fd);
/* Writes what is queued until the socket is full; 0, or -1 with errno. */
int	 msg_flush(struct msgchan *);
bool	 msg_pending(const struct msgchan *);
/*
 * Receives one message.  1: got it; 0: the peer closed; -1 with errno EAGAIN,
 * EBADMSG (malformed: more than MSG_MAX, short header, several descriptors),
 * or another socket error.
 */
int	 msg_recv(struct msgchan *, struct msg *);

#endif /* MSG_H */
