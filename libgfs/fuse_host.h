/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * One FUSE session over one mounted volume.  Requests are read in the loop's
 * thread and each runs as a fiber of the volume's env.
 */

#ifndef GFS_FUSE_HOST_H
#define GFS_FUSE_HOST_H

#include <event2/event.h>

#include "gfs.h"

struct fuse_session;

/*
 * What the kernel knows an inode by: the node's address is the node id.  It
 * holds one reference of the inode as long as the kernel remembers it.
 */
struct fnode {
	RB_ENTRY(fnode)	 entry;		/* in fuse_host.nodes, by ip */
	struct ginode	*ip;
	uint64_t	 nlookup;	/* FORGET counts down */
	unsigned	 opens;		/* open files, directories */
};

struct fuse_host {
	struct env		*env;
	struct gfs		*fs;
	struct event_base	*base;
	struct fuse_session	*se;
	struct event		*ev;
	bool			 live;		/* INIT was answered */
	bool			 ended;		/* unmounted, or told to stop */
	bool			 reading;
	bool			 locks;		/* lock requests come here */
	unsigned		 inflight;
	struct waitq		 wq;		/* live, ended, inflight changed */
	RB_HEAD(fnode_tree, fnode) nodes;
	struct fnode		 rootnode;
	SLIST_HEAD(, fbuf)	 bufs;		/* receive buffers at rest */
	unsigned		 nbufs;
};

/*
 * Mounts at dir.  options: for libfuse ("ro,allow_other,...").  In a fiber;
 * requests are served as soon as the loop runs.  Returns 0 or an errno.
 */
int	 fuse_host_start(struct fuse_host *, struct env *, struct event_base *,
	    struct gfs *, const char *dir, const char *options, bool locks);
/* Ends the session when it is idle; the mount point is left to the caller. */
void	 fuse_host_end(struct fuse_host *);
/*
 * In a fiber, after ended: waits for requests, gives up every inode.  False:
 * the volume is withdrawn and requests hang; the process can only exit.
 */
bool	 fuse_host_stop(struct fuse_host *);

/* fuse_ops.c */
extern const struct fuse_lowlevel_ops gfs_fuse_ops, gfs_fuse_ops_locks;
/* The node of this inode, one more lookup; takes over the reference. */
struct fnode *fnode_get(struct fuse_host *, struct ginode *);
struct fnode *fnode_of(struct fuse_host *, uint64_t nodeid);
void	 fnode_forget(struct fuse_host *, struct fnode *, uint64_t n);

#endif /* GFS_FUSE_HOST_H */
