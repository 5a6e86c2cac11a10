/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What must always hold, checked from outside the code under test.
 *
 *   1  S_VIEWS_AGREE  a view's name (epoch, leader) has one membership
 *   2  S_EPOCH_GROWS  epochs grow at each incarnation
 *   3  S_PRIMARY      a primary view has a majority of all nodes, one name per
 *                     epoch, and shares a member with the one before it
 *   4  S_ORDER        what members of a group are told is one sequence, of
 *                     which each is told a part without gaps
 *   5  S_FIFO         in it, each sender's messages are in order, none missing
 *   6  S_GRANTS       grants that clients hold are pairwise compatible
 *   7  S_VALUE        a value block holds the last write, or says it may not
 *   8  S_FENCE        a client is told of a recovered node only when that
 *                     node's old life is over (simclient.c)
 *  12  S_NONCE        counters of one key grow
 */

#include <err.h>
#include <stdio.h>

#include "core/wire.h"
#include "sim.h"

#define LOCKSPACES  2
#define HOLDERS_MAX 64

struct seen_view {
	RB_ENTRY(seen_view) node;
	struct node_view v;
};
RB_HEAD(view_tree, seen_view);

/* One line of the group's one sequence. */
struct line {
	bool view;
	uint64_t id; /* of a view: hash of its members */
	uint64_t sender, number;
};

struct reader {
	RB_ENTRY(reader) node;
	uint64_t client;
	size_t next; /* the line it must be told next */
};
RB_HEAD(reader_tree, reader);

struct sender {
	RB_ENTRY(sender) node;
	uint64_t client, last;
};
RB_HEAD(sender_tree, sender);

struct resource {
	unsigned nholders;
	struct {
		uint64_t client;
		int mode;
	} holders[HOLDERS_MAX];
	bool known; /* value is what a reader must find */
	uint64_t value;
};

struct oracle {
	struct view_tree views;
	struct node_view primary; /* the newest */
	struct line *lines;
	size_t nlines, caplines;
	struct reader_tree readers;
	struct sender_tree senders;
	struct resource res[LOCKSPACES][SIM_RESOURCES];
	uint64_t counters[SIM_NODES][SIM_NODES];
	uint64_t incs[SIM_NODES];
};

static int
view_cmp(const struct seen_view *a, const struct seen_view *b)
{
	if (a->v.epoch != b->v.epoch)
		return a->v.epoch < b->v.epoch ? -1 : 1;
	return a->v.leader < b->v.leader ? -1 : a->v.leader > b->v.leader;
}

static int
reader_cmp(const struct reader *a, const struct reader *b)
{
	return a->client < b->client ? -1 : a->client > b->client;
}

static int
sender_cmp(const struct sender *a, const struct sender *b)
{
	return a->client < b->client ? -1 : a->client > b->client;
}

RB_GENERATE_INTERNAL(view_tree, seen_view, node, view_cmp, UNUSED static)
RB_GENERATE_INTERNAL(reader_tree, reader, node, reader_cmp, UNUSED static)
RB_GENERATE_INTERNAL(sender_tree, sender, node, sender_cmp, UNUSED static)

static void *
need(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		err(1, NULL);
	return p;
}

struct oracle *
oracle_new(void)
{
	struct oracle *o = need(sizeof(*o));

	RB_INIT(&o->views);
	RB_INIT(&o->readers);
	RB_INIT(&o->senders);
	return o;
}

void
oracle_free(struct oracle *o)
{
	struct seen_view *v;
	struct reader *r;
	struct sender *s;

	while ((v = RB_ROOT(&o->views)) != NULL) {
		RB_REMOVE(view_tree, &o->views, v);
		free(v);
	}
	while ((r = RB_ROOT(&o->readers)) != NULL) {
		RB_REMOVE(reader_tree, &o->readers, r);
		free(r);
	}
	while ((s = RB_ROOT(&o->senders)) != NULL) {
		RB_REMOVE(sender_tree, &o->senders, s);
		free(s);
	}
	free(o->lines);
	free(o);
}

/* --- views ------------------------------------------------------------------- */

static bool
same_members(const struct node_view *a, const struct node_view *b)
{
	unsigned i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (a->members[i] != b->members[i] || a->incs[i] != b->incs[i])
			return false;
	}
	return true;
}

static bool
shares_member(const struct node_view *a, const struct node_view *b)
{
	unsigned i, j;

	for (i = 0; i < a->n; i++) {
		for (j = 0; j < b->n; j++) {
			if (a->members[i] == b->members[j])
				return true;
		}
	}
	return false;
}

static void
new_primary(struct sim *sim, unsigned node, const struct node_view *v)
{
	struct node_view *last = &sim->oracle->primary;

	if (v->n < sim_majority(sim))
		sim_broken(sim, S_PRIMARY,
		    "node %u: view %llu is primary with %u of %u nodes",
		    node + 1, (unsigned long long)v->epoch, v->n, sim->p.nodes);
	if (v->epoch == last->epoch &&
	    (v->leader != last->leader || !same_members(v, last)))
		sim_broken(sim, S_PRIMARY, "two primary views with epoch %llu",
		    (unsigned long long)v->epoch);
	if (v->epoch <= last->epoch)
		return;
	if (last->epoch != 0 && !shares_member(v, last))
		sim_broken(sim, S_PRIMARY,
		    "primary view %llu shares nobody with %llu",
		    (unsigned long long)v->epoch,
		    (unsigned long long)last->epoch);
	*last = *v;
}

void
oracle_view(struct sim *sim, unsigned node)
{
	struct simnode *sn = &sim->nodes[node];
	struct seen_view *seen, key;

	node_get_view(sn->node, &key.v);
	if (key.v.epoch == 0 || key.v.epoch == sn->last_epoch) {
		if (key.v.epoch != 0 && key.v.primary)
			new_primary(sim, node, &key.v);
		return;
	}
	if (key.v.epoch < sn->last_epoch)
		sim_broken(sim, S_EPOCH_GROWS,
		    "node %u: view %llu after view %llu", node + 1,
		    (unsigned long long)key.v.epoch,
		    (unsigned long long)sn->last_epoch);
	sn->last_epoch = key.v.epoch;
	sim->nviews++;
	seen = RB_FIND(view_tree, &sim->oracle->views, &key);
	if (seen == NULL) {
		seen = need(sizeof(*seen));
		seen->v = key.v;
		RB_INSERT(view_tree, &sim->oracle->views, seen);
	} else if (!same_members(&seen->v, &key.v))
		sim_broken(sim, S_VIEWS_AGREE,
		    "node %u: view %llu of leader %u has other members",
		    node + 1, (unsigned long long)key.v.epoch, key.v.leader);
	if (key.v.primary)
		new_primary(sim, node, &key.v);
}

void
oracle_packet(struct sim *sim, unsigned from, const uint8_t *data, size_t len)
{
	struct oracle *o = sim->oracle;
	struct wire_header h;
	struct rbuf r;

	rbuf_init(&r, data, len);
	if (!wire_get_header(&r, &h))
		sim_broken(sim, S_NONCE, "node %u sends no header", from + 1);
	if (h.incarnation != o->incs[from]) {
		o->incs[from] = h.incarnation;
		memset(o->counters[from], 0, sizeof(o->counters[from]));
	}
	if (h.to == 0 || h.to > sim->p.nodes ||
	    h.counter <= o->counters[from][h.to - 1])
		sim_broken(sim, S_NONCE,
		    "node %u: counter %llu after %llu to node %u", from + 1,
		    (unsigned long long)h.counter,
		    (unsigned long long)o->counters[from][h.to - 1], h.to);
	o->counters[from][h.to - 1] = h.counter;
}

/* --- groups ------------------------------------------------------------------- */

static bool
same_line(const struct line *a, const struct line *b)
{
	return a->view == b->view && a->id == b->id && a->sender == b->sender &&
	    a->number == b->number;
}

static void
append(struct sim *sim, const struct line *l)
{
	struct oracle *o = sim->oracle;
	struct sender *s, key = { .client = l->sender };

	if (!l->view) {
		s = RB_FIND(sender_tree, &o->senders, &key);
		if (s == NULL) {
			s = need(sizeof(*s));
			s->client = l->sender;
			RB_INSERT(sender_tree, &o->senders, s);
		}
		if (l->number != s->last + 1)
			sim_broken(sim, S_FIFO,
			    "client %llx: message %llu follows %llu",
			    (unsigned long long)l->sender,
			    (unsigned long long)l->number,
			    (unsigned long long)s->last);
		s->last = l->number;
	}
	if (o->nlines == o->caplines) {
		o->caplines = o->caplines * 2 + 1024;
		o->lines =
		    reallocarray(o->lines, o->caplines, sizeof(*o->lines));
		if (o->lines == NULL)
			err(1, NULL);
	}
	o->lines[o->nlines++] = *l;
}

/* The first word a new member hears is a view that contains it, new in kind. */
static size_t
enter_at(struct sim *sim, const struct line *l)
{
	struct oracle *o = sim->oracle;
	size_t i;

	for (i = o->nlines; i > 0; i--) {
		if (same_line(&o->lines[i - 1], l)) {
			/* The earliest: later ones may repeat its members. */
			while (i > 1) {
				size_t j = i - 1;

				while (j > 0 && !same_line(&o->lines[j - 1], l))
					j--;
				if (j == 0)
					break;
				i = j;
			}
			return i - 1;
		}
	}
	append(sim, l);
	return o->nlines - 1;
}

void
oracle_group(struct sim *sim, uint64_t client, bool view, uint64_t id,
    uint64_t sender, uint64_t number)
{
	struct oracle *o = sim->oracle;
	struct line l = { .view = view,
		.id = id,
		.sender = sender,
		.number = number };
	struct reader *r, key = { .client = client };

	sim->nmessages++;
	r = RB_FIND(reader_tree, &o->readers, &key);
	if (r == NULL) {
		if (!view)
			sim_broken(sim, S_ORDER,
			    "client %llx: a message before the first view",
			    (unsigned long long)client);
		r = need(sizeof(*r));
		r->client = client;
		r->next = enter_at(sim, &l) + 1;
		RB_INSERT(reader_tree, &o->readers, r);
		return;
	}
	if (r->next == o->nlines)
		append(sim, &l);
	else if (!same_line(&o->lines[r->next], &l))
		sim_broken(sim, S_ORDER,
		    "client %llx: line %zu is %s %llx/%llu, others had "
		    "%s %llx/%llu",
		    (unsigned long long)client, r->next,
		    view ? "a view" : "a message",
		    (unsigned long long)(view ? id : sender),
		    (unsigned long long)number,
		    o->lines[r->next].view ? "a view" : "a message",
		    (unsigned long long)(o->lines[r->next].view ?
			    o->lines[r->next].id :
			    o->lines[r->next].sender),
		    (unsigned long long)o->lines[r->next].number);
	r->next++;
}

void
oracle_group_forget(struct sim *sim, uint64_t client)
{
	struct reader *r, key = { .client = client };

	r = RB_FIND(reader_tree, &sim->oracle->readers, &key);
	if (r == NULL)
		return;
	RB_REMOVE(reader_tree, &sim->oracle->readers, r);
	free(r);
}

/* --- locks --------------------------------------------------------------------- */

static bool
compatible(int a, int b)
{
	/* NL CR CW PR PW EX */
	static const char table[6][7] = { "111111", "111110", "111000",
		"110100", "110000", "100000" };

	return table[a][b] == '1';
}

static int
holder_index(const struct resource *r, uint64_t client)
{
	unsigned i;

	for (i = 0; i < r->nholders; i++) {
		if (r->holders[i].client == client)
			return (int)i;
	}
	return -1;
}

void
oracle_grant(struct sim *sim, unsigned ls, unsigned res, uint64_t client,
    int mode)
{
	struct resource *r = &sim->oracle->res[ls][res];
	int at = holder_index(r, client);
	unsigned i;

	if (mode < 0) {
		if (at >= 0)
			r->holders[at] = r->holders[--r->nholders];
		if (r->nholders == 0)
			r->known = false;
		return;
	}
	for (i = 0; i < r->nholders; i++) {
		if ((int)i != at && !compatible(r->holders[i].mode, mode))
			sim_broken(sim, S_GRANTS,
			    "lockspace %u resource %u: client %llx has mode "
			    "%d, client %llx was given %d",
			    ls, res, (unsigned long long)r->holders[i].client,
			    r->holders[i].mode, (unsigned long long)client,
			    mode);
	}
	if (at < 0) {
		ASSERT(r->nholders < HOLDERS_MAX);
		at = (int)r->nholders++;
		r->holders[at].client = client;
	}
	r->holders[at].mode = mode;
}

void
oracle_wrote(struct sim *sim, unsigned ls, unsigned res, uint64_t value)
{
	struct resource *r = &sim->oracle->res[ls][res];

	r->known = true;
	r->value = value;
}

void
oracle_read(struct sim *sim, unsigned ls, unsigned res, uint64_t client,
    uint64_t value, bool notvalid)
{
	struct resource *r = &sim->oracle->res[ls][res];

	if (notvalid) {
		r->known = false;
		return;
	}
	if (r->known && r->value != value)
		sim_broken(sim, S_VALUE,
		    "lockspace %u resource %u: client %llx reads %llu, "
		    "written was %llu",
		    ls, res, (unsigned long long)client,
		    (unsigned long long)value, (unsigned long long)r->value);
}

/* A holder died: a writer's last word may or may not have got through. */
void
oracle_died(struct sim *sim, unsigned ls, unsigned res, uint64_t client)
{
	struct resource *r = &sim->oracle->res[ls][res];

	r->known = false;
	oracle_grant(sim, ls, res, client, -1);
}
