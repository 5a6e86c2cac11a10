/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_GROUP_ORDER  there is one sequence of views and messages of the group,
 *	in the whole run.  Messages are unique, so they are the joints of the
 *	sequence: whoever delivers a message delivers the same one next, with
 *	the same views between the two.
 * INV_GROUP_SAFE  the same for views and safe messages alone.  Since such a
 *	one is delivered only when every member of a view has it, this holds
 *	for nodes that are cut off, or die a moment later, as well.
 * INV_GROUP_FIFO	for each client the messages of a sender have consecutive
 *	numbers, from 1 if it saw the sender join: none is lost, doubled or
 *	invented.  Each is, byte by byte, what that sender has sent.
 *
 * A node that leaves a view first delivers what its side holds of it.  Should
 * the next view never take effect, because the node or all others of it die,
 * then the rest of the cluster goes on from the same messages in its own way.
 * So what a client is told counts from when the node's view is in effect; if
 * that never comes, nobody has acted on it but programs that are dead.
 *
 * An agreed message may be known to a single node, which dies.  So everything
 * that is not safe counts when the node has come to the next view, or to the
 * end of the run.
 */

#include "sim.h"

#define SENT_MAX 1000000 /* messages of one client, by far */

/* A message: what it was, and what comes after it in each sequence. */
struct joint {
	uint64_t sent; /* hash of its bytes; 0: nobody has sent it */
	struct {
		uint64_t next;	/* the next message; 0: not known yet */
		uint64_t views; /* hash of the views between */
	} in[2];
};

struct sender {
	struct joint *joints; /* by number */
	size_t n;
};

struct chk_group {
	struct sender *senders; /* by client id */
	size_t n;
};

void
chk_group_init(struct sim *s)
{
	s->chk_group = calloc(1, sizeof(*s->chk_group));
	ASSERT(s->chk_group != NULL);
}

void
chk_group_free(struct sim *s)
{
	size_t i;

	for (i = 0; i < s->chk_group->n; i++)
		free(s->chk_group->senders[i].joints);
	free(s->chk_group->senders);
	free(s->chk_group);
}

static struct joint *
joint(struct sim *s, uint64_t id)
{
	struct chk_group *g = s->chk_group;
	uint64_t from = id >> 32, number = id & UINT32_MAX;
	struct sender *sn;

	if (from >= g->n) {
		g->senders = recallocarray(g->senders, g->n, from + 64,
		    sizeof(*g->senders));
		ASSERT(g->senders != NULL);
		g->n = from + 64;
	}
	sn = &g->senders[from];
	if (number >= sn->n) {
		sn->joints = recallocarray(sn->joints, sn->n,
		    MAX(2 * sn->n, number + 64), sizeof(*sn->joints));
		ASSERT(sn->joints != NULL);
		sn->n = MAX(2 * sn->n, number + 64);
	}
	return &sn->joints[number];
}

static uint64_t
mix(uint64_t hash, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Senders that this client saw join begin with number 1. */
static uint32_t *
last_number(struct sim_client *c, uint64_t from)
{
	if (from >= c->nlast) {
		c->last = recallocarray(c->last, c->nlast, from + 64,
		    sizeof(*c->last));
		ASSERT(c->last != NULL);
		c->nlast = from + 64;
	}
	return &c->last[from];
}

static void
take_view(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	const uint8_t *data;
	size_t len = rbuf_left(r);
	struct rbuf v;
	bool in = false;
	unsigned n;

	data = rbuf_take(r, len);
	if (data == NULL)
		return;
	rbuf_init(&v, data, len);
	n = rbuf_u16(&v);
	for (c->group_n = 0; c->group_n < n && c->group_n < SIM_GROUP_MAX;
	     c->group_n++) {
		(void)rbuf_u16(&v);
		c->group_ids[c->group_n] = rbuf_u64(&v);
		if (c->group_ids[c->group_n] == c->id)
			in = true;
	}
	if (!in)
		sim_fail(s, INV_GROUP_ORDER,
		    "n%u client %llu: a view without it", s->nodes[node].id,
		    (unsigned long long)c->id);
}

static void
check_number(struct sim *s, unsigned node, struct sim_client *c, uint64_t from,
    uint32_t number)
{
	uint32_t *last = last_number(c, from);

	if (*last == 0 ? number != 1 && from == c->id : number != *last + 1)
		sim_fail(s, INV_GROUP_FIFO,
		    "n%u client %llu: message %u of client %llu comes after "
		    "its message %u",
		    s->nodes[node].id, (unsigned long long)c->id, number,
		    (unsigned long long)from, *last);
	*last = number;
}

static void
check_order(struct sim *s, unsigned node, struct sim_client *c,
    enum sim_sequence q, uint64_t id)
{
	struct sim_place *at = &c->places[q];
	struct joint *j;

	if (at->last != 0) {
		j = joint(s, at->last);
		if (j->in[q].next == 0) {
			j->in[q].next = id;
			j->in[q].views = at->views;
		} else if (j->in[q].next != id || j->in[q].views != at->views)
			sim_fail(s,
			    q == SEQ_SAFE ? INV_GROUP_SAFE : INV_GROUP_ORDER,
			    "n%u client %llu: after message %llu.%llu comes "
			    "%llu.%llu%s, for others %llu.%llu",
			    s->nodes[node].id, (unsigned long long)c->id,
			    (unsigned long long)(at->last >> 32),
			    (unsigned long long)(at->last & UINT32_MAX),
			    (unsigned long long)(id >> 32),
			    (unsigned long long)(id & UINT32_MAX),
			    j->in[q].next == id ? " with other views between" :
						  "",
			    (unsigned long long)(j->in[q].next >> 32),
			    (unsigned long long)(j->in[q].next & UINT32_MAX));
	}
	at->last = id;
	at->views = 1;
}

void
chk_group_sent(struct sim *s, const struct sim_client *c, uint32_t number,
    const uint8_t *data, size_t len)
{
	joint(s, c->id << 32 | number)->sent = mix(len + 1, data, len);
}

/* Its number, or 0 when nobody has sent it. */
static uint32_t
number_of(struct sim *s, const struct told *t, bool *safe)
{
	const uint8_t *data;
	struct rbuf r, m;
	size_t len;
	uint64_t claimed;
	uint32_t number;

	rbuf_init(&r, t->data, t->len);
	data = rbuf_blob(&r, &len, 65536);
	if (data == NULL)
		return 0;
	rbuf_init(&m, data, len);
	claimed = rbuf_u64(&m);
	number = rbuf_u32(&m);
	*safe = rbuf_u8(&m) != 0;
	if (m.err || claimed != t->from || t->from > s->next_client ||
	    number > SENT_MAX ||
	    joint(s, t->from << 32 | number)->sent != mix(len + 1, data, len))
		return 0;
	return number;
}

/* One sequence: a view only counts between messages. */
static void
in_sequence(struct sim *s, unsigned node, struct sim_client *c,
    const struct told *t, enum sim_sequence q)
{
	struct sim_place *at = &c->places[q];

	if (t->view) {
		if (!at->begun)
			at->last = 0;
		at->begun = true;
		at->views = mix(at->views, t->data, t->len);
		return;
	}
	if (!at->begun)
		sim_fail(s, INV_GROUP_ORDER,
		    "n%u client %llu: a message before the first view",
		    s->nodes[node].id, (unsigned long long)c->id);
	check_order(s, node, c, q, t->from << 32 | t->number);
}

/* It counts from now on, whatever happens to the node. */
static void
take(struct sim *s, unsigned node, struct sim_client *c, const struct told *t)
{
	struct rbuf r;

	rbuf_init(&r, t->data, t->len);
	if (t->view)
		take_view(s, node, c, &r);
	else
		check_number(s, node, c, t->from, t->number);
	in_sequence(s, node, c, t, SEQ_ALL);
}

void
chk_group_told(struct sim *s, unsigned node, struct sim_client *c, bool view,
    uint64_t from, struct rbuf *r)
{
	size_t len = rbuf_left(r);
	const uint8_t *data = rbuf_take(r, len);
	struct told *t = calloc(1, sizeof(*t) + len);
	struct node_view v;

	ASSERT(t != NULL && data != NULL);
	s->nodes[node].build->get_view(s->nodes[node].core, &v);
	t->epoch = v.epoch;
	t->view = t->safe = view;
	t->from = from;
	t->len = len;
	memcpy(t->data, data, len);
	if (!view && (t->number = number_of(s, t, &t->safe)) == 0)
		sim_fail(s, INV_GROUP_FIFO,
		    "a message of client %llu that nobody sent",
		    (unsigned long long)from);
	STAILQ_INSERT_TAIL(&c->told, t, entry);
	if (c->fresh == NULL)
		c->fresh = t;
	if (!view)
		c->group_told = from << 32 | t->number;
	/* Messages can be sent from the first view on, whatever it counts. */
	c->group_in = true;
}

/* What was told up to a view, and what is safe in it. */
static void
count(struct sim *s, unsigned node, struct sim_client *c, uint64_t epoch,
    bool over)
{
	struct told *t;

	for (; c->fresh != NULL; c->fresh = STAILQ_NEXT(c->fresh, entry)) {
		if (c->fresh->safe)
			in_sequence(s, node, c, c->fresh, SEQ_SAFE);
	}
	while ((t = STAILQ_FIRST(&c->told)) != NULL &&
	    (over || t->epoch < epoch)) {
		STAILQ_REMOVE_HEAD(&c->told, entry);
		take(s, node, c, t);
		free(t);
	}
}

static void
count_all(struct sim *s, unsigned node, bool over)
{
	struct sim_client *c;
	unsigned i;

	for (i = 0; i < SIM_CLIENTS; i++) {
		c = &s->nodes[node].clients[i];
		if (c->open)
			count(s, node, c, s->nodes[node].view.epoch, over);
	}
}

void
chk_group_effective(struct sim *s, unsigned node)
{
	count_all(s, node, false);
}

void
chk_group_end(struct sim *s)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		if (node_on(s, i))
			count_all(s, i, true);
}

void
chk_group_left(struct sim_client *c)
{
	struct told *t;

	while (c->open && (t = STAILQ_FIRST(&c->told)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->told, entry);
		free(t);
	}
	c->fresh = NULL;
	memset(c->places, 0, sizeof(c->places));
	c->group_n = 0;
}

void
chk_group_forget(struct sim_client *c)
{
	chk_group_left(c);
	free(c->last);
}
