/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The configuration as a structure: its defaults, its life, look-ups, the
 * shape of its names, and its hash.
 *
 * C1.  nodes ascend by id; devices, options and filesystems ascend by name,
 *      targets by node id.  So two files that say the same in another order
 *      have one normal form and one hash.
 * C2.  The hash covers the normal form and therefore no secret: a changed
 *      password changes nothing that members compare with each other.
 */

#include <sodium.h>

#include "conf.h"

/* Above any normal form that can come from a file within its limits. */
#define PRINT_MAX (16 * 1024 * 1024)

static const struct {
	const char *name;
	uint64_t heartbeat_us;
	uint64_t failure_timeout_us;
	uint64_t stall_timeout_us;
} profiles[] = {
	[DETECT_FAST] = { "fast", 50000, 400000, 1500000 },
	[DETECT_NORMAL] = { "normal", 100000, 700000, 3000000 },
	[DETECT_WAN] = { "wan", 500000, 5000000, 15000000 },
};

static const char *const loglevels[] = {
	[CONF_LOG_INFO] = "info",
	[CONF_LOG_DEBUG] = "debug",
};

/*
 * The timers go together, so that nobody has to know how they depend on
 * each other; explicit values in the file replace them afterwards.
 */
void
conf_profile(struct conf *c, enum conf_detect detect)
{
	ASSERT((size_t)detect < NITEMS(profiles));
	c->detect = detect;
	c->heartbeat_us = profiles[detect].heartbeat_us;
	c->failure_timeout_us = profiles[detect].failure_timeout_us;
	c->stall_timeout_us = profiles[detect].stall_timeout_us;
}

uint64_t
conf_profile_stall(enum conf_detect detect)
{
	ASSERT((size_t)detect < NITEMS(profiles));
	return profiles[detect].stall_timeout_us;
}

const char *
conf_detect_name(enum conf_detect detect)
{
	if ((size_t)detect >= NITEMS(profiles))
		return NULL;
	return profiles[detect].name;
}

const char *
conf_loglevel_name(enum conf_loglevel level)
{
	if ((size_t)level >= NITEMS(loglevels))
		return NULL;
	return loglevels[level];
}

const char *
conf_mode_name(enum conf_mode mode)
{
	static const char *const modes[] = { "duplicate-on-loss", "passive",
		"active" };

	return (size_t)mode < NITEMS(modes) ? modes[mode] : NULL;
}

/* RFC 2474, 2597, 3246, 5865. */
const char *
conf_dscp_name(uint8_t dscp)
{
	static const char *const names[CONF_DSCP_MAX + 1] = { [0] = "cs0",
		[8] = "cs1",
		[16] = "cs2",
		[24] = "cs3",
		[32] = "cs4",
		[40] = "cs5",
		[48] = "cs6",
		[56] = "cs7",
		[10] = "af11",
		[12] = "af12",
		[14] = "af13",
		[18] = "af21",
		[20] = "af22",
		[22] = "af23",
		[26] = "af31",
		[28] = "af32",
		[30] = "af33",
		[34] = "af41",
		[36] = "af42",
		[38] = "af43",
		[44] = "va",
		[46] = "ef" };

	return dscp <= CONF_DSCP_MAX ? names[dscp] : NULL;
}

const char *
conf_tie_name(enum conf_tie tie)
{
	static const char *const ties[] = { "none", "lowest", "highest" };

	return (size_t)tie < NITEMS(ties) ? ties[tie] : NULL;
}

const char *
conf_qdevice_name(enum conf_qdevice kind)
{
	static const char *const kinds[] = { "none", "disk", "witness" };

	return (size_t)kind < NITEMS(kinds) ? kinds[kind] : NULL;
}

unsigned
conf_scores(const struct conf *c)
{
	unsigned i, sum = 0;

	for (i = 0; i < c->qdevice.nheuristics; i++)
		sum += c->qdevice.heuristics[i].score;
	return sum;
}

/*
 * Leaves what has no default (names, nodes, fencing) empty: conf_valid() says
 * so until it is filled in.
 */
struct conf *
conf_new(void)
{
	struct conf *c;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->port = 5600;
	strlcpy(c->keyfile, "/etc/cluster/key", sizeof(c->keyfile));
	conf_profile(c, DETECT_NORMAL);
	c->relay = true;
	c->wait_for_all = true;
	c->fence_timeout_us = 60000000;
	c->fence_tries = 2;
	c->fence_on_join_delay_us = 5000000;
	c->log_level = CONF_LOG_INFO;
	return c;
}

/* memset() alone would be optimized away in front of free(). */
static void
wipe(void *p, size_t len)
{
	volatile uint8_t *b = p;

	while (len-- > 0)
		*b++ = 0;
}

/* Option values may be passwords, so they do not stay in freed memory. */
void
conf_free(struct conf *c)
{
	unsigned i;

	if (c == NULL)
		return;
	for (i = 0; i < c->ndevices; i++) {
		struct conf_device *d = &c->devices[i];

		if (d->options != NULL)
			wipe(d->options, d->noptions * sizeof(*d->options));
		free(d->options);
	}
	free(c->devices);
	free(c);
}

/* At most 64 nodes: a linear search is as good as any. */
int
conf_node_index(const struct conf *c, uint16_t id)
{
	unsigned i;

	for (i = 0; i < c->nnodes; i++) {
		if (c->nodes[i].id == id)
			return (int)i;
	}
	return -1;
}

const struct conf_node *
conf_node(const struct conf *c, uint16_t id)
{
	int i = conf_node_index(c, id);

	return i == -1 ? NULL : &c->nodes[i];
}

const struct conf_node *
conf_node_byname(const struct conf *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->nnodes; i++) {
		if (strcmp(c->nodes[i].name, name) == 0)
			return &c->nodes[i];
	}
	return NULL;
}

int
conf_device_index(const struct conf *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->ndevices; i++) {
		if (strcmp(c->devices[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

int
conf_device_target(const struct conf_device *d, uint16_t id)
{
	unsigned i;

	for (i = 0; i < d->ntargets; i++) {
		if (d->targets[i].node == id)
			return (int)i;
	}
	return -1;
}

void
conf_hash(struct conf *c)
{
	struct wbuf w;

	/*
	 * Out of memory leaves the hash of nothing, which equals no other
	 * node's: the node stays out of the cluster, which is the safe side.
	 */
	memset(c->hash, 0, sizeof(c->hash));
	wbuf_init(&w, PRINT_MAX);
	conf_print(c, &w);
	if (!w.err)
		crypto_generichash(c->hash, sizeof(c->hash), w.data, w.len,
		    NULL, 0);
	wbuf_free(&w);
}

static bool
is_lower(char ch)
{
	return ch >= 'a' && ch <= 'z';
}

/* Not isalnum(): a name must not depend on the locale of a node. */
static bool
is_alnum(char ch)
{
	return is_lower(ch) || (ch >= 'A' && ch <= 'Z') ||
	    (ch >= '0' && ch <= '9');
}

/* Every character is a letter, a digit, or one of also. */
static bool
made_of(const char *s, size_t max, const char *also)
{
	size_t i, len = strlen(s);

	if (len == 0 || len > max)
		return false;
	for (i = 0; i < len; i++) {
		if (!is_alnum(s[i]) && strchr(also, s[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * No dot: names are parts of key paths such as nodes.alpha.id.  No leading
 * dash: names become arguments of programs.
 */
bool
conf_name_ok(const char *s)
{
	return made_of(s, CONF_NAME_MAX, "_-") && s[0] != '-';
}

/* Narrower than other names, because it is half of every lock table on disk. */
bool
conf_cluster_ok(const char *s)
{
	size_t i;

	if (!conf_name_ok(s) || !is_lower(s[0]))
		return false;
	for (i = 0; s[i] != '\0'; i++) {
		if (s[i] >= 'A' && s[i] <= 'Z')
			return false;
	}
	return true;
}

/* The other half of the lock table; mkfs.gfs2 has the same limit. */
bool
conf_fsname_ok(const char *s)
{
	return made_of(s, CONF_FSNAME_MAX, "_-") && s[0] != '-';
}

/*
 * The shape only.  The reader of the file has parsed the address and written
 * it in its one canonical spelling; a decoder needs no more than this to be
 * safe, since sockets parse it again.
 */
bool
conf_addr_ok(const char *s)
{
	size_t i, len = strlen(s);

	if (len < 2 || len >= CONF_ADDR_LEN)
		return false;
	for (i = 0; i < len; i++) {
		if (strchr("0123456789abcdef:.", s[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * Decodes one UTF-8 sequence; returns its length, or 0 if it is none (also
 * for the overlong, the surrogates, and anything above U+10FFFF).
 */
static size_t
utf8_get(const uint8_t *p, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i, n;

	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	*cp = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff ||
	    (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

/*
 * What passes here can be printed in double quotes and read back unchanged,
 * and handed to a fence agent as one line.
 */
bool
conf_text_ok(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint32_t cp;
	size_t n;

	for (; *p != '\0'; p += n) {
		n = utf8_get(p, &cp);
		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return false;
		/* The other line breaks of YAML, and what it cannot hold. */
		if (cp == 0x2028 || cp == 0x2029 || cp == 0xfeff ||
		    cp == 0xfffe || cp == 0xffff)
			return false;
	}
	return true;
}

bool
conf_path_ok(const char *s)
{
	return s[0] == '/' && conf_text_ok(s);
}

/*
 * A bare name is looked up among the installed agents, so it must not leave
 * their folder.
 */
bool
conf_agent_ok(const char *s)
{
	if (s[0] == '/')
		return conf_text_ok(s);
	return made_of(s, CONF_PATH_LEN - 1, "_-.") && s[0] != '-' &&
	    s[0] != '.';
}

static bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

/*
 * By the ends of the names that fence agents use (snmp_priv_passwd, ...), but
 * not password_script and the like, which are paths.
 */
bool
conf_option_secret(const char *name)
{
	return ends_with(name, "password") || ends_with(name, "passwd") ||
	    ends_with(name, "secret") || ends_with(name, "token") ||
	    strcmp(name, "community") == 0;
}
