/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a node and the witness say to each other, over one TCP connection.
 * Pure: bytes in, bytes out; nonces are the caller's.
 *
 * Everything is in frames: u32 length and a body.  First a handshake, in which
 * each end shows that it has a key of the cluster, then records, which are
 * sealed:
 *
 *	node -> witness		HELLO	who we are, a nonce, a proof for each key
 *	witness -> node		WELCOME	which of the keys, a nonce, a proof
 *			or	REFUSE	why not; not authentic: a hint for people
 *	node -> witness		ASK	as often as wanted, one at a time
 *	witness -> node		ANSWER
 *
 * Only the first ASK shows the witness that the node is there now, and not a
 * HELLO that somebody kept.
 *
 * clusterd-protocol(7), section 6.12.
 */

#ifndef WITNESS_WIRE_H
#define WITNESS_WIRE_H

#include "buf.h"
#include "conf.h"
#include "keyring.h"

#define WITNESS_VERSION	1
#define WITNESS_FEATURES 0u	/* bits that this version knows */
#define WITNESS_NONCE	32
#define WITNESS_HEAD	4	/* bytes of the length before each body */

/* As in core/device.h. */
#define WITNESS_BLOCKS	255	/* of the nodes 1 to 255 */
#define WITNESS_UUID	16
#define WITNESS_BLOCK_MAX 3904
/* The data of an ASK, and of an ANSWER: see ACT_DEVICE in core/event.h. */
#define WITNESS_DATA_MAX (WITNESS_UUID + WITNESS_BLOCK_MAX)
#define WITNESS_LOOK_MAX \
	(WITNESS_UUID + 4 + WITNESS_BLOCKS * (2 + 1 + 4 + WITNESS_BLOCK_MAX))

/* Bodies, at most. */
#define WITNESS_HELLO_MAX 160
#define WITNESS_GREET_MAX 128	/* WELCOME or REFUSE */
#define WITNESS_ASK_MAX	(WITNESS_DATA_MAX + 64)
#define WITNESS_ANSWER_MAX (WITNESS_LOOK_MAX + 64)

/* Why an end does not go on with the other; REFUSE names the first ones. */
enum witness_bad {
	WB_OK = 0,
	WB_MALFORMED,
	WB_VERSION,	/* another one of the protocol */
	WB_CLUSTER,	/* another cluster's */
	WB_NO_KEY,	/* no key of such a generation is here */
	WB_OTHER_KEY,	/* the key of that generation is another one */
	WB_NODE,	/* no node with this number, or none that has a block */
	/* Never in REFUSE. */
	WB_RECORD,	/* not authentic: altered, replayed, out of order */
	WB_SUPERSEDED,	/* the node has a later connection */
	WB_SLOW,	/* no proof, or no word, for too long */
	WB_FULL		/* too many connections without a proof */
};
#define WITNESS_BADS (WB_FULL + 1)
const char *witness_bad_name(enum witness_bad);

/* One end of one connection. */
struct witness_end {
	uint16_t	 node;		/* the one that asks */
	uint8_t		 gen;		/* of the key that both have */
	uint32_t	 features;	/* that both have */
	uint64_t	 sealed, opened; /* records */
	uint8_t		 seal[32], open[32]; /* keys of the directions */
	size_t		 hello_len;	/* the node's: what it said */
	uint8_t		 hello[WITNESS_HELLO_MAX];
};

/* A REFUSE, as it was read. */
struct witness_refusal {
	enum witness_bad why;
	uint8_t		 version;	/* of the witness */
	unsigned	 n;		/* keys that it has */
	uint8_t		 gen[KEYRING_MAX];
};

/*
 * The three steps of the handshake.  Each appends one frame to out, if any,
 * and takes the body of one.
 */
void	 witness_hello(struct witness_end *, const char *cluster,
	    const struct keyring *, uint16_t node,
	    const uint8_t nonce[WITNESS_NONCE], struct wbuf *out);
/* Whatever it returns, out has what is to be said.  WB_OK: end has its keys. */
enum witness_bad witness_greet(struct witness_end *, const struct conf *,
	    const struct keyring *, const uint8_t nonce[WITNESS_NONCE],
	    const uint8_t *body, size_t, struct wbuf *out);
/* WB_OK: the end has its keys; else r tells why, if the witness said so. */
enum witness_bad witness_greeted(struct witness_end *, const char *cluster,
	    const struct keyring *, const uint8_t *body, size_t,
	    struct witness_refusal *r);
/* Overwrites the keys. */
void	 witness_forget(struct witness_end *);

struct witness_ask {
	uint32_t	 req;
	const uint8_t	*data;		/* inside of plain */
	size_t		 len;
};

struct witness_answer {
	uint32_t	 req;
	bool		 ok;		/* else data is a text */
	const uint8_t	*data;
	size_t		 len;
};

/*
 * Records: the first two append a frame, the others take a body.  False:
 * nothing may be read of this connection any more.  plain keeps the bytes.
 */
void	 witness_put_ask(struct witness_end *, const struct witness_ask *,
	    struct wbuf *out);
void	 witness_put_answer(struct witness_end *, const struct witness_answer *,
	    struct wbuf *out);
bool	 witness_get_ask(struct witness_end *, const uint8_t *body, size_t,
	    struct wbuf *plain, struct witness_ask *);
bool	 witness_get_answer(struct witness_end *, const uint8_t *body, size_t,
	    struct wbuf *plain, struct witness_answer *);

#endif /* WITNESS_WIRE_H */
