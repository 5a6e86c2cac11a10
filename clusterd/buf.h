/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The bounded cursor: the only code that turns bytes into numbers and back.
 * All integers are big-endian.  Errors are sticky: an under-run while reading
 * (or a full buffer while writing) sets err, yields zeros, and is asked for
 * once at the end.  Pure: no I/O, no globals.
 *
 * clusterd-protocol(7), section 1.1.
 */

#ifndef BUF_H
#define BUF_H

#include "compat.h"

/*
 * A reader over bytes that somebody else owns and keeps alive.
 */
struct rbuf {
	const uint8_t	*data;
	size_t		 len;	/* bytes in data */
	size_t		 off;	/* next byte to read */
	bool		 err;	/* an under-run or a limit was met */
};

void	 rbuf_init(struct rbuf *, const void *data, size_t len);
uint8_t	 rbuf_u8(struct rbuf *);
uint16_t rbuf_u16(struct rbuf *);
uint32_t rbuf_u32(struct rbuf *);
uint64_t rbuf_u64(struct rbuf *);
/* Copies exactly len bytes; on under-run dst is zeroed. */
void	 rbuf_bytes(struct rbuf *, void *dst, size_t len);
/* A pointer to the next len bytes inside data, or NULL (len 0: non-NULL). */
const uint8_t *rbuf_take(struct rbuf *, size_t len);
/*
 * A string: u16 length, bytes, no NUL.  dst receives it NUL-terminated;
 * longer than dstsize - 1, or an embedded NUL, is an error.
 */
void	 rbuf_str(struct rbuf *, char *dst, size_t dstsize);
/* A blob: u32 length and bytes; refused above max. Returns a pointer into data. */
const uint8_t *rbuf_blob(struct rbuf *, size_t *len, size_t max);
/* A count that precedes elements: u32, refused (err, 0) above max. */
uint32_t rbuf_count(struct rbuf *, uint32_t max);
size_t	 rbuf_left(const struct rbuf *);
/* True when nothing went wrong and nothing is left over. */
bool	 rbuf_done(const struct rbuf *);

/*
 * A writer that owns a growing buffer, up to max bytes.
 */
struct wbuf {
	uint8_t	*data;	/* owned; NULL while empty */
	size_t	 len;	/* bytes written */
	size_t	 cap;
	size_t	 max;	/* never grows above this */
	bool	 err;	/* out of memory or over max; len stays valid */
};

void	 wbuf_init(struct wbuf *, size_t max);
void	 wbuf_free(struct wbuf *);	/* ends empty and usable again */
void	 wbuf_reset(struct wbuf *);	/* len = 0, keeps the memory */
void	 wbuf_u8(struct wbuf *, uint8_t);
void	 wbuf_u16(struct wbuf *, uint16_t);
void	 wbuf_u32(struct wbuf *, uint32_t);
void	 wbuf_u64(struct wbuf *, uint64_t);
void	 wbuf_bytes(struct wbuf *, const void *, size_t);
void	 wbuf_str(struct wbuf *, const char *);	/* see rbuf_str */
void	 wbuf_blob(struct wbuf *, const void *, size_t);	/* see rbuf_blob */
/* Overwrites four bytes written earlier, at off. */
void	 wbuf_set_u32(struct wbuf *, size_t off, uint32_t);

#endif /* BUF_H */
