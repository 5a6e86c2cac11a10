/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * A small world for stories about membership: up to nine whole nodes in
 * virtual time, with sessions between them that are reliable and in order
 * until they break.  The link layer, the lockspaces and the lock manager are
 * replaced by the few lines that these stories need; regress/simulator has
 * the real ones.
 *
 * Every node is checked after every step, and so is what all nodes together
 * must never do: views that differ under one name, two primary views that
 * share nobody; at the end, clients that read different sequences.
 */

#ifndef FIXTURE_H
#define FIXTURE_H

#include "core/node_internal.h"
#include "proto.h"

#define FIX_NODES	9
#define FIX_LOG		4096
#define MS		UINT64_C(1000)
#define SECOND		UINT64_C(1000000)

enum fix_device { FIX_OFF = 0, FIX_FAIL, FIX_HANG };

/* What the client on a node was told of its group, in order. */
struct fix_log {
	unsigned	 n;
	uint32_t	 msg[FIX_LOG];	/* number of a message */
	uint16_t	 from[FIX_LOG];
};

struct fix_node {
	uint16_t	 id;
	struct node	*node;		/* NULL: down */
	uint64_t	 inc;
	bool		 stopped;	/* left cleanly: not started again */
	bool		 asked;		/* to leave, by ACT_LEAVE */
	bool		 norestart;	/* stays down when it dies */
	bool		 lacks;		/* the features of this build */
	bool		 used;		/* has a lockspace, says the fake */
	uint64_t	 restart_at;	/* 0: no */
	uint64_t	 paused_until;	/* it is not run before that */
	uint8_t		*stored;
	size_t		 storedlen;
	void		(*on_store)(struct fix_node *);	/* after each */
	struct keyring	 file;		/* its key file */
	bool		 full;		/* which cannot be written */
	bool		 writing;
	unsigned	 deaths;	/* ACT_DIE */
	unsigned	 fenced;	/* ACT_FENCE_START against it */
	char		 why[256];	/* of the last death */
	struct fix_log	 log;
	unsigned	 views;		/* group views told to the client */
	unsigned	 gmembers;	/* in the last of them */
	uint32_t	 result;	/* last M_RESULT */
	char		 text[256];
	unsigned	 results;
};

struct fix;

struct fix *fixture_new(unsigned n);
void	 fixture_free(struct fix *);
struct conf *fixture_conf(struct fix *);	/* change it before start */
struct fix_node *fixture_node(struct fix *, uint16_t id);

void	 fixture_start(struct fix *, uint16_t id);
/* With its state lost and its clock behind: as its first incarnation. */
void	 fixture_start_behind(struct fix *, uint16_t id);
void	 fixture_start_all(struct fix *);
/* All of them, and until they are in one view; and the same from nothing. */
void	 fixture_begin(struct fix *);
struct fix *fixture_up(unsigned n);
void	 fixture_crash(struct fix *, uint16_t id); /* power loss */
/* Not run for so long; what comes meanwhile waits for it. */
void	 fixture_pause(struct fix *, uint16_t id, uint64_t us);
/* The others are told that its engine runs, or does not. */
void	 fixture_runs(struct fix *, uint16_t id, bool runs);
void	 fixture_stop(struct fix *, uint16_t id);	/* EV_STOP */
/* Cuts or heals both ways between two nodes. */
void	 fixture_cut(struct fix *, uint16_t a, uint16_t b);
void	 fixture_heal(struct fix *, uint16_t a, uint16_t b);
/* Splits into the nodes in mask (bit id) and the others. */
void	 fixture_split(struct fix *, unsigned mask);
void	 fixture_heal_all(struct fix *);
void	 fixture_device(struct fix *, enum fix_device);

/* Runs for so long. */
void	 fixture_run(struct fix *, uint64_t us);
/* Runs one event; false when nothing is due before limit. */
bool	 fixture_step(struct fix *, uint64_t limit);
uint64_t fixture_now(const struct fix *);
/* Runs until all of the mask are in one synced primary view of exactly them,
   or fails the test after 30 virtual seconds. */
void	 fixture_settle(struct fix *, unsigned mask);
bool	 fixture_settled(struct fix *, unsigned mask);

/*
 * Messages are agreed from now on, no longer safe: what a node read that died
 * is not compared with what the others did.
 */
void	 fixture_agreed(struct fix *);
/* A program on this node is slow, or not any more. */
void	 fixture_hold(struct fix *, uint16_t id, bool slow);
/* The client of a node: joins group "g", sends number msg. */
void	 fixture_join(struct fix *, uint16_t id);
void	 fixture_send(struct fix *, uint16_t id, uint32_t msg);
void	 fixture_leave(struct fix *, uint16_t id);
void	 fixture_client_dies(struct fix *, uint16_t id);
void	 fixture_request(struct fix *, uint16_t id, uint32_t type,
	    const struct wbuf *);
/* More clients: opened on a node, asking, gone. */
void	 fixture_open(struct fix *, uint16_t id, uint64_t client);
void	 fixture_ask(struct fix *, uint16_t id, uint64_t client, uint32_t type,
	    uint32_t msgid, struct wbuf *);	/* frees the payload */
void	 fixture_close(struct fix *, uint16_t id, uint64_t client);
/* fn hears every message to a client. */
void	 fixture_hear(struct fix *, void (*fn)(void *arg, uint16_t id,
	    const struct action *), void *arg);
void	 fixture_command(struct fix *, uint16_t id, const char *cmd,
	    const char *arg);
/* Random faults and messages, with calm at the end. */
void	 fixture_chaos(struct fix *, struct rng *, unsigned steps);
void	 fixture_calm(struct fix *);
/* Messages that crossed since the start: to cut a story at any of them. */
uint64_t fixture_messages(const struct fix *);

#define BIT(id) (1u << (id))

#endif /* FIXTURE_H */
