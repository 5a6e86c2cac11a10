/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Event channels: publish and subscribe. */

#include <errno.h>

#include "cl.h"

static struct cl_subscription *
find(struct cl *cl, uint32_t sid)
{
	struct cl_subscription *s;

	LIST_FOREACH(s, &cl->subscriptions, entry) {
		if (s->sid == sid)
			return s;
	}
	return NULL;
}

static void
subscription_free(struct cl_subscription *s)
{
	LIST_REMOVE(s, entry);
	free(s);
}

void
cl_event_free_all(struct cl *cl)
{
	while (!LIST_EMPTY(&cl->subscriptions))
		subscription_free(LIST_FIRST(&cl->subscriptions));
}

int
cl_event_subscribe(struct cl *cl, const char *channel, const char *prefix,
    unsigned flags, const struct cl_event_ops *ops, void *arg,
    struct cl_subscription **out)
{
	struct cl_subscription *s;
	struct wbuf w;
	int error;

	*out = NULL;
	if (channel[0] == '\0' || strlen(channel) > CL_NAME_MAX ||
	    strlen(prefix) > CL_TOPIC_MAX ||
	    (flags & ~(CL_EVENT_EXACT | CL_EVENT_NEWS)) != 0)
		return EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ENOMEM;
	s->cl = cl;
	s->sid = cl_new_id(cl);
	s->ops = *ops;
	s->arg = arg;
	LIST_INSERT_HEAD(&cl->subscriptions, s, entry);
	wbuf_init(&w, 512);
	wbuf_u32(&w, s->sid);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, channel);
	wbuf_str(&w, prefix);
	error = cl_send(cl, M_EVENT_SUBSCRIBE, s->sid, &w);
	if (error != 0) {
		subscription_free(s);
		return error;
	}
	*out = s;
	return 0;
}

int
cl_event_unsubscribe(struct cl_subscription *s)
{
	struct cl *cl = s->cl;
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, s->sid);
	/* Not its own number: an answer to this concerns nobody any more. */
	subscription_free(s);
	return cl_send(cl, M_EVENT_UNSUBSCRIBE, cl_new_id(cl), &w);
}

int
cl_event_publish(struct cl *cl, const char *channel, const char *topic,
    unsigned flags, const void *data, size_t len, cl_done_fn done, void *arg)
{
	struct wbuf w;

	if (channel[0] == '\0' || strlen(channel) > CL_NAME_MAX ||
	    strlen(topic) > CL_TOPIC_MAX || (flags & ~CL_EVENT_RETAIN) != 0)
		return EINVAL;
	if (len > CL_EVENT_MAX)
		return EMSGSIZE;
	wbuf_init(&w, CL_EVENT_MAX + 512);
	wbuf_u8(&w, (uint8_t)flags);
	wbuf_str(&w, channel);
	wbuf_str(&w, topic);
	wbuf_blob(&w, data, len);
	return cl_ask(cl, M_EVENT_PUBLISH, &w, done, arg);
}

static void
deliver(struct cl_subscription *s, struct rbuf *r)
{
	struct cl_event ev = { .position = rbuf_u64(r) };
	char topic[CL_TOPIC_MAX + 1];

	ev.node = rbuf_u16(r);
	ev.client = rbuf_u64(r);
	ev.retained = (rbuf_u8(r) & EVENT_RETAIN) != 0;
	rbuf_str(r, topic, sizeof(topic));
	ev.topic = topic;
	ev.data = rbuf_blob(r, &ev.len, CL_EVENT_MAX);
	if (rbuf_done(r) && s->ops.event != NULL)
		s->ops.event(s->arg, &ev);
}

static bool
refused(struct cl *cl, const struct msg *m)
{
	struct cl_subscription *s = find(cl, m->id);
	struct cl_event_ops ops;
	char why[512];
	void *arg;
	int error;

	if (s == NULL)
		return false;
	error = cl_result(m, why, sizeof(why));
	if (error == 0 || error == EPROTO)
		return true;
	ops = s->ops;
	arg = s->arg;
	subscription_free(s);
	if (ops.failed != NULL)
		ops.failed(arg, error, why);
	return true;
}

bool
cl_event_message(struct cl *cl, const struct msg *m)
{
	struct cl_subscription *s;
	struct rbuf r;

	if (m->type == M_RESULT)
		return refused(cl, m);
	if (m->type != M_EVENT && m->type != M_EVENT_READY)
		return false;
	rbuf_init(&r, m->data, m->len);
	s = find(cl, rbuf_u32(&r));
	if (r.err || s == NULL)
		return true;
	if (m->type == M_EVENT)
		deliver(s, &r);
	else if (rbuf_done(&r) && s->ops.ready != NULL)
		s->ops.ready(s->arg);
	return true;
}
