/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Shared by link*.c, and by nobody else. */

#ifndef CORE_LINK_INT_H
#define CORE_LINK_INT_H

#include "keys.h"
#include "link.h"
#include "rng.h"
#include "seal.h"
#include "stream.h"
#include "wire.h"

#define LINK_MISSED_BEATS 4	/* until a link counts as down */
#define LINK_LOSSY	655	/* in 1/65536: data may go over two links */
#define LINK_RELAY	CONF_LINKS_MAX	/* the path over a third node */
#define LINK_QUIET_US	UINT64_C(20000)	/* an answer was due by then */

/* How long a datagram may be on a path; link_mtu.c. */
struct path_mtu {
	size_t		 size;		/* proven to pass; 0: the safe one */
	bool		 doubt;		/* something got lost since */
	size_t		 probe;		/* asked about now; 0: nothing */
	uint32_t	 number;	/* of the last probe */
	unsigned	 tries;		/* of it */
	uint64_t	 next_at;	/* next search; 0: at once */
	uint64_t	 wait;		/* between the last two */
	bool		 told;		/* that it shrank */
	bool		 narrow;	/* not even the safe size passes */
};

/* One link to one peer. */
struct path {
	bool		 up;		/* heard of late */
	bool		 heard_there;	/* the peer says it hears us on it */
	unsigned	 late;		/* beats until it counts as in time again */
	uint64_t	 beat_at;	/* us; a beat in time came, or one that
					   cannot tell */
	uint64_t	 last_heard;	/* us, when it came; 0: never */
	uint64_t	 down_at;	/* unless heard until then */
	uint64_t	 lost_since;	/* us; when it went down; 0: not yet */
	uint64_t	 flaps;
	uint32_t	 sent_seq;	/* of our beats */
	uint32_t	 seen_seq;	/* newest of the peer's beats; 0: none */
	uint64_t	 echo, echo_came; /* the peer's clock, and ours as it came */
	uint64_t	 echo_read;	/* ours, as we read it */
	uint64_t	 rtt;		/* smoothed; 0: unknown */
	unsigned	 loss;		/* smoothed, in 1/65536 */
	struct path_mtu	 mtu;
};

/* An incarnation of a peer, as we know it. */
struct life {
	uint64_t	 inc;		/* 0: none */
	struct seal_gen	 keys[KEYRING_MAX];	/* derived when first needed */
	struct seal_gen	 aes_keys[KEYRING_MAX];	/* ... and as WV_ENGINE_AES */
	uint8_t		 heard_gen;	/* of its newest datagram, if any */
	struct seal_window window;
	uint64_t	 mark;		/* counter: what is not above it is old */
	uint64_t	 mark_next, mark_at;	/* the next one, our clock as it was set */
	uint32_t	 seq;		/* newest of its sessions with us */
	uint64_t	 nonce;		/* of that one, told by a good HELLO; or 0 */
	unsigned	 version;	/* the highest that both speak, and */
	uint64_t	 features;	/* what both have; of that HELLO */
	bool		 bye;		/* it left, or has ended: never again */
	uint64_t	 heard_at;	/* us; of cand */
	uint64_t	 waits_since;	/* us; it is proven, and the older one lives */
	bool		 told_twin;
	struct seal_gen	 beat_keys[KEYRING_MAX];	/* of its beat process */
	struct seal_window beat_window;
};

struct peer {
	uint16_t	 id;
	/* Proven by our nonce, and a newer one that is not proven yet. */
	struct life	 cur, cand;
	bool		 up;		/* a session with cur stands */
	bool		 greets;	/* the datagram at hand is for cand */
	bool		 was_up;	/* some session stood, ever */
	uint32_t	 seq;		/* our sessions with it, counted */
	uint64_t	 nonce;		/* of the present one, or the next */
	uint64_t	 counter;	/* last used towards this node */
	uint64_t	 holds_all;	/* this incarnation has our keys; or 0 */
	struct path	 paths[CONF_LINKS_MAX + 1];	/* last: LINK_RELAY */
	uint64_t	 beat_at;
	uint64_t	 fail_at;	/* silence until then ends the session */
	bool		 stalled;	/* only its beat process is heard */
	uint64_t	 runs_since;	/* us; it stalled before, or we did */
	uint64_t	 last_heard;	/* us, when it came */
	uint64_t	 reply_at;	/* earliest next answer to a HELLO */
	uint64_t	 answer_at;	/* ... to a beat that asks for one */
	/* For leases (lease.c).  0: none. */
	uint64_t	 vouch;		/* the view it vouched for last, and */
	uint64_t	 vouched;	/* the beat of ours that it had, our clock */
	uint64_t	 promised;	/* its beat to which we did, our clock */
	uint64_t	 gone;		/* the last life that is known to have ended */
	uint64_t	 double_until;	/* data goes over two links */
	uint64_t	 shadowed_since; /* us; it hears an older life of ours */
	bool		 told_shadow;
	/* link_relay.c */
	uint64_t	 two_way_at;	/* us; a link last worked both ways */
	uint64_t	 two_way_since;	/* us, without a break; 0: it does not */
	uint16_t	 relay;		/* who passes on for us; 0: none */
	uint64_t	 relay_at;	/* us; it last passed something on */
	uint16_t	 told_relay;	/* as events told; 0: none */
	unsigned	 relay_try;	/* index of the next one to be asked */
	uint64_t	 relay_since;	/* what it had us pass on since then */
	unsigned	 relay_count;
	struct stream	*stream;
	uint64_t	 rejects[LR_MAX];
	uint64_t	 told_at[LR_MAX];	/* last event about it; 0: never */
};

/* By index of the peer, and close together; link_due.c. */
struct due {
	uint64_t	 touched;	/* a bit for each; for those nothing holds */
	uint64_t	 quiet[CONF_NODES_MAX];
	uint64_t	 own[CONF_NODES_MAX];
	size_t		 queued[CONF_NODES_MAX];
	uint16_t	 id[CONF_NODES_MAX];
};

struct link_layer {
	const struct conf *conf;
	uint16_t	 self;
	uint64_t	 inc;
	struct keyring	 ring;
	struct seal_gen	 own[KEYRING_MAX];	/* of ours, as in the ring */
	struct seal_gen	 own_aes[KEYRING_MAX];	/* the same; unset: we cannot */
	bool		 told;		/* what others hold, by NOTE_KEYS */
	uint64_t	 old_heard;	/* us; see link_old_heard() */
	uint64_t	 cluster;	/* tag */
	uint64_t	 features;	/* that we say we have */
	unsigned	 npeers;
	struct peer	*peers;		/* in the order of the configuration */
	uint8_t		 order[CONF_LINKS_MAX];	/* links, best first */
	bool		 started, leaving;
	uint64_t	 vouch;		/* for this view, in our beats; 0: none */
	bool		 ask;		/* for an answer to them at once */
	uint64_t	 deadline;	/* as last computed */
	uint64_t	 last_step;
	uint64_t	 late, late_before;	/* largest lateness: now, before */
	uint64_t	 late_since;
	uint64_t	 gap_from, gap_to;	/* we did not run; see link_counts */
	uint64_t	 at;		/* the datagram at hand came then */
	size_t		 len;		/* and has so many bytes */
	bool		 old;		/* and was held back (L10) */
	uint64_t	 rejects[LR_MAX];	/* of anybody */
	uint64_t	 told_at[LR_MAX];
	uint64_t	 skipped;	/* frames of types that we do not know */
	struct wbuf	 plain, out;	/* the datagram being written */
	struct wbuf	 outer;		/* the same, around a relayed one */
	uint16_t	 via;		/* relayed the datagram at hand; or 0 */
	struct due	 due;
};

struct peer *link_peer(const struct link_layer *, uint16_t node);
/* Counts; says so now and then.  peer may be NULL. */
void	 link_refuse(struct link_layer *, struct peer *, enum link_reject,
	    struct bus *, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* A datagram: begin, frames into l->plain, then send it. */
void	 link_begin(struct link_layer *, const struct peer *, uint64_t echo);
void	 link_send(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);

/* Seals the plain bytes into l->out, for this link. */
void	 link_seal(struct link_layer *, struct peer *, unsigned link,
	    const struct wbuf *plain);
/* A datagram of this node, which l->via has passed on to us. */
void	 link_relayed(struct link_layer *, uint16_t from, const uint8_t *,
	    size_t len, struct bus *);

/*
 * The moment from which silence is counted, when something came at `at`: time
 * in which we did not run is left out.
 */
uint64_t link_counts(const struct link_layer *, uint64_t at);
/* The life that proved itself spoke, in the datagram at hand. */
void	 link_heard(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);
/* Says whether the engine of a peer runs whose machine is heard. */
void	 link_tell_runs(const struct peer *, bool runs, struct bus *);

/* link_due.c */
/* Something of the peer may change in this step: its stream, a deadline. */
void	 due_touch(struct link_layer *, const struct peer *);
void	 due_touch_all(struct link_layer *);
/* We did not run for so long, and silence in it is forgiven. */
void	 due_late(struct link_layer *, uint64_t us);
/* Is there a reason to look at the peer with this index? */
bool	 due_now(const struct link_layer *, unsigned i, uint64_t now);
/* All that could be sent was: notes what is due to the peers touched. */
void	 due_note(struct link_layer *);
uint64_t due_next(const struct link_layer *);
size_t	 due_queued(const struct link_layer *);
void	 due_check(const struct link_layer *);

/* link_path.c */
/* Something authentic of the peer came this way. */
void	 path_heard(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);
void	 path_beat(struct link_layer *, struct peer *, unsigned link,
	    const struct wire_beat *);
void	 path_put_beat(struct link_layer *, struct peer *, unsigned link,
	    uint64_t now);
/* Paths not heard any more go down. */
void	 path_expire(struct link_layer *, struct peer *, struct bus *);
/* The link that data goes over, and a second one for times of loss. */
unsigned path_best(const struct link_layer *, const struct peer *);
/* Silence, us, that makes a path count as down: never later than the peer. */
uint64_t path_patience(const struct link_layer *);
/*
 * Is there reason to believe that what goes over the best link gets lost: it
 * is lossy, or was silent for so long?
 */
bool	 path_doubtful(const struct link_layer *, const struct peer *,
	    uint64_t now, uint64_t silence);
int	 path_second(const struct link_layer *, const struct peer *);

/* link_keys.c */
/*
 * The key that this life of a peer seals with in this generation, in one of
 * its keys; NULL: we have no cluster key of it.
 */
const struct seal_key *ring_key(const struct link_layer *, struct seal_gen *,
	    enum seal_use, uint16_t node, uint64_t inc, uint8_t gen);
/* Which of ours the peer can open, spoken to as this life of it. */
const struct seal_gen *ring_towards(const struct link_layer *,
	    const struct peer *);
/* A datagram of this life of the peer proved authentic. */
void	 ring_heard(struct link_layer *, const struct peer *, struct life *,
	    const struct wire_header *, uint64_t now);
/* Refuses what did not open, and says what to do about it. */
void	 ring_refuse(struct link_layer *, struct peer *, uint8_t gen,
	    struct bus *);
void	 ring_forget(struct life *);
void	 ring_word(struct link_layer *, const struct keys_word *);
void	 ring_set(struct link_layer *, const struct keyring *);

/* link_mtu.c */
/* Bytes of a datagram that the link may be trusted with. */
size_t	 mtu_limit(const struct peer *, unsigned link);
/* The path or the session is a new one. */
void	 mtu_forget(struct peer *, unsigned link);
/* Time for a probe, once a heartbeat while a session stands. */
void	 mtu_beat(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);
/* Something that may have gone over the link was lost. */
void	 mtu_doubt(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);
/* A frame of either kind.  False: malformed. */
bool	 mtu_frame(struct link_layer *, struct peer *, unsigned link,
	    uint8_t type, struct rbuf *, struct bus *);

/* link_policy.c */
void	 policy_init(struct link_layer *);
/* A bit for each link that data goes over now. */
unsigned policy_links(const struct link_layer *, const struct peer *,
	    uint64_t now);
/* Bytes of a datagram that passes on all of these. */
size_t	 policy_limit(const struct link_layer *, const struct peer *,
	    uint64_t now);
/* Sends what l->plain holds. */
void	 policy_send(struct link_layer *, struct peer *, struct bus *);
/* Something has to be sent again. */
void	 policy_lost(struct link_layer *, struct peer *, struct bus *);

/* link_beat.c: a datagram of the peer's beat process, header checked. */
void	 link_beat(struct link_layer *, struct peer *, const struct wire_header *,
	    unsigned link, const uint8_t *, size_t len, struct bus *);

/* link_relay.c */
/* No link works both ways: a third node has to help. */
bool	 relay_wanted(const struct link_layer *, const struct peer *,
	    uint64_t now);
/* Was it heard on this link within two beats? */
bool	 relay_recent(const struct link_layer *, const struct peer *,
	    unsigned link, uint64_t now);
/* What l->plain holds goes to the peer over p->relay. */
void	 relay_send(struct link_layer *, struct peer *, struct bus *);
void	 relay_frame(struct link_layer *, struct peer *, enum wire_frame,
	    uint16_t node, const uint8_t *, size_t len, struct bus *);
/* The beat that goes beside those on the links. */
void	 relay_beat(struct link_layer *, struct peer *, struct bus *);
/* Could it pass something on for us? */
bool	 relay_passes_on(const struct link_layer *, const struct peer *,
	    uint64_t now);
/* Now it can: who is reached by no path is tried over it at once. */
void	 relay_found(struct link_layer *, const struct peer *);
/* Something authentic of the peer came over l->via. */
void	 relay_heard(struct link_layer *, struct peer *, struct bus *);
/* Tells when it begins and ends. */
void	 relay_watch(struct link_layer *, struct peer *, struct bus *);
/* WF_RELAY and WF_RELAYED in a proven datagram.  False: malformed. */
bool	 relay_take(struct link_layer *, struct peer *, unsigned link,
	    uint8_t type, struct rbuf *, struct bus *);

/* link_session.c */
void	 session_beat_link(struct link_layer *, struct peer *, unsigned link,
	    struct bus *);
void	 session_datagram(struct link_layer *, struct peer *, struct life *,
	    unsigned link, struct rbuf *, struct bus *);
/* Ends it, with the reason; a new one may follow. */
void	 session_drop(struct link_layer *, struct peer *, const char *why,
	    struct bus *);
/* Beats on every link, with HELLO while there is no session. */
void	 session_beat(struct link_layer *, struct peer *, struct bus *);
/* Writes the stream out. */
void	 session_flush(struct link_layer *, struct peer *, struct bus *);
void	 session_bye(struct link_layer *, struct peer *, struct bus *);

#endif /* CORE_LINK_INT_H */
