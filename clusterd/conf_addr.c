/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Addresses of nodes: numeric, of one machine, and in one spelling, so that
 * everything behind compares them as texts.
 */

#include <arpa/inet.h>
#include <stdio.h>

#include "conf_yaml.h"

/* An address as bytes; IPv4 inside IPv6 becomes IPv4. */
struct addr {
	int family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t b[16];
};

/*
 * inet_pton() takes no host names, no shortened forms such as 10.1, and no
 * zone; all of these are meant to be refused.
 */
static bool
addr_parse(const char *s, struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, s, a->b) == 1) {
		a->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, s, a->b) != 1)
		return false;
	a->family = AF_INET6;
	if (memcmp(a->b, mapped, sizeof(mapped)) == 0) {
		a->family = AF_INET;
		memmove(a->b, a->b + sizeof(mapped), 4);
	}
	return true;
}

/* Why no single machine can have this address; NULL if one can. */
static const char *
addr_unfit(const struct addr *a)
{
	static const uint8_t zero[16];

	if (a->family == AF_INET) {
		if (a->b[0] == 0)
			return "no address of a machine";
		if (a->b[0] >= 240)
			return "a broadcast or reserved address";
		return a->b[0] >= 224 ? "a multicast address" : NULL;
	}
	if (memcmp(a->b, zero, sizeof(zero)) == 0)
		return "no address of a machine";
	if (a->b[0] == 0xff)
		return "a multicast address";
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80)
		return "a link-local address";
	return NULL;
}

/* Stores the canonical spelling: FD00:0::1 and fd00::1 are one address. */
static void
set_link(struct walk *w, const struct ynode *y, char *dst, size_t size)
{
	char path[YPATH_LEN];
	struct addr a;
	const char *s, *why;

	s = walk_scalar(w, y, "a numeric address");
	if (s == NULL)
		return;
	ynode_path(y, path, sizeof(path));
	if (!addr_parse(s, &a)) {
		report_fix(report_add(w->r, "E028", y->at,
			       "%s is \"%.60s\", not a numeric address", path,
			       s),
		    "write an IPv4 or IPv6 address: no name service is asked "
		    "when a cluster starts");
		return;
	}
	why = addr_unfit(&a);
	if (why != NULL) {
		report_add(w->r, "E007", y->at, "%s is %s, %s", path, s, why);
		return;
	}
	ASSERT(inet_ntop(a.family, a.b, dst, (socklen_t)size) != NULL);
}

void
set_addr(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	set_link(w, y, (char *)obj + k->off, k->size);
}

/*
 * A link with an error keeps its place, as "", so that the number of links
 * and the positions of the others stay right.
 */
void
set_links(struct walk *w, const struct key *k, const struct ynode *y, void *obj)
{
	struct conf_node *n = obj;
	const struct ynode *item;
	char path[YPATH_LEN];

	if (!walk_kind(w, y, Y_SEQ, "a list of addresses: [ADDRESS, ...]") ||
	    !walk_count(w, y, CONF_LINKS_MAX))
		return;
	if (y->nitems == 0)
		report_fix(report_add(w->r, "E009", ynode_place(y),
			       "%s is empty: at least one link is required",
			       ynode_path(y, path, sizeof(path))),
		    "write [ADDRESS]");
	STAILQ_FOREACH(item, &y->items, entry)
		set_link(w, item, n->links[n->nlinks++], CONF_ADDR_LEN);
}

/*
 * The file has no prefix lengths, so a subnet is taken to be a /24 or a /64.
 * Loopback is a laboratory, where nothing is redundant anyway.
 */
static bool
same_subnet(const char *sa, const char *sb, char *net, size_t size)
{
	struct addr a, b;
	char buf[INET6_ADDRSTRLEN];
	size_t n;

	if (!addr_parse(sa, &a) || !addr_parse(sb, &b) || a.family != b.family)
		return false;
	if (a.family == AF_INET && a.b[0] == 127)
		return false;
	n = a.family == AF_INET ? 3 : 8;
	if (memcmp(a.b, b.b, n) != 0)
		return false;
	memset(a.b + n, 0, sizeof(a.b) - n);
	ASSERT(inet_ntop(a.family, a.b, buf, sizeof(buf)) != NULL);
	(void)snprintf(net, size, "%s/%zu", buf, n * 8);
	return true;
}

/* W030, once for every pair of links. */
void
addr_check(struct walk *w)
{
	const struct conf *c = w->c;
	const struct conf_node *n;
	char net[INET6_ADDRSTRLEN + 4], path[YPATH_LEN];
	struct ynode *y;
	unsigned i, j;
	bool exact;

	if (c->nnodes == 0)
		return;
	n = &c->nodes[0];
	for (j = 1; j < n->nlinks; j++) {
		for (i = 0; i < j; i++) {
			if (strcmp(n->links[i], n->links[j]) == 0 ||
			    !same_subnet(n->links[i], n->links[j], net,
				sizeof(net)))
				continue;
			(void)snprintf(path, sizeof(path), "nodes.%s.links[%u]",
			    n->name, j);
			y = ynode_find(w->root, path, &exact);
			report_fix(report_add(w->r, "W030", ynode_place(y),
				       "links %u and %u are both in %s: no "
				       "redundancy",
				       i, j, net),
			    "give every link a network of its own");
		}
	}
}
