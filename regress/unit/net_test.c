/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that datagrams arrive as they were sent, in their order and with
 * their borders, however the kernel joins and cuts them on the way; that runs
 * of them do go in one piece; and that we know when they came.
 */

#include <atf-c.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "loop.h"
#include "net.h"
#include "sockets.h"

#define PORT 5793

struct world {
	struct conf *conf;
	struct net *net[2]; /* of node 1 and node 2 */
	uint64_t began;
};

struct got {
	unsigned n;
	unsigned next[2]; /* number expected, by link */
	uint64_t from;	  /* all came after this */
};

static struct world
setup(void)
{
	struct world w;
	unsigned i, l;
	int fd;

	w.began = clock_boot_us();
	w.conf = conf_new();
	ATF_REQUIRE(w.conf != NULL);
	w.conf->nnodes = 2;
	w.conf->nlinks = 2;
	w.conf->port = PORT;
	for (i = 0; i < 2; i++) {
		w.conf->nodes[i].id = (uint16_t)(i + 1);
		w.conf->nodes[i].nlinks = 2;
		for (l = 0; l < 2; l++)
			snprintf(w.conf->nodes[i].links[l], CONF_ADDR_LEN,
			    "127.78.%u.%u", l, i + 1);
	}
	for (i = 0; i < 2; i++) {
		w.net[i] = net_new(w.conf);
		ATF_REQUIRE(w.net[i] != NULL);
		for (l = 0; l < 2; l++) {
			fd = sock_link(w.conf->nodes[i].links[l], PORT, 0);
			ATF_REQUIRE(fd != -1);
			ATF_REQUIRE(net_socket(w.net[i], l, fd));
		}
	}
	return w;
}

static void
teardown(struct world *w)
{
	net_free(w->net[0]);
	net_free(w->net[1]);
	conf_free(w->conf);
}

/* The content tells number and length. */
static void
give(struct world *w, unsigned link, unsigned number, size_t len)
{
	struct actions out;
	struct action *act;
	uint8_t data[2000];

	ATF_REQUIRE(len >= 6 && len <= sizeof(data));
	memset(data, (int)number, len);
	data[0] = (uint8_t)(number >> 8);
	data[1] = (uint8_t)number;
	data[2] = (uint8_t)(len >> 8);
	data[3] = (uint8_t)len;
	actions_init(&out);
	act = actions_add(&out, ACT_SEND, data, len);
	act->node = 2;
	act->link = link;
	net_send(w->net[0], actions_take(&out));
}

static void
take(void *arg, unsigned link, uint64_t at, const uint8_t *data, size_t len)
{
	struct got *g = arg;
	size_t i;

	ATF_REQUIRE_MSG(at >= g->from && at <= clock_boot_us(), "came at %llu",
	    (unsigned long long)at);
	ATF_REQUIRE(len >= 6);
	ATF_REQUIRE_EQ(g->next[link], (unsigned)data[0] << 8 | data[1]);
	ATF_REQUIRE_EQ(len, (size_t)data[2] << 8 | data[3]);
	for (i = 4; i < len; i++)
		ATF_REQUIRE_EQ(data[1], data[i]);
	g->next[link]++;
	g->n++;
}

static void
receive(struct world *w, struct got *g, unsigned want)
{
	struct pollfd p[2] = { { net_fd(w->net[1], 0), POLLIN, 0 },
		{ net_fd(w->net[1], 1), POLLIN, 0 } };
	unsigned l;

	memset(g, 0, sizeof(*g));
	g->from = w->began;
	while (g->n < want) {
		ATF_REQUIRE_MSG(poll(p, 2, 5000) > 0, "%u of %u came", g->n,
		    want);
		for (l = 0; l < 2; l++)
			(void)net_receive(w->net[1], l, take, g);
	}
	ATF_CHECK_EQ(want, net_stats(w->net[0])->sent);
	ATF_CHECK_EQ(want, net_stats(w->net[1])->received);
	ATF_CHECK_EQ(0, net_stats(w->net[0])->unsendable);
}

ATF_TC_WITHOUT_HEAD(runs);
ATF_TC_BODY(runs, tc)
{
	struct world w = setup();
	struct got g;
	unsigned i;

	/* More than one run can have, then what ends one, then others. */
	for (i = 0; i < 130; i++)
		give(&w, 0, i, 1100);
	give(&w, 0, i++, 300);
	give(&w, 0, i++, 1200);
	for (; i < 140; i++)
		give(&w, 0, i, 70);
	net_flush(w.net[0]);
	receive(&w, &g, 140);
	if (net_stats(w.net[0])->runs == 0)
		atf_tc_skip("this kernel takes no runs");
	ATF_CHECK(net_stats(w.net[0])->runs >= 4);
	teardown(&w);
}

/* Alternating links do not take runs apart, and lengths stay what they are. */
ATF_TC_WITHOUT_HEAD(mixed);
ATF_TC_BODY(mixed, tc)
{
	struct world w = setup();
	struct got g;
	unsigned i;

	for (i = 0; i < 600; i++) {
		give(&w, 0, i, 6 + i * 7919 % 1194);
		give(&w, 1, i, 800);
		if (i % 100 == 99)
			net_flush(w.net[0]);
	}
	net_flush(w.net[0]);
	receive(&w, &g, 1200);
	teardown(&w);
}

/* Who cannot be reached costs what was sent to it, and nothing else. */
ATF_TC_WITHOUT_HEAD(unsendable);
ATF_TC_BODY(unsendable, tc)
{
	struct world w = setup();
	struct actions out;
	struct action *act;
	struct got g;

	actions_init(&out);
	act = actions_add(&out, ACT_SEND, "nobody", 6);
	act->node = 3;
	net_send(w.net[0], actions_take(&out));
	act = actions_add(&out, ACT_SEND, "nowhere", 7);
	act->node = 2;
	act->link = 2;
	net_send(w.net[0], actions_take(&out));
	ATF_CHECK_EQ(2, net_stats(w.net[0])->unsendable);
	give(&w, 1, 0, 100);
	net_flush(w.net[0]);
	memset(&g, 0, sizeof(g));
	while (net_receive(w.net[1], 1, take, &g) == 0)
		;
	ATF_CHECK_EQ(1, g.n);
	teardown(&w);
}

static void
note_when(void *arg, unsigned link, uint64_t at, const uint8_t *data,
    size_t len)
{
	*(uint64_t *)arg = at;
}

/* It waits for us: what counts is when it came, also for runs. */
ATF_TC_WITHOUT_HEAD(stamps);
ATF_TC_BODY(stamps, tc)
{
	struct world w = setup();
	struct pollfd p = { net_fd(w.net[1], 0), POLLIN, 0 };
	uint64_t sent, at = 0;
	unsigned i;

	/* The kernel needs a moment to begin with it. */
	for (i = 0; i < 1000; i++) {
		give(&w, 0, 0, 700);
		give(&w, 0, 0, 700);
		net_flush(w.net[0]);
		ATF_REQUIRE(poll(&p, 1, 5000) == 1);
		sent = clock_boot_us();
		(void)poll(NULL, 0, 10);
		while (net_receive(w.net[1], 0, note_when, &at) == 0)
			;
		ATF_REQUIRE(at >= w.began && at <= clock_boot_us());
		if (at <= sent)
			break;
	}
	ATF_CHECK_MSG(i < 1000, "no datagram had a stamp of its coming");
	teardown(&w);
}

/* Whatever is done to the wall clock, nothing came after now, or long ago. */
ATF_TC_WITHOUT_HEAD(moments);
ATF_TC_BODY(moments, tc)
{
	const uint64_t wall = UINT64_C(1700000000000000), boot = 500000000;

	ATF_CHECK_EQ(boot, net_moment(wall, wall, boot, 0));
	ATF_CHECK_EQ(boot - 7, net_moment(wall - 7, wall, boot, 0));
	ATF_CHECK_EQ(0, net_moment(wall + 1, wall, boot, 0));
	ATF_CHECK_EQ(boot - EVENT_WAIT_MAX,
	    net_moment(wall - EVENT_WAIT_MAX, wall, boot, 0));
	ATF_CHECK_EQ(0, net_moment(wall - EVENT_WAIT_MAX - 1, wall, boot, 0));
	ATF_CHECK_EQ(0, net_moment(0, wall, boot, 0));
	ATF_CHECK_EQ(0, net_moment(wall - 600, wall, 600, 0));
	/* The socket was empty then, so it came later. */
	ATF_CHECK_EQ(boot - 50, net_moment(wall - 2000, wall, boot, boot - 50));
	ATF_CHECK_EQ(boot, net_moment(wall - 2000, wall, boot, boot + 50));
}

/* What the parent asked for, as the kernel has it. */
ATF_TC_WITHOUT_HEAD(marks);
ATF_TC_BODY(marks, tc)
{
	static const struct {
		const char *addr;
		int level, option;
	} t[] = { { "127.78.0.1", IPPROTO_IP, IP_TOS },
		{ "::1", IPPROTO_IPV6, IPV6_TCLASS } };
	static const uint8_t dscps[] = { 0, 1, 46, 63 };
	unsigned i, k;
	socklen_t len;
	int fd, tos;

	for (i = 0; i < NITEMS(t); i++)
		for (k = 0; k < NITEMS(dscps); k++) {
			fd = sock_link(t[i].addr, PORT, dscps[k]);
			ATF_REQUIRE_MSG(fd != -1, "%s", t[i].addr);
			tos = -1;
			len = sizeof(tos);
			ATF_REQUIRE_EQ(0,
			    getsockopt(fd, t[i].level, t[i].option, &tos,
				&len));
			ATF_CHECK_EQ(dscps[k] << 2, tos);
			close(fd);
		}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, runs);
	ATF_TP_ADD_TC(tp, mixed);
	ATF_TP_ADD_TC(tp, unsendable);
	ATF_TP_ADD_TC(tp, stamps);
	ATF_TP_ADD_TC(tp, moments);
	ATF_TP_ADD_TC(tp, marks);
	return atf_no_error();
}
