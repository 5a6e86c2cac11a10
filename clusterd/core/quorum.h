/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Quorum: what the votes of a view are, and why it is (not) primary. */

#ifndef CORE_QUORUM_H
#define CORE_QUORUM_H

#include "member.h"

enum quorum_device {
	QUORUM_DEVICE_NONE = 0,	/* there is none, or its votes do not count */
	QUORUM_DEVICE_AWAY,	/* they count, and are not there */
	QUORUM_DEVICE_VOTES
};

struct quorum_info {
	unsigned	 votes;		/* present in the view */
	unsigned	 expected;	/* that count */
	unsigned	 needed;	/* to be quorate, without a tie breaker */
	bool		 quorate;
	bool		 whole;		/* no node is missing, voter or not */
	bool		 two_node;
	bool		 waits_for_all;	/* some voter was never seen yet */
	bool		 contested;	/* a later primary view may exist */
	enum vote_rule	 rule;		/* that made the view primary */
	uint16_t	 tie;		/* node that breaks a tie; 0: none */
	uint64_t	 since;		/* us: quorate, or not, without a break */
	uint64_t	 epoch;		/* of the view this is about; 0: none */
	struct vote_nodes missing;	/* whose votes count and are not there */
	struct vote_nodes blank;	/* here, but their disks are new: no vote */
	enum quorum_device device;
	struct electorate elect;
};

/* What an operator can change: an option, or the votes of a node. */
struct quorum_value {
	char		 name[CONF_NAME_MAX + 16];
	char		 text[512];	/* in force */
	char		 file[512];
	bool		 given;		/* by an operator's word */
	bool		 differs;	/* from the file */
};

struct quorum;

/* NULL when memory is out. */
struct quorum *quorum_new(const struct conf *, uint16_t self);
void	 quorum_free(struct quorum *);
/* NOTE_VIEW, each answered with NOTE_QUORUM; NOTE_WEDGE, NOTE_SYNCED,
   NOTE_ORDERED, NOTE_REQUEST (M_COMMAND quorum-*), NOTE_CLIENT_GONE. */
void	 quorum_note(struct quorum *, const struct note *, struct bus *);
void	 quorum_get(const struct quorum *, struct quorum_info *);
/* Why it is (not) quorate, and what would change that, as a sentence. */
void	 quorum_why(const struct quorum_info *, char *text, size_t size);
/* What would bring quorum back; "" while it is there. */
void	 quorum_restore(const struct quorum_info *, char *text, size_t size);
/* Why the device has no vote, or not in the next view; "" when all is well. */
void	 quorum_device_why(const struct quorum_info *,
	    const struct device_info *, char *text, size_t size);
/* The i-th one, as people see it; false: there are no more. */
bool	 quorum_value(const struct quorum *, unsigned i, struct quorum_value *);
/* The options in force, as a list. */
void	 quorum_options(const struct quorum *, char *text, size_t size);
/* What is not as in the file, and the way back; "" when all is. */
void	 quorum_differs(const struct quorum *, char *text, size_t size);
void	 quorum_check(const struct quorum *);

#endif /* CORE_QUORUM_H */
