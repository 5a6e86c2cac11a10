/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The shell around one simulated node: its clock, its disk for the durable
 * state, its pauses, its deaths and its returns.  What engine.c and the
 * parent do in production is done here in virtual time.
 *
 *	off -boot-> running -pause-> paused -resume-> running
 *	running, paused -crash, fence, ACT_DIE, ACT_STOPPED-> off
 */

#include "sim.h"

#define WAITING_MAX 4000 /* datagrams that a socket keeps for a paused node */

bool
node_on(const struct sim *s, unsigned i)
{
	return s->nodes[i].core != NULL;
}

int
node_index(const struct sim *s, uint16_t id)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].id == id)
			return (int)i;
	return -1;
}

/* Clocks are apart by an offset and do not run equally fast. */
uint64_t
node_local(const struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->nodes[i];

	return (uint64_t)((int64_t)s->now + n->offset +
	    (int64_t)s->now * n->ppm / 1000000);
}

static uint64_t
true_time(const struct sim *s, unsigned i, uint64_t local)
{
	const struct sim_node *n = &s->nodes[i];
	uint64_t here = node_local(s, i);

	if (local <= here)
		return s->now;
	return s->now +
	    (local - here) * 1000000 / (uint64_t)(1000000 + n->ppm) + 1;
}

static void
trace_core(void *arg, const char *line)
{
	struct sim_node *n = arg;

	sim_trace(n->sim, "n%u %s", n->id, line);
}

static void
arm(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct sim_event *e;
	uint64_t at;

	if (n->core == NULL || n->paused)
		return;
	at = n->build->deadline(n->core);
	/* An earlier event looks again when it fires. */
	if (at >= n->timer_at)
		return;
	n->timer_at = at;
	e = heap_add(&s->heap, true_time(s, i, at) + sim_between(s, 1, 200),
	    SE_TIMER);
	e->node = i;
	e->gen = ++n->gen;
}

/* what 1: the programs first; 0: the daemon itself. */
static void
stop_soon(struct sim *s, unsigned i, int what)
{
	struct sim_event *e;

	e = heap_add(&s->heap, s->now + sim_between(s, 1, 10 * MS), SE_STOP);
	e->node = i;
	e->life = s->nodes[i].life;
	e->what = what;
}

/* ---- what the core wants done ------------------------------------------ */

/* The moment that a fault waits for: does the node pause now? */
static void
unlucky(struct sim *s, unsigned i, enum unlucky moment)
{
	struct sim_node *n = &s->nodes[i];

	if (n->unlucky != moment || s->calm)
		return;
	n->unlucky = UN_NONE;
	node_pause(s, i, n->unlucky_len);
}

/* What the last life made durable is gone, or is the version before. */
void
node_lose_disk(struct sim *s, unsigned i, bool all)
{
	struct sim_node *n = &s->nodes[i];

	free(n->stored);
	n->stored = all ? NULL : n->older;
	n->storedlen = all ? 0 : n->olderlen;
	if (all)
		free(n->older);
	n->older = NULL;
	n->last_epoch = 0;
	n->forgot = true;
	n->remembers = false;
	/* A record of an earlier life may keep such a node out for good. */
	n->behind = all && n->life % 2 == 0 && !s->net.replay;
}

/* What was on its way is durable. */
static void
keep_stored(struct sim_node *n)
{
	free(n->older);
	n->older = n->stored;
	n->olderlen = n->storedlen;
	n->stored = n->storing;
	n->storedlen = n->storinglen;
	n->storing = NULL;
}

static void
begin_store(struct sim *s, unsigned i, const struct action *act)
{
	struct sim_node *n = &s->nodes[i];
	struct sim_event *e;
	uint64_t len = sim_between(s, 200, 4 * MS);

	if (sim_chance(s, s->calm ? 0 : 20))
		len += sim_between(s, 0, 150 * MS);
	n->busy = true;
	n->storing = malloc(MAX(act->len, (size_t)1));
	ASSERT(n->storing != NULL);
	memcpy(n->storing, act->data, act->len);
	n->storinglen = act->len;
	unlucky(s, i, UN_BEFORE_STORE);
	e = heap_add(&s->heap, s->now + len, SE_STORED);
	e->node = i;
	e->life = n->life;
}

void
node_shut(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct held *h;
	struct waiting *w;

	voice_end(s, i, false);
	disk_dead(s, i);
	clients_dead(s, i);
	n->build->destroy(n->core);
	n->core = NULL;
	n->paused = false;
	while ((h = STAILQ_FIRST(&n->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->held, entry);
		free(h->act);
		free(h);
	}
	while ((w = STAILQ_FIRST(&n->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->waiting, entry);
		free(w->data);
		free(w);
	}
	n->nwaiting = 0;
	/* What was on its way to the disk got there, or it did not. */
	if (n->storing != NULL && sim_chance(s, 500))
		keep_stored(n);
	free(n->storing);
	n->storing = NULL;
	n->busy = false;
	keys_shut(s, i);
	memset(&n->view, 0, sizeof(n->view));
	n->uncounted = false;
}

/* told: only the engine ends, and its beat process says so. */
static void
off(struct sim *s, unsigned i, bool told, uint64_t delay)
{
	struct sim_event *e;

	voice_end(s, i, told);
	node_shut(s, i);
	if (s->dead == (int)i)
		return;
	e = heap_add(&s->heap, s->now + delay, SE_RESTART);
	e->node = i;
	e->life = s->nodes[i].life;
}

/* Programs are stopped before the daemon, as the parent does it. */
void
node_stop(struct sim *s, unsigned i)
{
	unsigned k;

	for (k = 0; k < SIM_CLIENTS; k++)
		client_kill(s, i, k);
	s->nodes[i].leaving = true;
	sim_trace(s, "n%u is asked to stop", s->nodes[i].id);
	stop_soon(s, i, 0);
}

void
node_crash(struct sim *s, unsigned i, const char *why)
{
	if (!node_on(s, i))
		return;
	sim_trace(s, "n%u dies: %s", s->nodes[i].id, why);
	if (s->calm)
		s->calm_kills++;
	off(s, i, false, sim_between(s, 100 * MS, 3 * SEC));
}

void
node_kill(struct sim *s, unsigned i)
{
	if (!node_on(s, i))
		return;
	sim_trace(s, "n%u: its engine dies", s->nodes[i].id);
	off(s, i, true, sim_between(s, 5 * MS, 3 * SEC));
}

/* False: the node has ended. */
static bool
act_on(struct sim *s, unsigned i, const struct action *act)
{
	int to;

	switch (act->type) {
	case ACT_SEND:
		to = node_index(s, act->node);
		ASSERT(to >= 0 && act->link < s->conf->nlinks);
		chk_nonce(s, i, (unsigned)to, act->data, act->len);
		sim_hash(s, act->data, act->len);
		net_send(s, i, (unsigned)to, act->link, act->data, act->len);
		break;
	case ACT_CLIENT_SEND:
		sim_hash(s, act->data, act->len);
		client_message(s, i, act);
		break;
	case ACT_CLIENT_CLOSE:
		client_closed(s, i, act->client);
		break;
	case ACT_STORE:
		begin_store(s, i, act);
		break;
	case ACT_KEYS:
		keys_write(s, i, act);
		break;
	case ACT_FENCE_START:
		fence_start(s, i, act);
		break;
	case ACT_LEAVE:
		stop_soon(s, i, 1);
		break;
	case ACT_STOPPED:
		sim_trace(s, "n%u stopped", s->nodes[i].id);
		chk_quorum_left(s, i);
		if (s->calm) /* asked for while something was wrong */
			s->calm_kills++;
		off(s, i, true, sim_between(s, 100 * MS, 3 * SEC));
		return false;
	case ACT_DIE:
		if (act->life != 0)
			s->nodes[i].behind = false;
		if (s->phase > PH_SETTLE)
			sim_fail(s, INV_LIVE_VIEW,
			    "n%u ends itself although nothing is wrong: %.*s",
			    s->nodes[i].id, (int)act->len,
			    (const char *)act->data);
		chk_view_over(s, i);
		sim_trace(s, "n%u ends itself: %.*s", s->nodes[i].id,
		    (int)act->len, (const char *)act->data);
		off(s, i, true, sim_between(s, 20 * MS, 300 * MS));
		return false;
	case ACT_DEVICE:
		disk_request(s, i, act);
		break;
	case ACT_FENCE_CANCEL: /* the switch has been told already */
	case ACT_EVENT:	       /* traced by the core itself */
	case ACT_MOUNT_PID:
		break;
	}
	return true;
}

/* Does what is due, up to an ACT_STORE whose bytes are not durable yet. */
static bool
drain(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct held *h;
	bool on = true;

	while (on && !n->busy && (h = STAILQ_FIRST(&n->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->held, entry);
		n->caught_up = h->caught_up;
		on = act_on(s, i, h->act);
		free(h->act);
		free(h);
	}
	return on;
}

/* What is broken stays so for a while: it need not be looked at in each step. */
bool
node_look(const struct sim *s)
{
	return s->n <= 4 || s->steps % (s->n <= 16 ? s->n / 2 : s->n) == 0;
}

static bool
step(struct sim *s, unsigned i, struct event *ev)
{
	struct sim_node *n = &s->nodes[i];
	uint64_t epoch = n->view.epoch;
	struct actions acts;
	struct action *act;
	struct held *h;

	s->steps++;
	n->rounds += !n->busy;
	ev->now = node_local(s, i);
	ev->wall = 1700000000 * SEC + s->now;
	/* As the engine does; the timer that is due at once is the flush. */
	if (ev->type == EV_PACKET || ev->type == EV_CLIENT_DATA)
		ev->more = sim_chance(s, 400);
	actions_init(&acts);
	n->build->step(n->core, ev, &acts);
	if (node_look(s))
		n->build->check(n->core);
	while ((act = actions_take(&acts)) != NULL) {
		chk_lease_act(s, i, act);
		if (act->type == ACT_FENCE_START)
			chk_fence_start(s, i, act);
		h = calloc(1, sizeof(*h));
		ASSERT(h != NULL);
		h->act = act;
		h->caught_up = chk_keys_caught_up(n);
		STAILQ_INSERT_TAIL(&n->held, h, entry);
	}
	if (!drain(s, i))
		return false;
	chk_view_step(s, i);
	chk_keys_step(s, i);
	chk_bound(s, i);
	if (n->view.epoch != epoch)
		unlucky(s, i, UN_VIEW);
	return true;
}

/* ---- inputs ------------------------------------------------------------ */

static void
keep(struct sim_node *n, const struct event *ev)
{
	struct waiting *w;

	if (ev->type == EV_PACKET && n->nwaiting >= WAITING_MAX)
		return;
	w = calloc(1, sizeof(*w));
	ASSERT(w != NULL);
	w->ev = *ev;
	if (ev->len > 0) {
		w->data = malloc(ev->len);
		ASSERT(w->data != NULL);
		memcpy(w->data, ev->data, ev->len);
		w->ev.data = w->data;
	}
	STAILQ_INSERT_TAIL(&n->waiting, w, entry);
	n->nwaiting++;
}

void
node_stored(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct event ev = { .type = EV_STORED };

	keep_stored(n);
	n->busy = false;
	unlucky(s, i, UN_AFTER_STORE);
	if (n->paused) {
		/* The helper has said so; the engine reads it when it runs. */
		keep(n, &ev);
		return;
	}
	if (!drain(s, i))
		return;
	if (step(s, i, &ev))
		arm(s, i);
}

void
node_input(struct sim *s, unsigned i, struct event *ev)
{
	struct sim_node *n = &s->nodes[i];

	if (n->core == NULL)
		return;
	/* The kernel notes when it came, also while nobody reads. */
	if (ev->type == EV_PACKET)
		ev->at = node_local(s, i);
	if (n->paused) {
		keep(n, ev);
		return;
	}
	if (step(s, i, ev))
		arm(s, i);
}

void
node_timer(struct sim *s, unsigned i, uint64_t gen)
{
	struct sim_node *n = &s->nodes[i];
	struct event ev = { .type = EV_TIMER };

	if (n->core == NULL || n->paused || gen != n->gen)
		return;
	n->timer_at = UINT64_MAX;
	if (n->build->deadline(n->core) > node_local(s, i)) {
		arm(s, i);
		return;
	}
	if (step(s, i, &ev))
		arm(s, i);
}

void
node_pause(struct sim *s, unsigned i, uint64_t len)
{
	struct sim_node *n = &s->nodes[i];
	struct sim_event *e;

	if (n->core == NULL || n->paused)
		return;
	sim_trace(s, "n%u pauses for %llu ms", n->id,
	    (unsigned long long)(len / MS));
	n->paused = true;
	voice_pause(s, i);
	n->timer_at = UINT64_MAX;
	n->gen++;
	e = heap_add(&s->heap, s->now + len, SE_RESUME);
	e->node = i;
	e->life = n->life;
}

/* What came meanwhile is given before any timer, as engine.c does. */
void
node_resume(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	uint64_t life = n->life;
	struct waiting *w;
	bool on = true;

	n->paused = false;
	voice_resume(s, i);
	n->run_since = s->now;
	sim_trace(s, "n%u resumes", n->id);
	while (on && !n->paused && (w = STAILQ_FIRST(&n->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->waiting, entry);
		n->nwaiting--;
		on = step(s, i, &w->ev) && n->life == life;
		free(w->data);
		free(w);
	}
	if (on)
		arm(s, i);
}

void
node_boot(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	struct node_config nc = { .conf = edit_boot(s, i),
		.self = n->id,
		.stored = n->stored,
		.storedlen = n->storedlen,
		.trace = trace_core,
		.trace_arg = n };
	struct event ev = { .type = EV_START };
	unsigned k;

	ASSERT(n->core == NULL);
	n->life++;
	n->leaving = false;
	n->sim = s;
	/* Without its state, and with its clock behind, it seems an old one. */
	n->inc = n->life + (n->behind ? 0 : 1700000000 * SEC + s->now);
	nc.incarnation = n->inc;
	n->offset = (int64_t)sim_between(s, 1, 1000 * SEC);
	/* Most of them are as wrong as a clock may be. */
	n->ppm = (int)sim_between(s, 0, 8 * (unsigned)s->profile.ppm) -
	    4 * s->profile.ppm;
	n->ppm = MAX(MIN(n->ppm, s->profile.ppm), -s->profile.ppm);
	n->timer_at = UINT64_MAX;
	n->gen++;
	n->run_since = s->now;
	STAILQ_INIT(&n->held);
	STAILQ_INIT(&n->waiting);
	keys_boot(s, i, &nc);
	for (k = 0; k < 4; k++)
		nc.seed[k] = rng_u64(&s->rng);
	build_pick(s, i);
	nc.lacks = ~n->build->features;
	n->core = n->build->create(&nc);
	ASSERT(n->core != NULL);
	sim_trace(s, "n%u starts as incarnation %llu", n->id,
	    (unsigned long long)n->inc);
	n->conf = nc.conf;
	voice_boot(s, i);
	if (!step(s, i, &ev))
		return;
	arm(s, i);
	clients_boot(s, i);
}
