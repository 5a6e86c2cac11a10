/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Who replays whose journal.  The protocol is the kernel's: two locks of the
 * lock manager, "control" and "mounted", and control's value block, which
 * holds the lock space's generation and a bit per journal that awaits replay
 * (little-endian: u32 generation, u32 unused, bits from byte 8 on).
 *
 * Invariants:
 *  R1  Only who holds control in EX reads the bits and changes them.
 *  R2  A bit is cleared only by a node that replayed that journal, or found
 *      it clean, after the bit was set.
 *  R3  Ordinary grants are parked (fs->recovering) from prep until this node
 *      has seen, under control, its own generation with no bit set.
 *  R4  A node mounts when mounted is free (it is the first and replays every
 *      journal), or when R3 would let it thaw.
 *
 *  R5  Between R4 and recover_start() this node reads only directories of
 *      the system, which no journal of a dead node changes; a death in that
 *      time parks grants from recover_start() on.
 *
 * Transitions: joining -> first mounter -> mounted, or joining -> mounted;
 * mounted -> preparing (prep) -> recovering (done) -> mounted (no bits).
 *
 * Nothing here waits a fixed time for others: upcalls wake it, and where the
 * other side has no way to tell, it looks again after some milliseconds.
 */

#include <errno.h>
#include <stdio.h>

#include "fs.h"

#define GEN_DISABLED   UINT32_MAX /* an operator forbade mounting */
#define ENTER_PAUSE_US 15000
#define BUSY_PAUSE_US  20000
#define FAIL_PAUSE_US  1000000
#define LVB_BITS_OFF   8

struct ctl_lock {
	struct lm_lock lm;
	bool busy;
	int error;
};

struct recover {
	struct gfs *fs;
	struct waitq wq;
	struct ctl_lock control, mounted;
	bool joined;	/* the slot is known */
	bool preparing; /* between prep and done */
	bool first;	/* first mounter, still replaying */
	bool serving;	/* the journals are known: we take part */
	bool missed;	/* a member died before that */
	bool work, stop, running;
	uint32_t mount_gen, start_gen, block_gen;
	uint32_t submit[LM_SLOTS_MAX]; /* generation of the failure, or 0 */
	uint64_t replayed;	       /* bits to clear, R2 */
	uint64_t pending;	       /* bits seen last */
	uint64_t said;		       /* failures told to the operator */
	bool dirty;		       /* bits were set since prep */
};

static uint64_t
bit(unsigned jid)
{
	return (uint64_t)1 << jid;
}

static uint32_t
lvb_read(const struct recover *r, uint64_t *bits)
{
	const uint8_t *p = r->control.lm.lvb;

	*bits = 0;
	for (unsigned i = 0; i < LM_SLOTS_MAX; i++)
		if (p[LVB_BITS_OFF + i / 8] & 1u << i % 8)
			*bits |= bit(i);
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static void
lvb_write(struct recover *r, uint32_t gen, uint64_t bits)
{
	uint8_t *p = r->control.lm.lvb;

	memset(p, 0, LM_LVB_LEN);
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(gen >> 8 * i);
	for (unsigned i = 0; i < LM_SLOTS_MAX; i++)
		if (bits & bit(i))
			p[LVB_BITS_OFF + i / 8] |= (uint8_t)(1u << i % 8);
}

/* One request for a control lock, waited for. */
static int
ask(struct recover *r, struct ctl_lock *cl, enum lm_mode mode, unsigned flags)
{
	struct gfs *fs = r->fs;
	int error;

	ASSERT(!cl->busy);
	cl->busy = true;
	error = fs->lmops->lock(fs->lm, &cl->lm, mode, flags | LM_NOEXP);
	if (error != 0) {
		cl->busy = false;
		return error;
	}
	while (cl->busy) {
		if (fs->withdrawn)
			return EIO;
		env_wait(fs->env, &r->wq, UINT64_MAX);
	}
	return cl->error;
}

/* Until something happens, or this long. */
static void
pause_us(struct recover *r, uint64_t us)
{
	env_wait(r->fs->env, &r->wq, env_now(r->fs->env) + us);
}

static void
ctl_ast(struct recover *r, struct ctl_lock *cl, int error)
{
	cl->busy = false;
	cl->error = error;
	env_wake_all(r->fs->env, &r->wq);
}

static struct ctl_lock *
ctl_of(struct recover *r, struct lm_lock *lml)
{
	if (r != NULL && lml == &r->control.lm)
		return &r->control;
	if (r != NULL && lml == &r->mounted.lm)
		return &r->mounted;
	return NULL;
}

static void
up_ast(void *arg, struct lm_lock *lml, int error)
{
	struct gfs *fs = arg;
	struct ctl_lock *cl = ctl_of(fs->recover, lml);

	if (cl != NULL)
		ctl_ast(fs->recover, cl, error);
	else
		glock_ast(fs, lml, error);
}

static void
up_bast(void *arg, struct lm_lock *lml, enum lm_mode wanted)
{
	struct gfs *fs = arg;

	/* Whoever wants control waits the moment it is held. */
	if (ctl_of(fs->recover, lml) == NULL)
		glock_bast(fs, lml, wanted);
}

static void
up_unlocked(void *arg, struct lm_lock *lml)
{
	struct gfs *fs = arg;

	if (ctl_of(fs->recover, lml) == NULL)
		glock_unlocked(fs, lml);
}

static void
up_prep(void *arg)
{
	struct gfs *fs = arg;
	struct recover *r = fs->recover;

	r->preparing = true;
	r->block_gen = r->start_gen;
	if (r->serving)
		fs->recovering = true;
	else
		r->missed = true;
}

static void
up_slot(void *arg, unsigned slot)
{
	struct gfs *fs = arg;
	struct recover *r = fs->recover;

	if (slot == 0 || slot > LM_SLOTS_MAX)
		return;
	r->submit[slot - 1] = MAX(r->block_gen, 1);
	r->replayed &= ~bit(slot - 1);
}

static void
up_done(void *arg, unsigned slot, uint32_t generation)
{
	struct gfs *fs = arg;
	struct recover *r = fs->recover;

	r->preparing = false;
	r->start_gen = generation;
	fs->generation = generation;
	if (!r->joined) {
		r->joined = true;
		r->mount_gen = generation;
		fs->slot = slot;
		fs->jid = slot - 1;
	}
	r->work = true;
	env_wake_all(fs->env, &r->wq);
}

static void
up_lost(void *arg, const char *why)
{
	struct gfs *fs = arg;

	gfs_abort(fs, why);
}

const struct lm_up glock_upcalls = {
	.ast = up_ast,
	.bast = up_bast,
	.unlocked = up_unlocked,
	.recover_prep = up_prep,
	.recover_slot = up_slot,
	.recover_done = up_done,
	.lost = up_lost,
};

int
recover_init(struct gfs *fs)
{
	struct recover *r;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ENOMEM;
	r->fs = fs;
	waitq_init(&r->wq);
	glock_name(r->control.lm.name, GL_NONDISK, GLN_CONTROL);
	glock_name(r->mounted.lm.name, GL_NONDISK, GLN_MOUNTED);
	fs->recover = r;
	return 0;
}

void
recover_exit(struct gfs *fs)
{
	free(fs->recover);
	fs->recover = NULL;
}

void
recover_wake(struct gfs *fs)
{
	if (fs->recover != NULL)
		env_wake_all(fs->env, &fs->recover->wq);
}

/* R4, one attempt. EAGAIN: not yet. */
static int
try_enter(struct recover *r)
{
	uint64_t bits;
	uint32_t gen;
	int error;

	error = ask(r, &r->mounted, LM_NL, 0);
	if (error == 0)
		error = ask(r, &r->control, LM_NL, LM_VALBLK);
	if (error == 0)
		error = ask(r, &r->control, LM_EX, LM_NOQUEUE | LM_VALBLK);
	if (error != 0)
		return error;
	error = ask(r, &r->mounted, LM_EX, LM_NOQUEUE);
	if (error == 0) {
		r->first = true;
		return 0;
	}
	if (error == EAGAIN)
		error = ask(r, &r->mounted, LM_PR, LM_NOQUEUE);
	gen = lvb_read(r, &bits);
	if (ask(r, &r->control, LM_NL, 0) != 0)
		return EIO;
	if (error != 0)
		return error;
	if (gen == GEN_DISABLED)
		return EPERM;
	if (bits != 0 || gen < r->mount_gen || gen != r->start_gen ||
	    r->preparing)
		return EAGAIN;
	return 0;
}

int
recover_enter(struct gfs *fs, bool *first, char *why, size_t whylen)
{
	struct recover *r = fs->recover;
	int error;

	while (!r->joined && !fs->withdrawn)
		env_wait(fs->env, &r->wq, UINT64_MAX);
	if (!fs->lmops->clustered(fs->lm)) {
		*first = true;
		return 0;
	}
	do {
		r->missed = false;
		error = fs->withdrawn ? EIO : try_enter(r);
		if (error == EAGAIN)
			pause_us(r, ENTER_PAUSE_US);
	} while (error == EAGAIN);
	if (error == EPERM) {
		snprintf(why, whylen,
		    "mounting is disabled in the whole "
		    "cluster");
		return error;
	}
	if (error != 0) {
		snprintf(why, whylen, "joining the mounted nodes: %s",
		    fs->withdrawn ? fs->withdraw_why : strerror(error));
		return error;
	}
	memset(r->submit, 0, sizeof(r->submit));
	*first = r->first;
	return 0;
}

int
recover_first_done(struct gfs *fs)
{
	struct recover *r = fs->recover;
	uint32_t gen;
	int error;

	if (!r->first)
		return 0;
	/* Nodes that died meanwhile had not mounted: we were alone. */
	while (r->preparing && !fs->withdrawn)
		env_wait(fs->env, &r->wq, UINT64_MAX);
	if (fs->withdrawn)
		return EIO;
	r->first = false;
	r->missed = false;
	memset(r->submit, 0, sizeof(r->submit));
	r->replayed = 0;
	gen = r->start_gen;
	lvb_write(r, gen, 0);
	error = ask(r, &r->mounted, LM_PR, 0);
	if (error == 0)
		error = ask(r, &r->control, LM_NL, LM_VALBLK);
	return error;
}

int
recover_journal(struct gfs *fs, unsigned jid, bool *replayed)
{
	struct gholder jgh, igh;
	uint64_t began;
	int error;

	*replayed = false;
	/* It was refused for want of a journal, so it cannot have left one. */
	if (jid >= fs->njournals)
		return 0;
	gholder_init(&jgh);
	gholder_init(&igh);
	error = glock_lock(fs, GL_JOURNAL, jid, GLS_EX,
	    GLF_NOEXP | GLF_TRY | GLF_NOCACHE, &jgh);
	if (error != 0)
		return error;
	began = env_now(fs->env);
	error = glock_lock(fs, GL_INODE, jindex_inode(fs->journals[jid]),
	    GLS_SH, GLF_NOEXP | GLF_NOCACHE | GLF_EXACT | GLF_SKIP, &igh);
	if (error == 0)
		error = recovery_replay(fs, jid, replayed);
	if (error == 0 && *replayed) {
		gfs_log(fs, "journal %u: replayed in %llu ms", jid,
		    (unsigned long long)(env_now(fs->env) - began) / 1000);
		/* What its node was deleting has nobody else to finish it. */
		unlinked_scan(fs);
	}
	glock_release(&igh);
	glock_release(&jgh);
	return error;
}

/* R1, R2: brings the bits up to date; called with control in EX. */
static bool
merge_bits(struct recover *r, uint32_t start, uint64_t *bits)
{
	uint32_t gen;
	bool write = false;

	gen = lvb_read(r, bits);
	/* A value block that died with its writer: what we saw last counts. */
	if (r->control.lm.sbflags & LM_VALNOTVALID) {
		*bits |= r->pending;
		write = true;
	}
	if (gen <= start && (*bits & r->replayed) != 0) {
		*bits &= ~r->replayed;
		write = true;
	}
	if (gen <= start)
		r->replayed = 0;
	for (unsigned i = 0; i < LM_SLOTS_MAX; i++) {
		if (r->submit[i] == 0 || r->submit[i] >= start || gen > start)
			continue;
		/* In the generation's first round the failure is news. */
		if (gen < start || (r->control.lm.sbflags & LM_VALNOTVALID))
			*bits |= bit(i);
		r->submit[i] = 0;
	}
	if (gen < start)
		write = true;
	if (write)
		lvb_write(r, start, *bits);
	return write;
}

/* Replays what it can. Returns how long to pause, 0: look again at once. */
static uint64_t
replay_bits(struct recover *r, uint64_t bits)
{
	struct gfs *fs = r->fs;
	uint64_t us = FAIL_PAUSE_US;
	uint32_t start = r->start_gen;
	bool replayed;
	int error;

	for (unsigned i = 0; i < LM_SLOTS_MAX && !fs->withdrawn; i++) {
		if ((bits & bit(i)) == 0 || i == fs->jid)
			continue;
		error = recover_journal(fs, i, &replayed);
		if (error == 0) {
			/* R2: a later failure of the same slot is another. */
			if (start == r->start_gen && !r->preparing)
				r->replayed |= bit(i);
			r->said &= ~bit(i);
			us = 0;
		} else if (error == EAGAIN) {
			us = MIN(us, BUSY_PAUSE_US);
		} else if ((r->said & bit(i)) == 0) {
			gfs_log(fs, "journal %u: cannot be replayed here: %s",
			    i, strerror(error));
			r->said |= bit(i);
		}
	}
	return us;
}

/* One look at the control lock. Returns the pause, UINT64_MAX: an event. */
static uint64_t
control_round(struct recover *r)
{
	struct gfs *fs = r->fs;
	uint32_t start = r->start_gen;
	uint64_t bits;
	bool write;

	if (r->preparing)
		return UINT64_MAX;
	if (ask(r, &r->control, LM_EX, LM_VALBLK) != 0)
		return BUSY_PAUSE_US;
	if (start != r->start_gen || r->preparing) {
		ask(r, &r->control, LM_NL, 0);
		return 0;
	}
	write = merge_bits(r, start, &bits);
	r->pending = bits;
	r->dirty |= bits != 0;
	if (ask(r, &r->control, LM_NL, write ? LM_VALBLK : 0) != 0)
		return BUSY_PAUSE_US;
	if (bits != 0)
		return replay_bits(r, bits);
	if (start != r->start_gen || r->preparing)
		return 0;
	/* R3 */
	if (fs->recovering) {
		fs->recovering = false;
		if (r->dirty)
			gfs_log(fs,
			    "every journal is clean (generation %u): locks go on",
			    (unsigned)start);
		r->dirty = false;
		glock_thaw(fs);
	}
	return UINT64_MAX;
}

static void
recover_fiber(void *arg)
{
	struct gfs *fs = arg;
	struct recover *r = fs->recover;
	uint64_t us;

	while (!r->stop && !fs->withdrawn) {
		r->work = false;
		us = control_round(r);
		if (us == 0 || r->work || r->stop || fs->withdrawn)
			continue;
		if (us == UINT64_MAX)
			env_wait(fs->env, &r->wq, UINT64_MAX);
		else
			pause_us(r, us);
	}
	r->running = false;
	env_wake_all(fs->env, &r->wq);
}

int
recover_start(struct gfs *fs)
{
	struct recover *r = fs->recover;

	if (!fs->lmops->clustered(fs->lm))
		return 0;
	/* R5 */
	r->serving = true;
	if (r->missed || r->preparing)
		fs->recovering = true;
	r->running = true;
	if (env_spawn(fs->env, recover_fiber, fs, "recover") == NULL) {
		r->running = false;
		return ENOMEM;
	}
	return 0;
}

void
recover_stop(struct gfs *fs)
{
	struct recover *r = fs->recover;

	if (r == NULL)
		return;
	r->stop = true;
	env_wake_all(fs->env, &r->wq);
	while (r->running)
		env_wait(fs->env, &r->wq, UINT64_MAX);
}
