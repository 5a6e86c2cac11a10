/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Section transport: how datagrams travel. */

#include "conf_yaml.h"

static const char *const mode_words[] = { "duplicate-on-loss", "passive",
	"active", NULL };
_Static_assert(MODE_DUPLICATE == 0 && MODE_ACTIVE == 2, "order of mode_words");

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
	{ .name = "mtu",
	    .set = set_mtu,
	    MEMBER(conf, mtu),
	    .min = CONF_MTU_MIN,
	    .max = CONF_MTU_MAX },
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
