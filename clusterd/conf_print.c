/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The normal form: a cluster.yaml that says everything, defaults included,
 * in one fixed order and one fixed spelling.
 *
 * P1.  conf_parse() accepts it, and gives a structure with the same hash.
 * P2.  No secret is in it: a secret written inline shows as {hidden: true}.
 */

#include <stdarg.h>
#include <stdio.h>

#include "conf.h"

static void put(struct wbuf *, const char *, ...) PRINTF_LIKE(2, 3);

/* For lines of bounded length; texts from the file go through put_text(). */
static void
put(struct wbuf *w, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line)) {
		w->err = true;
		return;
	}
	wbuf_bytes(w, line, (size_t)n);
}

/* Words that some YAML reader takes for a switch or for nothing. */
static bool
special(const char *s)
{
	static const char *const words[] = { "null", "yes", "no", "on", "off",
		"y", "n" };
	char low[8] = "";
	size_t i;

	if (strlen(s) >= sizeof(low))
		return false;
	for (i = 0; s[i] != '\0'; i++)
		low[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
	for (i = 0; i < NITEMS(words); i++) {
		if (strcmp(low, words[i]) == 0)
			return true;
	}
	return false;
}

/* A text that every YAML reader takes as it stands needs no quotes. */
static bool
plain(const char *s)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++) {
		bool word = (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] >= '0' && s[i] <= '9') || s[i] == '_' ||
		    s[i] == '/' || s[i] == '.';

		if (!word && (i == 0 || strchr("-+", s[i]) == NULL))
			return false;
	}
	return i > 0 && !special(s);
}

/* For conf_text_ok() texts: in double quotes nothing else needs escaping. */
static void
put_text(struct wbuf *w, const char *s)
{
	if (plain(s)) {
		wbuf_bytes(w, s, strlen(s));
		return;
	}
	wbuf_u8(w, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			wbuf_u8(w, '\\');
		wbuf_u8(w, (uint8_t)*s);
	}
	wbuf_u8(w, '"');
}

/* The largest unit that is exact, so that 700000 reads 700ms. */
static void
put_duration(struct wbuf *w, const char *key, uint64_t us)
{
	if (us % 1000000 == 0)
		put(w, "%s: %llus\n", key, (unsigned long long)(us / 1000000));
	else if (us % 1000 == 0)
		put(w, "%s: %llums\n", key, (unsigned long long)(us / 1000));
	else
		put(w, "%s: %lluus\n", key, (unsigned long long)us);
}

static const char *
word(bool b)
{
	return b ? "true" : "false";
}

/* Ids ascend, whatever the order of the file was. */
static void
print_nodes(const struct conf *c, struct wbuf *w)
{
	unsigned i, j;

	put(w, "nodes:\n");
	for (i = 0; i < c->nnodes; i++) {
		const struct conf_node *n = &c->nodes[i];

		put(w, "  %s:\n", n->name);
		put(w, "    id: %u\n", n->id);
		put(w, "    links: [");
		for (j = 0; j < n->nlinks; j++) {
			put(w, "%s", j == 0 ? "" : ", ");
			put_text(w, n->links[j]);
		}
		put(w, "]\n");
		put(w, "    votes: %u\n", n->votes);
	}
}

/* The order of a list is meaning, and kept. */
static void
print_tie(const struct conf *c, struct wbuf *w)
{
	const struct conf_node *n;
	unsigned i;

	if (c->tie != TIE_LIST) {
		put(w, "  tie_breaker: %s\n", conf_tie_name(c->tie));
		return;
	}
	put(w, "  tie_breaker: [");
	for (i = 0; i < c->ntie; i++) {
		n = conf_node(c, c->tie_nodes[i]);
		put(w, "%s%s", i == 0 ? "" : ", ", n == NULL ? "?" : n->name);
	}
	put(w, "]\n");
}

static void
print_heuristic(const struct conf_heuristic *h, struct wbuf *w)
{
	unsigned i;

	put(w, "      - run: [");
	for (i = 0; i < h->nargs; i++) {
		put(w, "%s", i == 0 ? "" : ", ");
		put_text(w, h->args[i]);
	}
	put(w, "]\n        score: %u\n", h->score);
	put_duration(w, "        interval", h->interval_us);
}

static void
print_qdevice(const struct conf *c, struct wbuf *w)
{
	unsigned i;

	if (c->qdevice.kind == QDEVICE_NONE)
		return;
	put(w, "  device:\n");
	if (c->qdevice.kind == QDEVICE_DISK) {
		put(w, "    path: ");
		put_text(w, c->qdevice.path);
		put(w, "\n");
	} else {
		put(w, "    witness: ");
		put_text(w, c->qdevice.address);
		put(w, "\n    port: %u\n", c->qdevice.port);
	}
	put(w, "    votes: %u\n", c->qdevice.votes);
	put_duration(w, "    timeout", c->qdevice.timeout_us);
	if (c->qdevice.nheuristics == 0)
		return;
	put(w, "    heuristics:\n");
	for (i = 0; i < c->qdevice.nheuristics; i++)
		print_heuristic(&c->qdevice.heuristics[i], w);
	put(w, "    minimum: %u\n", c->qdevice.minimum);
}

/* Nothing where the file has nothing: names have no default. */
static void
print_links(const struct conf *c, struct wbuf *w)
{
	unsigned i;

	if (c->nlinkinfo == 0)
		return;
	put(w, "  links:\n");
	for (i = 0; i < c->nlinkinfo; i++) {
		put(w, "    - {");
		if (c->links[i].name[0] != '\0') {
			put(w, "name: ");
			put_text(w, c->links[i].name);
			put(w, ", ");
		}
		put(w, "priority: %u}\n", c->links[i].priority);
	}
}

/*
 * The profile and the timers it stands for: when they are read back, the
 * explicit values win, so it does not matter that both are there.
 */
static void
print_timers(const struct conf *c, struct wbuf *w)
{
	put(w, "transport:\n");
	put(w, "  port: %u\n", c->port);
	put(w, "  key: {file: ");
	put_text(w, c->keyfile);
	put(w, "}\n");
	put(w, "  mode: %s\n", conf_mode_name(c->mode));
	print_links(c, w);
	if (conf_dscp_name(c->dscp) != NULL)
		put(w, "  dscp: %s\n", conf_dscp_name(c->dscp));
	else
		put(w, "  dscp: %u\n", c->dscp);
	if (c->mtu == 0)
		put(w, "  mtu: auto\n");
	else
		put(w, "  mtu: %u\n", c->mtu);
	put(w, "  relay: %s\n", word(c->relay));
	put(w, "membership:\n");
	put(w, "  detect: %s\n", conf_detect_name(c->detect));
	put_duration(w, "  heartbeat", c->heartbeat_us);
	put_duration(w, "  failure_timeout", c->failure_timeout_us);
	put_duration(w, "  stall_timeout", c->stall_timeout_us);
	put(w, "quorum:\n");
	put(w, "  wait_for_all: %s\n", word(c->wait_for_all));
	put(w, "  two_node: %s\n", word(c->two_node));
	put(w, "  last_man_standing: %s\n", word(c->last_man_standing));
	put(w, "  downscale: %s\n", word(c->downscale));
	print_tie(c, w);
	print_qdevice(c, w);
}

/* P2.  Not even the length of a secret shows. */
static void
print_option(const struct conf_option *o, struct wbuf *w)
{
	put(w, "        %s: ", o->name);
	if (o->file) {
		put(w, "{file: ");
		put_text(w, o->value);
		put(w, "}\n");
	} else if (o->hidden || conf_option_secret(o->name)) {
		put(w, "{hidden: true}\n");
	} else {
		put_text(w, o->value);
		put(w, "\n");
	}
}

/*
 * The timeout is printed even if it came from the section's default: reading
 * it back gives the same either way.
 */
static void
print_device(const struct conf *c, const struct conf_device *d, struct wbuf *w)
{
	unsigned i;

	put(w, "    %s:\n", d->name);
	put(w, "      agent: ");
	put_text(w, d->agent);
	put(w, "\n");
	put_duration(w, "      timeout", d->timeout_us);
	if (d->noptions > 0)
		put(w, "      options:\n");
	for (i = 0; i < d->noptions; i++)
		print_option(&d->options[i], w);
	put(w, "      targets:\n");
	for (i = 0; i < d->ntargets; i++) {
		const struct conf_node *n = conf_node(c, d->targets[i].node);

		put(w, "        %s: {", n == NULL ? "?" : n->name);
		if (d->targets[i].port[0] != '\0') {
			put(w, "port: ");
			put_text(w, d->targets[i].port);
		}
		put(w, "}\n");
	}
}

/* The order of levels and of devices in a level is meaning, and kept. */
static void
print_levels(const struct conf *c, const struct conf_node *n, struct wbuf *w)
{
	unsigned i, j;

	put(w, "    %s: [", n->name);
	for (i = 0; i < n->nlevels; i++) {
		put(w, "%s[", i == 0 ? "" : ", ");
		for (j = 0; j < n->levels[i].ndevices; j++) {
			unsigned d = n->levels[i].devices[j];

			put(w, "%s%s", j == 0 ? "" : ", ",
			    d < c->ndevices ? c->devices[d].name : "?");
		}
		put(w, "]");
	}
	put(w, "]\n");
}

/* Nodes without levels are left out; only a file with errors has those. */
static void
print_fencing(const struct conf *c, struct wbuf *w)
{
	unsigned i;
	bool any = false;

	if (c->fence_manual) {
		put(w, "fencing: manual\n");
		return;
	}
	put(w, "fencing:\n");
	put_duration(w, "  timeout", c->fence_timeout_us);
	put(w, "  tries: %u\n", c->fence_tries);
	put_duration(w, "  on_join_delay", c->fence_on_join_delay_us);
	if (c->ndevices > 0)
		put(w, "  devices:\n");
	for (i = 0; i < c->ndevices; i++)
		print_device(c, &c->devices[i], w);
	for (i = 0; i < c->nnodes; i++) {
		if (c->nodes[i].nlevels == 0)
			continue;
		if (!any)
			put(w, "  levels:\n");
		any = true;
		print_levels(c, &c->nodes[i], w);
	}
}

static void
print_filesystems(const struct conf *c, struct wbuf *w)
{
	unsigned i;

	if (c->nfs > 0)
		put(w, "filesystems:\n");
	for (i = 0; i < c->nfs; i++) {
		put(w, "  %s:\n", c->fs[i].name);
		put(w, "    device: ");
		put_text(w, c->fs[i].device);
		put(w, "\n    mount: ");
		put_text(w, c->fs[i].mount);
		put(w, "\n");
	}
}

static void
print_control(const struct conf *c, struct wbuf *w)
{
	/* "" is a default that cannot be written. */
	if (c->admin_group[0] == '\0' && c->observer_group[0] == '\0')
		return;
	put(w, "control:\n");
	if (c->admin_group[0] != '\0')
		put(w, "  admin_group: %s\n", c->admin_group);
	if (c->observer_group[0] != '\0')
		put(w, "  observer_group: %s\n", c->observer_group);
}

/*
 * No section depends on anything but the structure: no time, no host name,
 * nothing that differs between nodes.
 */
void
conf_print(const struct conf *c, struct wbuf *w)
{
	put(w, "schema: 1\n");
	put(w, "cluster: %s\n", c->cluster);
	print_nodes(c, w);
	print_timers(c, w);
	print_fencing(c, w);
	print_filesystems(c, w);
	put(w, "log:\n");
	put(w, "  level: %s\n", conf_loglevel_name(c->log_level));
	print_control(c, w);
}
