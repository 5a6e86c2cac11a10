/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A member of a primary view believes in it only while it holds a lease.
 * Each beat of a peer names the primary view that the peer vouches for and
 * echoes the newest of our beats that it has.  So the peer has said, after we
 * sent that beat: within LENGTH from now I am not ready for a primary view
 * without you.  When those who said so within LENGTH, and we, win the
 * electorate of our view, nobody can have gone on without us.
 *
 *	held	held until the time at which too few such words are left
 *	out	services of this node decide nothing: locks are frozen, the
 *		order stands still, no fence is started
 *
 * The other side: before it says READY for a primary view it waits until
 * whatever it has promised to those who are not in it has run out.  Who has
 * been silent for the failure timeout has no promise left, so the usual loss
 * costs no time.
 *
 * Why it works.  Let X hold the lease in view V, and let W be the first
 * primary view after V that takes effect.  X is not in W, or it would have
 * said READY, and with that its lease in V ends (L2).  The members of W win
 * the electorate of V, and so do those whose word X has: some P is in both.
 * P's word was good for LENGTH by X's clock, from before P gave it; P was
 * ready for W only LENGTH by its own clock after it gave it, and as much more
 * as two clocks may differ (L3).  Later views follow from W, whose members
 * have vouched for V no more.  What P does not remember is taken for
 * promised: to everybody, when it starts (L4); and for as long as its last life
 * would have, whose configuration may have been another one.  Who has ended, said goodbye or
 * not, may have promised until then, and have no vote that W would need: it has
 * given it up, or a quorum device has gone over to W (L5).
 *
 * Where an operator's word makes a view primary (override), and where one of
 * two votes is enough (two_node), the members of two views need not meet;
 * there it is fencing alone, or the operator, that lets only one act.
 *
 * Invariants:
 *   L1  it is held only in a primary view that is ours;
 *   L2  it is not held from the moment at which we are ready for another
 *       view until we are in one;
 *   L3  no word of readiness within LENGTH * (1 + drift) / (1 - drift) of a
 *       promise to somebody who is left out;
 *   L4  nor of our start, when it leaves out somebody who may be alive;
 *   L5  nor, then, of the end of somebody else who is left out.
 *
 * clusterd-protocol(7), section 6.10.
 */

#include "lease.h"

struct lease {
	const struct conf *conf;
	uint16_t self;
	uint64_t inc;
	const struct link_layer *link;
	uint64_t before;  /* length of words of the life before, us */
	uint64_t started; /* later by as much as those are longer */
	struct {
		uint16_t node; /* 0: free */
		uint64_t inc, at;
	} left[CONF_NODES_MAX]; /* ends we heard of, up to this life */

	struct view view; /* epoch 0: none */
	bool vouching;	  /* steady in it */
	bool spent;	  /* we were ready for another one since */
	uint64_t until;	  /* as last counted; 0: out */
	bool told;	  /* held, as services know */

	/* Readiness that waits. */
	uint64_t asked; /* epoch; 0: none */
	uint64_t clear_at;
};

struct lease *
lease_new(const struct conf *conf, uint16_t self, uint64_t inc,
    const struct link_layer *link)
{
	struct lease *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->conf = conf;
	l->self = self;
	l->inc = inc;
	l->link = link;
	return l;
}

void
lease_free(struct lease *l)
{
	free(l);
}

/*
 * Less than the failure timeout, since the members do not notice a silence at
 * the same moment: the last to have heard is not the one to propose.
 */
uint64_t
lease_length(const struct conf *conf)
{
	return conf->failure_timeout_us - conf->failure_timeout_us / 8;
}

/* By the slowest clock against the fastest. */
static uint64_t
with_drift(uint64_t len)
{
#if MUTANT == 822
	return len;
#endif
	return len * (LEASE_DRIFT + 1) / (LEASE_DRIFT - 1) + 1;
}

static uint64_t
wait_length(const struct conf *conf)
{
	return with_drift(lease_length(conf));
}

/* ---- ours --------------------------------------------------------------- */

/* The word of that member ends then; 0: it has given none. */
static uint64_t
word_ends(const struct lease *l, const struct view_member *vm)
{
	uint64_t sent;

	sent = link_vouched(l->link, vm->node, vm->inc, l->view.epoch);
	return sent == 0 ? 0 : sent + lease_length(l->conf);
}

/*
 * Do they win whose word is good until then?  A quorum device gives no word; but
 * where its votes were needed it counts for nobody without a member of this very
 * view (E8), or of one that came after it and was told to the device: that was
 * formed when all its members had promised it, and the first such has a member of
 * ours, which gives us no word since.  So the words of all members are enough.
 */
static bool
enough(const struct lease *l, const uint64_t *ends, uint64_t until)
{
	static const struct vote_nodes none;
	struct vote_nodes there = { .n = 0 };
	struct tally t;
	unsigned i;

	for (i = 0; i < l->view.n; i++) {
		if (ends[i] >= until)
			vote_add(&there, l->view.members[i].node);
	}
	return there.n == l->view.n ||
	    electorate_wins(&l->view.elect, &there, &none, &t);
}

/* The last moment at which enough words are good. */
static uint64_t
count(const struct lease *l)
{
	uint64_t ends[CONF_NODES_MAX], best = 0;
	unsigned i;

	if (l->view.epoch == 0 || !l->view.primary || l->spent) /* L1, L2 */
		return 0;
	for (i = 0; i < l->view.n; i++)
		ends[i] = l->view.members[i].node == l->self ?
		    UINT64_MAX :
		    word_ends(l, &l->view.members[i]);
	for (i = 0; i < l->view.n; i++) {
		if (ends[i] > best && enough(l, ends, ends[i]))
			best = ends[i];
	}
	return best;
}

void
lease_renew(struct lease *l, struct bus *bus)
{
	struct note *n;
	bool held;

	/* While much is left there is no need to count. */
	if (l->until == 0 || l->spent ||
	    l->until < bus->now + lease_length(l->conf) / 2)
		l->until = count(l);
	held = l->until > bus->now;
	if (!held)
		l->until = 0;
	if (held == l->told)
		return;
	l->told = held;
	n = bus_note(bus, NOTE_LEASE, NULL, 0);
	n->ok = held;
	n->seq = l->view.epoch;
}

bool
lease_held(const struct lease *l)
{
	return l->told;
}

uint64_t
lease_until(const struct lease *l)
{
	return l->told ? l->until : 0;
}

uint64_t
lease_vouches(const struct lease *l)
{
	return l->vouching ? l->view.epoch : 0;
}

bool
lease_asks(const struct lease *l, uint64_t now)
{
	return l->vouching && l->until < now + lease_length(l->conf) / 2;
}

/* ---- what we promised to others ----------------------------------------- */

static uint64_t
goodbye_at(const struct lease *l, uint16_t node, uint64_t inc, uint64_t now)
{
	unsigned i;

	for (i = 0; i < CONF_NODES_MAX && l->left[i].node != 0; i++) {
		if (l->left[i].node == node && l->left[i].inc >= inc)
			return l->left[i].at;
	}
	return now;
}

static void
goodbye(struct lease *l, uint16_t node, uint64_t inc, uint64_t now)
{
	unsigned i;

	for (i = 0; i < CONF_NODES_MAX - 1 && l->left[i].node != 0; i++) {
		if (l->left[i].node == node)
			break;
	}
	l->left[i].node = node;
	l->left[i].inc = inc;
	l->left[i].at = now;
}

/* The promises that we do not remember, or that others made (L4, L5). */
static uint64_t
unknown_promise(const struct lease *l, const struct view *v, uint64_t now)
{
	uint64_t at = l->started;
	bool alive = false;
	unsigned i;

	for (i = 0; i < v->nlost; i++) {
		if (v->lost[i].clean)
			at = MAX(at,
			    goodbye_at(l, v->lost[i].node, v->lost[i].inc,
				now));
		/* Its next life waits itself (L4). */
		else if (view_find(v, v->lost[i].node) != NULL)
			continue;
		else if (!link_gone(l->link, v->lost[i].node, v->lost[i].inc))
			alive = true;
#if MUTANT != 825
		else
			at = MAX(at,
			    goodbye_at(l, v->lost[i].node, v->lost[i].inc,
				now));
#endif
	}
	return alive ? at : 0;
}

static uint64_t
last_promise(const struct lease *l, const struct view *v, uint64_t now)
{
	const struct conf_node *cn;
	uint64_t inc, at, last = unknown_promise(l, v, now);
	unsigned i;

	for (i = 0; i < l->conf->nnodes; i++) {
		cn = &l->conf->nodes[i];
		at = link_promised(l->link, cn->id, &inc);
		if (at != 0 && !view_has(v, cn->id, inc))
			last = MAX(last, at);
	}
	return last;
}

static void
clear(struct lease *l, struct bus *bus)
{
	struct note *n;

	if (l->asked == 0 || l->clear_at > bus->now)
		return;
	l->spent = true; /* L2 */
	lease_renew(l, bus);
	n = bus_note(bus, NOTE_CLEAR, NULL, 0);
	n->seq = l->asked;
	l->asked = 0;
}

static void
vouch(struct lease *l, const struct view *v, struct bus *bus)
{
	uint64_t at = 0;

	l->vouching = false;
	if (v->primary)
		at = last_promise(l, v, bus->now);
#if MUTANT == 821
	at = 0;
#endif
	l->asked = v->epoch;
	l->clear_at = at == 0 ? 0 : at + wait_length(l->conf); /* L3 */
	clear(l, bus);
}

void
lease_note(struct lease *l, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_WEDGE:
		l->vouching = false;
		l->asked = 0;
		break;
	case NOTE_VOUCH:
		vouch(l, note->ref, bus);
		break;
	case NOTE_VIEW:
		l->view = *(const struct view *)note->ref;
		l->vouching = l->view.primary && !l->view.passing;
		l->spent = l->view.passing;
		l->until = 0;
		break;
	case NOTE_PEER_GONE:
		if (note->code == 1)
			goodbye(l, note->node, note->inc, bus->now);
		break;
	case NOTE_PEER_DOWN:
		if (link_gone(l->link, note->node, note->inc))
			goodbye(l, note->node, note->inc, bus->now);
		break;
	default:
		break;
	}
}

uint64_t
lease_start(struct lease *l, uint64_t now, uint64_t before)
{
	uint64_t ours = lease_length(l->conf);

	l->before = MAX(before, ours);
	l->started = now;
#if MUTANT != 826
	l->started += with_drift(l->before) - with_drift(ours);
#endif
	return l->started;
}

uint64_t
lease_words(const struct lease *l, uint64_t now)
{
	return now < l->started + wait_length(l->conf) ? l->before :
							 lease_length(l->conf);
}

void
lease_timer(struct lease *l, struct bus *bus)
{
	clear(l, bus);
}

uint64_t
lease_deadline(const struct lease *l)
{
	uint64_t d = l->told ? l->until : UINT64_MAX;

	return l->asked == 0 ? d : MIN(d, l->clear_at);
}

void
lease_check(const struct lease *l)
{
	if (!l->told)
		return;
	ASSERT(l->view.primary && view_has(&l->view, l->self, l->inc)); /* L1 */
}
