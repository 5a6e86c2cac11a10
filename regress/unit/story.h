/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * For stories about what clients are offered, over whole nodes (fixture.h):
 * what each client is told, as words, and requests in one line.  One story
 * runs at a time.
 */

#ifndef STORY_H
#define STORY_H

#include "fixture.h"

#define PROGRAM	8	/* the client of each node that a story has */

/*
 * n nodes in one view, each with the client PROGRAM.  tell() turns what a
 * client is told into words with story_word(); results are words already:
 * "ok(MSGID) " or "error(MSGID ERRNO) ".
 */
struct fix *story_start(unsigned n, void (*tell)(uint16_t id, uint64_t client,
	    uint32_t type, struct rbuf *));
/* A client more; on a node that has just been started, also PROGRAM. */
void	 story_open(struct fix *, uint16_t id, uint64_t client);
void	 story_word(uint16_t id, uint64_t client, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* Fails unless the client has been told exactly that; then forgets it. */
void	 story_expect(uint16_t id, uint64_t client, const char *words);
void	 story_forget(void);	/* whatever anybody was told */

/* Builds a request: b u8, h u16, w u32, q u64, s string, d blob of a string. */
struct wbuf *story_put(struct wbuf *, const char *format, ...);
/* Sends it as number msgid and lets 100 ms pass. */
void	 story_ask(struct fix *, uint16_t id, uint64_t client, uint32_t type,
	    uint32_t msgid, struct wbuf *);
/* Every shorter form of the request is refused as malformed. */
void	 story_malformed(struct fix *, uint16_t id, uint64_t client,
	    uint32_t type, struct wbuf *);

#endif /* STORY_H */
