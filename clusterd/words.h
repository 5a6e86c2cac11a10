/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a process with fewer rights says to one with more, decoded: the engine
 * to its parent and the fence process to the engine (proto.h).  Whoever took
 * the sender over may say anything; each decoder takes any bytes, writes only
 * into what it is given, and says whether the message is a sound one.
 */

#ifndef WORDS_H
#define WORDS_H

#include <sys/types.h>

#include "keyring.h"
#include "msg.h"

#define WORDS_TEXT	1024

/* M_STOPPED, M_DYING, M_LEAVE: why.  M_DYING: the life that outlived ours. */
struct word_end {
	char		 why[WORDS_TEXT];
	uint64_t	 incarnation;	/* 0: none */
};

struct word_mount {
	pid_t		 pid;		/* above 1 */
	uint64_t	 client;
	char		 fs[64], dir[4096];
};

struct word_fenced {
	uint32_t	 req;
	bool		 ok, verified;
	char		 text[WORDS_TEXT];
};

/* False: malformed; what is in the result then counts for nothing. */
bool	 words_end(const struct msg *, struct word_end *);
bool	 words_mount(const struct msg *, struct word_mount *);
/* M_STORE: the state, 1 to max bytes inside the message; NULL: malformed. */
const uint8_t *words_store(const struct msg *, size_t *len, size_t max);
/* M_KEYS; whoever takes them overwrites them (keyring_forget). */
bool	 words_keys(const struct msg *, struct keyring *);
bool	 words_fenced(const struct msg *, struct word_fenced *);

#endif /* WORDS_H */
