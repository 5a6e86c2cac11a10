/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Quorum, as a service of each node: it answers every view with the word
 * whether that is primary, and keeps the reasons for people.  The arithmetic
 * is in vote.c, its use in a view change in member_vote.c.  Options, which a
 * view has from the configuration or from an operator (quorum_cmd.c):
 *
 *   wait_for_all       until a member has been in a primary view since it
 *                      started, every voter must be present: a node that
 *                      boots alone behind a broken cable must not believe
 *                      itself the cluster (and fence the others).
 *   two_node           with two voters one is enough.  The tie is broken by
 *                      fencing, which is why it implies wait_for_all and is
 *                      refused by the configuration check without fencing.
 *   last_man_standing  the votes of the last primary view decide, and not
 *                      those of all nodes.
 *   tie_breaker        half of the votes are enough for one of two halves.
 *   downscale          who leaves cleanly does not count until it is back.
 *
 * Invariants:
 *   Q1  the members of a primary view win its electorate, or nobody is missing
 *       but a quorum device;
 *   Q2  without two_node, what is needed is more than half of all votes;
 *   Q3  each NOTE_VIEW is answered by exactly one NOTE_QUORUM of its epoch;
 *   Q4  the rules of a primary view's electorate are those of its options.
 *
 * clusterd-protocol(7), section 6.7.
 */

#include <stdio.h>

#include "names.h"
#include "quorum_internal.h"

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

/* Whose votes are not there, and why: ", missing: node 2". */
static void
list_absent(const struct quorum_info *q, char *text, size_t size)
{
	char names[160];
	size_t len = 0;

	text[0] = '\0';
	names_list(q->missing.v, q->missing.n, ", ", names, sizeof(names));
	if (q->missing.n > 0)
		snprintf(text, size, ", missing: %s", names);
	len = strlen(text);
	names_list(q->blank.v, q->blank.n, ", ", names, sizeof(names));
	if (q->blank.n > 0)
		snprintf(text + len, size - len,
		    ", with a disk too new to know: %s", names);
	len = strlen(text);
	if (q->device == QUORUM_DEVICE_AWAY)
		snprintf(text + len, size - len,
		    ", without the quorum device, which is not reached or is "
		    "bound to others");
}

static void
why_not(const struct quorum_info *q, char *text, size_t size)
{
	char names[400];

	list_absent(q, names, sizeof(names));
	if (q->waits_for_all)
		snprintf(text, size,
		    "a cold start waits for every voter: %u of %u votes are "
		    "here (wait_for_all)%s",
		    q->votes, q->expected, names);
	else if (q->contested)
		snprintf(text, size,
		    "%u of %u votes are here, but others may have gone on "
		    "without them%s",
		    q->votes, q->expected, names);
	else if (q->votes * 2 == q->expected && q->tie != 0)
		snprintf(text, size,
		    "only %u of %u votes are here, which is enough only with "
		    "the tie breaker node %u%s",
		    q->votes, q->expected, q->tie, names);
	else
		snprintf(text, size,
		    "only %u of %u votes are here, %u are needed%s", q->votes,
		    q->expected, q->needed, names);
}

/* By votes, be it half of them with the tie breaker. */
static bool
enough(const struct quorum_info *q)
{
	return q->votes >= q->needed ||
	    (q->tie != 0 && q->votes * 2 == q->expected);
}

void
quorum_why(const struct quorum_info *q, char *text, size_t size)
{
	if (q->epoch == 0)
		strlcpy(text, "this node is in no view yet", size);
	else if (!q->quorate)
		why_not(q, text, size);
	else if (q->whole && !enough(q))
		snprintf(text, size,
		    "%u of %u votes are here, and every node is, so that "
		    "nobody else can have the others",
		    q->votes, q->expected);
	else
		snprintf(text, size,
		    "%u of %u votes are here, %u are needed, decided by %s",
		    q->votes, q->expected, q->needed, vote_rule_name(q->rule));
}

void
quorum_restore(const struct quorum_info *q, char *text, size_t size)
{
	char names[160];

	text[0] = '\0';
	if (q->epoch == 0 || q->quorate)
		return;
	names_list(q->missing.v, q->missing.n, ", ", names, sizeof(names));
	if (q->missing.n == 0)
		strlcpy(text,
		    "start every node that is off, for one must remember the "
		    "last view; or, if no other node is on for sure: quorum "
		    "override",
		    size);
	else if (q->waits_for_all)
		snprintf(text, size,
		    "start %s; or, if they are off for sure: quorum unblock",
		    names);
	else if (q->contested || q->votes >= q->needed)
		snprintf(text, size,
		    "start %s; or, if they are off for sure: quorum override",
		    names);
	else
		snprintf(text, size,
		    "%u more votes, of %s; or, if they are off for sure: "
		    "quorum override",
		    q->needed - q->votes, names);
}

void
quorum_device_why(const struct quorum_info *q, const struct device_info *d,
    char *text, size_t size)
{
	const char *why = "";

	if (q->device == QUORUM_DEVICE_VOTES && (!d->works || d->blank)) {
		snprintf(text, size, "the next view counts without it: %s",
		    !d->answered  ? "it has not answered yet" :
			!d->works ? d->why :
				    "it was made anew");
		return;
	}
	if (!d->answered)
		why = "it has not answered yet";
	else if (!d->works)
		why = d->why;
	else if (q->device == QUORUM_DEVICE_NONE)
		why = "its votes count from the next primary view on";
	else if (q->device == QUORUM_DEVICE_AWAY && d->blank)
		why = "it is new: it votes when nodes had quorum without it";
	else if (q->device == QUORUM_DEVICE_AWAY)
		why = "the leader did not reach it, or it is bound to others";
	strlcpy(text, why, size);
}

static void
say(const struct quorum *q, bool was, struct bus *bus)
{
	const struct quorum_info *qi = &q->info;
	char why[400];

	quorum_why(qi, why, sizeof(why));
	bus_event(bus, EVK_QUORUM,
	    qi->quorate || (qi->waits_for_all && !was) ? EVL_INFO : EVL_WARN,
	    "quorum: %s in view %llu, because %s",
	    qi->quorate ? "present" : "absent", (unsigned long long)qi->epoch,
	    why);
}

/* The operator should know when votes count that did not, or the reverse. */
static void
say_electorate(const struct quorum *q, const struct electorate *old,
    struct bus *bus)
{
	const struct electorate *e = &q->info.elect;
	struct vote_nodes all = { .n = 0 };
	char names[160];
	unsigned i;

	if (old->n == 0 || electorate_same(old, e))
		return;
	for (i = 0; i < e->n; i++) {
		if (e->v[i].counts && e->v[i].node != VOTER_DEVICE)
			vote_add(&all, e->v[i].node);
	}
	names_list(all.v, all.n, ", ", names, sizeof(names));
	bus_event(bus, EVK_QUORUM, EVL_INFO,
	    "quorum: %u votes are expected (%u before), because those that "
	    "count in view %llu are of %s",
	    e->expected, old->expected, (unsigned long long)q->info.epoch,
	    names);
}

static enum quorum_device
device_state(const struct view *v)
{
	const struct voter *d = electorate_voter(&v->elect, VOTER_DEVICE);

	if (d == NULL || !d->counts)
		return QUORUM_DEVICE_NONE;
	return v->device ? QUORUM_DEVICE_VOTES : QUORUM_DEVICE_AWAY;
}

/*
 * The coordinator has decided for all members, because only it heard what
 * each of them remembers; here that is turned into numbers.
 */
static void
fill(struct quorum_info *qi, const struct view *v)
{
	static const struct vote_nodes none;
	struct vote_nodes here, known;
	struct tally t = v->tally;
	unsigned i;

	view_voters(v, &here);
	if (v->primary)
		electorate_wins(&v->elect, &here, &none, &t);
	qi->votes = t.votes;
	qi->expected = t.expected;
	qi->needed = t.needed;
	qi->quorate = v->primary;
	qi->whole = electorate_whole(&v->elect, &here);
	qi->two_node = v->elect.two_node;
	/* While votes are missing that is what people must be told. */
	qi->waits_for_all = v->waits && v->tally.rule != VOTE_NONE;
	qi->contested = v->contested;
	qi->rule = v->tally.rule;
	qi->tie = v->elect.tie;
	qi->epoch = v->epoch;
	qi->elect = v->elect;
	qi->device = device_state(v);
	known = here;
	vote_add(&known, VOTER_DEVICE);
	electorate_missing(&v->elect, &known, &qi->missing);
	qi->blank.n = 0;
	for (i = 0; i < v->n; i++) {
		if (v->members[i].blank)
			vote_add(&qi->blank, v->members[i].node);
	}
}

static void
new_view(struct quorum *q, const struct view *v, struct bus *bus)
{
	struct electorate old = q->info.elect;
	bool was = q->info.quorate, first = q->info.epoch == 0;
	bool waited = q->info.waits_for_all;
	struct note *n;

	fill(&q->info, v);
	q->features = v->features;
	q->synced = false;
	view_voters(v, &q->here);
	if (first || was != v->primary)
		q->info.since = bus->now;
	ASSERT(v->epoch > q->answered); /* Q3 */
	q->answered = v->epoch;
	n = bus_note(bus, NOTE_QUORUM, NULL, 0);
	n->ok = v->primary;
	n->seq = v->epoch;
	if (first || was != v->primary || waited != v->waits)
		say(q, was, bus);
	if (v->primary)
		say_electorate(q, &old, bus);
	quorum_settle(q, v->primary, bus);
}

void
quorum_note(struct quorum *q, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(q, note->ref, bus);
		break;
	case NOTE_WEDGE:
		q->synced = false;
		break;
	case NOTE_SYNCED:
		q->synced = q->info.quorate && note->seq == q->info.epoch;
		break;
	case NOTE_ORDERED:
		quorum_ordered(q, note, bus);
		break;
	case NOTE_REQUEST:
		quorum_request(q, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		quorum_client_gone(q, note->client);
		break;
	default:
		break;
	}
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

	ASSERT(q->answered == qi->epoch); /* Q3 */
	if (qi->epoch == 0)
		return;
	if (qi->quorate && qi->elect.opt.known) /* Q4 */
		ASSERT(options_rule(&qi->elect));
	if (qi->quorate) /* Q1 */
		ASSERT(enough(qi) || qi->whole);
	if (!qi->two_node && qi->expected > 0)
		ASSERT(qi->needed * 2 > qi->expected); /* Q2 */
}
