/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * sim: runs N nodes under faults in virtual time and looks for a broken
 * invariant.  Phases of a run:
 *
 *	FAULTS	until -T: clients work while things go wrong
 *	SETTLE	everything is healed; all nodes must form one view in time
 *	WORK	clients work undisturbed for a second
 *	DRAIN	clients ask for nothing new; every request must be answered
 *	DEATH	one node dies for good; the others must notice in time, go on
 *		and come to rest in DRAIN once more
 */

#include <sys/mman.h>
#include <sys/wait.h>

#include <err.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "sim.h"

/* Above 16 failure timeouts: who was lost in a row is held back for so long. */
#define SETTLE_MAX (60 * SEC)
/*
 * From when all are well, above four failure timeouts: proposals of nodes that
 * meet again may refuse each other for a while.  Seed 458 took 5.3 s.  After
 * many attempts with the quorum device the next one is this far away.
 */
#define SETTLE_SLACK (10 * SEC)
#define DEVICE_PAUSE (8 * SEC)
#define WORK_LEN     (1 * SEC)
#define LONG_WORK    (4 * SEC) /* where nodes can stall */
#define DETECT_SLACK (3 * SEC)
#define DRAIN_MAX    (90 * SEC) /* fence devices back off for 30 s */

static struct sim *running; /* for assert_failed() alone */

const char *
inv_name(enum invariant inv)
{
	static const char *const names[INV_MAX] = { "assertion", "view-agree",
		"view-order", "primary-quorum", "primary-one", "group-order",
		"group-safe", "group-fifo", "lock-exclude", "lock-value",
		"lock-answer", "slots", "fence-first", "fence-quorum", "nonce",
		"live-view", "live-locks", "live-groups", "view-change",
		"group-state", "service-order", "levels", "barrier", "kv",
		"dgram", "live-services", "refused", "group-member", "bound",
		"keys", "nap", "lease", "wire", "options", "view-along",
		"config" };

	return names[inv];
}

/* ---- trace -------------------------------------------------------------- */

void
sim_hash(struct sim *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	/* FNV-1a; the ends of a datagram tell all its bytes: the tag does. */
	for (i = len > 32 ? len - 32 : 0; i < len; i++)
		s->hash = (s->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

void
sim_trace(struct sim *s, const char *fmt, ...)
{
	struct trace_line *t = &s->tail[s->ntail++ % NITEMS(s->tail)];
	va_list ap;

	t->at = s->now;
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	sim_hash(s, &s->now, sizeof(s->now));
	s->hash = (s->hash ^ strlen(t->text)) * UINT64_C(0x100000001b3);
	sim_hash(s, t->text, strlen(t->text));
	if (s->verbose)
		printf("%10.6f %s\n", (double)t->at / 1e6, t->text);
}

static void
print_tail(const struct sim *s)
{
	unsigned i, from;

	from = s->ntail > NITEMS(s->tail) ? s->ntail - NITEMS(s->tail) : 0;
	if (s->ntail - from > 60)
		from = s->ntail - 60;
	for (i = from; i < s->ntail && !s->verbose; i++)
		printf("%10.6f %s\n",
		    (double)s->tail[i % NITEMS(s->tail)].at / 1e6,
		    s->tail[i % NITEMS(s->tail)].text);
}

static void
announce(struct sim *s, enum invariant inv, const char *text)
{
	print_tail(s);
	if (s->report > 0 && write(s->report, &inv, sizeof(inv)) == -1)
		_exit(2);
	printf("seed %llu nodes %u time %.1f: invariant %d (%s) broken at "
	       "%.6f: %s\n",
	    (unsigned long long)s->seed, s->n, (double)s->until / 1e6, inv,
	    inv_name(inv), (double)s->now / 1e6, text);
	if (s->report > 0 &&
	    write(s->report, &s->nfaults, sizeof(s->nfaults)) == -1)
		_exit(2);
	fflush(stdout);
	_exit(1);
}

void
sim_fail(struct sim *s, enum invariant inv, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	announce(s, inv, text);
	abort();
}

void
assert_failed(const char *expr, const char *file, int line)
{
	char text[512];

	snprintf(text, sizeof(text), "%s:%d: %s", file, line, expr);
	if (running == NULL)
		errx(1, "%s", text);
	announce(running, INV_ASSERT, text);
	abort();
}

bool
sim_chance(struct sim *s, unsigned permille)
{
	return permille > 0 && rng_below(&s->rng, 1000) < permille;
}

uint64_t
sim_between(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->rng, hi - lo + 1);
}

void
sim_generator(const struct sim *s, uint64_t a, uint64_t b, uint64_t c,
    struct rng *rng)
{
	uint64_t seed[4] = { s->seed, a, b, c };
	unsigned i;

	rng_seed(rng, seed);
	/* The first numbers of near seeds are alike. */
	for (i = 0; i < 64; i++)
		rng_u64(rng);
}

/* ---- set-up ------------------------------------------------------------- */

static void
make_device(struct conf *c, unsigned i, uint16_t node)
{
	struct conf_device *d = &c->devices[c->ndevices];

	snprintf(d->name, sizeof(d->name), "power%02u", c->ndevices);
	strlcpy(d->agent, "fence_sim", sizeof(d->agent));
	d->timeout_us = 2 * SEC;
	d->ntargets = 1;
	d->targets[0].node = node;
	c->nodes[i].levels[c->nodes[i].nlevels].ndevices = 1;
	c->nodes[i].levels[c->nodes[i].nlevels++].devices[0] =
	    (uint16_t)c->ndevices++;
}

/* Which links data goes over. */
static void
draw_links(struct sim *s, struct conf *c)
{
	struct rng rng;
	unsigned i;

	sim_generator(s, 6, 2, 3, &rng);
	c->mode = (enum conf_mode)rng_below(&rng, MODE_ACTIVE + 1);
	c->nlinkinfo = c->nlinks;
	for (i = 0; i < c->nlinks; i++)
		c->links[i].priority = (uint8_t)rng_below(&rng, 2);
}

/*
 * -r: of two nodes each goes on alone, or with a third one that has no vote,
 * until one has fenced the other.  What is agreed in views is forked meanwhile,
 * so clients ask for locks alone, and the oracles that forbid a second primary
 * view are silent.
 */
static void
make_race(struct conf *c)
{
	unsigned i;

	c->two_node = true;
	c->last_man_standing = c->downscale = false;
	c->tie = TIE_NONE;
	c->qdevice.votes = 0;
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].votes = i < 2;
		if (c->nodes[i].nlevels == 0)
			make_device(c, i, c->nodes[i].id);
	}
}

static struct conf *
make_conf(struct sim *s)
{
	struct conf *c = conf_new();
	struct conf_node *cn;
	unsigned i, l;

	ASSERT(c != NULL);
	strlcpy(c->cluster, "sim", sizeof(c->cluster));
	c->nnodes = s->n;
	c->nlinks = SIM_LINKS;
	conf_profile(c, sim_chance(s, 500) ? DETECT_FAST : DETECT_NORMAL);
	c->wait_for_all = sim_chance(s, 200) && !s->off[ST_WAIT_FOR_ALL];
	c->fence_on_join_delay_us = sim_between(s, 100 * MS, 2 * SEC);
	c->devices = calloc(SIM_DEVICES_MAX, sizeof(*c->devices));
	ASSERT(c->devices != NULL);
	for (i = 0; i < s->n; i++) {
		cn = &c->nodes[i];
		cn->id = (uint16_t)(i + 1);
		cn->votes = 1;
		snprintf(cn->name, sizeof(cn->name), "n%u", i + 1);
		cn->nlinks = SIM_LINKS;
		for (l = 0; l < SIM_LINKS; l++)
			snprintf(cn->links[l], sizeof(cn->links[l]),
			    "10.0.%u.%u", l, i + 1);
		/* Some depend on the operator. */
		if (sim_chance(s, 100))
			continue;
		make_device(c, i, cn->id);
		if (sim_chance(s, 300))
			make_device(c, i, cn->id);
	}
	draw_links(s, c);
	chk_quorum_draw(s, c);
	chk_options_draw(s);
	disk_draw(s, c);
	if (s->generated) {
		generate_conf(s, c);
		chk_quorum_generated(s, c);
	}
	if (s->race)
		make_race(c);
	conf_hash(c);
	return c;
}

static void
seed_generators(struct sim *s)
{
	sim_generator(s, 1, 2, 3, &s->rng);
	sim_generator(s, 77, 2, 3, &s->crng);
}

/* How many, if nobody says. */
static unsigned
nodes(struct sim *s)
{
	unsigned n = (unsigned)sim_between(s, 3, 7);

	return s->race ? 2 + (unsigned)(s->seed % 2) : n;
}

unsigned
sim_nodes(const struct sim *proto)
{
	struct sim *s = sim_new(proto, proto->seed);
	unsigned n;

	seed_generators(s);
	n = nodes(s);
	free(s);
	return n;
}

/* Nothing goes wrong before the one thing that is measured. */
static void
make_calm(struct sim *s)
{
	conf_profile(s->conf, DETECT_NORMAL);
	/* A quorum device has a time of its own, for the side that loses. */
	s->conf->qdevice.votes = 0;
	conf_hash(s->conf);
	memset(&s->profile, 0, sizeof(s->profile));
	s->profile.every = SEC;
	s->profile.fence_max = s->profile.fence_min = 500 * MS;
	s->profile.op_every = 50 * MS;
	s->profile.ppm = 200;
	memset(&s->net, 0, sizeof(s->net));
	s->net.lat_min = 50;
	s->net.lat_max = 500;
	s->until = SEC;
}

static void
sim_init(struct sim *s)
{
	struct sim_event *e;
	unsigned i, drawn;

	seed_generators(s);
	drawn = nodes(s);
	/* Drawn in any case: a number that is given changes nothing else. */
	generate_start(s);
	if (s->generated)
		drawn = generate_nodes(s);
	if (s->n == 0)
		s->n = drawn;
	s->dead = -1;
	s->hash = UINT64_C(0xcbf29ce484222325);
	s->conf = make_conf(s);
	s->slowest_us = s->conf->failure_timeout_us;
	edit_draw(s);
	voice_draw(s);
	keys_init(s);
	profile_draw(s);
	s->idle = s->race;
	if (s->generated)
		generate_load(s);
	if (s->measure != ME_NONE)
		make_calm(s);
	chk_view_init(s);
	chk_group_init(s);
	chk_lock_init(s);
	chk_life_init(s);
	service_init(s);
	for (i = 0; i < s->n; i++) {
		s->nodes[i].id = (uint16_t)(i + 1);
		STAILQ_INIT(&s->nodes[i].held);
		STAILQ_INIT(&s->nodes[i].waiting);
		e = heap_add(&s->heap, sim_between(s, 0, 500 * MS), SE_RESTART);
		e->node = i;
	}
	fault_next(s);
	operator_next(s);
	if (s->net.replay)
		heap_add(&s->heap, 1 * SEC, SE_REPLAY);
	if (s->profile.stranger)
		stranger_start(s);
}

static void
sim_free(struct sim *s)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (node_on(s, i))
			node_shut(s, i);
		free(s->nodes[i].stored);
		free(s->nodes[i].older);
	}
	stranger_free(s);
	disk_free(s);
	heap_clear(&s->heap);
	net_clear(s);
	chk_view_free(s);
	chk_quorum_free(s);
	chk_options_free(s);
	chk_group_free(s);
	chk_lock_free(s);
	chk_life_free(s);
	service_free(s);
	edit_free(s);
	conf_free(s->conf);
}

/* ---- the run ------------------------------------------------------------ */

static uint64_t
work_len(const struct sim *s)
{
	return s->voices ? LONG_WORK : WORK_LEN;
}

/* Some reach each other only by a third node. */
static bool
any_apart(const struct sim *s)
{
	unsigned a, b;

	for (a = 0; a < s->n; a++)
		for (b = 0; b < s->n; b++)
			if (s->net.apart[a][b])
				return true;
	return false;
}

/* One at a time is not run for less than others wait for it. */
static void
nap(struct sim *s)
{
	bool apart = any_apart(s);
	/* Nobody passes on what a beat process says. */
	uint64_t most = s->voices && !apart ? s->conf->stall_timeout_us :
					      s->conf->failure_timeout_us;
	uint64_t pause = apart ? 3 * s->conf->heartbeat_us : 0;
	unsigned i;

	most -= 3 * s->conf->heartbeat_us + 10 * MS;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].paused)
			return;
	if (s->phase != PH_WORK ||
	    s->now - s->phase_since + most >= work_len(s))
		return;
	node_pause(s, (unsigned)sim_between(s, 0, s->n - 1),
	    sim_between(s, 1 * MS, most));
	/* Whose word a third one passes on must be heard between two naps. */
	heap_add(&s->heap, s->now + most + pause + sim_between(s, 1, 100 * MS),
	    SE_NAP);
}

static void
handle(struct sim *s, struct sim_event *e)
{
	struct sim_node *n = &s->nodes[e->node];
	struct event ev = { .type = EV_PACKET,
		.link = e->link,
		.data = e->data,
		.len = e->len };
	uint64_t before = UINT64_MAX, keys = 0;
	bool same = node_on(s, e->node) && n->life == e->life;

	switch (e->type) {
	case SE_PACKET:
		if (node_on(s, e->node) && !n->paused)
			before = n->build->refused(n->core);
		if (before != UINT64_MAX)
			keys = n->build->refused_key(n->core,
			    s->nodes[e->other].id);
		node_input(s, e->node, &ev);
		if (before != UINT64_MAX) {
			chk_refused(s, e->node, e, before);
			chk_keys_packet(s, e, keys);
		}
		break;
	case SE_TIMER:
		node_timer(s, e->node, e->gen);
		break;
	case SE_STORED:
		if (same && n->busy)
			node_stored(s, e->node);
		break;
	case SE_FAULT:
		if (s->phase == PH_FAULTS)
			fault_happen(s);
		break;
	case SE_UNFAULT:
		if (s->phase == PH_FAULTS)
			fault_end(s, e);
		break;
	case SE_RESTART:
		if (!node_on(s, e->node) && n->life == e->life)
			node_boot(s, e->node);
		break;
	case SE_STOP:
		ev.type = EV_STOP;
		if (same && e->what != 0)
			node_stop(s, e->node);
		else if (same)
			node_input(s, e->node, &ev);
		break;
	case SE_RESUME:
		if (same && n->paused)
			node_resume(s, e->node);
		break;
	case SE_FENCE:
		fence_finish(s, e);
		break;
	case SE_KILL:
		if (!s->calm)
			node_crash(s, e->node, "its power was cut late");
		break;
	case SE_CLIENT:
		if (same)
			client_act(s, e->node, (unsigned)e->what);
		break;
	case SE_DISK:
		if (same)
			disk_step(s, e);
		break;
	case SE_OPERATOR:
		operator_acts(s);
		break;
	case SE_REPLAY:
		net_replay(s);
		break;
	case SE_NAP:
		nap(s);
		break;
	case SE_KEYS:
		if (same && n->writing)
			keys_written(s, e);
		break;
	case SE_ROTATE:
		keys_rotate(s);
		break;
	case SE_VOICE:
		if (same)
			voice_tick(s, e->node);
		break;
	case SE_STRANGER:
		stranger_timer(s, e->gen);
		break;
	}
}

/* A device that is slow for good, by its own timeout, is waited for as well. */
static uint64_t
device_slack(const struct sim *s)
{
	const struct conf *c = s->conf;

	return c->qdevice.votes == 0 ||
		c->qdevice.timeout_us == c->failure_timeout_us ?
	    0 :
	    4 * c->qdevice.timeout_us;
}

static uint64_t
settle_slack(const struct sim *s)
{
	return SETTLE_SLACK + device_slack(s) +
	    (s->conf->qdevice.votes > 0 ? DEVICE_PAUSE : 0);
}

static void
enter_phase(struct sim *s, enum phase phase)
{
	static const char *const names[] = { "faults", "settle", "work",
		"drain", "death" };

	s->phase = phase;
	s->phase_since = s->settled_since = s->well_since = s->now;
	s->calm = phase != PH_FAULTS;
	if (s->calm)
		disk_calm(s);
	s->calm_kills = 0;
	s->work_views = s->views - s->asked_views;
	if (phase == PH_WORK)
		heap_add(&s->heap, s->now + sim_between(s, 1, 100 * MS),
		    SE_NAP);
	sim_trace(s, "phase %s", names[phase]);
}

/* All nodes are in one view, and have been for so long. */
static bool
settled(struct sim *s, uint64_t len)
{
	bool restless = false;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		restless |= s->nodes[i].paused || s->nodes[i].view.unsettled;
		if (!node_on(s, i) || s->nodes[i].paused || s->fences > 0 ||
		    s->nodes[i].view.held > 0)
			s->well_since = s->now;
	}
	/* Who sleeps still is lost, or not, when it wakes; and a session that
	   broke for a moment is followed by a view. */
	if (!chk_view_settled(s) || s->fences > 0 || restless)
		s->settled_since = s->now;
	return s->now - s->settled_since > len;
}

/* False: who is left would have no quorum, so there is nothing to see. */
static bool
last_death(struct sim *s)
{
	unsigned who = (unsigned)sim_between(s, 0, s->n - 1);

	/* Of three the third one holds the others together. */
	if (s->n == 3 && fault_keeps(s, who))
		who = (who + 1) % s->n;
	/* How soon it is noticed can be seen without quorum, too. */
	if (s->measure == ME_NONE && !chk_quorum_spares(s, who))
		return false;
	/* A new one may have been told nothing yet. */
	if (s->two_disks && s->conf->qdevice.votes > 0)
		return false;
	s->dead = (int)who;
	enter_phase(s, PH_DEATH);
	s->hit_at = s->now;
	if (s->measure == ME_CUT)
		fault_isolate(s, (unsigned)s->dead);
	else
		node_crash(s, (unsigned)s->dead, "for good");
	s->calm_kills = 0;
	return true;
}

/* Is the run complete?  Fails it when a phase takes too long. */
static bool
advance(struct sim *s)
{
	uint64_t in = s->now - s->phase_since;
	uint64_t detect = 2 * s->conf->failure_timeout_us;

	/*
	 * A device that was started while something was wrong may still hit a
	 * node that is well again; then all must settle once more.
	 */
	if (s->calm_kills > 0 && s->phase > PH_SETTLE) {
		enter_phase(s, PH_SETTLE);
		return false;
	}
	switch (s->phase) {
	case PH_FAULTS:
		if (s->now < s->until)
			return false;
		net_heal(s);
		edit_calm(s);
		fault_apart(s);
		enter_phase(s, PH_SETTLE);
		break;
	case PH_SETTLE:
		s->calm_kills = 0;
		/* Silence of before the healing may still come to light. */
		if (settled(s, detect)) {
			s->settle_us = MAX(s->settle_us,
			    s->settled_since > s->well_since ?
				s->settled_since - s->well_since :
				0);
			if (s->settle_us > 2 * detect + settle_slack(s))
				sim_fail(s, INV_LIVE_VIEW,
				    "one view only %llu ms after all were well",
				    (unsigned long long)(s->settle_us / MS));
			if (s->measure != ME_NONE)
				(void)last_death(s);
			else
				enter_phase(s, PH_WORK);
		} else if (in > SETTLE_MAX + 16 * s->slowest_us)
			chk_live_view(s);
		break;
	case PH_WORK:
		if (in < work_len(s))
			break;
		chk_nap(s);
		enter_phase(s, PH_DRAIN);
		break;
	case PH_DRAIN:
		if (!chk_live(s, in > DRAIN_MAX))
			break;
		if (s->dead >= 0 || !last_death(s))
			return true;
		break;
	case PH_DEATH:
		if (s->measure != ME_NONE && s->detect_us != 0)
			return true;
		if (in <= detect + DETECT_SLACK + device_slack(s) &&
		    !chk_view_settled(s))
			break;
		if (!chk_view_settled(s))
			chk_live_view(s);
		enter_phase(s, PH_DRAIN);
		break;
	}
	return false;
}

void
sim_run(struct sim *s)
{
	struct sim_event *e;
	uint64_t look = 0;

	sim_init(s);
	while ((e = heap_take(&s->heap)) != NULL) {
		ASSERT(e->at >= s->now);
		s->now = e->at;
		handle(s, e);
		event_free(e);
		if (s->phase == PH_DEATH && s->detect_us == 0 &&
		    chk_view_without(s))
			s->detect_us = s->now - s->hit_at;
		if (s->now < look)
			continue;
		look = s->now + 20 * MS;
		if (advance(s))
			break;
	}
	sim_free(s);
}

/* ---- the program -------------------------------------------------------- */

struct sums {
	uint64_t runs, failed, steps, packets, views, grants, messages, kills;
	uint64_t basts, values, usec;
	uint64_t detect, settle, stale; /* the longest, us */
};

static void
add_up(struct sums *t, const struct sim *s)
{
	t->runs++;
	t->steps += s->steps;
	t->packets += s->packets;
	t->views += s->views;
	t->grants += s->grants;
	t->messages += s->messages;
	t->kills += s->kills;
	t->basts += s->basts;
	t->values += s->values;
	t->usec += s->now;
	t->detect = s->detect_us;
	t->settle = s->settle_us;
	t->stale = s->stale_max;
}

static void
sums_add(struct sums *t, const struct sums *one)
{
	t->runs += one->runs;
	t->failed += one->failed;
	t->steps += one->steps;
	t->packets += one->packets;
	t->views += one->views;
	t->grants += one->grants;
	t->messages += one->messages;
	t->kills += one->kills;
	t->basts += one->basts;
	t->values += one->values;
	t->usec += one->usec;
	t->detect = MAX(t->detect, one->detect);
	t->settle = MAX(t->settle, one->settle);
	t->stale = MAX(t->stale, one->stale);
}

struct sim *
sim_new(const struct sim *proto, uint64_t seed)
{
	struct sim *s = malloc(sizeof(*s));

	ASSERT(s != NULL);
	*s = *proto;
	s->seed = seed;
	running = s;
	return s;
}

static void
run_one(const struct sim *proto)
{
	struct sim *s = sim_new(proto, proto->seed);

	sim_run(s);
	printf(
	    "death noticed after %.1f ms, settled after %.1f ms; believed in "
	    "a view that was over for %.1f ms; most bytes queued: %zu in "
	    "order, %zu own, %zu for a peer; %llu steps in upgraded views\n",
	    (double)s->detect_us / 1e3, (double)s->settle_us / 1e3,
	    (double)s->stale_max / 1e3, s->load_max.order_log,
	    s->load_max.order_own, s->load_max.stream,
	    (unsigned long long)s->upgraded);
	printf("seed %llu nodes %u: ok, %.1f s, hash %016llx: %llu steps, "
	       "%llu datagrams, %llu views, %llu grants, %llu values, "
	       "%llu messages, %llu fences\n",
	    (unsigned long long)s->seed, s->n, (double)s->now / 1e6,
	    (unsigned long long)s->hash, (unsigned long long)s->steps,
	    (unsigned long long)s->packets, (unsigned long long)s->views,
	    (unsigned long long)s->grants, (unsigned long long)s->values,
	    (unsigned long long)s->messages, (unsigned long long)s->kills);
	running = NULL;
	free(s);
}

/*
 * A process runs every jobs-th seed; each seed in a child of its own, so that a
 * failure ends only itself.  `enough` is shared: somebody has failed, and that
 * is all that was asked.
 */
static void
worker(const struct sim *proto, uint64_t count, unsigned jobs, unsigned me,
    atomic_bool *enough, int out)
{
	struct sums t = { 0 };
	struct sim *s;
	uint64_t i;
	int fds[2], status;
	pid_t pid;

	for (i = me; i < count && !(enough != NULL && *enough); i += jobs) {
		if (pipe(fds) != 0)
			err(1, "pipe");
		pid = fork();
		if (pid == -1)
			err(1, "fork");
		if (pid == 0) {
			struct sums one = { 0 };

			s = sim_new(proto, proto->seed + i);
			sim_run(s);
			if (s->measure != ME_NONE)
				printf("seed %llu nodes %u: %.1f ms\n",
				    (unsigned long long)s->seed, s->n,
				    (double)s->detect_us / 1e3);
			fflush(stdout);
			add_up(&one, s);
			if (write(fds[1], &one, sizeof(one)) != sizeof(one))
				_exit(2);
			_exit(0);
		}
		close(fds[1]);
		struct sums one = { 0 };
		if (read(fds[0], &one, sizeof(one)) != sizeof(one))
			memset(&one, 0, sizeof(one));
		close(fds[0]);
		if (waitpid(pid, &status, 0) == -1)
			err(1, "waitpid");
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			t.failed++;
			if (WIFSIGNALED(status))
				printf("seed %llu: signal %d\n",
				    (unsigned long long)(proto->seed + i),
				    WTERMSIG(status));
			fflush(stdout);
			if (enough != NULL)
				*enough = true;
			continue;
		}
		sums_add(&t, &one);
	}
	if (write(out, &t, sizeof(t)) != sizeof(t))
		_exit(2);
	_exit(0);
}

static int
run_many(const struct sim *proto, uint64_t count, unsigned jobs,
    bool keep_going)
{
	struct sums t = { 0 }, one;
	atomic_bool *enough = NULL;
	unsigned i;
	int fds[2];
	pid_t pid;

	if (!keep_going)
		enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (enough == MAP_FAILED)
		err(1, "mmap");
	if (pipe(fds) != 0)
		err(1, "pipe");
	fflush(stdout);
	for (i = 0; i < jobs; i++) {
		pid = fork();
		if (pid == -1)
			err(1, "fork");
		if (pid == 0)
			worker(proto, count, jobs, i, enough, fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		sums_add(&t, &one);
	}
	while (wait(NULL) > 0)
		;
	printf("longest: death noticed after %.1f ms, settled after %.1f ms, "
	       "believed in a view that was over for %.1f ms\n",
	    (double)t.detect / 1e3, (double)t.settle / 1e3,
	    (double)t.stale / 1e3);
	printf("%llu seeds passed, %llu failed: %.0f simulated s, %llu steps, "
	       "%llu datagrams, %llu views, %llu grants, %llu values, "
	       "%llu messages, %llu fences\n",
	    (unsigned long long)t.runs, (unsigned long long)t.failed,
	    (double)t.usec / 1e6, (unsigned long long)t.steps,
	    (unsigned long long)t.packets, (unsigned long long)t.views,
	    (unsigned long long)t.grants, (unsigned long long)t.values,
	    (unsigned long long)t.messages, (unsigned long long)t.kills);
	return t.failed == 0 && t.runs == count ? 0 : 1;
}

static void NORETURN
usage(void)
{
	fprintf(stderr,
	    "usage: sim [-dgkLrSvw] [-c count] [-j jobs] [-m kill|cut] "
	    "[-n nodes] [-p profile] "
	    "[-s seed] [-T seconds] [-x numbers]\n");
	exit(2);
}

static uint64_t
number(const char *arg, uint64_t lo, uint64_t hi)
{
	const char *why;
	long long v = strtonum(arg, (long long)lo, (long long)hi, &why);

	if (why != NULL)
		errx(2, "%s: %s", arg, why);
	return (uint64_t)v;
}

int
main(int argc, char **argv)
{
	struct sim *proto = calloc(1, sizeof(*proto));
	uint64_t count = 0;
	unsigned jobs = 1;
	bool keep_going = false, smaller = false;
	int ch, status = 0;

	if (proto == NULL || sodium_init() == -1)
		errx(1, "cannot start");
	proto->seed = 1;
	proto->until = 8 * SEC;
	while ((ch = getopt(argc, argv, "c:dgj:kLm:n:p:rSs:T:vwx:")) != -1) {
		switch (ch) {
		case 'c':
			count = number(optarg, 1, 100000000);
			break;
		case 'd':
			proto->two_disks = true;
			break;
		case 'g':
			proto->generated = true;
			break;
		case 'j':
			jobs = (unsigned)number(optarg, 1, 64);
			break;
		case 'k':
			keep_going = true;
			break;
		case 'L':
			proto->strict = true;
			break;
		case 'm':
			proto->measure =
			    strcmp(optarg, "cut") == 0 ? ME_CUT : ME_KILL;
			break;
		case 'n':
			proto->n = (unsigned)number(optarg, 2, SIM_NODES_MAX);
			break;
		case 'p':
			proto->want_profile = optarg;
			break;
		case 'r':
			proto->race = proto->off[ST_OPTIONS] = true;
			break;
		case 'S':
			smaller = true;
			break;
		case 's':
			proto->seed = number(optarg, 0, INT64_MAX);
			break;
		case 'T':
			proto->until = number(optarg, 1, 100000) * SEC;
			break;
		case 'v':
			proto->verbose = true;
			break;
		case 'w':
			proto->mixed = true;
			break;
		case 'x':
			if (!shrink_parse(proto, optarg))
				errx(2, "%s: no list of numbers", optarg);
			break;
		default:
			usage();
		}
	}
	if (argc != optind)
		usage();
	if (smaller)
		status = shrink(proto);
	else if (count > 0)
		status = run_many(proto, count, jobs, keep_going);
	else
		run_one(proto);
	free(proto);
	return status;
}
