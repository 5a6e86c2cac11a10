/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What services on the total order have in common: a client's request
 * becomes an ordered message that carries the client and the number of its
 * request, and is answered by the node it came from when it has come back.
 * What one client has under way is bounded.
 */

#ifndef CORE_SVC_H
#define CORE_SVC_H

#include "member.h"

#define SVC_CLIENT_BYTES (256 * 1024)	/* of one client and one service */
#define SVC_MSG_MAX	 49152		/* bytes of one ordered request */

/* Error numbers of the local protocol; they are Linux's own. */
enum svc_error {
	SVC_NOENT = 2,
	SVC_AGAIN = 11,
	SVC_BUSY = 16,
	SVC_EXIST = 17,
	SVC_INVAL = 22,
	SVC_NOSPC = 28,
	SVC_MSGSIZE = 90,
	SVC_NOTCONN = 107,
	SVC_REFUSED = 111,
	SVC_STALE = 116,
	SVC_CANCELED = 125
};

/* A client of some node. */
struct svc_client {
	uint16_t	 node;
	uint64_t	 inc;
	uint64_t	 client;
};

/* Who sent an ordered message. */
struct svc_from {
	struct svc_client who;
	unsigned	 type;
	uint32_t	 msgid;		/* of its request */
	uint64_t	 seq;		/* position in the order */
	bool		 here;		/* its client is ours */
};

struct quota;
RB_HEAD(quota_tree, quota);

/* Embedded in a module. */
struct svc {
	enum service	 id;
	uint16_t	 self;
	uint64_t	 inc;
	bool		 has_state;	/* ordered messages count for us */
	struct quota_tree quotas;
};

void	 svc_init(struct svc *, enum service, uint16_t self, uint64_t inc);
void	 svc_free(struct svc *);
/* The head of an ordered message on behalf of a client; w is set up. */
void	 svc_put(struct wbuf *w, unsigned type, uint64_t client,
	    uint32_t msgid);
/*
 * Orders what the request became, and frees w.  False: the client has too
 * much under way, and was told so.
 */
bool	 svc_order(struct svc *, const struct note *request, struct wbuf *w,
	    struct bus *);
/* Orders a message of our own about a client, without a limit. */
void	 svc_say(struct svc *, struct wbuf *w, struct bus *);
/*
 * Begins an ordered message; the rest is in r.  False: it does not count
 * here, because we have no state yet, or it is malformed.
 */
bool	 svc_take(struct svc *, const struct note *, struct rbuf *r,
	    struct svc_from *);
/* M_RESULT, if the request came from here. */
void	 svc_answer(const struct svc_from *, struct bus *, int error,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* A request that is refused before it is ordered. */
void	 svc_refuse(const struct note *request, struct bus *, int error,
	    const char *text);
/* The client has gone.  True when it has ever ordered anything. */
bool	 svc_gone(struct svc *, uint64_t client);
/* NOTE_VIEW: do we have state?  True when that begins with this view. */
bool	 svc_view(struct svc *, const struct view *);
/* NOTE_SNAP with w, which is freed. */
void	 svc_snapshot(const struct svc *, struct wbuf *w, struct bus *);
bool	 svc_same(const struct svc_client *, const struct svc_client *);
void	 svc_put_client(struct wbuf *, const struct svc_client *);
void	 svc_get_client(struct rbuf *, struct svc_client *);
void	 svc_check(const struct svc *);

#endif /* CORE_SVC_H */
