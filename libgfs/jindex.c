/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The journals: the files journal0, journal1, ... of the jindex directory,
 * each with its extents kept in memory, because a journal must be found when
 * nothing but the device can be relied on.
 *
 * Invariants
 *	J1  the extents of a journal cover its blocks 0..n-1 without a gap, in
 *	    order, and lie inside the device;
 *	J2  journals are numbered without a gap from 0.
 */

#include <errno.h>
#include <stdio.h>

#include "fs.h"

enum {
	JOURNALS_MAX = 1024
};

#define JOURNAL_MIN (8ull << 20)
#define JOURNAL_MAX (1ull << 30)

/* Blocks first.. of the journal are at.. on the device. */
struct jext {
	uint32_t first;
	uint32_t len;
	uint64_t at;
};

struct journal {
	struct ginode *ip; /* a reference */
	unsigned jid;
	uint32_t nblocks;
	struct jext *ext;
	unsigned next;
};

/* Bisection: journals that were added later may be in many pieces. */
uint64_t
jindex_map(const struct journal *j, uint32_t n)
{
	unsigned lo = 0, hi = j->next, mid;

	ASSERT(n < j->nblocks);
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (j->ext[mid].first <= n)
			lo = mid;
		else
			hi = mid;
	}
	return j->ext[lo].at + (n - j->ext[lo].first);
}

uint32_t
jindex_blocks(const struct journal *j)
{
	return j->nblocks;
}

uint64_t
jindex_inode(const struct journal *j)
{
	return j->ip->addr;
}

/* Neighbours are joined, so a journal of mkfs.gfs2 is a single extent. */
static int
add_extent(struct journal *j, uint64_t lblk, const struct extent *e)
{
	struct jext *p, *last = j->next > 0 ? &j->ext[j->next - 1] : NULL;

	if (last != NULL && last->at + last->len == e->blkno) {
		last->len += (uint32_t)e->len;
		return 0;
	}
	p = reallocarray(j->ext, j->next + 1, sizeof(*p));
	if (p == NULL)
		return ENOMEM;
	j->ext = p;
	p[j->next].first = (uint32_t)lblk;
	p[j->next].len = (uint32_t)e->len;
	p[j->next].at = e->blkno;
	j->next++;
	return 0;
}

/* Maps the whole file, J1. */
static int
map_journal(struct gfs *fs, struct journal *j, char *why, size_t whylen)
{
	uint64_t end = dev_size(fs->dev) >> fs->bshift, lblk = 0;
	struct extent e;
	int error;

	while (lblk < j->nblocks) {
		error = bmap_map(j->ip, lblk, j->nblocks - lblk, false, &e);
		if (error != 0) {
			snprintf(why, whylen,
			    "journal %u: cannot map block "
			    "%llu: %s",
			    j->jid, (unsigned long long)lblk, strerror(error));
			return error;
		}
		if (e.blkno == 0 || e.len == 0 || e.len > j->nblocks - lblk ||
		    e.blkno >= end || e.len > end - e.blkno) {
			snprintf(why, whylen,
			    "journal %u: block %llu has no "
			    "place on the device",
			    j->jid, (unsigned long long)lblk);
			return EUCLEAN;
		}
		error = add_extent(j, lblk, &e);
		if (error != 0) {
			snprintf(why, whylen, "out of memory");
			return error;
		}
		lblk += e.len;
	}
	return 0;
}

/* The size limits are those of the kernel. */
static int
load_locked(struct gfs *fs, struct journal *j, char *why, size_t whylen)
{
	uint64_t size = j->ip->size;

	if (size < JOURNAL_MIN || size > JOURNAL_MAX || size % fs->bsize != 0) {
		snprintf(why, whylen, "journal %u: impossible size %llu",
		    j->jid, (unsigned long long)size);
		return EUCLEAN;
	}
	j->nblocks = (uint32_t)(size >> fs->bshift);
	return map_journal(fs, j, why, whylen);
}

static void
journal_free(struct journal *j)
{
	inode_put(j->ip);
	free(j->ext);
	free(j);
}

/* Takes over the caller's reference to the inode, whatever happens. */
static int
load_one(struct gfs *fs, unsigned jid, struct ginode *ip, char *why,
    size_t whylen)
{
	struct journal *j = calloc(1, sizeof(*j)), **v;
	struct gholder gh;
	int error;

	if (j == NULL) {
		inode_put(ip);
		snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	j->ip = ip;
	j->jid = jid;
	gholder_init(&gh);
	error = inode_lock(ip, GLS_SH, GLF_NOEXP, &gh);
	if (error != 0)
		snprintf(why, whylen, "journal %u: cannot lock: %s", jid,
		    strerror(error));
	else {
		error = load_locked(fs, j, why, whylen);
		glock_release(&gh);
	}
	v = error != 0 ?
	    NULL :
	    reallocarray(fs->journals, fs->njournals + 1, sizeof(*v));
	if (v == NULL) {
		journal_free(j);
		if (error == 0)
			snprintf(why, whylen, "out of memory");
		return error != 0 ? error : ENOMEM;
	}
	fs->journals = v;
	v[fs->njournals++] = j;
	return 0;
}

/*
 * Loads those that are not loaded yet, so it also serves after journals were
 * added to a mounted volume.
 */
int
jindex_load(struct gfs *fs, char *why, size_t whylen)
{
	struct ginode *ip;
	char name[32];
	int error;

	while (fs->njournals < JOURNALS_MAX) {
		snprintf(name, sizeof(name), "journal%u", fs->njournals);
		error = gfs_lookup(fs->jindex, name, &ip);
		if (error == ENOENT)
			break;
		if (error != 0) {
			snprintf(why, whylen, "cannot look up %s: %s", name,
			    strerror(error));
			return error;
		}
		error = load_one(fs, fs->njournals, ip, why, whylen);
		if (error != 0)
			return error;
	}
	if (fs->njournals == 0) {
		snprintf(why, whylen, "the volume has no journal");
		return EUCLEAN;
	}
	return 0;
}

void
jindex_free(struct gfs *fs)
{
	while (fs->njournals > 0)
		journal_free(fs->journals[--fs->njournals]);
	free(fs->journals);
	fs->journals = NULL;
}
