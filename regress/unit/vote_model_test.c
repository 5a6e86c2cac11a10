/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the claim at the head of vote.c on a model: the real counting, and
 * around it no network, but every way in which a view can come about only in
 * part.  Any set of nodes may try; some are not ready in the end; of a view
 * for which all were ready some enter at once, some later, some never; nodes
 * forget everything that is not on disk, leave cleanly, and are told of that
 * or not; operators change votes and options; one node after another loses its
 * disk.
 *
 * Checked: once a view has taken effect (all its members have entered it),
 * each view with a later name for which all were ready descends from it.
 * There is one exception: all nodes are there, and the only disks that knew
 * better are lost (E7); then a new line begins.
 * Also checked: of a view that took effect somebody is gone before a later one
 * is formed; and all nodes together wait for nobody.
 *
 * Some models have a quorum device, which is here what device.c makes of a disk:
 * it promises epochs in order, remembers what it is told at once or not at all,
 * and is not always reached.  It may be made anew at any time.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/member_internal.h"

#define NODES 5
#define VIEWS 4000

#define EVERYBODY ((1u << (NODES + 1)) - 2)

struct mview {
	struct view v;
	int parent; /* index; -1: none */
	bool formed, effective;
	unsigned members, ready, entered; /* masks */
};

struct model {
	struct rng rng;
	struct conf *conf;
	struct member *m[NODES + 1];
	int in[NODES + 1];	   /* view that it is in, this life; -1 */
	int last_ready[NODES + 1]; /* index; -1 */
	uint64_t promised[NODES + 1];
	bool up[NODES + 1];
	unsigned nviews, primary, effective, contested;
	unsigned line; /* the line that goes on begins with this view */
	bool lossy;    /* disks are lost in this model */
	unsigned lost;
	struct mview *views;
	uint64_t dev_promised;
	bool dev_told; /* ever, since it was made */
	struct device_memory dev;
	unsigned by_device; /* views that needed it */
	uint64_t serial;
	struct bus bus;
};

static unsigned
chance(struct model *s, unsigned percent)
{
	return rng_below(&s->rng, 100) < percent;
}

static int
find_view(const struct model *s, const struct prim_id *id)
{
	unsigned i;

	for (i = s->nviews; i-- > 0;) {
		if (s->views[i].v.epoch == id->epoch &&
		    s->views[i].v.leader == id->leader)
			return (int)i;
	}
	return -1;
}

static bool
later(const struct mview *a, const struct mview *b)
{
	struct prim_id x = { a->v.epoch, a->v.leader };
	struct prim_id y = { b->v.epoch, b->v.leader };

	return prim_cmp(&x, &y) > 0;
}

static bool
descends(const struct model *s, unsigned k, unsigned from)
{
	int i;

	for (i = (int)k; i >= 0; i = s->views[i].parent) {
		if (i == (int)from)
			return true;
	}
	return false;
}

/* Nobody has left it, and so it can go on. */
static bool
whole(const struct model *s, unsigned k)
{
	uint16_t n;

	for (n = 1; n <= NODES; n++) {
		if ((s->views[k].members >> n & 1) != 0 && s->in[n] != (int)k)
			return false;
	}
	return true;
}

static void
check(struct model *s, unsigned k)
{
	unsigned i;

	for (i = 0; i < s->nviews; i++) {
		if (i != k && s->views[i].effective && s->views[k].formed &&
		    later(&s->views[k], &s->views[i]))
			ATF_REQUIRE_MSG(!whole(s, i),
			    "view %llu.%u goes on beside %llu.%u",
			    (unsigned long long)s->views[i].v.epoch,
			    s->views[i].v.leader,
			    (unsigned long long)s->views[k].v.epoch,
			    s->views[k].v.leader);
	}
	for (i = s->line; i < s->nviews; i++) {
		if (s->views[i].effective && s->views[k].formed &&
		    later(&s->views[k], &s->views[i]))
			ATF_REQUIRE_MSG(descends(s, k, i),
			    "view %llu.%u does not descend from %llu.%u",
			    (unsigned long long)s->views[k].v.epoch,
			    s->views[k].v.leader,
			    (unsigned long long)s->views[i].v.epoch,
			    s->views[i].v.leader);
		if (s->views[k].effective && s->views[i].formed &&
		    later(&s->views[i], &s->views[k]))
			ATF_REQUIRE_MSG(descends(s, i, k),
			    "view %llu.%u takes effect late",
			    (unsigned long long)s->views[k].v.epoch,
			    s->views[k].v.leader);
	}
}

static void
drop_notes(struct model *s)
{
	bus_clear(&s->bus);
}

static void
enter_view(struct model *s, uint16_t n, unsigned k)
{
	struct mview *mv = &s->views[k];
	struct member_stored *st = &s->m[n]->stored;
	unsigned i;

	vote_enter(s->m[n], &mv->v);
	st->n = mv->v.n;
	memset(st->members, 0, sizeof(st->members));
	for (i = 0; i < mv->v.n; i++) {
		st->members[i].node = mv->v.members[i].node;
		st->members[i].inc = mv->v.members[i].inc;
	}
	s->in[n] = (int)k;
	mv->entered |= 1u << n;
	if (mv->entered == mv->members) {
		mv->effective = true;
		s->effective++;
		check(s, k);
	}
}

static void
gather(struct model *s, unsigned mask, struct round *rd)
{
	struct member_stored *st;
	struct flush *f;
	uint16_t n;

	memset(rd, 0, sizeof(*rd));
	for (n = 1; n <= NODES; n++) {
		if ((mask >> n & 1) == 0)
			continue;
		st = &s->m[n]->stored;
		f = &rd->flush[rd->members.n];
		f->base.epoch = st->prim_epoch;
		f->base.leader = st->prim_leader;
		f->elect = st->elect;
		f->attempts = st->attempts;
		f->since = st->since;
		member_base(s->m[n], &f->basemembers);
		set_add(&rd->members, n, 1);
		rd->epoch = MAX(rd->epoch, s->promised[n] + 1);
	}
}

static void
maybe_wish(struct model *s, struct member *m)
{
	unsigned i;

	memset(&m->wish, 0, sizeof(m->wish));
	if (!chance(s, 10))
		return;
	m->wish.serial = ++s->serial;
	m->wish.set = chance(s, 50);
	m->wish.expected = (uint32_t)rng_below(&s->rng, 9);
	m->wish.n = NODES;
	for (i = 0; i < NODES; i++) {
		m->wish.v[i].node = (uint16_t)(i + 1);
		m->wish.v[i].votes = (uint8_t)rng_below(&s->rng, 4);
	}
	if (chance(s, 30))
		return;
	/* Any of them at once, which is more than one order does. */
	m->wish.opt.known = true;
	m->wish.opt.given = (uint8_t)rng_below(&s->rng, 1 << OPT_MAX);
	m->wish.opt.given &= ~(1u << OPT_TWO_NODE);
	m->wish.opt.last_man = chance(s, 50);
	m->wish.opt.downscale = chance(s, 50);
	m->wish.opt.tie = (enum conf_tie)rng_below(&s->rng, 4);
	for (i = 0; m->wish.opt.tie == TIE_LIST && i < 2; i++)
		m->wish.opt.tie_nodes[m->wish.opt.ntie++] =
		    (uint16_t)(1 + rng_below(&s->rng, NODES));
	m->wish.opt.device = (uint8_t)rng_below(&s->rng, 5);
}

/* Some of those who remember the base have its state; one at least. */
static void
draw_fresh(struct model *s, const struct round *rd, struct view *v)
{
	unsigned i, best = 0;

	for (i = 1; i < rd->members.n; i++) {
		if (prim_cmp(&rd->flush[i].base, &rd->flush[best].base) > 0)
			best = i;
	}
	for (i = 0; i < v->n; i++)
		v->members[i].fresh = i != best &&
		    (!prim_eq(&rd->flush[i].base, &rd->flush[best].base) ||
			chance(s, 20));
}

/* False: it did not, and the view is not formed. */
static bool
record(struct model *s, const struct round *rd, const struct ballot *b,
    const struct mview *mv, bool fails)
{
	if (!mv->v.device)
		return true;
	if (fails && chance(s, 30))
		return false;
	device_memorize(rd, b, &mv->v, &s->dev);
	s->dev_told = true;
	return true;
}

/* Everybody is ready, or the rest never will be. */
static void
get_ready(struct model *s, unsigned k, const struct round *rd,
    const struct ballot *b)
{
	struct mview *mv = &s->views[k];
	bool fails = chance(s, 35), first = chance(s, 50);
	uint16_t n;

	if (first && !record(s, rd, b, mv, fails))
		return;
	for (n = 1; n <= NODES; n++) {
		if ((mv->members >> n & 1) == 0)
			continue;
		if (fails && chance(s, 30))
			return;
		vote_attempt(s->m[n], &mv->v, &s->bus);
		drop_notes(s);
		mv->ready |= 1u << n;
		s->last_ready[n] = (int)k;
	}
	if (!first && !record(s, rd, b, mv, fails))
		return;
	mv->formed = true;
	s->primary++;
	if (s->lost > 0 && mv->members == EVERYBODY)
		s->line = k;
	check(s, k);
}

static void
ask_device(struct model *s, struct round *rd)
{
	if (s->conf->qdevice.votes == 0 || !chance(s, 70))
		return;
	/* It refuses, and the coordinator tries again. */
	rd->epoch = MAX(rd->epoch, s->dev_promised + 1);
	s->dev_promised = rd->epoch;
	rd->told = true;
	if (s->dev_told)
		rd->memory = s->dev;
}

/* Would it have been primary without? */
static void
count_device(struct model *s, const struct member *m, struct round *rd)
{
	struct ballot b;
	bool told = rd->told;

	rd->told = false;
	vote_count(m, rd, true, &b);
	rd->told = told;
	s->by_device += !b.primary;
}

static void
try_view(struct model *s, unsigned mask)
{
	static struct round rd;
	struct mview *mv;
	struct ballot b;
	struct member *m = NULL;
	struct prim_id base = { 0, 0 };
	unsigned i;
	uint16_t n;

	gather(s, mask, &rd);
	if (rd.members.n == 0 || s->nviews == VIEWS)
		return;
	ask_device(s, &rd);
	for (n = 1; n <= NODES; n++) {
		if ((mask >> n & 1) != 0) {
			s->promised[n] = rd.epoch;
			s->in[n] = -1;
			m = s->m[n];
		}
	}
	maybe_wish(s, m);
	vote_count(m, &rd, true, &b);
	s->contested += b.contested;
	ATF_REQUIRE_MSG(b.primary || mask != EVERYBODY,
	    "all are there, and wait for nobody");
	if (!b.primary)
		return;
	count_device(s, m, &rd);
	mv = &s->views[s->nviews];
	memset(mv, 0, sizeof(*mv));
	mv->v.epoch = rd.epoch;
	mv->v.leader = rd.members.v[rng_below(&s->rng, rd.members.n)].node;
	mv->v.primary = true;
	mv->v.n = rd.members.n;
	mv->members = mask;
	for (i = 0; i < rd.members.n; i++) {
		mv->v.members[i].node = rd.members.v[i].node;
		mv->v.members[i].inc = 1;
		if (prim_cmp(&rd.flush[i].base, &base) > 0)
			base = rd.flush[i].base;
	}
	if (rd.told && prim_cmp(&rd.memory.base, &base) > 0)
		base = rd.memory.base;
	mv->parent = find_view(s, &base);
	draw_fresh(s, &rd, &mv->v);
	mv->v.features = chance(s, 95) ? WIRE_FEATURES : 0;
	vote_fill(m, &b, &mv->v);
	get_ready(s, s->nviews++, &rd, &b);
}

/* The COMMIT arrives here, unless something newer is promised. */
static void
commit(struct model *s, uint16_t n)
{
	int k = s->last_ready[n];

	if (k < 0 || !s->up[n] || !s->views[k].formed ||
	    (s->views[k].entered >> n & 1) != 0 ||
	    s->promised[n] != s->views[k].v.epoch)
		return;
	enter_view(s, n, (unsigned)k);
}

static void
crash(struct model *s, uint16_t n)
{
	s->up[n] = false;
	s->in[n] = -1;
	s->last_ready[n] = -1;
}

static void
leave(struct model *s, uint16_t n)
{
	struct status st;
	uint16_t i;
	unsigned k;

	if (s->in[n] < 0 || s->m[n]->stored.attempts.n > 0)
		return;
	for (k = 0; k < s->m[n]->stored.n; k++) {
		if (s->m[n]->stored.members[k].node == n)
			s->m[n]->stored.members[k].left = true;
	}
	memset(&st, 0, sizeof(st));
	st.left = true;
	st.base.epoch = s->m[n]->stored.prim_epoch;
	st.base.leader = s->m[n]->stored.prim_leader;
	for (i = 1; i <= NODES; i++) {
		if (i != n && s->up[i] && chance(s, 70))
			vote_status(s->m[i], n, 1, &st);
	}
	crash(s, n);
}

/*
 * A node comes back with an empty disk.  All others still have theirs and are
 * no newcomers, for if no voter is left that remembers, nothing can help.
 */
static void
lose_disk(struct model *s, uint16_t n)
{
	uint16_t i;

	for (i = 1; i <= NODES; i++) {
		if (i != n && s->m[i]->stored.prim_epoch == 0)
			return;
	}
	crash(s, n);
	memset(&s->m[n]->stored, 0, sizeof(s->m[n]->stored));
	s->lost++;
}

static void
step(struct model *s)
{
	uint16_t n = (uint16_t)(1 + rng_below(&s->rng, NODES));
	unsigned what = (unsigned)rng_below(&s->rng, 100), mask = 0;
	uint16_t i;

	if (what < 35) {
		for (i = 1; i <= NODES; i++) {
			if (s->up[i] && chance(s, 60))
				mask |= 1u << i;
		}
		try_view(s, mask);
	} else if (what < 70) {
		commit(s, n);
	} else if (what < 75) {
		for (i = 1; i <= NODES; i++)
			commit(s, i);
	} else if (what < 82) {
		crash(s, n);
	} else if (what < 86) {
		leave(s, n);
	} else if (what < 88 && s->lossy) {
		lose_disk(s, n);
	} else if (what < 89 && chance(s, 30)) {
		s->dev_told = false;
		memset(&s->dev, 0, sizeof(s->dev));
	} else {
		s->up[n] = true;
	}
}

static void
start(struct model *s, unsigned long number)
{
	uint64_t seed[4] = { number, 3, 1, 4 };
	unsigned votes = 0, most = 0;
	uint16_t n;

	memset(s, 0, sizeof(*s));
	rng_seed(&s->rng, seed);
	for (n = 0; n < 64; n++)
		rng_u64(&s->rng);
	bus_init(&s->bus);
	s->conf = conf_new();
	s->views = calloc(VIEWS, sizeof(*s->views));
	ATF_REQUIRE(s->conf != NULL && s->views != NULL);
	s->conf->wait_for_all = false;
	s->conf->last_man_standing = chance(s, 50);
	s->conf->downscale = chance(s, 50);
	s->conf->tie = (enum conf_tie)rng_below(&s->rng, 3);
	if (chance(s, 50))
		s->conf->qdevice.votes = (uint8_t)(1 + rng_below(&s->rng, 4));
	s->lossy = chance(s, 50);
	s->conf->nnodes = NODES;
	for (n = 1; n <= NODES; n++) {
		s->conf->nodes[n - 1].id = n;
		s->conf->nodes[n - 1].votes =
		    chance(s, 70) ? 1 : (uint8_t)rng_below(&s->rng, 4);
		votes += s->conf->nodes[n - 1].votes;
		most = MAX(most, (unsigned)s->conf->nodes[n - 1].votes);
		s->m[n] = calloc(1, sizeof(*s->m[n]));
		ATF_REQUIRE(s->m[n] != NULL);
		s->m[n]->conf = s->conf;
		s->m[n]->self = n;
		s->up[n] = true;
		s->in[n] = s->last_ready[n] = -1;
	}
	/*
	 * One empty disk must not be all that counts by the file: where nobody
	 * there remembers anything it begins anew (E5).
	 */
	s->lossy &= 2 * most < votes;
}

static void
finish(struct model *s)
{
	uint16_t n;

	for (n = 1; n <= NODES; n++)
		free(s->m[n]);
	free(s->views);
	conf_free(s->conf);
}

ATF_TC_WITHOUT_HEAD(one_line_of_descent);
ATF_TC_BODY(one_line_of_descent, tc)
{
	const char *env = getenv("MODELS");
	unsigned long i, models = env == NULL ? 3000 : strtoul(env, NULL, 10);
	unsigned formed = 0, effective = 0, contested = 0, lost = 0, k;
	unsigned device = 0;
	struct model s;

	for (i = 1; i <= models; i++) {
		start(&s, i);
		for (k = 0; k < 1200; k++)
			step(&s);
		formed += s.primary;
		effective += s.effective;
		contested += s.contested;
		lost += s.lost;
		device += s.by_device;
		finish(&s);
	}
	fprintf(stderr,
	    "%lu models: %u views formed, %u took effect, %u were "
	    "not tried because others might have gone on, %u disks lost, "
	    "%u by the votes of the device\n",
	    models, formed, effective, contested, lost, device);
	/* The model must not be so harsh that nothing ever happens in it. */
	ATF_CHECK(formed > 20 * models && effective > 5 * models);
	ATF_CHECK(contested > models && lost > models);
	ATF_CHECK(device > models);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, one_line_of_descent);
	return atf_no_error();
}
