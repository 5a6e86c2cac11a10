/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The state of the group is a hash of all of its messages, so a client that
 * took it at a wrong place, or from somebody who had another one, differs
 * from then on.
 *
 * INV_GROUP_STATE  after a message all who have the state have the same one.
 * INV_LIVE_SERVICES  whoever joined has the state at last.
 */

#include "service.h"

#define NO_STATE UINT64_C(0x5eed)

static uint64_t
next_state(uint64_t state, uint64_t id)
{
	state = (state ^ id) * UINT64_C(0x9e3779b97f4a7c15);
	return state ^ state >> 29;
}

static void
claim(struct sim_service *v, uint64_t id)
{
	v->state = next_state(v->state, id);
	service_claim(v, CLAIM_STATE, id, v->state);
}

static void
take_message(struct sim_service *v, struct rbuf *r)
{
	const uint8_t *data;
	struct rbuf m;
	uint64_t id;
	size_t len;

	(void)rbuf_u16(r);
	(void)rbuf_u64(r);
	data = rbuf_blob(r, &len, 65536);
	rbuf_init(&m, data, data == NULL ? 0 : len);
	id = rbuf_u64(&m) << 32;
	id |= rbuf_u32(&m);
	if (v->has_state && !v->syncing)
		claim(v, id);
	if (!v->syncing)
		return;
	if (v->nheld == v->heldcap) {
		v->heldcap = 2 * v->heldcap + 64;
		v->held = recallocarray(v->held, v->nheld, v->heldcap,
		    sizeof(*v->held));
		ASSERT(v->held != NULL);
	}
	v->held[v->nheld++] = id;
}

/* The state comes in two pieces; the first one alone is worth nothing. */
static void
take_piece(struct sim *s, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	uint32_t round = rbuf_u32(r);
	bool last = rbuf_u8(r) != 0;
	const uint8_t *data;
	struct rbuf p;
	size_t i, len;

	data = rbuf_blob(r, &len, 65536);
	if (round == 0) {
		v->state = NO_STATE;
	} else if (!v->syncing || round != v->round || !last) {
		return;
	} else {
		rbuf_init(&p, data, len);
		v->state = rbuf_u64(&p);
		if (!rbuf_done(&p))
			sim_fail(s, INV_GROUP_STATE, "a torn piece");
	}
	v->has_state = true;
	v->syncing = false;
	for (i = 0; i < v->nheld; i++)
		claim(v, v->held[i]);
	v->nheld = 0;
}

static void
wanted(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	unsigned i;

	if (!v->has_state || v->syncing)
		sim_fail(s, INV_GROUP_STATE,
		    "n%u client %llu: is to give a state that it has not",
		    s->nodes[node].id, (unsigned long long)c->id);
	if (v->ngives == GIVES_MAX)
		return;
	i = v->ngives++;
	v->gives[i].node = rbuf_u16(r);
	v->gives[i].client = rbuf_u64(r);
	v->gives[i].round = rbuf_u32(r);
	v->gives[i].state = v->state;
	client_wake(s, node, (unsigned)(c - s->nodes[node].clients), 1);
}

void
state_give(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	uint64_t life = s->nodes[node].life;
	unsigned piece, i;
	struct wbuf w, st;

	for (piece = 0; piece < 2; piece++) {
		if (!node_on(s, node) || s->nodes[node].life != life ||
		    c->svc != v || v->ngives == 0)
			return;
		i = v->ngives - 1;
		wbuf_init(&st, 16);
		if (piece == 1)
			wbuf_u64(&st, v->gives[i].state);
		wbuf_init(&w, 128);
		wbuf_u32(&w, 1);
		wbuf_u16(&w, v->gives[i].node);
		wbuf_u64(&w, v->gives[i].client);
		wbuf_u32(&w, v->gives[i].round);
		wbuf_u8(&w, piece == 1);
		wbuf_blob(&w, st.data, st.len);
		wbuf_free(&st);
		if (piece == 1)
			v->ngives--;
		client_tell(s, node, c, M_GROUP_GIVE, service_id(v), &w);
	}
}

void
state_message(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	struct sim_service *v = c->svc;
	struct rbuf r;

	rbuf_init(&r, a->data, a->len);
	(void)rbuf_u32(&r);
	switch (a->msgtype) {
	case M_GROUP_MSG:
		take_message(v, &r);
		break;
	case M_GROUP_WANTED:
		wanted(s, node, c, &r);
		break;
	case M_GROUP_SYNC:
		v->round = rbuf_u32(&r);
		v->syncing = true;
		v->nheld = 0;
		break;
	case M_GROUP_PIECE:
		take_piece(s, c, &r);
		break;
	case M_GROUP_LEFT:
		v->has_state = v->syncing = false;
		v->ngives = 0;
		v->nheld = 0;
		break;
	default:
		break;
	}
	if (r.err)
		sim_fail(s, INV_GROUP_STATE, "message %u is malformed",
		    a->msgtype);
}

void
state_check(struct sim *s, unsigned node, const struct sim_client *c,
    const struct claim *cm)
{
	struct known *k = chk_log_at(&s->chk_service->states, cm->id);

	if (k->hash == 0)
		k->hash = cm->hash;
	if (k->hash != cm->hash)
		sim_fail(s, INV_GROUP_STATE,
		    "n%u client %llu: after message %llu.%llu its state is "
		    "not that of the others",
		    s->nodes[node].id, (unsigned long long)c->id,
		    (unsigned long long)(cm->id >> 32),
		    (unsigned long long)(cm->id & UINT32_MAX));
}

void
state_forget(struct sim_service *v)
{
	free(v->held);
}

bool
state_done(struct sim *s, unsigned node, const struct sim_client *c, bool over)
{
	const struct sim_service *v = c->svc;

	if (!c->open || !c->group_in || (v->has_state && !v->syncing))
		return true;
	if (over)
		sim_fail(s, INV_LIVE_SERVICES,
		    "n%u client %llu: has no state of the group",
		    s->nodes[node].id, (unsigned long long)c->id);
	return false;
}
