/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "file.h"
#include "witness_file.h"

int
witness_file_write(const char *path, const struct witness_blocks *b,
    const char *cluster)
{
	struct wbuf w;
	int rc = -1;

	wbuf_init(&w, WITNESS_FILE_MAX);
	witness_blocks_encode(b, cluster, &w);
	if (w.err)
		errno = ENOMEM;
	else
		rc = file_replace(path, w.data, w.len);
	wbuf_free(&w);
	return rc;
}

/* As many bytes as there are, up to size; -1 with errno. */
static ssize_t
read_some(const char *path, uint8_t *data, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return -1;
	do {
		n = read(fd, data + len, size - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	close(fd);
	return n == -1 ? -1 : (ssize_t)len;
}

/* Another device than any before: whoever remembers one knows by the uuid. */
static enum witness_found
make_new(const char *path, struct witness_blocks *b, const char *cluster,
    enum witness_found found)
{
	memset(b, 0, sizeof(*b));
	randombytes_buf(b->uuid, sizeof(b->uuid));
	if (witness_file_write(path, b, cluster) == -1)
		return WITNESS_ERROR;
	return found;
}

static int
put_aside(const char *path)
{
	char aside[512];
	int n;

	n = snprintf(aside, sizeof(aside), "%s.damaged", path);
	if (n < 0 || (size_t)n >= sizeof(aside)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return rename(path, aside);
}

enum witness_found
witness_file_load(const char *path, struct witness_blocks *b,
    const char *cluster)
{
	char whose[CONF_NAME_MAX + 1];
	uint8_t *data;
	ssize_t n;
	bool whole;

	data = malloc(WITNESS_FILE_MAX);
	if (data == NULL)
		return WITNESS_ERROR;
	n = read_some(path, data, WITNESS_FILE_MAX);
	if (n == -1) {
		free(data);
		return errno == ENOENT ?
		    make_new(path, b, cluster, WITNESS_NONE) :
		    WITNESS_ERROR;
	}
	whole = witness_blocks_decode(b, whose, data, (size_t)n);
	free(data);
	if (whole)
		return strcmp(whose, cluster) == 0 ? WITNESS_KEPT :
						     WITNESS_FOREIGN;
	if (put_aside(path) == -1)
		return WITNESS_ERROR;
	return make_new(path, b, cluster, WITNESS_DAMAGED);
}
