/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Writing buffers home: file data, and metadata whose images the log already
 * has.  Neighbours on the disk go out in one request, from a copy, so that
 * the buffers may change meanwhile; a change sets BH_DIRTY again.
 *
 * Invariants
 *	W1  at most one home write of a buffer is in flight (BH_WRITING), so
 *	    that an older image never lands on a younger one;
 *	W2  a copy is taken only of a buffer that is dirty, not pinned and not
 *	    forgotten at that moment (C5, C6);
 *	W3  a failed write leaves the buffer dirty and withdraws the mount.
 */

#include <errno.h>

#include "cache_int.h"

enum {
	RUN_BYTES = 1024 * 1024,	/* of one request */
	WINDOW_BYTES = 4 * 1024 * 1024, /* of copies in flight per caller */
	WINDOW_RUNS = 128
};

/* A request of consecutive blocks. */
struct run {
	uint8_t *mem;
	size_t first, n; /* in the array of buffers */
};

static int
by_blkno(const void *va, const void *vb)
{
	const struct bh *const *a = va, *const *b = vb;

	return ((*a)->blkno > (*b)->blkno) - ((*a)->blkno < (*b)->blkno);
}

/* W2 */
static bool
wants_write(const struct bh *bh)
{
	return (bh->flags & (BH_DIRTY | BH_PINNED | BH_GONE)) == BH_DIRTY;
}

/*
 * Copies the buffers from v[i] on that can go out in one request, and
 * submits it.  Returns how many entries it consumed; 0: no memory.
 */
static size_t
start_run(struct gfs *fs, struct bh **v, size_t i, size_t n, struct run *r,
    struct iobatch *batch)
{
	size_t k, max = RUN_BYTES >> fs->bshift;

	for (k = 1; k < max && i + k < n; k++)
		if (v[i + k]->blkno != v[i]->blkno + k ||
		    !wants_write(v[i + k]) || (v[i + k]->flags & BH_WRITING))
			break;
	r->mem = aligned_alloc(DEV_ALIGN,
	    ((k << fs->bshift) + DEV_ALIGN - 1) & ~(size_t)(DEV_ALIGN - 1));
	if (r->mem == NULL)
		return 0;
	r->first = i;
	r->n = k;
	for (k = 0; k < r->n; k++) {
		memcpy(r->mem + (k << fs->bshift), v[i + k]->data, fs->bsize);
		v[i + k]->flags &= ~BH_DIRTY;
		v[i + k]->flags |= BH_WRITING;
		cache_settle(v[i + k]);
	}
	dev_submit(fs->dev, IO_WRITE, v[i]->blkno << fs->bshift, r->mem,
	    r->n << fs->bshift, batch);
	return r->n;
}

/* Waits for the requests and returns their buffers to the cache. */
static int
finish_runs(struct gfs *fs, struct bh **v, struct run *runs, size_t nruns,
    struct iobatch *batch)
{
	struct bh *bh;
	size_t i, k;
	int error;

	error = env_io_wait(fs->env, batch);
	fs->cache->written++;
	for (i = 0; i < nruns; i++) {
		for (k = 0; k < runs[i].n; k++) {
			bh = v[runs[i].first + k];
			bh->flags &= ~BH_WRITING;
			if (error != 0 && !(bh->flags & BH_GONE))
				bh->flags |= BH_DIRTY;
			if (!(bh->flags & BH_GONE))
				cache_settle(bh);
			env_wake_all(fs->env, &bh->wq);
		}
		free(runs[i].mem);
	}
	if (error != 0)
		gfs_withdraw(fs, "cannot write to the device: %s",
		    strerror(error));
	return error == 0 ? 0 : EIO;
}

int
cache_writeback(struct gfs *fs, struct bh **v, size_t n)
{
	struct run runs[WINDOW_RUNS];
	struct iobatch batch;
	size_t i = 0, k, nruns, bytes;
	int error = 0;

	qsort(v, n, sizeof(*v), by_blkno);
	while (i < n && error == 0) {
		iobatch_init(&batch);
		nruns = bytes = 0;
		while (i < n && nruns < WINDOW_RUNS && bytes < WINDOW_BYTES) {
			/* W1; never wait with requests of our own in flight. */
			if ((v[i]->flags & BH_WRITING) && nruns > 0)
				break;
			cache_wait_write(v[i]);
			if (!wants_write(v[i])) {
				i++;
				continue;
			}
			k = start_run(fs, v, i, n, &runs[nruns], &batch);
			if (k == 0) {
				gfs_withdraw(fs, "out of memory");
				error = EIO;
				break;
			}
			i += k;
			bytes += k << fs->bshift;
			nruns++;
		}
		if (nruns > 0 && finish_runs(fs, v, runs, nruns, &batch) != 0)
			error = EIO;
	}
	return error;
}

/* Writes a collected array, then lets go of it. */
static int
write_and_put(struct gfs *fs, struct bh **v, size_t n)
{
	size_t i;
	int error;

	error = cache_writeback(fs, v, n);
	for (i = 0; i < n; i++)
		cache_put(v[i]);
	free(v);
	return error;
}

int
cache_write_ordered(struct gfs *fs)
{
	struct cache *c = fs->cache;
	struct bh **v, *bh;
	size_t n = 0;

	if (c->nordered == 0)
		return 0;
	v = calloc(c->nordered, sizeof(struct bh *));
	if (v == NULL) {
		gfs_withdraw(fs, "out of memory");
		return EIO;
	}
	TAILQ_FOREACH(bh, &c->ordered, ordered) {
		cache_hold(bh);
		v[n++] = bh;
	}
	return write_and_put(fs, v, n);
}

int
cache_write_data(struct glock *gl)
{
	struct gfs *fs = gl->fs;
	size_t n = 0, want = gl->ndirty;
	struct bh **v, *bh;

	if (fs->withdrawn)
		return EIO;
	if (want == 0)
		return 0;
	v = calloc(want, sizeof(struct bh *));
	if (v == NULL)
		return ENOMEM;
	LIST_FOREACH(bh, &gl->bufs, gl_entry) {
		if (n == want)
			break;
		if (bh->flags & BH_ORDERED) {
			cache_hold(bh);
			v[n++] = bh;
		}
	}
	return write_and_put(fs, v, n);
}

int
cache_flush_device(struct gfs *fs)
{
	struct cache *c = fs->cache;
	uint64_t upto = c->written;
	int error;

	if (c->flushed == upto)
		return 0;
	error = dev_flush(fs->dev);
	if (error != 0) {
		gfs_withdraw(fs, "cannot flush the device: %s",
		    strerror(error));
		return EIO;
	}
	c->flushed = MAX(c->flushed, upto);
	return 0;
}
