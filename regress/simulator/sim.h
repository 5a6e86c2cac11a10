/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The simulator: N nodes of the core that ships, their clients, networks and
 * fence devices in one process and in virtual time.  Everything follows from
 * one seed, so a run can be repeated bit for bit.
 */

#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include "conf.h"
#include "core/node.h"
#include "core/rng.h"

#define SIM_NODES_MAX	64
#define SIM_LINKS	2	/* unless the configuration is generated */
#define SIM_CLIENTS	2	/* of one node */
#define SIM_LOCKS	3	/* of one client */
#define SIM_RESOURCES	4
#define SIM_GROUP_MAX	(SIM_NODES_MAX * SIM_CLIENTS)
#define SIM_DEVICES_MAX	(2 * SIM_NODES_MAX)

#define MS	UINT64_C(1000)
#define SEC	UINT64_C(1000000)

/*
 * What must never happen.  The number and the name are what a failure prints.
 */
enum invariant {
	INV_ASSERT = 0,		/* an assertion of the core itself */
	INV_VIEW_AGREE,		/* same view id: same members */
	INV_VIEW_ORDER,		/* epochs of a node grow; it is in its views */
	INV_PRIMARY_QUORUM,	/* a primary view holds a majority of votes */
	INV_PRIMARY_ONE,	/* one primary view at a time; see chk_view.c */
	INV_GROUP_ORDER,	/* one sequence of views and messages for all */
	INV_GROUP_SAFE,		/* ... of what is safe, also of those who die */
	INV_GROUP_FIFO,		/* each message once, in its sender's order */
	INV_LOCK_EXCLUDE,	/* no two incompatible locks at once */
	INV_LOCK_VALUE,		/* a value block that is valid is the last one */
	INV_LOCK_ANSWER,	/* each request has one answer, and a fitting one */
	INV_SLOTS,		/* members of a lockspace have slots of their own */
	INV_FENCE_FIRST,	/* a node is recovered only when it is dead */
	INV_FENCE_QUORUM,	/* only a primary view fences, and outsiders only */
	INV_NONCE,		/* no nonce is used twice */
	INV_LIVE_VIEW,		/* calm: one primary view of all, in time */
	INV_LIVE_LOCKS,		/* calm: every request is answered, in time */
	INV_LIVE_GROUPS,	/* calm: every message is delivered, in time */
	INV_VIEW_CHANGE,	/* new view = old one - left + joined, with reasons */
	INV_GROUP_STATE,	/* whoever takes a group's state has what all have */
	INV_SERVICE_ORDER,	/* one sequence of what a service tells; chk_log.c */
	INV_LEVELS,		/* stop and start level by level, on all nodes */
	INV_BARRIER,		/* a barrier opens for all of its parties */
	INV_KV,			/* of several changes of one version one happens */
	INV_DGRAM,		/* datagrams: in order, once, and answered truly */
	INV_LIVE_SERVICES,	/* calm: every other service answers, in time */
	INV_REFUSED,		/* what is forged, foreign or replayed is refused */
	INV_GROUP_MEMBER,	/* senders are members; members are in the view */
	INV_BOUND,		/* queues have bounds */
	INV_KEYS,		/* members can open what members send; chk_keys.c */
	INV_NAP,		/* calm: a short pause of a node changes no view */
	INV_LEASE,		/* no two primary views are believed in at once */
	INV_WIRE,		/* views and sessions speak what all there know */
	INV_OPTIONS,		/* one set of options in a view; chk_options.c */
	INV_VIEW_ALONG,		/* who goes on from a view has missed none since */
	INV_CONFIG,		/* one configuration in a view; edit.c */
	INV_MAX
};

const char *inv_name(enum invariant);

struct sim;

/* ---- events: heap.c ---------------------------------------------------- */

enum sim_event_type {
	SE_PACKET = 1,	/* node, link, data: a datagram arrives */
	SE_TIMER,	/* node, gen */
	SE_STORED,	/* node, life */
	SE_FAULT,	/* the next one; see fault.c */
	SE_UNFAULT,	/* what, node, other, link: it ends */
	SE_RESTART,	/* node, life: the machine comes up again */
	SE_STOP,	/* node, life: the daemon is asked to end */
	SE_RESUME,	/* node, life */
	SE_FENCE,	/* node = executor, life; a device finishes */
	SE_KILL,	/* node = victim, life: power goes off */
	SE_CLIENT,	/* node, life, what = client index: it acts */
	SE_REPLAY,	/* the attacker sends an old datagram */
	SE_OPERATOR,
	SE_DISK,	/* node, life, what = step of its request */
	SE_NAP,		/* somebody is not run for a moment */
	SE_KEYS,	/* node, life: its key file is written, if ok */
	SE_ROTATE,	/* the operator looks after the keys */
	SE_STRANGER,	/* gen: the foreign cluster's node has a timer due */
	SE_VOICE	/* node, life: its beat process looks at the engine */
};

struct sim_event {
	uint64_t	 at;	/* us of true time */
	uint64_t	 order;	/* ties are broken by age */
	enum sim_event_type type;
	unsigned	 node, other, link;
	uint64_t	 life;	/* of the node it was meant for */
	uint64_t	 gen;
	unsigned	 record;	/* a replay: index + 1; 0: none */
	uint64_t	 serial;	/* of the record */
	int		 what;
	uint32_t	 req;
	bool		 ok;
	bool		 bad;	/* a datagram that must be refused */
	size_t		 len;
	uint8_t		*data;	/* owned */
};

struct heap {
	struct planned {
		uint64_t	 at, order;	/* of e, or each look would fetch it */
		struct sim_event *e;
	}		*v;
	unsigned	 n, cap;
	uint64_t	 order;
};

struct sim_event *heap_add(struct heap *, uint64_t at, enum sim_event_type);
struct sim_event *heap_take(struct heap *);	/* earliest, or NULL */
void	 event_free(struct sim_event *);
void	 heap_clear(struct heap *);

/* ---- clients: client.c ------------------------------------------------- */

enum lock_state { LK_FREE = 0, LK_ASKED, LK_HELD, LK_CONVERTING, LK_LEAVING };

struct sim_lock {
	enum lock_state	 state;
	uint32_t	 lkid;
	unsigned	 resource;
	int		 mode;		/* granted as the client knows it; -1 */
	int		 asked;		/* while a request is under way */
	int		 belief;	/* what it may rely on; -1: nothing */
	bool		 valblk;	/* the request reads or writes the value */
	bool		 noqueue;
	bool		 wrote;		/* the request under way writes */
	uint64_t	 overwritten;	/* the value before it, */
	bool		 was_new;	/* or none: the resource may have been new */
	bool		 exists;	/* surely, at its master */
	bool		 told;		/* that it is in somebody's way */
	bool		 cancelling;
	uint64_t	 since;		/* of this state */
	uint64_t	 release_at;
};

/* The sequences that clients are told: of everything, and of what is safe. */
enum sim_sequence { SEQ_ALL = 0, SEQ_SAFE };

struct sim_place {
	bool		 begun;		/* a view was told */
	uint64_t	 last;		/* last message, sender << 32 | number */
	uint64_t	 views;		/* hash of the views since */
};

struct told {
	STAILQ_ENTRY(told) entry;
	bool		 view, safe;
	uint64_t	 epoch;		/* of the node's view then */
	uint64_t	 from;
	uint32_t	 number;
	size_t		 len;
	uint8_t		 data[];
};

struct sim_client {
	bool		 open, joined;
	bool		 closed;	/* by the daemon; it does not know yet */
	bool		 ls_asked, group_asked, leaving;
	uint64_t	 prep_at;
	uint64_t	 id;		/* unique in the whole run */
	uint64_t	 ls_joined_at;
	uint32_t	 slot, generation;
	uint32_t	 next_lkid;
	struct sim_lock	 locks[SIM_LOCKS];
	/* groups */
	bool		 group_in;
	uint64_t	 group_told;	/* the last message: sender, number */
	unsigned	 group_n;	/* members as of the last view */
	uint64_t	 group_ids[SIM_GROUP_MAX];
	unsigned	 told_n;	/* as of the last view it was told */
	uint64_t	 told_ids[SIM_GROUP_MAX];
	struct sim_place places[2];
	/* Told, and not yet counted; see chk_group.c. */
	STAILQ_HEAD(, told) told;
	struct told	*fresh;	/* the first not counted as safe; or NULL */
	uint32_t	*last;		/* numbers, by sender; owned */
	size_t		 nlast;
	uint32_t	 sent, delivered; /* own messages */
	uint64_t	 sent_at;
	uint64_t	 next_at;
	struct sim_service *svc;	/* owned; see service.c */
};

/* ---- nodes: node.c ----------------------------------------------------- */

struct held {
	STAILQ_ENTRY(held) entry;
	struct action	*act;
	bool		 caught_up;	/* chk_keys.c */
};

struct waiting {	/* an input that came while the node was paused */
	STAILQ_ENTRY(waiting) entry;
	struct event	 ev;
	uint8_t		*data;
};

/* Moments at which a pause hurts more than at others. */
enum unlucky { UN_NONE = 0, UN_BEFORE_STORE, UN_AFTER_STORE, UN_VIEW };

/* build.c: one build of the core, as the simulator uses it. */
struct build {
	const char	*name;
	uint64_t	 features;
	struct node	*(*create)(const struct node_config *);
	void		(*destroy)(struct node *);
	void		(*step)(struct node *, const struct event *,
			    struct actions *);
	uint64_t	(*deadline)(const struct node *);
	void		(*check)(const struct node *);
	void		(*get_view)(const struct node *, struct node_view *);
	bool		(*over)(const struct node *);
	void		(*get_load)(const struct node *, struct node_load *);
	uint64_t	(*refused)(const struct node *);
	uint64_t	(*skipped)(const struct node *);
	void		(*get_last_view)(const struct node *, struct node_view *);
	bool		(*view_is)(const struct node *, const struct node_view *);
	uint64_t	(*lease)(const struct node *);
	uint64_t	(*refused_key)(const struct node *, uint16_t from);
	const struct keyring *(*ring)(const struct node *);
	const struct keyring *(*agreed)(const struct node *);
};

extern const struct build build_before, build_this, build_next;

struct sim_node {
	struct sim	*sim;
	uint16_t	 id;
	struct node	*core;		/* NULL: off */
	const struct build *build;	/* whose code that is */
	uint64_t	 life;		/* counts starts; its incarnation */
	uint64_t	 inc;
	bool		 paused;
	bool		 leaving;	/* it was asked to stop */
	bool		 forgot;	/* its disk was lost, ever */
	bool		 edited;	/* it runs with the edited file */
	bool		 remembers;	/* it has been in a primary view */
	const struct conf *conf;	/* what it has read */
	struct beat	*voice;		/* or NULL */
	bool		 mute;		/* it sleeps as well */
	uint64_t	 rounds;	/* of the engine, as it sees them */
	bool		 behind;	/* ... and its clock with it, until it is
					   told what it was before */
	uint64_t	 run_since;	/* true time of the last resume or start */
	int64_t		 offset;	/* of its clock */
	int		 ppm;		/* its clock's rate */
	enum unlucky	 unlucky;	/* it pauses at the next such moment, */
	uint64_t	 unlucky_len;	/* us, for so long */
	uint64_t	 gen;		/* of the timer that counts */
	uint64_t	 timer_at;	/* local deadline armed, or UINT64_MAX */
	/* durable state, and one on its way to the disk */
	uint8_t		*stored, *storing;
	size_t		 storedlen, storinglen;
	uint8_t		*older;		/* what was durable before stored */
	size_t		 olderlen;
	bool		 busy;
	struct keyring	 file, file_next;	/* its key file; on its way */
	bool		 writing;
	struct {			/* as of its last step */
		struct keyring agreed;
		bool	 synced, caught_up;
		uint64_t since;
	}		 keys_seen;
	bool		 caught_up;	/* when it wrote what is sent now */
	STAILQ_HEAD(, held) held;
	STAILQ_HEAD(, waiting) waiting;
	unsigned	 nwaiting;
	struct sim_client clients[SIM_CLIENTS];
	/* For the oracles. */
	struct node_view view;
	bool		 uncounted;	/* that it took effect */
	uint64_t	 last_epoch;	/* over all lives */
	uint64_t	 stale_since;	/* primary in a view that is over; or 0 */
};

/* ---- network: net.c ---------------------------------------------------- */

struct net {
	/* From node to node over a link: one direction. */
	struct {
		bool	 cut;
		unsigned loss;		/* permille */
		unsigned mtu;		/* longer ones are dropped; 0: none */
		uint64_t slow;		/* us more */
	}		 dir[SIM_NODES_MAX][SIM_NODES_MAX][CONF_LINKS_MAX];
	unsigned	 carries[2][CONF_LINKS_MAX];	/* bytes; before, in calm; 0: any */
	unsigned	 loss, dup, flip;	/* permille, everywhere */
	uint64_t	 lat_min, lat_max;	/* us */
	unsigned	 spike;			/* permille; up to 50 ms more */
	bool		 replay;		/* an attacker records */
	struct {
		uint8_t	*data;
		size_t	 len;
		unsigned to, link;
		uint64_t serial;	/* of what is recorded here now */
		uint64_t seen;		/* life of its receiver that had it; or 0 */
	}		 record[128];
	unsigned	 nrecord;
	/* Does not heal: two nodes reach each other over others only. */
	bool		 apart[SIM_NODES_MAX][SIM_NODES_MAX];
	/* A late datagram, for forgers. */
	uint8_t		 sample[9000];
	size_t		 samplelen;
	bool		 other;		/* what is sent now is not of the engine */
};

/* ---- faults: fault.c --------------------------------------------------- */

enum fault {
	F_CRASH = 0, F_PAUSE, F_SHORT_PAUSE, F_PARTITION, F_ISOLATE,
	F_ONE_WAY, F_LINK, F_LOSS, F_STOP, F_CLIENT, F_SLOW, F_MTU,
	F_GARBAGE, F_UNLUCKY, F_DISK, F_DEVICE, F_PAIR, F_MAX
};

/*
 * What can be left out of a run by number (-x).  The first ones hold for the
 * whole run, if it drew them; faults are counted from FAULT_FIRST on.  Each
 * fault has a generator of its own: leaving one out changes no other.
 */
enum standing {
	ST_LOSS = 1, ST_DUP, ST_FLIP, ST_SPIKE, ST_REPLAY, ST_FENCE,
	ST_COMMANDS, ST_DRIFT, ST_STRANGER, ST_WAIT_FOR_ALL, ST_ROTATE,
	ST_DEVICE, ST_LENGTH, ST_PAIR, ST_OPTIONS, ST_EDIT,
	ST_VOICE, ST_EDIT_VOTES, ST_TWIN,
	ST_MAX
};

#define FAULT_FIRST	20
#define FAULT_MAX	4096	/* later ones cannot be left out */

struct profile {
	unsigned	 weight[F_MAX];
	uint64_t	 every;		/* us between faults, about */
	unsigned	 fence_fail;	/* permille of runs that fail */
	unsigned	 fence_late;	/* permille that report failure, then kill */
	uint64_t	 fence_min, fence_max;	/* us of a run */
	uint64_t	 op_every;	/* us between acts of a client */
	unsigned	 commands;	/* permille of visits of the operator */
	int		 ppm;		/* largest error of a clock's rate */
	bool		 stranger;	/* another cluster uses the same networks */
};

enum phase { PH_FAULTS = 0, PH_SETTLE, PH_WORK, PH_DRAIN, PH_DEATH };

/* -m: a calm run in which one node goes, to see how soon it is noticed. */
enum measure { ME_NONE = 0, ME_KILL, ME_CUT };

struct trace_line { uint64_t at; char text[232]; };

struct sim {
	uint64_t	 seed;
	unsigned	 n;
	uint64_t	 until;		/* faults end */
	uint64_t	 now;		/* true time */
	enum phase	 phase;
	uint64_t	 phase_since, settled_since;
	bool		 calm;		/* nothing goes wrong any more */
	int		 dead;		/* index of the last one to die, or -1 */
	bool		 verbose;
	const char	*want_profile;	/* or NULL: drawn */
	struct rng	 rng;		/* network and faults */
	struct rng	 crng;		/* clients */
	struct rng	 frng;		/* the fault at hand */
	struct rng	 grng;		/* builds and generated configurations */
	uint64_t	 upgraded;	/* steps in a view with its features */
	bool		 mixed;		/* -w: nodes of two builds */
	bool		 two_disks;	/* -d: not all have the same quorum disk */
	bool		 race;		/* -r: two_node, see make_race() */
	bool		 idle;		/* clients come late and go */
	bool		 generated;	/* -g: the configuration, see generate.c */
	unsigned	 nfaults;	/* so far */
	bool		 off[FAULT_MAX]; /* left out, by number */
	int		 report;	/* where a failure is told, for -S; or 0 */
	struct heap	 heap;
	struct conf	*conf;
	struct conf	*edited;	/* another version of it, or NULL */
	struct rng	 erng;		/* which one a node reads */
	uint64_t	 edit_at;	/* all of them change it then; 0: any */
	bool		 edit_back;	/* ... to the one that is not edited */
	bool		 edit_votes;	/* ... and they differ in votes */
	bool		 voices;	/* nodes have beat processes */
	struct rng	 vrng;		/* for them */
	uint64_t	 slowest_us;	/* longest failure timeout of them */
	struct rng	 krng;		/* keys */
	bool		 rotate;	/* they are changed in this run */
	uint64_t	 rotations;	/* old keys dropped */
	bool		 keys_forced;	/* an operator may have locked out somebody */
	struct sim_node	 nodes[SIM_NODES_MAX];
	struct net	 net;
	struct profile	 profile;
	uint64_t	 next_client;
	uint64_t	 op_client, op_life;	/* the operator's session; or 0 */
	unsigned	 op_node;
	bool		 op_fenced[SIM_NODES_MAX]; /* by command, ever */
	uint64_t	 hash;		/* of everything that happened */
	uint64_t	 steps, packets;
	struct trace_line tail[256];
	unsigned	 ntail;
	unsigned	 fences;	/* devices at work */
	unsigned	 calm_kills;
	struct chk_view	*chk_view;
	struct chk_quorum *chk_quorum;
	struct chk_options *chk_options;
	struct chk_group *chk_group;
	struct chk_lock	*chk_lock;
	struct chk_service *chk_service;
	struct stranger	*stranger;
	struct sim_disk	*disk;
	struct chk_life	*chk_life;
	uint64_t	 counters[SIM_NODES_MAX][SIM_NODES_MAX];
	uint64_t	 counter_life[SIM_NODES_MAX];
	/* statistics of the run, printed at its end */
	uint64_t	 stale_max;	/* a primary view that was over, believed in */
	uint64_t	 well_since;	/* calm: nobody is off or paused since */
	uint64_t	 settle_us;	/* from then to one view */
	uint64_t	 work_views;	/* views when PH_WORK began, but for: */
	uint64_t	 asked_views;	/* for the quorum device's sake */
	struct node_load load_max;
	bool		 strict;	/* -L: no such belief at all */
	enum measure	 measure;
	uint64_t	 hit_at, detect_us;
	uint64_t	 views, grants, messages, kills, basts, values;
};

/* sim.c */
/* How many nodes a seed draws, unless it is told. */
unsigned sim_nodes(const struct sim *proto);
/* One run, which is on this process alone; a failure ends the process. */
void	 sim_run(struct sim *);
struct sim *sim_new(const struct sim *proto, uint64_t seed);
/* Names the seed, the invariant and the last lines of the trace; exits 1. */
void	 sim_fail(struct sim *, enum invariant, const char *fmt, ...)
	    PRINTF_LIKE(3, 4) NORETURN;
void	 sim_trace(struct sim *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void	 sim_hash(struct sim *, const void *, size_t);
bool	 sim_chance(struct sim *, unsigned permille);
uint64_t sim_between(struct sim *, uint64_t lo, uint64_t hi);
/*
 * A generator for one purpose, that these three numbers name: what it draws
 * changes nothing that others draw.
 */
void	 sim_generator(const struct sim *, uint64_t a, uint64_t b, uint64_t c,
	    struct rng *);

/* node.c */
void	 node_boot(struct sim *, unsigned);
void	 node_crash(struct sim *, unsigned, const char *why); /* power loss */
void	 node_kill(struct sim *, unsigned);	/* its engine dies */
void	 node_stop(struct sim *, unsigned);	/* cleanly */
void	 node_shut(struct sim *, unsigned);	/* at the end of the run */
void	 node_pause(struct sim *, unsigned, uint64_t len);
void	 node_resume(struct sim *, unsigned);
void	 node_input(struct sim *, unsigned, struct event *);
void	 node_timer(struct sim *, unsigned, uint64_t gen);
void	 node_stored(struct sim *, unsigned);
bool	 node_on(const struct sim *, unsigned);
int	 node_index(const struct sim *, uint16_t id);
uint64_t node_local(const struct sim *, unsigned);
void	 node_lose_disk(struct sim *, unsigned, bool all);
/*
 * Is this step followed by a look at all of its node?  That costs as much as
 * the cluster is large: of more than 16 nodes every n-th step is.
 */
bool	 node_look(const struct sim *);

/* build.c */
void	 build_pick(struct sim *, unsigned node);
void	 chk_wire(struct sim *, unsigned node, const struct node_view *);

/* edit.c */
void	 edit_draw(struct sim *);
void	 edit_free(struct sim *);
/* What the node reads as it starts. */
const struct conf *edit_boot(struct sim *, unsigned node);
void	 edit_calm(struct sim *);	/* from now on all read the same */
void	 chk_edit(struct sim *, unsigned node, const struct node_view *);

/* voice.c */
void	 voice_draw(struct sim *);
void	 voice_boot(struct sim *, unsigned node);
void	 voice_keys(struct sim *, unsigned node);	/* its key file is another */
void	 voice_tick(struct sim *, unsigned node);
/* A pause: is it one of the machine? */
void	 voice_pause(struct sim *, unsigned node);
void	 voice_resume(struct sim *, unsigned node);
/* The engine is over; told: and its machine is not. */
void	 voice_end(struct sim *, unsigned node, bool told);
bool	 voice_crash(struct sim *);	/* is the next crash one of an engine? */

/* generate.c */
void	 generate_start(struct sim *);
unsigned generate_nodes(struct sim *);
void	 generate_conf(struct sim *, struct conf *);
void	 generate_load(struct sim *);

/* net.c */
void	 net_send(struct sim *, unsigned from, unsigned to, unsigned link,
	    const uint8_t *, size_t);
/* Somebody else sends: bytes that no node of ours may believe. */
void	 net_forge(struct sim *, unsigned to, unsigned link, const uint8_t *,
	    size_t);
/* All but what stays apart. */
void	 net_heal(struct sim *);
void	 net_draw_lengths(struct sim *);
void	 net_replay(struct sim *);
void	 net_clear(struct sim *);

/* fence.c */
void	 fence_start(struct sim *, unsigned node, const struct action *);
void	 fence_finish(struct sim *, const struct sim_event *);

/* disk.c: the quorum disk */
void	 disk_draw(struct sim *, struct conf *);
void	 disk_free(struct sim *);
void	 disk_request(struct sim *, unsigned node, const struct action *);
void	 disk_step(struct sim *, const struct sim_event *);
void	 disk_dead(struct sim *, unsigned node);
void	 disk_away(struct sim *, unsigned node, uint64_t len);
void	 disk_make(struct sim *);
/* The faults are over: all nodes have one disk. */
void	 disk_calm(struct sim *);
/* Was it told of a view since it was made? */
bool	 disk_told(const struct sim *);

/* fault.c */
void	 profile_draw(struct sim *);
void	 fault_next(struct sim *);
void	 fault_happen(struct sim *);
/* What the calm after the faults does not heal. */
void	 fault_apart(struct sim *);
/* Does it stay between two that are apart for ever? */
bool	 fault_keeps(const struct sim *, unsigned);
/* All links between one node and the others. */
void	 fault_isolate(struct sim *, unsigned);
void	 fault_end(struct sim *, const struct sim_event *);

/* stranger.c: a node of another cluster with the same addresses, or a twin. */
void	 stranger_start(struct sim *);
void	 stranger_timer(struct sim *, uint64_t gen);
/* It sees what is sent to the node whose address it uses. */
void	 stranger_hear(struct sim *, unsigned to, unsigned link,
	    const uint8_t *, size_t);
void	 stranger_free(struct sim *);

/* shrink.c: finds a smaller run that breaks the same; prints its command. */
int	 shrink(const struct sim *proto);
/* -x: numbers and ranges, with commas between.  False: malformed. */
bool	 shrink_parse(struct sim *, const char *);

/* chk_keys.c */
void	 keys_init(struct sim *);
void	 keys_boot(struct sim *, unsigned node, struct node_config *);
void	 keys_shut(struct sim *, unsigned node);
void	 keys_write(struct sim *, unsigned node, const struct action *);
void	 keys_written(struct sim *, const struct sim_event *);
/* The operator changes the key, and puts right who was left behind. */
void	 keys_rotate(struct sim *);
void	 chk_keys_sent(struct sim *, unsigned from, struct sim_event *);
void	 chk_keys_packet(struct sim *, const struct sim_event *, uint64_t before);
void	 chk_keys_step(struct sim *, unsigned node);
bool	 chk_keys_caught_up(const struct sim_node *);

/* operator.c */
/* An order to a node; the one before is not waited for any more. */
void	 operator_orders(struct sim *, unsigned node, const char *cmd,
	    const char *arg);
void	 operator_next(struct sim *);
void	 operator_acts(struct sim *);

/* client.c */
void	 clients_boot(struct sim *, unsigned node);
void	 clients_dead(struct sim *, unsigned node);
void	 client_act(struct sim *, unsigned node, unsigned i);
void	 client_kill(struct sim *, unsigned node, unsigned i);
void	 client_message(struct sim *, unsigned node, const struct action *);
void	 client_closed(struct sim *, unsigned node, uint64_t client);
void	 client_wake(struct sim *, unsigned node, unsigned i, uint64_t in);

/* service.c: what else a client does; its requests have these numbers. */
#define SERVICE_IDS	UINT32_C(0x80000000)
void	 service_init(struct sim *);
void	 service_free(struct sim *);
void	 service_open(struct sim *, unsigned node, struct sim_client *);
void	 service_act(struct sim *, unsigned node, struct sim_client *);
/* Only ends what is under way. */
void	 service_drain(struct sim *, unsigned node, struct sim_client *);
/* Something is to be done soon, without waiting for its turn. */
bool	 service_hurry(const struct sim_client *);
/* A message for a client that has died. */
void	 service_unread(struct sim *, const struct action *);
void	 service_message(struct sim *, unsigned node, struct sim_client *,
	    const struct action *);
/* A step of the node is over. */
void	 service_stepped(struct sim *, unsigned node);
/* The node's view is in effect: what the client was told counts. */
void	 service_effective(struct sim *, unsigned node, struct sim_client *);
void	 service_forget(struct sim_client *);
/* Has everything its answer?  Fails the run when not, and time is over. */
bool	 service_done(struct sim *, unsigned node, const struct sim_client *,
	    bool over);

/* The oracles.  None looks into the core beyond node.h. */
void	 chk_view_init(struct sim *);
void	 chk_view_free(struct sim *);
void	 chk_view_step(struct sim *, unsigned node);
void	 chk_lease_act(struct sim *, unsigned node, const struct action *);
void	 chk_view_over(struct sim *, unsigned node);
bool	 chk_view_settled(const struct sim *);
/* The view of that name that this life of the node is a member of, or NULL. */
const struct node_view *chk_view_seen(const struct sim *, unsigned node,
	    uint64_t epoch, uint16_t leader);
/* Two views that a client of the node is told as quorate, one after another. */
void	 chk_view_along(struct sim *, unsigned node, const struct node_view *,
	    const struct node_view *);
/* Do all survivors have a view without the dead one? */
bool	 chk_view_without(const struct sim *);

void	 chk_life_init(struct sim *);
void	 chk_life_free(struct sim *);
/* A client starts. */
void	 chk_life_born(struct sim *, uint64_t client, unsigned node);
/* It is told a view, or a message from somebody on a node. */
void	 chk_life_view(struct sim *, unsigned node, struct sim_client *,
	    const struct rbuf *);
void	 chk_life_message(struct sim *, unsigned node, struct sim_client *,
	    uint16_t sender, uint64_t from);

/* A datagram was handled: as many refusals as there were before? */
void	 chk_refused(struct sim *, unsigned node, const struct sim_event *,
	    uint64_t before);
void	 chk_bound(struct sim *, unsigned node);
/* The calm second is over: were there new views? */
void	 chk_nap(struct sim *);

/* Some seeds have options of quorum. */
void	 chk_quorum_draw(struct sim *, struct conf *);
void	 chk_quorum_generated(struct sim *, const struct conf *);
bool	 chk_quorum_alone(const struct sim *, unsigned node);
bool	 chk_quorum_spares(const struct sim *, unsigned node);
void	 chk_quorum_free(struct sim *);
/* A primary view is entered for the first time, on whatever node. */
void	 chk_quorum_entered(struct sim *, const struct node_view *);
void	 chk_quorum_left(struct sim *, unsigned node);	/* cleanly */

/* Options of quorum that are set in the run, and what comes of them. */
void	 chk_options_draw(struct sim *);
void	 chk_options_free(struct sim *);
/* The operator may give such an order now: has it? */
bool	 chk_options_order(struct sim *, unsigned node);
/* A primary view is entered for the first time; it takes effect. */
void	 chk_options_entered(struct sim *, const struct node_view *);
void	 chk_options_effect(struct sim *, const struct node_view *);
void	 chk_options_agree(struct sim *, const struct node_view *,
	    const struct node_view *, uint16_t node);

void	 chk_group_init(struct sim *);
void	 chk_group_free(struct sim *);
/* A client sends a message to the group. */
void	 chk_group_sent(struct sim *, const struct sim_client *,
	    uint32_t number, const uint8_t *, size_t);
/* A view (from 0) or a message of the group arrived. */
void	 chk_group_told(struct sim *, unsigned node, struct sim_client *,
	    bool view, uint64_t from, struct rbuf *);
/* The node's view is in effect: what its clients were told before counts. */
void	 chk_group_effective(struct sim *, unsigned node);
/* All is calm, or the run is over: everything counts. */
void	 chk_group_end(struct sim *);
void	 chk_group_left(struct sim_client *);	/* it is out of the group */
void	 chk_group_forget(struct sim_client *);	/* the client is gone */

void	 chk_lock_init(struct sim *);
void	 chk_lock_free(struct sim *);
/* belief of a client's lock changed: does it agree with all others? */
void	 chk_lock_change(struct sim *, const struct sim_client *,
	    const struct sim_lock *);
/* A new value is on its way; the lock remembers the one before. */
void	 chk_lock_wrote(struct sim *, const struct sim_client *,
	    struct sim_lock *, uint8_t lvb[32]);
/* The request that wrote was cancelled. */
void	 chk_lock_unwrite(struct sim *, const struct sim_lock *);
void	 chk_lock_read(struct sim *, const struct sim_client *,
	    const struct sim_lock *, unsigned sbflags, const uint8_t lvb[32]);
void	 chk_lock_exists(struct sim *, unsigned resource, int delta);
bool	 chk_compatible(int, int);
/* The list of members that a client is told at M_LS_DONE. */
void	 chk_slots(struct sim *, unsigned node, struct sim_client *,
	    struct rbuf *);

void	 chk_fence_start(struct sim *, unsigned node, const struct action *);
void	 chk_fence_slot(struct sim *, unsigned node,
	    const struct sim_client *, uint16_t lost);
void	 chk_nonce(struct sim *, unsigned from, unsigned to,
	    const uint8_t *, size_t);
/* Drained?  Fails the run when it is not and time is over. */
bool	 chk_live(struct sim *, bool over);
void	 chk_live_view(struct sim *) NORETURN;

#endif /* SIM_H */
