/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Recovery levels.  A round begins with each primary view, and is named by
 * its epoch.  It stops level by level downwards and starts level by level
 * upwards.  Registrations and what clients say go through the order, so all
 * nodes with state are at the same step of a round at the same position.
 *
 * Invariants:
 *   R1  a level is told to stop only when every registration above it has
 *       said that it stopped, and to start only when every one below it has
 *       said that it started, in this round;
 *   R2  nothing starts in a round before everything has stopped in it;
 *   R3  who has gone is not waited for; what was said of an older round, or
 *       of another step, counts for nothing;
 *   R4  registrations are bounded, for all and for each client.
 *
 *   RUN -primary view-> STOP(highest) -all done-> STOP(next below) ...
 *   STOP(lowest) -all done-> START(lowest) ... START(highest) -all done-> RUN
 *   any -next primary view-> STOP(highest), in a new round
 *
 * Who registers during a round counts as stopped if its level has been
 * passed on the way down, and is started at once if it has been passed on
 * the way up.
 *
 * clusterd-protocol(7), section 8.6.
 */

#include "../proto.h"
#include "levels.h"

/* Ordered messages of SVC_LEVEL, after their head. */
enum level_msg {
	LM_REGISTER = 1, /* u32 lid; u8 level; str name */
	LM_UNREGISTER,	 /* u32 lid */
	LM_DONE,	 /* u32 lid; u64 round; u8 step */
	LM_GONE		 /* - : the client has gone */
};

struct reg {
	RB_ENTRY(reg) entry;
	unsigned level;
	struct svc_client who;
	uint32_t lid; /* the client's number of it */
	char name[LEVEL_NAME_MAX + 1];
	bool done; /* has said so in this step, or need not */
};

RB_HEAD(reg_tree, reg);

struct levels {
	struct svc svc;
	struct reg_tree regs;
	unsigned nregs;
	uint64_t round;
	enum level_step step; /* LEVEL_FINISH: nothing is under way */
	unsigned level;	      /* of the step */
};

static int
reg_cmp(const struct reg *a, const struct reg *b)
{
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->who.node != b->who.node)
		return a->who.node < b->who.node ? -1 : 1;
	if (a->who.inc != b->who.inc)
		return a->who.inc < b->who.inc ? -1 : 1;
	if (a->who.client != b->who.client)
		return a->who.client < b->who.client ? -1 : 1;
	return a->lid < b->lid ? -1 : a->lid > b->lid;
}

RB_GENERATE_INTERNAL(reg_tree, reg, entry, reg_cmp, UNUSED static)

struct levels *
levels_new(uint16_t self, uint64_t inc)
{
	struct levels *lv = calloc(1, sizeof(*lv));

	if (lv == NULL)
		return NULL;
	svc_init(&lv->svc, SVC_LEVEL, self, inc);
	RB_INIT(&lv->regs);
	lv->step = LEVEL_FINISH;
	return lv;
}

static void
drop(struct levels *lv, struct reg *rg)
{
	RB_REMOVE(reg_tree, &lv->regs, rg);
	lv->nregs--;
	free(rg);
}

void
levels_free(struct levels *lv)
{
	struct reg *rg;

	if (lv == NULL)
		return;
	while ((rg = RB_ROOT(&lv->regs)) != NULL)
		drop(lv, rg);
	svc_free(&lv->svc);
	free(lv);
}

static struct reg *
find(struct levels *lv, const struct svc_client *who, uint32_t lid)
{
	struct reg *rg;

	RB_FOREACH(rg, reg_tree, &lv->regs) {
		if (rg->lid == lid && svc_same(&rg->who, who))
			return rg;
	}
	return NULL;
}

static void
tell(const struct levels *lv, const struct reg *rg, enum level_step step,
    struct bus *bus)
{
	struct wbuf w;

	if (rg->who.node != lv->svc.self || rg->who.inc != lv->svc.inc)
		return;
	wbuf_init(&w, 32);
	wbuf_u32(&w, rg->lid);
	wbuf_u8(&w, (uint8_t)step);
	wbuf_u64(&w, lv->round);
	bus_client_send(bus, rg->who.client, M_LEVEL, 0, &w);
	wbuf_free(&w);
}

/* Begins a step; false when nobody is registered at that level. */
static bool
enter(struct levels *lv, enum level_step step, unsigned level, struct bus *bus)
{
	struct reg *rg;
	bool any = false;

	RB_FOREACH(rg, reg_tree, &lv->regs) {
		if (rg->level != level)
			continue;
		lv->step = step;
		lv->level = level;
		rg->done = false;
		any = true;
		tell(lv, rg, step, bus);
	}
	return any;
}

static void
finish(struct levels *lv, struct bus *bus)
{
	struct reg *rg;

	lv->step = LEVEL_FINISH;
	lv->level = 0;
	RB_FOREACH(rg, reg_tree, &lv->regs) {
		rg->done = true;
		tell(lv, rg, LEVEL_FINISH, bus);
	}
}

/* The level is through: the next one that anybody is at. */
static void
next_step(struct levels *lv, struct bus *bus)
{
	unsigned level = lv->level;

	if (lv->step == LEVEL_STOP) {
		while (level-- > 0) {
			if (enter(lv, LEVEL_STOP, level, bus))
				return;
		}
		level = 0;
	} else {
		level++;
	}
	for (; level <= LEVEL_MAX; level++) {
		if (enter(lv, LEVEL_START, level, bus))
			return;
	}
	finish(lv, bus);
}

static bool
through(struct levels *lv)
{
	const struct reg *rg;
	struct reg *it;

	RB_FOREACH(it, reg_tree, &lv->regs) {
		rg = it;
#if MUTANT == 911
		if (rg->level == lv->level && rg->done)
			return true;
#endif
		if (rg->level == lv->level && !rg->done)
			return false;
	}
	return true;
}

static void
advance(struct levels *lv, struct bus *bus)
{
	while (lv->step != LEVEL_FINISH && through(lv)) /* R1, R2 */
		next_step(lv, bus);
}

/* --- the order --------------------------------------------------------------- */

/* Where in the round it comes in. */
static void
come_in(struct levels *lv, struct reg *rg, struct bus *bus)
{
	rg->done = false;
	if (lv->step == LEVEL_FINISH) {
		rg->done = true;
		tell(lv, rg, LEVEL_START, bus);
		tell(lv, rg, LEVEL_FINISH, bus);
	} else if (rg->level == lv->level) {
		tell(lv, rg, lv->step, bus);
	} else if (lv->step == LEVEL_START && rg->level < lv->level) {
		rg->done = true;
		tell(lv, rg, LEVEL_START, bus);
	}
}

static int
may_register(struct levels *lv, const struct svc_client *who, uint32_t lid)
{
	struct reg *rg;
	unsigned n = 0;

	RB_FOREACH(rg, reg_tree, &lv->regs) {
		if (!svc_same(&rg->who, who))
			continue;
		n++;
		if (rg->lid == lid)
			return SVC_EXIST;
	}
	if (n >= LEVEL_CLIENT_MAX || lv->nregs >= LEVEL_REGS_MAX) /* R4 */
		return SVC_NOSPC;
	return 0;
}

static void
add(struct levels *lv, struct reg *rg)
{
	ASSERT(RB_INSERT(reg_tree, &lv->regs, rg) == NULL);
	lv->nregs++;
}

static void
ordered_register(struct levels *lv, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	struct reg *rg = calloc(1, sizeof(*rg));
	int error;

	ASSERT(rg != NULL);
	rg->who = from->who;
	rg->lid = rbuf_u32(r);
	rg->level = rbuf_u8(r);
	rbuf_str(r, rg->name, sizeof(rg->name));
	if (!rbuf_done(r) || rg->level > LEVEL_MAX) {
		free(rg);
		return;
	}
	error = may_register(lv, &rg->who, rg->lid);
	if (error != 0) {
		free(rg);
		svc_answer(from, bus, error,
		    error == SVC_EXIST ? "this number is registered already" :
					 "too many registrations");
		return;
	}
	add(lv, rg);
	svc_answer(from, bus, 0, "%s", "");
	come_in(lv, rg, bus);
}

static void
ordered_done(struct levels *lv, const struct svc_from *from, struct rbuf *r,
    struct bus *bus)
{
	struct reg *rg = find(lv, &from->who, rbuf_u32(r));
	uint64_t round = rbuf_u64(r);
	unsigned step = rbuf_u8(r);

	if (!rbuf_done(r) || rg == NULL || round != lv->round ||
	    step != (unsigned)lv->step || rg->level != lv->level) /* R3 */
		return;
	rg->done = true;
	advance(lv, bus);
}

/* All of a client, or one registration of it. */
static void
forget(struct levels *lv, const struct svc_client *who, const uint32_t *lid,
    struct bus *bus)
{
	struct reg *rg, *next;

	RB_FOREACH_SAFE(rg, reg_tree, &lv->regs, next) {
		if (svc_same(&rg->who, who) && (lid == NULL || rg->lid == *lid))
			drop(lv, rg);
	}
	advance(lv, bus);
}

static void
ordered(struct levels *lv, const struct note *note, struct bus *bus)
{
	struct svc_from from;
	struct rbuf r;
	uint32_t lid;

	if (!svc_take(&lv->svc, note, &r, &from))
		return;
	switch (from.type) {
	case LM_REGISTER:
		ordered_register(lv, &from, &r, bus);
		break;
	case LM_UNREGISTER:
		lid = rbuf_u32(&r);
		if (rbuf_done(&r))
			forget(lv, &from.who, &lid, bus);
		break;
	case LM_DONE:
		ordered_done(lv, &from, &r, bus);
		break;
	case LM_GONE:
#if MUTANT != 912
		forget(lv, &from.who, NULL, bus);
#endif
		break;
	default:
		break;
	}
}

static void
new_view(struct levels *lv, const struct view *v, struct bus *bus)
{
	struct reg *rg, *next;

	(void)svc_view(&lv->svc, v);
	if (!v->primary || !lv->svc.has_state)
		return;
	RB_FOREACH_SAFE(rg, reg_tree, &lv->regs, next) {
		if (!view_has(v, rg->who.node, rg->who.inc))
			drop(lv, rg);
	}
	lv->round = v->epoch;
	/* One above the highest, which nobody has to wait for. */
	lv->step = LEVEL_STOP;
	lv->level = LEVEL_MAX + 1;
	advance(lv, bus);
}

/* --- clients ------------------------------------------------------------------- */

static void
request(struct levels *lv, const struct note *note, struct bus *bus)
{
	char name[LEVEL_NAME_MAX + 1];
	enum level_msg type;
	unsigned what = 0;
	uint64_t round = 0;
	struct rbuf r;
	struct wbuf w;
	uint32_t lid;

	rbuf_init(&r, note->data, note->len);
	lid = rbuf_u32(&r);
	if (note->msgtype == M_LEVEL_REGISTER) {
		type = LM_REGISTER;
		what = rbuf_u8(&r);
		rbuf_str(&r, name, sizeof(name));
		if (what > LEVEL_MAX)
			r.err = true;
	} else if (note->msgtype == M_LEVEL_DONE) {
		type = LM_DONE;
		round = rbuf_u64(&r);
		what = rbuf_u8(&r);
	} else {
		type = LM_UNREGISTER;
	}
	if (!rbuf_done(&r)) {
		svc_refuse(note, bus, SVC_INVAL, "malformed request");
		return;
	}
	svc_put(&w, type, note->client, note->msgid);
	wbuf_u32(&w, lid);
	if (type == LM_REGISTER) {
		wbuf_u8(&w, (uint8_t)what);
		wbuf_str(&w, name);
	} else if (type == LM_DONE) {
		wbuf_u64(&w, round);
		wbuf_u8(&w, (uint8_t)what);
	}
	(void)svc_order(&lv->svc, note, &w, bus);
}

static void
client_gone(struct levels *lv, uint64_t client, struct bus *bus)
{
	struct wbuf w;

	if (!svc_gone(&lv->svc, client))
		return;
	svc_put(&w, LM_GONE, client, 0);
	svc_say(&lv->svc, &w, bus);
}

/* --- snapshot ------------------------------------------------------------------ */

static void
give_snapshot(struct levels *lv, struct bus *bus)
{
	const struct reg *rg;
	struct reg *it;
	struct wbuf w;

	wbuf_init(&w, 1024 * 1024);
	wbuf_u64(&w, lv->round);
	wbuf_u8(&w, (uint8_t)lv->step);
	wbuf_u8(&w, (uint8_t)lv->level);
	wbuf_u32(&w, lv->nregs);
	RB_FOREACH(it, reg_tree, &lv->regs) {
		rg = it;
		wbuf_u8(&w, (uint8_t)rg->level);
		svc_put_client(&w, &rg->who);
		wbuf_u32(&w, rg->lid);
		wbuf_str(&w, rg->name);
		wbuf_u8(&w, rg->done);
	}
	svc_snapshot(&lv->svc, &w, bus);
}

static bool
get_reg(struct levels *lv, struct rbuf *r)
{
	struct reg *rg = calloc(1, sizeof(*rg));

	ASSERT(rg != NULL);
	rg->level = rbuf_u8(r);
	svc_get_client(r, &rg->who);
	rg->lid = rbuf_u32(r);
	rbuf_str(r, rg->name, sizeof(rg->name));
	rg->done = rbuf_u8(r) != 0;
	if (r->err || rg->level > LEVEL_MAX ||
	    find(lv, &rg->who, rg->lid) != NULL) {
		free(rg);
		return false;
	}
	add(lv, rg);
	return true;
}

static void
load_snapshot(struct levels *lv, const struct note *note, struct bus *bus)
{
	static const char why[] = "the levels sent to it are torn";
	struct reg *rg;
	struct rbuf r;
	unsigned i, n, step;

	while ((rg = RB_ROOT(&lv->regs)) != NULL)
		drop(lv, rg);
	lv->svc.has_state = true;
	/* A leader that knows no levels sends nothing. */
	if (note->len == 0)
		return;
	rbuf_init(&r, note->data, note->len);
	lv->round = rbuf_u64(&r);
	step = rbuf_u8(&r);
	lv->level = rbuf_u8(&r);
	n = rbuf_count(&r, LEVEL_REGS_MAX);
	for (i = 0; i < n && !r.err; i++)
		r.err = !get_reg(lv, &r);
	/* A step ends with its last registration, so somebody is still at it. */
	if (!rbuf_done(&r) || step < LEVEL_STOP || step > LEVEL_FINISH ||
	    lv->level > LEVEL_MAX || (step != LEVEL_FINISH && through(lv))) {
		bus_note(bus, NOTE_DIE, why, sizeof(why));
		return;
	}
	lv->step = (enum level_step)step;
}

void
levels_note(struct levels *lv, const struct note *note, struct bus *bus)
{
	switch (note->type) {
	case NOTE_VIEW:
		new_view(lv, note->ref, bus);
		break;
	case NOTE_ORDERED:
		ordered(lv, note, bus);
		break;
	case NOTE_SNAP_WANT:
		give_snapshot(lv, bus);
		break;
	case NOTE_SNAP_LOAD:
		load_snapshot(lv, note, bus);
		break;
	case NOTE_REQUEST:
		request(lv, note, bus);
		break;
	case NOTE_CLIENT_GONE:
		client_gone(lv, note->client, bus);
		break;
	default:
		break;
	}
}

void
levels_check(const struct levels *lv)
{
	struct levels *w = (struct levels *)(uintptr_t)lv;
	struct reg *rg;
	unsigned n = 0;
	bool waits = false;

	svc_check(&lv->svc);
	RB_FOREACH(rg, reg_tree, &w->regs) {
		ASSERT(rg->level <= LEVEL_MAX);
		waits |= rg->level == lv->level && !rg->done;
		n++;
	}
	ASSERT(n == lv->nregs && n <= LEVEL_REGS_MAX); /* R4 */
	ASSERT(lv->step == LEVEL_FINISH || waits);
}

static const char *
state_name(const struct levels *lv, const struct reg *rg)
{
	bool before;

	if (lv->step == LEVEL_FINISH)
		return "running";
	if (rg->level == lv->level && !rg->done)
		return lv->step == LEVEL_STOP ? "stopping" : "starting";
	/* Has this step been done here? */
	before = lv->step == LEVEL_STOP ? rg->level >= lv->level :
					  rg->level <= lv->level;
	return (lv->step == LEVEL_STOP) == before ? "stopped" : "running";
}

bool
levels_info(const struct levels *lv, unsigned i, struct levels_info *info)
{
	struct levels *w = (struct levels *)(uintptr_t)lv;
	struct reg *rg;

	RB_FOREACH(rg, reg_tree, &w->regs) {
		if (i-- > 0)
			continue;
		memset(info, 0, sizeof(*info));
		info->level = rg->level;
		strlcpy(info->name, rg->name, sizeof(info->name));
		info->who = rg->who;
		info->state = state_name(lv, rg);
		info->round = lv->round;
		return true;
	}
	return false;
}
