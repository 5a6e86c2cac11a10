/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Clients: any message, in any order, with any rights.
 *
 * Input: u8 scene (rig.h), then records.  op & 7, and what the bytes become:
 *
 *	0	client arg & 7 comes with rights arg >> 4; it greets if there
 *		are no bytes
 *	1	client arg & 7 goes
 *	2	nothing: length is milliseconds that pass
 *	3	a message of any type: u32 type, then its bytes
 *	4-7	a message of client arg & 7: type M_HELLO + (arg >> 3) +
 *		32 * (op & 3)
 *
 * Without the rights of an administrator nobody is fenced, no node leaves, and
 * votes stay what they were; without those of root nothing is mounted.  All
 * members hold the same state afterwards.
 */

#include "fuzz.h"
#include "rig.h"

#define TIME_MAX    2000 /* ms of one record */
#define CLIENT_BASE 100
#define CLIENTS	    8

/* The shell never uses a client's number again, so neither do we. */
struct callers {
	uint64_t next;
	uint64_t id[CLIENTS]; /* 0: not there */
	unsigned rights;      /* that any of them had */
};

static void
come(struct rig *r, struct callers *c, const struct rig_op *op)
{
	struct event ev = { .type = EV_CLIENT_OPEN, .rights = op->arg >> 4 };

	if (c->id[op->arg & 7] != 0)
		return;
	ev.client = c->id[op->arg & 7] = c->next++;
	c->rights |= ev.rights;
	/* Some forget to greet. */
	if (op->len == 0)
		rig_client(r, r->victim, ev.client, ev.rights);
	else
		rig_step(r, r->victim, &ev);
}

static void
one(struct rig *r, const struct rig_op *op, struct callers *c)
{
	struct event ev = { .type = EV_CLIENT_CLOSE };
	uint64_t *client = &c->id[op->arg & 7];
	struct rbuf in;
	uint32_t type;

	switch (op->op & 7) {
	case 0:
		come(r, c, op);
		break;
	case 1:
		ev.client = *client;
		*client = 0;
		rig_step(r, r->victim, &ev);
		break;
	case 2:
		rig_run(r, MIN(op->len, TIME_MAX) * RIG_MS);
		break;
	case 3:
		rbuf_init(&in, op->data, op->len);
		type = rbuf_u32(&in);
		if (!in.err)
			rig_request(r, r->victim, *client, type, op->data + 4,
			    op->len - 4);
		break;
	default:
		type = M_HELLO + (op->arg >> 3) + 32 * (op->op & 3u);
		rig_request(r, r->victim, *client, type, op->data, op->len);
		break;
	}
	rig_run(r, RIG_MS);
}

/* Has an administrator been at work? */
static void
nobody_ruled(const struct rig *r, unsigned scene)
{
	struct quorum_info q;

	ASSERT(r->leaves == 0 && r->deaths == 0);
	ASSERT(r->fences == 0 || (scene & RIG_THIRD_LOST) != 0);
	quorum_get(r->node[r->victim]->quorum, &q);
	ASSERT(!q.elect.set && q.elect.serial == 0);
	ASSERT(q.rule != VOTE_OVERRIDE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct callers c = { .next = CLIENT_BASE };
	unsigned scene;
	struct rig_op op;
	struct rbuf in;
	struct rig *r;

	rbuf_init(&in, data, len);
	scene = rbuf_u8(&in);
	r = rig_new(scene);
	while (rig_next(&in, &op))
		one(r, &op, &c);
	rig_run(r, 20 * RIG_MS);
	if ((c.rights & RIGHT_ADMIN) == 0)
		nobody_ruled(r, scene);
	ASSERT((c.rights & RIGHT_ROOT) != 0 || r->mounts == 0);
	rig_replicas(r, r->victim, r->friend);
	rig_run(r, 200 * RIG_MS);
	rig_free(r);
	return 0;
}
