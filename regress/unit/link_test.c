/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what links and sessions promise (L1 to L6 of link.c) with two nodes
 * over a network of the test's own: sessions begin, break and begin again on
 * both sides alike; messages arrive once and in order; whatever is altered,
 * truncated, random, replayed, of an old life, of another key, cluster or
 * configuration is counted and changes nothing.  Silence and distance follow
 * from when datagrams came, and our own lateness suspects nobody.
 */

#include <stdio.h>

#include "link_world.h"

/* A datagram from node 2 that node 1 has not seen yet, with stream bytes. */
static struct datagram *
unseen(struct world *w)
{
	bool was[2] = { w->cut[1][0], w->cut[1][1] };
	unsigned n = w->nkept;

	w->cut[1][0] = w->cut[1][1] = true;
	world_message(w, 1, CHAN_DLM, w->told[0].next[CHAN_DLM], 100);
	w->cut[1][0] = was[0];
	w->cut[1][1] = was[1];
	ATF_REQUIRE(w->nkept > n);
	return &w->kept[n];
}

/* ---- sessions -------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(session_comes_up);
ATF_TC_BODY(session_comes_up, tc)
{
	struct world *w = world_connected();
	struct link_info li;
	uint64_t inc = 0;

	ATF_CHECK_EQ(200, w->told[0].inc);
	ATF_CHECK_EQ(100, w->told[1].inc);
	ATF_CHECK(link_session(w->l[0], 2, &inc));
	ATF_CHECK_EQ(200, inc);
	world_run(w, 2000000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.carries);
	ATF_CHECK(li.rtt_us >= 2 * LATENCY && li.rtt_us < 10 * LATENCY);
	ATF_CHECK_EQ(0, li.loss_permille);
	link_get(w->l[0], 2, 1, &li);
	ATF_CHECK(li.up && !li.carries);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(messages_in_order);
ATF_TC_BODY(messages_in_order, tc)
{
	uint32_t number[2][CHAN_MAX] = { { 0 } };
	struct world *w = world_connected();
	unsigned i, from;
	enum chan chan;

	w->loss = 100;
	w->dup = 100;
	for (i = 0; i < 2000; i++) {
		from = i % 2;
		chan = (enum chan)(1 + rng_below(&w->net, CHAN_MAX - 1));
		world_message(w, from, chan, number[from][chan]++,
		    i % 40 == 0 ? 4000 : 60);
		if (i % 5 == 0)
			world_run(w, 1000);
	}
	w->loss = 0;
	world_run(w, 3000000);
	ATF_CHECK_EQ(1000, w->told[0].messages);
	ATF_CHECK_EQ(1000, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(silence_is_loss);
ATF_TC_BODY(silence_is_loss, tc)
{
	struct world *w = world_connected();
	uint64_t before;

	w->cut[1][0] = w->cut[1][1] = true;
	before = w->now;
	while (w->told[0].down == 0 && w->now < before + 10000000)
		world_run(w, 10000);
	ATF_CHECK(w->now - before >=
	    w->conf[0]->failure_timeout_us - w->conf[0]->heartbeat_us * 2);
	ATF_CHECK(w->now - before <= w->conf[0]->failure_timeout_us + 20000);
	ATF_CHECK(strstr(w->told[0].why, "silent on 2 links for") != NULL);
	ATF_CHECK(strstr(w->told[0].why, "on time") != NULL);
	ATF_CHECK_EQ(200, w->told[0].inc);
	/* The other side hears us, and learns that its session is over. */
	world_run(w, 200000);
	ATF_CHECK_EQ(1, w->told[1].down);
	ATF_CHECK(!link_session(w->l[1], 1, NULL));
	w->cut[1][0] = w->cut[1][1] = false;
	world_run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(2, w->told[1].up);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* We sleep far longer than the timeout; whoever kept beating is not lost. */
ATF_TC_WITHOUT_HEAD(own_pause_suspects_nobody);
ATF_TC_BODY(own_pause_suspects_nobody, tc)
{
	struct world *w = world_connected();
	struct datagram *d;

	w->asleep[0] = true;
	world_run(w, w->conf[0]->failure_timeout_us / 2);
	/* Even with nothing in the sockets: they may have overflown. */
	while ((d = STAILQ_FIRST(&w->path)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->path, entry);
		free(d);
	}
	w->now += 3 * w->conf[0]->failure_timeout_us / 4;
	w->asleep[1] = true;
	w->asleep[0] = false;
	world_run(w, w->conf[0]->failure_timeout_us / 2);
	ATF_CHECK_EQ(0, w->told[0].down);
	w->asleep[1] = false;
	world_run(w, 100000);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_free(w);
}

/* Sends what node 2 has to say, stamped as told, to node 1; nothing else. */
static void
beat_at(struct world *w, uint64_t at)
{
	struct datagram *d = unseen(w);

	world_stamped(w, 0, d->link, at, d->data, d->len);
}

static uint64_t
heard(const struct world *w, unsigned link)
{
	struct link_info li;

	link_get(w->l[0], 2, link, &li);
	return li.last_heard;
}

/* A timer is always a little late; that sums up to no longer timeout. */
ATF_TC_WITHOUT_HEAD(small_delays_do_not_add_up);
ATF_TC_BODY(small_delays_do_not_add_up, tc)
{
	struct world *w = world_connected();
	uint64_t timeout = w->conf[0]->failure_timeout_us, before;

	w->cut[1][0] = w->cut[1][1] = true;
	/* From when its last word came; the cut spares none on its way. */
	world_run(w, 2 * LATENCY);
	before = MAX(heard(w, 0), heard(w, 1));
	while (w->told[0].down == 0 && w->now < before + 2 * timeout) {
		w->asleep[0] = true;
		world_run(w, 1500);
		w->asleep[0] = false;
		world_run(w, 10);
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(w->now - before <= timeout + 2000, "%llu us",
	    (unsigned long long)(w->now - before));
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(stamp_is_when_it_came);
ATF_TC_BODY(stamp_is_when_it_came, tc)
{
	struct world *w = world_connected();
	uint64_t t;

	w->cut[1][0] = w->cut[1][1] = true;
	world_run(w, 100000);
	t = w->now - 30000;
	ATF_REQUIRE(heard(w, 0) < t);
	beat_at(w, t);
	ATF_CHECK_EQ(t, heard(w, 0));
	/* An older one is no news, and takes nothing back. */
	beat_at(w, t - 10000);
	ATF_CHECK_EQ(t, heard(w, 0));
	ATF_CHECK_EQ(2, w->told[0].messages);
	/* Silence counts from then, not from the reading. */
	world_run(w, w->conf[0]->failure_timeout_us - 30001);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_run(w, 2);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* What cannot be true counts as come when it was read. */
ATF_TC_WITHOUT_HEAD(stamp_beyond_belief);
ATF_TC_BODY(stamp_beyond_belief, tc)
{
	struct world *w = world_connected();

	w->cut[1][0] = w->cut[1][1] = true;
	w->now += 2 * EVENT_WAIT_MAX;
	world_run(w, 10000);
	beat_at(w, w->now + 1);
	ATF_CHECK_EQ(w->now, heard(w, 0));
	world_run(w, 10000);
	beat_at(w, UINT64_MAX);
	ATF_CHECK_EQ(w->now, heard(w, 0));
	world_run(w, 10000);
	beat_at(w, w->now - EVENT_WAIT_MAX - 1);
	ATF_CHECK_EQ(w->now, heard(w, 0));
	world_run(w, 10000);
	beat_at(w, 0);
	ATF_CHECK_EQ(w->now, heard(w, 0));
	world_free(w);
}

/* A peer that reads late, in a pause and always: the distance is as it is. */
ATF_TC_WITHOUT_HEAD(waiting_is_no_distance);
ATF_TC_BODY(waiting_is_no_distance, tc)
{
	struct world *w = world_connected();
	struct link_info li;
	unsigned i;

	for (i = 0; i < 200; i++) {
		w->asleep[i % 2] = true;
		world_run(w, 20000);
		w->asleep[i % 2] = false;
		world_run(w, 7000);
	}
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK_MSG(li.rtt_us >= 2 * LATENCY && li.rtt_us < 4 * LATENCY,
	    "%llu us", (unsigned long long)li.rtt_us);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/* Its echo was there for longer than it was away: it came back at once. */
ATF_TC_WITHOUT_HEAD(echo_of_a_faster_clock);
ATF_TC_BODY(echo_of_a_faster_clock, tc)
{
	struct world *w = world_connected();
	struct link_info before, li;

	link_get(w->l[0], 2, 0, &before);
	w->fast[1] = 500;
	world_run(w, 5000000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK_MSG(li.rtt_us < before.rtt_us / 4, "%llu and %llu us",
	    (unsigned long long)before.rtt_us, (unsigned long long)li.rtt_us);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

/*
 * Beats wait in our socket while we sleep, and the newer ones found no room:
 * those that are left are as old as the pause, and still nobody is suspected,
 * nor any link, before the time that anybody has.
 */
ATF_TC_WITHOUT_HEAD(old_beats_after_a_pause);
ATF_TC_BODY(old_beats_after_a_pause, tc)
{
	struct world *w = world_connected();
	uint64_t timeout = w->conf[0]->failure_timeout_us;
	uint64_t hb = w->conf[0]->heartbeat_us;
	struct link_info li;

	w->asleep[0] = true;
	world_run(w, 100000);
	/* Its later ones are lost, and then it sleeps for a while itself. */
	w->cut[1][0] = w->cut[1][1] = true;
	world_run(w, 5 * timeout);
	w->asleep[1] = true;
	w->asleep[0] = false;
	/* Two beats may have been on time and silent before the pause. */
	world_run(w, 2 * hb - 20000);
	ATF_CHECK(heard(w, 0) < w->now - 4 * timeout);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.flaps == 0);
	world_run(w, timeout - 4 * hb - 20000);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_run(w, 3 * hb);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/*
 * A peer was silent for long when we fell asleep, spoke in our sleep, and then
 * its words found no room.  It has the full time from our awakening on.
 */
ATF_TC_WITHOUT_HEAD(word_in_our_sleep);
ATF_TC_BODY(word_in_our_sleep, tc)
{
	struct world *w = world_connected();
	uint64_t timeout = w->conf[0]->failure_timeout_us, at;
	struct datagram *d;

	w->cut[1][0] = w->cut[1][1] = true;
	world_run(w, timeout - 2 * w->conf[0]->heartbeat_us);
	ATF_REQUIRE_EQ(0, w->told[0].down);
	d = unseen(w);
	w->asleep[0] = true;
	at = w->now + 2 * w->conf[0]->heartbeat_us;
	world_run(w, 3 * timeout);
	w->asleep[0] = false;
	world_stamped(w, 0, d->link, at, d->data, d->len);
	ATF_CHECK_EQ(at, heard(w, d->link));
	world_run(w, timeout - 1);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_run(w, 2);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* Without stamps all is as if each had come when it was read. */
ATF_TC_WITHOUT_HEAD(no_stamps_at_all);
ATF_TC_BODY(no_stamps_at_all, tc)
{
	struct world *w = world_connected();

	w->nostamps = true;
	w->asleep[0] = true;
	world_run(w, w->conf[0]->failure_timeout_us / 2);
	w->asleep[0] = false;
	world_run(w, 1000);
	ATF_CHECK(heard(w, 0) >= w->now - 1000);
	world_run(w, 3000000);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(one_link_is_enough);
ATF_TC_BODY(one_link_is_enough, tc)
{
	struct world *w = world_connected();
	struct link_info li;
	unsigned i;

	w->cut[0][0] = w->cut[1][0] = true;
	/* Also at once, while nobody knows that the link is dead. */
	for (i = 0; i < 20; i++)
		world_message(w, 0, CHAN_DLM, i, 30);
	world_run(w, 150000);
	ATF_CHECK_EQ(20, w->told[1].messages);
	world_run(w, 2000000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(!li.up && li.flaps == 1);
	link_get(w->l[0], 2, 1, &li);
	ATF_CHECK(li.up && li.carries);
	world_message(w, 0, CHAN_DLM, 20, 30);
	world_run(w, 50000);
	ATF_CHECK_EQ(21, w->told[1].messages);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[1].down);
	w->cut[0][0] = w->cut[1][0] = false;
	world_run(w, 500000);
	link_get(w->l[0], 2, 0, &li);
	ATF_CHECK(li.up && li.carries);
	world_free(w);
}

/*
 * One answer that is late makes data go over two links for a moment.  The
 * copies must not make the other side do the same, and so on for ever.
 */
ATF_TC_WITHOUT_HEAD(copies_feed_nothing);
ATF_TC_BODY(copies_feed_nothing, tc)
{
	struct world *w = world_connected();
	unsigned i, first = 0, copies = 0;
	uint32_t back = 0;

	/* A pause that looks like loss, in the middle of traffic. */
	for (i = 0; i < 100; i++) {
		world_message(w, 0, CHAN_DLM, i, 30);
		w->asleep[1] = i >= 5 && i < 15;
		if (!w->asleep[1])
			world_message(w, 1, CHAN_DLM, back++, 30);
		world_run(w, 10000);
		if (i == 50)
			first = w->nkept;
	}
	ATF_REQUIRE(w->nkept < KEPT);
	for (i = first; i < w->nkept; i++)
		copies += w->kept[i].link == 1;
	/* The beats of half a second, both ways, and little else. */
	ATF_CHECK_MSG(copies < 25, "%u datagrams on the second link", copies);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(reset_breaks_both_sides);
ATF_TC_BODY(reset_breaks_both_sides, tc)
{
	struct world *w = world_connected();
	struct note n = { .type = NOTE_PEER_RESET, .node = 2 };

	world_message(w, 1, CHAN_DLM, 0, 30);
	link_note(w->l[0], &n, &w->bus[0]);
	world_settle(w, 0);
	world_run(w, 1000000);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_EQ(1, w->told[1].down);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(2, w->told[1].up);
	/* The new session is empty and counts from the start. */
	world_message(w, 1, CHAN_DLM, 0, 30);
	world_run(w, 100000);
	ATF_CHECK_EQ(1, w->told[0].next[CHAN_DLM]);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(new_incarnation_replaces_old);
ATF_TC_BODY(new_incarnation_replaces_old, tc)
{
	struct world *w = world_connected();
	unsigned old = w->nkept, i;
	uint64_t before;

	world_message(w, 1, CHAN_DLM, 0, 30);
	world_start(w, 1, 201, world_key);
	world_settle(w, 1);
	/* The silence of the old one shows that it is over. */
	world_run(w, 500000);
	ATF_CHECK_EQ(0, w->told[0].gone);
	world_run(w, 500000);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[0].gone_code);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	/* What the old life sent is refused from now on. */
	before = link_rejects(w->l[0], 2, LR_OLD_INCARNATION);
	for (i = 0; i < old; i++)
		if (w->kept[i].to == 0)
			world_packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	ATF_CHECK(link_rejects(w->l[0], 2, LR_OLD_INCARNATION) > before);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[0].gone);
	world_free(w);
}

/* What node 1 of one world sends comes to node 0 of the other, and back. */
static void
run_twins(struct world *w, struct world *t, uint64_t us)
{
	unsigned from = w->nkept, twin = t->nkept;
	uint64_t end = w->now + us;

	while (w->now < end) {
		world_run(w, 1000);
		world_run(t, 1000);
		for (; from < w->nkept; from++)
			if (w->kept[from].to == 1)
				world_packet(t, 1, w->kept[from].link,
				    w->kept[from].data, w->kept[from].len);
		for (; twin < t->nkept; twin++)
			if (t->kept[twin].to == 0)
				world_packet(w, 0, t->kept[twin].link,
				    t->kept[twin].data, t->kept[twin].len);
	}
	ATF_REQUIRE(w->nkept < KEPT && t->nkept < KEPT);
}

/*
 * A second machine is started as node 2, while the first one is well: nothing
 * happens but that both are told of.  When the first one is off, the second one
 * is node 2.
 */
ATF_TC_WITHOUT_HEAD(two_machines_as_one_node);
ATF_TC_BODY(two_machines_as_one_node, tc)
{
	struct world *w = world_connected(), *t = world_new();
	uint64_t inc = w->inc[1];

	t->cut[0][0] = t->cut[0][1] = t->cut[1][0] = t->cut[1][1] = true;
	world_run(t, w->now - t->now);
	world_start(t, 1, inc + 1, world_key);
	world_settle(t, 1);
	run_twins(w, t, 3000000);
	ATF_CHECK_EQ(inc, w->told[0].inc);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone + w->told[1].down);
	ATF_CHECK_EQ(0, w->told[1].outlived + t->told[1].outlived);
	ATF_CHECK_MATCH("two machines run as this node", w->told[0].node);
	ATF_CHECK_MATCH("another machine runs as this node", t->told[1].node);
	w->asleep[1] = true;
	run_twins(w, t, 1500000);
	ATF_CHECK_EQ(inc + 1, w->told[0].inc);
	ATF_CHECK_EQ(2, w->told[0].up);
	world_free(w);
	world_free(t);
}

/*
 * A node that has forgotten its past, with a clock that is behind, seems an old
 * one to who knew it later.  It is told so, and so is the older one of two
 * machines that run as the same node; the newer one is not.
 */
ATF_TC_WITHOUT_HEAD(outlived_by_oneself);
ATF_TC_BODY(outlived_by_oneself, tc)
{
	struct world *w = world_connected();
	uint64_t later = w->inc[1];
	unsigned old = w->nkept, i;

	ATF_CHECK_EQ(0, w->told[1].outlived);
	world_start(w, 1, later - 1, world_key);
	world_settle(w, 1);
	world_run(w, 500000);
	ATF_CHECK_EQ(later, w->told[1].outlived);
	ATF_CHECK_EQ(0, w->told[0].outlived);
	w->told[1].outlived = 0;
	world_start(w, 1, later + 1, world_key);
	world_settle(w, 1);
	world_run(w, 1000000);
	for (i = 0; i < old; i++)
		if (w->kept[i].to == 1)
			world_packet(w, 1, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	ATF_CHECK_EQ(later + 1, w->told[0].inc);
	ATF_CHECK_EQ(0, w->told[1].outlived);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(goodbye_is_final);
ATF_TC_BODY(goodbye_is_final, tc)
{
	struct world *w = world_connected();
	unsigned i, n;

	w->bus[1].now = w->now;
	link_goodbye(w->l[1], &w->bus[1]);
	world_settle(w, 1);
	ATF_CHECK_EQ(UINT64_MAX, link_deadline(w->l[1]));
	world_run(w, 100000);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(1, w->told[0].gone_code);
	ATF_CHECK_EQ(0, w->told[0].down);
	n = w->nkept;
	for (i = 0; i < n; i++)
		if (w->kept[i].to == 0)
			world_packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	world_run(w, 5000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK_EQ(1, w->told[0].gone);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(slow_peer_is_dropped);
ATF_TC_BODY(slow_peer_is_dropped, tc)
{
	struct world *w = world_connected();
	unsigned i;

	/* It goes on beating, but what is large does not arrive. */
	w->mtu = 300;
	for (i = 0; i < 4000 && w->told[0].down == 0; i++) {
		world_message(w, 0, CHAN_DLM, i, 5000);
		world_run(w, 2000);
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK(strstr(w->told[0].why, "too slow") != NULL);
	world_free(w);
}

/*
 * Heartbeats come, and nothing is acknowledged: it is waited for as long as for
 * an engine that does not run, and then no more.  Our own absence is not its
 * fault.
 */
ATF_TC_WITHOUT_HEAD(stuck_peer_is_dropped);
ATF_TC_BODY(stuck_peer_is_dropped, tc)
{
	struct world *w = world_connected();
	uint64_t limit = w->conf[0]->stall_timeout_us;

	world_run(w, 2 * limit);
	ATF_REQUIRE_EQ(0, w->told[0].down);
	w->mtu = 300;
	world_message(w, 0, CHAN_DLM, 0, 500);
	world_run(w, limit - 200000);
	ATF_CHECK_EQ(0, w->told[0].down);
	w->asleep[0] = true;
	world_run(w, 500000);
	w->asleep[0] = false;
	world_run(w, limit - 200000);
	ATF_CHECK_EQ(0, w->told[0].down);
	world_run(w, 400000);
	ATF_CHECK_EQ(1, w->told[0].down);
	ATF_CHECK_MSG(strstr(w->told[0].why,
			  "too slow: 505 bytes wait for it, and it took none "
			  "for ") != NULL,
	    "%s", w->told[0].why);
	/* Who has nothing to take is never too slow. */
	w->mtu = 0;
	world_run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	world_run(w, 3 * limit);
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* ---- what is refused --------------------------------------------------------- */

/* Total of everything refused, by node i. */
static uint64_t
refused(const struct world *w, unsigned i)
{
	uint64_t n = 0;
	unsigned r;

	for (r = 0; r < LR_MAX; r++)
		n += link_rejects(w->l[i], 0, (enum link_reject)r);
	return n;
}

ATF_TC_WITHOUT_HEAD(altered_datagrams);
ATF_TC_BODY(altered_datagrams, tc)
{
	struct world *w = world_connected();
	struct datagram *d = unseen(w);
	struct told before;
	uint64_t n = refused(w, 0);
	unsigned i;

	before = w->told[0];
	for (i = 0; i < d->len; i++) {
		d->data[i] ^= 0x20;
		world_packet(w, 0, d->link, d->data, d->len);
		d->data[i] ^= 0x20;
	}
	ATF_CHECK_EQ(n + d->len, refused(w, 0));
	ATF_CHECK_EQ(before.messages, w->told[0].messages);
	ATF_CHECK_EQ(before.down + before.gone,
	    w->told[0].down + w->told[0].gone);
	/* None of them used its place up. */
	world_packet(w, 0, d->link, d->data, d->len);
	ATF_CHECK_EQ(before.messages + 1, w->told[0].messages);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(truncated_and_oversized);
ATF_TC_BODY(truncated_and_oversized, tc)
{
	struct world *w = world_connected();
	struct datagram *d = unseen(w);
	static uint8_t big[65536];
	uint64_t n = refused(w, 0);
	size_t len;

	for (len = 0; len < d->len; len++)
		world_packet(w, 0, d->link, d->data, len);
	ATF_CHECK_EQ(n + d->len, refused(w, 0));
	memcpy(big, d->data, d->len);
	world_packet(w, 0, d->link, big, sizeof(big));
	world_packet(w, 0, d->link, big, WIRE_DATAGRAM_MAX + 1);
	world_packet(w, 0, 7, d->data, d->len);
	ATF_CHECK_EQ(n + d->len + 3, refused(w, 0));
	ATF_CHECK_EQ(0, w->told[0].messages);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(random_datagrams);
ATF_TC_BODY(random_datagrams, tc)
{
	struct world *w = world_connected();
	struct datagram *d = unseen(w);
	uint8_t data[WIRE_DATAGRAM_MAX];
	uint64_t n = refused(w, 0);
	unsigned i, k;
	size_t len;

	for (i = 0; i < 5000; i++) {
		len = rng_below(&w->net, sizeof(data));
		for (k = 0; k < len; k++)
			data[k] = (uint8_t)rng_u64(&w->net);
		/* Half of them with a true header in front. */
		if (i % 2 == 0)
			memcpy(data, d->data,
			    MIN(len, (size_t)WIRE_HEADER_LEN));
		world_packet(w, 0, d->link, data, len);
	}
	ATF_CHECK_EQ(n + 5000, refused(w, 0));
	ATF_CHECK_EQ(0, w->told[0].down + w->told[0].gone);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(replayed_datagrams);
ATF_TC_BODY(replayed_datagrams, tc)
{
	struct world *w = world_connected();
	unsigned i, k, n;
	uint64_t replays = 0;

	for (i = 0; i < 50; i++) {
		world_message(w, 1, CHAN_DLM, i, 100);
		world_run(w, 10000);
	}
	ATF_REQUIRE_EQ(50, w->told[0].messages);
	n = w->nkept;
	replays = link_rejects(w->l[0], 2, LR_REPLAY);
	for (k = 0, i = 0; i < n; i++)
		if (w->kept[i].to == 0) {
			world_packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
			k++;
		}
	ATF_CHECK_EQ(replays + k, link_rejects(w->l[0], 2, LR_REPLAY));
	ATF_CHECK_EQ(50, w->told[0].messages);
	world_free(w);
}

/* Records keep nobody alive: replays do not count as being heard. */
ATF_TC_WITHOUT_HEAD(replays_do_not_hide_a_death);
ATF_TC_BODY(replays_do_not_hide_a_death, tc)
{
	struct world *w = world_connected();
	unsigned i, n;

	world_run(w, 1000000);
	link_free(w->l[1]);
	w->l[1] = NULL;
	n = w->nkept;
	for (i = 0; i < 400 && w->told[0].down == 0; i++) {
		if (w->kept[i % n].to == 0)
			world_packet(w, 0, w->kept[i % n].link,
			    w->kept[i % n].data, w->kept[i % n].len);
		world_run(w, 10000);
	}
	ATF_CHECK_EQ(1, w->told[0].down);
	world_free(w);
}

/* A node that has just started believes no record of a former life. */
ATF_TC_WITHOUT_HEAD(records_start_no_session);
ATF_TC_BODY(records_start_no_session, tc)
{
	struct world *w = world_connected();
	unsigned i, n;

	world_run(w, 1000000);
	n = w->nkept;
	link_free(w->l[1]);
	w->l[1] = NULL;
	world_start(w, 0, 101, world_key);
	world_settle(w, 0);
	for (i = 0; i < n; i++)
		if (w->kept[i].to == 0)
			world_packet(w, 0, w->kept[i].link, w->kept[i].data,
			    w->kept[i].len);
	world_run(w, 2000000);
	ATF_CHECK_EQ(1, w->told[0].up);
	ATF_CHECK(!link_session(w->l[0], 2, NULL));
	/* The living node is believed all the same. */
	world_start(w, 1, 201, world_key);
	world_settle(w, 1);
	world_run(w, 1000000);
	ATF_CHECK_EQ(2, w->told[0].up);
	ATF_CHECK_EQ(201, w->told[0].inc);
	world_free(w);
}

static void
never_meet(struct world *w, enum link_reject why, const char *event)
{
	world_run(w, 3000000);
	ATF_CHECK_EQ(0, w->told[0].up + w->told[1].up);
	ATF_CHECK(link_rejects(w->l[0], 0, why) > 0);
	ATF_CHECK(link_rejects(w->l[1], 0, why) > 0);
	ATF_CHECK_MSG(strstr(w->told[0].event, event) != NULL, "%s",
	    w->told[0].event);
	world_free(w);
}

ATF_TC_WITHOUT_HEAD(wrong_key);
ATF_TC_BODY(wrong_key, tc)
{
	static const uint8_t other[32] = { 9 };
	struct world *w = world_new();

	world_start(w, 0, 100, world_key);
	world_start(w, 1, 200, other);
	world_settle(w, 0);
	world_settle(w, 1);
	never_meet(w, LR_KEY, "node 2: ");
}

ATF_TC_WITHOUT_HEAD(foreign_cluster);
ATF_TC_BODY(foreign_cluster, tc)
{
	struct world *w = world_new();

	conf_free(w->conf[1]);
	w->conf[1] = world_conf("another");
	world_start(w, 0, 100, world_key);
	world_start(w, 1, 200, world_key);
	world_settle(w, 0);
	world_settle(w, 1);
	never_meet(w, LR_CLUSTER, "another cluster than test");
}

ATF_TC_WITHOUT_HEAD(different_configuration);
ATF_TC_BODY(different_configuration, tc)
{
	struct world *w = world_new();

	w->conf[1]->nodes[0].votes = 3;
	conf_hash(w->conf[1]);
	world_start(w, 0, 100, world_key);
	world_start(w, 1, 200, world_key);
	world_settle(w, 0);
	world_settle(w, 1);
	never_meet(w, LR_CONF, "its cluster.yaml differs from ours");
}

ATF_TC_WITHOUT_HEAD(names_of_reasons);
ATF_TC_BODY(names_of_reasons, tc)
{
	unsigned i, k;

	for (i = 0; i < LR_MAX; i++) {
		ATF_CHECK(strlen(link_reject_name((enum link_reject)i)) > 2);
		for (k = 0; k < i; k++)
			ATF_CHECK(
			    strcmp(link_reject_name((enum link_reject)i),
				link_reject_name((enum link_reject)k)) != 0);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, session_comes_up);
	ATF_TP_ADD_TC(tp, messages_in_order);
	ATF_TP_ADD_TC(tp, silence_is_loss);
	ATF_TP_ADD_TC(tp, echo_of_a_faster_clock);
	ATF_TP_ADD_TC(tp, own_pause_suspects_nobody);
	ATF_TP_ADD_TC(tp, small_delays_do_not_add_up);
	ATF_TP_ADD_TC(tp, stamp_is_when_it_came);
	ATF_TP_ADD_TC(tp, stamp_beyond_belief);
	ATF_TP_ADD_TC(tp, waiting_is_no_distance);
	ATF_TP_ADD_TC(tp, old_beats_after_a_pause);
	ATF_TP_ADD_TC(tp, word_in_our_sleep);
	ATF_TP_ADD_TC(tp, no_stamps_at_all);
	ATF_TP_ADD_TC(tp, one_link_is_enough);
	ATF_TP_ADD_TC(tp, copies_feed_nothing);
	ATF_TP_ADD_TC(tp, reset_breaks_both_sides);
	ATF_TP_ADD_TC(tp, new_incarnation_replaces_old);
	ATF_TP_ADD_TC(tp, two_machines_as_one_node);
	ATF_TP_ADD_TC(tp, outlived_by_oneself);
	ATF_TP_ADD_TC(tp, goodbye_is_final);
	ATF_TP_ADD_TC(tp, slow_peer_is_dropped);
	ATF_TP_ADD_TC(tp, stuck_peer_is_dropped);
	ATF_TP_ADD_TC(tp, altered_datagrams);
	ATF_TP_ADD_TC(tp, truncated_and_oversized);
	ATF_TP_ADD_TC(tp, random_datagrams);
	ATF_TP_ADD_TC(tp, replayed_datagrams);
	ATF_TP_ADD_TC(tp, replays_do_not_hide_a_death);
	ATF_TP_ADD_TC(tp, records_start_no_session);
	ATF_TP_ADD_TC(tp, wrong_key);
	ATF_TP_ADD_TC(tp, foreign_cluster);
	ATF_TP_ADD_TC(tp, different_configuration);
	ATF_TP_ADD_TC(tp, names_of_reasons);
	return atf_no_error();
}
