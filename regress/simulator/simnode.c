/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* A machine: power, a clock of its own, a disk, one node and its clients. */

#include <err.h>
#include <stdio.h>

#include "proto.h"
#include "sim.h"

static uint64_t
local_time(const struct sim *sim, const struct simnode *sn)
{
	int64_t drift = (int64_t)sim->now * sn->drift_ppm / 1000000;

	return sim->now + sn->clock_offset + (uint64_t)drift;
}

static void arm(struct sim *sim, unsigned i);

static void
ev_timer(struct sim *sim, unsigned i, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[i];
	struct event ev = { .type = EV_TIMER };

	(void)data, (void)len;
	/* An earlier deadline may have been armed since. */
	if (sn->life != life || sn->node == NULL || sn->armed != arg)
		return;
	sn->armed = 0;
	if (sn->paused_until != 0)
		return;
	if (node_deadline(sn->node) <= local_time(sim, sn))
		simnode_step(sim, i, &ev);
	else
		arm(sim, i);
}

static void
arm(struct sim *sim, unsigned i)
{
	struct simnode *sn = &sim->nodes[i];
	uint64_t now = local_time(sim, sn), at, deadline;

	if (sn->node == NULL || sn->paused_until != 0)
		return;
	deadline = node_deadline(sn->node);
	if (deadline == UINT64_MAX)
		return;
	at = sim->now + (deadline > now ? deadline - now : 1);
	if (sn->armed != 0 && sn->armed <= at && sn->armed > sim->now)
		return;
	sn->armed = at;
	sim_at(sim, at - sim->now, ev_timer, i, sn->life, at, NULL, 0);
}

static void
ev_stored(struct sim *sim, unsigned i, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[i];
	struct event ev = { .type = EV_STORED };

	(void)arg;
	if (sn->life != life || sn->node == NULL)
		return;
	free(sn->older);
	sn->older = sn->stored;
	sn->olderlen = sn->storedlen;
	sn->stored = malloc(len + 1);
	if (sn->stored == NULL)
		err(1, NULL);
	memcpy(sn->stored, data, len);
	sn->storedlen = len;
	if (sn->paused_until != 0) {
		/* Durable now; the node hears of it when it runs again. */
		sim_at(sim, sn->paused_until - sim->now + 1, ev_stored, i, life,
		    0, data, len);
		return;
	}
	sn->storing = false;
	simnode_step(sim, i, &ev);
}

static void
die(struct sim *sim, unsigned i, const struct action *act)
{
	struct simnode *sn = &sim->nodes[i];

	sim_trace(sim, "node %u: dies: %.*s", sn->id, (int)act->len,
	    (const char *)act->data);
	/* The parent stops the mounts before it starts the next engine. */
	simnode_crash(sim, i, "evicted");
	simnode_restart_later(sim, i, sim_rand(sim, 500 * MS));
}

static void
stopped(struct sim *sim, unsigned i)
{
	sim_trace(sim, "node %u: left cleanly", sim->nodes[i].id);
	simnode_crash(sim, i, "left");
	simnode_restart_later(sim, i, sim_rand(sim, 3 * SECOND));
}

/* Returns false when the node is gone and the rest is void. */
static bool
perform(struct sim *sim, unsigned i, const struct action *act)
{
	struct simnode *sn = &sim->nodes[i];

	switch (act->type) {
	case ACT_SEND:
		oracle_packet(sim, i, act->data, act->len);
		simnet_send(sim, i, act->node, act->link, act->data, act->len);
		break;
	case ACT_CLIENT_SEND:
		simclient_receive(sim, i, act->client, act->msgtype, act->data,
		    act->len);
		break;
	case ACT_CLIENT_CLOSE:
		simclient_closed(sim, i, act->client);
		break;
	case ACT_STORE:
		sn->storing = true;
		sim_at(sim, 100 + sim_rand(sim, 5 * MS), ev_stored, i, sn->life,
		    0, act->data, act->len);
		break;
	case ACT_FENCE_START:
		simfence_start(sim, i, act->req, act->node);
		break;
	case ACT_EVENT:
		if (act->code != EVL_DEBUG || sim->p.verbose)
			sim_trace(sim, "n%u| %.*s", sn->id, (int)act->len,
			    (const char *)act->data);
		break;
	case ACT_STOPPED:
		stopped(sim, i);
		return false;
	case ACT_DIE:
		die(sim, i, act);
		return false;
	case ACT_FENCE_CANCEL:
	case ACT_MOUNT_PID:
		break;
	}
	return true;
}

/* Carries out what is held, in order, up to the next store. */
static void
perform_held(struct sim *sim, unsigned i)
{
	struct simnode *sn = &sim->nodes[i];
	unsigned life = sn->life;
	struct held *h;
	bool alive;

	while (!sn->storing && (h = STAILQ_FIRST(&sn->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&sn->held, entry);
		alive = perform(sim, i, h->act);
		free(h->act);
		free(h);
		if (!alive || sn->life != life)
			return;
	}
}

void
simnode_step(struct sim *sim, unsigned i, struct event *ev)
{
	struct simnode *sn = &sim->nodes[i];
	struct actions out;
	struct action *act;
	struct held *h;

	ASSERT(sn->node != NULL && sn->paused_until == 0);
	ev->now = local_time(sim, sn);
	ev->wall = sim->now;
	actions_init(&out);
	node_step(sn->node, ev, &out);
	node_check(sn->node);
	while ((act = actions_take(&out)) != NULL) {
		h = malloc(sizeof(*h));
		if (h == NULL)
			err(1, NULL);
		h->act = act;
		STAILQ_INSERT_TAIL(&sn->held, h, entry);
	}
	oracle_view(sim, i);
	perform_held(sim, i);
	arm(sim, i);
}

static void
ev_start(struct sim *sim, unsigned i, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	if (sim->nodes[i].life == life && sim->nodes[i].node == NULL)
		simnode_start(sim, i);
}

void
simnode_restart_later(struct sim *sim, unsigned i, uint64_t delay)
{
	sim_at(sim, delay + MS, ev_start, i, sim->nodes[i].life, 0, NULL, 0);
}

void
simnode_start(struct sim *sim, unsigned i)
{
	struct simnode *sn = &sim->nodes[i];
	struct event ev = { .type = EV_START };
	struct node_config nc;
	bool old = sn->older != NULL && sim_chance(sim, sim->f.old_store_pm);
	unsigned k;

	memset(&nc, 0, sizeof(nc));
	nc.conf = sim->conf;
	nc.self = sn->id;
	sn->last_inc += 1 + sim_rand(sim, 1000);
	nc.incarnation = sn->inc = sn->last_inc << 16 | sim_rand(sim, 65536);
	for (k = 0; k < 4; k++)
		nc.seed[k] = rng_u64(&sim->rng);
	memset(nc.key, 0x42, sizeof(nc.key));
	nc.stored = old ? sn->older : sn->stored;
	nc.storedlen = old ? sn->olderlen : sn->storedlen;
	sn->node = node_new(&nc);
	if (sn->node == NULL)
		err(1, NULL);
	sn->life++;
	sn->armed = 0;
	sn->storing = false;
	sn->last_epoch = 0;
	sn->clock_offset = SECOND + sim_rand(sim, 1000 * SECOND);
	sn->drift_ppm = (int64_t)sim_rand(sim, 2 * sim->f.drift_ppm + 1) -
	    (int64_t)sim->f.drift_ppm;
	sim_trace(sim, "node %u: starts as %llx%s", sn->id,
	    (unsigned long long)sn->inc, old ? " with an older state" : "");
	simnode_step(sim, i, &ev);
	if (sn->node != NULL)
		simclient_open_all(sim, i);
}

void
simnode_crash(struct sim *sim, unsigned i, const char *why)
{
	struct simnode *sn = &sim->nodes[i];
	struct held *h;

	if (sn->node == NULL)
		return;
	sim_trace(sim, "node %u: off: %s", sn->id, why);
	simclient_kill_all(sim, i);
	node_free(sn->node);
	sn->node = NULL;
	sn->life++;
	sn->paused_until = 0;
	while ((h = STAILQ_FIRST(&sn->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&sn->held, entry);
		free(h->act);
		free(h);
	}
}

static void
ev_resume(struct sim *sim, unsigned i, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	struct simnode *sn = &sim->nodes[i];
	struct event ev = { .type = EV_TIMER };

	(void)arg, (void)data, (void)len;
	if (sn->life != life || sn->node == NULL || sn->paused_until == 0)
		return;
	sn->paused_until = 0;
	sim_trace(sim, "node %u: runs again", sn->id);
	/* The shell drains the sockets before it looks at the clock: what
	   waited was queued behind this moment by ev_deliver(). */
	sn->armed = 0;
	if (node_deadline(sn->node) <= local_time(sim, sn))
		simnode_step(sim, i, &ev);
	else
		arm(sim, i);
}

void
simnode_pause(struct sim *sim, unsigned i, uint64_t us)
{
	struct simnode *sn = &sim->nodes[i];

	if (sn->node == NULL || sn->paused_until != 0)
		return;
	sim_trace(sim, "node %u: stands still for %llu ms", sn->id,
	    (unsigned long long)(us / 1000));
	sn->paused_until = sim->now + us;
	sim_at(sim, us + 1, ev_resume, i, sn->life, 0, NULL, 0);
}
