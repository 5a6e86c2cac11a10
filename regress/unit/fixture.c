/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* See fixture.h. */

#include <stdio.h>

#include <atf-c.h>

#include "fixture.h"
#include "fixture_internal.h"

#define LATENCY (1 * MS)
#define DETECT	(700 * MS) /* silence until a session is given up */
#define CONNECT (20 * MS)
#define CLIENT	7
#define GID	1

static struct fix *the_fix; /* for the fake lockspaces; one at a time */

bool
fixture_used(const struct conf *conf, uint16_t node)
{
	return the_fix->conf == conf && the_fix->nodes[node].used;
}

struct fix *
fixture_new(unsigned n)
{
	struct fix *fx = calloc(1, sizeof(*fx));
	struct conf_node *cn;
	unsigned i;

	ATF_REQUIRE(fx != NULL && n <= FIX_NODES);
	fx->conf = conf_new();
	fx->n = n;
	fx->now = SECOND;
	TAILQ_INIT(&fx->events);
	strlcpy(fx->conf->cluster, "test", sizeof(fx->conf->cluster));
	fx->conf->nnodes = n;
	fx->conf->nlinks = 1;
	fx->conf->wait_for_all = false;
	fx->conf->ndevices = 1;
	fx->conf->devices = calloc(1, sizeof(*fx->conf->devices));
	ATF_REQUIRE(fx->conf->devices != NULL);
	strlcpy(fx->conf->devices[0].name, "switch",
	    sizeof(fx->conf->devices[0].name));
	fx->conf->devices[0].timeout_us = 10 * SECOND;
	for (i = 1; i <= n; i++) {
		cn = &fx->conf->nodes[i - 1];
		snprintf(cn->name, sizeof(cn->name), "node%u", i);
		cn->id = (uint16_t)i;
		cn->votes = 1;
		cn->nlinks = 1;
		cn->nlevels = 1;
		cn->levels[0].ndevices = 1;
		cn->levels[0].devices[0] = 0;
		fx->nodes[i].id = (uint16_t)i;
	}
	the_fix = fx;
	return fx;
}

void
fixture_free(struct fix *fx)
{
	struct fev *fe;
	unsigned i;

	fixture_compare(fx);
	free(fx->lives);
	for (i = 1; i <= fx->n; i++) {
		node_free(fx->nodes[i].node);
		free(fx->nodes[i].stored);
	}
	while ((fe = TAILQ_FIRST(&fx->events)) != NULL) {
		TAILQ_REMOVE(&fx->events, fe, entry);
		free(fe);
	}
	conf_free(fx->conf);
	free(fx);
	the_fix = NULL;
}

struct conf *
fixture_conf(struct fix *fx)
{
	return fx->conf;
}

struct fix_node *
fixture_node(struct fix *fx, uint16_t id)
{
	return &fx->nodes[id];
}

uint64_t
fixture_now(const struct fix *fx)
{
	return fx->now;
}

uint64_t
fixture_messages(const struct fix *fx)
{
	return fx->messages;
}

void
fixture_device(struct fix *fx, enum fix_device device)
{
	fx->device = device;
}

static struct pair *
pair_of(struct fix *fx, uint16_t a, uint16_t b)
{
	return &fx->pairs[MIN(a, b)][MAX(a, b)];
}

/* Behind everything that is due at the same time. */
static void
insert_event(struct fix *fx, struct fev *fe)
{
	struct fev *before;

	TAILQ_FOREACH_REVERSE(before, &fx->events, fev_list, entry) {
		if (before->at <= fe->at)
			break;
	}
	if (before == NULL)
		TAILQ_INSERT_HEAD(&fx->events, fe, entry);
	else
		TAILQ_INSERT_AFTER(&fx->events, before, fe, entry);
}

static struct fev *
add_event(struct fix *fx, uint64_t at, const void *data, size_t len)
{
	struct fev *fe = calloc(1, sizeof(*fe) + len);

	ATF_REQUIRE(fe != NULL);
	fe->at = at;
	fe->len = len;
	if (len > 0)
		memcpy(fe->data, data, len);
	insert_event(fx, fe);
	return fe;
}

/* A word from the fake link to a node, now or after the latency. */
static void
packet(struct fix *fx, uint64_t at, uint16_t to, enum fake_packet kind,
    uint16_t about, unsigned arg, const void *data, size_t len)
{
	struct pair *p = pair_of(fx, to, about);
	struct wbuf w;
	struct fev *fe;

	wbuf_init(&w, 2 * 1024 * 1024);
	wbuf_u8(&w, (uint8_t)kind);
	wbuf_u16(&w, about);
	wbuf_u64(&w, p->inc[about > to]);
	wbuf_u8(&w, (uint8_t)arg);
	wbuf_bytes(&w, data, len);
	fe = add_event(fx, at, w.data, w.len);
	fe->type = FEV_PACKET;
	fe->to = to;
	fe->to_inc = fx->nodes[to].inc;
	fe->pair = kind == FAKE_DATA ? about : 0;
	fe->gen = p->gen;
	wbuf_free(&w);
}

/*
 * The oracle: what no set of nodes may ever do.  Views with one (epoch,
 * leader) are equal; two primary views of one moment share a majority's
 * member; all clients see one sequence of messages.
 */
static void
check_view(struct fix *fx, const struct node_view *nv)
{
	struct node_view *old;
	unsigned i;

	if (nv->epoch == 0)
		return;
	for (i = 0; i < fx->nviews; i++) {
		old = &fx->views[i];
		if (old->epoch != nv->epoch || old->leader != nv->leader)
			continue;
		ATF_REQUIRE_EQ(old->n, nv->n);
		ATF_REQUIRE_EQ(old->primary, nv->primary);
		ATF_REQUIRE(memcmp(old->incs, nv->incs, sizeof(nv->incs)) == 0);
		ATF_REQUIRE(memcmp(old->members, nv->members,
				sizeof(nv->members)) == 0);
		return;
	}
	ATF_REQUIRE(fx->nviews < NITEMS(fx->views));
	fx->views[fx->nviews++] = *nv;
}

static void
check_node(struct fix *fx, struct fix_node *fn)
{
	struct node_view nv;

	node_check(fn->node);
	node_get_view(fn->node, &nv);
	check_view(fx, &nv);
}

static void
client_told(struct fix *fx, struct fix_node *fn, const struct action *act)
{
	const uint8_t *data;
	struct rbuf r;
	size_t len;

	if (fx->hear != NULL)
		fx->hear(fx->hear_arg, fn->id, act);
	if (act->client != CLIENT)
		return;
	rbuf_init(&r, act->data, act->len);
	switch (act->msgtype) {
	case M_GROUP_VIEW:
		(void)rbuf_u32(&r);
		fn->views++;
		fn->gmembers = rbuf_u16(&r);
		break;
	case M_GROUP_MSG:
		(void)rbuf_u32(&r);
		ATF_REQUIRE(fn->log.n < FIX_LOG);
		fn->log.from[fn->log.n] = rbuf_u16(&r);
		(void)rbuf_u64(&r);
		data = rbuf_blob(&r, &len, GROUP_MSG_MAX);
		ATF_REQUIRE(rbuf_done(&r) && len >= 4);
		rbuf_init(&r, data, len);
		fn->log.msg[fn->log.n++] = rbuf_u32(&r);
		break;
	case M_RESULT:
		fn->result = rbuf_u32(&r);
		rbuf_str(&r, fn->text, sizeof(fn->text));
		fn->results++;
		break;
	default:
		break;
	}
}

static void
drop_sessions(struct fix *fx, uint16_t id)
{
	struct pair *p;
	uint16_t other;

	for (other = 1; other <= fx->n; other++) {
		if (other == id)
			continue;
		p = pair_of(fx, id, other);
		if (p->up)
			p->change_at = fx->now + DETECT;
		p->gen = ++fx->gens;
		p->broken = true;
	}
}

static void
die(struct fix *fx, struct fix_node *fn)
{
	node_free(fn->node);
	fn->node = NULL;
	drop_sessions(fx, fn->id);
}

static void
store(struct fix_node *fn, const struct action *act)
{
	free(fn->stored);
	fn->stored = malloc(act->len);
	ATF_REQUIRE(fn->stored != NULL);
	memcpy(fn->stored, act->data, act->len);
	fn->storedlen = act->len;
	if (fn->on_store != NULL)
		fn->on_store(fn);
}

static void
sent(struct fix *fx, struct fix_node *fn, const struct action *act)
{
	struct pair *p = pair_of(fx, fn->id, act->node);
	struct fev *fe;

	fx->messages++;
	switch (act->data[0]) {
	case FAKE_DOWN: /* a reset: both ends hear of it at once */
		if (!p->up)
			break;
		p->change_at = fx->now + 1;
		p->gen = ++fx->gens;
		p->broken = true;
		break;
	case FAKE_GONE:
		/* What was said before the goodbye arrives before it. */
		TAILQ_FOREACH(fe, &fx->events, entry) {
			if (fe->to == act->node && fe->pair == fn->id)
				fe->pair = 0;
		}
		packet(fx, fx->now + LATENCY, act->node, FAKE_GONE, fn->id,
		    act->data[1], NULL, 0);
		p->up = false;
		break;
	default:
		if (p->up && !p->broken)
			packet(fx, fx->now + LATENCY, act->node, FAKE_DATA,
			    fn->id, act->data[1], act->data + 2, act->len - 2);
		break;
	}
}

static void
fence(struct fix *fx, const struct action *act, struct fix_node *fn)
{
	struct fev *fe;

	fx->nodes[act->node].fenced++;
	if (fx->device == FIX_HANG)
		return;
	fe = add_event(fx, fx->now + 300 * MS, NULL, 0);
	fe->type = FEV_FENCED;
	fe->to = fn->id;
	fe->to_inc = fn->inc;
	fe->req = act->req;
	fe->victim = act->node;
	fe->ok = fx->device == FIX_OFF;
}

/* Told to the node behind the step. */
static void
write_keys(struct fix_node *fn, const struct action *a)
{
	struct keyring ring;
	struct rbuf r;

	rbuf_init(&r, a->data, a->len);
	ATF_REQUIRE(!fn->writing);
	ATF_REQUIRE(keyring_get(&r, &ring) && rbuf_done(&r));
	ATF_REQUIRE(keyring_follows(&fn->file, &ring));
	fn->writing = true;
	if (!fn->full)
		fn->file = ring;
}

static bool
act(struct fix *fx, struct fix_node *fn, const struct action *a)
{
	switch (a->type) {
	case ACT_SEND:
		sent(fx, fn, a);
		return true;
	case ACT_CLIENT_SEND:
		client_told(fx, fn, a);
		return true;
	case ACT_STORE:
		store(fn, a);
		return true;
	case ACT_KEYS:
		write_keys(fn, a);
		return true;
	case ACT_FENCE_START:
		fence(fx, a, fn);
		return true;
	case ACT_EVENT:
		if (getenv("FIXTURE_TRACE") != NULL)
			fprintf(stderr, "%8.3f %u.%llu %s\n",
			    (double)fx->now / 1e6, fn->id,
			    (unsigned long long)fn->inc, (const char *)a->data);
		return true;
	case ACT_LEAVE:
		fn->asked = true;
		return true;
	case ACT_STOPPED:
		fn->stopped = true;
		return false;
	case ACT_DIE:
		fn->deaths++;
		fx->incs = MAX(fx->incs, a->life);
		strlcpy(fn->why, (const char *)a->data, sizeof(fn->why));
		return false;
	default:
		return true;
	}
}

static void
step(struct fix *fx, struct fix_node *fn, struct event *ev)
{
	struct actions out;
	struct action *a;
	bool alive = true;

	actions_init(&out);
	ev->now = fx->now;
	node_step(fn->node, ev, &out);
	check_node(fx, fn);
	while ((a = actions_take(&out)) != NULL) {
		if (!act(fx, fn, a))
			alive = false;
		free(a);
	}
	if (alive && fn->asked) {
		/* Nothing is mounted here, so the stop follows at once. */
		struct event stop = { .type = EV_STOP };

		fn->asked = false;
		step(fx, fn, &stop);
		return;
	}
	if (alive && fn->writing) {
		struct event written = { .type = EV_KEYS_STORED,
			.ok = !fn->full,
			.data = (const uint8_t *)"disk full",
			.len = fn->full ? 9 : 0 };

		fn->writing = false;
		step(fx, fn, &written);
		return;
	}
	if (alive)
		return;
	die(fx, fn);
	if (!fn->stopped && !fn->norestart)
		fn->restart_at = fx->now + 300 * MS;
}

static void
give_client(struct fix *fx, uint16_t id, enum event_type type, uint32_t msgtype,
    const struct wbuf *w)
{
	struct event ev = { .type = type,
		.client = CLIENT,
		.rights = RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN,
		.msgtype = msgtype,
		.msgid = 1 };

	if (fx->nodes[id].node == NULL)
		return;
	if (w != NULL) {
		ev.data = w->data;
		ev.len = w->len;
	}
	step(fx, &fx->nodes[id], &ev);
}

void
fixture_ask(struct fix *fx, uint16_t id, uint64_t client, uint32_t type,
    uint32_t msgid, struct wbuf *w)
{
	struct event ev = { .type = EV_CLIENT_DATA,
		.client = client,
		.msgtype = type,
		.msgid = msgid,
		.data = w->data,
		.len = w->len };

	if (fx->nodes[id].node != NULL)
		step(fx, &fx->nodes[id], &ev);
	wbuf_free(w);
}

void
fixture_open(struct fix *fx, uint16_t id, uint64_t client)
{
	struct event ev = { .type = EV_CLIENT_OPEN,
		.client = client,
		.rights = RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN };
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "story");
	wbuf_u32(&w, 1);
	step(fx, &fx->nodes[id], &ev);
	fixture_ask(fx, id, client, M_HELLO, 1, &w);
}

void
fixture_close(struct fix *fx, uint16_t id, uint64_t client)
{
	struct event ev = { .type = EV_CLIENT_CLOSE, .client = client };

	step(fx, &fx->nodes[id], &ev);
}

void
fixture_hear(struct fix *fx,
    void (*fn)(void *, uint16_t, const struct action *), void *arg)
{
	fx->hear = fn;
	fx->hear_arg = arg;
}

static void
plan_sessions(struct fix *fx, uint16_t id)
{
	struct pair *p;
	uint16_t other;

	for (other = 1; other <= fx->n; other++) {
		if (other == id)
			continue;
		p = pair_of(fx, id, other);
		p->change_at = fx->now + CONNECT;
	}
}

void
fixture_start(struct fix *fx, uint16_t id)
{
	struct fix_node *fn = &fx->nodes[id];
	struct event ev = { .type = EV_START };
	struct node_config nc = { .conf = fx->conf,
		.self = id,
		.stored = fn->stored,
		.storedlen = fn->storedlen };

	ATF_REQUIRE(fn->node == NULL);
	if (fn->file.n == 0)
		fn->file.n = 1;
	nc.keys = fn->file;
	nc.lacks = fn->lacks ? UINT64_MAX : 0;
	fn->writing = false;
	nc.secret[0] = (uint8_t)id;
	fn->inc = nc.incarnation = ++fx->incs;
	nc.seed[0] = fn->inc;
	fn->restart_at = fn->paused_until = 0;
	fn->stopped = false;
	fn->views = fn->gmembers = 0;
	if (!fx->agreed)
		fixture_keep_life(fx, &fn->log);
	memset(&fn->log, 0, sizeof(fn->log));
	fn->node = node_new(&nc);
	ATF_REQUIRE(fn->node != NULL);
	step(fx, fn, &ev);
	fixture_open(fx, id, CLIENT);
	plan_sessions(fx, id);
}

void
fixture_start_behind(struct fix *fx, uint16_t id)
{
	struct fix_node *fn = fixture_node(fx, id);

	free(fn->stored);
	fn->stored = NULL;
	fn->storedlen = 0;
	fx->incs = 0;
	fixture_start(fx, id);
}

void
fixture_start_all(struct fix *fx)
{
	unsigned i;

	for (i = 1; i <= fx->n; i++)
		fixture_start(fx, (uint16_t)i);
}

void
fixture_begin(struct fix *fx)
{
	fixture_start_all(fx);
	fixture_settle(fx, (2u << fx->n) - 2);
}

struct fix *
fixture_up(unsigned n)
{
	struct fix *fx = fixture_new(n);

	fixture_begin(fx);
	return fx;
}

void
fixture_pause(struct fix *fx, uint16_t id, uint64_t us)
{
	fx->nodes[id].paused_until = fx->now + us;
}

void
fixture_crash(struct fix *fx, uint16_t id)
{
	if (fx->nodes[id].node == NULL)
		return;
	die(fx, &fx->nodes[id]);
	fx->nodes[id].restart_at = 0;
}

void
fixture_stop(struct fix *fx, uint16_t id)
{
	struct event ev = { .type = EV_STOP };

	step(fx, &fx->nodes[id], &ev);
}

void
fixture_cut(struct fix *fx, uint16_t a, uint16_t b)
{
	struct pair *p = pair_of(fx, a, b);

	if (p->cut)
		return;
	p->cut = p->broken = true;
	p->gen = ++fx->gens;
	p->change_at = p->up ? fx->now + DETECT : 0;
}

void
fixture_heal(struct fix *fx, uint16_t a, uint16_t b)
{
	struct pair *p = pair_of(fx, a, b);

	if (!p->cut)
		return;
	p->cut = false;
	/* What was lost is lost: the old session breaks first. */
	p->change_at = fx->now + CONNECT;
}

void
fixture_split(struct fix *fx, unsigned mask)
{
	uint16_t a, b;

	for (a = 1; a <= fx->n; a++) {
		for (b = (uint16_t)(a + 1); b <= fx->n; b++) {
			if (((mask & BIT(a)) == 0) != ((mask & BIT(b)) == 0))
				fixture_cut(fx, a, b);
		}
	}
}

void
fixture_heal_all(struct fix *fx)
{
	uint16_t a, b;

	for (a = 1; a <= fx->n; a++) {
		for (b = (uint16_t)(a + 1); b <= fx->n; b++)
			fixture_heal(fx, a, b);
	}
}

void
fixture_runs(struct fix *fx, uint16_t id, bool runs)
{
	uint16_t a;

	for (a = 1; a <= fx->n; a++) {
		if (a != id && fx->nodes[a].node != NULL)
			packet(fx, fx->now, a, FAKE_RUNS, id, runs, NULL, 0);
	}
}

static void
say_both(struct fix *fx, uint16_t a, uint16_t b, enum fake_packet kind)
{
	struct pair *p = pair_of(fx, a, b);
	bool lacks =
	    kind == FAKE_UP && (fx->nodes[a].lacks || fx->nodes[b].lacks);

	if (fx->nodes[a].node != NULL && fx->nodes[a].inc == p->inc[0])
		packet(fx, fx->now, a, kind, b, lacks, NULL, 0);
	if (fx->nodes[b].node != NULL && fx->nodes[b].inc == p->inc[1])
		packet(fx, fx->now, b, kind, a, lacks, NULL, 0);
}

/* A planned change of a pair's session is due. */
static void
change_pair(struct fix *fx, uint16_t a, uint16_t b)
{
	struct pair *p = pair_of(fx, a, b);
	bool both = fx->nodes[a].node != NULL && fx->nodes[b].node != NULL;

	p->change_at = 0;
	p->gen = ++fx->gens;
	if (p->up) {
		/* A newer incarnation is proof that the old one has gone. */
		say_both(fx, a, b,
		    both && !p->cut &&
			    (p->inc[0] != fx->nodes[a].inc ||
				p->inc[1] != fx->nodes[b].inc) ?
			FAKE_GONE :
			FAKE_DOWN);
		p->up = false;
	}
	if (!both || p->cut)
		return;
	p->up = true;
	p->broken = false;
	p->inc[0] = fx->nodes[a].inc;
	p->inc[1] = fx->nodes[b].inc;
	say_both(fx, a, b, FAKE_UP);
}

/* The earliest of all; which of equals is fixed by the order of looking. */
static uint64_t
next_time(struct fix *fx)
{
	const struct fev *fe = TAILQ_FIRST(&fx->events);
	uint64_t t = fe == NULL ? UINT64_MAX : fe->at;
	uint16_t a, b;

	for (a = 1; a <= fx->n; a++) {
		if (fx->nodes[a].node != NULL)
			t = MIN(t,
			    MAX(node_deadline(fx->nodes[a].node),
				fx->nodes[a].paused_until));
		if (fx->nodes[a].restart_at != 0)
			t = MIN(t, fx->nodes[a].restart_at);
		for (b = (uint16_t)(a + 1); b <= fx->n; b++) {
			if (fx->pairs[a][b].change_at != 0)
				t = MIN(t, fx->pairs[a][b].change_at);
		}
	}
	return MAX(t, fx->now);
}

static void
run_event(struct fix *fx, struct fev *fe)
{
	struct fix_node *fn = &fx->nodes[fe->to];
	struct event ev = { .type = EV_PACKET };

	TAILQ_REMOVE(&fx->events, fe, entry);
	/* The device acts whether or not who asked is awake. */
	if (fe->type == FEV_FENCED && !fe->acted) {
		fe->acted = true;
		if (fe->ok && fx->nodes[fe->victim].node != NULL)
			fixture_crash(fx, fe->victim);
		if (fe->ok)
			fx->nodes[fe->victim].restart_at = 0;
	}
	if (fn->node == NULL || fn->inc != fe->to_inc ||
	    (fe->pair != 0 && pair_of(fx, fe->to, fe->pair)->gen != fe->gen)) {
		free(fe);
		return;
	}
	if (fn->paused_until > fx->now) {
		/* It has arrived: no later cut takes it away. */
		fe->pair = 0;
		fe->at = fn->paused_until;
		insert_event(fx, fe);
		return;
	}
	ev.data = fe->data;
	ev.len = fe->len;
	if (fe->type == FEV_FENCED) {
		ev.type = EV_FENCE_DONE;
		ev.req = fe->req;
		ev.ok = ev.verified = fe->ok;
	}
	step(fx, fn, &ev);
	free(fe);
}

static void
run_due(struct fix *fx)
{
	struct fev *fe = TAILQ_FIRST(&fx->events);
	struct event ev = { .type = EV_TIMER };
	uint16_t a, b;

	if (fe != NULL && fe->at <= fx->now) {
		run_event(fx, fe);
		return;
	}
	for (a = 1; a <= fx->n; a++) {
		struct fix_node *fn = &fx->nodes[a];

		if (fn->restart_at != 0 && fn->restart_at <= fx->now) {
			fixture_start(fx, a);
			return;
		}
		if (fn->node != NULL && fn->paused_until <= fx->now &&
		    node_deadline(fn->node) <= fx->now) {
			step(fx, fn, &ev);
			return;
		}
		for (b = (uint16_t)(a + 1); b <= fx->n; b++) {
			if (fx->pairs[a][b].change_at != 0 &&
			    fx->pairs[a][b].change_at <= fx->now) {
				change_pair(fx, a, b);
				return;
			}
		}
	}
}

/* One primary view at a time, and one sequence of messages. */
static void
oracle(struct fix *fx)
{
	struct node_view a, b;
	unsigned i, k, x, common;

	for (i = 1; i <= fx->n; i++) {
		if (fx->nodes[i].node == NULL)
			continue;
		node_get_view(fx->nodes[i].node, &a);
		for (k = i + 1; a.synced && k <= fx->n; k++) {
			if (fx->nodes[k].node == NULL)
				continue;
			node_get_view(fx->nodes[k].node, &b);
			if (!b.synced || a.epoch == b.epoch)
				continue;
			for (x = common = 0; x < a.n; x++) {
				for (unsigned y = 0; y < b.n; y++)
					common += a.members[x] == b.members[y];
			}
			ATF_REQUIRE(common > 0 || fx->conf->two_node);
		}
	}
}

bool
fixture_step(struct fix *fx, uint64_t limit)
{
	uint64_t t = next_time(fx);

	if (t > limit) {
		fx->now = MAX(fx->now, limit);
		return false;
	}
	fx->now = t;
	run_due(fx);
	oracle(fx);
	return true;
}

void
fixture_run(struct fix *fx, uint64_t us)
{
	uint64_t until = fx->now + us;
	unsigned steps = 0;

	while (fixture_step(fx, until))
		ATF_REQUIRE_MSG(++steps < 2000000, "the story does not end");
}

bool
fixture_settled(struct fix *fx, unsigned mask)
{
	struct node_view nv;
	uint64_t epoch = 0;
	unsigned i, k, got;

	for (i = 1; i <= fx->n; i++) {
		if ((mask & BIT(i)) == 0)
			continue;
		if (fx->nodes[i].node == NULL)
			return false;
		node_get_view(fx->nodes[i].node, &nv);
		if (!nv.synced || (epoch != 0 && nv.epoch != epoch))
			return false;
		epoch = nv.epoch;
		for (k = got = 0; k < nv.n; k++)
			got |= BIT(nv.members[k]);
		if (got != mask)
			return false;
	}
	return true;
}

void
fixture_settle(struct fix *fx, unsigned mask)
{
	uint64_t until = fx->now + 30 * SECOND;

	while (!fixture_settled(fx, mask))
		ATF_REQUIRE_MSG(fixture_step(fx, until),
		    "no view of the nodes %#x", mask);
}

void
fixture_join(struct fix *fx, uint16_t id)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_str(&w, "g");
	give_client(fx, id, EV_CLIENT_DATA, M_GROUP_JOIN, &w);
	wbuf_free(&w);
}

void
fixture_hold(struct fix *fx, uint16_t id, bool slow)
{
	struct event ev = { .type = EV_FLUSH, .slow = slow };

	step(fx, &fx->nodes[id], &ev);
}

void
fixture_agreed(struct fix *fx)
{
	fx->agreed = true;
}

void
fixture_send(struct fix *fx, uint16_t id, uint32_t msg)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	wbuf_u32(&w, 4);
	wbuf_u32(&w, msg);
	wbuf_u8(&w, fx->agreed ? 0 : GROUP_SAFE);
	give_client(fx, id, EV_CLIENT_DATA, M_GROUP_SEND, &w);
	wbuf_free(&w);
}

void
fixture_leave(struct fix *fx, uint16_t id)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, GID);
	give_client(fx, id, EV_CLIENT_DATA, M_GROUP_LEAVE, &w);
	wbuf_free(&w);
}

void
fixture_client_dies(struct fix *fx, uint16_t id)
{
	give_client(fx, id, EV_CLIENT_CLOSE, 0, NULL);
}

void
fixture_command(struct fix *fx, uint16_t id, const char *cmd, const char *arg)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_str(&w, cmd);
	wbuf_str(&w, arg);
	give_client(fx, id, EV_CLIENT_DATA, M_COMMAND, &w);
	wbuf_free(&w);
}

void
fixture_request(struct fix *fx, uint16_t id, uint32_t type,
    const struct wbuf *w)
{
	give_client(fx, id, EV_CLIENT_DATA, type, w);
}
