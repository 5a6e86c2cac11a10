/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The commands that change something.  The dangerous ones want the node's
 * name, or their own, typed again, or --yes from a script.
 */

#include <errno.h>
#include <time.h>

#include "shell.h"

#define ACT_MS 120000 /* a fence device may take its time */

static const struct {
	enum verb verb;
	const char *cmd;
	const char *warning;
} acts[] = {
	{ V_FENCE, "fence",
	    "this switches it off now; what runs there is lost" },
	{ V_CONFIRM, "fence-confirm",
	    "only if you have seen that it is off: a live one would "
	    "corrupt the data" },
	{ V_LEAVE, "node-leave",
	    "this stops clusterd there; its file systems are stopped first" },
	{ V_EXPECTED, "quorum-expected", NULL },
	{ V_VOTES, "quorum-votes", NULL },
	{ V_SET, "quorum-set", NULL },
	{ V_RESET, "quorum-reset", NULL },
	{ V_UNBLOCK, "quorum-unblock",
	    "only if every node that is not in the view is off: if one runs "
	    "behind a broken link, there may be two clusters" },
	{ V_OVERRIDE, "quorum-override",
	    "only if every node that is not in the view is off, and stays off "
	    "until it can hear this one: else there are two clusters, and the "
	    "shared data is corrupted" },
	{ V_KEY_ADD, "key-add", NULL },
	{ V_KEY_USE, "key-use", NULL },
	{ V_KEY_DROP, "key-drop", NULL },
	{ V_KEY_ABSENT, "key-drop",
	    "nodes that are away and have the old key only stay outside until "
	    "the key file is copied to them" },
	{ V_KEY_ABORT, "key-abort", NULL },
};

static bool
confirmed(struct shell *sh, const char *warning, const char *node)
{
	char answer[128];

	if (sh->yes)
		return true;
	if (!sh->interactive)
		return false;
	printf("%s: %s\nType %s to go on: ", node, warning, node);
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		return false;
	answer[strcspn(answer, "\r\n")] = '\0';
	return strcmp(answer, node) == 0;
}

int
cmd_act(struct shell *sh, const struct command *cmd)
{
	char text[1024], arg[544];
	const char *again;
	unsigned i;
	int error;

	for (i = 0; i < NITEMS(acts); i++) {
		if (acts[i].verb == cmd->verb)
			break;
	}
	ASSERT(i < NITEMS(acts));
	strlcpy(arg, cmd->arg, sizeof(arg));
	if (cmd->verb == V_EXPECTED)
		snprintf(arg, sizeof(arg), "%u", cmd->number);
	else if (cmd->verb == V_VOTES)
		snprintf(arg, sizeof(arg), "%s %u", cmd->arg, cmd->number);
	else if (cmd->verb == V_KEY_ABSENT)
		strlcpy(arg, "absent", sizeof(arg));
	again = cmd->verb == V_UNBLOCK ? "unblock" :
	    cmd->verb == V_OVERRIDE    ? "override" :
					 arg;
	if (acts[i].warning != NULL && !confirmed(sh, acts[i].warning, again))
		return shell_error(sh, EX_UNCONFIRMED, "E_UNCONFIRMED",
		    "not done: add --yes to mean it");
	error =
	    cl_command(sh->cl, acts[i].cmd, arg, text, sizeof(text), ACT_MS);
	if (error == ENOENT)
		return shell_error(sh, EX_NO_OBJECT, "E_NO_OBJECT", "%s",
		    text[0] != '\0' ? text : "there is no such node");
	if (error != 0)
		return shell_cl_error(sh, error, text);
	if (sh->json) {
		fputs("{\"api\":1,\"command\":", sh->out);
		json_string(sh->out, acts[i].cmd);
		fputs(",\"result\":", sh->out);
		json_string(sh->out, text);
		fputs("}\n", sh->out);
	} else
		text_line(sh->out, "%s", text);
	return EX_DONE;
}

int
cmd_wait(struct shell *sh, const struct command *cmd)
{
	struct timespec now, end, pause = { .tv_nsec = 50000000 };

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += cmd->number == 0 ? 60 : (time_t)cmd->number;
	for (;;) {
		/* The daemon may still be starting: keep trying to connect. */
		if (shell_connect(sh) == EX_DONE) {
			shell_refresh(sh);
			if (sh->quorate)
				return EX_DONE;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec ||
		    (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
			return shell_error(sh, EX_TIMEOUT, "E_TIMEOUT",
			    "still not quorate; see: quorum");
		nanosleep(&pause, NULL);
	}
}
