/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Two processes: the qdevice process keeps the table, and a helper runs the
 * programs.  They cannot be run where the disk is read, which can neither see
 * a program nor execute one; nor by the fence process, which has the passwords
 * of the fence devices and is root.  The helper is the user nobody: as the
 * daemon's user a program could stop the engine.
 *
 *  H1	one run of each program at a time: it is told to end when its interval
 *	is over, and killed a second later;
 *  H2	what a program says holds until its next run has ended.
 */

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fence/run.h"
#include "helper.h"
#include "heuristics.h"
#include "ipc.h"
#include "log.h"
#include "proc.h"
#include "proto.h"

#define QUEUE	65536
#define USER	"nobody"
#define WORDS	64 /* of a program, in a message */
#define WHY_LEN 128

/* --- the process that runs them ---------------------------------------------- */

struct program {
	const struct conf_heuristic *h;
	uint8_t number;
	struct run *run;
	struct loop_timer *again;
	uint64_t began;
};

static struct {
	struct loop *loop;
	struct ipc *table;
	struct program programs[CONF_HEURISTICS_MAX];
} runner;

static void
report(const struct program *p, bool ok, const char *why)
{
	struct wbuf w;

	wbuf_init(&w, 512);
	wbuf_u8(&w, p->number);
	wbuf_u8(&w, ok);
	wbuf_str(&w, why);
	if (ipc_send(runner.table, M_HEURISTIC, 0, w.data, w.len, -1) == -1)
		fatal("qdevice");
	wbuf_free(&w);
}

static void
next_run(struct program *p)
{
	uint64_t due = p->began + p->h->interval_us, now = clock_boot_us();

	loop_timer_set(p->again, due > now ? due - now : 0);
}

static void
ended(void *arg, const struct run_result *res)
{
	struct program *p = arg;
	char why[WHY_LEN];

	if (res->timeout)
		snprintf(why, sizeof(why), "it did not end in time");
	else if (res->signaled)
		snprintf(why, sizeof(why), "it was ended by signal %d",
		    res->code);
	else
		snprintf(why, sizeof(why), "it ended with status %d%s%.80s",
		    res->code, res->quiet ? "" : ": ", res->last);
	report(p, !res->timeout && !res->signaled && res->code == 0, why);
	run_free(p->run);
	p->run = NULL;
	next_run(p);
}

static void
begin(void *arg)
{
	struct program *p = arg;
	const char *argv[CONF_ARGS_MAX + 1];
	char why[WHY_LEN];
	unsigned i;

	for (i = 0; i < p->h->nargs; i++)
		argv[i] = p->h->args[i];
	argv[i] = NULL;
	p->began = clock_boot_us();
	p->run = run_new(runner.loop, argv, "", 0, p->h->interval_us, ended, p);
	if (p->run != NULL)
		return;
	snprintf(why, sizeof(why), "it cannot be run: %s", strerror(errno));
	report(p, false, why);
	next_run(p);
}

static void
become_nobody(void)
{
	uid_t uid;
	gid_t gid;

	if (proc_user(USER, &uid, &gid) == -1 || uid == 0)
		fatalx("heuristics: there is no user %s to run them", USER);
	if (setgroups(1, &gid) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1 || setuid(0) != -1)
		fatalx("heuristics: cannot become user %s", USER);
}

static void
unexpected(void *arg, const struct msg *m)
{
	fatalx("qdevice: unexpected message %u", m->type);
}

/* Its programs end with it. */
static void
table_lost(void *arg, int error)
{
	unsigned i;

	for (i = 0; i < CONF_HEURISTICS_MAX; i++)
		run_free(runner.programs[i].run);
	_exit(0);
}

static const struct ipc_ops table_ops = { .message = unexpected,
	.lost = table_lost };

static void NORETURN
runner_main(struct loop *loop, int fd, const void *arg)
{
	const struct conf *conf = arg;
	struct program *p;
	unsigned i;

	become_nobody();
	runner.loop = loop;
	runner.table = ipc_new(loop, fd, QUEUE, &table_ops, NULL);
	for (i = 0; i < conf->qdevice.nheuristics; i++) {
		p = &runner.programs[i];
		p->h = &conf->qdevice.heuristics[i];
		p->number = (uint8_t)i;
		p->again = loop_timer_new(loop, begin, p);
		begin(p);
	}
	loop_run(loop, NULL, NULL);
	fatalx("the loop ended");
}

int
heuristics_start(const struct conf *conf)
{
	return helper_start("qdevice: heuristics", runner_main, conf);
}

/* --- the table ------------------------------------------------------------------ */

struct heuristics {
	const struct conf *conf;
	struct ipc *runner;
	void (*known)(void *);
	void *arg;
	unsigned nended; /* at least once */
	struct {
		bool ended, ok;
		char why[WHY_LEN];
	} v[CONF_HEURISTICS_MAX];
};

static void
words_of(const struct conf_heuristic *h, char *text, size_t size)
{
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < h->nargs; i++) {
		strlcat(text, i > 0 ? " " : "", size);
		strlcat(text, h->args[i], size);
	}
}

static void
say(const struct heuristics *h, unsigned i)
{
	char words[WORDS];

	words_of(&h->conf->qdevice.heuristics[i], words, sizeof(words));
	if (h->v[i].ok)
		log_info("heuristic %s: it succeeds", words);
	else
		log_warnx("heuristic %s: %s", words, h->v[i].why);
}

static void
message(void *arg, const struct msg *m)
{
	struct heuristics *h = arg;
	struct rbuf r;
	unsigned i;
	bool ok, news;

	rbuf_init(&r, m->data, m->len);
	i = rbuf_u8(&r);
	ok = rbuf_u8(&r) != 0;
	if (m->type != M_HEURISTIC || i >= h->conf->qdevice.nheuristics)
		fatalx("heuristics: unexpected message %u", m->type);
	news = h->v[i].ended ? h->v[i].ok != ok : !ok;
	h->v[i].ok = ok;
	rbuf_str(&r, h->v[i].why, sizeof(h->v[i].why));
	if (!rbuf_done(&r))
		fatalx("heuristics: malformed M_HEURISTIC");
	if (news)
		say(h, i);
	if (h->v[i].ended)
		return;
	h->v[i].ended = true;
	if (++h->nended == h->conf->qdevice.nheuristics)
		h->known(h->arg);
}

static void
lost(void *arg, int error)
{
	fatalx("the process of the heuristics is gone: so is this one");
}

static const struct ipc_ops runner_ops = { .message = message, .lost = lost };

struct heuristics *
heuristics_new(struct loop *loop, const struct conf *conf, int fd,
    void (*known)(void *), void *arg)
{
	struct heuristics *h = calloc(1, sizeof(*h));

	if (h == NULL)
		fatal("heuristics");
	h->conf = conf;
	h->known = known;
	h->arg = arg;
	h->runner = ipc_new(loop, fd, QUEUE, &runner_ops, h);
	return h;
}

bool
heuristics_known(const struct heuristics *h)
{
	return h->nended == h->conf->qdevice.nheuristics;
}

bool
heuristics_reach(const struct heuristics *h, char *why, size_t size)
{
	const struct conf *c = h->conf;
	unsigned i, score = 0, bad = 0;
	char words[WORDS];

	for (i = 0; i < c->qdevice.nheuristics; i++) {
		if (h->v[i].ok)
			score += c->qdevice.heuristics[i].score;
		else
			bad = i;
	}
	why[0] = '\0';
	if (score >= c->qdevice.minimum)
		return true;
	words_of(&c->qdevice.heuristics[bad], words, sizeof(words));
	snprintf(why, size, "score %u of %u: heuristic %s: %s", score,
	    c->qdevice.minimum, words, h->v[bad].why);
	return false;
}
