/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Mounting and unmounting, in the kernel's order.  Locks that say "we are
 * here" (live, our journal, our per-node files, freeze) are held from mount
 * to unmount; the mount lock only while mounting, so that one node mounts at
 * a time.
 */

#include <errno.h>
#include <stdio.h>

#include "fs.h"

struct mounting {
	struct gfs *fs;
	const struct gfs_mount *opts;
	char *why;
	size_t whylen;
	bool first;
	bool replayed; /* a journal was dirty */
};

/* For failures without a sentence of their own. */
static int
say(struct mounting *m, int error, const char *what)
{
	if (error != 0 && m->why[0] == '\0')
		snprintf(m->why, m->whylen, "%s: %s", what,
		    m->fs->withdrawn ? m->fs->withdraw_why : strerror(error));
	return error;
}

static int
open_device(struct mounting *m)
{
	struct gfs *fs = m->fs;
	const struct gfs_mount *o = m->opts;
	int error;

	error = dev_open(fs->env, o->device, o->fd, o->readonly, &fs->dev);
	if (error != 0)
		return say(m, error, o->device == NULL ? "device" : o->device);
	error = sb_read(fs, m->why, m->whylen);
	if (error != 0)
		return say(m, error, "superblock");
	if (o->table != NULL && o->table[0] != '\0')
		strlcpy(fs->table, o->table, sizeof(fs->table));
	else
		strlcpy(fs->table, fs->sb.locktable, sizeof(fs->table));
	return 0;
}

/* Joins the lock space and waits for our turn. */
static int
join(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = glock_init(fs);
	if (error == 0)
		error = recover_init(fs);
	if (error == 0)
		error = cache_init(fs, m->opts->cache_bytes);
	if (error != 0)
		return say(m, error, "starting");
	error = fs->lmops->mount(&fs->lm, fs->table, &glock_upcalls, fs,
	    m->opts->lm_opts, m->why, m->whylen);
	if (error != 0)
		return say(m, error, "joining the lock space");
	return recover_enter(fs, &m->first, m->why, m->whylen);
}

static int
first_locks(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = glock_lock(fs, GL_NONDISK, GLN_MOUNT, GLS_EX,
	    GLF_NOEXP | GLF_NOCACHE, &fs->gh_mount);
	if (error == 0)
		error = glock_lock(fs, GL_NONDISK, GLN_LIVE, GLS_SH,
		    GLF_NOEXP | GLF_EXACT, &fs->gh_live);
	if (error == 0)
		error = glock_lock(fs, GL_META, 0, GLS_SH, 0, &fs->gh_sb);
	if (error != 0)
		return say(m, error, "mount locks");
	/* tunegfs2 may have been at it since we looked without the lock. */
	return say(m, sb_read(fs, m->why, m->whylen), "superblock");
}

static int
find(struct mounting *m, struct ginode *dir, const char *name,
    struct ginode **ip)
{
	return say(m, gfs_lookup(dir, name, ip), name);
}

static int
find_numbered(struct mounting *m, const char *stem, struct ginode **ip)
{
	char name[32];

	snprintf(name, sizeof(name), "%s%u", stem, m->fs->jid);
	return find(m, m->fs->per_node, name, ip);
}

/* The hidden tree below the master directory. */
static int
system_files(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = say(m,
	    inode_get(fs, fs->sb.master.addr, fs->sb.master.formal,
		&fs->master),
	    "master directory");
	if (error == 0)
		error = say(m,
		    inode_get(fs, fs->sb.root.addr, fs->sb.root.formal,
			&fs->root),
		    "root directory");
	if (error == 0)
		error = find(m, fs->master, "jindex", &fs->jindex);
	if (error == 0)
		error = find(m, fs->master, "rindex", &fs->rindex);
	if (error == 0)
		error = find(m, fs->master, "per_node", &fs->per_node);
	if (error == 0)
		error = find(m, fs->master, "statfs", &fs->statfs_master);
	if (error == 0)
		error = say(m, jindex_load(fs, m->why, m->whylen), "jindex");
	if (error != 0)
		return error;
	if (fs->jid >= fs->njournals) {
		snprintf(m->why, m->whylen,
		    "the volume has %u journals, this "
		    "node needs journal %u: add one with gfs2_jadd on a node "
		    "that has it mounted with the kernel, or unmount "
		    "elsewhere",
		    fs->njournals, fs->jid);
		return EUSERS;
	}
	return 0;
}

static int
own_journal(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = glock_lock(fs, GL_JOURNAL, fs->jid, GLS_EX, GLF_NOEXP,
	    &fs->gh_journal);
	if (error == 0)
		error = glock_lock(fs, GL_INODE,
		    jindex_inode(fs->journals[fs->jid]), GLS_SH,
		    GLF_NOEXP | GLF_EXACT | GLF_NOCACHE | GLF_SKIP,
		    &fs->gh_jinode);
	return say(m, error, "our journal");
}

static int
own_files(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = find_numbered(m, "statfs_change", &fs->statfs_local);
	if (error == 0)
		error = find_numbered(m, "quota_change", &fs->quota_change);
	if (error != 0 || fs->readonly)
		return error;
	error = glock_acquire(fs->statfs_local->gl, GLS_EX, 0, &fs->gh_statfs);
	if (error == 0)
		error = glock_acquire(fs->quota_change->gl, GLS_EX, 0,
		    &fs->gh_quota);
	return say(m, error, "our per-node files");
}

/* One journal at mount. */
static int
replay_one(struct mounting *m, unsigned jid)
{
	struct gfs *fs = m->fs;
	bool replayed = false;
	int error;

	if (jid == fs->jid) {
		error = recovery_replay(fs, jid, &replayed);
		if (error == 0 && replayed)
			gfs_log(fs, "journal %u: replayed", jid);
	} else {
		error = recover_journal(fs, jid, &replayed);
	}
	m->replayed |= replayed;
	if (error == EROFS)
		snprintf(m->why, m->whylen,
		    "journal %u is dirty and the "
		    "mount is read-only: mount once read-write to replay it",
		    jid);
	else if (error != 0 && m->why[0] == '\0')
		snprintf(m->why, m->whylen,
		    "journal %u cannot be replayed: "
		    "%s; run fsck.gfs2 on the unmounted volume",
		    jid, fs->withdrawn ? fs->withdraw_why : strerror(error));
	return error;
}

static int
replay(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error = 0;

	if (!m->first) {
		error = say(m, recover_start(fs), "starting");
		return error != 0 ? error : replay_one(m, fs->jid);
	}
	for (unsigned i = 0; i < fs->njournals && error == 0; i++)
		error = replay_one(m, i);
	if (error == 0)
		error = say(m, recover_first_done(fs), "first mounter");
	if (error == 0)
		error = say(m, recover_start(fs), "starting");
	return error;
}

static int
start(struct mounting *m)
{
	struct gfs *fs = m->fs;
	int error;

	error = glock_lock(fs, GL_NONDISK, GLN_FREEZE, GLS_SH,
	    GLF_NOEXP | GLF_EXACT, &fs->gh_freeze);
	if (error == 0)
		error = rgrp_init(fs);
	if (error != 0)
		return say(m, error, "resource groups");
	if (!fs->readonly) {
		error = say(m, log_start(fs), "starting the journal");
		if (error == 0)
			error = say(m, statfs_start(fs), "statfs");
		if (error == 0)
			error = say(m, unlinked_start(fs), "starting");
		if (error == 0 && m->replayed)
			unlinked_scan(fs);
	}
	return error;
}

static void
put_inode(struct ginode **ip)
{
	if (*ip != NULL)
		inode_put(*ip);
	*ip = NULL;
}

/* Undoes whatever part of the mount exists. */
static void
tear_down(struct gfs *fs)
{
	recover_stop(fs);
	rgrp_destroy(fs);
	glock_release(&fs->gh_quota);
	glock_release(&fs->gh_statfs);
	put_inode(&fs->quota_change);
	put_inode(&fs->statfs_local);
	put_inode(&fs->statfs_master);
	glock_release(&fs->gh_jinode);
	jindex_free(fs);
	put_inode(&fs->rindex);
	put_inode(&fs->per_node);
	put_inode(&fs->jindex);
	put_inode(&fs->root);
	put_inode(&fs->master);
	glock_release(&fs->gh_freeze);
	glock_release(&fs->gh_journal);
	glock_release(&fs->gh_sb);
	glock_release(&fs->gh_live);
	glock_release(&fs->gh_mount);
	if (fs->lm != NULL) {
		glock_drop_all(fs);
		fs->lmops->unmount(fs->lm);
	}
	if (fs->cache != NULL)
		cache_destroy(fs);
	glock_exit(fs);
	recover_exit(fs);
	if (fs->dev != NULL)
		dev_close(fs->dev);
	free(fs);
}

static void
init_holders(struct gfs *fs)
{
	gholder_init(&fs->gh_mount);
	gholder_init(&fs->gh_live);
	gholder_init(&fs->gh_sb);
	gholder_init(&fs->gh_journal);
	gholder_init(&fs->gh_jinode);
	gholder_init(&fs->gh_statfs);
	gholder_init(&fs->gh_quota);
	gholder_init(&fs->gh_freeze);
}

/* What was started last stops first, while locks can still be had. */
static int
stop(struct gfs *fs)
{
	int error;

	if (fs->log == NULL)
		return 0;
	unlinked_stop(fs);
	statfs_stop(fs);
	glock_pause(fs);
	error = log_stop(fs);
	glock_resume(fs);
	return error;
}

int
gfs_mount(struct env *env, const struct gfs_mount *opts, struct gfs **out,
    char *why, size_t whylen)
{
	struct mounting m = { NULL, opts, why, whylen, false, false };
	struct gfs *fs;
	int error;

	*out = NULL;
	why[0] = '\0';
	fs = calloc(1, sizeof(*fs));
	if (fs == NULL) {
		snprintf(why, whylen, "out of memory");
		return ENOMEM;
	}
	m.fs = fs;
	fs->env = env;
	fs->readonly = opts->readonly;
	fs->noatime = opts->noatime;
	fs->lmops = opts->lm;
	fs->logfn = opts->log;
	fs->logarg = opts->log_arg;
	fs->commit_us = opts->commit_us != 0 ? opts->commit_us : 1000000;
	RB_INIT(&fs->inodes);
	init_holders(fs);
	error = open_device(&m);
	if (error == 0)
		error = join(&m);
	if (error == 0)
		error = first_locks(&m);
	if (error == 0)
		error = system_files(&m);
	if (error == 0)
		error = own_journal(&m);
	if (error == 0)
		error = replay(&m);
	if (error == 0)
		error = own_files(&m);
	if (error == 0)
		error = start(&m);
	if (error != 0) {
		stop(fs);
		tear_down(fs);
		return error;
	}
	glock_release(&fs->gh_mount);
	*out = fs;
	return 0;
}

int
gfs_unmount(struct gfs *fs)
{
	int error;

	error = stop(fs);
	tear_down(fs);
	return error;
}

struct ginode *
gfs_root(struct gfs *fs)
{
	inode_hold(fs->root);
	return fs->root;
}
