/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Proves what libclusterd makes of the daemon's messages about views, groups,
 * lockspaces and locks: each whole message is one callback with the values
 * that were sent; a message cut at any length, lengthened, about an unknown
 * object, or random calls nobody and harms nothing.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>

#include "clusterd/libclusterd/clusterd.h"
#include "fake_daemon.h"

/* One connection with one of everything, and what was called back. */
struct fixture {
	struct msgchan chan;
	struct cl *cl;
	struct cl_group *group;
	uint32_t gid;
	struct cl_lockspace *ls;
	uint32_t lsid;
	struct cl_lock *lock;
	uint32_t lkid;

	unsigned calls;
	char last[16];
	struct cl_view view;
	struct cl_group_member from, members[8];
	unsigned n;
	char data[64];
	size_t len;
	uint32_t node, slot, generation;
	struct cl_slot slots[8];
	int error;
	char why[64];
	struct cl_ast ast;
	enum cl_mode bast;
};

static void
called(struct fixture *f, const char *what)
{
	f->calls++;
	strlcpy(f->last, what, sizeof(f->last));
}

static void
on_view(void *arg, const struct cl_view *v)
{
	struct fixture *f = arg;

	ATF_REQUIRE(v->nmembers <= CL_NODES_MAX);
	f->view = *v;
	called(f, "view");
}

static void
on_group_view(void *arg, const struct cl_group_member *m, unsigned n)
{
	struct fixture *f = arg;

	f->n = n;
	memcpy(f->members, m, MIN(n, NITEMS(f->members)) * sizeof(*m));
	called(f, "gview");
}

static void
on_message(void *arg, const struct cl_group_member *from, const void *data,
    size_t len)
{
	struct fixture *f = arg;

	ATF_REQUIRE(len <= CL_MSG_MAX);
	f->from = *from;
	f->len = len;
	memcpy(f->data, data, MIN(len, sizeof(f->data)));
	called(f, "message");
}

static void
on_group_left(void *arg)
{
	called(arg, "gleft");
}

static void
on_group_failed(void *arg, int error, const char *why)
{
	struct fixture *f = arg;

	f->error = error;
	strlcpy(f->why, why, sizeof(f->why));
	called(f, "gfailed");
}

static void
on_prep(void *arg)
{
	called(arg, "prep");
}

static void
on_slot(void *arg, uint32_t node, uint32_t slot)
{
	struct fixture *f = arg;

	f->node = node;
	f->slot = slot;
	called(f, "slot");
}

static void
on_done(void *arg, uint32_t slot, uint32_t generation,
    const struct cl_slot *slots, unsigned n)
{
	struct fixture *f = arg;

	ATF_REQUIRE(n <= CL_NODES_MAX);
	f->slot = slot;
	f->generation = generation;
	f->n = n;
	memcpy(f->slots, slots, MIN(n, NITEMS(f->slots)) * sizeof(*slots));
	called(f, "done");
}

static void
on_failed(void *arg, int error, const char *why)
{
	struct fixture *f = arg;

	f->error = error;
	strlcpy(f->why, why, sizeof(f->why));
	called(f, "failed");
}

static void
on_left(void *arg)
{
	called(arg, "left");
}

static void
on_ast(void *arg, const struct cl_ast *ast)
{
	struct fixture *f = arg;

	ATF_REQUIRE(ast->mode <= CL_EX);
	f->ast = *ast;
	called(f, "ast");
}

static void
on_bast(void *arg, enum cl_mode mode)
{
	struct fixture *f = arg;

	ATF_REQUIRE(mode <= CL_EX);
	f->bast = mode;
	called(f, "bast");
}

static const struct cl_group_ops group_ops = { .view = on_group_view,
	.message = on_message,
	.left = on_group_left,
	.failed = on_group_failed };
static const struct cl_lockspace_ops ls_ops = { .prep = on_prep,
	.slot = on_slot,
	.done = on_done,
	.failed = on_failed,
	.left = on_left };

static uint32_t
first_u32(const struct msg *m)
{
	struct rbuf r;

	rbuf_init(&r, m->data, m->len);
	return rbuf_u32(&r);
}

static void
say_done(struct fixture *f)
{
	struct wbuf w;

	wbuf_init(&w, 64);
	wbuf_u32(&w, f->lsid);
	wbuf_u32(&w, 1);
	wbuf_u32(&w, 1);
	wbuf_u16(&w, 0);
	fake_send(&f->chan, M_LS_DONE, 0, &w);
	ATF_REQUIRE_EQ(0, cl_dispatch(f->cl));
}

static void
new_lock(struct fixture *f)
{
	struct rbuf r;
	struct msg m;

	ATF_REQUIRE_EQ(0,
	    cl_lock(f->ls, "r1", 2, CL_PR, 0, on_ast, on_bast, f, &f->lock));
	fake_expect(&f->chan, M_LOCK, &m);
	rbuf_init(&r, m.data, m.len);
	ATF_CHECK_EQ(f->lsid, rbuf_u32(&r));
	f->lkid = rbuf_u32(&r);
}

static struct fixture *
fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct msg m;

	ATF_REQUIRE(f != NULL);
	f->cl = fake_connect(&f->chan);
	ATF_REQUIRE_EQ(0, cl_watch_views(f->cl, on_view, f));
	fake_expect(&f->chan, M_WATCH_VIEWS, &m);
	ATF_REQUIRE_EQ(0,
	    cl_group_join(f->cl, "chat", &group_ops, f, &f->group));
	fake_expect(&f->chan, M_GROUP_JOIN, &m);
	f->gid = first_u32(&m);
	ATF_REQUIRE_EQ(0,
	    cl_lockspace_join(f->cl, "space", CL_LVB_LEN, &ls_ops, f, &f->ls));
	fake_expect(&f->chan, M_LS_JOIN, &m);
	f->lsid = first_u32(&m);
	ATF_CHECK_EQ(EAGAIN,
	    cl_lock(f->ls, "r1", 2, CL_PR, 0, on_ast, on_bast, f, &f->lock));
	say_done(f);
	new_lock(f);
	f->calls = 0;
	return f;
}

static void
fixture_free(struct fixture *f)
{
	cl_close(f->cl);
	msgchan_close(&f->chan);
	free(f);
}

/* Says it and hands over what it caused. */
static void
say(struct fixture *f, uint32_t type, const void *data, size_t len)
{
	ATF_REQUIRE_EQ(0, msg_send(&f->chan, type, 0, data, len, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(f->cl));
}

static void
put_lvb(struct wbuf *w)
{
	uint8_t lvb[CL_LVB_LEN];
	unsigned i;

	for (i = 0; i < sizeof(lvb); i++)
		lvb[i] = (uint8_t)(i + 1);
	wbuf_bytes(w, lvb, sizeof(lvb));
}

/* A whole message of each type about the fixture's objects. */
static void
whole(const struct fixture *f, uint32_t type, struct wbuf *w)
{
	wbuf_init(w, MSG_MAX);
	if (type >= M_GROUP_VIEW && type <= M_GROUP_LEFT)
		wbuf_u32(w, f->gid);
	else if (type >= M_LS_PREP)
		wbuf_u32(w, f->lsid);
	switch (type) {
	case M_VIEW:
		wbuf_u64(w, 42);
		wbuf_u16(w, 2);
		wbuf_u8(w, 1);
		wbuf_u16(w, 2);
		wbuf_u16(w, 2);
		wbuf_u64(w, 77);
		wbuf_str(w, "beta");
		wbuf_u16(w, 7);
		wbuf_u64(w, UINT64_C(1) << 40);
		wbuf_str(w, "gamma");
		break;
	case M_GROUP_VIEW:
		wbuf_u16(w, 2);
		wbuf_u16(w, 1);
		wbuf_u64(w, 11);
		wbuf_u16(w, 7);
		wbuf_u64(w, 12);
		break;
	case M_GROUP_MSG:
		wbuf_u16(w, 1);
		wbuf_u64(w, 11);
		wbuf_blob(w, "hello", 5);
		break;
	case M_LS_SLOT:
		wbuf_u16(w, 3);
		wbuf_u32(w, 4);
		break;
	case M_LS_DONE:
		wbuf_u32(w, 5);
		wbuf_u32(w, 6);
		wbuf_u16(w, 2);
		wbuf_u16(w, 1);
		wbuf_u32(w, 9);
		wbuf_u16(w, 7);
		wbuf_u32(w, 5);
		break;
	case M_LS_FAILED:
		wbuf_u32(w, EEXIST);
		wbuf_str(w, "no room");
		break;
	case M_AST:
		wbuf_u32(w, f->lkid);
		wbuf_u32(w, 0);
		wbuf_u8(w, CL_PR);
		wbuf_u8(w, CL_SBF_ALTMODE);
		wbuf_u8(w, 0);
		wbuf_u8(w, 1);
		put_lvb(w);
		break;
	case M_BAST:
		wbuf_u32(w, f->lkid);
		wbuf_u8(w, CL_EX);
		break;
	default:
		break;
	}
}

static void
say_whole(struct fixture *f, uint32_t type, const char *expect)
{
	unsigned before = f->calls;
	struct wbuf w;

	whole(f, type, &w);
	say(f, type, w.data, w.len);
	wbuf_free(&w);
	ATF_REQUIRE_EQ(before + 1, f->calls);
	ATF_CHECK_STREQ(expect, f->last);
}

ATF_TC_WITHOUT_HEAD(views);
ATF_TC_BODY(views, tc)
{
	struct fixture *f = fixture_new();

	say_whole(f, M_VIEW, "view");
	ATF_CHECK_EQ(42, f->view.epoch);
	ATF_CHECK_EQ(2, f->view.leader);
	ATF_CHECK(f->view.quorate);
	ATF_REQUIRE_EQ(2, f->view.nmembers);
	ATF_CHECK_EQ(2, f->view.members[0].node);
	ATF_CHECK_EQ(77, f->view.members[0].incarnation);
	ATF_CHECK_STREQ("beta", f->view.members[0].name);
	ATF_CHECK_EQ(7, f->view.members[1].node);
	ATF_CHECK_EQ(UINT64_C(1) << 40, f->view.members[1].incarnation);
	ATF_CHECK_STREQ("gamma", f->view.members[1].name);
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(groups);
ATF_TC_BODY(groups, tc)
{
	struct fixture *f = fixture_new();
	struct wbuf w;
	struct msg m;

	say_whole(f, M_GROUP_VIEW, "gview");
	ATF_REQUIRE_EQ(2, f->n);
	ATF_CHECK_EQ(1, f->members[0].node);
	ATF_CHECK_EQ(11, f->members[0].client);
	ATF_CHECK_EQ(7, f->members[1].node);
	ATF_CHECK_EQ(12, f->members[1].client);
	say_whole(f, M_GROUP_MSG, "message");
	ATF_CHECK_EQ(1, f->from.node);
	ATF_CHECK_EQ(11, f->from.client);
	ATF_REQUIRE_EQ(5, f->len);
	ATF_CHECK_EQ(0, memcmp("hello", f->data, 5));

	ATF_CHECK_EQ(EMSGSIZE, cl_group_send(f->group, "", CL_MSG_MAX + 1));
	ATF_CHECK_EQ(0, cl_group_leave(f->group));
	fake_expect(&f->chan, M_GROUP_LEAVE, &m);
	ATF_CHECK_EQ(f->gid, first_u32(&m));
	say_whole(f, M_GROUP_LEFT, "gleft");
	/* It is gone: late messages about it reach nobody. */
	f->calls = 0;
	whole(f, M_GROUP_MSG, &w);
	say(f, M_GROUP_MSG, w.data, w.len);
	wbuf_free(&w);
	ATF_CHECK_EQ(0, f->calls);
	fixture_free(f);
}

static void
deliver(struct fixture *f, uint16_t node, uint64_t client, const void *data,
    size_t len)
{
	struct wbuf w;

	wbuf_init(&w, MSG_MAX);
	wbuf_u32(&w, f->gid);
	wbuf_u16(&w, node);
	wbuf_u64(&w, client);
	wbuf_blob(&w, data, len);
	say(f, M_GROUP_MSG, w.data, w.len);
	wbuf_free(&w);
}

/* The daemon refuses more than 256 KiB that are not ordered yet. */
ATF_TC_WITHOUT_HEAD(group_held_back);
ATF_TC_BODY(group_held_back, tc)
{
	struct fixture *f = fixture_new();
	static uint8_t data[16383];
	struct msg m;
	unsigned i;

	for (i = 0; i < 16; i++) {
		ATF_REQUIRE_EQ(0, cl_group_send(f->group, data, sizeof(data)));
		fake_expect(&f->chan, M_GROUP_SEND, &m);
	}
	ATF_CHECK_EQ(EAGAIN, cl_group_send(f->group, "", 0));
	/* Somebody else's message makes no room, our own one does. */
	deliver(f, FAKE_NODE, FAKE_CLIENT + 1, data, sizeof(data));
	deliver(f, FAKE_NODE + 1, FAKE_CLIENT, data, sizeof(data));
	ATF_CHECK_EQ(EAGAIN, cl_group_send(f->group, "", 0));
	deliver(f, FAKE_NODE, FAKE_CLIENT, data, sizeof(data));
	ATF_CHECK_EQ(3, f->calls);
	ATF_CHECK_EQ(0, cl_group_send(f->group, data, sizeof(data)));
	ATF_CHECK_EQ(EAGAIN, cl_group_send(f->group, "", 0));
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(group_refused);
ATF_TC_BODY(group_refused, tc)
{
	struct fixture *f = fixture_new();
	struct wbuf w;

	wbuf_init(&w, 256);
	wbuf_u32(&w, ENOSPC);
	wbuf_str(&w, "no room");
	ATF_REQUIRE_EQ(0,
	    msg_send(&f->chan, M_RESULT, f->gid, w.data, w.len - 1, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(f->cl));
	ATF_CHECK_EQ(0, f->calls);
	ATF_REQUIRE_EQ(0,
	    msg_send(&f->chan, M_RESULT, f->gid, w.data, w.len, -1));
	ATF_REQUIRE_EQ(0, cl_dispatch(f->cl));
	wbuf_free(&w);
	ATF_REQUIRE_EQ(1, f->calls);
	ATF_CHECK_STREQ("gfailed", f->last);
	ATF_CHECK_EQ(ENOSPC, f->error);
	ATF_CHECK_STREQ("no room", f->why);
	say_whole(f, M_GROUP_LEFT, "gleft");
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(lockspaces);
ATF_TC_BODY(lockspaces, tc)
{
	struct fixture *f = fixture_new();
	struct msg m;

	say_whole(f, M_LS_PREP, "prep");
	say_whole(f, M_LS_SLOT, "slot");
	ATF_CHECK_EQ(3, f->node);
	ATF_CHECK_EQ(4, f->slot);
	say_whole(f, M_LS_DONE, "done");
	ATF_CHECK_EQ(5, f->slot);
	ATF_CHECK_EQ(6, f->generation);
	ATF_REQUIRE_EQ(2, f->n);
	ATF_CHECK_EQ(1, f->slots[0].node);
	ATF_CHECK_EQ(9, f->slots[0].slot);
	ATF_CHECK_EQ(7, f->slots[1].node);
	ATF_CHECK_EQ(5, f->slots[1].slot);
	say_whole(f, M_LS_FAILED, "failed");
	ATF_CHECK_EQ(EEXIST, f->error);
	ATF_CHECK_STREQ("no room", f->why);
	ATF_CHECK_EQ(ENOENT,
	    cl_lock(f->ls, "r1", 2, CL_PR, 0, on_ast, NULL, f, &f->lock));
	ATF_CHECK_EQ(0, cl_lockspace_leave(f->ls));
	fake_expect(&f->chan, M_LS_LEAVE, &m);
	ATF_CHECK_EQ(f->lsid, first_u32(&m));
	say_whole(f, M_LS_LEFT, "left");
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(bad_arguments);
ATF_TC_BODY(bad_arguments, tc)
{
	struct fixture *f = fixture_new();
	char name[CL_NAME_MAX + 2];
	struct cl_lockspace *ls;
	struct cl_group *g;
	struct cl_lock *l;
	struct msg m;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ATF_CHECK_EQ(EINVAL, cl_group_join(f->cl, "", &group_ops, f, &g));
	ATF_CHECK_EQ(EINVAL, cl_group_join(f->cl, name, &group_ops, f, &g));
	ATF_CHECK_EQ(EINVAL, cl_lockspace_join(f->cl, "", 0, &ls_ops, f, &ls));
	ATF_CHECK_EQ(EINVAL,
	    cl_lockspace_join(f->cl, name, 0, &ls_ops, f, &ls));
	ATF_CHECK_EQ(EINVAL,
	    cl_lockspace_join(f->cl, "x", CL_LVB_LEN + 1, &ls_ops, f, &ls));
	ATF_CHECK_EQ(EINVAL,
	    cl_lock(f->ls, "", 0, CL_EX, 0, on_ast, NULL, f, &l));
	ATF_CHECK_EQ(EINVAL,
	    cl_lock(f->ls, name, CL_NAME_MAX + 1, CL_EX, 0, on_ast, NULL, f,
		&l));
	ATF_CHECK_EQ(EINVAL,
	    cl_lock(f->ls, "x", 1, (enum cl_mode)6, 0, on_ast, NULL, f, &l));
	ATF_CHECK_EQ(EINVAL,
	    cl_lock(f->ls, "x", 1, CL_EX, 0, NULL, NULL, f, &l));
	ATF_CHECK_EQ(EOPNOTSUPP,
	    cl_lock(f->ls, "x", 1, CL_EX, CL_LKF_PERSISTENT, on_ast, NULL, f,
		&l));
	ATF_CHECK(l == NULL && ls == NULL && g == NULL);
	/* None of them reached the daemon. */
	ATF_CHECK_EQ(-1, msg_recv(&f->chan, &m));
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(lock_requests);
ATF_TC_BODY(lock_requests, tc)
{
	struct fixture *f = fixture_new();
	uint8_t lvb[CL_LVB_LEN] = { 9 };
	struct cl_lock *l;
	const uint8_t *p;
	struct rbuf r;
	struct msg m;
	size_t len;

	/* Names are binary, up to 64 bytes. */
	ATF_REQUIRE_EQ(0,
	    cl_lock(f->ls, "a\0b", 3, CL_EX, CL_LKF_NOQUEUE, on_ast, NULL, f,
		&l));
	fake_expect(&f->chan, M_LOCK, &m);
	rbuf_init(&r, m.data, m.len);
	ATF_CHECK_EQ(f->lsid, rbuf_u32(&r));
	ATF_CHECK(rbuf_u32(&r) != f->lkid);
	ATF_CHECK_EQ(CL_EX, rbuf_u8(&r));
	ATF_CHECK_EQ(CL_LKF_NOQUEUE, rbuf_u32(&r));
	p = rbuf_blob(&r, &len, CL_NAME_MAX);
	ATF_REQUIRE(rbuf_done(&r));
	ATF_REQUIRE_EQ(3, len);
	ATF_CHECK_EQ(0, memcmp("a\0b", p, 3));

	/* One request at a time, except to cancel or to force. */
	ATF_CHECK_EQ(EBUSY, cl_convert(f->lock, CL_EX, 0, NULL));
	ATF_CHECK_EQ(EBUSY, cl_unlock(f->lock, 0, NULL));
	ATF_CHECK_EQ(0, cl_cancel(f->lock));
	fake_expect(&f->chan, M_CANCEL, &m);
	say_whole(f, M_AST, "ast");

	ATF_CHECK_EQ(EINVAL, cl_convert(f->lock, (enum cl_mode)6, 0, NULL));
	ATF_REQUIRE_EQ(0, cl_convert(f->lock, CL_NL, CL_LKF_VALBLK, lvb));
	ATF_CHECK_EQ(EBUSY, cl_convert(f->lock, CL_NL, 0, NULL));
	fake_expect(&f->chan, M_CONVERT, &m);
	rbuf_init(&r, m.data, m.len);
	ATF_CHECK_EQ(f->lsid, rbuf_u32(&r));
	ATF_CHECK_EQ(f->lkid, rbuf_u32(&r));
	ATF_CHECK_EQ(CL_NL, rbuf_u8(&r));
	ATF_CHECK_EQ(CL_LKF_VALBLK | CL_LKF_CONVERT, rbuf_u32(&r));
	ATF_CHECK_EQ(1, rbuf_u8(&r));
	p = rbuf_take(&r, CL_LVB_LEN);
	ATF_REQUIRE(p != NULL && rbuf_done(&r));
	ATF_CHECK_EQ(0, memcmp(lvb, p, CL_LVB_LEN));

	ATF_REQUIRE_EQ(0, cl_unlock(f->lock, CL_LKF_FORCEUNLOCK, NULL));
	fake_expect(&f->chan, M_UNLOCK, &m);
	rbuf_init(&r, m.data, m.len);
	ATF_CHECK_EQ(f->lsid, rbuf_u32(&r));
	ATF_CHECK_EQ(f->lkid, rbuf_u32(&r));
	ATF_CHECK_EQ(CL_LKF_FORCEUNLOCK, rbuf_u32(&r));
	ATF_CHECK_EQ(0, rbuf_u8(&r));
	ATF_CHECK(rbuf_done(&r));
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(asts);
ATF_TC_BODY(asts, tc)
{
	struct fixture *f = fixture_new();
	unsigned i;

	say_whole(f, M_AST, "ast");
	ATF_CHECK_EQ(0, f->ast.status);
	ATF_CHECK_EQ(CL_PR, f->ast.mode);
	ATF_CHECK_EQ(CL_SBF_ALTMODE, f->ast.sbflags);
	ATF_CHECK(!f->ast.unlocked);
	for (i = 0; i < CL_LVB_LEN; i++)
		ATF_CHECK_EQ(i + 1, f->ast.lvb[i]);
	say_whole(f, M_BAST, "bast");
	ATF_CHECK_EQ(CL_EX, f->bast);
	fixture_free(f);
}

static void
put_ast(struct wbuf *w, uint32_t lsid, uint32_t lkid, int status, uint8_t mode,
    bool unlocked)
{
	wbuf_init(w, 64);
	wbuf_u32(w, lsid);
	wbuf_u32(w, lkid);
	wbuf_u32(w, (uint32_t)status);
	wbuf_u8(w, mode);
	wbuf_u8(w, 0);
	wbuf_u8(w, unlocked);
	wbuf_u8(w, 0);
}

ATF_TC_WITHOUT_HEAD(unlocked);
ATF_TC_BODY(unlocked, tc)
{
	struct fixture *f = fixture_new();
	struct wbuf w;

	/* A refused new lock is gone with its ast. */
	put_ast(&w, f->lsid, f->lkid, EAGAIN, CL_NL, true);
	say(f, M_AST, w.data, w.len);
	ATF_REQUIRE_EQ(1, f->calls);
	ATF_CHECK_EQ(EAGAIN, f->ast.status);
	ATF_CHECK(f->ast.unlocked);
	/* Anything more about it reaches nobody. */
	say(f, M_AST, w.data, w.len);
	wbuf_free(&w);
	whole(f, M_BAST, &w);
	say(f, M_BAST, w.data, w.len);
	wbuf_free(&w);
	ATF_CHECK_EQ(1, f->calls);

	/* Its successor is another lock. */
	put_ast(&w, f->lsid, f->lkid, 0, CL_PR, true);
	new_lock(f);
	say(f, M_AST, w.data, w.len);
	wbuf_free(&w);
	ATF_CHECK_EQ(1, f->calls);
	say_whole(f, M_AST, "ast");
	fixture_free(f);
}

/* A lock whose completion asks for the next one, as programs do. */
struct chain {
	struct fixture *f;
	struct cl_lock *lock;
	unsigned done;
};

static void
chain_ast(void *arg, const struct cl_ast *ast)
{
	struct chain *c = arg;

	ATF_CHECK(ast->unlocked);
	if (++c->done < 3)
		ATF_CHECK_EQ(0,
		    cl_lock(c->f->ls, "r2", 2, CL_EX, 0, chain_ast, NULL, c,
			&c->lock));
}

ATF_TC_WITHOUT_HEAD(lock_in_callback);
ATF_TC_BODY(lock_in_callback, tc)
{
	struct fixture *f = fixture_new();
	struct chain c = { .f = f };
	unsigned i;
	struct rbuf r;
	struct wbuf w;
	struct msg m;

	ATF_REQUIRE_EQ(0,
	    cl_lock(f->ls, "r2", 2, CL_EX, 0, chain_ast, NULL, &c, &c.lock));
	for (i = 0; i < 3; i++) {
		fake_expect(&f->chan, M_LOCK, &m);
		rbuf_init(&r, m.data, m.len);
		(void)rbuf_u32(&r);
		put_ast(&w, f->lsid, rbuf_u32(&r), EAGAIN, CL_NL, true);
		say(f, M_AST, w.data, w.len);
		wbuf_free(&w);
		ATF_CHECK_EQ(i + 1, c.done);
	}
	ATF_CHECK_EQ(-1, msg_recv(&f->chan, &m));
	fixture_free(f);
}

/* --- malformed ------------------------------------------------------------- */

static const struct {
	uint32_t type;
	const char *name;
} types[] = {
	{ M_VIEW, "view" },
	{ M_GROUP_VIEW, "gview" },
	{ M_GROUP_MSG, "message" },
	{ M_LS_PREP, "prep" },
	{ M_LS_SLOT, "slot" },
	{ M_LS_DONE, "done" },
	{ M_AST, "ast" },
	{ M_BAST, "bast" },
	/* Last: these end their objects. */
	{ M_LS_FAILED, "failed" },
	{ M_GROUP_LEFT, "gleft" },
	{ M_LS_LEFT, "left" },
};

ATF_TC_WITHOUT_HEAD(every_length);
ATF_TC_BODY(every_length, tc)
{
	struct fixture *f = fixture_new();
	struct wbuf w;
	unsigned i;
	size_t len;

	for (i = 0; i < NITEMS(types); i++) {
		whole(f, types[i].type, &w);
		for (len = 0; len < w.len; len++)
			say(f, types[i].type, w.data, len);
		wbuf_u8(&w, 0);
		say(f, types[i].type, w.data, w.len);
		wbuf_free(&w);
		ATF_CHECK_EQ_MSG(0, f->calls, "%s: a cut message was taken",
		    types[i].name);
		say_whole(f, types[i].type, types[i].name);
		f->calls = 0;
	}
	fixture_free(f);
}

/* Counts that promise more than a message can hold, or than fits a table. */
ATF_TC_WITHOUT_HEAD(counts);
ATF_TC_BODY(counts, tc)
{
	static const uint16_t counts[] = { 3, CL_NODES_MAX + 1, 1025, 65535 };
	struct fixture *f = fixture_new();
	struct wbuf w;
	unsigned i, j;
	uint8_t *p;
	/* Where each type keeps its count. */
	static const struct {
		uint32_t type;
		size_t off;
	} where[] = { { M_VIEW, 11 }, { M_GROUP_VIEW, 4 }, { M_LS_DONE, 12 } };

	for (i = 0; i < NITEMS(where); i++) {
		for (j = 0; j < NITEMS(counts); j++) {
			whole(f, where[i].type, &w);
			p = w.data + where[i].off;
			ATF_REQUIRE_EQ(2, p[0] << 8 | p[1]);
			p[0] = (uint8_t)(counts[j] >> 8);
			p[1] = (uint8_t)counts[j];
			say(f, where[i].type, w.data, w.len);
			/* ... and with that many elements, if they fit. */
			while (w.len < MSG_MAX - 2 * MSG_HDR_LEN)
				wbuf_u8(&w, 0);
			say(f, where[i].type, w.data, w.len);
			wbuf_free(&w);
		}
	}
	ATF_CHECK_EQ(0, f->calls);
	fixture_free(f);
}

ATF_TC_WITHOUT_HEAD(modes);
ATF_TC_BODY(modes, tc)
{
	struct fixture *f = fixture_new();
	struct wbuf w;

	put_ast(&w, f->lsid, f->lkid, 0, CL_EX + 1, false);
	say(f, M_AST, w.data, w.len);
	wbuf_free(&w);
	wbuf_init(&w, 64);
	wbuf_u32(&w, f->lsid);
	wbuf_u32(&w, f->lkid);
	wbuf_u8(&w, 200);
	say(f, M_BAST, w.data, w.len);
	wbuf_free(&w);
	ATF_CHECK_EQ(0, f->calls);
	fixture_free(f);
}

/* Numbers of objects that are not ours. */
ATF_TC_WITHOUT_HEAD(unknown_objects);
ATF_TC_BODY(unknown_objects, tc)
{
	struct fixture *f = fixture_new();
	struct fixture other = *f;
	struct wbuf w;
	unsigned i;

	other.gid = other.lsid = 999;
	for (i = 1; i < NITEMS(types); i++) {
		whole(&other, types[i].type, &w);
		say(f, types[i].type, w.data, w.len);
		wbuf_free(&w);
	}
	other = *f;
	other.lkid = 999;
	whole(&other, M_AST, &w);
	say(f, M_AST, w.data, w.len);
	wbuf_free(&w);
	whole(&other, M_BAST, &w);
	say(f, M_BAST, w.data, w.len);
	wbuf_free(&w);
	/* A type from a newer daemon. */
	say(f, 2999, "x", 1);
	ATF_CHECK_EQ(0, f->calls);
	fixture_free(f);
}

/* A small generator of our own: the run is the same everywhere. */
static uint32_t
next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 16);
}

ATF_TC_WITHOUT_HEAD(random_bytes);
ATF_TC_BODY(random_bytes, tc)
{
	struct fixture *f = fixture_new();
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
	unsigned i, j, changes, whichtype;
	struct wbuf w;

	for (i = 0; i < 20000; i++) {
		whichtype = next_random(&seed) % (NITEMS(types) - 3);
		whole(f, types[whichtype].type, &w);
		changes = 1 + next_random(&seed) % 4;
		for (j = 0; j < changes; j++)
			w.data[next_random(&seed) % w.len] =
			    (uint8_t)next_random(&seed);
		say(f, types[whichtype].type, w.data,
		    next_random(&seed) % (w.len + 1));
		wbuf_free(&w);
		/* A bit may have ended the lock; the callbacks check values. */
		if (f->ast.unlocked && types[whichtype].type == M_AST) {
			f->ast.unlocked = false;
			new_lock(f);
		}
	}
	ATF_CHECK(f->calls > 0);
	/* The connection and its objects have survived. */
	say_whole(f, M_VIEW, "view");
	say_whole(f, M_GROUP_MSG, "message");
	say_whole(f, M_LS_DONE, "done");
	say_whole(f, M_AST, "ast");
	fixture_free(f);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, views);
	ATF_TP_ADD_TC(tp, groups);
	ATF_TP_ADD_TC(tp, group_held_back);
	ATF_TP_ADD_TC(tp, group_refused);
	ATF_TP_ADD_TC(tp, lockspaces);
	ATF_TP_ADD_TC(tp, bad_arguments);
	ATF_TP_ADD_TC(tp, lock_requests);
	ATF_TP_ADD_TC(tp, asts);
	ATF_TP_ADD_TC(tp, unlocked);
	ATF_TP_ADD_TC(tp, lock_in_callback);
	ATF_TP_ADD_TC(tp, every_length);
	ATF_TP_ADD_TC(tp, counts);
	ATF_TP_ADD_TC(tp, modes);
	ATF_TP_ADD_TC(tp, unknown_objects);
	ATF_TP_ADD_TC(tp, random_bytes);
	return atf_no_error();
}
