/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * INV_VIEW_CHANGE  what a client is told of a change fits the views before
 *	and after it: the new one is the old one, less who left, plus who
 *	joined; and who is in both lists went because it came back anew.
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
		v->left[i].why = rbuf_u8(r);
		rbuf_str(r, text, sizeof(text));
		if (text[0] == '\0' || v->left[i].why < 1 || v->left[i].why > 3)
			r->err = true;
		v->nleft++;
	}
	v->have_change = true;
}

static bool
in_view(const struct sim_service *v, uint16_t node, uint64_t inc)
{
	unsigned i;

	for (i = 0; i < v->nview; i++) {
		if (v->view[i].node == node && v->view[i].inc == inc)
			return true;
	}
	return false;
}

/* The lists against the view that they change. */
static bool
fits_old(const struct sim_service *v)
{
	unsigned i, k;

	for (i = 0; i < v->nleft; i++) {
		if (!in_view(v, v->left[i].node, v->left[i].inc))
			return false;
		for (k = 0; k < v->njoined; k++) {
			if (v->joined[k].node == v->left[i].node &&
			    v->left[i].why == 2)
				return false;
		}
	}
	for (k = 0; k < v->njoined; k++) {
		if (in_view(v, v->joined[k].node, v->joined[k].inc))
			return false;
	}
	return true;
}

static void
take_view(struct sim *s, unsigned node, struct sim_client *c, struct rbuf *r)
{
	struct sim_service *v = c->svc;
	unsigned i, n, old = v->nview, gone = v->nleft, came = v->njoined;
	bool fits = !v->have_change || fits_old(v);
	char name[64];

	(void)rbuf_u64(r);
	(void)rbuf_u16(r);
	(void)rbuf_u8(r);
	n = rbuf_u16(r);
	for (i = v->nview = 0; i < n && i < SIM_NODES_MAX; i++) {
		v->view[i].node = rbuf_u16(r);
		v->view[i].inc = rbuf_u64(r);
		rbuf_str(r, name, sizeof(name));
		v->nview++;
	}
	for (i = 0; v->have_change && i < came; i++)
		fits &= in_view(v, v->joined[i].node, v->joined[i].inc);
	for (i = 0; v->have_change && i < gone; i++)
		fits &= !in_view(v, v->left[i].node, v->left[i].inc);
	if (!v->have_change)
		gone = came = 0;
	if (v->have_view && (!fits || old + came != v->nview + gone))
		sim_fail(s, INV_VIEW_CHANGE,
		    "n%u client %llu: %u members, %u joined, %u left, and now "
		    "%u%s",
		    s->nodes[node].id, (unsigned long long)c->id, old, came,
		    gone, v->nview, fits ? "" : "; the lists do not fit");
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
