/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock manager's own structures, shared by its files only.
 *
 *	dlm.c		entry points, routing, invariants
 *	dlm_proc.c	holders' side: clients' operations and their ends
 *	dlm_master.c	masters' side: operations on resources we master
 *	dlm_grant.c	queues: who is granted, who is told to give way
 *	dlm_dir.c	who masters what: directory, lookups
 *	dlm_recover.c	stages of recovery
 *	dlm_space.c	lockspaces come, stop, run and go
 *	dlm_rsb.c	resources, locks, users and their containers
 */

#ifndef CORE_DLM_INT_H
#define CORE_DLM_INT_H

#include "dlm.h"
#include "dlm_mode.h"
#include "dlm_wire.h"

#define DLM_STEP	2000	/* items of bounded work per call */
#define DLM_USER_LOCKS	1000000	/* locks of one client in one lockspace */
#define DLM_USER_OPS	262144	/* operations in flight of the same */
#define DLM_REMOTE_LOCKS 8000000 /* locks of other nodes, per lockspace */
#define DLM_PARK_MAX	(256u << 20)	/* bytes of messages that wait */
#define DLM_NODE_IDS	65536

enum lock_op { OP_NONE = 0, OP_REQUEST, OP_CONVERT, OP_UNLOCK };

/* The one list of its resource that a lock is on. */
enum lock_at {
	AT_COPY = 0,	/* ours; the master is elsewhere, unknown, or not told */
	AT_GRANTED,	/* we are the master */
	AT_CONVERT,
	AT_WAIT,
	AT_MAX
};

struct dlm_ls;
struct rsb;
struct user;

/*
 * A lock.  user != NULL: one of our clients holds it (and if we are also the
 * master, this is the master's copy too).  user == NULL: the master's copy of
 * a lock held through another node.
 */
struct lock {
	RB_ENTRY(lock)	 byid;		/* (node, id) */
	RB_ENTRY(lock)	 bylkid;	/* of user */
	TAILQ_ENTRY(lock) queue;	/* of rsb */
	TAILQ_ENTRY(lock) inflight;	/* of lockspace, while op */
	struct rsb	*rsb;
	struct user	*user;
	uint64_t	 id;		/* by the holder's node, never reused */
	uint64_t	 since;
	uint64_t	 epoch;		/* of the lockspace when op was sent */
	uint8_t		*lvb;		/* NULL: value blocks were never used */
	uint32_t	 lvbseq;	/* age of lvb */
	uint32_t	 lkid;		/* the client's */
	uint32_t	 seq;		/* of the last operation begun */
	uint32_t	 flags;		/* of that operation */
	uint16_t	 node;
	uint8_t		 at;		/* enum lock_at */
	uint8_t		 op;		/* enum lock_op; holder's side */
	int8_t		 gr;		/* granted */
	int8_t		 rq;		/* requested, or IV */
	int8_t		 highbast;	/* highest mode told to the holder */
	uint8_t		 sbflags;
	uint8_t		 status;	/* enum dlm_status of operation seq */
	bool		 sent;		/* op was given to the master */
	bool		 exposed;	/* the master may know this lock */
	bool		 cancel;	/* op is to be cancelled */
	bool		 cancelled;	/* ... and the master was told */
	bool		 lvbread;	/* operation seq read the value block */
	bool		 lvbdirty;	/* lvb holds a write not confirmed yet */
	bool		 dropped;	/* the new master was not told of it */
	bool		 unheard;	/* it waited through a recovery, and its
					   holder has not asked again yet */
	bool		 demoted;	/* by a rebuild, not told yet */
	bool		 lvbbad;	/* ... which was not valid */
	bool		 lvbgood;	/* lvb is what the resource has, since gr */
};

TAILQ_HEAD(lock_list, lock);
RB_HEAD(lock_ids, lock);
RB_HEAD(lock_lkids, lock);

/* One client's use of one lockspace. */
struct user {
	RB_ENTRY(user)	 entry;		/* (client, lsid) */
	uint64_t	 client;
	uint32_t	 lsid;		/* the client's number */
	bool		 gone;		/* what is left is being unlocked */
	bool		 scanned;	/* ... every lock has been told to */
	uint64_t	 scan;		/* next lkid to look at */
	struct dlm_ls	*ls;
	struct lock_lkids locks;
	uint32_t	 nlocks;
	uint32_t	 nops;
};

RB_HEAD(user_tree, user);

struct rsb {
	RB_ENTRY(rsb)	 entry;		/* (hash, name) */
	uint64_t	 hash;
	struct lock_list q[AT_MAX];
	struct lock	*lookup;	/* whose lookup is under way */
	uint8_t		*lvb;		/* lazily; lvblen bytes */
	uint32_t	 lvbseq;
	uint16_t	 master;	/* 0: not known */
	uint16_t	 remaster;	/* new master once recovery is complete */
	bool		 notvalid;	/* the value block lost a write */
	bool		 unknown;	/* without one, we cannot know that it was
					   never written: a writer died, or it
					   was rebuilt by who never read it */
	bool		 rebuilt;	/* we are its new master */
	bool		 regrant;	/* first grant pass after recovery */
	uint8_t		 namelen;
	const uint8_t	*name;		/* behind the structure */
};

RB_HEAD(rsb_tree, rsb);

/* A directory entry: kept by the directory node of the name. */
struct dir {
	RB_ENTRY(dir)	 entry;
	uint64_t	 hash;
	uint16_t	 master;
	uint8_t		 namelen;
	const uint8_t	*name;
};

RB_HEAD(dir_tree, dir);

/* A message that came before we may handle it. */
struct parked {
	STAILQ_ENTRY(parked) entry;
	uint16_t	 node;
	uint64_t	 epoch;
	size_t		 len;
	uint8_t		 data[];
};

STAILQ_HEAD(parked_list, parked);

/* Work that goes on in bounded steps. */
enum ls_work {
	LW_IDLE = 0,
	LW_CLEAR,	/* stage STOP: forget the directory and half a rebuild */
	LW_NAMES,	/* stage DIR: tell names to their directory nodes */
	LW_LOCKS,	/* stage LOCKS: purge, send locks to new masters */
	LW_WAIT,	/* until every member has said the stage's DM_END */
	LW_COMMIT,	/* stage RUN: new masters become masters, grant */
	LW_OPS,		/* ... then our own operations are sent again */
	LW_PARKED	/* ... then messages that came early */
};

/* What goes to one member in a stage. */
struct batch {
	struct wbuf	 w;
	uint32_t	 sent;	/* batches */
};

struct dlm_ls {
	TAILQ_ENTRY(dlm_ls) entry;
	struct dlm	*dlm;
	uint32_t	 lsid;
	char		 name[LS_NAME_MAX + 1];
	uint8_t		 lvblen;
	uint64_t	 epoch;
	enum ls_stage	 stage;
	enum ls_work	 work;
	bool		 frozen;	/* the view is not primary */
	bool		 dead;		/* left; being freed in steps */
	unsigned	 nmembers;
	struct ls_member members[LS_MEMBERS_MAX];
	/* Of each member: batches had, and announced by its DM_END. */
	struct {
		uint64_t ended;		/* bit per member: it said DM_END */
		uint32_t got[LS_MEMBERS_MAX];
		uint32_t want[LS_MEMBERS_MAX];
	}		 part[2];	/* of DIR, of LOCKS */
	uint64_t	*gone;		/* bitmap of node ids lost since we ran */
	bool		 anygone;
	struct rsb_tree	 rsbs;
	struct dir_tree	 dirs;
	struct lock_ids	 locks;
	struct lock_list ops;
	struct parked_list parked;
	size_t		 parkedlen;
	uint64_t	 nlocks;	/* of our clients */
	uint64_t	 nremote;
	uint64_t	 nrsbs;
	/* Where bounded work goes on: the last resource handled. */
	bool		 begun;
	uint64_t	 cursor_hash;
	uint8_t		 cursor_name[DLM_NAME_MAX];
	uint8_t		 cursor_len;
	struct lock	*nextop;
	struct batch	 out[LS_MEMBERS_MAX];
	uint64_t	 npurged, nrebuilt;	/* of this recovery */
};

TAILQ_HEAD(ls_list, dlm_ls);

struct dlm {
	uint16_t	 self;
	uint64_t	 inc;
	uint64_t	 nextid;
	struct ls_list	 spaces;
	struct ls_list	 dying;
	struct user_tree users;
	unsigned	 ngone;		/* users not scanned yet */
	uint32_t	 nextgone;	/* key of the next one */
	struct wbuf	 w;		/* scratch of one message */
	struct bus	*b;		/* of the running call */
	uint64_t	 now;		/* of the last one */
	uint64_t	 nrejects;	/* malformed or senseless messages */
};

/* dlm_rsb.c */
uint64_t dlm_hash(uint32_t lsid, const uint8_t *name, size_t len);
uint16_t dlm_dirnode(const struct dlm_ls *, uint64_t hash);
struct rsb *rsb_find(const struct dlm_ls *, const uint8_t *name, size_t len);
struct rsb *rsb_get(struct dlm_ls *, const uint8_t *name, size_t len);
struct rsb *rsb_after(struct dlm_ls *);		/* next of the bounded walk */
void	 rsb_free(struct dlm_ls *, struct rsb *);
bool	 rsb_empty(const struct rsb *);
uint8_t	*rsb_lvb(const struct dlm_ls *, struct rsb *);	/* allocates it */
struct dir *dir_find(const struct dlm_ls *, const uint8_t *name, size_t len);
void	 dir_set(struct dlm_ls *, const uint8_t *name, size_t len, uint16_t);
void	 dir_free(struct dlm_ls *, struct dir *);
struct lock *lock_find(const struct dlm_ls *, uint16_t node, uint64_t id);
struct lock *lock_new(struct dlm_ls *, struct rsb *, uint16_t node,
	    uint64_t id);
void	 lock_free(struct dlm_ls *, struct lock *);
void	 lock_move(struct lock *, enum lock_at, bool head);
uint8_t	*lock_lvb(struct lock *);			/* allocates it */
struct lock *user_lock(struct user *, uint32_t lkid);
struct user *user_find(struct dlm *, uint64_t client, uint32_t lsid);
struct user *user_next(struct dlm *, uint64_t client, uint32_t lsid);
struct user *user_get(struct dlm *, struct dlm_ls *, uint64_t client,
	    uint32_t lsid);
void	 user_add(struct user *, struct lock *);
void	 user_free(struct dlm *, struct user *);
RB_PROTOTYPE(lock_ids, lock, byid, lock_id_cmp)
RB_PROTOTYPE(lock_lkids, lock, bylkid, lock_lkid_cmp)
RB_PROTOTYPE(user_tree, user, entry, user_cmp)
RB_PROTOTYPE(rsb_tree, rsb, entry, rsb_cmp)
RB_PROTOTYPE(dir_tree, dir, entry, dir_cmp)

/* dlm_grant.c */
bool	 grant_possible(const struct rsb *, struct lock *, bool now,
	    bool *deadlock);
bool	 grant_order(const struct rsb *, const struct lock *, bool now);
void	 grant_lock(struct dlm_ls *, struct lock *);
void	 grant_convertq(struct dlm_ls *, struct rsb *);
void	 grant_pending(struct dlm_ls *, struct rsb *);
void	 grant_basts(struct dlm_ls *, struct rsb *, const struct lock *skip,
	    int mode, bool converting_too);
void	 grant_unlock_lvb(struct dlm_ls *, struct lock *);

/* dlm_master.c: lk is on the resource's list or (request) on none yet. */
void	 master_request(struct dlm_ls *, struct lock *);
void	 master_convert(struct dlm_ls *, struct lock *);
void	 master_unlock(struct dlm_ls *, struct lock *);
void	 master_cancel(struct dlm_ls *, struct lock *);
/* Tells the holder what became of its operation; may free the lock. */
void	 master_finish(struct dlm_ls *, struct lock *, enum dlm_status);
void	 master_bast(struct dlm_ls *, struct lock *, int mode);
/* A new lock for node, as DM_REQUEST, LOOKUP or FORWARD say. */
void	 master_new(struct dlm_ls *, struct rsb *, uint16_t node,
	    const struct dlm_msg *);
void	 master_message(struct dlm_ls *, uint16_t node,
	    const struct dlm_msg *);
/* Frees the resource when nothing is left on it. */
void	 master_reap(struct dlm_ls *, struct rsb *);

/* dlm_dir.c */
/* Finds the master, or starts a lookup for lk; false: not known yet. */
bool	 dir_resolve(struct dlm_ls *, struct rsb *, struct lock *);
void	 dir_message(struct dlm_ls *, uint16_t node, const struct dlm_msg *);
void	 dir_forget(struct dlm_ls *, const struct rsb *);

/* dlm_proc.c */
void	 proc_request(struct dlm *, struct dlm_ls *, const struct note *);
void	 proc_message(struct dlm_ls *, uint16_t node, const struct dlm_msg *);
/* The end of a local lock's operation; frees the lock when it is over. */
void	 proc_done(struct dlm_ls *, struct lock *, enum dlm_status);
void	 proc_bast(struct dlm_ls *, struct lock *, int mode);
/* Gives a pending operation to its master; may free the lock. */
void	 proc_push(struct dlm_ls *, struct lock *);
/* The same for every one of a resource whose master is known now. */
void	 proc_push_all(struct dlm_ls *, struct rsb *);
/* Unlocks some of what clients that have gone left behind. */
void	 proc_purge(struct dlm *);
void	 proc_user_gone(struct dlm *, struct user *);

/* dlm_recover.c */
void	 recover_message(struct dlm_ls *, uint16_t node,
	    const struct dlm_msg *, struct rbuf *);
void	 recover_step(struct dlm_ls *);		/* bounded work */
void	 recover_commit(struct dlm_ls *);	/* the rest of it, at once */
void	 recover_drop_batches(struct dlm_ls *);

/* dlm_space.c */
void	 space_event(struct dlm *, const struct ls_event *);
bool	 space_free_step(struct dlm_ls *);	/* true: nothing is left */
void	 space_park(struct dlm_ls *, uint16_t node, uint64_t epoch,
	    const uint8_t *, size_t len);

/* dlm.c */
struct dlm_ls *ls_find(const struct dlm *, uint32_t lsid);
/* Operations may be given to masters, and messages be handled. */
bool	 ls_open(const struct dlm_ls *);
bool	 ls_member(const struct dlm_ls *, uint16_t node);
bool	 ls_gone(const struct dlm_ls *, uint16_t node);
/* Sends a message; type and the fields of that type are set. */
void	 ls_send(struct dlm_ls *, uint16_t node, struct dlm_msg *);
void	 ls_dispatch(struct dlm_ls *, uint16_t node, const uint8_t *,
	    size_t len);

#endif /* CORE_DLM_INT_H */
