/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Programs on the nodes: each speaks the local protocol, has one lock at a
 * time under way in one of two lockspaces, and talks in one group.  The first
 * one of each node keeps a null lock on every resource, so that values live
 * on.  What a client believes is what the oracles hear.
 */

#include <err.h>
#include <stdio.h>

#include "libclusterd/clusterd.h"
#include "proto.h"
#include "sim.h"

#define LS_ID	    7
#define GROUP_ID    9
#define KEEPER_LKID 100 /* + resource */

enum lock_state {
	LK_NONE = 0, /* no lock */
	LK_ASKED,    /* M_LOCK sent */
	LK_HELD,
	LK_CONVERTING,
	LK_UNLOCKING
};

struct simclient {
	uint64_t id;
	unsigned node, slot;
	bool welcome, joined, in_group, group_asked;
	bool prepped; /* between M_LS_PREP and M_LS_DONE */
	unsigned ls, res;
	enum lock_state state;
	bool keeper;
	unsigned keeping; /* null locks granted */
	uint32_t lkid;
	int mode; /* granted */
	int asked;
	uint32_t flags;
	bool cancelled;
	uint64_t value; /* read with the last grant */
	uint64_t sent;	/* group messages */
	uint64_t answers;
	bool acting; /* an action is scheduled */
};

static void act_later(struct sim *, struct simclient *, uint64_t delay);

static struct simclient *
find(struct sim *sim, unsigned node, uint64_t id)
{
	unsigned k;

	for (k = 0; k < SIM_CLIENTS; k++) {
		if (sim->nodes[node].clients[k] != NULL &&
		    sim->nodes[node].clients[k]->id == id)
			return sim->nodes[node].clients[k];
	}
	return NULL;
}

static void
ev_give(struct sim *sim, unsigned node, unsigned life, uint64_t id,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[node];
	struct event ev = { .type = EV_CLIENT_DATA, .client = id };
	struct rbuf r;

	if (sn->node == NULL || sn->life != life || find(sim, node, id) == NULL)
		return;
	if (sn->paused_until != 0) {
		sim_at(sim, sn->paused_until - sim->now + 3, ev_give, node,
		    life, id, data, len);
		return;
	}
	rbuf_init(&r, data, len);
	ev.msgtype = rbuf_u32(&r);
	ev.msgid = rbuf_u32(&r);
	ev.data = data + r.off;
	ev.len = len - r.off;
	simnode_step(sim, node, &ev);
}

/* Through the client's socket: in order, a moment later. */
static void
give(struct sim *sim, const struct simclient *c, uint32_t type, uint32_t id,
    const struct wbuf *w)
{
	struct wbuf all;

	wbuf_init(&all, 65536);
	wbuf_u32(&all, type);
	wbuf_u32(&all, id);
	wbuf_bytes(&all, w->data, w->len);
	ASSERT(!all.err);
	sim_at(sim, 5, ev_give, c->node, sim->nodes[c->node].life, c->id,
	    all.data, all.len);
	wbuf_free(&all);
}

static void
open_one(struct sim *sim, unsigned node, unsigned k)
{
	struct simnode *sn = &sim->nodes[node];
	struct simclient *c = calloc(1, sizeof(*c));
	struct event ev = { .type = EV_CLIENT_OPEN,
		.rights = RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN };
	struct wbuf w;

	if (c == NULL)
		err(1, NULL);
	c->id = ev.client = ++sim->next_client;
	c->node = node;
	c->slot = k;
	c->keeper = k == 0;
	c->ls = k % 2 == 0 ? 0 : (unsigned)sim_rand(sim, 2);
	c->mode = c->asked = -1;
	sn->clients[k] = c;
	simnode_step(sim, node, &ev);
	if (sn->clients[k] != c)
		return;
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "sim");
	wbuf_u32(&w, 1);
	give(sim, c, M_HELLO, 1, &w);
	wbuf_free(&w);
}

void
simclient_open_all(struct sim *sim, unsigned node)
{
	unsigned k, life = sim->nodes[node].life;

	for (k = 0; k < SIM_CLIENTS; k++) {
		if (sim->nodes[node].life == life)
			open_one(sim, node, k);
	}
}

static void
forget(struct sim *sim, struct simclient *c)
{
	unsigned r;

	if (c->state != LK_NONE)
		oracle_died(sim, c->ls, c->res, c->id);
	for (r = 0; c->keeper && r < SIM_RESOURCES; r++)
		oracle_died(sim, c->ls, r, c->id | UINT64_C(1) << 63);
	oracle_group_forget(sim, c->id);
	sim->nodes[c->node].clients[c->slot] = NULL;
	free(c);
}

void
simclient_kill_all(struct sim *sim, unsigned node)
{
	unsigned k;

	for (k = 0; k < SIM_CLIENTS; k++) {
		if (sim->nodes[node].clients[k] != NULL)
			forget(sim, sim->nodes[node].clients[k]);
	}
}

void
simclient_closed(struct sim *sim, unsigned node, uint64_t client)
{
	struct simclient *c = find(sim, node, client);

	if (c != NULL)
		forget(sim, c);
}

/* --- locks ---------------------------------------------------------------------- */

static void
put_value(struct wbuf *w, bool have, uint64_t value)
{
	uint8_t lvb[CL_LVB_LEN];

	wbuf_u8(w, have);
	if (!have)
		return;
	memset(lvb, 0, sizeof(lvb));
	memcpy(lvb, &value, sizeof(value));
	wbuf_bytes(w, lvb, sizeof(lvb));
}

static void
request_lock(struct sim *sim, struct simclient *c, uint32_t lkid, unsigned res,
    int mode, uint32_t flags)
{
	char name[16];
	struct wbuf w;

	snprintf(name, sizeof(name), "res%u", res);
	wbuf_init(&w, 256);
	wbuf_u32(&w, LS_ID);
	wbuf_u32(&w, lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags);
	wbuf_blob(&w, name, strlen(name));
	give(sim, c, M_LOCK, 0, &w);
	wbuf_free(&w);
	sim->nops++;
}

static void
new_lock(struct sim *sim, struct simclient *c)
{
	static const int modes[] = { CL_EX, CL_EX, CL_PR, CL_PW, CL_CR, CL_CW,
		CL_NL, CL_PR };

	c->lkid++;
	if (c->lkid >= KEEPER_LKID && c->lkid < KEEPER_LKID + SIM_RESOURCES)
		c->lkid += SIM_RESOURCES;
	c->res = (unsigned)sim_rand(sim, SIM_RESOURCES);
	c->asked = modes[sim_rand(sim, NITEMS(modes))];
	c->flags = CL_LKF_VALBLK;
	if (sim_chance(sim, 200))
		c->flags |= CL_LKF_NOQUEUE |
		    (sim_chance(sim, 500) ? CL_LKF_NOQUEUEBAST : 0);
	c->state = LK_ASKED;
	c->cancelled = false;
	request_lock(sim, c, c->lkid, c->res, c->asked, c->flags);
}

/* What is given up is given up from the moment it is asked. */
static void
convert(struct sim *sim, struct simclient *c, int to)
{
	bool writes = c->mode >= CL_PW && to <= c->mode;
	struct wbuf w;

	c->asked = to;
	c->state = LK_CONVERTING;
	c->cancelled = false;
	c->flags = CL_LKF_CONVERT | CL_LKF_VALBLK;
	if (to > c->mode && sim_chance(sim, 200))
		c->flags |= CL_LKF_NOQUEUE;
	if (to < c->mode && !(c->mode == CL_PR && to == CL_CW))
		oracle_grant(sim, c->ls, c->res, c->id, to);
	if (writes) {
		c->value = rng_u64(&sim->rng);
		oracle_wrote(sim, c->ls, c->res, c->value);
	}
	wbuf_init(&w, 256);
	wbuf_u32(&w, LS_ID);
	wbuf_u32(&w, c->lkid);
	wbuf_u8(&w, (uint8_t)to);
	wbuf_u32(&w, c->flags);
	put_value(&w, true, c->value);
	give(sim, c, M_CONVERT, 0, &w);
	wbuf_free(&w);
	sim->nops++;
}

static void
unlock(struct sim *sim, struct simclient *c)
{
	struct wbuf w;
	bool writes = c->mode >= CL_PW;

	c->state = LK_UNLOCKING;
	if (writes) {
		c->value = rng_u64(&sim->rng);
		oracle_wrote(sim, c->ls, c->res, c->value);
	}
	oracle_grant(sim, c->ls, c->res, c->id, -1);
	wbuf_init(&w, 256);
	wbuf_u32(&w, LS_ID);
	wbuf_u32(&w, c->lkid);
	wbuf_u32(&w, CL_LKF_VALBLK);
	put_value(&w, true, c->value);
	give(sim, c, M_UNLOCK, 0, &w);
	wbuf_free(&w);
	sim->nops++;
}

static void
cancel(struct sim *sim, struct simclient *c)
{
	struct wbuf w;

	c->cancelled = true;
	wbuf_init(&w, 64);
	wbuf_u32(&w, LS_ID);
	wbuf_u32(&w, c->lkid);
	give(sim, c, M_CANCEL, 0, &w);
	wbuf_free(&w);
}

static void
say(struct sim *sim, struct simclient *c)
{
	uint8_t pad[300];
	struct wbuf w;
	size_t len = 16 + sim_rand(sim, sizeof(pad) - 16);

	memset(pad, 0x5a, sizeof(pad));
	wbuf_init(&w, 1024);
	wbuf_u32(&w, GROUP_ID);
	wbuf_u32(&w, (uint32_t)len);
	wbuf_u64(&w, c->id);
	wbuf_u64(&w, ++c->sent);
	wbuf_bytes(&w, pad, len - 16);
	give(sim, c, M_GROUP_SEND, 3, &w);
	wbuf_free(&w);
}

static void
keep(struct sim *sim, struct simclient *c)
{
	unsigned r;

	for (r = 0; r < SIM_RESOURCES; r++)
		request_lock(sim, c, KEEPER_LKID + r, r, CL_NL, 0);
}

static void
act(struct sim *sim, struct simclient *c)
{
	bool rest = sim->phase == PHASE_REST;

	if (!c->joined)
		return;
	switch (c->state) {
	case LK_NONE:
		if (rest)
			return;
		if (c->in_group && sim_chance(sim, 300))
			say(sim, c);
		new_lock(sim, c);
		break;
	case LK_HELD:
		if (!rest && sim_chance(sim, 400) && c->mode != CL_EX)
			convert(sim, c,
			    sim_chance(sim, 700) ? CL_EX :
						   (int)sim_rand(sim, 6));
		else if (!rest && sim_chance(sim, 300))
			convert(sim, c, (int)sim_rand(sim, 6));
		else
			unlock(sim, c);
		break;
	case LK_ASKED:
	case LK_CONVERTING:
		if (!c->cancelled && sim_chance(sim, 100))
			cancel(sim, c);
		break;
	case LK_UNLOCKING:
		break;
	}
	act_later(sim, c, 500 + sim_rand(sim, 100 * MS));
}

static void
ev_act(struct sim *sim, unsigned node, unsigned life, uint64_t id,
    const uint8_t *data, size_t len)
{
	struct simclient *c;

	(void)data, (void)len;
	if (sim->nodes[node].node == NULL || sim->nodes[node].life != life)
		return;
	c = find(sim, node, id);
	if (c == NULL)
		return;
	if (sim->nodes[node].paused_until != 0) {
		sim_at(sim, sim->nodes[node].paused_until - sim->now + 4,
		    ev_act, node, life, id, NULL, 0);
		return;
	}
	c->acting = false;
	act(sim, c);
}

static void
act_later(struct sim *sim, struct simclient *c, uint64_t delay)
{
	if (c->acting)
		return;
	c->acting = true;
	sim_at(sim, delay, ev_act, c->node, sim->nodes[c->node].life, c->id,
	    NULL, 0);
}

/* --- what comes back ------------------------------------------------------------- */

static void
join(struct sim *sim, struct simclient *c)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, LS_ID);
	wbuf_u8(&w, CL_LVB_LEN);
	wbuf_str(&w, c->ls == 0 ? "first" : "second");
	give(sim, c, M_LS_JOIN, 2, &w);
	wbuf_reset(&w);
	wbuf_u32(&w, GROUP_ID);
	wbuf_str(&w, "talk");
	give(sim, c, M_GROUP_JOIN, 3, &w);
	wbuf_free(&w);
}

static void
keeper_ast(struct sim *sim, struct simclient *c, uint32_t lkid, uint32_t status)
{
	unsigned res = lkid - KEEPER_LKID;

	if (status != 0)
		sim_broken(sim, S_ONE_ANSWER, "a null lock was refused: %u",
		    status);
	c->keeping++;
	oracle_grant(sim, c->ls, res, c->id | UINT64_C(1) << 63, CL_NL);
}

/* Does this grant read the value block? (dlm.md 1.6) */
static bool
reads(int from, int to)
{
	if (from < 0 || from == CL_NL)
		return true;
	if (from >= CL_PW)
		return from == CL_PW && to == CL_EX;
	return to >= from && to != CL_NL;
}

static void
granted(struct sim *sim, struct simclient *c, int mode, unsigned sbflags,
    bool haslvb, const uint8_t *lvb)
{
	int from = c->mode;
	uint64_t value;

	if (mode != c->asked)
		sim_broken(sim, S_ONE_ANSWER,
		    "client %llx asked for mode %d and was given %d",
		    (unsigned long long)c->id, c->asked, mode);
	oracle_grant(sim, c->ls, c->res, c->id, mode);
	c->mode = mode;
	c->state = LK_HELD;
	if (!haslvb || !reads(from, mode))
		return;
	memcpy(&value, lvb, sizeof(value));
	c->value = value;
	/* Beside a writer (NL and CR may be) the old value is right as well. */
	if (mode < CL_CW)
		return;
	oracle_read(sim, c->ls, c->res, c->id, value,
	    (sbflags & CL_SBF_VALNOTVALID) != 0);
}

static void
got_ast(struct sim *sim, struct simclient *c, struct rbuf *r)
{
	uint32_t lkid = rbuf_u32(r), status = rbuf_u32(r);
	unsigned mode = rbuf_u8(r), sbflags = rbuf_u8(r);
	bool unlocked = rbuf_u8(r) != 0, haslvb = rbuf_u8(r) != 0;
	uint8_t lvb[CL_LVB_LEN];

	memset(lvb, 0, sizeof(lvb));
	if (haslvb)
		rbuf_bytes(r, lvb, sizeof(lvb));
	if (!rbuf_done(r))
		sim_broken(sim, S_ONE_ANSWER, "a malformed answer");
	if (lkid >= KEEPER_LKID && lkid < KEEPER_LKID + SIM_RESOURCES &&
	    c->keeper) {
		keeper_ast(sim, c, lkid, status);
		return;
	}
	if (lkid != c->lkid || c->state == LK_NONE || c->state == LK_HELD)
		sim_broken(sim, S_ONE_ANSWER,
		    "client %llx: an answer to lock %u, which asked nothing "
		    "(state %d, lock %u, status %u)",
		    (unsigned long long)c->id, lkid, c->state, c->lkid, status);
	c->answers++;
	if (c->state == LK_UNLOCKING) {
		if (!unlocked || status != 0)
			sim_broken(sim, S_ONE_ANSWER,
			    "client %llx: unlock ended with %u",
			    (unsigned long long)c->id, status);
		c->state = LK_NONE;
		c->mode = -1;
	} else if (status == 0) {
		granted(sim, c, (int)mode, sbflags, haslvb, lvb);
	} else if (c->state == LK_ASKED) {
		if (!unlocked)
			sim_broken(sim, S_ONE_ANSWER,
			    "a refused lock lives on");
		c->state = LK_NONE;
		c->mode = -1;
	} else {
		/* A refused conversion leaves the lock as it was. */
		c->state = LK_HELD;
	}
	act_later(sim, c, 100 + sim_rand(sim, 20 * MS));
}

static void
got_slot(struct sim *sim, struct simclient *c, struct rbuf *r)
{
	unsigned node = rbuf_u16(r), k;
	struct simclient *o;

	if (node == 0 || node > sim->p.nodes)
		sim_broken(sim, S_FENCE, "a strange node %u", node);
	/* Its old life is over; a new one cannot have joined before we are
	   done with the old. */
	for (k = 0; k < SIM_CLIENTS; k++) {
		o = sim->nodes[node - 1].clients[k];
		if (o != NULL && o->ls == c->ls && o->joined &&
		    o->node != c->node)
			sim_broken(sim, S_FENCE,
			    "client %llx recovers node %u, which is alive in "
			    "the lockspace",
			    (unsigned long long)c->id, node);
	}
}

static void
got_view(struct sim *sim, struct simclient *c, struct rbuf *r)
{
	unsigned i, n = rbuf_u16(r);
	uint64_t hash = 14695981039346656037u;

	for (i = 0; i < n; i++) {
		hash = (hash ^ rbuf_u16(r)) * 1099511628211u;
		hash = (hash ^ rbuf_u64(r)) * 1099511628211u;
	}
	if (!rbuf_done(r))
		sim_broken(sim, S_ORDER, "a malformed view");
	c->in_group = true;
	oracle_group(sim, c->id, true, hash, 0, 0);
}

static void
got_message(struct sim *sim, struct simclient *c, struct rbuf *r)
{
	uint64_t sender, number;
	const uint8_t *data;
	struct rbuf b;
	size_t len;

	(void)rbuf_u16(r);
	(void)rbuf_u64(r);
	data = rbuf_blob(r, &len, 65536);
	if (!rbuf_done(r) || len < 16)
		sim_broken(sim, S_ORDER, "a malformed message");
	rbuf_init(&b, data, len);
	sender = rbuf_u64(&b);
	number = rbuf_u64(&b);
	oracle_group(sim, c->id, false, 0, sender, number);
}

void
simclient_receive(struct sim *sim, unsigned node, uint64_t client,
    uint32_t type, const uint8_t *data, size_t len)
{
	struct simclient *c = find(sim, node, client);
	struct rbuf r;

	if (c == NULL)
		return;
	rbuf_init(&r, data, len);
	if (type == M_WELCOME) {
		c->welcome = true;
		join(sim, c);
		return;
	}
	if (type == M_RESULT || type == M_VIEW || type == M_ROW)
		return;
	(void)rbuf_u32(&r);
	switch (type) {
	case M_LS_PREP:
		c->prepped = true;
		break;
	case M_LS_SLOT:
		got_slot(sim, c, &r);
		break;
	case M_LS_DONE:
		c->prepped = false;
		if (!c->joined) {
			c->joined = true;
			if (c->keeper)
				keep(sim, c);
			act_later(sim, c, sim_rand(sim, 50 * MS));
		}
		break;
	case M_LS_FAILED:
		sim_trace(sim, "client %llx: its lockspace failed",
		    (unsigned long long)c->id);
		break;
	case M_AST:
		got_ast(sim, c, &r);
		break;
	case M_GROUP_VIEW:
		got_view(sim, c, &r);
		break;
	case M_GROUP_MSG:
		got_message(sim, c, &r);
		break;
	default:
		break;
	}
}

bool
simclient_idle(const struct sim *sim, char *why, size_t len)
{
	const struct simclient *c;
	unsigned i, k;

	for (i = 0; i < sim->p.nodes; i++) {
		for (k = 0; k < SIM_CLIENTS; k++) {
			c = sim->nodes[i].clients[k];
			if (c == NULL) {
				snprintf(why, len, "node %u lacks client %u",
				    i + 1, k);
				return false;
			}
			if (!c->joined || c->state != LK_NONE ||
			    (c->keeper && c->keeping < SIM_RESOURCES)) {
				snprintf(why, len,
				    "client %llx of node %u: joined %d, state "
				    "%d, lock %u on resource %u of lockspace "
				    "%u, has %d, wants %d",
				    (unsigned long long)c->id, i + 1, c->joined,
				    c->state, c->lkid, c->res, c->ls, c->mode,
				    c->asked);
				return false;
			}
		}
	}
	return true;
}

uint64_t
simclient_progress(const struct sim *sim)
{
	const struct simclient *c;
	uint64_t least = UINT64_MAX;
	unsigned i, k;

	for (i = 0; i < sim->p.nodes; i++) {
		for (k = 0; k < SIM_CLIENTS; k++) {
			c = sim->nodes[i].clients[k];
			least = MIN(least, c == NULL ? 0 : c->answers);
		}
	}
	return least;
}
