/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Between the sources that read cluster.yaml (CONF_SRCS), and nobody else:
 * the text as a tree with positions (conf_yaml.c), the setters of single
 * values (conf_value.c, conf_addr.c), the table of keys (conf_schema.c,
 * conf_fence.c) and the collector of errors (conf_error.c).
 */

#ifndef CONF_YAML_H
#define CONF_YAML_H

#include "conf.h"

#define CONF_BYTES_MAX	(1024 * 1024)
#define CONF_DEPTH_MAX	16
#define CONF_YNODES_MAX	20000
#define CONF_FOUND_MAX	256	/* kept before the first 20 are chosen */

/*
 * Collects errors in any order; report_finish() sorts them by position.
 */
struct report {
	unsigned	  n;
	unsigned	  nerrors;	/* also those not kept */
	unsigned	  nwarnings;
	struct conf_error e[CONF_FOUND_MAX];
	struct conf_error spare;	/* written when e is full */
};

/* A place in the text, from 1; endcol is behind the last character. */
struct yplace {
	unsigned line, col, endcol;
};

/*
 * Adds one error or warning; the code tells which.  The result is valid until
 * the next call, for report_fix() or report_hint().
 */
struct conf_error *report_add(struct report *, const char *code,
	    struct yplace, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The way out: on a line of its own, or (short) behind the marker. */
void	 report_fix(struct conf_error *, const char *, ...) PRINTF_LIKE(2, 3);
void	 report_hint(struct conf_error *, const char *, ...) PRINTF_LIKE(2, 3);
void	 report_finish(struct report *, struct conf_errors *);

/*
 * The tree.  Every node is owned by its tree and lives as long.
 */
enum ykind { Y_SCALAR = 0, Y_SEQ, Y_MAP };

struct ynode {
	enum ykind		 kind;
	bool			 plain;	/* a scalar without quotes */
	struct yplace		 at;
	char			*text;	/* scalar: NUL-terminated; else NULL */
	struct ynode		*parent;	/* NULL: the root */
	struct ynode		*key;	/* of a value in a map; else NULL */
	unsigned		 index;	/* among the items of the parent */
	unsigned		 nitems;
	STAILQ_HEAD(, ynode)	 items;	/* values of a map, entries of a list */
	STAILQ_ENTRY(ynode)	 entry;
	STAILQ_ENTRY(ynode)	 all;
};

struct ytree {
	struct ynode		*root;	/* NULL: no document */
	unsigned		 nnodes;
	STAILQ_HEAD(, ynode)	 all;
};

/* Reads the text; false when it is no YAML of the kind we take (reported). */
bool	 ytree_load(struct ytree *, const char *text, size_t len,
	    struct report *);
void	 ytree_free(struct ytree *);
/* The value of a key in a map, or NULL. */
struct ynode *ynode_get(const struct ynode *, const char *key);
/*
 * Follows "nodes.beta.links[1]" from the root as far as it goes; *exact says
 * whether that was to its end.
 */
struct ynode *ynode_find(struct ynode *root, const char *path, bool *exact);
/* The same path of a node, clipped to size; returns buf. */
#define YPATH_LEN	160
const char *ynode_path(const struct ynode *, char *buf, size_t size);
/* Where to point for a node: its text if it is a scalar, else its key. */
struct yplace ynode_place(const struct ynode *);

/* Edit distance, capped; best is lowered when word is nearer to name. */
bool	 conf_nearer(const char *name, const char *word, unsigned *best);
/* Where conf_nearer() starts for a name: what is further is no help. */
unsigned conf_near_limit(const char *name);

/*
 * The walk: keys of a map, each with the function that reads its value.
 */
struct walk {
	struct conf	*c;
	struct report	*r;
	struct ynode	*root;
};

struct key {
	const char	 *name;		/* NULL ends a table */
	void		(*set)(struct walk *, const struct key *,
			    const struct ynode *, void *obj);
	size_t		  off;		/* of the member in obj */
	size_t		  size;		/* of the member */
	uint64_t	  min, max;	/* numbers, durations in us */
	bool		  required;
	const struct key *sub;		/* set_map: keys below */
	const char *const *words;	/* set_word: NULL-terminated */
	bool		(*ok)(const char *);	/* set_text: its shape */
	const char	 *code;		/* set_text: error when not ok */
	const char	 *rule;		/* set_text: "needs ..." */
	const char	 *example;	/* required keys: a line to write */
	bool		  secret;	/* set_text: errors do not show it */
};

#define MEMBER(s, m)	.off = offsetof(struct s, m), \
			.size = sizeof(((struct s *)NULL)->m)

void	 walk_map(struct walk *, const struct ynode *, const struct key *,
	    void *obj);
/* The node is of this kind, or E005 and false. */
bool	 walk_kind(struct walk *, const struct ynode *, enum ykind,
	    const char *needs);
/* Its text when it is a scalar with a value, or E005 and NULL. */
const char *walk_scalar(struct walk *, const struct ynode *,
	    const char *needs);
/* At most max items, or E007 and false. */
bool	 walk_count(struct walk *, const struct ynode *, unsigned max);
/* The key of an item as a name of some kind, or E020 and false. */
bool	 walk_name(struct walk *, const struct ynode *, char *, size_t);

void	 set_map(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_uint(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_bool(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_duration(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_word(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_text(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_file(struct walk *, const struct key *, const struct ynode *,
	    void *);

/* conf_schema.c: the whole file. */
void	 schema_walk(struct walk *);
/* conf_fence.c: `fencing:`, after the nodes. */
void	 set_fencing(struct walk *, const struct key *, const struct ynode *,
	    void *);
extern const struct key fencing_keys[];
/* conf_transport.c */
extern const struct key transport_keys[];
/* conf_qdevice.c: `quorum.device:`. */
void	 set_qdevice(struct walk *, const struct key *, const struct ynode *,
	    void *);
/* conf_addr.c: one address; the links of a node; W030 over all of them. */
void	 set_addr(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 set_links(struct walk *, const struct key *, const struct ynode *,
	    void *);
void	 addr_check(struct walk *);

#endif /* CONF_YAML_H */
