/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Between service.c and the files of the single services. */

#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "client.h"
#include "proto.h"

#define GIVES_MAX 64

/* What a client says about itself when the node's view is in effect. */
struct claim {
	STAILQ_ENTRY(claim) entry;
	uint64_t	 id;	/* of a message */
	uint64_t	 hash;	/* of the state after it */
};

STAILQ_HEAD(claim_list, claim);

struct sim_service {
	uint32_t	 next_id;	/* of requests */

	/* service_view.c */
	bool		 have_view, have_change;
	unsigned	 nview;
	struct { uint16_t node; uint64_t inc; } view[SIM_NODES_MAX];
	unsigned	 njoined, nleft;
	struct { uint16_t node; uint64_t inc; unsigned why; }
			 joined[SIM_NODES_MAX], left[SIM_NODES_MAX];

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
};

struct known {
	uint64_t	 id;	/* 0: none */
	uint64_t	 hash;
};

/* What is known of the whole run. */
struct chk_service {
	/* service_state.c: the state after each message, by its id. */
	struct known	*states;
	size_t		 nstates, statecap;
};

/* A new number for a request of this client. */
uint32_t service_id(struct sim_service *);

/* service_view.c: M_VIEW_CHANGE, M_VIEW */
void	 view_watch(struct sim *, unsigned node, struct sim_client *);
void	 view_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);

/* service_state.c: M_GROUP_* */
void	 state_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);
void	 state_give(struct sim *, unsigned node, struct sim_client *);
void	 state_effective(struct sim *, unsigned node, struct sim_client *);
void	 state_forget(struct sim_service *);
bool	 state_done(struct sim *, unsigned node, const struct sim_client *,
	    bool over);

#endif /* SIM_SERVICE_H */
