/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What the witness keeps, and the desk at which it is asked for.  Pure: the
 * caller writes what is to be stored, and gives the answers.
 *
 * clusterd-protocol(7), section 6.12.
 */

#ifndef WITNESS_STATE_H
#define WITNESS_STATE_H

#include "witness_wire.h"

/* Of a state file, at most. */
#define WITNESS_FILE_MAX (WITNESS_LOOK_MAX + 256)

/* All blocks, by node; index 0 is nobody's. */
struct witness_blocks {
	uint8_t		 uuid[WITNESS_UUID];
	uint16_t	 len[WITNESS_BLOCKS + 1];	/* 0: never written */
	uint8_t		 block[WITNESS_BLOCKS + 1][WITNESS_BLOCK_MAX];
};

/* False: no such node, or no such length. */
bool	 witness_blocks_set(struct witness_blocks *, uint16_t node,
	    const void *, size_t);
/* The data of EV_DEVICE. */
void	 witness_blocks_look(const struct witness_blocks *, struct wbuf *);
/* The state file, and back; false: it is damaged, or none. */
void	 witness_blocks_encode(const struct witness_blocks *,
	    const char *cluster, struct wbuf *);
bool	 witness_blocks_decode(struct witness_blocks *,
	    char cluster[CONF_NAME_MAX + 1], const void *, size_t);

struct witness_desk_ops {
	/*
	 * Brings the blocks to the disk, with this one in its place; node is
	 * 0: as they are.  witness_desk_stored() tells the end.  One at a time.
	 */
	void	 (*store)(void *arg, uint16_t node, const void *, size_t);
	void	 (*answer)(void *arg, uint64_t conn,
		    const struct witness_answer *);
};

struct witness_desk;

/* NULL: no memory.  The blocks are the caller's, and changed here only. */
struct witness_desk *witness_desk_new(struct witness_blocks *,
	    const struct witness_desk_ops *, void *arg);
void	 witness_desk_free(struct witness_desk *);
/* The number of a connection that was welcomed just now; they only grow. */
uint64_t witness_desk_welcome(struct witness_desk *);
/*
 * What a node asks, authentic.  WB_SUPERSEDED: it has a later connection;
 * WB_MALFORMED: it has not waited for its answer.  After WB_OK the caller
 * closes all earlier connections of this node, if there are any.
 */
enum witness_bad witness_desk_ask(struct witness_desk *, uint16_t node,
	    uint64_t conn, const struct witness_ask *);
/* The connection is closed: what it asked and was not begun is not done. */
void	 witness_desk_gone(struct witness_desk *, uint16_t node,
	    uint64_t conn);
/* The store has ended: well, or why not. */
void	 witness_desk_stored(struct witness_desk *, bool ok, const char *why);

#endif /* WITNESS_STATE_H */
