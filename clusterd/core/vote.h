/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The arithmetic of quorum, and nothing else.  An electorate says whose votes
 * count and which rules hold; each primary view has one, and the next primary
 * view must win it.  What makes that safe is argued in vote.c.
 */

#ifndef CORE_VOTE_H
#define CORE_VOTE_H

#include "../conf.h"

#define EXPECTED_MAX	100000	/* votes; more than any configuration has */
#define VOTER_DEVICE	0	/* the quorum device, among voters: no node */
#define VOTERS_MAX	(CONF_NODES_MAX + 1)

/* A set of voters: nodes by id, or the device; no order. */
struct vote_nodes {
	unsigned	 n;
	uint16_t	 v[VOTERS_MAX];
};

struct voter {
	uint16_t	 node;
	uint8_t		 votes;
	bool		 counts;	/* its votes are among those to be won */
};

struct electorate {
	bool		 two_node;	/* one vote is enough: fencing decides */
	bool		 dynamic;	/* last_man_standing: only members count */
	bool		 downscale;	/* who left cleanly does not count */
	bool		 set;		/* votes, expected: by the operator's word */
	bool		 every;		/* only all votes together win */
	uint16_t	 tie;		/* half is enough with this node; 0: none */
	uint32_t	 expected;	/* votes, at least those that count */
	uint64_t	 serial;	/* of the operator's last word in it */
	unsigned	 n;		/* 0: there is none */
	struct voter	 v[VOTERS_MAX];	/* ascending by node */
};

/* What the operator wants; in force from the next primary view on. */
struct vote_wish {
	uint64_t	 serial;	/* 0: nothing */
	bool		 set;		/* false: as the file has it */
	uint32_t	 expected;	/* 0: of all that count */
	unsigned	 n;
	struct voter	 v[VOTERS_MAX];	/* ascending; counts is unused */
};

enum vote_rule {
	VOTE_NONE = 0,	/* not won */
	VOTE_MAJORITY,	/* more than half of all votes */
	VOTE_DYNAMIC,	/* more than half of the last primary view's */
	VOTE_TIE,	/* half, with the node that breaks the tie */
	VOTE_TWO_NODE,	/* one of two; fencing decides */
	VOTE_OVERRIDE	/* an operator said so */
};

struct tally {
	unsigned	 votes;		/* present */
	unsigned	 expected;
	unsigned	 needed;	/* without a tie breaker */
	enum vote_rule	 rule;
};

const char *vote_rule_name(enum vote_rule);
bool	 vote_has(const struct vote_nodes *, uint16_t node);
/* Ignores nodes it has already. */
void	 vote_add(struct vote_nodes *, uint16_t node);

/* As the file has it: everybody with a vote counts. */
void	 electorate_conf(const struct conf *, struct electorate *);
bool	 electorate_eq(const struct electorate *, const struct electorate *);
/* Is it that of the file, and can no view ever make another one of it? */
bool	 electorate_static(const struct electorate *, const struct conf *);
const struct voter *electorate_voter(const struct electorate *,
	    uint16_t node);
unsigned electorate_votes(const struct electorate *);	/* that count */
/* Who of those that count is not there. */
void	 electorate_missing(const struct electorate *,
	    const struct vote_nodes *present, struct vote_nodes *);

/*
 * Do the nodes that are present win?  left: nodes that are known to have left
 * cleanly since; extra: votes of devices.  Fills in the tally.
 */
bool	 electorate_wins(const struct electorate *,
	    const struct vote_nodes *present, const struct vote_nodes *left,
	    unsigned extra, struct tally *);
/* Can nobody win without one of these nodes? */
bool	 electorate_blocks(const struct electorate *,
	    const struct vote_nodes *present);

/*
 * The electorate of a view that wins `base`.  members: all of it; able: those
 * with the state; wish: NULL or the operator's.  Its members win it.  Doing
 * it again with all members able changes nothing more.
 */
void	 electorate_next(const struct conf *, const struct electorate *base,
	    const struct vote_wish *wish, const struct vote_nodes *left,
	    const struct vote_nodes *members, const struct vote_nodes *able,
	    struct electorate *next);
/* Does the electorate have what is wished? */
bool	 wish_granted(const struct vote_wish *, const struct electorate *);
/* One that is won only where both are: by all of both together. */
void	 electorate_merge(struct electorate *, const struct electorate *);

void	 electorate_put(struct wbuf *, const struct electorate *);
/* Sets the reader's error when it is malformed. */
void	 electorate_get(struct rbuf *, struct electorate *);
void	 wish_put(struct wbuf *, const struct vote_wish *);
void	 wish_get(struct rbuf *, struct vote_wish *);

#endif /* CORE_VOTE_H */
