/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of evchan.h: for evchan*.c only. */

#ifndef CORE_EVCHAN_INTERNAL_H
#define CORE_EVCHAN_INTERNAL_H

#include "../proto.h"
#include "evchan.h"

/* Ordered messages of SVC_EVENT, after their head (svc.h). */
enum ev_msg {
	EM_PUBLISH = 1	/* u8 flags (EVENT_*); str channel; str topic; blob */
};

/* The last event of a topic. */
struct retained {
	RB_ENTRY(retained)	 entry;
	char			 topic[EV_TOPIC_MAX + 1];
	uint64_t		 seq;
	uint16_t		 node;	/* who published it */
	uint64_t		 client;
	size_t			 len;
	uint8_t			*data;	/* owned */
};

RB_HEAD(evtopic_tree, retained);

struct subscription {
	TAILQ_ENTRY(subscription) entry;
	uint64_t		 client;
	uint32_t		 sid;	/* the client's number of it */
	bool			 exact;
	bool			 news;	/* wants no retained events */
	bool			 ready;	/* has been given those there were */
	char			 prefix[EV_TOPIC_MAX + 1];
};

TAILQ_HEAD(subscription_list, subscription);

/* Exists while it retains an event or somebody here subscribes. */
struct channel {
	RB_ENTRY(channel)	 entry;
	char			 name[EV_NAME_MAX + 1];
	struct evtopic_tree	 topics;
	unsigned		 ntopics;
	size_t			 bytes;
	struct subscription_list subs;
	unsigned		 nsubs;
	uint64_t		 events;
};

RB_HEAD(evchan_tree, channel);

struct evchan {
	struct svc		 svc;
	struct evchan_tree	 channels;
	unsigned		 nretaining;	/* channels with topics */
	unsigned		 ntopics;
	size_t			 bytes;
};

int	 evchan_cmp(const struct channel *, const struct channel *);
int	 evtopic_cmp(const struct retained *, const struct retained *);
RB_PROTOTYPE(evchan_tree, channel, entry, evchan_cmp)
RB_PROTOTYPE(evtopic_tree, retained, entry, evtopic_cmp)

/* evchan.c */
/* The channel; a new one if create, or NULL. */
struct channel *evchan_channel(struct evchan *, const char *name, bool create);
/* Frees it if it is of no use any more. */
void	 evchan_release(struct evchan *, struct channel *);

/* evchan_client.c */
void	 evchan_request(struct evchan *, const struct note *, struct bus *);
void	 evchan_client_gone(struct evchan *, uint64_t client);
/* To the subscribers of ours whom it concerns. */
void	 evchan_tell(struct channel *, const struct retained *,
	    struct bus *);
/* The state is here: who subscribed before is given what is retained. */
void	 evchan_catch_up(struct evchan *, struct bus *);

/* evchan_keep.c: what is retained, and the snapshot of it */
/* 0, or why it can not be kept: the same everywhere. */
int	 evchan_keep(struct evchan *, const char *channel, struct retained *);
void	 evchan_snap_put(const struct evchan *, struct wbuf *);
/* Replaces what is retained; false: malformed. */
bool	 evchan_snap_get(struct evchan *, struct rbuf *);
void	 evchan_forget(struct evchan *, struct channel *);

#endif /* CORE_EVCHAN_INTERNAL_H */
