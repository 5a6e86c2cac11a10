/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "coh_model.h"

static const char *const kind_names[] = { "create", "mkdir", "unlink", "rmdir",
	"rename", "link", "write", "append", "truncate", "read", "stat",
	"readdir", "fsync" };

bool model_unsure;

void
model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned d = 0; d < M_DIRS; d++)
		for (unsigned n = 0; n < M_NAMES; n++)
			m->entry[d][n] = -1;
	m->files = calloc(M_FILES, sizeof(*m->files));
	ATF_REQUIRE(m->files != NULL);
}

void
model_free(struct model *m)
{
	for (unsigned i = 0; i < m->nfiles; i++)
		free(m->files[i].data);
	free(m->files);
}

static int
make(struct model *m, const struct op *op, bool isdir)
{
	struct mfile *f;

	if (m->entry[op->dir][op->name] != -1)
		return EEXIST;
	ATF_REQUIRE(m->nfiles < M_FILES);
	m->entry[op->dir][op->name] = (int)m->nfiles;
	f = &m->files[m->nfiles++];
	f->used = true;
	f->isdir = isdir;
	f->nlink = isdir ? 2 : 1;
	return 0;
}

static void
drop(struct model *m, unsigned dir, unsigned name)
{
	int i = m->entry[dir][name];

	m->entry[dir][name] = -1;
	if (m->files[i].isdir || --m->files[i].nlink == 0)
		m->files[i].used = false;
}

static int
apply_rename(struct model *m, const struct op *op)
{
	int from = m->entry[op->dir][op->name];
	int to = m->entry[op->dir2][op->name2];

	if (from == -1)
		return ENOENT;
	if (from == to)
		return 0; /* the same inode: nothing happens */
	if (to != -1) {
		if (m->files[from].isdir && !m->files[to].isdir)
			return ENOTDIR;
		if (!m->files[from].isdir && m->files[to].isdir)
			return EISDIR;
		drop(m, op->dir2, op->name2);
	}
	m->entry[op->dir2][op->name2] = from;
	m->entry[op->dir][op->name] = -1;
	return 0;
}

static int
apply_write(struct model *m, struct mfile *f, const struct op *op)
{
	uint32_t off = op->kind == OP_APPEND ? f->size : op->off;

	if (f->isdir)
		return EISDIR;
	if (off + op->len > M_SIZE)
		return EFBIG; /* the runner skips it, too */
	if (f->data == NULL) {
		f->data = calloc(1, M_SIZE);
		ATF_REQUIRE(f->data != NULL);
	}
	memset(f->data + off, op->val, op->len);
	f->size = MAX(f->size, off + op->len);
	f->seen[op->val] = true;
	return 0;
}

static int
apply_truncate(struct mfile *f, const struct op *op)
{
	if (f->isdir)
		return EISDIR;
	if (op->off < f->size)
		memset(f->data + op->off, 0, f->size - op->off);
	else if (f->data == NULL && op->off > 0) {
		f->data = calloc(1, M_SIZE);
		ATF_REQUIRE(f->data != NULL);
	}
	f->size = op->off;
	return 0;
}

int
model_apply(struct model *m, const struct op *op)
{
	int i = m->entry[op->dir][op->name];
	struct mfile *f = i == -1 ? NULL : &m->files[i];

	switch (op->kind) {
	case OP_CREATE:
		return make(m, op, false);
	case OP_MKDIR:
		return make(m, op, true);
	case OP_RENAME:
		return apply_rename(m, op);
	case OP_READDIR:
		return 0;
	default:
		break;
	}
	if (f == NULL)
		return ENOENT;
	switch (op->kind) {
	case OP_UNLINK:
		if (f->isdir)
			return EISDIR;
		drop(m, op->dir, op->name);
		return 0;
	case OP_RMDIR:
		if (!f->isdir)
			return ENOTDIR;
		drop(m, op->dir, op->name);
		return 0;
	case OP_LINK:
		if (m->entry[op->dir2][op->name2] != -1)
			return EEXIST;
		if (f->isdir)
			return EPERM;
		m->entry[op->dir2][op->name2] = i;
		f->nlink++;
		return 0;
	case OP_WRITE:
	case OP_APPEND:
		return apply_write(m, f, op);
	case OP_TRUNCATE:
		return apply_truncate(f, op);
	case OP_READ:
		return f->isdir ? EISDIR : 0;
	default:
		return 0;
	}
}

void
op_random(struct op *op, uint64_t (*rnd)(void))
{
	memset(op, 0, sizeof(*op));
	op->kind = (enum op_kind)(rnd() % OP_KINDS);
	op->dir = (unsigned)(rnd() % M_DIRS);
	op->name = (unsigned)(rnd() % M_NAMES);
	op->dir2 = (unsigned)(rnd() % M_DIRS);
	op->name2 = (unsigned)(rnd() % M_NAMES);
	op->off = (uint32_t)(rnd() % (rnd() % 3 == 0 ? 20000 : 300));
	op->len = (uint32_t)(1 + rnd() % (rnd() % 3 == 0 ? 9000 : 500));
	op->val = (uint8_t)(1 + rnd() % 255);
}

void
op_print(const struct op *op)
{
	printf("  mount %u: %s d%u/n%u d%u/n%u off %u len %u val %u%s\n",
	    op->mount, kind_names[op->kind], op->dir, op->name, op->dir2,
	    op->name2, op->off, op->len, op->val,
	    op->ended ? "" : " (cut short)");
}

static int
dir_get(struct gfs *fs, unsigned d, struct ginode **out)
{
	struct ginode *root = gfs_root(fs);
	char name[16];
	int error;

	snprintf(name, sizeof(name), "d%u", d);
	error = gfs_lookup(root, name, out);
	gfs_iput(root);
	return error;
}

int
model_mkfs(struct gfs *fs)
{
	struct ginode *root = gfs_root(fs), *ip;
	struct gfs_cred cred = { 0, 0 };
	char name[16];
	int error = 0;

	for (unsigned d = 0; d < M_DIRS && error == 0; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		error = gfs_create(root, name, S_IFDIR | 0755, 0, 0, NULL,
		    &cred, true, &ip);
		if (error == 0)
			gfs_iput(ip);
	}
	gfs_iput(root);
	return error;
}

static int
write_all(struct ginode *ip, const struct op *op)
{
	uint8_t *buf = malloc(op->len);
	size_t put = 0, n;
	int error = 0;

	ATF_REQUIRE(buf != NULL);
	memset(buf, op->val, op->len);
	while (put < op->len && error == 0) {
		error = gfs_write(ip, buf, op->len - put, op->off + put,
		    op->kind == OP_APPEND, &n);
		if (error == 0 && n == 0)
			error = EIO;
		put += error == 0 ? n : 0;
	}
	free(buf);
	return error;
}

static int
read_whole(struct ginode *ip, uint8_t *buf, size_t size, size_t *len)
{
	size_t n;
	int error;

	*len = 0;
	do {
		error = gfs_read(ip, buf + *len, size - *len, *len, &n);
		*len += error == 0 ? n : 0;
	} while (error == 0 && n > 0 && *len < size);
	return error;
}

/* An operation on an existing object. */
static int
run_object(struct gfs *fs, const struct op *op, struct ginode *ip,
    const struct mfile *f)
{
	uint8_t buf[M_SIZE + 1];
	struct stat st;
	size_t len;
	int error;

	error = gfs_getattr(ip, &st);
	if (error != 0)
		return error;
	if (model_unsure)
		f = NULL;
	if (f != NULL && !f->unsure && !f->isdir)
		ATF_REQUIRE_EQ_MSG(f->size, (uint32_t)st.st_size,
		    "size: %u is %u", f->size, (unsigned)st.st_size);
	if (f != NULL)
		ATF_REQUIRE_EQ(f->nlink, st.st_nlink);
	if (op->kind != OP_FSYNC && op->kind != OP_STAT && S_ISDIR(st.st_mode))
		return EISDIR;
	switch (op->kind) {
	case OP_WRITE:
	case OP_APPEND:
		if ((op->kind == OP_APPEND ? (uint32_t)st.st_size : op->off) +
			op->len >
		    M_SIZE)
			return EFBIG;
		return write_all(ip, op);
	case OP_TRUNCATE:
		st.st_size = op->off;
		return gfs_setattr(ip, &st, GFS_SET_SIZE);
	case OP_READ:
		error = read_whole(ip, buf, sizeof(buf), &len);
		if (error == 0 && f != NULL && !model_unsure) {
			ATF_REQUIRE_EQ(f->size, len);
			ATF_REQUIRE_MSG(len == 0 ||
				memcmp(buf, f->data, len) == 0,
			    "contents");
		}
		return error;
	case OP_FSYNC:
		return gfs_fsync(ip, false);
	default:
		return 0;
	}
}

struct listing {
	const struct model *m;
	unsigned dir, seen;
};

static bool
list_one(void *arg, const struct gfs_dirent *de)
{
	struct listing *l = arg;
	unsigned n;

	if (strcmp(de->name, ".") == 0 || strcmp(de->name, "..") == 0)
		return true;
	ATF_REQUIRE_EQ(1, sscanf(de->name, "n%u", &n));
	ATF_REQUIRE(n < M_NAMES);
	ATF_REQUIRE_MSG((l->seen & 1u << n) == 0, "%s listed twice", de->name);
	l->seen |= 1u << n;
	return true;
}

static int
run_readdir(struct ginode *dir, const struct op *op, const struct model *m)
{
	struct listing l = { m, op->dir, 0 };
	int error;

	error = gfs_readdir(dir, 0, list_one, &l);
	if (error != 0)
		return error;
	for (unsigned n = 0; n < M_NAMES && !model_unsure; n++)
		ATF_REQUIRE_EQ_MSG(m->entry[op->dir][n] != -1,
		    (l.seen & 1u << n) != 0, "d%u/n%u in the listing", op->dir,
		    n);
	return 0;
}

static int
run_create(struct ginode *dir, const struct op *op, const char *name)
{
	struct gfs_cred cred = { 0, 0 };
	struct ginode *ip;
	int error;

	error = gfs_create(dir, name,
	    op->kind == OP_MKDIR ? S_IFDIR | 0755 : S_IFREG | 0644, 0, 0, NULL,
	    &cred, true, &ip);
	if (error == 0)
		gfs_iput(ip);
	return error;
}

/* An operation on a name that may exist. */
static int
run_name(struct gfs *fs, const struct op *op, struct ginode *dir,
    const char *name, const struct model *m)
{
	int i = m->entry[op->dir][op->name];
	struct ginode *ip, *dir2;
	char name2[16];
	int error;

	snprintf(name2, sizeof(name2), "n%u", op->name2);
	if (op->kind == OP_RENAME || op->kind == OP_LINK) {
		error = dir_get(fs, op->dir2, &dir2);
		if (error != 0)
			return error;
		if (op->kind == OP_RENAME) {
			error = gfs_rename(dir, name, dir2, name2, 0);
		} else {
			error = gfs_lookup(dir, name, &ip);
			if (error == 0) {
				error = gfs_link(ip, dir2, name2);
				gfs_iput(ip);
			}
		}
		gfs_iput(dir2);
		return error;
	}
	error = gfs_lookup(dir, name, &ip);
	if (error != 0)
		return error;
	error = run_object(fs, op, ip, i == -1 ? NULL : &m->files[i]);
	gfs_iput(ip);
	return error;
}

int
op_run(struct gfs *fs, const struct op *op, const struct model *m)
{
	struct ginode *dir;
	char name[16];
	int error;

	error = dir_get(fs, op->dir, &dir);
	if (error != 0)
		return error;
	snprintf(name, sizeof(name), "n%u", op->name);
	switch (op->kind) {
	case OP_CREATE:
	case OP_MKDIR:
		error = run_create(dir, op, name);
		break;
	case OP_UNLINK:
		error = gfs_unlink(dir, name);
		break;
	case OP_RMDIR:
		error = gfs_rmdir(dir, name);
		break;
	case OP_READDIR:
		error = run_readdir(dir, op, m);
		break;
	default:
		error = run_name(fs, op, dir, name, m);
	}
	gfs_iput(dir);
	return error;
}

static bool
contents_match(struct mfile *f, const uint8_t *buf, size_t len)
{
	if (!f->unsure)
		return len == 0 || memcmp(buf, f->data, len) == 0;
	for (size_t i = 0; i < len; i++)
		if (buf[i] != 0 && !f->seen[buf[i]])
			return false;
	return true;
}

static bool
file_matches(struct mfile *f, struct ginode *ip, char *why, size_t whylen)
{
	uint8_t buf[M_SIZE + 1];
	struct stat st;
	size_t len;
	int error;

	error = gfs_getattr(ip, &st);
	if (error != 0) {
		snprintf(why, whylen, "getattr: %d", error);
		return false;
	}
	if (S_ISDIR(st.st_mode) != f->isdir || st.st_nlink != f->nlink) {
		snprintf(why, whylen, "mode %o nlink %u, not %u",
		    (unsigned)st.st_mode, (unsigned)st.st_nlink, f->nlink);
		return false;
	}
	if (f->isdir)
		return true;
	if ((uint32_t)st.st_size != f->size) {
		snprintf(why, whylen, "size %u, not %u", (unsigned)st.st_size,
		    f->size);
		return false;
	}
	error = read_whole(ip, buf, sizeof(buf), &len);
	if (error != 0 || len != f->size || !contents_match(f, buf, len)) {
		snprintf(why, whylen, "contents (%d, %zu)", error, len);
		return false;
	}
	return true;
}

/* The bytes that were unsure are what is on the disk now. */
static void
take_over(struct mfile *f, struct ginode *ip)
{
	size_t len;

	if (!f->unsure || f->isdir)
		return;
	if (f->data == NULL)
		f->data = calloc(1, M_SIZE);
	ATF_REQUIRE(f->data != NULL);
	memset(f->data, 0, M_SIZE);
	ATF_REQUIRE_EQ(0, read_whole(ip, f->data, M_SIZE, &len));
	f->unsure = false;
}

static bool
name_matches(struct model *m, struct ginode *dir, unsigned d, unsigned n,
    bool take, char *why, size_t whylen)
{
	int i = m->entry[d][n], error;
	struct ginode *ip;
	char name[16], text[80];
	bool ok = true;

	snprintf(name, sizeof(name), "n%u", n);
	error = gfs_lookup(dir, name, &ip);
	if (error == ENOENT && i == -1)
		return true;
	if (error != 0 || i == -1) {
		snprintf(why, whylen, "d%u/n%u: error %d, %sexpected", d, n,
		    error, i == -1 ? "not " : "");
		if (error == 0)
			gfs_iput(ip);
		return false;
	}
	if (take)
		take_over(&m->files[i], ip);
	else
		ok = file_matches(&m->files[i], ip, text, sizeof(text));
	if (!ok)
		snprintf(why, whylen, "d%u/n%u: %s", d, n, text);
	gfs_iput(ip);
	return ok;
}

bool
model_matches(struct model *m, struct gfs *fs, char *why, size_t whylen)
{
	struct ginode *dir;
	bool ok = true;

	for (int take = 0; take < 2 && ok; take++)
		for (unsigned d = 0; d < M_DIRS && ok; d++) {
			ATF_REQUIRE_EQ(0, dir_get(fs, d, &dir));
			for (unsigned n = 0; n < M_NAMES && ok; n++)
				ok = name_matches(m, dir, d, n, take == 1, why,
				    whylen);
			gfs_iput(dir);
		}
	return ok;
}
