/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Section transport: how datagrams travel. */

#include "conf_yaml.h"

static const char *const mode_words[] = { "duplicate-on-loss", "passive",
	"active", NULL };
_Static_assert(MODE_DUPLICATE == 0 && MODE_ACTIVE == 2, "order of mode_words");

static void set_dscp(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_mtu(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_linkinfo(struct walk *, const struct key *,
    const struct ynode *, void *);

static const struct key link_keys[] = {
	{ .name = "name",
	    .set = set_text,
	    MEMBER(conf_link, name),
	    .ok = conf_name_ok,
	    .code = "E020",
	    .rule = "1 to 32 letters, digits, _ and -" },
	{ .name = "priority",
	    .set = set_uint,
	    MEMBER(conf_link, priority),
	    .max = 255 },
	{ .name = NULL },
};

const struct key transport_keys[] = {
	{ .name = "port",
	    .set = set_uint,
	    MEMBER(conf, port),
	    .min = 1,
	    .max = 65535 },
	{ .name = "key", .set = set_file, MEMBER(conf, keyfile) },
	{ .name = "mode",
	    .set = set_word,
	    MEMBER(conf, mode),
	    .words = mode_words },
	{ .name = "links", .set = set_linkinfo },
	{ .name = "dscp",
	    .set = set_dscp,
	    MEMBER(conf, dscp),
	    .max = CONF_DSCP_MAX },
	{ .name = "mtu",
	    .set = set_mtu,
	    MEMBER(conf, mtu),
	    .min = CONF_MTU_MIN,
	    .max = CONF_MTU_MAX },
	{ .name = "relay", .set = set_bool, MEMBER(conf, relay) },
	{ .name = NULL },
};

/* A word, or a number. */
static void
set_mtu(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	const char *s = walk_scalar(w, y, "auto or a number");

	if (s == NULL)
		return;
	if (strcmp(s, "auto") == 0)
		w->c->mtu = 0;
	else
		set_uint(w, k, y, obj);
}

/* Names as the RFCs have them, in small letters, or a number. */
static void
set_dscp(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	const char *s = walk_scalar(w, y, "a name such as cs6, or a number");
	const char *name;
	char path[YPATH_LEN];
	unsigned i;

	if (s == NULL)
		return;
	for (i = 0; i <= CONF_DSCP_MAX; i++) {
		name = conf_dscp_name((uint8_t)i);
		if (name != NULL && strcmp(s, name) == 0) {
			w->c->dscp = (uint8_t)i;
			return;
		}
	}
	if (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')) {
		set_uint(w, k, y, obj);
		return;
	}
	report_hint(report_add(w->r, "E008", y->at, "%s is \"%.60s\", no DSCP",
			ynode_path(y, path, sizeof(path)), s),
	    "write cs0 to cs7, af11 to af43, va, ef, or 0 to 63");
}

/* The same order as the addresses of a node. */
static void
set_linkinfo(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	const struct ynode *item;
	struct conf *c = w->c;

	if (!walk_kind(w, y, Y_SEQ, "a list of {name: NAME, priority: 0}") ||
	    !walk_count(w, y, CONF_LINKS_MAX))
		return;
	STAILQ_FOREACH(item, &y->items, entry)
		walk_map(w, item, link_keys, &c->links[c->nlinkinfo++]);
}
