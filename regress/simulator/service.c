/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What clients do besides locks and talk: they watch views, and hand on the
 * state of their group.  Each of these has a file of its own with its oracle;
 * here they are called.
 */

#include "service.h"

void
service_init(struct sim *s)
{
	s->chk_service = calloc(1, sizeof(*s->chk_service));
	ASSERT(s->chk_service != NULL);
}

void
service_free(struct sim *s)
{
	free(s->chk_service->states);
	free(s->chk_service);
}

uint32_t
service_id(struct sim_service *v)
{
	return SERVICE_IDS | (v->next_id++ & (SERVICE_IDS - 1));
}

void
service_open(struct sim *s, unsigned node, struct sim_client *c)
{
	c->svc = calloc(1, sizeof(*c->svc));
	ASSERT(c->svc != NULL);
	STAILQ_INIT(&c->svc->claims);
	view_watch(s, node, c);
}

bool
service_hurry(const struct sim_client *c)
{
	return c->svc != NULL && c->svc->ngives > 0;
}

void
service_act(struct sim *s, unsigned node, struct sim_client *c)
{
	if (c->svc != NULL && c->svc->ngives > 0)
		state_give(s, node, c);
}

void
service_message(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	switch (a->msgtype) {
	case M_VIEW:
	case M_VIEW_CHANGE:
		view_message(s, node, c, a);
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
service_effective(struct sim *s, unsigned node, struct sim_client *c)
{
	if (c->svc != NULL)
		state_effective(s, node, c);
}

void
service_forget(struct sim_client *c)
{
	if (c->svc == NULL)
		return;
	state_forget(c->svc);
	free(c->svc);
	c->svc = NULL;
}

bool
service_done(struct sim *s, unsigned node, const struct sim_client *c,
    bool over)
{
	return c->svc == NULL || state_done(s, node, c, over);
}
