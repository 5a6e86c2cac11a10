/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Mounts tell the daemon about themselves. */

#include <errno.h>

#include "cl.h"

#define MOUNT_MS 5000

int
cl_mount_register(struct cl *cl, const char *fsname, int pid, const char *dir)
{
	uint32_t id = cl_new_id(cl);
	struct wbuf w;
	struct rbuf r;
	struct msg m;
	int error;

	wbuf_init(&w, 1024);
	wbuf_u32(&w, (uint32_t)pid);
	wbuf_str(&w, fsname);
	wbuf_str(&w, dir);
	error = cl_send(cl, M_MOUNT, id, &w);
	if (error == 0)
		error = cl_await(cl, id, cl_now_ms() + MOUNT_MS, &m);
	if (error != 0)
		return error;
	if (m.type != M_RESULT)
		return EPROTO;
	rbuf_init(&r, m.data, m.len);
	error = (int)rbuf_u32(&r);
	return r.err ? EPROTO : error;
}

int
cl_mount_say(struct cl *cl, const char *line)
{
	char text[200];
	struct wbuf w;

	strlcpy(text, line, sizeof(text));
	wbuf_init(&w, 256);
	wbuf_str(&w, text);
	return cl_send(cl, M_MOUNT_SAYS, cl_new_id(cl), &w);
}
