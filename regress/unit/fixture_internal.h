/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of fixture.h: for fixture*.c only. */

#ifndef FIXTURE_INTERNAL_H
#define FIXTURE_INTERNAL_H

#include "fixture.h"
#include "fixture_fakes.h"

enum fev_type {
	FEV_PACKET = 1,
	FEV_FENCED
};

/* Something that will happen. */
struct fev {
	TAILQ_ENTRY(fev) entry;
	uint64_t at;
	enum fev_type type;
	uint16_t to;
	uint64_t to_inc;
	uint16_t pair; /* with whom; 0: no session concerned */
	uint64_t gen;  /* of the session */
	uint32_t req;
	uint16_t victim;
	bool ok, acted;
	size_t len;
	uint8_t data[];
};

TAILQ_HEAD(fev_list, fev);

/* A pair's session: what was sent under an older one never arrives. */
struct pair {
	bool cut;
	bool up;     /* UP was said at both ends */
	bool broken; /* something was lost: nothing passes until DOWN */
	uint64_t gen;
	uint64_t change_at; /* 0: none planned */
	uint64_t inc[2];    /* of the session, lower id first */
};

struct fix {
	struct conf *conf;
	unsigned n;
	uint64_t now;
	uint64_t incs;
	uint64_t gens;
	uint64_t messages;
	uint32_t msgs; /* numbers given to random messages */
	bool agreed;   /* clients send so, from now on */
	enum fix_device device;
	void (*hear)(void *, uint16_t, const struct action *);
	void *hear_arg;
	struct fix_node nodes[FIX_NODES + 1];
	struct pair pairs[FIX_NODES + 1][FIX_NODES + 1];
	struct fev_list events;
	/* The oracle's memory. */
	unsigned nviews;
	struct node_view views[1024];
	unsigned nlives;
	struct fix_log *lives; /* what clients of earlier lives were told */
};

/* fixture_chaos.c */
void	 fixture_keep_life(struct fix *, const struct fix_log *);
void	 fixture_compare(struct fix *);

#endif /* FIXTURE_INTERNAL_H */
