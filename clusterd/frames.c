/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "frames.h"

void
frames_init(struct frames *f, int fd, size_t max, size_t max_out)
{
	memset(f, 0, sizeof(*f));
	f->fd = fd;
	f->max = max;
	wbuf_init(&f->out, max_out);
}

void
frames_close(struct frames *f)
{
	if (f->fd != -1)
		close(f->fd);
	free(f->body);
	f->body = NULL;
	f->fd = -1;
	wbuf_free(&f->out);
}

void
frames_limit(struct frames *f, size_t max)
{
	f->max = max;
}

/* So many bytes to p; 1: all of them are there. */
static int
fill(struct frames *f, uint8_t *p, size_t have, size_t want)
{
	ssize_t n;

	while (have < want) {
		n = read(f->fd, p + have, want - have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		have += (size_t)n;
		f->got += (size_t)n;
	}
	return 1;
}

static int
read_head(struct frames *f)
{
	struct rbuf r;
	int rc;

	free(f->body);
	f->body = NULL;
	rc = fill(f, f->head, f->got, FRAMES_HEAD);
	if (rc != 1)
		return rc;
	rbuf_init(&r, f->head, FRAMES_HEAD);
	f->len = rbuf_u32(&r);
	if (f->len > f->max) {
		errno = EMSGSIZE;
		return -1;
	}
	f->body = malloc(MAX(f->len, 1u));
	return f->body == NULL ? -1 : 1;
}

int
frames_read(struct frames *f, const uint8_t **body, size_t *len)
{
	int rc = 1;

	if (f->got < FRAMES_HEAD)
		rc = read_head(f);
	else if (f->body == NULL) { /* asked again after that error */
		errno = EMSGSIZE;
		return -1;
	}
	if (rc == 1)
		rc = fill(f, f->body, f->got - FRAMES_HEAD, f->len);
	if (rc != 1)
		return rc;
	f->got = 0;
	*body = f->body;
	*len = f->len;
	return 1;
}

int
frames_flush(struct frames *f)
{
	ssize_t n;

	if (f->out.err) {
		errno = ENOBUFS;
		return -1;
	}
	while (f->sent < f->out.len) {
		n = send(f->fd, f->out.data + f->sent, f->out.len - f->sent,
		    MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		f->sent += (size_t)n;
	}
	f->sent = 0;
	/* One answer may have been large, and there are many connections. */
	wbuf_free(&f->out);
	return 0;
}

bool
frames_pending(const struct frames *f)
{
	return f->out.err || f->sent < f->out.len;
}
