/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The clusterd authors */

/*
 * What a fence agent prints, in pieces of any size.
 *
 * Input: u16 length of a secret, the secret, then the output in pieces: u8
 * length, bytes.  What is kept is one printable line, free of the secret, and
 * the same whatever the pieces were.
 */

#include "fence/device.h"
#include "fuzz.h"

/* The functions that read the output are its own. */
#include "fence/run.c"

static void
printable(const char *s)
{
	for (; *s != '\0'; s++)
		ASSERT(*s >= ' ' && *s <= '~');
}

/* With the output in one piece there is one answer; cut, it is the same. */
static void
compare(const struct wbuf *all, const char *line)
{
	static struct run whole;
	char again[sizeof(((struct run_result *)0)->last)];

	memset(&whole, 0, sizeof(whole));
	if (all->len > 0)
		keep(&whole, (const char *)all->data, all->len);
	last_line(&whole, again, sizeof(again));
	ASSERT(strcmp(line, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct device_secrets secrets;
	static struct run run;
	struct run_result res;
	struct wbuf all;
	struct rbuf in;
	size_t n;

	memset(&run, 0, sizeof(run));
	memset(&secrets, 0, sizeof(secrets));
	wbuf_init(&all, len);
	rbuf_init(&in, data, len);
	rbuf_str(&in, secrets.value[0], sizeof(secrets.value[0]));
	secrets.n = !in.err;
	while (rbuf_left(&in) > 0) {
		n = rbuf_u8(&in);
		n = MIN(n, rbuf_left(&in));
		wbuf_bytes(&all, in.data + in.off, n);
		keep(&run, (const char *)rbuf_take(&in, n), n);
		ASSERT(run.ntail <= sizeof(run.tail));
	}
	last_line(&run, res.last, sizeof(res.last));
	printable(res.last);
	compare(&all, res.last);
	device_redact(&secrets, res.last);
	/* One with asterisks of its own can come about by hiding it. */
	if (secrets.n > 0 && secrets.value[0][0] != '\0' &&
	    strchr(secrets.value[0], '*') == NULL)
		ASSERT(strstr(res.last, secrets.value[0]) == NULL);
	wbuf_free(&all);
	return 0;
}
