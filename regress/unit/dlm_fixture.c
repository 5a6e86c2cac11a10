/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include <stdarg.h>
#include <stdio.h>

#include <atf-c.h>

#include "dlm_fixture.h"
#include "proto.h"

void
fx_name(unsigned res, char name[16])
{
	snprintf(name, 16, "res%u", res);
}

static void PRINTF_LIKE(2, 3) trace(const struct fx *fx, const char *fmt, ...)
{
	va_list ap;

	if (!fx->trace)
		return;
	va_start(ap, fmt);
	fprintf(stderr, "%llu ", (unsigned long long)fx->now);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* ---- what a node says ----------------------------------------------- */

static struct fx_lock *
find_lock(struct fx *fx, unsigned node, uint64_t client, uint32_t lkid)
{
	unsigned i;

	for (i = 0; i < FX_LOCKS; i++)
		if (fx->locks[i].used && fx->locks[i].node == node &&
		    fx->locks[i].client == client && fx->locks[i].lkid == lkid)
			return &fx->locks[i];
	return NULL;
}

static void
got_ast(struct fx *fx, unsigned node, const struct action *act)
{
	struct fx_lock *l;
	struct rbuf r;

	if (fx->bulk) {
		fx->bulk_asts++;
		return;
	}
	rbuf_init(&r, act->data, act->len);
	ATF_REQUIRE_EQ(FX_LSID, rbuf_u32(&r));
	l = find_lock(fx, node, act->client, rbuf_u32(&r));
	ATF_REQUIRE_MSG(l != NULL, "a completion for a lock that has ended");
	ATF_REQUIRE_MSG(l->pending, "a second completion of one operation");
	l->asts++;
	l->status = (int)rbuf_u32(&r);
	l->mode = rbuf_u8(&r);
	l->sbflags = rbuf_u8(&r);
	l->unlocked = rbuf_u8(&r) != 0;
	l->haslvb = rbuf_u8(&r) != 0;
	if (l->haslvb)
		rbuf_bytes(&r, l->lvb, sizeof(l->lvb));
	ATF_REQUIRE(rbuf_done(&r));
	trace(fx, "n%u c%llu l%u: %d %s flags %#x%s lvb %d", node,
	    (unsigned long long)act->client, l->lkid, l->status,
	    dlm_mode_name(l->mode), l->sbflags, l->unlocked ? " gone" : "",
	    l->haslvb ? l->lvb[0] : -1);
	if (l->status != 0 && l->before != DLM_IV && !l->unlocking)
		ATF_REQUIRE_MSG(l->mode == l->before ||
			(l->sbflags & DLM_SBF_DEMOTED) != 0,
		    "res%u: a failed conversion took %s, and left %s", l->res,
		    dlm_mode_name(l->before), dlm_mode_name(l->mode));
	l->pending = l->unlocking = false;
	l->held = l->unlocked ? DLM_IV : l->mode;
	l->asked = DLM_IV;
	if (l->status == 0)
		l->told = DLM_IV;
	if (fx->on_ast != NULL)
		fx->on_ast(fx, l);
	l->used = !l->unlocked;
}

static void
got_bast(struct fx *fx, unsigned node, const struct action *act)
{
	struct fx_lock *l;
	struct rbuf r;

	rbuf_init(&r, act->data, act->len);
	ATF_REQUIRE_EQ(FX_LSID, rbuf_u32(&r));
	l = find_lock(fx, node, act->client, rbuf_u32(&r));
	ATF_REQUIRE_MSG(l != NULL, "a callback for a lock that has ended");
	l->bast = rbuf_u8(&r);
	ATF_REQUIRE(rbuf_done(&r));
	trace(fx, "n%u l%u: bast %s", node, l->lkid, dlm_mode_name(l->bast));
	l->basts++;
	if (l->bast > l->told)
		l->told = l->bast;
}

static void
take_note(struct fx *fx, unsigned node, const struct note *n)
{
	struct fx_msg *m;

	switch (n->type) {
	case NOTE_SEND:
		ATF_REQUIRE(n->node >= 1 && n->node <= FX_NODES);
		ATF_REQUIRE(n->node != node);
		ATF_REQUIRE_EQ(CHAN_DLM, n->chan);
		if (!fx->node[n->node].up)
			break;
		m = calloc(1, sizeof(*m) + n->len);
		ATF_REQUIRE(m != NULL);
		m->inc = fx->node[node].inc;
		m->len = n->len;
		memcpy(m->data, n->data, n->len);
		STAILQ_INSERT_TAIL(&fx->net[node][n->node], m, entry);
		fx->messages++;
		break;
	case NOTE_LS_STAGE:
		fx->node[node].voted = (enum ls_stage)n->code;
		fx->node[node].voted_epoch = n->seq;
		break;
	case NOTE_EVENT:
		break;
	default:
		atf_tc_fail("note %d of the lock manager", (int)n->type);
	}
}

/* Takes what the node has said in the call that just ended. */
static void
collect(struct fx *fx, unsigned node)
{
	struct fx_node *fn = &fx->node[node];
	struct action *act;
	struct note *n;
	size_t said = 0;

	while ((n = bus_take(&fn->bus)) != NULL) {
		said += n->len;
		fx->longest = MAX(fx->longest, n->len);
		fx->most = MAX(fx->most, said);
		take_note(fx, node, n);
		free(n);
	}
	while ((act = actions_take(&fn->out)) != NULL) {
		ATF_REQUIRE_EQ(ACT_CLIENT_SEND, act->type);
		if (act->msgtype == M_AST) {
			got_ast(fx, node, act);
		} else if (act->msgtype == M_BAST) {
			got_bast(fx, node, act);
		} else {
			struct rbuf r;

			ATF_REQUIRE_EQ(M_RESULT, act->msgtype);
			rbuf_init(&r, act->data, act->len);
			fn->result = (int)rbuf_u32(&r);
			fn->results++;
		}
		free(act);
	}
}

/* ---- recoveries, as lspace orders them ------------------------------ */

static void
push_event(struct fx *fx, unsigned node, enum ls_event_type type)
{
	struct fx_event *e = calloc(1, sizeof(*e));
	unsigned i;

	ATF_REQUIRE(e != NULL);
	e->ev.type = type;
	e->ev.lsid = 1;
	e->ev.name = "space";
	e->ev.lvblen = 32;
	e->ev.epoch = fx->epoch;
	e->ev.stage = fx->stage;
	for (i = 1; i <= FX_NODES; i++) {
		if (!fx->node[i].member)
			continue;
		e->members[e->ev.nmembers].node = (uint16_t)i;
		e->members[e->ev.nmembers].inc = fx->node[i].inc;
		e->members[e->ev.nmembers++].slot = i;
	}
	STAILQ_INSERT_TAIL(&fx->node[node].events, e, entry);
}

static void
to_members(struct fx *fx, enum ls_event_type type)
{
	unsigned i;

	for (i = 1; i <= FX_NODES; i++)
		if (fx->node[i].member && fx->node[i].up)
			push_event(fx, i, type);
}

void
fx_recover(struct fx *fx)
{
	fx->epoch++;
	fx->stage = LSS_STOP;
	trace(fx, "epoch %llu", (unsigned long long)fx->epoch);
	to_members(fx, LSE_STOP);
}

void
fx_freeze(struct fx *fx, unsigned node, bool frozen)
{
	struct fx_node *fn = &fx->node[node];

	if (!fn->up || !fn->member || fn->frozen == frozen)
		return;
	fn->frozen = frozen;
	trace(fx, "n%u %s", node, frozen ? "freezes" : "thaws");
	push_event(fx, node, frozen ? LSE_FREEZE : LSE_THAW);
}

void
fx_thaw(struct fx *fx)
{
	unsigned i;

	for (i = 1; i <= FX_NODES; i++)
		fx_freeze(fx, i, false);
}

static bool
all_voted(const struct fx *fx)
{
	unsigned i;

	for (i = 1; i <= FX_NODES; i++)
		if (fx->node[i].member &&
		    (fx->node[i].voted_epoch != fx->epoch ||
			fx->node[i].voted != fx->stage))
			return false;
	return true;
}

static void
next_stage(struct fx *fx)
{
	if (fx->stage == LSS_RUN || !all_voted(fx))
		return;
	if (fx->stage == LSS_STOP && !fx->fenced)
		return;
	fx->stage = fx->stage == LSS_STOP ? LSS_DIR :
	    fx->stage == LSS_DIR	  ? LSS_LOCKS :
					    LSS_RUN;
	trace(fx, "stage %d", (int)fx->stage);
	to_members(fx, fx->stage == LSS_RUN ? LSE_RUN : LSE_STAGE);
}

void
fx_fence(struct fx *fx)
{
	unsigned i;

	for (i = 0; i < FX_LOCKS; i++)
		if (fx->locks[i].used && !fx->node[fx->locks[i].node].up)
			fx->locks[i].used = false;
	fx->fenced = true;
	/* Every vote may be there already. */
	next_stage(fx);
}

void
fx_up(struct fx *fx, unsigned node)
{
	struct fx_node *fn = &fx->node[node];

	ATF_REQUIRE(!fn->up);
	fn->inc = ++fx->lastinc;
	fn->d = dlm_new((uint16_t)node, fn->inc);
	ATF_REQUIRE(fn->d != NULL);
	bus_init(&fn->bus);
	actions_init(&fn->out);
	fn->bus.out = &fn->out;
	fn->bus.rng = &fx->rng;
	fn->up = fn->member = true;
	trace(fx, "n%u comes", node);
	fn->voted_epoch = 0;
	fx_recover(fx);
}

static void
clear_node(struct fx *fx, unsigned node)
{
	struct fx_node *fn = &fx->node[node];
	struct fx_event *e;

	dlm_free(fn->d);
	fn->d = NULL;
	fn->up = false;
	bus_clear(&fn->bus);
	actions_clear(&fn->out);
	while ((e = STAILQ_FIRST(&fn->events)) != NULL) {
		STAILQ_REMOVE_HEAD(&fn->events, entry);
		free(e);
	}
}

static void
clear_queue(struct fx_queue *q, uint64_t keep)
{
	struct fx_msg *m, *next;

	STAILQ_FOREACH_SAFE(m, q, entry, next) {
		if (keep > 0) {
			keep--;
			continue;
		}
		STAILQ_REMOVE(q, m, fx_msg, entry);
		free(m);
	}
}

void
fx_kill(struct fx *fx, unsigned node)
{
	unsigned i;

	trace(fx, "n%u dies", node);
	clear_node(fx, node);
	fx->node[node].member = fx->node[node].frozen = false;
	/* Some of what it sent last may still arrive. */
	for (i = 1; i <= FX_NODES; i++) {
		clear_queue(&fx->net[i][node], 0);
		clear_queue(&fx->net[node][i],
		    fx->random ? rng_below(&fx->rng, 4) : 0);
	}
	fx->fenced = false;
	fx_recover(fx);
}

void
fx_join(struct fx *fx, unsigned node)
{
	trace(fx, "n%u joins", node);
	fx->node[node].member = true;
	fx->node[node].voted_epoch = 0;
	fx_recover(fx);
}

/* ---- delivery ------------------------------------------------------- */

struct choice {
	unsigned node;
	unsigned from; /* message; 0: event; FX_NODES + 1: timer */
};

static unsigned
choices(struct fx *fx, struct choice *c)
{
	unsigned i, j, n = 0;

	for (i = 1; i <= FX_NODES; i++) {
		if (!fx->node[i].up)
			continue;
		if (!STAILQ_EMPTY(&fx->node[i].events))
			c[n++] = (struct choice){ i, 0 };
		for (j = 1; j <= FX_NODES; j++)
			if (!STAILQ_EMPTY(&fx->net[j][i]))
				c[n++] = (struct choice){ i, j };
		if (dlm_deadline(fx->node[i].d) != UINT64_MAX)
			c[n++] = (struct choice){ i, FX_NODES + 1 };
	}
	return n;
}

static void
deliver_event(struct fx *fx, unsigned node)
{
	struct fx_node *fn = &fx->node[node];
	struct fx_event *e = STAILQ_FIRST(&fn->events);
	struct note *n;

	STAILQ_REMOVE_HEAD(&fn->events, entry);
	e->ev.members = e->members;
	n = calloc(1, sizeof(*n));
	ATF_REQUIRE(n != NULL);
	n->type = NOTE_LS;
	n->ref = &e->ev;
	dlm_note(fn->d, n, &fn->bus);
	free(n);
	free(e);
}

static void
deliver_message(struct fx *fx, unsigned node, unsigned from)
{
	struct fx_msg *m = STAILQ_FIRST(&fx->net[from][node]);
	struct fx_node *fn = &fx->node[node];
	struct note *n;

	STAILQ_REMOVE_HEAD(&fx->net[from][node], entry);
	n = calloc(1, sizeof(*n) + m->len);
	ATF_REQUIRE(n != NULL);
	n->type = NOTE_MESSAGE;
	n->node = (uint16_t)from;
	n->inc = m->inc;
	n->chan = CHAN_DLM;
	n->len = m->len;
	memcpy(n->data, m->data, m->len);
	dlm_note(fn->d, n, &fn->bus);
	free(n);
	free(m);
}

void
fx_give(struct fx *fx, unsigned node, unsigned from)
{
	struct fx_node *fn = &fx->node[node];

	fx->now++;
	fn->bus.now = fx->now;
	if (from == FX_EVENT)
		deliver_event(fx, node);
	else if (from == FX_TIMER)
		dlm_timer(fn->d, &fn->bus);
	else
		deliver_message(fx, node, from);
	collect(fx, node);
	next_stage(fx);
}

bool
fx_step(struct fx *fx)
{
	struct choice c[FX_NODES * (FX_NODES + 2)];
	unsigned n = choices(fx, c), i = 0;

	if (n == 0)
		return false;
	if (fx->random)
		i = (unsigned)rng_below(&fx->rng, n);
	fx_give(fx, c[i].node, c[i].from);
	return true;
}

void
fx_drain(struct fx *fx)
{
	unsigned long steps = 0;

	while (fx_step(fx))
		ATF_REQUIRE_MSG(++steps < 10000000, "it never comes to rest");
	fx_check(fx);
}

void
fx_check(const struct fx *fx)
{
	const struct fx_lock *a, *b;
	unsigned i, j;

	for (i = 1; i <= FX_NODES; i++)
		if (fx->node[i].up)
			dlm_check(fx->node[i].d);
	for (i = 0; i < FX_LOCKS; i++) {
		a = &fx->locks[i];
		if (!a->used || a->held <= DLM_NL || a->res == UINT32_MAX)
			continue;
		for (j = 0; j < i; j++) {
			b = &fx->locks[j];
			if (!b->used || b->res != a->res)
				continue;
			ATF_REQUIRE_MSG(dlm_compat(a->held, b->held),
			    "res%u: node %u holds %s and node %u holds %s",
			    a->res, a->node, dlm_mode_name(a->held), b->node,
			    dlm_mode_name(b->held));
		}
	}
}

void
fx_init(struct fx *fx, unsigned nodes)
{
	static const uint64_t seed[4] = { 1, 2, 3, 4 };
	unsigned i, j;

	memset(fx, 0, sizeof(*fx));
	rng_seed(&fx->rng, seed);
	fx->fenced = true;
	for (i = 1; i <= FX_NODES; i++) {
		STAILQ_INIT(&fx->node[i].events);
		for (j = 1; j <= FX_NODES; j++)
			STAILQ_INIT(&fx->net[i][j]);
	}
	for (i = 1; i <= nodes; i++)
		fx_up(fx, i);
	fx_drain(fx);
}

void
fx_seed(struct fx *fx, uint64_t seed)
{
	uint64_t s[4] = { seed, seed ^ 0x9e3779b97f4a7c15ULL, ~seed, 77 };

	rng_seed(&fx->rng, s);
	fx->random = true;
}

void
fx_free(struct fx *fx)
{
	unsigned i, j;

	for (i = 1; i <= FX_NODES; i++) {
		for (j = 1; j <= FX_NODES; j++)
			clear_queue(&fx->net[i][j], 0);
		if (fx->node[i].up)
			clear_node(fx, i);
	}
}

/* ---- clients -------------------------------------------------------- */

static void
request(struct fx *fx, unsigned node, uint64_t client, uint32_t type,
    const struct wbuf *w)
{
	struct fx_node *fn = &fx->node[node];
	struct note *n = calloc(1, sizeof(*n) + w->len);

	ATF_REQUIRE(n != NULL && !w->err);
	n->type = NOTE_REQUEST;
	n->client = client;
	n->msgtype = type;
	n->len = w->len;
	memcpy(n->data, w->data, w->len);
	fn->bus.now = ++fx->now;
	dlm_request(fn->d, 1, n, &fn->bus);
	free(n);
	collect(fx, node);
}

static struct fx_lock *
lock_named(struct fx *fx, unsigned node, uint64_t client, unsigned res,
    const void *name, size_t namelen, int mode, uint32_t flags)
{
	struct fx_lock *l;
	struct wbuf w;
	unsigned i;

	for (i = 0; i < FX_LOCKS && fx->locks[i].used; i++)
		continue;
	ATF_REQUIRE(i < FX_LOCKS);
	l = &fx->locks[i];
	memset(l, 0, sizeof(*l));
	l->used = l->pending = true;
	l->node = node;
	l->client = client;
	l->lkid = ++fx->nextlkid;
	l->res = res;
	l->floor = fx->floor;
	l->marked = fx->marked;
	l->held = l->before = l->told = DLM_IV;
	l->asked = mode;
	l->flags = flags;
	trace(fx, "n%u c%llu l%u: lock res%u %s %#x", node,
	    (unsigned long long)client, l->lkid, res, dlm_mode_name(mode),
	    flags);
	wbuf_init(&w, 8192);
	wbuf_u32(&w, FX_LSID);
	wbuf_u32(&w, l->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags);
	wbuf_blob(&w, name, namelen);
	request(fx, node, client, M_LOCK, &w);
	wbuf_free(&w);
	return l;
}

struct fx_lock *
fx_lock_name(struct fx *fx, unsigned node, uint64_t client, const void *name,
    size_t namelen, int mode, uint32_t flags)
{
	return lock_named(fx, node, client, UINT32_MAX, name, namelen, mode,
	    flags);
}

struct fx_lock *
fx_lock(struct fx *fx, unsigned node, uint64_t client, unsigned res, int mode,
    uint32_t flags)
{
	char name[16];

	fx_name(res, name);
	return lock_named(fx, node, client, res, name, strlen(name), mode,
	    flags);
}

void
fx_bulk(struct fx *fx, unsigned node, uint64_t client, unsigned count, int mode)
{
	struct wbuf w;
	char name[16];
	unsigned i;

	wbuf_init(&w, 256);
	for (i = 0; i < count; i++) {
		fx_name(i, name);
		wbuf_reset(&w);
		wbuf_u32(&w, FX_LSID);
		wbuf_u32(&w, i);
		wbuf_u8(&w, (uint8_t)mode);
		wbuf_u32(&w, DLM_F_VALBLK);
		wbuf_blob(&w, name, strlen(name));
		request(fx, node, client, M_LOCK, &w);
	}
	wbuf_free(&w);
}

/* From here on the client relies on no more than this. */
static int
while_converting(int held, int mode, uint32_t flags)
{
	if (dlm_down(held, mode))
		return mode;
	if (flags & DLM_F_CONVDEADLK)
		return DLM_NL;
	return dlm_middle(held, mode) ? DLM_CR : held;
}

void
fx_convert(struct fx *fx, struct fx_lock *l, int mode, uint32_t flags,
    const uint8_t *lvb)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u32(&w, FX_LSID);
	wbuf_u32(&w, l->lkid);
	wbuf_u8(&w, (uint8_t)mode);
	wbuf_u32(&w, flags | DLM_F_CONVERT);
	wbuf_u8(&w, lvb != NULL);
	if (lvb != NULL)
		wbuf_bytes(&w, lvb, DLM_LVB_MAX);
	trace(fx, "n%u l%u: convert res%u %s %#x lvb %d", l->node, l->lkid,
	    l->res, dlm_mode_name(mode), flags, lvb != NULL ? lvb[0] : -1);
	/* A refused one leaves the operation under way as it is. */
	if (!l->pending) {
		l->pending = true;
		l->asked = mode;
		l->flags = flags;
		l->before = l->held;
		l->held = while_converting(l->held, mode, flags);
	}
	request(fx, l->node, l->client, M_CONVERT, &w);
	wbuf_free(&w);
}

void
fx_unlock(struct fx *fx, struct fx_lock *l, uint32_t flags, const uint8_t *lvb)
{
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u32(&w, FX_LSID);
	wbuf_u32(&w, l->lkid);
	wbuf_u32(&w, flags);
	wbuf_u8(&w, lvb != NULL);
	if (lvb != NULL)
		wbuf_bytes(&w, lvb, DLM_LVB_MAX);
	trace(fx, "n%u l%u: unlock res%u %#x lvb %d", l->node, l->lkid, l->res,
	    flags, lvb != NULL ? lvb[0] : -1);
	if ((flags & DLM_F_CANCEL) == 0) {
		l->pending = l->unlocking = true;
		l->asked = l->held = DLM_IV;
		l->flags = flags;
	}
	request(fx, l->node, l->client, M_UNLOCK, &w);
	wbuf_free(&w);
}

void
fx_cancel(struct fx *fx, struct fx_lock *l)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	wbuf_u32(&w, FX_LSID);
	wbuf_u32(&w, l->lkid);
	trace(fx, "n%u l%u: cancel", l->node, l->lkid);
	request(fx, l->node, l->client, M_CANCEL, &w);
	wbuf_free(&w);
}

void
fx_client_gone(struct fx *fx, unsigned node, uint64_t client)
{
	struct fx_node *fn = &fx->node[node];
	struct note n = { .type = NOTE_CLIENT_GONE, .client = client };
	unsigned i;

	trace(fx, "n%u c%llu gone", node, (unsigned long long)client);
	for (i = 0; i < FX_LOCKS; i++)
		if (fx->locks[i].node == node && fx->locks[i].client == client)
			fx->locks[i].used = false;
	dlm_note(fn->d, &n, &fn->bus);
	collect(fx, node);
}

void
fx_require_empty(const struct fx *fx)
{
	const struct dlm_ls *ls;
	unsigned i;

	for (i = 1; i <= FX_NODES; i++) {
		if (!fx->node[i].up)
			continue;
		ATF_REQUIRE(TAILQ_EMPTY(&fx->node[i].d->dying));
		TAILQ_FOREACH(ls, &fx->node[i].d->spaces, entry) {
			ATF_REQUIRE_EQ_MSG(0, ls->nlocks, "node %u", i);
			ATF_REQUIRE_EQ_MSG(0, ls->nremote, "node %u", i);
			ATF_REQUIRE_EQ_MSG(0, ls->nrsbs, "node %u", i);
			ATF_REQUIRE_MSG(RB_EMPTY(&ls->dirs), "node %u", i);
			ATF_REQUIRE(TAILQ_EMPTY(&ls->ops));
			ATF_REQUIRE(STAILQ_EMPTY(&ls->parked));
		}
	}
}

/* Its clients go first; what is still under way then is lost. */
void
fx_leave(struct fx *fx, unsigned node)
{
	unsigned i;

	trace(fx, "n%u leaves", node);
	for (i = 0; i < FX_LOCKS; i++)
		if (fx->locks[i].used && fx->locks[i].node == node)
			fx_client_gone(fx, node, fx->locks[i].client);
	fx->node[node].member = fx->node[node].frozen = false;
	push_event(fx, node, LSE_GONE);
	fx_recover(fx);
}
