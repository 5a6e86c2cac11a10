/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The process of the witness that faces the network.  It has the blocks in
 * its memory, and the parent keeps them on the disk.
 *
 *	GREETING	we wait for HELLO
 *	WELCOMED	and have answered it: nothing is known of who that is
 *	PROVEN		an ASK of it was authentic: it is that node, now
 *
 * W1	Only what comes on a PROVEN connection gets to the desk.
 * W2	A node has one PROVEN connection, the one that was welcomed last of those
 *	that have asked.  All that were welcomed before it are closed when it
 *	asks for the first time.
 * W3	Who is not PROVEN has little memory, and little time.
 *
 * clusterd-protocol(7), section 6.12.
 */

#include <sys/random.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd.h"
#include "frames.h"
#include "log.h"
#include "proto.h"
#include "witness_state.h"

#define PROOF_US      UINT64_C(5000000) /* from the connection to the first ASK */
#define IDLE_US	      UINT64_C(60000000) /* nodes look every few seconds */
#define TELL_AGAIN_US UINT64_C(30000000)

enum {
	STRANGERS_MAX = 64, /* connections that are not PROVEN */
	ACCEPTS = 16,	    /* of one turn */
	OUT_MAX = WITNESS_HEAD + WITNESS_ANSWER_MAX
};

enum conn_state {
	CONN_GREETING = 0,
	CONN_WELCOMED,
	CONN_PROVEN
};

struct conn {
	TAILQ_ENTRY(conn) entry;
	enum conn_state state;
	struct frames f;
	struct loop_io *io;
	struct loop_timer *limit;
	uint64_t number; /* of its welcome; 0: GREETING */
	bool asked;	 /* and not answered yet */
	struct keyring_key key;
	struct witness_end end;
	char from[INET6_ADDRSTRLEN];
};

TAILQ_HEAD(conns, conn);

static struct {
	struct loop *loop;
	struct ipc *parent;
	struct wbuf conf_bytes;
	struct conf *conf;
	struct keyring keys;
	struct witness_blocks blocks;
	struct witness_desk *desk; /* NULL until M_WITNESS_START */
	struct loop_io *listener;
	int listen_fd;
	struct conns conns; /* oldest first */
	unsigned strangers;
	struct wbuf plain;
	struct {
		uint64_t n, told_at;
	} bad[WITNESS_BADS];
	uint64_t accept_told_at;
} self = { .listen_fd = -1 };

/* --- connections ------------------------------------------------------------------ */

static void
update(struct conn *c)
{
	/* Who has asked waits for the answer, and we for its being read. */
	unsigned want = c->asked ? 0 : LOOP_READ;

	if (frames_pending(&c->f))
		want = LOOP_WRITE;
	loop_io_want(c->io, want);
}

static void
conn_close(struct conn *c)
{
	if (c->state == CONN_PROVEN)
		witness_desk_gone(self.desk, c->end.node, c->number);
	else
		self.strangers--;
	TAILQ_REMOVE(&self.conns, c, entry);
	loop_io_free(c->io);
	loop_timer_free(c->limit);
	frames_close(&c->f);
	witness_forget(&c->end);
	freezero(c, sizeof(*c));
}

static void
describe_bad(const struct conn *c, enum witness_bad bad, char *text,
    size_t size)
{
	switch (bad) {
	case WB_VERSION:
		snprintf(text, size,
		    "it speaks another version of the protocol than %d",
		    WITNESS_VERSION);
		break;
	case WB_CLUSTER:
		snprintf(text, size, "it is of another cluster than %s",
		    self.conf->cluster);
		break;
	case WB_NO_KEY:
		snprintf(text, size,
		    "no key that it has is here: if it is a node, copy its key "
		    "file to this machine, and send us SIGHUP");
		break;
	case WB_OTHER_KEY:
		snprintf(text, size,
		    "its key is not ours, though its generation is: if it is a "
		    "node, copy its key file to this machine, and send us "
		    "SIGHUP");
		break;
	case WB_NODE:
		snprintf(text, size, "node %u is not in the configuration",
		    c->end.node);
		break;
	case WB_RECORD:
		snprintf(text, size,
		    "a record was altered, or kept from another connection");
		break;
	case WB_SUPERSEDED:
		snprintf(text, size, "node %u has a later connection",
		    c->end.node);
		break;
	case WB_SLOW:
		snprintf(text, size, "it has not shown who it is in time");
		break;
	case WB_FULL:
		snprintf(text, size,
		    "others came after it, and do not show "
		    "who they are either");
		break;
	default:
		snprintf(text, size, "what it said is not of this protocol");
		break;
	}
}

/* Counted, said now and then, and of no other effect. */
static void
refuse(struct conn *c, enum witness_bad bad)
{
	uint64_t now = clock_boot_us();
	char text[192];

	self.bad[bad].n++;
	if (self.bad[bad].told_at == 0 ||
	    now - self.bad[bad].told_at >= TELL_AGAIN_US) {
		self.bad[bad].told_at = now;
		describe_bad(c, bad, text, sizeof(text));
		log_warnx("%s: refused, because %s (%s: %llu so far)", c->from,
		    text, witness_bad_name(bad),
		    (unsigned long long)self.bad[bad].n);
	}
}

static void
drop(struct conn *c, enum witness_bad bad)
{
	refuse(c, bad);
	conn_close(c);
}

static void
conn_late(void *arg)
{
	struct conn *c = arg;

	if (c->state != CONN_PROVEN) {
		drop(c, WB_SLOW);
		return;
	}
	log_info("node %s: nothing was heard for a while, and its connection "
		 "is closed",
	    conf_node(self.conf, c->end.node)->name);
	conn_close(c);
}

/* False: it is closed. */
static bool
conn_flush(struct conn *c)
{
	if (frames_flush(&c->f) == 0) {
		update(c);
		return true;
	}
	log_debug("%s: %s", c->from, strerror(errno));
	conn_close(c);
	return false;
}

/* --- what comes ------------------------------------------------------------------- */

static bool
greet(struct conn *c, const uint8_t *body, size_t len)
{
	uint8_t nonce[WITNESS_NONCE];
	enum witness_bad bad;

	randombytes_buf(nonce, sizeof(nonce));
	bad = witness_greet(&c->end, self.conf, &self.keys, nonce, body, len,
	    &c->f.out);
	if (bad != WB_OK) {
		/* It is told, if that goes at once. */
		(void)frames_flush(&c->f);
		drop(c, bad);
		return false;
	}
	c->key.gen = c->end.gen;
	memcpy(c->key.key, keyring_find(&self.keys, c->end.gen),
	    sizeof(c->key.key));
	c->state = CONN_WELCOMED;
	c->number = witness_desk_welcome(self.desk);
	frames_limit(&c->f, WITNESS_ASK_MAX);
	return conn_flush(c);
}

/* It is that node: what it left behind elsewhere counts no more (W2). */
static void
proven(struct conn *c)
{
	const char *name = conf_node(self.conf, c->end.node)->name;
	struct conn *o, *next;
	bool had = false;

	TAILQ_FOREACH_SAFE(o, &self.conns, entry, next) {
		if (o == c || o->number == 0 || o->number > c->number ||
		    o->end.node != c->end.node)
			continue;
		had = had || o->state == CONN_PROVEN;
		conn_close(o);
	}
	c->state = CONN_PROVEN;
	self.strangers--;
	log_info("node %s: asks from %s, with the key of generation %u%s", name,
	    c->from, c->end.gen, had ? ", and on a new connection" : "");
}

static bool
asked(struct conn *c, const uint8_t *body, size_t len)
{
	struct witness_ask ask;
	enum witness_bad bad;

	if (!witness_get_ask(&c->end, body, len, &self.plain, &ask)) {
		drop(c, WB_RECORD);
		return false;
	}
	if (c->state != CONN_PROVEN)
		proven(c);
	c->asked = true;
	loop_timer_set(c->limit, IDLE_US);
	bad = witness_desk_ask(self.desk, c->end.node, c->number, &ask);
	if (bad != WB_OK) {
		drop(c, bad);
		return false;
	}
	return true;
}

/* False: it is closed. */
static bool
conn_frame(struct conn *c)
{
	const uint8_t *body;
	size_t len;
	int rc;

	rc = frames_read(&c->f, &body, &len);
	if (rc == -1 && errno == EAGAIN)
		return true;
	if (rc == -1 && errno == EMSGSIZE) {
		drop(c, c->state == CONN_GREETING ? WB_MALFORMED : WB_RECORD);
		return false;
	}
	if (rc != 1) {
		if (c->state == CONN_PROVEN)
			log_info("node %s: its connection has ended",
			    conf_node(self.conf, c->end.node)->name);
		conn_close(c);
		return false;
	}
	if (c->state == CONN_GREETING)
		return greet(c, body, len);
	return asked(c, body, len);
}

static void
conn_ready(void *arg, unsigned what)
{
	struct conn *c = arg;

	if ((what & LOOP_WRITE) != 0 && !conn_flush(c))
		return;
	/* One frame in a turn: nobody takes all the time. */
	if ((what & LOOP_READ) != 0 && conn_frame(c))
		update(c);
}

/* --- the desk ---------------------------------------------------------------------- */

static void
desk_store(void *arg, uint16_t node, const void *data, size_t len)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u16(&w, node);
	wbuf_blob(&w, data, len);
	if (w.err ||
	    ipc_send(self.parent, M_WITNESS_STORE, 0, w.data, w.len, -1) == -1)
		fatal("parent");
	wbuf_free(&w);
}

static void
desk_answer(void *arg, uint64_t number, const struct witness_answer *a)
{
	struct conn *c;

	TAILQ_FOREACH(c, &self.conns, entry) {
		if (c->number == number)
			break;
	}
	ASSERT(c != NULL && c->state == CONN_PROVEN);
	witness_put_answer(&c->end, a, &c->f.out);
	c->asked = false;
	loop_timer_set(c->limit, IDLE_US);
	/* Sent from the loop: who asked may not be told from inside of it. */
	update(c);
}

static const struct witness_desk_ops desk_ops = { .store = desk_store,
	.answer = desk_answer };

/* --- new connections ---------------------------------------------------------------- */

static void
make_room(void)
{
	struct conn *c;

	if (self.strangers < STRANGERS_MAX)
		return;
	TAILQ_FOREACH(c, &self.conns, entry) {
		if (c->state != CONN_PROVEN)
			break;
	}
	ASSERT(c != NULL);
	drop(c, WB_FULL);
}

static void
conn_new(int fd, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *sin6 = (const void *)ss;
	const struct sockaddr_in *sin = (const void *)ss;
	struct conn *c;

	make_room();
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return;
	}
	if (ss->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &sin6->sin6_addr, c->from, sizeof(c->from));
	else
		inet_ntop(AF_INET, &sin->sin_addr, c->from, sizeof(c->from));
	frames_init(&c->f, fd, WITNESS_HELLO_MAX, OUT_MAX);
	c->io = loop_io_new(self.loop, fd, LOOP_READ, conn_ready, c);
	c->limit = loop_timer_new(self.loop, conn_late, c);
	loop_timer_set(c->limit, PROOF_US);
	TAILQ_INSERT_TAIL(&self.conns, c, entry);
	self.strangers++;
}

static void
accept_some(void *arg, unsigned what)
{
	struct sockaddr_storage ss;
	uint64_t now;
	socklen_t len;
	int fd, i;

	for (i = 0; i < ACCEPTS; i++) {
		len = sizeof(ss);
		memset(&ss, 0, sizeof(ss));
		fd = accept4(self.listen_fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			conn_new(fd, &ss);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		now = clock_boot_us();
		if (self.accept_told_at == 0 ||
		    now - self.accept_told_at >= TELL_AGAIN_US)
			log_warn("a connection cannot be taken");
		self.accept_told_at = now;
		return;
	}
}

/* --- the parent ---------------------------------------------------------------------- */

/* A key that is over proves nothing any more. */
static void
take_keys(struct rbuf *r)
{
	struct conn *c, *next;
	struct keyring ring;

	if (!keyring_get(r, &ring) || !rbuf_done(r))
		fatalx("parent: malformed M_KEY");
	self.keys = ring;
	keyring_forget(&ring);
	TAILQ_FOREACH_SAFE(c, &self.conns, entry, next) {
		if (c->number != 0 && !keyring_has(&self.keys, &c->key))
			conn_close(c);
	}
}

static void
take_listener(int fd)
{
	if (self.listen_fd != -1)
		fatalx("parent: a second M_WITNESS_FD");
	self.listen_fd = fd;
}

static void
take_block(struct rbuf *r)
{
	uint16_t node = rbuf_u16(r);
	const uint8_t *data;
	size_t len;

	data = rbuf_blob(r, &len, WITNESS_BLOCK_MAX);
	if (!rbuf_done(r) || self.desk != NULL ||
	    !witness_blocks_set(&self.blocks, node, data, len))
		fatalx("parent: malformed M_WITNESS_BLOCK");
}

static void
take_start(struct rbuf *r)
{
	rbuf_bytes(r, self.blocks.uuid, sizeof(self.blocks.uuid));
	if (!rbuf_done(r) || self.conf == NULL || self.keys.n == 0 ||
	    self.listen_fd == -1 || self.desk != NULL)
		fatalx("parent: malformed M_WITNESS_START");
	self.desk = witness_desk_new(&self.blocks, &desk_ops, NULL);
	if (self.desk == NULL)
		fatalx("no memory");
	self.listener = loop_io_new(self.loop, self.listen_fd, LOOP_READ,
	    accept_some, NULL);
	if (ipc_send(self.parent, M_READY, 0, NULL, 0, -1) == -1)
		fatal("parent");
}

static void
take_stored(struct rbuf *r)
{
	bool ok = rbuf_u8(r) == 1;
	char why[96];

	rbuf_str(r, why, sizeof(why));
	if (!rbuf_done(r) || self.desk == NULL)
		fatalx("parent: malformed M_WITNESS_STORED");
	witness_desk_stored(self.desk, ok, why);
}

static void
message(void *arg, const struct msg *m)
{
	struct rbuf r;

	if ((m->fd != -1) != (m->type == M_WITNESS_FD))
		fatalx("parent: message %u: descriptor %d", m->type, m->fd);
	rbuf_init(&r, m->data, m->len);
	switch (m->type) {
	case M_CONF:
		conf_take(&self.conf_bytes, m, &self.conf);
		break;
	case M_KEY:
		take_keys(&r);
		break;
	case M_WITNESS_FD:
		take_listener(m->fd);
		break;
	case M_WITNESS_BLOCK:
		take_block(&r);
		break;
	case M_WITNESS_START:
		take_start(&r);
		break;
	case M_WITNESS_STORED:
		take_stored(&r);
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

static const struct ipc_ops parent_ops = { .message = message,
	.lost = parent_lost };

void
witness_server_main(const struct proc_opts *o)
{
	self.loop = child_begin(ROLE_WITNESS, o);
	child_confine(ROLE_WITNESS, o);
	TAILQ_INIT(&self.conns);
	wbuf_init(&self.plain, WITNESS_ASK_MAX);
	wbuf_init(&self.conf_bytes, CONF_BYTES_MAX);
	self.parent =
	    ipc_new(self.loop, PROC_FD, ENGINE_QUEUE, &parent_ops, NULL);
	loop_run(self.loop, NULL, NULL);
	fatalx("the loop ended");
}
