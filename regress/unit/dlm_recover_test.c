/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that lock managers stay correct while nodes die, leave and come:
 * random operations of many clients on few resources, in random order of
 * delivery, with recoveries that overtake each other.  Checked all the time:
 * what clients may rely on is compatible; each operation has one completion;
 * a value block is never older than the last write completed before it was
 * asked for, unless it is marked.  Checked at rest: who could be granted is;
 * who stands in the way was told; in the end nothing is left.
 */

#include <errno.h>
#include <stdio.h>

#include <atf-c.h>

#include "dlm_fixture.h"

#define RES	4
#define CLIENTS 3

static struct {
	uint64_t last;	/* number of the last write begun */
	uint64_t floor; /* ... completed */
	bool dead;	/* a writer died since the last one began */
	uint64_t epoch; /* ... and from this epoch on all know it */
} lvb[RES];

static void
put_value(uint8_t *b, uint64_t v)
{
	unsigned i;

	memset(b, 0, DLM_LVB_MAX);
	for (i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_value(const uint8_t *b)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		v |= (uint64_t)b[i] << (8 * i);
	return v;
}

static void
on_ast(struct fx *fx, struct fx_lock *l)
{
	uint64_t v;

	if (l->haslvb && (l->sbflags & DLM_SBF_VALNOTVALID) == 0) {
		v = get_value(l->lvb);
		ATF_REQUIRE_MSG(v >= l->floor && v <= lvb[l->res].last,
		    "res%u: node %u read write %llu, but %llu was complete "
		    "before it asked",
		    l->res, l->node, (unsigned long long)v,
		    (unsigned long long)l->floor);
	}
	if (l->haslvb && l->marked && lvb[l->res].dead)
		ATF_REQUIRE_MSG((l->sbflags & DLM_SBF_VALNOTVALID) != 0,
		    "res%u: node %u read what a dead writer left as valid",
		    l->res, l->node);
	if (l->wrote != 0 && l->status == 0 && l->wrote > lvb[l->res].floor)
		lvb[l->res].floor = l->wrote;
	l->wrote = 0;
}

/*
 * A resource that nobody holds firmly may be forgotten, and its value block
 * with it.
 */
static void
forget_values(struct fx *fx)
{
	bool held[RES] = { false };
	struct fx_lock *l;
	unsigned i;

	for (i = 0; i < FX_LOCKS; i++) {
		l = &fx->locks[i];
		if (l->used && fx->node[l->node].up && l->held >= DLM_NL &&
		    !l->unlocking)
			held[l->res] = true;
	}
	for (i = 0; i < RES; i++)
		if (!held[i]) {
			lvb[i].floor = 0;
			lvb[i].dead = false;
		}
	for (i = 0; i < FX_LOCKS; i++) {
		l = &fx->locks[i];
		if (!l->used || held[l->res])
			continue;
		l->floor = 0;
		l->marked = false;
	}
}

/* What the writers on this node hold at this moment is left half-written. */
static void
writers_die(struct fx *fx, unsigned node)
{
	const struct fx_lock *l;
	unsigned i;

	for (i = 0; i < FX_LOCKS; i++) {
		l = &fx->locks[i];
		if (!l->used || l->node != node || l->held < DLM_PW ||
		    lvb[l->res].floor == 0)
			continue;
		lvb[l->res].dead = true;
		lvb[l->res].epoch = fx->epoch + 1;
	}
}

/* Does who asks now, on this node, have to be told that it is not valid? */
static bool
must_mark(const struct fx *fx, unsigned node, unsigned res)
{
	const struct dlm_ls *ls = TAILQ_FIRST(&fx->node[node].d->spaces);

	return lvb[res].dead && ls != NULL && ls->epoch >= lvb[res].epoch;
}

static uint64_t
new_write(unsigned res)
{
	lvb[res].dead = false;
	return ++lvb[res].last;
}

static struct fx_lock *
any_lock(struct fx *fx)
{
	unsigned i, start = (unsigned)rng_below(&fx->rng, FX_LOCKS);
	struct fx_lock *l;

	for (i = 0; i < FX_LOCKS; i++) {
		l = &fx->locks[(start + i) % FX_LOCKS];
		if (l->used && fx->node[l->node].up)
			return l;
	}
	return NULL;
}

static uint32_t
some_flags(struct fx *fx, uint32_t of)
{
	uint32_t flags = (uint32_t)rng_u64(&fx->rng) & of;

	/* Rarely more than one of them. */
	if (rng_below(&fx->rng, 4) != 0)
		flags &= (uint32_t)rng_u64(&fx->rng);
	return flags;
}

static unsigned
count_locks(const struct fx *fx)
{
	unsigned i, n = 0;

	for (i = 0; i < FX_LOCKS; i++)
		n += fx->locks[i].used;
	return n;
}

static void
new_lock(struct fx *fx, unsigned node)
{
	unsigned res = (unsigned)rng_below(&fx->rng, RES);
	int mode = (int)rng_below(&fx->rng, 6);
	uint32_t flags;

	if (count_locks(fx) > FX_LOCKS / 2)
		return;
	flags = some_flags(fx,
	    DLM_F_NOQUEUE | DLM_F_NOQUEUEBAST | DLM_F_HEADQUE | DLM_F_NOORDER);
	if (rng_below(&fx->rng, 2) == 0)
		flags |= DLM_F_VALBLK;
	if (mode == DLM_NL && rng_below(&fx->rng, 2) == 0)
		flags = DLM_F_EXPEDITE;
	fx->floor = lvb[res].floor;
	fx->marked = must_mark(fx, node, res);
	(void)fx_lock(fx, node, 1 + rng_below(&fx->rng, CLIENTS), res, mode,
	    flags);
}

static void
convert(struct fx *fx, struct fx_lock *l)
{
	int mode = (int)rng_below(&fx->rng, 6);
	uint8_t b[DLM_LVB_MAX];
	uint32_t flags;

	flags = some_flags(fx,
	    DLM_F_NOQUEUE | DLM_F_NOQUEUEBAST | DLM_F_HEADQUE |
		DLM_F_CONVDEADLK | DLM_F_NODLCKWT);
	if (flags & DLM_F_NOQUEUE)
		flags &= ~(uint32_t)DLM_F_CONVDEADLK;
	if (rng_below(&fx->rng, 3) != 0)
		flags |= DLM_F_VALBLK;
	l->floor = lvb[l->res].floor;
	l->marked = must_mark(fx, l->node, l->res);
	l->wrote = 0;
	if ((flags & DLM_F_VALBLK) && dlm_lvb_act(l->held, mode) == LVB_WRITE)
		l->wrote = new_write(l->res);
	put_value(b, l->wrote);
	fx_convert(fx, l, mode, flags, b);
}

static void
unlock(struct fx *fx, struct fx_lock *l)
{
	uint8_t b[DLM_LVB_MAX];
	uint32_t flags = l->pending ? DLM_F_FORCEUNLOCK : 0;

	if (l->unlocking)
		return;
	/* What the conversion was writing may or may not get there. */
	l->wrote = 0;
	if (!l->pending && l->held >= DLM_PW && rng_below(&fx->rng, 2) == 0) {
		flags |= DLM_F_VALBLK;
		l->wrote = new_write(l->res);
	}
	put_value(b, l->wrote);
	fx_unlock(fx, l, flags, b);
}

static void
random_op(struct fx *fx)
{
	struct fx_lock *l = any_lock(fx);
	unsigned node = 1 + (unsigned)rng_below(&fx->rng, FX_NODES);

	switch (rng_below(&fx->rng, 8)) {
	case 0:
	case 1:
	case 2:
		/* No client is in before the node has heard of it. */
		if (fx->node[node].member &&
		    !TAILQ_EMPTY(&fx->node[node].d->spaces))
			new_lock(fx, node);
		break;
	case 3:
	case 4:
	case 5:
		if (l != NULL && !l->pending)
			convert(fx, l);
		break;
	case 6:
		if (l != NULL && (!l->pending || rng_below(&fx->rng, 4) == 0))
			unlock(fx, l);
		break;
	default:
		if (l != NULL && l->pending && !l->unlocking)
			fx_cancel(fx, l);
		break;
	}
}

static unsigned
nodes_up(const struct fx *fx)
{
	unsigned i, n = 0;

	for (i = 1; i <= FX_NODES; i++)
		n += fx->node[i].up;
	return n;
}

static void
random_nap(struct fx *fx)
{
	unsigned node = 1 + (unsigned)rng_below(&fx->rng, FX_NODES);

	if (rng_below(&fx->rng, 2) == 0)
		fx_freeze(fx, node, true);
	else
		fx_thaw(fx);
}

static void
random_change(struct fx *fx)
{
	unsigned node = 1 + (unsigned)rng_below(&fx->rng, FX_NODES);

	switch (rng_below(&fx->rng, 11)) {
	case 0:
	case 1:
		/* The number of a node that is not fenced is not back. */
		if (!fx->node[node].up && fx->fenced)
			fx_up(fx, node);
		else if (fx->node[node].up && !fx->node[node].member)
			fx_join(fx, node);
		break;
	case 2:
	case 3:
		if (fx->node[node].up && nodes_up(fx) > 1) {
			writers_die(fx, node);
			fx_kill(fx, node);
		}
		break;
	case 4:
		fx_recover(fx);
		break;
	case 5:
		if (fx->node[node].member) {
			writers_die(fx, node);
			fx_leave(fx, node);
		}
		break;
	case 6:
	case 7:
	case 8:
	case 9:
		random_nap(fx);
		break;
	default:
		if (fx->node[node].up)
			fx_client_gone(fx, node,
			    1 + rng_below(&fx->rng, CLIENTS));
		break;
	}
}

/* At rest: whoever still waits has somebody in the way, who was told. */
static void
check_rest(struct fx *fx)
{
	struct fx_lock *p, *h;
	unsigned i, j;
	bool blocked;

	for (i = 0; i < FX_LOCKS; i++) {
		p = &fx->locks[i];
		if (!p->used || !p->pending)
			continue;
		ATF_REQUIRE_MSG(!p->unlocking, "an unlock has no end");
		blocked = false;
		for (j = 0; j < FX_LOCKS; j++) {
			h = &fx->locks[j];
			if (!h->used || h == p || h->res != p->res)
				continue;
			if (h->pending) {
				blocked = true;
				continue;
			}
			if (dlm_compat(h->held, p->asked))
				continue;
			blocked = true;
			ATF_REQUIRE_MSG(!dlm_compat(h->held, h->told),
			    "res%u: node %u holds %s, node %u waits for %s, "
			    "and the holder was told %s",
			    h->res, h->node, dlm_mode_name(h->held), p->node,
			    dlm_mode_name(p->asked), dlm_mode_name(h->told));
		}
		ATF_REQUIRE_MSG(blocked,
		    "res%u: node %u waits for %s and nobody is in the way",
		    p->res, p->node, dlm_mode_name(p->asked));
	}
}

static void
settle(struct fx *fx)
{
	forget_values(fx);
	while (fx_step(fx)) {
		forget_values(fx);
		fx_check(fx);
	}
}

/* Everybody gives back what they hold until nothing is left. */
static void
wind_down(struct fx *fx)
{
	unsigned i, rounds;
	bool any = true;

	for (rounds = 0; any && rounds < 1000; rounds++) {
		any = false;
		for (i = 0; i < FX_LOCKS; i++) {
			if (!fx->locks[i].used || fx->locks[i].pending)
				continue;
			any = true;
			unlock(fx, &fx->locks[i]);
		}
		settle(fx);
	}
	/* Two that wait for each other are ended by hand. */
	for (i = 0; i < FX_LOCKS; i++)
		if (fx->locks[i].used)
			unlock(fx, &fx->locks[i]);
	settle(fx);
	ATF_REQUIRE_EQ(0, count_locks(fx));
	fx_require_empty(fx);
}

static void
life(uint64_t seed, unsigned length, unsigned changes,
    void (*change)(struct fx *))
{
	struct fx fx;
	unsigned i, k;

	memset(lvb, 0, sizeof(lvb));
	fx_init(&fx, 3);
	fx_seed(&fx, seed);
	fx.on_ast = on_ast;
	fx.trace = getenv("TRACE") != NULL;
	for (i = 0; i < length; i++) {
		if (changes != 0 && rng_below(&fx.rng, changes) == 0)
			change(&fx);
		else
			random_op(&fx);
		forget_values(&fx);
		for (k = (unsigned)rng_below(&fx.rng, 12); k > 0; k--) {
			if (!fx_step(&fx))
				break;
			forget_values(&fx);
			fx_check(&fx);
		}
		if (!fx.fenced && rng_below(&fx.rng, 20) == 0)
			fx_fence(&fx);
		if (i % 200 == 199) {
			fx_fence(&fx);
			fx_thaw(&fx);
			settle(&fx);
			/* The fence may have let a stage begin only now. */
			check_rest(&fx);
			forget_values(&fx);
		}
	}
	fx_fence(&fx);
	fx_thaw(&fx);
	settle(&fx);
	check_rest(&fx);
	wind_down(&fx);
	fx_free(&fx);
}

static uint64_t
env_number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s == NULL ? otherwise : strtoull(s, NULL, 10);
}

static void
lives(unsigned changes, uint64_t count, void (*change)(struct fx *))
{
	uint64_t seed = env_number("SEED", 0), n = env_number("COUNT", count);

	for (; n > 0; n--, seed++) {
		fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		life(seed, 600, changes, change);
	}
}

ATF_TC_WITHOUT_HEAD(calm);
ATF_TC_BODY(calm, tc)
{
	lives(0, 60, NULL);
}

ATF_TC_WITHOUT_HEAD(changes);
ATF_TC_BODY(changes, tc)
{
	lives(30, 60, random_change);
}

ATF_TC_WITHOUT_HEAD(naps);
ATF_TC_BODY(naps, tc)
{
	lives(5, 60, random_nap);
}

ATF_TC_WITHOUT_HEAD(storm);
ATF_TC_BODY(storm, tc)
{
	lives(5, 60, random_change);
}

/*
 * Thousands of resources lose their master, and come back in steps and in
 * batches of bounded size; a client that held thousands goes the same way.
 */
#define MANY 7000

ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	struct dlm_stats st[4];
	unsigned long calls = 0;
	unsigned i;
	struct fx fx;

	fx_init(&fx, 3);
	fx.bulk = true;
	fx_bulk(&fx, 3, 1, MANY, DLM_PR);
	fx_drain(&fx);
	fx_bulk(&fx, 1, 1, MANY, DLM_PR);
	fx_bulk(&fx, 2, 1, MANY, DLM_PR);
	fx_drain(&fx);
	ATF_REQUIRE_EQ(3 * MANY, fx.bulk_asts);
	dlm_get_stats(fx.node[3].d, 1, &st[3]);
	ATF_REQUIRE_EQ(MANY, st[3].mastered);

	fx.most = 0;
	fx_kill(&fx, 3);
	fx_fence(&fx);
	while (fx_step(&fx))
		calls++;
	fx_check(&fx);
	dlm_get_stats(fx.node[1].d, 1, &st[1]);
	dlm_get_stats(fx.node[2].d, 1, &st[2]);
	ATF_CHECK_EQ(MANY, st[1].mastered + st[2].mastered);
	ATF_CHECK(st[1].mastered > MANY / 3 && st[2].mastered > MANY / 3);
	ATF_CHECK_EQ(MANY, st[1].locks);
	ATF_CHECK_EQ(MANY, st[2].locks);
	ATF_CHECK_MSG(fx.longest <= DLM_BATCH + 256, "a message of %zu bytes",
	    fx.longest);
	ATF_CHECK_MSG(fx.most <= DLM_STEP * 128, "%zu bytes in one step",
	    fx.most);
	/* Four walks over what each of two nodes has. */
	ATF_CHECK_MSG(calls >= 2 * 4 * (MANY / DLM_STEP), "%lu calls", calls);

	/* Nothing of it stays when the clients go. */
	for (i = 1; i <= 2; i++)
		fx_client_gone(&fx, i, 1);
	ATF_CHECK(dlm_deadline(fx.node[1].d) != UINT64_MAX);
	fx_drain(&fx);
	fx_require_empty(&fx);
	fx_free(&fx);
}

/*
 * A master does what it is asked, and its answers are lost in a recovery.  By
 * then it has forgotten the resource, and the holder asks for all of it again:
 * a request that was cancelled, the unlock of a granted lock, and that of one
 * that waited.  Where names are kept decides in which order it learns what.
 */
static void
forgotten(unsigned res)
{
	struct fx_lock *first, *w, *x, *y;
	struct fx fx;

	fx_init(&fx, 3);
	first = fx_lock(&fx, 1, 9, res, DLM_NL, 0);
	fx_drain(&fx);
	x = fx_lock(&fx, 3, 1, res, DLM_EX, 0);
	fx_drain(&fx);
	y = fx_lock(&fx, 3, 2, res, DLM_PR, 0);
	w = fx_lock(&fx, 3, 3, res, DLM_PR, 0);
	fx_drain(&fx);
	fx_unlock(&fx, first, 0, NULL);
	fx_drain(&fx);
	ATF_REQUIRE(x->asts == 1 && x->status == 0 && y->asts == 0);
	x->asts = 0;
	fx_cancel(&fx, y);
	fx_unlock(&fx, x, 0, NULL);
	fx_unlock(&fx, w, DLM_F_FORCEUNLOCK, NULL);
	/* The lower node is served first: its answers are still on the way. */
	while (!STAILQ_EMPTY(&fx.net[3][1]))
		ATF_REQUIRE(fx_step(&fx));
	ATF_REQUIRE(x->asts == 0 && y->asts == 0 && w->asts == 0);
	fx_recover(&fx);
	fx_drain(&fx);
	ATF_CHECK(x->asts == 1 && x->unlocked);
	ATF_CHECK(w->asts == 1 && w->unlocked);
	ATF_CHECK_MSG(y->asts == 1 && y->status == ECANCELED,
	    "res%u: the request that was cancelled has %u ends", res, y->asts);
	fx_require_empty(&fx);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(answers_lost);
ATF_TC_BODY(answers_lost, tc)
{
	unsigned res;

	for (res = 0; res < 20; res++)
		forgotten(res);
}

/*
 * Node 2 masters a resource and gives it up when node 3 unlocks its last lock,
 * node 1 becomes its master, and node 2 dies before its answer to node 3 has
 * come.  Node 3 must not make a second master of itself, even if it is the
 * name's directory node from now on.
 */
static bool
given_up(unsigned res)
{
	struct fx_lock *first, *x, *y, *z;
	struct fx fx;
	bool late;

	fx_init(&fx, 3);
	first = fx_lock(&fx, 2, 9, res, DLM_NL, 0);
	fx_drain(&fx);
	x = fx_lock(&fx, 3, 1, res, DLM_EX, 0);
	fx_drain(&fx);
	fx_unlock(&fx, first, 0, NULL);
	fx_drain(&fx);
	ATF_REQUIRE(x->asts == 1 && x->status == 0);
	x->asts = 0;
	fx_unlock(&fx, x, 0, NULL);
	while (!STAILQ_EMPTY(&fx.net[3][2]))
		ATF_REQUIRE(fx_step(&fx));
	y = fx_lock(&fx, 1, 2, res, DLM_EX, 0);
	while (y->asts == 0)
		ATF_REQUIRE(fx_step(&fx));
	/* Where names are kept decides whether node 3 has heard. */
	late = x->asts == 0;
	fx_kill(&fx, 2);
	fx_fence(&fx);
	fx_drain(&fx);
	ATF_CHECK(x->asts == 1 && x->unlocked);
	z = fx_lock(&fx, 3, 3, res, DLM_PR, DLM_F_NOQUEUE);
	fx_drain(&fx);
	ATF_CHECK_MSG(z->asts == 1 && z->status == EAGAIN,
	    "res%u: granted by a second master", res);
	fx_free(&fx);
	return late;
}

ATF_TC_WITHOUT_HEAD(one_master);
ATF_TC_BODY(one_master, tc)
{
	unsigned res, late = 0;

	for (res = 0; res < 40; res++)
		late += given_up(res);
	ATF_CHECK(late > 10);
}

/*
 * Node 2 waits for what its lookup finds, and is without its lease for a
 * moment.  If it asked again, it would be told twice that it is the master, the
 * second time when it has given up the resource and node 1 masters it.
 */
static bool
told_twice(unsigned res)
{
	struct fx_lock *x, *y, *z;
	struct fx fx;

	fx_init(&fx, 2);
	x = fx_lock(&fx, 2, 1, res, DLM_EX, 0);
	/* Where names are kept decides whether it has to ask. */
	if (STAILQ_EMPTY(&fx.net[2][1])) {
		fx_free(&fx);
		return false;
	}
	fx_freeze(&fx, 2, true);
	fx_give(&fx, 2, FX_EVENT);
	fx_freeze(&fx, 2, false);
	fx_give(&fx, 2, FX_EVENT);
	while (dlm_deadline(fx.node[2].d) != UINT64_MAX)
		fx_give(&fx, 2, FX_TIMER);
	while (!STAILQ_EMPTY(&fx.net[2][1]))
		fx_give(&fx, 1, 2);
	while (x->asts == 0)
		fx_give(&fx, 2, 1);
	ATF_REQUIRE(x->asts == 1 && x->status == 0);
	fx_unlock(&fx, x, 0, NULL);
	while (!STAILQ_EMPTY(&fx.net[2][1]))
		fx_give(&fx, 1, 2);
	y = fx_lock(&fx, 1, 2, res, DLM_EX, 0);
	z = fx_lock(&fx, 2, 3, res, DLM_EX, DLM_F_NOQUEUE);
	fx_drain(&fx);
	ATF_CHECK(y->asts == 1 && y->status == 0);
	ATF_CHECK_MSG(z->asts == 1 && z->status == EAGAIN,
	    "res%u: granted by a second master", res);
	fx_free(&fx);
	return true;
}

ATF_TC_WITHOUT_HEAD(asked_once);
ATF_TC_BODY(asked_once, tc)
{
	unsigned res, asked = 0;

	for (res = 0; res < 40; res++)
		asked += told_twice(res);
	ATF_CHECK(asked > 10);
}

/*
 * The first write ever of a value block is under way when its writer dies,
 * and no master has heard of it: nobody may take the zeros for valid.
 */
static void
first_write_lost(unsigned writer, unsigned master)
{
	struct fx_lock *keeper, *x, *reader;
	uint8_t value[DLM_LVB_MAX] = { 1 };
	struct fx fx;

	fx_init(&fx, 4);
	keeper = fx_lock(&fx, master, 9, 0, DLM_NL, 0);
	fx_drain(&fx);
	x = fx_lock(&fx, writer, 1, 0, DLM_PW, 0);
	fx_drain(&fx);
	ATF_REQUIRE(keeper->status == 0 && x->status == 0 && x->asts == 1);
	fx_kill(&fx, 4);
	fx_drain(&fx);
	fx_convert(&fx, x, DLM_PR, DLM_F_VALBLK, value);
	fx_client_gone(&fx, writer, 1);
	fx_fence(&fx);
	fx_drain(&fx);
	reader = fx_lock(&fx, 2, 2, 0, DLM_PR, DLM_F_VALBLK);
	fx_drain(&fx);
	ATF_REQUIRE(reader->asts == 1 && reader->status == 0);
	ATF_CHECK_MSG(reader->haslvb &&
		(reader->sbflags & DLM_SBF_VALNOTVALID) != 0,
	    "writer %u, master %u: flags %#x", writer, master, reader->sbflags);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(first_write);
ATF_TC_BODY(first_write, tc)
{
	first_write_lost(1, 1);
	first_write_lost(1, 3);
}

/*
 * Node 2 waits at node 1 for a lock and does not know it, because the answer
 * was lost in a recovery.  It looks its master up again, and before that has
 * come through the directory of node 3, the lock is granted.  If node 2 heard
 * of it now and gave the lock back, the lookup would make it anew.
 */
static void
overtaken(unsigned res, bool leaves)
{
	struct fx_lock *first, *keeper, *x;
	struct fx fx;

	fx_init(&fx, 3);
	keeper = fx_lock(&fx, 1, 8, res, DLM_NL, 0);
	fx_drain(&fx);
	first = fx_lock(&fx, 1, 9, res, DLM_EX, 0);
	x = fx_lock(&fx, 2, 1, res, DLM_EX, 0);
	while (STAILQ_EMPTY(&fx.net[1][2]))
		ATF_REQUIRE(fx_step(&fx));
	fx_recover(&fx);
	if (leaves)
		fx_unlock(&fx, x, DLM_F_FORCEUNLOCK, NULL);
	/* The higher node is served last: the lookup stays on the way. */
	while (fx.stage != LSS_RUN || STAILQ_EMPTY(&fx.net[2][3]))
		ATF_REQUIRE(fx_step(&fx));
	fx_unlock(&fx, first, 0, NULL);
	while (x->asts == 0)
		ATF_REQUIRE(fx_step(&fx));
	ATF_CHECK_EQ(0, x->status);
	if (!leaves)
		fx_unlock(&fx, x, 0, NULL);
	fx_drain(&fx);
	ATF_CHECK(!x->used);
	/* Nothing else keeps the resource. */
	fx_unlock(&fx, keeper, 0, NULL);
	fx_drain(&fx);
	fx_require_empty(&fx);
	fx_free(&fx);
}

/* Has node 3 of three this name in its directory? */
static bool
kept_by_last(unsigned res)
{
	const struct dlm_ls *ls;
	char name[16];
	struct fx fx;
	bool kept;

	fx_init(&fx, 3);
	fx_name(res, name);
	ls = TAILQ_FIRST(&fx.node[1].d->spaces);
	kept =
	    dlm_dirnode(ls,
		dlm_hash(ls->lsid, (const uint8_t *)name, strlen(name))) == 3;
	fx_free(&fx);
	return kept;
}

ATF_TC_WITHOUT_HEAD(lookup_overtaken);
ATF_TC_BODY(lookup_overtaken, tc)
{
	unsigned res = 0;

	while (!kept_by_last(res))
		res++;
	overtaken(res, false);
	overtaken(res, true);
}

/*
 * Two masters die while a lock converts from CW to PR.  The first recovery
 * leaves it CR; its client must still learn that after the second.
 */
static void
weakened(unsigned res)
{
	struct fx_lock *first, *other, *x;
	struct fx fx;

	fx_init(&fx, 4);
	first = fx_lock(&fx, 4, 9, res, DLM_NL, 0);
	fx_drain(&fx);
	other = fx_lock(&fx, 2, 2, res, DLM_CW, 0);
	x = fx_lock(&fx, 1, 1, res, DLM_CW, 0);
	fx_drain(&fx);
	ATF_REQUIRE(first->asts == 1 && other->asts == 1 && x->asts == 1);
	fx_convert(&fx, x, DLM_PR, 0, NULL);
	fx_drain(&fx);
	fx_kill(&fx, 4);
	fx_fence(&fx);
	fx_drain(&fx);
	fx_kill(&fx, 3);
	fx_fence(&fx);
	fx_drain(&fx);
	ATF_REQUIRE_EQ(1, x->asts);
	fx_cancel(&fx, x);
	fx_drain(&fx);
	ATF_CHECK(x->asts == 2 && x->status == ECANCELED);
	ATF_CHECK(x->mode == DLM_CR);
	ATF_CHECK_MSG((x->sbflags & DLM_SBF_DEMOTED) != 0,
	    "res%u: nobody told the client", res);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(weakened_twice);
ATF_TC_BODY(weakened_twice, tc)
{
	unsigned res;

	for (res = 0; res < 20; res++)
		weakened(res);
}

/*
 * A lookup was sent again, and its copy reaches the master when the operation
 * has ended.  The lock that it makes is nobody's, and is given back.
 */
static void
copied(unsigned res, bool granted)
{
	struct fx_lock *first, *keeper, *x;
	struct fx_msg *m, *copy;
	struct fx fx;

	fx_init(&fx, 3);
	keeper = fx_lock(&fx, 1, 8, res, DLM_NL, 0);
	first = fx_lock(&fx, 1, 9, res, DLM_EX, 0);
	fx_drain(&fx);
	x = fx_lock(&fx, 2, 1, res, DLM_EX, 0);
	while (STAILQ_EMPTY(&fx.net[3][1]))
		ATF_REQUIRE(fx_step(&fx));
	m = STAILQ_FIRST(&fx.net[3][1]);
	copy = malloc(sizeof(*m) + m->len);
	ATF_REQUIRE(copy != NULL);
	memcpy(copy, m, sizeof(*m) + m->len);
	fx_drain(&fx);
	fx_cancel(&fx, x);
	fx_drain(&fx);
	ATF_REQUIRE(!x->used);
	if (granted)
		fx_unlock(&fx, first, 0, NULL);
	fx_drain(&fx);
	STAILQ_INSERT_TAIL(&fx.net[3][1], copy, entry);
	fx_drain(&fx);
	if (!granted)
		fx_unlock(&fx, first, 0, NULL);
	fx_unlock(&fx, keeper, 0, NULL);
	fx_drain(&fx);
	fx_require_empty(&fx);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(lookup_copied);
ATF_TC_BODY(lookup_copied, tc)
{
	unsigned res = 0;

	while (!kept_by_last(res))
		res++;
	copied(res, false);
	copied(res, true);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, calm);
	ATF_TP_ADD_TC(tp, changes);
	ATF_TP_ADD_TC(tp, naps);
	ATF_TP_ADD_TC(tp, storm);
	ATF_TP_ADD_TC(tp, many);
	ATF_TP_ADD_TC(tp, answers_lost);
	ATF_TP_ADD_TC(tp, one_master);
	ATF_TP_ADD_TC(tp, asked_once);
	ATF_TP_ADD_TC(tp, first_write);
	ATF_TP_ADD_TC(tp, lookup_overtaken);
	ATF_TP_ADD_TC(tp, lookup_copied);
	ATF_TP_ADD_TC(tp, weakened_twice);
	return atf_no_error();
}
