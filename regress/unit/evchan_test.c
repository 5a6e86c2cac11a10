/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves event channels over whole nodes: one order for all subscribers,
 * filters, what is retained and given to who comes later, also to nodes that
 * come later, limits that are named, and what ends with a client.
 */

#include <stdio.h>

#include <atf-c.h>

#include "core/evchan.h"
#include "story.h"

static void
tell(uint16_t id, uint64_t client, uint32_t type, struct rbuf *r)
{
	char topic[EV_TOPIC_MAX + 1];
	const uint8_t *data;
	uint32_t sid = rbuf_u32(r);
	unsigned node, flags;
	size_t len;

	if (type == M_EVENT_READY) {
		story_word(id, client, "ready%u ", sid);
		return;
	}
	if (type != M_EVENT)
		return;
	(void)rbuf_u64(r);
	node = rbuf_u16(r);
	ATF_CHECK_EQ(PROGRAM, rbuf_u64(r));
	flags = rbuf_u8(r);
	rbuf_str(r, topic, sizeof(topic));
	data = rbuf_blob(r, &len, EV_DATA_MAX);
	ATF_REQUIRE(rbuf_done(r));
	if (len > 32)
		len = 32;
	story_word(id, client, "%u:%u:%s=%.*s%s ", sid, node, topic, (int)len,
	    (const char *)data, flags != 0 ? "(old)" : "");
}

static void
subscribe(struct fix *fx, uint16_t id, uint32_t sid, unsigned flags,
    const char *prefix)
{
	struct wbuf w;

	story_put(&w, "wbss", sid, flags, "news", prefix);
	story_ask(fx, id, PROGRAM, M_EVENT_SUBSCRIBE, sid, &w);
}

static void
publish(struct fix *fx, uint16_t id, unsigned flags, const char *topic,
    const char *text)
{
	struct wbuf w;

	story_put(&w, "bssd", flags, "news", topic, text);
	story_ask(fx, id, PROGRAM, M_EVENT_PUBLISH, 1, &w);
}

ATF_TC_WITHOUT_HEAD(told_to_all);
ATF_TC_BODY(told_to_all, tc)
{
	struct fix *fx = story_start(3, tell);
	struct evchan_info info;

	subscribe(fx, 1, 1, 0, "");
	subscribe(fx, 2, 5, 0, "disk.");
	subscribe(fx, 2, 6, SUB_EXACT, "disk");
	story_expect(1, PROGRAM, "ready1 ");
	story_expect(2, PROGRAM, "ready5 ready6 ");
	publish(fx, 3, 0, "disk.full", "a");
	publish(fx, 1, 0, "disk", "b");
	publish(fx, 2, 0, "net", "");
	story_expect(1, PROGRAM, "1:3:disk.full=a 1:1:disk=b ok(1) 1:2:net= ");
	story_expect(2, PROGRAM, "5:3:disk.full=a 6:1:disk=b ok(1) ");
	/* Nobody listens there, and it is well. */
	story_expect(3, PROGRAM, "ok(1) ");
	ATF_REQUIRE(evchan_info(fixture_node(fx, 2)->node->evchan, 0, &info));
	ATF_CHECK_EQ(2, info.subscribers);
	ATF_CHECK_EQ(3, info.events);
	ATF_CHECK(!evchan_info(fixture_node(fx, 3)->node->evchan, 0, &info));
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(retained);
ATF_TC_BODY(retained, tc)
{
	struct fix *fx = story_start(3, tell);

	publish(fx, 1, EVENT_RETAIN, "t1", "old");
	publish(fx, 2, EVENT_RETAIN, "t1", "new");
	publish(fx, 2, EVENT_RETAIN, "t2", "x");
	publish(fx, 2, 0, "t3", "not kept");
	story_forget();
	subscribe(fx, 3, 1, 0, "t");
	subscribe(fx, 3, 2, SUB_NEWS, "t");
	story_expect(3, PROGRAM,
	    "1:2:t1=new(old) 1:2:t2=x(old) ready1 ready2 ");
	/* An empty one clears its topic, and is told as an event. */
	publish(fx, 1, EVENT_RETAIN, "t1", "");
	story_expect(3, PROGRAM, "1:1:t1= 2:1:t1= ");
	subscribe(fx, 2, 1, 0, "");
	story_expect(2, PROGRAM, "1:2:t2=x(old) ready1 ");
	fixture_free(fx);
}

/* A node that comes later has it; who waits there is told when it does. */
ATF_TC_WITHOUT_HEAD(joining_node);
ATF_TC_BODY(joining_node, tc)
{
	struct fix *fx = story_start(3, tell);

	fixture_crash(fx, 3);
	fixture_settle(fx, BIT(1) | BIT(2));
	publish(fx, 1, EVENT_RETAIN, "t", "kept");
	fixture_start(fx, 3);
	story_open(fx, 3, PROGRAM);
	subscribe(fx, 3, 1, 0, "");
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	story_expect(3, PROGRAM, "1:1:t=kept(old) ready1 ");
	/* All others die: it alone has it, and gives it on. */
	fixture_crash(fx, 1);
	fixture_settle(fx, BIT(2) | BIT(3));
	fixture_start(fx, 1);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	story_open(fx, 1, PROGRAM);
	subscribe(fx, 1, 1, 0, "");
	story_expect(1, PROGRAM, "1:1:t=kept(old) ready1 ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(ends);
ATF_TC_BODY(ends, tc)
{
	struct fix *fx = story_start(1, tell);
	struct evchan_info info;
	struct wbuf w;

	subscribe(fx, 1, 1, 0, "");
	subscribe(fx, 1, 2, 0, "");
	subscribe(fx, 1, 2, 0, "");
	story_expect(1, PROGRAM, "ready1 ready2 error(2 17) ");
	story_ask(fx, 1, PROGRAM, M_EVENT_UNSUBSCRIBE, 3,
	    story_put(&w, "w", 1));
	story_ask(fx, 1, PROGRAM, M_EVENT_UNSUBSCRIBE, 3,
	    story_put(&w, "w", 1));
	story_expect(1, PROGRAM, "error(3 2) ");
	publish(fx, 1, 0, "t", "x");
	story_expect(1, PROGRAM, "2:1:t=x ok(1) ");
	fixture_close(fx, 1, PROGRAM);
	ATF_CHECK(!evchan_info(fixture_node(fx, 1)->node->evchan, 0, &info));
	fixture_free(fx);
}

/* Each limit is met, named, and does not hurt what is there. */
ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	static char big[20001];
	struct fix *fx = story_start(2, tell);
	struct evchan_info info;
	struct wbuf w;
	char name[16];
	unsigned i;

	memset(big, 'x', sizeof(big) - 1);
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		publish(fx, 1, EVENT_RETAIN, name, big);
		if (i < EV_BYTES_MAX / (sizeof(big) + EV_OVERHEAD + 2))
			story_expect(1, PROGRAM, "ok(1) ");
		else
			story_expect(1, PROGRAM, "error(1 28) ");
	}
	/* In the place of an old one there is room for a new one. */
	publish(fx, 1, EVENT_RETAIN, "t3", "small");
	story_expect(1, PROGRAM, "ok(1) ");
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		publish(fx, 1, EVENT_RETAIN, name, "");
	}
	ATF_CHECK(!evchan_info(fixture_node(fx, 2)->node->evchan, 0, &info));
	story_forget();
	for (i = 0; i <= EV_CHANNELS_MAX; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		story_put(&w, "bssd", EVENT_RETAIN, name, "t", "x");
		story_ask(fx, 2, PROGRAM, M_EVENT_PUBLISH, 1, &w);
		story_expect(2, PROGRAM,
		    i < EV_CHANNELS_MAX ? "ok(1) " : "error(1 28) ");
	}
	for (i = 0; i <= EV_SUBS_MAX; i++)
		subscribe(fx, 2, i, SUB_NEWS, "");
	ATF_CHECK(evchan_info(fixture_node(fx, 2)->node->evchan,
	    EV_CHANNELS_MAX, &info));
	ATF_CHECK_EQ(EV_SUBS_MAX, info.subscribers);
	fixture_free(fx);
}

/* Without quorum nothing is published, and not much may wait. */
ATF_TC_WITHOUT_HEAD(flood);
ATF_TC_BODY(flood, tc)
{
	static char big[20001];
	struct fix *fx = story_start(3, tell);
	unsigned i;

	memset(big, 'x', sizeof(big) - 1);
	fixture_split(fx, BIT(1));
	fixture_run(fx, 2 * SECOND);
	for (i = 0; i < 14; i++)
		publish(fx, 1, 0, "t", big);
	story_expect(1, PROGRAM, "error(1 11) ");
	fixture_free(fx);
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	struct fix *fx = story_start(1, tell);
	struct wbuf w;

	story_malformed(fx, 1, PROGRAM, M_EVENT_SUBSCRIBE,
	    story_put(&w, "wbss", 1, 0, "news", "p"));
	story_malformed(fx, 1, PROGRAM, M_EVENT_UNSUBSCRIBE,
	    story_put(&w, "w", 1));
	story_malformed(fx, 1, PROGRAM, M_EVENT_PUBLISH,
	    story_put(&w, "bssd", 0, "news", "t", "x"));
	story_ask(fx, 1, PROGRAM, M_EVENT_PUBLISH, 2,
	    story_put(&w, "bssd", 0, "", "t", "x"));
	story_ask(fx, 1, PROGRAM, M_EVENT_PUBLISH, 3,
	    story_put(&w, "bssd", 0x80, "c", "t", "x"));
	story_expect(1, PROGRAM, "error(2 22) error(3 22) ");
	fixture_free(fx);
}

/*
 * The quota of a program ends with it, and what it has said waits for a quorum:
 * others that come and go cannot pile up without end.
 */
ATF_TC_WITHOUT_HEAD(backlog_is_bounded);
ATF_TC_BODY(backlog_is_bounded, tc)
{
	static char much[30000];
	struct fix *fx = story_start(3, tell);
	struct node_load load;
	struct wbuf w;
	unsigned i, k;

	memset(much, 'x', sizeof(much) - 1);
	fixture_split(fx, BIT(1));
	fixture_run(fx, 2 * SECOND);
	for (i = 0; i < 80; i++) {
		story_open(fx, 1, 100 + i);
		for (k = 0; k < 8; k++) {
			story_put(&w, "bssd", 0, "news", "t", much);
			fixture_ask(fx, 1, 100 + i, M_EVENT_PUBLISH, k, &w);
		}
		fixture_close(fx, 1, 100 + i);
	}
	node_get_load(fixture_node(fx, 1)->node, &load);
	ATF_CHECK_MSG(load.order_own > 8000000 && load.order_own < 8500000,
	    "%zu", load.order_own);
	story_forget();
	story_open(fx, 1, 1000);
	story_put(&w, "bssd", 0, "news", "t", "more");
	story_ask(fx, 1, 1000, M_EVENT_PUBLISH, 7, &w);
	story_expect(1, 1000, "error(7 11) ");
	/* With a quorum it is told, or forgotten with this life. */
	fixture_heal_all(fx);
	fixture_settle(fx, BIT(1) | BIT(2) | BIT(3));
	fixture_run(fx, 5 * SECOND);
	node_get_load(fixture_node(fx, 1)->node, &load);
	ATF_CHECK_EQ(0, load.order_own);
	fixture_free(fx);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, told_to_all);
	ATF_TP_ADD_TC(tp, retained);
	ATF_TP_ADD_TC(tp, joining_node);
	ATF_TP_ADD_TC(tp, ends);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, flood);
	ATF_TP_ADD_TC(tp, malformed);
	ATF_TP_ADD_TC(tp, backlog_is_bounded);
	return atf_no_error();
}
