/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The table of keys and the walk over it.  A key that is not in the table is
 * an error, also when a later version will know it: what is written in the
 * file is in force, or the file is refused.
 *
 * S1.  Sections are read in the order of the table, not of the file, so that
 *      fencing may name nodes and levels may name devices.
 * S2.  Names are looked up after their section is complete and sorted.
 */

#include "conf_yaml.h"

static const char *const detect_words[] = { "fast", "normal", "wan", NULL };
static const char *const tie_words[] = { "none", "lowest", "highest", NULL };
static const char *const level_words[] = { "info", "debug", NULL };
_Static_assert(DETECT_FAST == 0 && DETECT_WAN == 2, "order of detect_words");
_Static_assert(TIE_NONE == 0 && TIE_HIGHEST == 2, "order of tie_words");
_Static_assert(CONF_LOG_INFO == 0 && CONF_LOG_DEBUG == 1,
    "order of level_words");

static void set_schema(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_nodes(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_detect(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_tie(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_filesystems(struct walk *, const struct key *,
    const struct ynode *, void *);

static const struct key node_keys[] = {
	{ .name = "id",
	    .set = set_uint,
	    MEMBER(conf_node, id),
	    .min = 1,
	    .max = 65535,
	    .required = true,
	    .example = "id: 1 (a number of its own for every node, never "
		       "changed)" },
	{ .name = "links",
	    .set = set_links,
	    .required = true,
	    .example = "links: [10.0.0.1] (one address per link)" },
	{ .name = "votes",
	    .set = set_uint,
	    MEMBER(conf_node, votes),
	    .max = 255 },
	{ .name = NULL },
};

/* detect comes first: it sets the others. */
static const struct key membership_keys[] = {
	{ .name = "detect",
	    .set = set_detect,
	    MEMBER(conf, detect),
	    .words = detect_words },
	{ .name = "heartbeat",
	    .set = set_duration,
	    MEMBER(conf, heartbeat_us),
	    .min = CONF_HEARTBEAT_MIN,
	    .max = CONF_HEARTBEAT_MAX },
	/* Below 200ms is E041, with its reason, from conf_check(). */
	{ .name = "failure_timeout",
	    .set = set_duration,
	    MEMBER(conf, failure_timeout_us),
	    .min = 1000,
	    .max = CONF_FAILURE_MAX },
	{ .name = "stall_timeout",
	    .set = set_duration,
	    MEMBER(conf, stall_timeout_us),
	    .min = 1000,
	    .max = CONF_FAILURE_MAX },
	{ .name = NULL },
};

static const struct key quorum_keys[] = {
	{ .name = "wait_for_all", .set = set_bool, MEMBER(conf, wait_for_all) },
	{ .name = "two_node", .set = set_bool, MEMBER(conf, two_node) },
	{ .name = "last_man_standing",
	    .set = set_bool,
	    MEMBER(conf, last_man_standing) },
	{ .name = "downscale", .set = set_bool, MEMBER(conf, downscale) },
	{ .name = "tie_breaker",
	    .set = set_tie,
	    MEMBER(conf, tie),
	    .words = tie_words },
	{ .name = "device", .set = set_qdevice },
	{ .name = NULL },
};

static const struct key fs_keys[] = {
	{ .name = "device",
	    .set = set_text,
	    MEMBER(conf_fs, device),
	    .required = true,
	    .ok = conf_path_ok,
	    .code = "E008",
	    .rule = "an absolute path",
	    .example = "device: /dev/DISK" },
	{ .name = "mount",
	    .set = set_text,
	    MEMBER(conf_fs, mount),
	    .required = true,
	    .ok = conf_path_ok,
	    .code = "E008",
	    .rule = "an absolute path",
	    .example = "mount: /srv/data" },
	{ .name = NULL },
};

static const struct key log_keys[] = {
	{ .name = "level",
	    .set = set_word,
	    MEMBER(conf, log_level),
	    .words = level_words },
	{ .name = NULL },
};

static const struct key control_keys[] = {
	{ .name = "admin_group",
	    .set = set_text,
	    MEMBER(conf, admin_group),
	    .ok = conf_name_ok,
	    .code = "E020",
	    .rule = "a group name" },
	{ .name = "observer_group",
	    .set = set_text,
	    MEMBER(conf, observer_group),
	    .ok = conf_name_ok,
	    .code = "E020",
	    .rule = "a group name" },
	{ .name = NULL },
};

static const struct key root_keys[] = {
	{ .name = "schema", .set = set_schema },
	{ .name = "cluster",
	    .set = set_text,
	    MEMBER(conf, cluster),
	    .required = true,
	    .ok = conf_cluster_ok,
	    .code = "E020",
	    .rule = "1 to 32 of a-z, 0-9, _ and -, starting with a letter",
	    .example = "cluster: NAME" },
	{ .name = "nodes",
	    .set = set_nodes,
	    .required = true,
	    .example = "nodes: {NAME: {id: 1, links: [ADDRESS]}}" },
	{ .name = "transport", .set = set_map, .sub = transport_keys },
	{ .name = "membership", .set = set_map, .sub = membership_keys },
	{ .name = "quorum", .set = set_map, .sub = quorum_keys },
	{ .name = "fencing",
	    .set = set_fencing,
	    .required = true,
	    .example = "fencing: manual (an operator confirms every lost "
		       "node), or a map with devices and levels" },
	{ .name = "filesystems", .set = set_filesystems },
	{ .name = "log", .set = set_map, .sub = log_keys },
	{ .name = "control", .set = set_map, .sub = control_keys },
	{ .name = NULL },
};

/* Where a key may belong that stands in the wrong section. */
static const struct {
	const char *section;
	const struct key *keys;
} sections[] = {
	{ "transport", transport_keys },
	{ "membership", membership_keys },
	{ "quorum", quorum_keys },
	{ "fencing", fencing_keys },
	{ "log", log_keys },
	{ "control", control_keys },
};

/* Planned keys; * stands for a name. */
static const char *const planned[] = {
	"transport.crypto",
	"membership.per_node",
	"membership.link_retry",
	"fencing.watchdog",
	"dlm",
	"filesystems.*.nodes",
	"filesystems.*.options",
	"filesystems.*.on_error",
	"filesystems.*.on_quorum_loss",
	"filesystems.*.auto",
	"log.to",
	"log.modules",
	"events",
	"metrics",
	"providers",
};

/* * stands for one part of the path, whatever it is. */
static bool
path_matches(const char *path, const char *pattern)
{
	while (*path != '\0' && *pattern != '\0') {
		if (*pattern == '*') {
			path += strcspn(path, ".");
			pattern++;
		} else if (*path++ != *pattern++) {
			return false;
		}
	}
	return *path == *pattern;
}

/* Only keys that would be right in this place are offered first. */
static const char *
nearest_key(const struct key *keys, const char *name)
{
	unsigned best = conf_near_limit(name);
	const char *near = NULL;

	for (; keys->name != NULL; keys++) {
		if (conf_nearer(name, keys->name, &best))
			near = keys->name;
	}
	return near;
}

/* A known key in the wrong section is a common slip, often of indentation. */
static const char *
section_of(const char *name)
{
	const struct key *k;
	size_t i;

	for (i = 0; i < NITEMS(sections); i++) {
		for (k = sections[i].keys; k->name != NULL; k++) {
			if (strcmp(k->name, name) == 0)
				return sections[i].section;
		}
	}
	return NULL;
}

/*
 * The most helpful thing first: a key that comes later, a typing error, a
 * key that belongs elsewhere.
 */
static void
unknown_key(struct walk *w, const struct ynode *y, const struct key *keys)
{
	char path[YPATH_LEN];
	const char *name = y->key->text, *near;
	struct conf_error *e;
	size_t i;

	if (strcmp(name, "<<") == 0 && y->key->plain) {
		report_fix(report_add(w->r, "E003", y->key->at,
			       "merge keys (<<) are not allowed"),
		    "write the values out");
		return;
	}
	ynode_path(y, path, sizeof(path));
	e = report_add(w->r, "E004", y->key->at, "unknown key \"%s\"", path);
	for (i = 0; i < NITEMS(planned); i++) {
		if (path_matches(path, planned[i])) {
			report_hint(e, "planned, not available yet");
			return;
		}
	}
	near = nearest_key(keys, name);
	if (near != NULL) {
		report_hint(e, "did you mean \"%s\"?", near);
		return;
	}
	near = section_of(name);
	if (near != NULL)
		report_hint(e, "it belongs to \"%s\"", near);
}

/*
 * Names every unknown key, then reads the known ones in the order of the
 * table (S1), then names what is missing.
 */
void
walk_map(struct walk *w, const struct ynode *map, const struct key *keys,
    void *obj)
{
	const struct key *k;
	const struct ynode *y;
	char path[YPATH_LEN];
	bool root = map->parent == NULL;

	if (!walk_kind(w, map, Y_MAP, "a map of KEY: VALUE"))
		return;
	STAILQ_FOREACH(y, &map->items, entry) {
		for (k = keys; k->name != NULL; k++) {
			if (strcmp(k->name, y->key->text) == 0)
				break;
		}
		if (root && strncmp(y->key->text, "x-", 2) == 0)
			continue;
		if (k->name == NULL)
			unknown_key(w, y, keys);
	}
	for (k = keys; k->name != NULL; k++) {
		y = ynode_get(map, k->name);
		if (y != NULL) {
			k->set(w, k, y, obj);
			continue;
		}
		if (!k->required)
			continue;
		ynode_path(map, path, sizeof(path));
		report_fix(report_add(w->r, "E009", ynode_place(map),
			       "%s%s%s is required", root ? "" : path,
			       root ? "" : ".", k->name),
		    "add  %s", k->example);
	}
}

/* A file for a later clusterd is told apart from a typing error. */
static void
set_schema(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	static const struct key number = { .set = set_uint,
		.size = sizeof(uint32_t),
		.max = UINT32_MAX };
	uint32_t v = 0;
	unsigned before = w->r->nerrors;

	set_uint(w, &number, y, &v);
	if (v == 1 || w->r->nerrors != before)
		return;
	report_fix(report_add(w->r, "E011", y->at,
		       "schema is %u, this clusterd reads schema 1", v),
	    "write schema: 1, or use the clusterd that the file is for");
}

static void
set_detect(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	set_word(w, k, y, obj);
	conf_profile(w->c, w->c->detect);
}

/* One node of the list; errors name it, and what may be written (S2). */
static void
tie_item(struct walk *w, const struct ynode *y)
{
	const struct conf_node *n;
	struct conf *c = w->c;
	char path[YPATH_LEN];
	const char *s;
	unsigned i;

	s = walk_scalar(w, y, "the name of a node");
	if (s == NULL)
		return;
	ynode_path(y, path, sizeof(path));
	n = conf_node_byname(c, s);
	if (n == NULL) {
		report_add(w->r, "E054", y->at, "%s is \"%.60s\", not a node",
		    path, s);
		return;
	}
	for (i = 0; i < c->ntie; i++) {
		if (c->tie_nodes[i] == n->id && n->id != 0) {
			report_add(w->r, "E054", y->at,
			    "%s is \"%s\", which is in the list already", path,
			    s);
			return;
		}
	}
	c->tie_nodes[c->ntie++] = n->id;
}

/* A word, or a list of nodes in the order of preference. */
static void
set_tie(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	const struct ynode *item;
	struct conf *c = w->c;

	if (y->kind != Y_SEQ) {
		set_word(w, k, y, obj);
		return;
	}
	if (!walk_count(w, y, CONF_NODES_MAX))
		return;
	c->tie = TIE_LIST;
	if (y->nitems == 0)
		report_fix(report_add(w->r, "E009", ynode_place(y),
			       "quorum.tie_breaker is an empty list"),
		    "name a node, or write none, lowest or highest");
	STAILQ_FOREACH(item, &y->items, entry)
		tie_item(w, item);
}

/* Nodes whose id was refused have id 0; their names keep the order stable. */
static int
node_by_id(const void *pa, const void *pb)
{
	const struct conf_node *a = pa, *b = pb;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return strcmp(a->name, b->name);
}

/*
 * A node with errors is kept, so that fencing may name it and one mistake
 * does not look like three.
 */
static void
set_nodes(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	const struct ynode *item;
	struct conf_node *n;
	struct conf *c = w->c;

	if (!walk_kind(w, y, Y_MAP, "a map of NAME: {id: ..., links: [...]}"))
		return;
	if (y->nitems == 0)
		report_fix(report_add(w->r, "E009", ynode_place(y),
			       "nodes is empty: at least one node is required"),
		    "add  NAME: {id: 1, links: [ADDRESS]}");
	if (!walk_count(w, y, CONF_NODES_MAX))
		return;
	STAILQ_FOREACH(item, &y->items, entry) {
		n = &c->nodes[c->nnodes++];
		n->votes = 1;
		walk_name(w, item, n->name, sizeof(n->name));
		walk_map(w, item, node_keys, n);
	}
	qsort(c->nodes, c->nnodes, sizeof(c->nodes[0]), node_by_id);
	if (c->nnodes > 0)
		c->nlinks = c->nodes[0].nlinks;
}

static int
fs_by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_fs *)a)->name,
	    ((const struct conf_fs *)b)->name);
}

static void
set_filesystems(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	const struct ynode *item;
	struct conf *c = w->c;
	struct conf_fs *fs;

	if (!walk_kind(w, y, Y_MAP, "a map of NAME: {device: ..., mount: ...}"))
		return;
	if (!walk_count(w, y, CONF_FS_MAX))
		return;
	STAILQ_FOREACH(item, &y->items, entry) {
		fs = &c->fs[c->nfs++];
		if (conf_fsname_ok(item->key->text))
			strlcpy(fs->name, item->key->text, sizeof(fs->name));
		else
			report_fix(report_add(w->r, "E021", item->key->at,
				       "\"%.60s\" cannot be the name of a "
				       "filesystem",
				       item->key->text),
			    "1 to %d letters, digits, _ and -, as in its lock "
			    "table CLUSTER:NAME",
			    CONF_FSNAME_MAX);
		walk_map(w, item, fs_keys, fs);
	}
	qsort(c->fs, c->nfs, sizeof(c->fs[0]), fs_by_name);
}

/* Everything below the root happens in the setters of the tables. */
void
schema_walk(struct walk *w)
{
	walk_map(w, w->root, root_keys, w->c);
}
