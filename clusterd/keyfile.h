/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The key file: 32 bytes, which is a key of generation 0, or what
 * keyfile_write() makes of a keyring.
 *
 * clusterd-protocol(7), section 2.3.
 */

#ifndef KEYFILE_H
#define KEYFILE_H

#include "keyring.h"

#define KEYFILE_MAX	256	/* bytes of a file */

/* Why a file cannot be used: enum and a sentence that begins with its name. */
enum keyfile_error {
	KEYFILE_OK = 0, KEYFILE_MISSING, KEYFILE_OPEN_TO_OTHERS, KEYFILE_BAD
};
enum keyfile_error keyfile_read(const char *path, struct keyring *, char *why,
	    size_t size);
/*
 * Replaces the file at once, mode 0600, and returns when it is on the disk: 0,
 * or -1 with a sentence, with the old one still there.
 */
int	 keyfile_write(const char *path, const struct keyring *, char *why,
	    size_t size);
/* What is in the file; for tests, too. */
void	 keyfile_encode(struct wbuf *, const struct keyring *);
bool	 keyfile_decode(const uint8_t *, size_t, struct keyring *);

#endif /* KEYFILE_H */
