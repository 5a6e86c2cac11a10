/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What changed from one view of this node to the next.
 *
 * Invariants:
 *   V1  members of the new view = members of the old one - left + joined,
 *       each by node and incarnation; a node that came back in the same view
 *       is in both lists;
 *   V2  what is remembered of peers is bounded by the configured nodes, and
 *       is about the last incarnation of each that ended.
 */

#include "changes.h"
#include "names.h"

#define CAUSE_MAX 160

struct ending {
	uint64_t inc; /* 0: nothing is known */
	enum left_why why;
	char cause[CAUSE_MAX];
};

struct changes {
	const struct conf *conf;
	bool have_view;
	struct view view;
	struct ending ends[CONF_NODES_MAX]; /* by place in the configuration */
};

struct changes *
changes_new(const struct conf *conf)
{
	struct changes *ch = calloc(1, sizeof(*ch));

	if (ch != NULL)
		ch->conf = conf;
	return ch;
}

void
changes_free(struct changes *ch)
{
	free(ch);
}

static struct ending *
ending_of(struct changes *ch, uint16_t node)
{
	unsigned i;

	for (i = 0; i < ch->conf->nnodes; i++) {
		if (ch->conf->nodes[i].id == node)
			return &ch->ends[i];
	}
	return NULL;
}

void
changes_peer(struct changes *ch, const struct note *note)
{
	struct ending *e = ending_of(ch, note->node);

	if (e == NULL)
		return;
	if (note->type == NOTE_PEER_UP) {
		/* It is back: what ended that time explains nothing later. */
		if (note->inc == e->inc)
			e->inc = 0;
		return;
	}
	/* A goodbye, once heard, is not made a loss by the silence after it. */
	if (note->inc == e->inc && e->why != LEFT_LOST && e->inc != 0)
		return;
	e->inc = note->inc;
	if (note->type == NOTE_PEER_DOWN)
		e->why = LEFT_LOST;
	else
		e->why = note->code == 1 ? LEFT_CLEAN : LEFT_REPLACED;
	e->cause[0] = '\0';
	if (note->len > 0 && note->data[note->len - 1] == '\0')
		names_put(ch->conf, (const char *)note->data, e->cause,
		    sizeof(e->cause));
}

/* The view's own word counts more: it is the same for all of its members. */
static enum left_why
why_left(const struct view *v, const struct view_member *m,
    const struct ending *e)
{
	const struct view_member *now = view_find(v, m->node);
	unsigned i;

#if MUTANT == 901
	now = NULL;
	e = NULL;
#endif
	for (i = 0; i < v->nlost; i++) {
		if (v->lost[i].node == m->node && v->lost[i].inc == m->inc &&
		    v->lost[i].clean)
			return LEFT_CLEAN;
	}
	if (now != NULL && now->inc > m->inc)
		return LEFT_REPLACED;
	return e != NULL && e->inc == m->inc ? e->why : LEFT_LOST;
}

static void
put_cause(const struct changes *ch, const struct view *v, enum left_why why,
    const struct ending *e, uint64_t inc, struct wbuf *w)
{
	char text[CAUSE_MAX];

	if (why == LEFT_CLEAN)
		strlcpy(text, "it left with goodbye", sizeof(text));
	else if (why == LEFT_REPLACED)
		strlcpy(text, "a newer incarnation came", sizeof(text));
	else if (e != NULL && e->inc == inc && e->cause[0] != '\0')
		strlcpy(text, e->cause, sizeof(text));
	else
		names_put(ch->conf, v->cause, text, sizeof(text));
	wbuf_str(w, text);
}

static void
put_member(const struct changes *ch, const struct view_member *m,
    struct wbuf *w)
{
	const struct conf_node *cn = conf_node(ch->conf, m->node);

	wbuf_u16(w, m->node);
	wbuf_u64(w, m->inc);
	wbuf_str(w, cn == NULL ? "?" : cn->name);
}

/* Those of a view that are not in the other one. */
static unsigned
missing(const struct view *of, const struct view *in, bool *list)
{
	unsigned i, n = 0;

	for (i = 0; i < of->n; i++) {
		list[i] =
		    !view_has(in, of->members[i].node, of->members[i].inc);
#if MUTANT == 904
		list[i] = view_find(in, of->members[i].node) == NULL;
#endif
		n += list[i];
	}
	return n;
}

bool
changes_view(struct changes *ch, const struct view *v, struct wbuf *w)
{
	bool came[CONF_NODES_MAX] = { false }, went[CONF_NODES_MAX] = { false };
	const struct view_member *m;
	const struct ending *e;
	enum left_why why;
	bool had = ch->have_view;
	unsigned i, njoined, nleft;

	njoined = missing(v, &ch->view, came);
	nleft = missing(&ch->view, v, went);
	ASSERT(!had || v->n + nleft == ch->view.n + njoined); /* V1 */
	wbuf_u64(w, v->epoch);
	wbuf_u16(w, (uint16_t)njoined);
	for (i = 0; i < v->n; i++) {
		if (came[i])
			put_member(ch, &v->members[i], w);
	}
	wbuf_u16(w, (uint16_t)nleft);
	for (i = 0; i < ch->view.n; i++) {
		if (!went[i])
			continue;
		m = &ch->view.members[i];
		e = ending_of(ch, m->node);
		why = why_left(v, m, e);
		put_member(ch, m, w);
		wbuf_u8(w, (uint8_t)why);
		put_cause(ch, v, why, e, m->inc, w);
	}
	ch->view = *v;
	ch->have_view = true;
	return had;
}

void
changes_check(const struct changes *ch)
{
	ASSERT(ch->view.n <= CONF_NODES_MAX); /* V2 */
}
