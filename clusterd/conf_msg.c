/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The configuration as bytes, from the parent to its children.  Encoding and
 * decoding stand side by side, section by section.  The decoder trusts
 * nothing: the cursor bounds every read, conf_valid() checks every member and
 * conf_check() what lies between them.
 */

#include "conf.h"

enum {
	CONF_MSG_VERSION = 4
};

/* A boolean is 0 or 1; anything else means the reader is out of step. */
static bool
get_bool(struct rbuf *r)
{
	uint8_t v = rbuf_u8(r);

	if (v > 1)
		r->err = true;
	return v == 1;
}

/* Levels travel with the node they belong to, as indices into the devices. */
static void
encode_node(const struct conf_node *n, struct wbuf *w)
{
	unsigned i, j;

	wbuf_str(w, n->name);
	wbuf_u16(w, n->id);
	wbuf_u8(w, n->votes);
	wbuf_u32(w, n->nlinks);
	for (i = 0; i < n->nlinks; i++)
		wbuf_str(w, n->links[i]);
	wbuf_u32(w, n->nlevels);
	for (i = 0; i < n->nlevels; i++) {
		wbuf_u32(w, n->levels[i].ndevices);
		for (j = 0; j < n->levels[i].ndevices; j++)
			wbuf_u16(w, n->levels[i].devices[j]);
	}
}

/*
 * Counts are bounded by the arrays before they are used; whether an index
 * names a device is for conf_valid(), when the devices are known.
 */
static void
decode_node(struct conf_node *n, struct rbuf *r)
{
	unsigned i, j;

	rbuf_str(r, n->name, sizeof(n->name));
	n->id = rbuf_u16(r);
	n->votes = rbuf_u8(r);
	n->nlinks = rbuf_count(r, CONF_LINKS_MAX);
	for (i = 0; i < n->nlinks; i++)
		rbuf_str(r, n->links[i], sizeof(n->links[i]));
	n->nlevels = rbuf_count(r, CONF_LEVELS_MAX);
	for (i = 0; i < n->nlevels; i++) {
		n->levels[i].ndevices = rbuf_count(r, CONF_LEVEL_DEVS_MAX);
		for (j = 0; j < n->levels[i].ndevices; j++)
			n->levels[i].devices[j] = rbuf_u16(r);
	}
}

/* Everything that is a secret, or says where one lies. */
static bool
sent(const struct conf_option *o, bool secrets)
{
	return secrets || (!o->file && !conf_option_secret(o->name));
}

/* The number of options is that of the ones sent, not of all. */
static void
encode_device(const struct conf_device *d, bool secrets, struct wbuf *w)
{
	unsigned i, n = 0;

	wbuf_str(w, d->name);
	wbuf_str(w, d->agent);
	wbuf_u64(w, d->timeout_us);
	for (i = 0; i < d->noptions; i++)
		n += sent(&d->options[i], secrets);
	wbuf_u32(w, n);
	for (i = 0; i < d->noptions; i++) {
		const struct conf_option *o = &d->options[i];

		if (!sent(o, secrets))
			continue;
		wbuf_str(w, o->name);
		wbuf_str(w, o->value);
		wbuf_u8(w, o->file);
		wbuf_u8(w, o->hidden);
	}
	wbuf_u32(w, d->ntargets);
	for (i = 0; i < d->ntargets; i++) {
		wbuf_u16(w, d->targets[i].node);
		wbuf_str(w, d->targets[i].port);
	}
}

/*
 * noptions is set only when the memory is there, so that conf_free() is right
 * after any error.
 */
static void
decode_device(struct conf_device *d, struct rbuf *r)
{
	unsigned i, n;

	rbuf_str(r, d->name, sizeof(d->name));
	rbuf_str(r, d->agent, sizeof(d->agent));
	d->timeout_us = rbuf_u64(r);
	n = rbuf_count(r, CONF_OPTIONS_MAX);
	if (n > 0) {
		d->options = calloc(n, sizeof(*d->options));
		if (d->options == NULL) {
			r->err = true;
			return;
		}
		d->noptions = n;
	}
	for (i = 0; i < d->noptions; i++) {
		struct conf_option *o = &d->options[i];

		rbuf_str(r, o->name, sizeof(o->name));
		rbuf_str(r, o->value, sizeof(o->value));
		o->file = get_bool(r);
		o->hidden = get_bool(r);
	}
	d->ntargets = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < d->ntargets; i++) {
		d->targets[i].node = rbuf_u16(r);
		rbuf_str(r, d->targets[i].port, sizeof(d->targets[i].port));
	}
}

static void
encode_fencing(const struct conf *c, bool secrets, struct wbuf *w)
{
	unsigned i;

	wbuf_u8(w, c->fence_manual);
	wbuf_u64(w, c->fence_timeout_us);
	wbuf_u32(w, c->fence_tries);
	wbuf_u64(w, c->fence_on_join_delay_us);
	wbuf_u32(w, c->ndevices);
	for (i = 0; i < c->ndevices; i++)
		encode_device(&c->devices[i], secrets, w);
}

/*
 * Stops at the first error, so a short message that promises many devices
 * costs no more than their empty array.
 */
static void
decode_fencing(struct conf *c, struct rbuf *r)
{
	unsigned i, n;

	c->fence_manual = get_bool(r);
	c->fence_timeout_us = rbuf_u64(r);
	c->fence_tries = rbuf_u32(r);
	c->fence_on_join_delay_us = rbuf_u64(r);
	n = rbuf_count(r, CONF_DEVICES_MAX);
	if (n > 0) {
		c->devices = calloc(n, sizeof(*c->devices));
		if (c->devices == NULL) {
			r->err = true;
			return;
		}
		c->ndevices = n;
	}
	for (i = 0; i < c->ndevices && !r->err; i++)
		decode_device(&c->devices[i], r);
}

static void
encode_qdevice(const struct conf *c, struct wbuf *w)
{
	unsigned i, j;

	wbuf_u8(w, (uint8_t)c->qdevice.kind);
	wbuf_u8(w, c->qdevice.votes);
	wbuf_u64(w, c->qdevice.timeout_us);
	wbuf_str(w, c->qdevice.path);
	wbuf_str(w, c->qdevice.address);
	wbuf_u16(w, c->qdevice.port);
	wbuf_u32(w, c->qdevice.nheuristics);
	for (i = 0; i < c->qdevice.nheuristics; i++) {
		const struct conf_heuristic *h = &c->qdevice.heuristics[i];

		wbuf_u32(w, h->nargs);
		for (j = 0; j < h->nargs; j++)
			wbuf_str(w, h->args[j]);
		wbuf_u8(w, h->score);
		wbuf_u64(w, h->interval_us);
	}
	wbuf_u16(w, c->qdevice.minimum);
}

static void
decode_qdevice(struct conf *c, struct rbuf *r)
{
	unsigned i, j;

	c->qdevice.kind = (enum conf_qdevice)rbuf_u8(r);
	c->qdevice.votes = rbuf_u8(r);
	c->qdevice.timeout_us = rbuf_u64(r);
	rbuf_str(r, c->qdevice.path, sizeof(c->qdevice.path));
	rbuf_str(r, c->qdevice.address, sizeof(c->qdevice.address));
	c->qdevice.port = rbuf_u16(r);
	c->qdevice.nheuristics = rbuf_count(r, CONF_HEURISTICS_MAX);
	for (i = 0; i < c->qdevice.nheuristics; i++) {
		struct conf_heuristic *h = &c->qdevice.heuristics[i];

		h->nargs = rbuf_count(r, CONF_ARGS_MAX);
		for (j = 0; j < h->nargs; j++)
			rbuf_str(r, h->args[j], sizeof(h->args[j]));
		h->score = rbuf_u8(r);
		h->interval_us = rbuf_u64(r);
	}
	c->qdevice.minimum = rbuf_u16(r);
}

/* The hash travels too: with options left out it cannot be computed again. */
static void
encode_rest(const struct conf *c, struct wbuf *w)
{
	unsigned i;

	wbuf_u32(w, c->nfs);
	for (i = 0; i < c->nfs; i++) {
		wbuf_str(w, c->fs[i].name);
		wbuf_str(w, c->fs[i].device);
		wbuf_str(w, c->fs[i].mount);
	}
	wbuf_str(w, c->admin_group);
	wbuf_str(w, c->observer_group);
	wbuf_u8(w, (uint8_t)c->log_level);
	wbuf_bytes(w, c->hash, sizeof(c->hash));
}

static void
decode_rest(struct conf *c, struct rbuf *r)
{
	unsigned i;

	c->nfs = rbuf_count(r, CONF_FS_MAX);
	for (i = 0; i < c->nfs; i++) {
		rbuf_str(r, c->fs[i].name, sizeof(c->fs[i].name));
		rbuf_str(r, c->fs[i].device, sizeof(c->fs[i].device));
		rbuf_str(r, c->fs[i].mount, sizeof(c->fs[i].mount));
	}
	rbuf_str(r, c->admin_group, sizeof(c->admin_group));
	rbuf_str(r, c->observer_group, sizeof(c->observer_group));
	c->log_level = (enum conf_loglevel)rbuf_u8(r);
	rbuf_bytes(r, c->hash, sizeof(c->hash));
}

/*
 * A version byte first: parent and child are one program, but a child of an
 * older one may still run while files are replaced.
 */
void
conf_encode(const struct conf *c, bool secrets, struct wbuf *w)
{
	unsigned i;

	wbuf_u8(w, CONF_MSG_VERSION);
	wbuf_str(w, c->cluster);
	wbuf_u32(w, c->nlinks);
	wbuf_u32(w, c->nnodes);
	for (i = 0; i < c->nnodes; i++)
		encode_node(&c->nodes[i], w);
	wbuf_u16(w, c->port);
	wbuf_str(w, c->keyfile);
	wbuf_u8(w, (uint8_t)c->mode);
	wbuf_u32(w, c->nlinkinfo);
	for (i = 0; i < c->nlinkinfo; i++) {
		wbuf_str(w, c->links[i].name);
		wbuf_u8(w, c->links[i].priority);
	}
	wbuf_u8(w, c->dscp);
	wbuf_u16(w, c->mtu);
	wbuf_u8(w, c->relay);
	wbuf_u8(w, (uint8_t)c->detect);
	wbuf_u64(w, c->heartbeat_us);
	wbuf_u64(w, c->failure_timeout_us);
	wbuf_u64(w, c->stall_timeout_us);
	wbuf_u8(w, c->wait_for_all);
	wbuf_u8(w, c->two_node);
	wbuf_u8(w, c->last_man_standing);
	wbuf_u8(w, c->downscale);
	wbuf_u8(w, (uint8_t)c->tie);
	wbuf_u32(w, c->ntie);
	for (i = 0; i < c->ntie; i++)
		wbuf_u16(w, c->tie_nodes[i]);
	encode_qdevice(c, w);
	encode_fencing(c, secrets, w);
	encode_rest(c, w);
}

static void
decode(struct conf *c, struct rbuf *r)
{
	unsigned i;

	if (rbuf_u8(r) != CONF_MSG_VERSION)
		r->err = true;
	rbuf_str(r, c->cluster, sizeof(c->cluster));
	c->nlinks = rbuf_u32(r);
	c->nnodes = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < c->nnodes; i++)
		decode_node(&c->nodes[i], r);
	c->port = rbuf_u16(r);
	rbuf_str(r, c->keyfile, sizeof(c->keyfile));
	c->mode = (enum conf_mode)rbuf_u8(r);
	c->nlinkinfo = rbuf_count(r, CONF_LINKS_MAX);
	for (i = 0; i < c->nlinkinfo; i++) {
		rbuf_str(r, c->links[i].name, sizeof(c->links[i].name));
		c->links[i].priority = rbuf_u8(r);
	}
	c->dscp = rbuf_u8(r);
	c->mtu = rbuf_u16(r);
	c->relay = get_bool(r);
	c->detect = (enum conf_detect)rbuf_u8(r);
	c->heartbeat_us = rbuf_u64(r);
	c->failure_timeout_us = rbuf_u64(r);
	c->stall_timeout_us = rbuf_u64(r);
	c->wait_for_all = get_bool(r);
	c->two_node = get_bool(r);
	c->last_man_standing = get_bool(r);
	c->downscale = get_bool(r);
	c->tie = (enum conf_tie)rbuf_u8(r);
	c->ntie = rbuf_count(r, CONF_NODES_MAX);
	for (i = 0; i < c->ntie; i++)
		c->tie_nodes[i] = rbuf_u16(r);
	decode_qdevice(c, r);
	decode_fencing(c, r);
	decode_rest(c, r);
}

static void
note_error(void *arg, const struct conf_finding *f)
{
	bool *bad = arg;

	if (f->code[0] == 'E')
		*bad = true;
}

/* One way out: the structure is either complete and valid, or not there. */
struct conf *
conf_decode(const void *data, size_t len)
{
	struct conf *c;
	struct rbuf r;
	bool bad;

	c = conf_new();
	if (c == NULL)
		return NULL;
	rbuf_init(&r, data, len);
	decode(c, &r);
	bad = !rbuf_done(&r) || !conf_valid(c);
	if (!bad)
		conf_check(c, false, note_error, &bad);
	if (bad) {
		conf_free(c);
		return NULL;
	}
	return c;
}
