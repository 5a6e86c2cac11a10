/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What channels retain: one event of each topic, the last one.  An empty one
 * clears its topic.
 *
 * clusterd-protocol(7), section 8.5.
 */

#include "evchan_internal.h"

int
evtopic_cmp(const struct retained *a, const struct retained *b)
{
	return strcmp(a->topic, b->topic);
}

RB_GENERATE(evtopic_tree, retained, entry, evtopic_cmp)

static size_t
cost(const char *topic, size_t len)
{
	return strlen(topic) + len + EV_OVERHEAD;
}

static void
drop(struct evchan *ec, struct channel *c, struct retained *rt)
{
	size_t bytes = cost(rt->topic, rt->len);

	RB_REMOVE(evtopic_tree, &c->topics, rt);
	c->ntopics--;
	ec->ntopics--;
	c->bytes -= bytes;
	ec->bytes -= bytes;
	ec->nretaining -= c->ntopics == 0;
	free(rt->data);
	free(rt);
}

void
evchan_forget(struct evchan *ec, struct channel *c)
{
	struct retained *rt;

	while ((rt = RB_ROOT(&c->topics)) != NULL)
		drop(ec, c, rt);
}

static void
add(struct evchan *ec, struct channel *c, const struct retained *ev)
{
	struct retained *rt = calloc(1, sizeof(*rt));
	size_t bytes = cost(ev->topic, ev->len);

	ASSERT(rt != NULL);
	*rt = *ev;
	rt->data = malloc(ev->len);
	ASSERT(rt->data != NULL);
	memcpy(rt->data, ev->data, ev->len);
	RB_INSERT(evtopic_tree, &c->topics, rt);
	ec->nretaining += c->ntopics == 0;
	c->ntopics++;
	ec->ntopics++;
	c->bytes += bytes;
	ec->bytes += bytes;
}

static bool
fits(const struct evchan *ec, const struct channel *c,
    const struct retained *old, const struct retained *ev)
{
	size_t freed = old == NULL ? 0 : cost(old->topic, old->len);

	if (ec->bytes - freed + cost(ev->topic, ev->len) > EV_BYTES_MAX)
		return false;
	if (old == NULL && ec->ntopics == EV_TOPICS_MAX)
		return false;
	return (c != NULL && c->ntopics > 0) ||
	    ec->nretaining < EV_CHANNELS_MAX;
}

int
evchan_keep(struct evchan *ec, const char *channel, struct retained *ev)
{
	struct channel *c = evchan_channel(ec, channel, false);
	struct retained *old = NULL;

	if (c != NULL)
		old = RB_FIND(evtopic_tree, &c->topics, ev);
	if (ev->len == 0) {
#if MUTANT != 903
		if (old != NULL)
			drop(ec, c, old);
#endif
		/* The caller still tells the subscribers, if there are any. */
		if (c != NULL)
			evchan_release(ec, c);
		return 0;
	}
	if (!fits(ec, c, old, ev))
		return SVC_NOSPC;
	if (old != NULL)
		drop(ec, c, old);
	add(ec, evchan_channel(ec, channel, true), ev);
	return 0;
}

void
evchan_snap_put(const struct evchan *ec, struct wbuf *w)
{
	struct evchan *ew = (struct evchan *)(uintptr_t)ec;
	struct retained *rt;
	struct channel *c;

	wbuf_u32(w, ec->ntopics);
	RB_FOREACH(c, evchan_tree, &ew->channels) {
		RB_FOREACH(rt, evtopic_tree, &c->topics) {
			wbuf_str(w, c->name);
			wbuf_str(w, rt->topic);
			wbuf_u64(w, rt->seq);
			wbuf_u16(w, rt->node);
			wbuf_u64(w, rt->client);
			wbuf_blob(w, rt->data, rt->len);
		}
	}
}

bool
evchan_snap_get(struct evchan *ec, struct rbuf *r)
{
	struct channel *c, *next;
	char name[EV_NAME_MAX + 1];
	struct retained ev;
	unsigned i, n;

	RB_FOREACH_SAFE(c, evchan_tree, &ec->channels, next) {
		evchan_forget(ec, c);
		evchan_release(ec, c);
	}
	n = rbuf_count(r, EV_TOPICS_MAX);
	for (i = 0; i < n && !r->err; i++) {
		memset(&ev, 0, sizeof(ev));
		rbuf_str(r, name, sizeof(name));
		rbuf_str(r, ev.topic, sizeof(ev.topic));
		ev.seq = rbuf_u64(r);
		ev.node = rbuf_u16(r);
		ev.client = rbuf_u64(r);
		ev.data =
		    (uint8_t *)(uintptr_t)rbuf_blob(r, &ev.len, EV_DATA_MAX);
		if (r->err || ev.len == 0 || evchan_keep(ec, name, &ev) != 0)
			r->err = true;
	}
	return rbuf_done(r);
}
