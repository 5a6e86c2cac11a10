/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Any bytes as an encoded configuration (conf_decode).  What is taken is valid
 * by itself, its normal form can be computed, and encoding it again gives the
 * same bytes.
 */

#include "conf.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf *c = conf_decode(data, len), *again;
	struct wbuf w, v;

	if (c == NULL)
		return 0;
	ASSERT(conf_valid(c));
	wbuf_init(&w, 1 << 26);
	wbuf_init(&v, 1 << 26);
	conf_print(c, &w);
	wbuf_reset(&w);
	conf_encode(c, true, &w);
	ASSERT(!w.err);
	again = conf_decode(w.data, w.len);
	ASSERT(again != NULL);
	conf_encode(again, true, &v);
	ASSERT(v.len == w.len && memcmp(v.data, w.data, w.len) == 0);
	conf_free(again);
	/* Without secrets it is one, too. */
	wbuf_reset(&w);
	conf_encode(c, false, &w);
	again = conf_decode(w.data, w.len);
	ASSERT(again != NULL);
	conf_free(again);
	conf_free(c);
	wbuf_free(&w);
	wbuf_free(&v);
	return 0;
}
