/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Another cluster with the same name and the same addresses, but another key:
 * a clone of a machine that was started in the wrong place.  One node of it
 * runs; it hears a part of what is sent to the node whose address it has, and
 * sends to all the others.  Nobody may believe a word.
 *
 * Or, in a quarter of the generated runs that have one, it is a twin: a second
 * machine that was set up as the same node, with the same key and without any
 * state, and that now and then is started, for a moment, while the first one is
 * well.  It is not believed, and nothing else may come of it.  (While the first
 * one is away nobody can know: then it is that node, come back.)
 */

#include "sim.h"

struct stranger {
	struct node *core; /* NULL: a twin that is off */
	bool twin;
	unsigned node;
	uint64_t gen;
	uint64_t timer_at;
	uint64_t life; /* of the node whose twin it is */
	uint64_t off_at;
};

static void
look_at(struct sim *s, uint64_t at)
{
	struct sim_event *e;

	s->stranger->timer_at = at;
	e = heap_add(&s->heap, at, SE_STRANGER);
	e->gen = ++s->stranger->gen;
}

static void
look_again(struct sim *s)
{
	struct stranger *st = s->stranger;
	uint64_t at = MAX(node_deadline(st->core), s->now) + 1;

	if (at < st->timer_at)
		look_at(s, at);
}

static void
says(struct sim *s, const struct action *act)
{
	unsigned to = (unsigned)node_index(s, act->node);

	if (!s->stranger->twin) {
		net_forge(s, to, act->link, act->data, act->len);
		return;
	}
	s->net.other = true;
	net_send(s, s->stranger->node, to, act->link, act->data, act->len);
	s->net.other = false;
}

static void
step(struct sim *s, struct event *ev)
{
	struct stranger *st = s->stranger;
	struct actions acts;
	struct action *act;
	bool over = st->twin &&
	    (s->now >= st->off_at || !node_on(s, st->node) ||
		s->nodes[st->node].life != st->life);

	ev->now = s->now;
	ev->wall = 1700000000 * SEC + s->now;
	actions_init(&acts);
	node_step(st->core, ev, &acts);
	while ((act = actions_take(&acts)) != NULL) {
		if (act->type == ACT_SEND)
			says(s, act);
		over |= act->type == ACT_DIE;
		free(act);
	}
	if (over && st->twin) {
		node_free(st->core);
		st->core = NULL;
		look_at(s, s->now + sim_between(s, 50 * MS, SEC));
	} else
		look_again(s);
}

/* All others hear it at this moment, and by each of its links. */
static bool
is_well(const struct sim *s, unsigned i)
{
	const struct net *net = &s->net;
	const struct sim_node *n = &s->nodes[i];
	unsigned k, l;

	for (k = 0; k < s->n; k++)
		for (l = 0; l < s->conf->nlinks; l++)
			if (net->dir[i][k][l].cut || net->dir[k][i][l].cut ||
			    net->dir[i][k][l].loss > 0 ||
			    net->dir[i][k][l].slow > 0 ||
			    net->dir[i][k][l].mtu > 0)
				return false;
	return node_on(s, i) && !n->paused && n->view.synced &&
	    n->view.primary && n->view.n == s->n &&
	    s->now > n->run_since + s->slowest_us;
}

/* Its clock may be behind that of the node whose name it has, or not. */
static void
boot(struct sim *s, struct node_config *nc)
{
	struct stranger *st = s->stranger;
	struct event ev = { .type = EV_START };
	unsigned k;

	nc->conf = s->conf;
	nc->self = s->nodes[st->node].id;
	for (k = 0; k < 4; k++)
		nc->seed[k] = rng_u64(&s->rng);
	st->core = node_new(nc);
	ASSERT(st->core != NULL);
	sim_trace(s, "a %s uses the address of n%u",
	    st->twin ? "twin" : "stranger", nc->self);
	step(s, &ev);
}

static void
twin_boot(struct sim *s)
{
	struct sim_node *n = &s->nodes[s->stranger->node];
	struct node_config nc = { .keys = n->file,
		.incarnation = n->inc + (sim_chance(s, 700) ? 1 : -1) };

	s->stranger->life = n->life;
	/* For less than any failure timeout, whatever happens meanwhile. */
	s->stranger->off_at = s->now + sim_between(s, 50 * MS, 300 * MS);
	boot(s, &nc);
}

void
stranger_start(struct sim *s)
{
	struct node_config nc = { .incarnation = 1700000000 * SEC + 500 * SEC };
	struct stranger *st = calloc(1, sizeof(*st));
	uint8_t key[KEYRING_KEY_LEN];
	unsigned k;

	ASSERT(st != NULL);
	s->stranger = st;
	st->node = (unsigned)sim_between(s, 0, s->n - 1);
	st->timer_at = UINT64_MAX;
	st->twin = s->voices && !s->off[ST_TWIN];
	if (st->twin) {
		look_at(s, sim_between(s, 500 * MS, s->until));
		return;
	}
	for (k = 0; k < sizeof(key); k++)
		key[k] = (uint8_t)rng_u64(&s->rng);
	keyring_plain(&nc.keys, key);
	boot(s, &nc);
}

void
stranger_timer(struct sim *s, uint64_t gen)
{
	struct event ev = { .type = EV_TIMER };

	if (gen != s->stranger->gen)
		return;
	s->stranger->timer_at = UINT64_MAX;
	if (s->stranger->core != NULL)
		step(s, &ev);
	else if (is_well(s, s->stranger->node))
		twin_boot(s);
	else if (!s->calm)
		look_at(s, s->now + sim_between(s, 10 * MS, 500 * MS));
}

void
stranger_hear(struct sim *s, unsigned to, unsigned link, const uint8_t *data,
    size_t len)
{
	struct event ev = { .type = EV_PACKET,
		.link = link,
		.data = data,
		.len = len };

	if (to == s->stranger->node && s->stranger->core != NULL &&
	    sim_chance(s, s->stranger->twin ? 900 : 200))
		step(s, &ev);
}

void
stranger_free(struct sim *s)
{
	if (s->stranger == NULL)
		return;
	node_free(s->stranger->core);
	free(s->stranger);
	s->stranger = NULL;
}
