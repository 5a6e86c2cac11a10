/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the shell's tables accept every documented command, refuse the
 * rest with the words that were expected, and that shortened words work only
 * where they are allowed and unambiguous.
 */

#include <atf-c.h>

#include "shell/shell.h"

static bool
parse(const char *line, bool prefixes, struct command *cmd, char *why)
{
	char copy[256], *words[16];
	unsigned n;

	strlcpy(copy, line, sizeof(copy));
	n = grammar_split(copy, words, 16);
	ATF_REQUIRE(n <= 16);
	return grammar_parse(words, n, prefixes, cmd, why, 512);
}

ATF_TC_WITHOUT_HEAD(commands);
ATF_TC_BODY(commands, tc)
{
	static const struct {
		const char *line;
		enum verb verb;
		const char *what, *arg;
		unsigned number;
		bool follow;
	} table[] = {
		{ "status", V_STATUS, "status", "", 0, false },
		{ "nodes", V_SHOW, "nodes", "", 0, false },
		{ "node alpha", V_SHOW, "nodes", "alpha", 0, false },
		{ "node alpha leave", V_LEAVE, NULL, "alpha", 0, false },
		{ "links", V_SHOW, "links", "", 0, false },
		{ "timers", V_SHOW, "timers", "", 0, false },
		{ "quorum", V_SHOW, "quorum", "", 0, false },
		{ "quorum expected 3", V_EXPECTED, NULL, "", 3, false },
		{ "quorum votes beta 0", V_VOTES, NULL, "beta", 0, false },
		{ "quorum votes beta 255", V_VOTES, NULL, "beta", 255, false },
		{ "quorum options", V_SHOW, "quorum-options", "", 0, false },
		{ "quorum set last_man_standing true", V_SET, NULL,
		    "last_man_standing true", 0, false },
		{ "quorum set tie_breaker lowest", V_SET, NULL,
		    "tie_breaker lowest", 0, false },
		{ "quorum set tie_breaker beta gamma alpha", V_SET, NULL,
		    "tie_breaker beta gamma alpha", 0, false },
		{ "quorum set device_votes 0", V_SET, NULL, "device_votes 0", 0,
		    false },
		{ "quorum reset", V_RESET, NULL, "", 0, false },
		{ "quorum unblock", V_UNBLOCK, NULL, "", 0, false },
		{ "quorum override", V_OVERRIDE, NULL, "", 0, false },
		{ "lockspaces", V_SHOW, "lockspaces", "", 0, false },
		{ "locks", V_SHOW, "locks", "", 0, false },
		{ "locks data", V_SHOW, "locks", "data", 0, false },
		{ "fence", V_SHOW, "fence", "", 0, false },
		{ "fence beta", V_FENCE, NULL, "beta", 0, false },
		{ "fence confirm beta", V_CONFIRM, NULL, "beta", 0, false },
		{ "fs", V_SHOW, "fs", "", 0, false },
		{ "events", V_EVENTS, "events", "", 0, false },
		{ "events 20", V_EVENTS, "events", "", 20, false },
		{ "events 20 --follow", V_EVENTS, "events", "", 20, true },
		{ "log --follow", V_LOG, "events", "", 0, true },
		{ "groups", V_SHOW, "groups", "", 0, false },
		{ "channels", V_SHOW, "channels", "", 0, false },
		{ "levels", V_SHOW, "levels", "", 0, false },
		{ "barriers", V_SHOW, "barriers", "", 0, false },
		{ "kv", V_SHOW, "kv", "", 0, false },
		{ "ports", V_SHOW, "ports", "", 0, false },
		{ "key", V_SHOW, "key", "", 0, false },
		{ "key status", V_SHOW, "key", "", 0, false },
		{ "key add", V_KEY_ADD, NULL, "", 0, false },
		{ "key use", V_KEY_USE, NULL, "", 0, false },
		{ "key drop", V_KEY_DROP, NULL, "", 0, false },
		{ "key drop absent", V_KEY_ABSENT, NULL, "", 0, false },
		{ "key abort", V_KEY_ABORT, NULL, "", 0, false },
		{ "kv app.", V_SHOW, "kv", "app.", 0, false },
		{ "wait quorum", V_WAIT, NULL, "", 0, false },
		{ "wait quorum 30", V_WAIT, NULL, "", 30, false },
		{ "help", V_HELP, NULL, "", 0, false },
		{ "help fence", V_HELP, NULL, "fence", 0, false },
		{ "quit", V_QUIT, NULL, "", 0, false },
		{ "version", V_VERSION, NULL, "", 0, false },
	};
	struct command cmd;
	char why[512];
	unsigned i;

	for (i = 0; i < NITEMS(table); i++) {
		ATF_REQUIRE_MSG(parse(table[i].line, false, &cmd, why),
		    "%s: %s", table[i].line, why);
		ATF_CHECK_EQ_MSG(table[i].verb, cmd.verb, "%s", table[i].line);
		ATF_CHECK_STREQ(table[i].arg, cmd.arg);
		ATF_CHECK_EQ(table[i].number, cmd.number);
		ATF_CHECK_EQ(table[i].follow, cmd.follow);
		if (table[i].what != NULL)
			ATF_CHECK_STREQ(table[i].what, cmd.what);
	}
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	static const struct {
		const char *line, *why;
	} table[] = {
		{ "stat", "unknown word \"stat\"" },
		{ "node", "not complete; expected NODE" },
		{ "node alpha stay", "expected the end, leave" },
		{ "fence confirm", "not complete" },
		{ "fence confirm beta now", "unknown word \"now\"" },
		{ "quorum expected", "not complete; expected VOTES" },
		{ "quorum expected 0", "unknown word \"0\"" },
		{ "quorum votes beta 256", "unknown word \"256\"" },
		{ "quorum override now", "unknown word \"now\"" },
		{ "quorum set",
		    "not complete; expected wait_for_all, "
		    "two_node, last_man_standing, downscale, "
		    "tie_breaker, device_votes" },
		{ "quorum set downscale",
		    "not complete; expected true, false" },
		{ "quorum set downscale yes", "expected true, false" },
		{ "quorum set tie_breaker none beta", "unknown word \"beta\"" },
		{ "quorum set tie_breaker",
		    "expected none, lowest, highest, NODE" },
		{ "quorum set device_votes 256", "unknown word \"256\"" },
		{ "quorum set three_node true", "unknown word \"three_node\"" },
		{ "events many", "unknown word \"many\"" },
		{ "wait quorum 0", "unknown word \"0\"" },
		{ "nodes --all", "unknown word \"--all\"" },
	};
	struct command cmd;
	char why[512];
	unsigned i;

	for (i = 0; i < NITEMS(table); i++) {
		ATF_REQUIRE_MSG(!parse(table[i].line, false, &cmd, why), "%s",
		    table[i].line);
		ATF_CHECK_MSG(strstr(why, table[i].why) != NULL,
		    "\"%s\" says: %s", table[i].line, why);
	}
}

ATF_TC_WITHOUT_HEAD(prefixes);
ATF_TC_BODY(prefixes, tc)
{
	struct command cmd;
	char why[512];

	ATF_CHECK(parse("st", true, &cmd, why));
	ATF_CHECK_EQ(V_STATUS, cmd.verb);
	ATF_CHECK(!parse("st", false, &cmd, why));
	ATF_CHECK(!parse("lo", true, &cmd, why));
	ATF_CHECK(strstr(why, "ambiguous") != NULL);
	/* A whole word wins over the longer one that begins like it. */
	ATF_CHECK(parse("node alpha", true, &cmd, why));
	ATF_CHECK_STREQ("alpha", cmd.arg);
}

ATF_TC_WITHOUT_HEAD(completion);
ATF_TC_BODY(completion, tc)
{
	char *words[] = { (char[]){ "fence" }, (char[]){ "confirm" } };
	const struct token *t;

	t = grammar_next(words, 0);
	ATF_REQUIRE(t != NULL);
	ATF_CHECK_STREQ("status", t->word);
	t = grammar_next(words, 2);
	ATF_REQUIRE(t != NULL);
	ATF_CHECK_EQ(T_NODE, t->type);
	words[1] = (char[]){ "--bogus" };
	ATF_CHECK(grammar_next(words, 2) == NULL);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, commands);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, prefixes);
	ATF_TP_ADD_TC(tp, completion);
	return atf_no_error();
}
