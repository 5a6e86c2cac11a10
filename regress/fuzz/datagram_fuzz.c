/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Datagrams: any bytes, and any words under a good seal.
 *
 * Input: u8 scene (rig.h), then records.  op & 7, and what the bytes become:
 *
 *	0	a datagram as it is, on link arg
 *	1	the words of a peer with a session, preamble included
 *	2	its frames behind the right preamble
 *	3	the next segment of its stream
 *	4	frames of its beat process
 *	5	the words of node 3 in an incarnation that nobody knows yet
 *	6	nothing: length is milliseconds that pass
 *
 * What is not sealed by a key of the cluster changes counters of refusals
 * and nothing else: neither peers, sessions and streams, nor the view, and
 * nothing is sent or stored.
 */

#include "core/link_int.h"
#include "fuzz.h"
#include "rig.h"

#define TIME_MAX  2000 /* ms of one record */
#define KEPT_NODE 3

/* What the peer sent before it fell silent. */
struct heard {
	uint16_t from, to;
	uint64_t segment; /* newest to the victim */
	struct seal_key key;
};

static void
sniff(void *arg, const struct rig_packet *p)
{
	struct heard *h = arg;
	uint8_t plain[WIRE_PLAIN_MAX];
	struct wire_preamble pre;
	struct wire_header head;
	struct wire_data d;
	struct rbuf r, body;
	uint8_t type;

	if (p->from != h->from || p->to != h->to)
		return;
	rbuf_init(&r, p->data, p->len);
	ASSERT(wire_get_header(&r, &head));
	ASSERT(
	    seal_open(&h->key, head.to, head.counter, p->data, WIRE_HEADER_LEN,
		p->data + WIRE_HEADER_LEN, p->len - WIRE_HEADER_LEN, plain));
	rbuf_init(&r, plain, p->len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	wire_get_preamble(&r, &pre);
	while (wire_next(&r, &type, &body))
		if (type == WF_DATA && wire_get_data(&body, &d))
			h->segment = MAX(h->segment, d.segment);
}

static bool
opens(enum seal_use use, const struct wire_header *h, const uint8_t *data,
    size_t len)
{
	uint8_t plain[WIRE_PLAIN_MAX];
	struct seal_key key;

	seal_derive(&key, rig_key, use, h->from, h->incarnation);
	return seal_open(&key, h->to, h->counter, data, WIRE_HEADER_LEN,
	    data + WIRE_HEADER_LEN, len - WIRE_HEADER_LEN, plain);
}

/* Is this a word of the cluster after all?  Then it may do something. */
static bool
authentic(const uint8_t *data, size_t len)
{
	struct wire_header h;
	struct rbuf r;

	rbuf_init(&r, data, len);
	if (len < WIRE_HEADER_LEN + WIRE_TAG_LEN || len > WIRE_DATAGRAM_MAX ||
	    !wire_get_header(&r, &h))
		return false;
	return opens(SEAL_ENGINE, &h, data, len) ||
	    opens(SEAL_BEAT, &h, data, len);
}

/* The state that an outsider must not reach. */
struct image {
	struct peer peers[RIG_NODES - 1];
	struct node_view view;
	struct order_info order;
	uint64_t deadline;
	size_t queued[RIG_NODES - 1];
};

static void
look(const struct rig *r, struct image *im)
{
	const struct node *n = r->node[r->victim];
	struct link_layer *l = n->link;
	unsigned i;

	memset(im, 0, sizeof(*im));
	ASSERT(l->npeers == NITEMS(im->peers));
	memcpy(im->peers, l->peers, sizeof(im->peers));
	for (i = 0; i < l->npeers; i++) {
		memset(im->peers[i].rejects, 0, sizeof(im->peers[i].rejects));
		memset(im->peers[i].told_at, 0, sizeof(im->peers[i].told_at));
		im->queued[i] = stream_queued(l->peers[i].stream);
	}
	node_get_view(n, &im->view);
	order_get(n->order, &im->order);
	im->deadline = node_deadline(n);
}

static unsigned
waiting(const struct rig *r)
{
	struct rig_packet *p;
	unsigned n = 0;

	STAILQ_FOREACH(p, &r->packets, entry)
		n++;
	return n;
}

static void
raw(struct rig *r, const struct rig_op *op)
{
	struct event ev = { .type = EV_PACKET, .link = op->arg & 3 };
	struct event timer = { .type = EV_TIMER };
	static struct image before, after;
	bool outsider = !authentic(op->data, op->len);
	unsigned packets;

	/* What is due at this moment is not the datagram's doing. */
	rig_step(r, r->victim, &timer);
	packets = waiting(r);
	look(r, &before);
	ev.data = op->data;
	ev.len = op->len;
	rig_step(r, r->victim, &ev);
	if (!outsider)
		return;
	look(r, &after);
	ASSERT(memcmp(&before, &after, sizeof(before)) == 0);
	ASSERT(waiting(r) == packets);
}

/* Hands over the datagram that the friend's link layer has just sealed. */
static void
seal_and_give(struct rig *r, unsigned link)
{
	struct link_layer *l = r->node[r->friend]->link;
	struct event ev = { .type = EV_PACKET, .link = link };
	struct actions out;
	struct action *a;
	struct bus bus;

	actions_init(&out);
	bus_init(&bus);
	bus.out = &out;
	link_send(l, link_peer(l, r->victim), link, &bus);
	a = actions_take(&out);
	ASSERT(a != NULL && a->type == ACT_SEND);
	ev.data = a->data;
	ev.len = a->len;
	rig_step(r, r->victim, &ev);
	free(a);
}

/* In a session: 1 all of it, 2 its frames, 3 a segment. */
static void
spoken(struct rig *r, const struct rig_op *op, struct heard *h)
{
	struct link_layer *l = r->node[r->friend]->link;
	struct peer *p = link_peer(l, r->victim);
	struct wire_data d;

	link_begin(l, p, p->cur.nonce);
	if ((op->op & 7) == 1)
		wbuf_reset(&l->plain);
	if ((op->op & 7) == 3) {
		d.segment = ++h->segment;
		d.data = op->data;
		d.len = MIN(op->len, WIRE_SEGMENT_MAX);
		wire_put_data(&l->plain, &d);
	} else
		wbuf_bytes(&l->plain, op->data,
		    MIN(op->len, WIRE_PLAIN_MAX - l->plain.len));
	seal_and_give(r, op->arg & 1);
}

/* Sealed by hand: 4 as the beat process of the friend, 5 as a new node. */
static void
sealed(struct rig *r, const struct rig_op *op, uint64_t counter)
{
	bool beat = (op->op & 7) == 4;
	struct wire_header h = { .version = WIRE_HEADER_VERSION,
		.link = op->arg & 1,
		.voice = beat ? WV_BEAT : WV_ENGINE,
		.cluster = r->node[r->victim]->link->cluster,
		.from = beat ? r->friend : KEPT_NODE,
		.to = r->victim,
		.incarnation = beat ? rig_inc(r->friend) :
				      rig_inc(KEPT_NODE) + (op->arg >> 1),
		.counter = counter };
	struct event ev = { .type = EV_PACKET, .link = op->arg & 1 };
	uint8_t box[WIRE_PLAIN_MAX + WIRE_TAG_LEN];
	size_t len = MIN(op->len, WIRE_PLAIN_MAX);
	struct seal_key key;
	struct wbuf w;

	seal_derive(&key, rig_key, beat ? SEAL_BEAT : SEAL_ENGINE, h.from,
	    h.incarnation);
	wbuf_init(&w, WIRE_DATAGRAM_MAX);
	wire_put_header(&w, &h);
	seal_box(&key, h.to, h.counter, w.data, w.len, op->data, len, box);
	wbuf_bytes(&w, box, len + WIRE_TAG_LEN);
	ASSERT(!w.err);
	ev.data = w.data;
	ev.len = w.len;
	rig_step(r, r->victim, &ev);
	wbuf_free(&w);
}

static void
one(struct rig *r, const struct rig_op *op, struct heard *h, uint64_t counter)
{
	switch (op->op & 7) {
	case 0:
		raw(r, op);
		break;
	case 1:
	case 2:
	case 3:
		spoken(r, op, h);
		break;
	case 4:
	case 5:
		sealed(r, op, counter);
		break;
	default:
		rig_run(r, MIN(op->len, TIME_MAX) * RIG_MS);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct heard h = { .segment = 0 };
	/* Above whatever node 3 has used by itself. */
	uint64_t counter = 100000;
	struct rig_op op;
	struct rbuf in;
	struct rig *r;
	unsigned scene;

	rbuf_init(&in, data, len);
	scene = rbuf_u8(&in);
	h.to = scene & RIG_VICTIM_LEADS ? 1 : 2;
	h.from = (uint16_t)(3 - h.to);
	seal_derive(&h.key, rig_key, SEAL_ENGINE, h.from, rig_inc(h.from));
	r = rig_new_sniffed(scene, sniff, &h);
	r->sniff = NULL;
	r->deaf[r->friend] = true;
	while (rig_next(&in, &op))
		one(r, &op, &h, counter++);
	rig_run(r, 10 * RIG_MS);
	rig_free(r);
	return 0;
}
