/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the beat process of a peer says about its engine (L7).  Only that of
 * the life we have a session with is listened to; a replay is refused like any
 * other, and says nothing new anyway: who has ended stays ended.
 *
 *	up -WF_STALL->	up	the end for silence is put off, up to the limit
 *	up -WF_DEAD->	down	the others need not wait for its silence
 *
 * clusterd-protocol(7), section 4.3.
 */

#include <stdio.h>

#include "link_int.h"

/* False: refused and counted; else plain holds the frames. */
static bool
open_beat(struct link_layer *l, struct peer *p, const struct wire_header *h,
    const uint8_t *data, size_t len, uint8_t *plain, struct bus *bus)
{
	struct life *life = &p->cur;
	const struct seal_key *key;

	if (h->voice != WV_BEAT) {
		link_refuse(l, p, LR_VERSION, bus, NULL);
		return false;
	}
	/* A life that has not answered our nonce has no voice at all (L3). */
	if (h->incarnation != life->inc || life->inc == 0) {
		link_refuse(l, p, LR_OLD_INCARNATION, bus, NULL);
		return false;
	}
	if (!seal_fresh(&life->beat_window, h->counter)) {
		link_refuse(l, p, LR_REPLAY, bus, NULL);
		return false;
	}
	key =
	    ring_key(l, life->beat_keys, SEAL_BEAT, p->id, life->inc, h->keyid);
	if (key == NULL ||
	    !seal_open(key, h->to, h->counter, data, WIRE_HEADER_LEN,
		data + WIRE_HEADER_LEN, len - WIRE_HEADER_LEN, plain)) {
		link_refuse(l, p, LR_KEY, bus, NULL);
		return false;
	}
	seal_accept(&life->beat_window, h->counter);
	return true;
}

void
link_tell_runs(const struct peer *p, bool runs, struct bus *bus)
{
	struct note *n = bus_note(bus, NOTE_PEER_RUNS, NULL, 0);

	n->node = p->id;
	n->ok = runs;
}

static void
stalled(struct link_layer *l, struct peer *p, const struct wire_stall *s,
    struct bus *bus)
{
	uint64_t limit, until;

	limit = link_counts(l, p->last_heard) + l->conf->stall_timeout_us;
	until = link_counts(l, l->at) + l->conf->failure_timeout_us;
#if MUTANT == 135
	until = 0;
#endif
	p->fail_at = MAX(p->fail_at, MIN(until, limit));
	if (p->stalled)
		return;
	p->stalled = true;
	if (p->up)
		link_tell_runs(p, false, bus);
	bus_event(bus, EVK_NODE, EVL_WARN,
	    "node %u: its engine has not run for %llu ms, although its "
	    "machine answers",
	    p->id, (unsigned long long)s->age / 1000);
}

static void
ended(struct link_layer *l, struct peer *p, const struct wire_dead *d,
    struct bus *bus)
{
	char why[96];

	p->promised = 0;
	p->gone = p->cur.inc;
#if MUTANT != 107
	/* The engine of a daemon that ended may still run for a moment. */
	p->cur.bye = true;
#endif
	switch (d->how) {
	case WE_EXIT:
		snprintf(why, sizeof(why),
		    "its engine has ended (exit status %u)", d->number);
		break;
	case WE_SIGNAL:
		snprintf(why, sizeof(why), "its engine has ended (signal %u)",
		    d->number);
		break;
	default:
		snprintf(why, sizeof(why), "its daemon has ended");
		break;
	}
	session_drop(l, p, why, bus);
}

void
link_beat(struct link_layer *l, struct peer *p, const struct wire_header *h,
    unsigned link, const uint8_t *data, size_t len, struct bus *bus)
{
	uint8_t plain[WIRE_PLAIN_MAX];
	struct wire_stall s;
	struct wire_dead d;
	struct rbuf r, body;
	bool ok = true;
	uint8_t type;

	if (!open_beat(l, p, h, data, len, plain, bus))
		return;
	path_heard(l, p, link, bus);
	rbuf_init(&r, plain, len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	while (ok && p->up && wire_next(&r, &type, &body)) {
		if (type == WF_STALL) {
			ok = wire_get_stall(&body, &s);
			if (ok)
				stalled(l, p, &s, bus);
		} else if (type == WF_DEAD) {
			ok = wire_get_dead(&body, &d);
			if (ok)
				ended(l, p, &d, bus);
		}
	}
	if (!ok || r.err)
		link_refuse(l, p, LR_MALFORMED, bus, NULL);
}
