/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What must hold between the parts of a configuration.  The same checks serve
 * the file (where findings get a line and a column) and the decoder (where
 * any error refuses the whole).
 *
 * V1.  Ids and addresses are each used once; all nodes have the same number
 *      of links, and one link is of one address family.
 * V2.  heartbeat < failure_timeout / 3, so that two lost beats are no death;
 *      failure_timeout <= stall_timeout, unless the latter is the profile's.
 * V3.  two_node only with two voters, each of which the other can fence.
 * V4.  Every node can be fenced, by levels or by an operator.
 * V5.  No mount point lies in another.
 * V6.  A tie breaker has a vote, and a tie to break; none with two_node.
 * V7.  A quorum device has a block for every node, is not needed as long as
 *      all nodes are there, and is nothing that is lost with a node.
 */

#include <stdarg.h>
#include <stdio.h>

#include "conf.h"

struct check {
	const struct conf *c;
	bool partial;
	void (*report)(void *, const struct conf_finding *);
	void *arg;
	struct conf_finding f;
};

static void begin(struct check *, const char *, const char *, ...)
    PRINTF_LIKE(3, 4);
static void other(struct check *, const char *, ...) PRINTF_LIKE(2, 3);
static void text(struct check *, const char *, ...) PRINTF_LIKE(2, 3);
static void fix(struct check *, const char *, ...) PRINTF_LIKE(2, 3);

#define FORMAT(dst, fmt)                                                       \
	do {                                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, fmt);                                             \
		(void)vsnprintf(dst, sizeof(dst), fmt, ap);                    \
		va_end(ap);                                                    \
	} while (0)

/* A finding is written in steps and sent by end(); path says where it is. */
static void
begin(struct check *k, const char *code, const char *fmt, ...)
{
	memset(&k->f, 0, sizeof(k->f));
	strlcpy(k->f.code, code, sizeof(k->f.code));
	FORMAT(k->f.path, fmt);
}

/* The earlier place of a pair; the reader of the file adds its line number. */
static void
other(struct check *k, const char *fmt, ...)
{
	FORMAT(k->f.other, fmt);
}

static void
text(struct check *k, const char *fmt, ...)
{
	FORMAT(k->f.text, fmt);
}

static void
fix(struct check *k, const char *fmt, ...)
{
	FORMAT(k->f.fix, fmt);
}

static void
end(struct check *k)
{
	k->report(k->arg, &k->f);
}

/* V1, ids.  An id of zero is a node whose id was refused already. */
static void
check_ids(struct check *k, const struct conf_node *n, const struct conf_node *m)
{
	if (n->id == 0 || n->id != m->id)
		return;
	begin(k, "E022", "nodes.%s.id", n->name);
	other(k, "nodes.%s.id", m->name);
	text(k, "nodes.%s.id is %u, already used by nodes.%s", n->name, n->id,
	    m->name);
	fix(k, "every node needs its own id, and keeps it for ever");
	end(k);
}

/* The addresses of node n against those of node m (or its own earlier). */
static void
check_addresses(struct check *k, const struct conf_node *n,
    const struct conf_node *m)
{
	unsigned i, j;

	for (i = 0; i < n->nlinks; i++) {
		for (j = 0; j < (n == m ? i : m->nlinks); j++) {
			if (n->links[i][0] == '\0' ||
			    strcmp(n->links[i], m->links[j]) != 0)
				continue;
			begin(k, "E023", "nodes.%s.links[%u]", n->name, i);
			other(k, "nodes.%s.links[%u]", m->name, j);
			text(k,
			    "nodes.%s.links[%u] is %s, already used by "
			    "nodes.%s.links[%u]",
			    n->name, i, n->links[i], m->name, j);
			fix(k,
			    "every node needs its own address on every "
			    "link");
			end(k);
			return;
		}
	}
}

/* Canonical IPv4 texts have no colon. */
static bool
is_ipv6(const char *addr)
{
	return strchr(addr, ':') != NULL;
}

/*
 * V1, links.  All nodes are compared with the first, so that one odd node
 * gives one message and not one per other node.
 */
static void
check_links(struct check *k, const struct conf_node *n,
    const struct conf_node *first)
{
	unsigned i;

	if (n->nlinks == 0 || first->nlinks == 0)
		return;
	if (n->nlinks != first->nlinks) {
		begin(k, "E024", "nodes.%s.links", n->name);
		other(k, "nodes.%s.links", first->name);
		text(k, "nodes.%s has %u link%s, nodes.%s has %u", n->name,
		    n->nlinks, n->nlinks == 1 ? "" : "s", first->name,
		    first->nlinks);
		fix(k,
		    "write one address per link, in the same order on every "
		    "node");
		end(k);
		return;
	}
	for (i = 0; i < n->nlinks; i++) {
		if (n->links[i][0] == '\0' || first->links[i][0] == '\0' ||
		    is_ipv6(n->links[i]) == is_ipv6(first->links[i]))
			continue;
		begin(k, "E024", "nodes.%s.links[%u]", n->name, i);
		other(k, "nodes.%s.links[%u]", first->name, i);
		text(k, "link %u is %s on %s and %s on %s", i,
		    is_ipv6(n->links[i]) ? "IPv6" : "IPv4", n->name,
		    is_ipv6(first->links[i]) ? "IPv6" : "IPv4", first->name);
		fix(k, "use one address family for a link");
		end(k);
		return;
	}
}

/* A name for each link, or for none: else they would stand for others. */
static void
check_linkinfo(struct check *k)
{
	const struct conf *c = k->c;

	if (c->nlinkinfo == 0 || c->nlinks == 0 || c->nlinkinfo == c->nlinks)
		return;
	begin(k, "E024", "transport.links");
	other(k, "nodes.%s.links", c->nodes[0].name);
	text(k, "transport.links has %u link%s, nodes.%s has %u", c->nlinkinfo,
	    c->nlinkinfo == 1 ? "" : "s", c->nodes[0].name, c->nlinks);
	fix(k,
	    "write one {name: NAME, priority: 0} per link, in the order of "
	    "the nodes' addresses");
	end(k);
}

/* V1.  At most 64 nodes with 8 links: comparing all pairs is cheap. */
static void
check_nodes(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i, j;

	for (i = 0; i < c->nnodes; i++) {
		for (j = 0; j < i; j++) {
			check_ids(k, &c->nodes[i], &c->nodes[j]);
			check_addresses(k, &c->nodes[i], &c->nodes[j]);
		}
		check_addresses(k, &c->nodes[i], &c->nodes[i]);
		if (i > 0)
			check_links(k, &c->nodes[i], &c->nodes[0]);
	}
	if (c->nnodes > 16) {
		begin(k, "W032", "nodes");
		text(k, "%u nodes: more than 16 are tested in simulation only",
		    c->nnodes);
		end(k);
	}
}

static unsigned
ms(uint64_t us)
{
	return (unsigned)(us / 1000);
}

/*
 * V2.  The values may come from a profile; the path of a key that is not in
 * the file leads to the section.
 */
static void
check_timers(struct check *k)
{
	const struct conf *c = k->c;

	if (c->failure_timeout_us < CONF_FAILURE_MIN) {
		begin(k, "E041", "membership.failure_timeout");
		text(k, "membership.failure_timeout is %ums, under 200ms",
		    ms(c->failure_timeout_us));
		fix(k,
		    "a busy machine may pause that long: use 200ms or more, "
		    "or \"detect: fast\"");
		end(k);
		return;
	}
	if (c->failure_timeout_us > 30000000) {
		begin(k, "W042", "membership.failure_timeout");
		text(k,
		    "membership.failure_timeout is over 30s: locks of a "
		    "lost node stay frozen that long");
		end(k);
	}
	/* A profile's value does not bind who asks for more patience. */
	if (c->stall_timeout_us < c->failure_timeout_us &&
	    c->stall_timeout_us != conf_profile_stall(c->detect)) {
		begin(k, "E043", "membership.stall_timeout");
		other(k, "membership.failure_timeout");
		text(k,
		    "membership.stall_timeout is %ums, under failure_timeout, "
		    "%ums",
		    ms(c->stall_timeout_us), ms(c->failure_timeout_us));
		fix(k,
		    "an engine that does not run while its machine lives is "
		    "given more time than a silent machine: %ums or more",
		    ms(c->failure_timeout_us));
		end(k);
	}
	if (c->heartbeat_us * 3 >= c->failure_timeout_us) {
		begin(k, "E040", "membership.heartbeat");
		other(k, "membership.failure_timeout");
		text(k,
		    "membership.heartbeat is %ums, not under a third of "
		    "failure_timeout, %ums",
		    ms(c->heartbeat_us), ms(c->failure_timeout_us));
		fix(k,
		    "a few lost beats must not look like a lost node: "
		    "heartbeat %ums or less, or failure_timeout over %ums",
		    ms(c->failure_timeout_us - 1) / 3, ms(c->heartbeat_us * 3));
		end(k);
	}
}

/*
 * V3.  With two_node each half of a broken pair is quorate, and both fence.
 * The first that succeeds goes on; without devices both would go on.
 */
static void
check_two_node(struct check *k, unsigned voters)
{
	const struct conf *c = k->c;
	unsigned i;

	if (voters != 2) {
		begin(k, "E050", "quorum.two_node");
		text(k,
		    "quorum.two_node is for exactly two voters, here are %u",
		    voters);
		fix(k,
		    "write two_node: false; with three voters or more the "
		    "majority decides");
		end(k);
	}
	if (!c->wait_for_all) {
		begin(k, "W059", "quorum.wait_for_all");
		text(k,
		    "two_node without wait_for_all: after a cold start "
		    "each node alone fences the other");
		end(k);
	}
	for (i = 0; i < c->nnodes; i++) {
		if (c->nodes[i].votes == 0 || c->nodes[i].nlevels > 0)
			continue;
		begin(k, "E051", "quorum.two_node");
		text(k,
		    "quorum.two_node needs fencing devices for both nodes, "
		    "%s has none",
		    c->nodes[i].name);
		fix(k,
		    "when the link breaks both halves have quorum: only "
		    "fencing decides which one lives; add fencing.levels");
		end(k);
		return;
	}
}

/* Only fencing decides with two_node; other rules would only seem to. */
static void
check_two_node_alone(struct check *k)
{
	const struct conf *c = k->c;
	const char *key;

	if (c->qdevice.kind != QDEVICE_NONE) {
		begin(k, "E092", "quorum.two_node");
		other(k, "quorum.device");
		text(k,
		    "quorum.two_node cannot be with quorum.device: one vote "
		    "is enough, and the device would have nothing to decide");
		fix(k,
		    "take two_node out: of two nodes that do not see each "
		    "other, the device lets one go on");
		end(k);
	}
	key = c->tie != TIE_NONE ? "tie_breaker" :
	    c->last_man_standing ? "last_man_standing" :
	    c->downscale	 ? "downscale" :
				   NULL;

	if (key == NULL)
		return;
	begin(k, "E056", "quorum.%s", key);
	text(k, "quorum.%s cannot work with two_node: one vote is enough", key);
	fix(k,
	    "take two_node out, or leave the tie to the fence devices: take "
	    "%s out",
	    key);
	end(k);
}

/* V6.  A tie breaker has a vote, and there can be a tie. */
static void
check_tie(struct check *k, unsigned votes)
{
	const struct conf *c = k->c;
	const struct conf_node *n;
	unsigned i;

	for (i = 0; i < c->ntie; i++) {
		n = conf_node(c, c->tie_nodes[i]);
		if (n == NULL || n->votes > 0)
			continue;
		begin(k, "E054", "quorum.tie_breaker[%u]", i);
		text(k, "quorum.tie_breaker names %s, which has no vote",
		    n->name);
		fix(k, "name a node with votes");
		end(k);
	}
	if (c->tie != TIE_NONE && votes % 2 != 0 && !c->last_man_standing &&
	    !c->downscale) {
		begin(k, "W054", "quorum.tie_breaker");
		text(k,
		    "quorum.tie_breaker has nothing to do: %u votes are never "
		    "split into halves",
		    votes);
		fix(k,
		    "take it out, or set last_man_standing, with which the "
		    "votes that count change");
		end(k);
	}
	if (c->tie == TIE_NONE && votes % 2 != 0 && c->last_man_standing) {
		begin(k, "W055", "quorum.last_man_standing");
		text(k,
		    "last_man_standing without tie_breaker: of the last two "
		    "nodes neither goes on alone");
		fix(k, "add tie_breaker: lowest");
		end(k);
	}
}

/* V7.  The device against the votes of the nodes, which are all understood. */
static void
check_qdevice_votes(struct check *k, unsigned votes)
{
	const struct conf *c = k->c;

	if (c->qdevice.votes < votes)
		return;
	begin(k, "E093", "quorum.device.votes");
	other(k, "nodes");
	text(k,
	    "quorum.device has %u vote%s, and all nodes together have %u: "
	    "without it none of them could go on",
	    c->qdevice.votes, c->qdevice.votes == 1 ? "" : "s", votes);
	if (votes > 1)
		fix(k,
		    "write votes: %u, with which one node and the device are "
		    "enough, or fewer",
		    votes - 1);
	else
		fix(k, "take it out: a single vote has nothing to decide");
	end(k);
}

/* V7.  A device that goes with a node would decide nothing when it matters. */
static void
check_witness(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i, j;

	for (i = 0; i < c->nnodes; i++) {
		for (j = 0; j < c->nodes[i].nlinks; j++) {
			if (c->qdevice.address[0] == '\0' ||
			    strcmp(c->qdevice.address, c->nodes[i].links[j]) !=
				0)
				continue;
			begin(k, "E095", "quorum.device.witness");
			other(k, "nodes.%s.links[%u]", c->nodes[i].name, j);
			text(k,
			    "quorum.device.witness is %s, an address of node "
			    "%s",
			    c->qdevice.address, c->nodes[i].name);
			fix(k,
			    "a witness that is lost with a node cannot decide "
			    "then: put it on a third machine");
			end(k);
			return;
		}
	}
}

/* V7.  The blocks of the device are numbered by the ids of the nodes. */
static void
check_qdevice(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i;

	if (c->qdevice.kind == QDEVICE_NONE)
		return;
	for (i = 0; i < c->nnodes; i++) {
		if (c->nodes[i].id <= CONF_QDEVICE_ID_MAX)
			continue;
		begin(k, "E091", "nodes.%s.id", c->nodes[i].name);
		other(k, "quorum.device");
		text(k,
		    "nodes.%s.id is %u, and a quorum device has room for ids "
		    "up to %d",
		    c->nodes[i].name, c->nodes[i].id, CONF_QDEVICE_ID_MAX);
		fix(k, "give the node an id from 1 to %d that was never used",
		    CONF_QDEVICE_ID_MAX);
		end(k);
	}
	for (i = 0; i < c->nfs; i++) {
		if (c->qdevice.path[0] == '\0' ||
		    strcmp(c->qdevice.path, c->fs[i].device) != 0)
			continue;
		begin(k, "E094", "quorum.device.path");
		other(k, "filesystems.%s.device", c->fs[i].name);
		text(k, "quorum.device.path is %s, the disk of filesystem %s",
		    c->qdevice.path, c->fs[i].name);
		fix(k,
		    "each would overwrite the other: a quorum disk is a disk "
		    "or partition of its own, of 1 MiB or more");
		end(k);
	}
	check_witness(k);
	if (!k->partial && c->qdevice.minimum > conf_scores(c)) {
		begin(k, "E096", "quorum.device.minimum");
		other(k, "quorum.device.heuristics");
		text(k,
		    "quorum.device.minimum is %u, and all heuristics together "
		    "have %u: the device would never be asked",
		    c->qdevice.minimum, conf_scores(c));
		fix(k, "write minimum: %u, or less", conf_scores(c));
		end(k);
	}
}

/* Counts votes, so it needs a file whose nodes are all understood. */
static void
check_quorum(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i, votes = 0, voters = 0;

	if (k->partial)
		return;
	for (i = 0; i < c->nnodes; i++) {
		votes += c->nodes[i].votes;
		voters += c->nodes[i].votes > 0;
	}
	if (votes == 0) {
		begin(k, "E057", "nodes");
		text(k, "no node has a vote: there is never quorum");
		fix(k, "leave votes out (default 1) on the nodes that count");
		end(k);
		return;
	}
	if (c->qdevice.kind != QDEVICE_NONE)
		check_qdevice_votes(k, votes);
	if (c->two_node) {
		check_two_node(k, voters);
		check_two_node_alone(k);
		return;
	}
	votes += c->qdevice.votes;
	check_tie(k, votes);
	if (votes % 2 != 0 || voters < 2 || c->tie != TIE_NONE)
		return;
	begin(k, "W052", "nodes");
	if (voters == 2 && votes == 2)
		text(k,
		    "2 votes and no tie breaker: when one node is lost "
		    "the other stops too");
	else
		text(k,
		    "%u votes and no tie breaker: a %u-%u split stops both "
		    "halves",
		    votes, votes / 2, votes / 2);
	fix(k, "%s",
	    voters == 2 && c->qdevice.kind == QDEVICE_NONE ?
		"add a third node, a quorum.device, or two_node: true "
		"with fencing" :
		"use an odd number of votes, or a tie_breaker");
	end(k);
}

/* A device that stands in a level of a node must have it as a target. */
static void
check_levels(struct check *k, const struct conf_node *n)
{
	unsigned i, j;

	for (i = 0; i < n->nlevels; i++) {
		for (j = 0; j < n->levels[i].ndevices; j++) {
			const struct conf_device *d;

			if (n->levels[i].devices[j] >= k->c->ndevices)
				continue;
			d = &k->c->devices[n->levels[i].devices[j]];
			/* An id of zero already has its own error. */
			if (n->id == 0 || conf_device_target(d, n->id) != -1)
				continue;
			begin(k, "E061", "fencing.levels.%s[%u][%u]", n->name,
			    i, j);
			text(k,
			    "fencing.levels.%s uses \"%s\", which has no "
			    "target \"%s\"",
			    n->name, d->name, n->name);
			fix(k, "add %s to fencing.devices.%s.targets", n->name,
			    d->name);
			end(k);
		}
	}
}

/* Warnings only: in a laboratory a password in the file is fine. */
static void
check_secrets(struct check *k, const struct conf_device *d)
{
	unsigned i;

	for (i = 0; i < d->noptions; i++) {
		const struct conf_option *o = &d->options[i];

		if (o->file || (!o->hidden && !conf_option_secret(o->name)))
			continue;
		begin(k, o->hidden ? "W086" : "W084",
		    "fencing.devices.%s.options.%s", d->name, o->name);
		if (o->hidden)
			text(k,
			    "the value of fencing.devices.%s.options.%s is "
			    "hidden: the device cannot work",
			    d->name, o->name);
		else
			text(k,
			    "fencing.devices.%s.options.%s is a secret in "
			    "plain text",
			    d->name, o->name);
		fix(k,
		    "write it to a file that only root reads, and here  "
		    "%s: {file: /etc/cluster/secrets/%s}",
		    o->name, d->name);
		end(k);
	}
}

/* V4.  A node that nothing can fence would block recovery for ever. */
static void
check_fencing(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i;

	if (c->fence_manual) {
		begin(k, "W071", "fencing");
		text(k,
		    "fencing is manual: an operator must confirm every "
		    "lost node by hand");
		end(k);
		return;
	}
	for (i = 0; i < c->ndevices; i++)
		check_secrets(k, &c->devices[i]);
	for (i = 0; i < c->nnodes; i++) {
		check_levels(k, &c->nodes[i]);
		if (k->partial || c->nodes[i].nlevels > 0)
			continue;
		begin(k, "E062", "fencing");
		text(k,
		    "node \"%s\" has no fencing level: its locks could "
		    "never be recovered",
		    c->nodes[i].name);
		fix(k, "add  %s: [[DEVICE]]  to fencing.levels",
		    c->nodes[i].name);
		end(k);
	}
}

/* True if path is dir or lies below it. */
static bool
below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 &&
	    (path[n] == '\0' || path[n] == '/');
}

/* V5.  Mounting the outer one later would hide the inner one. */
static void
check_filesystems(struct check *k)
{
	const struct conf *c = k->c;
	unsigned i, j;

	for (i = 0; i < c->nfs; i++) {
		for (j = 0; j < i; j++) {
			if (c->fs[i].mount[0] == '\0' ||
			    c->fs[j].mount[0] == '\0' ||
			    (!below(c->fs[i].mount, c->fs[j].mount) &&
				!below(c->fs[j].mount, c->fs[i].mount)))
				continue;
			begin(k, "E097", "filesystems.%s.mount", c->fs[i].name);
			other(k, "filesystems.%s.mount", c->fs[j].name);
			text(k, "mount points %s and %s are nested",
			    c->fs[i].mount, c->fs[j].mount);
			fix(k, "give every filesystem a directory of its own");
			end(k);
			break;
		}
	}
}

/* The order of the checks does not matter: a reader sorts by place. */
void
conf_check(const struct conf *c, bool partial,
    void (*report)(void *, const struct conf_finding *), void *arg)
{
	struct check k;

	memset(&k, 0, sizeof(k));
	k.c = c;
	k.partial = partial;
	k.report = report;
	k.arg = arg;
	check_nodes(&k);
	check_linkinfo(&k);
	check_timers(&k);
	check_quorum(&k);
	check_qdevice(&k);
	check_fencing(&k);
	check_filesystems(&k);
}
