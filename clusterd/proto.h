/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Every message type of every local channel (msg.h), with its payload as
 * buf.h fields in order.
 * A receiver checks, in this order: allowed on this channel, allowed for
 * this peer, length, content.  Unknown types from a client are answered with
 * M_RESULT EPROTONOSUPPORT; from our own processes they are fatal.
 *
 * clusterd-protocol(7), section 11.
 */

#ifndef PROTO_H
#define PROTO_H

#define PROTO_VERSION	1	/* of the client protocol */

enum msg_type {
	/* parent -> engine, parent -> fence */
	M_CONF = 1,		/* conf_encode() bytes, one chunk of them:
				   u8 last, bytes... (several messages) */
	M_KEY,			/* keyring_put(): what the key file has (engine
				   only) */
	M_START,		/* u16 node id; u64 incarnation; blob stored state */
	M_LINK_FD,		/* u8 link; fd: bound UDP socket */
	M_CONTROL_FD,		/* fd: listening control socket */
	M_OBSERVE_FD,		/* fd: listening observe socket */
	M_STORED,		/* - : the last M_STORE is on the disk */
	M_PEER_FD,		/* fd: pair to the other child */
	M_GROUP_IDS,		/* u32 admin gid or ~0; u32 observer gid or ~0 */
	M_STOP,			/* leave cleanly, then exit */
	M_VERBOSE,		/* u8 */
	M_MOUNT_REFUSED,	/* u64 client; str why: it cannot be kept */
	M_PAGE_FD,		/* fd: struct beat_page, to engine and beat */
	M_KEYS_STORED,		/* u8 the last M_KEYS is in the key file; str why
				   not */
	M_QDEVICE_FD,		/* fd: pair to the qdevice process */

	/* parent -> beat; M_CONF, M_LINK_FD, M_PAGE_FD as above */
	M_BEAT_START = 50,	/* u16 node id; u64 incarnation */
	M_ENGINE_ENDED,		/* u8 enum wire_end; u32 number: say so, exit */
	M_BEAT_KEYS,		/* u8 n; n x { u8 generation; 32 bytes: key }: its
				   own, in place of those before */
	M_ENGINE_FD,		/* fd: pidfd of the engine */

	/* parent -> qdevice; M_CONF, M_PEER_FD (to the engine) as above, and
	   M_KEY where the device is a witness */
	M_QDEVICE_START = 70,	/* u16 node id */

	/* parent -> witness; M_CONF, M_KEY as above; then M_READY */
	M_WITNESS_FD = 80,	/* fd: listening TCP socket */
	M_WITNESS_BLOCK,	/* u16 node; blob: one that is kept */
	M_WITNESS_START,	/* u8[16] uuid: those were all */
	M_WITNESS_STORED,	/* u8 the last M_WITNESS_STORE is on the disk; str
				   why not */

	/* engine -> parent */
	M_READY = 100,		/* - */
	M_STOPPED,		/* str why: left cleanly, will exit */
	M_DYING,		/* str why; u64 incarnation: evicted; tear down,
				   start me anew as a later one than that */
	M_LEAVE,		/* str why: stop everything, as when asked to end */
	M_MOUNT_PID,		/* u32 pid; u64 client; str fs; str dir: stop it
				   with us, or M_MOUNT_REFUSED */
	M_STORE,		/* blob: replace the durable state, then M_STORED;
				   one at a time */
	M_KEYS,			/* keyring_put(): replace the key file with this,
				   then M_KEYS_STORED; one at a time */

	/* engine <-> fence */
	M_FENCE_START = 200,	/* u32 req; u16 node; u16 device; u8 action;
				   u64 timeout_us */
	M_FENCE_CANCEL,		/* u32 req */
	M_FENCE_DONE,		/* u32 req; u8 ok; u8 verified; str text */

	/* engine <-> qdevice */
	M_QDEVICE_REQUEST = 300, /* u32 req; u64 timeout_us; blob of ACT_DEVICE;
				   one at a time */
	M_QDEVICE_DONE,		/* u32 req; u8 last; u8 ok; bytes of EV_DEVICE:
				   as many pieces as it takes */

	/* qdevice <-> its opener */
	M_QDISK_OPEN = 320,	/* u8 to be written, too */
	M_QDISK_FD,		/* u8 through a cache; str why not; fd if it is
				   open; the id of M_QDISK_OPEN */

	/* heuristics -> qdevice */
	M_HEURISTIC = 330,	/* u8 which; u8 ok; str why not: a run ended */

	/* witness -> parent */
	M_WITNESS_STORE = 340,	/* u16 node; blob: with this block in its place,
				   or, with node 0, as they are, the blocks go to
				   the disk, then M_WITNESS_STORED; one at a time */

	/* client -> engine; msg.id is echoed in every answer */
	M_HELLO = 1000,		/* u32 version; str program; u32 pid */
	M_SHOW,			/* str what; str arg              [observer] */
	M_COMMAND,		/* str cmd; str arg               [admin] */
	M_WATCH_VIEWS,		/* -                              [observer] */
	M_GROUP_JOIN,		/* u32 gid (client's number); str name;
				   u8 flags, if any (GROUP_STATE) */
	M_GROUP_SEND,		/* u32 gid; blob; u8 flags, if any (GROUP_SAFE) */
	M_GROUP_LEAVE,		/* u32 gid */
	M_LS_JOIN,		/* u32 lsid (client's number); u8 lvblen; str name */
	M_LS_LEAVE,		/* u32 lsid */
	M_LOCK,			/* u32 lsid; u32 lkid (client's); u8 mode;
				   u32 flags; blob name */
	M_CONVERT,		/* u32 lsid; u32 lkid; u8 mode; u32 flags;
				   u8 haslvb; 32 bytes if so */
	M_UNLOCK,		/* u32 lsid; u32 lkid; u32 flags; u8 haslvb; .. */
	M_CANCEL,		/* u32 lsid; u32 lkid */
	M_MOUNT,		/* u32 pid; str fs; str dir       [root] */
	M_MOUNT_SAYS,		/* str text: an event of this client's mount;
				   no answer                      [root] */
	M_GROUP_GIVE,		/* u32 gid; u16 node; u64 client; u32 round;
				   u8 last; blob: a piece of the state */
	M_EVENT_SUBSCRIBE,	/* u32 sid (client's number); u8 flags (SUB_*);
				   str channel; str prefix: no answer but
				   M_EVENT_READY */
	M_EVENT_UNSUBSCRIBE,	/* u32 sid; no answer */
	M_EVENT_PUBLISH,	/* u8 flags (EVENT_*); str channel; str topic;
				   blob */
	M_LEVEL_REGISTER,	/* u32 lid (client's number); u8 level; str name */
	M_LEVEL_UNREGISTER,	/* u32 lid; no answer */
	M_LEVEL_DONE,		/* u32 lid; u64 round; u8 enum level_step:
				   done with it; no answer */
	M_BARRIER_ENTER,	/* u16 parties; str name: answered when it opens */
	M_BARRIER_LEAVE,	/* str name: its M_BARRIER_ENTER is answered,
				   with ECANCELED */
	M_KV_PUT,		/* u8 flags (KV_*); u64 version; str key; blob:
				   M_KV_DONE */
	M_KV_DELETE,		/* u8 flags; u64 version; str key: M_KV_DONE */
	M_KV_GET,		/* u8 flags; str key: M_KV_DONE */
	M_KV_WATCH,		/* u32 wid (client's number); u8 flags;
				   str prefix: no answer but M_KV_READY */
	M_KV_UNWATCH,		/* u32 wid; no answer */
	M_DGRAM_OPEN,		/* u8 port */
	M_DGRAM_CLOSE,		/* u8 port */
	M_DGRAM_SEND,		/* u16 node, 0: all; u8 port; blob: answered by
				   whether somebody took it */

	/* engine -> client */
	M_WELCOME = 2000,	/* u32 version; u16 node; str cluster; u8 rights;
				   u64 client: the asker's number on this node */
	M_RESULT,		/* u32 errno (0: ok); str text: ends a request */
	M_ROW,			/* u8 n; n x { str name; u8 type; u64 | str } */
	M_VIEW,			/* u64 epoch; u16 leader; u8 quorate; u16 n;
				   n x { u16 node; u64 incarnation; str name } */
	M_GROUP_VIEW,		/* u32 gid; u16 n; n x { u16 node; u64 client } */
	M_GROUP_MSG,		/* u32 gid; u16 node; u64 client; blob */
	M_GROUP_LEFT,		/* u32 gid */
	M_LS_PREP,		/* u32 lsid */
	M_LS_SLOT,		/* u32 lsid; u16 node; u32 slot */
	M_LS_DONE,		/* u32 lsid; u32 our slot; u32 generation; u16 n;
				   n x { u16 node; u32 slot } */
	M_LS_FAILED,		/* u32 lsid; u32 errno; str why */
	M_LS_LEFT,		/* u32 lsid */
	M_AST,			/* u32 lsid; u32 lkid; u32 status; u8 mode;
				   u8 sbflags; u8 unlocked; u8 haslvb; 32 bytes */
	M_BAST,			/* u32 lsid; u32 lkid; u8 mode */
	M_VIEW_CHANGE,		/* u64 epoch; u16 n; n x { u16 node;
				   u64 incarnation; str name } joined; u16 n;
				   n x { the same; u8 enum left_why; str cause }
				   left: just before the M_VIEW it is about */
	M_GROUP_CHANGE,		/* u32 gid; u16 n; n x { u16 node; u64 client }
				   joined; u16 n; n x { the same;
				   u8 enum group_why } left: just before the
				   M_GROUP_VIEW it is about */
	M_GROUP_WANTED,		/* u32 gid; u16 node; u64 client; u32 round:
				   give it the state as of here */
	M_GROUP_SYNC,		/* u32 gid; u32 round: a state as of here will
				   come */
	M_GROUP_PIECE,		/* u32 gid; u32 round; u8 last; blob; round 0:
				   there is no state, begin with a new one */
	M_GROUP_TAKEN,		/* u32 gid; u32 bytes of a piece, ordered */
	M_GROUP_SYNCED,		/* u32 gid; u16 node; u64 client: has state */
	M_EVENT,		/* u32 sid; u64 position; u16 node; u64 client;
				   u8 flags (EVENT_RETAIN: of before the
				   subscription); str topic; blob */
	M_EVENT_READY,		/* u32 sid: what was retained has been told */
	M_LEVEL,		/* u32 lid; u8 enum level_step; u64 round */
	M_KV_DONE,		/* u32 errno; str text; u8 n, 0 or 1; n x ENTRY,
				   which is u64 version; u16 owner's node or 0;
				   u64 owner; str key; blob */
	M_KV_ENTRY,		/* u32 wid; u8 enum kv_what; ENTRY */
	M_KV_READY,		/* u32 wid: all that was there has been told */
	M_DGRAM			/* u8 port; u16 node; u64 client; blob */
};

/* Action of M_FENCE_START. */
enum fence_action { FENCE_OFF = 1 };

/* Flags of M_GROUP_JOIN. */
#define GROUP_STATE	0x01	/* it takes, keeps and gives the state */

/* Of M_GROUP_SEND. */
#define GROUP_SAFE	0x01	/* delivered once every member's node holds it */

/* Why a member is not in its group any more. */
enum group_why { GROUP_LEAVES = 1, GROUP_CLIENT_DIED, GROUP_NODE_LOST };

/* Flags of M_EVENT_PUBLISH and M_EVENT, and of M_EVENT_SUBSCRIBE. */
#define EVENT_RETAIN	0x01	/* keep it as the last event of its topic */
#define SUB_EXACT	0x01	/* the topic itself, not a prefix */
#define SUB_NEWS	0x02	/* nothing that is retained */

/* What a registration at a recovery level is told, and says to be done with. */
enum level_step { LEVEL_STOP = 1, LEVEL_START, LEVEL_FINISH };

/* Flags of M_KV_*. */
#define KV_IF		0x01	/* only at this version; 0: only if absent */
#define KV_EPHEMERAL	0x02	/* it goes with the client that puts it */
#define KV_LOCAL	0x01	/* get: what this node knows, at once */
#define KV_ONCE		0x01	/* watch: it ends when it is ready */

/* What M_KV_ENTRY says of an entry. */
enum kv_what { KV_IS = 1, KV_WAS };

/* Types of a field in M_ROW; libclusterd calls them CL_F_STR and so on. */
enum field_type { FIELD_STR = 1, FIELD_U64, FIELD_BOOL, FIELD_NULL, FIELD_ID };
#define ROW_FIELDS_MAX	24
#define ROW_TEXT_MAX	255	/* bytes of a text: programs have room for it */

/* Rights of a client, from its socket and its credentials. */
#define RIGHT_OBSERVE	0x01	/* show, watch */
#define RIGHT_USE	0x02	/* groups, lockspaces, locks */
#define RIGHT_ADMIN	0x04	/* commands */
#define RIGHT_ROOT	0x08	/* mounts */

#endif /* PROTO_H */
