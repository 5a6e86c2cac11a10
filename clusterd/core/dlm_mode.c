/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The tables of the six modes.  Everything here is a function of its
 * arguments; dlm_mode_test.c holds every cell against its meaning.
 */

#include <errno.h>

#include "dlm_mode.h"

#define MODES (DLM_EX + 1)

/* Bit rq of row gr is set when the two exclude each other. */
static const uint8_t conflicts[MODES] = {
	[DLM_NL] = 0,
	[DLM_CR] = 1 << DLM_EX,
	[DLM_CW] = 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_PR] = 1 << DLM_CW | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_PW] = 1 << DLM_CW | 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_EX] =
	    1 << DLM_CR | 1 << DLM_CW | 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
};

/* Bit rq of row gr is set when QUECVT makes sense for that conversion. */
static const uint8_t quecvt[MODES] = {
	[DLM_NL] =
	    1 << DLM_CR | 1 << DLM_CW | 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_CR] = 1 << DLM_CW | 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_CW] = 1 << DLM_PR | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_PR] = 1 << DLM_CW | 1 << DLM_PW | 1 << DLM_EX,
	[DLM_PW] = 1 << DLM_EX,
	[DLM_EX] = 0,
};

bool
dlm_mode_valid(int mode)
{
	return mode >= DLM_NL && mode <= DLM_EX;
}

const char *
dlm_mode_name(int mode)
{
	static const char *const names[MODES] = { "NL", "CR", "CW", "PR", "PW",
		"EX" };

	return dlm_mode_valid(mode) ? names[mode] : "--";
}

bool
dlm_compat(int gr, int rq)
{
	if (gr < 0 || rq < 0)
		return true;
	return (conflicts[gr] >> rq & 1) == 0;
}

bool
dlm_middle(int gr, int rq)
{
	return (gr == DLM_PR && rq == DLM_CW) || (gr == DLM_CW && rq == DLM_PR);
}

bool
dlm_down(int gr, int rq)
{
	return rq <= gr && !dlm_middle(gr, rq);
}

enum dlm_lvb_act
dlm_lvb_act(int gr, int rq)
{
	/*
	 * The writers' modes give their value back when they step down; a
	 * lock that gains read access receives the resource's.  PW to EX
	 * stays a writer but is an up-conversion, and reads.
	 */
	if (gr == DLM_PW || gr == DLM_EX)
		return gr == DLM_PW && rq == DLM_EX ? LVB_READ : LVB_WRITE;
	if (gr < rq || gr == rq)
		return LVB_READ;
	return LVB_NONE;
}

/* What no lock and no conversion may ask for. */
static int
check_common(int mode, uint32_t flags)
{
	const uint32_t known = DLM_F_NOQUEUE | DLM_F_CONVERT | DLM_F_VALBLK |
	    DLM_F_QUECVT | DLM_F_IVVALBLK | DLM_F_CONVDEADLK | DLM_F_NODLCKWT |
	    DLM_F_NODLCKBLK | DLM_F_EXPEDITE | DLM_F_NOQUEUEBAST |
	    DLM_F_HEADQUE | DLM_F_NOORDER | DLM_F_ALTPR | DLM_F_ALTCW;

	if (!dlm_mode_valid(mode))
		return EINVAL;
	if (flags & (DLM_F_PERSISTENT | DLM_F_ORPHAN))
		return EOPNOTSUPP;
	if (flags & ~known)
		return EINVAL;
	return 0;
}

int
dlm_check_lock(int mode, uint32_t flags)
{
	int error = check_common(mode, flags);

	if (error != 0)
		return error;
	if (flags & (DLM_F_CONVERT | DLM_F_QUECVT | DLM_F_CONVDEADLK))
		return EINVAL;
	if ((flags & DLM_F_EXPEDITE) != 0 &&
	    (mode != DLM_NL || (flags & DLM_F_NOQUEUE) != 0))
		return EINVAL;
	return 0;
}

int
dlm_check_convert(int gr, int mode, uint32_t flags)
{
	int error = check_common(mode, flags);

	if (error != 0)
		return error;
	if ((flags & DLM_F_CONVDEADLK) && (flags & DLM_F_NOQUEUE))
		return EINVAL;
	if (flags & DLM_F_EXPEDITE)
		return EINVAL;
	if ((flags & DLM_F_QUECVT) != 0 &&
	    (!dlm_mode_valid(gr) || (quecvt[gr] >> mode & 1) == 0))
		return EINVAL;
	return 0;
}

int
dlm_check_unlock(uint32_t flags)
{
	const uint32_t known =
	    DLM_F_CANCEL | DLM_F_VALBLK | DLM_F_IVVALBLK | DLM_F_FORCEUNLOCK;

	if (flags & ~known)
		return EINVAL;
	if ((flags & DLM_F_CANCEL) && (flags & DLM_F_FORCEUNLOCK))
		return EINVAL;
	return 0;
}
