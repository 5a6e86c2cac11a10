/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Every member of a configuration by itself: is it in its range, of the right
 * shape, in its order?  The reader of the file cannot produce a structure
 * that fails here; a decoder of bytes can.
 */

#include "conf.h"

static bool
within(uint64_t v, uint64_t min, uint64_t max)
{
	return v >= min && v <= max;
}

/*
 * Devices of a level are compared with each other, since running one agent
 * twice at a time for one node can undo what the first did.
 */
static bool
valid_node(const struct conf *c, const struct conf_node *n)
{
	unsigned i, j, l;

	if (!conf_name_ok(n->name) || n->id == 0 || n->nlinks != c->nlinks ||
	    n->nlevels > CONF_LEVELS_MAX || (c->fence_manual && n->nlevels > 0))
		return false;
	for (i = 0; i < n->nlinks; i++) {
		if (!conf_addr_ok(n->links[i]))
			return false;
	}
	for (l = 0; l < n->nlevels; l++) {
		if (!within(n->levels[l].ndevices, 1, CONF_LEVEL_DEVS_MAX))
			return false;
		for (i = 0; i < n->levels[l].ndevices; i++) {
			if (n->levels[l].devices[i] >= c->ndevices)
				return false;
			for (j = 0; j < i; j++) {
				if (n->levels[l].devices[j] ==
				    n->levels[l].devices[i])
					return false;
			}
		}
	}
	return true;
}

/* Ascending ids also mean that no id is used twice (C1). */
static bool
valid_nodes(const struct conf *c)
{
	unsigned i, j;

	if (!within(c->nnodes, 1, CONF_NODES_MAX) ||
	    !within(c->nlinks, 1, CONF_LINKS_MAX))
		return false;
	for (i = 0; i < c->nnodes; i++) {
		if (!valid_node(c, &c->nodes[i]))
			return false;
		if (i > 0 && c->nodes[i].id <= c->nodes[i - 1].id)
			return false;
		for (j = 0; j < i; j++) {
			if (strcmp(c->nodes[i].name, c->nodes[j].name) == 0)
				return false;
		}
	}
	return true;
}

/*
 * Names of options are part of an agent's input, one per line; conf_name_ok()
 * keeps line breaks and '=' out of them.
 */
static bool
valid_device(const struct conf *c, const struct conf_device *d)
{
	unsigned i;

	if (!conf_name_ok(d->name) || !conf_agent_ok(d->agent) ||
	    !within(d->timeout_us, CONF_FENCE_MIN, CONF_FENCE_MAX) ||
	    d->noptions > CONF_OPTIONS_MAX ||
	    !within(d->ntargets, 1, CONF_NODES_MAX))
		return false;
	for (i = 0; i < d->noptions; i++) {
		const struct conf_option *o = &d->options[i];

		if (!conf_name_ok(o->name) || !conf_text_ok(o->value) ||
		    (o->file && !conf_path_ok(o->value)) ||
		    (o->hidden && (o->file || o->value[0] != '\0')))
			return false;
		if (i > 0 && strcmp(o->name, d->options[i - 1].name) <= 0)
			return false;
	}
	for (i = 0; i < d->ntargets; i++) {
		if (conf_node(c, d->targets[i].node) == NULL ||
		    !conf_text_ok(d->targets[i].port))
			return false;
		if (i > 0 && d->targets[i].node <= d->targets[i - 1].node)
			return false;
	}
	return true;
}

/* With manual fencing nothing else of the section can be there. */
static bool
valid_fencing(const struct conf *c)
{
	unsigned i;

	if (!within(c->fence_timeout_us, CONF_FENCE_MIN, CONF_FENCE_MAX) ||
	    !within(c->fence_tries, 1, CONF_TRIES_MAX) ||
	    c->fence_on_join_delay_us > CONF_JOIN_DELAY_MAX ||
	    c->ndevices > CONF_DEVICES_MAX ||
	    (c->fence_manual && c->ndevices > 0))
		return false;
	for (i = 0; i < c->ndevices; i++) {
		if (!valid_device(c, &c->devices[i]))
			return false;
		if (i > 0 &&
		    strcmp(c->devices[i].name, c->devices[i - 1].name) <= 0)
			return false;
	}
	return true;
}

static bool
valid_filesystems(const struct conf *c)
{
	unsigned i;

	if (c->nfs > CONF_FS_MAX)
		return false;
	for (i = 0; i < c->nfs; i++) {
		if (!conf_fsname_ok(c->fs[i].name) ||
		    !conf_path_ok(c->fs[i].device) ||
		    !conf_path_ok(c->fs[i].mount))
			return false;
		if (i > 0 && strcmp(c->fs[i].name, c->fs[i - 1].name) <= 0)
			return false;
	}
	return true;
}

/* A list has members, each a node and each once; without one there is none. */
static bool
valid_tie(const struct conf *c)
{
	unsigned i, j;

	if (c->tie != TIE_LIST)
		return conf_tie_name(c->tie) != NULL && c->ntie == 0;
	if (!within(c->ntie, 1, CONF_NODES_MAX))
		return false;
	for (i = 0; i < c->ntie; i++) {
		if (conf_node(c, c->tie_nodes[i]) == NULL)
			return false;
		for (j = 0; j < i; j++) {
			if (c->tie_nodes[j] == c->tie_nodes[i])
				return false;
		}
	}
	return true;
}

static bool
valid_heuristics(const struct conf *c)
{
	const struct conf_heuristic *h;
	unsigned i, j;

	for (i = 0; i < c->qdevice.nheuristics; i++) {
		h = &c->qdevice.heuristics[i];
		if (h->nargs == 0 || !conf_path_ok(h->args[0]) ||
		    h->score == 0 ||
		    !within(h->interval_us, CONF_HEURISTIC_MIN,
			CONF_HEURISTIC_MAX))
			return false;
		for (j = 1; j < h->nargs; j++) {
			if (!conf_text_ok(h->args[j]))
				return false;
		}
	}
	return (c->qdevice.minimum == 0) == (c->qdevice.nheuristics == 0);
}

/* What belongs to another kind of device is not there. */
static bool
valid_qdevice(const struct conf *c)
{
	bool path = c->qdevice.path[0] != '\0';
	bool address = c->qdevice.address[0] != '\0';
	bool disk = c->qdevice.kind == QDEVICE_DISK;
	bool witness = c->qdevice.kind == QDEVICE_WITNESS;

	if (path != disk || address != witness ||
	    (c->qdevice.port != 0) != witness)
		return false;
	if (c->qdevice.kind == QDEVICE_NONE)
		return c->qdevice.votes == 0 && c->qdevice.timeout_us == 0 &&
		    c->qdevice.nheuristics == 0 && c->qdevice.minimum == 0;
	if (disk ? !conf_path_ok(c->qdevice.path) :
		   !witness || !conf_addr_ok(c->qdevice.address))
		return false;
	return c->qdevice.votes > 0 &&
	    within(c->qdevice.timeout_us, CONF_QDEVICE_MIN, CONF_QDEVICE_MAX) &&
	    valid_heuristics(c);
}

/* "" stands for the default. */
static bool
valid_group(const char *s)
{
	return s[0] == '\0' || conf_name_ok(s);
}

static bool
valid_transport(const struct conf *c)
{
	unsigned i;

	for (i = 0; i < c->nlinkinfo; i++)
		if (c->links[i].name[0] != '\0' &&
		    !conf_name_ok(c->links[i].name))
			return false;
	return c->port != 0 && conf_path_ok(c->keyfile) &&
	    conf_mode_name(c->mode) != NULL && c->dscp <= CONF_DSCP_MAX &&
	    (c->nlinkinfo == 0 || c->nlinkinfo == c->nlinks) &&
	    (c->mtu == 0 || within(c->mtu, CONF_MTU_MIN, CONF_MTU_MAX));
}

bool
conf_valid(const struct conf *c)
{
	return conf_cluster_ok(c->cluster) && valid_nodes(c) &&
	    valid_transport(c) && conf_detect_name(c->detect) != NULL &&
	    within(c->heartbeat_us, CONF_HEARTBEAT_MIN, CONF_HEARTBEAT_MAX) &&
	    within(c->failure_timeout_us, CONF_FAILURE_MIN, CONF_FAILURE_MAX) &&
	    within(c->stall_timeout_us, CONF_FAILURE_MIN, CONF_FAILURE_MAX) &&
	    valid_tie(c) && valid_qdevice(c) && valid_fencing(c) &&
	    valid_filesystems(c) && conf_loglevel_name(c->log_level) != NULL &&
	    valid_group(c->admin_group) && valid_group(c->observer_group);
}
