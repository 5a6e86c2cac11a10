/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum device as a voter (device.c V1 to V3), on a model of the disk: the
 * coordinators are real, and their writes and reads come in every order.
 * Requests fail with or without effect, nodes die in the middle of a write,
 * which may tear their block, and the disk is made anew.
 *
 * Checked: what was recorded is known to whoever is promised a later epoch, and
 * no epoch is promised to two; unless the block that held it was damaged, and
 * the device says so.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/device.h"
#include "core/rng.h"

#define NODES	4
#define RECORDS 20000

struct block {
	bool used, damaged;
	size_t len;
	uint8_t data[DEVICE_BODY_MAX];
};

struct record { /* by number */
	uint64_t epoch;
	unsigned before; /* number; 0: none */
	unsigned made;	 /* the disk */
	bool final;
};

struct promise {
	uint64_t epoch, lost;
	unsigned told; /* record */
	unsigned made;
};

struct coord {
	struct device d;
	struct bus bus;
	bool busy, wrote;
	int stage;
	uint32_t req;
	size_t len;
	uint8_t data[DEVICE_UUID + DEVICE_BODY_MAX];
	enum device_state seen;
	unsigned told, record;
	uint64_t used;
};

struct world {
	struct rng rng;
	struct conf *conf;
	unsigned made;
	struct block block[NODES + 1];
	struct coord c[NODES + 1];
	unsigned nrecords, npromises, nfinal, nrefused, nlost;
	struct record *record;
	struct promise *promise;
	uint64_t now;
};

static unsigned
chance(struct world *w, unsigned percent)
{
	return rng_below(&w->rng, 100) < percent;
}

static bool
descends(const struct world *w, unsigned k, unsigned from)
{
	for (; k != 0; k = w->record[k].before) {
		if (k == from)
			return true;
	}
	return false;
}

static void
compare(const struct world *w, const struct promise *p, unsigned k)
{
	const struct record *r = &w->record[k];

	if (!r->final || p->made != r->made || p->epoch <= r->epoch ||
	    p->lost >= r->epoch)
		return;
	ATF_REQUIRE_MSG(descends(w, p->told, k),
	    "epoch %llu is promised without the record of %llu",
	    (unsigned long long)p->epoch, (unsigned long long)r->epoch);
}

static void
promised(struct world *w, struct coord *c)
{
	struct promise *p = &w->promise[w->npromises];
	unsigned k, told = 0;

	if (c->d.memory.accepted != 0)
		memcpy(&told, c->d.memory.memory, sizeof(told));
	c->told = told;
	p->epoch = c->d.epoch;
	p->lost = c->d.lost;
	p->told = told;
	p->made = c->d.uuid[0];
	w->nlost += p->lost != 0;
	for (k = 0; k < w->npromises; k++)
		ATF_REQUIRE_MSG(w->promise[k].made != p->made ||
			w->promise[k].epoch != p->epoch,
		    "epoch %llu is promised twice",
		    (unsigned long long)p->epoch);
	w->npromises++;
	for (k = 1; k <= w->nrecords; k++)
		compare(w, p, k);
}

static void
recorded(struct world *w, const struct coord *c)
{
	unsigned k;

	w->record[c->record].final = true;
	w->nfinal++;
	for (k = 0; k < w->npromises; k++)
		compare(w, &w->promise[k], c->record);
}

/* What the device says now, and what it wants. */
static void
look(struct world *w, struct coord *c)
{
	enum device_state was = c->seen;
	struct note *n;

	while ((n = bus_take(&c->bus)) != NULL) {
		if (n->type == NOTE_DEVICE) {
			ATF_REQUIRE(!c->busy);
			c->busy = true;
			c->stage = 0;
			c->wrote = n->len > 0;
			c->req = (uint32_t)n->seq;
			c->len = n->len;
			memcpy(c->data, n->data, n->len);
		}
		free(n);
	}
	c->seen = c->d.state;
	if (c->seen == was)
		return;
	if (c->seen == DEVICE_PROMISED)
		promised(w, c);
	else if (c->seen == DEVICE_RECORDED)
		recorded(w, c);
	w->nrefused += c->seen == DEVICE_REFUSED;
}

static void
give(struct world *w, struct coord *c, bool ok, const void *data, size_t len)
{
	struct note *n = calloc(1, sizeof(*n) + len);

	ATF_REQUIRE(n != NULL);
	c->busy = false;
	n->seq = c->req;
	n->ok = ok;
	n->len = len;
	memcpy(n->data, data, len);
	device_note(&c->d, n, &c->bus);
	free(n);
	look(w, c);
}

static void
read_all(struct world *w, struct coord *c)
{
	uint8_t uuid[DEVICE_UUID] = { (uint8_t)w->made };
	unsigned i, used = 0;
	struct wbuf b;

	wbuf_init(&b, 100000);
	wbuf_bytes(&b, uuid, sizeof(uuid));
	for (i = 1; i <= NODES; i++)
		used += w->block[i].used;
	wbuf_u32(&b, used);
	for (i = 1; i <= NODES; i++) {
		if (!w->block[i].used)
			continue;
		wbuf_u16(&b, (uint16_t)i);
		wbuf_u8(&b, w->block[i].damaged);
		wbuf_blob(&b, w->block[i].data,
		    w->block[i].damaged ? 0 : w->block[i].len);
	}
	ATF_REQUIRE(!b.err);
	give(w, c, true, b.data, b.len);
	wbuf_free(&b);
}

static void
put(struct world *w, struct coord *c)
{
	struct block *b = &w->block[c->d.self];

	if (c->data[0] != w->made)
		return;
	b->used = true;
	b->damaged = false;
	b->len = c->len - DEVICE_UUID;
	memcpy(b->data, c->data + DEVICE_UUID, b->len);
}

static void
progress(struct world *w, struct coord *c)
{
	if (!c->busy)
		return;
	if (chance(w, 2)) {
		if (c->wrote && c->stage == 0 && chance(w, 50))
			put(w, c);
		give(w, c, false, "it fails", 8);
	} else if (c->wrote && c->stage == 0 && c->data[0] != w->made)
		give(w, c, false, "it was made anew", 16);
	else if (c->wrote && c->stage++ == 0)
		put(w, c);
	else
		read_all(w, c);
}

static void
ask(struct world *w, struct coord *c)
{
	uint64_t top = c->used;

	/* As a node does: above all that it has heard of. */
	if (c->d.state == DEVICE_REFUSED)
		top = MAX(top, c->d.floor);
	if (chance(w, 60))
		top = MAX(top, w->c[1 + rng_below(&w->rng, NODES)].used - 1);
	c->used = MAX(top, c->used) + 1;
	device_ask(&c->d, c->used, &c->bus);
	look(w, c);
}

static void
record(struct world *w, struct coord *c)
{
	unsigned number = ++w->nrecords;

	w->record[number].epoch = c->d.epoch;
	w->record[number].before = c->told;
	w->record[number].made = c->d.uuid[0];
	c->record = number;
	device_record(&c->d, &number, sizeof(number), &c->bus);
	look(w, c);
}

static void
boot(struct world *w, struct coord *c, uint16_t self)
{
	device_init(&c->d, w->conf, self);
	device_start(&c->d, c->used, &c->bus);
	c->seen = DEVICE_IDLE;
	look(w, c);
}

static void
die(struct world *w, struct coord *c)
{
	if (c->busy && c->wrote && c->stage == 0 && c->data[0] == w->made) {
		if (chance(w, 15))
			w->block[c->d.self].used = w->block[c->d.self].damaged =
			    true;
		else if (chance(w, 50))
			put(w, c);
	}
	c->busy = false;
	bus_clear(&c->bus);
	bus_init(&c->bus);
	c->bus.now = w->now;
	boot(w, c, c->d.self);
}

static void
step(struct world *w)
{
	struct coord *c = &w->c[1 + rng_below(&w->rng, NODES)];
	unsigned what = (unsigned)rng_below(&w->rng, 1000);

	w->now += 1000;
	c->bus.now = w->now;
	if (what < 700)
		progress(w, c);
	else if (c->d.state == DEVICE_PROMISED && what < 960) {
		if (w->nrecords + 1 < RECORDS)
			record(w, c);
	} else if (what < 960) {
		if (c->d.state != DEVICE_ASKED &&
		    c->d.state != DEVICE_RECORDING)
			ask(w, c);
	} else if (what < 980) {
		device_timer(&c->d, &c->bus);
		look(w, c);
	} else if (what < 998)
		die(w, c);
	else if (chance(w, 20)) {
		w->made++;
		memset(w->block, 0, sizeof(w->block));
	}
}

static void
start(struct world *w, unsigned long number)
{
	uint64_t seed[4] = { number, 2, 7, 1 };
	uint16_t i;

	memset(w, 0, sizeof(*w));
	rng_seed(&w->rng, seed);
	for (i = 0; i < 64; i++)
		rng_u64(&w->rng);
	w->made = 1;
	w->conf = conf_new();
	w->record = calloc(RECORDS, sizeof(*w->record));
	w->promise = calloc(RECORDS, sizeof(*w->promise));
	ATF_REQUIRE(w->conf != NULL && w->record != NULL && w->promise != NULL);
	w->conf->qdevice.votes = 1;
	w->conf->qdevice.timeout_us = 200000;
	for (i = 1; i <= NODES; i++) {
		bus_init(&w->c[i].bus);
		boot(w, &w->c[i], i);
	}
}

ATF_TC_WITHOUT_HEAD(a_voter_with_memory);
ATF_TC_BODY(a_voter_with_memory, tc)
{
	const char *env = getenv("MODELS");
	unsigned long i, models = env == NULL ? 100 : strtoul(env, NULL, 10);
	unsigned promises = 0, final = 0, refused = 0, lost = 0, k;
	struct world *w = malloc(sizeof(*w));

	ATF_REQUIRE(w != NULL);
	for (i = 1; i <= models; i++) {
		start(w, i);
		for (k = 0; k < 8000 && w->npromises + 1 < RECORDS; k++)
			step(w);
		promises += w->npromises;
		final += w->nfinal;
		refused += w->nrefused;
		lost += w->nlost;
		for (k = 1; k <= NODES; k++)
			bus_clear(&w->c[k].bus);
		free(w->record);
		free(w->promise);
		conf_free(w->conf);
	}
	free(w);
	fprintf(stderr,
	    "%lu models: %u promises, %u of them after a loss, %u refusals, "
	    "%u records\n",
	    models, promises, lost, refused, final);
	ATF_CHECK(promises > 50 * models && final > 30 * models);
	ATF_CHECK(refused > 20 * models && lost > models);
}

/* A look that others could have: one block, of node 2. */
static void
tell_both(struct device *d, struct bus *bus, uint64_t accepted,
    uint64_t promised)
{
	struct device_block b = { .promised = promised, .accepted = accepted };
	static const uint8_t uuid[DEVICE_UUID] = { 1 };
	struct note *n, *ask;
	struct wbuf w, v;
	uint64_t req = 0;

	if (d->op == DEVICE_OP_NONE) {
		device_poll(d, bus->now);
		device_timer(d, bus);
	}
	while ((ask = bus_take(bus)) != NULL) {
		req = ask->type == NOTE_DEVICE ? ask->seq : req;
		free(ask);
	}
	ATF_REQUIRE(req != 0);
	wbuf_init(&v, DEVICE_BODY_MAX);
	wbuf_init(&w, 2 * DEVICE_BODY_MAX);
	device_block_encode(&b, &v);
	wbuf_bytes(&w, uuid, sizeof(uuid));
	wbuf_u32(&w, accepted > 0);
	if (accepted > 0) {
		wbuf_u16(&w, 2);
		wbuf_u8(&w, 0);
		wbuf_blob(&w, v.data, v.len);
	}
	n = calloc(1, sizeof(*n) + w.len);
	ATF_REQUIRE(n != NULL && !w.err);
	n->seq = req;
	n->ok = true;
	n->len = w.len;
	memcpy(n->data, w.data, w.len);
	device_note(d, n, bus);
	free(n);
	wbuf_free(&w);
	wbuf_free(&v);
	bus->now += 10000000;
}

static void
tell(struct device *d, struct bus *bus, uint64_t accepted)
{
	tell_both(d, bus, accepted, accepted);
}

/* V5 */
ATF_TC_WITHOUT_HEAD(not_that_of_others);
ATF_TC_BODY(not_that_of_others, tc)
{
	static struct world w;
	struct device *d = &w.c[1].d;
	struct bus *bus = &w.c[1].bus;

	start(&w, 1);
	bus->now = 1000000;
	device_init(d, w.conf, 1);
	tell(d, bus, 5);
	ATF_CHECK(d->works);
	/* What was asked before may not have it yet. */
	device_poll(d, bus->now);
	device_timer(d, bus);
	device_expect(d, 9, 0);
	tell(d, bus, 5);
	ATF_CHECK(d->works);
	tell(d, bus, 5);
	ATF_CHECK(!d->works);
	ATF_CHECK(strstr(d->why, "view 9 is not recorded on it") != NULL);
	/* Nor can it be asked then. */
	device_ask(d, 12, bus);
	tell(d, bus, 5);
	ATF_CHECK_EQ(DEVICE_FAILED, d->state);
	/* Our disk is the one of the others again; or all have a new one. */
	tell(d, bus, 9);
	ATF_CHECK(d->works);
	tell(d, bus, 8);
	ATF_CHECK(!d->works);
	tell(d, bus, 0);
	ATF_CHECK(d->works && d->blank);
	/* Node 2 had its promise of view 20, for which we were READY. */
	tell(d, bus, 10);
	ATF_CHECK(d->works);
	device_expect(d, 0, 20);
	tell_both(d, bus, 10, 19);
	ATF_CHECK(!d->works);
	ATF_CHECK(strstr(d->why, "view 20 is not promised by it") != NULL);
	/* It was not recorded, or has gone on since. */
	tell_both(d, bus, 10, 20);
	ATF_CHECK(d->works);
	tell(d, bus, 21);
	ATF_CHECK(d->works);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, a_voter_with_memory);
	ATF_TP_ADD_TC(tp, not_that_of_others);
	return atf_no_error();
}
