/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of group.h: for group*.c only. */

#ifndef CORE_GROUP_INTERNAL_H
#define CORE_GROUP_INTERNAL_H

#include "group.h"

#define LOCAL_MAX 64 /* groups of one client */

/* Ordered messages of SVC_GROUP: u8 type, u64 client, then: */
enum group_msg {
	GM_JOIN = 1, /* str name */
	GM_LEAVE,    /* str name */
	GM_SEND,     /* str name; blob */
	GM_GONE	     /* - : the client left every group */
};

/* Error numbers of the local protocol; they are Linux's own. */
enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_EXIST = 17,
	ERR_INVAL = 22,
	ERR_NOSPC = 28
};

struct gmember {
	uint16_t node;
	uint64_t inc;
	uint64_t client;
};

struct group {
	RB_ENTRY(group) entry;
	char name[GROUP_NAME_MAX + 1];
	uint64_t messages;
	unsigned n;
	struct gmember m[GROUP_MEMBERS_MAX]; /* in the order of joining */
};

enum local_state {
	LOCAL_JOINING = 1,
	LOCAL_IN,
	LOCAL_LEAVING
};

/* A local client's place in a group. */
struct local {
	RB_ENTRY(local) entry;
	uint64_t client;
	uint32_t gid; /* the client's number of it */
	char name[GROUP_NAME_MAX + 1];
	enum local_state state;
	size_t inflight; /* bytes sent, not yet ordered */
};

RB_HEAD(group_tree, group);
RB_HEAD(local_tree, local);

struct group_layer {
	uint16_t self;
	uint64_t inc;
	bool has_state;
	struct group_tree groups;
	unsigned ngroups;
	struct local_tree locals;
};

/* group.c */
struct local *local_find(struct group_layer *, uint64_t client, uint32_t gid);
/* The first local entry of a client, and the one after. */
struct local *local_first(struct group_layer *, uint64_t client);
struct local *local_next(struct group_layer *, struct local *);
struct local *local_by_name(struct group_layer *, uint64_t client,
	    const char *name);
void	 local_insert(struct group_layer *, struct local *);
void	 local_free(struct group_layer *, struct local *);
void	 local_say_left(const struct local *, struct bus *);

/* group_client.c */
void	 group_request(struct group_layer *, const struct note *, struct bus *);
void	 group_client_gone(struct group_layer *, uint64_t client, struct bus *);

#endif /* CORE_GROUP_INTERNAL_H */
