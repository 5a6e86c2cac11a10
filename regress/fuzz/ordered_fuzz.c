/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What stands in the total order: messages of every service, and the snapshots
 * of their state.
 *
 * Input: u8 scene (rig.h), then records.  op & 15 is a service (bus.h), and
 * what the bytes become is:
 *
 *	with op & 16	a snapshot of it, loaded by the victim, if it has any
 *	else		an ordered message of it, delivered to the victim and
 *			to node 3, where it runs; arg & 3 says in whose name
 *	no service	nothing: length is milliseconds that pass
 *
 * The order vouches for what is in a node's own name (it compares it with what
 * was sent), so no message is in theirs; the friend, in whose name most are,
 * gets none.
 *
 * All members see one sequence, so they must hold the same state after it,
 * whatever was in it; unless it came while a view changed, for then nobody
 * promised that it is on the same side of the change for both.  A snapshot that is taken must be given again, byte for
 * byte, after it was loaded once more.
 */

#include "fuzz.h"
#include "rig.h"

#define TIME_MAX 2000	       /* ms of one record */
#define QUIET	 (20 * RIG_MS) /* what was ordered by itself has come */
#define THIRD	 3
#define STRANGER 9
/* Of op: */
#define SVC_MASK 15
#define OP_SNAP	 16

/* Somebody who may be a member, may have been one, or never was. */
static void
in_the_name(const struct rig *r, unsigned who, struct note *n)
{
	n->node = r->friend;
	n->inc = rig_inc(r->friend);
	if (who == 1)
		n->inc--;
	if (who == 2)
		n->node = STRANGER;
	if (who == 3 && r->node[THIRD] == NULL) {
		n->node = THIRD;
		n->inc = rig_inc(THIRD);
	}
}

/* Are those who are given the order at one place of it? */
static bool
in_step(const struct rig *r)
{
	struct node_view v, o;

	if (r->node[THIRD] == NULL)
		return true;
	node_get_view(r->node[r->victim], &v);
	node_get_view(r->node[THIRD], &o);
	return v.synced && o.synced && v.epoch == o.epoch &&
	    v.leader == o.leader;
}

static void
ordered(struct rig *r, const struct rig_op *op, uint64_t seq)
{
	const uint16_t to[] = { r->victim, THIRD };
	struct note *n;
	unsigned i;

	if (op->len > ORDER_MSG_MAX)
		return;
	for (i = 0; i < NITEMS(to); i++) {
		if (r->node[to[i]] == NULL)
			continue;
		n = rig_note(r, to[i], NOTE_ORDERED, op->data, op->len);
		n->service = (enum service)(op->op & SVC_MASK);
		n->seq = seq;
		in_the_name(r, op->arg & 3, n);
		rig_route(r, to[i]);
	}
	rig_run(r, QUIET);
}

static void
load(struct rig *r, unsigned svc, const void *data, size_t len)
{
	struct note *n;

	n = rig_note(r, r->victim, NOTE_SNAP_LOAD, data, len);
	n->service = (enum service)svc;
	rig_route(r, r->victim);
}

static void
snapshot(struct rig *r, unsigned svc, const struct rig_op *op)
{
	struct wbuf first, second;

	load(r, svc, op->data, op->len);
	if (r->node[r->victim]->state != NODE_RUNNING)
		return;
	wbuf_init(&first, 16 << 20);
	wbuf_init(&second, 16 << 20);
	rig_snapshot(r, r->victim, (enum service)svc, &first);
	load(r, svc, first.data, first.len);
	ASSERT(r->node[r->victim]->state == NODE_RUNNING);
	rig_snapshot(r, r->victim, (enum service)svc, &second);
	ASSERT(first.len == second.len &&
	    memcmp(first.data, second.data, first.len) == 0);
	wbuf_free(&first);
	wbuf_free(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t seq = 1000;
	bool same = true;
	struct rig_op op;
	struct rbuf in;
	struct rig *r;
	unsigned svc;

	rbuf_init(&in, data, len);
	r = rig_new(rbuf_u8(&in));
	while (rig_next(&in, &op)) {
		svc = op.op & SVC_MASK;
		if (svc == 0 || svc >= SVC_MAX) {
			rig_run(r, MIN(op.len, TIME_MAX) * RIG_MS);
		} else if ((op.op & OP_SNAP) == 0) {
			same = same && in_step(r);
			ordered(r, &op, ++seq);
		} else if ((SVC_SNAPS & 1u << svc) != 0) {
			same = false;
			snapshot(r, svc, &op);
		}
	}
	rig_run(r, QUIET);
	if (same)
		rig_replicas(r, r->victim, THIRD);
	rig_run(r, 200 * RIG_MS);
	rig_free(r);
	return 0;
}
