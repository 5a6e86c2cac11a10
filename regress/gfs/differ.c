/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * differ DIR1 DIR2 SEED COUNT: does the same random system calls below two
 * directories and compares what they return, and now and then the trees.  The
 * one is on a file system that is trusted.  Exit 1: they differ.
 */

#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"

enum {
	PATH_LEN = 1200,
	DATA_MAX = 80000,
	TREE_MAX = 1 << 20
};

enum call {
	C_MKDIR = 0,
	C_RMDIR,
	C_OPEN,
	C_UNLINK,
	C_RENAME,
	C_LINK,
	C_SYMLINK,
	C_READLINK,
	C_STAT,
	C_LSTAT,
	C_CHMOD,
	C_CHOWN,
	C_TRUNCATE,
	C_UTIMES,
	C_MKFIFO,
	C_WRITE,
	C_READ,
	C_APPEND,
	C_CREATE,
	C_LIST,
	C_CALLS
};

struct op {
	enum call call;
	char p[PATH_LEN], q[PATH_LEN];
	mode_t mode;
	int flags;
	off_t off;
	size_t len;
	unsigned id;
	char fill;
	time_t when;
};

/* What a call returned: an errno, a number, bytes. */
struct result {
	int error;
	long value;
	size_t len;
	char *data;
};

static uint64_t seed;
static char buffers[2][TREE_MAX];

static uint64_t
rnd(uint64_t n)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % n;
}

static void
random_path(char *dst, size_t size)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
	unsigned parts = 1 + (unsigned)rnd(3) / 2 + (unsigned)rnd(2);
	char name[300];

	dst[0] = '\0';
	for (unsigned i = 0; i < parts; i++) {
		strlcpy(name, names[rnd(NITEMS(names))], sizeof(name));
		/* The longest name, and one that is too long. */
		if (rnd(40) == 0) {
			memset(name, 'n', 256);
			name[255 + rnd(2)] = '\0';
		}
		strlcat(dst, "/", size);
		strlcat(dst, name, size);
	}
}

static void
random_op(struct op *op)
{
	static const mode_t modes[] = { 0644, 0755, 0600, 04755, 01777 };
	static const off_t offs[] = { 0, 1, 100, 4095, 4096, 5000, 70000 };
	static const size_t lens[] = { 1, 10, 4096, 9999 };
	static const int flags[] = { O_RDONLY, O_WRONLY | O_CREAT,
		O_RDWR | O_CREAT | O_TRUNC, O_RDWR, O_CREAT | O_EXCL | O_WRONLY,
		O_DIRECTORY, O_NOFOLLOW, O_WRONLY | O_TRUNC };

	memset(op, 0, sizeof(*op));
	op->call = (enum call)rnd(C_CALLS);
	random_path(op->p, sizeof(op->p));
	random_path(op->q, sizeof(op->q));
	op->mode = modes[rnd(NITEMS(modes))];
	op->flags = flags[rnd(NITEMS(flags))];
	op->off = offs[rnd(NITEMS(offs))];
	op->len = lens[rnd(NITEMS(lens))];
	op->id = (unsigned)rnd(3);
	op->fill = (char)('A' + rnd(26));
	op->when = (time_t)rnd(2000000000);
}

/* Times and numbers of inodes differ, and the sizes of directories. */
static void
put_stat(struct result *r, const struct stat *st)
{
	r->value = snprintf(r->data, DATA_MAX, "%o %u %u %lld %u",
	    (unsigned)st->st_mode, (unsigned)st->st_uid, (unsigned)st->st_gid,
	    S_ISDIR(st->st_mode) ? 0 : (long long)st->st_size,
	    S_ISDIR(st->st_mode) ? 0 : (unsigned)st->st_nlink);
	r->len = (size_t)r->value;
}

static int
do_file(const struct op *op, const char *path, int flags, struct result *r)
{
	char buf[10000];
	ssize_t n = 0;
	int fd, error;

	/* A FIFO without a peer must not hang us. */
	fd = open(path, flags | O_NONBLOCK, op->mode);
	if (fd == -1)
		return -1;
	memset(buf, op->fill, sizeof(buf));
	if (op->call == C_WRITE)
		n = pwrite(fd, buf, op->len, op->off);
	else if (op->call == C_APPEND || op->call == C_CREATE)
		n = write(fd, buf, op->len);
	else if (op->call == C_READ)
		n = pread(fd, r->data, DATA_MAX, op->off);
	error = errno;
	close(fd);
	errno = error;
	r->value = n;
	if (op->call == C_READ && n > 0)
		r->len = (size_t)n;
	return n == -1 ? -1 : 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in order, each with a newline. */
static int
do_list(const char *path, struct result *r)
{
	char *names[1000];
	unsigned n = 0;
	struct dirent *de;
	DIR *d = opendir(path);

	if (d == NULL)
		return -1;
	while ((de = readdir(d)) != NULL && n < NITEMS(names))
		if ((names[n++] = strdup(de->d_name)) == NULL)
			err(2, NULL);
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (unsigned i = 0; i < n; i++) {
		r->len += (size_t)snprintf(r->data + r->len, DATA_MAX - r->len,
		    "%s\n", names[i]);
		free(names[i]);
	}
	return 0;
}

static int
do_stat(const struct op *op, const char *path, struct result *r)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st,
		op->call == C_LSTAT ? AT_SYMLINK_NOFOLLOW : 0) == -1)
		return -1;
	put_stat(r, &st);
	return 0;
}

static int
do_utimes(const struct op *op, const char *path, struct result *r)
{
	struct timespec ts[2] = { { op->when, 5 }, { op->when + 1, 7 } };
	struct stat st;

	if (utimensat(AT_FDCWD, path, ts, 0) == -1 || stat(path, &st) == -1)
		return -1;
	r->value = st.st_mtim.tv_sec + st.st_mtim.tv_nsec;
	return 0;
}

static int
do_name(const struct op *op, const char *p, const char *q, struct result *r)
{
	switch (op->call) {
	case C_MKDIR:
		return mkdir(p, op->mode);
	case C_RMDIR:
		return rmdir(p);
	case C_UNLINK:
		return unlink(p);
	case C_RENAME:
		return rename(p, q);
	case C_LINK:
		return link(p, q);
	case C_SYMLINK:
		return symlink(op->q + 1, p);
	case C_READLINK:
		r->value = readlink(p, r->data, DATA_MAX);
		r->len = r->value > 0 ? (size_t)r->value : 0;
		return r->value == -1 ? -1 : 0;
	case C_CHMOD:
		return chmod(p, op->mode);
	case C_CHOWN:
		return lchown(p, op->id, op->id);
	case C_TRUNCATE:
		return truncate(p, op->off);
	case C_MKFIFO:
		return mkfifo(p, op->mode);
	default:
		abort();
	}
}

static void
run(const struct op *op, const char *base, struct result *r, char *data)
{
	char p[2 * PATH_LEN], q[2 * PATH_LEN];
	int rc;

	memset(r, 0, sizeof(*r));
	r->data = data;
	snprintf(p, sizeof(p), "%s%s", base, op->p);
	snprintf(q, sizeof(q), "%s%s", base, op->q);
	errno = 0;
	switch (op->call) {
	case C_OPEN:
		rc = do_file(op, p, op->flags, r);
		break;
	case C_WRITE:
		rc = do_file(op, p, O_WRONLY, r);
		break;
	case C_READ:
		rc = do_file(op, p, O_RDONLY, r);
		break;
	case C_APPEND:
		rc = do_file(op, p, O_WRONLY | O_APPEND, r);
		break;
	case C_CREATE:
		rc = do_file(op, p, O_WRONLY | O_CREAT | O_EXCL, r);
		break;
	case C_LIST:
		rc = do_list(p, r);
		break;
	case C_STAT:
	case C_LSTAT:
		rc = do_stat(op, p, r);
		break;
	case C_UTIMES:
		rc = do_utimes(op, p, r);
		break;
	default:
		rc = do_name(op, p, q, r);
	}
	r->error = rc == -1 ? errno : 0;
	if (rc == -1)
		r->len = 0;
}

/* Appends one line per object, and a sum of each file's bytes. */
static void
tree(const char *path, char *out, size_t *len, unsigned depth)
{
	static const struct op lstat_op = { .call = C_LSTAT };
	char sub[2 * PATH_LEN], text[DATA_MAX], *line, *rest;
	struct result r = { .data = text };
	char *names;

	if (depth > 8 || do_list(path, &r) == -1)
		return;
	names = strndup(text, r.len);
	if (names == NULL)
		err(2, NULL);
	for (rest = names; (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] == '\0' || line[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, line);
		r.len = 0;
		if (do_stat(&lstat_op, sub, &r) == 0)
			*len += (size_t)snprintf(out + *len, TREE_MAX - *len,
			    "%u %.20s %.*s\n", depth, line, (int)r.len, text);
		tree(sub, out, len, depth + 1);
	}
	free(names);
}

static bool
trees_differ(const char *a, const char *b)
{
	size_t alen = 0, blen = 0;

	tree(a, buffers[0], &alen, 0);
	tree(b, buffers[1], &blen, 0);
	return alen != blen || memcmp(buffers[0], buffers[1], alen) != 0;
}

static bool
differs(const struct op *op, const char *a, const char *b, unsigned i)
{
	struct result x, y;

	run(op, a, &x, buffers[0]);
	run(op, b, &y, buffers[1]);
	if (x.error == y.error && x.value == y.value && x.len == y.len &&
	    memcmp(x.data, y.data, x.len) == 0)
		return false;
	printf("call %u (kind %d, %s %s, mode %o, flags %x, off %lld, len "
	       "%zu): errno %d value %ld, but errno %d value %ld\n",
	    i, (int)op->call, op->p, op->q, (unsigned)op->mode,
	    (unsigned)op->flags, (long long)op->off, op->len, x.error, x.value,
	    y.error, y.value);
	return true;
}

int
main(int argc, char **argv)
{
	struct op op;
	unsigned count;

	if (argc != 5)
		errx(2, "usage: differ dir1 dir2 seed count");
	seed = strtoull(argv[3], NULL, 10);
	count = (unsigned)strtoull(argv[4], NULL, 10);
	umask(022);
	for (unsigned i = 0; i < count; i++) {
		random_op(&op);
		if (differs(&op, argv[1], argv[2], i))
			return 1;
		if (i % 1000 == 999 && trees_differ(argv[1], argv[2])) {
			printf("the trees differ after call %u\n", i);
			return 1;
		}
	}
	return 0;
}
