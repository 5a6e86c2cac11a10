/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The operator's orders about votes, given in a quorate view: expect so many,
 * give a node so many, set an option, go back to the file.  An order goes
 * through the total order, so that all members come to the same wish; the
 * coordinator then forms a view of the same members, and that view's electorate
 * carries it.  So votes and options change only from one primary view to the
 * next, which is what the argument in vote.c needs.  A view that comes in
 * between drops the wish, and the client is told to try again.
 *
 * clusterd-protocol(7), section 8.9.
 */

#include <stdio.h>

#include "../proto.h"
#include "names.h"
#include "quorum_internal.h"
#include "version.h"

/* Error numbers of the local protocol; they are Linux's own. */
enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_BUSY = 16,
	ERR_INVAL = 22
};

/* "NODE VOTES" */
static bool
parse_votes(const struct quorum *q, const char *arg, struct quorum_order *o)
{
	const struct conf_node *cn;
	char name[64];
	const char *space = strchr(arg, ' ');
	uint32_t id;

	if (space == NULL || (size_t)(space - arg) >= sizeof(name) ||
	    !vote_number(space + 1, 255, &o->votes))
		return false;
	memcpy(name, arg, (size_t)(space - arg));
	name[space - arg] = '\0';
	cn = conf_node_byname(q->conf, name);
	if (cn == NULL && vote_number(name, UINT16_MAX, &id))
		cn = conf_node(q->conf, (uint16_t)id);
	o->node = cn == NULL ? 0 : cn->id;
	return true;
}

/*
 * What the electorate should become.  Every member computes it from the same
 * electorate, at the same point of the order.
 */
static void
make_wish(const struct quorum *q, const struct quorum_order *o,
    struct vote_wish *w)
{
	const struct electorate *e = &q->info.elect;
	unsigned i;

	if (q->wish.serial > e->serial)
		*w = q->wish;
	else {
		memset(w, 0, sizeof(*w));
		w->serial = e->serial;
		w->n = e->n;
		memcpy(w->v, e->v, e->n * sizeof(w->v[0]));
		w->set = e->set;
		w->opt = e->opt;
		if (e->set && e->expected > electorate_votes(e))
			w->expected = e->expected;
	}
	w->serial++;
	if (o->type == QM_RESET) {
		w->set = false;
		w->opt.given = 0;
	} else if (o->type == QM_OPTION)
		options_give(&w->opt, &o->opt, o->option);
	else
		w->set = true;
	if (o->type == QM_EXPECTED)
		w->expected = o->votes;
	for (i = 0; o->type == QM_VOTES && i < w->n; i++) {
		if (w->v[i].node == o->node)
			w->v[i].votes = (uint8_t)o->votes;
	}
}

/* Would the members have quorum after it?  Else a sentence. */
static bool
feasible(const struct quorum *q, const struct quorum_order *o, char *why,
    size_t size)
{
	static const struct vote_nodes none;
	struct electorate next;
	struct vote_wish w;

	make_wish(q, o, &w);
	electorate_next(q->conf, &q->info.elect, &w, &none, &q->here, &q->here,
	    &next);
	if (o->type == QM_EXPECTED && o->votes < q->info.votes) {
		snprintf(why, size,
		    "%u votes are present: no fewer can be expected",
		    q->info.votes);
		return false;
	}
	if (o->type != QM_RESET &&
	    !options_fit(q->conf, &next.opt, &next, why, size))
		return false;
	if (wish_granted(&w, &next))
		return true;
	snprintf(why, size,
	    "with that the %u votes that are present would not be enough",
	    q->info.votes);
	return false;
}

static bool
parse(const struct quorum *q, const char *cmd, const char *arg,
    struct quorum_order *o, char *why, size_t size)
{
	memset(o, 0, sizeof(*o));
	if (strcmp(cmd, "quorum-expected") == 0) {
		o->type = QM_EXPECTED;
		if (vote_number(arg, EXPECTED_MAX, &o->votes) && o->votes > 0)
			return true;
		snprintf(why, size, "expected votes need a number");
		return false;
	}
	if (strcmp(cmd, "quorum-votes") == 0) {
		o->type = QM_VOTES;
		if (!parse_votes(q, arg, o))
			snprintf(why, size, "votes need a node and 0 to 255");
		else if (o->node == 0)
			snprintf(why, size, "no such node is configured");
		else
			return true;
		return false;
	}
	if (strcmp(cmd, "quorum-reset") == 0) {
		o->type = QM_RESET;
		return true;
	}
	if (strcmp(cmd, "quorum-set") == 0) {
		o->type = QM_OPTION;
		return option_parse(q->conf, arg, &o->opt, &o->option, why,
		    size);
	}
	snprintf(why, size, "unknown command \"%s\"", cmd);
	return false;
}

static void
give_order(const struct quorum_order *o, struct bus *bus)
{
	struct note *n;
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u8(&w, (uint8_t)o->type);
	if (o->type == QM_VOTES)
		wbuf_u16(&w, o->node);
	if (o->type == QM_VOTES || o->type == QM_EXPECTED)
		wbuf_u32(&w, o->votes);
	if (o->type == QM_OPTION)
		options_put(&w, &o->opt);
	ASSERT(!w.err);
	n = bus_note(bus, NOTE_ORDER, w.data, w.len);
	n->service = SVC_QUORUM;
	wbuf_free(&w);
}

void
quorum_request(struct quorum *q, const struct note *note, struct bus *bus)
{
	struct quorum_waiter *qw;
	struct quorum_order o;
	char cmd[32], arg[512], why[256];
	struct rbuf r;
	int error = 0;

	rbuf_init(&r, note->data, note->len);
	rbuf_str(&r, cmd, sizeof(cmd));
	rbuf_str(&r, arg, sizeof(arg));
	if (!rbuf_done(&r) || !parse(q, cmd, arg, &o, why, sizeof(why))) {
		error = ERR_INVAL;
		if (r.err)
			strlcpy(why, "malformed command", sizeof(why));
	} else if (!q->info.quorate || !q->synced) {
		error = ERR_AGAIN;
		strlcpy(why,
		    "this node is not in a quorate view: votes cannot be "
		    "changed now; see: quorum",
		    sizeof(why));
	} else if (o.type == QM_OPTION &&
	    (q->features & FEATURE_OPTIONS) == 0) {
		error = ERR_AGAIN;
		strlcpy(why,
		    "a member of the view runs a version that does not know "
		    "this order: upgrade it first; see: nodes",
		    sizeof(why));
	} else if (q->nwaiters == QUORUM_WAITERS) {
		error = ERR_AGAIN;
		strlcpy(why, "too many commands are under way", sizeof(why));
	} else if (!feasible(q, &o, why, sizeof(why)))
		error = ERR_BUSY;
	if (error != 0) {
		bus_client_result(bus, note->client, note->msgid, error, "%s",
		    why);
		return;
	}
	qw = &q->waiters[q->nwaiters++];
	qw->client = note->client;
	qw->msgid = note->msgid;
	qw->serial = 0;
	qw->order = o;
	give_order(&o, bus);
}

static bool
get_order(const struct note *note, struct quorum_order *o)
{
	struct rbuf r;

	memset(o, 0, sizeof(*o));
	rbuf_init(&r, note->data, note->len);
	o->type = (enum quorum_msg)rbuf_u8(&r);
	if (o->type == QM_VOTES)
		o->node = rbuf_u16(&r);
	if (o->type == QM_VOTES || o->type == QM_EXPECTED)
		o->votes = rbuf_u32(&r);
	if (o->type == QM_OPTION) {
		options_get(&r, &o->opt);
		while (o->option < OPT_MAX && o->opt.given != 1u << o->option)
			o->option++;
	}
	return rbuf_done(&r) && o->type >= QM_EXPECTED &&
	    o->type <= QM_OPTION && o->option < OPT_MAX &&
	    o->votes <= EXPECTED_MAX &&
	    (o->type != QM_VOTES || o->votes <= 255);
}

static void
say_order(const struct quorum_order *o, const struct note *note,
    struct bus *bus)
{
	char value[160];

	option_text(&o->opt, o->option, value, sizeof(value));
	if (o->type == QM_OPTION)
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum: %s is to be %s, because the operator on node %u "
		    "wants it",
		    option_name(o->option), value, note->node);
	else if (o->type == QM_EXPECTED)
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum: %u votes are to be expected, because the operator "
		    "on node %u wants it",
		    o->votes, note->node);
	else if (o->type == QM_VOTES)
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum: node %u is to have %u votes, because the operator "
		    "on node %u wants it",
		    o->node, o->votes, note->node);
	else
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum: votes and options are to be as in the file again, "
		    "because the operator on node %u wants it",
		    note->node);
}

void
quorum_ordered(struct quorum *q, const struct note *note, struct bus *bus)
{
	struct quorum_order o;
	struct vote_wish w;
	struct note *n;
	unsigned i;
	bool ok = get_order(note, &o) && q->info.quorate &&
	    (o.type != QM_OPTION || (q->features & FEATURE_OPTIONS) != 0);

	memset(&w, 0, sizeof(w));
	if (ok)
		make_wish(q, &o, &w);
	/* Ours come in the order in which we gave them. */
	for (i = 0; note->node == q->self && i < q->nwaiters; i++) {
		if (q->waiters[i].serial == 0) {
			q->waiters[i].serial = ok ? w.serial : UINT64_MAX;
			break;
		}
	}
	if (!ok)
		return;
	q->wish = w;
	say_order(&o, note, bus);
	n = bus_note(bus, NOTE_VOTE_WISH, &w, sizeof(w));
	n->ref = n->data;
}

/* "tie_breaker is lowest now: ", after such an order. */
static void
new_option(const struct quorum *q, const struct quorum_order *o, char *text,
    size_t size)
{
	char raw[200], value[200];

	text[0] = '\0';
	if (o->type != QM_OPTION)
		return;
	option_text(&q->info.elect.opt, o->option, raw, sizeof(raw));
	names_put(q->conf, raw, value, sizeof(value));
	snprintf(text, size, "%s is %s now: ", option_name(o->option), value);
}

/*
 * Orders without a serial are submitted again in the next view by the order
 * itself, so they go on waiting.
 */
void
quorum_settle(struct quorum *q, bool primary, struct bus *bus)
{
	const struct electorate *e = &q->info.elect;
	struct quorum_waiter w;
	char text[256];
	unsigned i = 0;

	if (!primary)
		return;
	while (i < q->nwaiters) {
		w = q->waiters[i];
		if (w.serial == 0) {
			i++;
			continue;
		}
		memmove(&q->waiters[i], &q->waiters[i + 1],
		    (--q->nwaiters - i) * sizeof(w));
		if (w.client == 0)
			continue;
		if (e->serial < w.serial || !wish_granted(&q->wish, e))
			bus_client_result(bus, w.client, w.msgid, ERR_AGAIN,
			    "another view came first, and votes are as they "
			    "were: try again");
		else {
			new_option(q, &w.order, text, sizeof(text));
			bus_client_result(bus, w.client, w.msgid, 0,
			    "%s%u votes are expected now, %u are needed, %u "
			    "are present",
			    text, q->info.expected, q->info.needed,
			    q->info.votes);
		}
	}
	memset(&q->wish, 0, sizeof(q->wish));
}

void
quorum_client_gone(struct quorum *q, uint64_t client)
{
	unsigned i;

	/* Its order may still come; then nobody is answered. */
	for (i = 0; i < q->nwaiters; i++) {
		if (q->waiters[i].client == client)
			q->waiters[i].client = 0;
	}
}
