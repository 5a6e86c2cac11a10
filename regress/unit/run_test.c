/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that no agent can hold up, deceive or outlive the fence process: it
 * may succeed, fail, hang, ignore signals, flood, keep pipes open through a
 * child, or refuse its input, and the result is right and comes in time.
 * Proves what an agent is told, and that secrets never come back.
 */

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../../fence/device.h"
#include "../../fence/run.h"

#define SECOND UINT64_C(1000000)

static struct loop *loop;
static struct run_result result;
static unsigned ends;

static void
done(void *arg, const struct run_result *r)
{
	struct run **run = arg;

	result = *r;
	ends++;
	run_free(*run);
	*run = NULL;
	loop_stop(loop);
}

/* A shell script in the current folder; returns its absolute path. */
static const char *
script(const char *name, const char *text)
{
	static char path[4096];
	char cwd[2048];
	FILE *f;

	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(path, sizeof(path), "%s/%s", cwd, name);
	f = fopen(path, "w");
	ATF_REQUIRE(f != NULL);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	ATF_REQUIRE_EQ(0, chmod(path, 0755));
	return path;
}

/* Runs a script to its end with input. */
static void
run_script(const char *text, const char *input, uint64_t timeout_us)
{
	static struct run *run;
	const char *argv[] = { script("agent", text), NULL };

	loop = loop_new();
	ATF_REQUIRE(loop != NULL);
	memset(&result, 0, sizeof(result));
	ends = 0;
	run = run_new(loop, argv, input, strlen(input), timeout_us, done, &run);
	ATF_REQUIRE(run != NULL);
	loop_run(loop, NULL, NULL);
	ATF_REQUIRE_EQ(1, ends);
	loop_free(loop);
}

/* The whole of a small file that the script wrote. */
static const char *
content(const char *name)
{
	static char text[8192];
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY);
	if (fd == -1)
		return "";
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

#define HERE "cd \"$(dirname \"$0\")\"\n"

ATF_TC_WITHOUT_HEAD(success);
ATF_TC_BODY(success, tc)
{
	run_script(HERE "cat >input; echo first; echo 'last line' >&2; exit 0",
	    "action=off\nplug=7\n", 60 * SECOND);
	ATF_CHECK(!result.timeout);
	ATF_CHECK(!result.signaled);
	ATF_CHECK_EQ(0, result.code);
	ATF_CHECK(!result.quiet);
	ATF_CHECK_STREQ("last line", result.last);
	ATF_CHECK_STREQ("action=off\nplug=7\n", content("input"));
}

ATF_TC_WITHOUT_HEAD(failure);
ATF_TC_BODY(failure, tc)
{
	run_script("cat >/dev/null; exit 3", "", 60 * SECOND);
	ATF_CHECK(!result.signaled);
	ATF_CHECK_EQ(3, result.code);
	ATF_CHECK(result.quiet);
	ATF_CHECK_STREQ("", result.last);
	run_script("kill -9 $$", "", 60 * SECOND);
	ATF_CHECK(result.signaled);
	ATF_CHECK_EQ(SIGKILL, result.code);
	ATF_CHECK(!result.timeout);
}

ATF_TC_WITHOUT_HEAD(environment);
ATF_TC_BODY(environment, tc)
{
	int fd;

	ATF_REQUIRE_EQ(0, setenv("SECRET", "do not pass on", 1));
	fd = dup2(0, 77);
	ATF_REQUIRE_EQ(77, fd);
	/* Other descriptors, variables, the session, arguments, limits. */
	run_script(HERE
	    "env | sort >env; ls /proc/self/fd >fds; echo $# >args\n"
	    "ps -o sid= -p $$ | tr -d ' ' >sid; echo $$ >pid\n"
	    "ulimit -c >core",
	    "", 60 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	ATF_CHECK(strstr(content("env"), "SECRET") == NULL);
	ATF_CHECK(strstr(content("env"), "LC_ALL=C\n") != NULL);
	ATF_CHECK(strstr(content("fds"), "77") == NULL);
	ATF_CHECK_STREQ("0\n", content("args"));
	ATF_CHECK_STREQ("0\n", content("core"));
	ATF_CHECK_EQ(strtol(content("pid"), NULL, 10),
	    strtol(content("sid"), NULL, 10));
	ATF_CHECK(strtol(content("pid"), NULL, 10) > 0);
}

/* Gone, or dead and only waiting for whoever inherits it. */
static bool
is_gone(pid_t pid)
{
	char path[64], line[256];
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return true;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	state = strrchr(line, ')');
	return state == NULL || state[2] == 'Z' || state[2] == 'X';
}

static bool
goes_away(pid_t pid)
{
	uint64_t end = clock_boot_us() + 20 * SECOND;

	while (clock_boot_us() < end) {
		if (is_gone(pid))
			return true;
		usleep(2000);
	}
	return false;
}

ATF_TC_WITHOUT_HEAD(hang);
ATF_TC_BODY(hang, tc)
{
	run_script(HERE "echo $$ >pid; echo working; sleep 1000", "",
	    SECOND / 2);
	ATF_CHECK(result.timeout);
	ATF_CHECK_STREQ("working", result.last);
	ATF_CHECK(goes_away((pid_t)strtol(content("pid"), NULL, 10)));
}

ATF_TC_WITHOUT_HEAD(hang_ignores_term);
ATF_TC_BODY(hang_ignores_term, tc)
{
	run_script(HERE "trap '' TERM; echo $$ >pid; touch up\n"
			"while :; do sleep 1; done",
	    "", SECOND / 2);
	ATF_CHECK(result.timeout);
	ATF_CHECK(result.signaled);
	ATF_CHECK_EQ(SIGKILL, result.code);
	ATF_CHECK(goes_away((pid_t)strtol(content("pid"), NULL, 10)));
}

/* A timeout is no success, even when the agent then says so. */
ATF_TC_WITHOUT_HEAD(late_success);
ATF_TC_BODY(late_success, tc)
{
	run_script("trap 'exit 0' TERM; while :; do sleep 0.1; done", "",
	    SECOND / 2);
	ATF_CHECK(result.timeout);
	ATF_CHECK(!result.signaled);
	ATF_CHECK_EQ(0, result.code);
}

ATF_TC_WITHOUT_HEAD(flood);
ATF_TC_BODY(flood, tc)
{
	run_script("i=0; while [ $i -lt 20000 ]; do\n"
		   "echo 0123456789012345678901234567890123456789; i=$((i+1))\n"
		   "done; echo the end",
	    "", 60 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	ATF_CHECK_STREQ("the end", result.last);
	run_script("yes", "", SECOND / 2);
	ATF_CHECK(result.timeout);
	ATF_CHECK_STREQ("y", result.last);
}

ATF_TC_WITHOUT_HEAD(long_line);
ATF_TC_BODY(long_line, tc)
{
	run_script("head -c 300000 /dev/zero | tr '\\0' x", "", 60 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	ATF_CHECK_EQ(sizeof(result.last) - 1, strlen(result.last));
	run_script("printf 'a\\033[31m\\001\\377b\\n\\n  \\n'", "",
	    60 * SECOND);
	ATF_CHECK_STREQ("a?[31m??b", result.last);
}

/* The agent ends; a child of its keeps the pipe, and is not waited for. */
ATF_TC_WITHOUT_HEAD(child_keeps_pipe);
ATF_TC_BODY(child_keeps_pipe, tc)
{
	uint64_t begin = clock_boot_us();

	run_script(HERE "sleep 1000 & echo $! >pid; echo done", "",
	    600 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	ATF_CHECK_STREQ("done", result.last);
	/* Not when sleep ends: that is what "not waited for" means. */
	ATF_CHECK(clock_boot_us() - begin < 500 * SECOND);
	ATF_CHECK(goes_away((pid_t)strtol(content("pid"), NULL, 10)));
}

ATF_TC_WITHOUT_HEAD(session_escape);
ATF_TC_BODY(session_escape, tc)
{
	pid_t pid;

	/* As the fence process: who leaves the session becomes our child. */
	ATF_REQUIRE_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	run_script(HERE "setsid sleep 1000 & echo $! >pid; echo done", "",
	    600 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	pid = (pid_t)strtol(content("pid"), NULL, 10);
	ATF_REQUIRE(pid > 1);
	/* Killed with the group, or ours to kill: in no case out of reach. */
	if (!is_gone(pid)) {
		ATF_REQUIRE_EQ(0, kill(pid, SIGKILL));
		ATF_CHECK_EQ(pid, waitpid(pid, NULL, 0));
	}
}

ATF_TC_WITHOUT_HEAD(input_unread);
ATF_TC_BODY(input_unread, tc)
{
	static char big[512 * 1024];

	signal(SIGPIPE, SIG_IGN);
	memset(big, 'x', sizeof(big) - 1);
	run_script("exec <&-; exit 0", big, 60 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	run_script("exit 0", big, 60 * SECOND);
	ATF_CHECK_EQ(0, result.code);
	run_script("n=$(wc -c); echo $n", big, 60 * SECOND);
	ATF_CHECK_STREQ("524287", result.last);
}

ATF_TC_WITHOUT_HEAD(given_up);
ATF_TC_BODY(given_up, tc)
{
	static struct run *run;
	const char *argv[] = { script("agent",
				   HERE "echo $$ >pid.new; mv pid.new pid; "
					"sleep 1000"),
		NULL };
	pid_t pid = 0;

	loop = loop_new();
	run = run_new(loop, argv, "", 0, 600 * SECOND, done, &run);
	ATF_REQUIRE(run != NULL);
	while ((pid = (pid_t)strtol(content("pid"), NULL, 10)) == 0)
		usleep(2000);
	ends = 0;
	run_free(run);
	ATF_CHECK(is_gone(pid));
	ATF_CHECK_EQ(0, ends);
	loop_free(loop);
}

ATF_TC(find);
ATF_TC_HEAD(find, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(find, tc)
{
	char path[256], why[256];
	const char *good = script("agent", "exit 0");

	ATF_CHECK(run_find(good, path, sizeof(path), why, sizeof(why)));
	ATF_CHECK_STREQ(good, path);
	ATF_REQUIRE_EQ(0, chmod(good, 0775));
	ATF_CHECK(!run_find(good, path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(strstr(why, "writable") != NULL);
	ATF_REQUIRE_EQ(0, chmod(good, 0644));
	ATF_CHECK(!run_find(good, path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(strstr(why, "not executable") != NULL);
	ATF_REQUIRE_EQ(0, chmod(good, 0755));
	ATF_REQUIRE_EQ(0, chown(good, 1, 1));
	ATF_CHECK(!run_find(good, path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(!run_find("/", path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(!run_find("../agent", path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(
	    !run_find("fence_no_such", path, sizeof(path), why, sizeof(why)));
	ATF_CHECK(!run_find("/no/such", path, sizeof(path), why, sizeof(why)));
}

/* --- what an agent is told ------------------------------------------------ */

static struct conf_option options[4];
static struct conf_device device;
static struct conf_node victim;

static void
make_device(void)
{
	memset(options, 0, sizeof(options));
	memset(&device, 0, sizeof(device));
	memset(&victim, 0, sizeof(victim));
	strlcpy(victim.name, "beta", sizeof(victim.name));
	victim.id = 2;
	strlcpy(device.name, "pdu", sizeof(device.name));
	device.options = options;
	device.ntargets = 1;
	device.targets[0].node = 2;
}

static void
add_option(const char *name, const char *value, bool file)
{
	struct conf_option *o = &options[device.noptions++];

	strlcpy(o->name, name, sizeof(o->name));
	strlcpy(o->value, value, sizeof(o->value));
	o->file = file;
}

ATF_TC_WITHOUT_HEAD(input);
ATF_TC_BODY(input, tc)
{
	struct device_secrets secrets;
	struct wbuf w;
	char why[256], said[] = "login admin with hunter2 and hunter2!";

	make_device();
	strlcpy(device.targets[0].port, "12", sizeof(device.targets[0].port));
	add_option("action", "on", false);
	add_option("ip", "10.0.0.1", false);
	add_option("password", "hunter2", false);
	wbuf_init(&w, DEVICE_INPUT_MAX);
	ATF_REQUIRE(device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	wbuf_u8(&w, 0);
	ATF_CHECK_STREQ("action=off\nnodename=beta\nplug=12\nport=12\n"
			"ip=10.0.0.1\npassword=hunter2\n",
	    (const char *)w.data);
	device_redact(&secrets, said);
	ATF_CHECK_STREQ("login admin with ******* and *******!", said);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(input_file);
ATF_TC_BODY(input_file, tc)
{
	struct device_secrets secrets;
	struct wbuf w;
	char why[256];
	int fd;

	make_device();
	add_option("password", "secret", true);
	wbuf_init(&w, DEVICE_INPUT_MAX);
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	fd = open("secret", O_WRONLY | O_CREAT, 0600);
	ATF_REQUIRE(fd != -1);
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	ATF_REQUIRE_EQ(9, write(fd, "open\nrest", 9));
	close(fd);
	wbuf_reset(&w);
	ATF_REQUIRE_MSG(device_input(&device, &victim, "status", &w, &secrets,
			    why, sizeof(why)),
	    "%s", why);
	wbuf_u8(&w, 0);
	/* The first line only; without a port, the name is the plug. */
	ATF_CHECK_STREQ("action=status\nnodename=beta\nplug=beta\nport=beta\n"
			"password=open\n",
	    (const char *)w.data);
	ATF_REQUIRE_EQ(0, chmod("secret", 0640));
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	ATF_CHECK(strstr(why, "others can read it") != NULL);
	ATF_CHECK(strstr(why, "open") == NULL);
	wbuf_free(&w);
}

ATF_TC_WITHOUT_HEAD(input_refused);
ATF_TC_BODY(input_refused, tc)
{
	struct device_secrets secrets;
	struct wbuf w;
	char why[256];

	wbuf_init(&w, DEVICE_INPUT_MAX);
	make_device();
	add_option("login", "x\naction=on", false);
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	make_device();
	add_option("password", "", false);
	options[0].hidden = true;
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	make_device();
	victim.id = 3;
	ATF_CHECK(!device_input(&device, &victim, "off", &w, &secrets, why,
	    sizeof(why)));
	wbuf_free(&w);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, success);
	ATF_TP_ADD_TC(tp, failure);
	ATF_TP_ADD_TC(tp, environment);
	ATF_TP_ADD_TC(tp, hang);
	ATF_TP_ADD_TC(tp, hang_ignores_term);
	ATF_TP_ADD_TC(tp, late_success);
	ATF_TP_ADD_TC(tp, flood);
	ATF_TP_ADD_TC(tp, long_line);
	ATF_TP_ADD_TC(tp, child_keeps_pipe);
	ATF_TP_ADD_TC(tp, session_escape);
	ATF_TP_ADD_TC(tp, input_unread);
	ATF_TP_ADD_TC(tp, given_up);
	ATF_TP_ADD_TC(tp, find);
	ATF_TP_ADD_TC(tp, input);
	ATF_TP_ADD_TC(tp, input_file);
	ATF_TP_ADD_TC(tp, input_refused);
	return atf_no_error();
}
