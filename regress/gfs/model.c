/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The tree as it should be, in memory.  Every random operation is applied to
 * it and to the mounted volume, and both must give the same result.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "volume.h"

static struct mnode *
mnode_new(uint32_t type)
{
	struct mnode *n = calloc(1, sizeof(*n));

	ATF_REQUIRE(n != NULL);
	n->type = type;
	n->nlink = type == S_IFDIR ? 2 : 1;
	n->refs = 1;
	return n;
}

static void
mnode_free(struct mnode *n)
{
	free(n->data);
	free(n->target);
	free(n->ents);
	free(n);
}

static void
list_add(struct mnode ***v, unsigned *n, struct mnode *m)
{
	*v = reallocarray(*v, *n + 1, sizeof(**v));
	ATF_REQUIRE(*v != NULL);
	(*v)[(*n)++] = m;
}

static void
list_del(struct mnode **v, unsigned *n, struct mnode *m)
{
	unsigned i;

	for (i = 0; i < *n; i++)
		if (v[i] == m) {
			v[i] = v[--*n];
			return;
		}
}

void
model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->root = mnode_new(S_IFDIR);
	m->root->parent = m->root;
	m->maxname = 40;
	m->maxfile = 200000;
	list_add(&m->dirs, &m->ndirs, m->root);
}

static void
put(struct ginode *ip)
{
	if (ip != NULL)
		gfs_iput(ip);
}

static struct ment *
find(struct mnode *dir, const char *name)
{
	unsigned i;

	for (i = 0; i < dir->nents; i++)
		if (strcmp(dir->ents[i].name, name) == 0)
			return &dir->ents[i];
	return NULL;
}

static void
add(struct mnode *dir, const char *name, struct mnode *n)
{
	dir->ents = reallocarray(dir->ents, dir->nents + 1, sizeof(*dir->ents));
	ATF_REQUIRE(dir->ents != NULL);
	dir->ents[dir->nents].name = strdup(name);
	dir->ents[dir->nents++].node = n;
	if (n->type == S_IFDIR)
		n->parent = dir;
}

static void
del(struct mnode *dir, struct ment *e)
{
	free(e->name);
	*e = dir->ents[--dir->nents];
}

/* A name of the node is gone. */
static void
drop(struct model *m, struct mnode *n)
{
	if (n->type == S_IFDIR) {
		n->parent->nlink--;
		list_del(m->dirs, &m->ndirs, n);
	} else if (--n->nlink > 0) {
		return;
	}
	if (n->type == S_IFREG)
		list_del(m->files, &m->nfiles, n);
	mnode_free(n);
}

static void
free_tree(struct mnode *n)
{
	unsigned i;

	for (i = 0; i < n->nents; i++) {
		free(n->ents[i].name);
		if (n->ents[i].node->type == S_IFDIR)
			free_tree(n->ents[i].node);
		else if (--n->ents[i].node->nlink == 0)
			mnode_free(n->ents[i].node);
	}
	mnode_free(n);
}

void
model_free(struct model *m)
{
	free_tree(m->root);
	free(m->dirs);
	free(m->files);
}

void
model_adopt(struct model *m, const char *name)
{
	/* Not among the files: nothing is written to it. */
	add(m->root, name, mnode_new(S_IFREG));
}

static const char *
name_of(struct mnode *n)
{
	struct mnode *dir = n->parent;
	unsigned i;

	for (i = 0; i < dir->nents; i++)
		if (dir->ents[i].node == n)
			return dir->ents[i].name;
	return NULL;
}

static void
expect(struct model *m, const char *what, const char *name, int want, int got)
{
	if (want == 0 && got == ENOSPC && m->enospc)
		return;
	if (m->dying && got == EIO) {
		m->dead = true;
		return;
	}
	ATF_REQUIRE_MSG(want == got, "%s %s: expected %s, got %s", what, name,
	    strerror(want), strerror(got));
}

static struct ginode *
base_dir(struct model *m, struct gfs *fs)
{
	struct ginode *root = gfs_root(fs), *ip;

	if (m->base == NULL)
		return root;
	ATF_REQUIRE_EQ(0, gfs_lookup(root, m->base, &ip));
	gfs_iput(root);
	return ip;
}

/* From the root down, by names; directories only. NULL: dead. */
static struct ginode *
walk_dir(struct model *m, struct gfs *fs, struct mnode *n)
{
	struct ginode *up, *ip;
	int error;

	if (n == m->root)
		return base_dir(m, fs);
	up = walk_dir(m, fs, n->parent);
	if (up == NULL)
		return NULL;
	error = gfs_lookup(up, name_of(n), &ip);
	gfs_iput(up);
	expect(m, "lookup", name_of(n), 0, error);
	return error == 0 ? ip : NULL;
}

static bool
find_file(struct model *m, struct mnode *n, struct mnode **dir,
    const char **name)
{
	unsigned i, j;

	for (i = 0; i < m->ndirs; i++)
		for (j = 0; j < m->dirs[i]->nents; j++)
			if (m->dirs[i]->ents[j].node == n) {
				*dir = m->dirs[i];
				*name = m->dirs[i]->ents[j].name;
				return true;
			}
	return false;
}

struct ginode *
model_walk(struct model *m, struct gfs *fs, struct mnode *n)
{
	struct mnode *dir;
	struct ginode *up, *ip;
	const char *name;
	int error;

	if (n->type == S_IFDIR)
		return walk_dir(m, fs, n);
	ATF_REQUIRE(find_file(m, n, &dir, &name));
	up = walk_dir(m, fs, dir);
	if (up == NULL)
		return NULL;
	error = gfs_lookup(up, name, &ip);
	gfs_iput(up);
	expect(m, "lookup", name, 0, error);
	return error == 0 ? ip : NULL;
}

static void
make_name(struct model *m, struct rnd *r, char *buf)
{
	unsigned len = 1 + rnd_below(r, m->maxname), i;

	/* Often short, so that names meet. */
	if (rnd_below(r, 3) == 0)
		len = 1 + rnd_below(r, 2);
	for (i = 0; i < len; i++)
		buf[i] = (char)('a' + rnd_below(r, 26));
	buf[len] = '\0';
}

/* A directory with a name in it; the name exists in two of three cases. */
static void
pick_name(struct model *m, struct rnd *r, struct mnode **dir, char *name)
{
	*dir = m->dirs[rnd_below(r, m->ndirs)];
	if ((*dir)->nents > 0 && rnd_below(r, 3) != 0)
		strlcpy(name, (*dir)->ents[rnd_below(r, (*dir)->nents)].name,
		    256);
	else
		make_name(m, r, name);
}

static void
op_create(struct model *m, struct gfs *fs, struct rnd *r)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR,
		S_IFLNK, S_IFIFO };
	uint32_t type = types[rnd_below(r, NITEMS(types))];
	struct gfs_cred cred = { 7, 8 };
	struct ginode *dip, *ip;
	struct mnode *dir, *n;
	char name[256], target[128];
	int error;

	dir = m->dirs[rnd_below(r, m->ndirs)];
	make_name(m, r, name);
	snprintf(target, sizeof(target), "../to/%s", name + strlen(name) / 2);
	dip = walk_dir(m, fs, dir);
	if (dip == NULL)
		return;
	error = gfs_create(dip, name, type | 0644, 0, 0,
	    type == S_IFLNK ? target : NULL, &cred, true, &ip);
	gfs_iput(dip);
	expect(m, "create", name, find(dir, name) != NULL ? EEXIST : 0, error);
	if (error != 0)
		return;
	n = mnode_new(type);
	n->ino = gfs_ino(ip);
	n->gen = gfs_gen(ip);
	gfs_iput(ip);
	if (type == S_IFLNK)
		n->target = strdup(target);
	add(dir, name, n);
	if (type == S_IFREG)
		list_add(&m->files, &m->nfiles, n);
	if (type == S_IFDIR) {
		dir->nlink++;
		list_add(&m->dirs, &m->ndirs, n);
	}
}

static void
op_link(struct model *m, struct gfs *fs, struct rnd *r)
{
	struct mnode *dir, *n;
	struct ginode *dip, *ip;
	char name[256];
	int error;

	if (m->nfiles == 0)
		return;
	n = m->files[rnd_below(r, m->nfiles)];
	pick_name(m, r, &dir, name);
	dip = walk_dir(m, fs, dir);
	ip = model_walk(m, fs, n);
	error = EIO;
	if (dip != NULL && ip != NULL)
		error = gfs_link(ip, dip, name);
	put(ip);
	put(dip);
	expect(m, "link", name, find(dir, name) != NULL ? EEXIST : 0, error);
	if (error == 0) {
		n->nlink++;
		add(dir, name, n);
	}
}

static void
op_remove(struct model *m, struct gfs *fs, struct rnd *r)
{
	bool rmdir = rnd_below(r, 3) == 0;
	struct mnode *dir;
	struct ginode *dip;
	struct ment *e;
	char name[256];
	int error, want = 0;

	pick_name(m, r, &dir, name);
	e = find(dir, name);
	if (e == NULL)
		want = ENOENT;
	else if (rmdir && e->node->type != S_IFDIR)
		want = ENOTDIR;
	else if (!rmdir && e->node->type == S_IFDIR)
		want = EISDIR;
	else if (rmdir && e->node->nents > 0)
		want = ENOTEMPTY;
	dip = walk_dir(m, fs, dir);
	if (dip == NULL)
		return;
	error = rmdir ? gfs_rmdir(dip, name) : gfs_unlink(dip, name);
	gfs_iput(dip);
	expect(m, rmdir ? "rmdir" : "unlink", name, want, error);
	if (error == 0) {
		drop(m, e->node);
		del(dir, e);
	}
}

static bool
below(const struct model *m, const struct mnode *dir, const struct mnode *n)
{
	for (; dir != m->root; dir = dir->parent)
		if (dir == n)
			return true;
	return false;
}

/* What rename(2) answers. */
static int
rename_result(const struct model *m, struct mnode *odir, struct mnode *ndir,
    const struct ment *e, const struct ment *t, unsigned flags)
{
	bool isdir, tdir;

	if (e == NULL)
		return ENOENT;
	if (t == NULL && (flags & GFS_RENAME_EXCHANGE))
		return ENOENT;
	if (t != NULL && (flags & GFS_RENAME_NOREPLACE))
		return EEXIST;
	isdir = e->node->type == S_IFDIR;
	tdir = t != NULL && t->node->type == S_IFDIR;
	if (isdir && odir != ndir && below(m, ndir, e->node))
		return EINVAL;
	if (flags & GFS_RENAME_EXCHANGE)
		return tdir && odir != ndir && below(m, odir, t->node) ?
		    EINVAL :
		    0;
	if (t == NULL || t->node == e->node)
		return 0;
	if (isdir && !tdir)
		return ENOTDIR;
	if (!isdir && tdir)
		return EISDIR;
	return tdir && t->node->nents > 0 ? ENOTEMPTY : 0;
}

static void
move_parent(struct mnode *n, struct mnode *from, struct mnode *to)
{
	if (n->type != S_IFDIR)
		return;
	from->nlink--;
	to->nlink++;
	n->parent = to;
}

static void
rename_model(struct model *m, struct mnode *odir, const char *oname,
    struct mnode *ndir, const char *nname, unsigned flags)
{
	struct ment *e = find(odir, oname), *t = find(ndir, nname);
	struct mnode *n = e->node, *old;

	if (t != NULL && t->node == n)
		return;
	if (flags & GFS_RENAME_EXCHANGE) {
		old = t->node;
		t->node = n;
		e->node = old;
		move_parent(n, odir, ndir);
		move_parent(old, ndir, odir);
		return;
	}
	if (t != NULL) {
		drop(m, t->node);
		del(ndir, t);
	}
	del(odir, find(odir, oname));
	move_parent(n, odir, ndir);
	add(ndir, nname, n);
}

static void
op_rename(struct model *m, struct gfs *fs, struct rnd *r)
{
	static const unsigned kinds[] = { 0, 0, 0, GFS_RENAME_NOREPLACE,
		GFS_RENAME_EXCHANGE };
	unsigned flags = kinds[rnd_below(r, NITEMS(kinds))];
	struct mnode *odir, *ndir;
	struct ginode *oip, *nip;
	char oname[256], nname[256];
	int error, want;

	pick_name(m, r, &odir, oname);
	pick_name(m, r, &ndir, nname);
	if (rnd_below(r, 3) == 0) {
		ndir = odir;
		make_name(m, r, nname);
	}
	want = rename_result(m, odir, ndir, find(odir, oname),
	    find(ndir, nname), flags);
	oip = walk_dir(m, fs, odir);
	nip = walk_dir(m, fs, ndir);
	error = EIO;
	if (oip != NULL && nip != NULL)
		error = gfs_rename(oip, oname, nip, nname, flags);
	put(oip);
	put(nip);
	expect(m, "rename", oname, want, error);
	if (error == 0)
		rename_model(m, odir, oname, ndir, nname, flags);
}

static void
resize(struct mnode *n, size_t size)
{
	if (size > n->size) {
		n->data = realloc(n->data, size);
		ATF_REQUIRE(n->data != NULL);
		memset(n->data + n->size, 0, size - n->size);
	}
	n->size = size;
}

static void
op_write(struct model *m, struct gfs *fs, struct rnd *r)
{
	enum {
		MAX_LEN = 1 << 16
	};
	uint8_t *buf;
	struct mnode *n;
	struct ginode *ip;
	bool append = rnd_below(r, 4) == 0;
	size_t len, done, off, i;
	int error;

	if (m->nfiles == 0)
		return;
	n = m->files[rnd_below(r, m->nfiles)];
	len = rnd_below(r, 4) == 0 ? rnd_below(r, MAX_LEN) : rnd_below(r, 700);
	off = append ? n->size : rnd_below(r, (uint32_t)m->maxfile);
	if (rnd_below(r, 2) == 0 && !append)
		off = rnd_below(r, (uint32_t)n->size + 1);
	/* Each fiber its own: a write may wait. */
	buf = malloc(len + 1);
	ATF_REQUIRE(buf != NULL);
	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(1 + rnd_u32(r) % (MODEL_STALE - 1));
	ip = model_walk(m, fs, n);
	if (ip == NULL) {
		free(buf);
		return;
	}
	error = gfs_write(ip, buf, len, off, append, &done);
	gfs_iput(ip);
	expect(m, "write", "", 0, error);
	n->safe = false;
	ATF_REQUIRE(error != 0 || done == len || m->enospc || m->dying);
	if (off + done > n->size && done > 0)
		resize(n, off + done);
	if (done > 0)
		memcpy(n->data + off, buf, done);
	free(buf);
}

static void
op_truncate(struct model *m, struct gfs *fs, struct rnd *r)
{
	struct stat st;
	struct mnode *n;
	struct ginode *ip;
	int error;

	if (m->nfiles == 0)
		return;
	n = m->files[rnd_below(r, m->nfiles)];
	memset(&st, 0, sizeof(st));
	st.st_size =
	    rnd_below(r, 3) == 0 ? 0 : rnd_below(r, (uint32_t)m->maxfile);
	ip = model_walk(m, fs, n);
	if (ip == NULL)
		return;
	error = gfs_setattr(ip, &st, GFS_SET_SIZE);
	gfs_iput(ip);
	expect(m, "truncate", "", 0, error);
	n->safe = false;
	if (error == 0)
		resize(n, (size_t)st.st_size);
}

static void
verify_file(struct mnode *n, struct ginode *ip, size_t step)
{
	uint8_t *buf = malloc(step);
	size_t off, got = 0;
	int error;

	for (off = 0; off < n->size; off += got) {
		error = gfs_read(ip, buf, step, off, &got);
		ATF_REQUIRE_MSG(error == 0, "read: %s", strerror(error));
		ATF_REQUIRE_EQ(MIN(step, n->size - off), got);
		ATF_REQUIRE(memcmp(buf, n->data + off, got) == 0);
	}
	error = gfs_read(ip, buf, step, n->size, &got);
	ATF_REQUIRE(error == 0 && got == 0);
	free(buf);
}

static void
op_read(struct model *m, struct gfs *fs, struct rnd *r)
{
	struct mnode *n;
	struct ginode *ip;

	if (m->nfiles == 0)
		return;
	n = m->files[rnd_below(r, m->nfiles)];
	/* What is still in memory may be read from a dead disk. */
	if (m->dying)
		return;
	ip = model_walk(m, fs, n);
	verify_file(n, ip, 1 + rnd_below(r, 20000));
	gfs_iput(ip);
}

struct listing {
	struct mnode *dir;
	unsigned seen, left;
	uint64_t next;
	bool *mark;
};

static bool
list_one(void *arg, const struct gfs_dirent *de)
{
	struct listing *l = arg;
	struct ment *e;

	if (l->left == 0)
		return false;
	l->left--;
	l->next = de->next;
	if (strcmp(de->name, ".") == 0 || strcmp(de->name, "..") == 0) {
		ATF_REQUIRE_EQ((unsigned)DT_DIR, de->type);
		l->seen++;
		return true;
	}
	e = find(l->dir, de->name);
	ATF_REQUIRE_MSG(e != NULL, "%s does not belong here", de->name);
	ATF_REQUIRE_MSG(!l->mark[e - l->dir->ents], "%s comes twice", de->name);
	ATF_REQUIRE_EQ(IFTODT(e->node->type), de->type);
	l->mark[e - l->dir->ents] = true;
	l->seen++;
	return true;
}

/* In portions, as a client with a small buffer does. */
static void
verify_listing(struct mnode *dir, struct ginode *ip, unsigned portion)
{
	struct listing l = { .dir = dir };
	unsigned before;

	l.mark = calloc(dir->nents + 1, sizeof(*l.mark));
	do {
		before = l.seen;
		l.left = portion;
		ATF_REQUIRE_EQ(0, gfs_readdir(ip, l.next, list_one, &l));
	} while (l.seen > before);
	ATF_REQUIRE_EQ(dir->nents + 2, l.seen);
	free(l.mark);
}

static void
op_list(struct model *m, struct gfs *fs, struct rnd *r)
{
	struct mnode *dir = m->dirs[rnd_below(r, m->ndirs)];
	struct ginode *ip;

	if (m->dying)
		return;
	ip = walk_dir(m, fs, dir);
	verify_listing(dir, ip, 1 + rnd_below(r, 50));
	gfs_iput(ip);
}

void
model_step(struct model *m, struct gfs *fs, struct rnd *r)
{
	static void (*const ops[])(struct model *, struct gfs *,
	    struct rnd *) = { op_create, op_create, op_create, op_link,
		op_remove, op_remove, op_rename, op_rename, op_write, op_write,
		op_write, op_truncate, op_read, op_list };

	ops[rnd_below(r, NITEMS(ops))](m, fs, r);
}

static void
verify_tree(struct mnode *n, struct ginode *ip)
{
	struct ginode *child;
	struct stat st;
	char target[512];
	unsigned i;
	int error;

	error = gfs_getattr(ip, &st);
	ATF_REQUIRE_MSG(error == 0, "getattr: %s", strerror(error));
	ATF_REQUIRE_EQ(n->type, st.st_mode & S_IFMT);
	ATF_REQUIRE_EQ(n->nlink, st.st_nlink);
	if (n->type == S_IFREG) {
		ATF_REQUIRE_EQ(n->size, (size_t)st.st_size);
		verify_file(n, ip, 50000);
	} else if (n->type == S_IFLNK) {
		ATF_REQUIRE_EQ(0, gfs_readlink(ip, target, sizeof(target)));
		ATF_REQUIRE_STREQ(n->target, target);
	} else if (n->type == S_IFDIR) {
		verify_listing(n, ip, 1000);
		for (i = 0; i < n->nents; i++) {
			error = gfs_lookup(ip, n->ents[i].name, &child);
			ATF_REQUIRE_MSG(error == 0, "lookup %s: %s",
			    n->ents[i].name, strerror(error));
			verify_tree(n->ents[i].node, child);
			gfs_iput(child);
		}
	}
}

void
model_verify(struct model *m, struct gfs *fs)
{
	struct ginode *root = base_dir(m, fs);

	verify_tree(m->root, root);
	gfs_iput(root);
}

void
model_safe(struct model *m)
{
	unsigned i;

	for (i = 0; i < m->nfiles; i++)
		m->files[i]->safe = true;
}

static uint64_t
mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

/* One entry; path stands for the directory.  Order does not matter. */
static uint64_t
entry_digest(uint64_t path, const char *name, uint32_t type, unsigned nlink)
{
	uint64_t h = mix(path, name, strlen(name) + 1);

	h = mix(h, &type, sizeof(type));
	return mix(h, &nlink, sizeof(nlink));
}

static uint64_t
model_digest_dir(struct mnode *dir, uint64_t path)
{
	uint64_t sum = 0, h;
	struct ment *e;
	unsigned i;

	for (i = 0; i < dir->nents; i++) {
		e = &dir->ents[i];
		h = entry_digest(path, e->name, e->node->type, e->node->nlink);
		sum += h;
		if (e->node->type == S_IFDIR)
			sum += model_digest_dir(e->node,
			    mix(path, e->name, strlen(e->name)));
	}
	return sum;
}

uint64_t
model_digest(struct model *m)
{
	return model_digest_dir(m->root, 1469598103934665603u);
}

/* What is done with each entry below a directory. */
struct visit {
	struct ginode *dir;
	uint64_t path, sum;
	struct model *m; /* to compare contents with, or NULL */
	unsigned compared;
};

struct names {
	char (*v)[256];
	unsigned n;
};

static bool
collect(void *arg, const struct gfs_dirent *de)
{
	struct names *ns = arg;

	if (strcmp(de->name, ".") == 0 || strcmp(de->name, "..") == 0)
		return true;
	ns->v = reallocarray(ns->v, ns->n + 1, sizeof(*ns->v));
	ATF_REQUIRE(ns->v != NULL);
	strlcpy(ns->v[ns->n++], de->name, 256);
	return true;
}

static void
check_content(struct visit *v, struct ginode *ip, const struct stat *st)
{
	struct mnode *n;
	uint8_t *buf = malloc((size_t)st->st_size + 1);
	size_t got;
	unsigned i;

	ATF_REQUIRE_EQ(0, gfs_read(ip, buf, (size_t)st->st_size, 0, &got));
	ATF_REQUIRE_EQ((size_t)st->st_size, got);
	ATF_REQUIRE_MSG(memchr(buf, MODEL_STALE, got) == NULL,
	    "a file shows what was on the disk before");
	for (i = 0; i < v->m->nfiles; i++) {
		n = v->m->files[i];
		if (n->ino != gfs_ino(ip) || n->gen != gfs_gen(ip) || !n->safe)
			continue;
		ATF_REQUIRE_EQ(n->size, got);
		ATF_REQUIRE_MSG(got == 0 || memcmp(n->data, buf, got) == 0,
		    "a file that was synced has changed");
		v->compared++;
	}
	free(buf);
}

static void
visit_dir(struct visit *v)
{
	struct names ns = { NULL, 0 };
	struct visit sub = *v;
	struct ginode *ip;
	struct stat st;
	unsigned i;

	ATF_REQUIRE_EQ(0, gfs_readdir(v->dir, 0, collect, &ns));
	for (i = 0; i < ns.n; i++) {
		ATF_REQUIRE_EQ(0, gfs_lookup(v->dir, ns.v[i], &ip));
		ATF_REQUIRE_EQ(0, gfs_getattr(ip, &st));
		v->sum += entry_digest(v->path, ns.v[i], st.st_mode & S_IFMT,
		    (unsigned)st.st_nlink);
		if (S_ISREG(st.st_mode) && v->m != NULL)
			check_content(v, ip, &st);
		if (S_ISDIR(st.st_mode)) {
			sub.dir = ip;
			sub.path = mix(v->path, ns.v[i], strlen(ns.v[i]));
			sub.sum = 0;
			sub.compared = 0;
			visit_dir(&sub);
			v->sum += sub.sum;
			v->compared += sub.compared;
		}
		gfs_iput(ip);
	}
	free(ns.v);
}

uint64_t
tree_digest(struct gfs *fs)
{
	struct visit v = { .path = 1469598103934665603u };

	v.dir = gfs_root(fs);
	visit_dir(&v);
	gfs_iput(v.dir);
	return v.sum;
}

unsigned
model_check_safe(struct model *m, struct gfs *fs)
{
	struct visit v = { .m = m };

	v.dir = gfs_root(fs);
	visit_dir(&v);
	gfs_iput(v.dir);
	return v.compared;
}

static void
clear_tree(struct model *m, struct mnode *n, struct ginode *ip)
{
	struct ginode *child;
	struct ment *e;

	while (n->nents > 0) {
		e = &n->ents[n->nents - 1];
		if (e->node->type == S_IFDIR) {
			ATF_REQUIRE_EQ(0, gfs_lookup(ip, e->name, &child));
			clear_tree(m, e->node, child);
			gfs_iput(child);
			ATF_REQUIRE_EQ(0, gfs_rmdir(ip, e->name));
		} else {
			ATF_REQUIRE_EQ(0, gfs_unlink(ip, e->name));
		}
		drop(m, e->node);
		del(n, e);
	}
}

void
model_clear(struct model *m, struct gfs *fs)
{
	struct ginode *root = base_dir(m, fs);

	clear_tree(m, m->root, root);
	gfs_iput(root);
}
