/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The section fencing: one word, or timers, devices and levels.  Devices name
 * nodes (targets), levels name nodes and devices; each name is looked up here
 * and kept as a node id or a device index.
 */

#include "conf_yaml.h"

static void set_devices(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_levels(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_options(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_targets(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_hidden(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_port(struct walk *, const struct key *, const struct ynode *,
    void *);

/* timeout comes before devices: it is their default. */
const struct key fencing_keys[] = {
	{ .name = "timeout",
	    .set = set_duration,
	    MEMBER(conf, fence_timeout_us),
	    .min = CONF_FENCE_MIN,
	    .max = CONF_FENCE_MAX },
	{ .name = "tries",
	    .set = set_uint,
	    MEMBER(conf, fence_tries),
	    .min = 1,
	    .max = CONF_TRIES_MAX },
	{ .name = "on_join_delay",
	    .set = set_duration,
	    MEMBER(conf, fence_on_join_delay_us),
	    .max = CONF_JOIN_DELAY_MAX },
	{ .name = "devices", .set = set_devices },
	{ .name = "levels", .set = set_levels },
	{ .name = NULL },
};

static const struct key device_keys[] = {
	{ .name = "agent",
	    .set = set_text,
	    MEMBER(conf_device, agent),
	    .required = true,
	    .ok = conf_agent_ok,
	    .code = "E008",
	    .rule = "the name of a fence agent, or its absolute path",
	    .example = "agent: fence_ipmilan" },
	{ .name = "timeout",
	    .set = set_duration,
	    MEMBER(conf_device, timeout_us),
	    .min = CONF_FENCE_MIN,
	    .max = CONF_FENCE_MAX },
	{ .name = "options", .set = set_options },
	{ .name = "targets",
	    .set = set_targets,
	    .required = true,
	    .example = "targets: {NODE: {}} (the nodes it can switch off)" },
	{ .name = NULL },
};

static const struct key option_keys[] = {
	{ .name = "file",
	    .set = set_text,
	    MEMBER(conf_option, value),
	    .ok = conf_path_ok,
	    .code = "E008",
	    .rule = "an absolute path" },
	{ .name = "hidden", .set = set_hidden },
	{ .name = NULL },
};

static const struct key target_keys[] = {
	{ .name = "port", .set = set_port, .size = CONF_NAME_MAX + 1 },
	{ .name = NULL },
};

/* The index of the node that the text names, or -1 and E060. */
static int
find_node(struct walk *w, const struct ynode *y, const char *name,
    struct yplace at)
{
	const struct conf *c = w->c;
	char path[YPATH_LEN];
	const char *near = NULL;
	struct conf_error *e;
	unsigned i, best = conf_near_limit(name);

	for (i = 0; i < c->nnodes; i++) {
		if (strcmp(c->nodes[i].name, name) == 0)
			return (int)i;
		if (conf_nearer(name, c->nodes[i].name, &best))
			near = c->nodes[i].name;
	}
	e = report_add(w->r, "E060", at, "%s names \"%.60s\", which is no node",
	    ynode_path(y, path, sizeof(path)), name);
	if (near != NULL)
		report_hint(e, "did you mean \"%s\"?", near);
	return -1;
}

/* Devices are complete and sorted here (S2), so an index stays valid. */
static int
find_device(struct walk *w, const struct ynode *y, const char *name)
{
	const struct conf *c = w->c;
	char path[YPATH_LEN];
	const char *near = NULL;
	struct conf_error *e;
	unsigned i, best = conf_near_limit(name);

	for (i = 0; i < c->ndevices; i++) {
		if (strcmp(c->devices[i].name, name) == 0)
			return (int)i;
		if (conf_nearer(name, c->devices[i].name, &best))
			near = c->devices[i].name;
	}
	e = report_add(w->r, "E060", y->at,
	    "%s names \"%.60s\", which is no device",
	    ynode_path(y, path, sizeof(path)), name);
	if (near != NULL)
		report_hint(e, "did you mean \"%s\"?", near);
	return -1;
}

/* What the normal form prints for a secret; it stands alone. */
static void
set_hidden(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf_option *o = obj;
	const char *s;

	s = walk_scalar(w, y, "true");
	if (s == NULL)
		return;
	if (strcmp(s, "true") == 0 && ynode_get(y->parent, "file") == NULL) {
		o->hidden = true;
		return;
	}
	report_fix(report_add(w->r, "E005", y->at,
		       "only {hidden: true} alone stands for a withheld value"),
	    "write {file: PATH}");
}

/* A scalar of any style is text: agents have their own types. */
static void
set_option(struct walk *w, const struct ynode *y, struct conf_option *o)
{
	struct key text = { .set = set_text,
		MEMBER(conf_option, value),
		.ok = conf_text_ok,
		.code = "E008",
		.rule = "one line of text without control characters" };
	char path[YPATH_LEN];

	if (y->kind != Y_MAP) {
		text.secret = conf_option_secret(y->key->text);
		set_text(w, &text, y, o);
		return;
	}
	walk_map(w, y, option_keys, o);
	o->file = ynode_get(y, "file") != NULL;
	if (o->file || ynode_get(y, "hidden") != NULL)
		return;
	report_fix(report_add(w->r, "E009", ynode_place(y),
		       "%s is a map without \"file\"",
		       ynode_path(y, path, sizeof(path))),
	    "write a value, or {file: PATH}");
}

/* C1: the order of options in the file means nothing. */
static int
option_by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_option *)a)->name,
	    ((const struct conf_option *)b)->name);
}

static void
set_options(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf_device *d = obj;
	const struct ynode *item;

	if (!walk_kind(w, y, Y_MAP, "a map of OPTION: VALUE") ||
	    !walk_count(w, y, CONF_OPTIONS_MAX) || y->nitems == 0)
		return;
	d->options = calloc(y->nitems, sizeof(*d->options));
	if (d->options == NULL) {
		report_add(w->r, "E010", y->at, "out of memory");
		return;
	}
	STAILQ_FOREACH(item, &y->items, entry) {
		struct conf_option *o = &d->options[d->noptions++];

		walk_name(w, item, o->name, sizeof(o->name));
		set_option(w, item, o);
	}
	qsort(d->options, d->noptions, sizeof(*d->options), option_by_name);
}

/* Not empty: "" stands for the name of the node. */
static bool
port_ok(const char *s)
{
	return s[0] != '\0' && conf_text_ok(s);
}

static void
set_port(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	struct key text = *k;

	text.ok = port_ok;
	text.code = "E008";
	text.rule = "the plug of the node as its device calls it";
	set_text(w, &text, y, obj);
}

static int
by_u16(const void *pa, const void *pb)
{
	uint16_t a, b;

	/* The node id is the first member of a target. */
	memcpy(&a, pa, sizeof(a));
	memcpy(&b, pb, sizeof(b));
	return a < b ? -1 : a > b;
}

/* Ids may be 0 or equal here when nodes has errors; nothing is used then. */
static void
set_targets(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf_device *d = obj;
	const struct ynode *item;
	char path[YPATH_LEN];
	int i;

	if (!walk_kind(w, y, Y_MAP, "a map of NODE: {} or NODE: {port: PLUG}"))
		return;
	if (y->nitems == 0)
		report_fix(report_add(w->r, "E009", ynode_place(y),
			       "%s is empty: at least one node is required",
			       ynode_path(y, path, sizeof(path))),
		    "add  NODE: {}");
	STAILQ_FOREACH(item, &y->items, entry) {
		i = find_node(w, y, item->key->text, item->key->at);
		/* A key given twice has its error already. */
		if (i == -1 || d->ntargets == CONF_NODES_MAX)
			continue;
		d->targets[d->ntargets].node = w->c->nodes[i].id;
		walk_map(w, item, target_keys, d->targets[d->ntargets].port);
		d->ntargets++;
	}
	qsort(d->targets, d->ntargets, sizeof(d->targets[0]), by_u16);
}

static int
device_by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_device *)a)->name,
	    ((const struct conf_device *)b)->name);
}

/* A device with errors is kept, so that levels may name it. */
static void
set_devices(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf *c = w->c;
	const struct ynode *item;

	if (!walk_kind(w, y, Y_MAP,
		"a map of NAME: {agent: ..., targets: {...}}") ||
	    !walk_count(w, y, CONF_DEVICES_MAX) || y->nitems == 0)
		return;
	c->devices = calloc(y->nitems, sizeof(*c->devices));
	if (c->devices == NULL) {
		report_add(w->r, "E010", y->at, "out of memory");
		return;
	}
	STAILQ_FOREACH(item, &y->items, entry) {
		struct conf_device *d = &c->devices[c->ndevices++];

		d->timeout_us = c->fence_timeout_us;
		walk_name(w, item, d->name, sizeof(d->name));
		walk_map(w, item, device_keys, d);
	}
	qsort(c->devices, c->ndevices, sizeof(*c->devices), device_by_name);
}

/* One level: the devices that must all succeed. */
static void
set_level(struct walk *w, const struct ynode *y, struct conf_node *n)
{
	unsigned j, l = n->nlevels, ndevices = 0;
	const struct ynode *item;
	char path[YPATH_LEN];
	const char *name;
	int d;

	if (!walk_kind(w, y, Y_SEQ,
		"a list of levels, each a list: "
		"[[DEVICE, ...], ...]") ||
	    !walk_count(w, y, CONF_LEVEL_DEVS_MAX))
		return;
	if (y->nitems == 0) {
		report_fix(report_add(w->r, "E009", y->at,
			       "%s is empty: a level needs a device",
			       ynode_path(y, path, sizeof(path))),
		    "remove the level, or name a device");
		return;
	}
	n->nlevels++;
	STAILQ_FOREACH(item, &y->items, entry) {
		name = walk_scalar(w, item, "the name of a device");
		d = name == NULL ? -1 : find_device(w, item, name);
		if (d == -1)
			continue;
		for (j = 0; j < ndevices; j++) {
			if (n->levels[l].devices[j] != (uint16_t)d)
				continue;
			report_add(w->r, "E002", item->at,
			    "%s names \"%s\" a second time",
			    ynode_path(item, path, sizeof(path)), name);
			break;
		}
		n->levels[l].devices[ndevices++] = (uint16_t)d;
	}
	n->levels[l].ndevices = ndevices;
}

/* Devices have been read before: see fencing_keys. */
static void
set_levels(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	const struct ynode *item, *level;
	struct conf_node *n;
	char path[YPATH_LEN];
	int i;

	if (!walk_kind(w, y, Y_MAP, "a map of NODE: [[DEVICE, ...], ...]"))
		return;
	STAILQ_FOREACH(item, &y->items, entry) {
		i = find_node(w, y, item->key->text, item->key->at);
		if (i == -1 ||
		    !walk_kind(w, item, Y_SEQ,
			"a list of levels: [[DEVICE, ...], ...]"))
			continue;
		n = &w->c->nodes[i];
		if (item->nitems > CONF_LEVELS_MAX) {
			report_add(w->r, "E070", ynode_place(item),
			    "%s has %u levels, the most is %d",
			    ynode_path(item, path, sizeof(path)), item->nitems,
			    CONF_LEVELS_MAX);
			continue;
		}
		/* A key given twice has its error already. */
		n->nlevels = 0;
		STAILQ_FOREACH(level, &item->items, entry)
			set_level(w, level, n);
	}
}

/* The one word, or the map. */
void
set_fencing(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	if (y->kind == Y_SCALAR && strcmp(y->text, "manual") == 0) {
		w->c->fence_manual = true;
		return;
	}
	if (walk_kind(w, y, Y_MAP, "the word manual, or a map"))
		walk_map(w, y, fencing_keys, obj);
}
