/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Committed compounds whose buffers are on their way home.  AIL1 holds those
 * that are not home yet: the log's tail may not pass them.  AIL2 holds those
 * that are, and whose images a recovery would still replay: freeing such a
 * block, or giving its lock away, needs a revoke.
 */

#include <errno.h>

#include "log_int.h"

/* Home and nothing younger pinned: only then may the tail pass. */
static bool
is_home(const struct bh *bh)
{
	return !(bh->flags & (BH_DIRTY | BH_WRITING | BH_PINNED));
}

struct compound *
ail_sort(struct logstate *ls)
{
	struct compound *c, *oldest = NULL;
	struct bd *bd, *next;

	TAILQ_FOREACH(c, &ls->committed, entry) {
		TAILQ_FOREACH_SAFE(bd, &c->ail1, ail_entry, next) {
			if (!is_home(bd->bh))
				continue;
			TAILQ_REMOVE(&c->ail1, bd, ail_entry);
			bd->home = true;
			TAILQ_INSERT_TAIL(&c->ail2, bd, ail_entry);
		}
		if (oldest == NULL && !TAILQ_EMPTY(&c->ail1))
			oldest = c;
	}
	return oldest;
}

/* Pinned ones are left out by cache_writeback() (L5); they move later. */
int
ail_write(struct logstate *ls, size_t max)
{
	struct compound *c;
	struct bh **v;
	struct bd *bd;
	size_t n = 0, i;
	int error;

	max = MIN(max, (size_t)ls->ail_total);
	if (max == 0)
		return 0;
	v = calloc(max, sizeof(struct bh *));
	if (v == NULL)
		return ENOMEM;
	TAILQ_FOREACH(c, &ls->committed, entry) {
		TAILQ_FOREACH(bd, &c->ail1, ail_entry) {
			if (n == max)
				break;
			cache_hold(bd->bh);
			v[n++] = bd->bh;
		}
	}
	error = cache_writeback(ls->fs, v, n);
	for (i = 0; i < n; i++)
		cache_put(v[i]);
	free(v);
	return error;
}

/* Out of the log; clean and unreferenced buffers may go from the cache now. */
static void
bd_free(struct bd *bd)
{
	struct bh *bh = bd->bh;

	bd_leave_ail(bd);
	bh->bd = NULL;
	free(bd);
	cache_settle(bh);
}

/* L10: their images are behind the tail, no replay will see them. */
void
ail_release(struct logstate *ls, uint64_t number)
{
	struct compound *c;
	struct bd *bd;

	while (
	    (c = TAILQ_FIRST(&ls->committed)) != NULL && c->number < number) {
		ASSERT(TAILQ_EMPTY(&c->ail1));
		while ((bd = TAILQ_FIRST(&c->ail2)) != NULL) {
			/* Pinned again: only its old images are history. */
			if (bd->open || bd->sealed)
				bd_leave_ail(bd);
			else
				bd_free(bd);
		}
		TAILQ_REMOVE(&ls->committed, c, entry);
		free(c);
	}
}

/* One compound that will never be committed. */
static void
drop_pinned(struct compound *c)
{
	struct bd *bd;

	while ((bd = TAILQ_FIRST(&c->open)) != NULL) {
		TAILQ_REMOVE(&c->open, bd, open_entry);
		bd->open = false;
		if (bd->sealed)
			continue; /* the other compound has it, too */
		bd->gl->nlog--;
		bd->bh->flags &= ~BH_PINNED;
		bd_free(bd);
	}
	while ((bd = TAILQ_FIRST(&c->sealed)) != NULL) {
		TAILQ_REMOVE(&c->sealed, bd, sealed_entry);
		bd->sealed = false;
		if (bd->bh == NULL) {
			free(bd);
			continue;
		}
		bd->gl->nlog--;
		bd->bh->flags &= ~BH_PINNED;
		bd_free(bd);
	}
	revokes_free(c, true);
	free(c->body);
	free(c);
}

/* Buffers stay dirty in the cache, but nobody will write them. */
void
ail_drop_all(struct logstate *ls)
{
	struct compound *c;
	struct bd *bd;

	drop_pinned(ls->open);
	if (ls->sealed != NULL)
		drop_pinned(ls->sealed);
	ls->open = ls->sealed = NULL;
	while ((c = TAILQ_FIRST(&ls->committed)) != NULL) {
		while ((bd = TAILQ_FIRST(&c->ail1)) != NULL)
			bd_free(bd);
		while ((bd = TAILQ_FIRST(&c->ail2)) != NULL)
			bd_free(bd);
		TAILQ_REMOVE(&ls->committed, c, entry);
		free(c);
	}
}
