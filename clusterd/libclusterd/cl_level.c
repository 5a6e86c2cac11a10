/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Recovery levels, and barriers. */

#include <errno.h>

#include "cl.h"

static struct cl_level *
find(struct cl *cl, uint32_t lid)
{
	struct cl_level *l;

	LIST_FOREACH(l, &cl->levels, entry) {
		if (l->lid == lid)
			return l;
	}
	return NULL;
}

static void
level_free(struct cl_level *l)
{
	LIST_REMOVE(l, entry);
	free(l);
}

void
cl_level_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->levels))
		level_free(LIST_FIRST(&cl->levels));
}

int
cl_level_register(struct cl *cl, unsigned level, const char *name,
    const struct cl_level_ops *ops, void *arg, struct cl_level **out)
{
	struct cl_level *l;
	struct wbuf w;
	int error;

	*out = NULL;
	if (level > CL_LEVEL_MAX || strlen(name) > 32)
		return EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ENOMEM;
	l->cl = cl;
	l->lid = cl_new_id(cl);
	l->ops = *ops;
	l->arg = arg;
	LIST_INSERT_HEAD(&cl->levels, l, entry);
	wbuf_init(&w, 256);
	wbuf_u32(&w, l->lid);
	wbuf_u8(&w, (uint8_t)level);
	wbuf_str(&w, name);
	error = cl_send(cl, M_LEVEL_REGISTER, l->lid, &w);
	if (error != 0) {
		level_free(l);
		return error;
	}
	*out = l;
	return 0;
}

int
cl_level_done(struct cl_level *l, uint64_t round)
{
	struct wbuf w;
	int error;

	if (round != l->round)
		return ESTALE;
	if (l->step == 0)
		return EINVAL;
	wbuf_init(&w, 32);
	wbuf_u32(&w, l->lid);
	wbuf_u64(&w, l->round);
	wbuf_u8(&w, (uint8_t)l->step);
	error = cl_send(l->cl, M_LEVEL_DONE, cl_new_id(l->cl), &w);
	if (error == 0)
		l->step = 0;
	return error;
}

int
cl_level_unregister(struct cl_level *l)
{
	struct cl *cl = l->cl;
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, l->lid);
	level_free(l);
	return cl_send(cl, M_LEVEL_UNREGISTER, cl_new_id(cl), &w);
}

int
cl_barrier_enter(struct cl *cl, const char *name, unsigned parties,
    cl_done_fn done, void *arg)
{
	struct wbuf w;

	if (name[0] == '\0' || strlen(name) > CL_NAME_MAX || parties == 0 ||
	    parties > CL_PARTIES_MAX)
		return EINVAL;
	wbuf_init(&w, 256);
	wbuf_u16(&w, (uint16_t)parties);
	wbuf_str(&w, name);
	return cl_ask(cl, M_BARRIER_ENTER, &w, done, arg);
}

int
cl_barrier_leave(struct cl *cl, const char *name)
{
	struct wbuf w;

	if (name[0] == '\0' || strlen(name) > CL_NAME_MAX)
		return EINVAL;
	wbuf_init(&w, 256);
	wbuf_str(&w, name);
	return cl_send(cl, M_BARRIER_LEAVE, cl_new_id(cl), &w);
}

static void
told(struct cl_level *l, struct rbuf *r)
{
	unsigned step = rbuf_u8(r);
	uint64_t round = rbuf_u64(r);
	void (*fn)(void *, uint64_t);

	if (!rbuf_done(r) || step < LEVEL_STOP || step > LEVEL_FINISH)
		return;
	l->round = round;
	l->owed = false;
	l->step = step == LEVEL_FINISH ? 0 : step;
	fn = step == LEVEL_STOP ? l->ops.stop :
	    step == LEVEL_START ? l->ops.start :
				  l->ops.finish;
	if (fn != NULL)
		fn(l->arg, round);
	else if (step != LEVEL_FINISH)
		l->owed = cl_level_done(l, round) == EAGAIN;
}

void
cl_level_go_on(struct cl *cl)
{
	struct cl_level *l;

	LIST_FOREACH(l, &cl->levels, entry)
		if (l->owed)
			l->owed = cl_level_done(l, l->round) == EAGAIN;
}

static bool
refused(struct cl *cl, const struct msg *m)
{
	struct cl_level *l = find(cl, m->id);
	struct cl_level_ops ops;
	char why[512];
	void *arg;
	int error;

	if (l == NULL)
		return false;
	error = cl_result(m, why, sizeof(why));
	if (error == 0 || error == EPROTO)
		return true;
	ops = l->ops;
	arg = l->arg;
	level_free(l);
	if (ops.failed != NULL)
		ops.failed(arg, error, why);
	return true;
}

bool
cl_level_message(struct cl *cl, const struct msg *m)
{
	struct cl_level *l;
	struct rbuf r;

	if (m->type == M_RESULT)
		return refused(cl, m);
	if (m->type != M_LEVEL)
		return false;
	rbuf_init(&r, m->data, m->len);
	l = find(cl, rbuf_u32(&r));
	if (!r.err && l != NULL)
		told(l, &r);
	return true;
}
