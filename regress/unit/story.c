/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/* See story.h. */

#include <stdarg.h>
#include <stdio.h>

#include <atf-c.h>

#include "story.h"

#define HEARD_MAX 64

static struct heard {
	uint16_t id;
	uint64_t client;
	char words[4096];
} heard[HEARD_MAX];
static unsigned nheard;
static void (*teller)(uint16_t, uint64_t, uint32_t, struct rbuf *);

static struct heard *
heard_by(uint16_t id, uint64_t client)
{
	unsigned i;

	for (i = 0; i < nheard; i++) {
		if (heard[i].id == id && heard[i].client == client)
			return &heard[i];
	}
	ATF_REQUIRE(nheard < HEARD_MAX);
	heard[nheard].id = id;
	heard[nheard].client = client;
	heard[nheard].words[0] = '\0';
	return &heard[nheard++];
}

void
story_word(uint16_t id, uint64_t client, const char *fmt, ...)
{
	struct heard *h = heard_by(id, client);
	size_t len = strlen(h->words);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(h->words + len, sizeof(h->words) - len, fmt, ap);
	va_end(ap);
	ATF_REQUIRE(n >= 0 && (size_t)n < sizeof(h->words) - len);
}

void
story_expect(uint16_t id, uint64_t client, const char *words)
{
	struct heard *h = heard_by(id, client);

	ATF_CHECK_MSG(strcmp(h->words, words) == 0,
	    "node %u client %u: expected \"%s\", heard \"%s\"", id,
	    (unsigned)client, words, h->words);
	h->words[0] = '\0';
}

void
story_forget(void)
{
	nheard = 0;
}

static void
hear(void *arg, uint16_t id, const struct action *act)
{
	uint32_t error;
	struct rbuf r;

	if (act->client < PROGRAM)
		return;
	rbuf_init(&r, act->data, act->len);
	if (act->msgtype != M_RESULT) {
		if (act->msgtype != M_WELCOME)
			teller(id, act->client, act->msgtype, &r);
		return;
	}
	error = rbuf_u32(&r);
	if (error == 0)
		story_word(id, act->client, "ok(%u) ", act->msgid);
	else
		story_word(id, act->client, "error(%u %u) ", act->msgid, error);
}

void
story_open(struct fix *fx, uint16_t id, uint64_t client)
{
	fixture_open(fx, id, client);
	story_forget();
}

struct fix *
story_start(unsigned n,
    void (*tell)(uint16_t, uint64_t, uint32_t, struct rbuf *))
{
	struct fix *fx = fixture_new(n);
	uint16_t i;

	teller = tell;
	fixture_begin(fx);
	fixture_hear(fx, hear, NULL);
	for (i = 1; i <= n; i++)
		fixture_open(fx, i, PROGRAM);
	story_forget();
	return fx;
}

struct wbuf *
story_put(struct wbuf *w, const char *format, ...)
{
	const char *text;
	va_list ap;

	wbuf_init(w, 65536);
	va_start(ap, format);
	for (; *format != '\0'; format++) {
		switch (*format) {
		case 'b':
			wbuf_u8(w, (uint8_t)va_arg(ap, unsigned));
			break;
		case 'h':
			wbuf_u16(w, (uint16_t)va_arg(ap, unsigned));
			break;
		case 'w':
			wbuf_u32(w, va_arg(ap, unsigned));
			break;
		case 'q':
			wbuf_u64(w, va_arg(ap, uint64_t));
			break;
		case 's':
			wbuf_str(w, va_arg(ap, const char *));
			break;
		default:
			text = va_arg(ap, const char *);
			wbuf_blob(w, text, strlen(text));
			break;
		}
	}
	va_end(ap);
	ATF_REQUIRE(!w->err);
	return w;
}

void
story_ask(struct fix *fx, uint16_t id, uint64_t client, uint32_t type,
    uint32_t msgid, struct wbuf *w)
{
	fixture_ask(fx, id, client, type, msgid, w);
	fixture_run(fx, 100 * MS);
}

void
story_malformed(struct fix *fx, uint16_t id, uint64_t client, uint32_t type,
    struct wbuf *w)
{
	struct wbuf cut;
	size_t len;

	for (len = 0; len < w->len; len++) {
		wbuf_init(&cut, 65536);
		wbuf_bytes(&cut, w->data, len);
		story_ask(fx, id, client, type, 99, &cut);
		story_expect(id, client, "error(99 22) ");
	}
	wbuf_u8(w, 0);
	story_ask(fx, id, client, type, 99, w);
	story_expect(id, client, "error(99 22) ");
}
