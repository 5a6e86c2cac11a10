/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 *	OFF -> CALLING		a request, and no connection
 *	CALLING -> GREETING	connected: HELLO is sent
 *	GREETING -> READY	WELCOME is authentic: the request is sent
 *	READY			one request after the other
 *	any -> OFF		the connection fails, or an answer is late
 *
 * Q4 of qdevice.h: what is under way on a connection that was given up may
 * still be done, but before anything that is asked on the next one, or never
 * (T2 of witness_state.c).  For the same reason a request may be sent twice: a
 * connection that was kept may have ended without a word, because the witness
 * was started anew, and then a new one is tried, once.
 *
 * clusterd-protocol(7), section 6.12.
 */

#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "frames.h"
#include "log.h"
#include "net.h"
#include "witness_client.h"
#include "witness_wire.h"

#define OUT_MAX (WITNESS_HEAD + WITNESS_ASK_MAX)

enum client_state {
	CLIENT_OFF = 0,
	CLIENT_CALLING,
	CLIENT_GREETING,
	CLIENT_READY
};

struct client {
	struct loop *loop;
	const struct conf *conf;
	struct keyring keys;
	uint16_t self;
	qdevice_done *done;
	void *arg;
	char name[CONF_ADDR_LEN + 32]; /* "the witness ... port ..." */

	enum client_state state;
	struct frames f;
	struct loop_io *io;
	struct witness_end end;
	bool stale; /* its key is not the best any more */
	bool told_older;
	uint8_t older_for; /* generation in use when that was said */

	struct loop_timer *limit;
	bool busy;
	bool kept; /* the request went out on a connection from before */
	uint32_t req;
	uint64_t timeout_us;
	size_t len;
	uint8_t data[WITNESS_DATA_MAX];
	struct wbuf plain;
};

static void call(struct client *);
static void ready(void *, unsigned);

static void
hang_up(struct client *c)
{
	if (c->state == CLIENT_OFF)
		return;
	loop_io_free(c->io);
	c->io = NULL;
	frames_close(&c->f);
	witness_forget(&c->end);
	c->state = CLIENT_OFF;
	c->stale = false;
}

/* The caller does nothing after it: the next request may be inside of it. */
static void
finish(struct client *c, bool ok, const void *data, size_t len)
{
	loop_timer_stop(c->limit);
	c->busy = false;
	if (c->stale)
		hang_up(c);
	c->done(c->arg, c->req, ok, data, len);
}

static void PRINTF_LIKE(2, 3) fail(struct client *c, const char *fmt, ...)
{
	char text[256];
	size_t len;
	va_list ap;

	hang_up(c);
	if (!c->busy)
		return;
	len = strlcpy(text, c->name, sizeof(text));
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	finish(c, false, text, strlen(text));
}

static void
fail_errno(struct client *c, int error)
{
	if (error == ECONNREFUSED)
		fail(c, " refused the connection: is clusterd -w running?");
	else
		fail(c, " cannot be reached: %s", strerror(error));
}

/* It has ended: by itself, or in the middle of a request. */
static void
ended(struct client *c, int error)
{
	bool again = c->busy && c->kept;

	if (again) {
		hang_up(c);
		call(c);
	} else if (error != 0)
		fail_errno(c, error);
	else if (c->state == CLIENT_GREETING)
		fail(c, " closed the connection before it said who it is");
	else
		fail(c, " closed the connection without an answer");
}

static void
want(struct client *c)
{
	loop_io_want(c->io,
	    LOOP_READ | (frames_pending(&c->f) ? LOOP_WRITE : 0));
}

static void
flush(struct client *c)
{
	if (frames_flush(&c->f) == -1)
		ended(c, errno);
	else
		want(c);
}

static void
send_ask(struct client *c)
{
	struct witness_ask a = { .req = c->req,
		.data = c->data,
		.len = c->len };

	witness_put_ask(&c->end, &a, &c->f.out);
	flush(c);
}

static void
send_hello(struct client *c)
{
	uint8_t nonce[WITNESS_NONCE];

	randombytes_buf(nonce, sizeof(nonce));
	witness_hello(&c->end, c->conf->cluster, &c->keys, c->self, nonce,
	    &c->f.out);
	c->state = CLIENT_GREETING;
	flush(c);
}

static void
call(struct client *c)
{
	struct sockaddr_storage ss;
	int fd, error = 0;
	socklen_t len;

	c->kept = false;
	if (!net_address(c->conf->qdevice.address, c->conf->qdevice.port, &ss,
		&len)) {
		fail_errno(c, EADDRNOTAVAIL);
		return;
	}
	fd =
	    socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1) {
		fail_errno(c, errno);
		return;
	}
	if (connect(fd, (const struct sockaddr *)&ss, len) == -1)
		error = errno;
	frames_init(&c->f, fd, WITNESS_GREET_MAX, OUT_MAX);
	c->io = loop_io_new(c->loop, fd, LOOP_WRITE, ready, c);
	c->state = CLIENT_CALLING;
	if (error != 0 && error != EINPROGRESS)
		fail_errno(c, error);
}

/* --- what comes ------------------------------------------------------------------ */

static void
called(struct client *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->f.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		fail_errno(c, error);
	else
		send_hello(c);
}

/* The keys in words: "generation 1", "generations 1 and 2". */
static void
generations(const struct keyring *r, char *text, size_t size)
{
	if (r->n == 1)
		snprintf(text, size, "generation %u", r->k[0].gen);
	else
		snprintf(text, size, "generations %u and %u", r->k[0].gen,
		    r->k[1].gen);
}

static void
not_greeted(struct client *c, enum witness_bad bad,
    const struct witness_refusal *r)
{
	char gens[48];

	generations(&c->keys, gens, sizeof(gens));
	switch (bad) {
	case WB_VERSION:
		fail(c, " speaks version %u of its protocol, and we %d",
		    r->version, WITNESS_VERSION);
		break;
	case WB_CLUSTER:
		fail(c, " is that of another cluster than %s",
		    c->conf->cluster);
		break;
	case WB_NO_KEY:
		fail(c,
		    " lacks our key (%s): copy the key file there, send it "
		    "SIGHUP",
		    gens);
		break;
	case WB_OTHER_KEY:
		fail(c,
		    " has another key (%s): copy the key file there, send "
		    "it SIGHUP",
		    gens);
		break;
	case WB_NODE:
		fail(c,
		    " has no node %u in its cluster.yaml: copy ours there, "
		    "restart it",
		    c->self);
		break;
	default:
		fail(c, " does not speak our protocol");
		break;
	}
}

/* Once the older key is dropped, a witness without the new one is lost. */
static void
say_older(struct client *c)
{
	if (c->end.gen == c->keys.use) {
		c->told_older = false;
		return;
	}
	if (c->told_older && c->older_for == c->keys.use)
		return;
	c->told_older = true;
	c->older_for = c->keys.use;
	log_warnx("%s has only the older key (generation %u, and %u is in "
		  "use): copy the key file there and send it SIGHUP, before "
		  "key drop",
	    c->name, c->end.gen, c->keys.use);
}

static void
greeted(struct client *c, const uint8_t *body, size_t len)
{
	struct witness_refusal r;
	enum witness_bad bad;

	bad =
	    witness_greeted(&c->end, c->conf->cluster, &c->keys, body, len, &r);
	if (bad != WB_OK) {
		not_greeted(c, bad, &r);
		return;
	}
	say_older(c);
	c->state = CLIENT_READY;
	frames_limit(&c->f, WITNESS_ANSWER_MAX);
	if (c->busy)
		send_ask(c);
}

static void
answered(struct client *c, const uint8_t *body, size_t len)
{
	struct witness_answer a;

	if (!witness_get_answer(&c->end, body, len, &c->plain, &a))
		fail(c, " sent what is not authentic");
	else if (!c->busy || a.req != c->req)
		fail(c, " answered what was not asked");
	else if (a.ok)
		finish(c, true, a.data, a.len);
	else {
		char text[256];

		snprintf(text, sizeof(text), "%.*s", (int)MIN(a.len, 200u),
		    (const char *)a.data);
		finish(c, false, text, strlen(text));
	}
}

static void
frame(struct client *c)
{
	const uint8_t *body;
	size_t len;
	int rc;

	rc = frames_read(&c->f, &body, &len);
	if (rc == -1 && errno == EAGAIN)
		return;
	if (rc == -1 && errno == EMSGSIZE)
		fail(c, " does not speak our protocol");
	else if (rc != 1)
		ended(c, rc == -1 ? errno : 0);
	else if (c->state == CLIENT_GREETING)
		greeted(c, body, len);
	else
		answered(c, body, len);
}

static void
ready(void *arg, unsigned what)
{
	struct client *c = arg;

	if (c->state == CLIENT_CALLING)
		called(c);
	else if ((what & LOOP_READ) != 0)
		frame(c);
	else
		flush(c);
}

static void
late(void *arg)
{
	struct client *c = arg;

	fail(c, " did not answer within %llu ms",
	    (unsigned long long)(c->timeout_us / 1000));
}

/* --- the store ---------------------------------------------------------------------- */

static void
request(void *store, uint32_t req, const void *data, size_t len,
    uint64_t timeout_us)
{
	struct client *c = store;

	ASSERT(!c->busy && len <= sizeof(c->data));
	c->busy = true;
	c->req = req;
	c->len = len;
	if (len > 0)
		memcpy(c->data, data, len);
	c->timeout_us = timeout_us;
	loop_timer_set(c->limit, timeout_us);
	if (c->state == CLIENT_READY) {
		c->kept = true;
		send_ask(c);
	} else
		call(c);
}

static void
client_close(void *store)
{
	struct client *c = store;

	hang_up(c);
	loop_timer_free(c->limit);
	wbuf_free(&c->plain);
	freezero(c, sizeof(*c));
}

const struct qdevice_ops witness_client_ops = { .request = request,
	.close = client_close };

void *
witness_client_open(struct loop *loop, const struct conf *conf,
    const struct keyring *keys, uint16_t self, qdevice_done *done, void *arg)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("witness");
	c->loop = loop;
	c->conf = conf;
	c->keys = *keys;
	c->self = self;
	c->done = done;
	c->arg = arg;
	snprintf(c->name, sizeof(c->name), "the witness %s port %u",
	    conf->qdevice.address, conf->qdevice.port);
	c->limit = loop_timer_new(loop, late, c);
	wbuf_init(&c->plain, WITNESS_ANSWER_MAX);
	return c;
}

/* The next connection is made with the best key that both have. */
void
witness_client_keys(void *store, const struct keyring *keys)
{
	struct client *c = store;

	c->keys = *keys;
	if (c->state == CLIENT_READY && c->busy)
		c->stale = true;
	else if (c->state != CLIENT_OFF) {
		hang_up(c);
		if (c->busy)
			call(c);
	}
}
