/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Start of the daemon: options, configuration, who we are, key, folders.
 * Everything that can fail because of a setting fails here, on the caller's
 * terminal, with the exit status of sysexits(3); parent.c has the rest.
 */

#include <sys/resource.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libutil.h>
#include <sodium.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "keyfile.h"
#include "log.h"
#include "parent.h"
#include "qdisk.h"
#include "sockets.h"
#include "witness.h"

struct options {
	enum proc_role role;
	bool foreground, verbose, check, witness;
	const char *conf, *key, *node, *statedir, *rundir, *user, *pidfile;
	const char *empty;
	const char *quorum; /* what to do with the quorum disk */
};

static struct pidfh *pidfile;
static int starter = -1; /* the process that waits for us to be ready */

static void NORETURN
usage(void)
{
	fprintf(stderr,
	    "usage: clusterd [-dnv] [-f file] [-k keyfile] [-N node] "
	    "[-P pidfile]\n"
	    "\t[-R rundir] [-S statedir] [-u user]\n"
	    "       clusterd -q init | replace | show [-f file]\n"
	    "       clusterd -w [-dnv] [-f file] [-k keyfile] [-P pidfile] "
	    "[-R rundir]\n"
	    "\t[-S statedir] [-u user]\n");
	exit(EX_USAGE);
}

static void
parse(struct options *o, int argc, char **argv)
{
	int ch;

	while ((ch = getopt(argc, argv, "BC:EFN:P:QR:S:Wdf:k:nq:u:vw")) != -1) {
		switch (ch) {
		case 'B':
			o->role = ROLE_BEAT;
			break;
		case 'C':
			o->empty = optarg;
			break;
		case 'E':
			o->role = ROLE_ENGINE;
			break;
		case 'F':
			o->role = ROLE_FENCE;
			break;
		case 'N':
			o->node = optarg;
			break;
		case 'P':
			o->pidfile = optarg;
			break;
		case 'Q':
			o->role = ROLE_QDEVICE;
			break;
		case 'R':
			o->rundir = optarg;
			break;
		case 'S':
			o->statedir = optarg;
			break;
		case 'W':
			o->role = ROLE_WITNESS;
			break;
		case 'd':
			o->foreground = true;
			break;
		case 'f':
			o->conf = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'q':
			o->quorum = optarg;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'w':
			o->witness = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (o->witness && o->node != NULL))
		usage();
}

/* --- configuration, identity, key -------------------------------------------- */

static struct conf *
read_conf(const char *path)
{
	struct conf_errors *errs;
	struct conf *conf;
	struct wbuf out;
	char *text = NULL;
	size_t len = 0;
	int status;

	errs = calloc(1, sizeof(*errs));
	if (errs == NULL)
		err(EX_OSERR, NULL);
	conf = conf_load(path, errs, &text, &len);
	wbuf_init(&out, 1024 * 1024);
	conf_errors_print(errs, path, text, len, &out);
	if (out.len > 0)
		fwrite(out.data, 1, out.len, stderr);
	status = errs->n > 0 && strcmp(errs->e[0].code, "E080") == 0 ?
	    EX_NOINPUT :
	    65;
	wbuf_free(&out);
	free(text);
	free(errs);
	if (conf == NULL)
		exit(status);
	return conf;
}

/* The node whose address this machine has; 0: none, or several. */
static uint16_t
find_self(const struct conf *conf)
{
	uint16_t self = 0;
	unsigned i, l;

	for (i = 0; i < conf->nnodes; i++) {
		const struct conf_node *n = &conf->nodes[i];

		for (l = 0; l < n->nlinks; l++)
			if (sock_is_local(n->links[l]))
				break;
		if (l == n->nlinks)
			continue;
		if (self != 0)
			errx(EX_CONFIG,
			    "this machine has addresses of nodes "
			    "%s and %s: say which one it is with -N",
			    conf_node(conf, self)->name, n->name);
		self = n->id;
	}
	if (self == 0)
		errx(EX_CONFIG,
		    "this machine has no link address of any node "
		    "in the configuration: check the links, or use -N");
	return self;
}

static uint16_t
who_am_i(const struct conf *conf, const char *name)
{
	const struct conf_node *n;
	const char *bad;
	long long id;

	if (name == NULL)
		return find_self(conf);
	n = conf_node_byname(conf, name);
	if (n == NULL) {
		id = strtonum(name, 1, UINT16_MAX, &bad);
		if (bad == NULL)
			n = conf_node(conf, (uint16_t)id);
	}
	if (n == NULL)
		errx(EX_CONFIG,
		    "-N %s: there is no such node in the "
		    "configuration",
		    name);
	return n->id;
}

/* Returns the absolute name of the file, which the caller owns. */
static char *
read_keys(const char *path, struct keyring *keys)
{
	static const int status[] = { [KEYFILE_MISSING] = EX_NOINPUT,
		[KEYFILE_OPEN_TO_OTHERS] = EX_NOPERM,
		[KEYFILE_BAD] = EX_DATAERR };
	enum keyfile_error error;
	char why[1024], *absolute;

	error = keyfile_read(path, keys, why, sizeof(why));
	if (error != KEYFILE_OK)
		errx(status[error], "%s", why);
	/* It is used again, perhaps, and from another folder. */
	absolute = realpath(path, NULL);
	if (absolute == NULL)
		err(EX_NOINPUT, "%s", path);
	return absolute;
}

static gid_t
find_group(const char *name)
{
	const struct group *gr;

	if (name[0] == '\0')
		return (gid_t)-1;
	gr = getgrnam(name);
	if (gr == NULL)
		errx(EX_CONFIG, "group %s does not exist: groupadd --system %s",
		    name, name);
	return gr->gr_gid;
}

/* --- folders and files --------------------------------------------------------- */

static void
make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == -1 && errno != EEXIST)
		err(EX_CANTCREAT, "%s", path);
	if (stat(path, &st) == -1)
		err(EX_CANTCREAT, "%s", path);
	if (!S_ISDIR(st.st_mode))
		errx(EX_CANTCREAT, "%s: not a directory", path);
}

static char *
absolute(const char *dir)
{
	char *path = realpath(dir, NULL);

	if (path == NULL)
		err(EX_CANTCREAT, "%s", dir);
	return path;
}

/* Where the engine lives: nothing in it, and nothing it could put there. */
static const char *
make_empty(const char *rundir)
{
	static char path[256];
	int n;

	n = snprintf(path, sizeof(path), "%s/empty", rundir);
	if (n < 0 || (size_t)n >= sizeof(path))
		errx(EX_USAGE, "-R %s: too long", rundir);
	make_dir(path, 0755);
	if (chown(path, 0, 0) == -1 || chmod(path, 0755) == -1)
		err(EX_CANTCREAT, "%s", path);
	return path;
}

/* rundir is absolute: the background has another current folder. */
static void
take_pidfile(const struct options *o, const char *rundir, const char *name)
{
	char path[256];
	pid_t other;
	int n;

	n = o->pidfile != NULL ?
	    snprintf(path, sizeof(path), "%s", o->pidfile) :
	    snprintf(path, sizeof(path), "%s/%s.pid", rundir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		errx(EX_USAGE, "the name of the pid file is too long");
	pidfile = pidfile_open(path, 0644, &other);
	if (pidfile == NULL && errno == EEXIST)
		errx(EX_TEMPFAIL, "already running (pid %d, %s)", (int)other,
		    path);
	if (pidfile == NULL)
		err(EX_CANTCREAT, "%s", path);
}

/* --- into the background ---------------------------------------------------------- */

/*
 * The process that was started waits until the daemon is in service, so that
 * the next line of a script finds it there; then it ends well.  When the
 * daemon ends first, so does it, badly.
 */
static void
go_background(void)
{
	int pipefd[2];
	char byte;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) == -1)
		err(EX_OSERR, "pipe");
	pid = fork();
	if (pid == -1)
		err(EX_OSERR, "fork");
	if (pid > 0) {
		close(pipefd[1]);
		if (read(pipefd[0], &byte, 1) != 1)
			errx(EX_SOFTWARE,
			    "the daemon did not start: see its "
			    "log");
		_exit(0);
	}
	close(pipefd[0]);
	starter = pipefd[1];
	if (setsid() == -1 || chdir("/") == -1)
		err(EX_OSERR, "background");
}

static void
started(void)
{
	int null;

	if (starter == -1)
		return;
	if (write(starter, "", 1) != 1)
		log_debug("nobody waits for us");
	close(starter);
	starter = -1;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static void
check_user(const char *user)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0)
		errx(EX_NOPERM, "needs root");
	if (proc_user(user, &uid, &gid) == -1)
		errx(EX_NOUSER, "user %s does not exist: useradd --system %s",
		    user, user);
	if (uid == 0)
		errx(EX_NOUSER, "user %s is root: the engine must not be",
		    user);
}

static void
init_log(const struct options *o)
{
	struct rlimit rl = { .rlim_cur = 4096, .rlim_max = 4096 };
	bool journal = proc_under_journal();

	/* A variable that belongs to some other standard error. */
	if (!journal)
		unsetenv("JOURNAL_STREAM");
	log_init("clusterd", o->foreground && !journal, o->verbose);
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

/* What all processes of the daemon are told, and where they log. */
static void
set_opts(struct proc_opts *po, const struct options *o, const struct conf *conf,
    const char *rundir)
{
	po->foreground = o->foreground && !proc_under_journal();
	po->verbose = o->verbose || conf->log_level == CONF_LOG_DEBUG;
	po->user = o->user;
	po->empty = make_empty(rundir);
}

static void
report(const struct parent_setup *s)
{
	if (s->store->damaged)
		log_warnx("%s: no valid state in it: starting without",
		    s->store->path);
	log_info("clusterd %s: node %s (%u) of cluster %s", VERSION,
	    conf_node(s->conf, s->self)->name, s->self, s->conf->cluster);
}

static int
run(const struct options *o)
{
	struct parent_setup *s = calloc(1, sizeof(*s));
	struct conf *conf;
	int status;

	if (s == NULL || (s->store = calloc(1, sizeof(*s->store))) == NULL)
		err(EX_OSERR, NULL);
	s->conf = conf = read_conf(o->conf);
	s->self = who_am_i(conf, o->node);
	check_user(o->user);
	s->keyfile =
	    read_keys(o->key != NULL ? o->key : conf->keyfile, &s->keys);
	s->admin = find_group(conf->admin_group);
	s->observer = find_group(conf->observer_group);
	make_dir(o->rundir, 0755);
	make_dir(o->statedir, 0700);
	s->rundir = absolute(o->rundir);
	take_pidfile(o, s->rundir, "clusterd");
	if (store_open(s->store, o->statedir) == -1)
		err(EX_CANTCREAT, "%s: it must be writable, with room",
		    s->store->path);
	set_opts(&s->opts, o, conf, s->rundir);
	s->ready = started;
	if (!o->foreground)
		go_background();
	pidfile_write(pidfile);
	init_log(o);
	report(s);
	status = parent_run(s);
	log_info("stopped");
	keyring_forget(&s->keys);
	store_close(s->store);
	pidfile_remove(pidfile);
	conf_free(conf);
	free(s->rundir);
	free(s->keyfile);
	free(s->store);
	free(s);
	return status;
}

/* --- the witness ----------------------------------------------------------------- */

static void
need_witness(const struct conf *conf, const char *path)
{
	if (conf->qdevice.kind != QDEVICE_WITNESS)
		errx(EX_CONFIG,
		    "%s: there is no witness in it: add  quorum: {device: "
		    "{witness: ADDRESS}}  for all nodes, too",
		    path);
}

/* What would be said of a file that is damaged is said once there is a log. */
static enum witness_found
witness_files(struct witness_setup *s, const char *statedir)
{
	enum witness_found found;
	char path[512], *dir;
	int n;

	make_dir(statedir, 0700);
	dir = absolute(statedir);
	n = snprintf(path, sizeof(path), "%s/witness", dir);
	free(dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		errx(EX_USAGE, "-S %s: too long", statedir);
	s->statefile = strdup(path);
	if (s->statefile == NULL)
		err(EX_OSERR, NULL);
	found = witness_file_load(path, &s->blocks, s->conf->cluster);
	if (found == WITNESS_ERROR)
		err(EX_CANTCREAT, "%s", path);
	if (found == WITNESS_FOREIGN)
		errx(EX_CONFIG,
		    "%s is the memory of the witness of another cluster than "
		    "%s: give each a folder of its own (-S)",
		    path, s->conf->cluster);
	return found;
}

static void
witness_report(const struct witness_setup *s, enum witness_found found)
{
	const struct conf *conf = s->conf;
	unsigned i, l;

	log_info("clusterd %s: witness of cluster %s", VERSION, conf->cluster);
	if (found == WITNESS_NONE)
		log_info("state file: %s: there was none: this is a new "
			 "witness, which remembers nothing",
		    s->statefile);
	if (found == WITNESS_DAMAGED)
		log_warnx("state file: %s: it was damaged, and is %s.damaged "
			  "now: this is a new witness, which remembers "
			  "nothing",
		    s->statefile, s->statefile);
	if (!sock_is_local(conf->qdevice.address))
		log_warnx("witness: this machine does not have the address %s "
			  "yet: no node can reach it",
		    conf->qdevice.address);
	for (i = 0; i < conf->nnodes; i++) {
		for (l = 0; l < conf->nodes[i].nlinks; l++) {
			if (!sock_is_local(conf->nodes[i].links[l]))
				continue;
			log_warnx("witness: this machine is node %s, too: "
				  "both are lost together",
			    conf->nodes[i].name);
			return;
		}
	}
}

static int
run_witness(const struct options *o)
{
	struct witness_setup *s = calloc(1, sizeof(*s));
	enum witness_found found;
	struct conf *conf;
	char *rundir;
	int status;

	if (s == NULL)
		err(EX_OSERR, NULL);
	s->conf = conf = read_conf(o->conf);
	need_witness(conf, o->conf);
	check_user(o->user);
	s->keyfile =
	    read_keys(o->key != NULL ? o->key : conf->keyfile, &s->keys);
	make_dir(o->rundir, 0755);
	rundir = absolute(o->rundir);
	take_pidfile(o, rundir, "witness");
	found = witness_files(s, o->statedir);
	s->fd = sock_serve(conf->qdevice.address, conf->qdevice.port);
	if (s->fd == -1)
		err(EX_UNAVAILABLE, "%s port %u", conf->qdevice.address,
		    conf->qdevice.port);
	set_opts(&s->opts, o, conf, rundir);
	s->ready = started;
	if (!o->foreground)
		go_background();
	pidfile_write(pidfile);
	init_log(o);
	witness_report(s, found);
	status = witness_run(s);
	log_info("stopped");
	keyring_forget(&s->keys);
	pidfile_remove(pidfile);
	close(s->fd);
	conf_free(conf);
	free(rundir);
	free(s->keyfile);
	free(s->statefile);
	free(s);
	return status;
}

/* -n, and with -w the witness must be there. */
static int
check(const struct options *o)
{
	int status = conf_check_main(o->conf, o->verbose);
	struct conf_errors *errs;
	struct conf *conf;
	char *text = NULL;
	size_t len;

	if (status != 0 || !o->witness)
		return status;
	/* What is to be said of it has been said. */
	errs = calloc(1, sizeof(*errs));
	if (errs == NULL)
		err(EX_OSERR, NULL);
	conf = conf_load(o->conf, errs, &text, &len);
	free(errs);
	free(text);
	if (conf == NULL)
		return EX_DATAERR;
	need_witness(conf, o->conf);
	conf_free(conf);
	return 0;
}

static int
quorum_disk(const struct options *o)
{
	struct conf *conf = read_conf(o->conf);
	int status;

	if (conf->qdevice.kind != QDEVICE_DISK)
		errx(EX_CONFIG, "%s: no quorum.device.path: there is no disk",
		    o->conf);
	status = qdisk_command(o->quorum, conf);
	conf_free(conf);
	return status;
}

int
main(int argc, char **argv, char **envp)
{
	struct options o = { .role = ROLE_PARENT,
		.conf = CONF_FILE,
		.statedir = STATE_DIR,
		.rundir = RUN_DIR,
		.user = PROC_USER };
	struct proc_opts po;

	setproctitle_init(argc, argv, envp);
	parse(&o, argc, argv);
	po.foreground = o.foreground;
	po.verbose = o.verbose;
	po.user = o.user;
	po.empty = o.empty;
	switch (o.role) {
	case ROLE_ENGINE:
	case ROLE_BEAT:
	case ROLE_QDEVICE:
	case ROLE_WITNESS:
		if (o.empty == NULL)
			usage();
		if (o.role == ROLE_BEAT)
			beat_main(&po);
		if (o.role == ROLE_WITNESS)
			witness_server_main(&po);
		if (o.role == ROLE_QDEVICE)
			qdevice_main(&po);
		engine_main(&po);
	case ROLE_FENCE:
		fence_main(&po);
	case ROLE_PARENT:
		break;
	}
	if (o.check)
		return check(&o);
	if (sodium_init() == -1)
		errx(EX_SOFTWARE, "libsodium cannot be used");
	if (o.quorum != NULL)
		return quorum_disk(&o);
	return o.witness ? run_witness(&o) : run(&o);
}
