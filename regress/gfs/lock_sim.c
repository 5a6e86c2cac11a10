/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One master holds every resource.  Each node has two channels, to the master
 * and from it; a channel keeps its order, channels overtake each other.  A
 * fiber, the pump, delivers one message after the other.  While a recovery
 * runs the master keeps requests waiting on their channels.
 *
 * The lock tables (grant, convert, wait; down-conversions at once; EDEADLK
 * for two conversions that exclude each other) follow the rules that every
 * VMS-style lock manager shares.
 */

#include <errno.h>
#include <stdio.h>

#include "lock_sim.h"

enum {
	NODES_MAX = 8
};

enum kind {
	K_LOCK,
	K_UNLOCK, /* to the master */
	K_AST,
	K_BAST,
	K_UNLOCKED,
	K_PREP,
	K_SLOT,
	K_DONE /* from it */
};

struct msg {
	TAILQ_ENTRY(msg) entry;
	enum kind kind;
	uint64_t at;
	struct lm_lock *lock;
	enum lm_mode mode;
	unsigned flags; /* LM_*, of a request; results of an answer */
	int error;
	unsigned slot;
	uint32_t generation;
	bool gone; /* a new lock that was refused */
	bool lvb_valid;
	uint8_t lvb[LM_LVB_LEN];
};
TAILQ_HEAD(msgq, msg);

enum queue {
	Q_NONE = 0,
	Q_GRANT,
	Q_CONVERT,
	Q_WAIT
};

/* A node's lock at the master. */
struct slock {
	TAILQ_ENTRY(slock) entry;
	struct res *res;
	struct lm *node;
	struct lm_lock *lock;
	enum queue queue;
	enum lm_mode granted, wanted;
	unsigned flags;
	unsigned basts; /* modes it was told since the grant */
};
TAILQ_HEAD(slockq, slock);

struct res {
	RB_ENTRY(res) entry;
	char name[LM_NAME_LEN];
	struct slockq q[Q_WAIT + 1];
	uint8_t lvb[LM_LVB_LEN];
	bool lvb_lost;
};

/* A member. */
struct lm {
	LIST_ENTRY(lm) entry;
	struct simlm *s;
	unsigned node, slot;
	const struct lm_up *up;
	void *arg;
	bool dead;
	struct msgq in, out; /* to the node, to the master */
	uint64_t last_in, last_out;
};

struct simlm {
	struct env *env;
	uint64_t seed;
	unsigned max_us;
	LIST_HEAD(, lm) members, corpses;
	RB_HEAD(res_tree, res) res;
	struct waitq wq;
	uint32_t generation;
	unsigned recovering; /* recoveries announced and not done */
	bool stop, running;
	uint64_t messages;
	unsigned (*choose)(void *, unsigned);
	void *choose_arg;
};

/* Rows: held; columns: wanted. NL CR CW PR PW EX */
static const bool compat[6][6] = {
	{ 1, 1, 1, 1, 1, 1 },
	{ 1, 1, 1, 1, 1, 0 },
	{ 1, 1, 1, 0, 0, 0 },
	{ 1, 1, 0, 1, 0, 0 },
	{ 1, 1, 0, 0, 0, 0 },
	{ 1, 0, 0, 0, 0, 0 },
};

static uint64_t
rnd(struct simlm *s)
{
	uint64_t z = s->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static struct msg *
msg_new(enum kind kind, struct lm_lock *lock)
{
	struct msg *m = calloc(1, sizeof(*m));

	ASSERT(m != NULL);
	m->kind = kind;
	m->lock = lock;
	return m;
}

static void
post(struct lm *n, bool in, struct msg *m)
{
	struct simlm *s = n->s;
	uint64_t *last = in ? &n->last_in : &n->last_out;

	if (n->dead) {
		free(m);
		return;
	}
	m->at = env_now(s->env) + 1 + (s->max_us ? rnd(s) % s->max_us : 0);
	m->at = MAX(m->at, *last);
	*last = m->at;
	if (in)
		TAILQ_INSERT_TAIL(&n->in, m, entry);
	else
		TAILQ_INSERT_TAIL(&n->out, m, entry);
	env_wake_all(s->env, &s->wq);
}

static int
res_cmp(const struct res *a, const struct res *b)
{
	return memcmp(a->name, b->name, LM_NAME_LEN);
}

RB_GENERATE_INTERNAL(res_tree, res, entry, res_cmp, UNUSED static)

static struct res *
res_get(struct simlm *s, const char *name)
{
	struct res key, *r;

	memcpy(key.name, name, LM_NAME_LEN);
	r = RB_FIND(res_tree, &s->res, &key);
	if (r != NULL)
		return r;
	r = calloc(1, sizeof(*r));
	ASSERT(r != NULL);
	memcpy(r->name, name, LM_NAME_LEN);
	for (unsigned i = 0; i < NITEMS(r->q); i++)
		TAILQ_INIT(&r->q[i]);
	RB_INSERT(res_tree, &s->res, r);
	return r;
}

/* The last lock takes the value block with it. */
static void
res_drop(struct simlm *s, struct res *r)
{
	for (enum queue q = Q_GRANT; q <= Q_WAIT; q++)
		if (!TAILQ_EMPTY(&r->q[q]))
			return;
	RB_REMOVE(res_tree, &s->res, r);
	free(r);
}

static void
requeue(struct slock *k, enum queue q)
{
	if (k->queue != Q_NONE)
		TAILQ_REMOVE(&k->res->q[k->queue], k, entry);
	k->queue = q;
	if (q != Q_NONE)
		TAILQ_INSERT_TAIL(&k->res->q[q], k, entry);
}

static void
slock_free(struct slock *k)
{
	requeue(k, Q_NONE);
	free(k);
}

static void
answer(struct slock *k, int error, unsigned sbflags, bool gone)
{
	struct msg *m = msg_new(K_AST, k->lock);

	m->error = error;
	m->gone = gone;
	m->mode = k->granted;
	m->flags = sbflags;
	if (error == 0 && (k->flags & LM_VALBLK)) {
		m->lvb_valid = true;
		memcpy(m->lvb, k->res->lvb, LM_LVB_LEN);
		if (k->res->lvb_lost)
			m->flags |= LM_VALNOTVALID;
	}
	post(k->node, true, m);
}

/* Against what others hold; a conversion does not collide with itself. */
static bool
fits(const struct slock *k, enum lm_mode mode)
{
	const struct slock *o;

	TAILQ_FOREACH(o, &k->res->q[Q_GRANT], entry)
		if (o != k && !compat[o->granted][mode])
			return false;
	TAILQ_FOREACH(o, &k->res->q[Q_CONVERT], entry)
		if (o != k && !compat[o->granted][mode])
			return false;
	return true;
}

static void
grant(struct slock *k, enum lm_mode mode, unsigned sbflags)
{
	k->granted = mode;
	k->wanted = mode;
	k->basts = 0;
	requeue(k, Q_GRANT);
	answer(k, 0, sbflags, false);
}

static bool
try_grant(struct slock *k)
{
	if (fits(k, k->wanted)) {
		grant(k, k->wanted, 0);
		return true;
	}
	if ((k->flags & LM_ALTCW) && fits(k, LM_CW)) {
		grant(k, LM_CW, LM_ALTMODE);
		return true;
	}
	if ((k->flags & LM_ALTPR) && fits(k, LM_PR)) {
		grant(k, LM_PR, LM_ALTMODE);
		return true;
	}
	return false;
}

/* Tells those who stand in the way, once per mode. */
static void
bast_for(const struct slock *k)
{
	struct slock *o;

	for (enum queue q = Q_GRANT; q <= Q_CONVERT; q++)
		TAILQ_FOREACH(o, &k->res->q[q], entry) {
			struct msg *m;

			if (o == k || compat[o->granted][k->wanted] ||
			    (o->basts & 1u << k->wanted))
				continue;
			o->basts |= 1u << k->wanted;
			m = msg_new(K_BAST, o->lock);
			m->mode = k->wanted;
			post(o->node, true, m);
		}
}

/* The convert queue goes first, each queue in its order. */
static void
grant_pending(struct res *r)
{
	struct slock *k, *next;
	bool blocked = false;

	TAILQ_FOREACH_SAFE(k, &r->q[Q_CONVERT], entry, next)
		if (!try_grant(k))
			blocked = true;
	TAILQ_FOREACH_SAFE(k, &r->q[Q_WAIT], entry, next) {
		if (blocked)
			break;
		blocked = !try_grant(k);
	}
	TAILQ_FOREACH(k, &r->q[Q_CONVERT], entry)
		bast_for(k);
	TAILQ_FOREACH(k, &r->q[Q_WAIT], entry)
		bast_for(k);
}

static bool
convert_deadlock(const struct slock *k)
{
	const struct slock *o;

	TAILQ_FOREACH(o, &k->res->q[Q_CONVERT], entry)
		if (o != k && !compat[o->granted][k->wanted] &&
		    !compat[k->granted][o->wanted])
			return true;
	return false;
}

static struct slock *
slock_find(struct res *r, const struct lm *n)
{
	struct slock *k;

	for (enum queue q = Q_GRANT; q <= Q_WAIT; q++)
		TAILQ_FOREACH(k, &r->q[q], entry)
			if (k->node == n)
				return k;
	return NULL;
}

static void
lvb_store(struct slock *k, const struct msg *m)
{
	if ((m->flags & LM_VALBLK) == 0 || k->granted < LM_PW)
		return;
	memcpy(k->res->lvb, m->lvb, LM_LVB_LEN);
	k->res->lvb_lost = false;
}

static void
master_lock(struct lm *n, const struct msg *m)
{
	struct res *r = res_get(n->s, m->lock->name);
	struct slock *k = slock_find(r, n);
	bool fresh = k == NULL;

	if (fresh) {
		k = calloc(1, sizeof(*k));
		ASSERT(k != NULL);
		k->res = r;
		k->node = n;
		k->lock = m->lock;
	}
	ASSERT(fresh || k->queue == Q_GRANT);
	k->wanted = m->mode;
	k->flags = m->flags;
	/* Weaker (or the same) never waits, and writes the value block. */
	if (!fresh &&
	    (m->mode <= k->granted &&
		!(m->mode == LM_CW && k->granted == LM_PR))) {
		lvb_store(k, m);
		grant(k, m->mode, 0);
		grant_pending(r);
		return;
	}
	requeue(k, fresh ? Q_WAIT : Q_CONVERT);
	if ((fresh ? TAILQ_FIRST(&r->q[Q_CONVERT]) == NULL &&
			TAILQ_FIRST(&r->q[Q_WAIT]) == k :
		     true) &&
	    try_grant(k))
		return;
	if (m->flags & LM_NOQUEUE) {
		if (m->flags & LM_NOQUEUEBAST)
			bast_for(k);
		k->flags = 0;
		answer(k, EAGAIN, 0, fresh);
		if (!fresh) {
			requeue(k, Q_GRANT);
			return;
		}
		slock_free(k);
		res_drop(n->s, r);
		return;
	}
	if (!fresh && convert_deadlock(k)) {
		requeue(k, Q_GRANT);
		k->flags = 0;
		answer(k, EDEADLK, 0, false);
		return;
	}
	bast_for(k);
}

static void
master_unlock(struct lm *n, const struct msg *m)
{
	struct res *r = res_get(n->s, m->lock->name);
	struct slock *k = slock_find(r, n);

	ASSERT(k != NULL);
	lvb_store(k, m);
	post(n, true, msg_new(K_UNLOCKED, k->lock));
	slock_free(k);
	grant_pending(r);
	res_drop(n->s, r);
}

/* Every lock of a node that left (lost: died). */
static void
purge(struct simlm *s, const struct lm *n, bool lost)
{
	struct res *r, *next;
	struct slock *k;

	RB_FOREACH_SAFE(r, res_tree, &s->res, next) {
		while ((k = slock_find(r, n)) != NULL) {
			if (lost && k->granted >= LM_PW)
				r->lvb_lost = true;
			slock_free(k);
		}
		grant_pending(r);
		res_drop(s, r);
	}
}

static void
tell_done(struct simlm *s, uint32_t generation)
{
	struct lm *n;

	LIST_FOREACH(n, &s->members, entry) {
		struct msg *m = msg_new(K_DONE, NULL);

		m->slot = n->slot;
		m->generation = generation;
		post(n, true, m);
	}
}

static void
tell(struct simlm *s, enum kind kind, unsigned slot)
{
	struct lm *n;

	LIST_FOREACH(n, &s->members, entry) {
		struct msg *m = msg_new(kind, NULL);

		m->slot = slot;
		post(n, true, m);
	}
}

static void
deliver(struct lm *n, struct msg *m)
{
	const struct lm_up *up = n->up;

	n->s->messages++;
	switch (m->kind) {
	case K_LOCK:
		master_lock(n, m);
		break;
	case K_UNLOCK:
		master_unlock(n, m);
		break;
	case K_AST:
		m->lock->mode = m->mode;
		m->lock->sbflags = m->flags;
		if (m->lvb_valid)
			memcpy(m->lock->lvb, m->lvb, LM_LVB_LEN);
		if (m->gone)
			m->lock->exists = false;
		up->ast(n->arg, m->lock, m->error);
		break;
	case K_BAST:
		up->bast(n->arg, m->lock, m->mode);
		break;
	case K_UNLOCKED:
		m->lock->exists = false;
		up->unlocked(n->arg, m->lock);
		break;
	case K_PREP:
		up->recover_prep(n->arg);
		break;
	case K_SLOT:
		up->recover_slot(n->arg, m->slot);
		break;
	case K_DONE:
		up->recover_done(n->arg, m->slot, m->generation);
		break;
	}
}

/* The channel to serve next, or NULL; requests wait out a recovery. */
static struct msgq *
pick(struct simlm *s, struct lm **from)
{
	struct {
		struct msgq *q;
		struct lm *n;
	} ready[2 * NODES_MAX];
	unsigned n = 0, best = 0;
	struct lm *l;

	LIST_FOREACH(l, &s->members, entry) {
		if (!TAILQ_EMPTY(&l->in)) {
			ready[n].q = &l->in;
			ready[n++].n = l;
		}
		if (!TAILQ_EMPTY(&l->out) && s->recovering == 0) {
			ready[n].q = &l->out;
			ready[n++].n = l;
		}
	}
	if (n == 0)
		return NULL;
	for (unsigned i = 1; i < n; i++)
		if (TAILQ_FIRST(ready[i].q)->at <
		    TAILQ_FIRST(ready[best].q)->at)
			best = i;
	if (s->choose != NULL)
		best = s->choose(s->choose_arg, n);
	*from = ready[best].n;
	return ready[best].q;
}

static void
pump(void *arg)
{
	struct simlm *s = arg;
	struct msgq *q;
	struct msg *m;
	struct lm *n;

	while (!s->stop) {
		/* Everybody runs until he waits before the next message. */
		env_sleep(s->env, 1);
		q = pick(s, &n);
		if (q == NULL) {
			if (!s->stop)
				env_wait(s->env, &s->wq, UINT64_MAX);
			continue;
		}
		m = TAILQ_FIRST(q);
		if (s->choose == NULL && m->at > env_now(s->env)) {
			env_wait(s->env, &s->wq, m->at);
			continue;
		}
		TAILQ_REMOVE(q, m, entry);
		deliver(n, m);
		free(m);
	}
	s->running = false;
	env_wake_all(s->env, &s->wq);
}

struct simlm *
simlm_new(struct env *env, uint64_t seed, unsigned max_us)
{
	struct simlm *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	s->env = env;
	s->seed = seed;
	s->max_us = max_us;
	LIST_INIT(&s->members);
	LIST_INIT(&s->corpses);
	RB_INIT(&s->res);
	waitq_init(&s->wq);
	s->running = true;
	ASSERT(env_spawn(env, pump, s, "lock_sim") != NULL);
	return s;
}

static void
msgq_clear(struct msgq *q)
{
	struct msg *m;

	while ((m = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, m, entry);
		free(m);
	}
}

void
simlm_free(struct simlm *s)
{
	struct lm *n;

	s->stop = true;
	env_wake_all(s->env, &s->wq);
	while (s->running)
		env_wait(s->env, &s->wq, UINT64_MAX);
	ASSERT(LIST_EMPTY(&s->members));
	while ((n = LIST_FIRST(&s->corpses)) != NULL) {
		LIST_REMOVE(n, entry);
		free(n);
	}
	/* Members purge their locks, so nothing is left. */
	ASSERT(RB_EMPTY(&s->res));
	free(s);
}

void
simlm_set_chooser(struct simlm *s, unsigned (*fn)(void *, unsigned), void *arg)
{
	s->choose = fn;
	s->choose_arg = arg;
}

uint64_t
simlm_messages(const struct simlm *s)
{
	return s->messages;
}

bool
simlm_busy(const struct simlm *s)
{
	return s->recovering != 0;
}

unsigned
simlm_slot(const struct simlm *s, unsigned node)
{
	const struct lm *n;

	LIST_FOREACH(n, &s->members, entry)
		if (n->node == node && !n->dead)
			return n->slot;
	return 0;
}

struct death {
	struct simlm *s;
	struct lm *n;
	unsigned slot;
};

/* What the members of a real cluster agree on after a fence. */
static void
recovery(void *arg)
{
	struct death *d = arg;
	struct simlm *s = d->s;
	unsigned max = s->max_us + 1;

	env_sleep(s->env, 1 + rnd(s) % (4 * max));
	tell(s, K_PREP, 0);
	env_sleep(s->env, 1 + rnd(s) % (8 * max));
	tell(s, K_SLOT, d->slot);
	purge(s, d->n, true);
	tell_done(s, ++s->generation);
	s->recovering--;
	env_wake_all(s->env, &s->wq);
	free(d);
}

void
simlm_kill(struct simlm *s, unsigned node)
{
	struct lm *n;
	struct death *d;

	LIST_FOREACH(n, &s->members, entry)
		if (n->node == node)
			break;
	ASSERT(n != NULL && !n->dead);
	n->dead = true;
	LIST_REMOVE(n, entry);
	LIST_INSERT_HEAD(&s->corpses, n, entry);
	msgq_clear(&n->in);
	msgq_clear(&n->out);
	d = calloc(1, sizeof(*d));
	ASSERT(d != NULL);
	d->s = s;
	d->n = n;
	d->slot = n->slot;
	/* Nothing is granted past the dead node's locks from here on. */
	s->recovering++;
	ASSERT(env_spawn(s->env, recovery, d, "recovery") != NULL);
}

static int
sim_mount(struct lm **out, const char *table, const struct lm_up *up, void *arg,
    void *opts, char *why, size_t whylen)
{
	struct simlm_opts *o = opts;
	struct simlm *s = o->cluster;
	struct lm *n, *other;
	unsigned slot = 1;

	LIST_FOREACH(n, &s->members, entry)
		ASSERT(n->node != o->node);
	n = calloc(1, sizeof(*n));
	ASSERT(n != NULL);
	/* A dead node's slot is reused only after its recovery. */
	while (s->recovering > 0)
		env_sleep(s->env, 1000);
again:
	LIST_FOREACH(other, &s->members, entry)
		if (other->slot == slot) {
			slot++;
			goto again;
		}
	ASSERT(slot <= NODES_MAX);
	n->s = s;
	n->node = o->node;
	n->slot = slot;
	n->up = up;
	n->arg = arg;
	TAILQ_INIT(&n->in);
	TAILQ_INIT(&n->out);
	/* Some managers stop for a join, some do not. */
	if (rnd(s) % 2)
		tell(s, K_PREP, 0);
	LIST_INSERT_HEAD(&s->members, n, entry);
	*out = n;
	tell_done(s, ++s->generation);
	return 0;
}

static void
sim_unmount(struct lm *n)
{
	struct simlm *s = n->s;

	if (n->dead)
		return; /* a corpse stays until simlm_free() */
	LIST_REMOVE(n, entry);
	msgq_clear(&n->in);
	msgq_clear(&n->out);
	purge(s, n, false);
	tell_done(s, ++s->generation);
	free(n);
}

static int
sim_lock(struct lm *n, struct lm_lock *l, enum lm_mode mode, unsigned flags)
{
	struct msg *m = msg_new(K_LOCK, l);

	m->mode = mode;
	m->flags = flags;
	memcpy(m->lvb, l->lvb, LM_LVB_LEN);
	l->exists = true;
	l->sbflags = 0;
	post(n, false, m);
	return 0;
}

static int
sim_unlock(struct lm *n, struct lm_lock *l, unsigned flags)
{
	struct msg *m = msg_new(K_UNLOCK, l);

	m->flags = flags;
	memcpy(m->lvb, l->lvb, LM_LVB_LEN);
	post(n, false, m);
	return 0;
}

static int
sim_cancel(struct lm *n, struct lm_lock *l)
{
	return ENOENT;
}

static bool
sim_clustered(struct lm *n)
{
	return true;
}

const struct lm_ops lm_sim = {
	.name = "lock_sim",
	.mount = sim_mount,
	.unmount = sim_unmount,
	.lock = sim_lock,
	.unlock = sim_unlock,
	.cancel = sim_cancel,
	.clustered = sim_clustered,
};
