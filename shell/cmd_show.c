/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The commands that only look. */

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "shell.h"

/* Asks the daemon; *t is the answer, also when it is empty. */
static int
ask(struct shell *sh, const char *what, const char *arg, struct table **t)
{
	int error;

	*t = table_new();
	if (*t == NULL)
		return shell_error(sh, EX_FAILED, "E_MEMORY", "out of memory");
	error = cl_show(sh->cl, what, arg, table_row, *t);
	if (error == 0)
		return EX_DONE;
	table_free(*t);
	*t = NULL;
	if (error == ENOENT)
		return shell_error(sh, EX_NO_OBJECT, "E_NO_OBJECT",
		    "there is no \"%s\"; see: %s", arg, what);
	return shell_cl_error(sh, error, "");
}

int
cmd_show(struct shell *sh, const struct command *cmd)
{
	struct table *t;
	int ex;

	ex = ask(sh, cmd->what, cmd->arg, &t);
	if (ex != EX_DONE)
		return ex;
	if (sh->json)
		json_table(sh->out, sh, cmd->what, t);
	else
		text_table(sh->out, t);
	table_free(t);
	return EX_DONE;
}

static void
status_text(FILE *out, const struct cl_field *f, unsigned n)
{
	uint64_t pending = field_num(f, n, "fence_pending");
	uint64_t blocked = field_num(f, n, "lockspaces_blocked");

	text_line(out, "%s on %s (epoch %llu)", field_str(f, n, "cluster"),
	    field_str(f, n, "node"),
	    (unsigned long long)field_num(f, n, "epoch"));
	text_line(out, "  nodes       %llu/%llu up    %s",
	    (unsigned long long)field_num(f, n, "nodes_up"),
	    (unsigned long long)field_num(f, n, "nodes_total"),
	    field_str(f, n, "members"));
	text_line(out, "  quorum      %-9s votes %llu of %llu, need %llu",
	    field_num(f, n, "quorate") != 0 ? "yes" : "NO",
	    (unsigned long long)field_num(f, n, "votes"),
	    (unsigned long long)field_num(f, n, "votes_total"),
	    (unsigned long long)field_num(f, n, "votes_needed"));
	text_line(out, "  links       %llu/%llu up",
	    (unsigned long long)field_num(f, n, "links_up"),
	    (unsigned long long)field_num(f, n, "links_total"));
	text_line(out, "  fencing     %s",
	    pending != 0 ? field_str(f, n, "fence_text") : "nothing pending");
	text_line(out, "  lockspaces  %llu joined here, %llu locks%s%s",
	    (unsigned long long)field_num(f, n, "lockspaces"),
	    (unsigned long long)field_num(f, n, "locks"),
	    blocked != 0 ? "; BLOCKED: " : "", field_str(f, n, "blocked_text"));
	text_line(out, "  fs          %llu mounted here",
	    (unsigned long long)field_num(f, n, "mounts"));
	if (field_str(f, n, "next")[0] != '\0')
		text_line(out, "  next        %s", field_str(f, n, "next"));
}

int
cmd_status(struct shell *sh, const struct command *cmd)
{
	const struct cl_field *f;
	struct table *t;
	unsigned n;
	int ex;

	ex = ask(sh, "status", "", &t);
	if (ex != EX_DONE)
		return ex;
	if (sh->json)
		json_table(sh->out, sh, "status", t);
	else if (table_rows(t) == 1) {
		f = table_get(t, 0, &n);
		status_text(sh->out, f, n);
	}
	table_free(t);
	return EX_DONE;
}

static void
log_line(FILE *out, const struct cl_field *f, unsigned n)
{
	char when[64];

	text_time(when, sizeof(when), field_num(f, n, "time_us"));
	text_line(out, "%s %s %s: %s", when, field_str(f, n, "level"),
	    field_str(f, n, "kind"), field_str(f, n, "text"));
}

/* Prints the events after *last; the table's own order is by number. */
static int
print_events(struct shell *sh, const struct command *cmd, unsigned limit,
    uint64_t *last)
{
	struct table *t, *some;
	const struct cl_field *f;
	unsigned i, n, first = 0;
	int ex;

	ex = ask(sh, "events", "", &t);
	if (ex != EX_DONE)
		return ex;
	some = table_new();
	if (limit != 0 && table_rows(t) > limit)
		first = table_rows(t) - limit;
	for (i = first; some != NULL && i < table_rows(t); i++) {
		f = table_get(t, i, &n);
		if (field_num(f, n, "seq") <= *last)
			continue;
		*last = field_num(f, n, "seq");
		if (cmd->verb == V_LOG && !sh->json)
			log_line(sh->out, f, n);
		else
			table_row(some, f, n);
	}
	if (some != NULL && sh->json && (table_rows(some) > 0 || !cmd->follow))
		json_table(sh->out, sh, "events", some);
	else if (some != NULL && cmd->verb == V_EVENTS && !sh->json &&
	    (table_rows(some) > 0 || !cmd->follow))
		text_table(sh->out, some);
	fflush(sh->out);
	table_free(some);
	table_free(t);
	return EX_DONE;
}

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

int
cmd_events(struct shell *sh, const struct command *cmd)
{
	struct sigaction sa = { .sa_handler = on_interrupt }, old;
	struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t last = 0;
	int ex;

	ex = print_events(sh, cmd, cmd->number, &last);
	if (!cmd->follow || ex != EX_DONE)
		return ex;
	interrupted = 0;
	sigaction(SIGINT, &sa, &old);
	while (ex == EX_DONE && !interrupted) {
		nanosleep(&pause, NULL);
		ex = print_events(sh, cmd, 0, &last);
	}
	sigaction(SIGINT, &old, NULL);
	return ex;
}
