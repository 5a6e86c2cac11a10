/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * Any bytes as cluster.yaml.  Either there are errors, or a configuration,
 * and what is taken survives printing and encoding: it prints in the normal
 * form, that is accepted again, and both have the same hash.  The files of
 * regress/conf are a part of the corpus.
 */

#include "conf.h"
#include "fuzz.h"

static void
survives(const struct conf *c)
{
	struct conf_errors errs;
	struct conf *again;
	struct wbuf w;

	wbuf_init(&w, 1 << 26);
	conf_print(c, &w);
	/* The normal form may be too large to be a file again. */
	if (w.len <= 1024 * 1024) {
		again = conf_parse((const char *)w.data, w.len, &errs);
		ASSERT(again != NULL);
		ASSERT(memcmp(again->hash, c->hash, sizeof(c->hash)) == 0);
		conf_free(again);
	}
	wbuf_reset(&w);
	conf_encode(c, true, &w);
	again = conf_decode(w.data, w.len);
	ASSERT(again != NULL);
	conf_free(again);
	wbuf_free(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf_errors errs;
	struct conf *c;
	struct wbuf w;

	c = conf_parse((const char *)data, len, &errs);
	ASSERT((c == NULL) == (errs.nerrors > 0));
	wbuf_init(&w, 1 << 20);
	conf_errors_print(&errs, "f", (const char *)data, len, &w);
	ASSERT(!w.err);
	wbuf_free(&w);
	if (c != NULL)
		survives(c);
	conf_free(c);
	return 0;
}
