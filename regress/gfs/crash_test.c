/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a crash at any moment leaves a journal from which recovery
 * restores a state that existed: every transaction is there whole or not at
 * all, none without its predecessors, all that a flush acknowledged; file
 * data never shows what the block held before; what another node wrote after
 * a lock was given away is never overwritten.
 *
 * Fibers run random transactions on slots (blocks with a history), each of
 * which also puts its number into a ledger block, while the simulated host records when each disk request began and ended.  Then, for
 * every event, images are built from what was certainly on the disk plus all,
 * none or a random torn part of what was in flight, and recovered.
 */

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../libgfs/log_int.h"
#include "disk_stub.h"

enum {
	NSLOTS = 48,
	NFIBERS = 4,
	SECTOR = 512,
	VERSIONS_MAX = 4096,
	NEVER = INT32_MAX
};

enum kind {
	FREE = 1,
	META,
	JDATA,
	DATA
};

/* One content that a slot had. */
struct version {
	enum kind kind;
	uint64_t id;
	int txn;      /* the transaction that made it; foreign: the last one */
	bool foreign; /* written by "another node" past the log */
	bool rewrite; /* file data changed in place, no transaction */
	int begun;    /* foreign: event at which writing began */
	int durable;  /* foreign: event at which it was certainly there */
};

struct slot {
	uint64_t blkno;
	struct glock *gl;
	bool busy;
	uint64_t freed; /* compound that freed it */
	struct version v[VERSIONS_MAX];
	int nv;
};

/* A disk request, by the events of its life. */
struct request {
	enum io_op op;
	uint64_t id, off;
	size_t len;
	uint8_t *data;
	int begun, ended, durable;
};

struct model {
	struct world w;
	struct slot slots[NSLOTS];
	struct glock *ledger;
	uint64_t seed;
	uint64_t next_id;
	int txn;	/* of the last transaction that ended */
	unsigned alive; /* fibers */
	unsigned rounds;
	struct waitq wq;

	bool recording;
	struct request *req;
	int nreq, capreq;
	int now; /* event number */
	struct {
		int event, txn;
	} acks[VERSIONS_MAX];
	int nacks;
};

/* Each sector says what it is and is full of words that follow from that. */
static void
fill(uint8_t *p, size_t bsize, enum kind kind, uint64_t id)
{
	uint64_t s = id * 4 + kind;
	size_t i;

	for (i = 0; i < bsize; i += 8)
		od_put64(p + i, rnd(&s));
	for (i = 0; i < bsize; i += SECTOR) {
		od_put64(p + i + 32, id);
		od_put64(p + i + 40, kind);
	}
	if (kind == META)
		meta_encode(p, GFS2_METATYPE_IN, 0);
	/* Some journaled data looks like metadata: it must be escaped. */
	if (kind == JDATA && id % 3 == 0)
		od_put32(p, GFS2_MAGIC);
}

static struct version *
last(struct slot *s)
{
	return &s->v[s->nv - 1];
}

static struct version *
add_version(struct model *m, struct slot *s, enum kind kind)
{
	struct version *v;

	ATF_REQUIRE(s->nv < VERSIONS_MAX);
	v = &s->v[s->nv++];
	memset(v, 0, sizeof(*v));
	v->kind = kind;
	v->id = ++m->next_id;
	v->durable = NEVER;
	return v;
}

static void
trace(void *arg, uint64_t id, bool ended, enum io_op op, uint64_t off,
    const void *data, size_t len)
{
	struct model *m = arg;
	struct request *r;
	int i;

	if (!m->recording)
		return;
	m->now++;
	for (i = m->nreq - 1; i >= 0 && !ended && len > 0; i--) {
		r = &m->req[i];
		/* W1; the disk could carry them out in either order. */
		if (r->data != NULL && r->ended == NEVER &&
		    off < r->off + r->len && r->off < off + len)
			atf_tc_fail("two requests at %llu at the same time",
			    (unsigned long long)off);
	}
	if (ended) {
		for (i = m->nreq - 1; i >= 0 && m->req[i].id != id; i--)
			;
		if (i >= 0)
			m->req[i].ended = m->now;
		return;
	}
	if (m->nreq == m->capreq) {
		m->capreq = MAX(m->capreq * 2, 1024);
		m->req =
		    reallocarray(m->req, (size_t)m->capreq, sizeof(*m->req));
		ATF_REQUIRE(m->req != NULL);
	}
	r = &m->req[m->nreq++];
	memset(r, 0, sizeof(*r));
	r->op = op;
	r->id = id;
	r->off = off;
	r->len = len;
	r->begun = m->now;
	r->ended = r->durable = NEVER;
	if (op == IO_WRITE || op == IO_WRITE_FUA) {
		r->data = malloc(len);
		ATF_REQUIRE(r->data != NULL);
		memcpy(r->data, data, len);
	}
}

/* Up to n slots nobody works on. */
static unsigned
pick(struct model *m, struct slot **v, unsigned n)
{
	unsigned got = 0, tries;
	struct slot *s;

	for (tries = 0; tries < 20 && got < n; tries++) {
		s = &m->slots[rnd(&m->seed) % NSLOTS];
		if (s->busy)
			continue;
		s->busy = true;
		v[got++] = s;
	}
	return got;
}

static void
change_logged(struct model *m, struct slot *s, enum kind kind, bool fresh)
{
	struct gfs *fs = &m->w.fs;
	struct version *v;
	struct bh *bh;

	if (fresh)
		ATF_REQUIRE_EQ(0,
		    cache_new(s->gl, s->blkno, kind == JDATA ? BH_JDATA : 0,
			&bh));
	else
		ATF_REQUIRE_EQ(0, cache_read(s->gl, s->blkno, 0, &bh));
	if (fresh)
		trans_unrevoke(fs, s->blkno);
	if (kind == JDATA)
		trans_add_jdata(bh);
	else
		trans_add_meta(bh);
	v = add_version(m, s, kind);
	fill(bh->data, fs->bsize, kind, v->id);
	cache_put(bh);
}

static void
change_data(struct model *m, struct slot *s, bool fresh)
{
	struct gfs *fs = &m->w.fs;
	struct version *v;
	struct bh *bh;

	ATF_REQUIRE_EQ(0, cache_new(s->gl, s->blkno, BH_DATA, &bh));
	v = add_version(m, s, DATA);
	v->rewrite = !fresh;
	fill(bh->data, fs->bsize, DATA, v->id);
	cache_dirty_data(bh);
	cache_put(bh);
}

/* One slot's part of a transaction; false: nothing was done. */
static bool
change(struct model *m, struct slot *s)
{
	struct gfs *fs = &m->w.fs;
	enum kind kind = last(s)->kind;
	uint64_t dice = rnd(&m->seed) % 10;

	if (kind == FREE) {
		if (fs->log->done < s->freed)
			return false; /* freed, and that is not durable yet */
		if (dice < 3)
			change_data(m, s, true);
		else
			change_logged(m, s, dice < 6 ? JDATA : META, true);
		return true;
	}
	if (dice < 7) {
		if (kind == DATA)
			return false;
		change_logged(m, s, kind, false);
		return true;
	}
	if (kind == DATA)
		cache_forget(fs, s->blkno);
	else
		trans_add_revoke(s->gl, s->blkno);
	s->freed = fs->log->open->number;
	add_version(m, s, FREE);
	return true;
}

static uint64_t
ledger_block(struct model *m)
{
	return world_free_block(&m->w, NSLOTS);
}

static void
transaction(struct model *m)
{
	struct gfs *fs = &m->w.fs;
	struct slot *v[5];
	struct bh *bh;
	bool did[5];
	unsigned i, n;

	n = pick(m, v, 1 + rnd(&m->seed) % 5);
	ATF_REQUIRE_EQ(0, trans_begin(fs, n + 1, n));
	for (i = 0; i < n; i++) {
		did[i] = change(m, v[i]);
		if (rnd(&m->seed) % 8 == 0)
			env_sleep(fs->env, 1 + rnd(&m->seed) % 200);
	}
	ATF_REQUIRE_EQ(0, cache_read(m->ledger, ledger_block(m), 0, &bh));
	trans_add_meta(bh);
	meta_encode(bh->data, GFS2_METATYPE_IN, 0);
	/* Numbered at the end: an earlier compound has only smaller ones. */
	od_put64(bh->data + 64, (uint64_t)++m->txn);
	cache_put(bh);
	for (i = 0; i < n; i++)
		if (did[i])
			last(v[i])->txn = m->txn;
	trans_end(fs);
	for (i = 0; i < n; i++)
		v[i]->busy = false;
}

static void
rewrite(struct model *m)
{
	struct slot *s;

	if (pick(m, &s, 1) == 0)
		return;
	if (last(s)->kind == DATA) {
		change_data(m, s, false);
		last(s)->txn = s->v[s->nv - 2].txn;
	}
	s->busy = false;
}

static void
flush(struct model *m)
{
	int txn = m->txn;

	ATF_REQUIRE_EQ(0, log_flush(&m->w.fs, LHF_SYNC));
	ATF_REQUIRE(m->nacks < VERSIONS_MAX);
	m->acks[m->nacks].event = m->now;
	m->acks[m->nacks++].txn = txn;
}

/* The lock goes to another node, which changes the block and gives it back. */
static void
hand_over(struct model *m)
{
	struct gfs *fs = &m->w.fs;
	struct version *v;
	struct slot *s;
	uint8_t *p;
	int txn;

	if (pick(m, &s, 1) == 0)
		return;
	if (last(s)->kind == META || last(s)->kind == JDATA) {
		ATF_REQUIRE_EQ(0, log_clean_glock(s->gl, LHF_INODE_DEMOTE));
		cache_inval(s->gl, false);
		ATF_CHECK(LIST_EMPTY(&s->gl->bufs));
		txn = last(s)->txn;
		v = add_version(m, s, last(s)->kind);
		v->foreign = true;
		v->txn = txn;
		v->begun = m->now;
		p = dev_alloc(fs->bsize);
		fill(p, fs->bsize, v->kind, v->id);
		ATF_REQUIRE_EQ(0,
		    dev_write(fs->dev, s->blkno << fs->bshift, p, fs->bsize));
		ATF_REQUIRE_EQ(0, dev_flush(fs->dev));
		v->durable = m->now;
		dev_free(p);
	}
	s->busy = false;
}

static void
worker(void *arg)
{
	struct model *m = arg;
	unsigned i;

	for (i = 0; i < m->rounds; i++) {
		switch (rnd(&m->seed) % 16) {
		case 0:
			flush(m);
			break;
		case 1:
			hand_over(m);
			break;
		case 2:
			/* As if the log were full. */
			m->w.fs.log->space_wanted = true;
			log_kick(m->w.fs.log);
			break;
		case 3:
			rewrite(m);
			break;
		default:
			transaction(m);
			break;
		}
		env_sleep(m->w.env, rnd(&m->seed) % 300);
	}
	m->alive--;
	env_wake_all(m->w.env, &m->wq);
}

static void
work(struct model *m, unsigned rounds)
{
	unsigned i;

	m->rounds = rounds;
	for (i = 0; i < NFIBERS; i++) {
		m->alive++;
		ATF_REQUIRE(env_spawn(m->w.env, worker, m, "work") != NULL);
	}
	while (m->alive > 0)
		env_wait(m->w.env, &m->wq, UINT64_MAX);
}

static void
setup_slots(struct model *m)
{
	struct gfs *fs = &m->w.fs;
	uint8_t *p = dev_alloc(fs->bsize);
	struct version *v;
	unsigned i;

	ATF_REQUIRE_EQ(0,
	    dev_write(fs->dev, ledger_block(m) << fs->bshift, p, fs->bsize));
	m->ledger = world_glock(&m->w, ledger_block(m));
	for (i = 0; i < NSLOTS; i++) {
		m->slots[i].blkno = world_free_block(&m->w, i);
		m->slots[i].gl = world_glock(&m->w, m->slots[i].blkno);
		v = add_version(m, &m->slots[i], FREE);
		fill(p, fs->bsize, FREE, v->id);
		ATF_REQUIRE_EQ(0,
		    dev_write(fs->dev, m->slots[i].blkno << fs->bshift, p,
			fs->bsize));
	}
	dev_free(p);
}

static void
copy_file(const char *from, const char *to)
{
	sh("cp --sparse=always %s %s", from, to);
}

/*
 * A clean head near the end of the journal, so that the log soon wraps
 * around.  Every header before it is written too: mkfs.gfs2 starts its
 * sequence at random, and the first smaller number ends the search.
 */
static void
place_head(struct model *m)
{
	struct gfs *fs = &m->w.fs;
	const struct journal *j = fs->journals[0];
	struct log_header h = { .flags = GFS2_LOG_HEAD_UNMOUNT };
	uint32_t end = jindex_blocks(j) - 120;
	uint8_t *p = dev_alloc(fs->bsize);

	for (h.blkno = 0; h.blkno <= end; h.blkno++) {
		h.seq = (1ull << 33) + h.blkno;
		lh_encode(&h, p, fs->bsize, 0);
		ATF_REQUIRE_EQ(0,
		    dev_write(fs->dev, jindex_map(j, h.blkno) << fs->bshift, p,
			fs->bsize));
	}
	dev_free(p);
}

/* Fills the log to a little before its end, then records across the wrap. */
static void
record_main(void *arg)
{
	struct model *m = arg;
	struct gfs *fs = &m->w.fs;
	unsigned total = m->rounds;

	waitq_init(&m->wq);
	fs->commit_us = 4000;
	setup_slots(m);
	place_head(m);
	ATF_REQUIRE_EQ(0, log_start(fs));
	env_sim_latency(fs->env, 150, m->seed);
	work(m, 10);
	flush(m);
	env_sim_latency(fs->env, 0, 0);
	copy_file("volume", "volume.base");
	m->nacks = 0;
	m->acks[m->nacks++].txn = m->txn;
	m->recording = true;
	env_sim_latency(fs->env, 150, m->seed + 1);
	work(m, total);
	flush(m);
	ATF_CHECK(fs->log->head < fs->log->nblocks / 2);
	m->recording = false;
	env_sim_latency(fs->env, 0, 0);
	ATF_CHECK_EQ(0, log_stop(fs));
}

static void
set_durable(struct model *m)
{
	struct request *r, *f;
	int i, k;

	for (i = 0; i < m->nreq; i++) {
		r = &m->req[i];
		if (r->op == IO_WRITE_FUA)
			r->durable = r->ended;
		for (k = i + 1; k < m->nreq && r->op == IO_WRITE; k++) {
			f = &m->req[k];
			if (f->op == IO_FLUSH && f->begun > r->ended)
				r->durable = MIN(r->durable, f->ended);
		}
	}
}

/* What was under a write, to put it back. */
struct undo {
	uint64_t off;
	size_t len;
	uint8_t *data;
	bool forced;
};

struct checker {
	struct model *m;
	struct world w;
	int event;
	struct undo *undo;
	size_t nundo, capundo;
	size_t stable; /* undos below it belong to flushed writes */
	uint64_t seed;
	int error;
	int stop_after; /* writes of a recovery that is cut short */
	unsigned trials, replays;
};

static void
save(struct checker *c, uint64_t off, size_t len)
{
	struct undo *u;

	if (c->nundo == c->capundo) {
		c->capundo = MAX(c->capundo * 2, (size_t)256);
		c->undo = reallocarray(c->undo, c->capundo, sizeof(*c->undo));
		ATF_REQUIRE(c->undo != NULL);
	}
	u = &c->undo[c->nundo++];
	u->off = off;
	u->len = len;
	u->forced = false;
	u->data = malloc(len);
	ATF_REQUIRE(u->data != NULL);
	ATF_REQUIRE_EQ((ssize_t)len, pread(c->w.fd, u->data, len, (off_t)off));
}

static void
put_back(struct checker *c)
{
	struct undo *u;

	while (c->nundo > 0) {
		u = &c->undo[--c->nundo];
		ATF_REQUIRE_EQ((ssize_t)u->len,
		    pwrite(c->w.fd, u->data, u->len, (off_t)u->off));
		free(u->data);
	}
}

static int
check_hook(void *arg, enum io_op op, uint64_t off, const void *data, size_t len)
{
	struct checker *c = arg;

	if (op == IO_FLUSH)
		c->stable = c->nundo;
	if (op != IO_WRITE && op != IO_WRITE_FUA)
		return 0;
	if (c->stop_after >= 0 && c->stop_after-- == 0)
		return ENXIO;
	save(c, off, len);
	c->undo[c->nundo - 1].forced = op == IO_WRITE_FUA;
	return 0;
}

/* Some of what the recovery wrote since its last flush is lost with it. */
static void
lose_writes(struct checker *c)
{
	struct undo *u;
	size_t i;

	for (i = c->nundo; i > c->stable; i--) {
		u = &c->undo[i - 1];
		if (!u->forced && rnd(&c->seed) % 2 == 0)
			ATF_REQUIRE_EQ((ssize_t)u->len,
			    pwrite(c->w.fd, u->data, u->len, (off_t)u->off));
	}
}

static void
apply(struct checker *c, const struct request *r, size_t from, size_t to)
{
	ATF_REQUIRE_EQ((ssize_t)(to - from),
	    pwrite(c->w.fd, r->data + from, to - from, (off_t)(r->off + from)));
}

enum mode {
	ALL,
	NONE,
	SOME
};

/* The requests in flight at the event, as far as the mode lets them. */
static void
apply_pending(struct checker *c, enum mode mode)
{
	struct model *m = c->m;
	struct request *r;
	size_t s;
	int i;

	for (i = 0; i < m->nreq && mode != NONE; i++) {
		r = &m->req[i];
		if (r->data == NULL || r->begun > c->event ||
		    r->durable <= c->event)
			continue;
		save(c, r->off, r->len);
		if (mode == ALL) {
			apply(c, r, 0, r->len);
			continue;
		}
		/* A third whole, a third lost, a third torn. */
		switch (rnd(&c->seed) % 3) {
		case 0:
			apply(c, r, 0, r->len);
			break;
		case 1:
			for (s = 0; s < r->len; s += SECTOR)
				if (rnd(&c->seed) % 2 == 0)
					apply(c, r, s, s + SECTOR);
			break;
		default:
			break;
		}
	}
}

static void
recover_main(void *arg)
{
	struct checker *c = arg;
	bool replayed;

	c->error = recovery_replay(&c->w.fs, 0, &replayed);
	if (c->error == 0 && replayed)
		c->replays++;
}

/* Does each sector hold the content of one of the versions a..b? */
static bool
holds(const struct slot *s, const uint8_t *p, size_t bsize, int a, int b)
{
	uint8_t want[OD_BSIZE_MAX];
	size_t off;
	int i;

	for (off = 0; off < bsize; off += SECTOR) {
		for (i = b; i >= a; i--)
			if (od_get64(p + off + 32) == s->v[i].id &&
			    od_get64(p + off + 40) == s->v[i].kind)
				break;
		if (i < a)
			return false;
		fill(want, bsize, s->v[i].kind, s->v[i].id);
		if (memcmp(want + off, p + off, SECTOR) != 0)
			return false;
	}
	return true;
}

/* Is the slot as it must be when transactions up to m survived? */
static bool
slot_ok(const struct slot *s, const uint8_t *p, size_t bsize, int txn,
    int event)
{
	int i, a = -1, b, f;

	for (i = 0; i < s->nv; i++)
		if (!s->v[i].foreign && !s->v[i].rewrite && s->v[i].txn <= txn)
			a = i;
	ATF_REQUIRE(a >= 0);
	/* What was handed over presumes what came before it. */
	for (i = a + 1; i < s->nv; i++)
		if (s->v[i].foreign && s->v[i].begun <= event &&
		    s->v[i - 1].txn > txn)
			return false;
	if (s->v[a].kind == FREE)
		return true;
	/* In-place changes that may have reached the disk. */
	for (b = a; b + 1 < s->nv && s->v[b + 1].rewrite; b++)
		;
	for (f = a;
	     b + 1 < s->nv && s->v[b + 1].foreign && s->v[b + 1].begun <= event;
	     b++)
		if (s->v[b + 1].durable <= event)
			f = b + 1;
	return holds(s, p, bsize, f, b);
}

static int
acked(const struct model *m, int event)
{
	int i, txn = 0;

	for (i = 0; i < m->nacks; i++)
		if (m->acks[i].event <= event)
			txn = MAX(txn, m->acks[i].txn);
	return txn;
}

static void
explain(const struct slot *s, const uint8_t *p, int txn)
{
	int k;

	fprintf(stderr,
	    "transaction %d, block %llu holds id %llu kind %llu:", txn,
	    (unsigned long long)s->blkno, (unsigned long long)od_get64(p + 32),
	    (unsigned long long)od_get64(p + 40));
	for (k = 0; k < s->nv; k++)
		fprintf(stderr, " [id %llu kind %d txn %d%s%s]",
		    (unsigned long long)s->v[k].id, s->v[k].kind, s->v[k].txn,
		    s->v[k].foreign ? " foreign" : "",
		    s->v[k].rewrite ? " rewrite" : "");
	fprintf(stderr, "\n");
}

/* The ledger says which transactions survived; the slots must agree. */
static void
check_state(struct checker *c, const char *mode)
{
	struct model *m = c->m;
	size_t bsize = m->w.fs.bsize;
	uint8_t p[OD_BSIZE_MAX];
	int i, txn, bad = 0;

	ATF_REQUIRE_EQ((ssize_t)bsize,
	    pread(c->w.fd, p, bsize, (off_t)(ledger_block(m) * bsize)));
	txn = (int)od_get64(p + 64);
	ATF_REQUIRE_MSG(txn >= acked(m, c->event) && txn <= m->txn,
	    "event %d of %d, %s: up to transaction %d, acknowledged was %d",
	    c->event, m->now, mode, txn, acked(m, c->event));
	for (i = 0; i < NSLOTS; i++) {
		ATF_REQUIRE_EQ((ssize_t)bsize,
		    pread(c->w.fd, p, bsize,
			(off_t)(m->slots[i].blkno * bsize)));
		if (!slot_ok(&m->slots[i], p, bsize, txn, c->event)) {
			explain(&m->slots[i], p, txn);
			bad++;
		}
	}
	ATF_REQUIRE_MSG(bad == 0,
	    "event %d of %d, %s: %d blocks are not of "
	    "transaction %d",
	    c->event, m->now, mode, bad, txn);
}

static void
try_crash(struct checker *c, enum mode mode, bool twice)
{
	static const char *const names[] = { "all", "none", "some" };

	apply_pending(c, mode);
	c->trials++;
	c->w.log[0] = '\0';
	dev_set_hook(c->w.fs.dev, check_hook, c);
	c->stop_after = -1;
	if (twice) {
		/* The recovery dies, too, and is done again (R3). */
		c->stop_after = (int)(rnd(&c->seed) % 80);
		c->stable = c->nundo;
		world_run(&c->w, recover_main, c);
		lose_writes(c);
		c->stop_after = -1;
	}
	world_run(&c->w, recover_main, c);
	ATF_REQUIRE_EQ_MSG(0, c->error, "event %d, %s: error %d: %s", c->event,
	    names[mode], c->error, c->w.log);
	check_state(c, names[mode]);
	put_back(c);
}

/* Every event of the recording, in order. */
static void
check_all(struct model *m)
{
	struct checker c = { .m = m, .seed = m->seed };
	int i;

	set_durable(m);
	copy_file("volume.base", "volume.crash");
	world_open(&c.w, "volume.crash");
	for (c.event = 0; c.event <= m->now; c.event++) {
		for (i = 0; i < m->nreq; i++)
			if (m->req[i].data != NULL &&
			    m->req[i].durable == c.event)
				apply(&c, &m->req[i], 0, m->req[i].len);
		try_crash(&c, ALL, false);
		try_crash(&c, NONE, c.event % 3 == 0);
		try_crash(&c, SOME, c.event % 3 == 1);
	}
	printf("%d events, %u trials, %u replays, %d transactions\n", m->now,
	    c.trials, c.replays, m->txn);
	ATF_CHECK(c.replays > c.trials / 2);
	free(c.undo);
	dev_set_hook(c.w.fs.dev, NULL, NULL);
	world_close(&c.w);
}

static void
crash(unsigned bsize, unsigned rounds, uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));
	int i;

	ATF_REQUIRE(m != NULL);
	volume_make("volume", bsize, 24, 1);
	world_open(&m->w, "volume");
	m->seed = seed;
	m->rounds = rounds;
	env_sim_trace(m->w.env, trace, m);
	world_run(&m->w, record_main, m);
	check_all(m);
	for (i = 0; i < m->nreq; i++)
		free(m->req[i].data);
	free(m->req);
	for (i = 0; i < NSLOTS; i++) {
		cache_inval(m->slots[i].gl, false);
		world_glock_free(m->slots[i].gl);
	}
	cache_inval(m->ledger, false);
	world_glock_free(m->ledger);
	world_close(&m->w);
	free(m);
}

ATF_TC_WITHOUT_HEAD(crash_4096);
ATF_TC_BODY(crash_4096, tc)
{
	crash(4096, 50, 1);
}

ATF_TC_WITHOUT_HEAD(crash_1024);
ATF_TC_BODY(crash_1024, tc)
{
	crash(1024, 50, 2);
}

ATF_TC_WITHOUT_HEAD(crash_512);
ATF_TC_BODY(crash_512, tc)
{
	crash(512, 50, 3);
}

/* Further loads: CRASH_SEEDS=FIRST-LAST. */
ATF_TC_WITHOUT_HEAD(soak);
ATF_TC_BODY(soak, tc)
{
	static const unsigned bsizes[] = { 4096, 1024, 512 };
	const char *range = getenv("CRASH_SEEDS");
	unsigned long first, end;

	if (range == NULL)
		atf_tc_skip("CRASH_SEEDS=FIRST-LAST is not set");
	ATF_REQUIRE_EQ(2, sscanf(range, "%lu-%lu", &first, &end));
	for (; first <= end; first++) {
		printf("seed %lu: ", first);
		fflush(stdout);
		crash(bsizes[first % 3], 40, first);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, crash_4096);
	ATF_TP_ADD_TC(tp, crash_1024);
	ATF_TP_ADD_TC(tp, crash_512);
	ATF_TP_ADD_TC(tp, soak);
	return atf_no_error();
}
