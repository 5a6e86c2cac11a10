/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Event channels: programs publish events under a topic, in one order for
 * all; others subscribe to the topics of a channel that begin with a prefix.
 * A channel can retain the last event of a topic, and gives it to new
 * subscribers first.
 */

#ifndef CORE_EVCHAN_H
#define CORE_EVCHAN_H

#include "svc.h"

#define EV_CHANNELS_MAX	256	/* with retained events */
#define EV_TOPICS_MAX	4096	/* retained, in all channels */
#define EV_BYTES_MAX	(512 * 1024)	/* of them, with EV_OVERHEAD each */
#define EV_OVERHEAD	64
#define EV_NAME_MAX	64	/* bytes of a channel's name */
#define EV_TOPIC_MAX	128	/* and of a topic */
#define EV_DATA_MAX	32768	/* bytes of one event */
#define EV_SUBS_MAX	64	/* subscriptions of one client */

struct evchan;

/* NULL when memory is out. */
struct evchan *evchan_new(uint16_t self, uint64_t inc);
void	 evchan_free(struct evchan *);
/* NOTE_VIEW, NOTE_ORDERED, NOTE_SNAP_WANT, NOTE_SNAP_LOAD, NOTE_REQUEST
   (M_EVENT_*), NOTE_CLIENT_GONE. */
void	 evchan_note(struct evchan *, const struct note *, struct bus *);
void	 evchan_check(const struct evchan *);

/* For SHOW rows: the i-th channel, by name, or false. */
struct evchan_info {
	char		 name[EV_NAME_MAX + 1];
	unsigned	 topics;	/* retained */
	size_t		 bytes;
	unsigned	 subscribers;	/* on this node */
	uint64_t	 events;	/* published, as seen here */
};
bool	 evchan_info(const struct evchan *, unsigned i, struct evchan_info *);

#endif /* CORE_EVCHAN_H */
