/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Replay of a journal, ours at mount or a dead node's.  It works on the
 * device and bypasses the block cache: the locks that protect the blocks are
 * free or frozen, so at most a mount in progress has some of them cached,
 * clean, and those copies are brought up to date.
 *
 * Invariants
 *	R1  nothing is written before the whole active log has been read and
 *	    found sound;
 *	R2  an image at position w is replayed unless a revoke of its block
 *	    stands at r with w < r, or the log has a later image of it;
 *	    positions count from the tail;
 *	R3  the clean header is written only after every home block is stable,
 *	    so a crash during replay leaves it to be done again, with the same
 *	    outcome;
 *	R4  numbers from the journal are checked before they are used, and
 *	    memory is bounded by the size of the journal.
 *
 * Transitions: find head -> (clean: done) -> scan tail..head -> resolve
 *	-> write home -> flush -> clean header -> fold statfs
 */

#include <errno.h>

#include "recovery_int.h"

enum {
	CHUNK_BYTES = 1024 * 1024
};

/*
 * Reads n blocks of the journal from block first on (no wrap) into buf, in as
 * few requests as the extents allow.
 */
static int
read_blocks(struct gfs *fs, const struct journal *j, uint32_t first, uint32_t n,
    uint8_t *buf)
{
	struct iobatch batch;
	uint32_t i, k;
	uint64_t at;

	iobatch_init(&batch);
	for (i = 0; i < n; i += k) {
		at = jindex_map(j, first + i);
		for (k = 1; i + k < n; k++)
			if (jindex_map(j, first + i + k) != at + k)
				break;
		dev_submit(fs->dev, IO_READ, at << fs->bshift,
		    buf + ((size_t)i << fs->bshift), (size_t)k << fs->bshift,
		    &batch);
	}
	return env_io_wait(fs->env, &batch);
}

/*
 * The head is the header with the highest sequence number.  Sequence numbers
 * grow along the log, so the first smaller one marks the wrap.  A journal may
 * be full of headers, so the long checksum is left out unless full is set.
 */
static int
search_head(struct gfs *fs, const struct journal *j, bool full,
    struct log_header *out, bool *found)
{
	uint32_t n = jindex_blocks(j), chunk = CHUNK_BYTES >> fs->bshift;
	uint32_t first, i, got;
	struct log_header h;
	uint8_t *buf, *p;
	enum od_error e;
	int error = 0;

	*found = false;
	buf = dev_alloc(CHUNK_BYTES);
	if (buf == NULL)
		return ENOMEM;
	for (first = 0; first < n; first += got) {
		got = MIN(chunk, n - first);
		error = read_blocks(fs, j, first, got, buf);
		if (error != 0)
			break;
		for (i = 0; i < got; i++) {
			p = buf + ((size_t)i << fs->bshift);
			e = full ? lh_decode(&h, p, fs->bsize, first + i) :
				   lh_peek(&h, p, first + i);
			if (e != OD_OK)
				continue;
			if (*found && h.seq < out->seq)
				goto done;
			*out = h;
			*found = true;
		}
	}
done:
	dev_free(buf);
	return error;
}

/* The block of a header that the quick search took for the head. */
static bool
confirmed(struct gfs *fs, const struct journal *j, struct log_header *h)
{
	uint32_t at = h->blkno;
	uint8_t *p = dev_alloc(fs->bsize);
	bool good;

	good = p != NULL && read_blocks(fs, j, at, 1, p) == 0 &&
	    lh_decode(h, p, fs->bsize, at) == OD_OK;
	dev_free(p);
	return good;
}

int
recovery_head(struct gfs *fs, const struct journal *j, struct log_header *out)
{
	bool found;
	int error;

	error = search_head(fs, j, false, out, &found);
	if (error != 0)
		return error;
	if (found && confirmed(fs, j, out))
		return 0;
	/* A torn header, most likely the last one: look at all of them. */
	error = search_head(fs, j, true, out, &found);
	if (error == 0 && !found) {
		gfs_log(fs, "journal at inode %llu holds no valid log header",
		    (unsigned long long)jindex_inode(j));
		return EUCLEAN;
	}
	return error;
}

/* Block n of the active log, through a window over the journal. */
int
replay_block(struct replay *r, uint32_t pos, const uint8_t **out)
{
	struct gfs *fs = r->fs;
	uint32_t n = jindex_blocks(r->j), blk = (r->tail + pos) % n;
	int error;

	if (r->win_len == 0 || blk < r->win_first ||
	    blk >= r->win_first + r->win_len) {
		r->win_len = 0;
		r->win_first = blk;
		error = read_blocks(fs, r->j, blk,
		    MIN((uint32_t)(CHUNK_BYTES >> fs->bshift), n - blk),
		    r->win);
		if (error != 0) {
			gfs_log(fs, "journal %u: cannot read block %u: %s",
			    r->jid, blk, strerror(error));
			return error;
		}
		r->win_len =
		    MIN((uint32_t)(CHUNK_BYTES >> fs->bshift), n - blk);
	}
	*out = r->win + ((size_t)(blk - r->win_first) << fs->bshift);
	return 0;
}

/*
 * Writes the images that count, in log order.  Each comes from the window,
 * so the requests of a window are waited for before it moves on.
 */
static int
write_home(struct replay *r)
{
	struct gfs *fs = r->fs;
	struct iobatch batch;
	const struct item *it;
	const uint8_t *p;
	uint32_t i, from, used = 0, max = CHUNK_BYTES >> fs->bshift;
	uint8_t *copies, *q;
	int error = 0;

	copies = dev_alloc(CHUNK_BYTES);
	if (copies == NULL)
		return ENOMEM;
	iobatch_init(&batch);
	for (i = from = 0; i < r->nitems && error == 0; i++) {
		it = &r->items[i];
		if (it->skip)
			continue;
		error = replay_block(r, it->pos, &p);
		if (error != 0)
			break;
		q = copies + ((size_t)used << fs->bshift);
		memcpy(q, p, fs->bsize);
		if (it->escaped)
			od_put32(q, GFS2_MAGIC);
		dev_submit(fs->dev, IO_WRITE, it->blkno << fs->bshift, q,
		    fs->bsize, &batch);
		cache_patch(fs, it->blkno, q);
		r->written++;
		if (++used == max) {
			error = env_io_wait(fs->env, &batch);
			used = 0;
		}
	}
	if (env_io_wait(fs->env, &batch) != 0)
		error = batch.error;
	dev_free(copies);
	return error;
}

static int
clean_header(struct gfs *fs, const struct journal *j, unsigned jid,
    const struct log_header *head)
{
	struct log_header h;
	uint64_t wall = env_wall_ns(fs->env);
	uint8_t *p;
	int error;

	p = dev_alloc(fs->bsize);
	if (p == NULL)
		return ENOMEM;
	memset(&h, 0, sizeof(h));
	h.seq = head->seq + 1;
	h.flags = GFS2_LOG_HEAD_UNMOUNT | GFS2_LOG_HEAD_RECOVERY;
	h.blkno = (head->blkno + 1) % jindex_blocks(j);
	h.nsec = (uint32_t)(wall % 1000000000);
	h.sec = wall / 1000000000;
	h.addr = jindex_map(j, h.blkno);
	lh_encode(&h, p, fs->bsize, jid);
	error = dev_flush(fs->dev);
	if (error == 0)
		error =
		    dev_write_fua(fs->dev, h.addr << fs->bshift, p, fs->bsize);
	dev_free(p);
	return error;
}

static int
replay_dirty(struct gfs *fs, unsigned jid, const struct log_header *head)
{
	const struct journal *j = fs->journals[jid];
	struct replay r = { .fs = fs, .j = j, .jid = jid };
	int error;

	if (fs->readonly || !dev_permitted(fs->dev)) {
		gfs_log(fs,
		    "journal %u is dirty and cannot be replayed on a "
		    "read-only device",
		    jid);
		return EROFS;
	}
	if (head->tail >= jindex_blocks(j)) {
		gfs_log(fs, "journal %u: the tail %u is not in the journal",
		    jid, head->tail);
		return EUCLEAN;
	}
	r.tail = head->tail;
	r.len =
	    (head->blkno + jindex_blocks(j) - head->tail) % jindex_blocks(j);
	RB_INIT(&r.blocks);
	r.win = dev_alloc(CHUNK_BYTES);
	error = r.win == NULL ? ENOMEM : replay_scan(&r);
	if (error == 0) {
		replay_resolve(&r);
		error = write_home(&r);
	}
	/* R3: stable before anything says that it is. */
	if (error == 0)
		error = dev_flush(fs->dev);
	if (error == 0)
		error = clean_header(fs, j, jid, head);
	/*
	 * Last, because a replay that has to be done again would bring back
	 * the change file: what a crash leaves in it is found by the next
	 * mount that uses this journal.
	 */
	if (error == 0)
		error = replay_statfs(fs, head);
	if (error == 0)
		gfs_log(fs,
		    "journal %u: replayed %u of %u blocks, %u "
		    "revokes",
		    jid, r.written, r.nitems, r.nrevokes);
	replay_free(&r);
	return error;
}

int
recovery_replay(struct gfs *fs, unsigned jid, bool *replayed)
{
	struct log_header head;
	int error;

	*replayed = false;
	if (jid >= fs->njournals)
		return ENOENT;
	error = recovery_head(fs, fs->journals[jid], &head);
	if (error != 0)
		return error;
	if (head.flags & GFS2_LOG_HEAD_UNMOUNT)
		return 0;
	error = replay_dirty(fs, jid, &head);
	if (error != 0) {
		gfs_log(fs, "journal %u: not replayed: %s", jid,
		    strerror(error));
		return error;
	}
	*replayed = true;
	return 0;
}
