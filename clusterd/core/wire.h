/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The shape of a datagram: a clear header, which the seal authenticates, and
 * inside the seal a preamble and frames.  No state, only bytes and numbers.
 *
 *	header	 36	clear, bound to the seal as associated data
 *	preamble 20	seq, nonce and echo of the session
 *	frames		u8 type, u16 length, body; unknown types are skipped
 *	tag	 16
 */

#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include "../buf.h"
#include "version.h"

#define WIRE_MAGIC	0x636c7344	/* "clsD" */

#define WIRE_HEADER_LEN	36
#define WIRE_TAG_LEN	16
#define WIRE_PREAMBLE_LEN 20
#define WIRE_FRAME_LEN	3		/* type and length of a frame */
/*
 * Fits the smallest IPv6 MTU with room for its headers: passes everywhere
 * without discovery.
 */
#define WIRE_DATAGRAM_SAFE 1200
/*
 * What a packet of 9000 bytes holds.  Above the safe size only where the path
 * has shown that it passes (link_mtu.c).  Larger ones are refused unread.
 */
#define WIRE_DATAGRAM_MAX 8952
/* Plain bytes of one datagram: preamble and frames. */
#define WIRE_PLAIN_MAX	(WIRE_DATAGRAM_MAX - WIRE_HEADER_LEN - WIRE_TAG_LEN)
#define WIRE_SEGMENT_MAX 1024		/* bytes of the stream in one frame */
/* A relayed datagram names this link, and fits into a datagram of the relay. */
#define WIRE_LINK_RELAY	255
#define WIRE_RELAY_MAX	(WIRE_DATAGRAM_SAFE - WIRE_HEADER_LEN - WIRE_TAG_LEN - \
			    WIRE_PREAMBLE_LEN - WIRE_FRAME_LEN - 2)
#define WIRE_RELAY_PLAIN_MAX (WIRE_RELAY_MAX - WIRE_HEADER_LEN - WIRE_TAG_LEN)
#define WIRE_SACK_MAX	64		/* bytes of bitmap in an ACK frame */

/* Whose words these are.  Each voice of an incarnation has a key of its own. */
enum wire_voice {
	WV_ENGINE = 0,	/* preamble, then frames of a session */
	WV_BEAT,	/* of the beat process: frames without a preamble */
	WV_ENGINE_AES	/* as WV_ENGINE, under the other cipher */
};

struct wire_header {
	uint8_t		 version;
	uint8_t		 keyid;		/* generation of the cluster key */
	uint8_t		 link;		/* the link it was sent on */
	uint8_t		 voice;		/* enum wire_voice */
	uint64_t	 cluster;	/* wire_cluster() of the name */
	uint16_t	 from, to;	/* node ids */
	uint64_t	 incarnation;	/* of the sender */
	uint64_t	 counter;	/* per sender incarnation and receiver */
};

enum wire_frame {
	WF_HELLO = 1, WF_BEAT, WF_DATA, WF_ACK, WF_BYE,
	WF_STALL, WF_DEAD,	/* WV_BEAT only */
	WF_RELAY, WF_RELAYED,
	WF_PROBE, WF_PROBED,
#ifdef WIRE_NEXT
	WF_PAD = 200	/* no body; version 2 */
#endif
};

/*
 * In front of the frames of every datagram: the sender's nonce of its session
 * with the receiver, how often it changed (seq), and the receiver's nonce as
 * the sender knows it (0: not yet).
 */
struct wire_preamble {
	uint32_t	 seq;
	uint64_t	 nonce, echo;
};

struct wire_hello {
	uint8_t		 vmin, vmax;	/* wire versions spoken */
	uint64_t	 features;
	uint8_t		 conf[32];	/* hash of the configuration */
};

/* An incarnation beyond it is not believed: there must be others after it. */
#define WIRE_LIFE_MAX	(UINT64_C(1) << 62)

struct wire_beat {
	uint32_t	 seq;		/* of this link */
	uint8_t		 heard;		/* mask of links we hear you on */
	uint64_t	 sent;		/* the sender's clock, opaque to others */
	uint64_t	 echo;		/* last sent received on it; 0: none */
	uint32_t	 echo_age;	/* us since that one came */
	uint64_t	 life;		/* the receiver's newest that is proven */
	uint64_t	 vouch;		/* the primary view it vouches for; 0: none */
	uint8_t		 flags;
};

#define WIRE_BEAT_ASK	0x01		/* an answer is wanted at once */

struct wire_data {
	uint64_t	 segment;	/* from 1, consecutive in a session */
	const uint8_t	*data;
	size_t		 len;
};

struct wire_ack {
	uint64_t	 next;		/* every segment below it has come */
	uint8_t		 nsack;		/* bytes of bitmap */
	const uint8_t	*sack;		/* bit i: segment next + 1 + i has come */
};

/* The answer to a PROBE, which is a number and bytes to fill the datagram. */
struct wire_probed {
	uint32_t	 probe;		/* the number */
	uint16_t	 came;		/* bytes of the datagram that it came in */
};

/* The engine does not run, but its machine does. */
struct wire_stall {
	uint64_t	 age;		/* us since it was last seen to run */
};

enum wire_end {
	WE_EXIT = 1,	/* number: its exit status */
	WE_SIGNAL,	/* number: the signal that ended it */
	WE_PARENT	/* it ends because its parent is gone */
};

/* The engine has ended. */
struct wire_dead {
	uint8_t		 how;		/* enum wire_end */
	uint32_t	 number;
};

/* A sealed datagram, to be passed on to a node or passed on from it. */
struct wire_relay {
	uint16_t	 node;
	const uint8_t	*data;
	size_t		 len;
};

/* A tag that keeps clusters apart which share a network; no secret. */
uint64_t wire_cluster(const char *name);
/* Writes WIRE_HEADER_LEN bytes. */
void	 wire_put_header(struct wbuf *, const struct wire_header *);
/* False: too short, or another protocol. */
bool	 wire_get_header(struct rbuf *, struct wire_header *);
void	 wire_put_preamble(struct wbuf *, const struct wire_preamble *);
void	 wire_get_preamble(struct rbuf *, struct wire_preamble *);

void	 wire_put_hello(struct wbuf *, const struct wire_hello *);
void	 wire_put_beat(struct wbuf *, const struct wire_beat *);
void	 wire_put_data(struct wbuf *, const struct wire_data *);
void	 wire_put_ack(struct wbuf *, const struct wire_ack *);
void	 wire_put_bye(struct wbuf *);
/* Fills the plain bytes up to `fill`. */
void	 wire_put_probe(struct wbuf *, uint32_t probe, size_t fill);
void	 wire_put_probed(struct wbuf *, const struct wire_probed *);
void	 wire_put_stall(struct wbuf *, const struct wire_stall *);
void	 wire_put_dead(struct wbuf *, const struct wire_dead *);
void	 wire_put_relay(struct wbuf *, enum wire_frame,
	    const struct wire_relay *);
/*
 * The next frame: its type, and its body as a reader of its own.  False at
 * the end and on a malformed frame; then r->err tells them apart.
 */
bool	 wire_next(struct rbuf *r, uint8_t *type, struct rbuf *body);
/* Each false when the body is malformed.  Pointers lead into the datagram. */
bool	 wire_get_hello(struct rbuf *, struct wire_hello *);
bool	 wire_get_beat(struct rbuf *, struct wire_beat *);
bool	 wire_get_data(struct rbuf *, struct wire_data *);
bool	 wire_get_ack(struct rbuf *, struct wire_ack *);
bool	 wire_get_probe(struct rbuf *, uint32_t *);
bool	 wire_get_probed(struct rbuf *, struct wire_probed *);
bool	 wire_get_stall(struct rbuf *, struct wire_stall *);
bool	 wire_get_dead(struct rbuf *, struct wire_dead *);
bool	 wire_get_relay(struct rbuf *, struct wire_relay *);

#endif /* CORE_WIRE_H */
