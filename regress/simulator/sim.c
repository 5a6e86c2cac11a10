/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * sim: draws a world from a seed, lets it go wrong for a while, lets it heal,
 * and asks whether every promise was kept.
 */

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "sim.h"

#define TAIL_LINES 60
#define LINE_LEN   400
#define HEAL_LIMIT (60 * SECOND)
#define REST_LIMIT (60 * SECOND)
#define STEP_LIMIT UINT64_C(20000000) /* events of one run */

struct world_event {
	uint64_t at, seq;
	world_fn fn;
	unsigned node, life;
	uint64_t arg;
	uint8_t *data;
	size_t len;
};

struct sim *sim_current;
static char tail[TAIL_LINES][LINE_LEN];
static uint64_t ntail;

static const char *const oracle_names[] = { "?", "views agree", "epochs grow",
	"one primary", "one order", "sender order", "no incompatible grants",
	"value blocks", "fence before recovery", "one answer",
	"no lost wake-up", "liveness", "no nonce twice", "assertion" };

void
sim_trace(struct sim *sim, const char *fmt, ...)
{
	char line[LINE_LEN];
	const char *p;
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "%10.6f ", (double)sim->now / 1e6);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	for (p = line; *p != '\0'; p++)
		sim->trace_hash =
		    (sim->trace_hash ^ (uint8_t)*p) * UINT64_C(1099511628211);
	strlcpy(tail[ntail++ % TAIL_LINES], line, LINE_LEN);
	if (sim->p.verbose)
		printf("%s\n", line);
}

static void
print_tail(void)
{
	uint64_t i, first = ntail > TAIL_LINES ? ntail - TAIL_LINES : 0;

	if (sim_current->p.verbose)
		return;
	for (i = first; i < ntail; i++)
		printf("%s\n", tail[i % TAIL_LINES]);
}

void
sim_broken(struct sim *sim, enum sim_oracle oracle, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_tail();
	printf("BROKEN invariant %d (%s) seed %llu nodes %u time %.6f: %s\n",
	    oracle, oracle_names[oracle], (unsigned long long)sim->p.seed,
	    sim->p.nodes, (double)sim->now / 1e6, text);
	printf("replay: sim -s %llu -n %u -T %llu -v\n",
	    (unsigned long long)sim->p.seed, sim->p.nodes,
	    (unsigned long long)(sim->p.duration / SECOND));
	fflush(stdout);
	_exit(2);
}

void
assert_failed(const char *expr, const char *file, int line)
{
	if (sim_current != NULL)
		sim_broken(sim_current, S_ASSERT, "%s:%d: %s", file, line,
		    expr);
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	_exit(2);
}

uint64_t
sim_rand(struct sim *sim, uint64_t below)
{
	return below == 0 ? 0 : rng_below(&sim->rng, below);
}

bool
sim_chance(struct sim *sim, unsigned per_mille)
{
	return per_mille != 0 && sim_rand(sim, 1000) < per_mille;
}

unsigned
sim_majority(const struct sim *sim)
{
	return sim->p.nodes / 2 + 1;
}

/* --- the heap of events, by (time, sequence) --------------------------------- */

static bool
before(const struct world_event *a, const struct world_event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void
sim_at(struct sim *sim, uint64_t delay, world_fn fn, unsigned node,
    unsigned life, uint64_t arg, const void *data, size_t len)
{
	struct world_event ev = { .at = sim->now + delay,
		.seq = ++sim->heap_seq,
		.fn = fn,
		.node = node,
		.life = life,
		.arg = arg,
		.len = len };
	size_t i;

	if (len > 0) {
		ev.data = malloc(len);
		if (ev.data == NULL)
			err(1, NULL);
		memcpy(ev.data, data, len);
	}
	if (sim->nheap == sim->capheap) {
		sim->capheap = sim->capheap * 2 + 1024;
		sim->heap = reallocarray(sim->heap, sim->capheap, sizeof(ev));
		if (sim->heap == NULL)
			err(1, NULL);
	}
	i = sim->nheap++;
	while (i > 0 && before(&ev, &sim->heap[(i - 1) / 2])) {
		sim->heap[i] = sim->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	sim->heap[i] = ev;
}

static struct world_event
pop(struct sim *sim)
{
	struct world_event top = sim->heap[0], last;
	size_t i = 0, c;

	last = sim->heap[--sim->nheap];
	while ((c = 2 * i + 1) < sim->nheap) {
		if (c + 1 < sim->nheap &&
		    before(&sim->heap[c + 1], &sim->heap[c]))
			c++;
		if (!before(&sim->heap[c], &last))
			break;
		sim->heap[i] = sim->heap[c];
		i = c;
	}
	sim->heap[i] = last;
	return top;
}

/* --- faults -------------------------------------------------------------------- */

static void
draw_faults(struct sim *sim)
{
	struct sim_faults *f = &sim->f;
	uint64_t r = sim_rand(sim, 4);

	memset(f, 0, sizeof(*f));
	f->delay_min = 20 + sim_rand(sim, 100);
	f->delay_max = f->delay_min + 50 + sim_rand(sim, 400);
	f->fence_max = 300 * MS;
	if (sim->p.calm)
		return;
	/* Some runs are nearly clean, so that rare orders are not drowned. */
	if (r >= 1) {
		f->loss_pm = (unsigned)sim_rand(sim, r >= 2 ? 150 : 10);
		f->dup_pm = (unsigned)sim_rand(sim, 50);
		f->reorder_pm = (unsigned)sim_rand(sim, 200);
		f->flip_pm = (unsigned)sim_rand(sim, 5);
		if (sim_chance(sim, 300))
			f->delay_max += sim_rand(sim, 20 * MS);
	}
	f->every = 200 * MS + sim_rand(sim, 4 * SECOND);
	f->w_crash = (unsigned)sim_rand(sim, 4);
	f->w_pause = (unsigned)sim_rand(sim, 4);
	f->w_cut = (unsigned)sim_rand(sim, 4);
	f->w_oneway = (unsigned)sim_rand(sim, 3);
	f->w_link = (unsigned)sim_rand(sim, 3);
	f->w_leave = (unsigned)sim_rand(sim, 2);
	f->fence_fail_pm =
	    sim_chance(sim, 500) ? (unsigned)sim_rand(sim, 600) : 0;
	f->fence_max = 20 * MS + sim_rand(sim, 2 * SECOND);
	f->old_store_pm = sim_chance(sim, 300) ? 200 : 0;
	f->drift_ppm = (unsigned)sim_rand(sim, 500);
}

static void
ev_uncut(struct sim *sim, unsigned node, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	(void)node, (void)life, (void)arg, (void)data, (void)len;
	sim_trace(sim, "network healed");
	simnet_heal(sim);
}

static void
one_fault(struct sim *sim)
{
	const struct sim_faults *f = &sim->f;
	unsigned total = f->w_crash + f->w_pause + f->w_cut + f->w_oneway +
	    f->w_link + f->w_leave;
	unsigned r, i = (unsigned)sim_rand(sim, sim->p.nodes);
	struct event stop = { .type = EV_STOP };

	if (total == 0)
		return;
	r = (unsigned)sim_rand(sim, total);
	if (r < f->w_crash) {
		if (sim->nodes[i].node != NULL)
			simnode_crash(sim, i, "crash");
		simnode_restart_later(sim, i, sim_rand(sim, 5 * SECOND));
	} else if ((r -= f->w_crash) < f->w_pause) {
		simnode_pause(sim, i,
		    sim_rand(sim,
			sim_chance(sim, 500) ? 500 * MS : 4 * SECOND));
	} else if ((r -= f->w_pause) < f->w_cut + f->w_oneway + f->w_link) {
		simnet_cut(sim,
		    r < f->w_cut		   ? 0 :
			r < f->w_cut + f->w_oneway ? 1 :
						     2);
		sim_at(sim, sim_rand(sim, 5 * SECOND), ev_uncut, 0, 0, 0, NULL,
		    0);
	} else if (sim->nodes[i].node != NULL &&
	    sim->nodes[i].paused_until == 0) {
		sim_trace(sim, "node %u: asked to leave", sim->nodes[i].id);
		simnode_step(sim, i, &stop);
	}
}

static void
ev_fault(struct sim *sim, unsigned node, unsigned life, uint64_t arg,
    const uint8_t *data, size_t len)
{
	(void)node, (void)life, (void)arg, (void)data, (void)len;
	if (sim->phase != PHASE_FAULTS)
		return;
	one_fault(sim);
	sim_at(sim, 1 + sim_rand(sim, 2 * sim->f.every), ev_fault, 0, 0, 0,
	    NULL, 0);
}

/* --- the run --------------------------------------------------------------------- */

static struct conf *
make_conf(struct sim *sim)
{
	struct conf *c = conf_new();
	unsigned i, l;

	if (c == NULL)
		err(1, NULL);
	strlcpy(c->cluster, "sim", sizeof(c->cluster));
	c->nnodes = sim->p.nodes;
	c->nlinks = 1 + (unsigned)sim_rand(sim, 2);
	c->detect = sim_chance(sim, 500) ? DETECT_FAST : DETECT_NORMAL;
	c->heartbeat_us = c->detect == DETECT_FAST ? 50 * MS : 100 * MS;
	c->failure_timeout_us = c->detect == DETECT_FAST ? 400 * MS : 700 * MS;
	c->fence_timeout_us = 5 * SECOND;
	c->fence_tries = 2;
	c->fence_on_join_delay_us = SECOND;
	c->wait_for_all = true;
	c->ndevices = 1;
	c->devices = calloc(1, sizeof(*c->devices));
	strlcpy(c->devices[0].name, "power", sizeof(c->devices[0].name));
	strlcpy(c->devices[0].agent, "/sim", sizeof(c->devices[0].agent));
	c->devices[0].timeout_us = 5 * SECOND;
	for (i = 0; i < c->nnodes; i++) {
		c->nodes[i].id = (uint16_t)(i + 1);
		snprintf(c->nodes[i].name, sizeof(c->nodes[i].name), "n%u",
		    i + 1);
		c->nodes[i].votes = 1;
		c->nodes[i].nlinks = c->nlinks;
		for (l = 0; l < c->nlinks; l++)
			snprintf(c->nodes[i].links[l], CONF_ADDR_LEN,
			    "10.0.%u.%u", l, i + 1);
		c->nodes[i].nlevels = 1;
		c->nodes[i].levels[0].ndevices = 1;
		c->devices[0].targets[i].node = (uint16_t)(i + 1);
	}
	c->devices[0].ntargets = c->nnodes;
	conf_hash(c);
	return c;
}

/* One view, primary, of everybody, and all of them have its state. */
static bool
settled(const struct sim *sim)
{
	struct node_view v, first = { .epoch = 0 };
	unsigned i;

	for (i = 0; i < sim->p.nodes; i++) {
		if (sim->nodes[i].node == NULL)
			return false;
		node_get_view(sim->nodes[i].node, &v);
		if (i == 0)
			first = v;
		if (!v.primary || !v.synced || v.n != sim->p.nodes ||
		    v.epoch != first.epoch)
			return false;
	}
	return true;
}

static void
describe(const struct sim *sim, char *text, size_t size)
{
	struct node_view v;
	char one[96];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < sim->p.nodes; i++) {
		if (sim->nodes[i].node == NULL) {
			snprintf(one, sizeof(one), "[%u off] ", i + 1);
		} else {
			node_get_view(sim->nodes[i].node, &v);
			snprintf(one, sizeof(one), "[%u e%llu n%u%s%s] ", i + 1,
			    (unsigned long long)v.epoch, v.n,
			    v.primary ? " P" : "", v.synced ? " S" : "");
		}
		strlcat(text, one, size);
	}
}

static void
run_until(struct sim *sim, uint64_t end, bool (*done)(const struct sim *))
{
	struct world_event ev;

	while (sim->nheap > 0 && sim->heap[0].at <= end) {
		if (done != NULL && done(sim))
			return;
		ev = pop(sim);
		ASSERT(ev.at >= sim->now);
		sim->now = ev.at;
		if (++sim->nevents > STEP_LIMIT)
			sim_broken(sim, S_LIVENESS, "more than %llu events",
			    (unsigned long long)STEP_LIMIT);
		ev.fn(sim, ev.node, ev.life, ev.arg, ev.data, ev.len);
		free(ev.data);
	}
	if (sim->now < end)
		sim->now = end;
}

static bool
at_rest(const struct sim *sim)
{
	char why[256];

	return settled(sim) && simclient_idle(sim, why, sizeof(why));
}

static void
heal_everything(struct sim *sim)
{
	unsigned i;

	sim_trace(sim, "faults are over");
	sim->phase = PHASE_HEAL;
	sim->f.loss_pm = sim->f.dup_pm = sim->f.reorder_pm = 0;
	sim->f.flip_pm = sim->f.fence_fail_pm = 0;
	sim->f.delay_max = sim->f.delay_min + 200;
	simnet_heal(sim);
	for (i = 0; i < sim->p.nodes; i++) {
		sim->nodes[i].drift_ppm = 0;
		if (sim->nodes[i].node == NULL)
			simnode_restart_later(sim, i, sim_rand(sim, SECOND));
	}
}

static void
run(struct sim *sim)
{
	char text[2048], why[256];
	uint64_t progress;
	unsigned i;

	sim->phase = PHASE_FAULTS;
	for (i = 0; i < sim->p.nodes; i++)
		simnode_restart_later(sim, i, sim_rand(sim, 300 * MS));
	if (sim->f.every != 0)
		sim_at(sim, 2 * SECOND, ev_fault, 0, 0, 0, NULL, 0);
	run_until(sim, sim->p.duration, NULL);
	heal_everything(sim);
	run_until(sim, sim->now + HEAL_LIMIT, settled);
	describe(sim, text, sizeof(text));
	if (!settled(sim))
		sim_broken(sim, S_LIVENESS,
		    "no common primary view %u s after the last fault: %s",
		    (unsigned)(HEAL_LIMIT / SECOND), text);
	progress = simclient_progress(sim);
	run_until(sim, sim->now + 5 * SECOND, NULL);
	if (simclient_progress(sim) == progress)
		sim_broken(sim, S_LIVENESS, "clients make no progress: %s",
		    text);
	sim->phase = PHASE_REST;
	sim_trace(sim, "clients come to rest");
	run_until(sim, sim->now + REST_LIMIT, at_rest);
	if (!simclient_idle(sim, why, sizeof(why)))
		sim_broken(sim, S_WAKEUP, "%s", why);
}

static void
sim_run(const struct sim_params *p, bool quiet)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	uint64_t seed[4] = { p->seed, 1, 2, 3 };
	unsigned i;

	if (sim == NULL)
		err(1, NULL);
	sim_current = sim;
	ntail = 0;
	sim->p = *p;
	sim->trace_hash = UINT64_C(14695981039346656037);
	rng_seed(&sim->rng, seed);
	for (i = 0; i < 20; i++)
		(void)rng_u64(&sim->rng);
	draw_faults(sim);
	sim->conf = make_conf(sim);
	sim->oracle = oracle_new();
	for (i = 0; i < sim->p.nodes; i++) {
		sim->nodes[i].id = (uint16_t)(i + 1);
		sim->nodes[i].last_inc = 1000 * (i + 1);
		STAILQ_INIT(&sim->nodes[i].held);
	}
	run(sim);
	if (!quiet)
		printf("seed %llu nodes %u: ok, %llu events, %llu packets, "
		       "%llu views, %llu fences, %llu lock requests, "
		       "%llu messages, hash %016llx\n",
		    (unsigned long long)p->seed, p->nodes,
		    (unsigned long long)sim->nevents,
		    (unsigned long long)sim->npackets,
		    (unsigned long long)sim->nviews,
		    (unsigned long long)sim->nfences,
		    (unsigned long long)sim->nops,
		    (unsigned long long)sim->nmessages,
		    (unsigned long long)sim->trace_hash);
	for (i = 0; i < sim->p.nodes; i++) {
		simnode_crash(sim, i, "end");
		free(sim->nodes[i].stored);
		free(sim->nodes[i].older);
	}
	while (sim->nheap > 0)
		free(pop(sim).data);
	free(sim->heap);
	oracle_free(sim->oracle);
	conf_free(sim->conf);
	free(sim);
	sim_current = NULL;
}

int
main(int argc, char **argv)
{
	struct sim_params p = { .seed = 1, .duration = 20 * SECOND };
	unsigned long long count = 1, k;
	unsigned nodes = 0;
	bool quiet = false;
	int ch;

	while ((ch = getopt(argc, argv, "c:Cn:qs:T:v")) != -1) {
		switch (ch) {
		case 'c':
			count = strtoull(optarg, NULL, 0);
			break;
		case 'C':
			p.calm = true;
			break;
		case 'n':
			nodes = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'q':
			quiet = true;
			break;
		case 's':
			p.seed = strtoull(optarg, NULL, 0);
			break;
		case 'T':
			p.duration = strtoull(optarg, NULL, 0) * SECOND;
			break;
		case 'v':
			p.verbose = true;
			break;
		default:
			errx(64,
			    "usage: sim [-s seed] [-n nodes] [-T seconds] "
			    "[-c count] [-C] [-q] [-v]");
		}
	}
	if (nodes > SIM_NODES || nodes == 1)
		errx(64, "2 to %u nodes", SIM_NODES);
	for (k = 0; k < count; k++, p.seed++) {
		/* Without -n the seed decides: 3 to 7 nodes. */
		p.nodes = nodes != 0 ? nodes : 3 + (unsigned)(p.seed % 5);
		sim_run(&p, quiet);
	}
	if (quiet)
		printf("%llu seeds, no invariant broken\n", count);
	return 0;
}
