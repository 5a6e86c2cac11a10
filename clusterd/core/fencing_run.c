/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The executor of a fence: starts every device of the attempt's level at
 * once, waits for all of them, and orders one result.  Any device that fails
 * fails the level, and the others are cancelled: with two power supplies a
 * node is off only when both outlets are.
 *
 * clusterd-protocol(7), section 8.2.
 */

#include <stdio.h>

#include "fencing_internal.h"

#define BACKOFF_US  UINT64_C(1000000)
#define BACKOFF_MAX 30

const struct conf_node *
fencing_conf(const struct fencing *f, const struct victim *v)
{
	return conf_node(f->conf, v->node);
}

/* Attempts until every level had all its tries; 0: it has no level. */
unsigned
fencing_rounds(const struct fencing *f, const struct victim *v)
{
	const struct conf_node *cn = fencing_conf(f, v);

	return cn == NULL ? 0 : cn->nlevels * MAX(f->conf->fence_tries, 1u);
}

/* Pause before an attempt: none within a round over all levels. */
uint64_t
fencing_backoff(const struct fencing *f, const struct victim *v)
{
	unsigned rounds = fencing_rounds(f, v);
	unsigned cycle;

	if (rounds == 0 || v->attempt == 0 || v->attempt % rounds != 0)
		return 0;
	cycle = MIN(v->attempt / rounds, 6u);
	return MIN(1u << (cycle - 1), (unsigned)BACKOFF_MAX) * BACKOFF_US;
}

static void
send_result(struct victim *v, bool ok, struct bus *bus)
{
	struct wbuf w;

	wbuf_init(&w, 512);
	wbuf_u8(&w, FM_RESULT);
	wbuf_u16(&w, v->node);
	wbuf_u64(&w, v->inc);
	wbuf_u32(&w, v->attempt);
	wbuf_u8(&w, ok);
	wbuf_u8(&w, v->run.verified);
	wbuf_str(&w, v->run.text);
	fencing_order(bus, &w);
	wbuf_free(&w);
}

void
run_cancel(struct fencing *f, struct victim *v, struct bus *bus)
{
	struct action *act;
	unsigned i;

	if (!v->run.on)
		return;
	for (i = 0; i < v->run.n; i++) {
		if (v->run.req[i] == 0)
			continue;
		act = actions_add(bus->out, ACT_FENCE_CANCEL, NULL, 0);
		act->req = v->run.req[i];
		v->run.req[i] = 0;
	}
	v->run.on = false;
}

static void
start_run(struct fencing *f, struct victim *v, struct bus *bus)
{
	const struct conf_node *cn = fencing_conf(f, v);
	unsigned level =
	    v->attempt / MAX(f->conf->fence_tries, 1u) % cn->nlevels;
	struct action *act;
	unsigned i;

	v->run.on = true;
	v->run.verified = true;
	v->run.text[0] = '\0';
	v->run.n = cn->levels[level].ndevices;
	for (i = 0; i < v->run.n; i++) {
		v->run.req[i] = ++f->req;
		v->run.device[i] = cn->levels[level].devices[i];
		act = actions_add(bus->out, ACT_FENCE_START, NULL, 0);
		act->req = v->run.req[i];
		act->node = v->node;
		act->device = v->run.device[i];
		act->timeout_us = f->conf->devices[v->run.device[i]].timeout_us;
		bus_event(bus, EVK_FENCE, EVL_INFO,
		    "fence: node %u: attempt %u, level %u, device %s is asked "
		    "by node %u",
		    v->node, v->attempt + 1, level + 1,
		    f->conf->devices[v->run.device[i]].name, f->self);
	}
	if (v->run.n == 0) {
		strlcpy(v->run.text, "its level has no device",
		    sizeof(v->run.text));
		send_result(v, false, bus);
	}
}

/* Who comes back in an earlier life ends by itself (fencing_outlived()). */
static bool
in_view(const struct fencing *f, const struct victim *v)
{
	const struct view_member *vm = view_find(&f->view, v->node);

	return vm != NULL && vm->inc <= v->inc;
}

/* Ours to run? (F2) */
static bool
ours(const struct fencing *f, const struct victim *v)
{
	return v->state == FS_PENDING && !v->run.on && v->executor == f->self &&
	    v->exec_inc == f->inc && f->primary && f->synced && f->leased &&
	    !in_view(f, v) && fencing_rounds(f, v) > 0;
}

/*
 * A node that was cut off or asleep may not know yet that the others have
 * gone on, and that the victim is back.  So the start itself goes through the
 * order, which stands still unless all members of the view take part.
 */
static void
claim(struct victim *v, struct bus *bus)
{
	struct wbuf w;

	v->start_at = UINT64_MAX;
	wbuf_init(&w, 64);
	wbuf_u8(&w, FM_CLAIM);
	wbuf_u16(&w, v->node);
	wbuf_u64(&w, v->inc);
	wbuf_u32(&w, v->attempt);
	fencing_order(bus, &w);
	wbuf_free(&w);
}

void
run_claimed(struct fencing *f, struct victim *v, unsigned attempt,
    struct bus *bus)
{
	if (v->attempt != attempt || v->run.on)
		return;
	if (ours(f, v))
		start_run(f, v, bus);
	else
		/* Delivered as a view ended: it proves nothing any more. */
		v->start_at = bus->now;
}

static void
nag(struct fencing *f, struct victim *v, struct bus *bus)
{
	char name[FENCING_NAME];

	if (v->nag_at == 0 || v->nag_at > bus->now || !f->primary)
		return;
	v->nag_at = bus->now + FENCING_NAG_US;
	bus_event(bus, EVK_FENCE, EVL_WARN,
	    "fence: node %u waits for the operator, because %s; make sure that "
	    "it is off, then type: fence confirm %s",
	    v->node,
	    v->state == FS_MANUAL ? "it has no fence device" :
				    "its devices fail",
	    fencing_name(f, v->node, name));
}

void
run_start_due(struct fencing *f, struct bus *bus)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
#if MUTANT == 403
		if (f->v[i].state == FS_PENDING && !f->v[i].run.on &&
		    f->v[i].start_at <= bus->now)
			start_run(f, &f->v[i], bus);
#endif
		if (f->v[i].start_at <= bus->now && ours(f, &f->v[i]))
			claim(&f->v[i], bus);
		if (f->v[i].state != FS_DONE)
			nag(f, &f->v[i], bus);
	}
}

void
fencing_timer(struct fencing *f, struct bus *bus)
{
	run_start_due(f, bus);
}

uint64_t
fencing_deadline(const struct fencing *f)
{
	const struct victim *v;
	uint64_t d = UINT64_MAX;
	unsigned i;

	if (!f->primary)
		return d;
	for (i = 0; i < f->n; i++) {
		v = &f->v[i];
		if (v->state == FS_DONE)
			continue;
		if (v->nag_at != 0)
			d = MIN(d, v->nag_at);
		if (f->synced && f->leased && !v->run.on &&
		    v->state == FS_PENDING && v->executor == f->self &&
		    v->exec_inc == f->inc && !in_view(f, v))
			d = MIN(d, v->start_at);
	}
	return d;
}

static void
device_done(struct fencing *f, struct victim *v, unsigned k, bool ok,
    bool verified, const char *text, struct bus *bus)
{
	const char *dev = f->conf->devices[v->run.device[k]].name;
	unsigned i;

	v->run.req[k] = 0;
	v->run.verified = v->run.verified && verified;
	snprintf(v->run.text, sizeof(v->run.text), "device %s: %s", dev,
	    text[0] != '\0' ? text :
		ok	    ? "off" :
			      "failed");
	if (!ok) {
		run_cancel(f, v, bus);
		send_result(v, false, bus);
		return;
	}
	for (i = 0; i < v->run.n; i++) {
		if (v->run.req[i] != 0)
			return;
	}
	v->run.on = false;
	send_result(v, true, bus);
}

void
fencing_done(struct fencing *f, uint32_t req, bool ok, bool verified,
    const char *text, struct bus *bus)
{
	unsigned i, k;

	/* An answer to what was cancelled meets no run any more. */
	for (i = 0; i < f->n; i++) {
		for (k = 0; f->v[i].run.on && k < f->v[i].run.n; k++) {
			if (req != 0 && f->v[i].run.req[k] == req) {
				device_done(f, &f->v[i], k, ok, verified, text,
				    bus);
				return;
			}
		}
	}
}
