/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * For tests of whole mounts: a fresh volume made by mkfs.gfs2, one fiber that
 * mounts it on the simulated host, the verdict of fsck.gfs2, and a model of
 * the tree in memory that random operations are compared with.
 */

#ifndef REGRESS_VOLUME_H
#define REGRESS_VOLUME_H

#include <atf-c.h>

#include "libgfs/gfs.h"

/* A sparse file with a file system; journals of 8 MiB. */
void	 vol_make(const char *path, unsigned mib, unsigned bsize,
	    unsigned journals);
/* The same, with every byte of the free space set. */
void	 vol_make_filled(const char *path, unsigned mib, unsigned bsize,
	    uint8_t byte);
/* Fails the test unless fsck.gfs2 -n finds nothing. */
void	 vol_fsck(const char *path);
void	 vol_copy(const char *from, const char *to);

/* Runs fn as a fiber of a new simulated host until it returns. */
void	 vol_run(void (*fn)(void *), void *arg);
/* The environment of the running vol_run(). */
struct env *vol_env(void);
/* Inside the fiber; fails the test when mounting fails. */
struct gfs *vol_mount(const char *path);
int	 vol_try_mount(const char *path, struct gfs **, char *why, size_t len);
void	 vol_unmount(struct gfs *);
/* Free blocks; what was freed counts at once, committed or not. */
fsblkcnt_t vol_free(struct gfs *);

/* SEED and ROUNDS in the environment replace what a test would use. */
uint64_t vol_seed(uint64_t usual);
unsigned vol_rounds(unsigned usual);

/* A deterministic generator; the same seed, the same test. */
struct rnd { uint64_t s; };
uint32_t rnd_u32(struct rnd *);
uint32_t rnd_below(struct rnd *, uint32_t n);

/* The model. */
struct mnode;
struct ment {
	char		*name;
	struct mnode	*node;
};
struct mnode {
	uint32_t	 type;		/* S_IF* */
	unsigned	 nlink;
	unsigned	 refs;		/* entries that lead here, and the root */
	uint8_t		*data;
	size_t		 size;
	char		*target;
	struct ment	*ents;
	unsigned	 nents;
	struct mnode	*parent;	/* of a directory */
	uint64_t	 ino, gen;
	bool		 safe;		/* synced, and not changed since */
};
struct model {
	struct mnode	*root;
	const char	*base;		/* a directory in the root, or NULL */
	struct mnode	**dirs;
	unsigned	 ndirs;
	struct mnode	**files;	/* regular, each once */
	unsigned	 nfiles;
	unsigned	 maxname;	/* longest names made */
	size_t		 maxfile;	/* largest file made, bytes */
	bool		 enospc;	/* running out of space is expected */
	bool		 dying;		/* EIO is expected, and sets dead */
	bool		 dead;
};

/* A byte that no operation of the model writes. */
#define MODEL_STALE	0xee

void	 model_init(struct model *);
void	 model_free(struct model *);
/* A file in the root that is there already and is not looked into. */
void	 model_adopt(struct model *, const char *name);
/* One random operation on both; they must agree on the result. */
void	 model_step(struct model *, struct gfs *, struct rnd *);
/* Every name, attribute and byte of the tree is as in the model. */
void	 model_verify(struct model *, struct gfs *);
/* Everything was synced. */
void	 model_safe(struct model *);
/* Names, types and link counts of the tree as one number; of both kinds. */
uint64_t model_digest(struct model *);
uint64_t tree_digest(struct gfs *);
/*
 * After a crash: files that were safe are as they were, and no file shows
 * bytes that were never written to it.  Returns how many were compared.
 */
unsigned model_check_safe(struct model *, struct gfs *);
/* Removes everything from both. */
void	 model_clear(struct model *, struct gfs *);

/* The inode of a model's directory or file by path from the root. */
struct ginode *model_walk(struct model *, struct gfs *, struct mnode *);

#endif /* REGRESS_VOLUME_H */
