/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Rows of an answer to M_SHOW, field by field.
 */

#include "../proto.h"
#include "names.h"
#include "node_internal.h"
#include "show_row.h"

void
row_begin(struct show *s)
{
	wbuf_reset(&s->row);
	wbuf_u8(&s->row, 0);
	s->nfields = 0;
}

static void
row_name(struct show *s, const char *name, enum field_type type)
{
	ASSERT(s->nfields < ROW_FIELDS_MAX);
	wbuf_str(&s->row, name);
	wbuf_u8(&s->row, (uint8_t)type);
	s->nfields++;
}

void
row_str(struct show *s, const char *name, const char *value)
{
	char text[ROW_TEXT_MAX + 1];

	row_name(s, name, FIELD_STR);
	names_fit(value, text, sizeof(text));
	wbuf_str(&s->row, text);
}

void
row_u64(struct show *s, const char *name, uint64_t value)
{
	row_name(s, name, FIELD_U64);
	wbuf_u64(&s->row, value);
}

void
row_bool(struct show *s, const char *name, bool value)
{
	row_name(s, name, FIELD_BOOL);
	wbuf_u64(&s->row, value);
}

void
row_id(struct show *s, const char *name, uint64_t value)
{
	row_name(s, name, FIELD_ID);
	wbuf_u64(&s->row, value);
}

void
row_null(struct show *s, const char *name)
{
	row_name(s, name, FIELD_NULL);
}

void
row_ago(struct show *s, const char *name, uint64_t then)
{
	if (then == 0 || then > s->nd->now)
		row_null(s, name);
	else
		row_u64(s, name, s->nd->now - then);
}

bool
row_end(struct show *s)
{
	ASSERT(!s->row.err);
	if (s->nrows >= SHOW_ROWS_MAX)
		return false;
	s->row.data[0] = (uint8_t)s->nfields;
	bus_client_send(s->bus, s->ask->client, M_ROW, s->ask->msgid, &s->row);
	s->nrows++;
	return true;
}
