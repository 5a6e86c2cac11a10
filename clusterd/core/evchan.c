/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Event channels.  A publication goes through the total order and is told to
 * the local subscribers where it comes back; so all subscribers on all nodes
 * see the events of a channel in one order.  What is retained changes in the
 * order alone, and is part of the snapshot for nodes that join.
 * Subscriptions are known to their own node only.
 *
 * Invariants:
 *   E1  what is retained is the same on all nodes with state at the same
 *       position, and within EV_CHANNELS_MAX, EV_TOPICS_MAX, EV_BYTES_MAX;
 *   E2  a subscriber is first given what is retained, as of one position,
 *       and then each event after that position that it wants, once;
 *   E3  a channel exists only while it retains something or has a subscriber.
 *
 * clusterd-protocol(7), section 8.5.
 */

#include "evchan_internal.h"

int
evchan_cmp(const struct channel *a, const struct channel *b)
{
	return strcmp(a->name, b->name);
}

RB_GENERATE(evchan_tree, channel, entry, evchan_cmp)

struct evchan *
evchan_new(uint16_t self, uint64_t inc)
{
	struct evchan *ec = calloc(1, sizeof(*ec));

	if (ec == NULL)
		return NULL;
	svc_init(&ec->svc, SVC_EVENT, self, inc);
	RB_INIT(&ec->channels);
	return ec;
}

struct channel *
evchan_channel(struct evchan *ec, const char *name, bool create)
{
	struct channel key, *c;

	strlcpy(key.name, name, sizeof(key.name));
	c = RB_FIND(evchan_tree, &ec->channels, &key);
	if (c != NULL || !create)
		return c;
	c = calloc(1, sizeof(*c));
	ASSERT(c != NULL);
	strlcpy(c->name, name, sizeof(c->name));
	RB_INIT(&c->topics);
	TAILQ_INIT(&c->subs);
	RB_INSERT(evchan_tree, &ec->channels, c);
	return c;
}

void
evchan_release(struct evchan *ec, struct channel *c)
{
	if (c->ntopics > 0 || c->nsubs > 0)
		return;
	RB_REMOVE(evchan_tree, &ec->channels, c);
	free(c);
}

void
evchan_free(struct evchan *ec)
{
	struct subscription *s;
	struct channel *c;

	if (ec == NULL)
		return;
	while ((c = RB_ROOT(&ec->channels)) != NULL) {
		while ((s = TAILQ_FIRST(&c->subs)) != NULL) {
			TAILQ_REMOVE(&c->subs, s, entry);
			free(s);
		}
		c->nsubs = 0;
		evchan_forget(ec, c);
		evchan_release(ec, c);
	}
	svc_free(&ec->svc);
	free(ec);
}

static void
publish(struct evchan *ec, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	struct retained ev = { .seq = from->seq,
		.node = from->who.node,
		.client = from->who.client };
	char name[EV_NAME_MAX + 1];
	unsigned flags = rbuf_u8(r);
	struct channel *c;
	int error = 0;

	rbuf_str(r, name, sizeof(name));
	rbuf_str(r, ev.topic, sizeof(ev.topic));
	/* Nothing of it is written to; the copy that is kept is another. */
	ev.data = (uint8_t *)(uintptr_t)rbuf_blob(r, &ev.len, EV_DATA_MAX);
	if (!rbuf_done(r))
		return;
	if ((flags & EVENT_RETAIN) != 0)
		error = evchan_keep(ec, name, &ev);
	if (error != 0) {
		svc_answer(from, bus, error,
		    "channel %s: no room to retain another event", name);
		return;
	}
	c = evchan_channel(ec, name, false);
	if (c != NULL) {
		c->events++;
		evchan_tell(c, &ev, bus);
	}
	svc_answer(from, bus, 0, "%s", "");
}

static void
ordered(struct evchan *ec, const struct note *note, struct bus *bus)
{
	struct svc_from from;
	struct rbuf r;

	if (svc_take(&ec->svc, note, &r, &from) && from.type == EM_PUBLISH)
		publish(ec, &from, &r, bus);
}

static void
load(struct evchan *ec, const struct note *note, struct bus *bus)
{
	static const char why[] = "the events sent to it are torn";
	struct rbuf r;

	rbuf_init(&r, note->data, note->len);
	/* A leader that knows no channels sends nothing. */
	if (note->len > 0 && !evchan_snap_get(ec, &r)) {
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	ec->svc.has_state = true;
	evchan_catch_up(ec, bus);
}

void
evchan_note(struct evchan *ec, const struct note *note, struct bus *bus)
{
	struct wbuf w;

	switch (note->type) {
	case NOTE_VIEW:
		if (svc_view(&ec->svc, note->ref))
			evchan_catch_up(ec, bus);
		break;
	case NOTE_ORDERED:
		ordered(ec, note, bus);
		break;
	case NOTE_SNAP_WANT:
		wbuf_init(&w, 2 * EV_BYTES_MAX);
		evchan_snap_put(ec, &w);
		svc_snapshot(&ec->svc, &w, bus);
		break;
	case NOTE_SNAP_LOAD:
		load(ec, note, bus);
		break;
	case NOTE_REQUEST:
		evchan_request(ec, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		(void)svc_gone(&ec->svc, note->client);
		evchan_client_gone(ec, note->client);
		break;
	default:
		break;
	}
}

void
evchan_check(const struct evchan *ec)
{
	struct evchan *w = (struct evchan *)(uintptr_t)ec;
	unsigned topics = 0, retaining = 0;
	struct channel *c;
	size_t bytes = 0;

	svc_check(&ec->svc);
	RB_FOREACH(c, evchan_tree, &w->channels) {
		ASSERT(c->ntopics > 0 || c->nsubs > 0); /* E3 */
		topics += c->ntopics;
		bytes += c->bytes;
		retaining += c->ntopics > 0;
	}
	ASSERT(topics == ec->ntopics && topics <= EV_TOPICS_MAX); /* E1 */
	ASSERT(bytes == ec->bytes && bytes <= EV_BYTES_MAX);	  /* E1 */
	ASSERT(retaining == ec->nretaining &&
	    retaining <= EV_CHANNELS_MAX); /* E1 */
}

bool
evchan_info(const struct evchan *ec, unsigned i, struct evchan_info *info)
{
	struct evchan *w = (struct evchan *)(uintptr_t)ec;
	struct channel *c;

	RB_FOREACH(c, evchan_tree, &w->channels) {
		if (i-- > 0)
			continue;
		memset(info, 0, sizeof(*info));
		strlcpy(info->name, c->name, sizeof(info->name));
		info->topics = c->ntopics;
		info->bytes = c->bytes;
		info->subscribers = c->nsubs;
		info->events = c->events;
		return true;
	}
	return false;
}
