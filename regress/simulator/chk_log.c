/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_SERVICE_ORDER  what a service tells its clients is one sequence: each
 *	item has a position, positions grow, two clients are told the same of
 *	one position, and after it of the same next one.
 *
 * Nodes say what they know at times of their own, so the sequence is kept as
 * what comes after what, not as a list.
 */

#include "service.h"

/* Neighbours in the sequence; the table wants them apart. */
static size_t
place(const struct chk_log *log, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) % log->cap;
}

/* Open addressing, at most half full; no id is 0. */
static void
grow(struct chk_log *log)
{
	struct known *old = log->v;
	size_t i, k, oldcap = log->cap;

	if (2 * log->n < oldcap)
		return;
	log->cap = 2 * oldcap + 1024;
	log->v = calloc(log->cap, sizeof(*log->v));
	ASSERT(log->v != NULL);
	for (k = 0; k < oldcap; k++) {
		if (old[k].id == 0)
			continue;
		i = place(log, old[k].id);
		while (log->v[i].id != 0)
			i = (i + 1) % log->cap;
		log->v[i] = old[k];
	}
	free(old);
}

struct known *
chk_log_at(struct chk_log *log, uint64_t id)
{
	size_t at;

	grow(log);
	for (at = place(log, id); log->v[at].id != 0;
	     at = (at + 1) % log->cap) {
		if (log->v[at].id == id)
			return &log->v[at];
	}
	log->v[at].id = id;
	log->n++;
	return &log->v[at];
}

void
chk_log_told(struct sim *s, struct chk_log *log, uint64_t *last,
    uint64_t client, uint64_t seq, uint64_t hash)
{
	struct known *k;

	k = chk_log_at(log, seq);
	if (k->hash == 0)
		k->hash = hash;
	if (k->hash != hash || *last >= seq)
		sim_fail(s, INV_SERVICE_ORDER,
		    "%s: client %llu is told of position %llu %s", log->name,
		    (unsigned long long)client, (unsigned long long)seq,
		    *last >= seq ? "after a later one" :
				   "what others were not");
	if (*last != 0) {
		k = chk_log_at(log, *last);
		if (k->next == 0)
			k->next = seq;
		if (k->next != seq)
			sim_fail(s, INV_SERVICE_ORDER,
			    "%s: client %llu is told of position %llu after "
			    "%llu, others of %llu",
			    log->name, (unsigned long long)client,
			    (unsigned long long)seq, (unsigned long long)*last,
			    (unsigned long long)k->next);
	}
	*last = seq;
}

/* Never 0, which is no hash. */
uint64_t
chk_hash(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash | 1;
}
