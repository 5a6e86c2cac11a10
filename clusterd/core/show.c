/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Answers to M_SHOW: rows of named, typed fields in a stable order.  Reads
 * every module and changes none.  Field names are part of the interface: they
 * are documented in clustershell(8) and never change their meaning.
 */

#include <stdio.h>

#include "../proto.h"
#include "names.h"
#include "node_internal.h"
#include "seal.h"
#include "show_row.h"
#include "version.h"

enum {
	ERR_NOENT = 2,
	ERR_INVAL = 22,
	LONG = 1024, /* of a sentence, before row_str() */
	LIST = CONF_NODES_MAX * (CONF_NAME_MAX + 8) /* all nodes, with more */
};

static const char *
node_name(const struct node *nd, uint16_t id)
{
	const struct conf_node *cn = conf_node(nd->conf, id);

	return cn == NULL ? "-" : cn->name;
}

/* --- links ---------------------------------------------------------------- */

static void
count_links(const struct node *nd, uint16_t peer, unsigned *up, unsigned *total)
{
	struct link_info info;
	unsigned l;

	for (l = 0; l < nd->conf->nlinks; l++) {
		link_get(nd->link, peer, l, &info);
		*total += 1;
		*up += info.up;
	}
}

/* Of this node, or, with 0, of nobody that the configuration knows. */
static uint64_t
rejects(const struct node *nd, uint16_t peer, enum link_reject why)
{
	uint64_t count = link_rejects(nd->link, peer, why);
	unsigned i;

	for (i = 0; peer == 0 && i < nd->conf->nnodes; i++)
		count -= link_rejects(nd->link, nd->conf->nodes[i].id, why);
	return count;
}

static void
rejects_text(const struct node *nd, uint16_t peer, char *text, size_t size)
{
	char one[64];
	uint64_t count;
	int r;

	text[0] = '\0';
	for (r = 0; r < LR_MAX; r++) {
		count = rejects(nd, peer, (enum link_reject)r);
		if (count == 0)
			continue;
		snprintf(one, sizeof(one), "%s%s %llu",
		    text[0] == '\0' ? "" : ", ",
		    link_reject_name((enum link_reject)r),
		    (unsigned long long)count);
		strlcat(text, one, size);
	}
}

static void
show_link(struct show *s, const struct conf_node *peer, unsigned l)
{
	const struct node *nd = s->nd;
	struct link_info info;
	char rejects[LONG];

	link_get(nd->link, peer->id, l, &info);
	/* They are those of the node: told once. */
	rejects[0] = '\0';
	if (l == 0)
		rejects_text(nd, peer->id, rejects, sizeof(rejects));
	row_begin(s);
	row_str(s, "peer", peer->name);
	row_u64(s, "link", l);
	if (nd->conf->links[l].name[0] == '\0')
		row_null(s, "name");
	else
		row_str(s, "name", nd->conf->links[l].name);
	row_str(s, "address", peer->links[l]);
	row_str(s, "state", info.narrow ? "narrow" : info.up ? "up" : "down");
	if (info.rtt_us == 0)
		row_null(s, "rtt_us");
	else
		row_u64(s, "rtt_us", info.rtt_us);
	row_u64(s, "loss_permille", info.loss_permille);
	row_ago(s, "heard_us", info.last_heard);
	row_u64(s, "flaps", info.flaps);
	row_bool(s, "carries", info.carries);
	row_str(s, "mode", conf_mode_name(nd->conf->mode));
	row_u64(s, "datagram_max", info.datagram);
	row_str(s, "rejected", rejects);
	row_end(s);
}

/* Beside the links, none of which works: the path over a third node. */
static void
show_relay(struct show *s, const struct conf_node *peer)
{
	uint16_t by = link_relay(s->nd->link, peer->id);
	char text[CONF_NAME_MAX + 16];

	if (by == 0)
		return;
	snprintf(text, sizeof(text), "relay via %s", node_name(s->nd, by));
	row_begin(s);
	row_str(s, "peer", peer->name);
	row_null(s, "link");
	row_null(s, "name");
	row_str(s, "address", text);
	row_str(s, "state", "up");
	row_null(s, "rtt_us");
	row_null(s, "loss_permille");
	row_null(s, "heard_us");
	row_null(s, "flaps");
	row_bool(s, "carries", true);
	row_null(s, "mode");
	row_null(s, "datagram_max");
	row_str(s, "rejected", "");
	row_end(s);
}

static void
show_links(struct show *s)
{
	const struct conf *conf = s->nd->conf;
	char rejects[LONG];
	unsigned i, l;

	for (i = 0; i < conf->nnodes; i++) {
		if (conf->nodes[i].id == s->nd->self)
			continue;
		for (l = 0; l < conf->nlinks; l++)
			show_link(s, &conf->nodes[i], l);
		show_relay(s, &conf->nodes[i]);
	}
	rejects_text(s->nd, 0, rejects, sizeof(rejects));
	if (rejects[0] == '\0')
		return;
	row_begin(s);
	row_str(s, "peer", "(unknown)");
	row_null(s, "link");
	row_null(s, "name");
	row_null(s, "address");
	row_null(s, "state");
	row_null(s, "rtt_us");
	row_null(s, "loss_permille");
	row_null(s, "heard_us");
	row_null(s, "flaps");
	row_null(s, "carries");
	row_null(s, "mode");
	row_null(s, "datagram_max");
	row_str(s, "rejected", rejects);
	row_end(s);
}

/* --- nodes, quorum, fencing ------------------------------------------------ */

/* The newest entry of the fence table about a node. */
static bool
fence_of(const struct node *nd, uint16_t id, struct fencing_info *out)
{
	struct fencing_info info;
	bool found = false;
	unsigned i;

	for (i = 0; fencing_info(nd->fencing, i, &info); i++) {
		if (info.node == id) {
			*out = info;
			found = true;
		}
	}
	return found;
}

static const char *
node_state(const struct node *nd, uint16_t id)
{
	const struct view *v = member_view(nd->member);
	struct fencing_info info;
	uint64_t inc;

	if (v != NULL && view_find(v, id) != NULL) {
		if (nd->state == NODE_LEAVING && id == nd->self)
			return "leaving";
		return link_stalled(nd->link, id) ? "stalled" : "up";
	}
	if (fence_of(nd, id, &info) && info.state != FS_DONE)
		return "lost";
	if (member_held_until(nd->member, id) != 0)
		return "held";
	if (link_session(nd->link, id, &inc))
		return "joining";
	if (fence_of(nd, id, &info) && !info.harmless)
		return "fenced";
	return "absent";
}

/* Of what we say to it; of ourselves, the best that this machine does. */
static void
row_cipher(struct show *s, uint16_t id)
{
	uint64_t features = seal_aes_works() ? FEATURE_AES : 0;
	unsigned version;

	if (id != s->nd->self &&
	    !link_speaks(s->nd->link, id, &version, &features))
		row_null(s, "cipher");
	else
		row_str(s, "cipher",
		    (features & FEATURE_AES) != 0 ? "aes-256-gcm" :
						    "chacha20-poly1305");
}

/* What the session with it speaks; of ourselves, what this build does. */
static void
row_speaks(struct show *s, uint16_t id)
{
	unsigned version = WIRE_VERSION;
	uint64_t features = WIRE_FEATURES;

	if (id == s->nd->self ||
	    link_speaks(s->nd->link, id, &version, &features)) {
		row_u64(s, "protocol", version);
		row_u64(s, "features", features & WIRE_FEATURES);
	} else {
		row_null(s, "protocol");
		row_null(s, "features");
	}
	row_cipher(s, id);
}

static void
show_node(struct show *s, const struct conf_node *cn)
{
	const struct node *nd = s->nd;
	const struct view *v = member_view(nd->member);
	const struct view_member *m = v == NULL ? NULL : view_find(v, cn->id);
	unsigned up = 0, total = 0;
	struct fencing_info info;

	row_begin(s);
	row_str(s, "node", cn->name);
	row_u64(s, "id", cn->id);
	row_bool(s, "self", cn->id == nd->self);
	row_str(s, "state", node_state(nd, cn->id));
	row_u64(s, "votes", cn->votes);
	if (cn->id != nd->self)
		count_links(nd, cn->id, &up, &total);
	row_u64(s, "links_up", up);
	row_u64(s, "links", total);
	if (m == NULL)
		row_null(s, "incarnation");
	else
		row_id(s, "incarnation", m->inc);
	if (fence_of(nd, cn->id, &info))
		row_str(s, "fence", fencing_state_name(info.state));
	else
		row_null(s, "fence");
	row_speaks(s, cn->id);
	row_end(s);
}

static void
show_nodes(struct show *s)
{
	const struct conf *conf = s->nd->conf;
	unsigned i;

	for (i = 0; i < conf->nnodes; i++) {
		if (s->arg[0] == '\0' ||
		    strcmp(s->arg, conf->nodes[i].name) == 0)
			show_node(s, &conf->nodes[i]);
	}
}

/*
 * With the lease: a view whose quorum may be elsewhere by now is not called
 * quorate.  The text has names instead of numbers.
 */
static bool
quorum_word(const struct node *nd, struct quorum_info *q, char *text,
    size_t size)
{
	char why[LONG];

	quorum_get(nd->quorum, q);
	if (q->quorate && !lease_held(nd->lease)) {
		snprintf(text, size,
		    "its lease is out: too few members of view %llu answer, "
		    "and there may be another one by now",
		    (unsigned long long)q->epoch);
		return false;
	}
	quorum_why(q, why, sizeof(why));
	names_put(nd->conf, why, text, size);
	return q->quorate;
}

static void
row_lease(struct show *s)
{
	uint64_t until = lease_until(s->nd->lease);

	row_str(s, "lease", until == 0 ? "out" : "held");
	/* Nobody has to answer where our own votes are enough. */
	if (until == 0 || until == UINT64_MAX)
		row_null(s, "lease_left_us");
	else
		row_u64(s, "lease_left_us", until - MIN(until, s->nd->now));
}

static void
row_missing(struct show *s, const struct quorum_info *q)
{
	char text[LIST];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < q->missing.n; i++) {
		strlcat(text, i > 0 ? " " : "", sizeof(text));
		strlcat(text, node_name(s->nd, q->missing.v[i]), sizeof(text));
	}
	row_str(s, "missing", text);
}

static void
row_device(struct show *s, const struct quorum_info *q)
{
	const struct voter *v = electorate_voter(&q->elect, VOTER_DEVICE);
	const struct conf *c = s->nd->conf;
	struct device_info d;
	char text[LONG];

	if (c->qdevice.votes == 0)
		return;
	member_device(s->nd->member, &d);
	if (c->qdevice.kind == QDEVICE_WITNESS)
		snprintf(text, sizeof(text), "witness %s port %u",
		    c->qdevice.address, c->qdevice.port);
	else
		strlcpy(text, c->qdevice.path, sizeof(text));
	row_str(s, "device", text);
	row_u64(s, "device_votes", v == NULL ? c->qdevice.votes : v->votes);
	row_bool(s, "device_voting", q->device == QUORUM_DEVICE_VOTES);
	quorum_device_why(q, &d, text, sizeof(text));
	row_str(s, "device_why", text);
	row_ago(s, "device_answered_us", d.answered_at);
}

static void
show_quorum(struct show *s)
{
	struct quorum_info q;
	char why[LONG], text[LIST];
	bool quorate;

	quorate = quorum_word(s->nd, &q, why, sizeof(why));
	row_begin(s);
	row_bool(s, "quorate", quorate);
	row_u64(s, "votes", q.votes);
	row_u64(s, "expected", q.expected);
	row_u64(s, "needed", q.needed);
	row_bool(s, "two_node", q.two_node);
	row_bool(s, "waits_for_all", q.waits_for_all);
	row_u64(s, "epoch", q.epoch);
	row_str(s, "why", why);
	row_str(s, "rule", q.quorate ? vote_rule_name(q.rule) : "");
	row_str(s, "tie_breaker", q.tie == 0 ? "" : node_name(s->nd, q.tie));
	row_bool(s, "set_by_operator", q.elect.set || q.elect.opt.given != 0);
	row_ago(s, "since_us", q.since);
	row_lease(s);
	row_missing(s, &q);
	quorum_restore(&q, text, sizeof(text));
	names_put(s->nd->conf, text, why, sizeof(why));
	row_str(s, "restore", why);
	row_device(s, &q);
	quorum_options(s->nd->quorum, text, sizeof(text));
	row_str(s, "options", text);
	quorum_differs(s->nd->quorum, text, sizeof(text));
	row_str(s, "differs", text);
	row_end(s);
}

/* What an operator can change, one by one. */
static void
show_options(struct show *s)
{
	struct quorum_value v;
	unsigned i;

	for (i = 0; quorum_value(s->nd->quorum, i, &v); i++) {
		row_begin(s);
		row_str(s, "option", v.name);
		row_str(s, "value", v.text);
		row_str(s, "file", v.file);
		row_bool(s, "set_by_operator", v.given);
		row_str(s, "back", v.given ? "quorum reset" : "");
		row_end(s);
	}
}

static void
show_fence(struct show *s)
{
	struct fencing_info f;
	char number[8];
	unsigned i;

	for (i = 0; fencing_info(s->nd->fencing, i, &f); i++) {
		row_begin(s);
		/* By which it can be confirmed when the file has it no more. */
		snprintf(number, sizeof(number), "%u", f.node);
		row_str(s, "node",
		    conf_node(s->nd->conf, f.node) == NULL ?
			number :
			node_name(s->nd, f.node));
		row_id(s, "incarnation", f.inc);
		row_str(s, "state", fencing_state_name(f.state));
		if (f.state == FS_DONE)
			row_str(s, "evidence",
			    f.harmless ? "used nothing" :
					 evidence_name(f.evidence));
		else
			row_null(s, "evidence");
		row_u64(s, "attempt", f.attempt);
		row_u64(s, "level", f.level);
		if (f.executor == 0)
			row_null(s, "executor");
		else
			row_str(s, "executor", node_name(s->nd, f.executor));
		row_ago(s, "lost_us", f.since);
		row_ago(s, "done_us", f.state == FS_DONE ? f.done : 0);
		row_str(s, "text", f.text);
		if (!row_end(s))
			break;
	}
}

/* --- lockspaces and locks --------------------------------------------------- */

static const char *
stage_name(enum ls_stage stage)
{
	static const char *const names[] = { "stopped", "waits for fencing",
		"directory", "locks", "running" };

	return (unsigned)stage < NITEMS(names) ? names[stage] : "?";
}

static void
members_text(const struct node *nd, const struct ls_info *ls, char *text,
    size_t size)
{
	char one[64];
	unsigned i;

	text[0] = '\0';
	for (i = 0; i < ls->nmembers; i++) {
		snprintf(one, sizeof(one), "%s%s:%u", i == 0 ? "" : " ",
		    node_name(nd, ls->members[i].node), ls->members[i].slot);
		strlcat(text, one, size);
	}
}

static void
show_lockspaces(struct show *s)
{
	const struct node *nd = s->nd;
	struct dlm_stats st;
	struct ls_info ls;
	char members[LIST];
	unsigned i;

	for (i = 0; lspace_info(nd->lspace, i, &ls); i++) {
		dlm_get_stats(nd->dlm, ls.lsid, &st);
		members_text(nd, &ls, members, sizeof(members));
		row_begin(s);
		row_str(s, "lockspace", ls.name);
		row_str(s, "state", stage_name(ls.stage));
		row_ago(s, "since_us", ls.since);
		row_str(s, "waits_for",
		    ls.waits_for == 0 ? "" : node_name(nd, ls.waits_for));
		row_bool(s, "joined", ls.joined);
		row_u64(s, "generation", ls.generation);
		row_u64(s, "locks", st.locks);
		row_u64(s, "resources", st.resources);
		row_u64(s, "mastered", st.mastered);
		row_u64(s, "waiting", st.waiting);
		row_str(s, "members", members);
		if (!row_end(s))
			break;
	}
}

/* Binary names become readable; gfs2's "       2           183f5" is 2:183f5. */
static void
resource_text(const uint8_t *name, unsigned len, char *text, size_t size)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < len && at + 5 < size; i++) {
		if (name[i] == ' ' || name[i] == '\0') {
			if (at > 0 && text[at - 1] != ':')
				text[at++] = ':';
		} else if (name[i] > ' ' && name[i] < 0x7f)
			text[at++] = (char)name[i];
		else
			at += (size_t)snprintf(text + at, size - at, "\\x%02x",
			    name[i]);
	}
	while (at > 0 && text[at - 1] == ':')
		at--;
	text[at] = '\0';
}

static const char *
mode_name(int mode)
{
	static const char *const names[] = { "NL", "CR", "CW", "PR", "PW",
		"EX" };

	return mode < 0 || (unsigned)mode >= NITEMS(names) ? "-" : names[mode];
}

static const char *
lockspace_name(const struct node *nd, uint32_t lsid, struct ls_info *ls)
{
	unsigned i;

	for (i = 0; lspace_info(nd->lspace, i, ls); i++) {
		if (ls->lsid == lsid)
			return ls->name;
	}
	return "-";
}

static bool
show_lock(void *arg, const struct dlm_lock_info *l)
{
	struct show *s = arg;
	struct ls_info ls;
	const char *name = lockspace_name(s->nd, l->lsid, &ls);
	char resource[256];

	if (s->arg[0] != '\0' && strcmp(s->arg, name) != 0)
		return true;
	resource_text(l->name, l->namelen, resource, sizeof(resource));
	row_begin(s);
	row_str(s, "lockspace", name);
	row_str(s, "resource", resource);
	row_str(s, "granted", mode_name(l->granted));
	row_str(s, "requested", mode_name(l->requested));
	row_ago(s, "since_us", l->since);
	row_str(s, "master", node_name(s->nd, l->master));
	row_u64(s, "client", l->client);
	row_u64(s, "lkid", l->lkid);
	return row_end(s);
}

static void
show_locks(struct show *s)
{
	dlm_each_lock(s->nd->dlm, show_lock, s);
}

/* --- the rest ---------------------------------------------------------------- */

static void
show_fs(struct show *s)
{
	const struct client_mount *m;
	unsigned i, n = client_mounts(s->nd->client, &m);

	for (i = 0; i < n; i++) {
		row_begin(s);
		row_str(s, "fs", m[i].fs);
		row_str(s, "mount", m[i].dir);
		row_u64(s, "pid", m[i].pid);
		row_ago(s, "since_us", m[i].since);
		row_end(s);
	}
}

static void
show_events(struct show *s)
{
	static const char *const levels[] = { "debug", "info", "warning" };
	const struct client_event *e;
	unsigned i;

	for (i = 0; (e = client_event_at(s->nd->client, i)) != NULL; i++) {
		row_begin(s);
		row_u64(s, "seq", e->seq);
		row_u64(s, "epoch", e->epoch);
		row_u64(s, "time_us", e->wall);
		row_str(s, "level",
		    (unsigned)e->level < NITEMS(levels) ? levels[e->level] :
							  "?");
		row_str(s, "kind", ev_kind_name(e->kind));
		row_str(s, "text", e->text);
		if (!row_end(s))
			break;
	}
}

static void
show_groups(struct show *s)
{
	struct group_info g;
	unsigned i;

	for (i = 0; group_info(s->nd->group, i, &g); i++) {
		row_begin(s);
		row_str(s, "group", g.name);
		row_u64(s, "members", g.nmembers);
		row_u64(s, "local", g.nlocal);
		row_u64(s, "with_state", g.nstate);
		row_u64(s, "wait_for_state", g.nwaiting);
		row_u64(s, "messages", g.messages);
		if (!row_end(s))
			break;
	}
}

static void
show_channels(struct show *s)
{
	struct evchan_info e;
	unsigned i;

	for (i = 0; evchan_info(s->nd->evchan, i, &e); i++) {
		row_begin(s);
		row_str(s, "channel", e.name);
		row_u64(s, "retained", e.topics);
		row_u64(s, "bytes", e.bytes);
		row_u64(s, "subscribers", e.subscribers);
		row_u64(s, "events", e.events);
		if (!row_end(s))
			break;
	}
}

static void
show_levels(struct show *s)
{
	struct levels_info l;
	unsigned i;

	for (i = 0; levels_info(s->nd->levels, i, &l); i++) {
		row_begin(s);
		row_u64(s, "level", l.level);
		row_str(s, "name", l.name);
		row_str(s, "node", node_name(s->nd, l.who.node));
		row_u64(s, "client", l.who.client);
		row_str(s, "state", l.state);
		row_u64(s, "round", l.round);
		if (!row_end(s))
			break;
	}
}

static void
show_barriers(struct show *s)
{
	struct barrier_info bi;
	unsigned i;

	for (i = 0; barrier_info(s->nd->barriers, i, &bi); i++) {
		row_begin(s);
		row_str(s, "barrier", bi.name);
		row_u64(s, "parties", bi.parties);
		row_u64(s, "waiting", bi.waiting);
		row_u64(s, "local", bi.local);
		if (!row_end(s))
			break;
	}
}

/* With an argument: the keys that begin with it. */
static void
show_kv(struct show *s)
{
	struct kv_info k = { .key = "" };

	while (kv_info_after(s->nd->kv, k.key, &k)) {
		if (strncmp(k.key, s->arg, strlen(s->arg)) != 0)
			continue;
		row_begin(s);
		row_str(s, "key", k.key);
		row_u64(s, "bytes", k.bytes);
		row_u64(s, "version", k.version);
		if (k.owner.node == 0)
			row_null(s, "owner");
		else
			row_str(s, "owner", node_name(s->nd, k.owner.node));
		if (!row_end(s))
			break;
	}
}

static void
show_ports(struct show *s)
{
	struct dgram_info d = { .port = -1 };

	while (dgram_info_after(s->nd->dgrams, d.port, &d)) {
		row_begin(s);
		row_u64(s, "port", (uint64_t)d.port);
		row_u64(s, "client", d.client);
		row_u64(s, "taken", d.taken);
		if (!row_end(s))
			break;
	}
}

/* --- keys ------------------------------------------------------------------------ */

static void
show_keys(struct show *s)
{
	const struct conf *conf = s->nd->conf;
	struct keys_info ki;
	unsigned i;

	for (i = 0; i < conf->nnodes; i++) {
		keys_get(s->nd->keys, conf->nodes[i].id, &ki);
		row_begin(s);
		row_str(s, "node", conf->nodes[i].name);
		row_bool(s, "member", ki.member);
		row_str(s, "step", keys_step_name(ki.step));
		row_u64(s, "generation", ki.use);
		if (ki.step == KEYS_STEADY) {
			row_null(s, "other");
			row_null(s, "holds");
			row_null(s, "done");
		} else {
			row_u64(s, "other", ki.other);
			row_bool(s, "holds", ki.holds);
			row_bool(s, "done", ki.done);
		}
		row_str(s, "failed", ki.failed);
		row_end(s);
	}
}

/* --- status -------------------------------------------------------------------- */

static void
status_members(struct show *s)
{
	const struct node *nd = s->nd;
	const struct view *v = member_view(nd->member);
	char text[LIST], one[48];
	unsigned i;

	text[0] = '\0';
	for (i = 0; v != NULL && i < v->n; i++) {
		snprintf(one, sizeof(one), "%s%s%s", i == 0 ? "" : " ",
		    node_name(nd, v->members[i].node),
		    v->members[i].node == nd->self ? "*" : "");
		strlcat(text, one, sizeof(text));
	}
	row_u64(s, "nodes_up", v == NULL ? 0 : v->n);
	row_u64(s, "nodes_total", nd->conf->nnodes);
	row_str(s, "members", text);
}

static void
status_links(struct show *s)
{
	const struct conf *conf = s->nd->conf;
	unsigned i, up = 0, total = 0;

	for (i = 0; i < conf->nnodes; i++) {
		if (conf->nodes[i].id != s->nd->self)
			count_links(s->nd, conf->nodes[i].id, &up, &total);
	}
	row_u64(s, "links_up", up);
	row_u64(s, "links_total", total);
}

/* What the operator should do next, from the most urgent down. */
struct advice {
	char next[LONG];
};

static void
status_fencing(struct show *s, struct advice *a)
{
	struct fencing_info f, first = { .node = 0 };
	unsigned i, pending = 0;
	char text[256];

	text[0] = '\0';
	for (i = 0; fencing_info(s->nd->fencing, i, &f); i++) {
		if (f.state == FS_DONE)
			continue;
		if (pending++ == 0)
			first = f;
	}
	if (pending > 0)
		snprintf(text, sizeof(text), "%s is being fenced (%s): %s",
		    node_name(s->nd, first.node),
		    fencing_state_name(first.state), first.text);
	if (pending > 0 && first.state == FS_MANUAL)
		snprintf(a->next, sizeof(a->next),
		    "switch %s off, see with your own eyes that it is off, "
		    "then: fence confirm %s",
		    node_name(s->nd, first.node), node_name(s->nd, first.node));
	row_u64(s, "fence_pending", pending);
	row_str(s, "fence_text", text);
}

static void
status_lockspaces(struct show *s)
{
	unsigned i, joined = 0, blocked = 0;
	uint64_t locks = 0;
	struct dlm_stats st;
	struct ls_info ls;
	char text[256];

	text[0] = '\0';
	for (i = 0; lspace_info(s->nd->lspace, i, &ls); i++) {
		joined += ls.joined;
		dlm_get_stats(s->nd->dlm, ls.lsid, &st);
		locks += st.locks;
		if (!ls.joined || ls.stage == LSS_RUN)
			continue;
		if (blocked++ > 0)
			continue;
		if (ls.waits_for != 0)
			snprintf(text, sizeof(text),
			    "%s waits until %s is fenced", ls.name,
			    node_name(s->nd, ls.waits_for));
		else
			snprintf(text, sizeof(text), "%s recovers (%s)",
			    ls.name, stage_name(ls.stage));
	}
	row_u64(s, "lockspaces", joined);
	row_u64(s, "lockspaces_blocked", blocked);
	row_str(s, "blocked_text", text);
	row_u64(s, "locks", locks);
}

static void
show_status(struct show *s)
{
	const struct node *nd = s->nd;
	const struct view *v = member_view(nd->member);
	const struct client_mount *mounts;
	struct advice a = { .next = "" };
	struct quorum_info q;
	char why[LONG];
	bool quorate = quorum_word(nd, &q, why, sizeof(why));

	row_begin(s);
	row_str(s, "cluster", nd->conf->cluster);
	row_str(s, "node", node_name(nd, nd->self));
	row_u64(s, "epoch", v == NULL ? 0 : v->epoch);
	row_str(s, "leader", v == NULL ? "" : node_name(nd, v->leader));
	status_members(s);
	row_u64(s, "features", v == NULL ? 0 : v->features);
	row_bool(s, "quorate", quorate);
	row_u64(s, "votes", q.votes);
	row_u64(s, "votes_total", q.expected);
	row_u64(s, "votes_needed", q.needed);
	status_links(s);
	if (!quorate)
		strlcpy(a.next, why, sizeof(a.next));
	status_fencing(s, &a);
	status_lockspaces(s);
	row_u64(s, "mounts", client_mounts(nd->client, &mounts));
	row_str(s, "next", a.next);
	row_end(s);
}

/* --------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	void (*show)(struct show *);
	bool narrowed; /* an argument must match something */
} questions[] = {
	{ "status", show_status, false },
	{ "nodes", show_nodes, true },
	{ "links", show_links, false },
	{ "timers", show_timers, false },
	{ "quorum", show_quorum, false },
	{ "quorum-options", show_options, false },
	{ "fence", show_fence, false },
	{ "lockspaces", show_lockspaces, false },
	{ "locks", show_locks, false },
	{ "fs", show_fs, false },
	{ "events", show_events, false },
	{ "groups", show_groups, false },
	{ "channels", show_channels, false },
	{ "levels", show_levels, false },
	{ "barriers", show_barriers, false },
	{ "kv", show_kv, true },
	{ "ports", show_ports, false },
	{ "key", show_keys, false },
};

void
show_request(const struct node *nd, const struct note *ask, struct bus *bus)
{
	struct show s = { .nd = nd, .ask = ask, .bus = bus };
	char what[64];
	struct rbuf r;
	unsigned i;

	rbuf_init(&r, ask->data, ask->len);
	rbuf_str(&r, what, sizeof(what));
	rbuf_str(&r, s.arg, sizeof(s.arg));
	if (!rbuf_done(&r)) {
		bus_client_result(bus, ask->client, ask->msgid, ERR_INVAL,
		    "malformed request");
		return;
	}
	for (i = 0; i < NITEMS(questions); i++) {
		if (strcmp(questions[i].what, what) == 0)
			break;
	}
	if (i == NITEMS(questions)) {
		bus_client_result(bus, ask->client, ask->msgid, ERR_NOENT,
		    "unknown question \"%s\"", what);
		return;
	}
	wbuf_init(&s.row, 16384);
	questions[i].show(&s);
	wbuf_free(&s.row);
	if (questions[i].narrowed && s.arg[0] != '\0' && s.nrows == 0)
		bus_client_result(bus, ask->client, ask->msgid, ERR_NOENT,
		    "no \"%s\" among the %s", s.arg, what);
	else
		bus_client_result(bus, ask->client, ask->msgid, 0, "%u rows%s",
		    s.nrows, s.nrows == SHOW_ROWS_MAX ? ", cut" : "");
}
