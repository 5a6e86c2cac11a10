/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Completion and "?" for readline, read from the grammar; node names come
 * from the daemon.  readline calls back without an argument of ours, hence
 * the one file-local pointer.
 */

#include <readline/readline.h>

#include "shell.h"

#define WORDS_MAX   16
#define MATCHES_MAX 128

static struct {
	struct shell *sh;
	unsigned n, at;
	const char *words[MATCHES_MAX];
} state;

static void
offer(const char *word, const char *text)
{
	if (state.n < MATCHES_MAX && strncmp(word, text, strlen(text)) == 0)
		state.words[state.n++] = word;
}

/* The table of tokens that may stand at the cursor, or NULL. */
static const struct token *
at_cursor(const char *line, int end)
{
	char copy[1024], *words[WORDS_MAX];
	unsigned n;

	strlcpy(copy, line, sizeof(copy));
	if (end >= 0 && (size_t)end < sizeof(copy))
		copy[end] = '\0';
	n = grammar_split(copy, words, WORDS_MAX);
	return n > WORDS_MAX ? NULL : grammar_next(words, n);
}

static char *
generate(const char *text, int again)
{
	(void)text;
	if (!again)
		state.at = 0;
	if (state.at >= state.n)
		return NULL;
	return strdup(state.words[state.at++]);
}

static char **
complete(const char *text, int start, int end)
{
	const struct token *t = at_cursor(rl_line_buffer, start);
	unsigned i;

	(void)end;
	rl_attempted_completion_over = 1;
	state.n = 0;
	for (; t != NULL && (t->type != T_END || t->verb != V_NONE); t++) {
		if (t->type == T_WORD || t->type == T_FLAG ||
		    t->type == T_VALUE)
			offer(t->word, text);
		else if (t->type == T_NODE || t->type == T_NODES) {
			for (i = 0; i < state.sh->nnodes; i++)
				offer(state.sh->nodes[i], text);
		}
	}
	return rl_completion_matches(text, generate);
}

static int
explain(int count, int key)
{
	const struct token *t;
	int end = rl_point;

	(void)count;
	(void)key;
	while (end > 0 && rl_line_buffer[end - 1] != ' ')
		end--;
	t = at_cursor(rl_line_buffer, end);
	putchar('\n');
	for (; t != NULL && (t->type != T_END || t->verb != V_NONE); t++) {
		if (t->type == T_END)
			printf("  %-12s the command may end here\n", "<Enter>");
		else
			printf("  %-12s %s\n", t->word, t->help);
	}
	rl_on_new_line();
	return 0;
}

void
complete_init(struct shell *sh)
{
	state.sh = sh;
	rl_readline_name = "clustershell";
	rl_attempted_completion_function = complete;
	rl_bind_key('?', explain);
}
