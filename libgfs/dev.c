/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The shared device, see dev.h.
 *
 * Invariants
 *	D1  no write reaches the descriptor without the permit at the moment
 *	    of submission;
 *	D2  a request outside the device, or not of whole sectors, fails here.
 */

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "dev.h"

enum {
	SECTOR = 512
};

struct dev {
	struct env *env;
	int fd;
	bool owned; /* close it with the device */
	bool readonly;
	bool permit;
	uint64_t size;
	unsigned sector;
	dev_hook hook;
	void *hook_arg;
};

/* Not every file system offers O_DIRECT for plain files; devices do. */
static int
open_direct(const char *path, bool readonly, int *fdp)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd = open(path, flags | O_DIRECT);

	if (fd == -1 && errno == EINVAL)
		fd = open(path, flags);
	if (fd == -1)
		return errno;
	*fdp = fd;
	return 0;
}

/* Size and sector; anything but a disk or a plain file is refused. */
static int
measure(struct dev *d)
{
	struct stat st;
	int sector;

	d->sector = SECTOR;
	if (fstat(d->fd, &st) == -1)
		return errno;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(d->fd, BLKGETSIZE64, &d->size) == -1 ||
		    ioctl(d->fd, BLKSSZGET, &sector) == -1)
			return errno;
		d->sector = (unsigned)MAX(sector, (int)SECTOR);
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return ENOTBLK;
	d->size = (uint64_t)st.st_size;
	return 0;
}

int
dev_open(struct env *env, const char *path, int fd_or_minus1, bool readonly,
    struct dev **out)
{
	struct dev *d = calloc(1, sizeof(*d));
	int error = 0;

	if (d == NULL)
		return ENOMEM;
	d->env = env;
	d->readonly = readonly;
	d->permit = !readonly;
	if (fd_or_minus1 >= 0)
		d->fd = fd_or_minus1;
	else {
		error = open_direct(path, readonly, &d->fd);
		d->owned = error == 0;
	}
	if (error == 0)
		error = measure(d);
	if (error != 0) {
		if (d->owned)
			close(d->fd);
		free(d);
		return error;
	}
	*out = d;
	return 0;
}

void
dev_close(struct dev *d)
{
	if (d == NULL)
		return;
	if (d->owned)
		close(d->fd);
	free(d);
}

uint64_t
dev_size(const struct dev *d)
{
	return d->size;
}

unsigned
dev_sector(const struct dev *d)
{
	return d->sector;
}

bool
dev_readonly(const struct dev *d)
{
	return d->readonly;
}

void *
dev_alloc(size_t len)
{
	size_t rounded = (len + DEV_ALIGN - 1) & ~(size_t)(DEV_ALIGN - 1);
	void *p = aligned_alloc(DEV_ALIGN, MAX(rounded, (size_t)DEV_ALIGN));

	if (p != NULL)
		memset(p, 0, MAX(rounded, (size_t)DEV_ALIGN));
	return p;
}

void
dev_free(void *p)
{
	free(p);
}

/* Why the request must not go out, or 0; D1, D2. */
static int
refuse(struct dev *d, enum io_op op, uint64_t off, size_t len)
{
	if (op != IO_READ && !d->permit)
		return d->readonly && op != IO_FLUSH ? EROFS : EIO;
	if (op == IO_FLUSH)
		return 0;
	if (off % SECTOR != 0 || len % SECTOR != 0 || len == 0)
		return EINVAL;
	if (off > d->size || len > d->size - off)
		return EIO;
	return 0;
}

void
dev_submit(struct dev *d, enum io_op op, uint64_t off, void *buf, size_t len,
    struct iobatch *b)
{
	int error = refuse(d, op, off, len);

	if (error == 0 && d->hook != NULL)
		error = d->hook(d->hook_arg, op, off,
		    op == IO_WRITE || op == IO_WRITE_FUA ? buf : NULL, len);
	if (error != 0) {
		b->pending++;
		env_io_done(d->env, b, error);
		return;
	}
	env_submit(d->env, d->fd, op, off, buf, len, b);
}

/* One request that is waited for. */
static int
one(struct dev *d, enum io_op op, uint64_t off, void *buf, size_t len)
{
	struct iobatch b;

	iobatch_init(&b);
	dev_submit(d, op, off, buf, len, &b);
	return env_io_wait(d->env, &b);
}

int
dev_read(struct dev *d, uint64_t off, void *buf, size_t len)
{
	return one(d, IO_READ, off, buf, len);
}

/* The interface of a request has one buffer for both directions. */
static void *
unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

int
dev_write(struct dev *d, uint64_t off, const void *buf, size_t len)
{
	return one(d, IO_WRITE, off, unconst(buf), len);
}

int
dev_flush(struct dev *d)
{
	return one(d, IO_FLUSH, 0, NULL, 0);
}

int
dev_write_fua(struct dev *d, uint64_t off, const void *buf, size_t len)
{
	return one(d, IO_WRITE_FUA, off, unconst(buf), len);
}

void
dev_permit(struct dev *d, bool on)
{
	d->permit = on && !d->readonly;
}

bool
dev_permitted(const struct dev *d)
{
	return d->permit;
}

void
dev_set_hook(struct dev *d, dev_hook hook, void *arg)
{
	d->hook = hook;
	d->hook_arg = arg;
}
