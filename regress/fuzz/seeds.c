/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * seeds FOLDER FILE ...: writes the first inputs of targets.  For those of the
 * core they are what real nodes say: the cluster of rig.c runs, its datagrams
 * are opened, and each message becomes an input of its own.  Everything is
 * deterministic, so epochs and numbers in it fit the cluster that a target
 * makes.  The files are configurations, which are encoded.
 */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>

#include "core/device.h"
#include "core/link_int.h"
#include "core/order_internal.h"
#include "rig.h"

#define SEED_MAX 4096
#define PER_KIND 2  /* inputs of one kind of message in one scene */
#define RULER	 50 /* a client that may give commands */

static const char *base;

static void
save(const char *target, const char *name, const struct wbuf *w)
{
	char path[512];
	FILE *f;

	if (w->len > SEED_MAX || w->err)
		return;
	snprintf(path, sizeof(path), "%s/%s", base, target);
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		err(1, "%s", path);
	snprintf(path, sizeof(path), "%s/%s/seed-%s", base, target, name);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(w->data, 1, w->len, f) != w->len ||
	    fclose(f) != 0)
		err(1, "%s", path);
}

/* What one node says to another in one scene. */
struct tap {
	unsigned scene;
	bool on; /* from when the scene is set */
	uint16_t from, to;
	struct seal_key key;
	uint64_t nonce; /* of the session that stream follows */
	struct stream *stream;
	uint8_t kinds[256][256]; /* seen, by frames or by channel and type */
	struct wbuf whole;	 /* everything, as one input */
};

static void
save_op(const struct tap *t, const char *target, const char *kind, unsigned no,
    uint8_t op, const void *data, size_t len)
{
	char name[128];
	struct wbuf w;

	snprintf(name, sizeof(name), "%02x-%s-%u", t->scene, kind, no);
	wbuf_init(&w, 1 << 20);
	wbuf_u8(&w, (uint8_t)t->scene);
	if (len <= UINT16_MAX)
		rig_put(&w, op, 0, data, len);
	save(target, name, &w);
	wbuf_free(&w);
}

static void
ordered(struct tap *t, const uint8_t *data, size_t len)
{
	static unsigned no;
	struct rbuf r;
	struct omsg *m;
	char kind[32];
	uint8_t type;

	rbuf_init(&r, data, len);
	type = rbuf_u8(&r);
	(void)rbuf_u64(&r);
	if (type == OM_ACK)
		return;
	if (type == OM_SEQ)
		(void)rbuf_u64(&r);
	while ((m = omsg_get(&r)) != NULL) {
		if (m->kind == OK_MSG && m->len > 0 &&
		    t->kinds[0x40 + m->service][m->data[0]]++ < PER_KIND) {
			snprintf(kind, sizeof(kind), "svc%u-%u", m->service,
			    m->data[0]);
			save_op(t, "ordered", kind, no++, (uint8_t)m->service,
			    m->data, m->len);
		}
		free(m);
	}
}

static void
message(struct tap *t, uint8_t chan, const uint8_t *data, size_t len)
{
	static unsigned no;
	uint8_t op = t->from == 3 ? 8 + chan : chan;
	char kind[32];

	if (!t->on || len == 0 || len > UINT16_MAX)
		return;
	if (t->whole.len + len + 8 < SEED_MAX) {
		rig_put(&t->whole, op, 0, data, len);
		rig_put(&t->whole, 0, 0, "", 0);
	}
	if (chan == CHAN_ORDER)
		ordered(t, data, len);
	if (t->kinds[chan][data[0]]++ >= PER_KIND)
		return;
	snprintf(kind, sizeof(kind), "chan%u-%u", chan, data[0]);
	save_op(t, "peer", kind, no++, op, data, len);
}

static void
frames(struct tap *t, struct rbuf *r, const struct wire_preamble *pre)
{
	unsigned no = t->on, set = 0;
	const uint8_t *start = r->data + r->off, *data;
	struct wire_data d;
	struct rbuf body;
	uint8_t type, chan;
	size_t len, n = rbuf_left(r);
	char kind[32];

	if (pre->nonce != t->nonce)
		stream_reset(t->stream);
	t->nonce = pre->nonce;
	while (wire_next(r, &type, &body)) {
		set |= 1u << type;
		if (type != WF_DATA || !wire_get_data(&body, &d))
			continue;
		(void)stream_data(t->stream, &d, 0);
		while (stream_next(t->stream, &chan, &data, &len))
			message(t, chan, data, len);
	}
	if (t->from == 3 || t->kinds[no][set & 0xff]++ > 0)
		return;
	snprintf(kind, sizeof(kind), "frames%02x", set);
	save_op(t, "datagram", kind, no, 2, start, n);
}

static void
sniff(void *arg, const struct rig_packet *p)
{
	struct tap *t = arg;
	uint8_t plain[WIRE_PLAIN_MAX];
	struct wire_preamble pre;
	struct wire_header h;
	struct rbuf r;

	if (p->from != t->from || p->to != t->to)
		return;
	rbuf_init(&r, p->data, p->len);
	/* What is sealed with a new key is of no new kind. */
	if (!wire_get_header(&r, &h))
		errx(1, "a datagram of our own has no header");
	if (h.keyid != 0)
		return;
	if (!seal_open(&t->key, h.to, h.counter, p->data, WIRE_HEADER_LEN,
		p->data + WIRE_HEADER_LEN, p->len - WIRE_HEADER_LEN, plain))
		errx(1, "a datagram of our own does not open");
	if (t->kinds[0x80][0]++ == 0)
		save_op(t, "datagram", "raw", t->from, 0, p->data, p->len);
	rbuf_init(&r, plain, p->len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	wire_get_preamble(&r, &pre);
	if (t->from == 3 && t->kinds[0x80][1]++ == 0)
		save_op(t, "datagram", "unknown", 0, 5, plain,
		    p->len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	frames(t, &r, &pre);
}

/* What busy() has the clients of rig.c do. */
static const struct {
	uint64_t client;
	uint32_t type;
	uint8_t len, data[40];
} uses[] = { { 2, M_CONVERT, 14, { 0, 0, 0, 1, 0, 0, 0, 1, 5, 0, 0, 0, 4, 0 } },
	{ 2, M_LOCK, 22,
	    { 0, 0, 0, 1, 0, 0, 0, 9, 5, 0, 0, 0, 0, 0, 0, 0, 5, 'o', 't', 'h',
		'e', 'r' } },
	{ 2, M_CANCEL, 8, { 0, 0, 0, 1, 0, 0, 0, 1 } },
	{ 2, M_UNLOCK, 13, { 0, 0, 0, 1, 0, 0, 0, 2 } },
	{ 1, M_GROUP_SEND, 10, { 0, 0, 0, 1, 0, 0, 0, 2, 'h', 'i' } },
	{ 2, M_LS_LEAVE, 4, { 0, 0, 0, 1 } },
	{ 1, M_GROUP_LEAVE, 4, { 0, 0, 0, 1 } },
	/* The first piece for node 2, then the last one. */
	{ 3, M_GROUP_GIVE, 25,
	    "\0\0\0\2\0\2\0\0\0\0\0\0\0\3"
	    "\0\0\0\1\0\0\0\0\2ab" },
	{ 3, M_GROUP_GIVE, 25,
	    "\0\0\0\2\0\2\0\0\0\0\0\0\0\3"
	    "\0\0\0\1\1\0\0\0\2cd" },
	{ 3, M_GROUP_SEND, 11, "\0\0\0\2\0\0\0\2hi\1" },
	{ 3, M_EVENT_PUBLISH, 13, "\0\0\2ch\0\1u\0\0\0\1e" },
	{ 3, M_LEVEL_DONE, 13, "\0\0\0\1\0\0\0\0\0\0\0\2\1" },
	{ 3, M_GROUP_JOIN, 8, "\0\0\0\3\0\1t\1" },
	{ 3, M_LEVEL_REGISTER, 9, "\0\0\0\2\1\0\2lv" },
	{ 3, M_LEVEL_UNREGISTER, 4, "\0\0\0\1" },
	{ 3, M_BARRIER_ENTER, 5, "\0\1\0\1c" },
	{ 3, M_BARRIER_LEAVE, 3, "\0\1b" }, { 3, M_KV_GET, 5, "\0\0\2k1" },
	{ 3, M_KV_PUT, 17, "\1\0\0\0\0\0\0\0\0\0\1z\0\0\0\1v" },
	{ 3, M_KV_DELETE, 12, "\0\0\0\0\0\0\0\0\0\0\1z" },
	{ 3, M_DGRAM_SEND, 9, "\0\0\7\0\0\0\2hi" },
	{ 3, M_DGRAM_SEND, 9, "\0\0\10\0\0\0\2hi" } };

/*
 * The clients of rig.c on a node do what they have not done yet; where they
 * use services, an administrator has orders, too.
 */
static void
busy(struct rig *r, uint16_t id, unsigned scene)
{
	static const struct {
		const char *cmd, *arg;
	} orders[] = { { "quorum-expected", "3" },
		{ "quorum-votes", "node3 2" },
		{ "quorum-set", "tie_breaker node2 node1" },
		{ "quorum-reset", "" }, { "key-add", "" }, { "key-abort", "" },
		{ "key-add", "" }, { "key-use", "" } };

	struct event gone = { .type = EV_CLIENT_CLOSE, .client = 3 };
	struct wbuf w;
	unsigned i;

	for (i = 0; i < NITEMS(uses); i++) {
		rig_request(r, id, uses[i].client, uses[i].type, uses[i].data,
		    uses[i].len);
		rig_run(r, 20 * RIG_MS);
	}
	/* Who has ordered anything goes in the order, too. */
	rig_step(r, id, &gone);
	rig_run(r, 20 * RIG_MS);
	if ((scene & RIG_SERVICES) == 0)
		return;
	rig_client(r, id, RULER, RIGHT_ADMIN);
	for (i = 0; i < NITEMS(orders); i++) {
		wbuf_init(&w, 64);
		wbuf_str(&w, orders[i].cmd);
		wbuf_str(&w, orders[i].arg);
		rig_request(r, id, RULER, M_COMMAND, w.data, w.len);
		wbuf_free(&w);
		rig_run(r, 200 * RIG_MS);
	}
}

static void
snapshots(const struct tap *t, struct rig *r)
{
	/* Sealed with a new key, so sniff() does not see them. */
	static const uint8_t drop[15] = { 3, [14] = 1 };
	static const uint8_t quiet[18] = { 6, [13] = 2, [17] = 6 };
	struct wbuf w;
	unsigned svc;

	save_op(t, "ordered", "drop", 0, SVC_KEYS, drop, sizeof(drop));
	save_op(t, "ordered", "quiet", 0, SVC_KEYS, quiet, sizeof(quiet));

	for (svc = SVC_FENCE; svc < SVC_MAX; svc++) {
		if ((SVC_SNAPS & 1u << svc) == 0)
			continue;
		wbuf_init(&w, 1 << 20);
		rig_snapshot(r, r->victim, (enum service)svc, &w);
		save_op(t, "ordered", "snap", svc, (uint8_t)(16 + svc), w.data,
		    w.len);
		wbuf_free(&w);
	}
}

/* One scene: what from says to the victim from when it is set. */
static void
scene(unsigned number, uint16_t from)
{
	static struct tap t;
	struct event stop = { .type = EV_STOP };
	struct rig *r;
	char name[64];

	memset(&t, 0, sizeof(t));
	t.scene = number;
	t.to = number & RIG_VICTIM_LEADS ? 1 : 2;
	t.from = from != 0 ? from : (uint16_t)(3 - t.to);
	t.stream = stream_new();
	seal_derive(&t.key, rig_key, SEAL_ENGINE, t.from, rig_inc(t.from));
	wbuf_init(&t.whole, SEED_MAX);
	wbuf_u8(&t.whole, (uint8_t)number);
	r = rig_new_sniffed(number, sniff, &t);
	t.on = true;
	rig_run(r, 100 * RIG_MS);
	snapshots(&t, r);
	busy(r, t.from, number);
	busy(r, t.to, number);
	rig_run(r, 3000 * RIG_MS);
	rig_step(r, t.from, &stop);
	rig_run(r, 2000 * RIG_MS);
	snprintf(name, sizeof(name), "%02x-whole-%u", number, t.from);
	save("peer", name, &t.whole);
	wbuf_free(&t.whole);
	stream_free(t.stream);
	rig_free(r);
}

/* What clients() writes. */
static const struct {
	const char *name;
	uint32_t type;
	uint8_t len, data[40];
} requests[] = { { "status", M_SHOW, 10, "\0\6status\0\0" },
	{ "nodes", M_SHOW, 9, "\0\5nodes\0\0" },
	{ "links", M_SHOW, 9, "\0\5links\0\0" },
	{ "quorum", M_SHOW, 10, "\0\6quorum\0\0" },
	{ "lockspaces", M_SHOW, 14, "\0\12lockspaces\0\0" },
	{ "locks", M_SHOW, 11, "\0\5locks\0\2ls" },
	{ "fence", M_SHOW, 9, "\0\5fence\0\0" },
	{ "fs", M_SHOW, 6, "\0\2fs\0\0" },
	{ "events", M_SHOW, 10, "\0\6events\0\0" },
	{ "groups", M_SHOW, 10, "\0\6groups\0\0" },
	{ "fence-node", M_COMMAND, 14, "\0\5fence\0\5node3" },
	{ "confirm", M_COMMAND, 22, "\0\15fence-confirm\0\5node3" },
	{ "leave", M_COMMAND, 19, "\0\12node-leave\0\5node1" },
	{ "watch", M_WATCH_VIEWS, 0, "" },
	{ "join", M_GROUP_JOIN, 7, "\0\0\0\1\0\1g" },
	{ "send", M_GROUP_SEND, 10, "\0\0\0\1\0\0\0\2hi" },
	{ "left", M_GROUP_LEAVE, 4, "\0\0\0\1" },
	{ "ls", M_LS_JOIN, 9, "\0\0\0\1\40\0\2ls" },
	{ "lock", M_LOCK, 21, "\0\0\0\1\0\0\0\1\5\0\0\0\10\0\0\0\4name" },
	{ "convert", M_CONVERT, 14, "\0\0\0\1\0\0\0\1\3\0\0\0\4\0" },
	{ "unlock", M_UNLOCK, 13, "\0\0\0\1\0\0\0\1\0\0\0\0\0" },
	{ "cancel", M_CANCEL, 8, "\0\0\0\1\0\0\0\1" },
	{ "lsleave", M_LS_LEAVE, 4, "\0\0\0\1" },
	{ "mount", M_MOUNT, 14, "\0\0\0\7\0\2fs\0\4/mnt" },
	{ "says", M_MOUNT_SAYS, 7, "\0\5hello" },
	{ "channels", M_SHOW, 12, "\0\10channels\0\0" },
	{ "levels", M_SHOW, 10, "\0\6levels\0\0" },
	{ "barriers", M_SHOW, 12, "\0\10barriers\0\0" },
	{ "kv", M_SHOW, 6, "\0\2kv\0\0" },
	{ "ports", M_SHOW, 9, "\0\5ports\0\0" },
	{ "expected", M_COMMAND, 20,
	    "\0\17quorum-expected\0\1"
	    "3" },
	{ "votes", M_COMMAND, 23, "\0\14quorum-votes\0\7node3 2" },
	{ "reset", M_COMMAND, 16, "\0\14quorum-reset\0\0" },
	{ "setbool", M_COMMAND, 28, "\0\12quorum-set\0\16downscale true" },
	{ "settie", M_COMMAND, 37,
	    "\0\12quorum-set\0\27tie_breaker node2 node1" },
	{ "unblock", M_COMMAND, 18, "\0\16quorum-unblock\0\0" },
	{ "override", M_COMMAND, 19, "\0\17quorum-override\0\0" },
	{ "joinstate", M_GROUP_JOIN, 8, "\0\0\0\2\0\1s\1" },
	{ "give", M_GROUP_GIVE, 25,
	    "\0\0\0\2\0\2\0\0\0\0\0\0\0\3\0\0\0\1\1\0\0\0\2ab" },
	{ "safe", M_GROUP_SEND, 11, "\0\0\0\2\0\0\0\2hi\1" },
	{ "subscribe", M_EVENT_SUBSCRIBE, 11, "\0\0\0\1\0\0\2ch\0\0" },
	{ "publish", M_EVENT_PUBLISH, 13, "\1\0\2ch\0\1t\0\0\0\1e" },
	{ "clear", M_EVENT_PUBLISH, 12, "\1\0\2ch\0\1t\0\0\0\0" },
	{ "unsubscribe", M_EVENT_UNSUBSCRIBE, 4, "\0\0\0\1" },
	{ "level", M_LEVEL_REGISTER, 9, "\0\0\0\1\2\0\2lv" },
	{ "done", M_LEVEL_DONE, 13, "\0\0\0\1\0\0\0\0\0\0\0\2\1" },
	{ "unregister", M_LEVEL_UNREGISTER, 4, "\0\0\0\1" },
	{ "enter", M_BARRIER_ENTER, 5, "\0\2\0\1b" },
	{ "exit", M_BARRIER_LEAVE, 3, "\0\1b" },
	{ "kvwatch", M_KV_WATCH, 8, "\0\0\0\1\0\0\1k" },
	{ "once", M_KV_WATCH, 8, "\0\0\0\2\1\0\1k" },
	{ "put", M_KV_PUT, 18, "\2\0\0\0\0\0\0\0\0\0\2k1\0\0\0\1v" },
	{ "create", M_KV_PUT, 18, "\1\0\0\0\0\0\0\0\0\0\2k9\0\0\0\1v" },
	{ "get", M_KV_GET, 5, "\0\0\2k1" },
	{ "getlocal", M_KV_GET, 5, "\1\0\2k1" },
	{ "delete", M_KV_DELETE, 13, "\0\0\0\0\0\0\0\0\0\0\2k1" },
	{ "unwatch", M_KV_UNWATCH, 4, "\0\0\0\1" },
	{ "open", M_DGRAM_OPEN, 1, "\10" },
	{ "dgram", M_DGRAM_SEND, 9, "\0\0\10\0\0\0\2hi" },
	{ "dgramto", M_DGRAM_SEND, 9, "\0\1\7\0\0\0\2hi" },
	{ "close", M_DGRAM_CLOSE, 1, "\10" } };

/* One request of each kind, from a client that may do everything. */
static void
clients(void)
{
	struct wbuf w, all;
	unsigned i;

	wbuf_init(&w, SEED_MAX);
	wbuf_init(&all, SEED_MAX);
	wbuf_u8(&all, RIG_THIRD);
	rig_put(&all, 0, 0xf0, "", 0);
	for (i = 0; i < NITEMS(requests); i++) {
		wbuf_reset(&w);
		wbuf_u8(&w, RIG_LOCKS | RIG_GROUPS | RIG_SERVICES);
		rig_put(&w, 0, 0xf0, "", 0);
		rig_put(&w, 4, (uint8_t)((requests[i].type - M_HELLO) << 3),
		    requests[i].data, requests[i].len);
		save("client", requests[i].name, &w);
		rig_put(&all, 4, (uint8_t)((requests[i].type - M_HELLO) << 3),
		    requests[i].data, requests[i].len);
		rig_put(&all, 2, 0, "0123456789", 10);
	}
	rig_put(&all, 1, 0, "", 0);
	save("client", "all", &all);
	wbuf_free(&w);
	wbuf_free(&all);
}

/* What a beat process says, which no node does. */
static void
beats(void)
{
	const struct wire_stall stall = { 700000 };
	const struct wire_dead dead = { WE_SIGNAL, 9 };
	static struct tap t;
	struct wbuf w;

	wbuf_init(&w, 256);
	wire_put_stall(&w, &stall);
	save_op(&t, "datagram", "stall", 0, 4, w.data, w.len);
	wire_put_dead(&w, &dead);
	save_op(&t, "datagram", "dead", 0, 4, w.data, w.len);
	wbuf_reset(&w);
	wbuf_u8(&w, CHAN_DLM);
	wbuf_u32(&w, 3);
	wbuf_bytes(&w, "abc", 3);
	save_op(&t, "datagram", "segment", 0, 3, w.data, w.len);
	wbuf_free(&w);
}

/* To be passed on, and passed on; what is inside nobody has sealed. */
static void
relays(void)
{
	static const uint8_t inner[60] = "clusterd";
	const struct wire_relay f = { 3, inner, sizeof(inner) };
	static struct tap t;
	struct wbuf w;

	wbuf_init(&w, 256);
	wire_put_relay(&w, WF_RELAY, &f);
	save_op(&t, "datagram", "relay", 0, 2, w.data, w.len);
	wbuf_reset(&w);
	wire_put_relay(&w, WF_RELAYED, &f);
	save_op(&t, "datagram", "relayed", 0, 2, w.data, w.len);
	wbuf_free(&w);
}

static void
configuration(const char *path)
{
	static struct conf_errors errs;
	const char *name = strrchr(path, '/');
	struct conf *c;
	struct wbuf w;
	char *text;
	size_t len;

	c = conf_load(path, &errs, &text, &len);
	if (c == NULL)
		errx(1, "%s is no configuration", path);
	wbuf_init(&w, 1 << 20);
	conf_encode(c, true, &w);
	save("confmsg", name == NULL ? path : name + 1, &w);
	wbuf_free(&w);
	conf_free(c);
	free(text);
}

/* A slot of the durable state with its checksum, which the target makes. */
static void
state(void)
{
	struct member_stored s = { .epoch = 20,
		.prim_epoch = 17,
		.prim_leader = 1,
		.n = 2,
		.whole = true,
		.since = { 3, 1 } };
	struct keyring ring = { .n = 2, .use = 7, .last = 9 };
	struct wbuf blob, slot, w;
	unsigned i;

	ring.k[0].gen = 7;
	ring.k[1].gen = 8;
	for (i = 0; i < s.n; i++) {
		s.members[i].node = (uint16_t)(i + 1);
		s.members[i].inc = rig_inc((uint16_t)(i + 1));
		s.members[i].victim = i == 1;
	}
	wbuf_init(&blob, SEED_MAX);
	wbuf_init(&slot, SEED_MAX);
	wbuf_init(&w, SEED_MAX);
	member_stored_encode(&s, &blob);
	wbuf_u8(&w, 1);
	rig_put(&w, 0, 0, blob.data, blob.len);
	save("store", "blob", &w);
	wbuf_bytes(&slot, "clstate\n", 8);
	wbuf_u32(&slot, 1);
	wbuf_u64(&slot, 3);
	wbuf_u64(&slot, rig_inc(1));
	wbuf_blob(&slot, blob.data, blob.len);
	wbuf_reset(&w);
	wbuf_u8(&w, 0);
	rig_put(&w, 2, 0, slot.data, slot.len);
	rig_put(&w, 3, 0, slot.data, slot.len);
	save("store", "slots", &w);
	wbuf_reset(&slot);
	wbuf_bytes(&slot, "clskeys\n", 8);
	wbuf_u32(&slot, 1);
	keyring_put(&slot, &ring);
	wbuf_reset(&w);
	wbuf_u8(&w, 2);
	rig_put(&w, 2, 0, slot.data, slot.len);
	save("store", "keys", &w);
	wbuf_reset(&w);
	wbuf_u8(&w, 2);
	rig_put(&w, 0, 0, rig_key, sizeof(rig_key));
	save("store", "key", &w);
	wbuf_free(&blob);
	wbuf_free(&slot);
	wbuf_free(&w);
}

/* What the quorum device remembers, as clusterd-protocol(7) 6.11 has it. */
static void
put_device_memory(struct wbuf *w)
{
	struct electorate e = { .n = 2,
		.expected = 2,
		.v = { { VOTER_DEVICE, 1, true }, { 1, 1, true } } };

	wbuf_u64(w, 17); /* base */
	wbuf_u16(w, 1);
	wbuf_u32(w, 1); /* its members */
	wbuf_u16(w, 1);
	wbuf_u64(w, rig_inc(1));
	wbuf_u8(w, 0);
	electorate_put(w, &e);
	wbuf_u32(w, 1); /* attempts */
	wbuf_u64(w, 20);
	wbuf_u16(w, 1);
	electorate_put(w, &e);
	wbuf_u32(w, 1); /* named */
	wbuf_u16(w, 1);
	wbuf_u64(w, 3); /* since */
	wbuf_u16(w, 1);
}

/* Its blocks, as this life would find them or as its last write left them. */
static void
blocks(const char *name, uint64_t promised, bool told, bool damaged)
{
	struct device_block b = { .promised = promised };
	uint8_t uuid[DEVICE_UUID] = { 7 };
	struct wbuf memory, body, w;
	uint16_t node;

	wbuf_init(&memory, DEVICE_MEMORY_MAX);
	wbuf_init(&body, DEVICE_BODY_MAX);
	wbuf_init(&w, SEED_MAX);
	put_device_memory(&memory);
	if (told) {
		b.accepted = 20;
		b.len = memory.len;
		memcpy(b.memory, memory.data, memory.len);
	}
	device_block_encode(&b, &body);
	wbuf_u8(&w, 0);
	wbuf_bytes(&w, uuid, sizeof(uuid));
	wbuf_u32(&w, 2);
	for (node = 1; node <= 2; node++) {
		wbuf_u16(&w, node);
		wbuf_u8(&w, node == 2 && damaged);
		wbuf_blob(&w, body.data, body.len);
	}
	save("device", name, &w);
	wbuf_reset(&w);
	wbuf_u8(&w, 1);
	wbuf_bytes(&w, memory.data, memory.len);
	save("device", "memory", &w);
	wbuf_free(&memory);
	wbuf_free(&body);
	wbuf_free(&w);
}

int
main(int argc, char *argv[])
{
	static const unsigned scenes[] = { 0, RIG_VICTIM_LEADS,
		RIG_GROUPS | RIG_LOCKS, RIG_VICTIM_LEADS | RIG_LOCKS,
		RIG_THIRD | RIG_GROUPS | RIG_LOCKS,
		RIG_THIRD_LOST | RIG_LOCKS | RIG_GROUPS,
		RIG_THIRD_LOST | RIG_LOCKS | RIG_VICTIM_LEADS, RIG_SERVICES,
		RIG_SERVICES | RIG_VICTIM_LEADS | RIG_THIRD,
		RIG_SERVICES | RIG_THIRD_LOST };
	unsigned i;

	if (argc < 2)
		errx(2, "usage: seeds FOLDER FILE ...");
	base = argv[1];
	for (i = 0; i < NITEMS(scenes); i++)
		scene(scenes[i], 0);
	scene(RIG_THIRD | RIG_GROUPS | RIG_LOCKS, 3);
	clients();
	beats();
	relays();
	state();
	blocks("before", 20, true, false);
	blocks("asked", 40, false, false);
	blocks("recorded", 40, true, false);
	blocks("damaged", 20, true, true);
	for (; argc > 2; argc--)
		configuration(argv[argc - 1]);
	return 0;
}
