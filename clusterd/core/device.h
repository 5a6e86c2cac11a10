/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The quorum device as its user sees it: a voter with a memory, on storage
 * that all nodes share.  What the memory says is the user's affair.
 */

#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include "../conf.h"
#include "bus.h"

#define DEVICE_BLOCKS	255	/* node ids 1 to 255 have one */
#define DEVICE_UUID	16
#define DEVICE_MEMORY_MAX 3840
#define DEVICE_BODY_MAX	(DEVICE_MEMORY_MAX + 64)
#define DEVICE_WHY_MAX	256	/* bytes of a reason, for people */

enum device_state {
	DEVICE_IDLE = 0,
	DEVICE_ASKED,		/* for its promise of an epoch */
	DEVICE_PROMISED,	/* ... and it has said what it remembers */
	DEVICE_RECORDING,
	DEVICE_RECORDED,
	DEVICE_REFUSED,		/* a later epoch is promised: see floor */
	DEVICE_FAILED		/* it has no vote this time: see why */
};

/* What one node has written: its block. */
struct device_block {
	uint64_t	 promised;	/* epoch; 0: none */
	uint64_t	 lost;		/* what it held before this epoch is lost */
	uint64_t	 accepted;	/* epoch of the memory; 0: it has none */
	size_t		 len;
	uint8_t		 memory[DEVICE_MEMORY_MAX];
};

enum device_op { DEVICE_OP_NONE = 0, DEVICE_OP_READ, DEVICE_OP_WRITE };

struct device {
	const struct conf *conf;
	uint16_t	 self;
	enum device_state state;
	uint64_t	 epoch;		/* that this is about */
	uint64_t	 deadline;	/* of ASKED, RECORDING */
	uint64_t	 floor;		/* REFUSED: an epoch that is promised */
	uint64_t	 used;		/* by this node: no epoch above it */
	uint64_t	 lost;		/* PROMISED: newest of all blocks */
	struct device_block memory;	/* PROMISED: the newest one */
	/* Our own block, as we know it to be. */
	bool		 known;
	uint8_t		 uuid[DEVICE_UUID];
	struct device_block own;
	/* The one request that is under way. */
	enum device_op	 op;
	uint32_t	 req;
	uint64_t	 op_epoch;	/* that it was for; 0: none */
	bool		 op_records;
	bool		 skip;		/* it broke its word: leave it out once */
	uint64_t	 poll_at;
	/* What each read after that request must find; 0: nothing. */
	uint64_t	 recorded, promised;
	uint32_t	 expect_after;
	bool		 works;		/* as of the last answer */
	bool		 answered;	/* ever */
	uint64_t	 answered_at;	/* when it last could be read; 0: never */
	uint64_t	 op_at;		/* us; the request under way began */
	uint64_t	 took;		/* us; the last one that was answered */
	bool		 blank;		/* it remembers nothing for sure */
	char		 why[DEVICE_WHY_MAX];
};

/* Is there one? */
bool	 device_exists(const struct device *);
void	 device_init(struct device *, const struct conf *, uint16_t self);
/* Begins to look at it now and then.  used: no epoch of ours was above it. */
void	 device_start(struct device *, uint64_t used, struct bus *);
/* What our block promises, as far as it is known: no epoch up to it is taken. */
uint64_t device_promised(const struct device *);
/* Asks for the promise of an epoch that was never asked for before. */
void	 device_ask(struct device *, uint64_t epoch, struct bus *);
/* PROMISED: has it remember this from now on, instead of what it did. */
void	 device_record(struct device *, const void *, size_t, struct bus *);
/* Could an answer about this epoch still come in time? */
bool	 device_pending(const struct device *, uint64_t epoch);
/*
 * Reads that are asked for from now on must find these epochs, or later ones,
 * recorded by anybody, and promised to another node.  0: nothing.
 */
void	 device_expect(struct device *, uint64_t recorded, uint64_t promised);
/* Looks at it then, and not later. */
void	 device_poll(struct device *, uint64_t at);
/* NOTE_DEVICE_DONE, and the time that goes by. */
void	 device_note(struct device *, const struct note *, struct bus *);
void	 device_timer(struct device *, struct bus *);
uint64_t device_deadline(const struct device *);

/* Blocks as they are written, and back; false: no such bytes. */
void	 device_block_encode(const struct device_block *, struct wbuf *);
bool	 device_block_decode(struct device_block *, const void *, size_t);

#endif /* CORE_DEVICE_H */
