/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * clustershell: the administrator's way into a cluster, interactive or one
 * command at a time.  See clustershell(8).
 */

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "shell.h"

#define WORDS_MAX   16
#define HISTORY_MAX 1000

static void
usage(void)
{
	fprintf(stderr,
	    "usage: clustershell [-s socket] [--json] [--yes] [--keep-going]\n"
	    "                    [-c commands | -f file]\n");
	exit(EX_BAD_USAGE);
}

int
shell_error(struct shell *sh, int ex, const char *code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (sh->json) {
		fputs("{\"error\":{\"code\":", sh->out);
		json_string(sh->out, code);
		fputs(",\"message\":", sh->out);
		json_string(sh->out, text);
		fprintf(sh->out, ",\"exit\":%d}}\n", ex);
		fflush(sh->out);
	} else
		text_line(stderr, "clustershell: %s", text);
	return ex;
}

int
shell_cl_error(struct shell *sh, int error, const char *text)
{
	static const struct {
		int error, ex;
		const char *code, *text;
	} map[] = {
		{ ENOTCONN, EX_NO_DAEMON, "E_NO_DAEMON",
		    "clusterd has closed the connection" },
		{ EPERM, EX_DENIED, "E_DENIED",
		    "not permitted on this socket" },
		{ EACCES, EX_DENIED, "E_DENIED",
		    "not permitted on this socket" },
		{ EAGAIN, EX_TRY_AGAIN, "E_TRY_AGAIN",
		    "the cluster is changing; try again" },
		{ ENONET, EX_NO_QUORUM, "E_NOQUORUM",
		    "this node is not quorate" },
		{ ETIMEDOUT, EX_TIMEOUT, "E_TIMEOUT",
		    "clusterd did not answer in time" },
	};
	unsigned i;

	if (error == ENOTCONN) {
		cl_close(sh->cl);
		sh->cl = NULL;
	}
	for (i = 0; i < NITEMS(map); i++) {
		if (map[i].error == error)
			return shell_error(sh, map[i].ex, map[i].code, "%s",
			    text[0] != '\0' ? text : map[i].text);
	}
	return shell_error(sh, EX_FAILED, "E_FAILED", "%s",
	    text[0] != '\0' ? text : strerror(error));
}

/* Root and the administrators may open the control socket, others observe. */
int
shell_connect(struct shell *sh)
{
	const char *path = sh->socket;
	int error;

	if (sh->cl != NULL)
		return EX_DONE;
	error = cl_open(path == NULL ? CL_SOCKET : path, &sh->cl);
	if (error == EACCES && path == NULL) {
		path = CL_OBSERVE;
		error = cl_open(path, &sh->cl);
	}
	if (error == 0)
		return EX_DONE;
	sh->cl = NULL;
	return EX_NO_DAEMON;
}

static bool
note_status(void *arg, const struct cl_field *f, unsigned n)
{
	struct shell *sh = arg;

	strlcpy(sh->node, field_str(f, n, "node"), sizeof(sh->node));
	sh->epoch = field_num(f, n, "epoch");
	sh->up = field_num(f, n, "nodes_up");
	sh->total = field_num(f, n, "nodes_total");
	sh->quorate = field_num(f, n, "quorate") != 0;
	return true;
}

static bool
note_node(void *arg, const struct cl_field *f, unsigned n)
{
	struct shell *sh = arg;

	if (sh->nnodes < CL_NODES_MAX)
		strlcpy(sh->nodes[sh->nnodes++], field_str(f, n, "node"),
		    sizeof(sh->nodes[0]));
	return true;
}

void
shell_refresh(struct shell *sh)
{
	int error;

	if (sh->cl == NULL)
		return;
	sh->quorate = false;
	error = cl_show(sh->cl, "status", "", note_status, sh);
	if (error == 0 && sh->interactive) {
		sh->nnodes = 0;
		error = cl_show(sh->cl, "nodes", "", note_node, sh);
	}
	if (error == ENOTCONN) {
		cl_close(sh->cl);
		sh->cl = NULL;
	}
}

static int
run_command(struct shell *sh, const struct command *cmd)
{
	switch (cmd->verb) {
	case V_HELP:
		grammar_help(sh->out, cmd->arg);
		return EX_DONE;
	case V_VERSION:
		fprintf(sh->out, "clustershell %s\n", VERSION);
		return EX_DONE;
	case V_QUIT:
		sh->quit = true;
		return EX_DONE;
	case V_WAIT:
		return cmd_wait(sh, cmd);
	default:
		break;
	}
	if (shell_connect(sh) != EX_DONE)
		return shell_error(sh, EX_NO_DAEMON, "E_NO_DAEMON",
		    "cannot reach clusterd at %s: is it running?  "
		    "(systemctl start clusterd)",
		    sh->socket == NULL ? CL_SOCKET : sh->socket);
	if (sh->json)
		shell_refresh(sh);
	switch (cmd->verb) {
	case V_SHOW:
		return cmd_show(sh, cmd);
	case V_STATUS:
		return cmd_status(sh, cmd);
	case V_EVENTS:
	case V_LOG:
		return cmd_events(sh, cmd);
	default:
		return cmd_act(sh, cmd);
	}
}

/* One command, already cut at ';'. */
static int
run_one(struct shell *sh, char *text)
{
	char *words[WORDS_MAX], why[512];
	struct command cmd;
	unsigned n;

	n = grammar_split(text, words, WORDS_MAX);
	if (n == 0 || words[0][0] == '#')
		return EX_DONE;
	if (n > WORDS_MAX)
		return shell_error(sh, EX_BAD_USAGE, "E_USAGE",
		    "more than %d words", WORDS_MAX);
	if (!grammar_parse(words, n, sh->interactive, &cmd, why, sizeof(why)))
		return shell_error(sh, EX_BAD_USAGE, "E_USAGE", "%s", why);
	return run_command(sh, &cmd);
}

int
shell_run(struct shell *sh, const char *line)
{
	char *copy = strdup(line), *rest = copy, *one;
	int ex, first = EX_DONE;

	if (copy == NULL)
		return EX_FAILED;
	while ((one = strsep(&rest, ";\n")) != NULL && !sh->quit) {
		ex = run_one(sh, one);
		if (ex != EX_DONE && first == EX_DONE)
			first = ex;
		if (ex != EX_DONE && !sh->keep_going)
			break;
	}
	free(copy);
	fflush(sh->out);
	return first;
}

static int
run_file(struct shell *sh, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	unsigned lineno = 0;
	int ex, first = EX_DONE;

	if (f == NULL)
		err(66, "%s", path);
	while (!sh->quit && getline(&line, &size, f) != -1) {
		lineno++;
		ex = shell_run(sh, line);
		if (ex == EX_DONE)
			continue;
		fprintf(stderr, "%s:%u: the command above failed\n", path,
		    lineno);
		if (first == EX_DONE)
			first = ex;
		if (!sh->keep_going)
			break;
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return first;
}

/* Longer than the screen: through the pager, which quits by itself if not. */
static void
show_output(const char *text, size_t len)
{
	const char *pager = getenv("PAGER");
	struct winsize ws;
	size_t i, lines = 0;
	FILE *p;

	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == -1 || ws.ws_row == 0 ||
	    lines < ws.ws_row) {
		fwrite(text, 1, len, stdout);
		return;
	}
	p = popen(pager != NULL && *pager != '\0' ? pager : "less -FRX", "w");
	if (p == NULL) {
		fwrite(text, 1, len, stdout);
		return;
	}
	fwrite(text, 1, len, p);
	pclose(p);
}

static int
run_paged(struct shell *sh, const char *line)
{
	char *text = NULL;
	size_t len = 0;
	int ex;

	/* What follows or asks must reach the terminal as it happens. */
	if (strstr(line, "--follow") != NULL || !isatty(STDOUT_FILENO))
		return shell_run(sh, line);
	sh->out = open_memstream(&text, &len);
	if (sh->out == NULL) {
		sh->out = stdout;
		return shell_run(sh, line);
	}
	ex = shell_run(sh, line);
	fclose(sh->out);
	sh->out = stdout;
	show_output(text, len);
	free(text);
	return ex;
}

static void
history_path(char *path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	path[0] = '\0';
	if (state != NULL && *state != '\0')
		snprintf(path, size, "%s", state);
	else if (home != NULL && *home != '\0')
		snprintf(path, size, "%s/.local/state", home);
	else
		return;
	/* Only the last component is ours to make. */
	(void)mkdir(path, 0700);
	strlcat(path, "/clustershell_history", size);
}

static void
prompt(struct shell *sh, char *text, size_t size)
{
	shell_refresh(sh);
	if (sh->cl == NULL) {
		strlcpy(text, "(no clusterd)> ", size);
		return;
	}
	snprintf(text, size, "%s@%s %llu/%llu %s> ", cl_cluster(sh->cl),
	    sh->node, (unsigned long long)sh->up, (unsigned long long)sh->total,
	    sh->quorate ? "Q" : "NOQUORUM");
}

static int
interact(struct shell *sh)
{
	char history[512], text[128], *line;
	int ex = EX_DONE;

	sh->interactive = true;
	complete_init(sh);
	history_path(history, sizeof(history));
	using_history();
	stifle_history(HISTORY_MAX);
	if (history[0] != '\0')
		(void)read_history(history);
	while (!sh->quit) {
		(void)shell_connect(sh);
		prompt(sh, text, sizeof(text));
		line = readline(text);
		if (line == NULL) {
			putchar('\n');
			break;
		}
		if (*line != '\0') {
			add_history(line);
			ex = run_paged(sh, line);
		}
		free(line);
	}
	if (history[0] != '\0')
		(void)write_history(history);
	return ex;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "yes", no_argument, NULL, 'y' },
		{ "keep-going", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct shell sh = { .out = stdout };
	const char *commands = NULL, *file = NULL;
	int ch, ex;

	while ((ch = getopt_long(argc, argv, "c:f:hs:", options, NULL)) != -1) {
		switch (ch) {
		case 'c':
			commands = optarg;
			break;
		case 'f':
			file = optarg;
			break;
		case 's':
			sh.socket = optarg;
			break;
		case 'j':
			sh.json = true;
			break;
		case 'y':
			sh.yes = true;
			break;
		case 'k':
			sh.keep_going = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (commands != NULL && file != NULL))
		usage();
	if (commands != NULL)
		ex = shell_run(&sh, commands);
	else if (file != NULL)
		ex = run_file(&sh, file);
	else if (isatty(STDIN_FILENO))
		ex = interact(&sh);
	else
		ex = run_file(&sh, "-");
	cl_close(sh.cl);
	return ex;
}
