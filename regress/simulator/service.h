/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Between service.c and the files of the single services. */

#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "client.h"
#include "proto.h"

#define GIVES_MAX SIM_GROUP_MAX
#define EVENT_TOPICS 4
#define SIM_KEYS 3
#define SIM_PARTIES 3	/* that the barrier waits for */

enum claim_type { CLAIM_STATE = 1, CLAIM_EVENT, CLAIM_KV, CLAIM_WON };

/* What a client was told, for when the node's view is in effect. */
struct claim {
	STAILQ_ENTRY(claim) entry;
	enum claim_type	 type;
	uint64_t	 id;	/* of a message, or a position */
	uint64_t	 hash;	/* of the state after it, or of what was told */
};

STAILQ_HEAD(claim_list, claim);

struct sim_life { uint16_t node; uint64_t inc; };

struct sim_service {
	uint32_t	 next_id;	/* of requests */

	/* service_view.c */
	bool		 have_view, have_change;
	bool		 untried;	/* the oracles have not seen it yet */
	uint64_t	 epoch;
	uint16_t	 leader;
	bool		 quorate;
	uint64_t	 quorate_epoch;	/* the last one that was; 0: none yet */
	uint16_t	 quorate_leader;
	unsigned	 nview, njoined, nleft;
	struct sim_life	 view[SIM_NODES_MAX], joined[SIM_NODES_MAX],
			 left[SIM_NODES_MAX];
	unsigned	 why[SIM_NODES_MAX];	/* who left did */

	/* service_state.c: the state is a hash of all messages. */
	bool		 has_state, syncing;
	uint32_t	 round;
	uint64_t	 state;
	uint64_t	*held;		/* ids of messages since */
	size_t		 nheld, heldcap;
	struct { uint16_t node; uint64_t client; uint32_t round;
		uint64_t state; } gives[GIVES_MAX];
	unsigned	 ngives;
	struct claim_list claims;

	/* Requests that have not been answered, and since when. */
	unsigned	 asked;

	/* service_event.c */
	bool		 ev_ready;
	uint64_t	 ev_last;	/* position told last */
	uint64_t	 ev_kept[EVENT_TOPICS];	/* position; 0: none */

	/* service_level.c */
	unsigned	 level;
	unsigned	 lv_step;	/* to be done with; 0: none */
	uint64_t	 lv_first;	/* the round it came in */
	uint64_t	 lv_round;	/* of what was told last */
	uint64_t	 lv_stopped, lv_started, lv_finished;
	/* service_kv.c: versions of the keys, as its watch tells */
	bool		 kv_ready;
	uint64_t	 kv_last;	/* the newest version told */
	uint64_t	 kv_version[SIM_KEYS];	/* 0: not there */
	uint32_t	 kv_id;		/* of the last change asked for, */
	bool		 kv_stale;	/* which must fail */
	uint64_t	 kv_before[SIM_KEYS];	/* the one told before it */
	uint64_t	 kv_owner[SIM_KEYS];	/* a client; 0: nobody */

	uint32_t	 dg_id;		/* service_dgram.c: of the one under way */
	uint32_t	 dg_sent;
	uint32_t	 ba_id;		/* of its request at the barrier; or 0 */
	bool		 ba_leaving;
};

struct known {
	uint64_t	 id;	/* 0: none */
	uint64_t	 hash;	/* of what was told; 0: nothing yet */
	uint64_t	 next;	/* id; 0: not known yet */
};

/* chk_log.c: what was told of each id, and what came after it. */
struct chk_log {
	const char	*name;
	struct known	*v;	/* a hash table */
	size_t		 n, cap;
};

/* What is known of the whole run. */
struct chk_service {
	struct chk_log	 states;	/* service_state.c: by message */
	struct chk_log	 events;
	struct chk_log	 puts;		/* service_kv.c, by version */
	struct chk_log	 dgrams, pairs;	/* service_dgram.c */
	struct chk_log	 won;		/* by the version that was replaced */
	uint64_t	 entered, passed;	/* service_level.c: a barrier */
};

/* A new number for a request of this client. */
uint32_t service_id(struct sim_service *);
/* The same for one that will have an M_RESULT. */
uint32_t service_ask(struct sim_service *);
void	 service_claim(struct sim_service *, enum claim_type, uint64_t id,
	    uint64_t hash);

/* The entry of an id, a new one if there is none. */
struct known *chk_log_at(struct chk_log *, uint64_t id);
/* last: the position that the client was told before this one, or 0. */
void	 chk_log_told(struct sim *, struct chk_log *, uint64_t *last,
	    uint64_t client, uint64_t seq, uint64_t hash);
uint64_t chk_hash(uint64_t hash, const void *, size_t);

/* service_event.c: M_EVENT, M_EVENT_READY */
void	 event_subscribe(struct sim *, unsigned node, struct sim_client *);
void	 event_publish(struct sim *, unsigned node, struct sim_client *);
void	 event_message(struct sim *, struct sim_client *,
	    const struct action *);
/* Two clients that are at rest must agree. */
bool	 event_done(struct sim *, const struct sim_client *,
	    const struct sim_client *, bool over);

/* service_view.c: M_VIEW_CHANGE, M_VIEW */
void	 view_watch(struct sim *, unsigned node, struct sim_client *);
/* The node's step is over: the view that the client was told is looked at. */
void	 view_told(struct sim *, unsigned node, struct sim_client *);
void	 view_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);

/* service_state.c: M_GROUP_* */
void	 state_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);
void	 state_give(struct sim *, unsigned node, struct sim_client *);
void	 state_check(struct sim *, unsigned node, const struct sim_client *,
	    const struct claim *);
void	 state_forget(struct sim_service *);
bool	 state_done(struct sim *, unsigned node, const struct sim_client *,
	    bool over);

/* service_level.c: M_LEVEL; the barrier's M_RESULT */
void	 level_register(struct sim *, unsigned node, struct sim_client *);
void	 level_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);
void	 level_done(struct sim *, unsigned node, struct sim_client *);
bool	 level_rest(struct sim *, unsigned node, const struct sim_client *,
	    bool over);
void	 barrier_enter(struct sim *, unsigned node, struct sim_client *);
void	 barrier_leave(struct sim *, unsigned node, struct sim_client *);
void	 barrier_answer(struct sim *, struct sim_client *, uint32_t error);

/* service_kv.c: M_KV_* */
void	 kv_start(struct sim *, unsigned node, struct sim_client *);
void	 kv_change(struct sim *, unsigned node, struct sim_client *);
void	 kv_check_won(struct sim *, const struct claim *);
void	 kv_message(struct sim *, struct sim_client *, const struct action *);
bool	 kv_rest(struct sim *, const struct sim_client *,
	    const struct sim_client *, bool over);

/* service_dgram.c: M_DGRAM; the M_RESULT of one that was sent */
void	 dgram_open(struct sim *, unsigned node, struct sim_client *);
void	 dgram_send(struct sim *, unsigned node, struct sim_client *);
void	 dgram_answer(struct sim *, struct sim_client *, uint32_t error);
void	 dgram_unread(struct sim *, const struct action *);
void	 dgram_message(struct sim *, struct sim_client *,
	    const struct action *);

#endif /* SIM_SERVICE_H */
