/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Datagrams between programs on the nodes. */

#include <errno.h>

#include "cl.h"

static struct cl_port *
find(struct cl *cl, unsigned port)
{
	struct cl_port *p;

	LIST_FOREACH(p, &cl->ports, entry) {
		if (p->port == port)
			return p;
	}
	return NULL;
}

static void
port_free(struct cl_port *p)
{
	LIST_REMOVE(p, entry);
	free(p);
}

void
cl_dgram_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->ports))
		port_free(LIST_FIRST(&cl->ports));
}

/* Refused: the port is gone before its done is called. */
static void
opened(void *arg, int error, const char *why)
{
	struct cl_port *p = arg;
	cl_done_fn done = p->done;
	void *donearg = p->arg;

	p->opening = false;
	if (error != 0 || p->closed)
		port_free(p);
	if (done != NULL)
		done(donearg, error, why);
}

int
cl_dgram_open(struct cl *cl, unsigned port, cl_dgram_fn fn, cl_done_fn done,
    void *arg)
{
	struct cl_port *p;
	struct wbuf w;
	int error;

	if (port >= CL_PORTS)
		return EINVAL;
	if (find(cl, port) != NULL)
		return EBUSY;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ENOMEM;
	p->port = port;
	p->opening = true;
	p->fn = fn;
	p->done = done;
	p->arg = arg;
	LIST_INSERT_HEAD(&cl->ports, p, entry);
	wbuf_init(&w, 16);
	wbuf_u8(&w, (uint8_t)port);
	error = cl_ask(cl, M_DGRAM_OPEN, &w, opened, p);
	if (error != 0)
		port_free(p);
	return error;
}

int
cl_dgram_close(struct cl *cl, unsigned port)
{
	struct cl_port *p = find(cl, port);
	struct wbuf w;

	if (p == NULL || p->closed)
		return ENOENT;
	wbuf_init(&w, 16);
	wbuf_u8(&w, (uint8_t)port);
	/* Its answer still comes, and then it is freed. */
	if (p->opening)
		p->closed = true;
	else
		port_free(p);
	return cl_send(cl, M_DGRAM_CLOSE, cl_new_id(cl), &w);
}

int
cl_dgram_send(struct cl *cl, uint32_t node, unsigned port, const void *data,
    size_t len, cl_done_fn done, void *arg)
{
	struct wbuf w;

	if (port >= CL_PORTS || node > UINT16_MAX)
		return EINVAL;
	if (len > CL_DGRAM_MAX)
		return EMSGSIZE;
	wbuf_init(&w, CL_DGRAM_MAX + 64);
	wbuf_u16(&w, (uint16_t)node);
	wbuf_u8(&w, (uint8_t)port);
	wbuf_blob(&w, data, len);
	return cl_ask(cl, M_DGRAM_SEND, &w, done, arg);
}

bool
cl_dgram_message(struct cl *cl, const struct msg *m)
{
	const uint8_t *data;
	struct cl_port *p;
	struct rbuf r;
	uint32_t node;
	uint64_t client;
	size_t len;

	if (m->type != M_DGRAM)
		return false;
	rbuf_init(&r, m->data, m->len);
	p = find(cl, rbuf_u8(&r));
	node = rbuf_u16(&r);
	client = rbuf_u64(&r);
	data = rbuf_blob(&r, &len, CL_DGRAM_MAX);
	if (rbuf_done(&r) && p != NULL && !p->closed && p->fn != NULL)
		p->fn(p->arg, node, client, data, len);
	return true;
}
