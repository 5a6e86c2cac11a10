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
#define HEURISTIC_US	   UINT64_C(2000000)

static void set_run(struct walk *, const struct key *, const struct ynode *,
    void *);
static void set_heuristics(struct walk *, const struct key *,
    const struct ynode *, void *);

static const struct key heuristic_keys[] = {
	{ .name = "run",
	    .set = set_run,
	    .required = true,
	    .example = "run: [/usr/bin/ping, -c1, -w1, ADDRESS]" },
	{ .name = "score",
	    .set = set_uint,
	    MEMBER(conf_heuristic, score),
	    .min = 1,
	    .max = 255 },
	{ .name = "interval",
	    .set = set_duration,
	    MEMBER(conf_heuristic, interval_us),
	    .min = CONF_HEURISTIC_MIN,
	    .max = CONF_HEURISTIC_MAX },
	{ .name = NULL },
};

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
	{ .name = "heuristics", .set = set_heuristics },
	{ .name = "minimum",
	    .set = set_uint,
	    MEMBER(conf, qdevice.minimum),
	    .min = 1,
	    .max = CONF_HEURISTICS_MAX * 255 },
	{ .name = NULL },
};

/* A program and its arguments: no shell reads them. */
static void
set_run(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	struct key text = { .set = set_text,
		.size = CONF_ARG_LEN,
		.ok = conf_path_ok,
		.code = "E008",
		.rule = "the absolute path of a program first" };
	struct conf_heuristic *h = obj;
	const struct ynode *item;
	char path[YPATH_LEN];

	if (!walk_kind(w, y, Y_SEQ, "a list: [PROGRAM, ARGUMENT, ...]") ||
	    !walk_count(w, y, CONF_ARGS_MAX))
		return;
	if (y->nitems == 0)
		report_fix(report_add(w->r, "E009", ynode_place(y),
			       "%s is empty: there is nothing to run",
			       ynode_path(y, path, sizeof(path))),
		    "write [PROGRAM, ARGUMENT, ...]");
	STAILQ_FOREACH(item, &y->items, entry) {
		set_text(w, &text, item, h->args[h->nargs++]);
		text.ok = conf_text_ok;
		text.rule = "one line of text without control characters";
	}
}

/* Without a minimum, all must be well. */
static void
set_heuristics(struct walk *w, const struct key *k, const struct ynode *y,
    void *obj)
{
	struct conf *c = w->c;
	struct conf_heuristic *h;
	const struct ynode *item;

	if (!walk_kind(w, y, Y_SEQ, "a list of {run: [PROGRAM, ...]}") ||
	    !walk_count(w, y, CONF_HEURISTICS_MAX))
		return;
	STAILQ_FOREACH(item, &y->items, entry) {
		h = &c->qdevice.heuristics[c->qdevice.nheuristics++];
		h->score = 1;
		h->interval_us = HEURISTIC_US;
		walk_map(w, item, heuristic_keys, h);
	}
	c->qdevice.minimum = (uint16_t)conf_scores(c);
}

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
	y = ynode_get(y, "minimum");
	if (y != NULL && c->qdevice.nheuristics == 0)
		report_fix(
		    report_add(w->r, "E096", y->key->at,
			"quorum.device.minimum without heuristics: there "
			"is nothing to count"),
		    "take it out, or add heuristics");
}
