/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sh.h"
#include "volume.h"

static struct env *running;

static void
make(const char *path, unsigned bsize, unsigned journals)
{
	need_program("mkfs.gfs2");
	sh("mkfs.gfs2 -O -q -p lock_nolock -b %u -j %u -J 8 %s", bsize,
	    journals, path);
}

static int
empty_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ATF_REQUIRE(fd != -1);
	return fd;
}

void
vol_make(const char *path, unsigned mib, unsigned bsize, unsigned journals)
{
	int fd = empty_file(path);

	ATF_REQUIRE(ftruncate(fd, (off_t)mib << 20) == 0);
	close(fd);
	make(path, bsize, journals);
}

void
vol_make_filled(const char *path, unsigned mib, unsigned bsize, uint8_t byte)
{
	static uint8_t buf[1 << 20];
	int fd = empty_file(path);

	memset(buf, byte, sizeof(buf));
	while (mib-- > 0)
		ATF_REQUIRE(write(fd, buf, sizeof(buf)) == sizeof(buf));
	close(fd);
	make(path, bsize, 1);
}

void
vol_fsck(const char *path)
{
	sh("fsck.gfs2 -n %s", path);
}

void
vol_copy(const char *from, const char *to)
{
	sh("cp --sparse=always %s %s", from, to);
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
vol_run(void (*fn)(void *), void *arg)
{
	struct job j = { fn, arg, false };

	running = env_sim_new();
	ATF_REQUIRE(running != NULL);
	ATF_REQUIRE(env_spawn(running, job_main, &j, "test") != NULL);
	env_sim_run(running, &j.done);
	ATF_REQUIRE(j.done);
	/* What the mount started must have ended with it. */
	env_sim_run(running, NULL);
	ATF_REQUIRE_EQ(0u, env_fibers(running));
	env_free(running);
	running = NULL;
}

struct env *
vol_env(void)
{
	return running;
}

static void
log_line(void *arg, const char *line)
{
	fprintf(stderr, "gfs: %s\n", line);
}

int
vol_try_mount(const char *path, struct gfs **fs, char *why, size_t len)
{
	struct gfs_mount m = { .device = path,
		.fd = -1,
		.lm = &lm_none,
		.log = log_line };

	return gfs_mount(running, &m, fs, why, len);
}

struct gfs *
vol_mount(const char *path)
{
	struct gfs *fs = NULL;
	char why[256] = "";
	int error;

	error = vol_try_mount(path, &fs, why, sizeof(why));
	ATF_REQUIRE_MSG(error == 0, "mount: %s (%s)", why, strerror(error));
	return fs;
}

void
vol_unmount(struct gfs *fs)
{
	const char *why;

	ATF_REQUIRE_MSG(!gfs_withdrawn(fs, &why), "withdrawn: %s", why);
	ATF_REQUIRE_EQ(0, gfs_unmount(fs));
}

fsblkcnt_t
vol_free(struct gfs *fs)
{
	struct statvfs st;

	ATF_REQUIRE_EQ(0, gfs_statfs(fs, &st));
	return st.f_bfree;
}

static unsigned long long
from_env(const char *name, unsigned long long usual)
{
	const char *s = getenv(name);

	return s == NULL ? usual : strtoull(s, NULL, 0);
}

uint64_t
vol_seed(uint64_t usual)
{
	return from_env("SEED", usual);
}

unsigned
vol_rounds(unsigned usual)
{
	return (unsigned)from_env("ROUNDS", usual);
}

uint32_t
rnd_u32(struct rnd *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32);
}

uint32_t
rnd_below(struct rnd *r, uint32_t n)
{
	return (uint32_t)((uint64_t)rnd_u32(r) * n >> 32);
}
