/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* What the sources of libclusterd share; not installed. */

#ifndef CL_H
#define CL_H

#include "../msg.h"
#include "../proto.h"
#include "clusterd.h"

/* A message kept while a synchronous call waited for its own answer. */
struct cl_deferred {
	STAILQ_ENTRY(cl_deferred)	 entry;
	uint32_t			 type, id;
	size_t				 len;
	uint8_t				 data[];
};

struct cl_lock {
	RB_ENTRY(cl_lock)	 node;		/* in ls->locks, by lkid */
	struct cl_lockspace	*ls;
	uint32_t		 lkid;		/* our number */
	bool			 busy;		/* a request is in flight */
	void			(*ast)(void *, const struct cl_ast *);
	void			(*bast)(void *, enum cl_mode);
	void			*arg;
};

RB_HEAD(cl_lock_tree, cl_lock);

struct cl_lockspace {
	LIST_ENTRY(cl_lockspace) entry;
	struct cl		*cl;
	uint32_t		 lsid;		/* our number */
	unsigned		 lvblen;
	bool			 joined;	/* done() was called */
	bool			 ending;	/* leaving, or failed */
	uint32_t		 next_lkid;
	struct cl_lock_tree	 locks;
	struct cl_lockspace_ops	 ops;
	void			*arg;
};

/* A state that is being given to a member. */
struct cl_giving {
	STAILQ_ENTRY(cl_giving)	 entry;
	struct cl_group_request	 to;
	size_t			 len, off;	/* sent up to off */
	uint8_t			 data[];
};

struct cl_group {
	LIST_ENTRY(cl_group)	 entry;
	struct cl		*cl;
	uint32_t		 gid;
	size_t			 inflight;	/* sent and not seen in the order */
	struct wbuf		 change;	/* of the view that comes next */
	/* Until the state is here, what comes after it is held. */
	bool			 syncing;
	uint32_t		 round;
	struct wbuf		 state;
	STAILQ_HEAD(, cl_deferred) held;
	size_t			 heldbytes;
	STAILQ_HEAD(, cl_giving) giving;
	struct cl_group_ops	 ops;
	void			*arg;
};

/* A request that will be answered by one message that carries its id. */
struct cl_ask {
	LIST_ENTRY(cl_ask)	 entry;
	uint32_t		 id;
	size_t			 bytes;		/* in cl->asked */
	cl_done_fn		 done;		/* one of them, or NULL */
	cl_kv_fn		 kv;
	void			*arg;
};

struct cl_subscription {
	LIST_ENTRY(cl_subscription) entry;
	struct cl		*cl;
	uint32_t		 sid;
	struct cl_event_ops	 ops;
	void			*arg;
};

struct cl_level {
	LIST_ENTRY(cl_level)	 entry;
	struct cl		*cl;
	uint32_t		 lid;
	uint64_t		 round;		/* told last */
	unsigned		 step;		/* 0: done with it */
	bool			 owed;		/* that it is, when there is room */
	struct cl_level_ops	 ops;
	void			*arg;
};

struct cl_watch {
	LIST_ENTRY(cl_watch)	 entry;
	struct cl		*cl;
	uint32_t		 wid;
	bool			 once;
	struct cl_kv_ops	 ops;
	void			*arg;
};

struct cl_port {
	LIST_ENTRY(cl_port)	 entry;
	unsigned		 port;
	bool			 opening;	/* not answered yet */
	bool			 closed;	/* ... and not wanted any more */
	cl_dgram_fn		 fn;
	cl_done_fn		 done;
	void			*arg;
};

struct cl {
	struct msgchan		 chan;
	int			 epoll;		/* what cl_fd() returns */
	int			 wake;		/* eventfd: messages are deferred */
	bool			 woken;		/* ... since the last look */
	bool			 wants_write;
	bool			 dead;
	bool			 told;		/* ... by lost() */
	char			 why[128];	/* dead */
	uint32_t		 node;
	uint64_t		 client;
	char			 cluster[64];
	uint32_t		 next_id;
	STAILQ_HEAD(, cl_deferred) deferred;
	LIST_HEAD(, cl_lockspace) lockspaces;
	LIST_HEAD(, cl_group)	 groups;
	LIST_HEAD(, cl_subscription) subscriptions;
	LIST_HEAD(, cl_level)	 levels;
	LIST_HEAD(, cl_watch)	 watches;
	LIST_HEAD(, cl_port)	 ports;
	LIST_HEAD(, cl_ask)	 asks;
	size_t			 asked;		/* bytes of what is not answered */
	void			(*lost)(void *, const char *);
	void			*lost_arg;
	struct cl_view		*change;	/* its lists; or NULL */
	void			(*views)(void *, const struct cl_view *);
	void			*views_arg;
};

/* Sends; 0 or EAGAIN, ENOTCONN, EMSGSIZE. Frees w. */
int	 cl_send(struct cl *, uint32_t type, uint32_t id, struct wbuf *w);
/*
 * Receives until a message that answers id comes, at most until the deadline
 * (ms, monotonic).  Others are deferred.  0, ETIMEDOUT or ENOTCONN.
 */
int	 cl_await(struct cl *, uint32_t id, int64_t deadline_ms,
	    struct msg *);
/*
 * What an M_RESULT says: its error (0: none), or EPROTO when it is malformed.
 * text may be NULL.
 */
int	 cl_result(const struct msg *, char *text, size_t textlen);
int64_t	 cl_now_ms(void);
/*
 * cl_ask.c: sends a request, frees w, and has done called with its result.
 * EAGAIN when more than the daemon would take is under way.
 */
int	 cl_ask(struct cl *, uint32_t type, struct wbuf *w, cl_done_fn,
	    void *arg);
/* The same for one that is answered by M_KV_DONE. */
int	 cl_ask_kv(struct cl *, uint32_t type, struct wbuf *w, cl_kv_fn,
	    void *arg);
bool	 cl_ask_message(struct cl *, const struct msg *);
void	 cl_ask_free_all(struct cl *);
uint32_t cl_new_id(struct cl *);

/* One message from the daemon, by part; true if it was theirs. */
bool	 cl_member_message(struct cl *, const struct msg *);
/* There may be room again: what could not be sent goes now. */
void	 cl_group_go_on(struct cl *);
void	 cl_level_go_on(struct cl *);
bool	 cl_group_message(struct cl *, const struct msg *);
bool	 cl_lock_message(struct cl *, const struct msg *);
void	 cl_group_free_all(struct cl *);
bool	 cl_event_message(struct cl *, const struct msg *);
void	 cl_event_free_all(struct cl *);
bool	 cl_dgram_message(struct cl *, const struct msg *);
void	 cl_dgram_free_all(struct cl *);
bool	 cl_kv_message(struct cl *, const struct msg *);
void	 cl_kv_free_all(struct cl *);
/* Reads an entry; key has room for CL_KEY_MAX and a NUL. */
void	 cl_kv_get_entry(struct rbuf *, struct cl_kv_entry *, char *key);
bool	 cl_level_message(struct cl *, const struct msg *);
void	 cl_level_free_all(struct cl *);

/* cl_group.c: a message about a group, when its turn has come. */
void	 cl_group_handle(struct cl_group *, uint32_t type, struct rbuf *);
/* Above this the daemon refuses what a client sends to one group. */
#define CL_GROUP_INFLIGHT_MAX (256 * 1024)

/* cl_state.c: true: it was about the state, or it has been put aside. */
bool	 cl_state_message(struct cl_group *, const struct msg *, struct rbuf *);
void	 cl_state_free(struct cl_group *);
void	 cl_lock_free_all(struct cl *);

#endif /* CL_H */
