/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves the rules for local clients: nothing before a greeting, rights by
 * socket for every type, unknown and malformed requests answered without a
 * change of state, a disappearance told exactly once, and each view once.
 */

#include <atf-c.h>

#include "core/client.h"
#include "core/rng.h"
#include "proto.h"

static struct conf *conf;
static struct client_layer *cl;
static struct actions out;
static struct bus bus;

static void
setup(void)
{
	conf = conf_new();
	ATF_REQUIRE(conf != NULL);
	strlcpy(conf->cluster, "demo", sizeof(conf->cluster));
	conf->nnodes = 1;
	conf->nodes[0].id = 1;
	strlcpy(conf->nodes[0].name, "alpha", sizeof(conf->nodes[0].name));
	cl = client_new(conf, 1);
	ATF_REQUIRE(cl != NULL);
	actions_init(&out);
	bus_init(&bus);
	bus.out = &out;
	bus.now = 1000000;
}

static void
teardown(void)
{
	client_check(cl);
	client_free(cl);
	conf_free(conf);
	actions_clear(&out);
	bus_clear(&bus);
}

static void
give(enum event_type type, uint64_t client, unsigned rights, uint32_t msgtype,
    const struct wbuf *w)
{
	struct event ev = { .type = type,
		.now = 1000000,
		.client = client,
		.rights = rights,
		.uid = 1000,
		.pid = 42,
		.msgtype = msgtype,
		.msgid = 7 };

	if (w != NULL) {
		ev.data = w->data;
		ev.len = w->len;
	}
	client_event(cl, &ev, &bus);
}

static void
hello(uint64_t client, unsigned rights)
{
	struct wbuf w;

	wbuf_init(&w, 128);
	wbuf_u32(&w, PROTO_VERSION);
	wbuf_str(&w, "test");
	wbuf_u32(&w, 42);
	give(EV_CLIENT_OPEN, client, rights, 0, NULL);
	give(EV_CLIENT_DATA, client, 0, M_HELLO, &w);
	wbuf_free(&w);
}

/* Takes the next action, which must be of this type and for this client. */
static struct action *
expect(enum action_type type, uint64_t client, uint32_t msgtype)
{
	struct action *act = actions_take(&out);

	ATF_REQUIRE(act != NULL);
	ATF_REQUIRE_EQ(type, act->type);
	ATF_REQUIRE_EQ(client, act->client);
	ATF_REQUIRE_EQ(msgtype, act->msgtype);
	return act;
}

static uint32_t
expect_result(uint64_t client)
{
	struct action *act = expect(ACT_CLIENT_SEND, client, M_RESULT);
	struct rbuf r;
	uint32_t error;

	ATF_REQUIRE_EQ(7, act->msgid);
	rbuf_init(&r, act->data, act->len);
	error = rbuf_u32(&r);
	free(act);
	return error;
}

ATF_TC_WITHOUT_HEAD(greeting);
ATF_TC_BODY(greeting, tc)
{
	struct action *act;
	char cluster[64];
	struct rbuf r;

	setup();
	hello(5, RIGHT_OBSERVE);
	act = expect(ACT_CLIENT_SEND, 5, M_WELCOME);
	rbuf_init(&r, act->data, act->len);
	ATF_CHECK_EQ(PROTO_VERSION, rbuf_u32(&r));
	ATF_CHECK_EQ(1, rbuf_u16(&r));
	rbuf_str(&r, cluster, sizeof(cluster));
	ATF_CHECK_STREQ("demo", cluster);
	ATF_CHECK_EQ(RIGHT_OBSERVE, rbuf_u8(&r));
	ATF_CHECK_EQ(5, rbuf_u64(&r));
	ATF_CHECK(rbuf_done(&r));
	free(act);
	teardown();
}

ATF_TC_WITHOUT_HEAD(nothing_before_greeting);
ATF_TC_BODY(nothing_before_greeting, tc)
{
	struct note *n;

	setup();
	give(EV_CLIENT_OPEN, 5, ~0u, 0, NULL);
	give(EV_CLIENT_DATA, 5, 0, M_SHOW, NULL);
	free(expect(ACT_CLIENT_CLOSE, 5, 0));
	/* The one note is its disappearance, not its request. */
	n = bus_take(&bus);
	ATF_REQUIRE(n != NULL);
	ATF_CHECK_EQ(NOTE_CLIENT_GONE, n->type);
	free(n);
	ATF_CHECK(bus_take(&bus) == NULL);
	ATF_CHECK_EQ(0, client_count(cl));
	teardown();
}

/* Every type with every right: forwarded if and only if the table says so. */
ATF_TC_WITHOUT_HEAD(rights);
ATF_TC_BODY(rights, tc)
{
	static const struct {
		uint32_t type;
		unsigned right;
	} table[] = {
		{ M_SHOW, RIGHT_OBSERVE },
		{ M_WATCH_VIEWS, RIGHT_OBSERVE },
		{ M_COMMAND, RIGHT_ADMIN },
		{ M_GROUP_JOIN, RIGHT_USE },
		{ M_GROUP_SEND, RIGHT_USE },
		{ M_GROUP_LEAVE, RIGHT_USE },
		{ M_LS_JOIN, RIGHT_USE },
		{ M_LS_LEAVE, RIGHT_USE },
		{ M_LOCK, RIGHT_USE },
		{ M_CONVERT, RIGHT_USE },
		{ M_UNLOCK, RIGHT_USE },
		{ M_CANCEL, RIGHT_USE },
		{ M_MOUNT, RIGHT_ROOT },
		{ M_MOUNT_SAYS, RIGHT_ROOT },
	};
	struct note *n;
	unsigned i, r;
	uint64_t id = 1;

	setup();
	for (i = 0; i < NITEMS(table); i++) {
		for (r = RIGHT_OBSERVE; r <= RIGHT_ROOT; r <<= 1) {
			hello(++id, r);
			free(expect(ACT_CLIENT_SEND, id, M_WELCOME));
			give(EV_CLIENT_DATA, id, 0, table[i].type, NULL);
			n = bus_take(&bus);
			if (r == table[i].right) {
				ATF_REQUIRE(n != NULL);
				ATF_CHECK_EQ(NOTE_REQUEST, n->type);
				ATF_CHECK_EQ(table[i].type, n->msgtype);
				ATF_CHECK_EQ(id, n->client);
				free(n);
			} else {
				ATF_REQUIRE(n == NULL);
				ATF_CHECK_EQ(1, expect_result(id));
			}
			give(EV_CLIENT_CLOSE, id, 0, 0, NULL);
			free(bus_take(&bus));
		}
	}
	ATF_CHECK_EQ(0, client_count(cl));
	teardown();
}

ATF_TC_WITHOUT_HEAD(unknown_type);
ATF_TC_BODY(unknown_type, tc)
{
	setup();
	hello(5, ~0u);
	free(expect(ACT_CLIENT_SEND, 5, M_WELCOME));
	give(EV_CLIENT_DATA, 5, 0, 4711, NULL);
	ATF_CHECK_EQ(93, expect_result(5));
	ATF_CHECK(bus_take(&bus) == NULL);
	teardown();
}

ATF_TC_WITHOUT_HEAD(gone_once);
ATF_TC_BODY(gone_once, tc)
{
	unsigned gone = 0;
	struct note *n;

	setup();
	hello(5, ~0u);
	give(EV_CLIENT_CLOSE, 5, 0, 0, NULL);
	give(EV_CLIENT_CLOSE, 5, 0, 0, NULL);
	while ((n = bus_take(&bus)) != NULL) {
		gone += n->type == NOTE_CLIENT_GONE;
		free(n);
	}
	ATF_CHECK_EQ(1, gone);
	teardown();
}

ATF_TC_WITHOUT_HEAD(mounts);
ATF_TC_BODY(mounts, tc)
{
	const struct client_mount *m;
	struct action *act;
	struct note *n;
	struct wbuf w;

	setup();
	hello(5, RIGHT_ROOT);
	free(expect(ACT_CLIENT_SEND, 5, M_WELCOME));
	wbuf_init(&w, 256);
	wbuf_u32(&w, 4242);
	wbuf_str(&w, "data");
	wbuf_str(&w, "/srv/data");
	give(EV_CLIENT_DATA, 5, 0, M_MOUNT, &w);
	n = bus_take(&bus);
	ATF_REQUIRE(n != NULL && n->type == NOTE_REQUEST);
	client_note(cl, n, &bus);
	free(n);
	act = expect(ACT_MOUNT_PID, 5, 0);
	ATF_CHECK_EQ(4242, act->pid);
	free(act);
	ATF_CHECK_EQ(0, expect_result(5));
	ATF_REQUIRE_EQ(1, client_mounts(cl, &m));
	ATF_CHECK_STREQ("data", m[0].fs);
	/* Cut short, the same request registers nothing. */
	w.len--;
	give(EV_CLIENT_DATA, 5, 0, M_MOUNT, &w);
	while ((n = bus_take(&bus)) != NULL) {
		if (n->type == NOTE_REQUEST)
			client_note(cl, n, &bus);
		free(n);
	}
	ATF_CHECK_EQ(22, expect_result(5));
	ATF_CHECK_EQ(1, client_mounts(cl, &m));
	/* The mount goes with its client. */
	give(EV_CLIENT_CLOSE, 5, 0, 0, NULL);
	ATF_CHECK_EQ(0, client_mounts(cl, &m));
	wbuf_free(&w);
	teardown();
}

/* The member layer's view, the only node's; then what is known of its quorum. */
static void
new_view(uint64_t epoch, bool primary)
{
	struct view v = { .epoch = epoch, .leader = 1, .primary = primary };
	struct note n = { .type = NOTE_VIEW, .ref = &v };

	v.n = 1;
	v.members[0].node = 1;
	v.members[0].inc = 11;
	client_note(cl, &n, &bus);
	n.type = primary ? NOTE_LEASE : NOTE_QUORUM;
	n.ok = primary;
	client_note(cl, &n, &bus);
}

static void
expect_view(uint64_t client, uint64_t epoch, bool quorate)
{
	struct action *act = expect(ACT_CLIENT_SEND, client, M_VIEW);
	struct rbuf r;

	rbuf_init(&r, act->data, act->len);
	ATF_CHECK_EQ(epoch, rbuf_u64(&r));
	ATF_CHECK_EQ(1, rbuf_u16(&r));
	ATF_CHECK_EQ(quorate, rbuf_u8(&r));
	free(act);
}

/* Each view is told once, and never with the quorum of the one before. */
ATF_TC_WITHOUT_HEAD(quorate);
ATF_TC_BODY(quorate, tc)
{
	struct note *n;

	setup();
	hello(5, RIGHT_OBSERVE);
	free(expect(ACT_CLIENT_SEND, 5, M_WELCOME));
	give(EV_CLIENT_DATA, 5, 0, M_WATCH_VIEWS, NULL);
	n = bus_take(&bus);
	ATF_REQUIRE(n != NULL && n->type == NOTE_REQUEST);
	client_note(cl, n, &bus);
	free(n);
	new_view(1, true);
	expect_view(5, 1, true);
	new_view(2, false);
	free(expect(ACT_CLIENT_SEND, 5, M_VIEW_CHANGE));
	expect_view(5, 2, false);
	new_view(3, true);
	free(expect(ACT_CLIENT_SEND, 5, M_VIEW_CHANGE));
	expect_view(5, 3, true);
	ATF_CHECK(actions_take(&out) == NULL);
	teardown();
}

ATF_TC_WITHOUT_HEAD(event_ring);
ATF_TC_BODY(event_ring, tc)
{
	const struct client_event *e;
	struct note *n;
	unsigned i;

	setup();
	for (i = 1; i <= EVENTS_KEPT + 10; i++) {
		bus_event(&bus, EVK_NODE, EVL_INFO, "event %u", i);
		n = bus_take(&bus);
		client_note(cl, n, &bus);
		free(n);
	}
	e = client_event_at(cl, 0);
	ATF_REQUIRE(e != NULL);
	ATF_CHECK_EQ(11, e->seq);
	ATF_CHECK_STREQ("event 11", e->text);
	ATF_CHECK(client_event_at(cl, EVENTS_KEPT - 1) != NULL);
	ATF_CHECK(client_event_at(cl, EVENTS_KEPT) == NULL);
	teardown();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, greeting);
	ATF_TP_ADD_TC(tp, nothing_before_greeting);
	ATF_TP_ADD_TC(tp, rights);
	ATF_TP_ADD_TC(tp, unknown_type);
	ATF_TP_ADD_TC(tp, gone_once);
	ATF_TP_ADD_TC(tp, mounts);
	ATF_TP_ADD_TC(tp, quorate);
	ATF_TP_ADD_TC(tp, event_ring);
	return atf_no_error();
}
