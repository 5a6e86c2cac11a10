/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The commands as tables of words.  Parsing, help and completion all read
 * these tables, so none can say what another does not know.
 */

#include <errno.h>

#include "shell.h"

#define END(v, q)                                                              \
	{                                                                      \
		T_END, NULL, NULL, NULL, v, q                                  \
	}
#define LAST                                                                   \
	{                                                                      \
		T_END, NULL, NULL, NULL, V_NONE, NULL                          \
	}

static const struct token t_status[] = { END(V_STATUS, "status"), LAST };
static const struct token t_links[] = { END(V_SHOW, "links"), LAST };
static const struct token t_timers[] = { END(V_SHOW, "timers"), LAST };
static const struct token t_expected_end[] = { END(V_EXPECTED, NULL), LAST };
static const struct token t_expected[] = {
	{ T_NUMBER, "VOTES", "so many in all, from now on", t_expected_end,
	    V_EXPECTED, NULL },
	LAST
};
static const struct token t_votes_end[] = { END(V_VOTES, NULL), LAST };
static const struct token t_votes_node[] = { { T_VOTES, "VOTES",
						 "0 to 255, from now on",
						 t_votes_end, V_VOTES, NULL },
	LAST };
static const struct token t_votes[] = {
	{ T_NODE, "NODE", "whose votes", t_votes_node, V_VOTES, NULL }, LAST
};
static const struct token t_set_end[] = { END(V_SET, NULL), LAST };
static const struct token t_set_truth[] = { { T_VALUE, "true", "from now on",
						t_set_end, V_SET, NULL },
	{ T_VALUE, "false", "from now on", t_set_end, V_SET, NULL }, LAST };
static const struct token t_set_nodes[] = { END(V_SET, NULL),
	{ T_NODES, "NODE", "and then this one", t_set_nodes, V_SET, NULL },
	LAST };
static const struct token t_set_tie[] = {
	{ T_VALUE, "none", "half of the votes are never enough", t_set_end,
	    V_SET, NULL },
	{ T_VALUE, "lowest", "with the node with the lowest id", t_set_end,
	    V_SET, NULL },
	{ T_VALUE, "highest", "with the node with the highest id", t_set_end,
	    V_SET, NULL },
	{ T_NODES, "NODE", "with the first of these nodes", t_set_nodes, V_SET,
	    NULL },
	LAST
};
static const struct token t_set_device[] = { { T_VOTES, "VOTES",
						 "0 to 255; 0: it does not "
						 "count",
						 t_set_end, V_SET, NULL },
	LAST };
static const struct token t_set[] = { { T_VALUE, "wait_for_all",
					  "a cold start waits for every voter",
					  t_set_truth, V_SET, NULL },
	{ T_VALUE, "two_node", "one of two nodes is enough: fencing decides",
	    t_set_truth, V_SET, NULL },
	{ T_VALUE, "last_man_standing", "the last view's votes decide",
	    t_set_truth, V_SET, NULL },
	{ T_VALUE, "downscale", "who leaves cleanly does not count",
	    t_set_truth, V_SET, NULL },
	{ T_VALUE, "tie_breaker", "half is enough with one node", t_set_tie,
	    V_SET, NULL },
	{ T_VALUE, "device_votes", "the votes of the quorum device",
	    t_set_device, V_SET, NULL },
	LAST };
static const struct token t_options[] = { END(V_SHOW, "quorum-options"), LAST };
static const struct token t_reset[] = { END(V_RESET, NULL), LAST };
static const struct token t_unblock[] = { END(V_UNBLOCK, NULL), LAST };
static const struct token t_override[] = { END(V_OVERRIDE, NULL), LAST };
static const struct token t_quorum[] = { END(V_SHOW, "quorum"),
	{ T_WORD, "expected", "change how many votes there are in all",
	    t_expected, V_EXPECTED, NULL },
	{ T_WORD, "votes", "change the votes of a node", t_votes, V_VOTES,
	    NULL },
	{ T_WORD, "set", "change an option of quorum", t_set, V_SET, NULL },
	{ T_WORD, "options", "what is in force, and what the file says",
	    t_options, V_SHOW, "quorum-options" },
	{ T_WORD, "reset", "votes and options as in the file again", t_reset,
	    V_RESET, NULL },
	{ T_WORD, "unblock", "no longer wait for nodes that are off", t_unblock,
	    V_UNBLOCK, NULL },
	{ T_WORD, "override", "go on without a majority: all others are off",
	    t_override, V_OVERRIDE, NULL },
	LAST };
static const struct token t_groups[] = { END(V_SHOW, "groups"), LAST };
static const struct token t_channels[] = { END(V_SHOW, "channels"), LAST };
static const struct token t_levels[] = { END(V_SHOW, "levels"), LAST };
static const struct token t_barriers[] = { END(V_SHOW, "barriers"), LAST };
static const struct token t_ports[] = { END(V_SHOW, "ports"), LAST };
static const struct token t_kv_of[] = { END(V_SHOW, "kv"), LAST };
static const struct token t_kv[] = { END(V_SHOW, "kv"),
	{ T_NAME, "PREFIX", "only keys that begin like this", t_kv_of, V_SHOW,
	    "kv" },
	LAST };
static const struct token t_key_status[] = { END(V_SHOW, "key"), LAST };
static const struct token t_key_add[] = { END(V_KEY_ADD, NULL), LAST };
static const struct token t_key_use[] = { END(V_KEY_USE, NULL), LAST };
static const struct token t_key_abort[] = { END(V_KEY_ABORT, NULL), LAST };
static const struct token t_key_absent[] = { END(V_KEY_ABSENT, NULL), LAST };
static const struct token t_key_drop[] = { END(V_KEY_DROP, NULL),
	{ T_WORD, "absent", "also if nodes are away that have the old one only",
	    t_key_absent, V_KEY_ABSENT, NULL },
	LAST };
static const struct token t_key[] = { END(V_SHOW, "key"),
	{ T_WORD, "status", "the same", t_key_status, V_SHOW, "key" },
	{ T_WORD, "add", "1: give every node a new key", t_key_add, V_KEY_ADD,
	    NULL },
	{ T_WORD, "use", "2: send with the new key, once all have it",
	    t_key_use, V_KEY_USE, NULL },
	{ T_WORD, "drop", "3: forget the old key, once nobody needs it",
	    t_key_drop, V_KEY_DROP, NULL },
	{ T_WORD, "abort", "give the new key up, before it is used",
	    t_key_abort, V_KEY_ABORT, NULL },
	LAST };
static const struct token t_lockspaces[] = { END(V_SHOW, "lockspaces"), LAST };
static const struct token t_nodes[] = { END(V_SHOW, "nodes"), LAST };
static const struct token t_fs[] = { END(V_SHOW, "fs"), LAST };
static const struct token t_quit[] = { END(V_QUIT, NULL), LAST };
static const struct token t_version[] = { END(V_VERSION, NULL), LAST };

static const struct token t_locks_of[] = { END(V_SHOW, "locks"), LAST };
static const struct token t_locks[] = { END(V_SHOW, "locks"),
	{ T_NAME, "LOCKSPACE", "only the locks of this lockspace", t_locks_of,
	    V_SHOW, "locks" },
	LAST };

static const struct token t_leave[] = { END(V_LEAVE, NULL), LAST };
static const struct token t_node_what[] = { END(V_SHOW, "nodes"),
	{ T_WORD, "leave", "stop clusterd there cleanly", t_leave, V_LEAVE,
	    NULL },
	LAST };
static const struct token t_node[] = {
	{ T_NODE, "NODE", "one node", t_node_what, V_SHOW, "nodes" }, LAST
};

static const struct token t_fence_node[] = { END(V_FENCE, NULL), LAST };
static const struct token t_confirm_node[] = { END(V_CONFIRM, NULL), LAST };
static const struct token t_confirm[] = {
	{ T_NODE, "NODE", "the node that you have seen switched off",
	    t_confirm_node, V_CONFIRM, NULL },
	LAST
};
static const struct token t_fence[] = { END(V_SHOW, "fence"),
	{ T_WORD, "confirm", "say that a lost node is off, by your own eyes",
	    t_confirm, V_CONFIRM, NULL },
	{ T_NODE, "NODE", "switch this node off, now", t_fence_node, V_FENCE,
	    NULL },
	LAST };

static const struct token t_events_end[] = { END(V_EVENTS, "events"),
	{ T_FLAG, "--follow", "go on with new ones as they happen",
	    t_events_end, V_EVENTS, "events" },
	LAST };
static const struct token t_events[] = { END(V_EVENTS, "events"),
	{ T_FLAG, "--follow", "go on with new ones as they happen",
	    t_events_end, V_EVENTS, "events" },
	{ T_NUMBER, "COUNT", "only the last COUNT", t_events_end, V_EVENTS,
	    "events" },
	LAST };
static const struct token t_log_end[] = { END(V_LOG, "events"),
	{ T_FLAG, "--follow", "go on with new ones as they happen", t_log_end,
	    V_LOG, "events" },
	LAST };
static const struct token t_log[] = { END(V_LOG, "events"),
	{ T_FLAG, "--follow", "go on with new ones as they happen", t_log_end,
	    V_LOG, "events" },
	{ T_NUMBER, "COUNT", "only the last COUNT", t_log_end, V_LOG,
	    "events" },
	LAST };

static const struct token t_wait_end[] = { END(V_WAIT, NULL), LAST };
static const struct token t_wait_quorum[] = { END(V_WAIT, NULL),
	{ T_NUMBER, "SECONDS", "give up after that long (60)", t_wait_end,
	    V_WAIT, NULL },
	LAST };
static const struct token t_wait[] = { { T_WORD, "quorum",
					   "until this node is quorate",
					   t_wait_quorum, V_WAIT, NULL },
	LAST };

static const struct token t_help_end[] = { END(V_HELP, NULL), LAST };
static const struct token t_help[] = { END(V_HELP, NULL),
	{ T_NAME, "COMMAND", "one command", t_help_end, V_HELP, NULL }, LAST };

static const struct token t_main[] = { { T_WORD, "status",
					   "the whole cluster in a few lines",
					   t_status, V_STATUS, "status" },
	{ T_WORD, "nodes", "every configured node", t_nodes, V_SHOW, "nodes" },
	{ T_WORD, "node", "one node; make it leave", t_node, V_NONE, NULL },
	{ T_WORD, "links", "the paths to every peer: state, delay, loss",
	    t_links, V_SHOW, "links" },
	{ T_WORD, "timers", "what is waited for, how long, and what then",
	    t_timers, V_SHOW, "timers" },
	{ T_WORD, "quorum", "votes, and why (not) quorate; change them",
	    t_quorum, V_SHOW, "quorum" },
	{ T_WORD, "key", "the key of the cluster, and its change; change it",
	    t_key, V_SHOW, "key" },
	{ T_WORD, "groups", "process groups and their members", t_groups,
	    V_SHOW, "groups" },
	{ T_WORD, "channels", "event channels and what they retain", t_channels,
	    V_SHOW, "channels" },
	{ T_WORD, "levels", "programs at recovery levels, and their state",
	    t_levels, V_SHOW, "levels" },
	{ T_WORD, "barriers", "barriers, and how many have come", t_barriers,
	    V_SHOW, "barriers" },
	{ T_WORD, "kv", "the keys that programs keep in the cluster", t_kv,
	    V_SHOW, "kv" },
	{ T_WORD, "ports", "ports for datagrams that are open on this node",
	    t_ports, V_SHOW, "ports" },
	{ T_WORD, "lockspaces", "lockspaces, their members and recovery",
	    t_lockspaces, V_SHOW, "lockspaces" },
	{ T_WORD, "locks", "the locks of this node", t_locks, V_SHOW, "locks" },
	{ T_WORD, "fence", "fencing: what is pending and what was done; do it",
	    t_fence, V_SHOW, "fence" },
	{ T_WORD, "fs", "file systems mounted on this node", t_fs, V_SHOW,
	    "fs" },
	{ T_WORD, "events", "what happened, with causes, as a table", t_events,
	    V_EVENTS, "events" },
	{ T_WORD, "log", "the same as plain log lines", t_log, V_LOG,
	    "events" },
	{ T_WORD, "wait", "wait for a state, for scripts", t_wait, V_NONE,
	    NULL },
	{ T_WORD, "help", "this list, or one command", t_help, V_HELP, NULL },
	{ T_WORD, "version", "the version of this shell", t_version, V_VERSION,
	    NULL },
	{ T_WORD, "quit", "leave the shell", t_quit, V_QUIT, NULL }, LAST };

/* The table's real end, as opposed to "the command may end here". */
static bool
is_last(const struct token *t)
{
	return t->type == T_END && t->verb == V_NONE;
}

unsigned
grammar_split(char *line, char **words, unsigned max)
{
	unsigned n = 0;
	char *word;

	while ((word = strsep(&line, " \t\r\n")) != NULL) {
		if (*word == '\0')
			continue;
		if (n == max)
			return max + 1;
		words[n++] = word;
	}
	return n;
}

/* Every word of a table that begins like this; two are too many. */
static const struct token *
match_word(const struct token *table, const char *word, bool prefixes,
    bool *ambiguous)
{
	const struct token *t, *found = NULL;

	*ambiguous = false;
	for (t = table; !is_last(t); t++) {
		if (t->type != T_WORD && t->type != T_FLAG &&
		    t->type != T_VALUE)
			continue;
		if (strcmp(t->word, word) == 0)
			return t;
		if (prefixes && strncmp(t->word, word, strlen(word)) == 0) {
			*ambiguous = found != NULL;
			found = t;
		}
	}
	return *ambiguous ? NULL : found;
}

static const struct token *
match_value(const struct token *table, const char *word)
{
	const struct token *t;
	const char *error;

	for (t = table; !is_last(t); t++) {
		if (t->type == T_NODE || t->type == T_NAME ||
		    t->type == T_NODES)
			return word[0] == '-' ? NULL : t;
		if (t->type != T_NUMBER && t->type != T_VOTES)
			continue;
		(void)strtonum(word, t->type == T_VOTES ? 0 : 1,
		    t->type == T_VOTES ? 255 : 1000000, &error);
		if (error == NULL)
			return t;
	}
	return NULL;
}

static const struct token *
match(const struct token *table, const char *word, bool prefixes,
    bool *ambiguous)
{
	const struct token *t = match_word(table, word, prefixes, ambiguous);

	if (t == NULL && !*ambiguous)
		t = match_value(table, word);
	return t;
}

static void
take(const struct token *t, const char *word, struct command *cmd)
{
	cmd->verb = t->verb;
	cmd->what = t->what;
	if (t->type == T_VALUE || t->type == T_NODES ||
	    (t->type == T_VOTES && t->verb == V_SET)) {
		if (cmd->arg[0] != '\0')
			strlcat(cmd->arg, " ", sizeof(cmd->arg));
		strlcat(cmd->arg, t->type == T_VALUE ? t->word : word,
		    sizeof(cmd->arg));
	} else if (t->type == T_NODE || t->type == T_NAME)
		strlcpy(cmd->arg, word, sizeof(cmd->arg));
	else if (t->type == T_NUMBER || t->type == T_VOTES)
		cmd->number = (unsigned)strtonum(word, 0, 1000000, NULL);
	else if (t->type == T_FLAG)
		cmd->follow = true;
}

static void
expected(const struct token *table, char *why, size_t whylen)
{
	const struct token *t;

	strlcat(why, "; expected", whylen);
	for (t = table; !is_last(t); t++) {
		strlcat(why, t == table ? " " : ", ", whylen);
		strlcat(why, t->type == T_END ? "the end" : t->word, whylen);
	}
}

bool
grammar_parse(char *const *words, unsigned n, bool prefixes,
    struct command *cmd, char *why, size_t whylen)
{
	const struct token *t, *table = t_main;
	bool ambiguous;
	unsigned i;

	memset(cmd, 0, sizeof(*cmd));
	for (i = 0; i < n; i++) {
		t = match(table, words[i], prefixes, &ambiguous);
		if (t == NULL) {
			snprintf(why, whylen, "%s \"%s\"",
			    ambiguous ? "ambiguous word" : "unknown word",
			    words[i]);
			expected(table, why, whylen);
			return false;
		}
		take(t, words[i], cmd);
		table = t->next;
	}
	for (t = table; !is_last(t); t++) {
		if (t->type == T_END)
			return true;
	}
	snprintf(why, whylen, "the command is not complete");
	expected(table, why, whylen);
	return false;
}

const struct token *
grammar_next(char *const *words, unsigned n)
{
	const struct token *t, *table = t_main;
	bool ambiguous;
	unsigned i;

	for (i = 0; i < n; i++) {
		t = match(table, words[i], true, &ambiguous);
		if (t == NULL)
			return NULL;
		table = t->next;
	}
	return table;
}

static void
help_below(FILE *out, const struct token *table, const char *before)
{
	const struct token *t;
	char line[128];

	for (t = table; !is_last(t); t++) {
		if (t->type == T_END || t->next == table)
			continue;
		snprintf(line, sizeof(line), "%s %s", before, t->word);
		fprintf(out, "  %-28s  %s\n", line, t->help);
		help_below(out, t->next, line);
	}
}

void
grammar_help(FILE *out, const char *topic)
{
	const struct token *t;

	for (t = t_main; !is_last(t); t++) {
		if (topic[0] == '\0') {
			fprintf(out, "  %-12s %s\n", t->word, t->help);
		} else if (strcmp(topic, t->word) == 0) {
			fprintf(out, "  %-28s  %s\n", t->word, t->help);
			help_below(out, t->next, t->word);
			return;
		}
	}
	if (topic[0] != '\0')
		fprintf(out, "no command \"%s\"; try: help\n", topic);
}
