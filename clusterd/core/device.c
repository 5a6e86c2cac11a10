/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum device: storage that every node reaches, made into a voter that
 * promises epochs and remembers, as nodes do (vote.c E1, E8).  It is Disk Paxos
 * with one disk.  Each node has one block, which nobody else writes:
 *
 *	promised	the epoch of our last round
 *	accepted	the epoch of our last round that was recorded, and
 *	memory		what is to be remembered from then on
 *
 * A coordinator takes two steps.  Each writes the own block, then reads all:
 *
 *	ask	writes promised = e.  Where another block promises e or more
 *		the device refuses.  Else it has promised, and its memory is
 *		that of the block with the highest accepted epoch.
 *	record	writes accepted = e with the new memory.  Where another block
 *		promises more than e the device refuses.  Else it is recorded.
 *
 * What a voter must be follows.  Let two coordinators ask, for d and e, and let
 * d be recorded.
 *   V1  Not both are promised one epoch: who reads later sees the other's
 *	 block, for both were written before either was read.
 *   V2  If e > d is promised, its memory is of d or later.  The read of e did
 *	 not see d accepted only if it came before that write; then e's promise
 *	 was written before that, too, and the second read of d saw it.
 *   V3  So accepted epochs are in one order, each made with the memory of the
 *	 one before, and a record is final when it is read back unopposed.
 * A write that is late or lost, of a coordinator that was given no answer, is
 * at worst a promise, or a record that its round does not count.  One request
 * is under way at a time, so the blocks of one node are written in order.
 *
 * A block that cannot be read whole may have been the one that counts: then
 * the device has no vote.  Its owner writes it anew, with lost = e: whatever
 * was remembered only before e is not sure any more, and the user gives the
 * device no vote on it (vote.c E5).  Another uuid is another device, one that
 * was made since: nothing of a step on the old one holds for it.
 *
 * All this is of one device.  Two disks that are called alike on different nodes
 * would be two voters with one name, and each side could have its own.  A node
 * cannot see that on its disk alone; but it knows of views that were recorded,
 * also in its lives before, and of those that it was READY for, which the
 * coordinator had been promised: what was final before a read is found by it.
 * A device that lacks it has no vote here, and one without any record has none
 * anyway; so whoever was READY for the last view that was formed with a device
 * takes no other for it.
 *
 * Invariants:
 *   V4  we never write a promise, or accept an epoch, below an earlier one.
 *   V5  a device that has no record of a view that we were in, or no promise of
 *	 one that we were READY for, when there was one, has no vote, unless it
 *	 says that it has lost that, or was made anew.
 *
 * clusterd-protocol(7), section 6.11.
 */

#include <stdio.h>

#include "device.h"

#define BODY_VERSION  1
#define POLL_US	      UINT64_C(5000000)
#define EPOCH_HIGHEST (UINT64_C(1) << 48)

/* All blocks, as one answer tells them. */
struct look {
	uint64_t promised; /* the highest of others */
	uint64_t lost;
	bool own, own_damaged;
	unsigned damaged; /* somebody else's; 0: none */
	uint8_t uuid[DEVICE_UUID];
	struct device_block mine, newest;
};

bool
device_exists(const struct device *d)
{
	return d->conf != NULL && d->conf->qdevice.votes > 0;
}

void
device_init(struct device *d, const struct conf *conf, uint16_t self)
{
	memset(d, 0, sizeof(*d));
	d->conf = conf;
	d->self = self;
	d->poll_at = UINT64_MAX;
}

void
device_block_encode(const struct device_block *b, struct wbuf *w)
{
	wbuf_u8(w, BODY_VERSION);
	wbuf_u64(w, b->promised);
	wbuf_u64(w, b->lost);
	wbuf_u64(w, b->accepted);
	wbuf_blob(w, b->memory, b->len);
}

bool
device_block_decode(struct device_block *b, const void *data, size_t len)
{
	const uint8_t *p;
	struct rbuf r;

	memset(b, 0, sizeof(*b));
	rbuf_init(&r, data, len);
	if (rbuf_u8(&r) != BODY_VERSION)
		return false;
	b->promised = rbuf_u64(&r);
	b->lost = rbuf_u64(&r);
	b->accepted = rbuf_u64(&r);
	p = rbuf_blob(&r, &b->len, DEVICE_MEMORY_MAX);
	if (!rbuf_done(&r) || b->promised > EPOCH_HIGHEST ||
	    b->lost > b->promised || b->accepted > b->promised) {
		memset(b, 0, sizeof(*b));
		return false;
	}
	if (b->len > 0)
		memcpy(b->memory, p, b->len);
	return true;
}

static void
request(struct device *d, enum device_op op, struct bus *bus)
{
	struct note *n;
	struct wbuf w;

	ASSERT(d->op == DEVICE_OP_NONE);
	wbuf_init(&w, DEVICE_UUID + DEVICE_BODY_MAX);
	if (op == DEVICE_OP_WRITE) {
		wbuf_bytes(&w, d->uuid, sizeof(d->uuid));
		device_block_encode(&d->own, &w);
	}
	ASSERT(!w.err);
	d->op = op;
	d->op_at = bus->now;
	d->op_epoch = 0;
	d->op_records = false;
	n = bus_note(bus, NOTE_DEVICE, w.data, w.len);
	n->seq = ++d->req;
	wbuf_free(&w);
}

static void
failed(struct device *d)
{
	if (d->state == DEVICE_RECORDING)
		d->skip = true;
	if (d->state == DEVICE_ASKED || d->state == DEVICE_RECORDING)
		d->state = DEVICE_FAILED;
}

static void
refused(struct device *d, uint64_t floor)
{
	d->floor = floor;
	d->state = DEVICE_REFUSED;
}

/* The first step, as soon as no other request is under way. */
static void
proceed(struct device *d, struct bus *bus)
{
	if (d->op != DEVICE_OP_NONE)
		return;
	if (!d->known) {
		request(d, DEVICE_OP_READ, bus);
		return;
	}
	/* Another life of ours knew more than our own disk does. */
	if (d->own.promised >= d->epoch) { /* V4 */
		refused(d, d->own.promised);
		return;
	}
#if MUTANT != 321
	d->own.promised = d->epoch;
#endif
	request(d, DEVICE_OP_WRITE, bus);
	d->op_epoch = d->epoch;
}

uint64_t
device_promised(const struct device *d)
{
	return device_exists(d) && d->known ? d->own.promised : 0;
}

void
device_ask(struct device *d, uint64_t epoch, struct bus *bus)
{
	d->epoch = epoch;
	d->used = MAX(d->used, epoch);
	d->state = DEVICE_ASKED;
	d->deadline = bus->now + d->conf->qdevice.timeout_us;
	if (d->skip) {
		d->skip = false;
		d->state = DEVICE_FAILED;
	} else
		proceed(d, bus);
}

void
device_record(struct device *d, const void *memory, size_t len, struct bus *bus)
{
	ASSERT(d->state == DEVICE_PROMISED && len <= DEVICE_MEMORY_MAX);
	d->state = DEVICE_RECORDING;
	d->deadline = bus->now + d->conf->qdevice.timeout_us;
	/* It is looked at just now, after long: there is a next time. */
	if (d->op != DEVICE_OP_NONE) {
		failed(d);
		return;
	}
	d->own.promised = d->own.accepted = d->epoch;
	d->own.len = len;
	memset(d->own.memory, 0, sizeof(d->own.memory));
	memcpy(d->own.memory, memory, len);
	request(d, DEVICE_OP_WRITE, bus);
	d->op_epoch = d->epoch;
	d->op_records = true;
}

bool
device_pending(const struct device *d, uint64_t epoch)
{
	return device_exists(d) && d->epoch == epoch &&
	    (d->state == DEVICE_ASKED || d->state == DEVICE_RECORDING);
}

static void
look_at(const struct device *d, uint16_t node, bool damaged,
    const struct device_block *b, struct look *l)
{
	if (node == d->self) {
		l->own = true;
		l->own_damaged = damaged;
		l->mine = *b;
	} else if (damaged)
		l->damaged = node;
	else
		l->promised = MAX(l->promised, b->promised);
	l->lost = MAX(l->lost, b->lost);
	if (b->accepted > l->newest.accepted)
		l->newest = *b;
}

/* u8[16] uuid; u32 count; of each block that was written: u16 node; u8
   damaged; blob. */
static bool
get_look(const struct device *d, const struct note *note, struct look *l)
{
	struct device_block b;
	const uint8_t *p;
	struct rbuf r;
	unsigned i, n;
	uint16_t node;
	bool damaged;
	size_t len;

	memset(l, 0, sizeof(*l));
	rbuf_init(&r, note->data, note->len);
	rbuf_bytes(&r, l->uuid, sizeof(l->uuid));
	n = rbuf_count(&r, DEVICE_BLOCKS);
	for (i = 0; i < n && !r.err; i++) {
		node = rbuf_u16(&r);
		damaged = rbuf_u8(&r) != 0;
		p = rbuf_blob(&r, &len, DEVICE_BODY_MAX);
		if (r.err)
			break;
		memset(&b, 0, sizeof(b));
		if (!damaged)
			damaged = !device_block_decode(&b, p, len);
#if MUTANT == 323
		damaged = false;
#endif
		look_at(d, node, damaged, &b, l);
	}
	return rbuf_done(&r);
}

static void
say_works(struct device *d, bool works, const char *why, struct bus *bus)
{
	bool news = !d->answered || works != d->works;

	d->works = works;
	strlcpy(d->why, why, sizeof(d->why));
	if (news && !works)
		bus_event(bus, EVK_QUORUM, EVL_WARN,
		    "quorum device: without a vote, because %s; the next view "
		    "change counts without its %u vote%s",
		    why, d->conf->qdevice.votes,
		    d->conf->qdevice.votes == 1 ? "" : "s");
	else if (news)
		bus_event(bus, EVK_QUORUM, EVL_INFO,
		    "quorum device: can be read, because %s",
		    d->answered ? "it answers again" : "it has answered");
	d->answered = true;
}

/* Our own block was damaged: what it held is lost, and nobody else repairs. */
static void
repair(struct device *d, const struct look *l, struct bus *bus)
{
	uint64_t e = MAX(l->promised, d->used);

	memset(&d->own, 0, sizeof(d->own));
	d->own.promised = d->own.lost = e;
	memcpy(d->uuid, l->uuid, sizeof(d->uuid));
	/* What is read behind it tells whether it helped. */
	request(d, DEVICE_OP_WRITE, bus);
	bus_event(bus, EVK_QUORUM, EVL_WARN,
	    "quorum device: the block of node %u is written anew, because it "
	    "was damaged; what only it knew is forgotten",
	    d->self);
}

/* What was written is there, and what others wrote is known. */
static void
judge(struct device *d, const struct look *l, bool records)
{
	if (!records && d->state == DEVICE_ASKED) {
		d->lost = l->lost;
		d->memory = l->newest;
		if (l->promised >= d->epoch)
			refused(d, l->promised);
		else
			d->state = DEVICE_PROMISED;
	} else if (records && d->state == DEVICE_RECORDING) {
#if MUTANT == 322
		d->state = DEVICE_RECORDED;
		return;
#endif
		if (l->promised > d->epoch)
			refused(d, l->promised);
		else
			d->state = DEVICE_RECORDED;
	}
}

/* Is our block what we last wrote, on the device on which we wrote it? */
static bool
as_written(const struct device *d, const struct look *l)
{
	return memcmp(d->uuid, l->uuid, sizeof(d->uuid)) == 0 && l->own &&
	    memcmp(&d->own, &l->mine, sizeof(d->own)) == 0;
}

/* V5 */
static bool
elsewhere(const struct device *d, const struct look *l)
{
#if MUTANT == 325
	return false;
#endif
	if (d->req <= d->expect_after || l->newest.accepted <= l->lost)
		return false;
	return d->recorded > l->newest.accepted ||
	    d->promised > MAX(l->promised, l->newest.accepted);
}

static void
no_vote(struct device *d, const char *why, struct bus *bus)
{
	d->known = false;
	say_works(d, false, why, bus);
	failed(d);
}

static void
answer(struct device *d, const struct look *l, bool wrote, uint64_t epoch,
    bool records, struct bus *bus)
{
	char why[DEVICE_WHY_MAX];

	if (l->own_damaged) {
		d->known = false;
		if (d->state == DEVICE_RECORDING)
			failed(d);
		if (!wrote)
			repair(d, l, bus);
		return;
	}
	if (l->damaged != 0) {
		snprintf(why, sizeof(why), "the block of node %u is damaged",
		    l->damaged);
		no_vote(d, why, bus);
		return;
	}
	if (elsewhere(d, l)) {
		snprintf(why, sizeof(why),
		    "view %llu is not %s it: it is not the device that other "
		    "nodes have",
		    (unsigned long long)MAX(d->recorded, d->promised),
		    d->recorded < d->promised ? "promised by" : "recorded on");
		no_vote(d, why, bus);
		return;
	}
	say_works(d, true, "", bus);
	d->answered_at = bus->now;
	d->took = bus->now - d->op_at;
	d->blank = l->newest.accepted <= l->lost;
	if (wrote && epoch != 0 && epoch == d->epoch) {
		if (as_written(d, l)) {
			judge(d, l, records);
			return;
		}
		failed(d);
	}
	d->known = true;
	d->own = l->mine;
	memcpy(d->uuid, l->uuid, sizeof(d->uuid));
}

void
device_note(struct device *d, const struct note *note, struct bus *bus)
{
	bool wrote = d->op == DEVICE_OP_WRITE, records = d->op_records;
	uint64_t epoch = d->op_epoch;
	char why[DEVICE_WHY_MAX];
	struct look *l;

	if (d->op == DEVICE_OP_NONE || note->seq != d->req)
		return;
	d->op = DEVICE_OP_NONE;
	d->poll_at = bus->now + POLL_US;
	l = calloc(1, sizeof(*l));
	ASSERT(l != NULL);
	if (!note->ok) {
		snprintf(why, sizeof(why), "%.*s", (int)note->len,
		    (const char *)note->data);
		no_vote(d, why, bus);
	} else if (!get_look(d, note, l))
		no_vote(d, "it was read malformed", bus);
	else
		answer(d, l, wrote, epoch, records, bus);
	free(l);
	if (d->state == DEVICE_ASKED)
		proceed(d, bus);
}

void
device_start(struct device *d, uint64_t used, struct bus *bus)
{
	d->used = used;
	if (device_exists(d))
		request(d, DEVICE_OP_READ, bus);
}

void
device_expect(struct device *d, uint64_t recorded, uint64_t promised)
{
	d->recorded = MAX(d->recorded, recorded);
	d->promised = MAX(d->promised, promised);
	d->expect_after = d->req;
}

void
device_poll(struct device *d, uint64_t at)
{
	d->poll_at = MIN(d->poll_at, at);
}

void
device_timer(struct device *d, struct bus *bus)
{
	char why[64];

	if (!device_exists(d))
		return;
	if ((d->state == DEVICE_ASKED || d->state == DEVICE_RECORDING) &&
	    bus->now >= d->deadline) {
		snprintf(why, sizeof(why), "it did not answer within %llu ms",
		    (unsigned long long)(d->conf->qdevice.timeout_us / 1000));
		say_works(d, false, why, bus);
		failed(d);
	}
	if (d->op == DEVICE_OP_NONE && bus->now >= d->poll_at) {
		d->poll_at = UINT64_MAX;
		request(d, DEVICE_OP_READ, bus);
	}
}

uint64_t
device_deadline(const struct device *d)
{
	uint64_t at = UINT64_MAX;

	if (!device_exists(d))
		return at;
	if (d->state == DEVICE_ASKED || d->state == DEVICE_RECORDING)
		at = d->deadline;
	return d->op == DEVICE_OP_NONE ? MIN(at, d->poll_at) : at;
}
