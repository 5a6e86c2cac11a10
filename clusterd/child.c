/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * How a role begins that speaks a protocol.
 */

#include <sodium.h>

#include "clusterd.h"
#include "log.h"
#include "loop.h"
#include "net.h"
#include "sandbox.h"

struct loop *
child_begin(enum proc_role role, const struct proc_opts *o)
{
	struct loop *loop;

	proc_child_init(role, o);
	if (sodium_init() == -1)
		fatalx("libsodium cannot be used");
	loop = loop_new();
	if (loop == NULL)
		fatal("loop");
	return loop;
}

void
child_confine(enum proc_role role, const struct proc_opts *o)
{
	proc_drop(o->user, o->empty);
	if (role == ROLE_ENGINE)
		proc_die_with_parent();
	if (sandbox_engine() == -1)
		fatal("seccomp");
}

void
child_conf(struct wbuf *all, const struct msg *m, struct conf **conf,
    struct net **net)
{
	conf_take(all, m, conf);
	if (*conf == NULL)
		return;
	*net = net_new(*conf);
	if (*net == NULL)
		fatalx("parent: the configuration has no usable addresses");
}
