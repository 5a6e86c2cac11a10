/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * libgfs: one mounted GFS2 volume in user space.  Every call below runs inside
 * a fiber of the mount's env (env.h) and may block there.  Functions return 0
 * or a positive errno.  No FUSE types here.
 */

#ifndef GFS_H
#define GFS_H

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "env.h"
#include "lockops.h"

struct gfs;
struct ginode;

struct gfs_mount {
	const char	*device;	/* path; or fd >= 0 */
	int		 fd;		/* -1, or the device, opened O_DIRECT */
	bool		 readonly;
	bool		 noatime;
	const char	*table;		/* NULL: from the superblock */
	const struct lm_ops *lm;	/* lm_none, lm_cluster, ... */
	void		*lm_opts;	/* the backend's own */
	size_t		 cache_bytes;	/* 0: a default */
	uint64_t	 commit_us;	/* log flush timer; 0: 1 s */
	/* A line for the operator (recovery, withdraw); may be NULL. */
	void		(*log)(void *arg, const char *line);
	void		*log_arg;
};

/*
 * Mounts: joins the lockspace, recovers what is dirty, starts the log.  On
 * failure why holds a sentence that names the thing and the way out.
 */
int	 gfs_mount(struct env *, const struct gfs_mount *, struct gfs **,
	    char *why, size_t whylen);
/* Flushes, leaves a clean journal, leaves the lockspace, frees. */
int	 gfs_unmount(struct gfs *);
/* Stops all I/O at once, without a clean journal; frees nothing. */
void	 gfs_abort(struct gfs *, const char *why);

struct ginode *gfs_root(struct gfs *);	/* a new reference */
/* An inode by number (FUSE handles, NFS); ESTALE when it is gone. */
int	 gfs_iget(struct gfs *, uint64_t ino, uint64_t gen, struct ginode **);
void	 gfs_iput(struct ginode *);
uint64_t gfs_ino(const struct ginode *);
uint64_t gfs_gen(const struct ginode *);
int	 gfs_opened(struct ginode *);	/* a user has it open; ESTALE: gone */
void	 gfs_closed(struct ginode *);	/* the last close of an unlinked one deletes */

int	 gfs_lookup(struct ginode *dir, const char *name, struct ginode **);
int	 gfs_getattr(struct ginode *, struct stat *);

#define GFS_SET_MODE	0x01
#define GFS_SET_UID	0x02
#define GFS_SET_GID	0x04
#define GFS_SET_SIZE	0x08
#define GFS_SET_ATIME	0x10
#define GFS_SET_MTIME	0x20
#define GFS_SET_ATIME_NOW 0x40
#define GFS_SET_MTIME_NOW 0x80
int	 gfs_setattr(struct ginode *, const struct stat *, unsigned mask);

struct gfs_cred { uint32_t uid, gid; };
/* mode's type says what is made; target for symlinks, rdev for devices. */
int	 gfs_create(struct ginode *dir, const char *name, uint32_t mode,
	    uint32_t rdev_major, uint32_t rdev_minor, const char *target,
	    const struct gfs_cred *, bool excl, struct ginode **);
int	 gfs_link(struct ginode *, struct ginode *dir, const char *name);
int	 gfs_unlink(struct ginode *dir, const char *name);
int	 gfs_rmdir(struct ginode *dir, const char *name);
#define GFS_RENAME_NOREPLACE	1
#define GFS_RENAME_EXCHANGE	2
int	 gfs_rename(struct ginode *odir, const char *oname, struct ginode *ndir,
	    const char *nname, unsigned flags);
int	 gfs_readlink(struct ginode *, char *buf, size_t bufsize);

int	 gfs_read(struct ginode *, void *buf, size_t len, uint64_t off,
	    size_t *got);
/* append: off is ignored, the data goes to the end, atomically. */
int	 gfs_write(struct ginode *, const void *buf, size_t len, uint64_t off,
	    bool append, size_t *put);
int	 gfs_fsync(struct ginode *, bool datasync);
int	 gfs_sync(struct gfs *);

struct gfs_dirent {
	const char	*name;
	uint64_t	 ino;
	uint64_t	 gen;
	unsigned	 type;		/* DT_* */
	uint64_t	 next;		/* cookie that continues after this one */
};
/* Calls fn from cookie (0: start) on until it returns false or the end. */
int	 gfs_readdir(struct ginode *dir, uint64_t cookie,
	    bool (*fn)(void *arg, const struct gfs_dirent *), void *arg);
int	 gfs_statfs(struct gfs *, struct statvfs *);

/* For status: a line of text per fact ("journal", "locks", ...). */
bool	 gfs_withdrawn(const struct gfs *, const char **why);

#endif /* GFS_H */
