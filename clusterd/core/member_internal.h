/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* The inside of member.h: for member*.c only. */

#ifndef CORE_MEMBER_INTERNAL_H
#define CORE_MEMBER_INTERNAL_H

#include "device.h"
#include "member.h"
#include "rng.h"
#include "version.h"

#define MEMBER_BLOB_MAX	(896 * 1024)	/* of the order, in one message */
#define MEMBER_MSG_MAX	(1000 * 1024)
#define EPOCH_BLOCK	10		/* reserved on disk at a time */
#define EPOCH_MAX	(UINT64_C(1) << 48)
#define CAUSE_LEN	160

/* Messages of CHAN_MEMBER: u8 type, then as member_wire.c has it. */
enum member_msg {
	MM_STATUS = 1,	/* what I am and whom I hear */
	MM_PROPOSE,	/* coordinator: leave the old view, tell me your state */
	MM_NACK,	/* no, because */
	MM_FLUSH,	/* wedged; my state */
	MM_INSTALL,	/* coordinator: this will be the view */
	MM_READY,	/* I could install it */
	MM_COMMIT	/* coordinator: everybody could: install it */
};

enum nack_why {
	NACK_PROMISED = 1, /* a later epoch is promised */
	NACK_WAIT,	/* busy, or somebody else should coordinate */
	NACK_HEARS	/* I do not hear one of them */
};

#define CHAIN_MAX 8

/* Installs that a node could have made, oldest first. */
struct prim_list {
	unsigned	 n;
	struct prim_id	 v[CHAIN_MAX];
};

struct node_inc {
	uint16_t	 node;
	uint64_t	 inc;
	bool		 clean;		/* it left with goodbye */
	bool		 victim;	/* listed for its fence: no member */
	bool		 left;		/* it votes for no successor any more */
};

struct node_set {
	unsigned	 n;
	struct node_inc	 v[CONF_NODES_MAX];	/* ascending by node */
};

struct status {
	uint64_t	 epoch;		/* of its view, 0: none */
	uint16_t	 leader;
	uint64_t	 promised;
	bool		 primary;
	bool		 need;		/* wedged: it wants a new view */
	bool		 leaving;
	bool		 left;		/* it votes for no successor of base */
	bool		 synced;
	uint64_t	 joined;
	struct prim_id	 prim;		/* last primary view of this life */
	struct prim_list pends;		/* later ones it could have installed */
	uint32_t	 votes;		/* of those it would form a view with */
	uint16_t	 coord;		/* their coordinator */
	struct node_set	 hears;		/* sessions that never broke */
	struct prim_id	 base;		/* last primary view, also of past lives */
	struct node_set	 members;	/* of base */
};

struct peer {
	uint16_t	 node;
	uint8_t		 votes;
	bool		 up;
	uint64_t	 features;	/* of the session, or the last one */
	bool		 known;		/* st is of this session */
	bool		 hears_us;	/* as st says: in our incarnation */
	bool		 told;		/* it has our present status */
	uint64_t	 inc;		/* of the session, or the last one */
	bool		 torn;		/* our session broke since we are in prim
					   together: a new view is due */
	uint64_t	 avoid_until;
	unsigned	 losses;	/* in a row, without a goodbye */
	uint64_t	 lost_inc;	/* of the last one; 0: none */
	uint64_t	 up_at;		/* its last session */
	uint64_t	 held_until;
	bool		 stalled;	/* its machine is heard, its engine not */
	uint64_t	 runs_at;	/* ... and since when it is again */
	unsigned	 refusals;	/* in a row */
	uint64_t	 refused_until;	/* after too many: it is left out */
	struct status	 st;
};

/* A member's answer to a proposal. */
struct flush {
	struct prim_id	 prim;
	struct prim_list pends;
	bool		 synced;
	bool		 has_sync;	/* its log holds the SYNC of prim */
	bool		 whole;		/* it had the state of base */
	uint64_t	 joined;
	uint64_t	 held;
	struct prim_id	 base;		/* last primary view, also of past lives */
	struct node_set	 basemembers;
	struct electorate elect;	/* of base; n 0: not recorded */
	struct attempt_list attempts;	/* later than base */
	struct prim_id	 since;		/* its memory begins with this view */
	uint64_t	 features;	/* of its build */
	struct prim_id	 log;		/* whose log held and blob are of: prim,
					   or what it is fresh to (kept_log) */
	const uint8_t	*blob;		/* of the order; into the message */
	size_t		 bloblen;
};

struct install {
	STAILQ_ENTRY(install) entry;
	struct view	 view;
	struct prim_id	 prev;		/* state comes from; 0: scratch */
	uint64_t	 cut;
	char		 cause[CAUSE_LEN];
	size_t		 bloblen;
	uint8_t		*blob;		/* owned */
};

STAILQ_HEAD(install_list, install);

enum round_state { ROUND_NONE = 0, ROUND_FLUSH, ROUND_READY };

/* What the quorum device remembers: a member's answer, but for its state. */
struct device_memory {
	struct prim_id	 base;		/* newest primary view it knows of */
	struct node_set	 basemembers;
	struct electorate elect;	/* of base */
	struct attempt_list attempts;	/* later than base; the last one is */
	struct vote_nodes named;	/* ... of these nodes */
	struct prim_id	 since;		/* its memory begins with this view */
};

/* One attempt of the coordinator. */
struct round {
	enum round_state state;
	uint64_t	 epoch;
	struct node_set	 members;
	bool		 answered[CONF_NODES_MAX];
	struct flush	 flush[CONF_NODES_MAX];
	uint8_t		*blobs[CONF_NODES_MAX];	/* owned */
	bool		 told;		/* the device has answered, too */
	bool		 records;	/* ... and must remember the view */
	struct device_memory memory;
	uint64_t	 device_until;	/* all else is there; UINT64_MAX */
	uint64_t	 deadline;
	uint64_t	 limit;		/* ... for an engine that is stalled */
	unsigned	 attempt;
	char		 cause[CAUSE_LEN];
};

/* What an operator vouches for in a view without quorum. */
enum vote_force {
	FORCE_NONE = 0,
	FORCE_UNBLOCK,	/* not to wait for all: those who are missing are off */
	FORCE_OVERRIDE	/* to go on without a majority: the same */
};

/* What the answers to a proposal say about votes. */
struct ballot {
	struct electorate elect;	/* to be won */
	struct vote_nodes members, left;
	struct vote_nodes blank;	/* members without a vote here (E5) */
	struct tally	 tally;
	bool		 waits;
	bool		 contested;
	bool		 disputed;	/* attempts are known, blocked or not */
	bool		 device;	/* it has answered, and is to record */
	bool		 counted;	/* its votes are in the tally */
	struct prim_id	 base;		/* whose electorate that is */
	bool		 primary;
};

enum phase {
	PH_NONE = 0,	/* no view yet, nothing promised */
	PH_STEADY,	/* in a view */
	PH_WEDGED,	/* promised: the old view has ended */
	PH_READY,	/* an install is pending */
	PH_APPLY	/* installing, within one step */
};

/* What the last survey was made from, but for the statuses. */
struct survey {
	bool		 valid;		/* and those are as they were */
	uint64_t	 fit;		/* eligible peers, by index */
	struct prim_id	 prim;		/* ours, as the next two */
	bool		 synced;
	uint64_t	 joined;
};

struct member {
	const struct conf	*conf;
	uint16_t		 self;
	uint64_t		 inc;
	uint8_t			 votes;
	uint64_t		 features;	/* that we use */
	bool			 started, stopped;
	uint64_t		 quiet_until;	/* in no view before */
	uint64_t		 start_at;	/* discovery ends */

	unsigned		 npeers;
	struct peer		 peers[CONF_NODES_MAX];

	/* Participant. */
	enum phase		 phase;
	uint64_t		 promised;
	uint16_t		 coord;		/* of what is promised */
	struct install_list	 chain;		/* READY was said; the last one is
						   what PH_READY waits for */
	unsigned		 nchain;
	struct install_list	 todo;		/* being applied */
	struct install		*next;		/* NULL, or to be READY for then */
	bool			 have_view;
	struct view		 view;
	uint64_t		 stored_floor;	/* epochs up to here are used */
	uint64_t		 settled_at;	/* others may lag until then */
	struct prim_id		 prim;
	bool			 synced;	/* we have the state of prim */
	uint64_t		 sync_epoch;	/* view in which all have it */
	uint64_t		 joined;
	uint64_t		 now;		/* of the last step here */

	/* What we would like, as last evaluated. */
	struct survey		 seen;
	uint64_t		 hears[CONF_NODES_MAX];	/* peers whom each one
						   hears, by index; M7 */
	struct node_set		 want;		/* with ourselves */
	uint16_t		 want_coord;
	uint32_t		 want_votes;
	uint64_t		 need_since;	/* UINT64_MAX: content */
	uint64_t		 act_at;	/* UINT64_MAX: nothing to do */
	uint64_t		 retry_at;
	bool			 looked;	/* and told; since the last change */
	uint64_t		 look_at;	/* no need to before; member.c M7 */
	unsigned		 nheld;		/* held back now */
	char			 cause[CAUSE_LEN];

	struct round		 round;
	struct device		 device;
	uint64_t		 device_epoch;	/* of the last view that it knows */
	uint64_t		 device_view;	/* it is missed in this one, and so */
	bool			 device_due;	/* the next view is for its sake,
						   unless somebody is lost */
	uint64_t		 device_since;	/* since then, us */
	uint64_t		 device_at;	/* asked again then */
	uint64_t		 device_pause;
	bool			 reelect;	/* the electorate should change */
	struct vote_wish	 wish;		/* to be in the next view */
	enum vote_force		 force;
	struct wbuf		 said;		/* last status sent */
	struct member_stored	 stored;
};

/* member_wire.c */
int	 prim_cmp(const struct prim_id *, const struct prim_id *);
bool	 prim_eq(const struct prim_id *, const struct prim_id *);
bool	 set_has(const struct node_set *, uint16_t node, uint64_t inc);
/* A new entry, neither clean nor victim. */
struct node_inc *set_add(struct node_set *, uint16_t node, uint64_t inc);
bool	 set_eq(const struct node_set *, const struct node_set *);
bool	 prims_have(const struct prim_list *, const struct prim_id *);
void	 put_status(struct wbuf *, const struct status *);
bool	 get_status(struct rbuf *, struct status *);
void	 put_set(struct wbuf *, const struct node_set *);
void	 get_set(struct rbuf *, struct node_set *);
/* features: of the session with the reader, or the writer. */
void	 put_flush(struct wbuf *, const struct flush *, uint64_t features);
bool	 get_flush(struct rbuf *, struct flush *, uint64_t features);
void	 put_memory(struct wbuf *, const struct device_memory *);
bool	 get_memory(struct rbuf *, struct device_memory *);
void	 put_install(struct wbuf *, const struct install *);
/* features: that we have.  NULL: malformed. */
struct install *get_install(struct rbuf *, uint64_t features);
void	 install_free(struct install *);

/* member_graph.c: whom to form a view with, and who should do it */
void	 member_survey(struct member *, uint64_t now);
/* Takes the peer's status: the next survey looks at what it changes. */
void	 member_learn(struct member *, struct peer *, const struct status *);
/* Another incarnation, or none, of a peer is known: who hears whom changes. */
void	 member_heard(struct member *);
void	 graph_check(const struct member *);
/* Has a session within the primary view we are in broken? */
bool	 member_torn(const struct member *);
bool	 member_needs(const struct member *, uint64_t now);

/* member_hold.c: who comes and goes.  clean: it said goodbye. */
void	 hold_lost(const struct member *, struct peer *, bool clean);
void	 hold_heard(struct member *, struct peer *, struct bus *);
/* It has a session, and yet we do not want it in our view for a while. */
bool	 member_held(const struct member *, const struct peer *, uint64_t now);
unsigned hold_count(const struct member *);

/* member.c: what is stored of the last primary view, as a set. */
void	 member_base(const struct member *, struct node_set *);

/* member_vote.c */
/* ever: one of them was in a primary view since it started. */
void	 vote_count(const struct member *, const struct round *, bool ever,
	    struct ballot *);
/* Completes the view: its electorate, and why it is (not) primary. */
void	 vote_fill(const struct member *, const struct ballot *, struct view *);
/* Would the view's own members now have another electorate? */
bool	 vote_outdated(const struct member *);
/* One more attempt.  When the list is full, two become one. */
void	 vote_add_attempt(struct attempt_list *, const struct view *);
/* On disk before READY, where it must be (E1). */
void	 vote_attempt(struct member *, const struct view *, struct bus *);
/* It is in that primary view now, and forgets attempts. */
void	 vote_enter(struct member *, const struct view *);
/* M_COMMAND quorum-unblock, quorum-override. */
void	 vote_command(struct member *, const struct note *, struct bus *);
void	 vote_status(struct member *, uint16_t node, uint64_t inc,
	    const struct status *);

/* Does its memory reach back to that view?  since: where it begins (E5). */
bool	 vote_remembers(const struct prim_id *since, const struct prim_id *);

/* member_device.c */
/* READY for a view, or in it: what the device knows of it is to be found there. */
void	 device_ready(struct member *, const struct view *);
void	 device_entered(struct member *);
/* Has the device a vote on what comes after that view? (E5, E8) */
bool	 device_able(const struct round *, const struct prim_id *);
/* Everybody has answered: is the device to be waited for? */
bool	 device_awaited(struct member *, struct bus *);
/* Takes its answer, if it is there. */
void	 device_told(struct member *);
/* What it is to remember from then on. */
void	 device_memorize(const struct round *, const struct ballot *,
	    const struct view *, struct device_memory *);
/* The view as decided, to be recorded by it. */
void	 device_view(struct member *, const struct ballot *,
	    const struct view *, struct bus *);
/* A view that it should have been asked about is formed once more. */
void	 device_missed(struct member *, struct bus *);
/* It has answered, or time has gone by: the round goes on, or ends. */
void	 round_device(struct member *, struct bus *);

/* member_part.c */
void	 part_pends(const struct member *, struct prim_list *);
void	 part_propose(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 part_flushed(struct member *, const struct note *, struct bus *);
void	 part_install(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 part_commit(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 part_clear(struct member *, const struct note *, struct bus *);
void	 part_trimmed(struct member *, const struct note *, struct bus *);
void	 part_quorum(struct member *, const struct note *, struct bus *);
/* The fence table has seen our primary view: it says who waits for a fence. */
void	 part_table_says(struct member *, struct bus *);

/* member_round.c */
void	 round_start(struct member *, struct bus *);
void	 round_abort(struct member *, uint64_t retry_after, struct bus *);
void	 round_flush(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 round_nack(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 round_ready(struct member *, const struct note *, struct rbuf *,
	    struct bus *);
void	 round_peer_lost(struct member *, uint16_t node, struct bus *);
/* Everybody has answered to the proposal, and the device need not. */
void	 round_flushed(struct member *, struct bus *);
bool	 round_all_answered(const struct round *);
/* Everybody is ready, and the device where it must. */
void	 round_commit(struct member *, struct bus *);
void	 round_timer(struct member *, struct bus *);

/* member.c */
/* Features that both we and that node, which may be us, understand. */
uint64_t member_features(struct member *, uint16_t node);
struct peer *member_peer(struct member *, uint16_t node);
void	 member_send(struct bus *, uint16_t node, const struct wbuf *);
void	 member_use_epoch(struct member *, uint64_t epoch, struct bus *);
void	 member_set_cause(struct member *, const char *, ...)
	    PRINTF_LIKE(2, 3);

#endif /* CORE_MEMBER_INTERNAL_H */
