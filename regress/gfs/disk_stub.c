/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * See disk_stub.h.  The stubbed calls do what their contracts say for a
 * single node that reads small directories and files of any height.
 */

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "disk_stub.h"

bool
fsck_clean(const char *path)
{
	char out[4096];
	int rc = sh_status(out, sizeof(out), "fsck.gfs2 -n %s", path);

	if (rc != 0)
		fprintf(stderr, "fsck.gfs2: exit %d\n%s", rc, out);
	return rc == 0;
}

void
volume_make(const char *path, unsigned bsize, unsigned mb, unsigned journals)
{
	int fd;

	need_program("mkfs.gfs2");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE(ftruncate(fd, (off_t)mb << 20) == 0);
	close(fd);
	sh("mkfs.gfs2 -O -K -q -p lock_nolock -j %u -J 8 -b %u %s", journals,
	    bsize, path);
}

static struct world *
world_of(struct gfs *fs)
{
	return (
	    struct world *)(void *)((uint8_t *)fs - offsetof(struct world, fs));
}

void
world_open_bare(struct world *w, const char *path)
{
	memset(w, 0, sizeof(*w));
	strlcpy(w->path, path, sizeof(w->path));
	w->env = env_sim_new();
	ATF_REQUIRE(w->env != NULL);
	w->fs.env = w->env;
	/* Through the page cache: these tests are about order, not O_DIRECT. */
	w->fd = open(path, O_RDWR | O_CLOEXEC);
	ATF_REQUIRE(w->fd != -1);
	ATF_REQUIRE(dev_open(w->env, path, w->fd, false, &w->fs.dev) == 0);
}

static void
open_main(void *arg)
{
	struct world *w = arg;
	struct ginode *ip;

	ATF_REQUIRE_EQ_MSG(0, sb_read(&w->fs, w->why, sizeof(w->why)), "%s",
	    w->why);
	ATF_REQUIRE(cache_init(&w->fs, 0) == 0);
	ip = calloc(1, sizeof(*ip));
	ATF_REQUIRE(ip != NULL);
	ip->fs = &w->fs;
	ip->addr = w->fs.sb.master.addr;
	w->fs.master = ip;
	ATF_REQUIRE_EQ(0, gfs_lookup(ip, "jindex", &w->fs.jindex));
	ATF_REQUIRE_EQ(0, gfs_lookup(ip, "statfs", &w->fs.statfs_master));
	ATF_REQUIRE_EQ_MSG(0, jindex_load(&w->fs, w->why, sizeof(w->why)), "%s",
	    w->why);
}

void
world_open(struct world *w, const char *path)
{
	world_open_bare(w, path);
	world_run(w, open_main, w);
}

static void
close_main(void *arg)
{
	struct world *w = arg;

	cache_destroy(&w->fs);
}

void
world_close(struct world *w)
{
	jindex_free(&w->fs);
	if (w->fs.master != NULL) {
		inode_put(w->fs.jindex);
		inode_put(w->fs.statfs_master);
		inode_put(w->fs.master);
	}
	world_run(w, close_main, w);
	dev_close(w->fs.dev);
	close(w->fd);
	env_free(w->env);
}

struct job {
	void (*fn)(void *);
	void *arg;
	bool done;
};

static void
job_main(void *arg)
{
	struct job *j = arg;

	j->fn(j->arg);
	j->done = true;
}

void
world_run(struct world *w, void (*fn)(void *), void *arg)
{
	struct job j = { .fn = fn, .arg = arg };

	ATF_REQUIRE(env_spawn(w->env, job_main, &j, "test") != NULL);
	env_sim_run(w->env, &j.done);
	ATF_REQUIRE_MSG(j.done, "the fiber waits for ever");
}

struct glock *
world_glock(struct world *w, uint64_t number)
{
	struct glock *gl = calloc(1, sizeof(*gl));

	ATF_REQUIRE(gl != NULL);
	gl->fs = &w->fs;
	gl->type = GL_INODE;
	gl->number = number;
	gl->state = GLS_EX;
	LIST_INIT(&gl->bufs);
	return gl;
}

void
world_glock_free(struct glock *gl)
{
	ATF_CHECK_EQ(0, gl->nlog);
	ATF_CHECK_EQ(0, gl->nail);
	ATF_CHECK_EQ(0, gl->nrevokes);
	ATF_CHECK_EQ(0, gl->ndirty);
	free(gl);
}

uint64_t
world_free_block(const struct world *w, unsigned n)
{
	return (dev_size(w->fs.dev) >> w->fs.bshift) - 64 - n;
}

uint64_t
rnd(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* From here on: the rest of libgfs, as far as the log and recovery see it. */

void
gfs_log(struct gfs *fs, const char *fmt, ...)
{
	struct world *w = world_of(fs);
	size_t n = strlen(w->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->log + n, sizeof(w->log) - n, fmt, ap);
	va_end(ap);
	strlcat(w->log, "\n", sizeof(w->log));
}

void
gfs_withdraw(struct gfs *fs, const char *fmt, ...)
{
	va_list ap;

	if (fs->withdrawn)
		return;
	va_start(ap, fmt);
	vsnprintf(fs->withdraw_why, sizeof(fs->withdraw_why), fmt, ap);
	va_end(ap);
	fs->withdrawn = true;
	dev_permit(fs->dev, false);
}

void
gholder_init(struct gholder *gh)
{
	memset(gh, 0, sizeof(*gh));
}

int
glock_lock(struct gfs *fs, enum glock_type type, uint64_t number,
    enum glock_state state, unsigned flags, struct gholder *gh)
{
	gh->gl = world_glock(world_of(fs), number);
	return 0;
}

void
glock_release(struct gholder *gh)
{
	if (gh->gl != NULL)
		world_glock_free(gh->gl);
	gh->gl = NULL;
}

int
inode_lock(struct ginode *ip, enum glock_state state, unsigned flags,
    struct gholder *gh)
{
	return 0;
}

void
inode_put(struct ginode *ip)
{
	free(ip);
}

static int
read_dinode(struct gfs *fs, uint64_t addr, struct dinode *d, uint8_t **out)
{
	uint8_t *p = dev_alloc(fs->bsize);
	int error;

	ATF_REQUIRE(p != NULL);
	error = dev_read(fs->dev, addr << fs->bshift, p, fs->bsize);
	if (error == 0 &&
	    dinode_decode(d, p, fs->bsize, addr, fs->max_height) != OD_OK)
		error = EUCLEAN;
	if (error != 0)
		dev_free(p);
	else
		*out = p;
	return error;
}

/* The address of a name among the records of one block; 0: none. */
static uint64_t
find_record(struct gfs *fs, const uint8_t *p, size_t off, const char *name)
{
	struct dirent_hdr h;

	for (; off < fs->bsize; off += h.rec_len) {
		if (dirent_decode(&h, p + off, fs->bsize - off) != OD_OK)
			return 0;
		if (h.num.addr != 0 && h.name_len == strlen(name) &&
		    memcmp(p + off + OD_DIRENT_SIZE, name, h.name_len) == 0)
			return h.num.addr;
	}
	return 0;
}

/* Linear directories, and hashed ones with the table in the dinode. */
int
gfs_lookup(struct ginode *dir, const char *name, struct ginode **out)
{
	struct gfs *fs = dir->fs;
	uint64_t at, addr = 0;
	struct dinode d;
	uint8_t *p, *q;
	unsigned i;
	int error;

	error = read_dinode(fs, dir->addr, &d, &p);
	if (error != 0)
		return error;
	if (d.flags & GFS2_DIF_EXHASH) {
		q = dev_alloc(fs->bsize);
		ATF_REQUIRE(q != NULL);
		for (i = 0; i < 1u << d.depth && addr == 0; i++) {
			at = od_get64(p + OD_DINODE_SIZE + i * 8);
			ATF_REQUIRE_EQ(0,
			    dev_read(fs->dev, at << fs->bshift, q, fs->bsize));
			addr = find_record(fs, q, OD_LEAF_SIZE, name);
		}
		dev_free(q);
	} else
		addr = find_record(fs, p, OD_DINODE_SIZE, name);
	dev_free(p);
	if (addr == 0)
		return ENOENT;
	error = read_dinode(fs, addr, &d, &p);
	if (error != 0)
		return error;
	dev_free(p);
	*out = calloc(1, sizeof(**out));
	ATF_REQUIRE(*out != NULL);
	(*out)->fs = fs;
	(*out)->addr = addr;
	(*out)->size = d.size;
	(*out)->height = d.height;
	return 0;
}

/* How many pointers from the first on name consecutive blocks. */
static uint64_t
pointer_run(const uint8_t *ptrs, uint64_t max)
{
	uint64_t n;

	for (n = 1; n < max; n++)
		if (od_get64(ptrs + n * 8) != od_get64(ptrs) + n)
			break;
	return n;
}

int
bmap_map(struct ginode *ip, uint64_t lblk, uint64_t maxlen, bool create,
    struct extent *e)
{
	struct gfs *fs = ip->fs;
	uint64_t at, idx, span = 1, left;
	const uint8_t *ptr;
	struct dinode d;
	unsigned h;
	uint8_t *p;
	int error;

	error = read_dinode(fs, ip->addr, &d, &p);
	if (error != 0)
		return error;
	for (h = 1; h < d.height; h++)
		span *= fs->inptrs;
	idx = lblk / span;
	ATF_REQUIRE(idx < fs->diptrs);
	ptr = p + OD_DINODE_SIZE + idx * 8;
	left = fs->diptrs - idx;
	at = od_get64(ptr);
	while (at != 0 && span > 1 && error == 0) {
		lblk %= span;
		span /= fs->inptrs;
		error = dev_read(fs->dev, at << fs->bshift, p, fs->bsize);
		ptr = p + OD_META_SIZE + lblk / span * 8;
		left = fs->inptrs - lblk / span;
		at = od_get64(ptr);
	}
	e->blkno = at;
	e->len = pointer_run(ptr, MIN(left, maxlen));
	e->new = false;
	dev_free(p);
	return error;
}
