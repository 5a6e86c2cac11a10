/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The keys of the cluster, as a service of the total order.
 *
 *	STEADY -add-> ADDED	a node makes a key, which the order carries to
 *		all members.  Each puts both into its key file, accepts both
 *		from then on, and confirms (HAVE).
 *	ADDED -use-> USED	when every member has confirmed: all send with
 *		the new one to whoever has confirmed, and to others as they
 *		are heard (link_keys.c).  Whoever has heard nothing but the new
 *		one for the failure timeout says so (QUIET).
 *	USED -drop-> STEADY	when every member is quiet: the old one is
 *		forgotten, in memory and in the file.
 *	ADDED -abort-> STEADY	when every node of the configuration has
 *		confirmed: the new one is forgotten.  Its generation is not
 *		given out again.
 *
 * A life that comes into the view has confirmed nothing, and what others said
 * of being done with the old key does not count any more: the round changes.
 * It is told the keys with the snapshot, sealed with the one that it has.
 *
 * Where nobody has state, that of the leader's key file counts.  A node whose
 * file has a newer key then offers it to the others, as if it were added.
 *
 * So the file that counts may be behind: of two nodes with a quorum device each
 * may go on alone, and none knows what the other one did.  Two keys may then be
 * given one generation.  That does no harm, since there is a key that is in the
 * files of all nodes, those that are away, too: a key is added beside it, and it
 * is dropped or kept alone only when every node has had the other one in its
 * file as well (K4, K5; but for drop absent).  By it all can meet; and the keys
 * of the view then take the place of others in every file, whatever their
 * generations are.
 *
 * Invariants:
 *   K1  the file has every key that is in force here;
 *   K2  a new key is used only once every member has confirmed it;
 *   K3  a node has one entry among the holders;
 *   K4  the old key is dropped only when every member is done with it, and
 *       that was said after the last change of who holds what;
 *   K5  the new key is given up only when every configured node is a member and
 *       has confirmed: one that is away may have dropped the old one.
 *
 * clusterd-protocol(7), section 8.10.
 */

#include <sodium.h>
#include <stdio.h>

#include "keys_internal.h"

#define RETRY_US    UINT64_C(5000000) /* when the file could not be written */
#define QUIET_LIMIT 10 /* failure timeouts: what is old then is no member's */

struct keys *
keys_new(const struct conf *conf, uint16_t self, uint64_t inc,
    const struct keyring *ring, const uint8_t secret[32],
    uint64_t (*old_heard)(const void *), const void *arg)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->conf = conf;
	svc_init(&k->svc, SVC_KEYS, self, inc);
	memcpy(k->secret, secret, sizeof(k->secret));
	k->old_heard = old_heard;
	k->arg = arg;
	k->word.ring = k->disk = k->now = *ring;
	k->added = k->round = 1;
	return k;
}

void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	svc_free(&k->svc);
	freezero(k, sizeof(*k));
}

void
keys_make(struct keys *k, uint8_t key[KEYRING_KEY_LEN])
{
	static const uint8_t purpose[] = "clusterd new key";
	uint8_t both[KEYRING_KEY_LEN + sizeof(k->secret)];

	crypto_generichash(both, sizeof(both), purpose, sizeof(purpose),
	    k->secret, sizeof(k->secret));
	memcpy(key, both, KEYRING_KEY_LEN);
	memcpy(k->secret, both + KEYRING_KEY_LEN, sizeof(k->secret));
	explicit_bzero(both, sizeof(both));
}

/* --- who holds what ------------------------------------------------------------ */

enum keys_step
keys_step(const struct keys *k)
{
	if (k->now.n == 1)
		return KEYS_STEADY;
	return k->now.use == k->now.k[0].gen ? KEYS_ADDED : KEYS_USED;
}

const char *
keys_step_name(enum keys_step step)
{
	static const char *const names[] = { "steady", "added", "used" };

	return (unsigned)step < NITEMS(names) ? names[step] : "?";
}

struct keys_holder *
keys_holder(struct keys *k, uint16_t node)
{
	unsigned i;

	for (i = 0; i < k->nholders; i++)
		if (k->holders[i].node == node)
			return &k->holders[i];
	return NULL;
}

static const struct keys_holder *
find(const struct keys *k, uint16_t node)
{
	return keys_holder((struct keys *)(uintptr_t)k, node);
}

bool
keys_holds(const struct keys *k, const struct keys_holder *member)
{
	const struct keys_holder *h = find(k, member->node);

	return h != NULL && h->inc == member->inc;
}

bool
keys_all_hold(const struct keys *k)
{
	unsigned i;

	for (i = 0; i < k->n; i++)
		if (!keys_holds(k, &k->members[i]))
			return false;
	return k->n > 0;
}

static const struct keys_holder *
member(const struct keys *k, uint16_t node)
{
	unsigned i;

	for (i = 0; i < k->n; i++)
		if (k->members[i].node == node)
			return &k->members[i];
	return NULL;
}

/* --- what follows from it here -------------------------------------------------- */

/* Has our ring the key that all are to send with? */
static bool
can_use(const struct keys *k)
{
	unsigned i;

	for (i = 0; i < k->now.n; i++)
		if (k->now.k[i].gen == k->now.use)
			return keyring_has(&k->word.ring, &k->now.k[i]);
	return false;
}

/*
 * What the others have forgotten must let nobody in here, although the file
 * has it still: the others would not hear who came in by it.
 */
static void
forget_dropped(struct keyring *ring, const struct keyring *now)
{
	unsigned i = 0;

	if (!keyring_follows(ring, now)) /* nothing would be left */
		return;
	while (i < ring->n) {
		if (keyring_has(now, &ring->k[i]))
			i++;
		else
			keyring_drop(ring, ring->k[i].gen);
	}
	if (keyring_find(ring, ring->use) == NULL)
		ring->use = ring->k[0].gen;
}

/* K1: what is not in the file yet is not in force yet. */
static void
put_in_force(struct keys *k, struct bus *bus)
{
	struct keys_word old = k->word;
	struct note *n;

#if MUTANT == 117
	if (!can_use(k) && !keyring_covers(&k->disk, &k->now))
		return;
#endif
#if MUTANT == 114
	k->word.ring = k->now;
#endif
	if (keyring_covers(&k->disk, &k->now))
		k->word.ring = k->now;
	else {
		if (can_use(k))
			k->word.ring.use = k->now.use;
		forget_dropped(&k->word.ring, &k->now);
	}
	/* Whoever lacks a key of theirs speaks to each as it is heard. */
	k->word.n = keyring_same(&k->word.ring, &k->now) ? k->nholders : 0;
	memcpy(k->word.holders, k->holders, sizeof(k->holders));
	if (memcmp(&old, &k->word, sizeof(old)) != 0) {
		n = bus_note(bus, NOTE_KEYS, NULL, 0);
		n->ref = &k->word;
	}
	explicit_bzero(&old, sizeof(old));
}

static void
store(struct keys *k, struct bus *bus)
{
	struct wbuf w;

	if (k->storing || bus->now < k->retry_at ||
	    keyring_same(&k->disk, &k->now))
		return;
	wbuf_init(&w, KEYRING_ENCODED);
	keyring_put(&w, &k->now);
	ASSERT(!w.err);
	actions_add(bus->out, ACT_KEYS, w.data, w.len);
	explicit_bzero(w.data, w.len);
	wbuf_free(&w);
	k->sent = k->now;
	k->storing = true;
}

static void
say(struct keys *k, enum keys_msg type, struct bus *bus)
{
	struct wbuf w;

	svc_put(&w, type, 0, 0);
	wbuf_u8(&w, k->now.k[1].gen);
	if (type == KM_QUIET)
		wbuf_u32(&w, k->round);
	svc_say(&k->svc, &w, bus);
}

static uint64_t
quiet_at(const struct keys *k)
{
	uint64_t since = MAX(k->calm_since, k->old_heard(k->arg));
	uint64_t wait = k->conf->failure_timeout_us;

	/* Somebody else has the old key: all the more it must go. */
	return MIN(since + wait, k->calm_since + QUIET_LIMIT * wait);
}

/* Does every member, as far as we know, have what it needs from us? */
static bool
calm(const struct keys *k)
{
	return keys_step(k) == KEYS_USED && keys_all_hold(k) &&
	    keyring_same(&k->disk, &k->now) &&
	    keyring_same(&k->word.ring, &k->now);
}

static void
confirm(struct keys *k, struct bus *bus)
{
	const struct keys_holder me = { .node = k->svc.self,
		.inc = k->svc.inc };

	if (k->now.n == 2 && k->had != k->added && !keys_holds(k, &me) &&
	    keyring_covers(&k->word.ring, &k->now)) {
		k->had = k->added;
		say(k, KM_HAVE, bus);
	}
	if (!calm(k))
		return;
	if (k->calm_round != k->round) {
		k->calm_round = k->round;
		k->calm_since = bus->now;
	}
	if (k->said_quiet != k->round && quiet_at(k) <= bus->now) {
		k->said_quiet = k->round;
		say(k, KM_QUIET, bus);
	}
}

/* Does whatever is due. */
static void
settle(struct keys *k, struct bus *bus)
{
	if (!k->svc.has_state || k->offering)
		return;
	put_in_force(k, bus);
	store(k, bus);
	confirm(k, bus);
}

void
keys_stored(struct keys *k, bool ok, const char *why, struct bus *bus)
{
	if (!k->storing)
		return;
	k->storing = false;
	if (ok) {
		k->disk = k->sent;
		k->failed[0] = '\0';
	} else {
		k->retry_at = bus->now + RETRY_US;
		if (strcmp(k->failed, why) != 0)
			bus_event(bus, EVK_KEY, EVL_WARN,
			    "key: this node does not confirm the keys, because "
			    "its key file cannot be written: %s; it goes on "
			    "trying",
			    why);
		strlcpy(k->failed, why, sizeof(k->failed));
	}
	keyring_forget(&k->sent);
	settle(k, bus);
}

void
keys_timer(struct keys *k, struct bus *bus)
{
	settle(k, bus);
}

uint64_t
keys_deadline(const struct keys *k)
{
	uint64_t d = UINT64_MAX;

	if (!k->svc.has_state || k->offering)
		return d;
	if (!k->storing && !keyring_same(&k->disk, &k->now))
		d = k->retry_at;
	if (calm(k) && k->calm_round == k->round && k->said_quiet != k->round)
		d = MIN(d, quiet_at(k));
	return d;
}

/* --- the order ------------------------------------------------------------------- */

static void
forget_holders(struct keys *k)
{
	k->nholders = 0;
	memset(k->holders, 0, sizeof(k->holders));
	k->round++;
}

static void
step_add(struct keys *k, uint8_t gen, const uint8_t *key, uint16_t node,
    bool asked, struct bus *bus)
{
	k->now.k[1].gen = gen;
	memcpy(k->now.k[1].key, key, KEYRING_KEY_LEN);
	k->now.n = 2;
	k->now.last = gen;
	forget_holders(k);
	k->added = k->round;
	bus_event(bus, EVK_KEY, EVL_WARN,
	    "key: generation %u is added to %u, because %s node %u %s", gen,
	    k->now.k[0].gen, asked ? "the operator on" : "the key file of",
	    node, asked ? "wants it" : "has it");
}

static void
step_use(struct keys *k, uint8_t gen, uint16_t node, struct bus *bus)
{
	k->now.use = gen;
	k->round++;
	bus_event(bus, EVK_KEY, EVL_WARN,
	    "key: generation %u is used from now on, because the operator on "
	    "node %u wants it",
	    gen, node);
}

static void
step_end(struct keys *k, uint8_t gen, uint16_t node, bool abort,
    struct bus *bus)
{
	keyring_drop(&k->now, gen);
	forget_holders(k);
	bus_event(bus, EVK_KEY, EVL_WARN,
	    "key: generation %u is %s and %u is the only one, because the "
	    "operator on node %u wants it",
	    gen, abort ? "given up" : "dropped", k->now.use, node);
}

static void
ordered_command(struct keys *k, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	enum keys_msg type = (enum keys_msg)from->type;
	const uint8_t *key = NULL;
	bool absent = false;
	uint8_t gen = rbuf_u8(r);
	char text[256];
	int error;

	if (type == KM_ADD)
		key = rbuf_take(r, KEYRING_KEY_LEN);
	if (type == KM_DROP)
		absent = rbuf_u8(r) != 0;
	if (!rbuf_done(r))
		return;
	if (!keys_may(k, type, gen, absent, &error, text, sizeof(text))) {
		if (from->who.client != 0)
			svc_answer(from, bus, error, "%s", text);
		return;
	}
	if (type == KM_ADD)
		step_add(k, gen, key, from->who.node, from->who.client != 0,
		    bus);
	else if (type == KM_USE)
		step_use(k, gen, from->who.node, bus);
	else
		step_end(k, gen, from->who.node, type == KM_ABORT, bus);
	if (from->who.client == 0)
		return;
	keys_done_text(k, type, text, sizeof(text));
	svc_answer(from, bus, 0, "%s", text);
}

static void
ordered_have(struct keys *k, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	struct keys_holder *h;
	uint8_t gen = rbuf_u8(r);

	if (!rbuf_done(r) || k->now.n != 2 || gen != k->now.k[1].gen)
		return;
	h = keys_holder(k, from->who.node);
	if (h == NULL && k->nholders == CONF_NODES_MAX)
		return;
	if (h == NULL)
		h = &k->holders[k->nholders++]; /* K3 */
	h->node = from->who.node;
	h->inc = from->who.inc;
	h->quiet = 0;
	k->round++;
	bus_event(bus, EVK_KEY, EVL_INFO,
	    "key: generation %u is confirmed by node %u, because it has it in "
	    "its key file",
	    gen, from->who.node);
}

static void
ordered_quiet(struct keys *k, const struct svc_from *from, struct rbuf *r)
{
	struct keys_holder *h = keys_holder(k, from->who.node);
	uint8_t gen = rbuf_u8(r);
	uint32_t round = rbuf_u32(r);

	if (rbuf_done(r) && keys_step(k) == KEYS_USED &&
	    gen == k->now.k[1].gen && h != NULL && h->inc == from->who.inc)
		h->quiet = round;
}

static void
ordered(struct keys *k, const struct note *note, struct bus *bus)
{
	struct svc_from from;
	struct rbuf r;

	/* Ours is not offered any more: it was taken, or is not needed. */
	if (k->offering && note->node == k->svc.self && note->inc == k->svc.inc)
		k->offering = false;
	if (!svc_take(&k->svc, note, &r, &from))
		return;
	switch (from.type) {
	case KM_ADD:
	case KM_USE:
	case KM_DROP:
	case KM_ABORT:
		ordered_command(k, &from, &r, bus);
		break;
	case KM_HAVE:
		ordered_have(k, &from, &r, bus);
		break;
	case KM_QUIET:
		ordered_quiet(k, &from, &r);
		break;
	default:
		break;
	}
}

/* Lives that are over have confirmed nothing for those after them. */
static void
new_view(struct keys *k, const struct view *v)
{
	const struct view_member *vm;
	unsigned i = 0;

	(void)svc_view(&k->svc, v);
	k->primary = v->primary;
#if MUTANT == 119
	k->features = v->features;
#endif
	if (!v->primary)
		return;
	/* What is left of the order of a view is judged by that view. */
	k->features = v->features;
	k->n = v->n;
	for (i = 0; i < v->n; i++) {
		k->members[i].node = v->members[i].node;
		k->members[i].inc = v->members[i].inc;
	}
	for (i = 0; i < k->nholders;) {
		vm = view_find(v, k->holders[i].node);
		if (vm == NULL || vm->inc == k->holders[i].inc) {
			i++;
			continue;
		}
		k->holders[i] = k->holders[--k->nholders];
		memset(&k->holders[k->nholders], 0, sizeof(k->holders[0]));
		k->round++;
	}
}

static void
give_snapshot(struct keys *k, struct bus *bus)
{
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 4096);
	keyring_put(&w, &k->now);
	wbuf_u32(&w, k->added);
	wbuf_u32(&w, k->round);
	wbuf_u32(&w, k->nholders);
	for (i = 0; i < k->nholders; i++) {
		wbuf_u16(&w, k->holders[i].node);
		wbuf_u64(&w, k->holders[i].inc);
		wbuf_u32(&w, k->holders[i].quiet);
	}
	svc_snapshot(&k->svc, &w, bus);
}

/* Our file has a key that the others do not know of. */
static void
offer(struct keys *k, struct bus *bus)
{
	const struct keyring_key *newest = &k->disk.k[k->disk.n - 1];
	struct wbuf w;

	if (k->now.n != 1 || !keyring_later(newest->gen, k->now.last))
		return;
	k->offering = true;
	svc_put(&w, KM_ADD, 0, 0);
	wbuf_u8(&w, newest->gen);
	wbuf_bytes(&w, newest->key, sizeof(newest->key));
	svc_say(&k->svc, &w, bus);
}

static bool
get_snapshot(struct keys *k, struct rbuf *r)
{
	unsigned i, n;

	if (!keyring_get(r, &k->now))
		return false;
	k->added = rbuf_u32(r);
	k->round = rbuf_u32(r);
	n = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < n && !r->err; i++) {
		k->holders[i].node = rbuf_u16(r);
		if (keys_holder(k, k->holders[i].node) != NULL) /* K3 */
			return false;
		k->holders[i].inc = rbuf_u64(r);
		k->holders[i].quiet = rbuf_u32(r);
		k->nholders++;
	}
	return rbuf_done(r);
}

static void
load_snapshot(struct keys *k, const struct note *note, struct bus *bus)
{
	static const char why[] = "the keys sent to it are torn";
	struct rbuf r;

	k->svc.has_state = true;
	k->had = 0;
	k->said_quiet = k->calm_round = 0;
	k->nholders = 0;
	memset(k->holders, 0, sizeof(k->holders));
	/* A leader that knows nothing of them sends nothing. */
	if (note->len == 0)
		return;
	rbuf_init(&r, note->data, note->len);
	if (!get_snapshot(k, &r)) {
		k->now = k->disk;
		k->nholders = 0;
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	offer(k, bus);
}

void
keys_note(struct keys *k, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(k, note->ref);
		break;
	case NOTE_ORDERED:
		ordered(k, note, bus);
		break;
	case NOTE_SNAP_WANT:
		give_snapshot(k, bus);
		return;
	case NOTE_SNAP_LOAD:
		load_snapshot(k, note, bus);
		break;
	case NOTE_REQUEST:
		keys_request(k, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		(void)svc_gone(&k->svc, note->client);
		break;
	default:
		return;
	}
	settle(k, bus);
}

const struct keyring *
keys_ring(const struct keys *k)
{
	return &k->word.ring;
}

const struct keyring *
keys_agreed(const struct keys *k)
{
	return &k->now;
}

void
keys_check(const struct keys *k)
{
	unsigned i;

	svc_check(&k->svc);
	ASSERT(keyring_covers(&k->disk, &k->word.ring)); /* K1 */
	ASSERT(k->now.n >= 1 && k->now.n <= KEYRING_MAX);
	for (i = 0; i < k->nholders; i++)
		ASSERT(find(k, k->holders[i].node) == &k->holders[i]); /* K3 */
}

void
keys_get(const struct keys *k, uint16_t node, struct keys_info *info)
{
	const struct keyring *r = k->svc.has_state ? &k->now : &k->word.ring;
	const struct keys_holder *m = member(k, node), *h = find(k, node);

	memset(info, 0, sizeof(*info));
	info->known = k->svc.has_state;
	info->use = r->use;
	if (r->n == 2) {
		info->step = r->use == r->k[0].gen ? KEYS_ADDED : KEYS_USED;
		info->other = r->k[r->use == r->k[0].gen].gen;
	}
	info->member = m != NULL && k->primary;
	/* One that is away and had confirmed still has it in its file. */
	info->holds = m != NULL ? keys_holds(k, m) : h != NULL;
	info->done = info->holds && h->quiet == k->round;
	info->failed = node == k->svc.self ? k->failed : "";
}
