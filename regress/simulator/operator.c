/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The operator: looks after the machines now and then, and confirms of one
 * that is off that it is off.  Nodes without a fence device depend on it; of
 * others it is a shortcut that must do no harm.  It also orders a fence or a
 * leave, rarely, or sets an option of quorum, and is not always answered: its
 * node may die first.
 */

#include "proto.h"
#include "sim.h"

static void
tell(struct sim *s, unsigned node, uint32_t type, struct wbuf *w)
{
	struct event ev = { .type = EV_CLIENT_DATA,
		.client = s->op_client,
		.msgtype = type,
		.msgid = 1,
		.data = w->data,
		.len = w->len };

	node_input(s, node, &ev);
	wbuf_free(w);
}

/* The last command is given up when no answer came until now. */
static void
hang_up(struct sim *s)
{
	struct event ev = { .type = EV_CLIENT_CLOSE, .client = s->op_client };

	if (s->op_client != 0 && node_on(s, s->op_node) &&
	    s->nodes[s->op_node].life == s->op_life)
		node_input(s, s->op_node, &ev);
	s->op_client = 0;
}

void
operator_orders(struct sim *s, unsigned node, const char *cmd, const char *arg)
{
	struct event ev = { .type = EV_CLIENT_OPEN,
		.pid = 1,
		.rights = RIGHT_OBSERVE | RIGHT_USE | RIGHT_ADMIN };
	struct wbuf w;

	hang_up(s);
	s->op_client = ev.client = ++s->next_client;
	s->op_node = node;
	s->op_life = s->nodes[node].life;
	node_input(s, node, &ev);
	wbuf_init(&w, 256);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "operator");
	wbuf_u32(&w, 1);
	tell(s, node, M_HELLO, &w);
	wbuf_init(&w, 256);
	wbuf_str(&w, cmd);
	wbuf_str(&w, arg);
	sim_trace(s, "operator on n%u: %s %s", s->nodes[node].id, cmd, arg);
	tell(s, node, M_COMMAND, &w);
}

static void
command(struct sim *s, unsigned node, const char *cmd, unsigned target)
{
	operator_orders(s, node, cmd, s->conf->nodes[target].name);
}

void
operator_next(struct sim *s)
{
	heap_add(&s->heap, s->now + sim_between(s, 200 * MS, 1500 * MS),
	    SE_OPERATOR);
}

void
operator_acts(struct sim *s)
{
	unsigned at = (unsigned)sim_between(s, 0, s->n - 1);
	unsigned target = (unsigned)sim_between(s, 0, s->n - 1), i;
	bool needed;

	operator_next(s);
	hang_up(s);
	/* A command that waits in a frozen machine is none yet. */
	if (!node_on(s, at) || s->nodes[at].paused)
		return;
	for (i = 0; i < s->n; i++) {
		target = (target + 1) % s->n;
		needed = s->conf->nodes[target].nlevels == 0;
		if (!node_on(s, target) && (needed || sim_chance(s, 300))) {
			command(s, at, "fence-confirm", target);
			return;
		}
	}
	if (s->phase == PH_FAULTS && chk_options_order(s, at))
		return;
	if (s->phase != PH_FAULTS || !sim_chance(s, s->profile.commands))
		return;
	if (sim_chance(s, 500)) {
		s->op_fenced[target] = true;
		command(s, at, "fence", target);
	} else
		command(s, at, "node-leave", target);
}
