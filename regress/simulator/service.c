/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What clients do besides locks and talk: they watch views, hand on the state
 * of their group, use event channels, recovery levels, a barrier, the
 * key-value set and datagrams.  Each of these has a file of its own with its oracle;
 * here they are called.
 */

#include "service.h"

void
service_init(struct sim *s)
{
	s->chk_service = calloc(1, sizeof(*s->chk_service));
	ASSERT(s->chk_service != NULL);
	s->chk_service->events.name = "events";
	s->chk_service->puts.name = "key-value set";
}

void
service_free(struct sim *s)
{
	free(s->chk_service->states.v);
	free(s->chk_service->events.v);
	free(s->chk_service->puts.v);
	free(s->chk_service->won.v);
	free(s->chk_service->dgrams.v);
	free(s->chk_service->pairs.v);
	free(s->chk_service);
}

uint32_t
service_id(struct sim_service *v)
{
	return SERVICE_IDS | (v->next_id++ & (SERVICE_IDS - 1));
}

uint32_t
service_ask(struct sim_service *v)
{
	v->asked++;
	return service_id(v);
}

void
service_claim(struct sim_service *v, enum claim_type type, uint64_t id,
    uint64_t hash)
{
	struct claim *cm = calloc(1, sizeof(*cm));

	ASSERT(cm != NULL);
	cm->type = type;
	cm->id = id;
	cm->hash = hash;
	STAILQ_INSERT_TAIL(&v->claims, cm, entry);
}

/* Was it this service, and not a later one of the client? */
static bool
lives(struct sim *s, unsigned node, const struct sim_client *c,
    const struct sim_service *v)
{
	return node_on(s, node) && c->svc == v && !c->closed;
}

void
service_open(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v;

	if (s->race)
		return;
	v = calloc(1, sizeof(*v));
	ASSERT(v != NULL);
	STAILQ_INIT(&v->claims);
	c->svc = v;
	view_watch(s, node, c);
	if (lives(s, node, c, v))
		event_subscribe(s, node, c);
	if (lives(s, node, c, v))
		level_register(s, node, c);
	if (lives(s, node, c, v))
		kv_start(s, node, c);
	if (lives(s, node, c, v))
		dgram_open(s, node, c);
}

bool
service_hurry(const struct sim_client *c)
{
	const struct sim_service *v = c->svc;

	return v != NULL && (v->ngives > 0 || v->lv_step != 0);
}

void
service_act(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;

	if (v == NULL)
		return;
	if (v->ngives > 0)
		state_give(s, node, c);
	else if (v->lv_step != 0)
		level_done(s, node, c);
	else if (v->asked >= 4)
		return;
	else if (v->ba_id == 0 && rng_below(&s->crng, 4) == 0)
		barrier_enter(s, node, c);
	else if (v->dg_id == 0 && rng_below(&s->crng, 3) == 0)
		dgram_send(s, node, c);
	else if (rng_below(&s->crng, 2) == 0)
		kv_change(s, node, c);
	else
		event_publish(s, node, c);
}

/* Nothing new is begun, and what might wait for ever is given up. */
void
service_drain(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;

	if (v != NULL && v->ba_id != 0 && !v->ba_leaving)
		barrier_leave(s, node, c);
}

static void
answer(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	char text[512];
	struct rbuf r;
	uint32_t error;

	rbuf_init(&r, a->data, a->len);
	error = rbuf_u32(&r);
	rbuf_str(&r, text, sizeof(text));
	if (a->msgid == c->svc->ba_id && c->svc->ba_id != 0) {
		barrier_answer(s, c, error);
		error = 0;
	}
	if (a->msgid == c->svc->dg_id && c->svc->dg_id != 0) {
		dgram_answer(s, c, error);
		error = 0;
	}
	if (error != 0 || c->svc->asked == 0)
		sim_fail(s, INV_SERVICE_ORDER,
		    "n%u client %llu: request %u ends with %u: %s",
		    s->nodes[node].id, (unsigned long long)c->id, a->msgid,
		    error, text);
	c->svc->asked--;
}

void
service_unread(struct sim *s, const struct action *a)
{
	if (a->msgtype == M_DGRAM)
		dgram_unread(s, a);
}

void
service_message(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	if (c->svc == NULL)
		return;
	switch (a->msgtype) {
	case M_RESULT:
		answer(s, node, c, a);
		break;
	case M_VIEW:
	case M_VIEW_CHANGE:
		view_message(s, node, c, a);
		break;
	case M_LEVEL:
		level_message(s, node, c, a);
		break;
	case M_DGRAM:
		dgram_message(s, c, a);
		break;
	case M_KV_DONE:
	case M_KV_ENTRY:
	case M_KV_READY:
		kv_message(s, c, a);
		break;
	case M_EVENT:
	case M_EVENT_READY:
		event_message(s, c, a);
		break;
	case M_GROUP_VIEW:
	case M_GROUP_MSG:
	case M_GROUP_LEFT:
	case M_GROUP_CHANGE:
	case M_GROUP_WANTED:
	case M_GROUP_SYNC:
	case M_GROUP_PIECE:
	case M_GROUP_TAKEN:
	case M_GROUP_SYNCED:
		state_message(s, node, c, a);
		break;
	default:
		break;
	}
}

void
service_stepped(struct sim *s, unsigned node)
{
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++)
		view_told(s, node, &s->nodes[node].clients[i]);
}

void
service_effective(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	struct claim *cm;

	while (v != NULL && (cm = STAILQ_FIRST(&v->claims)) != NULL) {
		STAILQ_REMOVE_HEAD(&v->claims, entry);
		if (cm->type == CLAIM_STATE)
			state_check(s, node, c, cm);
		else if (cm->type == CLAIM_WON)
			kv_check_won(s, cm);
		else if (cm->type == CLAIM_KV)
			chk_log_told(s, &s->chk_service->puts, &v->kv_last,
			    c->id, cm->id, cm->hash);
		else
			chk_log_told(s, &s->chk_service->events, &v->ev_last,
			    c->id, cm->id, cm->hash);
		free(cm);
	}
}

void
service_forget(struct sim_client *c)
{
	struct sim_service *v = c->svc;
	struct claim *cm;

	if (v == NULL)
		return;
	while ((cm = STAILQ_FIRST(&v->claims)) != NULL) {
		STAILQ_REMOVE_HEAD(&v->claims, entry);
		free(cm);
	}
	state_forget(v);
	free(v);
	c->svc = NULL;
}

/* Any client that is there, to compare with. */
static const struct sim_client *
another(const struct sim *s)
{
	unsigned i, k;

	for (i = 0; i < s->n; i++) {
		for (k = 0; k < SIM_CLIENTS; k++) {
			if (s->nodes[i].clients[k].svc != NULL)
				return &s->nodes[i].clients[k];
		}
	}
	return NULL;
}

bool
service_done(struct sim *s, unsigned node, const struct sim_client *c,
    bool over)
{
	if (c->svc == NULL || c->closed)
		return true;
	if (c->svc->asked > 0) {
		if (over)
			sim_fail(s, INV_LIVE_SERVICES,
			    "n%u client %llu: %u requests have no answer",
			    s->nodes[node].id, (unsigned long long)c->id,
			    c->svc->asked);
		return false;
	}
	return state_done(s, node, c, over) && level_rest(s, node, c, over) &&
	    event_done(s, c, another(s), over) &&
	    kv_rest(s, c, another(s), over);
}
