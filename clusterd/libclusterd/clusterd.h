/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * libclusterd: a program's view of the cluster.  No threads, no globals: the
 * caller polls cl_fd() and calls cl_dispatch(), which invokes the callbacks.
 * Requests are asynchronous unless said otherwise; a synchronous call waits
 * for its own answer and keeps other events for the next cl_dispatch().
 * Functions return 0 or a positive errno: ENOTCONN when the daemon is gone,
 * EAGAIN when too much is in flight (dispatch, then try again).
 * Manuals: cl_connect(3), cl_lock(3), clusterd(7).
 */

#ifndef CLUSTERD_H
#define CLUSTERD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CL_SOCKET	"/run/clusterd/control.sock"
#define CL_OBSERVE	"/run/clusterd/observe.sock"
#define CL_NAME_MAX	64	/* bytes of a lockspace, group, resource name */
#define CL_LVB_LEN	32
#define CL_MSG_MAX	49152	/* bytes of one group message */
#define CL_STATE_MAX	4194304	/* bytes of the state of a group */
#define CL_NODES_MAX	64

struct cl;		/* a connection */

/*
 * The end of an asynchronous request: 0, or why it was refused.  Not called
 * for requests that are under way when the connection ends.
 */
typedef void (*cl_done_fn)(void *arg, int error, const char *why);

struct cl_lockspace;
struct cl_group;

/* ---- connection: cl_conn.c -------------------------------------------- */

/* path NULL: CL_SOCKET. Waits for the daemon's greeting (at most 5 s). */
int	 cl_open(const char *path, struct cl **);
void	 cl_close(struct cl *);	/* everything the connection held is released */
int	 cl_fd(const struct cl *);
/* Handles everything that is readable, without blocking. */
int	 cl_dispatch(struct cl *);
/* Called once when the daemon has gone; every object is dead then. */
void	 cl_on_lost(struct cl *, void (*fn)(void *arg, const char *why),
	    void *arg);
/*
 * The node we are on, our own number among its clients (as in struct
 * cl_group_member), and the cluster's name.
 */
uint32_t cl_node(const struct cl *);
uint64_t cl_client(const struct cl *);
const char *cl_cluster(const struct cl *);

/* ---- membership and quorum: cl_member.c -------------------------------- */

struct cl_member {
	uint32_t	 node;
	uint64_t	 incarnation;
	char		 name[33];
};

/* Why a node is not in a view any more. */
enum cl_why {
	CL_WHY_CLEAN = 1,	/* it said goodbye */
	CL_WHY_LOST,		/* it is not heard any more */
	CL_WHY_REPLACED		/* a newer incarnation of it came */
};

struct cl_left {
	struct cl_member member;
	enum cl_why	 why;
	char		 cause[160];	/* a sentence for people */
};

struct cl_view {
	uint64_t	 epoch;		/* grows with every view */
	uint32_t	 leader;
	bool		 quorate;
	unsigned	 nmembers;
	struct cl_member members[CL_NODES_MAX];	/* ascending by node */
	/* Since the view before; both are empty when only the quorum changed. */
	unsigned	 njoined;
	struct cl_member joined[CL_NODES_MAX];
	unsigned	 nleft;
	struct cl_left	 left[CL_NODES_MAX];
};

/* Now, and again at each new view or change of quorum. */
int	 cl_watch_views(struct cl *, void (*fn)(void *arg,
	    const struct cl_view *), void *arg);

/* ---- groups: totally ordered messages, cl_group.c ---------------------- */

struct cl_group_member {
	uint32_t	 node;
	uint64_t	 client;	/* the member's number on that node */
};

/* Why a member is not in its group any more. */
enum cl_group_why { CL_GROUP_LEFT = 1, CL_GROUP_DIED, CL_GROUP_NODE_LOST };

struct cl_group_left {
	struct cl_group_member member;
	enum cl_group_why why;
};

struct cl_group_change {
	unsigned	 njoined, nleft;
	const struct cl_group_member *joined;
	const struct cl_group_left *left;
};

/* A member that wants the state. */
struct cl_group_request {
	struct cl_group_member to;
	uint32_t	 round;
};

struct cl_group_ops {
	/*
	 * Members changed: the same sequence of views and messages on every
	 * node.  The first call after a join contains ourselves.
	 */
	void	(*view)(void *arg, const struct cl_group_member *, unsigned n);
	void	(*message)(void *arg, const struct cl_group_member *from,
		    const void *data, size_t len);
	/* Our own leave is complete, or the join was refused. */
	void	(*left)(void *arg);
	/* A request was refused; left() follows if it was the join. */
	void	(*failed)(void *arg, int error, const char *why);
	/* Who came and who went with the view() that is called next. */
	void	(*change)(void *arg, const struct cl_group_change *);
	/* For cl_group_join_state() alone: see cl_group_state(3). */
	/* Somebody wants the state as it is now: cl_group_give(). */
	void	(*wanted)(void *arg, const struct cl_group_request *);
	/*
	 * The whole state; views and messages since then follow.  NULL:
	 * nobody has one, begin with a new one.
	 */
	void	(*state)(void *arg, const void *data, size_t len);
	/* From this place of the sequence on, this member has the state. */
	void	(*synced)(void *arg, const struct cl_group_member *);
};

int	 cl_group_join(struct cl *, const char *name,
	    const struct cl_group_ops *, void *arg, struct cl_group **);
/*
 * Delivered to every member, ourselves included, in one sequence.  EAGAIN when
 * too many of our own have not come back yet: go on when one has.
 *
 * cl_group_send() is agreed delivery: as soon as the place is known.  Members
 * that go on together have been given the same; a node that dies, or is cut
 * off and excluded, may have been given messages that nobody else ever is.
 * cl_group_send_safe() is safe, or uniform, delivery: no member anywhere is
 * given the message before the nodes of all members hold it, so what one was
 * given every later view knows.  It takes one more exchange.
 */
int	 cl_group_send(struct cl_group *, const void *data, size_t len);
int	 cl_group_send_safe(struct cl_group *, const void *data, size_t len);
int	 cl_group_leave(struct cl_group *);	/* freed before left() */
/* Like cl_group_join(), as one that takes, keeps and gives the state. */
int	 cl_group_join_state(struct cl *, const char *name,
	    const struct cl_group_ops *, void *arg, struct cl_group **);
/*
 * From within wanted(): the state as it is now, at most CL_STATE_MAX bytes,
 * copied, and sent as fast as the group takes it.
 */
int	 cl_group_give(struct cl_group *, const struct cl_group_request *,
	    const void *data, size_t len);

/* ---- locks: cl_lock.c --------------------------------------------------- */

enum cl_mode { CL_NL = 0, CL_CR, CL_CW, CL_PR, CL_PW, CL_EX };

#define CL_LKF_NOQUEUE		0x00000001u
#define CL_LKF_CONVERT		0x00000004u	/* set by cl_convert() */
#define CL_LKF_VALBLK		0x00000008u
#define CL_LKF_QUECVT		0x00000010u
#define CL_LKF_IVVALBLK		0x00000020u
#define CL_LKF_CONVDEADLK	0x00000040u
#define CL_LKF_PERSISTENT	0x00000080u	/* not yet: EOPNOTSUPP */
#define CL_LKF_NODLCKWT		0x00000100u
#define CL_LKF_EXPEDITE		0x00000400u
#define CL_LKF_NOQUEUEBAST	0x00000800u
#define CL_LKF_HEADQUE		0x00001000u
#define CL_LKF_NOORDER		0x00002000u
#define CL_LKF_ALTPR		0x00008000u
#define CL_LKF_ALTCW		0x00010000u
#define CL_LKF_FORCEUNLOCK	0x00020000u

#define CL_SBF_DEMOTED		0x01
#define CL_SBF_VALNOTVALID	0x02
#define CL_SBF_ALTMODE		0x04

struct cl_slot { uint32_t node; uint32_t slot; };

struct cl_lockspace_ops {
	/*
	 * Recovery of the lockspace, in this order: prep (a member is gone:
	 * ordinary grants stop being delivered), slot (once per failed member
	 * that is fenced by now), done (rebuilt; delivery goes on).  done is
	 * also called once after the join, and after members joined or left.
	 */
	void	(*prep)(void *arg);
	void	(*slot)(void *arg, uint32_t node, uint32_t slot);
	void	(*done)(void *arg, uint32_t our_slot, uint32_t generation,
		    const struct cl_slot *, unsigned n);
	/*
	 * The join failed, or the lockspace was taken from us.  The object is
	 * dead; leaving it, or closing the connection, frees it.
	 */
	void	(*failed)(void *arg, int error, const char *why);
	void	(*left)(void *arg);
};

/* lvblen: 0..CL_LVB_LEN, the same for every member. Joined at done(). */
int	 cl_lockspace_join(struct cl *, const char *name, unsigned lvblen,
	    const struct cl_lockspace_ops *, void *arg,
	    struct cl_lockspace **);
/* Force-unlocks what is held; freed after left(). */
int	 cl_lockspace_leave(struct cl_lockspace *);

struct cl_lock;

/* A completed request. */
struct cl_ast {
	int		 status;	/* 0, EAGAIN, EDEADLK, ECANCELED, ...; unlock: 0 */
	enum cl_mode	 mode;		/* granted now */
	unsigned	 sbflags;	/* CL_SBF_* */
	bool		 unlocked;	/* the lock is gone; *lock is freed after this */
	uint8_t		 lvb[CL_LVB_LEN];
};

/*
 * Requests a new lock.  name: 1..CL_NAME_MAX bytes, binary.  ast() reports
 * the end of each request, bast() that somebody waits for it (their mode).
 * A new lock that ends with an error is gone after its ast (unlocked true).
 * EAGAIN before the lockspace's first done(), ENOENT after its end.
 */
int	 cl_lock(struct cl_lockspace *, const void *name, size_t namelen,
	    enum cl_mode, unsigned flags,
	    void (*ast)(void *arg, const struct cl_ast *),
	    void (*bast)(void *arg, enum cl_mode), void *arg,
	    struct cl_lock **);
/* lvb: CL_LVB_LEN bytes with CL_LKF_VALBLK, else NULL. EBUSY: one in flight. */
int	 cl_convert(struct cl_lock *, enum cl_mode, unsigned flags,
	    const uint8_t *lvb);
int	 cl_unlock(struct cl_lock *, unsigned flags, const uint8_t *lvb);
int	 cl_cancel(struct cl_lock *);

/* ---- fencing and node control: cl_fence.c ------------------------------- */

/*
 * A mount tells the daemon its process: the daemon's parent stops it when the
 * node leaves the cluster, before the node may come back.
 */
int	 cl_mount_register(struct cl *, const char *fsname, int pid,
	    const char *dir);

/* A line about the registered mount, for the events of this node. */
int	 cl_mount_say(struct cl *, const char *line);

/* ---- everything the shell shows: cl_show.c ------------------------------ */

/*
 * One row of an answer: named, typed fields in a stable order.
 */
enum cl_field_type { CL_F_STR = 1, CL_F_U64, CL_F_BOOL, CL_F_NULL, CL_F_ID };

struct cl_field {
	char		 name[32];
	enum cl_field_type type;	/* CL_F_ID: a 64-bit id, JSON string */
	uint64_t	 num;		/* U64, BOOL, ID */
	char		 str[256];	/* STR */
};
#define CL_FIELDS_MAX	24

/*
 * Synchronous.  what: "status", "nodes", "links", "quorum", "lockspaces",
 * "locks", "fence", "fs", "events", "groups", "channels",
 * "levels", "barriers", "kv", "ports"; arg narrows it (may be "").
 * Returns 0, ENOENT (unknown object), EPERM, ETIMEDOUT, or ENOTCONN.
 */
int	 cl_show(struct cl *, const char *what, const char *arg,
	    bool (*row)(void *arg, const struct cl_field *, unsigned n),
	    void *rowarg);
/*
 * Synchronous.  cmd: "fence" NODE, "fence-confirm" NODE, "node-leave" NODE.
 * text receives the daemon's sentence, also for errors.
 */
int	 cl_command(struct cl *, const char *cmd, const char *arg, char *text,
	    size_t textlen, int timeout_ms);

/* Event channels, recovery levels, barriers, the key-value set. */
#include "clusterd_services.h"

#endif /* CLUSTERD_H */
