/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What is due to which peer, and when: a step should cost what it touches, and
 * not look at every peer.  Whoever may change something of a peer touches it;
 * at the end of the step, when what waits for it has been sent, its deadlines
 * are noted here and it counts as untouched again.
 *
 * Invariants, of each peer that is not touched:
 *   D1  quiet and own are what its paths, its session and its stream say;
 *   D2  queued is what its stream says;
 *   D3  nothing that could be sent to it waits.
 *
 * clusterd-protocol(7), section 4.
 */

#include "link_int.h"

#define NEVER UINT64_MAX

/* Silence until then has consequences.  Our lateness moves it (L6). */
static uint64_t
quiet_until(const struct link_layer *l, const struct peer *p)
{
	uint64_t t = p->up ? p->fail_at : NEVER;
	unsigned i;

	if (p->paths[LINK_RELAY].up)
		t = MIN(t, p->paths[LINK_RELAY].down_at);
	for (i = 0; i < l->conf->nlinks; i++)
		if (p->paths[i].up)
			t = MIN(t, p->paths[i].down_at);
	return t;
}

/* We have something to do then, whatever the peer does. */
static uint64_t
own_work_at(const struct peer *p)
{
	return p->up ? MIN(p->beat_at, stream_deadline(p->stream)) : p->beat_at;
}

static uint64_t
bit(unsigned i)
{
	return UINT64_C(1) << i;
}

void
due_touch(struct link_layer *l, const struct peer *p)
{
	l->due.touched |= bit((unsigned)(p - l->peers));
}

void
due_touch_all(struct link_layer *l)
{
	l->due.touched = UINT64_MAX;
}

void
due_late(struct link_layer *l, uint64_t d)
{
	unsigned i;

	for (i = 0; i < l->npeers; i++)
		l->due.quiet[i] += l->due.quiet[i] < NEVER ? d : 0;
}

bool
due_now(const struct link_layer *l, unsigned i, uint64_t now)
{
	return (l->due.touched & bit(i)) != 0 || l->due.quiet[i] <= now ||
	    l->due.own[i] <= now;
}

void
due_note(struct link_layer *l)
{
	const struct peer *p;
	unsigned i;

	for (i = 0; i < l->npeers; i++) {
		if ((l->due.touched & bit(i)) == 0)
			continue;
		p = &l->peers[i];
		l->due.quiet[i] = quiet_until(l, p);
		l->due.own[i] = own_work_at(p);
		l->due.queued[i] = stream_queued(p->stream);
	}
	l->due.touched = 0;
}

uint64_t
due_next(const struct link_layer *l)
{
	uint64_t t = UINT64_MAX;
	unsigned i;

	for (i = 0; i < l->npeers; i++) {
		if ((l->due.touched & bit(i)) != 0) {
			t = MIN(t, quiet_until(l, &l->peers[i]));
			t = MIN(t, own_work_at(&l->peers[i]));
			continue;
		}
		t = MIN(t, l->due.quiet[i]);
		t = MIN(t, l->due.own[i]);
	}
	return t;
}

size_t
due_queued(const struct link_layer *l)
{
	size_t most = 0;
	unsigned i;

	for (i = 0; i < l->npeers; i++)
		most = MAX(most,
		    (l->due.touched & bit(i)) != 0 ?
			stream_queued(l->peers[i].stream) :
			l->due.queued[i]);
	return most;
}

void
due_check(const struct link_layer *l)
{
	const struct peer *p;
	unsigned i;

	for (i = 0; i < l->npeers; i++) {
		p = &l->peers[i];
		ASSERT(l->due.id[i] == p->id);
		if (!l->started || l->leaving || (l->due.touched & bit(i)) != 0)
			continue;
		ASSERT(l->due.quiet[i] == quiet_until(l, p));	      /* D1 */
		ASSERT(l->due.own[i] == own_work_at(p));	      /* D1 */
		ASSERT(l->due.queued[i] == stream_queued(p->stream)); /* D2 */
		ASSERT(!p->up || !stream_ready(p->stream));	      /* D3 */
	}
}
