/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * The native codec.  Each type carries only the fields it needs, 20 to 60
 * bytes for an operation; what is left over or missing makes it malformed.
 * Modes and statuses are checked here, so that no caller indexes a table
 * with a number from outside.
 *
 * clusterd-protocol(7), section 9.1.
 */

#include "dlm_mode.h"
#include "dlm_wire.h"

/* Fields of a type, in the order in which they travel. */
enum field {
	F_NODE = 1 << 0,
	F_LOCK = 1 << 1, /* id and seq */
	F_STATUS = 1 << 2,
	F_MODE = 1 << 3,
	F_SBFLAGS = 1 << 4,
	F_FLAGS = 1 << 5,
	F_LVBSEQ = 1 << 6,
	F_LVB = 1 << 7,
	F_NAME = 1 << 8,
	F_RECORDS = 1 << 9
};

#define REQUEST_FIELDS (F_LOCK | F_MODE | F_FLAGS | F_NAME)

static const uint16_t fields[DM_MAX] = {
	[DM_REQUEST] = REQUEST_FIELDS,
	[DM_LOOKUP] = REQUEST_FIELDS,
	[DM_FORWARD] = F_NODE | REQUEST_FIELDS,
	[DM_BOUNCE] = F_NODE | REQUEST_FIELDS,
	[DM_CONVERT] = F_LOCK | F_MODE | F_FLAGS | F_LVB,
	[DM_UNLOCK] = F_LOCK | F_FLAGS | F_LVB,
	[DM_CANCEL] = F_LOCK,
	[DM_REPLY] = F_LOCK | F_STATUS | F_MODE | F_SBFLAGS | F_LVBSEQ | F_LVB,
	[DM_BAST] = F_LOCK | F_MODE,
	[DM_MASTER] = F_NAME,
	[DM_REMOVE] = F_NAME,
	[DM_NAMES] = F_RECORDS,
	[DM_LOCKS] = F_RECORDS,
	[DM_END] = F_LOCK | F_MODE,
};

/* A record of DM_LOCKS. */
#define LOCK_FIELDS                                                            \
	(F_LOCK | F_MODE | F_SBFLAGS | F_FLAGS | F_LVBSEQ | F_LVB | F_NAME)

/* One table drives both directions, so they cannot differ. */
static void
put_fields(struct wbuf *w, unsigned f, const struct dlm_msg *m)
{
	if (f & F_NODE)
		wbuf_u16(w, m->node);
	if (f & F_LOCK) {
		wbuf_u64(w, m->id);
		wbuf_u32(w, m->seq);
	}
	if (f & F_STATUS)
		wbuf_u8(w, m->status);
	if (f & F_MODE)
		wbuf_u8(w, (uint8_t)(m->mode + 1));
	if (f & F_SBFLAGS)
		wbuf_u8(w, m->sbflags);
	if (f & F_FLAGS)
		wbuf_u32(w, m->flags);
	if (f & F_LVBSEQ)
		wbuf_u32(w, m->lvbseq);
	if (f & F_LVB) {
		wbuf_u8(w, m->haslvb);
		if (m->haslvb)
			wbuf_bytes(w, m->lvb, sizeof(m->lvb));
	}
	if (f & F_NAME)
		dlm_wire_put_name(w, m->name, m->namelen);
}

/* False: a number that no table may be indexed with, or too short. */
static bool
get_fields(struct rbuf *r, unsigned f, struct dlm_msg *m)
{
	if (f & F_NODE)
		m->node = rbuf_u16(r);
	if (f & F_LOCK) {
		m->id = rbuf_u64(r);
		m->seq = rbuf_u32(r);
	}
	if (f & F_STATUS) {
		m->status = rbuf_u8(r);
		if (m->status >= DST_MAX)
			return false;
	}
	if (f & F_MODE) {
		m->mode = (int8_t)(rbuf_u8(r) - 1);
		if (m->mode < DLM_IV || m->mode > DLM_EX)
			return false;
	}
	if (f & F_SBFLAGS)
		m->sbflags = rbuf_u8(r);
	if (f & F_FLAGS)
		m->flags = rbuf_u32(r);
	if (f & F_LVBSEQ)
		m->lvbseq = rbuf_u32(r);
	if (f & F_LVB) {
		m->haslvb = rbuf_u8(r) != 0;
		if (m->haslvb)
			rbuf_bytes(r, m->lvb, sizeof(m->lvb));
	}
	if (f & F_NAME)
		return dlm_wire_name(r, m);
	return !r->err;
}

void
dlm_wire_put(struct wbuf *w, const struct dlm_msg *m)
{
	wbuf_u8(w, (uint8_t)m->type);
	wbuf_u32(w, m->lsid);
	wbuf_u64(w, m->epoch);
	put_fields(w, fields[m->type], m);
}

/* The type decides what else there is. */
bool
dlm_wire_get(struct rbuf *r, struct dlm_msg *m)
{
	uint8_t type = rbuf_u8(r);

	memset(m, 0, sizeof(*m));
	m->mode = DLM_IV;
	m->lsid = rbuf_u32(r);
	m->epoch = rbuf_u64(r);
	if (r->err || type == 0 || type >= DM_MAX)
		return false;
	m->type = (enum dlm_msg_type)type;
	if (!get_fields(r, fields[type], m))
		return false;
	if ((fields[type] & REQUEST_FIELDS) == REQUEST_FIELDS &&
	    m->mode == DLM_IV)
		return false;
	return (fields[type] & F_RECORDS) != 0 || rbuf_done(r);
}

void
dlm_wire_put_name(struct wbuf *w, const uint8_t *name, size_t len)
{
	wbuf_u8(w, (uint8_t)len);
	wbuf_bytes(w, name, len);
}

bool
dlm_wire_name(struct rbuf *r, struct dlm_msg *m)
{
	m->namelen = rbuf_u8(r);
	if (m->namelen > DLM_NAME_MAX)
		return false;
	m->name = rbuf_take(r, m->namelen);
	return m->name != NULL;
}

void
dlm_wire_put_lock(struct wbuf *w, const struct dlm_msg *m)
{
	put_fields(w, LOCK_FIELDS, m);
}

bool
dlm_wire_lock(struct rbuf *r, struct dlm_msg *m)
{
	memset(m->lvb, 0, sizeof(m->lvb));
	return get_fields(r, LOCK_FIELDS, m);
}
