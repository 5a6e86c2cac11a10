/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The arithmetic of quorum, and nothing else.  An electorate says whose votes
 * count and which rules hold, and with which options; each primary view has one, and the next primary
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

/* What an operator can set while the cluster runs, one by one. */
enum vote_option {
	OPT_WAIT_FOR_ALL = 0, OPT_TWO_NODE, OPT_LAST_MAN, OPT_DOWNSCALE,
	OPT_TIE, OPT_DEVICE, OPT_MAX
};

/*
 * The options in force, which a primary view has for all its members.  Each is
 * as the file has it or, where its bit is in `given`, as an operator said.
 */
struct vote_options {
	bool		 known;		/* false: as the file has all of them */
	uint8_t		 given;		/* 1 << enum vote_option */
	bool		 wait_for_all;
	bool		 two_node;
	bool		 last_man;
	bool		 downscale;
	enum conf_tie	 tie;
	unsigned	 ntie;		/* TIE_LIST: node ids, in order */
	uint16_t	 tie_nodes[CONF_NODES_MAX];
	uint8_t		 device;	/* votes of the quorum device, if any */
};

/* The rules as they work out, for those that count now; and the options. */
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
	struct vote_options opt;	/* not of attempts, where they decide nothing */
};

/* What the operator wants; in force from the next primary view on. */
struct vote_wish {
	uint64_t	 serial;	/* 0: nothing */
	bool		 set;		/* false: as the file has it */
	uint32_t	 expected;	/* 0: of all that count */
	unsigned	 n;
	struct voter	 v[VOTERS_MAX];	/* ascending; counts is unused */
	struct vote_options opt;	/* those that are given */
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
/* The same votes, and the same rules for them; options may differ. */
bool	 electorate_same(const struct electorate *, const struct electorate *);
/* Without an order, no view makes another one of it. */
bool	 electorate_static(const struct electorate *);
const struct voter *electorate_voter(const struct electorate *,
	    uint16_t node);
unsigned electorate_votes(const struct electorate *);	/* that count */
/* Who of those that count is not there. */
void	 electorate_missing(const struct electorate *,
	    const struct vote_nodes *present, struct vote_nodes *);

/* Is every node of it here?  A quorum device need not be. */
bool	 electorate_whole(const struct electorate *, const struct vote_nodes *);
/*
 * Do the voters that are present win?  left: nodes that are known to have left
 * cleanly since.  Fills in the tally.
 */
bool	 electorate_wins(const struct electorate *,
	    const struct vote_nodes *present, const struct vote_nodes *left,
	    struct tally *);
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

/* Without the options. */
void	 electorate_put(struct wbuf *, const struct electorate *);
/* Sets the reader's error when it is malformed. */
void	 electorate_get(struct rbuf *, struct electorate *);

/* vote_options.c */
/* The word of the file; NULL for a number outside the enum. */
const char *option_name(enum vote_option);
bool	 options_eq(const struct vote_options *, const struct vote_options *);
void	 options_conf(const struct conf *, struct vote_options *);
/* Those of the file, but for what was given. */
void	 options_over(const struct conf *, const struct vote_options *given,
	    struct vote_options *);
/* Takes one over from another set, as given. */
void	 options_give(struct vote_options *, const struct vote_options *from,
	    enum vote_option);
bool	 option_same(const struct vote_options *, const struct vote_options *,
	    enum vote_option);
/* "true", "lowest", "node 2 node 3", "1": for people. */
void	 option_text(const struct vote_options *, enum vote_option, char *text,
	    size_t size);
/* "OPTION VALUE" as one that is given; false with a sentence in why. */
bool	 option_parse(const struct conf *, const char *text,
	    struct vote_options *, enum vote_option *, char *why, size_t size);
/* Would the options work with these votes?  Else a sentence. */
bool	 options_fit(const struct conf *, const struct vote_options *,
	    const struct electorate *, char *why, size_t size);
/* Are the rules of the electorate those of its options? */
bool	 options_rule(const struct electorate *);
void	 options_put(struct wbuf *, const struct vote_options *);
/* Sets the reader's error when they are malformed. */
void	 options_get(struct rbuf *, struct vote_options *);

/* Digits only; false when it is no number up to max. */
bool	 vote_number(const char *, uint32_t max, uint32_t *);

#endif /* CORE_VOTE_H */
