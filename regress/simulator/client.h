/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Between client.c and locks.c. */

#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim.h"

/* Sends one message to the client's daemon; frees w. */
void	 client_tell(struct sim *, unsigned node, struct sim_client *,
	    uint32_t type, uint32_t msgid, struct wbuf *w);
void	 locks_forget(struct sim *, struct sim_client *);
void	 locks_act(struct sim *, unsigned node, struct sim_client *);
/* M_AST, M_BAST */
void	 locks_answer(struct sim *, unsigned node, struct sim_client *,
	    struct rbuf *);
void	 locks_blocking(struct sim *, unsigned node, struct sim_client *,
	    struct rbuf *);

#endif /* SIM_CLIENT_H */
