/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Lock modes, flags and the tables that say what goes with what.  The numbers
 * of modes and flags are those of the kernel's dlm, since clients use them.
 */

#ifndef CORE_DLM_MODE_H
#define CORE_DLM_MODE_H

#include "../compat.h"

enum dlm_mode {
	DLM_IV = -1,	/* none: not granted, nothing requested */
	DLM_NL = 0, DLM_CR, DLM_CW, DLM_PR, DLM_PW, DLM_EX
};

enum dlm_flag {
	DLM_F_NOQUEUE		= 0x00000001,	/* now or not at all */
	DLM_F_CANCEL		= 0x00000002,
	DLM_F_CONVERT		= 0x00000004,
	DLM_F_VALBLK		= 0x00000008,	/* the value block takes part */
	DLM_F_QUECVT		= 0x00000010,	/* convert in order */
	DLM_F_IVVALBLK		= 0x00000020,	/* make the value block invalid */
	DLM_F_CONVDEADLK	= 0x00000040,	/* demote rather than EDEADLK */
	DLM_F_PERSISTENT	= 0x00000080,
	DLM_F_NODLCKWT		= 0x00000100,	/* never EDEADLK: bast instead */
	DLM_F_NODLCKBLK		= 0x00000200,	/* accepted, no effect */
	DLM_F_EXPEDITE		= 0x00000400,	/* NL at once */
	DLM_F_NOQUEUEBAST	= 0x00000800,	/* bast also when NOQUEUE fails */
	DLM_F_HEADQUE		= 0x00001000,	/* to the head of the queue */
	DLM_F_NOORDER		= 0x00002000,	/* pass the queue if compatible */
	DLM_F_ORPHAN		= 0x00004000,
	DLM_F_ALTPR		= 0x00008000,	/* PR will do */
	DLM_F_ALTCW		= 0x00010000,	/* CW will do */
	DLM_F_FORCEUNLOCK	= 0x00020000
};

enum dlm_sbflag {
	DLM_SBF_DEMOTED		= 0x01,	/* lost its old mode in a conversion */
	DLM_SBF_VALNOTVALID	= 0x02,	/* the value block lost a write */
	DLM_SBF_ALTMODE		= 0x04	/* the alternate mode was granted */
};

/* What a granted conversion does with the value block. */
enum dlm_lvb_act { LVB_NONE = 0, LVB_READ, LVB_WRITE };

bool	 dlm_mode_valid(int mode);		/* NL..EX */
const char *dlm_mode_name(int mode);
/* May a lock granted in mode gr coexist with one in mode rq? IV: always. */
bool	 dlm_compat(int gr, int rq);
/* PR to CW or back: neither up nor down. */
bool	 dlm_middle(int gr, int rq);
/* A conversion that can always be granted at once: rq excludes no more. */
bool	 dlm_down(int gr, int rq);
/* gr IV: a new lock. */
enum dlm_lvb_act dlm_lvb_act(int gr, int rq);
/*
 * Checks the arguments of a request, conversion or unlock: 0, EINVAL or
 * EOPNOTSUPP.  gr is the granted mode for a conversion.
 */
int	 dlm_check_lock(int mode, uint32_t flags);
int	 dlm_check_convert(int gr, int mode, uint32_t flags);
int	 dlm_check_unlock(uint32_t flags);

#endif /* CORE_DLM_MODE_H */
