/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What cluster.yaml means, as one typed structure.  It is built aside by
 * conf_parse(), immutable once committed, and replaced whole.  conf.c,
 * conf_check.c, conf_print.c, conf_msg.c and this header are pure and part of
 * libcore.a; CONF_SRCS (libyaml) are linked by the programs that read the
 * file.
 */

#ifndef CONF_H
#define CONF_H

#include "buf.h"

#define CONF_NODES_MAX		64
#define CONF_LINKS_MAX		8
#define CONF_LEVELS_MAX		9	/* fence levels of one node */
#define CONF_LEVEL_DEVS_MAX	8	/* devices of one level */
#define CONF_DEVICES_MAX	256
#define CONF_OPTIONS_MAX	64	/* options of one device */
#define CONF_FS_MAX		32
#define CONF_NAME_MAX		32	/* bytes of a cluster, node, device name */
#define CONF_FSNAME_MAX		30	/* as mkfs.gfs2 */
#define CONF_ADDR_LEN		64	/* a numeric address, with its NUL */
#define CONF_PATH_LEN		256
#define CONF_HEURISTICS_MAX	8
#define CONF_ARGS_MAX		16	/* of one heuristic, with its program */
#define CONF_ARG_LEN		128

/* Ranges of the durations, inclusive, in microseconds. */
#define CONF_HEARTBEAT_MIN	UINT64_C(10000)
#define CONF_HEARTBEAT_MAX	UINT64_C(60000000)
#define CONF_FAILURE_MIN	UINT64_C(200000)
#define CONF_FAILURE_MAX	UINT64_C(600000000)
#define CONF_FENCE_MIN		UINT64_C(1000000)
#define CONF_FENCE_MAX		UINT64_C(3600000000)
#define CONF_QDEVICE_MIN	UINT64_C(100000)
#define CONF_QDEVICE_MAX	UINT64_C(120000000)
#define CONF_HEURISTIC_MIN	UINT64_C(500000)
#define CONF_HEURISTIC_MAX	UINT64_C(60000000)
#define CONF_QDEVICE_ID_MAX	255	/* highest id of a node, with a device */
#define CONF_JOIN_DELAY_MAX	UINT64_C(3600000000)
#define CONF_TRIES_MAX		10
#define CONF_DSCP_MAX		63
/* What every IPv6 network passes, and what we ask for at most. */
#define CONF_MTU_MIN		1280
#define CONF_MTU_MAX		9000

struct conf_node {
	char		 name[CONF_NAME_MAX + 1];
	uint16_t	 id;		/* 1..65535, never 0 */
	uint8_t		 votes;		/* 0..255, default 1 */
	unsigned	 nlinks;
	char		 links[CONF_LINKS_MAX][CONF_ADDR_LEN]; /* numeric */
	/* Fence levels, tried in order; all devices of a level must succeed. */
	unsigned	 nlevels;
	struct {
		unsigned ndevices;
		uint16_t devices[CONF_LEVEL_DEVS_MAX]; /* into conf.devices */
	}		 levels[CONF_LEVELS_MAX];
};

/*
 * name: value.  A secret belongs in a file (name: {file: PATH}).  A secret
 * that was written inline is kept here for the agent, but the normal form
 * shows {hidden: true} instead, which reads back as an option whose value
 * nobody knows: such a device cannot be run.
 */
struct conf_option {
	char		 name[CONF_NAME_MAX + 1];
	char		 value[CONF_PATH_LEN];	/* or the path of the file */
	bool		 file;			/* value is {file: PATH} */
	bool		 hidden;		/* value is "", and unknown */
};

/* A fence device: one agent with its options, ascending by name. */
struct conf_device {
	char		 name[CONF_NAME_MAX + 1];
	char		 agent[CONF_PATH_LEN];	/* fence_ipmilan, or an absolute path */
	uint64_t	 timeout_us;		/* one run */
	unsigned	 noptions;
	struct conf_option *options;		/* owned */
	/* plug of each target; a node absent here is no target. */
	unsigned	 ntargets;
	struct {
		uint16_t node;			/* node id */
		char	 port[CONF_NAME_MAX + 1]; /* "" = node name */
	}		 targets[CONF_NODES_MAX];
};

struct conf_fs {
	char		 name[CONF_FSNAME_MAX + 1]; /* lock table cluster:name */
	char		 device[CONF_PATH_LEN];
	char		 mount[CONF_PATH_LEN];
};

/* Which links data goes over; the first is the default. */
enum conf_mode { MODE_DUPLICATE = 0, MODE_PASSIVE, MODE_ACTIVE };

struct conf_link {
	char		 name[CONF_NAME_MAX + 1];	/* "": none */
	uint8_t		 priority;	/* the highest carries data; default 0 */
};

enum conf_detect { DETECT_FAST = 0, DETECT_NORMAL, DETECT_WAN };

enum conf_tie { TIE_NONE = 0, TIE_LOWEST, TIE_HIGHEST, TIE_LIST };

enum conf_qdevice { QDEVICE_NONE = 0, QDEVICE_DISK, QDEVICE_WITNESS };

/*
 * A program that this node runs again and again: its score counts as long as
 * the last run ended in time and with status 0.
 */
struct conf_heuristic {
	unsigned	 nargs;
	char		 args[CONF_ARGS_MAX][CONF_ARG_LEN]; /* the first: a path */
	uint8_t		 score;		/* default 1 */
	uint64_t	 interval_us;	/* and time limit; default 2 s */
};

enum conf_loglevel { CONF_LOG_INFO = 0, CONF_LOG_DEBUG };

struct conf {
	char		 cluster[CONF_NAME_MAX + 1];
	unsigned	 nnodes;
	struct conf_node nodes[CONF_NODES_MAX];	/* ascending by id */
	unsigned	 nlinks;		/* the same for every node */

	/* transport */
	uint16_t	 port;			/* UDP, every link; default 5600 */
	char		 keyfile[CONF_PATH_LEN]; /* default /etc/cluster/key */
	enum conf_mode	 mode;			/* default duplicate-on-loss */
	unsigned	 nlinkinfo;		/* as many as links, or none */
	struct conf_link links[CONF_LINKS_MAX];
	uint8_t		 dscp;			/* 0..63; 0: none, default */
	uint16_t	 mtu;			/* largest packet; 0: auto, default */
	bool		 relay;			/* over a third node; default true */

	/* membership */
	enum conf_detect detect;		/* sets the three below */
	uint64_t	 heartbeat_us;		/* between beats on a link */
	uint64_t	 failure_timeout_us;	/* silence before suspicion */
	/* The same while the peer's beat process says that it lives; under
	   failure_timeout_us it has no effect. */
	uint64_t	 stall_timeout_us;

	/* quorum */
	bool		 wait_for_all;		/* default true */
	bool		 two_node;		/* default false */
	bool		 last_man_standing;	/* default false */
	bool		 downscale;		/* default false */
	enum conf_tie	 tie;			/* default none */
	unsigned	 ntie;			/* TIE_LIST: node ids, in order */
	uint16_t	 tie_nodes[CONF_NODES_MAX];
	struct {
		enum conf_qdevice kind;
		uint8_t	 votes;			/* 0: there is none; default 1 */
		uint64_t timeout_us;		/* waited for in a view change;
						   default 10 s, witness 2 s */
		char	 path[CONF_PATH_LEN];	/* disk */
		char	 address[CONF_ADDR_LEN]; /* witness: numeric */
		uint16_t port;			/* witness: TCP; default 5601 */
		/* The device is asked only while their scores reach that. */
		unsigned nheuristics;
		struct conf_heuristic heuristics[CONF_HEURISTICS_MAX];
		uint16_t minimum;		/* default: all scores */
	}		 qdevice;

	/* fencing */
	bool		 fence_manual;		/* `fencing: manual` */
	uint64_t	 fence_timeout_us;	/* default of one run: 60 s */
	unsigned	 fence_tries;		/* rounds per level: 2 */
	uint64_t	 fence_on_join_delay_us; /* after quorum; default 5 s */
	unsigned	 ndevices;
	struct conf_device *devices;		/* owned; ascending by name */

	/* filesystems, ascending by name */
	unsigned	 nfs;
	struct conf_fs	 fs[CONF_FS_MAX];

	/* control */
	char		 admin_group[CONF_NAME_MAX + 1];	/* "" = root only */
	char		 observer_group[CONF_NAME_MAX + 1];	/* "" = everyone */

	enum conf_loglevel log_level;
	uint8_t		 hash[32];	/* BLAKE2b of the normal form */
};

/* Sets the timers of membership as the profile has them. */
void	 conf_profile(struct conf *, enum conf_detect);
/* The profile's stall_timeout, us. */
uint64_t conf_profile_stall(enum conf_detect);
/* The words of the file; NULL for a number outside the enum. */
const char *conf_detect_name(enum conf_detect);
const char *conf_mode_name(enum conf_mode);
/* The common name of a DSCP, or NULL. */
const char *conf_dscp_name(uint8_t);
const char *conf_loglevel_name(enum conf_loglevel);
const char *conf_tie_name(enum conf_tie);	/* NULL for a list, too */
const char *conf_qdevice_name(enum conf_qdevice);
/* Of all heuristics. */
unsigned conf_scores(const struct conf *);

/*
 * Is the text fit for its place?  Cluster: [a-z][a-z0-9_-]{0,31}.  Name (of a
 * node, device, option, group): [A-Za-z0-9_][A-Za-z0-9_-]{0,31}.  Text:
 * UTF-8 without line breaks and control characters.  Path: absolute text.
 * Agent: a path, or a file name.  Addr: only characters of a numeric address.
 */
bool	 conf_cluster_ok(const char *);
bool	 conf_name_ok(const char *);
bool	 conf_fsname_ok(const char *);
bool	 conf_text_ok(const char *);
bool	 conf_path_ok(const char *);
bool	 conf_agent_ok(const char *);
bool	 conf_addr_ok(const char *);
/* True for names whose value is a secret: password, passwd, community, ... */
bool	 conf_option_secret(const char *name);

/* Defaults everywhere; the caller owns it; conf_free() also frees it. */
struct conf *conf_new(void);
void	 conf_free(struct conf *);

/* By id or name; NULL if there is none. Index of a node, or -1. */
const struct conf_node *conf_node(const struct conf *, uint16_t id);
const struct conf_node *conf_node_byname(const struct conf *, const char *);
int	 conf_node_index(const struct conf *, uint16_t id);
/* Index of a device by name, or -1. */
int	 conf_device_index(const struct conf *, const char *);
/* The device's target entry for a node id, as an index, or -1. */
int	 conf_device_target(const struct conf_device *, uint16_t id);

/*
 * conf_check.c.  One thing that is wrong between parts of the file.  Paths
 * are as in "nodes.beta.links[1]"; other is the earlier place of a pair.
 */
struct conf_finding {
	char	 code[8];	/* "E023", "W071" */
	char	 path[128];
	char	 other[128];	/* "" = none */
	char	 text[256];
	char	 fix[192];	/* "" = none */
};

/*
 * Calls report for every finding.  With partial, the structure comes from a
 * file with errors: members left at zero are skipped, and so are the checks
 * that need the whole picture.
 */
void	 conf_check(const struct conf *, bool partial,
	    void (*report)(void *, const struct conf_finding *), void *);
/* Every member by itself is in its range (conf_check looks between them). */
bool	 conf_valid(const struct conf *);

/*
 * Errors of one file.  Printed as FILE:LINE:COL: error Ennn: text, the source
 * line, a marker and a fix.
 */
struct conf_error {
	char	 code[8];		/* "E004", "W071" */
	unsigned line, col, endcol;	/* from 1; 0 = the file as a whole */
	char	 text[512];
	char	 fix[256];		/* "" = none */
	bool	 hint;			/* fix is short: behind the marker */
	bool	 secret;		/* the source line is not shown */
};
#define CONF_ERRORS_MAX	20

struct conf_errors {
	unsigned	  n;
	unsigned	  nerrors;	/* n minus warnings */
	unsigned	  dropped;	/* found, but not kept */
	struct conf_error e[CONF_ERRORS_MAX];
};

/*
 * conf_yaml.c.  Parses text (len bytes, not NUL-terminated).  Returns a new
 * structure the caller frees, or NULL when there was at least one error;
 * errs holds errors and warnings, ordered by line, either way.
 */
struct conf *conf_parse(const char *text, size_t len, struct conf_errors *errs);
/* Reads and parses the file; a missing or unreadable file is an error E080. */
struct conf *conf_load(const char *path, struct conf_errors *errs,
	    char **text, size_t *len);
/* Formats every entry of errs into out, as described above. */
void	 conf_errors_print(const struct conf_errors *, const char *path,
	    const char *text, size_t len, struct wbuf *out);

/*
 * What `clusterd -n` does: reads the file, prints errors and warnings to
 * standard error, and with print the normal form to standard output.  Returns
 * the exit status: 0, 65 (the configuration has errors), 66 (no such file).
 */
int	 conf_check_main(const char *path, bool print);

/* conf_print.c: the normal form, which conf_parse() accepts again. */
void	 conf_print(const struct conf *, struct wbuf *out);
/* conf.c: fills in hash from the normal form. */
void	 conf_hash(struct conf *);

/*
 * conf_msg.c: the structure as bytes, for our own processes.  With secrets
 * false, options that are secrets or name files are left out entirely; hash
 * travels as it is, so it stays that of the whole file.  The bytes of a large
 * file exceed MSG_MAX: pass them in a memfd.
 */
void	 conf_encode(const struct conf *, bool secrets, struct wbuf *);
struct conf *conf_decode(const void *, size_t);	/* NULL if malformed */

#endif /* CONF_H */
