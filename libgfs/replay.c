/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the active part of a journal says: images, revokes, and the change of
 * the free-space counters.  The invariants are those of recovery.c.
 */

#include <errno.h>

#include "recovery_int.h"

static int
word_cmp(const struct lastword *a, const struct lastword *b)
{
	return (a->blkno > b->blkno) - (a->blkno < b->blkno);
}

RB_GENERATE_INTERNAL(words, lastword, node, word_cmp, UNUSED static)

/* R4: at most one for each block that the active log names. */
static struct lastword *
word_get(struct replay *r, uint64_t blkno)
{
	struct lastword key, *w;

	key.blkno = blkno;
	w = RB_FIND(words, &r->blocks, &key);
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return NULL;
		w->blkno = blkno;
		RB_INSERT(words, &r->blocks, w);
	}
	return w;
}

/* A corrupt journal is reported once, by the place and the fault. */
static int
corrupt(struct replay *r, uint32_t pos, const char *what)
{
	gfs_log(r->fs, "journal %u: block %u: %s", r->jid,
	    (r->tail + pos) % jindex_blocks(r->j), what);
	return EUCLEAN;
}

/* Home addresses lie behind the superblock and inside the device. */
static bool
plausible(const struct gfs *fs, uint64_t blkno)
{
	return blkno > (uint64_t)OD_SB_OFFSET >> fs->bshift &&
	    blkno < dev_size(fs->dev) >> fs->bshift;
}

/* A later image of the same block replaces the earlier one's word. */
static int
add_item(struct replay *r, const struct item *it)
{
	struct lastword *w;
	struct item *v;
	uint32_t cap;

	if (r->nitems == r->cap) {
		cap = MAX(r->cap * 2, 256u);
		v = reallocarray(r->items, cap, sizeof(*v));
		if (v == NULL)
			return ENOMEM;
		r->items = v;
		r->cap = cap;
	}
	w = word_get(r, it->blkno);
	if (w == NULL)
		return ENOMEM;
	w->image = it->pos + 1;
	r->items[r->nitems++] = *it;
	return 0;
}

/* A group of images: the descriptor first, for it names their homes. */
static int
scan_images(struct replay *r, uint32_t pos, const struct log_desc *d)
{
	struct gfs *fs = r->fs;
	bool jdata = d->type == GFS2_LOG_DESC_JDATA;
	const uint8_t *p, *desc;
	struct item *first, it;
	uint32_t i, from = r->nitems;
	int error;

	error = replay_block(r, pos, &desc);
	if (error != 0)
		return error;
	for (i = 0; i < d->items; i++) {
		memset(&it, 0, sizeof(it));
		it.jdata = jdata;
		it.pos = pos + 1 + i;
		p = desc + OD_LD_SIZE + (size_t)i * (jdata ? 16 : 8);
		it.blkno = od_get64(p);
		if (jdata)
			it.escaped = od_get64(p + 8) != 0;
		if (!plausible(fs, it.blkno))
			return corrupt(r, pos,
			    "the descriptor names a block outside the volume");
		error = add_item(r, &it);
		if (error != 0)
			return error;
	}
	/* R1: metadata that is not metadata stops the replay before it begins. */
	first = r->items + from;
	for (i = 0; i < d->items && !jdata; i++) {
		error = replay_block(r, first[i].pos, &p);
		if (error != 0)
			return error;
		if (od_get32(p) != GFS2_MAGIC)
			return corrupt(r, first[i].pos,
			    "the image of a metadata block has no magic number");
	}
	return 0;
}

/* Revokes stand behind the images of their flush, at their descriptor. */
static int
scan_revokes(struct replay *r, uint32_t pos, const struct log_desc *d)
{
	struct lastword *w;
	const uint8_t *p;
	uint32_t i, blk = 0;
	size_t off = OD_LD_SIZE;
	int error;

	error = replay_block(r, pos, &p);
	for (i = 0; i < d->items && error == 0; i++) {
		if (off + 8 > r->fs->bsize) {
			/* ld_decode() saw to it that there are enough. */
			blk++;
			error = replay_block(r, pos + blk, &p);
			if (error != 0)
				return error;
			if (meta_check(p, GFS2_METATYPE_LB) != OD_OK)
				return corrupt(r, pos + blk,
				    "not a continuation of revokes");
			off = OD_META_SIZE;
		}
		w = word_get(r, od_get64(p + off));
		if (w == NULL)
			return ENOMEM;
		w->revoked = pos + 1;
		r->nrevokes++;
		off += 8;
	}
	return error;
}

/* Walks the log from the tail to the head. */
int
replay_scan(struct replay *r)
{
	struct gfs *fs = r->fs;
	struct log_header h;
	struct log_desc d;
	const uint8_t *p;
	uint32_t pos = 0, n = jindex_blocks(r->j);
	enum od_error e;
	int error;

	while (pos < r->len) {
		error = replay_block(r, pos, &p);
		if (error != 0)
			return error;
		if (meta_check(p, GFS2_METATYPE_LH) == OD_OK) {
			e = lh_decode(&h, p, fs->bsize, (r->tail + pos) % n);
			if (e != OD_OK)
				return corrupt(r, pos, "damaged log header");
			pos++;
			continue;
		}
		e = ld_decode(&d, p, fs->bsize);
		if (e == OD_MAGIC || e == OD_TYPE)
			return corrupt(r, pos,
			    "neither a log header nor a descriptor");
		if (e != OD_OK || d.length > r->len - pos)
			return corrupt(r, pos, "damaged log descriptor");
		if (d.type == GFS2_LOG_DESC_REVOKE)
			error = scan_revokes(r, pos, &d);
		else
			error = scan_images(r, pos, &d);
		if (error != 0)
			return error;
		pos += d.length;
	}
	return 0;
}

/* R2, now that the whole log has been heard. */
void
replay_resolve(struct replay *r)
{
	struct lastword *w, key;
	struct item *it;
	uint32_t i;

	for (i = 0; i < r->nitems; i++) {
		it = &r->items[i];
		key.blkno = it->blkno;
		w = RB_FIND(words, &r->blocks, &key);
		ASSERT(w != NULL);
		it->skip = w->revoked > it->pos + 1 || w->image != it->pos + 1;
	}
}

void
replay_free(struct replay *r)
{
	struct lastword *w;

	while ((w = RB_ROOT(&r->blocks)) != NULL) {
		RB_REMOVE(words, &r->blocks, w);
		free(w);
	}
	free(r->items);
	dev_free(r->win);
}

/* Reads a dinode that carries counters in itself. */
static int
read_counters(struct gfs *fs, uint64_t addr, uint8_t *p,
    struct statfs_change *sc)
{
	struct dinode d;
	int error;

	if (!plausible(fs, addr))
		return EUCLEAN;
	error = dev_read(fs->dev, addr << fs->bshift, p, fs->bsize);
	if (error != 0)
		return error;
	if (dinode_decode(&d, p, fs->bsize, addr, fs->max_height) != OD_OK ||
	    d.height != 0 || d.size < OD_STATFS_SIZE)
		return EUCLEAN;
	statfs_decode(sc, p + OD_DINODE_SIZE);
	return 0;
}

/* The rest of the dinode is put back as it was read. */
static int
write_counters(struct gfs *fs, uint64_t addr, uint8_t *p,
    const struct statfs_change *sc)
{
	statfs_encode(sc, p + OD_DINODE_SIZE);
	cache_patch(fs, addr, p);
	return dev_write(fs->dev, addr << fs->bshift, p, fs->bsize);
}

/* Both come from the disk and may be anything; nothing rests on the sum. */
static void
add(int64_t *sum, int64_t change)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)change);
}

/* To the master first: a crash in between counts twice, but loses nothing. */
static int
fold(struct gfs *fs, uint64_t master, const struct log_header *h, uint8_t *p)
{
	struct statfs_change sc;
	int error;

	error = read_counters(fs, master, p, &sc);
	if (error != 0)
		return error;
	add(&sc.total, h->local.total);
	add(&sc.free, h->local.free);
	add(&sc.dinodes, h->local.dinodes);
	error = write_counters(fs, master, p, &sc);
	if (error == 0)
		error = read_counters(fs, h->statfs_addr, p, &sc);
	if (error != 0)
		return error;
	memset(&sc, 0, sizeof(sc));
	error = write_counters(fs, h->statfs_addr, p, &sc);
	return error != 0 ? error : dev_flush(fs->dev);
}

/*
 * The counters are estimates that fsck rebuilds, so damage to their files is
 * reported and does not stop the recovery of everything else.
 */
int
replay_statfs(struct gfs *fs, const struct log_header *h)
{
	struct gholder gh;
	uint64_t master;
	uint8_t *p;
	int error;

	if (h->local.total == 0 && h->local.free == 0 && h->local.dinodes == 0)
		return 0;
	if (fs->statfs_master == NULL || h->statfs_addr == 0)
		return 0;
	master = fs->statfs_master->addr;
	gholder_init(&gh);
	error = glock_lock(fs, GL_INODE, master, GLS_EX,
	    GLF_NOEXP | GLF_NOCACHE | GLF_SKIP, &gh);
	if (error != 0)
		return error;
	p = dev_alloc(fs->bsize);
	/* Our own cached copy goes home first and is forgotten after. */
	error = p == NULL ? ENOMEM : log_clean_glock(gh.gl, LHF_RECOVERY);
	if (error == 0) {
		error = fold(fs, master, h, p);
		cache_inval(gh.gl, false);
	}
	if (error == EUCLEAN) {
		gfs_log(fs,
		    "the statfs files are damaged: free space will be "
		    "reported wrongly until fsck has run");
		error = 0;
	}
	dev_free(p);
	glock_release(&gh);
	return error;
}
