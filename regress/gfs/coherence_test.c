/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that several mounts of one volume behave like one: whatever an
 * operation returned on one mount is seen by the next operation on any other,
 * while other fibers keep the locks moving; that after the death of a mount
 * the others see its operations up to some point, at least to the last fsync
 * that returned, and nothing else is lost; and that fsck.gfs2 finds nothing
 * afterwards.  Real libgfs, real image, simulated lock manager and time.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "coh_model.h"
#include "lock_sim.h"
#include "sh.h"

enum {
	MOUNTS = 3,
	OPS_MAX = 4000,
	NODES_EVER = 16,
	RECORD = 16
};

/*
 * What fsck.gfs2 says when nothing, or only the statfs file, is wrong.  When
 * it takes more than a second it says how far it is, and returns the carriage.
 */
#define FSCK_CALM                                                              \
	"|[0-9]+ percent complete.|Initializing fsck|Validating.*|"            \
	"Level 1.*|.level 1 passed.|"                                          \
	"Starting .*|.* completed in .*|Reconciling bitmaps.|"                 \
	"The statfs file (is wrong:|was not fixed.)|Curr.* statfs val.*|"      \
	"Calc.* statfs val.*|(blocks|free|dinodes): .*|fsck.gfs2 complete"

struct mount {
	struct gfs *fs;
	unsigned id; /* a new one for each incarnation */
	struct simlm_opts opts;
	bool alive;
	bool quiet;    /* does no operations, only noise */
	unsigned busy; /* fibers inside */
};

struct noise {
	struct mount *mount;
	unsigned id;
};

static struct {
	struct env *env;
	struct simlm *lm;
	struct mount mounts[MOUNTS];
	struct op ops[OPS_MAX];
	unsigned nops;
	unsigned nextid;
	unsigned synced[NODES_EVER]; /* ops[] index after the last fsync */
	unsigned acked[NODES_EVER];  /* records of the noise file */
	bool died[NODES_EVER];
	bool stop_noise;
	bool kill_now;
	unsigned bsize;
	uint64_t seed;
	bool done;
	unsigned noise;
	bool two_died;	     /* one while it could have replayed another */
	uint64_t slowest_us; /* operation, in virtual time */
} t;

static uint64_t
rnd(void)
{
	uint64_t z = t.seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void
say(void *arg, const char *line)
{
	printf("  %llu mount %u: %s\n",
	    (unsigned long long)env_now(t.env) / 1000,
	    ((struct mount *)arg)->id, line);
}

static void
mount_start(struct mount *m)
{
	struct gfs_mount gm = { .device = "image", .fd = -1, .lm = &lm_sim };
	char why[256];
	int error;

	memset(m, 0, sizeof(*m));
	m->id = t.nextid++;
	ATF_REQUIRE(m->id < NODES_EVER);
	m->opts.cluster = t.lm;
	m->opts.node = m->id;
	gm.lm_opts = &m->opts;
	gm.log = say;
	gm.log_arg = m;
	gm.cache_bytes = 1 << 20; /* small, so that blocks come and go */
	error = gfs_mount(t.env, &gm, &m->fs, why, sizeof(why));
	ATF_REQUIRE_MSG(error == 0, "mount: %s", why);
	m->alive = true;
}

/* Appends numbered records to one file that all mounts share. */
static void
noise_fiber(void *arg)
{
	struct noise *n = arg;
	struct mount *m = n->mount;
	struct gfs_cred cred = { 0, 0 };
	struct ginode *root, *ip = NULL;
	char rec[RECORD + 1], name[16];
	size_t put;
	int error;

	root = gfs_root(m->fs);
	error = gfs_create(root, "noise", S_IFREG | 0644, 0, 0, NULL, &cred,
	    false, &ip);
	for (unsigned i = 0; error == 0 && !t.stop_noise && m->alive; i++) {
		snprintf(rec, sizeof(rec), "%6u %8u\n", n->id, i);
		error = gfs_write(ip, rec, RECORD, 0, true, &put);
		if (error == 0 && put == RECORD)
			t.acked[n->id]++;
		/* A name of its own, too, in the directory all share. */
		snprintf(name, sizeof(name), "x%u.%u", n->id, i % 3);
		if (error == 0 && i % 2 == 0) {
			struct ginode *x;

			error = gfs_create(root, name, S_IFREG | 0600, 0, 0,
			    NULL, &cred, false, &x);
			if (error == 0)
				gfs_iput(x);
		} else if (error == 0) {
			error = gfs_unlink(root, name);
			if (error == ENOENT)
				error = 0;
		}
		env_sleep(t.env, rnd() % 20000);
	}
	ATF_REQUIRE_MSG(error == 0 || !m->alive, "noise: %d", error);
	if (ip != NULL)
		gfs_iput(ip);
	gfs_iput(root);
	m->busy--;
	t.noise--;
	free(n);
}

static void
start_noise(struct mount *m)
{
	struct noise *n = calloc(1, sizeof(*n));

	ATF_REQUIRE(n != NULL);
	n->mount = m;
	n->id = m->id;
	m->busy++;
	t.noise++;
	ATF_REQUIRE(env_spawn(t.env, noise_fiber, n, "noise") != NULL);
}

static void
check_noise(struct gfs *fs)
{
	unsigned next[NODES_EVER] = { 0 }, id, seq;
	struct ginode *root = gfs_root(fs), *ip;
	char rec[RECORD + 1];
	uint64_t off = 0;
	size_t got;

	ATF_REQUIRE_EQ(0, gfs_lookup(root, "noise", &ip));
	for (;;) {
		ATF_REQUIRE_EQ(0, gfs_read(ip, rec, RECORD, off, &got));
		if (got == 0)
			break;
		rec[RECORD] = '\0';
		ATF_REQUIRE_EQ(RECORD, got);
		ATF_REQUIRE_EQ_MSG(2, sscanf(rec, "%u %u", &id, &seq),
		    "record at %u is torn", (unsigned)off);
		ATF_REQUIRE(id < NODES_EVER);
		ATF_REQUIRE_EQ_MSG(next[id], seq, "mount %u", id);
		next[id]++;
		off += RECORD;
	}
	for (id = 0; id < t.nextid; id++)
		if (!t.died[id])
			ATF_REQUIRE_EQ_MSG(t.acked[id], next[id],
			    "mount %u: records", id);
	gfs_iput(ip);
	gfs_iput(root);
}

/*
 * The model after every operation but the last ones of a dead mount.  False:
 * an operation of a survivor could not have ended as it did.
 */
static bool
replay_model(struct model *m, unsigned dead, unsigned keep, unsigned synced)
{
	unsigned seen = 0;

	model_init(m);
	for (unsigned i = 0; i < t.nops; i++) {
		const struct op *op = &t.ops[i];
		int f = m->entry[op->dir][op->name];

		if (op->ghost || (op->mount == dead && seen++ >= keep)) {
			/* Its bytes may be there, its metadata is not. */
			if ((op->kind == OP_WRITE || op->kind == OP_APPEND) &&
			    f != -1) {
				m->files[f].unsure = true;
				m->files[f].seen[op->val] = true;
			}
			continue;
		}
		if (model_apply(m, op) != op->error && op->late)
			return false;
		f = m->entry[op->dir][op->name];
		if (op->kind != OP_WRITE && op->kind != OP_APPEND)
			continue;
		if (f != -1 &&
		    (op->vague || (op->mount == dead && i >= synced)))
			m->files[f].unsure = true;
	}
	return true;
}

/* Which of the dead mount's operations survived? The model goes on there. */
static void
resolve(struct model *m, struct gfs *fs, unsigned dead)
{
	unsigned total = 0, least = 0, keep, seen = 0;
	char why[128] = "", first[128] = "";

	for (unsigned i = 0; i < t.nops; i++)
		if (t.ops[i].mount == dead) {
			total++;
			if (i < t.synced[dead])
				least = total;
		}
	for (keep = total;; keep--) {
		model_free(m);
		if (!replay_model(m, dead, keep, t.synced[dead]))
			strlcpy(why, "the last operation", sizeof(why));
		else if (model_matches(m, fs, why, sizeof(why)))
			break;
		if (keep == total)
			strlcpy(first, why, sizeof(first));
		if (keep == least) {
			for (unsigned i = 0; i < t.nops; i++)
				op_print(&t.ops[i]);
			atf_tc_fail("after the death of mount %u no prefix of "
				    "its operations explains the volume (%u of "
				    "%u were synced): with all: %s; with the "
				    "least: %s",
			    dead, least, total, first, why);
		}
	}
	printf("  mount %u died: %u of its %u operations are there, %u were "
	       "synced\n",
	    dead, keep, total, least);
	for (unsigned i = 0; i < t.nops; i++) {
		if (t.ops[i].mount == dead && i >= t.synced[dead])
			t.ops[i].vague = true;
		if (t.ops[i].mount == dead && seen++ >= keep)
			t.ops[i].ghost = true;
	}
	for (unsigned i = 0; i < t.nops; i++)
		t.ops[i].late = false;
}

static void
die(struct mount *m)
{
	m->alive = false;
	model_unsure = true;
	t.died[m->id] = true;
	simlm_kill(t.lm, m->id);
	gfs_abort(m->fs, "killed by the test");
}

static void
kill_fiber(void *arg)
{
	env_sleep(t.env, rnd() % 200000);
	die(arg);
	t.kill_now = true;
}

/* What a third mount does while the first death is being recovered. */
enum third {
	THIRD_LIVES = 0,
	THIRD_DIES,
	THIRD_LEAVES,
	THIRDS
};

struct third_one {
	struct mount *mount;
	enum third what;
	bool done;
};

static void
third_fiber(void *arg)
{
	struct third_one *o = arg;

	while (!t.kill_now)
		env_sleep(t.env, 500);
	env_sleep(t.env, rnd() % 40000);
	if (o->what == THIRD_DIES) {
		t.two_died = true;
		die(o->mount);
	} else {
		o->mount->alive = false;
		while (o->mount->busy > 0)
			env_sleep(t.env, 1000);
		ATF_REQUIRE_EQ(0, gfs_unmount(o->mount->fs));
	}
	o->done = true;
}

static struct mount *
living(void)
{
	struct mount *m;

	do
		m = &t.mounts[rnd() % MOUNTS];
	while (!m->alive || m->quiet);
	return m;
}

/* One operation on one mount, compared with the model. */
static void
step(struct model *m)
{
	struct mount *mt = living();
	struct op *op = &t.ops[t.nops];
	char why[16];
	uint64_t began;
	int error, expect;

	ATF_REQUIRE(t.nops < OPS_MAX);
	op_random(op, rnd);
	op->mount = mt->id;
	mt->busy++;
	began = env_now(t.env);
	error = op_run(mt->fs, op, m);
	t.slowest_us = MAX(t.slowest_us, env_now(t.env) - began);
	mt->busy--;
	op->ended = mt->alive;
	t.nops++;
	if (!mt->alive)
		return; /* what it returned went nowhere */
	if (model_unsure) {
		op->late = true;
		op->error = error;
		return;
	}
	expect = model_apply(m, op);
	if (error != expect) {
		for (unsigned i = t.nops < 40 ? 0 : t.nops - 40; i < t.nops;
		     i++)
			op_print(&t.ops[i]);
		snprintf(why, sizeof(why), "%d", error);
		atf_tc_fail("operation %u ended with %s, not %d", t.nops - 1,
		    why, expect);
	}
	if (op->kind == OP_FSYNC && error == 0)
		t.synced[mt->id] = t.nops;
	if (rnd() % 4 == 0)
		env_sleep(t.env, rnd() % 5000);
}

static void
bury(struct mount *m)
{
	while (m->busy > 0)
		env_sleep(t.env, 1000);
	(void)gfs_unmount(m->fs);
	m->fs = NULL;
}

static unsigned
count_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MOUNTS; i++)
		n += t.mounts[i].alive;
	return n;
}

static void
start_third(struct third_one *o, const struct mount *victim)
{
	o->what = (enum third)(rnd() % THIRDS);
	if (count_alive() < MOUNTS)
		o->what = THIRD_LIVES;
	if (o->what == THIRD_LIVES)
		return;
	do
		o->mount = living();
	while (o->mount == victim);
	printf("  mount %u dies, mount %u then %s\n", victim->id, o->mount->id,
	    o->what == THIRD_DIES ? "dies, too" : "leaves");
	/* All it has done is durable, so that one death is to be explained. */
	o->mount->quiet = true;
	ATF_REQUIRE_EQ(0, gfs_sync(o->mount->fs));
	ATF_REQUIRE(env_spawn(t.env, third_fiber, o, "third") != NULL);
}

static void
come_back(struct mount *m)
{
	mount_start(m);
	start_noise(m);
}

static void
crash_round(struct model *model)
{
	struct mount *m = living();
	struct third_one third = { NULL, THIRD_LIVES, false };

	t.kill_now = false;
	start_third(&third, m);
	ATF_REQUIRE(env_spawn(t.env, kill_fiber, m, "kill") != NULL);
	while (!t.kill_now)
		step(model);
	resolve(model, living()->fs, m->id);
	while (third.what != THIRD_LIVES && !third.done)
		env_sleep(t.env, 1000);
	model_unsure = false;
	if (third.what == THIRD_DIES)
		bury(third.mount);
	bury(m);
	if (third.what != THIRD_LIVES)
		come_back(third.mount);
	if (rnd() % 3 != 0)
		come_back(m);
}

static void
compare_all(struct model *m)
{
	char why[128];

	for (unsigned i = 0; i < MOUNTS; i++)
		if (t.mounts[i].alive)
			ATF_REQUIRE_MSG(model_matches(m, t.mounts[i].fs, why,
					    sizeof(why)),
			    "mount %u: %s", t.mounts[i].id, why);
}

struct plan {
	unsigned ops, crashes;
};

static void
main_fiber(void *arg)
{
	const struct plan *plan = arg;
	struct model model;

	model_init(&model);
	for (unsigned i = 0; i < MOUNTS; i++)
		mount_start(&t.mounts[i]);
	ATF_REQUIRE_EQ(0, model_mkfs(t.mounts[0].fs));
	ATF_REQUIRE_EQ(0, gfs_sync(t.mounts[0].fs));
	for (unsigned i = 0; i < MOUNTS; i++)
		start_noise(&t.mounts[i]);
	for (unsigned i = 0; i < plan->ops; i++)
		step(&model);
	for (unsigned i = 0; i < plan->crashes && i < MOUNTS - 1; i++) {
		crash_round(&model);
		for (unsigned k = 0; k < plan->ops / 4; k++)
			step(&model);
	}
	t.stop_noise = true;
	while (t.noise > 0)
		env_sleep(t.env, 1000);
	compare_all(&model);
	check_noise(living()->fs);
	for (unsigned i = 0; i < MOUNTS; i++)
		if (t.mounts[i].alive)
			ATF_REQUIRE_EQ(0, gfs_unmount(t.mounts[i].fs));
	/*
	 * Who dies just after a replay leaves the free-space count of that
	 * journal to the next mount that uses it: let there be one of each.
	 */
	for (unsigned i = 0; i < MOUNTS && plan->crashes > 0; i++)
		mount_start(&t.mounts[i]);
	for (unsigned i = 0; i < MOUNTS && plan->crashes > 0; i++)
		ATF_REQUIRE_EQ(0, gfs_unmount(t.mounts[i].fs));
	simlm_free(t.lm);
	model_free(&model);
	t.done = true;
}

static void
run(uint64_t seed, unsigned bsize, unsigned ops, unsigned crashes)
{
	struct plan plan = { ops, crashes };

	printf("seed %llu, blocks of %u\n", (unsigned long long)seed, bsize);
	memset(&t, 0, sizeof(t));
	model_unsure = false;
	t.seed = seed;
	t.nextid = 1;
	/* mkfs.gfs2 draws random numbers: one volume serves every seed. */
	sh("[ -f fresh.%u ] || { truncate -s 80M fresh.%u && mkfs.gfs2 -O -q "
	   "-b %u -p lock_dlm -t t:fs -j 4 -J 8 fresh.%u; } && "
	   "cp --sparse=always fresh.%u image",
	    bsize, bsize, bsize, bsize, bsize);
	t.env = env_sim_new();
	ATF_REQUIRE(t.env != NULL);
	env_sim_latency(t.env, 300, seed);
	t.lm = simlm_new(t.env, seed + 7, seed % 2 ? 200 : 2000);
	ATF_REQUIRE(env_spawn(t.env, main_fiber, &plan, "main") != NULL);
	env_sim_run(t.env, NULL);
	ATF_REQUIRE_MSG(t.done, "seed %llu: stuck after %u operations",
	    (unsigned long long)seed, t.nops);
	/* Virtual time, deaths included: nobody is kept out of a lock. */
	ATF_REQUIRE_MSG(t.slowest_us < 3000000, "an operation took %llu ms",
	    (unsigned long long)t.slowest_us / 1000);
	env_free(t.env);
	/*
	 * Who dies between the two writes that fold another's free-space count
	 * counts it twice; nothing but that estimate may be wrong then.
	 */
	if (t.two_died)
		sh("! fsck.gfs2 -n image 2>&1 | tr '\\r' '\\n' | "
		   "grep -vxE '%s'",
		    FSCK_CALM);
	else
		sh("fsck.gfs2 -n image");
}

ATF_TC_WITHOUT_HEAD(coherent);
ATF_TC_BODY(coherent, tc)
{
	static const unsigned bsizes[] = { 4096, 1024, 4096, 512 };

	need_program("mkfs.gfs2");
	for (uint64_t seed = 1; seed <= 12; seed++)
		run(seed, bsizes[seed % NITEMS(bsizes)], 400, 0);
}

ATF_TC_WITHOUT_HEAD(deaths);
ATF_TC_BODY(deaths, tc)
{
	static const unsigned bsizes[] = { 4096, 1024, 4096, 512 };

	need_program("mkfs.gfs2");
	for (uint64_t seed = 101; seed <= 130; seed++)
		run(seed, bsizes[seed % NITEMS(bsizes)], 120, 2);
}

/* For long searches: COH_SEEDS=FIRST-LAST coherence_test soak */
ATF_TC_WITHOUT_HEAD(soak);
ATF_TC_BODY(soak, tc)
{
	static const unsigned bsizes[] = { 4096, 1024, 4096, 512 };
	const char *s = getenv("COH_SEEDS");
	unsigned first, last;

	need_program("mkfs.gfs2");
	if (s == NULL || sscanf(s, "%u-%u", &first, &last) != 2)
		atf_tc_fail("COH_SEEDS is not FIRST-LAST");
	for (unsigned seed = first; seed <= last; seed++)
		run(seed, bsizes[seed % NITEMS(bsizes)], 120, 2);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, coherent);
	ATF_TP_ADD_TC(tp, deaths);
	if (getenv("COH_SEEDS") != NULL)
		ATF_TP_ADD_TC(tp, soak);
	return atf_no_error();
}
