/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the programs of the user are run as somebody who is nobody, one
 * run at a time and not for ever, that what they say is counted, and that what
 * fails is named.  The programs are scripts, each in a file of its own.
 */

#include <sys/stat.h>

#include <atf-c.h>
#include <stdio.h>
#include <unistd.h>

#include "heuristics.h"

#define LIMIT_US UINT64_C(30000000)

static struct {
	struct loop *loop;
	struct conf *conf;
	struct heuristics *h;
	unsigned known;
	bool late;
	char why[256];
} t;

static void
known(void *arg)
{
	ATF_CHECK(heuristics_known(t.h));
	t.known++;
}

static void
on_limit(void *arg)
{
	t.late = true;
}

static void
tick(void *arg)
{
	struct loop_timer **timer = arg;

	loop_timer_set(*timer, 10000);
}

/* A script of this text; the test's folder is open to nobody. */
static void
add(const char *name, const char *text, uint8_t score)
{
	struct conf_heuristic *h =
	    &t.conf->qdevice.heuristics[t.conf->qdevice.nheuristics++];
	FILE *f;

	f = fopen(name, "w");
	ATF_REQUIRE(f != NULL);
	fprintf(f, "#!/bin/sh\ncd ${0%%/*}\n%s\n", text);
	fclose(f);
	ATF_REQUIRE_EQ(0, chmod(name, 0755));
	h->nargs = 2;
	ATF_REQUIRE(getcwd(h->args[0], CONF_ARG_LEN - 16) != NULL);
	strlcat(h->args[0], "/", CONF_ARG_LEN);
	strlcat(h->args[0], name, CONF_ARG_LEN);
	strlcpy(h->args[1], "a b", CONF_ARG_LEN);
	h->score = score;
	h->interval_us = CONF_HEURISTIC_MIN;
}

static void
prepare(void)
{
	memset(&t, 0, sizeof(t));
	t.conf = conf_new();
	ATF_REQUIRE(t.conf != NULL);
	ATF_REQUIRE_EQ(0, chmod(".", 0777));
}

static void
begin(uint16_t minimum)
{
	static struct loop_timer *timer;
	struct loop_timer *limit;
	int fd;

	t.conf->qdevice.minimum = minimum;
	fd = heuristics_start(t.conf);
	ATF_REQUIRE(fd != -1);
	t.loop = loop_new();
	ATF_REQUIRE(t.loop != NULL);
	limit = loop_timer_new(t.loop, on_limit, NULL);
	loop_timer_set(limit, LIMIT_US);
	timer = loop_timer_new(t.loop, tick, &timer);
	loop_timer_set(timer, 10000);
	t.h = heuristics_new(t.loop, t.conf, fd, known, NULL);
	ATF_CHECK(!heuristics_known(t.h));
	ATF_CHECK(!heuristics_reach(t.h, t.why, sizeof(t.why)));
}

/* Turns of the loop until the score reaches, or does not, with these words. */
static void
until(bool reach, const char *words)
{
	bool is;

	for (;;) {
		is = heuristics_reach(t.h, t.why, sizeof(t.why));
		if (heuristics_known(t.h) && is == reach &&
		    strstr(t.why, words) != NULL)
			return;
		loop_once(t.loop);
		ATF_REQUIRE_MSG(!t.late, "reach %d: %s", is, t.why);
	}
}

#define AS_ROOT(name)                                                          \
	ATF_TC(name);                                                          \
	ATF_TC_HEAD(name, tc)                                                  \
	{                                                                      \
		atf_tc_set_md_var(tc, "require.user", "root");                 \
	}                                                                      \
	ATF_TC_BODY(name, tc)

AS_ROOT(scores)
{
	prepare();
	add("one", "[ -e one.ok ] || { echo \"no $1\"; exit 3; }", 1);
	add("two", "[ ! -e two.bad ]", 2);
	begin(2);
	until(true, "");
	ATF_CHECK_EQ(1, t.known);
	ATF_REQUIRE_EQ(0, mkdir("two.bad", 0700));
	until(false, "score 0 of 2");
	ATF_REQUIRE(strstr(t.why, "two a b: it ended with status 1") != NULL);
	ATF_REQUIRE_EQ(0, mkdir("one.ok", 0700));
	until(false, "score 1 of 2");
	ATF_REQUIRE_EQ(0, rmdir("two.bad"));
	until(true, "");
	ATF_REQUIRE_EQ(0, rmdir("one.ok"));
	ATF_REQUIRE_EQ(0, mkdir("two.bad", 0700));
	until(false, "score 0 of 2");
	ATF_CHECK_EQ(1, t.known);
}

AS_ROOT(runs_as_nobody)
{
	struct stat st;

	prepare();
	add("who", "id -u >who.new; cat /etc/shadow >leak; mv who.new who.is",
	    1);
	begin(1);
	until(true, "");
	ATF_REQUIRE_EQ(0, stat("who.is", &st));
	ATF_CHECK(st.st_uid != 0);
	ATF_REQUIRE_EQ(0, stat("leak", &st));
	ATF_CHECK_EQ(0, st.st_size);
}

/* It ignores what it is told, and a child of it lives on in its group. */
AS_ROOT(hangs)
{
	prepare();
	add("hang", "trap '' TERM; sleep 1000 & wait; sleep 1000", 1);
	begin(1);
	until(false, "it did not end in time");
}

AS_ROOT(not_there)
{
	prepare();
	add("gone", "", 1);
	ATF_REQUIRE_EQ(0, unlink("gone"));
	begin(1);
	until(false, "it ended with status 127");
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, scores);
	ATF_TP_ADD_TC(tp, runs_as_nobody);
	ATF_TP_ADD_TC(tp, hangs);
	ATF_TP_ADD_TC(tp, not_there);
	return atf_no_error();
}
