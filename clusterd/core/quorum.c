/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Quorum.  A majority of all configured votes is needed, so two primary
 * views cannot stand side by side and each shares a member with the one
 * before it.  Two exceptions, both from the configuration:
 *
 *   wait_for_all  until a member has been in a primary view since it
 *                 started, every voter must be present: a node that boots
 *                 alone behind a broken cable must not believe itself the
 *                 cluster (and fence the others).
 *   two_node      with two voters one is enough.  The tie is broken by
 *                 fencing, which is why it implies wait_for_all and is
 *                 refused by the configuration check without fencing.
 *
 * Invariants:
 *   Q1  a view is primary only if its votes reach what is needed;
 *   Q2  without two_node, what is needed is more than half of all votes;
 *   Q3  each NOTE_VIEW is answered by exactly one NOTE_QUORUM of its epoch.
 */

#include "quorum.h"

struct quorum {
	const struct conf *conf;
	uint16_t self;
	struct quorum_info info;
};

static unsigned
votes_of(const struct conf *conf, const uint16_t *nodes, unsigned n,
    unsigned *voters)
{
	const struct conf_node *cn;
	unsigned i, votes = 0;

	*voters = 0;
	for (i = 0; i < n; i++) {
		cn = conf_node(conf, nodes[i]);
		if (cn == NULL)
			continue;
		votes += cn->votes;
		*voters += cn->votes > 0;
	}
	return votes;
}

bool
quorum_count(const struct conf *conf, const uint16_t *nodes, unsigned n,
    bool ever, struct quorum_info *qi)
{
	uint16_t all[CONF_NODES_MAX];
	unsigned i, voters, present;

	memset(qi, 0, sizeof(*qi));
	for (i = 0; i < conf->nnodes; i++)
		all[i] = conf->nodes[i].id;
	qi->expected = votes_of(conf, all, conf->nnodes, &voters);
	qi->votes = votes_of(conf, nodes, n, &present);
	qi->needed = qi->expected / 2 + 1;
	qi->two_node = conf->two_node && voters == 2;
	if (qi->two_node)
		qi->needed = 1;
	if ((conf->wait_for_all || qi->two_node) && !ever)
		qi->waits_for_all = present < voters;
#if MUTANT == 301
	qi->needed = (qi->expected + 1) / 2;
#elif MUTANT == 302
	qi->waits_for_all = false;
#endif
	qi->quorate = qi->votes >= qi->needed && !qi->waits_for_all;
	return qi->quorate;
}

struct quorum *
quorum_new(const struct conf *conf, uint16_t self)
{
	struct quorum *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->conf = conf;
	q->self = self;
	return q;
}

void
quorum_free(struct quorum *q)
{
	free(q);
}

static void
say(const struct quorum *q, bool was, struct bus *bus)
{
	const struct quorum_info *qi = &q->info;

	if (qi->quorate)
		bus_event(bus, EVK_QUORUM, EVL_INFO,
		    "quorum: present, because %u of %u votes are in view %llu "
		    "and %u are needed",
		    qi->votes, qi->expected, (unsigned long long)qi->epoch,
		    qi->needed);
	else if (qi->waits_for_all)
		bus_event(bus, EVK_QUORUM, was ? EVL_WARN : EVL_INFO,
		    "quorum: absent, because after a start every voter must "
		    "be seen once (wait_for_all) and view %llu has %u of %u "
		    "votes",
		    (unsigned long long)qi->epoch, qi->votes, qi->expected);
	else
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum: absent, because %u of %u votes are in view %llu "
		    "and %u are needed",
		    qi->votes, qi->expected, (unsigned long long)qi->epoch,
		    qi->needed);
}

/*
 * The coordinator has decided for all members, because only it knew whether
 * one of them had been in a primary view; here that is turned into numbers.
 */
static void
new_view(struct quorum *q, const struct view *v, struct bus *bus)
{
	uint16_t nodes[CONF_NODES_MAX];
	bool was = q->info.quorate;
	bool first = q->info.epoch == 0;
	struct note *n;
	unsigned i;

	for (i = 0; i < v->n; i++)
		nodes[i] = v->members[i].node;
	quorum_count(q->conf, nodes, v->n, v->primary, &q->info);
	/* Votes suffice, yet it is not primary: voters were never seen. */
	q->info.waits_for_all = q->info.quorate && !v->primary;
	q->info.quorate = v->primary;
	q->info.epoch = v->epoch;
	n = bus_note(bus, NOTE_QUORUM, NULL, 0); /* Q3 */
	n->ok = v->primary;
	n->seq = v->epoch;
	if (first || was != v->primary)
		say(q, was, bus);
}

void
quorum_note(struct quorum *q, const struct note *note, struct bus *bus)
{
	if (note->type == NOTE_VIEW)
		new_view(q, note->ref, bus);
}

void
quorum_get(const struct quorum *q, struct quorum_info *qi)
{
	*qi = q->info;
}

void
quorum_check(const struct quorum *q)
{
	const struct quorum_info *qi = &q->info;

	if (qi->epoch == 0)
		return;
	if (qi->quorate)
		ASSERT(qi->votes >= qi->needed); /* Q1 */
	if (!qi->two_node)
		ASSERT(qi->needed * 2 > qi->expected); /* Q2 */
}
