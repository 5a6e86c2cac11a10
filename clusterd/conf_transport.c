/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Section transport: how datagrams travel. */

#include "conf_yaml.h"

static void set_mtu(struct walk *, const struct key *, const struct ynode *,
    void *);

const struct key transport_keys[] = {
	{ .name = "port",
	    .set = set_uint,
	    MEMBER(conf, port),
	    .min = 1,
	    .max = 65535 },
	{ .name = "key", .set = set_file, MEMBER(conf, keyfile) },
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
