/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a sequence of operations has the answers that the kernel's lock
 * manager was seen to give, wherever the locks and their master are: each
 * script runs with all of its locks on one node and spread over three, with
 * the resource mastered here and there.
 */

#include <errno.h>
#include <stdio.h>

#include <atf-c.h>

#include "dlm_fixture.h"

/* One step of a script: who does what, and what is seen after it. */
enum act {
	A_END = 0,
	A_LOCK,
	A_CONVERT,
	A_UNLOCK,
	A_CANCEL,
	A_SEE, /* nothing: look again */
	A_DIE  /* the lock's client goes */
};

#define NOTYET -1 /* no completion yet */

struct step {
	char who; /* 'a'..'h' */
	enum act act;
	int mode;
	uint32_t flags;
	char lvb;    /* given with it; 0: none */
	int status;  /* NOTYET, or errno of the completion */
	int granted; /* mode of the completion */
	unsigned sbflags;
	char read; /* value block read; 0: none; '0': zeros */
	int basts; /* callbacks since the start, or NOTYET: any */
};

#define WAITS	    NOTYET, 0, 0, 0
#define OK(m)	    0, m, 0, 0
#define FAILS(e, m) e, m, 0, 0

struct script {
	const char *name;
	struct step steps[24];
};

static const struct script scripts[] = {
	{ "a refused request leaves nothing",
	    { { 'a', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'b', A_LOCK, DLM_PR, DLM_F_NOQUEUE, 0, FAILS(EAGAIN, 0), 0 },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_EX), 0 },
		{ 'c', A_LOCK, DLM_PR, DLM_F_NOQUEUE | DLM_F_NOQUEUEBAST, 0,
		    FAILS(EAGAIN, 0), 0 },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_EX), 1 },
		{ 'a', A_UNLOCK, 0, 0, 0, OK(0), 1 } } },
	{ "cancel and unlock of what waits",
	    { { 'a', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'b', A_LOCK, DLM_EX, 0, 0, WAITS, 0 },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_EX), 1 },
		{ 'b', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, 0), 0 },
		{ 'c', A_LOCK, DLM_EX, 0, 0, WAITS, 0 },
		{ 'c', A_UNLOCK, 0, DLM_F_FORCEUNLOCK, 0, OK(0), 0 },
		{ 'd', A_LOCK, DLM_EX, 0, 0, WAITS, 0 },
		{ 'd', A_UNLOCK, 0, 0, 0, OK(0), 0 },
		{ 'a', A_UNLOCK, 0, 0, 0, OK(0), NOTYET } } },
	{ "cancel and unlock of what converts",
	    { { 'a', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'b', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, 0, 0, WAITS, 0 },
		{ 'b', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, 0, 0, WAITS, 0 },
		{ 'b', A_UNLOCK, 0, DLM_F_FORCEUNLOCK, 0, OK(0), 0 },
		{ 'a', A_UNLOCK, 0, 0, 0, OK(0), NOTYET } } },
	{ "the second of two conversions fails in a deadlock",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'a', A_CONVERT, DLM_EX, 0, 0, WAITS, 0 },
		{ 'b', A_CONVERT, DLM_EX, 0, 0, FAILS(EDEADLK, DLM_PR), 1 },
		{ 'a', A_SEE, 0, 0, 0, WAITS, 0 },
		{ 'b', A_CONVERT, DLM_NL, 0, 0, OK(DLM_NL), 1 },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_EX), 0 } } },
	{ "or is demoted if it wants",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'a', A_CONVERT, DLM_EX, DLM_F_CONVDEADLK, 0, WAITS, 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_CONVDEADLK, 0, WAITS, 1 },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_EX), 1 },
		{ 'a', A_UNLOCK, 0, 0, 0, OK(0), 1 },
		{ 'b', A_SEE, 0, 0, 0, 0, DLM_EX, DLM_SBF_DEMOTED, 0, 1 } } },
	{ "or waits and is told to give way",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'a', A_CONVERT, DLM_EX, DLM_F_NODLCKWT, 0, WAITS, 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_NODLCKWT, 0, WAITS, 1 },
		{ 'a', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, DLM_PR), NOTYET },
		{ 'b', A_SEE, 0, 0, 0, WAITS, 1 },
		{ 'a', A_UNLOCK, 0, DLM_F_FORCEUNLOCK, 0, OK(0), NOTYET },
		{ 'b', A_SEE, 0, 0, 0, OK(DLM_EX), 1 } } },
	{ "a conversion that may not wait does not deadlock",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'a', A_CONVERT, DLM_EX, 0, 0, WAITS, 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_NOQUEUE, 0,
		    FAILS(EAGAIN, DLM_PR), 1 } } },
	{ "alternate modes",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_CW, DLM_F_ALTPR, 0, 0, DLM_PR,
		    DLM_SBF_ALTMODE, 0, 0 },
		{ 'c', A_LOCK, DLM_EX, DLM_F_ALTPR | DLM_F_NOQUEUE, 0, 0,
		    DLM_PR, DLM_SBF_ALTMODE, 0, 0 } } },
	{ "alternate modes, the other way round",
	    { { 'a', A_LOCK, DLM_CW, 0, 0, OK(DLM_CW), 0 },
		{ 'b', A_LOCK, DLM_PR, DLM_F_ALTCW, 0, 0, DLM_CW,
		    DLM_SBF_ALTMODE, 0, 0 } } },
	{ "new locks wait in order, but for HEADQUE",
	    { { 'h', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'a', A_LOCK, DLM_PR, 0, 0, WAITS, 0 },
		{ 'b', A_LOCK, DLM_EX, 0, 0, WAITS, 0 },
		{ 'c', A_LOCK, DLM_PR, 0, 0, WAITS, 0 },
		{ 'd', A_LOCK, DLM_EX, DLM_F_HEADQUE, 0, WAITS, 0 },
		{ 'h', A_UNLOCK, 0, 0, 0, OK(0), NOTYET },
		{ 'd', A_SEE, 0, 0, 0, OK(DLM_EX), NOTYET },
		{ 'a', A_SEE, 0, 0, 0, WAITS, 0 },
		{ 'd', A_UNLOCK, 0, 0, 0, OK(0), NOTYET },
		{ 'a', A_SEE, 0, 0, 0, OK(DLM_PR), 1 },
		{ 'b', A_SEE, 0, 0, 0, WAITS, 0 },
		{ 'c', A_SEE, 0, 0, 0, WAITS, 0 },
		{ 'a', A_UNLOCK, 0, 0, 0, OK(0), 1 },
		{ 'b', A_SEE, 0, 0, 0, OK(DLM_EX), NOTYET },
		{ 'c', A_SEE, 0, 0, 0, WAITS, 0 },
		{ 'b', A_UNLOCK, 0, 0, 0, OK(0), NOTYET },
		{ 'c', A_SEE, 0, 0, 0, OK(DLM_PR), 0 } } },
	{ "NOORDER and EXPEDITE pass the queue",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_EX, 0, 0, WAITS, 0 },
		{ 'c', A_LOCK, DLM_PR, 0, 0, WAITS, 0 },
		{ 'c', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, 0), 0 },
		/* Better than the model: who overtook is told so. */
		{ 'd', A_LOCK, DLM_PR, DLM_F_NOORDER, 0, OK(DLM_PR), 1 },
		{ 'd', A_UNLOCK, 0, DLM_F_FORCEUNLOCK, 0, OK(0), 1 },
		{ 'e', A_LOCK, DLM_NL, 0, 0, WAITS, 0 },
		{ 'e', A_UNLOCK, 0, DLM_F_FORCEUNLOCK, 0, OK(0), 0 },
		{ 'f', A_LOCK, DLM_NL, DLM_F_EXPEDITE, 0, OK(DLM_NL), 0 },
		{ 'f', A_UNLOCK, 0, 0, 0, OK(0), 0 },
		{ 'b', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, 0), 0 } } },
	{ "conversions overtake unless QUECVT",
	    { { 'a', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'b', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'c', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, 0, 0, WAITS, 0 },
		{ 'c', A_CONVERT, DLM_PR, 0, 0, OK(DLM_PR), 1 },
		{ 'c', A_CONVERT, DLM_NL, 0, 0, OK(DLM_NL), 1 },
		{ 'c', A_CONVERT, DLM_PR, DLM_F_QUECVT, 0, WAITS, 1 },
		{ 'b', A_CANCEL, 0, 0, 0, FAILS(ECANCELED, DLM_NL), 0 },
		{ 'c', A_SEE, 0, 0, 0, OK(DLM_PR), 1 } } },
	{ "a value block is written, read, invalidated, written",
	    { { 'a', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_LOCK, DLM_EX, DLM_F_VALBLK, 0, 0, DLM_EX, 0, '0', 0 },
		{ 'b', A_CONVERT, DLM_NL, DLM_F_VALBLK, 'R', OK(DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_VALBLK, 'x', 0, DLM_EX, 0, 'R',
		    0 },
		{ 'b', A_UNLOCK, 0, DLM_F_IVVALBLK, 0, OK(0), 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR,
		    DLM_SBF_VALNOTVALID, 'R', 0 },
		{ 'a', A_CONVERT, DLM_NL, 0, 0, 0, DLM_NL, DLM_SBF_VALNOTVALID,
		    0, 0 },
		{ 'a', A_CONVERT, DLM_EX, DLM_F_VALBLK, 'x', 0, DLM_EX,
		    DLM_SBF_VALNOTVALID, 'R', 0 },
		{ 'a', A_CONVERT, DLM_NL, DLM_F_VALBLK, 'N', OK(DLM_NL), 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR, 0, 'N',
		    0 } } },
	{ "an unlock writes the value block",
	    { { 'a', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'b', A_UNLOCK, 0, DLM_F_VALBLK, 'U', OK(0), 0 },
		{ 'c', A_LOCK, DLM_PR, 0, 0, OK(DLM_PR), 0 },
		{ 'c', A_UNLOCK, 0, DLM_F_VALBLK, 'x', OK(0), 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR, 0, 'U',
		    0 } } },
	{ "a dead writer makes a value block invalid",
	    { { 'a', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'a', A_CONVERT, DLM_NL, DLM_F_VALBLK, 'R', OK(DLM_NL), 0 },
		{ 'b', A_LOCK, DLM_EX, DLM_F_VALBLK, 0, 0, DLM_EX, 0, 'R', 0 },
		{ 'b', A_DIE, 0, 0, 0, 0, DLM_EX, 0, 'R', 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR,
		    DLM_SBF_VALNOTVALID, 'R', 0 } } },
	{ "a dead reader does not",
	    { { 'a', A_LOCK, DLM_EX, 0, 0, OK(DLM_EX), 0 },
		{ 'a', A_CONVERT, DLM_NL, DLM_F_VALBLK, 'R', OK(DLM_NL), 0 },
		{ 'b', A_LOCK, DLM_PR, DLM_F_VALBLK, 0, 0, DLM_PR, 0, 'R', 0 },
		{ 'b', A_DIE, 0, 0, 0, 0, DLM_PR, 0, 'R', 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR, 0, 'R',
		    0 } } },
	{ "a value block that was never written is not invalid",
	    { { 'a', A_LOCK, DLM_NL, 0, 0, OK(DLM_NL), 0 },
		{ 'b', A_LOCK, DLM_EX, DLM_F_VALBLK, 0, 0, DLM_EX, 0, '0', 0 },
		{ 'b', A_DIE, 0, 0, 0, 0, DLM_EX, 0, '0', 0 },
		{ 'a', A_CONVERT, DLM_PR, DLM_F_VALBLK, 'x', 0, DLM_PR, 0, '0',
		    0 } } },
	{ "calls that make no sense",
	    { { 'a', A_LOCK, 6, 0, 0, FAILS(EINVAL, 0), 0 },
		{ 'b', A_LOCK, DLM_NL, DLM_F_EXPEDITE, 0, OK(DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_NL, DLM_F_QUECVT, 0,
		    FAILS(EINVAL, DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_VALBLK, 0,
		    FAILS(EINVAL, DLM_NL), 0 },
		{ 'b', A_CONVERT, DLM_EX, DLM_F_QUECVT, 0, OK(DLM_EX), 0 },
		{ 'b', A_UNLOCK, 0, DLM_F_NOQUEUE, 0, FAILS(EINVAL, DLM_EX),
		    0 },
		{ 'b', A_UNLOCK, 0, DLM_F_VALBLK, 0, FAILS(EINVAL, DLM_EX), 0 },
		{ 'b', A_UNLOCK, 0, 0, 0, OK(0), 0 } } },
};

/*
 * Where a script's locks are: the node of lock 'a' + i is digit i, and the
 * node that touches the resource first, and so masters it, is m.
 */
static const struct placement {
	unsigned master;
	const char *nodes;
} placements[] = {
	{ 1, "11111111" },
	{ 2, "11111111" },
	{ 1, "12312312" },
	{ 2, "31231231" },
	{ 3, "23132132" },
	{ 3, "12121212" },
};

static void
act(struct fx *fx, struct fx_lock **l, const struct step *s, unsigned node)
{
	uint8_t lvb[DLM_LVB_MAX];
	const uint8_t *given = s->lvb != 0 ? lvb : NULL;

	memset(lvb, s->lvb, sizeof(lvb));
	switch (s->act) {
	case A_LOCK:
		*l = fx_lock(fx, node, (uint64_t)s->who, 1, s->mode, s->flags);
		break;
	case A_CONVERT:
		(*l)->asts = 0;
		fx_convert(fx, *l, s->mode, s->flags, given);
		break;
	case A_UNLOCK:
		(*l)->asts = 0;
		fx_unlock(fx, *l, s->flags, given);
		break;
	case A_CANCEL:
		fx_cancel(fx, *l);
		break;
	case A_DIE:
		fx_client_gone(fx, node, (uint64_t)s->who);
		break;
	case A_SEE:
	case A_END:
		break;
	}
	fx_drain(fx);
}

static void
expect(const char *where, const struct step *s, const struct fx_lock *l)
{
	char read = 0;

	if (s->basts != NOTYET)
		ATF_REQUIRE_EQ_MSG((unsigned)s->basts, l->basts,
		    "%s: %u callbacks", where, l->basts);
	ATF_REQUIRE_EQ_MSG(s->status == NOTYET ? 0u : 1u, l->asts,
	    "%s: %u completions", where, l->asts);
	if (s->status == NOTYET)
		return;
	ATF_REQUIRE_EQ_MSG(s->status, l->status, "%s: status %d", where,
	    l->status);
	ATF_REQUIRE_EQ_MSG(s->granted, l->mode, "%s: mode %d", where, l->mode);
	ATF_REQUIRE_EQ_MSG(s->sbflags, l->sbflags, "%s: flags %#x", where,
	    l->sbflags);
	if (l->haslvb)
		read = l->lvb[31] == 0 ? '0' : (char)l->lvb[31];
	ATF_REQUIRE_EQ_MSG(s->read, read, "%s: read %d", where, read);
}

static void
run_script(const struct script *sc, const struct placement *p)
{
	struct fx_lock *l[8] = { NULL }, *first, *last;
	struct fx fx;
	char where[200];
	unsigned i, k;

	fx_init(&fx, 3);
	first = fx_lock(&fx, p->master, 99, 1, DLM_NL, 0);
	fx_drain(&fx);
	for (i = 0; sc->steps[i].act != A_END; i++) {
		k = (unsigned)(sc->steps[i].who - 'a');
		snprintf(where, sizeof(where),
		    "%s, master %u, nodes %s, "
		    "step %u",
		    sc->name, p->master, p->nodes, i + 1);
		act(&fx, &l[k], &sc->steps[i], (unsigned)p->nodes[k] - '0');
		expect(where, &sc->steps[i], l[k]);
	}
	/* Everything is given back, and nothing stays behind. */
	for (k = 0; k < 8; k++)
		if (l[k] != NULL && l[k]->used)
			fx_unlock(&fx, l[k], DLM_F_FORCEUNLOCK, NULL);
	fx_drain(&fx);
	last = fx_lock(&fx, 1, 98, 1, DLM_EX, DLM_F_NOQUEUE);
	fx_drain(&fx);
	ATF_REQUIRE_EQ_MSG(0, last->status, "%s: something stays", sc->name);
	fx_unlock(&fx, first, 0, NULL);
	fx_unlock(&fx, last, 0, NULL);
	fx_drain(&fx);
	fx_require_empty(&fx);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(transcript);
ATF_TC_BODY(transcript, tc)
{
	unsigned i, j;

	for (i = 0; i < NITEMS(scripts); i++)
		for (j = 0; j < NITEMS(placements); j++)
			run_script(&scripts[i], &placements[j]);
}

/* The whole table of conversions with a value block, seen from outside. */
static void
lvb_cell(unsigned master, unsigned wnode, unsigned unode, int gr, int rq)
{
	static const char *const table[] = { "RRRRRR", ".RRRRR", "..RRRR",
		"...RRR", "WWWWWR", "WWWWWW" };
	uint8_t r[DLM_LVB_MAX], u[DLM_LVB_MAX];
	struct fx_lock *first, *w, *x;
	struct fx fx;
	char what = table[gr][rq];

	memset(r, 'R', sizeof(r));
	memset(u, 'U', sizeof(u));
	fx_init(&fx, 3);
	first = fx_lock(&fx, master, 9, 1, DLM_NL, 0);
	w = fx_lock(&fx, wnode, 1, 1, DLM_EX, DLM_F_VALBLK);
	fx_drain(&fx);
	fx_convert(&fx, w, DLM_NL, DLM_F_VALBLK, r);
	fx_drain(&fx);
	x = fx_lock(&fx, unode, 2, 1, gr, DLM_F_VALBLK);
	fx_drain(&fx);
	ATF_REQUIRE(x->haslvb && x->lvb[0] == 'R');
	fx_convert(&fx, x, rq, DLM_F_VALBLK, u);
	fx_drain(&fx);
	ATF_REQUIRE_EQ(rq, x->mode);
	ATF_REQUIRE_EQ_MSG(what == 'R', x->haslvb, "%s to %s",
	    dlm_mode_name(gr), dlm_mode_name(rq));
	fx_convert(&fx, x, DLM_NL, 0, NULL);
	fx_drain(&fx);
	fx_convert(&fx, w, DLM_CR, DLM_F_VALBLK, u);
	fx_drain(&fx);
	ATF_REQUIRE(w->haslvb);
	ATF_REQUIRE_EQ_MSG(what == 'W' ? 'U' : 'R', w->lvb[0], "%s to %s",
	    dlm_mode_name(gr), dlm_mode_name(rq));
	ATF_REQUIRE_EQ(0, w->sbflags);
	fx_unlock(&fx, first, 0, NULL);
	fx_unlock(&fx, w, 0, NULL);
	fx_unlock(&fx, x, 0, NULL);
	fx_drain(&fx);
	fx_require_empty(&fx);
	fx_free(&fx);
}

ATF_TC_WITHOUT_HEAD(value_block_table);
ATF_TC_BODY(value_block_table, tc)
{
	int gr, rq;

	for (gr = DLM_NL; gr <= DLM_EX; gr++) {
		for (rq = DLM_NL; rq <= DLM_EX; rq++) {
			lvb_cell(1, 1, 1, gr, rq);
			lvb_cell(1, 2, 3, gr, rq);
			lvb_cell(3, 3, 1, gr, rq);
		}
	}
}

ATF_TC_WITHOUT_HEAD(compatibility_table);
ATF_TC_BODY(compatibility_table, tc)
{
	struct fx_lock *x, *y;
	struct fx fx;
	int gr, rq;

	fx_init(&fx, 3);
	for (gr = DLM_NL; gr <= DLM_EX; gr++) {
		for (rq = DLM_NL; rq <= DLM_EX; rq++) {
			x = fx_lock(&fx, 2, 1, 1, gr, 0);
			fx_drain(&fx);
			y = fx_lock(&fx, 3, 1, 1, rq, DLM_F_NOQUEUE);
			fx_drain(&fx);
			ATF_CHECK_EQ_MSG(dlm_compat(gr, rq) ? 0 : EAGAIN,
			    y->status, "%s against %s", dlm_mode_name(gr),
			    dlm_mode_name(rq));
			if (y->used)
				fx_unlock(&fx, y, 0, NULL);
			fx_unlock(&fx, x, 0, NULL);
			fx_drain(&fx);
		}
	}
	fx_require_empty(&fx);
	fx_free(&fx);
}

/* Names are bytes, and 0 to 64 of them. */
ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const char zero[] = { 'a', 0 };
	struct fx_lock *a, *b, *c, *d;
	char name[66];
	struct fx fx;

	memset(name, 'q', sizeof(name));
	fx_init(&fx, 2);
	a = fx_lock_name(&fx, 1, 1, name, 64, DLM_EX, 0);
	b = fx_lock_name(&fx, 2, 1, "", 0, DLM_EX, 0);
	c = fx_lock_name(&fx, 1, 1, "a", 1, DLM_EX, 0);
	d = fx_lock_name(&fx, 2, 1, zero, 2, DLM_EX, 0);
	fx_drain(&fx);
	ATF_CHECK(a->asts == 1 && a->status == 0);
	ATF_CHECK(b->asts == 1 && b->status == 0);
	ATF_CHECK(c->asts == 1 && c->status == 0);
	ATF_CHECK_MSG(d->asts == 1 && d->status == 0,
	    "a trailing zero makes another name");
	a = fx_lock_name(&fx, 1, 1, name, 65, DLM_EX, 0);
	ATF_CHECK_EQ(EINVAL, a->status);
	fx_free(&fx);
}

/* Operations that must not be answered with a completion. */
ATF_TC_WITHOUT_HEAD(refused_calls);
ATF_TC_BODY(refused_calls, tc)
{
	struct fx_lock *a, *b, copy;
	struct fx fx;

	fx_init(&fx, 2);
	a = fx_lock(&fx, 1, 1, 1, DLM_EX, 0);
	b = fx_lock(&fx, 2, 1, 1, DLM_NL, DLM_F_EXPEDITE);
	fx_drain(&fx);
	fx_convert(&fx, b, DLM_EX, 0, NULL);
	fx_drain(&fx);
	ATF_REQUIRE(b->pending);
	fx_convert(&fx, b, DLM_PR, 0, NULL);
	fx_drain(&fx);
	ATF_CHECK_EQ_MSG(1, fx.node[2].results, "convert while converting");
	ATF_CHECK_EQ(EBUSY, fx.node[2].result);
	ATF_CHECK(b->pending);
	fx_cancel(&fx, a);
	fx_drain(&fx);
	ATF_CHECK_EQ_MSG(1, a->asts, "cancel of a granted lock is silent");
	fx_unlock(&fx, a, 0, NULL);
	fx_drain(&fx);
	ATF_CHECK_EQ(DLM_EX, b->mode);

	/* A lock that is not there. */
	copy = *b;
	fx_unlock(&fx, b, 0, NULL);
	fx_drain(&fx);
	*b = copy;
	fx_unlock(&fx, b, 0, NULL);
	fx_drain(&fx);
	ATF_CHECK_EQ(ENOENT, b->status);
	ATF_CHECK(b->unlocked);
	fx_require_empty(&fx);
	fx_free(&fx);
}

/* Bytes from clients and peers that fit nothing are refused, that is all. */
ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	uint8_t bytes[80];
	struct note *n;
	struct fx fx;
	unsigned i, k;

	fx_init(&fx, 2);
	(void)fx_lock(&fx, 2, 1, 1, DLM_EX, 0);
	(void)fx_lock(&fx, 1, 1, 1, DLM_EX, 0);
	fx_drain(&fx);
	fx_seed(&fx, 5);
	n = calloc(1, sizeof(*n) + sizeof(bytes));
	ATF_REQUIRE(n != NULL);
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)rng_below(&fx.rng, 256);
		/* Mostly a right header, so that the rest is reached. */
		if (i % 8 != 0) {
			bytes[0] = (uint8_t)(1 + i % (DM_MAX - 1));
			memset(bytes + 1, 0, 12);
			bytes[4] = 1;
			bytes[12] = (uint8_t)fx.epoch;
			memset(bytes + 13, 0, 7);
			bytes[20] = (uint8_t)rng_below(&fx.rng, 4);
		}
		n->type = NOTE_MESSAGE;
		n->chan = CHAN_DLM;
		n->node = 2;
		n->inc = fx.node[2].inc;
		n->len = rng_below(&fx.rng, sizeof(bytes) + 1);
		memcpy(n->data, bytes, n->len);
		dlm_note(fx.node[1].d, n, &fx.node[1].bus);
		bus_clear(&fx.node[1].bus);
		actions_clear(&fx.node[1].out);
		n->msgtype = i % 6;
		dlm_request(fx.node[1].d, 1, n, &fx.node[1].bus);
		bus_clear(&fx.node[1].bus);
		actions_clear(&fx.node[1].out);
	}
	ATF_CHECK(fx.node[1].d->nrejects > 0);
	free(n);
	fx_free(&fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, transcript);
	ATF_TP_ADD_TC(tp, value_block_table);
	ATF_TP_ADD_TC(tp, compatibility_table);
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, refused_calls);
	ATF_TP_ADD_TC(tp, garbage);
	return atf_no_error();
}
