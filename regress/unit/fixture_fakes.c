/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Stand-ins for the modules that stories about membership do not need: a
 * link layer whose datagrams are whole messages or the fixture's own word
 * about sessions, a lockspace layer that only knows who uses one, and no
 * lock manager.
 */

#include "core/version.h"
#include "fixture.h"
#include "fixture_fakes.h"

#define FAKE_DETECT UINT64_C(700000) /* fixture.c's */
#define FAKE_BEAT   UINT64_C(100000)

struct link_layer {
	uint64_t inc[FIX_NODES + 1]; /* of the session, 0: none */
	uint64_t ran;
	uint64_t over; /* views up to this one ended while we slept */
	struct note_list out;
};

struct link_layer *
link_new(const struct conf *conf, uint16_t self, uint64_t inc,
    const struct keyring *ring)
{
	struct link_layer *l = calloc(1, sizeof(*l));

	ASSERT(l != NULL);
	STAILQ_INIT(&l->out);
	return l;
}

uint64_t
link_old_heard(const struct link_layer *l)
{
	return 0;
}

void
link_free(struct link_layer *l)
{
	struct note *n;

	if (l == NULL)
		return;
	while ((n = STAILQ_FIRST(&l->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->out, entry);
		free(n);
	}
	free(l);
}

/* u8 kind (enum fake_packet); u16 node; u64 inc; u8 arg; bytes. */
void
link_packet(struct link_layer *l, unsigned link, uint64_t at,
    const uint8_t *data, size_t len, struct bus *bus)
{
	struct rbuf r;
	unsigned kind, arg;
	uint16_t node;
	uint64_t inc;
	const uint8_t *p;
	struct note *n = NULL;
	size_t left;

	rbuf_init(&r, data, len);
	kind = rbuf_u8(&r);
	node = rbuf_u16(&r);
	inc = rbuf_u64(&r);
	arg = rbuf_u8(&r);
	left = rbuf_left(&r);
	p = rbuf_take(&r, left);
	ASSERT(!r.err && node <= FIX_NODES);
	switch (kind) {
	case FAKE_UP:
		l->inc[node] = inc;
		n = bus_note(bus, NOTE_PEER_UP, NULL, 0);
		n->seq = arg == 0 ? WIRE_FEATURES : 0;
		break;
	case FAKE_DOWN:
		l->inc[node] = 0;
		n = bus_note(bus, NOTE_PEER_DOWN, "silent", 7);
		break;
	case FAKE_GONE:
		l->inc[node] = 0;
		n = bus_note(bus, NOTE_PEER_GONE, NULL, 0);
		n->code = (int)arg;
		break;
	case FAKE_RUNS:
		n = bus_note(bus, NOTE_PEER_RUNS, NULL, 0);
		n->ok = arg != 0;
		break;
	case FAKE_DATA:
		if (l->inc[node] != inc)
			return;
		n = bus_note(bus, NOTE_MESSAGE, p, left);
		n->chan = (enum chan)arg;
		break;
	}
	ASSERT(n != NULL);
	n->node = node;
	n->inc = inc;
}

static void
send(uint16_t node, enum fake_packet kind, unsigned arg, const void *data,
    size_t len, struct bus *bus)
{
	struct action *act;
	struct wbuf w;

	wbuf_init(&w, 2 * 1024 * 1024);
	wbuf_u8(&w, (uint8_t)kind);
	wbuf_u8(&w, (uint8_t)arg);
	wbuf_bytes(&w, data, len);
	ASSERT(!w.err);
	act = actions_add(bus->out, ACT_SEND, w.data, w.len);
	act->node = node;
	wbuf_free(&w);
}

void
link_note(struct link_layer *l, const struct note *note, struct bus *bus)
{
	struct note *n;

	if (note->type == NOTE_PEER_RESET) {
		send(note->node, FAKE_DOWN, 0, NULL, 0, bus);
		return;
	}
	if (note->type != NOTE_SEND || l->inc[note->node] == 0)
		return;
	ASSERT(note->len <= 1024 * 1024);
	n = calloc(1, sizeof(*n) + note->len);
	ASSERT(n != NULL);
	n->node = note->node;
	n->chan = note->chan;
	n->len = note->len;
	memcpy(n->data, note->data, note->len);
	STAILQ_INSERT_TAIL(&l->out, n, entry);
}

void
link_flush(struct link_layer *l, struct bus *bus)
{
	struct note *n;

	while ((n = STAILQ_FIRST(&l->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->out, entry);
		send(n->node, FAKE_DATA, n->chan, n->data, n->len, bus);
		free(n);
	}
}

void
link_timer(struct link_layer *l, struct bus *bus)
{
}

uint64_t
link_deadline(const struct link_layer *l)
{
	return l->ran + FAKE_BEAT;
}

void
link_goodbye(struct link_layer *l, struct bus *bus)
{
	uint16_t node;

	for (node = 1; node <= FIX_NODES; node++) {
		if (l->inc[node] != 0)
			send(node, FAKE_GONE, 1, NULL, 0, bus);
	}
}

/*
 * Whoever has a session with us has vouched for whatever we ask about, as long
 * as we ran; but not for one in which we slept until it gave us up.
 */
void
link_vouch(struct link_layer *l, uint64_t epoch, bool ask, uint64_t now)
{
	if (now - l->ran > FAKE_DETECT)
		l->over = epoch;
	l->ran = now;
}

uint64_t
link_vouched(const struct link_layer *l, uint16_t node, uint64_t inc,
    uint64_t epoch)
{
	return l->inc[node] == inc && epoch > l->over ? l->ran : 0;
}

bool
link_gone(const struct link_layer *l, uint16_t node, uint64_t inc)
{
	return false;
}

uint64_t
link_promised(const struct link_layer *l, uint16_t node, uint64_t *inc)
{
	return 0;
}

size_t
link_queued(const struct link_layer *l)
{
	return 0;
}

uint64_t
link_rejects(const struct link_layer *l, uint16_t node, enum link_reject why)
{
	return 0;
}

void
link_check(const struct link_layer *l)
{
}

/*
 * Lockspaces: a word of the fixture.
 */

struct lspace {
	const struct conf *conf;
};

struct lspace *
lspace_new(const struct conf *conf, uint16_t self, uint64_t inc)
{
	struct lspace *ls = calloc(1, sizeof(*ls));

	ASSERT(ls != NULL);
	ls->conf = conf;
	return ls;
}

void
lspace_free(struct lspace *ls)
{
	free(ls);
}

void
lspace_note(struct lspace *ls, const struct note *note, struct bus *bus)
{
	if (note->type == NOTE_SNAP_WANT)
		bus_note(bus, NOTE_SNAP, NULL, 0)->service = SVC_LSPACE;
}

bool
lspace_used_by(const struct lspace *ls, uint16_t node, uint64_t inc)
{
	return fixture_used(ls->conf, node);
}

uint32_t
lspace_of_client(const struct lspace *ls, uint64_t client, uint32_t lsid)
{
	return 0;
}

void
lspace_check(const struct lspace *ls)
{
}

bool
lspace_info(const struct lspace *ls, unsigned i, struct ls_info *li)
{
	return false;
}

/*
 * The lock manager: absent.
 */

struct dlm *
dlm_new(uint16_t self, uint64_t inc)
{
	struct dlm *d = calloc(1, 1);

	ASSERT(d != NULL);
	return d;
}

void
dlm_free(struct dlm *d)
{
	free(d);
}

void
dlm_note(struct dlm *d, const struct note *note, struct bus *bus)
{
}

void
dlm_request(struct dlm *d, uint32_t lsid, const struct note *note,
    struct bus *bus)
{
}

void
dlm_timer(struct dlm *d, struct bus *bus)
{
}

uint64_t
dlm_deadline(const struct dlm *d)
{
	return UINT64_MAX;
}

void
dlm_check(const struct dlm *d)
{
}

void
show_request(const struct node *n, const struct note *note, struct bus *bus)
{
}

void
link_lack(struct link_layer *l, uint64_t features)
{
	(void)l;
	(void)features;
}

bool
link_speaks(const struct link_layer *l, uint16_t node, unsigned *version,
    uint64_t *features)
{
	*version = 1;
	*features = 0;
	return true;
}

uint64_t
link_skipped(const struct link_layer *l)
{
	return 0;
}
