/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Freeing inodes that have lost their last name.
 *
 * Removing the last name puts the dinode's block into state unlinked, in the
 * same transaction; that state is the only record of the orphan.  Whoever
 * uses it last in the cluster frees it:
 *
 * U1  the deleter holds the inode in EX, has seen the block unlinked and
 *     nlink 0 under it, and then holds iopen in EX: nobody has it open;
 * U2  a node that is asked for iopen gives it up unless the inode is open
 *     there; if it is, its last close frees the inode, and it says so by
 *     asking for the inode's lock, which ends the deleter's waiting;
 * U3  whoever frees notes the formal number in the inode's value block, so
 *     that peers do not take the block for the old inode;
 * U4  what a crash leaves over is found by the allocator, and by a walk over
 *     all rgrps after a journal was replayed.
 *
 * One fiber tries what could not be done at once; its queue is bounded, and
 * what does not fit is left to U4.
 */

#include <errno.h>

#include "ops.h"

#define QUEUE_MAX 1024
#define RETRY_US  20000
#define GIVE_UP	  40 /* tries, growing apart: some seconds */

struct orphan {
	TAILQ_ENTRY(orphan) entry;
	uint64_t addr;
	uint64_t at; /* not before, us */
	unsigned tries;
};

struct unlinked {
	TAILQ_HEAD(, orphan) queue;
	unsigned n;
	bool stop, running;
	bool scan;	   /* a walk over the rgrps is wanted */
	unsigned rgrp;	   /* where it is */
	bool busy;	   /* the fiber is at one now */
	uint64_t round;	   /* grows when nothing was due */
	struct waitq wq;   /* the fiber waits here */
	struct waitq idle; /* others wait for the fiber here */
};

/* Steps that may be cut short by a crash and are then taken up again. */
static int
free_parts(struct ginode *ip)
{
	struct gfs *fs = ip->fs;
	struct rgrp_hold h;
	int error = 0;

	if (inode_is(ip, S_IFDIR))
		error = dir_dealloc(ip);
	if (error == 0)
		error = ea_free(ip);
	if (error == 0 && (ip->height > 0 || ip->size > 0))
		error = bmap_truncate(ip, 0);
	if (error == 0 && ip->blocks != 1)
		error = fs_corrupt(fs, ip->addr,
		    "dinode counts %llu blocks after all were freed",
		    (unsigned long long)ip->blocks);
	if (error == 0)
		error = rgrp_hold_block(fs, ip->addr, &h);
	if (error != 0)
		return error;
	error = trans_begin(fs, rgrp_log_blocks(&h, 1), 1);
	if (error == 0) {
		rgrp_free_dinode(&h, ip);
		trans_end(fs);
		error = fs_writable(fs);
	}
	rgrp_release(&h);
	return error;
}

/* Is it an orphan?  0, or why it is not ours to free. */
static int
check_orphan(struct ginode *ip)
{
	unsigned state;
	int error;

	error = inode_check_lvb(ip);
	if (error == 0)
		error = rgrp_read_state(ip->fs, ip->addr, &state);
	if (error != 0)
		return error;
	if (state != GFS2_BLKST_UNLINKED)
		return state == GFS2_BLKST_DINODE ? EBUSY : ESTALE;
	if (!ip->valid)
		error = inode_refresh(ip);
	if (error == 0 && ip->nlink != 0)
		error = fs_corrupt(ip->fs, ip->addr,
		    "unlinked dinode has %u links", ip->nlink);
	return error;
}

int
unlinked_delete(struct ginode *ip)
{
	struct gholder gh, iopen;
	int error;

	if (ip->gone || ip->deleting || ip->opens > 0)
		return EBUSY;
	ip->deleting = true;
	ip->wanted = false;
	gholder_init(&gh);
	gholder_init(&iopen);
	error = glock_acquire(ip->gl, GLS_EX, GLF_SKIP, &gh);
	if (error == 0)
		error = check_orphan(ip);
	if (error == 0) {
		/* U1: our own share first, then all of it. */
		glock_release(&ip->iopen_gh);
		error = glock_acquire(ip->iopen, GLS_EX,
		    GLF_TRY_1CB | GLF_NOCACHE, &iopen);
	}
	if (error == 0 && ip->opens == 0)
		error = free_parts(ip);
	else if (error == 0)
		error = EBUSY;
	if (error == 0)
		inode_set_lvb(ip);
	if (error == 0 || error == ESTALE)
		inode_forget(ip);
	glock_release(&iopen);
	glock_release(&gh);
	ip->deleting = false;
	if (error == EAGAIN)
		unlinked_queue(ip->fs, ip->addr, RETRY_US);
	return error;
}

void
unlinked_queue(struct gfs *fs, uint64_t addr, uint64_t delay_us)
{
	struct unlinked *ul = fs->unlinked;
	struct orphan *o;
	uint64_t at = env_now(fs->env) + delay_us;

	if (ul == NULL || ul->stop)
		return;
	TAILQ_FOREACH(o, &ul->queue, entry)
		if (o->addr == addr) {
			o->at = MIN(o->at, at);
			break;
		}
	if (o == NULL) {
		if (ul->n >= QUEUE_MAX)
			return;
		o = calloc(1, sizeof(*o));
		if (o == NULL)
			return;
		o->addr = addr;
		o->at = at;
		TAILQ_INSERT_TAIL(&ul->queue, o, entry);
		ul->n++;
	}
	env_wake_all(fs->env, &ul->wq);
}

bool
unlinked_full(const struct gfs *fs)
{
	return fs->unlinked != NULL && fs->unlinked->n >= QUEUE_MAX;
}

/* U2: it is open here; the deleter notices that its lock is wanted. */
static void
poke(struct ginode *ip)
{
	struct gholder gh;

	gholder_init(&gh);
	if (glock_acquire(ip->gl, GLS_SH, GLF_TRY_1CB | GLF_SKIP, &gh) == 0)
		glock_release(&gh);
}

/* Tries one; true: again later. */
static bool
try_one(struct gfs *fs, uint64_t addr)
{
	struct ginode *ip;
	unsigned state;
	int error;

	if (fs_writable(fs) != 0)
		return false;
	ip = inode_find(fs, addr);
	if (ip != NULL && ip->opens > 0) {
		inode_hold(ip);
		poke(ip);
		inode_put(ip);
		return false;
	}
	if (rgrp_read_state(fs, addr, &state) != 0 ||
	    state != GFS2_BLKST_UNLINKED)
		return false;
	if (inode_get(fs, addr, 0, &ip) != 0)
		return true;
	error = unlinked_delete(ip);
	/* It must not be tried a second time by the put. */
	ip->wanted = false;
	if (ip->refs == 1)
		ip->known = false;
	inode_put(ip);
	return error == EAGAIN;
}

static struct orphan *
due(struct unlinked *ul, uint64_t now, uint64_t *next)
{
	struct orphan *o;

	*next = UINT64_MAX;
	TAILQ_FOREACH(o, &ul->queue, entry) {
		if (o->at <= now)
			return o;
		*next = MIN(*next, o->at);
	}
	return NULL;
}

void
unlinked_scan(struct gfs *fs)
{
	struct unlinked *ul = fs->unlinked;

	if (ul == NULL)
		return;
	ul->scan = true;
	ul->rgrp = 0;
	env_wake_all(fs->env, &ul->wq);
}

/* One rgrp of the walk. */
static void
scan_step(struct gfs *fs, struct unlinked *ul)
{
	int error = fs_writable(fs);

	if (error == 0)
		error = rgrp_scan(fs, ul->rgrp++);
	if (error != 0)
		ul->scan = false;
	env_yield(fs->env);
}

static void
unlinked_main(void *arg)
{
	struct gfs *fs = arg;
	struct unlinked *ul = fs->unlinked;
	struct orphan *o;
	uint64_t next;

	while (!ul->stop) {
		o = due(ul, env_now(fs->env), &next);
		if (o == NULL && ul->scan) {
			scan_step(fs, ul);
			continue;
		}
		if (o == NULL) {
			ul->round++;
			env_wake_all(fs->env, &ul->idle);
			env_wait(fs->env, &ul->wq, next);
			continue;
		}
		TAILQ_REMOVE(&ul->queue, o, entry);
		ul->n--;
		ul->busy = true;
		if (try_one(fs, o->addr) && ++o->tries < GIVE_UP && !ul->stop) {
			o->at = env_now(fs->env) + RETRY_US * o->tries / 4;
			TAILQ_INSERT_TAIL(&ul->queue, o, entry);
			ul->n++;
		} else {
			free(o);
		}
		ul->busy = false;
	}
	/* A last time, whatever the time; the rest is left to U4. */
	while ((o = TAILQ_FIRST(&ul->queue)) != NULL) {
		TAILQ_REMOVE(&ul->queue, o, entry);
		ul->n--;
		(void)try_one(fs, o->addr);
		free(o);
	}
	ul->running = false;
	env_wake_all(fs->env, &ul->idle);
}

void
unlinked_drain(struct gfs *fs)
{
	struct unlinked *ul = fs->unlinked;
	uint64_t next, round, deadline = env_now(fs->env) + 10000000;

	if (ul == NULL || !ul->running)
		return;
	if (!ul->busy && due(ul, env_now(fs->env), &next) == NULL)
		return;
	round = ul->round;
	while (ul->running && ul->round == round)
		if (env_wait(fs->env, &ul->idle, deadline) == ETIMEDOUT)
			return;
}

int
unlinked_start(struct gfs *fs)
{
	struct unlinked *ul;

	ul = calloc(1, sizeof(*ul));
	if (ul == NULL)
		return ENOMEM;
	TAILQ_INIT(&ul->queue);
	waitq_init(&ul->wq);
	waitq_init(&ul->idle);
	fs->unlinked = ul;
	ul->running = true;
	if (env_spawn(fs->env, unlinked_main, fs, "unlinked") == NULL) {
		fs->unlinked = NULL;
		free(ul);
		return ENOMEM;
	}
	return 0;
}

void
unlinked_stop(struct gfs *fs)
{
	struct unlinked *ul = fs->unlinked;
	if (ul == NULL)
		return;
	ul->stop = true;
	env_wake_all(fs->env, &ul->wq);
	while (ul->running)
		env_wait(fs->env, &ul->idle, UINT64_MAX);
	fs->unlinked = NULL;
	free(ul);
}
