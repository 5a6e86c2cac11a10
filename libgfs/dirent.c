/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Directory records inside one block.
 *
 * D1  records tile [start, end) exactly: each begins where the last ended;
 * D2  a record's length is a multiple of 8 and holds its header and name;
 * D3  only the first record may be empty (addr 0).
 *
 * The walk checks all three on bytes that come from the disk, so no caller
 * can loop or run out of the block.  Changes keep them.
 */

#include <errno.h>
#include <limits.h>

#include "dirent.h"

int
dname_init(struct dname *n, const char *s)
{
	size_t len = strnlen(s, GFS2_FNAMESIZE + 1);

	if (len > GFS2_FNAMESIZE)
		return ENAMETOOLONG;
	if (len == 0 || memchr(s, '/', len) != NULL)
		return EINVAL;
	n->s = s;
	n->len = (unsigned)len;
	n->hash = od_crc32(s, len);
	return 0;
}

unsigned
dirent_need(unsigned namelen)
{
	return (OD_DIRENT_SIZE + namelen + 7) & ~7u;
}

void
dirent_it_init(struct dirent_it *it, const uint8_t *blk, unsigned start,
    unsigned end)
{
	it->blk = blk;
	it->start = start;
	it->end = end;
	it->off = start;
	it->prev = DIRENT_NONE;
	it->err = OD_OK;
}

/*
 * The fields of a record that has at least its header's bytes left: this is
 * the inner loop of every operation on names, so it reads them in place.
 */
static void
fields(struct dirent_hdr *h, const uint8_t *p)
{
	h->num.formal = od_get64(p + offsetof(struct gfs2_dirent, de_inum));
	h->num.addr = od_get64(p + offsetof(struct gfs2_dirent, de_inum) + 8);
	h->hash = od_get32(p + offsetof(struct gfs2_dirent, de_hash));
	h->rec_len = od_get16(p + offsetof(struct gfs2_dirent, de_rec_len));
	h->name_len = od_get16(p + offsetof(struct gfs2_dirent, de_name_len));
	h->type = od_get16(p + offsetof(struct gfs2_dirent, de_type));
	h->rahead = od_get16(p + offsetof(struct gfs2_dirent, de_rahead));
}

bool
dirent_it_next(struct dirent_it *it, struct dent *d)
{
	unsigned left = it->end - it->off;

	if (it->err != OD_OK || left == 0)
		return false;
	if (left < OD_DIRENT_SIZE) {
		it->err = OD_SHORT;
		return false;
	}
	fields(&d->h, it->blk + it->off);
	if (d->h.rec_len < OD_DIRENT_SIZE || d->h.rec_len > left ||
	    d->h.rec_len % 8 != 0) {
		it->err = OD_RECLEN;
		return false;
	}
	if (d->h.num.addr == 0) {
		/* D3 */
		if (it->off != it->start) {
			it->err = OD_ADDR;
			return false;
		}
	} else if (d->h.name_len == 0 || d->h.name_len > GFS2_FNAMESIZE ||
	    dirent_need(d->h.name_len) > d->h.rec_len) {
		it->err = OD_NAMELEN;
		return false;
	}
	d->off = it->off;
	d->prev = it->prev;
	d->name = (const char *)it->blk + it->off + OD_DIRENT_SIZE;
	it->prev = it->off;
	it->off += d->h.rec_len;
	return true;
}

enum od_error
dirent_check(const uint8_t *blk, unsigned start, unsigned end, unsigned *count)
{
	struct dirent_it it;
	struct dent d;

	*count = 0;
	dirent_it_init(&it, blk, start, end);
	while (dirent_it_next(&it, &d))
		if (d.h.num.addr != 0)
			(*count)++;
	return it.err;
}

enum od_error
dirent_find(const uint8_t *blk, unsigned start, unsigned end,
    const struct dname *name, struct dent *d, bool *found)
{
	struct dirent_it it;

	*found = false;
	dirent_it_init(&it, blk, start, end);
	while (dirent_it_next(&it, d)) {
		if (d->h.num.addr != 0 && d->h.hash == name->hash &&
		    d->h.name_len == name->len &&
		    memcmp(d->name, name->s, name->len) == 0) {
			*found = true;
			return OD_OK;
		}
	}
	return it.err;
}

/* Bytes of the record that its own name does not use. */
static unsigned
slack(const struct dent *d)
{
	if (d->h.num.addr == 0)
		return d->h.rec_len;
	return d->h.rec_len - dirent_need(d->h.name_len);
}

enum od_error
dirent_room(const uint8_t *blk, unsigned start, unsigned end, unsigned need,
    struct dent *d, bool *found)
{
	struct dirent_it it;

	*found = false;
	dirent_it_init(&it, blk, start, end);
	while (dirent_it_next(&it, d)) {
		if (slack(d) >= need) {
			*found = true;
			return OD_OK;
		}
	}
	return it.err;
}

void
dirent_clear(uint8_t *blk, unsigned start, unsigned end)
{
	struct dirent_hdr h;

	memset(blk + start, 0, end - start);
	memset(&h, 0, sizeof(h));
	h.rec_len = (uint16_t)(end - start);
	dirent_encode(&h, blk + start);
}

void
dirent_put(uint8_t *blk, const struct dent *room, const struct dname *name,
    const struct inum *num, unsigned type)
{
	struct dirent_hdr h = room->h;
	unsigned total = room->h.rec_len, used = 0;

	if (room->h.num.addr != 0)
		used = dirent_need(room->h.name_len);
	ASSERT(total - used >= dirent_need(name->len));
	if (used != 0) {
		h.rec_len = (uint16_t)used;
		dirent_encode(&h, blk + room->off);
	}
	memset(&h, 0, sizeof(h));
	h.num = *num;
	h.hash = name->hash;
	h.rec_len = (uint16_t)(total - used);
	h.name_len = (uint16_t)name->len;
	h.type = (uint16_t)type;
	memset(blk + room->off + used, 0, OD_DIRENT_SIZE);
	/* The new record gets all the slack: it is the next to be split. */
	dirent_encode(&h, blk + room->off + used);
	memcpy(blk + room->off + used + OD_DIRENT_SIZE, name->s, name->len);
}

void
dirent_del(uint8_t *blk, const struct dent *d)
{
	struct dirent_hdr h;

	if (d->prev == DIRENT_NONE) {
		h = d->h;
		h.num.formal = 0;
		h.num.addr = 0;
		dirent_encode(&h, blk + d->off);
		return;
	}
	/* The walk that found d has checked its predecessor. */
	od_put16(blk + d->prev + offsetof(struct gfs2_dirent, de_rec_len),
	    (uint16_t)(d->off - d->prev + d->h.rec_len));
}

void
dirent_retarget(uint8_t *blk, const struct dent *d, const struct inum *num,
    unsigned type)
{
	struct dirent_hdr h = d->h;

	h.num = *num;
	h.type = (uint16_t)type;
	h.rahead = 0;
	dirent_encode(&h, blk + d->off);
}

enum od_error
dirent_stretch(uint8_t *blk, unsigned start, unsigned end, unsigned more)
{
	struct dirent_it it;
	struct dent d;
	unsigned last = DIRENT_NONE, len = 0;

	dirent_it_init(&it, blk, start, end);
	while (dirent_it_next(&it, &d)) {
		last = d.off;
		len = d.h.rec_len;
	}
	if (it.err != OD_OK)
		return it.err;
	if (last == DIRENT_NONE)
		return OD_SHORT;
	od_put16(blk + last + offsetof(struct gfs2_dirent, de_rec_len),
	    (uint16_t)(len + more));
	return OD_OK;
}

enum od_error
dirent_split(uint8_t *from, uint8_t *to, unsigned start, unsigned end,
    uint32_t divider, unsigned *moved)
{
	struct dirent_it it;
	struct dent d, room;
	struct dname name;
	enum od_error err;
	unsigned prev = DIRENT_NONE;
	bool found;

	*moved = 0;
	dirent_it_init(&it, from, start, end);
	while (dirent_it_next(&it, &d)) {
		if (d.h.num.addr == 0 || d.h.hash >= divider) {
			prev = d.off;
			continue;
		}
		name.s = d.name;
		name.len = d.h.name_len;
		name.hash = d.h.hash;
		err = dirent_room(to, start, end, dirent_need(name.len), &room,
		    &found);
		if (err != OD_OK)
			return err;
		/* What fitted in one leaf fits in another. */
		if (!found)
			return OD_COUNT;
		dirent_put(to, &room, &name, &d.h.num, d.h.type);
		od_put16(to +
			(room.h.num.addr == 0 ?
				room.off :
				room.off + dirent_need(room.h.name_len)) +
			offsetof(struct gfs2_dirent, de_rahead),
		    d.h.rahead);
		(*moved)++;
		/* The one before may have been merged away: prev is ours. */
		d.prev = prev;
		dirent_del(from, &d);
		if (prev == DIRENT_NONE)
			prev = d.off;
	}
	return it.err;
}
