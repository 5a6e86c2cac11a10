/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* What the sources of clustershell share. */

#ifndef SHELL_H
#define SHELL_H

#include <stdio.h>

#include "../clusterd/compat.h"
#include "../clusterd/libclusterd/clusterd.h"

/* Exit codes (clustershell(8)); those from 64 on follow sysexits. */
enum {
	EX_DONE = 0, EX_FAILED = 1, EX_BAD_USAGE = 64, EX_NO_DAEMON = 69,
	EX_TRY_AGAIN = 75, EX_DENIED = 77, EX_NO_OBJECT = 105,
	EX_NO_QUORUM = 106, EX_UNCONFIRMED = 107, EX_TIMEOUT = 124
};

struct shell {
	struct cl	*cl;		/* NULL: not connected */
	const char	*socket;	/* path in use */
	bool		 json;
	bool		 yes;		/* dangerous commands need no typing */
	bool		 keep_going;
	bool		 interactive;
	bool		 color;
	bool		 quit;
	FILE		*out;
	int		 last;		/* exit code of the last command */
	/* For the prompt and for completion; refreshed by shell_refresh(). */
	char		 node[33];
	uint64_t	 epoch, up, total;
	bool		 quorate;
	unsigned	 nnodes;
	char		 nodes[CL_NODES_MAX][33];
};

/* clustershell.c: connects unless connected; EX_DONE or EX_NO_DAEMON. */
int	 shell_connect(struct shell *);
void	 shell_refresh(struct shell *);
/* Says an error as text on stderr, or as a JSON object; returns exit. */
int	 shell_error(struct shell *, int exit, const char *code,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The same for an errno of libclusterd, with the daemon's sentence if any. */
int	 shell_cl_error(struct shell *, int error, const char *text);
/* Runs "a; b" or several lines; returns the first failure's exit code. */
int	 shell_run(struct shell *, const char *line);

/* grammar.c: one table of words for parsing, help and completion. */
enum verb {
	V_NONE = 0, V_SHOW, V_STATUS, V_EVENTS, V_LOG, V_HELP, V_QUIT,
	V_FENCE, V_CONFIRM, V_LEAVE, V_WAIT, V_VERSION,
	V_EXPECTED, V_VOTES, V_SET, V_RESET, V_UNBLOCK, V_OVERRIDE,
	V_KEY_ADD, V_KEY_USE, V_KEY_DROP, V_KEY_ABSENT, V_KEY_ABORT
};

enum token_type {
	T_END = 0, T_WORD, T_NODE, T_NAME, T_NUMBER, T_VOTES, T_FLAG,
	/* As T_WORD and T_NODE, and one after the other they are the argument. */
	T_VALUE, T_NODES
};

struct token {
	enum token_type	 type;
	const char	*word;	/* of words, flags, values: itself; else its name
				   in help */
	const char	*help;
	const struct token *next;
	enum verb	 verb;	/* T_END and flags keep the one before */
	const char	*what;	/* V_SHOW: the question */
};

struct command {
	enum verb	 verb;
	const char	*what;
	char		 arg[512];	/* the node, name or values given */
	unsigned	 number;	/* 0: none */
	bool		 follow;
};

/*
 * Parses words. prefixes: unambiguous beginnings count as the word.  Returns
 * true, or false with a sentence in why.
 */
bool	 grammar_parse(char *const *words, unsigned n, bool prefixes,
	    struct command *, char *why, size_t whylen);
/* The tokens that may follow these words; NULL: the words are wrong. */
const struct token *grammar_next(char *const *words, unsigned n);
void	 grammar_help(FILE *, const char *topic);
/* Splits a line in place; returns the number of words, at most max. */
unsigned grammar_split(char *line, char **words, unsigned max);

/* complete.c */
void	 complete_init(struct shell *);

/* cmd_show.c, cmd_act.c: exit codes. */
int	 cmd_show(struct shell *, const struct command *);
int	 cmd_status(struct shell *, const struct command *);
int	 cmd_events(struct shell *, const struct command *);
int	 cmd_act(struct shell *, const struct command *);
int	 cmd_wait(struct shell *, const struct command *);

/* out_text.c, out_json.c: an answer as a table, or as one JSON line. */
struct table;
struct table *table_new(void);
void	 table_free(struct table *);
bool	 table_row(void *table, const struct cl_field *, unsigned n);
unsigned table_rows(const struct table *);
const struct cl_field *table_get(const struct table *, unsigned row,
	    unsigned *n);
/* A field by name, or NULL. */
const struct cl_field *field(const struct cl_field *, unsigned n,
	    const char *name);
uint64_t field_num(const struct cl_field *, unsigned n, const char *name);
const char *field_str(const struct cl_field *, unsigned n, const char *name);

void	 text_table(FILE *, const struct table *);
/*
 * The next character of UTF-8: its length, or 0 when it is malformed or a
 * control character.  Text from elsewhere is never trusted with a terminal.
 */
unsigned text_rune(const char *);
/* Copies with '?' for each byte that text_rune() refuses. */
void	 text_clean(char *dst, size_t size, const char *src);
/* Formats, cleans, and writes one line with its newline. */
void	 text_line(FILE *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "12.4s", "0.21ms"; size of dst 16 at least. */
void	 text_duration(char *dst, size_t size, uint64_t us);
void	 text_time(char *dst, size_t size, uint64_t wall_us);

void	 json_table(FILE *, const struct shell *, const char *command,
	    const struct table *);
void	 json_string(FILE *, const char *);

#endif /* SHELL_H */
