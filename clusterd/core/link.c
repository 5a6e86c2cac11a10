/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Links and sessions, after knet (several paths per peer) and the handshake
 * of IKE (nobody is believed who has not answered our nonce).
 *
 * Every heartbeat a datagram goes to every configured peer on every link.
 * Any authentic datagram counts as hearing.  A path that misses four beats is
 * down; a peer silent on all of them for the failure timeout is lost.  Time
 * during which we did not run is not held against anyone.
 *
 * L1	A datagram is used only if it is sealed by its sender's key, addressed
 *	to us, new, and of the newest incarnation that proved itself.
 * L2	The counter towards a node grows with every datagram: no nonce is used
 *	twice by an incarnation.
 * L3	An incarnation is believed after it echoed a nonce that we made in this
 *	life of ours: a record of an old life proves nothing.
 * L4	A session is a pair of nonces.  Whoever leaves it makes a new nonce, so
 *	no pair stands twice, and frames of a former pair are refused.
 * L5	Between NOTE_PEER_UP and the next NOTE_PEER_DOWN or NOTE_PEER_GONE of a
 *	node, its messages are delivered in order, each once; none outside.
 * L6	Our own lateness, of 2 ms or more, moves every deadline of liveness by
 *	as much.  Silence counts from when a datagram came, not from when we
 *	read it, and the time after it in which we did not run is no silence.
 *	What was heard once is not taken back: no moment of hearing, and no
 *	deadline that follows from one, ever falls.  The shell owes us that a
 *	timer is told after all that had come before it (engine.c).
 * L7	The beat process of a peer can end its session, and the life with it, and
 *	put off its end, up to the stall limit, and nothing else.
 * L8	No liveness hangs on a large datagram: above the safe size only what is
 *	sent for the first time, and only as large as an answer has proven.
 * L10	A datagram that was sent before one that came a failure timeout ago was
 *	held back, by a network or by somebody who keeps what he hears.  It is
 *	no sign that its sender lives, or that the way it came works.
 *
 * This file: datagrams in and out, time.  link_path.c: one link of one peer.
 * link_mtu.c: how long a datagram may be on it.
 * link_session.c: handshake, sessions and what they carry.  link_beat.c: what
 * a peer's beat process says.  link_due.c: what is due to whom.  link_relay.c:
 * the path over a third node.
 *
 * clusterd-protocol(7), sections 2.7 and 4.
 */

#include <stdarg.h>
#include <stdio.h>

#include "link_int.h"

#define LATE_US	      UINT64_C(2000)	 /* a timer may be, on any machine */
#define TELL_AGAIN_US UINT64_C(30000000) /* between events about refusals */

const char *
link_reject_name(enum link_reject r)
{
	static const char *const names[LR_MAX] = { "short", "version",
		"cluster", "unknown-node", "self", "key", "replay",
		"old-incarnation", "malformed", "configuration", "relay" };

	return (unsigned)r < LR_MAX ? names[r] : "?";
}

struct link_layer *
link_new(const struct conf *conf, uint16_t self, uint64_t inc,
    const struct keyring *ring)
{
	struct link_layer *l = calloc(1, sizeof(*l));
	unsigned i;

	if (l == NULL)
		return NULL;
	l->conf = conf;
	l->self = self;
	l->inc = inc;
	ring_set(l, ring);
	l->cluster = wire_cluster(conf->cluster);
	l->features = WIRE_FEATURES;
	policy_init(l);
	wbuf_init(&l->plain, WIRE_PLAIN_MAX);
	wbuf_init(&l->out, WIRE_DATAGRAM_MAX);
	wbuf_init(&l->outer, WIRE_PLAIN_MAX);
	l->peers = calloc(CONF_NODES_MAX, sizeof(*l->peers));
	if (l->peers == NULL) {
		link_free(l);
		return NULL;
	}
	for (i = 0; i < conf->nnodes; i++) {
		if (conf->nodes[i].id == self)
			continue;
		l->peers[l->npeers].stream = stream_new();
		if (l->peers[l->npeers].stream == NULL) {
			link_free(l);
			return NULL;
		}
		l->due.id[l->npeers] = conf->nodes[i].id;
		l->peers[l->npeers++].id = conf->nodes[i].id;
	}
	return l;
}

void
link_free(struct link_layer *l)
{
	unsigned i;

	if (l == NULL)
		return;
	for (i = 0; i < l->npeers; i++) {
		ring_forget(&l->peers[i].cur);
		ring_forget(&l->peers[i].cand);
		stream_free(l->peers[i].stream);
	}
	free(l->peers);
	keyring_forget(&l->ring);
	explicit_bzero(l->own, sizeof(l->own));
	wbuf_free(&l->plain);
	wbuf_free(&l->out);
	wbuf_free(&l->outer);
	free(l);
}

struct peer *
link_peer(const struct link_layer *l, uint16_t node)
{
	unsigned i;

	for (i = 0; i < l->npeers; i++)
		if (l->due.id[i] == node)
			return &l->peers[i];
	return NULL;
}

void
link_refuse(struct link_layer *l, struct peer *p, enum link_reject why,
    struct bus *bus, const char *fmt, ...)
{
	uint64_t *told = p != NULL ? &p->told_at[why] : &l->told_at[why];
	char text[256];
	va_list ap;

	l->rejects[why]++;
	if (p != NULL)
		p->rejects[why]++;
	if (fmt == NULL || (*told != 0 && bus->now - *told < TELL_AGAIN_US))
		return;
	*told = MAX(bus->now, UINT64_C(1));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bus_event(bus, EVK_REJECT, EVL_WARN, "%s", text);
}

/* ---- time -------------------------------------------------------------- */

/*
 * One gap is remembered, for datagrams that came in it or before: the last
 * one, unless it is short beside another that may still matter.
 */
static void
note_gap(struct link_layer *l, uint64_t from, uint64_t to)
{
	if (l->gap_to != 0 && from <= l->gap_to)
		l->gap_to = to;
	else if (to - from >= l->gap_to - l->gap_from ||
	    to - l->gap_to > EVENT_WAIT_MAX) {
		l->gap_from = from;
		l->gap_to = to;
	}
}

uint64_t
link_counts(const struct link_layer *l, uint64_t at)
{
	if (at >= l->gap_to)
		return at;
	return at + l->gap_to - MAX(at, l->gap_from);
}

/*
 * Every entry passes here.  A deadline of ours that went by unserved means
 * that we did not run: whatever peers sent meanwhile waits in the sockets,
 * and their silence counts only from now on.  No timer is quite on time,
 * though, and with 64 nodes there are a thousand in a failure timeout: what
 * each is late for the usual reasons would add up to a longer one.
 */
static void
enter(struct link_layer *l, struct bus *bus)
{
	uint64_t d, from;
	unsigned i, j;

	if (!l->started) {
		l->started = true;
		l->last_step = l->late_since = bus->now;
		for (i = 0; i < l->npeers; i++) {
			do
				l->peers[i].nonce = rng_u64(bus->rng);
			while (l->peers[i].nonce == 0);
			l->peers[i].seq = 1;
			l->peers[i].beat_at = bus->now;
			l->peers[i].two_way_at = bus->now;
		}
		due_touch_all(l);
	}
	from = MAX(l->deadline, l->last_step);
	l->last_step = bus->now;
	if (l->deadline == 0 || from >= bus->now)
		return;
	if (bus->now - l->deadline < LATE_US)
		return;
	d = bus->now - from;
	note_gap(l, from, bus->now);
	if (bus->now - l->late_since > 2 * l->conf->failure_timeout_us) {
		l->late_since = bus->now;
		l->late_before = l->late;
		l->late = 0;
	}
	l->late = MAX(l->late, d);
	for (i = 0; i < l->npeers; i++) {
		if (d > l->conf->heartbeat_us)
			l->peers[i].runs_since = bus->now;
		l->peers[i].fail_at += d;
		l->peers[i].two_way_at += d;
		l->peers[i].paths[LINK_RELAY].down_at += d;
		for (j = 0; j < l->conf->nlinks; j++)
			l->peers[i].paths[j].down_at += d;
	}
	due_late(l, d);
}

void
link_heard(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	if (p->stalled)
		p->runs_since = bus->now;
	if (p->stalled && p->up) {
		link_tell_runs(p, true, bus);
		bus_event(bus, EVK_NODE, EVL_INFO,
		    "node %u: its engine runs again, after %llu ms", p->id,
		    (unsigned long long)(bus->now - p->last_heard) / 1000);
	}
	p->stalled = false;
	p->last_heard = MAX(p->last_heard, l->at);
#if MUTANT == 951
	p->fail_at =
	    link_counts(l, l->at) + l->conf->failure_timeout_us * 5 / 8;
#else
	p->fail_at = MAX(p->fail_at,
	    link_counts(l, l->at) + l->conf->failure_timeout_us);
#endif
	path_heard(l, p, link, bus);
}

/* Says so in a way that tells a dead peer from a slow machine of our own. */
static void
peer_silent(struct link_layer *l, struct peer *p, struct bus *bus)
{
	uint64_t late = MAX(l->late, l->late_before);
	char why[160];

	if (p->stalled) {
		snprintf(why, sizeof(why),
		    "its engine has not run for %llu ms, although its machine "
		    "answers",
		    (unsigned long long)(bus->now - p->last_heard) / 1000);
		session_drop(l, p, why, bus);
		return;
	}
	snprintf(why, sizeof(why),
	    "silent on %u link%s for %llu ms; we were scheduled %s (max gap "
	    "%llu ms)",
	    l->conf->nlinks, l->conf->nlinks == 1 ? "" : "s",
	    (unsigned long long)(bus->now - p->last_heard) / 1000,
	    late < l->conf->heartbeat_us ? "on time" :
					   "late, which is forgiven",
	    (unsigned long long)late / 1000);
	session_drop(l, p, why, bus);
}

/*
 * It is heard, and acknowledges nothing: whatever the reason, everybody would
 * wait for it for ever.  As long as an engine that does not run has, it has.
 */
static void
peer_stuck(struct link_layer *l, struct peer *p, struct bus *bus)
{
	uint64_t since = stream_waits_since(p->stream);
	uint64_t patience =
	    MAX(l->conf->stall_timeout_us, l->conf->failure_timeout_us);
	char why[160];

#if MUTANT == 108
	return;
#endif
	if (since == UINT64_MAX || p->stalled ||
	    MAX(since, p->runs_since) + patience > bus->now)
		return;
	snprintf(why, sizeof(why),
	    "too slow: %zu bytes wait for it, and it took none for %llu ms, "
	    "although its heartbeats come",
	    stream_queued(p->stream),
	    (unsigned long long)(bus->now - since) / 1000);
	session_drop(l, p, why, bus);
}

static void
peer_timer(struct link_layer *l, struct peer *p, struct bus *bus)
{
	uint64_t hb = l->conf->heartbeat_us;

	path_expire(l, p, bus);
	relay_watch(l, p, bus);
	if (p->up && p->fail_at <= bus->now)
		peer_silent(l, p, bus);
	if (p->up)
		peer_stuck(l, p, bus);
	/* On a busy machine an answer may be late, and nothing be lost. */
	if (p->up && stream_timer(p->stream, bus->now) &&
	    path_doubtful(l, p, bus->now, LINK_QUIET_US))
		p->double_until = bus->now + 2 * hb;
	if (p->beat_at <= bus->now) {
		session_beat(l, p, bus);
		/* +-10 %, or the beats of all nodes would fall together. */
		p->beat_at =
		    bus->now + hb - hb / 10 + rng_below(bus->rng, hb / 5 + 1);
	}
}

void
link_timer(struct link_layer *l, struct bus *bus)
{
	unsigned i;

	enter(l, bus);
	if (l->leaving)
		return;
	for (i = 0; i < l->npeers; i++) {
		if (!due_now(l, i, bus->now))
			continue;
		due_touch(l, &l->peers[i]);
		peer_timer(l, &l->peers[i], bus);
	}
}

static uint64_t
earliest(const struct link_layer *l)
{
	if (!l->started)
		return 0;
	return l->leaving ? UINT64_MAX : due_next(l);
}

uint64_t
link_deadline(const struct link_layer *l)
{
	return earliest(l);
}

/* ---- datagrams --------------------------------------------------------- */

void
link_begin(struct link_layer *l, const struct peer *p, uint64_t echo)
{
	struct wire_preamble pre = { p->seq, p->nonce, echo };

	wbuf_reset(&l->plain);
	wire_put_preamble(&l->plain, &pre);
}

void
link_seal(struct link_layer *l, struct peer *p, unsigned link,
    const struct wbuf *plain)
{
	const struct seal_gen *key = ring_towards(l, p);
	struct wire_header h = { .version = WIRE_HEADER_VERSION,
		.keyid = key->gen,
		.voice = key->key.aes ? WV_ENGINE_AES : WV_ENGINE,
		.link = (uint8_t)link,
		.cluster = l->cluster,
		.from = l->self,
		.to = p->id,
		.incarnation = l->inc };
	uint8_t sealed[WIRE_PLAIN_MAX + WIRE_TAG_LEN];

	ASSERT(!plain->err);
	h.counter = ++p->counter; /* L2 */
#if MUTANT == 103
	if (p->counter % 64 == 0)
		p->counter--;
#endif
	wbuf_reset(&l->out);
	wire_put_header(&l->out, &h);
	seal_box(&key->key, h.to, h.counter, l->out.data, l->out.len,
	    plain->data, plain->len, sealed);
	wbuf_bytes(&l->out, sealed, plain->len + WIRE_TAG_LEN);
	ASSERT(!l->out.err);
}

void
link_send(struct link_layer *l, struct peer *p, unsigned link, struct bus *bus)
{
	struct action *act;

	if (link == LINK_RELAY) {
		relay_send(l, p, bus);
		return;
	}
	link_seal(l, p, link, &l->plain);
	act = actions_add(bus->out, ACT_SEND, l->out.data, l->out.len);
	act->node = p->id;
	act->link = link;
}

/*
 * Which life of the peer the header claims.  An unknown newer one is set up
 * in fresh, to be kept only when the datagram proves authentic.
 */
static struct life *
claimed_life(struct link_layer *l, struct peer *p, uint64_t inc,
    struct life *fresh)
{
	if (inc == 0 || inc < p->cur.inc)
		return NULL;
	if (inc == p->cur.inc)
		return &p->cur;
	if (inc == p->cand.inc)
		return &p->cand;
	if (inc < p->cand.inc)
		return NULL;
	memset(fresh, 0, sizeof(*fresh));
	fresh->inc = inc;
	return fresh;
}

/* Header checks that need no key; NULL: refused and counted. */
static struct peer *
check_header(struct link_layer *l, const struct wire_header *h, bool ours,
    unsigned link, struct bus *bus)
{
	struct peer *p;

	if (!ours || h->version != WIRE_HEADER_VERSION) {
		link_refuse(l, NULL, LR_VERSION, bus,
		    "link %u: datagrams refused, because they are not of our "
		    "protocol version %u",
		    link, WIRE_HEADER_VERSION);
		return NULL;
	}
	if (h->cluster != l->cluster) {
		link_refuse(l, NULL, LR_CLUSTER, bus,
		    "link %u: datagrams refused, because they belong to "
		    "another cluster than %s",
		    link, l->conf->cluster);
		return NULL;
	}
	if (h->from == l->self) {
		link_refuse(l, NULL, LR_SELF, bus,
		    "link %u: datagrams refused, because they claim to come "
		    "from us (node %u)",
		    link, l->self);
		return NULL;
	}
	p = link_peer(l, h->from);
	if (p == NULL || h->to != l->self) {
		link_refuse(l, p, LR_UNKNOWN_NODE, bus,
		    "link %u: datagrams refused, because node %u or %u is not "
		    "configured here",
		    link, h->from, h->to);
		return NULL;
	}
	return p;
}

/* L10.  The mark is the newest counter as of one to two timeouts ago. */
static bool
held_back(const struct link_layer *l, struct life *life, uint64_t counter)
{
#if MUTANT != 127
	if (l->at >= life->mark_at + l->conf->failure_timeout_us) {
		life->mark = life->mark_next;
		life->mark_next = life->window.top;
		life->mark_at = l->at;
	}
#endif
	return counter <= life->mark;
}

/* In a cipher that we know. */
static bool
of_engine(const struct wire_header *h)
{
	return h->voice == WV_ENGINE ||
	    (h->voice == WV_ENGINE_AES && seal_aes_works());
}

/*
 * Opens the datagram into plain; NULL: refused and counted.  Returns the life
 * that sealed it.
 */
static struct life *
open_datagram(struct link_layer *l, struct peer *p, const struct wire_header *h,
    const uint8_t *data, size_t len, uint8_t *plain, struct bus *bus)
{
	const struct seal_key *key;
	struct life fresh, *life;

	life = claimed_life(l, p, h->incarnation, &fresh);
	if (life == NULL) {
		link_refuse(l, p, LR_OLD_INCARNATION, bus, NULL);
		return NULL;
	}
	if (!seal_fresh(&life->window, h->counter)) {
		link_refuse(l, p, LR_REPLAY, bus, NULL);
		return NULL;
	}
	if (h->voice == WV_ENGINE_AES)
		key = ring_key(l, life->aes_keys, SEAL_ENGINE_AES, p->id,
		    life->inc, h->keyid);
	else
		key = ring_key(l, life->keys, SEAL_ENGINE, p->id, life->inc,
		    h->keyid);
	if (key == NULL ||
	    !seal_open(key, h->to, h->counter, data, WIRE_HEADER_LEN,
		data + WIRE_HEADER_LEN, len - WIRE_HEADER_LEN, plain)) {
		ring_refuse(l, p, h->keyid, bus);
		return NULL;
	}
	if (life == &fresh) {
		p->cand = fresh;
		life = &p->cand;
	}
	seal_accept(&life->window, h->counter);
	l->old = held_back(l, life, h->counter);
	ring_heard(l, p, life, h, bus->now);
	return life;
}

/* When it came, as far as that can be true; else it came just now. */
static uint64_t
credible(uint64_t at, uint64_t now)
{
	if (at == 0 || at > now || now - at > EVENT_WAIT_MAX)
		return now;
	return at;
}

/* A datagram of an engine, for us, that came this way. */
static void
engine_datagram(struct link_layer *l, struct peer *p,
    const struct wire_header *h, unsigned link, const uint8_t *data, size_t len,
    struct bus *bus)
{
	uint8_t plain[WIRE_PLAIN_MAX];
	struct life *life;
	struct rbuf r;

	life = open_datagram(l, p, h, data, len, plain, bus);
	if (life == NULL)
		return;
	if (link == LINK_RELAY && h->link != WIRE_LINK_RELAY) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: what node %u relays in its name refused, because "
		    "it was not sent to be relayed",
		    p->id, l->via);
		return;
	}
	if (link != LINK_RELAY && h->link != link) {
		link_refuse(l, p, LR_MALFORMED, bus,
		    "node %u: its link %u arrives on our link %u: addresses or "
		    "cables are crossed",
		    p->id, h->link, link);
		return;
	}
	rbuf_init(&r, plain, len - WIRE_HEADER_LEN - WIRE_TAG_LEN);
	session_datagram(l, p, life, link, &r, bus);
}

void
link_relayed(struct link_layer *l, uint16_t from, const uint8_t *data,
    size_t len, struct bus *bus)
{
	struct wire_header h;
	struct peer *p;
	struct rbuf r;
	bool ours;

	rbuf_init(&r, data, len);
	ours = wire_get_header(&r, &h);
	p = check_header(l, &h, ours, LINK_RELAY, bus);
	if (p == NULL)
		return;
	due_touch(l, p);
	if (p->id != from || !of_engine(&h)) {
		link_refuse(l, p, LR_RELAY, bus,
		    "node %u: what node %u relays refused, because it is not "
		    "of node %u",
		    p->id, l->via, from);
		return;
	}
	engine_datagram(l, p, &h, LINK_RELAY, data, len, bus);
}

void
link_packet(struct link_layer *l, unsigned link, uint64_t at,
    const uint8_t *data, size_t len, struct bus *bus)
{
	struct wire_header h;
	struct peer *p;
	struct rbuf r;
	bool ours;

	enter(l, bus);
	if (l->leaving)
		return;
	l->at = credible(at, bus->now);
	l->len = len;
	if (len < WIRE_HEADER_LEN + WIRE_TAG_LEN) {
		link_refuse(l, NULL, LR_SHORT, bus, NULL);
		return;
	}
	if (len > WIRE_DATAGRAM_MAX || link >= l->conf->nlinks) {
		link_refuse(l, NULL, LR_MALFORMED, bus, NULL);
		return;
	}
	rbuf_init(&r, data, len);
	ours = wire_get_header(&r, &h);
	p = check_header(l, &h, ours, link, bus);
	if (p == NULL)
		return;
	due_touch(l, p);
	if (!of_engine(&h)) {
		link_beat(l, p, &h, link, data, len, bus);
		return;
	}
	engine_datagram(l, p, &h, link, data, len, bus);
}

/* ---- the rest of the contract ------------------------------------------ */

void
link_note(struct link_layer *l, const struct note *n, struct bus *bus)
{
	struct peer *p = link_peer(l, n->node);
	char why[96];

	enter(l, bus);
	if (n->type == NOTE_KEYS)
		ring_word(l, n->ref);
	if (p == NULL || !p->up || l->leaving)
		return;
#if MUTANT != 151
	due_touch(l, p);
#endif
	if (n->type == NOTE_PEER_RESET) {
		snprintf(why, sizeof(why), "%.*s", (int)n->len,
		    (const char *)n->data);
		session_drop(l, p, why, bus);
		return;
	}
	if (n->type != NOTE_SEND ||
	    stream_send(p->stream, bus->now, (uint8_t)n->chan, n->data, n->len))
		return;
	snprintf(why, sizeof(why), "too slow: %zu bytes wait for it",
	    stream_queued(p->stream));
	session_drop(l, p, why, bus);
}

void
link_flush(struct link_layer *l, struct bus *bus)
{
	unsigned i;

	enter(l, bus);
	for (i = 0; i < l->npeers && !l->leaving; i++) {
		if (!due_now(l, i, bus->now))
			continue;
		due_touch(l, &l->peers[i]);
		if (l->peers[i].up)
			session_flush(l, &l->peers[i], bus);
	}
	due_note(l);
	l->deadline = earliest(l);
}

void
link_goodbye(struct link_layer *l, struct bus *bus)
{
	unsigned i;

	enter(l, bus);
	if (l->leaving)
		return;
	for (i = 0; i < l->npeers; i++)
		if (l->peers[i].up)
			session_bye(l, &l->peers[i], bus);
	l->leaving = true;
}

void
link_get(const struct link_layer *l, uint16_t node, unsigned link,
    struct link_info *info)
{
	const struct peer *p = link_peer(l, node);
	const struct path *path;

	memset(info, 0, sizeof(*info));
	if (p == NULL || link >= l->conf->nlinks)
		return;
	path = &p->paths[link];
	info->up = path->up;
	info->narrow = path->up && path->mtu.narrow;
	info->rtt_us = path->rtt;
	info->loss_permille = path->loss * 1000 / 65536;
	info->last_heard = path->last_heard;
	info->flaps = path->flaps;
	info->datagram = mtu_limit(p, link);
	info->carries = p->up &&
	    (path_best(l, p) == link ||
		(l->conf->mode == MODE_ACTIVE && path->up));
}

bool
link_session(const struct link_layer *l, uint16_t node, uint64_t *inc)
{
	const struct peer *p = link_peer(l, node);

	if (p == NULL || !p->up)
		return false;
	if (inc != NULL)
		*inc = p->cur.inc;
	return true;
}

void
link_lack(struct link_layer *l, uint64_t features)
{
	l->features &= ~features;
}

bool
link_speaks(const struct link_layer *l, uint16_t node, unsigned *version,
    uint64_t *features)
{
	const struct peer *p = link_peer(l, node);

	if (p == NULL || !p->up)
		return false;
	*version = p->cur.version;
	*features = p->cur.features;
	return true;
}

uint64_t
link_skipped(const struct link_layer *l)
{
	return l->skipped;
}

bool
link_stalled(const struct link_layer *l, uint16_t node)
{
	const struct peer *p = link_peer(l, node);

	return p != NULL && p->up && p->stalled;
}

void
link_vouch(struct link_layer *l, uint64_t epoch, bool ask, uint64_t now)
{
	bool news = (epoch != 0 && epoch != l->vouch) || (ask && !l->ask);
	unsigned i;

	l->vouch = epoch;
	l->ask = ask;
	for (i = 0; news && i < l->npeers; i++) {
		if (!l->peers[i].up)
			continue;
		due_touch(l, &l->peers[i]);
		l->peers[i].beat_at = MIN(l->peers[i].beat_at, now);
	}
}

uint64_t
link_vouched(const struct link_layer *l, uint16_t node, uint64_t inc,
    uint64_t epoch)
{
	const struct peer *p = link_peer(l, node);

	if (p == NULL || p->cur.inc != inc || p->vouch != epoch)
		return 0;
	return p->vouched;
}

bool
link_gone(const struct link_layer *l, uint16_t node, uint64_t inc)
{
	const struct peer *p = link_peer(l, node);

	return p != NULL && (p->cur.inc > inc || p->gone >= inc);
}

uint64_t
link_promised(const struct link_layer *l, uint16_t node, uint64_t *inc)
{
	const struct peer *p = link_peer(l, node);

	if (p == NULL)
		return 0;
	*inc = p->cur.inc;
	return p->promised;
}

uint64_t
link_patience(const struct link_layer *l)
{
	return path_patience(l);
}

size_t
link_queued(const struct link_layer *l)
{
	return due_queued(l);
}

uint64_t
link_rejects(const struct link_layer *l, uint16_t node, enum link_reject why)
{
	const struct peer *p;

	if (node == 0)
		return l->rejects[why];
	p = link_peer(l, node);
	return p == NULL ? 0 : p->rejects[why];
}

void
link_check(const struct link_layer *l)
{
	const struct peer *p;
	unsigned i;

	for (i = 0; i < l->npeers; i++) {
		p = &l->peers[i];
		ASSERT(!l->started || p->nonce != 0);
		ASSERT(p->cand.inc == 0 || p->cand.inc > p->cur.inc); /* L1 */
		ASSERT(!p->up ||
		    (p->cur.inc != 0 && p->cur.nonce != 0 &&
			!p->cur.bye));				/* L3 */
		ASSERT(p->up || stream_queued(p->stream) == 0); /* L4 */
		stream_check(p->stream);
	}
	due_check(l);
}
