/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the lock state machine and the recovery protocol without a file
 * system: nodes read and write numbers on a pretended disk under glocks, with
 * the real glock sources and a simulated lock manager.  Whatever the order of
 * messages: nobody reads a stale number, EX is exclusive, every operation
 * ends, a dead node's locks are used only after its journal was replayed, by
 * one node at a time.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>

#include "libgfs/fs.h"
#include "regress/gfs/lock_sim.h"

enum {
	NODES = 3,
	OBJECTS = 4,
	JOURNALS = 8,
	SHARED = 500 /* a lock that users and replay both need, as statfs */
};

struct journal {
	uint64_t addr;
};

struct node {
	struct gfs fs;
	unsigned id;
	bool alive;
	struct simlm_opts opts;
	int cache[OBJECTS]; /* what the node thinks the object is */
	bool cached[OBJECTS];
	bool dirty[OBJECTS];
	struct journal addrs[JOURNALS], *journals[JOURNALS];
};

struct world {
	struct env *env;
	struct simlm *lm;
	struct node nodes[NODES];
	int disk[OBJECTS];
	int truth[OBJECTS]; /* the last write that ended */
	int readers[OBJECTS], writers[OBJECTS];
	bool journal_dirty[JOURNALS];
	int journal_image[JOURNALS][OBJECTS]; /* -1: nothing logged */
	bool replaying[JOURNALS];
	unsigned active;
	unsigned replays;
	bool done;
	uint64_t seed;
};

/* The sources under test call these; w is the test that runs now. */
static struct world *w;

static struct node *
node_of(struct gfs *fs)
{
	return (struct node *)(void *)fs;
}

static uint64_t
rnd(void)
{
	uint64_t z = w->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool
is_object(const struct glock *gl)
{
	return gl->number < OBJECTS;
}

static int
obj_sync(struct glock *gl)
{
	struct node *n = node_of(gl->fs);

	if (!is_object(gl))
		return 0;
	ATF_REQUIRE(TAILQ_EMPTY(&gl->holders));
	env_sleep(w->env, 1 + rnd() % 50);
	if (gl->fs->withdrawn)
		return EIO;
	if (n->dirty[gl->number])
		w->disk[gl->number] = n->cache[gl->number];
	n->dirty[gl->number] = false;
	w->journal_image[gl->fs->jid][gl->number] = -1;
	return 0;
}

static void
obj_inval(struct glock *gl, bool data_only)
{
	struct node *n = node_of(gl->fs);

	if (!is_object(gl))
		return;
	ATF_REQUIRE(!n->dirty[gl->number]);
	n->cached[gl->number] = false;
}

static int
obj_instantiate(struct glock *gl)
{
	struct node *n = node_of(gl->fs);

	if (!is_object(gl))
		return 0;
	env_sleep(w->env, 1 + rnd() % 50);
	ATF_REQUIRE(!n->cached[gl->number]);
	n->cache[gl->number] = w->disk[gl->number];
	n->cached[gl->number] = true;
	return 0;
}

const struct glock_ops glops_inode = {
	.sync = obj_sync,
	.inval = obj_inval,
	.instantiate = obj_instantiate,
	.lvb = true,
	.hold_time = true,
};
const struct glock_ops glops_rgrp = {
	.sync = obj_sync,
	.inval = obj_inval,
	.instantiate = obj_instantiate,
	.lvb = true,
};
const struct glock_ops glops_iopen, glops_meta, glops_other;

void
dev_permit(struct dev *dev, bool yes)
{
}

uint64_t
jindex_inode(const struct journal *j)
{
	return j->addr;
}

/* Replay of a pretended journal: what it says becomes the disk. */
void
unlinked_scan(struct gfs *fs)
{
}

int
recovery_replay(struct gfs *fs, unsigned jid, bool *replayed)
{
	struct gholder gh;
	int error;

	*replayed = w->journal_dirty[jid];
	ATF_REQUIRE(!w->replaying[jid]);
	w->replaying[jid] = true;
	env_sleep(w->env, 1 + rnd() % 400);
	gholder_init(&gh);
	error = glock_lock(fs, GL_INODE, SHARED, GLS_EX,
	    GLF_NOEXP | GLF_NOCACHE | GLF_SKIP, &gh);
	if (error == 0)
		env_sleep(w->env, rnd() % 50);
	glock_release(&gh);
	if (fs->withdrawn) {
		w->replaying[jid] = false;
		return EIO;
	}
	ATF_REQUIRE_EQ(0, error);
	for (unsigned i = 0; i < OBJECTS; i++)
		if (w->journal_image[jid][i] != -1) {
			w->disk[i] = w->journal_image[jid][i];
			w->journal_image[jid][i] = -1;
		}
	w->journal_dirty[jid] = false;
	w->replaying[jid] = false;
	w->replays++;
	return 0;
}

static void
say(void *arg, const char *line)
{
}

/* The part of gfs_mount() that concerns locks. */
static void
node_mount(struct node *n, unsigned id)
{
	struct gfs *fs = &n->fs;
	char why[256] = "";
	bool first, replayed;
	int error;

	memset(n, 0, sizeof(*n));
	n->id = id;
	n->opts.cluster = w->lm;
	n->opts.node = id;
	fs->env = w->env;
	fs->lmops = &lm_sim;
	fs->logfn = say;
	ATF_REQUIRE_EQ(0, glock_init(fs));
	ATF_REQUIRE_EQ(0, recover_init(fs));
	ATF_REQUIRE_EQ(0,
	    fs->lmops->mount(&fs->lm, "t:t", &glock_upcalls, fs, &n->opts, why,
		sizeof(why)));
	error = recover_enter(fs, &first, why, sizeof(why));
	ATF_REQUIRE_MSG(error == 0, "enter: %d %s", error, why);
	fs->journals = n->journals;
	fs->njournals = JOURNALS;
	for (unsigned i = 0; i < JOURNALS; i++) {
		n->addrs[i].addr = 1000 + i;
		n->journals[i] = &n->addrs[i];
	}
	gholder_init(&fs->gh_journal);
	if (first) {
		for (unsigned i = 0; i < JOURNALS; i++)
			ATF_REQUIRE_EQ(0, recover_journal(fs, i, &replayed));
		ATF_REQUIRE_EQ(0, recover_first_done(fs));
	} else {
		ATF_REQUIRE(!w->journal_dirty[fs->jid]);
	}
	ATF_REQUIRE_EQ(0,
	    glock_lock(fs, GL_JOURNAL, fs->jid, GLS_EX, GLF_NOEXP,
		&fs->gh_journal));
	ATF_REQUIRE_EQ(0, recover_start(fs));
	for (unsigned i = 0; i < OBJECTS; i++)
		w->journal_image[fs->jid][i] = -1;
	w->journal_dirty[fs->jid] = true;
	n->alive = true;
}

static void
node_unmount(struct node *n, bool dead)
{
	struct gfs *fs = &n->fs;

	n->alive = false;
	recover_stop(fs);
	if (!dead)
		w->journal_dirty[fs->jid] = false;
	glock_release(&fs->gh_journal);
	glock_drop_all(fs);
	fs->lmops->unmount(fs->lm);
	glock_exit(fs);
	recover_exit(fs);
	if (!dead)
		for (unsigned i = 0; i < OBJECTS; i++)
			ATF_REQUIRE(!n->dirty[i]);
}

/* One operation: false when the node died over it. */
static bool
read_object(struct node *n, enum glock_type type, unsigned obj, unsigned flags)
{
	struct gholder gh;
	int error;

	gholder_init(&gh);
	error = glock_lock(&n->fs, type, obj, GLS_SH, flags, &gh);
	if (error == EIO && n->fs.withdrawn)
		return false;
	if (error == EAGAIN && (flags & GLF_TRY))
		return true;
	ATF_REQUIRE_EQ(0, error);
	w->readers[obj]++;
	ATF_REQUIRE_EQ_MSG(0, w->writers[obj], "read beside a write");
	ATF_REQUIRE_EQ_MSG(w->truth[obj], n->cache[obj], "node %u object %u",
	    n->id, obj);
	env_sleep(w->env, rnd() % 20);
	if (!n->fs.withdrawn)
		ATF_REQUIRE_EQ(w->truth[obj], n->cache[obj]);
	w->readers[obj]--;
	glock_release(&gh);
	return true;
}

static bool
write_object(struct node *n, enum glock_type type, unsigned obj, unsigned flags)
{
	struct gholder gh;
	int error;

	gholder_init(&gh);
	error = glock_lock(&n->fs, type, obj, GLS_EX, flags, &gh);
	if (error == EIO && n->fs.withdrawn)
		return false;
	if (error == EAGAIN && (flags & GLF_TRY))
		return true;
	ATF_REQUIRE_EQ(0, error);
	ATF_REQUIRE_EQ_MSG(0, w->writers[obj] + w->readers[obj],
	    "write beside others");
	w->writers[obj]++;
	ATF_REQUIRE_EQ(w->truth[obj], n->cache[obj]);
	env_sleep(w->env, rnd() % 20);
	w->writers[obj]--;
	if (n->fs.withdrawn) {
		glock_release(&gh);
		return false;
	}
	/* Logged at once, written home when somebody else wants it. */
	w->truth[obj]++;
	n->cache[obj] = w->truth[obj];
	n->dirty[obj] = true;
	w->journal_image[n->fs.jid][obj] = w->truth[obj];
	glock_release(&gh);
	return true;
}

/* Locks are per type, objects too: one of them is an rgrp, say. */
static enum glock_type
type_of(unsigned obj)
{
	return obj == 0 ? GL_RGRP : GL_INODE;
}

static bool
rename_objects(struct node *n)
{
	struct gholder gh[3];
	int error;

	for (unsigned i = 0; i < NITEMS(gh); i++) {
		unsigned obj = 1 + rnd() % (OBJECTS - 1);

		gholder_init(&gh[i]);
		ATF_REQUIRE_EQ(0, glock_get(&n->fs, GL_INODE, obj, &gh[i].gl));
	}
	error = glock_acquire_all(&n->fs, gh, NITEMS(gh));
	if (error == EIO && n->fs.withdrawn)
		return false;
	ATF_REQUIRE_EQ(0, error);
	for (unsigned i = 0; i < NITEMS(gh); i++)
		if (gh[i].gl != NULL) {
			ATF_REQUIRE_EQ(0, w->writers[gh[i].gl->number]);
			w->writers[gh[i].gl->number]++;
		}
	env_sleep(w->env, rnd() % 20);
	for (unsigned i = 0; i < NITEMS(gh); i++)
		if (gh[i].gl != NULL) {
			w->writers[gh[i].gl->number]--;
			glock_release(&gh[i]);
		}
	return true;
}

static bool
touch_shared(struct node *n, unsigned flags)
{
	struct gholder gh;
	int error;

	gholder_init(&gh);
	error = glock_lock(&n->fs, GL_INODE, SHARED, GLS_EX, flags, &gh);
	if (error == EIO && n->fs.withdrawn)
		return false;
	ATF_REQUIRE_EQ(0, error);
	env_sleep(w->env, rnd() % 20);
	glock_release(&gh);
	return true;
}

struct user {
	struct node *n;
	unsigned ops;
};

static void
user_fiber(void *arg)
{
	struct user *u = arg;
	unsigned obj;
	bool ok = true;

	while (ok && u->ops-- > 0) {
		obj = rnd() % OBJECTS;
		switch (rnd() % 12) {
		case 0:
		case 1:
		case 2:
		case 3:
			ok = read_object(u->n, type_of(obj), obj, 0);
			break;
		case 4:
			ok = read_object(u->n, type_of(obj), obj, GLF_TRY);
			break;
		case 5:
			ok = write_object(u->n, type_of(obj), obj, GLF_TRY);
			break;
		case 6:
			ok = write_object(u->n, type_of(obj), obj, GLF_NOCACHE);
			break;
		case 7:
			ok = rename_objects(u->n);
			break;
		case 8:
			ok = touch_shared(u->n, 0);
			break;
		case 9:
			ok = touch_shared(u->n, GLF_NOCACHE);
			break;
		default:
			ok = write_object(u->n, type_of(obj), obj, 0);
		}
		if (rnd() % 4 == 0)
			env_sleep(w->env, rnd() % 2000);
	}
	w->active--;
	free(u);
}

static void
start_users(struct node *n, unsigned users, unsigned ops)
{
	for (unsigned i = 0; i < users; i++) {
		struct user *u = calloc(1, sizeof(*u));

		ATF_REQUIRE(u != NULL);
		u->n = n;
		u->ops = ops;
		w->active++;
		ATF_REQUIRE(env_spawn(w->env, user_fiber, u, "user") != NULL);
	}
}

static void
wait_users(void)
{
	while (w->active > 0)
		env_sleep(w->env, 1000);
}

static void
random_main(void *arg)
{
	for (unsigned i = 0; i < NODES; i++)
		node_mount(&w->nodes[i], i + 1);
	for (unsigned i = 0; i < NODES; i++)
		start_users(&w->nodes[i], 3, 12);
	wait_users();
	for (unsigned i = 0; i < NODES; i++)
		node_unmount(&w->nodes[i], false);
	for (unsigned i = 0; i < OBJECTS; i++)
		ATF_REQUIRE_EQ(w->truth[i], w->disk[i]);
	simlm_free(w->lm);
	w->done = true;
}

static void
crash(struct node *n)
{
	simlm_kill(w->lm, n->id);
	gfs_abort(&n->fs, "killed by the test");
}

static void
crash_main(void *arg)
{
	struct node *victim;
	unsigned k;

	for (unsigned i = 0; i < NODES; i++)
		node_mount(&w->nodes[i], i + 1);
	for (unsigned i = 0; i < NODES; i++)
		start_users(&w->nodes[i], 3, 15);
	for (unsigned round = 0; round < 3; round++) {
		env_sleep(w->env, rnd() % 60000);
		k = rnd() % NODES;
		victim = &w->nodes[k];
		if (!victim->alive)
			continue;
		crash(victim);
		/* Its users must go before the struct is used again. */
		env_sleep(w->env, 200000);
		node_unmount(victim, true);
		if (rnd() % 2) {
			node_mount(victim, 10 + 10 * round + k);
			start_users(victim, 2, 8);
		}
	}
	wait_users();
	/* Whoever comes after everybody died is the first and replays all. */
	for (k = 0; k < NODES && !w->nodes[k].alive; k++)
		;
	if (k == NODES)
		node_mount(&w->nodes[0], 100);
	for (unsigned i = 0; i < NODES; i++)
		if (w->nodes[i].alive)
			node_unmount(&w->nodes[i], false);
	for (unsigned i = 0; i < JOURNALS; i++)
		ATF_REQUIRE(!w->journal_dirty[i]);
	for (unsigned i = 0; i < OBJECTS; i++)
		ATF_REQUIRE_EQ(w->truth[i], w->disk[i]);
	simlm_free(w->lm);
	w->done = true;
}

static void
world_run(void (*fn)(void *), uint64_t seed, unsigned delay_us,
    unsigned (*choose)(void *, unsigned), void *arg)
{
	struct world world;

	memset(&world, 0, sizeof(world));
	w = &world;
	w->seed = seed;
	memset(w->journal_image, 0xff, sizeof(w->journal_image));
	w->env = env_sim_new();
	ATF_REQUIRE(w->env != NULL);
	w->lm = simlm_new(w->env, seed * 77 + 1, delay_us);
	simlm_set_chooser(w->lm, choose, arg);
	ATF_REQUIRE(env_spawn(w->env, fn, NULL, "main") != NULL);
	env_sim_run(w->env, NULL);
	ATF_REQUIRE_MSG(w->done, "seed %llu: stuck, %u users left",
	    (unsigned long long)seed, w->active);
	env_free(w->env);
	w = NULL;
}

ATF_TC_WITHOUT_HEAD(random_operations);
ATF_TC_BODY(random_operations, tc)
{
	for (uint64_t seed = 1; seed <= 2000; seed++)
		world_run(random_main, seed, seed % 3 == 0 ? 5 : 3000, NULL,
		    NULL);
}

ATF_TC_WITHOUT_HEAD(crashes);
ATF_TC_BODY(crashes, tc)
{
	for (uint64_t seed = 1; seed <= 1500; seed++)
		world_run(crash_main, seed, seed % 3 == 0 ? 5 : 3000, NULL,
		    NULL);
}

/*
 * The order of message delivery as an odometer: each choice is one digit,
 * counted up from the last one, so that every order is walked once.
 */
struct odometer {
	unsigned digit[256], base[256];
	unsigned len, pos;
};

static unsigned
odometer_choose(void *arg, unsigned n)
{
	struct odometer *o = arg;

	if (o->pos >= NITEMS(o->digit))
		return 0;
	if (o->pos == o->len) {
		o->digit[o->len] = 0;
		o->base[o->len] = n;
		o->len++;
	}
	ATF_REQUIRE_EQ(n, o->base[o->pos]);
	return o->digit[o->pos++];
}

static bool
odometer_next(struct odometer *o)
{
	while (o->len > 0 && o->digit[o->len - 1] + 1 == o->base[o->len - 1])
		o->len--;
	if (o->len == 0)
		return false;
	o->digit[o->len - 1]++;
	o->pos = 0;
	return true;
}

struct script {
	char ops[NODES][4]; /* r, w, R (try), per node, one object */
};
static const struct script *script;
static struct odometer *odometer;

static void
script_fiber(void *arg)
{
	struct node *n = arg;
	const char *p = script->ops[n->id - 1];

	for (; *p != '\0'; p++)
		if (*p == 'w')
			write_object(n, GL_RGRP, 0, 0);
		else
			read_object(n, GL_RGRP, 0, *p == 'R' ? GLF_TRY : 0);
	w->active--;
}

static void
script_main(void *arg)
{
	for (unsigned i = 0; i < NODES; i++)
		if (script->ops[i][0] != '\0')
			node_mount(&w->nodes[i], i + 1);
	/* Only what follows is walked in every order. */
	simlm_set_chooser(w->lm, odometer_choose, odometer);
	for (unsigned i = 0; i < NODES; i++)
		if (script->ops[i][0] != '\0') {
			w->active++;
			ATF_REQUIRE(env_spawn(w->env, script_fiber,
					&w->nodes[i], "script") != NULL);
		}
	wait_users();
	simlm_set_chooser(w->lm, NULL, NULL);
	for (unsigned i = 0; i < NODES; i++)
		if (script->ops[i][0] != '\0')
			node_unmount(&w->nodes[i], false);
	ATF_REQUIRE_EQ(w->truth[0], w->disk[0]);
	simlm_free(w->lm);
	w->done = true;
}

ATF_TC_WITHOUT_HEAD(every_order);
ATF_TC_BODY(every_order, tc)
{
	static const struct script scripts[] = {
		{ { "w", "w", "" } },
		{ { "r", "w", "" } },
		{ { "rw", "rw", "" } },
		{ { "wr", "Rw", "" } },
		{ { "rw", "w", "r" } },
		{ { "w", "w", "w" } },
	};
	struct odometer o;
	unsigned runs;

	for (unsigned i = 0; i < NITEMS(scripts); i++) {
		memset(&o, 0, sizeof(o));
		script = &scripts[i];
		odometer = &o;
		runs = 0;
		do {
			world_run(script_main, 1, 5, NULL, NULL);
			runs++;
		} while (odometer_next(&o) && runs < 3000);
		printf("script %u: %u orders\n", i, runs);
		ATF_CHECK(runs > 1);
	}
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	char name[LM_NAME_LEN + 1] = "";

	glock_name(name, GL_INODE, 0x16);
	ATF_CHECK_STREQ("       2              16", name);
	glock_name(name, GL_RGRP, UINT64_MAX);
	ATF_CHECK_STREQ("       3ffffffffffffffff", name);
}

ATF_TC_WITHOUT_HEAD(decisions);
ATF_TC_BODY(decisions, tc)
{
	struct glock gl;
	struct gholder a, b;

	memset(&gl, 0, sizeof(gl));
	TAILQ_INIT(&gl.holders);
	TAILQ_INIT(&gl.waiters);
	gholder_init(&a);
	gholder_init(&b);
	ATF_CHECK_EQ(GLA_DISPOSE, glock_next(&gl, 0));
	gl.refs = 1;
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	a.state = GLS_SH;
	TAILQ_INSERT_TAIL(&gl.waiters, &a, entry);
	ATF_CHECK_EQ(GLA_REQUEST, glock_next(&gl, 0));
	gl.state = GLS_EX;
	ATF_CHECK_EQ(GLA_GRANT, glock_next(&gl, 0));
	a.flags = GLF_EXACT;
	ATF_CHECK_EQ(GLA_REQUEST, glock_next(&gl, 0));
	a.flags = 0;
	/* A due demand goes before waiters, one that may wait does not. */
	glock_demand(&gl, GLS_SH);
	ATF_CHECK_EQ(GLA_DEMOTE, glock_next(&gl, 0));
	gl.delayed = true;
	gl.hold_until = 10;
	ATF_CHECK_EQ(GLA_GRANT, glock_next(&gl, 9));
	ATF_CHECK_EQ(GLA_DEMOTE, glock_next(&gl, 10));
	glock_demand(&gl, GLS_DF);
	ATF_CHECK_EQ(GLS_UN, gl.demote);
	/* EX is shared by those who both say so, and by nobody else. */
	gl.demand = false;
	b.state = GLS_EX;
	TAILQ_INSERT_TAIL(&gl.holders, &b, entry);
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	a.state = GLS_EX;
	a.flags = b.flags = GLF_NODE_SCOPE;
	ATF_CHECK_EQ(GLA_GRANT, glock_next(&gl, 0));
	b.flags = 0;
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	gl.busy = true;
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	/* Parked: for recovery alone, but given up when somebody asks. */
	gl.busy = false;
	gl.parked = true;
	TAILQ_REMOVE(&gl.holders, &b, entry);
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	a.flags = GLF_NOEXP;
	ATF_CHECK_EQ(GLA_GRANT, glock_next(&gl, 0));
	a.flags = 0;
	gl.delayed = false;
	glock_demand(&gl, GLS_UN);
	ATF_CHECK_EQ(GLA_DEMOTE, glock_next(&gl, 0));
	gl.state = GLS_UN;
	gl.demand = false;
	ATF_CHECK_EQ(GLA_NONE, glock_next(&gl, 0));
	gl.parked = false;
	ATF_CHECK_EQ(GLA_REQUEST, glock_next(&gl, 0));
}

static void
none_main(void *arg)
{
	struct gfs fs;
	struct gholder gh, gh2;
	char why[64];
	bool first = false;

	memset(&fs, 0, sizeof(fs));
	fs.env = w->env;
	fs.lmops = &lm_none;
	gholder_init(&gh);
	gholder_init(&gh2);
	ATF_REQUIRE_EQ(0, glock_init(&fs));
	ATF_REQUIRE_EQ(0, recover_init(&fs));
	ATF_REQUIRE_EQ(0,
	    lm_none.mount(&fs.lm, "", &glock_upcalls, &fs, NULL, why,
		sizeof(why)));
	ATF_REQUIRE_EQ(0, recover_enter(&fs, &first, why, sizeof(why)));
	ATF_CHECK(first);
	ATF_CHECK_EQ(0, fs.jid);
	ATF_REQUIRE_EQ(0,
	    glock_lock(&fs, GL_NONDISK, GLN_RENAME, GLS_EX, 0, &gh));
	ATF_CHECK_EQ(EAGAIN,
	    glock_lock(&fs, GL_NONDISK, GLN_RENAME, GLS_SH, GLF_TRY, &gh2));
	glock_release(&gh);
	ATF_REQUIRE_EQ(0,
	    glock_lock(&fs, GL_NONDISK, GLN_RENAME, GLS_SH, 0, &gh2));
	ATF_CHECK(glock_held(gh2.gl, GLS_SH));
	/* A withdrawn mount refuses everything, and can be taken down. */
	gfs_abort(&fs, "enough");
	ATF_CHECK_EQ(EIO,
	    glock_lock(&fs, GL_NONDISK, GLN_MOUNT, GLS_SH, 0, &gh));
	glock_release(&gh2);
	recover_stop(&fs);
	glock_drop_all(&fs);
	lm_none.unmount(fs.lm);
	glock_exit(&fs);
	recover_exit(&fs);
	simlm_free(w->lm);
	w->done = true;
}

ATF_TC_WITHOUT_HEAD(single_node);
ATF_TC_BODY(single_node, tc)
{
	world_run(none_main, 1, 1, NULL, NULL);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, decisions);
	ATF_TP_ADD_TC(tp, single_node);
	ATF_TP_ADD_TC(tp, every_order);
	ATF_TP_ADD_TC(tp, random_operations);
	ATF_TP_ADD_TC(tp, crashes);
	return atf_no_error();
}
