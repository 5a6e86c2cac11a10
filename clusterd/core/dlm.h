/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The lock manager: resources, locks, masters and their directory, for every
 * lockspace this node has joined.  Semantics are those of the kernel's dlm
 * (six modes, conversion queue, value blocks, blocking callbacks).
 */

#ifndef CORE_DLM_H
#define CORE_DLM_H

#include "lspace.h"

struct dlm;

struct dlm *dlm_new(uint16_t self, uint64_t inc);
void	 dlm_free(struct dlm *);
/* NOTE_MESSAGE on CHAN_DLM, NOTE_LS, NOTE_CLIENT_GONE. */
void	 dlm_note(struct dlm *, const struct note *, struct bus *);
/*
 * A client's M_LOCK, M_CONVERT, M_UNLOCK, M_CANCEL; lsid is the cluster's
 * number.  Answers with M_AST (and M_BAST), or M_RESULT for a malformed one.
 */
void	 dlm_request(struct dlm *, uint32_t lsid, const struct note *,
	    struct bus *);
/* Bounded work: recovery goes on at each call while the deadline is now. */
void	 dlm_timer(struct dlm *, struct bus *);
uint64_t dlm_deadline(const struct dlm *);
void	 dlm_check(const struct dlm *);

/* For SHOW rows and oracles: walks this node's own locks of a lockspace. */
struct dlm_lock_info {
	uint32_t	 lsid;
	const uint8_t	*name;
	unsigned	 namelen;
	uint16_t	 master;
	uint64_t	 client;
	uint32_t	 lkid;		/* the client's */
	int		 granted;	/* mode, or -1 */
	int		 requested;	/* mode, or -1 when nothing is asked */
	uint64_t	 since;		/* us: granted or asked */
};
/* Calls fn for each until it returns false. */
void	 dlm_each_lock(const struct dlm *, bool (*fn)(void *arg,
	    const struct dlm_lock_info *), void *arg);
struct dlm_stats { uint64_t locks, resources, mastered, waiting; };
void	 dlm_get_stats(const struct dlm *, uint32_t lsid, struct dlm_stats *);

#endif /* CORE_DLM_H */
