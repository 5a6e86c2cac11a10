/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

#include "buf.h"

void
rbuf_init(struct rbuf *b, const void *data, size_t len)
{
	b->data = data;
	b->len = len;
	b->off = 0;
	b->err = false;
}

const uint8_t *
rbuf_take(struct rbuf *b, size_t len)
{
	static const uint8_t nothing[1];
	const uint8_t *p;

	if (b->err || len > b->len - b->off) {
		b->err = true;
		return NULL;
	}
	p = len == 0 ? nothing : b->data + b->off;
	b->off += len;
	return p;
}

void
rbuf_bytes(struct rbuf *b, void *dst, size_t len)
{
	const uint8_t *p = rbuf_take(b, len);

	if (p == NULL)
		memset(dst, 0, len);
	else
		memcpy(dst, p, len);
}

uint8_t
rbuf_u8(struct rbuf *b)
{
	const uint8_t *p = rbuf_take(b, 1);

	return p == NULL ? 0 : p[0];
}

uint16_t
rbuf_u16(struct rbuf *b)
{
	const uint8_t *p = rbuf_take(b, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
rbuf_u32(struct rbuf *b)
{
	const uint8_t *p = rbuf_take(b, 4);

	if (p == NULL)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

uint64_t
rbuf_u64(struct rbuf *b)
{
	uint64_t hi = rbuf_u32(b);
	uint64_t lo = rbuf_u32(b);

	return b->err ? 0 : hi << 32 | lo;
}

void
rbuf_str(struct rbuf *b, char *dst, size_t dstsize)
{
	size_t len = rbuf_u16(b);
	const uint8_t *p;

	dst[0] = '\0';
	if (len >= dstsize) {
		b->err = true;
		return;
	}
	p = rbuf_take(b, len);
	if (p == NULL)
		return;
	if (memchr(p, '\0', len) != NULL) {
		b->err = true;
		return;
	}
	memcpy(dst, p, len);
	dst[len] = '\0';
}

const uint8_t *
rbuf_blob(struct rbuf *b, size_t *len, size_t max)
{
	uint32_t n = rbuf_u32(b);

	*len = 0;
	if (n > max) {
		b->err = true;
		return NULL;
	}
	const uint8_t *p = rbuf_take(b, n);
	if (p != NULL)
		*len = n;
	return p;
}

uint32_t
rbuf_count(struct rbuf *b, uint32_t max)
{
	uint32_t n = rbuf_u32(b);

	if (n > max) {
		b->err = true;
		return 0;
	}
	return n;
}

size_t
rbuf_left(const struct rbuf *b)
{
	return b->err ? 0 : b->len - b->off;
}

bool
rbuf_done(const struct rbuf *b)
{
	return !b->err && b->off == b->len;
}

void
wbuf_init(struct wbuf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
wbuf_free(struct wbuf *b)
{
	size_t max = b->max;

	free(b->data);
	wbuf_init(b, max);
}

void
wbuf_reset(struct wbuf *b)
{
	b->len = 0;
	b->err = false;
}

/* Makes room for len more bytes and returns where they go, or NULL. */
static uint8_t *
wbuf_room(struct wbuf *b, size_t len)
{
	uint8_t *p;
	size_t cap;

	if (b->err || len > b->max - b->len) {
		b->err = true;
		return NULL;
	}
	if (b->len + len > b->cap) {
		cap = MAX(b->cap * 2, MAX(b->len + len, (size_t)64));
		cap = MIN(cap, b->max);
		p = realloc(b->data, cap);
		if (p == NULL) {
			b->err = true;
			return NULL;
		}
		b->data = p;
		b->cap = cap;
	}
	p = b->data + b->len;
	b->len += len;
	return p;
}

void
wbuf_bytes(struct wbuf *b, const void *src, size_t len)
{
	uint8_t *p;

	if (len == 0)
		return;
	p = wbuf_room(b, len);
	if (p != NULL)
		memcpy(p, src, len);
}

void
wbuf_u8(struct wbuf *b, uint8_t v)
{
	wbuf_bytes(b, &v, 1);
}

void
wbuf_u16(struct wbuf *b, uint16_t v)
{
	uint8_t x[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wbuf_bytes(b, x, sizeof(x));
}

static void
put_u32(uint8_t *x, uint32_t v)
{
	x[0] = (uint8_t)(v >> 24);
	x[1] = (uint8_t)(v >> 16);
	x[2] = (uint8_t)(v >> 8);
	x[3] = (uint8_t)v;
}

void
wbuf_u32(struct wbuf *b, uint32_t v)
{
	uint8_t x[4];

	put_u32(x, v);
	wbuf_bytes(b, x, sizeof(x));
}

void
wbuf_u64(struct wbuf *b, uint64_t v)
{
	uint8_t x[8];

	put_u32(x, (uint32_t)(v >> 32));
	put_u32(x + 4, (uint32_t)v);
	wbuf_bytes(b, x, sizeof(x));
}

void
wbuf_str(struct wbuf *b, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT16_MAX) {
		b->err = true;
		return;
	}
	wbuf_u16(b, (uint16_t)len);
	wbuf_bytes(b, s, len);
}

void
wbuf_blob(struct wbuf *b, const void *src, size_t len)
{
	if (len > UINT32_MAX) {
		b->err = true;
		return;
	}
	wbuf_u32(b, (uint32_t)len);
	wbuf_bytes(b, src, len);
}

void
wbuf_set_u32(struct wbuf *b, size_t off, uint32_t v)
{
	if (b->err)
		return;
	ASSERT(off + 4 <= b->len);
	put_u32(b->data + off, v);
}
