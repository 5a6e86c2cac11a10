/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that the tables of modes are those that the kernel's lock manager
 * was seen to use: compatibility, value blocks, and which flags it accepts.
 */

#include <errno.h>

#include <atf-c.h>

#include "core/dlm_mode.h"
#include "libclusterd/clusterd.h"

ATF_TC_WITHOUT_HEAD(compatibility);
ATF_TC_BODY(compatibility, tc)
{
	/* Row: granted; column: requested, NL to EX. */
	static const char *const table[] = { "yyyyyy", "yyyyyn", "yyynnn",
		"yynynn", "yynnnn", "ynnnnn" };
	int gr, rq;

	for (gr = DLM_NL; gr <= DLM_EX; gr++) {
		for (rq = DLM_NL; rq <= DLM_EX; rq++) {
			ATF_CHECK_EQ_MSG(table[gr][rq] == 'y',
			    dlm_compat(gr, rq), "%s against %s",
			    dlm_mode_name(gr), dlm_mode_name(rq));
			ATF_CHECK_EQ(dlm_compat(gr, rq), dlm_compat(rq, gr));
		}
		ATF_CHECK(dlm_compat(DLM_IV, gr));
		ATF_CHECK(dlm_compat(gr, DLM_IV));
	}
}

ATF_TC_WITHOUT_HEAD(value_block);
ATF_TC_BODY(value_block, tc)
{
	/* R: the caller reads; W: the resource is written; '.': nothing. */
	static const char *const table[] = { "RRRRRR", "RRRRRR", ".RRRRR",
		"..RRRR", "...RRR", "WWWWWR", "WWWWWW" };
	static const char letter
	    [] = { [LVB_NONE] = '.', [LVB_READ] = 'R', [LVB_WRITE] = 'W' };
	int gr, rq;

	for (gr = DLM_IV; gr <= DLM_EX; gr++)
		for (rq = DLM_NL; rq <= DLM_EX; rq++)
			ATF_CHECK_EQ_MSG(table[gr + 1][rq],
			    letter[dlm_lvb_act(gr, rq)], "%s to %s",
			    dlm_mode_name(gr), dlm_mode_name(rq));
}

/* A conversion that never waits takes nothing that excludes more. */
ATF_TC_WITHOUT_HEAD(directions);
ATF_TC_BODY(directions, tc)
{
	int gr, rq, other;

	for (gr = DLM_NL; gr <= DLM_EX; gr++) {
		for (rq = DLM_NL; rq <= DLM_EX; rq++) {
			for (other = DLM_NL; other <= DLM_EX; other++)
				ATF_CHECK(!dlm_down(gr, rq) ||
				    !dlm_compat(gr, other) ||
				    dlm_compat(rq, other));
			ATF_CHECK(!dlm_down(gr, rq) || !dlm_middle(gr, rq));
		}
		ATF_CHECK(dlm_down(gr, gr));
	}
	ATF_CHECK(dlm_middle(DLM_PR, DLM_CW));
	ATF_CHECK(dlm_middle(DLM_CW, DLM_PR));
	ATF_CHECK(!dlm_middle(DLM_PR, DLM_PW));
}

ATF_TC_WITHOUT_HEAD(request_flags);
ATF_TC_BODY(request_flags, tc)
{
	static const struct {
		int mode;
		uint32_t flags;
		int error;
	} t[] = {
		{ DLM_PR, 0, 0 },
		{ 6, 0, EINVAL },
		{ -1, 0, EINVAL },
		{ DLM_PR, DLM_F_QUECVT, EINVAL },
		{ DLM_PR, DLM_F_CONVDEADLK, EINVAL },
		{ DLM_PR, DLM_F_CONVERT, EINVAL },
		{ DLM_PR, DLM_F_CANCEL, EINVAL },
		{ DLM_PR, DLM_F_FORCEUNLOCK, EINVAL },
		{ DLM_PR, DLM_F_EXPEDITE, EINVAL },
		{ DLM_NL, DLM_F_EXPEDITE, 0 },
		{ DLM_NL, DLM_F_EXPEDITE | DLM_F_NOQUEUE, EINVAL },
		{ DLM_EX, DLM_F_NOQUEUE | DLM_F_NOQUEUEBAST, 0 },
		{ DLM_EX, DLM_F_ALTPR | DLM_F_NOQUEUE, 0 },
		{ DLM_EX, DLM_F_PERSISTENT, EOPNOTSUPP },
		{ DLM_EX, DLM_F_ORPHAN, EOPNOTSUPP },
		{ DLM_EX, 0x80000000, EINVAL },
	};
	unsigned i;

	for (i = 0; i < NITEMS(t); i++)
		ATF_CHECK_EQ_MSG(t[i].error,
		    dlm_check_lock(t[i].mode, t[i].flags), "case %u", i);
}

ATF_TC_WITHOUT_HEAD(convert_flags);
ATF_TC_BODY(convert_flags, tc)
{
	/* Conversions for which QUECVT has a meaning. */
	static const char *const quecvt[] = { ".xxxxx", "..xxxx", "...xxx",
		"..x.xx", ".....x", "......" };
	int gr, rq;

	for (gr = DLM_NL; gr <= DLM_EX; gr++)
		for (rq = DLM_NL; rq <= DLM_EX; rq++)
			ATF_CHECK_EQ_MSG(quecvt[gr][rq] == 'x' ? 0 : EINVAL,
			    dlm_check_convert(gr, rq, DLM_F_QUECVT), "%s to %s",
			    dlm_mode_name(gr), dlm_mode_name(rq));
	ATF_CHECK_EQ(0, dlm_check_convert(DLM_NL, DLM_EX, DLM_F_CONVERT));
	ATF_CHECK_EQ(EINVAL,
	    dlm_check_convert(DLM_NL, DLM_EX,
		DLM_F_CONVDEADLK | DLM_F_NOQUEUE));
	ATF_CHECK_EQ(EINVAL, dlm_check_convert(DLM_EX, DLM_NL, DLM_F_EXPEDITE));
	ATF_CHECK_EQ(EINVAL, dlm_check_convert(DLM_NL, 6, 0));
}

ATF_TC_WITHOUT_HEAD(unlock_flags);
ATF_TC_BODY(unlock_flags, tc)
{
	ATF_CHECK_EQ(0, dlm_check_unlock(0));
	ATF_CHECK_EQ(0, dlm_check_unlock(DLM_F_VALBLK));
	ATF_CHECK_EQ(0, dlm_check_unlock(DLM_F_IVVALBLK | DLM_F_FORCEUNLOCK));
	ATF_CHECK_EQ(EINVAL, dlm_check_unlock(DLM_F_NOQUEUE));
	ATF_CHECK_EQ(EINVAL,
	    dlm_check_unlock(DLM_F_CANCEL | DLM_F_FORCEUNLOCK));
}

/* What clients say and what the core understands are the same numbers. */
ATF_TC_WITHOUT_HEAD(public_numbers);
ATF_TC_BODY(public_numbers, tc)
{
	static const uint32_t pairs[][2] = {
		{ CL_LKF_NOQUEUE, DLM_F_NOQUEUE },
		{ CL_LKF_CONVERT, DLM_F_CONVERT },
		{ CL_LKF_VALBLK, DLM_F_VALBLK },
		{ CL_LKF_QUECVT, DLM_F_QUECVT },
		{ CL_LKF_IVVALBLK, DLM_F_IVVALBLK },
		{ CL_LKF_CONVDEADLK, DLM_F_CONVDEADLK },
		{ CL_LKF_PERSISTENT, DLM_F_PERSISTENT },
		{ CL_LKF_NODLCKWT, DLM_F_NODLCKWT },
		{ CL_LKF_EXPEDITE, DLM_F_EXPEDITE },
		{ CL_LKF_NOQUEUEBAST, DLM_F_NOQUEUEBAST },
		{ CL_LKF_HEADQUE, DLM_F_HEADQUE },
		{ CL_LKF_NOORDER, DLM_F_NOORDER },
		{ CL_LKF_ALTPR, DLM_F_ALTPR },
		{ CL_LKF_ALTCW, DLM_F_ALTCW },
		{ CL_LKF_FORCEUNLOCK, DLM_F_FORCEUNLOCK },
		{ CL_SBF_DEMOTED, DLM_SBF_DEMOTED },
		{ CL_SBF_VALNOTVALID, DLM_SBF_VALNOTVALID },
		{ CL_SBF_ALTMODE, DLM_SBF_ALTMODE },
		{ CL_NL, DLM_NL },
		{ CL_EX, DLM_EX },
	};
	unsigned i;

	for (i = 0; i < NITEMS(pairs); i++)
		ATF_CHECK_EQ_MSG(pairs[i][0], pairs[i][1], "pair %u", i);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, compatibility);
	ATF_TP_ADD_TC(tp, value_block);
	ATF_TP_ADD_TC(tp, directions);
	ATF_TP_ADD_TC(tp, request_flags);
	ATF_TP_ADD_TC(tp, convert_flags);
	ATF_TP_ADD_TC(tp, unlock_flags);
	ATF_TP_ADD_TC(tp, public_numbers);
	return atf_no_error();
}
