/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * FUSE requests as operations of libgfs.  Each handler runs in a fiber of its
 * own and answers exactly once.
 *
 * What the kernel is told: nothing may be cached (attribute and entry
 * time-outs of 0, direct_io), so every question reaches us and is answered
 * under the cluster's locks.  What is not supported says so with EOPNOTSUPP:
 * some by a missing handler (the kernel then stops asking), locks by an
 * explicit answer, since a missing handler would make them node-local.
 */

#define FUSE_USE_VERSION 34

#include <sys/sysmacros.h>

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>

#include "fuse_host.h"

enum {
	READ_MAX = 1 << 20
};

static struct fuse_host *
host(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct ginode *
inode(fuse_req_t req, fuse_ino_t ino)
{
	return fnode_of(host(req), ino)->ip;
}

static struct gfs_cred
cred(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct gfs_cred c = { ctx->uid, ctx->gid };

	return c;
}

static void
op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fuse_host *h = userdata;

	/*
	 * What libfuse turns on by itself.  Splicing hands out pipes, our
	 * requests are plain memory.  O_TRUNC and the removal of set-id bits
	 * come as attribute changes of their own that way.
	 */
	conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS |
	    FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA |
	    FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV);
	if (conn->capable & FUSE_CAP_PARALLEL_DIROPS)
		conn->want |= FUSE_CAP_PARALLEL_DIROPS;
	if (conn->capable & FUSE_CAP_ASYNC_DIO)
		conn->want |= FUSE_CAP_ASYNC_DIO;
	conn->max_read = READ_MAX;
	h->live = true;
	env_wake_all(h->env, &h->wq);
}

/* Takes over the reference; NULL: no memory. */
static struct fnode *
fill_entry(struct fuse_host *h, struct ginode *ip, struct fuse_entry_param *e,
    int *error)
{
	struct fnode *n;

	memset(e, 0, sizeof(*e));
	*error = gfs_getattr(ip, &e->attr);
	if (*error != 0) {
		gfs_iput(ip);
		return NULL;
	}
	e->generation = gfs_gen(ip);
	n = fnode_get(h, ip);
	if (n == NULL) {
		*error = ENOMEM;
		return NULL;
	}
	e->ino = (uintptr_t)n;
	if (n == &h->rootnode)
		e->ino = FUSE_ROOT_ID;
	return n;
}

/* Answers with an entry; error of the operation or a reference to ip. */
static void
reply_entry(fuse_req_t req, int error, struct ginode *ip)
{
	struct fuse_host *h = host(req);
	struct fuse_entry_param e;
	struct fnode *n = NULL;

	if (error == 0)
		n = fill_entry(h, ip, &e, &error);
	if (error != 0) {
		fuse_reply_err(req, error);
		return;
	}
	/* A caller that was killed meanwhile does not count the lookup. */
	if (fuse_reply_entry(req, &e) != 0)
		fnode_forget(h, n, 1);
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ginode *ip = NULL;
	int error;

	error = gfs_lookup(inode(req, parent), name, &ip);
	reply_entry(req, error, ip);
}

static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	struct fuse_host *h = host(req);

	fnode_forget(h, fnode_of(h, ino), nlookup);
	fuse_reply_none(req);
}

static void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *f)
{
	struct fuse_host *h = host(req);

	for (size_t i = 0; i < count; i++)
		fnode_forget(h, fnode_of(h, f[i].ino), f[i].nlookup);
	fuse_reply_none(req);
}

static void
reply_attr(fuse_req_t req, int error, struct ginode *ip)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	if (error == 0)
		error = gfs_getattr(ip, &st);
	if (error != 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_attr(req, &st, 0);
}

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	reply_attr(req, 0, inode(req, ino));
}

static void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
    struct fuse_file_info *fi)
{
	static const struct {
		int fuse;
		unsigned gfs;
	} map[] = {
		{ FUSE_SET_ATTR_MODE, GFS_SET_MODE },
		{ FUSE_SET_ATTR_UID, GFS_SET_UID },
		{ FUSE_SET_ATTR_GID, GFS_SET_GID },
		{ FUSE_SET_ATTR_SIZE, GFS_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, GFS_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, GFS_SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, GFS_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, GFS_SET_MTIME_NOW },
	};
	struct ginode *ip = inode(req, ino);
	unsigned mask = 0;
	int error = 0;

	for (unsigned i = 0; i < NITEMS(map); i++)
		if (to_set & map[i].fuse)
			mask |= map[i].gfs;
	if (mask != 0)
		error = gfs_setattr(ip, attr, mask);
	reply_attr(req, error, ip);
}

static void
op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char buf[4096];
	int error;

	error = gfs_readlink(inode(req, ino), buf, sizeof(buf));
	if (error != 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_readlink(req, buf);
}

static int
make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t rdev, const char *target, struct ginode **ip)
{
	struct gfs_cred c = cred(req);

	return gfs_create(inode(req, parent), name, (uint32_t)mode, major(rdev),
	    minor(rdev), target, &c, true, ip);
}

static void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t rdev)
{
	struct ginode *ip = NULL;
	int error;

	error = make(req, parent, name, mode, rdev, NULL, &ip);
	reply_entry(req, error, ip);
}

static void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct ginode *ip = NULL;
	int error;

	error = make(req, parent, name, (mode & 07777) | S_IFDIR, 0, NULL, &ip);
	reply_entry(req, error, ip);
}

static void
op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
    const char *name)
{
	struct ginode *ip = NULL;
	int error;

	error = make(req, parent, name, S_IFLNK | 0777, 0, target, &ip);
	reply_entry(req, error, ip);
}

static void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, gfs_unlink(inode(req, parent), name));
}

static void
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, gfs_rmdir(inode(req, parent), name));
}

static void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
    fuse_ino_t newparent, const char *newname, unsigned flags)
{
	unsigned f = 0;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (flags & RENAME_NOREPLACE)
		f |= GFS_RENAME_NOREPLACE;
	if (flags & RENAME_EXCHANGE)
		f |= GFS_RENAME_EXCHANGE;
	fuse_reply_err(req,
	    gfs_rename(inode(req, parent), name, inode(req, newparent), newname,
		f));
}

static void
op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
    const char *newname)
{
	struct fuse_host *h = host(req);
	struct ginode *ip = inode(req, ino), *again = NULL;
	int error;

	error = gfs_link(ip, inode(req, newparent), newname);
	/* The answer counts as a lookup, with a reference of its own. */
	if (error == 0)
		error = gfs_iget(h->fs, gfs_ino(ip), gfs_gen(ip), &again);
	reply_entry(req, error, again);
}

static int
opened(struct fuse_host *h, struct fnode *n, struct fuse_file_info *fi)
{
	int error;

	error = gfs_opened(n->ip);
	if (error != 0)
		return error;
	n->opens++;
	fi->direct_io = 1;
	fi->keep_cache = 0;
	return 0;
}

static void
closed(struct fuse_host *h, struct fnode *n)
{
	if (n->opens == 0)
		return;
	gfs_closed(n->ip);
	n->opens--;
	fnode_forget(h, n, 0);
}

static void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_host *h = host(req);
	struct fnode *n = fnode_of(h, ino);
	int error;

	error = opened(h, n, fi);
	if (error != 0)
		fuse_reply_err(req, error);
	else if (fuse_reply_open(req, fi) != 0)
		closed(h, n);
}

static void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	struct fuse_host *h = host(req);
	struct fuse_entry_param e;
	struct ginode *ip = NULL;
	struct fnode *n = NULL;
	int error;

	error = make(req, parent, name, (mode & 07777) | S_IFREG, 0, NULL, &ip);
	/*
	 * Another node was faster.  ESTALE makes the kernel look the name up
	 * again and open what is there, with permissions and O_TRUNC.
	 */
	if (error == EEXIST && (fi->flags & O_EXCL) == 0)
		error = ESTALE;
	if (error == 0)
		n = fill_entry(h, ip, &e, &error);
	if (error == 0) {
		error = opened(h, n, fi);
		if (error != 0)
			fnode_forget(h, n, 1);
	}
	if (error != 0) {
		fuse_reply_err(req, error);
	} else if (fuse_reply_create(req, &e, fi) != 0) {
		closed(h, n);
		fnode_forget(h, n, 1);
	}
}

static void
op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_host *h = host(req);

	closed(h, fnode_of(h, ino));
	fuse_reply_err(req, 0);
}

static void
op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	size_t got = 0;
	char *buf;
	int error;

	size = MIN(size, (size_t)READ_MAX);
	buf = malloc(MAX(size, (size_t)1));
	if (buf == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	error = gfs_read(inode(req, ino), buf, size, (uint64_t)off, &got);
	if (error != 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_buf(req, buf, got);
	free(buf);
}

/*
 * A write by somebody else than root ends set-user-id and set-group-id.  The
 * kernel does it for writes through its page cache, not for direct ones.
 */
static int
kill_setid(fuse_req_t req, struct ginode *ip)
{
	struct stat st;
	mode_t kill = 0;
	int error;

	if (fuse_req_ctx(req)->uid == 0)
		return 0;
	error = gfs_getattr(ip, &st);
	if (error != 0)
		return error;
	kill |= st.st_mode & S_ISUID;
	if (st.st_mode & S_IXGRP)
		kill |= st.st_mode & S_ISGID;
	if (kill == 0)
		return 0;
	st.st_mode &= ~kill;
	return gfs_setattr(ip, &st, GFS_SET_MODE);
}

static void
op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
    off_t off, struct fuse_file_info *fi)
{
	struct ginode *ip = inode(req, ino);
	size_t put = 0;
	int error;

	error = kill_setid(req, ip);
	if (error == 0)
		error = gfs_write(ip, buf, size, (uint64_t)off,
		    (fi->flags & O_APPEND) != 0, &put);
	if (error == 0 && (fi->flags & O_DSYNC))
		error = gfs_fsync(ip, (fi->flags & O_SYNC) != O_SYNC);
	/* Part of it is on its way already: say how much. */
	if (error != 0 && put == 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_write(req, put);
}

static void
op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0);
}

static void
op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
    struct fuse_file_info *fi)
{
	fuse_reply_err(req, gfs_fsync(inode(req, ino), datasync != 0));
}

static void
op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_host *h = host(req);
	struct fnode *n = fnode_of(h, ino);
	int error;

	error = opened(h, n, fi);
	fi->direct_io = 0;
	if (error != 0)
		fuse_reply_err(req, error);
	else if (fuse_reply_open(req, fi) != 0)
		closed(h, n);
}

struct dirbuf {
	fuse_req_t req;
	char *buf;
	size_t size, used;
};

static bool
add_entry(void *arg, const struct gfs_dirent *de)
{
	struct dirbuf *b = arg;
	struct stat st;
	size_t len;

	memset(&st, 0, sizeof(st));
	st.st_ino = de->ino;
	st.st_mode = (mode_t)de->type << 12;
	len = fuse_add_direntry(b->req, b->buf + b->used, b->size - b->used,
	    de->name, &st, (off_t)de->next);
	if (len > b->size - b->used)
		return false;
	b->used += len;
	return true;
}

static void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct dirbuf b = { req, NULL, MIN(size, (size_t)READ_MAX), 0 };
	int error;

	b.buf = malloc(MAX(b.size, (size_t)1));
	if (b.buf == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	error = gfs_readdir(inode(req, ino), (uint64_t)off, add_entry, &b);
	if (error != 0 && b.used == 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_buf(req, b.buf, b.used);
	free(b.buf);
}

static void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	int error;

	memset(&st, 0, sizeof(st));
	error = gfs_statfs(host(req)->fs, &st);
	if (error != 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_statfs(req, &st);
}

static void
op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
    struct flock *lock)
{
	fuse_reply_err(req, EOPNOTSUPP);
}

static void
op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
    struct flock *lock, int sleep)
{
	fuse_reply_err(req, EOPNOTSUPP);
}

static void
op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	fuse_reply_err(req, EOPNOTSUPP);
}

#define COMMON_OPS                                                             \
	.init = op_init, .lookup = op_lookup, .forget = op_forget,             \
	.forget_multi = op_forget_multi, .getattr = op_getattr,                \
	.setattr = op_setattr, .readlink = op_readlink, .mknod = op_mknod,     \
	.mkdir = op_mkdir, .unlink = op_unlink, .rmdir = op_rmdir,             \
	.symlink = op_symlink, .rename = op_rename, .link = op_link,           \
	.open = op_open, .read = op_read, .write = op_write,                   \
	.flush = op_flush, .release = op_release, .fsync = op_fsync,           \
	.opendir = op_opendir, .readdir = op_readdir,                          \
	.releasedir = op_release, .fsyncdir = op_fsync, .statfs = op_statfs,   \
	.create = op_create

/* One node has the volume: the kernel's own locks are the whole truth. */
const struct fuse_lowlevel_ops gfs_fuse_ops = { COMMON_OPS };

const struct fuse_lowlevel_ops gfs_fuse_ops_locks = {
	COMMON_OPS,
	.getlk = op_getlk,
	.setlk = op_setlk,
	.flock = op_flock,
};
