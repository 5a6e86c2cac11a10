/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* See rig.h. */

#include <stdio.h>

#include "core/wire.h"
#include "rig.h"

#define LATENCY_US   200
#define ROUNDS_MAX   100000 /* of one rig_run: a loop would never end */
#define FENCE_US     (300 * RIG_MS)
#define SETTLE_MAX   (5000 * RIG_MS)
#define CLIENT_GROUP 1
#define CLIENT_LOCK  2
#define CLIENT_ALL   3

const uint8_t rig_key[SEAL_KEY_LEN] = "the key of the fuzzed cluster..";

uint64_t
rig_inc(uint16_t id)
{
	return 1000 + id;
}

static struct conf *
make_conf(void)
{
	struct conf *c = conf_new();
	struct conf_node *cn;
	unsigned i;

	ASSERT(c != NULL);
	strlcpy(c->cluster, "fuzz", sizeof(c->cluster));
	c->nnodes = RIG_NODES;
	c->nlinks = 2;
	c->wait_for_all = false;
	c->ndevices = 1;
	c->devices = calloc(1, sizeof(*c->devices));
	ASSERT(c->devices != NULL);
	strlcpy(c->devices[0].name, "switch", sizeof(c->devices[0].name));
	c->devices[0].timeout_us = 10000 * RIG_MS;
	for (i = 0; i < RIG_NODES; i++) {
		cn = &c->nodes[i];
		snprintf(cn->name, sizeof(cn->name), "node%u", i + 1);
		cn->id = (uint16_t)(i + 1);
		cn->votes = 1;
		cn->nlinks = 2;
		cn->nlevels = 1;
		cn->levels[0].ndevices = 1;
		cn->levels[0].devices[0] = 0;
	}
	return c;
}

static void
start(struct rig *r, uint16_t id)
{
	struct node_config nc = { .conf = r->conf,
		.self = id,
		.incarnation = rig_inc(id),
		.seed = { id, 2, 3, 4 } };
	struct event ev = { .type = EV_START };

	keyring_plain(&nc.keys, rig_key);
	r->writes[id] = false;
	r->node[id] = node_new(&nc);
	ASSERT(r->node[id] != NULL);
	rig_step(r, id, &ev);
}

void
rig_kill(struct rig *r, uint16_t id)
{
	node_free(r->node[id]);
	r->node[id] = NULL;
}

static void
send_packet(struct rig *r, uint16_t from, const struct action *a)
{
	struct rig_packet *p = calloc(1, sizeof(*p) + a->len);

	ASSERT(p != NULL && a->len <= WIRE_DATAGRAM_MAX);
	p->at = r->now + LATENCY_US;
	p->from = from;
	p->to = a->node;
	p->link = a->link;
	p->len = a->len;
	memcpy(p->data, a->data, a->len);
	STAILQ_INSERT_TAIL(&r->packets, p, entry);
	if (r->sniff != NULL)
		r->sniff(r->sniff_arg, p);
}

static void
perform(struct rig *r, uint16_t id, const struct action *a)
{
	struct member_stored stored;

	switch (a->type) {
	case ACT_SEND:
		send_packet(r, id, a);
		break;
	case ACT_STORE:
		/* What it writes it must be able to read again. */
		ASSERT(member_stored_decode(&stored, a->data, a->len));
		break;
	case ACT_KEYS:
		r->writes[id] = true;
		break;
	case ACT_FENCE_START:
		r->fences++;
		r->fence_at = r->now + FENCE_US;
		r->fence_req = a->req;
		r->fence_by = id;
		break;
	case ACT_DEVICE:
	case ACT_MOUNT_PID:
		r->mounts++;
		break;
	case ACT_LEAVE:
		r->leaves++;
		break;
	case ACT_DIE:
		r->deaths++;
		if (getenv("FUZZ_TRACE") != NULL)
			fprintf(stderr, "%u dies: %s\n", id,
			    (const char *)a->data);
		break;
	case ACT_EVENT:
		if (getenv("FUZZ_TRACE") != NULL)
			fprintf(stderr, "%8llu %u: %s\n",
			    (unsigned long long)r->now, id,
			    (const char *)a->data);
		break;
	default:
		break;
	}
}

void
rig_step(struct rig *r, uint16_t id, struct event *ev)
{
	struct event written = { .type = EV_KEYS_STORED, .ok = true };
	struct actions out;
	struct action *a;

	if (r->node[id] == NULL)
		return;
	actions_init(&out);
	ev->now = r->now;
	node_step(r->node[id], ev, &out);
	node_check(r->node[id]);
	r->told = 0;
	while ((a = actions_take(&out)) != NULL) {
		r->told += a->len;
		perform(r, id, a);
		free(a);
	}
	ASSERT(r->told <= RIG_OUT_MAX);
	if (!r->writes[id])
		return;
	r->writes[id] = false;
	rig_step(r, id, &written);
}

struct note *
rig_note(struct rig *r, uint16_t id, enum note_type type, const void *data,
    size_t len)
{
	ASSERT(r->node[id] != NULL);
	return bus_note(&r->node[id]->bus, type, data, len);
}

/* Any event makes a node route what waits in its bus. */
void
rig_route(struct rig *r, uint16_t id)
{
	struct event ev = { .type = EV_STORED };
	struct node *n = r->node[id];

	/* One that is dead or stopped does not look at it. */
	if (n->state != NODE_RUNNING && n->state != NODE_LEAVING)
		bus_clear(&n->bus);
	rig_step(r, id, &ev);
}

static void
deliver(struct rig *r)
{
	struct event ev = { .type = EV_PACKET };
	struct rig_packet *p = STAILQ_FIRST(&r->packets);

	STAILQ_REMOVE_HEAD(&r->packets, entry);
	if (r->node[p->to] != NULL && !r->deaf[p->to]) {
		ev.link = p->link;
		ev.data = p->data;
		ev.len = p->len;
		rig_step(r, p->to, &ev);
	}
	free(p);
}

static void
fenced(struct rig *r)
{
	struct event ev = { .type = EV_FENCE_DONE,
		.req = r->fence_req,
		.ok = true,
		.verified = true };

	r->fence_at = 0;
	rig_step(r, r->fence_by, &ev);
}

/* Who is due first, and when; 0: nobody. */
static uint16_t
next_due(const struct rig *r, uint64_t *at)
{
	uint16_t id, who = 0;
	uint64_t d;

	*at = UINT64_MAX;
	for (id = 1; id <= RIG_NODES; id++) {
		if (r->node[id] == NULL || r->deaf[id])
			continue;
		d = node_deadline(r->node[id]);
		if (d < *at) {
			*at = d;
			who = id;
		}
	}
	return who;
}

void
rig_run(struct rig *r, uint64_t us)
{
	struct event ev;
	uint64_t due, packet, end = r->now + us;
	unsigned rounds;
	uint16_t who;

	for (rounds = 0;; rounds++) {
		ASSERT(rounds < ROUNDS_MAX);
		who = next_due(r, &due);
		packet = STAILQ_EMPTY(&r->packets) ?
		    UINT64_MAX :
		    STAILQ_FIRST(&r->packets)->at;
		if (r->fence_at != 0 && r->fence_at <= MIN(due, packet) &&
		    r->fence_at <= end) {
			r->now = MAX(r->now, r->fence_at);
			fenced(r);
		} else if (packet <= MIN(due, end)) {
			r->now = MAX(r->now, packet);
			deliver(r);
		} else if (who != 0 && due <= end) {
			r->now = MAX(r->now, due);
			memset(&ev, 0, sizeof(ev));
			ev.type = EV_TIMER;
			rig_step(r, who, &ev);
		} else
			break;
	}
	r->now = end;
}

/* Until everybody who runs is in one synced primary view of n nodes. */
static void
settle(struct rig *r, unsigned n)
{
	struct node_view v;
	uint64_t limit = r->now + SETTLE_MAX;
	unsigned good;
	uint16_t id;

	do {
		ASSERT(r->now < limit);
		rig_run(r, 10 * RIG_MS);
		for (good = 0, id = 1; id <= RIG_NODES; id++) {
			if (r->node[id] == NULL)
				continue;
			node_get_view(r->node[id], &v);
			good += v.primary && v.synced && v.n == n;
		}
	} while (good < n);
}

void
rig_client(struct rig *r, uint16_t id, uint64_t client, unsigned rights)
{
	struct event ev = { .type = EV_CLIENT_OPEN,
		.client = client,
		.rights = rights };
	struct wbuf w;

	rig_step(r, id, &ev);
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "fuzz");
	wbuf_u32(&w, 1);
	rig_request(r, id, client, M_HELLO, w.data, w.len);
	wbuf_free(&w);
}

void
rig_request(struct rig *r, uint16_t id, uint64_t client, uint32_t type,
    const void *data, size_t len)
{
	struct event ev = { .type = EV_CLIENT_DATA,
		.client = client,
		.msgtype = type,
		.msgid = 1,
		.data = data,
		.len = len };

	rig_step(r, id, &ev);
}

static void
join_group(struct rig *r, uint16_t id)
{
	struct wbuf w;

	rig_client(r, id, CLIENT_GROUP, RIGHT_USE);
	wbuf_init(&w, 256);
	wbuf_u32(&w, 1);
	wbuf_str(&w, "g");
	rig_request(r, id, CLIENT_GROUP, M_GROUP_JOIN, w.data, w.len);
	wbuf_reset(&w);
	wbuf_u32(&w, 1);
	wbuf_blob(&w, "hello", 5);
	rig_request(r, id, CLIENT_GROUP, M_GROUP_SEND, w.data, w.len);
	wbuf_free(&w);
}

static void
join_space(struct rig *r, uint16_t id)
{
	struct wbuf w;

	rig_client(r, id, CLIENT_LOCK, RIGHT_USE);
	wbuf_init(&w, 256);
	wbuf_u32(&w, 1);
	wbuf_u8(&w, 32);
	wbuf_str(&w, "ls");
	rig_request(r, id, CLIENT_LOCK, M_LS_JOIN, w.data, w.len);
	wbuf_free(&w);
}

/* Each locks one name of its own, and all of them a common one. */
static void
take_locks(struct rig *r, uint16_t id)
{
	const char *const names[] = { "common", id == 1 ? "one" : "other" };
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 256);
	for (i = 0; i < NITEMS(names); i++) {
		wbuf_reset(&w);
		wbuf_u32(&w, 1);
		wbuf_u32(&w, i + 1);
		wbuf_u8(&w, i == 0 ? 3 : 5); /* PR, EX */
		wbuf_u32(&w, 8);	     /* VALBLK */
		wbuf_blob(&w, names[i], strlen(names[i]));
		rig_request(r, id, CLIENT_LOCK, M_LOCK, w.data, w.len);
	}
	wbuf_free(&w);
}

/*
 * The same client of each node: all share a group with a state, which the
 * first has and the others wait for; each waits at a barrier, has something
 * in the key-value set and on an event channel, and follows both.
 */
static void
use_services(struct rig *r, uint16_t id)
{
	static const struct {
		uint32_t type;
		uint8_t len, data[32];
	} asks[] = { { M_GROUP_JOIN, 8, "\0\0\0\2\0\1s\1" },
		{ M_EVENT_SUBSCRIBE, 11, "\0\0\0\1\0\0\2ch" },
		{ M_EVENT_PUBLISH, 14, "\1\0\2ch\0\1t\0\0\0\2ev" },
		{ M_LEVEL_REGISTER, 9, "\0\0\0\1\2\0\2lv" },
		{ M_BARRIER_ENTER, 5, "\0\4\0\1b" },
		{ M_KV_WATCH, 8, "\0\0\0\1\0\0\1k" },
		{ M_KV_PUT, 18, "\2\0\0\0\0\0\0\0\0\0\2k1\0\0\0\1v" },
		{ M_DGRAM_OPEN, 1, "\7" } };
	uint8_t ask[32];
	unsigned i;

	rig_client(r, id, CLIENT_ALL, RIGHT_USE);
	for (i = 0; i < NITEMS(asks); i++) {
		memcpy(ask, asks[i].data, sizeof(ask));
		/* A key of its own for each. */
		if (asks[i].type == M_KV_PUT)
			ask[12] = (uint8_t)('0' + id);
		rig_request(r, id, CLIENT_ALL, asks[i].type, ask, asks[i].len);
	}
	rig_run(r, 20 * RIG_MS);
}

static void
each(struct rig *r, void (*fn)(struct rig *, uint16_t), unsigned scene,
    unsigned want)
{
	uint16_t id;

	for (id = 1; (scene & want) != 0 && id <= RIG_NODES; id++)
		if (r->node[id] != NULL)
			fn(r, id);
	if ((scene & want) != 0)
		rig_run(r, 100 * RIG_MS);
}

struct rig *
rig_new_sniffed(unsigned scene,
    void (*sniff)(void *, const struct rig_packet *), void *arg)
{
	struct rig *r = calloc(1, sizeof(*r));
	bool third = (scene & (RIG_THIRD | RIG_THIRD_LOST)) != 0;

	ASSERT(r != NULL);
	r->conf = make_conf();
	r->now = 1000 * RIG_MS;
	r->victim = scene & RIG_VICTIM_LEADS ? 1 : 2;
	r->friend = (uint16_t)(3 - r->victim);
	r->sniff = sniff;
	r->sniff_arg = arg;
	STAILQ_INIT(&r->packets);
	start(r, 1);
	start(r, 2);
	if (third)
		start(r, 3);
	settle(r, third ? 3 : 2);
	each(r, join_group, scene, RIG_GROUPS);
	each(r, join_space, scene, RIG_LOCKS);
	each(r, take_locks, scene, RIG_LOCKS);
	each(r, use_services, scene, RIG_SERVICES);
	rig_run(r, 50 * RIG_MS);
	if (scene & RIG_THIRD_LOST)
		rig_kill(r, 3);
	return r;
}

struct rig *
rig_new(unsigned scene)
{
	return rig_new_sniffed(scene, NULL, NULL);
}

void
rig_free(struct rig *r)
{
	struct rig_packet *p;
	uint16_t id;

	for (id = 1; id <= RIG_NODES; id++)
		rig_kill(r, id);
	while ((p = STAILQ_FIRST(&r->packets)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->packets, entry);
		free(p);
	}
	conf_free(r->conf);
	free(r);
}

void
rig_snapshot(struct rig *r, uint16_t id, enum service svc, struct wbuf *w)
{
	struct note want = { .type = NOTE_SNAP_WANT }, *n;
	struct bus bus;

	bus_init(&bus);
	switch (svc) {
	case SVC_FENCE:
		fencing_note(r->node[id]->fencing, &want, &bus);
		break;
	case SVC_LSPACE:
		lspace_note(r->node[id]->lspace, &want, &bus);
		break;
	case SVC_GROUP:
		group_note(r->node[id]->group, &want, &bus);
		break;
	case SVC_EVENT:
		evchan_note(r->node[id]->evchan, &want, &bus);
		break;
	case SVC_LEVEL:
		levels_note(r->node[id]->levels, &want, &bus);
		break;
	case SVC_BARRIER:
		barriers_note(r->node[id]->barriers, &want, &bus);
		break;
	case SVC_KV:
		kv_note(r->node[id]->kv, &want, &bus);
		break;
	case SVC_KEYS:
		keys_note(r->node[id]->keys, &want, &bus);
		break;
	case SVC_QUORUM: /* has none */
	case SVC_MAX:
		break;
	}
	n = bus_take(&bus);
	ASSERT(n != NULL && n->type == NOTE_SNAP && n->service == svc);
	wbuf_bytes(w, n->data, n->len);
	ASSERT(!w->err);
	free(n);
	bus_clear(&bus);
}

void
rig_replicas(struct rig *r, uint16_t one, uint16_t other)
{
	struct node_view v, f;
	struct wbuf a, b;
	unsigned svc;

	if (r->node[one] == NULL || r->node[other] == NULL)
		return;
	node_get_view(r->node[one], &v);
	node_get_view(r->node[other], &f);
	if (!v.synced || !f.synced || v.epoch != f.epoch ||
	    v.leader != f.leader)
		return;
	wbuf_init(&a, 16 << 20);
	wbuf_init(&b, 16 << 20);
	for (svc = SVC_FENCE; svc < SVC_MAX; svc++) {
		if ((SVC_SNAPS & 1u << svc) == 0)
			continue;
		wbuf_reset(&a);
		wbuf_reset(&b);
		rig_snapshot(r, one, (enum service)svc, &a);
		rig_snapshot(r, other, (enum service)svc, &b);
		ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	}
	wbuf_free(&a);
	wbuf_free(&b);
}

bool
rig_next(struct rbuf *r, struct rig_op *op)
{
	size_t len;

	op->op = rbuf_u8(r);
	op->arg = rbuf_u8(r);
	len = rbuf_u16(r);
	if (r->err)
		return false;
	/* A length that says too much means the rest. */
	op->len = MIN(len, rbuf_left(r));
	op->data = rbuf_take(r, op->len);
	return true;
}

void
rig_put(struct wbuf *w, uint8_t op, uint8_t arg, const void *data, size_t len)
{
	ASSERT(len <= UINT16_MAX);
	wbuf_u8(w, op);
	wbuf_u8(w, arg);
	wbuf_u16(w, (uint16_t)len);
	wbuf_bytes(w, data, len);
}
