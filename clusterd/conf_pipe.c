/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The configuration over a channel whose messages are smaller than it can
 * be: sent in pieces by the parent, collected by a child.
 */

#include "clusterd.h"
#include "log.h"
#include "proto.h"

int
conf_deliver(struct ipc *ipc, const struct conf *conf, bool secrets)
{
	uint8_t piece[CONF_CHUNK + 1];
	struct wbuf w;
	size_t off = 0, len;
	int rc = -1;

	wbuf_init(&w, CONF_BYTES_MAX);
	conf_encode(conf, secrets, &w);
	while (!w.err) {
		len = MIN(w.len - off, (size_t)CONF_CHUNK);
		piece[0] = off + len == w.len;
		memcpy(piece + 1, w.data + off, len);
		off += len;
		if (ipc_send(ipc, M_CONF, 0, piece, len + 1, -1) == -1)
			break;
		if (off == w.len) {
			rc = 0;
			break;
		}
	}
	/* Passwords of devices may have been among these bytes. */
	explicit_bzero(piece, sizeof(piece));
	if (w.data != NULL)
		explicit_bzero(w.data, w.cap);
	wbuf_free(&w);
	return rc;
}

void
conf_take(struct wbuf *all, const struct msg *m, struct conf **conf)
{
	struct rbuf r;
	uint8_t last;

	if (*conf != NULL)
		fatalx("parent: a second configuration");
	rbuf_init(&r, m->data, m->len);
	last = rbuf_u8(&r);
	wbuf_bytes(all, r.data + r.off, rbuf_left(&r));
	if (r.err || last > 1 || all->err)
		fatalx("parent: malformed configuration");
	if (last == 0)
		return;
	*conf = conf_decode(all->data, all->len);
	if (*conf == NULL)
		fatalx("parent: malformed configuration");
	explicit_bzero(all->data, all->cap);
	wbuf_free(all);
}
