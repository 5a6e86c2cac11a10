/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_GROUP_MEMBER  who sends to a group is in the last view that the
 *	receiver was told, so nothing of a life comes after the news of its
 *	end.  Members of one node in a view are of one life of it, since a
 *	newer life ends the older one.  A sender is on the node that it is said
 *	to be on.
 * INV_REFUSED  a datagram that was altered, made up, sealed with another key,
 *	or had before by the same life, is refused and counted, each once.
 * INV_BOUND  what is queued for others has bounds.
 * INV_NAP  while nothing is wrong but that single nodes are not run for less
 *	than the failure timeout, nobody gets a new view.  But one of the same
 *	members may be formed to ask the quorum device, which was not reached
 *	before.
 */

#include "sim.h"

/*
 * The window of order.h, and what may be stable without having been told to
 * the others yet; the queue of stream.h, with room for one more window.
 */
#define LOG_MAX	   (256 * 1024 + 2 * 64 * 1024)
#define OWN_MAX	   (4 * 1024 * 1024)
#define STREAM_MAX (5 * 1024 * 1024)

struct born {
	uint16_t node;
	uint64_t inc;
};

struct chk_life {
	struct born *born; /* by client id */
	size_t n;
};

void
chk_life_init(struct sim *s)
{
	s->chk_life = calloc(1, sizeof(*s->chk_life));
	ASSERT(s->chk_life != NULL);
}

void
chk_life_free(struct sim *s)
{
	free(s->chk_life->born);
	free(s->chk_life);
}

void
chk_life_born(struct sim *s, uint64_t client, unsigned node)
{
	struct chk_life *cl = s->chk_life;

	if (client >= cl->n) {
		cl->born = recallocarray(cl->born, cl->n, client + 64,
		    sizeof(*cl->born));
		ASSERT(cl->born != NULL);
		cl->n = client + 64;
	}
	cl->born[client].node = s->nodes[node].id;
	cl->born[client].inc = s->nodes[node].inc;
}

static const struct born *
born(struct sim *s, uint16_t node, uint64_t client)
{
	const struct chk_life *cl = s->chk_life;

	if (client >= cl->n || cl->born[client].node != node)
		sim_fail(s, INV_GROUP_MEMBER,
		    "client %llu is said to be on node %u",
		    (unsigned long long)client, node);
	return &cl->born[client];
}

void
chk_life_view(struct sim *s, unsigned node, struct sim_client *c,
    const struct rbuf *in)
{
	uint64_t incs[SIM_NODES_MAX] = { 0 };
	struct rbuf r = *in;
	unsigned i, n = rbuf_u16(&r);
	const struct born *b;
	uint64_t client;
	uint16_t on;
	int at;

	for (i = c->told_n = 0; i < n && i < SIM_GROUP_MAX && !r.err; i++) {
		on = rbuf_u16(&r);
		client = rbuf_u64(&r);
		b = born(s, on, client);
		c->told_ids[c->told_n++] = client;
		at = node_index(s, on);
		if (at < 0 || (incs[at] != 0 && incs[at] != b->inc))
			sim_fail(s, INV_GROUP_MEMBER,
			    "n%u client %llu: two lives of n%u are in one view",
			    s->nodes[node].id, (unsigned long long)c->id, on);
		incs[at] = b->inc;
	}
}

void
chk_life_message(struct sim *s, unsigned node, struct sim_client *c,
    uint16_t sender, uint64_t from)
{
	unsigned i;

	(void)born(s, sender, from);
	for (i = 0; i < c->told_n; i++)
		if (c->told_ids[i] == from)
			return;
	sim_fail(s, INV_GROUP_MEMBER,
	    "n%u client %llu: a message of client %llu, which is not in the "
	    "group",
	    s->nodes[node].id, (unsigned long long)c->id,
	    (unsigned long long)from);
}

void
chk_refused(struct sim *s, unsigned node, const struct sim_event *e,
    uint64_t before)
{
	const struct sim_node *n = &s->nodes[node];
	bool again = false, took;
	uint64_t *seen;

	/*
	 * One that was altered on its way did not arrive, and one that could not
	 * be opened, because its key came later, was not had.
	 */
	took = n->core != NULL && n->build->refused(n->core) == before;
	if (e->record != 0 && !e->bad &&
	    s->net.record[e->record - 1].serial == e->serial) {
		seen = &s->net.record[e->record - 1].seen;
		again = *seen == n->life;
		if (took)
			*seen = n->life;
	}
	/* Whoever ended itself, or is about to leave, reads nothing. */
	if (!node_on(s, node) || n->leaving || (!e->bad && !again))
		return;
	/* On its way out it looks at nothing any more. */
	if (n->build->over(n->core) || n->build->refused(n->core) == before + 1)
		return;
	sim_fail(s, INV_REFUSED,
	    "n%u takes %zu bytes that %s: %llu were refused before, and %llu "
	    "now",
	    n->id, e->len, again ? "it had before" : "nobody sent",
	    (unsigned long long)before,
	    (unsigned long long)n->build->refused(n->core));
}

void
chk_bound(struct sim *s, unsigned node)
{
	struct node_load l;

	s->nodes[node].build->get_load(s->nodes[node].core, &l);
	s->load_max.order_log = MAX(s->load_max.order_log, l.order_log);
	s->load_max.order_own = MAX(s->load_max.order_own, l.order_own);
	s->load_max.stream = MAX(s->load_max.stream, l.stream);
	if (l.order_log > LOG_MAX || l.order_own > OWN_MAX ||
	    l.stream > STREAM_MAX)
		sim_fail(s, INV_BOUND,
		    "n%u keeps %zu bytes in its log, %zu of its own, %zu for "
		    "one peer",
		    s->nodes[node].id, l.order_log, l.order_own, l.stream);
}

void
chk_nap(struct sim *s)
{
	uint64_t views = s->views - s->asked_views;

	/* It has just been replaced, and may have been told nothing yet. */
	if (s->two_disks && s->conf->qdevice.votes > 0)
		return;
	if (s->calm_kills == 0 && views != s->work_views)
		sim_fail(s, INV_NAP,
		    "%llu views although nodes paused for a moment only",
		    (unsigned long long)(views - s->work_views));
}
