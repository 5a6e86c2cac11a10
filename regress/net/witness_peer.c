/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * witness_peer ADDRESS PORT CLUSTER KEYFILE: calls a witness in the name of
 * node 2, which must not run, as that node and as somebody who has recorded it
 * would, and fails with a line that says what the witness should not have done.
 */

#include <sys/socket.h>
#include <sys/time.h>

#include <err.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frames.h"
#include "keyfile.h"
#include "net.h"
#include "witness_wire.h"

#define WAIT_S 20

struct peer {
	struct frames f;
	struct witness_end end;
	struct wbuf hello, ask; /* the frames that were sent last */
};

static struct sockaddr_storage where;
static socklen_t where_len;
static const char *cluster;
static struct keyring keys;
static uint8_t uuid[WITNESS_UUID];
static struct wbuf plain;

static void
dial(struct peer *p)
{
	struct timeval tv = { .tv_sec = WAIT_S };
	int fd;

	memset(p, 0, sizeof(*p));
	wbuf_init(&p->hello, 4096);
	wbuf_init(&p->ask, 8192);
	fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1 ||
	    connect(fd, (const struct sockaddr *)&where, where_len) == -1)
		err(1, "connect");
	frames_init(&p->f, fd, WITNESS_ANSWER_MAX, 1 << 20);
}

static void
give(struct peer *p, const struct wbuf *frame)
{
	wbuf_bytes(&p->f.out, frame->data, frame->len);
	/* Who is closed already shows in what is read. */
	if (frames_flush(&p->f) == -1 && errno != EPIPE && errno != ECONNRESET)
		err(1, "send");
}

/* False: it is closed. */
static bool
take(struct peer *p, const uint8_t **body, size_t *len)
{
	int rc = frames_read(&p->f, body, len);

	if (rc == -1 && errno != ECONNRESET)
		err(1, "no answer, and not closed either");
	return rc == 1;
}

static void
greet(struct peer *p)
{
	uint8_t nonce[WITNESS_NONCE];
	struct witness_refusal r;
	const uint8_t *body;
	size_t len;

	randombytes_buf(nonce, sizeof(nonce));
	witness_hello(&p->end, cluster, &keys, 2, nonce, &p->hello);
	give(p, &p->hello);
	if (!take(p, &body, &len) ||
	    witness_greeted(&p->end, cluster, &keys, body, len, &r) != WB_OK)
		errx(1, "not welcomed");
}

/* Writes text as our block on that device, or nothing. */
static void
ask(struct peer *p, const uint8_t *device, const char *text)
{
	uint8_t data[WITNESS_UUID + 32];
	struct witness_ask a = { .req = 7, .data = data };

	if (text != NULL) {
		memcpy(data, device, WITNESS_UUID);
		a.len = WITNESS_UUID + strlen(text);
		memcpy(data + WITNESS_UUID, text, strlen(text));
	}
	wbuf_reset(&p->ask);
	witness_put_ask(&p->end, &a, &p->ask);
	give(p, &p->ask);
}

/* It is answered, and our block is this, or is none. */
static void
answered(struct peer *p, const char *what, const char *text)
{
	struct witness_answer a;
	const uint8_t *body, *block = NULL;
	size_t len, n = 0;
	struct rbuf r;
	uint32_t count;

	if (!take(p, &body, &len))
		errx(1, "%s: closed, and not answered", what);
	if (!witness_get_answer(&p->end, body, len, &plain, &a) || !a.ok ||
	    a.req != 7)
		errx(1, "%s: no such answer", what);
	rbuf_init(&r, a.data, a.len);
	rbuf_bytes(&r, uuid, sizeof(uuid));
	for (count = rbuf_count(&r, WITNESS_BLOCKS); count > 0; count--) {
		bool ours = rbuf_u16(&r) == 2;
		const uint8_t *p1;
		size_t n1;

		(void)rbuf_u8(&r);
		p1 = rbuf_blob(&r, &n1, WITNESS_BLOCK_MAX);
		if (ours) {
			block = p1;
			n = n1;
		}
	}
	if (!rbuf_done(&r) ||
	    (text == NULL ? block != NULL :
			    block == NULL || n != strlen(text) ||
			memcmp(block, text, n) != 0))
		errx(1, "%s: the block is not %s", what,
		    text == NULL ? "none" : text);
}

static void
closed(struct peer *p, const char *what)
{
	const uint8_t *body;
	size_t len;

	if (take(p, &body, &len))
		errx(1, "%s: not closed", what);
}

static void
hang_up(struct peer *p)
{
	frames_close(&p->f);
	wbuf_free(&p->hello);
	wbuf_free(&p->ask);
}

static void
play(void)
{
	static const uint8_t other[WITNESS_UUID] = "another device";
	struct peer a, b, c;
	struct wbuf huge;

	/* What was welcomed first, and comes last. */
	dial(&a);
	greet(&a);
	dial(&b);
	greet(&b);
	ask(&b, NULL, NULL);
	answered(&b, "the later one reads", NULL);
	ask(&a, uuid, "late");
	closed(&a, "the earlier one writes");
	ask(&b, NULL, NULL);
	answered(&b, "the later one reads again", NULL);
	/* Another device's block is not written. */
	ask(&b, other, "foreign");
	answered(&b, "a block of another device", NULL);
	ask(&b, uuid, "one");
	answered(&b, "a block", "one");
	/* A later one takes the place of this one. */
	dial(&c);
	greet(&c);
	ask(&b, uuid, "two");
	answered(&b, "welcomed only", "two");
	ask(&c, uuid, "three");
	answered(&c, "the latest one", "three");
	ask(&b, uuid, "four");
	closed(&b, "one that was before");
	/* Longer than anything that may come. */
	wbuf_init(&huge, 16);
	wbuf_u32(&huge, WITNESS_ASK_MAX + 1);
	give(&c, &huge);
	closed(&c, "a frame that is too long");
	wbuf_free(&huge);
	hang_up(&a);
	hang_up(&b);
	hang_up(&c);
}

/* Whoever plays back gets WELCOME, and is closed with the first record. */
static void
play_back(void)
{
	struct peer a, b;
	const uint8_t *body;
	size_t len;

	dial(&a);
	greet(&a);
	ask(&a, uuid, "five");
	answered(&a, "before it is played back", "five");
	dial(&b);
	give(&b, &a.hello);
	if (!take(&b, &body, &len))
		errx(1, "a HELLO again: closed");
	give(&b, &a.ask);
	closed(&b, "a record again");
	ask(&a, NULL, NULL);
	answered(&a, "after it was played back", "five");
	hang_up(&a);
	hang_up(&b);
}

int
main(int argc, char **argv)
{
	char why[256];

	if (argc != 5)
		errx(64, "usage: witness_peer address port cluster keyfile");
	if (sodium_init() == -1 ||
	    !net_address(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), &where,
		&where_len))
		errx(1, "%s %s", argv[1], argv[2]);
	cluster = argv[3];
	if (keyfile_read(argv[4], &keys, why, sizeof(why)) != KEYFILE_OK)
		errx(1, "%s", why);
	wbuf_init(&plain, WITNESS_ANSWER_MAX);
	play();
	play_back();
	wbuf_free(&plain);
	return 0;
}
