/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Directory records inside one block: the bytes [start, end) of a leaf or of
 * a directory's dinode.  Records tile that space exactly; only the first may
 * be empty (the sentinel).  Pure: no I/O, no locks, no transactions.
 */

#ifndef GFS_DIRENT_H
#define GFS_DIRENT_H

#include "ondisk.h"

#define DIRENT_NONE	UINT_MAX

/* One record as it is found while walking. */
struct dent {
	struct dirent_hdr	 h;
	unsigned		 off;	/* of the record in the block */
	unsigned		 prev;	/* of the one before, or DIRENT_NONE */
	const char		*name;	/* h.name_len bytes, no NUL */
};

struct dirent_it {
	const uint8_t		*blk;
	unsigned		 start, end, off, prev;
	enum od_error		 err;
};

/* A name with its hash. */
struct dname {
	const char		*s;
	unsigned		 len;
	uint32_t		 hash;
};

/* EINVAL: empty or with '/'; ENAMETOOLONG: above 255 bytes. */
int	 dname_init(struct dname *, const char *);
/* Bytes that a record for a name of this length takes. */
unsigned dirent_need(unsigned namelen);

void	 dirent_it_init(struct dirent_it *, const uint8_t *blk, unsigned start,
	    unsigned end);
/* The next record, the sentinel included; false at the end or on it->err. */
bool	 dirent_it_next(struct dirent_it *, struct dent *);

/* Walks all records; the number that are in use goes to *count. */
enum od_error dirent_check(const uint8_t *blk, unsigned start, unsigned end,
	    unsigned *count);
/* Looks a name up; *found says whether d is set. */
enum od_error dirent_find(const uint8_t *blk, unsigned start, unsigned end,
	    const struct dname *, struct dent *d, bool *found);
/* A record with room for need more bytes; *found says whether d is set. */
enum od_error dirent_room(const uint8_t *blk, unsigned start, unsigned end,
	    unsigned need, struct dent *d, bool *found);

/* Makes the space one empty record. */
void	 dirent_clear(uint8_t *blk, unsigned start, unsigned end);
/* Puts a record into the room that dirent_room() found. */
void	 dirent_put(uint8_t *blk, const struct dent *room,
	    const struct dname *, const struct inum *, unsigned type);
/* Removes it: merged into its predecessor, or left as the sentinel. */
void	 dirent_del(uint8_t *blk, const struct dent *);
/* Points the record to another inode. */
void	 dirent_retarget(uint8_t *blk, const struct dent *,
	    const struct inum *, unsigned type);
/* Adds bytes to the last record, after the space grew. */
enum od_error dirent_stretch(uint8_t *blk, unsigned start, unsigned end,
	    unsigned more);
/*
 * Moves every record with hash < divider from one leaf to another, whose
 * space was cleared.  Sets the number moved.
 */
enum od_error dirent_split(uint8_t *from, uint8_t *to, unsigned start,
	    unsigned end, uint32_t divider, unsigned *moved);

#endif /* GFS_DIRENT_H */
