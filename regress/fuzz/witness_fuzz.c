/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the witness hears and what a node hears of it, its state file, and its
 * desk.  Input: u8 flags, then records (rig.h), of which op & 7 says what the
 * bytes are:
 *
 *	0  a HELLO, or, with op & 8, what a right one is altered by from byte
 *	   arg on
 *	1  a WELCOME or REFUSE, in the same way
 *	2  a record for the witness; with op & 8 what is inside of a right one
 *	3  a record for the node, in the same way
 *	4  bytes of a stream of frames
 *	5  a state file; with op & 8 its checksum is made right
 *	6  what nodes do at the desk, a byte for each step
 *
 * What is not authentic leaves both ends as they were; what is, and has been
 * altered, is refused.  The desk tells what is stored, once, in order, and to
 * whom it must.
 */

#include <sys/socket.h>

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "frames.h"
#include "fuzz.h"
#include "rig.h"
#include "witness_state.h"

#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define NODES 3
#define CONNS 200

static struct conf conf = { .cluster = "demo", .nnodes = 2 };
static struct keyring ring;
static struct witness_end node, witness;
static struct wbuf plain;

/* --- the wire --------------------------------------------------------------------- */

static void
handshake(struct wbuf *hello, struct wbuf *welcome)
{
	static const uint8_t nonce[WITNESS_NONCE] = { 7 };
	struct witness_refusal r;

	witness_hello(&node, "demo", &ring, 1, nonce, hello);
	ASSERT(witness_greet(&witness, &conf, &ring, nonce,
		   hello->data + WITNESS_HEAD, hello->len - WITNESS_HEAD,
		   welcome) == WB_OK);
	ASSERT(
	    witness_greeted(&node, "demo", &ring, welcome->data + WITNESS_HEAD,
		welcome->len - WITNESS_HEAD, &r) == WB_OK);
}

/* The body of a frame, altered from a byte on; is it another one now? */
static bool
alter(struct wbuf *w, const struct rig_op *op)
{
	bool altered = false;
	size_t i;

	for (i = 0; i < op->len; i++) {
		size_t at = WITNESS_HEAD + op->arg + i;

		if (at >= w->len)
			break;
		w->data[at] ^= op->data[i];
		altered = altered || op->data[i] != 0;
	}
	return altered;
}

/* A HELLO may be altered where its second proof is, which nobody looks at. */
static void
check_greeted(const struct wbuf *welcome, bool altered)
{
	struct witness_end end = node;
	struct witness_refusal r;
	enum witness_bad bad;

	bad = witness_greeted(&end, "demo", &ring, welcome->data + WITNESS_HEAD,
	    welcome->len - WITNESS_HEAD, &r);
	ASSERT(altered == (bad != WB_OK));
}

static void
greet(const struct rig_op *op, struct wbuf *hello)
{
	static const uint8_t nonce[WITNESS_NONCE] = { 9 };
	struct witness_end end;
	enum witness_bad bad;
	struct wbuf out;
	bool altered;

	wbuf_init(&out, 4096);
	if ((op->op & 8) == 0)
		bad = witness_greet(&end, &conf, &ring, nonce, op->data,
		    op->len, &out);
	else {
		altered = alter(hello, op);
		bad = witness_greet(&end, &conf, &ring, nonce,
		    hello->data + WITNESS_HEAD, hello->len - WITNESS_HEAD,
		    &out);
		ASSERT(altered || bad == WB_OK);
		check_greeted(&out, altered);
	}
	ASSERT((unsigned)bad < WITNESS_BADS);
	/* Whatever it is, it is answered, and in a few bytes. */
	ASSERT(out.len > WITNESS_HEAD &&
	    out.len <= WITNESS_HEAD + WITNESS_GREET_MAX);
	wbuf_free(&out);
}

static void
greeted(const struct rig_op *op, struct wbuf *welcome)
{
	struct witness_refusal r;
	enum witness_bad bad;
	struct witness_end end = node;

	if ((op->op & 8) == 0) {
		bad =
		    witness_greeted(&end, "demo", &ring, op->data, op->len, &r);
		ASSERT(r.n <= KEYRING_MAX && r.why <= WB_NODE);
	} else {
		bool altered = alter(welcome, op);

		bad = witness_greeted(&end, "demo", &ring,
		    welcome->data + WITNESS_HEAD, welcome->len - WITNESS_HEAD,
		    &r);
		ASSERT(altered == (bad != WB_OK));
	}
	ASSERT((unsigned)bad < WITNESS_BADS);
}

/* What would be the next record of a peer that says these bytes. */
static void
seal(const uint8_t key[32], uint64_t number, const struct rig_op *op,
    struct wbuf *w)
{
	uint8_t nonce[24] = { 0 };
	unsigned i;

	for (i = 0; i < 8; i++)
		nonce[23 - i] = (uint8_t)(number >> 8 * i);
	wbuf_bytes(w, op->data, op->len);
	for (i = 0; i < TAG; i++)
		wbuf_u8(w, 0);
	ASSERT(!w->err);
	crypto_aead_xchacha20poly1305_ietf_encrypt(w->data, NULL, w->data,
	    op->len, NULL, 0, NULL, nonce, key);
}

static void
record(const struct rig_op *op, bool ask)
{
	struct witness_end *e = ask ? &witness : &node;
	uint64_t before = e->opened;
	struct witness_answer b;
	struct witness_ask a;
	struct wbuf w;
	bool ok;

	wbuf_init(&w, 1 << 20);
	if ((op->op & 8) != 0)
		seal(e->open, e->opened, op, &w);
	else
		wbuf_bytes(&w, op->data, op->len);
	if (ask) {
		ok = witness_get_ask(e, w.data, w.len, &plain, &a);
		if (ok)
			ASSERT(a.len <= WITNESS_DATA_MAX && a.len <= plain.len);
	} else {
		ok = witness_get_answer(e, w.data, w.len, &plain, &b);
		if (ok)
			ASSERT(b.len <= WITNESS_LOOK_MAX && b.len <= plain.len);
	}
	if ((op->op & 8) == 0)
		ASSERT(!ok && e->opened == before);
	wbuf_free(&w);
}

static void
stream(const struct rig_op *op)
{
	size_t max = op->arg, len, total = 0;
	const uint8_t *body;
	struct frames f;
	int sv[2], rc;

	if (op->len == 0)
		return;
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		   0, sv) == 0);
	frames_init(&f, sv[0], max, 64);
	ASSERT(write(sv[1], op->data, op->len) == (ssize_t)op->len);
	while ((rc = frames_read(&f, &body, &len)) == 1) {
		ASSERT(len <= max);
		total += FRAMES_HEAD + len;
		ASSERT(total <= op->len &&
		    memcmp(body, op->data + total - len, len) == 0);
	}
	ASSERT(rc == -1 && (errno == EAGAIN || errno == EMSGSIZE));
	frames_close(&f);
	close(sv[1]);
}

/* --- the state file ----------------------------------------------------------------- */

static void
state_file(const struct rig_op *op)
{
	static struct witness_blocks b, again;
	char cluster[CONF_NAME_MAX + 1];
	uint8_t sum[32];
	struct wbuf w;

	wbuf_init(&w, WITNESS_FILE_MAX);
	wbuf_bytes(&w, op->data, op->len);
	crypto_generichash(sum, sizeof(sum), op->data, op->len, NULL, 0);
	if ((op->op & 8) != 0)
		wbuf_bytes(&w, sum, sizeof(sum));
	if (witness_blocks_decode(&b, cluster, w.data, w.len)) {
		wbuf_reset(&w);
		witness_blocks_encode(&b, cluster, &w);
		ASSERT(!w.err);
		ASSERT(witness_blocks_decode(&again, cluster, w.data, w.len));
		ASSERT(memcmp(&b, &again, sizeof(b)) == 0);
	} else
		ASSERT(b.uuid[0] == 0 && cluster[0] == '\0');
	wbuf_free(&w);
}

/* --- the desk ------------------------------------------------------------------------- */

static struct {
	struct witness_desk *desk;
	struct witness_blocks blocks;
	uint16_t node[CONNS + 1]; /* of each connection; 0: closed */
	bool waits[CONNS + 1];	  /* for an answer */
	uint32_t req[CONNS + 1];
	unsigned n;
	unsigned latest[NODES + 1]; /* connection that has asked */
	bool storing;
	uint16_t stores;
	uint8_t what;		 /* is being stored */
	uint8_t disk[NODES + 1]; /* what is there; 0: nothing */
	bool sure;
	uint8_t written;
} d;

static void
desk_store(void *arg, uint16_t id, const void *data, size_t len)
{
	ASSERT(!d.storing && (id == 0) == (len == 0) && len <= 1);
	d.storing = true;
	d.stores = id;
	d.what = len == 0 ? 0 : *(const uint8_t *)data;
}

static void
desk_answer(void *arg, uint64_t conn, const struct witness_answer *a)
{
	const uint8_t *p;
	uint8_t seen[NODES + 1] = { 0 };
	struct rbuf r;
	unsigned n;
	uint16_t id;
	size_t len;

	ASSERT(conn <= d.n && d.node[conn] != 0 && d.waits[conn] &&
	    a->req == d.req[conn]);
	ASSERT(d.latest[d.node[conn]] == conn);
	d.waits[conn] = false;
	if (!a->ok)
		return;
	ASSERT(d.sure);
	rbuf_init(&r, a->data, a->len);
	(void)rbuf_take(&r, WITNESS_UUID);
	for (n = rbuf_count(&r, NODES); n > 0; n--) {
		id = rbuf_u16(&r);
		(void)rbuf_u8(&r);
		p = rbuf_blob(&r, &len, 1);
		ASSERT(!r.err && id <= NODES && len == 1);
		seen[id] = *p;
	}
	ASSERT(rbuf_done(&r) && memcmp(seen, d.disk, sizeof(seen)) == 0);
}

static void
desk_close(unsigned conn)
{
	if (d.node[conn] == 0)
		return;
	witness_desk_gone(d.desk, d.node[conn], conn);
	d.node[conn] = 0;
	d.waits[conn] = false;
}

/* With the first ASK of a connection those before it are closed. */
static void
desk_ask(unsigned conn, bool write, bool other)
{
	uint8_t data[WITNESS_UUID + 1] = { 0 };
	struct witness_ask a = { .data = data,
		.len = write ? sizeof(data) : 0,
		.req = ++d.req[conn] };
	uint16_t id = d.node[conn];
	enum witness_bad bad;
	unsigned i;

	if (id == 0)
		return;
	data[0] = other;
	data[WITNESS_UUID] = ++d.written == 0 ? ++d.written : d.written;
	if (d.latest[id] < conn && !d.waits[conn]) {
		for (i = 1; i < conn; i++)
			if (d.node[i] == id)
				desk_close(i);
		d.latest[id] = conn;
	}
	if (d.waits[conn]) {
		d.req[conn]--;
		ASSERT(witness_desk_ask(d.desk, id, conn, &a) == WB_MALFORMED);
		return;
	}
	if (d.latest[id] > conn) {
		ASSERT(witness_desk_ask(d.desk, id, conn, &a) == WB_SUPERSEDED);
		return;
	}
	d.waits[conn] = true;
	bad = witness_desk_ask(d.desk, id, conn, &a);
	ASSERT(bad == WB_OK);
}

static void
desk_stored(bool ok)
{
	if (!d.storing)
		return;
	d.storing = false;
	if (ok && d.stores != 0)
		d.disk[d.stores] = d.what;
	d.sure = ok;
	witness_desk_stored(d.desk, ok, "no");
}

static void
desk_step(uint8_t step)
{
	unsigned conn = d.n == 0 ? 0 : d.n - (step >> 3) % MIN(d.n, 8u);

	switch (step & 7) {
	case 0:
		if (d.n == CONNS)
			break;
		ASSERT(witness_desk_welcome(d.desk) == ++d.n);
		d.node[d.n] = (uint16_t)(1 + (step >> 3) % NODES);
		break;
	case 1:
	case 2:
	case 3:
		if (conn != 0)
			desk_ask(conn, (step & 7) != 1, (step & 7) == 3);
		break;
	case 4:
		if (conn != 0)
			desk_close(conn);
		break;
	case 5:
		desk_stored(false);
		break;
	default:
		desk_stored(true);
		break;
	}
}

static void
desk(const struct rig_op *op)
{
	static const struct witness_desk_ops ops = { .store = desk_store,
		.answer = desk_answer };
	unsigned i;

	memset(&d, 0, sizeof(d));
	d.desk = witness_desk_new(&d.blocks, &ops, NULL);
	ASSERT(d.desk != NULL);
	for (i = 0; i < op->len; i++)
		desk_step(op->data[i]);
	/* Then all is well, and whoever waits has an answer. */
	while (d.storing)
		desk_stored(true);
	for (i = 1; i <= d.n; i++)
		ASSERT(!d.waits[i]);
	witness_desk_free(d.desk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wbuf hello, welcome;
	struct rig_op op;
	struct rbuf in;

	conf.nodes[0].id = 1;
	conf.nodes[1].id = 2;
	memset(&ring, 0, sizeof(ring));
	ring.n = 2;
	ring.k[1].gen = ring.use = ring.last = 1;
	wbuf_init(&plain, WITNESS_ANSWER_MAX);
	rbuf_init(&in, data, len);
	(void)rbuf_u8(&in);
	while (rig_next(&in, &op)) {
		wbuf_init(&hello, 4096);
		wbuf_init(&welcome, 4096);
		handshake(&hello, &welcome);
		switch (op.op & 7) {
		case 0:
			greet(&op, &hello);
			break;
		case 1:
			greeted(&op, &welcome);
			break;
		case 2:
		case 3:
			record(&op, (op.op & 7) == 2);
			break;
		case 4:
			stream(&op);
			break;
		case 5:
			state_file(&op);
			break;
		case 6:
			desk(&op);
			break;
		default:
			break;
		}
		wbuf_free(&hello);
		wbuf_free(&welcome);
	}
	wbuf_free(&plain);
	return 0;
}
