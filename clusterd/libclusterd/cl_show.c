/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* Questions and commands: synchronous, for shells and tools. */

#include <errno.h>

#include "cl.h"

#define SHOW_MS 10000

_Static_assert(CL_F_ID == (enum cl_field_type)FIELD_ID &&
	CL_FIELDS_MAX == ROW_FIELDS_MAX &&
	sizeof(((struct cl_field *)NULL)->str) == ROW_TEXT_MAX + 1,
    "the wire and the interface name the same types");

static bool
get_field(struct rbuf *r, struct cl_field *f)
{
	rbuf_str(r, f->name, sizeof(f->name));
	f->type = rbuf_u8(r);
	f->num = 0;
	f->str[0] = '\0';
	switch (f->type) {
	case CL_F_STR:
		rbuf_str(r, f->str, sizeof(f->str));
		break;
	case CL_F_U64:
	case CL_F_BOOL:
	case CL_F_ID:
		f->num = rbuf_u64(r);
		break;
	case CL_F_NULL:
		break;
	default:
		return false;
	}
	return !r->err;
}

static unsigned
get_row(const struct msg *m, struct cl_field *fields)
{
	struct rbuf r;
	unsigned i, n;

	rbuf_init(&r, m->data, m->len);
	n = rbuf_u8(&r);
	if (n > CL_FIELDS_MAX)
		return 0;
	for (i = 0; i < n; i++) {
		if (!get_field(&r, &fields[i]))
			return 0;
	}
	return rbuf_done(&r) ? n : 0;
}

int
cl_result(const struct msg *m, char *text, size_t textlen)
{
	char whole[1024];
	struct rbuf r;
	int error;

	if (text != NULL && textlen > 0)
		text[0] = '\0';
	rbuf_init(&r, m->data, m->len);
	error = (int)rbuf_u32(&r);
	rbuf_str(&r, whole, sizeof(whole));
	if (!rbuf_done(&r))
		return EPROTO;
	if (text != NULL)
		strlcpy(text, whole, textlen);
	return error;
}

int
cl_show(struct cl *cl, const char *what, const char *arg,
    bool (*row)(void *, const struct cl_field *, unsigned), void *rowarg)
{
	struct cl_field fields[CL_FIELDS_MAX];
	uint32_t id = cl_new_id(cl);
	bool more = true;
	struct wbuf w;
	struct msg m;
	unsigned n;
	int error;

	wbuf_init(&w, 1024);
	wbuf_str(&w, what);
	wbuf_str(&w, arg);
	error = cl_send(cl, M_SHOW, id, &w);
	while (error == 0) {
		error = cl_await(cl, id, cl_now_ms() + SHOW_MS, &m);
		if (error != 0)
			break;
		if (m.type == M_RESULT)
			return cl_result(&m, NULL, 0);
		n = m.type == M_ROW ? get_row(&m, fields) : 0;
		if (n == 0)
			return EPROTO;
		/* The rest is still read, so that later answers line up. */
		if (more)
			more = row(rowarg, fields, n);
	}
	return error;
}

int
cl_command(struct cl *cl, const char *cmd, const char *arg, char *text,
    size_t textlen, int timeout_ms)
{
	uint32_t id = cl_new_id(cl);
	struct wbuf w;
	struct msg m;
	int error;

	if (textlen > 0)
		text[0] = '\0';
	wbuf_init(&w, 1024);
	wbuf_str(&w, cmd);
	wbuf_str(&w, arg);
	error = cl_send(cl, M_COMMAND, id, &w);
	if (error == 0)
		error = cl_await(cl, id, cl_now_ms() + timeout_ms, &m);
	if (error != 0)
		return error;
	return m.type == M_RESULT ? cl_result(&m, text, textlen) : EPROTO;
}
