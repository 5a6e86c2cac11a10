/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * quorum.device: a disk, or a witness.  Which of them is said by the one key
 * that each must have; what belongs to the other is an error, and so are both.
 */

#include "conf_yaml.h"

#define DISK_TIMEOUT_US	   UINT64_C(10000000)
#define WITNESS_TIMEOUT_US UINT64_C(2000000)
#define WITNESS_PORT	   5601

static const struct key qdevice_keys[] = {
	{ .name = "path",
	    .set = set_text,
	    MEMBER(conf, qdevice.path),
	    .ok = conf_path_ok,
	    .code = "E008",
	    .rule = "an absolute path" },
	{ .name = "witness", .set = set_addr, MEMBER(conf, qdevice.address) },
	{ .name = "port",
	    .set = set_uint,
	    MEMBER(conf, qdevice.port),
	    .min = 1,
	    .max = 65535 },
	{ .name = "votes",
	    .set = set_uint,
	    MEMBER(conf, qdevice.votes),
	    .min = 1,
	    .max = 255 },
	{ .name = "timeout",
	    .set = set_duration,
	    MEMBER(conf, qdevice.timeout_us),
	    .min = CONF_QDEVICE_MIN,
	    .max = CONF_QDEVICE_MAX },
	{ .name = NULL },
};

/* A second place to vote would be a second device. */
static void
find_kind(struct walk *w, const struct ynode *y)
{
	const struct ynode *path = ynode_get(y, "path");
	const struct ynode *witness = ynode_get(y, "witness");
	const struct ynode *port = ynode_get(y, "port");
	struct conf *c = w->c;

	c->qdevice.kind = witness != NULL ? QDEVICE_WITNESS :
	    path != NULL		  ? QDEVICE_DISK :
					    QDEVICE_NONE;
	if (path != NULL && witness != NULL)
		report_fix(report_add(w->r, "E090", witness->key->at,
			       "quorum.device has a path and a witness"),
		    "it is one of them: take the other out");
	else if (path == NULL && witness == NULL)
		report_fix(report_add(w->r, "E090", ynode_place(y),
			       "quorum.device has no path and no witness"),
		    "add  path: /dev/disk/by-id/DISK  or  witness: ADDRESS");
	else if (path != NULL && port != NULL)
		report_fix(report_add(w->r, "E090", port->key->at,
			       "quorum.device.port belongs to a witness, and "
			       "here is a path"),
		    "take it out");
}

void
set_qdevice(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf *c = w->c;

	if (!walk_kind(w, y, Y_MAP,
		"a map: {path: DISK} or {witness: ADDRESS}"))
		return;
	find_kind(w, y);
	c->qdevice.votes = 1;
	c->qdevice.timeout_us = DISK_TIMEOUT_US;
	if (c->qdevice.kind == QDEVICE_WITNESS) {
		c->qdevice.timeout_us = WITNESS_TIMEOUT_US;
		c->qdevice.port = WITNESS_PORT;
	}
	walk_map(w, y, qdevice_keys, c);
}
