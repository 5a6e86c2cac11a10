/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum disk that all nodes share: one block of each.  Requests of a node
 * are done one after another, each in two moments, the write and the read
 * behind it, so that those of other nodes come in between.  What goes wrong:
 * requests are slow, of some disks all of them, fail with or without having
 * written, and some nodes do not reach the disk for a while; the write of a
 * node that dies may never have happened, may have happened, or has torn its
 * block; and the whole disk is made anew.  What it says to have written it has.
 *
 * With -d some nodes have a disk of their own under that name, until the faults
 * are over: then the mistake is found, and all have a new one.
 */

#include "sim.h"

enum {
	STEP_WRITE = 0,
	STEP_READ
};

struct sim_block {
	bool used, damaged;
	size_t len;
	uint8_t data[4096];
};

struct sim_request {
	bool busy, wrote, fails;
	uint32_t req;
	size_t len;
	uint8_t data[4096];
};

struct medium {
	uint8_t uuid[16];
	struct sim_block block[SIM_NODES_MAX];
};

struct sim_disk {
	struct medium medium[2];
	bool second[SIM_NODES_MAX]; /* which one the node has */
	bool two;
	unsigned made; /* how often */
	struct rng rng;
	struct sim_request request[SIM_NODES_MAX];
	uint64_t away[SIM_NODES_MAX]; /* not reached until then */
	bool slow;
	uint64_t seek; /* what each access takes, also when all is well */
};

static bool
dice(struct sim *s, unsigned permille)
{
	return rng_below(&s->disk->rng, 1000) < permille;
}

static uint64_t
between(struct sim *s, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(&s->disk->rng, hi - lo + 1);
}

static void
make(struct sim_disk *d, struct medium *m)
{
	memset(m, 0, sizeof(*m));
	m->uuid[0] = (uint8_t)++d->made;
}

static struct medium *
medium_of(const struct sim *s, unsigned i)
{
	return &s->disk->medium[s->disk->second[i]];
}

/*
 * More than the others wait for a coordinator, as by default: whoever waits for a
 * disk that hangs must be waited for.
 */
static void
draw_patience(const struct sim *s, struct conf *c)
{
	struct rng rng;

	sim_generator(s, 4, 0, 21, &rng);
	if (s->generated && rng_below(&rng, 3) == 0)
		c->qdevice.timeout_us *= 4 + rng_below(&rng, 9);
}

/* An array far away: slower than a heartbeat, and in time for its timeout. */
static void
draw_seek(struct sim *s, const struct conf *c)
{
	struct rng rng;

	sim_generator(s, 4, 0, 20, &rng);
	if (rng_below(&rng, 4) == 0)
		s->disk->seek = rng_below(&rng, c->qdevice.timeout_us / 4);
}

/* Each side has a node. */
static void
draw_second(struct sim *s, const struct conf *c)
{
	struct sim_disk *d = s->disk;
	struct rng rng;
	unsigned i;

	if (!s->two_disks || c->nnodes < 2)
		return;
	sim_generator(s, 4, 0, 19, &rng);
	for (i = 0; i < c->nnodes; i++)
		d->second[i] = rng_below(&rng, 2) == 0;
	i = (unsigned)rng_below(&rng, c->nnodes);
	d->second[i] = true;
	d->second[(i + 1) % c->nnodes] = false;
	d->two = true;
	make(d, &d->medium[1]);
}

/* Some seeds have one. */
void
disk_draw(struct sim *s, struct conf *c)
{
	unsigned i, total = 0;

	s->disk = calloc(1, sizeof(*s->disk));
	ASSERT(s->disk != NULL);
	sim_generator(s, 4, 0, 9, &s->disk->rng);
	make(s->disk, &s->disk->medium[0]);
	/* Of two nodes one could not go on without it. */
	if ((!dice(s, 400) && c->nnodes > 2) || s->off[ST_DEVICE])
		return;
	for (i = 0; i < c->nnodes; i++)
		total += c->nodes[i].votes;
	c->qdevice.votes =
	    (uint8_t)(dice(s, 500) ? total - 1 : between(s, 1, total - 1));
	c->qdevice.timeout_us = c->failure_timeout_us;
	draw_patience(s, c);
	s->disk->slow = dice(s, 300);
	draw_seek(s, c);
	draw_second(s, c);
}

void
disk_calm(struct sim *s)
{
	if (!s->disk->two)
		return;
	s->disk->two = false;
	memset(s->disk->second, 0, sizeof(s->disk->second));
	disk_make(s);
}

void
disk_free(struct sim *s)
{
	free(s->disk);
}

static void
plan(struct sim *s, unsigned i, int step)
{
	uint64_t len = s->disk->seek + between(s, 100, 3 * MS);
	struct sim_event *e;

	if (!s->calm && dice(s, s->disk->slow ? 200 : 20))
		len += between(s, 0, 2 * s->conf->qdevice.timeout_us);
	e = heap_add(&s->heap, s->now + len, SE_DISK);
	e->node = i;
	e->life = s->nodes[i].life;
	e->what = step;
}

void
disk_request(struct sim *s, unsigned i, const struct action *act)
{
	struct sim_request *r = &s->disk->request[i];

	ASSERT(!r->busy && act->len <= sizeof(r->data));
	r->busy = true;
	r->wrote = act->len > 0;
	r->fails = !s->calm && dice(s, 20);
	r->req = act->req;
	r->len = act->len;
	memcpy(r->data, act->data, act->len);
	plan(s, i, r->wrote ? STEP_WRITE : STEP_READ);
}

static void
answer(struct sim *s, unsigned i, bool ok, const void *data, size_t len)
{
	struct event ev = { .type = EV_DEVICE,
		.req = s->disk->request[i].req,
		.ok = ok,
		.data = data,
		.len = len };

	s->disk->request[i].busy = false;
	node_input(s, i, &ev);
}

static void
fail(struct sim *s, unsigned i, const char *why)
{
	answer(s, i, false, why, strlen(why));
}

static void
put(struct sim *s, unsigned i)
{
	struct sim_request *r = &s->disk->request[i];
	struct sim_block *b = &medium_of(s, i)->block[i];

	b->used = true;
	b->damaged = false;
	b->len = r->len - 16;
	memcpy(b->data, r->data + 16, b->len);
}

static bool
reached(struct sim *s, unsigned i)
{
	return s->calm || s->disk->away[i] <= s->now;
}

static void
read_all(struct sim *s, unsigned i)
{
	const struct medium *d = medium_of(s, i);
	unsigned k, used = 0;
	struct wbuf w;

	wbuf_init(&w, SIM_NODES_MAX * 4200);
	wbuf_bytes(&w, d->uuid, sizeof(d->uuid));
	for (k = 0; k < s->n; k++)
		used += d->block[k].used;
	wbuf_u32(&w, used);
	for (k = 0; k < s->n; k++) {
		if (!d->block[k].used)
			continue;
		wbuf_u16(&w, s->nodes[k].id);
		wbuf_u8(&w, d->block[k].damaged);
		wbuf_blob(&w, d->block[k].data,
		    d->block[k].damaged ? 0 : d->block[k].len);
	}
	ASSERT(!w.err);
	answer(s, i, true, w.data, w.len);
	wbuf_free(&w);
}

void
disk_step(struct sim *s, const struct sim_event *e)
{
	struct sim_request *r = &s->disk->request[e->node];
	unsigned i = e->node;

	if (!r->busy)
		return;
	if (!reached(s, i)) {
		fail(s, i, "the disk is not reached");
		return;
	}
	if (e->what == STEP_READ) {
		if (r->fails)
			fail(s, i, "it cannot be read");
		else
			read_all(s, i);
		return;
	}
	if (memcmp(r->data, medium_of(s, i)->uuid, 16) != 0) {
		fail(s, i, "it was made anew");
		return;
	}
	if (r->fails && dice(s, 500)) {
		fail(s, i, "it cannot be written");
		return;
	}
	put(s, i);
	plan(s, i, STEP_READ);
}

/* The node dies: its request happened, did not, or tore its block. */
void
disk_dead(struct sim *s, unsigned i)
{
	struct sim_request *r = &s->disk->request[i];
	struct sim_block *b = &medium_of(s, i)->block[i];

	if (!r->busy)
		return;
	r->busy = false;
	if (!r->wrote || memcmp(r->data, medium_of(s, i)->uuid, 16) != 0)
		return;
	if (!s->calm && dice(s, 150)) {
		b->used = b->damaged = true;
		sim_trace(s, "n%u tears its block on the quorum disk",
		    s->nodes[i].id);
	} else if (dice(s, 500))
		put(s, i);
}

void
disk_away(struct sim *s, unsigned i, uint64_t len)
{
	sim_trace(s, "n%u does not reach the quorum disk for %llu ms",
	    s->nodes[i].id, (unsigned long long)(len / MS));
	s->disk->away[i] = s->now + len;
}

bool
disk_told(const struct sim *s)
{
	const struct sim_block *b;
	struct rbuf r;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		b = &s->disk->medium[0].block[i];
		/* As core/device.h draws it: accepted is behind 17 bytes. */
		rbuf_init(&r, b->data, b->used && !b->damaged ? b->len : 0);
		(void)rbuf_take(&r, 17);
		if (rbuf_u64(&r) != 0 && !r.err)
			return true;
	}
	return false;
}

void
disk_make(struct sim *s)
{
	sim_trace(s, "the quorum disk is made anew");
	make(s->disk, &s->disk->medium[0]);
}
