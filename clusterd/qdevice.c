/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The qdevice process: asks the quorum device what the engine wants to know of
 * it.  It may hang in a disk that hangs, and the engine goes on meanwhile.
 *
 *  Q4	the next request is given to the store when the one before is answered,
 *	also if that was of an engine that has ended since; its answer goes to
 *	nobody then.
 */

#include <errno.h>
#include <unistd.h>

#include "clusterd.h"
#include "heuristics.h"
#include "keyring.h"
#include "log.h"
#include "proto.h"
#include "qdisk.h"
#include "qdisk_format.h"
#include "sandbox.h"
#include "witness_client.h"

#define PIECE 60000 /* bytes of an answer in one message */

static struct {
	struct loop *loop;
	struct ipc *parent;
	struct ipc *engine; /* NULL until there is one */
	int opener;
	struct heuristics *heuristics; /* NULL: there are none */
	struct wbuf conf_bytes;
	struct conf *conf;
	struct keyring keys;
	bool have_keys;
	const struct proc_opts *opts;
	const struct qdevice_ops *ops;
	void *store; /* NULL until M_QDEVICE_START */
	bool busy;   /* the store has not answered yet */
	bool orphan; /* and who asked is gone */
	/* What waits until the store has answered: of the present engine. */
	bool waits;
	uint32_t req;
	uint64_t timeout_us;
	size_t len;
	uint8_t data[QDISK_UUID + QDISK_BODY_MAX];
} self = { .opener = -1 };

static void engine_lost(void *, int);

static void
piece(uint32_t req, bool last, bool ok, const uint8_t *data, size_t len)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, req);
	wbuf_u8(&w, last);
	wbuf_u8(&w, ok);
	wbuf_bytes(&w, data, len);
	/* Without its end an answer is none: the engine is told so. */
	if (ipc_send(self.engine, M_QDEVICE_DONE, 0, w.data, w.len, -1) == -1)
		engine_lost(NULL, errno);
	wbuf_free(&w);
}

static void
tell(uint32_t req, bool ok, const uint8_t *data, size_t len)
{
	size_t n;

	do {
		n = MIN(len, PIECE);
		piece(req, n == len, ok, data, n);
		data += n;
		len -= n;
	} while (len > 0 && self.engine != NULL);
}

/*
 * A node whose heuristics fail does not ask, so it cannot win the votes; of
 * those that have not ended yet, at the start, it waits for the end.
 */
static bool
fit(char *why, size_t size)
{
	return self.heuristics == NULL ||
	    heuristics_reach(self.heuristics, why, size);
}

static void
ask(void)
{
	char why[256];

	if (self.heuristics != NULL && !heuristics_known(self.heuristics))
		return;
	self.waits = false;
	if (!fit(why, sizeof(why))) {
		tell(self.req, false, (const uint8_t *)why, strlen(why));
		return;
	}
	self.busy = true;
	self.orphan = false;
	self.ops->request(self.store, self.req, self.data, self.len,
	    self.timeout_us);
}

static void
done(void *arg, uint32_t req, bool ok, const void *data, size_t len)
{
	bool orphan = self.orphan;

	self.busy = false;
	if (self.engine != NULL && !orphan)
		tell(req, ok, data, len);
	if (self.waits)
		ask();
}

static void
engine_request(const struct msg *m)
{
	const uint8_t *data;
	struct rbuf r;

	rbuf_init(&r, m->data, m->len);
	self.req = rbuf_u32(&r);
	self.timeout_us = rbuf_u64(&r);
	data = rbuf_blob(&r, &self.len, sizeof(self.data));
	if (!rbuf_done(&r) || self.waits || (self.busy && !self.orphan) ||
	    (self.len > 0 && self.len <= QDISK_UUID))
		fatalx("engine: malformed M_QDEVICE_REQUEST");
	memcpy(self.data, data, self.len);
	self.waits = true;
	if (!self.busy)
		ask();
}

static void
engine_message(void *arg, const struct msg *m)
{
	if (m->type != M_QDEVICE_REQUEST || m->fd != -1)
		fatalx("engine: unexpected message %u", m->type);
	engine_request(m);
}

static void
engine_lost(void *arg, int error)
{
	ipc_free(self.engine);
	self.engine = NULL;
	self.orphan = self.busy;
	self.waits = false;
}

static const struct ipc_ops engine_ops = { .message = engine_message,
	.lost = engine_lost };

/* --- the parent ------------------------------------------------------------ */

static void
take_keys(struct rbuf *r)
{
	if (!keyring_get(r, &self.keys) || !rbuf_done(r) || self.conf == NULL ||
	    self.conf->qdevice.kind != QDEVICE_WITNESS)
		fatalx("parent: malformed M_KEY");
	self.have_keys = true;
	if (self.store != NULL)
		witness_client_keys(self.store, &self.keys);
}

/* All of them have ended for the first time. */
static void
known(void *arg)
{
	if (self.waits && !self.busy)
		ask();
}

/*
 * What must be done as root, or by programs that this process will not see.
 * Before there is a key, which is no business of theirs.
 */
static void
start_helpers(void)
{
	int fd;

	ASSERT(!self.have_keys);
	if (self.conf->qdevice.kind == QDEVICE_DISK) {
		self.opener = opener_start(self.conf);
		if (self.opener == -1)
			fatal("opener");
	}
	if (self.conf->qdevice.nheuristics == 0)
		return;
	fd = heuristics_start(self.conf);
	if (fd == -1)
		fatal("heuristics");
	self.heuristics = heuristics_new(self.loop, self.conf, fd, known, NULL);
}

/* A witness needs the keys, and no opener. */
static void
open_store(uint16_t node)
{
	switch (self.conf->qdevice.kind) {
	case QDEVICE_DISK:
		self.ops = &qdisk_ops;
		self.store = qdisk_open(self.loop, self.conf, node, self.opener,
		    done, NULL);
		break;
	case QDEVICE_WITNESS:
		if (!self.have_keys)
			fatalx("parent: M_QDEVICE_START before M_KEY");
		self.ops = &witness_client_ops;
		self.store = witness_client_open(self.loop, self.conf,
		    &self.keys, node, done, NULL);
		break;
	case QDEVICE_NONE:
		fatalx("parent: there is no quorum device");
	}
}

/* All that was needed of the system is there: from here on there is a disk. */
static void
enter_service(uint16_t node)
{
	bool network = self.conf->qdevice.kind == QDEVICE_WITNESS;

	setproctitle("qdevice: %s", conf_qdevice_name(self.conf->qdevice.kind));
	proc_prompt();
	proc_drop(self.opts->user, self.opts->empty);
	open_store(node);
	if (sandbox_qdevice(network) == -1)
		fatal("seccomp");
}

static void
take_start(struct rbuf *r)
{
	uint16_t node = rbuf_u16(r);

	if (!rbuf_done(r) || self.conf == NULL || self.store != NULL ||
	    conf_node(self.conf, node) == NULL)
		fatalx("parent: malformed M_QDEVICE_START");
	enter_service(node);
}

static void
take_peer(int fd)
{
	if (fd == -1 || self.store == NULL)
		fatalx("parent: malformed M_PEER_FD");
	if (self.engine != NULL)
		engine_lost(NULL, 0);
	self.engine = ipc_new(self.loop, fd, ENGINE_QUEUE, &engine_ops, NULL);
}

static void
parent_message(void *arg, const struct msg *m)
{
	struct rbuf r;

	if ((m->fd != -1) != (m->type == M_PEER_FD))
		fatalx("parent: message %u: descriptor %d", m->type, m->fd);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_CONF:
		conf_take(&self.conf_bytes, m, &self.conf);
		if (self.conf != NULL)
			start_helpers();
		break;
	case M_KEY:
		take_keys(&r);
		break;
	case M_QDEVICE_START:
		take_start(&r);
		break;
	case M_PEER_FD:
		take_peer(m->fd);
		break;
	default:
		fatalx("parent: unexpected message %u", m->type);
	}
}

static void
parent_lost(void *arg, int error)
{
	_exit(0);
}

static const struct ipc_ops parent_ops = { .message = parent_message,
	.lost = parent_lost };

void
qdevice_main(const struct proc_opts *o)
{
	self.opts = o;
	self.loop = child_begin(ROLE_QDEVICE, o);
	wbuf_init(&self.conf_bytes, CONF_BYTES_MAX);
	self.parent =
	    ipc_new(self.loop, PROC_FD, ENGINE_QUEUE, &parent_ops, NULL);
	loop_run(self.loop, NULL, NULL);
	fatalx("the loop ended");
}
