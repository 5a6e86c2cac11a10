/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What is on a quorum disk: a header, and one block for each node id from 1 to
 * 255, all of 4 KiB.  Pure: bytes to structures and back.
 *
 * clusterd-protocol(7), section 6.11.
 */

#ifndef QDISK_FORMAT_H
#define QDISK_FORMAT_H

#include "conf.h"

#define QDISK_BLOCK	4096	/* bytes of the header, and of a block */
#define QDISK_BLOCKS	255
#define QDISK_SIZE	((QDISK_BLOCKS + 1) * QDISK_BLOCK)
#define QDISK_UUID	16
#define QDISK_UUID_TEXT	37	/* with its NUL */
#define QDISK_BODY_MAX	3904	/* of one block: DEVICE_BODY_MAX of the core */
/* As much as all of it can be in EV_DEVICE. */
#define QDISK_ANSWER_MAX (QDISK_UUID + 4 + QDISK_BLOCKS * (7 + QDISK_BODY_MAX))

struct qdisk_header {
	uint8_t		 uuid[QDISK_UUID];
	char		 cluster[CONF_NAME_MAX + 1];
};

/* What the first block of a disk is. */
enum qdisk_found {
	QDISK_OK = 0,
	QDISK_ZEROS,
	QDISK_OTHER,		/* something, but no quorum disk */
	QDISK_LATER,		/* of a later version of this format */
	QDISK_BROKEN		/* a quorum disk's, but damaged */
};

enum qdisk_state {
	QDISK_NEVER = 0,	/* never written, since this device was made */
	QDISK_WRITTEN,
	QDISK_DAMAGED		/* not whole, or not the block of this place */
};

struct qdisk_block {
	uint16_t	 node;
	uint64_t	 seq;		/* of this write among those of the node */
	size_t		 len;
	uint8_t		 body[QDISK_BODY_MAX];
};

void	 qdisk_put_header(const struct qdisk_header *, uint8_t[QDISK_BLOCK]);
/* The header is filled in with QDISK_OK only. */
enum qdisk_found qdisk_get_header(struct qdisk_header *,
	    const uint8_t[QDISK_BLOCK]);
/*
 * Is it a header of a device of this cluster?  If not, why says what it is, and
 * what can be done; path is for that text.
 */
bool	 qdisk_ours(struct qdisk_header *, const uint8_t[QDISK_BLOCK],
	    const char *cluster, const char *path, char *why, size_t size);

void	 qdisk_put_block(const struct qdisk_block *,
	    const uint8_t uuid[QDISK_UUID], uint8_t[QDISK_BLOCK]);
/* The block is filled in with QDISK_WRITTEN only. */
enum qdisk_state qdisk_get_block(struct qdisk_block *, uint16_t node,
	    const uint8_t uuid[QDISK_UUID], const uint8_t[QDISK_BLOCK]);

/* All blocks of a disk as EV_DEVICE has them. */
void	 qdisk_answer(const uint8_t uuid[QDISK_UUID],
	    const uint8_t disk[QDISK_SIZE], struct wbuf *);

void	 qdisk_uuid_text(const uint8_t uuid[QDISK_UUID], char *, size_t);

#endif /* QDISK_FORMAT_H */
