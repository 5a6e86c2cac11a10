/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Recovery levels and barriers.  Every client registers at a level of its
 * own choice and says at once that it is done; some wait at barriers.
 *
 * INV_LEVELS	in a round a client is told to stop only when all above it on
 *	the nodes of that view have stopped, and to start only when all have
 *	stopped and those below it have started.
 * INV_BARRIER	a barrier opens for as many as it was made for, or a multiple.
 * INV_LIVE_SERVICES  each round comes to its end.
 */

#include "service.h"

void
level_register(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	struct wbuf w;

	v->level = (unsigned)rng_below(&s->crng, 4);
	wbuf_init(&w, 128);
	wbuf_u32(&w, 1);
	wbuf_u8(&w, (uint8_t)v->level);
	wbuf_str(&w, "sim");
	client_tell(s, node, c, M_LEVEL_REGISTER, service_ask(v), &w);
}

/* Does the round of node i's view concern this client? */
static bool
concerns(const struct sim *s, unsigned i, const struct sim_client *o,
    uint64_t round)
{
	return o->open && !o->closed && o->svc != NULL &&
	    o->svc->lv_first != 0 && o->svc->lv_first < round &&
	    s->nodes[i].view.epoch == round && s->nodes[i].view.primary;
}

static void
check(struct sim *s, unsigned node, const struct sim_client *c, unsigned step,
    uint64_t round)
{
	const struct sim_service *v = c->svc, *ov;
	const struct sim_client *o;
	const char *why;
	unsigned i, k;

	for (i = 0; i < s->n; i++) {
		for (k = 0; k < SIM_CLIENTS; k++) {
			o = &s->nodes[i].clients[k];
			if (o == c || !concerns(s, i, o, round))
				continue;
			ov = o->svc;
			why = NULL;
			if (ov->lv_stopped < round &&
			    (step == LEVEL_START || ov->level > v->level))
				why = "has not stopped";
			if (step == LEVEL_START && ov->lv_started < round &&
			    ov->level < v->level)
				why = "has not started";
			if (why != NULL)
				sim_fail(s, INV_LEVELS,
				    "n%u client %llu of level %u: step %u of "
				    "round %llu, but client %llu of level %u "
				    "%s",
				    s->nodes[node].id,
				    (unsigned long long)c->id, v->level, step,
				    (unsigned long long)round,
				    (unsigned long long)o->id, ov->level, why);
		}
	}
}

void
level_message(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	struct sim_service *v = c->svc;
	struct rbuf r;
	unsigned step;
	uint64_t round;

	rbuf_init(&r, a->data, a->len);
	(void)rbuf_u32(&r);
	step = rbuf_u8(&r);
	round = rbuf_u64(&r);
	if (!rbuf_done(&r) || round < v->lv_round)
		sim_fail(s, INV_LEVELS, "client %llu: round %llu after %llu",
		    (unsigned long long)c->id, (unsigned long long)round,
		    (unsigned long long)v->lv_round);
	v->lv_round = round;
	if (step == LEVEL_FINISH) {
		v->lv_finished = round;
		return;
	}
	/* Who came in the middle of the round is not part of its order. */
	if (v->lv_first == 0)
		v->lv_first = round;
	else if (v->lv_first < round)
		check(s, node, c, step, round);
	v->lv_step = step;
	client_wake(s, node, (unsigned)(c - s->nodes[node].clients), 1);
}

void
level_done(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	unsigned step = v->lv_step;
	struct wbuf w;

	v->lv_step = 0;
	if (step == LEVEL_STOP)
		v->lv_stopped = v->lv_round;
	else
		v->lv_started = v->lv_round;
	wbuf_init(&w, 32);
	wbuf_u32(&w, 1);
	wbuf_u64(&w, v->lv_round);
	wbuf_u8(&w, (uint8_t)step);
	client_tell(s, node, c, M_LEVEL_DONE, service_id(v), &w);
}

bool
level_rest(struct sim *s, unsigned node, const struct sim_client *c, bool over)
{
	const struct sim_service *v = c->svc;

	if (v->lv_finished == s->nodes[node].view.epoch)
		return true;
	if (over)
		sim_fail(s, INV_LIVE_SERVICES,
		    "n%u client %llu: round %llu of levels has no end (%llu "
		    "had)",
		    s->nodes[node].id, (unsigned long long)c->id,
		    (unsigned long long)s->nodes[node].view.epoch,
		    (unsigned long long)v->lv_finished);
	return false;
}

/* --- barriers ------------------------------------------------------------------ */

void
barrier_enter(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	struct wbuf w;

	s->chk_service->entered++;
	v->ba_id = service_ask(v);
	wbuf_init(&w, 64);
	wbuf_u16(&w, SIM_PARTIES);
	wbuf_str(&w, "gate");
	client_tell(s, node, c, M_BARRIER_ENTER, v->ba_id, &w);
}

/* At the end there may be nobody else to come. */
void
barrier_leave(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	c->svc->ba_leaving = true;
	wbuf_init(&w, 64);
	wbuf_str(&w, "gate");
	client_tell(s, node, c, M_BARRIER_LEAVE, service_id(c->svc), &w);
}

void
barrier_answer(struct sim *s, struct sim_client *c, uint32_t error)
{
	struct chk_service *cs = s->chk_service;
	struct sim_service *v = c->svc;

	if (error == 0)
		cs->passed++;
	if ((error != 0 && !v->ba_leaving) ||
	    cs->passed > cs->entered - cs->entered % SIM_PARTIES)
		sim_fail(s, INV_BARRIER,
		    "client %llu: ends with %u; %llu passed, %llu entered",
		    (unsigned long long)c->id, error,
		    (unsigned long long)cs->passed,
		    (unsigned long long)cs->entered);
	v->ba_id = 0;
	v->ba_leaving = false;
}
