/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The simulator: N whole nodes (the code that ships) in one process, in
 * virtual time, with a bad network, machines that die and pause, fence
 * devices that are slow or fail, and clients that lock and send.  Everything
 * follows from one seed; a seed replays bit for bit.
 */

#ifndef SIM_H
#define SIM_H

#include "conf.h"
#include "core/event.h"
#include "core/node.h"
#include "core/rng.h"

#define MS		UINT64_C(1000)
#define SECOND		UINT64_C(1000000)
#define SIM_NODES	16
#define SIM_CLIENTS	2	/* per node */
#define SIM_RESOURCES	4	/* per lockspace */

/* Broken invariants; the program's exit names the first. */
enum sim_oracle {
	S_VIEWS_AGREE = 1,	/* one (epoch, leader), one membership */
	S_EPOCH_GROWS,		/* at each incarnation */
	S_PRIMARY,		/* primary views have a majority and one epoch each */
	S_ORDER,		/* group messages and views: one sequence */
	S_FIFO,			/* a sender's messages: in order, none missing */
	S_GRANTS,		/* no two incompatible grants */
	S_VALUE,		/* value blocks hold the last write, or say so */
	S_FENCE,		/* no recovery before the fence */
	S_ONE_ANSWER,		/* each request ends exactly once */
	S_WAKEUP,		/* nothing grantable waits at rest */
	S_LIVENESS,		/* stable network: one primary view, progress */
	S_NONCE,		/* no counter twice under one key */
	S_ASSERT		/* the code under test asserted */
};

/* What may go wrong in this run; drawn from the seed (swarm). */
struct sim_faults {
	unsigned loss_pm, dup_pm, reorder_pm, flip_pm;	/* per mille */
	uint64_t delay_min, delay_max;			/* us, one way */
	uint64_t every;		/* mean time between faults, us; 0: none */
	unsigned w_crash, w_pause, w_cut, w_oneway, w_link, w_leave; /* weights */
	unsigned fence_fail_pm;
	uint64_t fence_max;	/* us, slowest device */
	unsigned old_store_pm;	/* a restart finds an older state */
	unsigned drift_ppm;
};

struct sim_params {
	uint64_t seed;
	unsigned nodes;
	uint64_t duration;	/* us of faults */
	bool	 verbose;
	bool	 calm;		/* no faults at all */
};

struct simclient;

/* Actions that wait for a store. */
struct held {
	STAILQ_ENTRY(held) entry;
	struct action	  *act;
};

struct simnode {
	uint16_t	 id;
	struct node	*node;		/* NULL: off */
	uint64_t	 inc;
	unsigned	 life;		/* counts starts; stale events are dropped */
	uint64_t	 clock_offset;	/* us */
	int64_t		 drift_ppm;
	uint64_t	 armed;		/* sim time of the pending timer event */
	uint64_t	 paused_until;	/* 0: no */
	bool		 left;		/* left cleanly by ACT_STOPPED */
	bool		 storing;
	STAILQ_HEAD(, held) held;
	uint8_t		*stored, *older;	/* durable state, and the one before */
	size_t		 storedlen, olderlen;
	uint64_t	 last_inc;
	uint64_t	 last_epoch;	/* oracle S_EPOCH_GROWS */
	struct simclient *clients[SIM_CLIENTS];
};

enum sim_phase { PHASE_FAULTS = 1, PHASE_HEAL, PHASE_REST };

struct sim {
	struct sim_params  p;
	struct sim_faults  f;
	struct rng	   rng;		/* of the world */
	uint64_t	   now;
	struct conf	  *conf;
	struct simnode	   nodes[SIM_NODES];
	enum sim_phase	   phase;
	uint64_t	   trace_hash;
	uint64_t	   nevents, npackets, nops, nviews, nfences, nmessages;
	uint64_t	   next_client;
	/* cut[a][b][l]: nothing goes from a to b on link l. */
	bool		   cut[SIM_NODES][SIM_NODES][CONF_LINKS_MAX];
	struct world_event *heap;
	size_t		   nheap, capheap;
	uint64_t	   heap_seq;
	struct oracle	  *oracle;
};

extern struct sim *sim_current;	/* for assert_failed() only */

/* sim.c */
void	 sim_trace(struct sim *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void	 sim_broken(struct sim *, enum sim_oracle, const char *fmt, ...)
	    PRINTF_LIKE(3, 4) NORETURN;
/* Calls fn(sim, node index, life, arg) after delay; data is copied. */
typedef void (*world_fn)(struct sim *, unsigned node, unsigned life,
	    uint64_t arg, const uint8_t *data, size_t len);
void	 sim_at(struct sim *, uint64_t delay, world_fn, unsigned node,
	    unsigned life, uint64_t arg, const void *data, size_t len);
uint64_t sim_rand(struct sim *, uint64_t below);
bool	 sim_chance(struct sim *, unsigned per_mille);
unsigned sim_majority(const struct sim *);

/* simnode.c */
void	 simnode_start(struct sim *, unsigned i);
/* Power is cut: node, clients and what was not durable are gone. */
void	 simnode_crash(struct sim *, unsigned i, const char *why);
void	 simnode_pause(struct sim *, unsigned i, uint64_t us);
/* Gives an event to the node and carries out what it says. */
void	 simnode_step(struct sim *, unsigned i, struct event *);
void	 simnode_restart_later(struct sim *, unsigned i, uint64_t delay);

/* simnet.c */
void	 simnet_send(struct sim *, unsigned from, uint16_t to, unsigned link,
	    const uint8_t *, size_t);
void	 simnet_heal(struct sim *);
void	 simnet_cut(struct sim *, unsigned kind);	/* 0 partition 1 one way 2 link */

/* simfence.c */
void	 simfence_start(struct sim *, unsigned by, uint32_t req,
	    uint16_t victim);

/* simclient.c */
void	 simclient_open_all(struct sim *, unsigned node);
void	 simclient_kill_all(struct sim *, unsigned node);
void	 simclient_receive(struct sim *, unsigned node, uint64_t client,
	    uint32_t type, const uint8_t *, size_t);
void	 simclient_closed(struct sim *, unsigned node, uint64_t client);
/* True when no client has a request open or a lock. */
bool	 simclient_idle(const struct sim *, char *why, size_t len);
uint64_t simclient_progress(const struct sim *);

/* oracle.c */
struct oracle *oracle_new(void);
void	 oracle_free(struct oracle *);
void	 oracle_view(struct sim *, unsigned node);
void	 oracle_packet(struct sim *, unsigned from, const uint8_t *, size_t);
void	 oracle_group(struct sim *, uint64_t client, bool view,
	    uint64_t id, uint64_t sender, uint64_t number);
void	 oracle_group_forget(struct sim *, uint64_t client);
/* A grant the client sees; mode CL_NL: given back. */
void	 oracle_grant(struct sim *, unsigned ls, unsigned res, uint64_t client,
	    int mode);
void	 oracle_wrote(struct sim *, unsigned ls, unsigned res, uint64_t value);
void	 oracle_read(struct sim *, unsigned ls, unsigned res, uint64_t client,
	    uint64_t value, bool notvalid);
void	 oracle_died(struct sim *, unsigned ls, unsigned res, uint64_t client);

#endif /* SIM_H */
