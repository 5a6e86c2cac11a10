/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What views and fences do to lockspaces.  All of it follows from the
 * replicated state, the view and NOTE_FENCED alone, so that every node with
 * state does the same; only freezing is a node's own.
 */

#include <stdio.h>

#include "lspace_int.h"
#include "names.h"

/* Who says goodbye has nothing shared any more. */
static bool
left_clean(const struct view *v, const struct ls_member *m)
{
	unsigned i;

	for (i = 0; i < v->nlost; i++)
		if (v->lost[i].node == m->node && v->lost[i].inc == m->inc)
			return v->lost[i].clean;
	return false;
}

static uint64_t
fenced_inc(const struct lspace *l, uint16_t node)
{
	unsigned i;

	for (i = 0; i < l->nfenced; i++)
		if (l->fenced[i].node == node)
			return l->fenced[i].inc;
	return 0;
}

static void
note_fenced(struct lspace *l, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < l->nfenced; i++)
		if (l->fenced[i].node == node)
			break;
	if (i == CONF_NODES_MAX)
		return;
	if (i == l->nfenced)
		l->fenced[l->nfenced++] = (struct suspect){ .node = node };
	l->fenced[i].inc = MAX(l->fenced[i].inc, inc);
}

/* Moves members that the view has not to the losses; true if any. */
static bool
take_losses(const struct lspace *l, struct space *sp, const struct view *v,
    char *who, size_t wholen)
{
	uint16_t ids[LS_PEOPLE_MAX] = { 0 };
	unsigned i, n = 0;
	struct part *p;

	for (i = 0; i < sp->nparts;) {
		p = &sp->parts[i];
		if (view_has(v, p->who.node, p->who.inc)) {
			i++;
			continue;
		}
		/* Room was kept when it joined. */
		ASSERT(sp->nlost < LS_PEOPLE_MAX);
		ids[n++] = p->who.node;
		sp->lost[sp->nlost].who = p->who;
		sp->lost[sp->nlost].fenced = left_clean(v, &p->who) ||
		    p->who.inc <= fenced_inc(l, p->who.node);
		sp->nlost++;
		space_remove(sp, p);
	}
	names_list(ids, n, ", ", who, wholen);
	return n > 0;
}

/*
 * Sessions may have broken with the old view and taken lock messages with
 * them, so that a new view alone is reason enough.
 */
static void
view_space(struct lspace *l, struct space *sp, const struct view *v,
    bool suspected, struct bus *b)
{
	bool lost, alone = sp->nparts < 2;
	char who[128], cause[192];

	lost = take_losses(l, sp, v, who, sizeof(who));
	/* Alone, it has no session that may have broken. */
	if (!lost && !suspected && alone)
		return;
	if (lost)
		snprintf(cause, sizeof(cause), "view %llu lost %s",
		    (unsigned long long)v->epoch, who);
	else if (suspected)
		snprintf(cause, sizeof(cause),
		    "view %llu lost a node that may use it now",
		    (unsigned long long)v->epoch);
	else
		snprintf(cause, sizeof(cause), "view %llu is a new one",
		    (unsigned long long)v->epoch);
	space_recover(l, sp, lost, cause, b);
	space_advance(l, sp, b);
}

/*
 * Everything stopped once: what was lost then may have used anything.  And who
 * goes on as we do may use anything from now on.  True if there is somebody.
 */
static bool
take_suspects(struct lspace *l, const struct view *v)
{
	unsigned i, n = l->nsuspects;

#if MUTANT == 703
	if (!v->scratch)
		return false;
#endif
	if (!v->scratch && !view_forks(v))
		return false;
	for (i = 0; i < v->nlost; i++) {
		if (v->lost[i].clean || l->nsuspects == CONF_NODES_MAX ||
		    v->lost[i].inc <= fenced_inc(l, v->lost[i].node))
			continue;
		l->suspects[l->nsuspects].node = v->lost[i].node;
		l->suspects[l->nsuspects].inc = v->lost[i].inc;
		l->nsuspects++;
	}
	return l->nsuspects > n;
}

/* Without quorum nobody knows what the others grant. */
void
lspace_freeze(struct lspace *l, bool frozen, struct bus *b)
{
	struct space *sp;

	if (l->frozen == frozen)
		return;
	l->frozen = frozen;
	TAILQ_FOREACH(sp, &l->spaces, entry)
		if (space_self(l, sp) != NULL)
			space_emit(l, sp, frozen ? LSE_FREEZE : LSE_THAW, NULL,
			    b);
}

void
lspace_view(struct lspace *l, const struct view *v, struct bus *b)
{
	const struct view_member *me = view_find(v, l->self);
	struct space *sp, *next;
	bool suspected;

	if (!v->primary) {
		lspace_freeze(l, true, b);
		return;
	}
	/* A fresh one waits for the snapshot, which has all of this. */
	if (me == NULL || me->fresh)
		return;
	suspected = take_suspects(l, v);
	TAILQ_FOREACH_SAFE(sp, &l->spaces, entry, next)
		view_space(l, sp, v, suspected, b);
}

/* Older incarnations of a node had ended before this one began. */
void
lspace_fenced(struct lspace *l, uint16_t node, uint64_t inc, struct bus *b)
{
	struct space *sp, *next;
	unsigned i, k;

	for (i = k = 0; i < l->nsuspects; i++)
		if (l->suspects[i].node != node || l->suspects[i].inc > inc)
			l->suspects[k++] = l->suspects[i];
	l->nsuspects = k;
	note_fenced(l, node, inc);
	TAILQ_FOREACH_SAFE(sp, &l->spaces, entry, next) {
		for (i = 0; i < sp->nlost; i++)
			if (sp->lost[i].who.node == node &&
			    sp->lost[i].who.inc <= inc)
				sp->lost[i].fenced = true;
		if (sp->stage == LSS_FENCE)
			space_advance(l, sp, b);
	}
}
