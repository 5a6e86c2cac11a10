/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of group.h: for group*.c only. */

#ifndef CORE_GROUP_INTERNAL_H
#define CORE_GROUP_INTERNAL_H

#include "../proto.h"
#include "group.h"
#include "order.h"

#define LOCAL_MAX 64 /* groups of one client */
#define GROUP_GIVE_HEAD 19 /* bytes of GM_GIVE between its name and its data */

/* Ordered messages of SVC_GROUP: u8 type, u64 client, then: */
enum group_msg {
	GM_JOIN = 1, /* str name; u8 flags, if any */
	GM_LEAVE,    /* str name */
	GM_SEND,     /* str name; blob */
	GM_GONE,     /* - : the client left every group */
	GM_GIVE	     /* str name; u16 node; u64 client; u32 round; u8 last; blob */
};

/* Error numbers of the local protocol; they are Linux's own. */
enum {
	ERR_NOENT = 2,
	ERR_AGAIN = 11,
	ERR_EXIST = 17,
	ERR_INVAL = 22,
	ERR_NOSPC = 28
};

enum gstate {
	GS_NONE = 0, /* it has nothing to do with the group's state */
	GS_WANTS,    /* its giver was told, and has not given all of it */
	GS_HAS
};

struct gmember {
	uint16_t node;
	uint64_t inc;
	uint64_t client;
	enum gstate state;
	uint32_t round;	  /* while it wants: of the transfer */
	uint16_t gnode;	  /* and who gives */
	uint64_t ginc;
	uint64_t gclient;
	bool started;	  /* in this step: its transfer, or its state */
};

/* What happened to a group, for its members. */
struct gchange {
	const struct gmember *joined; /* or NULL */
	enum group_why why;
	unsigned nleft;
	struct gmember left[GROUP_MEMBERS_MAX];
};

struct group {
	RB_ENTRY(group) entry;
	char name[GROUP_NAME_MAX + 1];
	uint64_t messages;
	uint32_t rounds; /* transfers of state so far */
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
	struct view view; /* the last primary one */
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
/* The local entry a member's news go to, or NULL. */
struct local *local_of(struct group_layer *, const struct gmember *,
	    const char *name);
int	 member_index(const struct group *, uint16_t node, uint64_t inc,
	    uint64_t client);

/* group_state.c */
/* Members changed: who wants state and from whom, then the view to all. */
void	 group_changed(struct group_layer *, struct group *,
	    const struct gchange *, struct bus *);
/* A piece of the state, in the order; from is its sender. */
void	 group_given(struct group_layer *, struct group *,
	    const struct gmember *from, struct rbuf *, struct bus *);
/* The part of the snapshot that is about states. */
void	 group_state_put(const struct group *, struct wbuf *);
void	 group_state_get(struct group *, struct rbuf *);
void	 group_state_check(const struct group *);

/* group_client.c */
void	 group_request(struct group_layer *, const struct note *, struct bus *);
void	 group_client_gone(struct group_layer *, uint64_t client, struct bus *);

#endif /* CORE_GROUP_INTERNAL_H */
