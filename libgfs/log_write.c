/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One flush of the log: seal, body, barrier, header, commit.  The invariants
 * are those of log.c.
 *
 * The body is built in memory at the seal, block after block as it will lie
 * in the journal: groups of journaled data, groups of metadata, revokes.
 */

#include <errno.h>

#include "log_int.h"

enum {
	REQUEST_BYTES = 1024 * 1024
};

/* Fills the body; pos is the next block in it. */
struct builder {
	struct gfs *fs;
	struct compound *c;
	uint32_t pos;
};

/* The next block of the body, in the order of the log. */
static uint8_t *
next_block(struct builder *b)
{
	ASSERT(b->pos < b->c->nblocks);
	return b->c->body + ((size_t)b->pos++ << b->fs->bshift);
}

static int
by_blkno(const void *va, const void *vb)
{
	const struct bd *const *a = va, *const *b = vb;

	return ((*a)->blkno > (*b)->blkno) - ((*a)->blkno < (*b)->blkno);
}

/*
 * The copy of one buffer.  Journaled data that starts like metadata has that
 * word blanked, so that recovery never takes it for a log block.
 */
static void
copy_image(struct builder *b, struct bd *bd, uint8_t *item)
{
	uint8_t *p = next_block(b);

	memcpy(p, bd->bh->data, b->fs->bsize);
	od_put64(item, bd->blkno);
	if (bd->jdata) {
		od_put64(item + 8, od_get32(p) == GFS2_MAGIC);
		if (od_get32(p) == GFS2_MAGIC)
			od_put32(p, 0);
	}
	bd->image = p;
}

/* Descriptors and images of one kind, in address order. */
static void
build_groups(struct builder *b, struct bd **v, unsigned n, bool jdata)
{
	struct gfs *fs = b->fs;
	unsigned per = jdata ? fs->databufs : fs->ldptrs;
	unsigned itemsize = jdata ? 16 : 8;
	struct log_desc d;
	uint8_t *desc;
	unsigned i, k;

	qsort(v, n, sizeof(*v), by_blkno);
	for (i = 0; i < n; i += d.items) {
		d.type = jdata ? GFS2_LOG_DESC_JDATA : GFS2_LOG_DESC_METADATA;
		d.items = MIN(per, n - i);
		d.length = d.items + 1;
		desc = next_block(b);
		ld_encode(&d, desc, fs->bsize, fs->jid);
		for (k = 0; k < d.items; k++)
			copy_image(b, v[i + k],
			    desc + OD_LD_SIZE + (size_t)k * itemsize);
	}
}

/* One descriptor, and blocks that continue it, whatever their number. */
static void
build_revokes(struct builder *b)
{
	struct gfs *fs = b->fs;
	struct compound *c = b->c;
	struct log_desc d;
	struct revoke *r;
	uint8_t *p;
	size_t off;

	if (c->nrevokes == 0)
		return;
	d.type = GFS2_LOG_DESC_REVOKE;
	d.items = c->nrevokes;
	d.length = log_revoke_blocks(fs, c->nrevokes);
	p = next_block(b);
	ld_encode(&d, p, fs->bsize, fs->jid);
	off = OD_LD_SIZE;
	RB_FOREACH(r, revokes, &c->revokes) {
		if (r->cancelled)
			continue;
		if (off + 8 > fs->bsize) {
			p = next_block(b);
			memset(p, 0, fs->bsize);
			meta_encode(p, GFS2_METATYPE_LB, fs->jid);
			off = OD_META_SIZE;
		}
		od_put64(p + off, r->blkno);
		off += 8;
	}
}

/* The open buffers become the sealed ones; v receives one kind of them. */
static unsigned
collect(struct compound *c, bool jdata, struct bd **v)
{
	struct bd *bd;
	unsigned n = 0;

	TAILQ_FOREACH(bd, &c->open, open_entry)
		if (bd->jdata == jdata)
			v[n++] = bd;
	return n;
}

/* Callbacks asked for from now on belong to the next commit. */
static void
move_to_sealed(struct compound *c)
{
	struct bd *bd;

	while ((bd = TAILQ_FIRST(&c->open)) != NULL) {
		TAILQ_REMOVE(&c->open, bd, open_entry);
		bd->open = false;
		bd->sealed = true;
		bd->sealed_fn = bd->fn;
		bd->sealed_fn_image = bd->fn_image;
		bd->fn = NULL;
		bd->fn_image = NULL;
		TAILQ_INSERT_TAIL(&c->sealed, bd, sealed_entry);
	}
}

/* Copies everything at one moment, L4. */
static int
build_body(struct gfs *fs, struct compound *c)
{
	struct builder b = { .fs = fs, .c = c };
	unsigned total = c->nmeta + c->njdata;
	struct bd **v;
	size_t len;

	c->nblocks = compound_need(fs, c) - 1;
	if (c->nblocks == 0)
		return 0;
	len = (size_t)c->nblocks << fs->bshift;
	v = calloc(MAX(total, 1u), sizeof(struct bd *));
	c->body = aligned_alloc(DEV_ALIGN,
	    (len + DEV_ALIGN - 1) & ~(size_t)(DEV_ALIGN - 1));
	if (v == NULL || c->body == NULL) {
		free(v);
		return ENOMEM;
	}
	build_groups(&b, v, collect(c, true, v), true);
	build_groups(&b, v, collect(c, false, v), false);
	build_revokes(&b);
	ASSERT(b.pos == c->nblocks);
	free(v);
	return 0;
}

/*
 * Shuts the gate until the transactions inside have ended (L3), takes the
 * compound, assigns its place and tail (L8), and lets the next one begin.
 */
static int
seal(struct logstate *ls, uint32_t flags)
{
	struct gfs *fs = ls->fs;
	struct compound *c = ls->open, *next, *oldest;
	int error;

	ls->sealing = true;
	while (c->active > 0)
		env_wait(fs->env, &ls->wq_idle, UINT64_MAX);
	next = compound_new(c->number + 1);
	error = next == NULL ? ENOMEM : build_body(fs, c);
	if (error == 0 && !fs->withdrawn) {
		/* L9 made sure of it. */
		ASSERT(log_free(ls) > c->nblocks);
		move_to_sealed(c);
		oldest = ail_sort(ls);
		c->first = ls->head;
		c->tail = oldest != NULL ? oldest->first : c->first;
		c->keep = oldest != NULL ? oldest->number : c->number;
		c->flags = flags | ls->flush_flags;
		ls->flush_flags = 0;
		c->local.total = fs->statfs_delta[0];
		c->local.free = fs->statfs_delta[1];
		c->local.dinodes = fs->statfs_delta[2];
		ls->head = (ls->head + c->nblocks + 1) % ls->nblocks;
		ls->sealed = c;
		ls->open = next;
	} else
		free(next);
	ls->sealing = false;
	env_wake_all(fs->env, &ls->wq_gate);
	if (error != 0)
		gfs_withdraw(fs, "out of memory");
	return fs->withdrawn ? EIO : 0;
}

/* The body, in requests that are consecutive on the disk too. */
static int
write_body(struct logstate *ls, struct compound *c)
{
	struct gfs *fs = ls->fs;
	uint32_t i, n, max = REQUEST_BYTES >> fs->bshift;
	struct iobatch batch;
	uint64_t at;

	iobatch_init(&batch);
	for (i = 0; i < c->nblocks; i += n) {
		at = jindex_map(ls->journal, (c->first + i) % ls->nblocks);
		for (n = 1; n < max && i + n < c->nblocks; n++)
			if (jindex_map(ls->journal,
				(c->first + i + n) % ls->nblocks) != at + n)
				break;
		dev_submit(fs->dev, IO_WRITE, at << fs->bshift,
		    c->body + ((size_t)i << fs->bshift),
		    (size_t)n << fs->bshift, &batch);
	}
	return env_io_wait(fs->env, &batch);
}

/*
 * The header is what makes the flush have happened.  It goes out alone, after
 * the device flush, and is on the disk when this returns.
 */
static int
write_header(struct logstate *ls, struct compound *c)
{
	struct gfs *fs = ls->fs;
	struct log_header h;
	uint64_t wall;
	uint8_t *p;
	int error;

	p = dev_alloc(fs->bsize);
	if (p == NULL)
		return ENOMEM;
	wall = env_wall_ns(fs->env);
	memset(&h, 0, sizeof(h));
	h.seq = ls->seq;
	h.flags = c->flags;
	h.blkno = (c->first + c->nblocks) % ls->nblocks;
	h.tail = c->tail;
	h.nsec = (uint32_t)(wall % 1000000000);
	h.sec = wall / 1000000000;
	h.addr = jindex_map(ls->journal, h.blkno);
	h.jinode = jindex_inode(ls->journal);
	if (fs->statfs_local != NULL)
		h.statfs_addr = fs->statfs_local->addr;
	if (fs->quota_change != NULL)
		h.quota_addr = fs->quota_change->addr;
	h.local = c->local;
	lh_encode(&h, p, fs->bsize, fs->jid);
	error = dev_write_fua(fs->dev, h.addr << fs->bshift, p, fs->bsize);
	dev_free(p);
	if (error == 0) {
		ls->seq++;
		ls->stats.headers++;
	}
	return error;
}

/* One buffer whose image is committed now. */
static void
commit_bd(struct compound *c, struct bd *bd)
{
	struct bh *bh = bd->bh;

	bd->sealed = false;
	if (bh == NULL) {
		free(bd); /* freed while the flush was in flight */
		return;
	}
	bd_leave_ail(bd);
	bd->ail = c;
	bd->home = false;
	TAILQ_INSERT_TAIL(&c->ail1, bd, ail_entry);
	bd->gl->nail++;
	bd->gl->fs->log->ail_total++;
	bh->flags |= BH_DIRTY;
	if (bd->sealed_fn_image != NULL)
		bd->sealed_fn_image(bh, bd->image);
	bd->image = NULL;
	if (bd->open) {
		/* It holds younger changes: see log_on_commit(). */
		if (bd->fn == NULL)
			bd->fn = bd->sealed_fn;
	} else {
		bd->gl->nlog--;
		bh->flags &= ~BH_PINNED;
		if (bd->sealed_fn != NULL)
			bd->sealed_fn(bh);
	}
}

/* The header is on the disk: everything in the compound has happened. */
static void
commit(struct logstate *ls, struct compound *c)
{
	struct bd *bd;

	TAILQ_INSERT_TAIL(&ls->committed, c, entry);
	ls->sealed = NULL;
	while ((bd = TAILQ_FIRST(&c->sealed)) != NULL) {
		TAILQ_REMOVE(&c->sealed, bd, sealed_entry);
		commit_bd(c, bd);
	}
	ls->stats.flushes++;
	ls->stats.blocks += c->nblocks + 1;
	ls->stats.revokes += c->nrevokes;
	revokes_free(c, true);
	free(c->body);
	c->body = NULL;
	ls->tail = c->tail;
	ls->done = c->number;
	ail_release(ls, c->keep);
}

/* Ordered data goes out beside the body, on a fiber of its own. */
struct ordered {
	struct gfs *fs;
	bool done;
	int error;
	struct waitq wq;
};

static void
ordered_main(void *arg)
{
	struct ordered *o = arg;

	o->error = cache_write_ordered(o->fs);
	o->done = true;
	env_wake_all(o->fs->env, &o->wq);
}

/* L2, step by step. */
int
log_write_flush(struct logstate *ls, uint32_t flags)
{
	struct gfs *fs = ls->fs;
	struct ordered o = { .fs = fs };
	struct compound *c;
	int error;

	error = seal(ls, flags);
	if (error != 0)
		return error;
	c = ls->sealed;
	waitq_init(&o.wq);
	/* The list may have grown by the time it is taken: more than L2 asks. */
	if (fs->cache->nordered == 0)
		o.done = true;
	else if (env_spawn(fs->env, ordered_main, &o, "ordered") == NULL)
		ordered_main(&o);
	error = c->nblocks > 0 ? write_body(ls, c) : 0;
	while (!o.done)
		env_wait(fs->env, &o.wq, UINT64_MAX);
	if (error == 0)
		error = o.error;
	if (c->nblocks > 0)
		fs->cache->written++;
	if (error == 0)
		error = cache_flush_device(fs);
	if (error == 0)
		error = write_header(ls, c);
	if (error != 0) {
		gfs_withdraw(fs, "cannot write the journal: %s",
		    strerror(error));
		return EIO;
	}
	commit(ls, c);
	return 0;
}
