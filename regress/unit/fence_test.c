/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the fence process, run as the daemon runs it, calls a node off
 * only when its agent says so and the device does not contradict, runs
 * several agents at once, gives up when it is told to, leaves no process
 * behind, and says no secret.
 */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clusterd.h"
#include "log.h"
#include "proto.h"
#include "regress/gfs/sh.h"

#define SECOND UINT64_C(1000000)

static struct msgchan parent, engine;
static pid_t fence;

struct answer {
	uint32_t req;
	bool ok, verified;
	char text[512];
};

static void
script(const char *name, const char *text)
{
	FILE *f;

	f = fopen(name, "w");
	ATF_REQUIRE(f != NULL);
	fprintf(f,
	    "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n"
	    "action=; plug=\n"
	    "while IFS== read -r k v; do case $k in\n"
	    "action) action=$v;; plug) plug=$v;; esac; done\n%s\n",
	    text);
	fclose(f);
	ATF_REQUIRE_EQ(0, chmod(name, 0755));
}

/* Three nodes; one device per script, whose targets are all of them. */
static struct conf *
make_conf(const char *const *agents, unsigned n)
{
	static struct conf_errors errs;
	static char text[16384];
	char cwd[1024];
	struct conf *conf;
	size_t len;
	unsigned i;

	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	len = (size_t)snprintf(text, sizeof(text),
	    "cluster: test\nnodes:\n"
	    "  alpha: {id: 1, links: [10.0.0.1]}\n"
	    "  beta: {id: 2, links: [10.0.0.2]}\n"
	    "  gamma: {id: 3, links: [10.0.0.3]}\n"
	    "fencing:\n  devices:\n");
	for (i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "    d%u:\n      agent: %s/%s\n      timeout: 60s\n"
		    "      options: {password: {file: %s/secret}}\n"
		    "      targets: {alpha: {}, beta: {}, gamma: {}}\n",
		    i, cwd, agents[i], cwd);
	len += (size_t)snprintf(text + len, sizeof(text) - len,
	    "  levels:\n    alpha: [[d0]]\n    beta: [[d0]]\n"
	    "    gamma: [[d0]]\n");
	conf = conf_parse(text, len, &errs);
	ATF_REQUIRE_MSG(conf != NULL, "%s: %s\n%s", errs.e[0].code,
	    errs.e[0].text, text);
	return conf;
}

static void
secret(void)
{
	int fd;

	fd = open("secret", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(8, write(fd, "hunter2\n", 8));
	close(fd);
}

static void
connect_engine(void)
{
	int pair[2];

	ATF_REQUIRE_EQ(0, proc_pair(pair));
	if (engine.fd > 0)
		msgchan_close(&engine);
	msgchan_init(&engine, pair[0], 1 << 20);
	ATF_REQUIRE_EQ(0, msg_send(&parent, M_PEER_FD, 0, NULL, 0, pair[1]));
}

static void
setup(const char *const *agents, unsigned n)
{
	struct proc_opts o = { .foreground = true, .user = "x", .empty = "x" };
	uint8_t piece[CONF_CHUNK + 1];
	struct conf *conf;
	struct wbuf w;
	int pair[2];

	secret();
	conf = make_conf(agents, n);
	ATF_REQUIRE_EQ(0, proc_pair(pair));
	fflush(NULL);
	fence = fork();
	ATF_REQUIRE(fence != -1);
	if (fence == 0) {
		close(pair[0]);
		conf_free(conf);
		ATF_REQUIRE_EQ(PROC_FD, dup2(pair[1], PROC_FD));
		closefrom(PROC_FD + 1);
		fence_main(&o);
	}
	close(pair[1]);
	msgchan_init(&parent, pair[0], 1 << 20);
	wbuf_init(&w, CONF_CHUNK);
	conf_encode(conf, true, &w);
	ATF_REQUIRE(!w.err);
	piece[0] = 1;
	memcpy(piece + 1, w.data, w.len);
	ATF_REQUIRE_EQ(0, msg_send(&parent, M_CONF, 0, piece, w.len + 1, -1));
	wbuf_free(&w);
	conf_free(conf);
	connect_engine();
}

static void
ask(uint32_t req, uint16_t node, uint16_t device, uint64_t timeout_us)
{
	struct wbuf w;

	wbuf_init(&w, 64);
	wbuf_u32(&w, req);
	wbuf_u16(&w, node);
	wbuf_u16(&w, device);
	wbuf_u8(&w, FENCE_OFF);
	wbuf_u64(&w, timeout_us);
	ATF_REQUIRE_EQ(0,
	    msg_send(&engine, M_FENCE_START, 0, w.data, w.len, -1));
	wbuf_free(&w);
}

/* Waits for the next answer; false when none comes for ms. */
static bool
answered(struct answer *a, int ms)
{
	struct pollfd pfd = { .fd = engine.fd, .events = POLLIN };
	struct rbuf r;
	struct msg m;

	if (poll(&pfd, 1, ms) != 1)
		return false;
	ATF_REQUIRE_EQ(1, msg_recv(&engine, &m));
	ATF_REQUIRE_EQ(M_FENCE_DONE, m.type);
	rbuf_init(&r, m.data, m.len);
	a->req = rbuf_u32(&r);
	a->ok = rbuf_u8(&r);
	a->verified = rbuf_u8(&r);
	rbuf_str(&r, a->text, sizeof(a->text));
	ATF_REQUIRE(rbuf_done(&r));
	return true;
}

static struct answer
answer(void)
{
	struct answer a;

	ATF_REQUIRE(answered(&a, 60000));
	return a;
}

static void
finish(void)
{
	int status;

	ATF_REQUIRE_EQ(0, msg_send(&parent, M_STOP, 0, NULL, 0, -1));
	ATF_REQUIRE_EQ(fence, waitpid(fence, &status, 0));
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t
pid_in(const char *name)
{
	char text[32];
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strchr(text, '\n') == NULL ? 0 : (pid_t)strtol(text, NULL, 10);
}

static pid_t
wait_pid(const char *name)
{
	uint64_t end = clock_boot_us() + 30 * SECOND;
	pid_t pid;

	while ((pid = pid_in(name)) == 0) {
		ATF_REQUIRE(clock_boot_us() < end);
		usleep(2000);
	}
	return pid;
}

/* No process, not even a dead one that nobody reaped. */
static bool
goes_away(pid_t pid)
{
	uint64_t end = clock_boot_us() + 30 * SECOND;

	while (clock_boot_us() < end) {
		if (kill(pid, 0) == -1 && errno == ESRCH)
			return true;
		usleep(2000);
	}
	return false;
}

ATF_TC(results);
ATF_TC_HEAD(results, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(results, tc)
{
	static const char *const agents[] = { "verified", "unverified", "liar",
		"failing", "missing" };
	struct answer a;

	script("verified",
	    "echo $action >>calls\n"
	    "[ $action = off ] && exit 0; exit 2");
	script("unverified", "[ $action = off ] && exit 0; exit 1");
	script("liar", "exit 0");
	script("failing", "echo $action >>calls2; echo oops >&2; exit 1");
	setup(agents, 5);

	ask(11, 2, 0, 0);
	a = answer();
	ATF_CHECK_EQ(11, a.req);
	ATF_CHECK(a.ok);
	ATF_CHECK(a.verified);
	sh("printf 'off\\nstatus\\n' | cmp - calls");

	ask(12, 2, 1, 0);
	a = answer();
	ATF_CHECK(a.ok);
	ATF_CHECK(!a.verified);

	ask(13, 2, 2, 0);
	a = answer();
	ATF_CHECK(!a.ok);
	ATF_CHECK(strstr(a.text, "it is on") != NULL);

	ask(14, 2, 3, 0);
	a = answer();
	ATF_CHECK(!a.ok);
	ATF_CHECK_STREQ("oops", a.text);
	/* What failed is not asked for its status. */
	sh("echo off | cmp - calls2");

	ask(15, 2, 4, 0);
	a = answer();
	ATF_CHECK_EQ(15, a.req);
	ATF_CHECK(!a.ok);
	ATF_CHECK(strstr(a.text, "missing") != NULL);
	finish();
}

ATF_TC(timeouts);
ATF_TC_HEAD(timeouts, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(timeouts, tc)
{
	static const char *const agents[] = { "hang", "hang_status" };
	struct answer a;

	script("hang", "echo $$ >pid; while :; do sleep 1; done");
	script("hang_status",
	    "[ $action = off ] && exit 0\n"
	    "echo $$ >pid2; sleep 1000");
	setup(agents, 2);
	ask(1, 2, 0, SECOND / 2);
	a = answer();
	ATF_CHECK(!a.ok);
	ATF_CHECK(strstr(a.text, "no answer in time") != NULL);
	ATF_CHECK(goes_away(pid_in("pid")));
	/* It was switched off; only the proof is missing. */
	ask(2, 2, 1, SECOND);
	a = answer();
	ATF_CHECK_EQ(2, a.req);
	ATF_CHECK(a.ok);
	ATF_CHECK(!a.verified);
	ATF_CHECK(goes_away(pid_in("pid2")));
	finish();
}

ATF_TC(at_once);
ATF_TC_HEAD(at_once, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(at_once, tc)
{
	static const char *const agents[] = { "meet" };
	struct answer a, b;

	/* Each waits until the other runs: one after the other never ends. */
	script("meet",
	    "[ $action = off ] || exit 2\n"
	    "touch here.$plug\n"
	    "until [ -e here.beta -a -e here.gamma ]; do\n"
	    "sleep 0.02; done");
	setup(agents, 1);
	ask(1, 2, 0, 50 * SECOND);
	ask(2, 3, 0, 50 * SECOND);
	a = answer();
	b = answer();
	ATF_CHECK(a.ok && a.verified);
	ATF_CHECK(b.ok && b.verified);
	ATF_CHECK_EQ(3, a.req + b.req);
	finish();
}

ATF_TC(given_up);
ATF_TC_HEAD(given_up, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(given_up, tc)
{
	static const char *const agents[] = { "hang", "quick" };
	struct answer a;
	struct wbuf w;

	script("hang", "echo $$ >pid.$plug; sleep 1000");
	script("quick", "[ $action = off ] || exit 2");
	setup(agents, 2);
	ask(1, 2, 0, 0);
	(void)wait_pid("pid.beta");
	wbuf_init(&w, 16);
	wbuf_u32(&w, 1);
	ATF_REQUIRE_EQ(0,
	    msg_send(&engine, M_FENCE_CANCEL, 0, w.data, w.len, -1));
	wbuf_free(&w);
	ATF_CHECK(goes_away(pid_in("pid.beta")));
	/* No answer to what was cancelled: the next is for the next. */
	ask(2, 2, 1, 0);
	a = answer();
	ATF_CHECK_EQ(2, a.req);

	/* A new engine: the requests of the old one are over. */
	ask(3, 3, 0, 0);
	(void)wait_pid("pid.gamma");
	connect_engine();
	ATF_CHECK(goes_away(pid_in("pid.gamma")));
	ask(4, 2, 1, 0);
	a = answer();
	ATF_CHECK_EQ(4, a.req);
	ATF_CHECK(a.ok);
	finish();
}

ATF_TC(strays);
ATF_TC_HEAD(strays, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(strays, tc)
{
	static const char *const agents[] = { "escape" };
	struct answer a;

	script("escape",
	    "[ $action = off ] || exit 2\n"
	    "setsid sh -c 'echo $$ >pid; exec sleep 1000' "
	    ">/dev/null 2>&1 &\n"
	    "until [ -s pid ]; do sleep 0.02; done");
	setup(agents, 1);
	ask(1, 2, 0, 0);
	a = answer();
	ATF_CHECK(a.ok);
	ATF_CHECK(goes_away(wait_pid("pid")));
	finish();
}

ATF_TC(stop_kills);
ATF_TC_HEAD(stop_kills, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(stop_kills, tc)
{
	static const char *const agents[] = { "hang" };
	int status;

	script("hang", "echo $$ >pid.$plug; sleep 1000");
	setup(agents, 1);
	ask(1, 2, 0, 0);
	(void)wait_pid("pid.beta");
	/* The parent dies: its end of the channel is closed. */
	msgchan_close(&parent);
	ATF_REQUIRE_EQ(fence, waitpid(fence, &status, 0));
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ATF_CHECK(goes_away(pid_in("pid.beta")));
}

ATF_TC(secrets);
ATF_TC_HEAD(secrets, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(secrets, tc)
{
	static const char *const agents[] = { "blab" };
	struct answer a;

	script("blab", "echo cannot log in with hunter2; exit 1");
	setup(agents, 1);
	ask(1, 2, 0, 0);
	a = answer();
	ATF_CHECK_STREQ("cannot log in with *******", a.text);
	/* A secret that can be read by others is not used. */
	ATF_REQUIRE_EQ(0, chmod("secret", 0644));
	ask(2, 2, 0, 0);
	a = answer();
	ATF_CHECK(!a.ok);
	ATF_CHECK(strstr(a.text, "others can read it") != NULL);
	finish();
}

/* What the engine has no business to ask ends the process: it is broken. */
ATF_TC(nonsense);
ATF_TC_HEAD(nonsense, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(nonsense, tc)
{
	static const char *const agents[] = { "never" };
	int status;

	script("never", "touch called");
	setup(agents, 1);
	ask(1, 2, 7, 0);
	ATF_REQUIRE_EQ(fence, waitpid(fence, &status, 0));
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ATF_CHECK_EQ(-1, access("called", F_OK));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, results);
	ATF_TP_ADD_TC(tp, timeouts);
	ATF_TP_ADD_TC(tp, at_once);
	ATF_TP_ADD_TC(tp, given_up);
	ATF_TP_ADD_TC(tp, strays);
	ATF_TP_ADD_TC(tp, stop_kills);
	ATF_TP_ADD_TC(tp, secrets);
	ATF_TP_ADD_TC(tp, nonsense);
	return atf_no_error();
}
