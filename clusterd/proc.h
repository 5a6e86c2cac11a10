/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Processes: the parent runs itself anew for each role, so that a child has
 * its own address layout and inherits no memory.  A child finds its channel
 * to the parent at descriptor PROC_FD; everything else is closed.
 */

#ifndef PROC_H
#define PROC_H

#include "compat.h"

#define PROC_FD		3
#define PROC_USER	"_clusterd"
#define PROC_STEADY_US	UINT64_C(60000000) /* ran this long: forgive crashes */

enum proc_role { ROLE_PARENT = 0, ROLE_ENGINE, ROLE_FENCE, ROLE_BEAT,
	ROLE_QDEVICE, ROLE_WITNESS };

/* What a child is told on its command line: nothing that is secret. */
struct proc_opts {
	bool		 foreground;	/* log to standard error */
	bool		 verbose;
	const char	*user;		/* all but fence become this user */
	const char	*empty;		/* an empty directory for them to chroot to */
};

const char *proc_role_name(enum proc_role);
/* A pair of connected SOCK_SEQPACKET sockets, close-on-exec. 0 or -1. */
int	 proc_pair(int fds[2]);
/*
 * Forks a child that has the other end of a channel and runs child(arg, that).
 * *fd becomes our end.  Returns the pid, or -1 with errno.
 */
pid_t	 proc_fork(int *fd, void (*child)(const void *arg, int fd),
	    const void *arg);
/*
 * Forks and executes this same program in a role.  *fd becomes the parent's
 * end of the channel.  Returns the pid, or -1 with errno.
 */
pid_t	 proc_spawn(enum proc_role, const struct proc_opts *, int *fd);
/* First thing in a child: checks PROC_FD, signals, title, logging. */
void	 proc_child_init(enum proc_role, const struct proc_opts *);
/* How a child ended, as of waitpid(2), in words for "NAME: ...". */
void	 proc_ended(int status, char *text, size_t size);
/* Before a child is started again that crashed so often without a break; us. */
uint64_t proc_backoff(uint64_t crashes);
/* Enters dir for good and becomes user; fatal when any step fails. */
void	 proc_drop(const char *user, const char *dir);
/*
 * Asks the kernel to run this process before all ordinary ones and to keep
 * its memory: lateness looks like death to the other nodes.  Only a wish.
 */
void	 proc_prompt(void);
/* No program this process executes may gain privileges; fatal on failure. */
void	 proc_no_new_privs(void);
/*
 * The kernel kills this process when its parent ends, however that is.  After
 * proc_drop(), which undoes it; fatal on failure.
 */
void	 proc_die_with_parent(void);
/* 0, or -1: no such user. */
int	 proc_user(const char *user, uid_t *, gid_t *);
/*
 * Is standard error the journal's?  The variable alone is not enough: it is
 * inherited by shells whose standard error is a terminal.
 */
bool	 proc_under_journal(void);
/* Tells the service manager, if there is one: "READY=1", "STOPPING=1". */
void	 proc_notify(const char *state);

#endif /* PROC_H */
