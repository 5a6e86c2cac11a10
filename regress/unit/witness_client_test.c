/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what a node's end of the witness does when all is well, and what it
 * says when it is not: every request is answered once, with the blocks or with
 * a sentence, and a connection that failed or was late is given up.
 *
 * The other end is played here, over the loopback device.
 */

#include <sys/socket.h>

#include <arpa/inet.h>
#include <atf-c.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "frames.h"
#include "witness_client.h"
#include "witness_wire.h"

#define LIMIT_US UINT64_C(20000000)

static struct conf *conf;
static struct keyring ours, theirs;
static struct loop *loop;
static void *store;
static int listener = -1;
/* The witness's end of the connection that was taken last. */
static struct frames f = { .fd = -1 };
static struct witness_end end;
static struct wbuf plain;
static struct witness_ask asked;
/* What the store has said last. */
static unsigned answers;
static uint32_t answer_req;
static bool answer_ok;
static size_t answer_len;
static char answer[256];

static void
done(void *arg, uint32_t req, bool ok, const void *data, size_t len)
{
	answers++;
	answer_req = req;
	answer_ok = ok;
	answer_len = len;
	snprintf(answer, sizeof(answer), "%.*s", (int)len, (const char *)data);
}

static void
one_key(struct keyring *r, uint8_t gen, uint8_t byte)
{
	memset(r, 0, sizeof(*r));
	r->n = 1;
	r->use = r->last = r->k[0].gen = gen;
	memset(r->k[0].key, byte, KEYRING_KEY_LEN);
}

static void
setup(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	ATF_REQUIRE(sodium_init() != -1);
	loop = loop_new();
	conf = conf_new();
	ATF_REQUIRE(loop != NULL && conf != NULL);
	one_key(&ours, 3, 0x33);
	theirs = ours;
	strlcpy(conf->cluster, "demo", sizeof(conf->cluster));
	conf->nnodes = 1;
	conf->nodes[0].id = 1;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(listener != -1);
	ATF_REQUIRE_EQ(0, bind(listener, (struct sockaddr *)&sin, len));
	ATF_REQUIRE_EQ(0, getsockname(listener, (struct sockaddr *)&sin, &len));
	ATF_REQUIRE_EQ(0, listen(listener, 5));
	conf->qdevice.kind = QDEVICE_WITNESS;
	conf->qdevice.port = ntohs(sin.sin_port);
	strlcpy(conf->qdevice.address, "127.0.0.1",
	    sizeof(conf->qdevice.address));
	wbuf_init(&plain, WITNESS_ASK_MAX);
	store = witness_client_open(loop, conf, &ours, 1, done, NULL);
}

static void
tick(void *arg)
{
	loop_timer_set(*(struct loop_timer **)arg, 1000);
}

/* Turns the loop until fn is true, and never stands still. */
static void
until(bool (*fn)(void))
{
	uint64_t limit = clock_boot_us() + LIMIT_US;
	struct loop_timer *t;

	t = loop_timer_new(loop, tick, &t);
	loop_timer_set(t, 1000);
	while (!fn()) {
		ATF_REQUIRE_MSG(clock_boot_us() < limit, "it takes for ever");
		loop_once(loop);
	}
	loop_timer_free(t);
}

static bool
has_called(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		return false;
	frames_close(&f);
	frames_init(&f, fd, WITNESS_ASK_MAX, 1 << 21);
	return true;
}

/* 1: a frame, 0: the end; -1: neither yet. */
static int got;
static const uint8_t *body;
static size_t body_len;

static bool
has_said(void)
{
	got = frames_read(&f, &body, &body_len);
	return got != -1;
}

static bool
has_answered(void)
{
	return answers > 0;
}

static void
take_call(void)
{
	ATF_REQUIRE(fcntl(listener, F_SETFL, O_NONBLOCK) != -1);
	until(has_called);
}

static enum witness_bad
take_hello(void)
{
	uint8_t nonce[WITNESS_NONCE];
	enum witness_bad bad;

	until(has_said);
	ATF_REQUIRE_EQ(1, got);
	randombytes_buf(nonce, sizeof(nonce));
	bad = witness_greet(&end, conf, &theirs, nonce, body, body_len, &f.out);
	ATF_REQUIRE_EQ(0, frames_flush(&f));
	return bad;
}

static void
take_ask(uint32_t req)
{
	until(has_said);
	ATF_REQUIRE_EQ(1, got);
	ATF_REQUIRE(witness_get_ask(&end, body, body_len, &plain, &asked));
	ATF_CHECK_EQ(req, asked.req);
}

static void
give(uint32_t req, bool ok, const char *text)
{
	struct witness_answer a = { .req = req,
		.ok = ok,
		.data = (const uint8_t *)text,
		.len = strlen(text) };

	witness_put_answer(&end, &a, &f.out);
	ATF_REQUIRE_EQ(0, frames_flush(&f));
}

static void
request(uint32_t req, const char *data, uint64_t timeout_us)
{
	answers = 0;
	witness_client_ops.request(store, req, data, strlen(data), timeout_us);
}

static void
answered(uint32_t req, bool ok, const char *like)
{
	until(has_answered);
	ATF_CHECK_EQ(1, answers);
	ATF_CHECK_EQ(req, answer_req);
	ATF_CHECK_EQ_MSG(ok, answer_ok, "%s", answer);
	ATF_CHECK_MSG(strstr(answer, like) != NULL, "%s", answer);
	answers = 0;
}

static void
exchange(uint32_t req)
{
	request(req, "a uuid and a block of it", LIMIT_US);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(req);
	give(req, true, "blocks");
	answered(req, true, "blocks");
}

ATF_TC_WITHOUT_HEAD(one_connection);
ATF_TC_BODY(one_connection, tc)
{
	setup();
	exchange(1);
	/* The next one on the same connection, with what the witness says. */
	request(2, "", LIMIT_US);
	take_ask(2);
	ATF_CHECK_EQ(0, asked.len);
	give(2, false, "the witness cannot write its state");
	answered(2, false, "cannot write its state");
	request(3, "a uuid and a block of it", LIMIT_US);
	take_ask(3);
	ATF_CHECK_EQ(24, asked.len);
	give(3, true, "more");
	answered(3, true, "more");
	witness_client_ops.close(store);
	until(has_said);
	ATF_CHECK_EQ(0, got);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	setup();
	close(listener);
	request(1, "", LIMIT_US);
	answered(1, false, "refused the connection: is clusterd -w running?");
	ATF_CHECK(strncmp(answer, "the witness 127.0.0.1 port ", 27) == 0);
	witness_client_ops.close(store);
}

ATF_TC_WITHOUT_HEAD(no_key);
ATF_TC_BODY(no_key, tc)
{
	setup();
	theirs.use = theirs.last = theirs.k[0].gen = 2;
	request(1, "", LIMIT_US);
	take_call();
	ATF_REQUIRE_EQ(WB_NO_KEY, take_hello());
	answered(1, false, "lacks our key (generation 3): copy the key file");
	theirs = ours;
	theirs.k[0].key[0] ^= 1;
	request(2, "", LIMIT_US);
	take_call();
	ATF_REQUIRE_EQ(WB_OTHER_KEY, take_hello());
	answered(2, false, "has another key (generation 3)");
	witness_client_ops.close(store);
}

/* Somebody in its place, who has recorded what it said. */
ATF_TC_WITHOUT_HEAD(not_it);
ATF_TC_BODY(not_it, tc)
{
	setup();
	request(1, "", LIMIT_US);
	take_call();
	until(has_said);
	wbuf_bytes(&f.out, "\0\0\0\5hello", 9);
	ATF_REQUIRE_EQ(0, frames_flush(&f));
	answered(1, false, "does not speak our protocol");
	request(2, "", LIMIT_US);
	take_call();
	wbuf_bytes(&f.out, "\377\377\377\377", 4);
	ATF_REQUIRE_EQ(0, frames_flush(&f));
	answered(2, false, "does not speak our protocol");
	request(3, "", LIMIT_US);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(3);
	wbuf_bytes(&f.out, "\0\0\0\30not authentic, is it....", 28);
	ATF_REQUIRE_EQ(0, frames_flush(&f));
	answered(3, false, "not authentic");
	request(4, "", LIMIT_US);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(4);
	give(3, true, "blocks");
	answered(4, false, "not asked");
	witness_client_ops.close(store);
}

static bool
is_sent(void)
{
	ATF_REQUIRE_EQ(0, frames_flush(&f));
	return !frames_pending(&f);
}

/* As many blocks as there can be, in more than one piece. */
ATF_TC_WITHOUT_HEAD(large);
ATF_TC_BODY(large, tc)
{
	static uint8_t look[WITNESS_LOOK_MAX];
	struct witness_answer a = { .req = 2,
		.ok = true,
		.data = look,
		.len = sizeof(look) };

	setup();
	memset(look, 'x', sizeof(look));
	exchange(1);
	request(2, "", LIMIT_US);
	take_ask(2);
	witness_put_answer(&end, &a, &f.out);
	until(is_sent);
	answered(2, true, "xxx");
	ATF_CHECK_EQ(sizeof(look), answer_len);
	witness_client_ops.close(store);
}

/* Too late is a failure, and the connection is over with it. */
ATF_TC_WITHOUT_HEAD(late);
ATF_TC_BODY(late, tc)
{
	setup();
	exchange(1);
	request(2, "", 20000);
	take_ask(2);
	answered(2, false, "did not answer within 20 ms");
	until(has_said);
	ATF_CHECK_EQ(0, got);
	exchange(3);
	witness_client_ops.close(store);
}

/* It was started anew in between: nobody has to know. */
ATF_TC_WITHOUT_HEAD(started_anew);
ATF_TC_BODY(started_anew, tc)
{
	setup();
	exchange(1);
	request(2, "a uuid and a block of it", LIMIT_US);
	take_ask(2);
	frames_close(&f);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(2);
	ATF_CHECK_EQ(24, asked.len);
	give(2, true, "again");
	answered(2, true, "again");
	/* A new one that ends at once is another matter. */
	request(3, "", LIMIT_US);
	frames_close(&f);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(3);
	frames_close(&f);
	answered(3, false, "closed the connection without an answer");
	witness_client_ops.close(store);
}

ATF_TC_WITHOUT_HEAD(new_key);
ATF_TC_BODY(new_key, tc)
{
	setup();
	exchange(1);
	/* In the middle of a request: that is finished first. */
	request(2, "", LIMIT_US);
	take_ask(2);
	one_key(&ours, 4, 0x44);
	witness_client_keys(store, &ours);
	give(2, true, "blocks");
	answered(2, true, "blocks");
	until(has_said);
	ATF_CHECK_EQ(0, got);
	theirs = ours;
	exchange(3);
	ATF_CHECK_EQ(4, end.gen);
	/* In between, and before the witness has said who it is. */
	request(4, "", LIMIT_US);
	take_ask(4);
	give(4, true, "blocks");
	answered(4, true, "blocks");
	one_key(&ours, 5, 0x55);
	theirs = ours;
	witness_client_keys(store, &ours);
	request(5, "", LIMIT_US);
	take_call();
	one_key(&ours, 6, 0x66);
	theirs = ours;
	witness_client_keys(store, &ours);
	take_call();
	ATF_REQUIRE_EQ(WB_OK, take_hello());
	take_ask(5);
	give(5, true, "blocks");
	answered(5, true, "blocks");
	ATF_CHECK_EQ(6, end.gen);
	witness_client_ops.close(store);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, one_connection);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, no_key);
	ATF_TP_ADD_TC(tp, not_it);
	ATF_TP_ADD_TC(tp, large);
	ATF_TP_ADD_TC(tp, late);
	ATF_TP_ADD_TC(tp, started_anew);
	ATF_TP_ADD_TC(tp, new_key);
	return atf_no_error();
}
