/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Messages in order, each once, over datagrams that may be lost, doubled and
 * reordered: both directions of one session.  Knows nothing of links and
 * keys; link.c asks what to send and hands in what came.
 */

#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include "wire.h"

#define STREAM_MESSAGE_MAX (1024 * 1024)	/* bytes of one message */
/*
 * Bytes not acknowledged.  Above the first bound a peer must make progress;
 * recovery of very many locks may pass it.  The second holds in any case.
 */
#define STREAM_QUEUE_MAX (4 * 1024 * 1024)
#define STREAM_QUEUE_HARD (256 * 1024 * 1024)
#define STREAM_STALL_US	UINT64_C(2000000)	/* that long without progress */
#define STREAM_WINDOW	512		/* segments on their way at once */

struct stream;

struct stream *stream_new(void);	/* NULL: no memory */
void	 stream_free(struct stream *);
/* Forgets everything: a new session begins. */
void	 stream_reset(struct stream *);

/* Queues one message.  False: the peer is too slow. */
bool	 stream_send(struct stream *, uint64_t now, uint8_t chan, const void *,
	    size_t);
/*
 * The segment that should go out next, if the window lets one go; it counts
 * as sent.  Its bytes stay valid until the next call of stream_ack.
 */
bool	 stream_pick(struct stream *, uint64_t now, struct wire_data *);
/* Had the one picked last been sent before? */
bool	 stream_again(const struct stream *);
/* Would it find one? */
bool	 stream_ready(const struct stream *);
/* False: it acknowledges what was never sent. */
bool	 stream_ack(struct stream *, const struct wire_ack *, uint64_t now);

/* A segment came.  False: the peer broke the rules; end the session. */
bool	 stream_data(struct stream *, const struct wire_data *, uint64_t now);
/* The next whole message; valid until stream_data.  Call until false. */
bool	 stream_next(struct stream *, uint8_t *chan, const uint8_t **,
	    size_t *len);
/* True once a length over the limit was met. */
bool	 stream_broken(const struct stream *);

/* When an acknowledgement must have gone; UINT64_MAX: none is owed. */
uint64_t stream_ack_at(const struct stream *);
/* Fills in the acknowledgement, which then counts as sent. */
void	 stream_fill_ack(struct stream *, struct wire_ack *,
	    uint8_t sack[WIRE_SACK_MAX]);

/* Resends what is overdue: true when something was (the path looks bad). */
bool	 stream_timer(struct stream *, uint64_t now);
/* Next retransmission or acknowledgement. */
uint64_t stream_deadline(const struct stream *);

size_t	 stream_queued(const struct stream *);	/* bytes not acknowledged */
/* When the oldest of them came to be that; UINT64_MAX: there are none. */
uint64_t stream_waits_since(const struct stream *);
void	 stream_check(const struct stream *);

#endif /* CORE_STREAM_H */
