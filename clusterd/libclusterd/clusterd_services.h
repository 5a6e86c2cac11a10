/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The other half of clusterd.h, which includes it: services for the programs
 * of a cluster.  Manuals: cl_event(3), cl_level(3), cl_barrier(3), cl_kv(3),
 * cl_dgram(3).
 */

#ifndef CLUSTERD_SERVICES_H
#define CLUSTERD_SERVICES_H

#ifndef CLUSTERD_H
#error "include <clusterd.h>"
#endif

/* ---- event channels: cl_event.c ---------------------------------------- */

#define CL_TOPIC_MAX	128	/* bytes of a topic, or of its prefix */
#define CL_EVENT_MAX	32768	/* bytes of one event */

#define CL_EVENT_RETAIN	0x01u	/* keep it as the last event of its topic */
#define CL_EVENT_EXACT	0x01u	/* subscribe to this topic, not to a prefix */
#define CL_EVENT_NEWS	0x02u	/* and to nothing that is retained */

struct cl_event {
	uint64_t	 position;	/* grows; the same on every node */
	uint32_t	 node;		/* who published it, as cl_node() and */
	uint64_t	 client;	/* cl_client() are there */
	bool		 retained;	/* from before the subscription */
	const char	*topic;
	const void	*data;
	size_t		 len;
};

struct cl_subscription;

struct cl_event_ops {
	void	(*event)(void *arg, const struct cl_event *);
	/* Once: everything that was retained has been told. */
	void	(*ready)(void *arg);
	/* It was refused: the object is gone. */
	void	(*failed)(void *arg, int error, const char *why);
};

/* To all topics of the channel that begin with prefix ("": all). */
int	 cl_event_subscribe(struct cl *, const char *channel,
	    const char *prefix, unsigned flags, const struct cl_event_ops *,
	    void *arg, struct cl_subscription **);
/* Ends it, and frees the object: nothing is called any more. */
int	 cl_event_unsubscribe(struct cl_subscription *);
/*
 * done (or NULL) is called when the event has its place in the order.
 * EAGAIN when too much of ours has not: go on when it has.
 */
int	 cl_event_publish(struct cl *, const char *channel, const char *topic,
	    unsigned flags, const void *data, size_t len, cl_done_fn done,
	    void *arg);

/* ---- recovery levels and barriers: cl_level.c --------------------------- */

#define CL_LEVEL_MAX	15	/* the highest recovery level */
#define CL_PARTIES_MAX	128	/* that a barrier waits for */

struct cl_level;

/*
 * After each new primary view: stop, the highest level first, then start, the
 * lowest one first.  cl_level_done() tells that it is done; the next level
 * waits for that.  A newer round may begin at any time, with stop.
 */
struct cl_level_ops {
	void	(*stop)(void *arg, uint64_t round);
	void	(*start)(void *arg, uint64_t round);
	/* Every level has started. */
	void	(*finish)(void *arg, uint64_t round);
	/* The registration was refused: the object is gone. */
	void	(*failed)(void *arg, int error, const char *why);
};

int	 cl_level_register(struct cl *, unsigned level, const char *name,
	    const struct cl_level_ops *, void *arg, struct cl_level **);
/*
 * Done with the stop or start that was told last, once for each.  ESTALE when
 * a newer round has begun: it is told what to do, and that counts.
 */
int	 cl_level_done(struct cl_level *, uint64_t round);
/* Ends it, and frees the object: nothing is called any more. */
int	 cl_level_unregister(struct cl_level *);

/* done is called with 0 when as many as parties have entered. */
int	 cl_barrier_enter(struct cl *, const char *name, unsigned parties,
	    cl_done_fn done, void *arg);
/* Waits no longer: its done is called, with ECANCELED or 0. */
int	 cl_barrier_leave(struct cl *, const char *name);

/* ---- a replicated key-value set: cl_kv.c -------------------------------- */

#define CL_KEY_MAX	128	/* bytes of a key, or of a prefix */
#define CL_VALUE_MAX	8192	/* bytes of a value */

#define CL_KV_IF	0x01u	/* change only at this version; 0: if absent */
#define CL_KV_EPHEMERAL	0x02u	/* put: it goes with this connection */
#define CL_KV_LOCAL	0x01u	/* get: what this node knows, at once */
#define CL_KV_ONCE	0x01u	/* watch: it ends when it is ready */

struct cl_kv_entry {
	uint64_t	 version;	/* grows with each change */
	uint32_t	 node;		/* whose it is; 0: nobody's */
	uint64_t	 client;
	const char	*key;
	const void	*data;
	size_t		 len;
};

/*
 * The end of a request.  entry: what is there now, or was deleted; NULL if
 * there is none.  It is valid during the call.
 */
typedef void (*cl_kv_fn)(void *arg, int error, const char *why,
	    const struct cl_kv_entry *entry);

struct cl_watch;

struct cl_kv_ops {
	void	(*is)(void *arg, const struct cl_kv_entry *);
	void	(*was)(void *arg, const struct cl_kv_entry *);	/* deleted */
	/* Once: all that was there has been told. */
	void	(*ready)(void *arg);
	/* It was refused: the object is gone. */
	void	(*failed)(void *arg, int error, const char *why);
};

/* fn may be NULL.  EAGAIN when too much is not answered yet. */
int	 cl_kv_put(struct cl *, const char *key, const void *data, size_t len,
	    unsigned flags, uint64_t version, cl_kv_fn, void *arg);
int	 cl_kv_delete(struct cl *, const char *key, unsigned flags,
	    uint64_t version, cl_kv_fn, void *arg);
int	 cl_kv_get(struct cl *, const char *key, unsigned flags, cl_kv_fn,
	    void *arg);
/* Every key that begins with prefix: what there is, then each change. */
int	 cl_kv_watch(struct cl *, const char *prefix, unsigned flags,
	    const struct cl_kv_ops *, void *arg, struct cl_watch **);
/* Ends it, and frees the object: nothing is called any more. */
int	 cl_kv_unwatch(struct cl_watch *);

/* ---- datagrams between programs: cl_dgram.c ----------------------------- */

#define CL_PORTS	256
#define CL_DGRAM_MAX	32768	/* bytes of one */

/* One has come; from is as cl_node() and cl_client() are there. */
typedef void (*cl_dgram_fn)(void *arg, uint32_t node, uint64_t client,
	    const void *data, size_t len);

/* One program of each node can have a port; done tells whether we have it. */
int	 cl_dgram_open(struct cl *, unsigned port, cl_dgram_fn, cl_done_fn done,
	    void *arg);
int	 cl_dgram_close(struct cl *, unsigned port);
/* node 0: to all in the view.  done: 0 when at least one has taken it. */
int	 cl_dgram_send(struct cl *, uint32_t node, unsigned port,
	    const void *data, size_t len, cl_done_fn done, void *arg);

#endif /* CLUSTERD_SERVICES_H */
