/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The locks of one client: what it asks for, and what it may rely on.
 *
 *	FREE -lock-> ASKED -granted-> HELD -convert-> CONVERTING -> HELD
 *	ASKED -refused, cancelled-> FREE;  HELD -unlock-> LEAVING -> FREE
 */

#include <errno.h>

#include "core/dlm_mode.h"
#include "proto.h"
#include "client.h"

#define LSID 1

static uint64_t
draw(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->crng, hi - lo + 1);
}

static bool
chance(struct sim *s, unsigned percent)
{
	return rng_below(&s->crng, 100) < percent;
}

static void
believe(struct sim *s, const struct sim_client *c, struct sim_lock *k, int mode)
{
	k->belief = mode;
	chk_lock_change(s, c, k);
}

static void
drop(struct sim *s, const struct sim_client *c, struct sim_lock *k)
{
	if (k->exists)
		chk_lock_exists(s, k->resource, -1);
	memset(k, 0, sizeof(*k));
	k->mode = k->asked = k->belief = -1;
}

void
locks_forget(struct sim *s, struct sim_client *c)
{
	unsigned i;

	for (i = 0; i < SIM_LOCKS; i++)
		drop(s, c, &c->locks[i]);
}

static int
random_mode(struct sim *s)
{
	static const int modes[] = { DLM_NL, DLM_CR, DLM_CW, DLM_PR, DLM_PR,
		DLM_PR, DLM_PW, DLM_EX, DLM_EX, DLM_EX };

	return modes[draw(s, 0, NITEMS(modes) - 1)];
}

static void
set_state(struct sim *s, struct sim_lock *k, enum lock_state state)
{
	k->state = state;
	k->since = s->now;
	k->cancelling = false;
}

static void
lock_new(struct sim *s, unsigned node, struct sim_client *c, struct sim_lock *k)
{
	char name[16];
	struct wbuf w;
	uint32_t flags = 0;

	drop(s, c, k);
	k->lkid = ++c->next_lkid;
	k->resource = (unsigned)draw(s, 0, SIM_RESOURCES - 1);
	k->asked = random_mode(s);
	k->valblk = chance(s, 50);
	k->noqueue = chance(s, 20);
	if (k->valblk)
		flags |= DLM_F_VALBLK;
	if (k->noqueue)
		flags |= DLM_F_NOQUEUE;
	set_state(s, k, LK_ASKED);
	snprintf(name, sizeof(name), "r%u", k->resource);
	sim_trace(s, "n%u client %llu lock %u: resource %u mode %d flags %x",
	    s->nodes[node].id, (unsigned long long)c->id, k->lkid, k->resource,
	    k->asked, flags);
	wbuf_init(&w, 256);
	wbuf_u32(&w, LSID);
	wbuf_u32(&w, k->lkid);
	wbuf_u8(&w, (uint8_t)k->asked);
	wbuf_u32(&w, flags);
	wbuf_blob(&w, name, strlen(name));
	client_tell(s, node, c, M_LOCK, k->lkid, &w);
}

/* What it may rely on while the conversion is under way: in both modes. */
static int
weaker(int from, int to)
{
	int mode;
	bool down = true, up = true;

	for (mode = DLM_NL; mode <= DLM_EX; mode++) {
		if (chk_compatible(mode, from) && !chk_compatible(mode, to))
			down = false;
		if (chk_compatible(mode, to) && !chk_compatible(mode, from))
			up = false;
	}
	return down ? to : up ? from : DLM_CR;
}

/* Puts the value block into a request that gives up PW or EX. */
static void
put_value(struct sim *s, struct sim_client *c, struct sim_lock *k, bool write,
    struct wbuf *w)
{
	uint8_t lvb[32] = { 0 };

	k->wrote = write;
	if (write)
		chk_lock_wrote(s, c, k, lvb);
	wbuf_u8(w, k->valblk);
	if (k->valblk)
		wbuf_bytes(w, lvb, sizeof(lvb));
}

static void
lock_convert(struct sim *s, unsigned node, struct sim_client *c,
    struct sim_lock *k, int mode)
{
	bool strong = k->mode == DLM_PW || k->mode == DLM_EX;
	uint32_t flags = DLM_F_CONVERT;
	struct wbuf w;
	bool write;

	k->asked = mode;
	/* Only weakening writes; PW to PW and the like are not tried. */
	k->valblk = chance(s, 50) && (!strong || mode < k->mode);
	write = k->valblk && strong;
	k->noqueue = mode > k->mode && chance(s, 20);
	if (k->valblk)
		flags |= DLM_F_VALBLK;
	if (k->noqueue)
		flags |= DLM_F_NOQUEUE;
	else if (mode > k->mode && chance(s, 20))
		flags |= DLM_F_QUECVT;
	set_state(s, k, LK_CONVERTING);
	sim_trace(s, "n%u client %llu lock %u: resource %u %d to %d flags %x",
	    s->nodes[node].id, (unsigned long long)c->id, k->lkid, k->resource,
	    k->mode, mode, flags);
	wbuf_init(&w, 256);
	wbuf_u32(&w, LSID);
	wbuf_u32(&w, k->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags);
	put_value(s, c, k, write, &w);
	believe(s, c, k, weaker(k->mode, mode));
	client_tell(s, node, c, M_CONVERT, k->lkid, &w);
}

static void
lock_release(struct sim *s, unsigned node, struct sim_client *c,
    struct sim_lock *k)
{
	bool strong = k->mode == DLM_PW || k->mode == DLM_EX;
	struct wbuf w;

	k->valblk = strong && chance(s, 50);
	set_state(s, k, LK_LEAVING);
	sim_trace(s, "n%u client %llu lock %u: resource %u %d unlocked",
	    s->nodes[node].id, (unsigned long long)c->id, k->lkid, k->resource,
	    k->mode);
	wbuf_init(&w, 256);
	wbuf_u32(&w, LSID);
	wbuf_u32(&w, k->lkid);
	wbuf_u32(&w, k->valblk ? DLM_F_VALBLK : 0);
	put_value(s, c, k, k->valblk, &w);
	k->belief = -1;
	if (k->exists)
		chk_lock_exists(s, k->resource, -1);
	k->exists = false;
	client_tell(s, node, c, M_UNLOCK, k->lkid, &w);
}

static void
lock_cancel(struct sim *s, unsigned node, struct sim_client *c,
    struct sim_lock *k)
{
	struct wbuf w;

	k->cancelling = true;
	sim_trace(s, "n%u client %llu lock %u: cancelled", s->nodes[node].id,
	    (unsigned long long)c->id, k->lkid);
	wbuf_init(&w, 16);
	wbuf_u32(&w, LSID);
	wbuf_u32(&w, k->lkid);
	client_tell(s, node, c, M_CANCEL, k->lkid, &w);
}

void
locks_act(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_lock *k = &c->locks[draw(s, 0, SIM_LOCKS - 1)];
	bool drain = s->phase == PH_DRAIN;

	switch (k->state) {
	case LK_FREE:
		if (!drain)
			lock_new(s, node, c, k);
		break;
	case LK_HELD:
		if (drain || chance(s, 40) ||
		    (k->release_at != 0 && k->release_at <= s->now))
			lock_release(s, node, c, k);
		else
			lock_convert(s, node, c, k, random_mode(s));
		break;
	case LK_ASKED:
	case LK_CONVERTING:
		/* A conversion under way holds its old mode against others. */
		if (!k->cancelling && s->now - k->since > 100 * MS &&
		    (k->state == LK_CONVERTING || (!drain && chance(s, 10))))
			lock_cancel(s, node, c, k);
		break;
	case LK_LEAVING:
		break;
	}
}

/* ---- answers --------------------------------------------------------------- */

struct answer {
	uint32_t lkid, status;
	uint8_t mode, sbflags, unlocked, haslvb;
	uint8_t lvb[32];
};

static void NORETURN
bad(struct sim *s, unsigned node, const struct sim_client *c,
    const struct answer *a, const struct sim_lock *k, const char *what)
{
	sim_fail(s, INV_LOCK_ANSWER,
	    "n%u client %llu lock %u (state %d, mode %d, asked %d): answer "
	    "status %u mode %u flags %x unlocked %u: %s",
	    s->nodes[node].id, (unsigned long long)c->id, a->lkid,
	    k == NULL ? -1 : (int)k->state, k == NULL ? -1 : k->mode,
	    k == NULL ? -1 : k->asked, a->status, a->mode, a->sbflags,
	    a->unlocked, what);
}

static void
granted(struct sim *s, unsigned node, struct sim_client *c, struct sim_lock *k,
    const struct answer *a)
{
	int old = k->mode;

	if (a->mode != k->asked || a->unlocked)
		bad(s, node, c, a, k, "not the mode that was asked for");
	s->grants++;
	k->mode = k->asked;
	k->asked = -1;
	if (!k->exists) {
		k->exists = true;
		chk_lock_exists(s, k->resource, 1);
	}
	believe(s, c, k, k->mode);
	/* These modes keep writers out, so the value stands still. */
	if (k->valblk && a->haslvb && old <= DLM_CR && k->mode >= DLM_CW) {
		s->values++;
		chk_lock_read(s, c, k, a->sbflags, a->lvb);
	}
	k->release_at = 0;
	set_state(s, k, LK_HELD);
}

static void
refused(struct sim *s, unsigned node, struct sim_client *c, struct sim_lock *k,
    const struct answer *a)
{
	bool fits = (a->status == EAGAIN && k->noqueue) ||
	    (a->status == ECANCELED && k->cancelling) ||
	    (a->status == EDEADLK && k->state == LK_CONVERTING);

	if (!fits)
		bad(s, node, c, a, k, "no reason for this status");
	if (k->state == LK_ASKED) {
		if (!a->unlocked)
			bad(s, node, c, a, k, "a refused lock is gone");
		drop(s, c, k);
		return;
	}
	/*
	 * A conversion between CW and PR whose master was lost is left in the
	 * mode that both contain, and the client is told.
	 */
	if (!a->unlocked && a->sbflags & DLM_SBF_DEMOTED &&
	    a->mode == weaker(k->mode, k->asked))
		k->mode = a->mode;
	if (a->unlocked || a->mode != k->mode)
		bad(s, node, c, a, k, "a refused conversion changes nothing");
	k->asked = -1;
	/* It was PW or EX all the time, so nobody can have written since. */
	if (k->wrote)
		chk_lock_unwrite(s, k);
	believe(s, c, k, k->mode);
	set_state(s, k, LK_HELD);
}

void
locks_answer(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	struct sim_lock *k = NULL;
	struct answer a;
	unsigned i;

	(void)rbuf_u32(r);
	a.lkid = rbuf_u32(r);
	a.status = rbuf_u32(r);
	a.mode = rbuf_u8(r);
	a.sbflags = rbuf_u8(r);
	a.unlocked = rbuf_u8(r);
	a.haslvb = rbuf_u8(r);
	if (a.haslvb)
		rbuf_bytes(r, a.lvb, sizeof(a.lvb));
	sim_trace(s, "n%u client %llu lock %u: answer %u mode %u flags %x",
	    s->nodes[node].id, (unsigned long long)c->id, a.lkid, a.status,
	    a.mode, a.sbflags);
	if (!c->joined || r->err)
		return; /* it left the lockspace meanwhile */
	for (i = 0; i < SIM_LOCKS; i++)
		if (c->locks[i].lkid == a.lkid)
			k = &c->locks[i];
	if (k == NULL || k->state == LK_FREE || k->state == LK_HELD)
		bad(s, node, c, &a, k, "nothing was asked");
	if (k->state == LK_LEAVING) {
		if (a.status != 0 || !a.unlocked)
			bad(s, node, c, &a, k, "an unlock cannot fail");
		drop(s, c, k);
	} else if (a.status == 0)
		granted(s, node, c, k, &a);
	else
		refused(s, node, c, k, &a);
}

void
locks_blocking(struct sim *s, unsigned node, struct sim_client *c,
    struct rbuf *r)
{
	uint32_t lkid;
	unsigned i;

	(void)rbuf_u32(r);
	lkid = rbuf_u32(r);
	(void)rbuf_u8(r);
	s->basts++;
	for (i = 0; i < SIM_LOCKS && c->joined; i++)
		if (c->locks[i].lkid == lkid && c->locks[i].state == LK_HELD) {
			c->locks[i].release_at = s->now + draw(s, 0, 20 * MS);
			c->locks[i].told = true;
		}
}
