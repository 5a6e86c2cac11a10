/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that a configuration survives the way between our processes, that
 * secrets stay behind when they are told to, and that no cut, no changed
 * byte and no value out of range gets past the decoder.
 */

#include <atf-c.h>
#include <stdio.h>

#include "conf.h"

/* Three nodes, two fence devices, one of everything; the caller frees it. */
static struct conf *
sample(void)
{
	static const char *const names[] = { "alpha", "beta", "gamma" };
	static const char *const devices[] = { "ipmi", "pdu" };
	struct conf *c;
	unsigned i, j;

	c = conf_new();
	ATF_REQUIRE(c != NULL);
	strlcpy(c->cluster, "demo", sizeof(c->cluster));
	c->nnodes = 3;
	c->nlinks = 2;
	c->ndevices = 2;
	c->devices = calloc(2, sizeof(*c->devices));
	ATF_REQUIRE(c->devices != NULL);
	for (i = 0; i < 3; i++) {
		struct conf_node *n = &c->nodes[i];

		strlcpy(n->name, names[i], sizeof(n->name));
		n->id = (uint16_t)(i * 7 + 1);
		n->votes = 1;
		n->nlinks = 2;
		(void)snprintf(n->links[0], CONF_ADDR_LEN, "10.0.0.%u", i + 1);
		(void)snprintf(n->links[1], CONF_ADDR_LEN, "fd00::%u", i + 1);
		n->nlevels = 2;
		n->levels[0].ndevices = 1;
		n->levels[0].devices[0] = 1;
		n->levels[1].ndevices = 2;
		n->levels[1].devices[0] = 1;
		n->levels[1].devices[1] = 0;
	}
	for (i = 0; i < 2; i++) {
		struct conf_device *d = &c->devices[i];

		strlcpy(d->name, devices[i], sizeof(d->name));
		strlcpy(d->agent, "/usr/sbin/fence_test", sizeof(d->agent));
		d->timeout_us = 5000000;
		d->noptions = 3;
		d->options = calloc(3, sizeof(*d->options));
		ATF_REQUIRE(d->options != NULL);
		strlcpy(d->options[0].name, "ip", 33);
		strlcpy(d->options[0].value, "10.9.0.1", 33);
		strlcpy(d->options[1].name, "keyfile", 33);
		strlcpy(d->options[1].value, "/etc/cluster/ipmi", 33);
		d->options[1].file = true;
		strlcpy(d->options[2].name, "password", 33);
		strlcpy(d->options[2].value, "hush", 33);
		d->ntargets = 3;
		for (j = 0; j < 3; j++)
			d->targets[j].node = c->nodes[j].id;
		strlcpy(d->targets[1].port, "outlet 2", 33);
	}
	c->nfs = 1;
	strlcpy(c->fs[0].name, "data", sizeof(c->fs[0].name));
	strlcpy(c->fs[0].device, "/dev/sdb", sizeof(c->fs[0].device));
	strlcpy(c->fs[0].mount, "/srv/data", sizeof(c->fs[0].mount));
	strlcpy(c->admin_group, "cluster", sizeof(c->admin_group));
	c->qdevice.kind = QDEVICE_DISK;
	c->qdevice.votes = 2;
	c->qdevice.timeout_us = 5000000;
	strlcpy(c->qdevice.path, "/dev/sdq1", sizeof(c->qdevice.path));
	c->qdevice.nheuristics = 2;
	for (i = 0; i < 2; i++) {
		struct conf_heuristic *h = &c->qdevice.heuristics[i];

		h->nargs = 2;
		strlcpy(h->args[0], "/usr/bin/test", CONF_ARG_LEN);
		strlcpy(h->args[1], i == 0 ? "up" : "", CONF_ARG_LEN);
		h->score = 2;
		h->interval_us = 2000000;
	}
	c->qdevice.minimum = 3;
	conf_hash(c);
	return c;
}

static struct conf *
through(const struct conf *c, bool secrets)
{
	struct conf *d;
	struct wbuf w;

	wbuf_init(&w, 1 << 20);
	conf_encode(c, secrets, &w);
	ATF_REQUIRE(!w.err);
	d = conf_decode(w.data, w.len);
	wbuf_free(&w);
	return d;
}

ATF_TC_WITHOUT_HEAD(round_trip);
ATF_TC_BODY(round_trip, tc)
{
	struct conf *a = sample(), *b;
	struct conf_device *da, *db;
	unsigned i;

	b = through(a, true);
	ATF_REQUIRE(b != NULL);
	ATF_CHECK_EQ(0, memcmp(a->nodes, b->nodes, sizeof(a->nodes)));
	ATF_CHECK_EQ(0, memcmp(a->fs, b->fs, sizeof(a->fs)));
	ATF_CHECK_EQ(0, memcmp(a->hash, b->hash, sizeof(a->hash)));
	ATF_CHECK_STREQ(a->cluster, b->cluster);
	ATF_CHECK_STREQ(a->keyfile, b->keyfile);
	ATF_CHECK_EQ(a->mtu, b->mtu);
	ATF_CHECK_EQ(a->dscp, b->dscp);
	ATF_CHECK_EQ(a->mode, b->mode);
	ATF_CHECK_EQ(a->nlinkinfo, b->nlinkinfo);
	ATF_CHECK_EQ(0, memcmp(a->links, b->links, sizeof(a->links)));
	ATF_CHECK_STREQ(a->admin_group, b->admin_group);
	ATF_CHECK_EQ(a->heartbeat_us, b->heartbeat_us);
	ATF_CHECK_EQ(a->failure_timeout_us, b->failure_timeout_us);
	ATF_CHECK_EQ(a->fence_on_join_delay_us, b->fence_on_join_delay_us);
	ATF_CHECK_EQ(a->qdevice.kind, b->qdevice.kind);
	ATF_CHECK_EQ(a->qdevice.votes, b->qdevice.votes);
	ATF_CHECK_EQ(a->qdevice.timeout_us, b->qdevice.timeout_us);
	ATF_CHECK_STREQ(a->qdevice.path, b->qdevice.path);
	ATF_CHECK_EQ(a->qdevice.nheuristics, b->qdevice.nheuristics);
	ATF_CHECK_EQ(0,
	    memcmp(a->qdevice.heuristics, b->qdevice.heuristics,
		sizeof(a->qdevice.heuristics)));
	ATF_CHECK_EQ(a->qdevice.minimum, b->qdevice.minimum);
	ATF_REQUIRE_EQ(2, b->ndevices);
	for (i = 0; i < 2; i++) {
		da = &a->devices[i];
		db = &b->devices[i];
		ATF_CHECK_STREQ(da->name, db->name);
		ATF_CHECK_STREQ(da->agent, db->agent);
		ATF_CHECK_EQ(da->timeout_us, db->timeout_us);
		ATF_REQUIRE_EQ(3, db->noptions);
		ATF_CHECK_EQ(0,
		    memcmp(da->options, db->options, 3 * sizeof(*da->options)));
		ATF_CHECK_EQ(0,
		    memcmp(da->targets, db->targets, sizeof(da->targets)));
	}
	/* The hash that travels is the one of what arrives. */
	conf_hash(b);
	ATF_CHECK_EQ(0, memcmp(a->hash, b->hash, sizeof(a->hash)));
	conf_free(a);
	conf_free(b);
}

ATF_TC_WITHOUT_HEAD(witness);
ATF_TC_BODY(witness, tc)
{
	struct conf *a = sample(), *b;

	a->qdevice.kind = QDEVICE_WITNESS;
	a->qdevice.path[0] = '\0';
	a->qdevice.port = 5601;
	strlcpy(a->qdevice.address, "fd00::99", sizeof(a->qdevice.address));
	b = through(a, true);
	ATF_REQUIRE(b != NULL);
	ATF_CHECK_EQ(QDEVICE_WITNESS, b->qdevice.kind);
	ATF_CHECK_STREQ("fd00::99", b->qdevice.address);
	ATF_CHECK_EQ(5601, b->qdevice.port);
	conf_free(b);
	/* Not on a machine that may be the one that is lost. */
	strlcpy(a->qdevice.address, "fd00::2", sizeof(a->qdevice.address));
	ATF_CHECK(through(a, true) == NULL);
	conf_free(a);
}

ATF_TC_WITHOUT_HEAD(secrets_stay);
ATF_TC_BODY(secrets_stay, tc)
{
	struct conf *a = sample(), *b;
	struct wbuf w;
	unsigned i;

	wbuf_init(&w, 1 << 20);
	conf_encode(a, false, &w);
	ATF_REQUIRE(!w.err);
	ATF_CHECK(memmem(w.data, w.len, "hush", 4) == NULL);
	ATF_CHECK(memmem(w.data, w.len, "/etc/cluster/ipmi", 17) == NULL);
	b = conf_decode(w.data, w.len);
	ATF_REQUIRE(b != NULL);
	for (i = 0; i < 2; i++) {
		ATF_REQUIRE_EQ(1, b->devices[i].noptions);
		ATF_CHECK_STREQ("ip", b->devices[i].options[0].name);
	}
	ATF_CHECK_EQ(0, memcmp(a->hash, b->hash, sizeof(a->hash)));
	wbuf_free(&w);

	/* Nor does the normal form show them. */
	wbuf_init(&w, 1 << 20);
	conf_print(a, &w);
	ATF_CHECK(memmem(w.data, w.len, "hush", 4) == NULL);
	wbuf_free(&w);
	conf_free(a);
	conf_free(b);
}

ATF_TC_WITHOUT_HEAD(every_cut_is_refused);
ATF_TC_BODY(every_cut_is_refused, tc)
{
	struct conf *a = sample(), *b;
	struct wbuf w;
	uint8_t *cut;
	size_t len;

	wbuf_init(&w, 1 << 20);
	conf_encode(a, true, &w);
	for (len = 0; len < w.len; len++) {
		/* In memory of its own, so that a sanitizer sees the end. */
		cut = malloc(len + 1);
		ATF_REQUIRE(cut != NULL);
		memcpy(cut + 1, w.data, len);
		b = conf_decode(cut + 1, len);
		ATF_CHECK_MSG(b == NULL, "cut at %zu is taken", len);
		free(cut);
	}
	wbuf_u8(&w, 0);
	ATF_CHECK(conf_decode(w.data, w.len) == NULL);
	wbuf_free(&w);
	conf_free(a);
}

/* What the decoder lets through can be printed and sent on. */
ATF_TC_WITHOUT_HEAD(every_change_is_harmless);
ATF_TC_BODY(every_change_is_harmless, tc)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct conf *a = sample(), *b, *again;
	struct wbuf w;
	size_t off, i;
	unsigned taken = 0, refused = 0;
	uint8_t was;

	wbuf_init(&w, 1 << 20);
	conf_encode(a, true, &w);
	for (off = 0; off < w.len; off++) {
		was = w.data[off];
		for (i = 0; i < NITEMS(values); i++) {
			w.data[off] = values[i];
			b = conf_decode(w.data, w.len);
			if (b == NULL) {
				refused++;
				continue;
			}
			taken++;
			again = through(b, true);
			ATF_CHECK_MSG(again != NULL,
			    "byte %zu = %u is taken only once", off, values[i]);
			conf_free(again);
			conf_free(b);
		}
		w.data[off] = was;
	}
	/* Both happen: ids and hashes may change, lengths may not. */
	ATF_CHECK(taken > 0);
	ATF_CHECK(refused > taken);
	wbuf_free(&w);
	conf_free(a);
}

/* A structure that no file can give is refused as bytes, too. */
ATF_TC_WITHOUT_HEAD(members_are_checked);
ATF_TC_BODY(members_are_checked, tc)
{
	struct conf *c;

#define REFUSED(change)                                                        \
	do {                                                                   \
		c = sample();                                                  \
		change;                                                        \
		ATF_CHECK_MSG(through(c, true) == NULL, "%s is taken",         \
		    #change);                                                  \
		conf_free(c);                                                  \
	} while (0)

	REFUSED(c->cluster[0] = 'D');
	REFUSED(c->nodes[0].id = 0);
	REFUSED(c->nodes[1].id = 1);
	REFUSED(c->nodes[0].name[0] = '-');
	REFUSED(strlcpy(c->nodes[1].name, "alpha", 33));
	REFUSED(strlcpy(c->nodes[1].links[0], "10.0.0.1", 33));
	REFUSED(strlcpy(c->nodes[1].links[0], "beta", 33));
	REFUSED(strlcpy(c->nodes[1].links[0], "fd00::9", 33));
	REFUSED(c->nodes[2].nlinks = 1);
	REFUSED(c->nlinks = 1);
	REFUSED(c->nodes[0].nlevels = 0);
	REFUSED(c->nodes[0].levels[0].devices[0] = 2);
	REFUSED(c->nodes[0].levels[0].ndevices = 0);
	REFUSED(c->nodes[0].levels[1].devices[0] = 0);
	REFUSED(c->port = 0);
	REFUSED(c->keyfile[0] = '\0');
	REFUSED(c->mode = (enum conf_mode)3);
	REFUSED(c->nlinkinfo = c->nlinks + 1);
	REFUSED(c->nlinkinfo = c->nlinks; c->links[0].name[0] = '-');
	REFUSED(c->dscp = 64);
	REFUSED(c->mtu = 1279);
	REFUSED(c->mtu = 9001);
	REFUSED(c->detect = (enum conf_detect)3);
	REFUSED(c->heartbeat_us = 0);
	REFUSED(c->heartbeat_us = 300000);
	REFUSED(c->failure_timeout_us = 199999);
	REFUSED(c->two_node = true);
	REFUSED(c->tie = (enum conf_tie)4);
	REFUSED(c->tie = TIE_LIST);
	REFUSED(c->ntie = 1);
	REFUSED((c->tie = TIE_LIST, c->ntie = 1, c->tie_nodes[0] = 2));
	REFUSED((c->tie = TIE_LIST, c->ntie = 2, c->tie_nodes[0] = 1,
	    c->tie_nodes[1] = 1));
	REFUSED(c->qdevice.kind = QDEVICE_NONE);
	REFUSED(c->qdevice.kind = QDEVICE_WITNESS);
	REFUSED(c->qdevice.kind = (enum conf_qdevice)3);
	REFUSED(c->qdevice.votes = 0);
	REFUSED(c->qdevice.votes = 3);
	REFUSED(c->qdevice.timeout_us = 0);
	REFUSED(c->qdevice.path[0] = 'd');
	REFUSED(c->qdevice.port = 5601);
	REFUSED(strlcpy(c->qdevice.address, "10.9.0.9", 33));
	REFUSED(strlcpy(c->qdevice.path, c->fs[0].device, 33));
	REFUSED(c->nodes[2].id = 256);
	REFUSED(c->qdevice.minimum = 5);
	REFUSED(c->qdevice.minimum = 0);
	REFUSED(c->qdevice.nheuristics = 0);
	REFUSED(c->qdevice.heuristics[0].nargs = 0);
	REFUSED(c->qdevice.heuristics[0].args[0][0] = 'u');
	REFUSED(c->qdevice.heuristics[0].args[1][0] = '\n');
	REFUSED(c->qdevice.heuristics[1].score = 0);
	REFUSED(c->qdevice.heuristics[1].interval_us = 0);
	REFUSED(c->two_node = true);
	REFUSED(c->fence_manual = true);
	REFUSED(c->fence_timeout_us = 1);
	REFUSED(c->fence_tries = 0);
	REFUSED(c->fence_on_join_delay_us = UINT64_MAX);
	REFUSED(c->devices[0].timeout_us = 0);
	REFUSED(strlcpy(c->devices[0].name, "pdu", 33));
	REFUSED(c->devices[0].agent[0] = ' ');
	REFUSED(c->devices[0].targets[0].node = 2);
	REFUSED(c->devices[1].ntargets = 2);
	REFUSED(c->devices[0].targets[1].port[0] = '\n');
	REFUSED(c->devices[0].options[0].value[0] = '\n');
	REFUSED(c->devices[0].options[0].file = true);
	REFUSED(c->devices[0].options[0].hidden = true);
	REFUSED(strlcpy(c->devices[0].options[0].name, "zip", 33));
	REFUSED(c->fs[0].name[0] = ':');
	REFUSED(c->fs[0].mount[0] = '.');
	REFUSED(c->log_level = (enum conf_loglevel)2);
	REFUSED(c->admin_group[0] = ' ');
#undef REFUSED
}

ATF_TC_WITHOUT_HEAD(find);
ATF_TC_BODY(find, tc)
{
	struct conf *c = sample();

	ATF_CHECK_EQ(1, conf_node_index(c, 8));
	ATF_CHECK_EQ(-1, conf_node_index(c, 2));
	ATF_CHECK(conf_node(c, 15) == &c->nodes[2]);
	ATF_CHECK(conf_node(c, 16) == NULL);
	ATF_CHECK(conf_node_byname(c, "beta") == &c->nodes[1]);
	ATF_CHECK(conf_node_byname(c, "bet") == NULL);
	ATF_CHECK_EQ(1, conf_device_index(c, "pdu"));
	ATF_CHECK_EQ(-1, conf_device_index(c, "pd"));
	ATF_CHECK_EQ(2, conf_device_target(&c->devices[0], 15));
	ATF_CHECK_EQ(-1, conf_device_target(&c->devices[0], 2));
	conf_free(c);
}

ATF_TC_WITHOUT_HEAD(defaults);
ATF_TC_BODY(defaults, tc)
{
	struct conf *c;

	c = conf_new();
	ATF_REQUIRE(c != NULL);
	ATF_CHECK_EQ(5600, c->port);
	ATF_CHECK_STREQ("/etc/cluster/key", c->keyfile);
	ATF_CHECK_EQ(DETECT_NORMAL, c->detect);
	ATF_CHECK_EQ(100000, c->heartbeat_us);
	ATF_CHECK_EQ(700000, c->failure_timeout_us);
	conf_profile(c, DETECT_FAST);
	ATF_CHECK_EQ(50000, c->heartbeat_us);
	ATF_CHECK_EQ(400000, c->failure_timeout_us);
	conf_profile(c, DETECT_WAN);
	ATF_CHECK_EQ(500000, c->heartbeat_us);
	ATF_CHECK_EQ(5000000, c->failure_timeout_us);
	ATF_CHECK(c->wait_for_all && !c->two_node && !c->fence_manual);
	ATF_CHECK_EQ(60000000, c->fence_timeout_us);
	ATF_CHECK_EQ(2, c->fence_tries);
	ATF_CHECK_EQ(5000000, c->fence_on_join_delay_us);
	/* Defaults alone are no configuration. */
	ATF_CHECK(!conf_valid(c));
	conf_free(c);
	conf_free(NULL);
}

ATF_TC_WITHOUT_HEAD(texts);
ATF_TC_BODY(texts, tc)
{
	ATF_CHECK(conf_text_ok("") && conf_text_ok("Gr\303\274\303\237e"));
	ATF_CHECK(conf_text_ok("\360\237\220\247"));
	ATF_CHECK(!conf_text_ok("a\nb") && !conf_text_ok("\177"));
	ATF_CHECK(!conf_text_ok("\302\205"));	      /* NEL */
	ATF_CHECK(!conf_text_ok("\342\200\250"));     /* a line separator */
	ATF_CHECK(!conf_text_ok("\300\200"));	      /* overlong */
	ATF_CHECK(!conf_text_ok("\355\240\200"));     /* a surrogate */
	ATF_CHECK(!conf_text_ok("\364\220\200\200")); /* above U+10FFFF */
	ATF_CHECK(!conf_text_ok("\303"));	      /* cut */
	ATF_CHECK(conf_cluster_ok("a") && conf_cluster_ok("prod-2_x"));
	ATF_CHECK(!conf_cluster_ok("") && !conf_cluster_ok("2nd"));
	ATF_CHECK(!conf_cluster_ok("aB") && !conf_cluster_ok("a.b"));
	ATF_CHECK(conf_cluster_ok("abcdefghijklmnopqrstuvwxyz012345"));
	ATF_CHECK(!conf_cluster_ok("abcdefghijklmnopqrstuvwxyz0123456"));
	ATF_CHECK(conf_agent_ok("fence_ipmilan") && conf_agent_ok("/a b"));
	ATF_CHECK(!conf_agent_ok("../fence") && !conf_agent_ok("a/b"));
	ATF_CHECK(conf_option_secret("passwd"));
	ATF_CHECK(conf_option_secret("snmp_priv_passwd"));
	ATF_CHECK(conf_option_secret("community"));
	ATF_CHECK(!conf_option_secret("password_script"));
	ATF_CHECK(!conf_option_secret("ip"));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, round_trip);
	ATF_TP_ADD_TC(tp, witness);
	ATF_TP_ADD_TC(tp, secrets_stay);
	ATF_TP_ADD_TC(tp, every_cut_is_refused);
	ATF_TP_ADD_TC(tp, every_change_is_harmless);
	ATF_TP_ADD_TC(tp, members_are_checked);
	ATF_TP_ADD_TC(tp, find);
	ATF_TP_ADD_TC(tp, defaults);
	ATF_TP_ADD_TC(tp, texts);
	return atf_no_error();
}
