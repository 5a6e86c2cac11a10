/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The fence table as a snapshot for joiners, and as rows for people.
 *
 * clusterd-protocol(7), section 8.2.
 */

#include "fencing_internal.h"

const char *
fencing_state_name(enum fencing_state s)
{
	static const char *const names[] = { "?", "pending", "manual", "done" };

	return (unsigned)s < NITEMS(names) ? names[s] : names[0];
}

const char *
evidence_name(enum evidence e)
{
	static const char *const names[] = { "none", "power", "agent", "rejoin",
		"manual", "harmless" };

	return (unsigned)e < NITEMS(names) ? names[e] : names[0];
}

void
fencing_give_snapshot(const struct fencing *f, struct bus *bus)
{
	const struct victim *v;
	struct note *n;
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 256 * 1024);
	wbuf_u32(&w, f->n);
	for (i = 0; i < f->n; i++) {
		v = &f->v[i];
		wbuf_u16(&w, v->node);
		wbuf_u64(&w, v->inc);
		wbuf_u8(&w, (uint8_t)v->state);
		wbuf_u8(&w, (uint8_t)v->evidence);
		wbuf_u8(&w,
		    (uint8_t)(v->requested | v->startup << 1 | v->told << 2));
		wbuf_u32(&w, v->attempt);
		wbuf_u16(&w, v->executor);
		wbuf_u64(&w, v->exec_inc);
		wbuf_str(&w, v->text);
	}
	ASSERT(!w.err);
	n = bus_note(bus, NOTE_SNAP, w.data, w.len);
	n->service = SVC_FENCE;
	wbuf_free(&w);
}

static void
get_victim(struct rbuf *r, struct victim *v)
{
	unsigned state, flags;

	memset(v, 0, sizeof(*v));
	v->node = rbuf_u16(r);
	v->inc = rbuf_u64(r);
	state = rbuf_u8(r);
	v->evidence = (enum evidence)rbuf_u8(r);
	flags = rbuf_u8(r);
	v->requested = (flags & 1) != 0;
	v->startup = (flags & 2) != 0;
	v->told = (flags & 4) != 0;
	v->attempt = rbuf_u32(r);
	v->executor = rbuf_u16(r);
	v->exec_inc = rbuf_u64(r);
	rbuf_str(r, v->text, sizeof(v->text));
	if (state < FS_PENDING || state > FS_DONE ||
	    v->evidence > EVID_HARMLESS || (state == FS_DONE && !v->told))
		r->err = true;
	v->state = (enum fencing_state)state;
}

void
fencing_load_snapshot(struct fencing *f, const struct note *note,
    struct bus *bus)
{
	struct rbuf r;
	unsigned i, j;

	rbuf_init(&r, note->data, note->len);
	f->n = rbuf_count(&r, FENCING_VICTIMS_MAX);
	for (i = 0; i < f->n; i++) {
		get_victim(&r, &f->v[i]);
		for (j = 0; j < i; j++) /* F3 */
			r.err |= f->v[j].node == f->v[i].node &&
			    f->v[j].inc == f->v[i].inc;
		f->v[i].since = f->v[i].start_at = bus->now;
		f->v[i].nag_at = bus->now + FENCING_NAG_US;
	}
	if (!rbuf_done(&r)) {
		static const char why[] = "the fence table sent to it is torn";

		f->n = 0;
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	f->has_state = true;
	bus_note(bus, NOTE_STORE, NULL, 0);
	for (i = 0; i < f->n; i++)
		fencing_outlived(f, &f->v[i], bus);
}

bool
fencing_info(const struct fencing *f, unsigned i, struct fencing_info *fi)
{
	const struct conf_node *cn;
	const struct victim *v;

	if (i >= f->n)
		return false;
	v = &f->v[i];
	memset(fi, 0, sizeof(*fi));
	fi->node = v->node;
	fi->inc = v->inc;
	fi->state = v->state;
	fi->evidence = v->evidence;
	fi->harmless = v->state == FS_DONE && v->evidence == EVID_HARMLESS;
	fi->attempt = v->attempt;
	fi->executor = v->executor;
	fi->since = v->since;
	fi->done = v->done;
	strlcpy(fi->text, v->text, sizeof(fi->text));
	cn = fencing_conf(f, v);
	if (cn != NULL && cn->nlevels > 0)
		fi->level =
		    v->attempt / MAX(f->conf->fence_tries, 1u) % cn->nlevels +
		    1;
	return true;
}
