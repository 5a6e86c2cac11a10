/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_VIEW_CHANGE  what a client is told of a change fits the views before
 *	and after it: the new one is the old one, less who left, plus who
 *	joined; and who is in both lists went because it came back anew.  So who
 *	has come along, which is who is in the new one and did not join, was in
 *	the old one in that very life, and is the same for all who are told these
 *	two views.
 * INV_VIEW_AGREE  a view that is told is the one of that name which the node
 *	was in, and one that is told as quorate is primary.
 * INV_VIEW_ALONG  see chk_view.c.
 */

#include "service.h"

void
view_watch(struct sim *s, unsigned node, struct sim_client *c)
{
	struct wbuf w;

	wbuf_init(&w, 16);
	client_tell(s, node, c, M_WATCH_VIEWS, service_id(c->svc), &w);
}

static void
take_change(struct sim_service *v, struct rbuf *r)
{
	char text[256];
	unsigned i, n;

	(void)rbuf_u64(r);
	n = rbuf_u16(r);
	for (i = v->njoined = 0; i < n && i < SIM_NODES_MAX; i++) {
		v->joined[i].node = rbuf_u16(r);
		v->joined[i].inc = rbuf_u64(r);
		rbuf_str(r, text, sizeof(text));
		v->njoined++;
	}
	n = rbuf_u16(r);
	for (i = v->nleft = 0; i < n && i < SIM_NODES_MAX; i++) {
		v->left[i].node = rbuf_u16(r);
		v->left[i].inc = rbuf_u64(r);
		rbuf_str(r, text, sizeof(text));
		v->why[i] = rbuf_u8(r);
		rbuf_str(r, text, sizeof(text));
		if (text[0] == '\0' || v->why[i] < 1 || v->why[i] > 3)
			r->err = true;
		v->nleft++;
	}
	v->have_change = true;
}

static bool
listed(const struct sim_life *list, unsigned n, const struct sim_life *l)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (list[i].node == l->node && list[i].inc == l->inc)
			return true;
	}
	return false;
}

static bool
in_view(const struct sim_service *v, const struct sim_life *l)
{
	return listed(v->view, v->nview, l);
}

/* The lists against the view that they change. */
static bool
fits_old(const struct sim_service *v)
{
	unsigned i, k;

	for (i = 0; i < v->nleft; i++) {
		if (!in_view(v, &v->left[i]))
			return false;
		for (k = 0; k < v->njoined; k++) {
			if (v->joined[k].node == v->left[i].node &&
			    v->why[i] == 2)
				return false;
		}
	}
	for (k = 0; k < v->njoined; k++) {
		if (in_view(v, &v->joined[k]))
			return false;
	}
	return true;
}

/* The lists against the new view, and who is in it against the old one. */
static bool
fits_new(const struct sim_service *v, const struct sim_life *old, unsigned nold)
{
	bool fits = true;
	unsigned i;

	for (i = 0; i < v->njoined; i++)
		fits &= in_view(v, &v->joined[i]);
	for (i = 0; i < v->nleft; i++)
		fits &= !in_view(v, &v->left[i]);
	for (i = 0; i < v->nview; i++)
		fits &= listed(v->joined, v->njoined, &v->view[i]) ||
		    listed(old, nold, &v->view[i]);
	return fits && nold + v->njoined == v->nview + v->nleft;
}

void
view_told(struct sim *s, unsigned node, struct sim_client *c)
{
	struct sim_service *v = c->svc;
	const struct node_view *seen;
	struct sim_life l;
	unsigned i;
	bool same;

	if (v == NULL || !v->untried)
		return;
	v->untried = false;
	seen = chk_view_seen(s, node, v->epoch, v->leader);
	same = seen != NULL && seen->n == v->nview &&
	    (seen->primary || !v->quorate);
	for (i = 0; same && i < seen->n; i++) {
		l.node = seen->members[i];
		l.inc = seen->incs[i];
		same = in_view(v, &l);
	}
	if (!same)
		sim_fail(s, INV_VIEW_AGREE,
		    "n%u client %llu: it is told a view %llu.%u%s, in which "
		    "its node was not",
		    s->nodes[node].id, (unsigned long long)c->id,
		    (unsigned long long)v->epoch, v->leader,
		    v->quorate ? ", quorate" : "");
	if (!v->quorate)
		return;
	if (v->quorate_epoch != 0)
		chk_view_along(s, node,
		    chk_view_seen(s, node, v->quorate_epoch, v->quorate_leader),
		    seen);
	v->quorate_epoch = v->epoch;
	v->quorate_leader = v->leader;
}

static void
take_view(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	struct sim_life old[SIM_NODES_MAX];
	unsigned i, n, nold = v->nview;
	bool fits = !v->have_change || fits_old(v);
	char name[64];

	view_told(s, node, c);
	memcpy(old, v->view, sizeof(old));
	v->epoch = rbuf_u64(r);
	v->leader = rbuf_u16(r);
	v->quorate = rbuf_u8(r) != 0;
	v->untried = true;
	n = rbuf_u16(r);
	for (i = v->nview = 0; i < n && i < SIM_NODES_MAX; i++) {
		v->view[i].node = rbuf_u16(r);
		v->view[i].inc = rbuf_u64(r);
		rbuf_str(r, name, sizeof(name));
		v->nview++;
	}
	if (!v->have_change)
		v->njoined = v->nleft = 0;
	if (v->have_view && (!fits || !fits_new(v, old, nold)))
		sim_fail(s, INV_VIEW_CHANGE,
		    "n%u client %llu: %u members, %u joined, %u left, and now "
		    "%u: the lists do not fit",
		    s->nodes[node].id, (unsigned long long)c->id, nold,
		    v->njoined, v->nleft, v->nview);
	v->have_view = true;
	v->have_change = false;
}

void
view_message(struct sim *s, unsigned node, struct sim_client *c,
    const struct action *a)
{
	struct rbuf r;

	rbuf_init(&r, a->data, a->len);
	if (a->msgtype == M_VIEW_CHANGE)
		take_change(c->svc, &r);
	else
		take_view(s, node, c, &r);
	if (!rbuf_done(&r))
		sim_fail(s, INV_VIEW_CHANGE, "a malformed view");
}
