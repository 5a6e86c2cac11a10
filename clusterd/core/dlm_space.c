/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lockspaces of this node as lspace tells of them: made at the first stop,
 * recovered stage by stage, dropped when the node has left.
 */

#include "dlm_int.h"

static struct dlm_ls *
space_new(struct dlm *d, const struct ls_event *ev)
{
	struct dlm_ls *ls = calloc(1, sizeof(*ls));

	ASSERT(ls != NULL);
	ls->gone = calloc(DLM_NODE_IDS / 64, sizeof(uint64_t));
	ASSERT(ls->gone != NULL);
	ls->dlm = d;
	ls->lsid = ev->lsid;
	strlcpy(ls->name, ev->name, sizeof(ls->name));
	ls->lvblen = (uint8_t)MIN(ev->lvblen, DLM_LVB_MAX);
	RB_INIT(&ls->rsbs);
	RB_INIT(&ls->dirs);
	RB_INIT(&ls->locks);
	TAILQ_INIT(&ls->ops);
	STAILQ_INIT(&ls->parked);
	recover_drop_batches(ls);
	TAILQ_INSERT_TAIL(&d->spaces, ls, entry);
	return ls;
}

static void
mark_gone(struct dlm_ls *ls, uint16_t node)
{
	ls->gone[node / 64] |= UINT64_C(1) << node % 64;
	ls->anygone = true;
}

/*
 * Members that went since the lockspace last ran, also those that are back as
 * somebody new: what they held, and mastered, is gone.
 */
static void
note_gone(struct dlm_ls *ls, const struct ls_event *ev)
{
	unsigned i, j;

	for (i = 0; i < ls->nmembers; i++) {
		for (j = 0; j < ev->nmembers; j++)
			if (ev->members[j].node == ls->members[i].node &&
			    ev->members[j].inc == ls->members[i].inc)
				break;
		if (j == ev->nmembers)
			mark_gone(ls, ls->members[i].node);
	}
}

/* Their senders send again what matters of them. */
static void
unpark_old(struct dlm_ls *ls)
{
	struct parked *p, *next;

	STAILQ_FOREACH_SAFE(p, &ls->parked, entry, next) {
		if (p->epoch >= ls->epoch)
			continue;
		STAILQ_REMOVE(&ls->parked, p, parked, entry);
		ls->parkedlen -= p->len;
		free(p);
	}
}

static void
begin(struct dlm_ls *ls, enum ls_work work)
{
	ls->work = work;
	ls->begun = false;
}

/*
 * The old members are compared before they are replaced; a commit that was
 * not finished is part of the old epoch, which every member has left behind.
 */
static void
stop(struct dlm *d, struct dlm_ls *ls, const struct ls_event *ev)
{
	if (ls == NULL)
		ls = space_new(d, ev);
	else if (ls->stage == LSS_RUN && ls->work == LW_COMMIT)
		recover_commit(ls);
	note_gone(ls, ev);
	ls->epoch = ev->epoch;
	ls->stage = LSS_STOP;
	ls->nmembers = MIN(ev->nmembers, LS_MEMBERS_MAX);
	memcpy(ls->members, ev->members, ls->nmembers * sizeof(ls->members[0]));
	memset(ls->part, 0, sizeof(ls->part));
	ls->nextop = NULL;
	recover_drop_batches(ls);
	unpark_old(ls);
	begin(ls, LW_CLEAR);
	recover_step(ls);
}

/* Late news of a recovery that another has overtaken is ignored. */
static void
stage(struct dlm_ls *ls, const struct ls_event *ev)
{
	if (ev->epoch != ls->epoch)
		return;
	ls->stage = ev->stage;
	if (ev->stage == LSS_DIR)
		begin(ls, LW_NAMES);
	else if (ev->stage == LSS_LOCKS)
		begin(ls, LW_LOCKS);
	recover_step(ls);
}

static void
run(struct dlm_ls *ls, const struct ls_event *ev)
{
	if (ev->epoch != ls->epoch)
		return;
	ls->stage = LSS_RUN;
	begin(ls, LW_COMMIT);
	recover_step(ls);
}

/* Its locks are freed in steps, and its clients' numbers at once. */
static void
gone(struct dlm *d, struct dlm_ls *ls)
{
	struct user *u, *next;

	TAILQ_REMOVE(&d->spaces, ls, entry);
	TAILQ_INSERT_TAIL(&d->dying, ls, entry);
	ls->dead = true;
	for (u = RB_MIN(user_tree, &d->users); u != NULL; u = next) {
		next = RB_NEXT(user_tree, &d->users, u);
		if (u->ls == ls)
			proc_user_gone(d, u);
	}
}

/* Everything but a stop is for a lockspace that we have. */
void
space_event(struct dlm *d, const struct ls_event *ev)
{
	struct dlm_ls *ls = ls_find(d, ev->lsid);
	struct user *u;

	if (ev->type == LSE_STOP) {
		stop(d, ls, ev);
		return;
	}
	if (ls == NULL)
		return;
	switch (ev->type) {
	case LSE_STAGE:
		stage(ls, ev);
		break;
	case LSE_RUN:
		run(ls, ev);
		break;
	case LSE_GONE:
		gone(d, ls);
		break;
	case LSE_FREEZE:
		ls->frozen = true;
		break;
	case LSE_THAW:
		ls->frozen = false;
		if (ls->stage == LSS_RUN)
			begin(ls, LW_COMMIT);
		recover_step(ls);
		break;
	case LSE_DROP:
		u = user_find(d, ev->client, ev->client_lsid);
		if (u != NULL)
			proc_user_gone(d, u);
		break;
	default:
		break;
	}
}

/* Bounded by what well-behaved peers can have under way. */
void
space_park(struct dlm_ls *ls, uint16_t node, uint64_t epoch,
    const uint8_t *data, size_t len)
{
	static const char why[] = "it sent more to a lockspace than may wait";
	struct parked *p;
	struct note *n;

	if (ls->parkedlen + len > DLM_PARK_MAX) {
		/* More than its limits on operations allow: without the
		   session its lockspace recovers, or it is excluded. */
		bus_event(ls->dlm->b, EVK_LOCKSPACE, EVL_WARN,
		    "lockspace %s: session with node %u dropped, because it "
		    "sent more than may wait",
		    ls->name, node);
		n = bus_note(ls->dlm->b, NOTE_PEER_RESET, why, sizeof(why));
		n->node = node;
		return;
	}
	p = calloc(1, sizeof(*p) + len);
	ASSERT(p != NULL);
	p->node = node;
	p->epoch = epoch;
	p->len = len;
	memcpy(p->data, data, len);
	STAILQ_INSERT_TAIL(&ls->parked, p, entry);
	ls->parkedlen += len;
}

static void
free_users(struct dlm *d, const struct dlm_ls *ls)
{
	struct user *u, *next;

	for (u = RB_MIN(user_tree, &d->users); u != NULL; u = next) {
		next = RB_NEXT(user_tree, &d->users, u);
		if (u->ls == ls)
			user_free(d, u);
	}
}

/* Locks first: they point to resources and users. */
bool
space_free_step(struct dlm_ls *ls)
{
	unsigned budget = DLM_STEP;
	struct lock *lk;
	struct rsb *r;
	struct dir *d;

	for (; budget > 0; budget--) {
		if ((lk = RB_ROOT(&ls->locks)) != NULL)
			lock_free(ls, lk);
		else if ((r = RB_ROOT(&ls->rsbs)) != NULL)
			rsb_free(ls, r);
		else if ((d = RB_ROOT(&ls->dirs)) != NULL)
			dir_free(ls, d);
		else
			break;
	}
	if (budget == 0)
		return false;
	free_users(ls->dlm, ls);
	ls->epoch = UINT64_MAX;
	unpark_old(ls);
	recover_drop_batches(ls);
	TAILQ_REMOVE(&ls->dlm->dying, ls, entry);
	free(ls->gone);
	free(ls);
	return true;
}
