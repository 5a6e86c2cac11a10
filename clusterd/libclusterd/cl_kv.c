/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The replicated key-value set. */

#include <errno.h>

#include "cl.h"

static struct cl_watch *
find(struct cl *cl, uint32_t wid)
{
	struct cl_watch *wt;

	LIST_FOREACH(wt, &cl->watches, entry) {
		if (wt->wid == wid)
			return wt;
	}
	return NULL;
}

static void
watch_free(struct cl_watch *wt)
{
	LIST_REMOVE(wt, entry);
	free(wt);
}

void
cl_kv_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->watches))
		watch_free(LIST_FIRST(&cl->watches));
}

static int
change(struct cl *cl, uint32_t type, const char *key, unsigned flags,
    uint64_t version, const void *data, size_t len, cl_kv_fn fn, void *arg)
{
	struct wbuf w;

	if (key[0] == '\0' || strlen(key) > CL_KEY_MAX)
		return EINVAL;
	wbuf_init(&w, CL_VALUE_MAX + 512);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_u64(&w, version);
	wbuf_str(&w, key);
	if (type == M_KV_PUT)
		wbuf_blob(&w, data, len);
	return cl_ask_kv(cl, type, &w, fn, arg);
}

int
cl_kv_put(struct cl *cl, const char *key, const void *data, size_t len,
    unsigned flags, uint64_t version, cl_kv_fn fn, void *arg)
{
	if ((flags & ~(CL_KV_IF | CL_KV_EPHEMERAL)) != 0)
		return EINVAL;
	if (len > CL_VALUE_MAX)
		return EMSGSIZE;
	return change(cl, M_KV_PUT, key, flags, version, data, len, fn, arg);
}

int
cl_kv_delete(struct cl *cl, const char *key, unsigned flags, uint64_t version,
    cl_kv_fn fn, void *arg)
{
	if ((flags & ~CL_KV_IF) != 0)
		return EINVAL;
	return change(cl, M_KV_DELETE, key, flags, version, NULL, 0, fn, arg);
}

int
cl_kv_get(struct cl *cl, const char *key, unsigned flags, cl_kv_fn fn,
    void *arg)
{
	struct wbuf w;

	if (key[0] == '\0' || strlen(key) > CL_KEY_MAX ||
	    (flags & ~CL_KV_LOCAL) != 0)
		return EINVAL;
	wbuf_init(&w, 256);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, key);
	return cl_ask_kv(cl, M_KV_GET, &w, fn, arg);
}

int
cl_kv_watch(struct cl *cl, const char *prefix, unsigned flags,
    const struct cl_kv_ops *ops, void *arg, struct cl_watch **out)
{
	struct cl_watch *wt;
	struct wbuf w;
	int error;

	*out = NULL;
	if (strlen(prefix) > CL_KEY_MAX || (flags & ~CL_KV_ONCE) != 0)
		return EINVAL;
	wt = calloc(1, sizeof(*wt));
	if (wt == NULL)
		return ENOMEM;
	wt->cl = cl;
	wt->wid = cl_new_id(cl);
	wt->once = (flags & CL_KV_ONCE) != 0;
	wt->ops = *ops;
	wt->arg = arg;
	LIST_INSERT_HEAD(&cl->watches, wt, entry);
	wbuf_init(&w, 256);
	wbuf_u32(&w, wt->wid);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, prefix);
	error = cl_send(cl, M_KV_WATCH, wt->wid, &w);
	if (error != 0) {
		watch_free(wt);
		return error;
	}
	*out = wt;
	return 0;
}

int
cl_kv_unwatch(struct cl_watch *wt)
{
	struct cl *cl = wt->cl;
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, wt->wid);
	watch_free(wt);
	return cl_send(cl, M_KV_UNWATCH, cl_new_id(cl), &w);
}

void
cl_kv_get_entry(struct rbuf *r, struct cl_kv_entry *e, char *key)
{
	e->version = rbuf_u64(r);
	e->node = rbuf_u16(r);
	e->client = rbuf_u64(r);
	rbuf_str(r, key, CL_KEY_MAX + 1);
	e->key = key;
	e->data = rbuf_blob(r, &e->len, CL_VALUE_MAX);
}

static void
told(struct cl_watch *wt, struct rbuf *r)
{
	char key[CL_KEY_MAX + 1];
	unsigned what = rbuf_u8(r);
	struct cl_kv_entry e;

	cl_kv_get_entry(r, &e, key);
	if (!rbuf_done(r))
		return;
	if (what == KV_IS && wt->ops.is != NULL)
		wt->ops.is(wt->arg, &e);
	else if (what == KV_WAS && wt->ops.was != NULL)
		wt->ops.was(wt->arg, &e);
}

static void
ready(struct cl_watch *wt)
{
	void (*fn)(void *) = wt->ops.ready;
	void *arg = wt->arg;

	if (wt->once)
		watch_free(wt);
	if (fn != NULL)
		fn(arg);
}

static bool
refused(struct cl *cl, const struct msg *m)
{
	struct cl_watch *wt = find(cl, m->id);
	struct cl_kv_ops ops;
	char why[512];
	void *arg;
	int error;

	if (wt == NULL)
		return false;
	error = cl_result(m, why, sizeof(why));
	if (error == 0 || error == EPROTO)
		return true;
	ops = wt->ops;
	arg = wt->arg;
	watch_free(wt);
	if (ops.failed != NULL)
		ops.failed(arg, error, why);
	return true;
}

bool
cl_kv_message(struct cl *cl, const struct msg *m)
{
	struct cl_watch *wt;
	struct rbuf r;

	if (m->type == M_RESULT)
		return refused(cl, m);
	if (m->type != M_KV_ENTRY && m->type != M_KV_READY)
		return false;
	rbuf_init(&r, m->data, m->len);
	wt = find(cl, rbuf_u32(&r));
	if (r.err || wt == NULL)
		return true;
	if (m->type == M_KV_ENTRY)
		told(wt, &r);
	else if (rbuf_done(&r))
		ready(wt);
	return true;
}
