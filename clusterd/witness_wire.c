/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Invariants:
 *   X1  no key seals two records with one nonce: a key belongs to one direction
 *	 of one connection, for it is made of both ends' nonces, and the nonce
 *	 is the number of the record;
 *   X2  the n-th record that is opened is the n-th that was sealed;
 *   X3  of an ASK or an ANSWER nothing is read before it is authentic;
 *   X4  nothing is allocated for more than a body of its kind can have.
 *
 * clusterd-protocol(7), section 6.12.
 */

#include <sodium.h>

#include "witness_wire.h"

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN	  crypto_aead_xchacha20poly1305_ietf_ABYTES
#define MAC_LEN	  32

_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32,
    "keys of a direction have 32 bytes");

static const uint8_t magic[4] = { 'c', 'l', 'w', 't' };
static const uint8_t purpose[16] = "clusterd witness";

enum kind {
	KIND_HELLO = 1,
	KIND_WELCOME,
	KIND_REFUSE,
	/* inside of records */
	KIND_ASK = 16,
	KIND_ANSWER
};

/* What is made of a cluster key. */
enum use {
	USE_HELLO = 1, /* the proof of a node */
	USE_WELCOME,   /* the proof of the witness */
	USE_ASK,       /* seals what a node says */
	USE_ANSWER     /* seals what the witness says */
};

const char *
witness_bad_name(enum witness_bad bad)
{
	static const char *const names[WITNESS_BADS] = { "fine", "malformed",
		"another version", "another cluster", "no such key",
		"another key", "no such node", "not authentic", "superseded",
		"too slow", "too many" };

	return (unsigned)bad < WITNESS_BADS ? names[bad] : "unknown";
}

/* --- frames --------------------------------------------------------------------- */

static size_t
begin(struct wbuf *out)
{
	wbuf_u32(out, 0);
	return out->len;
}

static void
end(struct wbuf *out, size_t at)
{
	if (!out->err)
		wbuf_set_u32(out, at - WITNESS_HEAD, (uint32_t)(out->len - at));
}

static void
put_head(struct wbuf *out, enum kind kind)
{
	wbuf_bytes(out, magic, sizeof(magic));
	wbuf_u8(out, WITNESS_VERSION);
	wbuf_u8(out, (uint8_t)kind);
}

/* The version first: what follows is known only of our own. */
static enum witness_bad
get_head(struct rbuf *r, uint8_t *version, uint8_t *kind)
{
	uint8_t m[sizeof(magic)];

	rbuf_bytes(r, m, sizeof(m));
	*version = rbuf_u8(r);
	*kind = rbuf_u8(r);
	if (r->err || memcmp(m, magic, sizeof(m)) != 0)
		return WB_MALFORMED;
	return *version == WITNESS_VERSION ? WB_OK : WB_VERSION;
}

/* --- keys ------------------------------------------------------------------------ */

/* Of a key of the cluster, its name, and what both ends have said so far. */
static void
derive(uint8_t out[32], const uint8_t key[KEYRING_KEY_LEN], enum use use,
    const char *cluster, const struct rbuf *hello, const struct rbuf *welcome)
{
	crypto_generichash_state st;
	uint8_t head[2] = { (uint8_t)use, (uint8_t)strlen(cluster) };

	crypto_generichash_init(&st, key, KEYRING_KEY_LEN, 32);
	crypto_generichash_update(&st, purpose, sizeof(purpose));
	crypto_generichash_update(&st, head, sizeof(head));
	crypto_generichash_update(&st, (const uint8_t *)cluster, head[1]);
	/* A HELLO tells where it ends. */
	crypto_generichash_update(&st, hello->data, hello->len);
	if (welcome != NULL)
		crypto_generichash_update(&st, welcome->data, welcome->len);
	crypto_generichash_final(&st, out, 32);
	sodium_memzero(&st, sizeof(st));
}

void
witness_forget(struct witness_end *e)
{
	sodium_memzero(e, sizeof(*e));
}

/* --- the handshake ---------------------------------------------------------------- */

static void
put_proof(struct wbuf *out, const struct keyring_key *k, const char *cluster,
    const struct rbuf *said)
{
	uint8_t mac[MAC_LEN];

	derive(mac, k->key, USE_HELLO, cluster, said, NULL);
	wbuf_u8(out, k->gen);
	wbuf_bytes(out, mac, sizeof(mac));
}

/* The one in use first: the witness takes the first that it has. */
void
witness_hello(struct witness_end *e, const char *cluster,
    const struct keyring *ring, uint16_t node,
    const uint8_t nonce[WITNESS_NONCE], struct wbuf *out)
{
	size_t at = begin(out);
	struct rbuf said;
	struct wbuf w;
	unsigned i;

	memset(e, 0, sizeof(*e));
	e->node = node;
	wbuf_init(&w, WITNESS_HELLO_MAX);
	put_head(&w, KIND_HELLO);
	wbuf_u16(&w, node);
	wbuf_u32(&w, WITNESS_FEATURES);
	wbuf_str(&w, cluster);
	wbuf_bytes(&w, nonce, WITNESS_NONCE);
	wbuf_u8(&w, (uint8_t)ring->n);
	wbuf_bytes(out, w.data, w.len);
	rbuf_init(&said, w.data, w.len);
	for (i = 0; i < ring->n; i++)
		if (ring->k[i].gen == ring->use)
			put_proof(out, &ring->k[i], cluster, &said);
	for (i = 0; i < ring->n; i++)
		if (ring->k[i].gen != ring->use)
			put_proof(out, &ring->k[i], cluster, &said);
	wbuf_free(&w);
	end(out, at);
	if (!out->err) {
		e->hello_len = out->len - at;
		ASSERT(e->hello_len <= WITNESS_HELLO_MAX);
		memcpy(e->hello, out->data + at, e->hello_len);
	}
}

struct hello {
	uint32_t features;
	char cluster[CONF_NAME_MAX + 1];
	struct rbuf said; /* all before the proofs */
	unsigned n;
	struct keyring_key proof[KEYRING_MAX]; /* and their generations */
};

static enum witness_bad
get_hello(struct witness_end *e, struct hello *h, const uint8_t *body,
    size_t len)
{
	uint8_t nonce[WITNESS_NONCE], version, kind;
	enum witness_bad bad;
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, body, len);
	bad = get_head(&r, &version, &kind);
	if (bad != WB_OK)
		return bad;
	e->node = rbuf_u16(&r);
	h->features = rbuf_u32(&r);
	rbuf_str(&r, h->cluster, sizeof(h->cluster));
	rbuf_bytes(&r, nonce, sizeof(nonce));
	h->n = rbuf_u8(&r);
	if (r.err || kind != KIND_HELLO || h->n < 1 || h->n > KEYRING_MAX ||
	    !conf_cluster_ok(h->cluster))
		return WB_MALFORMED;
	rbuf_init(&h->said, body, r.off);
	for (i = 0; i < h->n; i++) {
		h->proof[i].gen = rbuf_u8(&r);
		rbuf_bytes(&r, h->proof[i].key, MAC_LEN);
	}
	return rbuf_done(&r) ? WB_OK : WB_MALFORMED;
}

/* The first key of theirs that we have, too; NULL: see bad. */
static const uint8_t *
shared_key(const struct hello *h, const struct keyring *ring, uint8_t *gen,
    enum witness_bad *bad)
{
	uint8_t mac[MAC_LEN];
	const uint8_t *key;
	unsigned i;

	*bad = WB_NO_KEY;
	for (i = 0; i < h->n; i++) {
		key = keyring_find(ring, h->proof[i].gen);
		if (key == NULL)
			continue;
		derive(mac, key, USE_HELLO, h->cluster, &h->said, NULL);
		if (sodium_memcmp(mac, h->proof[i].key, sizeof(mac)) == 0) {
			*gen = h->proof[i].gen;
			*bad = WB_OK;
			return key;
		}
		*bad = WB_OTHER_KEY;
	}
	return NULL;
}

static enum witness_bad
put_refuse(enum witness_bad bad, const struct keyring *ring, struct wbuf *out)
{
	size_t at = begin(out);
	unsigned i;

	put_head(out, KIND_REFUSE);
	wbuf_u8(out, (uint8_t)bad);
	wbuf_u8(out, (uint8_t)ring->n);
	for (i = 0; i < ring->n; i++)
		wbuf_u8(out, ring->k[i].gen);
	end(out, at);
	return bad;
}

static void
put_welcome(struct witness_end *e, const uint8_t *key, const char *cluster,
    const uint8_t nonce[WITNESS_NONCE], const struct rbuf *hello,
    struct wbuf *out)
{
	uint8_t mac[MAC_LEN];
	struct rbuf welcome;
	size_t at = begin(out);

	put_head(out, KIND_WELCOME);
	wbuf_u8(out, e->gen);
	wbuf_u32(out, e->features);
	wbuf_bytes(out, nonce, WITNESS_NONCE);
	if (out->err)
		return;
	rbuf_init(&welcome, out->data + at, out->len - at);
	derive(mac, key, USE_WELCOME, cluster, hello, &welcome);
	derive(e->open, key, USE_ASK, cluster, hello, &welcome);
	derive(e->seal, key, USE_ANSWER, cluster, hello, &welcome);
	wbuf_bytes(out, mac, sizeof(mac));
	end(out, at);
}

enum witness_bad
witness_greet(struct witness_end *e, const struct conf *conf,
    const struct keyring *ring, const uint8_t nonce[WITNESS_NONCE],
    const uint8_t *body, size_t len, struct wbuf *out)
{
	enum witness_bad bad;
	const uint8_t *key;
	struct rbuf hello;
	struct hello h;

	memset(e, 0, sizeof(*e));
	memset(&h, 0, sizeof(h));
	bad = get_hello(e, &h, body, len);
	if (bad != WB_OK)
		return put_refuse(bad, ring, out);
	if (strcmp(h.cluster, conf->cluster) != 0)
		return put_refuse(WB_CLUSTER, ring, out);
	key = shared_key(&h, ring, &e->gen, &bad);
	if (key == NULL)
		return put_refuse(bad, ring, out);
	if (conf_node(conf, e->node) == NULL || e->node > WITNESS_BLOCKS)
		return put_refuse(WB_NODE, ring, out);
	e->features = h.features & WITNESS_FEATURES;
	rbuf_init(&hello, body, len);
	put_welcome(e, key, h.cluster, nonce, &hello, out);
	return out->err ? WB_FULL : WB_OK;
}

static enum witness_bad
get_refuse(struct rbuf *in, struct witness_refusal *r)
{
	unsigned i, why = rbuf_u8(in), n = rbuf_u8(in);

	if (in->err || why <= WB_OK || why > WB_NODE || n > KEYRING_MAX)
		return WB_MALFORMED;
	for (i = 0; i < n; i++)
		r->gen[i] = rbuf_u8(in);
	if (!rbuf_done(in))
		return WB_MALFORMED;
	r->n = n;
	r->why = (enum witness_bad)why;
	return r->why;
}

enum witness_bad
witness_greeted(struct witness_end *e, const char *cluster,
    const struct keyring *ring, const uint8_t *body, size_t len,
    struct witness_refusal *refusal)
{
	uint8_t mac[MAC_LEN], want[MAC_LEN], kind;
	struct rbuf r, hello, welcome;
	enum witness_bad bad;
	const uint8_t *key;

	memset(refusal, 0, sizeof(*refusal));
	rbuf_init(&r, body, len);
	bad = get_head(&r, &refusal->version, &kind);
	if (bad != WB_OK)
		return bad;
	if (kind == KIND_REFUSE)
		return get_refuse(&r, refusal);
	e->gen = rbuf_u8(&r);
	e->features = rbuf_u32(&r);
	(void)rbuf_take(&r, WITNESS_NONCE);
	if (r.err || kind != KIND_WELCOME)
		return WB_MALFORMED;
	rbuf_init(&welcome, body, r.off);
	rbuf_bytes(&r, mac, sizeof(mac));
	key = keyring_find(ring, e->gen);
	if (!rbuf_done(&r) || key == NULL)
		return WB_MALFORMED;
	rbuf_init(&hello, e->hello, e->hello_len);
	derive(want, key, USE_WELCOME, cluster, &hello, &welcome);
	if (sodium_memcmp(mac, want, sizeof(mac)) != 0)
		return WB_OTHER_KEY;
	derive(e->seal, key, USE_ASK, cluster, &hello, &welcome);
	derive(e->open, key, USE_ANSWER, cluster, &hello, &welcome);
	return WB_OK;
}

/* --- records ------------------------------------------------------------------------ */

static void
make_nonce(uint8_t nonce[NONCE_LEN], uint64_t number)
{
	unsigned i;

	memset(nonce, 0, NONCE_LEN);
	for (i = 0; i < 8; i++)
		nonce[NONCE_LEN - 1 - i] = (uint8_t)(number >> 8 * i);
}

/* Takes the place of the plain text, which has been written from at on. */
static void
seal(struct witness_end *e, struct wbuf *out, size_t at)
{
	static const uint8_t room[TAG_LEN];
	uint8_t nonce[NONCE_LEN];
	size_t len = out->len - at;

	wbuf_bytes(out, room, sizeof(room));
	if (out->err)
		return;
	make_nonce(nonce, e->sealed++); /* X1 */
	crypto_aead_xchacha20poly1305_ietf_encrypt(out->data + at, NULL,
	    out->data + at, len, NULL, 0, NULL, nonce, e->seal);
	end(out, at);
}

static bool
unseal(struct witness_end *e, const uint8_t *body, size_t len, size_t max,
    struct wbuf *plain)
{
	uint8_t nonce[NONCE_LEN];

	wbuf_reset(plain);
	if (len < TAG_LEN || len > max) /* X4 */
		return false;
	wbuf_bytes(plain, body, len - TAG_LEN);
	if (plain->err)
		return false;
	make_nonce(nonce, e->opened); /* X2 */
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain->data, NULL, NULL,
		body, len, NULL, 0, nonce, e->open) != 0) {
		wbuf_reset(plain);
		return false;
	}
	e->opened++;
	return true;
}

void
witness_put_ask(struct witness_end *e, const struct witness_ask *a,
    struct wbuf *out)
{
	size_t at = begin(out);

	ASSERT(a->len <= WITNESS_DATA_MAX);
	wbuf_u8(out, KIND_ASK);
	wbuf_u32(out, a->req);
	wbuf_blob(out, a->data, a->len);
	seal(e, out, at);
}

void
witness_put_answer(struct witness_end *e, const struct witness_answer *a,
    struct wbuf *out)
{
	size_t at = begin(out);

	ASSERT(a->len <= WITNESS_LOOK_MAX);
	wbuf_u8(out, KIND_ANSWER);
	wbuf_u32(out, a->req);
	wbuf_u8(out, a->ok);
	wbuf_blob(out, a->data, a->len);
	seal(e, out, at);
}

bool
witness_get_ask(struct witness_end *e, const uint8_t *body, size_t len,
    struct wbuf *plain, struct witness_ask *a)
{
	struct rbuf r;

	memset(a, 0, sizeof(*a));
	if (!unseal(e, body, len, WITNESS_ASK_MAX, plain))
		return false;
	rbuf_init(&r, plain->data, plain->len);
	if (rbuf_u8(&r) != KIND_ASK)
		return false;
	a->req = rbuf_u32(&r);
	a->data = rbuf_blob(&r, &a->len, WITNESS_DATA_MAX);
	/* A uuid alone would be a block of no bytes. */
	return rbuf_done(&r) && (a->len == 0 || a->len > WITNESS_UUID);
}

bool
witness_get_answer(struct witness_end *e, const uint8_t *body, size_t len,
    struct wbuf *plain, struct witness_answer *a)
{
	struct rbuf r;
	uint8_t ok;

	memset(a, 0, sizeof(*a));
	if (!unseal(e, body, len, WITNESS_ANSWER_MAX, plain))
		return false;
	rbuf_init(&r, plain->data, plain->len);
	if (rbuf_u8(&r) != KIND_ANSWER)
		return false;
	a->req = rbuf_u32(&r);
	ok = rbuf_u8(&r);
	a->ok = ok == 1;
	a->data = rbuf_blob(&r, &a->len, WITNESS_LOOK_MAX);
	return rbuf_done(&r) && ok <= 1;
}
