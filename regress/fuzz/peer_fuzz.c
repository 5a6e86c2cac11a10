/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Messages of a member that has every right to speak, and speaks nonsense:
 * membership, order, locks and datagrams of clients (member_wire.c,
 * order_wire.c, dlm_wire.c, dgram.c and what is behind them).
 *
 * Input: u8 scene (rig.h), then records.  op & 7 is a channel (enum chan), and
 * the bytes become:
 *
 *	with op & 8	a message of it from node 3, where it runs
 *	else		the same from the friend
 *	no channel	nothing: length is milliseconds that pass
 *
 * A liar may cost the cluster its view; no node may crash, break an
 * invariant, or answer without bound.
 */

#include "fuzz.h"
#include "rig.h"

#define TIME_MAX 2000 /* ms of one record */
/* Of op: */
#define CHAN_MASK 7
#define OP_THIRD  8

static void
message(struct rig *r, uint16_t from, enum chan chan, const struct rig_op *op)
{
	struct note *n;

	if (r->node[from] == NULL)
		return;
	n = rig_note(r, from, NOTE_SEND, op->data, op->len);
	n->node = r->victim;
	n->chan = chan;
	rig_route(r, from);
	rig_run(r, RIG_MS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rig_op op;
	struct rbuf in;
	struct rig *r;
	unsigned chan;

	rbuf_init(&in, data, len);
	r = rig_new(rbuf_u8(&in));
	while (rig_next(&in, &op)) {
		chan = op.op & CHAN_MASK;
		if (chan == 0 || chan >= CHAN_MAX)
			rig_run(r, MIN(op.len, TIME_MAX) * RIG_MS);
		else
			message(r, (op.op & OP_THIRD) != 0 ? 3 : r->friend,
			    (enum chan)chan, &op);
	}
	rig_run(r, 100 * RIG_MS);
	rig_free(r);
	return 0;
}
