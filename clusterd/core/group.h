/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Groups: named sets of local clients on all nodes, with the same sequence
 * of views and messages at each member.
 */

#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include "member.h"

#define GROUPS_MAX		1024
#define GROUP_MEMBERS_MAX	128
#define GROUP_NAME_MAX		64
#define GROUP_MSG_MAX		49152	/* bytes of one message */
#define GROUP_CLIENT_BYTES	(256 * 1024) /* of one client, not yet ordered */

struct group_layer;

struct group_layer *group_new(uint16_t self, uint64_t inc);
void	 group_free(struct group_layer *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_WANT, NOTE_SNAP_LOAD, NOTE_REQUEST
   (M_GROUP_*), NOTE_CLIENT_GONE. */
void	 group_note(struct group_layer *, const struct note *, struct bus *);
void	 group_check(const struct group_layer *);

/* For SHOW rows: the i-th group, by name, or false. */
struct group_info {
	char		 name[GROUP_NAME_MAX + 1];
	unsigned	 nmembers;
	unsigned	 nlocal;	/* of them on this node */
	unsigned	 nstate;	/* of them with the group's state */
	unsigned	 nwaiting;	/* and those who wait for it */
	uint64_t	 messages;	/* delivered here */
};
bool	 group_info(const struct group_layer *, unsigned i,
	    struct group_info *);

#endif /* CORE_GROUP_H */
