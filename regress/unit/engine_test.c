/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves E1 of engine.c, with the engine itself around a core, sockets and a
 * clock of the test's own: the core is told that its time has come only when it
 * has been told every datagram that had come before; however many those are,
 * however long it takes, while others come without end, and while clients keep
 * the engine busy.  And what waits for the disk: no fence is started by a
 * decision that is old by then, and clients are not read while too much waits.
 */

#include <atf-c.h>

#define clock_boot_us test_boot_us
#define control_hold  test_hold
#define control_reap  test_reap
#define control_slow  test_slow
#define net_flush     test_flush
#define ipc_send      test_send
#define net_receive   test_receive
#define node_deadline test_deadline
#define node_step     test_step
#include "../../clusterd/engine.c"

#define LINKS 2

static struct world {
	uint64_t now;
	uint64_t cost;	       /* of a datagram, to be read and told */
	uint64_t deadline;     /* of the core */
	uint64_t began;	       /* what had come until then is to be told */
	unsigned early[LINKS]; /* that wait, and had come before */
	unsigned late[LINKS];  /* that wait, and came since */
	unsigned told, timers;
	bool flood; /* two come while one is told */
	bool stamps;
	unsigned stored, fences, others; /* asked of other processes */
	bool held;			 /* clients are */
	unsigned cancels;		 /* that wait behind the store */
	char failed[128];		 /* EV_FENCE_DONE */
} w;

uint64_t
test_boot_us(void)
{
	return w.now;
}

int
test_send(struct ipc *c, uint32_t type, uint32_t id, const void *data,
    size_t len, int fd)
{
	if (type == M_STORE)
		w.stored++;
	else if (type == M_FENCE_START)
		w.fences++;
	else
		w.others++;
	return 0;
}

void
test_hold(struct control *c, bool hold)
{
	w.held = hold;
}

void
test_reap(struct control *c)
{
}

bool
test_slow(struct control *c)
{
	return false;
}

void
test_flush(struct net *n)
{
}

uint64_t
test_deadline(const struct node *n)
{
	return w.deadline;
}

/* A buffer has one datagram here. */
unsigned
test_receive(struct net *n, unsigned link,
    void (*fn)(void *, unsigned, uint64_t, const uint8_t *, size_t), void *arg)
{
	uint64_t at;
	unsigned i;

	for (i = 0; i < NET_BATCH; i++) {
		if (w.early[link] > 0) {
			w.early[link]--;
			at = w.began - 1;
		} else if (w.late[link] > 0) {
			w.late[link]--;
			at = w.began;
		} else
			break;
		fn(arg, link, w.stamps ? at : 0, (const uint8_t *)"x", 1);
	}
	return i;
}

void
test_step(struct node *n, const struct event *ev, struct actions *out)
{
	unsigned link, i;

	switch (ev->type) {
	case EV_PACKET:
		w.told++;
		w.now += w.cost;
		for (link = 0; w.flood && link < LINKS; link++)
			w.late[link]++;
		break;
	case EV_TIMER:
		w.timers++;
		w.deadline = UINT64_MAX;
		for (link = 0; link < LINKS; link++)
			ATF_CHECK_EQ_MSG(0, w.early[link],
			    "link %u: %u datagrams wait", link, w.early[link]);
		break;
	case EV_STOP:
		actions_add(out, ACT_STORE, "x", 1);
		actions_add(out, ACT_FENCE_START, NULL, 0)->req = 7;
		for (i = 0; i < w.cancels; i++)
			actions_add(out, ACT_FENCE_CANCEL, NULL, 0);
		break;
	case EV_FENCE_DONE:
		ATF_CHECK_EQ(7, ev->req);
		ATF_CHECK(!ev->ok);
		snprintf(w.failed, sizeof(w.failed), "%.*s", (int)ev->len,
		    (const char *)ev->data);
		break;
	default:
		break;
	}
}

/* A core whose time has come, and what waits for it. */
static void
begin(unsigned first, unsigned second)
{
	static char node;

	memset(&w, 0, sizeof(w));
	memset(&engine, 0, sizeof(engine));
	engine.conf = conf_new();
	ATF_REQUIRE(engine.conf != NULL);
	engine.conf->nlinks = LINKS;
	engine.node = (struct node *)(void *)&node;
	actions_init(&engine.out);
	w.now = w.began = engine.now = engine.drained = 1000000;
	w.cost = 50;
	w.early[0] = first;
	w.early[1] = second;
	w.stamps = true;
}

static void
end(unsigned told)
{
	ATF_CHECK_EQ(1, w.timers);
	ATF_CHECK_MSG(w.told >= told, "%u datagrams told", w.told);
	conf_free(engine.conf);
}

ATF_TC_WITHOUT_HEAD(none_waits);
ATF_TC_BODY(none_waits, tc)
{
	begin(0, 0);
	timer_due(NULL);
	end(0);
	/* Nor is it told before its time. */
	begin(3, 0);
	w.deadline = UINT64_MAX;
	timer_due(NULL);
	ATF_CHECK_EQ(0, w.timers);
	ATF_CHECK_EQ(3, w.told);
	conf_free(engine.conf);
}

/* More than a batch, more than all rounds before the engine answers. */
ATF_TC_WITHOUT_HEAD(many_wait);
ATF_TC_BODY(many_wait, tc)
{
	begin(NET_BATCH, NET_BATCH * DRAIN_BATCHES);
	timer_due(NULL);
	end(NET_BATCH * (1 + DRAIN_BATCHES));
	begin(5, 40 * NET_BATCH * DRAIN_BATCHES + 3);
	link_ready(NULL, 0);
	end(8 + 40 * NET_BATCH * DRAIN_BATCHES);
	/* When the kernel does not say when they came, all that can wait. */
	begin(NET_BATCH * UNDATED_BATCHES, 5 * NET_BATCH * DRAIN_BATCHES);
	w.stamps = false;
	timer_due(NULL);
	end(NET_BATCH * (UNDATED_BATCHES + 5 * DRAIN_BATCHES));
}

/* What comes meanwhile is no reason to go on for ever. */
ATF_TC_WITHOUT_HEAD(others_come);
ATF_TC_BODY(others_come, tc)
{
	begin(3000, 1);
	w.flood = true;
	timer_due(NULL);
	end(3001);
	ATF_CHECK(w.late[0] > 0 && w.late[1] > 0);
	begin(1, 1);
	w.flood = true;
	w.stamps = false;
	timer_due(NULL);
	end(2);
	ATF_CHECK(w.late[0] > 0 && w.late[1] > 0);
}

/* It is long since the sockets were looked at: what a client says must wait. */
ATF_TC_WITHOUT_HEAD(clients_are_busy);
ATF_TC_BODY(clients_are_busy, tc)
{
	struct event ev = { .type = EV_CLIENT_DATA };

	begin(700, 700);
	w.now += BREATH_US;
	client_input(NULL, &ev);
	ATF_CHECK_EQ(0, w.told);
	w.now++;
	client_input(NULL, &ev);
	end(1400);
}

/* A fence that is decided while the state is on its way to a disk. */
static void
fence_behind_store(uint64_t took)
{
	static char fence;

	begin(0, 0);
	w.deadline = UINT64_MAX;
	engine.conf->failure_timeout_us = 700000;
	engine.fence = (struct ipc *)(void *)&fence;
	take_stop();
	ATF_CHECK_EQ(1, w.stored);
	ATF_CHECK_EQ(0, w.fences);
	ATF_CHECK(!w.held);
	w.now += took;
	take_stored();
	conf_free(engine.conf);
}

ATF_TC_WITHOUT_HEAD(old_decisions_start_no_fence);
ATF_TC_BODY(old_decisions_start_no_fence, tc)
{
	fence_behind_store(100000);
	ATF_CHECK_EQ(1, w.fences);
	ATF_CHECK_STREQ("", w.failed);
	fence_behind_store(400000);
	ATF_CHECK_EQ(0, w.fences);
	ATF_CHECK_MATCH("the disk with the state was slow", w.failed);
}

ATF_TC_WITHOUT_HEAD(clients_wait_for_the_disk);
ATF_TC_BODY(clients_wait_for_the_disk, tc)
{
	begin(0, 0);
	w.deadline = UINT64_MAX;
	engine.conf->failure_timeout_us = 700000;
	w.cancels = OWED_HIGH;
	take_stop();
	ATF_CHECK(w.held);
	take_stored();
	ATF_CHECK(!w.held);
	ATF_CHECK_EQ(0, engine.out.n);
	conf_free(engine.conf);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, none_waits);
	ATF_TP_ADD_TC(tp, many_wait);
	ATF_TP_ADD_TC(tp, others_come);
	ATF_TP_ADD_TC(tp, clients_are_busy);
	ATF_TP_ADD_TC(tp, old_decisions_start_no_fence);
	ATF_TP_ADD_TC(tp, clients_wait_for_the_disk);
	return atf_no_error();
}
