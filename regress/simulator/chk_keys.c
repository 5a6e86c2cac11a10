/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The key of the cluster is changed, at random moments and with orders that
 * are often wrong: see keys.h of the core.  Each node has its key file, which
 * it finds again when it comes back.  Who was away for a whole change may be
 * left with a key that is over: then the operator copies a file to it.
 *
 * INV_KEYS	Between two nodes that are in one primary view, and know it, no
 *	datagram is refused for its key; but two that have just joined may have
 *	met with a key that is over, and one of them know so first.  A key is
 *	used only when every member has it in its file, and the old one dropped
 *	only when every member sends with the new one.  Some key is in the files
 *	of all nodes, in service or not, as long as nobody has dropped one
 *	without those that are away.  That no key changes a view is INV_NAP.
 */

#include "sim.h"

#define SETTLE_IN (300 * MS)

void
keys_init(struct sim *s)
{
	uint8_t key[KEYRING_KEY_LEN];
	unsigned i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)rng_u64(&s->rng);
	for (i = 0; i < s->n; i++)
		keyring_plain(&s->nodes[i].file, key);
	sim_generator(s, 4, 8, 16, &s->krng);
	s->rotate = rng_below(&s->krng, 100) < 40 && !s->off[ST_ROTATE] &&
	    s->measure == ME_NONE;
	if (s->rotate)
		heap_add(&s->heap, 1 * SEC, SE_ROTATE);
}

static uint64_t
draw(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->krng, hi - lo + 1);
}

/* --- the file of a node ------------------------------------------------------ */

void
keys_boot(struct sim *s, unsigned i, struct node_config *nc)
{
	unsigned k;

	nc->keys = s->nodes[i].file;
	for (k = 0; k < sizeof(nc->secret); k++)
		nc->secret[k] = (uint8_t)rng_u64(&s->krng);
	memset(&s->nodes[i].keys_seen, 0, sizeof(s->nodes[i].keys_seen));
}

/* Nobody is locked out; but the builds before this one could do that. */
static void
in_common(struct sim *s)
{
	const struct keyring *first = &s->nodes[0].file;
	unsigned i, k;
	bool all = false;

	if (s->keys_forced || s->mixed)
		return;
	for (k = 0; k < first->n && !all; k++)
		for (all = true, i = 1; i < s->n; i++)
			all =
			    all && keyring_has(&s->nodes[i].file, &first->k[k]);
	if (!all)
		sim_fail(s, INV_KEYS, "no key is in the files of all nodes");
}

void
keys_shut(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];

	/* It took its place, or it did not. */
	if (n->writing && draw(s, 0, 1) == 0)
		n->file = n->file_next;
	n->writing = false;
	in_common(s);
}

void
keys_write(struct sim *s, unsigned i, const struct action *act)
{
	struct sim_node *n = &s->nodes[i];
	struct keyring ring;
	struct sim_event *e;
	struct rbuf r;

	rbuf_init(&r, act->data, act->len);
	if (n->writing || !keyring_get(&r, &ring) || !rbuf_done(&r))
		sim_fail(s, INV_KEYS, "n%u writes no sound key file", n->id);
	if (!keyring_follows(&n->file, &ring))
		sim_fail(s, INV_KEYS, "n%u would keep no key of its file",
		    n->id);
	n->file_next = ring;
	n->writing = true;
	e = heap_add(&s->heap, s->now + draw(s, 200, 30 * MS), SE_KEYS);
	e->node = i;
	e->life = n->life;
	e->ok = s->calm || draw(s, 0, 9) > 0;
}

void
keys_written(struct sim *s, const struct sim_event *e)
{
	static const char why[] = "no space is left";
	struct sim_node *n = &s->nodes[e->node];
	struct event ev = { .type = EV_KEYS_STORED, .ok = e->ok };

	n->writing = false;
	if (e->ok) {
		n->file = n->file_next;
		in_common(s);
		voice_keys(s, e->node);
	} else {
		ev.data = (const uint8_t *)why;
		ev.len = sizeof(why) - 1;
	}
	node_input(s, e->node, &ev);
}

/* --- the operator ------------------------------------------------------------ */

static bool
in_view(const struct node_view *v, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < v->n; i++)
		if (v->members[i] == node && v->incs[i] == inc)
			return true;
	return false;
}

/* Whose file is right: of the newest primary view, or of the newest key. */
static const struct sim_node *
right(const struct sim *s)
{
	const struct sim_node *n, *best = NULL;
	bool later, primary = false;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		n = &s->nodes[i];
		if (!node_on(s, i) || n->writing ||
		    (primary && !n->view.primary))
			continue;
		later = best == NULL || (n->view.primary && !primary) ||
		    (primary ? n->view.epoch > best->view.epoch :
			       keyring_later(n->file.use, best->file.use));
		if (later)
			best = n;
		primary = best->view.primary;
	}
	return best;
}

/* A node that shares no key with the others is given theirs. */
static void
put_right(struct sim *s)
{
	const struct sim_node *r = right(s);
	struct sim_node *n;
	unsigned i, k, shared;

	for (i = 0; r != NULL && i < s->n; i++) {
		n = &s->nodes[i];
		for (k = shared = 0; k < r->file.n; k++)
			shared += keyring_has(&n->file, &r->file.k[k]);
		if (!node_on(s, i) || n->paused || shared > 0 || n->writing ||
		    (int)i == s->dead || in_view(&r->view, n->id, n->inc))
			continue;
		n->file = r->file;
		node_crash(s, i, "it is to read another key file");
	}
}

static bool
is_used(const struct keyring *r)
{
	return r->n == 2 && r->use == r->k[1].gen;
}

void
keys_rotate(struct sim *s)
{
	static const char *const orders[] = { "key-add", "key-use", "key-drop",
		"key-abort" };
	unsigned at = (unsigned)draw(s, 0, s->n - 1);
	unsigned what = (unsigned)draw(s, 0, 3);
	bool absent = draw(s, 0, 3) == 0;

	heap_add(&s->heap, s->now + draw(s, 20 * MS, 600 * MS), SE_ROTATE);
	if (s->phase == PH_SETTLE || draw(s, 0, 3) == 0)
		put_right(s);
	/* Whoever is to come back must not find yet another key. */
	if (!node_on(s, at) || s->nodes[at].paused || s->phase == PH_SETTLE)
		return;
	/* Mostly what comes next, as far as this node knows. */
	if (draw(s, 0, 9) < 6)
		what = s->nodes[at].build->agreed(s->nodes[at].core)->n == 1 ?
		    0 :
		    is_used(s->nodes[at].build->agreed(s->nodes[at].core)) ? 2 :
									     1;
	s->keys_forced = s->keys_forced || (what == 2 && absent);
	operator_orders(s, at, orders[what],
	    what == 2 && absent ? "absent" : "");
}

/* --- the oracle -------------------------------------------------------------- */

void
chk_keys_sent(struct sim *s, unsigned from, struct sim_event *e)
{
	const struct sim_node *f = &s->nodes[from], *to = &s->nodes[e->node];

	e->other = from;
	e->gen = f->life;
	/* A beat process speaks with every key that its node has; a twin has
	   those that its node had. */
	e->ok = !s->net.other && f->view.primary &&
	    in_view(&f->view, to->id, to->inc);
	e->what = f->caught_up;
}

/* Was the sender, or is the receiver, long enough with the others? */
static bool
settled_in(const struct sim *s, const struct sim_node *to, bool sender)
{
	return sender || s->now - to->keys_seen.since > SETTLE_IN;
}

/* Both believe in the same primary view, and that they are in it. */
static bool
together(const struct sim_node *a, const struct sim_node *b)
{
	return a->view.primary && b->view.primary && a->view.synced &&
	    b->view.synced && a->view.epoch == b->view.epoch &&
	    in_view(&a->view, b->id, b->inc) &&
	    in_view(&b->view, a->id, a->inc);
}

void
chk_keys_packet(struct sim *s, const struct sim_event *e, uint64_t before)
{
	const struct sim_node *to = &s->nodes[e->node];
	const struct sim_node *from = &s->nodes[e->other];

	/* Forged, recorded, of a life that is over, or to a stranger. */
	if (!e->ok || e->bad || e->record != 0 || from->life != e->gen ||
	    !node_on(s, e->node) || !node_on(s, e->other) ||
	    to->build->refused_key(to->core, from->id) == before)
		return;
	if (together(to, from) && settled_in(s, to, e->what != 0))
		sim_fail(s, INV_KEYS,
		    "n%u cannot open what n%u sends, and both are in view %llu",
		    to->id, from->id, (unsigned long long)to->view.epoch);
}

/* The key is used: every member has it in its file, and the old one, too. */
static void
used(struct sim *s, const struct sim_node *n, const struct keyring *now)
{
	const struct sim_node *m;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		m = &s->nodes[i];
		if (in_view(&n->view, m->id, m->inc) &&
		    !keyring_covers(&m->file, now))
			sim_fail(s, INV_KEYS,
			    "n%u has generation %u used, which is not in the "
			    "file of n%u",
			    n->id, now->use, m->id);
	}
}

/* The old key is dropped: every member sends with the new one. */
static void
dropped(struct sim *s, const struct sim_node *n, const struct keyring *now)
{
	const struct sim_node *m;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		m = &s->nodes[i];
		if (node_on(s, i) && in_view(&n->view, m->id, m->inc) &&
		    m->build->ring(m->core)->use != now->use)
			sim_fail(s, INV_KEYS,
			    "n%u has the old key dropped, with which n%u "
			    "sends",
			    n->id, m->id);
	}
	s->rotations++;
}

/* It has the keys that all have agreed on, before the step and after it. */
bool
chk_keys_caught_up(const struct sim_node *n)
{
	return n->keys_seen.caught_up &&
	    keyring_same(n->build->ring(n->core), n->build->agreed(n->core));
}

void
chk_keys_step(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];
	const struct keyring *now = n->build->agreed(n->core);
	const struct keyring *was = &n->keys_seen.agreed;
	bool member = n->view.primary && n->view.synced;

	if (n->keys_seen.synced && member && !is_used(was) && is_used(now))
		used(s, n, now);
	if (n->keys_seen.synced && member && is_used(was) && now->n == 1)
		dropped(s, n, now);
	if (member && !n->keys_seen.synced)
		n->keys_seen.since = s->now;
	n->keys_seen.caught_up =
	    member && keyring_same(n->build->ring(n->core), now);
	n->keys_seen.agreed = *now;
	n->keys_seen.synced = member;
}
