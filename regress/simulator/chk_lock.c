/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What clients may rely on, over all nodes at once, whether these are alive,
 * paused, cut off or excluded: as long as a program runs, it acts on its
 * locks.
 *
 * INV_LOCK_EXCLUDE  all beliefs about one resource are compatible.  It also
 *	says that nothing of a lost node is given away before its programs are
 *	gone, whatever the cluster thinks of it.
 * INV_SLOTS  each member of the lockspace has a slot of its own and keeps it.
 * INV_LOCK_VALUE  a value that is not marked invalid is the one written last,
 *	or zero when the resource may have ceased to exist since.
 */

#include "sim.h"

struct resource {
	uint64_t value; /* last one written */
	bool written;	/* ever */
	bool may_be_new;
	int exists; /* locks that surely exist */
};

struct chk_lock {
	struct resource res[SIM_RESOURCES];
	uint64_t next_value;
};

/* NL CR CW PR PW EX: the textbook table, not the one of the core. */
bool
chk_compatible(int a, int b)
{
	static const char *const table[] = { "111111", "111110", "111000",
		"110100", "110000", "100000" };

	return a < 0 || b < 0 || table[a][b] == '1';
}

void
chk_slots(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	uint32_t slot = rbuf_u32(r), generation = rbuf_u32(r), one;
	bool seen[SIM_NODES_MAX + 1] = { false }, ours = false;
	unsigned n = rbuf_u16(r);

	/* Lost members keep theirs until they are recovered. */
	for (; n > 0 && !r->err; n--) {
		(void)rbuf_u16(r);
		one = rbuf_u32(r);
		if (one == 0 || one > SIM_NODES_MAX || seen[one])
			sim_fail(s, INV_SLOTS,
			    "n%u client %llu: slot %u is nobody's or "
			    "somebody else's",
			    s->nodes[node].id, (unsigned long long)c->id, one);
		seen[one] = true;
		ours |= one == slot;
	}
	if (!ours || (c->slot != 0 && c->slot != slot) ||
	    generation < c->generation)
		sim_fail(s, INV_SLOTS,
		    "n%u client %llu: slot %u generation %u after slot %u "
		    "generation %u",
		    s->nodes[node].id, (unsigned long long)c->id, slot,
		    generation, c->slot, c->generation);
	/* It may be told what came before its node hears that it leaves. */
	if (c->leaving)
		return;
	c->slot = slot;
	c->generation = generation;
}

void
chk_lock_init(struct sim *s)
{
	unsigned i;

	s->chk_lock = calloc(1, sizeof(*s->chk_lock));
	ASSERT(s->chk_lock != NULL);
	for (i = 0; i < SIM_RESOURCES; i++)
		s->chk_lock->res[i].may_be_new = true;
}

void
chk_lock_free(struct sim *s)
{
	free(s->chk_lock);
}

void
chk_lock_change(struct sim *s, const struct sim_client *c,
    const struct sim_lock *k)
{
	const struct sim_client *oc;
	const struct sim_lock *o;
	unsigned i, j, l;

	for (i = 0; i < s->n; i++)
		for (j = 0; j < SIM_CLIENTS; j++) {
			oc = &s->nodes[i].clients[j];
			for (l = 0; l < SIM_LOCKS; l++) {
				o = &oc->locks[l];
				if (o == k || !oc->open ||
				    o->resource != k->resource ||
				    chk_compatible(o->belief, k->belief))
					continue;
				sim_fail(s, INV_LOCK_EXCLUDE,
				    "resource %u: client %llu relies on mode "
				    "%d while client %llu on n%u relies on %d",
				    k->resource, (unsigned long long)c->id,
				    k->belief, (unsigned long long)oc->id,
				    s->nodes[i].id, o->belief);
			}
		}
}

void
chk_lock_exists(struct sim *s, unsigned resource, int delta)
{
	struct resource *r = &s->chk_lock->res[resource];

	r->exists += delta;
	ASSERT(r->exists >= 0);
	if (r->exists == 0)
		r->may_be_new = true;
}

void
chk_lock_wrote(struct sim *s, const struct sim_client *c, struct sim_lock *k,
    uint8_t lvb[32])
{
	struct resource *r = &s->chk_lock->res[k->resource];
	unsigned i;

	k->overwritten = r->value;
	k->was_new = r->may_be_new;

	r->value = ++s->chk_lock->next_value;
	r->written = true;
	r->may_be_new = false;
	sim_trace(s, "client %llu lock %u writes %llu to resource %u",
	    (unsigned long long)c->id, k->lkid, (unsigned long long)r->value,
	    k->resource);
	for (i = 0; i < 8; i++)
		lvb[24 + i] = (uint8_t)(r->value >> (56 - 8 * i));
}

void
chk_lock_unwrite(struct sim *s, const struct sim_lock *k)
{
	struct resource *r = &s->chk_lock->res[k->resource];

	r->value = k->overwritten;
	r->may_be_new |= k->was_new;
}

void
chk_lock_read(struct sim *s, const struct sim_client *c,
    const struct sim_lock *k, unsigned sbflags, const uint8_t lvb[32])
{
	struct resource *r = &s->chk_lock->res[k->resource];
	uint64_t v = 0;
	unsigned i;

	if (sbflags & 0x02) /* DLM_SBF_VALNOTVALID */
		return;
	for (i = 24; i < 32; i++)
		v = v << 8 | lvb[i];
	if (v == r->value || (v == 0 && (r->may_be_new || !r->written)))
		return;
	sim_fail(s, INV_LOCK_VALUE,
	    "resource %u: client %llu reads %llu in mode %d, but %llu was "
	    "written last",
	    k->resource, (unsigned long long)c->id, (unsigned long long)v,
	    k->mode, (unsigned long long)r->value);
}
