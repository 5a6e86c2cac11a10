/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Files that must be on the disk when a function returns.  Of 0 or -1 with
 * errno.
 */

#ifndef FILE_H
#define FILE_H

#include "compat.h"

/* All of it, at that offset; not flushed. */
int	 file_write_all(int fd, const void *, size_t len, off_t);
/* Flushes the entry of this file in its folder. */
int	 file_sync_entry(const char *path);
/*
 * Has the file contain this, with mode 0600.  It is written beside the old one
 * as PATH.new, and takes its place by rename(2): whoever reads it finds one or
 * the other, and whole.  After -1 that is so, too.
 */
int	 file_replace(const char *path, const void *, size_t len);

#endif /* FILE_H */
