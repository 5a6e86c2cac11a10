/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Notes between modules and actions for the shell.  Running out of memory
 * here would leave a step half-done, which no caller could repair: it aborts,
 * and the parent takes the node out of service.
 */

#include <stdarg.h>
#include <stdio.h>

#include "../proto.h"
#include "bus.h"
#include "names.h"

void
actions_init(struct actions *a)
{
	STAILQ_INIT(&a->list);
	a->n = 0;
}

struct action *
actions_add(struct actions *a, enum action_type type, const void *data,
    size_t len)
{
	struct action *act = malloc(sizeof(*act) + len);

	ASSERT(act != NULL);
	memset(act, 0, sizeof(*act));
	act->type = type;
	act->len = len;
	if (len > 0)
		memcpy(act->data, data, len);
	STAILQ_INSERT_TAIL(&a->list, act, entry);
	a->n++;
	return act;
}

struct action *
actions_take(struct actions *a)
{
	struct action *act = STAILQ_FIRST(&a->list);

	if (act != NULL) {
		STAILQ_REMOVE_HEAD(&a->list, entry);
		a->n--;
	}
	return act;
}

void
actions_clear(struct actions *a)
{
	struct action *act;

	while ((act = actions_take(a)) != NULL)
		free(act);
}

void
bus_init(struct bus *b)
{
	memset(b, 0, sizeof(*b));
	STAILQ_INIT(&b->notes);
}

void
bus_clear(struct bus *b)
{
	struct note *n;

	while ((n = bus_take(b)) != NULL)
		free(n);
}

struct note *
bus_note(struct bus *b, enum note_type type, const void *data, size_t len)
{
	struct note *n = malloc(sizeof(*n) + len);

	ASSERT(n != NULL);
	memset(n, 0, sizeof(*n));
	n->type = type;
	n->len = len;
	if (len > 0)
		memcpy(n->data, data, len);
	STAILQ_INSERT_TAIL(&b->notes, n, entry);
	b->n++;
	return n;
}

struct note *
bus_take(struct bus *b)
{
	struct note *n = STAILQ_FIRST(&b->notes);

	if (n != NULL) {
		STAILQ_REMOVE_HEAD(&b->notes, entry);
		b->n--;
	}
	return n;
}

void
bus_event(struct bus *b, enum ev_kind kind, enum ev_level level,
    const char *fmt, ...)
{
	char text[512];
	struct note *n;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) >= (int)sizeof(text))
		names_cut(text, sizeof(text));
	va_end(ap);
	n = bus_note(b, NOTE_EVENT, text, strlen(text) + 1);
	n->msgtype = kind;
	n->code = level;
}

void
bus_client_send(struct bus *b, uint64_t client, uint32_t msgtype,
    uint32_t msgid, const struct wbuf *w)
{
	struct action *act;

	ASSERT(!w->err);
	act = actions_add(b->out, ACT_CLIENT_SEND, w->data, w->len);
	act->client = client;
	act->msgtype = msgtype;
	act->msgid = msgid;
}

void
bus_client_result(struct bus *b, uint64_t client, uint32_t msgid, int error,
    const char *fmt, ...)
{
	char text[512];
	struct wbuf w;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) >= (int)sizeof(text))
		names_cut(text, sizeof(text));
	va_end(ap);
	wbuf_init(&w, 1024);
	wbuf_u32(&w, (uint32_t)error);
	wbuf_str(&w, text);
	bus_client_send(b, client, M_RESULT, msgid, &w);
	wbuf_free(&w);
}
