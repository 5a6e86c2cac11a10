/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The only code that reads or writes the shared block device.  All I/O is
 * O_DIRECT and asynchronous under a batch.  Writing needs a permit: when the
 * node loses the cluster the permit is withdrawn and every later write fails
 * with EIO before it reaches the disk.
 */

#ifndef GFS_DEV_H
#define GFS_DEV_H

#include "env.h"

#define DEV_ALIGN	4096

struct dev;

/*
 * Opens a block device or a plain file.  fd_or_minus1 >= 0 uses a descriptor
 * opened earlier (with O_DIRECT) instead of path.  Returns 0 or an errno.
 */
int	 dev_open(struct env *, const char *path, int fd_or_minus1,
	    bool readonly, struct dev **);
void	 dev_close(struct dev *);
uint64_t dev_size(const struct dev *);	/* bytes */
bool	 dev_readonly(const struct dev *);
unsigned dev_sector(const struct dev *);	/* smallest request, bytes */

/* Buffers for dev I/O: aligned to DEV_ALIGN, zeroed. NULL: out of memory. */
void	*dev_alloc(size_t len);
void	 dev_free(void *);

/* One request, waited for.  off and len are multiples of 512. 0 or errno. */
int	 dev_read(struct dev *, uint64_t off, void *buf, size_t len);
int	 dev_write(struct dev *, uint64_t off, const void *buf, size_t len);
/* Everything written so far is on stable storage when this returns 0. */
int	 dev_flush(struct dev *);
/* Written and stable, alone (the log header). */
int	 dev_write_fua(struct dev *, uint64_t off, const void *buf, size_t len);
/* Part of a batch; wait with env_io_wait(). A refused write counts as EIO. */
void	 dev_submit(struct dev *, enum io_op, uint64_t off, void *buf,
	    size_t len, struct iobatch *);

/* The write permit; true after dev_open() unless readonly. */
void	 dev_permit(struct dev *, bool);
bool	 dev_permitted(const struct dev *);

/*
 * For tests: called before each request; a non-zero return fails it with that
 * errno.  data is NULL for reads and flushes.
 */
typedef int (*dev_hook)(void *arg, enum io_op, uint64_t off, const void *data,
	    size_t len);
void	 dev_set_hook(struct dev *, dev_hook, void *arg);

#endif /* GFS_DEV_H */
