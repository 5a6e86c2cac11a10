/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves that lockspaces go through their stages together: several instances
 * apply one list of ordered messages, views and fences, at different times,
 * and are compared; nothing is rebuilt before the lost are fenced; slots and
 * what clients are told follow the rules; a joiner's snapshot is the same
 * state; and bad bytes change nothing.
 */

#include <errno.h>
#include <stdio.h>

#include <atf-c.h>

#include "core/lspace_int.h"
#include "core/rng.h"
#include "proto.h"

#define NODES	4
#define LOG_MAX 4096

/* One entry of what all nodes apply in the same order. */
struct entry {
	enum note_type type;
	uint16_t node; /* ORDERED: sender; FENCED: victim */
	uint64_t inc;
	bool ok;
	struct view view;
	size_t len;
	uint8_t data[512];
};

struct inst {
	struct lspace *l;
	uint64_t inc;
	bool up;
	bool vote; /* the lock manager says that it is done, at once */
	struct bus bus;
	struct actions out;
	unsigned at; /* next entry */
	/* What was said to dlm and to clients since last asked. */
	char said[512];
	char told[512];
	uint32_t slot, generation, errcode;
};

static struct {
	struct inst node[NODES + 1];
	struct entry *log;
	unsigned n;
	struct view view;
	uint64_t epoch;
} w;

static void
add(char *list, size_t size, const char *word)
{
	if (list[0] != '\0')
		strlcat(list, " ", size);
	strlcat(list, word, size);
}

static struct entry *
entry(enum note_type type)
{
	ATF_REQUIRE(w.n < LOG_MAX);
	memset(&w.log[w.n], 0, sizeof(w.log[w.n]));
	w.log[w.n].type = type;
	return &w.log[w.n++];
}

static void
said_event(struct inst *in, const struct ls_event *ev)
{
	static const char *const stages[] = { "stop", "fence", "dir", "locks",
		"run" };
	static const char *const types[] = { "?", "STOP", "", "RUN", "GONE",
		"FREEZE", "THAW", "DROP" };
	char word[64];

	if (ev->type == LSE_STAGE)
		add(in->said, sizeof(in->said), stages[ev->stage]);
	else if (ev->type == LSE_STOP)
		snprintf(word, sizeof(word), "STOP%u", ev->nmembers);
	else
		snprintf(word, sizeof(word), "%s", types[ev->type]);
	if (ev->type != LSE_STAGE)
		add(in->said, sizeof(in->said), word);
}

static void
told_client(struct inst *in, const struct action *act)
{
	struct rbuf r;
	char word[64];

	rbuf_init(&r, act->data, act->len);
	(void)rbuf_u32(&r);
	switch (act->msgtype) {
	case M_LS_PREP:
		add(in->told, sizeof(in->told), "prep");
		break;
	case M_LS_SLOT:
		snprintf(word, sizeof(word), "slot:%u", rbuf_u16(&r));
		snprintf(word + strlen(word), 16, "/%u", rbuf_u32(&r));
		add(in->told, sizeof(in->told), word);
		break;
	case M_LS_DONE:
		in->slot = rbuf_u32(&r);
		in->generation = rbuf_u32(&r);
		snprintf(word, sizeof(word), "done%u", rbuf_u16(&r));
		add(in->told, sizeof(in->told), word);
		break;
	case M_LS_FAILED:
		in->errcode = rbuf_u32(&r);
		add(in->told, sizeof(in->told), "failed");
		break;
	case M_LS_LEFT:
		add(in->told, sizeof(in->told), "left");
		break;
	case M_RESULT:
		add(in->told, sizeof(in->told), "result");
		break;
	default:
		atf_tc_fail("message %u", act->msgtype);
	}
}

static void collect(unsigned);

/* The lock manager answers at once, if it is to. */
static void
vote(unsigned node, const struct ls_event *ev)
{
	struct inst *in = &w.node[node];
	struct note n = { .type = NOTE_LS_STAGE };

	if (!in->vote || (ev->type != LSE_STOP && ev->type != LSE_STAGE))
		return;
	n.lsid = ev->lsid;
	n.seq = ev->epoch;
	n.code = (int)(ev->type == LSE_STOP ? LSS_STOP : ev->stage);
	lspace_note(in->l, &n, &in->bus);
}

static void
collect(unsigned node)
{
	struct inst *in = &w.node[node];
	struct action *act;
	struct entry *e;
	struct note *n;

	while ((n = bus_take(&in->bus)) != NULL) {
		if (n->type == NOTE_ORDER) {
			ATF_REQUIRE_EQ(SVC_LSPACE, n->service);
			e = entry(NOTE_ORDERED);
			e->node = (uint16_t)node;
			e->inc = in->inc;
			ATF_REQUIRE(n->len <= sizeof(e->data));
			e->len = n->len;
			memcpy(e->data, n->data, n->len);
		} else if (n->type == NOTE_LS) {
			said_event(in, n->ref);
			vote(node, n->ref);
		} else {
			ATF_REQUIRE_EQ(NOTE_EVENT, n->type);
		}
		free(n);
	}
	while ((act = actions_take(&in->out)) != NULL) {
		told_client(in, act);
		free(act);
	}
	lspace_check(in->l);
}

static void
send_note(unsigned node, enum note_type type, const void *data, size_t len,
    const struct entry *e)
{
	struct inst *in = &w.node[node];
	struct note *n = calloc(1, sizeof(*n) + len);

	ATF_REQUIRE(n != NULL);
	n->type = type;
	n->service = SVC_LSPACE;
	if (e != NULL) {
		n->node = e->node;
		n->inc = e->inc;
		n->ok = e->ok;
		n->ref = &e->view;
	}
	n->len = len;
	if (len > 0)
		memcpy(n->data, data, len);
	in->bus.now++;
	lspace_note(in->l, n, &in->bus);
	free(n);
	collect(node);
}

/* The next entry of the log at one node. */
static bool
apply(unsigned node)
{
	struct inst *in = &w.node[node];
	const struct entry *e;

	if (!in->up || in->at == w.n)
		return false;
	e = &w.log[in->at++];
	send_note(node, e->type, e->data, e->len, e);
	return true;
}

static void
settle(void)
{
	unsigned i;
	bool any;

	do {
		any = false;
		for (i = 1; i <= NODES; i++)
			while (apply(i))
				any = true;
	} while (any);
}

static void
put_view(bool primary)
{
	struct entry *e;

	w.view.epoch = ++w.epoch;
	w.view.primary = primary;
	e = entry(NOTE_VIEW);
	e->view = w.view;
	e = entry(NOTE_QUORUM);
	e->ok = primary;
	e = entry(NOTE_LEASE);
	e->ok = primary;
	w.view.nlost = 0;
}

static void
start(unsigned node, bool member)
{
	struct inst *in = &w.node[node];
	struct view_member *vm = &w.view.members[w.view.n];

	memset(in, 0, sizeof(*in));
	in->inc = 10 * ++w.epoch;
	in->l = lspace_new(NULL, (uint16_t)node, in->inc);
	ATF_REQUIRE(in->l != NULL);
	bus_init(&in->bus);
	actions_init(&in->out);
	in->bus.out = &in->out;
	in->up = true;
	in->vote = true;
	in->at = w.n;
	if (!member)
		return;
	vm->node = (uint16_t)node;
	vm->inc = in->inc;
	w.view.n++;
}

static void
stop(unsigned node)
{
	struct inst *in = &w.node[node];

	lspace_free(in->l);
	bus_clear(&in->bus);
	actions_clear(&in->out);
	in->up = false;
}

static void
begin(unsigned nodes)
{
	unsigned i;

	memset(&w, 0, sizeof(w));
	w.log = calloc(LOG_MAX, sizeof(*w.log));
	ATF_REQUIRE(w.log != NULL);
	for (i = 1; i <= nodes; i++)
		start(i, true);
	put_view(true);
	settle();
}

static void
end(void)
{
	unsigned i;

	for (i = 1; i <= NODES; i++)
		if (w.node[i].up)
			stop(i);
	free(w.log);
}

static void
lose(unsigned node, bool clean)
{
	unsigned i;

	for (i = 0; w.view.members[i].node != node; i++)
		continue;
	w.view.lost[w.view.nlost].node = (uint16_t)node;
	w.view.lost[w.view.nlost].inc = w.view.members[i].inc;
	w.view.lost[w.view.nlost++].clean = clean;
	w.view.n--;
	for (; i < w.view.n; i++)
		w.view.members[i] = w.view.members[i + 1];
	stop(node);
	put_view(true);
}

static void
fenced(unsigned node, uint64_t inc)
{
	struct entry *e = entry(NOTE_FENCED);

	e->node = (uint16_t)node;
	e->inc = inc;
}

static void
request(unsigned node, uint64_t client, uint32_t type, const struct wbuf *wb)
{
	struct inst *in = &w.node[node];
	struct note *n = calloc(1, sizeof(*n) + wb->len);

	ATF_REQUIRE(n != NULL);
	n->type = NOTE_REQUEST;
	n->client = client;
	n->msgtype = type;
	n->len = wb->len;
	memcpy(n->data, wb->data, wb->len);
	lspace_note(in->l, n, &in->bus);
	free(n);
	collect(node);
}

static void
join(unsigned node, uint64_t client, uint32_t lsid, unsigned lvblen,
    const char *name)
{
	struct wbuf wb;

	wbuf_init(&wb, 256);
	wbuf_u32(&wb, lsid);
	wbuf_u8(&wb, (uint8_t)lvblen);
	wbuf_str(&wb, name);
	request(node, client, M_LS_JOIN, &wb);
	wbuf_free(&wb);
}

static void
leave(unsigned node, uint64_t client, uint32_t lsid)
{
	struct wbuf wb;

	wbuf_init(&wb, 16);
	wbuf_u32(&wb, lsid);
	request(node, client, M_LS_LEAVE, &wb);
	wbuf_free(&wb);
}

#define SAID(who, what)                                                        \
	do {                                                                   \
		ATF_CHECK_STREQ((what), w.node[who].said);                     \
		w.node[who].said[0] = '\0';                                    \
	} while (0)
#define TOLD(who, what)                                                        \
	do {                                                                   \
		ATF_CHECK_STREQ((what), w.node[who].told);                     \
		w.node[who].told[0] = '\0';                                    \
	} while (0)

static enum ls_stage
stage_at(unsigned node)
{
	struct ls_info info;

	ATF_REQUIRE(lspace_info(w.node[node].l, 0, &info));
	return info.stage;
}

/* All that are up and have applied everything hold the same state. */
static void
same_state(void)
{
	struct note *first = NULL, *n;
	unsigned i;

	for (i = 1; i <= NODES; i++) {
		if (!w.node[i].up)
			continue;
		lspace_snap_give(w.node[i].l, &w.node[i].bus);
		n = bus_take(&w.node[i].bus);
		ATF_REQUIRE(n != NULL && n->type == NOTE_SNAP);
		if (first == NULL) {
			first = n;
			continue;
		}
		ATF_REQUIRE_EQ_MSG(first->len, n->len, "node %u", i);
		ATF_REQUIRE_EQ_MSG(0, memcmp(first->data, n->data, n->len),
		    "node %u", i);
		free(n);
	}
	free(first);
}

ATF_TC_WITHOUT_HEAD(join_and_leave);
ATF_TC_BODY(join_and_leave, tc)
{
	begin(3);
	join(1, 5, 70, 32, "vol");
	ATF_CHECK_EQ(0, lspace_of_client(w.node[1].l, 5, 70));
	ATF_CHECK_MSG(lspace_used_by(w.node[1].l, 1, w.node[1].inc),
	    "a join in the order counts");
	settle();
	SAID(1, "STOP1 dir locks RUN");
	TOLD(1, "done1");
	ATF_CHECK_EQ(1, w.node[1].slot);
	SAID(2, "");
	ATF_CHECK(lspace_of_client(w.node[1].l, 5, 70) != 0);
	ATF_CHECK(lspace_used_by(w.node[2].l, 1, w.node[1].inc));

	join(3, 9, 71, 32, "vol");
	settle();
	SAID(1, "STOP2 dir locks RUN");
	SAID(3, "STOP2 dir locks RUN");
	TOLD(1, "done2");
	TOLD(3, "done2");
	ATF_CHECK_EQ(2, w.node[3].slot);

	/* A second client of a member is in at once. */
	join(3, 10, 1, 32, "vol");
	settle();
	SAID(3, "");
	TOLD(3, "done2");
	leave(3, 9, 71);
	settle();
	SAID(3, "DROP");
	TOLD(3, "left");
	ATF_CHECK_EQ(0, lspace_of_client(w.node[3].l, 9, 71));

	leave(1, 5, 70);
	settle();
	SAID(1, "DROP GONE");
	TOLD(1, "left");
	SAID(3, "STOP1 dir locks RUN");
	TOLD(3, "done1");
	ATF_CHECK(!lspace_used_by(w.node[2].l, 1, w.node[1].inc));
	ATF_CHECK_EQ_MSG(2, w.node[3].slot, "a slot is kept");
	same_state();
	end();
}

ATF_TC_WITHOUT_HEAD(refused_joins);
ATF_TC_BODY(refused_joins, tc)
{
	char name[32];
	unsigned i;

	begin(2);
	join(1, 5, 1, 32, "vol");
	settle();
	join(2, 5, 1, 0, "vol");
	settle();
	TOLD(2, "failed");
	ATF_CHECK_EQ(EPROTO, w.node[2].errcode);
	leave(2, 5, 1);
	TOLD(2, "left");
	/* The number of another one of this client. */
	TOLD(1, "done1");
	join(1, 5, 1, 32, "other");
	TOLD(1, "result");
	for (i = 0; i < LS_MAX; i++) {
		snprintf(name, sizeof(name), "space%u", i);
		join(1, 100 + i / 32, i, 0, name);
		settle();
	}
	ATF_CHECK(strstr(w.node[1].told, "failed") != NULL);
	ATF_CHECK_EQ(ENOSPC, w.node[1].errcode);
	same_state();
	end();
}

ATF_TC_WITHOUT_HEAD(fence_first);
ATF_TC_BODY(fence_first, tc)
{
	uint64_t inc;
	unsigned i;

	begin(3);
	for (i = 1; i <= 3; i++)
		join(i, 5, 1, 32, "vol");
	settle();
	for (i = 1; i <= 3; i++)
		w.node[i].said[0] = w.node[i].told[0] = '\0';
	inc = w.node[2].inc;
	lose(2, false);
	settle();
	SAID(1, "STOP2");
	TOLD(1, "prep");
	ATF_CHECK_EQ(LSS_FENCE, stage_at(1));
	ATF_CHECK(lspace_used_by(w.node[3].l, 2, inc));
	/* Another incarnation's fence is no evidence. */
	fenced(2, inc - 1);
	fenced(1, inc);
	settle();
	SAID(1, "");
	fenced(2, inc);
	settle();
	SAID(1, "dir locks RUN");
	SAID(3, "STOP2 dir locks RUN");
	TOLD(1, "slot:2/2 done2");
	TOLD(3, "prep slot:2/2 done2");
	ATF_CHECK_EQ(LSS_RUN, stage_at(1));
	ATF_CHECK(!lspace_used_by(w.node[3].l, 2, inc));
	same_state();
	end();
}

/* A fence that was complete before the view, and a clean goodbye. */
ATF_TC_WITHOUT_HEAD(no_fence_needed);
ATF_TC_BODY(no_fence_needed, tc)
{
	unsigned i;

	begin(3);
	for (i = 1; i <= 3; i++)
		join(i, 5, 1, 32, "vol");
	settle();
	fenced(2, w.node[2].inc);
	lose(2, false);
	settle();
	ATF_CHECK_EQ(LSS_RUN, stage_at(1));
	lose(3, true);
	settle();
	ATF_CHECK_EQ(LSS_RUN, stage_at(1));
	end();
}

/* A loss outlives the members that saw it: who joins later waits. */
ATF_TC_WITHOUT_HEAD(record_survives);
ATF_TC_BODY(record_survives, tc)
{
	uint64_t inc;

	begin(3);
	join(1, 5, 1, 32, "vol");
	join(2, 5, 1, 32, "vol");
	settle();
	inc = w.node[2].inc;
	lose(2, false);
	leave(1, 5, 1);
	settle();
	ATF_CHECK(lspace_used_by(w.node[1].l, 2, inc));
	w.node[1].told[0] = w.node[3].said[0] = '\0';
	join(3, 6, 1, 32, "vol");
	settle();
	SAID(3, "STOP1");
	ATF_CHECK_EQ(LSS_FENCE, stage_at(3));
	fenced(2, inc);
	settle();
	SAID(3, "dir locks RUN");
	TOLD(3, "slot:2/2 done1");
	ATF_CHECK_EQ_MSG(1, w.node[3].slot, "the unfenced one's is not free");
	same_state();
	leave(3, 6, 1);
	settle();
	/* Without members and losses there is no lockspace. */
	join(3, 6, 1, 16, "vol");
	settle();
	ATF_CHECK_EQ(LSS_RUN, stage_at(3));
	end();
}

/* The lowest free slot, but never that of one who may still write. */
ATF_TC_WITHOUT_HEAD(slots);
ATF_TC_BODY(slots, tc)
{
	uint64_t inc;

	begin(4);
	join(1, 5, 1, 32, "vol");
	join(2, 5, 1, 32, "vol");
	settle();
	inc = w.node[2].inc;
	lose(2, false);
	join(3, 5, 1, 32, "vol");
	settle();
	fenced(2, inc);
	settle();
	ATF_CHECK_EQ(3, w.node[3].slot);
	join(4, 5, 1, 32, "vol");
	settle();
	ATF_CHECK_EQ(2, w.node[4].slot);
	ATF_CHECK_EQ(1, w.node[1].slot);
	same_state();
	end();
}

/* While it recovers, more is lost: all over, and nothing is forgotten. */
ATF_TC_WITHOUT_HEAD(restart);
ATF_TC_BODY(restart, tc)
{
	struct ls_info before, after;
	uint64_t inc2, inc3;
	unsigned i;

	begin(4);
	for (i = 1; i <= 4; i++)
		join(i, 5, 1, 32, "vol");
	settle();
	inc2 = w.node[2].inc;
	inc3 = w.node[3].inc;
	lose(2, false);
	fenced(2, inc2);
	w.node[1].vote = false;
	settle();
	ATF_CHECK_EQ_MSG(LSS_STOP, stage_at(1), "node 1 has not done its part");
	ATF_REQUIRE(lspace_info(w.node[1].l, 0, &before));
	w.node[1].vote = true;
	w.node[1].told[0] = w.node[1].said[0] = '\0';
	lose(3, false);
	settle();
	ATF_CHECK_EQ(LSS_FENCE, stage_at(1));
	ATF_REQUIRE(lspace_info(w.node[1].l, 0, &after));
	ATF_CHECK(after.epoch > before.epoch);
	ATF_CHECK_EQ(3, after.waits_for);
	fenced(3, inc3);
	settle();
	TOLD(1, "prep slot:2/2 slot:3/3 done2");
	SAID(1, "STOP2 dir locks RUN");
	same_state();
	end();
}

/* A vote for another epoch or stage counts for nothing. */
ATF_TC_WITHOUT_HEAD(stale_votes);
ATF_TC_BODY(stale_votes, tc)
{
	struct note n = { .type = NOTE_LS_STAGE };
	struct ls_info info;

	begin(2);
	join(1, 5, 1, 32, "vol");
	settle();
	w.node[1].vote = w.node[2].vote = false;
	join(2, 5, 1, 32, "vol");
	settle();
	ATF_CHECK_EQ(LSS_STOP, stage_at(1));
	ATF_REQUIRE(lspace_info(w.node[1].l, 0, &info));
	n.lsid = info.lsid;
	n.seq = info.epoch - 1;
	n.code = LSS_STOP;
	lspace_note(w.node[1].l, &n, &w.node[1].bus);
	n.seq = info.epoch;
	lspace_note(w.node[2].l, &n, &w.node[2].bus);
	n.code = LSS_LOCKS;
	lspace_note(w.node[1].l, &n, &w.node[1].bus);
	collect(1);
	collect(2);
	settle();
	ATF_CHECK_EQ(LSS_STOP, stage_at(1));
	n.code = LSS_STOP;
	lspace_note(w.node[1].l, &n, &w.node[1].bus);
	collect(1);
	settle();
	ATF_CHECK_EQ(LSS_DIR, stage_at(1));
	same_state();
	end();
}

/* Every new primary view starts a recovery, but not of one that is alone. */
ATF_TC_WITHOUT_HEAD(views);
ATF_TC_BODY(views, tc)
{
	begin(3);
	join(1, 5, 1, 32, "vol");
	join(2, 5, 1, 32, "vol");
	join(3, 5, 2, 32, "alone");
	settle();
	w.node[1].said[0] = w.node[1].told[0] = w.node[3].said[0] = '\0';
	put_view(false);
	settle();
	SAID(1, "FREEZE");
	SAID(3, "FREEZE");
	put_view(true);
	settle();
	SAID(1, "STOP2 THAW dir locks RUN");
	SAID(3, "THAW");
	TOLD(1, "done2");
	same_state();
	end();
}

/* After a start from nothing, the lost may have used anything. */
ATF_TC_WITHOUT_HEAD(suspects);
ATF_TC_BODY(suspects, tc)
{
	begin(0);
	start(1, true);
	w.view.scratch = true;
	w.view.nlost = 2;
	w.view.lost[0].node = 3;
	w.view.lost[0].inc = 77;
	w.view.lost[1].node = 4;
	w.view.lost[1].inc = 78;
	w.view.lost[1].clean = true;
	put_view(true);
	join(1, 5, 1, 32, "vol");
	settle();
	ATF_CHECK_EQ(LSS_FENCE, stage_at(1));
	ATF_CHECK(lspace_used_by(w.node[1].l, 3, 77));
	ATF_CHECK(!lspace_used_by(w.node[1].l, 4, 78));
	fenced(3, 77);
	settle();
	ATF_CHECK_EQ(LSS_RUN, stage_at(1));
	end();
}

ATF_TC_WITHOUT_HEAD(clients_go);
ATF_TC_BODY(clients_go, tc)
{
	struct note n = { .type = NOTE_CLIENT_GONE, .client = 5 };

	begin(2);
	join(2, 5, 1, 32, "vol");
	settle();
	join(1, 5, 1, 32, "vol");
	/* Gone while its join is in the order. */
	lspace_note(w.node[1].l, &n, &w.node[1].bus);
	collect(1);
	settle();
	TOLD(1, "");
	ATF_CHECK(!lspace_used_by(w.node[1].l, 1, w.node[1].inc));
	ATF_CHECK(!lspace_used_by(w.node[2].l, 1, w.node[1].inc));
	ATF_CHECK_EQ(LSS_RUN, stage_at(2));
	/* Left while its join is in the order. */
	join(1, 6, 1, 32, "vol");
	leave(1, 6, 1);
	settle();
	TOLD(1, "left");
	ATF_CHECK(!lspace_used_by(w.node[2].l, 1, w.node[1].inc));
	same_state();
	end();
}

static void
load(unsigned node, const void *data, size_t len)
{
	struct entry e = { .type = NOTE_SNAP_LOAD };

	send_note(node, NOTE_SNAP_LOAD, data, len, &e);
}

/* A joiner of the cluster gets the state, in any stage. */
ATF_TC_WITHOUT_HEAD(snapshot);
ATF_TC_BODY(snapshot, tc)
{
	struct note *n;
	uint64_t inc;
	unsigned i;

	begin(3);
	for (i = 1; i <= 3; i++)
		join(i, 5, 1, 32, "vol");
	join(1, 5, 2, 0, "other");
	settle();
	inc = w.node[2].inc;
	lose(2, false);
	settle();
	start(4, true);
	w.view.members[w.view.n - 1].fresh = true;
	put_view(true);
	settle();
	lspace_snap_give(w.node[1].l, &w.node[1].bus);
	n = bus_take(&w.node[1].bus);
	load(4, n->data, n->len);
	free(n);
	w.view.members[w.view.n - 1].fresh = false;
	same_state();
	ATF_CHECK(lspace_used_by(w.node[4].l, 2, inc));
	fenced(2, inc);
	settle();
	join(4, 5, 1, 32, "vol");
	settle();
	ATF_CHECK_EQ_MSG(2, w.node[4].slot, "the slot of the lost is free");
	same_state();
	end();
}

/* Bytes that are no message and no snapshot. */
ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	static const uint64_t seed[4] = { 5, 6, 7, 8 };
	struct entry e = { .type = NOTE_ORDERED, .node = 2 };
	uint8_t bytes[64];
	struct note *n, *snap;
	struct inst *in;
	struct rng rng;
	unsigned i, k, died = 0;

	begin(2);
	in = &w.node[1];
	join(1, 5, 1, 32, "vol");
	settle();
	rng_seed(&rng, seed);
	e.inc = w.node[2].inc;
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)rng_below(&rng, 4);
		send_note(1, NOTE_ORDERED, bytes,
		    rng_below(&rng, sizeof(bytes) + 1), &e);
	}
	lspace_snap_give(in->l, &in->bus);
	snap = bus_take(&in->bus);
	for (i = 0; i < snap->len; i++) {
		struct lspace *l = lspace_new(NULL, 2, 1);
		struct note *torn = calloc(1, sizeof(*torn) + snap->len);

		ATF_REQUIRE(torn != NULL);
		torn->type = NOTE_SNAP_LOAD;
		torn->service = SVC_LSPACE;
		torn->len = i;
		memcpy(torn->data, snap->data, i);
		lspace_note(l, torn, &in->bus);
		while ((n = bus_take(&in->bus)) != NULL) {
			died += n->type == NOTE_DIE;
			free(n);
		}
		lspace_check(l);
		lspace_free(l);
		free(torn);
	}
	ATF_CHECK_EQ_MSG(snap->len, died, "each torn snapshot is refused");
	free(snap);
	end();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, join_and_leave);
	ATF_TP_ADD_TC(tp, refused_joins);
	ATF_TP_ADD_TC(tp, fence_first);
	ATF_TP_ADD_TC(tp, no_fence_needed);
	ATF_TP_ADD_TC(tp, record_survives);
	ATF_TP_ADD_TC(tp, slots);
	ATF_TP_ADD_TC(tp, restart);
	ATF_TP_ADD_TC(tp, stale_votes);
	ATF_TP_ADD_TC(tp, views);
	ATF_TP_ADD_TC(tp, suspects);
	ATF_TP_ADD_TC(tp, clients_go);
	ATF_TP_ADD_TC(tp, snapshot);
	ATF_TP_ADD_TC(tp, garbage);
	return atf_no_error();
}
