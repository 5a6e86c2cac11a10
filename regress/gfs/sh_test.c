/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that what a test has run by a shell cannot fail unseen.
 */

#include <atf-c.h>
#include <string.h>

#include "sh.h"

ATF_TC_WITHOUT_HEAD(ends);
ATF_TC_BODY(ends, tc)
{
	ATF_CHECK_EQ(0, sh_status(NULL, 0, "echo nobody reads it"));
	ATF_CHECK_EQ(3, sh_status(NULL, 0, "exit %d", 3));
	ATF_CHECK_EQ(127, sh_status(NULL, 0, "no-such-program"));
	ATF_CHECK_EQ(128 + 9, sh_status(NULL, 0, "kill -9 $$"));
	ATF_CHECK_EQ(128 + 15, sh_status(NULL, 0, "sh -c 'kill $$'; exit $?"));
	sh("test %s = %s", "same", "same");
}

ATF_TC_WITHOUT_HEAD(output);
ATF_TC_BODY(output, tc)
{
	char out[8], large[200000];

	ATF_CHECK_EQ(1,
	    sh_status(out, sizeof(out),
		"echo a; echo b >&2; "
		"false"));
	ATF_CHECK_STREQ("a\nb\n", out);
	ATF_CHECK_EQ(0, sh_status(out, sizeof(out), "echo 123456789"));
	ATF_CHECK_STREQ("1234567", out);
	/* More than a pipe holds, whether it is kept or not. */
	ATF_CHECK_EQ(0, sh_status(large, sizeof(large), "seq 30000"));
	ATF_CHECK(strstr(large, "\n30000\n") != NULL);
	ATF_CHECK_EQ(0, sh_status(NULL, 0, "seq 300000"));
	sh("true");
}

ATF_TC_WITHOUT_HEAD(fails);
ATF_TC_BODY(fails, tc)
{
	atf_tc_expect_fail("sh fails the test");
	sh("exit 3");
}

ATF_TC_WITHOUT_HEAD(killed);
ATF_TC_BODY(killed, tc)
{
	atf_tc_expect_fail("sh fails the test");
	sh("kill -9 $$");
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ends);
	ATF_TP_ADD_TC(tp, output);
	ATF_TP_ADD_TC(tp, fails);
	ATF_TP_ADD_TC(tp, killed);
	return atf_no_error();
}
