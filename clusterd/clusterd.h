/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* What the processes of clusterd share. */

#ifndef CLUSTERD_DAEMON_H
#define CLUSTERD_DAEMON_H

#include "conf.h"
#include "ipc.h"
#include "proc.h"

#define CONF_FILE	"/etc/cluster/cluster.yaml"
#define STATE_DIR	"/var/lib/clusterd"
#define RUN_DIR		"/run/clusterd"

#define CONF_BYTES_MAX	(4 * 1024 * 1024)	/* of one encoded configuration */
#define CONF_CHUNK	61440
#define PARENT_QUEUE	(8 * 1024 * 1024)	/* bytes waiting for a child */
#define ENGINE_QUEUE	(4 * 1024 * 1024)	/* bytes waiting for the parent */

/* Exit status of our own processes, besides sysexits(3). */
enum {
	EXIT_EVICTED = 3	/* the engine must be started anew */
};

/* The roles (-E, -F, -B, -Q, -W); they do not return. */
void	 engine_main(const struct proc_opts *) NORETURN;
void	 fence_main(const struct proc_opts *) NORETURN;
void	 beat_main(const struct proc_opts *) NORETURN;
void	 qdevice_main(const struct proc_opts *) NORETURN;
void	 witness_server_main(const struct proc_opts *) NORETURN;

struct net;

/* What most of these begin with; returns their loop.  Fatal on failure. */
struct loop *child_begin(enum proc_role, const struct proc_opts *);
/*
 * From now on the caller has its descriptors, and little else; the same.  An
 * engine does not outlive its parent.
 */
void	 child_confine(enum proc_role, const struct proc_opts *);

/* Shared memory: the engine writes it, the beat process looks at it. */
struct beat_page {
	_Atomic uint64_t rounds;	/* of the engine's loop; it only grows */
};

/*
 * Sends conf as messages M_CONF; with secrets, for the fence process only.
 * Returns 0, or -1.
 */
int	 conf_deliver(struct ipc *, const struct conf *, bool secrets);
/*
 * Collects the pieces, M_CONF, in `all`.  *conf is NULL until it is complete
 * (the caller owns it); a second or a malformed one ends the process.
 */
void	 conf_take(struct wbuf *all, const struct msg *, struct conf **conf);
/* The same, and then the addresses in it; the caller owns both. */
void	 child_conf(struct wbuf *all, const struct msg *, struct conf **conf,
	    struct net **);

#endif /* CLUSTERD_DAEMON_H */
