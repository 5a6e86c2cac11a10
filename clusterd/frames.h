/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A stream socket that carries frames: u32 length and so many bytes.  It never
 * blocks.  What comes is read frame by frame, with room for no more than is
 * allowed; what goes waits in a buffer until the socket takes it.
 */

#ifndef FRAMES_H
#define FRAMES_H

#include "buf.h"

#define FRAMES_HEAD	4

struct frames {
	int		 fd;
	size_t		 max;		/* bytes of a body that comes */
	uint8_t		 head[FRAMES_HEAD];
	size_t		 got;		/* of the frame that is coming */
	size_t		 len;		/* of its body, once the head is there */
	uint8_t		*body;		/* owned */
	struct wbuf	 out;
	size_t		 sent;		/* of out */
};

/* Owns fd, which does not block. */
void	 frames_init(struct frames *, int fd, size_t max, size_t max_out);
void	 frames_close(struct frames *);
/* From the next frame on. */
void	 frames_limit(struct frames *, size_t max);
/*
 * 1: a body, which is kept until the next call; 0: the other end has closed;
 * -1 with errno: EAGAIN, EMSGSIZE (longer than max), or that of the socket.
 */
int	 frames_read(struct frames *, const uint8_t **body, size_t *len);
/* Sends what is in out, as far as that goes; 0, or -1 with errno. */
int	 frames_flush(struct frames *);
/* Also when out has an error, which frames_flush() tells. */
bool	 frames_pending(const struct frames *);

#endif /* FRAMES_H */
