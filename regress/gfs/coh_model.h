/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a small tree must look like after a sequence of operations: the model
 * against which mounts are compared.
 */

#ifndef COH_MODEL_H
#define COH_MODEL_H

#include "libgfs/gfs.h"

enum {
	M_DIRS = 4,	/* fixed directories d0..d3 */
	M_NAMES = 8,	/* names n0..n7 in each */
	M_FILES = 4096,	/* files ever made in one run */
	M_SIZE = 24000	/* largest file */
};

enum op_kind {
	OP_CREATE = 0, OP_MKDIR, OP_UNLINK, OP_RMDIR, OP_RENAME, OP_LINK,
	OP_WRITE, OP_APPEND, OP_TRUNCATE, OP_READ, OP_STAT, OP_READDIR,
	OP_FSYNC, OP_KINDS
};

struct op {
	enum op_kind	 kind;
	unsigned	 mount;		/* incarnation of the mount */
	unsigned	 dir, name, dir2, name2;
	uint32_t	 off, len;
	uint8_t		 val;
	bool		 ended;		/* false: it was cut short by a death */
	bool		 late;		/* it ended after one: error is a clue */
	int		 error;
	bool		 vague;		/* its bytes may have died with its mount */
	bool		 ghost;		/* only its bytes may have survived it */
};

struct mfile {
	bool		 used, isdir;
	unsigned	 nlink;
	uint32_t	 size;
	uint8_t		*data;		/* M_SIZE bytes, or NULL while empty */
	bool		 seen[256];	/* values ever written */
	bool		 unsure;	/* contents: only plausible */
};

struct model {
	int		 entry[M_DIRS][M_NAMES];	/* file, or -1 */
	struct mfile	*files;
	unsigned	 nfiles;
};

void	 model_init(struct model *);
void	 model_free(struct model *);
/* The errno the operation must end with. */
int	 model_apply(struct model *, const struct op *);
/* Carries it out on a mount; contents are compared with the model (reads). */
int	 op_run(struct gfs *, const struct op *, const struct model *);
/* A mount has died: what is on the volume is not what the model says. */
extern bool model_unsure;
void	 op_random(struct op *, uint64_t (*rnd)(void));
void	 op_print(const struct op *);
/*
 * Compares the whole tree of a mount.  Returns false and a sentence; contents
 * that are unsure are checked for plausible bytes, and taken over.
 */
bool	 model_matches(struct model *, struct gfs *, char *why, size_t whylen);
/* The fixed directories. */
int	 model_mkfs(struct gfs *);

#endif /* COH_MODEL_H */
