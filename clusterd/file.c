/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "file.h"

int
file_write_all(int fd, const void *data, size_t len, off_t off)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
		off += n;
	}
	return 0;
}

int
file_sync_entry(const char *path)
{
	char dir[512], *slash;
	int fd, rc;

	if (strlcpy(dir, path, sizeof(dir)) >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	slash = strrchr(dir, '/');
	if (slash == NULL)
		strlcpy(dir, ".", sizeof(dir));
	else
		slash[slash == dir] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* The new file is complete, under its final name, and so on the disk. */
static int
replace(const char *path, const char *next, const void *data, size_t len)
{
	int fd, saved;

	(void)unlink(next);
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	if (file_write_all(fd, data, len, 0) == 0 && fsync(fd) == 0 &&
	    rename(next, path) == 0) {
		close(fd);
		return file_sync_entry(path);
	}
	saved = errno;
	close(fd);
	(void)unlink(next);
	errno = saved;
	return -1;
}

int
file_replace(const char *path, const void *data, size_t len)
{
	char next[512];
	int n;

	n = snprintf(next, sizeof(next), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(next)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return replace(path, next, data, len);
}
