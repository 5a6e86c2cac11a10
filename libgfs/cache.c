/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The block cache, see cache.h; writeback.c writes it home.
 *
 * Invariants
 *	C1  a block has at most one buffer in the tree, and that buffer is on
 *	    the list of the glock that protects the block;
 *	C2  a buffer is on the LRU exactly when it is up to date, unreferenced,
 *	    clean, not being read or written, and not in the log;
 *	C3  file data is on the ordered list and counted in its glock's ndirty
 *	    exactly while it is dirty or being written;
 *	C4  a buffer in the log (bd != NULL) stays in the cache;
 *	C5  a pinned buffer is never written home (writeback.c);
 *	C6  a forgotten buffer (BH_GONE) is never written, and no home write of
 *	    its block is in flight once it is forgotten.
 *
 * Transitions: (absent) -> reading -> clean <-> dirty -> writing -> clean;
 *	clean/dirty -> pinned -> AIL (dirty) -> clean, by log.c;
 *	any but pinned -> gone
 */

#include <sys/mman.h>

#include <errno.h>

#include "cache_int.h"

enum {
	SLAB_SIZE = 1024 * 1024,
	READAHEAD_MAX = 1024 * 1024, /* bytes of one request */
	READERS_MAX = 32
};

#define CACHE_DEFAULT (256 * 1024 * 1024ul)

static int
bh_cmp(const struct bh *a, const struct bh *b)
{
	return (a->blkno > b->blkno) - (a->blkno < b->blkno);
}

RB_GENERATE_INTERNAL(bhtree, bh, node, bh_cmp, UNUSED static)

/* One block of memory; blocks of a slab are aligned to their size. */
static uint8_t *
block_alloc(struct cache *c)
{
	uint32_t bsize = c->fs->bsize;
	struct freeblk *b;
	struct slab *s;
	size_t off;

	if (c->free == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return NULL;
		s->mem = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->mem == MAP_FAILED) {
			free(s);
			return NULL;
		}
		SLIST_INSERT_HEAD(&c->slabs, s, entry);
		for (off = SLAB_SIZE; off >= bsize; off -= bsize) {
			b = (struct freeblk *)(void *)(s->mem + off - bsize);
			b->next = c->free;
			c->free = b;
		}
	}
	b = c->free;
	c->free = b->next;
	return (uint8_t *)b;
}

/* Memory is kept for the next block: a cache that shrank grows again. */
static void
block_free(struct cache *c, uint8_t *mem)
{
	struct freeblk *b = (struct freeblk *)(void *)mem;

	b->next = c->free;
	c->free = b;
}

int
cache_init(struct gfs *fs, size_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ENOMEM;
	c->fs = fs;
	if (max_bytes == 0)
		max_bytes = CACHE_DEFAULT;
	c->maxbufs = MAX(max_bytes / fs->bsize, (size_t)64);
	RB_INIT(&c->tree);
	TAILQ_INIT(&c->lru);
	TAILQ_INIT(&c->ordered);
	SLIST_INIT(&c->slabs);
	waitq_init(&c->idle);
	fs->cache = c;
	return 0;
}

static void
bh_free(struct cache *c, struct bh *bh)
{
	ASSERT(bh->bd == NULL && TAILQ_EMPTY(&bh->wq.fibers));
	block_free(c, bh->data);
	free(bh);
	c->nbufs--;
}

/* After an unclean end dirty and logged buffers are given up here. */
void
cache_destroy(struct gfs *fs)
{
	struct cache *c = fs->cache;
	struct bh *bh, *next;
	struct slab *s;

	if (c == NULL)
		return;
	while (c->readers > 0)
		env_wait(fs->env, &c->idle, UINT64_MAX);
	RB_FOREACH_SAFE(bh, bhtree, &c->tree, next) {
		RB_REMOVE(bhtree, &c->tree, bh);
		LIST_REMOVE(bh, gl_entry);
		free(bh);
	}
	while ((s = SLIST_FIRST(&c->slabs)) != NULL) {
		SLIST_REMOVE_HEAD(&c->slabs, entry);
		munmap(s->mem, SLAB_SIZE);
		free(s);
	}
	free(c);
	fs->cache = NULL;
}

struct bh *
cache_find(struct cache *c, uint64_t blkno)
{
	struct bh key;

	key.blkno = blkno;
	return RB_FIND(bhtree, &c->tree, &key);
}

/* C2, C3 */
void
cache_settle(struct bh *bh)
{
	struct cache *c = bh->fs->cache;
	bool busy, idle;

	busy = (bh->flags & BH_DATA) && (bh->flags & (BH_DIRTY | BH_WRITING)) &&
	    !(bh->flags & BH_GONE);
	if (busy && !(bh->flags & BH_ORDERED)) {
		bh->flags |= BH_ORDERED;
		TAILQ_INSERT_TAIL(&c->ordered, bh, ordered);
		c->nordered++;
		bh->gl->ndirty++;
		/* The dirty ones are found from the front of the list. */
		LIST_REMOVE(bh, gl_entry);
		LIST_INSERT_HEAD(&bh->gl->bufs, bh, gl_entry);
	} else if (!busy && (bh->flags & BH_ORDERED)) {
		bh->flags &= ~BH_ORDERED;
		TAILQ_REMOVE(&c->ordered, bh, ordered);
		c->nordered--;
		bh->gl->ndirty--;
	}
	idle = bh->refs == 0 && bh->bd == NULL && (bh->flags & BH_UPTODATE) &&
	    !(bh->flags & (BH_DIRTY | BH_WRITING | BH_READING | BH_GONE));
	if (idle && !(bh->flags & BH_LRU)) {
		bh->flags |= BH_LRU;
		TAILQ_INSERT_TAIL(&c->lru, bh, lru);
	} else if (!idle && (bh->flags & BH_LRU)) {
		bh->flags &= ~BH_LRU;
		TAILQ_REMOVE(&c->lru, bh, lru);
	}
}

void
cache_detach(struct bh *bh)
{
	struct cache *c = bh->fs->cache;

	ASSERT(bh->bd == NULL && !(bh->flags & BH_GONE));
	bh->flags |= BH_GONE;
	bh->flags &= ~(BH_DIRTY | BH_PINNED);
	cache_settle(bh);
	RB_REMOVE(bhtree, &c->tree, bh);
	LIST_REMOVE(bh, gl_entry);
	if (bh->refs == 0)
		bh_free(c, bh);
}

/* Makes room by dropping the buffers that were idle the longest. */
static void
shrink(struct cache *c)
{
	struct bh *bh;

	while (c->nbufs >= c->maxbufs && (bh = TAILQ_FIRST(&c->lru)) != NULL)
		cache_detach(bh);
}

/* A buffer in the tree and on its lock's list, its content undefined. */
static struct bh *
bh_new(struct glock *gl, uint64_t blkno, unsigned flags)
{
	struct cache *c = gl->fs->cache;
	struct bh *bh;

	shrink(c);
	bh = calloc(1, sizeof(*bh));
	if (bh == NULL)
		return NULL;
	bh->data = block_alloc(c);
	if (bh->data == NULL) {
		free(bh);
		return NULL;
	}
	bh->fs = gl->fs;
	bh->gl = gl;
	bh->blkno = blkno;
	bh->flags = flags;
	waitq_init(&bh->wq);
	RB_INSERT(bhtree, &c->tree, bh);
	LIST_INSERT_HEAD(&gl->bufs, bh, gl_entry);
	c->nbufs++;
	return bh;
}

void
cache_hold(struct bh *bh)
{
	bh->refs++;
	cache_settle(bh);
}

void
cache_put(struct bh *bh)
{
	if (bh == NULL)
		return;
	ASSERT(bh->refs > 0);
	bh->refs--;
	if (bh->flags & BH_GONE) {
		if (bh->refs == 0)
			bh_free(bh->fs->cache, bh);
		return;
	}
	cache_settle(bh);
	/* Over the limit while everything was busy: catch up. */
	if ((bh->flags & BH_LRU) &&
	    bh->fs->cache->nbufs > bh->fs->cache->maxbufs)
		cache_detach(TAILQ_FIRST(&bh->fs->cache->lru));
}

void
cache_wait_write(struct bh *bh)
{
	while (bh->flags & BH_WRITING)
		env_wait(bh->fs->env, &bh->wq, UINT64_MAX);
}

/* A pointer read from the disk may name anything. */
static bool
in_device(const struct gfs *fs, uint64_t blkno)
{
	return blkno < dev_size(fs->dev) / fs->bsize;
}

/* The end of reading, good or bad. */
static void
read_done(struct bh *bh, int error)
{
	bh->flags &= ~BH_READING;
	if (error == 0)
		bh->flags |= BH_UPTODATE;
	env_wake_all(bh->fs->env, &bh->wq);
}

/*
 * The buffer with a reference, in whatever state, *fresh when it was made
 * just now.  A block cached under another lock is either a leftover, which
 * goes, or claimed twice, which no good volume has.
 */
static int
bh_get(struct glock *gl, uint64_t blkno, unsigned type, struct bh **out,
    bool *fresh)
{
	struct gfs *fs = gl->fs;
	struct bh *bh;

	if (!in_device(fs, blkno)) {
		gfs_withdraw(fs, "block %llu is beyond the end of the device",
		    (unsigned long long)blkno);
		return EIO;
	}
	bh = cache_find(fs->cache, blkno);
	if (bh != NULL && bh->gl != gl) {
		if (!(bh->flags & BH_LRU)) {
			gfs_withdraw(fs,
			    "block %llu is claimed by lock %llu "
			    "and by lock %llu",
			    (unsigned long long)blkno,
			    (unsigned long long)bh->gl->number,
			    (unsigned long long)gl->number);
			return EIO;
		}
		cache_detach(bh);
		bh = NULL;
	}
	*fresh = bh == NULL;
	if (bh == NULL && (bh = bh_new(gl, blkno, type)) == NULL)
		return ENOMEM;
	cache_hold(bh);
	*out = bh;
	return 0;
}

int
cache_read(struct glock *gl, uint64_t blkno, unsigned type_flags,
    struct bh **out)
{
	struct gfs *fs = gl->fs;
	struct bh *bh;
	bool fresh;
	int error;

	if (fs->withdrawn)
		return EIO;
	error = bh_get(gl, blkno, type_flags, &bh, &fresh);
	if (error != 0)
		return error;
	/* Whoever comes second waits for the first one's request. */
	if (fresh) {
		bh->flags |= BH_READING;
		error =
		    dev_read(fs->dev, blkno << fs->bshift, bh->data, fs->bsize);
		read_done(bh, error);
	}
	while (bh->flags & BH_READING)
		env_wait(fs->env, &bh->wq, UINT64_MAX);
	if (bh->flags & BH_UPTODATE) {
		*out = bh;
		return 0;
	}
	if (!(bh->flags & BH_GONE))
		cache_detach(bh);
	cache_put(bh);
	return EIO;
}

int
cache_read_meta(struct glock *gl, uint64_t blkno, uint32_t metatype,
    struct bh **out)
{
	struct gfs *fs = gl->fs;
	enum od_error e;
	struct bh *bh;
	int error;

	error = cache_read(gl, blkno, 0, &bh);
	if (error == EIO)
		gfs_withdraw(fs, "cannot read block %llu (%s)",
		    (unsigned long long)blkno, meta_type_name(metatype));
	if (error != 0)
		return error;
	e = meta_check(bh->data, metatype);
	if (e != OD_OK) {
		gfs_withdraw(fs, "block %llu should be a %s: %s",
		    (unsigned long long)blkno, meta_type_name(metatype),
		    od_strerror(e));
		cache_put(bh);
		return EIO;
	}
	*out = bh;
	return 0;
}

int
cache_new(struct glock *gl, uint64_t blkno, unsigned type_flags,
    struct bh **out)
{
	struct gfs *fs = gl->fs;
	struct bh *bh;
	bool fresh;
	int error;

	if (fs->withdrawn)
		return EIO;
	error = bh_get(gl, blkno, type_flags, &bh, &fresh);
	if (error != 0)
		return error;
	while (bh->flags & (BH_READING | BH_WRITING))
		env_wait(fs->env, &bh->wq, UINT64_MAX);
	if (bh->bd == NULL) {
		/* What it was before does not count any more. */
		bh->flags &= ~BH_DIRTY;
		cache_settle(bh);
		bh->flags &= ~(BH_DATA | BH_JDATA);
		bh->flags |= type_flags;
	}
	bh->flags |= BH_UPTODATE;
	memset(bh->data, 0, fs->bsize);
	*out = bh;
	return 0;
}

/* One read-ahead request and the fiber that waits for it. */
struct reader {
	struct gfs *fs;
	uint64_t blkno;
	unsigned n;
	uint8_t *mem;
	struct bh *bh[]; /* n, each with a reference */
};

/* Spreads one long request over its buffers. */
static void
reader_main(void *arg)
{
	struct reader *r = arg;
	struct gfs *fs = r->fs;
	unsigned i;
	int error;

	error = dev_read(fs->dev, r->blkno << fs->bshift, r->mem,
	    (size_t)r->n << fs->bshift);
	for (i = 0; i < r->n; i++) {
		if (error == 0)
			memcpy(r->bh[i]->data,
			    r->mem + ((size_t)i << fs->bshift), fs->bsize);
		read_done(r->bh[i], error);
		if (error != 0 && !(r->bh[i]->flags & BH_GONE))
			cache_detach(r->bh[i]);
		cache_put(r->bh[i]);
	}
	free(r->mem);
	free(r);
	if (--fs->cache->readers == 0)
		env_wake_all(fs->env, &fs->cache->idle);
}

/* Starts reading up to n blocks that are not cached; returns how many. */
static unsigned
read_run(struct glock *gl, uint64_t blkno, unsigned n, unsigned type)
{
	struct gfs *fs = gl->fs;
	struct reader *r;
	bool fresh;

	r = calloc(1, sizeof(*r) + n * sizeof(r->bh[0]));
	if (r == NULL)
		return 0;
	r->fs = fs;
	r->blkno = blkno;
	r->mem = aligned_alloc(DEV_ALIGN,
	    (((size_t)n << fs->bshift) + DEV_ALIGN - 1) &
		~(size_t)(DEV_ALIGN - 1));
	/* The run ends at the first block that somebody has or wants. */
	while (r->mem != NULL && r->n < n) {
		if (cache_find(fs->cache, blkno + r->n) != NULL ||
		    bh_get(gl, blkno + r->n, type, &r->bh[r->n], &fresh) != 0)
			break;
		r->bh[r->n++]->flags |= BH_READING;
	}
	if (r->n == 0) {
		free(r->mem);
		free(r);
		return 0;
	}
	n = r->n;
	fs->cache->readers++;
	if (env_spawn(fs->env, reader_main, r, "read-ahead") == NULL)
		reader_main(r);
	return n;
}

void
cache_readahead(struct glock *gl, uint64_t blkno, unsigned n,
    unsigned type_flags)
{
	struct gfs *fs = gl->fs;
	uint64_t end, limit = dev_size(fs->dev) >> fs->bshift;
	unsigned want;

	if (fs->withdrawn || blkno >= limit)
		return;
	end = MIN(limit, blkno + n);
	while (blkno < end && fs->cache->readers < READERS_MAX) {
		if (cache_find(fs->cache, blkno) != NULL) {
			blkno++;
			continue;
		}
		want = (unsigned)MIN(end - blkno,
		    (uint64_t)(READAHEAD_MAX >> fs->bshift));
		want = read_run(gl, blkno, want, type_flags);
		if (want == 0)
			return;
		blkno += want;
	}
}

void
cache_patch(struct gfs *fs, uint64_t blkno, const uint8_t *data)
{
	struct bh *bh;

	if (fs->cache == NULL)
		return;
	while ((bh = cache_find(fs->cache, blkno)) != NULL &&
	    (bh->flags & BH_READING))
		env_wait(fs->env, &bh->wq, UINT64_MAX);
	if (bh != NULL && bh->bd == NULL && !(bh->flags & BH_DIRTY))
		memcpy(bh->data, data, fs->bsize);
}

void
cache_dirty_data(struct bh *bh)
{
	/* Clean buffers without a reference may vanish at any time. */
	ASSERT(bh->refs > 0 && !(bh->flags & BH_GONE));
	bh->flags |= BH_DIRTY | BH_DATA;
	cache_settle(bh);
}

void
cache_inval(struct glock *gl, bool data_only)
{
	struct bh *bh, *next;
	struct gfs *fs = gl->fs;

again:
	LIST_FOREACH_SAFE(bh, &gl->bufs, gl_entry, next) {
		if (data_only && !(bh->flags & BH_DATA))
			continue;
		if (bh->flags & (BH_READING | BH_WRITING)) {
			/* The list may change while we wait. */
			env_wait(fs->env, &bh->wq, UINT64_MAX);
			goto again;
		}
		/* C4; dirty data stays, unless it can never be written. */
		if (bh->bd == NULL &&
		    (!(bh->flags & BH_DIRTY) || fs->withdrawn))
			cache_detach(bh);
	}
}
