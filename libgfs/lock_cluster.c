/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock backend of a shared volume: the lock manager of clusterd, through
 * libclusterd.  The lock space is named after the file system; the cluster's
 * name in the volume's lock table must be that of the cluster we are in.
 *
 * Invariants:
 *  L1  Upcalls happen in cl_dispatch() only, never inside a downcall.
 *  L2  A slot that disappears is reported, whether its node died or left: a
 *      mount whose process died on a healthy node has left, too, with a
 *      dirty journal.  For a clean one recovery finds nothing to do.
 *  L3  When the connection is lost the mount is told at once (up->lost);
 *      every later request fails with ENOTCONN.
 */

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd/libclusterd/clusterd.h"
#include "env.h"
#include "lock_cluster.h"
#include "lockops.h"

/* One lock, on both sides. */
struct entry {
	LIST_ENTRY(entry) all;
	TAILQ_ENTRY(entry) late;
	struct lm *lm;
	struct lm_lock *lock;
	struct cl_lock *cl;
	unsigned flags; /* LM_* of the request in flight */
	bool unlocking;
	bool on_late; /* its unlock did not fit into the queue */
};

struct lm {
	struct env *env;
	struct cl *cl;
	struct cl_lockspace *ls;
	struct event *ev;
	const struct lm_up *up;
	void *arg;
	struct waitq wq;
	LIST_HEAD(, entry) entries;
	TAILQ_HEAD(, entry) late;
	uint64_t slots;	   /* taken, by bit (slot - 1) */
	uint64_t reported; /* slots told since prep */
	bool preparing;
	bool joined, left, dead;
	int error;
	char why[256];
};

static void
entry_free(struct entry *e)
{
	if (e->on_late)
		TAILQ_REMOVE(&e->lm->late, e, late);
	LIST_REMOVE(e, all);
	e->lock->backend = NULL;
	e->lock->exists = false;
	e->lock->mode = LM_NL;
	free(e);
}

static void
got_ast(void *arg, const struct cl_ast *ast)
{
	struct entry *e = arg;
	struct lm *lm = e->lm;
	struct lm_lock *l = e->lock;
	bool up;

	if (ast->unlocked) {
		bool unlocking = e->unlocking;

		entry_free(e);
		if (unlocking)
			lm->up->unlocked(lm->arg, l);
		else
			lm->up->ast(lm->arg, l, ast->status);
		return;
	}
	if (e->unlocking)
		return; /* of a request that the unlock overtook */
	up = (enum lm_mode)ast->mode >= l->mode;
	l->mode = (enum lm_mode)ast->mode;
	l->sbflags = 0;
	if (ast->sbflags & CL_SBF_ALTMODE)
		l->sbflags |= LM_ALTMODE;
	if (ast->sbflags & CL_SBF_VALNOTVALID)
		l->sbflags |= LM_VALNOTVALID;
	/* On the way down the value block travels to the manager. */
	if (ast->status == 0 && up && (e->flags & LM_VALBLK))
		memcpy(l->lvb, ast->lvb, LM_LVB_LEN);
	lm->up->ast(lm->arg, l, ast->status);
}

static void
got_bast(void *arg, enum cl_mode mode)
{
	struct entry *e = arg;

	if (!e->unlocking)
		e->lm->up->bast(e->lm->arg, e->lock, (enum lm_mode)mode);
}

static void
got_prep(void *arg)
{
	struct lm *lm = arg;

	lm->preparing = true;
	lm->reported = 0;
	lm->up->recover_prep(lm->arg);
}

static void
got_slot(void *arg, uint32_t node, uint32_t slot)
{
	struct lm *lm = arg;

	if (slot == 0 || slot > LM_SLOTS_MAX)
		return;
	if (!lm->preparing)
		got_prep(lm);
	lm->reported |= (uint64_t)1 << (slot - 1);
	lm->up->recover_slot(lm->arg, slot);
}

static void
got_done(void *arg, uint32_t our_slot, uint32_t generation,
    const struct cl_slot *slots, unsigned n)
{
	struct lm *lm = arg;
	uint64_t now = 0, gone;

	for (unsigned i = 0; i < n; i++)
		if (slots[i].slot >= 1 && slots[i].slot <= LM_SLOTS_MAX)
			now |= (uint64_t)1 << (slots[i].slot - 1);
	/* L2 */
	gone = lm->slots & ~now & ~lm->reported;
	for (unsigned i = 0; i < LM_SLOTS_MAX; i++)
		if (gone & (uint64_t)1 << i)
			got_slot(lm, 0, i + 1);
	lm->slots = now;
	lm->preparing = false;
	lm->reported = 0;
	lm->joined = true;
	lm->up->recover_done(lm->arg, our_slot, generation);
	env_wake_all(lm->env, &lm->wq);
}

static void
give_up(struct lm *lm, int error, const char *why)
{
	if (lm->dead)
		return;
	lm->dead = true;
	lm->error = error;
	strlcpy(lm->why, why, sizeof(lm->why));
	if (lm->joined && !lm->left)
		lm->up->lost(lm->arg, lm->why);
	env_wake_all(lm->env, &lm->wq);
}

static void
got_failed(void *arg, int error, const char *why)
{
	give_up(arg, error, why);
}

static void
got_left(void *arg)
{
	struct lm *lm = arg;

	lm->left = true;
	lm->ls = NULL;
	env_wake_all(lm->env, &lm->wq);
}

static void
got_lost(void *arg, const char *why)
{
	char line[256];

	snprintf(line, sizeof(line), "lost the cluster: %s", why);
	give_up(arg, ENOTCONN, line);
}

static const struct cl_lockspace_ops ls_ops = {
	.prep = got_prep,
	.slot = got_slot,
	.done = got_done,
	.failed = got_failed,
	.left = got_left,
};

static int
send_unlock(struct entry *e)
{
	if ((e->flags & LM_VALBLK) == 0)
		return cl_unlock(e->cl, 0, NULL);
	return cl_unlock(e->cl, CL_LKF_VALBLK, e->lock->lvb);
}

static void
readable(evutil_socket_t fd, short what, void *arg)
{
	struct lm *lm = arg;
	struct entry *e;
	int error;

	cl_dispatch(lm->cl);
	while (!lm->dead && (e = TAILQ_FIRST(&lm->late)) != NULL) {
		error = send_unlock(e);
		if (error == EAGAIN)
			break;
		TAILQ_REMOVE(&lm->late, e, late);
		e->on_late = false;
	}
}

static void
lm_free(struct lm *lm)
{
	struct entry *e;

	if (lm->ev != NULL)
		event_free(lm->ev);
	cl_close(lm->cl);
	while ((e = LIST_FIRST(&lm->entries)) != NULL)
		entry_free(e);
	free(lm);
}

/* The part of the table after the colon, or NULL and a sentence. */
static const char *
check_table(const struct lm *lm, const char *table, char *why, size_t whylen)
{
	const char *cluster = cl_cluster(lm->cl);
	const char *colon = strchr(table, ':');
	size_t len;

	if (colon == NULL || colon == table || colon[1] == '\0') {
		snprintf(why, whylen,
		    "the volume's lock table \"%s\" is not "
		    "CLUSTER:NAME: set it with tunegfs2 -o locktable=%s:NAME",
		    table, cluster);
		return NULL;
	}
	len = (size_t)(colon - table);
	if (strlen(cluster) != len || memcmp(table, cluster, len) != 0) {
		snprintf(why, whylen,
		    "the volume belongs to cluster \"%.*s\", "
		    "this node is in cluster \"%s\": if that is meant, change "
		    "it while it is mounted nowhere: tunegfs2 -o "
		    "locktable=%s:%s DEVICE",
		    (int)len, table, cluster, cluster, colon + 1);
		return NULL;
	}
	return colon + 1;
}

static int
join(struct lm *lm, const char *name, const struct lm_cluster_opts *o,
    char *why, size_t whylen)
{
	int error;

	/*
	 * Registered first: from now on the daemon's parent will not let this
	 * node come back before this process is gone.
	 */
	error = cl_mount_register(lm->cl, name, (int)getpid(),
	    o->dir == NULL ? "" : o->dir);
	if (error != 0) {
		snprintf(why, whylen, "clusterd does not accept the mount: %s",
		    strerror(error));
		return error;
	}
	error =
	    cl_lockspace_join(lm->cl, name, LM_LVB_LEN, &ls_ops, lm, &lm->ls);
	if (error != 0) {
		snprintf(why, whylen, "lock space %s: %s", name,
		    strerror(error));
		return error;
	}
	while (!lm->joined && !lm->dead)
		env_wait(lm->env, &lm->wq, UINT64_MAX);
	if (lm->joined)
		return 0;
	snprintf(why, whylen, "lock space %s: %s", name, lm->why);
	return lm->error != 0 ? lm->error : EIO;
}

static int
cluster_mount(struct lm **out, const char *table, const struct lm_up *up,
    void *arg, void *opts, char *why, size_t whylen)
{
	const struct lm_cluster_opts *o = opts;
	const char *path = o->socket != NULL ? o->socket : CL_SOCKET;
	const char *name;
	struct lm *lm;
	int error;

	lm = calloc(1, sizeof(*lm));
	if (lm == NULL) {
		snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	lm->env = env_self();
	lm->up = up;
	lm->arg = arg;
	waitq_init(&lm->wq);
	LIST_INIT(&lm->entries);
	TAILQ_INIT(&lm->late);
	error = cl_open(path, &lm->cl);
	if (error != 0) {
		snprintf(why, whylen, "cannot reach clusterd at %s: %s", path,
		    strerror(error));
		free(lm);
		return error;
	}
	name = check_table(lm, table, why, whylen);
	if (name == NULL) {
		lm_free(lm);
		return EINVAL;
	}
	cl_on_lost(lm->cl, got_lost, lm);
	lm->ev = event_new(o->event_base, cl_fd(lm->cl), EV_READ | EV_PERSIST,
	    readable, lm);
	if (lm->ev == NULL || event_add(lm->ev, NULL) == -1) {
		snprintf(why, whylen, "out of memory");
		error = ENOMEM;
	} else {
		/* fs->lm must be there when the first upcall comes. */
		*out = lm;
		error = join(lm, name, o, why, whylen);
	}
	if (error != 0) {
		*out = NULL;
		lm_free(lm);
	}
	return error;
}

static void
cluster_unmount(struct lm *lm)
{
	if (!lm->dead && lm->ls != NULL && cl_lockspace_leave(lm->ls) == 0)
		while (!lm->left && !lm->dead)
			env_wait(lm->env, &lm->wq, UINT64_MAX);
	lm_free(lm);
}

static unsigned
cl_flags(unsigned flags)
{
	static const struct {
		unsigned lm, cl;
	} map[] = {
		{ LM_NOQUEUE, CL_LKF_NOQUEUE },
		{ LM_NOQUEUEBAST, CL_LKF_NOQUEUEBAST },
		{ LM_VALBLK, CL_LKF_VALBLK },
		{ LM_QUECVT, CL_LKF_QUECVT },
		{ LM_ALTCW, CL_LKF_ALTCW },
		{ LM_ALTPR, CL_LKF_ALTPR },
	};
	unsigned out = 0;

	for (unsigned i = 0; i < NITEMS(map); i++)
		if (flags & map[i].lm)
			out |= map[i].cl;
	return out;
}

static int
cluster_lock(struct lm *lm, struct lm_lock *l, enum lm_mode mode,
    unsigned flags)
{
	struct entry *e = l->backend;
	int error;

	if (lm->dead || lm->ls == NULL)
		return ENOTCONN;
	if (e != NULL) {
		e->flags = flags;
		return cl_convert(e->cl, (enum cl_mode)mode, cl_flags(flags),
		    flags & LM_VALBLK ? l->lvb : NULL);
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return ENOMEM;
	e->lm = lm;
	e->lock = l;
	e->flags = flags;
	error = cl_lock(lm->ls, l->name, LM_NAME_LEN, (enum cl_mode)mode,
	    cl_flags(flags), got_ast, got_bast, e, &e->cl);
	if (error != 0) {
		free(e);
		return error;
	}
	LIST_INSERT_HEAD(&lm->entries, e, all);
	l->backend = e;
	l->exists = true;
	l->mode = LM_NL;
	return 0;
}

static int
cluster_unlock(struct lm *lm, struct lm_lock *l, unsigned flags)
{
	struct entry *e = l->backend;
	int error;

	if (lm->dead || lm->ls == NULL)
		return ENOTCONN;
	if (e == NULL)
		return ENOENT;
	e->flags = flags;
	error = send_unlock(e);
	if (error == EAGAIN) {
		e->on_late = true;
		TAILQ_INSERT_TAIL(&lm->late, e, late);
		error = 0;
	}
	if (error == 0)
		e->unlocking = true;
	return error;
}

static int
cluster_cancel(struct lm *lm, struct lm_lock *l)
{
	struct entry *e = l->backend;

	if (lm->dead || lm->ls == NULL)
		return ENOTCONN;
	return e == NULL ? ENOENT : cl_cancel(e->cl);
}

static bool
cluster_clustered(struct lm *lm)
{
	return true;
}

static void
cluster_say(struct lm *lm, const char *line)
{
	/* What cannot be told is in the mount's own log. */
	if (lm->cl != NULL && !lm->dead)
		(void)cl_mount_say(lm->cl, line);
}

const struct lm_ops lm_cluster = {
	.name = "lock_dlm",
	.mount = cluster_mount,
	.unmount = cluster_unmount,
	.lock = cluster_lock,
	.unlock = cluster_unlock,
	.cancel = cluster_cancel,
	.clustered = cluster_clustered,
	.say = cluster_say,
};
