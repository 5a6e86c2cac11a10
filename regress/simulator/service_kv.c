/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The key-value set: every client watches all keys, puts, deletes, and
 * replaces values on the condition that they are still what it knows.
 *
 * INV_KV	a version is replaced on its condition at most once, and not
 *	after a later one was told.
 * INV_LIVE_SERVICES  at rest all know the same versions, and nothing that
 *	goes with a program is there without it.
 */

#include <errno.h>

#include "service.h"

void
kv_start(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	wbuf_init(&w, 64);
	wbuf_u32(&w, 1);
	wbuf_u8(&w, 0);
	wbuf_str(&w, "key");
	client_tell(s, node, c, M_KV_WATCH, service_id(c->svc), &w);
}

void
kv_change(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	unsigned k = (unsigned)rng_below(&s->crng, SIM_KEYS), flags = 0;
	bool deletes = rng_below(&s->crng, 4) == 0;
	uint64_t at = v->kv_version[k];
	struct wbuf w, d;
	char key[8];

	if (rng_below(&s->crng, 2) == 0)
		flags |= KV_IF;
	/* Sometimes what it knew before, which must not succeed any more. */
	if (v->kv_before[k] != 0 && rng_below(&s->crng, 3) == 0)
		at = v->kv_before[k];
	if (!deletes && rng_below(&s->crng, 3) == 0)
		flags |= KV_EPHEMERAL;
	snprintf(key, sizeof(key), "key%u", k);
	wbuf_init(&w, 128);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_u64(&w, at);
	wbuf_str(&w, key);
	if (!deletes) {
		/* What it replaces, on which condition. */
		wbuf_init(&d, 32);
		wbuf_u64(&d, (flags & KV_IF) != 0 ? at : 0);
		wbuf_u64(&d, c->id);
		wbuf_blob(&w, d.data, d.len);
		wbuf_free(&d);
	}
	v->kv_id = service_ask(v);
	v->kv_stale = (flags & KV_IF) != 0 && at != 0 && at == v->kv_before[k];
	client_tell(s, node, c, deletes ? M_KV_DELETE : M_KV_PUT, v->kv_id, &w);
}

static void
take(struct sim *s, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	unsigned what = rbuf_u8(r), k;
	uint64_t version = rbuf_u64(r), owner, replaced;
	const uint8_t *data;
	struct rbuf d;
	char key[16];
	size_t len;

	(void)rbuf_u16(r);
	owner = rbuf_u64(r);
	rbuf_str(r, key, sizeof(key));
	data = rbuf_blob(r, &len, 64);
	k = (unsigned)key[3] - '0';
	rbuf_init(&d, data, data == NULL ? 0 : len);
	replaced = rbuf_u64(&d);
	if (!rbuf_done(r) || k >= SIM_KEYS || d.err)
		sim_fail(s, INV_KV, "client %llu: a strange entry",
		    (unsigned long long)c->id);
	if (what == KV_WAS) {
		if (v->kv_version[k] != version)
			sim_fail(s, INV_KV,
			    "client %llu: version %llu of %s is deleted, but "
			    "it has been told %llu",
			    (unsigned long long)c->id,
			    (unsigned long long)version, key,
			    (unsigned long long)v->kv_version[k]);
		v->kv_version[k] = v->kv_owner[k] = 0;
		return;
	}
	v->kv_before[k] = v->kv_version[k];
	v->kv_version[k] = version;
	v->kv_owner[k] = owner;
	if (replaced != 0 && v->kv_ready)
		service_claim(v, CLAIM_WON, replaced, version);
	if (v->kv_ready)
		service_claim(v, CLAIM_KV, version,
		    chk_hash(chk_hash(k + 1, data, len), &owner,
			sizeof(owner)));
}

void
kv_message(struct sim *s, struct sim_client *c, const struct action *a)
{
	uint32_t first;
	struct rbuf r;

	rbuf_init(&r, a->data, a->len);
	first = rbuf_u32(&r);
	if (a->msgtype == M_KV_ENTRY) {
		take(s, c, &r);
	} else if (a->msgtype == M_KV_READY) {
		c->svc->kv_ready = true;
	} else {
		if ((first != 0 && first != ESTALE && first != ENOENT) ||
		    c->svc->asked == 0 ||
		    (first == 0 && a->msgid == c->svc->kv_id &&
			c->svc->kv_stale))
			sim_fail(s, INV_KV,
			    "client %llu: request %u ends with %u",
			    (unsigned long long)c->id, a->msgid, first);
		c->svc->asked--;
	}
}

void
kv_check_won(struct sim *s, const struct claim *cm)
{
	struct known *won = chk_log_at(&s->chk_service->won, cm->id);

	if (won->hash == 0)
		won->hash = cm->hash;
	if (won->hash != cm->hash)
		sim_fail(s, INV_KV,
		    "version %llu is replaced by %llu and by %llu",
		    (unsigned long long)cm->id, (unsigned long long)won->hash,
		    (unsigned long long)cm->hash);
}

static bool
runs(const struct sim *s, uint64_t client)
{
	unsigned i, k;

	for (i = 0; i < s->n; i++) {
		for (k = 0; k < SIM_CLIENTS; k++) {
			if (s->nodes[i].clients[k].open &&
			    s->nodes[i].clients[k].id == client)
				return true;
		}
	}
	return false;
}

bool
kv_rest(struct sim *s, const struct sim_client *c, const struct sim_client *o,
    bool over)
{
	const struct sim_service *v = c->svc, *ov = o->svc;
	unsigned i;

	for (i = 0; i < SIM_KEYS && v->kv_ready && ov->kv_ready; i++) {
		if (v->kv_version[i] != ov->kv_version[i] ||
		    (v->kv_owner[i] != 0 && !runs(s, v->kv_owner[i])))
			break;
	}
	if (i == SIM_KEYS)
		return true;
	if (over)
		sim_fail(s, INV_LIVE_SERVICES,
		    "client %llu is not at one with client %llu on key%u, or "
		    "its owner %llu is dead",
		    (unsigned long long)c->id, (unsigned long long)o->id, i,
		    (unsigned long long)v->kv_owner[i]);
	return false;
}
